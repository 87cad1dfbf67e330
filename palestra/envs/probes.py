"""Probes: tasks so small that failing one names the fault. Every algorithm must solve them, and
every algorithm that remembers the last two.

    id                    the task                             who fails has ...
    probe/Action-v0       one step; action 1 pays              the sign of the signal wrong
    probe/Observation-v0  one step; the observation is the     observations that get lost, or meet
                          action that pays                     the wrong actions
    probe/Delay-v0        two steps; the first action decides  values that do not travel back
                          what the second step pays
    probe/Ending-v0       a small reward that ends the task    endings bootstrapped as if life
                          against a larger one a step later    went on
    probe/TimeOut-v0      a reward that ends the task against  time-outs learned as endings
                          a stream of rewards that is cut off
    probe/Continuous-v0   one step; the action should be half  actions scaled, clipped or
                          of the observation                   differentiated wrongly
    probe/Cue2-v0,        the first observation is what pays   no memory, or none that lasts, or one
    Cue8-v0, Cue32-v0     2, 8 or 32 steps later               that is not learned from
    probe/Forget-v0       the first step of an episode, which  a memory that outlives the episode
                          looks like all others, is answered
                          otherwise than those

Each but the last two lists as `answers` the observations that matter and the best action in each.

Source: after the diagnostic environments of Jones (2020), Debugging reinforcement learning systems;
Ending and TimeOut (Pardo et al. 2018, Time limits in reinforcement learning, say why), Cue and
Forget are ours.
"""

from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from palestra.core import Count, Key, Step, hyperparameters

LINE = gymnasium.spaces.Box(-1.0, 1.0, (1,))
TWO = gymnasium.spaces.Discrete(2)
NO = False  # not ended, or not cut off


class State(NamedTuple):
    """One number and a clock."""

    place: Float[Array, ""]  # what the agent sees, or is to remember
    time: Int[Array, ""]  # steps since the episode began


Reset = tuple[State, Float[Array, "1"]]


def _begin(place: Float[Array, ""] | float) -> Reset:
    state = State(jnp.asarray(place, jnp.float32), jnp.zeros((), jnp.int32))
    return state, state.place[None]


def _next(state: State, place, reward, terminated=NO, truncated=NO) -> tuple[State, Step]:
    state = State(jnp.asarray(place, jnp.float32), state.time + 1)
    flags = jnp.asarray(terminated, bool), jnp.asarray(truncated, bool)
    return state, Step(state.place[None], jnp.asarray(reward, jnp.float32), *flags)


def _sign(action: Int[Array, ""]) -> Float[Array, ""]:
    return jnp.where(action == 1, 1.0, -1.0)


@hyperparameters
class Action:
    """One step; action 1 pays 1, action 0 costs 1."""

    observation_space: ClassVar = LINE
    action_space: ClassVar = TWO
    answers: ClassVar = (([0.0], 1),)

    def reset(self, key: Key) -> Reset:
        return _begin(0.0)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return _next(state, 0.0, _sign(action), terminated=True)


@hyperparameters
class Observation:
    """One step; action 1 pays where the observation is 1, action 0 where it is -1."""

    observation_space: ClassVar = LINE
    action_space: ClassVar = TWO
    answers: ClassVar = (([-1.0], 0), ([1.0], 1))

    def reset(self, key: Key) -> Reset:
        return _begin(jax.random.rademacher(key, dtype=jnp.float32))

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return _next(state, 0.0, state.place * _sign(action), terminated=True)


@hyperparameters
class Delay:
    """Two steps; the first action leads to 1 or -1, which is what the second step pays."""

    observation_space: ClassVar = LINE
    action_space: ClassVar = TWO
    answers: ClassVar = (([0.0], 1),)

    def reset(self, key: Key) -> Reset:
        return _begin(0.0)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        first = state.time == 0
        place = jnp.where(first, _sign(action), 0.0)
        return _next(state, place, jnp.where(first, 0.0, state.place), terminated=~first)


@hyperparameters
class Ending:
    """Action 0 pays 1 and ends the task at a place worth 2; action 1 goes there, unpaid."""

    observation_space: ClassVar = LINE
    action_space: ClassVar = TWO
    answers: ClassVar = (([0.0], 1),)

    def reset(self, key: Key) -> Reset:
        return _begin(0.0)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        first = state.time == 0
        reward = jnp.where(first, jnp.where(action == 0, 1.0, 0.0), 2.0)
        return _next(state, 1.0, reward, terminated=~first | (action == 0))


@hyperparameters
class TimeOut:
    """Action 0 pays 2 and ends the task; action 1 leads to 1 per step for ever, cut off after 2.

    Whoever takes the cut for an ending thinks that stream worth less than 2.
    """

    observation_space: ClassVar = LINE
    action_space: ClassVar = TWO
    answers: ClassVar = (([0.0], 1),)

    def reset(self, key: Key) -> Reset:
        return _begin(0.0)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        first = state.time == 0
        ended = first & (action == 0)
        reward = jnp.where(first, jnp.where(ended, 2.0, 0.0), 1.0)
        return _next(state, 1.0, reward, terminated=ended, truncated=state.time >= 1)


@hyperparameters
class Continuous:
    """One step; pays minus the squared distance of the action from half the observation."""

    observation_space: ClassVar = LINE
    action_space: ClassVar = gymnasium.spaces.Box(-1.0, 1.0, (1,))
    answers: ClassVar = (([-1.0], [-0.5]), ([1.0], [0.5]))

    def reset(self, key: Key) -> Reset:
        return _begin(jax.random.rademacher(key, dtype=jnp.float32))

    def step(self, state: State, action: Float[Array, "1"], key: Key) -> tuple[State, Step]:
        return _next(state, 0.0, -jnp.square(action[0] - state.place / 2), terminated=True)


@hyperparameters
class Cue:
    """The first step shows 1 or -1, the others 0; the last action pays where it is the sign of the
    first step's number, and costs as much where not."""

    delay: Count = 2
    """Steps from the cue to the answer."""

    observation_space: ClassVar = LINE
    action_space: ClassVar = TWO

    def reset(self, key: Key) -> Reset:
        return _begin(jax.random.rademacher(key, dtype=jnp.float32))

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        asked = state.time >= self.delay
        reward = jnp.where(asked, state.place * _sign(action), 0.0)
        state, step = _next(state, state.place, reward, terminated=asked)
        return state, step._replace(obs=jnp.zeros(1))


@hyperparameters
class Forget:
    """Always shows 0. Action 1 pays 1 in the first step and costs 1 in all others, of which there
    is another with chance 1/2; action 0 costs 1 in the first step."""

    observation_space: ClassVar = LINE
    action_space: ClassVar = TWO

    def reset(self, key: Key) -> Reset:
        return _begin(0.0)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        later = jnp.where(action == 1, -1.0, 0.0)
        reward = jnp.where(state.time == 0, _sign(action), later)
        return _next(state, 0.0, reward, terminated=jax.random.uniform(key) < 0.5)
