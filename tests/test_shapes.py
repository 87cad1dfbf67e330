"""What our functions are given and what they give is looked at in each test, at each call."""

import jax.numpy as jnp
import pytest
from beartype import beartype
from beartype.roar import BeartypeCallHintReturnViolation
from jaxtyping import Array, Float, TypeCheckError
from shapes import jaxtyped

from palestra.parts.returns import n_step

pytestmark = pytest.mark.tiny


def test_a_function_of_ours_says_which_argument_does_not_fit():
    reward, flags = jnp.ones((2, 3)), jnp.zeros((2, 3), bool)
    assert n_step(reward, flags, flags, 1.0)[0].tolist() == [2.0] * 3
    with pytest.raises(TypeCheckError, match=r"n_step\.\n[^\n]*parameter 'terminated'"):
        n_step(reward, flags[:1], flags, 1.0)


@jaxtyped(typechecker=beartype)
def without_last(x: Float[Array, " n"], last: Float[Array, ""] | None = None) -> Float[Array, " n"]:
    return x[:-1] if last is None else x


def test_a_result_has_the_sizes_of_the_arguments():
    for n in (2, 3):  # no call knows the sizes of the one before
        assert without_last(jnp.ones(n), last=jnp.ones(())).shape == (n,)
    with pytest.raises(BeartypeCallHintReturnViolation):
        without_last(jnp.ones(3))


def test_a_call_that_lacks_an_argument_ends_as_in_python():
    with pytest.raises(TypeError, match="missing a required argument: 'x'"):
        without_last()
