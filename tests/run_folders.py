"""Run folders written by hand, as training writes them, in no time."""

import json
from collections.abc import Sequence
from pathlib import Path

# What a stranger might write into any of a run's words.
WORDS = "a\"b'><script>alert(1)</script><img src=http://x.org onerror=x> ](http://x.org) `rm` $(rm)"
WORDS += " \\input{x} \n\n# rm"


def add(folder: Path, name: str, **more) -> None:
    """Put more into a JSON file of a run."""
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def write_run(
    folder: Path,
    *,
    env: str = "CartPole-v1",
    algorithm: str = "dqn",
    seed: int = 0,
    curve: Sequence[Sequence[float]] = ((10.0, 20.0), (100.0, 300.0), (400.0, 500.0)),
    state: str = "finished",
    every: int = 1000,
    **hyperparameters,
) -> Path:
    """A run whose evaluations, one each `every` steps, had these returns; the last one is the
    final one of its last agent, the best one that of its best."""
    folder.mkdir(parents=True)
    config = {
        "environment": env,
        "env_kwargs": {},
        "max_episode_steps": None,
        "algorithm": algorithm,
        "hyperparameters": {"gamma": 0.99, "learning_rate": 0.001, **hyperparameters},
        "num_envs": 1,
        "steps": every * len(curve),
        "seed": seed,
        "started": "2026-11-29T10:00:00+0000",
    }
    (folder / "config.json").write_text(json.dumps(config))
    lines = [
        {"step": every * (i + 1), "ended_at": [], "returns": [], "lengths": []}
        | {"evaluation": list(returns)}
        for i, returns in enumerate(curve)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    if state in ("finished", "interrupted"):
        mean = lambda returns: sum(returns) / len(returns)
        best, last = max(curve, key=mean), curve[-1]
        judged = lambda x: {"gymnasium": {"mean": mean(x), "returns": list(x)}}
        summary = {
            "steps": every * len(curve),
            "seconds": 10.0,
            "interrupted": state == "interrupted",
            "best": {"step": every} | judged(best),
            "last": {"step": every} | judged(last),
        }
        (folder / "summary.json").write_text(json.dumps(summary))
    return folder
