"""Give every loader files that nobody meant to write, and see what comes out.

    make fuzz, or: pip install atheris hypothesis
    python benchmarks/fuzz.py                        # 141,000 inputs: ten minutes on two cores
    python benchmarks/fuzz.py --share 0.01           # a hundredth of them
    python benchmarks/fuzz.py --only agent config

Two engines make the files from those of real runs. Atheris changes bytes, guided by which lines of
the loaders are reached. Hypothesis changes what the bytes mean (values, names, shapes, types of a
header, of a line) and packs it again as it should be, digests included, so that it comes as far as
a file can that somebody made on purpose.

Only what is documented may come out of a loader: something that was loaded, ValueError,
FileNotFoundError. All else is a crash. More than ten seconds are a hang. Every loader runs in a
process of its own, whose memory is watched.
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

HANG = 10  # seconds
# Loader: files that are altered, inputs of Atheris, inputs of Hypothesis.
TARGETS = {
    "agent": ("agent.safetensors", 30_000, 10_000),
    "checkpoint": ("checkpoint.safetensors", 30_000, 10_000),
    "config": ("config.json", 15_000, 5_000),
    "metrics": ("metrics.jsonl", 15_000, 10_000),
    "summary": ("summary.json", 10_000, 5_000),
    "plot": ("metrics.jsonl", 0, 500),
    "resume": ("checkpoint.safetensors", 0, 500),
}
# Short runs with tables, with networks, with actions that are scaled, with pictures and a replay.
RUNS = {
    "tables": ("q_learning", "FrozenLake-v1", {}, 2_000),
    "networks": ("ppo", "CartPole-v1", {"hidden": (4,)}, 2_000),
    "continuous": ("sac", "Pendulum-v1", {"hidden": (4,), "memory_size": 512}, 600),
    "pictures": ("dqn", "MinAtar/Breakout-v1", {"hidden": (4,), "memory_size": 128}, 400),
}


def loader(target: str) -> Callable[[Path], Any]:
    """What reads the file in a run folder."""
    import palestra
    from palestra.tools.agents import agent
    from palestra.tools.pictures.plot import plot
    from palestra.tools.runs import checkpoint, reading
    from palestra.tools.training import settings

    def config(folder: Path) -> None:
        settings.settings_of(folder, reading.read_config(folder), None)

    def resume(folder: Path) -> None:
        palestra.resume(folder, quiet=True)

    return {
        "agent": agent.load,
        "checkpoint": partial(checkpoint.read, say=lambda told: None),
        "config": config,
        "metrics": lambda folder: list(reading.read_metrics(folder)),
        "summary": reading.read_summary,
        "plot": lambda folder: plot([folder], folder / "curve.png"),
        "resume": resume,
    }[target]


class Trial:
    """One loader, given one file after the other."""

    def __init__(self, target: str, scratch: Path, wanted: int):
        self.target, self.name, self.wanted = target, TARGETS[target][0], wanted
        self.load, self.folder = loader(target), scratch / "run"
        self.begun = 0.0
        self.count = self.loaded = self.hangs = 0
        self.longest = 0.0
        self.crashes: dict[str, int] = {}
        self.before = peak()

    def __call__(self, content: bytes, run: Path) -> None:
        """Alter one file of a copy of the run."""
        if self.target == "resume":  # which writes
            shutil.rmtree(self.folder, ignore_errors=True)
        if not self.folder.is_dir() or (self.folder / "origin").read_text() != str(run):
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.copytree(run, self.folder)
            (self.folder / "origin").write_text(str(run))
        (self.folder / self.name).write_bytes(content)
        begun = time.perf_counter()
        signal.alarm(HANG)
        try:
            self.load(self.folder)
            self.loaded += 1
        except (ValueError, FileNotFoundError):
            pass
        except TimeoutError:
            self.hangs += 1
            self.keep(content, "hang")
        except Exception as fault:
            where = traceback.extract_tb(fault.__traceback__)[-1]
            place = f"{type(fault).__name__}: {fault} ({Path(where.filename).name}:{where.lineno})"
            self.crashes[place] = self.crashes.get(place, 0) + 1
            self.keep(content, type(fault).__name__)
        finally:
            signal.alarm(0)
        self.count += 1
        self.longest = max(self.longest, time.perf_counter() - begun)

    def keep(self, content: bytes, kind: str) -> None:
        """For whoever mends it."""
        folder = Path(tempfile.gettempdir()) / "palestra-fuzz"
        folder.mkdir(exist_ok=True)
        (folder / f"{kind}-{self.count}-{self.name}").write_bytes(content)

    def told(self) -> str:
        return json.dumps(
            {
                "inputs": self.count,
                "loaded": self.loaded,
                "hangs": self.hangs,
                "crashes": self.crashes,
                "longest": self.longest,
                "memory": peak() - self.before,
            }
        )


def peak() -> float:
    """The most memory that this process has had [MB]; Linux tells, if no other does."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    found = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(found.split()[1]) / 1024


