"""The taxi's town from above: streets between blocks, four stands, a passenger and a flag.

The flag is where the passenger wants to go. Who rides is seen through the taxi's roof.
"""

from typing import Any

import numpy as np

from palestra.envs.drawing.canvas import Canvas, Number
from palestra.envs.drawing.walker import COAT, blob, flag, walker
from palestra.envs.toy_text.taxi import IN_TAXI, PICK_UP, SIZE, STANDS, WALLS, State, Taxi

SIDE, MARGIN = 100, 20  # [pixels]; a square's side, and what surrounds the town
BLOCK = 34  # [pixels]; the side of a block of houses
STREET, LANE, LAWN, GRASS, LEAF, LIGHT = (
    "#e7e5e0", "#fbfaf7", "#cfe0bd", "#a8c48f", "#7da765", "#93ba7a",
)  # fmt: skip
WET, WET_LANE, PUDDLE, DROP = "#d3dae1", "#e9eef2", "#bccbd8", "#8fa9c0"
BRICK, COPING = "#5b4a44", "#8a736a"
STAND = "#e4574c", "#4fa25c", "#f2c33d", "#4a83d4"  # R, G, Y, B
TAXI, SHADOW, GLASS, TIRE, LAMP, BRAKE = (
    "#fcc419", "#b9b5ac", "#27364a", "#1f2937", "#fff7d6", "#ef4444",
)  # fmt: skip
AHEAD = (0, 1), (0, -1), (1, 0), (-1, 0)  # right, down; by action
NAMES = "South", "North", "East", "West", "Pickup", "Dropoff"


def draw(env: Taxi, state: State, action: Any = None) -> np.ndarray:
    """A picture of the state, uint8 [540, 540, 3]."""
    street, lane = (WET, WET_LANE) if env.is_rainy else (STREET, LANE)
    whole = SIZE * SIDE + 2 * MARGIN
    canvas = Canvas(whole, whole, LAWN)
    canvas.box(MARGIN, MARGIN, whole - MARGIN, whole - MARGIN, street, radius=18)
    _lanes(canvas, lane)
    if env.is_rainy:
        _puddles(canvas)
    for number in range(4):
        _stand(canvas, number)
    _blocks(canvas)

    row, column = divmod(int(state.square), SIZE)
    passenger, destination = int(state.passenger), int(state.destination)
    left, top = _corner(STANDS[destination])
    flag(canvas, (left + 72, top + 46), 42)
    if passenger != IN_TAXI:
        left, top = _corner(STANDS[passenger])
        walker(canvas, (left + 76, top + 70), 40, (0, 1), SHADOW)
    if action is not None and int(action) < PICK_UP:
        ahead = AHEAD[int(action)]
    else:
        ahead = AHEAD[0] if row < SIZE // 2 else AHEAD[1]
    _taxi(canvas, _corner(row * SIZE + column), ahead, passenger == IN_TAXI)
    if env.is_rainy:
        _rain(canvas, whole, seed=int(state.square))
    return canvas.pixels()


def text(env: Taxi, state: State, action: Any = None) -> str:
    """The map with the taxi's square in yellow, or green with a passenger, then the last action.

    The passenger is the stand in blue, the destination the one in magenta.
    """
    cells = [" "] * SIZE**2
    for letter, square in zip("RGYB", STANDS, strict=True):
        cells[square] = letter
    taxi, passenger = int(state.square), int(state.passenger)

    def mark(square: int, code: str) -> None:
        cells[square] = f"\x1b[{code}m{cells[square]}\x1b[0m"

    if passenger == IN_TAXI:
        cells[taxi] = cells[taxi].replace(" ", "_")
        mark(taxi, "42")
    else:
        mark(taxi, "43")
        mark(STANDS[passenger], "34;1")
    mark(STANDS[int(state.destination)], "35")

    frame = "+" + "-" * (2 * SIZE - 1) + "+"
    lines = [frame]
    for row in range(SIZE):
        squares = range(row * SIZE, (row + 1) * SIZE)
        bars = ["|" if square in WALLS or square % SIZE == 4 else ":" for square in squares]
        lines.append("|" + "".join(cells[s] + bar for s, bar in zip(squares, bars, strict=True)))
    last = "" if action is None else f"  ({NAMES[int(action)]})"
    return "\n".join([*lines, frame, last]) + "\n"


def _corner(square: int) -> tuple[int, int]:
    row, column = divmod(square, SIZE)
    return MARGIN + column * SIDE, MARGIN + row * SIDE


