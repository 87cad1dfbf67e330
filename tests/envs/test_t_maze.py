"""The sign is seen at the start alone, and says which turn pays."""

import jax.numpy as jnp
import numpy as np
from PIL.ImageColor import getrgb

from palestra import prng
from palestra.envs import make
from palestra.envs.drawing import draw, text
from palestra.envs.drawing.t_maze import INK
from palestra.envs.drawing.walker import FLAG
from palestra.envs.toy_text.t_maze import EAST, NORTH, SOUTH, State, TMaze


def test_the_way_through_the_t_maze():
    env = make("TMaze-v0")
    for seed in range(4):
        state, sign = env.reset(prng.key(seed))
        south = sign.tolist() == [1, 1, 0]
        assert south or sign.tolist() == [0, 1, 1]
        _, bump = env.step(state, jnp.int32(3), prng.key(0))  # west, into the wall
        assert (bump.obs.tolist(), bump.terminated) == (sign.tolist(), False)
        np.testing.assert_allclose(bump.reward, -0.1)
        for i in range(10):
            state, step = env.step(state, jnp.int32(1), prng.key(0))
            assert step.obs.tolist() == ([0, 1, 0] if i == 9 else [1, 0, 1])
            assert (float(step.reward), bool(step.terminated)) == (0, False)
        north, turned = (env.step(state, jnp.int32(a), prng.key(0))[1] for a in (0, 2))
        right, wrong = (turned, north) if south else (north, turned)
        assert (float(right.reward), bool(right.terminated), bool(wrong.terminated)) == (4, 1, 1)
        np.testing.assert_allclose(wrong.reward, -0.1)


def test_the_sign_is_drawn_where_it_can_be_read_and_the_flag_after_the_turn():
    env = TMaze(length=3)
    at = lambda south, place: State(np.int32(south), np.int32(place))
    signs = [draw(env, at(south, 0)) for south in (0, 1)]
    assert not np.array_equal(*signs)
    np.testing.assert_array_equal(*(draw(env, at(south, 3), EAST) for south in (0, 1)))
    has = lambda picture, color: (picture == getrgb(color)).all(-1).any()
    assert has(signs[0], INK)
    assert not has(draw(env, at(0, 3), EAST), INK)
    turned = draw(env, at(1, 3), NORTH)
    rows = np.argwhere((turned == getrgb(FLAG)).all(-1))[:, 0]
    assert rows.min() > len(turned) / 2  # to the south, where it should have gone
    wall = "######"
    assert text(env, at(1, 0)) == f"{wall}\n####.#\n#x...#\n####.#\n{wall}\nthe sign: south\n"
    assert text(env, at(1, 3), SOUTH) == f"{wall}\n####.#\n#S...#\n####x#\n{wall}\n\n"
