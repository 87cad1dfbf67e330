"""The commands that train runs again, written from what their config.json says.

Whoever wrote that file: its words are quoted as a shell wants them, comments stay on their line,
and no package is named for installing but those that Palestra itself asks for.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires
from itertools import count
from pathlib import Path
from typing import Any

from palestra import envs
from palestra.envs.atari2600 import PREFIX
from palestra.envs.host.atari import DEFAULT
from palestra.envs.host.games import is_atari
from palestra.tools.training.start import NAME as STARTED

# Of what a run was asked for beside what it learns, all that makes a difference to what it leaves.
FLAGS = ["episodes", "eval_every", "eval_episodes", "eval_envs", "stop_at", "keep"]
FLAGS += ["on_nan", "video", "devices"]
USUAL = {"on_nan": "stop", "video": True, "devices": 1}  # what needs no flag


def script(runs: Iterable[tuple[Path, Mapping[str, Any]]], report: Sequence[str]) -> str:
    """A script for a shell that trains all of the runs again, given by folder and config, and then
    makes the report, whose own words follow the folders."""
    alike: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for folder, config in runs:
        alike.setdefault((*_surroundings(config), *_training(folder, config)), []).append(config)
    lines, folders, before = list[str](), list[str](), ("", "")
    for (told, install, *words), each in alike.items():
        if (told, install) != before:
            lines += [line for line in (told, install) if line]
            before = told, install
        if words[0] == "#":
            lines.append(_comment(words[1]))
            continue
        folders.append(_new(f"{each[0]['algorithm']}-{each[0]['environment']}", folders))
        if words[1] == "train":
            words += ["--seeds", seeds_of(config["seed"] for config in each)]
        lines.append(shlex.join([*words, "--run", folders[-1]]))
    return "\n".join([*lines, shlex.join(["palestra", "report", *folders, *report])])


def _training(folder: Path, config: Mapping[str, Any]) -> Sequence[str]:
    """The words of the command that trains a run, without its seed; or # and why there is none."""
    name, environment = config["algorithm"], config["environment"]
    if "imported" in config:
        source = config["imported"] if isinstance(config["imported"], dict) else {}
        files = source.get("files")
        files = [str(file) for file in files] if isinstance(files, list) else []
        library = "sb3"
        if source.get("library") == "tensorboard":
            library, files = "tensorboard", [str(Path(file).parent) for file in files[:1]]
        words = ["palestra", "import", library, *files, "--env", environment]
        return [*words, "--algorithm", name, "--seed", str(config["seed"])]
    if "made_by" in config:
        return [
            "#",
            f"{folder}: what made its environment is {config['made_by']} of a Python program, "
            f"which gives it again: palestra.train(..., {name!r}, seed={config['seed']}).",
        ]
    words = ["palestra", "train", name, environment]
    asked = config.get("flags", {})
    plain = {name: config.get(name) for name in ("steps", "num_envs", "max_episode_steps")}
    plain |= {x: asked.get(x) for x in FLAGS if asked.get(x) != USUAL.get(x)}
    words += flags_of({name: value for name, value in plain.items() if value is not None})
    words += [word for part in config.get("ignore", []) for word in ("--ignore", str(part))]
    words += ["--from", str(folder / STARTED)] if (folder / STARTED).is_file() else []
    words += flags_of(config.get("hyperparameters", {}))
    kwargs = config.get("env_kwargs") or {}
    if is_atari(environment) or environment.startswith(PREFIX):  # its preset might say another
        kwargs = {"preprocessing": DEFAULT, **kwargs}
    return words + flags_of(kwargs, "env.", "" if envs.is_ours(environment) else "[]")


def flags_of(values: Mapping[str, Any], prefix: str = "", around: str = "") -> list[str]:
    """Names and values as flags; lists stand between the brackets `around`."""
    words = list[str]()
    for name, value in values.items():
        if isinstance(value, list) and not around:
            word = ",".join(map(str, value))
        elif value is None or isinstance(value, str):
            word = str(value)
        else:
            word = json.dumps(value)
        words += [f"--{prefix}{name.replace('_', '-')}", word]
    return words


def _surroundings(config: Mapping[str, Any]) -> tuple[str, str]:
    """A comment that says what a run was made with, and a line that installs it; or nothing."""
    versions = config.get("versions", {})
    ours = {name: x for name, x in versions.items() if name.lower() in _ours()}
    packages = [f"{x}=={y}" for x, y in ours.items() if re.fullmatch(r"[\w.!+-]+", y)]
    told = [f"{x} {y}" for x, y in versions.items() if f"{x}=={y}" not in packages]
    commit = config.get("commit")
    told += [f"Palestra's sources of commit {commit}"] if isinstance(commit, str) else []
    install = shlex.join(["python", "-m", "pip", "install", *packages]) if packages else ""
    return _comment(f"With {', '.join(told)}:") if told else "", install


def _ours() -> set[str]:
    """The packages that Palestra asks for, itself and its extras, in small letters."""
    try:
        asked = requires("palestra") or []
    except PackageNotFoundError:  # the sources alone
        asked = []
    names = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in asked}
    return names | {"palestra", "jaxlib"}


def _comment(text: str) -> str:
    """A line of which no shell runs any part."""
    return f"# {' '.join(''.join(x if x.isprintable() else ' ' for x in text).split())}"


def seeds_of(seeds: Iterable[int]) -> str:
    """Seeds as --seeds takes them."""
    each = sorted(set(seeds))
    if len(each) > 1 and each == list(range(each[0], each[-1] + 1)):
        return f"{each[0]}:{each[-1] + 1}" if each[0] else str(len(each))
    return ",".join(map(str, each)) + ("," if len(each) == 1 else "")


def _new(name: str, taken: Sequence[str]) -> str:
    """A folder to train into: the name, in letters that need no quotes, numbered where taken."""
    name = re.sub(r"[^\w.-]", "-", name)
    names = (f"again/{name}" + (f"-{i}" if i > 1 else "") for i in count(1))
    return next(one for one in names if one not in taken)
