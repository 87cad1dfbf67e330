"""Hyper-parameters: floats are swept, whole numbers compiled in, nonsense refused in a sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra.algorithms import ALGORITHMS, algorithm_class
from palestra.algorithms.dqn import DQN
from palestra.algorithms.ppo import PPO
from palestra.algorithms.rainbow import Rainbow
from palestra.core import (
    Asynchronous,
    Count,
    CountOrZero,
    Drawn,
    HasInfo,
    HasModel,
    HasOptions,
    NonNegative,
    Positive,
    Probe,
    Remembers,
    Replays,
    Share,
    ToldWhoActed,
    Transition,
    Written,
    check,
    hyperparameters,
    schedules,
    stretched,
)
from palestra.envs import ENVIRONMENTS


@hyperparameters
class Settings:
    rate: Positive = 0.5
    weight: NonNegative = 0.0
    share: Share = 0.5
    size: Count = 2
    wait: CountOrZero = 0
    flag: bool = False
    widths: tuple[Count, ...] = (4, 4)


@hyperparameters
class Nested:
    inner: Settings
    limit: Count = 3


def test_floats_are_leaves_and_the_rest_is_structure():
    assert jax.tree.leaves(Settings(rate=0.1, weight=0.2, share=0.3)) == [0.1, 0.2, 0.3]
    assert jax.tree.leaves(Nested(inner=Settings(rate=0.1))) == [0.1, 0.0, 0.5]
    assert jax.tree.structure(Settings(size=3)) != jax.tree.structure(Settings(size=4))
    assert jax.tree.structure(Settings(flag=True)) != jax.tree.structure(Settings())


def test_a_float_is_swept_and_an_int_compiled_in():
    traces = []

    @jax.jit
    def use(settings):
        traces.append(settings)
        return settings.rate * jnp.ones(settings.size)

    assert use(Settings(rate=2.0)).tolist() == [2.0, 2.0]
    assert use(Settings(rate=3.0)).tolist() == [3.0, 3.0]
    assert len(traces) == 1
    assert use(Settings(rate=3.0, size=3)).tolist() == [3.0, 3.0, 3.0]
    assert len(traces) == 2
    sweep = jax.vmap(lambda rate: use(Settings(rate=rate)))(jnp.array([1.0, 2.0]))
    np.testing.assert_array_equal(sweep, [[1.0, 1.0], [2.0, 2.0]])


def test_settings_cannot_be_changed_or_given_by_position():
    with pytest.raises(AttributeError):
        Settings().rate = 1.0
    with pytest.raises(TypeError):
        Settings(0.5)


NAN, INF = float("nan"), float("inf")
WRONG = {
    "rate": ("a number above 0", [0, 0.0, -1.0, NAN, INF, True, "0.1", None, [0.1]]),
    "weight": ("a number of at least 0", [-1e-9, NAN, INF, False, "0"]),
    "share": ("a number from 0 to 1", [-0.1, 1.1, NAN, INF, True, "1"]),
    "size": ("a whole number of at least 1", [0, -1, 2.0, NAN, True, "2", None]),
    "wait": ("a whole number of at least 0", [-1, 1.0, False, "0"]),
    "flag": ("True or False", [0, 1, "yes", None]),
    "widths": ("a tuple such as (64, 64)", [4, [4, 4], "44"]),
}
CASES = [(name, words, value) for name, (words, values) in WRONG.items() for value in values]


@pytest.mark.parametrize(("name", "words", "value"), CASES)
def test_nonsense_is_refused_in_a_sentence(name, words, value):
    with pytest.raises(ValueError) as error:  # noqa: PT011  # the whole sentence is compared
        Settings(**{name: value})
    assert str(error.value) == f"{name} must be {words}, not {value!r}."


@pytest.mark.parametrize("widths", [(4, 0), (4, 1.5), (True,), ("4",)])
def test_each_part_of_a_tuple_is_checked(widths):
    with pytest.raises(ValueError, match=r"^each part of widths must be a whole number of"):
        Settings(widths=widths)


def test_a_tuple_has_as_many_parts_as_its_type_says():
    check("goal", (3, 0.5), tuple[Count, Share])
    with pytest.raises(ValueError, match=r"^each part of goal must be a number from 0 to 1, not 4"):
        check("goal", (3, 4), tuple[Count, Share])
    with pytest.raises(ValueError, match=r"^goal must be a tuple of 2, not \(3,\).$"):
        check("goal", (3,), tuple[Count, Share])
    check("goal", (3, "a"), tuple)


def test_the_limits_themselves_are_allowed():
    Settings(rate=1e-9, weight=0, share=0, size=1, wait=0, widths=())
    Settings(rate=1, share=1.0, size=np.int64(3), widths=(1,))
    check("n", 1, Count)


def test_done_is_either_ending():
    yes_no = jnp.array([True, False])
    terminated, truncated = jnp.repeat(yes_no, 2), jnp.tile(yes_no, 2)
    none = jnp.zeros(4)
    done = Transition(none, none, none, none, terminated, truncated).done
    assert done.tolist() == [True, True, True, False]


def test_classes_of_the_same_fields_are_different_structures():
    """So that `jit` never runs the program of the one for the other."""

    @hyperparameters
    class One:
        rate: Positive = 0.5

    @hyperparameters
    class Other:
        rate: Positive = 0.5

    structures = [jax.tree.structure(x) for x in (One(), Other())]
    assert structures[0] != structures[1]
    assert jax.tree.structure(Nested(inner=One())) != jax.tree.structure(Nested(inner=Other()))
    assert structures[0] == jax.tree.structure(One(rate=0.1))
    rebuilt = jax.tree.unflatten(structures[1], [0.25])
    assert rebuilt == Other(rate=0.25)
    (path, leaf), *_ = jax.tree_util.tree_leaves_with_path(Nested(inner=One()))
    assert jax.tree_util.keystr(path) == ".inner.rate"
    assert leaf == 0.5


def test_schedules_are_stretched_and_nothing_else():
    rainbow, ppo = Rainbow(importance_steps=1_000), PPO(anneal_steps=1_000)
    assert stretched(rainbow, 1_000, 2_500) == Rainbow(importance_steps=2_500)
    assert stretched(ppo, 3, 4) == PPO(anneal_steps=1_333)
    assert stretched(PPO(), 1, 100) == PPO()
    assert stretched(DQN(epsilon_steps=5), 1_000, 10) == DQN(epsilon_steps=1)
    assert stretched(rainbow, 7, 7) == rainbow


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_falls_or_rises_over_steps_is_a_schedule(name):
    learner = algorithm_class(name)()
    named = {n for n in vars(learner) if n.endswith("_steps")} - {
        "gradient_steps",
        "planning_steps",
    }
    assert set(schedules(learner)) == named


def test_who_has_what_the_contract_does_not_ask_for():
    learners = {name: row.learner() for name, row in ALGORITHMS.items()}
    who = lambda kind: {name for name, learner in learners.items() if isinstance(learner, kind)}
    assert who(Replays) == {"dqn", "c51", "qr_dqn", "rainbow", "r2d2", "ddpg", "td3", "sac"}
    assert who(Asynchronous) == {"a3c"}
    assert who(ToldWhoActed) == {"impala", "ppo", "recurrent_ppo"}
    assert who(Remembers) == {"recurrent_ppo", "r2d2"}
    simulators = {row.home: row.simulator(**row.parameters) for row in ENVIRONMENTS.values()}
    where = lambda kind: {home for home, env in simulators.items() if isinstance(env, kind)}
    room = lambda home: home.partition(".")[0]
    assert {room(home) for home in where(HasModel)} == {"toy_text"}
    assert len(where(HasOptions)) == 5
    assert {room(home) for home in where(HasOptions)} == {"classic"}
    memory = {"probes:Cue", "probes:Forget"}  # where no one observation has a best action
    assert where(Probe) == {home for home in simulators if home.startswith("probes:")} - memory
    assert where(HasInfo)
    assert not where(Drawn | Written)  # they have files of their own
