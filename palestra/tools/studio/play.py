"""A game that an agent plays, or a person, from any of its moments.

In our simulators every moment keeps the whole state (`get_state`), random numbers to come included:
one may go back to it, and what follows is to the bit what followed before, unless somebody else
acts, or the world is another. Environments on the host have no such state: they go on alone.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import jax
import numpy as np
from gymnasium.error import DependencyNotInstalled
from gymnasium.spaces import Discrete

from palestra.core import HasPolicy, HasValues, Judged
from palestra.envs.drawing import draw, drawable, frames_per_second
from palestra.envs.gym.single import PalestraEnv
from palestra.envs.host import masking
from palestra.envs.host.closing import close
from palestra.envs.transforms import revised, simulator
from palestra.faults import EnvironmentFaultError, InputError, said
from palestra.ranges import Episodes, Seed, check, kind_of, plain, sentences
from palestra.runners.cache import use_compilation_cache
from palestra.runners.switches import as_the_user_has_it
from palestra.tools import dataset
from palestra.tools.agents.agent import Agent
from palestra.tools.dataset import Moment
from palestra.tools.environments.hosted import Hosted
from palestra.tools.environments.ours import Ours
from palestra.tools.pictures import video
from palestra.tools.pictures.controls import MEANINGS, SQUARES, controls_of, meanings
from palestra.tools.pictures.film import Shot, action_names, captioned, presentable, rate_of
from palestra.tools.studio.line import Line
from palestra.tools.studio.words import number, png

SLOWEST, FASTEST = 0.1, 10.0  # times the game's own pace
LONGEST = 20_000  # moments of a game
NUMBERS = 24  # of an observation that are shown
BRANCHES = 9  # that are kept
OBSERVED: dict[str, tuple[Sequence[str], ...]] = {  # by simulator, whole and in part; units behind
    "CartPole": (
        ("position [m]", "speed [m/s]", "angle [rad]", "angular speed [rad/s]"),
        ("position [m]", "angle [rad]"),
        ("cell",),
    ),
    "MountainCar": (("position [m]", "speed [m/step]"), ("cell",)),
    "MountainCarContinuous": (("position [m]", "speed [m/step]"),),
    "Pendulum": (
        ("cos(angle)", "sin(angle)", "angular speed [rad/s]"),
        ("cos(angle)", "sin(angle)"),
    ),
    "Acrobot": (
        (
            *("cos(angle 1)", "sin(angle 1)", "cos(angle 2)", "sin(angle 2)"),
            *("angular speed 1 [rad/s]", "angular speed 2 [rad/s]"),
        ),
    ),
    "FrozenLake": (("cell",),),
    "CliffWalking": (("cell",),),
    "Maze": (("cell",),),
    "Taxi": (("situation",),),
    "Blackjack": (("own sum", "dealer's card", "usable ace"),),
    "TicTacToe": (SQUARES,),
}


class Game:
    """Episodes in one of our simulators; each branch is a line of moments."""

    rewinds = True

    def __init__(self, agent: Agent, seed: int = 0, folder: Path | None = None):
        """Films are written into `folder`. Raises ValueError where it cannot be drawn."""
        use_compilation_cache()
        self.agent, self.folder, self.saved = agent, folder, ""
        self.hands = "agent"  # who plays: agent, you
        self.playing, self.speed = False, 1.0
        self.held: list[str] = []  # keys that are down, the last one pressed last
        self._pressed: list[str] = []  # keys that were pressed since the last step
        self._idle = 0
        self._open()
        self.begin(seed)

    # What differs on the host.

    def _open(self) -> None:
        task = self.agent.task
        assert isinstance(task, Ours)
        if not drawable(task.env):
            raise InputError(f"There are no pictures of {task}; it cannot be watched.")
        world = task.simulator()
        self.world: Any = world.judged if isinstance(world, Judged) else world
        self.rate = float(frames_per_second(self.world))
        self._know(simulator(self.world))
        self._envs: dict[Any, PalestraEnv] = {}

    def _know(self, env: Any) -> None:
        """What actions mean, and with which keys they are taken."""
        self._meanings = meanings(env)
        self.controls = controls_of(env, self.agent.action_space)

    def _reset(self, seed: int) -> Moment:
        env = self._env(self.world)
        obs, info = env.reset(seed=seed)
        return Moment(obs, env.get_state(), self.world, mask=self._mask(obs, info))

    def _take(self, now: Moment, action: Any) -> Moment:
        env = self._env(self.world)
        env.set_state(now.snapshot)
        obs, reward, terminated, truncated, info = env.step(action)
        over = "ended" if terminated else "time" if truncated else ""
        reward = float(reward)
        return Moment(
            *(obs, env.get_state(), self.world),
            mask=self._mask(obs, info),
            reward=reward,
            total=now.total + reward,
            over=over,
        )

    def _mask(self, obs: Any, info: dict[str, Any]) -> Any:
        beside = isinstance(obs, dict) and masking.KEY in obs
        return info.get(masking.KEY) if self.agent.task.mask and not beside else None

    def picture(self) -> np.ndarray:
        """The picture of the moment that is shown."""
        now = self.now
        return draw(now.world, now.snapshot.state, plain(now.action))

    def png(self) -> bytes:
        """The picture as a file."""
        return png(self.picture())

    def close(self) -> None:
        """Nothing is open."""

    def _env(self, world: Any) -> PalestraEnv:
        if world not in self._envs:
            self._envs[world] = PalestraEnv(world)
        return self._envs[world]

    def numbers(self) -> dict[str, float]:
        """The numbers of the world, which may be changed while it is played."""
        bare = simulator(self.world)
        floats = [x.name for x in fields(bare) if kind_of(x.type) is float]  # type: ignore[arg-type]
        numbers = {name: getattr(bare, name) for name in floats}
        return {name: x for name, x in numbers.items() if isinstance(x, float | int)}

    # What is the same everywhere.

    def begin(self, seed: int) -> None:
        """An episode begins; all branches of the one before are gone."""
        first = self._reset(seed)
        self.seed, self.at, self.branch, self.branches = seed, 0, 0, [Line([])]
        self.line.append(first)
        self._decided: tuple[Any, Any] = None, None
        self._idle = 0

    @property
    def line(self) -> Line:
        """The moments of the branch that is shown."""
        return self.branches[self.branch]

    @property
    def now(self) -> Moment:
        """The moment that is shown."""
        return self.line[self.at]

    def step(self) -> bool:
        """Go on by one moment: by one that there is already, else by an action of whoever plays.
        False where there is none."""
        if self.hands == "agent" and self.at + 1 < len(self.line):
            self.at += 1
            return True
        turn = self._pressed or self.controls.idle  # of a game that waits for a person
        if self.now.over or (self.hands == "you" and not turn):
            return False
        if len(self.line) >= LONGEST:
            raise InputError(f"A game has {LONGEST:,} moments at most; begin another one.")
        self.fork()
        now = self.now
        action, memory = self._decision(now)
        if self.hands == "you":
            action = self._of_person()
        yours = now.yours or self.hands == "you"
        made = self._take(now, action)._replace(
            action=action, by=self.hands, yours=yours, memory=memory
        )
        self.line.append(made)
        self.at += 1
        return True

    def seek(self, at: int) -> None:
        """Show another moment of the branch. Raises ValueError where there is no way back."""
        if not self.rewinds:
            raise InputError("This environment has no state to go back to; it goes on alone.")
        self.at = min(max(at, 0), len(self.line) - 1)

    def fork(self, *, always: bool = False) -> None:
        """Go on from here on a branch of its own, unless this is a branch's end."""
        if self.at + 1 == len(self.line) and not always:
            return
        self.branches.append(self.line.until(self.at))
        if len(self.branches) > BRANCHES:
            del self.branches[0 if self.branch else 1]
        self.branch = len(self.branches) - 1

    def show(self, branch: int) -> None:
        """Show another branch, at this moment or its end."""
        if 0 <= branch < len(self.branches):
            self.branch = branch
            self.at = min(self.at, len(self.line) - 1)

    def save(self) -> None:
        """Write the branch that is shown as a film into the run's folder. Raises ValueError where
        what is past cannot be drawn any more."""
        if not self.rewinds or self.folder is None:
            raise InputError("Only episodes that one can go back in are saved as films here.")
        name = f"episode-{time.strftime('%Y%m%d-%H%M%S')}.mp4"
        words = action_names(self.world)
        drawn = lambda x: draw(x.world, x.snapshot.state, plain(x.action))
        shots = ((drawn(x), Shot(None, x.action, x.total)) for x in self.line)
        frames = (captioned(x, i, shot, words) for i, (x, shot) in enumerate(shots))
        self.folder.mkdir(parents=True, exist_ok=True)
        video.write(self.folder / name, frames, self.rate)
        self.saved = name if (self.folder / "config.json").is_file() else str(self.folder / name)

    def keep(self) -> None:
        """Write the branch that is shown as a data set of Minari's into the run's folder. Raises
        ValueError where it is not installed, or the episode is not whole."""
        if self.folder is None or not self.now.over or self.at + 1 < len(self.line):
            raise InputError("A data set is of whole episodes: play this one to its end first.")
        name = f"data-{time.strftime('%Y%m%d-%H%M%S')}"
        self.saved = str(dataset.write(self.agent, [self.line], self.folder / name))

    def change(self, name: str, value: float) -> None:
        """Go on from here in a world with another parameter. Raises ValueError where it may not
        be."""
        if name not in self.numbers():
            raise InputError(f"There is no parameter {name!r} to change.")
        self.world = revised(self.world, **{name: value})
        self.fork()
        self.line.replace_last(self.now._replace(world=self.world))

    def key(self, name: str, down: bool) -> None:
        """A key goes down or up. One that does something takes a game over that goes on."""
        if self.controls.action(name) is None or (down and self.now.over):
            return
        if down and name not in self.held:
            self.held.append(name)
            self._pressed.append(name)
            self.hands = "you"
        elif not down and name in self.held:
            self.held.remove(name)

    def hand(self, to: str) -> None:
        """Hand the game to the agent, or to a person."""
        self.hands = "you" if to == "you" and not self.now.over else "agent"
        self.held, self._pressed = [], []

    @property
    def pace(self) -> float:
        """Steps a second; 0 while it stands, or waits for a person's turn."""
        moves = self.playing if self.hands == "agent" else bool(self.controls.idle)
        return self.rate * self.speed if moves else 0.0

    def advance(self, steps: int) -> bool:
        """Go on; whether anything has changed. It stands at an episode's end."""
        for _ in range(steps):
            if not self.step() or self.now.over:
                self.hand("agent")
                self.playing = False
                break
        return True

    def obey(self, asked: dict[str, Any]) -> bool:
        """Do what the page asks for; whether to show it at once. Raises ValueError."""
        what = asked.get("do")
        if what == "play":
            self.hand("agent")
            self.playing = True
            if self.now.over and self.rewinds:
                self.at = 0  # as players of films do
            elif self.now.over:
                self.begin(self.seed + 1)
        elif what == "pause":
            self.playing = False
            self.hand("agent")
        elif what == "step":
            self.playing = False
            self.step()
        elif what == "seek":
            self.playing = False
            self.hand("agent")
            self.seek(int(number(asked, "at")))
        elif what == "branch":
            self.fork()
        elif what == "save":
            self.save()
        elif what == "keep":
            self.keep()
        elif what == "show":
            self.show(int(number(asked, "branch")))
        elif what == "speed":
            self.speed = min(max(number(asked, "times"), SLOWEST), FASTEST)
        elif what == "key":
            self.key(str(asked.get("key")), bool(asked.get("down")))
            if self.controls.idle:
                return False
            if self._pressed:
                self.advance(1)
        elif what == "hand":
            self.hand(str(asked.get("to")))
            self.playing = self.hands == "agent" and not self.now.over
        elif what == "set":
            self.change(str(asked.get("name")), number(asked, "value"))
        elif what == "begin":
            seed = int(number(asked, "seed"))
            check("seed", seed, Seed)
            self.hand("agent")
            self.begin(seed)
        else:
            raise InputError(f"There is nothing that is called {what!r} to do.")
        return True

    def _of_person(self) -> Any:
        taps = [x for x in self._pressed if x not in self.held]  # heard, however short
        down = [*self.held, *taps] if self.controls.idle else self._pressed[-1:]
        self._pressed = []
        if down:
            return self.controls.action(*down)
        self._idle += 1
        idle = self.controls.idle
        return idle[(self._idle - 1) % len(idle)]

    def _decision(self, now: Moment) -> tuple[Any, Any]:
        """What the agent does, and what it remembers then."""
        if self._decided[0] is not now:
            answer = self.agent.predict(now.obs, **self._beside(now))
            self._decided = now, answer if self.agent.remembers else (answer, None)
        return self._decided[1]

    def _thoughts(self, now: Moment) -> tuple[str, np.ndarray | None]:
        """Probabilities or values of the actions, where there are such."""
        algorithm = self.agent.algorithm
        if isinstance(self.agent.action_space, Discrete):
            with suppress(InputError):
                if isinstance(algorithm, HasPolicy):
                    likely = self.agent.probabilities(now.obs, **self._beside(now))
                    return "probabilities", np.ravel(likely)
                if isinstance(algorithm, HasValues):
                    return "values", np.ravel(self.agent.values(now.obs, **self._beside(now)))
        return "", None

    def _value(self, now: Moment) -> float | None:
        """What the agent expects from here on, where it has learned that."""
        with suppress(InputError):
            return float(np.ravel(self.agent.estimate(now.obs, **self._beside(now)))[0])
        return None

    def _beside(self, now: Moment) -> dict[str, Any]:
        """What an agent is told beside what it observes, of those that are."""
        told = {"memory": now.memory} if self.agent.remembers else {}
        return told if now.mask is None else {**told, "mask": now.mask}

    def names(self) -> list[str]:
        """What the actions do, in words where they are known."""
        space = self.agent.action_space
        if not isinstance(space, Discrete):
            return []
        if self._meanings:
            return [MEANINGS.get(x, x) for x in self._meanings]
        known = {} if self.world is None else action_names(self.world)
        numbers = range(int(space.start), int(space.start + space.n))
        return [known.get(i, f"action {i}") for i in numbers]

    def about(self) -> dict[str, Any]:
        """What stays the same, as JSON holds it."""
        told = sentences(type(simulator(self.world))) if self.world is not None else {}
        return {
            "task": str(self.agent.task),
            "algorithm": type(self.agent.algorithm).__name__,
            "rewinds": self.rewinds,
            "rate": self.rate,
            "names": self.names(),
            "keys": [{"keys": x.keys.split(), "does": x.does} for x in self.controls.moves],
            "turns": not self.controls.idle,
            "together": bool(self.controls.together),
            "parameters": {name: told.get(name, "") for name in self.numbers()},
        }

    def told(self) -> dict[str, Any]:
        """What is told of the moment that is shown, as JSON holds it."""
        now = self.now
        kind, thoughts = ("", None) if now.over else self._thoughts(now)
        does = None if now.over else self._decision(now)[0]
        return {
            "at": self.at,
            "end": len(self.line) - 1,
            "action": _flat(now.action),
            "by": now.by,
            "reward": now.reward,
            "total": now.total,
            "over": now.over,
            "does": _flat(does),
            "kind": kind,
            "thoughts": None if thoughts is None else thoughts.tolist(),
            "value": None if now.over else self._value(now),
            "seen": self._seen(now.obs),
            "hands": self.hands,
            "branch": self.branch,
            "branches": [
                {"total": x[-1].total, "over": x[-1].over, "by": "you" if x[-1].yours else "agent"}
                for x in self.branches
            ],
            "seed": self.seed,
            "moving": self.pace > 0,
            "world": self.numbers(),
            "speed": self.speed,
            "saved": self.saved,
        }

    def _seen(self, obs: Any) -> list[tuple[str, float]] | None:
        """The numbers of an observation, with their names; None of pictures."""
        leaves = jax.tree.leaves(obs)
        if any(np.ndim(leaf) > 2 for leaf in leaves):
            return None
        numbers = np.concatenate([np.ravel(leaf) for leaf in leaves]).astype(float)
        told = OBSERVED.get(type(simulator(self.world)).__name__, ()) if self.world else ()
        plain = [f"{i}" for i in range(len(numbers))]
        known = next((names for names in told if len(names) == len(numbers)), plain)
        return [*zip(known, numbers.tolist(), strict=True)][:NUMBERS]


