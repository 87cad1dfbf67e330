"""Exported policies act as their agents do, need nothing, and hold no code of a stranger's."""

import ast
import json
import runpy
import subprocess
import sys
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.vector.utils import batch_space, iterate

from palestra.algorithms import ALGORITHMS, algorithm_class, served
from palestra.core import Frames, Remembers, Spec
from palestra.envs import make
from palestra.parts.spaces import (
    flat_action_space,
    flat_observation_space,
    flatten_observation,
    unflatten_action,
)
from palestra.tools import export
from palestra.tools.agents.agent import Agent, load
from palestra.tools.agents.episodes import in_gymnasium
from palestra.tools.agents.policy import reads
from palestra.tools.cli import main
from palestra.tools.environments.foreign import Foreign
from palestra.tools.environments.task import Task
from palestra.tools.environments.whose import task_of
from palestra.tools.export import Comparison, compare, observations, to_numpy, to_onnx
from palestra.tools.export import as_numpy as export_numpy
from palestra.tools.export import as_onnx as export_onnx
from palestra.tools.export import program as export_program

SPACES = {
    name: (env.observation_space, env.action_space)
    for name in (
        *("CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0", "FrozenLake-v1"),
        *("Blackjack-v1", "MinAtar/Breakout-v1"),
    )
    for env in [make(name)]
}
# As Atari's games are seen, in the two forms that have networks of their own.
SPACES |= {f"{side} x {side}": (Frames(side, side, stack=4), Discrete(4)) for side in (42, 84)}
SPACES |= {"several choices": (Box(-1, 1, (3,)), MultiDiscrete([2, 3]))}
ROOM = Dict(
    OrderedDict(
        [
            ("where", Discrete(3, start=1)),
            ("camera", Box(0, 255, (3, 8, 8), np.uint8)),
            ("films", Box(0, 255, (2, 1, 9, 8), np.uint8)),
            ("arm", Tuple([Box(-1, 1, (2, 2), np.float64), MultiBinary(2)])),
            ("cards", MultiDiscrete([3, 2], start=[-1, 4])),
            ("deck", MultiDiscrete([2] * 17, start=range(17))),
        ]
    )
)
HANDS = Dict(grip=MultiBinary(2), finger=MultiDiscrete([[3], [2]], start=[[5], [-1]]))
LEVER = Tuple([Discrete(4, start=-2, dtype=np.int8)])
FORCE = Tuple([Box(-0.1, 0.1, (2, 1), np.float64), Box(0, 9, (1,), np.uint8)])


def agent_of(name: str, spaces: tuple, task: Task | str = "CartPole-v1", **settings: Any) -> Agent:
    """An agent of random numbers, so that no weight is 0 or 1."""
    algorithm = algorithm_class(name)(**settings)
    spec = Spec(flat_observation_space(spaces[0]), flat_action_space(spaces[1]), 2)
    rng, arrays = np.random.default_rng(0), {}
    for leaf, form in reads(algorithm, spec).items():
        x = rng.standard_normal(form.shape) / max(1, np.prod(form.shape[:-1])) ** 0.5
        arrays[leaf] = np.asarray(x**2 + 0.5 if leaf.endswith("variance") else x, form.dtype)
    return Agent(algorithm, spec, arrays, *spaces, task_of(task) if isinstance(task, str) else task)


@pytest.fixture(scope="module")
def cartpole() -> Agent:
    return agent_of("dqn", SPACES["CartPole-v1"])


def numbers(action: Any) -> np.ndarray:
    return np.concatenate([np.ravel(x).astype(float) for x in jax.tree.leaves(action)])


def with_onnx() -> None:
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name)


def worth_of(agent: Agent) -> Any:
    """A function from flat observations to what choices are the largest of."""
    values = jax.jit(partial(export_program.values, agent))
    return lambda obs: [*map(np.asarray, values(dict(agent.arrays), obs))]


def choices(agent: Agent, obs: Any) -> np.ndarray:
    """What it chooses, as a program has it."""
    return agent.predict(obs).astype(np.int32)


