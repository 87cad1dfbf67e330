"""Pictures show the state, and need no display."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL.ImageColor import getrgb

from palestra import envs, prng
from palestra.envs.classic import acrobot, mountain_car, pendulum
from palestra.envs.classic.acrobot import Acrobot
from palestra.envs.classic.cartpole import CartPole, State
from palestra.envs.classic.mountain_car import MountainCar
from palestra.envs.classic.mountain_car_continuous import MountainCarContinuous
from palestra.envs.classic.pendulum import Pendulum
from palestra.envs.drawing import cartpole, draw, drawable
from palestra.envs.drawing.canvas import CART, GROUND, INK, MARK, POLE, PUSH, Canvas
from palestra.envs.drawing.walker import FLAG


@pytest.fixture(autouse=True)
def no_display(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)


def where(picture, color) -> np.ndarray:
    """Mean (row, column) of the pixels of a color."""
    found = np.argwhere((picture == getrgb(color)).all(-1))
    assert len(found) > 100
    return found.mean(0)


def picture(x=0.0, theta=0.0, env=None):
    zero = jnp.zeros(())
    return draw(env or CartPole(), State(jnp.float32(x), zero, jnp.float32(theta), zero))


def test_size_and_type():
    image = picture()
    assert image.shape == (400, 600, 3)
    assert image.dtype == np.uint8
    assert where(image, CART)[1] == pytest.approx(299.5, abs=1)


def test_the_cart_moves_with_x():
    columns = [where(picture(x=x), CART)[1] for x in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    assert np.allclose(
        np.diff(columns), 600 / (2.2 * 2.4), atol=1.5
    )  # one meter each, to the right


def test_the_pole_leans_with_theta():
    lean = lambda theta: where(picture(theta=theta), POLE)[1] - where(picture(theta=theta), CART)[1]
    assert lean(-0.3) < -10 < abs(lean(0.0)) < 1 < 10 < lean(0.3)
    assert where(picture(), POLE)[0] < where(picture(), CART)[0]  # it stands above the cart


def test_a_longer_pole_looks_longer():
    long = picture(env=CartPole(half_length=0.8))
    assert where(long, POLE)[0] < where(picture(), POLE)[0] - 10


def test_transforms_are_seen_through():
    env = envs.make("CartPole-v1")
    state, _ = env.reset(prng.key(0))
    np.testing.assert_array_equal(draw(env, state), draw(env.env, state.inner))
    assert drawable(env)
    assert drawable(env.env)
    assert not drawable(envs.make("probe/Delay-v0"))


def pixels(image, color) -> np.ndarray:
    """(row, column) of each pixel of a color."""
    return np.argwhere((image == getrgb(color)).all(-1))


CARS = pytest.mark.parametrize("car", [MountainCar(), MountainCarContinuous()])


def on_the_hill(position, action=None, car=None):
    state = mountain_car.State(np.float32(position), np.float32(0))
    return draw(car or MountainCar(), state, action)


@CARS
def test_the_car_drives_along_the_hill(car):
    positions = np.linspace(-1.15, 0.55, 12)
    images = [on_the_hill(x, car=car) for x in positions]
    assert images[0].shape == (400, 600, 3)
    assert images[0].dtype == np.uint8
    rows, columns = np.transpose([where(image, CART) for image in images])
    assert np.allclose(columns, 30 + 300 * (positions + 1.2), atol=18)  # the car leans, too
    assert np.corrcoef(-rows, np.sin(3 * positions))[0, 1] > 0.99
    for image, row, column in zip(images, rows, columns, strict=True):  # above the ground
        ground = pixels(image, GROUND)
        top = ground[ground[:, 1] == round(column)][:, 0].min()
        assert 5 < top - row < 45


@CARS
def test_the_flag_stands_at_the_goal(car):
    near = type(car)(goal_position=-0.3)
    moved = where(on_the_hill(-0.5, car=car), FLAG) - where(on_the_hill(-0.5, car=near), FLAG)
    assert moved[1] == pytest.approx(300 * (car.goal_position + 0.3), abs=1)
    assert moved[0] < -100  # higher up


def test_an_arrow_shows_the_push():
    car, graded = MountainCar(), MountainCarContinuous()
    ahead = lambda *args: (
        where(on_the_hill(-0.5236, *args), PUSH)[1] - where(on_the_hill(-0.5236), CART)[1]
    )
    size = lambda *args: len(pixels(on_the_hill(-0.5236, *args), PUSH))
    assert size(None, car) == size(np.int32(1), car) == size(np.float32([0.0]), graded) == 0
    assert ahead(np.int32(0), car) < -1 < 1 < ahead(np.int32(2), car)
    assert ahead(np.float32([-1.0]), graded) < -1 < 1 < ahead(np.float32([1.0]), graded)
    half, whole, more = (size(np.float32([x]), graded) for x in (0.5, 1.0, 3.0))
    assert half < whole == more


def test_the_rod_points_along_theta():
    image = lambda theta: draw(Pendulum(), pendulum.State(np.float32(theta), np.float32(0)))
    assert image(0.0).shape == (500, 500, 3)
    assert image(0.0).dtype == np.uint8
    for theta in np.linspace(-3, 3, 9):
        row, column = where(image(theta), POLE) - 249.5
        assert np.arctan2(-column, -row) == pytest.approx(theta, abs=0.03)  # counterclockwise
        assert np.hypot(row, column) == pytest.approx(88, abs=4)
    row, column = pixels(image(2.0), MARK).mean(0)
    assert row < 100  # upright is marked
    assert column == pytest.approx(249.5, abs=1)


def test_an_arrow_shows_the_torque():
    def spread(torque):
        state = pendulum.State(np.float32(0.0), np.float32(0))  # up, so that the arrow is below
        return pixels(draw(Pendulum(max_torque=4.0), state, np.float32([torque])), PUSH)

    assert len(spread(0.0)) == 0
    assert len(spread(1.0)) < len(spread(2.0)) < len(spread(4.0)) == len(spread(9.0))
    # Its head is thicker: counterclockwise below the axle is to the right.
    tallest = lambda found: np.bincount(found[:, 1]).argmax() - 249.5
    assert tallest(spread(-1.0)) < -5 < 5 < tallest(spread(1.0))


def linked(theta_1, theta_2, env=None, action=None):
    zero = np.float32(0)
    state = acrobot.State(np.float32(theta_1), np.float32(theta_2), zero, zero)
    return draw(env or Acrobot(), state, action)


def test_the_links_hang_by_their_angles():
    assert linked(0, 0).shape == (500, 500, 3)
    assert linked(0, 0).dtype == np.uint8
    meter = 250 / 2.2  # pixels
    for theta_1, theta_2 in [(0.0, 0.0), (0.7, 1.0), (-2.0, 0.5), (3.0, -1.2)]:
        image = linked(theta_1, theta_2)
        direction = lambda angle: meter * np.array([np.cos(angle), np.sin(angle)])
        second = 249.5 + direction(theta_1) + direction(theta_1 + theta_2) / 2
        np.testing.assert_allclose(where(image, POLE), second, atol=4)
        np.testing.assert_allclose(
            where(image, CART), 249.5 + direction(theta_1) * 0.45, atol=7
        )  # partly hidden


def test_the_line_is_where_the_tip_must_go():
    height = lambda env: 249.5 - where(linked(0, 0, env), MARK)[0]
    assert height(Acrobot()) == pytest.approx(250 / 2.2, abs=1)
    assert height(Acrobot(target_height=1.5)) == pytest.approx(1.5 * 250 / 2.2, abs=1)
    assert height(Acrobot(length_1=2.0)) == pytest.approx(250 / 3.3, abs=1)


def test_an_arrow_shows_the_motor():
    found = {a: pixels(linked(0, 0.5, action=np.int32(a)), PUSH) for a in range(3)}
    assert len(found[1]) == len(pixels(linked(0, 0.5), PUSH)) == 0
    # The arrow is outside of the bent elbow, to the left; counterclockwise there is downwards.
    lowest, highest = found[2][:, 0].max(), found[0][:, 0].min()
    assert lowest > found[0][:, 0].max() + 2
    assert highest < found[2][:, 0].min() - 2
    for action in (0, 2):
        assert found[action][:, 1].mean() < 249.5


@pytest.mark.parametrize(
    "env_id",
    ["MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1", "Acrobot-v1", "CartPole-v1"],
)
def test_every_classic_environment_can_be_drawn(env_id):
    env = envs.make(env_id)
    state, _ = env.reset(prng.key(0))
    image = draw(env, state)
    assert drawable(env)
    assert image.dtype == np.uint8
    assert all(side % 2 == 0 for side in image.shape[:2])  # as video wants it
    space = env.action_space
    space.seed(0)
    np.testing.assert_array_equal(draw(env, state, None), image)
    assert draw(env, state, space.sample()).shape == image.shape


def test_a_copied_canvas_shows_what_a_whole_one_does():
    def ground(canvas):
        canvas.box(0, 30.3, 64, 48, GROUND)
        return canvas

    shapes = [
        lambda canvas: canvas.bar((10.2, 8), (30, 29.7), 3, INK),
        lambda canvas: canvas.circle((63, 1.5), 4, INK),  # partly outside
        lambda canvas: canvas.circle((90, 90), 4, INK),  # wholly
        lambda canvas: canvas.box(2, 3, 7.5, 9, INK, radius=2),
        lambda canvas: canvas.text((32, 20), "100", 12, INK),
    ]
    copied = ground(Canvas(64, 48))
    for count in range(len(shapes) + 1):
        whole, part = ground(Canvas(64, 48)), copied.copy()
        for draw_shape in shapes[:count]:
            draw_shape(whole), draw_shape(part)
        assert (whole.pixels() == part.pixels()).all(), count
    assert (copied.pixels() == ground(Canvas(64, 48)).pixels()).all()


def test_of_a_cart_pole_only_a_part_is_drawn_anew_to_the_bit(monkeypatch):
    # Where Pillow rounds otherwise if the part is drawn as a picture of its own.
    places = (1.619519935140329, -0.48616854), (-0.94542363, -2.52559119), (2.90561733, -2.33389206)
    zero = np.float32(0)
    states = [State(np.float32(x), zero, np.float32(angle), zero) for x, angle in places]
    pictures = lambda: [draw(CartPole(), state) for state in states]
    parts = pictures()

    def anew(self):
        cartpole._track.cache_clear()
        return self

    with monkeypatch.context() as patch:
        anew(None)
        patch.setattr(Canvas, "copy", anew)
        wholes = pictures()
        anew(None)
    np.testing.assert_array_equal(parts, wholes)
    np.testing.assert_array_equal(parts, pictures())  # nothing of them stayed on what they share
