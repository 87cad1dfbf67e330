"""Agents as files: whole, exact, and refused in one sentence when they are not what they claim."""

import json
import pickle
import struct
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from safetensors import safe_open
from safetensors.numpy import save_file

from palestra import prng
from palestra.algorithms import ALGORITHMS, served
from palestra.algorithms.dqn import DQN
from palestra.algorithms.ppo import PPO
from palestra.algorithms.q_learning import QLearning
from palestra.algorithms.r2d2 import R2D2
from palestra.algorithms.td3 import TD3
from palestra.core import Frames, HasPolicy, Spec
from palestra.envs import make
from palestra.envs.classic.cartpole import CartPole
from palestra.parts.spaces import flat_action_space, flat_observation_space
from palestra.tools.agents.agent import Agent, Snapshots, load
from palestra.tools.agents.policy import estimating, reads
from palestra.tools.agents.spaces_json import describe, spaces_of
from palestra.tools.cli import main
from palestra.tools.environments.whose import task_of
from palestra.tools.pictures.film import episode


@pytest.fixture
def agent() -> Agent:
    env, algorithm = make("CartPole-v1"), DQN(hidden=(8, 6), memory_size=64, normalize_obs=False)
    spec = Spec(env.observation_space, env.action_space, 2)
    learner = jax.tree.map(lambda x: x[None], algorithm.init(spec, prng.key(0)))
    return Agent.of(algorithm, spec, "CartPole-v1", learner, 0)


@pytest.fixture
def path(agent: Agent, tmp_path: Path) -> Path:
    agent.save(tmp_path / "agent.safetensors")
    return tmp_path / "agent.safetensors"


def test_an_agent_is_what_greedy_act_reads(agent: Agent) -> None:
    names = {f"q.mlp.layers.{i}.{leaf}" for i in range(3) for leaf in ("weight", "bias")}
    assert set(agent.arrays) == names == set(reads(agent.algorithm, agent.spec))


def test_saved_and_loaded_it_acts_the_same(agent: Agent, path: Path) -> None:
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    again = load(path)
    assert (again.predict(obs) == agent.predict(obs)).all()
    assert len(set(agent.predict(obs).tolist())) == 2  # else the line above shows nothing
    assert again.algorithm == agent.algorithm
    assert again.spec == agent.spec
    assert again.env_id == "CartPole-v1"


def test_its_form_is_traced_once_unless_numbers_become_wide(path: Path, monkeypatch) -> None:
    begun, init = [], DQN.init
    monkeypatch.setattr(DQN, "init", lambda *args: begun.append(1) or init(*args))
    agent = load(path)
    obs = np.zeros(4, np.float32)
    assert agent.values(obs)[agent.predict(obs)] == agent.values(obs).max()
    assert (len(begun), agent.moments) == (1, None)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        assert reads(agent.algorithm, agent.spec)["q.mlp.layers.0.bias"].dtype == np.float64
    assert reads(agent.algorithm, agent.spec)["q.mlp.layers.0.bias"].dtype == np.float32


def test_one_that_has_acted_can_be_given_to_other_processes(path: Path) -> None:
    agent = load(path)
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    actions = agent.predict(obs)
    assert (pickle.loads(pickle.dumps(agent)).predict(obs) == actions).all()
    actions += 1  # they are the caller's own


def test_the_file_is_the_same_every_time(agent: Agent, path: Path) -> None:
    first = path.read_bytes()
    agent.save(path)
    assert path.read_bytes() == first


def test_a_file_from_before_there_were_parameters(path: Path) -> None:
    _header(path, env_kwargs=None, max_episode_steps=None)
    header = _read(path)[0]
    del header["env_kwargs"], header["max_episode_steps"]
    save_file(_read(path)[1], path, {"palestra": json.dumps(header)})
    assert load(path).task == task_of("CartPole-v1")


def test_a_file_keeps_the_parameters_of_its_task(agent: Agent, path: Path) -> None:
    task = task_of("CartPole-v1", {"pole_mass": 0.3}, -1)
    replace(agent, task=task).save(path)
    assert load(path).task == task
    assert load(path).task.env == CartPole(pole_mass=0.3)


