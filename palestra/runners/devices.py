"""Several devices, of one process or of several, that train one learner together.

Each has a share of the environments and of every batch (parts/spreading.py), and all have the
learner; what is learned is what one device would learn, to rounding.

With several processes all run the same programs, since a program that is one process' alone would
wait for the others for ever. Process 0 is the one that people see: it says what is trained, and
before each report that it goes on; it alone writes, judges and decides when it is enough.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.experimental.multihost_utils import broadcast_one_to_all
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jaxtyping import PyTree

from palestra import prng
from palestra.core import Count, check
from palestra.faults import InputError
from palestra.parts.spreading import AXIS, everywhere
from palestra.runners.switches import on_cpu


def to_train_on(asked: int | None) -> int:
    """The devices to train on: all, if processes were joined, else one, where nobody says. Raises
    ValueError for what is no number, for more than there are, and for a part of several
    processes'."""
    if asked is not None:
        check("devices", asked, Count)
    all_of_them, own, several = jax.device_count(), jax.local_device_count(), jax.process_count()
    count = (all_of_them if several > 1 else 1) if asked is None else asked
    if count > all_of_them:
        more = " (XLA_FLAGS=--xla_force_host_platform_device_count=N makes N of a processor)"
        more = more if on_cpu() else ""
        raise InputError(
            f"devices must be at most {all_of_them}, as many as JAX finds here, not {count}{more}."
        )
    if own < count < all_of_them:
        raise InputError(
            f"devices must be at most {own}, those of one process, or all {all_of_them}, not "
            f"{count}."
        )
    return count


def check_shares(num_envs: int, devices: int) -> None:
    """Raise ValueError where devices cannot have as many environments each."""
    if num_envs % devices:
        raise InputError(
            f"num_envs must be a multiple of devices, so that each has as many: {num_envs} is none "
            f"of {devices}."
        )


def over(count: int, num_envs: int) -> Mesh:
    """So many devices, one after another. Raises ValueError as `check_shares` does."""
    check_shares(num_envs, count)
    found = jax.devices()[:count]
    return jax.make_mesh((count,), (AXIS,), axis_types=(AxisType.Auto,), devices=found)


def shared_out(mesh: Mesh, tree: PyTree, axis: int | None) -> PyTree:
    """Arrays of this process, or shapes, as those devices share them: by that axis, or all of it in
    each."""
    return jax.tree.map(partial(_shared_leaf, mesh, axis), tree)


def _shared_leaf(mesh: Mesh, axis: int | None, x: Any) -> Any:
    spec = [] if axis is None else [None] * (axis % x.ndim) + [AXIS]
    sharding = NamedSharding(mesh, PartitionSpec(*spec))
    if isinstance(x, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
    is_key = jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
    words = np.asarray(jax.random.key_data(x) if is_key else x)
    placed = jax.make_array_from_callback(words.shape, sharding, lambda part: words[part])
    return prng.of_words(placed) if is_key else placed


_everywhere = jax.jit(everywhere)


def gathered(mesh: Mesh, tree: PyTree) -> PyTree:
    """What the devices share, whole, on one device of this process."""
    with jax.set_mesh(mesh):
        return here(_everywhere(tree))


def here(tree: PyTree) -> PyTree:
    """What all devices have, as this process' first one has it.

    It is waited for: of two programs under way processes could run the one and the other first, and
    wait for each other for ever.
    """
    return jax.block_until_ready(jax.tree.map(lambda x: x.addressable_data(0), tree))


def join(address: str, process: int | None, processes: int | None) -> None:
    """Make this process one of several that train together: they meet at HOST:PORT, where process 0
    listens, or as Slurm, Open MPI or a TPU tells, where the address is "auto". Call it before
    anything computes. Raises ValueError where that cannot be."""
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # where there is no GPU
    if address == "auto":
        try:
            jax.distributed.initialize()
        except (ValueError, RuntimeError):
            raise InputError(
                "distributed auto finds nothing here that tells of other processes; give "
                "--distributed HOST:PORT --process I --processes N."
            ) from None
        return
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise InputError(
            f"distributed must be HOST:PORT, of process 0, such as 10.0.0.1:8476, or auto, not "
            f"{address!r}."
        )
    if process is None or processes is None or process >= processes:
        raise InputError(
            "distributed needs --processes N, how many there are, and --process I, which of them "
            f"this is, from 0 to N - 1; they are {processes} and {process}."
        )
    # Bound there alone: else process 0 would listen on every network that the machine is in.
    jax.distributed.initialize(address, processes, process, coordinator_bind_address=address)


def in_processes(count: int) -> bool:
    """Whether so many devices are those of several processes."""
    return count > jax.local_device_count()


def leads(count: int) -> bool:
    """Whether this process is the one that people see: the first of several, or the only one."""
    return not in_processes(count) or jax.process_index() == 0


def told(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays that process 0 gives here, in every process; each has to call it."""
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    content = np.frombuffer(packed.getvalue(), np.uint8)
    size = int(broadcast_one_to_all(np.int64(content.size).astype(np.int32)))
    content = broadcast_one_to_all(np.resize(content, size))
    with np.load(io.BytesIO(np.asarray(content).tobytes())) as file:
        return dict(file)


def going_on(count: int, going: bool = True) -> bool:
    """Whether process 0 goes on; each has to call it."""
    return bool(broadcast_one_to_all(np.int32(going))) if in_processes(count) else going


def leading(count: int) -> AbstractContextManager:
    """Within, the other processes, if there are any, train along (`told`); at its end, however it
    comes, they are told that there is no more. Raises ConnectionError where one of them is gone."""
    return _leading_others() if in_processes(count) else nullcontext()


@contextmanager
def _leading_others() -> Iterator[None]:
    with others_here():
        try:
            yield
        except BaseException as fault:
            if not _tells_of_others(fault):
                told({})
            raise
        else:
            told({})


@contextmanager
def others_here() -> Iterator[None]:
    """Raises ConnectionError, in one sentence, where JAX says that another process is gone."""
    try:
        yield
    except Exception as fault:
        if not _tells_of_others(fault):
            raise
        raise ConnectionError(
            "Another process of this training is gone; palestra resume RUN, in all of them, goes "
            "on from the last checkpoint."
        ) from fault


def _tells_of_others(fault: BaseException) -> bool:
    """Whether it is what JAX raises where another process is gone."""
    known = isinstance(fault, jax.errors.JaxRuntimeError | ValueError)
    return known and any(name in str(fault) for name in ("Gloo", "NCCL", "coordination service"))
