"""How sure a mean is: 95 % intervals, and returns with as many digits as tell something."""

from collections.abc import Sequence
from math import floor, isfinite, log10
from typing import NamedTuple

import numpy as np

from palestra.faults import InputError

Numbers = Sequence[float] | np.ndarray


class Interval(NamedTuple):
    """A mean and how far it may be off; low and high are None where nobody can tell."""

    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return shown(self.mean)
        mean, low, high = shown_alike(self.mean, self.low, self.high)
        return f"{mean} [{low}, {high}]"


def interval(values: Numbers, seen: Numbers = ()) -> Interval:
    """The mean of `values` and its 95 % interval by Student's t: mean ± t(n - 1) s / sqrt(n).

    Where returns that were `seen` are given, it ends at the least and the greatest of them, since
    a mean may not lie outside of what is possible: CartPole gives no more than 500. Of one value
    there is no interval. Raises ValueError if there is none.
    """
    values = np.asarray(values, float)
    if values.size == 0:
        raise InputError("an interval needs at least one value.")
    mean = float(values.mean())
    if values.size == 1:
        return Interval(mean, None, None)
    from scipy.special import stdtrit  # comes with JAX; slow to import, needed at the end

    margin = float(stdtrit(values.size - 1, 0.975)) * float(values.std(ddof=1)) / values.size**0.5
    low, high = mean - margin, mean + margin
    if len(seen):
        low, high = max(low, float(np.min(seen))), min(high, float(np.max(seen)))
    return Interval(mean, min(low, mean), max(high, mean))  # whatever the mean is rounded to


def shown(x: float) -> str:
    """A return for people: one decimal, or three digits where it is small."""
    return shown_alike(x)[0]


def shown_alike(*numbers: float) -> list[str]:
    """Returns that are read together, with the decimals that the largest of them needs."""
    largest = max((abs(x) for x in numbers if isfinite(x)), default=0.0)
    decimals = max(1, 2 - floor(log10(largest))) if largest else 1
    return [f"{x:.{decimals}f}" if decimals < 7 else f"{x:.3g}" for x in numbers]
