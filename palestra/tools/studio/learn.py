"""An agent that learns, slowly enough to be watched, update by update.

A table in a small world, value and choice in each cell of it; or a network in a world of two
numbers, over the plane of which its choices and values are drawn. They go on by the very program
that trains (`compiled.run`). The algorithm's floats are arguments of it: a learning rate that is
changed meanwhile needs no compiling, and what was learned so far stays.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import jax
import numpy as np
from gymnasium.spaces import Discrete
from PIL import Image, ImageColor, ImageDraw

from palestra import envs, prng
from palestra.algorithms import ALGORITHMS, entry
from palestra.core import HasValues
from palestra.envs.drawing import draw
from palestra.envs.drawing.frozen_lake import MARGIN
from palestra.envs.toy_text.frozen_lake import FrozenLake
from palestra.envs.transforms import bare, simulator
from palestra.faults import InputError
from palestra.ranges import Seed, check, kind_of, sentences
from palestra.runners import compiled
from palestra.runners.cache import use_compilation_cache
from palestra.runners.switches import as_written
from palestra.tools import presets
from palestra.tools.pictures import policy
from palestra.tools.pictures.film import action_names
from palestra.tools.pictures.style import COLORS
from palestra.tools.studio.words import number, png

WORLDS = [x for x in envs.ENVIRONMENTS if x.startswith(("FrozenLake", "CliffWalking"))]
PLANES = "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"
TABLES = [name for name, row in ALGORITHMS.items() if row.observations == ("discrete",)]
RATE = 10.0  # updates a second
SLOWEST, FASTEST = 0.1, 100.0  # times that
PICTURES = 300  # of places, that are kept: to draw one takes longer than to learn a step
EPSILON = 0.2  # chance of a random action, which is constant here until it is changed
EPSILONS = ("epsilon_start", "epsilon_end")
ACROSS, WIDE, GAP = 61, 427, 26  # points of a plane along each axis; pixels of it, and beside it
# From low to high, as our other pictures have them: cividis, and orange to purple.
VALUES = (
    (0, 34, 78),
    (53, 69, 108),
    (102, 105, 112),
    (148, 142, 119),
    (200, 184, 102),
    (254, 232, 56),
)
FORCES = (179, 88, 6), (247, 247, 247), (84, 39, 136)


def learners(env_id: str) -> list[str]:
    """The algorithms that are watched in an environment: tables, or those with a preset."""
    if env_id not in PLANES:
        return TABLES
    return [x for x in ALGORITHMS if env_id in presets.presets(x, sketched=True)]


def shaded(shares: np.ndarray, colors: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """The colors [n, 3] of shares [n] from 0 to 1."""
    at = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(shares, at, channel) for channel in np.array(colors).T], -1)


class Lesson:
    """A learner, its world, and how far it has come."""

    def __init__(self, algorithm: str, env_id: str, seed: int = 0):
        """Raises ValueError for what is no table or no small world."""
        if env_id not in (*WORLDS, *PLANES):
            raise InputError(
                f"{env_id!r} is no world to draw on; these are: {', '.join((*WORLDS, *PLANES))}."
            )
        if algorithm not in (known := learners(env_id)):
            raise InputError(
                f"{algorithm!r} is not watched in {env_id}; these are: {', '.join(known)}."
            )
        use_compilation_cache()
        self.name, self.env_id, self.playing, self.speed = algorithm, env_id, False, 1.0
        self.env: Any = envs.make(env_id)
        self.world: Any = simulator(self.env)
        self.plane = policy.PLANES[type(self.world).__name__] if env_id in PLANES else None
        chosen = presets.preset(algorithm, env_id) if self.plane else None
        made: Any = chosen.algorithm if chosen else entry(algorithm).learner()
        self.num_envs = chosen.num_envs if chosen else 1
        constant = {x.name: EPSILON for x in fields(made) if x.name in EPSILONS}
        self.algorithm: Any = replace(made, **constant)
        self._pictures: dict[bytes, bytes] = {}
        self._seen = self.plane.points(ACROSS)[2] if self.plane else np.arange(self._cells)
        self._known = jax.jit(self._of)
        self._begin = jax.jit(compiled.begin, static_argnums=2)
        self._run = jax.jit(compiled.run, static_argnums=2)
        self.begin(seed)
        self._learned()  # compiled before anybody waits for it
        self.begin(seed)  # whose keys have not been used

    def begin(self, seed: int) -> None:
        """Nothing has been learned."""
        self.seed, self.step, self.episodes = seed, 0, 0
        self._news: list[tuple[int, float]] = []  # step and return of episodes, not told yet
        with as_written():
            self.carry = self._begin(self.env, self.algorithm, self.num_envs, np.uint32(seed))
        self._now = self._knows()

    @property
    def pace(self) -> float:
        """Updates a second; 0 while it stands."""
        return RATE * self.speed if self.playing else 0.0

    def advance(self, steps: int) -> bool:
        """Learn so many updates; whether anything has changed."""
        for _ in range(steps):
            self.carry, (_, episodes, *_) = self._learned()
            finished, totals = (np.asarray(x).ravel() for x in episodes[:2])
            ends = np.flatnonzero(finished)
            self._news += [(self.step + int(i) + 1, float(totals[i])) for i in ends]
            self.step += finished.size
            self.episodes += len(ends)
        return True

    def _learned(self) -> Any:
        """What one update more comes to."""
        with as_written():
            return self._run(self.env, self.algorithm, 1, self.carry)

    def obey(self, asked: dict[str, Any]) -> bool:
        """Do what the page asks for; whether to show it at once. Raises ValueError."""
        what = asked.get("do")
        if what in ("play", "pause"):
            self.playing = what == "play"
        elif what == "step":
            self.playing = False
            self.advance(1)
        elif what == "speed":
            self.speed = min(max(number(asked, "times"), SLOWEST), FASTEST)
        elif what == "set":
            self.change(str(asked.get("name")), number(asked, "value"))
        elif what == "begin":
            seed = int(number(asked, "seed"))
            check("seed", seed, Seed)
            self.begin(seed)
        else:
            raise InputError(f"There is nothing that is called {what!r} to do.")
        return True

    def change(self, name: str, value: float) -> None:
        """Learn on with another setting. Raises ValueError where it may not be."""
        if name not in self.settings():
            raise InputError(f"There is no setting {name!r} to change.")
        if name == "epsilon":
            check(
                name,
                float(value),
                next(x.type for x in fields(self.algorithm) if x.name in EPSILONS),
            )
        names = EPSILONS if name == "epsilon" else (name,)
        self.algorithm = replace(self.algorithm, **dict.fromkeys(names, float(value)))

    def settings(self) -> dict[str, float]:
        """The numbers of the algorithm that may be changed while it learns."""
        names = [x.name for x in fields(self.algorithm) if kind_of(x.type) is float]
        return {
            "epsilon" if x == "epsilon_start" else x: getattr(self.algorithm, x)
            for x in names
            if x != "epsilon_end"
        }

    def about(self) -> dict[str, Any]:
        """What stays the same, as JSON holds it."""
        space, known = self.env.action_space, action_names(self.env)
        names = [known.get(i, f"action {i}") for i in range(getattr(space, "n", 0))]
        said = sentences(type(self.algorithm)) | {"epsilon": "Chance of a random action."}
        told = {
            "algorithm": self.name,
            "env": self.env_id,
            "algorithms": {name: ALGORITHMS[name].summary for name in learners(self.env_id)},
            "environments": {x: envs.ENVIRONMENTS[x].summary for x in (*WORLDS, *PLANES)},
            "names": names,
            "settings": {x: said.get(x, "") for x in self.settings()},
            "rollout": self.algorithm.rollout_length * self.num_envs,
        }
        if self.plane:
            return told | {"x": self.plane.x, "y": self.plane.y, "colors": COLORS[: len(names)]}
        rows, columns = policy.shape_of(self.world)
        return told | {
            "rows": rows,
            "columns": columns,
            "margin": MARGIN if isinstance(self.world, FrozenLake) else 0,  # pixels around
            "open": policy.open_of(self.world).tolist(),
            "turns": policy.TURNS[type(self.world)],
        }

    def told(self) -> dict[str, Any]:
        """How far it has come, and what is new, as JSON holds it."""
        news, self._news = self._news, []
        self._now = values, _ = self._knows()
        of_plane = {"low": float(values.min()), "high": float(values.max())}
        return {
            **(of_plane if self.plane else {"values": values.tolist()}),
            "settings": self.settings(),
            "step": self.step,
            "episodes": self.episodes,
            "ended": news,
            "playing": self.playing,
            "speed": self.speed,
            "seed": self.seed,
        }

    @property
    def _cells(self) -> int:
        rows, columns = policy.shape_of(self.world)
        return rows * columns

    def _of(self, algorithm: Any, learner: Any, seen: Any) -> tuple[Any, Any]:
        """Values and choices for all that is drawn: of each action in a cell, or of the moment."""
        acts = algorithm.act(learner, seen, prng.key(0), explore=False)
        valued = isinstance(algorithm, HasValues)
        values = (algorithm.values if valued else algorithm.estimate)(learner, seen)
        return values.max(-1) if valued and self.plane else values, acts

    def _knows(self) -> tuple[np.ndarray, np.ndarray]:
        with as_written():
            values, acts = self._known(self.algorithm, self.carry.learner, self._seen)
        return np.asarray(values), np.asarray(acts)

    def png(self) -> bytes:
        """What is drawn of now, as a file."""
        return self._plane() if self.plane else self._world()

    def _plane(self) -> bytes:
        """Choices and values over the plane, side by side, and where the first episode is in it."""
        assert self.plane is not None
        values, acts = self._now
        least, most = values.min(), values.max()
        if isinstance(self.env.action_space, Discrete):
            done = np.array([ImageColor.getrgb(x) for x in COLORS])[acts]
        else:
            space = self.env.action_space
            done = shaded((acts[:, 0] - space.low[0]) / (space.high[0] - space.low[0]), FORCES)
        worth = shaded((values - least) / (most - least or 1.0), VALUES)
        sides = [x.reshape(ACROSS, ACROSS, 3)[::-1].astype(np.uint8) for x in (done, worth)]
        picture = Image.new("RGBA", (2 * WIDE + GAP, WIDE))
        seen = np.asarray(compiled.environments_first(self.carry.obs)[0])
        ends = (self.plane.x[1:], self.plane.y[1:])
        at = [(n - a) / (b - a) for n, (a, b) in zip(self.plane.place(seen), ends, strict=True)]
        across, up = np.clip(at, 0, 1) * WIDE
        for i, side in enumerate(sides):
            picture.paste(Image.fromarray(side).resize((WIDE, WIDE), 0), (i * (WIDE + GAP), 0))
            dot = i * (WIDE + GAP) + across, WIDE - up
            box = [v + d for d in (-6, 6) for v in dot]
            ImageDraw.Draw(picture).ellipse(box, "#ffffff", "#111827", 3)
        return png(np.asarray(picture))

    def _world(self) -> bytes:
        """The world as it is now; of a place where one has been before, the same."""
        state = jax.tree.map(lambda x: np.asarray(x)[..., 0], self.carry.env_state)
        _, place = bare(self.env, state)
        key = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(place))
        if key not in self._pictures:
            self._pictures[key] = png(draw(self.env, state))
            if len(self._pictures) > PICTURES:
                del self._pictures[next(iter(self._pictures))]
        return self._pictures[key]

    def close(self) -> None:
        """Nothing is open."""
