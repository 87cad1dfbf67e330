"""The agents that come with Palestra: trained one after another, judged, written to palestra/zoo.

    python benchmarks/zoo.py [--only NAME ...] [--fresh]          (a part of `make learning`)

Each is the best agent of one seed, by the preset of its algorithm and what is changed of it below:
smaller networks, where the preset's would not be small as a file. It then plays 100 greedy episodes
from starts that neither training nor the evaluations on the way have seen, in Gymnasium's
environment where there is one; zoo.json holds mean and 95 % interval. One whose settings have not
changed is kept, but with --fresh. An agent of each environment of ours that has a preset, but of
BanditTestbed, whose arms are drawn for each run: what was learned there is of no use elsewhere.
"""

import json
import tempfile
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from learning import digest
from processes import say

import palestra
from palestra.ranges import stretched
from palestra.tools.agents.evaluate import judge
from palestra.tools.presets import preset
from palestra.tools.runs import zoo

SEED = 20_251  # of the episodes that judge
CHANGED: dict[str, Mapping[str, Any]] = {  # by agent: what is another than in the preset
    "dqn/CartPole-v1": {},
    "q_learning/FrozenLake-v1": {},
    "q_learning/FrozenLake8x8-v1": {},
    "q_learning/CliffWalking-v1": {},
    "dyna_q/Maze-v0": {},
    "q_learning/Taxi-v4": {},
    "bandits/Bandit-v0": {},
    "q_learning/Blackjack-v1": {},
    "q_learning/Discrete/CartPole-v0": {},
    "q_learning/Discrete/MountainCar-v0": {},
    "dqn/Acrobot-v1": {},
    "dqn/CartPole-v0": {},
    "ppo/CartPole-v1": {},
    "ppo/MountainCar-v0": {},
    "sac/MountainCarContinuous-v0": {},
    "sac/Pendulum-v1": {},
    "ppo/TicTacToe-v0": {},
    "pqn/MinAtar/Breakout-v1": {"hidden": (32,)},
    "pqn/MinAtar/Freeway-v1": {"hidden": (32,)},
    "pqn/MinAtar/Asterix-v1": {"hidden": (32,)},
    "pqn/MinAtar/SpaceInvaders-v1": {"hidden": (32,)},
    "pqn/MinAtar/Seaquest-v1": {"hidden": (32,)},
    "r2d2/probe/Cue32-v0": {},
    "recurrent_ppo/Positions/CartPole-v1": {},
    "recurrent_ppo/Positions/Pendulum-v1": {"steps": 200_000},
}


def settings_of(name: str) -> dict[str, Any]:
    """What is run; a change of anything here makes an agent stale."""
    algorithm, _, env_id = name.partition("/")
    chosen = preset(algorithm, env_id)
    assert chosen is not None, f"there is no preset for {name}"
    changes = dict(CHANGED[name])
    steps = changes.pop("steps", chosen.steps)
    learner = replace(chosen.algorithm, **changes)  # type: ignore[type-var]
    return {
        "algorithm": stretched(learner, chosen.steps, steps),
        "num_envs": chosen.num_envs,
        "steps": steps,
        "env_kwargs": dict(chosen.env_kwargs),
    }


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[*CHANGED], help="agents, by their names")
    parser.add_argument("--fresh", action="store_true", help="train again what is there")
    chosen = parser.parse_args()
    for name in chosen.only:
        settings = settings_of(name)
        env_id = name.partition("/")[2]
        told = {**settings, "algorithm": asdict(settings["algorithm"])}
        mark = digest(told)
        table = zoo.table() if zoo.TABLE.is_file() else {}
        if table.get(name, {}).get("digest") == mark and not chosen.fresh:
            say(f"{name}: kept")
            continue
        with tempfile.TemporaryDirectory() as folder:
            where = Path(folder) / "run"
            run = palestra.train(env_id, **settings, run=where, video=False, quiet=True)
            agent, steps = run.agent, run.summary["steps"]
        found = judge(agent, seed=SEED)
        file = zoo.HOME / f"{name}.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        agent.save(file)
        row = {
            "environment": env_id,
            "algorithm": name.partition("/")[0],
            "steps": steps,
            **{key: found[key] for key in ("mean", "low", "high", "episodes", "simulator")},
            "palestra": palestra.__version__,
            "digest": mark,
        }
        table = {**(zoo.table() if zoo.TABLE.is_file() else {}), name: row}
        ordered = {known: table[known] for known in CHANGED if known in table}
        content = {"version": zoo.VERSION, "agents": ordered}
        zoo.TABLE.write_text(json.dumps(content, indent=1) + "\n")
        size = file.stat().st_size
        say(f"{name}: {row['mean']:.2f} [{row['low']}, {row['high']}], {size:,} bytes")


if __name__ == "__main__":
    main()
