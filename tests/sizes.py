"""How long runs and evaluations are, and where environments step, unless a test says otherwise.

The only place in which tests change constants of the package that many of them need smaller.
"""

from typing import Any

import pytest

HOMES = {
    "reports": "tools.training.settings.REPORTS",  # of a run, at least
    "host_report_steps": "tools.environments.hosted.Hosted.report_steps",
    "evaluations": "tools.agents.episodes.EVALUATIONS",  # of a run
    "hosted_evaluations": "tools.agents.episodes.OnHost.LEAST",  # ... on the host, at least
    "episodes": "tools.environments.task.Task.episodes",  # of an evaluation
    "games": "tools.environments.atari.Atari.episodes",  # of Atari's, likewise
    "few": "tools.agents.episodes.FEW",  # of an evaluation on the way, on the host
    "lanes": "tools.agents.episodes.LANES",  # environments in which it plays at once
    "longest": "tools.agents.episodes.LONGEST",  # steps of an endless episode
    "closing": "envs.host.closing.CLOSING",  # [s] given to an environment to close
    "round_trip": "envs.host.many.ROUND_TRIP",  # [s] what processes seem to cost ...
    "per_process": "envs.host.many.PER_PROCESS",  # ... and each of them
}


def sizes(patch: pytest.MonkeyPatch, **chosen: Any) -> None:
    """Set some of those sizes until the test, or what `patch` goes with, ends."""
    for name, value in chosen.items():
        patch.setattr(f"palestra.{HOMES[name]}", value)


def stepping(patch: pytest.MonkeyPatch, *, apart: bool) -> None:
    """Let environments step in processes of their own, or in this one, whatever is faster."""
    sizes(patch, round_trip=-60.0 if apart else 60.0, per_process=0.0)
