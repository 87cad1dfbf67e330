"""Members of a population go on as copies of better ones, whoever is killed between two of them."""

import json

import numpy as np
import pytest

import palestra
from palestra.faults import InputError
from palestra.tools.cli import main
from palestra.tools.runs import checkpoint
from palestra.tools.sweeps import folder, population, work
from palestra.tools.sweeps.population import changed, drawn, members, schedule
from palestra.tools.sweeps.result import Sweep
from palestra.tools.training.reproduce import reproduce

TASK = "FrozenLake-v1", "q_learning"
RANGES = {"learning_rate": ("1e-3", "1", "log"), "gamma": ("0.5", "1")}
MEMBERS, EVERY, STEPS = 3, 2000, 4000
SMALL = {"num_envs": 4, "episodes": 20, "eval_episodes": 4, "video": False, "steps": STEPS}
KEPT = "metrics.jsonl", "last.safetensors", "agent.safetensors"


@pytest.fixture(scope="module", autouse=True)
def no_pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("palestra.tools.runs.run.Run.plot", lambda run: run.folder)
        yield


def begun(place) -> Sweep:
    asked = {"trials": MEMBERS, "every": EVERY, "ranges": RANGES, "seeds": 1, **SMALL}
    return palestra.sweep(*TASK, search="pbt", folder=place, workers=0, **asked)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Sweep:
    """A population that nobody disturbs."""
    made = begun(tmp_path_factory.mktemp("population") / "s")
    assert palestra.work(made.folder)
    return made


def past_of(made: Sweep) -> list[population.Generation]:
    return population.lineage(made.folder, made.content)


def test_the_worst_goes_on_as_a_copy_of_the_best(whole):
    (generation,) = past_of(whole)
    scores = {int(trial): score for trial, score in generation["scores"].items()}
    (one,) = generation["copied"]
    assert scores[one["parent"]] == max(scores.values())
    assert scores[one["replaces"]] == min(scores.values())
    assert one["trial"] == MEMBERS
    alive = members(whole.content, [generation])
    assert alive[MEMBERS] == one["replaces"]
    assert sorted(alive.values()) == list(range(MEMBERS))

    parent, child, stopped = (
        whole.folder / "runs" / folder.name_of(one[which], 0)
        for which in ("parent", "trial", "replaces")
    )
    before, after = ((run / "metrics.jsonl").read_text().splitlines() for run in (parent, child))
    same = [json.loads(line)["step"] for line in before].index(EVERY) + 1
    assert after[:same] == before[:same]
    assert after[same:] != before[same:]  # with other settings
    config = json.loads((child / "config.json").read_text())
    assert one["values"].items() <= config["hyperparameters"].items()
    assert folder.outcome(stopped)["steps"] == EVERY
    for trial in alive:
        outcome = folder.outcome(whole.folder / "runs" / folder.name_of(trial, 0))
        assert (outcome["steps"], outcome["interrupted"]) == (STEPS, False)


def test_the_schedule_of_the_best_is_told(whole):
    told = whole.as_dict()["schedule"]
    assert told[-1]["trial"] == whole.best.number
    assert [x["step"] for x in told] == sorted(x["step"] for x in told)
    assert told[-1]["values"] == pytest.approx(whole.best.values)
    assert "was trained with these settings" in str(whole)
    child = next(x for x in past_of(whole)[0]["copied"])
    since = schedule(whole.content, past_of(whole), child["trial"])
    assert [(x.step, x.trial) for x in since] == [(0, child["parent"]), (EVERY, child["trial"])]
    with pytest.raises(InputError, match="began as a copy of"):
        reproduce(whole.folder / "runs" / folder.name_of(child["trial"], 0))


