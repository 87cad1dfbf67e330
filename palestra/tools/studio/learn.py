"""A table that learns in a small world, slowly enough to be watched, step by step.

One environment and one learner, which go on by the very program that trains (`compiled.run`). The
algorithm's floats are arguments of it: a learning rate that is changed meanwhile needs no
compiling, and what was learned so far stays.
"""

from dataclasses import fields, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from palestra import envs
from palestra.algorithms import ALGORITHMS, entry
from palestra.envs.drawing import draw
from palestra.envs.drawing.frozen_lake import MARGIN
from palestra.envs.toy_text.frozen_lake import FrozenLake
from palestra.envs.transforms import bare, simulator
from palestra.faults import InputError
from palestra.ranges import Seed, check, kind_of, sentences
from palestra.runners import compiled
from palestra.runners.cache import use_compilation_cache
from palestra.runners.switches import as_written
from palestra.tools.pictures.film import action_names
from palestra.tools.pictures.policy import TURNS, open_of, shape_of
from palestra.tools.studio.words import number, png

WORLDS = [x for x in envs.ENVIRONMENTS if x.startswith(("FrozenLake", "CliffWalking"))]
TABLES = [name for name, row in ALGORITHMS.items() if row.observations == ("discrete",)]
RATE = 10.0  # updates a second
SLOWEST, FASTEST = 0.1, 100.0  # times that
PICTURES = 300  # of places, that are kept: to draw one takes longer than to learn a step
EPSILON = 0.2  # chance of a random action, which is constant here until it is changed
EPSILONS = ("epsilon_start", "epsilon_end")


class Lesson:
    """A learner, its world, and how far it has come."""

    def __init__(self, algorithm: str, env_id: str, seed: int = 0):
        """Raises ValueError for what is no table or no small world."""
        if algorithm not in TABLES:
            raise InputError(
                f"{algorithm!r} has no table to watch; these have: {', '.join(TABLES)}."
            )
        if env_id not in WORLDS:
            raise InputError(f"{env_id!r} is no grid to draw on; these are: {', '.join(WORLDS)}.")
        use_compilation_cache()
        self.name, self.env_id, self.playing, self.speed = algorithm, env_id, False, 1.0
        self.env: Any = envs.make(env_id)
        self.world: Any = simulator(self.env)
        made: Any = entry(algorithm).learner()
        constant = {x.name: EPSILON for x in fields(made) if x.name in EPSILONS}
        self.algorithm: Any = replace(made, **constant)
        rows, columns = shape_of(self.world)
        self.cells = rows * columns
        self._pictures: dict[bytes, bytes] = {}
        self._values = jax.jit(lambda learns, state, cells: learns.values(state, cells))
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
            self.carry = self._begin(self.env, self.algorithm, 1, np.uint32(seed))

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
        if name not in [x["name"] for x in self.settings()]:
            raise InputError(f"There is no setting {name!r} to change.")
        if name == "epsilon":
            check(
                name,
                float(value),
                next(x.type for x in fields(self.algorithm) if x.name in EPSILONS),
            )
        names = EPSILONS if name == "epsilon" else (name,)
        self.algorithm = replace(self.algorithm, **dict.fromkeys(names, float(value)))

    def settings(self) -> list[dict[str, Any]]:
        """The numbers of the algorithm that may be changed while it learns."""
        told, found = sentences(type(self.algorithm)), []
        for one in fields(self.algorithm):
            value = getattr(self.algorithm, one.name)
            if kind_of(one.type) is float and one.name != "epsilon_end":
                name = "epsilon" if one.name == "epsilon_start" else one.name
                said = "Chance of a random action." if name == "epsilon" else told.get(one.name, "")
                found.append({"name": name, "value": value, "said": said})
        return found

    def about(self) -> dict[str, Any]:
        """What stays the same, as JSON holds it."""
        rows, columns = shape_of(self.world)
        count = int(self.env.action_space.n)
        known = action_names(self.env)
        return {
            "algorithm": self.name,
            "env": self.env_id,
            "algorithms": {name: ALGORITHMS[name].summary for name in TABLES},
            "environments": {x: envs.ENVIRONMENTS[x].summary for x in WORLDS},
            "rows": rows,
            "columns": columns,
            "margin": MARGIN if isinstance(self.world, FrozenLake) else 0,  # pixels around
            "open": open_of(self.world).tolist(),
            "turns": TURNS[type(self.world)],
            "names": [known.get(i, f"action {i}") for i in range(count)],
            "settings": self.settings(),
            "rollout": self.algorithm.rollout_length,
        }

    def told(self) -> dict[str, Any]:
        """How far it has come, and what is new, as JSON holds it."""
        news, self._news = self._news, []
        with as_written():
            values = self._values(self.algorithm, self.carry.learner, jnp.arange(self.cells))
        return {
            "step": self.step,
            "episodes": self.episodes,
            "ended": news,
            "values": np.asarray(values).tolist(),
            "playing": self.playing,
            "speed": self.speed,
            "seed": self.seed,
        }

    def png(self) -> bytes:
        """The world as it is now, as a file; of a place where one has been before, the same."""
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
