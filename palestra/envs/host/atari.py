"""Atari games, many at once: ale-py's emulators, and on top of them a preprocessing with a name.

The same game under another preprocessing is another task, and scores of the two do not compare.
So every choice is a field of `Preprocessing`, and `SPECIFICATIONS` names the sets that the field
uses. A name never changes its meaning: what is changed gets another name.

Sources
    The emulator: Bellemare, Naddaf, Veness and Bowling, "The Arcade Learning Environment", 2013.
    nature-2015: Mnih et al., "Human-level control through deep reinforcement learning", 2015; the
        FIRE at a game's start and after a lost life is that of OpenAI Baselines.
    machado-2018: Machado et al., "Revisiting the Arcade Learning Environment", 2018.
    envpool: Weng et al., "EnvPool", 2022, the defaults of its Atari games.
    article-pong: Karpathy, "Deep Reinforcement Learning: Pong from Pixels", 2016, the picture.
    gymnasium-v5: what `gymnasium.make("ALE/Pong-v5")` shows of a game, which is the whole screen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
from gymnasium.error import (
    AlreadyPendingCallError,
    InvalidAction,
    NoAsyncCallError,
    ResetNeeded,
)
from gymnasium.spaces import Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from palestra.core import Count, CountOrZero, Frames, Share, check, hyperparameters
from palestra.envs.host.games import game_of as game_of
from palestra.envs.host.games import games
from palestra.envs.host.games import ids as ids
from palestra.envs.host.games import is_atari as is_atari
from palestra.faults import InputError

LARGEST, MOST_FRAMES = 1_000, 64  # sizes may come from a stranger's file
# As the television shows it.
SCREEN: dict[str, Any] = {"img_height": 210, "img_width": 160, "grayscale": False}
COURT = (slice(35, 195, 2), slice(None, None, 2), 0)  # Pong's, every second pixel, red alone
INK = np.full(256, 255, np.uint8)  # by the shade of red: two are of backgrounds
INK[[0, 109, 144]] = 0


@hyperparameters
class Preprocessing:
    """What stands between the emulator and the learner."""

    view: Literal["area", "crop"] = "area"
    """area: the screen, resized by the means of areas; crop: Pong's court, every second pixel,
    255 where something stands out from the background, else 0; 40 x 40: the brightest of four."""
    height: Count = 84
    """Rows of a frame."""
    width: Count = 84
    """Columns of a frame."""
    gray: bool = True
    """One channel of luminance instead of three of color."""
    stack: Count = 4
    """Frames in an observation, one step apart, the newest last."""
    frame_skip: Count = 4
    """Frames that an action lasts; the step's reward is their sum."""
    max_pool: bool = True
    """A frame is the brighter, pixel by pixel, of the last two, since some games draw half of
    their objects in each."""
    sticky: Share = 0.0
    """Probability, at every frame, that the emulator repeats its action in place of ours."""
    noop_max: CountOrZero = 30
    """A game begins with 0 to so many frames without action, drawn uniformly; a FIRE counts."""
    noop_min: CountOrZero = 0
    """... and with at least so many: where fewer were drawn, they are drawn again."""
    fire_reset: bool = True
    """FIRE is pressed at a game's start, where the game has that action."""
    fire_life: bool = True
    """The first action after a lost life is FIRE, whatever was chosen, where the game has it."""
    life_loss: bool = True
    """In training a lost life ends the return, as `terminated`, though the game goes on."""
    clip_reward: bool = True
    """In training rewards are clipped to [-1, 1]: their signs, as points are whole numbers."""
    full_action_space: bool = False
    """The joystick's actions, 18 (of some games 9), instead of those that the game heeds."""
    max_frames: Count = 108_000
    """Frames after which a game is truncated: half an hour."""

    def validate(self) -> None:
        if max(self.height, self.width) > LARGEST or self.stack > MOST_FRAMES:
            raise InputError(
                f"height and width may be {LARGEST} at most and stack {MOST_FRAMES}, not "
                f"{self.height}, {self.width} and {self.stack}."
            )
        if self.noop_min > self.noop_max:
            raise InputError(
                f"noop_min must not be above noop_max, {self.noop_max}, but is {self.noop_min}."
            )
        crops = (80, 80, True), (40, 40, True)
        if self.view == "crop" and (self.height, self.width, self.gray) not in crops:
            raise InputError(
                f"the view 'crop' is 80 x 80 or 40 x 40 in gray, not {self.height} x {self.width}"
                f"{'' if self.gray else ' in color'}."
            )


