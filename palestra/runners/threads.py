"""Train in real threads, on vector environments on the host.

`train`: every worker plays in environments of its own, and all improve one learner (A3C).

    in every thread, until all steps are taken
        mine <- the shared learner                                    read without a lock
        rollout <- play `rollout_length` steps with mine
        gradient <- algorithm.gradient(mine, rollout)
        with the lock: the shared learner <- algorithm.apply(the shared learner, gradient)

`beside`: one thread plays while another learns from what was played before.

    thread 1   rollout 1 | rollout 2 | rollout 3 | rollout 4 | ...
    acts with    p_0     |   p_0     |   p_1     |   p_2     |
    thread 2             | update 1  | update 2  | update 3  | ...
    gives                |   p_1     |   p_2     |   p_3     |

A learner never changes; another takes its place. So to read the shared one is to read one
reference, and what was read is whole. Threads serve because compiled programs, emulators and other
environments written in C run outside of Python's lock. Who comes first in `train` is up to the
machine: unlike the other runners', two runs of the same seed differ. `beside` repeats: each rollout
but the first is played with the learner of exactly one update ago, and an algorithm that would be
wrong about that is told which.
"""

from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from queue import SimpleQueue
from threading import Event, Lock
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import VectorEnv
from jaxtyping import Array, PyTree

from palestra import prng
from palestra.core import (
    Algorithm,
    Asynchronous,
    Count,
    Key,
    Metrics,
    Spec,
    ToldWhoActed,
    Transition,
    check,
)
from palestra.faults import EnvironmentFaultError, InputError
from palestra.parts.remembering import apart, seen_by, transition_of
from palestra.parts.spaces import legal
from palestra.runners import streams
from palestra.runners.compiled import ends, plan
from palestra.runners.host import Carry, Leaves, Loop, Players, Profile, Turn
from palestra.runners.leaves import rebuilt, replaced
from palestra.runners.report import Episodes, Report, Since
from palestra.runners.switches import as_written, throughout


@throughout
def train(
    make_envs: Callable[[], VectorEnv],
    algorithm: Algorithm,
    *,
    workers: int,
    total_steps: int,
    reports: int,
    seed: int,
    since: Since | None = None,
    start: Mapping[str, np.ndarray] | None = None,
    close: Callable[[VectorEnv], object] = VectorEnv.close,
) -> Generator[Report, None, None]:
    """Yield about `reports` reports, evenly spaced over `total_steps` steps, of one learner.

    `make_envs` makes one worker's environments, which `close` closes. Steps are rounded up to whole
    reports. An update is one worker's, so that a report's episodes have leaves [updates, T, E of a
    worker], its metrics [updates]; the learner is that of one worker; seconds are
    summed over workers. Workers go on while a report is looked at; closing the iterator stops them
    and closes the environments. With `since`, the learner goes on from there, in new episodes; a
    fresh one takes over the arrays of `start`, by name. Raises EnvironmentFaultError; RuntimeError,
    from what went wrong, where a worker fails otherwise; ValueError where `since` is of another
    run.
    """
    check("workers", workers, Count)
    if not isinstance(algorithm, Asynchronous):
        raise InputError(
            f"{type(algorithm).__name__} cannot learn in several threads at once: that takes a "
            "gradient which may be applied to a later learner (palestra.core.Asynchronous), as a3c "
            "has; threads.beside takes all others."
        )
    profile = Profile()
    key, first = prng.key(seed), streams.first(seed, streams.TRAINING)
    if since is not None:  # other episodes than those at the beginning
        key = jax.random.fold_in(key, since.updates)
        first = streams.anew(seed, since.updates)
    init_key, *keys = jax.random.split(key, 1 + workers)
    with ExitStack() as stack:  # undone from the last to the first
        envs = []
        for _ in range(workers):
            envs.append(make_envs())
            stack.callback(close, envs[-1])
        players = [
            Players(one, first + i * one.num_envs, profile, algorithm) for i, one in enumerate(envs)
        ]
        spec = players[0].spec
        updates, count, steps_per_update = plan(algorithm, spec.num_envs, total_steps, reports)
        begin = jax.jit(partial(algorithm.init, spec))
        if since is None:
            learner = replaced(begin(init_key), start or {})
        else:
            learner = rebuilt(jax.eval_shape(begin, init_key), since.arrays, "learner.")
        leaves, structure = jax.tree.flatten(learner)
        done_by_then = ends(updates, count, since)
        shared = Shared(leaves, updates, len(done_by_then))
        halves = compile_halves(spec, algorithm, leaves, structure)
        pool = stack.enter_context(ThreadPoolExecutor(workers, "worker"))
        stack.callback(shared.stop.set)
        for worker, (player, key) in enumerate(zip(players, keys, strict=True)):
            pool.submit(work, worker, player, key, halves, shared, profile)
        nothing = np.zeros(updates, np.uint32)  # whoever comes first does: no two runs are the same
        for done in done_by_then:
            news = shared.news.get()
            if isinstance(news, Failure):
                raise news.as_error()
            leaves, history = news
            learner = jax.tree.unflatten(structure, leaves)
            metrics, episodes = jax.tree.map(lambda *x: np.stack(x), *history)
            carry = lambda: Carry(learner, keys[0], None)  # noqa: B023
            step = done * steps_per_update
            told = learner, metrics, episodes, nothing, None, None, carry, profile.seconds
            yield Report(step, *told)


