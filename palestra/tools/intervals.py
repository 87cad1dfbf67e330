"""How sure a mean is: 95 % intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A mean and how far it may be off."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} [{self.low:.1f}, {self.high:.1f}]"


def interval(values: Sequence[float] | np.ndarray) -> Interval:
    """The mean of `values` and its 95 % interval by Student's t: mean ± t(n - 1) s / sqrt(n).

    One value has no interval: low and high are then the value itself.
    Raises ValueError if there is none.
    """
    values = np.asarray(values, float)
    if values.size == 0:
        raise ValueError("an interval needs at least one value.")
    mean, margin = float(values.mean()), 0.0
    if values.size > 1:
        from scipy.special import stdtrit  # comes with JAX; slow to import, needed at the end

        quantile = float(stdtrit(values.size - 1, 0.975))
        margin = quantile * float(values.std(ddof=1)) / values.size**0.5
    return Interval(mean, mean - margin, mean + margin)
