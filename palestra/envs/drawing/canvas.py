"""A picture drawn several times too large and averaged down, so that edges are smooth."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.ImageColor import getrgb

SCALE = 3  # drawn pixels per pixel, along each axis

INK, CART, POLE, AXLE = "#1f2937", "#1d4ed8", "#f59e0b", "#fef3c7"
PAPER, GROUND, MARK = "#ffffff", "#e5e7eb", "#9ca3af"
PUSH = "#e11d48"  # what the action does

Number = float | int
Point = tuple[Number, Number]


class Canvas:
    """Shapes in pixels, y downwards, fractions welcome."""

    def __init__(self, width: int, height: int, background: str = PAPER):
        self._image = Image.new("RGB", (width * SCALE, height * SCALE), getrgb(background))
        self._draw = ImageDraw.Draw(self._image)
        self._ground: np.ndarray | None = None  # what was there before anything is drawn
        self._touched: list[Point] = []  # corners of what was drawn

    def copy(self) -> "Canvas":
        """Another one with the same picture, which does not average anew what is there already."""
        self._ground, self._touched = self.pixels(), []
        other = Canvas.__new__(Canvas)
        other._image = self._image.copy()
        other._draw = ImageDraw.Draw(other._image)
        other._ground, other._touched = self._ground, []
        return other

    def polygon(self, points: Sequence[Point], color: str) -> None:
        self._touched += points
        self._draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=color)

    def circle(self, center: Point, radius: Number, color: str) -> None:
        (x, y), r = center, radius
        self._touched += (x - r, y - r), (x + r, y + r)
        self._draw.ellipse([(v * SCALE) for v in (x - r, y - r, x + r, y + r)], fill=color)

    def box(
        self,
        left: Number,
        top: Number,
        right: Number,
        bottom: Number,
        color: str,
        radius: Number = 0,
    ):
        self._touched += (left, top), (right, bottom)
        corners = [v * SCALE for v in (left, top, right, bottom)]
        self._draw.rounded_rectangle(corners, radius * SCALE, fill=color)

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
        self._ground = None
        x, y = (v * SCALE for v in center)
        font, stroke = ImageFont.load_default(size * SCALE), round(0.025 * size * SCALE)
        self._draw.text((x, y), words, color, font, anchor="mm", stroke_width=stroke)

    def pixels(self) -> np.ndarray:
        """The picture, uint8 [height, width, 3]."""
        if self._ground is None:
            return np.asarray(self._image.reduce(SCALE))
        picture = self._ground.copy()
        if not self._touched:
            return picture
        corners, (height, width) = np.array(self._touched), picture.shape[:2]
        inside = lambda places: np.clip(places, 0, (width, height)).astype(int).tolist()
        left, top = inside(np.floor(corners.min(0)) - 1)
        right, bottom = inside(np.ceil(corners.max(0)) + 2)
        if left < right and top < bottom:
            part = tuple(v * SCALE for v in (left, top, right, bottom))
            picture[top:bottom, left:right] = np.asarray(self._image.reduce(SCALE, part))
        return picture
