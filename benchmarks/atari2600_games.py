"""Our table of Atari's games, held to ale-py: reward, lives and end, frame by frame.

python benchmarks/atari2600_games.py check [GAME...] [--frames 20000] [--poke] [--seed 0]
python benchmarks/atari2600_games.py ask [GAME...] [--asked 5000] [--seed 0]
python benchmarks/atari2600_games.py probe GAME...
python benchmarks/atari2600_games.py controls

check       plays with random actions, each held for some frames; what our table reads from RAM
            is compared with what ale-py says. --poke sets, now and then, a byte that our table
            reads to a random value: what is rare in play, and whatever else the byte can say
ask         sets random bytes, one to all, two frames in a row, in moments of play, and compares
            what our table reads from them with what ale-py says while its console stands still. Of
            what differs the fewest bytes that make it so are told, and what both say of each of
            their values: where a table's facts come from, and what play does not reach
probe       the same of each byte alone, at one moment of play
controls    asks ale-py for actions, modes and difficulties, and tells where ours are others
"""

import struct
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from itertools import product
from typing import Any

import ale_py
import numpy as np
from ale_py import ALEInterface, roms

from palestra.envs.atari2600.boot import sections
from palestra.envs.atari2600.controls import CONTROLS
from palestra.envs.atari2600.games import GAMES, Part, parts, read, start, step

Told = tuple[int, int, bool]  # reward, lives, over


def load(game: str, seed: int = 0) -> Any:
    """ale-py with this game in it, one frame an action, no sticky actions."""
    ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ALEInterface()
    ale.setInt("random_seed", seed)
    ale.setInt("frame_skip", 1)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(roms.get_rom_path(game))
    ale.reset_game()
    return ale


def check(game: str, frames: int, poke: bool, seed: int = 0) -> tuple[Counter[str], list[str]]:
    """What was seen (frames, rewards, lost lives, ends), and how ours differed from ale-py's."""
    rng, ale = np.random.default_rng(seed), load(game, seed)
    actions, counts = ale.getMinimalActionSet(), read(game)
    seen: Counter[str] = Counter()
    faults: list[str] = []
    ram = np.zeros(128, np.uint8)
    held, action, lives = 0, actions[0], ale.lives()
    ale.getRAM(ram)
    memory = start(game, ram)
    poked = ""
    for frame in range(frames):
        if held == 0:
            action = actions[rng.integers(len(actions))]
            held = int(rng.integers(1, (4, 12, 30)[rng.integers(3)]))
        held -= 1
        if poke and counts and rng.random() < 0.05:
            address, value = int(rng.choice(counts)), int(rng.integers(256))
            ale.setRAM(address, value)
            poked = f"{address}={value:02x}@{frame}"
        told = ale.act(action), ale.lives(), ale.game_over()
        ale.getRAM(ram)
        *ours, memory = step(game, ram, memory)
        ours = (int(ours[0]), int(ours[1]), bool(ours[2]))
        seen.update(frames=1, rewards=int(told[0] != 0), losses=int(told[1] < lives))
        lives = told[1]
        if ours != told:
            bytes_ = " ".join(f"{a}:{ram[a]:02x}" for a in counts)
            faults.append(f"frame {frame}: ale-py {told}, ours {ours} {poked} [{bytes_}]")
        if told[2]:
            seen["ends"] += 1
            ale.reset_game()
            ale.getRAM(ram)
            memory, held, lives = start(game, ram), 0, ale.lives()
    return seen, faults


class Standing:
    """ale-py's console that stands still, from the moment in which `ale` is: its program is four
    bytes of RAM, which end the frame at once and then go round. So its memory stays as it is set,
    and what ale-py says is of these bytes and of the frame before."""

    def __init__(self, ale: Any, at: int = 123):
        self.ale, self.at = ale, at
        saved = bytearray(ale.cloneState().__getstate__())
        part = sections(bytes(saved))

        def write(name: str, first: int, *words: int) -> None:
            mark = struct.pack("<i", len(name)) + name.encode()
            struct.pack_into(
                f"<{len(words)}i", saved, saved.index(mark) + len(mark) + 4 * first, *words
            )

        write("M6502Low", 0, 0)  # A
        write("M6502Low", 5, 0x80 + at)  # where it goes on
        write("M6532", 1 + at, 0x85, 0x00, 0xB8, 0x50)  # STA VSYNC; CLV; BVC
        write("M6532", 5 + at, 0xFD)
        write("TIA", 7, part["TIA"][0])  # VSYNC lasts long enough
        write("TIA", 9, 2)
        self.moment = ale_py.ALEState.__new__(ale_py.ALEState)
        self.moment.__setstate__(bytes(saved))
        ale.restoreState(self.moment)
        self.ram = ale.getRAM().copy()

    def say(self, *rams: np.ndarray) -> Told:
        """What ale-py says of the last of these memories, which come frame by frame."""
        self.ale.restoreState(self.moment)
        for ram in rams:
            for address in np.flatnonzero(ram != self.ale.getRAM()):
                if not self.at <= address < self.at + 5:
                    self.ale.setRAM(int(address), int(ram[address]))
            told = self.ale.act(0), self.ale.lives(), self.ale.game_over()
        return told


