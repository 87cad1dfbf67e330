"""NaN and infinity in a State are found, by field, and its replay is never read."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra.runners.sound import floats, unsound


class Numbers(NamedTuple):
    weights: np.ndarray
    moments: jax.Array | None
    step: jax.Array


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
def test_the_field_that_is_not_finite_is_named(backend, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    sound = Numbers(np.full(2, 3e38, np.float32), jnp.ones((2, 2)), jnp.int32(1))
    assert unsound(floats(sound)) is None
    halves = sound._replace(weights=jnp.ones(2, jnp.bfloat16), moments=None)
    assert unsound(floats(halves)) is None
    assert unsound(floats(halves._replace(weights=halves.weights * jnp.nan))) == "weights"
    infinite = sound._replace(moments=jnp.ones((2, 2)).at[1, 0].set(jnp.inf))
    assert unsound(floats(infinite)) == "moments"
    assert unsound(floats({"step": jnp.int32(1)})) is None


def test_the_replay_is_never_read():
    class Untouchable:
        dtype = property(lambda self: pytest.fail("the replay was read"))

    class State(NamedTuple):
        networks: np.ndarray
        memory: Untouchable

    assert floats(State(np.ones(2), Untouchable())).keys() == {"networks"}
    assert floats({"weights": np.ones(2)})["state"][0].sum() == 2  # of whoever's making
