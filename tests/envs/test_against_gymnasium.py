"""Classic control is replayed against Gymnasium, step for step; spaces and limits of all ids too.

Before each step Gymnasium's state is copied into ours, so that rounding does not add up and every
difference is one of the rules.
"""

from collections.abc import Callable
from copy import deepcopy
from math import pi
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import envs, prng
from palestra.envs.classic import acrobot, cartpole, mountain_car, pendulum
from palestra.envs.transforms import Timed

pytestmark = pytest.mark.usefixtures("optimized")  # held to Gymnasium's floats


def clock(env) -> int:
    """Steps since the reset, as Gymnasium's time limit counts them."""
    while not hasattr(env, "_elapsed_steps"):
        env = env.env
    return env._elapsed_steps


# Policies: action from state and random generator.


def idling(state, rng) -> int:
    return 1


def balancing(state, rng) -> int:
    x, x_dot, theta, theta_dot = state
    return int(theta + 0.5 * theta_dot + 0.05 * x_dot + 0.02 * x > 0)


def to_and_fro(state, rng) -> int:
    return int(rng.integers(2))


def any_of_three(state, rng) -> int:
    return int(rng.integers(3))


def along(state, rng) -> int:
    """With the car's velocity, most of the time: up the hills."""
    return 2 * int(state[1] >= 0) if rng.random() < 0.95 else int(rng.integers(3))


def gently_along(state, rng):
    """Like `along`, with forces of all sizes, beyond the limits too."""
    return np.float32([np.sign(state[1]) * rng.uniform(0.5, 1.5)])


def any_force(state, rng):
    return rng.uniform(-1, 1, 1).astype(np.float32)


def spinning(state, rng):
    """Torques with the motion, beyond the limits too: ever faster."""
    return np.float32([np.sign(state[1]) * rng.uniform(1, 3)])


def raising(state, rng):
    """Swings up: adds energy below, balances above."""
    theta, theta_dot = (state[0] + pi) % (2 * pi) - pi, state[1]
    energy = theta_dot**2 / 6 + 5 * (np.cos(theta) - 1)
    above = np.cos(theta) > 0.9
    torque = -15 * theta - 3 * theta_dot if above else -2 * np.sign(theta_dot * energy)
    return np.float32([torque])


def swinging(state, rng) -> int:
    """With the second link's velocity: up."""
    return 2 * int(state[3] > 0) if rng.random() < 0.8 else int(rng.integers(3))


def as_it_is(states):
    return states


def within_a_turn(states):
    """Gymnasium's angle grows for ever, and is rounded to float32 only here."""
    return np.column_stack([(states[:, 0] + pi) % (2 * pi) - pi, states[:, 1]])


class Case(NamedTuple):
    """How to replay an id. Gymnasium's states list the fields of ours in our order."""

    state: type
    policies: tuple
    copied: Callable = as_it_is  # states as we hold them
    ends: bool = True  # the policies reach an ending, besides the time limit


CASES = {
    "CartPole-v0": Case(cartpole.State, (balancing, to_and_fro)),
    "CartPole-v1": Case(cartpole.State, (balancing, to_and_fro)),
    "MountainCar-v0": Case(mountain_car.State, (along, any_of_three)),
    "MountainCarContinuous-v0": Case(mountain_car.State, (gently_along, any_force)),
    "Pendulum-v1": Case(pendulum.State, (spinning, raising, any_force), within_a_turn, False),
    "Acrobot-v1": Case(acrobot.State, (swinging, idling)),
}
IDS = pytest.mark.parametrize("env_id", CASES)


class Steps(NamedTuple):
    """Steps in Gymnasium: what was before each, and what came of it."""

    state: np.ndarray
    time: np.ndarray
    action: np.ndarray
    obs: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


def replay(env, steps: int, policy, seed: int = 0) -> Steps:
    """Play in Gymnasium."""
    rng, rows = np.random.default_rng(seed), []
    env.reset(seed=seed)
    for _ in range(steps):
        state, time = np.array(env.unwrapped.state, float), clock(env)
        action = policy(state, rng)
        rows.append((state, time, action, *env.step(action)[:4]))
        if rows[-1][-2] or rows[-1][-1]:
            env.reset()
    return Steps(*map(np.array, zip(*rows, strict=True)))


