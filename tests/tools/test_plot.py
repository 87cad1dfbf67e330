"""What a picture of learning curves shows."""

import json
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.figure import Figure

from palestra.faults import InputError
from palestra.tools.pictures.plot import _evaluations, plot


def made(
    folder: Path,
    *,
    seed: int = 0,
    steps: tuple[int, ...] = (8, 16, 24),
    value: float = 1.0,
    environment: str = "CartPole-v1",
    algorithm: str = "dqn",
    num_envs: int = 8,
    **hyperparameters: object,
) -> Path:
    """A run folder with an evaluation at each of the steps."""
    folder.mkdir(parents=True)
    config = {"environment": environment, "algorithm": algorithm, "seed": seed}
    config |= {"num_envs": num_envs, "hyperparameters": hyperparameters, "steps": steps[-1]}
    (folder / "config.json").write_text(json.dumps(config))
    line = {"episodes": 0, "ended_at": [], "returns": [], "lengths": []}
    lines = [line | {"step": step, "evaluation": [value, value + 1]} for step in steps]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    return folder


@pytest.fixture
def drawn(monkeypatch, tmp_path: Path):
    """Draws paths and gives the panels."""
    figures: list[Figure] = []
    init = Figure.__init__

    def spy(self, *args, **kwargs):
        figures.append(self)
        init(self, *args, **kwargs)

    monkeypatch.setattr(matplotlib.figure.Figure, "__init__", spy)

    def draw(*paths: Path) -> list:
        plot(paths, tmp_path / "picture.png")
        return figures[-1].axes

    return draw


def labels(axes) -> list[str]:
    """Of the evaluations; without line breaks, and without the threshold."""
    names = [name.replace("\n", " ") for name in axes.get_legend_handles_labels()[1]]
    return [name.partition(":")[0] for name in names if "greedy" in name]


def curves(axes) -> list[list[float]]:
    """The steps of each curve."""
    return [np.asarray(x.get_xdata()).tolist() for x in axes.lines if x.get_lw() > 2]


def test_a_parameter_is_no_formula(drawn, tmp_path):
    folders = [made(tmp_path / str(i), word=word) for i, word in enumerate((r"$\frac$", "_x{[]}"))]
    assert labels(*drawn(*folders)) == [r"dqn, word=\$\frac\$", "dqn, word=_x{[]}"]


def test_what_no_picture_ends_in_is_refused(tmp_path):
    folder = made(tmp_path / "run")
    with pytest.raises(InputError, match=r"must end in one of \.\S+, .* not be .*config\.json\."):
        plot([folder], folder / "config.json")


def test_the_legend_says_over_how_many_episodes(tmp_path):
    """Ten of Atari's games, a hundred of others: as many as there were."""
    folders = [made(tmp_path / f"{seed}", seed=seed, value=3.0) for seed in range(2)]
    for some, over in ((folders[:1], "2 episodes"), (folders, "seeds")):
        axes = Figure().add_subplot()
        _evaluations(axes, some, "black", "dqn")
        assert axes.get_legend_handles_labels()[1] == [f"dqn: greedy, 95 % over {over}"]
        assert axes.lines[0].get_ydata().tolist() == [3.5, 3.5, 3.5]


def test_a_curve_is_one_setting_and_its_label_says_what_differs(tmp_path, drawn):
    fast = [made(tmp_path / f"f{s}", seed=s, learning_rate=0.5, gamma=0.9) for s in range(2)]
    slow = made(tmp_path / "slow", learning_rate=0.1, gamma=0.9)
    wide = made(tmp_path / "wide", learning_rate=0.5, gamma=0.9, num_envs=16)
    other = made(tmp_path / "other", algorithm="ppo", learning_rate=0.3, clip=0.2)
    [axes] = drawn(*fast, slow)
    assert labels(axes) == ["dqn, learning_rate=0.5, 2 seeds", "dqn, learning_rate=0.1"]
    assert len(curves(axes)) == 2
    [axes] = drawn(*fast, wide, other)
    assert labels(axes) == ["dqn, num_envs=8, 2 seeds", "dqn, num_envs=16", "ppo"]
    [axes] = drawn(*fast)
    assert labels(axes) == ["dqn on CartPole-v1, 2 seeds"]


def test_a_seed_counts_once_and_the_longest_of_its_runs_is_drawn(tmp_path, drawn):
    short = made(tmp_path / "short", steps=(8, 16, 24))
    long = made(tmp_path / "long", steps=(8, 16, 24, 32))
    [axes] = drawn(short, long, long)
    assert labels(axes) == ["dqn on CartPole-v1 (without 1 more of the same seed)"]
    assert curves(axes) == [[8, 16, 24, 32]]


def test_seeds_of_unequal_lengths_are_drawn_where_all_have_data(tmp_path, drawn):
    long = made(tmp_path / "0", seed=0, steps=(8, 16, 24, 32, 40), value=0.0)
    short = made(tmp_path / "1", seed=1, steps=(12, 24, 36), value=2.0)
    [axes] = drawn(long, short)
    assert curves(axes) == [[12, 16, 24, 32, 36]]
    assert axes.lines[0].get_ydata().tolist() == [1.5] * 5  # both seeds at each of the steps
    late = made(tmp_path / "2", seed=2, steps=(50, 60, 70))
    [axes] = drawn(short, late)
    assert curves(axes) == []  # there is no step that both have come to


def test_several_tasks_get_a_panel_each(tmp_path, drawn):
    pole = made(tmp_path / "pole")
    car = made(tmp_path / "car", environment="MountainCar-v0", value=-150.0)
    first, second = drawn(pole, car)
    assert [first.get_title(), second.get_title()] == [
        "DQN on CartPole-v1",
        "DQN on MountainCar-v0",
    ]
    assert [len(curves(first)), len(curves(second))] == [1, 1]
    for axes, solved in ((first, "solved: 475"), (second, "solved: -110")):
        assert solved in axes.get_legend_handles_labels()[1]


def test_two_evaluations_are_points_and_three_a_line(tmp_path, drawn):
    [axes] = drawn(made(tmp_path / "two", steps=(8, 16)))
    points = axes.containers[0].lines[0]
    assert points.get_ls() == "None"
    assert points.get_xdata().tolist() == [8, 16]
    assert curves(axes) == []
    [axes] = drawn(made(tmp_path / "three", steps=(8, 16, 24)))
    assert curves(axes) == [[8, 16, 24]]
    assert not axes.containers


def test_folders_of_seeds_are_taken_and_what_is_no_run_is_passed_over(tmp_path, drawn):
    for seed in range(2):
        made(tmp_path / "runs" / "both" / f"seed{seed}", seed=seed)
    picture, empty = tmp_path / "runs" / "2seeds.png", tmp_path / "runs" / "empty"
    picture.write_bytes(b"png")
    empty.mkdir()
    [axes] = drawn(*sorted((tmp_path / "runs").iterdir()))
    assert labels(axes) == ["dqn on CartPole-v1, 2 seeds"]
    for lost in (tmp_path / "missing", picture):
        with pytest.raises(FileNotFoundError, match="is not a run folder"):
            drawn(lost)
    with pytest.raises(FileNotFoundError, match="missing is not a run folder"):
        drawn(tmp_path / "runs" / "both", tmp_path / "missing")
