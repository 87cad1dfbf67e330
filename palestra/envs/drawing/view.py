"""What a user sees of an environment at play: pictures, text, a window."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
from jaxtyping import PyTree

from palestra.core import Environment
from palestra.envs import drawing
from palestra.envs.transforms import simulator
from palestra.faults import InputError


@runtime_checkable
class Playing(Protocol):
    """Whoever holds the state to be shown."""

    @property
    def state(self) -> PyTree: ...


def metadata(env: Environment) -> dict[str, Any]:
    """The render modes there are for an environment, and its frames per second."""
    modes = ["human", "rgb_array", "rgb_array_list"] if drawing.drawable(env) else []
    modes += ["ansi", "ansi_list"] if drawing.readable(env) else []
    return {"render_modes": modes, "render_fps": drawing.frames_per_second(env)}


class View:
    """Shows an environment in the render modes that were asked for."""

    def __init__(self, env: Environment, asked: str | Sequence[str] | None):
        """Raises ValueError for modes that are not there, or not together."""
        modes = (asked,) if isinstance(asked, str) else tuple(asked or ())
        offered = metadata(env)["render_modes"]
        for mode in modes:
            if mode not in offered:
                there = ", ".join(offered) or "none for this environment"
                raise InputError(f"There is no render mode {mode!r}; there are: {there}.")
        returned = [mode for mode in modes if mode != "human"]
        if len(returned) > 1:
            raise InputError(f"render() can return one of {' and '.join(returned)}, not both.")
        self.env = env
        self.human = "human" in modes
        self.mode = returned[0] if returned else "human" if self.human else None
        self.collects = self.mode is not None and self.mode.endswith("_list")
        self.follows = self.human or self.collects  # whether every step is to be shown
        self.frames: list[Any] = []
        self.action: Any = None
        self.window: Any = None

    def begin(self, playing: Playing) -> None:
        """An episode begins, or goes on from a state that was set."""
        self.frames = []
        self.follow(playing, None)

    def follow(self, playing: Playing, action: Any) -> None:
        """A step was taken."""
        self.action = action
        if self.collects:
            self.frames.append(self.shot(playing))
        if self.human:
            self.show(playing)

    def shot(self, playing: Playing) -> Any:
        """The picture or text of now."""
        paint = drawing.text if str(self.mode).startswith("ansi") else drawing.draw
        return paint(self.env, playing.state, self.action)

    def show(self, playing: Playing) -> None:
        """Bring the picture of now into the window. Raises DependencyNotInstalled."""
        from palestra.envs.drawing.window import Window

        picture = drawing.draw(self.env, playing.state, self.action)
        if self.window is None:
            height, width, _ = picture.shape
            name = type(simulator(self.env)).__name__
            self.window = Window(width, height, name, drawing.frames_per_second(self.env))
        self.window.show(picture)

    def render(self, playing: Playing, spec: Any) -> np.ndarray | str | list | None:
        """What gymnasium.Env.render returns."""
        if self.mode is None:
            name = spec.id if spec else "..."
            gymnasium.logger.warn(
                "There is nothing to render: say how when you make the environment, for example "
                f'palestra.make("{name}", render_mode="rgb_array").'
            )
            return None
        if self.collects:
            frames, self.frames = self.frames, []
            return frames
        if self.mode == "human":
            self.show(playing)
            return None
        return self.shot(playing)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self.window is not None:
            self.window.close()
            self.window = None
