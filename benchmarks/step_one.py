"""One environment stepped from Python: Palestra against Gymnasium, and against minatar's package.

    python benchmarks/step_one.py        under a minute

Both as their users get them: `palestra.make(id)` and `gymnasium.make(id)`; for MinAtar's games
minatar's own `act`, `state` and `reset`, without Gymnasium's wrappers. Random actions, drawn
beforehand; an episode that ends is followed by a reset, which counts. They take turns, round after
round, so that a busy minute hurts both alike; the table has the median round, and the fastest and
the slowest.
"""

import importlib.util
import itertools
import logging
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

import gymnasium
from processes import clean_environment, in_words, machine

import palestra
from palestra.envs import ENVIRONMENTS

SHORTEST = 1_000  # steps of a round; more where they are fast


class Player(NamedTuple):
    """One environment under way."""

    step: Callable[[Any], bool]  # whether the episode ended
    reset: Callable[[], Any]


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="of each: %(default)s")
    parser.add_argument("--seconds", type=float, default=0.1, help="of a round: %(default)s")
    options = parser.parse_args()
    without_gpu()
    print(f"{in_words(machine())}\nPython {sys.version.split()[0]}, {versions()}\n")
    print("Microseconds per step: median (least–most).\n")
    print("| | Palestra | Gymnasium or minatar | times faster |\n|---|--:|--:|--:|")
    for env_id, theirs in pairs():
        ours = as_gymnasium(palestra.make(env_id))
        cells = compare((ours, theirs), palestra.make(env_id).action_space, options)
        print(f"| {env_id} | {' | '.join(cells)} |", flush=True)
    if importlib.util.find_spec("minatar") is None:
        print("\nMinAtar's games are left out: its package, minatar, is not installed.")


def without_gpu() -> None:
    """As the other comparisons: on the CPU, whatever else the machine has."""
    clean = clean_environment()
    os.environ.clear()
    os.environ.update(clean)


def versions() -> str:
    """Of what is compared."""
    from importlib.metadata import version

    packages = ["palestra", "gymnasium", "jax", "numpy"]
    packages += ["minatar"] * (importlib.util.find_spec("minatar") is not None)
    return ", ".join(f"{package} {version(package)}" for package in packages)


def pairs() -> Iterator[tuple[str, Player]]:
    """The ids that someone else has too, with the other one ready to play."""
    gymnasium.logger.min_level = gymnasium.logger.ERROR  # it says that CartPole-v0 is old
    for env_id in ENVIRONMENTS:
        if env_id.startswith("MinAtar/"):
            if importlib.util.find_spec("minatar") is not None:
                yield env_id, as_minatar(env_id)
        elif env_id in gymnasium.registry:
            yield env_id, as_gymnasium(gymnasium.make(env_id))


def as_gymnasium(env: gymnasium.Env) -> Player:
    step = env.step
    env.reset(seed=0)

    def ended(action: Any) -> bool:
        _, _, terminated, truncated, _ = step(action)
        return terminated or truncated

    return Player(ended, env.reset)


def as_minatar(env_id: str) -> Player:
    """The game with its smallest set of actions, which is what our id has; sticky by default."""
    logging.disable()  # it warns that it cannot draw
    from minatar import Environment

    name = env_id.removeprefix("MinAtar/").removesuffix("-v1")
    game = Environment({"SpaceInvaders": "space_invaders"}.get(name, name.lower()))
    game.seed(0)
    actions = game.env.minimal_action_set()

    def ended(action: int) -> bool:
        _, done = game.act(actions[action])
        game.state()  # what the others return from a step
        return done

    def reset() -> None:
        game.reset()
        game.state()

    return Player(ended, reset)


def compare(players: Sequence[Player], space: gymnasium.Space, options: Any) -> list[str]:
    """Cells of the table: both, and how many times faster the first is."""
    space.seed(0)
    actions = [space.sample() for _ in range(SHORTEST)]
    steps = []
    for player in players:
        play(player, actions, SHORTEST)  # compiles
        each = play(player, actions, SHORTEST) / SHORTEST
        steps.append(max(SHORTEST, round(options.seconds / each)))
    times: list[list[float]] = [[], []]
    for _ in range(options.rounds):
        for player, count, found in zip(players, steps, times, strict=True):
            found.append(play(player, actions, count) / count * 1e6)
    cells = [f"{median(t):.2f} ({min(t):.2f}–{max(t):.2f})" for t in times]
    ratio = median(times[1]) / median(times[0])
    return [*cells, f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2f}"]


def play(player: Player, actions: Sequence[Any], steps: int) -> float:
    """Seconds of so many steps."""
    step, reset = player
    begun = time.perf_counter()
    for action in itertools.islice(itertools.cycle(actions), steps):
        if step(action):
            reset()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
