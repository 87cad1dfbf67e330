"""Bandits with numbers worked out by hand, and as in the book."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tabular import SPEC, Q, rows, start, update

from palestra import prng
from palestra.algorithms.bandits import Bandits

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MANY = 20_000


def pulled(arm: int, reward: float, obs: int = 0) -> tuple:
    return obs, arm, reward, obs, False, False


def beside(*steps):
    return jax.tree.map(lambda *x: jnp.concatenate(x, 1), *map(rows, steps))


def begun(algorithm):
    return algorithm.init(SPEC, prng.key(0))


def test_a_value_is_the_mean_of_its_rewards():
    algorithm = Bandits(initial_value=9.0)  # which the first reward makes forgotten
    rollout = rows(pulled(0, 1.0), pulled(1, 5.0), pulled(0, 4.0), pulled(0, 2.0, obs=2))
    state, metrics = update(algorithm, begun(algorithm), rollout)
    np.testing.assert_allclose(state.q, [[2.5, 5], [9, 9], [2, 9]])
    np.testing.assert_allclose(state.visits, [[2, 1], [0, 0], [1, 0]])
    np.testing.assert_allclose(metrics["error"], (8 + 4 + 3 + 7) / 4)
    together = beside(pulled(0, 1.0), pulled(0, 4.0), pulled(0, 7.0))
    three = algorithm.init(SPEC._replace(num_envs=3), prng.key(0))
    state, _ = update(algorithm, three, together)
    np.testing.assert_allclose(state.q[0, 0], 4.0)


def test_a_constant_step_forgets():
    algorithm = Bandits(average=False, step_size=0.5)
    state, _ = update(algorithm, start(algorithm), rows(pulled(0, 3.0), pulled(0, 6.0)))
    np.testing.assert_allclose(state.q[0, 0], 4.0)  # 1 -> 2 -> 4


def test_ucb_tries_what_it_does_not_know_and_then_what_may_be_best():
    algorithm = Bandits(method="ucb", confidence=2.0)
    state = start(algorithm)
    act = lambda state, seen=0: int(algorithm.act(state, jnp.array([seen]), prng.key(0))[0])
    unknown = state._replace(visits=state.visits.at[2].set(jnp.array([0.0, 7.0])))
    assert act(unknown, 2) == 0  # though 0 + 2 sqrt(ln 8) = 2.9 would be less than 4
    # 1 + 2 sqrt(ln 11 / 2) = 3.19 and 2 + 2 sqrt(ln 11 / 8) = 3.09; then 2.75 and 3.24
    state = state._replace(visits=state.visits.at[0].set(jnp.array([2.0, 8.0])))
    assert act(state) == 0
    state = state._replace(visits=state.visits.at[0].set(jnp.array([3.0, 6.0])))
    assert act(state) == 1
    greedy = algorithm.act(state, jnp.arange(3), prng.key(0), explore=False)
    assert greedy.tolist() == Q.argmax(-1).tolist()


def test_gradient_follows_the_books_equation():
    algorithm = Bandits(method="gradient", step_size=0.5)
    state, _ = update(algorithm, begun(algorithm), rows(pulled(0, 3.0)))
    assert not state.q.any()  # of the first reward nothing is known to compare it with
    state, _ = update(algorithm, state, rows(pulled(1, 5.0)))
    np.testing.assert_allclose(state.q[0], [-0.5 * 2 * 0.5, 0.5 * 2 * 0.5])
    assert state.mean[0] == 4
    pi = np.exp([-0.5, 0.5]) / np.exp([-0.5, 0.5]).sum()
    state, _ = update(algorithm, state, rows(pulled(0, 2.0)))
    expected = np.array([-0.5, 0.5]) + 0.5 * (2 - 4) * (np.array([1, 0]) - pi)
    np.testing.assert_allclose(state.q[0], expected, rtol=1e-6)
    bare = Bandits(method="gradient", step_size=0.5, baseline=False)
    state, _ = update(bare, begun(bare), rows(pulled(0, 3.0)))
    np.testing.assert_allclose(state.q[0], [0.75, -0.75])


@pytest.mark.parametrize(
    ("algorithm", "share"),
    [
        (Bandits(epsilon=0.4), 0.2),
        (Bandits(method="gradient"), 1 / (1 + np.e)),  # softmax of 1 and 2
    ],
)
def test_exploring_by_chance(algorithm, share):
    action = algorithm.act(start(algorithm), jnp.zeros(MANY, jnp.int32), prng.key(2))
    strays = (np.asarray(action) == 0).mean()
    assert abs(strays - share) < 5 * (share * (1 - share) / MANY) ** 0.5


@pytest.mark.usefixtures("seeds_side_by_side")
def test_figures_of_the_book(monkeypatch):
    """How often the best arm is pulled, and what is paid, after 1,000 pulls of 300 bandits."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = runpy.run_path(str(BENCHMARKS / "bandits.py"))
    found = {}
    for panel in script["PANELS"]:
        for name, setting in panel.curves.items():
            if name in ("epsilon 0.1", "epsilon 0.01", "UCB, c = 2", "step 0.1"):
                course = script["pull"](*setting, 300, 1_000)
                found[name] = {what: float(x[-50:].mean()) for what, x in course.items()}
    assert abs(found["epsilon 0.1"]["best"] - 0.8) < 0.06
    assert abs(found["epsilon 0.01"]["best"] - 0.6) < 0.1
    assert abs(found["UCB, c = 2"]["reward"] - 1.5) < 0.1
    assert found["UCB, c = 2"]["reward"] > found["epsilon 0.1"]["reward"] + 0.05
    assert abs(found["step 0.1"]["best"] - 0.83) < 0.08
