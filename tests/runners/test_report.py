"""The form of reports."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra.runners.report import Episodes, Report, as_one_seed

pytestmark = pytest.mark.tiny


def test_a_report_of_one_learner_is_read_as_one_of_several_seeds():
    learner = {"q": jnp.arange(6.0).reshape(2, 3)}
    episodes = Episodes(np.zeros((2, 4, 1), bool), np.zeros((2, 4, 1)), np.ones((2, 4, 1), int))
    carry = lambda: learner
    prints = np.zeros(2, np.uint32)
    alone = Report(8, learner, {"loss": np.ones(2)}, episodes, prints, None, None, carry)
    led = as_one_seed(alone)
    assert led.prints.shape == (1, 2)
    assert led.metrics["loss"].shape == (1, 2)
    assert led.episodes.steps.shape == (1, 2, 4, 1)
    (leaf,) = jax.tree.leaves(led.learner)
    assert leaf[0] is learner["q"]  # no copy: it may be gigabytes
    assert np.array_equal(np.asarray(leaf)[0], learner["q"])
    assert led.carry is carry
    assert led.obs is None