def agree(agent: Agent, folder: Path) -> None:
    """Both forms act as the agent does, on observations other than those of their own check."""
    seen = observations(agent, 200, 1)
    flat = jax.tree.leaves(flatten_observation(agent.observation_space, seen))
    ours = agent.predict(seen)
    worth = worth_of(agent)(flatten_observation(agent.observation_space, seen))
    for x in worth or jax.tree.leaves(ours):
        assert np.ptp(x.astype(np.float32), 0).max() > 0.01  # else what follows shows little
    to_numpy(agent, folder / "agent.py")
    names = runpy.run_path(str(folder / "agent.py"))
    theirs = names["act"](seen)
    assert jax.tree.structure(theirs) == jax.tree.structure(ours)
    for x, y in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, atol=1e-5)
    for x, y in zip(worth, names["_policy"](*flat)[1], strict=True):
        np.testing.assert_allclose(x, y, atol=1e-4)
    with_onnx()
    to_onnx(agent, folder / "agent.onnx")
    policy = export_onnx.run(str(folder / "agent.onnx"))
    for count in (1, 7):  # any number at once
        action, values = policy(*(x[:count] for x in flat))
        some = jax.tree.map(lambda x, n=count: x[:n], seen)
        wanted = agent.predict(some)
        found = unflatten_action(agent.action_space, action)
        np.testing.assert_allclose(numbers(found), numbers(wanted), atol=1e-5)
        for x, y in zip(worth, values, strict=True):
            np.testing.assert_allclose(x[:count], y, atol=1e-4)


# Those that remember are held to whole episodes, further below.
FORGETFUL = [name for name in ALGORITHMS if not isinstance(algorithm_class(name), Remembers)]


@pytest.mark.parametrize("name", FORGETFUL)
def test_every_algorithm_is_exported(name: str, tmp_path: Path) -> None:
    tasks = ("CartPole-v1", "Blackjack-v1", "Pendulum-v1")
    task = next(task for task in tasks if served(name, *SPACES[task]))
    agree(agent_of(name, SPACES[task]), tmp_path)


@pytest.mark.parametrize(
    ("name", "task", "settings"),
    [
        ("ppo", "Pendulum-v1", {"normalize_obs": True}),
        ("ppo", "MountainCarContinuous-v0", {}),
        ("ppo", "several choices", {"shared": True}),
        ("sac", "Pendulum-v1", {"normalize_obs": True}),
        ("q_learning", "FrozenLake-v1", {}),
        ("dqn", "CartPole-v1", {"dueling": True, "normalize_obs": True}),
        ("dqn", "FrozenLake-v1", {}),
        ("ppo", "MinAtar/Breakout-v1", {}),
        ("dqn", "42 x 42", {}),
    ],
)
def test_more_of_them(name: str, task: str, settings: dict, tmp_path: Path) -> None:
    agree(agent_of(name, SPACES[task], **settings), tmp_path)


@pytest.mark.parametrize("half", [False, True])
def test_large_pictures(half: bool, tmp_path: Path, monkeypatch) -> None:
    """On a GPU their products are of bfloat16, which neither form has."""
    monkeypatch.setattr(export, "OBSERVATIONS", 40)
    monkeypatch.setattr(export, "AT_ONCE", 20)
    agent = agent_of("dqn", SPACES["84 x 84"])
    if half:
        monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert export_program.trace(agent).half == half
    found = to_numpy(agent, tmp_path / "agent.py")
    assert found.observations == 40
    with_onnx()
    to_onnx(agent, tmp_path / "agent.onnx")


@pytest.mark.parametrize(("name", "actions"), [("ppo", HANDS), ("ppo", LEVER), ("td3", FORCE)])
def test_the_file_keeps_to_the_spaces_of_the_environment(name, actions, tmp_path: Path) -> None:
    agent = agent_of(name, (ROOM, actions), hidden=(16,))
    agree(agent, tmp_path)
    act = runpy.run_path(str(tmp_path / "agent.py"))["act"]
    for obs in iterate(batch_space(ROOM, 5), observations(agent, 5, 2)):
        action = act(obs)
        assert actions.contains(action)
        np.testing.assert_allclose(numbers(action), numbers(agent.predict(obs)), atol=1e-5)


