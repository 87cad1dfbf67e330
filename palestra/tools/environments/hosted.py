"""What environments on the host have in common: they play in Python, beside a compiled learner."""

import os
import sys
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from importlib.metadata import packages_distributions
from types import ModuleType
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from palestra.core import Algorithm, Asynchronous, FarFromActors, Spec
from palestra.envs.host import many
from palestra.envs.host.actors import Actors, check_ray
from palestra.envs.host.closing import close, playing
from palestra.envs.host.one import try_out
from palestra.faults import RAISED, EnvironmentFaultError, InputError
from palestra.runners import host, streams, threads
from palestra.runners.report import Report, as_one_seed
from palestra.runners.switches import as_the_user_has_it
from palestra.tools.agents import episodes as judging
from palestra.tools.agents.policy import Policy
from palestra.tools.environments.task import Say, Spaces, Task, Train

# Where nothing cuts episodes off those on the way are given up after this share of the training's
# steps, so that the ten do not take more of them than training itself; but not before so many.
PATIENCE, SHORTEST = 0.01, 1_000


class Hosted(Task):
    """An environment on the host."""

    report_steps = 5_000
    may_fail = True
    simulator_name: ClassVar[str] = "gymnasium"  # in files

    @abstractmethod
    def make_envs(
        self, num_envs: int, *, training: bool = True, threads: int = 0, actors: int = 0
    ) -> many.Made:
        """So many environments, to train in or to judge in. Raises ValueError.

        `threads` are the emulator's own, where it has such; 0 for as many as it likes. `actors` are
        Ray's, in which they play; 0 for none.
        """

    @abstractmethod
    def make_one(self, render_mode: str | None = None) -> gymnasium.Env:
        """One environment, to watch. Raises ValueError."""

    def bytes_each(self) -> int:
        return 6_000

    def spaces(self) -> Spaces:
        whole: Any = replace(self, ignore=(), mask=False)
        with as_the_user_has_it(), playing(whole.make_one()) as env:
            tried = try_out(self.env_id, env)
            return Spaces(env.observation_space, env.action_space, tried.mask)

    @as_the_user_has_it()
    def check_several(self, count: int) -> None:
        if count == 1:
            return
        with playing(self.make_one()) as one:
            try_out(self.env_id, one)
            try:
                with playing(self.make_one()) as another:
                    try_out(self.env_id, another)
                    return
            except EnvironmentFaultError as fault:
                reason = str(fault)
        try:  # of some there can be one in each process
            with playing(self.make_envs(count).envs) as envs:
                envs.reset()
        except RAISED:
            raise InputError(
                f"Only one {self} can be open at a time ({reason}): train in one environment "
                "(--num-envs 1), and one seed after another."
            ) from None

    def check_devices(self, num_envs: int, devices: int) -> None:
        if devices > 1:
            raise InputError(
                f"{self} is stepped by one processor, so that one device learns from it (leave out "
                "devices); several train in environments in JAX, which `palestra list` names."
            )

    def together(self, algorithm: Algorithm, num_envs: int) -> int:
        # Each worker updates by itself.
        return algorithm.worker_envs if isinstance(algorithm, Asynchronous) else num_envs

    def check_repeats(self, name: str, algorithm: Algorithm) -> None:
        if isinstance(algorithm, Asynchronous):
            raise InputError(
                f"{name} plays in threads here, and who comes first is up to the machine: it "
                "never repeats."
            )

    def goes_on_exactly(self, kept: Iterable[str]) -> bool:
        return any(name.startswith("playing.") for name in kept)

    def check_actors(self, algorithm: Algorithm, num_envs: int, actors: int) -> None:
        if isinstance(algorithm, Asynchronous):
            raise InputError(
                f"{type(algorithm).__name__} has threads that play by themselves, and takes no "
                "actors; impala learns from actors that are far away."
            )
        if num_envs < actors:
            raise InputError(
                f"{actors} actors need at least {actors} environments, one each, not {num_envs}: "
                f"--num-envs {actors}."
            )
        check_ray()

    def runner(
        self, algorithm: Algorithm, actors: int = 0
    ) -> Callable[..., Generator[Report, None, None]]:
        """What trains in a vector environment."""
        return threads.beside if actors and isinstance(algorithm, FarFromActors) else host.train

    @contextmanager
    def opened(
        self, algorithm: Algorithm, num_envs: int, say: Say, actors: int = 0
    ) -> Iterator[Train]:
        if isinstance(algorithm, Asynchronous):
            each = algorithm.worker_envs
            workers = num_envs // each
            say(f"{workers} threads, each with {each} of {self}.")
            make_envs = lambda: self.make_envs(each, threads=1).envs
            closed = partial(close, say=say)
            run = partial(threads.train, make_envs, algorithm, workers=workers, close=closed)
            yield partial(of_one_seed, run)
            return
        made = self.make_envs(num_envs, actors=actors)
        try:
            say(made.how)
            if isinstance(made.envs, Actors):
                made.envs.say = say
            train = self.runner(algorithm, actors)
            yield partial(of_one_seed, partial(train, made.envs, algorithm))
        finally:
            close(made.envs, say)

    def seeds(self, seed: int) -> dict[str, str]:
        of = lambda use: f"environment i is reset with {streams.first(seed, use)} + i"
        return {
            "training": f"{of(streams.TRAINING)}; prng.key({seed}), split anew for every rollout "
            "and update",
            "periodic evaluations": of(streams.JUDGE),
            "final evaluation": of(streams.EXAM),
        }

    @property
    def longest(self) -> int:
        """Steps after which an episode that is judged is given up."""
        return self.limit or judging.LONGEST

    def places(self, longest: int) -> judging.Places:
        """Where agents are judged."""
        make = lambda lanes: self.make_envs(lanes, training=False).envs
        return judging.Places(str(self), make, longest)

    def judge(self, algorithm: Algorithm, spec: Spec, wishes: judging.Wishes) -> judging.Judge:
        if wishes.lanes == 0:
            return judging.Nobody()
        longest = self.longest
        if self.limit is None:
            longest = min(longest, max(SHORTEST, int(PATIENCE * wishes.steps)))
        places, asked = self.places(longest), (wishes.episodes, wishes.lanes)
        try:
            return judging.OnHost(places, algorithm, spec, *asked)
        except EnvironmentFaultError as fault:
            wishes.say(
                "There are no evaluations on the way, since no environment can be opened beside "
                f"those that train ({fault}); the last agent is judged when these are closed."
            )
            return judging.Nobody()

    def score(
        self,
        policy: Policy,
        *,
        episodes: int,
        seed: int,
        both: bool = True,
        explore: bool = False,
        lanes: int | None = None,
    ) -> dict[str, dict[str, Any]]:
        first = streams.first(seed, streams.EXAM)
        asked: Any = {"episodes": episodes, "explore": explore, "lanes": lanes}
        played = judging.on_host(policy, self.places(self.longest), seed=first, **asked)
        return {self.simulator_name: played.as_json()}

    def filmable(self) -> bool:
        with playing(self.make_one()) as env:
            return "rgb_array" in (env.metadata.get("render_modes") or ())

    def filmed(self) -> VectorEnv:
        """One environment in a vector, which gives pictures and is not begun anew."""
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            os.environ.setdefault("MUJOCO_GL", "egl")  # MuJoCo by itself asks for a display
        make_env = partial(self.make_one, render_mode="rgb_array")
        return SyncVectorEnv([make_env], autoreset_mode=AutoresetMode.DISABLED)

    captions: ClassVar[bool] = True  # under the pictures of a film

    def film(self, policy: Policy, seed: int) -> tuple[Iterator[np.ndarray], float]:
        from palestra.tools.pictures import film  # which draws: nothing before needs that

        first = streams.first(seed, streams.EXAM)
        made = self.filmed()
        return film.on_host(self.env_id, made, policy, seed=first, captions=self.captions)


def of_one_seed(
    run: Callable[..., Generator[Report, None, None]],
    *,
    seeds: Sequence[int],
    devices: int,
    **settings: Any,
) -> Generator[Report, None, None]:
    """The reports of a runner that trains one seed on one device, as those of several are."""
    (seed,) = seeds
    with closing(run(seed=seed, **settings)) as reports:
        yield from map(as_one_seed, reports)


def packages_of(creator: Any) -> list[str]:
    """The installed packages of what makes an environment: that of its class, and those that its
    modules import, such as mujoco and Box2D; but for Palestra."""
    modules = {part.__module__ for part in getattr(creator, "__mro__", [creator])}
    imported = {
        getattr(thing, "__name__" if isinstance(thing, ModuleType) else "__module__", None)
        for module in modules & sys.modules.keys()
        for thing in vars(sys.modules[module]).values()
    }
    top = {name.partition(".")[0] for name in modules | imported if isinstance(name, str)}
    known = packages_distributions()  # a package may be installed in parts, as MuJoCo 4 is
    found = {part for name in top & known.keys() for part in (name, *known[name])}
    return sorted(found - {"palestra"})
