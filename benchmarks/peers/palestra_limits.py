"""What bounds Palestra's steps on one core: arithmetic, random numbers, resets, memory.

    palestra_limits.py ENVIRONMENT [...]      prints one line of JSON; lengths, of the first

The orchestrator, step_many.py, has it run on one core alone.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from palestra_step_many import begin, collect, random_policy
from palestra_step_many import play as play_at

from palestra.envs import make

SECONDS, REPEATS = 0.1, 3  # of each figure; the median is told
IN_CACHE = 4_096  # environments whose numbers fit the second-level cache
LENGTHS, COUNTS = (1, 4, 16), (8, IN_CACHE, 1_048_576)  # of rollouts; environments
BLOCK = 8_192
COPIED = (256 * 2**10, 8 * 2**20, 256 * 2**20)  # bytes


def rate(run: Callable, steps: int) -> float:
    """Steps per second of run(rounds), where a round is so many steps."""
    run(1)
    rounds, taken = 1, 0.0
    while True:
        begun = time.perf_counter()
        run(rounds)
        taken = time.perf_counter() - begun
        if taken >= SECONDS / 4:
            break
        rounds *= 4
    rounds, times = max(1, round(rounds * SECONDS / taken)), []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        run(rounds)
        times.append(time.perf_counter() - begun)
    return rounds * steps / float(np.median(times))


def carried_on(play: Callable, carry) -> Callable:
    """run(rounds), each from where the last one stopped."""

    def run(rounds: int) -> None:
        nonlocal carry
        carry = jax.block_until_ready(play(carry, np.int32(rounds)))

    return run


def training_loop(env, count: int, length: int) -> float:
    """As measured for the table, on one core, at one length of rollout."""
    run = carried_on(
        lambda carry, rounds: play_at(env, carry, rounds, length), begin(env, np.uint32(0), count)
    )
    return rate(run, count * length)


@partial(jax.jit, static_argnames="random", donate_argnames="carry")
def without_resets(env, carry, rounds, random: bool):
    """The dynamics alone, or with random actions: no episode begins, none is drawn."""
    policy = random_policy(env.action_space)
    shape = env.action_space.shape
    count = carry.total.shape[0]
    still = jnp.zeros((count, *shape), jax.dtypes.canonicalize_dtype(env.action_space.dtype))

    def step(_, carry):
        key, action_key, step_key = jax.random.split(carry.key, 3)
        action = policy(carry.total, action_key) if random else still
        keys = jax.random.split(step_key, count)
        axes = jax.tree.map(lambda _: -1, carry.env_state), 0, 0
        env_state, out = jax.vmap(env.step, axes, -1)(carry.env_state, action, keys)
        ended = (out.terminated | out.truncated).astype(jnp.int32)
        total, episodes = carry.total + out.reward, carry.episodes + ended
        return carry._replace(env_state=env_state, total=total, episodes=episodes, key=key)

    return jax.lax.fori_loop(0, rounds, step, carry)


@partial(jax.jit, static_argnames="length", donate_argnames="carry")
def in_blocks(env, carry, rounds, length: int):
    """Block after block, each for one rollout, so that its numbers stay in the cache meanwhile."""
    policy = random_policy(env.action_space)
    each = lambda carry: jax.lax.map(lambda block: collect(env, block, length, policy), carry)
    return jax.lax.fori_loop(0, rounds, lambda _, carry: each(carry), carry)


def randint_policy(env) -> float:
    """Random actions by jax.random.randint, in place of 16 bits."""
    n, length = int(env.action_space.n), 16

    @partial(jax.jit, donate_argnames="carry")
    def play(env, carry, rounds):
        policy = lambda obs, key: jax.random.randint(key, carry.total.shape, 0, n)
        each = lambda _, carry: collect(env, carry, length, policy)
        return jax.lax.fori_loop(0, rounds, each, carry)

    run = carried_on(partial(play, env), begin(env, np.uint32(0), IN_CACHE))
    return rate(run, IN_CACHE * length)


def copy_bandwidth(size: int) -> float:
    """Bytes per second, those read and those written, of a plain copy of so many bytes."""
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)

    def run(rounds: int) -> None:
        for _ in range(rounds):
            np.copyto(target, source)

    return rate(run, 2 * size)


def bytes_carried(carry) -> float:
    """Of each environment: its state, what is observed, and the two sums."""
    leaves = jax.tree.leaves((carry.env_state, carry.obs, carry.total, carry.episodes))
    return sum(leaf.nbytes for leaf in leaves) / carry.total.shape[0]


def limits(env_id: str) -> dict:
    env = make(env_id)
    fresh = lambda: begin(env, np.uint32(0), IN_CACHE)
    advance = lambda random: rate(
        carried_on(partial(without_resets, env, random=random), fresh()), IN_CACHE
    )
    found = {
        "dynamics": advance(False),
        "random actions": advance(True),
        "resets": training_loop(env, IN_CACHE, 16),
        "bytes": bytes_carried(fresh()),
    }
    if env.action_space.shape == ():
        found["randint"] = randint_policy(env)
    return found


def many_in_blocks(env) -> float:
    many, length = COUNTS[-1], 16
    starts = [begin(env, np.uint32(i), BLOCK) for i in range(many // BLOCK)]
    blocks = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)
    return rate(carried_on(partial(in_blocks, env, length=length), blocks), many * length)


def main() -> None:
    env = make(sys.argv[1])
    found = {
        "environments": {env_id: limits(env_id) for env_id in sys.argv[1:]},
        "lengths": {n: {t: training_loop(env, n, t) for t in LENGTHS} for n in COUNTS},
        "blocks": many_in_blocks(env),
        "copies": {size: copy_bandwidth(size) for size in COPIED},
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
