"""How a run is judged, kept and ended: what is refused, on the command line and of a run alike."""

import pytest

from palestra.faults import InputError
from palestra.tools.training.options import Flags, Options, how_many

pytestmark = pytest.mark.tiny


@pytest.mark.parametrize(("words", "count"), [("ray:16", 16), ("ray:01", 1), ("none", 0)])
def test_actors_are_counted(words, count):
    assert how_many(words) == count


@pytest.mark.parametrize("words", ["16", "ray", "ray:0", "ray:-1", "ray:1.5", "ray:1000000", 16])
def test_what_is_no_number_of_actors_is_refused(words):
    with pytest.raises(InputError, match="such as ray:16, or none; not "):
        how_many(words)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"episodes": 0}, "episodes must be a whole number from 1 to 1,000,000, not 0."),
        ({"on_nan": "wait"}, "on_nan must be stop or continue, not 'wait'."),
        ({"actors": "ray"}, "actors must be ray: and a number"),
        ({"devices": 0}, "devices must be a whole number of at least 1, not 0."),
    ],
)
def test_what_cannot_be_is_refused_in_both(given, said):
    for kind in Options, Flags:
        with pytest.raises(InputError, match=said):
            kind(**({"episodes": 5} | given))
    assert Flags(episodes=5, actors="ray:3").num_actors == 3
