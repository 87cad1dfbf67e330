"""T-maze: a sign at the start of a corridor says where to turn at its end.

    actions   0 north, 1 east, 2 south, 3 west; a step into a wall leads nowhere
    observes  three numbers: 0 1 1 the sign that says north, 1 1 0 the sign that says south, both at
              the start alone; 1 0 1 the corridor, 0 1 0 the junction
    reward    4 for the right turn; -0.1 for the wrong one, and for a step into a wall
    ends      terminated at a turn; TMaze-v0 truncates after 100 steps
    starts    at the west end; the sign says north or south, each as likely

Without a memory the best is to guess.

Source: Bakker (2002), Reinforcement learning with long short-term memory, section 4. There is no
reference to replay; tests/envs/test_t_maze.py holds it to the rules above.
"""

from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from palestra.core import Count, Key, Step, hyperparameters

NORTH, EAST, SOUTH, WEST = range(4)
SIGNS = jnp.array([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])  # turn north, south
CORRIDOR, JUNCTION = jnp.array([1.0, 0.0, 1.0]), jnp.array([0.0, 1.0, 0.0])


class State(NamedTuple):
    """Where one is in the corridor, and where to turn."""

    south: Int[Array, ""]  # 1, or 0 for north
    place: Int[Array, ""]  # from 0 to the junction


@hyperparameters
class TMaze:
    """How long the corridor is; without a time limit."""

    length: Count = 10
    """Steps from the sign to the junction."""

    observation_space: ClassVar = gymnasium.spaces.Box(0.0, 1.0, (3,))
    action_space: ClassVar = gymnasium.spaces.Discrete(4)

    def reset(self, key: Key) -> tuple[State, Float[Array, "3"]]:
        south = jax.random.bernoulli(key).astype(jnp.int32)
        state = State(south, jnp.zeros((), jnp.int32))
        return state, self._see(state)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        there = state.place == self.length
        turned = there & ((action == NORTH) | (action == SOUTH))
        right = turned & (action == jnp.where(state.south == 1, SOUTH, NORTH))
        move = jnp.where(action == EAST, 1, jnp.where(action == WEST, -1, 0))
        place = jnp.clip(state.place + move, 0, self.length)
        lost = jnp.where(place == state.place, -0.1, 0.0)
        state = state._replace(place=place)
        reward = jnp.where(right, 4.0, lost)
        return state, Step(self._see(state), reward, turned, jnp.zeros((), bool))

    def _see(self, state: State) -> Float[Array, "3"]:
        along = jnp.where(state.place == self.length, JUNCTION, CORRIDOR)
        return jnp.where(state.place == 0, SIGNS[state.south], along)
