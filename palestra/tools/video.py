"""One greedy episode as an mp4, drawn by our own renderer without any display."""

import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from jaxtyping import PyTree

from palestra.core import Environment, Key
from palestra.envs.drawing import draw, drawable
from palestra.envs.host import playing
from palestra.runners import streams
from palestra.tools.agent import Agent, greedy
from palestra.tools.task import Task

LONGEST = 3_000  # frames; a minute of an endless task is enough to see
FRAMES_PER_SECOND = 50
SMALL = 420  # pixels; smaller pictures are shown larger, by whole numbers


def filmable(task: Task) -> bool:
    """Whether there are pictures of it."""
    if task.kind == "palestra":
        return drawable(task.make())
    if task.kind == "atari":
        return True
    with playing(task.make_one()) as env:
        if task.make_env is not None:  # as it is
            return env.render_mode == "rgb_array"
        return "rgb_array" in env.metadata.get("render_modes", ())


def record(agent: Agent, path: Path, *, seed: int) -> Path:
    """Play one episode, from the exam's first start, and write it. ValueError where the environment
    has no drawing."""
    if not filmable(agent.task):
        raise ValueError(f"There is no drawing for {agent.env_id}, so there can be no video.")
    if agent.task.kind != "palestra":
        return write(path, *on_host(agent, seed=streams.first(seed, streams.EXAM)))
    env = agent.task.make()
    states = episode(env, agent, key=streams.key(seed, streams.EXAM))
    with ThreadPoolExecutor() as pool:  # Pillow draws outside of Python's lock
        frames = pool.map(partial(draw, env), states)
        return write(path, frames)


def on_host(agent: Agent, *, seed: int) -> tuple[Iterator[np.ndarray], int]:
    """The frames of one greedy episode of an environment on the host, and how many a second."""
    task = agent.task
    if task.kind == "atari":
        envs = task.make_envs(1, training=False, render_mode="rgb_array").envs
    else:
        make_env = partial(task.make_one, render_mode="rgb_array")
        envs = SyncVectorEnv([make_env], autoreset_mode=AutoresetMode.SAME_STEP)
    return _watched(agent, envs, seed), int(envs.metadata.get("render_fps") or FRAMES_PER_SECOND)


def _watched(agent: Agent, envs: VectorEnv, seed: int) -> Iterator[np.ndarray]:
    with playing(envs):
        obs, _ = envs.reset(seed=seed)
        for _ in range(LONGEST):
            pictures: Any = envs.render()
            yield presentable(pictures[0])
            obs, _, terminated, truncated, _ = envs.step(agent.predict(obs))
            if terminated[0] or truncated[0]:
                return


def presentable(frame: np.ndarray) -> np.ndarray:
    """A frame large enough to see, with even sides, as encoders want them."""
    times = max(1, round(SMALL / max(frame.shape[:2])))
    large = frame.repeat(times, 0).repeat(times, 1)
    return large[: large.shape[0] // 2 * 2, : large.shape[1] // 2 * 2]


def episode(env: Environment, agent: Agent, *, key: Key) -> list[PyTree]:
    """The states of one greedy episode, first and last included, as NumPy arrays."""
    start_key, key = jax.random.split(key)
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


def write(path: Path, frames: Iterable[np.ndarray], rate: int = FRAMES_PER_SECOND) -> Path:
    """Encode RGB frames (uint8 [height, width, 3], sides even) as H.264."""
    import imageio_ffmpeg

    # JAX warns of every fork in a process with threads; this one becomes ffmpeg at once.
    warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
    frames = iter(frames)
    first = next(frames)
    size = first.shape[1], first.shape[0]
    sink = imageio_ffmpeg.write_frames(
        str(path), size, fps=rate, codec="libx264", quality=8, macro_block_size=2
    )
    sink.send(None)
    sink.send(np.ascontiguousarray(first))
    for frame in frames:
        sink.send(np.ascontiguousarray(frame))
    sink.close()
    return path