def test_predict_takes_one_observation_or_a_batch(agent: Agent) -> None:
    one = agent.predict([0.0, 0.1, 0.0, -0.1])
    assert one.shape == ()
    assert agent.spec.action_space.contains(one)
    assert agent.predict(np.zeros((3, 4))).shape == (3,)
    with pytest.raises(ValueError, match=r"^observation has shape \(4,\), .* not \(5,\)\.$"):
        agent.predict(np.zeros(5))
    with pytest.raises(ValueError, match=r"^an observation has shape \(4,\) or, .*\(2, 3, 4\)\.$"):
        agent.predict(np.zeros((2, 3, 4)))
    with pytest.raises(ValueError, match=r"^this is \(obs, info\), as reset gives it; give the"):
        agent.predict((np.zeros(4), {}))


VECTOR = Box(-1, 1, (4,))
CARDS = Tuple([Discrete(4), Discrete(2)])


@pytest.fixture
def card_player() -> Agent:
    """Hits on a sum of 2 or less with an ace, else sticks."""
    spec = Spec(CARDS, Discrete(2), 3)
    learner = QLearning().init(spec, prng.key(0))
    learner = learner._replace(q=learner.q.at[:3, 1, 1].set(1.0))
    one_seed = jax.tree.map(lambda x: x[None], learner)
    return Agent.of(QLearning(), spec, "Blackjack-v1", one_seed, 0)


def test_predict_takes_several_things_seen_at_once(card_player: Agent) -> None:
    assert card_player.predict((2, 1)) == 1
    assert card_player.predict((np.int64(3), 1)) == 0
    batch = (np.array([0, 2, 3, 2]), np.array([1, 1, 1, 0]))
    assert card_player.predict(batch).tolist() == [1, 1, 0, 0]
    for wrong in (2, [2, 1], (2, 1, 0)):
        with pytest.raises(ValueError, match=r"observation must be a tuple of 2, not"):
            card_player.predict(wrong)
    with pytest.raises(ValueError, match=r"an observation has shape \(\) and \(\)"):
        card_player.predict((np.zeros((2, 2), int), np.zeros((2, 2), int)))
    with pytest.raises(ValueError, match=r"an observation has shape \(\) and \(\)"):
        card_player.predict((np.zeros(2, int), np.zeros(3, int)))


def test_a_table_is_saved_and_loaded(card_player: Agent, tmp_path: Path) -> None:
    card_player.save(tmp_path / "agent.safetensors")
    again = load(tmp_path / "agent.safetensors")
    assert again.spec == card_player.spec
    assert set(again.arrays) == {"q"}
    everything = tuple(np.indices((4, 2)).reshape(2, -1))
    assert again.predict(everything).tolist() == [0, 1, 0, 1, 0, 1, 0, 0]


ROOM = Dict(
    OrderedDict(
        [
            ("where", Discrete(3, start=1)),
            ("camera", Box(0, 255, (3, 8, 8), np.uint8)),
            ("arm", Tuple([Box(-1, 1, (2, 2), np.float64), MultiBinary(2)])),
        ]
    )
)
HANDS = Dict(grip=MultiBinary(2), finger=MultiDiscrete([[3], [2]], start=[[5], [-1]]))
FORCE = Tuple([Box(-0.1, 0.1, (2, 1), np.float64), Box(0, 9, (1,), np.uint8)])


def room_agent(algorithm, action_space) -> Agent:
    spec = Spec(flat_observation_space(ROOM), flat_action_space(action_space), 2)
    learner = jax.jit(partial(algorithm.init, spec))(prng.key(1))
    spaces = ROOM, action_space
    return Snapshots(algorithm, spec, "CartPole-v1", spaces).of(learner, None)


