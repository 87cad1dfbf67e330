"""How good is an agent? Greedy episodes from fresh starts, in our simulator or in Gymnasium's."""

from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from functools import partial
from itertools import count
from math import prod
from typing import Any, NamedTuple, Protocol

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Tuple
from gymnasium.vector import VectorEnv
from jaxtyping import Array, Bool, Float, Int, PyTree

from palestra import prng
from palestra.core import Algorithm, Environment, Key, Seed, Spec, check
from palestra.envs.host.closing import close
from palestra.envs.toy_text.model import Model, evaluate
from palestra.envs.transforms import TimeLimit, simulator
from palestra.faults import EnvironmentFaultError, InputError
from palestra.parts.spaces import flat_action_space, flat_observation_space
from palestra.ranges import Episodes as Episodes
from palestra.runners import streams
from palestra.runners.cache import use_compilation_cache
from palestra.runners.host import Players
from palestra.runners.switches import as_written
from palestra.tools.agents.agent import Agent, check_exploring, exploring, greedy
from palestra.tools.intervals import interval
from palestra.tools.task import Task

EPISODES = 100  # per evaluation, unless asked otherwise
GAMES = 30  # of Atari's, likewise
FEW = 10  # per evaluation on the way, on the host
LANES = 8  # environments side by side, at most, unless asked otherwise
NO_WORDS = np.zeros((1, 0), np.uint32)  # of a key, which greedy play does not need
LONGEST = 5_000  # steps after which an episode is given up in an environment without a limit


class Played(NamedTuple):
    """Episodes that were played."""

    returns: np.ndarray  # their totals
    ended: np.ndarray  # whether they did, or were given up, their totals as they stood
    steps: int  # that all environments took

    def as_json(self) -> dict[str, Any]:
        """Mean and interval, how many there were and how they ended, and their totals."""
        ended = int(self.ended.sum())
        return {
            **interval(self.returns, seen=self.returns)._asdict(),
            "episodes": len(self.returns),
            "ended": ended,
            "given_up": len(self.returns) - ended,
            "returns": self.returns.tolist(),
        }


@as_written()
def judge(
    agent: Agent, *, episodes: int = EPISODES, seed: int = 0, explore: bool = False
) -> dict[str, Any]:
    """mean, low, high (95 %), episodes, returns of greedy episodes on starts of its own, and how
    many of them ended or were given up since they went on for too long.

    In Gymnasium's environment of that id where there is one, else in ours, as also where the
    agent learned with other parameters or another time limit. With `explore` actions are drawn as
    at the end of training. Raises ValueError.
    """
    check("explore", explore, bool)
    if explore:
        check_exploring(agent.algorithm, agent.spec)
    check("episodes", episodes, Episodes)
    check("seed", seed, Seed)
    use_compilation_cache()
    env = agent.task.make() if agent.task.kind == "palestra" else None
    scores = score(agent, env, episodes=episodes, seed=seed, both=False, explore=explore)
    name, result = next(iter(scores.items()))
    return {**agent.task.as_json(), "simulator": name, "explore": explore, **result}


def score(
    agent: Agent,
    env: Environment | None,
    *,
    episodes: int,
    seed: int,
    both: bool = True,
    explore: bool = False,
    lanes: int | None = None,
) -> dict[str, dict[str, Any]]:
    """An evaluation in Gymnasium's environment, where it has one, and one in ours, by simulator.

    `env` is ours, if it is one of ours. An altered task is played in ours alone: Gymnasium's names
    and defaults are not always ours. `lanes` environments on the host play at once, at most.
    """
    players: dict[str, Callable[..., Played]] = {}
    first = streams.first(seed, streams.EXAM)
    if env is None:
        name = "ale" if agent.task.kind == "atari" else "gymnasium"
        players[name] = partial(on_host, agent, seed=first, lanes=lanes)
    elif gymnasium_has(agent.env_id) and not agent.task.altered:
        players["gymnasium"] = partial(in_gymnasium, agent.env_id, agent, seed=first)
    if env is not None and (both or not players):
        players["palestra"] = partial(in_ours, env, agent, key=streams.key(seed, streams.EXAM))
    return {
        name: play(episodes=episodes, explore=explore).as_json() for name, play in players.items()
    }


def in_ours(
    env: Environment, agent: Agent, *, episodes: int, key: Key, explore: bool = False
) -> Played:
    """Greedy episodes in one of our simulators, all side by side."""
    num_envs, arrays = agent.spec.num_envs, dict(agent.arrays)
    totals, alive, time = _play(env, agent.algorithm, num_envs, arrays, episodes, key, explore)
    return Played(np.asarray(totals), ~np.asarray(alive), episodes * int(time))


