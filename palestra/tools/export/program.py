"""An agent's greedy policy as a short list of operations on arrays, to be written in another form.

`trace` has JAX trace the policy with the number of observations left open, puts the functions that
it calls where they are called, leaves out what the action does not hang on and computes what hangs
on constants alone. What is left are operations as NumPy and ONNX have them, under JAX's names:

    number by number   on shapes that broadcast, as NumPy's do
    unsqueeze, expand  broadcast_in_dim: axes of one in front of where others broadcast against
                       them, and whole where an operation needs it so
    squares, lookup    the two uses of gather: a picture cut into squares, rows of a table
    the rest           as JAX describes them
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from palestra.faults import InputError
from palestra.parts.remembering import seen_by
from palestra.tools.agents.agent import Agent
from palestra.tools.agents.policy import greedy
from palestra.traced import CALLS, computed, walk

OPEN = "n"  # how many observations there are, as a number in shapes

NUMBER_BY_NUMBER = {
    *("add", "sub", "mul", "div", "max", "min", "pow", "integer_pow", "neg", "abs", "sign"),
    *("exp", "log", "tanh", "logistic", "sqrt", "rsqrt", "square", "floor", "ceil"),
    *("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", "clamp", "select_n"),
    "convert_element_type",
}
Shape = tuple[int | str, ...]


@dataclass(frozen=True, eq=False)
class Variable:
    """An array of the program; what it holds, if that is known, and its name, if it has one."""

    shape: Shape
    dtype: np.dtype
    array: np.ndarray | None = None
    name: str = ""


class Operation(NamedTuple):
    """One step of the program."""

    name: str
    inputs: list[Variable]
    outputs: list[Variable]
    given: dict[str, Any]
    primitive: Any = None  # JAX's, where it is one of JAX's


class Program(NamedTuple):
    """From observations as algorithms see them, leaf by leaf [n, ...], to actions [n, ...].

    Of an agent that remembers, the last of the inputs are what is remembered, as is `memory` then.
    """

    inputs: list[Variable]
    operations: list[Operation]
    output: Variable
    memory: list[Variable]  # for the next step; empty where nothing is remembered
    values: list[Variable]  # what choices are the largest of, for each choice of an action
    half: bool  # JAX's own computes products of bfloat16, which here are of float32


def trace(agent: Agent) -> Program:
    """The program of an agent's greedy policy. Raises ValueError where it cannot be told so."""
    (n,) = jax.export.symbolic_shape(OPEN)
    seen = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((n, *x.shape), x.dtype),
        seen_by(agent.algorithm, agent.spec),
    )
    inputs, operations, outputs, half = _flat(agent, seen)
    simple = _Simple()
    for operation in operations:
        simple.add(operation)
    action, *memory = map(simple.whole, outputs)
    values = [x.inputs[0] for x in simple.operations if x.name == "argmax"]
    return Program(inputs, simple.operations, action, memory, values, half)


def values(agent: Agent, arrays: Mapping[str, jax.Array], obs: PyTree) -> list[jax.Array]:
    """What greedy choices are the largest of: for each choice of an action [n, choices].

    None where actions are no choices. By JAX's own operations, all of float32; `arrays` are the
    agent's, on the device.
    """
    seen = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), obs)
    inputs, operations, _, _ = _flat(agent, seen)
    known = dict(zip(inputs, jax.tree.leaves(obs), strict=True))
    look = lambda x: arrays[x.name] if x.name else jnp.asarray(x.array)
    found = []
    for operation in operations:
        operands = [known[x] if x.array is None else look(x) for x in operation.inputs]
        if operation.name == "argmax":
            found.append(operands[0])
        results = computed(operation.primitive, operands, operation.given)
        known.update(zip(operation.outputs, results, strict=True))
    return found


