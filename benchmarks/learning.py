"""What every algorithm reaches on every task that it should solve: one command, hours.

    python benchmarks/learning.py [--only ALGORITHM|ENVIRONMENT ...] [--fresh] [--show]
    pip install -e '.[box2d,mujoco]'        # for the last of the table

Trains with the preset of the table below, ten seeds (MinAtar: five, MuJoCo: three), each as
`palestra train` does it: 25 greedy evaluations of 100 episodes on the way (fewer where they would
take too long) choose the best agent; then the best and the last agent play 100 greedy episodes each
from starts of their own, in Gymnasium's environment where there is one. Of tables the exact value
of the greedy policy is computed from the environment's model. What is reported is the mean over
seeds and its 95 % interval (Student's t); a line counts as reached where the lower end of the best
agents' interval is at or above it.

Resumable: a cell whose settings have not changed since it was measured is not run again, but with
--fresh (use it where an algorithm has changed). Results are kept in docs/results/, the page they
make in docs/results.md, and a sentence of it in each preset; --show trains nothing.
"""

import ast
import hashlib
import json
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from processes import ROOT, in_words, machine, say

import palestra
from palestra.algorithms import ALGORITHMS
from palestra.tools.presets import preset
from palestra.tools.presets.types import Preset
from palestra.tools.statistics.definitions import Interval, student

RESULTS = ROOT / "docs" / "results"
PAGE = ROOT / "docs" / "results.md"


HEADING = """\
Mean over seeds and its 95 % interval, by Student's t over the seeds; it is not cut where returns
end, and so may reach above CartPole's 500.
Each seed's agents play 100 greedy episodes from starts of
their own in Gymnasium's environment, where there is one, else in ours; exact values are computed
from the environment's model. *Best* is the agent that 25 evaluations on the way (on other starts)
chose, *last* the one at the end. A line is reached where the lower end of the best agents' interval
is at or above it. Steps are environment steps of one seed, summed over its environments; seconds
are wall-clock for all seeds together, compiling and evaluations included, one seed per core.

Lines of gymnax's MinAtar are for another task than ours and MinAtar's own: there (1.0.1) no action
is sticky, an episode ends after 1,000 steps (Freeway's after 2,500), and Asterix loses entities
where all rows are taken."""


class Task(NamedTuple):
    """A task, the line, and who should reach it within how many steps."""

    env_id: str
    line: float | None  # none where no number to be held against was found
    learners: dict[str, int]  # algorithm: the most environment steps it may take
    seeds: int = 10
    exact: bool = False  # the line is that of the greedy policy's exact value
    note: str = ""
    package: str = ""  # of the simulator, where that is neither ours nor Gymnasium's own
    mask: bool = True  # whether agents see which actions are allowed, where the task says it
    preset: str | None = None  # its name, where it is not the default one


