"""A training session: the seeds of a job, trained, recorded, judged and told, event by event."""

import signal
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import jax
import numpy as np

from palestra.faults import EnvironmentFaultError
from palestra.runners.cache import use_compilation_cache
from palestra.runners.host import Profile
from palestra.runners.report import Report
from palestra.runners.sound import floats
from palestra.runners.switches import on_cpu
from palestra.tools.agents.agent import Snapshots
from palestra.tools.agents.episodes import Judge
from palestra.tools.pictures.plot import import_ahead
from palestra.tools.runs.checkpoint import Checkpoint
from palestra.tools.runs.run import Run
from palestra.tools.training import start
from palestra.tools.training.events import Begun, Ended, Events, Finishing, Said, side_by_side
from palestra.tools.training.seed_run import TRACEBACK, Book, DivergedError
from palestra.tools.training.settings import Flags, Job, Schedule, learning_over
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
    runs = {seed: Run(folder, job.task.make_env) for seed, folder in folders.items()}
    import_ahead()
    yield Begun(title, job.steps, runs)
    over = learning_over(job.algorithm, job.steps)
    yield from map(Said, (*notes, *([over] if over else [])))
    books = {s: Book(job, s, folder, since.get(s), flags) for s, folder in folders.items()}
    with stop_on_signal(books[seeds[0]].say) as stop:
        try:
            # What goes on from a checkpoint goes on by itself, from where it stood.
            shared = [[seed] for seed in seeds] if since else groups(seeds)
            works = [follow(job, [books[seed] for seed in group], stop) for group in shared]
            yield from side_by_side(works, stop, job.task.seeds_at_once)
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
    yield from side_by_side(endings, stop, job.task.seeds_at_once)
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


def follow(job: Job, books: Sequence[Book], stop: Stop) -> Events:
    """Train the seeds of one group, and record, evaluate and tell each report."""
    first, seeds, profile = books[0], [book.seed for book in books], Profile()
    agents = Snapshots(job.algorithm, job.spec, job.task, job.spaces)
    schedule = Schedule.of(job, first.flags)
    with ExitStack() as stack:
        train = stack.enter_context(job.task.opened(job.algorithm, job.num_envs, first.say))
        yield from first.told()
        reports = train(
            seeds=seeds,
            total_steps=job.steps,
            reports=schedule.reports,
            profile=profile,
            since=first.since,
            start=start.read(first.folder),
        )
        stack.enter_context(closing(reports))  # before environments in which it may still play
        judge: Judge | None = None
        before = first.recorder.step
        for report in reports:
            if judge is None:  # now that the environments that train are open
                judge = stack.enter_context(closing(first.judge()))
            stopped, trained = stop.is_set(), report.step * len(books)
            affordable = judge.affords(sum(book.spent for book in books), trained)
            least = judge.at_least
            evaluations = max(EVALUATIONS, least) if affordable else least
            due = schedule.due(before, report.step, evaluations)
            before, reached = report.step, []
            for row, book in enumerate(books):
                agent = partial(agents.of, report.learner, row)
                book.recorder.seconds = profile.seconds
                take = book.take(one_of(report, row), agent, judge, due, stopped)
                reached.append((yield from take))
            if stopped or all(reached):
                return


def one_of(report: Report, row: int) -> Report:
    """A report of one of the seeds. Its learner is what the doctor looks at; its carry is as the
    runner takes it back."""
    # On a CPU as views: to slice by JAX would cost more than to look.
    plain = np.asarray if on_cpu() else lambda x: x
    of_row = lambda tree, form=np.asarray: jax.tree.map(lambda x: form(x)[row], tree)
    metrics, episodes, prints = of_row((report.metrics, report.episodes, report.prints))
    sound = None if report.sound is None else np.asarray(report.sound)[row]
    learner = None if sound else of_row(floats(report.learner), plain)
    own = lambda: jax.tree.map(lambda x: x[row : row + 1], report.carry())
    carry = report.carry if len(report.prints) == 1 else own
    obs = of_row(report.obs, plain)
    return Report(report.step, learner, metrics, episodes, prints, sound, obs, carry)
