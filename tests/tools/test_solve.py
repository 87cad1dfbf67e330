"""`palestra solve` finds what is best in a small world, and says where it cannot."""

import json
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Discrete

import palestra
from palestra import envs
from palestra.core import Count, Share, Step, hyperparameters
from palestra.envs.toy_text import model
from palestra.envs.toy_text.model import Model, evaluate, outcomes
from palestra.envs.transforms import StickyActions
from palestra.tools.cli import main

MODULE = __name__


@hyperparameters
class Corridor:
    """Walk to the right end of a corridor whose floor is slippery."""

    length: Count = 4
    """Number of cells."""
    slip: Share = 0.0
    """Chance that a step goes the other way."""
    fault: str = ""
    """What is wrong with its model."""

    action_space: ClassVar = Discrete(2)  # left, right

    @property
    def observation_space(self):
        return Discrete(self.length)

    def reset(self, key):
        return jnp.int32(0), jnp.int32(0)

    def step(self, place, action, key):
        return self.advance(place, action, jax.random.uniform(key) < self.slip)

    def advance(self, place, action, slips):
        right = jnp.where(slips, 1 - action, action)
        place = jnp.clip(place + 2 * right - 1, 0, self.length - 1)
        at_end = place == self.length - 1
        return place, Step(place, jnp.float32(-1.0), at_end, jnp.bool_(False))

    def model(self):
        after, step = outcomes(self.advance, jnp.arange(self.length), 2, jnp.array([False, True]))
        chance = np.broadcast_to([1 - self.slip, self.slip], step.reward.shape)
        start = np.eye(self.length)[0]
        model = Model(chance, after, step.reward, step.terminated, start)
        wrong: dict = {
            "tuple": tuple(model),
            "shares": model._replace(probability=chance * 2),
            "start": model._replace(start=start - 0.5),
            "shape": model._replace(reward=step.reward[:-1]),
            "nan": model._replace(reward=step.reward * np.nan),
            "successor": model._replace(successor=after + 1),
            "flags": model._replace(terminated=step.terminated.astype(int)),
            "fewer": Model(*(x[:, :1] for x in model[:4]), start),
            "endless": model._replace(terminated=np.zeros_like(step.terminated)),
        }
        return wrong.get(self.fault, model)


class Seen(NamedTuple):
    code: int
    out: str
    err: str


def run(capsys, *words: str) -> Seen:
    code = main(["solve", *words])
    out, err = capsys.readouterr()
    return Seen(code, out, err.replace(f"palestra: solving {words[0]} ...\n", "") if words else err)


@pytest.mark.parametrize("env_id", ["FrozenLake-v1", "CliffWalking-v1", "Taxi-v4"])
@pytest.mark.parametrize("gamma", [1.0, 0.95])
def test_both_methods_come_to_the_same(env_id, gamma):
    one, other = (
        palestra.solve(env_id, method=method, gamma=gamma)
        for method in ("value-iteration", "policy-iteration")
    )
    np.testing.assert_allclose(one.values, other.values, atol=1e-7)
    model = envs.make(env_id, limit=-1).model()
    np.testing.assert_allclose(evaluate(model, other.policy, gamma=gamma), one.values, atol=1e-7)
    assert one.start == one.values @ model.start


def test_the_agent_does_what_was_found():
    """Also where several actions are as good, of which some wait for ever."""
    found = palestra.solve("FrozenLake-v1")
    cells = np.arange(16)
    np.testing.assert_array_equal(found.agent.predict(cells), found.policy)
    np.testing.assert_allclose(found.agent.values(cells).max(-1), found.values, atol=1e-6)
    slow = palestra.solve("FrozenLake-v1", env_kwargs={"is_slippery": False})
    np.testing.assert_array_equal(slow.agent.predict(cells), slow.policy)
    assert slow.agent.predict(0) in (1, 2)  # to wait is worth as much


def test_a_horizon_counts_the_steps():
    found = palestra.solve("FrozenLake-v1", horizon=100)
    assert round(found.start, 4) == 0.7442
    assert "value iteration, gamma 1, 100 steps: 0.7442 from the start" in str(found)
    assert palestra.solve(Corridor(), horizon=2).start == -2


def test_a_grid_is_shown_as_rows_of_the_map(capsys, tmp_path):
    seen = run(capsys, "FrozenLake-v1", "--env.is-slippery", "false", "--gamma", "0.9",
               "--method", "policy-iteration", "-o", str(tmp_path / "lake.png"))  # fmt: skip
    assert seen.code == 0
    title, _, *rows = seen.out.splitlines()
    assert title == (
        "FrozenLake-v1 with is_slippery=False by policy iteration, gamma 0.9: 0.5905 from the start"
    )
    assert rows[2].split() == ["0.7290", ">", "0.8100", "v", "0.9000", "v", "."]
    assert (tmp_path / "lake.png").read_bytes().startswith(b"\x89PNG")
    assert seen.err.strip().endswith("lake.png")


