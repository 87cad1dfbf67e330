"""References are of environments that there are, and agree with what is known elsewhere."""

import numpy as np
import pytest

from palestra import envs
from palestra.envs.toy_text.model import evaluate, solve
from palestra.tools.statistics.references import LIMIT, MODEL, REFERENCES


def test_they_are_of_environments_that_there_are():
    assert REFERENCES["atari/Pong-v5"] == REFERENCES["ALE/Pong-v5"]
    games = {x for x in REFERENCES if x.startswith(("ALE/", "atari/"))}
    others = REFERENCES.keys() - games - envs.ENVIRONMENTS.keys()
    assert others <= {f"{x}-v5" for x in ("HalfCheetah", "Hopper", "Walker2d")} | {"LunarLander-v3"}
    for env_id, reference in REFERENCES.items():
        assert reference.random < reference.best, env_id
        row = envs.ENVIRONMENTS.get(env_id)
        if row and row.threshold is not None:
            assert reference.random < row.threshold
        if reference.source == LIMIT:
            assert reference.best == row.limit  # a point for each step


def test_the_best_possible_is_the_models():
    """Of one; tests/envs/test_toy_text.py holds the others' values to the same numbers."""
    row, reference = envs.entry("FrozenLake-v1"), REFERENCES["FrozenLake-v1"]
    model = row.simulator(**row.parameters).model()
    states, actions, _ = model.probability.shape
    random = evaluate(model, np.full((states, actions), 1 / actions), horizon=row.limit)
    best, _ = solve(model, horizon=row.limit)
    found = model.start @ random, model.start @ best
    assert (*found, MODEL) == (
        pytest.approx(reference[0], abs=6e-5),
        pytest.approx(reference[1], abs=6e-5),
        reference.source,
    )
