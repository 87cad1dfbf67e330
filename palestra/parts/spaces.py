"""What algorithms need to know of Gymnasium spaces, and the few kinds that all others are made.

An environment may see and do whatever Gymnasium describes. Algorithms see one of four things:

    a vector      Box [n]
    a picture     Box [H, W, C], channels last
    one of a few  Discrete, counted from 0
    several       a Tuple of such

each of them maybe with a mask beside it, of which actions are allowed (core.Masked),
and act in one of three: Discrete, MultiDiscrete [n] or Box [n]. `flat_observation_space` and
`flat_action_space` say which, `flatten_observation` and `unflatten_action` go there and back. All
four are for any batch axes in front and leave alone what is flat already: of NumPy's arrays they
make NumPy's, and inside of a program, of JAX's arrays, JAX's.
"""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from math import prod
from textwrap import shorten
from typing import Any, TypeAlias

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from jaxtyping import PyTree

from palestra.core import Chosen, Frames, Masked, Spec, Transition
from palestra.faults import InputError

Numbers: TypeAlias = np.ndarray | np.generic | jax.Array
MOST_CHOICES = 16  # a MultiDiscrete of more is one vector, not as many things seen
SMALLEST_SIDE = 3  # of a picture, as convolutions need it
CERTAIN_SIDE = 8  # from which on two or four axes are taken for a picture
MOST_WHOLE = 2**31 - 1  # of int32, which choices are on the device
MOST_THINGS = 100_000  # of which one is seen by a network, or done: each has weights of its own


def action_count(space: gymnasium.Space) -> int:
    """How many actions there are to choose from. Raises ValueError unless the space is Discrete."""
    if not isinstance(space, Discrete):
        raise InputError(f"the action must be one of a few (Discrete), not {space}.")
    return int(space.n)


def example(space: gymnasium.Space) -> PyTree:
    """A zero of the space, with the dtype it has on the device: a Box's bytes and flags stay what
    they are, its other numbers are float32; whole numbers to choose from are int32."""
    if isinstance(space, Tuple):
        return tuple(map(example, space))
    if isinstance(space, Masked):
        return {name: example(part) for name, part in space.items()}
    return jnp.zeros(space.shape, _device_dtype(space))


def legal(space: gymnasium.Space, action: PyTree) -> PyTree:
    """The action as the environment takes it: inside of the Box. Others are as they are. What is
    Chosen keeps its memory."""
    if isinstance(action, Chosen):
        return action._replace(action=legal(space, action.action))
    if not isinstance(space, Box):
        return action
    bound = lambda x: jnp.broadcast_to(jnp.asarray(x, action.dtype), action.shape)
    return jnp.clip(action, bound(space.low), bound(space.high))


def example_transition(spec: Spec) -> Transition:
    """A transition of zeros, without batch axes: the shape of a replay slot."""
    obs, no = example(spec.observation_space), jnp.zeros((), bool)
    return Transition(obs, example(spec.action_space), jnp.zeros(()), obs, no, no)


def flat_observation_space(space: gymnasium.Space) -> gymnasium.Space:
    """What algorithms see of the space's observations; the space itself where it is that already.

    The parts of nested Dicts and Tuples become one Tuple, in Gymnasium's order, or the part itself
    where there is only one:

        Discrete       Discrete, counted from 0
        MultiDiscrete  as many Discrete as it has entries; of more than 16 a vector of flags, of
                       which one is set for each entry
        MultiBinary    as a Box of zeros and ones
        Frames         as it is
        Box            a picture, channels last, or a vector of all its numbers

    Pictures are Boxes
        of three axes    [H, W, C] with H and W at least 3, or [C, H, W] where C is at most half of
                         both H and W, such as (4, 84, 84)
        of two axes      [H, W], of bytes, both at least 8; they get one channel
        of four axes     [frames, H, W, C] or, C as above, [frames, C, H, W], with H and W at least
                         8; the frames' channels are joined, the last frame's last

    Raises ValueError, in one sentence that names the part, for what has no fixed size (Text,
    Sequence, Graph, OneOf), for numbers that do not fit and where there is nothing to see.
    """
    if isinstance(space, Box) and len(space.shape) == 1 and space.shape[0]:
        return space  # what most environments show
    if isinstance(space, Masked):
        seen = flat_observation_space(space["observation"])
        return space if seen is space["observation"] else Masked(seen, space.actions)
    parts = [part for leaf in _leaves(space, "observation") for part in _seen_as(*leaf)]
    if not any(map(_size, parts)):
        raise InputError(f"the observation is {space}, in which there is nothing to see.")
    flat = parts[0] if len(parts) == 1 else Tuple(parts)
    return space if flat == space else flat


