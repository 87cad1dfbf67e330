"""Throughput from 1 to 1,000 machines, by a small simulation: sweeps, actors, devices.

    python benchmarks/scale.py              a minute; the table, and docs/images/scale.png
    python benchmarks/scale.py --assumed    with the figures below in place of measured ones

What one machine does is measured here (`measure`): a claim in a sweep's folder, a checkpoint, one
step of an environment, a gradient's size. What lies between machines, and what a GPU does, is
assumed (`Net`). docs/scale.md tells what the model leaves out.
"""

import heapq
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

MACHINES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "scale.png"


class Own(NamedTuple):
    """What one machine does, in seconds and bytes."""

    claim: float = 2e-4  # to rename a run's folder, on a disk of its own
    checkpoint: float = 0.05  # to write one of a small PPO, down to the disk
    step: float = 2e-5  # of a Gymnasium environment with its vector's overhead
    gradient_bytes: int = 6_744_000  # of the network of Mnih et al. (2015)


class Net(NamedTuple):
    """What is assumed between machines."""

    bandwidth: float = 1.25e9  # bytes/s of each machine: 10 Gbit/s
    latency: float = 5e-5  # seconds, one way
    file_ops: float = 3_000.0  # a shared file system's renames, listings and writes a second
    spread: float = 0.1  # of how long the same work takes, as a deviation of its logarithm
    run: float = 900.0  # seconds that a run of a sweep trains
    runs_each: int = 10  # of a sweep, for each machine
    beats: float = 0.1  # signs of life a second of each worker
    heavy: float = 5e-3  # seconds of a step of a heavy environment
    envs_each: int = 16  # of them on each machine, a core each
    seen: int = 4_000  # bytes of an observation, with what goes along
    learner: float = 2e5  # environment steps a second that one learner takes
    gradient: float = 1e-3  # seconds of 256 pictures, on a GPU
    near: float = 1e11  # bytes/s where machines stand closer: NVLink or InfiniBand
    near_by: float = 5e-6  # seconds, one way, there


def sweep(machines: int, own: Own, net: Net, rng: np.random.Generator) -> float:
    """How many machines' worth of runs so many machines train: each claims, trains, looks again."""
    runs, server = net.runs_each * machines, 0.0
    busy = machines * net.beats / net.file_ops  # share of the file system for signs of life
    if busy >= 1:
        return 0.0
    free = [(0.0, machine) for machine in range(machines)]
    worked, ends = 0.0, 0.0
    for _ in range(runs):
        now, machine = heapq.heappop(free)
        # Whoever looks lists the folder, and meets those who look at the same moment.
        server = max(server, now) + (2 + runs / 1_000) / (net.file_ops * (1 - busy))
        lasts = net.run * rng.lognormal(0, net.spread)
        saved = lasts / 60 * own.checkpoint
        done = server + own.claim + lasts + saved
        worked, ends = worked + lasts, max(ends, done)
        heapq.heappush(free, (done, machine))
    return worked / ends


def actors(machines: int, own: Own, net: Net, rng: np.random.Generator) -> float:
    """Environment steps a second into one learner, from actors that step all together."""
    count, draws = machines * net.envs_each, 200
    slowest = net.heavy * rng.lognormal(0, net.spread, (draws, count)).max(1).mean()
    asked = 2 * net.latency + count * net.seen / net.bandwidth + count * own.step
    return count / max(slowest + asked, count / net.learner)


def devices(machines: int, own: Own, net: Net, rng: np.random.Generator) -> float:
    """How many machines' worth of gradients, with a batch of 256 pictures for each."""
    return gradients(machines, net.gradient, own, net, rng)


def near(machines: int, own: Own, net: Net, rng: np.random.Generator) -> float:
    """The same where machines stand closer."""
    return devices(machines, own, net._replace(bandwidth=net.near, latency=net.near_by), rng)


def one_batch(machines: int, own: Own, net: Net, rng: np.random.Generator) -> float:
    """The same with one batch of 8,192 for all of them."""
    close = net._replace(bandwidth=net.near, latency=net.near_by)
    return gradients(machines, 32 * net.gradient / machines, own, close, rng)


