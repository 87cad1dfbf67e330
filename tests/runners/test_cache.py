"""Where the compilation cache is, that its entries are whole, and that nothing fails without."""

from pathlib import Path

import jax
import pytest
from jax._src.lru_cache import LRUCache

from palestra.runners import cache


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
