"""The keys of our games, and what they do."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from gymnasium.spaces import Box, Discrete, Space


class Move(NamedTuple):
    """What a player may do."""

    keys: str  # any of these, by the names that pygame gives them
    action: Any
    does: str


class Controls(NamedTuple):
    """The keys of a game."""

    moves: tuple[Move, ...]
    idle: tuple[Any, ...] = ()  # actions taken in turn while no key is down; none: the game waits
    together: Mapping[frozenset[int], Any] = MappingProxyType({})  # what moves held together do

    def action(self, *keys: str) -> Any:
        """What keys do that are down together, the one pressed last behind the others; None if
        nothing. As many of them count as do something together; of those that do not, the later."""
        down: dict[int, int] = {}  # which moves are asked for, and how lately
        for late, key in enumerate(keys):
            down |= {i: late for i, move in enumerate(self.moves) if key in move.keys.split()}
        if not down:
            return None
        fit = [x for x in self.together if x <= down.keys()]
        if not fit:
            return self.moves[max(down, key=lambda i: down[i])].action
        return self.together[max(fit, key=lambda x: sorted((down[i] for i in x), reverse=True))]

    def __str__(self) -> str:
        rows = [(move.keys.replace(" ", ", "), move.does) for move in self.moves]
        told = "\n".join(f"  {keys:<10} {does}" for keys, does in [*rows, ("q", "quit")])
        return f"{told}\nKeys held together act together." if self.together else told


KEYS = {"left": "left a", "right": "right d", "up": "up w", "down": "down s"}


def directions(does: str, **actions: Any) -> tuple[Move, ...]:
    """A move for each direction; `does` says what it is, with {} for the direction."""
    return tuple(Move(KEYS[to], action, does.format(to)) for to, action in actions.items())


def _number(x: float) -> np.ndarray:
    return np.array([x], np.float32)


# What the custom of Atari's `get_action_meanings` says, and in words.
STICK = {"UP": "up", "RIGHT": "right", "LEFT": "left", "DOWN": "down"}
PARTS = {x: KEYS[to] for x, to in STICK.items()} | {"FIRE": "space f"}  # with their keys
MEANINGS = {"NOOP": "wait", "FIRE": "fire"} | {x: f"go {to}" for x, to in STICK.items()}
MEANINGS |= {
    y + x: f"go {STICK[y]} and {STICK[x]}" for y in ("UP", "DOWN") for x in ("RIGHT", "LEFT")
}
MEANINGS |= {f"{x}FIRE": f"{MEANINGS[x]}, firing" for x in [*MEANINGS][2:]}


def meanings(env: Any) -> list[str]:
    """What an environment's actions mean, where it tells that by the custom of Atari's."""
    told: Any = getattr(env, "get_action_meanings", list)()
    return [str(x) for x in told]


def joystick(meanings: Sequence[str]) -> Controls:
    """The keys of actions that are a joystick's, told by their meanings; none of others."""
    if "NOOP" not in meanings:
        return Controls(())
    idle = meanings.index("NOOP")
    parts = {i: {x for x in PARTS if x in name} for i, name in enumerate(meanings)}
    heeded = [x for x in PARTS if any(x in some for some in parts.values())]
    # A direction, or the button, may do something with others alone.
    single = {x: meanings.index(x) if x in meanings else idle for x in heeded}
    moves = tuple(Move(PARTS[x], single[x], MEANINGS[x]) for x in heeded)
    together = {frozenset(map(heeded.index, some)): i for i, some in parts.items() if some}
    return Controls(moves, (idle,), MappingProxyType(together))


def controls_of(env: Any, space: Space) -> Controls:
    """The keys to play an environment with, by its simulator: those of the game, or a joystick's,
    else a digit for each action, or arrows for a number; none for other actions."""
    known = CONTROLS.get(type(env).__module__.removeprefix("palestra.envs."))
    if known is not None:
        return known
    if (stick := joystick(meanings(env))).moves:
        return stick
    if isinstance(space, Discrete) and space.n <= 10:
        start = int(space.start)
        moves = [Move(str(i), start + i, f"action {i}") for i in range(int(space.n))]
        return Controls(tuple(moves), idle=(start,))
    if isinstance(space, Box) and space.shape == (1,) and space.is_bounded():
        ends = ("left a", space.low), ("right d", space.high)
        idle = ((space.low + space.high) / 2).astype(space.dtype)
        return Controls(tuple(Move(k, x, f"{x[0]:g}") for k, x in ends), idle=(idle,))
    return Controls(())


SQUARES = [f"{y} {x}" for y in ("top", "middle", "bottom") for x in ("left", "middle", "right")]


CONTROLS: dict[str, Controls] = {  # by the simulator's module, below palestra.envs
    "classic.cartpole": Controls(
        directions("push the cart {}", left=0, right=1),
        idle=(0, 1),  # it cannot be left alone: pushes that cancel out
    ),
    "classic.mountain_car": Controls(directions("push the car {}", left=0, right=2), idle=(1,)),
    "classic.mountain_car_continuous": Controls(
        directions("push the car {}", left=_number(-1), right=_number(1)), idle=(_number(0),)
    ),
    "classic.pendulum": Controls(
        (
            Move(KEYS["left"], _number(-2), "turn clockwise"),
            Move(KEYS["right"], _number(2), "turn counterclockwise"),
        ),
        idle=(_number(0),),
    ),
    "classic.acrobot": Controls(
        (
            Move(KEYS["left"], 0, "turn the lower link clockwise"),
            Move(KEYS["right"], 2, "turn the lower link counterclockwise"),
        ),
        idle=(1,),
    ),
    "toy_text.frozen_lake": Controls(directions("go {}", left=0, down=1, right=2, up=3)),
    "toy_text.cliff_walking": Controls(directions("go {}", up=0, right=1, down=2, left=3)),
    "toy_text.maze": Controls(directions("go {}", left=0, down=1, right=2, up=3)),
    "toy_text.t_maze": Controls(directions("go {}", up=0, right=1, down=2, left=3)),
    "toy_text.bandit": Controls(
        tuple(Move(str(arm), arm, f"pull arm {arm}") for arm in range(10)),
    ),
    "toy_text.taxi": Controls(
        (
            *directions("drive {}", down=0, up=1, right=2, left=3),
            Move("p", 4, "pick the passenger up"),
            Move("o", 5, "let the passenger out"),
        )
    ),
    "toy_text.blackjack": Controls((Move("h", 1, "hit: take a card"), Move("s", 0, "stick: stop"))),
    "board.tic_tac_toe": Controls(
        tuple(Move(str(i + 1), i, f"take square {i + 1}: {x}") for i, x in enumerate(SQUARES))
    ),
    "minatar.breakout": Controls(directions("go {}", left=1, right=2), idle=(0,)),
    "minatar.asterix": Controls(directions("go {}", left=1, up=2, right=3, down=4), idle=(0,)),
    "minatar.freeway": Controls(directions("go {}", up=1, down=2), idle=(0,)),
    "minatar.seaquest": Controls(
        (
            *directions("go {}", left=1, up=2, right=3, down=4),
            Move("space f", 5, "fire ahead"),
        ),
        idle=(0,),
    ),
    "minatar.space_invaders": Controls(
        (*directions("go {}", left=1, right=2), Move("space f", 3, "fire upwards")), idle=(0,)
    ),
}
