"""The compiled runner: seeds, episodes, resets, reports, and what needs no new compiling.

DQN's memory is large enough here to hold the whole experience in order: the record of what the
runner did.
"""

import threading
from dataclasses import replace

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import envs, prng
from palestra.algorithms.dqn import DQN
from palestra.algorithms.q_learning import QLearning
from palestra.core import Environment, Step, Transition, hyperparameters
from palestra.envs.classic.cartpole import MAX_ANGLE, CartPole
from palestra.envs.transforms import TimeLimit
from palestra.runners import compiled, kept
from palestra.runners.report import count, no_tally
from palestra.runners.sound import is_sound

E = 4
STEPS = 1_600
LIMIT = 15  # so short that some episodes are cut off
ALGORITHM = DQN(hidden=(8,), memory_size=STEPS, learning_starts=200, batch_size=8, gradient_steps=1)


def train(env=None, algorithm=ALGORITHM, seeds=(0,), total_steps=STEPS, reports=2):
    env = env or TimeLimit(env=CartPole(), limit=LIMIT)
    run = compiled.train(
        env, algorithm, num_envs=E, total_steps=total_steps, reports=reports, seeds=seeds
    )
    return [jax.tree.map(np.array, report) for report in run]  # copies: learners are donated


@pytest.fixture(scope="module")
def reports():
    return train()


@pytest.fixture(scope="module")
def record(reports) -> Transition:
    """The whole experience in order. Leaves [time, E, ...]"""
    memory = reports[-1].learner.memory
    assert memory.rows[0] == STEPS // E
    assert memory.head[0] == 0
    return jax.tree.map(lambda x: x[0], memory.data)


def test_the_next_row_goes_on_or_begins_afresh(record):
    done = (record.terminated | record.truncated)[:-1]
    after, next_obs = record.obs[1:], record.next_obs[:-1]
    np.testing.assert_array_equal(after[~done], next_obs[~done])
    assert (after[done] != next_obs[done]).any(-1).all()
    assert (np.abs(after[done]) <= 0.05).all()  # a fresh start
    assert len(np.unique(after[done], axis=0)) == done.sum() > 20  # and never the same one
    assert (np.abs(record.obs[0]) <= 0.05).all()


def test_next_obs_is_the_true_last_observation(record):
    fallen = np.abs(record.next_obs[..., 2]) > MAX_ANGLE
    assert record.terminated.any()
    assert record.truncated.any()
    np.testing.assert_array_equal(record.terminated, fallen)
    change = record.next_obs - record.obs  # one Euler step, at an ending too
    np.testing.assert_allclose(change[..., 0], 0.02 * record.obs[..., 1], atol=1e-5)
    np.testing.assert_allclose(change[..., 2], 0.02 * record.obs[..., 3], atol=1e-5)


def recount(reward, done):
    """(time, environment, total, length) of each episode that ended, by a plain double loop."""
    found = []
    for e in range(reward.shape[1]):
        total = length = 0
        for t in range(reward.shape[0]):
            total, length = total + reward[t, e], length + 1
            if done[t, e]:
                found.append((t, e, float(total), length))
                total = length = 0
    return sorted(found)


def listed(episodes):
    """The same from a report's episodes with leaves [time, E]."""
    where = zip(*np.nonzero(episodes.finished), strict=True)
    return [(t, e, float(episodes.total[t, e]), int(episodes.steps[t, e])) for t, e in where]


def test_episodes_are_counted_across_rollouts_and_reports(reports, record):
    flat = lambda x: x[0].reshape(-1, E)
    episodes = jax.tree.map(
        lambda *x: np.concatenate([*map(flat, x)]), *(r.episodes for r in reports)
    )
    expected = recount(record.reward, record.terminated | record.truncated)
    assert listed(episodes) == expected
    assert max(length for *_, length in expected) == LIMIT


def test_totals_are_sums_of_rewards():
    rng = np.random.default_rng(0)
    reward = rng.integers(-4, 5, (12, E)).astype(np.float32)
    flags = rng.random((2, 12, E)) < 0.15
    none = np.zeros((12, E), np.float32)
    rollout = jax.tree.map(jnp.asarray, Transition(none, none, reward, none, *flags))
    tally, parts = no_tally(E), []
    for start in (0, 5, 6):  # rollouts of 5, 1 and 6 steps
        stop = {0: 5, 5: 6, 6: 12}[start]
        part = rollout.reward[start:stop], rollout.done[start:stop]
        tally, episodes = count(tally, *part)
        parts.append(episodes)
    whole = jax.tree.map(lambda *x: np.concatenate(x), *parts)
    assert listed(whole) == recount(reward, flags[0] | flags[1])
    assert len(listed(whole)) > 5