THOUSAND, MILLION = 1_000, 1_000_000
GAMES = {"dqn": 5 * MILLION, "ppo": 5 * MILLION, "pqn": 5 * MILLION}
MUJOCO = dict.fromkeys(("ppo", "td3", "sac"), MILLION)
GYMNAX = "another task: gymnax's PPO after 10M steps, README of github.com/RobertTLange/gymnax"
TABLES = {
    name: 10 * MILLION
    for name, row in ALGORITHMS.items()
    if row.observations == ("discrete",) and name != "bandits"
}
TASKS = [
    Task(
        "CartPole-v1",
        475,
        {
            "dqn": 50 * THOUSAND,
            "c51": 100 * THOUSAND,
            "qr_dqn": 100 * THOUSAND,
            "rainbow": 100 * THOUSAND,
            "ppo": 100 * THOUSAND,
            "reinforce": 500 * THOUSAND,
            "actor_critic": 500 * THOUSAND,
            "a2c": 500 * THOUSAND,
            "a3c": 500 * THOUSAND,
            "impala": 500 * THOUSAND,
            "pqn": 500 * THOUSAND,
            "sac": 500 * THOUSAND,
        },
    ),
    Task(
        "Acrobot-v1",
        -90,
        {
            "dqn": 100 * THOUSAND,
            "ppo": 500 * THOUSAND,
            "a2c": 500 * THOUSAND,
            "a3c": 500 * THOUSAND,
            "pqn": 500 * THOUSAND,
        },
    ),
    Task("MountainCar-v0", -115, {"dqn": 120 * THOUSAND, "ppo": MILLION, "a2c": MILLION}),
    Task(
        "MountainCarContinuous-v0",
        90,
        {
            "ppo": 50 * THOUSAND,
            "sac": 50 * THOUSAND,
            "ddpg": 300 * THOUSAND,
            "td3": 300 * THOUSAND,
            "a2c": 100 * THOUSAND,
        },
    ),
    Task(
        "Pendulum-v1",
        -200,
        {
            "ddpg": 20 * THOUSAND,
            "td3": 20 * THOUSAND,
            "sac": 20 * THOUSAND,
            "ppo": 100 * THOUSAND,
            "a2c": MILLION,
            "a3c": MILLION,
        },
        note="aim: −165",
    ),
    Task(
        "Positions/CartPole-v1",
        475,
        {"recurrent_ppo": 500 * THOUSAND, "r2d2": 300 * THOUSAND, "ppo": 500 * THOUSAND},
        note="ppo does not remember: it is here to stay below 200",
    ),
    Task("Positions/Pendulum-v1", -250, {"recurrent_ppo": MILLION}),
    Task(
        "probe/Cue32-v0", 0.95, {"recurrent_ppo": MILLION, "r2d2": MILLION}, note="best possible: 1"
    ),
    Task("FrozenLake-v1", 0.72, TABLES, exact=True, note="best possible: 0.7442"),
    Task("FrozenLake8x8-v1", 0.85, TABLES, exact=True, note="best possible: 0.9132"),
    Task(
        "Taxi-v4", 7.9, TABLES, exact=True, note="without its mask; best possible: 7.93", mask=False
    ),
    Task(
        "Taxi-v4",
        7.9,
        {"q_learning": 250 * THOUSAND, "dqn": 250 * THOUSAND},
        exact=True,
        note="with its mask, in half of the steps",
        preset="masked",
    ),
    Task(
        "TicTacToe-v0",
        0,
        {"q_learning": 300 * THOUSAND, "dqn": 500 * THOUSAND, "ppo": 500 * THOUSAND},
        note="the game's exact value",
    ),
    Task("CliffWalking-v1", -13, TABLES, exact=True, note="best possible: −13"),
    Task(
        "Maze-v0",
        -14,
        {"q_learning": 10 * THOUSAND, "dyna_q": 10 * THOUSAND},
        exact=True,
        note="best possible: −14",
    ),
    Task("Bandit-v0", 1_500, {"bandits": 10 * THOUSAND}, exact=True, note="best possible: 1,500"),
    Task("Discrete/CartPole-v0", 195, {"q_learning": 10 * MILLION, "sarsa": 10 * MILLION}),
    Task(
        "MinAtar/Breakout-v1",
        9.23,
        {**GAMES, "impala": 5 * MILLION},
        seeds=5,
        note="a reproduction of the MinAtar paper's DQN after 5M frames, "
        "github.com/joash2003/rainbow-minatar; another task: gymnax's PPO after 10M: 28",
    ),
    Task("MinAtar/Freeway-v1", 58, GAMES, seeds=5, note=GYMNAX),
    Task("MinAtar/Asterix-v1", 15, {**GAMES, "impala": 5 * MILLION}, seeds=5, note=GYMNAX),
    Task("MinAtar/SpaceInvaders-v1", 131, GAMES, seeds=5, note=GYMNAX),
    Task("MinAtar/Seaquest-v1", None, GAMES, seeds=5, note="no published number was found as text"),
    Task(
        "LunarLander-v3",
        200,
        {"ppo": MILLION},
        seeds=5,
        note="rl-baselines3-zoo, v2, one seed: 242",
        package="Box2D",
    ),
    Task("BipedalWalker-v3", None, MUJOCO, seeds=3, note="solved at 300", package="Box2D"),
    Task(
        "HalfCheetah-v5",
        None,
        MUJOCO,
        seeds=3,
        note="CleanRL, v4: PPO 1,443, TD3 9,583, SAC 9,635; rl-baselines3-zoo, v3: PPO 5,819",
        package="mujoco",
    ),
    Task(
        "Hopper-v5",
        None,
        MUJOCO,
        seeds=3,
        note="CleanRL, v4: PPO 2,383, TD3 3,135, SAC 2,311; rl-baselines3-zoo, v3: PPO 2,410",
        package="mujoco",
    ),
    Task(
        "Walker2d-v5",
        None,
        MUJOCO,
        seeds=3,
        note="CleanRL, v4: PPO 2,288, TD3 4,058, SAC 3,592; rl-baselines3-zoo, v3: PPO 3,479",
        package="mujoco",
    ),
]


