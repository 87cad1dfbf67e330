"""What a picture of learning curves shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.figure
import numpy as np
import pytest
from matplotlib.figure import Figure

from palestra.faults import InputError
from palestra.tools.cli import main
from palestra.tools.pictures import style
from palestra.tools.pictures.plot import DOTS, course, draw_evaluations, plot


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
        draw_evaluations(axes, [course(folder) for folder in some], ("black", "-"), "dqn", 64)
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


def test_seconds_and_episodes_on_the_x_axis(tmp_path, capsys):
    folder = made(tmp_path / "a", steps=(10, 20))
    lines = [
        {"step": 10, "episodes": 4, "ended_at": [2, 9], "returns": [1.0, 2.0], "lengths": [2, 7]},
        {"step": 20, "episodes": 1, "ended_at": [15], "returns": [3.0], "lengths": [6]},
    ]
    text = "".join(json.dumps(line | {"evaluation": [5.0], "return": 1.5}) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text)
    assert course(folder).episodes.tolist() == [[2, 9, 15], [1, 2, 3]]
    by_episode = course(folder, "episodes")  # of four, two are listed: the first and the last
    assert by_episode.episodes.tolist() == [[1, 4, 5], [1, 2, 3]]
    assert [*by_episode.evaluations] == by_episode.running[0].tolist() == [4, 5]
    arguments = ["plot", str(folder), "--x", "seconds", "--output", str(tmp_path / "x.svg")]
    assert main(arguments) == 2
    assert "does not say how many seconds it took; --x steps does." in capsys.readouterr().err
    (folder / "summary.json").write_text(json.dumps({"steps": 20, "seconds": 2.0}))
    assert [*course(folder, "seconds").evaluations] == [1.0, 2.0]
    assert course(folder, "seconds").episodes[0].tolist() == pytest.approx([0.2, 0.9, 1.5])
    assert main(arguments) == 0
    assert "seconds" in (tmp_path / "x.svg").read_text()  # in a comment beside the letters' shapes
    assert main([*arguments[:3], "hours"]) == 2
    assert "--x must be one of steps, seconds, episodes, not 'hours'." in capsys.readouterr().err


def test_smoothing_is_a_running_mean_and_said(tmp_path):
    folder = made(tmp_path / "a", steps=(8, 16, 24))
    lines = [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
    for line, value in zip(lines, (1.0, 2.0, 6.0), strict=True):
        line["evaluation"] = [value, value]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    axes = Figure().add_subplot()
    draw_evaluations(axes, [course(folder)], ("black", "-"), "dqn", 64, smooth=2)
    assert axes.lines[0].get_ydata().tolist() == [1.0, 1.5, 4.0]
    label = "dqn: greedy, running mean of 2, 95 % over 4 episodes"
    assert axes.get_legend_handles_labels()[1] == [label]


def test_of_many_episodes_some_are_drawn_and_it_is_said(tmp_path, drawn):
    folder, many = made(tmp_path / "a"), 3 * DOTS
    line = {
        "step": many,
        "ended_at": [*range(many)],
        "returns": [1.0] * many,
        "lengths": [1] * many,
    }
    (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    [axes] = drawn(folder)
    assert "episodes while exploring, one in 3" in axes.get_legend_handles_labels()[1]
    places = axes.collections[0].get_offsets()[:, 0]
    assert (len(places), places[0], places[-1]) == (DOTS, 0, many - 1)


def test_what_cannot_be_drawn_is_named_and_the_rest_is_drawn(tmp_path, capsys):
    good = made(tmp_path / "good", seed=0)
    damaged, empty, nan = (made(tmp_path / name, seed=i) for i, name in enumerate("den", 1))
    (damaged / "metrics.jsonl").write_text("{}\n")
    (empty / "metrics.jsonl").write_text("")
    line = json.loads((nan / "metrics.jsonl").read_text().splitlines()[0])
    text = json.dumps(line | {"evaluation": [float("nan")], "loss": float("nan")}) + "\n"
    (nan / "metrics.jsonl").write_text(text)
    output = ["--output", str(tmp_path / "all.png")]
    assert main(["plot", *map(str, (good, damaged, empty, nan)), *output]) == 0
    said = capsys.readouterr().err
    assert "Left out: " in said
    assert "d/metrics.jsonl is damaged" in said
    assert "dqn on CartPole-v1: 2 of 3 runs have no evaluation yet." in said
    assert "n: evaluations that are no numbers are left out (1)." in said
    assert main(["plot", str(damaged), *output]) == 2
    assert "damaged" in capsys.readouterr().err
    late = made(tmp_path / "late", seed=4, steps=(8, 16, 24, 100))
    assert main(["plot", str(good), str(late), *output]) == 0
    assert "drawn up to 24, as far as each of its seeds has come" in capsys.readouterr().err


def test_no_two_of_many_curves_look_alike(tmp_path, drawn):
    assert len({str(look) for look in style.looks(36)}) == 36
    [axes] = drawn(*(made(tmp_path / str(i), learning_rate=0.1 * i) for i in range(1, 8)))
    first, *_, last = (line for line in axes.lines if line.get_lw() > 2)
    assert first.get_color() == last.get_color()
    assert first.get_linestyle() != last.get_linestyle()


def test_curves_need_no_jax(tmp_path):
    made(tmp_path / "run")
    code = (
        "import sys; from palestra.tools.cli import main; main(sys.argv[1:]);"
        "sys.exit(str([m for m in ('jax', 'gymnasium') if m in sys.modules]))"
    )
    ran = [sys.executable, "-c", code, "plot", str(tmp_path / "run")]
    assert subprocess.run(ran, capture_output=True, text=True).stderr == "[]\n"


def test_a_process_ends_after_what_it_imports_ahead(tmp_path):
    (fake := tmp_path / "matplotlib").mkdir()
    text = "import pathlib, time; time.sleep(1); pathlib.Path(__file__).with_name('whole').touch()"
    (fake / "__init__.py").write_text(text)
    command = "from palestra.tools.pictures.plot import import_ahead; import_ahead()"
    path = os.pathsep.join([str(tmp_path), *sys.path])
    told = os.environ | {"PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", command], env=told, check=True, capture_output=True)
    assert (fake / "whole").exists()
