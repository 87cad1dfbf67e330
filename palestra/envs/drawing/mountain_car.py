"""Both mountain cars seen from the side: the hill to scale, the flag, and the engine's push."""

from itertools import pairwise
from math import atan, cos, sin
from typing import Any

import numpy as np

from palestra.envs.classic.mountain_car import MountainCar, State
from palestra.envs.classic.mountain_car_continuous import MountainCarContinuous
from palestra.envs.drawing.canvas import AXLE, CART, GROUND, INK, MARK, PUSH, Canvas, Point
from palestra.envs.drawing.walker import flag

WIDTH, HEIGHT, MARGIN, FLOOR = 600, 400, 30, 380  # [pixels]; FLOOR is height 0, from the top
WHEEL, BASE = 8, 26  # [pixels]; a wheel's radius, and from wheel to wheel


def draw(env: MountainCar | MountainCarContinuous, state: State, action: Any = None) -> np.ndarray:
    """A picture of the state, uint8 [400, 600, 3]."""
    left, right = float(env.min_position), float(env.max_position)
    scale = min((WIDTH - 2 * MARGIN) / (right - left), 300)  # pixels per meter, the top in sight

    def ground(x: float) -> Point:
        """The point of the hill at a distance of x pixels from the left."""
        position = left + (x - MARGIN) / scale
        return x, FLOOR - (0.55 + 0.45 * sin(3 * position)) * scale

    canvas = Canvas(WIDTH, HEIGHT)
    hill = [ground(x) for x in np.linspace(-2, WIDTH + 2, 200)]
    _, wall = ground(MARGIN)
    canvas.box(MARGIN - 24, wall - 50, MARGIN - 16, wall + 20, MARK, radius=3)
    canvas.polygon([*hill, (WIDTH, HEIGHT), (0, HEIGHT)], GROUND)
    for start, end in pairwise(hill):
        canvas.bar(start, end, 2.5, INK)
    flag(canvas, ground(MARGIN + (float(env.goal_position) - left) * scale), 58)

    # The car stands on two wheels: its own x to the front, its y upwards.
    middle = MARGIN + (float(state.position) - left) * scale
    slope = atan(1.35 * cos(3 * float(state.position)))
    rear, front = (ground(middle + side * BASE / 2 * cos(slope)) for side in (-1, 1))
    tilt = np.arctan2(rear[1] - front[1], front[0] - rear[0])
    x0, y0 = (rear[0] + front[0]) / 2, (rear[1] + front[1]) / 2

    def at(x: float, y: float) -> Point:
        return x0 + x * cos(tilt) - y * sin(tilt), y0 - x * sin(tilt) - y * cos(tilt)

    canvas.polygon([at(-13, 20), at(-9, 31), at(7, 31), at(13, 20)], CART)
    canvas.polygon([at(-9, 21), at(-6.5, 28.5), at(5, 28.5), at(9.5, 21)], AXLE)
    canvas.bar(at(-20, 15.5), at(20, 15.5), 11, CART)
    for x in (-BASE / 2, BASE / 2):
        canvas.circle(at(x, WHEEL + 1), WHEEL, INK)
        canvas.circle(at(x, WHEEL + 1), 3, MARK)
    push = _push(action)
    if abs(push) > 0.02:
        canvas.arrow([at(-16 * push, 44), at(16 * push, 44)], 4, PUSH)
    return canvas.pixels()


def _push(action: Any) -> float:
    """From -1 (to the left) to 1, of either car's actions."""
    if action is None:
        return 0.0
    action = np.asarray(action)
    return float(np.clip(action[0], -1, 1)) if action.ndim else float(action) - 1
