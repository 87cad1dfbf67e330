"""Training that starts from what another agent has learned."""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import palestra
from palestra import DQN, PPO
from palestra.tools.cli import main
from palestra.tools.training.reproduce import reproduce
from palestra.tools.training.start import NAME, read

SMALL = {"steps": 64, "num_envs": 2, "episodes": 1, "video": False, "quiet": True}
SMALL |= {"eval_episodes": 1}
DEAF = DQN(hidden=(8,), learning_starts=10_000, memory_size=20_000)  # never learns in so few steps
LITTLE = PPO(hidden=(8,), rollout_length=16, minibatches=2, epochs=1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, palestra.Run]:
    folder = tmp_path_factory.mktemp("runs")
    dqn = DQN(hidden=(8,), learning_starts=8, memory_size=1_000, rollout_length=4, batch_size=8)
    return {
        "dqn": palestra.train("CartPole-v1", dqn, run=folder / "dqn", **SMALL),
        "ppo": palestra.train("CartPole-v1", LITTLE, run=folder / "ppo", **SMALL),
    }


def same_networks(made: palestra.Run, source: palestra.Run) -> None:
    """Moments of what is observed go on; networks that have learned nothing are as they were."""
    networks = [name for name in source.agent.arrays if not name.startswith("obs_moments")]
    assert networks
    for name in networks:
        np.testing.assert_array_equal(made.last.arrays[name], source.agent.arrays[name])


def test_networks_are_taken_over_to_the_bit_and_copies_of_them_too(runs, tmp_path: Path):
    longer = {"max_episode_steps": 50, "env_kwargs": {"pole_mass": 0.3}}
    made = palestra.train(
        "CartPole-v1", DEAF, run=tmp_path / "a", start_from=runs["dqn"].folder, **longer, **SMALL
    )
    same_networks(made, runs["dqn"])
    taken = read(made.folder)
    assert taken["obs_moments.seen"] == 64.0
    online = {name.partition(".")[2] for name in taken if name.startswith("q.")}
    assert online
    assert online == {name.partition(".")[2] for name in taken if name.startswith("target.")}
    for name in online:
        np.testing.assert_array_equal(taken[f"q.{name}"], taken[f"target.{name}"])
    assert reproduce(made.folder, quiet=True).same


def test_on_the_host_an_agent_is_taken_over_too_and_a_killed_start_begins_with_it(
    runs, tmp_path: Path, monkeypatch
):
    make = lambda: gym.make("gymnasium:CartPole-v1")
    where = tmp_path / "host"
    made = palestra.train(make, DEAF, run=where, start_from=runs["dqn"].agent, **SMALL)
    same_networks(made, runs["dqn"])
    for rest in ("summary.json", "checkpoint.safetensors", "metrics.jsonl", "last.safetensors"):
        (where / rest).unlink(missing_ok=True)  # as where it was killed before its first checkpoint
    again = palestra.resume(where, env=make, quiet=True)
    same_networks(again, runs["dqn"])


def test_what_is_taken_and_what_is_new_is_said(runs, tmp_path: Path, capsys):
    asked = "train ppo CartPole-v1 --steps 32 --num-envs 2 --hidden 8 --rollout-length 16 "
    asked += "--minibatches 2 --epochs 1 --episodes 1 --eval-episodes 1 --no-video"
    asked += " --normalize-obs true"
    asked += f" --from {runs['ppo'].folder} --run {tmp_path / 'b'}"
    assert main(asked.split()) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert f"Starting from {runs['ppo'].folder} (ppo on CartPole-v1): taken over are" in said
    assert "networks" in said
    assert "new are step, the rest of networks" in said
    assert "optimizer" in said


@pytest.mark.parametrize(
    ("source", "env", "algorithm", "told"),
    [
        ("dqn", "Acrobot-v1", DEAF, "its observations are"),
        (
            "dqn",
            "CartPole-v1",
            DQN(hidden=(16,)),
            "its networks are others (--hidden (8,), here (16,)",
        ),
        (
            "dqn",
            "CartPole-v1",
            DQN(hidden=(8,), normalize_obs=False),
            "(--normalize-obs True, here False)",
        ),
        ("ppo", "CartPole-v1", DEAF, "its networks are others (its networks"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_folder_is_made(
    runs, tmp_path: Path, source, env, algorithm, told
):
    run = tmp_path / "refused"
    with pytest.raises(palestra.InputError) as refused:
        palestra.train(env, algorithm, run=run, start_from=runs[source].folder, **SMALL)
    assert told in str(refused.value)
    assert not run.exists()


def test_a_damaged_start_is_named(runs, tmp_path: Path):
    made = palestra.train("CartPole-v1", DEAF, run=tmp_path / "c", start_from=runs["dqn"], **SMALL)
    (made.folder / NAME).write_bytes(b"no arrays")
    summary = json.loads((made.folder / "summary.json").read_text())
    (made.folder / "summary.json").write_text(json.dumps(summary | {"interrupted": True}))
    (made.folder / "checkpoint.safetensors").unlink(missing_ok=True)
    with pytest.raises(palestra.InputError, match=r"start\.safetensors is damaged"):
        palestra.resume(made.folder, quiet=True)
