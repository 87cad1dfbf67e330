"""The pictures of one greedy episode, with a caption: step, action, return."""

import math
import os
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.vector import VectorEnv
from jaxtyping import Array, Int, PyTree
from PIL import Image, ImageColor, ImageDraw, ImageFont

from palestra.core import Algorithm, Environment, Key, Spec, plain
from palestra.envs.drawing import draw, frames_per_second
from palestra.envs.host.closing import playing
from palestra.envs.transforms import simulator
from palestra.faults import EnvironmentFaultError, InputError, said
from palestra.parts.remembering import apart, remembering
from palestra.runners.kept import call
from palestra.runners.switches import as_the_user_has_it
from palestra.tools.agents.policy import Policy, greedy
from palestra.tools.pictures.controls import CONTROLS

LONGEST = 3_000  # frames; a minute of an endless task is enough to see
STRETCH = 100  # steps of an episode that one call of the compiled program makes
FRAMES_PER_SECOND = 50.0  # where the environment does not say
SMALL = 420  # pixels; smaller pictures are shown larger, by whole numbers
NIGHT, LIGHT, FAINT = "#0f172a", "#f1f5f9", "#94a3b8"
WORDS = "step", "action", "return"  # of a caption
NARROWEST = 240  # pixels, for a caption
MOST_NUMBERS = 3  # of an action, in a caption


class Shot(NamedTuple):
    """A moment of an episode."""

    state: PyTree
    action: Any = None  # that led to it; None at the start
    total: float = 0.0  # rewards so far
    seen: PyTree = None  # what the agent sees, in our simulators; Recalled where it remembers


def of_ours(env: Environment, policy: Policy, *, key: Key) -> tuple[Iterator[np.ndarray], float]:
    """The frames of an episode in one of our simulators, and how many a second."""
    names = action_names(env)

    def frames() -> Iterator[np.ndarray]:
        for time, shot in enumerate(episode(env, policy, key=key)):
            yield captioned(draw(env, shot.state, plain(shot.action)), time, shot, names)

    return frames(), float(frames_per_second(env))


def on_host(
    name: str, made: VectorEnv, policy: Policy, *, seed: int, captions: bool = True
) -> tuple[Iterator[np.ndarray], float]:
    """The frames of an episode of an environment on the host, alone in its vector, and how many a
    second. Raises EnvironmentFaultError where it raises."""
    frames = _watched(name, made, policy, seed, captions)
    return frames, rate_of(made.metadata.get("render_fps"))


def rate_of(told: Any) -> float:
    """Frames a second, as an environment tells it, where that can be."""
    right = isinstance(told, int | float | np.number) and 0 < told < math.inf
    return float(told) if right else FRAMES_PER_SECOND


