"""The runner on the host: the compiled runner's learner, true successors, faults told."""

import os
import re
import sys
import threading
import time
from functools import partial
from multiprocessing import active_children
from types import ModuleType
from typing import NamedTuple

import cloudpickle
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Tuple
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers import RecordEpisodeStatistics, TransformReward
from gymnasium.wrappers.vector import RecordEpisodeStatistics as VectorRecords
from sizes import sizes, stepping

import palestra
from palestra import envs
from palestra.algorithms.dqn import DQN
from palestra.algorithms.ppo import PPO
from palestra.algorithms.pqn import PQN
from palestra.algorithms.q_learning import QLearning
from palestra.algorithms.recurrent_ppo import RecurrentPPO
from palestra.algorithms.sarsa import Sarsa
from palestra.core import Chosen, Transition
from palestra.envs.host.closing import close
from palestra.envs.host.many import make_from
from palestra.envs.host.one import lone
from palestra.envs.host.processes import apart as made_apart
from palestra.faults import EnvironmentFaultError, InputError, RaisedElsewhereError
from palestra.parts.remembering import transition_of
from palestra.runners import compiled, host, threads
from palestra.runners.leaves import named
from palestra.runners.report import Since
from palestra.tools.environments.whose import task_of

SAME, NEXT, OFF = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED
LENGTHS = (2, 3)  # steps of episodes, in turn; those of 2 end, those of 3 are cut off


class Clock(gymnasium.Env):
    """Shows which environment it is, its episode and the time in it; a step pays the time."""

    observation_space = Box(0, 1e6, (3,), np.float64)
    action_space = Box(-1, 1, (1,))

    def __init__(self, number: int = 0, lengths: tuple[int, int] = LENGTHS):
        self.number, self.lengths = number, lengths
        self.episode, self.time = -1, 0

    def reset(self, *, seed=None, options=None):
        self.episode, self.time = self.episode + 1, 0
        return self._obs(), {}

    def step(self, action):
        assert action.item() == 1.0  # as near to what was asked for as the box allows
        self.time += 1
        over = self.time == self.lengths[self.episode % 2]
        ends = self.episode % 2 == 0
        return self._obs(), float(self.time), over and ends, over and not ends, {}

    def _obs(self):
        return np.array([self.number, self.episode, self.time], float)


class Log(NamedTuple):
    count: jax.Array  # updates so far
    acted_at: jax.Array  # what `count` was for who played each of them
    rows: Transition  # leaves [updates, T, E, ...]


class Record:
    """Learns nothing: its learner is the record of every rollout."""

    rollout_length = 4
    told_who_acted = True

    def __init__(self, updates: int):
        self.updates = updates

    def init(self, spec, key):
        room = lambda x: jnp.zeros((self.updates, 4, spec.num_envs, *x.shape), x.dtype)
        rows = jax.tree.map(room, transition_of(self, spec))
        return Log(jnp.zeros((), jnp.int32), jnp.zeros(self.updates, jnp.int32), rows)

    def act(self, state, obs, key, *, explore=True):
        asked = jnp.where(state.count < 0, 0.0, 5.0)  # outside of the box
        return jnp.full((len(obs), 1), asked)

    def update(self, state, rollout, key, *, acted=None):
        put = lambda log, new: log.at[state.count].set(new)
        seen = (state if acted is None else acted).count
        return Log(state.count + 1, *jax.tree.map(put, state[1:], (seen, rollout))), {}


class Counting(Record):
    """Remembers how often it has acted."""

    def no_memory(self, spec):
        return jnp.zeros((), jnp.int32)

    def act(self, state, obs, key, *, explore=True):
        return Chosen(super().act(state, obs.obs, key), obs.memory + 1)


def played(
    mode: AutoresetMode, updates: int = 20, runner=host.train, num_envs: int = 2, learner=Record
):
    """What two clocks show, of which the second has one step more in each episode."""
    lengths = [LENGTHS, (3, 4)]
    makers = [partial(Clock, i, lengths[i % 2]) for i in range(num_envs)]
    venv = SyncVectorEnv(makers, copy=False, autoreset_mode=mode)
    steps = updates * 4 * num_envs
    *_, last = runner(venv, learner(updates), total_steps=steps, reports=2, seed=0)
    rows = jax.tree.map(np.asarray, last.learner.rows)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows), last  # [time, E, ...]


