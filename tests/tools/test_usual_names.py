"""Names and forms that people bring from elsewhere are taken, or answered by what they mean."""

import codecs
import subprocess
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path

import pytest

import palestra
from palestra.algorithms import ALGORITHMS
from palestra.envs.toy_text.frozen_lake import FrozenLake
from palestra.faults import InputError
from palestra.names import OURS_AND_THEIRS, hint
from palestra.ranges import Count
from palestra.tools.cli import TrainFlags, main
from palestra.tools.cli.parsing import Output, Positional, parse_parts, seeds_of, whole_number
from palestra.tools.training.options import Options

CALLED = {
    ("ppo", "--n-steps"): "--rollout-length",
    ("ppo", "--ent_coef"): "--entropy-coef",
    ("ppo", "--clip-range"): "--clip",
    ("ppo", "--batch-size"): "--minibatches",
    ("ppo", "--total-timesteps"): "--steps",
    ("ppo", "--policy-kwargs"): "--hidden",
    ("dqn", "--n-steps"): "--n-step",
    ("dqn", "--alpha"): "--learning-rate",
    ("dqn", "--lr"): "--learning-rate",
    ("dqn", "--tau"): "--target-rate",
    ("dqn", "--n-envs"): "--num-envs",
    ("dqn", "--buffer-size"): "--memory-size",
    ("dqn", "--exploration-fraction"): "--epsilon-steps",
    ("dqn", "--masspole"): "--env.pole-mass",
    ("dqn", "--save-path"): "--run",
}


@pytest.mark.parametrize(("asked", "ours"), CALLED.items(), ids="".join)
def test_a_name_from_elsewhere_is_answered_by_its_meaning(asked, ours, capsys):
    algorithm, flag = asked
    assert main(["train", algorithm, "CartPole-v1", flag, "1"]) == 2
    assert f"There is no flag {flag!r}; here it is called {ours}." in capsys.readouterr().err


def test_sac_calls_alpha_its_temperature(capsys):
    assert main(["train", "sac", "Pendulum-v1", "--alpha", "1"]) == 2
    assert "here it is called --temperature." in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--zeta", "--hat", "--gamut", "--ste"])
def test_where_nothing_fits_nothing_is_suggested(flag, capsys):
    assert main(["train", "dqn", "CartPole-v1", flag, "1"]) == 2
    said = capsys.readouterr().err
    assert "did you mean" not in said
    assert "here it is called" not in said


def test_the_table_names_what_there_is():
    known = {field.name for row in ALGORITHMS.values() for field in fields(row.learner)}
    known |= (
        {field.name for field in fields(TrainFlags)}
        | {field.name for field in fields(Options)}
        | {"explore", "obs", "env_kwargs"}
    )
    known |= {"eval_every"}
    for env_id, row in palestra.envs.ENVIRONMENTS.items():
        known |= {field.name for field in fields(row.simulator)} if env_id else set()
    assert OURS_AND_THEIRS.keys() <= known
    for ours, theirs in OURS_AND_THEIRS.items():  # none of them is hidden behind another row
        for name in theirs.split():
            assert hint(name, [ours]) == f"here it is called {ours}."


def test_keywords_in_python_are_answered_alike():
    with pytest.raises(TypeError, match=r"PPO has no 'ent_coef'; here it is called entropy_coef\."):
        palestra.PPO(ent_coef=0.01)
    with pytest.raises(TypeError, match=r"PPO has no 'learning_rat'; did you mean learning_rate\?"):
        palestra.PPO(learning_rat=0.01)
    with pytest.raises(TypeError, match=r"takes its settings by name, such as PPO\(learning_rate"):
        palestra.PPO("MlpPolicy", "CartPole-v1")
    with pytest.raises(TypeError, match=r"no 'total_timesteps'; here it is called steps\."):
        palestra.train("CartPole-v1", "dqn", total_timesteps=100)
    with pytest.raises(TypeError, match=r"no 'n_steps'; here it is called rollout_length\."):
        palestra.train("CartPole-v1", "ppo", n_steps=100)
    with pytest.raises(AttributeError, match=r"PPO has no 'learn'; palestra\.train\(env, algo"):
        palestra.PPO().learn(100)  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"PPO has no 'save'; settings hold no weights"):
        palestra.PPO().save("here")  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"^PPO has no 'other'$"):
        palestra.PPO().other  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize(
    ("given", "digits"),
    [
        ("1e6", "1000000"),
        ("1M", "1000000"),
        ("2.5k", "2500"),
        ("1_000_000", "1000000"),
        ("1,000,000", "1000000"),
        ("1E3", "1000"),
        ("-1", "-1"),
        ("1.5", "1.5"),
        ("1e-3", "1e-3"),
        ("1,5", "1,5"),
        ("many", "many"),
    ],
)
def test_whole_numbers_as_people_write_them(given, digits):
    assert whole_number(given) == digits


