"""Environments in Ray's actors, on this machine or on the many of a cluster.

An actor is one more kind of process. It is sent the messages that Gymnasium's AsyncVectorEnv puts
into its pipes, and answers as a worker of its does that begins an episode in the step that ends one
(SAME_STEP): so all that is told here is how actors begin and end, and what is done where one dies.

    learner      step, step, ...    one call for all the environments of an actor, to each actor
    actor        (obs, reward, terminated, truncated, info), ...

An actor that dies is replaced. What its environments were in the middle of is cut off: truncated,
at the last observation that arrived, with a reward of 0 for the step that nobody saw the end of.
"""

import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.vector.async_vector_env import AsyncState
from gymnasium.vector.utils import batch_space, create_empty_array

from palestra.envs.host.closing import end_children, playing
from palestra.envs.host.one import MakeEnv, plainly
from palestra.envs.host.processes import packed
from palestra.faults import RAISED, InputError, RaisedElsewhereError, elsewhere, quiet, said

ADDRESS = "RAY_ADDRESS"  # Ray's own variable: HOST:PORT of a cluster that this machine is a node of
CORE = 30.0  # [s] in which an actor may be given a core of its own; after that it shares one
ROOM = 300.0  # [s] for Ray to start one that shares
CLOSING = 2.0  # [s] for the environments of all actors to close
DEATHS = 3  # of actors in one place, with no step between them: then it is the environment's fault
OBJECTS = 2**28  # [bytes] of memory that a Ray of our own has for observations above 100 kB


def check_ray(address: str | None = None) -> None:
    """Raise ValueError where there is no Ray, or nobody at the address of its cluster, which is
    that of RAY_ADDRESS where nobody says."""
    if find_spec("ray") is None:
        raise InputError('Ray is not installed: pip install "palestra[ray]"')
    told = ADDRESS if address is None else "ray"
    address = os.environ.get(ADDRESS, "") if address is None else address
    host, _, port = address.rpartition(":")
    if address in ("", "auto", "local"):
        return
    if "/" in address or not (host and port.isdecimal()):
        raise InputError(
            f"{told} must be HOST:PORT of a Ray cluster that this machine is a node of, such as "
            f"10.0.0.1:6379, or local, not {address!r}."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, OverflowError) as fault:
        raise InputError(f"No Ray cluster answers at {address} ({told}): {fault}.") from None


class Actors(AsyncVectorEnv):
    """Environments in `count` actors, each with as many of them as the others, or one more."""

    def __init__(self, makers: Sequence[MakeEnv], count: int):
        """Raises ValueError where there is no Ray, or no room in it; and what environments do."""
        self.say: Callable[[str], None] = lambda text: None  # told of each actor that has died
        self.closed = True  # as long as there is nothing to close
        with playing(makers[0]()) as one:
            self.metadata = dict(one.metadata) | {"autoreset_mode": AutoresetMode.SAME_STEP}
            self.render_mode = one.render_mode
            self.single_observation_space = one.observation_space
            self.single_action_space = one.action_space
        self.num_envs, self.autoreset_mode = len(makers), AutoresetMode.SAME_STEP
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.shared_memory, self.copy, self.observation_mode = False, False, "same"
        self.observations = create_empty_array(
            self.single_observation_space, self.num_envs, fn=np.zeros
        )
        self.processes, self.error_queue = [], SimpleQueue()  # type: ignore[assignment]
        self._state = AsyncState.DEFAULT
        self.died = 0  # actors, so far
        self._seats: list[Seat] = []
        borrow(count)
        self.closed = False
        try:
            parts = np.array_split(np.arange(self.num_envs), count)
            self._seats = [Seat(self, {int(i): packed(makers[i]) for i in part}) for part in parts]
            pipes = [seat.pipe(place) for seat in self._seats for place in seat.makers]
            self.parent_pipes = pipes  # type: ignore[assignment]
            with quiet(True):
                self._check_spaces()
        except BaseException:
            self.close()
            raise

    @property
    def machines(self) -> int:
        """On how many of them the actors are."""
        import ray

        return len({*ray.get([seat.actor.where.remote() for seat in self._seats])})

    def bury(self, envs: int) -> None:
        """Count an actor that has died with so many environments, and tell of it."""
        self.died += 1
        told = "its episode is" if envs == 1 else f"its {envs} episodes are"
        before = f", the {self.died}th by now" if self.died > 3 else ""
        self.say(f"An actor died{before}; another takes its place, and {told} cut off.")

    def close_extras(self, timeout: float | None = None, terminate: bool = False) -> None:
        """End the actors, whose environments have a moment to close; and Ray, if it is ours."""
        if terminate:  # nobody has them any more: Ray sees that, too
            return
        import ray

        left = [seat.actor.close.remote() for seat in self._seats]
        if left:
            ray.wait(left, num_returns=len(left), timeout=CLOSING)
        for seat in self._seats:
            ray.kill(seat.actor)
        give_back()