def _lanes(canvas: Canvas, color: str) -> None:
    """Dashes along the middle of the streets, between the crossings."""
    for square in range(SIZE**2):
        left, top = _corner(square)
        x, y = left + SIDE / 2, top + SIDE / 2
        for along in (34, 50, 66):
            if square % SIZE < SIZE - 1 and square not in WALLS:
                canvas.box(x + along - 5, y - 1.5, x + along + 5, y + 1.5, color, radius=1.5)
            if square // SIZE < SIZE - 1:
                canvas.box(x - 1.5, y + along - 5, x + 1.5, y + along + 5, color, radius=1.5)


def _stand(canvas: Canvas, number: int) -> None:
    left, top = _corner(STANDS[number])
    edge = 10
    canvas.box(left + edge, top + edge, left + SIDE - edge, top + SIDE - edge, LANE, radius=13)
    edge += 3
    canvas.box(
        left + edge, top + edge, left + SIDE - edge, top + SIDE - edge, STAND[number], radius=10
    )
    canvas.text((left + 26, top + 28), "RGYB"[number], 22, LANE)


def _blocks(canvas: Canvas) -> None:
    """A block with a tree wherever four squares meet, and walls of brick from block to block."""
    for square in WALLS:
        left, top = _corner(square)
        x = left + SIDE
        canvas.bar((x, top), (x, top + SIDE), 13, BRICK)
        canvas.bar((x, top), (x, top + SIDE), 6, COPING)
    for row in range(SIZE + 1):
        for column in range(SIZE + 1):
            x, y, half = MARGIN + column * SIDE, MARGIN + row * SIDE, BLOCK / 2
            canvas.box(x - half, y - half, x + half, y + half, LAWN, radius=9)
            if 0 < row < SIZE and 0 < column < SIZE:
                canvas.circle((x + 1.5, y + 2), 12, GRASS)
                canvas.polygon(blob((x, y), 11.5, 11.5, row * SIZE + column, 0.08), LEAF)
                canvas.polygon(blob((x - 2, y - 2.5), 6.5, 6, row + column, 0.08), LIGHT)


def _taxi(canvas: Canvas, corner: tuple[int, int], ahead: tuple[int, int], riding: bool) -> None:
    """The taxi from above, looking `ahead`."""
    (left, top), (right, down) = corner, ahead
    x, y = left + SIDE / 2, top + SIDE / 2

    def panel(back: Number, side: Number, front: Number, other: Number, color: str, radius=0.0):
        """A box from `back` to `front` along the car, from `side` to `other` across it."""
        xs = [x + along * right - across * down for along, across in ((back, side), (front, other))]
        ys = [y + along * down + across * right for along, across in ((back, side), (front, other))]
        canvas.box(min(xs), min(ys), max(xs), max(ys), color, radius)

    canvas.box(
        x - 27 * abs(right) - 14 * abs(down) + 2,
        y - 27 * abs(down) - 14 * abs(right) + 3,
        x + 27 * abs(right) + 14 * abs(down) + 2,
        y + 27 * abs(down) + 14 * abs(right) + 3,
        SHADOW,
        radius=8,
    )
    for axle in (-16, 16):
        panel(axle - 5, -15.5, axle + 5, 15.5, TIRE, 2)
    panel(-27, -13.5, 27, 13.5, TAXI, 8)
    for side in (-9.5, 9.5):
        panel(24, side - 3, 27, side + 3, LAMP, 1.2)
        panel(-27, side - 3, -24.6, side + 3, BRAKE, 1)
    panel(6, -10.5, 14, 10.5, GLASS, 3)
    panel(-20, -10, -14.5, 10, GLASS, 2.5)
    for number in range(8):  # a checkered stripe along each side
        for side in (-12.3, 12.3):
            start = -15 + 3 * number
            panel(start, side - 1.2, start + 1.5, side + 1.2, TIRE)
    if riding:
        panel(-11, -8, 3, 8, GLASS, 4)
        at = (x - 4 * right, y - 4 * down)
        canvas.circle(at, 6, COAT)
        canvas.circle(at, 4, "#f6cfa6")
    else:
        panel(-7, -5.5, -1, 5.5, LAMP, 2)


def _puddles(canvas: Canvas) -> None:
    rng = np.random.default_rng(3)
    for square in range(SIZE**2):
        left, top = _corner(square)
        x, y = rng.uniform(30, 70, 2)
        across = rng.uniform(9, 17)
        canvas.polygon(blob((left + x, top + y), across, 0.6 * across, square, 0.12), PUDDLE)


def _rain(canvas: Canvas, whole: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for x, y, length in zip(*rng.uniform(0, whole, (2, 130)), rng.uniform(9, 17, 130), strict=True):
        canvas.bar((x, y), (x - 0.3 * length, y + length), 1.3, DROP)
