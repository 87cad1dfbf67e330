"""Every test runs under strict JAX, with shapes checked at run time.

The order matters: the hook must be in place before anything imports palestra.
"""

import gc
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Tracing makes objects by the million, most of which stay: to look for cycles among them as often
# as Python does by itself takes a fifth of the contract's time (test_contract.py).
gc.set_threshold(50_000, 10, 10)

CACHE = Path(__file__).parents[1] / ".cache"  # the only folder of the repository that tests fill
os.environ["PALESTRA_CACHE"] = str(CACHE / "jax")
os.environ["PALESTRA_DEBUG"] = "1"  # a fault of ours is to be seen
os.environ["MPLCONFIGDIR"] = str(CACHE / "matplotlib")
os.environ["XDG_STATE_HOME"] = str(CACHE / "state")
os.environ["XDG_CACHE_HOME"] = str(CACHE)  # so that nothing is written into the user's home
# What runs for moments had better compile fast than run fast. Processes of tests inherit it.
QUICKLY = "JAX_DISABLE_MOST_OPTIMIZATIONS"
os.environ[QUICKLY] = "1"
OLDER = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": 1}
_older = "".join(f" --{name}={x}" for name, x in OLDER.items())
FLAGS = os.environ.get("XLA_FLAGS", "").replace(_older, "")  # without what workers are given below
os.environ["XLA_FLAGS"] = FLAGS

