"""Where a run's randomness begins: other numbers for training, judging and exam, and for each seed.

    first(seed, JUDGE)    host: environment i is reset with this number + i
    key(seed, JUDGE)      our simulators: the key that all is drawn from

A number for a host's environment must be below 2^31, since emulators take no other. That is too
few for every seed to have numbers of its own in every use, so this is what holds:

    uses    never share a number, whatever the seeds: each has a quarter of the numbers
    seeds   whose difference is below 2^27 / n share none where each has n environments; seeds
            further apart may, by chance, with a probability of about 2 n / 2^29

The second is a property of the golden ratio: the fractional parts of its multiples keep away from
each other as far as can be (Knuth, The Art of Computer Programming 3, 6.4: Fibonacci hashing).
"""

import jax
import numpy as np

from palestra import prng
from palestra.core import Key

TRAINING, GONE_ON, JUDGE, EXAM = range(4)  # a use each; GONE_ON after a stop that lost episodes
WIDTH = 2**29  # the numbers of each use
MOST = 2**20  # environments of a seed
GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio


def first(seed: int, use: int) -> int:
    """The number that environment 0 is reset with; environment i takes the i-th after it."""
    share = seed * GOLDEN % 2**64  # of 2^64
    return use * WIDTH + (share * (WIDTH - MOST) >> 64)


def anew(seed: int, updates: int) -> int:
    """As `first`, for the new episodes in which training goes on after so many updates."""
    drawn = np.random.SeedSequence([seed, updates]).generate_state(1)
    return first(int(drawn[0]), GONE_ON)


def key(seed: int, use: int) -> Key:
    """The key of JUDGE or EXAM: for each seed another one, and none of training's, which are
    prng.key(seed)."""
    high, low = divmod(seed, 2**30)
    begun = prng.key(np.uint32(use * 2**30 + low))
    return jax.random.fold_in(begun, high) if high else begun
