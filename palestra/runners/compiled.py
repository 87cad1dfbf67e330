"""Train on a JAX environment inside one compiled program: scan over time, vmap over seeds.

The environment's and the algorithm's floats are arguments of the program, not constants in it:
another learning rate or pole length, like another seed, needs no compiling.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Int, PyTree, UInt32

from palestra import prng
from palestra.core import Algorithm, Counted, Environment, GoesOn, Key, Spec, Transition
from palestra.faults import EnvironmentFaultError, InputError
from palestra.parts.masks import allowed, nothing_left
from palestra.parts.remembering import apart, remembering, without_memory
from palestra.parts.spaces import legal
from palestra.parts.spreading import device_count, everywhere, spread
from palestra.runners.cache import use_compilation_cache
from palestra.runners.devices import gathered, going_on, here, leads, over, shared_out
from palestra.runners.kept import kept
from palestra.runners.leaves import fingerprint, rebuilt, replaced
from palestra.runners.report import Report, Since, Tally, count, no_tally, printed
from palestra.runners.sound import is_sound
from palestra.runners.switches import as_written, throughout

MOST_STEPS = 2**31 - 1  # of a run: what a learner's counter holds


class Carry(NamedTuple):
    """Everything that one seed's training carries from step to step."""

    learner: PyTree
    env_state: PyTree  # leaves [..., E]
    obs: PyTree  # leaves [..., E], or Rows of them; with the memory of who remembers
    tally: Tally  # totals and lengths of the episodes under way
    key: Key


@throughout
def train(
    env: Environment,
    algorithm: Algorithm,
    *,
    num_envs: int,
    total_steps: int,
    reports: int,
    seeds: Sequence[int],
    since: Since | None = None,
    start: Mapping[str, np.ndarray] | None = None,
    devices: int = 1,
) -> Generator[Report, None, None]:
    """Yield about `reports` reports, evenly spaced over `total_steps` steps. Leaves [seeds, ...].

    Steps are rounded up to whole reports. A report's learner is donated to the next epoch: copy
    what you keep. With `since`, training goes on from there, to the bit as if it had never stopped.
    Raises ValueError where that is of another run. A fresh learner takes over the arrays of
    `start`, by name. Each of the `devices` has as many of the environments; in several processes
    all call this, and what process 0 gives counts (runners/devices.py).
    """
    use_compilation_cache()
    mesh = None if devices == 1 else over(devices, num_envs)
    updates, epochs, steps_per_update = plan(algorithm, num_envs, total_steps, reports)
    numbers = np.asarray(seeds, np.uint32)
    program = program_of(env, algorithm, num_envs, updates, numbers, mesh)
    if since is not None:
        carry = _gone_on(_start.eval_shape(env, algorithm, num_envs, numbers), since, mesh)
    else:
        carry = program.start(env, algorithm, numbers)
        carry = _taken_over(carry, start, mesh) if start else carry
    epoch = Epochs(program.epoch)
    for done in ends(updates, epochs, since):
        if mesh is not None and not going_on(devices):
            return
        carry, told = epoch(env, algorithm, carry)
        whole = carry
        if mesh is not None:
            whole, told = _gathered(mesh, carry), here(told)
        metrics, episodes, prints, sound, stuck = told
        step = done * steps_per_update
        if stuck is not None and np.any(stuck):
            raise _nothing_allowed(step)
        obs = jax.vmap(environments_first)(without_memory(whole.obs))
        now = lambda: whole  # noqa: B023
        report = Report(step, whole.learner, metrics, episodes, prints, sound, obs, now)
        if mesh is None and done < updates * epochs:
            report = report._replace(begin_next=partial(epoch.begin, env, algorithm, carry))
        try:
            yield report
        except GeneratorExit:  # enough: the other processes wait to hear of it
            if done < updates * epochs and leads(devices):
                going_on(devices, False)
            raise


def _gone_on(like: Carry, since: Since, mesh: Mesh | None) -> Carry:
    """What training goes on with; `like` has its form."""
    carry = rebuilt(like, since.arrays)
    return carry if mesh is None else _shared(mesh, carry)


