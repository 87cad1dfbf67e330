"""Checks of environments and algorithms of your own: the contract that ours are held to.

    from palestra.testing import AlgorithmTests, EnvironmentTests, check_environment

    check_environment(Racetrack)              # raises AssertionError with what is wrong

    class TestRacetrack(EnvironmentTests):    # or in a file of tests, where pytest finds it
        environment = Racetrack

`check_environment` and `check_algorithm` call all that the classes test. What fails is told in one
sentence that says what would be right.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar, get_args, get_origin

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.vector.utils import batch_space
from jaxtyping import Array, PyTree

from palestra import envs, own, prng
from palestra.core import (
    Algorithm,
    Chosen,
    Environment,
    HasModel,
    HasValues,
    Key,
    Masked,
    Probe,
    Remembers,
    Spec,
    Step,
    Transition,
    hyperparameters,
)
from palestra.envs.transforms import Discretize, TimeLimit
from palestra.faults import said
from palestra.parts.masks import observed, observed_space
from palestra.parts.remembering import apart, nothing, recalled
from palestra.parts.spaces import example, flat_action_space, flat_observation_space, legal
from palestra.runners import compiled
from palestra.runners.switches import as_written
from palestra.traced import reads

OBSERVATIONS = {
    "vector": Box(-1, 1, (4,)),
    "picture": Box(0, 1, (5, 5, 2), bool),  # type: ignore[arg-type]
    "discrete": Discrete(6),
}
ACTIONS = {
    "discrete": Discrete(3),
    "multi-discrete": MultiDiscrete([2, 3]),
    "continuous": Box(-2, 2, (2,)),
}
ENOUGH = 20  # rewards, for their mean to be compared
COMPUTED = "compute it from what `step` does (palestra.envs.toy_text.model.outcomes)."
NUM_ENVS = 32  # side by side, in what algorithms are shown
CONTINUOUS = "probe/Continuous-v0"
PROBES = [  # that need no memory
    i for i in envs.ENVIRONMENTS if i[:6] == "probe/" and isinstance(envs.make(i), Probe)
]
TWO_ACTIONS = [i for i in PROBES if i != CONTINUOUS]
CONCRETE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)


def check_environment(env: Environment | type[Environment], *, steps: int = 300) -> None:
    """Nothing where an environment in JAX, an instance or a class, keeps palestra.core.Environment;
    `steps` are played at random, in several at once. Raises AssertionError with what it does not
    keep."""
    _raise_first(EnvironmentTests.of(environment=env, steps=steps))


def check_algorithm(
    algorithm: Algorithm | type[Algorithm], *, probe_steps: int = 10_000, num_envs: int = 8
) -> None:
    """Nothing where an algorithm, an instance or a class, keeps palestra.core.Algorithm and learns
    the probes (palestra/envs/probes.py) that it can see, in so many steps; 0 leaves them out.
    Raises AssertionError with what it does not keep."""
    _raise_first(AlgorithmTests.of(algorithm=algorithm, probe_steps=probe_steps, num_envs=num_envs))


def faults(tests: "EnvironmentTests | AlgorithmTests") -> list[str]:
    """The sentences of all tests that fail."""
    return list(dict.fromkeys(str(fault) for fault in _failing(tests)))


class EnvironmentTests:
    """Tests of an environment in JAX. Subclass it and say which."""

    environment: ClassVar[Any]  # a class or an instance
    steps: ClassVar[int] = 300  # played at random

    @classmethod
    def of(cls, **settings: Any) -> "EnvironmentTests":
        """The tests of what the settings name."""
        return type(cls.__name__, (cls,), settings)()

    @cached_property
    def env(self) -> Any:
        """The environment, an instance."""
        return _configured(self.environment, own.ENVIRONMENT, "environment")

    @cached_property
    def name(self) -> str:
        """What it is called: the environment itself, where a time limit is around it."""
        env = self.env
        return type(env.env if isinstance(env, TimeLimit) else env).__name__

    def test_spaces(self) -> None:
        """Its spaces are Gymnasium's, and some that algorithms know when they are flattened."""
        for word, flat in (("observation", flat_observation_space), ("action", flat_action_space)):
            space = _called(f"{self.name}.{word}_space", getattr, self.env, f"{word}_space")
            _must(
                isinstance(space, gymnasium.Space),
                f"{self.name}.{word}_space must be one of gymnasium.spaces, not {space!r}.",
            )
            try:
                flat(space)
            except ValueError as fault:
                raise AssertionError(
                    f"{self.name}.{word}_space is one that no algorithm knows: {fault}"
                ) from fault

    def test_parameters(self) -> None:
        """Its parameters have ranges, outside of which they are refused."""
        _check_ranges(self.env)

    def test_one_step(self) -> None:
        """`reset` and `step` give what the contract says, and the state keeps its form."""
        env, name = self.env, self.name
        state, obs = _pair(f"{name}.reset", "state, obs", partial(env.reset, prng.key(0)))
        _fits(env.observation_space, obs, f"{name}.reset: the observation")
        action = _first(_some_actions(env.action_space, 1))
        taken = partial(env.step, state, action, prng.key(1))
        after, step = _pair(f"{name}.step", "state, Step", taken)
        _check_step(step, name)
        _fits(env.observation_space, step.obs, f"{name}.step: the observation")
        _check_alike(state, after, f"{name}.step", "the state that `reset` begins with")
        _check_alike(obs, step.obs, f"{name}.step", "the observation of `reset`")

    def test_pure(self) -> None:
        """`reset` and `step` depend on nothing but what they are given."""
        env, name = self.env, self.name
        reset = lambda key: env.reset(key)
        state, _ = _pair(f"{name}.reset", "state, obs", partial(jax.eval_shape, reset, prng.key(0)))
        action = _first(_some_actions(env.action_space, 1))
        _check_pure(f"{name}.reset", env.reset, prng.key(0))
        _check_pure(f"{name}.step", env.step, state, action, prng.key(0))

    def test_starts(self) -> None:
        """The same key gives the same start; other keys others, where one is drawn."""
        env, name = self.env, self.name
        start = jax.jit(lambda env, keys: jax.vmap(env.reset)(keys))
        begun = partial(start, env)
        starts = _called(f"{name}.reset", begun, jax.random.split(prng.key(0), 64))
        again = begun(jax.random.split(prng.key(0), 64))
        _must(_same(starts, again), f"{name}.reset must give the same start for the same key.")
        if reads(lambda key: env.reset(key), prng.key(0)) == [True]:
            differ = any(_differ(leaf) for leaf in jax.tree.leaves(starts))
            _must(
                differ,
                f"{name}.reset uses its key, but gives the same start for 64 different keys; draw "
                "what is random from the key itself, or from keys split off it.",
            )

    def play(self, seed: int) -> Transition:
        """Random steps, compiled and side by side, as in training."""
        actions = _some_actions(self.env.action_space, 256)
        played = partial(_episodes, self.env, actions, self.steps, prng.key(seed))
        return _called(f"{self.name}, compiled and side by side,", played)

    @cached_property
    def played(self) -> Transition:
        """Those of one seed."""
        return self.play(0)

    def test_episodes(self) -> None:
        """Side by side and compiled, as in training: in its spaces, finite, the same each time."""
        env, name, rollout = self.env, self.name, self.played
        for what in ("obs", "next_obs"):
            seen = getattr(rollout, what)
            _fits(env.observation_space, seen, f"{name}: an observation under random actions", 2)
        reward = np.asarray(rollout.reward)
        odd = reward[~np.isfinite(reward)]
        _must(not odd.size, f"{name}.step must give finite rewards, not {odd[:1]}.")
        _must(
            _same(rollout, self.play(0)),
            f"{name} must take the same course for the same key and actions, each time.",
        )

    @cached_property
    def model(self) -> Any:
        """What it says can happen; None where it says nothing, or of a world not seen whole."""
        env: Any = self.env.env if isinstance(self.env, TimeLimit) else self.env
        if not (isinstance(env, HasModel) and isinstance(self.env.action_space, Discrete)):
            return None
        model = _called(f"{self.name}.model", env.model)
        whole = model.probability.shape[:2] == (np.prod(self._sizes), self.env.action_space.n)
        return model if whole else None

    @property
    def _sizes(self) -> list[int]:
        """How many there are of each part of what is seen, 0 where it is not one of a few."""
        space = observed_space(self.env.observation_space)
        parts = list(space) if isinstance(space, Tuple) else [space]
        return [int(getattr(part, "n", 0)) for part in parts]

    def _states(self, obs: PyTree) -> np.ndarray:
        """The numbers of states that were observed, in a row."""
        parts = [np.ravel(part) for part in jax.tree.leaves(observed(obs))]
        return np.ravel_multi_index(parts, self._sizes)

    def test_start_of_model(self) -> None:
        """Where it has a `model`, episodes begin where that says, and as often."""
        if self.model is None:
            return
        many = 512
        start = jax.vmap(self.env.reset)(jax.random.split(prng.key(1), many))[1]
        for state, count in zip(*np.unique(self._states(start), return_counts=True), strict=True):
            chance = self.model.start[state]
            _must(
                _about(count, many, chance),
                f"{self.name}.model says that {_percent(chance)} of episodes begin in state "
                f"{state}, but of {many} `reset` began {count} there.",
            )

    def test_model(self) -> None:
        """Where it has a `model`, that says what `step` does, how often, and for what reward."""
        if (model := self.model) is None:
            return
        rows = self.played
        was, now = self._states(rows.obs), self._states(rows.next_obs)
        action, reward, ended = map(np.ravel, (rows.action, rows.reward, rows.terminated))
        may = np.ones(len(was), bool)
        if model.allowed is not None:
            may = model.allowed[was, action].astype(bool)
        for s, a, after, end in np.unique(np.stack([was, action, now, ended], -1)[may], axis=0):
            here = may & (was == s) & (action == a)
            paid = reward[here & (now == after) & (ended == end)]
            alike = (model.successor[s, a] == after) & (model.terminated[s, a] == end)
            chance, n = model.probability[s, a] @ alike, here.sum()
            led = f"action {a} in state {s} leads to state {after}{' and the end' if end else ''}"
            _must(
                _about(len(paid), n, chance),
                f"{self.name}.model says that {led} in {_percent(chance)} of all cases, but in {n} "
                f"`step` led there {len(paid)} times; {COMPUTED}",
            )
            mean = (model.probability[s, a] * model.reward[s, a]) @ alike / chance
            spread = 5 * paid.std() / len(paid) ** 0.5 + 1e-3 * (1 + abs(mean))
            _must(
                len(paid) < ENOUGH or abs(paid.mean() - mean) <= spread,
                f"{self.name}.model says that {led} with a reward of {mean:.4g}, but that of "
                f"`step` was {paid.mean():.4g}; {COMPUTED}",
            )


