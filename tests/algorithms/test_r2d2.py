"""R2D2 against hand-worked numbers: targets, burn-in, values on another scale."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from learners import SMALL

import palestra
from palestra import prng
from palestra.algorithms.r2d2 import R2D2, Sequences, ahead, cuts, kept, pick, rescaled, unscaled
from palestra.core import Spec, Transition
from palestra.testing import experience
from palestra.tools.cli import main

SPEC = Spec(Box(-1, 1, (4,)), Discrete(3), 2)
SMALLER = replace(SMALL["r2d2"], memory_size=64, n_step=2, batch_size=2)


def column(*numbers):
    return jnp.asarray(numbers)[:, None]


def test_targets():
    """Burn-in of 1, three steps to learn from, two-step returns; the fourth step ends the task."""
    algorithm = replace(SMALLER, burn_in=1, sequence_length=3, gamma=0.5)
    reward = column(100.0, 1.0, 2.0, 4.0, 8.0)
    terminated, truncated = column(*[False] * 3, True, False), column(*[False] * 5)
    steps = Transition(None, None, reward, None, terminated, truncated)
    best = column(0.0, 0.0, 16.0, 32.0, 64.0)
    y = algorithm.targets(steps, best)
    #  1 + 2/2 + 16/4,  2 + 4/2,  4
    np.testing.assert_allclose(y[:, 0], [6.0, 4.0, 4.0])
    cut = steps._replace(terminated=truncated, truncated=terminated)
    np.testing.assert_allclose(algorithm.targets(cut, best)[:, 0], [6.0, 12.0, 20.0])
    pressed = replace(algorithm, rescale=True).targets(steps, rescaled(best))
    np.testing.assert_allclose(pressed, rescaled(y), rtol=1e-4)


def test_values_on_another_scale():
    x = jnp.array([-300.0, -1.0, 0.0, 3.0, 1e4])
    np.testing.assert_allclose(rescaled(jnp.array([3.0, -8.0])), [1.003, -2.008], rtol=1e-6)
    np.testing.assert_allclose(unscaled(rescaled(x)), x, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("end", [None, 1, 3])
def test_what_is_learned_from_was_remembered_along_the_burn_in(end):
    """As along the whole sequence, also where an episode ends with the burn-in, or after it."""
    steps = kept(experience(SPEC, 0, SMALLER.length_drawn, SMALLER))
    no = jnp.zeros_like(steps.done)
    ends = no if end is None else no.at[end].set(True)
    steps = steps._replace(terminated=ends, truncated=no)
    steps = steps._replace(obs=steps.obs._replace(memory=steps.obs.memory + 0.5))
    state = SMALLER.init(SPEC, prng.key(0))
    next_values, _ = ahead(state.target, steps)
    drawn = Sequences(steps, next_values, jnp.ones(2))
    _, (metrics, priority) = jax.jit(SMALLER._descend)((state.q, state.optimizer), drawn)
    values, _ = jax.vmap(state.q.along, 1, 1)(steps.obs, cuts(steps))
    first = SMALLER.burn_in
    learned = pick(values, steps.action)[first : first + SMALLER.sequence_length]
    np.testing.assert_allclose(metrics["q"], learned.mean(), rtol=1e-4, atol=1e-6)
    best = pick(next_values, ahead(state.q, steps)[0].argmax(-1))
    error = np.abs(learned - SMALLER.targets(steps, best))
    expected = 0.9 * error.max(0) + 0.1 * error.mean(0)
    np.testing.assert_allclose(priority, expected, rtol=1e-3, atol=1e-5)


def test_sequences_longer_than_the_memory_are_refused(tmp_path, capsys):
    arguments = ["train", "r2d2", "CartPole-v1", "--memory-size", "300", "--sequence-length", "64"]
    assert main([*arguments, "--run", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert "a sequence must fit into the memory: memory_size must be at least" in told
    assert "which is 640" in told  # 8 + 64 + 3 - 1 are ten rollouts of 8, in 8 environments
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="must fit into the memory"):
        palestra.train("CartPole-v1", R2D2(memory_size=300, sequence_length=64), quiet=True)
