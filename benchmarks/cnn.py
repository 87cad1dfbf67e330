"""Ways to compute a small convolutional network on this machine, and how long each takes.

    python benchmarks/cnn.py              two minutes
    python benchmarks/cnn.py --large      pictures of Atari's size, a few minutes more

Each row is one form of the same convolution. Forward: Q of a batch. Gradient: that of a loss of Q
in all weights, which is what a gradient step takes beside its optimizer. The fastest of several
calls.
"""

import sys
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

HIDDEN, ACTIONS = {10: 128, 84: 512}, 6
LAYERS = {10: [(16, 3, 1)], 84: [(32, 8, 4), (64, 4, 2), (64, 3, 1)]}
CHANNELS = {10: 7, 84: 4}
BATCHES = {10: (32, 128, 256, 1024), 84: (32, 256)}

Picture = Float[Array, "B H W C"]
Kernel = Float[Array, "i j C filters"]


def native(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """XLA's own convolution."""
    form = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "VALID", dimension_numbers=form
    )


def native_channels_first(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """XLA's own, channels before rows and columns."""
    form = ("NCHW", "HWIO", "NCHW")
    x = jnp.moveaxis(x, -1, 1)
    y = jax.lax.conv_general_dilated(x, kernel, (stride, stride), "VALID", dimension_numbers=form)
    return jnp.moveaxis(y, 1, -1)


def native_patches(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """XLA's patches, then a matrix product."""
    form = ("NHWC", "HWIO", "NHWC")
    patches = jax.lax.conv_general_dilated_patches(
        x, kernel.shape[:2], (stride, stride), "VALID", dimension_numbers=form
    )  # [..., C * i * j]
    return patches @ jnp.moveaxis(kernel, 2, 0).reshape(-1, kernel.shape[-1])


def slices(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """Patches from shifted slices, then a matrix product."""
    size = kernel.shape[0]
    h, w = ((n - size) // stride + 1 for n in x.shape[1:3])
    at = lambda i, n: slice(i, i + (n - 1) * stride + 1, stride)
    taps = [x[:, at(i, h), at(j, w)] for i in range(size) for j in range(size)]
    return jnp.concatenate(taps, -1) @ kernel.reshape(-1, kernel.shape[-1])


def blocks(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """Squares of stride x stride pixels become one of more channels first; then as `slices`."""
    size, (batch, height, width, channels) = kernel.shape[0], x.shape
    if size % stride or height % stride or width % stride:
        return slices(x, kernel, stride)
    x = x.reshape(batch, height // stride, stride, width // stride, stride, channels)
    x = x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // stride, width // stride, -1)
    n = size // stride
    kernel = kernel.reshape(n, stride, n, stride, *kernel.shape[2:]).transpose(0, 2, 1, 3, 4, 5)
    return slices(x, kernel.reshape(n, n, -1, kernel.shape[-1]), 1)


def gather(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """Patches by one gather, then a matrix product."""
    size = kernel.shape[0]
    rows, columns = (
        np.arange((n - size) // stride + 1)[:, None] * stride + np.arange(size)
        for n in x.shape[1:3]
    )  # [h, i], [w, j]
    patches = x[:, rows[:, None, :, None], columns[None, :, None, :]]  # [B, h, w, i, j, C]
    return patches.reshape(*patches.shape[:3], -1) @ kernel.reshape(-1, kernel.shape[-1])


def taps(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """A matrix product for each square of the kernel, added up."""
    size = kernel.shape[0]
    h, w = ((n - size) // stride + 1 for n in x.shape[1:3])
    at = lambda i, n: slice(i, i + (n - 1) * stride + 1, stride)
    return sum(x[:, at(i, h), at(j, w)] @ kernel[i, j] for i in range(size) for j in range(size))


def band(kernel: Kernel, width: int, stride: int) -> Float[Array, "i width C w filters"]:
    """The kernel at each column it can stand at: what takes whole rows to a row of outputs."""
    size = kernel.shape[1]
    w = (width - size) // stride + 1
    column, out, j = np.arange(width)[:, None, None], np.arange(w)[:, None], np.arange(size)
    place = jnp.asarray(column == out * stride + j, jnp.float32)  # [width, w, j]
    return jnp.einsum("xwj,ijcf->ixcwf", place, kernel)


def rows(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """Whole rows to rows of outputs, in one matrix product: each weight once for each column."""
    size, (batch, height, width, channels) = kernel.shape[0], x.shape
    matrix = band(kernel, width, stride)
    h, (w, filters) = (height - size) // stride + 1, matrix.shape[3:]
    flat = x.reshape(batch, height, width * channels)
    picked = [flat[:, i : i + (h - 1) * stride + 1 : stride] for i in range(size)]
    y = jnp.concatenate(picked, -1) @ matrix.reshape(-1, w * filters)
    return y.reshape(batch, h, w, filters)


def dense(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """The whole picture in one matrix product: each weight once for each square of the output."""
    size, (batch, height, width, _) = kernel.shape[0], x.shape
    matrix = band(kernel, width, stride)
    h, (w, filters) = (height - size) // stride + 1, matrix.shape[3:]
    row, out, i = np.arange(height)[:, None, None], np.arange(h)[:, None], np.arange(size)
    place = jnp.asarray(row == out * stride + i, jnp.float32)
    matrix = jnp.einsum("yhi,ixcwf->yxchwf", place, matrix).reshape(-1, h * w * filters)
    return (x.reshape(batch, -1) @ matrix).reshape(batch, h, w, filters)


FORMS = {10: (native, native_channels_first, native_patches, slices, gather, taps, rows, dense)}
FORMS[84] = (native, native_channels_first, native_patches, slices, blocks, gather, rows)


def weights(side: int) -> list[Array]:
    rng, channels, height = np.random.default_rng(0), CHANNELS[side], side
    shapes: list[tuple[int, ...]] = []
    for filters, size, stride in LAYERS[side]:
        shapes.append((size, size, channels, filters))
        channels, height = filters, (height - size) // stride + 1
    shapes += [(height * height * channels, HIDDEN[side]), (HIDDEN[side], ACTIONS)]
    return [jnp.asarray(rng.normal(size=s) / np.prod(s[:-1]) ** 0.5, jnp.float32) for s in shapes]


def q(form: Callable, layers: list, parameters: list[Array], obs: Array) -> Float[Array, "B A"]:
    x = obs.astype(jnp.float32) / (255 if obs.dtype == jnp.uint8 else 1)
    for kernel, (_, _, stride) in zip(parameters, layers, strict=False):
        x = jax.nn.relu(form(x, kernel, stride))
    hidden, out = parameters[len(layers) :]
    return jax.nn.relu(x.reshape(len(obs), -1) @ hidden) @ out


def fastest(function: Callable, *arguments, seconds: float = 0.5) -> float:
    """Seconds of the fastest call within about `seconds`, compiling left out."""
    compiled = jax.jit(function)
    jax.block_until_ready(compiled(*arguments))
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        best = min(best, time.perf_counter() - start)
    return best


def main(side: int) -> None:
    parameters, layers = weights(side), LAYERS[side]
    rng = np.random.default_rng(1)
    kind = (lambda x: x < 0.1) if side == 10 else (lambda x: (255 * x).astype(np.uint8))
    print(f"{side} x {side} x {CHANNELS[side]}, milliseconds, on {jax.devices()[0].device_kind}")
    print(f"\n{'batch':24s}" + "".join(f"{b:>18d}" for b in BATCHES[side]))
    print(f"{'':24s}" + f"{'forward  gradient':>18s}" * len(BATCHES[side]))
    right = None
    for form in FORMS[side]:
        line = f"{form.__name__:24s}"
        for batch in BATCHES[side]:
            obs = jnp.asarray(kind(rng.random((batch, side, side, CHANNELS[side]))))
            forward = lambda p, obs: q(form, layers, p, obs)  # noqa: B023
            gradient = jax.grad(lambda p, obs: jnp.square(forward(p, obs)).mean())  # noqa: B023
            line += f"{1e3 * fastest(forward, parameters, obs):9.3f}"
            line += f"{1e3 * fastest(gradient, parameters, obs):9.3f}"
        probe = jnp.asarray(kind(np.random.default_rng(2).random((8, *obs.shape[1:]))))
        found = np.asarray(q(form, layers, parameters, probe))
        right = found if right is None else right
        np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-4)
        print(line, flush=True)


if __name__ == "__main__":
    main(10)
    if "--large" in sys.argv:
        print()
        main(84)
