"""Episodes of a policy, greedy or exploring, in environments that are given; and who judges so."""

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
from palestra.core import Algorithm, Environment, Key, Masked, Spec
from palestra.envs.host.closing import close
from palestra.envs.host.masking import beside
from palestra.envs.toy_text.model import Model, evaluate
from palestra.envs.transforms import TimeLimit, Transform, modelled
from palestra.faults import EnvironmentFaultError, InputError
from palestra.parts.masks import observed_space
from palestra.parts.remembering import apart, remembering
from palestra.parts.spaces import flat_action_space, flat_observation_space
from palestra.runners import streams
from palestra.runners.host import Players
from palestra.runners.kept import call
from palestra.tools.agents.policy import Policy, exploring, greedy
from palestra.tools.statistics.definitions import student

EVALUATIONS = 25  # per run: greedy, to find the best agent
EPISODES = 100  # per evaluation, unless asked otherwise
FEW = 10  # per evaluation on the way, on the host
LANES = 8  # environments side by side, at most, unless asked otherwise
NO_WORDS = np.zeros((1, 0), np.uint32)  # of a key, which greedy play does not need
LONGEST = 5_000  # steps after which an episode is given up in an environment without a limit


class Places(NamedTuple):
    """Environments on the host to judge in."""

    name: str
    make: Callable[[int], VectorEnv]  # so many of them
    longest: int  # steps after which an episode is given up


class Played(NamedTuple):
    """Episodes that were played."""

    returns: np.ndarray  # their totals
    ended: np.ndarray  # whether they did, or were given up, their totals as they stood
    steps: int  # that all environments took

    def as_json(self) -> dict[str, Any]:
        """Mean and interval, how many there were and how they ended, and their totals."""
        ended = int(self.ended.sum())
        return {
            **student(self.returns, seen=self.returns)._asdict(),
            "episodes": len(self.returns),
            "ended": ended,
            "given_up": len(self.returns) - ended,
            "returns": self.returns.tolist(),
        }


def in_ours(
    env: Environment, policy: Policy, *, episodes: int, key: Key, explore: bool = False
) -> Played:
    """Greedy episodes in one of our simulators, all side by side."""
    num_envs, arrays = policy.spec.num_envs, dict(policy.arrays)
    args = env, policy.algorithm, num_envs, arrays, episodes, key, explore
    totals, alive, time = call(_play, args, static=(2, 4, 6))
    return Played(np.asarray(totals), ~np.asarray(alive), episodes * int(time))


def in_gymnasium(
    env_id: str, policy: Policy, *, episodes: int, seed: int, explore: bool = False
) -> Played:
    """Greedy episodes in gymnasium.make(env_id), one each.

    The i-th starts from seed + i.
    """
    mask = isinstance(policy.observation_space, Masked)
    make = beside(partial(gymnasium.make, env_id, disable_env_checker=True), mask)
    envs = [make() for _ in range(episodes)]
    obs = [env.reset(seed=seed + i)[0] for i, env in enumerate(envs)]
    totals, alive, steps = np.zeros(episodes), set(range(episodes)), 0
    key = prng.key(seed) if explore else None
    recalled: dict[str, Any] = {}
    for time in range(LONGEST):
        if not alive:
            break
        steps += len(alive)
        seen = jax.tree.map(lambda *each: np.stack(each), *obs)
        now = None if key is None else jax.random.fold_in(key, time)
        actions = policy.predict(seen, explore=explore, seed=now, **recalled)
        if policy.remembers:
            actions, recalled["memory"] = actions
        if actions.ndim == 1 and actions.dtype.kind == "i":  # sooner checked as Python's numbers
            actions = actions.tolist()
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
    policy: Policy,
    places: Places,
    *,
    episodes: int,
    seed: int,
    explore: bool = False,
    lanes: int | None = None,
) -> Played:
    """Greedy episodes in environments on the host; one after another where they cannot be played
    side by side."""
    try:
        with closing(OnHost(places, policy.algorithm, policy.spec, episodes, lanes)) as host:
            return host.play(policy, seed=seed, explore=explore)
    except EnvironmentFaultError:
        if lanes == 1:
            raise
    return on_host(policy, places, episodes=episodes, seed=seed, explore=explore, lanes=1)


class Wishes(NamedTuple):
    """What a run asks of who judges on the way."""

    steps: int  # of the training
    episodes: int | None  # of each evaluation; None for as many as is usual
    lanes: int | None  # environments on the host, at once
    say: Callable[[str], None]


class Judge(Protocol):
    """Who evaluates agents on the way."""

    # From the starts that a run of this seed is judged by; None where nobody can judge.
    def __call__(self, policy: Policy, seed: int) -> Played | None: ...
    # How many a run is to have: fewer while they took many steps for those that were trained.
    def evaluations(self, spent: int, trained: int) -> int: ...
    def close(self) -> None: ...


class Nobody:
    """Evaluates nothing, where no environment can be open beside those that train."""

    def __call__(self, policy: Policy, seed: int) -> None:
        return None

    def evaluations(self, spent: int, trained: int) -> int:
        """None."""
        return 0

    def close(self) -> None:
        """Nothing is open."""