class AlgorithmTests:
    """Tests of an algorithm. Subclass it and say which."""

    algorithm: ClassVar[Any]  # a class or an instance
    probe_steps: ClassVar[int] = 10_000  # in which it shall learn each probe; 0 for none
    num_envs: ClassVar[int] = 8  # side by side, while it learns them

    @classmethod
    def of(cls, **settings: Any) -> "AlgorithmTests":
        """The tests of what the settings name."""
        return type(cls.__name__, (cls,), settings)()

    @cached_property
    def learner(self) -> Any:
        """The algorithm, an instance."""
        learner = _configured(self.algorithm, own.ALGORITHM, "algorithm")
        length, name = getattr(learner, "rollout_length", None), type(learner).__name__
        _must(
            type(length) is int and length >= 1,
            f"{name}.rollout_length must be a whole number of at least 1 (rollout_length: Count = "
            f"1), the steps between updates, not {length!r}.",
        )
        return learner

    @cached_property
    def cases(self) -> "list[Case]":
        """It, in the first kind of observation that it serves with every kind of action that it
        serves."""
        found: list[Case] = []
        for obs, done in self.served:
            if all(done is not case.spec.action_space for case in found):
                found.append(Case(self.learner, Spec(obs, done, NUM_ENVS)))
        return found

    @cached_property
    def served(self) -> list[tuple[gymnasium.Space, gymnasium.Space]]:
        """Observations and actions that `init` does not refuse."""
        name = type(self.learner).__name__
        found, refused = [], ""
        for obs in OBSERVATIONS.values():
            for done in ACTIONS.values():
                init = partial(self.learner.init, Spec(obs, done, NUM_ENVS))
                try:
                    jax.eval_shape(lambda key, init=init: arrays(init(key)), prng.key(0))
                    found.append((obs, done))
                except CONCRETE as fault:
                    raise AssertionError(_of_traced(f"{name}.init", fault)) from fault
                except ValueError as fault:
                    refused = str(fault)
                except Exception as fault:
                    raise AssertionError(
                        f"{name}.init must refuse spaces that it does not serve, with a ValueError "
                        f"(palestra.InputError) of one sentence; for observations {obs} and "
                        f"actions {done} it raised {said(fault)}."
                    ) from fault
        _must(
            found,
            f"{name}.init refuses all spaces that environments are brought into, of vectors, "
            f"pictures and one of a few; the last time it said: {refused}",
        )
        return found

    def test_parameters(self) -> None:
        """Its hyper-parameters have ranges, outside of which they are refused."""
        _check_ranges(self.learner)

    def test_state(self) -> None:
        """What it learns is arrays, each with memory of its own."""
        for case in self.cases:
            case.check_state()

    def test_pure(self) -> None:
        """Its functions depend on nothing but what they are given."""
        for case in self.cases:
            case.check_pure()

    def test_forms(self) -> None:
        """In all spaces that it serves, the State keeps its form and actions have that of their
        space."""
        for obs, done in self.served:
            Case(self.learner, Spec(obs, done, NUM_ENVS)).check_forms()

    def test_greedy_actions(self) -> None:
        """Without exploring, what it sees decides what it does."""
        for case in self.cases:
            case.check_greedy()

    def test_exploring_actions(self) -> None:
        """When it explores, the key decides, and choices are in their space."""
        for case in self.cases:
            case.check_exploring()

    def test_masks(self) -> None:
        """Where it says `masks`, it takes actions that are allowed, and no other."""
        choosing = [case for case in self.cases if not isinstance(case.spec.action_space, Box)]
        for case in choosing if getattr(self.learner, "masks", False) else ():
            case.check_masks()

    def test_updates(self) -> None:
        """It learns from rollouts without coming to NaN."""
        for case in self.cases:
            case.check_updates()

    def test_seeds_side_by_side(self) -> None:
        """Seeds under `vmap` learn what each learns alone, with hyper-parameters of their own."""
        self.cases[-1].check_seeds()

    def test_probes(self) -> None:
        """It learns the probes that it can see."""
        if not self.probe_steps:
            return
        for env_id in PROBES:
            env, name = self.probe(env_id), type(self.learner).__name__
            if env is None:
                continue
            right = [answer for _, answer in asked_of(env_id)]
            steps = self.probe_steps
            found = _called(
                f"{name}, trained by palestra.runners.compiled,",
                partial(answers, env, env_id, self.learner, self.num_envs, steps, 0),
            )
            _must(
                np.allclose(found, right, atol=0.1),
                f"{name} does not learn {env_id} ({envs.entry(env_id).summary}) in {steps:,} "
                f"steps: its actions are {_rounded(found)}, the best ones {right}; "
                "palestra/envs/probes.py says what such a fault comes from, and quicker settings "
                "or more probe_steps may be all it needs.",
            )

    def probe(self, env_id: str) -> Environment | None:
        """The probe as the algorithm can see it, in cells where it is a table; None where it
        cannot."""
        for in_cells in (False, True):
            env = probe(env_id, in_cells)
            spec = Spec(env.observation_space, env.action_space, self.num_envs)
            try:
                jax.eval_shape(lambda key, spec=spec: self.learner.init(spec, key), prng.key(0))
                return env
            except ValueError:
                continue
        return None


