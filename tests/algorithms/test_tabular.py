"""What the tabular algorithms have in common: each hyper-parameter has the effect that it names."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Discrete, Tuple
from tabular import BASE, SPEC, Q, moved, rows, start, update

from palestra import prng
from palestra.algorithms.double_q_learning import DoubleQLearning
from palestra.algorithms.dyna_q import DynaQ
from palestra.algorithms.expected_sarsa import ExpectedSarsa
from palestra.algorithms.monte_carlo import MonteCarlo
from palestra.algorithms.n_step_sarsa import NStepSarsa
from palestra.algorithms.q_learning import QLearning
from palestra.algorithms.sarsa import Sarsa
from palestra.algorithms.sarsa_lambda import SarsaLambda
from palestra.core import Spec, Transition

WITHOUT_THOUGHT = partial(DynaQ, planning_steps=0)
ONE_TABLE = [
    QLearning,
    Sarsa,
    ExpectedSarsa,
    NStepSarsa,
    SarsaLambda,
    WITHOUT_THOUGHT,
    MonteCarlo,
]
EACH = pytest.mark.parametrize("cls", ONE_TABLE)
EACH_AND_DOUBLE = pytest.mark.parametrize("cls", [*ONE_TABLE, DoubleQLearning])
MANY = 20_000
END = (0, 0, 7.0, 1, True, False)  # an ending is worth its reward


@EACH_AND_DOUBLE
@pytest.mark.parametrize(("step", "epsilon"), [(0, 0.8), (50, 0.5), (100, 0.2), (1000, 0.2)])
def test_epsilon_falls_with_the_steps(cls, step, epsilon):
    algorithm = cls(epsilon_start=0.8, epsilon_end=0.2, epsilon_steps=100)
    state = start(algorithm)._replace(step=jnp.int32(step))
    action = algorithm.act(state, jnp.zeros(MANY, jnp.int32), prng.key(2))
    share = epsilon / 2  # half of the random actions are the greedy one, which is 1
    strays = np.asarray(action) == 0
    assert abs(strays.mean() - share) < 5 * (share * (1 - share) / MANY) ** 0.5
    greedy = algorithm.act(state, jnp.arange(3), prng.key(2), explore=False)
    assert greedy.tolist() == Q.argmax(-1).tolist()


@EACH_AND_DOUBLE
def test_ties_are_broken_while_exploring_alone(cls):
    algorithm = cls(epsilon_start=0.0, epsilon_end=0.0)
    state = algorithm.init(SPEC, prng.key(0))  # one great tie
    obs = jnp.zeros(MANY, jnp.int32)
    action = np.asarray(algorithm.act(state, obs, prng.key(1)))
    assert abs(action.mean() - 0.5) < 5 * 0.5 / MANY**0.5
    assert not np.asarray(algorithm.act(state, obs, prng.key(1), explore=False)).any()


@EACH
@pytest.mark.parametrize(("step", "rate"), [(0, 0.5), (50, 0.25), (100, 0.0), (150, 0.0)])
def test_the_learning_rate_falls_with_the_steps(cls, step, rate):
    algorithm = cls(**BASE, anneal_steps=100)
    state = start(algorithm)._replace(step=jnp.int32(step))
    after, metrics = update(algorithm, state, rows(END))
    np.testing.assert_allclose(after.q - Q, [[rate * (7 - 1), 0], [0, 0], [0, 0]], atol=1e-6)
    assert int(after.step) == step + 1
    assert metrics["td_error"] == 6


@EACH
def test_the_learning_rate_stays_without_annealing(cls):
    algorithm = cls(**BASE)
    state = start(algorithm)._replace(step=jnp.int32(10**9))
    after, _ = update(algorithm, state, rows(END))
    np.testing.assert_allclose(after.q, moved(s0a0=7.0))


@EACH
def test_gamma_zero_counts_the_reward_alone(cls):
    algorithm = cls(gamma=0.0, learning_rate=0.5)
    cut = (0, 0, 7.0, 1, False, True)
    after, _ = update(algorithm, start(algorithm), rows(cut))
    np.testing.assert_allclose(after.q, moved(s0a0=7.0))


@EACH
def test_the_table_begins_with_the_initial_value(cls):
    state = cls(initial_value=-2.5).init(SPEC, prng.key(0))
    np.testing.assert_array_equal(state.q, np.full((3, 2), -2.5))
    assert not cls().init(SPEC, prng.key(0)).q.any()


@EACH
def test_environments_that_meet_do_not_overshoot(cls):
    """Four in the same place: towards their mean, 4, as far as four steps one after another."""
    algorithm = cls(**BASE)
    state = algorithm.init(SPEC._replace(num_envs=4), prng.key(0))
    column = lambda *values, dtype: jnp.array([values], dtype)
    rollout = Transition(
        obs=column(0, 0, 0, 0, dtype=jnp.int32),
        action=column(1, 1, 1, 1, dtype=jnp.int32),
        reward=column(1, 3, 5, 7, dtype=jnp.float32),
        next_obs=column(1, 1, 1, 1, dtype=jnp.int32),
        terminated=column(True, True, True, True, dtype=bool),
        truncated=column(False, False, False, False, dtype=bool),
    )
    after, _ = update(algorithm, state, rollout)
    np.testing.assert_allclose(after.q[0, 1], 4 * (1 - 0.5**4))


@EACH
def test_cards_are_seen_as_several_numbers(cls):
    space = Tuple([Discrete(4), Discrete(2)])
    algorithm = cls(**BASE)
    state = algorithm.init(Spec(space, Discrete(2), 1), prng.key(0))
    assert state.q.shape == (4, 2, 2)
    plain = rows(END)
    obs = (jnp.array([[3]]), jnp.array([[1]]))
    state, _ = update(algorithm, state, plain._replace(obs=obs, next_obs=obs))
    assert state.q[3, 1, 0] == 3.5
    assert (np.asarray(state.q) != 0).sum() == 1
    act = algorithm.act(state, (jnp.array([3]), jnp.array([1])), prng.key(0), explore=False)
    assert act.tolist() == [0]
