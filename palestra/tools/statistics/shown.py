"""Returns with as many digits as tell something."""

from math import floor, isfinite, log10


def shown(x: float) -> str:
    """A return for people: one decimal, or three digits where it is small."""
    return shown_alike(x)[0]


def shown_alike(*numbers: float) -> list[str]:
    """Returns that are read together, with the decimals that the largest of them needs."""
    largest = max((abs(x) for x in numbers if isfinite(x)), default=0.0)
    decimals = max(1, 2 - floor(log10(largest))) if largest else 1
    return [f"{x:.{decimals}f}" if decimals < 7 else f"{x:.3g}" for x in numbers]
