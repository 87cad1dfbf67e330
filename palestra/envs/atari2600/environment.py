"""Atari games inside of the compiled program: ale-py's games and preprocessing on our console.

    palestra.train(Atari2600(game="pong"), "ppo")

    actions   those that the game heeds, or the joystick's 18 (`full_action_space`), as ale-py's
    reward    the change of the score, its sign alone where `clip_reward`
    ends      terminated when the game is over, and where `life_loss` with each life, after which
              the game goes on; truncated after `max_frames`
    sees      the last `stack` pictures, in gray or in color, `height` x `width`, the newest last
    starts    as one of ale-py's first `boots` games, after `noop_min` to `noop_max` frames without
              action

What stands between the console and the learner is palestra/envs/host/atari.py's `Preprocessing`,
which says what each choice means.
"""

from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Discrete
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Bool, Int32, UInt8

from palestra.core import Count, Frames, Key, Step, hyperparameters
from palestra.envs.atari2600 import games, require
from palestra.envs.atari2600.controls import CONTROLS
from palestra.envs.host.atari import COURT, INK, Preprocessing
from palestra.faults import InputError

ROWS, COLUMNS = 210, 160  # of the screen
FIRE = 1  # of ale-py's actions

# What is not played as ale-py plays it, and why: nobody is to learn from it without being told.
NOT_YET = {
    game: reason
    for reason, names in {
        "its picture does not have 210 lines of NTSC": "adventure air_raid carnival journey_escape "
        "keystone_kapers king_kong klax laser_gates mr_do pacman pooyan sir_lancelot space_war",
        "it is not known how its memory says that it is over": "backgammon pitfall2",
        "its rewards in ale-py are a number that nobody set": "miniature_golf",
        "it draws nothing while it thinks, and shows then what was drawn before": "tic_tac_toe_3d "
        "video_checkers video_chess",
    }.items()
    for game in names.split()
}


class State(NamedTuple):
    """A console, and what its preprocessing remembers."""

    console: Int32[Array, "400"]
    facts: Int32[Array, "3"]  # the score, something of the game's own, and lives: see `games.step`
    seen: UInt8[Array, "h w s"]  # what was shown last
    lost: Bool[Array, ""]  # the step before cost a life
    pressed: Int32[Array, ""]  # the action of the last frame
    frames: Int32[Array, ""]  # since the game began
    points: Int32[Array, ""]  # of the last step


