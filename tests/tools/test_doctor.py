"""The doctor names each planted fault, once and in one sentence, and leaves healthy runs alone."""

import json
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain, islice
from math import e, log, pi
from typing import NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Tuple
from gymnasium.vector import SyncVectorEnv
from gymnasium.wrappers import FlattenObservation

import palestra
from palestra import envs
from palestra.algorithms.ddpg import DDPG
from palestra.algorithms.dqn import DQN
from palestra.algorithms.ppo import PPO
from palestra.algorithms.q_learning import QLearning
from palestra.algorithms.rainbow import Rainbow
from palestra.algorithms.sac import SAC
from palestra.core import Finite, Frames, Share, Spec, Step, hyperparameters
from palestra.runners import compiled, host
from palestra.runners.report import Episodes, Report
from palestra.runners.sound import floats
from palestra.tools.cli import main
from palestra.tools.environments.whose import task_of
from palestra.tools.presets import preset
from palestra.tools.training import doctor
from palestra.tools.training.doctor import Doctor, Finding

# Their bare selves: what is brought to a common scale needs no doctor.
DDPG, DQN, SAC = (partial(of, normalize_obs=False) for of in (DDPG, DQN, SAC))
PPO = partial(PPO, normalize_obs=False, normalize_reward=False)
E = 4
LINE, TWO = Box(-1.0, 1.0, (2,)), Discrete(2)


# Which numbers an environment or an algorithm has is no part of a program: most runs share one.
begin = jax.jit(compiled.begin, static_argnums=2)
train = jax.jit(compiled.run, static_argnums=2, donate_argnums=3)


def follow(env, algorithm, steps=40_000, limit=None) -> list[Finding]:
    """Train on one of our environments, and what the doctor finds in 20 reports."""
    updates, count, stride = compiled.plan(algorithm, E, steps, 20)
    looker = Doctor(algorithm, Spec(env.observation_space, env.action_space, E), steps, limit)
    carry = begin(env, algorithm, E, np.uint32(0))
    found = []
    for i in range(1, count + 1):
        carry, (metrics, episodes, *_) = train(env, algorithm, updates, carry)
        obs = compiled.environments_first(carry.obs)
        found += looker.look(said(i * updates * stride, carry.learner, metrics, episodes, obs))
    return found


def said(step: int, learner, metrics, episodes, obs=None) -> Report:
    """A report; the doctor asks for nothing else of it."""
    metrics, episodes = jax.tree.map(np.asarray, (metrics, episodes))
    told = {"step": step, "metrics": metrics, "episodes": episodes, "obs": obs}
    told["learner"] = floats(learner)
    return Report(**{field: told.get(field) for field in Report._fields})


def gathered(found: Iterable[list[Finding]]) -> list[Finding]:
    return list(chain.from_iterable(found))


def names(found: list[Finding]) -> list[str]:
    return [finding.fault for finding in found]


def is_sentence(text: str) -> bool:
    return text[0].isupper() and text.endswith(".") and "\n" not in text and ". " not in text


# Planted faults, in real training


class Place(NamedTuple):
    where: jax.Array
    time: jax.Array
    length: jax.Array


@hyperparameters
class Planted:
    """A walk on a square, paid for by its place. Episodes have 10 to 29 steps, unless ..."""

    reward: Finite = 1.0
    obs: Finite = 1.0
    nan_reward: Share = 0.0
    nan_obs: Share = 0.0
    constant: Share = 0.0
    luck: Share = 0.0  # reward has nothing to do with what is done
    shortest: Finite = 10.0
    longest: Finite = 30.0
    steered: bool = False  # by a number in place of a choice

    observation_space = Box(-np.inf, np.inf, (2,))

    @property
    def action_space(self):
        return Box(-1.0, 1.0, (1,)) if self.steered else Discrete(2)

    def reset(self, key):
        where_key, length_key = jax.random.split(key)
        where = jax.random.uniform(where_key, (2,), minval=-1.0, maxval=1.0)
        length = jax.random.uniform(length_key, minval=self.shortest, maxval=self.longest)
        state = Place(where, jnp.float32(0), jnp.floor(length))
        return state, self.show(state)

    def step(self, state, action, key):
        push = 0.2 * jnp.asarray(action, jnp.float32).reshape(-1)[0] - 0.1
        where = jnp.clip(state.where + push + 0.05 * jax.random.normal(key, (2,)), -1.0, 1.0)
        state = Place(where, state.time + 1, state.length)
        over = state.time >= state.length
        return state, Step(self.show(state), self.pay(state), over, jnp.bool_(False))

    def show(self, state):
        there = jnp.where(self.constant > 0, jnp.array([0.3, -0.7]), state.where)
        there = jnp.where((self.nan_obs > 0) & (state.time >= 9), jnp.nan, there)
        return jnp.array([1.0, self.obs]) * there * jnp.minimum(self.obs, 1.0)

    def pay(self, state):
        paid = jnp.where(self.luck > 0, jnp.sin(1e3 * state.where[1]), state.where[0])
        return self.reward * jnp.where((self.nan_reward > 0) & (state.time == 9), jnp.nan, paid)


