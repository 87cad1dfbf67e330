"""A person plays: in a window, or with typed keys in the terminal.

Games that have a moment for every step go on while no key is down, at their pictures' rate;
those that go turn by turn wait. In the terminal all of them wait.
"""

import os
import select
import sys
from collections.abc import Iterator
from itertools import cycle
from typing import Any, Protocol

import numpy as np
from gymnasium.error import DependencyNotInstalled

from palestra.envs import drawing
from palestra.envs.drawing.window import Window, pygame
from palestra.envs.gym.single import PalestraEnv
from palestra.envs.host import masking
from palestra.envs.transforms import simulator
from palestra.faults import InputError
from palestra.tools.agents.agent import Agent
from palestra.tools.environments.ours import Ours
from palestra.tools.pictures.controls import Controls, controls_of

LINGER = 1_000  # how long the end of an episode stays in the window [ms]
PROMPT = 30  # frames per second where the game waits for the player, not the other way round
LEAVE = ("q", "escape")


class Hand(Protocol):
    """What a player sees, and how they answer."""

    how: str  # a sentence before the keys

    def begin(self) -> None: ...  # an episode begins
    def show(self, picture: Any, status: str) -> None: ...
    def action(self) -> Any: ...  # None to leave
    def end(self) -> None: ...  # an episode is over
    def close(self) -> None: ...


class Windowed:
    """Pictures in a window; keys as they are held down, or pressed where the game waits."""

    how = "Press the keys in its window; an episode begins with the first:"

    def __init__(self, title: str, controls: Controls, frames_per_second: int):
        self.title, self.controls, self.rate = title, controls, frames_per_second
        self.idle = cycle(controls.idle)
        self.window: Window | None = None
        self.held: list[str] = []  # keys that are down, the last one pressed last
        self.waiting = True  # for the first key of an episode

    def begin(self) -> None:
        self.held, self.waiting = [], True

    def show(self, picture: np.ndarray, status: str) -> None:
        if self.window is None:
            height, width, _ = picture.shape
            self.window = Window(width, height, self.title, self.rate)
        self.window.pygame.display.set_caption(f"{self.title}: {status}")
        self.window.show(picture)

    def action(self) -> Any:
        assert self.window is not None
        game, pressed = self.window.pygame, []
        while True:
            waits = self.waiting or not self.controls.idle
            # In short turns, so that Ctrl-C in the terminal is heard as well.
            events = [game.event.wait(100)] if waits else game.event.get()
            for event in events:
                key = game.key.name(event.key) if hasattr(event, "key") else ""
                if event.type == game.QUIT or (event.type == game.KEYDOWN and key in LEAVE):
                    return None
                if event.type == game.KEYDOWN and self.controls.action(key) is not None:
                    pressed.append(key)
                    self.held.append(key)
                elif event.type == game.KEYUP and key in self.held:
                    self.held.remove(key)
            if pressed or not waits:
                break
        self.waiting = False
        taps = [x for x in pressed if x not in self.held]  # heard, however short
        down = [*self.held, *taps] if self.controls.idle else pressed[-1:]
        return self.controls.action(*down) if down else next(self.idle)

    def end(self) -> None:
        assert self.window is not None
        game = self.window.pygame
        game.time.wait(LINGER)
        game.event.clear((game.KEYDOWN, game.KEYUP))

    def close(self) -> None:
        if self.window is not None:
            self.window.close()


class Typed:
    """Text in the terminal; a key at a time, or a line where nobody sits at a terminal."""

    def __init__(self, controls: Controls):
        self.controls = controls
        self.idle = cycle(controls.idle)
        self.terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self.before: Any = None  # how the terminal was
        if self.terminal:
            import termios
            import tty

            self.before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin, termios.TCSADRAIN)  # no Enter; what was typed is kept
        wait = "; Enter alone waits" if controls.idle else ""
        self.how = f"Type a key{'' if self.terminal else ' and Enter'}{wait}:"

    def begin(self) -> None:
        pass

    def show(self, picture: str, status: str) -> None:
        print(f"{picture.rstrip()}\n{status}", flush=True)

    def action(self) -> Any:
        while True:
            key = _key_press() if self.terminal else sys.stdin.readline()
            if not key:
                return None
            key = key.strip().lower() or ("space" if " " in key else "")
            if key in LEAVE:
                return None
            if not key and self.controls.idle:
                return next(self.idle)  # Enter alone
            action = self.controls.action(key)
            if action is not None:
                return action
            print(f"{key!r} does nothing here; there are:\n{self.controls}", flush=True)

    def end(self) -> None:
        pass

    def close(self) -> None:
        if self.terminal:
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.before)


ARROWS = {"A": "up", "B": "down", "C": "right", "D": "left"}


