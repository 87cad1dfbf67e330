"""What `palestra.testing` passes, and what each fault that was put in is told as."""

import importlib.util
import sys
from itertools import count
from pathlib import Path
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, Text

from palestra import testing
from palestra.core import Count, Share, Step, hyperparameters
from palestra.envs.toy_text.model import Model, outcomes
from palestra.testing import AlgorithmTests, EnvironmentTests, check_algorithm, check_environment

EXAMPLE = Path(__file__).parents[1] / "examples" / "own_racetrack.py"
spec = importlib.util.spec_from_file_location("own_racetrack_held", EXAMPLE)
example = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)


class TestRacetrack(EnvironmentTests):
    environment = example.Racetrack(wind=0.2)


class TestDoubleQLearning(AlgorithmTests):
    algorithm = example.DoubleQLearning(epsilon=0.3)
    probe_steps = 4_000


class Walk:
    """Drifts to and fro; pays for being on the right."""

    observation_space: ClassVar = Box(-10, 10, (1,))
    action_space: ClassVar = Discrete(2)

    def reset(self, key):
        place = jax.random.uniform(key, (1,))
        return place, place

    def step(self, place, action, key):
        noise = jax.random.uniform(key, (1,))
        place = jnp.clip(place + jnp.float32(action) + noise - 1.0, -10.0, 10.0)
        return place, self.seen(place)

    def seen(self, place):
        return Step(place, place[0], place[0] > 5.0, jnp.bool_(False))


def walk(**changes):
    """A Walk with something else in it."""
    annotations = {"__annotations__": changes.pop("fields", {})}
    return hyperparameters(type("Walk", (Walk,), {**annotations, **changes}))


def seen(**changes):
    return {"seen": lambda self, place: Walk.seen(self, place)._replace(**{
        name: change(place) for name, change in changes.items()
    })}  # fmt: skip


def restless(self, key):
    place = jnp.asarray(np.random.default_rng().random(1), jnp.float32)
    return place, place


def started_alone(self, key):
    place = jax.random.uniform(jax.random.key(0), (1,))
    return place, place


def same_start(self, key):
    place = jnp.zeros(1) + 0.0 * jax.random.uniform(key, (1,))
    return place, place


def twice(self, place, action, key):
    place = place + jax.random.uniform(key, (1,)) - jax.random.uniform(key, (1,))
    return place, self.seen(place)


def in_python(self, place, action, key):
    if place[0] > 0:
        place = place - 1
    return place, self.seen(place)


def as_gymnasium(self, place, action, key):
    return place, 0.0, False, False, {}


ENVIRONMENT_FAULTS = {
    "Walk must be a pytree of its parameters, .*: put @palestra.core.hyperparameters": Walk,
    "Walk has no step: palestra.core.Environment says what an environment has": type(
        "Walk", (), {"reset": Walk.reset}
    ),
    "Walk.wind takes any number, NaN among them: give it a type with a range in place of float": (
        walk(fields={"wind": float}, wind=0.1)
    ),
    "Walk.observation_space is one that no algorithm knows: observation is Text": walk(
        observation_space=Text(5)
    ),
    "the observation must have shape .2,., as its space says, not .1,.": walk(
        observation_space=Box(-1, 1, (2,))
    ),
    "reset: the observation must be of float32, as its space says, not of int32": walk(
        reset=lambda self, key: (jax.random.uniform(key, (1,)), jnp.zeros(1, jnp.int32))
    ),
    "an observation under random actions must lie in its space, from -2 to 2 .part 0., not be": (
        walk(observation_space=Box(-2, 2, (1,)))
    ),
    "step: reward must be one float32 number, without axes, not float32 of shape .1,.": walk(
        **seen(reward=lambda place: place)
    ),
    "step: terminated must be one bool, without axes, not float32": walk(
        **seen(terminated=lambda place: place[0])
    ),
    "Walk.step must give finite rewards, not .inf.": walk(
        **seen(reward=lambda place: jnp.where(place[0] > 1.5, jnp.inf, place[0]))
    ),
    "Walk.step must give the state and a palestra.core.Step|must give two things": walk(
        step=as_gymnasium
    ),
    "step must keep shapes and dtypes of the state that `reset` begins with: it was int32": walk(
        reset=lambda self, key: (jnp.int32(0), jax.random.uniform(key, (1,))),
        step=lambda self, state, action, key: (jnp.float32(state), self.seen(jnp.zeros(1))),
    ),
    "Walk.reset must depend on nothing but what it is given": walk(reset=restless),
    "Walk.reset makes a random key of its own": walk(reset=started_alone),
    "Walk.reset uses its key, but gives the same start for 64 different keys": walk(
        reset=same_start
    ),
    "Walk.step uses a random key twice": walk(step=twice),
    r"Walk.step asks Python about a number .*test_testing.py, line \d+.: use jnp.where": walk(
        step=in_python
    ),
}


