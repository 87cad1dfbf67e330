"""A small program on scalars as plain Python, translated from the program that JAX traces.

To hand one tiny step to XLA costs about 10 µs, whatever the step does; the arithmetic of a cart-
pole takes Python one or two. So that there is still only one description of every environment, the
Python is made from it: `translate` traces a function of (arguments, key) and sorts its operations.

    of constants alone                computed now
    of the key alone                  compiled by XLA, for many keys in one call: `ahead`
    the rest                          one line of Python for each number: `now`

Whole numbers come out exactly as from XLA. Floats are computed in double precision and the results
rounded to single, so they differ from XLA's by its own rounding on the way.
"""

import math
import operator
import re
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from palestra.traced import CALLS, computed, walk

MOST_LINES = 150  # beyond, XLA is the faster one
MOST_OPERATIONS = 1000  # beyond, it is not even tried
LONGEST = 200  # characters that are put into another line: Python nests brackets only so deep


class UntranslatableError(Exception):
    """The function is too large, or uses operations that have no line of Python here."""


class Plain(NamedTuple):
    """A function of (arguments, key) in two parts."""

    ahead: Callable[[Any], list[Any]]  # key -> drawn; a JAX function, to be vmapped over keys
    now: Callable[[Sequence[Any], Sequence[Any]], list[Any]]
    """arguments' numbers, drawn's numbers (each flat) -> the results' numbers, flat"""
    source: str


_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">",
    "ge": ">=",
}  # fmt: skip
_CALLS = {name: f"math.{name}" for name in ("sin", "cos", "tan", "tanh", "exp", "log", "sqrt")}
_CALLS |= {"atan2": "math.atan2", "pow": "math.pow", "abs": "abs"}
_BITS = {"and": "&", "or": "|", "xor": "^"}
_REDUCE = {"reduce_sum": "+", "reduce_or": "or", "reduce_and": "and"}
_REDUCE_BITS = {"reduce_sum": "+", "reduce_or": "|", "reduce_and": "&"}
_WRAPS = ("add", "sub", "mul", "shift_left", "neg", "not")  # of unsigned numbers
# Functions that Python has of its own, by what JAX calls them: for each result its line, and what
# that computes.
_NAMED: dict[str, list[tuple[str, Callable]]] = {
    "sin_cos": [("math.sin({})", math.sin), ("math.cos({})", math.cos)],
    "floor_divide": [("{} // {}", operator.floordiv)],
    "remainder": [("{} % {}", operator.mod)],
}
# All that a line may call. Its text is made of names given here, of variables and of numbers alone.
_BUILTINS = {"abs": abs, "float": float, "int": int, "max": max, "min": min, "round": round}
_VARIABLE = re.compile(r"\bv\d+\b")


def translate(function: Callable, arguments: Any, key: Any) -> Plain:
    """`function(arguments, key)` in two parts. Raises UntranslatableError.

    Arguments and results are pytrees of small arrays; their numbers are listed leaf after leaf.
    """
    program = jax.make_jaxpr(function)(arguments, key)
    *given, of_key = [variable.aval for variable in program.jaxpr.invars]
    parts = _Parts(of_key)
    inputs = [_Now(aval, parts.fresh(aval.size)) for aval in given]
    taken = [name for x in inputs for name in x.numbers]
    outputs = walk(program, [*inputs, parts.key], _Constant, parts.visit)
    columns = [(parts.numbers(x), x) for x in outputs]
    results = [name for names, _ in columns for name in names]
    floats = sorted(
        {n for names, v in columns for n in names if _is_float(v) and n.startswith("v")}
    )
    handed = [name for x in parts.used for name in x.numbers]
    source = "\n    ".join(
        [
            "def now(arguments, drawn):",
            *([f"{', '.join(taken)}, = arguments"] if taken else []),
            *([f"{', '.join(handed)}, = drawn"] if handed else []),
            *parts.trimmed(results),
            *([f"{', '.join(floats)}, = unpack(pack({', '.join(floats)}))"] if floats else []),
            f"return [{', '.join(results)}]",
        ]
    )
    single = struct.Struct(f"{len(floats)}f")
    names: dict[str, Any] = {
        "__builtins__": _BUILTINS,
        "math": math,
        "pack": single.pack,
        "unpack": single.unpack,
        **parts.tables,
    }
    exec(compile(source, "<translated by palestra>", "exec"), names)
    return Plain(parts.ahead, names["now"], source)