def flatten_observation(space: gymnasium.Space, obs: PyTree) -> PyTree:
    """An observation of `space`, as Gymnasium gives it, as one of `flat_observation_space(space)`.

    Leaves [*batch, ...], such as a vector environment's, with dtypes as `example` has them; views
    of the given arrays where nothing has to be computed. Raises ValueError where the observation
    has not the parts or the shapes of the space.
    """
    if isinstance(space, Masked):
        _check_keys(space.spaces, obs, "observation")
        return {name: flatten_observation(part, obs[name]) for name, part in space.items()}
    found = [x for leaf in _values(space, obs, "observation") for x in _see(*leaf)]
    return found[0] if len(found) == 1 else tuple(found)


def flat_action_space(space: gymnasium.Space) -> gymnasium.Space:
    """How algorithms act in the space; the space itself where it is that already.

    One choice, however it is wrapped, is a Discrete counted from 0. Several, in MultiDiscrete,
    MultiBinary and nested Dicts and Tuples, are a MultiDiscrete of one axis, counted from 0. Boxes
    are one Box of one axis and float32, with all their numbers in Gymnasium's order.

    Raises ValueError, in one sentence, for other parts, for choices beside Boxes, and where there
    is nothing to do.
    """
    if isinstance(space, Discrete) and space.start == 0 and space.n <= MOST_THINGS:
        return space  # what most environments take
    leaves = _actions(space)
    flat = _one_box(leaves) if isinstance(leaves[0], Box) else _one_choice(leaves)
    return space if flat == space else flat


def _actions(space: gymnasium.Space) -> list[Any]:
    """What an action is made of: Boxes alone, or choices alone. Raises ValueError for others."""
    leaves = list(_leaves(space, "action"))
    for name, leaf in leaves:
        if not isinstance(leaf, Box | Discrete | MultiDiscrete | MultiBinary):
            raise InputError(
                f"{name} is {_short(leaf)}, which no algorithm here can choose; actions are made "
                "of Box or of Discrete, MultiDiscrete and MultiBinary, in Dict and Tuple."
            )
    boxes = [leaf for _, leaf in leaves if isinstance(leaf, Box)]
    if 0 < len(boxes) < len(leaves):
        box = next(name for name, leaf in leaves if isinstance(leaf, Box))
        choice = next(name for name, leaf in leaves if not isinstance(leaf, Box))
        raise InputError(
            f"{box} is a Box and {choice} is a choice, but an action must be made of Boxes alone "
            "or of choices alone."
        )
    if sum(_size(leaf) for _, leaf in leaves) == 0:
        raise InputError(f"the action is {space}, in which there is nothing to do.")
    return [leaf for _, leaf in leaves]


def _one_box(boxes: list[Box]) -> Box:
    """All their numbers in one."""
    with np.errstate(over="ignore"):  # bounds beyond float32 are none
        join = lambda bounds: np.concatenate([x.ravel().astype(np.float32) for x in bounds])
        return Box(join([box.low for box in boxes]), join([box.high for box in boxes]))


def _one_choice(leaves: list[gymnasium.Space]) -> Discrete | MultiDiscrete:
    """All their choices in one space. Raises ValueError where one is among too many things."""
    counts = np.concatenate([_counts(leaf) for leaf in leaves])
    if counts.max() > MOST_THINGS:
        raise InputError(
            f"the action is one of {counts.max():,}, where {MOST_THINGS:,} at most can be told "
            "apart; make it several smaller choices (MultiDiscrete) or numbers (Box)."
        )
    return Discrete(int(counts[0])) if counts.size == 1 else MultiDiscrete(counts)


def unflatten_action(space: gymnasium.Space, action: Numbers) -> PyTree:
    """An action of `flat_action_space(space)` as one of `space`, with its starts and its dtypes.

    `action` is [*batch] for a Discrete, else [*batch, n]. With one batch axis it is what a vector
    environment takes whose `single_action_space` is `space`. Where the flat action lies in its Box
    this one does too: the numbers of a Box that is not float32 are clipped, of whole numbers
    rounded to the nearest.
    """
    leaves = [leaf for _, leaf in _leaves(space, "action")]
    sizes = [*map(_size, leaves)]
    action = action if isinstance(action, jax.Array) else np.asarray(action)
    if sum(sizes) == 1 and not isinstance(leaves[0], Box):
        action = action[..., None]
    parts = [action[..., end - n : end] for n, end in zip(sizes, accumulate(sizes), strict=True)]
    return _nest(space, map(_do, leaves, parts))


