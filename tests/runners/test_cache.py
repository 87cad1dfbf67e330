"""Where the compilation cache is, and that nothing fails where there can be none."""

from pathlib import Path

import jax
import pytest

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
