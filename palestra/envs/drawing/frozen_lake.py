"""The frozen lake from above: ice to cross, holes to shun, a flag to reach."""

import numpy as np

from palestra.envs.drawing.canvas import Canvas
from palestra.envs.drawing.walker import blob, flag, hat, walker
from palestra.envs.toy_text.frozen_lake import FrozenLake, State

SNOW, EDGE, SHADE, GLINT, CRACK = "#f4f8fc", "#ffffff", "#b4cfe4", "#f2f9ff", "#a9cbe4"
ICE = "#cfe4f4", "#d6e9f7", "#dcedf9"
RIM, WALL, WATER, RIPPLE = "#ffffff", "#7fb0d3", "#1d5a8c", "#4c8dbd"
WOOD, SEAM = "#c79a67", "#8d6238"
NAMES = "Left", "Down", "Right", "Up"
FACING = (-1, 0), (0, 1), (1, 0), (0, -1)
LONGEST, MARGIN = 512, 16  # [pixels]; the longer side of the lake, and the snow around it


def draw(env: FrozenLake, state: State, action: int | None = None) -> np.ndarray:
    """A picture of the state, uint8 [height, width, 3]; 544 x 544 for the maps with a name."""
    rows, columns = len(env.map), len(env.map[0])
    side = max(LONGEST // max(rows, columns) // 2, 4) * 2  # of a square, even
    canvas = Canvas(columns * side + 2 * MARGIN, rows * side + 2 * MARGIN, SNOW)
    right, bottom = MARGIN + columns * side, MARGIN + rows * side
    canvas.box(MARGIN - 4, MARGIN - 4, right + 4, bottom + 4, SHADE, radius=12)
    canvas.box(MARGIN - 3, MARGIN - 3, right + 3, bottom + 3, EDGE, radius=11)

    for row in range(rows):
        for column in range(columns):
            corner = MARGIN + column * side, MARGIN + row * side
            _square(canvas, env.map[row][column], corner, side, seed=row * columns + column)

    row, column = divmod(int(state.square), columns)
    x, y = MARGIN + (column + 0.5) * side, MARGIN + (row + 0.5) * side
    if env.map[row][column] == "H":  # all there is to see
        for ring in (0.24, 0.17):
            canvas.polygon(blob((x, y + 0.06 * side), ring * side, 0.62 * ring * side), RIPPLE)
            inner = ring - 0.02
            canvas.polygon(blob((x, y + 0.06 * side), inner * side, 0.6 * inner * side), WATER)
        hat(canvas, (x, y + 0.04 * side), 0.62 * side)
    else:
        facing = FACING[1] if action is None else FACING[int(action)]
        x -= 0.22 * side if env.map[row][column] == "G" else 0
        walker(canvas, (x, y), 0.72 * side, facing, SHADE)
    return canvas.pixels()


def _square(canvas: Canvas, letter: str, corner: tuple[float, float], side: int, seed: int):
    left, top = corner
    at = lambda across, below: (left + across * side, top + below * side)
    rng = np.random.default_rng(seed)
    gap = 0.015 * side
    ice = ICE[int(rng.integers(len(ICE)))]
    canvas.box(left + gap, top + gap, left + side - gap, top + side - gap, ice, radius=0.07 * side)
    if letter == "H":
        middle, wide, high = at(0.5, 0.5), 0.39 * side, 0.36 * side
        canvas.polygon(blob(middle, wide * 1.08, high * 1.09, seed, 0.035), RIM)
        canvas.polygon(blob(middle, wide, high, seed, 0.035), WALL)
        canvas.polygon(blob(at(0.5, 0.535), wide * 0.94, high * 0.9, seed, 0.035), WATER)
        for across, below, length in ((0.38, 0.47, 0.12), (0.55, 0.6, 0.16), (0.36, 0.68, 0.08)):
            canvas.bar(at(across, below), at(across + length, below), 0.022 * side, RIPPLE)
        return
    x, y = rng.uniform(0.12, 0.6, size=2)  # light on the ice
    for shift, length in ((0.0, 0.22), (0.07, 0.12)):
        start, end = at(x + shift, y + 0.22), at(x + shift + length, y + 0.22 - length)
        canvas.bar(start, end, 0.025 * side, GLINT)
    if letter == "F" and rng.random() < 0.35:
        x, y = rng.uniform(0.3, 0.7, size=2)
        for angle in rng.uniform(0, 2 * np.pi / 3) + np.arange(3) * 2 * np.pi / 3:
            bend = x + 0.12 * np.cos(angle), y + 0.12 * np.sin(angle)
            tip = bend[0] + 0.09 * np.cos(angle + 0.7), bend[1] + 0.09 * np.sin(angle + 0.7)
            canvas.bar(at(x, y), at(*bend), 0.014 * side, CRACK)
            canvas.bar(at(*bend), at(*tip), 0.01 * side, CRACK)
    if letter == "S":  # a landing stage
        for plank in range(4):
            upper = 0.2 + 0.16 * plank
            canvas.box(*at(0.14, upper), *at(0.86, upper + 0.14), SEAM, radius=0.03 * side)
            canvas.box(*at(0.14, upper), *at(0.86, upper + 0.12), WOOD, radius=0.03 * side)
    if letter == "G":
        canvas.polygon(blob(at(0.58, 0.84), 0.2 * side, 0.075 * side), SHADE)
        canvas.polygon(blob(at(0.56, 0.81), 0.2 * side, 0.09 * side), SNOW)
        flag(canvas, at(0.54, 0.8), 0.62 * side)


def text(env: FrozenLake, state: State, action: int | None = None) -> str:
    """The last action, then the map with the square one stands on in red."""
    rows = [list(row) for row in env.map]
    row, column = divmod(int(state.square), len(env.map[0]))
    rows[row][column] = f"\x1b[41m{rows[row][column]}\x1b[0m"
    first = "" if action is None else f"  ({NAMES[int(action)]})"
    return "\n".join([first, *map("".join, rows)]) + "\n"
