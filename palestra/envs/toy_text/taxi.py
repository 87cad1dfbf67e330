"""Taxi: fetch a passenger from one of four stands and bring them to another.

    map       R   . | .   .   G      25 squares, numbered row by row from 0 to 24; the stands are
              .   . | .   .   .      R, G, Y and B, numbered 0 to 3; bars are walls
              .   .   .   .   .
              . | .   . | .   .
              Y | .   . | B   .
    actions   0 south, 1 north, 2 east, 3 west; 4 picks the passenger up, 5 lets them out
    observes  one whole number, (5 square + passenger) 4 + destination: where the passenger is
              (a stand, or 4 in the taxi) and wants to go
    reward    20 for delivering the passenger, −10 for picking up or letting out where that
              cannot be done, −1 for any other step; letting out at a wrong stand is allowed
    ends      terminated when the passenger is delivered; Taxi-v4 truncates after 200 steps
    starts    uniformly at any square, with a passenger at a stand who wants to go to another

With `is_rainy` the taxi drifts to the left or the right of where it is steered, or stays where it
is if a wall is there; steered into a wall it does not drift. With `fickle_passenger` the passenger
may choose another destination when the taxi has carried them for one square, once in an episode.

Rules: Dietterich (2000), Hierarchical reinforcement learning with the MAXQ value function
decomposition, sections 2 and 7.1. Reference: Gymnasium's Taxi-v4, replayed step for step in
tests/envs/test_taxi.py.
"""

from typing import ClassVar, NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from palestra.core import Key, Share, Step, hyperparameters
from palestra.envs.toy_text.model import Model, outcomes

SIZE = 5  # squares along a side
STANDS = (0, 4, 20, 23)  # the squares of R, G, Y and B
IN_TAXI = 4
WALLS = (1, 6, 15, 17, 20, 22)  # squares with a wall to their east
SOUTH, NORTH, EAST, WEST, PICK_UP, LET_OUT = range(6)

# Where a move is possible, one bit per square: to the east, and from there back to the west.
_EAST = sum(1 << square for square in range(25) if square % SIZE < 4 and square not in WALLS)
OPEN = ((1 << 20) - 1, (1 << 25) - (1 << 5), _EAST, _EAST << 1)


class State(NamedTuple):
    """Where the taxi and its passenger are."""

    square: Int[Array, ""]  # the taxi's
    passenger: Int[Array, ""]  # stand where the passenger waits, or IN_TAXI
    destination: Int[Array, ""]  # stand
    settled: Bool[Array, ""]  # the destination will not change any more
    prob: Float[Array, ""]  # probability of the drift that led here


class Chance(NamedTuple):
    """What rain and passenger make of a step."""

    drift: Int[Array, ""]  # 0 as steered, 1 to the left of it, 2 to the right
    change: Int[Array, ""]  # added to the destination if the passenger may change it now