NATURE = Preprocessing()
SPECIFICATIONS: dict[str, Preprocessing] = {
    "nature-2015": NATURE,
    "machado-2018": replace(
        NATURE,
        sticky=0.25,
        noop_max=0,
        fire_reset=False,
        fire_life=False,
        life_loss=False,
        full_action_space=True,
    ),
    "envpool": replace(NATURE, noop_min=1, fire_life=False, life_loss=False, clip_reward=False),
    "article-pong": replace(NATURE, view="crop", height=80, width=80, max_pool=False),
    "laptop": replace(NATURE, height=42, width=42),  # for two cores: a quarter of the pixels
    "laptop-pong": replace(NATURE, view="crop", height=40, width=40, max_pool=False),
    "gymnasium-v5": replace(
        NATURE,
        height=210,
        width=160,
        gray=False,
        stack=1,
        max_pool=False,
        sticky=0.25,
        noop_max=0,
        fire_reset=False,
        fire_life=False,
        life_loss=False,
        clip_reward=False,
    ),
}
# What every id stands for where nobody says. Gymnasium's own ALE/...-v5 has sticky actions (0.25),
# its -v4 none; here the specification alone says so.
DEFAULT = "nature-2015"


def spelled_out(given: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with the fields of the specification that `preprocessing` names in its place.
    Raises InputError where there is none of that name."""
    rest = dict(given)
    name = rest.pop("preprocessing", DEFAULT)
    if not isinstance(name, str) or name not in SPECIFICATIONS:  # it may come from any file
        known = ", ".join(SPECIFICATIONS)
        raise InputError(f"preprocessing must be one of {known}, not {name!r}.")
    named = {field.name: getattr(SPECIFICATIONS[name], field.name) for field in fields(NATURE)}
    return named | rest


def halved(court: np.ndarray) -> np.ndarray:
    """The brightest of two by two pixels; uint8 [E, 40, 40] of [E, 80, 80]."""
    rows = np.maximum(court[:, ::2], court[:, 1::2])
    return np.maximum(rows[..., ::2], rows[..., 1::2])


def differences() -> str:
    """The specifications' fields side by side, as a table in Markdown."""
    say = lambda x: {True: "yes", False: "no"}[x] if isinstance(x, bool) else f"{x}"
    rows = [["", *SPECIFICATIONS], ["---"] * (1 + len(SPECIFICATIONS))]
    for field in fields(NATURE):
        values = [getattr(p, field.name) for p in SPECIFICATIONS.values()]
        rows.append([f"`{field.name}`", *map(say, values)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


class AtariVector(VectorEnv):
    """E games of a kind, in the emulator's own threads, reset in the step that ends them.

    Observations are uint8 [E, H, W, C * stack] in an array that is never written to again. An
    episode is what ends in `terminated` or `truncated`: while `training`, and where the
    specification says so, a life; else a whole game. Where it ended the observation is the
    first of the next episode, its frame repeated through the stack, and the infos hold

        final_obs, _final_obs   objects [E], the observation that the episode ended with or None
        episode, _episode       {"r": [E], "l": [E]}, points and steps of a game that is over: of
                                the whole game, unclipped; a lost life does not count

    and at every step

        action                  [E], what was done: FIRE where it took the place of the choice
        lives                   [E], 0 in games that have none
        episode_frame_number    [E], the emulator's frames since the game began
    """

    def __init__(
        self,
        game: str,
        num_envs: int,
        preprocessing: Preprocessing,
        *,
        training: bool = True,
        num_threads: int = 0,
        render_mode: str | None = None,
    ):
        """`game` is ale-py's name; without `training` games are whole and rewards unclipped.

        num_threads 0 takes one for each processor core. The render mode rgb_array plays every
        game a second time, alike, for its screen. Raises ValueError, DependencyNotInstalled.
        """
        check("num_envs", num_envs, Count)
        check("num_threads", num_threads, CountOrZero)
        if render_mode not in (None, "rgb_array"):
            raise InputError(f"render_mode must be None or 'rgb_array', not {render_mode!r}.")
        known = sorted(set(games().values()))
        if game not in known:
            nearest = get_close_matches(game, known, n=1, cutoff=0)[0]
            raise InputError(f"There is no Atari game {game!r}; did you mean {nearest!r}?")
        from ale_py import Action
        from ale_py.vector_env import AtariVectorEnv

        p = self.preprocessing = preprocessing
        settings: dict[str, Any] = {
            "num_threads": num_threads,
            "max_num_frames_per_episode": p.max_frames,
            "repeat_action_probability": p.sticky,
            "full_action_space": p.full_action_space,
            "autoreset_mode": AutoresetMode.SAME_STEP,
            "stack_num": 1,
            "frameskip": p.frame_skip,
            "maxpool": p.max_pool,
            "noop_max": p.noop_max + 1,  # which is never reached
            "episodic_life": False,  # it would begin a new game at every lost life
            "reward_clipping": False,
            "use_fire_reset": p.fire_reset,
        }
        picture = {"img_height": p.height, "img_width": p.width, "grayscale": p.gray}
        seen = SCREEN if p.view == "crop" else picture
        self._games: Any = AtariVectorEnv(game, num_envs, **settings, **seen)
        self._screens: Any = None
        if render_mode is not None:
            self._screens = AtariVectorEnv(game, num_envs, **settings, **SCREEN)
        actions = list(self._games.ale.get_action_set())
        self._fire = actions.index(Action.FIRE) if p.fire_life and Action.FIRE in actions else None

        self.num_envs = num_envs
        self.render_mode = render_mode
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": 60 // p.frame_skip,
            "autoreset_mode": AutoresetMode.SAME_STEP,
        }
        self._channels = 1 if p.gray else 3
        self.single_observation_space = Frames(p.height, p.width, self._channels, stack=p.stack)
        self.single_action_space = Discrete(len(actions))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

        self._ends_with_life = training and p.life_loss
        self._clips = training and p.clip_reward
        self._obs: Any = None  # what was returned last
        self._screen: Any = None
        self._sent: Any = None  # the actions that are being done
        self._lives = np.zeros(num_envs, np.int32)
        self._lost = np.zeros(num_envs, bool)  # whose step before cost a life
        self._points = np.zeros(num_envs)  # of the games under way
        self._steps = np.zeros(num_envs, np.int64)

    def reset(
        self,
        *,
        seed: int | np.integer | Sequence[int] | np.ndarray | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin a game everywhere: the i-th that of seed + i, or of seed[i], or just another.

        To seed loads the game anew, a sixth of a second each. Raises ValueError.
        """
        if options:
            raise InputError(f"Atari games have no options for a reset, but got {options!r}.")
        if self._sent is not None:
            self.recv()
        if seed is None and self._obs is None and self._screens is not None:
            seed = int(self.np_random.integers(2**31))  # both must have the same
        seeds = self._seeds(seed)
        every = np.ones(self.num_envs, bool)
        frames, info = self._begun(self._games, every, *self._games.reset(seed=seeds))
        if self._screens is not None:
            screens, _ = self._begun(self._screens, every, *self._screens.reset(seed=seeds))
            self._screen = screens[:, 0]
        self._obs = np.tile(self._frame(frames), self.preprocessing.stack)
        self._lives, self._lost = info["lives"], np.zeros(self.num_envs, bool)
        self._points[:], self._steps[:] = 0, 0
        return self._obs, {k: info[k] for k in ("lives", "episode_frame_number")}

    def get_action_meanings(self) -> list[str]:
        """What each action says with the joystick, as Gymnasium's Atari games tell it."""
        return [action.name for action in self._games.ale.get_action_set()]

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step everywhere: `send` and `recv`."""
        self.send(actions)
        return self.recv()

    def send(self, actions: Any) -> None:
        """Have the emulators begin a step, and return at once.

        Raises InvalidAction, ResetNeeded, AlreadyPendingCallError.
        """
        if self._obs is None:
            raise ResetNeeded("Call envs.reset() before envs.step().")
        if self._sent is not None:
            raise AlreadyPendingCallError("Call envs.recv() before the next envs.send().", "send")
        actions = np.asarray(actions)
        count = self.single_action_space.n  # type: ignore[attr-defined]
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise InvalidAction(
                f"the actions must be whole numbers of shape ({self.num_envs},), not of shape "
                f"{actions.shape} of {actions.dtype}."
            )
        if actions.min() < 0 or actions.max() >= count:  # the emulators would never answer
            raise InvalidAction(f"every action must be a whole number from 0 to {count - 1}.")
        actions = actions.astype(np.int64)
        if self._fire is not None:
            actions[self._lost] = self._fire
        self._games.send(actions)
        if self._screens is not None:
            self._screens.send(actions)
        self._sent = actions

    def recv(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Wait, without holding Python's lock, for what the actions sent have led to.

        Raises NoAsyncCallError.
        """
        if self._sent is None:
            raise NoAsyncCallError("Call envs.send() before envs.recv().", "recv")
        frames, points, terminated, truncated, info = self._games.recv()
        over = terminated | truncated
        frames, info = self._begun(self._games, over, frames, info)
        if self._screens is not None:
            screens, *_, seen = self._screens.recv()
            self._screen = self._begun(self._screens, over, screens, seen)[0][:, 0]
        lives = info["lives"]  # where a game is over, those of the next
        self._lost = (lives < self._lives) & (lives > 0) & ~over
        infos = {k: info[k] for k in ("lives", "episode_frame_number")} | {"action": self._sent}
        self._lives, self._sent = lives, None

        self._points += points
        self._steps += 1
        totals = {"r": np.where(over, self._points, 0), "l": np.where(over, self._steps, 0)}
        self._points[over], self._steps[over] = 0, 0
        reward = np.clip(points, -1, 1) if self._clips else points

        frame, ended = self._frame(frames), over
        if self._ends_with_life:
            terminated, ended = terminated | self._lost, over | self._lost
        obs = self._pushed(frame)
        if ended.any():
            last = np.full(self.num_envs, None, object)
            for i in np.flatnonzero(ended):
                last[i] = obs[i].copy()
                if over[i]:
                    last[i][..., -self._channels :] = self._frame(info["final_obs"][i : i + 1])[0]
            obs[ended] = np.tile(frame[ended], self.preprocessing.stack)
            infos |= {"final_obs": last, "_final_obs": ended.copy()}
            infos |= {"episode": totals, "_episode": over}
        self._obs = obs
        return obs, reward.astype(np.float64), terminated, truncated, infos

    def _begun(
        self, games: Any, began: np.ndarray, frames: np.ndarray, info: dict[str, Any]
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """What those games that began show, each after `noop_min` frames at least."""
        short = lambda: began & (info["episode_frame_number"] < self.preprocessing.noop_min)
        while short().any():
            frames, again = games.reset(options={"reset_mask": short()})
            info = info | again
        return frames, info

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Every game's screen, uint8 [210, 160, 3]; None without the render mode."""
        if self._screens is None:
            return None
        if self._screen is None:
            raise ResetNeeded("Call envs.reset() before envs.render().")
        return tuple(self._screen)

    def close_extras(self, **_: Any) -> None:
        """End the emulators and their threads."""
        self._games = self._screens = self._obs = self._sent = None

    def _frame(self, frames: np.ndarray) -> np.ndarray:
        """[E, H, W, C] of the emulators' [E, 1, H, W] or [E, 1, H, W, 3]."""
        if self.preprocessing.view == "crop":
            court = INK[frames[(slice(None), 0, *COURT)]]
            return (court if self.preprocessing.height == 80 else halved(court))[..., None]
        return frames[:, 0] if frames.ndim == 5 else frames[:, 0, ..., None]

    def _pushed(self, frame: np.ndarray) -> np.ndarray:
        """The last observation with a frame more, and its oldest gone, in a new array."""
        obs, channels = np.empty_like(self._obs), self._channels
        # All numbers move down by a frame's channels in one copy, many times as fast as pixel by
        # pixel. What so slips in from the next pixel is where the new frame comes.
        obs.reshape(-1)[:-channels] = self._obs.reshape(-1)[channels:]
        obs[..., -channels:] = frame
        return obs

    def _seeds(self, seed: Any) -> np.ndarray | None:
        if seed is None:
            return None
        seeds = np.asarray(seed)
        if seeds.dtype.kind not in "iu" or seeds.shape not in ((), (self.num_envs,)):
            raise InputError(
                f"the seed must be a whole number or {self.num_envs} of them, not {seed!r}."
            )
        if seeds.min() < 0:
            raise InputError(f"a seed must be a whole number of at least 0, not {seeds.min()}.")
        if seeds.ndim == 0:
            seeds = seeds + np.arange(self.num_envs, dtype=seeds.dtype)
        return (seeds % 2**31).astype(np.int64)  # what the emulator takes
