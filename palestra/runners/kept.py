"""Compiled programs that are kept: in memory, and those of a command on disk, found again there
without tracing them.

JAX finds what it has compiled by the traced program (runners/cache.py), and to trace and lower it
takes longer than to load it. So a command finds its programs by what they are made of: the classes,
settings and shapes, and the build of this package and of what it stands on.

They are read by pickle, and run as they are, like those in JAX's own cache: so they are kept in a
folder that nobody but the user can write to. Whoever names a stranger's folder as PALESTRA_CACHE
runs what is in it; README.md warns of that. No other file is read in this way.
"""

import hashlib
import os
import pickle
import re
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

FOLDER = "programs"  # in that of the compilation cache
MOST_BUILDS = 4  # whose programs are kept
MOST_LOADED = 16  # at a time: each holds some of the memory maps a process may have

loaded: dict[tuple, Any] = {}  # those that this process has; the last one used comes last
on_disk = False  # whether they are found there, too
_one_at_a_time = threading.RLock()  # seeds are trained and judged in threads


def keep_programs() -> None:
    """Keep programs on disk by what they are made of, in a process in which nobody changes that.

    That is a command's: who writes Python may put a function of another kind in place of ours.
    """
    global on_disk
    on_disk = True


def kept(form: tuple, make: Callable[[], Any]) -> Any:
    """What `make` compiles, a pytree of compiled programs; what was made before where it was.

    `form` tells all that decides what is traced: which function, the structure of what it takes,
    with the classes and settings in it, and the types of the arrays. On disk a program is kept
    where that is the same text in each process, and speaks of classes of this package only.
    """
    with _one_at_a_time:
        programs = loaded.pop(form, None)
        if programs is None:
            programs = _from_disk(form, make) if on_disk else make()
        loaded[form] = programs
        if len(loaded) > MOST_LOADED:
            del loaded[next(iter(loaded))]
    return programs


def _from_disk(form: tuple, make: Callable[[], Any]) -> Any:
    import jax

    from palestra.runners.cache import compiling_anew
    from palestra.runners.switches import on_cpu

    text = repr(form)
    ours = all(name.startswith("palestra.") for name in re.findall(r"<class '([^']+)'>", text))
    folder = jax.config.values["jax_compilation_cache_dir"]
    alone = on_cpu() and jax.device_count() == 1
    if not folder or not ours or " at 0x" in text or not alone:
        return make()
    if not _of_the_user_alone(home := Path(folder) / FOLDER):
        return make()
    path = home / build() / hashlib.sha256(text.encode()).hexdigest()
    if (programs := _load(path)) is None:
        # What JAX has loaded from its own cache lacks functions when it is written once more.
        with compiling_anew() as whole:
            programs = make()
        if whole:
            _save(path, programs)
    return programs


def call(function: Any, args: Sequence[Any], static: Collection[int] = ()) -> Any:
    """What a jitted function gives, its program `kept`; `static` are the places of constants."""
    if not on_disk:
        return function(*args)
    import jax

    traced = [x for i, x in enumerate(args) if i not in static]
    leaves, structure = jax.tree.flatten(traced)
    form = function.__qualname__, structure, *map(jax.typeof, leaves), *(args[i] for i in static)
    return kept(form, lambda: function.lower(*args).compile())(*traced)


def _of_the_user_alone(folder: Path) -> bool:
    """Whether nobody else can write into the folder, which is made where there is none."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = folder.lstat()
    except OSError:
        return False
    is_folder, others = stat.S_ISDIR(told.st_mode), told.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return is_folder and not others and told.st_uid == getattr(os, "getuid", lambda: 0)()


def _load(path: Path) -> Any:
    """The programs, or None where there are none that can be read."""
    import jax
    from jax.experimental.serialize_executable import deserialize_and_load

    try:
        lapack, parts, structure = _Unpickler(BytesIO(path.read_bytes())).load()
        with ThreadPoolExecutor(1) as meanwhile:  # XLA loads while Python imports SciPy
            programs = meanwhile.submit(lambda: [deserialize_and_load(*part) for part in parts])
            if lapack:
                _find_lapack()
        return jax.tree.unflatten(structure, programs.result())
    except Exception:  # of whatever kind: then they are made again
        return None


def _find_lapack() -> None:
    """Tell XLA where LAPACK's routines are, which JAX does when it lowers a call of one: a program
    that calls one, in a process that has lowered none, ends the process (JAX 0.10)."""
    import numpy as np
    from jaxlib.lapack import prepare_lapack_call

    prepare_lapack_call("geqrf_ffi", np.dtype("float32"))


def _save(path: Path, programs: Any) -> None:
    """Write them whole; nothing where JAX or the folder does not let us."""
    import jax
    from jax.experimental.serialize_executable import serialize

    parts, structure = jax.tree.flatten(programs)
    written, part = BytesIO(), path.with_name(f"{path.name}-{os.getpid()}-{threading.get_ident()}")
    try:
        text = "".join(program.as_text() for program in parts)
        called = set(re.findall(r'custom_call_target="([^"]+)"', text))
        lapack = any(name.startswith("lapack_") for name in called)
        if not all(name.startswith("lapack_") for name in called):
            return  # to a function of this process, which another one may not have
        _Pickler(written).dump((lapack, [serialize(program) for program in parts], structure))
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(written.getvalue())
        os.replace(part, path)
        newest = sorted(path.parents[1].iterdir(), key=lambda build: -build.stat().st_mtime)
        for build in newest[MOST_BUILDS:]:
            shutil.rmtree(build, ignore_errors=True)
    except Exception:  # slower, not wrong
        with suppress(OSError):
            part.unlink()


@cache
def build() -> str:
    """A name for all that decides, beside its form, what a program compiles to."""
    import platform
    from importlib.metadata import version

    import jax

    told = hashlib.sha256()
    home = Path(__file__).parents[1]
    for path in sorted(home.rglob("*.py")):
        told.update(str(path.relative_to(home)).encode() + path.read_bytes())
    told.update(repr([version(name) for name in ("jax", "jaxlib", "equinox", "optax")]).encode())
    told.update(repr(sorted(jax.config.values.items())).encode())
    told.update(repr([(x.platform, x.device_kind) for x in jax.devices()]).encode())
    told.update(f"{sys.version} {platform.machine()} {os.environ.get('XLA_FLAGS')}".encode())
    with suppress(OSError, IndexError):  # of Linux: what the processor can do
        flags = Path("/proc/cpuinfo").read_text().split("flags", 1)[1]
        told.update(flags.partition("\n")[0].encode())
    return told.hexdigest()


@cache
def _missing() -> tuple[Any, ...]:
    """Equinox's mark of what is missing, which it compares by identity: pickling loses that."""
    import equinox
    import jax

    structure: Any = jax.tree.structure(equinox.nn.Identity())
    return structure.node_data()[1]


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> str | None:
        return "missing" if any(obj is mark for mark in _missing()) else None


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, name: str) -> Any:
        return _missing()[0]
