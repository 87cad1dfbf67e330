"""What a learning curve says of itself."""

import json

from matplotlib.figure import Figure

from palestra.tools.plot import _evaluations


def test_the_legend_says_over_how_many_episodes(tmp_path):
    """Ten of Atari's games, a hundred of others: as many as there were."""
    for seed in range(2):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        line = {"step": 8, "episodes": 0, "ended_at": [], "returns": [], "lengths": []}
        line |= {"evaluation": [1.0, 2.0, 6.0]}
        (folder / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    for folders, over in (([tmp_path / "0"], "3 episodes"), ([*tmp_path.iterdir()], "seeds")):
        axes = Figure().add_subplot()
        _evaluations(axes, folders, "black", "dqn")
        assert axes.get_legend_handles_labels()[1] == [f"dqn: greedy, 95 % over {over}"]
        assert axes.lines[0].get_ydata().tolist() == [3.0]