@pytest.mark.parametrize("mode", [SAME, OFF])
def test_transitions_are_what_happened(mode):
    rows, _ = played(mode)
    for i, lengths in enumerate([LENGTHS, (3, 4)]):
        episode = now = 0
        for t in range(len(rows.reward)):
            assert rows.obs[t, i].tolist() == [i, episode, now]
            now += 1
            assert rows.next_obs[t, i].tolist() == [i, episode, now]  # at the end of one, too
            assert rows.reward[t, i] == now
            assert rows.action[t, i] == 5.0
            over = now == lengths[episode % 2]
            assert rows.terminated[t, i] == (over and episode % 2 == 0)
            assert rows.truncated[t, i] == (over and episode % 2 == 1)
            if over:
                episode, now = episode + 1, 0


def test_where_a_reset_takes_a_step_nothing_false_is_learned():
    rows, _ = played(NEXT)
    for i, lengths in enumerate([LENGTHS, (3, 4)]):
        for t in range(len(rows.reward)):
            number, episode, now = rows.obs[t, i]
            # Every transition is one that happened, and successors are the true ones.
            assert rows.next_obs[t, i].tolist() == [number, episode, now + 1]
            assert rows.reward[t, i] == now + 1
            over = now + 1 == lengths[int(episode) % 2]
            assert rows.terminated[t, i] == (over and episode % 2 == 0)
            if over and episode % 2:
                assert rows.truncated[t, i]
            if t + 1 < len(rows.reward) and not rows.terminated[t, i] | rows.truncated[t, i]:
                assert rows.obs[t + 1, i].tolist() == rows.next_obs[t, i].tolist()
    cut = rows.truncated & ~np.isin(rows.next_obs[..., 2], (3, 4))
    assert cut.any()  # those that went on while the other one was reset


@pytest.mark.parametrize("mode", [SAME, OFF, NEXT])
@pytest.mark.parametrize("runner", [host.train, threads.beside])
def test_what_is_remembered_lasts_for_an_episode(mode, runner):
    rows, _ = played(mode, runner=runner, learner=Counting)
    _, episode, now = np.moveaxis(rows.obs.obs, -1, 0)
    memory = rows.obs.memory
    assert (rows.next_obs.memory == memory + 1).all()
    assert (now == 0).sum() > 10
    assert not memory[now == 0].any()
    same = (np.diff(episode, axis=0) == 0) & (np.diff(now, axis=0) > 0)
    assert (np.diff(memory, axis=0) == 1)[same].all()  # also where a cut was only told (NEXT_STEP)
    if mode is not NEXT:  # which drops steps that nobody has acted in
        np.testing.assert_array_equal(memory, now)