@hyperparameters
class Told:
    """Steps to the right, or now and then stays; says all that can happen."""

    stays: Share = 0.2
    wrong: Literal["", "start", "chance", "reward"] = ""

    observation_space: ClassVar = Discrete(5)
    action_space: ClassVar = Discrete(2)

    def reset(self, key):
        place = jnp.int32(jax.random.bernoulli(key))
        return place, place

    def step(self, place, action, key):
        return self.advance(place, action, jax.random.uniform(key) < self.stays)

    def advance(self, place, action, stays):
        place = place + jnp.where(stays, 0, 1)
        reward = jnp.where(action == 1, 1.0, -1.0)
        return place, Step(place, reward, place == 4, jnp.bool_(False))

    def model(self):
        after, step = outcomes(self.advance, jnp.arange(5), 2, jnp.array([False, True]))
        stays = 2 * self.stays if self.wrong == "chance" else self.stays
        chance = np.broadcast_to([1 - stays, stays], after.shape)
        start = np.eye(5)[0] if self.wrong == "start" else np.array([0.5, 0.5, 0, 0, 0])
        reward = step.reward + (self.wrong == "reward")
        return Model(chance, np.minimum(after, 4), reward, step.terminated, start)


MODEL_FAULTS = {
    "start": "Told.model says that 100 % of episodes begin in state 0, but of 512 `reset` began 2",
    "chance": "Told.model says that action . in state 0 leads to state 0 in 40 % of all cases, but",
    "reward": "state 0 leads to state 0 with a reward of 0, but that of `step` was -1; compute it",
}


@pytest.mark.parametrize("wrong", MODEL_FAULTS)
def test_faults_of_models(wrong):
    check_environment(Told())
    with pytest.raises(AssertionError, match=MODEL_FAULTS[wrong]):
        check_environment(Told(wrong=wrong))


@pytest.mark.parametrize("said", ENVIRONMENT_FAULTS)
def test_faults_of_environments(said):
    with pytest.raises(AssertionError, match=said) as told:
        check_environment(ENVIRONMENT_FAULTS[said], steps=60)
    assert "\n" not in str(told.value)


def test_a_sound_one_passes_with_steps_of_its_own():
    check_environment(walk(fields={"wind": Share}, wind=0.1), steps=60)


class Learner:
    """A table of the mean reward of each action in each cell."""

    rollout_length: Count = 4

    def init(self, spec, key):
        return {"q": example.table(spec, 0.0), "step": jnp.int32(0)}

    def act(self, state, obs, key, *, explore=True):
        values = example.row(state["q"], obs)
        best = values.argmax(-1)
        some = jax.random.randint(key, best.shape, 0, values.shape[-1])
        return jnp.where(some > 0, some, best) if explore else best

    def update(self, state, rollout, key):
        flat = jax.tree.map(lambda x: x.reshape(-1), rollout)
        q, error = example.learn(state["q"], flat.obs, flat.action, self.aims(flat), 0.1)
        return {"q": q, "step": state["step"] + 1}, {"error": jnp.abs(error).mean()}

    def aims(self, flat):
        return flat.reward


def learner(**changes):
    """A Learner with something else in it."""
    annotations = {"__annotations__": {"rollout_length": Count, **changes.pop("fields", {})}}
    return hyperparameters(type("Learner", (Learner,), {**annotations, **changes}))


def updated(change):
    return {"update": lambda self, *given: change(*Learner.update(self, *given))}


def initial(change):
    return {"init": lambda self, spec, key: change(Learner.init(self, spec, key), spec, key)}


def by_word(self, state, obs, key, *, explore=True):
    best = Learner.act(self, state, obs, key, explore=explore)
    return best if self.epsilon > 0 else best * 0