@pytest.mark.parametrize(
    ("algorithm", "action_space"), [(PPO(hidden=(8,)), HANDS), (TD3(hidden=(8,)), FORCE)]
)
def test_an_agent_keeps_to_the_spaces_of_its_environment(algorithm, action_space, tmp_path) -> None:
    agent = room_agent(algorithm, action_space)
    agent.save(tmp_path / "agent.safetensors")
    again = load(tmp_path / "agent.safetensors")
    assert (again.observation_space, again.action_space) == (ROOM, action_space)
    assert again.spec == agent.spec
    assert [*again.observation_space] == ["where", "camera", "arm"]
    ROOM.seed(0)
    seen = [ROOM.sample() for _ in range(20)]
    batch = create_empty_array(ROOM, 20)
    concatenate(ROOM, seen, batch)
    actions = again.predict(batch)
    alone = list(iterate(batch_space(action_space, 20), actions))
    numbers = lambda action: np.concatenate([*map(np.ravel, jax.tree.leaves(action))])
    for obs, action in zip(seen, alone, strict=True):
        one = again.predict(obs)
        assert action_space.contains(one)
        assert action_space.contains(action)
        np.testing.assert_allclose(numbers(one), numbers(action), atol=1e-6)
    np.testing.assert_array_equal(numbers(actions), numbers(agent.predict(batch)))
    assert len({numbers(action).tobytes() for action in alone}) > 1


def test_a_learner_may_be_one_of_several_or_alone(agent: Agent) -> None:
    learner = agent.algorithm.init(agent.spec, prng.key(0))
    several = jax.tree.map(lambda x: np.stack([np.zeros_like(x), np.asarray(x)]), learner)
    for found in (
        Agent.of(agent.algorithm, agent.spec, "CartPole-v1", learner, None),
        Agent.of(agent.algorithm, agent.spec, "CartPole-v1", several, 1),
    ):
        assert set(found.arrays) == set(agent.arrays)
        for name, array in found.arrays.items():
            np.testing.assert_array_equal(array, agent.arrays[name])


SPACES = [
    Discrete(3),
    Discrete(3, start=-4),
    Discrete(3, dtype=np.int8),
    MultiDiscrete([2, 3]),
    MultiDiscrete([[2, 3], [4, 5]], dtype=np.uint8, start=[[1, 0], [0, 2]]),
    MultiBinary(4),
    MultiBinary([4]),
    MultiBinary([2, 3]),
    Frames(9, 8, 3, stack=4),
    Box(0, 1, ()),
    Box(0, 1, (0, 3)),
    Box(0, 1, (2, 2), bool),
    Box(-0.1, np.inf, (2,), np.float64),
    Box(np.float64([-np.inf, 0.1]), np.float64([1e300, 0.2]), dtype=np.float64),
    Box(-np.inf, np.inf, (2,), np.int64),
    Box(np.array([-(2**53) - 1, 0]), np.array([2**53 + 1, 7])),
    Box(0, 2**63, (1,), np.uint64),
    Tuple([]),
    Dict({1: Discrete(2), 2: Tuple([VECTOR])}),
    ROOM,
    HANDS,
    FORCE,
]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_a_space_is_the_same_after_it_was_written(space) -> None:
    (again,) = spaces_of(json.loads(json.dumps(describe(space), sort_keys=True)))
    assert again == space
    assert (type(again), again.dtype) == (type(space), space.dtype)
    if isinstance(space, Box):
        np.testing.assert_array_equal(again.low, space.low)
        np.testing.assert_array_equal(again.high, space.high)
        assert getattr(again, "stack", 0) == getattr(space, "stack", 0)
    if isinstance(space, Dict):
        assert [*again] == [*space]


@pytest.mark.parametrize("space", [Text(3), Dict(a=Text(3)), Dict({(0, 1): VECTOR})])
def test_other_spaces_are_not_saved(agent: Agent, space, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be saved"):
        replace(agent, observation_space=space).save(tmp_path / "agent.safetensors")
    assert not list(tmp_path.iterdir())


def _foreign(path: Path) -> None:
    save_file({"weight": np.zeros(3)}, path)


def _huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 2**60) + b"{}")


def _read(path: Path) -> tuple[dict, dict]:
    with safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()["palestra"])
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _header(path: Path, **changes) -> None:
    header, arrays = _read(path)
    save_file(arrays, path, {"palestra": json.dumps(header | changes)})


def _wrapped(description: dict, times: int) -> dict:
    for _ in range(times):
        description = {"kind": "Tuple", "spaces": [description]}
    return description