def _taken_over(carry: Carry, start: Mapping[str, np.ndarray], mesh: Mesh | None) -> Carry:
    """That of a fresh learner, with the arrays of `start` in it."""
    if mesh is None:
        return carry._replace(learner=replaced(carry.learner, start))
    return carry._replace(learner=shared_out(mesh, replaced(here(carry.learner), start), None))


def _nothing_allowed(step: int) -> EnvironmentFaultError:
    return EnvironmentFaultError(
        f"The environment's action_mask forbade every action before step {step:,}, though "
        "the episode went on; allow one, or end the episode before."
    )


class Epochs:
    """The epochs of a run; the next one may be begun before it is asked for.

    By a thread of its own: on a CPU, XLA computes one after the other what one thread asks for, so
    an evaluation beside it would wait for it. Not where it calls functions outside of XLA: as many
    such programs under way as there are processors can wait for each other for ever (JAX 0.10).
    """

    def __init__(self, program: Any):
        self._program, self._epoch = program, as_written()(program)
        self._thread = ThreadPoolExecutor(1)
        self._begun: Future | None = None

    def begin(self, env: Environment, algorithm: Algorithm, carry: Carry) -> None:
        """Begin the next one, where that can be and it was not begun already."""
        if self._begun is None and self._computes_alone:
            self._begun = self._thread.submit(self._epoch, env, algorithm, carry)

    @cached_property
    def _computes_alone(self) -> bool:
        return "custom_call_target" not in self._program.as_text()

    def __call__(self, env: Environment, algorithm: Algorithm, carry: Carry) -> tuple[Carry, Any]:
        """Carry, and what is told, of the next one; neither may be computed yet."""
        begun, self._begun = self._begun, None
        return self._epoch(env, algorithm, carry) if begun is None else begun.result()


