"""Train on vector environments on the host: the loop in Python, `act` and `update` compiled.

Whatever follows Gymnasium's interface can be learned: emulators, physics engines, a user's own
class. The random numbers are the compiled runner's, so that on an environment without randomness
both give the same learner.
"""

import inspect
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import gymnasium
import jax
import numpy as np
from gymnasium.spaces import Discrete, Tuple
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.vector.utils import concatenate, create_empty_array
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit
from gymnasium.wrappers.vector import RecordEpisodeStatistics as VectorRecordEpisodeStatistics
from jaxtyping import Array, PyTree

from palestra import prng
from palestra.core import Algorithm, Key, Metrics, Spec, Transition
from palestra.faults import (
    RAISED,
    EnvironmentFaultError,
    InputError,
    environment_fault,
    quiet,
    said,
)
from palestra.parts.masks import observed, observed_space
from palestra.parts.remembering import apart, nothing, recalled, seen_by
from palestra.parts.spaces import (
    example,
    flat_action_space,
    flat_observation_space,
    flatten_observation,
    legal,
    unflatten_action,
)
from palestra.runners import streams
from palestra.runners.compiled import ends, plan
from palestra.runners.leaves import MisfitError, fingerprint, named, rebuilt, replaced
from palestra.runners.report import Episodes, Report, Since, printed
from palestra.runners.switches import as_the_user_has_it, throughout
from palestra.traced import reads

Leaves = list[Array]  # the arrays of a learner, in the order of its tree


# What comes of an observation that has not the form of its space.
UNFIT = ValueError, TypeError, KeyError, AttributeError, IndexError


