"""The definitions against rliable's frozen numbers, SciPy, published tables and ones by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from palestra.tools.statistics import definitions as ours

FROZEN = json.loads(Path(__file__).with_name("rliable.json").read_text())
CASES = pytest.mark.parametrize("case", FROZEN["cases"].values(), ids=FROZEN["cases"])
NAMES = ("mean", "median", "interquartile_mean", "optimality_gap", "probability_of_improvement")


class AsDrawn:
    """The resamples that rliable drew: all environments of a group at once, group after group."""

    def __init__(self, *shapes: tuple[int, int]) -> None:
        old = np.random.RandomState(FROZEN["seed"])
        every = [[old.choice(s[0], s) for s in shapes] for _ in range(FROZEN["resamples"])]
        drawn = [np.array(group) for group in zip(*every, strict=True)]
        self.columns = iter([group[..., i] for group in drawn for i in range(group.shape[-1])])

    def integers(self, count, size):
        column = next(self.columns)
        assert column.shape == size
        assert column.max() < count
        return column


def scores(table) -> list[np.ndarray]:
    return list(np.array(table).T)


@CASES
@pytest.mark.parametrize("name", NAMES)
def test_equals_rliable(name, case):
    groups = [case["ours"], case["theirs"]][: 2 if name == NAMES[-1] else 1]
    statistic = getattr(ours, name)
    given = [scores(group) for group in groups]
    assert statistic(*given) == pytest.approx(case[name]["point"], abs=1e-6)
    rng = AsDrawn(*(np.shape(group) for group in groups))
    ends = ours.bootstrap(statistic, *given, resamples=FROZEN["resamples"], rng=rng)
    assert ends == pytest.approx(np.array(case[name]["ends"]), abs=1e-6)


@CASES
def test_profiles_equal_rliable(case):
    at = FROZEN["thresholds"]
    assert ours.profile(scores(case["ours"]), at) == pytest.approx(case["profile"]["point"])
    ends = ours.bootstrap(
        lambda x: ours.profile(x, at),
        scores(case["ours"]),
        resamples=FROZEN["resamples"],
        rng=AsDrawn(np.shape(case["ours"])),
    )
    assert ends == pytest.approx(np.array(case["profile"]["ends"]), abs=1e-6)


@CASES
def test_a_second_source(case):
    table, other = np.array(case["ours"]), np.array(case["theirs"])
    trimmed = stats.trim_mean(table, 0.25, axis=None)
    assert ours.interquartile_mean(scores(table)) == pytest.approx(trimmed)
    pairs = len(table) * len(other)
    u = [stats.mannwhitneyu(x, y).statistic for x, y in zip(table.T, other.T, strict=True)]
    chance = ours.probability_of_improvement(scores(table), scores(other))
    assert chance == pytest.approx(np.mean(u) / pairs)


def test_by_hand():
    two = [np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.5, 0.5])]  # numbers of seeds may differ
    assert ours.mean(two) == (1.5 + 0.5) / 2
    assert ours.median([np.array([0.0]), np.array([0.2, 0.4]), np.array([9.0])]) == (
        pytest.approx(0.3)
    )
    assert ours.interquartile_mean(two) == (0.5 + 0.5 + 1 + 2) / 4  # of six one is cut at each end
    assert ours.interquartile_mean([np.array([1.0, 2.0, 6.0])]) == 3.0
    assert ours.optimality_gap(two) == pytest.approx(1 - (0 + 1 + 1 + 1 + 0.5 + 0.5) / 6)
    assert ours.profile(two, [0.5, 2.5]).tolist() == [3 / 6, 1 / 6]
    assert (
        ours.probability_of_improvement([np.array([1.0, 2.0])], [np.array([1.0, 0.0])]) == 3.5 / 4
    )
    assert ours.normalized(np.array([-20.7, 14.6]), random=-20.7, best=14.6).tolist() == [0, 1]


def test_bootstrap_of_one_seed_has_no_interval_and_is_the_same_each_time():
    assert ours.bootstrapped(ours.mean, [np.array([3.0])]) == (3.0, None, None)
    runs = [np.array([1.0, 2.0, 4.0])]
    assert ours.bootstrapped(ours.mean, runs) == ours.bootstrapped(ours.mean, runs)
    estimate, low, high = ours.bootstrapped(ours.mean, runs)
    assert (low, high) == (1.0, 4.0)  # of three, all the same is 1 of 27
    assert estimate == pytest.approx(7 / 3)


def test_welch_equals_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.normal(1.0, 1.0, 5), rng.normal(0.0, 3.0, 8)
    found, theirs = ours.welch(x, y), stats.ttest_ind(x, y, equal_var=False)
    assert found.t == pytest.approx(theirs.statistic)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.freedom == pytest.approx(theirs.df)
    between = theirs.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((between.low, between.high))
    assert ours.welch([1.0], y) is None
    assert ours.welch([2.0, 2.0], [1.0, 1.0]) is None


def test_student_equals_scipy():
    x = np.random.default_rng(1).normal(3.0, 2.0, 6)
    theirs = stats.t.interval(0.95, len(x) - 1, x.mean(), stats.sem(x))
    assert ours.student(x)[1:] == pytest.approx(theirs)


def test_power_equals_cohens_table():
    """Cohen (1992), A power primer, table 2: two groups, 5 %, power 0.80, both sides."""
    table = {0.2: 393, 0.5: 64, 0.8: 26, 1.0: 17}
    assert [ours.seeds_to_tell(d, 1.0, 1.0) for d in table] == pytest.approx(
        [*table.values()], abs=1
    )
    assert ours.power(0.8, 1.0, 1.0, 26) == pytest.approx(0.8, abs=0.01)
    assert ours.power(0.8, 1.0, 1.0, 1000) == 1.0
    assert ours.power(0.0, 1.0, 1.0, 10) == pytest.approx(0.05)
    assert ours.seeds_to_tell(0.0, 1.0, 1.0) is None
    assert ours.seeds_to_tell(1.0, 0.0, 0.0) is None
    assert ours.seeds_to_tell(1e-3, 1.0, 1.0) is None  # more than a thousand
    assert ours.seeds_to_tell(100.0, 1.0, 1.0) == 2


def test_power_is_how_often_the_test_finds_it():
    rng = np.random.default_rng(2)
    x, y = rng.normal(1.5, 1.0, (2000, 5)), rng.normal(0.0, 2.0, (2000, 5))
    found = stats.ttest_ind(x, y, axis=1, equal_var=False).pvalue < 0.05
    assert found.mean() == pytest.approx(ours.power(1.5, 1.0, 2.0, 5), abs=0.03)


def test_curves():
    assert ours.area_under_curve([0, 10, 30], [0.0, 10.0, 10.0]) == (50 + 200) / 30
    assert ours.area_under_curve([5], [3.0]) == 3.0
    assert ours.first_at([10, 20, 30], [1.0, 5.0, 4.0], 4.0) == 20
    assert ours.first_at([10, 20], [1.0, 2.0], 4.0) is None


def test_variation_among_runs():
    """Percentiles are runs that there are: of 21, the second and the second last hold 90 %."""
    values = np.arange(21.0)[::-1]
    assert ours.percentile_range(values) == 18.0
    assert ours.percentile_range(values, span=36.0) == 0.5
    assert ours.percentile_range(values, percent=50) == 10.0
    curves = [[x - 1, x + 1] for x in values]
    assert ours.percentile_runs(curves) == (19, 10, 1)
