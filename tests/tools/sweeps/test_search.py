"""A search tries as many settings as it was asked for, whoever stops and dies on the way."""

import json
import math
from concurrent.futures import ThreadPoolExecutor

import pytest

import palestra
from palestra.faults import InputError
from palestra.tools.cli import main
from palestra.tools.sweeps import folder, search, work
from palestra.tools.sweeps.result import Sweep
from palestra.tools.sweeps.search import JOURNAL, importance, ranges_of

TASK = "FrozenLake-v1", "q_learning"
TRIALS = 14  # more than the ten with which TPE begins
RANGES = {"learning_rate": (1e-4, 1.0, "log"), "gamma": ()}


class Trainer:
    """Takes the place of training: a run's score is known from its settings."""

    def __init__(self, patch, stop_at: int | None = None):
        self.trained: list[str] = []
        self.stop_at = stop_at
        took = lambda worker, claim, until: self.train(claim, until)
        patch.setattr(work.Work, "train_until", took)

    def train(self, claim, until) -> bool:
        if len(self.trained) == self.stop_at:
            self.stop_at = None
            raise KeyboardInterrupt
        self.trained.append(claim.name)
        config = json.loads((claim.folder / "config.json").read_text())
        score = -((math.log10(config["hyperparameters"]["learning_rate"]) + 2) ** 2)
        steps = until or config["steps"]
        judged = {"gymnasium": {"mean": score + 0.001 * config["seed"]}}
        summary = {"steps": steps, "interrupted": steps < config["steps"], "last": judged}
        if score > -1 and config["flags"]["stop_at"] is not None:  # the better, the sooner
            summary |= {"steps": round(-800 * score) + config["seed"], "reached": 475.0}
        (claim.folder / "summary.json").write_text(json.dumps(summary))
        return False


def searching(place, kind="tpe", **more) -> Sweep:
    asked = {"seeds": 2, "trials": TRIALS, "ranges": RANGES, "steps": 900, **more}
    return palestra.sweep(*TASK, search=kind, folder=place, workers=0, **asked)


def tried(place) -> list[dict]:
    with search.opened(place) as study:
        return [(one.params, one.value, one.state.name) for one in study.trials]


