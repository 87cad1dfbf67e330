"""Whoever says which actions are allowed is heard: by training, judges, files and predictions."""

import json

import numpy as np
import onnxruntime
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from masked_games import Board, Field, Pair, Steps

import palestra
from palestra import faults
from palestra.core import Masked
from palestra.envs.host import masking
from palestra.faults import EnvironmentFaultError, InputError
from palestra.tools.cli import main
from palestra.tools.environments.whose import task_of
from palestra.tools.export import to_numpy, to_onnx

SMALL = {"num_envs": 2, "episodes": 2, "video": False, "quiet": True}
QUICK = ["--episodes", "2", "--no-video", "--quiet"]
DQN = palestra.DQN(hidden=(8,), learning_starts=16, batch_size=8)
OPEN = np.ones(4, np.int8)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An agent that learned where infos tell, and its file read again."""
    folder = tmp_path_factory.mktemp("steps") / "run"
    run = palestra.train(Steps, DQN, steps=64, run=folder, **SMALL)
    return run, palestra.load(folder / "agent.safetensors", env=Steps)


def test_infos_are_heard_from_the_first_step_to_the_file(trained):
    run, agent = trained  # where something forbidden would have raised
    assert run.config["mask"] is True
    assert agent.task.mask
    assert agent.observation_space == Masked(Steps.observation_space, 4)
    obs = np.zeros(3, np.float32)
    for action in (1, 2, 3, 4):
        assert agent.predict(obs, mask=np.arange(1, 5) == action) == action
        assert agent.predict({"observation": obs, "action_mask": OPEN}) in range(1, 5)
    batch = agent.predict(np.zeros((4, 3), np.float32), mask=np.eye(4, dtype=np.int8))
    assert batch.tolist() == [1, 2, 3, 4]
    values = agent.values(obs, mask=[1, 0, 1, 0])
    assert np.isneginf(values).tolist() == [False, True, False, True]
    assert agent.predict(obs, mask=[1, 0, 1, 0], explore=True) in (1, 3)


def test_exported_files_take_the_mask(trained, tmp_path):
    obs, mask = np.zeros((4, 3), np.float32), np.eye(4, dtype=np.int8)
    names = {"__name__": "agent"}
    to_numpy(trained[1], tmp_path / "agent.py")  # which plays it beside the agent
    exec((tmp_path / "agent.py").read_text(), names)
    assert names["act"](obs, mask).tolist() == [1, 2, 3, 4]
    assert names["act"](obs[0], [0, 0, 1, 0]) == 3
    assert names["_told"](obs, {"action_mask": mask})[1] is mask
    assert names["_told"]({"observation": obs, "action_mask": mask}, {})[0] is obs
    to_onnx(trained[1], tmp_path / "agent.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "agent.onnx")
    given = {"observation": obs, "action_mask": mask.astype(bool)}
    assert session.run(["action"], given)[0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("mask", "told"),
    [
        (None, r"must be told which actions are allowed: .*mask=info\['action_mask'\]"),
        (np.zeros(4), "forbids every action"),
        (np.ones(3), r"must be 4 flags, one for each action, not an array of shape \(3,\)"),
        (np.full(4, 0.5), "must be flags, each 0 or 1, not .*0.5"),
        (["a", "b", "c", "d"], "must be flags, each 0 or 1"),
        ("open", "must be 4 flags"),
    ],
)
def test_what_is_no_mask_is_said(trained, mask, told):
    with pytest.raises(InputError, match=told):
        trained[1].predict(np.zeros(3, np.float32), mask=mask)


def test_without_masks_all_is_tried_and_nothing_may_be_given(tmp_path):
    with pytest.raises(EnvironmentFaultError, match="forbidden"):
        palestra.train(Steps, DQN, steps=64, mask=False, run=tmp_path / "run", **SMALL)


def test_a_dict_is_heard_from_the_command_line(tmp_path, capsys):
    small = ["--hidden", "4", "--rollout-length", "8", "--minibatches", "2", "--num-envs", "2"]
    where = ["ppo", "masked_games:MaskedBoard-v0", "--run", str(tmp_path / "run")]
    assert main(["train", *where, "--steps", "64", *small, *QUICK]) == 0, capsys.readouterr().err
    last = json.loads((tmp_path / "run/summary.json").read_text())["last"]
    assert last["gymnasium"]["returns"] == [4, 4]
    agent = palestra.load(tmp_path / "run")
    shown = {"observation": np.array([0, 1, 1, 1], np.int8), "action_mask": [1, 0, 0, 0]}
    assert agent.predict(shown) == 0  # as the environment shows it
    assert agent.probabilities(shown).tolist() == [1, 0, 0, 0]


def test_our_own_kind_is_heard_and_need_not_be(tmp_path, capsys):
    where = ["q_learning", "masked_games:Field", "--steps", "400"]
    for flags, hit in ([], False), (["--no-mask"], True):
        folder = tmp_path / f"run{hit}"
        assert main(["train", *where, *flags, "--run", str(folder), *QUICK]) == 0
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        returns = [json.loads(line).get("return") for line in lines]
        found = [x for x in returns if x is not None]
        assert (min(found) < 0) == hit, found
        assert json.loads((folder / "config.json").read_text()).get("mask", False) is not hit
    capsys.readouterr()
    with pytest.raises(EnvironmentFaultError, match="forbade every action before step"):
        palestra.train(Field(stuck=0.5), palestra.QLearning(), steps=64, **SMALL)


def test_where_nothing_is_chosen_nothing_is_masked():
    spaces = Dict({"observation": Box(0, 1, (2,)), "action_mask": Box(0, 1, (2,), np.int8)})
    assert masking.choices(Box(-1, 1, (2,))) == []
    assert masking.masked_space(spaces, Discrete(2)) == Masked(Box(0, 1, (2,)), 2)
    assert task_of(Board).spaces().mask.tolist() == [1, 1, 1, 1]


def test_masks_of_several_choices_are_a_tuple_or_one_array():
    space, both = MultiDiscrete([2, 3]), ([1, 0], np.array([0, 0, 1], np.int8))
    assert masking.flags_of(both, space).tolist() == [True, False, False, False, True]
    assert masking.flags_of(np.array([1, 0, 0, 0, 1]), space).tolist() == [1, 0, 0, 0, 1]
    assert not masking.is_open(np.array([1, 1, 0, 0, 0], bool), space)
    env = masking.Masking(Pair())
    obs, info = env.reset(seed=0)
    for _ in range(20):
        obs, *_, over, _, info = env.step(masking.draw(env, obs, info))
        assert env.observation_space.contains(obs)
        if over:
            obs, info = env.reset()


class Fading(Steps):
    """In the middle of an episode nothing is allowed, or nothing is told."""

    def __init__(self, told):
        self.told = told

    def step(self, action):
        obs, reward, over, cut, _ = super().step(action)
        over = over or self.told == "end"
        return (
            obs,
            reward,
            over,
            cut,
            {"short": {"action_mask": OPEN[:3]}, "no": {}}.get(
                self.told, {"action_mask": 0 * OPEN}
            ),
        )


@pytest.mark.parametrize(
    ("told", "said"),
    [("none", "forbids every action though"), ("short", "must be 4 flags"), ("no", "must be 4")],
)
def test_a_mask_that_fails_on_the_way_is_said(told, said):
    env = masking.Masking(Fading(told))
    obs, info = env.reset(seed=0)
    with pytest.raises(InputError, match=said) as raised:
        env.step(masking.draw(env, obs, info))
    assert faults.said(raised.value) == str(raised.value)  # without a class's name


def test_at_an_end_nothing_need_be_allowed():
    env = masking.Masking(Fading("end"))
    obs, info = env.reset(seed=0)
    obs, *_ = env.step(masking.draw(env, obs, info))
    assert obs["action_mask"].all()


@pytest.mark.parametrize(
    ("mask", "said"), [(OPEN[:3], "must be 4 flags"), (0 * OPEN, "every action at the start")]
)
def test_a_mask_that_cannot_be_is_said_before_training(mask, said):
    class Wrong(Steps):
        def look(self):
            return super().look()[0], {"action_mask": mask}

    with pytest.raises(InputError, match=f"{said}.*no-mask"):
        palestra.train(Wrong, DQN, steps=64, **SMALL)


def test_the_check_plays_what_is_allowed_and_says_what_is_no_mask(capsys):
    """Other moves raise, which would be told."""
    assert main(["check", "masked_games:MaskedBoard-v0"]) == 0, capsys.readouterr().out
    assert main(["check", "masked_games:BadlyMasked-v0"]) == 1
    assert "action_mask must be 4 flags" in capsys.readouterr().out
