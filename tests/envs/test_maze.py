"""The maze is the book's, and its walls hold."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from palestra.envs import make
from palestra.envs.drawing import draw, text
from palestra.envs.toy_text.maze import DOWN, LEFT, RIGHT, UP, Maze, State
from palestra.envs.toy_text.model import solve
from palestra.tools.pictures import policy

SMALL = Maze(desc=("S#G", "..."))  # squares 0 1 2 / 3 4 5


def test_the_shortest_way_is_as_long_as_in_the_book():
    maze = Maze()
    model = maze.model()
    assert solve(model)[0] @ model.start == -14
    book = Maze(step_reward=0.0, goal_reward=1.0).model()
    np.testing.assert_allclose(solve(book, gamma=0.95)[0] @ book.start, 0.95**13)
    assert "".join(maze.desc).count("#") == 7
    assert divmod(int(model.start.argmax()), 9) == (2, 0)
    assert make("Maze-v0").limit == 1000


@pytest.mark.parametrize(
    ("square", "action", "after"),
    [
        (0, RIGHT, 0),
        (0, UP, 0),
        (0, LEFT, 0),
        (0, DOWN, 3),
        (4, UP, 4),
        (4, RIGHT, 5),
        (5, DOWN, 5),
    ],
)
def test_walls_and_edges_hold(square, action, after):
    state, step = SMALL.advance(State(jnp.int32(square)), jnp.int32(action), jnp.int32(0))
    assert int(state.square) == int(step.obs) == after
    assert float(step.reward) == -1
    assert not step.terminated


def test_the_goal_ends_it():
    maze = Maze(desc=SMALL.desc, goal_reward=5.0)
    _, step = maze.advance(State(jnp.int32(5)), jnp.int32(UP), jnp.int32(0))
    assert float(step.reward) == 4
    assert step.terminated
    assert not step.truncated


@pytest.mark.parametrize(
    ("desc", "said"),
    [
        ((), "desc must hold rows such as"),
        (("S.", "G"), "The rows of desc must be equally long, not 2, 1."),
        (("SX", "G."), "desc must be made of the letters S, ., #, G, not 'X'."),
        (("SS", "G."), "desc must have one square S to start from."),
    ],
)
def test_maps_that_cannot_be_are_refused(desc, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Maze(desc=desc)


def test_it_is_drawn_and_written():
    one, other = (draw(SMALL, State(np.int32(square)), RIGHT) for square in (0, 3))
    assert one.shape == other.shape == (2 * 192, 3 * 192, 3)
    assert (one != other).any()
    assert text(SMALL, State(np.int32(3))) == "S  #  G\nx  .  .\n\n"
    assert policy.shape_of(SMALL) == (2, 3)
    assert policy.open_of(SMALL).tolist() == [True, False, False, True, True, True]