def moments(game: str, seed: int, many: int) -> list[tuple[Standing, np.ndarray]]:
    """Moments of play, and our table's memory at each."""
    rng, found = np.random.default_rng(seed), []
    ale = load(game, seed)
    actions, memory = ale.getMinimalActionSet(), start(game, ale.getRAM())
    for k in range(many):
        for action in np.repeat(rng.choice(len(actions), 40), 8):
            ale.act(actions[action])
            *_, memory = step(game, ale.getRAM(), memory)
            if ale.game_over():
                ale.reset_game()
                memory = start(game, ale.getRAM())
        here = ale.cloneState()
        found.append((Standing(ale, (123, 60)[k % 2]), memory))
        ale.restoreState(here)
    return found


def turns(game: str) -> dict[int, list[int]]:
    """The bytes that our table reads, and the values at which it begins to read something else."""
    found: dict[int, list[int]] = {address: [] for address in read(game)}
    for address, worth in parts(game):
        found.get(address, []).extend(v for v in range(256) if worth[v] != worth[v - 1])
    return found


def wishes(game: str) -> list[list[tuple[int, Part]]]:
    """What makes an end: conditions of one byte each, of the first or the second of two frames."""
    facts, found = GAMES[game], []
    for conditions in facts.over:
        single = [(1, x) for c in conditions for x in ((c,) if isinstance(c, Part) else c)]
        found.append([(frame, x) for frame, x in single if min(x.worth) <= 0 < max(x.worth)])
    if facts.turn:
        (address, worth), *_ = facts.watched
        reaches = [tuple(int(w == number) for w in worth) for number in facts.turn[:2]]
        found.append([(frame, Part(address, here)) for frame, here in enumerate(reaches)])
    return found


def random_memory(
    ram: np.ndarray, turn: dict[int, list[int]], rng: np.random.Generator
) -> np.ndarray:
    """A memory with other bytes: few or all of them, or few that our table reads, often at values
    that make a difference to it."""
    where = np.zeros(128, bool)
    counts = list(turn)
    few = rng.choice(counts, 4) if counts and rng.random() < 0.6 else rng.integers(128, size=3)
    where[few[: rng.integers(1, len(few) + 1)]] = True
    if rng.random() < 0.3:
        where = rng.random(128) < rng.random()
    common = rng.choice([0, 1, 2, 9, 16, 64, 128, 153, 255], 128)
    set_to = common if rng.random() < 0.3 else rng.integers(256, size=128)
    if rng.random() < 0.5:
        for address in counts:
            if turn[address]:
                set_to[address] = rng.choice(turn[address])
    return np.where(where, set_to, ram).astype(np.uint8)


class Asked:
    """A game's moments, and random memories two in a row, of which ale-py is asked there."""

    def __init__(self, game: str, seed: int = 0, many: int = 8):
        self.game, self.rng = game, np.random.default_rng(seed)
        self.moments = moments(game, seed, many)
        self.turns, self.wishes = turns(game), wishes(game)

    def draw(self) -> tuple[Standing, Any, np.ndarray]:
        """A moment, our table's memory at it, and two memories [2, 128]."""
        rng = self.rng
        standing, memory = self.moments[rng.integers(len(self.moments))]
        first = random_memory(standing.ram, self.turns, rng)
        rams = np.stack([first, random_memory(first, self.turns, rng)])
        if self.wishes and rng.random() < 0.25:
            for frame, part in self.wishes[rng.integers(len(self.wishes))]:
                if rng.random() < 0.95:
                    rams[frame, part.address] = rng.choice(np.flatnonzero(np.array(part.worth) > 0))
        return standing, memory, rams

    def answers(self, standing: Standing, memory: Any, rams: np.ndarray) -> tuple[Told, Told, int]:
        """What ale-py and what we say of the last of these memories; or of the first that ends the
        game or of which they differ; and which that is."""
        for k in range(len(rams)):
            told = standing.say(*rams[: k + 1])
            *says, memory = step(self.game, standing.ale.getRAM(), memory)
            ours = int(says[0]), int(says[1]), bool(says[2])
            if told != ours:  # Hangman and Video Cube go on from what they were asked before
                standing.say(standing.ram)
                told = standing.say(*rams[: k + 1])
            if told[2] or ours != told:
                break
        return told, ours, k