DAMAGE = {
    "empty": (lambda p: p.write_bytes(b""), "damaged or not an agent file"),
    "cut short": (lambda p: p.write_bytes(p.read_bytes()[:-20]), "damaged or not an agent file"),
    "cut in the header": (lambda p: p.write_bytes(p.read_bytes()[:50]), "damaged or not an agent"),
    "text": (lambda p: p.write_text("not an agent" * 20), "damaged or not an agent file"),
    "huge header": (_huge_header, "damaged or not an agent file"),
    "foreign": (_foreign, "not a palestra agent"),
    "newer": (lambda p: _header(p, format=99), "newer than this one"),
    "unknown algorithm": (lambda p: _header(p, algorithm="xyz"), "cannot use|can use"),
    "wrong widths": (
        lambda p: _header(p, hyperparameters={"hidden": [8, 7]}),
        "its arrays do not fit its header",
    ),
    "absurd widths": (
        lambda p: _header(p, hyperparameters={"hidden": [10**9, 10**9]}),
        "its arrays do not fit its header",
    ),
    "a picture larger than memory": (
        lambda p: _header(
            p,
            observation_space={
                "kind": "Box",
                "shape": [10**6, 10**6, 3],
                "dtype": "float32",
                "low": 0.0,
                "high": 1.0,
            },
        ),
        "spaces of 3,000,000,000,001 numbers are larger than any",
    ),
    "large pictures, each of them small enough": (
        lambda p: _header(
            p,
            observation_space={
                "kind": "Tuple",
                "spaces": [
                    {"kind": "Frames", "shape": [1000, 1000, 1], "stack": 4},
                    {"kind": "Box", "shape": [1000, -5000], "low": 0, "high": 1},
                    {"kind": "Dict", "keys": [0], "spaces": [describe(MultiBinary([3000, 3000]))]},
                ],
            },
        ),
        "spaces of 18,000,001 numbers are larger than any",
    ),
    "more to choose from than memory": (
        lambda p: _header(p, observation_space={"kind": "MultiDiscrete", "nvec": [10**9] * 20}),
        "spaces of 20,000,000,001.0 numbers are larger than any",
    ),
    "not a number to choose from": (
        lambda p: _header(p, observation_space={"kind": "MultiDiscrete", "nvec": [float("nan")]}),
        "spaces of nan numbers are larger than any",
    ),
    "spaces without a bottom": (
        lambda p: _header(p, action_space=_wrapped(describe(Discrete(2)), 40)),
        "spaces inside each other, more than 32 of them",
    ),
    "keys without spaces": (
        lambda p: _header(p, observation_space={"kind": "Dict", "keys": ["a"], "spaces": []}),
        "not an agent this palestra can use",
    ),
    "bounds of another size": (
        lambda p: _header(p, observation_space=describe(VECTOR) | {"low": [0, 1, 2]}),
        "not an agent this palestra can use",
    ),
    "bytes beyond 255": (
        lambda p: _header(p, observation_space=describe(VECTOR) | {"dtype": "uint8", "high": 256}),
        "not an agent this palestra can use",
    ),
    "what nobody learns from": (
        lambda p: _header(p, observation_space={"kind": "Tuple", "spaces": []}),
        "there is nothing to see",
    ),
    "numbers of another type": (
        lambda p: save_file(
            {name: array.astype(np.float64) for name, array in _read(p)[1].items()},
            p,
            {"palestra": json.dumps(_read(p)[0])},
        ),
        "its arrays do not fit its header",
    ),
    "fewer than no actions": (
        lambda p: _header(p, action_space={"kind": "Discrete", "n": -1}),
        "not an agent this palestra can use",
    ),
    "a header without a bottom": (
        lambda p: save_file(_read(p)[1], p, {"palestra": "[" * 100_000}),
        "not a palestra agent",
    ),
    "no environments": (lambda p: _header(p, num_envs=0), "not an agent this palestra can use"),
    "header of another kind": (lambda p: _header(p, hyperparameters=[1]), "can use"),
    "bad parameters": (lambda p: _header(p, env_kwargs=[1]), "env_kwargs must be names and values"),
    "unknown parameter": (lambda p: _header(p, env_kwargs={"pole": 1}), "has no parameter 'pole'"),
    "bad limit": (lambda p: _header(p, max_episode_steps="long"), "max_episode_steps must be"),
    "bad hyper-parameter": (
        lambda p: _header(p, hyperparameters={"gamma": 7}),
        "gamma must be a number from 0 to 1",
    ),
}