class Case:
    """An algorithm in the spaces of an environment."""

    def __init__(self, algorithm: Any, spec: Spec):
        self.algorithm, self.spec, self.name = algorithm, spec, type(algorithm).__name__

    def _init(self, key: Key) -> PyTree:
        """Operation by operation: learners share those, and no program of `init`."""
        return _called(f"{self.name}.init", self.algorithm.init, self.spec, key)

    @cached_property
    def state(self) -> PyTree:
        """A learner before its first step."""
        return self._init(prng.key(0))

    def act(self, obs: PyTree, key: Key, explore: bool, state: PyTree = None) -> PyTree:
        """Actions of that learner, or of another, which remembers nothing; compiled once."""
        state = self.state if state is None else state
        given = self.algorithm, state, at_the_start(self.algorithm, self.spec, obs)
        action = apart(_called(f"{self.name}.act", _act, *given, key, explore))[0]
        self._must_suit(action, len(jax.tree.leaves(obs)[0]))
        return action

    def _must_suit(self, action: Any, count: int) -> None:
        """Raises AssertionError unless there is an action in the form of its space for each of
        `count` environments."""
        asked = example(self.spec.action_space)
        shape, kind = (count, *asked.shape), asked.dtype.kind
        _must(
            getattr(action, "shape", None) == shape and action.dtype.kind == kind,
            f"{self.name}.act must give actions of shape {shape} and "
            f"{'whole' if kind == 'i' else 'float'} numbers, one for each environment, for "
            f"actions {self.spec.action_space}, not {_short(action)}.",
        )

    def update(self, state: PyTree, rollout: Transition, key: Key) -> tuple[PyTree, PyTree]:
        """What a learner becomes by a rollout, and the metrics; compiled once."""
        return _called(f"{self.name}.update", _update, self.algorithm, state, rollout, key)

    def check_state(self) -> None:
        """Raises AssertionError unless `init` makes arrays with memory of their own."""
        name, made = self.name, []

        def init(key: Key) -> PyTree:
            state = self.algorithm.init(self.spec, key)
            made.extend(jax.tree.leaves(state))
            return arrays(state)

        program = _called(f"{name}.init", jax.make_jaxpr(init), prng.key(0)).jaxpr
        for leaf in made:
            _must(
                isinstance(leaf, jax.Array),
                f"{name}.init must make a State of arrays alone, such as jnp.zeros((), jnp.int32); "
                f"it has {_short(leaf)}.",
            )
        given = {id(x) for x in (*program.invars, *program.constvars)}
        outs = [id(x) for x in program.outvars]
        _must(
            len(outs) == len(set(outs)) and not given & set(outs),
            f"{name}.init gives the same array to two parts of its State, or one that exists "
            "outside of it; each needs memory of its own, since it is given back when it is "
            "replaced: copy it (jnp.copy).",
        )

    def check_pure(self) -> None:
        """Raises AssertionError where its functions depend on what they are not given."""
        name, algorithm, state = self.name, self.algorithm, self.state
        rollout = experience(self.spec, 0, algorithm.rollout_length, algorithm)
        _check_pure(f"{name}.init", partial(algorithm.init, self.spec), prng.key(0))
        act = partial(algorithm.act, explore=True)
        _check_pure(f"{name}.act", act, state, _first(rollout.obs), prng.key(0))
        _check_pure(f"{name}.update", algorithm.update, state, rollout, prng.key(0))

    def check_forms(self) -> None:
        """Raises AssertionError unless the State keeps its structure, shapes and dtypes through
        `update`, metrics are numbers, and actions have the form of their space."""
        name, algorithm = self.name, self.algorithm
        # `act` and `update` are those that other checks run, so that each is traced once.
        state = jax.eval_shape(lambda key: self._init(key), prng.key(0))
        rollout = experience(self.spec, 0, algorithm.rollout_length, algorithm)
        seen = f"for observations {self.spec.observation_space}"
        for explore in (True, False):
            first = _first(rollout.obs)
            given = algorithm, state, first, prng.key(0), explore
            action = _called(f"{name}.act, {seen},", _act.eval_shape, *given)
            if isinstance(algorithm, Remembers):
                _must(
                    isinstance(action, Chosen),
                    f"{name}.act must give palestra.core.Chosen(action, memory), since there is "
                    f"{name}.no_memory, not {_short(action)}.",
                )
                action, memory = action
                _check_alike(first.memory, memory, f"{name}.act", "what `no_memory` makes")
            self._must_suit(action, NUM_ENVS)
        if isinstance(algorithm, HasValues) and isinstance(self.spec.action_space, Discrete):
            told = partial(jax.eval_shape, algorithm.values, state, first)
            values, shape = (
                _called(f"{name}.values, {seen},", told),
                (NUM_ENVS, int(_count(self.spec.action_space))),
            )
            _must(
                getattr(values, "shape", None) == shape and values.dtype.kind == "f",
                f"{name}.values must give floats of shape {shape}, one for each environment and "
                f"action, not {_short(values)}.",
            )
        learned = partial(_update.eval_shape, algorithm, state, rollout, prng.key(0))
        made = _called(f"{name}.update, {seen},", learned)
        _must(
            isinstance(made, tuple) and len(made) == 2,
            f"{name}.update must give two things, state and metrics, not {_short(made)}.",
        )
        after, metrics = made
        _check_alike(state, after, f"{name}.update", "the State that `init` makes")
        _must(
            isinstance(metrics, dict) and bool(metrics),
            f"{name}.update must give a dict of metrics beside the State, at least one, such as "
            f'{{"loss": loss}}, not {_short(metrics)}.',
        )
        for key, metric in metrics.items():
            _must(
                getattr(metric, "shape", None) == () and metric.dtype == np.float32,
                f"{name}.update: the metric {key!r} must be one float32 number, such as a mean, "
                f"not {_short(metric)}.",
            )

    def check_greedy(self) -> None:
        """Raises AssertionError unless greedy actions hang on what is seen alone, each on its own,
        and lie in their space."""
        obs, name = draw(self.spec.observation_space, (self.spec.num_envs,), 0), self.name
        actions = [self.act(obs, prng.key(i), False) for i in range(3)]
        _must(
            _same(actions[0], actions[1]) and _same(actions[0], actions[2]),
            f"{name}.act must give the same actions for every key where explore is False.",
        )
        space = self.spec.action_space
        _must(
            all(space.contains(np.asarray(action)) for action in actions[0]),
            f"{name}.act must give actions inside of {space} where explore is False; it gave "
            f"{_outside(space, actions[0])}.",
        )
        alone = [self.act(row[None], prng.key(0), False) for row in np.asarray(obs)]
        one_by_one = [np.asarray(action)[0] for action in alone]
        _must(
            np.allclose(actions[0], one_by_one, rtol=1e-4, atol=1e-5),
            f"{name}.act must choose for each environment from what that one shows alone: for one "
            f"at a time it chose otherwise than for {len(one_by_one)} together.",
        )

    def check_exploring(self) -> None:
        """Raises AssertionError unless the same key gives the same actions, and choices are in
        their space."""
        obs, name = draw(self.spec.observation_space, (self.spec.num_envs,), 0), self.name
        actions, again = (self.act(obs, prng.key(0), True) for _ in range(2))
        space = self.spec.action_space
        _must(_same(actions, again), f"{name}.act must give the same actions for the same key.")
        if not isinstance(space, Box):  # the runner brings those back into their box
            _must(
                all(space.contains(np.asarray(action)) for action in actions),
                f"{name}.act must give actions inside of {space} where it explores; it gave "
                f"{_outside(space, actions)}.",
            )

    def check_masks(self) -> None:
        """Raises AssertionError where it takes what a mask forbids."""
        space, rng = self.spec.action_space, np.random.default_rng(0)
        counts = space.nvec if isinstance(space, MultiDiscrete) else np.array([_count(space)])
        begins = np.cumsum(counts) - counts  # of the flags of each choice
        mask = rng.random((NUM_ENVS, counts.sum())) < 0.3
        mask[np.arange(NUM_ENVS)[:, None], begins + rng.integers(0, counts, (NUM_ENVS, 1))] = True
        seen = Masked(self.spec.observation_space, int(counts.sum()))
        case = Case(self.algorithm, Spec(seen, space, NUM_ENVS))
        obs = draw(self.spec.observation_space, (NUM_ENVS,), 0)
        for explore in (True, False):
            given = {"observation": obs, "action_mask": jnp.asarray(mask)}
            action = np.asarray(case.act(given, prng.key(0), explore)).reshape(NUM_ENVS, -1)
            _must(
                mask[np.arange(NUM_ENVS)[:, None], begins + action].all(),
                f"{self.name}.act takes actions that obs['action_mask'] forbids, though the class "
                "says `masks`; choose by palestra.parts.masks.masked(values, obs).",
            )

    def check_updates(self) -> None:
        """Raises AssertionError where a few updates are not the same each time, or end in NaN."""
        name, length = self.name, self.algorithm.rollout_length

        def learn() -> tuple[PyTree, PyTree]:
            state, metrics = self.state, None
            for i in range(4):
                rollout = experience(self.spec, 10 * i, length, self.algorithm)
                state, metrics = self.update(state, rollout, prng.key(i))
            return state, metrics

        state, metrics = learn()
        _must(
            _same((state, metrics), learn()),
            f"{name}.update must come to the same State for the same rollouts and keys.",
        )
        odd = [x for x in jax.tree.leaves(state) if x.dtype.kind == "f" and np.isnan(x).any()]
        _must(
            not odd,
            f"{name}.update leaves NaN in the State after four rollouts of ordinary numbers; look "
            "for a division by 0, a logarithm or a root of what may be 0.",
        )

    def check_seeds(self) -> None:
        """Raises AssertionError unless seeds under `vmap`, with hyper-parameters of their own,
        learn what each learns alone."""
        name, length = self.name, self.algorithm.rollout_length
        rollouts = [experience(self.spec, 10 * i, length, self.algorithm) for i in range(3)]

        def learn(algorithm: Any, seed: Array) -> PyTree:
            init_key, key = jax.random.split(prng.key(seed))
            learned = lambda state, now: (algorithm.update(state, *now)[0], None)
            state = algorithm.init(self.spec, init_key)
            course = jax.tree.map(lambda *x: jnp.stack(x), *rollouts), jax.random.split(key, 3)
            return jax.lax.scan(learned, state, course)[0]

        two = jax.tree.map(lambda x: jnp.full((2,), x), self.algorithm)
        with jax.debug_key_reuse(False):  # which takes `vmap` of `scan` over keys for reuse
            what = f"{name}, with two seeds and two of every number side by side (jax.vmap),"
            together = _called(what, _quickly(jax.vmap(learn)), two, jnp.arange(2))
        for seed in range(2):
            init_key, key = jax.random.split(prng.key(seed))
            one = self._init(init_key)
            for rollout, now in zip(rollouts, jax.random.split(key, 3), strict=True):
                one, _ = self.update(one, rollout, now)  # the program of other checks
            both = jax.tree.map(lambda x, seed=seed: x[seed], together)
            close = partial(np.allclose, rtol=2e-3, atol=2e-4, equal_nan=True)
            _must(
                all(map(close, *map(jax.tree.leaves, (one, both)))),
                f"{name} must learn the same for a seed beside others (jax.vmap) as for that seed "
                "alone; an axis that is counted from the front may be meant from the back.",
            )


