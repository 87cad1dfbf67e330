"""All that a GPU is wanted for, in one command of nine minutes at most, without a network.

    python benchmarks/gpu.py [--output gpu.json] [--only stepping,ppo] [--game-algorithm pqn]
    python benchmarks/gpu.py --short        every part in little, on the processor

    stepping   CartPole with random actions, in up to 1,048,576 environments
    ppo        PPO's steps a second on CartPole, in many environments
    seeds      PPO, DQN and SAC with 1, 10 and 50 seeds under one `vmap`: what more seeds cost
    minatar    PPO on MinAtar's Breakout, as its preset has it, and in many environments
    nature     the network of Mnih et al. (2015): pictures a second, forward and with gradients
    pong       ALE/Pong-v5 by a `gpu` preset: seconds to a mean return of 18 over five games
    breakout   ALE/Breakout-v5, likewise: how far it comes

Each part is a process of its own with a limit of its own; what it has told by then counts, and why
it ended is told. The results are one JSON file, and a table for docs/benchmarks.md on standard
output. Rates leave out compiling, which is told beside them.
"""

import json
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

Row = tuple[str, float, str]  # what was measured, the number, its unit; a later one replaces it
GOOD = 18.0  # mean return that counts as Pong played well


class Size(NamedTuple):
    """How much of everything."""

    environments: tuple[int, ...]  # stepped
    many: tuple[int, ...]  # that PPO learns in
    seeds: tuple[int, ...]
    batches: tuple[int, ...]  # of pictures
    hidden: tuple[int, ...]
    steps: int  # of a report, in each seed
    game_steps: int
    seconds: float  # that a rate is measured for


FULL = Size(
    environments=(8_192, 65_536, 1_048_576),
    many=(2_048, 8_192),
    seeds=(1, 10, 50),
    batches=(256, 1_024, 8_192),
    hidden=(64, 64),
    steps=8_192,
    game_steps=10_000_000,
    seconds=2.0,
)
SHORT = Size(
    environments=(64,),
    many=(8,),
    seeds=(1, 2),
    batches=(2,),
    hidden=(4,),
    steps=128,
    game_steps=96,
    seconds=0.01,
)


def stepping(size: Size, asked: Namespace) -> Iterator[Row]:
    import jax

    from palestra import prng
    from palestra.envs import make
    from palestra.runners.compiled import begin_episodes, unroll

    env, length = make("CartPole-v1"), 128
    for count in size.environments:
        policy = lambda _, key, count=count: jax.random.randint(key, (count,), 0, 2)

        def play(state, obs, key, policy=policy):
            state, obs, rollout = unroll(env, policy, state, obs, length, key)[:3]
            return state, obs, rollout.reward.sum()

        played = jax.jit(play)
        state, obs = jax.jit(lambda keys: begin_episodes(env, keys))(
            jax.random.split(prng.key(0), count)
        )
        state, obs, total = played(state, obs, prng.key(1))
        total.block_until_ready()
        begun, calls = time.perf_counter(), 0
        while (taken := time.perf_counter() - begun) < size.seconds or not calls:
            state, obs, total = played(state, obs, prng.key(calls))
            total.block_until_ready()
            calls += 1
        yield (
            f"CartPole, random actions, {count:,} environments",
            count * length * calls / taken,
            "steps/s",
        )


def rate(size: Size, env: Any, algorithm: Any, num_envs: int, seeds: int) -> tuple[float, float]:
    """Environment steps a second of all seeds together, and the seconds before the first report."""
    import jax

    from palestra.runners import compiled

    reports = 1_000
    begun = time.perf_counter()
    training = compiled.train(
        env,
        algorithm,
        num_envs=num_envs,
        total_steps=size.steps * reports,
        reports=reports,
        seeds=range(seeds),
    )
    first = next(training)
    jax.block_until_ready(first.metrics)
    compiling, begun, last = time.perf_counter() - begun, time.perf_counter(), first.step
    for report in islice(training, reports - 1):
        jax.block_until_ready(report.metrics)
        last, taken = report.step, time.perf_counter() - begun
        if taken > size.seconds:
            break
    training.close()
    return (last - first.step) * seeds / taken, compiling


