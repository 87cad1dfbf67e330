"""Frozen lake, cliff walking and exact models, against Gymnasium and against known values.

Gymnasium's own random numbers are recorded, and each of its steps is given to ours with a key
whose chance is the same: so `step` is replayed as a whole, time limits included.
"""

import re

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.toy_text import frozen_lake as theirs
from scipy.stats import chisquare

from palestra import envs, prng
from palestra.envs.toy_text import cliff_walking, frozen_lake
from palestra.envs.toy_text.cliff_walking import CliffWalking
from palestra.envs.toy_text.frozen_lake import MAPS, FrozenLake, random_map
from palestra.envs.toy_text.model import Model, evaluate, solve
from palestra.envs.transforms import Timed

IDS = [
    pytest.param("FrozenLake-v1", marks=pytest.mark.tiny),
    "FrozenLake8x8-v1",
    "CliffWalking-v1",
    "CliffWalkingSlippery-v1",
]
ISLANDS = ("SFHFS", "FFGFF", "SHFFG")  # not square; several starts and goals


class Recorder:
    """A random generator that remembers the last number it gave."""

    def __init__(self, rng):
        self.rng = rng

    def random(self):
        self.last = self.rng.random()
        return self.last


def clock(env) -> int:
    """Steps since the reset, as a time limit counts them; 0 if there is no limit."""
    while not hasattr(env, "_elapsed_steps"):
        if not hasattr(env, "env"):
            return 0
        env = env.env
    return env._elapsed_steps


def replay(env, steps: int, policy, seed: int):
    """Play in Gymnasium: before (square, time, action, turn), after (obs, reward, flags, prob)."""
    rng = np.random.default_rng(seed)
    obs, _ = env.reset(seed=seed)
    bare = env.unwrapped
    bare.np_random = recorder = Recorder(bare.np_random)
    befores, afters = [], []
    for _ in range(steps):
        action, time = int(policy(obs, rng)), clock(env)
        chances = [outcome[0] for outcome in bare.P[obs][action]]
        before, (obs, reward, terminated, truncated, info) = obs, env.step(action)
        which = int(np.argmax(np.cumsum(chances) > recorder.last))
        befores.append((before, time, action, which - 1 if len(chances) > 1 else 0))
        afters.append((obs, reward, terminated, truncated, info["prob"]))
        if terminated or truncated:
            obs, _ = env.reset()
    return np.array(befores), np.array(afters)


def ours(env, befores: np.ndarray):
    """Our steps from the same squares and times, with keys that give the same turns."""
    bare = env.env if hasattr(env, "limit") else env
    pool = jax.random.split(prng.key(0), 64)
    turns = np.asarray(jax.vmap(bare.chance)(pool))
    square, time, action = jnp.asarray(befores[:, :3].T, jnp.int32)
    keys = pool[jnp.asarray([np.flatnonzero(turns == t)[0] for t in befores[:, 3]])]
    kind = frozen_lake.State if isinstance(bare, FrozenLake) else cliff_walking.State
    state = kind(square, jnp.zeros(len(befores)))
    state = Timed(state, time) if env is not bare else state
    with jax.debug_key_reuse(False):  # the same few keys serve many steps
        state, step = jax.jit(jax.vmap(env.step))(state, action, keys)
    inner = state.inner if env is not bare else state
    np.testing.assert_array_equal(inner.square, step.obs)
    assert inner.square.dtype == step.obs.dtype == np.int32
    return step, jax.vmap(bare.info)(inner)


def compare(env, reference, policies, steps):
    parts = [replay(reference, steps, policy, seed) for seed, policy in enumerate(policies)]
    befores, afters = (np.concatenate(part) for part in zip(*parts, strict=True))
    step, info = ours(env, befores)
    np.testing.assert_array_equal(step.obs, afters[:, 0])
    np.testing.assert_array_equal(step.reward, afters[:, 1].astype(np.float32))
    np.testing.assert_array_equal(step.terminated, afters[:, 2])
    np.testing.assert_array_equal(step.truncated, afters[:, 3])
    np.testing.assert_array_equal(info["prob"], afters[:, 4].astype(np.float32))
    return befores, step