def _leaves(space: gymnasium.Space, name: str) -> Iterator[tuple[str, gymnasium.Space]]:
    """What nested Dicts and Tuples are made of, in Gymnasium's order, each with how to get it.

    Raises ValueError for keys that have no order, or that an agent's file cannot hold.
    """
    if isinstance(space, Dict):
        if not any(all(isinstance(key, kind) for key in space.spaces) for kind in (str, int)):
            keys = shorten(", ".join(map(repr, space.spaces)), 60, placeholder=" ...")
            raise InputError(
                f"{name} is a Dict whose keys are {keys}, but its keys must all be strings, or all "
                "whole numbers."
            )
        for key, part in space.spaces.items():
            yield from _leaves(part, f"{name}[{key!r}]")
    elif isinstance(space, Tuple):
        for i, part in enumerate(space.spaces):
            yield from _leaves(part, f"{name}[{i}]")
    else:
        yield name, space


def _values(
    space: gymnasium.Space, value: Any, name: str
) -> Iterator[tuple[gymnasium.Space, Numbers]]:
    """The leaves of a space, in the order of `_leaves`, with their values. Raises ValueError."""
    if isinstance(space, Dict):
        _check_keys(space.spaces, value, name)
        for key, part in space.spaces.items():
            yield from _values(part, value[key], f"{name}[{key!r}]")
    elif isinstance(space, Tuple):
        if not (isinstance(value, tuple) and len(value) == len(space)):
            raise InputError(f"{name} must be a tuple of {len(space)}, not {_short(value)}.")
        for i, part in enumerate(space.spaces):
            yield from _values(part, value[i], f"{name}[{i}]")
    else:
        x: Any = value if isinstance(value, jax.core.Tracer) else np.asarray(value)
        shape = space.shape or ()
        if x.ndim < len(shape) or x.shape[x.ndim - len(shape) :] != shape:
            raise InputError(
                f"{name} has shape {shape}, behind the axes of a batch, not {x.shape}."
            )
        yield space, x


def _check_keys(parts: Mapping[Any, gymnasium.Space], value: Any, name: str) -> None:
    """Raises ValueError where a value has not the keys of a Dict."""
    if not (isinstance(value, Mapping) and parts.keys() <= value.keys()):
        keys = ", ".join(map(repr, parts))
        raise InputError(f"{name} must be a dict of {keys}, not {_short(value)}.")


def _nest(space: gymnasium.Space, parts: Iterator[Numbers]) -> PyTree:
    """Values of the leaves, in the order of `_leaves`, in the Dicts and Tuples of the space."""
    if isinstance(space, Dict):
        return {key: _nest(part, parts) for key, part in space.spaces.items()}
    if isinstance(space, Tuple):
        return tuple(_nest(part, parts) for part in space.spaces)
    return next(parts)


def _seen_as(name: str, leaf: gymnasium.Space) -> list[gymnasium.Space]:
    """The flat spaces of a leaf, each for an array of `_see`."""
    match leaf:
        case Discrete() | MultiDiscrete() if _counts(leaf).max(initial=0) > MOST_WHOLE:
            raise InputError(
                f"{name} is one of {_counts(leaf).max():,}, more than whole numbers of 32 bits can "
                "count; show it as several numbers (Box or MultiDiscrete)."
            )
        case Discrete():
            return [leaf if leaf.start == 0 else Discrete(int(leaf.n))]
        case MultiDiscrete() if leaf.nvec.size <= MOST_CHOICES:
            return [Discrete(n) for n in _counts(leaf).tolist()]
        case MultiDiscrete():
            flags = int(_counts(leaf).sum())
            if flags > MOST_THINGS:
                raise InputError(
                    f"{name} is {leaf.nvec.size} choices among {flags:,} things, each of which "
                    f"would be seen as a flag, where {MOST_THINGS:,} at most are served; show it "
                    "as numbers (a Box)."
                )
            return [Box(0, 1, (flags,), bool)]
        case MultiBinary():
            shape = _arrange(leaf, np.broadcast_to(0, leaf.shape)).shape
            return [Box(0, 1, shape)]
        case Box():
            low, high = _arrange(leaf, leaf.low), _arrange(leaf, leaf.high)
            same = low.shape == leaf.shape
            return [leaf if same else Box(low, high, dtype=leaf.dtype)]
    raise InputError(
        f"{name} is {_short(leaf)}, which has no fixed size that a network could take; these can "
        "be learned from: Box, Discrete, MultiDiscrete, MultiBinary, and Dict and Tuple of such."
    )


