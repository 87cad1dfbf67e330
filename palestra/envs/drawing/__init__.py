"""State to picture, without display or graphics card. Never imported by the dynamics.

A drawing is a module with `draw(env, state, action=None)`, which gives uint8 [height, width, 3],
and, for games that go turn by turn, `text` with the same arguments, which gives a string. `action`
is the one that led to the state, where that is known. A simulator that is not in the table may
bring a method `draw(state, action=None)`, and `text`, of its own.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

from palestra.core import Drawn, Environment, Paced, Written
from palestra.envs.transforms import bare, simulator
from palestra.faults import InputError


class Drawing(NamedTuple):
    """Where a simulator's drawing is, and how fast its pictures follow one another."""

    module: str  # below palestra.envs.drawing
    frames_per_second: int


DRAWINGS: dict[str, Drawing] = {  # by the simulator's module, below palestra.envs
    "classic.cartpole": Drawing("cartpole", 50),
    "classic.mountain_car": Drawing("mountain_car", 30),
    "classic.mountain_car_continuous": Drawing("mountain_car", 30),
    "classic.pendulum": Drawing("pendulum", 30),
    "classic.acrobot": Drawing("acrobot", 15),
    "toy_text.frozen_lake": Drawing("frozen_lake", 4),
    "toy_text.cliff_walking": Drawing("cliff_walking", 4),
    "toy_text.taxi": Drawing("taxi", 4),
    "toy_text.blackjack": Drawing("blackjack", 2),
    "toy_text.maze": Drawing("maze", 8),
    "toy_text.t_maze": Drawing("t_maze", 8),
    "toy_text.bandit": Drawing("bandit", 8),
    "board.tic_tac_toe": Drawing("tic_tac_toe", 2),
    "minatar.breakout": Drawing("minatar", 15),
    "minatar.asterix": Drawing("minatar", 15),
    "minatar.freeway": Drawing("minatar", 15),
    "minatar.seaquest": Drawing("minatar", 15),
    "minatar.space_invaders": Drawing("minatar", 15),
}
OWN_RATE = 30  # frames per second of simulators that draw themselves and do not say


def drawable(env: Environment) -> bool:
    """Whether there is a drawing for the environment, under whatever transforms it wears."""
    return _painter(simulator(env), "draw") is not None


def readable(env: Environment) -> bool:
    """Whether there is a text for the environment."""
    return _painter(simulator(env), "text") is not None


def draw(env: Environment, state: PyTree, action: Any = None) -> np.ndarray:
    """A picture of the state, uint8 [height, width, 3]. ValueError where there is no drawing."""
    return _paint(env, state, action, "draw")


def text(env: Environment, state: PyTree, action: Any = None) -> str:
    """The state in characters. ValueError where there is no such drawing."""
    return _paint(env, state, action, "text")


def frames_per_second(env: Environment) -> int:
    """At which rate the environment's pictures look right."""
    own = simulator(env)
    if (home := _home(own)) in DRAWINGS:
        return DRAWINGS[home].frames_per_second
    return own.frames_per_second if isinstance(own, Paced) else OWN_RATE


def _paint(env: Environment, state: PyTree, action: Any, what: str) -> Any:
    env, state = bare(env, state)
    painter = _painter(env, what)
    if painter is None:
        raise InputError(f"There is no such picture of {type(env).__name__}.")
    return painter(state, action)


def _painter(simulator: Any, what: str) -> Callable | None:
    home = _home(simulator)
    if home not in DRAWINGS:
        own = {"draw": Drawn, "text": Written}[what]
        return getattr(simulator, what) if isinstance(simulator, own) else None
    module = import_module(f"palestra.envs.drawing.{DRAWINGS[home].module}")
    painter = getattr(module, what, None)
    return painter and partial(painter, simulator)


def _home(simulator: Any) -> str:
    return type(simulator).__module__.removeprefix("palestra.envs.")
