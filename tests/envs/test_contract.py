"""What every environment of the table keeps: pure, compiled once, in its spaces, ending in time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Discrete, Tuple

from palestra import envs, prng
from palestra.core import Step
from palestra.envs.classic.cartpole import CartPole
from palestra.testing import EnvironmentTests, misfit

E = 16
LONGEST = 3_000  # steps in which every episode without a limit ends too, under random actions ...
ENDLESS = ("CliffWalking",)  # ... save where only luck ends it
ALL = pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
TINY = [
    pytest.param(i, marks=pytest.mark.tiny) if i == "CartPole-v1" else i for i in envs.ENVIRONMENTS
]


def random_actions(space, key, shape):
    if isinstance(space, Discrete):
        return jax.random.randint(key, shape, 0, int(space.n))
    return jax.random.uniform(key, (*shape, *space.shape), minval=space.low, maxval=space.high)


def play(env, key, length):
    """The start of E episodes, and their steps under random actions, resets left out."""
    reset_key, action_key, step_key = jax.random.split(key, 3)
    state, obs = jax.vmap(env.reset)(jax.random.split(reset_key, E))
    actions = random_actions(env.action_space, action_key, (length, E))
    keys = jax.random.split(step_key, (length, E))
    step = lambda state, now: jax.vmap(env.step)(state, *now)
    return obs, jax.lax.scan(step, state, (actions, keys))[1]


def same(one, other):
    return all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(other)))


@pytest.mark.parametrize("env_id", TINY)
def test_episodes(env_id):
    env = envs.make(env_id)
    limit = envs.entry(env_id).limit or LONGEST
    traces = []

    @jax.jit
    def run(env, key):
        traces.append(env)
        return play(env, key, limit)

    obs, steps = run(env, prng.key(0))
    again = run(env, prng.key(0))
    other = run(env, prng.key(1))
    assert len(traces) == 1
    assert same((obs, steps), again)  # the same key gives the same episodes
    assert not same((obs, steps), other)

    space = env.observation_space
    assert isinstance(steps, Step)
    assert kinds(obs, (E,)) == kinds_of(space, (E,))
    assert kinds(steps.obs, (limit, E)) == kinds_of(space, (limit, E))
    assert steps.reward.shape == steps.terminated.shape == steps.truncated.shape == (limit, E)
    assert steps.reward.dtype == np.float32
    assert steps.terminated.dtype == steps.truncated.dtype == bool

    # Up to the end of its episode, every observation lies in the space, and the end comes in time.
    done = np.asarray(steps.terminated | steps.truncated)
    assert done.any(0).all() or any(name in env_id for name in ENDLESS)
    obs, seen, reward = jax.tree.map(np.asarray, (obs, steps.obs, steps.reward))
    for e in range(E):
        last = done[:, e].argmax() if done[:, e].any() else limit - 1
        assert misfit(space, jax.tree.map(lambda x, e=e: x[e], obs), "the first") is None
        until = jax.tree.map(lambda x, e=e, last=last: x[: last + 1, e], seen)
        assert misfit(space, until, "a later one", lead=1) is None
        assert np.isfinite(reward[: last + 1, e]).all()


def kinds(tree, lead):
    """Shape, and kind of number, of every leaf [*lead, ...]."""
    assert all(x.shape[: len(lead)] == lead for x in jax.tree.leaves(tree))
    return [(x.shape, x.dtype.kind) for x in jax.tree.leaves(tree)]


def kinds_of(space, lead):
    """The same for a space; its whole numbers may have other widths than the device's."""
    parts = space.spaces if isinstance(space, Tuple) else [space]
    return [((*lead, *part.shape), np.dtype(part.dtype).kind) for part in parts]


@ALL
@pytest.mark.parametrize("asked", ["spaces", "parameters", "one_step", "pure"])
def test_what_is_asked_of_everybody(env_id, asked):
    getattr(EnvironmentTests.of(environment=envs.make(env_id)), f"test_{asked}")()


STARTS_ALIKE = (
    "FrozenLake", "CliffWalking", "Bandit",
    "Asterix", "Seaquest", "SpaceInvaders", "probe/Action", "Delay",
    "Ending", "TimeOut", "Forget",
)  # fmt: skip


@ALL
def test_a_start_is_drawn_where_it_should_be(env_id):
    start = lambda key: envs.make(env_id).reset(key)[1]
    starts = jax.vmap(start)(jax.random.split(prng.key(0), 64))
    assert same(start(prng.key(5)), start(prng.key(5)))
    differ = any(np.ptp(np.asarray(x).astype(float), axis=0).any() for x in jax.tree.leaves(starts))
    assert differ != (env_id == "Maze-v0" or any(name in env_id for name in STARTS_ALIKE))


@ALL
def test_the_table_says_something(env_id):
    assert envs.entry(env_id).summary.endswith((".", "?"))
    assert envs.entry(env_id).limit is None or envs.entry(env_id).limit >= 1


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("cartpole-v1", "CartPole-v1"),
        ("CartPole-v9", "CartPole-v"),
        ("probe/delay", "probe/Delay-v0"),
    ],
)
def test_an_unknown_id_is_answered_with_the_nearest(wrong, near):
    with pytest.raises(ValueError, match=f"There is no environment '{wrong}'; did you mean {near}"):
        envs.make(wrong)
    with pytest.raises(ValueError, match="`palestra list` names them all"):
        envs.make("????")


def test_a_float_of_an_environment_can_be_swept():
    masses = jnp.array([0.05, 0.1, 0.5])

    def tip(mass):
        env = CartPole(pole_mass=mass)
        state, _ = env.reset(prng.key(0))
        return env.step(state, jnp.int32(1), prng.key(1))[1].obs

    swept = jax.vmap(tip)(masses)
    assert len(np.unique(swept[:, 3])) == 3
    for mass, obs in zip(masses, swept, strict=True):
        np.testing.assert_allclose(tip(float(mass)), obs, rtol=1e-5)


def test_an_id_without_a_version_is_its_latest():
    assert envs.current("CartPole") == "CartPole-v1"
    assert envs.current("MinAtar/Breakout") == "MinAtar/Breakout-v1"
    assert envs.current("CartPole-v0") == "CartPole-v0"
    assert envs.current("Nothing") == "Nothing"