class Seat:
    """The place of an actor, which others take after it; some of the environments play there."""

    def __init__(self, envs: Actors, makers: dict[int, Callable[[], gymnasium.Env]]):
        self.makers = makers  # by the environment's number
        self._envs = envs
        self._last: dict[int, Any] = {}  # what each of them has shown
        self._seeds: dict[int, int | None] = {}  # with which it was reset
        self._died = 0  # since a step was answered
        self._out: dict[int, tuple[str, Any]] = {}
        self._asked: dict[int, tuple[str, Any]] = {}
        self._answers: dict[int, tuple[Any, bool]] = {}
        self._take()

    def _take(self, cores: int = 1) -> None:
        import ray

        kind = ray.remote(Worker).options(num_cpus=cores, scheduling_strategy="SPREAD")
        self.actor = kind.remote(self.makers, sys.path)
        self._begun = self.actor.where.remote()
        self._until = time.monotonic() + (CORE if cores else ROOM)
        self._shares = cores == 0

    def pipe(self, place: int) -> "Pipe":
        """What leads to one of its environments."""
        return Pipe(self, place)

    def send(self, place: int, message: tuple[str, Any]) -> None:
        """Put a message out; with that of the last of its environments all are sent."""
        self._out[place] = message
        if len(self._out) == len(self.makers):
            self._asked, self._out = self._out, {}
            self._ref = self.actor.answer.remote(self._asked)

    def receive(self, place: int) -> tuple[Any, bool]:
        """What the environment answers to its message."""
        if not self._answers:
            self._answers = self._received()
        answer, well = self._answers.pop(place)
        command, data = self._asked[place]
        if command == "reset":
            self._seeds[place] = data["seed"]
        if command in ("reset", "step") and well:
            self._last[place] = answer[0]
        if not well:
            self._envs.error_queue.put((place, RaisedElsewhereError, answer, ""))
        return answer, well

    def _received(self) -> dict[int, tuple[Any, bool]]:
        import ray

        stepped = any(command == "step" for command, _ in self._asked.values())
        try:
            ray.get(self._begun, timeout=max(0.0, self._until - time.monotonic()))
            answers = ray.get(self._ref)
        except ray.exceptions.GetTimeoutError:
            if self._shares:
                told = f"Ray had no room for an actor within {ROOM:g} s; `ray status` tells more"
                raise RaisedElsewhereError(told) from None
            ray.kill(self.actor)
            self._take(cores=0)
            self._ref = self.actor.answer.remote(self._asked)
            return self._received()
        except ray.exceptions.RayTaskError:  # what raised is ours, not an environment
            raise
        except ray.exceptions.RayError as fault:
            return self._replaced(fault, stepped)
        self._died = 0 if stepped else self._died
        return answers

    def _replaced(self, fault: Exception, stepped: bool) -> dict[int, tuple[Any, bool]]:
        """The answers of another actor in the place of one that died."""
        import ray

        self._died += 1
        if self._died == DEATHS:
            told = f"{DEATHS} of its actors in a row died, and none had made a step"
            raise RaisedElsewhereError(f"{told}\n{fault}")
        self._envs.bury(len(self.makers))
        with suppress(ray.exceptions.RayError):
            ray.kill(self.actor)  # it may be out of reach alone, and must not come back
        self._take()
        if not stepped:
            self._ref = self.actor.answer.remote(self._asked)
            return self._received()
        anew = {i: ("reset", {"seed": self._anew(i), "options": None}) for i in self.makers}
        self._ref = self.actor.answer.remote(anew)
        asked, self._asked = self._asked, anew
        begun = self._received()
        self._asked = asked
        return {i: self._cut(i, *answer) for i, answer in begun.items()}

    def _cut(self, place: int, answer: Any, well: bool) -> tuple[Any, bool]:
        """The answer to a step that was lost: the episode is cut off, and the next one begins."""
        if not well:
            return answer, well
        obs, info = answer
        ended = {"final_obs": self._last[place], "final_info": {}}
        return (obs, 0.0, False, True, {**ended, **info}), True

    def _anew(self, place: int) -> int | None:
        """A seed for episodes that were not seen yet, where there was one."""
        seed = self._seeds[place]
        if seed is None:
            return None
        return int(np.random.SeedSequence([seed, self._envs.died]).generate_state(1)[0]) >> 1