def from_anywhere(env, steps: int, low, high, seed: int = 0) -> Steps:
    """One step each from states drawn between `low` and `high`, with any action."""
    rng, rows = np.random.default_rng(seed), []
    env.action_space.seed(seed)
    for _ in range(steps):
        env.reset()
        state, action = rng.uniform(low, high), env.action_space.sample()
        env.unwrapped.state = state
        rows.append((state, 0, action, *env.step(action)[:4]))
    return Steps(*map(np.array, zip(*rows, strict=True)))


def together(*parts: Steps) -> Steps:
    return Steps(*map(np.concatenate, zip(*parts, strict=True)))


def ours(env_id: str, played: Steps, **parameters):
    """What our environment makes of the same states, times and actions."""
    env = envs.make(env_id, **parameters)
    case = CASES[env_id]
    state = case.state(*jnp.asarray(case.copied(played.state).T, jnp.float32))
    whole = isinstance(env.action_space, gymnasium.spaces.Discrete)
    action = jnp.asarray(played.action, jnp.int32 if whole else jnp.float32)
    keys = jax.random.split(prng.key(0), len(action))
    timed = Timed(state, jnp.asarray(played.time, jnp.int32))
    return stepped(env, timed, action, keys)


@jax.jit
def stepped(env, state, action, keys):
    """One step in many places at once; one program for whatever numbers the fields hold."""
    return jax.vmap(env.step)(state, action, keys)


def assert_same(step, played: Steps) -> None:
    np.testing.assert_allclose(step.obs, played.obs, atol=1e-5, rtol=0)
    np.testing.assert_array_equal(step.terminated, played.terminated)
    np.testing.assert_array_equal(step.truncated, played.truncated)
    if played.action.ndim == 1:
        np.testing.assert_array_equal(step.reward, played.reward)
    else:  # computed from real numbers, up to 100
        np.testing.assert_allclose(step.reward, played.reward, atol=1e-5, rtol=1e-7)


@pytest.mark.parametrize(
    ("env_id", "steps"),
    [
        pytest.param("CartPole-v1", 600, marks=pytest.mark.tiny),
        *((env_id, 2_500) for env_id in CASES),
    ],
)
def test_step_for_step(env_id, steps):
    case, env = CASES[env_id], gymnasium.make(env_id)
    played = together(*(replay(env, steps, policy, i) for i, policy in enumerate(case.policies)))
    state, step = ours(env_id, played)

    assert_same(step, played)
    np.testing.assert_array_equal(state.time, played.time + 1)
    assert played.terminated.any() == case.ends
    assert played.truncated.any()
    if env_id.startswith("CartPole"):
        assert np.abs(played.obs[:, 2]).max() > 0.2  # the pole fell
    if env_id.startswith("MountainCar"):
        assert (played.obs == np.float32([-1.2, 0])).all(1).any()  # the wall took the speed
    if env_id == "MountainCarContinuous-v0":
        assert np.abs(played.action).max() > 1.4
        assert played.reward.max() > 99
    if env_id == "Pendulum-v1":
        assert np.abs(played.state[:, 0]).max() > 20 * pi  # Gymnasium's angle grows
        assert np.abs(state.inner.theta).max() < pi + 0.5  # and ours does not
        assert np.abs(played.action).max() > 2.9
        assert {-8, 8} <= set(played.obs[:, 2])  # as fast as it may be, both ways
        assert played.reward.max() > -0.01  # held upright


ANYWHERE = {  # states that policies never meet too, and a little beyond the limits
    "CartPole-v1": ([-2.5, -3, -0.22, -3], [2.5, 3, 0.22, 3]),
    "MountainCar-v0": ([-1.2, -0.07], [0.6, 0.07]),
    "MountainCarContinuous-v0": ([-1.2, -0.07], [0.6, 0.07]),
    "Pendulum-v1": ([-9, -8], [9, 8]),
    # Faster yet, the rounding of a state to float32 grows beyond 1e-5 within a step.
    "Acrobot-v1": ([-pi, -pi, -0.6 * 4 * pi, -0.6 * 9 * pi], [pi, pi, 0.6 * 4 * pi, 0.6 * 9 * pi]),
}