class _Constant:
    """An array that is known now."""

    def __init__(self, value: Any):
        self.value = value


class _Drawn:
    """An array of the key alone. Its numbers have names once a line asks for them."""

    def __init__(self, aval: Any):
        self.aval = aval
        self.numbers: list[str] = []


class _Now:
    """Any other array, and what its numbers are called."""

    def __init__(self, aval: Any, numbers: list[str]):
        self.aval, self.numbers = aval, numbers


class _Parts:
    """The two parts under way: operations on the key alone, and lines of Python."""

    def __init__(self, of_key: Any):
        self.key = _Drawn(of_key)
        self.operations: list[tuple[Any, list, list[_Drawn]]] = []  # in order
        self.used: list[_Drawn] = []  # the results of these that lines ask for
        self.code: dict[str, str] = {}  # variable: expression
        self.tables: dict[str, list] = {}
        self.count = 0

    def visit(self, equation: Any, inputs: list) -> Sequence[Any] | None:
        """Put an operation where it belongs; what stands for its results."""
        name, avals = equation.primitive.name, [variable.aval for variable in equation.outvars]
        if name in CALLS:
            return self._own(equation, inputs, avals)
        if all(isinstance(x, _Constant) for x in inputs):
            with jax.ensure_compile_time_eval():
                values = [x.value for x in inputs]
                return [*map(_Constant, computed(equation.primitive, values, equation.params))]
        if not any(isinstance(x, _Now) for x in inputs):
            self.operations.append((equation, inputs, [*map(_Drawn, avals)]))
            return self.operations[-1][-1]
        if name == "scan":
            return self._loop(equation, inputs, avals)
        if name == "unstack":
            array = np.array(inputs[0].numbers, object).reshape(inputs[0].aval.shape)
            rows = np.moveaxis(array, equation.params["axis"], 0)
            return [_Now(aval, list(np.ravel(x))) for aval, x in zip(avals, rows, strict=True)]
        if len(avals) != 1:
            raise UntranslatableError(f"no line for {name}")
        operands = [self.numbers(x) for x in inputs]
        return [_Now(avals[0], _write(equation, operands, inputs, self))]

    def _own(self, equation: Any, inputs: list, avals: list) -> list[_Now] | None:
        """Python's own function in place of one of the same name, on numbers; else None."""
        own = _NAMED.get(equation.params.get("name", ""), [])
        sizes = [np.size(x.value) if isinstance(x, _Constant) else x.aval.size for x in inputs]
        single = {*sizes, *(aval.size for aval in avals)} == {1}
        if not (single and any(isinstance(x, _Now) for x in inputs) and _agrees(equation, own)):
            return None
        names = [self.numbers(x)[0] for x in inputs]
        lines = [self.assign([form.format(*names)]) for form, _ in own]
        return [_Now(aval, line) for aval, line in zip(avals, lines, strict=True)]

    def _loop(self, equation: Any, inputs: list, avals: list) -> list[Any]:
        """A scan, its lines written once for each turn."""
        given, body = equation.params, equation.params["jaxpr"]
        length = given["length"]
        # Inputs are constants, carry and arrays to go through, outputs carry and arrays that are
        # put together; the arrays have an axis more outside of the body.
        last = _same_axes(equation.invars, body.in_avals)
        first = last - _same_axes(equation.outvars, body.out_avals)
        consts, carry, xs = inputs[:first], inputs[first:last], inputs[last:]
        ys: dict[int, list[list[str]]] = {}
        for turn in range(length)[:: -1 if given["reverse"] else 1]:
            arguments = [*consts, *carry, *(self._row(x, turn) for x in xs)]
            results = walk(body, arguments, _Constant, self.visit)
            carry, out = results[: len(carry)], results[len(carry) :]
            ys[turn] = [self.numbers(y) for y in out]
        stacked = [
            _Now(aval, [name for turn in range(length) for name in ys[turn][i]])
            for i, aval in enumerate(avals[len(carry) :])
        ]
        return [*carry, *stacked]

    def _row(self, x: Any, turn: int) -> Any:
        """What a scan's turn sees of an array."""
        if isinstance(x, _Constant):
            return _Constant(np.asarray(x.value)[turn])
        row = jax.ShapeDtypeStruct(x.aval.shape[1:], x.aval.dtype)
        size = math.prod(row.shape)
        return _Now(row, self.numbers(x)[turn * size : (turn + 1) * size])

    def numbers(self, x: Any) -> list[str]:
        """What the numbers of an array are called; literals for constants."""
        if isinstance(x, _Constant):
            return [_literal(number) for number in np.ravel(np.asarray(x.value))]
        if isinstance(x, _Drawn) and not x.numbers:
            if jnp.issubdtype(x.aval.dtype, jax.dtypes.prng_key):
                raise UntranslatableError("a key among the results")
            self.used.append(x)
            x.numbers = self.fresh(x.aval.size)
        return x.numbers

    def ahead(self, key: Any) -> list[Any]:
        """What is drawn of a key."""
        values = {self.key: key}
        for equation, inputs, outputs in self.operations:
            operands = [x.value if isinstance(x, _Constant) else values[x] for x in inputs]
            results = computed(equation.primitive, operands, equation.params)
            values.update(zip(outputs, results, strict=True))
        return [values[x] for x in self.used]

    def fresh(self, size: int) -> list[str]:
        self.count += size
        return [f"v{i}" for i in range(self.count - size, self.count)]

    def assign(self, expressions: Sequence[str]) -> list[str]:
        names = [e if e.isidentifier() else self.fresh(1)[0] for e in expressions]
        self.code |= {n: e for n, e in zip(names, expressions, strict=True) if n != e}
        if len(self.code) > MOST_OPERATIONS:
            raise UntranslatableError("too many operations")
        return names

    def trimmed(self, results: Sequence[str]) -> list[str]:
        """The lines that the results need; what is used once is put where it is used."""
        uses = Counter(results)
        for name, expression in reversed(self.code.items()):
            if name in uses:
                uses.update(_VARIABLE.findall(expression))
        inside: dict[str, str] = {}
        kept = []
        for name, expression in self.code.items():
            put = lambda found: f"({inside[found[0]]})" if found[0] in inside else found[0]
            expression = _VARIABLE.sub(put, expression)
            if uses[name] == 1 and name not in results and len(expression) < LONGEST:
                inside[name] = expression
            elif uses[name]:
                kept.append(f"{name} = {expression}")
        if len(kept) > MOST_LINES:
            raise UntranslatableError("too many lines")
        return kept


