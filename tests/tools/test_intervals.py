"""Intervals against a textbook's table."""

import numpy as np
import pytest

from palestra.tools.intervals import interval


def test_hand_worked() -> None:
    # n = 4, mean 3, s = 2, t(3; 0.975) = 3.18245: margin 3.18245 * 2 / 2
    mean, low, high = interval([1.0, 2.0, 4.0, 5.0])
    s = np.sqrt((4 + 1 + 1 + 4) / 3)
    assert mean == 3.0
    assert high - mean == pytest.approx(3.18245 * s / 2, rel=1e-5)
    assert mean - low == pytest.approx(high - mean)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = [
        low <= 5.0 <= high for _, low, high in (interval(rng.normal(5, 2, 8)) for _ in range(2000))
    ]
    assert 0.935 < np.mean(covered) < 0.965


def test_limits() -> None:
    assert interval([7.0]) == (7.0, 7.0, 7.0)
    assert interval([2.0, 2.0, 2.0]) == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="at least one value"):
        interval([])