def plan(
    algorithm: Algorithm, num_envs: int, total_steps: int, reports: int
) -> tuple[int, int, int]:
    """Updates per report, reports, and environment steps per update. Raises ValueError where a
    learner could not count the steps: its counter is of 32 bits, as XLA's numbers are."""
    steps_per_update = algorithm.rollout_length * num_envs
    updates = -(-total_steps // steps_per_update)
    per_report = -(-updates // reports)
    count = -(-updates // per_report)
    if (whole := per_report * count * steps_per_update) > MOST_STEPS:
        raise _too_many(algorithm, num_envs, total_steps, whole)
    return per_report, count, steps_per_update


def _too_many(algorithm: Algorithm, num_envs: int, total_steps: int, whole: int) -> InputError:
    if num_envs * algorithm.rollout_length > MOST_STEPS:
        return InputError(
            f"num_envs times rollout_length must be at most {MOST_STEPS:,}, the steps that can be "
            f"counted, not {num_envs:,} x {algorithm.rollout_length:,}."
        )
    rounded = "" if whole == total_steps else f" (rounded up to whole reports, {whole:,})"
    return InputError(
        f"steps must be at most {MOST_STEPS:,} for each seed, not {total_steps:,}{rounded}."
    )


def ends(updates: int, reports: int, since: Since | None) -> range:
    """How many updates will have been done at the end of each report that is still to come."""
    return range((since.updates if since else 0) + updates, (reports + 1) * updates, updates)


def begin(env: Environment, algorithm: Algorithm, num_envs: int, seed: UInt32[Array, ""]) -> Carry:
    """A fresh learner before its first step."""
    key, init_key, reset_key = jax.random.split(prng.key(seed), 3)
    learner = algorithm.init(Spec(env.observation_space, env.action_space, num_envs), init_key)
    played = remembering(env, algorithm, num_envs)
    env_state, obs = begin_episodes(played, jax.random.split(reset_key, num_envs))
    return Carry(learner, env_state, obs, no_tally(num_envs), key)


def run(env: Environment, algorithm: Algorithm, updates: int, carry: Carry) -> tuple[Carry, Any]:
    """Act and learn `updates` times; what changed, each update's metrics, episodes and print,
    whether all of it is sound, and, with masks, whether one left nothing to do."""
    num_envs = carry.tally.steps.shape[-1]
    first = printed(algorithm.rollout_length, num_envs)
    played = remembering(env, algorithm, num_envs)

    def iterate(carry: Carry, i: Int[Array, ""]):
        key, rollout_key, update_key = jax.random.split(carry.key, 3)
        policy = partial(algorithm.act, carry.learner)
        env_state, obs, rollout, counted = unroll(
            played, policy, carry.env_state, carry.obs, algorithm.rollout_length, rollout_key
        )
        learner, metrics = algorithm.update(carry.learner, rollout, update_key)
        tally, episodes = count(carry.tally, *(counted or (rollout.reward, rollout.done)))
        none = lambda _: jnp.uint32(0)  # later ones would cost time, and tell less than the learner
        mark = jax.lax.cond(i < first, fingerprint, none, rollout)
        mask = allowed(without_memory(rollout.obs))
        stuck = None if mask is None else nothing_left(mask, env.action_space).any()
        return Carry(learner, env_state, obs, tally, key), (metrics, episodes, mark, stuck)

    carry, (metrics, episodes, marks, stuck) = jax.lax.scan(iterate, carry, jnp.arange(updates))
    sound = is_sound(carry.learner, metrics, episodes.total)
    stuck = None if stuck is None else stuck.any()
    return carry, (metrics, episodes, marks, sound, stuck)


def unroll(
    env: Environment, policy: Callable, env_state: PyTree, obs: PyTree, length: int, key: Key
) -> tuple[PyTree, PyTree, Transition, tuple[Array, Array] | None]:
    """Take `length` steps in every environment; one that ends begins afresh at once.

    The only place in the library where an environment is reset during training on the device.
    `env_state` and `obs` are as `begin_episodes` gives them; the rollout's leaves are [T, E, ...].
    Last come rewards and ends [T, E] as people count them, where these are others.
    """

    def step(carry, key):
        env_state, rows = carry
        obs = environments_first(rows)
        num_envs = jax.tree.leaves(obs)[0].shape[0]
        act_key, step_key, reset_key = jax.random.split(key, 3)
        action = policy(obs, act_key)
        keys = jax.random.split(step_key, num_envs)
        axes = jax.tree.map(lambda _: -1, env_state), 0, 0
        allowed = legal(env.action_space, action)  # the rollout keeps what was asked for
        env_state, out = jax.vmap(env.step, axes, -1)(env_state, allowed, keys)
        next_rows = split_rows(out.obs)
        next_obs = environments_first(next_rows)
        action, _ = apart(action)
        transition = Transition(obs, action, out.reward, next_obs, out.terminated, out.truncated)
        choose = lambda new, old: jnp.where(transition.done, new, old)
        fresh = begin_episodes(env, jax.random.split(reset_key, num_envs), env_state)
        counted = jax.vmap(env.counted, -1)(env_state, out) if isinstance(env, Counted) else None
        return jax.tree.map(choose, fresh, (env_state, next_rows)), (transition, counted)

    (env_state, obs), (rollout, counted) = jax.lax.scan(
        step, (env_state, obs), jax.random.split(key, length)
    )
    return env_state, obs, rollout, counted


class Rows(NamedTuple):
    """An array of observations [K, E] as its K rows."""

    rows: tuple[Array, ...]


MOST_ROWS = 16  # observations of more numbers stay in one array [..., E]


def begin_episodes(env: Environment, keys: Array, after: PyTree = None) -> tuple[PyTree, PyTree]:
    """Begin an episode with each of the keys [E], maybe `after` states in which others have ended;
    state and obs with the environments last.

    The environments are the last axis inside of the loop, and what is observed is kept row by row,
    since then XLA on a CPU computes each number of all environments in vector units, and sees that
    what is observed is often what is in the state: five to ten times faster for a small simulator.
    """
    if after is not None and isinstance(env, GoesOn):
        env_state, obs = jax.vmap(env.go_on, in_axes=(-1, 0), out_axes=-1)(after, keys)
    else:
        env_state, obs = jax.vmap(env.reset, out_axes=-1)(keys)
    return env_state, split_rows(obs)


def split_rows(obs: PyTree) -> PyTree:
    """Short vectors [K, E] as Rows; other leaves as they are."""
    short = lambda leaf: leaf.ndim == 2 and leaf.shape[0] <= MOST_ROWS
    return jax.tree.map(lambda leaf: Rows(tuple(leaf)) if short(leaf) else leaf, obs)


def environments_first(obs: PyTree) -> PyTree:
    """What `split_rows` made, as policies and algorithms take it: leaves [E, ...]."""
    is_rows = lambda leaf: isinstance(leaf, Rows)
    whole = lambda leaf: jnp.stack(leaf.rows, -1) if is_rows(leaf) else jnp.moveaxis(leaf, -1, 0)
    return jax.tree.map(whole, obs, is_leaf=is_rows)


class Program(NamedTuple):
    """What a training run executes."""

    start: Callable  # env, algorithm, seeds -> Carry
    epoch: Callable  # env, algorithm, Carry -> Carry, (metrics, episodes, prints, sound, stuck)


def program_of(
    env: Environment,
    algorithm: Algorithm,
    num_envs: int,
    updates: int,
    seeds: np.ndarray,
    mesh: Mesh | None = None,
) -> Program:
    """The program of a run; one for all runs that differ in numbers only, in whatever thread."""

    def make() -> Program:
        start = _start.lower(env, algorithm, num_envs, seeds)
        carry = _start.eval_shape(env, algorithm, num_envs, seeds)
        carry = carry if mesh is None else _shared(mesh, carry)
        with ThreadPoolExecutor(1) as meanwhile:  # the one compiles while the other is traced
            started = meanwhile.submit(start.compile)
            epoch = _epoch.lower(env, algorithm, updates, carry).compile()
        return Program(started.result(), epoch)

    leaves, structure = jax.tree.flatten((env, algorithm))
    form = "train", structure, mesh, *map(jax.typeof, leaves), num_envs, updates, len(seeds)
    with nullcontext() if mesh is None else jax.set_mesh(mesh):
        return kept(form, make)


def _each_seed(function: Callable, carry: PyTree) -> PyTree:
    """`function` of every seed's carry, leaves [seeds, ...].

    One seed runs without `vmap`, which would turn each `cond` into both its branches, and
    matrix products into batches of one.
    """
    if jax.tree.leaves(carry)[0].shape[0] > 1:
        return jax.vmap(function)(carry)
    alone = function(jax.tree.map(lambda x: x[0], carry))
    return jax.tree.map(lambda x: x[None], alone)


# What runs once had better compile fast than run fast.
@partial(jax.jit, static_argnums=2, compiler_options={"xla_backend_optimization_level": 0})
def _start(
    env: Environment, algorithm: Algorithm, num_envs: int, seeds: UInt32[Array, "seeds"]
) -> Carry:
    carry = _each_seed(partial(begin, env, algorithm, num_envs), seeds)
    return carry if device_count() == 1 else _spread(carry)


@partial(jax.jit, static_argnums=2, donate_argnums=3)
def _epoch(env: Environment, algorithm: Algorithm, updates: int, carry: Carry) -> tuple[Carry, Any]:
    carry, told = _each_seed(partial(run, env, algorithm, updates), carry)
    return (carry, told) if device_count() == 1 else (_spread(carry), everywhere(told))


# With several devices each has the whole learner, and a share of what plays.


def _placed(carry: Carry, whole: Callable, shares: Callable) -> Carry:
    """The carry, the learner by the one function and what plays by the other."""
    learner, key = whole((carry.learner, carry.key))
    env_state, obs, tally = shares((carry.env_state, carry.obs, carry.tally))
    return Carry(learner, env_state, obs, tally, key)


def _shared(mesh: Mesh, carry: Carry) -> Carry:
    """The carry of one device, or its shapes, on those devices."""
    out = partial(shared_out, mesh)
    return _placed(carry, partial(out, axis=None), partial(out, axis=-1))


def _spread(carry: Carry) -> Carry:
    """The carry as `_shared` has it, inside of a program."""
    return _placed(carry, everywhere, partial(spread, axis=-1))


def _gathered(mesh: Mesh, carry: Carry) -> Carry:
    """The carry of those devices on one."""
    return _placed(carry, here, partial(gathered, mesh))