@hyperparameters
class OneOf:
    """The probe of that number: one environment, so that an algorithm is compiled once for all."""

    number: float = 0.0

    probes: ClassVar = tuple(map(envs.make, TWO_ACTIONS))
    observation_space: ClassVar = probes[0].observation_space
    action_space: ClassVar = probes[0].action_space

    def reset(self, key: Key) -> tuple[PyTree, PyTree]:
        return self._choose([probe.reset for probe in self.probes], key)

    def step(self, state: PyTree, action: Array, key: Key) -> tuple[PyTree, Step]:
        return self._choose([probe.step for probe in self.probes], state, action, key)

    def _choose(self, functions: list[Callable], *arguments: Any) -> Any:
        return jax.lax.switch(jnp.int32(self.number), functions, *arguments)


def probe(env_id: str, in_cells: bool) -> Environment:
    """A probe; in cells, for tables."""
    env: Any = envs.make(env_id)
    if env_id != CONTINUOUS:
        env = OneOf(number=float(TWO_ACTIONS.index(env_id)))
    return Discretize(env=env, bins=(3,), low=(-1.5,), high=(1.5,)) if in_cells else env


def asked_of(env_id: str) -> tuple[tuple[Any, Any], ...]:
    """The observations that matter in a probe, and the best action in each."""
    env = envs.make(env_id)
    assert isinstance(env, Probe)
    return env.answers


