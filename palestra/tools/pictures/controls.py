"""The keys of our games, and what they do."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Move(NamedTuple):
    """What a player may do."""

    keys: str  # any of these, by the names that pygame gives them
    action: Any
    does: str


class Controls(NamedTuple):
    """The keys of a game."""

    moves: tuple[Move, ...]
    idle: tuple[Any, ...] = ()  # actions taken in turn while no key is down; none: the game waits

    def action(self, key: str) -> Any:
        """What a key does; None if nothing."""
        return next((move.action for move in self.moves if key in move.keys.split()), None)

    def __str__(self) -> str:
        rows = [(move.keys.replace(" ", ", "), move.does) for move in self.moves]
        return "\n".join(f"  {keys:<10} {does}" for keys, does in [*rows, ("q", "quit")])


KEYS = {"left": "left a", "right": "right d", "up": "up w", "down": "down s"}


def directions(does: str, **actions: Any) -> tuple[Move, ...]:
    """A move for each direction; `does` says what it is, with {} for the direction."""
    return tuple(Move(KEYS[to], action, does.format(to)) for to, action in actions.items())


def _number(x: float) -> np.ndarray:
    return np.array([x], np.float32)


# What the custom of Atari's `get_action_meanings` says, and in words.
STICK = {"UP": "up", "RIGHT": "right", "LEFT": "left", "DOWN": "down"}
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
    keys = {x: KEYS[to] for x, to in STICK.items()} | {"FIRE": "space f"}
    moves = [Move(keys[x], i, MEANINGS[x]) for i, x in enumerate(meanings) if x in keys]
    return Controls(tuple(moves), idle=(meanings.index("NOOP"),))


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
