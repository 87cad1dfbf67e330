"""What every algorithm of the table keeps: its State is arrays, its functions are pure."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete
from learners import SMALL, E

from palestra import prng
from palestra.algorithms import ALGORITHMS, algorithm_class, name_of
from palestra.core import Frames, Remembers, Spec
from palestra.parts.remembering import without_memory
from palestra.parts.statistics import Moments, see
from palestra.testing import ACTIONS, OBSERVATIONS, Case, draw, experience

# Each kind of observation and each kind of action that the algorithm serves, if not all pairs.
SERVED = [
    (name, obs, action)
    for name, row in ALGORITHMS.items()
    for obs in row.observations
    for action in row.actions
    if row.observations[0] == obs or row.actions[0] == action
]
MAIN = [case for case in SERVED if case[1] == ALGORITHMS[case[0]].observations[0]]
EVERY = pytest.mark.parametrize("case", SERVED, indirect=True, scope="module", ids="/".join)
EACH = pytest.mark.parametrize("case", MAIN, indirect=True, scope="module", ids="/".join)
ALL = pytest.mark.parametrize("name", ALGORITHMS)


@pytest.fixture(scope="module")
def case(request):
    name, obs_kind, action_kind = request.param
    return Case(SMALL[name], spec_of(obs_kind, action_kind))


def spec_of(obs_kind: str, action_kind: str) -> Spec:
    return Spec(OBSERVATIONS[obs_kind], ACTIONS[action_kind], E)


def same(one, other) -> bool:
    return all(jax.tree.leaves(jax.tree.map(np.array_equal, one, other)))


def test_every_algorithm_has_small_settings():
    assert list(SMALL) == list(ALGORITHMS)


@EVERY
def test_state_is_arrays_with_memory_of_their_own(case):
    case.check_state()


@EVERY
def test_greedy_actions_are_the_same_each_time_and_in_the_space(case):
    case.check_greedy()


@EACH
def test_exploring_differs_between_environments_and_keys(case):
    one = draw(case.spec.observation_space, (1,), 0)
    obs = jnp.repeat(one, E, 0)  # all see the same
    first, again, other = (case.act(obs, prng.key(i), True) for i in (0, 0, 1))
    assert len(np.unique(first, axis=0)) > 1
    assert same(first, again)
    assert not same(first, other)
    assert first.shape == (E, *case.spec.action_space.shape)
    if not isinstance(case.spec.action_space, Box):  # the runner brings those back into their box
        assert all(case.spec.action_space.contains(np.asarray(action)) for action in first)


@EVERY
def test_state_and_actions_keep_their_form(case):
    case.check_forms()


@ALL
def test_functions_depend_on_what_they_are_given(name):
    row = ALGORITHMS[name]
    Case(SMALL[name], spec_of(row.observations[0], row.actions[0])).check_pure()


@EACH
def test_update_is_pure_finite_and_traced_once(case):
    state = case.state
    form = jax.tree.map(jax.typeof, state)  # of which a program is made, once
    before = jax.tree.map(np.array, state)
    length = case.algorithm.rollout_length
    rollouts = [experience(case.spec, 10 * i, length, case.algorithm) for i in range(20)]
    for i, rollout in enumerate(rollouts):
        state, metrics = case.update(state, rollout, prng.key(i))
        assert jax.tree.map(jax.typeof, state) == form
    assert same(before, case.state)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))
    assert metrics
    assert all(np.isfinite(m) and m.shape == () for m in metrics.values())
    assert not same(state, case.state)
    last = case.update(state, rollouts[0], prng.key(9))
    assert same(last, case.update(state, rollouts[0], prng.key(9)))


@ALL
def test_seeds_side_by_side_equal_seeds_alone(name):
    row = ALGORITHMS[name]
    Case(SMALL[name], spec_of(row.observations[0], row.actions[-1])).check_seeds()


@pytest.mark.parametrize(
    "name", [name for name in ALGORITHMS if hasattr(SMALL[name], "normalize_obs")]
)
def test_normalized_observations_are_what_acts_and_learns(name):
    """As where an environment shows them normalized."""
    spec = spec_of("vector", ALGORITHMS[name].actions[-1])
    mean, variance = jnp.array([0.5, -1.0, 0.0, 0.1]), jnp.array([4.0, 0.25, 1.0, 0.09])
    moments = Moments(jnp.float32(1e12), mean, variance)  # of so much that a rollout is nothing
    length = SMALL[name].rollout_length
    shown = [experience(spec, 10 * i, length, SMALL[name]) for i in range(3)]
    normalized = [
        rollout._replace(obs=see(moments, rollout.obs), next_obs=see(moments, rollout.next_obs))
        for rollout in shown
    ]

    def learn(algorithm, rollouts, **seen):
        case = Case(algorithm, spec)
        state = case.state._replace(**seen)
        for i, rollout in enumerate(rollouts):
            state, _ = case.update(state, rollout, prng.key(i))
        first = jax.tree.map(lambda x: x[0], without_memory(rollouts[0].obs))
        return state, case.act(first, prng.key(0), False, state)

    one, action = learn(SMALL[name], normalized)
    two, same_action = learn(replace(SMALL[name], normalize_obs=True), shown, obs_moments=moments)
    close = partial(np.testing.assert_allclose, rtol=2e-3, atol=2e-4)
    close(action, same_action)
    for field in {"networks", "q", "target"} & {*one._fields}:
        jax.tree.map(close, getattr(one, field), getattr(two, field))


# Who remembers needs no stacks of frames, and keeps what it sees as it is.
@pytest.mark.parametrize(
    "name",
    [n for n, x in SMALL.items() if hasattr(x, "memory_size") and not isinstance(x, Remembers)],
)
def test_the_memory_keeps_each_frame_once(name):
    spec = Spec(Frames(36, 36, stack=4), ACTIONS[ALGORITHMS[name].actions[-1]], E)
    learner = replace(SMALL[name], memory_size=100 * E)
    memory = jax.eval_shape(lambda: learner.init(spec, prng.key(0))).memory
    seen = jax.tree.leaves((memory.data.obs, memory.data.next_obs))
    rows = 100 // learner.rollout_length * learner.rollout_length
    assert [x.shape for x in seen] == [(rows, E, 36, 36, 1)]


@ALL
def test_spaces_that_it_does_not_serve_are_refused(name):
    row, algorithm = ALGORITHMS[name], SMALL[name]
    right = spec_of(row.observations[0], row.actions[0])
    observations = {**OBSERVATIONS, "strange": Dict({"a": Discrete(2)})}
    actions = {**ACTIONS, "strange": Dict({"a": Discrete(2)})}
    wrong = [
        right._replace(observation_space=space)
        for kind, space in observations.items()
        if kind not in row.observations
    ] + [
        right._replace(action_space=space)
        for kind, space in actions.items()
        if kind not in row.actions
    ]
    for spec in wrong:
        with pytest.raises(ValueError, match=r"^the (action|observation) must be .*, not .*\.$"):
            algorithm.init(spec, prng.key(0))


@ALL
def test_the_table_works_both_ways(name):
    assert algorithm_class(name) is type(SMALL[name])
    assert name_of(SMALL[name]) == name
    with pytest.raises(ValueError, match=f"did you mean {name}"):
        algorithm_class(name + "x")
    with pytest.raises(ValueError, match="choose from "):
        algorithm_class("????")