def answers(
    env: Environment, env_id: str, algorithm: Algorithm, num_envs: int, steps: int, seed: int
) -> list:
    """What greedy `act` says, after training, to the observations that matter in a probe."""
    train = compiled.train(
        env, algorithm, num_envs=num_envs, total_steps=steps, reports=1, seeds=[seed]
    )
    (report,) = train
    learner = jax.tree.map(lambda x: x[0], report.learner)
    obs = jnp.array([obs for obs, _ in asked_of(env_id)])
    if isinstance(env, Discretize):
        obs = jax.vmap(env.see)(obs)
    spec = Spec(env.observation_space, env.action_space, num_envs)
    seen = at_the_start(algorithm, spec, obs)
    return np.asarray(apart(_act(algorithm, learner, seen, prng.key(0), False))[0]).tolist()


def draw(space: gymnasium.Space, shape: tuple[int, ...], seed: int) -> Array:
    """Elements of a space of OBSERVATIONS or ACTIONS, with leading axes."""
    rng = np.random.default_rng(seed)
    if isinstance(space, Discrete):
        return jnp.asarray(rng.integers(0, space.n, shape), jnp.int32)
    if isinstance(space, MultiDiscrete):
        return jnp.asarray(rng.integers(0, space.nvec, (*shape, *space.shape)), jnp.int32)
    assert isinstance(space, Box)
    if space.dtype == bool:
        return jnp.asarray(rng.random((*shape, *space.shape)) < 0.5)
    return jnp.asarray(rng.uniform(space.low, space.high, (*shape, *space.shape)), jnp.float32)


