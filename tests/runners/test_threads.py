"""The runner of threads: what it plays and reports, that they learn, and that nothing is left over.

`Record` learns nothing: its learner is the record of every rollout, in the order of their arrival.
"""

import signal
import threading
from typing import NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Text
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from jaxtyping import Array

from palestra import prng
from palestra.algorithms.a3c import A3C
from palestra.algorithms.recurrent_ppo import RecurrentPPO
from palestra.core import Transition
from palestra.faults import EnvironmentFaultError
from palestra.parts.spaces import example_transition
from palestra.runners import threads

T, WORKERS = 4, 3
LENGTHS = (2, 3)  # steps of episodes, in turn; those of 2 end, those of 3 are cut off
ASKED = 5.0  # outside of the box


def vector(*makers) -> SyncVectorEnv:
    return SyncVectorEnv(makers, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)


class Clock(gymnasium.Env):
    """Shows which environment it is, its episode and the time in it; a step pays the time."""

    observation_space = Box(0, 1e6, (3,), np.float64)
    action_space = Box(-1, 1, (1,))

    def __init__(self, number: int = 0, gate: threading.Barrier | None = None):
        self.number, self.gate = number, gate
        self.episode, self.time, self.closed, self.seeds = -1, 0, False, []

    def reset(self, *, seed=None, options=None):
        self.seeds.append(seed)
        self.episode, self.time = self.episode + 1, 0
        return self._obs(), {}

    def step(self, action):
        assert action.shape == (1,)
        assert action.item() == 1.0  # as near to what was asked for as the box allows
        if self.gate and self.episode == self.time == 0:
            self.gate.wait(60)
        self.time += 1
        over = self.time == LENGTHS[self.episode % 2]
        ends = self.episode % 2 == 0
        return self._obs(), float(self.time), over and ends, over and not ends, {}

    def close(self):
        self.closed = True

    def _obs(self):
        return np.array([self.number, self.episode, self.time], float)


class Log(NamedTuple):
    count: Array  # updates so far
    taken_at: Array  # what `count` was for who computed each of them
    rows: Transition  # leaves [updates, T, 1, ...]


class Record:
    worker_envs = 1
    rollout_length = T

    def __init__(self, updates: int):
        self.updates = updates

    def init(self, spec, key):
        room = lambda x: jnp.zeros((self.updates, T, 1, *x.shape), x.dtype)
        zero = jnp.zeros((), jnp.int32)
        rows = jax.tree.map(room, example_transition(spec))
        return Log(zero, jnp.zeros(self.updates, jnp.int32), rows)

    def act(self, state, obs, key, *, explore=True):
        return jnp.full((1, 1), ASKED)

    def update(self, state, rollout, key):
        raise NotImplementedError

    def gradient(self, state, rollout):
        return (state.count, rollout), {"taken_at": state.count.astype(jnp.float32)}

    def apply(self, state, gradient):
        put = lambda log, new: log.at[state.count].set(new)
        return Log(state.count + 1, *jax.tree.map(put, state[1:], gradient))


class Fleet(list):
    """Makes vectors of one environment each, and remembers the environments."""

    def __init__(self, kind=Clock, **settings):
        self.kind, self.settings = kind, settings

    def __call__(self):
        return vector(lambda: self._make())

    def _make(self):
        self.append(self.kind(len(self), **self.settings))
        return self[-1]

    def at_rest(self) -> bool:
        alive = [t.name for t in threading.enumerate() if t.name.startswith("worker")]
        return not alive and all(env.closed for env in self)


def record(updates: int, reports: int, fleet: Fleet):
    settings = {"workers": WORKERS, "total_steps": updates * T, "reports": reports, "seed": 0}
    return threads.train(fleet, Record(updates), **settings)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return Fleet(gate=threading.Barrier(WORKERS))


@pytest.fixture(scope="module")
def reports(fleet):
    found = list(record(60, 4, fleet))
    assert fleet.at_rest()
    return found


