"""Train in real threads: each plays in an environment of its own, and all improve one learner.

    in every thread, until all steps are taken
        mine <- the shared learner                                    read without a lock
        rollout <- play `rollout_length` steps with mine
        gradient <- algorithm.gradient(mine, rollout)
        with the lock: the shared learner <- algorithm.apply(the shared learner, gradient)

A learner never changes; another takes its place. So to read the shared one is to read one
reference, and what was read is whole. The environments are Gymnasium's, on the host. Threads
serve because compiled programs, and environments written in C, run outside of Python's lock. Who
comes first is up to the machine: unlike the compiled runner's, two runs of the same seed differ.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from queue import SimpleQueue
from threading import Event, Lock
from typing import Any, NamedTuple, Protocol, runtime_checkable

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from palestra import prng
from palestra.core import Count, Key, Metrics, Spec, Transition, check
from palestra.parts.spaces import example, example_transition, legal
from palestra.runners.compiled import plan
from palestra.runners.report import Episodes, Report

Leaves = list[Any]  # the arrays of a learner, in the order of its tree


@runtime_checkable
class Asynchronous(Protocol):
    """An algorithm whose gradient may be taken at one learner and applied to a later one."""

    @property
    def rollout_length(self) -> int: ...
    def init(self, spec: Spec, key: Key) -> PyTree: ...
    def act(self, state: PyTree, obs: PyTree, key: Key, *, explore: bool = True) -> PyTree: ...
    def update(self, state: PyTree, rollout: Transition, key: Key) -> tuple[PyTree, Metrics]: ...
    def gradient(self, state: PyTree, rollout: Transition) -> tuple[PyTree, Metrics]: ...
    def apply(self, state: PyTree, gradient: PyTree) -> PyTree: ...


def train(
    make_env: Callable[[], gymnasium.Env],
    algorithm: Asynchronous,
    *,
    workers: int,
    total_steps: int,
    reports: int,
    seed: int,
) -> Iterator[Report]:
    """Yield about `reports` reports, evenly spaced over `total_steps` steps. Leaves [1, ...].

    Steps are rounded up to whole reports. An update is one worker's, so a report's episodes have
    leaves [1, updates, T, 1]; the learner is one for a single environment, as each worker has it.
    Workers go on while a report is looked at; closing the iterator stops them and closes the
    environments. Raises RuntimeError, from what went wrong, where a worker fails.
    """
    check("workers", workers, Count)
    updates, count, steps_per_update = plan(algorithm, 1, total_steps, reports)
    init_key, *keys = jax.random.split(prng.key(seed), 1 + workers)
    seeds = np.random.SeedSequence(seed).generate_state(workers).tolist()
    with ExitStack() as stack:  # undone from the last to the first
        envs = [stack.enter_context(closing(make_env())) for _ in range(workers)]
        spec = Spec(envs[0].observation_space, envs[0].action_space, 1)
        learner = jax.jit(partial(algorithm.init, spec))(init_key)
        leaves, structure = jax.tree.flatten(learner)
        shared = Shared(leaves, updates, count)
        programs = compile_programs(spec, algorithm, leaves, structure)
        pool = stack.enter_context(ThreadPoolExecutor(workers, "worker"))
        stack.callback(shared.stop.set)
        for worker, (env, env_seed, key) in enumerate(zip(envs, seeds, keys, strict=True)):
            player = Player(env, spec, env_seed, key)
            pool.submit(work, worker, player, algorithm.rollout_length, programs, shared)
        for i in range(1, count + 1):
            news = shared.news.get()
            if isinstance(news, Failure):
                kind = type(news.error).__name__
                raise RuntimeError(
                    f"worker {news.worker} failed: {kind}: {news.error}"
                ) from news.error
            leaves, history = news
            learner = jax.tree.unflatten(structure, [x[None] for x in leaves])
            metrics, episodes = jax.tree.map(lambda *x: np.stack(x)[None], *history)
            yield Report(i * updates * steps_per_update, learner, metrics, episodes)


class Failure(NamedTuple):
    """The end of a worker."""

    worker: int
    error: BaseException


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


class Programs(NamedTuple):
    """What the threads execute. A learner is the list of its leaves.

    Half the time of calling a small program would go into taking the same tree apart each time.
    """

    act: Callable  # learner, obs [1, ...], key -> action [1, ...], a legal one, the next key
    gradient: Callable  # learner, rollout [T, 1, ...] -> gradient, metrics
    apply: Callable  # learner, gradient -> learner


def compile_programs(
    spec: Spec, algorithm: Asynchronous, learner: Leaves, structure: Any
) -> Programs:
    """Compile them once, before there are threads that would each do so."""
    whole = lambda learner: jax.tree.unflatten(structure, learner)

    def act(learner: Leaves, obs: PyTree, key: Key) -> tuple[PyTree, PyTree, Key]:
        key, act_key = jax.random.split(key)
        action = algorithm.act(whole(learner), obs, act_key)
        return action, legal(spec.action_space, action)[0], key

    def gradient(learner: Leaves, rollout: Transition) -> tuple[PyTree, Metrics]:
        return algorithm.gradient(whole(learner), rollout)

    def apply(learner: Leaves, gradient: PyTree) -> Leaves:
        return jax.tree.leaves(algorithm.apply(whole(learner), gradient))

    once = jax.tree.map(lambda x: jnp.zeros((1, *x.shape), x.dtype), example_transition(spec))
    rollout = jax.tree.map(lambda x: jnp.stack([x] * algorithm.rollout_length), once)
    compiled = lambda function, *args: jax.jit(function).lower(learner, *args).compile()
    return Programs(
        compiled(act, once.obs, prng.key(0)),
        compiled(gradient, rollout),
        compiled(apply, jax.eval_shape(gradient, learner, rollout)[0]),
    )


class Player:
    """One environment, and the episode under way in it."""

    def __init__(self, env: gymnasium.Env, spec: Spec, seed: int, key: Key):
        self._env, self._seed, self._key = env, seed, key
        self._like = example(spec.observation_space)
        self._obs: PyTree = None  # before the first episode
        self._total, self._steps = 0.0, 0

    def unroll(self, act: Callable, length: int) -> tuple[Transition, Episodes]:
        """Play `length` steps; one episode begins where another ends. Leaves [T, 1, ...]."""
        if self._obs is None:
            self._begin(seed=self._seed)
        history = [self._step(act) for _ in range(length)]
        return jax.tree.map(lambda *x: np.stack(x), *history)

    def _step(self, act: Callable) -> tuple[Transition, Episodes]:
        obs = self._obs
        action, allowed, self._key = act(obs, self._key)
        seen, reward, terminated, truncated, _ = self._env.step(np.asarray(allowed)[()])
        self._obs = next_obs = self._see(seen)
        self._total, self._steps = self._total + float(reward), self._steps + 1
        ended = row(terminated, bool), row(truncated, bool)
        transition = Transition(obs, np.asarray(action), row(reward, np.float32), next_obs, *ended)
        done = terminated or truncated
        counted = row(self._total, np.float32), row(self._steps, np.int32)
        if done:
            self._begin()
        return transition, Episodes(row(done, bool), *counted)

    def _begin(self, seed: int | None = None) -> None:
        self._obs = self._see(self._env.reset(seed=seed)[0])
        self._total, self._steps = 0.0, 0

    def _see(self, obs: PyTree) -> PyTree:
        """A copy of its own, as the device has it. Leaves [1, ...]"""
        return jax.tree.map(lambda like, x: np.array(x, like.dtype)[None], self._like, obs)


def row(x: Any, kind: Any) -> Any:
    """One environment's number as an array of one."""
    return np.array([x], kind)


def work(worker: int, player: Player, length: int, programs: Programs, shared: Shared) -> None:
    """A thread's whole life."""
    try:
        while not shared.stop.is_set():
            mine = shared.learner
            rollout, episodes = player.unroll(partial(programs.act, mine), length)
            gradient, metrics = programs.gradient(mine, rollout)
            shared.improve(programs.apply, gradient, (metrics, episodes))
    except BaseException as error:  # whatever it is: somebody waits for news
        shared.news.put(Failure(worker, error))