def test_episodes_are_counted_across_rollouts_and_reports():
    venv = SyncVectorEnv([Clock, partial(Clock, 1)], copy=False, autoreset_mode=SAME)
    reports = list(host.train(venv, Record(20), total_steps=160, reports=2, seed=0))
    assert [report.step for report in reports] == [80, 160]
    join = lambda *parts: np.concatenate(parts).reshape(-1, 2)
    episodes = jax.tree.map(join, *(report.episodes for report in reports))
    assert episodes.finished.sum() == 2 * (80 // 5 * 2)
    assert set(episodes.total[episodes.finished]) == {1 + 2, 1 + 2 + 3}
    assert set(episodes.steps[episodes.finished]) == {2, 3}


@pytest.mark.parametrize("mode", [SAME, NEXT, OFF])
def test_who_keeps_records_of_episodes_knows_better(mode):
    def make():
        return TransformReward(RecordEpisodeStatistics(Clock()), lambda reward: 0.0)

    venv = SyncVectorEnv([make], autoreset_mode=mode)
    (report,) = host.train(venv, Record(5), total_steps=20, reports=1, seed=0)
    assert np.asarray(report.learner.rows.reward).max() == 0
    finished = report.episodes.finished
    assert set(report.episodes.total[finished].tolist()) == {3.0, 6.0}


# Whole steps of whole rewards: sums that no program may round in its own way.
WHOLE = {"learning_rate": 1.0, "gamma": 1.0}
TABLES = [QLearning(**WHOLE), Sarsa(**WHOLE)]
ROUNDED = [
    QLearning(),
    DQN(hidden=(8,), memory_size=500, learning_starts=50, batch_size=8, epsilon_steps=500),
    PQN(hidden=(8,), rollout_length=8),
    PPO(hidden=(8,), rollout_length=16, minibatches=4),
    RecurrentPPO(units=8, hidden=(8,), rollout_length=16, minibatches=2, cell="lstm"),
]


@pytest.mark.parametrize("algorithm", TABLES + ROUNDED, ids=lambda a: type(a).__name__)
def test_compiled_and_host_runners_give_the_same_learner(algorithm):
    env_id, num_envs = "CliffWalking-v1", 4
    settings = {"total_steps": 600, "reports": 2}
    env = envs.make(env_id, limit=20)
    *_, ours = compiled.train(env, algorithm, num_envs=num_envs, seeds=[3], **settings)
    make = partial(palestra.make, env_id, max_episode_steps=20)
    venv = SyncVectorEnv([make] * num_envs, autoreset_mode=SAME)
    *_, theirs = host.train(venv, algorithm, seed=3, **settings)
    a, b = jax.tree.leaves(ours.learner), jax.tree.leaves(theirs.learner)
    assert len(a) == len(b)
    assert ours.step == theirs.step
    rtol, atol = (0, 0) if algorithm in TABLES else (1e-4, 1e-5)
    for x, y in zip(a, b, strict=True):
        if not jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
            np.testing.assert_allclose(np.asarray(x)[0], np.asarray(y), rtol=rtol, atol=atol)
    start = compiled.begin(env, algorithm, num_envs, jnp.uint32(3)).learner
    moved = [
        np.abs(np.asarray(x, float) - np.asarray(y, float)).max() if x.size else 0
        for x, y in zip(jax.tree.leaves(start), b, strict=True)
    ]
    assert max(moved) > 0  # something was learned


def test_acting_beside_learning_lags_by_one_update_and_repeats():
    rows, report = played(SAME, updates=12, runner=threads.beside)
    assert report.learner.acted_at.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    again, _ = played(SAME, updates=12, runner=threads.beside)
    jax.tree.map(np.testing.assert_array_equal, rows, again)
    lockstep, _ = played(SAME, updates=12)
    jax.tree.map(np.testing.assert_array_equal, rows, lockstep)  # clocks do not mind
    assert not [t for t in threading.enumerate() if t.name.startswith("player")]


class Nested(gymnasium.Env):
    """Several things to see and to do."""

    observation_space = Dict({"where": Box(-1, 1, (2,)), "key": Discrete(3, start=5)})
    action_space = Dict({"go": MultiDiscrete([2, 3]), "say": Discrete(2, start=1)})

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self._obs(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.time += 1
        return self._obs(), float(action["say"] == 2), self.time == 5, False, {}

    def _obs(self):
        return {"where": np.zeros(2, np.float32), "key": np.int64(5 + self.time % 3)}


def test_nested_spaces():
    venv = SyncVectorEnv([Nested] * 3, autoreset_mode=SAME)
    algorithm = PPO(hidden=(8,), rollout_length=16, minibatches=2, learning_rate=1e-2)
    *_, first, last = host.train(venv, algorithm, total_steps=4000, reports=4, seed=0)
    finished = last.episodes.finished
    assert last.episodes.total[finished].mean() > 4.0  # 2.5 for who says anything
    assert np.isfinite(first.metrics["value_loss"]).all()


class TwoWordsError(Exception):
    def __init__(self, number: int, place: str):
        super().__init__(f"{number} at {place}")


class Faulty(Clock):
    """Goes wrong in its second episode."""

    def __init__(self, fault: str, number: int = 0):
        super().__init__(number)
        self.fault = fault

    def step(self, action):
        obs, reward, *rest = super().step(action)
        if self.episode == 1:
            match self.fault:
                case "raises":
                    raise KeyError("the motor burnt out")
                case "nan":
                    obs[1] = np.nan
                case "reward":
                    reward = np.inf
                case "shape":
                    obs = np.zeros(4)
                case "nothing":
                    obs = None
                case "file":
                    open("no such level")  # noqa: SIM115
                case "own":
                    raise TwoWordsError(7, "the door")
                case "exit":
                    sys.exit(3)
                case "dies":
                    os._exit(3)
        return obs, reward, *rest


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("raises", "the environment failed: KeyError: 'the motor burnt out' (tests"),
        ("exit", "the environment failed: SystemExit: 3 (tests"),
        ("nan", "the environment showed an observation of nan."),
        ("reward", "the environment gave a reward of inf."),
        ("shape", "the environment showed an observation that its own space Box"),
        ("nothing", "the environment showed an observation that its own space Box"),
    ],
)
@pytest.mark.parametrize("runner", [host.train, threads.beside], ids=["train", "beside"])
def test_a_faulty_environment_ends_the_run_in_a_sentence(fault, told, runner):
    venv = SyncVectorEnv([Clock, partial(Faulty, fault)], autoreset_mode=SAME)
    with pytest.raises(EnvironmentFaultError) as raised:
        for _ in runner(venv, Record(50), total_steps=400, reports=2, seed=0):
            pass
    assert str(raised.value).startswith(told)
    assert ("Traceback" in raised.value.trace) == (fault in ("raises", "exit"))


