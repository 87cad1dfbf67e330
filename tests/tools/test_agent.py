"""Agents as files: whole, exact, and refused in one sentence when they are not what they claim."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from gymnasium.spaces import Discrete, Tuple
from safetensors import safe_open
from safetensors.numpy import save_file

from palestra import prng
from palestra.algorithms import ALGORITHMS, served
from palestra.algorithms.dqn import DQN
from palestra.algorithms.q_learning import QLearning
from palestra.core import Spec
from palestra.envs import make
from palestra.envs.classic.cartpole import CartPole
from palestra.tools.agent import Agent, load, reads
from palestra.tools.cli import main
from palestra.tools.task import Task


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
    names = {f"q.mlp.layers.{i}.{leaf}" for i in range(3) for leaf in ("weight", "bias")}
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


def test_a_file_from_before_there_were_parameters(path: Path) -> None:
    _header(path, env_kwargs=None, max_episode_steps=None)
    header = _read(path)[0]
    del header["env_kwargs"], header["max_episode_steps"]
    save_file(_read(path)[1], path, {"palestra": json.dumps(header)})
    assert load(path).task == Task("CartPole-v1")


def test_a_file_keeps_the_parameters_of_its_task(agent: Agent, path: Path) -> None:
    task = Task.of("CartPole-v1", {"pole_mass": 0.3}, -1)
    replace(agent, task=task).save(path)
    assert load(path).task == task
    assert load(path).task.make() == CartPole(pole_mass=0.3)


def test_predict_takes_one_observation_or_a_batch(agent: Agent) -> None:
    one = agent.predict([0.0, 0.1, 0.0, -0.1])
    assert one.shape == ()
    assert agent.spec.action_space.contains(one)
    assert agent.predict(np.zeros((3, 4))).shape == (3,)
    with pytest.raises(ValueError, match=r"an observation has shape \(4,\)"):
        agent.predict(np.zeros(5))


CARDS = Tuple([Discrete(4), Discrete(2)])


@pytest.fixture
def card_player() -> Agent:
    """Hits on a sum of 2 or less with an ace, else sticks."""
    spec = Spec(CARDS, Discrete(2), 3)
    learner = QLearning().init(spec, prng.key(0))
    learner = learner._replace(q=learner.q.at[:3, 1, 1].set(1.0))
    one_seed = jax.tree.map(lambda x: x[None], learner)
    return Agent.of(QLearning(), spec, "Blackjack-v1", one_seed, 0)


def test_predict_takes_several_things_seen_at_once(card_player: Agent) -> None:
    assert card_player.predict((2, 1)) == 1
    assert card_player.predict((np.int64(3), 1)) == 0
    batch = (np.array([0, 2, 3, 2]), np.array([1, 1, 1, 0]))
    assert card_player.predict(batch).tolist() == [1, 1, 0, 0]
    for wrong in (2, [2, 1], (2, 1, 0)):
        with pytest.raises(ValueError, match=r"an observation is one of Tuple"):
            card_player.predict(wrong)
    with pytest.raises(ValueError, match=r"an observation has shape \(\) and \(\)"):
        card_player.predict((np.zeros((2, 2), int), np.zeros((2, 2), int)))


def test_a_table_is_saved_and_loaded(card_player: Agent, tmp_path: Path) -> None:
    card_player.save(tmp_path / "agent.safetensors")
    again = load(tmp_path / "agent.safetensors")
    assert again.spec == card_player.spec
    assert set(again.arrays) == {"q"}
    everything = tuple(np.indices((4, 2)).reshape(2, -1))
    assert again.predict(everything).tolist() == [0, 1, 0, 1, 0, 1, 0, 0]


def _foreign(path: Path) -> None:
    save_file({"weight": np.zeros(3)}, path)


def _huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def _read(path: Path) -> tuple[dict, dict]:
    with safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()["palestra"])
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _header(path: Path, **changes) -> None:
    header, arrays = _read(path)
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
    "a picture larger than memory": (
        lambda p: _header(
            p,
            observation_space={
                "kind": "Box",
                "shape": [10**6, 10**6, 3],
                "dtype": "float32",
                "low": 0.0,
                "high": 1.0,
            },
        ),
        "a Box of 3,000,000,000,000 numbers is larger than any",
    ),
    "fewer than no actions": (
        lambda p: _header(p, action_space={"kind": "Discrete", "n": -1}),
        "not an agent this palestra can use",
    ),
    "a header without a bottom": (
        lambda p: save_file(_read(p)[1], p, {"palestra": "[" * 100_000}),
        "not a palestra agent",
    ),
    "no environments": (lambda p: _header(p, num_envs=0), "not an agent this palestra can use"),
    "header of another kind": (lambda p: _header(p, hyperparameters=[1]), "can use"),
    "bad parameters": (lambda p: _header(p, env_kwargs=[1]), "env_kwargs must be names and values"),
    "unknown parameter": (lambda p: _header(p, env_kwargs={"pole": 1}), "has no parameter 'pole'"),
    "bad limit": (lambda p: _header(p, max_episode_steps="long"), "max_episode_steps must be"),
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
    for name, row in ALGORITHMS.items():
        tasks = ("CartPole-v1", "FrozenLake-v1", "Pendulum-v1")
        spaces = ((env.observation_space, env.action_space) for env in map(make, tasks))
        spec = Spec(*next(pair for pair in spaces if served(name, *pair)), 2)
        names = reads(row.learner(), spec)
        assert names
        assert not any(name.startswith(("memory", "last", "target")) for name in names)
