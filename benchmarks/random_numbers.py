"""What random numbers cost a small simulator: JAX's default generator against palestra.prng.

    python benchmarks/random_numbers.py [--steps 4000000]

Steps CartPole with random actions inside one compiled scan, by the loop that trains with it; the
two runs differ in the type of their key only.
"""

import os
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial

import jax

from palestra import prng
from palestra.envs import make
from palestra.runners.compiled import begin_episodes, unroll

ENVIRONMENT = "CartPole-v1"
WIDTHS = (8, 64, 1_024, 8_192)
REPEATS = 5
ROLLOUT = 16  # steps of each environment between updates, were there any


def main() -> None:
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4_000_000, help="of each run, in all")
    options = parser.parse_args()
    print(f"{ENVIRONMENT}, random actions, steps per second (million)")
    print(f"{os.cpu_count()} cores, {jax.devices()[0].device_kind}, JAX {jax.__version__}\n")
    print("| environments | threefry | palestra.prng | ratio |\n|--:|--:|--:|--:|")
    for num_envs in WIDTHS:
        rounds = max(1, options.steps // (num_envs * ROLLOUT))
        theirs, ours = (rate(make_key, num_envs, rounds) for make_key in (jax.random.key, prng.key))
        cells = f"{theirs / 1e6:.2f} | {ours / 1e6:.2f} | {ours / theirs:.1f}"
        print(f"| {num_envs:,} | {cells} |", flush=True)


def rate(make_key: Callable[[int], jax.Array], num_envs: int, rounds: int) -> float:
    """Steps per second, median of a few runs; the first, which compiles, is left out."""
    env = make(ENVIRONMENT)
    env_state, obs = jax.jit(begin_episodes)(env, jax.random.split(make_key(0), num_envs))
    times = []
    for i in range(REPEATS + 1):
        begun = time.perf_counter()
        jax.block_until_ready(play(env, rounds, env_state, obs, make_key(i)))
        times.append(time.perf_counter() - begun)
    return num_envs * rounds * ROLLOUT / statistics.median(times[1:])


@partial(jax.jit, static_argnums=1)
def play(env, rounds: int, env_state, obs, key: jax.Array):
    """`rounds` rollouts of every environment: short ones, as in training, since a single long one
    would measure the memory that its transitions fill."""

    def policy(obs, key):
        return jax.random.randint(key, obs.shape[:1], 0, 2)

    def rollout(carry, key):
        env_state, obs, rewards = carry
        env_state, obs, transitions = unroll(env, policy, env_state, obs, ROLLOUT, key)[:3]
        return (env_state, obs, rewards + transitions.reward.sum()), None

    return jax.lax.scan(rollout, (env_state, obs, 0.0), jax.random.split(key, rounds))[0]


if __name__ == "__main__":
    main()