@hyperparameters
class Taxi:
    """The town, its weather and its passengers; without a time limit."""

    is_rainy: bool = False
    """Whether the taxi drifts."""
    rainy_probability: Share = 0.8
    """In the rain, the probability of moving as steered; left and right share the rest."""
    fickle_passenger: bool = False
    """Whether passengers change their mind."""
    fickle_probability: Share = 0.3
    """Probability that a fickle passenger does."""

    observation_space: ClassVar = gymnasium.spaces.Discrete(500)
    action_space: ClassVar = gymnasium.spaces.Discrete(6)

    def reset(self, key: Key) -> tuple[State, Int[Array, ""]]:
        start = jax.random.randint(key, (), 0, 300)  # of 25 squares x 4 stands x 3 other stands
        passenger = start // 3 % 4
        state = State(
            square=start // 12,
            passenger=passenger,
            destination=(passenger + 1 + start % 3) % 4,
            settled=jnp.array(not self.fickle_passenger),
            prob=jnp.ones(()),
        )
        return state, self.observe(state)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return self.advance(state, action, self.chance(key))

    def chance(self, key: Key) -> Chance:
        rain, mood, which = jax.random.uniform(key, (3,))
        middle = (1 + self.rainy_probability) / 2
        drift = jnp.where(rain < self.rainy_probability, 0, jnp.where(rain < middle, 1, 2))
        other = 1 + (3 * which).astype(jnp.int32)
        return Chance(drift, jnp.where(mood < self.fickle_probability, other, 0))

    def advance(self, state: State, action: Int[Array, ""], chance: Chance) -> tuple[State, Step]:
        square, passenger, destination, settled, _ = state
        prob = jnp.ones(())

        heading, drives = action, is_open(square, action)
        if self.is_rainy:
            left = jnp.where(action < EAST, action + 2, 3 - action)
            right = left ^ 1  # directions come in pairs of opposites
            heading = jnp.where(
                chance.drift == 0, action, jnp.where(chance.drift == 1, left, right)
            )
            drives &= is_open(square, heading)
            p = jnp.where(
                chance.drift == 0, self.rainy_probability, (1 - self.rainy_probability) / 2
            )
            prob = jnp.where(action < PICK_UP, p, 1.0)
        stride = jnp.where(heading < EAST, SIZE, 1) * (1 - 2 * (heading & 1))
        place = jnp.where(drives, square + stride, square)

        stand = stand_at(square)
        riding = passenger == IN_TAXI
        picks_up = (action == PICK_UP) & (passenger == stand)
        lets_out = (action == LET_OUT) & riding & (stand >= 0)
        delivered = lets_out & (stand == destination)
        forbidden = (action >= PICK_UP) & ~picks_up & ~lets_out
        reward = jnp.where(delivered, 20.0, jnp.where(forbidden, -10.0, -1.0))
        passenger = jnp.where(picks_up, IN_TAXI, jnp.where(lets_out, stand, passenger))

        if self.fickle_passenger:
            carried = riding & drives
            changed = (destination + chance.change) % 4
            destination = jnp.where(carried & ~settled, changed, destination)
            settled |= carried

        state = State(place, passenger, destination, settled, prob)
        return state, Step(self.observe(state), reward, delivered, jnp.zeros((), bool))

    def observe(self, state: State) -> Int[Array, ""]:
        return (state.square * 5 + state.passenger) * 4 + state.destination

    def info(self, state: State) -> dict[str, Array]:
        """The drift's probability, and which actions do something in the dry."""
        stand = stand_at(state.square)
        mask = [is_open(state.square, jnp.int32(heading)) for heading in range(4)]
        mask += [state.passenger == stand, (state.passenger == IN_TAXI) & (stand >= 0)]
        return {"prob": state.prob, "action_mask": jnp.stack(mask).astype(jnp.int8)}

    def model(self) -> Model:
        """What a step can lead to. States are observations.

        A fickle passenger makes it 1000 states, since what is to come depends on whether they have
        been carried yet: observations before that, then 500 + observations.
        """
        obs = np.arange(500)
        settled = np.repeat([False, True], 500) if self.fickle_passenger else np.ones(500, bool)
        obs = np.resize(obs, len(settled))
        square, passenger, destination = obs // 20, obs // 4 % 5, obs % 4
        states = State(
            square=jnp.asarray(square, jnp.int32),
            passenger=jnp.asarray(passenger, jnp.int32),
            destination=jnp.asarray(destination, jnp.int32),
            settled=jnp.asarray(settled),
            prob=jnp.ones(len(obs)),
        )
        rain, mood = self.rainy_probability, self.fickle_probability
        drift = [rain, (1 - rain) / 2, (1 - rain) / 2] if self.is_rainy else [1.0]
        change = [1 - mood, mood / 3, mood / 3, mood / 3] if self.fickle_passenger else [1.0]
        drifts, changes = jnp.indices((len(drift), len(change))).reshape(2, -1)

        after, step = outcomes(self.advance, states, 6, Chance(drifts, changes))
        later = np.where(after.settled, len(obs) - 500, 0)
        start = (passenger != IN_TAXI) & (passenger != destination)
        start &= settled != self.fickle_passenger
        return Model(
            probability=np.broadcast_to(np.outer(drift, change).ravel(), step.reward.shape),
            successor=step.obs + later,
            reward=step.reward.astype(float),
            terminated=step.terminated,
            start=start / start.sum(),
            allowed=np.asarray(jax.vmap(self.info)(states)["action_mask"], bool),
        )


def is_open(square: Int[Array, ""], heading: Int[Array, ""]) -> Bool[Array, ""]:
    """Whether the taxi can leave a square that way; False for what is no heading."""
    ways = jnp.where(
        heading < EAST,
        jnp.where(heading == SOUTH, OPEN[SOUTH], OPEN[NORTH]),
        jnp.where(heading == EAST, OPEN[EAST], OPEN[WEST]),
    )
    return (heading <= WEST) & ((ways >> square) & 1 == 1)


def stand_at(square: Int[Array, ""]) -> Int[Array, ""]:
    """The stand on a square, −1 where there is none."""
    stand = jnp.int32(-1)
    for number, place in enumerate(STANDS):
        stand = jnp.where(square == place, number, stand)
    return stand