class Failure(NamedTuple):
    """The end of a worker."""

    worker: int
    error: BaseException

    def as_error(self) -> Exception:
        """What to raise: an environment's fault as it is."""
        if isinstance(self.error, EnvironmentFaultError):
            return self.error
        told = f"worker {self.worker} failed: {type(self.error).__name__}: {self.error}"
        error = RuntimeError(told)
        error.__cause__ = self.error
        return error


class Shared:
    """What all workers improve. `learner` may be read at any time."""

    def __init__(self, learner: Leaves, updates: int, reports: int):
        self.learner = learner
        self.stop = Event()
        self.news: SimpleQueue = SimpleQueue()  # learner and history of each report, or a Failure
        self._lock = Lock()
        self._updates, self._reports = updates, reports
        self._history: list[tuple[Metrics, Episodes]] = []

    def improve(self, apply: Callable, gradient: PyTree, seen: tuple[Metrics, Episodes]) -> None:
        """Apply the gradient, unless all steps are taken."""
        with self._lock:
            if self.stop.is_set():
                return
            self.learner = apply(self.learner, gradient)
            self._history.append(seen)
            if len(self._history) == self._updates:
                self.news.put((self.learner, self._history))
                self._history, self._reports = [], self._reports - 1
                if self._reports == 0:
                    self.stop.set()


class Halves(NamedTuple):
    """What the threads of `train` execute. A learner is the list of its leaves."""

    act: Callable  # learner, words of a key, obs [E, ...] -> action [E, ...], a legal one
    keys: Callable  # key -> the next one, words of those to act with [T, 2]
    gradient: Callable  # learner, rollout [T, E, ...] -> gradient, metrics
    apply: Callable  # learner, gradient -> learner


def compile_halves(spec: Spec, algorithm: Asynchronous, learner: Leaves, structure: Any) -> Halves:
    """Compile them once, before there are threads that would each do so."""
    length = algorithm.rollout_length
    whole = partial(jax.tree.unflatten, structure)

    def act(learner: Leaves, words: Array, obs: PyTree) -> tuple[PyTree, PyTree]:
        action = algorithm.act(whole(learner), obs, prng.of_words(words))
        return apart(action)[0], legal(spec.action_space, action)

    def keys(key: Key) -> tuple[Key, Array]:
        key, rollout_key = jax.random.split(key)
        return key, jax.random.key_data(jax.random.split(rollout_key, length))

    def gradient(learner: Leaves, rollout: Transition) -> tuple[PyTree, Metrics]:
        return algorithm.gradient(whole(learner), rollout)

    def apply(learner: Leaves, gradient: PyTree) -> Leaves:
        return jax.tree.leaves(algorithm.apply(whole(learner), gradient))

    filled = lambda x, *axes: jnp.zeros((*axes, *x.shape), x.dtype)
    steps = lambda x: filled(x, length, spec.num_envs)
    rollout = jax.tree.map(steps, transition_of(algorithm, spec))
    obs = jax.tree.map(lambda x: filled(x, spec.num_envs), seen_by(algorithm, spec))
    words = jax.random.key_data(prng.key(0))
    compiled = lambda function, *args: jax.jit(function).lower(*args).compile()
    return Halves(
        compiled(act, learner, words, obs),
        compiled(keys, prng.key(0)),
        compiled(gradient, learner, rollout),
        compiled(apply, learner, jax.eval_shape(gradient, learner, rollout)[0]),
    )


