"""An agent's greedy policy as one file of Python that needs nothing but NumPy.

One line for each operation of the policy's traced program (`export_program`), the weights as text
behind them. Names and numbers of the agent's file get into the source as `repr` writes them, or
through an alphabet that cannot end a string: who sends an agent does not write code.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from palestra.algorithms import name_of
from palestra.core import Masked
from palestra.envs import ENVIRONMENTS, registered
from palestra.envs.atari2600 import PREFIX
from palestra.envs.host.atari import DEFAULT, is_atari
from palestra.faults import InputError
from palestra.parts.remembering import nothing
from palestra.parts.spaces import MOST_CHOICES, flat_observation_space, flatten_observation
from palestra.tools.agents.agent import Agent
from palestra.tools.agents.episodes import gymnasium_has
from palestra.tools.export.program import (
    NUMBER_BY_NUMBER,
    OPEN,
    Operation,
    Program,
    Shape,
    Variable,
)
from palestra.version import __version__

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "eq": "==", "ne": "!=", "lt": "<", "le": "<=",
    "gt": ">", "ge": ">=", "and": "&", "or": "|",
}  # fmt: skip
_CALLS = {name: name for name in ("exp", "log", "tanh", "sqrt", "square", "sign", "floor", "ceil")}
_CALLS |= {"abs": "absolute", "neg": "negative", "max": "maximum", "min": "minimum", "pow": "power"}
_REDUCE = {"reduce_sum": "sum", "reduce_max": "max", "reduce_min": "min", "reduce_prod": "prod"}
_TAKEN = {"ENVIRONMENT", "SETTINGS"}  # names in the file that no weight may have

_HEAD = '''\
"""A trained policy in plain NumPy, written by palestra export.

Algorithm {algorithm}, environment {environment}, palestra {version}.

    from {module} import act

    {choose}  # greedy, for one observation or for a batch of them
{about}
All is as in the environment{told}. Nothing but NumPy is needed; `python {module}.py` plays ten
episodes, where Gymnasium is installed.
"""

import base64

import numpy as np

'''

_BEGIN = "total, over = 0.0, False", "total, over, memory = 0.0, False, None"
_ABOUT = """
The memory, a list of arrays, goes into the next call; where an episode begins it is None.
"""

_BATCH = '''

def _batch(observation, shapes):
    """Arrays with the axis of a batch in front, and whether it is a batch of one put there."""
    seen = [np.asarray(x) for x in observation]
    fronts = [x.shape[: max(0, x.ndim - len(shape))] for x, shape in zip(seen, shapes)]
    found = [x.shape for x in seen]
    if found != [fronts[0] + shape for shape in shapes] or len(fronts[0]) > 1:
        right = " and ".join(map(str, shapes))
        raise ValueError(f"an observation has shape {right} or, as a batch, (n, ...), not {found}.")
    one = not fronts[0]
    return ([x[None] for x in seen] if one else seen), one
'''

_HELPERS = {
    "_parts": '''

def _parts(observation, count):
    """The observation, if it is a tuple of so many."""
    if not (isinstance(observation, tuple) and len(observation) == count):
        raise ValueError(f"this part of an observation must be a tuple of {count}.")
    return observation
''',
    "_flags": '''

def _flags(choices, counts):
    """For each choice, among so many things, a flag for each of them, of which one is set."""
    flags = np.zeros((len(choices), counts.sum()), np.bool_)
    np.put_along_axis(flags, np.cumsum(counts) - counts + choices, True, -1)
    return flags
''',
    "_squares": '''

def _squares(pictures, size, strides):
    """Pictures [n, H, W, C] cut into squares [n, h, w, height, width, C]; a view."""
    cut = np.lib.stride_tricks.sliding_window_view(pictures, size, (1, 2))
    return cut[:, :: strides[0], :: strides[1]].transpose(0, 1, 2, 4, 5, 3)
''',
    "_whole": '''

def _whole(x, low, high):
    """The nearest whole numbers within bounds, of the bounds' type."""
    x = np.rint(x)
    inside = (low < x) & (x < high)
    whole = np.where(inside, x, 0).astype(low.dtype)
    return np.where(inside, whole, np.where(x <= low, low, high))
