"""The T-maze from above: a corridor between hedges, and a sign that can be read where it stands."""

import numpy as np

from palestra.envs.drawing.canvas import Canvas
from palestra.envs.drawing.maze import LONGEST, SAND, SHADE, square
from palestra.envs.drawing.walker import flag, walker
from palestra.envs.toy_text.t_maze import NORTH, SOUTH, State, TMaze

FACING = (0, -1), (1, 0), (0, 1), (-1, 0)
WOOD, BOARD, INK = "#8a6239", "#f7e7c6", "#b91c1c"


def draw(env: TMaze, state: State, action: int | None = None) -> np.ndarray:
    """A picture of the state, uint8 [height, width, 3]; after a turn, with the flag."""
    rows = _rows(env)
    columns = len(rows[0])
    side = max(LONGEST // columns // 2, 4) * 2  # of a square, even
    canvas = Canvas(columns * side, len(rows) * side, SAND[0])
    for row, letters in enumerate(rows):
        for column, letter in enumerate(letters):
            corner = column * side, row * side
            square(canvas, letter, corner, side, seed=row * columns + column)
    south, (row, column) = bool(state.south), _where(env, state, action)
    if state.place == 0:
        _sign(canvas, side, south)
    across = 0.5
    if row != 2:  # it has turned
        flag(canvas, ((columns - 1.5) * side, (3.85 if south else 1.85) * side), 0.7 * side)
        across = 0.26
    facing = FACING[1 if action is None else int(action)]
    walker(canvas, ((column + across) * side, (row + 0.5) * side), 0.76 * side, facing, SHADE)
    return canvas.pixels()


def text(env: TMaze, state: State, action: int | None = None) -> str:
    """The map, with x where one stands, and what the sign says where it can be read."""
    rows = [[*letters] for letters in _rows(env)]
    row, column = _where(env, state, action)
    rows[row][column] = "x"
    says = f"the sign: {'south' if state.south else 'north'}" if state.place == 0 else ""
    return "\n".join(["".join(letters) for letters in rows] + [says]) + "\n"


def _rows(env: TMaze) -> tuple[str, ...]:
    """A map as a maze's, with a place to turn to on either side of the corridor's end."""
    wall, side = "#" * (env.length + 3), "#" * (env.length + 1) + ".#"
    return wall, side, f"#S{'.' * env.length}#", side, wall


def _where(env: TMaze, state: State, action: int | None) -> tuple[int, int]:
    """Row and column of who walks: beside the junction after a turn, which ends the episode."""
    turns = {NORTH: -1, SOUTH: 1} if action is not None and state.place == env.length else {}
    return 2 + turns.get(int(action or 0), 0), int(state.place) + 1


def _sign(canvas: Canvas, side: int, south: bool) -> None:
    """A board on a pole above the start, with an arrow."""
    x, y = 1.5 * side, 1.4 * side
    canvas.bar((x, y), (x, 1.95 * side), 0.08 * side, WOOD)
    canvas.box(x - 0.3 * side, y - 0.38 * side, x + 0.3 * side, y + 0.38 * side, WOOD, 0.08 * side)
    inner = 0.24 * side
    canvas.box(x - inner, y - 0.32 * side, x + inner, y + 0.32 * side, BOARD, 0.06 * side)
    way = 1 if south else -1
    canvas.arrow([(x, y - way * 0.2 * side), (x, y + way * 0.05 * side)], 0.1 * side, INK)
