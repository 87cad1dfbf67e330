"""What a learner sees of screens: the brightest of them, in gray or in color, made smaller.

A smaller picture holds the means of areas, to the bit as OpenCV computes them for ale-py. Sums are
taken of integers, in whatever order is quick; only where such a mean lies between two numbers, so
that roundings on the way decide, is it computed as OpenCV does it. Most rows of a screen are like
the row above, and are not looked at twice.
"""

from functools import cache
from math import gcd
from typing import Any, NamedTuple

import numpy as np

from palestra.envs.atari2600.emulator import for_jax
from palestra.envs.atari2600.started import wp
from palestra.envs.atari2600.tia import Picture
from palestra.envs.host.atari import LARGEST

# A product is rounded before it is added, as in OpenCV.
wp.set_module_options({"fuse_fp": False, "cpu_compiler_flags": "-march=native -ffp-contract=off"})

ROWS, COLUMNS = 210, 160  # of the screen
Places = wp.array(dtype=wp.int32)


class Areas(NamedTuple):
    """Which old pixels lie in each new one along a side, and with how many of its `parts`."""

    first: np.ndarray  # int32 [new], of `most` old ones in a row
    shares: np.ndarray  # int32 [new, most]; 0 of those that are not in it
    parts: int


@cache
def areas(old: int, new: int) -> Areas:
    """The areas of a side of `old` pixels."""
    parts, pixel = old // gcd(old, new), new // gcd(old, new)  # of a new pixel, of an old one
    begin = np.arange(new) * parts
    first = begin // pixel
    most = int((-(-(begin + parts) // pixel) - first).max())
    first = np.minimum(first, old - most)
    place = (first[:, None] + np.arange(most)) * pixel
    end = np.minimum(begin[:, None] + parts, place + pixel)
    shares = np.maximum(end - np.maximum(begin[:, None], place), 0)
    return Areas(first.astype(np.int32), shares.astype(np.int32), parts)


# In the language that Warp's kernels become: there the compiler does many numbers at once, which it
# does not do through Warp's arrays.
STACKED = """
    auto stacked = [&](const uint8_t *row, int at, int width, int depth, int channels) {
        if (depth == 4 && channels == 1) {
            const uint32_t *from = (const uint32_t *)old.data + at;
            uint32_t *to = (uint32_t *)seen.data + at;
            for (int x = 0; x < width; ++x) {
                to[x] = from[x] >> 8 | (again ? from[x] >> 24 : row[x]) << 24;
            }
            return;
        }
        const uint8_t *from = old.data + at * depth;
        uint8_t *to = seen.data + at * depth;
        for (int x = 0; x < width; ++x, from += depth, to += depth) {
            for (int k = 0; k < depth - channels; ++k) to[k] = from[k + channels];
            for (int c = 0; c < channels; ++c) {
                const int k = depth - channels + c;
                to[k] = again ? from[k] : row[x * channels + c];
            }
        }
    };
"""


@wp.func_native(STACKED + "stacked(row.data, at, width, depth, channels);")
def stacked(
    old: Picture, row: Picture, again: bool, at: int, width: int, depth: int, channels: int,
    seen: Picture,
) -> None:  # fmt: skip
    """A row of what was seen, without its oldest picture, and with a row of the newest one: the
    last one's where that is shown `again`."""
    ...


SEEN = """
    const int wide = 160 * channels, height = tops.shape[0], count = lefts.shape[0];
    const int reach = downs.shape[0] / height, most = acrosses.shape[0] / count;
    const int depth = (int)(seen.shape[0] / (height * (count / channels)));
    const uint8_t *shade = shades.data;
    const int *left = lefts.data, *across = acrosses.data;
    uint8_t light[480], shown[MOST];
    int sums[480], totals[MOST];
    float values[MOST];
    const float mean = 1.0f / (float)(parts_down * parts_across);
    // How far the roundings of a mean in floats may lead.
    const float doubt = half_up ? -1.0f : (float)(reach + most + 8) * 256.0f / 8388608.0f;

    auto same = [&](int y, int other_y) {
        const uint8_t *a = one.data + 160 * y, *b = one.data + 160 * other_y;
        const uint8_t *c = other.data + 160 * y, *d = other.data + 160 * other_y;
        unsigned char differs = 0;
        for (int x = 0; x < 160; ++x) differs |= (a[x] ^ b[x]) | (c[x] ^ d[x]);
        return differs == 0;
    };
    auto brighter = [&](int y, int x, int c) {
        uint8_t a = one.data[160 * y + x], b = other.data[160 * y + x];
        if (channels > 1) {
            a = shade[(a >> 1) * channels + c];
            b = shade[(b >> 1) * channels + c];
        }
        return a > b ? a : b;
    };
    // A mean in the order of OpenCV, each product rounded before it is added.
    auto rounded = [&](int r, int k) {
        const int c = k % channels, x = left[k] / channels;
        float total = 0.0f;
        for (int j = 0; j < reach; ++j) {
            const int down = downs.data[r * reach + j];
            if (!down) continue;
            float row = 0.0f;
            for (int i = 0; i < most; ++i) {
                const int n = across[i * count + k];
                const float share = whole ? (float)n : (float)n / (float)parts_across;
                if (n) row += (float)brighter(tops.data[r] + j, x + i, c) * share;
            }
            total += (whole ? (float)down : (float)down / (float)parts_down) * row;
        }
        if (whole) total *= mean;
        return (uint8_t)(half_up ? floorf(total + 0.5f) : rintf(total));
    };

    int held = -1;       // which row of the screens is in `light`
    bool clear = false;  // `shown` is what rows like that alone become
    for (int r = 0; r < height; ++r) {
        int lasting = 0;   // how many parts of this row are like `light`
        bool some = false; // others are in `sums`
        auto summed = [&]() {
            if (some) for (int k = 0; k < wide; ++k) sums[k] += lasting * light[k];
            else for (int k = 0; k < wide; ++k) sums[k] = lasting * light[k];
            some = true;
        };
        for (int j = 0; j < reach; ++j) {
            const int down = downs.data[r * reach + j], y = tops.data[r] + j;
            if (!down) continue;
            if (y != held && !(held >= 0 && same(y, held))) {
                if (lasting) summed();
                lasting = 0;
                if (channels == 1) for (int x = 0; x < 160; ++x) light[x] = brighter(y, x, 0);
                else for (int x = 0; x < 160; ++x)
                    for (int c = 0; c < channels; ++c) light[x * channels + c] = brighter(y, x, c);
                clear = false;
            }
            held = y;
            lasting += down;
        }
        if (some || !clear) {
            clear = !some;
            summed();
            for (int k = 0; k < count; ++k) totals[k] = 0;
            for (int i = 0; i < most; ++i)
                for (int k = 0; k < count; ++k)
                    totals[k] += across[i * count + k] * sums[left[k] + i * channels];
            int doubtful = 0;
            for (int k = 0; k < count; ++k) {
                values[k] = (float)totals[k] * mean + 0.5f;
                const float rest = values[k] - (float)(int)values[k];
                shown[k] = (uint8_t)(int)values[k];
                doubtful |= (rest <= doubt) | (rest >= 1.0f - doubt);
            }
            if (doubtful) {
                clear = false;
                for (int k = 0; k < count; ++k) {
                    const float rest = values[k] - (float)(int)values[k];
                    if (rest <= doubt || rest >= 1.0f - doubt) shown[k] = rounded(r, k);
                }
            }
        }
        stacked(shown, r * (count / channels), count / channels, depth, channels);
    }
""".replace("MOST", str(3 * LARGEST))


@wp.func_native(STACKED + SEEN)
def see(
    one: Picture, other: Picture, old: Picture, again: bool, shades: Picture, tops: Places,
    downs: Places, lefts: Places, acrosses: Places, channels: int, parts_down: int,
    parts_across: int, whole: bool, half_up: bool, seen: Picture,
) -> None:  # fmt: skip
    """What `smaller` says, of one console."""
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
    downs_in: wp.array(dtype=wp.int32),
    lefts_in: wp.array(dtype=wp.int32),
    acrosses_in: wp.array(dtype=wp.int32),
    # numbers
    begin: int,
    channels: int,
    parts_down: int,
    parts_across: int,
    whole: int,
    half_up: int,
    # written
    seen_out: wp.array2d(dtype=wp.uint8),
):
    """What is seen [height * width * depth] with the brighter of two screens, made smaller, in
    place of its oldest picture; with the last picture again where that is wished."""
    i = wp.tid() + begin
    see(
        one_in[i], other_in[i], seen_in[i], again_in[i, 0], shades_in, tops_in, downs_in, lefts_in,
        acrosses_in, channels, parts_down, parts_across, whole != 0, half_up != 0, seen_out[i],
    )  # fmt: skip


def shrinker(height: int, width: int, shades: np.ndarray | None = None) -> Any:
    """A function for JAX's programs, of two screens [N, 33600], of what was seen before, [N,
    height, width, depth], and of whether [N] its last picture is to be seen again: what is seen
    now. Screens are in ale-py's palette, of these `shades` [128, 3], or without them in gray."""
    import jax.numpy as jnp

    whole = ROWS % height == COLUMNS % width == 0
    downs, acrosses = areas(ROWS, height), areas(COLUMNS, width)
    half_up = int(2 * height == ROWS and 2 * width == COLUMNS)
    channels = 1 if shades is None else 3
    made = for_jax(smaller)
    lefts = (acrosses.first[:, None] * channels + np.arange(channels)).astype(np.int32)
    across = np.repeat(acrosses.shares.T, channels, axis=1)
    colors = np.zeros(1, np.uint8) if shades is None else shades
    arrays = colors, downs.first, downs.shares, lefts, across
    tables = tuple(array.ravel() for array in arrays)
    rest = channels, downs.parts, acrosses.parts, int(whole), half_up
    numbers = lambda: tuple(map(jnp.asarray, tables))  # in whichever trace

    def smaller_of(one: Any, other: Any, seen: Any, again: Any) -> Any:
        many = len(one)
        given = one, other, seen.reshape(many, -1), again[:, None], *numbers(), *rest
        (seen_now,) = made(*given, output_dims={"seen_out": (many, seen[0].size)})
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
