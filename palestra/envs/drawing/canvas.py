"""A picture drawn several times too large and averaged down, so that edges are smooth."""

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.ImageColor import getrgb

SCALE = 3  # drawn pixels per pixel, along each axis

INK, CART, POLE, AXLE = "#1f2937", "#1d4ed8", "#f59e0b", "#fef3c7"
PAPER, GROUND, MARK = "#ffffff", "#e5e7eb", "#9ca3af"
PUSH = "#e11d48"  # what the action does

Number = float | int
Point = tuple[Number, Number]


class Shape(NamedTuple):
    """What is to be drawn, as Pillow calls it; in drawn pixels."""

    kind: str
    points: list[Point]
    how: dict[str, Any]


class Canvas:
    """Shapes in pixels, y downwards, fractions welcome."""

    def __init__(self, width: int, height: int, background: str = PAPER):
        self._image = Image.new("RGB", (width * SCALE, height * SCALE), getrgb(background))
        self._shapes: list[Shape] = []  # that are not drawn yet
        # Of what copies share, the pixels, and images like it that are free to draw on.
        self._ground: np.ndarray | None = None
        self._spare: list[Image.Image] = []

    def copy(self) -> "Canvas":
        """Another one with the same picture, of which only what is drawn on it is averaged anew."""
        if self._ground is None or self._shapes:
            self._draw_all()
            self._ground = self.pixels()
        other = Canvas.__new__(Canvas)
        other.__dict__.update(self.__dict__, _shapes=[])
        return other

    def polygon(self, points: Sequence[Point], color: str) -> None:
        self._add("polygon", points, fill=color)

    def circle(self, center: Point, radius: Number, color: str) -> None:
        (x, y), r = center, radius
        self._add("ellipse", [(x - r, y - r), (x + r, y + r)], fill=color)

    def box(
        self,
        left: Number,
        top: Number,
        right: Number,
        bottom: Number,
        color: str,
        radius: Number = 0,
    ):
        corners = [(left, top), (right, bottom)]
        self._add("rounded_rectangle", corners, radius=radius * SCALE, fill=color)

    def _add(self, kind: str, points: Sequence[Point], **how: Any) -> None:
        self._shapes.append(Shape(kind, [(x * SCALE, y * SCALE) for x, y in points], how))

    def bar(self, start: Point, end: Point, width: Number, color: str) -> None:
        """A straight bar with round ends."""
        (x0, y0), (x1, y1), half = start, end, width / 2
        length = max(np.hypot(x1 - x0, y1 - y0), 1e-9)
        dx, dy = half * (x1 - x0) / length, half * (y1 - y0) / length
        self.polygon(
            [(x0 - dy, y0 + dx), (x0 + dy, y0 - dx), (x1 + dy, y1 - dx), (x1 - dy, y1 + dx)], color
        )
        self.circle(start, half, color)
        self.circle(end, half, color)

    def arrow(self, points: Sequence[Point], width: Number, color: str) -> None:
        """An arrow along the points, with a round tail, and a head beyond the last of them."""
        for start, end in pairwise(points):
            self.bar(start, end, width, color)
        (x0, y0), (x, y) = points[-2:]
        length = max(np.hypot(x - x0, y - y0), 1e-9)
        dx, dy = 1.6 * width * (x - x0) / length, 1.6 * width * (y - y0) / length
        self.polygon([(x - dy, y + dx), (x + 1.5 * dx, y + 1.5 * dy), (x + dy, y - dx)], color)

    def text(self, center: Point, words: str, size: Number, color: str) -> None:
        """Words in bold around a point; `size` is that of the font."""
        self._draw_all()
        x, y = (v * SCALE for v in center)
        font, stroke = ImageFont.load_default(size * SCALE), round(0.025 * size * SCALE)
        where = ImageDraw.Draw(self._image)
        where.text((x, y), words, color, font, anchor="mm", stroke_width=stroke)

    def pixels(self) -> np.ndarray:
        """The picture, uint8 [height, width, 3]."""
        if self._ground is None:
            self._draw_all()
            return np.asarray(self._image.reduce(SCALE))
        picture = self._ground.copy()
        if self._shapes:
            xs, ys = zip(*(point for shape in self._shapes for point in shape.points), strict=True)
            (left, right), (top, bottom) = map(_span, (xs, ys), picture.shape[1::-1])
            if left < right and top < bottom:
                part = left * SCALE, top * SCALE, right * SCALE, bottom * SCALE
                picture[top:bottom, left:right] = self._part(part)
        return picture

    def _part(self, part: tuple[int, int, int, int]) -> np.ndarray:
        """The pixels of a part of the picture, outside of which nothing is drawn."""
        try:
            image = self._spare.pop()  # no other thread's any more
        except IndexError:
            image = self._image.copy()
        self._draw_on(image)
        pixels = np.asarray(image.reduce(SCALE, part))
        image.paste(self._image.crop(part), part)
        self._spare.append(image)
        return pixels

    def _draw_all(self) -> None:
        """Draw on the whole picture, one of its own."""
        if self._ground is not None:
            self._image, self._ground, self._spare = self._image.copy(), None, []
        self._draw_on(self._image)
        self._shapes = []

    def _draw_on(self, image: Image.Image) -> None:
        draw = ImageDraw.Draw(image)
        for kind, points, how in self._shapes:
            getattr(draw, kind)(points, **how)


def _span(drawn: Sequence[Number], size: int) -> tuple[int, int]:
    """The pixels, of so many, that hold these drawn ones, and one more on either side."""
    inside = lambda place: min(size, max(0, place))  # also of what is no number
    return floor(inside(min(drawn) / SCALE - 1)), ceil(inside(max(drawn) / SCALE + 2))