def test_it_takes_one_observation_or_a_batch(cartpole: Agent, tmp_path: Path) -> None:
    to_numpy(cartpole, tmp_path / "agent.py")
    act = runpy.run_path(str(tmp_path / "agent.py"))["act"]
    one = act([0.0, 0.1, 0.0, -0.1])
    assert one.shape == ()
    assert cartpole.action_space.contains(one)
    assert act(np.zeros((3, 4))).shape == (3,)
    for wrong in (np.zeros(5), np.zeros((2, 3, 4)), 0.0):
        with pytest.raises(ValueError, match=r"^an observation has shape \(4,\) or, as a batch"):
            act(wrong)
    cards = agent_of("q_learning", SPACES["Blackjack-v1"])
    to_numpy(cards, tmp_path / "cards.py")
    act = runpy.run_path(str(tmp_path / "cards.py"))["act"]
    assert act((12, 3, 1)) == cards.predict((12, 3, 1))
    for wrong in ([12, 3, 1], (12, 3)):
        with pytest.raises(ValueError, match="must be a tuple of 3"):
            act(wrong)
    with pytest.raises(ValueError, match=r"shape \(\) and \(\) and \(\) or, as a batch"):
        act((np.zeros(2, int), np.zeros(3, int), np.zeros(2, int)))