class Cell(NamedTuple):
    """One algorithm on one task."""

    task: Task
    algorithm: str

    @property
    def file(self) -> Path:
        named = f"__{self.task.preset}" if self.task.preset else ""
        return RESULTS / f"{self.task.env_id.replace('/', '-')}__{self.algorithm}{named}.json"

    @property
    def preset(self) -> Preset | None:
        """What is trained with; None where there is none yet."""
        return preset(self.algorithm, self.task.env_id, self.task.preset)

    def settings(self) -> dict:
        """What is run; a change of anything here makes a result stale. Raises SystemExit."""
        chosen = self.preset
        if chosen is None:
            raise SystemExit(f"There is no preset for {self.algorithm} on {self.task.env_id}.")
        if chosen.steps > self.task.learners[self.algorithm]:
            raise SystemExit(
                f"{self.algorithm} on {self.task.env_id} takes more steps than it may."
            )
        return {
            "algorithm": self.algorithm,
            "environment": self.task.env_id,
            "hyperparameters": asdict(chosen.algorithm),
            "num_envs": chosen.num_envs,
            "steps": chosen.steps,
            "seeds": self.task.seeds,
        }

    def result(self) -> dict | None:
        """What was measured with these settings, if it was."""
        if not self.file.is_file() or self.preset is None:
            return None
        kept = json.loads(self.file.read_text())
        # Files of before it was a field mean: no.
        now, then = self.settings(), kept["settings"]["hyperparameters"]
        if "normalize_obs" not in then and not now["hyperparameters"].get("normalize_obs"):
            now["hyperparameters"].pop("normalize_obs", None)
        return kept if kept["digest"] == digest(now) else None


def digest(settings: dict) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def measure(cell: Cell) -> dict:
    """Train all seeds of a cell."""
    settings = cell.settings()
    chosen = cell.preset
    packages = [*filter(None, ("palestra", "jax", "gymnasium", cell.task.package))]
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        runs = palestra.train(
            cell.task.env_id,
            chosen.algorithm,
            steps=chosen.steps,
            num_envs=chosen.num_envs,
            seeds=cell.task.seeds,
            mask=cell.task.mask,
            run=Path(folder) / "runs",
            video=False,
            quiet=not sys.stderr.isatty(),
        )
        seconds = time.perf_counter() - begun
        summaries = [run.summary for run in runs]
    scores = {
        which: {
            measure: [score(summary[which], measure) for summary in summaries]
            for measure in ("return", "exact")
            if measure == "return" or "exact" in summaries[0][which]
        }
        for which in ("best", "last")
    }
    return {
        "digest": digest(settings),
        "settings": settings,
        **scores,
        "trained_steps": summaries[0]["steps"],
        "seconds": round(seconds, 1),
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": {name: version(name) for name in packages},
    }


def score(of_agent: dict, measure: str) -> float:
    """The exact value, or the mean return: in Gymnasium's environment where there is one."""
    if measure == "exact":
        return of_agent["exact"]
    return of_agent["gymnasium" if "gymnasium" in of_agent else "palestra"]["mean"]


def cells(only: list[str]) -> Iterator[Cell]:
    """Those asked for, in the table's order."""
    for task in TASKS:
        for algorithm in task.learners:
            wanted = {algorithm, task.env_id, f"{algorithm}/{task.env_id}"}
            if not only or wanted & set(only):
                yield Cell(task, algorithm)


def judged(cell: Cell, result: dict, which: str) -> Interval:
    return student(result[which]["exact" if cell.task.exact else "return"])


def reached(cell: Cell, best: Interval) -> bool | None:
    """Whether the lower end is at or above the line; None where there is none."""
    return None if cell.task.line is None else best.low >= cell.task.line - 1e-6


def page() -> str:
    """docs/results.md."""
    done = [(cell, cell.result()) for cell in cells([])]
    results = [result for _, result in done if result]
    lines = ["# What the presets reach", "", *heading(results), ""]
    for task in TASKS:
        mine = [(cell, result) for cell, result in done if cell.task is task]
        what = "exact value of the greedy policy" if task.exact else "mean return"
        line = "" if task.line is None else f" ≥ {words(task.line)}"
        note = f"; {task.note}" if task.note else ""
        lines += [
            f"## {task.env_id}: {what}{line}{note}",
            "",
            "| algorithm | best agents | last agents | reached | seeds | steps | s, all seeds |",
            "|---|--:|--:|---|--:|--:|--:|",
            *(row(cell, result) for cell, result in mine),
            "",
        ]
    return "\n".join(lines)


