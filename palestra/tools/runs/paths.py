"""Where runs and their files are, before anything is read. Nothing here imports JAX."""

from pathlib import Path

from palestra.tools.runs import zoo

SWEEP = "sweep.json"  # in the folder of a sweep, whose runs are in runs/


def runs_in(path: Path) -> list[Path]:
    """The run folders that a path stands for: itself, those of the seeds in it, or of a sweep.

    Raises FileNotFoundError, naming the newest run in it, for a folder of other runs.
    """
    if zoo.is_named(path):
        return [path]
    if (path / SWEEP).is_file():
        return sorted(config.parent for config in path.glob("runs/*/config.json"))
    seeds = [folder for folder in path.glob("seed*") if (folder / "config.json").is_file()]
    if (path / "config.json").is_file() or not path.is_dir():
        return [path]
    if seeds:
        return sorted(seeds, key=lambda folder: (len(folder.name), folder.name))
    inside = [config.parent for config in path.glob("*/config.json")]
    if inside:
        newest = max(inside, key=lambda folder: (folder / "config.json").stat().st_mtime)
        raise FileNotFoundError(f"{path} holds several runs; name one, the newest is {newest}.")
    return [path]


def config_of(folder: Path) -> Path:
    """config.json of a run folder. Raises FileNotFoundError where there is none."""
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a run folder: it has no config.json.")
    return path


def agent_of(path: Path) -> Path:
    """The agent's file that a path stands for: itself, a run folder's best, or one that comes with
    Palestra, zoo:dqn/CartPole-v1. Raises FileNotFoundError where there is none."""
    if zoo.is_named(path):
        return zoo.file_of(path)
    path = path / "agent.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no agent at {path}; name a run folder or its agent file."
        )
    return path


def beside(path: Path, name: str) -> Path:
    """Where a file that is made of a run or an agent goes: into the run's folder, beside the
    agent's file, or, of one that comes with Palestra, here and by the agent's name."""
    if zoo.is_named(path):
        return Path(f"{zoo.label_of(path)}-{name}")
    return (path if path.is_dir() else path.parent) / name


def settings_at(path: Path) -> Path:
    """The JSON file of settings that a path stands for: itself, or a run's config.json. Raises
    FileNotFoundError where there is none."""
    path = path / "config.json" if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"There are no settings at {path}; name a JSON file or a run.")
    return path
