"""Runs compared: the numbers are the definitions', and what is left out or doubtful is said."""

import csv
import io
import json

import numpy as np
import pandas
import pytest
from run_folders import add, write_run
from scipy import stats

import palestra
from palestra.tools.cli import main
from palestra.tools.statistics import definitions as of
from palestra.tools.statistics.tables import Table

DQN, PPO = [300.0, 350.0, 420.0, 380.0, 500.0], [450.0, 480.0, 500.0, 470.0, 460.0]


def curve(end: float) -> list[list[float]]:
    """Evaluations of two episodes: the mean goes half of the way, then to its end."""
    return [[0.5 * end, 0.5 * end], [end - 10, end + 10]]


@pytest.fixture(scope="module")
def top(tmp_path_factory):
    top = tmp_path_factory.mktemp("compared")
    for seed, (dqn, ppo) in enumerate(zip(DQN, PPO, strict=True)):
        write_run(top / "cart" / f"dqn{seed}", seed=seed, curve=curve(dqn))
        write_run(top / "cart" / f"ppo{seed}", seed=seed + 10, algorithm="ppo", curve=curve(ppo))
        for name, score in (("dqn", -85.0 - seed), ("ppo", -90.0 - seed)):
            folder = top / "acrobot" / f"{name}{seed}"
            write_run(folder, env="Acrobot-v1", seed=seed, algorithm=name, curve=curve(score))
    return top


def runs(folder) -> list:
    return sorted(folder.iterdir())


def test_one_environment(top):
    found = palestra.compare(*runs(top / "cart"))
    (one,) = found.as_dict()["environments"]
    assert (one["environment"], one["threshold"], one["reference"]["best"]) == (
        *("CartPole-v1", 475.0, 500.0),
    )
    dqn, ppo = one["groups"]
    assert (dqn["name"], dqn["scores"], dqn["seeds"]) == ("dqn", DQN, [0, 1, 2, 3, 4])
    told, scores = dqn["statistics"], [np.array(DQN)]
    assert told["mean, Student"][:2] == of.student(DQN)[:2]
    assert told["mean, Student"].high == of.student(DQN, [0, 510.0]).high
    assert told["interquartile mean"] == of.bootstrapped(of.interquartile_mean, scores)
    assert told["median"].mean == 380.0
    assert told["area under the curve, Student"].mean == pytest.approx(np.mean(DQN) * 0.75)
    gap = 1 - np.mean((np.array(DQN) - 22.3) / (500 - 22.3))
    assert told["optimality gap"].mean == pytest.approx(gap)
    assert dqn["range of the middle 90 %"] == 200.0
    assert dqn["min-max range"] == pytest.approx(200 / (500 - 22.3))
    assert ppo["reached"] == {"seeds": 2, "steps": 2000.0, "seconds": 10.0}
    (pair,) = one["pairs"]
    theirs = stats.ttest_ind(DQN, PPO, equal_var=False)
    assert pair["welch"]["p"] == pytest.approx(theirs.pvalue)
    assert pair["probability of improvement"].mean == pytest.approx(
        stats.mannwhitneyu(DQN, PPO).statistic / 25
    )
    assert pair["seeds that would tell"] == of.seeds_to_tell(
        np.mean(DQN) - np.mean(PPO), np.std(DQN, ddof=1), np.std(PPO, ddof=1)
    )
    assert found.notes == [
        "dqn and ppo on CartPole-v1 have no seed in common; every test here takes seeds as "
        "independent, so that they may be compared all the same."
    ]


def test_best_agents_and_another_threshold(tmp_path):
    write_run(tmp_path / "a", curve=[[400.0], [480.0], [100.0]])
    found = palestra.compare(tmp_path / "a", agents="best", threshold=300.0).as_dict()
    (group,) = found["environments"][0]["groups"]
    assert (group["scores"], group["reached"]["steps"]) == ([480.0], 1000.0)
    assert group["statistics"]["mean"] == (480.0, None, None)
    with pytest.raises(palestra.InputError, match="agents must be 'last' or 'best'"):
        palestra.compare(tmp_path / "a", agents="worst")