def arrays(tree: PyTree) -> list[Array]:
    """Those of its leaves that are arrays."""
    return [leaf for leaf in jax.tree.leaves(tree) if isinstance(leaf, jax.Array)]


def at_the_start(algorithm: Any, spec: Spec, obs: PyTree) -> PyTree:
    """What an algorithm sees of observations [*batch, ...] at the start of episodes."""
    size = jax.tree.leaves(obs)[0].ndim - jax.tree.leaves(example(spec.observation_space))[0].ndim
    batch = jax.tree.leaves(obs)[0].shape[:size]
    room = lambda x: jnp.broadcast_to(x, (*batch, *x.shape))
    return recalled(obs, jax.tree.map(room, nothing(algorithm, spec)))


def experience(spec: Spec, seed: int, length: int, algorithm: Any = None) -> Transition:
    """A rollout of random numbers, leaves [length, num_envs, ...], of which an algorithm that
    remembers does so."""
    rng, shape = np.random.default_rng(seed), (length, spec.num_envs)
    obs, next_obs = (draw(spec.observation_space, shape, seed + i) for i in (1, 2))
    action = draw(spec.action_space, shape, seed + 3)
    reward = jnp.asarray(rng.normal(size=shape), jnp.float32)
    flags = jnp.asarray(rng.random((2, *shape)) < 0.1)
    seen, then = (at_the_start(algorithm, spec, x) for x in (obs, next_obs))
    return Transition(seen, action, reward, then, *flags)


