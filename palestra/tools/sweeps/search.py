"""Searches: which settings are tried next, by Optuna, and how much each of them matters.

A trial of Optuna's is a setting, and its value the interquartile mean over seeds: of returns, to
be maximized, or, with `stop_at`, of the steps to there, to be minimized. All of it is in
optuna.log, Optuna's journal, which its dashboard reads. One worker at a time asks and tells; a
trial whose worker died before its runs were planned is planned by the next one. What is drawn hangs
on the trial's number and on what is known by then, not on who asks.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import uuid4

import numpy as np

from palestra.algorithms import entry
from palestra.core import check, kind_of
from palestra.faults import InputError
from palestra.ranges import Count, Range
from palestra.tools.sweeps import folder, halving
from palestra.tools.training.settings import settings_of
from palestra.tools.training.train import claim

KINDS = "tpe", "cmaes", "random"
JOURNAL = "optuna.log"
NAME = "palestra"  # of the study in the journal
AROUND = 10.0  # times, up and down, where a field has no range of its own


def ranges_of(
    algorithm: str, base: Mapping[str, Any], asked: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """The ranges that are searched, of words: none for the field's own, LOW HIGH, or LOW HIGH log.
    Raises ValueError, in a sentence, for a range that is none."""
    kinds = {one.name: one.type for one in fields(entry(algorithm).settings)} | {"num_envs": Count}
    found = {}
    for name, words in asked.items():
        if name not in kinds:
            from palestra.names import hint

            meant = hint(name, kinds) or f"it has: {', '.join(kinds)}."
            raise InputError(f"{algorithm} has no {name!r} to search; {meant}")
        usual = base["hyperparameters"].get(name, base.get(name))
        found[name] = (
            _own(name, kinds[name], usual) if not words else _given(name, kinds[name], words)
        )
    return found


def _own(name: str, kind: Any, usual: Any) -> dict[str, Any]:
    """A field's own range: all that it may be, or around its usual value where that has no end."""
    if kind_of(kind) is bool:
        return {"values": [False, True]}
    if kind_of(kind) is Literal:
        return {"values": [*get_args(get_args(kind)[0] if hasattr(kind, "__metadata__") else kind)]}
    bounds = [x for x in getattr(kind, "__metadata__", ()) if isinstance(x, Range)]
    if kind_of(kind) not in (int, float) or not bounds:
        raise InputError(f"{name} has no range of its own; name several values of its flag.")
    whole = kind_of(kind) is int
    if not whole and bounds[0].holds(1.0) and not bounds[0].holds(1.0 + 1e-6):
        return {"low": 0.0, "high": 1.0, "log": False, "whole": False}
    if not usual or usual < 0:
        raise InputError(f"{name} has no range of its own; write --range {name} LOW HIGH, or log.")
    low, high = usual / AROUND, usual * AROUND
    low, high = (max(1, round(low)), round(high)) if whole else (low, high)
    return {"low": low, "high": high, "log": True, "whole": whole}


def _given(name: str, kind: Any, words: Sequence[str]) -> dict[str, Any]:
    told = f"--range {' '.join([name, *words])}"
    form = f"write --range {name} LOW HIGH, or LOW HIGH log"
    log = len(words) == 3 and words[2] == "log"
    if kind_of(kind) not in (int, float) or not (len(words) == 2 or log):
        raise InputError(f"{told} is no range; {form}, for a setting that is a number.")
    try:
        ends = [float(word) for word in words[:2]]
    except ValueError:
        raise InputError(f"{told} is no range; {form}.") from None
    whole = kind_of(kind) is int
    if whole and any(not x.is_integer() for x in ends):
        raise InputError(f"{told} is no range of whole numbers.")
    low, high = (int(x) if whole else x for x in ends)
    for end in (low, high):
        check(name, end, kind)
    if not low < high:
        raise InputError(f"{told} is empty: {words[0]} is not below {words[1]}.")
    if log and low <= 0:
        raise InputError(f"{told} cannot be on a logarithmic scale, which begins above 0.")
    return {"low": low, "high": high, "log": log, "whole": whole}