def _is_float(x: Any) -> bool:
    return not isinstance(x, _Constant) and jnp.issubdtype(x.aval.dtype, jnp.floating)


def _same_axes(outside: Sequence[Any], inside: Sequence[Any]) -> int:
    """How many arrays have as many axes outside of a scan as in its body."""
    pairs = zip(outside, inside, strict=True)
    return sum(len(variable.aval.shape) == len(aval.shape) for variable, aval in pairs)


def _agrees(equation: Any, own: Sequence[tuple[str, Callable]]) -> bool:
    """Whether a JAX function gives what Python's of its name give, on some pairs of numbers.

    For a name is no proof: anyone may call a function `remainder`.
    """
    if len(own) != len(equation.outvars):
        return False
    function = equation.params["jaxpr"]
    for pair in ((7, 3), (-7, 3), (7, -3), (-5, -4)):
        if min(pair) < 0 and any(aval.dtype.kind == "u" for aval in function.in_avals):
            continue
        kinds = zip(pair, function.in_avals, strict=False)  # a pair, or the first of it
        numbers = [np.asarray(x, aval.dtype) for x, aval in kinds]
        with jax.ensure_compile_time_eval():
            results = jaxpr_as_fun(function)(*numbers)
        for (_, python), result in zip(own, results, strict=True):
            if not np.allclose(result, python(*[x.item() for x in numbers]), atol=1e-5):
                return False
    return True