def heading(results: list[dict]) -> Iterator[str]:
    yield HEADING
    yield ""
    told = {
        (in_words(r["machine"]), ", ".join(f"{k} {v}" for k, v in r["versions"].items()), r["date"])
        for r in results
    }
    for where, what, when in sorted(told):
        yield f"- {when}: {where}; {what}"
    yield "- Command: `make learning`, which is `python benchmarks/learning.py`"


def row(cell: Cell, result: dict | None) -> str:
    if result is None:
        return f"| {cell.algorithm} | not measured | | | | | |"
    best, last = (judged(cell, result, which) for which in ("best", "last"))
    verdict = {True: "yes", False: "**no**", None: ""}[reached(cell, best)]
    cellular = [
        cell.algorithm,
        shown(best),
        shown(last),
        verdict,
        str(cell.task.seeds),
        f"{result['trained_steps']:,}",
        f"{result['seconds']:.0f}",
    ]
    return f"| {' | '.join(cellular)} |"


def shown(x: Interval) -> str:
    digits = 4 if abs(x.mean) < 1 else 2 if abs(x.mean) < 20 else 1
    return f"{x.mean:.{digits}f} [{x.low:.{digits}f}, {x.high:.{digits}f}]".replace("-", "−")


def words(x: float) -> str:
    return f"{x:g}".replace("-", "−")


def sentence(cell: Cell, result: dict) -> str:
    """What a preset says of itself."""
    best, last = (shown(judged(cell, result, which)) for which in ("best", "last"))
    what = "Exact: best" if cell.task.exact else "Best agents"
    return f"{what} {best}, last ones {last}; {cell.task.seeds} seeds."


def write_score(cell: Cell, result: dict) -> None:
    """Put the sentence into the file that holds the cell's preset."""
    file = ROOT / "palestra" / "tools" / "presets" / f"{cell.algorithm}.py"
    source = file.read_text()
    score = score_node(ast.parse(source), cell.task.env_id, cell.task.preset)
    if ast.literal_eval(score) == sentence(cell, result):
        return
    lines = source.splitlines(keepends=True)
    offset = lambda line, column: sum(len(x.encode()) for x in lines[: line - 1]) + column
    begin = offset(score.lineno, score.col_offset)
    end = offset(score.end_lineno, score.end_col_offset)
    text = json.dumps(sentence(cell, result), ensure_ascii=False).encode()
    raw = source.encode()
    file.write_bytes(raw[:begin] + text + raw[end:])


def score_node(tree: ast.Module, env_id: str, preset: str | None = None) -> ast.expr:
    """The score of a preset for an environment, the default one if none is named, in a presets
    file's syntax tree."""
    named = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            named[target.id] = node.value
    resolve = lambda node: named[node.id] if isinstance(node, ast.Name) else node
    entry = lambda table, key: resolve(
        next(v for k, v in zip(table.keys, table.values, strict=True) if k and k.value == key)
    )
    call = entry(entry(named["PRESETS"], env_id), preset or "default")
    return next(keyword.value for keyword in call.keywords if keyword.arg == "score")


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], help="algorithms, environments, or a/b")
    parser.add_argument("--fresh", action="store_true", help="measure again what is there")
    parser.add_argument("--show", action="store_true", help="write the page, train nothing")
    chosen = parser.parse_args()
    RESULTS.mkdir(parents=True, exist_ok=True)
    asked = list(cells(chosen.only))
    if not asked:
        raise SystemExit(f"Nothing in the table is called {', '.join(chosen.only)}.")
    for i, cell in enumerate(asked if not chosen.show else [], 1):
        if cell.preset is None:
            say(f"{i}/{len(asked)} {cell.algorithm} on {cell.task.env_id}: there is no preset")
            continue
        result = None if chosen.fresh else cell.result()
        state = "kept" if result else "measured"
        if result is None:
            result = measure(cell)
            cell.file.write_text(json.dumps(result, indent=1) + "\n")
            write_score(cell, result)
            PAGE.write_text(page())
        best, last = (judged(cell, result, which) for which in ("best", "last"))
        verdict = {True: "line reached", False: "line NOT reached", None: "no line"}
        say(
            f"{i}/{len(asked)} {cell.algorithm} on {cell.task.env_id}: best {shown(best)}, "
            f"last {shown(last)}, {verdict[reached(cell, best)]}; "
            f"{result['seconds']:.0f} s, {state}"
        )
    for cell in cells([]):
        if result := cell.result():
            write_score(cell, result)
    PAGE.write_text(page())
    say(f"Written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
