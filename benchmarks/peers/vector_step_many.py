"""Environments stepped from Python through Gymnasium's vector interface: one file for three.

`vector_step_many.py palestra`, `... gymnasium` or `... envpool`. Each resets in its own default
way, with a step of its own (next-step autoreset). Actions are drawn beforehand.
"""

import sys
import warnings
from itertools import cycle, islice

import numpy as np
from gymnasium.spaces import Discrete
from stepping import Player, cores, serve

# Gymnasium says how it stores the bounds of EnvPool's spaces.
warnings.filterwarnings("ignore", message=".*precision lowered by casting.*")

ONE_BY_ONE = 4_096  # environments that Python may step one after another, or that take long to make
SLOW_TO_MAKE = 32_768  # EnvPool makes as many in a second
BATCHES = 8  # of actions, used in turn


def make(system: str, env_id: str, count: int):
    """None if it would take too long."""
    if system == "palestra":
        import palestra

        return palestra.make_vec(env_id, count)
    if system == "envpool":
        import envpool

        if count > SLOW_TO_MAKE:
            return None
        return envpool.make(
            env_id, env_type="gymnasium", num_envs=count, num_threads=cores(), seed=0
        )
    import gymnasium

    if gymnasium.spec(env_id).vector_entry_point is None and count > ONE_BY_ONE:
        return None
    return gymnasium.make_vec(env_id, count)


def prepare(env_id: str, count: int) -> Player | None:
    system = sys.argv[1]
    envs = make(system, env_id, count)
    if envs is None:
        return None
    rng = np.random.default_rng(0)
    space = envs.action_space if system == "envpool" else envs.single_action_space
    if isinstance(space, Discrete):
        batches = [rng.integers(space.n, size=count, dtype=np.int32) for _ in range(BATCHES)]
    else:
        shape = (count, *space.shape)
        batches = [rng.uniform(space.low, space.high, shape) for _ in range(BATCHES)]
        batches = [batch.astype(np.float32) for batch in batches]
    actions = cycle(batches)
    if system == "envpool":
        envs.reset()
    else:
        envs.reset(seed=0)

    def run(rounds: int) -> None:
        for action in islice(actions, rounds):
            envs.step(action)

    return Player(run, count)


if __name__ == "__main__":
    serve(prepare)