class Profile:
    """Seconds spent, by phase; summed over threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begun
            with self._lock:
                self.seconds[phase] = self.seconds.get(phase, 0.0) + spent


@throughout
def train(
    envs: VectorEnv,
    algorithm: Algorithm,
    *,
    total_steps: int,
    reports: int,
    seed: int,
    since: Since | None = None,
    start: Mapping[str, np.ndarray] | None = None,
) -> Generator[Report, None, None]:
    """Yield about `reports` reports, evenly spaced over `total_steps` steps, of one learner.

    A report's leaves have no axis of seeds: metrics are [updates], episodes [updates, T, E]. Steps
    are rounded up to whole reports. A report's learner is donated to the next update: copy what you
    keep. With `since`, training goes on from there: to the bit where the environments' states could
    be kept, see `state_of`, and with new episodes where not. A fresh learner takes over the arrays
    of `start`, by name. Raises EnvironmentFaultError, and ValueError where `since` is of another
    run.
    """
    loop = Loop(envs, algorithm, total_steps, reports, seed, since, start)
    programs, players, leaves, key = loop.programs, loop.players, loop.leaves, loop.key
    players.begin()
    players.state()  # which says at once where states cannot be kept

    def turn() -> Turn:
        nonlocal leaves, key
        key, words, update_key = programs.keys(key)
        acting = [leaves[i] for i in programs.read]
        rollout, episodes = players.unroll(partial(programs.act, acting), np.asarray(words))
        mark = loop.print_of(rollout)
        with players.profile("learn"):
            leaves, metrics = programs.update(leaves, rollout, update_key)
            jax.block_until_ready(metrics)  # nobody could act before
        return Turn(leaves, metrics, episodes, mark)

    yield from loop.reports(turn, lambda: Carry(loop.whole(leaves), key, players.state()))


class Carry(NamedTuple):
    """What training goes on from."""

    learner: PyTree
    key: Key | None
    playing: "Playing | None"  # where the environments' states can be kept


class Turn(NamedTuple):
    """What a rollout and an update have led to."""

    leaves: Leaves
    metrics: Metrics
    episodes: Episodes
    mark: np.uint32  # the fingerprint of a rollout, if it is one of the run's first


class Loop:
    """What runners share in which one place learns: how a run begins, and how it is told."""

    def __init__(
        self,
        envs: VectorEnv,
        algorithm: Algorithm,
        total_steps: int,
        reports: int,
        seed: int,
        since: Since | None,
        start: Mapping[str, np.ndarray] | None,
    ):
        self._plan = plan(algorithm, envs.num_envs, total_steps, reports)
        self._since = since
        self._unprinted = 0 if since else printed(algorithm.rollout_length, envs.num_envs)
        self.players = Players(envs, streams.first(seed, streams.TRAINING), algorithm=algorithm)
        self.key, init_key, _ = jax.random.split(prng.key(seed), 3)
        begin = jax.jit(partial(algorithm.init, self.players.spec))
        if since is None:
            learner = replaced(begin(init_key), start or {})
        else:
            learner = rebuilt(jax.eval_shape(begin, init_key), since.arrays, "learner.")
            self.key = rebuilt(Carry(None, self.key, None), since.arrays).key
            self.players.go_on(since)
            self.players.taken = since.updates * self._plan[2]
        self.leaves, self.structure = jax.tree.flatten(learner)
        self.programs = Programs.of(self.players.spec, algorithm, learner)

    def whole(self, leaves: Leaves) -> PyTree:
        """The learner of its leaves."""
        return jax.tree.unflatten(self.structure, leaves)

    def print_of(self, rollout: Transition) -> np.uint32:
        """The rollout's fingerprint, if it is one of the run's first."""
        self._unprinted -= 1
        return fingerprint(rollout) if self._unprinted >= 0 else np.uint32(0)

    def reports(
        self, turn: Callable[[], Turn], carry: Callable[[], Carry]
    ) -> Generator[Report, None, None]:
        """A report after so many turns, each of a rollout and an update."""
        updates, count, steps_per_update = self._plan
        for done in ends(updates, count, self._since):
            leaves, *rest = zip(*(turn() for _ in range(updates)), strict=True)
            metrics, episodes, prints = (
                jax.tree.map(lambda *x: np.stack(x), *each) for each in rest
            )
            step = done * steps_per_update
            learner, obs = self.whole(leaves[-1]), self.players.obs
            spent = self.players.profile.seconds
            yield Report(step, learner, metrics, episodes, prints, None, obs, carry, spent)


class Programs(NamedTuple):
    """What the loop executes. A learner is the list of its leaves, and `acting` those of them that
    `act` reads: half the time of a small program's call would go into taking the tree apart."""

    read: list[int]  # which of the leaves
    act: Callable  # acting, words of a key, obs [E, ...] -> action [E, ...], a legal one
    update: Callable  # leaves, rollout [T, E, ...], key -> leaves, metrics
    keys: Callable  # key -> the next one, words of those to act with [T, 2], one to update with

    @classmethod
    def of(cls, spec: Spec, algorithm: Algorithm, learner: PyTree) -> "Programs":
        """Traced now, compiled when first called."""
        leaves, structure = jax.tree.flatten(learner)
        whole = partial(jax.tree.unflatten, structure)
        length = algorithm.rollout_length
        batch = lambda x: np.zeros((spec.num_envs, *x.shape), x.dtype)
        obs = jax.tree.map(batch, seen_by(algorithm, spec))
        explore = lambda learner, obs, key: algorithm.act(learner, obs, key)
        read = [i for i, is_read in enumerate(reads(explore, learner, obs, prng.key(0))) if is_read]
        shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in leaves]

        def act(acting: Leaves, words: Array, obs: PyTree) -> tuple[PyTree, PyTree]:
            rest = [jax.numpy.zeros(x.shape, x.dtype) for x in shapes]
            for place, leaf in zip(read, acting, strict=True):
                rest[place] = leaf
            action = algorithm.act(whole(rest), obs, prng.of_words(words))
            return apart(action)[0], legal(spec.action_space, action)

        def update(leaves: Leaves, rollout: Transition, key: Key) -> tuple[Leaves, Metrics]:
            learner, metrics = algorithm.update(whole(leaves), rollout, key)
            return jax.tree.leaves(learner), metrics

        def keys(key: Key) -> tuple[Key, Array, Key]:
            """As the compiled runner splits them."""
            key, rollout_key, update_key = jax.random.split(key, 3)
            steps = jax.random.split(rollout_key, length)
            act_keys = jax.vmap(lambda k: jax.random.split(k, 3)[0])(steps)
            return key, jax.random.key_data(act_keys), update_key

        update_in_place = jax.jit(update, donate_argnums=0)
        return cls(read, jax.jit(act), update_in_place, jax.jit(keys))


