"""Ways to compute a small convolutional network on this machine, and how long each takes.

    taskset -c 1 python benchmarks/cnn.py               all of them: half an hour
    taskset -c 1 python benchmarks/cnn.py 10            a size of picture: 10, 42 or 84
    taskset -c 1 python benchmarks/cnn.py networks      networks for 42 x 42 instead, in our form

Each row is one form of the same convolutions. Forward: Q of a batch. Gradient: that of a loss of Q
in all weights, which is what a gradient step takes beside its optimizer. In a loop: a gradient step
of a scan over several, as training programs have it. There memory is allocated once, and XLA's own
convolutions lose their fast path. Processor time of the fastest of several calls, so that on one
core little depends on what else the machine does.
"""

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

ACTIONS = 6


class Net(NamedTuple):
    """A network, and the batches it is measured with."""

    name: str
    side: int
    channels: int
    layers: list[tuple[int, int, int]]  # filters, width, stride
    hidden: int
    forward: tuple[int, ...]
    gradient: tuple[int, ...]


NATURE = [(32, 8, 4), (64, 4, 2), (64, 3, 1)]
SMALL = (1, 32, 128, 1024), (32, 128, 256)
LARGE = (1, 8, 32), (32, 128, 256)
NETS = [
    Net("MinAtar", 10, 7, [(16, 3, 1)], 128, *SMALL),
    Net("Atari, for laptops", 42, 4, [(16, 6, 3), (32, 3, 2)], 256, *LARGE),
    Net("Atari, Mnih et al. (2013)", 84, 4, [(16, 8, 4), (32, 4, 2)], 256, *LARGE),
    Net("Atari, Mnih et al. (2015)", 84, 4, NATURE, 512, *LARGE),
]
TRIED = [
    [(16, 8, 4), (32, 4, 2)],
    [(16, 6, 3), (32, 3, 2)],
    [(16, 6, 3), (32, 4, 2)],
    [(16, 5, 3), (32, 3, 2)],
    [(16, 3, 3), (32, 4, 2)],
    [(32, 6, 3), (32, 3, 2)],
    [(16, 4, 2), (32, 4, 3)],
    [(16, 4, 2), (16, 4, 2), (32, 3, 2)],
    [(16, 4, 2), (32, 4, 2), (32, 3, 2)],
    [(16, 3, 2), (32, 3, 2), (32, 3, 2)],
    [(32, 3, 2), (32, 3, 2), (32, 3, 2), (32, 3, 2)],
]

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


