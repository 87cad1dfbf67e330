"""Cart-pole seen from the side: the whole track between its limits, the pole to scale."""

from functools import lru_cache
from math import cos, sin
from typing import Any

import numpy as np

from palestra.envs.classic.cartpole import CartPole, State
from palestra.envs.drawing.canvas import AXLE, CART, GROUND, INK, MARK, POLE, Canvas

WIDTH, HEIGHT, TRACK = 600, 400, 300  # [pixels]; the track's height from the top
CART_WIDTH, CART_HEIGHT, POLE_WIDTH = 56, 32, 11  # [pixels]


def draw(env: CartPole, state: State, action: Any = None) -> np.ndarray:
    """A picture of the state, uint8 [400, 600, 3]."""
    pixels_per_meter = WIDTH / (2.2 * float(env.max_position))
    middle = WIDTH / 2 + float(state.x) * pixels_per_meter
    length = 2 * float(env.half_length) * pixels_per_meter
    theta = float(state.theta)
    axle = (middle, TRACK - CART_HEIGHT)
    tip = (middle + length * sin(theta), axle[1] - length * cos(theta))

    canvas = _track(float(env.max_position)).copy()
    left, right = middle - CART_WIDTH / 2, middle + CART_WIDTH / 2
    canvas.box(left, TRACK - CART_HEIGHT - 4, right, TRACK - 6, CART, radius=5)
    for wheel in (left + 13, right - 13):
        canvas.circle((wheel, TRACK - 6), 6, INK)
    canvas.bar(axle, tip, POLE_WIDTH, POLE)
    canvas.circle(axle, 4, AXLE)
    return canvas.pixels()


@lru_cache(maxsize=8)
def _track(limit: float) -> Canvas:
    """The ground and both ends of the track, which are in every picture."""
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.box(0, TRACK, WIDTH, HEIGHT, GROUND)
    canvas.box(0, TRACK - 1, WIDTH, TRACK + 1, INK)
    for side in (-1, 1):
        x = WIDTH / 2 + side * limit * WIDTH / (2.2 * limit)
        canvas.box(x - 1.5, TRACK - 14, x + 1.5, TRACK, MARK)
    return canvas
