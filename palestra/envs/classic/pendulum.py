"""Pendulum: swing a rod up with a motor too weak to lift it, and hold it there.

    action    [torque] from -2 to 2 N m, counterclockwise; what lies beyond is clipped
    reward    -(angle² + 0.1 velocity² + 0.001 torque²), with the angle from -π to π and both angle
              and velocity as they were before the step
    ends      never; Pendulum-v1 truncates after 200 steps
    starts    angle uniform in ±π, velocity uniform in ±1 rad/s

Dynamics: a uniform rod turning about one end, whose moment of inertia is m l² / 3; semi-implicit
Euler integration. The task of swinging up with little torque: Doya (2000), Reinforcement learning
in continuous time and space. Reference: Gymnasium's Pendulum-v1, replayed step for step in
tests/envs/test_against_gymnasium.py.
"""

import math
from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from palestra.core import Key, NonNegative, Positive, Step, hyperparameters
from palestra.envs.classic.trigonometry import sin_cos, within_a_turn


class State(NamedTuple):
    """Where the rod points, and how fast it turns."""

    theta: Float[
        Array, ""
    ]  # angle from upright, counterclockwise; ±π and at most a step more [rad]
    theta_dot: Float[Array, ""]  # [rad/s]


@hyperparameters
class Pendulum:
    """The rod, its motor and the cost; without a time limit."""

    g: NonNegative = 10.0
    """Acceleration of free fall [m/s²]."""
    mass: Positive = 1.0
    """Mass of the rod [kg]."""
    length: Positive = 1.0
    """Length of the rod [m]."""
    time_step: Positive = 0.05
    """Time between two actions [s]."""
    max_speed: Positive = 8.0
    """The rod never turns faster than this [rad/s]."""
    max_torque: Positive = 2.0
    """The motor is never stronger than this [N m]."""
    x_init: NonNegative = math.pi
    """Episodes begin at a random angle of up to this, to either side [rad]."""
    y_init: NonNegative = 1.0
    """Episodes begin at a random velocity of up to this, either way [rad/s]."""
    velocity_cost: NonNegative = 0.1
    """What turning costs, times the square of the velocity."""
    torque_cost: NonNegative = 0.001
    """What torque costs, times its square."""

    # Those of the speed and torque above, whatever the fields say.
    observation_space: ClassVar = gymnasium.spaces.Box(
        np.array([-1, -1, -8], np.float32), np.array([1, 1, 8], np.float32)
    )
    action_space: ClassVar = gymnasium.spaces.Box(-2.0, 2.0, (1,))

    options: ClassVar = ("x_init", "y_init")

    def reset(self, key: Key) -> tuple[State, Float[Array, "3"]]:
        theta, theta_dot = jax.random.uniform(key, (2,), minval=-1, maxval=1)
        state = State(theta * self.x_init, theta_dot * self.y_init)
        return state, self.observe(state)

    def observe(self, state: State) -> Float[Array, "3"]:
        sin, cos = sin_cos(state.theta)
        return jnp.stack([cos, sin, state.theta_dot])

    def step(self, state: State, action: Float[Array, "1"], key: Key) -> tuple[State, Step]:
        theta = within_a_turn(state.theta)
        torque = jnp.clip(action[0], -self.max_torque, self.max_torque)
        cost = theta**2 + self.velocity_cost * state.theta_dot**2 + self.torque_cost * torque**2

        inertia = self.mass * self.length**2 / 3
        weight = self.mass * self.g * self.length / 2  # as a torque, when the rod is level
        sin, _ = sin_cos(theta)
        acceleration = (weight * sin + torque) / inertia
        velocity = state.theta_dot + acceleration * self.time_step
        velocity = jnp.clip(velocity, -self.max_speed, self.max_speed)

        state = State(theta + velocity * self.time_step, velocity)
        never = jnp.zeros((), bool)
        return state, Step(self.observe(state), -cost, never, never)