def test_a_setting_that_diverges_is_told_as_worse_than_others(tmp_path, monkeypatch):
    trainer = Trainer(monkeypatch)
    well = trainer.train

    def train(claim, until) -> bool:
        well(claim, until)
        config = json.loads((claim.folder / "config.json").read_text())
        if config["hyperparameters"]["learning_rate"] > 0.01 and config["seed"] == 1:
            gone = {"steps": 100, "interrupted": True, "error": "Stopped at step 100: NaN."}
            (claim.folder / "summary.json").write_text(json.dumps(gone))
        return False

    trainer.train = train
    made = searching(tmp_path / "s")
    assert palestra.work(tmp_path / "s")
    states = {(x["learning_rate"] > 0.01, state) for x, _, state in tried(tmp_path / "s")}
    assert states == {(False, "COMPLETE"), (True, "PRUNED")}
    assert made.best.values["learning_rate"] <= 0.01


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that nobody stops."""
    place = tmp_path_factory.mktemp("search") / "s"
    with pytest.MonkeyPatch.context() as patch:
        Trainer(patch)
        made = searching(place)
        assert palestra.work(place)
    return made


def test_a_search_finds_what_is_good_and_says_what_matters(whole):
    assert len(whole.trials) == TRIALS
    assert all(len(one.scores) == 2 for one in whole.trials)
    assert whole.best.score.mean > -0.5
    shares = importance(whole.folder)
    assert max(shares, key=shares.get) == "learning_rate"
    assert "importance (PED-ANOVA)" in str(whole)
    assert whole.as_dict()["importance"] == shares


def test_stopped_beyond_the_tenth_it_goes_on_as_if_it_had_not_been(whole, tmp_path, monkeypatch):
    place, trainer = tmp_path / "s", Trainer(monkeypatch, stop_at=2 * 11 + 1)
    searching(place)
    with pytest.raises(KeyboardInterrupt):
        palestra.work(place)
    assert 10 < len(tried(place)) < TRIALS
    with (place / JOURNAL).open("a") as journal:
        journal.write('{"op_code": 4, "wor')  # of a worker that was killed while it wrote
    assert palestra.work(place)
    assert tried(place) == tried(whole.folder)
    assert sorted(trainer.trained) == sorted(run.name for run in whole.runs)  # none twice


def test_a_trial_is_not_lost_whose_worker_died_before_it_was_planned(whole, tmp_path, monkeypatch):
    place, plan = tmp_path / "s", search.planned
    Trainer(monkeypatch)
    searching(place)

    def dies(place, content, number, params):
        if number == 3 and not claimed:
            claimed.append(number)
            raise KeyboardInterrupt
        return plan(place, content, number, params)

    claimed: list[int] = []
    monkeypatch.setattr(search, "planned", dies)
    with pytest.raises(KeyboardInterrupt):
        palestra.work(place)
    assert palestra.work(place)
    assert tried(place) == tried(whole.folder)


def test_a_worker_does_not_leave_while_another_one_decides(tmp_path, monkeypatch):
    Trainer(monkeypatch)
    monkeypatch.setattr(work, "WAIT", 0.05)
    place = tmp_path / "s"
    searching(place, "random", trials=1, seeds=1)
    with ThreadPoolExecutor(1) as pool:
        with work.nobody_else(place / "trials" / ".lock") as alone:
            assert alone
            at_work = pool.submit(palestra.work, place)
            with pytest.raises(TimeoutError):
                at_work.result(2)
        assert at_work.result(60)
    assert len(tried(place)) == 1


@pytest.mark.parametrize("kind", ["random", "cmaes"])
def test_other_searches_keep_to_their_number_and_ranges(kind, tmp_path, monkeypatch):
    Trainer(monkeypatch)
    searching(tmp_path / "s", kind, trials=6, seeds=1)
    assert palestra.work(tmp_path / "s")
    found = tried(tmp_path / "s")
    assert [state for _, _, state in found] == ["COMPLETE"] * 6
    assert all(1e-4 <= params["learning_rate"] <= 1 for params, _, _ in found)
    assert len({params["learning_rate"] for params, _, _ in found}) == 6
    assert "cma:" not in (tmp_path / "s" / JOURNAL).read_text()  # nothing that is a pickle


@pytest.mark.parametrize("kind", ["tpe", "cmaes"])
def test_with_a_return_to_stop_at_a_search_looks_for_few_steps(kind, tmp_path, monkeypatch):
    Trainer(monkeypatch)
    made = searching(tmp_path / "s", kind, trials=30, stop_at=475.0)
    assert palestra.work(tmp_path / "s")
    values = [value for _, value, _ in tried(tmp_path / "s")]
    assert values == [one.score.mean for one in made.trials]
    assert made.best.score.mean == min(values) < 100
    assert max(values) == folder.LATE * 900
    first, later = values[:10], values[20:]
    assert sum(later) < sum(first)  # it looks where steps are few
    assert importance(tmp_path / "s")["learning_rate"] > 0.5


def test_with_halving_most_trials_stop_early_and_the_best_does_not(tmp_path, monkeypatch):
    Trainer(monkeypatch)
    made = searching(tmp_path / "s", "random", trials=9, seeds=1, halving=True)
    assert palestra.work(tmp_path / "s")
    steps = [trial.steps for trial in made.trials]
    assert len(steps) == 9
    assert steps.count(900) in (1, 2)
    assert steps.count(100) >= 5
    first = max(made.trials, key=lambda one: next(iter(one.scores.values())))
    assert made.best.steps == 900
    assert first.steps > 100
    assert {state for _, _, state in tried(tmp_path / "s")} == {"COMPLETE", "PRUNED"}


BASE = {"hyperparameters": {"learning_rate": 1e-3, "gamma": 0.99, "hidden": [64]}, "num_envs": 8}


def test_fields_have_ranges_of_their_own():
    found = ranges_of("ppo", BASE, {"learning_rate": [], "gamma": [], "num_envs": []})
    assert found["learning_rate"] == {"low": 1e-4, "high": 1e-2, "log": True, "whole": False}
    assert found["gamma"] == {"low": 0.0, "high": 1.0, "log": False, "whole": False}
    assert found["num_envs"] == {"low": 1, "high": 80, "log": True, "whole": True}
    assert ranges_of("ppo", BASE, {"anneal_clip": []}) == {"anneal_clip": {"values": [False, True]}}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("lerning_rate 1 2", "no 'lerning_rate' to search; did you mean learning_rate"),
        ("learning_rate 1e-2 1e-3", "is empty: 1e-2 is not below 1e-3"),
        ("learning_rate 1e-3 1e-3", "is empty"),
        ("learning_rate 0 1 log", "logarithmic|above 0"),
        ("learning_rate -1 1", "learning_rate must be a number"),
        ("learning_rate 1", "is no range; write --range learning_rate LOW HIGH"),
        ("learning_rate 1 2 3", "is no range"),
        ("learning_rate a b", "is no range"),
        ("num_envs 1.5 3", "no range of whole numbers"),
        ("hidden", "no range of its own; name several values"),
    ],
)
def test_a_range_that_is_none_is_told_in_a_sentence(words, told):
    name, *rest = words.split()
    with pytest.raises(InputError, match=told):
        ranges_of("ppo", BASE, {name: rest})


def test_the_command_line_asks_for_the_same(tmp_path, capsys):
    ask = ["sweep", "ppo", "CartPole-v1", "--seeds", "1", "--workers", "0", "--steps", "4000"]
    search = [*ask, "--search", "tpe", "--trials", "5", "--folder", str(tmp_path / "s")]
    words = ["--range", "learning-rate", "1e-4", "1e-2", "log", "--range", "gamma"]
    assert main([*search, *words, "--hidden", "64 64", "32", "--halving"]) == 0
    content = json.loads((tmp_path / "s" / "sweep.json").read_text())
    assert content["halving"]
    assert content["search"] == {
        "kind": "tpe",
        "trials": 5,
        "ranges": {
            "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True, "whole": False},
            "gamma": {"low": 0.0, "high": 1.0, "log": False, "whole": False},
            "hidden": {"values": [[64, 64], [32]]},
        },
        "seed": 0,
    }
    capsys.readouterr()
    for bad, told in (
        ([*ask, *words], "--range is for a search"),
        ([*ask, "--search", "tpe"], "needs something to look for"),
        ([*search, "--range"], "--range needs a name after it"),
        ([*ask, "--search", "cmaes", "--hidden", "64 64", "32"], "cmaes searches numbers alone"),
        ([*ask, "--search", "tpe", "--num-envs", "4", "8"], "hyper-parameters, not of num_envs"),
    ):
        assert main(bad) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert told in line