def random(obs, rng) -> int:
    return rng.integers(4)


def mostly(actions, share):
    """A policy table, left for a random action in some share of the steps."""
    return lambda obs, rng: rng.integers(4) if rng.random() < share else actions[obs]


@pytest.mark.parametrize("env_id", IDS)
def test_step_for_step(env_id):
    env = envs.make(env_id)
    bare = env.env if hasattr(env, "limit") else env
    _, best = solve(bare.model())
    policies = [mostly(best, 0.0), mostly(best, 0.15), random]
    befores, step = compare(env, gymnasium.make(env_id), policies, 1_500)

    reward, rewards = np.asarray(step.reward), set(np.unique(step.reward))
    assert set(befores[:, 2]) == {0, 1, 2, 3}
    assert step.terminated.any()
    if isinstance(bare, FrozenLake):
        assert set(befores[:, 3]) == {-1, 0, 1}
        assert rewards == {0.0, 1.0}
        assert (step.terminated & (reward == 0)).any()  # fell into a hole
        assert step.truncated.any()
        assert (befores[:, 0] == np.asarray(step.obs)).any()  # bumped into the border
    else:
        assert set(befores[:, 3]) == ({-1, 0, 1} if bare.is_slippery else {0})
        assert rewards == {-1.0, -100.0}
        assert (step.obs[reward == -100] == cliff_walking.START).all()
        assert not step.truncated.any()


@pytest.mark.parametrize(
    "settings",
    [
        {"is_slippery": False},
        {"success_rate": 0.8},
        {"success_rate": 0.6, "reward_schedule": (10, -2.5, 0.125), "desc": ISLANDS},
    ],
    ids=["firm", "0.8", "islands"],
)
def test_settings_step_for_step(settings):
    reference = gymnasium.make("FrozenLake-v1", **settings)
    env = envs.make("FrozenLake-v1", **settings)
    best = solve(env.env.model(), gamma=0.99)[1]
    _, step = compare(env, reference, [mostly(best, 0.1), random], 800)
    paid = np.float32(settings.get("reward_schedule", (1, 0, 0)))
    assert set(np.unique(step.reward)) == set(paid)


def table(transitions):
    """Gymnasium's transitions as probability, expected reward and end [S, A, S], merged."""
    merged = np.zeros((3, len(transitions), 4, len(transitions)))
    for s, actions in transitions.items():
        for a, outcomes in actions.items():
            for probability, successor, reward, terminated in outcomes:
                merged[:, s, a, successor] += probability * np.array([1, reward, terminated])
    return merged


def merged(model):
    total = np.zeros((3, *model.probability.shape[:2], len(model.start)))
    for s, a, k in np.ndindex(model.probability.shape):
        what = np.array([1, model.reward[s, a, k], model.terminated[s, a, k]])
        total[:, s, a, model.successor[s, a, k]] += model.probability[s, a, k] * what
    return total


@pytest.mark.parametrize(
    ("env_id", "settings"),
    [
        ("FrozenLake-v1", {}),
        ("FrozenLake-v1", {"is_slippery": False, "success_rate": 0.4}),
        ("FrozenLake-v1", {"success_rate": 1.0}),
        ("FrozenLake-v1", {"success_rate": 0.0}),
        ("FrozenLake-v1", {"desc": ISLANDS, "success_rate": 0.7, "reward_schedule": (5, -3, -1)}),
        ("FrozenLake-v1", {"desc": ("SF", "FF")}),  # without holes or a goal
        ("FrozenLake-v1", {"desc": ("SHG",)}),  # with a goal out of reach
        ("FrozenLake-v1", {"desc": theirs.generate_random_map(size=11, seed=0)}),  # 4 words of bits
        ("FrozenLake8x8-v1", {}),
        ("CliffWalking-v1", {}),
        ("CliffWalkingSlippery-v1", {}),
    ],
)
def test_models_are_gymnasiums(env_id, settings):
    reference = gymnasium.make(env_id, **settings).unwrapped
    env = envs.make(env_id, limit=-1, **settings)
    model = env.model()
    np.testing.assert_allclose(merged(model), table(reference.P), rtol=0, atol=1e-12)
    np.testing.assert_allclose(model.start, reference.initial_state_distrib)
    assert env.observation_space == reference.observation_space
    assert env.action_space == reference.action_space


