"""A training session: the seeds of a job, trained, recorded, judged and told, event by event."""

import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any, NamedTuple

import jax
import numpy as np

from palestra.faults import EnvironmentFaultError
from palestra.runners.cache import forget_programs, use_compilation_cache
from palestra.runners.devices import in_processes, others_here, told
from palestra.runners.report import Report, Since
from palestra.runners.sound import floats
from palestra.runners.switches import as_written, on_cpu
from palestra.tools.agents.agent import Snapshots
from palestra.tools.agents.episodes import Judge
from palestra.tools.pictures.plot import import_ahead
from palestra.tools.runs.checkpoint import Checkpoint
from palestra.tools.runs.run import Run
from palestra.tools.training import start
from palestra.tools.training.events import Begun, Ended, Event, Events, Finishing, Said
from palestra.tools.training.options import Flags
from palestra.tools.training.seed_run import TRACEBACK, Book, DivergedError
from palestra.tools.training.settings import Job, Schedule


def carry_out(
    job: Job,
    folders: dict[int, Path],
    since: dict[int, Checkpoint],
    flags: Flags,
    notes: Sequence[str] = (),
    until: int | None = None,
) -> Events:
    """Train every seed in its folder, from the beginning or from its checkpoint; judge and draw.
    Where it is to go on `until` a step, it is interrupted at the first report from there on."""
    use_compilation_cache()
    seeds = list(folders)
    title = f"{job.name} on {job.task}" + (f", {len(seeds)} seeds" if len(seeds) > 1 else "")
    runs = {seed: Run(folder, job.task.make_env) for seed, folder in folders.items()}
    with ExitStack() as held:
        held.callback(forget_programs)  # of the hundreds of runs that a worker, say, trains
        yield Begun(title, job.steps, runs)
        yield from map(Said, notes)
        books = {s: Book(job, s, folder, since.get(s), flags) for s, folder in folders.items()}
        for book in books.values():
            held.callback(book.release)
            held.enter_context(book.beside)
        yield from _to_the_end(job, books, groups(job, seeds, since), until)
        for seed, book in books.items():
            book.draw("learning curve", Run(book.folder).plot)
            book.end_film()  # which was under way until now
            yield from book.told()
            yield Ended(seed, runs[seed])


def _to_the_end(
    job: Job, books: dict[int, Book], shared: list[list[int]], until: int | None
) -> Events:
    """Train what shares a program together, then judge each seed for its summary."""
    folders = [book.folder for book in books.values()]
    with stop_on_signal(books[shared[0][0]].say) as stop:
        try:
            works = [follow(job, [books[seed] for seed in group], stop, until) for group in shared]
            # What all devices compute together is computed in the same order on each.
            one = books[shared[0][0]].flags.devices == 1
            lanes = job.task.seeds_at_once if one else 1
            yield from side_by_side(works, stop, lanes)
        except (EnvironmentFaultError, DivergedError) as fault:
            yield from _given_up([*books.values()], fault)
        finally:
            for book in books.values():
                book.close()
    if stop.terminated:
        yield Said(f"Stopped. palestra resume {' '.join(map(str, folders))} goes on.")
        raise SystemExit(128 + signal.SIGTERM)
    yield Finishing(stop.is_set())
    endings = [ending(book) for book in books.values()]
    yield from side_by_side(endings, stop, job.task.seeds_at_once)


class Stop(threading.Event):
    """Set when training is to stop after the report under way."""

    terminated = False  # by SIGTERM: somebody waits for the process to end