def in_gymnasium(
    env_id: str, agent: Agent, *, episodes: int, seed: int, explore: bool = False
) -> Played:
    """Greedy episodes in gymnasium.make(env_id), one each.

    The i-th starts from seed + i.
    """
    envs = [gymnasium.make(env_id, disable_env_checker=True) for _ in range(episodes)]
    obs = [env.reset(seed=seed + i)[0] for i, env in enumerate(envs)]
    totals, alive, steps = np.zeros(episodes), set(range(episodes)), 0
    key = prng.key(seed)  # for exploration
    for time in range(LONGEST):
        if not alive:
            break
        steps += len(alive)
        seen = jax.tree.map(lambda *each: np.stack(each), *obs)
        now = jax.random.fold_in(key, time) if explore else None
        actions = agent.predict(seen, explore=explore, seed=now)
        for i in tuple(alive):
            obs[i], reward, terminated, truncated, _ = envs[i].step(actions[i])
            totals[i] += float(reward)
            if terminated or truncated:
                alive.remove(i)
                envs[i].close()
    for i in alive:
        envs[i].close()
    return Played(totals, np.array([i not in alive for i in range(episodes)]), steps)


def on_host(
    agent: Agent, *, episodes: int, seed: int, explore: bool = False, lanes: int | None = None
) -> Played:
    """Greedy episodes in the agent's environment on the host; one after another where they cannot
    be played side by side."""
    try:
        with closing(
            OnHost(agent.task, agent.algorithm, agent.spec, episodes, lanes=lanes)
        ) as host:
            return host.play(agent, seed=seed, explore=explore)
    except EnvironmentFaultError:
        if lanes == 1:
            raise
    return on_host(agent, episodes=episodes, seed=seed, explore=explore, lanes=1)


class Judge(Protocol):
    """Who evaluates agents on the way."""

    # From the starts that a run of this seed is judged by; None where nobody can judge.
    def __call__(self, agent: Agent, seed: int) -> Played | None: ...
    @property
    def at_least(self) -> int: ...  # evaluations of a run, whatever they take
    def affords(self, spent: int, trained: int) -> bool: ...
    def close(self) -> None: ...


class Nobody:
    """Evaluates nothing, where no environment can be open beside those that train."""

    at_least = 0

    def __call__(self, agent: Agent, seed: int) -> None:
        return None

    def affords(self, spent: int, trained: int) -> bool:
        """Never another evaluation."""
        return False

    def close(self) -> None:
        """Nothing is open."""


class InOurs:
    """Evaluates in one of our simulators: by its model, where it has one, without playing."""

    # Where a single evaluation may be as dear as the training, there are no more of them while they
    # have taken more than this many steps for each step of training.
    SHARE = 2
    at_least = 1

    def __init__(self, env: Environment, task: Task, episodes: int | None = None):
        self._episodes = EPISODES if episodes is None else episodes
        self._env, self._model = env, model_of(env)
        picture = len(env.observation_space.shape or ()) == 3
        self._dear = task.limit is None and picture  # episodes may last for ever

    def __call__(self, agent: Agent, seed: int) -> Played:
        if self._model is not None:
            value = exact(agent, self._env, self._model)
            return Played(np.array([value]), np.array([True]), 0)
        key = streams.key(seed, streams.JUDGE)
        return in_ours(self._env, agent, episodes=self._episodes, key=key)

    def affords(self, spent: int, trained: int) -> bool:
        """Whether there may be another evaluation."""
        return not self._dear or spent <= self.SHARE * trained

    def close(self) -> None:
        """Nothing is open."""


