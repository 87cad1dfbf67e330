"""What every algorithm of the table keeps: its State is arrays, its functions are pure."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from palestra import prng
from palestra.algorithms import ALGORITHMS, algorithm_class, name_of
from palestra.algorithms.dqn import DQN
from palestra.core import Spec, Transition

E, ACTIONS = 32, 3
OBS = Box(-1, 1, (4,))
SPEC = Spec(OBS, Discrete(ACTIONS), E)
SMALL = {
    "dqn": DQN(hidden=(8,), memory_size=16 * E, learning_starts=8 * E, batch_size=16, n_step=2),
}
ALL = pytest.mark.parametrize("name", ALGORITHMS)


def small(name):
    return SMALL.get(name) or ALGORITHMS[name]()


def experience(seed: int, length: int) -> Transition:
    rng = np.random.default_rng(seed)
    obs, next_obs = rng.normal(size=(2, length, E, 4)).astype(np.float32)
    action = rng.integers(0, ACTIONS, (length, E), np.int32)
    reward = rng.normal(size=(length, E)).astype(np.float32)
    flags = rng.random((2, length, E)) < 0.1
    return jax.tree.map(jnp.asarray, Transition(obs, action, reward, next_obs, *flags))


def same(one, other) -> bool:
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))


@ALL
def test_state_is_arrays_with_memory_of_their_own(name):
    leaves = jax.tree.leaves(small(name).init(SPEC, prng.key(0)))
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)


@ALL
def test_a_key_fixes_the_start(name):
    one, again, other = (small(name).init(SPEC, prng.key(seed)) for seed in (0, 0, 1))
    assert same(one, again)
    assert not same(one, other)


@ALL
def test_greedy_actions_are_the_same_each_time_and_in_the_space(name):
    algorithm = small(name)
    state = algorithm.init(SPEC, prng.key(0))
    obs = experience(0, 1).obs[0]
    actions = [algorithm.act(state, obs, prng.key(i), explore=False) for i in range(3)]
    assert same(actions[0], actions[1])
    assert same(actions[0], actions[2])
    assert actions[0].shape == (E,)
    assert all(SPEC.action_space.contains(np.asarray(action)) for action in actions[0])
    one_by_one = [algorithm.act(state, row[None], prng.key(0), explore=False)[0] for row in obs]
    np.testing.assert_array_equal(actions[0], one_by_one)


@ALL
def test_exploring_differs_between_environments_and_keys(name):
    algorithm = small(name)
    state = algorithm.init(SPEC, prng.key(0))
    obs = jnp.ones((E, 4))  # all see the same
    first, again, other = (algorithm.act(state, obs, prng.key(i)) for i in (0, 0, 1))
    assert len(np.unique(first, axis=0)) > 1
    assert same(first, again)
    assert not same(first, other)
    assert all(SPEC.action_space.contains(np.asarray(action)) for action in first)


@ALL
def test_update_is_pure_finite_and_traced_once(name):
    algorithm = small(name)
    traces = []

    @jax.jit
    def update(state, rollout, key):
        traces.append(key)
        return algorithm.update(state, rollout, key)

    state = start = algorithm.init(SPEC, prng.key(0))
    before = jax.tree.map(np.array, start)
    rollouts = [experience(i, algorithm.rollout_length) for i in range(6)]
    for i, rollout in enumerate(rollouts):
        state, metrics = update(state, rollout, prng.key(i))
    assert len(traces) == 1
    assert same(before, start)
    assert jax.tree.structure(state) == jax.tree.structure(start)
    kinds = lambda tree: [(x.shape, x.dtype) for x in jax.tree.leaves(tree)]
    assert kinds(state) == kinds(start)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    assert metrics
    assert all(np.isfinite(m) and m.shape == () for m in metrics.values())
    obs = rollouts[0].obs.reshape(-1, 4)[:E]
    act = lambda state: algorithm.act(state, obs, prng.key(0), explore=False)
    assert not same(state, start)
    assert act(state).shape == act(start).shape

    last = update(state, rollouts[0], prng.key(9))
    assert same(last, update(state, rollouts[0], prng.key(9)))
    assert not same(last, update(state, rollouts[0], prng.key(10)))


@ALL
def test_a_space_it_cannot_act_in_is_refused(name):
    algorithm = small(name)
    for spec in (
        SPEC._replace(action_space=MultiDiscrete([2, 2])),
        SPEC._replace(observation_space=Box(0, 1, (8, 8))),
    ):
        with pytest.raises(ValueError, match=r"^the (action|observation) must be .*, not .*\.$"):
            algorithm.init(spec, prng.key(0))


@ALL
def test_the_table_works_both_ways(name):
    assert algorithm_class(name) is ALGORITHMS[name]
    assert name_of(small(name)) == name
    with pytest.raises(ValueError, match=f"did you mean {name}"):
        algorithm_class(name + "x")
    with pytest.raises(ValueError, match="choose from dqn"):
        algorithm_class("????")
