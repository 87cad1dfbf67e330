"""A training session: the seeds of a job, trained, recorded, judged and told, event by event."""

import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from palestra.algorithms import entry, name_of
from palestra.core import Algorithm
from palestra.envs.host.closing import close
from palestra.faults import EnvironmentFaultError
from palestra.runners import compiled, host, threads
from palestra.runners.cache import use_compilation_cache
from palestra.runners.report import Report, Since
from palestra.runners.threads import Asynchronous
from palestra.tools.agents import evaluate
from palestra.tools.agents.agent import Agent, reads
from palestra.tools.runs.checkpoint import Checkpoint
from palestra.tools.runs.run import Run
from palestra.tools.training import start
from palestra.tools.training.doctor import learning_over, on_cpu, shown
from palestra.tools.training.events import (
    Begun,
    Ended,
    Evaluated,
    Events,
    Finishing,
    Reported,
    Said,
    side_by_side,
)
from palestra.tools.training.seed_run import TRACEBACK, Book, DivergedError
from palestra.tools.training.settings import Flags, Job, plan_of, wanted
from palestra.tools.training.stop import Stop, stop_on_signal

EVALUATIONS = 25  # per run: greedy, to find the best agent


def carry_out(
    job: Job,
    folders: dict[int, Path],
    since: dict[int, Checkpoint],
    flags: Flags,
    notes: Sequence[str] = (),
) -> Events:
    """Train every seed in its folder, from the beginning or from its checkpoint; judge and draw."""
    use_compilation_cache()
    seeds = list(folders)
    title = f"{job.name} on {job.task}" + (f", {len(seeds)} seeds" if len(seeds) > 1 else "")
    lanes = 1 if job.env is None else os.cpu_count() or 1  # seeds at a time
    runs = {seed: Run(folder, job.task.make_env) for seed, folder in folders.items()}
    yield Begun(title, job.steps, runs)
    over = learning_over(job.algorithm, job.steps)
    yield from map(Said, (*notes, *([over] if over else [])))
    books = {s: Book(job, s, folder, since.get(s), flags) for s, folder in folders.items()}
    with stop_on_signal(books[seeds[0]].say) as stop:
        try:
            # What goes on from a checkpoint goes on by itself, from where it stood.
            shared = [[seed] for seed in seeds] if since else groups(seeds)
            yield from side_by_side([follow(job, books, stop, x) for x in shared], stop, lanes)
        except (EnvironmentFaultError, DivergedError) as fault:
            trace = fault.trace if isinstance(fault, EnvironmentFaultError) else ""
            for book in books.values():
                book.give_up(str(fault), trace)
                yield from book.told()
            kept = ", ".join(str(folder) for folder in folders.values())
            told = f"{fault} What was learned is in {kept}"
            told += f", the whole traceback in {book.folder / TRACEBACK}." if trace else "."
            raise type(fault)(told) from fault
        finally:
            for book in books.values():
                book.close()
    if stop.terminated:
        yield Said(f"Stopped. palestra resume {' '.join(map(str, folders.values()))} goes on.")
        raise SystemExit(128 + signal.SIGTERM)
    yield Finishing(stop.is_set())
    endings = [ending(book, stop.is_set()) for book in books.values()]
    yield from side_by_side(endings, stop, lanes)
    for seed, book in books.items():
        book.draw("learning curve", Run(book.folder).plot)
        yield from book.told()
        yield Ended(seed, runs[seed])


def ending(book: "Book", interrupted: bool) -> Events:
    """The final evaluation of a seed."""
    book.finish(interrupted)
    yield from book.told()


def groups(seeds: Sequence[int]) -> list[list[int]]:
    """Which seeds share a program. On a CPU none do: one per core, each for itself, is faster than
    wide `vmap`s of small matrix products (benchmarks/seeds.py). On an accelerator all do."""
    if on_cpu():
        return [[seed] for seed in seeds]
    return [list(seeds)]


