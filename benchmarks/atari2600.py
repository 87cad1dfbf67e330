"""Our own Atari 2600 beside ale-py's, which is the oracle: equal frame by frame, and how fast.

python benchmarks/atari2600.py exact [--frames 1500] [--games pong,breakout] [--play random]
    [--seed 0] [--agents RUN,RUN] [--to FILE]
python benchmarks/atari2600.py speed [--games pong,breakout] [--seconds 4]
python benchmarks/atari2600.py steps [--games pong,breakout] [--consoles 1,64] [--seconds 4]
                                     [--envpool PYTHON]

exact   each game begins as ale-py's saved state says, and both play the same actions: random
        ones, or with --play search those that lead our console on: of sixteen ways to play the
        next 96 frames, the first half of the one that keeps the most lives and earns the most.
        With --agents the games that they learned are played as they do, but for a twentieth of the
        actions, which are random.
        After every frame the 128 bytes of memory, the whole picture, reward, lives and end are
        compared; a game counts as exact where none of them ever differed. A game that is over
        begins anew. The first difference is told; after one of memory no more is played.
        What is in FILE, a JSON line for each game, is not done again
speed   frames a second of one core, in turn: ale-py's vector environment, as learners use it (84 x
        84 pixels of the last two of four frames), ale-py's act alone, and ours, 16 consoles at a
        call, with the picture of every frame, of two of four (what a learner sees), and of none
steps   agent steps a second of all cores, four frames with 84 x 84 x 4 pixels and the reward each,
        in turn: the environment, compiled, ale-py's vector environment, and EnvPool, by the PYTHON
        of a virtual environment that has it; the processor's time of a step, of all cores together;
        what one console more takes of memory; and where the time of a step goes
"""

import json
import math
import os
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import ale_py
import jax
import numpy as np
import psutil
from ale_py.roms import get_rom_path
from ale_py.vector_env import AtariVectorEnv
from atari2600_games import Standing
from atari2600_transitions import Trained, learned

from palestra import prng
from palestra.envs.atari2600 import boot, emulator, games, layout
from palestra.envs.atari2600.environment import Atari2600

CONSOLES = 16  # played at a call
PEERS = Path(__file__).parent / "peers"
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


WAYS, AHEAD = 16, 96  # that `searched` tries, and their frames
HOLDS = 4  # frames of an action