def test_flags_as_people_write_them():
    @dataclass
    class Flags:
        place: Positional[str] = "none"
        paths: Positional[tuple[Path, ...]] = ()
        log: list[str] = field(default_factory=list)
        output: Output = None
        most: Count | None = 5
        layout: tuple[float, ...] = ()

    def read(text):
        parts = {
            "": Flags,
            "train": TrainFlags(steps=9, num_envs=2),
            "options": Options(),
            "dqn": palestra.DQN(),
        }
        made = parse_parts(parts | {"env": FrozenLake()}, text.split(), "palestra train")
        before = {part: vars(x()) if isinstance(x, type) else vars(x) for part, x in parts.items()}
        before["env"] = vars(FrozenLake())
        now = {part: vars(made[part]) for part in made}
        return {k: x for part in now for k, x in now[part].items() if before[part][k] != x}

    assert read("--steps 1e6 --seed=1k") == {"steps": 1_000_000, "seed": 1_000}
    assert read("--hidden 64,32 --dueling true") == {"hidden": (64, 32), "dueling": True}
    assert read("--hidden=(8,) --double=False --no-video") == {
        "hidden": (8,),
        "double": False,
        "video": False,
    }
    assert read("--hidden 8 8 --dueling --quiet") == {
        "hidden": (8, 8),
        "dueling": True,
        "quiet": True,
    }
    assert read("--run -x --video no") == {"run": Path("-x"), "video": False}
    assert read("--num_envs 3 --num-envs 1e1") == {"num_envs": 10}  # the last one counts
    assert read("here a,b c -o d") == {
        "place": "here",
        "paths": (Path("a,b"), Path("c")),
        "output": Path("d"),
    }
    assert read("--log a,b c --quiet --log d") == {"log": [*"abcd"], "quiet": True}
    assert read("--most None --layout -0.5 1") == {"most": None, "layout": (-0.5, 1.0)}
    assert read("--env.is-slippery false --env.desc SF,FG") == {
        "is_slippery": False,
        "desc": ("SF", "FG"),
    }
    assert read("--env.no-is-slippery") == {"is_slippery": False}
    for wrong, said in {
        "--no-steps": "There is no flag '--no-steps'",
        "--no-quiet=yes": "--no-quiet takes no value.",
        "--quiet=maybe": "--quiet must be true or false, not 'maybe'.",
        "--video=": "--video must be true or false, not ''.",
        "--run": "--run needs a value after it.",
        "--run --quiet": "--run needs a value after it.",
        "--most 1.5": "--most must be a whole number, not '1.5'.",
        "--most 0": "most must be a whole number of at least 1, not 0.",
        "--steps None": "--steps must be a whole number, not 'None'.",
        "-x": "There is no flag '-x'",
        "a b --quiet c": "'c' is one word too many",
    }.items():
        with pytest.raises(InputError, match=said):
            read(wrong)


def test_seeds_as_people_write_them():
    assert seeds_of("10") == 10
    assert seeds_of("10:13") == [10, 11, 12]
    assert seeds_of("3,5,8") == [3, 5, 8]
    for wrong in ("3:3", "5:3", "a", "3,", "-1", "1.5"):
        if wrong != "3,":
            with pytest.raises(ValueError, match="--seeds must say how many, as 10, or which"):
                seeds_of(wrong)


SENTENCES = {
    "swapped": ("train CartPole-v1 dqn", "The algorithm comes first: palestra train dqn CartPole"),
    "a file": ("train dqn maze.py", "name the environment in it: maze:Name-v0, as"),
    "of Atari": ("train dqn Pong-v5", "did you mean ALE/Pong-v5?"),
    "DDQN": ("train DDQN CartPole-v1", "did you mean dqn, which is double"),
    "seeds backwards": ("train dqn CartPole-v1 --seeds 4:2", "not '4:2'."),
    "seeds twice": ("train dqn CartPole-v1 --seeds 4,4", "seeds must be different numbers"),
    "a place": ("list nothing", "what must be one of all, zoo, not 'nothing'."),
    "width in words": ("train dqn CartPole-v1 --hidden 64,x", "--hidden must be numbers such as"),
    **{
        command: (command, f"{command} needs a run first: palestra {command} RUN.")
        for command in ("evaluate", "video", "resume", "reproduce", "export")
    },
}


@pytest.mark.parametrize(("line", "sentence"), SENTENCES.values(), ids=SENTENCES)
def test_one_sentence(line, sentence, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == 2
    printed = capsys.readouterr()
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not list(tmp_path.iterdir())


def test_a_number_of_a_preset_and_seeds_by_name(tmp_path: Path, monkeypatch, capsys):
    """Names of algorithms are taken as they are written; a keyword changes the preset alone."""
    monkeypatch.chdir(tmp_path)
    small = {"episodes": 2, "video": False, "quiet": True}
    runs = palestra.train(
        "FrozenLake-v1", "Q-Learning", steps=1_000, seeds=[3, 5], run="r", epsilon_end=0.5, **small
    )
    preset = palestra.preset("q_learning", "FrozenLake-v1")
    assert [run.config["seed"] for run in runs] == [3, 5]
    assert [run.folder.name for run in runs] == ["seed3", "seed5"]
    assert runs[0].config["algorithm"] == "q_learning"
    settings = runs[0].config["hyperparameters"]
    assert settings["epsilon_end"] == 0.5
    assert settings["learning_rate"] == preset.algorithm.learning_rate
    own = palestra.QLearning(epsilon_end=0.5)
    palestra.train("FrozenLake-v1", own, steps=100, run="own", **(small | {"quiet": False}))
    assert "would begin from the preset" in capsys.readouterr().err


def test_output_that_knows_ascii_alone():
    for words in (["list"], ["train", "dqn", "CartPole-v1", "--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "palestra", *words],
            capture_output=True,
            env={"PYTHONIOENCODING": "ascii", "PATH": "", "HOME": "/nowhere"},
        )
        assert done.returncode == 0, done.stderr
        assert codecs.decode(done.stdout, "ascii")
