"""Learning from pixels in our own Atari console, on this machine: how soon, and where time goes.

python benchmarks/atari2600_learning.py seeds [--game Pong] [--algorithm ppo] [--preset laptop]
    [--seeds 0,1,2] [--stop-at 18] [--minutes 6] [--to FOLDER]
python benchmarks/atari2600_learning.py phases [--game Pong] [--algorithm ppo] [--preset laptop]

seeds   each seed is trained in a process of its own, one after another, as `palestra train` does
        it, until an evaluation on the way (ten greedy games) has the return `--stop-at`, or all
        cores have given it as much processor time as they have in so many minutes; then its best
        agent plays 30 greedy games in ale-py. Time counts from the process' start, so that
        imports, compiling and evaluations on the way are in it, to the end of training
phases  microseconds of a step, by the clock and of processor time: playing with random actions,
        acting, learning
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
from processes import in_words, machine

import palestra
from palestra import prng
from palestra.core import Spec
from palestra.envs.atari2600 import game_of
from palestra.envs.atari2600.environment import Atari2600
from palestra.envs.host.atari import SPECIFICATIONS
from palestra.runners import compiled
from palestra.tools.presets import preset
from palestra.tools.presets.types import Preset
from palestra.tools.statistics.definitions import Interval, student
from palestra.tools.training.events import Ended, Evaluated, Finishing, Reported


def asked_for(told: Namespace) -> Preset:
    """The preset, which must be there."""
    found = preset(told.algorithm, f"atari/{told.game}-v5", told.preset)
    if found is None:
        raise SystemExit(f"{told.algorithm} has no preset for atari/{told.game}-v5.")
    return found


def one(told: Namespace, seed: int, folder: Path) -> None:
    """Train a seed in this process; prints what came of it, as JSON."""
    budget = told.minutes * 60 * (os.cpu_count() or 1)
    clock = lambda: time.time() - told.since
    row: dict[str, Any] = {"seed": seed, "curve": []}
    events = palestra.training(
        f"atari/{told.game}-v5",
        told.algorithm,
        preset=told.preset,
        seed=seed,
        stop_at=told.stop_at,
        eval_every=told.eval_every,
        video=False,
        checkpoint_seconds=600,
        run=folder,
    )
    over = False
    for event in events:
        if isinstance(event, Evaluated):
            at = {"step": event.step, "mean": event.mean}
            row["curve"].append(at | {"seconds": clock(), "processor": time.process_time()})
            print(json.dumps(row["curve"][-1]), file=sys.stderr, flush=True)
        if isinstance(event, Reported) and not over and time.process_time() > budget:
            over = True
            os.kill(os.getpid(), 2)  # as Ctrl-C: training ends, and the agent is judged
        if isinstance(event, Finishing):
            row |= {"seconds": clock(), "processor": time.process_time()}
        if isinstance(event, Ended):
            summary = event.run.summary
            row |= {"steps": summary["steps"], "reached": summary["reached"] is not None}
            row |= {"best_step": summary["best"]["step"]}
            row |= {f"ale_{which}": summary[which]["ale"] for which in ("best", "last")}
    print(json.dumps(row))


def seeds(told: Namespace) -> None:
    """Prints a table."""
    print(
        f"{told.algorithm} on atari/{told.game}-v5, preset {told.preset}, until {told.stop_at:g} "
        f"or {told.minutes:g} minutes of all cores\n{in_words(machine())}\n\n"
        "| seed | steps | s by the clock | s of processor time | steps a second "
        "| reached | ale-py, best agent | last agent |\n|---|--:|--:|--:|--:|---|--:|--:|",
        flush=True,
    )
    rows = []
    for seed in map(int, told.seeds.split(",")):
        folder = (told.to or Path(tempfile.mkdtemp())) / f"{told.game.lower()}{seed}"
        command = [sys.executable, __file__, *sys.argv[1:], "--one", str(seed), "--to", str(folder)]
        done = subprocess.run(
            [*command, "--since", repr(time.time())], stdout=subprocess.PIPE, text=True, check=True
        )
        row = json.loads(done.stdout.splitlines()[-1])
        rows.append(row)
        best, last = (shown(row[f"ale_{which}"]) for which in ("best", "last"))
        print(
            f"| {seed} | {row['steps']:,} | {row['seconds']:.0f} | {row['processor']:.0f} | "
            f"{row['steps'] / row['seconds']:,.0f} | {'yes' if row['reached'] else '**no**'} | "
            f"{best} | {last} |",
            flush=True,
        )
    if told.to:
        (told.to / "seeds.json").write_text(json.dumps(rows, indent=1) + "\n")
    if len(rows) > 1:
        means = student([row["ale_best"]["mean"] for row in rows])
        print(f"\nale-py, best agents: {words(means)} over {len(rows)} seeds.")


def shown(score: dict[str, Any]) -> str:
    """A mean with its interval."""
    return f"{score['mean']:.1f} ({score['low']:.1f} to {score['high']:.1f})"


def words(x: Interval) -> str:
    return f"{x.mean:.1f} [{x.low:.1f}, {x.high:.1f}]"


def phases(told: Namespace) -> None:
    """Prints a table."""
    chosen = asked_for(told)
    view = chosen.env_kwargs["preprocessing"]
    game = game_of(f"atari/{told.game}-v5")
    env = Atari2600(game=game, **vars(SPECIFICATIONS[view]))
    algorithm, count = chosen.algorithm, chosen.num_envs
    steps = count * algorithm.rollout_length
    spec = Spec(env.observation_space, env.action_space, count)
    played = compiled.remembering(env, algorithm, count)
    begun = jax.jit(lambda key: compiled.begin_episodes(played, jax.random.split(key, count)))
    unroll = partial(compiled.unroll, played)
    state, obs = begun(prng.key(0))
    learner = jax.jit(partial(algorithm.init, spec))(prng.key(1))
    chance = lambda _, key: jax.random.randint(key, (count,), 0, env.action_space.n)
    played_by = lambda policy: (
        lambda learner, state, obs: unroll(
            partial(policy, learner), state, obs, algorithm.rollout_length, prng.key(2)
        )[:3]
    )
    random = jax.jit(played_by(lambda _, obs, key: chance(obs, key)))
    acting = jax.jit(played_by(algorithm.act))
    for _ in range(4):  # into the game
        state, obs, rollout = random(learner, state, obs)
    update = jax.jit(algorithm.update)
    playing = used(lambda: random(learner, state, obs), steps)
    both = used(lambda: acting(learner, state, obs), steps)
    learning = used(lambda: update(learner, rollout, prng.key(3)), steps)
    print(
        f"{told.algorithm} on {told.game}, preset {told.preset}: {count} games, "
        f"{algorithm.rollout_length} steps\n{in_words(machine())}\n\n"
        "| us a step | by the clock | processor time |\n|---|--:|--:|"
    )
    acted = tuple(b - p for b, p in zip(both, playing, strict=True))
    whole = tuple(b + x for b, x in zip(both, learning, strict=True))
    rows = {"playing": playing, "acting": acted, "learning": learning, "all": whole}
    for name, (clock, processor) in rows.items():
        print(f"| {name} | {clock:.0f} | {processor:.0f} |")


def used(work: Callable[[], Any], steps: int) -> tuple[float, float]:
    """Microseconds a step, by the clock and of processor time; the best of five."""
    jax.block_until_ready(work())
    clocks, processors = [], []
    for _ in range(5):
        clock, processor = time.perf_counter(), time.process_time()
        jax.block_until_ready(work())
        clocks.append(time.perf_counter() - clock)
        processors.append(time.process_time() - processor)
    return 1e6 * min(clocks) / steps, 1e6 * min(processors) / steps


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["seeds", "phases"])
    parser.add_argument("--game", default="Pong")
    parser.add_argument("--algorithm", default="ppo")
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--stop-at", type=float, default=18.0)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--eval-every", type=int, default=50_000)
    parser.add_argument("--to", type=Path, help="folder of the runs")
    parser.add_argument("--one", type=int, help="train this seed alone, in this process")
    parser.add_argument("--since", type=float, help="when its process was begun")
    told = parser.parse_args()
    if told.what == "phases":
        phases(told)
    elif told.one is not None:
        one(told, told.one, told.to)
    else:
        seeds(told)


if __name__ == "__main__":
    main()
