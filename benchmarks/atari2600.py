"""Our own Atari 2600 beside ale-py's, which is the oracle: equal frame by frame, and how fast.

python benchmarks/atari2600.py exact [--frames 1500] [--games pong,breakout] [--seed 0] [--to FILE]
python benchmarks/atari2600.py speed [--games pong,breakout] [--seconds 4]

exact   each game begins as ale-py's saved state says, and both play the same random actions.
        After every frame the 128 bytes of memory, the whole picture, reward, lives and end are
        compared; a game counts as exact where none of them ever differed. A game that is over
        begins anew. The first difference is told; after one of memory no more is played.
        What is in FILE, a JSON line for each game, is not done again
speed   frames a second of one core, in turn: ale-py's vector environment, as learners use it (84 x
        84 pixels of the last two of four frames), ale-py's act alone, and ours, 16 consoles at a
        call, with the picture of every frame, of two of four (what a learner sees), and of none
"""

import json
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

import ale_py
import numpy as np
from ale_py.roms import get_rom_path
from ale_py.vector_env import AtariVectorEnv

from palestra.envs.atari2600 import boot, emulator, games, layout

CONSOLES = 16  # played at a call
# Games for two that ale-py has an image of, but no id.
FOR_TWO = {"combat", "joust", "maze_craze", "warlords"}


def console(game: str, seed: int = 1) -> ale_py.ALEInterface:
    """ale-py's console of a game, without sticky actions."""
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setInt("random_seed", seed)
    ale.setFloat("repeat_action_probability", 0)
    ale.loadROM(get_rom_path(game))
    return ale


def actions_of(ale: ale_py.ALEInterface, frames: int, seed: int) -> np.ndarray:
    """Random actions that the game heeds; each is held for a random while, mostly short."""
    rng = np.random.default_rng(seed)
    heeded = [action.value for action in ale.getMinimalActionSet()]
    held = rng.geometric(0.15, frames)
    return np.repeat(rng.choice(heeded, frames), held)[:frames].astype(np.int32)


class Beside:
    """A game in ale-py and in our console, of which both begin alike and play alike."""

    def __init__(self, name: str):
        self.name, self.game, self.ale = name, emulator.load(name), console(name)
        self._begin()

    def _begin(self) -> None:
        self.state = boot.state_of(self.name, self.ale.cloneState().__getstate__())[None]
        self.known = games.start(self.name, self.ale.getRAM()) if self.name in games.GAMES else None
        # A frame is drawn over the picture before the last; of that, ale-py does not tell us yet.
        self.pictures = [self.ale.getScreen().ravel()[None].copy() for _ in range(2)]

    def play(self, action: int) -> dict[str, bool]:
        """A frame of both, or a new game of one that is over; in what they then differ."""
        if self.ale.game_over():
            self.ale.reset_game()
            self._begin()
        if not self.state[0, layout.PARTIAL]:
            self.pictures.reverse()
        told = [self.ale.act(ale_py.Action(action)), self.ale.lives(), self.ale.game_over()]
        emulator.play(self.game, self.state, np.array([action]), self.pictures[0], fast=True)
        self.bytes = np.flatnonzero(self.ale.getRAM() != self.state[0, :128])
        self.pixels = np.flatnonzero(self.ale.getScreen().ravel() != self.pictures[0][0])
        differ = {"memory": bool(len(self.bytes)), "picture": bool(len(self.pixels))}
        if self.known is None:
            return differ
        *ours, self.known = games.step(self.name, self.state[0, :128].astype(np.uint8), self.known)
        pairs = zip(("reward", "lives", "over"), ours, told, strict=True)
        return differ | {what: bool(one != other) for what, one, other in pairs}