class Foreign(Clock):
    """Shows another shape than it says."""

    def _obs(self):
        return np.zeros(4 if self.episode else 3)


def test_an_observation_outside_of_its_space_is_told():
    class Direct(gymnasium.vector.VectorEnv):
        num_envs, metadata = 1, {"autoreset_mode": SAME}
        single_observation_space, single_action_space = Clock.observation_space, Clock.action_space

        def reset(self, *, seed=None, options=None):
            return np.zeros((1, 4)), {}

    with pytest.raises(EnvironmentFaultError, match=r"that its own space .* does not hold"):
        next(host.train(Direct(), Record(5), total_steps=20, reports=1, seed=0))


def test_a_process_that_dies_ends_the_run_in_a_sentence():
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # processes do not import tests
    venv = made_apart([Clock, partial(Faulty, "dies", 1)])
    assert isinstance(venv, AsyncVectorEnv)
    with pytest.raises(EnvironmentFaultError, match="a process of its own died"):
        for _ in host.train(venv, Record(50), total_steps=400, reports=2, seed=0):
            pass
    said = []
    close(venv, said.append)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("file", "FileNotFoundError: [Errno 2] No such file or directory: 'no such level'"),
        ("own", "TwoWordsError: 7 at the door"),
        ("exit", "SystemExit: 3"),
    ],
)
def test_what_is_raised_in_another_process_is_told_as_it_was(fault, told):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    venv = made_apart([Clock, partial(Faulty, fault, 1)])
    with pytest.raises(EnvironmentFaultError) as raised:
        for _ in host.train(venv, Record(50), total_steps=400, reports=2, seed=0):
            pass
    assert f"the environment failed: {told}" in str(raised.value)
    assert re.search(r"at step \d+\.$", str(raised.value))
    assert "in step" in raised.value.trace
    close(venv)


def test_what_cannot_be_made_in_another_process_says_why():
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    here = os.getpid()

    def once():
        if os.getpid() != here:
            raise OSError("port 2000 is in use")
        return Clock()

    with pytest.raises(RaisedElsewhereError, match="OSError: port 2000 is in use"):
        made_apart([once, once])


def held():
    """A function that cannot be sent."""
    lock = threading.Lock()
    return lambda: CartPoleEnv() if lock else None


def of_nowhere():
    """A class that another process does not find."""
    module = sys.modules["nowhere"] = ModuleType("nowhere")
    module.Pole = type("Pole", (CartPoleEnv,), {"__module__": "nowhere"})
    return module.Pole