def check_search(search: Mapping[str, Any]) -> None:
    """Raise ValueError, in a sentence, where a search cannot be made here."""
    _optuna()
    if search["kind"] == "cmaes":
        _cmaes()
        if named := [name for name, one in search["ranges"].items() if "values" in one]:
            raise InputError(
                f"cmaes searches numbers alone, not {', '.join(named)}; --search tpe takes both."
            )


def more(place: Path, content: Mapping[str, Any]) -> bool:
    """Tell the search what was found, and plan the next trial; whether there is something more to
    train. One worker at a time may do so."""
    states = _optuna().trial.TrialState
    with opened(place, mend=True) as study:
        ranges, trials = content["search"]["ranges"], study.get_trials(deepcopy=False)
        for one in trials:
            if one.state == states.RUNNING and one.params.keys() != ranges.keys():
                study.tell(one.number, state=states.FAIL)  # its worker was killed while it asked
        whole = [one for one in trials if one.params.keys() == ranges.keys()]
        running = [one for one in whole if one.state == states.RUNNING]
        for one in running:
            if planned(place, content, one.number, one.params):
                return True
        last, numbers = len(whole) >= content["search"]["trials"], [one.number for one in whole]
        stopped = {one.number for one in whole if one.state.is_finished()}
        if content["halving"] and halving.promote(place, content, numbers, last, stopped):
            return True
        for one in running:
            _tell(study, place, content, one.number, numbers)
        if last:
            return False
        asked = _ask(study, content, len(trials))
        return planned(place, content, asked.number, asked.params)


def _ask(study: Any, content: Mapping[str, Any], number: int) -> Any:
    """A new trial."""
    optuna = _optuna()
    search = content["search"]
    seed = search["seed"] + number
    if search["kind"] == "cmaes":
        study.enqueue_trial(_by_cmaes(study, search))
    elif search["kind"] == "tpe":
        study.sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    else:
        study.sampler = optuna.samplers.RandomSampler(seed=seed)
    drawn = {name: _distribution(one) for name, one in search["ranges"].items()}
    return study.ask(drawn)


def _by_cmaes(study: Any, search: Mapping[str, Any]) -> dict[str, Any]:
    """The next point of CMA-ES, which is told all that is known again: Optuna's own keeps it as a
    pickle in the journal, and who reads that executes what a stranger wrote."""
    ranges = search["ranges"]
    size = len(ranges)
    unit = np.array([[0.0, 1.0]] * size)
    sign = -1.0 if study.direction.name == "MAXIMIZE" else 1.0  # it minimizes
    optimizer = _cmaes().CMA(mean=np.full(size, 0.5), sigma=0.2, bounds=unit, seed=search["seed"])
    trials = study.get_trials(deepcopy=False)
    known = [one for one in trials if one.value is not None and math.isfinite(one.value)]
    whole = len(known) // optimizer.population_size * optimizer.population_size
    for begin in range(0, whole, optimizer.population_size):
        told = known[begin : begin + optimizer.population_size]
        optimizer.tell([(_place(one.params, ranges), sign * one.value) for one in told])
    for _ in range(len(trials) - whole):  # those that are drawn already, of this generation
        optimizer.ask()
    return _values(optimizer.ask(), ranges)


def _place(params: Mapping[str, Any], ranges: Mapping[str, Any]) -> np.ndarray:
    """Values as numbers from 0 to 1."""
    scale = lambda x, one: math.log(x) if one["log"] else x
    part = lambda x, one: (
        (scale(x, one) - scale(one["low"], one))
        / (scale(one["high"], one) - scale(one["low"], one))
    )
    return np.array([part(params[name], one) for name, one in ranges.items()])


def _values(place: np.ndarray, ranges: Mapping[str, Any]) -> dict[str, Any]:
    """The values of numbers from 0 to 1."""
    found = {}
    for share, (name, one) in zip(place.tolist(), ranges.items(), strict=True):
        if one["log"]:
            value = one["low"] * (one["high"] / one["low"]) ** share
        else:
            value = one["low"] + (one["high"] - one["low"]) * share
        value = round(value) if one["whole"] else value
        found[name] = min(max(value, one["low"]), one["high"])
    return found