def test_several_environments_come_together_on_one_scale(top):
    found = palestra.compare(*runs(top / "cart"), *runs(top / "acrobot"))
    content = found.as_dict()
    dqn, ppo = content["together"]["groups"]
    cart = (np.array(DQN) - 22.3) / (500 - 22.3)
    acrobot = (np.array([-85.0, -86.0, -87.0, -88.0, -89.0]) + 499.3) / (499.3 - 81.3)
    scores = [cart, acrobot]
    assert (dqn["name"], dqn["runs"], ppo["runs"]) == ("dqn", 10, 10)
    assert dqn["statistics"]["mean"] == pytest.approx(of.bootstrapped(of.mean, scores))
    assert dqn["profile"] == of.profile(scores, content["together"]["thresholds"]).tolist()
    (pair,) = content["together"]["pairs"]
    assert 0 < pair["probability of improvement"].mean < 1
    assert "There are 2 environments: each is compared by itself, then all together" in str(found)
    table = pandas.DataFrame(found.rows())
    assert set(table["environment"]) == {"CartPole-v1", "Acrobot-v1", "all"}


def test_environments_without_a_scale_stay_apart(tmp_path, top):
    write_run(tmp_path / "a", env="Unknown-v0", curve=curve(1.0))
    found = palestra.compare(tmp_path / "a", top / "cart" / "dqn0")
    assert found.as_dict()["together"] is None
    assert "since no random and best returns of Unknown-v0 are known" in found.notes[-1]
    others = top / "acrobot" / "dqn0", top / "acrobot" / "ppo0"
    found = palestra.compare(tmp_path / "a", top / "cart" / "dqn0", *others)
    together = found.as_dict()["together"]
    assert together["environments"] == ["CartPole-v1", "Acrobot-v1"]
    assert [group["name"] for group in together["groups"]] == ["dqn"]
    scale, apart = found.notes[-2:]
    assert "then CartPole-v1, Acrobot-v1 together" in scale
    assert "since no random and best returns of Unknown-v0 are known" in scale
    assert apart == "Without runs in all of CartPole-v1, Acrobot-v1, and so not together: ppo."
    few = "dqn on Unknown-v0; dqn on CartPole-v1; dqn on Acrobot-v1 and 1 more each have 1 seed,"
    assert found.notes[0].startswith(few)


def test_changed_settings_are_groups_of_their_own(tmp_path):
    for seed in range(2):
        write_run(tmp_path / f"a{seed}", seed=seed)
        write_run(tmp_path / f"b{seed}", seed=seed, learning_rate=0.1)
    (one,) = palestra.compare(*runs(tmp_path)).as_dict()["environments"]
    assert [x["name"] for x in one["groups"]] == [
        *("dqn, learning_rate=0.001", "dqn, learning_rate=0.1"),
    ]
    assert one["pairs"][0]["welch"] is None  # neither varies


def test_what_is_left_out_and_what_is_doubtful_is_said(tmp_path, top):
    write_run(tmp_path / "died", state="died")
    write_run(tmp_path / "stopped", state="interrupted")
    write_run(tmp_path / "nan", curve=[[1.0], [float("nan")]])
    write_run(tmp_path / "good", curve=[[500.0]])
    write_run(tmp_path / "again", curve=[[400.0], [450.0]])
    write_run(tmp_path / "more", seed=1, curve=[[500.0]])
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text("{")
    found = palestra.compare(*runs(tmp_path))
    notes = "\n".join(found.notes)
    assert "bad/config.json is damaged" in notes
    assert "died is not at its end (step 3,000)" in notes
    assert "stopped is not at its end" in notes
    assert "nan has no mean return of its last agent (nan)." in notes
    assert (
        "dqn on CartPole-v1 has 2 seeds, fewer than 5: the bootstrap's intervals are too narrow"
        in notes
    )
    assert "of runs with the same seed the longest counts; 1 left out" in notes
    assert "runs took from 1,000 to 2,000 steps" in notes
    assert found.as_dict()["environments"][0]["groups"][0]["scores"] == [450.0, 500.0]


