"""What a learner sees of screens: the brightest of them, in gray or in color, made smaller.

A smaller picture holds the means of areas, computed in the order in which OpenCV does it, so that
it is ale-py's to the bit. Most rows of a screen are like the row above, which is what makes it
quick: such a row is not looked at twice.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from palestra.envs.atari2600.emulator import for_jax
from palestra.envs.atari2600.started import wp
from palestra.envs.atari2600.tia import Picture

# A product is rounded before it is added, as in OpenCV.
wp.set_module_options({"fuse_fp": False, "cpu_compiler_flags": "-march=native -ffp-contract=off"})

ROWS, COLUMNS = 210, 160  # of the screen
Numbers, Places = wp.array(dtype=wp.float32), wp.array(dtype=wp.int32)


class Areas(NamedTuple):
    """Which old pixels lie in each new one along a side, and with which weights."""

    first: np.ndarray  # int32 [new], of `most` old ones in a row
    weights: np.ndarray  # float32 [new, most]; 0 of those that are not in it


@cache
def areas(old: int, new: int, whole: bool) -> Areas:
    """The areas of a side of `old` pixels; with weights of 1 where all pixels are in them whole."""
    edges = np.arange(new + 1) * (old / new)
    first = np.floor(edges[:-1] + 1e-3).astype(np.int32)
    last = np.ceil(edges[1:] - 1e-3).astype(np.int32)
    most = (last - first).max()
    start = np.minimum(first, old - most)
    place = start[:, None] + np.arange(most)
    inside = np.minimum(edges[1:, None], place + 1) - np.maximum(edges[:-1, None], place)
    there = (first[:, None] <= place) & (place < last[:, None])
    weights = np.where(there, 1.0 if whole else inside / (old / new), 0.0)
    return Areas(start, weights.astype(np.float32))


# Six loops over a row, in the language that Warp's kernels become: so written, the compiler does
# many numbers at once, which it does not do through Warp's arrays (four times as fast).
@wp.func_native("""
    const uint8_t *a = &screen.data[160 * y], *b = &screen.data[160 * other];
    unsigned char differs = 0;
    for (int x = 0; x < 160; ++x) differs |= a[x] ^ b[x];
    return differs == 0;
""")
def same(screen: Picture, y: int, other: int) -> bool:  # type: ignore[empty-body]
    """Whether two rows of a screen are the same."""
    ...


@wp.func_native("""
    for (int x = 0; x < 160; ++x) {
        const uint8_t *a = &shades.data[(one.data[160 * y + x] >> 1) * channels];
        const uint8_t *b = &shades.data[(other.data[160 * y + x] >> 1) * channels];
        for (int c = 0; c < channels; ++c) row.data[x * channels + c] = a[c] > b[c] ? a[c] : b[c];
    }
""")
def brighter(
    one: Picture, other: Picture, y: int, shades: Picture, channels: int, row: Numbers
) -> None:
    """The brighter of two screens in row y, color by color."""
    ...


@wp.func_native("""
    for (int k = 0; k < count; ++k) narrow.data[k] = 0.0f;
    for (int j = 0; j < most; ++j)
        for (int k = 0; k < count; ++k)
            narrow.data[k] += row.data[lefts.data[k] + j * channels] * weights.data[j * count + k];
""")
def narrower(
    row: Numbers, lefts: Places, weights: Numbers, most: int, channels: int, count: int,
    narrow: Numbers,
) -> None:  # fmt: skip
    """A row, made narrower."""
    ...


@wp.func_native("""
    for (int k = 0; k < count; ++k)
        total.data[k] = down * row.data[k] + (begun ? total.data[k] : 0.0f);
""")
def add(total: Numbers, row: Numbers, down: float, count: int, begun: bool) -> None:
    """A share of a row, added to the row that is under way."""
    ...


@wp.func_native("""
    for (int k = 0; k < count; ++k) {
        float value = total.data[k] * share;
        picture.data[k] = (uint8_t)(half_up ? floorf(value + 0.5f) : rintf(value));
    }
