"""Transforms change what they say and nothing else.

Those that Gymnasium has too are replayed against its wrappers, as the simulators are: before each
step the state of Gymnasium's environment is copied into ours.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces, wrappers

from palestra import envs, prng
from palestra.core import Step, hyperparameters
from palestra.envs import probes
from palestra.envs.classic import cartpole, mountain_car, mountain_car_continuous
from palestra.envs.classic.cartpole import CartPole
from palestra.envs.classic.mountain_car import MountainCar
from palestra.envs.classic.mountain_car_continuous import MountainCarContinuous
from palestra.envs.transforms import (
    ActionRepeat,
    ClipAction,
    Discretize,
    DomainRandomization,
    FlattenObs,
    FrameStack,
    NormalizeObs,
    PartialObs,
    ScaleReward,
    Stacked,
    Sticky,
    StickyActions,
    Timed,
    TimeLimit,
    bare,
    cartpole_boxes,
    cartpole_grid,
    mountain_car_grid,
    revised,
    simulator,
)
from palestra.runners.compiled import begin_episodes, unroll


class Pile(NamedTuple):
    """What the Junk environment counts and last drew."""

    time: jax.Array
    drawn: jax.Array


@hyperparameters
class Junk:
    """Observations of every kind, by chance; ten steps; tells the time as info."""

    size: float = 3.0
    corners: int = 4

    observation_space: ClassVar = spaces.Dict(
        {
            "b": spaces.Tuple([spaces.Discrete(3, start=-1), spaces.MultiBinary([2, 2])]),
            "a": spaces.MultiDiscrete([[2, 3], [4, 2]], start=[[0, 1], [0, -2]]),
            "c": spaces.Box(0, 255, (2, 3), np.uint8),
            "d": spaces.Box(-np.inf, 5.0, (1,)),
        }
    )
    action_space: ClassVar = spaces.Discrete(2)

    def reset(self, key):
        state = Pile(jnp.zeros((), jnp.int32), jax.random.uniform(key))
        return state, self.see(state)

    def see(self, state):
        u = state.drawn
        pick = lambda n: jnp.minimum((u * n).astype(jnp.int32), n - 1)
        return {
            "b": (pick(3) - 1, jnp.stack([u > 0.5, u > 0.2, u < 0.5, u < 0.7]).reshape(2, 2)),
            "a": jnp.stack([pick(2), pick(3) + 1, pick(4), pick(2) - 2]).reshape(2, 2),
            "c": (jnp.arange(6.0) * 50 * u).astype(jnp.uint8).reshape(2, 3),
            "d": jnp.stack([u * self.size]),
        }

    def step(self, state, action, key):
        state = Pile(state.time + 1, jax.random.uniform(key))
        no = jnp.zeros((), bool)
        return state, Step(self.see(state), state.drawn, state.time >= 10, no)

    def info(self, state):
        return {"time": state.time}


def flags(env, actions):
    """(terminated, truncated) of each step."""
    state, _ = env.reset(prng.key(0))
    found = []
    for i, action in enumerate(actions):
        state, step = env.step(state, jnp.int32(action), prng.key(i))
        found.append((bool(step.terminated), bool(step.truncated)))
    return found


NO, TERMINATED, TRUNCATED, BOTH = (False, False), (True, False), (False, True), (True, True)


def test_time_limit_truncates_at_the_limit():
    assert flags(TimeLimit(env=CartPole(), limit=3), [0, 1, 0]) == [NO, NO, TRUNCATED]
    assert flags(TimeLimit(env=CartPole(), limit=1), [0]) == [TRUNCATED]


def test_time_limit_leaves_endings_alone():
    assert flags(TimeLimit(env=probes.Delay(), limit=3), [0, 0]) == [NO, TERMINATED]
    assert flags(TimeLimit(env=probes.Delay(), limit=2), [0, 0]) == [NO, BOTH]
    # A truncation from within is kept, whatever the limit outside.
    assert flags(TimeLimit(env=probes.TimeOut(), limit=9), [1, 0]) == [NO, TRUNCATED]


def test_time_limit_changes_nothing_else():
    inside = CartPole(pole_mass=0.3)
    limited = TimeLimit(env=inside, limit=5)
    assert limited.observation_space is inside.observation_space
    assert limited.action_space is inside.action_space
    (state, obs), (timed, timed_obs) = inside.reset(prng.key(1)), limited.reset(prng.key(1))
    np.testing.assert_array_equal(obs, timed_obs)
    _, step = inside.step(state, jnp.int32(1), prng.key(2))
    timed, timed_step = limited.step(timed, jnp.int32(1), prng.key(2))
    np.testing.assert_array_equal(step.obs, timed_step.obs)
    assert step.reward == timed_step.reward
    assert timed.time == 1


@pytest.mark.parametrize("limit", [0, -1, 2.5])
def test_a_limit_is_a_count(limit):
    with pytest.raises(ValueError, match=r"^limit must be a whole number of at least 1, not "):
        TimeLimit(env=CartPole(), limit=limit)


# What Gymnasium has too.

STATES = {
    "CartPole-v1": cartpole.State,
    "MountainCar-v0": mountain_car.State,
    "MountainCarContinuous-v0": mountain_car_continuous.State,
}


class Log(NamedTuple):
    """What happened in Gymnasium, [T, ...]: before each step, the action, and after."""

    state: NamedTuple
    time: np.ndarray
    seen: np.ndarray  # before the step
    last: np.ndarray  # what a StickyAction wrapper did last; -1 before the first
    action: np.ndarray
    obs: np.ndarray
    reward: np.ndarray
    done: np.ndarray  # terminated, truncated
    begins: np.ndarray


def play(env_id, wrap, steps, choose=None) -> Log:
    """Random play in a wrapped environment of Gymnasium, time limit inside."""
    env, rng, rows = wrap(gymnasium.make(env_id)), np.random.default_rng(0), []
    begins, seen = True, env.reset(seed=0)[0]
    for _ in range(steps):
        action = choose(rng) if choose else int(rng.integers(env.action_space.n))
        time = env
        while not hasattr(time, "_elapsed_steps"):
            time = time.env
        last = getattr(env, "last_action", None)
        before = np.array(env.unwrapped.state), time._elapsed_steps, seen
        seen, reward, *done, _ = env.step(action)
        carried_out = getattr(env, "last_action", None)
        last = (-1 if last is None else last), (-1 if carried_out is None else carried_out)
        rows.append((*before, last, action, seen, reward, done, begins))
        begins = any(done)
        if begins:
            seen = env.reset()[0]
    env.close()
    state, *rest = (np.array(column) for column in zip(*rows, strict=True))
    return Log(STATES[env_id](*jnp.asarray(state.T, jnp.float32)), *rest)


def answers(env, state, log: Log):
    """Our steps from the same states with the same actions."""
    action = jnp.asarray(log.action, jnp.int32 if log.action.dtype == int else jnp.float32)
    return jax.jit(jax.vmap(env.step))(state, action, jax.random.split(prng.key(0), len(action)))


def assert_same(step: Step, log: Log, **tolerance):
    np.testing.assert_allclose(step.obs, log.obs, **(tolerance or {"atol": 1e-5, "rtol": 0}))
    np.testing.assert_allclose(step.reward, log.reward, atol=1e-6)
    np.testing.assert_array_equal(jnp.stack([step.terminated, step.truncated], 1), log.done)


def timed(log: Log) -> Timed:
    return Timed(log.state, jnp.asarray(log.time, jnp.int32))


def test_sticky_actions_as_in_gymnasium(seeds_side_by_side):
    p = 0.4
    log = play("CartPole-v1", lambda env: wrappers.StickyAction(env, p), 2_000)
    before, after = log.last.T
    stuck = after != log.action  # where it shows
    assert 0.15 < stuck.mean() < 0.25
    assert (after == np.where(stuck, before, log.action)).all()
    # The reference's own draws: with probability 1 where it was stuck, 0 elsewhere.
    inside = TimeLimit(env=CartPole(), limit=500)
    env = StickyActions(env=inside, probability=jnp.asarray(stuck, jnp.float32))
    step = lambda p, *arguments: StickyActions(env=inside, probability=p).step(*arguments)
    state = Sticky(timed(log), jnp.asarray(before, jnp.int32))
    keys = jax.random.split(prng.key(0), len(stuck))
    action = jnp.asarray(log.action, jnp.int32)
    state, out = jax.jit(jax.vmap(step))(env.probability, state, action, keys)
    np.testing.assert_array_equal(state.last, after)
    assert_same(out, log)


@pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
def test_sticky_actions_stick_as_often_as_they_should(p):
    env = StickyActions(env=CartPole(), probability=p)
    state, _ = env.reset(prng.key(0))
    assert state.last == 0
    assert state.last.dtype == jnp.int32
    chosen = jax.random.randint(prng.key(1), (20_000,), 0, 1_000)

    def body(state, now):
        action, key = now
        after, _ = env.step(state, action, key)
        return after, (state.last, after.last)

    _, (before, done) = jax.lax.scan(body, state, (chosen, jax.random.split(prng.key(2), 20_000)))
    stuck = np.asarray(done == before)
    assert (done == np.where(stuck, before, chosen)).all()
    assert stuck.mean() == pytest.approx(p, abs=0.012)
    if p == 0.25:  # and independently: twice in a row with probability p²
        assert (stuck[1:] & stuck[:-1]).mean() == pytest.approx(p * p, abs=0.008)


def test_sticky_actions_may_be_vectors():
    env = StickyActions(env=MountainCarContinuous(), probability=1.0)
    state, _ = env.reset(prng.key(0))
    np.testing.assert_array_equal(state.last, np.zeros(1, np.float32))
    stuck, _ = env.step(state, jnp.ones(1), prng.key(1))
    free, _ = env.env.step(state.inner, jnp.zeros(1), prng.key(1))
    assert stuck.inner == free


def test_action_repeat_as_in_gymnasium(seeds_side_by_side):
    log = play("CartPole-v1", lambda env: wrappers.RepeatAction(env, 4), 2_000)
    env = ActionRepeat(env=TimeLimit(env=CartPole(), limit=500), count=4)
    state, step = answers(env, timed(log), log)
    assert_same(step, log)
    assert set(log.reward[log.done[:, 0]]) == {1, 2, 3, 4}  # it fell within every repetition
    # It stays where it ended: time too.
    np.testing.assert_array_equal(state.time, log.time + log.reward)

    log = play("MountainCar-v0", lambda env: wrappers.RepeatAction(env, 3), 300)
    env = ActionRepeat(env=TimeLimit(env=MountainCar(), limit=200), count=3)
    state, step = answers(env, timed(log), log)
    assert_same(step, log)
    assert log.reward[log.done[:, 1]].tolist() == [-2] * 4  # 200 = 66 * 3 + 2
    assert state.time.max() == 200


def test_an_action_may_be_taken_once():
    env = ActionRepeat(env=CartPole(), count=1)
    state, _ = env.reset(prng.key(0))
    step, same = (e.step(state, jnp.int32(1), prng.key(1))[1] for e in (env, CartPole()))
    np.testing.assert_allclose(step.obs, same.obs, rtol=1e-6)
    assert step.reward == same.reward == 1


def test_repetitions_draw_anew():
    env = ActionRepeat(env=Junk(), count=5)
    state, _ = env.reset(prng.key(0))
    _, step = env.step(state, jnp.int32(0), prng.key(1))
    fourth = ActionRepeat(env=Junk(), count=4).step(state, jnp.int32(0), prng.key(1))[1]
    draws = [step.obs["d"][0] / 3, fourth.reward / 4, step.reward / 5]
    assert 0 < step.reward - fourth.reward < 1
    assert len({float(x) for x in draws}) == 3


def test_clip_action_as_in_gymnasium():
    choose = lambda rng: rng.normal(scale=2, size=1).astype(np.float32)
    log = play("MountainCarContinuous-v0", wrappers.ClipAction, 1_200, choose)
    env = TimeLimit(env=ClipAction(env=MountainCarContinuous()), limit=999)
    assert_same(answers(env, timed(log), log)[1], log)
    # An action's cost tells whether it was clipped: at most 0.1.
    assert log.reward.min() == pytest.approx(-0.1)
    assert (answers(TimeLimit(env=env.env.env, limit=999), timed(log), log)[1].reward < -0.2).any()
    assert env.action_space == wrappers.ClipAction(gymnasium.make("Pendulum-v1")).action_space


def test_scale_reward_as_in_gymnasium():
    wrap = lambda env: wrappers.TransformReward(env, lambda reward: 0.25 * reward)
    log = play("MountainCar-v0", wrap, 100)
    env = ScaleReward(env=TimeLimit(env=MountainCar(), limit=200), scale=0.25)
    assert_same(answers(env, timed(log), log)[1], log)
    assert set(log.reward) == {-0.25}


def test_reward_scales_can_be_swept():
    @jax.vmap
    def reward(scale):
        env = ScaleReward(env=CartPole(), scale=scale)
        return env.step(env.reset(prng.key(0))[0], jnp.int32(0), prng.key(1))[1].reward

    np.testing.assert_array_equal(reward(jnp.array([0.5, -3.0])), [0.5, -3.0])


def test_frame_stack_as_in_gymnasium():
    log = play("CartPole-v1", lambda env: wrappers.FrameStackObservation(env, 3), 1_500)
    env = FrameStack(env=TimeLimit(env=CartPole(), limit=500), count=3)
    state, step = answers(env, Stacked(timed(log), jnp.asarray(log.seen)), log)
    assert_same(step, log)
    np.testing.assert_array_equal(state.frames, step.obs)
    first = log.seen[log.begins]
    assert len(first) > 50
    assert (first == first[:, :1]).all()  # the reference starts with copies, and so do we
    state, obs = env.reset(prng.key(0))
    np.testing.assert_array_equal(obs, np.stack([env.env.reset(prng.key(0))[1]] * 3))
    reference = wrappers.FrameStackObservation(gymnasium.make("CartPole-v1"), 3)
    assert env.observation_space == reference.observation_space


def test_frames_of_every_kind_are_stacked():
    env = FrameStack(env=Junk(), count=2)
    state, first = env.reset(prng.key(0))
    _, step = env.step(state, jnp.int32(0), prng.key(1))
    new = env.env.step(state.inner, jnp.int32(0), prng.key(1))[1].obs
    old = jax.tree.map(lambda x: x[0], first)
    for stack, *pair in zip(*map(jax.tree.leaves, (step.obs, old, new)), strict=True):
        np.testing.assert_array_equal(stack, np.stack(pair))


def test_flatten_obs_as_in_gymnasium():
    env, space = FlattenObs(env=Junk()), Junk.observation_space
    space.seed(0)
    samples = [space.sample() for _ in range(200)]
    batch = jax.tree.map(lambda *x: jnp.stack(x), *jax.tree.map(jnp.asarray, samples))
    with jax.numpy_dtype_promotion("standard"):
        flat = jax.jit(jax.vmap(env.see))(batch)
    assert flat.dtype == jnp.float32
    np.testing.assert_allclose(flat, [spaces.flatten(space, x) for x in samples], rtol=1e-6)
    wide = spaces.flatten_space(space)
    np.testing.assert_array_equal(env.observation_space.low, wide.low.astype(np.float32))
    np.testing.assert_array_equal(env.observation_space.high, wide.high.astype(np.float32))
    assert flat.shape[1:] == env.observation_space.shape == (2 + 3 + 4 + 2 + 3 + 4 + 6 + 1,)


def test_flatten_obs_on_the_way():
    log = play("MountainCar-v0", wrappers.FlattenObservation, 50)
    env = FlattenObs(env=TimeLimit(env=MountainCar(), limit=200))
    assert_same(answers(env, timed(log), log)[1], log)
    assert env.observation_space == MountainCar.observation_space


def test_normalize_obs_as_in_gymnasium():
    one = np.ones(2, np.float32)
    log = play("MountainCar-v0", lambda env: wrappers.RescaleObservation(env, -one, one), 600)
    env = NormalizeObs(env=TimeLimit(env=MountainCar(), limit=200))
    assert_same(answers(env, timed(log), log)[1], log)
    assert env.observation_space == spaces.Box(-one, one)
    edges = jax.vmap(env.see)(jnp.array([[-1.2, -0.07], [0.6, 0.07], [-0.3, 0.0]]))
    np.testing.assert_allclose(edges, [[-1, -1], [1, 1], [0, 0]], atol=1e-6)


def test_numbers_without_bounds_stay_as_they_are():
    env = NormalizeObs(env=CartPole())
    np.testing.assert_allclose(env.see(jnp.array([2.4, 7.5, 0.0, -3.25])), [0.5, 7.5, 0, -3.25])
    high = np.array([1, np.inf, 1, np.inf], np.float32)
    assert env.observation_space == spaces.Box(-high, high)


@dataclass(frozen=True)
class Shown:
    """Just enough of an environment to look at its observation space."""

    observation_space: spaces.Space


def test_normalized_pictures_and_strange_bounds():
    picture = NormalizeObs(env=Shown(spaces.Box(0, 255, (2, 2), np.uint8)))
    seen = picture.see(jnp.array([[0, 255], [51, 102]], jnp.uint8))
    np.testing.assert_allclose(seen, [[-1, 1], [-0.6, -0.2]], atol=1e-6)
    most = np.finfo(np.float32).max
    low, high = np.array([-most, 3, -np.inf, 0], np.float32), np.array([most, 3, 1, 8], np.float32)
    strange = NormalizeObs(env=Shown(spaces.Box(low, high)))
    np.testing.assert_array_equal(strange.see(jnp.array([5.0, 3, -7, 8])), [5, 3, -7, 1])
    assert strange.observation_space.low.tolist() == [-most, 3, -np.inf, -1]
    assert strange.observation_space.high.tolist() == [most, 3, 1, 1]


def test_what_lies_within_the_bounds_is_within_them_afterwards():
    rng = np.random.default_rng(0)
    low = rng.normal(scale=10, size=5_000).astype(np.float32)
    high = (low + 1 + rng.exponential(scale=5, size=low.shape)).astype(np.float32)
    env = NormalizeObs(env=Shown(spaces.Box(low, high)))
    for edge, value in ((low, -1), (high, 1)):
        seen = np.asarray(jax.jit(env.see)(jnp.asarray(edge)))
        assert env.observation_space.contains(seen)
        np.testing.assert_allclose(seen, value, atol=1e-5)


def test_discretize_as_in_gymnasium():
    wrap = lambda env: wrappers.DiscretizeObservation(env, bins=(20, 12))
    log = play("MountainCar-v0", wrap, 3_000)
    env = TimeLimit(env=MountainCar(), limit=200)
    env = Discretize(env=env, bins=(20, 12), low=(-1.2, -0.07), high=(0.6, 0.07))
    _, step = answers(env, timed(log), log)
    assert_same(step, log, atol=0)
    assert step.obs.dtype == jnp.int32
    assert len(np.unique(log.obs)) > 15
    assert (log.seen[log.begins] % 12 == 6).all()  # at rest: just where a bin begins
    assert env.observation_space == spaces.Discrete(240)
    rng = np.random.default_rng(1)
    anywhere = rng.uniform([-1.2, -0.07], [0.6, 0.07], (5_000, 2)).astype(np.float32)
    ours = jax.jit(jax.vmap(env.see))(jnp.asarray(anywhere))
    reference = wrap(gymnasium.make("MountainCar-v0"))
    np.testing.assert_array_equal(ours, [reference.observation(x) for x in anywhere])


def test_the_boxes_of_cart_pole():
    env = cartpole_boxes(CartPole())
    assert env.observation_space.n == 162
    degree = np.pi / 180
    axes = (  # one value in each bin, and one beyond each bound
        [(-9, 0), (-0.81, 0), (-0.79, 1), (0, 1), (0.79, 1), (0.81, 2), (9, 2)],
        [(-99, 0), (-0.51, 0), (-0.49, 1), (0.49, 1), (0.51, 2), (99, 2)],
        [
            (-99, 0),
            (-8.1, 0),
            (-7.9, 1),
            (-4.1, 1),
            (-0.1, 2),
            (0, 3),
            (3.9, 3),
            (4.1, 4),
            (8.1, 5),
        ],
        [(-999, 0), (-50.1, 0), (-49.9, 1), (49.9, 1), (50.1, 2), (np.inf, 2)],
    )
    values = np.array(np.meshgrid(*[[v for v, _ in axis] for axis in axes])).reshape(4, -1)
    bins = np.array(np.meshgrid(*[[b for _, b in axis] for axis in axes])).reshape(4, -1)
    obs = values.T * np.array([1, 1, degree, degree])
    cells = jax.jit(jax.vmap(env.see))(jnp.asarray(obs, jnp.float32))
    np.testing.assert_array_equal(cells, np.ravel_multi_index(bins, (3, 3, 6, 3)))
    assert set(np.asarray(cells)) == set(range(162))


def test_the_grid_of_cart_pole():
    env = cartpole_grid(CartPole())
    assert env.observation_space.n == 6 * 6 * 12 * 12
    degree = np.pi / 180
    obs = np.array([[-2.3, -2.9, -11, -199], [2.3, 2.9, 11, 199], [0.1, -0.1, 1, -1]])
    bins = np.array([[0, 0, 0, 0], [5, 5, 11, 11], [3, 2, 6, 5]])
    obs = jnp.asarray(obs * np.array([1, 1, degree, degree]), jnp.float32)
    cells = jax.vmap(env.see)(obs)
    np.testing.assert_array_equal(cells, np.ravel_multi_index(bins.T, (6, 6, 12, 12)))


@pytest.mark.parametrize(
    ("env_id", "plain", "view"),
    [
        ("Discrete/CartPole-v0", "CartPole-v0", cartpole_grid),
        ("Discrete/CartPole-v1", "CartPole-v1", cartpole_grid),
        ("Discrete/MountainCar-v0", "MountainCar-v0", mountain_car_grid),
    ],
)
def test_tasks_of_cells_are_the_plain_ones_seen_otherwise(env_id, plain, view):
    mine, theirs = envs.entry(env_id), envs.entry(plain)
    assert (mine.limit, mine.threshold) == (theirs.limit, theirs.threshold)
    inside = envs.make(plain, limit=-1)
    assert envs.make(env_id) == TimeLimit(env=view(inside), limit=theirs.limit)
    assert envs.make(env_id, limit=-1, gravity=5.0) == view(revised(inside, gravity=5.0))
    assert f"{envs.make(env_id).observation_space.n:,} cells" in mine.summary


@pytest.mark.parametrize(
    ("env_id", "plain", "keep"),
    [
        ("Positions/CartPole-v1", "CartPole-v1", (0, 2)),
        ("Positions/Pendulum-v1", "Pendulum-v1", (0, 1)),
    ],
)
def test_tasks_of_positions_are_the_plain_ones_without_velocities(env_id, plain, keep):
    mine, theirs = envs.entry(env_id), envs.entry(plain)
    assert (mine.limit, mine.threshold) == (theirs.limit, theirs.threshold)
    inside = PartialObs(env=envs.make(plain, limit=-1), keep=keep)
    assert envs.make(env_id) == TimeLimit(env=inside, limit=theirs.limit)


def test_the_grid_of_mountain_car():
    env = mountain_car_grid(MountainCar())
    obs = jnp.array([[-1.2, -0.07], [0.6, 0.07], [-0.3, 0.0], [-1.2, 0.0]])
    assert jax.vmap(env.see)(obs).tolist() == [0, 399, 210, 10]
    assert mountain_car_grid(MountainCar(), bins=7).observation_space.n == 49


def test_partial_obs_hides_the_rest():
    wrap = lambda env: wrappers.TransformObservation(
        env, lambda obs: obs[[2, 0]], spaces.Box(-5, 5, (2,))
    )
    log = play("CartPole-v1", wrap, 200)
    env = PartialObs(env=TimeLimit(env=CartPole(), limit=500), keep=(2, 0))
    assert_same(answers(env, timed(log), log)[1], log)
    whole = CartPole.observation_space
    assert env.observation_space == spaces.Box(whole.low[[2, 0]], whole.high[[2, 0]])


# Randomized worlds.

RANGES = (("pole_mass", 0.05, 0.5), ("gravity", 8.0, 12.0))


def test_parameters_are_drawn_uniformly_at_each_reset():
    env = DomainRandomization(env=CartPole(), ranges=RANGES)
    state, _ = jax.vmap(env.reset)(jax.random.split(prng.key(0), 10_000))
    ranks = [np.sort(state.drawn[name] - low) / (high - low) for name, low, high in RANGES]
    for rank in ranks:
        assert 0 <= rank[0] < rank[-1] <= 1
        assert np.abs(rank - np.linspace(0, 1, len(rank))).max() < 0.02  # Kolmogorov-Smirnov
    assert abs(np.corrcoef(state.drawn["pole_mass"], state.drawn["gravity"])[0, 1]) < 0.03
    angle = np.asarray(state.inner.theta)
    assert abs(np.corrcoef(state.drawn["gravity"], angle)[0, 1]) < 0.03
    assert np.ptp(angle) == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize("inside", [True, False], ids=["limit-inside", "limit-outside"])
def test_a_randomized_world_is_the_one_that_was_drawn(inside):
    if inside:
        env = DomainRandomization(env=TimeLimit(env=CartPole(), limit=3), ranges=RANGES)
    else:
        env = TimeLimit(env=DomainRandomization(env=CartPole(), ranges=RANGES), limit=3)
    keys = lambda seed: jax.random.split(prng.key(seed), 8)
    state, _ = jax.jit(jax.vmap(env.reset))(keys(0))
    for time in range(3):
        before, action = state, jnp.ones(8, jnp.int32)
        state, step = jax.jit(jax.vmap(env.step))(state, action, keys(1 + time))
        one = lambda tree, e: jax.tree.map(lambda x: x[e], tree)
        for e in range(8):
            world, inner = bare(env, one(before, e))
            drawn = one(before if inside else before.inner, e).drawn
            assert world == CartPole(**drawn)
            expected = world.step(inner, jnp.int32(1), prng.key(0))[1]
            np.testing.assert_allclose(step.obs[e], expected.obs, rtol=1e-5)
        assert step.truncated.all() == (time == 2)
    masses = (state if inside else state.inner).drawn["pole_mass"]
    assert len(np.unique(masses)) == 8


def test_a_range_of_no_width_is_that_number():
    env = DomainRandomization(env=CartPole(), ranges=(("gravity", 3.0, 3.0),))
    assert env.reset(prng.key(0))[0].drawn == {"gravity": 3.0}


# All of them.

CONTINUOUS = MountainCarContinuous()
ALL = {
    "TimeLimit": TimeLimit(env=Junk(), limit=7),
    "StickyActions": StickyActions(env=Junk(), probability=0.5),
    "StickyVectors": StickyActions(env=CONTINUOUS, probability=0.5),
    "ActionRepeat": ActionRepeat(env=Junk(), count=3),
    "ClipAction": ClipAction(env=CONTINUOUS),
    "ScaleReward": ScaleReward(env=Junk(), scale=2.0),
    "FlattenObs": FlattenObs(env=Junk()),
    "NormalizeObs": NormalizeObs(env=CONTINUOUS),
    "Discretize": cartpole_boxes(CartPole()),
    "PartialObs": PartialObs(env=CartPole(), keep=(0, 2)),
    "FrameStack": FrameStack(env=Junk(), count=2),
    "DomainRandomization": DomainRandomization(env=Junk(), ranges=(("size", 1.0, 4.0),)),
}
EVERY = pytest.mark.parametrize("name", ALL)


def everything():
    """Every transform at once, around one simulator."""
    env = DomainRandomization(env=TimeLimit(env=Junk(), limit=30), ranges=(("size", 1.0, 4.0),))
    env = StickyActions(env=NormalizeObs(env=FlattenObs(env=env)), probability=0.1)
    env = FrameStack(env=PartialObs(env=env, keep=(24, 23, 5, 0)), count=2)
    env = ActionRepeat(env=ScaleReward(env=env, scale=0.5), count=2)
    env = FlattenObs(env=TimeLimit(env=env, limit=8))
    return Discretize(env=env, bins=(2,) * 8, low=(-1.0,) * 8, high=(1.0,) * 8)


def rollout(env, length, num_envs=6):
    """A rollout under random actions, compiled, with episodes begun afresh."""
    space = env.action_space

    def policy(obs, key):
        if isinstance(space, spaces.Discrete):
            return jax.random.randint(key, (num_envs,), 0, int(space.n))
        return jax.random.normal(key, (num_envs, *space.shape))

    @jax.jit
    def run(env, key):
        start, run = jax.random.split(key)
        state, obs = begin_episodes(env, jax.random.split(start, num_envs))
        return state, unroll(env, policy, state, obs, length, run)[:3]

    return run(env, prng.key(0))


def assert_contained(space, batch):
    """Every observation of the batch [T, E, ...] is one of the space."""
    for t, e in np.ndindex(jax.tree.leaves(batch)[0].shape[:2]):
        assert space.contains(jax.tree.map(lambda x, t=t, e=e: np.asarray(x[t, e]), batch))


@pytest.mark.parametrize("name", [*ALL, "everything"])
def test_in_one_compiled_program(name, seeds_side_by_side):
    env = ALL[name] if name in ALL else everything()
    first, (state, _, steps) = rollout(env, 40)
    kinds = lambda tree: jax.tree.map(lambda x: (x.shape, x.dtype), tree)
    assert kinds(first) == kinds(state)
    assert_contained(env.observation_space, steps.obs)
    assert_contained(env.observation_space, steps.next_obs)
    assert steps.reward.dtype == jnp.float32
    if simulator(env) == Junk():
        assert 12 <= steps.done.sum() <= 60


@EVERY
def test_a_simulator_under_a_transform_is_found(name):
    env = ALL[name]
    state, _ = env.reset(prng.key(0))
    world, inner = bare(env, state)
    assert type(world) is type(simulator(env)) is type(env.env)
    expected = world.reset(prng.key(0))[0]
    assert type(inner) is type(expected)
    if name != "DomainRandomization":
        assert world == env.env
        jax.tree.map(np.testing.assert_array_equal, inner, expected)  # the key was handed on


def test_a_simulator_under_all_transforms_is_found():
    env = everything()
    state, _ = env.reset(prng.key(3))
    world, inner = bare(env, state)
    assert isinstance(world, Junk)
    assert isinstance(inner, Pile)
    assert 1 < world.size < 4
    assert world.size != 3.0  # the one that was drawn
    assert simulator(env) == Junk()
    assert simulator(revised(env, size=2.0)) == Junk(size=2.0)
    assert env.info(state) == {"time": 0}


OWN_DRAWS = ("StickyActions", "StickyVectors", "ActionRepeat")


@pytest.mark.parametrize("name", [name for name in ALL if name not in OWN_DRAWS])
def test_a_transform_hands_the_key_on(name):
    env = ALL[name]
    state, _ = env.reset(prng.key(0))
    action = jnp.zeros((), jnp.int32) if env.action_space.shape == () else jnp.zeros(1)
    after, _ = env.step(state, action, prng.key(1))
    inside, _ = env.env.step(env.within(state)[1], action, prng.key(1))
    jax.tree.map(np.testing.assert_array_equal, env.within(after)[1], inside)


@EVERY
def test_what_a_simulator_tells_passes_through(name, seeds_side_by_side):
    env = ALL[name]
    state, _ = env.reset(prng.key(0))
    if not isinstance(env.env, Junk):
        assert env.info(state) == {}
        return
    state, _ = env.step(state, jnp.int32(0), prng.key(1))
    assert env.info(state) == {"time": 3 if name == "ActionRepeat" else 1}


@EVERY
def test_jax_may_take_a_transform_apart(name):
    env = ALL[name]
    leaves, structure = jax.tree.flatten(env)
    assert jax.tree.unflatten(structure, leaves) == env
    jax.tree.unflatten(structure, [object()] * len(leaves))


VECTOR = r"must be a vector \(a Box of one axis\), not of Discrete\(162\)\.$"
CELLS = cartpole_boxes(CartPole())
GRID = {"bins": (3, 3), "low": (0.0, 0.0), "high": (1.0, 1.0)}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: StickyActions(env=CartPole(), probability=1.5),
            "^probability must be a number fr",
        ),
        (lambda: ActionRepeat(env=CartPole(), count=0), "^count must be a whole number of at leas"),
        (lambda: FrameStack(env=CartPole(), count=0), "^count must be a whole number of at least"),
        (lambda: ScaleReward(env=CartPole(), scale=np.nan), "^scale must be a finite number, not"),
        (lambda: ClipAction(env=CartPole()), r"^an action for ClipAction must be an array of num"),
        (lambda: NormalizeObs(env=CELLS), r"^an observation for NormalizeObs must be an array of"),
        (
            lambda: FlattenObs(env=Shown(spaces.Tuple([spaces.Text(3)]))),
            "^FlattenObs needs observations made of Box, Discrete, MultiDiscrete, MultiBinary, not",
        ),
        (lambda: Discretize(env=CELLS, **GRID), f"^an observation for Discretize {VECTOR}"),
        (lambda: Discretize(env=CartPole(), **GRID), "^bins must hold a number for each of the 4"),
        (
            lambda: Discretize(env=MountainCar(), **{**GRID, "high": (1.0,)}),
            "^high must hold a number for each of the 2 axes, not 1",
        ),
        (
            lambda: Discretize(env=MountainCar(), **{**GRID, "bins": (3, 0)}),
            "^each part of bins must be a whole number of at least 1, not 0",
        ),
        (
            lambda: Discretize(env=MountainCar(), **{**GRID, "low": (0.0, 1.0)}),
            r"^low must lie below high, both finite, not 1.0 and 1.0",
        ),
        (lambda: PartialObs(env=CELLS, keep=(0,)), f"^an observation for PartialObs {VECTOR}"),
        (lambda: PartialObs(env=CartPole(), keep=(0, 4)), r"^keep must name some of the numbers 0"),
        (lambda: PartialObs(env=CartPole(), keep=(-1,)), "^each part of keep must be a whole numb"),
        (lambda: PartialObs(env=CartPole(), keep=()), r"^keep must name some of the numbers 0 to"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        (
            (("pole_mas", 0.1, 0.2),),
            "^CartPole has no number 'pole_mas' to draw; did you mean pole_m",
        ),
        (
            (("wind", 0.1, 0.2),),
            "^CartPole has no number 'wind' to draw; it has: gravity, cart_mass",
        ),
        ((("pole_mass", 0.0, 0.2),), "^pole_mass must be a number above 0, not 0.0"),
        ((("pole_mass", 0.1, np.inf),), "^pole_mass must be a number above 0, not inf"),
        ((("gravity", 9.0, 8.0),), "^gravity must be drawn from low to high, not 9.0 to 8.0"),
        ((), "^ranges must name a parameter"),
    ],
)
def test_worlds_that_cannot_be_are_refused(ranges, words):
    with pytest.raises(ValueError, match=words):
        DomainRandomization(env=TimeLimit(env=CartPole(), limit=9), ranges=ranges)


def test_only_floats_are_drawn_and_the_simulator_has_the_last_word():
    with pytest.raises(ValueError, match=r"^Junk has no number 'corners' to draw; it has: size"):
        DomainRandomization(env=Junk(), ranges=(("corners", 3, 4),))
    with pytest.raises(ValueError, match=r"^goal_position must lie between"):
        DomainRandomization(env=MountainCar(), ranges=(("goal_position", 0.4, 0.7),))
