"""State to picture, without display or graphics card. Never imported by the dynamics."""

from collections.abc import Callable

import numpy as np
from jaxtyping import PyTree

from palestra.core import Environment
from palestra.envs.classic.cartpole import CartPole
from palestra.envs.drawing import cartpole

DRAWINGS: dict[type, Callable[..., np.ndarray]] = {CartPole: cartpole.draw}


def drawable(env: Environment) -> bool:
    """Whether there is a drawing for the environment, under whatever transforms it wears."""
    return type(_bare(env)) in DRAWINGS


def draw(env: Environment, state: PyTree) -> np.ndarray:
    """A picture of the state, uint8 [height, width, 3]. KeyError where there is no drawing."""
    while hasattr(env, "env"):
        env, state = env.env, state.inner
    return DRAWINGS[type(env)](env, state)


def _bare(env: Environment) -> Environment:
    while hasattr(env, "env"):
        env = env.env
    return env