import equinox
import jax
import jaxtyping
import optax
import pytest
import shapes
from jax._src import api_util, compiler
from jax._src.interpreters import mlir
from jax._src.lib.mlir import ir
from jax.experimental.key_reuse import _core as key_reuse
from jaxtyping import install_import_hook
from sizes import sizes

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_debug_key_reuse", True)  # off beside vmap of scan: see `seeds_side_by_side`
jax.config.update("jax_compilation_cache_dir", str(CACHE / "jax"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

# XLA's older emitters, and one piece of code instead of 32, take half of the compiler's time; they
# make slow code, and with all optimizations take longer.
_options = compiler.get_compile_options


def options(*args: Any, env_options_overrides: dict[str, Any] | None = None, **kwargs: Any) -> Any:
    older = OLDER if jax.config.values[QUICKLY.lower()] else {}
    overrides = older | (env_options_overrides or {})
    return _options(*args, env_options_overrides=overrides, **kwargs)


compiler.get_compile_options = options
jax.jit(lambda: 0)()  # XLA reads its flags once, now: what follows is for tests' processes
os.environ["XLA_FLAGS"] = FLAGS + _older

# The search for reused keys (JAX 0.10) looks at each call of each program, which costs what a call
# costs ten times over. Where no key goes in or comes out there is nothing to look for: a program's
# body is searched when it is traced.
_call, _run = key_reuse.call_impl_with_key_reuse_checks, key_reuse.pjit._run_python_pjit
LOOKED_AT = {  # they make keys, or their bodies may
    *(key_reuse.prng.random_seed_p, key_reuse.prng.random_wrap_p),
    *(jax.lax.cond_p, jax.lax.scan_p, jax.lax.while_p),
    *(key_reuse.remat_p, key_reuse.shard_map_p),
}


def keyless(program: Any) -> bool:
    shown = *program.in_avals, *program.out_avals, *map(jax.typeof, program.consts)
    return not any(jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) for x in shown)


def call(primitive: Any, impl: Callable[..., Any], /, *args: Any, **params: Any) -> Any:
    if primitive is key_reuse.pjit.jit_p:
        nothing = keyless(params["jaxpr"])
    else:
        nothing = primitive not in LOOKED_AT
        nothing = nothing and not any(isinstance(x, key_reuse.prng.PRNGKeyArray) for x in args)
    return impl(*args, **params) if nothing else _call(primitive, impl, *args, **params)


def run(program: Any, *args: Any) -> Any:
    if not jax.config.jax_debug_key_reuse or not keyless(program.params["jaxpr"]):
        return _run(program, *args)
    with jax.debug_key_reuse(False):  # else JAX forgets how the program is called quickly
        return _run(program, *args)


key_reuse.call_impl_with_key_reuse_checks, key_reuse.pjit._run_python_pjit = call, run

# JAX (0.10) lowers each program in a context of its own, which takes longer to make than a small
# program to lower. Here some programs of a thread share one, which holds their constants.
_make_context, of_thread = mlir.make_ir_context, threading.local()


def context() -> Any:
    if not getattr(of_thread, "left", 0):
        of_thread.left, of_thread.context, of_thread.lowered = 100, _make_context(), {}
    of_thread.left -= 1
    return of_thread.context


mlir.make_ir_context = context

# They share what an operation is lowered to, too, unless that needs more of its program: a fifth of
# the time to lower a training.
_lower = mlir._cached_lowering_miss
ALONE = re.compile(r"(stablehlo|chlo)\.(?!custom_call|while|case|if|all_|collective_)\w+|func\.\w+")


def stands_alone(lowered: Any) -> bool:
    names = set()
    lowered.func.operation.walk(lambda x: names.add(x.name) or ir.WalkResult.ADVANCE)
    no_calls = "func.call" not in names and all(map(ALONE.fullmatch, names))
    return lowered.inline and not lowered.const_args and no_calls


def lower(program: Any, equation: Any, key: Any, *args: Any, **params: Any) -> Any:
    here = program.context is getattr(of_thread, "context", None)
    one_device = getattr(program.axis_context, "num_devices", 0) == 1
    plain = one_device and not program.shape_poly_state.dim_vars
    known = of_thread.lowered if here and plain else {}
    if key not in known:
        lowered = _lower(program, equation, key, *args, **params)
        if not stands_alone(lowered):
            return lowered
        known[key] = lowered
    program.lowering_cache[key] = known[key]
    return known[key]


mlir._cached_lowering_miss = lower

# It asks a function without source for its text, and so shows a whole network at each `vmap` of it,
# to find that the text tells nothing.
_source = api_util.fun_sourceinfo


def source(function: Any) -> str:
    return "<unknown>" if isinstance(function, equinox.Module) else _source(function)


api_util.fun_sourceinfo = source

# Adam raises a float to an integer's power, which strict promotion forbids: Optax's own affair.
optax.tree.bias_correction = jax.numpy_dtype_promotion("standard")(optax.tree.bias_correction)
_radam = optax.radam


def radam(*args: Any, **kwargs: Any) -> optax.GradientTransformation:
    init, update = _radam(*args, **kwargs)
    return optax.GradientTransformation(init, jax.numpy_dtype_promotion("standard")(update))


optax.radam = radam

CHECKED = ["core", "parts", "envs", "algorithms", "runners"]
# The numeric tower: an int is welcome where a float is asked for, as the typing rules say.
BEARTYPE = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
jaxtyping.jaxtyped = shapes.jaxtyped
checked = install_import_hook([f"palestra.{name}" for name in CHECKED], BEARTYPE).hook
among = checked.should_instrument
KERNELS = (
    "palestra.envs.atari2600."  # Warp compiles these functions' source: checks are no part of it
)
checked.should_instrument = lambda name: among(name) and not name.startswith(KERNELS)

from palestra import core

core.Environment = core.Algorithm = Any  # protocols: there is nothing to ask at run time

_hyperparameters = core.hyperparameters


def unchecked(cls: type) -> type:
    """Methods are checked by the hook, fields by core.check alone.

    JAX puts tracers and shapes into fields that say float, when it takes settings apart and
    puts them together again.
    """
    cls = _hyperparameters(cls)
    if cls.__module__.startswith("palestra."):  # others the hook does not see
        cls.__no_type_check__ = True
        passed.append(cls)
    return cls


passed: list[type] = []
core.hyperparameters = unchecked
import palestra.algorithms
import palestra.envs
from palestra.runners import cache  # entries are written whole: two workers share the cache

simulators = [row.simulator for row in palestra.envs.ENVIRONMENTS.values()]  # imported now
learners = [row.learner for row in palestra.algorithms.ALGORITHMS.values()]
for cls in passed:  # the hook has passed; the mark would hide the fields' types from the parser
    del cls.__no_type_check__


@pytest.fixture(scope="session", autouse=True)
def quick_environments_step_here():
    """A step must take milliseconds before environments have processes of their own.

    On a busy machine a step that is waited for seems slow, and a process takes seconds to start.
    """
    with pytest.MonkeyPatch.context() as patch:
        sizes(patch, round_trip=5e-3)
        yield


@pytest.fixture(scope="module", autouse=True)  # to count takes too long to do after every test
def few_programs():
    """Forget compiled programs before they exhaust memory maps."""
    yield
    cache.forget_programs()


@contextmanager
def as_for_users() -> Iterator[None]:
    """Compile with all optimizations, as where Palestra is used."""
    jax.clear_caches()  # a program is optimized, or not, when it is made
    jax.config.update(QUICKLY.lower(), False)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(QUICKLY)
        patch.setenv("XLA_FLAGS", FLAGS)
        yield
    jax.config.update(QUICKLY.lower(), True)
    jax.clear_caches()


@pytest.fixture(scope="module")
def optimized():
    """Compile as for users, where bits are held to another program's, or much is computed."""
    with as_for_users():
        yield


@pytest.fixture
def optimized_alone():
    """Compile one test of a module so, which computes for longer than that takes."""
    with as_for_users():
        yield


@pytest.fixture
def seeds_side_by_side():
    """Switch off the search for reused keys, which takes `vmap` of `scan` over keys for reuse.

    It does so with JAX's own keys too.
    """
    with jax.debug_key_reuse(False):
        yield