@pytest.mark.parametrize("env_id", ANYWHERE)
def test_step_for_step_from_anywhere(env_id):
    low, high = ANYWHERE[env_id]
    played = from_anywhere(gymnasium.make(env_id), 2_000, low, high)
    state, step = ours(env_id, played)
    assert_same(step, played)
    assert played.terminated.any() == CASES[env_id].ends
    if env_id.startswith("MountainCar"):
        for place in (-1.2, 0.6):  # both ends of the track
            assert (played.obs[:, 0] == np.float32(place)).any()
        assert {np.float32(-0.07), np.float32(0.07)} <= set(played.obs[:, 1])
        assert (played.obs[:, 1][played.obs[:, 0] == np.float32(0.6)] > 0).any()  # no wall there
    if env_id == "Acrobot-v1":
        for column, limit in ((4, 4 * pi), (5, 9 * pi)):
            assert (np.abs(played.obs[:, column]) == np.float32(limit)).any()
        assert np.abs(state.inner.theta_1).max() < pi + 1e-6
        assert np.abs(state.inner.theta_2).max() < pi + 1e-6


def test_terminated_and_truncated_may_come_together():
    """On the last step before the limit with a falling pole, both flags are set, as there."""
    env = gymnasium.make("CartPole-v0")
    env.reset(seed=0)
    env.unwrapped.state = np.array([0.0, 0.0, 0.209, 1.0])
    env._elapsed_steps = 199
    before = np.array([env.unwrapped.state]), np.array([199]), np.array([1])
    obs, reward, terminated, truncated, _ = env.step(1)
    after = (np.array([x]) for x in (obs, reward, terminated, truncated))
    _, step = ours("CartPole-v0", Steps(*before, *after))
    assert terminated
    assert truncated
    assert step.terminated.all()
    assert step.truncated.all()


def test_cart_pole_ends_to_the_sides_too():
    """Every side of the limits, a little within and a little beyond."""
    states = np.zeros((8, 4))
    states[:4, 0] = [2.39, 2.41, -2.39, -2.41]
    states[4:, 2] = [0.2090, 0.2099, -0.2090, -0.2099]
    env = gymnasium.make("CartPole-v1")
    flags = []
    for state in states:
        env.reset(seed=0)
        env.unwrapped.state = state
        flags.append(env.step(0)[2])
    nothing = np.zeros(8)
    _, step = ours("CartPole-v1", Steps(states, *[nothing] * 6))
    assert step.terminated.tolist() == flags == [False, True] * 4


CHANGES: list[
    tuple[str, dict[str, Any], dict[str, Any]]
] = [  # fields of ours; attributes of theirs
    ("CartPole-v1", {"gravity": 5.0}, {"gravity": 5.0}),
    ("CartPole-v1", {"cart_mass": 2.0}, {"masscart": 2.0, "total_mass": 2.1}),
    (
        "CartPole-v1",
        {"pole_mass": 0.3},
        {"masspole": 0.3, "total_mass": 1.3, "polemass_length": 0.15},
    ),
    ("CartPole-v1", {"half_length": 0.8}, {"length": 0.8, "polemass_length": 0.08}),
    ("CartPole-v1", {"force": 4.0}, {"force_mag": 4.0}),
    ("CartPole-v1", {"time_step": 0.05}, {"tau": 0.05}),
    ("CartPole-v1", {"max_angle": 0.1}, {"theta_threshold_radians": 0.1}),
    ("CartPole-v1", {"max_position": 1.0}, {"x_threshold": 1.0}),
    ("CartPole-v1", {"sutton_barto_reward": True}, {"_sutton_barto_reward": True}),
    *(
        ("MountainCar-v0", change, change)
        for change in (
            {"force": 0.01},
            {"gravity": 0.01},
            {"max_speed": 0.03},
            {"min_position": -0.9},
            {"max_position": 0.52},
            {"goal_position": 0.1},
            {"goal_velocity": 0.05},
        )
    ),
    *(
        ("MountainCarContinuous-v0", change, change)
        for change in (
            {"power": 0.01},
            {"max_speed": 0.03},
            {"min_position": -0.9},
            {"max_position": 0.52},
            {"goal_position": 0.1},
            {"goal_velocity": 0.05},
        )
    ),
    ("Pendulum-v1", {"g": 3.0}, {"g": 3.0}),
    ("Pendulum-v1", {"mass": 2.0}, {"m": 2.0}),
    ("Pendulum-v1", {"length": 0.6}, {"l": 0.6}),
    ("Pendulum-v1", {"time_step": 0.02}, {"dt": 0.02}),
    ("Pendulum-v1", {"max_speed": 3.0}, {"max_speed": 3.0}),
    ("Pendulum-v1", {"max_torque": 0.5}, {"max_torque": 0.5}),
    ("Acrobot-v1", {"mass_1": 2.0}, {"LINK_MASS_1": 2.0}),
    ("Acrobot-v1", {"mass_2": 0.5}, {"LINK_MASS_2": 0.5}),
    ("Acrobot-v1", {"center_1": 0.7}, {"LINK_COM_POS_1": 0.7}),
    ("Acrobot-v1", {"center_2": 0.3}, {"LINK_COM_POS_2": 0.3}),
    ("Acrobot-v1", {"inertia": 0.7}, {"LINK_MOI": 0.7}),
    ("Acrobot-v1", {"torque": 3.0}, {"AVAIL_TORQUE": [-3.0, 0.0, 3.0]}),
    ("Acrobot-v1", {"max_velocity_1": 2.0}, {"MAX_VEL_1": 2.0}),
    ("Acrobot-v1", {"max_velocity_2": 3.0}, {"MAX_VEL_2": 3.0}),
    ("Acrobot-v1", {"time_step": 0.1}, {"dt": 0.1}),
    ("Acrobot-v1", {"equations": "nips"}, {"book_or_nips": "nips"}),
]