def by_atheris(trial: Trial, runs: list[Path], scratch: Path, seed: int, out: Path) -> None:
    """Bytes, from those of the smallest file of its kind; ends the process."""
    import atheris

    corpus = scratch / "corpus"
    corpus.mkdir()
    for run in runs:
        shutil.copy(run / trial.name, corpus / run.name)
    smallest = min(runs, key=lambda run: (run / trial.name).stat().st_size)

    def one(content: bytes) -> None:
        if trial.count < trial.wanted:
            trial(content, smallest)
        else:
            out.write_text(trial.told())

    longest = max((run / trial.name).stat().st_size for run in runs)
    options = [
        f"-runs={trial.wanted + 10}",  # a few too many, because this is the last that Python hears
        f"-seed={seed + 1}",
        f"-max_len={min(longest, 65_536)}",
        f"-artifact_prefix={scratch}/",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *options], one)
    atheris.Fuzz()


def by_hypothesis(trial: Trial, runs: list[Path], scratch: Path, seed: int, out: Path) -> None:
    """Meanings."""
    import hypothesis
    from hypothesis import strategies as st

    numbers = st.integers() | st.floats() | st.sampled_from([2**31, 2**63, -1, 10**400, 10**12])
    words = st.sampled_from(["", "../../x", "/etc/passwd", "float32", "os:system-v0", "x" * 10_000])
    leaves = st.none() | st.booleans() | numbers | words | st.text(max_size=20)
    value = st.recursive(
        leaves,
        lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(max_size=5), x, max_size=4),
        max_leaves=8,
    )
    edits = st.lists(st.tuples(st.randoms(use_true_random=False), value), min_size=1, max_size=3)

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=trial.wanted,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.sampled_from(runs), edits)
    def one(run: Path, edits: list) -> None:
        content = (run / trial.name).read_bytes()
        for chance, value in edits:
            content = altered(trial.name, content, chance, value)
        trial(content, run)

    one()
    out.write_text(trial.told())


def altered(name: str, content: bytes, chance: random.Random, value: Any) -> bytes:
    """The same file with one thing in it changed."""
    if name.endswith(".safetensors"):
        return altered_tensors(name, content, chance, value)
    if name.endswith(".jsonl"):
        lines = [json.loads(line) for line in content.splitlines()]
        found = edited(lines, chance, value)
        lines = found if isinstance(found, list) else [found]
        return "".join(json.dumps(line) + "\n" for line in lines).encode()
    return json.dumps(edited(json.loads(content), chance, value)).encode()


def altered_tensors(name: str, content: bytes, chance: random.Random, value: Any) -> bytes:
    """Of a safetensors file: its own header, ours inside that, or the numbers."""
    from palestra.tools.runs.checkpoint import digest

    size = int.from_bytes(content[:8], "little")
    header, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    what = chance.choice(["ours", "ours", "theirs", "arrays"])
    if what == "arrays" and isinstance(header, dict):
        tensors = [key for key, form in header.items() if "shape" in as_dict(form)]
        if tensors:
            key = chance.choice(tensors)
            match chance.randrange(4):
                case 0:
                    header["../" + key] = header.pop(key)
                case 1:
                    header[key]["dtype"] = chance.choice(["F64", "BF16", "U8", "F8_E4M3", "BOOL"])
                case 2:
                    header[key]["shape"] = [1] * chance.randrange(200)
                case 3:
                    body = bytes(chance.randrange(256) for _ in body[:64]) + body[64:]
    elif what == "theirs":
        header = edited(header, chance, value)
    else:
        try:
            ours = json.loads(header["__metadata__"]["palestra"])
            text = json.dumps(edited(ours, chance, value))
            header["__metadata__"]["palestra"] = text
        except (KeyError, TypeError, ValueError):
            return content  # an edit before has taken it away
    if name.startswith("checkpoint") and isinstance(header, dict):
        try:  # as if the run had written it so
            kept, arrays = header["__metadata__"], {}
            for key, form in header.items():
                if key != "__metadata__":
                    begin, end = form["data_offsets"]
                    kind = {"U8": "u1", "U32": "<u4", "I32": "<i4", "F32": "<f4", "BOOL": "?"}
                    found = np.frombuffer(body[begin:end], kind[form["dtype"]])
                    arrays[key] = found.reshape(form["shape"])
            kept["digest"] = digest(kept["palestra"], arrays)
        except (KeyError, TypeError, ValueError, AttributeError):
            pass
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def as_dict(content: Any) -> dict:
    """An object, or an empty one in place of anything else."""
    return content if isinstance(content, dict) else {}


