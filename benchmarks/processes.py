"""What the comparisons share: peers in virtual environments of their own, and where all ran."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(__file__).resolve().parent / "peers"
RESULTS = Path(__file__).resolve().parent / "results"
SHOWN = 15  # lines of what a failing process said


def say(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-SHOWN:])


def python_for(system: str, packages: Sequence[str], venvs: Path) -> Path | None:
    """The system's Python, with a fresh virtual environment where there is none; None if that
    fails, which must not keep the others from running."""
    folder = venvs / system
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if python.exists():
        return python.absolute()
    say(f"installing {system} in {folder} ...")
    install = [str(python), "-m", "pip", "install", "--quiet", *packages]
    for command in ([sys.executable, "-m", "venv", str(folder)], install):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            say(f"{system} cannot be installed:\n{tail(done.stderr)}")
            shutil.rmtree(folder, ignore_errors=True)
            return None
    return python.absolute()


def clean_environment(**extra: str) -> dict[str, str]:
    """The user's, without settings that would change a system's defaults, and without a GPU."""
    dropped = ("JAX_", "XLA_", "PALESTRA_", "OMP_", "MKL_", "PYTHONPATH")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    return kept | {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""} | extra


def machine() -> dict[str, str]:
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory": memory(),
        "system": platform.platform(),
    }


def in_words(machine: dict[str, str]) -> str:
    cores = f"{machine['cores']} cores, {machine['memory']}"
    return f"{machine['processor']}, {cores}; {machine['system']}; CPU only"


def processor() -> str:
    """Its model's name; Linux and macOS tell, each in its own way."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine()


def memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        size = int(sysctl("hw.memsize") or 0)
    return f"{size / 2**30:.0f} GiB" if size else "unknown"


def sysctl(name: str) -> str:
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip()
