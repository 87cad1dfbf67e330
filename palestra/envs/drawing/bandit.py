"""A row of slot machines: how much each pays on average, and what the last pull paid."""

from typing import Any

import numpy as np

from palestra.envs.drawing.canvas import Canvas
from palestra.envs.toy_text.bandit import State

WALL, FLOOR = "#2b2238", "#3a2e4c"
CABINET, PULLED, SCREEN = "#8c2f39", "#c8553d", "#161220"
PAYS, COSTS, LEVEL, LEVER, KNOB, CHALK = (
    "#f2c14e", "#5b8db8", "#6f6385", "#cfc6dd", "#e63946", "#f4f0fa",
)  # fmt: skip
WIDE, HIGH = 72, 280  # [pixels] of a machine with its place, and of the picture
TOP, BOTTOM, PER_UNIT = 60, 230, 26  # [pixels]


def draw(env: Any, state: State, action: int | None = None) -> np.ndarray:
    """A picture of the state, uint8 [280, 72 for each arm, 3]."""
    means = np.asarray(state.means)
    canvas = Canvas(WIDE * len(means), HIGH, WALL)
    canvas.box(0, BOTTOM - 10, WIDE * len(means), HIGH, FLOOR)
    for arm, mean in enumerate(means.tolist()):
        left, pulled = arm * WIDE, action is not None and int(action) == arm
        canvas.box(left + 8, TOP - 14, left + 54, BOTTOM, PULLED if pulled else CABINET, radius=8)
        canvas.box(left + 14, TOP - 6, left + 48, BOTTOM - 26, SCREEN, radius=4)
        middle = (TOP + BOTTOM) / 2 - 16
        half = np.clip(abs(mean) * PER_UNIT, 1, 66)
        above, below = (half, 0) if mean > 0 else (0, half)
        canvas.box(
            left + 22, middle - above, left + 40, middle + below, PAYS if mean > 0 else COSTS
        )
        canvas.bar((left + 16, middle), (left + 46, middle), 1.5, LEVEL)
        tip = (left + 64, TOP + 62 if pulled else TOP + 4)
        canvas.bar((left + 55, TOP + 40), tip, 4, LEVER)
        canvas.circle(tip, 7, KNOB)
        canvas.text((left + 31, BOTTOM - 13), str(arm), 14, CHALK)
        if pulled:
            canvas.text((left + 31, 24), f"{float(state.reward):+.2f}", 18, CHALK)
    return canvas.pixels()


def text(env: Any, state: State, action: int | None = None) -> str:
    """A line for each arm, with what the last pull paid."""
    lines = [f"{arm:>3}  {mean:+.2f}" for arm, mean in enumerate(np.asarray(state.means).tolist())]
    if action is not None:
        lines[int(action)] += f"  paid {float(state.reward):+.2f}"
    return "\n".join(lines) + "\n\n"