@pytest.mark.parametrize("maker", [held, of_nowhere])
def test_what_cannot_be_made_in_another_process_plays_in_this_one(maker, monkeypatch, capfd):
    stepping(monkeypatch, apart=True)
    made = make_from(maker(), 2)
    assert isinstance(made.envs, SyncVectorEnv)
    assert "in this process, since others cannot make them: " in made.how
    assert capfd.readouterr().err == ""
    assert not active_children()


class Meters(np.ndarray):
    """An array of somebody's own class."""


class Measured(Clock):
    """Shows those, rewards with them, and says so."""

    def _obs(self):
        return super()._obs().view(Meters)

    def step(self, action):
        print("half a meter")
        obs, reward, *ends = super().step(action)
        return obs, np.array(reward).view(Meters), *ends


def test_arrays_of_somebodys_own_class_come_from_another_process_and_words_do_not(capfd):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    venvs = made_apart([partial(lone, "", Measured)]), SyncVectorEnv([Clock], autoreset_mode=SAME)
    one = np.ones((1, 1), np.float32)
    play = lambda envs: host.Players(envs, 0).unroll(lambda words, obs: (one, one), np.zeros(7))
    jax.tree.map(np.testing.assert_array_equal, *map(play, venvs))
    close(venvs[0])
    assert capfd.readouterr() == ("", "half a meter\n" * 7)


def test_an_environment_that_hangs_when_it_is_closed_is_left(monkeypatch):
    sizes(monkeypatch, closing=0.2)
    release = threading.Event()

    class Hangs(Clock):
        def close(self):
            release.wait(10)

    said = []
    begun = time.perf_counter()
    close(SyncVectorEnv([Hangs], autoreset_mode=SAME), said.append)
    assert time.perf_counter() - begun < 5
    release.set()
    assert said == ["the environment did not close within 0.2 s; it was left as it is."]


def test_environments_must_say_when_they_begin_anew():
    venv = SyncVectorEnv([Clock])
    venv.metadata = {}
    with pytest.raises(ValueError, match=r"metadata\['autoreset_mode'\].*not None"):
        next(host.train(venv, Record(5), total_steps=20, reports=1, seed=0))


class Drift(gymnasium.Env):
    """A walk in float64, whose smallest error grows; its state is a tree of what people keep."""

    observation_space, action_space = Box(-np.inf, np.inf, (2,), np.float64), Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.time, self.pace = self.np_random.normal(size=2), 0, np.float64(3.9)
        return self.place.copy(), {}

    def step(self, action):
        self.place, self.time = self.pace * self.place % 1.0, self.time + 1
        return self.place.copy(), self.place.sum() / 3, self.time == 7, False, {}

    def get_state(self):
        numbers = self.np_random.bit_generator.state["state"]
        words = [x >> shift & 2**64 - 1 for x in numbers.values() for shift in (64, 0)]
        return {"at": (self.place, self.time, self.pace), "drawn": np.array(words, np.uint64)}

    def set_state(self, state):
        self.place, self.time, self.pace = state["at"]
        assert (type(self.time), type(self.pace)) == (int, np.float64)
        high, low, more, less = map(int, state["drawn"])
        generator = self.np_random.bit_generator
        numbers = {"state": high << 64 | low, "inc": more << 64 | less}
        generator.state = generator.state | {"state": numbers}


@pytest.mark.parametrize("make", [Drift, partial(palestra.make, "Pendulum-v1")])
def test_however_often_it_is_resumed_nothing_changes(make):
    def reports(since=None):
        venv = SyncVectorEnv([make] * 2, copy=False, autoreset_mode=SAME)
        return host.train(venv, Record(10), total_steps=80, reports=10, seed=0, since=since)

    left_alone = [named(report.carry()) for report in reports()][-1]
    now = None
    for updates in range(1, 11):  # killed after every report
        report = next(reports(now))
        now = Since(updates, {name: x.copy() for name, x in named(report.carry()).items()})
    for name, array in left_alone.items():
        assert now.arrays[name].dtype == array.dtype, name
        np.testing.assert_array_equal(now.arrays[name], array, name)
    assert left_alone["playing.total"].dtype == np.float64
    assert np.abs(left_alone["playing.total"]).min() > 0