@as_written()
def work(
    worker: int, players: Players, key: Key, halves: Halves, shared: Shared, profile: Profile
) -> None:
    """A thread's whole life."""
    try:
        while not shared.stop.is_set():
            mine = shared.learner
            key, words = halves.keys(key)
            rollout, episodes = players.unroll(partial(halves.act, mine), np.asarray(words))
            with profile("learn"):
                gradient, metrics = halves.gradient(mine, rollout)
                shared.improve(halves.apply, gradient, (metrics, episodes))
    except BaseException as error:  # whatever it is: somebody waits for news
        shared.news.put(Failure(worker, error))


@throughout
def beside(
    envs: VectorEnv,
    algorithm: Algorithm,
    *,
    total_steps: int,
    reports: int,
    seed: int,
    since: Since | None = None,
    start: Mapping[str, np.ndarray] | None = None,
) -> Generator[Report, None, None]:
    """As `host.train`, but the next rollout is played while the algorithm learns from the last.

    Each rollout but the first is played with the learner of one update before. For algorithms that
    learn from whatever was done, and those that are told who acted (core.ToldWhoActed). The two
    never wait longer than for each other: there is one rollout in the making and at most one in
    waiting. With `since`, the learner goes on from there, in new episodes; a fresh one takes over
    the arrays of `start`, by name. Raises EnvironmentFaultError, and ValueError where `since` is of
    another run.
    """
    loop = Loop(envs, algorithm, total_steps, reports, seed, since, start)
    programs, players, leaves, last_key = loop.programs, loop.players, loop.leaves, loop.key
    update = compile_update(algorithm, loop.structure, programs.read)
    acting: SimpleQueue = SimpleQueue()  # what to act with in the next rollout; None to end
    played: SimpleQueue = SimpleQueue()  # what was acted with and what came of it, or an error

    @as_written()
    def play(key: Key) -> None:
        try:
            while (mine := acting.get()) is not None:
                key, words, update_key = programs.keys(key)
                rollout, episodes = players.unroll(partial(programs.act, mine), np.asarray(words))
                played.put((mine, rollout, episodes, update_key, key))
        except BaseException as error:  # whatever it is: somebody waits for a rollout
            played.put(error)

    def turn() -> Turn:
        nonlocal leaves, last_key
        news = played.get()
        if isinstance(news, BaseException):
            raise news
        mine, rollout, episodes, update_key, last_key = news
        mark = loop.print_of(rollout)
        with players.profile("learn"):
            leaves, metrics, fresh = update(leaves, rollout, update_key, mine)
            jax.block_until_ready(fresh)
        acting.put(fresh)
        return Turn(leaves, metrics, episodes, mark)

    with ThreadPoolExecutor(1, "player") as pool:
        pool.submit(play, loop.key)
        try:
            first = [jnp.copy(leaves[i]) for i in programs.read]
            acting.put(first)  # two rollouts, of which the second is played during update 1
            acting.put(first)
            yield from loop.reports(turn, lambda: Carry(loop.whole(leaves), last_key, None))
        finally:
            acting.put(None)


def compile_update(algorithm: Algorithm, structure: Any, read: list[int]) -> Callable:
    """leaves, rollout, key, what acted -> leaves, metrics, a copy of those leaves to act with."""
    told = isinstance(algorithm, ToldWhoActed)

    def update(
        leaves: Leaves, rollout: Transition, key: Key, acting: Leaves
    ) -> tuple[Leaves, Metrics, Leaves]:
        learner = jax.tree.unflatten(structure, leaves)
        more = {}
        if told:
            rest = list(leaves)
            for place, leaf in zip(read, acting, strict=True):
                rest[place] = leaf
            more = {"acted": jax.tree.unflatten(structure, rest)}
        learner, metrics = algorithm.update(learner, rollout, key, **more)
        leaves = jax.tree.leaves(learner)
        return leaves, metrics, [jnp.copy(leaves[i]) for i in read]

    return jax.jit(update, donate_argnums=0)