def test_maps_are_gymnasiums():
    assert {name: list(rows) for name, rows in MAPS.items()} == theirs.MAPS


@pytest.mark.parametrize(
    ("env_id", "value", "places"),
    [
        ("FrozenLake-v1", 0.7442, 4),
        ("FrozenLake8x8-v1", 0.9132, 4),
        ("CliffWalking-v1", -13, 9),
        ("CliffWalkingSlippery-v1", -64.71, 2),
    ],
)
def test_best_values(env_id, value, places):
    model = envs.make(env_id, limit=-1).model()
    values, _ = solve(model, horizon=envs.entry(env_id).limit)
    assert round(float(model.start @ values), places) == value


def test_the_best_policy_reaches_its_value_in_play():
    """Four thousand episodes by the time-dependent policy, in the environment itself."""
    env, limit, E = envs.make("FrozenLake-v1"), 100, 4_000
    values, policy = solve(env.env.model(), horizon=limit)

    def play(key):
        reset_key, step_key = jax.random.split(key)

        def step(carry, now):
            state, over = carry
            actions, key = now
            state, step = env.step(state, actions[state.inner.square], key)
            paid = jnp.where(over, 0.0, step.reward)
            return (state, over | step.terminated | step.truncated), paid

        start = env.reset(reset_key)[0], jnp.zeros((), bool)
        keys = jax.random.split(step_key, limit)
        return jax.lax.scan(step, start, (jnp.asarray(policy, jnp.int32), keys))[1].sum()

    with jax.debug_key_reuse(False):
        totals = jax.jit(jax.vmap(play))(jax.random.split(prng.key(3), E))
    assert abs(totals.mean() - values[0]) < 4 * (values[0] * (1 - values[0]) / E) ** 0.5


@pytest.mark.parametrize(
    ("env", "shares"),
    [
        (FrozenLake(), {-1: 1 / 3, 0: 1 / 3, 1: 1 / 3}),
        (FrozenLake(success_rate=0.8), {-1: 0.1, 0: 0.8, 1: 0.1}),
        (FrozenLake(success_rate=0.0), {-1: 0.5, 1: 0.5}),
        (FrozenLake(success_rate=1.0), {0: 1.0}),
        (FrozenLake(is_slippery=False), {0: 1.0}),
        (CliffWalking(), {0: 1.0}),
        (CliffWalking(is_slippery=True), {-1: 1 / 3, 0: 1 / 3, 1: 1 / 3}),
    ],
)
def test_chances_are_the_models(env, shares):
    turns = np.asarray(jax.vmap(env.chance)(jax.random.split(prng.key(5), 30_000)))
    kinds, counts = np.unique(turns, return_counts=True)
    assert turns.dtype == np.int32
    assert kinds.tolist() == sorted(shares)
    expected = [shares[turn] * len(turns) for turn in kinds]
    assert len(kinds) == 1 or chisquare(counts, expected).pvalue > 1e-3
    model = env.model()
    per_square = np.unique(np.round(model.probability, 12))
    np.testing.assert_allclose(per_square[per_square > 0], np.unique(list(shares.values())))


def test_starts():
    env = FrozenLake(desc=ISLANDS)
    state, obs = jax.vmap(env.reset)(jax.random.split(prng.key(0), 3_000))
    squares, counts = np.unique(obs, return_counts=True)
    assert squares.tolist() == [0, 4, 10]
    assert chisquare(counts).pvalue > 1e-3
    np.testing.assert_array_equal(state.square, obs)
    for env, start in ((FrozenLake(), 0), (CliffWalking(), 36)):
        state, obs = env.reset(prng.key(0))
        assert obs == state.square == start
        assert obs.dtype == np.int32
        assert env.info(state) == {"prob": 1.0}


