"""Pictures of what agents have learned show what they do."""

from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image
from sizes import sizes

import palestra
from palestra import DQN, PPO
from palestra.tools.cli import main
from palestra.tools.pictures import policy

QUICK = {"episodes": 1, "eval_episodes": 1, "video": False, "quiet": True}


@pytest.fixture(scope="module")
def agents(tmp_path_factory) -> dict[str, palestra.Agent]:
    folder = tmp_path_factory.mktemp("runs")

    def agent(name: str, algorithm, env_id: str, steps: int) -> palestra.Agent:
        palestra.train(env_id, algorithm, steps=steps, run=folder / name, **QUICK)
        return palestra.load(folder / name)

    small = DQN(hidden=(8,), learning_starts=32, memory_size=200, batch_size=8, rollout_length=4)
    with pytest.MonkeyPatch.context() as patch:
        sizes(patch, reports=4, evaluations=4)
        return {
            "lake": agent("lake", "q_learning", "FrozenLake-v1", 4_000),
            "cliff": agent("cliff", "sarsa", "CliffWalking-v1", 20_000),
            "cards": agent("cards", "q_learning", "Blackjack-v1", 2_000),
            "values": agent("values", small, "CartPole-v1", 64),
            "policy": agent("policy", PPO(hidden=(8,), rollout_length=16), "CartPole-v1", 64),
        }


def test_arrows_lead_where_the_agent_goes(agents):
    figure = policy.grid(agents["lake"])
    (axes,) = [x for x in figure.axes if x.get_title()]
    (arrows,) = [x for x in axes.collections if hasattr(x, "U")]
    ways = {0: (-1, 0), 1: (0, 1), 2: (1, 0), 3: (0, -1)}  # left, down, right, up on the page
    cells = [0, 1, 2, 3, 4, 6, 8, 9, 10, 13, 14]  # neither holes nor the goal
    expected = [ways[int(agents["lake"].predict(cell))] for cell in cells]
    assert list(zip(arrows.U, arrows.V, strict=True)) == expected
    assert axes.images[0].get_extent() == [-0.125, 4.125, 4.125, -0.125]  # the snow around it
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 4), (4, 0))
    assert len({len(text.get_text().split(".")[1]) for text in axes.texts}) == 1  # read together
    assert len(axes.texts) == len(cells)
    values = [agents["lake"].values(cell).max() for cell in cells]
    (heat,) = [x for x in axes.images if x.get_array().ndim == 2]
    np.testing.assert_allclose(heat.get_array().ravel()[cells], values)


def test_a_path_is_the_episode(agents):
    figure = policy.paths([agents["cliff"], agents["cliff"]])
    line = figure.axes[0].lines[1]
    world = gym.make("CliffWalking-v1").unwrapped
    cells = [world.reset(seed=0)[0]]
    while len(cells) < len(line.get_xdata()):
        cells.append(world.step(int(agents["cliff"].predict(cells[-1])))[0])
    y, x = np.divmod(cells, 12)
    np.testing.assert_allclose(np.array(line.get_xdata()) - x, line.get_xdata()[0] - x[0])
    np.testing.assert_allclose(np.array(line.get_ydata()) - y, line.get_ydata()[0] - y[0])


def test_blackjacks_letters_are_its_policy(agents):
    figure = policy.blackjack(agents["cards"])
    for axes, ace in zip(figure.axes, (1, 0), strict=True):
        for text in axes.texts:
            card, total = text.get_position()
            hits = agents["cards"].predict((int(total), int(card), ace))
            assert text.get_text() == ("H" if hits else "S")
    assert len(figure.axes[1].texts) == 11 * 10


def test_a_phase_plane_shows_choices_and_values_where_there_are_such(agents):
    without = replace(agents["policy"], critic={})
    for agent, panels in ((agents["values"], 2), (agents["policy"], 2), (without, 1)):
        shown = [x for x in policy.phase(agent).axes if x.get_xlabel()]
        assert len(shown) == panels
        assert shown[0].collections[0].get_clim() == (-0.5, 1.5)  # each name in its color's middle
        mesh = shown[0].collections[0].get_array().reshape(policy.POINTS, policy.POINTS)
        corner = np.float32([0, 0, 0.21, -2.0])
        assert mesh[0, -1] == agent.predict(corner)
    assert mesh.min() in (0, 1)


def test_a_strip_shows_probabilities_or_values(agents):
    likely = policy.strip(agents["policy"]).axes[0]
    assert likely.get_ylabel() == "probability"
    good = policy.strip(agents["values"]).axes[0]
    assert good.get_ylabel() == "action value"
    assert len(good.lines) == 2
    lines = np.array([line.get_ydata() for line in good.lines])
    dots = good.collections[0].get_offsets()[:, 1]
    np.testing.assert_allclose(dots[:-1], lines.max(0)[:-1], rtol=1e-6)  # what it does is greedy


def test_files_light_and_dark(agents, tmp_path: Path):
    for dark, sky in ((False, 255), (True, 0x11)):
        path = policy.picture("grid", [agents["lake"]], tmp_path / f"{dark}.png", dark=dark)
        assert np.asarray(Image.open(path).convert("RGB"))[0, 0, 0] == sky
    svg = policy.picture("phase", [agents["values"]], tmp_path / "phase.svg")
    assert svg.read_text().startswith("<?xml")
    assert svg.stat().st_size < 500_000  # its points are one picture


@pytest.mark.parametrize(
    ("kind", "names", "told"),
    [
        ("gird", ["lake"], "--kind must be one of grid, phase"),
        ("grid", ["values"], "shows agents in FrozenLake, CliffWalking, Maze, not in CartPole-v1"),
        ("phase", ["lake"], "shows agents in CartPole, MountainCar"),
        ("blackjack", ["cliff"], "shows agents in Blackjack, not in CliffWalking-v1"),
        ("grid", ["lake", "lake"], "shows one agent; name one run, not 2"),
        ("paths", ["lake", "cliff"], "shows agents in one world, not in FrozenLake-v1, Cliff"),
    ],
)
def test_what_cannot_be_shown_is_said(agents, tmp_path: Path, kind, names, told):
    with pytest.raises(palestra.InputError, match=told):
        policy.picture(kind, [agents[name] for name in names], tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()


def test_the_command(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    palestra.train("FrozenLake-v1", "q_learning", steps=400, run="r", **QUICK)
    assert main(["plot", "r", "--kind", "grid", "--dark"]) == 0
    assert (tmp_path / "r" / "grid.png").is_file()
    assert main(["plot", "r", "--kind", "girds"]) == 2
    assert "--kind must be one of" in capsys.readouterr().err