class Pipe:
    """What AsyncVectorEnv takes for the end of a pipe, at whose other end an environment is."""

    def __init__(self, seat: Seat, place: int):
        self.closed = False
        self._seat, self._place = seat, place

    def send(self, message: tuple[str, Any]) -> None:
        """Of its commands, to the environment."""
        self._seat.send(self._place, message)

    def recv(self) -> tuple[Any, bool]:
        """The answer, and whether all went well."""
        return self._seat.receive(self._place)

    def close(self) -> None:
        """Nothing comes any more."""
        self.closed = True


class Worker:
    """What is in an actor: environments, by their numbers."""

    def __init__(self, makers: dict[int, Callable[[], gymnasium.Env]], path: list[str]):
        """`path` is that of modules in the process which asks; what is here comes first."""
        sys.path += [folder for folder in path if folder not in sys.path]
        self._makers = makers
        self._envs: dict[int, gymnasium.Env] = {}

    def where(self) -> str:
        """The node that this is on."""
        import ray

        return ray.get_runtime_context().get_node_id()

    def answer(self, asked: dict[int, tuple[str, Any]]) -> dict[int, tuple[Any, bool]]:
        """What each environment answers; where it raised, the error."""
        return {place: self._answer(place, *message) for place, message in asked.items()}

    def _answer(self, place: int, command: str, data: Any) -> tuple[Any, bool]:
        try:
            if place not in self._envs:
                self._envs[place] = self._makers[place]()
            return self._do(self._envs[place], command, data), True
        except RAISED as fault:
            return elsewhere(fault), False

    def _do(self, env: gymnasium.Env, command: str, data: Any) -> Any:
        """As `_async_worker` of Gymnasium's answers."""
        match command:
            case "reset":
                return plainly(env.reset(**data))
            case "step":
                obs, reward, terminated, truncated, info = plainly(env.step(data))
                if terminated or truncated:
                    final = {"final_info": info, "final_obs": obs}
                    obs, info = plainly(env.reset())
                    info = {**final, **info}
                return obs, reward, terminated, truncated, info
            case "_check_spaces":
                _, seen, done = data
                return env.observation_space == seen, env.action_space == done
            case "_call":
                name, args, kwargs = data
                attribute = env.get_wrapper_attr(name)
                return attribute(*args, **kwargs) if callable(attribute) else attribute
            case "_setattr":
                return env.set_wrapper_attr(*data)
        raise AssertionError(command)

    def close(self) -> None:
        """Close them all, and whatever they have started; what they raise nobody reads any more."""
        for env in self._envs.values():
            with suppress(*RAISED):
                env.close()
        end_children()


_lock = threading.Lock()
_borrowers, _ours = 0, False


@contextmanager
def borrowed(address: str, cores: int) -> Iterator[None]:
    """Ray, as long as one is inside: the cluster at an address, or one of our own (local)."""
    borrow(cores, address)
    try:
        yield
    finally:
        give_back()


def borrow(cores: int, address: str | None = None) -> None:
    """Have Ray run until as many have given it back: one that this process has joined already, that
    of RAY_ADDRESS, or one of our own, which nobody outside of this machine can reach. Of our own
    there is room for so many actors."""
    global _borrowers, _ours
    check_ray(address)
    with _lock:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of us
        import ray

        if not ray.is_initialized():
            _begin(cores, address or os.environ.get(ADDRESS) or "local")
            _ours = True
        _borrowers += 1


def _begin(cores: int, address: str) -> None:
    import ray
    from ray._private import ray_constants, worker

    local: dict[str, Any] = {}
    kept, listen = ray_constants.ENABLE_RAY_CLUSTER, worker.listen_error_messages
    # It prints a paragraph for each process that died, which we tell of ourselves, to standard
    # output, whatever log_to_driver says.
    worker.listen_error_messages = lambda *_: None
    if address == "local":
        # Else every port is open to whoever reaches this machine, whatever _node_ip_address says.
        ray_constants.ENABLE_RAY_CLUSTER = False
        local = {"include_dashboard": False, "object_store_memory": OBJECTS, "num_cpus": cores}
    stops = signal.getsignal(signal.SIGTERM)
    try:
        with warnings.catch_warnings():  # it forks, and becomes another program at once
            warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
            ray.init(address, log_to_driver=False, logging_level="ERROR", **local)
    except Exception as fault:
        token = "" if local else "; a cluster with a token wants RAY_AUTH_MODE=token here, too"
        raise InputError(f"Ray did not begin: {said(fault)}{token}.") from fault
    finally:
        ray_constants.ENABLE_RAY_CLUSTER, worker.listen_error_messages = kept, listen
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, stops)  # Ray puts an end to the process at once


def give_back() -> None:
    """Ray is not needed any more by one of those who borrowed it; where we began it, it ends with
    the last of them."""
    global _borrowers, _ours
    with _lock:
        _borrowers -= 1
        if _borrowers == 0 and _ours:
            import ray

            ray.shutdown()
            _ours = False
