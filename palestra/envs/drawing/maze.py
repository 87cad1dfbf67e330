"""The maze from above: paths between hedges, a flag to reach."""

import numpy as np

from palestra.envs.drawing.canvas import Canvas
from palestra.envs.drawing.walker import blob, flag, walker
from palestra.envs.toy_text.maze import Maze, State

SAND, SHADE, STONE = ("#efe3c8", "#eadcbd"), "#cdbb94", "#d9c9a3"
HEDGE, LEAVES = "#3f7d4e", ("#4c9160", "#5ba570", "#37704a")
FACING = (-1, 0), (0, 1), (1, 0), (0, -1)
LONGEST = 576  # [pixels]; the longer side


def draw(env: Maze, state: State, action: int | None = None) -> np.ndarray:
    """A picture of the state, uint8 [height, width, 3]."""
    rows, columns = len(env.desc), len(env.desc[0])
    side = max(LONGEST // max(rows, columns) // 2, 4) * 2  # of a square, even
    canvas = Canvas(columns * side, rows * side, SAND[0])
    for row, letters in enumerate(env.desc):
        for column, letter in enumerate(letters):
            square(canvas, letter, (column * side, row * side), side, seed=row * columns + column)
    row, column = divmod(int(state.square), columns)
    x, y = (column + 0.5) * side, (row + 0.5) * side
    facing = FACING[1] if action is None else FACING[int(action)]
    x -= 0.22 * side if env.desc[row][column] == "G" else 0
    walker(canvas, (x, y), 0.76 * side, facing, SHADE)
    return canvas.pixels()


def square(canvas: Canvas, letter: str, corner: tuple[float, float], side: int, seed: int) -> None:
    """What a letter of the map stands for."""
    left, top = corner
    at = lambda across, below: (left + across * side, top + below * side)
    rng = np.random.default_rng(seed)
    if letter == "#":
        canvas.box(*at(0, 0), *at(1, 1), HEDGE)
        for across, below, size in rng.uniform((0.1, 0.1, 0.06), (0.9, 0.9, 0.13), size=(14, 3)):
            leaf = LEAVES[int(rng.integers(len(LEAVES)))]
            canvas.polygon(blob(at(across, below), size * side, size * side, seed, 0.1), leaf)
        return
    canvas.box(*at(0, 0), *at(1, 1), SAND[seed % 2])
    for across, below in rng.uniform(0.15, 0.85, size=(3, 2)):
        canvas.polygon(blob(at(across, below), 0.03 * side, 0.02 * side), STONE)
    if letter == "S":
        canvas.box(*at(0.14, 0.14), *at(0.86, 0.86), SHADE, radius=0.1 * side)
    if letter == "G":
        canvas.polygon(blob(at(0.58, 0.84), 0.2 * side, 0.075 * side), SHADE)
        flag(canvas, at(0.53, 0.82), 0.66 * side)


def text(env: Maze, state: State, action: int | None = None) -> str:
    """The map's rows, with x where one stands."""
    columns = len(env.desc[0])
    letters = [*"".join(env.desc)]
    letters[int(state.square)] = "x"
    rows = [letters[i : i + columns] for i in range(0, len(letters), columns)]
    return "\n".join("  ".join(row) for row in rows) + "\n\n"
