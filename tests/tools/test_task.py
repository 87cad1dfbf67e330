"""Tasks in their shortest form, and back from JSON."""

import json
from dataclasses import fields, replace

import gymnasium
import jax
import pytest

from palestra import envs, prng
from palestra.envs.classic.cartpole import CartPole
from palestra.envs.toy_text.frozen_lake import FrozenLake
from palestra.envs.transforms import TimeLimit
from palestra.tools.environments.atari import Atari
from palestra.tools.environments.callers import Callers
from palestra.tools.environments.foreign import Foreign
from palestra.tools.environments.ours import Instance, Ours
from palestra.tools.environments.whose import task_from, task_of


def test_only_what_differs_is_kept() -> None:
    task = task_of("CartPole-v1", {"pole_mass": 0.1, "force": 5, "gravity": 9.8}, 500)
    assert task == task_of("CartPole-v1", {"force": 5.0}, None)
    assert isinstance(task.env_kwargs["force"], float)
    assert task.env == TimeLimit(env=CartPole(force=5.0), limit=500)
    unlimited = task_of("CliffWalking-v1", None, -1)  # which it is anyway
    assert unlimited == task_of("CliffWalking-v1")


def test_what_the_table_gives_is_no_difference() -> None:
    assert task_of("FrozenLake8x8-v1", {"map_name": "8x8"}) == task_of("FrozenLake8x8-v1")
    assert task_of("FrozenLake8x8-v1", {"map_name": "4x4"}).env_kwargs == {"map_name": "4x4"}


def test_the_limit_is_the_tables_unless_it_is_altered() -> None:
    assert task_of("CartPole-v1").limit == 500
    assert task_of("CartPole-v1", None, 20).limit == 20
    assert task_of("CartPole-v1", None, -1).limit is None
    assert task_of("MinAtar/Freeway-v1").limit is None


def test_an_altered_task_has_no_threshold() -> None:
    assert task_of("CartPole-v1").threshold == 475
    assert not task_of("CartPole-v1").altered
    for task in (task_of("CartPole-v1", {"force": 5.0}), task_of("CartPole-v1", {}, 50)):
        assert task.altered
        assert task.threshold is None


def test_it_says_what_it_is() -> None:
    assert str(task_of("CartPole-v1")) == "CartPole-v1"
    task = task_of("CartPole-v1", {"force": 5.0, "sutton_barto_reward": True}, -1)
    assert str(task) == "CartPole-v1 with force=5.0, sutton_barto_reward=True, max_episode_steps=-1"


def test_there_and_back_through_json() -> None:
    task = task_of("FrozenLake-v1", {"desc": ["SF", "FG"], "is_slippery": False}, 7)
    again = task_from(json.loads(json.dumps(task.as_json())))
    assert again == task
    lake = FrozenLake(desc=("SF", "FG"), is_slippery=False)
    assert again.env == TimeLimit(env=lake, limit=7)
    assert task_from({"environment": "CartPole-v1"}) == task_of("CartPole-v1")


def test_old_ids_become_todays() -> None:
    with pytest.warns(UserWarning, match="Taxi-v3 is called Taxi-v4 now"):
        assert task_of("Taxi-v3") == task_of("Taxi-v4")


def test_what_cannot_be_is_refused() -> None:
    for limit in (0, -2, 1.5, "long"):
        with pytest.raises(ValueError, match="at least 1, or -1 for no limit, not"):
            task_of("CartPole-v1", None, limit)
    with pytest.raises(ValueError, match="did you mean pole_mass"):
        task_of("CartPole-v1", {"pole_mas": 1})
    with pytest.raises(ValueError, match="has no parameter 'pole_mas'"):
        Ours("CartPole-v1", {"pole_mas": 1}).simulator()
    with pytest.raises(envs.UnknownEnvironmentError):
        task_of("CartPole-v7")


STRANGE = [None, {}, {"a": 1}, [], ["x"], [[1]], "x", "", 10**12, 1e308, float("nan"), 10**400]


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Acrobot-v1", "FrozenLake-v1", "Blackjack-v1"])
def test_a_strangers_parameters_make_a_world_or_are_refused(env_id):
    """Whatever JSON a file holds: a small simulator, or one sentence."""
    refusals = []
    for field in fields(envs.entry(env_id).simulator):
        for value in STRANGE:
            header = {"environment": env_id, "env_kwargs": {field.name: value}}
            try:
                env = task_from(header).env
            except ValueError as fault:
                refusals.append(str(fault))
                continue
            shapes = jax.eval_shape(env.reset, jax.eval_shape(prng.key, 0))
            assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) < 1_000
    assert len(refusals) > len(STRANGE) / 2
    assert all(refusal.endswith((".", "?")) and len(refusal) < 200 for refusal in refusals)


OUTSIDE = ["/etc/passwd", "../x.xml", "a/../../x.xml", "~/x.xml", "C:\\x.xml", "..\\x.xml"]


@pytest.mark.parametrize("word", OUTSIDE)
def test_a_word_that_leaves_the_folder_is_refused(word):
    header = {"environment": "HalfCheetah-v5", "env_kwargs": {"xml_file": word}}
    with pytest.raises(ValueError, match=r"xml_file must not name a place outside"):
        task_from(header)
    with pytest.raises(ValueError, match=r"name one below it, such as \./robot\.xml\.$"):
        task_of("HalfCheetah-v5", {"xml_file": word})
    for inside in ("./x.xml", "models/x..y.xml", "cuda:0", "4x4"):
        header["env_kwargs"] = {"xml_file": inside}
        assert task_from(header).env_kwargs == {"xml_file": inside}


@pytest.mark.parametrize("env_id", ["GymV21Environment-v0", "os:GymV26Environment-v0"])
def test_an_id_that_imports_what_it_is_given_is_refused_in_a_file(env_id):
    with pytest.raises(ValueError, match="would import what the file names"):
        task_from({"environment": env_id, "env_kwargs": {"env_id": "os:X-v0"}})


def make():
    return gymnasium.make("CartPole-v1")


@pytest.mark.parametrize(
    ("env", "kind", "limit", "episodes"),
    [
        ("CartPole-v1", Ours, 500, 100),
        (CartPole, Ours, None, 100),
        (TimeLimit(env=CartPole(), limit=9), Instance, None, 100),
        ("ALE/Pong-v5", Atari, None, 30),
        ("palestra/CartPole-v1", Foreign, 500, 100),
        (make, Callers, None, 100),
    ],
)
def test_whose_it_is_is_seen_at_once_and_in_its_file(env, kind, limit, episodes):
    task = task_of(env)
    assert (type(task), task.limit, task.episodes) == (kind, limit, episodes)
    again = task_from(json.loads(json.dumps(task.as_json())))
    assert again == replace(task, make_env=None)
    assert (
        again.goes_on_exactly([]) is again.goes_on_exactly(["learner.q"]) is issubclass(kind, Ours)
    )
    assert again.goes_on_exactly(["playing.obs"])