TIMES = count()  # that somebody was asked
ALGORITHM_FAULTS = {
    "Learner must be a pytree of its parameters": Learner,
    "Learner has no act and no update: palestra.core.Algorithm says what an algorithm has": type(
        "Learner", (), {"init": Learner.init}
    ),
    "Learner.rollout_length must be a whole number of at least 1": learner(
        fields={"rollout_length": float}, rollout_length=1.0
    ),
    "Learner.learning_rate takes any number, NaN among them": learner(
        fields={"learning_rate": float}, learning_rate=0.1
    ),
    "Learner.init must refuse spaces that it does not serve, .*it raised AttributeError: 'Box'": (
        learner(init=lambda self, spec, key: {"q": jnp.zeros(spec.observation_space.n)})
    ),
    "Learner.init must make a State of arrays alone, .*it has 0": learner(
        **initial(lambda state, spec, key: {**state, "step": 0})
    ),
    "Learner.init must make a State of arrays alone, .*it has 'hello'": learner(
        **initial(lambda state, spec, key: {**state, "note": "hello"})
    ),
    "Learner.init gives the same array to two parts of its State": learner(
        **initial(lambda state, spec, key: {**state, "target": state["q"]})
    ),
    "Learner.act, for observations .*, asks Python about a number": learner(
        fields={"epsilon": Share}, epsilon=0.1, act=by_word
    ),
    "Learner.act must give actions of shape .32,. and whole numbers, .* not float32 of": learner(
        act=lambda self, state, obs, key, *, explore=True: jnp.zeros(obs.shape)
    ),
    "Learner.act must give actions of shape .32,. and whole numbers, .* not int32\\.": learner(
        act=lambda self, state, obs, key, *, explore=True: jnp.int32(0)
    ),
    "Learner.act takes actions that obs.'action_mask'. forbids, though .* says `masks`": learner(
        masks=True,
        act=lambda self, state, obs, key, *, explore=True: 0 * jax.tree.leaves(obs)[-1],
    ),
    "Learner.values must give floats of shape .32, 3., one for each .*, not float32 of": learner(
        values=lambda self, state, obs: example.row(state["q"], obs).max(-1)
    ),
    "Learner.act must give actions inside of Discrete.3. where explore is False; it gave 7": (
        learner(act=lambda self, state, obs, key, *, explore=True: jnp.full(obs.shape, 7))
    ),
    "Learner.act must give the same actions for every key where explore is False": learner(
        act=lambda self, state, obs, key, *, explore=True: jax.random.randint(key, obs.shape, 0, 3)
    ),
    "Learner.act must depend on nothing but what it is given": learner(
        act=lambda self, state, obs, key, *, explore=True: jnp.full(obs.shape, next(TIMES) % 3)
    ),
    "Learner.update must keep shapes and dtypes of the State .*step.* was int32 and became": (
        learner(**updated(lambda state, told: ({**state, "step": jnp.zeros(())}, told)))
    ),
    "Learner.update: the metric 'error' must be one float32 number, .*of shape .2,.": learner(
        **updated(lambda state, told: (state, {"error": jnp.zeros(2)}))
    ),
    "Learner.update leaves NaN in the State": learner(
        **updated(lambda state, told: ({**state, "q": jnp.log(-1 - state["q"] ** 2)}, told))
    ),
    "Learner.init makes a random key of its own": learner(
        **initial(
            lambda state, spec, key: {
                **state, "q": jax.random.normal(jax.random.key(0), state["q"].shape)
            }
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("said", ALGORITHM_FAULTS)
def test_faults_of_algorithms(said):
    with pytest.raises(AssertionError, match=said) as told:
        check_algorithm(ALGORITHM_FAULTS[said], probe_steps=0)
    assert "\n" not in str(told.value)


def test_who_learns_nothing_of_what_comes_later_is_told_by_a_probe():
    said = "Learner does not learn probe/Delay-v0 .Do values travel back in time.. in 2,000 steps"
    with pytest.raises(AssertionError, match=said):
        AlgorithmTests.of(algorithm=learner(), probe_steps=2_000).test_probes()


def test_all_faults_are_told_once():
    tests = EnvironmentTests.of(environment=walk(observation_space=Box(-2, 2, (1,)), step=twice))
    told = testing.faults(tests)
    assert len(told) == len({*told}) >= 2
    one = learner(act=lambda self, state, obs, key, *, explore=True: jnp.int32(0))
    assert len(testing.faults(AlgorithmTests.of(algorithm=one, probe_steps=0))) == 1
    assert testing.faults(EnvironmentTests.of(environment=Walk)) == [
        "Walk must be a pytree of its parameters, whose floats are traced: put "
        "@palestra.core.hyperparameters above the class."
    ]


def test_pytest_is_not_needed():
    assert "pytest" not in Path(testing.__file__).read_text().replace("pytest finds", "")
