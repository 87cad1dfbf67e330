"""Presets: what there is, and that each says what was measured."""

import ast
import runpy
import sys
from pathlib import Path

import pytest

from palestra.algorithms import ALGORITHMS, served
from palestra.parts.spaces import flat_action_space, flat_observation_space
from palestra.tools.environments.whose import task_of
from palestra.tools.presets import preset, presets, presets_of

ROOT = Path(__file__).parents[2]
BENCHMARKS, PRESETS_FOLDER = ROOT / "benchmarks", ROOT / "palestra" / "tools" / "presets"


@pytest.fixture(scope="module")
def learning():
    sys.path.insert(0, str(BENCHMARKS))  # the script imports its neighbors
    try:
        yield runpy.run_path(str(BENCHMARKS / "learning.py"))
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_scores_are_those_of_the_results(learning):
    measured = [(cell, cell.result()) for cell in learning["cells"]([])]
    kept = [(cell, result) for cell, result in measured if result]
    assert kept
    for cell, result in kept:
        chosen = cell.preset
        assert chosen.score == learning["sentence"](cell, result)


def test_each_score_can_be_found_and_replaced(learning):
    for cell in learning["cells"]([]):
        if chosen := cell.preset:
            source = (PRESETS_FOLDER / f"{cell.algorithm}.py").read_text()
            node = learning["score_node"](ast.parse(source), cell.task.env_id, cell.task.preset)
            assert ast.literal_eval(node) == chosen.score


def test_a_game_in_our_console_has_the_presets_of_the_same_in_ale_py():
    assert presets_of("ppo", "atari/Pong-v5") == presets_of("ppo", "ALE/Pong-v5") != {}
    assert preset("ppo", "atari/Pong-v5", "laptop") == preset("ppo", "ALE/Pong-v5", "laptop")
    assert presets_of("ppo", "atari/Klax-v5") == {}


def test_the_page_of_results_is_up_to_date(learning):
    assert learning["PAGE"].read_text() == learning["page"]()


PRESETS = {(name, env_id): x for name in ALGORITHMS for env_id, x in presets(name).items()}


@pytest.mark.parametrize(("algorithm", "env_id"), PRESETS)
def test_presets_fit_their_environments(algorithm, env_id):
    seen, done, _ = task_of(env_id).spaces()
    assert served(algorithm, flat_observation_space(seen), flat_action_space(done))
    assert "default" in PRESETS[algorithm, env_id]
    for found in PRESETS[algorithm, env_id].values():
        assert type(found.algorithm) is ALGORITHMS[algorithm].learner
        assert found.source
        assert found.score.endswith(".")