def misfit(space: gymnasium.Space, value: Any, name: str, lead: int = 0) -> str | None:
    """What is wrong with a value that should be one of a space, or many behind `lead` axes: a
    sentence that begins with `name`. None where nothing is."""
    if isinstance(space, Dict | Tuple):
        of_dict = isinstance(space, Dict)
        keys = [*space.spaces] if isinstance(space, Dict) else [*range(len(space.spaces))]
        kind: Any = Mapping if of_dict else tuple
        known = isinstance(value, kind) and len(value) == len(keys)
        if not known or (of_dict and any(key not in value for key in keys)):
            asked = f"dict of {', '.join(map(repr, keys))}" if of_dict else f"tuple of {len(keys)}"
            return f"{name} must be a {asked}, not {_short(value)}."
        parts = ((space[key], value[key], f"{name}[{key!r}]") for key in keys)  # type: ignore[index]
        return next(filter(None, (misfit(*part, lead) for part in parts)), None)
    if not isinstance(space, Box | Discrete | MultiDiscrete | MultiBinary):
        return None if space.contains(value) else f"{name} is not in {space}: {_short(value)}."
    x = np.asarray(value)
    if x.shape[lead:] != space.shape:
        return f"{name} must have shape {space.shape}, as its space says, not {x.shape[lead:]}."
    if isinstance(space, Box):
        dtypes = {np.dtype(space.dtype), np.dtype(jax.dtypes.canonicalize_dtype(space.dtype))}
        if x.dtype not in dtypes:
            return f"{name} must be of {space.dtype}, as its space says, not of {x.dtype}."
        low, high = space.low, space.high
    else:
        if x.dtype.kind not in ("bui" if isinstance(space, MultiBinary) else "ui"):
            return f"{name} must be a whole number, as {space} says, not of {x.dtype}."
        low = np.asarray(getattr(space, "start", 0))
        count = np.asarray(2 if isinstance(space, MultiBinary) else _count(space))
        high = low + count - 1
    if x.dtype.kind == "f" and np.isnan(x).any():
        return f"{name} must not be NaN."
    outside = (x < low) | (x > high)
    if outside.any():
        at = tuple(np.argwhere(outside)[0])
        inner = at[lead:]
        least, most = (np.broadcast_to(b, space.shape)[inner] for b in (low, high))
        which = f" (part {', '.join(map(str, inner))})" if inner else ""
        return (
            f"{name} must lie in its space, from {least:g} to {most:g}{which}, not be {x[at]:g}; "
            "widen the space or clip what is shown."
        )
    return None


def _count(space: Any) -> Any:
    return space.n if isinstance(space, Discrete) else space.nvec


# What runs once had better compile fast than run fast.
_quickly = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@partial(jax.jit, static_argnums=4)
def _act(algorithm: Any, state: PyTree, obs: PyTree, key: Key, explore: bool) -> PyTree:
    return algorithm.act(state, obs, key, explore=explore)


@jax.jit
def _update(algorithm: Any, state: PyTree, rollout: Transition, key: Key) -> tuple[PyTree, PyTree]:
    return algorithm.update(state, rollout, key)


@partial(jax.jit, static_argnums=2)
def _episodes(env: Any, actions: PyTree, steps: int, key: Key) -> Transition:
    """A rollout of random actions, each one of those, leaves [steps, 8, ...]."""
    reset_key, key = jax.random.split(key)
    state, obs = compiled.begin_episodes(env, jax.random.split(reset_key, 8))
    count = jax.tree.leaves(actions)[0].shape[0]

    def policy(obs: PyTree, key: Key) -> PyTree:
        which = jax.random.randint(key, (8,), 0, count)
        return jax.tree.map(lambda x: x[which], actions)

    return compiled.unroll(env, policy, state, obs, steps, key)[2]


def _some_actions(space: gymnasium.Space, count: int) -> PyTree:
    """Random actions as an environment in JAX takes them, leaves [count, ...]."""
    many = batch_space(space, count)
    many.seed(0)
    return legal(space, jax.tree.map(jnp.asarray, many.sample()))


def _about(count: int, n: int, chance: float) -> bool:
    """Whether what has a chance may have happened so often in n cases; what has none never does."""
    spread = (n * max(chance * (1 - chance), 0)) ** 0.5
    return chance > 0 and abs(count - n * chance) <= 5 * spread + 3


def _percent(chance: float) -> str:
    return f"{100 * chance:.4g} %"


def _configured(given: Any, methods: tuple[str, ...], word: str) -> Any:
    """An instance of what was given. Raises AssertionError where it is none that can be used."""
    kind = given if isinstance(given, type) else type(given)
    name, home = kind.__name__, f"palestra.core.{word.capitalize()}"
    missing = [method for method in methods if not hasattr(kind, method)]
    _must(
        not missing,
        f"{name} has no {' and no '.join(missing)}: {home} says what "
        f"{'an' if word[0] in 'ae' else 'a'} {word} has.",
    )
    if is_dataclass(kind) and isinstance(given, type):
        given = _called(name, given)
    _must(
        is_dataclass(kind) and not jax.tree_util.all_leaves([given]),
        f"{name} must be a pytree of its parameters, whose floats are traced: put "
        "@palestra.core.hyperparameters above the class.",
    )
    return given


def _check_ranges(settings: Any) -> None:
    """Raises AssertionError for a number that may be anything."""
    for field in fields(settings):
        kind = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
        if kind not in (int, float):
            continue
        name = f"{type(settings).__name__}.{field.name}"
        try:
            replace(settings, **{field.name: float("nan")})
        except ValueError:
            continue
        words = "Count or CountOrZero" if kind is int else "Positive, NonNegative, Share or Finite"
        raise AssertionError(
            f"{name} takes any number, NaN among them: give it a type with a range in place of "
            f"{kind.__name__}, such as {words} (palestra.core)."
        )


def _check_step(step: Any, name: str) -> None:
    """Raises AssertionError unless it is a Step with a reward and two flags."""
    _must(
        isinstance(step, Step),
        f"{name}.step must give the state and a palestra.core.Step(obs, reward, terminated, "
        f"truncated), not {_short(step)}.",
    )
    for field, dtype in (("reward", np.float32), ("terminated", bool), ("truncated", bool)):
        value = getattr(step, field)
        form: Any = value if isinstance(value, str) else jax.eval_shape(lambda x=value: x)
        right = getattr(form, "shape", None) == () and form.dtype == dtype
        word = "float32 number" if field == "reward" else "bool"
        _must(
            right,
            f"{name}.step: {field} must be one {word}, without axes, not {_short(value)}.",
        )