@pytest.mark.parametrize(("env_id", "fields", "attributes"), CHANGES)
def test_every_field_does_what_gymnasiums_does(env_id, fields, attributes):
    env = gymnasium.make(env_id)
    for name, value in attributes.items():
        assert hasattr(env.unwrapped, name)
        setattr(env.unwrapped, name, value)
    low, high = ANYWHERE[env_id]
    calm = 1.0 if env_id != "Acrobot-v1" else np.array([1, 1, 0.5, 0.33])
    played = from_anywhere(env, 200, low * np.asarray(calm), high * np.asarray(calm))
    _, step = ours(env_id, played, **fields)
    assert_same(step, played)
    _, default = ours(env_id, played)
    same = map(np.array_equal, jax.tree.leaves(step), jax.tree.leaves(default))
    assert not all(same)  # it mattered


def test_mountain_car_continuous_rewards():
    """What Gymnasium does not let one change: the price of pushing and that of arriving."""
    env = envs.make("MountainCarContinuous-v0", push_cost=0.5, goal_reward=7.0, gravity=0.01)
    at = lambda x, v: Timed(mountain_car.State(jnp.float32(x), jnp.float32(v)), jnp.int32(0))
    _, arrives = env.step(at(0.44, 0.05), jnp.array([0.5]), prng.key(0))
    _, rolls = env.step(at(-0.5, 0.0), jnp.array([2.0]), prng.key(0))
    assert arrives.reward == pytest.approx(7 - 0.125)
    assert rolls.reward == -2.0
    assert rolls.obs[1] == pytest.approx(0.0015 - 0.01 * np.cos(1.5), abs=1e-7)


def test_pendulum_takes_any_angle():
    turns, theta = jnp.arange(-50, 51), jnp.linspace(-pi, pi, 101)
    at = lambda angle: Timed(pendulum.State(angle, jnp.full(101, 0.5)), jnp.zeros(101, jnp.int32))
    keys = jax.random.split(prng.key(0), 101)
    env, action = envs.make("Pendulum-v1"), jnp.ones((101, 1))
    _, near = stepped(env, at(theta), action, keys)
    after, far = stepped(env, at(theta + 2 * pi * turns.astype(jnp.float32)), action, keys)
    np.testing.assert_allclose(far.obs, near.obs, atol=1e-4)
    np.testing.assert_allclose(far.reward, near.reward, atol=1e-3)
    assert np.abs(after.inner.theta).max() < pi + 0.5


def test_pendulum_costs():
    env = envs.make("Pendulum-v1", velocity_cost=2.0, torque_cost=3.0)
    state = Timed(pendulum.State(jnp.float32(0.5), jnp.float32(-1.5)), jnp.int32(0))
    _, step = env.step(state, jnp.array([0.4]), prng.key(0))
    assert step.reward == pytest.approx(-(0.5**2 + 2 * 1.5**2 + 3 * 0.4**2))