def ask(game: str, asked: int, seed: int = 0) -> Counter[str]:
    """How often our table reads otherwise what ale-py says of random memories; the first of each
    kind is printed."""
    seen, shown = Counter[str](), set[Any]()
    asks = Asked(game, seed)
    for _ in range(asked):
        standing, memory, rams = asks.draw()

        def kind(rams: np.ndarray, standing: Standing = standing, memory: Any = memory) -> Any:
            told, ours, k = asks.answers(standing, memory, rams)
            return *(a != b for a, b in zip(told, ours, strict=True)), k

        told, ours, last = asks.answers(standing, memory, rams)
        seen.update(rewards=told[0] != 0, ends=told[2], differ=told != ours)
        if told != ours and (this := kind(rams)) not in shown:
            shown.add(this)
            rams = rams[: last + 1]
            for frame, address in product(range(last, -1, -1), range(128)):  # as few as can be
                back = rams.copy()
                back[frame:, address] = (standing.ram, *rams)[frame][address]
                rams = back if kind(back) == this else rams
            told, ours, _ = asks.answers(standing, memory, rams)
            print(f"{game}: ale-py {told}, ours {ours}")
            sweep(game, standing, memory, rams)
    return seen


def sweep(game: str, standing: Standing, memory: Any, rams: np.ndarray) -> None:
    """Prints what ale-py says, and what else we, of each value of the bytes that are set here or
    that our table reads."""
    set_here = np.flatnonzero((rams != standing.ram).any(0)).tolist()
    for frame, address in product(range(len(rams)), sorted({*set_here, *read(game)})):
        told, ours = [], []
        for value in range(256):
            other, now = rams.copy(), memory
            other[frame:, address][rams[frame:, address] == rams[frame, address]] = value
            told.append(standing.say(*other))
            other[:, standing.at : standing.at + 5] = standing.ram[standing.at : standing.at + 5]
            for ram in other:
                *says, now = step(game, ram, now)
            ours.append([int(x) for x in says])
        for k, what in enumerate(("reward", "lives", "over")):
            theirs, here = changes([int(x[k]) for x in told]), changes([x[k] for x in ours])
            if theirs != here:
                at = f"{frame} {address:3}={rams[frame, address]:02x}"
                print(f"    {at} {what:6} {theirs} <> {here}")


def changes(column: list[int]) -> str:
    """Where a function of 256 values becomes another."""
    first = [v for v in range(256) if v == 0 or column[v] != column[v - 1]]
    return " ".join(f"{v:02x}:{column[v]}" for v in first)[:150]


def probe(game: str) -> None:
    """Prints what each byte alone, set to each value, changes in what ale-py says of a frame."""
    standing, _ = moments(game, 0, 1)[0]
    for address in range(128):
        told = []
        for value in range(256):
            other = standing.ram.copy()
            other[address] = value
            told.append(standing.say(other))
        for k, what in enumerate(("reward", "lives", "over")):
            column = [int(x[k]) for x in told]
            if len(set(column)) > 1:
                print(f"{game} {address:3} {what:6} {changes(column)}")


def controls() -> list[str]:
    """The games of which ale-py offers other actions, modes or difficulties than our table says."""
    different = []
    for game, ours in CONTROLS.items():
        ale = load(game)
        sets = ale.getMinimalActionSet(), ale.getLegalActionSet()
        theirs = [tuple(action.value for action in actions) for actions in sets]
        theirs += [tuple(ale.getAvailableModes()), tuple(ale.getAvailableDifficulties())]
        if theirs != [ours.actions(), ours.actions(full=True), ours.modes, ours.difficulties]:
            different.append(game)
    return different


def main() -> None:
    """Holds the games named, or all, to ale-py; exits with 1 where one differs."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["check", "ask", "probe", "controls"])
    parser.add_argument("games", nargs="*")
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--asked", type=int, default=5000)
    parser.add_argument("--poke", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    if flags.command == "controls":
        different = controls()
        sys.exit(f"others than ours: {different}" if different else 0)
    if flags.command == "probe":
        for game in flags.games:
            probe(game)
        return
    exact = 0
    games = flags.games or list(GAMES)
    if flags.command == "ask":
        for game in games:
            seen = ask(game, flags.asked, flags.seed)
            exact += not seen["differ"]
            print(f"{game:20} {dict(seen)}", flush=True)
        games_read = f"{exact} of {len(games)} read as ale-py does"
        print(games_read)
        sys.exit(exact < len(games))
    for game in games:
        begin = time.process_time()
        seen, faults = check(game, flags.frames, flags.poke, flags.seed)
        exact += not faults
        words = ", ".join(f"{seen[k]} {k}" for k in ("frames", "rewards", "losses", "ends"))
        verdict = f"{len(faults)} DIFFER" if faults else "exact"
        print(f"{game:20} {verdict:12} {words}  {time.process_time() - begin:.1f} s", flush=True)
        for line in faults[:4]:
            print("    ", line)
    print(f"{exact} of {len(games)} exact")
    sys.exit(exact < len(games))


if __name__ == "__main__":
    main()
