"""What a sweep has come to: a table of its trials, and the best one as preset and as command."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from palestra.algorithms import entry
from palestra.envs import is_ours
from palestra.names import by_name
from palestra.tools.report.commands import flags_of, seeds_of
from palestra.tools.runs.reading import read_config
from palestra.tools.statistics.definitions import Interval, bootstrapped, interquartile_mean
from palestra.tools.statistics.tables import aligned
from palestra.tools.sweeps import folder, population
from palestra.tools.sweeps.search import importance

SHOWN = 30  # rows of a table that a person reads
FAILED = (
    "A run that failed (it diverged, or its environment raised) counts as the worst of its "
    "setting's others; a setting of which more than a quarter of the runs failed stands below "
    "those of which fewer did."
)


class Trial(NamedTuple):
    """One setting of a sweep."""

    number: int
    values: dict[str, Any]  # of the settings that differ
    scores: dict[int, float]  # mean returns of last agents, or steps to `stop_at`, by seed
    steps: int  # that the run which has come furthest has taken
    over: int  # runs at their end
    failed: int  # of those: they diverged, or something raised
    share: float  # of all steps, that the run which has come furthest has taken
    score: Interval | None  # interquartile mean over seeds, 95 % by bootstrap; a run that failed
    # counts as the worst of the others


@dataclass(frozen=True)
class Sweep:
    """A sweep's folder, and what is in it."""

    folder: Path

    @cached_property
    def content(self) -> dict[str, Any]:
        """What sweep.json says."""
        return folder.read(self.folder)

    @property
    def runs(self) -> list[Path]:
        """The run folders, by trial and seed."""
        return sorted(path.parent for path in self.folder.glob("runs/*/config.json"))

    @property
    def trials(self) -> list[Trial]:
        """Every setting that was tried, as far as it has come, by number."""
        each: dict[int, list[Path]] = {}
        for run in self.runs:
            each.setdefault(folder.trial_of(run.name), []).append(run)
        return [self._trial(number, runs) for number, runs in sorted(each.items())]

    @property
    def varied(self) -> list[str]:
        """The settings that differ between trials."""
        searched = self.content.get("search", {}).get("ranges", {})
        return list(dict.fromkeys([*searched, *(x for one in self.content["trials"] for x in one)]))

    @property
    def best(self) -> Trial | None:
        """The setting with the best score, of those that have come furthest; None where none has
        one, or none has come to `stop_at`."""
        first = next(iter(self._ranked()), None)
        if first is None or self._goal is None:
            return first
        return first if min(first.scores.values()) <= self.content["steps"] else None

    @property
    def schedule(self) -> list[population.Since]:
        """Of population-based training, from which step on the best member had which settings, in
        which trial; empty where there is none."""
        if "population" not in self.content or (best := self.best) is None:
            return []
        past = population.lineage(self.folder, self.content)
        return population.schedule(self.content, past, best.number)

    @by_name
    def preset(self, trial: Trial | None = None) -> str:
        """The best setting, or that of a trial, as a preset in Python."""
        config = self._config(trial)
        cls = entry(config["algorithm"]).settings
        changed = {
            name: tuple(x) if isinstance(x, list) else x
            for name, x in config["hyperparameters"].items()
            if x != (list(y) if isinstance(y := getattr(cls(), name), tuple) else y)
        }
        lines = [f"        {name}={value!r}," for name, value in changed.items()]
        trial = trial or self.best
        told = "" if trial is None or trial.score is None else f"IQM {trial.score}, "
        failed = f" ({trial.failed} failed)" if trial is not None and trial.failed else ""
        judged_by = self._judged_by.capitalize()
        count = len(self.content["seeds"])
        kwargs = config.get("env_kwargs")
        return "\n".join(
            [
                "Preset(",
                f"    {cls.__name__}(",
                *lines,
                "    ),",
                f"    num_envs={config['num_envs']},",
                f"    steps={config['steps']},",
                f'    source="palestra sweep, {len(self.trials)} settings",',
                f'    score="{judged_by} {told}{count} seed{"s" if count > 1 else ""}{failed}.",',
                *([f"    env_kwargs={kwargs!r},"] if kwargs else []),
                ")",
            ]
        )

    @by_name
    def command(self, trial: Trial | None = None) -> str:
        """The command that trains the best setting, or that of a trial."""
        config = self._config(trial)
        plain = {x: config.get(x) for x in ("steps", "num_envs", "max_episode_steps")}
        words = flags_of({name: x for name, x in plain.items() if x is not None})
        words += flags_of(self._changes(config))
        name = config["environment"]
        words += flags_of(config.get("env_kwargs") or {}, "env.", "" if is_ours(name) else "[]")
        words += [word for part in config.get("ignore", []) for word in ("--ignore", str(part))]
        if self._goal is not None:
            names = "stop_at", "eval_every", "eval_episodes"  # by which its steps were counted
            asked = {x: config["flags"].get(x) for x in names}
            words += flags_of({name: x for name, x in asked.items() if x is not None})
        words += ["--seeds", seeds_of(self.content["seeds"])]
        return shlex.join(["palestra", "train", config["algorithm"], name, *words])

    def _ranked(self) -> list[Trial]:
        """Trials with a score, the best first: of returns, those of which no more runs failed than
        may before others, and then those that have come further on their way; of steps to a return,
        the fewest, those at their end before others."""
        scored = [(one, one.score.mean) for one in self.trials if one.score is not None]
        if self._goal is not None:
            return [one for one, _ in sorted(scored, key=lambda x: (-x[0].over, x[1]))]
        runs = len(self.content["seeds"])
        sound = lambda one: not folder.too_many(one.failed, runs)
        key = lambda x: (sound(x[0]), x[0].share, x[1])
        return [one for one, _ in sorted(scored, key=key, reverse=True)]

    @cached_property
    def _goal(self) -> float | None:
        return folder.goal(self.content)

    @property
    def _judged_by(self) -> str:
        return "last agents" if self._goal is None else f"steps to {self._goal:g}"

    def _trial(self, number: int, runs: list[Path]) -> Trial:
        values: dict[str, Any] = {}
        scores: dict[int, float] = {}
        steps, over, failed, share = 0, 0, 0, 0.0
        for run in runs:
            try:
                config, summary = read_config(run), folder.outcome(run)
            except FileNotFoundError:  # it moves to another worker
                continue
            values = values or {name: value_in(config, name) for name in self.varied}
            steps = max(steps, summary.get("steps", 0))
            share = max(share, min(summary.get("steps", 0) / config["steps"], 1.0))
            ended = folder.is_over(summary)
            over += ended
            failed += folder.failed(summary)
            found = folder.score(self.content, summary)
            if found is not None:
                scores[config["seed"]] = found
        each = [*scores.values()]
        if each and self._goal is None:
            each += [min(each)] * failed
        score = bootstrapped(interquartile_mean, [np.array(each)]) if each else None
        return Trial(number, values, scores, steps, over, failed, share, score)

    def _changes(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The hyper-parameters that `palestra train` would not take by itself."""
        from palestra.tools import presets

        name, steps = config["algorithm"], config["steps"]
        usual = presets.usual(name, config["environment"], sketched=True).stretched(steps)
        plain = json.loads(json.dumps(vars(usual.algorithm)))
        return {x: y for x, y in config["hyperparameters"].items() if y != plain.get(x)}

    def _config(self, trial: Trial | None) -> dict[str, Any]:
        number = (trial or self.best or self.trials[0]).number
        run = folder.run_of(self.folder, folder.name_of(number, self.content["seeds"][0]))
        assert run is not None
        return read_config(run)

    def as_dict(self) -> dict[str, Any]:
        """Every number, as JSON holds it."""
        trials, best = self.trials, self.best
        sought: dict[str, Any] = {}
        if "search" in self.content:
            sought = {"importance": importance(self.folder)}
        if "population" in self.content:
            sought = {"schedule": [since._asdict() for since in self.schedule]}
        return {
            "folder": str(self.folder),
            "algorithm": self.content["algorithm"],
            "environment": self.content["environment"],
            "seeds": self.content["seeds"],
            "stop_at": self._goal,
            "trials": [trial._asdict() for trial in trials],
            "best": None if best is None else best.number,
            "preset": None if best is None else self.preset(best),
            "command": None if best is None else self.command(best),
            **sought,
        }

    def __str__(self) -> str:
        trials = self._ranked()
        trials += [trial for trial in self.trials if trial not in trials]
        seeds = len(self.content["seeds"])
        header = ["trial", *self.varied, "steps", "seeds", f"IQM of {self._judged_by}, 95 %"]
        rows = [
            [
                str(one.number),
                *(shown(one.values.get(name)) for name in self.varied),
                f"{one.steps:,}",
                f"{len(one.scores)}/{seeds}" + (f" ({one.failed} failed)" if one.failed else ""),
                "" if one.score is None else str(one.score),
            ]
            for one in trials[:SHOWN]
        ]
        told = f"{self.content['algorithm']} on {self.content['environment']}: {len(trials)} "
        told += f"settings, {seeds} seed{'s' if seeds > 1 else ''} each. {self.folder}"
        parts = [told, aligned(header, rows)]
        if len(trials) > SHOWN:
            parts.append(f"{len(trials) - SHOWN} more; --json tells them.")
        if "search" in self.content and (shares := importance(self.folder)):
            rows = [[name, f"{share:.2f}"] for name, share in shares.items()]
            parts.append(aligned(["setting", "importance (PED-ANOVA)"], rows))
        if self._goal is not None:
            late = f"{folder.LATE * self.content['steps']:,}"
            parts.append(f"A run that never came to {self._goal:g} counts {late} steps.")
        elif any(one.failed for one in trials):
            parts.append(FAILED)
        if (best := self.best) is not None:
            which = "best"
            if since := self.schedule:
                header = ["from step", "trial", *self.varied]
                rows = [
                    [f"{x.step:,}", str(x.trial), *(shown(x.values[name]) for name in self.varied)]
                    for x in since
                ]
                told = f"Trial {best.number} was trained with these settings, one after another"
                told += f" ({population.LINEAGE} tells of all):"
                parts += [told, aligned(header, rows)]
                which = "last"
            parts += [f"The {which} setting, as a preset:\n\n{self.preset(best)}"]
            parts += [f"and as a command:\n\n  {self.command(best)}"]
        return "\n\n".join(parts)


def shown(value: Any) -> str:
    """A setting's value for people."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def value_in(config: Mapping[str, Any], name: str) -> Any:
    """A setting's value in a run's config."""
    if name.startswith("env."):
        name = name.removeprefix("env.")
        return {**(config.get("preprocessing") or {}), **config.get("env_kwargs", {})}.get(name)
    return config.get("hyperparameters", {}).get(name, config.get(name))