@pytest.mark.parametrize(("damage", "sentence"), DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_is_not_an_agent_is_refused(damage, sentence: str, path: Path, capsys) -> None:
    damage(path)
    with pytest.raises(ValueError, match=sentence):
        load(path)
    assert main(["evaluate", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_every_algorithm_leaves_its_memory_out_of_the_file() -> None:
    for name, row in ALGORITHMS.items():
        tasks = ("CartPole-v1", "FrozenLake-v1", "Pendulum-v1")
        spaces = ((env.observation_space, env.action_space) for env in map(make, tasks))
        spec = Spec(*next(pair for pair in spaces if served(name, *pair)), 4)
        names = reads(row.learner(), spec)
        assert names
        assert not any(name.startswith(("memory", "last", "target")) for name in names)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent / "agents").glob("*.safetensors")), ids=lambda p: p.stem
)
def test_files_of_other_versions_of_python_and_jax_act_as_they_did(path):
    kept = json.loads(path.with_suffix(".json").read_text())
    agent = load(path)
    kinds = agent.observation_space.dtype
    actions = agent.predict(np.array(kept["observations"], kinds))
    np.testing.assert_allclose(actions, kept["actions"], rtol=1e-5, atol=1e-6)


DISCRETE = [name for name, row in ALGORITHMS.items() if "discrete" in row.actions]


@pytest.mark.parametrize("name", DISCRETE)
def test_values_or_probabilities_say_what_is_chosen(name):
    algorithm = ALGORITHMS[name].learner()
    numbers = "vector" in ALGORITHMS[name].observations
    space = Box(-1, 1, (3,), np.float32) if numbers else Discrete(4)
    spec = Spec(space, Discrete(5), 4)
    learner = jax.jit(lambda: algorithm.init(spec, prng.key(0)))()
    agent = Agent.of(algorithm, spec, task_of("CartPole-v1"), learner, None)
    rng = np.random.default_rng(0)
    # Tables begin with zeros: what is learned is put there.
    fill = lambda x: rng.normal(size=x.shape).astype(x.dtype) if x.dtype.kind == "f" else x
    # No variance is below zero: moments stay as they are.
    arrays = {k: x if "moments" in k else fill(x) for k, x in agent.arrays.items()}
    agent = Agent(algorithm, spec, arrays, *spec[:2], agent.task)
    obs = rng.normal(size=(7, 3)).astype(np.float32) if numbers else np.arange(4, dtype=np.int32)
    likely = isinstance(algorithm, HasPolicy)
    tell, refuse = agent.values, agent.probabilities
    if likely:
        tell, refuse = refuse, tell
    told = tell(obs)
    assert told.shape == (len(obs), 5)
    chosen = agent.predict(obs)
    if agent.remembers:
        chosen, _ = chosen
    assert told.argmax(1).tolist() == chosen.tolist()
    assert (told.sum(1) == pytest.approx(1)) == likely
    np.testing.assert_allclose(tell(obs[0]), told[0], rtol=1e-5)
    with pytest.raises(ValueError, match=r"agent\.(values|probabilities)\(obs\)"):
        refuse(obs)


def test_probabilities_of_several_choices_and_of_numbers():
    several = agent_of("ppo", MultiDiscrete([2, 3]))
    told = several.probabilities(np.zeros((4, 3), np.float32))
    assert [x.shape for x in told] == [(4, 2), (4, 3)]
    assert [x.sum(1) for x in told] == [pytest.approx(1), pytest.approx(1)]
    with pytest.raises(ValueError, match="actions are numbers, none of which is likely"):
        agent_of("sac", Box(-1, 1, (2,))).probabilities(np.zeros(3, np.float32))


CRITICS = {"actor_critic", "a2c", "a3c", "impala", "ppo", "reinforce", "recurrent_ppo"}
CRITICS |= {"ddpg", "td3", "sac"}


def test_who_learns_a_value_of_the_moment_beside_a_policy():
    acts, kept = (Discrete(3), Box(-1, 1, (1,))), set()
    for name in ALGORITHMS:
        algorithm = ALGORITHMS[name].learner()
        seen = Box(-1, 1, (3,)) if "vector" in ALGORITHMS[name].observations else Discrete(3)
        act = acts["discrete" not in ALGORITHMS[name].actions]
        spec = Spec(seen, act, 4)
        kept |= {name} if estimating(algorithm, spec, reads(algorithm, spec)) else set()
    assert kept == CRITICS


