"""Spaces: what fits, what does not and why, and examples with the device's types."""

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from palestra.core import Spec
from palestra.parts.spaces import action_count, example, example_transition, vector_size

VECTOR = Box(-1, 1, (5,))
IMAGE = Box(0, 255, (8, 8, 3), np.uint8)


def test_sizes():
    assert vector_size(VECTOR) == 5
    assert action_count(Discrete(7)) == 7


@pytest.mark.parametrize("space", [IMAGE, Box(-1, 1, ()), Discrete(3)])
def test_only_a_vector_is_a_vector(space):
    with pytest.raises(ValueError, match=r"the observation must be a vector .* not "):
        vector_size(space)


@pytest.mark.parametrize("space", [VECTOR, MultiDiscrete([2, 2])])
def test_only_a_discrete_space_can_be_counted(space):
    with pytest.raises(ValueError, match=r"the action must be one of a few .* not "):
        action_count(space)


def test_examples():
    assert (example(VECTOR).shape, example(VECTOR).dtype) == ((5,), np.float32)
    assert (example(Discrete(3)).shape, example(Discrete(3)).dtype) == ((), np.int32)
    one = example_transition(Spec(VECTOR, Discrete(3), 8))
    assert one.obs.shape == one.next_obs.shape == (5,)
    assert (one.action.dtype, one.reward.dtype) == (np.int32, np.float32)
    assert one.terminated.dtype == one.truncated.dtype == bool
    assert one.reward.shape == one.terminated.shape == one.truncated.shape == ()