class Players:
    """A vector environment, and the episodes under way in it, in the form that algorithms see."""

    def __init__(
        self,
        envs: VectorEnv,
        seed: int | None,
        profile: Profile | None = None,
        algorithm: Algorithm | None = None,
    ):
        """Environment i is first reset with `seed` + i. The algorithm is who acts; it need be known
        where it remembers. Raises ValueError where a space cannot be
        learned from, or the environments do not say when they begin anew."""
        self.envs, self.seed = envs, seed
        self.profile = Profile() if profile is None else profile
        self.mode = autoreset_mode(envs)
        self._seen, self._done = envs.single_observation_space, envs.single_action_space
        spaces = flat_observation_space(self._seen), flat_action_space(self._done)
        self.spec = Spec(*spaces, envs.num_envs)
        self._like = example(spaces[0])
        seen = observed_space(spaces[0])
        parts = seen if isinstance(seen, Tuple) else [seen]
        self._counts = [int(part.n) if isinstance(part, Discrete) else None for part in parts]
        self.obs: PyTree = None  # what is seen now, leaves [E, ...]; None before the first episode
        self._no_memory = jax.tree.map(np.asarray, nothing(algorithm, self.spec))
        room = lambda x: np.broadcast_to(x, (envs.num_envs, *x.shape)).copy()
        self._memory = jax.tree.map(room, self._no_memory)  # now, leaves [E, ...]
        self.taken = 0  # steps, by all environments
        self._total = np.zeros(envs.num_envs)
        self._steps = np.zeros(envs.num_envs, np.int32)
        self._keeps = True  # as far as is known
        self._form: Any = None  # of the environments' states, which it keeps
        self._game = self._before = games({})
        # These give no more than the records of their own environments.
        self._merges = isinstance(envs.unwrapped, SyncVectorEnv | AsyncVectorEnv)
        self._miscounts = self.mode is AutoresetMode.DISABLED and wrapped_in(
            envs, VectorRecordEpisodeStatistics
        )

    def state(self) -> "Playing | None":
        """What `go_on` takes, where the environments' states can be kept.

        Where they say so and yet cannot, that is said once, and training goes on.
        """
        if not self._keeps:
            return None
        try:
            envs = state_of(self.envs)
            if envs is None:
                return None
            form = form_of(envs)
            if form != (self._form or form):
                raise TypeError("they are not always of the same form")
        except Exception as fault:
            self._keeps = False
            gymnasium.logger.warn(
                f"{self._name} has states that cannot be kept ({type(fault).__name__}: {fault}), "
                "so that new episodes begin where this run is resumed."
            )
            return None
        self._form = form
        return Playing(envs, self.obs, self._total, self._steps, self._memory)

    def go_on(self, since: Since) -> None:
        """Go on where another player stood; with new episodes where that cannot be told."""
        assert self.seed is not None
        if not any(name.startswith("playing.") for name in since.arrays):
            self.seed = streams.anew(self.seed, since.updates)
            return
        self.begin()
        if (now := self.state()) is None:
            raise MisfitError(f"{self._name} cannot take its state back")
        found = rebuilt(Carry(None, None, now), since.arrays).playing
        envs, self.obs, self._total, self._steps, self._memory = found
        try:
            put_state(self.envs, envs)
        except Exception as fault:
            told = f"{self._name} does not take its state back: {type(fault).__name__}: {fault}"
            raise MisfitError(told) from fault

    def begin(self) -> None:
        """Begin the first episodes, unless some are under way. Raises EnvironmentFaultError."""
        if self.obs is None:
            obs, info = self._guarded(self.envs.reset, seed=self.seed)
            self.obs, self._game = self._see(obs), games(info)

    def unroll(self, act: Callable, words: np.ndarray) -> tuple[Transition, Episodes]:
        """Play a step with each key's words; one episode begins where another ends. [T, E, ...].

        `act(words, obs)` gives an action and a legal one, Chosen where it remembers. Raises
        EnvironmentFaultError.
        """
        self.begin()
        rows = None
        for t, of_step in enumerate(words):
            row = self._step(partial(act, of_step))
            if rows is None:
                rows = jax.tree.map(lambda x: np.empty((len(words), *x.shape), x.dtype), row)
            jax.tree.map(lambda to, x: to.__setitem__(t, x), rows, row)  # noqa: B023
        assert rows is not None
        return rows

    def _step(self, act: Callable) -> tuple[Transition, Episodes]:
        # What an environment shows may change with its next step; what is returned is copied then.
        obs = recalled(jax.tree.map(np.copy, self.obs), self._memory)
        with self.profile("act"):
            action, choice = jax.tree.map(np.asarray, act(obs))
        allowed, memory = apart(choice)
        # JAX's own arrays cannot be written to, which environments may do.
        allowed = unflatten_action(self._done, allowed.copy())
        shown, reward, terminated, truncated, info = self._advance(allowed)
        done = terminated | truncated
        next_obs = self._see(shown)
        self._memory = memory
        episodes = self._count(reward, done, info)
        self.obs = next_obs
        if done.any():
            next_obs, truncated = self._begin_anew(allowed, next_obs, done, truncated, info)
        reward, after = reward.astype(np.float32), recalled(next_obs, memory)
        return Transition(obs, action, reward, after, terminated, truncated), episodes

    def _advance(self, action: PyTree) -> tuple[PyTree, Any, Any, Any, dict]:
        with self.profile("environments"):
            shown, reward, terminated, truncated, info = self._guarded(self.envs.step, action)
        self.taken += self.envs.num_envs
        if not np.isfinite(reward).all():
            raise EnvironmentFaultError(f"{self._name} gave a reward of {worst(reward)}.")
        self._before, self._game = self._game, games(info)
        return shown, np.asarray(reward), np.array(terminated), np.array(truncated), info

    def _begin_anew(
        self, action: PyTree, shown: PyTree, done: np.ndarray, truncated: np.ndarray, info: dict
    ) -> tuple[PyTree, Any]:
        """Begin the next episodes; the true successors, and what counts as cut off."""
        if self.mode is AutoresetMode.SAME_STEP:  # has begun them
            last = jax.tree.map(np.copy, shown)
            written = done if "_final_obs" in info else done & ~self._going_on()
            if written.any():
                final = self._see(self._finals(info, written))
                jax.tree.map(lambda to, x: to.__setitem__(written, x), last, final)
            return last, truncated
        shown = jax.tree.map(np.copy, shown)
        if self.mode is AutoresetMode.DISABLED:
            self.obs = self._see(self._guarded(self.envs.reset, options={"reset_mask": done})[0])
            return shown, truncated
        # NEXT_STEP: in a step of their own, which the other environments take for nothing. What
        # they do in it is not learned from, so that for the learner they are cut off before it.
        truncated = truncated | ~done
        while done.any():
            obs, reward, terminated, cut, info = self._advance(action)
            began, done = done, (terminated | cut) & ~done
            self._count(np.where(began, 0.0, reward), done, info, began)
            self.obs = self._see(obs)
        return shown, truncated

    def _going_on(self) -> np.ndarray:
        """Games of ale-py that only a life has ended (life_loss_info): what they show is what comes
        after it, and nothing is written of a last observation."""
        (lives, frames), (lives_before, frames_before) = self._game, self._before
        return np.asarray((lives < lives_before) & (frames > frames_before))

    def _finals(self, info: dict, ended: np.ndarray) -> PyTree:
        """The last observations of the episodes that ended, stacked; leaves [ended, ...]."""
        last, told = info.get("final_obs"), np.asarray(info.get("_final_obs", True))
        if last is None or not np.broadcast_to(told, ended.shape)[ended].all():
            raise EnvironmentFaultError(
                f"{self._name} began an episode in the step that ended one (SAME_STEP), without "
                "the last observation in infos['final_obs']."
            )
        if not (isinstance(last, np.ndarray) and last.dtype == object):
            return jax.tree.map(lambda x: np.asarray(x)[ended], last)
        rows = [last[i] for i in np.flatnonzero(ended)]
        try:  # as Gymnasium's vectors do in every step
            room: Any = create_empty_array(self._seen, len(rows))
            return concatenate(self._seen, rows, room)
        except UNFIT as fault:
            raise EnvironmentFaultError(self._foreign()) from fault

    def _count(
        self, reward: np.ndarray, done: np.ndarray, info: dict, began: np.ndarray | bool = False
    ) -> Episodes:
        """Carry the totals on, and forget what is over; environments that keep records
        (RecordEpisodeStatistics) know better than rewards that a wrapper may have altered."""
        self._total += reward
        self._steps += ~np.asarray(began)
        finished: Any = done.copy()
        total: Any = self._total.astype(np.float32)
        steps: Any = self._steps.copy()
        if done.any():
            self._total[done], self._steps[done] = 0.0, 0
            anew = lambda x, none: np.where(done.reshape(-1, *(1 for _ in none.shape)), none, x)
            self._memory = jax.tree.map(anew, self._memory, self._no_memory)
            for source in (info, info.get("final_info")):
                kept = None if source is info and self._miscounts else records(source, done)
                if kept is not None:
                    told, own_total, own_steps = kept
                    total[told], steps[told] = own_total[told], own_steps[told]
                    if source is info and not self._merges:  # a lost life is no end to it
                        finished = told
        return Episodes(finished, total, steps)

    def _see(self, obs: PyTree) -> PyTree:
        """What environments show as algorithms see it; leaves [E, ...]."""
        try:
            flat = flatten_observation(self._seen, obs)
            fits = jax.tree.map(lambda x, zero: x.shape[1:] == zero.shape, flat, self._like)
        except UNFIT as fault:
            raise EnvironmentFaultError(self._foreign()) from fault
        if not all(jax.tree.leaves(fits)):
            raise EnvironmentFaultError(self._foreign())
        for leaf, count in zip(jax.tree.leaves(observed(flat)), self._counts, strict=True):
            if count is not None and (leaf.min() < 0 or leaf.max() >= count):
                raise EnvironmentFaultError(self._foreign())
            if leaf.dtype.kind == "f" and not np.isfinite(leaf).all():
                raise EnvironmentFaultError(f"{self._name} showed an observation of {worst(leaf)}.")
        return flat

    def _foreign(self) -> str:
        return f"{self._name} showed an observation that its own space {self._seen} does not hold."

    def _guarded(self, function: Callable, *args: Any, **kwargs: Any) -> Any:
        """The function's answer. Raises EnvironmentFaultError, from what the environment raised."""
        try:
            with quiet(isinstance(self.envs, AsyncVectorEnv)), as_the_user_has_it():
                return function(*args, **kwargs)
        except RAISED as fault:
            utilities = Path(gymnasium.vector.utils.__path__[0])
            passed = [Path(file) for file, *_ in traceback.extract_tb(fault.__traceback__)]
            if any(file.is_relative_to(utilities) for file in passed):  # where they are stacked
                raise EnvironmentFaultError(self._foreign()) from fault
            apart = isinstance(self.envs, AsyncVectorEnv)
            died = apart and isinstance(fault, EOFError | OSError)
            told = "a process of its own died" if died else said(fault)
            sentence = f"{self._name} failed: {told}, at step {self.taken:,}."
            raise environment_fault(sentence, fault) from fault

    @property
    def _name(self) -> str:
        return name_of(self.envs)


