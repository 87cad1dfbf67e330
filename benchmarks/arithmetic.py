"""Where the time of a DQN gradient step goes on this machine, and what arithmetic allows.

    python benchmarks/arithmetic.py        a minute

The setting is rl-baselines3-zoo's for CartPole: a 4-256-256-2 network, batch 64, one gradient step
per two environment steps. Each row is a `lax.scan` of 128 gradient steps, the fastest of several;
each adds one thing to the row above. The limit counts multiply-adds only, at the rate that one
large matrix product reaches here.
"""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from palestra import prng
from palestra.core import Spec
from palestra.envs import make
from palestra.parts import replay
from palestra.tools.presets.dqn import RL_ZOO_CARTPOLE as ZOO

STEPS, BATCH, WIDTH, INPUTS, OUTPUTS = 128, 64, 256, 4, 2
FORWARD = 2 * BATCH * (INPUTS * WIDTH + WIDTH * WIDTH + WIDTH * OUTPUTS)  # [flop]
STEP = FORWARD * (1 + 2 + 1)  # Q forward, Q backward (twice a forward), target forward


def fastest(function: Callable, *arguments) -> float:
    """Seconds of the fastest of seven calls, compiling left out."""
    compiled = jax.jit(function)
    jax.block_until_ready(compiled(*arguments))
    times = []
    for _ in range(7):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        times.append(time.perf_counter() - start)
    return min(times)


def large_product() -> float:
    """Floating-point operations per second in one large matrix product, all cores."""
    size = 2048
    x = jax.random.normal(prng.key(0), (size, size))
    return 2 * size**3 / fastest(lambda x: x @ x, x)


def main() -> None:
    algorithm, env = ZOO.algorithm, make("CartPole-v1")
    spec = Spec(env.observation_space, env.action_space, 1)
    state = jax.jit(lambda: algorithm.init(spec, prng.key(0)))()
    state = state._replace(memory=state.memory._replace(rows=jnp.int32(50_000)))
    shape = (STEPS, BATCH)
    draw = lambda key: replay.sample(state.memory, shape, key, gamma=0.99)
    batches = jax.jit(draw)(prng.key(1))
    next_values = jnp.zeros((*shape, OUTPUTS))

    def product(x, _):  # the middle layer's three products: forward, and backward to each factor
        weight, batch = x
        out = batch @ weight
        back = out @ weight.T
        return (weight + 1e-12 * (batch.T @ out), batch + 1e-12 * back), None

    def loss(q, batch):
        value = jnp.take_along_axis(jax.vmap(q)(batch.obs), batch.action[:, None], 1)[:, 0]
        return optax.huber_loss(value, batch.returns).mean()

    def descend(q, batch):  # plain gradient descent: no optimizer, no clipping
        return jax.tree.map(lambda w, g: w - 1e-6 * g, q, jax.grad(loss)(q, batch)), None

    learned = (state.q, state.optimizer)
    weights = jax.random.normal(prng.key(2), (WIDTH, WIDTH)) / 16
    inputs = jax.random.normal(prng.key(3), (BATCH, WIDTH))
    scan = jax.lax.scan
    rows = {
        "the middle layer's three products": fastest(
            lambda w, x: scan(product, (w, x), length=STEPS)[0], weights, inputs
        ),
        "Q forward and backward, plain descent": fastest(
            lambda q: scan(descend, q, batches)[0], state.q
        ),
        "with clipping, Adam and metrics": fastest(
            lambda learned: scan(algorithm._descend, learned, (batches, next_values)), learned
        ),
        "with drawing the batches, and target values": fastest(
            lambda learned, key: algorithm._learn(learned, state.target, state.memory, key),
            learned,
            prng.key(4),
        ),
    }
    peak = large_product()
    print(f"one gradient step: {STEP / 1e6:.1f} MFLOP")
    print(f"one 2048-cubed product: {peak / 1e9:.0f} GFLOP/s on all cores, so at best")
    limit = 2 * peak / STEP
    print(f"  {STEP / peak * 1e6:.0f} us a gradient step, {limit:,.0f} environment steps/s")
    print(f"\n{'':46s} us a step   environment steps/s")
    for title, seconds in rows.items():
        each = seconds / STEPS
        print(f"{title:46s} {each * 1e6:9.0f}   {2 / each:19,.0f}")


if __name__ == "__main__":
    main()
