"""The replay against NumPy double loops: order of overwriting, n-step returns, sampling; and the
one that keeps each frame once against the one that keeps whole observations."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from palestra import prng
from palestra.core import Frames, Spec, Transition
from palestra.parts import replay
from palestra.parts.spaces import example_transition

E, T = 2, 3
GAMMA = 0.9


def rollout(start: int, seed: int = 0, length: int = T, ends: float = 0.0) -> Transition:
    """Each transition is known by its action 10 * row + environment; obs has axes of its own."""
    rng = np.random.default_rng((seed, start))
    number = 10 * np.arange(start, start + length, dtype=np.int32)[:, None] + np.arange(E)
    terminated, truncated = rng.random((2, length, E)) < ends
    obs = np.broadcast_to(number[..., None, None], (length, E, 2, 4)).astype(np.float32)
    reward = rng.normal(size=(length, E)).astype(np.float32)
    fields = (obs, number.astype(np.int32), reward, obs + 0.5, terminated, truncated)
    return jax.tree.map(jnp.asarray, Transition(*fields))


def one(data: Transition) -> Transition:
    return jax.tree.map(lambda x: x[0, 0], data)


def filled(capacity: int, rollouts: int, **kind):
    """A ring after so many rollouts, and the rows that it should hold, oldest first."""
    ring = replay.empty(capacity, E, T, one(rollout(0)))
    parts = [rollout(i * T, **kind) for i in range(rollouts)]
    for part in parts:
        ring = replay.add(ring, part)
    rows = ring.data.reward.shape[0]
    history = jax.tree.map(lambda *x: np.concatenate(x)[-rows:], *parts)
    return ring, history


def test_capacity_is_rounded_down_to_whole_rollouts():
    rows = lambda capacity: replay.empty(capacity, E, T, one(rollout(0))).data.reward.shape
    assert rows(E * T * 4) == (12, E)
    assert rows(E * T * 5 - 1) == (12, E)
    assert rows(1) == (T, E)  # room for one rollout at least
    assert replay.empty(12, E, T, one(rollout(0))).data.obs.shape == (6, E, 2, 4)


def test_the_oldest_rows_are_overwritten():
    ring, _ = filled(E * T * 2, 1)
    assert (int(ring.head), int(ring.rows)) == (3, 3)
    assert ring.data.action[:, 1].tolist() == [1, 11, 21, 0, 0, 0]
    ring = replay.add(ring, rollout(3))
    assert (int(ring.head), int(ring.rows)) == (0, 6)
    ring = replay.add(ring, rollout(6))
    assert (int(ring.head), int(ring.rows)) == (3, 6)
    assert ring.data.action[:, 1].tolist() == [61, 71, 81, 31, 41, 51]
    np.testing.assert_array_equal(ring.data.obs[:, :, 1, 2], ring.data.action)


def expected(history: Transition, row: int, env: int, n: int):
    """Returns, discount and the last row of an n-step look ahead, by its definition."""
    returns, discount = 0.0, 1.0
    for k in range(n):
        returns += discount * history.reward[row + k, env]
        discount *= GAMMA
        if history.terminated[row + k, env]:
            return returns, 0.0, row + k
        if history.truncated[row + k, env]:
            break
    return returns, discount, row + k


@pytest.mark.parametrize(
    ("n", "rollouts"),  # part full, full, wrapped around
    [(1, 2), (1, 7), (3, 2), (3, 4), (3, 7), (5, 4), (5, 7)],
)
def test_n_step_returns(n, rollouts):
    ring, history = filled(E * T * 4, rollouts, ends=0.2)
    assert history.terminated.any()
    assert history.truncated.any()
    batch = replay.sample(ring, (20, 25), prng.key(n), gamma=GAMMA, n_step=n)
    assert batch.returns.shape == batch.discount.shape == (20, 25)
    assert batch.obs.shape == batch.next_obs.shape == (20, 25, 2, 4)

    oldest = int(history.action[0, 0]) // 10
    flat = jax.tree.map(lambda x: np.asarray(x).reshape(500, *x.shape[2:]), batch)
    seen = set()
    for obs, action, returns, discount, next_obs in zip(*flat, strict=True):
        row, env = int(action) // 10 - oldest, int(action) % 10
        wanted, left, last = expected(history, row, env, n)
        np.testing.assert_allclose([returns, discount], [wanted, left], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(obs, history.obs[row, env])
        np.testing.assert_array_equal(next_obs, history.next_obs[last, env])
        seen.add((row, env))
    # All that have n rows ahead of them are drawn, and no others.
    rows = history.reward.shape[0]
    assert seen == {(row, env) for row in range(rows - n + 1) for env in range(E)}


def test_one_step_gives_the_stored_transition():
    ring, history = filled(E * T * 2, 3, ends=0.3)
    batch = replay.sample(ring, (200,), prng.key(0), gamma=0.5)
    row, env = np.divmod(np.asarray(batch.action), 10)
    row -= int(history.action[0, 0]) // 10
    np.testing.assert_array_equal(batch.returns, history.reward[row, env])
    np.testing.assert_array_equal(batch.discount, np.where(history.terminated[row, env], 0, 0.5))
    np.testing.assert_array_equal(batch.next_obs, history.next_obs[row, env])


@pytest.mark.parametrize("rollouts", [3, 6])
def test_all_are_drawn_equally_often(rollouts):
    ring, history = filled(E * T * 4, rollouts)
    batch = replay.sample(ring, (20_000,), prng.key(1), gamma=GAMMA, n_step=2)
    numbers, counts = np.unique(batch.action, return_counts=True)
    np.testing.assert_array_equal(numbers, history.action[:-1].ravel())
    share = 1 / numbers.size
    error = (20_000 * share * (1 - share)) ** 0.5
    assert np.abs(counts - 20_000 * share).max() < 5 * error


add = jax.jit(replay.add)
sample = jax.jit(replay.sample, static_argnames=("shape", "n_step"))
read = jax.jit(replay.read, static_argnames="n_step")


def parts(history: Transition, length: int) -> list[Transition]:
    """A history as rollouts."""
    cut = lambda start: jax.tree.map(lambda x: jnp.asarray(x[start : start + length]), history)
    return [cut(start) for start in range(0, len(history.reward), length)]


def by_hand() -> Transition:
    """One environment, three frames to an observation, each of one pixel; the third row terminates
    its episode and the fifth truncates it. Rewards are powers of two."""
    frame = np.array([1, 2, 3, 11, 12, 21, 22, 23, 24, 25, 26, 27], np.uint8)
    first = np.array([0, 0, 0, 3, 3, 5, 5, 5, 5, 5, 5, 5])
    stacked = np.stack([frame[np.maximum(np.arange(12) - i, first)] for i in (2, 1, 0)], -1)
    flag = lambda row: (np.arange(12) == row)[:, None]
    return Transition(
        obs=stacked[:, None, None, None],
        action=np.arange(12, dtype=np.int32)[:, None],
        reward=2.0 ** np.arange(12, dtype=np.float32)[:, None],
        next_obs=np.zeros((12, 1, 1, 1, 3), np.uint8),  # never looked at
        terminated=flag(2),
        truncated=flag(4),
    )


def test_frames_by_hand():
    spec = Spec(Frames(1, 1, stack=3), Discrete(12), 1)
    ring = replay.of(spec, 12, 4, n_step=2)
    assert ring.data.obs.shape == (12, 1, 1, 1, 1)
    assert ring.data.next_obs is None
    for part in parts(by_hand(), 4):
        ring = add(ring, part)
    batch = sample(ring, (300,), prng.key(0), gamma=0.5, n_step=2)
    expected = {  # row: obs, returns, discount, next_obs
        2: ([1, 2, 3], 4.0, 0.0, None),  # terminated
        3: ([11, 11, 11], 8.0, 0.5, [11, 11, 12]),  # one step: after the second is not known
        # row 4 was truncated: nothing is known after it
        5: ([21, 21, 21], 32 + 0.5 * 64, 0.25, [21, 22, 23]),
        6: ([21, 21, 22], 64 + 0.5 * 128, 0.25, [22, 23, 24]),
        7: ([21, 22, 23], 128 + 0.5 * 256, 0.25, [23, 24, 25]),
        8: ([22, 23, 24], 256 + 0.5 * 512, 0.25, [24, 25, 26]),
        9: ([23, 24, 25], 512 + 0.5 * 1024, 0.25, [25, 26, 27]),
        # rows 10 and 11 have no second successor, rows 0 and 1 not all of their frames
    }
    assert set(batch.action.tolist()) == set(expected)
    for i, row in enumerate(batch.action.tolist()):
        obs, returns, discount, next_obs = expected[row]
        assert batch.obs[i, 0, 0].tolist() == obs
        assert (float(batch.returns[i]), float(batch.discount[i])) == (returns, discount)
        assert next_obs is None or batch.next_obs[i, 0, 0].tolist() == next_obs


def pictures(rows: int, envs: int, stack: int, channels: int, ends: float, seed: int) -> Transition:
    """Episodes of random frames, stacked as the definition says; the action tells row and
    environment, 10 row + environment."""
    rng = np.random.default_rng(seed)
    shape = (2, 2, channels)
    terminated, truncated = rng.random((2, rows, envs)) < ends
    obs = np.zeros((rows, envs, *shape[:2], channels * stack), np.uint8)
    next_obs = np.zeros_like(obs)
    for env in range(envs):
        frames: list = []
        for row in range(rows):
            frames = frames or [rng.integers(0, 256, shape, np.uint8)] * stack
            obs[row, env] = np.concatenate(frames, -1)
            frames = [*frames[1:], rng.integers(0, 256, shape, np.uint8)]
            next_obs[row, env] = np.concatenate(frames, -1)
            if terminated[row, env] or truncated[row, env]:
                frames = []
    action = (10 * np.arange(rows, dtype=np.int32))[:, None] + np.arange(envs, dtype=np.int32)
    reward = rng.normal(size=(rows, envs)).astype(np.float32)
    return Transition(obs, action, reward, next_obs, terminated, truncated)


def both_replays(history: Transition, capacity: int, length: int, stack: int):
    """Two that were fed the same rollouts: one keeps each frame once, one whole observations."""
    height, width, channels = history.obs.shape[2:]
    envs = history.reward.shape[1]
    space = Frames(height, width, channels // stack, stack=stack)
    once = replay.of(Spec(space, Discrete(9), envs), capacity, length)
    box = Box(0, 255, space.shape, np.uint8)
    whole = replay.of(Spec(box, Discrete(9), envs), capacity, length)
    for part in parts(history, length):
        once, whole = add(once, part), add(whole, part)
    return once, whole


def agree(batch: replay.Batch, whole: replay.Replay, history: Transition, n: int) -> set:
    """Check every transition against the replay of whole observations; which were there."""
    numbers, index = np.unique(batch.action, return_index=True)
    batch = jax.tree.map(lambda x: np.asarray(x)[index], batch)
    row, env = np.divmod(numbers, 10)
    steps = np.full(row.shape, n)  # less where a truncated row comes up first: they stop before it
    for i in range(len(row)):
        for k in range(n):
            if history.terminated[row[i] + k, env[i]]:
                break
            if history.truncated[row[i] + k, env[i]]:
                steps[i] = k
                break
    assert (row >= len(history.reward) - int(whole.rows)).all()
    assert (steps > 0).all()
    for n_step in set(steps.tolist()):
        # All of them are read, so that n_step is the only thing to compile for.
        right = read(whole, jnp.asarray(row), jnp.asarray(env), gamma=GAMMA, n_step=n_step)
        here = steps == n_step
        ahead = here & (np.asarray(right.discount) > 0)
        np.testing.assert_array_equal(batch.obs[here], right.obs[here])
        np.testing.assert_array_equal(batch.discount[here], right.discount[here])
        np.testing.assert_allclose(batch.returns[here], right.returns[here], rtol=1e-6)
        np.testing.assert_array_equal(batch.next_obs[ahead], right.next_obs[ahead])
    return set(numbers.tolist())


@pytest.mark.parametrize(
    ("rows", "length", "envs", "n", "stack", "channels"),
    [
        (15, 5, 2, 1, 4, 1),  # part full
        (60, 5, 3, 1, 4, 1),  # wrapped around
        (63, 3, 2, 3, 4, 3),
        (62, 1, 2, 2, 3, 1),
        (60, 20, 2, 5, 2, 1),
        (60, 4, 2, 2, 1, 2),
    ],
)
@pytest.mark.parametrize("ends", [0.04, 0.3])
def test_frames_kept_once_give_what_whole_observations_give(
    rows, length, envs, n, stack, channels, ends
):
    history = pictures(rows, envs, stack, channels, ends, seed=rows)
    once, whole = both_replays(history, 20 * envs, length, stack)
    assert history.terminated.any()
    assert history.truncated.any()
    batch = sample(once, (2_000,), prng.key(n), gamma=GAMMA, n_step=n)
    seen = agree(batch, whole, history, n)
    first, last = rows - int(once.rows) + stack - 1, rows - n  # all of these, no others
    ended = history.terminated | ~history.truncated
    assert seen == {
        10 * row + env for row in range(first, last) for env in range(envs) if ended[row, env]
    }


def test_all_frames_are_drawn_equally_often():
    history = pictures(60, 2, 4, 1, 0.2, seed=1)
    once, _ = both_replays(history, 40, 5, 4)
    batch = sample(once, (20_000,), prng.key(1), gamma=GAMMA)
    numbers, counts = np.unique(batch.action, return_counts=True)
    assert len(numbers) < 2 * (20 - 4)  # some were truncated
    share = 1 / len(numbers)
    error = (20_000 * share * (1 - share)) ** 0.5
    assert np.abs(counts - 20_000 * share).max() < 5 * error


def test_where_every_row_is_truncated_nothing_is_looked_ahead_at():
    history = pictures(20, 2, 4, 1, 0.0, seed=2)
    history = history._replace(truncated=np.ones_like(history.truncated))
    once, _ = both_replays(history, 40, 5, 4)
    batch = sample(once, (50,), prng.key(2), gamma=GAMMA, n_step=2)
    row, env = np.divmod(np.asarray(batch.action), 10)
    np.testing.assert_array_equal(batch.returns, history.reward[row, env])
    assert not batch.discount.any()


def test_it_is_ready_as_soon_as_something_can_be_drawn():
    history = pictures(9, 2, 4, 1, 0.0, seed=3)
    spec = Spec(Frames(2, 2, stack=4), Discrete(9), 2)
    ring = replay.of(spec, 18, 1, n_step=2)
    begins = jax.jit(replay.begins, static_argnums=1)
    for row, part in enumerate(parts(history, 1)):
        assert bool(replay.ready(ring, 2)) == (row >= 6)  # four frames and two successors
        assert int(begins(ring, 2).sum()) == 2 * max(row - 5, 0)
        ring = add(ring, part)
    plain, _ = filled(E * T, 1)
    assert [bool(replay.ready(plain, n)) for n in (1, 3, 4)] == [True, True, False]


def test_a_replay_too_short_to_be_drawn_from_is_refused():
    frames, vector = Frames(2, 2, stack=4), Box(-1, 1, (3,))
    with pytest.raises(
        ValueError, match=r"at least \(n_step \+ 4 frames\) x num_envs, which is 12"
    ):
        replay.of(Spec(frames, Discrete(2), 2), 11, 1, n_step=2)
    assert replay.of(Spec(frames, Discrete(2), 2), 12, 1, n_step=2).data.reward.shape == (6, 2)
    with pytest.raises(ValueError, match="at least n_step x num_envs, which is 4"):
        replay.of(Spec(vector, Discrete(2), 2), 3, 1, n_step=2)


def test_what_has_no_frames_is_kept_as_it_is():
    spec = Spec(Box(-1, 1, (3,)), Discrete(2), E)
    made, by_example = replay.of(spec, 12, T), replay.empty(12, E, T, example_transition(spec))
    assert jax.tree.structure(made) == jax.tree.structure(by_example)
    jax.tree.map(np.testing.assert_array_equal, made, by_example)
    assert made.data.next_obs.shape == (6, E, 3)


def test_a_million_frames_are_seven_gigabytes_and_written_in_place():
    spec = Spec(Frames(84, 84, stack=4), Discrete(6), 8)
    ring = jax.eval_shape(lambda: replay.of(spec, 1_000_000, 4))
    assert sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(ring)) < 7.1e9

    whole = example_transition(spec)
    rollout = jax.tree.map(lambda x: jax.ShapeDtypeStruct((4, 8, *x.shape), x.dtype), whole)

    @partial(jax.jit, donate_argnums=0)
    def update(ring, rollout, key):
        ring = replay.add(ring, rollout)
        return ring, replay.sample(ring, (32,), key, gamma=0.99, n_step=3)

    needs = update.lower(ring, rollout, prng.key(0)).compile().memory_analysis()
    assert needs.alias_size_in_bytes > 7e9  # the ring that comes out is the one that went in
    assert needs.temp_size_in_bytes < 3e7