def searched(both: "Beside", seed: int) -> Iterator[int]:
    """Actions that lead far: of some ways to go on, tried in our console, the one that keeps the
    most lives and then earns the most, half of it; what is left of it is a way the next time."""
    rng = np.random.default_rng(seed)
    heeded = [action.value for action in both.ale.getMinimalActionSet()]
    nothing = np.zeros((WAYS, 1), np.uint8)
    rest = np.zeros((0,), np.int32)
    while True:
        held = rng.geometric(0.3, (WAYS, AHEAD // HOLDS))
        chosen = rng.choice(heeded, held.shape).astype(np.int32)
        ways = np.stack(
            [np.repeat(*way)[: AHEAD // HOLDS] for way in zip(chosen, held, strict=True)]
        )
        ways[0, : len(rest)] = rest
        states, known = both.state.repeat(WAYS, 0), both.known[None].repeat(WAYS, 0)
        ended, earned = np.zeros(WAYS, bool), np.zeros(WAYS)
        for action in ways.T:
            emulator.play(both.game, states, action, nothing, HOLDS, 0, fast=True)
            ram = states[:, :128].astype(np.uint8)
            reward, lives, over, known = games.step(both.name, ram, known)
            earned += np.where(ended, 0, reward)
            ended |= over
        best = ways[np.lexsort((earned, lives * ~ended, ~ended))[-1]]
        done, rest = np.split(best, 2)
        yield from np.repeat(done, HOLDS)


def trained(both: "Beside", run: Path, seed: int) -> Iterator[int]:
    """An agent's actions, but for a twentieth."""
    rng, agent = np.random.default_rng(seed), Trained(run, 1, 0.05, noop_max=0, fire_reset=False)
    heeded = [action.value for action in both.ale.getMinimalActionSet()]
    while True:
        agent.ours.begin(np.ones(1, bool), np.zeros(1, int))
        over = False
        while not over:
            actions = agent.actions(rng)
            agent.ours.step(actions)
            for _ in range(HOLDS):
                yield heeded[actions[0]]
                over = both.ale.game_over()
                if over:
                    break


class Beside:
    """A game in ale-py and in our console, of which both begin alike and play alike."""

    def __init__(self, name: str):
        self.name, self.game, self.ale = name, emulator.load(name), console(name)
        self.twin = console(name)  # begins as the other does, and then is asked
        self.earned = 0
        self._begin()

    def _begin(self) -> None:
        self.state = boot.state_of(self.name, self.ale.cloneState().__getstate__())[None]
        self.known = games.start(self.name, self.ale.getRAM()) if self.name in games.GAMES else None
        # A frame is drawn over the picture before the last; a frame that draws nothing shows it.
        standing, shown = Standing(self.twin), [self.ale.getScreen()]
        for _ in range(2):
            standing.say(standing.ram)
            shown.append(self.twin.getScreen())
        before = shown[2 if self.state[0, layout.PARTIAL] else 1]
        self.pictures = [picture.ravel()[None].copy() for picture in (shown[0], before)]

    def play(self, action: int) -> dict[str, bool]:
        """A frame of both, or a new game of one that is over; in what they then differ."""
        if self.ale.game_over():
            self.twin.restoreState(self.ale.cloneState(include_rng=True))
            for ale in (self.ale, self.twin):
                ale.reset_game()
            self._begin()
        if not self.state[0, layout.PARTIAL]:
            self.pictures.reverse()
        told = [self.ale.act(ale_py.Action(action)), self.ale.lives(), self.ale.game_over()]
        self.earned += told[0]
        emulator.play(self.game, self.state, np.array([action]), self.pictures[0], fast=True)
        self.bytes = np.flatnonzero(self.ale.getRAM() != self.state[0, :128])
        self.pixels = np.flatnonzero(self.ale.getScreen().ravel() != self.pictures[0][0])
        differ = {"memory": bool(len(self.bytes)), "picture": bool(len(self.pixels))}
        if self.known is None:
            return differ
        *ours, self.known = games.step(self.name, self.state[0, :128].astype(np.uint8), self.known)
        pairs = zip(("reward", "lives", "over"), ours, told, strict=True)
        return differ | {what: bool(one != other) for what, one, other in pairs}


def compare(name: str, frames: int, play: str, seed: int) -> dict[str, Any]:
    """In how many frames what differs, and where first; not beyond the first other memory."""
    both = Beside(name)
    differing: Counter[str] = Counter()
    games_over, first, frame = 0, "", 0
    if play == "random":
        actions: Iterable[int] = actions_of(both.ale, frames, seed)
    else:
        endless = searched(both, seed) if play == "search" else trained(both, Path(play), seed)
        actions = islice(endless, frames)
    for frame, action in enumerate(actions, 1):
        differ = both.play(action)
        games_over += both.ale.game_over()
        differing.update(differ)
        if any(differ.values()) and not first:
            rows = sorted({int(k) // 160 for k in both.pixels})
            first = ", ".join(what for what, other in differ.items() if other)
            first += f": frame {frame - 1}, bytes {both.bytes[:6].tolist()}, rows {rows[:3]}"
        if differ["memory"]:
            break
    played = {"game": name, "frames": frame, "games": games_over, "points": both.earned}
    return {**played, **differing, "first": first}


def exact(pairs: list[tuple[str, str]], frames: int, seed: int, to: Path | None) -> int:
    """Prints a table of games, and ways to play or agents; how many are exact. Those that are in
    the file `to` already, over as many frames, are not played again; others are added."""
    kept = [json.loads(line) for line in to.read_text().splitlines()] if to and to.exists() else []
    columns = (
        "game",
        "frames",
        "games",
        "points",
        "memory",
        "picture",
        "reward",
        "lives",
        "over",
        "first",
    )
    print("|", " | ".join(columns), "|\n|" + "---|" * len(columns))
    right = 0
    for name, play in pairs:
        asked = {"game": name, "asked": frames, "play": play, "seed": seed}
        row = next((row for row in kept if row | asked == row), None)
        if row is None:
            row = {**asked, **compare(name, frames, play, seed)}
            if to:
                with to.open("a") as file:
                    file.write(json.dumps(row) + "\n")
        right += not row["first"]
        print("|", " | ".join(str(row.get(column, "")) for column in columns), "|", flush=True)
    print(f"\n{right} of {len(pairs)} games are exact over {frames:,} frames.")
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


MOST_OF_THEIRS = 256  # consoles; more take minutes to begin
MANY = [1, 4, 16, 64, 256, 1024, 4096]  # of the first game; of the others 64


class Ours:
    """The environment, compiled: `step` takes `each` steps of all consoles, as training does."""

    each = 8

    def __init__(self, name: str, consoles: int):
        env = Atari2600(game=name)
        keys = jax.random.split(prng.key(0), consoles)
        self.states, _ = jax.jit(jax.vmap(env.reset))(keys)

        def step(states: Any, key: jax.Array) -> tuple[Any, jax.Array]:
            keys = jax.random.split(key, consoles)
            actions = jax.random.randint(key, (consoles,), 0, env.action_space.n)
            states, out = jax.vmap(env.step)(states, actions, keys)
            return states, out.reward

        def several(states: Any, key: jax.Array) -> Any:
            return jax.lax.scan(step, states, jax.random.split(key, self.each))

        self.key = prng.key(1)
        jitted = jax.jit(several, donate_argnums=0)
        self.program = jitted.lower(self.states, self.key).compile()
        told = self.program.memory_analysis()
        self.bytes = (told.argument_size_in_bytes + told.temp_size_in_bytes) / consoles
        self.step()

    def step(self) -> None:
        self.key = jax.random.fold_in(self.key, 1)
        self.states, rewards = self.program(self.states, self.key)
        rewards.block_until_ready()


class Theirs:
    """ale-py's vector environment, with a thread for each core."""

    each = 1

    def __init__(self, name: str, consoles: int):
        before = psutil.Process().memory_info().rss
        self.envs = AtariVectorEnv(
            name, consoles, num_threads=os.cpu_count(), repeat_action_probability=0.0
        )
        self.envs.reset(seed=0)
        self.rng, self.consoles = np.random.default_rng(0), consoles
        self.step()
        self.bytes = (psutil.Process().memory_info().rss - before) / consoles

    def step(self) -> None:
        self.envs.step(self.rng.integers(0, self.envs.single_action_space.n, self.consoles))


class EnvPool:
    """EnvPool, in a process of its own, with a thread for each core."""

    def __init__(self, python: Path, name: str, consoles: int):
        command = [str(python), str(PEERS / "atari_stepping.py"), "envpool", name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, **pipes)
        self.process.stdout.readline()  # its versions
        self.asked = {"env": "nature-2015", "count": consoles}

    def rate(self, seconds: float) -> tuple[float, float]:
        """Steps a second, and microseconds of processor time of one; the first time it begins."""
        since = self.used()
        self.process.stdin.write(json.dumps(self.asked | {"seconds": seconds}) + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        return told["steps"] / told["seconds"], 1e6 * (self.used() - since) / told["steps"]

    def used(self) -> float:
        return sum(psutil.Process(self.process.pid).cpu_times()[:2])

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def rate(played: Ours | Theirs, consoles: int, seconds: float) -> tuple[float, float]:
    """Steps a second, and microseconds of processor time of one."""
    since, begin, k = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        played.step()
        k += 1
    many = k * played.each * consoles
    used = time.process_time() - since
    return many / (time.perf_counter() - begin), 1e6 * used / many


class Best:
    """The best of some turns: most steps a second, least of the processor's time."""

    def __init__(self) -> None:
        self.rate, self.used = 0.0, math.inf

    def add(self, told: tuple[float, float]) -> None:
        self.rate, self.used = max(self.rate, told[0]), min(self.used, told[1])


def steps(names: list[str], many: list[int], seconds: float, envpool: Path | None) -> None:
    """Prints a table, each number the best of three turns, and a second one with the account."""
    columns = (
        "game | consoles | Palestra, steps a second | AtariVectorEnv | EnvPool | times "
        "AtariVectorEnv | times EnvPool | Palestra, processor us a step | AtariVectorEnv | EnvPool "
        "| Palestra, KB a console | AtariVectorEnv"
    )
    print(f"| {columns} |\n|---" + "|--:" * columns.count("|") + "|")
    for name in names:
        for consoles in many if name == names[0] else [64]:
            print(row_of(name, consoles, seconds / 6, envpool), flush=True)
    print(
        "\n| game | instructions a frame | ns an instruction | a step: playing, us | drawing "
        "| making smaller, stacking, rewards |\n|---|--:|--:|--:|--:|--:|"
    )
    for name in names:
        consoles, frames = emulator.TRACED
        instructions = emulator.traced(emulator.load(name)).sum() / (consoles * frames)
        *_, two, none = rates(name, seconds)
        ours = Ours(name, 64)
        whole = min(rate(ours, 64, seconds / 6)[1] for _ in range(3))
        playing, drawing = 4e6 / none, 4e6 / two - 4e6 / none
        print(
            f"| {name} | {instructions:,.0f} | {1e9 / none / instructions:.1f} | {playing:.0f} | "
            f"{drawing:.0f} | {whole - playing - drawing:.0f} |",
            flush=True,
        )


def row_of(name: str, consoles: int, seconds: float, envpool: Path | None) -> str:
    """A row of the first table; empty where a peer is missing, or takes minutes to begin."""
    few = consoles <= MOST_OF_THEIRS
    ours, pool = Ours(name, consoles), EnvPool(envpool, name, consoles) if envpool and few else None
    best, kilobytes = [Best(), Best(), Best()], ["", ""]
    kilobytes[0] = f"{ours.bytes / 1000:,.0f}"
    if pool:
        pool.rate(seconds)
    for _ in range(3):
        best[0].add(rate(ours, consoles, seconds))
        if few:  # made anew: its threads would not let ours be
            their = Theirs(name, consoles)
            best[1].add(rate(their, consoles, seconds))
            their.envs.close()
            kilobytes[1] = kilobytes[1] or f"{their.bytes / 1000:,.0f}"
        if pool:
            best[2].add(pool.rate(seconds))
    if pool:
        pool.close()
    rates = [f"{x.rate:,.0f}" if x.rate else "" for x in best]
    times = [f"{best[0].rate / x.rate:.1f}" if x.rate else "" for x in best[1:]]
    used = [f"{x.used:.0f}" if x.rate else "" for x in best]
    return "| " + " | ".join([name, f"{consoles:,}", *rates, *times, *used, *kilobytes]) + " |"


def main() -> int:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["exact", "speed", "steps"])
    parser.add_argument("--games", default="")
    parser.add_argument("--frames", type=int, default=1500)
    parser.add_argument("--play", choices=["random", "search"], default="random")
    parser.add_argument("--agents", default="", help="run folders; each plays its game")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path)
    parser.add_argument("--consoles", default=",".join(map(str, MANY)))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--envpool", type=Path)
    told = parser.parse_args()
    names = told.games.split(",") if told.games else []
    if told.what == "speed":
        speed(names or ["pong", "breakout"], told.seconds)
        return 0
    if told.what == "steps":
        names = names or ["pong", "breakout", "seaquest", "space_invaders"]
        steps(names, [int(x) for x in told.consoles.split(",")], told.seconds, told.envpool)
        return 0
    pairs = [(name, told.play) for name in names or sorted(set(boot.games()) - FOR_TWO)]
    if told.agents:
        pairs = [(learned(Path(run)), run) for run in told.agents.split(",")]
    return int(exact(pairs, told.frames, told.seed, told.to) < len(pairs))


if __name__ == "__main__":
    sys.exit(main())
