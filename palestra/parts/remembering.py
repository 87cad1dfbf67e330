"""What an algorithm remembers within an episode (core.Remembers), for whoever plays with it.

What is remembered goes along with what is observed: so rollouts, replays and checkpoints hold it
without knowing of it, and where an environment begins anew it is gone.
"""

from functools import partial
from typing import Any, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from palestra.core import (
    Chosen,
    Counted,
    Environment,
    GoesOn,
    Key,
    Recalled,
    Remembers,
    Spec,
    Step,
    Transition,
)
from palestra.parts.spaces import example, example_transition


def nothing(algorithm: Any, spec: Spec) -> PyTree:
    """What is remembered where an episode begins, by one; None by who never remembers."""
    return algorithm.no_memory(spec) if isinstance(algorithm, Remembers) else None


def recalled(obs: PyTree, memory: PyTree) -> PyTree:
    """What an algorithm sees: Recalled, or what is observed where `memory` is None."""
    return obs if memory is None else Recalled(obs, memory)


def without_memory(seen: PyTree) -> PyTree:
    """What an environment shows, of what an algorithm sees."""
    return seen.obs if isinstance(seen, Recalled) else seen


def apart(choice: PyTree) -> tuple[PyTree, PyTree]:
    """Action and memory of what `act` gives; the latter None of who never remembers."""
    return tuple(choice) if isinstance(choice, Chosen) else (choice, None)


def seen_by(algorithm: Any, spec: Spec) -> PyTree:
    """A zero of what an algorithm sees, without batch axes."""
    return recalled(example(spec.observation_space), nothing(algorithm, spec))


def transition_of(algorithm: Any, spec: Spec) -> Transition:
    """A transition of zeros, as an algorithm sees it, without batch axes."""
    seen = seen_by(algorithm, spec)
    return example_transition(spec)._replace(obs=seen, next_obs=seen)


class Remembering(NamedTuple):
    """An environment that shows what is remembered beside what it shows itself."""

    env: Environment
    memory: PyTree  # where an episode begins

    @property
    def observation_space(self) -> gymnasium.Space:
        return self.env.observation_space

    @property
    def action_space(self) -> gymnasium.Space:
        return self.env.action_space

    def reset(self, key: Key) -> tuple[PyTree, Recalled]:
        state, obs = self.env.reset(key)
        return state, Recalled(obs, jax.tree.map(jnp.asarray, self.memory))

    def step(self, state: PyTree, action: Chosen, key: Key) -> tuple[PyTree, Step]:
        state, step = self.env.step(state, action.action, key)
        return state, step._replace(obs=Recalled(step.obs, action.memory))

    def go_on(self, state: PyTree, key: Key) -> tuple[PyTree, Recalled]:
        """Where the next episode begins, be it where the last one ended; nothing is remembered."""
        begin = partial(self.env.go_on, state) if isinstance(self.env, GoesOn) else self.env.reset
        state, obs = begin(key)
        return state, Recalled(obs, jax.tree.map(jnp.asarray, self.memory))

    def counted(self, state: PyTree, step: Step) -> tuple[Array, Array]:
        """Reward and end of a step as people count them."""
        if isinstance(self.env, Counted):
            return self.env.counted(state, step)
        return step.reward, step.terminated | step.truncated


def remembering(env: Environment, algorithm: Any, num_envs: int = 1) -> Environment:
    """The environment as an algorithm plays in it: itself, unless that remembers."""
    memory = nothing(algorithm, Spec(env.observation_space, env.action_space, num_envs))
    return env if memory is None else Remembering(env, memory)
