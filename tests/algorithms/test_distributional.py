"""What C51, QR-DQN and Rainbow share: when they learn, how often and how far; how they explore."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from distributional import GAMMA, SPEC, STEP, S, rows, weights
from learners import update

from palestra import prng
from palestra.algorithms.c51 import C51
from palestra.algorithms.qr_dqn import QRDQN
from palestra.algorithms.rainbow import Rainbow

BASE = {
    "hidden": (),
    "learning_starts": 0,
    "rollout_length": 1,
    "gradient_steps": 1,
    "memory_size": 8,
    "n_step": 1,
    "batch_size": 4,
    "gamma": GAMMA,
}
KINDS = {
    "c51": lambda **settings: C51(**{**BASE, "atoms": 3, **settings}),
    "qr_dqn": lambda **settings: QRDQN(**{**BASE, "quantiles": 3, **settings}),
    # With little noise, so that one gradient is much like the next.
    "rainbow": lambda **settings: Rainbow(**{**BASE, "atoms": 3, "noise_start": 0.1, **settings}),
}
EACH = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
EPSILON = pytest.mark.parametrize("make", [KINDS["c51"], KINDS["qr_dqn"]], ids=["c51", "qr_dqn"])


@EACH
def test_learning_waits_for_experience_and_the_target_follows(make):
    """The first gradient step is at the third step, the target follows at every second."""
    learner = make(learning_starts=3, target_period=2, target_rate=0.25, n_step=2)
    state = learner.init(SPEC, prng.key(0))
    np.testing.assert_array_equal(weights(state.q), weights(state.target))
    for step in range(1, 7):
        before, target = weights(state.q), weights(state.target)
        state, metrics = update(learner, state, rows(STEP), prng.key(step))
        now = weights(state.q)
        assert (now != before).any() == (step >= 3)
        assert np.isfinite(metrics["td_loss"]) == (step >= 3)
        follows = target + 0.25 * (now - target) if step % 2 == 0 else target
        np.testing.assert_allclose(weights(state.target), follows, rtol=1e-5, atol=1e-7)
        assert int(state.step) == int(state.memory.rows) == step


@EACH
def test_gradient_steps_batches_and_the_bound_of_the_gradient(make):
    learner = make(gradient_steps=3, max_grad_norm=1e-3, learning_rate=0.01)
    state, metrics = update(learner, learner.init(SPEC, prng.key(0)), rows(STEP), prng.key(1))
    assert optax.tree.get(state.optimizer, "count") == 3
    assert float(metrics["gradient_norm"]) > 1e-3  # as it was; Adam's first mean is of the bounded
    mean = optax.tree.get(state.optimizer, "mu")
    assert 0 < float(optax.tree.norm(mean)) <= (0.1 + 0.09 + 0.081) * 1e-3 * 1.001
    change = np.abs(weights(state.q) - weights(learner.init(SPEC, prng.key(0)).q)).max()
    np.testing.assert_allclose(change, 3 * 0.01, rtol=0.05)  # Adam's steps are the learning rate


@EACH
def test_too_small_a_memory_is_refused(make):
    with pytest.raises(ValueError, match="memory_size must be at least n_step x num_envs, which"):
        make(n_step=9).init(SPEC, prng.key(0))


@EPSILON
@pytest.mark.parametrize(("step", "epsilon"), [(0, 0.8), (50, 0.5), (1000, 0.2)])
def test_epsilon_falls_with_the_steps(make, step, epsilon):
    learner = make(epsilon_start=0.8, epsilon_end=0.2, epsilon_steps=100)
    state = learner.init(SPEC, prng.key(0))._replace(step=jnp.int32(step))
    count = 20_000
    obs = jnp.tile(jnp.array(S), (count, 1))
    greedy = learner.act(state, obs[:1], prng.key(1), explore=False)[0]
    strays = np.asarray(learner.act(state, obs, prng.key(2))) != int(greedy)
    share = epsilon / 2  # half of the random actions are the greedy one
    assert abs(strays.mean() - share) < 5 * (share * (1 - share) / count) ** 0.5
