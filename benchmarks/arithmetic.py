"""Where the time of learning goes on this machine, and what arithmetic allows: DQN and PPO.

    python benchmarks/arithmetic.py        a minute

DQN's setting is rl-baselines3-zoo's for CartPole: a 4-256-256-2 network, batch 64, one gradient
step per two environment steps; each row is a `lax.scan` of 128 gradient steps. PPO's is that of
benchmarks/training.py: 4 environments, 128 steps, 4 passes of 4 minibatches, two networks of 64 x
64; each row is an update of 512 environment steps. Each row adds one thing to the row above, and is
the fastest of several. The limit counts multiply-adds only, at the rate that one large matrix
product reaches here.
"""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from palestra import prng
from palestra.algorithms.ppo import PPO, Data, Learned
from palestra.core import Spec
from palestra.envs import make
from palestra.parts import replay
from palestra.runners import compiled
from palestra.tools.presets.dqn import RL_ZOO_CARTPOLE as ZOO

STEPS = 128
ENV = make("CartPole-v1")
INPUTS, ACTIONS = 4, 2
PPO_SETTING = {
    "rollout_length": 128,
    "epochs": 4,
    "minibatches": 4,
    "hidden": (64, 64),
    "normalize_obs": False,
    "normalize_reward": False,
}


def forward(batch: int, width: int, outputs: int) -> int:
    """Floating-point operations of a network with two hidden layers."""
    return 2 * batch * (INPUTS * width + width * width + width * outputs)


def fastest(function: Callable, *arguments) -> float:
    """Seconds of the fastest of seven calls, compiling left out."""
    program = jax.jit(function)
    jax.block_until_ready(program(*arguments))
    times = []
    for _ in range(7):
        start = time.perf_counter()
        jax.block_until_ready(program(*arguments))
        times.append(time.perf_counter() - start)
    return min(times)


def large_product() -> float:
    """Floating-point operations per second in one large matrix product, all cores."""
    size = 2048
    x = jax.random.normal(prng.key(0), (size, size))
    return 2 * size**3 / fastest(lambda x: x @ x, x)


def products(batch: int, width: int, steps: int) -> float:
    """Seconds of the hidden layer's three products, forward and backward to each factor."""

    def product(x, _):
        weight, batch = x
        out = batch @ weight
        back = out @ weight.T
        return (weight + 1e-12 * (batch.T @ out), batch + 1e-12 * back), None

    weights = jax.random.normal(prng.key(2), (width, width)) / width**0.5
    inputs = jax.random.normal(prng.key(3), (batch, width))
    return fastest(lambda w, x: jax.lax.scan(product, (w, x), length=steps)[0], weights, inputs)


def dqn(peak: float) -> None:
    algorithm = ZOO.algorithm
    spec = Spec(ENV.observation_space, ENV.action_space, 1)
    state = jax.jit(lambda: algorithm.init(spec, prng.key(0)))()
    state = state._replace(memory=state.memory._replace(rows=jnp.int32(50_000)))
    shape = (STEPS, algorithm.batch_size)
    draw = lambda key: replay.sample(state.memory, shape, key, gamma=0.99)
    batches = jax.jit(draw)(prng.key(1))
    next_values = jnp.zeros((*shape, ACTIONS))

    def loss(q, batch):
        value = jnp.take_along_axis(jax.vmap(q)(batch.obs), batch.action[:, None], 1)[:, 0]
        return optax.huber_loss(value, batch.returns).mean()

    def descend(q, batch):  # plain gradient descent: no optimizer, no clipping
        return jax.tree.map(lambda w, g: w - 1e-6 * g, q, jax.grad(loss)(q, batch)), None

    learned = (state.q, state.optimizer)
    scan = jax.lax.scan
    rows = {
        "the middle layer's three products": products(64, 256, STEPS),
        "Q forward and backward, plain descent": fastest(
            lambda q: scan(descend, q, batches)[0], state.q
        ),
        "with clipping, Adam and metrics": fastest(
            lambda learned: scan(algorithm._descend, learned, (batches, next_values)), learned
        ),
        "with drawing the batches, and target values": fastest(
            lambda learned, key: algorithm._learn(learned, state.target, state.memory, None, key),
            learned,
            prng.key(4),
        ),
    }
    # Forward, backward (twice a forward), and forward in the target network.
    work = 4 * forward(64, 256, ACTIONS)
    report("DQN, a gradient step", work, 2, peak, {k: v / STEPS for k, v in rows.items()})


def ppo(peak: float) -> None:
    algorithm, num_envs = PPO(**PPO_SETTING), 4
    count, steps = 512, 16  # environment steps and gradient steps of an update
    spec = Spec(ENV.observation_space, ENV.action_space, num_envs)
    state = jax.jit(lambda: algorithm.init(spec, prng.key(0)))()
    shape = (steps, count // 4)
    normal = lambda i, *more: jax.random.normal(prng.key(i), (*shape, *more))
    action = jax.random.randint(prng.key(5), shape, 0, ACTIONS)
    batches = Data(normal(6, INPUTS), action, jnp.full(shape, -0.69), normal(7), normal(8))
    learned = Learned(state.networks, state.optimizer, jnp.zeros((), bool))
    descend = lambda learned, batch: algorithm._descend(learned, jnp.float32(1.0), batch)
    begin = lambda: compiled.begin(ENV, algorithm, num_envs, jnp.uint32(0))
    carry = jax.jit(begin)()
    policy = lambda obs, key: algorithm.act(state, obs, key)
    unroll = lambda key: compiled.unroll(ENV, policy, carry.env_state, carry.obs, 128, key)[2]
    rollout = jax.jit(unroll)(prng.key(9))
    rows = {
        "the hidden layers' products": 2 * products(128, 64, steps),
        "16 gradient steps": fastest(
            lambda learned: jax.lax.scan(descend, learned, batches)[0], learned
        ),
        "with values, advantages and shuffling": fastest(
            lambda state: algorithm.update(state, rollout, prng.key(1)), state
        ),
        "with acting and simulating": fastest(
            lambda carry: compiled.run(ENV, algorithm, 1, carry)[0], carry
        ),
    }
    both = lambda batch: forward(batch, 64, ACTIONS) + forward(batch, 64, 1)
    acting = forward(count, 64, ACTIONS)
    valuing = both(count) + forward(count, 64, 1)
    work = steps * 3 * both(count // 4) + acting + valuing
    report("PPO, an update", work, count, peak, rows)


def report(title: str, work: int, env_steps: int, peak: float, rows: dict[str, float]) -> None:
    limit = env_steps * peak / work
    print(f"{title}: {work / 1e6:.1f} MFLOP, at that rate {work / peak * 1e6:,.0f} us,")
    print(f"  which is {limit:,.0f} environment steps/s\n")
    print(f"{'':46s}        us   environment steps/s")
    for what, seconds in rows.items():
        print(f"{what:46s} {seconds * 1e6:9,.0f}   {env_steps / seconds:19,.0f}")
    print()


def main() -> None:
    peak = large_product()
    print(f"one 2048-cubed product: {peak / 1e9:.0f} GFLOP/s on all cores\n")
    dqn(peak)
    ppo(peak)


if __name__ == "__main__":
    main()