''',
}

_ARRAY = """

def _array(dtype, shape, text):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)

"""

_PLAY = '''

def play(episodes=10, seed=0):
    """The returns of episodes in gymnasium.make(ENVIRONMENT), one after another."""
    import gymnasium
{register}
    env = gymnasium.make(ENVIRONMENT, **SETTINGS)
    for episode in range(episodes):
        observation, info = env.reset(seed=seed + episode)
        {begin}
        while not over:
            {choose}
            observation, reward, terminated, truncated, info = env.step(action)
            total += float(reward)
            over = terminated or truncated
        yield total
    env.close()


if __name__ == "__main__":
    for total in play():
        print(total)
'''

_TOLD = '''

def _told(observation, info):
    """What is seen and which actions are allowed, as the environment tells them."""
    mask = info.get("action_mask")
    if isinstance(observation, dict) and "action_mask" in observation:
        rest = {key: x for key, x in observation.items() if key != "action_mask"}
        observation, mask = rest.get("observation", rest), observation["action_mask"]
    return observation, np.concatenate(mask) if isinstance(mask, tuple) else mask
'''

_NO_PLAY = """

if __name__ == "__main__":
    raise SystemExit({reason!r})
"""


def source(agent: Agent, program: Program, module: str) -> str:
    """The file. `module` is how it is called, without .py. Raises ValueError for an agent whose
    program or spaces have something that is not known here."""
    lines, masked = Lines(), isinstance(agent.observation_space, Masked)
    policy = lines.policy(program)
    act = lines.act(agent)
    settings, register, plays = _settings(agent)
    body = f"{act}{policy}"
    helpers = (text for name, text in _HELPERS.items() if f"{name}(" in body)
    head = _HEAD.format(
        algorithm=name_of(agent.algorithm),
        environment=_harmless(agent.env_id),
        version=__version__,
        module=module if module.isidentifier() and module.isascii() else "agent",
        choose=_call(agent, _taken(agent)),
        about=_ABOUT if agent.remembers else "",
        told="; the mask is flags, one for each action" if masked else "",
    )
    shown = "*_told(observation, info)" if masked else "observation"
    play = (_TOLD if masked else "") + _PLAY.format(
        register=register, choose=_call(agent, shown), begin=_BEGIN[agent.remembers]
    )
    return "".join([head, settings, act, policy, _BATCH, *helpers, *lines.weights()]) + (
        play if plays is None else _NO_PLAY.format(reason=plays)
    )


def _taken(agent: Agent) -> str:
    """What the function takes."""
    masked = isinstance(agent.observation_space, Masked)
    return "observation, action_mask" if masked else "observation"


def _call(agent: Agent, shown: str) -> str:
    """How the function is called."""
    return f"action, memory = act({shown}, memory)" if agent.remembers else f"action = act({shown})"


def _settings(agent: Agent) -> tuple[str, str, str | None]:
    """Constants that say where to play, what registers that, and why not, if it cannot be."""
    task = agent.task
    # Its module is not imported: an agent may come from anybody.
    name, register, reason = task.env_id.rsplit(":", 1)[-1], "", None
    settings: dict[str, Any] = dict(task.env_kwargs)
    if task.max_episode_steps is not None:
        settings["max_episode_steps"] = task.max_episode_steps
    if name.startswith(PREFIX):
        whole = {"life_loss": False, "clip_reward": False}  # games, with all of their points
        settings = {"preprocessing": DEFAULT, **settings, **whole}
    known = name in ENVIRONMENTS or name.startswith(PREFIX)
    if known and (task.altered or not gymnasium_has(name)):
        name, register = registered(name), "    import palestra  # registers its environments\n"
    if is_atari(name):
        settings = {}
        reason = (
            "This policy sees an Atari game's pictures as palestra's preprocessing makes them; "
            "palestra evaluate plays it."
        )
    given = ", ".join(f"{key!r}: {_setting(x)}" for key, x in settings.items())
    return f"ENVIRONMENT = {name!r}\nSETTINGS = {{{given}}}\n", register, reason


def _setting(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if type(value) is float and not isfinite(value):
        return f"float({str(value)!r})"
    if type(value) in (bool, int, float, str, type(None)):
        return repr(value)
    if type(value) in (tuple, list):
        return f"[{', '.join(map(_setting, value))}]"
    raise InputError(f"the environment's parameter {value!r} cannot be written to a file.")


def _harmless(text: str) -> str:
    """Text that ends no string and begins no line."""
    return re.sub(r"[^A-Za-z0-9_./: -]", "?", text)[:200]


class Lines:
    """The source under way: what each variable is called, and the arrays that it names."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._names: dict[Variable, str] = {}

    def policy(self, program: Program) -> str:
        """The function from flat observations to flat actions."""
        observed = len(program.inputs) - len(program.memory)
        taken = [f"seen{i}" for i in range(observed)] if observed != 1 else ["seen"]
        taken += [f"memory{i}" for i in range(len(program.memory))]
        self._names.update(zip(program.inputs, taken, strict=True))
        lines = []
        for operation in program.operations:
            expression = self._expression(operation)
            for output in operation.outputs:
                self._names[output] = f"x{len(self._names)}"
            left = ", ".join(self._names[output] for output in operation.outputs)
            several = "," if operation.name == "split" and len(operation.outputs) == 1 else ""
            lines.append(f"{left}{several} = {expression}")
        values, memory = (
            ", ".join(self._name(x) for x in each) for each in (program.values, program.memory)
        )
        then = f", [{memory}]" if program.memory else ""
        lines.append(f"return {self._name(program.output)}, [{values}]{then}")
        if any(re.search(rf"\b{OPEN}\b", line) for line in lines):
            lines.insert(0, f"{OPEN} = len({taken[0]})")
        text = (
            '"""Greedy actions [n, ...] for observations [n, ...], both as networks have them, and '
            'the\n    values that choices are the largest of."""'
        )
        return "\n    ".join([f"\n\ndef _policy({', '.join(taken)}):", text, *lines]) + "\n"

    def act(self, agent: Agent) -> str:
        """The function between the spaces of the environment."""
        space = agent.observation_space
        if isinstance(space, Masked):  # in the order of the program's inputs, which is JAX's
            leaves = [("action_mask", space["action_mask"])]
            leaves += _leaves(space["observation"], "observation")
        else:
            leaves = list(_leaves(space, "observation"))
        seen = [name for name, _ in leaves]
        shapes = [repr(_plain(leaf.shape or ())) for _, leaf in leaves]
        flat = [x for i, (_, leaf) in enumerate(leaves) for x in self._see(leaf, f"x[{i}]")]
        actions = list(_leaves(agent.action_space, "action"))
        sizes = [int(np.prod(leaf.shape or (), dtype=int)) for _, leaf in actions]
        ends = np.cumsum(sizes).tolist()
        choice = sum(sizes) == 1 and not isinstance(actions[0][1], Box)
        cut = lambda end, size: "action" if len(sizes) == 1 else f"action[:, {end - size}:{end}]"
        parts = [
            self._do(leaf, "action" if choice and size else cut(end, size), size)
            for (_, leaf), end, size in zip(actions, ends, sizes, strict=True)
        ]
        lines = [f"x, one = _batch({_list(seen)}, {_list(shapes)})"]
        takes = then = result = ""
        if agent.remembers:
            takes, then, result = ", memory=None", ", memory", ", memory"
            none = jax.tree.leaves(jax.tree.map(np.asarray, nothing(agent.algorithm, agent.spec)))
            names = [self.named(f"no_memory_{i}", x) for i, x in enumerate(none)]
            lines += [
                "if memory is None:",
                f"    memory = [np.repeat(m[None], len(x[0]), 0) for m in [{', '.join(names)}]]",
                "elif one:",
                "    memory = [m[None] for m in memory]",
            ]
            flat += ["*memory"]
        lines += [f"action, _{then} = _policy({_list(flat)[1:-1]})"]
        lines += ["memory = [m[0] for m in memory] if one else memory"] if then else []
        if isinstance(agent.action_space, Dict | Tuple):
            lines += [
                f"parts = {_list(parts)}",
                "parts = [part[0] for part in parts] if one else parts",
                f"return {_nested(agent.action_space, iter(range(len(parts))))}{result}",
            ]
        else:
            lines += [f"action = {parts[0]}"] if parts[0] != "action" else []
            chosen = "action[0] if one else action"
            lines += [f"return ({chosen}){result}" if result else f"return {chosen}"]
        text = (
            '"""The greedy action for one observation, or for a batch with one more axis first."""'
        )
        return "\n    ".join([f"\n\ndef act({_taken(agent)}{takes}):", text, *lines]) + "\n"

    def weights(self) -> Iterator[str]:
        """The arrays that the functions name."""
        yield _ARRAY
        for name, array in self.arrays.items():
            little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
            text = base64.encodebytes(little.tobytes()).decode()
            shape = _plain(array.shape)
            yield f'{name} = _array({little.dtype.str!r}, {shape!r}, """\n{text}""")\n'

    def _name(self, x: Variable, typed: bool = True) -> str:
        """What a variable is called; numbers are written as they are, with their type if asked."""
        if x.array is None:
            return self._names[x]
        if x.shape == ():
            return f"{_type(x.dtype)}({_number(x.array)})" if typed else _number(x.array)
        return self.named(x.name or "constant", x.array)

    def named(self, wanted: str, array: np.ndarray) -> str:
        """A name for an array, of capitals, digits and _ alone."""
        base = re.sub(r"[^A-Z0-9]+", "_", wanted.upper()).strip("_")
        base = base if base[:1].isalpha() else f"W_{base}"
        name, count = base, 1
        while name in _TAKEN or self.arrays.get(name, array) is not array:
            name, count = f"{base}_{count}", count + 1
        self.arrays[name] = array
        return name

    def _expression(self, operation: Operation) -> str:
        name, inputs, outputs, given, _ = operation
        values = inputs[1:] if name == "select_n" else inputs
        typed = name not in NUMBER_BY_NUMBER or all(v.array is not None for v in values)
        x, out = [self._name(v, typed) for v in inputs], outputs[0]
        if name in _INFIX and not (name == "div" and out.dtype.kind != "f"):
            return f"{x[0]} {_INFIX[name]} {x[1]}"
        if name in _CALLS:
            return f"np.{_CALLS[name]}({', '.join(x)})"
        if name in _REDUCE:
            return f"{x[0]}.{_REDUCE[name]}({_plain(given['axes'])!r})"
        match name:
            case "logistic":
                return f"0.5 + 0.5 * np.tanh(0.5 * {x[0]})"  # does not overflow
            case "rsqrt":
                return f"1.0 / np.sqrt({x[0]})"
            case "integer_pow":
                return f"{x[0]} ** {int(given['y'])}"
            case "not" if out.dtype == bool:
                return f"~{x[0]}"
            case "clamp":
                return f"np.minimum(np.maximum({x[1]}, {x[0]}), {x[2]})"
            case "select_n" if len(x) == 3:
                return f"np.where({x[0]}, {x[2]}, {x[1]})"
            case "convert_element_type":
                return f"{x[0]}.astype({_type(out.dtype)})"
            case "dot_general":
                return _product(x, inputs, given)
            case "argmax" | "argmin":
                return f"{x[0]}.{name}({int(given['axes'][0])}).astype({_type(out.dtype)})"
            case "unsqueeze":
                kept = (i not in given["axes"] for i in range(len(out.shape)))
                return f"{x[0]}[{', '.join(':' if keep else 'None' for keep in kept)}]"
            case "expand":
                return f"np.broadcast_to({x[0]}, {_shape(out.shape)})"
            case "reshape" | "squeeze" if not given.get("dimensions") or name == "squeeze":
                return f"{x[0]}.reshape({_shape(out.shape)})"
            case "transpose":
                return f"{x[0]}.transpose({_plain(given['permutation'])!r})"
            case "concatenate":
                return f"np.concatenate([{', '.join(x)}], {int(given['dimension'])})"
            case "stack":
                return f"np.stack([{', '.join(x)}], {int(given['axis'])})"
            case "split":
                ends = np.cumsum(_plain(given["sizes"]))[:-1].tolist()
                return f"np.split({x[0]}, {ends}, {int(given['axis'])})"
            case "slice":
                return f"{x[0]}[{', '.join(_cuts(given, inputs[0].shape))}]"
            case "squares":
                return f"_squares({x[0]}, {given['size']!r}, {given['strides']!r})"
            case "lookup":
                return f"{x[0]}[tuple({x[1]}.T)]"
        raise InputError(f"this agent's policy has a {name!r}, which has no line of NumPy here.")

    def _see(self, leaf: Any, x: str) -> list[str]:
        """A leaf's values as those that the policy takes, as parts.spaces.flatten_observation."""
        match leaf:
            case Discrete():
                less = f" - {int(leaf.start)}" if leaf.start else ""
                return [f"np.asarray({x}{less}, np.int32)"]
            case MultiDiscrete():
                size, start = int(leaf.nvec.size), leaf.start.ravel().tolist()
                if size > MOST_CHOICES:
                    choices = f"{x}.reshape(-1, {size}) - np.array({start!r})"
                    return [f"_flags({choices}, np.array({leaf.nvec.ravel().tolist()!r}))"]
                each = [
                    f"{x}.reshape(-1, {size})[:, {i}]" + (f" - {first}" if first else "")
                    for i, first in enumerate(start)
                ]
                return [f"np.asarray({choice}, np.int32)" for choice in each]
            case Box() | MultiBinary():
                flat = flat_observation_space(leaf)
                kept = flat.dtype in (np.bool_, np.uint8)
                kind = _type(flat.dtype if kept else np.dtype(np.float32))
                return [f"np.asarray({x}{_arranged(leaf, flat)}, {kind})"]
        raise InputError(f"an observation with {type(leaf).__name__} cannot be exported.")

    def _do(self, leaf: Any, x: str, size: int) -> str:
        """A leaf's actions, of its numbers, as parts.spaces.unflatten_action."""
        shape = _plain(leaf.shape or ())
        if x.startswith("action["):
            flat = shape == (size,)
            x = x if flat else f"{x}.reshape({_shape((-1, *shape))})"
        elif shape not in ((size,), ()):
            x = f"{x}.reshape({_shape((-1, *shape))})"
        kind = _type(leaf.dtype)
        match leaf:
            case Discrete():
                return f"{x}.astype({kind})" + (f" + {int(leaf.start)}" if leaf.start else "")
            case MultiDiscrete():
                more = f" + np.array({leaf.start.tolist()!r}, {kind})" if leaf.start.any() else ""
                return f"{x}.astype({kind}){more}"
            case MultiBinary():
                return f"{x}.astype({kind})"
            case Box() if leaf.dtype == np.float32:
                return x
            case Box():
                low, high = (
                    self.named(*bound) for bound in (("low", leaf.low), ("high", leaf.high))
                )
                if leaf.dtype.kind == "f":
                    return f"np.clip({x}.astype({kind}), {low}, {high})"
                return f"_whole({x}, {low}, {high})"
        raise InputError(f"an action with {type(leaf).__name__} cannot be exported.")


def _leaves(space: gymnasium.Space, name: str) -> Iterator[tuple[str, Any]]:
    """What nested Dicts and Tuples are made of, in Gymnasium's order, each with how to get it."""
    if isinstance(space, Dict):
        for key, part in space.spaces.items():
            yield from _leaves(part, f"{name}[{_key(key)}]")
    elif isinstance(space, Tuple):
        for i, part in enumerate(space.spaces):
            yield from _leaves(part, f"_parts({name}, {len(space)})[{i}]")
    else:
        yield name, space


def _nested(space: gymnasium.Space, places: Iterator[int]) -> str:
    """parts[0], parts[1], ... in the Dicts and Tuples of the space."""
    if isinstance(space, Dict):
        inside = (f"{_key(key)}: {_nested(x, places)}" for key, x in space.spaces.items())
        return f"{{{', '.join(inside)}}}"
    if isinstance(space, Tuple):
        return f"({''.join(f'{_nested(x, places)}, ' for x in space)})"
    return f"parts[{next(places)}]"


def _list(items: list[str]) -> str:
    """A list, one line for each of several."""
    lines = "".join(f"\n        {item}," for item in items)
    return f"[{lines}\n    ]" if len(items) > 1 else f"[{items[0]}]"


def _key(key: Any) -> str:
    if type(key) not in (str, int):
        raise InputError(f"a Dict with the key {key!r} cannot be exported; keys are words.")
    return repr(key)


def _arranged(leaf: Any, flat: Any) -> str:
    """What makes a vector or a picture of a leaf's values [n, ...], where they are not yet so."""
    shape, wanted = _plain(leaf.shape), _plain(flat.shape)
    if shape == wanted:
        return ""
    values = np.random.default_rng(0).integers(0, 2, (1, *shape)).astype(leaf.dtype)
    right = flatten_observation(leaf, values)
    for rows in range(len(shape) - 1 if len(wanted) == 3 else 1):
        moved = values.transpose(_order(rows, len(shape))) if rows else values
        if np.array_equal(moved.reshape(1, *wanted), right):
            reshaped = f".reshape({_shape((-1, *wanted))})"
            return f".transpose({_order(rows, len(shape))!r}){reshaped}" if rows else reshaped
    raise InputError(f"an observation with {leaf} cannot be exported.")


def _order(rows: int, count: int) -> tuple[int, ...]:
    """The axes of [n, *shape] with rows and columns behind the first, of `count` in the shape."""
    first = (0, rows + 1, rows + 2)
    return *first, *(i for i in range(count + 1) if i not in first)


def _product(x: list[str], inputs: list[Variable], given: dict) -> str:
    (left, right), batched = given["dimension_numbers"]
    if any(batched):
        raise InputError("this agent's policy has products in a batch, which have no line here.")
    axes = _plain(left), _plain(right)
    if axes == ((1,), (0,)) and [len(v.shape) for v in inputs] == [2, 2]:
        return f"{x[0]} @ {x[1]}"
    return f"np.tensordot({x[0]}, {x[1]}, {axes!r})"


def _cuts(given: dict, shape: Shape) -> Iterator[str]:
    steps = given["strides"] or [1] * len(shape)
    for first, last, step, size in zip(
        given["start_indices"], given["limit_indices"], steps, shape, strict=True
    ):
        begin = str(int(first)) if first != 0 else ""
        end = "" if str(last) == str(size) else str(int(last))
        yield f"{begin}:{end}" + (f":{int(step)}" if step != 1 else "")


def _shape(shape: Shape) -> str:
    """A shape, with what is not known yet by its name."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _plain(sizes: Iterable[Any]) -> tuple[int, ...]:
    return tuple(int(size) for size in sizes)


def _type(dtype: Any) -> str:
    name = np.dtype(dtype).name
    return "np.bool_" if name == "bool" else f"np.{name}"


def _number(array: np.ndarray) -> str:
    value = array.item()
    if isinstance(value, bool | int) or isfinite(value):
        return repr(value)
    return "np.nan" if value != value else f"{'-' if value < 0 else ''}np.inf"