def ppo(size: Size, asked: Namespace) -> Iterator[Row]:
    from palestra.algorithms.ppo import PPO
    from palestra.envs import make

    for count in size.many:
        algorithm = PPO(rollout_length=16, minibatches=4, epochs=4, hidden=size.hidden)
        steps = max(size.steps, 16 * count * 4)
        found, compiling = rate(
            size._replace(steps=steps), make("CartPole-v1"), algorithm, count, 1
        )
        what = f"PPO, CartPole, {count:,} environments x 16 steps, 4 epochs of 4 minibatches"
        yield what, found, "steps/s"
        yield f"{what}: until its first report", compiling, "s"


def seeds(size: Size, asked: Namespace) -> Iterator[Row]:
    from dataclasses import replace

    from palestra.envs import make
    from palestra.tools.presets import preset

    for name, env_id in (("ppo", "CartPole-v1"), ("dqn", "CartPole-v1"), ("sac", "Pendulum-v1")):
        chosen = preset(name, env_id)
        assert chosen is not None
        algorithm = chosen.algorithm
        if size is SHORT:  # the same program, of few and small parts
            fewer = {"ppo": {"rollout_length": 16, "minibatches": 2, "epochs": 1}}
            few = {"learning_starts": 32, "memory_size": 512, "batch_size": 8, "gradient_steps": 1}
            algorithm = replace(algorithm, hidden=size.hidden, **fewer.get(name, few))
        alone = None
        for count in size.seeds:
            found, compiling = rate(size, make(env_id), algorithm, chosen.num_envs, count)
            alone = alone or found
            what = f"{name}, {env_id}, its preset, {count} seeds"
            yield what, found, "steps/s in all"
            yield f"{what}: time of one seed's training", count * alone / found, "times"
            yield f"{what}: until its first report", compiling, "s"


def minatar(size: Size, asked: Namespace) -> Iterator[Row]:
    from dataclasses import replace

    from palestra.envs import make
    from palestra.tools.presets import preset

    chosen = preset("ppo", "MinAtar/Breakout-v1")
    assert chosen is not None
    algorithm, counts = chosen.algorithm, (chosen.num_envs, 2_048)
    if size is SHORT:
        algorithm = replace(algorithm, hidden=(4,), rollout_length=8, minibatches=1, epochs=1)
        counts = (4,)
    for count in counts:
        found, compiling = rate(size, make("MinAtar/Breakout-v1"), algorithm, count, 1)
        what = f"PPO, MinAtar/Breakout-v1, its preset in {count:,} environments"
        yield what, found, "steps/s"
        yield f"{what}: until its first report", compiling, "s"


def nature(size: Size, asked: Namespace) -> Iterator[Row]:
    import cnn
    import jax
    import jax.numpy as jnp

    net = next(net for net in cnn.NETS if net.layers == cnn.NATURE)
    weights = cnn.weights(net)
    for form in (cnn.native, cnn.squares):
        loss = lambda weights, x, form=form: jnp.square(cnn.q(form, net, weights, x)).mean()
        gradient = jax.grad(loss)
        learn = jax.jit(lambda w, x, g=gradient: jax.tree.map(lambda a, b: a - b, w, g(w, x)))
        see = jax.jit(lambda w, x, form=form: cnn.q(form, net, w, x))
        for batch in size.batches:
            x = cnn.pictures(net, batch)
            for what, program in (("forward", see), ("forward and backward", learn)):
                jax.block_until_ready(program(weights, x))
                begun, calls = time.perf_counter(), 0
                while (taken := time.perf_counter() - begun) < size.seconds / 4 or not calls:
                    jax.block_until_ready(program(weights, x))
                    calls += 1
                name = "XLA's convolution" if form is cnn.native else "squares (ours)"
                yield (
                    f"Nature network, {what}, batch {batch:,}, {name}",
                    batch * calls / taken,
                    "pictures/s",
                )