class Playing(NamedTuple):
    """Environments and the episodes under way in them."""

    envs: PyTree
    obs: PyTree  # leaves [E, ...]
    total: np.ndarray  # [E]
    steps: np.ndarray  # [E]
    memory: PyTree  # leaves [E, ...]


def state_of(envs: VectorEnv) -> PyTree | None:
    """All that decides what comes, for `put_state`; None where nobody says that it can be had.

    It can of a vector environment with get_state and set_state, and of environments with these in
    this process under no more than Gymnasium's own checks and time limit. They give and take
    a tree of arrays and numbers.
    """
    if hasattr(envs, "get_state"):
        check_put(envs)
        return envs.get_state()
    if not isinstance(envs, SyncVectorEnv):
        return None
    states = [_state_of_one(env) for env in envs.envs]
    return None if any(state is None for state in states) else states


def put_state(envs: VectorEnv, state: PyTree) -> None:
    """Have environments go on from where `state_of` was asked."""
    if hasattr(envs, "set_state"):
        return envs.set_state(state)
    for env, one in zip(envs.envs, state, strict=True):  # type: ignore[attr-defined]
        of_wrappers, inside = one
        for wrapper, steps in zip(_limits(env) or [], of_wrappers, strict=True):
            wrapper._elapsed_steps = int(steps)
        env.unwrapped.set_state(inside)