def _flat(
    agent: Agent, seen: PyTree
) -> tuple[list[Variable], list[Operation], list[Variable], bool]:
    """Inputs, JAX's operations without calls, the outputs, and whether bfloat16 was met."""
    arrays = dict(agent.arrays)
    program = jax.make_jaxpr(partial(greedy, agent.algorithm, agent.spec))(arrays, seen)
    weights = [_constant(arrays[name], name) for name in sorted(arrays)]  # as JAX flattens a dict
    inputs = [_fresh(variable) for variable in program.jaxpr.invars[len(weights) :]]
    operations: list[Operation] = []
    half = False

    def visit(equation: Any, given: list[Variable]) -> list[Variable] | None:
        nonlocal half
        name, params = equation.primitive.name, equation.params
        if name in CALLS:
            return None
        if name == "convert_element_type" and params["new_dtype"] == jnp.bfloat16:
            half = True
            return given
        outputs = [_fresh(variable) for variable in equation.outvars]
        operations.append(Operation(name, given, outputs, params, equation.primitive))
        return outputs

    outputs = walk(program, [*weights, *inputs], _constant, visit)
    return inputs, _needed(operations, outputs), outputs, half


def _needed(operations: list[Operation], outputs: list[Variable]) -> list[Operation]:
    """Those of the operations that the outputs hang on."""
    needed, kept = {*outputs}, []
    for operation in reversed(operations):
        if needed & set(operation.outputs):
            needed |= set(operation.inputs)
            kept.append(operation)
    return kept[::-1]


class _Simple:
    """Operations under way, in the words of the head of this file."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._now: dict[Variable, Variable] = {}  # what stands for JAX's variable

    def add(self, operation: Operation) -> None:
        """Raises ValueError for what hangs on how many observations there are."""
        name, inputs, outputs, given, _ = operation
        if name == "dim_as_value" or any(
            isinstance(size, str) and size != OPEN for x in outputs for size in x.shape
        ):
            raise InputError("this agent's policy joins observations, which cannot be exported.")
        now = [self._now.get(x, x) for x in inputs]
        known = all(x.array is not None for x in now)
        if name in NUMBER_BY_NUMBER:
            shape = _broadcast([x.shape for x in now])
            if known:
                self._compute(operation, now, [shape] * len(now))
            else:
                self._now[outputs[0]] = self._put(name, now, shape, outputs[0].dtype, given)
        elif name == "broadcast_in_dim" and (now[0].name or OPEN in outputs[0].shape or not known):
            # Not of weights, where that can be had without: repeated they are many.
            self._now[outputs[0]] = self._spread(now[0], inputs[0].shape, given, outputs[0].shape)
        elif known and not any(OPEN in x.shape for x in outputs):
            self._compute(operation, now, [x.shape for x in inputs])
        elif name == "gather":
            whole = [self.whole(x) for x in inputs]
            found = _cut(operation, whole) or _squares(operation, whole)
            if found is None:
                found = _lookup(operation, whole)
            self.operations += found
        else:
            whole = [self.whole(x) for x in inputs]
            self.operations.append(Operation(name, whole, outputs, given))

    def whole(self, variable: Variable) -> Variable:
        """What stands for JAX's variable, in the shape that it has there."""
        now = self._now.get(variable, variable)
        if now.shape == variable.shape:
            return now
        if now.array is not None and OPEN not in variable.shape:
            return _constant(np.asarray(jnp.broadcast_to(now.array, variable.shape)))
        return self._put("expand", [now], variable.shape, variable.dtype)

    def _put(
        self,
        name: str,
        inputs: list[Variable],
        shape: Shape,
        dtype: np.dtype,
        given: dict | None = None,
    ) -> Variable:
        output = Variable(shape, dtype)
        self.operations.append(Operation(name, inputs, [output], given or {}))
        return output

    def _compute(self, operation: Operation, now: list[Variable], shapes: list[Shape]) -> None:
        known = [x.array for x in now if x.array is not None]
        values = [jnp.broadcast_to(x, shape) for x, shape in zip(known, shapes, strict=True)]
        with jax.ensure_compile_time_eval():
            results = computed(operation.primitive, values, operation.given)
        self._now.update(zip(operation.outputs, map(_constant, results), strict=True))

    def _spread(self, x: Variable, before: Shape, given: dict, after: Shape) -> Variable:
        """x, which stands for an array of shape `before`, so that it broadcasts to `after`."""
        axes = tuple(int(axis) for axis in given["broadcast_dimensions"])
        if axes == tuple(range(len(after) - len(before), len(after))):
            return x
        padded = (1,) * (len(before) - len(x.shape)) + x.shape
        first = axes[len(before) - len(x.shape)] if x.shape else len(after)
        inserted = tuple(i for i in range(first, len(after)) if i not in axes)
        if not inserted:
            return x
        placed = dict(zip(axes, padded, strict=True))
        shape = tuple(placed.get(i, 1) for i in range(first, len(after)))
        axes_in_result = tuple(i - first for i in inserted)
        return self._put("unsqueeze", [x], shape, x.dtype, {"axes": axes_in_result})