def test_cards_have_a_row_for_each_hand_and_a_picture(capsys, tmp_path):
    seen = run(capsys, "Blackjack-v1", "--output", str(tmp_path / "cards.svg"))
    assert seen.code == 0
    assert "Blackjack-v1 by value iteration, gamma 1: -0.0431 from the start" in seen.out
    lines = [line for line in seen.out.splitlines() if line.startswith("20, 10, 0 ")]
    assert [line.split()[-1] for line in lines] == ["stick"]
    assert (tmp_path / "cards.svg").exists()


def test_a_world_of_ones_own(capsys):
    seen = run(capsys, f"{MODULE}:Corridor", "--env.length", "3", "--json")
    assert seen.code == 0
    found = json.loads(seen.out)
    assert found["values"] == [-2, -1, -1]
    assert found["start"] == -2
    assert found["policy"][:2] == [1, 1]
    assert found["env_kwargs"] == {"length": 3}
    slippery = palestra.solve(Corridor(length=2, slip=0.5))
    np.testing.assert_allclose(slippery.start, -2)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("tuple", "model() must give a palestra.envs.toy_text.model.Model, not a tuple."),
        ("shares", "model().probability must be shares that sum to 1."),
        ("start", "model().start must be shares that sum to 1."),
        ("shape", "model().reward must have shape (4, 2, 2): states, actions, outcomes"),
        ("nan", "model().reward must be finite numbers."),
        ("successor", "model().successor must be numbers of states, whole, from 0 to 3."),
        ("flags", "model().terminated must be bool, not int"),
        ("fewer", "of its 2 actions, not of 4 and 1."),
    ],
)
def test_a_model_that_cannot_be_is_refused(capsys, fault, said):
    seen = run(capsys, f"{MODULE}:Corridor", "--env.fault", fault)
    assert seen.code == 2
    assert said in seen.err
    assert len(seen.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "solve needs an environment first: palestra solve ENV, for example"),
        (["CartPole-v1"], "FrozenLake-v1, FrozenLake8x8-v1, "),
        (["FrozenLke-v1"], "There is no environment 'FrozenLke-v1'; did you mean FrozenLake-v1?"),
        (["FrozenLake-v1", "--gamma", "2"], "gamma must be a number from 0 to 1, not 2"),
        (["FrozenLake-v1", "--method", "sweep"], "--method must be one of value-iteration, policy"),
        (["FrozenLake-v1", "--horizon", "0"], "horizon must be a whole number of at least 1"),
        (
            ["FrozenLake-v1", "--horizon", "9", "--method", "policy-iteration"],
            "horizon is for value-iteration",
        ),
        (["FrozenLake-v1", "-o", "lake.txt"], "the output must end in one of ."),
        (["Taxi-v4", "-o", "taxi.png"], "There are pictures of FrozenLake, CliffWalking, "),
        (
            [f"{MODULE}:Corridor", "--env.fault", "endless", "--method", "policy-iteration"],
            "The values of this policy do not converge with gamma=1.0; give a horizon or a smaller",
        ),
    ],
)
def test_bad_input_is_one_sentence(capsys, words, said):
    seen = run(capsys, *words)
    assert seen.code == 2
    assert said in seen.err
    assert len(seen.err.strip().splitlines()) == 1
    assert not seen.out


def test_bad_input_in_python(monkeypatch):
    with pytest.raises(ValueError, match="method must be value-iteration or policy-iteration, not"):
        palestra.solve("FrozenLake-v1", method="q_learning")
    monkeypatch.setattr("palestra.envs.toy_text.model.SWEEPS", 1_000)
    with pytest.raises(ValueError, match="The best values do not converge with gamma=1"):
        palestra.solve(Corridor(fault="endless"))
    sticky = StickyActions(env=Corridor(), probability=0.5)  # of which its model knows nothing
    with pytest.raises(ValueError, match="has no exact model"):
        palestra.solve(sticky)


def test_what_is_not_allowed_is_never_best():
    """Two states: action 1 pays 10, but only in the second is it allowed."""
    reward = np.array([[[1.0], [10.0]], [[2.0], [10.0]]])
    over = np.array([[[False], [False]], [[True], [True]]])
    after, start = np.array([[[1], [1]], [[0], [0]]]), np.array([1.0, 0.0])
    allowed = np.array([[True, False], [True, True]])
    small = model.Model(np.ones((2, 2, 1)), after, reward, over, start, allowed)
    model.check(small)
    for values, policy in (model.solve(small, gamma=0.5), model.improve(small, gamma=0.5)):
        assert values.tolist() == [1 + 0.5 * 10, 10]
        assert policy.tolist() == [0, 1]
    with pytest.raises(ValueError, match="must allow an action in each state"):
        model.check(small._replace(allowed=np.zeros((2, 2), bool)))
