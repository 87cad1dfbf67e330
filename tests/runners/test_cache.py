"""Where the compilation cache is, that its entries are whole, and that nothing fails without; and
that a process forgets what it has compiled before it is too much."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import pytest
from jax._src.lru_cache import LRUCache

from palestra.runners import cache
from palestra.tools.training import session


@pytest.fixture
def unset(monkeypatch):
    """JAX without a cache folder; as it was afterwards."""
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


def test_a_user_without_a_home_has_no_cache(unset, monkeypatch):
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in "HOME", "XDG_CACHE_HOME", "PALESTRA_CACHE":
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache.Path, "home", home)
    assert cache.use_compilation_cache() is None
    assert jax.config.values["jax_compilation_cache_dir"] is None


def test_a_folder_that_is_there_but_cannot_be_written_is_no_cache(unset, monkeypatch, tmp_path):
    monkeypatch.setenv("PALESTRA_CACHE", "/proc/self")  # nobody can write there, not root either
    assert cache.use_compilation_cache() is None
    monkeypatch.setenv("PALESTRA_CACHE", str(tmp_path))
    assert cache.use_compilation_cache() == tmp_path
    assert not list(tmp_path.iterdir())


def test_an_entry_is_never_seen_half_written(monkeypatch, tmp_path):
    """What another process would read while this one writes is nothing, or all of it."""
    seen = []
    write_bytes = Path.write_bytes

    def in_two_halves(path: Path, value: bytes) -> int:
        write_bytes(path, value[: len(value) // 2])
        seen.append(LRUCache(str(tmp_path), max_size=-1).get("key"))
        return write_bytes(path, value)

    monkeypatch.setattr(Path, "write_bytes", in_two_halves)
    LRUCache(str(tmp_path), max_size=-1).put("key", b"whole")
    assert seen == [None]
    assert LRUCache(str(tmp_path), max_size=-1).get("key") == b"whole"


def test_an_entry_that_a_killed_process_left_half_written_is_mended(tmp_path):
    (tmp_path / "key-cache").write_bytes(b"wh")
    LRUCache(str(tmp_path), max_size=-1).put("key", b"whole")
    assert LRUCache(str(tmp_path), max_size=-1).get("key") == b"whole"


@pytest.fixture
def maps(monkeypatch, tmp_path):
    """What stands in for the numbers of maps that the process has, and may have."""
    monkeypatch.setattr(cache, "MAPS", tmp_path / "maps")
    monkeypatch.setattr(cache, "ALLOWED", tmp_path / "allowed")
    (tmp_path / "allowed").write_text("20\n")
    return tmp_path / "maps"


@pytest.mark.parametrize(("count", "forgets"), [(10, False), (11, True)])
def test_programs_are_forgotten_where_half_of_the_memory_maps_are_taken(
    count, forgets, maps, monkeypatch
):
    """By whatever trains, last of all: a worker of a sweep trains hundreds of programs."""
    cleared = []
    monkeypatch.setattr(cache.jax, "clear_caches", lambda: cleared.append(count))
    maps.write_text("a map\n" * count)
    job: Any = SimpleNamespace(name="ppo", task="a task", steps=1)
    events = session.carry_out(job, {}, {}, job)
    next(events)
    events.close()
    assert cleared == [count] * forgets


def test_where_nobody_counts_maps_nothing_is_forgotten(maps):
    cache.forget_programs()
