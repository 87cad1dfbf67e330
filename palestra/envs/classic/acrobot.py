"""Acrobot: swing the tip of a double pendulum above a line, with a motor in the middle joint only.

    actions   0, 1, 2 turn the second link with -1, 0, 1 N m against the first
    reward    -1 for every step, 0 for the one that reaches the goal
    ends      terminated when the tip is more than 1 m above the upper joint;
              Acrobot-v1 truncates after 500 steps
    starts    both angles [rad] and both velocities [rad/s] uniform in ±0.1: hanging, almost at rest

Dynamics: Spong (1995), The swing up control problem for the acrobot; the numbers and equations of
Sutton and Barto (1998), Reinforcement learning, section 11.3, or those printed in Sutton (1996),
Generalization in reinforcement learning, where a term is missing. Every action is one Runge-Kutta
step of fourth order, after which velocities are clipped. Reference: Gymnasium's Acrobot-v1,
replayed step for step in tests/envs/test_against_gymnasium.py.
"""

import math
from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from palestra.core import Finite, Key, NonNegative, Positive, Step, check_bounds, hyperparameters
from palestra.envs.classic.trigonometry import sin_cos, within_a_turn
from palestra.faults import InputError

MAX_VELOCITY_1, MAX_VELOCITY_2 = 4 * math.pi, 9 * math.pi  # [rad/s]


class State(NamedTuple):
    """How the links hang, and how fast they turn."""

    theta_1: Float[Array, ""]  # first link from hanging down, counterclockwise, in ±π [rad]
    theta_2: Float[Array, ""]  # second link from the direction of the first, in ±π [rad]
    theta_1_dot: Float[Array, ""]  # [rad/s]
    theta_2_dot: Float[Array, ""]  # [rad/s]


