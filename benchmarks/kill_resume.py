"""Kill runs at random moments, resume them, and compare what they end as with runs left alone.

    python benchmarks/kill_resume.py                 # 200 kills: a quarter of an hour on two cores
    python benchmarks/kill_resume.py --kills 20 --only dqn ppo

Every chain is one run: it is trained until SIGKILL, resumed until SIGKILL, and so on a few times,
then resumed to its end. Its agents and metrics must be those of the uninterrupted run, to the last
bit. Moments are drawn evenly over the time that the whole run takes, so that some kills come while
a checkpoint is written, some before there is one, and some while the result is evaluated.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

FILES = "agent.safetensors", "last.safetensors", "metrics.jsonl"
# The algorithm, its task, steps: with tables, on-policy, with replay, with priorities, continuous;
# and on the host, in environments that keep their state.
TASKS = {
    "q_learning": ("FrozenLake-v1", 400_000),
    "ppo": ("CartPole-v1", 400_000),
    "a3c": ("CartPole-v1", 400_000),
    "dqn": ("CartPole-v1", 30_000),
    "rainbow": ("CartPole-v1", 6_000),
    "sac": ("Pendulum-v1", 6_000),
    "dqn-host": ("palestra/CartPole-v1", 30_000),
    "ppo-host": ("palestra/Pendulum-v1", 30_000),
}
SETTINGS = ["--checkpoint-seconds", "0.2", "--no-video", "--episodes", "5", "--quiet"]
EACH = 5  # kills of one run


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "palestra", *words]


def train(name: str, folder: Path) -> list[str]:
    env_id, steps = TASKS[name]
    algorithm = name.removesuffix("-host")
    return command(
        "train", algorithm, env_id, "--steps", str(steps), "--run", str(folder), *SETTINGS
    )


def resume(folder: Path) -> list[str]:
    if not (folder / "config.json").exists():  # killed before there was a run
        raise LookupError
    return command("resume", str(folder), "--quiet")


def spent(words: list[str]) -> float:
    """Seconds that a command takes, which must succeed."""
    begun = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
    return time.perf_counter() - begun


def chain(name: str, number: int, *, whole: Path, seconds: float, scratch: Path) -> tuple[int, str]:
    """Kills of one run, and what is wrong with what became of it, if anything."""
    moments, folder = random.Random(f"{name} {number}"), scratch / f"{name}-{number}"
    kills, words = 0, train(name, folder)
    while kills < EACH:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            _, told = process.communicate(timeout=moments.uniform(0.4, 0.95) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
        else:
            if process.returncode:
                return kills, told.decode().strip()
        if finished(folder):
            break
        try:
            words = resume(folder)
        except LookupError:
            words = train(name, folder)
    if not finished(folder):
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode:
            return kills, done.stderr.strip()
    other = [f for f in FILES if (folder / f).read_bytes() != (whole / f).read_bytes()]
    return kills, f"other {', '.join(other)}" if other else ""


def finished(folder: Path) -> bool:
    summary = folder / "summary.json"
    return summary.exists() and not json.loads(summary.read_text())["interrupted"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill, resume, compare.")
    parser.add_argument("--kills", type=int, default=200, help="at least so many [200]")
    parser.add_argument("--only", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--lanes", type=int, default=2, help="runs at a time [2]")
    options = parser.parse_args()
    total, wrong = 0, 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.lanes) as pool:
        scratch = Path(folder)
        whole = {name: scratch / name for name in options.only}
        for name in options.only:
            spent(train(name, scratch / f"{name}-warm"))  # fills the compilation cache
        seconds = {name: spent(train(name, whole[name])) for name in options.only}
        print("| algorithm | task | steps | runs | kills | other than uninterrupted |")
        print("|---|---|--:|--:|--:|--:|", flush=True)
        wanted = -(-options.kills // len(options.only))
        for name in options.only:
            work = partial(chain, name, whole=whole[name], seconds=seconds[name], scratch=scratch)
            runs, kills, faults = 0, 0, []
            while kills < wanted:
                for killed, fault in pool.map(work, range(runs, runs + options.lanes)):
                    kills, faults = kills + killed, faults + [fault] * bool(fault)
                runs += options.lanes
            total, wrong = total + kills, wrong + len(faults)
            env_id, steps = TASKS[name]
            row = f"| {name} | {env_id} | {steps:,} | {runs} | {kills} | {len(faults)} |"
            print(row, *faults, sep="\n  ", flush=True)
    print(f"\n{total} kills; {wrong} runs ended otherwise than uninterrupted ones.")
    sys.exit(wrong > 0 or total < options.kills)


if __name__ == "__main__":
    main()
