"""Recurrent PPO: what a pass learns from is what acted, along whole sequences."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete
from learners import SMALL

from palestra import prng
from palestra.core import Spec
from palestra.envs.classic.cartpole import CartPole
from palestra.envs.transforms import TimeLimit
from palestra.runners import compiled

SPEC = Spec(Box(-1, 1, (4,)), Discrete(3), 4)
ONE_PASS = replace(SMALL["recurrent_ppo"], rollout_length=32, epochs=1, minibatches=1)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_first_pass_is_on_the_policy_that_acted(cell):
    """Episodes end inside of sequences and go on over several: the ratios are 1 all the same."""
    env = TimeLimit(env=CartPole(), limit=45)
    algorithm = replace(ONE_PASS, cell=cell)
    (report,) = compiled.train(
        env, algorithm, num_envs=4, total_steps=10 * 128, reports=1, seeds=[0]
    )
    assert report.episodes.finished.any()
    assert np.abs(report.metrics["kl"]).max() < 1e-9
    assert not report.metrics["clipped"].any()
    assert (report.metrics["gradient_norm"] > 0).all()


def test_minibatches_are_whole_environments():
    with pytest.raises(ValueError, match="must divide num_envs, which is 4, but 3 does not"):
        replace(ONE_PASS, minibatches=3).init(SPEC, prng.key(0))