@pytest.mark.parametrize(
    ("length", "num_envs", "total", "reports", "expected"),
    [
        (4, 2, 96, 4, (3, 4, 8)),  # all divides
        (4, 2, 100, 5, (3, 5, 8)),  # 13 updates, three to a report, make five reports
        (4, 2, 1, 10, (1, 1, 8)),  # never less than one update
        (1, 1, 10, 3, (4, 3, 1)),
        (1, 1, 10, 100, (1, 10, 1)),  # no more reports than updates
    ],
)
def test_plan(length, num_envs, total, reports, expected):
    algorithm = DQN(rollout_length=length)
    assert compiled.plan(algorithm, num_envs, total, reports) == expected
    updates, epochs, steps = expected
    assert total <= updates * epochs * steps < total + updates * steps


def test_steps_that_no_counter_holds_are_refused():
    assert compiled.plan(DQN(rollout_length=1), 1, 2**31 - 1, 1) == (2**31 - 1, 1, 1)
    with pytest.raises(ValueError, match=r"^steps must be at most 2,147,483,647 for each seed"):
        compiled.plan(DQN(rollout_length=1), 1, 2**31, 1)
    with pytest.raises(ValueError, match=r"rounded up to whole reports, 2,147,483,648"):
        compiled.plan(DQN(rollout_length=8), 1, 2**31 - 1, 1)