PPO_SMALL = {"hidden": (8,), "rollout_length": 16, "epochs": 2, "minibatches": 2}
DQN_SMALL = {"hidden": (8,), "learning_starts": 64, "batch_size": 16, "memory_size": 2_000}
PPO_, DQN_ = PPO(**PPO_SMALL), DQN(**DQN_SMALL)
PLANTED = {
    "nothing, PPO": (Planted(), PPO_, None, ""),
    "nothing, DQN": (Planted(), DQN_, None, ""),
    "rewards, PPO": (Planted(nan_reward=1.0), PPO_, "nan", "environment gave rewards of NaN"),
    "rewards, DQN": (Planted(nan_reward=1.0), DQN_, "nan", "environment gave rewards of NaN"),
    "observations": (Planted(nan_obs=1.0), PPO_, "nan", "environment gave observations of NaN"),
    "weights": (Planted(), PPO(**PPO_SMALL, learning_rate=1e30), "nan", "networks had NaN"),
    "weights, and so actions, rewards and observations": (
        Planted(steered=True),
        PPO(**PPO_SMALL, learning_rate=1e30),
        "nan",
        "networks had NaN",
    ),
    "large rewards": (Planted(reward=2e4), PPO_, "reward-scale", "turn on --normalize-reward"),
    "normalized": (
        Planted(reward=2e4, obs=1e4),
        PPO(**PPO_SMALL, normalize_reward=True, normalize_obs=True),
        None,
        "",
    ),
    "small rewards": (Planted(reward=1e-5), PPO_, "reward-scale", "multiply rewards"),
    "no rewards": (Planted(reward=0.0), DQN_, "no-reward", "--epsilon-end (now 0.05)"),
    "large numbers": (Planted(obs=1e4), PPO_, "observation-scale", "observation[1] of 5,"),
    "small numbers": (Planted(obs=1e-5), PPO_, "observation-scale", "turn on --normalize-obs"),
    "hundreds, off-policy": (
        Planted(obs=3e3, steered=True),
        SAC(**(DQN_SMALL | {"normalize_obs": False})),
        "observation-scale",
        "on average: turn on --normalize-obs",
    ),
    "constant": (Planted(constant=1.0), PPO_, "constant-observations", "one and the same"),
    "constant in episodes of one step": (
        Planted(constant=1.0, shortest=1.0, longest=1.0),
        PPO_,
        None,
        "",
    ),
    "endless": (Planted(shortest=1e9, longest=1e9), PPO_, "no-episode-ends", "--max-episode-steps"),
    "certain of nothing": (
        Planted(luck=1.0),
        PPO(**PPO_SMALL, learning_rate=1.0),
        "entropy-collapse",
        "raise --entropy-coef (now 0) or lower --learning-rate (now 1)",
    ),
    "divergence": (
        Planted(steered=True),
        DDPG(**DQN_SMALL, learning_rate=0.3, target_rate=1.0),
        "value-explosion",
        "lower --learning-rate (now 0.3) or raise --target-period (now 1)",
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_what_is_planted_is_named_once_and_nothing_else_is(planted):
    env, algorithm, fault, words = PLANTED[planted]
    found = follow(env, algorithm)
    assert names(found) == ([fault] if fault else [])
    for finding in found:
        assert words in finding.said
        assert is_sentence(finding.said)
        assert finding.fatal == (fault == "nan")
        assert 0 < finding.step <= 41_000


class Own(gymnasium.Env):
    """Of somebody's own, on the host: a buffer that nobody fills, beside large numbers."""

    observation_space = Dict({"a": Box(-np.inf, np.inf, (2,)), "b": Box(-np.inf, np.inf, (1,))})
    action_space = Discrete(2)

    def __init__(self, fault: str):
        self.fault = fault

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        return self.show(), {}

    def step(self, action):
        self.time += 1
        return self.show(), 1.0, self.time == 23, False, {}

    def show(self):
        there = self.np_random.normal(size=2) * (4e3 if self.fault == "observation-scale" else 1)
        if self.fault == "constant-observations":
            there = np.ones(2)
        return {"a": there.astype(np.float32), "b": np.zeros(1, np.float32)}


@pytest.mark.parametrize("fault", ["observation-scale", "constant-observations", None])
def test_environments_on_the_host_are_looked_at_too(fault):
    seen = []

    class Kept(SyncVectorEnv):
        def step(self, actions):
            seen[:] = [super().step(actions)]
            return seen[0]

    made = Kept([lambda: FlattenObservation(Own(fault))] * E)
    spec = host.Players(made, 0).spec
    looker = Doctor(PPO_, spec, 2_000)
    found = []
    for report in host.train(made, PPO_, total_steps=2_000, reports=20, seed=0):
        found += looker.look(report._replace(learner=floats(report.learner), obs=seen[0][0]))
    assert names(found) == ([fault] if fault else [])
    assert all(is_sentence(finding.said) for finding in found)


# Healthy runs: tests/learning/test_short.py shows one of each algorithm

REPORTS = 25


def chosen(name: str, env_id: str) -> Iterator[list[Finding]]:
    """The preset's run, report by report."""
    settings = preset(name, env_id)
    env = envs.make(env_id)
    spec = Spec(env.observation_space, env.action_space, settings.num_envs)
    limit = task_of(env_id).limit
    looker = Doctor(settings.algorithm, spec, settings.steps, limit)
    told = {"num_envs": settings.num_envs, "total_steps": settings.steps, "reports": REPORTS}
    for report in compiled.train(env, settings.algorithm, **told, seeds=[0]):
        alone = lambda x: np.asarray(x)[0]
        parts = jax.tree.map(alone, (report.metrics, report.episodes))
        learner = State(jax.tree.map(alone, floats(report.learner)))
        yield looker.look(said(report.step, learner, *parts))


@pytest.mark.usefixtures("optimized_alone")
@pytest.mark.parametrize(("name", "count"), [("recurrent_ppo", 8), ("r2d2", 3)])
def test_nothing_is_found_where_little_is_seen(name, count):
    assert gathered(islice(chosen(name, "Positions/CartPole-v1"), count)) == []


@pytest.mark.parametrize("env_id", ["MountainCar-v0", "FrozenLake-v1", "probe/TimeOut-v0"])
def test_rewards_that_are_few_or_alike_are_left_alone(env_id):
    assert follow(envs.make(env_id), DQN_, 6_000, limit=task_of(env_id).limit) == []


# The arithmetic, with reports by hand


class State(NamedTuple):
    networks: np.ndarray
    memory: object = None


class Run:
    """Reports of 10 updates, each of 5 steps in two environments side by side."""

    def __init__(self, algorithm, space=LINE, actions=TWO, steps=10_000, limit=None, sound=None):
        self.sound = sound
        self.asked = algorithm, Spec(space, actions, 2), steps, limit
        self.doctor = Doctor(*self.asked)
        self.shape, self.time = (10, 5, 2), 0

    def __call__(self, reward=1.0, length=5, obs=None, weights=1.0, at=None, **metrics):
        """A report; a number for a metric stands for as many of it, and a function of steps and
        environments [ticks, E] for rewards gives those. `at` is the report's step."""
        ticks = self.shape[0] * self.shape[1]
        steps = (self.time + np.arange(ticks)) % length + 1
        self.time += ticks
        steps = np.repeat(steps[:, None], 2, 1).astype(np.int32)
        total = reward(steps) if callable(reward) else reward * steps
        episodes = Episodes(
            *(x.reshape(self.shape) for x in (steps == length, total.astype(np.float32), steps))
        )
        values = {k: np.broadcast_to(v, 10).astype(np.float32) for k, v in metrics.items()}
        state = State(np.full(3, weights, np.float32), memory=self)  # which is no array
        step = 2 * self.time if at is None else at
        report = said(step, state, values, episodes, obs)._replace(sound=self.sound)
        return self.doctor.look(report)


def test_a_metric_that_was_not_measured_is_no_fault():
    run = Run(DQN())
    assert run(td_loss=np.nan, q=np.nan) == []
    assert run(td_loss=1.0, q=1.0) == []
    assert run(td_loss=np.nan, q=np.nan) == []


def test_reports_that_are_sound_are_looked_at_together():
    run = Run(DQN(), sound=True)
    for _ in range(doctor.EACH):
        assert run(td_loss=1.0, q=1.0) == []
    # Rewards of 24,000 a step, once, between two looks.
    assert run(reward=24_000.0, td_loss=1.0, q=1.0) == []
    assert run.doctor.state()["episodes"] == (doctor.EACH + 1) * 20
    assert [run(td_loss=1.0, q=1.0) for _ in range(doctor.PERIOD - 2)] == [[]] * 2
    assert names(run(td_loss=1.0, q=1.0)) == ["reward-scale"]
    assert run.doctor.state()["episodes"] == (doctor.EACH + doctor.PERIOD) * 20
    run.sound = False  # with an infinite metric none is, and is looked at as it comes
    assert names(run(td_loss=np.inf, q=1.0)) == ["infinity"]
    assert names(run(weights=np.nan)) == ["nan"]


def test_nothing_is_looked_for_where_nothing_is_left():
    for space, looks in ((Discrete(4), 1), (LINE, doctor.EACH + 1)):  # numbers may become NaN
        run = Run(QLearning(), space, sound=True)
        for i in range(doctor.EACH + doctor.PERIOD):
            assert run(obs=np.array([i, i + 1]), td_error=1.0) == []
        assert run.doctor.state()["checks"] == ["infinity"]
        assert run.doctor.state()["looks"] == looks
        run.sound = False
        assert names(run(td_error=np.inf)) == ["infinity"]
        assert names(run(reward=np.nan)) == ["nan"]


def test_what_nobody_looked_at_yet_is_in_the_state():
    run = Run(DQN(), sound=True)
    for _ in range(doctor.EACH + 2):
        assert run(td_loss=1.0, q=1.0) == []
    state = run.doctor.state()
    # What a checkpoint of an older version remembers beside, and what none looks for.
    older = {"soft": 1, "sizes": {}, "checks": [*state["checks"], "look"]}
    other = Doctor(*run.asked, since=state | older)
    run.doctor, first = other, run.doctor
    assert [run(td_loss=1.0, q=1.0) for _ in range(2)] == [[], []]
    resumed = other.state()
    run.doctor, run.time = first, run.time - 2 * 50
    assert [run(td_loss=1.0, q=1.0) for _ in range(2)] == [[], []]
    assert resumed == first.state()


def test_an_infinite_metric_is_told_once_and_is_not_the_end():
    run = Run(DQN())
    losses = np.ones(10)
    losses[3] = np.inf
    (finding,) = run(td_loss=losses)
    assert finding.fault == "infinity"
    assert not finding.fatal
    assert "The metric td_loss was infinite" in finding.said
    assert run(td_loss=losses) == []
    assert names(run(weights=np.nan, td_loss=np.nan)) == ["nan"]


def test_a_run_that_is_resumed_is_looked_at_as_if_it_had_never_stopped():
    quiet = np.random.default_rng(0).normal(size=(40, 2, 2)).astype(np.float32)

    def findings(again):
        run, found = Run(PPO(), steps=8_000), []
        for i in range(40):
            if again:
                state = json.loads(json.dumps(run.doctor.state()))
                run.doctor = Doctor(*run.asked, since=state)
            obs = quiet[i] * (1.0 if i < 10 else 3e4)
            reward = 0.0 if i < 25 else 1.0
            losses = {"entropy": 1.0 if i < 15 else 1e-9, "value_loss": 1.0 if i < 30 else 1e9}
            found += run(obs=obs, reward=reward, **losses)
        return found

    assert names(findings(False)) == [
        *("observation-scale", "entropy-collapse", "no-reward", "value-explosion")
    ]
    assert findings(True) == findings(False)


def test_who_did_not_see_the_beginning_does_not_judge_by_it():
    seen = {"reward": 0.0, "length": 10**9, "entropy": 1e-9, "value_loss": 1e9}
    assert names(Run(PPO(), steps=100)(**seen)) == ["value-explosion"]
    late = Run(PPO(), steps=40_000)
    assert [late(**seen, at=39_000 + i) for i in range(9)] == [[]] * 9
    assert names(late(weights=np.nan, at=40_000)) == ["nan"]


def test_after_a_fatal_finding_nothing_follows():
    run = Run(DQN())
    assert names(run(weights=np.inf, reward=1e6, length=5)) == ["nan"]
    assert run(weights=np.nan) == []
    assert run(reward=1e6) == []


def test_what_came_at_a_stroke_may_have_come_from_the_environment():
    calm, growing = Run(DQN()), Run(DQN())
    calm(td_loss=2.0)
    (finding,) = calm(td_loss=[2.0] * 5 + [np.nan] * 5, weights=np.nan)
    assert "though td_loss was 2 just before" in finding.said
    assert "environment may have shown NaN" in finding.said
    (finding,) = Run(DQN())(td_loss=[2.0] * 5 + [np.nan] * 5, weights=np.nan)
    assert "after td_loss of 2: learning diverged" in finding.said  # nobody knows what is usual
    growing(td_loss=2.0)
    losses = 2.0 * 10.0 ** np.arange(10)
    (finding,) = growing(td_loss=[*losses[:9], np.nan], weights=np.nan)
    assert "after td_loss of 200,000,000: learning diverged" in finding.said
    assert "lower --learning-rate (now 0.001) or lower --max-grad-norm (now 10)" in finding.said
    (finding,) = Run(DDPG(), actions=Box(-1, 1, (1,)))(weights=np.nan)
    assert finding.said.endswith(
        "lower --learning-rate (now 0.001) or lower --actor-learning-rate (now 0.001)."
    )


@pytest.mark.parametrize(
    ("tick", "env", "who"),
    [
        (20, slice(None), "networks had NaN"),  # in all, from the beginning of a rollout
        (22, slice(None), "environment gave rewards"),
        (20, 1, "environment gave rewards"),
        (0, slice(None), "environment gave rewards"),  # nothing was learned before
    ],
)
def test_actions_that_are_nan_are_told_from_rewards_that_are(tick, env, who):
    def total(steps):
        rewards = 1.0 * steps
        rewards[tick:, env] = np.nan
        return rewards

    numbers = Run(PPO(), actions=Box(-1, 1, (1,)))
    (finding,) = numbers(reward=total, weights=np.nan)
    assert who in finding.said
    if tick == 0:
        later = Run(PPO(), actions=Box(-1, 1, (1,)))
        assert later(length=7) == []
        assert "networks had NaN" in later(reward=total, weights=np.nan)[0].said
    (finding,) = Run(PPO())(reward=total, weights=np.nan)  # of Discrete actions none is NaN
    assert "environment gave rewards" in finding.said
    (finding,) = Run(PPO(), actions=Box(-1, 1, (1,)))(reward=total)
    assert "environment gave rewards" in finding.said


def test_observations_that_are_nan_are_told_from_networks_that_are():
    obs = np.zeros((2, 2), np.float32)
    some, every = obs.copy(), obs + np.float32(np.nan)
    some[1, 0] = np.inf
    steered = lambda: Run(PPO(), actions=Box(-1, 1, (1,)))
    told = lambda run, **seen: run(**{"length": 7} | seen)[0].said
    assert "gave observations" in told(Run(PPO()), obs=every, weights=np.nan)
    assert "gave observations" in told(steered(), obs=some, weights=np.nan)
    assert "networks had NaN" in told(steered(), obs=every, weights=np.nan)
    assert "networks had NaN" in told(steered(), obs=some, weights=np.nan, length=5)  # just begun
    assert "gave observations" in told(steered(), obs=every)


def test_values_are_held_to_what_rewards_add_up_to():
    # Totals of 1 to 5, one per step: 1 / (1 - 0.9) = 10, and twice 5 is 10, too; the floor as well.
    run = Run(DQN(gamma=0.9))
    assert run(q=-100.0) == []
    (finding,) = run(q=-101.0)
    assert finding.fault == "value-explosion"
    assert "101 at step 200, though rewards so far add up to 10 at most" in finding.said
    assert run(q=1e9) == []

    twice = Run(DQN(gamma=0.5))  # of episodes of 40 steps the total counts: 2 x 40
    assert twice(q=800.0, length=40) == []
    assert names(twice(q=801.0, length=40)) == ["value-explosion"]

    jumps = Run(DQN(gamma=0.9))  # a few updates alone do not count
    assert jumps(q=[1e6] * 4 + [1.0] * 6) == []

    errors = Run(PPO(gamma=0.9))
    assert errors(value_loss=9_999.0) == []
    assert names(errors(value_loss=10_300.0)) == ["value-explosion"]

    scaled = Run(PPO(gamma=0.9, normalize_reward=True))  # 10 per step at most: 100
    assert scaled(value_loss=999.0**2) == []
    assert names(scaled(value_loss=1_010.0**2)) == ["value-explosion"]

    soft = Run(SAC(gamma=0.9))  # a bonus of 2 x 3 per step: 60 more
    assert soft(q=699.0, entropy=-3.0, temperature=2.0) == []
    assert names(soft(q=701.0, entropy=-3.0, temperature=2.0)) == ["value-explosion"]

    for_ever = Run(DQN(gamma=1.0), steps=10_000)  # as long as the run: 5,000 steps each
    assert for_ever(q=49_000.0) == []
    assert names(for_ever(q=51_000.0)) == ["value-explosion"]


def test_a_slow_target_is_to_be_slower_and_a_copied_one_rarer():
    said = lambda algorithm: Run(algorithm)(q=1e9)[0].said
    assert "or lower --target-rate (now 0.005)" in said(DDPG())
    assert "or raise --target-period (now 500)" in said(DQN())


CERTAIN = {
    "discrete": (Discrete(2), 0.01 * log(2)),
    "multi": (MultiDiscrete([2, 3]), 0.01 * log(6)),
    "continuous": (Box(-1, 1, (2,)), 2 * (log(0.01) + 0.5 * log(2 * pi * e))),
}


@pytest.mark.parametrize("kind", CERTAIN)
def test_how_little_entropy_is_nothing(kind):
    space, least = CERTAIN[kind]
    run = Run(PPO(), actions=space)
    assert run(entropy=1.0) == []
    assert run(entropy=least + 1e-3) == []
    assert names(run(entropy=least - 1e-3)) == ["entropy-collapse"]
    assert run(entropy=least - 1e-3) == []
    started = Run(PPO(), actions=space)(entropy=least - 1e-3)
    assert names(started) == ([] if kind == "continuous" else ["entropy-collapse"])  # as asked for


def test_only_returns_that_do_not_improve_make_certainty_a_fault():
    noise = np.random.default_rng(0)

    def totals(mean):
        return lambda steps: noise.normal(mean, 1.0, steps.shape)

    better, worse = Run(PPO()), Run(PPO())
    for run, later in ((better, 1.0), (worse, 0.0)):
        assert [run(reward=totals(0.0), entropy=0.6, value_loss=1.0) for _ in range(10)] == [
            []
        ] * 10
        for _ in range(40):
            assert run(reward=totals(later), entropy=0.3) == []
    assert better(reward=totals(1.0), entropy=1e-6) == []
    late = Run(PPO(), steps=20_000)  # better in the last thousand episodes, if not on the whole
    for i in range(150):
        assert late(reward=totals(0.0 if i < 100 else 0.5), entropy=0.6) == []
    assert late(reward=totals(0.5), entropy=1e-6) == []
    found = worse(reward=totals(0.0), entropy=1e-6)
    assert names(found) == ["entropy-collapse"]
    assert Run(SAC())(entropy=1e-9) == []  # which holds its entropy by itself


def test_rewards_are_judged_per_step_and_returns_as_wholes():
    assert Run(DQN())(reward=999.0) == []
    (finding,) = Run(DQN())(reward=-1_001.0)
    assert "1,001 per step, on average over 20 episodes" in finding.said
    assert "divide them by a constant" in finding.said
    for reward in (1e9, 1e-9):  # a table takes any
        assert Run(QLearning(), space=Discrete(3))(reward=reward) == []
    sparse = lambda steps: np.where(steps == 1_000, 1.0, 0.0)
    run = Run(DQN(), steps=10**6)
    assert gathered(run(reward=sparse, length=1_000) for _ in range(600)) == []
    (finding,) = Run(DQN())(reward=0.0019)
    assert "No total was larger than 0.0095 in 20 episodes" in finding.said
    assert Run(DQN())(reward=0.0021) == []


def test_no_reward_is_told_after_a_quarter_of_the_run():
    run = Run(Rainbow(), steps=1_000)
    assert run(reward=0.0) == []
    assert run(reward=0.0) == []
    (finding,) = run(reward=0.0)
    assert (finding.fault, finding.step) == ("no-reward", 300)
    assert "in 60 episodes" in finding.said
    lucky = Run(DQN(), steps=1_000)
    found = [lucky(reward=0.5 if i == 1 else 0.0) for i in range(8)]
    assert found == [[]] * 8
    few = Run(DQN(), steps=1_000)
    assert [few(reward=0.0, length=100) for _ in range(9)] == [[]] * 9


def test_endless_episodes_are_told_by_the_run_or_by_the_limit():
    endless = {"length": 10**9, "reward": 1.0}
    run = Run(DQN(), steps=10**6)  # of 500,000 steps each a tenth
    assert run(**endless) == []
    assert run(**endless, at=99_998) == []
    (finding,) = run(**endless, at=100_000)
    assert "each of 2 environments has taken 50,000 steps" in finding.said
    assert "a time limit may be missing; set --max-episode-steps" in finding.said
    short = Run(DQN(), steps=40_000)
    assert short(**endless) == []
    assert short(**endless, at=19_998) == []
    assert names(short(**endless, at=20_000)) == ["no-episode-ends"]
    limited = Run(DQN(), steps=40_000, limit=500)
    assert limited(**endless) == []
    assert limited(**endless, at=9_998) == []
    (finding,) = limited(**endless, at=10_000)
    assert "the time limit of 500 steps is too long or not kept" in finding.said
    ended = Run(DQN(), steps=40_000)
    assert ended(length=50) == []
    assert ended(**endless, at=20_000) == []
    assert ended(**endless, at=40_000) == []


def test_large_numbers_are_named_by_their_place():
    obs = np.array([[1.0, 2_000.0, 0.0, -5_000.0]] * 2, np.float32)
    wide = Run(DQN(), space=Box(-np.inf, np.inf, (4,)))
    assert [wide(obs=obs * (i + 1) / 3) for i in range(4)] == [[]] * 4  # five are needed
    (finding,) = wide(obs=obs)
    assert "observation[1] of 1,733 on average, observation[3] of 4,333" in finding.said
    assert "turn on --normalize-obs" in finding.said

    unlike = Run(SAC(), space=Box(-np.inf, np.inf, (6,)))  # each by itself, small ones too
    units = np.array([[21.0, 1e-5, 800.0, 0.0, 101_325.0, 300.0]] * 2, np.float32)
    ((finding,),) = filter(None, [unlike(obs=units + 1e-9 * i) for i in range(9)])
    assert "worse from observation[1] of 1e-05 at most, observation[2] of 800" in finding.said
    assert "and from 1 more: turn on --normalize-obs." in finding.said

    memory = Run(DQN(), space=Box(0, 255, (2,), np.uint8))  # bytes are numbers, too
    found = gathered(memory(obs=np.array([[i, 250]] * 2, np.uint8)) for i in range(9))
    assert "from observation[1] of 250 on average: turn" in found[0].said

    several = Run(DQN(), space=Tuple([Discrete(3), Box(-np.inf, np.inf, (4,))]))
    found = [several(obs=(np.array([i % 3, 1], np.int32), obs)) for i in range(5)]
    assert "observation[1][3] of 5,000" in found[-1][0].said
    assert "in a wrapper" in found[-1][0].said  # --normalize-obs is for one vector

    picture = Run(DQN(), space=Frames(4, 4, stack=2))
    bright = np.full((2, 4, 4, 2), 255, np.uint8)
    assert gathered(picture(obs=bright - np.uint8(i)) for i in range(9)) == []

    fluke = Run(DQN())
    calm = np.ones((2, 2), np.float32)
    found = [fluke(obs=calm * (4_000.0 if i == 3 else i)) for i in range(9)]
    assert found == [[]] * 9


def test_the_same_at_the_same_time_is_not_constant():
    obs = np.ones((2, 2), np.float32)
    alike = Run(PPO())  # at every report all have gone 10 of 20 steps, or 20
    assert [alike(length=20, obs=obs) for _ in range(30)] == [[]] * 30
    moving = Run(PPO())
    found = [moving(length=31, obs=obs + (i == 3)) for i in range(30)]
    assert found == [[]] * 30
    starting = Run(PPO())  # in episodes of 50, 100, 150 ... steps, each just over
    assert [starting(length=50 * i, obs=obs) for i in range(1, 31)] == [[]] * 30
    same = Run(PPO())
    found = gathered(same(length=31, obs=obs) for _ in range(30))
    assert names(found) == ["constant-observations"]
    assert "at 10 different times" in found[0].said
    one = Run(QLearning(), space=Discrete(1))
    assert gathered(one(length=31, obs=np.zeros(2, np.int32)) for _ in range(30)) == []
    cells = Run(QLearning(), space=Discrete(2))
    found = gathered(cells(length=31, obs=np.zeros(2, np.int32)) for _ in range(30))
    assert names(found) == ["constant-observations"]


def test_the_replay_is_never_read():
    class Untouchable:
        dtype = property(lambda self: pytest.fail("the replay was read"))

    run = Run(DQN())
    state = State(np.ones(2, np.float32), memory=Untouchable())
    nothing = Episodes(*(np.zeros((1, 1, 2), t) for t in (bool, np.float32, np.int32)))
    assert run.doctor.look(said(2, state, {}, nothing)) == []


@pytest.mark.parametrize(
    ("algorithm", "steps", "told"),
    [
        (PPO(anneal_steps=100_000), 300_000, "learning rate is zero after 100,000 of 300,000"),
        (PPO(anneal_steps=100_000), 100_000, None),
        (PPO(), 300_000, None),
        (DQN(), 300_000, None),
    ],
)
def test_a_rate_that_ends_before_the_run_is_told(algorithm, steps, told):
    run = Run(algorithm, steps=steps)
    (said,) = [x.said for x in run() if x.fault == "learning-over"] or [None]
    assert (said is None) == (told is None)
    if said:
        assert told in said
        assert is_sentence(said)


def test_a_rate_that_ends_is_found_once():
    found = follow(Planted(), PPO(**PPO_SMALL, anneal_steps=4_000), 8_000)
    (one,) = [finding for finding in found if finding.fault == "learning-over"]
    assert one.step < 4_000  # while there is time to stop the run


def test_every_fault_is_in_the_table_of_the_page():
    table = doctor.__doc__.partition("fault")[2]
    looker = Doctor(PPO(), Spec(LINE, Discrete(2), 2), 1_000)
    faults = ["nan", *looker.state()["checks"]]
    assert len(faults) == 10
    assert all(f"    {fault} " in table for fault in faults)


# Its weights leave all bounds in its first update, half-way through the run.
DIVERGING = ["train", "dqn", "CartPole-v1", "--steps", "2000", "--learning-starts", "1000"]
DIVERGING += ["--learning-rate", "1e30", "--hidden", "4", "--no-video", "--episodes", "2"]


def test_a_run_that_diverges_stops_and_keeps_the_last_agent_that_was_sound(tmp_path, capsys):
    assert main([*DIVERGING, "--run", str(tmp_path / "run")]) == 1
    told = capsys.readouterr().err
    assert "learning diverged; lower --learning-rate" in told
    assert "Stopped at step 1,0" in told
    assert f"What was learned is in {tmp_path / 'run'}." in told
    assert "Traceback" not in told
    run = palestra.Run(tmp_path / "run")
    assert [found["fault"] for found in run.summary["findings"]] == ["infinity", "nan"]
    assert run.summary["interrupted"]
    for agent in (run.agent, run.last):
        assert all(np.isfinite(array).all() for array in agent.arrays.values())


def test_a_run_that_diverges_goes_on_when_asked_to(tmp_path):
    assert main([*DIVERGING, "--on-nan", "continue", "--run", str(tmp_path / "run")]) == 0
    summary = palestra.Run(tmp_path / "run").summary
    assert summary["steps"] >= 2000
    assert [found["fault"] for found in summary["findings"]] == ["infinity", "nan"]