class OnHost:
    """Evaluates in environments on the host, made once for all evaluations of an algorithm."""

    SHARE = 0.1  # evaluation steps per training step, at most
    at_least = 11  # ten on the way, and the one at the end
    # Where nothing cuts episodes off they are given up after this share of the training's steps,
    # so that the ten do not take more of them than training itself; but not before so many.
    PATIENCE, SHORTEST = 0.01, 1_000

    def __init__(
        self,
        task: Task,
        algorithm: Algorithm,
        spec: Spec,
        episodes: int | None = None,
        steps: int | None = None,
        lanes: int | None = None,
    ):
        """`episodes` are played for each evaluation, in `lanes` environments at once, at most;
        `steps` are those of the training, where it is evaluated on the way. Raises
        EnvironmentFaultError where not even one can be opened."""
        self._episodes = FEW if episodes is None else episodes
        rounds = -(-self._episodes // (lanes or LANES))
        self.envs = as_many(task, -(-self._episodes // rounds))
        seen = flat_observation_space(self.envs.single_observation_space)
        done = flat_action_space(self.envs.single_action_space)
        if (seen, done) != spec[:2]:
            close(self.envs)
            raise InputError(
                f"the agent sees {spec.observation_space} and acts in {spec.action_space}, but "
                f"{task} shows {seen} and takes {done}."
            )
        self._longest = task.limit or (27_000 if task.kind == "atari" else LONGEST)
        if steps is not None and task.limit is None:
            patience = max(self.SHORTEST, int(self.PATIENCE * steps))
            self._longest = min(self._longest, patience)
        self._act = jax.jit(lambda arrays, obs: greedy(algorithm, spec, arrays, obs))

    def __call__(self, agent: Agent, seed: int) -> Played:
        return self.play(agent, seed=streams.first(seed, streams.JUDGE))

    def affords(self, spent: int, trained: int) -> bool:
        """Whether there may be another evaluation."""
        return spent <= self.SHARE * trained

    def play(self, agent: Agent, *, seed: int, explore: bool = False) -> Played:
        """Greedy episodes, or fewer: where one goes on for too long it is given up, its total as it
        stands, and its environment plays no other.

        Each environment plays its share of them, so that short ones do not count more often.
        """
        players = Players(self.envs, seed)  # anew: what is judged later changes nothing
        arrays = jax.device_put(dict(agent.arrays))
        if explore:
            key, times = prng.key(seed), count()
            act = lambda _, obs: (a := agent.draw(obs, jax.random.fold_in(key, next(times))), a)
        else:
            act = lambda _, obs: (action := self._act(arrays, obs), action)
        lanes, episodes = self.envs.num_envs, self._episodes
        left = np.full(lanes, episodes // lanes) + (np.arange(lanes) < episodes % lanes)
        totals: list[float] = []
        ended: list[bool] = []
        steps = 0
        while left.any():
            _, (finished, total, length) = players.unroll(act, NO_WORDS)
            steps += lanes
            over = (finished[0] | (length[0] >= self._longest)) & (left > 0)
            totals += total[0][over].tolist()
            ended += finished[0][over].tolist()
            left -= np.where(finished[0], over, over * left)  # one given up ends its lane
        return Played(np.array(totals), np.array(ended), steps)

    def close(self) -> None:
        close(self.envs)


def as_many(task: Task, lanes: int) -> VectorEnv:
    """So many environments, or a single one where no more can be open at once."""
    if lanes > 1:
        with suppress(EnvironmentFaultError):
            return task.make_envs(lanes, training=False).envs
    return task.make_envs(1, training=False).envs


def model_of(env: Environment) -> Model | None:
    """The exact model of the simulator inside, where it has one."""
    inside: Any = simulator(env)
    return inside.model() if hasattr(inside, "model") else None


def exact(agent: Agent, env: Environment | None = None, model: Model | None = None) -> float | None:
    """The mean total of an agent's greedy episodes, computed from the environment's own model.

    None where the environment has none. A policy that does not end the task where nothing cuts it
    off is given up as those that are played. Whoever asks again and again gives environment and
    model.
    """
    if agent.task.kind != "palestra":
        return None
    env = agent.task.make() if env is None else env
    model = model_of(env) if model is None else model
    if model is None:
        return None
    horizon = env.limit if isinstance(env, TimeLimit) else None
    # States are what can be seen, in order; more than once where there is more than can be seen.
    space: Any = env.observation_space
    parts = [int(part.n) for part in (space if isinstance(space, Tuple) else [space])]
    seen = np.unravel_index(np.arange(len(model.start)) % prod(parts), parts)
    obs = jax.tree.map(np.int32, seen if isinstance(space, Tuple) else seen[0])
    policy = np.asarray(
        _actions(env, agent.algorithm, agent.spec.num_envs, dict(agent.arrays), obs)
    )
    try:
        values = evaluate(model, policy, horizon=horizon)
    except ValueError:
        values = evaluate(model, policy, horizon=LONGEST)
    return float(values @ model.start)


@partial(jax.jit, static_argnums=2)
def _actions(
    env: Environment,
    algorithm: Algorithm,
    num_envs: int,
    arrays: Mapping[str, Array],
    obs: PyTree,
) -> PyTree:
    """Greedy, for whatever is seen; leaves [B, ...]."""
    spec = Spec(env.observation_space, env.action_space, num_envs)
    return greedy(algorithm, spec, arrays, obs)


def gymnasium_has(env_id: str) -> bool:
    """Whether Gymnasium knows the id, so that it can be the judge."""
    return env_id in gymnasium.registry


@partial(jax.jit, static_argnums=(2, 4, 6))
def _play(
    env: Environment,
    algorithm: Algorithm,
    num_envs: int,
    arrays: Mapping[str, Array],
    episodes: int,
    key: Key,
    explore: bool,
) -> tuple[Float[Array, "episodes"], Bool[Array, "episodes"], Int[Array, ""]]:
    """Totals, which have not ended, and the steps of each until the last of them did."""
    spec = Spec(env.observation_space, env.action_space, num_envs)
    start_key, key = jax.random.split(key)
    state, obs = jax.vmap(env.reset)(jax.random.split(start_key, episodes))

    def going_on(carry) -> Array:
        *_, alive, time = carry
        return alive.any() & (time < LONGEST)

    def step(carry):
        state, obs, total, alive, time = carry
        if explore:
            now = jax.random.fold_in(jax.random.fold_in(key, time), 1)
            action = exploring(algorithm, spec, arrays, obs, now)
        else:
            action = greedy(algorithm, spec, arrays, obs)
        keys = jax.random.split(jax.random.fold_in(key, time), episodes)
        state, out = jax.vmap(env.step)(state, action, keys)
        total += jnp.where(alive, out.reward, 0.0)
        return state, out.obs, total, alive & ~(out.terminated | out.truncated), time + 1

    alive, time = jnp.ones(episodes, bool), jnp.zeros((), jnp.int32)
    carry = (state, obs, jnp.zeros(episodes), alive, time)
    _, _, totals, alive, time = jax.lax.while_loop(going_on, step, carry)
    return totals, alive, time
