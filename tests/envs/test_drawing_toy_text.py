"""Pictures and texts of frozen lake and cliff walking show where one is, and what the map is."""

import gymnasium
import jax.numpy as jnp
import numpy as np
import pytest
from PIL.ImageColor import getrgb

from palestra.envs.drawing import cliff_walking as cliff_drawing
from palestra.envs.drawing import frozen_lake as lake_drawing
from palestra.envs.drawing.walker import COAT, FLAG
from palestra.envs.toy_text import cliff_walking, frozen_lake
from palestra.envs.toy_text.cliff_walking import CliffWalking
from palestra.envs.toy_text.frozen_lake import FrozenLake


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def found(picture, color) -> np.ndarray:
    """(row, column) of all pixels of a color."""
    return np.argwhere((picture == getrgb(color)).all(-1))


def lake(square, action=None, **fields):
    state = frozen_lake.State(np.int32(square), np.float32(1))
    return lake_drawing.draw(FrozenLake(**fields), state, action)


def cliff(square, action=None):
    state = cliff_walking.State(jnp.int32(square), jnp.float32(1))
    return cliff_drawing.draw(CliffWalking(), state, action)


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({}, (544, 544, 3)),
        ({"map_name": "8x8"}, (544, 544, 3)),
        ({"desc": ("SFFFFFG", "FFFFFFF")}, (176, 536, 3)),
        ({"desc": ("S" + 89 * "F",)}, (40, 752, 3)),
    ],
)
def test_lakes_have_even_sizes(fields, shape):
    image = lake(0, **fields)
    assert image.shape == shape
    assert image.dtype == np.uint8


def test_the_walker_is_on_the_square():
    for square in (0, 1, 3, 4, 6, 8, 9, 14):  # frozen squares of the 4 x 4 map
        middle = found(lake(square), COAT).mean(0)
        row, column = divmod(square, 4)
        assert middle == pytest.approx((16 + 128 * (row + 0.5), 16 + 128 * (column + 0.5)), abs=28)
    assert len(found(lake(5), COAT)) == 0  # gone under
    assert len(found(lake(14), COAT)) > 500
    assert not np.array_equal(lake(5), lake(7))
    row, column = found(lake(15), COAT).mean(0)  # beside the flag, within the square
    assert row > 400
    assert 400 < column < 464


def test_holes_and_goals_are_where_the_map_says():
    image, water = lake(0), getrgb(lake_drawing.WATER)
    for row, letters in enumerate(FrozenLake().map):
        for column, letter in enumerate(letters):
            top, left = 16 + 128 * row, 16 + 128 * column
            square = image[top : top + 128, left : left + 128]
            assert ((square == water).all(-1).sum() > 4_000) == (letter == "H")
            assert (len(found(square, FLAG)) > 500) == (letter == "G")
    other = lake(0, desc=("SFFG", "HFFF"))
    assert found(other, FLAG).mean(0)[0] < 144
    assert found(other, lake_drawing.WATER)[:, 0].min() > 144


def test_the_walker_looks_where_it_went():
    pictures = [lake(9, action) for action in range(4)]
    assert len({picture.tobytes() for picture in pictures}) == 4
    np.testing.assert_array_equal(lake(9), pictures[1])
    assert len({cliff(13, action).tobytes() for action in range(4)}) == 4
    np.testing.assert_array_equal(cliff(13), cliff(13, 2))


def test_the_cliff():
    image = cliff(36)
    assert image.shape == (256, 768, 3)
    assert image.dtype == np.uint8
    sea = found(image, cliff_drawing.SEA)
    assert len(sea) > 5_000
    assert sea[:, 0].min() > 3 * 64
    assert 64 <= sea[:, 1].min() < 72
    assert 11 * 64 - 8 < sea[:, 1].max() < 11 * 64
    assert found(image, FLAG)[:, 1].min() > 11 * 64
    for square in (0, 11, 12, 17, 24, 29, 35, 36):
        row, column = divmod(square, 12)
        middle = found(cliff(square), COAT).mean(0)
        assert middle == pytest.approx((64 * (row + 0.5), 64 * (column + 0.5)), abs=18)
    assert found(cliff(47), COAT)[:, 1].min() > 11 * 64


@pytest.mark.parametrize(
    ("env_id", "settings", "env", "drawing", "kind"),
    [
        ("FrozenLake-v1", {}, FrozenLake(), lake_drawing, frozen_lake.State),
        ("FrozenLake-v1", {"desc": ("SFG", "FFH")}, None, lake_drawing, frozen_lake.State),
        ("CliffWalkingSlippery-v1", {}, CliffWalking(), cliff_drawing, cliff_walking.State),
    ],
)
def test_texts_are_gymnasiums(env_id, settings, env, drawing, kind):
    env = env or FrozenLake(**settings)
    reference = gymnasium.make(env_id, render_mode="ansi", **settings)
    obs, _ = reference.reset(seed=0)
    action, seen = None, set()
    for i in range(60):
        state = kind(np.int32(obs), np.float32(1))
        assert drawing.text(env, state, action) == reference.render()
        seen.add((obs, action))
        action = i * 7 % 4
        obs, _, terminated, _, _ = reference.step(action)
        if terminated:
            obs, _ = reference.reset()
            action = None
    assert len(seen) > 4
