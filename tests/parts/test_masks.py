"""Masks: forbidden actions have probability 0 and are nobody's best, in numbers worked by hand."""

from math import log

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Tuple

from palestra import prng
from palestra.core import Masked, Spec
from palestra.parts import tables
from palestra.parts.exploration import epsilon_greedy, expectation
from palestra.parts.masks import allowed, masked, most_entropy, observed
from palestra.parts.policies import ActorCritic, Policy
from palestra.parts.spaces import example, flat_observation_space, flatten_observation
from palestra.parts.statistics import obs_moments, saw, see

VALUES = jnp.array([[1.0, 9.0, 2.0], [1.0, 9.0, 2.0]])
MASK = jnp.array([[True, False, True], [True, True, True]])
SEEN = {"observation": jnp.zeros((2, 4)), "action_mask": MASK}


def test_values_of_forbidden_actions_are_below_all_others():
    assert masked(VALUES, SEEN).argmax(-1).tolist() == [2, 1]
    assert masked(VALUES, SEEN).max(-1).tolist() == [2, 9]
    assert masked(VALUES, SEEN["observation"]) is VALUES
    assert allowed(SEEN["observation"]) is None
    assert observed(SEEN) is SEEN["observation"]


def test_expectations_are_over_what_is_allowed():
    # 0.4 of the time any of 1, 2; of 1, 9, 2
    expected = [0.6 * 2 + 0.4 * 1.5, 0.6 * 9 + 0.4 * 4]
    found = expectation(masked(VALUES, SEEN), 0.4, MASK)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_exploration_draws_evenly_among_the_allowed():
    rows = 20_000
    action = np.asarray(epsilon_greedy(*_rows(rows), prng.key(0), jnp.tile(MASK[:1], (rows, 1))))
    counts = np.bincount(action, minlength=3)
    assert counts[1] == 0
    assert abs(counts[0] - rows / 2) < 5 * (rows * 0.25) ** 0.5


def _rows(count: int) -> tuple[jax.Array, float]:
    return jnp.tile(masked(VALUES, SEEN)[:1], (count, 1)), 1.0


def test_a_table_masks_its_rows_alone():
    spec = Spec(Masked(Tuple([Discrete(2), Discrete(3)]), 3), Discrete(3), 1)
    q = tables.table(spec, 0.0).at[1, 2].set(VALUES[0])
    obs = {"observation": (jnp.array([1]), jnp.array([2])), "action_mask": MASK[:1]}
    assert tables.row(q, obs).max(-1).tolist() == [2]
    assert tables.value(q, obs, jnp.array([1])).tolist() == [9]
    q, _ = tables.learn(q, obs, jnp.array([0]), jnp.array([5.0]), 0.5)
    assert q[1, 2].tolist() == [3, 9, 2]


@pytest.mark.parametrize("kind", [Policy, ActorCritic])
@pytest.mark.parametrize(
    ("actions", "mask", "chances"),
    [
        (Discrete(3), [True, False, True], [[0.5, 0, 0.5]]),
        (MultiDiscrete([2, 3]), [False, True, True, False, True], [[0, 1], [0.5, 0, 0.5]]),
    ],
)
def test_a_policy_leaves_nothing_to_what_is_forbidden(kind, actions, mask, chances):
    spec = Spec(Masked(Box(-1, 1, (4,)), len(mask)), actions, 1)
    policy = kind(spec, (8,), prng.key(0))
    obs = {"observation": jnp.zeros(4), "action_mask": jnp.array(mask)}  # logits are all 0
    pi = lambda policy: policy(obs) if kind is Policy else policy(obs)[0]
    parts = getattr(pi(policy), "parts", None) or (pi(policy),)
    for part, chance in zip(parts, chances, strict=True):
        np.testing.assert_allclose(jax.nn.softmax(part.logits), chance, rtol=1e-6)
    np.testing.assert_allclose(pi(policy).entropy(), log(2), rtol=1e-6)
    action = {3: jnp.int32(2), 5: jnp.array([1, 2])}[len(mask)]
    np.testing.assert_allclose(pi(policy).log_prob(action), log(0.5), rtol=1e-6)
    loss = lambda policy: pi(policy).log_prob(action) + pi(policy).entropy()
    gradients = jax.tree.leaves(jax.grad(loss)(policy))
    assert all(np.isfinite(x).all() for x in gradients)
    assert any(x.any() for x in gradients)


def test_the_most_entropy_is_that_of_the_allowed():
    np.testing.assert_allclose(most_entropy(3, SEEN), (log(2) + log(3)) / 2, rtol=1e-6)
    assert most_entropy(3, SEEN["observation"]) == log(3)


def test_a_masked_space_is_flattened_with_its_mask():
    whole = Masked(Box(-1, 1, (2, 2)), 3)
    flat = flat_observation_space(whole)
    assert flat == Masked(Box(-1, 1, (4,)), 3)
    assert isinstance(flat, Masked)
    assert flat_observation_space(flat) is flat
    mask = np.array([1, 0, 1], np.int8)
    obs = flatten_observation(whole, {"observation": np.ones((2, 2)), "action_mask": mask})
    assert jax.tree.map(lambda x: (x.shape, x.dtype), obs) == jax.tree.map(
        lambda x: (x.shape, x.dtype), example(flat)
    )
    with pytest.raises(ValueError, match="must be a dict of 'observation', 'action_mask'"):
        flatten_observation(whole, np.ones((2, 2)))


def test_moments_are_of_what_is_seen_alone():
    space = Masked(Box(-1, 1, (4,)), 3)
    rollout = jax.tree.map(lambda x: x[None], SEEN | {"observation": jnp.full((2, 4), 3.0)})
    moments = saw(obs_moments(space), rollout)
    assert moments.mean.tolist() == [3, 3, 3, 3]
    assert see(moments, SEEN)["action_mask"] is MASK