@hyperparameters
class Atari2600(Preprocessing):
    """A game of Atari's, seen as `Preprocessing` says."""

    game: str = "pong"
    """ale-py's name of the game."""
    boots: Count = 8
    """So many of ale-py's first games are begun as they begin there: most games clear the console's
    memory, and begin alike."""

    def validate(self) -> None:
        super().validate()
        if self.game not in CONTROLS:
            near = get_close_matches(self.game, CONTROLS, n=1, cutoff=0)[0]
            raise InputError(f"There is no Atari game {self.game!r}; did you mean {near!r}?")
        if self.game in NOT_YET:
            raise InputError(
                f"Our console does not play {self.game!r} as ale-py does: {NOT_YET[self.game]}. "
                "ale-py itself plays it, by its ALE/ id."
            )
        require()

    @property
    def observation_space(self) -> Frames:
        return Frames(self.height, self.width, 1 if self.gray else 3, stack=self.stack)

    @property
    def action_space(self) -> Discrete:
        return Discrete(len(self._actions))

    @property
    def _actions(self) -> tuple[int, ...]:
        return CONTROLS[self.game].actions(self.full_action_space)

    def get_action_meanings(self) -> list[str]:
        """What each action says with the joystick, as Gymnasium's Atari games tell it."""
        from ale_py import Action

        return [Action(x).name for x in self._actions]

    @property
    def _sees(self) -> "Sees":
        return Sees(self.view, self.height, self.width, self.gray)

    @property
    def frames_per_second(self) -> int:
        """Steps a second of a television's sixty frames."""
        return max(60 // self.frame_skip, 1)

    def info(self, state: State) -> dict[str, Array]:
        """What ale-py tells: the lives, and the frames since the game began."""
        frames = state.frames
        return {"lives": state.facts[2], "episode_frame_number": frames, "frame_number": frames}

    def counted(self, state: State, step: Step) -> tuple[Array, Array]:
        """All points of the last step, and whether the game, not a life, ended with it."""
        return state.points.astype(jnp.float32), step.truncated | (step.terminated & ~state.lost)

    @property
    def judged(self) -> "Atari2600":
        """The same game, whole, with all of its points: what agents are judged by."""
        return replace(self, life_loss=False, clip_reward=False)

    def draw(self, state: State, action: Any = None) -> np.ndarray:
        """uint8 [210, 160, 3], the screen as it will be a sixtieth of a second later."""
        from palestra.envs.atari2600 import emulator

        console, screen = np.array(state.console)[None], np.zeros((1, ROWS * COLUMNS), np.uint8)
        emulator.play(emulator.load(self.game), console, np.array(state.pressed)[None], screen)
        return COLORS[screen.reshape(ROWS, COLUMNS) >> 1]

    def reset(self, key: Key) -> tuple[State, UInt8[Array, "h w s"]]:
        boot_key, wait_key = jax.random.split(key)
        waits = self.noop_min, self.noop_max
        fires = self.fire_reset and FIRE in CONTROLS[self.game].actions()
        begun = _begun(self.game, self.boots, waits, fires, self._sees)
        consoles, facts, pictures = map(jnp.asarray, begun)
        first = jax.random.randint(boot_key, (), 0, self.boots)
        wait = jax.random.randint(wait_key, (), self.noop_min, self.noop_max + 1)
        at = first * (self.noop_max + 1 - self.noop_min) + wait - self.noop_min
        seen = jnp.tile(pictures[at], self.stack)
        nothing = jnp.zeros((), bool)
        frames = jnp.maximum(wait, int(fires))
        state = State(consoles[at], facts[at], seen, nothing, jnp.int32(0), frames, jnp.int32(0))
        return state, seen

    def go_on(self, state: State, key: Key) -> tuple[State, UInt8[Array, "h w s"]]:
        """Where the next episode begins: after a lost life the game is the same."""
        begun, _ = self.reset(key)
        channels = state.seen.shape[-1] // self.stack
        seen = jnp.tile(state.seen[..., -channels:], self.stack)
        choose = lambda on, new: jnp.where(state.lost, on, new)
        state = jax.tree.map(choose, state._replace(seen=seen), begun)
        return state, state.seen

    def step(self, state: State, action: Int32[Array, ""], key: Key) -> tuple[State, Step]:
        chosen = jnp.asarray(self._actions, jnp.int32)[action]
        if self.fire_life and FIRE in self._actions:
            chosen = jnp.where(state.lost, FIRE, chosen)
        kept = jax.random.bernoulli(key, self.sticky, (self.frame_skip,))
        presses: list[Array] = []
        for i in range(self.frame_skip):
            presses.append(jnp.where(kept[i], presses[-1] if i else state.pressed, chosen))
        played = _played(self.game, self.frame_skip, self.max_pool, self._sees.in_gray)
        console, before, last, memories = played(state.console, jnp.stack(presses))
        facts, number = state.facts, state.frames
        reward, over = jnp.int32(0), jnp.zeros((), bool)
        for memory in memories:
            points, _, ended, new = games.step(self.game, memory, facts)
            facts = jnp.where(over, facts, new)
            reward += jnp.where(over, 0, points)
            number += jnp.where(over, 0, 1)
            over |= ended
        # Of a game that is over ale-py shows what it showed before; one that ends with the last
        # frame of a step it shows with the frame before that, which is left out here.
        seen = self._sees.stacked(before if self.max_pool else last, last, state.seen, over)
        lost = (facts[2] < state.facts[2]) & (facts[2] > 0) & ~over
        terminated = over | (lost & self.life_loss)
        truncated = ~terminated & (number >= self.max_frames)
        points = jnp.sign(reward) if self.clip_reward else reward
        state = State(console, facts, seen, lost, presses[-1], number, reward)
        return state, Step(seen, points.astype(jnp.float32), terminated, truncated)


@cache
def _begun(
    game: str, boots: int, waits: tuple[int, int], fires: bool, sees: "Sees"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Consoles, facts and pictures of games that ale-py has begun one after another: of each after
    as many frames without action as `waits` allows; where FIRE is pressed, that is the first of
    these frames, and there is one at least, as in ale-py's vector environment."""
    from palestra.envs.atari2600 import boot

    least, most = waits
    ale = _ale(game)
    consoles, facts, screens = [], [], []
    for _ in range(boots):
        ale.reset_game()
        known, frames = games.start(game, ale.getRAM()), 0
        for wait in range(most + 1):
            while frames < max(wait, int(fires)):
                ale.act(FIRE if fires and not frames else 0)
                *_, known = games.step(game, ale.getRAM(), known)
                frames += 1
            if wait >= least:
                screen = ale.getScreen().ravel()
                consoles.append(boot.state_of(game, ale.cloneState().__getstate__()))
                facts.append(known)
                screens.append(GRAYS[screen >> 1] if sees.in_gray else screen)
    nothing: Any = np.zeros((sees.height, sees.width, 1 if sees.gray else 3), np.uint8)
    picture = jax.jit(lambda screen: sees.stacked(screen, screen, nothing, jnp.zeros((), bool)))
    with jax.ensure_compile_time_eval():
        pictures = np.stack([np.asarray(picture(screen)) for screen in screens])
    return np.stack(consoles), np.stack(facts), pictures


def _ale(game: str) -> Any:
    """ale-py with a game."""
    from ale_py import ALEInterface, LoggerMode
    from ale_py.roms import get_rom_path

    ALEInterface.setLoggerMode(LoggerMode.Error)
    ale = ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(str(get_rom_path(game)))
    return ale


@cache
def _played(game: str, frames: int, pooled: bool, in_gray: bool) -> Any:
    """A function of a console [400] and actions [frames]: the console after them, the last two
    screens [33600], the first of which is empty unless `pooled`, and memories [frames, 128]."""
    from palestra.envs.atari2600 import emulator

    shades = GRAYS if in_gray else None
    played = emulator.player(emulator.load(game), frames, pooled, shades)
    return _all_at_once(played, ranks=(1, 1))


def _all_at_once(function: Any, ranks: tuple[int, ...]) -> Any:
    """A function of single arrays, of these ranks, from one of many: however many there are, in
    whatever order of `vmap`, one kernel does them all."""

    @custom_vmap
    def single(*arrays: Array) -> Any:
        many = arrays[0].shape[: arrays[0].ndim - ranks[0]]
        done = function(*(x.reshape(-1, *x.shape[len(many) :]) for x in arrays))
        return jax.tree.map(lambda x: x.reshape(*many, *x.shape[1:]), done)

    @single.def_vmap
    def several(size: int, batched: list[bool], *arrays: Array) -> Any:
        whole = lambda x, done: x if done else jnp.broadcast_to(x, (size, *x.shape))
        done = single(*map(whole, arrays, batched))
        return done, jax.tree.map(lambda _: True, done)

    return single


# ale-py's colors, NTSC's, by hue and luminance; found by a cartridge that shows each of them.
COLORS = np.frombuffer(bytes.fromhex(
    "0000004a4a4a6f6f6f8e8e8eaaaaaac0c0c0d6d6d6ececec48480069690f86861da2a22abbbb35d2d240e8e84afcfc54"
    "7c2c00904811a26221b47a30c3903dd2a44adfb755ecc860901c00a33915b55328c66c3ad5824ae39759f0aa67fcbc74"
    "940000a71a1ab83232c84848d65c5ce46f6ff08080fc909084006497197aa8308fb846a2c659b3d46cc3e07cd2ec8ce0"
    "50008468199a7d30ad9246c0a459d0b56ce0c57ceed48cfc140090331aa34e32b56848c67f5cd5956fe3a980f0bc90fc"
    "000094181aa72d32b84248c8545cd6656fe47580f08490fc001c88183b9d2d57b04272c2548ad265a0e175b5ef84c8fc"
    "0030641850802d6d984288b054a0c565b7d975cceb84e0fc00403018624e2d8169429e8254b89965d1ae75e7c284fcd4"
    "0044001a661a32843248a0485cba5c6fd26f80e88090fc90143c00355f18527e2d6e9c4287b7549ed065b4e775c8fc84"
    "3038005059166d762b88923ea0ab4fb7c25fccd86ee0ec7c482c00694d14866a26a28638bb9f47d2b656e8cc63fce070"
), np.uint8).reshape(128, 3)  # fmt: skip
GRAYS = np.rint(COLORS @ [0.299, 0.587, 0.114]).astype(np.uint8)


class Sees(NamedTuple):
    """How screens become what a learner sees, of `Preprocessing`'s fields."""

    view: str
    height: int
    width: int
    gray: bool

    @property
    def in_gray(self) -> bool:
        """Whether it is to be given screens in gray, not in ale-py's palette."""
        return self.view == "area" and self.gray

    def stacked(self, one: Array, other: Array, seen: Array, again: Array) -> UInt8[Array, "h w s"]:
        """What was seen, without its oldest picture, and with that of the brighter of two screens:
        Pong's court, or made smaller by the means of areas. Or with its newest one `again`."""
        return _looking(self)(one, other, seen, again)


@cache
def _looking(sees: Sees) -> Any:
    """The same of one environment, by a kernel."""
    from palestra.envs.atari2600 import picture

    if sees.view == "area":
        kernel = picture.shrinker(sees.height, sees.width, None if sees.gray else COLORS)
    else:
        kernel = picture.cropper(
            sees.height, COURT[0].start, np.ascontiguousarray(COLORS[:, 0]), INK
        )
    return _all_at_once(kernel, ranks=(1, 1, 3, 0))
