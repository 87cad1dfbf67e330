"""What the pictures of walks share: someone who walks, a flag to walk to, uneven ground."""

from math import cos, pi, sin

import numpy as np

from palestra.envs.drawing.canvas import Canvas, Number, Point

COAT, FLAG = "#dc2626", "#f97316"
_SKIN, _SCARF, _HAT, _HAIR, _BOOTS, _POLE = (
    "#f6cfa6", "#fbbf24", "#1e3a8a", "#3b2a20", "#1f2937", "#475569",
)  # fmt: skip


def blob(
    center: Point, across: Number, down: Number, seed: int = 0, rough: Number = 0.0
) -> list[Point]:
    """The outline of an ellipse of these half axes, uneven by the share `rough`."""
    rng, angles = np.random.default_rng(seed), np.linspace(0, 2 * pi, 60, endpoint=False)
    radii = np.ones(60)
    for k in (2, 3, 4, 5):
        radii += rough * rng.normal() / k * np.cos(k * angles + rng.uniform(0, 2 * pi))
    x, y = center
    return [
        (x + across * r * cos(a), y + down * r * sin(a)) for r, a in zip(radii, angles, strict=True)
    ]


def walker(canvas: Canvas, center: Point, size: Number, facing: Point, shadow: str) -> None:
    """Someone in coat and hat, `size` pixels high, who looks along `facing`: right, down."""
    (x, y), (right, down) = center, facing
    at = lambda across, below: (x + across * size, y + below * size)
    oval = lambda across, below, width, height, color: canvas.polygon(
        blob(at(across, below), width * size, height * size), color
    )
    oval(0.0, 0.46, 0.27, 0.07, shadow)
    for foot in (-0.09, 0.09):
        oval(foot + 0.02 * right, 0.43, 0.085, 0.05, _BOOTS)
    canvas.bar(at(-0.17, 0.12), at(-0.21, 0.25), 0.1 * size, COAT)
    canvas.bar(at(0.17, 0.12), at(0.21, 0.25), 0.1 * size, COAT)
    left_top, right_bottom = at(-0.19, 0.0), at(0.19, 0.4)
    canvas.box(*left_top, *right_bottom, COAT, radius=0.12 * size)
    oval(0.04 * right, -0.16, 0.19, 0.19, _SKIN if down >= 0 else _HAIR)
    canvas.bar(at(-0.12, 0.03), at(0.12, 0.03), 0.09 * size, _SCARF)
    tail = -0.1 if right >= 0 else 0.1  # of the scarf, blown back
    canvas.bar(at(tail, 0.04), at(tail * 1.2, 0.16), 0.075 * size, _SCARF)
    if down >= 0:
        for eye in (-0.065, 0.065):
            oval(eye + 0.1 * right, -0.13, 0.022, 0.028, _BOOTS)
    hat(canvas, at(0.04 * right, -0.24), size)


def hat(canvas: Canvas, center: Point, size: Number) -> None:
    """The hat of a walker `size` pixels high; the middle of its brim is at `center`."""
    x, y = center
    crown = blob((x, y), 0.2 * size, 0.2 * size)
    canvas.polygon([point for point in crown if point[1] <= y], _HAT)
    canvas.bar((x - 0.17 * size, y), (x + 0.17 * size, y), 0.085 * size, _SCARF)
    canvas.circle((x, y - 0.21 * size), 0.065 * size, _SCARF)


def flag(canvas: Canvas, foot: Point, size: Number) -> None:
    """A flag on a pole `size` pixels high."""
    x, y = foot
    canvas.bar((x, y), (x, y - size), 0.06 * size, _POLE)
    top, across = y - 0.97 * size, np.linspace(0, 1, 20)
    wave = 0.05 * size * np.sin(2 * pi * across)
    upper = [(x + 0.6 * size * a, top + w) for a, w in zip(across, wave, strict=True)]
    lower = [(px, py + 0.42 * size) for px, py in reversed(upper)]
    canvas.polygon(upper + lower, FLAG)
    canvas.circle((x, y - size), 0.06 * size, _SCARF)
