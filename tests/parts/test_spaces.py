"""Spaces: what fits, what does not and why, and examples with the device's types."""

import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Tuple

from palestra.core import Spec
from palestra.parts.spaces import action_count, example, example_transition, legal

VECTOR = Box(-1, 1, (5,))
PICTURE = Box(0, 255, (8, 8, 3), np.uint8)
FLAGS = Box(0, 1, (4, 4, 2), bool)


def test_actions_are_counted():
    assert action_count(Discrete(7)) == 7


@pytest.mark.parametrize("space", [VECTOR, MultiDiscrete([2, 2])])
def test_only_a_discrete_space_can_be_counted(space):
    with pytest.raises(ValueError, match=r"the action must be one of a few .* not "):
        action_count(space)


@pytest.mark.parametrize(
    ("space", "shape", "dtype"),
    [
        (VECTOR, (5,), np.float32),
        (Box(-1, 1, (2,), np.float64), (2,), np.float32),
        (PICTURE, (8, 8, 3), np.uint8),
        (FLAGS, (4, 4, 2), bool),
        (Discrete(3), (), np.int32),
        (MultiDiscrete([2, 3]), (2,), np.int32),
    ],
)
def test_examples(space, shape, dtype):
    assert (example(space).shape, example(space).dtype) == (shape, dtype)


def test_an_example_of_several_things_at_once():
    cards, picture = example(Tuple([Discrete(3), PICTURE]))
    assert (cards.shape, cards.dtype) == ((), np.int32)
    assert (picture.shape, picture.dtype) == ((8, 8, 3), np.uint8)


def test_an_example_of_a_transition():
    one = example_transition(Spec(VECTOR, Discrete(3), 8))
    assert one.obs.shape == one.next_obs.shape == (5,)
    assert (one.action.dtype, one.reward.dtype) == (np.int32, np.float32)
    assert one.terminated.dtype == one.truncated.dtype == bool
    assert one.reward.shape == one.terminated.shape == one.truncated.shape == ()


def test_a_legal_action_is_inside_of_the_box():
    space = Box(np.array([-1, -2], np.float32), np.array([1, 3], np.float32))
    action = jnp.array([[-5.0, -5.0], [0.5, 2.5], [5.0, 5.0]])
    np.testing.assert_array_equal(legal(space, action), [[-1, -2], [0.5, 2.5], [1, 3]])


@pytest.mark.parametrize("space", [Discrete(3), MultiDiscrete([3, 3])])
def test_choices_are_legal_as_they_are(space):
    action = jnp.array([2, 1])
    assert legal(space, action) is action