@pytest.fixture(scope="module")
def log(reports) -> Log:
    return jax.tree.map(np.asarray, reports[-1].learner)


def test_reports_cover_the_steps_evenly(reports):
    assert [report.step for report in reports] == [60, 120, 180, 240]
    for i, report in enumerate(reports, 1):
        assert report.learner.count == i * 15  # the learner is that of the moment
        assert report.metrics["taken_at"].shape == (15,)
        assert report.episodes.finished.shape == (15, T, 1)


def test_steps_are_rounded_up_to_whole_reports():
    steps = [report.step for report in record(5, 2, Fleet())]
    assert steps == [3 * T, 6 * T]


def of_each_worker(log: Log):
    """The rows of each environment's life, in order. Leaves [time, ...]"""
    mine = log.rows.obs[:, 0, 0, 0]
    for number in range(WORKERS):
        yield jax.tree.map(lambda x: x[mine == number].reshape(-1, *x.shape[3:]), log.rows)  # noqa: B023


def test_transitions_are_what_happened(log):
    for number, life in enumerate(of_each_worker(log)):
        assert len(life.reward) >= T
        episode = time = 0
        for t in range(len(life.reward)):
            assert life.obs[t].tolist() == [number, episode, time]
            time += 1
            assert life.next_obs[t].tolist() == [number, episode, time]  # at the end of one, too
            assert life.reward[t] == time
            assert life.action[t] == ASKED
            over = time == LENGTHS[episode % 2]
            assert life.terminated[t] == (over and episode % 2 == 0)
            assert life.truncated[t] == (over and episode % 2 == 1)
            if over:
                episode, time = episode + 1, 0


def test_episodes_are_counted_across_rollouts_and_reports(reports, log):
    join = lambda *parts: np.concatenate(parts)
    episodes = jax.tree.map(join, *(report.episodes for report in reports))
    np.testing.assert_array_equal(episodes.finished, log.rows.terminated | log.rows.truncated)
    ended, cut = log.rows.terminated, log.rows.truncated
    assert ended.sum() > 10 < cut.sum()
    assert set(episodes.total[ended]) == {1 + 2}
    assert set(episodes.steps[ended]) == {2}
    assert set(episodes.total[cut]) == {1 + 2 + 3}
    assert set(episodes.steps[cut]) == {3}


def test_gradients_are_taken_at_what_was_read_and_applied_to_what_is_there(reports, log):
    # In their first episode all wait for each other, so all had read the first learner by then.
    firsts = [np.flatnonzero(log.rows.obs[:, 0, 0, 0] == number)[0] for number in range(WORKERS)]
    assert log.taken_at[firsts].tolist() == [0, 0, 0]
    assert max(firsts) >= 2  # others had been there before, and were not overwritten
    assert (log.taken_at <= np.arange(60)).all()
    assert log.taken_at[-1] > 0
    measured = np.concatenate([report.metrics["taken_at"] for report in reports])
    np.testing.assert_array_equal(measured, log.taken_at)


def test_each_environment_is_seeded_once_with_a_seed_of_its_own(reports, fleet):
    first = [env.seeds[0] for env in fleet]
    assert len(set(first)) == WORKERS
    assert all(seed is None for env in fleet for seed in env.seeds[1:])


class Broken(Clock):
    """The third one breaks, at a reset or a step."""

    error: BaseException = ValueError("the motor burnt out")

    def __init__(self, number: int, where: str = "step", error: BaseException | None = None):
        super().__init__(number)
        self.where = where if number == 2 else "nowhere"
        self.error = error or self.error
        if self.where == "make":
            raise self.error

    def reset(self, **options):
        if self.where == "reset":
            raise self.error
        return super().reset(**options)

    def step(self, action):
        if self.where == "step" and self.episode == 3:
            raise self.error
        return super().step(action)


