"""Experience replay: a ring of whole rollouts in order of time, sampled uniformly.

    row            0      1      2    ...                      leaves [rows, E, ...]
    env 0        s a r  s a r  s a r
    env 1        s a r  s a r  s a r
                               head ^ the next rollout overwrites the oldest rows

Time is the first axis and each environment keeps its column, so the rows below one another are
what happened one after another: n-step returns, and stacks of frames, are read off the ring
instead of being stored with every transition.

Where the observations are Frames, a row keeps the newest frame alone and no next_obs: a million
transitions of 84 x 84 pixels are 7.1 GB instead of 56. Observations are put together again from the
rows before, and the successor is the observation of the row after. What follows from that:
    The newest row has no successor yet, and the oldest stack - 1 rows lack frames: they are read
    by others, but nothing drawn begins there.
    The successor of a row that truncated its episode is nowhere stored. It is not drawn, and n
    steps that come upon it stop before it and look ahead from what was seen there.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PyTree, UInt8

from palestra.core import Frames, Key, Spec, Transition
from palestra.faults import InputError
from palestra.parts.returns import n_step as returns_of
from palestra.parts.spaces import example_transition
from palestra.parts.spreading import everywhere, spread

MOST_DRAWS = 100  # until none is left that begins in a row that truncated its episode


@jax.tree_util.register_static
class Stack(int):
    """How many frames: a part of the pytree's structure, as shapes are."""


class Replay(NamedTuple):
    """The ring."""

    data: Transition  # leaves [rows, E, ...]; of Frames the newest alone, and next_obs is None
    head: Int[Array, ""]  # the row that the next rollout begins at
    rows: Int[Array, ""]  # how many rows hold experience
    stack: Stack = Stack(0)  # frames an observation is made of; 0 where it is stored as it is


class Batch(NamedTuple):
    """Pairs to learn from: after `action` in `obs` came `returns`, then `next_obs`."""

    obs: PyTree
    action: PyTree
    returns: Float[Array, "*batch"]  # sum of gamma^i r_i over the n steps
    discount: Float[Array, "*batch"]  # what the value of next_obs counts: gamma^n, 0 if terminated
    next_obs: PyTree


def of(spec: Spec, capacity: int, rollout_length: int, n_step: int = 1) -> Replay:
    """An empty replay for what is seen and done under `spec`, to be read n_step steps ahead.

    Raises ValueError where the ring would be too short for that.
    """
    space = spec.observation_space
    stack = space.stack if isinstance(space, Frames) else 0
    example = example_transition(spec)
    replay = empty(capacity, spec.num_envs, rollout_length, example, stack=stack)
    if replay.data.reward.shape[0] < n_step + stack:
        raise _too_short(stack, (n_step + stack) * spec.num_envs)
    return replay


def _too_short(stack: int, least: int) -> InputError:
    words = f"(n_step + {stack} frames)" if stack else "n_step"
    return InputError(f"memory_size must be at least {words} x num_envs, which is {least}.")


def empty(
    capacity: int, num_envs: int, rollout_length: int, example: Transition, *, stack: int = 0
) -> Replay:
    """Room for `capacity` transitions shaped like `example` (leaves without batch axes).

    Rounded down to whole rollouts, so that writing one never wraps around; at least one rollout.
    With a `stack`, observations are so many frames, and each is kept once.
    """
    rows = max(capacity // (num_envs * rollout_length), 1) * rollout_length
    room = lambda x: jnp.zeros((rows, num_envs, *x.shape), x.dtype)
    data = jax.tree.map(room, _kept(example, stack))
    return Replay(data, jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32), Stack(stack))


def add(replay: Replay, rollout: Transition) -> Replay:
    """Store a rollout (leaves [T, E, ...]) over the oldest rows."""
    rows, length = replay.data.reward.shape[0], rollout.reward.shape[0]
    write = lambda ring, new: jax.lax.dynamic_update_slice_in_dim(ring, new, replay.head, 0)
    data = jax.tree.map(write, replay.data, everywhere(_kept(rollout, replay.stack)))
    head, filled = (replay.head + length) % rows, jnp.minimum(replay.rows + length, rows)
    return Replay(data, head, filled, replay.stack)


def _kept(transition: Transition, stack: int) -> Transition:
    """What the ring holds of transitions: of Frames the newest."""
    if not stack:
        return transition
    channels = transition.obs.shape[-1] // stack
    return transition._replace(obs=transition.obs[..., -channels:], next_obs=None)


def ready(replay: Replay, n_step: int = 1) -> Bool[Array, ""]:
    """Whether it can be drawn from, n_step steps ahead."""
    return replay.rows >= n_step + replay.stack


def ages(replay: Replay, n_step: int) -> tuple[int, Int[Array, ""]]:
    """The rows, counted back from the newest, which is 0, that n_step steps may begin at: from the
    first number to below the second."""
    if replay.stack:
        return n_step, replay.rows - replay.stack + 1
    return n_step - 1, replay.rows


def begins(replay: Replay, n_step: int) -> Bool[Array, "rows E"]:
    """Where n_step steps may begin. There is such a place if the replay is `ready`."""
    rows, num_envs = replay.data.reward.shape
    least, end = ages(replay, n_step)
    age = (replay.head - 1 - jnp.arange(rows)) % rows
    old_enough = jnp.broadcast_to(((least <= age) & (age < end))[:, None], (rows, num_envs))
    if not replay.stack:
        return old_enough
    known = old_enough & ~_cut_off(replay.data.terminated, replay.data.truncated)
    return jnp.where(known.any(), known, old_enough)