@contextmanager
def stop_on_signal(say: Callable[[str], None]) -> Iterator[Stop]:
    """An event that SIGTERM and the first Ctrl-C set; the second one interrupts as usual."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # signals belong to the main thread: whoever runs there handles them
        return

    def request(signum: int, frame: Any) -> None:
        stop.terminated = signum == signal.SIGTERM
        stop.set()
        again = "" if stop.terminated else " Ctrl-C again aborts."
        say(f"Stopping after this report; everything so far is kept.{again}")
        signal.signal(signal.SIGINT, before[signal.SIGINT])

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _given_up(books: Sequence[Book], fault: EnvironmentFaultError | DivergedError) -> Events:
    """Write why there is no more, and raise the fault with where that is."""
    trace = fault.trace if isinstance(fault, EnvironmentFaultError) else ""
    for book in books:
        book.give_up(str(fault), trace)
        yield from book.told()
    kept = ", ".join(str(book.folder) for book in books)
    told = f"{fault} What was learned is in {kept}"
    told += f", the whole traceback in {books[-1].folder / TRACEBACK}." if trace else "."
    raise type(fault)(told) from fault


def ending(book: Book) -> Events:
    """The final evaluation of a seed."""
    book.finish(not book.over)
    yield from book.told()


def groups(job: Job, seeds: Sequence[int], since: Mapping[int, Checkpoint]) -> list[list[int]]:
    """Which seeds share a program. On a CPU none do: one per core, each for itself, is faster than
    wide `vmap`s of small matrix products (benchmarks/seeds.py). On an accelerator all do, unless
    some stand elsewhere than others."""
    stood = {since[seed].header["updates"] if seed in since else 0 for seed in seeds}
    alone = on_cpu() or not job.task.seeds_share or len(stood) > 1
    return [[seed] for seed in seeds] if alone else [list(seeds)]


def joined(books: Sequence[Book]) -> Since | None:
    """Where the seeds of a group go on, all at the same update; None where they begin."""
    found = [book.since for book in books if book.since is not None]
    if len(found) < 2:
        return found[0] if found else None
    of = lambda name: np.concatenate([one.arrays[name] for one in found])
    return Since(found[0].updates, {name: of(name) for name in found[0].arrays})


def follow(job: Job, books: Sequence[Book], stop: Stop, until: int | None) -> Events:
    """Train the seeds of one group, and record, evaluate and tell each report."""
    if not all(book.reached for book in books):  # before they were stopped
        over = yield from train_on(job, books, stop, until)
        if not over:
            return
    for book in books:
        book.over = True


def train_on(
    job: Job, books: Sequence[Book], stop: Stop, until: int | None
) -> Generator[Event, None, bool]:
    """`follow` what is left to train; whether nothing is after it."""
    first, seeds = books[0], [book.seed for book in books]
    agents = Snapshots(job.algorithm, job.spec, job.task, job.spaces)
    schedule = Schedule.of(job, first.flags.eval_every, first.flags.keep)
    actors = first.flags.num_actors
    with ExitStack() as stack:
        train = stack.enter_context(job.task.opened(job.algorithm, job.num_envs, first.say, actors))
        yield from first.told()
        begun = start.read(first.folder) if (first.folder / start.NAME).is_file() else {}
        since = first.since if len(books) == 1 else joined(books)
        if in_processes(first.flags.devices):
            tell(seeds, since, begun)
        reports = train(
            seeds=seeds,
            total_steps=job.steps,
            reports=schedule.reports,
            since=since,
            start=begun,
            devices=first.flags.devices,
        )
        stack.enter_context(closing(reports))  # before environments in which it may still play
        judge: Judge | None = None
        before = first.recorder.step
        for report in reports:
            if judge is None:  # now that the environments that train are open
                import_ahead()  # and programs are loaded, which takes Python's time too
                judge = stack.enter_context(closing(first.judge()))
            if until is not None and until <= report.step < job.steps:
                stop.set()
            stopped, trained = stop.is_set(), report.step * len(books)
            evaluations = judge.evaluations(sum(book.spent for book in books), trained)
            due = schedule.due(before, report.step, evaluations)
            before, reached = report.step, []
            for row, book in enumerate(books):
                agent = partial(agents.of, report.learner, row)
                take = book.take(one_of(report, row), agent, judge, due, stopped)
                reached.append((yield from take))
            if all(reached):
                return True
            if stopped and not due.last:
                return False
    return True


class Over(NamedTuple):
    """A thread has ended."""

    fault: BaseException | None


def side_by_side(works: Sequence[Events], stop: threading.Event, lanes: int) -> Events:
    """The events of all generators, `lanes` of which run at a time, each in a thread of its own.

    A single one runs in the caller's thread: what it plays in may insist on that. Threads serve
    because compiled programs run outside of Python's lock. None runs ahead of who reads the events
    by more than one. The first error is raised, after telling the others to `stop`; so are they
    told where the reader leaves.
    """
    return works[0] if len(works) == 1 else _in_threads(works, stop, lanes)


def _in_threads(works: Sequence[Events], stop: threading.Event, lanes: int) -> Events:
    told: Queue[Event | Over] = Queue(maxsize=1)

    @as_written()
    def pump(work: Events) -> None:
        try:
            for event in work:
                told.put(event)
        except BaseException as fault:
            told.put(Over(fault))
        else:
            told.put(Over(None))

    with ThreadPoolExecutor(min(lanes, len(works))) as pool:
        futures = [pool.submit(pump, work) for work in works]
        left = len(works)
        try:
            while left:
                event = told.get()
                if not isinstance(event, Over):
                    yield event
                    continue
                left -= 1
                if event.fault is not None:
                    raise event.fault
        finally:
            if left:
                stop.set()
                left -= sum(future.cancel() for future in futures)
                while left:
                    left -= isinstance(told.get(), Over)


def tell(seeds: Sequence[int], since: Since | None, given: Mapping[str, np.ndarray]) -> None:
    """Tell the other processes which seeds are trained, and from what on."""
    arrays = {"seeds": np.asarray(seeds), **{f"start.{name}": x for name, x in given.items()}}
    if since is not None:
        arrays |= {"updates": np.asarray(since.updates)}
        arrays |= {f"since.{name}": x for name, x in since.arrays.items()}
    told(arrays)


def taken(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What `tell` has told."""
    of = lambda kind: {
        name.removeprefix(kind): x for name, x in arrays.items() if name.startswith(kind)
    }
    since = Since(int(arrays["updates"]), of("since.")) if "updates" in arrays else None
    return {"seeds": arrays["seeds"].tolist(), "since": since, "start": of("start.")}


