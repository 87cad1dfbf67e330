"""A sheet of paper with the board, crosses and noughts, and a line through three in a row."""

import numpy as np

from palestra.envs.board.tic_tac_toe import CROSS, LINES, NOUGHT, State, TicTacToe
from palestra.envs.drawing.canvas import Canvas, Point

SIDE, MARGIN = 128, 32  # [pixels] of a square, and around the board
SIZE = 3 * SIDE + 2 * MARGIN
SHEET, SHADE, GRID = "#fbf7ec", "#efe7d2", "#64748b"
RED, BLUE, GOLD, LIGHT = "#d1433f", "#2563a8", "#f0b429", "#e2e8f0"
MARKS = ".XO"


def draw(env: TicTacToe, state: State, action: int | None = None) -> np.ndarray:
    """A picture of the state, uint8 [448, 448, 3]; a lighter square is the player's last move."""
    board = np.asarray(state.board).tolist()
    canvas = Canvas(SIZE, SIZE, SHADE)
    canvas.box(10, 10, SIZE - 10, SIZE - 10, SHEET, radius=14)
    if action is not None:
        x, y = middle(int(action))
        half = SIDE / 2 - 8
        canvas.box(x - half, y - half, x + half, y + half, LIGHT, radius=10)
    for i in (1, 2):
        at, end = MARGIN + i * SIDE, SIZE - MARGIN
        canvas.bar((at, MARGIN), (at, end), 5, GRID)
        canvas.bar((MARGIN, at), (end, at), 5, GRID)
    for i, mark in enumerate(board):
        x, y = middle(i)
        arm = 0.28 * SIDE
        if mark == CROSS:
            canvas.bar((x - arm, y - arm), (x + arm, y + arm), 15, BLUE)
            canvas.bar((x - arm, y + arm), (x + arm, y - arm), 15, BLUE)
        elif mark == NOUGHT:
            canvas.circle((x, y), arm + 8, RED)
            canvas.circle((x, y), arm - 7, LIGHT if i == action else SHEET)
    for line in LINES:
        if board[line[0]] and len({board[i] for i in line}) == 1:
            canvas.bar(middle(line[0]), middle(line[2]), 7, GOLD)
    return canvas.pixels()


def middle(square: int) -> Point:
    """The middle of a square."""
    row, column = divmod(square, 3)
    return MARGIN + (column + 0.5) * SIDE, MARGIN + (row + 0.5) * SIDE


def text(env: TicTacToe, state: State, action: int | None = None) -> str:
    """The last action, then the board; a free square by the key that takes it."""
    marks = [MARKS[mark] if mark else str(i + 1) for i, mark in enumerate(np.asarray(state.board))]
    rows = [" ".join(marks[i : i + 3]) for i in (0, 3, 6)]
    first = "" if action is None else f"  (square {int(action) + 1})"
    return "\n".join([first, *rows]) + "\n"
