"""Consoles of one game, many at once: played here, or inside JAX's compiled programs.

    game = load("pong")
    states = np.tile(boot(game, seeds=[1]), (8, 1))     # int32 [N, SIZE]
    pictures = np.zeros((8, PIXELS), np.uint8)
    play(game, states, actions, pictures)               # in place

    turn = player(game, frames=4, pooled=True)
    states, before, last, memories = jax.jit(turn)(states, actions)

Actions are int32, numbers of ale-py's 18. Pictures are rows of 160 shades of ale-py's palette, as
its getScreen: 210 rows, of some games 214 to 250. The cores of a processor share the consoles.
"""

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from palestra.envs.atari2600 import boot as boots
from palestra.envs.atari2600 import console, layout, translated
from palestra.envs.atari2600.console import TABLE
from palestra.envs.atari2600.started import wp
from palestra.faults import InputError

PIXELS = 210 * 160


class Game(NamedTuple):
    """A cartridge."""

    name: str
    rom: np.ndarray  # uint8, 4 KiB at least
    kind: int


def load(name: str) -> Game:
    """A game by its name in ale-py. Raises InputError where it has none of that name."""
    if name not in boots.games():
        raise InputError(f"ale-py has no game {name!r}; it has pong and breakout, for example.")
    rom, kind = boots.cartridge(name)
    return Game(name, rom, kind)


def boot(game: Game, seeds: list[int]) -> np.ndarray:
    """int32 [seeds, SIZE]: consoles as ale-py starts this game, its random memory by its seeds."""
    return np.stack([boots.boot(game.name, seed) for seed in seeds])


@cache
def _numbers() -> wp.array:
    return wp.array(TABLE, dtype=wp.int32, device="cpu")


def play(
    game: Game,
    states: np.ndarray,
    actions: np.ndarray,
    pictures: np.ndarray,
    count: int = 1,
    seen: int = 1,
    fast: bool = False,
) -> None:
    """Each console plays `count` frames with its action, on the processor; all in place. `fast`:
    by the cartridge's translated program, which takes some seconds to compile, once.

    Raises InputError for states of another form, and for pictures too small for the game.
    """
    if states.dtype != np.int32 or states.shape[1:] != (layout.SIZE,):
        raise InputError(f"States are int32 [N, {layout.SIZE}], not {states.dtype} {states.shape}.")

    pixels = 160 * int(states[:, layout.LINES].max(initial=0))
    if seen and pictures.shape != (len(states), max(pixels, pictures.shape[-1])):
        raise InputError(
            f"Pictures are uint8 [{len(states)}, {pixels}] of {game.name}, not {pictures.shape}."
        )

    _frames(game, states, actions, pictures, count, seen, program_of(game) if fast else 0)


def _frames(
    game: Game, states: np.ndarray, actions: np.ndarray, pictures: np.ndarray, count: int,
    seen: int, program: int,
) -> None:  # fmt: skip
    """The same by a program that lies there; by none where that is 0."""

    def on(array: np.ndarray, dtype: Any) -> wp.array:
        return wp.array(array, dtype=dtype, device="cpu", copy=False)

    each = np.repeat(np.asarray(actions, np.int32)[:, None], count, 1)
    memories = np.empty((len(states), 128 * count), np.uint8)
    shared(
        console.frames,
        [
            on(each, wp.int32), on(game.rom, wp.uint8), _numbers(),
            program, game.kind, seen, 0, 1,
            on(states, wp.int32), on(pictures, wp.uint8), on(pictures, wp.uint8),
            on(memories, wp.uint8),
        ],
    )  # fmt: skip


TRACED = 4, 1200  # consoles, and frames of random play