def beside(job: Job, flags: Flags) -> Events:
    """Train along in a process that is not the first one of several, which alone tells and writes,
    until that has nothing more to train."""
    yield Begun(f"{job.name} on {job.task}, beside process 0", job.steps, {})
    schedule = Schedule.of(job, flags.eval_every)
    with (
        stop_on_signal(lambda _: None) as stop,  # process 0 stops, and says so here
        job.task.opened(job.algorithm, job.num_envs, lambda _: None) as train,
        others_here(),
    ):
        while arrays := told({}):
            reports = train(
                total_steps=job.steps,
                reports=schedule.reports,
                devices=flags.devices,
                **taken(arrays),
            )
            for _ in reports:
                pass
    if stop.terminated:
        raise SystemExit(128 + signal.SIGTERM)


def one_of(report: Report, row: int) -> Report:
    """A report of one of the seeds. Its learner is what the doctor looks at; its carry is as the
    runner takes it back."""
    # On a CPU as views: to slice by JAX would cost more than to look.
    plain = np.asarray if on_cpu() else lambda x: x
    of_row = lambda tree, form=np.asarray: jax.tree.map(lambda x: form(x)[row], tree)
    numbers = report.metrics, report.episodes, report.prints, report.sound
    metrics, episodes, prints, sound = of_row(numbers)
    learner = None if sound else of_row(floats(report.learner), plain)
    own = lambda: jax.tree.map(lambda x: x[row : row + 1], report.carry())
    carry = report.carry if len(report.prints) == 1 else own
    obs, spent = of_row(report.obs, plain), report.seconds
    told = Report(report.step, learner, metrics, episodes, prints, sound, obs, carry, spent)
    last = row + 1 == len(report.prints)  # whom nobody has to wait for
    return told._replace(begin_next=report.begin_next) if last else told
