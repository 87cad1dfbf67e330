"""Several devices train the learner that one trains, each with its share of the work."""

import json
import os
import subprocess
import sys

import gymnasium
import pytest

from palestra.faults import InputError
from palestra.runners.devices import check_shares, others_here
from palestra.tools.cli import main
from palestra.tools.training.train import train

SCRIPT = """
import json, re
import numpy as np
from palestra.algorithms.dqn import DQN
from palestra.algorithms.ppo import PPO
from palestra.envs import make
from palestra.runners import compiled, kept
from palestra.runners.leaves import named

small = {"hidden": (8,), "rollout_length": 8}
learners = {
    "ppo": PPO(**small, minibatches=2, epochs=1),
    "dqn": DQN(**small, learning_starts=64, memory_size=512, gradient_steps=2, batch_size=32),
}
told = {}
for name, algorithm in learners.items():
    found = []
    for devices in (1, 2):
        (report,) = compiled.train(
            make("CartPole-v1"), algorithm, num_envs=8, total_steps=256, reports=1, seeds=[3],
            devices=devices,
        )
        program = list(kept.loaded.values())[-1].epoch.as_text()
        found.append(named(report.carry()) | named(report.metrics))
    one, two = ({name: x.astype(float) for name, x in each.items()} for each in found)
    close = lambda x: np.allclose(one[x], two[x], rtol=1e-4, atol=1e-5, equal_nan=True)
    told[name] = {
        "differ": [x for x in one if not close(x)],
        "products": re.findall(r"= f32\\[(\\d+),8\\]\\S* dot\\(", program),
        "exchanged": len(re.findall(r" all-reduce\\(", program)),
        "measured": bool(np.isfinite(one[{"ppo": "policy_loss", "dqn": "td_loss"}[name]]).any()),
    }
print(json.dumps(told))
"""


def run(script: str) -> str:
    """What a process with two devices prints."""
    flags = os.environ["XLA_FLAGS"] + " --xla_force_host_platform_device_count=2"
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, env=os.environ | {"XLA_FLAGS": flags}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained() -> dict:
    return json.loads(run(SCRIPT))


@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_two_devices_learn_what_one_does(trained, name):
    assert trained[name]["measured"]
    assert trained[name]["differ"] == []


# Rows of the products with the hidden layer, of one device: half of the environments, of what
# is seen in a rollout, and of a batch; 4 and 2 are gradients of the layers' own sizes.
@pytest.mark.parametrize(
    ("name", "shares"), [("ppo", {"4", "32", "16"}), ("dqn", {"4", "32", "16"})]
)
def test_each_has_its_share_of_every_batch(trained, name, shares):
    assert set(trained[name]["products"]) <= shares | {"2", "1"}
    assert shares <= set(trained[name]["products"])
    assert trained[name]["exchanged"] > 0  # gradients


def refused(capsys, *flags: str) -> str:
    assert main(["train", "q_learning", "FrozenLake-v1", "--steps", "100", *flags]) == 2
    return capsys.readouterr().err


def test_what_cannot_be_is_one_sentence(capsys, tmp_path):
    where = ["--run", str(tmp_path / "run")]
    assert "at most 1, as many as JAX finds" in refused(capsys, "--devices", "2", *where)
    assert "--distributed HOST:PORT" in refused(capsys, "--process", "1", *where)
    assert "must be HOST:PORT" in refused(capsys, "--distributed", "here", *where)
    met = ["--distributed", "127.0.0.1:1", "--process", "2", "--processes", "2"]
    assert "from 0 to N - 1" in refused(capsys, *met, *where)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="8 is none of 3"):
        check_shares(8, 3)


def test_environments_on_the_host_have_one_device(monkeypatch):
    monkeypatch.setattr("palestra.tools.training.train.to_train_on", lambda asked: 2)
    with pytest.raises(InputError, match="one device learns from it"):
        train(lambda: gymnasium.make("CartPole-v1"), "dqn", steps=100, hidden=(8,), devices=2)


def test_a_process_that_is_gone_is_one_sentence():
    with pytest.raises(ConnectionError, match="palestra resume RUN, in all of them"), others_here():
        raise ValueError("UNKNOWN: Gloo all-reduce failed: Connection reset by peer")
    with pytest.raises(ValueError, match="something else"), others_here():
        raise ValueError("something else")