def check_put(env: Any) -> None:
    """Raise TypeError where a state cannot be given back to it: MuJoCo's `set_state`, for one,
    takes positions and velocities."""
    put = getattr(env, "set_state", None)
    if put is None:
        raise TypeError("there is a get_state, but no set_state")
    inspect.signature(put).bind(None)


def form_of(state: PyTree) -> Any:
    """What all states of an environment that keeps them have in common. Raises TypeError and
    ValueError for what is no tree of numbers that a file holds."""
    leaves, structure = jax.tree.flatten(state)
    for leaf in leaves:
        if isinstance(leaf, Array):
            continue
        dtype = np.asarray(leaf).dtype
        if dtype.kind not in "biufc" or dtype.itemsize > 8 or not dtype.isnative:
            raise TypeError(f"no file holds {shorten(repr(leaf), 40)} as a number")
    if len(arrays := named(state)) != len(leaves):
        raise InputError("two parts of them have the same name")
    return structure, [(array.shape, array.dtype) for array in arrays.values()]


def _state_of_one(env: gymnasium.Env) -> PyTree | None:
    limits = _limits(env)
    if limits is None or not hasattr(env.unwrapped, "get_state"):
        return None
    check_put(env.unwrapped)
    return [np.array(limit._elapsed_steps) for limit in limits], env.unwrapped.get_state()