""")
def rounded(total: Numbers, share: float, half_up: int, count: int, picture: Picture) -> None:
    """A row of the picture, from its sum."""
    ...


@wp.func_native("""
    const uint8_t *from = &old.data[at * depth];
    uint8_t *to = &seen.data[at * depth];
    const int newest = depth - channels, count = width * depth - channels;
    const uint8_t *shown = again ? from + newest : row.data;
    const int step = again ? depth : channels;
    for (int k = 0; k < count; ++k) to[k] = from[k + channels];
    for (int x = 0; x < width; ++x)
        for (int c = 0; c < channels; ++c) to[x * depth + newest + c] = shown[x * step + c];
""")
def stacked(
    old: Picture, row: Picture, again: bool, at: int, width: int, depth: int, channels: int,
    seen: Picture,
) -> None:  # fmt: skip
    """A row of what was seen, without its oldest picture, and with a row of the newest one: the
    last one's where that is shown `again`."""
    ...


@wp.kernel(enable_backward=False)
def smaller(
    # read
    one_in: wp.array2d(dtype=wp.uint8),
    other_in: wp.array2d(dtype=wp.uint8),
    seen_in: wp.array2d(dtype=wp.uint8),
    again_in: wp.array2d(dtype=wp.bool),
    shades_in: wp.array(dtype=wp.uint8),
    tops_in: wp.array(dtype=wp.int32),
    downs_in: wp.array(dtype=wp.float32),
    lefts_in: wp.array(dtype=wp.int32),
    acrosses_in: wp.array(dtype=wp.float32),
    # numbers
    begin: int,
    channels: int,
    share: float,
    half_up: int,
    # written
    row_out: wp.array2d(dtype=wp.float32),
    narrow_out: wp.array2d(dtype=wp.float32),
    total_out: wp.array2d(dtype=wp.float32),
    shown_out: wp.array2d(dtype=wp.uint8),
    seen_out: wp.array2d(dtype=wp.uint8),
):
    """What is seen [height * width * depth] with the brighter of two screens, made smaller, in
    place of its oldest picture; with the last picture again where that is wished."""
    i = wp.tid() + begin
    one = one_in[i]
    other = other_in[i]
    narrow = narrow_out[i]
    total = total_out[i]
    width = lefts_in.shape[0] // channels
    depth = seen_in.shape[1] // (tops_in.shape[0] * width)
    count = lefts_in.shape[0]
    most = acrosses_in.shape[0] // count
    reach = downs_in.shape[0] // tops_in.shape[0]
    held = int(-1)  # which row of the screen is in `narrow`
    for r in range(tops_in.shape[0]):
        begun = bool(False)
        for j in range(reach):
            down = downs_in[r * reach + j]
            if down != 0.0:
                y = tops_in[r] + j
                known = y == held
                if not known and held >= 0:
                    known = same(one, y, held) and same(other, y, held)
                if not known:
                    brighter(one, other, y, shades_in, channels, row_out[i])
                    narrower(row_out[i], lefts_in, acrosses_in, most, channels, count, narrow)
                held = y
                add(total, narrow, down, count, begun)
                begun = True
        rounded(total, share, half_up, count, shown_out[i])
        stacked(
            seen_in[i], shown_out[i], again_in[i, 0], r * width, width, depth, channels, seen_out[i]
        )  # fmt: skip