def _cut(operation: Operation, inputs: list[Variable]) -> list[Operation] | None:
    """A gather of one slice, at a place that is known."""
    (x, place), (out,), given = inputs, operation.outputs, operation.given
    if place.array is None or place.array.ndim != 1:
        return None
    first = dict(zip(given["dimension_numbers"].start_index_map, place.array, strict=True))
    starts = tuple(int(first.get(axis, 0)) for axis in range(len(x.shape)))
    sizes = _sizes(given["slice_sizes"])
    ends = tuple(s if s == OPEN else int(s) + i for i, s in zip(starts, sizes, strict=True))
    where = {"start_indices": starts, "limit_indices": ends, "strides": None}
    if sizes == out.shape:
        return [Operation("slice", [x], [out], where)]
    cut = Variable(sizes, x.dtype)
    return [Operation("slice", [x], [cut], where), Operation("reshape", [cut], [out], {})]


def _squares(operation: Operation, inputs: list[Variable]) -> list[Operation] | None:
    """A gather that cuts squares out of pictures [n, H, W, C] -> [n, h, w, size, size, C]."""
    (x, places), numbers = inputs, operation.given["dimension_numbers"]
    form = numbers.offset_dims, numbers.collapsed_slice_dims, numbers.start_index_map
    if form != ((0, 3, 4, 5), (), (1, 2, 3)) or places.array is None or places.array.ndim != 3:
        return None
    rows, columns, channels = np.moveaxis(places.array, -1, 0)
    height, width, depth = operation.given["slice_sizes"][1:]
    down, right = (int(a[1]) if len(a) > 1 else 1 for a in (rows[:, 0], columns[0]))
    regular = (
        min(down, right) > 0
        and (rows == down * np.arange(len(rows))[:, None]).all()
        and (columns == right * np.arange(len(columns[0]))).all()
        and rows.max() + height <= x.shape[1]
        and columns.max() + width <= x.shape[2]
        and depth == x.shape[3]
        and not channels.any()
    )
    given = {"size": (int(height), int(width)), "strides": (down, right)}
    return [Operation("squares", [x], operation.outputs, given)] if regular else None


def _lookup(operation: Operation, inputs: list[Variable]) -> list[Operation]:
    """A gather of rows of a table [S..., A] at [n, S's axes] -> [n, A]. Raises ValueError."""
    (table, places), numbers = inputs, operation.given["dimension_numbers"]
    axes = tuple(range(int(places.shape[-1])))
    rest = tuple(range(1, 1 + len(table.shape) - len(axes)))
    form = numbers.offset_dims, numbers.collapsed_slice_dims, numbers.start_index_map
    sizes = (1,) * len(axes) + table.shape[len(axes) :]
    if (
        len(places.shape) != 2
        or form != (rest, axes, axes)
        or _sizes(operation.given["slice_sizes"]) != sizes
    ):
        raise InputError("this agent's policy looks things up in a way that cannot be exported.")
    return [Operation("lookup", inputs, operation.outputs, {})]


def _broadcast(shapes: list[Shape]) -> Shape:
    """The shape of all together, as NumPy has it."""
    length = max(map(len, shapes))
    padded = [(1,) * (length - len(shape)) + shape for shape in shapes]
    return tuple(next((d for d in sizes if d != 1), 1) for sizes in zip(*padded, strict=True))


def _sizes(shape: Sequence[Any]) -> Shape:
    return tuple(int(size) if isinstance(size, int | np.integer) else str(size) for size in shape)


def _fresh(variable: Any) -> Variable:
    shape, dtype = variable.aval.shape, variable.aval.dtype
    # Keys are of no type that NumPy has; what hangs on them is not needed.
    return Variable(_sizes(shape), dtype if isinstance(dtype, np.dtype) else np.dtype("V"))


def _constant(value: Any, name: str = "") -> Variable:
    if not isinstance(value, np.ndarray):
        if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            return Variable(value.shape, np.dtype("V"))
        value = np.asarray(value)
    return Variable(value.shape, value.dtype, value, name)