def _literal(x: Any) -> str:
    value = x.item()
    if not isinstance(value, bool | int | float):
        raise UntranslatableError(f"no literal for {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        return (
            f"math.{'nan' if math.isnan(value) else 'inf'}" if value != -math.inf else "-math.inf"
        )
    return f"({value!r})" if value < 0 else repr(value)


def _write(equation: Any, operands: list, inputs: list, parts: _Parts) -> list[str]:
    """The lines of one operation; the names of its result's numbers."""
    name, aval, given = equation.primitive.name, equation.outvars[0].aval, equation.params
    avals = [atom.aval for atom in equation.invars]
    arranged = _arrange(name, given, avals, operands, aval)
    if arranged is not None:
        return arranged
    if name in ("gather", "dynamic_slice"):
        return _look_up(name, given, aval, operands, inputs, parts)
    if name in _REDUCE or name in ("reduce_max", "reduce_min"):
        return parts.assign(_reduced(name, given, avals[0], operands[0]))
    try:
        rows = _together(operands, avals, aval)
    except ValueError:  # it is not number by number
        raise UntranslatableError(f"no line for {name}") from None
    return parts.assign([_expression(name, given, avals, x, aval) for x in rows])


def _together(operands: list[list[str]], avals: list, aval: Any) -> list[tuple[str, ...]]:
    """Operands number by number, spread over the result's shape. ValueError if they do not fit."""
    spread = [
        np.broadcast_to(np.array(x, object).reshape(given.shape), aval.shape).ravel()
        for x, given in zip(operands, avals, strict=True)
    ]
    return list(zip(*spread, strict=True))


def _arrange(name: str, given: dict, avals: list, operands: list, aval: Any) -> list[str] | None:
    """Results of operations that only move numbers about, which costs no line at all."""
    as_array = lambda i: np.array(operands[i], object).reshape(avals[i].shape)
    match name:
        case "reshape" | "squeeze" | "expand_dims":
            return operands[0]
        case "broadcast_in_dim":
            shape = [1] * len(aval.shape)
            for axis, size in zip(given["broadcast_dimensions"], avals[0].shape, strict=True):
                shape[axis] = size
            return list(np.broadcast_to(as_array(0).reshape(shape), aval.shape).ravel())
        case "concatenate":
            parts = [as_array(i) for i in range(len(operands))]
            return list(np.concatenate(parts, axis=given["dimension"]).ravel())
        case "stack":
            parts = [as_array(i) for i in range(len(operands))]
            return list(np.stack(parts, axis=given["axis"]).ravel())
        case "slice":
            steps = given["strides"] or [1] * len(aval.shape)
            cuts = zip(given["start_indices"], given["limit_indices"], steps, strict=True)
            return list(as_array(0)[tuple(slice(*cut) for cut in cuts)].ravel())
        case "transpose":
            return list(as_array(0).transpose(given["permutation"]).ravel())
        case "rev":
            return list(np.flip(as_array(0), given["dimensions"]).ravel())
    return None


def _reduced(name: str, given: dict, aval: Any, operand: list[str]) -> list[str]:
    array, axes = np.array(operand, object).reshape(aval.shape), given["axes"]
    kept = [i for i in range(array.ndim) if i not in axes]
    rows = array.transpose(*kept, *axes).reshape(-1, math.prod(aval.shape[i] for i in axes))
    if name in _REDUCE:
        word = _REDUCE[name] if aval.dtype == bool else _REDUCE_BITS[name]
        return [_wrapped(f" {word} ".join(row), aval.dtype) for row in rows]
    return [f"{name[-3:]}({', '.join(row)})" if len(row) > 1 else row[0] for row in rows]


def _look_up(
    name: str, given: dict, aval: Any, operands: list, inputs: list, parts: _Parts
) -> list[str]:
    """One entry of a constant table."""
    if aval.size != 1 or not isinstance(inputs[0], _Constant):
        raise UntranslatableError("a slice of an array at a place not known before")
    table = np.asarray(inputs[0].value)
    places = operands[1] if name == "gather" else [x[0] for x in operands[1:]]
    if name == "gather" and given["dimension_numbers"].start_index_map != tuple(range(table.ndim)):
        raise UntranslatableError("a gather of another form")
    if given.get("mode") is jax.lax.GatherScatterMode.FILL_OR_DROP:
        raise UntranslatableError("a gather that gives no number beyond the end")
    label = f"table{len(parts.tables)}"
    parts.tables[label] = table.tolist()
    inside = [f"min(max({p}, 0), {n - 1})" for p, n in zip(places, table.shape, strict=True)]
    return parts.assign([label + "".join(f"[{i}]" for i in inside)])


