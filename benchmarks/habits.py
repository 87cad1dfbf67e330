"""Every algorithm trains in an environment that does all that environments should not.

    python benchmarks/habits.py            a row for each algorithm; about two minutes
    python benchmarks/habits.py ppo sac    those alone

Each episode has five steps with a reward of 1, so that its return is 5, whatever is done in it. A
run is right if it ends with a summary that says so, and if no episode on the way had another one.
"""

import json
import sys
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

import palestra
from palestra.algorithms import ALGORITHMS
from palestra.tools.runs.run import Run

STEPS = 5  # of an episode, and its return
MOST = np.finfo(np.float32).max
SPACES = {
    "table": (Discrete(STEPS + 1), Discrete(3, start=-1)),
    "choice": (Box(-MOST, MOST, (3,)), Discrete(3, start=-1)),
    "bounds": (Box(-MOST, MOST, (3,)), Box(np.float32([-1, 0.5, -3]), np.float32([1, 0.5, 9]))),
    "endless": (
        Box(-MOST, MOST, (3,)),
        Box(np.float32([-1, 0.5, -MOST]), np.float32([1, 0.5, MOST])),
    ),
}
TABLES = [name for name, row in ALGORITHMS.items() if row.observations == ("discrete",)]
KINDS = {
    **dict.fromkeys(ALGORITHMS, "choice"),
    **dict.fromkeys(TABLES, "table"),
    **dict.fromkeys(["ddpg", "td3", "sac"], "bounds"),
    **dict.fromkeys(["reinforce", "ppo"], "endless"),
}


class Own(np.ndarray):
    """An array of somebody's own kind."""


class Habits(gymnasium.Env):
    """Shows one array, filled anew, of a kind and numbers that its space does not name; writes into
    what it was given; says much, in infos of any form and aloud; cannot be asked for pictures; and
    keeps a state of words that nobody can give back."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 0.5}  # noqa: RUF012

    def __init__(self, kind="choice", walls=[1, 2], level=None):  # noqa: B006
        assert (walls, level) == ([3, [4, None]], None), "parameters are as they were given"
        self.observation_space, self.action_space = SPACES[kind]
        number = np.int64 if kind == "table" else np.float64
        self.shown = np.zeros(self.observation_space.shape, number).view(Own)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        print("A new day!")
        self.time = 0
        return self.shown_now(), {"episode": 1, "walls": None}

    def step(self, action):
        assert self.action_space.contains(action), action
        if isinstance(action, np.ndarray):
            action *= 0
        self.time += 1
        print("step", self.time)
        info = {
            "episode": self.time,
            "walls": np.zeros(self.time),
            "kind": [1, "word"][self.time % 2],
        }
        return self.shown_now(), 1, np.bool_(self.time == STEPS), False, info

    def shown_now(self):
        self.shown[...] = self.time
        return self.shown

    def get_state(self):
        return {"time": "five to twelve"}


class Undrawn(Habits):
    """The same, which knows of pictures, but has none."""

    def __init__(self, render_mode=None, **parameters):
        super().__init__(**parameters)
        self.render_mode = render_mode

    def render(self):
        return None


def outcome(name: str, folder: Path) -> str:
    """What came of a run: "right", or what is wrong with it."""
    learner = ALGORITHMS[name].learner
    small = {"hidden": (8,), "learning_starts": 50, "memory_size": 500}
    fields = {field: x for field, x in small.items() if field in learner.__dataclass_fields__}
    parameters = {"kind": KINDS[name], "walls": [3, [4, None]]}
    settings = {"steps": 200, "num_envs": 2, "episodes": 2, "quiet": True, "run": folder}
    env_id = "Undrawn-v0" if KINDS[name] in ("table", "bounds") else "Habits-v0"
    with redirect_stdout(StringIO()):
        run = palestra.train(env_id, learner(**fields), env_kwargs=parameters, **settings)
        again = Run(folder).evaluate(episodes=2)
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    returns = {x for row in rows for x in row["returns"]}
    returns |= {run.summary["last"]["gymnasium"]["mean"], again["mean"]}
    return "right" if returns == {float(STEPS)} else f"returns of {sorted(returns)}"


def main() -> int:
    """Print the table; 1 where a cell is not right."""
    gymnasium.logger.min_level = gymnasium.logger.ERROR  # it has much to say of all this
    for made in Habits, Undrawn:
        gymnasium.register(f"{made.__name__}-v0", entry_point=made)
    print("| algorithm | spaces | outcome |\n|---|---|---|", flush=True)
    wrong = False
    for name in sys.argv[1:] or ALGORITHMS:
        with tempfile.TemporaryDirectory() as place:
            said = outcome(name, Path(place) / "run")
        wrong |= said != "right"
        print(f"| {name} | {KINDS[name]} | {said} |", flush=True)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