def _watched(
    name: str, made: VectorEnv, policy: Policy, seed: int, captions: bool
) -> Iterator[np.ndarray]:
    def ask(call: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            with as_the_user_has_it():
                return call(*args, **kwargs)
        except Exception as fault:
            text = f"{name} failed while it was filmed: {said(fault)}{_display(fault)}"
            raise EnvironmentFaultError(text) from fault

    with playing(made):
        obs, _ = ask(made.reset, seed=seed)
        shot, done = Shot(None), False
        recalled: dict[str, Any] = {}
        for time in range(LONGEST):
            pictures = ask(made.render)
            picture = presentable(None if pictures is None else pictures[0])
            yield captioned(picture, time, shot) if captions else picture
            action = policy.predict(obs, **recalled)
            if policy.remembers:
                action, recalled["memory"] = action
            obs, reward, terminated, truncated, _ = ask(made.step, action)
            shot = Shot(None, jax.tree.map(lambda x: x[0], action), shot.total + float(reward[0]))
            done = bool(terminated[0] or truncated[0])
            if done:
                break
        if done and captions:
            yield captioned(presentable(ask(made.render)[0]), time + 1, shot)


def _display(fault: Exception) -> str:
    """What helps against a fault of MuJoCo's drawing, at the end of a sentence."""
    chosen = os.environ.get("MUJOCO_GL")
    graphics = ("OpenGL", "EGL", "OSMesa", "glfw", "gladLoad", "opengl_context")
    if not any(word.lower() in str(fault).lower() for word in graphics):
        return ""
    return (
        f" (MUJOCO_GL={chosen or ''}). Without a display MuJoCo draws with MUJOCO_GL=egl, which "
        "needs the library libEGL, or MUJOCO_GL=osmesa, which needs libOSMesa."
    )


def presentable(frame: Any) -> np.ndarray:
    """A picture as uint8 [height, width, 3], large enough to see, with even sides, as encoders
    want them. Gray, RGBA, lists, and floats from 0 to 1 are taken. ValueError for all else."""
    try:
        picture = np.asarray(frame)
    except ValueError:  # lists of unequal lengths
        picture = np.asarray(None)
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.dtype.kind not in "buif" or picture.ndim != 3 or picture.shape[-1] not in (1, 3, 4):
        given = f"{picture.dtype} {picture.shape}" if picture.ndim else type(frame).__name__
        raise InputError(
            f"render() gave {given}, which is no picture: that is numbers [height, width, 3]."
        )
    if min(picture.shape[:2]) < 2:
        raise InputError(f"render() gave {picture.shape}; a picture has 2 rows and columns or more")
    whole = picture.dtype.kind in "ui"
    if not (picture.min() >= 0 and picture.max() <= (255 if whole else 1)):
        raise InputError(
            f"render() gave {picture.dtype} from {picture.min():g} to {picture.max():g}; a picture "
            "holds whole numbers from 0 to 255, or others from 0 to 1."
        )
    if not whole:
        picture = np.rint(picture * np.float32(255))
    color = picture[..., :3].astype(np.uint8)
    color = np.broadcast_to(color, (*color.shape[:2], 3))
    times = max(1, round(SMALL / max(color.shape[:2])))
    large = color.repeat(times, 0).repeat(times, 1)
    return large[: large.shape[0] // 2 * 2, : large.shape[1] // 2 * 2]


def captioned(
    picture: np.ndarray, time: int, shot: Shot, names: Mapping[int, str] | None = None
) -> np.ndarray:
    """The picture, and a line below it: step, action, return."""
    missing = max(0, NARROWEST - picture.shape[1]) // 2
    if missing:
        picture = np.pad(picture, ((0, 0), (missing, missing), (0, 0)))
    width = picture.shape[1]
    size = min(16.0, width / 24)
    values = f"{time:,}", in_words(shot.action, names or {}), f"{shot.total:,.6g}"
    words = [
        np.concatenate([_written(f"{name} ", FAINT, size), _written(value, LIGHT, size)], 1)
        for name, value in zip(WORDS, values, strict=True)
    ]
    step, action, total = (word.shape[1] for word in words)
    last = width - size - total
    center = max(2 * size + step, min((width - action) / 2, last - size - action))
    below = np.empty((len(words[0]), width, 3), np.uint8)
    below[:] = ImageColor.getrgb(NIGHT)
    for word, x in zip(words, (size, center, last), strict=True):
        part = below[:, max(round(x), 0) :]
        part[:, : word.shape[1]] = word[:, : part.shape[1]]
    return np.concatenate([picture, below])


@lru_cache(maxsize=256)  # most words of a film come again and again
def _written(text: str, color: str, size: float) -> np.ndarray:
    """A word on the caption's ground, uint8 [height, width, 3]."""
    font = _font(size)
    image = Image.new("RGB", (round(font.getlength(text)), round(1.2 * size) * 2), NIGHT)
    ImageDraw.Draw(image).text((0, image.height / 2), text, color, font, anchor="lm")
    return np.asarray(image)


def in_words(action: Any, names: Mapping[int, str]) -> str:
    """An action, as a caption has room for it."""
    numbers = np.concatenate([np.ravel(x) for x in jax.tree.leaves(action)] or [np.zeros(0)])
    if not numbers.size:
        return "-"
    whole = numbers.dtype.kind != "f"
    if numbers.size == 1 and whole and int(numbers[0]) in names:
        return names[int(numbers[0])]
    shown = [f"{x:g}" if whole else f"{x:.2f}" for x in numbers[:MOST_NUMBERS].tolist()]
    return " ".join(shown) + (" ..." if numbers.size > MOST_NUMBERS else "")


def action_names(env: Environment) -> dict[int, str]:
    """What the actions of one of our simulators do, where a player can do them too."""
    controls = CONTROLS.get(type(simulator(env)).__module__.removeprefix("palestra.envs."))
    if controls is None:
        return {}
    told = {m.action: m.does.split(":")[0] for m in controls.moves if isinstance(m.action, int)}
    idle = [x for x in controls.idle if isinstance(x, int) and x not in told]
    return told | dict.fromkeys(idle, "wait")


@lru_cache(maxsize=8)
def _font(size: float) -> Any:
    return ImageFont.load_default(size)


def episode(env: Environment, policy: Policy, *, key: Key) -> list[Shot]:
    """One greedy episode, first and last moments included, as NumPy arrays."""
    made = env, policy.algorithm, policy.spec.num_envs
    state, seen, key = call(_begin, (*made, key), static=(2,))
    shots, arrays, done = [Shot(state, seen=seen)], dict(policy.arrays), False
    while not done and len(shots) <= LONGEST:
        args = *made, arrays, state, seen, key, np.uint32(len(shots) - 1)
        (state, seen), rows = call(_stretch, args, static=(2,))
        states, seens, actions, rewards, dones = jax.tree.map(np.asarray, rows)
        for i, done in enumerate(dones.tolist()):
            now = lambda tree, i=i: jax.tree.map(lambda x: x[i], tree)
            total = shots[-1].total + float(rewards[i])
            shots.append(Shot(now(states), now(actions), total, now(seens)))
            if done or len(shots) > LONGEST:
                break
    return jax.tree.map(np.asarray, shots)


@partial(jax.jit, static_argnums=2)
def _begin(env: Environment, algorithm: Algorithm, num_envs: int, key: Key) -> tuple:
    """State, what is seen, and the key of what follows."""
    start_key, key = jax.random.split(key)
    return *remembering(env, algorithm, num_envs).reset(start_key), key


@partial(jax.jit, static_argnums=2)
def _stretch(
    env: Environment,
    algorithm: Algorithm,
    num_envs: int,
    arrays: Mapping[str, Array],
    state: PyTree,
    seen: PyTree,
    key: Key,
    time: Int[Array, ""],
) -> tuple[tuple, tuple]:
    """State and what is seen after a stretch of steps, whether the episode ended in it or not; and
    of each step these, action, reward, and whether it was the last."""
    spec = Spec(env.observation_space, env.action_space, num_envs)
    env = remembering(env, algorithm, num_envs)

    def step(carry, time):
        state, seen = carry
        alone = jax.tree.map(lambda x: x[None], seen)  # a batch of one
        choices = greedy(algorithm, spec, arrays, alone)
        choice = jax.tree.map(lambda x: x[0], choices)
        state, out = env.step(state, choice, jax.random.fold_in(key, time))
        done = out.terminated | out.truncated
        return (state, out.obs), (state, out.obs, apart(choice)[0], out.reward, done)

    return jax.lax.scan(step, (state, seen), time + jnp.arange(STRETCH, dtype=jnp.uint32))
