"""Millions of transitions in our own Atari 2600 beside ale-py's vector environment: all equal?

python benchmarks/atari2600_transitions.py [--games pong,breakout] [--parts 0,1] [--steps 500000]
    [--consoles 64] [--to FILE]
python benchmarks/atari2600_transitions.py --agents RUN,RUN [--epsilon 0.05] [the same]

Each game, or each agent in the game that it learned, is played in so many consoles of both with the
same actions, each of four frames: random ones, or the agent's greedy ones, of which a share
`epsilon` is random, and after a lost life FIRE. The agent sees our console with its own
preprocessing. Games begin after FIRE and the frames without action that ale-py has drawn. After
every step all consoles are compared: the picture (84 x 84 in gray, the brighter of two frames),
reward, lives, end and the number of frames. One picture is not: that of a game that ends with the
last frame of a step, to which ale-py adds what it showed before.

A part has `steps` transitions, and its number is its seed. It ends at the first difference, which
is told. What is in FILE, a JSON line for each part, is not done again.
"""

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ale_py.vector_env import AtariVectorEnv

import palestra
from palestra import prng
from palestra.envs.atari2600 import game_of
from palestra.envs.atari2600.environment import Atari2600
from palestra.tools.environments.atari import preprocessing

TELL = 100_000  # transitions between two lines
# Whole games, all points, and no action but ours; one boot, since these games begin alike.
PLAIN: dict[str, Any] = {
    "boots": 1,
    "sticky": 0.0,
    "fire_life": False,
    "life_loss": False,
    "clip_reward": False,
}


class Ours:
    """Consoles of an environment of ours, each in a game that began after so many frames."""

    def __init__(self, env: Atari2600, consoles: int):
        begun = jax.jit(jax.vmap(env.reset))(jax.random.split(prng.key(0), 500))
        frames, first = np.unique(np.asarray(begun[0].frames), return_index=True)
        self._games, self._frames = jax.tree.map(lambda x: x[first], begun), frames

        def step(states: Any, actions: jax.Array) -> Any:
            keys = jax.random.split(prng.key(0), consoles)  # by which nothing is drawn
            return jax.vmap(env.step)(states, actions, keys)

        self._begin, self._step = jax.jit(_begin), jax.jit(step)
        self.states, self.seen = jax.tree.map(lambda x: x[np.zeros(consoles, int)], self._games)

    def begin(self, which: np.ndarray, frames: np.ndarray) -> None:
        """Some consoles begin new games, after so many frames each."""
        at = np.searchsorted(self._frames, np.where(which, frames, self._frames[0]))
        now = self.states, self.seen
        self.states, self.seen = self._begin(self._games, now, which, at)

    def step(self, actions: np.ndarray) -> Any:
        self.states, out = self._step(self.states, actions)
        self.seen = out.obs
        return out


def _begin(games: Any, now: Any, which: jax.Array, at: jax.Array) -> Any:
    choose = jax.vmap(lambda this, new, old: jnp.where(this, new, old))
    return jax.tree.map(lambda new, old: choose(which, new[at], old), games, now)


def learned(run: Path) -> str:
    """ale-py's name of the game that an agent learned, in ale-py or in our console."""
    return game_of(palestra.load(run).env_id.replace("ALE/", "atari/"))


class Trained:
    """An agent, which sees consoles of its own that play what others play."""

    def __init__(self, run: Path, consoles: int, epsilon: float, **begins: Any):
        self.agent, self.epsilon, self.game = palestra.load(run), epsilon, learned(run)
        sees = asdict(preprocessing(self.agent.task.env_kwargs)) | PLAIN | begins
        env = Atari2600(game=self.game, **sees)
        self.ours = Ours(env, consoles)
        self.many = env.action_space.n
        told = env.get_action_meanings()
        self.fire = told.index("FIRE") if "FIRE" in told else None

    def actions(self, rng: np.random.Generator) -> np.ndarray:
        """Its own, a share of random ones, and FIRE after a lost life."""
        chosen = self.agent.predict(np.asarray(self.ours.seen))
        random = rng.integers(self.many, size=len(chosen))
        chosen = np.where(rng.random(len(chosen)) < self.epsilon, random, chosen)
        if self.fire is not None:
            chosen = np.where(np.asarray(self.ours.states.lost), self.fire, chosen)
        return chosen.astype(np.int32)


