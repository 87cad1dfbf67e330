"""What is refused of Ray's actors before there is any; how they play, tests/ray tells."""

import pytest

from palestra.envs.host import actors
from palestra.faults import InputError

pytestmark = pytest.mark.tiny


def test_no_ray_says_how_it_is_installed(monkeypatch):
    monkeypatch.setattr(actors, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'not installed: pip install "palestra\[ray\]"$'):
        actors.check_ray()


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:", ":6379"])
def test_an_address_is_a_host_and_a_port(monkeypatch, address):
    monkeypatch.setattr(actors, "find_spec", lambda name: True)
    monkeypatch.setenv(actors.ADDRESS, address)
    with pytest.raises(InputError, match=r"^RAY_ADDRESS must be HOST:PORT"):
        actors.check_ray()
    with pytest.raises(InputError, match=r"^ray must be HOST:PORT"):  # as a sweep is asked for
        actors.check_ray(address)


def test_an_address_where_nobody_is_is_told_at_once(monkeypatch):
    monkeypatch.setattr(actors, "find_spec", lambda name: True)
    monkeypatch.setenv(actors.ADDRESS, "127.0.0.1:1")
    with pytest.raises(InputError, match=r"No Ray cluster answers at 127.0.0.1:1 .*refused"):
        actors.check_ray()
