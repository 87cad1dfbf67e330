"""Environments of a user's own that say which actions are allowed, each in its way; what they
forbid raises, or costs 100."""

from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete

from palestra.core import Step, hyperparameters


class Steps(gymnasium.Env):
    """Tells it in infos, as Gymnasium's Taxi does. The last action pays."""

    observation_space = Box(-1, 1, (3,), np.float32)
    action_space: ClassVar = Discrete(4, start=1)

    def reset(self, *, seed=None, options=None):
        """Begin."""
        super().reset(seed=seed)
        self.t = 0
        return self.look()

    def look(self):
        """What is seen, and what may be done."""
        self.mask = self.np_random.random(4) < 0.4
        self.mask[self.np_random.integers(4)] = True
        obs = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return obs, {"action_mask": self.mask.astype(np.int8)}

    def step(self, action):
        """One step."""
        if not self.mask[action - 1]:
            raise RuntimeError("forbidden")
        self.t += 1
        obs, info = self.look()
        return obs, float(action == 4), self.t >= 5, False, info


class Pair(Steps):
    """Two choices at once, with a mask for each."""

    action_space = MultiDiscrete([2, 3])

    def look(self):
        """What is seen, and what may be done."""
        a, b = self.np_random.integers(2, size=2)
        self.mask = np.array([a, 1], np.int8), np.array([b, 0, 1], np.int8)
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), {"action_mask": self.mask}

    def step(self, action):
        """One step."""
        if not (self.mask[0][action[0]] and self.mask[1][action[1]]):
            raise RuntimeError("forbidden")
        self.t += 1
        return *(look := self.look())[:1], 1.0, self.t >= 5, False, look[1]


class Board(gymnasium.Env):
    """Shows it in a Dict, as PettingZoo's games do; at the end nothing is allowed."""

    observation_space = Dict(
        {"observation": Box(0, 1, (4,), np.int8), "action_mask": Box(0, 1, (4,), np.int8)}
    )
    action_space: ClassVar = Discrete(4)

    def reset(self, *, seed=None, options=None):
        """Begin."""
        super().reset(seed=seed)
        self.board = np.zeros(4, np.int8)
        return self.look(), {}

    def look(self):
        """What is seen, and what may be done."""
        return {"observation": self.board.copy(), "action_mask": 1 - self.board}

    def step(self, action):
        """One step."""
        if self.board[action]:
            raise RuntimeError("forbidden")
        self.board[action] = 1
        return self.look(), 1.0, bool(self.board.all()), False, {}


class Short(Steps):
    """Tells a mask of too few flags."""

    def look(self):
        """What is seen, and what may be done, but for one action."""
        obs, info = super().look()
        self.mask[:] = True
        return obs, {"action_mask": info["action_mask"][:3]}


gymnasium.register("MaskedBoard-v0", entry_point=Board)
gymnasium.register("BadlyMasked-v0", entry_point=Short)


class Standing(NamedTuple):
    """Where one is, and what may be done there."""

    place: jax.Array
    mask: jax.Array


@hyperparameters
class Field:
    """Tells it in infos, in JAX: where one stands is where one may not go."""

    stuck: float = 0.0
    """Chance of a place from where no way leads."""

    max_episode_steps: ClassVar = 8
    observation_space: ClassVar = Discrete(6)
    action_space: ClassVar = Discrete(4)

    def reset(self, key):
        """Begin."""
        state = Standing(jnp.int32(1), jnp.arange(4) != 1)
        return state, state.place

    def step(self, state, action, key):
        """One step."""
        hit = ~state.mask[action]
        stuck = jax.random.uniform(key) < self.stuck
        state = Standing(action, (jnp.arange(4) != action) & ~stuck)
        reward = jnp.where(hit, -100.0, 1.0)
        return state, Step(action, reward, hit, jnp.zeros((), bool))

    def info(self, state):
        """Which ways are open."""
        return {"action_mask": state.mask.astype(jnp.int8)}
