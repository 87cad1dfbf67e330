"""Moments that are kept small in memory, and are to the bit what they were."""

import tracemalloc

import jax
import numpy as np
import pytest

from palestra.tools.dataset import Moment
from palestra.tools.studio.line import Line

RNG = np.random.default_rng(0)
KINDS = {
    "picture": RNG.integers(0, 3, (84, 84, 4)).astype(np.uint8),
    "columns first": np.asfortranarray(RNG.normal(size=(40, 30))),
    "dict": {"flags": RNG.random((50, 20)) > 0.5, "word": "a word " * 100, "none": None},
    "large numbers": (RNG.normal(size=900).astype(np.float32), np.float32(3.0), 7),
    "objects": np.array([str(i) for i in range(500)], object),
    "nothing": np.zeros((0, 84), np.uint8),
    "small": np.arange(4.0),
}


@pytest.mark.parametrize("obs", KINDS.values(), ids=KINDS)
def test_a_moment_is_to_the_bit_what_it_was(obs):
    line, first = Line([]), Moment(obs, memory=obs, total=1.0)
    line.append(first)
    line.append(Moment(0))
    assert line[1].obs == 0
    back = line[0]
    assert (back.total, jax.tree.structure(back)) == (1.0, jax.tree.structure(first))
    for ours, theirs in zip(jax.tree.leaves(back), jax.tree.leaves(first), strict=True):
        assert np.array_equal(ours, theirs)
        assert type(ours) is type(theirs)
        if isinstance(theirs, np.ndarray):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            assert ours.flags.writeable


def test_a_line_branches_and_its_last_moment_is_replaced():
    line = Line([])
    for i in range(4):
        line.append(Moment(KINDS["picture"] + i, reward=float(i)))
    other = line.until(1)
    other.replace_last(other[1]._replace(reward=9.0))
    other.append(Moment(KINDS["small"]))
    assert [x.reward for x in other] == [0.0, 9.0, 0.0]
    assert [x.reward for x in line] == [0.0, 1.0, 2.0, 3.0]
    assert [int(x.obs[0, 0, 0]) for x in line[1:3]] == [
        int(KINDS["picture"][0, 0, 0]) + i for i in (1, 2)
    ]
    assert line[-1] is line[3]


def test_a_game_of_pictures_is_small_in_memory():
    """Pictures as Atari's: most of one color, and something that moves."""
    line = Line([])
    tracemalloc.start()
    for i in range(1000):
        obs = np.full((1, 84, 84, 4), 87, np.uint8)
        obs[0, 40:50, i % 70 : i % 70 + 8] = RNG.integers(0, 255)
        line.append(Moment(obs))
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(line) == 1000
    assert grown < 2e6  # they have 28 MB
