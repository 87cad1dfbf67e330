"""Mountain car with a graded push: swing up the hill, and spend little on it.

    action    [push] from -1 (left) to 1 (right); what lies beyond acts as ±1 but costs in full
    reward    -0.1 push² for every step, and 100 for the one that arrives
    ends      terminated when position >= 0.45 m and velocity >= goal_velocity;
              MountainCarContinuous-v0 truncates after 999 steps
    starts    position uniform from -0.6 to -0.4 m, at rest

Dynamics: those of mountain_car.py, with a stronger engine and a nearer flag. Reference: Gymnasium's
MountainCarContinuous-v0, replayed step for step in tests/envs/test_against_gymnasium.py.
"""

from typing import ClassVar

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from palestra.core import Finite, Key, NonNegative, Positive, Step, check_bounds, hyperparameters
from palestra.envs.classic.mountain_car import State
from palestra.envs.classic.trigonometry import sin_cos
from palestra.faults import InputError


@hyperparameters
class MountainCarContinuous:
    """The car, the hill and the goal; without a time limit."""

    power: Positive = 0.0015
    """Acceleration of the strongest push [m/step²]."""
    gravity: Positive = 0.0025
    """Acceleration down the hill where it is steepest [m/step²]."""
    max_speed: Positive = 0.07
    """The car is never faster than this [m/step]."""
    min_position: Finite = -1.2
    """Where the wall on the left stands [m]."""
    max_position: Finite = 0.6
    """Where the track ends on the right [m]."""
    goal_position: Finite = 0.45
    """Where the flag stands [m]."""
    goal_velocity: NonNegative = 0.0
    """The car must be at least this fast at the flag [m/step]."""
    goal_reward: NonNegative = 100.0
    """Reward of arriving."""
    push_cost: NonNegative = 0.1
    """What a push costs, times its square."""

    low: Finite = -0.6
    """Episodes begin at rest at a random place from here [m] ..."""
    high: Finite = -0.4
    """... to here [m]."""

    # Those of the track and speed above, whatever the fields say.
    observation_space: ClassVar = gymnasium.spaces.Box(
        np.array([-1.2, -0.07], np.float32), np.array([0.6, 0.07], np.float32)
    )
    action_space: ClassVar = gymnasium.spaces.Box(-1.0, 1.0, (1,))

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

    def step(self, state: State, action: Float[Array, "1"], key: Key) -> tuple[State, Step]:
        (push,) = action
        thrust = jnp.clip(push, -1, 1) * self.power
        _, slope = sin_cos(3 * state.position)  # level where it is 0, steepest at ±1
        velocity = state.velocity + thrust - self.gravity * slope
        velocity = jnp.clip(velocity, -self.max_speed, self.max_speed)
        position = jnp.clip(state.position + velocity, self.min_position, self.max_position)
        velocity = jnp.where(position > self.min_position, velocity, jnp.maximum(velocity, 0))

        state = State(position, velocity)
        arrived = (position >= self.goal_position) & (velocity >= self.goal_velocity)
        reward = jnp.where(arrived, self.goal_reward, 0.0) - self.push_cost * push**2
        return state, Step(jnp.stack(state), reward, arrived, jnp.zeros((), bool))
