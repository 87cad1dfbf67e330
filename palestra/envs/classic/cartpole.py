"""Cart-pole: keep a pole upright by pushing its cart left or right.

    actions   0 pushes the cart left, 1 right, always with the same force
    reward    1 for every step, the last one included; or, as Sutton and Barto have it, -1 for the
              step that ends in a fall and 0 for the others
    ends      terminated when |angle| > 12° or |position| > 2.4 m;
              CartPole-v1 truncates after 500 steps, CartPole-v0 after 200
    starts    each of the four numbers uniform in ±0.05

Dynamics: Barto, Sutton, Anderson (1983), Neuronlike adaptive elements; the equations in the form
of Florian (2007), Correct equations for the dynamics of the cart-pole system, eqs 23-24, without
friction; Euler integration. Reference: Gymnasium's CartPole-v1, replayed step for step in
tests/envs/test_against_gymnasium.py.
"""

import math
from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from palestra.core import Finite, Key, Positive, Step, check_bounds, hyperparameters
from palestra.envs.classic.trigonometry import sin_cos

MAX_ANGLE = 12 * 2 * math.pi / 360  # [rad]


class State(NamedTuple):
    """Where cart and pole are, and how fast."""

    x: Float[Array, ""]  # cart position [m]
    x_dot: Float[Array, ""]  # [m/s]
    theta: Float[Array, ""]  # pole angle from the vertical, clockwise [rad]
    theta_dot: Float[Array, ""]  # [rad/s]


@hyperparameters
class CartPole:
    """The cart, the pole and their world; without a time limit."""

    gravity: Positive = 9.8
    """Acceleration of free fall [m/s²]."""
    cart_mass: Positive = 1.0
    """Mass of the cart [kg]."""
    pole_mass: Positive = 0.1
    """Mass of the pole [kg]."""
    half_length: Positive = 0.5
    """From the pivot to the pole's center of mass [m]."""
    force: Positive = 10.0
    """Force of a push [N]."""
    time_step: Positive = 0.02
    """Time between two actions [s]."""
    max_angle: Positive = MAX_ANGLE
    """The pole has fallen beyond this angle [rad]."""
    max_position: Positive = 2.4
    """The cart has left the track beyond this distance from its middle [m]."""
    low: Finite = -0.05
    """Each of the four numbers of the state begins at random from here [m, m/s, rad, rad/s] ..."""
    high: Finite = 0.05
    """... to here [m, m/s, rad, rad/s]."""
    sutton_barto_reward: bool = False
    """-1 for the fall and 0 for every other step, in place of 1 for every step."""

    # Twice the limits, as in Gymnasium: the last observation of an episode lies beyond them.
    observation_space: ClassVar = gymnasium.spaces.Box(
        np.array([-4.8, -np.inf, -2 * MAX_ANGLE, -np.inf], np.float32),
        np.array([4.8, np.inf, 2 * MAX_ANGLE, np.inf], np.float32),
    )
    action_space: ClassVar = gymnasium.spaces.Discrete(2)

    options: ClassVar = ("low", "high")

    def validate(self) -> None:
        check_bounds(self.low, self.high)

    def reset(self, key: Key) -> tuple[State, Float[Array, "4"]]:
        state = State(*jax.random.uniform(key, (4,), minval=self.low, maxval=self.high))
        return state, jnp.stack(state)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        x, x_dot, theta, theta_dot = state
        mass = self.cart_mass + self.pole_mass
        moment = self.pole_mass * self.half_length
        push = jnp.where(action == 1, self.force, -self.force)
        sin, cos = sin_cos(theta)

        drive = (push + moment * theta_dot**2 * sin) / mass
        theta_acc = (self.gravity * sin - cos * drive) / (
            self.half_length * (4 / 3 - self.pole_mass * cos**2 / mass)
        )
        x_acc = drive - moment * theta_acc * cos / mass

        dt = self.time_step
        state = State(
            x=x + dt * x_dot,
            x_dot=x_dot + dt * x_acc,
            theta=theta + dt * theta_dot,
            theta_dot=theta_dot + dt * theta_acc,
        )
        fallen = (jnp.abs(state.theta) > self.max_angle) | (jnp.abs(state.x) > self.max_position)
        reward = jnp.ones(())
        if self.sutton_barto_reward:
            reward = jnp.where(fallen, -reward, 0.0)
        return state, Step(jnp.stack(state), reward, fallen, jnp.zeros((), bool))
