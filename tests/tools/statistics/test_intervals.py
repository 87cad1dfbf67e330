"""Intervals against a textbook's table."""

import numpy as np
import pytest

from palestra.tools.statistics.definitions import student
from palestra.tools.statistics.shown import shown, shown_alike


def test_hand_worked() -> None:
    # n = 4, mean 3, s = 2, t(3; 0.975) = 3.18245: margin 3.18245 * 2 / 2
    mean, low, high = student([1.0, 2.0, 4.0, 5.0])
    s = np.sqrt((4 + 1 + 1 + 4) / 3)
    assert mean == 3.0
    assert high - mean == pytest.approx(3.18245 * s / 2, rel=1e-5)
    assert mean - low == pytest.approx(high - mean)


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = [
        low <= 5.0 <= high for _, low, high in (student(rng.normal(5, 2, 8)) for _ in range(2000))
    ]
    assert 0.935 < np.mean(covered) < 0.965


def test_limits() -> None:
    assert student([7.0]) == (7.0, None, None)
    assert student([2.0, 2.0, 2.0]) == (2.0, 2.0, 2.0)
    with pytest.raises(ValueError, match="at least one value"):
        student([])


def test_no_interval_reaches_beyond_what_was_seen() -> None:
    returns = [500.0] * 99 + [300.0]
    mean, low, high = student(returns, seen=returns)
    assert (mean, high) == (498.0, 500.0)
    assert low == pytest.approx(498 - 1.98422 * 20 / 10)
    mean, low, high = student([480.0, 500.0, 490.0], seen=[9.0, 500.0])  # seeds, and their episodes
    assert (mean, high) == (490.0, 500.0)
    assert low == pytest.approx(490 - 4.30265 * 10 / np.sqrt(3), rel=1e-5)
    same = [0.1] * 3  # whose sum is rounded
    assert student(same, seen=same).low <= student(same, seen=same).mean


def test_small_returns_have_digits() -> None:
    assert [shown(x) for x in (0.0123, 0.0, -13.0, 500.0, 7.93, 1.5e-9)] == [
        *("0.0123", "0.0", "-13.0", "500.0", "7.93", "1.5e-09")
    ]
    assert shown_alike(0.0123, -0.002, 0.5) == ["0.012", "-0.002", "0.500"]
    assert str(student([0.0101, 0.0145])) == "0.0123 [-0.0157, 0.0403]"
    assert str(student([7.0])) == "7.00"