def _cut_off(terminated: Bool[Array, "*shape"], truncated: Bool[Array, "*shape"]) -> Array:
    """Whether what came after would be needed, but is not the next row: truncated, no more."""
    return truncated & ~terminated


def sample(
    replay: Replay,
    shape: tuple[int, ...],
    key: Key,
    *,
    gamma: float | Float[Array, ""],
    n_step: int = 1,
) -> Batch:
    """Transitions drawn uniformly with replacement; leaves [*shape, ...].

    Each looks `n_step` steps ahead, less where its episode ends before (parts/returns.py); 1 gives
    the stored transition. The replay must be `ready`. Of Frames, if next to all were truncated, one
    that was may be among them; its discount is 0.
    """
    least, end = ages(replay, n_step)

    def draw(key: Key) -> tuple[Int[Array, "*shape"], Int[Array, "*shape"]]:
        age_key, env_key = jax.random.split(key)
        age = jax.random.randint(age_key, shape, least, end)  # rows before the newest
        env = jax.random.randint(env_key, shape, 0, replay.data.reward.shape[1])
        return replay.head - 1 - age, env

    drawn = _until_known(replay, draw, key) if replay.stack else draw(key)
    return read(replay, *drawn, gamma=gamma, n_step=n_step)


def _until_known(replay: Replay, draw: Callable[[Key], tuple[Array, Array]], key: Key) -> tuple:
    """The rows and environments of single frames, drawn anew where they are truncated."""
    flags = replay.data.terminated, replay.data.truncated
    in_vain = lambda row, env: _cut_off(*_look_up(flags, row, env))

    def again(drawn: tuple) -> tuple:
        count, key, *places = drawn
        key, draw_key = jax.random.split(key)
        replace = lambda new, old: jnp.where(in_vain(*places), new, old)
        return count + 1, key, *map(replace, draw(draw_key), places)

    more = lambda drawn: in_vain(*drawn[2:]).any() & (drawn[0] < MOST_DRAWS)
    first_key, key = jax.random.split(key)
    _, _, *places = jax.lax.while_loop(more, again, (1, key, *draw(first_key)))
    return tuple(places)


def read(
    replay: Replay,
    first: Int[Array, "*shape"],
    env: Int[Array, "*shape"],
    *,
    gamma: float | Float[Array, ""],
    n_step: int = 1,
) -> Batch:
    """What begins at those rows (counted around the ring) of those environments' columns."""
    data, window = replay.data, jnp.stack([first + i for i in range(n_step)])  # [n_step, *shape]
    reward, terminated, truncated = _look_up(
        (data.reward, data.terminated, data.truncated), window, env
    )
    action = _look_up(data.action, first, env)
    if replay.stack:
        steps = reward, terminated, truncated
        return _read_frames(replay, first, env, steps, action, gamma)
    returns, discount, length = returns_of(reward, terminated, terminated | truncated, gamma)
    obs = _look_up(data.obs, first, env)
    next_obs = _look_up(data.next_obs, first + length - 1, env)
    return Batch(obs, action, returns, discount, next_obs)


def _read_frames(
    replay: Replay,
    first: Int[Array, "*shape"],
    env: Int[Array, "*shape"],
    steps: tuple[Array, Array, Array],
    action: PyTree,
    gamma: float | Float[Array, ""],
) -> Batch:
    """`read` of frames that are kept once; `steps` are the rewards and ends of n_step rows, leaves
    [n_step, *shape]."""
    reward, terminated, truncated = steps
    done = terminated | truncated
    cut_off = _cut_off(terminated, truncated)  # stop before these
    stop = done.at[:-1].set(done[:-1] | cut_off[1:])
    returns, discount, length = returns_of(reward, terminated, stop, gamma)
    # Where nothing else could be drawn: to look ahead at another episode would be worse.
    discount = jnp.where(cut_off[0], 0.0, discount)
    obs, next_obs = (_stacked(replay, row, env) for row in (first, first + length))
    return Batch(obs, action, returns, discount, next_obs)


def rows(
    replay: Replay, first: Int[Array, "*shape"], env: Int[Array, "*shape"], length: int
) -> Transition:
    """So many rows one after another in those environments' columns, from those on (counted around
    the ring); leaves [length, *shape, ...]. Not of Frames that are kept once."""
    window = jnp.stack([first + i for i in range(length)])
    return _look_up(replay.data, window, env)


def _stacked(
    replay: Replay, row: Int[Array, "*shape"], env: Int[Array, "*shape"]
) -> UInt8[Array, "*shape H W channels"]:
    """What was seen at those rows: of its episode the last frames, the first in place of those
    before it."""
    frame_rows, same = [row], jnp.ones(row.shape, bool)
    for _ in range(replay.stack - 1):
        before = frame_rows[-1] - 1
        ended = _look_up((replay.data.terminated, replay.data.truncated), before, env)
        same &= ~(ended[0] | ended[1])
        frame_rows.append(jnp.where(same, before, before + 1))
    frames = [_look_up(replay.data.obs, r, env) for r in reversed(frame_rows)]
    return jnp.concatenate(frames, -1)


def _look_up(tree: PyTree, row: Int[Array, "*shape"], env: Int[Array, "*batch"]) -> PyTree:
    """Entries of the rings at those rows, counted around them; `row` may have axes before env's."""
    at = lambda ring: ring[row % ring.shape[0], jnp.broadcast_to(env, row.shape)]
    return spread(jax.tree.map(at, tree), row.ndim - 1)
