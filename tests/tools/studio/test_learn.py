"""Agents that learn for a page."""

import io

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from palestra.algorithms.q_learning import QLearning
from palestra.envs import make
from palestra.faults import InputError
from palestra.runners import compiled
from palestra.tools.studio.learn import EPSILON, GAP, TABLES, WIDE, Lesson, learners


@pytest.fixture(scope="module")
def lesson():
    return Lesson("q_learning", "FrozenLake-v1")


def test_it_learns_as_training_does(lesson):
    lesson.begin(3)
    lesson.advance(600)
    told = lesson.told()
    algorithm = QLearning(epsilon_start=EPSILON, epsilon_end=EPSILON)
    env = make("FrozenLake-v1")
    trained = compiled.train(env, algorithm, num_envs=1, total_steps=600, reports=1, seeds=[3])
    (report,) = trained
    learner = report.learner._replace(step=report.learner.step[0], q=report.learner.q[0])
    assert np.array_equal(told["values"], algorithm.values(learner, jnp.arange(16)))
    finished, totals = (np.asarray(x).ravel() for x in report.episodes[:2])
    assert told["ended"] == [(i + 1, totals[i]) for i in np.flatnonzero(finished)]
    assert told["episodes"] == finished.sum() > 20
    assert lesson.told()["ended"] == []


def test_a_setting_is_changed_while_it_learns(lesson):
    lesson.begin(0)
    lesson.obey({"do": "set", "name": "learning_rate", "value": 0.0})
    lesson.advance(50)
    assert not np.any(lesson.told()["values"])
    lesson.obey({"do": "set", "name": "epsilon", "value": 0.5})
    assert (lesson.algorithm.epsilon_start, lesson.algorithm.epsilon_end) == (0.5, 0.5)
    for name, value, said in [
        ("learning_rate", 2.0, "learning_rate must be a number from 0 to 1"),
        ("epsilon", -1.0, "epsilon must be a number from 0 to 1"),
        ("rollout_length", 2.0, "no setting"),
        ("gamma", "x", "must be a number"),
    ]:
        with pytest.raises(InputError, match=said):
            lesson.obey({"do": "set", "name": name, "value": value})
    about = lesson.about()
    assert len(about["open"]) == about["rows"] * about["columns"] == 16
    assert lesson.png()[:4] == b"\x89PNG"


def test_only_what_can_be_drawn_is_shown():
    assert "sarsa" in TABLES
    assert "dqn" not in TABLES
    assert {"dqn", "ppo"} <= {*learners("CartPole-v1")}
    with pytest.raises(InputError, match="'dqn' is not watched in FrozenLake-v1; these are: "):
        Lesson("dqn", "FrozenLake-v1")
    with pytest.raises(InputError, match="no world to draw on"):
        Lesson("sarsa", "../x")


def test_a_network_learns_over_a_plane():
    lesson = Lesson("ddpg", "Pendulum-v1")
    before = lesson.told(), lesson.png()
    for told in before[0], lesson.about():
        assert "values" not in told
        assert "rows" not in told
    lesson.advance(1)
    after = lesson.told(), lesson.png()
    assert after[0]["step"] == lesson.about()["rollout"]
    assert before[0]["low"] <= before[0]["high"]
    assert before[1] != after[1]  # where it is now, at the least
    picture = Image.open(io.BytesIO(after[1]))
    assert picture.size == (2 * WIDE + GAP, WIDE)
    x, y = lesson.plane.points(3)[:2]
    assert (x[0].tolist(), y[:, 0].tolist()) == ([-np.pi, 0, np.pi], [-8, 0, 8])
    assert lesson.plane.place(lesson.plane.seen(0.5, -3.0)) == pytest.approx((0.5, -3.0))