def follow(
    job: Job,
    books: dict[int, Book],
    stop: "Stop",
    seeds: Sequence[int],
) -> Events:
    """Train the seeds of one group, and record, evaluate and tell each report."""
    names = reads(job.algorithm, job.spec)
    flags, say = books[seeds[0]].flags, books[seeds[0]].say
    with ExitStack() as stack:
        first = books[seeds[0]]
        course = begin(job, seeds, first.since, first.folder, flags, say, stack)
        yield from books[seeds[0]].told()
        # Closed before environments in which it may still play.
        reports = stack.enter_context(closing(course.reports))
        judge: evaluate.Judge | None = None
        before = books[seeds[0]].recorder.step
        for report in reports:
            if judge is None:  # now that the environments that train are open
                judge = stack.enter_context(closing(judge_of(job, flags, say)))
            stopped, last = stop.is_set(), report.step >= course.steps
            spent = sum(books[seed].spent for seed in seeds)
            affordable = judge.affords(spent, report.step * len(seeds))
            if flags.eval_every is not None:
                due = report.step // flags.eval_every > before // flags.eval_every
            else:
                count = max(EVALUATIONS, judge.at_least) if affordable else judge.at_least
                due = report.step * count // course.steps > before * count // course.steps
            kept = flags.keep is not None and report.step // flags.keep > before // flags.keep
            wanted, before = last or due, report.step
            short = len(seeds)  # of the return at which training is to end
            for row, seed in enumerate(seeds):
                book = books[seed]
                # On the host a learner is alone, and an environment may end the run at any time.
                place = None if job.env is None else row
                alone = one_of(report, place)
                book.examine(alone)
                agent = played = None
                if wanted or stopped or kept or job.env is None:
                    agent = Agent.of(
                        job.algorithm, job.spec, job.task, report.learner, place, names, job.spaces
                    )
                if agent is not None and wanted:
                    played = judge(agent, seed)
                    book.spent += played.steps if played else 0
                if agent is not None and kept:
                    agent.save(book.keeping(report.step))
                last_agent = agent if wanted or job.env is None else None
                line = book.recorder.write(alone, last_agent, played)
                book.recorder.seconds = course.profile.seconds
                yield from book.told()
                if played is not None:
                    scores = played.returns
                    yield Evaluated(seed, report.step, float(scores.mean()), scores.tolist())
                yield Reported(seed, report.step, line, book.recorder.mean_return)
                if book.reaches(played):
                    short -= 1
                if stopped or last or not short or book.keeper.due():
                    updates = report.step // course.steps_per_update
                    book.keeper.keep(partial(book.checkpoint, alone.carry, updates), wait=stopped)
                if stopped and not wanted and agent is not None:
                    # After the checkpoint, which goes on as if nothing had been asked.
                    book.recorder.keep(agent, judge(agent, seed))
                yield from book.told()
            if stopped or not short:
                return


def one_of(report: Report, row: int | None) -> Report:
    """A report of one of the seeds, or of the only one if `row` is None. Its learner is what the
    doctor looks at; its carry is as the runner takes it back."""
    numbers = report.metrics, report.episodes, report.prints
    sound = None if report.sound is None else np.asarray(report.sound)[row]
    learner = None if sound else shown(report.learner, row)
    if row is None:
        metrics, episodes, prints = jax.tree.map(np.asarray, numbers)
        return report._replace(learner=learner, metrics=metrics, episodes=episodes, prints=prints)
    metrics, episodes, prints = jax.tree.map(lambda x: np.asarray(x)[row], numbers)
    plain = np.asarray if on_cpu() else lambda x: x
    obs = jax.tree.map(lambda x: plain(x)[row], report.obs)
    own = lambda: jax.tree.map(lambda x: x[row : row + 1], report.carry())
    carry = report.carry if len(report.prints) == 1 else own
    return Report(report.step, learner, metrics, episodes, prints, sound, obs, carry)


class Course(NamedTuple):
    """Training under way."""

    reports: Generator[Report, None, None]
    steps: int  # at the end: those asked for, rounded up to whole reports
    steps_per_update: int
    profile: host.Profile  # where its seconds are noted


def begin(
    job: Job,
    seeds: Sequence[int],
    since: Since | None,
    folder: Path,
    flags: Flags,
    say: Callable[[str], None],
    stack: ExitStack,
) -> Course:
    """Train those seeds, from the beginning or from where one of them stood."""
    profile = host.Profile()
    reports = wanted(job, flags.eval_every)
    settings: dict[str, Any] = {"total_steps": job.steps, "reports": reports, "since": since}
    settings["start"] = start.read(folder)
    updates, count, per_update = plan_of(job, flags.eval_every)
    course = lambda reports: Course(reports, updates * count * per_update, per_update, profile)
    if job.env is not None:
        settings |= {"num_envs": job.num_envs, "seeds": seeds}
        return course(compiled.train(job.env, job.algorithm, **settings))
    settings |= {"seed": seeds[0], "profile": profile}
    if isinstance(job.algorithm, Asynchronous):
        each = job.algorithm.worker_envs
        workers = job.num_envs // each
        make_envs = lambda: job.task.make_envs(each, threads=1).envs
        say(f"{workers} threads, each with {each} of {job.task}.")
        settings |= {"workers": workers, "close": partial(close, say=say)}
        return course(threads.train(make_envs, job.algorithm, **settings))
    made = job.task.make_envs(job.num_envs)
    stack.callback(close, made.envs, say)
    say(made.how)
    overlap = job.task.kind == "atari" and learns_beside(job.algorithm)
    runner = threads.beside if overlap else host.train
    return course(runner(made.envs, job.algorithm, **settings))


def judge_of(job: Job, flags: Flags, say: Callable[[str], None]) -> evaluate.Judge:
    """Who evaluates agents on the way."""
    if job.env is not None:
        return evaluate.InOurs(job.env, job.task, flags.eval_episodes)
    if flags.eval_envs == 0:
        return evaluate.Nobody()
    spec, episodes, lanes = job.spec, flags.eval_episodes, flags.eval_envs
    try:
        return evaluate.OnHost(job.task, job.algorithm, spec, episodes, job.steps, lanes)
    except EnvironmentFaultError as fault:
        say(
            "There are no evaluations on the way, since no environment can be opened beside those "
            f"that train ({fault}); the last agent is judged when these are closed."
        )
        return evaluate.Nobody()


def learns_beside(algorithm: Algorithm) -> bool:
    """Whether it can learn from what the learner of one update ago has done."""
    told = "acted" in signature(algorithm.update).parameters
    return told or entry(name_of(algorithm)).off_policy