def test_killed_anywhere_it_ends_as_if_nothing_had_been(whole, tmp_path, monkeypatch):
    made, train, killed = begun(tmp_path / "s"), work.Work.train_until, []
    copy, tell = checkpoint.write, population.write_json

    def dies(what: str, when: bool):
        if when and what not in killed:
            killed.append(what)
            raise KeyboardInterrupt

    def trained(worker, claim, until):
        dies("train", claim.name.startswith("0002"))
        return train(worker, claim, until)

    def copied(place, kept):
        dies("copy", place.parent.name == "new")
        copy(place, kept)

    def told(path, content):
        dies("tell", path.name == population.LINEAGE)
        tell(path, content)

    monkeypatch.setattr(work.Work, "train_until", trained)
    monkeypatch.setattr(checkpoint, "write", copied)
    monkeypatch.setattr(population, "write_json", told)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            palestra.work(made.folder)
    assert killed == ["train", "copy", "tell"]
    assert population.until(made.folder, made.content, MEMBERS) == 0  # nobody trains it before
    assert (made.folder / "runs" / folder.name_of(MEMBERS, 0)).is_dir()
    assert palestra.work(made.folder)
    assert past_of(made) == past_of(whole)
    assert [run.name for run in made.runs] == [run.name for run in whole.runs]
    for run in whole.runs:
        for name in KEPT:
            assert (made.folder / "runs" / run.name / name).read_bytes() == (
                run / name
            ).read_bytes(), (run.name, name)


BOTH = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True, "whole": False},
    "gamma": {"low": 0.9, "high": 1.0, "log": False, "whole": False},
}


@pytest.mark.tiny
def test_settings_are_changed_by_a_fifth_or_drawn_anew_and_stay_in_their_range():
    before, near = {"learning_rate": 1e-3, "gamma": 0.96}, set()
    for seed in range(200):
        now = changed(before, BOTH, np.random.default_rng(seed))
        assert all(BOTH[name]["low"] <= x <= BOTH[name]["high"] for name, x in now.items())
        near |= {(name, round(x, 6)) for name, x in now.items()}
    for name, fewer, more in (("learning_rate", 0.0008, 0.00125), ("gamma", 0.948, 0.975)):
        assert {(name, fewer), (name, more)} <= near
        assert sum(x == name for x, _ in near) > 20  # those that are drawn anew
    first = drawn(BOTH, 3, 0)
    assert len({one["gamma"] for one in first}) == 3
    assert first == drawn(BOTH, 5, 0)[:3]


@pytest.mark.tiny
def test_who_has_failed_is_replaced_too_and_nobody_by_its_equal():
    content = {"trials": drawn(BOTH, 5, 0), "population": {"ranges": BOTH, "seed": 0}}
    scores = {0: 1.0, 1: -np.inf, 2: 0.5, 3: -np.inf, 4: 0.2}
    copied = population.copies(content, [], scores)
    assert {one["replaces"] for one in copied} == {1, 3}
    assert {one["parent"] for one in copied} == {0}
    assert [one["trial"] for one in copied] == [5, 6]
    assert population.copies(content, [], dict.fromkeys(scores, 500.0)) == []
    assert population.copies(content, [], dict.fromkeys(scores, -np.inf)) == []


def test_what_cannot_be_is_told_in_a_sentence(tmp_path, capsys):
    ask = ["sweep", *reversed(TASK), "--folder", str(tmp_path / "s"), "--steps", "3600"]
    pbt = [*ask, "--search", "pbt"]
    rate = ["--range", "learning_rate", "0.01", "1", "log"]
    for words, told in (
        (pbt, "needs something to change"),
        ([*pbt, *rate, "--halving"], "give one of the two"),
        ([*pbt, *rate, "--stop-at", "0.5"], "leave one of the two out"),
        ([*ask, "--halving", "--stop-at", "0.5"], "leave one of the two out"),
        ([*pbt, *rate, "--gamma", "0.9", "0.99"], "give one value of gamma, or --range"),
        ([*pbt, "--range", "num_envs", "1", "8"], "numbers with a point"),
        ([*pbt, *rate, "--trials", "1"], "two members or more"),
        ([*pbt, *rate, "--every", "3600"], "every must be below the steps, which are 3,600"),
        ([*pbt, *rate, "--every", "0"], "every"),
        ([*ask, "--every", "100"], "--every is for population-based training"),
        ([*ask, *rate, "--search", "random", "--every", "100"], "every is for population-based"),
    ):
        assert main(words) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert told in line
    assert not (tmp_path / "s").exists()
    for bad in ({}, {"trial": 9, "replaces": 0, "parent": 7, "values": dict.fromkeys(BOTH, 0.5)}):
        path = tmp_path / population.LINEAGE
        copied = [bad] if bad else []
        one = {"step": 1, "scores": {}, "copied": copied}
        path.write_text(json.dumps({"generations": [one] * 3}))
        content = {"trials": [{}], "steps": 2, "population": {"every": 1, "ranges": BOTH}}
        with pytest.raises(InputError, match="is damaged"):
            population.lineage(tmp_path, content)
