"""Plays MinAtar's own games, so that ours can be held against them."""

from importlib import import_module
from typing import NamedTuple

import numpy as np
import pytest


class Recorder(np.random.RandomState):
    """Random numbers that are remembered, in the order in which they were asked for."""

    def __init__(self, seed):
        super().__init__(seed)
        self.drawn = []

    def rand(self, *shape):
        return self.kept(super().rand(*shape))

    def randint(self, *args, **kwargs):
        return self.kept(super().randint(*args, **kwargs))

    def kept(self, numbers):
        self.drawn.append(np.copy(numbers))  # the game may go on to change them
        return numbers


class Play(NamedTuple):
    """Steps of a reference game, each entry along the first axis or in a list."""

    before: list  # the game's state, as `seen` made it
    after: list
    action: np.ndarray  # counted within the game's minimal actions
    drawn: list  # the random numbers of each step, in order
    pictures: np.ndarray  # before the step
    next_pictures: np.ndarray
    reward: np.ndarray
    terminated: np.ndarray


@pytest.fixture(scope="session")
def play_minatar():
    """Play a game of the reference: `policy(game, rng)` chooses, `seen(game)` keeps its state."""

    def play(name, steps, policy, seen, seed=0, **settings):
        game = import_module(f"minatar.environments.{name}").Env(**settings)
        rng, game.random = np.random.default_rng(seed), Recorder(seed)
        actions, columns = game.minimal_action_set(), ([] for _ in Play._fields)
        columns = Play(*columns)
        game.reset()
        for _ in range(steps):
            action, before, picture = policy(game, rng), seen(game), game.state()
            game.random.drawn = []
            reward, terminated = game.act(actions[action])
            row = (before, seen(game), action, game.random.drawn, picture, game.state())
            for column, entry in zip(columns, (*row, reward, terminated), strict=True):
                column.append(entry)
            if terminated:
                game.reset()
        kept = {"before", "after", "drawn"}
        arrays = {f: np.array(getattr(columns, f)) for f in Play._fields if f not in kept}
        return columns._replace(**arrays)

    return play