def shrinker(height: int, width: int, shades: np.ndarray) -> Any:
    """A function for JAX's programs, of two screens [N, 33600] in ale-py's palette, of what was
    seen before, [N, height, width, depth], and of whether [N] its last picture is to be seen again:
    what is seen now, in the `shades` [128, channels] of its colors."""
    import jax.numpy as jnp

    whole = ROWS % height == COLUMNS % width == 0
    downs, acrosses = areas(ROWS, height, whole), areas(COLUMNS, width, whole)
    share = height * width / (ROWS * COLUMNS) if whole else 1.0
    half_up = int(2 * height == ROWS and 2 * width == COLUMNS)
    channels = shades.shape[1]
    made = for_jax(smaller)
    most = acrosses.weights.shape[1]
    lefts = (acrosses.first[:, None] * channels + np.arange(channels)).astype(np.int32).ravel()
    weights = np.broadcast_to(acrosses.weights.T[..., None], (most, width, channels))
    tables = (
        shades.ravel(),
        downs.first,
        downs.weights.ravel(),
        lefts,
        weights.ravel(),
    )
    numbers = lambda: tuple(map(jnp.asarray, tables))  # in whichever trace

    def smaller_of(one: Any, other: Any, seen: Any, again: Any) -> Any:
        many, each = len(one), width * channels
        sizes = {"row_out": (many, COLUMNS * channels), "seen_out": (many, seen[0].size)}
        sizes |= {f"{name}_out": (many, each) for name in ("narrow", "total", "shown")}
        given = one, other, seen.reshape(many, -1), again[:, None], *numbers()
        *_, seen_now = made(*given, channels, share, half_up, output_dims=sizes)
        return seen_now.reshape(seen.shape)

    return smaller_of


@wp.func_native("""
    for (int x = 0; x < width; ++x) {
        row.data[x] = 0;
        for (int j = 0; j < block; ++j)
            for (int k = 0; k < block; ++k) {
                const int at = 160 * (top + 2 * (block * y + j)) + 2 * (block * x + k);
                const uint8_t a = shades.data[one.data[at] >> 1];
                const uint8_t b = shades.data[other.data[at] >> 1];
                const uint8_t shown = ink.data[a > b ? a : b];
                if (shown > row.data[x]) row.data[x] = shown;
            }
    }
""")
def inked(
    one: Picture, other: Picture, y: int, top: int, block: int, width: int, shades: Picture,
    ink: Picture, row: Picture,
) -> None:  # fmt: skip
    """A row of Pong's court: of every second pixel of two screens the brighter one's ink, of
    `block` x `block` of them the brightest."""
    ...


@wp.kernel(enable_backward=False)
def court(
    # read
    one_in: wp.array2d(dtype=wp.uint8),
    other_in: wp.array2d(dtype=wp.uint8),
    seen_in: wp.array2d(dtype=wp.uint8),
    again_in: wp.array2d(dtype=wp.bool),
    shades_in: wp.array(dtype=wp.uint8),
    ink_in: wp.array(dtype=wp.uint8),
    # numbers
    begin: int,
    top: int,
    height: int,
    # written
    shown_out: wp.array2d(dtype=wp.uint8),
    seen_out: wp.array2d(dtype=wp.uint8),
):
    """What is seen [height * height * depth] with Pong's court in place of its oldest picture; with
    the last picture again where that is wished."""
    i = wp.tid() + begin
    depth = seen_in.shape[1] // (height * height)
    for y in range(height):
        inked(
            one_in[i], other_in[i], y, top, 80 // height, height, shades_in, ink_in, shown_out[i]
        )  # fmt: skip
        stacked(
            seen_in[i], shown_out[i], again_in[i, 0], y * height, height, depth, 1, seen_out[i]
        )  # fmt: skip


def cropper(height: int, top: int, shades: np.ndarray, ink: np.ndarray) -> Any:
    """The same as of `shrinker`, of Pong's court, whose first row is `top`, 80 or 40 pixels high:
    in the `ink` [256] of the `shades` [128] of the screen's colors."""
    import jax.numpy as jnp

    made = for_jax(court)
    numbers = lambda: (jnp.asarray(shades), jnp.asarray(ink))  # in whichever trace

    def court_of(one: Any, other: Any, seen: Any, again: Any) -> Any:
        many = len(one)
        sizes = {"shown_out": (many, height), "seen_out": (many, seen[0].size)}
        given = one, other, seen.reshape(many, -1), again[:, None], *numbers()
        *_, seen_now = made(*given, top, height, output_dims=sizes)
        return seen_now.reshape(seen.shape)

    return court_of
