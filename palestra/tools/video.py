"""One greedy episode as an mp4, drawn by our own renderer without any display."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from palestra import prng
from palestra.core import Environment
from palestra.envs.drawing import draw, drawable
from palestra.tools.agent import Agent, greedy

LONGEST = 3_000  # frames; a minute of an endless task is enough to see
FRAMES_PER_SECOND = 50


def record(agent: Agent, path: Path, *, seed: int) -> Path:
    """Play one episode and write it. ValueError where the environment has no drawing."""
    env = agent.task.make()
    if not drawable(env):
        raise ValueError(f"There is no drawing for {agent.env_id}, so there can be no video.")
    states = episode(env, agent, seed=seed)
    with ThreadPoolExecutor() as pool:  # Pillow draws outside of Python's lock
        frames = pool.map(partial(draw, env), states)
        return write(path, frames)


def episode(env: Environment, agent: Agent, *, seed: int) -> list[PyTree]:
    """The states of one greedy episode, first and last included, as NumPy arrays."""
    start_key, key = jax.random.split(prng.key(seed))
    state, obs = jax.jit(env.reset)(start_key)

    @jax.jit
    def step(arrays, state, obs, time):
        alone = jax.tree.map(lambda x: x[None], obs)  # a batch of one
        action = greedy(agent.algorithm, agent.spec, arrays, alone)[0]
        state, out = env.step(state, action, jax.random.fold_in(key, time))
        return state, out.obs, out.terminated | out.truncated

    arrays, states = jax.device_put(dict(agent.arrays)), [state]
    for time in range(LONGEST):
        state, obs, done = step(arrays, state, obs, jnp.uint32(time))
        states.append(state)
        if done:
            break
    return jax.tree.map(np.asarray, states)


def write(path: Path, frames) -> Path:
    """Encode RGB frames (uint8 [height, width, 3], sides even) as H.264."""
    import imageio_ffmpeg

    # JAX warns of every fork in a process with threads; this one becomes ffmpeg at once.
    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
    frames = iter(frames)
    first = next(frames)
    size = first.shape[1], first.shape[0]
    sink = imageio_ffmpeg.write_frames(
        str(path), size, fps=FRAMES_PER_SECOND, codec="libx264", quality=8, macro_block_size=2
    )
    sink.send(None)
    sink.send(np.ascontiguousarray(first))
    for frame in frames:
        sink.send(np.ascontiguousarray(frame))
    sink.close()
    return path
