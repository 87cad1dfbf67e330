"""Prioritized replay against NumPy: how often each is drawn, weights, what is overwritten."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Discrete
from scipy.stats import chi2

from palestra import prng
from palestra.core import Frames, Spec, Transition
from palestra.parts import prioritized, replay

E, T = 2, 3


def memory_after(rollouts: int, capacity: int = 4 * E * T):
    """A replay and its priorities after so many rollouts; the action tells 10 row + environment."""
    zero, no = jnp.zeros(()), jnp.zeros((), bool)
    example = Transition(zero, jnp.zeros((), jnp.int32), zero, zero, no, no)
    memory = replay.empty(capacity, E, T, example)
    priorities = prioritized.empty(memory)
    for start in range(0, rollouts * T, T):
        number = 10 * jnp.arange(start, start + T)[:, None] + jnp.arange(E)[None]
        x, flag = number.astype(jnp.float32), jnp.zeros((T, E), bool)
        rollout = Transition(x, number, x, x, flag, flag)
        priorities = prioritized.add(priorities, memory, T)
        memory = replay.add(memory, rollout)
    return memory, priorities


def random_priorities(memory, seed: int = 0):
    """One number for each stored transition, from small to large, and 0 for the rest."""
    rng = np.random.default_rng(seed)
    stored = np.arange(memory.data.reward.shape[0])[:, None] < int(memory.rows)
    return (rng.exponential(size=memory.data.reward.shape) * stored).astype(np.float32)


def test_what_is_new_gets_the_largest_priority_and_takes_the_place_of_the_oldest():
    memory, priorities = memory_after(2, capacity=2 * E * T)
    np.testing.assert_array_equal(priorities, np.ones((6, E)))  # 1 at first
    row, env, new = jnp.array([0, 4, 5]), jnp.array([1, 0, 1]), jnp.array([9.0, 0.5, 3.0])
    priorities = prioritized.change(priorities, row, env, new)
    assert priorities.tolist() == [[1, 9], [1, 1], [1, 1], [1, 1], [0.5, 1], [1, 3]]
    priorities = prioritized.add(priorities, memory, T)
    assert priorities.tolist() == [[9, 9], [9, 9], [9, 9], [1, 1], [0.5, 1], [1, 3]]


def test_a_place_drawn_several_times_gets_the_largest_of_its_new_priorities():
    priorities = jnp.full((2, E), 5.0)
    row, env = jnp.array([[0, 1], [0, 0]]), jnp.array([[1, 0], [1, 1]])
    new = prioritized.change(priorities, row, env, jnp.array([[2.0, 1.0], [3.0, 0.5]]))
    assert new.tolist() == [[5, 3], [1, 5]]


@pytest.mark.parametrize(
    ("n_step", "rollouts"),  # part full, full, wrapped around
    [(1, 2), (1, 7), (3, 2), (3, 4), (3, 7)],
)
def test_draws_are_in_proportion_and_have_their_n_steps(n_step, rollouts):
    memory, _ = memory_after(rollouts)
    priorities = random_priorities(memory)
    row, env, _ = prioritized.draw(
        jnp.asarray(priorities), memory, (5_000, 8), prng.key(1), beta=0.5, n_step=n_step
    )
    rows = priorities.shape[0]
    newest = (int(memory.head) - 1 - np.arange(n_step - 1)) % rows  # their windows are not complete
    chances = priorities.copy()
    chances[newest] = 0
    chances /= chances.sum()
    counts = np.zeros_like(chances)
    np.add.at(counts, (np.asarray(row), np.asarray(env)), 1)
    assert not counts[chances == 0].any()
    expected = chances[chances > 0] * counts.sum()
    statistic = ((counts[chances > 0] - expected) ** 2 / expected).sum()
    # Strata make counts steadier than independent draws: the bound is on the side of caution.
    assert statistic < chi2.ppf(0.999, len(expected) - 1)
    # Each n-step window is read in order of time, without the ring's seam.
    batch = replay.read(memory, row, env, gamma=1.0, n_step=n_step)
    np.testing.assert_array_equal(batch.next_obs, np.asarray(batch.obs) + 10 * (n_step - 1))


def test_each_batch_has_one_from_each_equal_part():
    memory, _ = memory_after(4)
    priorities = jnp.zeros((12, E)).at[0, 1].set(1.0).at[3, 0].set(2.0).at[7, 1].set(1.0)
    row, env, _ = prioritized.draw(priorities, memory, (50, 4), prng.key(2), beta=0.0)
    assert (np.asarray(row) == [0, 3, 3, 7]).all()
    assert (np.asarray(env) == [1, 0, 0, 1]).all()


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_weights_by_hand(beta):
    memory, _ = memory_after(4)
    priorities = jnp.ones((12, E)).at[0, 0].set(3.0).at[1, 0].set(6.0)  # their sum is 31
    row, env, weight = prioritized.draw(priorities, memory, (3, 31), prng.key(3), beta=beta)
    chance = np.asarray(priorities)[row, env] / 31
    assert set(np.asarray(priorities)[row, env].ravel().tolist()) == {1.0, 3.0, 6.0}
    by_hand = (24 * chance) ** -beta
    np.testing.assert_allclose(weight, by_hand / by_hand.max(-1, keepdims=True), rtol=1e-5)
    if beta == 1:  # what is drawn thrice as often counts a third
        found = np.unique(np.round(weight, 3))
        np.testing.assert_allclose(found, [1 / 6, 1 / 3, 1], atol=1e-3)


def test_equal_priorities_weigh_the_same():
    memory, priorities = memory_after(7)
    _, _, weight = prioritized.draw(priorities, memory, (2, 16), prng.key(4), beta=0.7, n_step=2)
    np.testing.assert_allclose(weight, np.ones((2, 16)), rtol=1e-6)


def test_rounding_does_not_lead_beyond_what_may_be_drawn(monkeypatch):
    """A number that rounds up to the sum of all finds no priority: the nearest row is taken."""
    memory, priorities = memory_after(5)  # the newest row is 2, the oldest is 3
    almost_one = lambda key, shape: jnp.full(shape, np.nextafter(np.float32(1), np.float32(0)))
    monkeypatch.setattr(jax.random, "uniform", almost_one)
    row, _, weight = prioritized.draw(priorities, memory, (1, 16), prng.key(5), beta=1.0, n_step=5)
    assert int(row[0, -1]) == 10  # four before the newest: the last with five steps
    np.testing.assert_allclose(weight, np.ones((1, 16)))


def memory_of_frames(rollouts: int, truncated: float):
    """As `memory_after`, of pictures of one pixel in stacks of three, 12 rows."""
    spec = Spec(Frames(1, 1, stack=3), Discrete(9), E)
    memory = replay.of(spec, 12 * E, T)
    rng = np.random.default_rng(0)
    for start in range(0, rollouts * T, T):
        number = 10 * jnp.arange(start, start + T)[:, None] + jnp.arange(E)[None]
        x, obs = number.astype(jnp.float32), jnp.zeros((T, E, 1, 1, 3), jnp.uint8)
        flags = (rng.random((2, T, E)) < [[[0.2]], [[truncated]]]).astype(bool)
        memory = replay.add(memory, Transition(obs, number, x, obs, *map(jnp.asarray, flags)))
    return memory


@pytest.mark.parametrize("rollouts", [3, 4, 7])
def test_frames_are_drawn_in_proportion_where_what_came_after_is_known(rollouts):
    memory = memory_of_frames(rollouts, truncated=0.3)
    priorities = random_priorities(memory)
    row, env, weight = prioritized.draw(
        jnp.asarray(priorities), memory, (5_000, 8), prng.key(1), beta=1.0, n_step=2
    )
    age = (int(memory.head) - 1 - np.arange(12)) % 12
    chances = priorities.copy()
    chances[(age < 2) | (age > int(memory.rows) - 3)] = 0  # two steps ahead, two frames before
    unknown = np.asarray(memory.data.truncated & ~memory.data.terminated)
    assert chances[unknown].any()
    chances[unknown] = 0
    assert set(zip(*map(list, np.nonzero(chances)), strict=True)) == set(
        zip(np.ravel(row).tolist(), np.ravel(env).tolist(), strict=True)
    )
    chances /= chances.sum()
    counts = np.zeros_like(chances)
    np.add.at(counts, (np.asarray(row), np.asarray(env)), 1)
    expected = chances[chances > 0] * counts.sum()
    statistic = ((counts[chances > 0] - expected) ** 2 / expected).sum()
    assert statistic < chi2.ppf(0.999, len(expected) - 1)
    by_hand = 1 / ((chances > 0).sum() * chances[row, env])
    np.testing.assert_allclose(weight, by_hand / by_hand.max(-1, keepdims=True), rtol=1e-4)


def test_where_every_frame_is_truncated_weights_are_numbers():
    memory = memory_of_frames(4, truncated=1.0)
    memory = memory._replace(data=memory.data._replace(terminated=jnp.zeros((12, E), bool)))
    row, _, weight = prioritized.draw(jnp.ones((12, E)), memory, (3, 8), prng.key(2), beta=0.5)
    assert ((row >= 2) & (row <= 10)).all()
    np.testing.assert_allclose(weight, np.ones((3, 8)))


def test_sequences_begin_where_rollouts_do():
    """Zeros between them add to no sum, but sums of many are rounded: nothing else is drawn."""
    length, rollouts = 16, 3_000
    example = Transition(*(jnp.zeros(()) for _ in range(4)), *(jnp.zeros((), bool),) * 2)
    memory = replay.empty(rollouts * length * E, E, length, example)
    memory = memory._replace(rows=jnp.int32(rollouts * length), head=jnp.int32(3 * length))
    numbers = np.random.default_rng(0).uniform(0.5, 1.5, (rollouts * length, E))
    priorities = jnp.asarray(numbers, jnp.float32)
    row, env, weight = prioritized.draw(
        priorities, memory, (2_000, 64), prng.key(0), beta=0.5, n_step=20, every=length
    )
    assert not (row % length).any()
    age = (memory.head - 1 - row) % (rollouts * length)
    assert (age >= 19).all()
    assert np.isfinite(weight).all()
    assert len(np.unique(row * E + env)) == (rollouts - 1) * E  # the newest has no 20 rows yet