@pytest.mark.parametrize("env", [FrozenLake(), CliffWalking(is_slippery=True)])
def test_a_state_never_changes_its_type(env):
    """So a step compiled for the state after a reset serves for every later one."""
    state, _ = env.reset(prng.key(0))
    after, step = env.step(state, jnp.int32(0), prng.key(1))
    kind = lambda x: (x.dtype, x.shape, x.weak_type)
    assert jax.tree.map(kind, state) == jax.tree.map(kind, after)
    assert kind(step.reward) == (np.float32, (), False)
    assert kind(step.terminated) == kind(step.truncated) == (bool, (), False)


def test_floats_are_traced():
    """One compiled program sweeps success rates, and another the depth of the fall."""
    chances = lambda rate: jax.vmap(FrozenLake(success_rate=rate).chance)
    keys = jax.random.split(prng.key(0), 2_000)
    with jax.debug_key_reuse(False):
        turns = jax.jit(jax.vmap(lambda rate: chances(rate)(keys)))(jnp.array([0.2, 0.9]))
    shares = (turns == 0).mean(1)
    assert abs(shares[0] - 0.2) < 0.04
    assert abs(shares[1] - 0.9) < 0.03

    def fall(fall_reward):
        env = CliffWalking(fall_reward=fall_reward, step_reward=-2.0)
        return env.advance(env.reset(prng.key(0))[0], jnp.int32(1), jnp.int32(0))[1].reward

    assert jax.vmap(fall)(jnp.array([-5.0, -7.0])).tolist() == [-5.0, -7.0]
    env = CliffWalking(step_reward=-2.0)
    state, _ = env.reset(prng.key(0))
    assert env.step(state, jnp.int32(0), prng.key(0))[1].reward == -2.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"map_name": "5x5"}, "map_name must be 4x4 or 8x8, not '5x5'"),
        ({"desc": ("SFF", "FG")}, "The rows of desc must be equally long, not 3, 2."),
        ({"desc": ("SXG",)}, "desc must be made of the letters S, F, H, G, not 'X'."),
        ({"desc": ("FFG",)}, "desc must have a square S to start from."),
        ({"desc": ("",)}, "desc must hold rows such as 'SFFG', not"),
        ({"desc": (1, 2)}, "desc must hold rows such as 'SFFG', not"),
        ({"reward_schedule": (1.0, 0.0)}, "reward_schedule must be three numbers"),
        ({"reward_schedule": (1.0, 0.0, float("nan"))}, "reward_schedule must be three numbers"),
        ({"reward_schedule": (1.0, 0.0, "a")}, "reward_schedule must be three numbers"),
        ({"success_rate": 1.5}, "success_rate must be a number from 0 to 1, not 1.5."),
        ({"is_slippery": 1}, "is_slippery must be True or False, not 1."),
    ],
)
def test_bad_settings_are_refused(fields, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}[^\n]*$"):
        FrozenLake(**fields)


def test_random_maps_can_be_crossed():
    maps = [random_map(seed=seed) for seed in range(40)]
    assert maps[0] == random_map(seed=0)
    assert len(set(maps)) == 40
    frozen = np.mean([letter == "F" for rows in maps for letter in "".join(rows)])
    assert 0.75 < frozen < 0.87  # what is frozen is crossed more often than not
    for rows in maps + [random_map(5, 0.45, seed) for seed in range(40)]:
        assert len(rows) == len(rows[0])
        assert rows[0][0] == "S"
        assert rows[-1][-1] == "G"
        assert theirs.is_valid([list(row) for row in rows], len(rows))
        assert FrozenLake(desc=rows).map == rows
    assert random_map(3, 1.0) == ("SFF", "FFF", "FFG")
    assert random_map() != random_map()