def squares(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """Patches cut out whole, by one gather of squares, then a matrix product. Ours."""
    size = kernel.shape[0]
    h, w = (stride * jnp.arange((n - size) // stride + 1) for n in x.shape[1:3])

    def patches(x: Float[Array, "H W C"]) -> Float[Array, "h w patch"]:
        shape = (size, size, x.shape[2])
        square = lambda i, j: jax.lax.dynamic_slice(x, (i, j, 0), shape).ravel()
        return jax.vmap(jax.vmap(square, (None, 0)), (0, None))(h, w)

    return jax.vmap(patches)(x) @ kernel.reshape(-1, kernel.shape[-1])


def slices(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """Patches from shifted slices, then a matrix product."""
    size = kernel.shape[0]
    h, w = ((n - size) // stride + 1 for n in x.shape[1:3])
    at = lambda i, n: slice(i, i + (n - 1) * stride + 1, stride)
    taps = [x[:, at(i, h), at(j, w)] for i in range(size) for j in range(size)]
    return jnp.concatenate(taps, -1) @ kernel.reshape(-1, kernel.shape[-1])


def blocks(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """Squares of stride x stride pixels become one of more channels first; then as `slices`."""
    size = kernel.shape[0]
    if size % stride:
        return slices(x, kernel, stride)
    batch, height, width, channels = x.shape
    height, width = ((n - size) // stride * stride + size for n in (height, width))
    x = x[:, :height, :width]
    x = x.reshape(batch, height // stride, stride, width // stride, stride, channels)
    x = x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // stride, width // stride, -1)
    n = size // stride
    kernel = kernel.reshape(n, stride, n, stride, *kernel.shape[2:]).transpose(0, 2, 1, 3, 4, 5)
    return slices(x, kernel.reshape(n, n, -1, kernel.shape[-1]), 1)


def gather(x: Picture, kernel: Kernel, stride: int) -> Picture:
    """Patches by one gather of single pixels, then a matrix product."""
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


FORMS = [native, native_channels_first, native_patches, squares, slices, blocks, gather]
FEW_FORMS = [taps, rows, dense]  # for small pictures


def count(net: Net) -> tuple[list[tuple[int, ...]], int]:
    """The shapes of the weights, and how many multiplications a picture takes."""
    channels, side, shapes, work = net.channels, net.side, [], 0
    for filters, size, stride in net.layers:
        side = (side - size) // stride + 1
        shapes.append((size, size, channels, filters))
        work += side * side * size * size * channels * filters
        channels = filters
    dense = [(side * side * channels, net.hidden), (net.hidden, ACTIONS)]
    return [*shapes, *dense], work + sum(a * b for a, b in dense)


def weights(net: Net) -> list[Array]:
    rng = np.random.default_rng(0)
    start = lambda s: jnp.asarray(rng.normal(size=s) / np.prod(s[:-1]) ** 0.5, jnp.float32)
    return [start(s) for s in count(net)[0]]


def pictures(net: Net, batch: int) -> Array:
    x = np.random.default_rng(1).random((batch, net.side, net.side, net.channels))
    return jnp.asarray(x < 0.1 if net.side == 10 else (255 * x).astype(np.uint8))


def q(form: Callable, net: Net, parameters: list[Array], obs: Array) -> Float[Array, "B A"]:
    x = obs.astype(jnp.float32) / (255 if obs.dtype == jnp.uint8 else 1)
    for kernel, (_, _, stride) in zip(parameters, net.layers, strict=False):
        x = jax.nn.relu(form(x, kernel, stride))
    hidden, out = parameters[len(net.layers) :]
    return jax.nn.relu(x.reshape(len(obs), -1) @ hidden) @ out


def fastest(function: Callable, *arguments: Any, seconds: float = 0.5) -> float:
    """Milliseconds of processor time of the fastest call within about `seconds` of it, compiling
    left out."""
    compiled = jax.jit(function)
    jax.block_until_ready(compiled(*arguments))
    best, end = np.inf, time.process_time() + seconds
    while time.process_time() < end:
        start = time.process_time()
        jax.block_until_ready(compiled(*arguments))
        best = min(best, time.process_time() - start)
    return 1e3 * best


def measure(form: Callable, net: Net) -> list[float]:
    parameters = weights(net)
    forward = lambda p, obs: q(form, net, p, obs)
    gradient = jax.grad(lambda p, obs: jnp.square(forward(p, obs)).mean())
    steps = 4

    def loop(p: list[Array], batches: Array) -> list[Array]:
        descend = lambda p, obs: jax.tree.map(lambda w, g: w - 1e-4 * g, p, gradient(p, obs))
        return jax.lax.scan(lambda p, obs: (descend(p, obs), None), p, batches)[0]

    times = [fastest(forward, parameters, pictures(net, b)) for b in net.forward]
    times += [fastest(gradient, parameters, pictures(net, b)) for b in net.gradient]
    for b in net.gradient[:2]:
        batches = jnp.stack([pictures(net, b)] * steps)
        times.append(fastest(loop, parameters, batches) / steps)
    return times


def line(*cells: object) -> None:
    print("|", " | ".join(f"{x:.3f}" if isinstance(x, float) else str(x) for x in cells), "|")
    sys.stdout.flush()


def head(net: Net, *first: str) -> None:
    columns = [f"forward {b}" for b in net.forward] + [f"gradient {b}" for b in net.gradient]
    columns += [f"in a loop {b}" for b in net.gradient[:2]]
    line(*first, *columns)
    line(*["---"] * (len(first) + len(columns)))


def table(net: Net) -> None:
    """The forms of one network. They must agree."""
    print(f"\n{net.name}: {net.side} x {net.side} x {net.channels}, {words(net)}, milliseconds\n")
    head(net, "form")
    right = q(native, net, weights(net), pictures(net, 8))
    for form in FORMS + (FEW_FORMS if net.side == 10 else []):
        found = q(form, net, weights(net), pictures(net, 8))
        np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-4)
        line(form.__name__, *measure(form, net))


def networks() -> None:
    """Networks for 42 x 42, all in our form."""
    net = next(net for net in NETS if net.side == 42)
    head(net, "layers of 42 x 42 x 4", "million products")
    for layers in TRIED:
        tried = net._replace(layers=layers)
        line(words(tried), f"{count(tried)[1] / 1e6:.2f}", *measure(squares, tried))


def words(net: Net) -> str:
    """16 6x6/3: sixteen filters of 6 x 6, every 3 pixels."""
    layers = [f"{filters} {size}x{size}/{stride}" for filters, size, stride in net.layers]
    return ", ".join([*layers, f"{net.hidden} hidden"])


if __name__ == "__main__":
    if sys.argv[1:] == ["networks"]:
        networks()
    else:
        sizes = [int(size) for size in sys.argv[1:]] or [10, 42, 84]
        for net in NETS:
            if net.side in sizes:
                table(net)
