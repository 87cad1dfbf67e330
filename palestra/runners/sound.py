"""Whether what is learned is still made of numbers: NaN and infinity, told inside the compiled
program or after it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from palestra.core import STORED
from palestra.runners.switches import on_cpu


def floats(learner: PyTree) -> dict[str, list]:
    """A State's arrays of floating-point numbers, by its fields, save for its replay."""
    fields = learner._asdict() if hasattr(learner, "_asdict") else {"state": learner}
    kept = {name: jax.tree.leaves(x) for name, x in fields.items() if name not in STORED}
    return {name: [x for x in leaves if _is_float(x)] for name, leaves in kept.items()}


def is_sound(learner: PyTree, metrics: PyTree, rewards: Float[Array, "..."]) -> Bool[Array, ""]:
    """Whether no metric is infinite, and the sum of all squares in rewards and a State, save for
    its replay, is a number: then all are."""
    numbers = jax.tree.leaves((floats(learner), rewards))
    squares = [jnp.square(x.astype(jnp.float32)).sum() for x in numbers]
    infinite = [jnp.isinf(x).any() for x in jax.tree.leaves(metrics)]
    return jnp.isfinite(sum(squares)) & ~jnp.stack([jnp.bool_(False), *infinite]).any()


def unsound(fields: dict[str, list]) -> str | None:
    """The first of `floats` that has NaN or infinity in it; None where none has.

    From an accelerator one answer comes for each in place of all the numbers.
    """
    here = lambda leaves: all(np.isfinite(np.asarray(x)).all() for x in leaves)
    finite = here if on_cpu() else _finite
    return next((name for name, leaves in fields.items() if not finite(leaves)), None)


@jax.jit
def _finite(leaves: list[Array]) -> Bool[Array, ""]:
    return jnp.stack([jnp.bool_(True), *(jnp.isfinite(x).all() for x in leaves)]).all()


def _is_float(x: Any) -> bool:
    kind = getattr(x.dtype, "kind", None)  # JAX's own question takes ten times as long
    return kind == "f" or (kind not in ("i", "u", "b") and jnp.issubdtype(x.dtype, jnp.floating))
