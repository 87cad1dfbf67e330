"""One seed's run: all that is written of it while it trains, and at its end."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
from jaxtyping import PyTree

from palestra.faults import said
from palestra.runners.leaves import named
from palestra.runners.report import Report, Since
from palestra.tools.agents.agent import Agent
from palestra.tools.agents.episodes import Judge, Played, Wishes
from palestra.tools.files import write_json, write_whole
from palestra.tools.json_files import Whole
from palestra.tools.pictures.video import record
from palestra.tools.runs import checkpoint, reading, run_folder
from palestra.tools.runs.checkpoint import Checkpoint, Keeper
from palestra.tools.runs.run import Run
from palestra.tools.runs.run_folder import Recorder
from palestra.tools.training.doctor import Doctor, Finding, History
from palestra.tools.training.events import Evaluated, Event, Found, Reported, Said
from palestra.tools.training.options import Flags
from palestra.tools.training.settings import Due, Job, identity

TRACEBACK = "traceback.txt"  # in a run folder, of an environment that raised


class DivergedError(ArithmeticError):
    """Training has nothing more to learn from: NaN or infinity."""


class Header(TypedDict):
    """What a checkpoint's header holds of a run."""

    run: dict[str, Any]  # its `identity`
    updates: Whole
    recorder: run_folder.Recorded
    findings: list[Finding]
    doctor: History
    resumed: list[reading.GoneOn]
    spent: Whole
    seconds: float
    reached: NotRequired[bool]