def with_state(get_state, set_state=lambda env, state: None):
    return type("Kept", (Clock,), {"get_state": get_state, "set_state": set_state})


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (type("Kept", (Clock,), {"get_state": lambda env: env.time}), "but no set_state"),
        (with_state(lambda env: env.time, lambda env, place, speed: None), "missing a required"),
        (with_state(lambda env: {"phase": "going"}), "no file holds 'going' as a number"),
        (
            with_state(lambda env: {"random": 2**100}),
            "no file holds 1267650600228229401496703205376",
        ),
        (with_state(lambda env: {"path": [0] * env.time}), "not always of the same form"),
        (with_state(lambda env: np.ones(2, np.complex128)), "no file holds array("),
        (with_state(lambda env: {1: 2, "a": 3}), "sorting pytree dictionary keys"),
        (with_state(lambda env: env.no_such_thing), "AttributeError"),
    ],
)
def test_a_state_that_cannot_be_kept_is_not(make, told):
    venv = SyncVectorEnv([make], copy=False, autoreset_mode=SAME)
    reports = host.train(venv, Record(5), total_steps=20, reports=2, seed=0)
    with pytest.warns(UserWarning, match="has states that cannot be kept") as caught:
        carried = [named(report.carry()) for report in reports]
    assert len(caught) == 1
    assert told in str(caught[0].message)
    assert not [name for name in carried[-1] if name.startswith("playing.")]


class Filler(gymnasium.Env):
    """Shows the time, in one array that it fills; writes to actions; has infos of every kind."""

    observation_space, action_space = Box(-1e6, 1e6, (1,)), Box(-1, 1, (1,))

    def __init__(self):
        self.buffer, self.time = np.zeros(1, np.float32), 0

    def reset(self, *, seed=None, options=None):
        self.buffer[0] = self.time = 0
        self.odd = self.odd if seed is None else seed % 2
        return self.buffer, {"path": np.zeros(3)}

    def step(self, action):
        action *= 0.5
        self.time += 1
        self.buffer[0] = self.time
        info = {"path": np.zeros(1 + self.odd), "episode": self.time}
        info["kind"] = "none" if self.odd else np.ones(self.time)
        return self.buffer, 1.0, False, self.time == 5, info


@pytest.mark.parametrize("is_apart", [False, True])
def test_habits_of_environments_alter_nothing(is_apart, monkeypatch):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    stepping(monkeypatch, apart=is_apart)
    venv = make_from(Filler, 2).envs
    assert isinstance(venv, AsyncVectorEnv) is is_apart
    (report,) = host.train(venv, Record(2), total_steps=16, reports=1, seed=0)
    close(venv)
    assert report.learner.rows.next_obs[..., 0, 0].ravel().tolist() == [1, 2, 3, 4, 5, 1, 2, 3]
    finished = report.episodes.finished
    assert set(report.episodes.total[finished].tolist()) == {5.0}
    assert finished.sum() == 2


class Showing(Clock):
    """Shows what it shows in the form that it was given."""

    def __init__(self, form, space):
        super().__init__()
        self.form, self.observation_space = form, space

    def _obs(self):
        return self.form(super()._obs(), self.time >= 2)


@pytest.mark.parametrize(
    ("form", "space"),
    [
        (lambda x, last: x.tolist(), Clock.observation_space),
        (lambda x, last: [x], Tuple((Clock.observation_space,))),
        (lambda x, last: {"x": x, "y": 0} if last else {"x": x}, Dict(x=Clock.observation_space)),
    ],
)
def test_the_last_observation_may_have_the_forms_of_all_others(form, space):
    venv = SyncVectorEnv([partial(Showing, form, space)] * 2, copy=False, autoreset_mode=SAME)
    players = host.Players(venv, 0)
    ones = np.ones((2, 1), np.float32)
    rows, _ = players.unroll(lambda words, obs: (ones, ones), np.zeros((2, 2), np.uint32))
    (next_obs,) = jax.tree.leaves(rows.next_obs)
    assert next_obs[-1].tolist() == [[0, 0, 2], [0, 0, 2]]