def test_impossible_random_maps_are_refused():
    with pytest.raises(ValueError, match=r"^size must be at least 2, not 1\.$"):
        random_map(1)
    for p in (0.0, 1.5):
        with pytest.raises(ValueError, match=r"^p must be a number above 0 and at most 1, not "):
            random_map(p=p)


def chain(*, loop_reward=0.0):
    """Two states; action 0 stays at the cost of nothing, action 1 moves on; the end pays 1."""
    return Model(
        probability=np.ones((2, 2, 1)),
        successor=np.array([[[0], [1]], [[1], [0]]]),
        reward=np.array([[[loop_reward], [0.0]], [[loop_reward], [1.0]]]),
        terminated=np.array([[[False], [False]], [[False], [True]]]),
        start=np.array([1.0, 0.0]),
    )


def test_solve_by_hand():
    values, policy = solve(chain())
    assert values.tolist() == [1.0, 1.0]
    assert policy.tolist() == [1, 1]  # to stay is worth as much, for ever
    values, policy = solve(chain(), gamma=0.5)
    assert values.tolist() == [0.5, 1.0]
    values, policy = solve(chain(), horizon=2)
    assert values.tolist() == [1.0, 1.0]
    assert policy.tolist()[0][0] == 1
    assert policy.tolist()[1][1] == 1
    assert solve(chain(), horizon=1)[0].tolist() == [0.0, 1.0]
    values, policy = solve(chain(loop_reward=1.0), gamma=0.9)
    np.testing.assert_allclose(values, [10.0, 10.0])
    assert policy.tolist() == [0, 0]


def test_evaluate_by_hand():
    assert evaluate(chain(), np.array([1, 1])).tolist() == [1.0, 1.0]
    assert evaluate(chain(), np.array([0, 0])).tolist() == [0.0, 0.0]
    assert evaluate(chain(), np.array([1, 1]), gamma=0.5).tolist() == [0.5, 1.0]
    assert evaluate(chain(loop_reward=1.0), np.array([0, 1]), horizon=7).tolist() == [7.0, 1.0]
    halves = np.full((2, 2), 0.5)  # v1 = (v1 + 1) / 2 = 1, with a loop that pays: 1 more each
    np.testing.assert_allclose(evaluate(chain(loop_reward=1.0), halves), [3.0, 2.0])
    np.testing.assert_allclose(evaluate(chain(loop_reward=1.0), halves, horizon=2), [1.25, 1.5])


def test_values_without_bound_are_refused(monkeypatch):
    endless = chain(loop_reward=1.0)
    with pytest.raises(ValueError, match=r"^The values of this policy do not converge with gamma"):
        evaluate(endless, np.array([0, 0]))
    to_and_fro = endless._replace(
        successor=np.array([[[1], [1]], [[0], [0]]]),
        reward=np.array([[[1.0], [1.0]], [[-1.0], [-1.0]]]),
        terminated=np.zeros((2, 2, 1), bool),
    )
    with pytest.raises(ValueError, match="do not converge"):
        evaluate(to_and_fro, np.array([0, 0]))
    monkeypatch.setattr("palestra.envs.toy_text.model.SWEEPS", 1_000)
    with pytest.raises(ValueError, match=r"^The best values do not converge with gamma=1\.0; "):
        solve(endless)


@pytest.mark.parametrize("env_id", ["FrozenLake8x8-v1", "CliffWalkingSlippery-v1"])
def test_solve_and_evaluate_agree(env_id):
    model = envs.make(env_id, limit=-1).model()
    for gamma in (1.0, 0.95):
        values, policy = solve(model, gamma=gamma)
        np.testing.assert_allclose(evaluate(model, policy, gamma=gamma), values, rtol=0, atol=1e-8)
        chosen = np.eye(4)[policy]
        np.testing.assert_allclose(evaluate(model, chosen, gamma=gamma), values, rtol=0, atol=1e-8)
    worse = evaluate(model, np.full((*policy.shape, 4), 0.25), gamma=0.95)
    assert (worse <= values + 1e-12).all()
    assert (worse < values - 0.01).any()
