"""A sweep's workers as tasks of Ray: each is `palestra work FOLDER`, on whichever node has a core.

A task whose node is gone is begun anew by Ray on another one. What it had claimed is taken over
then, by that worker or by others, as from any worker that has died.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from palestra.envs.host import actors
from palestra.envs.host.ids import import_for
from palestra.faults import InputError
from palestra.tools.sweeps.work import surroundings, work

LOOK = 0.5  # seconds between looks at whether a task has ended
INTERRUPTED = 130  # the exit code of who was told to stop
STOPPING = 120.0  # seconds that a worker has to end the report under way


@contextmanager
def started(
    place: Path, address: str, count: int | None, most: int, modules: Sequence[str]
) -> Iterator[list["Task"]]:
    """Workers on the cluster at an address, `count` or one for each of its cores, but not above
    `most`; they are stopped where we are. Raises ValueError where there is no such cluster."""
    with actors.borrowed(address, cores=count or os.cpu_count() or 1):
        import ray

        if count is None:
            count = int(ray.cluster_resources().get("CPU", 1))
        given = {"XLA_FLAGS": surroundings()["XLA_FLAGS"]}
        kind = ray.remote(
            num_cpus=1,
            max_calls=1,  # a process for each, as of the command line
            max_retries=-1,  # as often as nodes are gone
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": given},
        )(worked)
        tasks = []
        for i in range(min(count, most)):
            log = place.resolve() / "workers" / f"ray-{i}.log"
            tasks.append(
                Task(kind.remote(str(place.resolve()), modules, str(log), os.getcwd(), sys.path))
            )
        try:
            yield tasks
        finally:
            for task in tasks:
                task.terminate()
            until = time.monotonic() + STOPPING
            for task in tasks:
                task.wait(until)


def worked(place: str, modules: Sequence[str], log: str, here: str, path: Sequence[str]) -> int:
    """The exit code of a worker in a process of Ray's; what it says is in the log."""
    if Path(here).is_dir():
        os.chdir(here)  # where modules of the caller's may be
    sys.path += [folder for folder in path if folder not in sys.path]
    with open(log, "w", buffering=1) as file, redirect_stdout(file), redirect_stderr(file):
        try:
            for module in modules:
                import_for(f"{module}:")
            return 0 if work(place, say=print) else INTERRUPTED
        except InputError as fault:
            print(fault)
            return 2
        except (KeyboardInterrupt, SystemExit):
            return INTERRUPTED


class Task:
    """A worker on Ray, asked and stopped as a process is (subprocess.Popen)."""

    def __init__(self, ref: Any):
        self.returncode: int | None = None
        self._ref = ref

    def poll(self) -> int | None:
        """Its exit code, once it has ended."""
        import ray

        if self.returncode is None and ray.wait([self._ref], timeout=0)[0]:
            try:
                self.returncode = ray.get(self._ref)
            except ray.exceptions.RayError:
                self.returncode = 1
        return self.returncode

    def terminate(self) -> None:
        """Have it end in good order: Ray's cancel is a Ctrl-C."""
        import ray

        if self.poll() is None:
            ray.cancel(self._ref)

    def wait(self, until: float) -> None:
        """Wait for its end, by force after a time."""
        import ray

        while self.poll() is None:
            if time.monotonic() > until:
                ray.cancel(self._ref, force=True)
                return
            time.sleep(LOOK)
