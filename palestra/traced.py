"""Programs that JAX has traced from functions, read one operation after another."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal
from jaxtyping import PyTree

# What calls a function, and where it has that function's program.
CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr"}
CALLS |= {"custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}
# What gives back what it is given, number for number: nobody is shown these.
RENAMES = {"stop_gradient", "copy", "optimization_barrier"}
T = TypeVar("T")


def walk(
    program: ClosedJaxpr,
    inputs: Sequence[T],
    constant: Callable[[np.ndarray], T],
    visit: Callable[[Any, list[T]], Sequence[T] | None],
) -> list[T]:
    """What stands for a program's results, where `inputs` stand for its arguments.

    `constant(array)` gives what stands for a constant, `visit(equation, inputs)` what stands for
    the results of an operation, in the order in which they are computed. It may give None for one
    of CALLS: then the function that is called is walked in its place.
    """
    jaxpr = program.jaxpr
    known = dict(zip(jaxpr.invars, inputs, strict=True))
    known.update(zip(jaxpr.constvars, map(constant, program.consts), strict=True))

    def look(atom: Any) -> T:
        is_literal = isinstance(atom, Literal)
        return constant(np.asarray(atom.val, atom.aval.dtype)) if is_literal else known[atom]

    for equation in jaxpr.eqns:
        name, given = equation.primitive.name, [look(atom) for atom in equation.invars]
        results = given if name in RENAMES else visit(equation, given)
        if results is None:
            results = walk(equation.params[CALLS[name]], given, constant, visit)
        known.update(zip(equation.outvars, results, strict=True))
    return [look(atom) for atom in jaxpr.outvars]


def computed(primitive: Any, operands: Sequence[Any], params: dict[str, Any]) -> Sequence[Any]:
    """The results of an operation on arrays."""
    results = primitive.bind(*operands, **params)
    return results if primitive.multiple_results else [results]


def reads(function: Callable, *args: PyTree) -> list[bool]:
    """Which leaves of the first argument the function reads, or gives back."""
    program = jax.make_jaxpr(function)(*args).jaxpr
    used = {id(x) for equation in program.eqns for x in equation.invars}
    used |= {id(x) for x in program.outvars}
    leaves = jax.tree.leaves(args[0])
    return [id(variable) in used for variable in program.invars[: len(leaves)]]
