"""Do a run once more, and say whether it comes to the same."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium

from palestra.faults import InputError
from palestra.tools.json_files import read_json
from palestra.tools.runs.reading import read_config, read_metrics, read_summary
from palestra.tools.runs.run_folder import surroundings
from palestra.tools.training import session, settings, start, train
from palestra.tools.training.events import Events, Reported

AGENTS = "agent.safetensors", "last.safetensors"


class Verdict(NamedTuple):
    """What doing it again has shown."""

    same: bool
    step: int  # up to which it was the same, or at which it first was not
    said: str  # one sentence


def reproduce(
    run: str | Path, *, env: Callable[[], gymnasium.Env] | None = None, quiet: bool = False
) -> Verdict:
    """Do what a run's config.json says once more, apart, and compare: fingerprints of the first
    transitions, every line of metrics, both agents, the final evaluation.

    `env` is the function that makes the environment, where the run was of one. A run that was
    interrupted is compared as far as it went. Raises FileNotFoundError where there is no run, and
    ValueError, in one sentence, where it is damaged or of a kind that never repeats.
    """
    folder = Path(run)
    config = read_config(folder)
    summary = read_summary(folder)
    if any(not gone_on["exact"] for gone_on in summary.get("resumed", [])):
        raise InputError(
            f"{folder} went on in new episodes after it was interrupted; that cannot be repeated."
        )
    if config.get("stretched"):
        raise InputError(
            f"{folder} went on to other steps, and its reports and schedules with them, after it "
            "had begun; that cannot be repeated."
        )
    if "copied_from" in config:
        raise InputError(
            f"{folder} began as a copy of {config['copied_from']}, with other settings; that "
            "cannot be repeated."
        )
    with tempfile.TemporaryDirectory(prefix="palestra-") as scratch:
        again = Path(scratch) / "again"
        job, flags = settings.settings_of(folder, config, env)
        job.task.check_repeats(job.name, job.algorithm)
        flags = replace(flags, video=False)
        train.claim(again, job, config["seed"], flags)
        if (folder / start.NAME).is_file():
            shutil.copy(folder / start.NAME, again / start.NAME)
        events = session.carry_out(job, {config["seed"]: again}, {}, flags)
        compared = Compared(folder, again)
        train.displayed(compared.until_told(events), quiet)
        verdict = compared.verdict
        if verdict is None:
            step = read_json(again / "summary.json")["steps"]
            return _at_the_end(folder, again, summary, step)
    if verdict.same:
        return verdict
    here = surroundings(config.get("versions", {}))
    return verdict._replace(said=verdict.said + elsewhere(config, here))


class Compared:
    """A run beside what it repeats, line of metrics by line."""

    def __init__(self, folder: Path, again: Path):
        self.folder, self.again = folder, again
        self.verdict: Verdict | None = None  # as soon as there is one before the end
        self._step = 0

    def until_told(self, events: Events) -> Events:
        """The events of the run that repeats, up to the first difference, and no further than what
        it repeats went."""
        lines = read_metrics(self.folder)
        with closing(events):
            for event in events:
                yield event
                if isinstance(event, Reported):
                    self.verdict = self._compare(next(lines, None), event)
                    if self.verdict is not None:
                        return

    def _compare(self, before: dict[str, Any] | None, event: Reported) -> Verdict | None:
        if before is None:
            said = f"the same, up to step {self._step:,}, where it was interrupted."
            return Verdict(True, self._step, said)
        first = [read_config(path).get("first_transitions") for path in (self.folder, self.again)]
        if None not in first and first[0] != first[1]:
            count = (first[1] or {})["count"]
            said = (
                f"it differs within the first {count:,} transitions: their digests are not the same"
            )
            return Verdict(False, before["step"], said)
        if difference := first_difference(before, event.line):
            return Verdict(False, event.step, f"at step {event.step:,} {difference}")
        self._step = event.step
        return None


def first_difference(before: dict[str, Any], now: dict[str, Any]) -> str | None:
    """What two lines of metrics do not agree on, in words."""
    for name in [*now, *before]:
        there, here = (line.get(name, "nothing") for line in (before, now))
        if there == here:
            continue
        if isinstance(there, list) and isinstance(here, list):
            pairs = zip(there, here, strict=False)
            at = next((i for i, pair in enumerate(pairs) if pair[0] != pair[1]), None)
            if at is None:
                there, here = f"{len(there)} long", f"{len(here)} long"
            else:
                name, there, here = f"{name}[{at}]", there[at], here[at]
        return f"its {name} is {here}, and was {there}"
    return None


def _at_the_end(folder: Path, again: Path, summary: dict[str, Any], step: int) -> Verdict:
    more = sum(1 for _ in read_metrics(folder)) - sum(1 for _ in read_metrics(again))
    if more:
        return Verdict(
            False, step, f"it ends at step {step:,}, and went on for {more} reports more."
        )
    for name in AGENTS:
        if (folder / name).read_bytes() != (again / name).read_bytes():
            return Verdict(False, step, f"its {name} is another, after the same metrics.")
    new = read_json(again / "summary.json")
    for which in ("best", "last"):
        if which in summary and summary[which] != new[which]:
            return Verdict(False, step, f"its {which} agent is the same, and was judged otherwise.")
    return Verdict(True, step, f"the same, to the last bit of its agents, after {step:,} steps.")


def elsewhere(there: dict[str, Any], here: dict[str, Any]) -> str:
    """The rest of a sentence: what was not the same around the two."""
    changes = [
        f"{name} {there[kind][name]} (here {now})"
        for kind in ("versions", "hardware")
        for name, now in here.get(kind, {}).items()
        if kind in there and name in there[kind] and there[kind][name] != now
    ]
    return f"; it was made with {', '.join(changes)}." if changes else "."
