"""A racetrack in JAX and double Q-learning, in one file of a user's own.

    palestra train own_racetrack:DoubleQLearning own_racetrack:Racetrack --epsilon-end 0.1
    palestra train own_racetrack:DoubleQLearning own_racetrack:Racetrack --env.wind 0.2
    palestra evaluate runs/... --trust own_racetrack

Sources
    Sutton, Barto (2018), Reinforcement learning, exercise 5.12 and section 6.7.
    van Hasselt (2010), Double Q-learning.
"""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Discrete, Tuple

from palestra.core import Count, Share, Step, hyperparameters
from palestra.parts.exploration import among_best, epsilon_greedy
from palestra.parts.tables import learn, row, table, value

TRACK = np.array(
    [[c != "#" for c in line] for line in ("##....G", "##.####", "##.####", "...####", "S..####")]
)
GOAL = jnp.array([0, 6])


class Car(NamedTuple):
    place: jax.Array  # row, column
    speed: jax.Array  # rows and columns per step, each from -2 to 2


@hyperparameters
class Racetrack:
    """Steer a car with inertia from the lower left corner to the flag, without leaving the road."""

    wind: Share = 0.1
    """Chance that an action does nothing."""

    observation_space: ClassVar = Tuple([Discrete(5), Discrete(7), Discrete(5), Discrete(5)])
    action_space: ClassVar = Discrete(9)  # row and column of the acceleration, -1 to 1 each
    max_episode_steps: ClassVar = 100
    reward_threshold: ClassVar = -12.0

    def reset(self, key):
        car = Car(jnp.array([4, 0]), jnp.array([0, 0]))
        return car, self.see(car)

    def step(self, car, action, key):
        push = jnp.stack([action // 3, action % 3]) - 1
        push = jnp.where(jax.random.uniform(key) < self.wind, 0, push)
        speed = jnp.clip(car.speed + push, -2, 2)
        place = car.place + speed
        inside = ((place >= 0) & (place < jnp.array(TRACK.shape))).all()
        on_road = inside & jnp.asarray(TRACK)[tuple(jnp.clip(place, 0, jnp.array(TRACK.shape) - 1))]
        car = Car(jnp.where(on_road, place, car.place), jnp.where(on_road, speed, 0))
        there = (car.place == GOAL).all()
        return car, Step(self.see(car), jnp.where(on_road, -1.0, -3.0), there, jnp.bool_(False))

    def see(self, car):
        return (*car.place, *(car.speed + 2))

    def draw(self, car, action=None):
        picture = np.where(TRACK, 255, 60).astype(np.uint8)[..., None].repeat(3, 2)
        picture[tuple(GOAL)], picture[tuple(car.place)] = (0, 160, 0), (200, 0, 0)
        return picture.repeat(32, 0).repeat(32, 1)


class State(NamedTuple):
    a: jax.Array
    b: jax.Array


@hyperparameters
class DoubleQLearning:
    """Two tables, each of which values what the other one would choose."""

    learning_rate: Share = 0.2
    """How far a value goes towards its target at each visit."""
    gamma: Share = 1.0
    """Discount per environment step."""
    epsilon: Share = 0.1
    """Chance of a random action."""
    rollout_length: Count = 1
    """Steps of each environment between updates."""

    off_policy: ClassVar = True

    def init(self, spec, key):
        return State(table(spec, 0.0), table(spec, 0.0))

    def act(self, state, obs, key, *, explore=True):
        values = row(state.a, obs) + row(state.b, obs)
        if not explore:
            return values.argmax(-1)
        tie, chance = jax.random.split(key)
        return epsilon_greedy(among_best(values, tie), self.epsilon, chance)

    def update(self, state, rollout, key):
        def follow(state, given):
            now, coin = given
            a, b = jax.tree.map(
                lambda x, y: jnp.where(coin, x, y), tuple(state), tuple(state)[::-1]
            )
            best = row(a, now.next_obs).argmax(-1)
            y = now.reward + self.gamma * jnp.where(
                now.terminated, 0.0, value(b, now.next_obs, best)
            )
            a, error = learn(a, now.obs, now.action, y, self.learning_rate)
            return State(jnp.where(coin, a, b), jnp.where(coin, b, a)), error

        coins = jax.random.bernoulli(key, shape=(rollout.reward.shape[0],))
        state, error = jax.lax.scan(follow, state, (rollout, coins))
        return state, {"td_error": jnp.abs(error).mean()}


if __name__ == "__main__":
    import palestra

    run = palestra.train(Racetrack(wind=0.05), DoubleQLearning(epsilon=0.2), steps=100_000)
    print(f"mean return {run.evaluate(episodes=100)['mean']:.2f}")
