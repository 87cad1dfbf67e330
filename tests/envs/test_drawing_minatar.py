"""MinAtar's pictures and texts show every channel, where it is lit, and who goes where."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import envs, prng
from palestra.envs import drawing
from palestra.envs.drawing import minatar
from palestra.envs.drawing.minatar import BORDER, COLORS, SCALE, SPRITES, SQUARE
from palestra.envs.minatar.asterix import ENEMY, Asterix
from palestra.envs.minatar.breakout import Breakout
from palestra.envs.minatar.freeway import Freeway
from palestra.envs.minatar.seaquest import Seaquest
from palestra.envs.minatar.space_invaders import SpaceInvaders
from palestra.envs.transforms import bare

GAMES = [Breakout, Asterix, Freeway, Seaquest, SpaceInvaders]
EACH = pytest.mark.parametrize("game", GAMES, ids=lambda game: game.__name__)
LANES_ONLY = ("enemy", "gold", "trail", "car", "speed1", "speed2", "speed3", "speed4", "speed5")


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@cache
def start(game):
    return game().reset(prng.key(0))[0]


def rows(game, channel):
    """Some where a channel can be lit: the outer rows of two games have no lanes."""
    return (1, 5, 8) if game in (Asterix, Freeway) and channel in LANES_ONLY else (0, 5, 9)


def blank(game):
    return {channel: np.zeros((10, 10), bool) for channel in game.channels}


def painted(game, boards):
    screen, paint = minatar.SCREENS[game]
    pixels = screen().copy()
    paint(pixels, boards, start(game), None)
    return pixels


def square(pixels, row, column):
    """A square of the board, out of a whole picture or of the screen before enlarging."""
    if len(pixels) > 120:
        pixels = pixels[::SCALE, ::SCALE][BORDER:-BORDER, BORDER:-BORDER]
    return pixels[SQUARE * row :, SQUARE * column :][:SQUARE, :SQUARE]


@EACH
def test_size_and_type(game):
    image = minatar.draw(game(), start(game))
    assert image.shape == (512, 512, 3)
    assert image.dtype == np.uint8
    assert np.array_equal(image, image[::SCALE, ::SCALE].repeat(SCALE, 0).repeat(SCALE, 1))


def test_sprites_are_squares_of_known_colors():
    for lines in SPRITES.values():
        assert [len(line) for line in lines] == [SQUARE] * SQUARE
        assert set("".join(lines)) <= {*COLORS, *"XHx."}


@EACH
def test_every_channel_is_seen_on_its_square(game):
    """One lit square changes that square of the picture, and no other."""
    empty = painted(game, blank(game))
    for channel in game.channels:
        for row in rows(game, channel):
            for column in (0, 4, 9):
                boards = blank(game)
                boards[channel][row, column] = True
                changed = (painted(game, boards) != empty).any(-1)
                assert square(changed, row, column).any(), (channel, row, column)
                assert changed.sum() == square(changed, row, column).sum()


@EACH
def test_channels_differ_from_each_other(game):
    looks = []
    for channel in game.channels:
        boards = blank(game)
        boards[channel][4, 4] = True
        looks.append(painted(game, boards).tobytes())
    assert len(set(looks)) == len(looks)


def test_gauges_and_looks_are_seen_over_what_they_share_a_square_with():
    for game, under, over in (
        (Seaquest, "oxygen_gauge", "diver_gauge"),
        (SpaceInvaders, "alien", "alien_left"),
        (SpaceInvaders, "alien", "alien_right"),
    ):
        looks = []
        for lit in ((under,), (over,), (under, over)):
            boards = blank(game)
            for channel in lit:
                boards[channel][9, 4] = True
            looks.append(painted(game, boards).tobytes())
        assert len(set(looks)) == 3


@EACH
def test_texts_show_every_channel_on_its_square(game, monkeypatch):
    texts = []
    for channel in game.channels:
        boards = blank(game)
        boards[channel][3, 7] = True
        monkeypatch.setattr(minatar, "_boards", lambda env, state, boards=boards: boards)
        lines = minatar.text(game(), None).splitlines()
        assert {len(line) for line in lines} == {22}
        assert lines[0] == lines[-1] == "+" + 20 * "-" + "+"
        board = [line[1:-1] for line in lines[1:-1]]
        assert len(board) == 10
        assert len(board[3][14:16].strip()) == 1
        assert len("".join(board).replace(" ", "")) == 1
        texts.append(board[3][14:16])
    same = {"Seaquest": 1}.get(game.__name__, 0)  # divers, and how many are aboard
    assert len(set(texts)) == len(texts) - same


def test_text_of_breakout():
    state = start(Breakout)._replace(column=jnp.int32(2), row=jnp.int32(5))
    state = state._replace(last_column=jnp.int32(1), last_row=jnp.int32(4))
    bricks = 3 * ["|" + 10 * "# " + "|"]
    space = "|" + 20 * " " + "|"
    ball = ["|   .                |", "|    o               |"]
    paddle = "|        =           |"
    edge = "+" + 20 * "-" + "+"
    board = [edge, space, *bricks, *ball, *3 * [space], paddle, edge]
    assert minatar.text(Breakout(), state).splitlines() == board


def test_who_goes_left_is_turned_over():
    state = start(Asterix)
    lane = lambda direction: state._replace(
        kind=state.kind.at[2].set(ENEMY),
        place=state.place.at[2].set(3),
        direction=state.direction.at[2].set(direction),
    )
    right, left = (minatar.draw(Asterix(), lane(direction)) for direction in (1, -1))
    background = minatar.draw(Asterix(), state)
    shown = lambda image, column: (square(image, 3, column) != square(background, 3, column)).any(
        -1
    )
    assert shown(right, 2).any()  # the trail
    assert shown(left, 4).any()
    assert not shown(right, 4).any()
    assert np.array_equal(shown(right, 3), shown(left, 3)[:, ::-1])
    assert not np.array_equal(shown(right, 3), shown(left, 3))


def test_seaquest_divers_torpedoes_and_the_submarine_look_where_they_go():
    state = start(Seaquest)

    def there(swimmers, direction):
        set_first = lambda x, value: x.at[0].set(value)
        return swimmers._replace(
            present=set_first(swimmers.present, True),
            row=set_first(swimmers.row, 4),
            column=set_first(swimmers.column, 3),
            direction=set_first(swimmers.direction, direction),
        )

    def pictures(change):
        return [square(minatar.draw(Seaquest(), change(d)), 4, 3) for d in (1, -1)]

    for name in ("divers", "bullets"):
        right, left = pictures(lambda d, name=name: state._replace(
            **{name: there(getattr(state, name), d)}
        ))  # fmt: skip
        assert np.array_equal(right, left[:, ::-1])
        assert not np.array_equal(right, left)
    for submarine in (False, True):
        right, left = pictures(
            lambda d, submarine=submarine: state._replace(
                enemies=state.enemies._replace(
                    swimmers=there(state.enemies.swimmers, d),
                    submarine=state.enemies.submarine.at[0].set(submarine),
                )
            )
        )
        assert np.array_equal(right, left[:, ::-1])
        assert not np.array_equal(right, left)
    right, left = pictures(
        lambda d: state._replace(row=jnp.int32(4), column=jnp.int32(3), direction=jnp.int32(d))
    )
    assert np.array_equal(right, left[:, ::-1])
    assert not np.array_equal(right, left)


def test_the_faster_a_car_the_more_lines_behind_it():
    def lines(speed):
        boards = blank(Freeway)
        boards[f"speed{speed}"][5, 5] = True
        changed = square(painted(Freeway, boards) != painted(Freeway, blank(Freeway)), 5, 5)
        return changed.any((1, 2)).sum(), changed.sum()

    found = [lines(speed) for speed in range(1, 6)]
    assert [count for count, _ in found] == [5, 4, 3, 2, 1]
    assert sorted(found, reverse=True) == found


@EACH
def test_states_of_jax_and_numpy_under_transforms(game):
    env = envs.make(f"MinAtar/{game.__name__}-v1")
    state, _ = env.reset(prng.key(0))
    numpy = jax.tree.map(np.asarray, state)
    for action in (None, 1, np.int64(1), jnp.int32(1)):
        image = drawing.draw(env, state, action)
        np.testing.assert_array_equal(image, drawing.draw(env, numpy, action))
        assert drawing.text(env, state, action) == drawing.text(env, numpy, action)
    np.testing.assert_array_equal(drawing.draw(env, state), minatar.draw(*bare(env, state)))