def edited(tree: Any, chance: random.Random, value: Any) -> Any:
    """JSON with one place of it changed: another value, nothing, or one thing more."""
    if isinstance(tree, dict | list) and tree and chance.random() < 0.9:
        key = chance.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        match chance.choice(["deeper", "deeper", "deeper", "without", "more"]):
            case "deeper":
                tree[key] = edited(tree[key], chance, value)
            case "without":
                del tree[key]
            case "more" if isinstance(tree, dict):
                tree[str(value)[:9]] = value
            case "more":
                tree.append(value)
        return tree
    return value


def work(target: str, engine: str, wanted: int, seed: int, runs: Path, out: Path) -> None:
    """One loader and one engine, in this process."""

    def hang(signum: int, frame: Any) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, hang)
    if engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["palestra.tools"]):
            import palestra.tools.training.train  # noqa: F401
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as at:
        folders = sorted(runs.iterdir())
        if target in ("resume", "plot"):
            folders = [run for run in folders if run.name == "tables"]
        trial = Trial(target, Path(at), wanted)
        engines = {"atheris": by_atheris, "hypothesis": by_hypothesis}
        engines[engine](trial, folders, Path(at), seed, out)


def make_runs(at: Path) -> None:
    """Short runs, each stopped on its way, so that there is all that a run can leave behind."""
    import palestra

    for name, (algorithm, env_id, fields, steps) in RUNS.items():
        cls = palestra.algorithms.algorithm_class(algorithm)
        palestra.train(
            env_id,
            cls(**fields),
            steps=steps,
            run=at / name,
            num_envs=2,
            video=False,
            quiet=True,
            episodes=2,
        )
        for path in (*(at / name).glob("*.png"), at / name / "last.safetensors"):
            path.unlink()
        config = json.loads((at / name / "config.json").read_text())
        (at / name / "config.json").write_text(json.dumps(config | {"steps": steps + 200}))


def measure(job: tuple[str, str, int], seed: int, runs: Path, scratch: Path) -> dict[str, Any]:
    """One loader and one engine, in a process of its own."""
    target, engine, wanted = job
    out = scratch / f"{target}-{engine}.json"
    words = [sys.executable, __file__, "--child", target, engine, str(wanted), str(seed)]
    done = subprocess.run([*words, str(runs), str(out)], capture_output=True, text=True)
    if not out.is_file():
        raise RuntimeError(
            f"{target} by {engine} ended with {done.returncode}:\n{done.stderr[-3000:]}"
        )
    return json.loads(out.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of the inputs")
    parser.add_argument("--only", nargs="*", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    asked = parser.parse_args()
    jobs = [
        (target, engine, max(1, round(count * asked.share)))
        for target in asked.only
        for engine, count in zip(("atheris", "hypothesis"), TARGETS[target][1:], strict=True)
        if count
    ]
    with tempfile.TemporaryDirectory(prefix="palestra-fuzz-") as scratch:
        runs = Path(scratch) / "runs"
        make_runs(runs)
        with ThreadPoolExecutor(asked.jobs) as pool:
            found = list(
                pool.map(partial(measure, seed=asked.seed, runs=runs, scratch=Path(scratch)), jobs)
            )
    print("| loader | engine | inputs | loaded | crashes | hangs | longest [s] | memory [MB] |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for (target, engine, _), row in zip(jobs, found, strict=True):
        crashes = sum(row["crashes"].values())
        print(
            f"| {target} | {engine} | {row['inputs']:,} | {row['loaded']:,} | {crashes} | "
            f"{row['hangs']} | {row['longest']:.2f} | {row['memory']:.0f} |"
        )
    for row in found:
        for place, count in row["crashes"].items():
            print(f"{count} x {place[:300]}")
    total = lambda name: sum(row[name] for row in found)
    crashes = sum(sum(row["crashes"].values()) for row in found)
    print(f"\n{total('inputs'):,} inputs, {crashes} crashes, {total('hangs')} hangs.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        target, engine, wanted, seed, runs, out = sys.argv[2:]
        work(target, engine, int(wanted), int(seed), Path(runs), Path(out))
    else:
        main()