@pytest.mark.parametrize("info", [{}, {"final_obs": np.array([None]), "_final_obs": [False]}])
def test_an_end_without_its_last_observation_is_told(info):
    class Silent(SyncVectorEnv):
        def step(self, actions):
            obs, reward, terminated, truncated, _ = super().step(actions)
            return obs, reward, terminated, truncated, dict(info)

    venv = Silent([Clock], autoreset_mode=SAME)
    with pytest.raises(host.EnvironmentFaultError, match=r"in infos\['final_obs'\]"):
        next(host.train(venv, Record(5), total_steps=20, reports=1, seed=0))


@pytest.mark.parametrize("record", [7, {"r": 9.0}, {"r": "x", "l": 1}, {"r": np.nan, "l": 1}])
def test_what_is_no_record_of_an_episode_is_not_taken_for_one(record):
    class Numbered(Filler):
        def step(self, action):
            *rest, _ = super().step(action)
            return *rest, {"episode": record}

    for venv in (make_from(Numbered, 1).envs, SyncVectorEnv([Numbered], autoreset_mode=OFF)):
        (report,) = host.train(venv, Record(5), total_steps=20, reports=1, seed=0)
        finished = report.episodes.finished
        assert report.episodes.total[finished].tolist() == [5.0] * 4
        assert report.episodes.steps[finished].tolist() == [5] * 4


def test_gymnasiums_own_records_of_vectors_are_not_believed_where_they_are_wrong():
    venv = VectorRecords(SyncVectorEnv([Clock], autoreset_mode=OFF))
    (report,) = host.train(venv, Record(5), total_steps=20, reports=1, seed=0)
    assert set(report.episodes.total[report.episodes.finished].tolist()) == {3.0, 6.0}


@pytest.mark.parametrize("num_envs", [1, 2])
def test_the_same_environment_twice_is_refused(num_envs, monkeypatch):
    for round_trip in (1.0, -1.0):  # here, and in processes of their own
        stepping(monkeypatch, apart=round_trip < 0)
        one = Filler()
        with pytest.raises(ValueError, match="must make a new environment each time") as raised:
            make_from(lambda env=one: gymnasium.wrappers.TimeLimit(env, 9), num_envs)
        assert "cannot be made" not in str(raised.value)


@pytest.mark.parametrize("made", [None, VectorEnv], ids=["nothing", "a vector"])
def test_what_is_no_single_environment_is_refused(made):
    make = (lambda: None) if made is None else made
    told = r"must make one gymnasium\.Env each time that it is called, but what it gave is of the"
    with pytest.raises(InputError, match=rf"{told} type {'NoneType' if made is None else 'Vec'}"):
        make_from(make, 1)
    with pytest.raises(InputError, match=told):
        task_of(make).make_one()


def test_where_only_a_life_ended_what_is_shown_is_the_successor():
    class Lives(gymnasium.vector.VectorEnv):
        """As ale-py with life_loss_info: of two games one loses a life, the other one ends."""

        num_envs, metadata = 2, {"autoreset_mode": SAME}
        single_observation_space, single_action_space = Box(-9, 99, (1,)), Box(-1, 1, (1,))

        def reset(self, *, seed=None, options=None):
            return np.zeros((2, 1)), self._info([3, 1], [1, 1])

        def step(self, actions):
            info = self._info([2, 3], [5, 1]) | {"final_obs": np.array([[-7.0], [4.0]])}
            return np.array([[5.0], [0.0]]), np.ones(2), np.ones(2, bool), np.zeros(2, bool), info

        def _info(self, lives, frames):
            return {"lives": np.array(lives), "episode_frame_number": np.array(frames)}

    nothing = np.zeros((2, 1), np.float32)
    players = host.Players(Lives(), 0)
    rows, _ = players.unroll(lambda words, obs: (nothing, nothing), np.zeros((1, 2), np.uint32))
    assert rows.next_obs.ravel().tolist() == [5.0, 4.0]