def _check_alike(before: PyTree, after: PyTree, what: str, of: str) -> None:
    """Raises AssertionError unless two trees have one structure, and leaves of one form."""
    one, two = (str(jax.tree.structure(tree)) for tree in (before, after))
    _must(one == two, f"{what} must keep the structure of {of}: {one}, not {two}.")
    leaves = zip(jax.tree.leaves_with_path(before), jax.tree.leaves(after), strict=True)
    for (path, old), new in leaves:
        old, new = (jax.eval_shape(lambda: x) if not _formed(x) else x for x in (old, new))  # noqa: B023
        place = jax.tree_util.keystr(path) or "it"
        _must(
            (old.shape, old.dtype) == (new.shape, new.dtype),
            f"{what} must keep shapes and dtypes of {of}: {place} was {_short(old)} and became "
            f"{_short(new)}.",
        )


def _formed(x: Any) -> bool:
    return hasattr(x, "shape") and hasattr(x, "dtype")


def _check_pure(what: str, function: Callable, *given: Any) -> None:
    """Raises AssertionError where a function's program is another one each time that it is traced,
    draws from a key that it was not given, or uses a key twice."""
    traced = []
    for strict in (False, True):
        with jax.debug_key_reuse(strict):
            traced.append(_called(what, jax.make_jaxpr(lambda *now: function(*now)), *given))
    one, two = traced
    bare = lambda program: re.sub("0x[0-9a-f]+|id=[0-9]+", "", str(program.jaxpr))
    _must(
        bare(one) == bare(two) and _same(one.consts, two.consts),
        f"{what} must depend on nothing but what it is given: called twice it came to two "
        "programs; draw random numbers from its key (jax.random), and keep what changes in the "
        "state.",
    )
    _must(
        "random_seed" not in str(one.jaxpr),
        f"{what} makes a random key of its own, so that it draws the same numbers each time; draw "
        "from the key that it is given, split where several are needed (jax.random.split).",
    )


def _fits(space: gymnasium.Space, value: Any, name: str, lead: int = 0) -> None:
    wrong = _called(name, misfit, space, value, name, lead)
    _must(wrong is None, str(wrong))


def _pair(what: str, of: str, call: Callable[[], Any]) -> tuple[Any, Any]:
    """The two things that a call gives. Raises AssertionError where it gives something else."""
    made = _called(what, call)
    _must(
        type(made) is tuple and len(made) == 2,
        f"{what} must give two things, {of}, not {_short(made)}.",
    )
    return made


def _called(what: str, function: Callable, *given: Any) -> Any:
    """What a call gives. Raises AssertionError with what it raised."""
    try:
        return function(*given)
    except CONCRETE as fault:
        raise AssertionError(_of_traced(what, fault)) from fault
    except jax.errors.KeyReuseError as fault:
        raise AssertionError(
            f"{what} uses a random key twice, so that what it draws is not independent; split it "
            "first (jax.random.split), and use each part once."
        ) from fault
    except Exception as fault:
        raise AssertionError(f"{what} raised {said(fault)}.") from fault


def _of_traced(what: str, fault: Exception) -> str:
    place = said(fault).rpartition(" (")[2].rstrip(")")
    return (
        f"{what} asks Python about a number that is known only while the compiled program runs "
        f"({place}): use jnp.where or jax.lax.cond in place of if, and neither int() nor float()."
    )


def _failing(tests: Any) -> Iterator[AssertionError]:
    """What the tests raise."""
    with as_written():
        for name in vars(type(tests).__mro__[1]):
            if name.startswith("test_"):
                try:
                    getattr(tests, name)()
                except AssertionError as fault:
                    yield fault
                except Exception as fault:  # of what it made, which no test looks at before
                    words = name.removeprefix("test_").replace("_", " ")
                    yield AssertionError(f"The test of its {words} raised {said(fault)}.")


def _raise_first(tests: Any) -> None:
    for fault in _failing(tests):
        raise fault


def _must(holds: Any, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)


def _same(one: PyTree, other: PyTree) -> bool:
    equal = lambda x, y: np.array_equal(x, y, equal_nan=np.asarray(x).dtype.kind == "f")
    return all(map(equal, *map(jax.tree.leaves, (_words(one), _words(other)))))


def _words(tree: PyTree) -> PyTree:
    """Keys as the numbers that they are made of."""
    is_key = lambda x: isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    return jax.tree.map(lambda x: jax.random.key_data(x) if is_key(x) else x, tree)


def _differ(leaf: Array) -> bool:
    rows = np.asarray(_words(leaf))
    return bool((rows != rows[:1]).any())


def _first(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda x: x[0], tree)


def _outside(space: gymnasium.Space, actions: Any) -> str:
    """The first of the actions that is not in the space."""
    found = (np.asarray(x) for x in actions if not space.contains(np.asarray(x)))
    return str(next(found, ""))


def _rounded(found: Any) -> Any:
    return np.round(np.asarray(found, float), 2).tolist()


def _short(thing: Any) -> str:
    """In a few words: the form of an array, else what it says of itself."""
    if _formed(thing):
        axes = f" of shape {tuple(thing.shape)}" if thing.shape else ""
        return f"{thing.dtype}{axes}"
    text = repr(thing)
    return text if len(text) <= 60 else f"{text[:56]} ..."