class Book:
    """All that is written of one seed's run: metrics, agents, checkpoints, findings, summary."""

    def __init__(self, job: Job, seed: int, folder: Path, since: Checkpoint | None, flags: Flags):
        header = since.header if since else {}
        self.job, self.seed, self.folder = job, seed, folder
        self.flags = flags
        self._said: list[Event] = []  # what nobody has been told yet
        best = since.arrays["best"].tobytes() if since and "best" in since.arrays else None
        self.recorder = Recorder(folder, header.get("recorder"), best)
        self.keeper = Keeper(folder, flags.checkpoint_seconds, self.say)
        kept = header.get("doctor")
        self.doctor = Doctor(job.algorithm, job.spec, job.steps, job.task.limit, kept)
        self.findings = [Finding(*found) for found in header.get("findings", [])]
        self.resumed: list[dict[str, Any]] = header.get("resumed", [])
        self.spent: int = header.get("spent", 0)  # steps of periodic evaluations
        self._seconds: float = header.get("seconds", 0.0)
        self._begun = time.perf_counter()
        self.summary: dict[str, Any] = {}  # as written
        # The return at which training is to end; and whether there is nothing more to train.
        self.reached: bool = flags.stop_at is not None and header.get("reached", False)
        self.over = False
        self.beside = ThreadPoolExecutor(1)  # who films
        self._filmed: Future | None = None
        self.since = None if since is None else self.gone_on(since)

    def gone_on(self, since: Checkpoint) -> Since:
        """Where the runner goes on from a checkpoint."""
        arrays = {
            name.removeprefix("carry."): array
            for name, array in since.arrays.items()
            if name.startswith("carry.")
        }
        exact = self.job.task.goes_on_exactly(arrays)
        self.resumed.append({"step": self.recorder.step, "exact": exact})
        if not exact:
            self.say("The environments' states could not be kept: new episodes begin.")
        return Since(since.header["updates"], arrays)

    def say(self, text: str, *, always: bool = False) -> None:
        """Have a sentence told, with the next event."""
        self._said.append(Said(text, always))

    def told(self) -> list[Event]:
        """What there is to tell since the last time."""
        told, self._said = self._said, []
        return told

    @property
    def seconds(self) -> float:
        """Seconds of training, summed over resumptions."""
        return self._seconds + time.perf_counter() - self._begun

    def judge(self) -> Judge:
        """Who evaluates agents on the way."""
        flags, job = self.flags, self.job
        wishes = Wishes(job.steps, flags.eval_episodes, flags.eval_envs, self.say)
        return job.task.judge(job.algorithm, job.spec, wishes)

    def take(
        self, report: Report, snapshot: Callable[[], Agent], judge: Judge, due: Due, stopped: bool
    ) -> Generator[Event, None, bool]:
        """Record, evaluate and tell a report of this seed, whose agent `snapshot` takes; whether
        the return is reached at which training is to end."""
        self.examine(report)
        agent = cache(snapshot)  # only where it is needed
        recorded = due.judged or self.job.task.may_fail
        kept = stopped or due.last or self.keeper.due()
        if not kept and (self.flags.stop_at is None or not due.judged):
            if recorded or due.kept:
                agent()
            report.begin_next()  # all that follows is done beside it
        played = judge(agent(), self.seed) if due.judged else None
        self.spent += played.steps if played else 0
        if due.kept:
            agent().save(self.keeping(report.step))
        line = self.recorder.write(report, agent() if recorded else None, played)
        yield from self.told()
        if played is not None:
            scores = played.returns
            yield Evaluated(self.seed, report.step, float(scores.mean()), scores.tolist())
        yield Reported(self.seed, report.step, line, self.recorder.mean_return)
        reached = self.reaches(played)
        if kept or reached:
            checkpoint = partial(self.checkpoint, report.carry, due.updates)
            self.keeper.keep(checkpoint, wait=stopped)
        if stopped and not due.judged:
            # After the checkpoint, which goes on as if nothing had been asked.
            self.recorder.keep(agent(), judge(agent(), self.seed))
        yield from self.told()
        return reached

    def examine(self, report: Report) -> None:
        """Say what is wrong. Raises DivergedError where nothing more can be learned."""
        said = {found.fault for found in self.findings}
        for found in self.doctor.look(report):
            if found.fault in said:
                continue
            self.findings.append(found)
            self._said.append(Found(self.seed, found))
            if found.fatal and self.flags.on_nan == "stop":
                raise DivergedError(f"Stopped at step {found.step:,}: {found.said}")

    def reaches(self, played: Played | None) -> bool:
        """Whether an evaluation has the return at which training is to end."""
        if played is None or self.flags.stop_at is None:
            return False
        self.reached = bool(played.returns.mean() >= self.flags.stop_at)
        return self.reached

    def keeping(self, step: int) -> Path:
        """Where the agent of a step is kept."""
        folder = self.folder / "agents"
        folder.mkdir(exist_ok=True)
        return folder / f"step{step}.safetensors"

    def checkpoint(self, carry: Callable[[], PyTree], updates: int) -> Checkpoint:
        """What `resume` needs after so many updates."""
        arrays = {f"carry.{name}": array for name, array in named(carry()).items()}
        best = self.folder / "agent.safetensors"
        if best.is_file():
            arrays["best"] = np.frombuffer(best.read_bytes(), np.uint8)
        header = {
            "run": identity(self.job, self.seed),
            "updates": updates,
            "recorder": self.recorder.state(),
            "findings": self.findings,
            "doctor": self.doctor.state(),
            "resumed": self.resumed,
            "spent": self.spent,
            "seconds": self.seconds,
            "reached": self.reached,
        }
        return Checkpoint(header, arrays)

    def close(self) -> None:
        """Training is over. The folder stays locked until the summary is written, so that the run
        is seen to go on, and then to have ended."""
        self._seconds, self._begun = self.seconds, time.perf_counter()
        self.keeper.close()

    def release(self) -> None:
        """Nothing of this run is written any more but pictures."""
        self.recorder.close()

    def _conclude(self) -> None:
        write_json(self.folder / "summary.json", self.summary)
        self.release()

    def _head(self) -> dict[str, Any]:
        return {
            **self.job.task.as_json(),
            "algorithm": self.job.name,
            "seed": self.seed,
            "steps": self.recorder.step,
        }

    def give_up(self, fault: str, trace: str) -> None:
        """Tell why there is no more."""
        self.close()
        if trace:
            write_whole(self.folder / TRACEBACK, lambda part: part.write_text(trace))
        self.summary = {
            **self._head(),
            "interrupted": True,
            "error": fault,
            "findings": [found._asdict() for found in self.findings],
            "resumed": self.resumed,
        }
        self._conclude()
        if self.recorder.step:
            self.draw("learning curve", Run(self.folder).plot)

    def finish(self, interrupted: bool) -> None:
        """Evaluate the best and last agents on starts that no one has seen; summary, then video."""
        job, recorder, run = self.job, self.recorder, Run(self.folder, self.job.task.make_env)
        seconds, episodes = self._seconds, self.flags.episodes
        lanes = 1 if self.flags.eval_envs == 0 else self.flags.eval_envs
        kept = [self.folder / f"{which}.safetensors" for which in ("agent", "last")]
        same = kept[0].read_bytes() == kept[1].read_bytes()  # and so are its episodes
        agents = [run.agent] if same else [run.agent, run.last]
        path = self.folder / "video.mp4"
        film = lambda: job.task.filmable() and record(agents[0], path, seed=self.seed)
        if beside := self.flags.video and job.task.films_beside:
            self._filmed = self.beside.submit(film)
        scores = [
            job.task.score(agent, episodes=episodes, seed=self.seed, lanes=lanes)
            for agent in agents
        ]
        exact = [job.task.exact(agent) for agent in agents]
        best, last = scores[0], scores[-1]
        exact_best, exact_last = (
            {} if value is None else {"exact": value} for value in (exact[0], exact[-1])
        )
        threshold = job.task.threshold
        judged = next(iter(best.values()))["mean"]
        self.summary = {
            **self._head(),
            "seconds": round(seconds, 2),
            "steps_per_second": round(recorder.step / seconds),
            **run_folder.surroundings(reading.read_config(self.folder).get("versions", {})),
            "phases": {phase: round(x, 2) for phase, x in recorder.seconds.items()},
            "interrupted": interrupted,
            "reached": self.flags.stop_at if self.reached else None,
            "resumed": self.resumed,
            "findings": [found._asdict() for found in self.findings],
            "threshold": threshold,
            "solved": None if threshold is None else judged >= threshold,
            "best": {"step": recorder.best_step, **best, **exact_best},
            "last": {"step": recorder.step, **last, **exact_last},
        }
        self._conclude()
        if not interrupted:
            checkpoint.finished(self.folder)
        if self.flags.video and not beside:
            self.draw("video", film)

    def end_film(self) -> None:
        """Wait for the film that is made beside all else, where one is."""
        if self._filmed is not None:
            self.draw("video", self._filmed.result)

    def draw(self, what: str, make: Callable[[], Any]) -> None:
        """Make a picture of a run whose summary is written: a failure costs one sentence alone."""
        try:
            make()
        except (Exception, SystemExit) as fault:  # whatever environments and libraries raise
            reason = fault if isinstance(fault, ValueError | OSError) else said(fault)
            told = f"There is no {what}: {reason}"
            self.say(told, always=True)
            self.summary.setdefault("notes", []).append(told)
            with suppress(OSError):  # a full disk may be why
                write_json(self.folder / "summary.json", self.summary)
