"""Our own Atari 2600 beside ale-py's, which is the oracle: equal frame by frame, and how fast.

python benchmarks/atari2600.py exact [--frames 1500] [--games pong,breakout] [--seed 0]
python benchmarks/atari2600.py speed [--games pong,breakout] [--seconds 4]

exact   each game begins as ale-py's saved state says, and both play the same random actions.
        After every frame the 128 bytes of memory and the whole picture are compared; a game
        counts as exact where none of them ever differed. The first difference is told
speed   frames a second of one core, in turn: ale-py's vector environment, as learners use it (84 x
        84 pixels of the last two of four frames), ale-py's act alone, and ours, 16 consoles at a
        call, with the picture of every frame, of two of four (what a learner sees), and of none
"""

import sys
import time
from argparse import ArgumentParser

import ale_py
import numpy as np
from ale_py.roms import get_rom_path
from ale_py.vector_env import AtariVectorEnv

from palestra.envs.atari2600 import boot, emulator

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


def compare(name: str, frames: int, seed: int, most: int = 1) -> tuple[int, int, int, str]:
    """Frames played, those with another memory, with another picture, and the first of them."""
    game, ale = emulator.load(name), console(name)
    state = boot.state_of(name, ale.cloneState().__getstate__())[None]
    picture = np.zeros((1, ale.getScreen().size), np.uint8)
    memories = pictures = 0
    first = ""
    for frame, action in enumerate(actions_of(ale, frames, seed)):
        ale.act(ale_py.Action(action))
        emulator.play(game, state, np.array([action]), picture)
        ram = np.flatnonzero(ale.getRAM() != state[0, :128])
        screen = np.flatnonzero(ale.getScreen().ravel() != picture[0])
        memories, pictures = memories + bool(len(ram)), pictures + bool(len(screen))
        if (len(ram) or len(screen)) and not first:
            rows = sorted({int(k) // 160 for k in screen})
            first = f"frame {frame}: bytes {ram[:6].tolist()}, {len(screen)} pixels in {rows[:3]}"
        if memories >= most:
            return frame + 1, memories, pictures, first
    return frames, memories, pictures, first


def exact(names: list[str], frames: int, seed: int) -> int:
    """Prints a table; how many games are exact."""
    print("| game | frames | memory differs | picture differs | first |\n|---|---|---|---|---|")
    right = 0
    for name in names:
        played, memories, pictures, first = compare(name, frames, seed)
        right += not (memories or pictures)
        print(f"| {name} | {played:,} | {memories} | {pictures} | {first} |", flush=True)
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
        emulator.play(game, states, np.array(action), picture, 4, seen)

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
    parser.add_argument("--seconds", type=float, default=4.0)
    told = parser.parse_args()
    names = told.games.split(",") if told.games else []
    if told.what == "speed":
        speed(names or ["pong", "breakout"], told.seconds)
        return 0
    names = names or sorted(set(boot.games()) - FOR_TWO)
    return int(exact(names, told.frames, told.seed) < len(names))


if __name__ == "__main__":
    sys.exit(main())