def test_acrobot_reaches_with_its_tip():
    """Gymnasium keeps to links of one meter in its goal; ours are as long as they say."""
    env = gymnasium.make("Acrobot-v1")
    env.unwrapped.LINK_LENGTH_1 = 1.4
    low, high = ANYWHERE["Acrobot-v1"]
    played = from_anywhere(env, 500, np.multiply(low, 0.2), np.multiply(high, [1, 1, 0.2, 0.2]))
    _, step = ours("Acrobot-v1", played, length_1=1.4, length_2=0.9, target_height=0.5)
    np.testing.assert_allclose(step.obs, played.obs, atol=1e-5, rtol=0)
    cos_1, sin_1, cos_2, sin_2 = played.obs[:, :4].T
    height = -1.4 * cos_1 - 0.9 * (cos_1 * cos_2 - sin_1 * sin_2)
    np.testing.assert_array_equal(step.terminated, height > 0.5)
    assert 0 < step.terminated.sum() < 500
    assert (step.terminated != played.terminated).any()


def test_acrobot_without_gravity_stays_as_it_is():
    _, rest = envs.make("Acrobot-v1", gravity=0.0).step(
        Timed(acrobot.State(*jnp.float32([0.5, 0.3, 0, 0])), jnp.int32(0)),
        jnp.int32(1),
        prng.key(0),
    )
    np.testing.assert_allclose(
        rest.obs, [np.cos(0.5), np.sin(0.5), np.cos(0.3), np.sin(0.3), 0, 0], atol=1e-6
    )


def test_acrobot_with_gymnasiums_own_noise():
    env, ours = gymnasium.make("Acrobot-v1"), envs.make("Acrobot-v1", torque_noise=0.7).env
    env.reset(seed=0)
    env.unwrapped.torque_noise_max = 0.7
    states, noises, after = [], [], []
    for _ in range(1_000):
        states.append(np.array(env.unwrapped.state))
        noises.append(deepcopy(env.unwrapped.np_random).uniform(-1, 1))
        obs, _, terminated, truncated, _ = env.step(2)
        after.append(obs)
        if terminated or truncated:
            env.reset()
    state = acrobot.State(*jnp.asarray(np.transpose(states), jnp.float32))
    noise, action = jnp.asarray(noises, jnp.float32), jnp.full(1_000, 2)
    advanced = jax.jit(jax.vmap(ours.advance))
    _, step = advanced(state, action, noise)
    np.testing.assert_allclose(step.obs, after, atol=1e-5, rtol=0)

    keys = lambda: jax.random.split(prng.key(0), 1_000)
    chance = jax.jit(jax.vmap(ours.chance))(keys())
    _, drawn = stepped(ours, state, action, keys())
    _, told = advanced(state, action, chance)
    np.testing.assert_allclose(drawn.obs, told.obs, atol=1e-5, rtol=0)
    assert np.abs(drawn.obs - step.obs).max() > 0.01  # other noise, other steps
    assert -1 <= chance.min() < -0.98 < 0.98 < chance.max() <= 1
    assert abs(chance.mean()) < 5 / (3 * 1_000) ** 0.5


@pytest.mark.parametrize(
    ("env_id", "fields", "words"),
    [
        (i, {"goal_position": x}, f"goal_position must lie between .*, not {x} between -1.2 and")
        for i in ("MountainCar-v0", "MountainCarContinuous-v0")
        for x in (0.7, -1.2)
    ]
    + [
        ("MountainCar-v0", {"min_position": float("nan")}, "min_position must be a finite number"),
        ("MountainCar-v0", {"goal_velocity": -0.1}, "goal_velocity must be a number of at least 0"),
        ("Pendulum-v1", {"length": 0.0}, "length must be a number above 0, not 0.0"),
        ("Acrobot-v1", {"torque_noise": -1.0}, "torque_noise must be a number of at least 0"),
        ("Acrobot-v1", {"target_height": float("inf")}, "target_height must be a finite number"),
        ("Acrobot-v1", {"equations": "paper"}, "equations must be 'book' or 'nips', not 'paper'"),
        ("CartPole-v1", {"sutton_barto_reward": 1}, "sutton_barto_reward must be True or False"),
    ],
)
def test_what_cannot_be_is_refused(env_id, fields, words):
    with pytest.raises(ValueError, match=f"^{words}"):
        envs.make(env_id, **fields)