@hyperparameters
class Acrobot:
    """The two links, the motor and the line; without a time limit."""

    gravity: NonNegative = 9.8
    """Acceleration of free fall [m/s²]."""
    length_1: Positive = 1.0
    """Length of the first link [m]."""
    length_2: Positive = 1.0
    """Length of the second link [m]; it moves the tip, not the mass."""
    mass_1: Positive = 1.0
    """Mass of the first link [kg]."""
    mass_2: Positive = 1.0
    """Mass of the second link [kg]."""
    center_1: Positive = 0.5
    """From the upper joint to the first link's center of mass [m]."""
    center_2: Positive = 0.5
    """From the middle joint to the second link's center of mass [m]."""
    inertia: Positive = 1.0
    """Moment of inertia of each link about its center of mass [kg m²]."""
    torque: Positive = 1.0
    """Torque of actions 0 and 2 [N m]."""
    torque_noise: NonNegative = 0.0
    """The torque of every step is off by up to this much, uniformly [N m]."""
    max_velocity_1: Positive = MAX_VELOCITY_1
    """The first link never turns faster than this [rad/s]."""
    max_velocity_2: Positive = MAX_VELOCITY_2
    """The second link never turns faster than this, against the first [rad/s]."""
    target_height: Finite = 1.0
    """The tip is to rise above this height over the upper joint [m]."""
    time_step: Positive = 0.2
    """Time between two actions [s]."""
    low: Finite = -0.1
    """Both angles and both velocities begin at random from here [rad, rad/s] ..."""
    high: Finite = 0.1
    """... to here [rad, rad/s]."""
    equations: str = "book"
    """The book's equations of motion, or those of the paper of 1996 ("nips")."""

    # Those of the velocities above, whatever the fields say.
    observation_space: ClassVar = gymnasium.spaces.Box(
        -np.array([1, 1, 1, 1, MAX_VELOCITY_1, MAX_VELOCITY_2], np.float32),
        np.array([1, 1, 1, 1, MAX_VELOCITY_1, MAX_VELOCITY_2], np.float32),
    )
    action_space: ClassVar = gymnasium.spaces.Discrete(3)

    options: ClassVar = ("low", "high")

    def validate(self) -> None:
        check_bounds(self.low, self.high)
        if self.equations not in ("book", "nips"):
            raise InputError(f"equations must be 'book' or 'nips', not {self.equations!r}.")

    def reset(self, key: Key) -> tuple[State, Float[Array, "6"]]:
        state = State(*jax.random.uniform(key, (4,), minval=self.low, maxval=self.high))
        return state, self.observe(state)

    def observe(self, state: State) -> Float[Array, "6"]:
        theta_1, theta_2, *velocities = state
        (sin_1, cos_1), (sin_2, cos_2) = sin_cos(theta_1), sin_cos(theta_2)
        return jnp.stack([cos_1, sin_1, cos_2, sin_2, *velocities])

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return self.advance(state, action, self.chance(key))

    def chance(self, key: Key) -> Float[Array, ""]:
        """How far the torque is off, as a share of the most that it may be."""
        return jax.random.uniform(key, (), minval=-1, maxval=1)

    def advance(
        self, state: State, action: Int[Array, ""], noise: Float[Array, ""]
    ) -> tuple[State, Step]:
        torque = (action - 1).astype(jnp.float32) * self.torque + noise * self.torque_noise
        theta_1, theta_2, theta_1_dot, theta_2_dot = self.integrate(state, torque)
        state = State(
            theta_1=within_a_turn(theta_1),
            theta_2=within_a_turn(theta_2),
            theta_1_dot=jnp.clip(theta_1_dot, -self.max_velocity_1, self.max_velocity_1),
            theta_2_dot=jnp.clip(theta_2_dot, -self.max_velocity_2, self.max_velocity_2),
        )
        obs = self.observe(state)
        cos_1, sin_1, cos_2, sin_2 = obs[:4]
        height = -self.length_1 * cos_1 - self.length_2 * (cos_1 * cos_2 - sin_1 * sin_2)
        reached = height > self.target_height
        reward = jnp.where(reached, 0.0, -jnp.ones(()))
        return state, Step(obs, reward, reached, jnp.zeros((), bool))

    def integrate(self, state: State, torque: Float[Array, ""]) -> State:
        """The state a time step later: one Runge-Kutta step of fourth order."""

        def ahead(slope: State, time) -> State:
            return State(*(y + time * rate for y, rate in zip(state, slope, strict=True)))

        dt = self.time_step
        k1 = self.slope(state, torque)
        k2 = self.slope(ahead(k1, dt / 2), torque)
        k3 = self.slope(ahead(k2, dt / 2), torque)
        k4 = self.slope(ahead(k3, dt), torque)
        mean = State(
            *((a + 2 * (b + c) + d) / 6 for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
        )
        return ahead(mean, dt)

    def slope(self, state: State, torque: Float[Array, ""]) -> State:
        """How fast the state changes."""
        theta_1, theta_2, velocity_1, velocity_2 = state
        (sin_1, cos_1), (sin, cos) = sin_cos(theta_1), sin_cos(theta_2)

        # The matrix of inertia [[a, b], [b, c]], in joint angles.
        coupling = self.mass_2 * self.length_1 * self.center_2
        c = self.mass_2 * self.center_2**2 + self.inertia
        b = c + coupling * cos
        a = (
            self.mass_1 * self.center_1**2
            + self.mass_2 * self.length_1**2
            + self.inertia
            + c
            + 2 * coupling * cos
        )
        # Torques on the joints: of the links' weight, of their turning, and of the motor.
        weight_2 = self.mass_2 * self.center_2 * self.gravity * (sin_1 * cos + cos_1 * sin)
        first = self.mass_1 * self.center_1 + self.mass_2 * self.length_1
        weight_1 = first * self.gravity * sin_1 + weight_2
        torque_1 = coupling * sin * velocity_2 * (velocity_2 + 2 * velocity_1) - weight_1
        torque_2 = torque - weight_2
        if self.equations == "book":
            torque_2 -= coupling * sin * velocity_1**2

        acceleration_2 = (torque_2 - b / a * torque_1) / (c - b**2 / a)
        acceleration_1 = (torque_1 - b * acceleration_2) / a
        return State(velocity_1, velocity_2, acceleration_1, acceleration_2)
