"""The cliff from above: meadow, a ragged edge, rock, and the sea at its foot."""

import numpy as np

from palestra.envs.drawing.canvas import Canvas
from palestra.envs.drawing.walker import blob, flag, walker
from palestra.envs.toy_text.cliff_walking import COLUMNS, GOAL, ROWS, START, CliffWalking, State

GRASS, SHADE, BLADE = ("#b9d98a", "#b1d380"), "#94b866", "#8db35f"
PETALS, PISTIL = ("#ffffff", "#fde68a", "#f9a8d4"), "#f59e0b"
TURF, ROCK, CREVICE, LEDGE = "#7da452", ("#a8886a", "#997a5d", "#b39475"), "#6f563f", "#c9ad8e"
SEA, SWELL, SURF = "#2f7fb5", "#5aa3d0", "#f0f9ff"
CLOTH, FOLD, DOOR = "#e8b04b", "#c98a2b", "#5b3a1a"
FACING = (0, -1), (1, 0), (0, 1), (-1, 0)
SIDE = 64  # of a square [pixels]


def draw(env: CliffWalking, state: State, action: int | None = None) -> np.ndarray:
    """A picture of the state, uint8 [256, 768, 3]."""
    canvas = Canvas(COLUMNS * SIDE, ROWS * SIDE, GRASS[0])
    _meadow(canvas)
    _cliff(canvas)
    x, y = _middle(START)
    _tent(canvas, (x - 0.2 * SIDE, y - 0.14 * SIDE))
    x, y = _middle(GOAL)
    canvas.polygon(blob((x + 0.08 * SIDE, y + 0.32 * SIDE), 0.2 * SIDE, 0.07 * SIDE), SHADE)
    flag(canvas, (x + 0.03 * SIDE, y + 0.32 * SIDE), 0.66 * SIDE)

    x, y = _middle(int(state.square))
    x += {START: 0.2, GOAL: -0.22}.get(int(state.square), 0.0) * SIDE
    facing = FACING[2] if action is None else FACING[int(action)]
    walker(canvas, (x, y), 0.78 * SIDE, facing, SHADE)
    return canvas.pixels()


def _middle(square: int) -> tuple[float, float]:
    row, column = divmod(square, COLUMNS)
    return (column + 0.5) * SIDE, (row + 0.5) * SIDE


def _meadow(canvas: Canvas) -> None:
    for row in range(ROWS):
        for column in range(COLUMNS):
            rng = np.random.default_rng([row, column])
            left, top = column * SIDE, row * SIDE
            if (row + column) % 2:
                canvas.box(left, top, left + SIDE - 1, top + SIDE - 1, GRASS[1])
            for x, y in rng.uniform(0.12, 0.85, size=(3, 2)):
                x, y = left + x * SIDE, top + y * SIDE
                for lean in (-3, 0, 3):
                    canvas.bar((x, y), (x + lean, y - 5 + abs(lean) / 2), 1.2, BLADE)
            if rng.random() < 0.3:
                x, y = left + rng.uniform(0.2, 0.8) * SIDE, top + rng.uniform(0.2, 0.8) * SIDE
                petal = PETALS[int(rng.integers(len(PETALS)))]
                for angle in np.arange(5) * 2 * np.pi / 5:
                    canvas.circle((x + 2.2 * np.cos(angle), y + 2.2 * np.sin(angle)), 1.7, petal)
                canvas.circle((x, y), 1.5, PISTIL)


def _cliff(canvas: Canvas) -> None:
    """All squares between start and goal: rock from the edge down to the surf."""
    rng = np.random.default_rng(7)
    left, right = SIDE, (COLUMNS - 1) * SIDE
    top, bottom = (ROWS - 1) * SIDE, ROWS * SIDE
    columns = np.linspace(left, right, 41)
    edge = top + 5 + rng.uniform(-3, 3, len(columns))
    foot = top + 40 + rng.uniform(-4, 4, len(columns))
    outline = lambda line: list(zip(columns, line, strict=True))

    canvas.polygon([(left, bottom), *outline(edge - 5), (right, bottom)], TURF)
    canvas.polygon([(left, bottom), *outline(edge), (right, bottom)], ROCK[0])
    for i in range(len(columns) - 1):  # facets of the rock, each with a light of its own
        a, b = columns[i], columns[i + 1]
        color = ROCK[int(rng.integers(len(ROCK)))]
        canvas.polygon([(a, edge[i]), (b, edge[i + 1]), (b, foot[i + 1]), (a, foot[i])], color)
    for i in range(1, len(columns) - 1, 2):
        x, bend = columns[i], rng.uniform(-3, 3)
        middle = (x + bend, (edge[i] + foot[i]) / 2)
        canvas.bar((x, edge[i] + 2), middle, 1.2, CREVICE)
        if rng.random() < 0.6:
            canvas.bar(middle, (x, foot[i]), 1.2, CREVICE)
        else:
            canvas.bar(middle, (middle[0] + 9, middle[1] + 2), 1.6, LEDGE)
    canvas.polygon([(left, bottom), *outline(foot), (right, bottom)], SURF)
    canvas.polygon(
        [(left, bottom), *outline(foot + 4 + rng.uniform(-1, 1, 41)), (right, bottom)], SEA
    )
    for x in range(left + 12, right - 24, 29):
        y = rng.uniform(top + 50, bottom - 5)
        canvas.bar((x, y), (x + rng.uniform(6, 14), y), 1.5, SWELL)
    for x, inwards in ((left, 1), (right, -1)):  # the two sides of the cove
        canvas.polygon(
            [(x, top), (x + 9 * inwards, top), (x + 5 * inwards, bottom), (x, bottom)], TURF
        )
        canvas.bar((x + 9 * inwards, top + 3), (x + 5 * inwards, bottom), 1.5, CREVICE)


def _tent(canvas: Canvas, center: tuple[float, float]) -> None:
    x, y = center
    canvas.polygon(blob((x, y + 13), 18, 4), SHADE)
    canvas.polygon([(x - 16, y + 13), (x, y - 13), (x + 4, y + 13)], CLOTH)
    canvas.polygon([(x + 4, y + 13), (x, y - 13), (x + 16, y + 10)], FOLD)
    canvas.polygon([(x - 8, y + 13), (x - 2, y - 3), (x, y + 13)], DOOR)


def text(env: CliffWalking, state: State, action: int | None = None) -> str:
    """A letter per square: x is where one stands, C the cliff, T the goal, o the ground."""
    letters = ["C" if START < square < GOAL else "o" for square in range(ROWS * COLUMNS)]
    letters[GOAL] = "T"
    letters[int(state.square)] = "x"
    rows = [letters[i : i + COLUMNS] for i in range(0, len(letters), COLUMNS)]
    return "\n".join("  ".join(row) for row in rows) + "\n\n"