@pytest.mark.parametrize(
    ("env_id", "name", "values"),
    [
        ("MountainCar-v0", "goal_position", [0.05, 0.5]),
        ("MountainCarContinuous-v0", "power", [0.001, 0.002]),
        ("Pendulum-v1", "g", [1.0, 10.0]),
        ("Acrobot-v1", "mass_2", [0.5, 1.5]),
    ],
)
def test_fields_can_be_swept(env_id, name, values):
    """Inside one compiled program: a rule about plain numbers lets traced ones pass."""
    state = CASES[env_id].state(*jnp.full(len(CASES[env_id].state._fields), 0.04))
    env = envs.make(env_id, limit=-1)
    whole = isinstance(env.action_space, gymnasium.spaces.Discrete)
    action = jnp.int32(2) if whole else jnp.array([0.5])

    @jax.jit
    def end(value):
        _, step = type(env)(**{name: value}).step(state, action, prng.key(0))
        return jnp.append(step.obs, step.terminated.astype(jnp.float32))

    swept = jax.jit(jax.vmap(end))(jnp.array(values))
    np.testing.assert_allclose(swept, [end(value) for value in values], atol=1e-5)
    assert not np.array_equal(swept[0], swept[1])


GYMNASIUMS = [
    env_id
    for env_id in envs.ENVIRONMENTS
    if env_id in gymnasium.registry
    and str(gymnasium.registry[env_id].entry_point).startswith("gymnasium.")
]


def test_gymnasiums_ids_are_found():
    assert {*CASES, "FrozenLake8x8-v1", "CliffWalking-v1", "Taxi-v4", "Blackjack-v1"} <= {
        *GYMNASIUMS
    }


@pytest.mark.parametrize("env_id", GYMNASIUMS)
def test_spaces_and_limits_are_gymnasiums(env_id):
    env, theirs, spec = envs.make(env_id), gymnasium.make(env_id), gymnasium.spec(env_id)
    assert env.observation_space == theirs.observation_space
    assert env.action_space == theirs.action_space
    assert envs.entry(env_id).limit == spec.max_episode_steps
    assert envs.entry(env_id).threshold == spec.reward_threshold


STARTS = {  # each entry of the state is uniform between these
    "CartPole-v1": ([-0.05] * 4, [0.05] * 4),
    "MountainCar-v0": ([-0.6, 0], [-0.4, 0]),
    "MountainCarContinuous-v0": ([-0.6, 0], [-0.4, 0]),
    "Pendulum-v1": ([-pi, -1], [pi, 1]),
    "Acrobot-v1": ([-0.1] * 4, [0.1] * 4),
}


@pytest.mark.parametrize("env_id", STARTS)
def test_starts_are_gymnasiums(env_id):
    low, high = map(np.array, STARTS[env_id])
    drawn = high > low
    env, count = gymnasium.make(env_id).unwrapped, 1_000
    env.reset(seed=0)
    theirs = np.array([env.reset() and np.array(env.state) for _ in range(count)])
    keys = jax.random.split(prng.key(0), 20_000)
    state, obs = jax.jit(jax.vmap(envs.make(env_id).reset))(keys)
    ours = np.asarray(jnp.stack(state.inner, 1), float)
    assert not state.time.any()
    for starts in (theirs, ours):
        assert (starts[:, ~drawn] == low[~drawn]).all()
        x = (starts - low)[:, drawn] / (high - low)[drawn]  # should be uniform from 0 to 1
        n, k = x.shape
        assert x.min() > -1e-6
        assert x.max() < 1 + 1e-6
        assert (x.min(0) < 10 / n).all()
        assert (x.max(0) > 1 - 10 / n).all()
        assert (np.abs(x.mean(0) - 0.5) < 5 * (1 / 12 / n) ** 0.5).all()
        assert (np.abs(x.var(0) - 1 / 12) < 5 * (1 / 180 / n) ** 0.5).all()
        assert (np.abs(np.corrcoef(x.T).reshape(k, k) - np.eye(k)) < 5 / n**0.5).all()

    # What the agent sees of a start is what Gymnasium shows of it.
    for i in range(20):
        env.state = ours[i]
        seen = {"Pendulum-v1": "_get_obs", "Acrobot-v1": "_get_ob"}.get(env_id)
        expected = getattr(env, seen)() if seen else env.state
        np.testing.assert_allclose(obs[i], expected, atol=1e-6)
