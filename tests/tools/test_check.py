"""`palestra check` says what to mend, of Gymnasium's environments and of what is written in JAX."""

import json
import sys
from types import ModuleType

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, Text

from palestra.core import hyperparameters
from palestra.envs import make
from palestra.tools import check as checking
from palestra.tools.check import check
from palestra.tools.cli import main

MODULE = "somebodys_own"


class Sound(gymnasium.Env):
    """Shows a number that was drawn; pays for the right one of two."""

    observation_space = Box(-1, 1, (1,))
    action_space = Discrete(2)
    metadata: dict = {"render_modes": []}  # noqa: RUF012

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.shown(), {}

    def shown(self):
        self.seen = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.seen

    def step(self, action):
        reward = float(action == (self.seen[0] > 0))
        return self.shown(), reward, bool(self.np_random.random() < 0.3), False, {}


class Unsound(Sound):
    """All that can be wrong at once."""

    count = 0

    def shown(self):
        Unsound.count += 1
        return np.full(1, Unsound.count / 100, np.float32) * 2 + super().shown()

    def step(self, action):
        obs, _, _, _, info = super().step(action)
        self.steps = getattr(self, "steps", 0) + 1
        return obs, 1000.0 if self.steps > 5 else np.nan, int(self.steps % 7 == 0), False, info


class Endless(Sound):
    """Never pays and never ends."""

    def step(self, action):
        return self.shown(), 0.0, False, False, {}


class Clocked(Sound):
    """Says terminated where its time is up."""

    def reset(self, *, seed=None, options=None):
        self.time = 0
        return super().reset(seed=seed)

    def step(self, action):
        self.time += 1
        return self.shown(), 1.0, self.time == 20, False, {}


class Silent(Sound):
    """Shows what nobody can see."""

    observation_space = Text(3)

    def shown(self):
        return "abc"

    def step(self, action):
        return "abc", 1.0, True, False, {}


class Refusing(Sound):
    """Cannot be made."""

    def __init__(self):
        raise RuntimeError("no engine")


class Breaking(Sound):
    """Pays two numbers, and raises in the third step."""

    steps = 0

    def step(self, action):
        self.steps += 1
        if self.steps == 3:
            raise RuntimeError("the motor is stuck")
        return self.shown(), np.ones(2), False, False, {}


KINDS = {
    kind.__name__: kind for kind in (Sound, Unsound, Endless, Clocked, Silent, Refusing, Breaking)
}


@pytest.fixture(autouse=True, scope="module")
def module():
    module = sys.modules[MODULE] = ModuleType(MODULE)
    for name, kind in KINDS.items():
        gymnasium.register(f"{name}-v0", entry_point=kind)
    yield module
    del sys.modules[MODULE]
    for name in KINDS:
        del gymnasium.registry[f"{name}-v0"]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(checking, "STEPS", 100)


def found_in(name):
    return check(f"{MODULE}:{name}-v0")


def test_a_sound_one(capsys):
    assert main(["check", f"{MODULE}:Sound-v0"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{MODULE}:Sound-v0: nothing to mend.\nPlayed 100 random steps: ")
    assert "rewards from 0 to 1" in told
    assert "Can learn it: reinforce, actor_critic, a2c, a3c, impala, ppo, " in told
    assert "Cannot: ddpg, td3, since the action must be a vector" in told


def test_all_that_is_wrong_is_told(capsys):
    assert main(["check", f"{MODULE}:Unsound-v0", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    mend = "\n".join(found["mend"])
    for said in (
        "must lie in its space, from -1 to 1 (part 0), not be ",
        "The reward must be finite, not nan. It was so in step ",
        "terminated must be True or False, not 0.",
        "After `reset` with the same seed and the same actions it takes another course",
        "Gymnasium's checker: ",
    ):
        assert said in mend
    assert any("networks learn best from about 1" in one for one in found["remarks"])
    assert found["refuse"].keys() == {
        "bandits", "q_learning", "sarsa", "expected_sarsa", "double_q_learning", "n_step_sarsa",
        "sarsa_lambda", "dyna_q", "monte_carlo", "ddpg", "td3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Endless", "No episode ended in 100 random steps and there is no time limit"),
        ("Endless", "No reward other than 0 came in 100 random steps"),
        ("Clocked", "Every episode was terminated after exactly 20 steps; if that is a time limit"),
    ],
)
def test_what_may_be_meant_so_is_a_remark(name, said):
    found = found_in(name)
    assert not found.mend
    assert any(said in one for one in found.remarks)


def test_what_nobody_can_learn():
    found = found_in("Silent")
    assert any("No algorithm can learn it: observation is Text" in one for one in found.mend)
    assert not found.learn


def test_what_cannot_be_made():
    (told,) = found_in("Refusing").mend
    assert told.startswith("somebodys_own:Refusing-v0 cannot be made: RuntimeError: no engine (")


def test_what_was_seen_before_it_raised_is_told_too():
    told = "\n".join(found_in("Breaking").mend)
    assert "The reward must be one number, not 2; weigh them in a wrapper. It was so in" in told
    assert "It failed in play under random actions: RuntimeError: the motor is stuck (" in told


def test_in_jax(module, capsys):
    @hyperparameters
    class Bright(type(make("probe/Action-v0"))):
        """Shows what is not in its space."""

        observation_space = Box(1, 2, (1,))

    @hyperparameters
    class Learner:
        """Knows nothing."""

        rollout_length: float = 1.0

        def init(self, spec, key):
            raise AssertionError

        act = update = init

    @hyperparameters
    class Timed(Bright):
        """Is cut off."""

        max_episode_steps = 5

    for cls in (Bright, Learner, Timed):
        cls.__module__, cls.__qualname__ = MODULE, cls.__name__
        from palestra import own

        own.add(cls)
    assert main(["check", f"{MODULE}:Bright"]) == 1
    told = capsys.readouterr().out
    assert "  - Bright.reset: the observation must lie in its space, from 1 to 2 (part 0)" in told
    assert main(["check", f"{MODULE}:Timed"]) == 1
    assert "  - Timed.reset: the observation must lie in its space" in capsys.readouterr().out
    assert main(["check", f"{MODULE}:Learner"]) == 1
    assert "Learner.rollout_length must be a whole number of at least 1" in capsys.readouterr().out


def test_one_of_ours(capsys):
    assert main(["check", "probe/Action-v0"]) == 0
    assert capsys.readouterr().out.startswith("probe/Action-v0: nothing to mend.")


def test_what_is_looked_at_is_said():
    parts = []
    check(f"{MODULE}:Refusing-v0", parts.append)
    assert [part.rpartition(": ")[2] for part in parts] == [
        "what the contract says",
        "Gymnasium's checker",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "check needs an env first: palestra check ENV."),
        (["Carpole-v1"], "There is no environment 'Carpole-v1'; did you mean CartPole-v1?"),
        (["nowhere_at_all:Maze"], "There is no module 'nowhere_at_all'"),
        ([f"{MODULE}:Maze"], f"{MODULE} has no environment 'Maze'"),
    ],
)
def test_bad_input(words, said, capsys):
    assert main(["check", *words]) == 2
    assert said in capsys.readouterr().err
