"""Pictures of comparisons show the numbers of the comparison."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from run_folders import write_run

import palestra
from palestra.tools.cli import main
from palestra.tools.pictures import scores
from palestra.tools.statistics import definitions as of

CART = {"dqn": [300.0, 350.0, 420.0], "ppo": [450.0, 480.0, 500.0]}


@pytest.fixture(scope="module")
def top(tmp_path_factory) -> Path:
    top = tmp_path_factory.mktemp("scored")
    for name, ends in CART.items():
        for seed, end in enumerate(ends):
            curve = [[0.5 * end] * 2, [end] * 2]
            write_run(top / "cart" / f"{name}{seed}", seed=seed, algorithm=name, curve=curve)
            other = top / "acrobot" / f"{name}{seed}"
            write_run(other, env="Acrobot-v1", seed=seed, algorithm=name, curve=[[end - 600] * 2])
    for rate in (0.1, 0.01, 0.001):
        for size in (32, 4):
            place = top / "sweep" / f"{rate}-{size}"
            if (rate, size) != (0.1, 4):
                write_run(place, learning_rate=rate, batch_size=size, curve=[[1000 * rate + size]])
    return top


@pytest.fixture(scope="module")
def cart(top):
    return palestra.compare(*runs(top / "cart"))


@pytest.fixture(scope="module")
def both(top):
    return palestra.compare(*runs(top / "cart"), *runs(top / "acrobot"))


def runs(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_bars_are_the_intervals(cart):
    axes = scores.intervals(cart).axes
    shown = [x.get_xlabel().split(" (")[0] for x in axes]
    assert shown == ["mean", "median", "interquartile mean", "optimality gap"]
    (one,) = cart.as_dict()["environments"]
    for group, bar, line in zip(one["groups"], axes[0].patches, axes[0].lines, strict=True):
        mean, low, high = group["statistics"]["mean, Student"]
        assert (bar.get_x(), bar.get_x() + bar.get_width()) == pytest.approx((low, high))
        assert line.get_xdata()[0] == mean
        assert axes[0].get_xlim()[0] < low  # nothing is cut off


def test_intervals_of_several_environments_have_a_row_for_all(both):
    figure = scores.intervals(both)
    titles = [x.get_title(loc="left") for x in figure.axes if x.get_title(loc="left")]
    assert titles[:2] == ["CartPole-v1", "Acrobot-v1"]
    assert titles[-1].startswith("2 environments together")


def test_a_profile_falls_where_a_run_is(cart, both):
    (axes,) = scores.profiles(cart).axes
    line = next(x for x in axes.lines if x.get_label().startswith("dqn"))
    at, share = line.get_xdata(), line.get_ydata()
    assert line.get_drawstyle() == "steps-post"
    for score, expected in ((299.0, 1.0), (300.0, 2 / 3), (349.0, 2 / 3), (420.0, 0.0)):
        assert share[np.searchsorted(at, score, side="right") - 1] == pytest.approx(expected)
    (axes,) = scores.profiles(both).axes
    pooled = both.pooled()
    line = next(x for x in axes.lines if x.get_label().startswith("ppo, 6 runs"))
    np.testing.assert_allclose(line.get_ydata(), of.profile(pooled.scores["ppo"], line.get_xdata()))
    assert "from 0, random, to 1, best" in axes.get_xlabel()


def test_a_sweep_has_a_cell_for_each_pair(top):
    found = palestra.compare(*(top / "sweep").iterdir())
    axes, _bar = scores.heatmap(found).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning_rate", "batch_size")
    assert [x.get_text() for x in axes.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    assert [x.get_text() for x in axes.get_yticklabels()] == ["4", "32"]
    expected = [[5, 14, np.nan], [33, 42, 132]]
    np.testing.assert_allclose(np.ma.filled(axes.images[0].get_array(), np.nan), expected)
    assert "no run" in [text.get_text() for text in axes.texts]


def test_percentiles_are_runs(cart):
    for axes, ends in zip(scores.percentiles(cart).axes, CART.values(), strict=True):
        told = {x.get_label(): x.get_ydata()[-1] for x in axes.lines if x.get_lw() > 2}
        names = ("5th percentile: seed 0", "median: seed 1", "95th percentile: seed 2")
        assert told == dict(zip(names, ends, strict=True))
        assert "middle 90 % of 3 scores" in axes.get_title()


def test_the_command_draws_each_and_says_what_is_left_out(top, tmp_path, capsys):
    write_run(tmp_path / "died", state="died", seed=7)
    runs = [str(x) for x in (*(top / "cart").iterdir(), tmp_path / "died")]
    for kind in ("intervals", "profiles", "percentiles"):
        output = str(tmp_path / f"{kind}.png")
        assert main(["plot", *runs, "--kind", kind, "--dark", "--output", output]) == 0
        assert np.asarray(Image.open(output).convert("RGB"))[0, 0, 0] == 0x11
        assert "died is not at its end" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "place", "more", "told"),
    [
        ("heatmap", "cart", [], "runs on CartPole-v1 differ in algorithm."),
        ("heatmap", "sweep", ["--smooth", "3"], "--x and --smooth are for --kind curves, not for"),
        ("profile", "cart", [], "--kind must be one of curves, intervals, profiles, heatmap, perc"),
        ("profiles", "cart", ["--output", "x.json"], "the output must end in one of ."),
        ("profiles", "cart", ["--output", "missing/x.png"], "missing/x.png cannot be written: No"),
    ],
)
def test_what_cannot_be_shown_is_said(
    kind, place, more, told, top, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    runs = [str(x) for x in (top / place).iterdir()]
    assert main(["plot", *runs, "--kind", kind, *more]) == 2
    assert told in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
