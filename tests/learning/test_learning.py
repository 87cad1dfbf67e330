"""Learning at full length: every algorithm on its standard task, ten seeds."""

import numpy as np
import pytest

import palestra
from palestra.tools.presets.dqn import CARTPOLE
from palestra.tools.statistics.definitions import student

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("optimized")]


def test_dqn_solves_cart_pole(tmp_path):
    runs = palestra.train(
        "CartPole-v1",
        CARTPOLE.algorithm,
        steps=CARTPOLE.steps,
        num_envs=CARTPOLE.num_envs,
        seeds=10,
        run=tmp_path / "runs",
        quiet=True,
    )
    means = [run.summary["best"]["gymnasium"]["mean"] for run in runs]
    assert len(means) == 10
    assert student(means).low > 475, np.round(means, 1)
