"""Dyna-Q with numbers worked out by hand, and against the textbook's loops in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Discrete, Tuple
from tabular import BASE, GAMMA, RATE, SPEC, Q, moved, random_course, rows, start, update

from palestra import prng
from palestra.algorithms.dyna_q import DynaQ
from palestra.algorithms.q_learning import QLearning
from palestra.core import Spec

STEP = (0, 0, 1.0, 1, False, False)  # towards 1 + 0.9 * 5 = 5.5


def beside(*steps):
    return jax.tree.map(lambda *x: jnp.concatenate(x, 1), *map(rows, steps))


def test_what_was_done_once_is_learned_again_in_thought():
    algorithm = DynaQ(**BASE, planning_steps=2)
    state, metrics = update(algorithm, start(algorithm), rows(STEP))
    expected = Q.copy()
    expected[0, 0] = 5.5 - (5.5 - 1) / 2**3
    np.testing.assert_allclose(state.q, expected, rtol=1e-6)
    np.testing.assert_allclose(metrics["td_error"], 4.5)


def test_without_thought_it_is_q_learning():
    course = rows(*random_course(16, seed=2))
    one, other = DynaQ(**BASE, planning_steps=0), QLearning(**BASE)
    np.testing.assert_array_equal(
        update(one, start(one), course)[0].q, update(other, start(other), course)[0].q
    )


def test_what_is_known_is_thought_of_equally_often():
    algorithm = DynaQ(gamma=0.0, learning_rate=1e-3, planning_steps=3_000)
    state = algorithm.init(SPEC, prng.key(0))
    steps = (0, 0, 1.0, 1, True, False), (1, 1, 1.0, 1, True, False), (2, 0, 1.0, 1, False, True)
    state, _ = update(algorithm, state._replace(step=jnp.int32(7)), rows(*steps))
    visits = np.log(1 - np.asarray(state.q)) / np.log(1 - 1e-3)  # of each pair, in thought too
    # First alone, then two of them, then all three: the thirds of 3,000 thoughts each.
    expected = [[3_000 + 1_500 + 1_000, 0], [0, 1_500 + 1_000], [1_000, 0]]
    np.testing.assert_allclose(visits, expected, atol=150)


def test_the_model_holds_the_last_outcomes():
    algorithm = DynaQ(learning_rate=1.0, gamma=0.9, outcomes=2, planning_steps=1)
    state = start(algorithm)
    for reward, y in [(1.0, 1.0), (3.0, 2.0), (7.0, 5.0)]:  # the mean of the last two
        state, _ = update(algorithm, state, rows((0, 0, reward, 1, True, False)))
        assert state.q[0, 0] == y
    state, _ = update(algorithm, state, rows((0, 0, 2.0, 1, False, True)))
    np.testing.assert_allclose(state.q[0, 0], (7 + (2 + 0.9 * 5)) / 2)  # a time-out is no ending


@pytest.mark.parametrize(("outcomes", "mean"), [(1, 1.0), (2, 2.0), (4, 3.0)])
def test_environments_that_meet_write_rows_of_their_own(outcomes, mean):
    algorithm = DynaQ(**BASE, outcomes=outcomes, planning_steps=40)
    state = algorithm.init(SPEC._replace(num_envs=3), prng.key(0))
    state, _ = update(
        algorithm, state, beside(*((0, 1, r, 1, True, False) for r in (1.0, 3.0, 5.0)))
    )
    np.testing.assert_allclose(state.q[0, 1], mean, rtol=1e-5)
    assert state.model.visits.tolist() == [0, 3, 0, 0, 0, 0]


@pytest.mark.parametrize(("planning_steps", "rollout_length"), [(1, 1), (4, 8)])
def test_prioritized_it_is_the_textbooks_loop(planning_steps, rollout_length):
    theta = 0.05
    algorithm = DynaQ(
        **BASE, prioritized=True, planning_steps=planning_steps, smallest_priority=theta
    )
    course, q, model, queue = random_course(32, seed=0), Q.copy(), {}, {}

    def urgent(pair: tuple) -> None:
        r, s_next, over = model[pair]
        change = abs(r + GAMMA * (not over) * q[s_next].max() - q[pair])
        if change > theta:
            queue[pair] = max(change, queue.get(pair, 0))

    for s, a, r, s_next, over, _ in course:
        model[s, a] = r, s_next, over
        urgent((s, a))
        for _ in range(planning_steps):
            if not queue:
                break
            pair = max(queue, key=queue.get)
            del queue[pair]
            r, s_next, over = model[pair]
            q[pair] += RATE * (r + GAMMA * (not over) * q[s_next].max() - q[pair])
            for before, (_, to, ended) in model.items():
                if to == pair[0] and not ended:
                    urgent(before)
    state = start(algorithm)
    for i in range(0, len(course), rollout_length):
        state, _ = update(algorithm, state, rows(*course[i : i + rollout_length]))
    np.testing.assert_allclose(state.q, q, rtol=1e-4, atol=1e-5)
    left = {divmod(int(i), 2) for i in np.flatnonzero(state.priorities)}
    assert left == {*queue}


def test_prioritized_an_ending_travels_back_at_once():
    """Each thought takes the one place that matters now."""
    algorithm = DynaQ(learning_rate=1.0, gamma=0.9, prioritized=True, planning_steps=3)
    state = algorithm.init(SPEC, prng.key(0))
    way = (0, 1, 0.0, 1, False, False), (1, 0, 0.0, 2, False, False), (2, 1, 1.0, 0, True, False)
    state, _ = update(algorithm, state, rows(*way))
    np.testing.assert_allclose(state.q, [[0, 0.81], [0.9, 0], [0, 1]], rtol=1e-6)


def test_prioritized_sweeping_without_planning_is_refused():
    with pytest.raises(ValueError, match="planning_steps must be at least 1, not 0"):
        DynaQ(prioritized=True, planning_steps=0)


@pytest.mark.parametrize("prioritized", [False, True])
def test_cards_are_thought_of_as_they_were_seen(prioritized):
    algorithm = DynaQ(**BASE, prioritized=prioritized, planning_steps=1)
    state = algorithm.init(Spec(Tuple([Discrete(4), Discrete(2)]), Discrete(2), 1), prng.key(0))
    card = lambda *numbers: tuple(jnp.array([[n]]) for n in numbers)
    step = rows((0, 1, 7.0, 1, True, False))._replace(obs=card(3, 1), next_obs=card(2, 0))
    state, _ = update(algorithm, state, step)
    assert (np.asarray(state.q) != 0).sum() == 1
    assert state.q[3, 1, 1] == (3.5 if prioritized else 5.25)


def test_moved_is_what_one_step_does():
    algorithm = DynaQ(**BASE, prioritized=True, planning_steps=1)
    state, _ = update(algorithm, start(algorithm), rows(STEP))
    np.testing.assert_allclose(state.q, moved(s0a0=5.5), rtol=1e-6)