class InOurs:
    """Evaluates in one of our simulators: by its model, where it has one, without playing."""

    # Where a single evaluation may be as dear as the training, there are no more of them while they
    # have taken more than this many steps for each step of training.
    SHARE = 2.0

    def __init__(self, env: Environment, limit: int | None, episodes: int, share: float = SHARE):
        """`limit` is the steps after which episodes are cut off, if they are; `share` is in place
        of SHARE."""
        self._episodes, self._share = episodes, share
        self._env, self._model = env, model_of(env)
        picture = len(observed_space(env.observation_space).shape or ()) == 3
        self._dear = limit is None and picture  # episodes may last for ever

    def __call__(self, policy: Policy, seed: int) -> Played:
        if self._model is not None and not policy.remembers:
            value = exact(policy, self._env, self._model)
            return Played(np.array([value]), np.array([True]), 0)
        key = streams.key(seed, streams.JUDGE)
        return in_ours(self._env, policy, episodes=self._episodes, key=key)

    def evaluations(self, spent: int, trained: int) -> int:
        """How many a run is to have: that at its end alone while they cost too much."""
        return 1 if self._dear and spent > self._share * trained else EVALUATIONS

    def close(self) -> None:
        """Nothing is open."""


class OnHost:
    """Evaluates in environments on the host, made once for all evaluations of an algorithm."""

    SHARE = 0.1  # evaluation steps per training step, at most
    LEAST = 11  # ten on the way, and the one at the end

    def __init__(
        self,
        places: Places,
        algorithm: Algorithm,
        spec: Spec,
        episodes: int | None = None,
        lanes: int | None = None,
    ):
        """`episodes` are played for each evaluation, in `lanes` environments at once, at most.
        Raises EnvironmentFaultError where not even one can be opened."""
        self._episodes, self._longest = FEW if episodes is None else episodes, places.longest
        rounds = -(-self._episodes // (lanes or LANES))
        self.envs = as_many(places.make, -(-self._episodes // rounds))
        seen = flat_observation_space(self.envs.single_observation_space)
        done = flat_action_space(self.envs.single_action_space)
        if (seen, done) != spec[:2]:
            close(self.envs)
            raise InputError(
                f"the agent sees {spec.observation_space} and acts in {spec.action_space}, but "
                f"{places.name} shows {seen} and takes {done}."
            )
        self._act = jax.jit(lambda arrays, obs: greedy(algorithm, spec, arrays, obs))

    def __call__(self, policy: Policy, seed: int) -> Played:
        return self.play(policy, seed=streams.first(seed, streams.JUDGE))

    def evaluations(self, spent: int, trained: int) -> int:
        """How many a run is to have: the least of them while they cost too much."""
        return self.LEAST if spent > self.SHARE * trained else EVALUATIONS

    def play(self, policy: Policy, *, seed: int, explore: bool = False) -> Played:
        """Greedy episodes, or fewer: where one goes on for too long it is given up, its total as it
        stands, and its environment plays no other.

        Each environment plays its share of them, so that short ones do not count more often.
        """
        # Anew: what is judged later changes nothing.
        players = Players(self.envs, seed, algorithm=policy.algorithm)
        arrays = jax.device_put(dict(policy.arrays))
        if explore:
            key, times = prng.key(seed), count()
            choose = lambda obs: policy.draw(obs, jax.random.fold_in(key, next(times)))
        else:
            choose = partial(self._act, arrays)
        act = lambda _, obs: (apart(choice := choose(obs))[0], choice)
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


def as_many(make: Callable[[int], VectorEnv], lanes: int) -> VectorEnv:
    """So many environments, or a single one where no more can be open at once."""
    if lanes > 1:
        with suppress(EnvironmentFaultError):
            return make(lanes)
    return make(1)


def model_of(env: Environment) -> Model | None:
    """The exact model, where there is one that holds."""
    inside = modelled(env)
    model = inside.model() if inside else None
    untold = isinstance(env.observation_space, Masked) and model and model.allowed is None
    return None if untold else model


def exact(policy: Policy, env: Environment, model: Model) -> float:
    """The mean total of a policy's greedy episodes, computed from the environment's own model.

    A policy that does not end the task where nothing cuts it off is given up as those that are
    played.
    """
    timed = env
    while isinstance(timed, Transform) and not isinstance(timed, TimeLimit):
        timed = timed.env
    horizon = timed.limit if isinstance(timed, TimeLimit) else None
    # States are what can be seen, in order; more than once where there is more than can be seen.
    mask = isinstance(env.observation_space, Masked)
    space = observed_space(env.observation_space)
    parts = [int(part.n) for part in (space if isinstance(space, Tuple) else [space])]
    seen = np.unravel_index(np.arange(len(model.start)) % prod(parts), parts)
    obs = jax.tree.map(np.int32, seen if isinstance(space, Tuple) else seen[0])
    obs = {"observation": obs, "action_mask": model.allowed} if mask else obs
    num_envs, arrays = policy.spec.num_envs, dict(policy.arrays)
    actions = np.asarray(_actions(env, policy.algorithm, num_envs, arrays, obs))
    try:
        values = evaluate(model, actions, horizon=horizon)
    except ValueError:
        values = evaluate(model, actions, horizon=LONGEST)
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
    env = remembering(env, algorithm, num_envs)
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