def game(env_id: str, size: Size, asked: Namespace) -> Iterator[Row]:
    import palestra
    from palestra.tools.training.events import Evaluated, Reported

    begun, first = time.perf_counter(), None
    name = f"{env_id}, {asked.game_algorithm} by its gpu preset"
    settings: dict[str, Any] = {"stop_at": GOOD} if "Pong" in env_id else {}
    if size is SHORT:
        settings |= {"hidden": size.hidden, "num_envs": 2, "rollout_length": 8, "minibatches": 1}
        settings |= {"eval_episodes": 1, "eval_envs": 0}
    with tempfile.TemporaryDirectory(prefix="palestra-") as folder:
        events = palestra.training(
            env_id,
            asked.game_algorithm,
            preset="gpu",
            steps=size.game_steps,
            video=False,
            run=f"{folder}/run",
            **{"eval_every": max(size.game_steps // 40, 1), "eval_episodes": 5} | settings,
        )
        for event in events:
            now = time.perf_counter() - begun
            if isinstance(event, Reported):
                first = first or (now, event.step)
                if now > first[0]:
                    yield f"{name}", (event.step - first[1]) / (now - first[0]), "steps/s"
                yield f"{name}: steps taken", event.step, "steps"
                if size is SHORT and event.step >= size.game_steps:
                    return
            if isinstance(event, Evaluated):
                yield f"{name}: mean return of five games, last", event.mean, "points"
                if event.mean >= GOOD and "Pong" in env_id:
                    yield f"{name}: until a mean return of {GOOD:g}", now, "s"
                    return


def pong(size: Size, asked: Namespace) -> Iterator[Row]:
    return game("ALE/Pong-v5", size, asked)


def breakout(size: Size, asked: Namespace) -> Iterator[Row]:
    return game("ALE/Breakout-v5", size, asked)


class Part(NamedTuple):
    """A part, and the seconds it may take: 530 in all."""

    measure: Callable[[Size, Namespace], Iterator[Row]]
    limit: float


PARTS = {
    "stepping": Part(stepping, 35),
    "ppo": Part(ppo, 40),
    "seeds": Part(seeds, 110),
    "minatar": Part(minatar, 45),
    "nature": Part(nature, 40),
    "pong": Part(pong, 200),
    "breakout": Part(breakout, 60),
}


def apart(command: Sequence[str], limit: float) -> tuple[dict[str, list], str]:
    """What a part's process has told, by what was measured, and how it ended."""
    with tempfile.TemporaryFile("w+") as told, tempfile.TemporaryFile("w+") as faults:
        try:
            done = subprocess.run(command, stdout=told, stderr=faults, timeout=limit)
            ended = "whole" if done.returncode == 0 else "failed"
        except subprocess.TimeoutExpired:
            ended = f"stopped at its limit of {limit:g} s"
        told.seek(0), faults.seek(0)
        if ended == "failed":
            ended = "failed: " + (faults.read().strip().splitlines() or ["without a word"])[-1]
        rows = {}
        for line in told:
            if line.startswith("[") and line.endswith("]\n"):  # whole, and ours
                what, *rest = json.loads(line)
                rows[what] = rest
        return rows, ended


def tell(part: str, asked: Namespace) -> None:
    """Measure one part here, and print what it has as it comes."""
    size = SHORT if asked.short else FULL
    for row in PARTS[part].measure(size, asked):
        print(json.dumps(row), flush=True)
    import jax

    print(json.dumps(["device", 0, jax.devices()[0].device_kind]), flush=True)


def table(results: dict[str, Any]) -> str:
    """The results as docs/benchmarks.md has them."""
    lines = [f"On {results['device']}, in {results['seconds']:.0f} s.", ""]
    lines += ["| | |", "|---|--:|"]
    for part in results["parts"].values():
        for what, (value, unit) in part["rows"].items():
            number = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
            lines.append(f"| {what} | {number} {unit} |")
    ends = {name: part["ended"] for name, part in results["parts"].items()}
    unfinished = [f"{name} {ended}" for name, ended in ends.items() if ended != "whole"]
    return "\n".join(
        [*lines, "", *([f"Not whole: {'; '.join(unfinished)}."] if unfinished else [])]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="parts, by name, with commas between")
    parser.add_argument("--short", action="store_true", help="every part in little")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    parser.add_argument("--game-algorithm", default="pqn", help="whose gpu preset plays")
    parser.add_argument("--part", choices=PARTS, help="measure one here, and print its rows")
    asked = parser.parse_args(arguments)
    if asked.part:
        tell(asked.part, asked)
        return
    names = asked.only.split(",") if asked.only else [*PARTS]
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    begun, results = time.perf_counter(), {"device": "no device", "seconds": 0.0, "parts": {}}
    for name in names:
        command = [sys.executable, __file__, "--part", name, *(["--short"] if asked.short else [])]
        command += ["--game-algorithm", asked.game_algorithm]
        rows, ended = apart(command, PARTS[name].limit)
        results["device"] = rows.pop("device", [0, results["device"]])[1]
        results["parts"][name] = {"ended": ended, "rows": rows}
        results["seconds"] = time.perf_counter() - begun
        asked.output.write_text(json.dumps(results, indent=1) + "\n")  # what there is by now
        print(f"{name}: {ended}", file=sys.stderr, flush=True)
    print(table(results))


if __name__ == "__main__":
    main()
