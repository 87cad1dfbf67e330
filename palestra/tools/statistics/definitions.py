"""The definitions: what is computed of returns over seeds, on NumPy and SciPy alone.

Where several environments count together, scores are a list with an array for each of them, whose
last axis is the seeds: `[..., seeds]`. Axes before it, such as the bootstrap's, are kept.
Environments may have different numbers of seeds. Scores of different environments must be on one
scale, as `normalized` puts them.

Sources

[1] Agarwal, Schwarzer, Castro, Courville, Bellemare (2021): Deep Reinforcement Learning at the Edge
    of the Statistical Precipice, arXiv 2108.13264.
[2] Colas, Sigaud, Oudeyer (2018): How Many Random Seeds? Statistical Power Analysis in Deep
    Reinforcement Learning Experiments, arXiv 1806.08295.
[3] Tanaka, Mahmood (2026): Performance Variation in Deep Reinforcement Learning, arXiv 2606.06746.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from palestra.tools.statistics.shown import shown, shown_alike

Numbers = Sequence[float] | np.ndarray
Scores = Sequence[np.ndarray]  # one array [..., seeds] for each environment
CONFIDENCE = 0.95
RESAMPLES = 2_000  # of a bootstrap
FEW_SEEDS = 5  # below which no interval is to be trusted


class Interval(NamedTuple):
    """An estimate and how far it may be off; low and high are None where nobody can tell."""

    mean: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return shown(self.mean)
        mean, low, high = shown_alike(self.mean, self.low, self.high)
        return f"{mean} [{low}, {high}]"


# --- how sure a number is ---


def student(values: Numbers, seen: Numbers = ()) -> Interval:
    """The mean of `values` and its 95 % interval by Student's t: mean ± t(n - 1) s / sqrt(n).

    Where returns that were `seen` are given, it ends at the least and the greatest of them, since
    a mean may not lie outside of what is possible: CartPole gives no more than 500. Of one value
    there is no interval. Raises ValueError if there is none.
    """
    values = np.asarray(values, float)
    if values.size == 0:
        raise ValueError("an interval needs at least one value.")
    mean = float(values.mean())
    if values.size == 1:
        return Interval(mean, None, None)
    margin = _quantile_of_t(values.size - 1) * float(values.std(ddof=1)) / values.size**0.5
    low, high = mean - margin, mean + margin
    if len(seen):
        low, high = max(low, float(np.min(seen))), min(high, float(np.max(seen)))
    return Interval(mean, min(low, mean), max(high, mean))  # whatever the mean is rounded to


def bootstrap(
    statistic: Callable[..., np.ndarray],
    *groups: Scores,
    resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """The ends `[2, ...]` of the stratified bootstrap's 95 % interval of `statistic(*groups)`, by
    percentiles [1, section 4.1].

    Seeds are drawn anew with replacement, for each environment by themselves, and for each of
    several groups. Without `rng` the same scores give the same ends.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    drawn = [[_drawn_anew(scores, resamples, rng) for scores in group] for group in groups]
    ends = 50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)
    return np.percentile(statistic(*drawn), ends, axis=0)


def bootstrapped(statistic: Callable[..., np.ndarray], *groups: Scores) -> Interval:
    """A single number of the groups, with its interval by the bootstrap; of one seed none."""
    estimate = float(statistic(*groups))
    if any(scores.shape[-1] < 2 for group in groups for scores in group):
        return Interval(estimate, None, None)
    low, high = bootstrap(statistic, *groups)
    return Interval(estimate, float(low), float(high))


