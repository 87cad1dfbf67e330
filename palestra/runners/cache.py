"""What JAX compiled once is kept on disk and loaded next time: minutes of a day of small runs.
And what a process has compiled is forgotten before it is too much.

On unless PALESTRA_CACHE=off; PALESTRA_CACHE=FOLDER puts it elsewhere. The default folder is the
user's cache folder: ~/Library/Caches/palestra on macOS, else $XDG_CACHE_HOME or ~/.cache. A cache
that the user has already set up in JAX is left alone.
"""

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import jax

MAPS = Path("/proc/self/maps")  # of Linux: a line for each of the process's memory maps
ALLOWED = Path("/proc/sys/vm/max_map_count")  # so many of them, 65,530 unless changed


def forget_programs() -> None:
    """Forget compiled programs where their memory maps are half of what Linux allows a process:
    beyond that XLA dies without a word."""
    try:
        many = MAPS.read_bytes().count(b"\n") > int(ALLOWED.read_text()) // 2
    except (OSError, ValueError):  # not Linux
        return
    if many:
        jax.clear_caches()
        gc.collect()


def use_compilation_cache() -> Path | None:
    """Switch the cache on; the folder, or None where it is off or cannot be written."""
    wish = os.environ.get("PALESTRA_CACHE", "")
    if wish.lower() in ("off", "0", "no", "false"):
        return None
    if own := jax.config.values["jax_compilation_cache_dir"]:
        return Path(own)
    try:
        folder = Path(wish) if wish else _user_cache() / "palestra" / "jax"
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):  # whether it can be written
            pass
    except (OSError, RuntimeError):  # the latter from Path.home() of a user without a name
        return None  # slower, not wrong
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder


with suppress(ImportError):  # private to JAX, so it may go
    from jax._src.lru_cache import LRUCache

    _put_in_place = LRUCache.put

    def _put_whole(self: Any, key: str, value: bytes) -> None:
        """Put an entry into JAX's cache whole, in place of one that cannot be read.

        JAX (0.10) writes an entry where others read it, and never twice: a process beside reads
        half of it, and one that is killed leaves half of it for good, which each start warns of.
        """
        if self.eviction_enabled:  # that form has a lock, and a second file beside each entry
            return _put_in_place(self, key, value)
        part = f"{key}-{os.getpid()}-{threading.get_ident()}"
        _put_in_place(self, part, value)
        os.replace(self.path / f"{part}-cache", self.path / f"{key}-cache")

    LRUCache.put = _put_whole  # type: ignore[method-assign]

    _get_in_place = LRUCache.get

    def _get(self: Any, key: str) -> bytes | None:
        return None if _anew else _get_in_place(self, key)

    LRUCache.get = _get  # type: ignore[method-assign]


_anew: list[None] = []  # one for each `compiling_anew` under way


@contextmanager
def compiling_anew() -> Iterator[bool]:
    """Nothing is loaded from JAX's cache meanwhile, though what is compiled is put there; whether
    that can be had of this JAX."""
    _anew.append(None)
    try:
        yield "_get_in_place" in globals()
    finally:
        _anew.pop()


def _user_cache() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