def _limits(env: gymnasium.Env) -> list[Any] | None:
    """The time limits around an environment; None where there is a wrapper of another kind."""
    limits = []
    while isinstance(env, gymnasium.Wrapper):
        if isinstance(env, TimeLimit):
            limits.append(env)
        elif not (isinstance(env, OrderEnforcing | PassiveEnvChecker) or hasattr(env, "stateless")):
            return None
        env = env.env
    return limits


def autoreset_mode(envs: VectorEnv) -> AutoresetMode:
    """When it begins episodes anew. Raises ValueError where it does not say."""
    mode = envs.metadata.get("autoreset_mode")
    try:
        return AutoresetMode(mode)
    except ValueError:
        raise InputError(
            "a vector environment must say in metadata['autoreset_mode'] when it begins episodes "
            f"anew, one of {', '.join(m.value for m in AutoresetMode)}, not {mode!r}."
        ) from None


def games(info: dict) -> tuple[np.ndarray | int, np.ndarray | int]:
    """Lives left, and frames since each game began, of Atari's games; 0 of others."""
    return info.get("lives", 0), info.get("episode_frame_number", 0)


def records(info: Any, done: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Which of the episodes that ended are on record, and everybody's totals and steps; None where
    `info` has no records: "episode" is a word that others use, too."""
    if not (isinstance(info, dict) and isinstance(info.get("episode"), dict)):
        return None
    kept, mask = info["episode"], info.get("_episode", False)
    try:
        total, steps = np.asarray(kept["r"], float), np.asarray(kept["l"], float)
        told = done & np.asarray(mask, bool) & kept.get("_r", True) & kept.get("_l", True)
        told = told & np.isfinite(total) & np.isfinite(steps)
    except (TypeError, ValueError, LookupError):
        return None
    return (told, total, steps) if total.shape == steps.shape == told.shape == done.shape else None


def wrapped_in(envs: VectorEnv, kind: type) -> bool:
    """Whether a wrapper of that kind is around the environments."""
    while isinstance(envs, VectorWrapper):
        if isinstance(envs, kind):
            return True
        envs = envs.env
    return False


def worst(numbers: np.ndarray) -> float:
    """One of those that are not finite."""
    return float(numbers[~np.isfinite(numbers)].flat[0])


def name_of(envs: VectorEnv) -> str:
    """The id of the environments, if they say it."""
    return envs.spec.id if envs.spec is not None else "the environment"
