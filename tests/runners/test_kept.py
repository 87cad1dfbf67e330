"""Tests for programs that a command finds again without tracing them."""

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from palestra.core import hyperparameters
from palestra.envs import ENVIRONMENTS
from palestra.runners import kept
from palestra.runners.kept import call

LINE = "ppo CartPole-v1 --num-envs 4 --rollout-length 16 --hidden 8 --steps 640"


def trained(folder, *more):
    """What is kept in `folder`, the agent, and what JAX said of compiling."""
    run = folder / f"run{len([*folder.iterdir()])}"
    command = [sys.executable, "-m", "palestra", "train", *LINE.split(), *more, "--run", str(run)]
    told = {"JAX_LOG_COMPILES": "1", "PALESTRA_CACHE": str(folder / "cache")}
    done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    programs = sorted((folder / "cache" / kept.FOLDER).glob("*/*"))
    return programs, (run / "agent.safetensors").read_bytes(), done.stderr


def test_a_command_does_not_trace_what_one_before_has_compiled(tmp_path):
    programs, agent, said = trained(tmp_path)
    assert programs
    assert "Finished tracing _epoch" in said
    shutil.rmtree(tmp_path / "cache" / kept.FOLDER)  # but not what JAX keeps
    assert trained(tmp_path)[:2] == (programs, agent)
    *both, said = trained(tmp_path)
    assert both == [programs, agent]
    assert "Finished tracing _epoch" not in said


@pytest.fixture
def keeping(tmp_path, monkeypatch):
    """A folder where programs are kept, in this process too."""
    monkeypatch.setattr(kept, "loaded", {})
    monkeypatch.setattr(kept, "on_disk", True)
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path / kept.FOLDER
    jax.config.update("jax_compilation_cache_dir", before)


@partial(jax.jit, static_argnums=1)
def times(x, much):
    return {"product": x * much}


def test_what_is_made_of_something_else_is_another_program(keeping, monkeypatch):
    made = lambda: len([*keeping.glob("*/*")])
    assert call(times, (jnp.arange(3.0), 2), static=[1])["product"].tolist() == [0, 2, 4]
    assert made() == 1
    assert call(times, (jnp.ones(3), 2), static=[1])["product"].tolist() == [2, 2, 2]
    assert made() == 1
    assert call(times, (jnp.arange(3.0), 3), static=[1])["product"].tolist() == [0, 3, 6]
    assert call(times, (jnp.arange(4.0), 3), static=[1])["product"].tolist() == [0, 3, 6, 9]
    assert call(times, (jnp.arange(3), 3), static=[1])["product"].dtype == jnp.int32
    assert made() == 4
    for count in range(kept.MOST_LOADED):
        call(times, (jnp.ones(count), 2), static=[1])
    assert len(kept.loaded) == kept.MOST_LOADED
    for path in keeping.glob("*/*"):  # as a disk that is full leaves it
        path.write_bytes(path.read_bytes()[:-100])
    monkeypatch.setattr(kept, "loaded", {})
    assert call(times, (jnp.arange(3.0), 2), static=[1])["product"].tolist() == [0, 2, 4]


class Slow(dict):
    """Another thread comes in before what was taken is put back."""

    def pop(self, form, default):
        found = super().pop(form, default)
        time.sleep(0.02)
        return found


def test_threads_may_ask_for_the_same_program(keeping, monkeypatch):
    monkeypatch.setattr(kept, "loaded", Slow())
    made = []
    ask = lambda _: kept.kept(("one",), lambda: made.append(None) or {})
    asked = lambda _: call(times, (jnp.arange(3.0), 2), static=[1])["product"].tolist()
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(asked, range(12))] == [[0, 2, 4]] * 12
        assert [*pool.map(ask, range(12))] == [{}] * 12
    assert len(made) == 1


@jax.jit
def largest(x):
    return jax.lax.top_k(x, 1)[0]


def test_what_calls_functions_of_its_process_is_not_kept(keeping):
    """Such as a kernel of Warp's, which another process has under another name."""
    assert call(largest, (jnp.arange(3.0),)).tolist() == [2]
    assert not [*keeping.glob("*/*")]
    assert call(jax.jit(jnp.linalg.cholesky), (jnp.eye(2),)).tolist() == [[1, 0], [0, 1]]
    assert len([*keeping.glob("*/*")]) == 1


def test_what_is_of_others_is_not_written(keeping, monkeypatch):
    @hyperparameters
    class Mine(ENVIRONMENTS["CartPole-v1"].simulator):
        pass

    made = []
    for one in jax.tree.structure(Mine()), test_what_is_of_others_is_not_written:
        for _ in range(2):
            monkeypatch.setattr(kept, "loaded", {})
            kept.kept((one,), lambda: made.append(None) or {})
    assert len(made) == 4
    assert not keeping.exists()
    assert kept.kept((jax.tree.structure(ENVIRONMENTS["CartPole-v1"].simulator()),), dict) == {}
    assert len([*keeping.glob("*/*")]) == 1


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_nothing_is_read_where_others_can_write(keeping, mode):
    keeping.mkdir()
    keeping.chmod(mode)
    assert call(times, (jnp.arange(3.0), 2), static=[1])["product"].tolist() == [0, 2, 4]
    assert not [*keeping.iterdir()]
    keeping.rmdir()
    keeping.symlink_to("/tmp")
    assert call(times, (jnp.arange(3.0), 2), static=[1])["product"].tolist() == [0, 2, 4]
    assert not [*keeping.glob("*/" + "?" * 64)]


def test_nothing_is_written_for_who_writes_python(keeping, monkeypatch):
    monkeypatch.setattr(kept, "on_disk", False)
    assert call(times, (jnp.arange(3.0), 2), static=[1])["product"].tolist() == [0, 2, 4]
    assert kept.kept(("one",), lambda: 1) == 1
    assert not keeping.exists()


def test_programs_of_old_builds_are_thrown_away(keeping, monkeypatch):
    for build in map(str, range(kept.MOST_BUILDS + 2)):
        monkeypatch.setattr(kept, "loaded", {})
        monkeypatch.setattr(kept, "build", lambda build=build: build)
        call(times, (jnp.arange(3.0), 2), static=[1])
        os.utime(keeping / build, (int(build), int(build)))
    assert {path.name for path in keeping.iterdir()} == set(map(str, range(2, 6)))
