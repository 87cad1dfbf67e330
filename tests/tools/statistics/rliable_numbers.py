"""Write rliable.json, the numbers that ours are held to, with rliable in a place of its own:

    python3.11 -m venv /tmp/rliable
    /tmp/rliable/bin/pip install 'rliable==1.2.0' 'pandas<3'
    /tmp/rliable/bin/python tests/tools/statistics/rliable_numbers.py

rliable draws its resamples from NumPy's global generator, whatever random state it is given, so
that one is seeded before each bootstrap.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rliable import library, metrics

SEED, RESAMPLES = 7, 200
THRESHOLDS = [0.0, 0.25, 0.5, 0.75, 1.0]
METRICS = {
    "mean": metrics.aggregate_mean,
    "median": metrics.aggregate_median,
    "interquartile_mean": metrics.aggregate_iqm,
    "optimality_gap": metrics.aggregate_optimality_gap,
}


def numbers(ours: np.ndarray, theirs: np.ndarray) -> dict:
    found = {"ours": ours.tolist(), "theirs": theirs.tolist()}  # [seeds, environments]
    for name, metric in METRICS.items():
        np.random.seed(SEED)  # noqa: NPY002
        point, ends = library.get_interval_estimates(
            {"": ours}, lambda x, metric=metric: np.array([metric(x)]), reps=RESAMPLES
        )
        found[name] = {"point": float(point[""][0]), "ends": ends[""][:, 0].tolist()}
    np.random.seed(SEED)  # noqa: NPY002
    point, ends = library.get_interval_estimates(
        {"": [ours, theirs]},
        lambda x, y: np.array([metrics.probability_of_improvement(x, y)]),
        reps=RESAMPLES,
    )
    found["probability_of_improvement"] = {
        "point": float(point[""][0]),
        "ends": ends[""][:, 0].tolist(),
    }
    np.random.seed(SEED)  # noqa: NPY002
    point, ends = library.create_performance_profile(
        {"": ours}, np.array(THRESHOLDS), reps=RESAMPLES
    )
    found["profile"] = {"point": point[""].tolist(), "ends": ends[""].tolist()}
    return found


if __name__ == "__main__":
    rng = np.random.default_rng(1)
    spread = rng.normal(0.6, 0.3, (5, 4)), rng.normal(0.5, 0.3, (7, 4))
    ties = rng.integers(0, 5, (3, 2)) / 4, rng.integers(0, 5, (3, 2)) / 4
    single = rng.normal(0.7, 0.2, (10, 1)), rng.normal(0.5, 0.4, (6, 1))
    cases = {"spread": spread, "ties": ties, "single": single}
    content = {
        "made by": f"{Path(__file__).name} with rliable {version('rliable')}",
        "seed": SEED,
        "resamples": RESAMPLES,
        "thresholds": THRESHOLDS,
        "cases": {name: numbers(*case) for name, case in cases.items()},
    }
    Path(__file__).with_name("rliable.json").write_text(json.dumps(content, indent=1) + "\n")
