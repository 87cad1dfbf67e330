"""Agents as files: whole, exact, and refused in one sentence when they are not what they claim."""

import json
import struct
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from palestra import prng
from palestra.algorithms import ALGORITHMS
from palestra.algorithms.dqn import DQN
from palestra.core import Spec
from palestra.envs import make
from palestra.tools.agent import Agent, load, reads
from palestra.tools.cli import main


@pytest.fixture
def agent() -> Agent:
    env, algorithm = make("CartPole-v1"), DQN(hidden=(8, 6), memory_size=64)
    spec = Spec(env.observation_space, env.action_space, 2)
    learner = jax.tree.map(lambda x: x[None], algorithm.init(spec, prng.key(0)))
    return Agent.of(algorithm, spec, "CartPole-v1", learner, 0)


@pytest.fixture
def path(agent: Agent, tmp_path: Path) -> Path:
    agent.save(tmp_path / "agent.safetensors")
    return tmp_path / "agent.safetensors"


def test_an_agent_is_what_greedy_act_reads(agent: Agent) -> None:
    names = {f"q.layers.{i}.{leaf}" for i in range(3) for leaf in ("weight", "bias")}
    assert set(agent.arrays) == names == set(reads(agent.algorithm, agent.spec))


def test_saved_and_loaded_it_acts_the_same(agent: Agent, path: Path) -> None:
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    again = load(path)
    assert (again.predict(obs) == agent.predict(obs)).all()
    assert len(set(agent.predict(obs).tolist())) == 2  # else the line above shows nothing
    assert again.algorithm == agent.algorithm
    assert again.spec == agent.spec
    assert again.env_id == "CartPole-v1"


def test_the_file_is_the_same_every_time(agent: Agent, path: Path) -> None:
    first = path.read_bytes()
    agent.save(path)
    assert path.read_bytes() == first


def test_predict_takes_one_observation_or_a_batch(agent: Agent) -> None:
    one = agent.predict([0.0, 0.1, 0.0, -0.1])
    assert one.shape == ()
    assert agent.spec.action_space.contains(one)
    assert agent.predict(np.zeros((3, 4))).shape == (3,)
    with pytest.raises(ValueError, match=r"an observation has shape \(4,\)"):
        agent.predict(np.zeros(5))


def _foreign(path: Path) -> None:
    save_file({"weight": np.zeros(3)}, path)


def _huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def _header(path: Path, **changes) -> None:
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()["palestra"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(arrays, path, {"palestra": json.dumps(header | changes)})


DAMAGE = {
    "empty": (lambda p: p.write_bytes(b""), "damaged or not an agent file"),
    "cut short": (lambda p: p.write_bytes(p.read_bytes()[:-20]), "damaged or not an agent file"),
    "cut in the header": (lambda p: p.write_bytes(p.read_bytes()[:50]), "damaged or not an agent"),
    "text": (lambda p: p.write_text("not an agent" * 20), "damaged or not an agent file"),
    "huge header": (_huge_header, "damaged or not an agent file"),
    "foreign": (_foreign, "not a palestra agent"),
    "newer": (lambda p: _header(p, format=99), "newer than this one"),
    "unknown algorithm": (lambda p: _header(p, algorithm="xyz"), "cannot use|can use"),
    "wrong widths": (
        lambda p: _header(p, hyperparameters={"hidden": [8, 7]}),
        "its arrays do not fit its header",
    ),
    "absurd widths": (
        lambda p: _header(p, hyperparameters={"hidden": [10**9, 10**9]}),
        "its arrays do not fit its header",
    ),
    "no environments": (lambda p: _header(p, num_envs=0), "not an agent this palestra can use"),
    "header of another kind": (lambda p: _header(p, hyperparameters=[1]), "can use"),
    "bad hyper-parameter": (
        lambda p: _header(p, hyperparameters={"gamma": 7}),
        "gamma must be a number from 0 to 1",
    ),
}


@pytest.mark.parametrize(("damage", "sentence"), DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_is_not_an_agent_is_refused(damage, sentence: str, path: Path, capsys) -> None:
    damage(path)
    with pytest.raises(ValueError, match=sentence):
        load(path)
    assert main(["evaluate", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_every_algorithm_leaves_its_memory_out_of_the_file() -> None:
    env = make("CartPole-v1")
    spec = Spec(env.observation_space, env.action_space, 2)
    for cls in ALGORITHMS.values():
        assert not any(name.startswith("memory") for name in reads(cls(), spec))