def test_reports_cover_the_steps_evenly(reports):
    updates = STEPS // (E * ALGORITHM.rollout_length) // 2
    assert [report.step for report in reports] == [STEPS // 2, STEPS]
    for report in reports:
        assert report.learner.step.tolist() == [report.step]
        assert report.metrics["td_loss"].shape == (1, updates)
        assert report.episodes.finished.shape == (1, updates, ALGORITHM.rollout_length, E)
    measured = np.concatenate([report.metrics["td_loss"][0] for report in reports])
    steps = E * ALGORITHM.rollout_length * np.arange(1, measured.size + 1)
    np.testing.assert_array_equal(np.isfinite(measured), steps >= ALGORITHM.learning_starts)


def test_a_report_is_sound_where_all_in_it_are_numbers(reports):
    assert all(report.sound.tolist() == [True] for report in reports)  # the first has no loss yet
    (diverged,) = train(algorithm=replace(ALGORITHM, learning_rate=1e38), reports=1)
    assert diverged.sound.tolist() == [False]
    sound = jax.jit(is_sound)
    learner = reports[-1].learner._replace(memory=jnp.full(3, jnp.nan))  # which is not looked at
    metrics = {"td_loss": jnp.array([jnp.nan, 1.0]), "rows": jnp.array([1, 2])}
    assert sound(learner, metrics, jnp.ones((2, 1, 3)))
    assert not sound(learner, metrics, jnp.ones((2, 1, 3)).at[1, 0, 2].set(jnp.nan))
    assert not sound(learner, {"td_loss": jnp.array([1.0, jnp.inf])}, jnp.ones((2, 1, 3)))
    assert not sound({"table": jnp.array([1.0, -jnp.inf])}, {}, jnp.ones((2, 1, 3)))


def test_the_number_of_reports_changes_nothing_else(reports):
    (whole,) = train(reports=1)
    same = jax.tree.map(np.array_equal, whole.learner, reports[-1].learner)
    assert all(jax.tree.leaves(same))


@pytest.mark.usefixtures("seeds_side_by_side")
def test_seeds_side_by_side_equal_seeds_alone(reports, record):
    together = train(seeds=(1, 0))[-1]
    assert together.episodes.finished.shape[0] == 2
    memory = jax.tree.map(lambda x: x[1], together.learner.memory.data)
    np.testing.assert_array_equal(memory.action, record.action)
    np.testing.assert_array_equal(memory.truncated, record.truncated)
    close = lambda a, b: np.testing.assert_allclose(a[1], b[0], rtol=1e-3, atol=1e-4)
    jax.tree.map(close, together.learner, reports[-1].learner)
    assert (together.learner.memory.data.obs[0, 0] != record.obs[0]).all()  # the other seed


TRACES = []


@hyperparameters
class Traced:
    """Notes when it is traced, which is when something compiles."""

    env: Environment

    @property
    def observation_space(self):
        return self.env.observation_space

    @property
    def action_space(self):
        return self.env.action_space

    def reset(self, key):
        return self.env.reset(key)

    def step(self, state, action, key):
        TRACES.append(action)
        return self.env.step(state, action, key)


def test_another_float_or_seed_needs_no_compiling():
    short = {"total_steps": 64, "reports": 1}
    train(Traced(env=CartPole()), DQN(hidden=(4,)), **short)
    once = len(TRACES)
    assert once > 0
    (before,) = train(Traced(env=CartPole()), DQN(hidden=(4,), learning_starts=1000), **short)
    (after,) = train(
        Traced(env=CartPole(pole_mass=0.9)),
        DQN(hidden=(4,), learning_rate=0.5, gamma=0.1, epsilon_end=0.3),
        seeds=(7,),
        **short,
    )
    assert len(TRACES) == once
    assert (before.learner.memory.data.obs != after.learner.memory.data.obs).any()
    train(Traced(env=CartPole()), DQN(hidden=(5,)), **short)
    assert len(TRACES) > once  # a width is compiled in


def test_floats_of_the_environment_reach_the_program():
    heavy = TimeLimit(env=CartPole(force=1e-3), limit=LIMIT)
    (report,) = train(heavy, reports=1)
    data = report.learner.memory.data
    assert np.abs(data.next_obs[..., 1] - data.obs[..., 1]).max() < 0.05  # hardly pushed


def test_time_limit_of_the_table_is_met():
    (report,) = train(envs.make("probe/TimeOut-v0"), reports=1, total_steps=64)
    assert set(np.unique(report.episodes.steps[report.episodes.finished])) <= {1, 2}


def test_programs_used_least_recently_are_let_go(monkeypatch):
    monkeypatch.setattr(kept, "MOST_LOADED", 2)
    monkeypatch.setattr(kept, "loaded", loaded := {})
    make = lambda num_envs: compiled.program_of(
        envs.make("FrozenLake-v1"), QLearning(), num_envs, 1, np.zeros(1, np.uint32)
    )
    one, _, again, _ = (make(num_envs) for num_envs in (1, 2, 1, 3))
    assert again is one
    assert [form[-3] for form in loaded] == [1, 3]


class Lives:
    """Counts steps; every third one ends an episode, and the next goes on with the count."""

    observation_space = gymnasium.spaces.Box(0, 100, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, key):
        return jnp.zeros(1), jnp.zeros(1)

    def go_on(self, state, key):
        return state + 0.5, state + 0.5

    def step(self, state, action, key):
        state = state + 1.0
        over = state[0].astype(int) % 3 == 0
        return state, Step(state, jnp.float32(0), over, jnp.zeros((), bool))


def test_where_a_game_goes_on_the_next_episode_begins_in_it():
    env, keys = Lives(), jax.random.split(prng.key(0), 2)
    begun = compiled.begin_episodes(env, keys)
    still = lambda obs, key: jnp.zeros(2, int)
    _, _, rollout, _ = compiled.unroll(env, still, *begun, 7, prng.key(1))
    assert rollout.obs[:, 0, 0].tolist() == [0, 1, 2, 3.5, 4.5, 5.5, 7.0]
    assert rollout.next_obs[:, 1, 0].tolist() == [1, 2, 3, 4.5, 5.5, 6.5, 8.0]


def test_the_next_epoch_may_be_begun_before_it_is_asked_for():
    taken = []
    env = TimeLimit(env=CartPole(), limit=LIMIT)
    told = {"num_envs": E, "total_steps": STEPS, "reports": 4, "seeds": [0]}
    for report in compiled.train(env, ALGORITHM, **told):
        taken.append(jax.tree.map(np.array, report))
        report.begin_next()
        report.begin_next()  # which is begun already
    for begun, asked in zip(taken, train(reports=4), strict=True):
        same = lambda x, y: np.testing.assert_array_equal(x, y)
        numbers = lambda report: report._replace(carry=None, begin_next=None)
        jax.tree.map(same, numbers(begun), numbers(asked))


class Epoch:
    """An epoch of a program, which tells what thread has called it."""

    def __init__(self, function):
        self.as_text = jax.jit(function).lower(1.0).compile().as_text

    def __call__(self, env, algorithm, carry):
        return carry, threading.get_ident()


def in_python(x):
    return jax.pure_callback(lambda x: x, jax.ShapeDtypeStruct((), jnp.float32), x)


@pytest.mark.parametrize(("function", "beside"), [(jnp.sin, True), (in_python, False)])
def test_an_epoch_is_begun_beside_unless_it_calls_python(function, beside):
    carry = compiled.Carry(0, 0, 0, no_tally(E), prng.key(0))
    epochs, here = compiled.Epochs(Epoch(function)), threading.get_ident()
    epochs.begin(CartPole(), ALGORITHM, carry)
    assert (epochs(CartPole(), ALGORITHM, carry)[1] != here) == beside
    assert epochs(CartPole(), ALGORITHM, carry)[1] == here  # the one after it was not begun