def _key_press() -> str:
    """The name of the next key pressed in the terminal; empty at its end."""
    letter = os.read(sys.stdin.fileno(), 1).decode(errors="replace")
    if letter == "\x1b":  # an arrow sends this and two more, the escape key this alone
        if not select.select([sys.stdin], [], [], 0.05)[0]:
            return "escape"
        sent = os.read(sys.stdin.fileno(), 2).decode(errors="replace")
        return ARROWS.get(sent[-1:], "unknown")
    return "" if letter == "\x04" else letter


def play(
    task: Ours, *, seed: int | None, fps: int | None, text: bool, rival: Agent | None = None
) -> None:
    """Play until the player leaves, and tell how it went, and how it goes for a rival from the
    same starts.

    Raises ValueError or DependencyNotInstalled where it cannot be played in that way.
    """
    controls = controls_of(simulator(task.judged), task.judged.action_space)
    if not controls.moves:
        raise InputError(f"There are no keys to play {task.env_id} with.")
    env, hand = _table(task, controls, fps, text)
    scores: list[float] = []
    try:
        print(f"{task}. {hand.how}\n{controls}\n", flush=True)
        for score in _episodes(env, hand, seed, rival):
            scores.append(score)
    except (KeyboardInterrupt, EOFError):
        print()
    finally:
        hand.close()
        env.close()
    if scores:
        episodes = "1 episode" if len(scores) == 1 else f"{len(scores)} episodes"
        spread = f", from {min(scores):.6g} to {max(scores):.6g}" if len(scores) > 1 else ""
        print(f"{episodes} finished: mean score {np.mean(scores):.4g}{spread}.")
    else:
        print("No episode finished.")


def _episodes(
    env: PalestraEnv, hand: Hand, seed: int | None, rival: Agent | None
) -> Iterator[float]:
    """The score of one episode after another."""
    number, total, steps = 1, 0.0, 0
    start = env.reset(seed=seed), env.get_state()
    hand.begin()
    hand.show(env.render(), "score 0")
    while (action := hand.action()) is not None:
        _, reward, terminated, truncated, _ = env.step(action)
        total, steps = total + reward, steps + 1
        hand.show(env.render(), f"score {total:.6g} after {_steps(steps)}")
        if terminated or truncated:
            how = "it ended" if terminated else "time was up"
            print(f"Episode {number}: score {total:.6g}; {how} after {_steps(steps)}.\n")
            hand.end()
            yield total
            if rival is not None:
                print(f"The agent, from the same start: {_of_rival(env, rival, start):.6g}.\n")
            number, total, steps = number + 1, 0.0, 0
            start = env.reset(), env.get_state()
            hand.begin()
            hand.show(env.render(), "score 0")


def _of_rival(env: PalestraEnv, rival: Agent, start: tuple[Any, Any]) -> float:
    """The score of an agent's episode from a start."""
    ((obs, info), state), total, memory, over = start, 0.0, None, False
    env.set_state(state)
    while not over:
        told: dict[str, Any] = {"memory": memory} if rival.remembers else {}
        if rival.task.mask and masking.KEY in info:
            told["mask"] = info[masking.KEY]
        action = rival.predict(obs, **told)
        action, memory = action if rival.remembers else (action, None)
        obs, reward, terminated, truncated, info = env.step(action)
        total, over = total + reward, terminated or truncated
    return total


def _steps(count: int) -> str:
    return "1 step" if count == 1 else f"{count:,} steps"


def _table(task: Ours, controls: Controls, fps: int | None, text: bool) -> tuple[PalestraEnv, Hand]:
    """The game and how it is played: in a window if there can be one, unless text is asked for."""
    readable = drawing.readable(task.env)
    if not (readable or drawing.drawable(task.env)):
        raise InputError(f"There is no picture of {task.env_id} to play by.")
    if text and not readable:
        raise InputError(f"{task.env_id} is not to be played as text; leave --text out.")
    if not text:
        try:
            _check_display()
        except (DependencyNotInstalled, ValueError) as fault:
            if not readable:
                raise
            why = str(fault).removesuffix(".")
            print(f"palestra: {why}; here is the game as text (--text).", file=sys.stderr)
            text = True
    env = PalestraEnv(task.judged, render_mode="ansi" if text else "rgb_array")
    if text:
        return env, Typed(controls)
    rate = env.metadata["render_fps"] if controls.idle else PROMPT
    return env, Windowed(task.env_id, controls, fps or rate)


def _check_display() -> None:
    """Raise DependencyNotInstalled without pygame, ValueError where a window has no place."""
    game = pygame()
    named = {"DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"} & set(os.environ)
    if sys.platform == "linux" and not named:
        raise InputError("There is no display for a window.")
    try:
        game.display.init()
    except game.error as fault:
        raise InputError(f"There is no display for a window ({fault}).") from None
