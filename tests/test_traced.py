"""Traced programs: what is walked, in which order, and what a function reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra.traced import CALLS, computed, reads, walk

pytestmark = pytest.mark.tiny
TABLE = jnp.arange(3.0)


@jax.custom_jvp
def halved(x):
    return x / 2.0


halved.defjvp(lambda primals, tangents: (halved(*primals), tangents[0] / 2.0))


def function(x, y):
    """Calls of two kinds, one of them twice; a rename, a constant and literals."""
    twice = jax.jit(lambda z: z * 2.0 + TABLE)
    return halved(jax.lax.stop_gradient(twice(twice(x)))), y


def test_what_is_called_is_walked_too():
    x, y = jnp.ones(3), jnp.zeros(())
    names = []

    def visit(equation, inputs):
        names.append(equation.primitive.name)
        if names[-1] in CALLS:
            return None
        return computed(equation.primitive, inputs, equation.params)

    found = walk(jax.make_jaxpr(function)(x, y), [x, y], jnp.asarray, visit)
    assert [name for name in names if name not in CALLS] == ["mul", "add", "mul", "add", "div"]
    for one, other in zip(found, function(x, y), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_call_may_be_answered_in_its_place():
    program = jax.make_jaxpr(function)(jnp.ones(3), jnp.zeros(()))
    visit = lambda equation, inputs: [f"{equation.primitive.name}({inputs[0]})"]
    found = walk(program, ["x", "y"], lambda array: "constant", visit)
    assert found == ["custom_jvp_call(jit(jit(x)))", "y"]


def test_what_is_read():
    given = {"given back": jnp.ones(()), "read": jnp.ones(()), "unread": jnp.ones(())}
    read = reads(lambda x, y: (x["given back"], x["read"] + y), given, jnp.ones(()))
    assert read == [True, True, False]