def _drawn_anew(scores: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    count = scores.shape[-1]
    return scores[rng.integers(count, size=(resamples, count))]


# --- one number of all seeds and environments [1, section 4.3] ---


def mean(scores: Scores) -> np.ndarray:
    """The mean over environments of their means over seeds."""
    return np.mean([each.mean(-1) for each in scores], 0)


def median(scores: Scores) -> np.ndarray:
    """The median over environments of their means over seeds."""
    return np.median([each.mean(-1) for each in scores], 0)


def interquartile_mean(scores: Scores) -> np.ndarray:
    """The mean of the middle half of all runs: a quarter is cut off at either end, in whole runs,
    so that of fewer than four it is the mean."""
    runs = np.sort(np.concatenate(scores, -1), -1)
    cut = runs.shape[-1] // 4
    return runs[..., cut : runs.shape[-1] - cut].mean(-1)


def optimality_gap(scores: Scores, optimum: float = 1.0) -> np.ndarray:
    """By how much all runs fall short of the optimum on average; what is above it counts as it."""
    return optimum - np.minimum(np.concatenate(scores, -1), optimum).mean(-1)


def profile(scores: Scores, thresholds: Numbers) -> np.ndarray:
    """The share `[..., thresholds]` of all runs whose score is above each threshold: the run-score
    distribution [1, section 4.2]."""
    runs = np.concatenate(scores, -1)
    return (runs[..., None, :] > np.asarray(thresholds)[:, None]).mean(-1)


def probability_of_improvement(ours: Scores, theirs: Scores) -> np.ndarray:
    """How likely a run of ours is above one of theirs, equal ones by half, as a mean over the
    environments: Mann and Whitney's U over the number of pairs."""
    each = [
        ((x[..., :, None] > y[..., None, :]) + 0.5 * (x[..., :, None] == y[..., None, :])).mean(
            (-2, -1)
        )
        for x, y in zip(ours, theirs, strict=True)
    ]
    return np.mean(each, 0)


def normalized(returns: np.ndarray, random: float, best: float) -> np.ndarray:
    """Returns with 0 for a random player's and 1 for the best."""
    return (returns - random) / (best - random)


# --- whether two means differ [2] ---


class Welch(NamedTuple):
    """Welch's test that two means are the same."""

    difference: float
    low: float  # 95 % interval of the difference
    high: float
    t: float
    freedom: float
    p: float  # how likely a difference at least as large is, if there is none


def welch(ours: Numbers, theirs: Numbers) -> Welch | None:
    """Welch's t-test of two samples, from both sides [2, section 3.1]; None of less than two values
    in one, or where neither varies.

    It assumes that the seeds are independent and each sample's mean is about normal, not that
    both vary alike.
    """
    x, y = np.asarray(ours, float), np.asarray(theirs, float)
    if min(x.size, y.size) < 2 or x.std() + y.std() == 0:
        return None
    difference = float(x.mean() - y.mean())
    error, freedom = _welch_error(x.var(ddof=1), x.size, y.var(ddof=1), y.size)
    t, margin = difference / error, _quantile_of_t(freedom) * error
    from scipy.special import stdtr  # comes with JAX; slow to import, needed at the end

    p = 2 * float(stdtr(freedom, -abs(t)))
    return Welch(difference, difference - margin, difference + margin, t, freedom, p)


def power(difference: float, ours: float, theirs: float, seeds: int) -> float:
    """How likely Welch's test at 5 % finds a true difference of means, of groups with these
    standard deviations and so many seeds each [2, section 4]; by the noncentral t, where [2] shifts
    the central one."""
    from scipy.special import nctdtr

    error, freedom = _welch_error(ours**2, seeds, theirs**2, seeds)
    limit = _quantile_of_t(freedom)
    below = nctdtr(freedom, abs(difference) / error, [-limit, limit])
    wrong_way, missed = np.nan_to_num(below)  # SciPy's 1.17 is NaN where nothing is left
    return float(1 - missed + wrong_way)


def seeds_to_tell(
    difference: float, ours: float, theirs: float, wanted: float = 0.8, most: int = 1_000
) -> int | None:
    """The fewest seeds in each group with which `power` is at least as wanted; None for more than
    `most`, or where the groups do not vary or do not differ."""
    if difference == 0 or ours + theirs == 0:
        return None
    counts = range(2, most + 1)
    low, high = 0, len(counts)  # power grows with the number of seeds
    while low < high:
        middle = (low + high) // 2
        if power(difference, ours, theirs, counts[middle]) >= wanted:
            high = middle
        else:
            low = middle + 1
    return counts[low] if low < len(counts) else None


def _welch_error(
    ours: float, our_count: int, theirs: float, their_count: int
) -> tuple[float, float]:
    """Standard error of a difference of means, from variances, and its degrees of freedom."""
    a, b = ours / our_count, theirs / their_count
    freedom = (a + b) ** 2 / (a**2 / (our_count - 1) + b**2 / (their_count - 1))
    return float((a + b) ** 0.5), float(freedom)


def _quantile_of_t(freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


# --- of learning curves ---


def area_under_curve(steps: Numbers, returns: Numbers) -> float:
    """The mean height of a curve between its first and last point, by trapezoids."""
    steps, returns = np.asarray(steps, float), np.asarray(returns, float)
    if steps.size == 1:
        return float(returns[0])
    return float(np.trapezoid(returns, steps) / (steps[-1] - steps[0]))


def first_at(steps: Numbers, returns: Numbers, threshold: float) -> float | None:
    """The step of the first point of a curve at or above the threshold; None where none is."""
    reached = np.flatnonzero(np.asarray(returns) >= threshold)
    return float(steps[reached[0]]) if reached.size else None


# --- how much runs vary among themselves [3] ---


def percentile_range(values: Numbers, percent: float = 90.0, span: float = 1.0) -> float:
    """The inter-percentile range: how far the middle `percent` of the runs lie apart, as a share of
    the `span` of possible returns: with it the min-max IPR of [3]. Percentiles are runs that there
    are, the nearest ones."""
    tail = (100 - percent) / 2
    low, high = np.percentile(values, [tail, 100 - tail], method="nearest")
    return float((high - low) / span)


def percentile_runs(curves: Sequence[Numbers], percent: float = 90.0) -> tuple[int, int, int]:
    """Which curves are the low, the middle and the high one of [3]'s run-wise percentile
    highlighting: the runs whose mean return is nearest to those percentiles of all."""
    means = np.array([np.mean(curve) for curve in curves])
    tail = (100 - percent) / 2
    at = np.percentile(means, [tail, 50, 100 - tail], method="nearest")
    low, middle, high = (int(np.abs(means - x).argmin()) for x in at)
    return low, middle, high
