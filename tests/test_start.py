"""What is not imported before it is needed, each time in a process of its own."""

import subprocess
import sys

import pytest

LOADED = "import sys; print([m for m in ('gymnasium', 'jax', 'matplotlib') if m in sys.modules])"
COMMANDS = [
    "train",
    "resume",
    "reproduce",
    "evaluate",
    "plot",
    "video",
    "watch",
    "export",
    "play",
    "check",
    "list",
    "cite",
]
TRAIN = "train dqn CartPole-v1"
WRONG = {
    "trian": "There is no command 'trian'; did you mean train?",
    "train dqm CartPole-v1": "did you mean dqn?",
    "train dqn CartPole-v2": "There is no environment 'CartPole-v2'; did you mean CartPole-v1?",
    "train dqn Foo-v0": "There is no environment 'Foo-v0'",
    "play CartPole-v2": "did you mean CartPole-v1?",
    "check CartPole-v2": "did you mean CartPole-v1?",
    "train dqn": "train needs an algorithm and an environment first",
    "evaluate": "evaluate needs a run first",
    f"{TRAIN} --lerning-rate 1": "did you mean --learning-rate?",
    f"{TRAIN} --env.pole-mas 1": "did you mean --env.pole-mass?",
    f"{TRAIN} --learning-rate fast": "--learning-rate must be a number, not 'fast'.",
    f"{TRAIN} --batch-size 0": "batch_size must be a whole number of at least 1, not 0.",
    f"{TRAIN} --env.pole-mass -1": "pole_mass must be a number above 0, not -1.0.",
    f"{TRAIN} --steps 0": "steps must be a whole number of at least 1, not 0.",
    f"{TRAIN} --num-envs -2": "num_envs must be a whole number of at least 1, not -2.",
    f"{TRAIN} --seeds 0": "seeds must be a whole number from 1 to 10,000, not 0.",
    f"{TRAIN} --max-episode-steps 0": "at least 1, or -1 for no limit, not 0.",
    f"{TRAIN} --eval-envs -1": "eval_envs must be a whole number of at least 0, not -1.",
    f"{TRAIN} --steps": "--steps needs a value",
    f"{TRAIN} --preset zoo": "did you mean rl-zoo?",
    f"{TRAIN} --preset nowhere.json": "There are no settings at nowhere.json",
    f"{TRAIN} --from nowhere": "There is no agent at nowhere",
    "train --like nowhere": "There are no settings at nowhere",
    "evaluate nowhere": "There is no agent at nowhere",
    "evaluate nowhere --episodes 0": "episodes must be a whole number from 1 to 1,000,000, not 0.",
    "export nowhere --numpy": "There is no agent at nowhere",
    "video nowhere": "There is no agent at nowhere",
    "watch a.mp4 nowhere": "There is no agent at nowhere",
    "plot nowhere": "nowhere is not a run folder",
    "resume nowhere": "nowhere is not a run folder",
    "reproduce nowhere": "nowhere is not a run folder",
    "cite sak": "did you mean sac?",
}
FOREIGN = ["train dqn Foo-v0"]  # Gymnasium knows ids that we do not


def alone(code: str) -> subprocess.CompletedProcess:
    """What a process of its own has said."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def told(command: str) -> tuple[int, list[str], str]:
    """A command's exit code, which of the heavy modules it has imported, and its complaint."""
    code = "from palestra.tools.cli import main\ntry: code = main({})\n"
    code += "except SystemExit as end: code = end.code or 0\nprint(code)\n{}"
    done = alone(code.format(command.split(), LOADED))
    assert done.stdout, done.stderr
    code, loaded = done.stdout.splitlines()[-2:]
    return int(code), eval(loaded), done.stderr


@pytest.mark.parametrize(
    "command",
    ["--help", "--version", "list", f"{TRAIN} --help", "play CartPole-v1 --help"]
    + [f"{name} --help" for name in COMMANDS],
)
def test_help_needs_neither_jax_nor_gymnasium(command):
    assert told(command) == (0, [], "")


@pytest.mark.parametrize("command", WRONG)
def test_what_cannot_be_is_said_without_jax(command):
    code, loaded, said = told(command)
    assert code == 2
    assert said.startswith("palestra: ")
    assert said.count("\n") == 1
    assert WRONG[command] in said
    assert loaded == (["gymnasium"] if command in FOREIGN else [])


@pytest.mark.parametrize(
    "imports",
    [
        "import palestra, gymnasium",
        "import gymnasium, palestra",
        "import palestra; from gymnasium.envs.registration import make; import gymnasium",
        "import gymnasium.spaces; from palestra import envs; import gymnasium",
        "import palestra as gymnasium",
        "from palestra import *; import gymnasium",
        "import palestra, importlib.util; importlib.util.find_spec('gymnasium'); import gymnasium",
    ],
)
def test_our_environments_are_known_in_whatever_order_modules_are_imported(imports):
    done = alone(f"{imports}\nprint(gymnasium.make('palestra/CartPole-v1').spec.id)")
    assert done.stdout == "palestra/CartPole-v1\n", done.stderr


def test_importing_palestra_imports_nothing_that_is_large():
    code = "import palestra, palestra.envs.classic; hasattr(palestra, 'prng')"
    assert alone(f"{code}; {LOADED}").stdout == "[]\n"


def test_gymnasiums_names_are_ours_too():
    code = "import palestra, gymnasium; print(palestra.Env is gymnasium.Env, *dir(palestra))"
    same, *names = alone(code).stdout.split()
    assert same == "True"
    assert {"spaces", "wrappers", "DQN", "train", "__version__"} <= set(names)


def test_a_version_that_gymnasium_alone_has_is_left_to_it():
    code = "from palestra.envs import ENVIRONMENTS, check_version\n"
    code += "check_version('CartPole-v0')\ndel ENVIRONMENTS['CartPole-v0']\n"
    assert alone(f"{code}check_version('CartPole-v0'); {LOADED}").stdout == "[]\n"
    assert "did you mean CartPole-v1?" in alone(f"{code}check_version('CartPole-v2')").stderr
