"""A small world for the tests of the tabular algorithms: three places, two actions.

Q: s 0 -> [1, 2], s 1 -> [3, 5], s 2 -> [0, 4]
"""

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Discrete

from palestra import prng
from palestra.core import Spec, Transition

SPEC = Spec(Discrete(3), Discrete(2), 1)
Q = np.array([[1.0, 2.0], [3.0, 5.0], [0.0, 4.0]], np.float32)
GAMMA, RATE = 0.9, 0.5
BASE = {"gamma": GAMMA, "learning_rate": RATE}


def rows(*steps) -> Transition:
    """A rollout of one environment from (obs, action, reward, next_obs, terminated, truncated)."""
    types = (np.int32, np.int32, np.float32, np.int32, bool, bool)
    columns = zip(*steps, strict=True)
    return Transition(
        *(jnp.asarray(np.array(c, t))[:, None] for c, t in zip(columns, types, strict=True))
    )


def start(algorithm):
    """A learner that has Q already."""
    state = algorithm.init(SPEC, prng.key(0))
    return state._replace(q=jnp.broadcast_to(Q, state.q.shape))  # both tables, of two


@jax.jit
def update(algorithm, state, rollout: Transition, seed: int = 0):
    """One update; compiled once for all learning rates."""
    return algorithm.update(state, rollout, prng.key(seed))


def moved(**places: float) -> np.ndarray:
    """Q with the learning rate's step towards targets: s0a1=7.0 is for Q(0, 1)."""
    q = Q.copy()
    for name, y in places.items():
        place = int(name[1]), int(name[3])
        q[place] += RATE * (y - q[place])
    return q


def random_course(length: int, seed: int) -> list[tuple]:
    """Steps of one environment, with endings, in the form that `rows` takes."""
    rng = np.random.default_rng(seed)
    course, obs = [], 0
    for _ in range(length):
        action, next_obs, over = rng.integers(2), rng.integers(3), rng.random() < 0.2
        course.append((obs, action, rng.normal(), next_obs, over, False))
        obs = 0 if over else next_obs
    return course