def _expression(name: str, given: dict, avals: list, x: tuple[str, ...], aval: Any) -> str:
    """One number of an operation's result, as an expression of its operands' numbers."""
    expression = _operation(name, given, avals[0].dtype, x, aval)
    return _wrapped(expression, aval.dtype) if name in _WRAPS else expression


def _wrapped(expression: str, dtype: Any) -> str:
    """Unsigned numbers begin anew beyond the largest; the signed are taken to stay in range."""
    if np.dtype(dtype).kind != "u":
        return expression
    return f"({expression}) & {np.iinfo(dtype).max}"


def _converted(x: str, source: np.iinfo, target: np.iinfo) -> str:
    """A whole number of one kind as one of another: the same, or the one of the same low bits."""
    if target.min <= source.min and source.max <= target.max:
        return x
    if target.min == 0:
        return f"{x} & {target.max}"
    return f"(({x} - {target.min}) & {target.max - target.min}) + {target.min}"


def _operation(name: str, given: dict, source: Any, x: tuple[str, ...], aval: Any) -> str:
    kind = np.dtype(source).kind  # b, i, u or f
    if name in _INFIX:
        return f"{x[0]} {_INFIX[name]} {x[1]}"
    if name in _CALLS:
        return f"{_CALLS[name]}({', '.join(x)})"
    if name == "or" and "False" in x:
        return x[0] if x[1] == "False" else x[1]
    if name in _BITS:
        return f"{x[0]} {_BITS[name]} {x[1]}"
    match name:
        case "max":
            return f"{x[0]} if {x[0]} > {x[1]} else {x[1]}"  # a third of the time of max()
        case "min":
            return f"{x[0]} if {x[0]} < {x[1]} else {x[1]}"
        case "div":
            return f"{x[0]} / {x[1]}" if kind == "f" else f"int({x[0]} / {x[1]})"
        case "rem":
            return (
                f"math.fmod({x[0]}, {x[1]})" if kind == "f" else f"int(math.fmod({x[0]}, {x[1]}))"
            )
        case "neg":
            return f"-{x[0]}"
        case "not":
            return f"not {x[0]}" if kind == "b" else f"~{x[0]}"
        case "square":
            return f"{x[0]} * {x[0]}"
        case "integer_pow":
            return " * ".join([x[0]] * given["y"]) if given["y"] > 0 else f"{x[0]} ** {given['y']}"
        case "sign":
            number = "float" if kind == "f" else "int"
            return f"{number}(({x[0]} > 0) - ({x[0]} < 0))"
        case "floor" | "ceil":
            return f"float(math.{name}({x[0]}))"
        case "round":
            if given["rounding_method"] != jax.lax.RoundingMethod.TO_NEAREST_EVEN:
                raise UntranslatableError("rounding away from zero")
            return f"float(round({x[0]}))"
        case "clamp":
            return f"{x[0]} if {x[1]} < {x[0]} else {x[2]} if {x[1]} > {x[2]} else {x[1]}"
        case "select_n" if len(x) == 3 and kind == "b":
            return f"{x[2]} if {x[0]} else {x[1]}"
        case "convert_element_type":
            into = np.dtype(aval.dtype).kind
            if into in "iu" and kind in "iu":
                return _converted(x[0], np.iinfo(source), np.iinfo(aval.dtype))
            if into == kind:
                return x[0]
            return f"{x[0]} != 0" if into == "b" else f"{'float' if into == 'f' else 'int'}({x[0]})"
        case "shift_left":
            return f"{x[0]} << {x[1]}"
        case "shift_right_logical" if kind == "u":
            return f"{x[0]} >> {x[1]}"
        case "shift_right_arithmetic" if kind == "i":
            return f"{x[0]} >> {x[1]}"
    raise UntranslatableError(f"no line for {name}")
