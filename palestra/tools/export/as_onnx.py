"""An agent's greedy policy as ONNX, for onnxruntime and whatever else runs such files.

One node or a few for each operation of the policy's traced program (`export_program`). The number
of observations is left open.

Not by jax2onnx, which was tried: what it writes (0.17) for the squares that pictures are cut into
onnxruntime refuses, and it installs some forty packages; the list of operations is here anyway.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from gymnasium.error import DependencyNotInstalled

from palestra.algorithms import name_of
from palestra.core import Masked
from palestra.faults import InputError
from palestra.tools.agents.agent import Agent
from palestra.tools.export.program import OPEN, Operation, Program, Shape, Variable
from palestra.version import __version__

OPSET, IR_VERSION = 17, 8  # of 2022: what nearly every runtime reads
_NODES = {
    "add": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max", "min": "Min",
    "pow": "Pow", "neg": "Neg", "abs": "Abs", "sign": "Sign", "exp": "Exp", "log": "Log",
    "tanh": "Tanh", "logistic": "Sigmoid", "sqrt": "Sqrt", "floor": "Floor", "ceil": "Ceil",
    "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater", "ge": "GreaterOrEqual",
}  # fmt: skip
_FLAGS = {"and": "And", "or": "Or", "not": "Not"}
_REDUCE = {"reduce_max": "ReduceMax", "reduce_min": "ReduceMin", "reduce_prod": "ReduceProd"}


def library(name: str = "onnx") -> Any:
    """onnx or onnxruntime. Raises DependencyNotInstalled, which names the line that installs it."""
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise DependencyNotInstalled(
            f"ONNX needs {name}, which is not installed: pip install 'palestra[export]'"
        ) from None


def model(agent: Agent, program: Program) -> bytes:
    """The file. Raises ValueError for a program that has something that is not known here, and
    DependencyNotInstalled."""
    library()
    from onnx import checker, helper

    nodes = _Nodes()
    mask = ["action_mask"] if isinstance(agent.observation_space, Masked) else []  # JAX's order
    remembered = len(program.memory)
    names = [*mask, *_numbered("observation", len(program.inputs) - len(mask) - remembered)]
    names += _numbered("memory", remembered)
    taken = [nodes.take(*pair) for pair in zip(program.inputs, names, strict=True)]
    for operation in program.operations:
        nodes.add(operation)
    names = ["action", *_numbered("values", len(program.values))]
    names += _numbered("next_memory", remembered)
    pairs = zip([program.output, *program.values, *program.memory], names, strict=True)
    given = [nodes.give(*pair) for pair in pairs]
    graph = helper.make_graph(nodes.nodes, "policy", taken, given, nodes.arrays)
    made = helper.make_model(
        graph,
        producer_name="palestra export",
        producer_version=__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    helper.set_model_props(
        made, {"algorithm": name_of(agent.algorithm), "environment": agent.env_id}
    )
    checker.check_model(made, full_check=True)
    return made.SerializeToString(deterministic=True)


class _Nodes:
    """The graph under way: its nodes, its arrays, and what each variable is called."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []
        self._names: dict[Variable, str] = {}
        self._kept: dict[str, np.ndarray] = {}
        self._open = ""  # the first input, whose first axis tells how many observations there are

    def take(self, variable: Variable, name: str) -> Any:
        """Make the variable an input."""
        from onnx import helper

        self._names[variable] = name
        self._open = self._open or name
        return helper.make_tensor_value_info(name, _kind(variable.dtype), list(variable.shape))

    def give(self, variable: Variable, name: str) -> Any:
        """Make the variable an output."""
        from onnx import helper

        self.put("Identity", [self.name(variable)], name)
        return helper.make_tensor_value_info(name, _kind(variable.dtype), list(variable.shape))

    def name(self, x: Variable) -> str:
        return self._names[x] if x.array is None else self.constant(x.array, x.name)

    def constant(self, array: Any, wanted: str = "") -> str:
        """The name of an array of the graph."""
        from onnx import numpy_helper

        array = np.ascontiguousarray(array).reshape(np.shape(array))
        name = base = wanted or "constant"
        while name in self._kept and not _same(self._kept[name], array):
            name = f"{base}_{len(self._kept)}"
        if name not in self._kept:
            self._kept[name] = array
            self.arrays.append(numpy_helper.from_array(array, name))
        return name

    def put(self, kind: str, inputs: Iterable[str], output: str = "", **attributes: Any) -> str:
        """Add a node; the name of its result."""
        from onnx import helper

        output = output or f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def add(self, operation: Operation) -> None:
        """Add an operation's nodes."""
        if operation.name == "split":
            self._split(operation)
        else:
            self._names[operation.outputs[0]] = self._nodes_of(operation)

    def _nodes_of(self, operation: Operation) -> str:
        name, inputs, (out,), given, _ = operation
        x, put, numbers = [self.name(v) for v in inputs], self.put, self._numbers
        if name in _NODES and not (name == "div" and out.dtype.kind != "f"):
            return put(_NODES[name], x)
        if name in _FLAGS and out.dtype == bool:
            return put(_FLAGS[name], x)
        if name in _REDUCE:
            return put(_REDUCE[name], x, axes=_plain(given["axes"]), keepdims=0)
        match name:
            case "reduce_sum":
                return put("ReduceSum", [x[0], numbers(given["axes"])], keepdims=0)
            case "ne":
                return put("Not", [put("Equal", x)])
            case "rsqrt":
                return put("Reciprocal", [put("Sqrt", x)])
            case "square":
                return put("Mul", [x[0], x[0]])
            case "integer_pow":
                return put("Pow", [x[0], self.constant(np.array(given["y"], out.dtype))])
            case "clamp":
                return put("Min", [put("Max", [x[1], x[0]]), x[2]])
            case "select_n" if len(x) == 3:
                return put("Where", [x[0], x[2], x[1]])
            case "convert_element_type":
                return put("Cast", x, to=_kind(out.dtype))
            case "dot_general":
                return self._product(x, inputs, given)
            case "argmax" | "argmin":
                kind, axis = ("ArgMax" if name == "argmax" else "ArgMin"), int(given["axes"][0])
                return put("Cast", [put(kind, x, axis=axis, keepdims=0)], to=_kind(out.dtype))
            case "unsqueeze":
                return put("Unsqueeze", [x[0], numbers(given["axes"])])
            case "expand":
                return put("Expand", [x[0], self._shape(out.shape)])
            case "reshape" | "squeeze" if not given.get("dimensions") or name == "squeeze":
                return put("Reshape", [x[0], self._shape(out.shape)])
            case "transpose":
                return put("Transpose", x, perm=_plain(given["permutation"]))
            case "concatenate":
                return put("Concat", x, axis=int(given["dimension"]))
            case "stack":
                axis = int(given["axis"])
                raised = [put("Unsqueeze", [each, numbers([axis])]) for each in x]
                return put("Concat", raised, axis=axis)
            case "slice":
                return self._cut(x[0], inputs[0].shape, given)
            case "squares":
                return self._squares(x[0], out, given)
            case "lookup":
                places = put("Cast", [x[1]], to=_kind(np.dtype(np.int64)))
                return put("GatherND", [x[0], places])
        raise InputError(f"this agent's policy has a {name!r}, which has no ONNX node here.")

    def _split(self, operation: Operation) -> None:
        from onnx import helper

        (x,), given = operation.inputs, operation.given
        names = [f"x{len(self.nodes)}_{i}" for i in range(len(operation.outputs))]
        inputs, axis = [self.name(x), self._numbers(given["sizes"])], int(given["axis"])
        self.nodes.append(helper.make_node("Split", inputs, names, axis=axis))
        self._names.update(zip(operation.outputs, names, strict=True))

    def _product(self, x: list[str], inputs: list[Variable], given: dict) -> str:
        (left, right), batched = given["dimension_numbers"]
        last = len(inputs[0].shape) - 1
        if any(batched) or (*left, *right) != (last, 0) or len(inputs[1].shape) > 2:
            raise InputError("this agent's policy has products that have no ONNX node here.")
        return self.put("MatMul", x)

    def _cut(self, x: str, shape: Shape, given: dict) -> str:
        steps = given["strides"] or [1] * len(shape)
        cuts = [
            (int(first), np.iinfo(np.int64).max if str(last) == str(size) else int(last), int(step))
            for first, last, step, size in zip(
                given["start_indices"], given["limit_indices"], steps, shape, strict=True
            )
        ]
        first, last, step = (self._numbers(each) for each in zip(*cuts, strict=True))
        return self.put("Slice", [x, first, last, self._numbers(range(len(shape))), step])

    def _squares(self, x: str, out: Variable, given: dict) -> str:
        """Rows of each square, then columns. [n, H, W, C] -> [n, h, height, w, width, C]"""
        for axis, count, size, stride in zip(
            (1, 3), out.shape[1:3], given["size"], given["strides"], strict=True
        ):
            places = stride * np.arange(count)[:, None] + np.arange(size)
            x = self.put("Gather", [x, self.constant(places)], axis=axis)
        return self.put("Transpose", [x], perm=(0, 1, 3, 2, 4, 5))

    def _numbers(self, numbers: Iterable[Any]) -> str:
        return self.constant(np.array(_plain(numbers), np.int64))

    def _shape(self, shape: Shape) -> str:
        """A shape, as a known array or as one that tells how many observations there are."""
        if OPEN not in shape:
            return self._numbers(shape)
        count = self.put("Shape", [self._open], start=0, end=1)
        parts = [count if size == OPEN else self._numbers([size]) for size in shape]
        return self.put("Concat", parts, axis=0)


def run(content: bytes | str) -> Callable[..., Any]:
    """A function from flat observations, leaf by leaf [n, ...], to flat actions and values, by
    onnxruntime; of an agent that remembers from memory, too, and to memory."""
    onnxruntime = library("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]

    remembered = sum(name.startswith("memory") for name in names)

    def policy(*seen: np.ndarray) -> Any:
        action, *rest = session.run(None, dict(zip(names, seen, strict=True)))
        values = len(rest) - remembered
        return (action, rest[:values], rest[values:]) if remembered else (action, rest)

    return policy


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}_{i}" for i in range(count)]


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a is b or (a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


def _kind(dtype: Any) -> int:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _plain(sizes: Iterable[Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in sizes)