def test_what_values_the_moment_is_kept_with_the_agent_and_apart(tmp_path):
    obs = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    agent = agent_of("ppo", Discrete(3))
    assert set(agent.arrays) == set(reads(agent.algorithm, agent.spec))
    assert not agent.critic.keys() & agent.arrays.keys()
    agent.save(tmp_path / "a.safetensors")
    again, told = load(tmp_path / "a.safetensors"), agent.estimate(obs)
    assert told.shape == (5,)
    np.testing.assert_array_equal(again.estimate(obs), told)
    np.testing.assert_allclose(agent.estimate(obs[0]), told[0], rtol=1e-5, atol=1e-6)
    replace(agent, critic={}).save(tmp_path / "a.safetensors")  # as before they were kept
    again = load(tmp_path / "a.safetensors")
    assert again.arrays.keys() == agent.arrays.keys()
    with pytest.raises(ValueError, match=r"this agent has no value to tell: "):
        again.estimate(obs)


def test_a_value_is_in_the_rewards_of_the_task():
    """The same networks, which know rewards as they are, or in deviations of 5."""
    obs, told = np.ones(3, np.float32), []
    for scaled in (False, True):
        algorithm = PPO(hidden=(4,), normalize_reward=scaled)
        spec = Spec(Box(-1, 1, (3,)), Discrete(2), 1)
        state = algorithm.init(spec, prng.key(0))
        if scaled:
            moments = state.reward_scale.moments
            moments = moments._replace(variance=np.full_like(moments.variance, 25.0))
            state = state._replace(reward_scale=state.reward_scale._replace(moments=moments))
        told.append(Agent.of(algorithm, spec, "CartPole-v1", state, None).estimate(obs))
    assert told[1] == pytest.approx(5 * told[0], rel=1e-5)
    best = agent_of("dqn", Discrete(2))
    assert best.estimate(obs) == best.values(obs).max()
    assert not agent_of("reinforce", Discrete(2), baseline=False).critic


def agent_of(name: str, actions, **settings) -> Agent:
    """An agent that has not learned."""
    algorithm = ALGORITHMS[name].learner(hidden=(4,), **settings)
    spec = Spec(Box(-1, 1, (3,)), actions, 1)
    learner = jax.jit(lambda: algorithm.init(spec, prng.key(0)))()
    return Agent.of(algorithm, spec, task_of("CartPole-v1"), learner, None)


def test_an_agent_that_remembers_gives_and_takes_a_memory() -> None:
    env, env_id = make("Positions/CartPole-v1"), "Positions/CartPole-v1"
    algorithm = R2D2(units=6, hidden=(6,), memory_size=200)
    spec = Spec(env.observation_space, env.action_space, 2)
    agent = Agent.of(algorithm, spec, env_id, algorithm.init(spec, prng.key(0)), None)
    shots, memory = episode(env, agent, key=prng.key(1)), None
    for shot, then in pairwise(shots):
        values = agent.values(shot.seen.obs, memory=memory)
        action, memory = agent.predict(shot.seen.obs, memory=memory)
        assert action == then.action == values.argmax()
        np.testing.assert_allclose(memory, then.seen.memory, atol=1e-5)
    obs, both = np.stack([shots[0].seen.obs] * 2), np.stack([memory] * 2)
    _, fresh = agent.predict(obs)
    _, mixed = agent.predict(obs, memory=both, episode_start=[True, False])
    np.testing.assert_allclose(mixed[0], fresh[0], atol=1e-6)
    assert not np.allclose(mixed[1], fresh[1])
    told = r"memory must be what predict gave .* have shape \(2, 6\), not \(6,\)\."
    with pytest.raises(ValueError, match=told):
        agent.predict(obs, memory=memory)
    with pytest.raises(ValueError, match="episode_start must be a flag, or one for each"):
        agent.predict(obs, memory=both, episode_start=[True])


def test_an_agent_that_does_not_remember_takes_none(agent: Agent) -> None:
    with pytest.raises(ValueError, match="dqn remembers nothing from step to step"):
        agent.predict(np.zeros(4, np.float32), memory=np.zeros(4))