def gradients(machines: int, each: float, own: Own, net: Net, rng: np.random.Generator) -> float:
    """How many machines' worth, where each takes so many seconds for its part of a gradient."""
    slowest = each * rng.lognormal(0, net.spread, (200, machines)).max(1).mean()
    ring = 2 * (machines - 1) / machines * own.gradient_bytes / net.bandwidth
    hops = 2 * np.ceil(np.log2(machines)) * net.latency
    return machines * each / (slowest + ring + hops)


MODELS: dict[str, tuple[str, Callable[..., float]]] = {
    "sweep": ("a sweep's runs", sweep),
    "actors": ("heavy environments in actors", actors),
    "devices": ("devices, a batch for each", devices),
    "near": ("the same, InfiniBand", near),
    "one_batch": ("one batch for all, InfiniBand", one_batch),
}


def simulated(own: Own, net: Net) -> dict[str, list[float]]:
    """Throughput in multiples of one machine's, for each number of machines."""
    found = {}
    for name, (_, model) in MODELS.items():
        rates = [model(count, own, net, np.random.default_rng(count)) for count in MACHINES]
        found[name] = [rate / rates[0] for rate in rates]
    return found


def fastest(work: Callable[[], object], repeats: int = 20) -> float:
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def measure() -> Own:
    """This machine's figures."""
    import cnn
    import gymnasium

    from palestra.tools.runs import checkpoint

    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        (place / "run").mkdir()

        def claim() -> None:
            (place / "run").rename(place / "run@me")
            (place / "run@me").rename(place / "run")

        claimed = fastest(claim, 200) / 2
        arrays = {str(i): np.ones((64, 64), np.float32) for i in range(30)}
        kept = fastest(lambda: checkpoint.write(place, checkpoint.Checkpoint({}, arrays)))
    envs = gymnasium.make_vec("CartPole-v1", 16, vectorization_mode="sync")
    envs.reset(seed=0)
    actions = envs.action_space.sample()
    stepped = fastest(lambda: envs.step(actions), 200) / 16
    envs.close()
    net = next(net for net in cnn.NETS if net.layers == cnn.NATURE)
    size = sum(leaf.nbytes for leaf in cnn.weights(net))
    return Own(claimed, kept, stepped, size)


def table(own: Own, found: dict[str, list[float]]) -> str:
    lines = [
        f"A claim {1e6 * own.claim:.0f} µs, a checkpoint {1e3 * own.checkpoint:.1f} ms, a step "
        f"{1e6 * own.step:.1f} µs, a gradient {own.gradient_bytes / 1e6:.1f} MB.",
        "",
        "| machines | " + " | ".join(title for title, _ in MODELS.values()) + " |",
        "|--:|" + "--:|" * len(MODELS),
    ]
    for i, count in enumerate(MACHINES):
        cells = " | ".join(f"{found[name][i]:,.1f}" for name in MODELS)
        lines.append(f"| {count:,} | {cells} |")
    return "\n".join(lines)


def draw(found: dict[str, list[float]], path: Path) -> None:
    from palestra.tools.pictures import style

    with style.look(dark=False):
        figure, ((axes,),) = style.grid(1, 1, (6.4, 4.0))
        axes.plot(MACHINES, MACHINES, color=style.LIGHT["grid"], label="as many times as machines")
        for (name, (title, _)), (color, dash) in zip(
            MODELS.items(), style.looks(len(MODELS)), strict=True
        ):
            axes.plot(MACHINES, found[name], color=color, linestyle=dash, label=title)
        axes.set(xscale="log", yscale="log", xlabel="machines", ylabel="times one machine")
        axes.grid(True, alpha=0.5)
        style.legend(axes)
        style.save(figure, path)


def main() -> None:
    own = Own() if "--assumed" in sys.argv[1:] else measure()
    found = simulated(own, Net())
    print(table(own, found))
    draw(found, PICTURE)


if __name__ == "__main__":
    main()
