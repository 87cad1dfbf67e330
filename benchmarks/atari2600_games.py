"""Our table of Atari's games, held to ale-py: reward, lives and end, frame by frame.

python benchmarks/atari2600_games.py check [GAME...] [--frames 20000] [--poke] [--seed 0]
python benchmarks/atari2600_games.py probe GAME...
python benchmarks/atari2600_games.py controls

check       plays with random actions, each held for some frames; what our table reads from RAM
            is compared with what ale-py says. --poke sets, now and then, a byte that our table
            reads to a random value: what is rare in play, and whatever else the byte can say
probe       from one moment of play, sets each byte to each value, lets a frame pass, and tells
            what changes in ale-py's reward, lives and end: where a table's facts come from
controls    asks ale-py for actions, modes and difficulties, and tells where ours are others
"""

import sys
import time
from argparse import ArgumentParser
from collections import Counter
from typing import Any

import ale_py
import numpy as np
from ale_py import ALEInterface, roms

from palestra.envs.atari2600.controls import CONTROLS
from palestra.envs.atari2600.games import GAMES, read, start, step

Frame = tuple[int, int, bool, np.ndarray]  # reward, lives, over, RAM


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


def probe(game: str) -> None:
    """Prints which bytes, set to which values, change what ale-py says of the next frame."""
    rng, ale = np.random.default_rng(0), load(game)
    actions = ale.getMinimalActionSet()
    for action in np.repeat(rng.integers(len(actions), size=40), 8):
        ale.act(actions[action])
    moment = ale.cloneState()
    for address in range(128):
        told = []
        for value in range(256):
            ale.restoreState(moment)
            ale.setRAM(address, value)
            told.append((ale.act(actions[0]), ale.lives(), ale.game_over()))
        for what, column in zip(("reward", "lives", "over"), zip(*told, strict=True), strict=True):
            turns = [v for v in range(256) if v == 0 or column[v] != column[v - 1]]
            if len(turns) > 1:
                print(f"{game} {address:3} {what:6}", *(f"{v:02x}:{column[v]}" for v in turns[:20]))


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
    parser.add_argument("command", choices=["check", "probe", "controls"])
    parser.add_argument("games", nargs="*")
    parser.add_argument("--frames", type=int, default=20_000)
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
