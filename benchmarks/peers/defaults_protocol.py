"""What `defaults.py` and `sb3_defaults.py` share: tasks, steps, judging, and where results lie.

Needs NumPy and Gymnasium only, with box2d and mujoco.
"""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "defaults"
# Environment steps, the same for both sides.
STEPS = {"ppo": 20_000, "sac": 3_000, "dqn": 10_000, "a2c": 10_000, "td3": 3_000, "ddpg": 3_000}
SEEDS = 5
EPISODES = 100
JUDGE = 1_000_000  # episode i of a judgment starts from this seed + i, which no training uses


class Thermostat(gymnasium.Env):
    """A room that is to be kept at its set point, in degrees and watts; nothing is scaled.

    Sees the room, outside and set point in degrees Celsius and the heat held by the walls in
    kilojoules; sets the heater's power. Five minutes a step; pays for each degree that is missed.
    """

    observation_space = spaces.Box(-np.inf, np.inf, (4,), np.float32)
    action_space = spaces.Box(0.0, 3_000.0, (1,), np.float32)
    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}

    def __init__(self, render_mode: str | None = None):
        self.render_mode = render_mode

    def _seen(self) -> np.ndarray:
        held = 2_000.0 * self._walls  # kilojoules
        return np.array([self._room, self._outside, self._wanted, held], np.float32)

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        super().reset(seed=seed)
        self._outside, self._wanted = self.np_random.uniform(-5, 10), self.np_random.uniform(18, 23)
        self._room = self.np_random.uniform(12, 26)
        self._walls = self._room
        return self._seen(), {}

    def step(self, action):
        watts = float(np.clip(action, 0.0, 3_000.0)[0])
        for _ in range(5):  # minutes
            to_walls, out = 150.0 * (self._room - self._walls), 60.0 * (self._room - self._outside)
            self._room += 60.0 * (watts - to_walls - out) / 300_000.0
            self._walls += 60.0 * to_walls / 2_000_000.0
        return self._seen(), -abs(self._room - self._wanted), False, False, {}


class Cut(gymnasium.ActionWrapper):
    """Each axis of the box cut into its two ends and its middle, for algorithms that choose."""

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        box = env.action_space
        axes = np.stack([box.low, (box.low + box.high) / 2, box.high], -1)
        self._table = np.array(list(itertools.product(*axes)), box.dtype)
        self.action_space = spaces.Discrete(len(self._table))

    def action(self, action):
        return self._table[int(action)]


OWN = "Thermostat-v0"
gymnasium.register(OWN, entry_point=Thermostat, max_episode_steps=100)
TASKS = (
    "InvertedPendulum-v5",
    "InvertedDoublePendulum-v5",
    "Reacher-v5",
    "LunarLanderContinuous-v3",
    OWN,
)


class Cell(NamedTuple):
    """One algorithm on one task, by one library."""

    system: str
    algorithm: str
    task: str

    @property
    def file(self) -> Path:
        return RESULTS / f"{self.system}__{self.algorithm}__{self.task}.json"

    @property
    def steps(self) -> int:
        return STEPS[self.algorithm]

    def make(self) -> gymnasium.Env:
        if self.task.startswith("LunarLanderContinuous"):
            env = gymnasium.make("LunarLander-v3", continuous=True)
        else:
            env = gymnasium.make(self.task)
        return Cut(env) if self.algorithm == "dqn" else env

    def result(self) -> dict[str, Any]:
        """What was measured so far: by seed, the means of 100 episodes."""
        empty: dict[str, Any] = {"seeds": {}}
        return json.loads(self.file.read_text()) if self.file.is_file() else empty

    def has(self, seed: int, setting: dict[str, Any]) -> bool:
        """Whether that seed was measured with these steps and this setting."""
        return str(seed) in self._seeds(setting)

    def _seeds(self, setting: dict[str, Any]) -> dict[str, Any]:
        found, asked = self.result(), {"steps": self.steps, **setting}
        return found["seeds"] if found.get("setting") == json.loads(json.dumps(asked)) else {}

    def write(self, seed: int, score: dict[str, Any], setting: dict[str, Any]) -> None:
        """Add a seed. What was measured with other steps or another setting goes."""
        seeds = self._seeds(setting) | {str(seed): score}
        setting = {"steps": self.steps, **setting}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        half = self.file.with_suffix(".half")
        half.write_text(json.dumps({"setting": setting, "seeds": seeds}, indent=1) + "\n")
        os.replace(half, self.file)


def trials(system: str, only: list[str]) -> Iterator[tuple[Cell, int]]:
    """Cells and seeds asked for by algorithm, task or algorithm/task, in the order of measuring:
    every task has its first seed before one has its second."""
    for algorithm, seed, task in itertools.product(STEPS, range(SEEDS), TASKS):
        if not only or {algorithm, task, f"{algorithm}/{task}"} & set(only):
            yield Cell(system, algorithm, task), seed


def judge(cell: Cell, policy: Callable[[np.ndarray], Any]) -> float:
    """Mean return of 100 episodes; all 100 observations go to the policy at each step."""
    envs = [cell.make() for _ in range(EPISODES)]
    seen = np.stack([env.reset(seed=JUDGE + i)[0] for i, env in enumerate(envs)])
    total, playing = 0.0, list(range(EPISODES))
    while playing:
        actions = np.asarray(policy(seen))
        for i in tuple(playing):
            seen[i], reward, terminated, truncated, _ = envs[i].step(actions[i])
            total += float(reward)
            if terminated or truncated:
                playing.remove(i)
    for env in envs:
        env.close()
    return total / EPISODES