def _see(leaf: gymnasium.Space, x: Numbers) -> list[Numbers]:
    """A leaf's values [*batch, *shape] as those of its flat spaces."""
    match leaf:
        case Discrete():
            return [(x - leaf.start if leaf.start else x).astype(np.int32)]
        case MultiDiscrete():
            batch, counts = x.shape[: x.ndim - len(leaf.shape)], _counts(leaf)
            choices = (x - leaf.start).reshape(*batch, counts.size).astype(np.int32)
            if counts.size <= MOST_CHOICES:
                choices = _xp(x).moveaxis(choices, -1, 0)
                if isinstance(x, np.ndarray):
                    choices = np.ascontiguousarray(choices)
                return [choices[i, ...] for i in range(counts.size)]
            places = np.cumsum(counts) - counts + choices
            flags = _xp(x).zeros((*batch, counts.sum()), bool)
            if isinstance(x, jax.Array):
                return [jnp.put_along_axis(flags, places, True, -1, inplace=False)]
            np.put_along_axis(flags, places, True, -1)
            return [flags]
        case MultiBinary():
            return [_arrange(leaf, x).astype(np.float32)]
        case Box():
            seen, dtype = _arrange(leaf, x), _device_dtype(leaf)
            return [seen if seen.dtype == dtype else seen.astype(dtype)]
    raise InputError(f"nothing is seen of {_short(leaf)}.")


def _arrange(space: Box | MultiBinary, x: Numbers) -> Any:
    """x [*batch, *shape] as a picture or as a vector; a view where NumPy can."""
    batch, rows = x.shape[: x.ndim - len(space.shape)], _rows(space)
    if rows is None:
        return x.reshape(*batch, _size(space))
    height, width = space.shape[rows : rows + 2]
    if rows:
        x = _xp(x).moveaxis(
            x, (len(batch) + rows, len(batch) + rows + 1), (len(batch), len(batch) + 1)
        )
    return x.reshape(*batch, height, width, _size(space) // (height * width))


def _rows(space: Box | MultiBinary) -> int | None:
    """Which axis a picture's rows are, the columns behind it; None for what is no picture."""
    shape = space.shape
    if isinstance(space, Frames):
        return 0
    if len(shape) == 2 and space.dtype == np.uint8:
        return 0 if min(shape) >= CERTAIN_SIDE else None
    if len(shape) not in (3, 4):
        return None
    # Before the last three axes there may be one of frames.
    frames = len(shape) - 3
    channels, *sides = shape[frames:]
    rows = frames + (2 * channels <= min(sides))
    smallest = CERTAIN_SIDE if frames else SMALLEST_SIDE
    return rows if min(shape[rows : rows + 2]) >= smallest else None


def _size(leaf: gymnasium.Space) -> int:
    """How many numbers a leaf's values have."""
    return prod(leaf.shape or ())


def _counts(leaf: gymnasium.Space) -> np.ndarray:
    """Among how many things each of a leaf's choices is, one axis."""
    match leaf:
        case Discrete():
            return np.array([leaf.n], np.int64)
        case MultiDiscrete():
            return leaf.nvec.ravel().astype(np.int64)
    return np.full(_size(leaf), 2)


def _do(leaf: Any, x: Numbers) -> Numbers:
    """A leaf's value, from its numbers in the flat action. [*batch, size] -> [*batch, *shape]"""
    x = x.reshape((*x.shape[:-1], *leaf.shape))
    xp = _xp(x)
    dtype = jax.dtypes.canonicalize_dtype(leaf.dtype) if xp is jnp else leaf.dtype
    if not isinstance(leaf, Box):
        x = x.astype(dtype, copy=False)
        return x if isinstance(leaf, MultiBinary) else x + leaf.start
    if leaf.dtype == np.float32:
        return x.astype(np.float32, copy=False)
    if leaf.dtype.kind == "f":
        return xp.clip(x.astype(dtype), leaf.low, leaf.high)
    # The bounds are put in as they are: as floats the largest of whole numbers are others.
    x = xp.rint(x)
    inside = (leaf.low < x) & (x < leaf.high)
    whole = xp.where(inside, x, 0).astype(dtype)
    return xp.where(inside, whole, xp.where(x <= leaf.low, leaf.low, leaf.high))


def _xp(x: Any) -> Any:
    """The module whose functions go with an array: JAX's inside of a program, else NumPy."""
    return jnp if isinstance(x, jax.Array) else np


def _device_dtype(space: gymnasium.Space) -> Any:
    if isinstance(space, Box):
        return space.dtype if space.dtype in (np.bool_, np.uint8) else np.float32
    return np.int32


def _short(thing: Any) -> str:
    """In words that fit into a sentence."""
    return shorten(str(thing), 60, placeholder=" ...")