class HostGame(Game):
    """Episodes in an environment on the host, which has no state to go back to: of each only the
    moment of now can be shown, and stepped on from."""

    rewinds = False

    def _open(self) -> None:
        task = self.agent.task
        assert isinstance(task, Hosted)
        if not self._ask(task.filmable):
            raise InputError(f"There are no pictures of {task}; it cannot be watched.")
        self.world = None
        self._many = self._ask(task.filmed)  # one environment, in a vector
        self.rate = rate_of(self._many.metadata.get("render_fps"))
        self._know(getattr(self._many, "envs", [self._many])[0].unwrapped)

    def _ask(self, call: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            with as_the_user_has_it():
                return call(*args, **kwargs)
        except InputError:
            raise
        except DependencyNotInstalled as fault:  # told by the line that installs it
            raise InputError(str(fault)) from None
        except Exception as fault:
            raise EnvironmentFaultError(f"{self.agent.task} failed: {said(fault)}.") from fault

    def _reset(self, seed: int) -> Moment:
        return Moment(self._ask(self._many.reset, seed=seed)[0])

    def _of_person(self) -> Any:
        return np.asarray(super()._of_person())[None]  # for a vector of one, as the agent's

    def _take(self, now: Moment, action: Any) -> Moment:
        obs, reward, terminated, truncated, _ = self._ask(self._many.step, action)
        over = "ended" if terminated[0] else "time" if truncated[0] else ""
        gained = float(reward[0])
        return Moment(obs, reward=gained, total=now.total + gained, over=over)

    def picture(self) -> np.ndarray:
        return presentable(self._ask(self._many.render)[0])

    def numbers(self) -> dict[str, float]:
        """None can be changed while it is played."""
        return {}

    def close(self) -> None:
        close(self._many)


def game(agent: Agent, seed: int = 0, folder: Path | None = None) -> Game:
    """A game of the agent's. Raises ValueError where it cannot be watched."""
    return (Game if isinstance(agent.task, Ours) else HostGame)(agent, seed, folder)


def episodes(agent: Agent, count: int, seed: int = 0) -> Iterator[Line]:
    """Greedy episodes of an agent, one after another, each the line of its moments."""
    check("episodes", count, Episodes)
    check("seed", seed, Seed)
    played = game(agent, seed)
    try:
        for i in range(count):
            played.begin(seed + i)
            while played.step():
                pass
            yield played.line
    finally:
        played.close()


def _flat(action: Any) -> list[float] | None:
    """The numbers of an action."""
    if action is None:
        return None
    return [float(x) for leaf in jax.tree.leaves(action) for x in np.ravel(leaf)]