@pytest.mark.parametrize("where", ["step", "reset"])
@pytest.mark.parametrize("error", [ValueError("the motor burnt out"), SystemExit("enough")])
def test_a_worker_that_fails_ends_the_run_with_its_error(where, error):
    fleet = Fleet(Broken, where=where, error=error)
    told = rf"^the environment failed: {type(error).__name__}: {error} \(.*test_threads\.py, line "
    with pytest.raises(EnvironmentFaultError, match=told) as raised:
        for _ in record(100_000, 1, fleet):
            pass
    assert raised.value.__cause__ is error
    assert fleet.at_rest()


def test_an_environment_that_cannot_be_made_closes_the_others():
    fleet = Fleet(Broken, where="make")
    with pytest.raises(ValueError, match="the motor burnt out"):
        next(record(10, 1, fleet))
    assert len(fleet) == 2
    assert fleet.at_rest()


def test_closing_the_iterator_stops_the_workers():
    fleet = Fleet()
    run = record(1_000, 100, fleet)
    assert next(run).step == 10 * T
    run.close()
    assert fleet.at_rest()
    fleet = Fleet()
    for _ in record(1_000, 100, fleet):
        break
    assert fleet.at_rest()


class Interrupting(Clock):
    """Somebody presses Ctrl-C."""

    def step(self, action):
        if self.number == 2 and self.episode == 3 and self.time == 0:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return super().step(action)


@pytest.fixture
def interruptible():
    """As in a terminal; what is begun in the background has Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_stops_the_workers(interruptible):
    fleet = Fleet(Interrupting)
    with pytest.raises(KeyboardInterrupt):
        next(record(100_000, 1, fleet))
    assert fleet.at_rest()


def test_bad_input():
    with pytest.raises(ValueError, match="workers must be a whole number of at least 1, not 0"):
        next(threads.train(Fleet(), A3C(), workers=0, total_steps=1, reports=1, seed=0))

    learner = RecurrentPPO(minibatches=1)
    with pytest.raises(ValueError, match="RecurrentPPO cannot learn in several threads at once"):
        next(threads.train(Fleet(), learner, workers=2, total_steps=1, reports=1, seed=0))

    class Strange(Clock):
        observation_space = Dict({"a": Text(2)})

    fleet = Fleet(Strange)
    with pytest.raises(ValueError, match="observation"):
        next(threads.train(fleet, A3C(), workers=2, total_steps=1, reports=1, seed=0))
    assert fleet.at_rest()


def test_other_kinds_of_spaces():
    make = lambda: vector(lambda: gymnasium.make("FrozenLake-v1"))
    (report,) = threads.train(make, A3C(hidden=(4,)), workers=2, total_steps=99, reports=1, seed=0)
    assert report.step == 100
    assert report.episodes.finished.any()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(report.learner))
    assert np.isfinite(report.metrics["gradient_norm"]).all()


def greedy(algorithm: A3C, learner, episodes: int = 20) -> float:
    """Mean return on CartPole."""
    envs = [gymnasium.make("CartPole-v1") for _ in range(episodes)]
    obs = np.stack([env.reset(seed=100 + i)[0] for i, env in enumerate(envs)])
    act = jax.jit(lambda learner, obs: algorithm.act(learner, obs, prng.key(0), explore=False))
    totals, alive = np.zeros(episodes), np.ones(episodes, bool)
    while alive.any():
        action = np.asarray(act(learner, obs))
        for i in np.flatnonzero(alive):
            obs[i], reward, terminated, truncated, _ = envs[i].step(action[i])
            totals[i] += reward
            alive[i] = not (terminated or truncated)
    return float(totals.mean())


def test_threads_learn_cartpole():
    algorithm = A3C(learning_rate=1e-3, rollout_length=20, gae_lambda=0.95, worker_envs=2)
    make = lambda: vector(*[lambda: gymnasium.make("CartPole-v1")] * 2)
    settings = {"workers": 4, "total_steps": 120_000, "reports": 12, "seed": 0}
    found = []
    for report in threads.train(make, algorithm, **settings):
        found.append(greedy(algorithm, report.learner))
        if found[-1] >= 250:
            return
    pytest.fail(f"greedy mean returns of {found}")
