"""The acrobot from the front: both links to scale, the line to reach, and the motor's torque."""

from math import cos, pi, sin
from typing import Any

import numpy as np

from palestra.envs.classic.acrobot import Acrobot, State
from palestra.envs.drawing.canvas import AXLE, CART, INK, MARK, POLE, PUSH, Canvas, Point

SIZE, LINK, ARC = 500, 24, 32  # [pixels]; width of a link, radius of the arrow


def draw(env: Acrobot, state: State, action: Any = None) -> np.ndarray:
    """A picture of the state, uint8 [500, 500, 3]."""
    length_1, length_2 = float(env.length_1), float(env.length_2)
    scale = SIZE / 2 / (1.1 * (length_1 + length_2))  # pixels per meter

    def beyond(start: Point, angle: float, length: float) -> Point:
        """The point at a distance in pixels, in the direction of an angle from hanging down."""
        return start[0] + length * sin(angle), start[1] + length * cos(angle)

    shoulder = (SIZE / 2, SIZE / 2)
    theta_1, theta_2 = float(state.theta_1), float(state.theta_2)
    elbow = beyond(shoulder, theta_1, length_1 * scale)
    tip = beyond(elbow, theta_1 + theta_2, length_2 * scale)

    canvas = Canvas(SIZE, SIZE)
    line = shoulder[1] - float(env.target_height) * scale
    for x in range(6, SIZE, 20):
        canvas.bar((x, line), (x + 8, line), 2.5, MARK)
    canvas.bar(shoulder, elbow, LINK, CART)
    canvas.bar(elbow, tip, LINK, POLE)
    canvas.circle(tip, 4, INK)
    for joint in (shoulder, elbow):
        canvas.circle(joint, 6, INK)
        canvas.circle(joint, 2.5, AXLE)

    torque = 0 if action is None else int(action) - 1
    if torque:
        middle = theta_1 + theta_2 / 2 + (-pi / 2 if theta_2 > 0 else pi / 2)  # of the free side
        turned = np.linspace(-0.25 * pi, 0.25 * pi, 25) * torque
        canvas.arrow([beyond(elbow, middle + angle, ARC) for angle in turned], 5, PUSH)
    return canvas.pixels()