def _distribution(one: Mapping[str, Any]) -> Any:
    distributions = _optuna().distributions
    if "values" in one:  # Optuna keeps words and numbers, not lists
        return distributions.CategoricalDistribution([_word(x) for x in one["values"]])
    kind = distributions.IntDistribution if one["whole"] else distributions.FloatDistribution
    return kind(one["low"], one["high"], log=one["log"])


def _word(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, list) else value


def planned(
    place: Path, content: Mapping[str, Any], number: int, params: Mapping[str, Any]
) -> bool:
    """Make the runs of a trial that are not there; whether there were any."""
    missing = [
        seed
        for seed in content["seeds"]
        if folder.run_of(place, folder.name_of(number, seed)) is None
    ]
    base, ranges = content["base"], content["search"]["ranges"]
    config = {**base, "hyperparameters": dict(base["hyperparameters"]), "seed": 0}
    for name, value in params.items():
        listed = [x for x in ranges[name].get("values", ()) if _word(x) == value]
        inside = config["hyperparameters"] if name in config["hyperparameters"] else config
        inside[name] = listed[0] if listed else value
    if not missing:
        return False
    job, flags = settings_of(place, config, None)
    for seed in missing:
        new = place / "new" / uuid4().hex
        claim(new, job, seed, flags)
        new.rename(place / "runs" / folder.name_of(number, seed))
    return True


def _tell(
    study: Any, place: Path, content: Mapping[str, Any], number: int, trials: Sequence[int]
) -> None:
    """Tell what a trial has come to, where it is at its end."""
    states = _optuna().trial.TrialState
    score = halving.score(place, content, number)
    if score is None:
        return
    if content["halving"]:
        stood = halving.standing(place, content, number)
        if stood["until"] < content["steps"]:
            if halving.may_go_on(place, content, number, trials):
                return
            if math.isfinite(score):
                _report(study, number, score, stood["until"])
            study.tell(number, state=states.PRUNED)
            return
    if math.isfinite(score):
        study.tell(number, score)
    else:  # more of its runs failed than may: worse than all others, which FAIL would not say
        study.tell(number, state=states.PRUNED)


def _report(study: Any, number: int, score: float, step: int) -> None:
    trial = study.get_trials(deepcopy=False)[number]
    study._storage.set_trial_intermediate_value(trial._trial_id, step, score)


def importance(place: Path) -> dict[str, float]:
    """How much each setting matters for the value, by PED-ANOVA, from 0 to 1; empty where too few
    trials are at their end to say."""
    optuna = _optuna()
    with opened(place) as study:
        states = (optuna.trial.TrialState.COMPLETE,)
        known = study.get_trials(deepcopy=False, states=states)
        if len(known) < 4 or len({one.value for one in known}) < 2:
            return {}
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
        return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


@contextmanager
def opened(place: Path, mend: bool = False) -> Any:
    """The study in a sweep's journal, made where there is none. Who is alone may `mend` it."""
    optuna = _optuna()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    class Held:
        """Nobody else writes: who is here is here alone."""

        def acquire(self) -> bool:
            return True

        def release(self) -> None:
            pass

    direction = "maximize" if folder.goal(folder.read(place)) is None else "minimize"
    path = place / JOURNAL
    if mend and path.is_file():
        text = path.read_bytes()
        if text and not text.endswith(b"\n"):  # of a worker that was killed while it wrote
            path.write_bytes(text[: text.rfind(b"\n") + 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            yield optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(path), Held())),  # type: ignore[arg-type]
                study_name=NAME,
                direction=direction,
                load_if_exists=True,
            )
        finally:
            optuna.logging.set_verbosity(before)


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError:
        raise InputError("A search needs Optuna: pip install 'palestra[sweep]'.") from None
    return optuna


def _cmaes() -> Any:
    try:
        import cmaes
    except ModuleNotFoundError:
        raise InputError("--search cmaes needs cmaes: pip install 'palestra[sweep]'.") from None
    return cmaes