def compare(name: str, frames: int, seed: int) -> dict[str, Any]:
    """In how many frames what differs, and where first; not beyond the first other memory."""
    both = Beside(name)
    differing: Counter[str] = Counter()
    games_over, first, frame = 0, "", 0
    for frame, action in enumerate(actions_of(both.ale, frames, seed), 1):
        differ = both.play(action)
        games_over += both.ale.game_over()
        differing.update(differ)
        if any(differ.values()) and not first:
            rows = sorted({int(k) // 160 for k in both.pixels})
            first = ", ".join(what for what, other in differ.items() if other)
            first += f": frame {frame - 1}, bytes {both.bytes[:6].tolist()}, rows {rows[:3]}"
        if differ["memory"]:
            break
    return {"game": name, "frames": frame, "games": games_over, **differing, "first": first}


def exact(names: list[str], frames: int, seed: int, to: Path | None) -> int:
    """Prints a table; how many games are exact. Those that are in the file `to` already, over as
    many frames, are not played again; others are added."""
    kept = [json.loads(line) for line in to.read_text().splitlines()] if to and to.exists() else []
    done = {row["game"]: row for row in kept if (row["asked"], row["seed"]) == (frames, seed)}
    columns = "game", "frames", "games", "memory", "picture", "reward", "lives", "over", "first"
    print("|", " | ".join(columns), "|\n|" + "---|" * len(columns))
    right = 0
    for name in names:
        row = done.get(name)
        if row is None:
            row = {"asked": frames, "seed": seed, **compare(name, frames, seed)}
            if to:
                with to.open("a") as file:
                    file.write(json.dumps(row) + "\n")
        right += not row["first"]
        print("|", " | ".join(str(row.get(column, "")) for column in columns), "|", flush=True)
    print(f"\n{right} of {len(names)} games are exact over {frames:,} frames.")
    return right


def rates(name: str, seconds: float) -> list[float]:
    """Frames a second of processor time, each the best of three turns."""
    game, ale = emulator.load(name), console(name)
    states = emulator.boot(game, [1] * CONSOLES)
    picture = np.zeros((CONSOLES, ale.getScreen().size), np.uint8)
    heeded = [a.value for a in ale.getMinimalActionSet()]
    vector = AtariVectorEnv(name, 1, num_threads=1, repeat_action_probability=0.0, noop_max=0)
    vector.reset(seed=0)

    def ours(k: int, seen: int) -> None:
        action = [heeded[(k // 4 + i) % len(heeded)] for i in range(CONSOLES)]
        emulator.play(game, states, np.array(action), picture, 4, seen, fast=True)

    def prepared(k: int) -> None:
        vector.step(np.array([k // 4 % len(heeded)]))

    def theirs(k: int) -> None:
        if ale.game_over():
            ale.reset_game()
        for _ in range(4):
            ale.act(ale_py.Action(heeded[k // 4 % len(heeded)]))

    ours(0, 4)  # compiles
    ways = [prepared, theirs, lambda k: ours(k, 4), lambda k: ours(k, 2), lambda k: ours(k, 0)]
    best = [0.0] * len(ways)
    for _ in range(3):
        for way, play in enumerate(ways):
            begin, k = time.process_time(), 0
            while time.process_time() - begin < seconds / 15:
                play(k)
                k += 1
            frames = 4 * k if way < 2 else 4 * k * CONSOLES
            best[way] = max(best[way], frames / (time.process_time() - begin))
    vector.close()
    return best


def speed(names: list[str], seconds: float) -> None:
    """Prints a table."""
    print("| game | vector | act | every picture | two of four | no picture |")
    print("|---|---|---|---|---|---|")
    for name in names:
        row = " | ".join(f"{rate:,.0f}" for rate in rates(name, seconds))
        print(f"| {name} | {row} |", flush=True)


def main() -> int:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["exact", "speed"])
    parser.add_argument("--games", default="")
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path)
    parser.add_argument("--seconds", type=float, default=4.0)
    told = parser.parse_args()
    names = told.games.split(",") if told.games else []
    if told.what == "speed":
        speed(names or ["pong", "breakout"], told.seconds)
        return 0
    names = names or sorted(set(boot.games()) - FOR_TWO)
    return int(exact(names, told.frames, told.seed, told.to) < len(names))


if __name__ == "__main__":
    sys.exit(main())