def traced(game: Game) -> np.ndarray:
    """How often the instruction at an address [banks, 65536] is met in some random play."""
    tracer, counts = translated.tracer()
    counts[:] = 0
    consoles, frames = TRACED
    states = boot(game, list(range(consoles)))
    pictures, rng = np.zeros((consoles, 1), np.uint8), np.random.default_rng(0)
    for _ in range(frames // 4):
        _frames(game, states, rng.integers(0, 18, consoles), pictures, 4, 0, tracer)
    return counts


def program_of(game: Game) -> int:
    """Where the program lies that a cartridge's becomes, for a processor (`translated.py`); 0 of a
    kind that changes its banks piece by piece."""
    return _program(game.name, game.rom.tobytes(), game.kind)


@cache
def _program(name: str, image: bytes, kind: int) -> int:
    if kind not in translated.WHOLE_BANKS:
        return 0
    # Where a program jumps to by a table nobody can tell beforehand: so it is watched for a while.
    game = Game(name, np.frombuffer(image, np.uint8), kind)
    roots = {(int(bank), int(pc)) for bank, pc in np.argwhere(traced(game))}
    resets = game.rom.reshape(-1, 4096)[:, 0xFFC:0xFFE].astype(int) @ [1, 256]
    roots |= {(bank, int(pc)) for bank, pc in enumerate(resets)}
    return translated.compiled(game.rom, roots)


def player(
    game: Game, frames: int, pooled: bool, shades: np.ndarray | None = None
) -> Callable[..., Any]:
    """A function for JAX's programs: consoles [N, SIZE] and actions [N, frames] -> the consoles,
    the picture before the last one ([N, PIXELS] where they are `pooled`, else [N, 1], empty), the
    last one [N, PIXELS], and the 128 bytes of memory after each frame, [N, frames, 128]. Pictures
    show `shades` [128] of ale-py's palette, where they are given."""
    import jax.numpy as jnp

    played = for_jax(console.frames, {"program": lambda: program_of(game)})
    table = TABLE.copy()
    if shades is not None:
        table[-len(console.SHADES) :] = np.repeat(shades, 2)
    numbers = lambda: (jnp.asarray(game.rom), jnp.asarray(table))  # within whichever trace

    def turn(states: Any, actions: Any) -> Any:
        many = len(states)
        sizes = {"memories_out": 128 * frames, "last_out": PIXELS}
        sizes["before_out"] = PIXELS if pooled else 1
        *done, memories = played(
            actions, *numbers(), game.kind, 1 + pooled, int(pooled), 0, states,
            output_dims={name: (many, size) for name, size in sizes.items()},
        )  # fmt: skip
        return *done, memories.reshape(many, frames, 128)

    return turn


def for_jax(kernel: Any, on_cpu: Mapping[str, Callable[[], int]] | None = None) -> Any:
    """A kernel as a function for JAX's programs. What it returns, its parameters' names say: arrays
    that end in `_in` are only read, those in `_out` are made for it, others change in place. The
    numbers `on_cpu` are asked for when it is called, since they are this process's own; elsewhere
    they are 0."""
    own = on_cpu or {}
    whole = inspect.signature(kernel.func)
    signature = whole.replace(
        parameters=[x for x in whole.parameters.values() if x.name not in {*own, "begin"}]
    )

    def launched(*given: Any) -> None:
        device: Any = next(x.device for x in given if isinstance(x, wp.array))
        rest = iter(given)
        shared(
            kernel,
            [
                (own[name]() if device.is_cpu else 0) if name in own else next(rest)
                for name in whole.parameters
                if name != "begin"
            ],
        )

    arrays = [x.name for x in signature.parameters.values() if isinstance(x.annotation, wp.array)]
    returned = [name for name in arrays if not name.endswith("_in")]
    in_place = [name for name in returned if not name.endswith("_out")]
    launched.__signature__ = signature  # type: ignore[attr-defined]
    launched.__annotations__ = {x.name: x.annotation for x in signature.parameters.values()}
    launched.__name__ = launched.__qualname__ = kernel.func.__name__
    return wp.jax_callable(launched, num_outputs=len(returned), in_out_argnames=in_place)


@cache
def _place(kernel: Any) -> int:
    """Which of a kernel's parameters says with which row it begins."""
    return list(inspect.signature(kernel.func).parameters).index("begin")


@cache
def _cores() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count())


def shared(kernel: Any, given: Sequence[Any]) -> None:
    """Run a kernel for every console: rows of the arrays that have two sides. A processor's cores
    take a share each; without that one would do all. With which row a share begins is the kernel's
    own parameter `begin`, since to cut the arrays would take longer than to play a frame."""
    many = next(len(x) for x in given if getattr(x, "ndim", 0) == 2)
    device: Any = next(x.device for x in given if isinstance(x, wp.array))
    parts = min(os.cpu_count() or 1, many) if device.is_cpu else 1
    cuts = [many * i // parts for i in range(parts + 1)]
    place = _place(kernel)

    def part(begin: int, end: int) -> None:
        inputs = [*given[:place], begin, *given[place:]]
        wp.launch(kernel, dim=end - begin, inputs=inputs, device=device)

    others = [_cores().submit(part, *cut) for cut in pairwise(cuts[1:])]
    part(cuts[0], cuts[1])
    for other in others:
        other.result()
