"""Returns with numbers worked out by hand, and their limits."""

import jax.numpy as jnp
import numpy as np
import pytest

from palestra.parts.returns import n_step

REWARD = jnp.array([1.0, 2.0, 4.0])
NONE = (False, False, False)


@pytest.mark.parametrize(
    ("terminated", "truncated", "returns", "discount", "length"),
    [
        (NONE, NONE, 1 + 0.5 * 2 + 0.25 * 4, 0.125, 3),
        ((False, True, False), NONE, 1 + 0.5 * 2, 0.0, 2),
        (NONE, (False, True, False), 1 + 0.5 * 2, 0.25, 2),
        ((True, False, False), NONE, 1.0, 0.0, 1),
        (NONE, (True, True, True), 1.0, 0.5, 1),
        ((False, False, True), NONE, 1 + 0.5 * 2 + 0.25 * 4, 0.0, 3),
        ((False, False, True), (True, False, False), 1.0, 0.5, 1),  # what comes after is not ours
        ((True, False, False), (True, False, False), 1.0, 0.0, 1),
    ],
)
def test_n_step(terminated, truncated, returns, discount, length):
    terminated, truncated = jnp.array(terminated), jnp.array(truncated)
    found = n_step(REWARD, terminated, terminated | truncated, 0.5)
    np.testing.assert_allclose(found, (returns, discount, length), rtol=1e-6)


def test_limits():
    no = jnp.zeros(3, bool)
    assert [float(x) for x in n_step(REWARD, no, no, 0.0)] == [1.0, 0.0, 3.0]
    assert [float(x) for x in n_step(REWARD[:1], no[:1], no[:1], 0.25)] == [1.0, 0.25, 1.0]


def test_columns_do_not_mix():
    """Two columns together are the two alone."""
    reward = jnp.stack([REWARD, -REWARD], 1)
    ended = jnp.array([[False, True], [False, False], [False, False]])
    together = np.array(n_step(reward, ended, ended, 0.5))
    alone = [np.array(n_step(reward[:, i], ended[:, i], ended[:, i], 0.5)) for i in (0, 1)]
    np.testing.assert_array_equal(together, np.stack(alone, 1))
    assert (together[:, 0] != together[:, 1]).all()
