"""Environments in Ray's actors: as in processes, to the bit, and whatever dies is replaced."""

import os
from contextlib import closing, suppress
from threading import Lock

import numpy as np
import psutil
import pytest
import ray
import worlds
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import palestra
from palestra.envs.host import make, make_from
from palestra.envs.host.one import lone
from palestra.faults import EnvironmentFaultError
from palestra.tools.training.events import Reported, Said

SMALL: dict = {"num_envs": 4, "video": False, "episodes": 1, "eval_envs": 0}
SMALL |= {"rollout_length": 16, "minibatches": 1, "epochs": 1, "hidden": (8,)}
HOME = os.getpid()


def test_a_ray_of_our_own_is_for_this_machine_alone(alone):
    heard, *_ = alone
    assert {"gcs_server", "raylet"} <= {name for name, _ in heard}
    assert {place.removeprefix("::ffff:") for _, place in heard} == {"127.0.0.1"}


def test_a_ray_of_our_own_ends_and_takes_no_signal(alone):
    _, kept, runs, left = alone
    assert kept
    assert not runs
    assert [one for one in left if "ray" in one.name()] == []


def played(envs, steps=40):
    """All that environments answer to the same actions."""
    draw = np.random.default_rng(0)
    obs, _ = envs.reset(seed=3)
    told = [obs.copy()]
    for _ in range(steps):
        obs, *rest, info = envs.step(draw.integers(0, 2, envs.num_envs))
        ends = [x for x in info.get("final_obs", ()) if x is not None]
        told += [obs.copy(), *map(np.array, rest), *ends]
    return told


def test_actors_answer_as_environments_in_this_process(cluster):
    made = make("worlds:Frail-v0", 5, actors=2)
    assert "2 of Ray's actors, on 2 of its nodes" in made.how
    there = played(made.envs)
    assert made.envs.get_attr("folder") == ("",) * 5
    made.envs.close()
    makers = [lambda: lone("Frail", worlds.Frail)] * 5
    here = played(SyncVectorEnv(makers, copy=False, autoreset_mode=AutoresetMode.SAME_STEP))
    assert len(there) == len(here) > 40 * 4
    for x, y in zip(there, here, strict=True):
        np.testing.assert_array_equal(x, y)


def frail(folder, **options):
    """What makes a world that obeys the files in a folder."""
    return lambda: worlds.Frail(str(folder), HOME, **options)


def trained(folder, env="worlds:Frail-v0", **options):
    given: dict = {"steps": 600, "run": folder / "run", "quiet": True} | SMALL | options
    run = palestra.train(env, "ppo", **given)
    return [(run.folder / name).read_bytes() for name in ("metrics.jsonl", "last.safetensors")]


def test_the_agent_is_the_one_that_processes_train(cluster, tmp_path):
    assert trained(tmp_path / "there", actors="ray:2") == trained(tmp_path / "here")


def test_training_goes_on_where_actors_and_nodes_die(cluster, tmp_path, capfd):
    """By IMPALA, which learns while they play; and Ray has nothing to add."""
    told, steps, killed = [], 0, False
    asked: dict = {"steps": 3_000, "actors": "ray:2", "run": tmp_path / "run"} | SMALL
    with closing(palestra.training(frail(tmp_path), "impala", **asked)) as events:
        for event in events:
            told += [event.text] if isinstance(event, Said) else []
            if isinstance(event, Reported):
                steps = event.step
                if steps == 640:
                    (tmp_path / "die").touch()
                if steps >= 1_600 and not killed:
                    killed = True
                    at = {int(x.name[3:]): x.read_text() for x in tmp_path.glob("at-*")}
                    there = {node for pid, node in at.items() if psutil.pid_exists(pid)}
                    node = next(x for x in cluster.worker_nodes if x.node_id in there)
                    cluster.remove_node(node, allow_graceful=False)
    deaths = [text for text in told if "died" in text]
    assert steps >= 3_000
    assert deaths[0] == "An actor died; another takes its place, and its 2 episodes are cut off."
    assert 2 <= len(deaths) <= 3  # both may have been on the node that is gone
    assert killed
    assert len(cluster.worker_nodes) == 1
    assert sum(node["Alive"] for node in ray.nodes()) == 2
    assert capfd.readouterr() == ("", "")


def test_what_is_cut_off_is_truncated_at_the_last_that_was_seen(cluster):
    envs = make_from(worlds.Frail, 3, actors=2).envs
    told = []
    envs.say = told.append
    begun = envs.reset(seed=5)[0].copy()
    last = envs.step(np.zeros(3, int))[0].copy()
    killed = envs._seats[0].actor  # of the first two
    ray.kill(killed)
    with suppress(ray.exceptions.RayActorError):
        while True:  # it may answer for a moment yet
            ray.get(killed.__ray_ready__.remote(), timeout=60)
    obs, reward, terminated, truncated, info = envs.step(np.zeros(3, int))
    assert told == ["An actor died; another takes its place, and its 2 episodes are cut off."]
    assert not terminated.any()
    assert truncated.tolist() == [True, True, False]
    assert reward[:2].tolist() == [0, 0]
    np.testing.assert_array_equal(np.stack(info["final_obs"][:2]), last[:2])
    assert info["final_obs"][2] is None
    assert (obs != begun).all()
    assert not envs.step(np.zeros(3, int))[3].any()
    envs.close()


def test_a_world_that_ends_every_actor_ends_the_training(cluster, tmp_path):
    (tmp_path / "die").touch()
    with pytest.raises(EnvironmentFaultError, match="3 of its actors in a row died, and none had"):
        trained(tmp_path, frail(tmp_path, always=True), actors="ray:1")


def test_what_a_world_raises_is_told_with_its_place(cluster, tmp_path):
    (tmp_path / "raise").touch()
    told = r"failed: RuntimeError: the world is over \(.*worlds.py, line \d+\), at step 0"
    with pytest.raises(EnvironmentFaultError, match=told):
        trained(tmp_path, frail(tmp_path), actors="ray:1")


def test_what_cannot_be_sent_is_told(cluster):
    lock = Lock()
    with pytest.raises(EnvironmentFaultError, match="cannot be made: TypeError: cannot pickle"):
        make_from(lambda: (lock, worlds.Frail())[1], 2, actors=2)
