"""The replay against NumPy double loops: order of overwriting, n-step returns, sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import prng
from palestra.core import Transition
from palestra.parts import replay

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