class Both:
    """Consoles of ours and of ale-py's that begin alike and play alike."""

    def __init__(self, game: str, consoles: int, seed: int, trained: Trained | None = None):
        env = Atari2600(game=game, **{**PLAIN, "stack": 1})
        self.ours = Ours(env, consoles)
        self.theirs = AtariVectorEnv(game, consoles, stack_num=1, reward_clipping=False)
        self.many, self.trained = env.action_space.n, trained
        self.players = [self.ours, trained.ours] if trained else [self.ours]
        self.begin(seed)

    def begin(self, seed: int) -> None:
        """All consoles begin games; nothing is counted yet."""
        consoles = self.theirs.num_envs
        self.rng = np.random.default_rng(seed)
        self.shown, info = self.theirs.reset(seed=seed * consoles)
        for played in self.players:
            played.begin(np.ones(consoles, bool), info["episode_frame_number"])
        self.over = np.zeros(consoles, bool)  # whose next step is a new game's beginning
        self.transitions = self.unseen = self.lost = 0
        self.points, self.returns = np.zeros(consoles), list[float]()
        self._lives = info["lives"]

    def step(self) -> dict[str, np.ndarray]:
        """A step of all; for each of what is compared, in which consoles it differs."""
        if self.trained:
            actions = self.trained.actions(self.rng)
        else:
            actions = self.rng.integers(self.many, size=len(self.over), dtype=np.int32)
        before = np.asarray(self.ours.states.frames)
        self.theirs.send(actions)  # which plays by itself, meanwhile
        out, *_ = [played.step(actions) for played in self.players]
        self.shown, rewards, terminated, truncated, info = self.theirs.recv()
        began, goes = self.over, ~self.over
        if began.any():
            for played in self.players:
                played.begin(began, info["episode_frame_number"])
        state = self.ours.states
        # See the top: ale-py shows what it showed before.
        unseen = terminated & (np.asarray(state.frames) - before == 4) & goes
        seen, shown = np.asarray(self.ours.seen)[..., 0], self.shown[:, 0]
        differ = {
            "picture": (seen != shown).any((1, 2)) & ~unseen,
            "reward": (np.asarray(out.reward) != rewards) & goes,
            "lives": np.asarray(state.facts[:, 2]) != info["lives"],
            "over": (np.asarray(out.terminated) != terminated) & goes,
            "truncated": (np.asarray(out.truncated) != truncated) & goes,
            "frames": np.asarray(state.frames) != info["episode_frame_number"],
        }
        self.over = terminated | truncated
        self._count(goes, rewards, info["lives"], unseen)
        return differ

    def _count(
        self, goes: np.ndarray, rewards: np.ndarray, lives: np.ndarray, unseen: np.ndarray
    ) -> None:
        self.transitions += int(goes.sum())
        self.unseen += int(unseen.sum())
        self.lost += int((goes & (lives < self._lives)).sum())
        self._lives = lives
        self.points += np.where(goes, rewards, 0)
        self.returns += self.points[self.over].tolist()
        self.points[self.over] = 0

    def told(self) -> dict[str, Any]:
        """What was played so far."""
        return {
            "transitions": self.transitions,
            "games": len(self.returns),
            "mean return": round(float(np.mean(self.returns)), 1) if self.returns else None,
            "best": max(self.returns, default=None),
            "lives lost": self.lost,
            "last pictures not compared": self.unseen,
        }

    def close(self) -> None:
        self.theirs.close()


def compared(both: Both, steps: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """What was played until so many transitions were, or the first difference, and that."""
    number, first, since = 0, "", time.process_time()
    while both.transitions < steps and not first:
        number, before = number + 1, both.transitions
        differ = both.step()
        if any(where.any() for where in differ.values()):
            first = difference(both, differ, number)
        if both.transitions // TELL > before // TELL:
            tell(f"{both.told()}, {time.process_time() - since:.0f} s of the processor")
    return {**both.told(), "first": first}


def difference(both: Both, differ: dict[str, np.ndarray], number: int) -> str:
    """Where the first difference is, in words."""
    console = int(np.flatnonzero(np.any([*differ.values()], 0))[0])
    what = ", ".join(name for name, where in differ.items() if where[console])
    frame = int(both.ours.states.frames[console])
    words = f"step {number}, console {console}, frame {frame} of game: {what}"
    if differ["picture"][console]:
        other = np.asarray(both.ours.seen)[console, ..., 0] != both.shown[console, 0]
        row, column = np.argwhere(other)[0]
        words += f" ({other.sum()} pixels, the first in row {row}, column {column})"
    return words


def main() -> int:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--games", default="pong,breakout")
    parser.add_argument("--agents", default="", help="run folders; each plays its game")
    parser.add_argument("--epsilon", type=float, default=0.05)
    parser.add_argument("--parts", default="0")
    parser.add_argument("--steps", type=int, default=500_000)
    parser.add_argument("--consoles", type=int, default=64)
    parser.add_argument("--to", type=Path)
    told = parser.parse_args()
    kept = told.to.read_text().splitlines() if told.to and told.to.exists() else []
    rows = [json.loads(line) for line in kept]
    names = told.agents.split(",") if told.agents else told.games.split(",")
    different = 0
    for part in map(int, told.parts.split(",")):
        for name in names:
            asked = {"steps": told.steps, "consoles": told.consoles, "part": part, "play": name}
            asked |= {"epsilon": told.epsilon} if told.agents else {}
            row = next((x for x in rows if x | asked == x), None)
            if row is None:
                trained = Trained(Path(name), told.consoles, told.epsilon) if told.agents else None
                game = trained.game if trained else name
                both = Both(game, told.consoles, part, trained)
                say = lambda words, name=name, part=part: print(name, part, words, flush=True)
                row = {**asked, "game": game, **compared(both, told.steps, say)}
                both.close()
                if told.to:
                    with told.to.open("a") as file:
                        file.write(json.dumps(row) + "\n")
            different += bool(row["first"])
            print(json.dumps(row), flush=True)
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
