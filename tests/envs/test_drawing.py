"""Pictures show the state, and need no display."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL.ImageColor import getrgb

from palestra import envs, prng
from palestra.envs.classic.cartpole import CartPole, State
from palestra.envs.drawing import draw, drawable
from palestra.envs.drawing.canvas import CART, POLE


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
