"""The pendulum from the front: the rod on its circle, and the motor's torque as an arrow."""

from math import cos, pi, sin
from typing import Any

import numpy as np

from palestra.envs.classic.pendulum import Pendulum, State
from palestra.envs.drawing.canvas import AXLE, GROUND, INK, MARK, PAPER, POLE, PUSH, Canvas, Point

SIZE, PIVOT = 500, (250, 250)  # [pixels]
REACH, ROD, ARC = 190, 30, 46  # [pixels]; circle of the tip, width of the rod, radius of the arrow


def draw(env: Pendulum, state: State, action: Any = None) -> np.ndarray:
    """A picture of the state, uint8 [500, 500, 3]."""

    def at(angle: float, radius: float) -> Point:
        """The point in the direction of an angle from upright, counterclockwise."""
        return PIVOT[0] - radius * sin(angle), PIVOT[1] - radius * cos(angle)

    canvas = Canvas(SIZE, SIZE)
    canvas.circle(PIVOT, REACH + 1, GROUND)
    canvas.circle(PIVOT, REACH - 1, PAPER)
    canvas.bar(at(0, REACH - 8), at(0, REACH + 8), 4, MARK)  # where the tip should be
    theta = float(state.theta)
    canvas.bar(at(theta, 0), at(theta, REACH - ROD / 2), ROD, POLE)
    canvas.circle(PIVOT, 6, INK)
    canvas.circle(PIVOT, 2.5, AXLE)

    most = float(env.max_torque)
    torque = 0.0 if action is None else float(np.clip(np.asarray(action)[0], -most, most)) / most
    if abs(torque) > 0.02:
        turned = np.linspace(0, 0.75 * pi * torque, 25)  # from the rod on, so that it shows the way
        canvas.arrow([at(theta + pi + angle - turned[12], ARC) for angle in turned], 5, PUSH)
    return canvas.pixels()
