"""Settings work in a module whose annotations are text, as this one's are."""

from __future__ import annotations

import jax
import pytest

from palestra.core import Count, Positive, hyperparameters

pytestmark = pytest.mark.tiny


@hyperparameters
class Own:
    size: Count = 3
    on: bool = False
    rate: Positive = 1.0


def test_floats_are_traced_and_ranges_are_checked():
    assert jax.tree.leaves(Own()) == [1.0]
    assert jax.tree.structure(Own()) != jax.tree.structure(Own(size=4))
    with pytest.raises(ValueError, match=r"^size must be a whole number of at least 1, not 0.$"):
        Own(size=0)


def test_an_annotation_that_names_nothing_is_told():
    with pytest.raises(TypeError, match=r"^An annotation of Lost names what its module does not"):

        @hyperparameters
        class Lost:
            size: Nowhere = 3


def test_a_class_that_would_lose_its_own_post_init_is_told():
    with pytest.raises(TypeError, match=r"^Strict has a __post_init__.*call it validate"):

        @hyperparameters
        class Strict:
            size: Count = 3

            def __post_init__(self):
                raise AssertionError
