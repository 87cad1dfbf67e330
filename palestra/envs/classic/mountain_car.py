"""Mountain car: swing up a hill that is too steep for the engine.

    actions   0 pushes the car left, 1 lets it roll, 2 pushes right
    reward    -1 for every step, the last one included
    ends      terminated when position >= 0.5 m and velocity >= goal_velocity;
              MountainCar-v0 truncates after 200 steps
    starts    position uniform from -0.6 to -0.4 m, at rest

Dynamics: Moore (1990), Efficient memory-based learning for robot control; the equations and numbers
of Sutton and Barto (2018), Reinforcement learning, example 10.1. The height of the hill goes like
sin(3 position). Positions beyond either end are clipped; the wall on the left takes all speed
towards it, that on the right none. Reference: Gymnasium's MountainCar-v0, replayed step for step in
tests/envs/test_against_gymnasium.py.
"""

from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from palestra.core import Finite, Key, NonNegative, Positive, Step, check_bounds, hyperparameters
from palestra.envs.classic.trigonometry import sin_cos
from palestra.faults import InputError


class State(NamedTuple):
    """Where the car is, and how fast."""

    position: Float[Array, ""]  # along the horizontal [m]
    velocity: Float[Array, ""]  # to the right [m/step]


@hyperparameters
class MountainCar:
    """The car, the hill and the goal; without a time limit."""

    force: Positive = 0.001
    """Acceleration of a push [m/step²]."""
    gravity: Positive = 0.0025
    """Acceleration down the hill where it is steepest [m/step²]."""
    max_speed: Positive = 0.07
    """The car is never faster than this [m/step]."""
    min_position: Finite = -1.2
    """Where the wall on the left stands [m]."""
    max_position: Finite = 0.6
    """Where the track ends on the right [m]."""
    goal_position: Finite = 0.5
    """Where the flag stands [m]."""
    goal_velocity: NonNegative = 0.0
    """The car must be at least this fast at the flag [m/step]."""

    low: Finite = -0.6
    """Episodes begin at rest at a random place from here [m] ..."""
    high: Finite = -0.4
    """... to here [m]."""

    # Those of the track and speed above, whatever the fields say.
    observation_space: ClassVar = gymnasium.spaces.Box(
        np.array([-1.2, -0.07], np.float32), np.array([0.6, 0.07], np.float32)
    )
    action_space: ClassVar = gymnasium.spaces.Discrete(3)

    options: ClassVar = ("low", "high")

    def validate(self) -> None:
        check_bounds(self.low, self.high)
        track = (self.min_position, self.goal_position, self.max_position)
        plain = all(isinstance(place, int | float) for place in track)
        if plain and not track[0] < track[1] <= track[2]:
            raise InputError(
                "goal_position must lie between min_position and max_position, "
                f"not {track[1]} between {track[0]} and {track[2]}."
            )

    def reset(self, key: Key) -> tuple[State, Float[Array, "2"]]:
        position = jax.random.uniform(key, (), minval=self.low, maxval=self.high)
        # At rest. Not a constant: with one, XLA would put obs together number by number.
        state = State(position, 0 * jnp.abs(position))
        return state, jnp.stack(state)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        push = (action - 1).astype(jnp.float32) * self.force
        _, slope = sin_cos(3 * state.position)  # level where it is 0, steepest at ±1
        velocity = state.velocity + push - self.gravity * slope
        velocity = jnp.clip(velocity, -self.max_speed, self.max_speed)
        position = jnp.clip(state.position + velocity, self.min_position, self.max_position)
        velocity = jnp.where(position > self.min_position, velocity, jnp.maximum(velocity, 0))

        state = State(position, velocity)
        arrived = (position >= self.goal_position) & (velocity >= self.goal_velocity)
        return state, Step(jnp.stack(state), -jnp.ones(()), arrived, jnp.zeros((), bool))