def test_settings_of_unequal_steps_are_compared_and_that_is_said(top, tmp_path):
    for seed in range(2):
        write_run(tmp_path / f"short{seed}", seed=seed, curve=[[100.0]])
        write_run(tmp_path / f"long{seed}", seed=seed, algorithm="ppo", curve=[[200.0]] * 4)
        write_run(tmp_path / f"about{seed}", seed=seed, algorithm="a2c", every=3900, curve=[[2.0]])
    found = palestra.compare(*runs(tmp_path))
    assert len(found.environments[0].groups) == 3
    told = "unequal numbers of steps, from 1,000 (dqn) to 4,000 (ppo): a difference in return may"
    assert f"On CartPole-v1 settings were trained for {told}" in str(found)
    alike = palestra.compare(*(x for x in runs(tmp_path) if "short" not in x.name))
    assert "unequal" not in str(alike)


def test_a_run_that_failed_is_said_to_be_missing(tmp_path):
    write_run(tmp_path / "good", curve=[[500.0]])
    gone = write_run(tmp_path / "gone", seed=1, state="interrupted")
    add(gone, "summary.json", error="Stopped at step 3,000: the learner is NaN.")
    found = palestra.compare(*runs(tmp_path))
    assert (
        "gone failed (Stopped at step 3,000: the learner is NaN), so that what is told of its "
        "setting is of its other runs alone." in str(found)
    )


def test_commands(top, tmp_path, capsys):
    folders = [str(x) for x in runs(top / "cart")]
    assert main(["compare", *folders]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("CartPole-v1: return, and 95 % intervals over seeds\n\n")
    assert "dqn over ppo" in out
    assert "one time in twenty" not in out  # of a single test
    assert err.count("\n") == 1
    assert main(["compare", *folders, "--json"]) == 0
    content = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert content["environments"][0]["groups"][0]["scores"] == DQN
    assert main(["compare", *folders, "--csv", "--output", str(tmp_path / "x.csv")]) == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text())))
    assert {row["group"] for row in rows} == {"dqn", "ppo"}
    capsys.readouterr()
    assert main(["compare", *folders, "--format", "md"]) == 0
    assert "| dqn | 5 | 390.0 [" in capsys.readouterr().out
    assert main(["compare", *folders, "--format", "tex"]) == 0
    assert r"dqn & 5 & 390.0 [" in capsys.readouterr().out


def test_names_cannot_break_a_table():
    table = Table("100 %", ["a_b", "x|y"], [["$1 & {2}", "\\end"]])
    assert table.as_markdown().endswith("| a_b | x\\|y |\n|---|---|\n| \\$1 & {2} | \\\\end |")
    assert r"\$1 \& \{2\} & \textbackslash{}end \\" in table.as_tex()
    inside = table.as_tex().split(r"\resizebox{", 1)[1]  # no table runs over the edge of the page
    assert inside.index(r"\linewidth") < inside.index(r"\begin{tabular}")
    assert r"\end{tabular}}" in inside
    assert r"\caption{100 \%}" in table.as_tex()
    table = Table("t", ["a", "b"], [["[5cm]", "![x](y) <b>\n| c"]])
    assert "\n{}[5cm] & " in table.as_tex()
    assert table.as_markdown().endswith(r"| [5cm] | ![x]\(y) &lt;b> \| c |")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "needs at least one run"),
        (["nowhere"], "nowhere is not a run folder"),
        (["DIED"], "there is no run to compare. Left out: "),
        (["RUN", "--json", "--csv"], "exclude each other"),
        (["RUN", "--threshold", "nan"], "threshold"),
        (["RUN", "--output", "/dev/full"], "cannot be written"),
    ],
)
def test_bad_input_is_one_sentence(top, tmp_path, wrong, said, capsys):
    write_run(tmp_path / "died", state="died")
    known = {"RUN": str(top / "cart" / "dqn0"), "DIED": str(tmp_path / "died")}
    assert main(["compare", *(known.get(word, word) for word in wrong)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