def test_it_needs_nothing_but_numpy(cartpole: Agent, tmp_path: Path) -> None:
    to_numpy(cartpole, tmp_path / "agent.py")
    code = """
import sys
for name in ("jax", "jaxlib", "palestra", "equinox", "gymnasium", "safetensors", "scipy"):
    sys.modules[name] = None
import numpy, agent
print(agent.act(numpy.linspace(-1, 1, 40).reshape(10, 4)).tolist())
print(sorted({m.split(".")[0] for m in sys.modules} - set(sys.stdlib_module_names)))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    actions, modules = ran.stdout.splitlines()
    ours = cartpole.predict(np.linspace(-1, 1, 40).reshape(10, 4))
    assert json.loads(actions) == ours.tolist()
    foreign = set(ast.literal_eval(modules))
    assert {"jax", "palestra", "numpy"} <= foreign  # the first two as None
    assert not any(name.startswith(("onnx", "optax")) for name in foreign)


def test_it_plays(cartpole: Agent, tmp_path: Path) -> None:
    to_numpy(cartpole, tmp_path / "agent.py")
    returns = list(runpy.run_path(str(tmp_path / "agent.py"))["play"](3, seed=4))
    assert returns == in_gymnasium("CartPole-v1", cartpole, episodes=3, seed=4).returns.tolist()
    task = task_of("CartPole-v1", {"pole_mass": 0.3}, 7)
    to_numpy(replace(cartpole, task=task), tmp_path / "agent.py")
    names = runpy.run_path(str(tmp_path / "agent.py"))
    assert names["ENVIRONMENT"] == "palestra/CartPole-v1"
    assert names["SETTINGS"] == {"pole_mass": 0.3, "max_episode_steps": 7}
    assert max(names["play"](2)) <= 7


def test_the_head_says_what_it_is(cartpole: Agent, tmp_path: Path) -> None:
    to_numpy(cartpole, tmp_path / "mine.py")
    said = ast.get_docstring(ast.parse((tmp_path / "mine.py").read_text()))
    assert said is not None
    assert "Algorithm dqn, environment CartPole-v1, palestra " in said
    assert "from mine import act" in said
    with_onnx()
    import onnx

    to_onnx(cartpole, tmp_path / "mine.onnx")
    model = onnx.load(tmp_path / "mine.onnx")
    assert {entry.key: entry.value for entry in model.metadata_props} == {
        "algorithm": "dqn",
        "environment": "CartPole-v1",
    }
    shape = lambda x: [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim]
    (seen,), (action, values) = model.graph.input, model.graph.output
    assert (seen.name, shape(seen)) == ("observation", ["n", 4])
    assert (action.name, shape(action)) == ("action", ["n"])
    assert (values.name, shape(values)) == ("values", ["n", 2])


HOSTILE = [
    '"""\nraise SystemExit("owned")\n"""',
    "'); raise SystemExit('owned') #",
    "x\\'''\n\\",
    "{algorithm}{0}{register}",
    "x\r\nraise SystemExit('owned')\n",
    "this:os\u2028raise SystemExit('owned')",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_an_agent_from_a_stranger_writes_no_code(words: str, tmp_path: Path) -> None:
    seen = Dict({words: Box(-1, 1, (3,)), "b": Discrete(2)})
    task = Foreign(words, {words: words, "deep": 1.5}, 9)
    agent = agent_of("dqn", (seen, Dict({words: Discrete(2)})), task, hidden=(4,))
    agent.save(tmp_path / "agent.safetensors")
    again = load(tmp_path / "agent.safetensors")
    to_numpy(again, tmp_path / "agent.py")
    text = (tmp_path / "agent.py").read_text()
    names = runpy.run_path(str(tmp_path / "agent.py"))
    assert names["ENVIRONMENT"] == words.rsplit(":", 1)[-1]  # whose module nobody imports
    assert names["SETTINGS"] == {words: words, "deep": 1.5, "max_episode_steps": 9}
    assert names["act"]({words: np.ones(3), "b": 1}).keys() == {words}
    # Statement for statement the file of an agent with a name that does nothing.
    tame = agent_of("dqn", (Dict(a=seen[words], b=seen["b"]), Dict(a=Discrete(2))), hidden=(4,))
    to_numpy(tame, tmp_path / "tame.py")
    kinds = lambda text: [type(node) for node in ast.parse(text).body]
    assert kinds(text) == kinds((tmp_path / "tame.py").read_text())


def test_names_of_weights_become_names(cartpole: Agent) -> None:
    """Those of an agent in memory may be anything."""
    lines, x = export_numpy.Lines(), np.ones(2)
    wanted = ["q.layers.0", "q layers 0", "1; import os", "ENVIRONMENT", "\n", "ünï"]
    found = [lines.named(name, x.copy()) for name in wanted]
    assert found[:4] == ["Q_LAYERS_0", "Q_LAYERS_0_1", "W_1_IMPORT_OS", "ENVIRONMENT_1"]
    assert all(name.isidentifier() and name.isascii() for name in found)
    assert len({*found}) == len(found)
    assert lines.named("q.layers.0", lines.arrays["Q_LAYERS_0"]) == "Q_LAYERS_0"


OPERATIONS = {
    "arithmetic": lambda x: (x + 2.0 * x - 1.0 / (x * x + 1.0)) ** 3 - jnp.abs(x) ** 1.5,
    "functions": lambda x: (
        jnp.exp(-x) + jnp.log(x * x + 1.0) + jnp.sqrt(jnp.square(x)) + jnp.sign(x)
    ),
    "sigmoid": lambda x: jax.nn.sigmoid(100.0 * x) + jax.lax.rsqrt(x * x + 0.5) - jnp.tanh(x),
    "round": lambda x: jnp.floor(x) - jnp.ceil(2.0 * x) + (3.0 * x).astype(jnp.int32).astype("f4"),
    "compare": lambda x: jnp.where((x < 0.3) & ~(x <= -0.2) | (x > 1.0), x, -x),
    "compare whole": lambda x: ((jnp.floor(x) == 1.0) | (jnp.floor(x) != 0.0)).astype(jnp.float32),
    "choose numbers": lambda x: jnp.where(x >= 0.1, 1.0, -2.0),
    "clamp": lambda x: jax.lax.clamp(jnp.float32(-0.5), x, jnp.float32(0.7)),
    "slices": lambda x: jax.lax.slice_in_dim(x, 0, 4, 2, 1) - x[:, 1:3],
    "turned": lambda x: x.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 4),
    "joined": lambda x: jnp.concatenate([x, jnp.ones_like(x), x[:, :1]], -1),
    "stacked": lambda x: jnp.stack([x, 2.0 * x], 1).reshape(-1, 8),
    "split": lambda x: sum(jnp.split(x, [1, 2], 1)[:2]),
    "split in one": lambda x: jax.lax.split(x, (4,), axis=1)[0],
    "reduced": lambda x: jnp.stack([x.sum(1), x.max(1), x.min(1), x.prod(1), x.mean(1)], -1),
    "best": lambda x: jnp.stack([x.argmax(-1), x.argmin(-1)], -1),
    "product": lambda x: x @ jnp.arange(12.0).reshape(4, 3),
    "product of squares": lambda x: x.reshape(-1, 2, 2) @ jnp.arange(2.0),
    "spread": lambda x: x[:, :, None] + jnp.broadcast_to(jnp.arange(3.0), (x.shape[0], 4, 3)),
    "the same for all": lambda x: jnp.broadcast_to(jnp.arange(3.0), (x.shape[0], 3)),
    "infinite": lambda x: jnp.maximum(x, -jnp.inf) + jnp.minimum(x, jnp.inf),
    "softmax": jax.nn.softmax,
    "row of a table": lambda x: jnp.arange(12.0).reshape(4, 3)[x.argmax(-1)],
    "one of a few": lambda x: jax.nn.one_hot(x.argmax(-1), 4) * jnp.full((x.shape[0], 4), 2.0),
    "part of a picture": lambda x: x.reshape(-1, 2, 2)[..., 1:, :] + x.reshape(-1, 2, 2)[:, 0:1],
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name: str, cartpole: Agent, monkeypatch) -> None:
    """Each as JAX has it, for the open number of observations."""

    def policy(algorithm, spec, arrays, obs):
        return OPERATIONS[name](obs)

    monkeypatch.setattr(export_program, "greedy", policy)
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        program = export_program.trace(cartpole)
        right = np.asarray(OPERATIONS[name](jnp.asarray(x)))
    assert program.operations
    names: dict = {}
    exec(export_numpy.source(cartpole, program, "agent"), names)
    found, _ = names["_policy"](x)
    assert (found.shape, found.dtype) == (right.shape, right.dtype)
    np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-5)
    with_onnx()
    found, _ = export_onnx.run(export_onnx.model(cartpole, program))(x)
    assert (found.shape, found.dtype) == (right.shape, right.dtype)
    np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "policy",
    [
        lambda x: jax.lax.erf(x),
        lambda x: jnp.sort(x),
        lambda x: jax.lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x),
        lambda x: x.reshape(-1),
        lambda x: x[x.argmax(-1).argmax(-1)],
        lambda x: jnp.einsum("bi,bi->b", x, x),
    ],
)
def test_what_cannot_be_written_is_said(policy, cartpole: Agent, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(export_program, "greedy", lambda algorithm, spec, arrays, obs: policy(obs))
    with pytest.raises(ValueError, match=r"^this agent's policy "):
        to_numpy(cartpole, tmp_path / "agent.py")
    with_onnx()
    with pytest.raises(ValueError, match=r"^this agent's policy "):
        to_onnx(cartpole, tmp_path / "agent.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "damage",
    [("np.maximum", "np.minimum"), (" + Q_MLP_LAYERS_2_BIAS", ""), (".argmax", ".argmin")],
)
def test_a_file_that_acts_differently_is_not_left(damage, cartpole, tmp_path, monkeypatch) -> None:
    to_numpy(cartpole, tmp_path / "agent.py")
    before, right = (tmp_path / "agent.py").read_bytes(), export_numpy.source
    wrong = lambda *given: right(*given).replace(*damage)
    assert wrong(cartpole, export_program.trace(cartpole), "agent").encode() != before
    monkeypatch.setattr(export_numpy, "source", wrong)
    with pytest.raises(ValueError, match=r"^the file acts other than the agent on \S+ of 1,000 "):
        to_numpy(cartpole, tmp_path / "agent.py")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"agent.py": before}


@pytest.mark.parametrize(
    "damage",
    [
        ("astype(np.int64)", "astype(np.int32)"),
        ("action[0] if one else action", "action"),
        ("np.asarray(x[0], np.float32)", "np.asarray(x[0], np.float32) * 2"),
    ],
)
def test_nor_one_of_another_form(damage, cartpole: Agent, tmp_path: Path, monkeypatch) -> None:
    right = export_numpy.source
    monkeypatch.setattr(export_numpy, "source", lambda *given: right(*given).replace(*damage))
    with pytest.raises(ValueError, match="observations or gives actions in another form"):
        to_numpy(cartpole, tmp_path / "agent.py")
    assert not list(tmp_path.iterdir())


def test_nor_an_onnx_file(cartpole: Agent, tmp_path: Path, monkeypatch) -> None:
    with_onnx()
    name = "q.mlp.layers.1.weight"
    other = replace(cartpole, arrays={**cartpole.arrays, name: -cartpole.arrays[name]})
    wrong = export_onnx.model(other, export_program.trace(other))
    monkeypatch.setattr(export_onnx, "model", lambda *given: wrong)
    with pytest.raises(ValueError, match=r"^the file acts other than the agent"):
        to_onnx(cartpole, tmp_path / "agent.onnx")
    assert not list(tmp_path.iterdir())


def test_ties_are_told_from_faults(cartpole: Agent) -> None:
    """Between actions worth the same up to rounding either is right; a hundredth is no rounding."""
    arrays = dict(cartpole.arrays)
    weight, bias = arrays["q.mlp.layers.2.weight"], arrays["q.mlp.layers.2.bias"]
    for change, ties in ((1e-6, 1_000), (1e-2, None)):
        arrays["q.mlp.layers.2.weight"] = np.repeat(weight[:, :1], 2, 1)
        arrays["q.mlp.layers.2.bias"] = bias[:1] + np.float32([0, change])
        agent = replace(cartpole, arrays=dict(arrays))
        worth = worth_of(agent)
        other = lambda obs, of=agent, worth=worth: (1 - choices(of, obs), worth(obs))
        program = export_program.trace(agent)
        if ties is None:
            with pytest.raises(ValueError, match="acts other than the agent"):
                compare(agent, program, other)
        else:
            found = compare(agent, program, other)
            assert found == Comparison(1_000, ties, 0.0)
            assert str(found).endswith(" but for 1,000, where two actions are worth the same")


def test_values_are_compared_where_actions_do_not_tell(cartpole: Agent) -> None:
    arrays = {**cartpole.arrays, "q.mlp.layers.2.bias": np.float32([1000, 0])}
    agent = replace(cartpole, arrays=arrays)
    worth = worth_of(agent)
    program = export_program.trace(agent)
    for fault in (0.0, 1.0):
        policy = lambda obs, f=fault: (choices(agent, obs), [worth(obs)[0] + f])
        if fault:
            with pytest.raises(ValueError, match="acts other than the agent on 1,000 of 1,000"):
                compare(agent, program, policy)
        else:
            assert compare(agent, program, policy) == Comparison(1_000, 0, 0.0)


def test_rounding_of_numbers_is_told_from_faults() -> None:
    agent = agent_of("td3", SPACES["Pendulum-v1"])
    program = export_program.trace(agent)
    beside = lambda change: lambda obs: (agent.predict(obs) + np.float32(change), [])
    found = compare(agent, program, beside(1e-5))
    assert found.largest == pytest.approx(1e-5, rel=0.1)
    assert str(found) == "acts as the agent does on 1,000 observations, to within 1e-05"
    with pytest.raises(ValueError, match="acts other than the agent on 1,000 of 1,000"):
        compare(agent, program, beside(1e-3))
    with pytest.raises(ValueError, match=r"actions are float64 \(100, 1\), the agent's float32"):
        compare(agent, program, lambda obs: (agent.predict(obs).astype(float), []))


def test_observations_cover_what_an_agent_may_see() -> None:
    agent = agent_of("ppo", (ROOM, LEVER))
    seen = observations(agent, 1_000)
    for obs in list(iterate(batch_space(ROOM, 1_000), seen))[:50]:
        assert ROOM.contains(obs)
    assert {*seen["where"].tolist()} == {1, 2, 3}
    dark = seen["camera"].reshape(1_000, -1).mean(1)
    assert dark.min() < 30
    assert dark.max() > 220
    agent = agent_of("ppo", SPACES["CartPole-v1"], normalize_obs=True)
    agent.arrays["obs_moments.mean"][:] = 1e6
    agent.arrays["obs_moments.variance"][:] = 100.0
    units = (observations(agent, 1_000)[::2, 1] - 1e6) / 10
    assert (np.abs(units) < 10).all()  # not all of it clipped
    assert np.ptp(units) > 6


def test_what_is_there_already_is_left_alone(cartpole: Agent, tmp_path: Path) -> None:
    path = tmp_path / "agent.py"
    path.write_text("mine = 1\n")
    with pytest.raises(ValueError, match=r"agent\.py exists already and is not from palestra exp"):
        to_numpy(cartpole, path)
    assert path.read_text() == "mine = 1\n"
    to_numpy(cartpole, tmp_path / "other.py")
    to_numpy(cartpole, tmp_path / "other.py")  # our own is written anew
    with pytest.raises(ValueError, match=r"the output must be a \.py file, not "):
        to_numpy(cartpole, tmp_path / "agent.onnx")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        to_numpy(cartpole, tmp_path / "no" / "agent.py")
    with_onnx()
    (tmp_path / "agent.onnx").write_bytes(b"mine")
    with pytest.raises(ValueError, match="exists already"):
        to_onnx(cartpole, tmp_path / "agent.onnx")
    to_onnx(cartpole, tmp_path / "other.onnx")
    to_onnx(cartpole, tmp_path / "other.onnx")


def test_the_command(cartpole: Agent, tmp_path: Path, capsys) -> None:
    cartpole.save(tmp_path / "agent.safetensors")
    assert main(["export", str(tmp_path), "--numpy"]) == 0
    assert main(["export", str(tmp_path / "agent.safetensors"), "--numpy"]) == 0
    output = capsys.readouterr().out
    line = f"{tmp_path / 'agent.py'}: acts as the agent does on 1,000 observations\n"
    assert output == line * 2
    assert main(["export", str(tmp_path), "--numpy", "--output", str(tmp_path / "x.py")]) == 0
    assert sorted(x.name for x in tmp_path.iterdir()) == ["agent.py", "agent.safetensors", "x.py"]
    capsys.readouterr()
    for flags, sentence in (
        ([], "export needs --numpy, for a file of plain NumPy, or --onnx, or both."),
        (["--numpy", "--onnx", "--output", "a.py"], "--output names one file;"),
        (["--numpy", "--output", "a.txt"], "the output must be a .py file"),
    ):
        assert main(["export", str(tmp_path), *flags]) == 2
        error = capsys.readouterr().err
        assert sentence in error
        assert error.count("\n") == 1
    assert main(["export", str(tmp_path / "no"), "--numpy"]) == 2
    with_onnx()
    assert main(["export", str(tmp_path), "--onnx", "--numpy"]) == 0
    assert (tmp_path / "agent.onnx").is_file()


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_what_is_not_installed_is_said(missing, cartpole, tmp_path, monkeypatch, capsys) -> None:
    cartpole.save(tmp_path / "agent.safetensors")
    if missing == "onnxruntime":
        pytest.importorskip("onnx")
    monkeypatch.setitem(sys.modules, missing, None)
    assert main(["export", str(tmp_path), "--onnx"]) == 2
    error = capsys.readouterr().err
    assert f"needs {missing}, which is not installed: pip install 'palestra[export]'" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("name", "cell"), [("recurrent_ppo", "lstm"), ("r2d2", "gru")])
def test_what_remembers_acts_as_its_agent_over_an_episode(name, cell, tmp_path: Path) -> None:
    env = make("Positions/CartPole-v1")
    settings: dict[str, Any] = {"minibatches": 2} if name == "recurrent_ppo" else {}
    spaces = env.observation_space, env.action_space
    task = "Positions/CartPole-v1"
    agent = agent_of(name, spaces, task, units=8, hidden=(8,), cell=cell, **settings)
    to_numpy(agent, tmp_path / "agent.py")
    act = runpy.run_path(str(tmp_path / "agent.py"))["act"]
    with_onnx()
    to_onnx(agent, tmp_path / "agent.onnx")
    session = export_onnx.run(str(tmp_path / "agent.onnx"))
    shown = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    memory = theirs = None
    third = [np.zeros((1, 8), np.float32)] * (2 if cell == "lstm" else 1)
    for obs in shown:
        action, memory = agent.predict(obs, memory=memory)
        same, theirs = act(obs, theirs)
        also, _, third = session(obs[None], *third)
        assert action == same == also[0]
        for x, y, z in zip(jax.tree.leaves(memory), theirs, third, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-4)
            np.testing.assert_allclose(x, z[0], atol=1e-4)


def test_a_file_plays_in_ours_whose_id_has_a_slash(tmp_path: Path) -> None:
    env = make("MinAtar/Breakout-v1")
    agent = agent_of("ppo", (env.observation_space, env.action_space), "MinAtar/Breakout-v1")
    to_numpy(agent, tmp_path / "agent.py")
    assert "ENVIRONMENT = 'palestra/MinAtar-Breakout-v1'" in (tmp_path / "agent.py").read_text()
    agent = replace(agent, task=task_of("atari/Breakout-v5", {"preprocessing": "laptop"}))
    to_numpy(agent, tmp_path / "game.py")
    told = runpy.run_path(str(tmp_path / "game.py"))
    assert told["ENVIRONMENT"] == "palestra/atari-Breakout-v5"
    seen = {"preprocessing": "laptop", "life_loss": False, "clip_reward": False}
    assert told["SETTINGS"] == seen  # what it learned to see, of whole games
