"""Other numbers for each use, and for seeds that are not far apart."""

import jax
import numpy as np
import pytest

from palestra import prng
from palestra.runners.streams import EXAM, GONE_ON, JUDGE, MOST, TRAINING, WIDTH, anew, first, key

SEEDS = [0, 1, 2, 3, 1000, 2**29, 2**30 - 1, 2**30, 1_764_396_847, 2**31 - 1]


@pytest.mark.parametrize("use", [TRAINING, GONE_ON, JUDGE, EXAM])
def test_each_use_has_a_quarter_of_what_an_emulator_takes(use):
    numbers = [anew(seed, 7) if use == GONE_ON else first(seed, use) for seed in SEEDS]
    assert min(numbers) >= use * WIDTH
    assert max(numbers) + MOST <= (use + 1) * WIDTH <= 2**31


@pytest.mark.parametrize("near", [8, 100, 10_000])
def test_seeds_near_each_other_share_no_number(near):
    """`near` environments each, and seeds that differ by less than 2^27 / near."""
    apart = 2**27 // near
    fibonacci = [1, 2]  # the multiples of the golden ratio that come the closest to a whole number
    while sum(fibonacci[-2:]) < apart:
        fibonacci.append(sum(fibonacci[-2:]))
    rng = np.random.default_rng(0)
    differences = {*fibonacci, apart - 1, *rng.integers(1, apart, 2_000).tolist()}
    for seed in (0, 7, 1_764_396_847):
        gaps = [abs(first(seed + d, EXAM) - first(seed, EXAM)) for d in differences]
        assert min(gaps) >= near


def test_keys_are_all_different_and_below_a_billion_those_of_always():
    judged = [key(seed, use) for seed in SEEDS for use in (JUDGE, EXAM)]
    trained = [prng.key(np.uint32(seed)) for seed in SEEDS]
    words = {tuple(jax.random.key_data(each).tolist()) for each in (*judged, *trained)}
    assert len(words) == 3 * len(SEEDS)
    assert key(5, JUDGE) == prng.key(np.uint32(2**31 + 5))
    assert key(5, EXAM) == prng.key(np.uint32(3 * 2**30 + 5))
