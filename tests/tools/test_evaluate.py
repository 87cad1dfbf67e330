"""What an agent is worth: played in Gymnasium and here, and computed from the exact model."""

from contextlib import closing
from functools import partial
from typing import ClassVar

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sizes import sizes

from palestra import envs, prng
from palestra.algorithms.a3c import A3C
from palestra.algorithms.dqn import DQN
from palestra.algorithms.ppo import PPO
from palestra.algorithms.q_learning import QLearning
from palestra.algorithms.rainbow import Rainbow
from palestra.core import Spec
from palestra.envs.host.one import Tried
from palestra.envs.toy_text.model import evaluate, solve
from palestra.envs.transforms import ScaleReward, StickyActions, TimeLimit, simulator
from palestra.faults import InputError
from palestra.runners import streams
from palestra.runners.streams import WIDTH
from palestra.tools.agents.agent import Agent
from palestra.tools.agents.episodes import LONGEST, OnHost, in_gymnasium, in_ours, model_of
from palestra.tools.agents.evaluate import judge
from palestra.tools.cli.results import episodes_said, show_results
from palestra.tools.environments.task import Task
from palestra.tools.environments.whose import task_of
from palestra.tools.runs.reading import read_metrics
from palestra.tools.statistics.definitions import student
from palestra.tools.training.resume import resume
from palestra.tools.training.train import train

TABULAR = ["FrozenLake-v1", "FrozenLake8x8-v1", "CliffWalking-v1", "Taxi-v4", "Blackjack-v1"]


def agent_of(task: Task | str, policy: np.ndarray) -> Agent:
    """Follows a policy, an action for each thing that can be seen, in order."""
    task = task_of(task) if isinstance(task, str) else task
    env, algorithm = task.env, QLearning()
    spec = Spec(env.observation_space, env.action_space, 1)
    learner = algorithm.init(spec, prng.key(0))
    actions = learner.q.shape[-1]
    q = jax.nn.one_hot(jnp.asarray(policy), actions).reshape(learner.q.shape)
    one_seed = jax.tree.map(lambda x: x[None], learner._replace(q=q))
    return Agent.of(algorithm, spec, task, one_seed, 0)


def value_of(agent: Agent) -> float | None:
    return agent.task.exact(agent)


def best(env_id: str) -> Agent:
    _, policy = solve(simulator(envs.make(env_id)).model(), gamma=0.99)
    seen = 704 if env_id == "Blackjack-v1" else len(policy)  # the rest is seen as those are
    return agent_of(env_id, policy[:seen])


@pytest.mark.parametrize(
    ("env_id", "value"),
    [
        ("FrozenLake-v1", 0.7402),
        ("FrozenLake8x8-v1", 0.86),
        ("CliffWalking-v1", -13.0),
        ("Taxi-v4", 7.93),
        ("Blackjack-v1", -0.0431),
    ],
)
def test_the_exact_value_is_what_play_comes_to(env_id, value):
    agent = best(env_id)
    found = value_of(agent)
    assert abs(found - value) < 0.005
    for play in (in_ours, in_gymnasium):
        env = envs.make(env_id) if play is in_ours else env_id
        episodes = 2_000 if play is in_ours else 400
        start = {"key": prng.key(5)} if play is in_ours else {"seed": 5}
        returns = play(env, agent, episodes=episodes, **start).returns
        assert returns.shape == (episodes,)
        mean, low, _ = student(returns)
        assert abs(mean - found) <= 2 * (mean - low)  # four standard errors


@pytest.mark.parametrize("env_id", TABULAR)
def test_the_exact_value_is_of_the_greedy_policy_and_the_tasks_limit(env_id):
    """A policy drawn at random, seen by seen."""
    env = envs.make(env_id)
    seen = 704 if env_id == "Blackjack-v1" else env.observation_space.n
    policy = np.random.default_rng(0).integers(0, env.action_space.n, seen)
    model = simulator(env).model()
    unending = LONGEST if env_id == "CliffWalking-v1" else None  # blackjack always ends
    horizon = env.limit if isinstance(env, TimeLimit) else unending
    states = len(model.start)
    values = evaluate(model, policy[np.arange(states) % seen], horizon=horizon)
    np.testing.assert_allclose(value_of(agent_of(env_id, policy)), values @ model.start, rtol=1e-9)


def test_altered_tasks_have_the_model_of_their_parameters():
    policy = np.ones(48, int)  # up from the start, then along the edge and down to the goal
    policy[36], policy[35] = 0, 2
    assert value_of(agent_of("CliffWalking-v1", policy)) == -13
    dear = task_of("CliffWalking-v1", {"step_reward": -2.0})
    assert value_of(agent_of(dear, policy)) == -26
    short = task_of("CliffWalking-v1", None, 5)
    assert value_of(agent_of(short, policy)) == -5


def test_a_policy_that_never_ends_is_given_up():
    agent = agent_of("CliffWalking-v1", np.zeros(48, int))  # up, and up against the wall
    assert value_of(agent) == -LONGEST
    for played in (
        in_ours(agent.task.env, agent, episodes=2, key=prng.key(0)),
        in_gymnasium("CliffWalking-v1", agent, episodes=2, seed=0),
    ):
        assert (played.returns == -LONGEST).all()
        told = played.as_json()
        assert (told["episodes"], told["ended"], told["given_up"]) == (2, 0, 2)


def test_a_transform_that_changes_the_world_has_no_model_of_the_bare_one():
    """Or an agent would be judged in another world than it learned in, without a word."""
    lake = envs.make("FrozenLake-v1")
    assert model_of(TimeLimit(env=lake, limit=5)) is not None
    for changed in (StickyActions(env=lake, probability=0.5), ScaleReward(env=lake, scale=2.0)):
        assert model_of(changed) is None
        assert model_of(TimeLimit(env=changed, limit=5)) is None


def test_where_there_is_no_model_there_is_no_exact_value():
    assert value_of(agent_of("Discrete/CartPole-v0", np.zeros(5184, int))) is None


@pytest.mark.parametrize(
    ("env_id", "simulators"),
    [("Blackjack-v1", {"gymnasium", "palestra", "exact"}), ("Discrete/CartPole-v0", {"palestra"})],
)
def test_tables_go_the_whole_way(env_id, simulators, tmp_path, capsys):
    """From training to a summary, a video and what the command line shows."""
    learner = QLearning()
    run = train(env_id, learner, steps=400, num_envs=4, run=tmp_path / "run", quiet=True)
    show_results([run])
    assert ("exact value" in capsys.readouterr().out) == ("exact" in simulators)
    for which, agent in (("best", run.agent), ("last", run.last)):
        assert set(run.summary[which]) == {"step", *simulators}
        assert run.summary[which].get("exact") == value_of(agent)
    assert (run.folder / "video.mp4").stat().st_size > 1_000


def test_an_id_of_cells_is_judged_by_our_simulator():
    agent = agent_of("Discrete/CartPole-v0", np.zeros(5184, int))
    result = judge(agent, episodes=20)
    assert result["simulator"] == "palestra"
    assert 8 <= result["mean"] <= 11  # always to the left, it falls soon


class Turns(gymnasium.Env):
    """Episodes of one step in the first that is made, of ten in the others; a step pays 1."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)
    made = 0

    def __init__(self):
        self.length = 10 if type(self).made else 1
        type(self).made += 1

    def reset(self, *, seed=None, options=None):
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.time += 1
        return np.zeros(1, np.float32), 1.0, self.time == self.length, False, {}


def test_short_episodes_on_the_host_do_not_count_more_often(monkeypatch):
    monkeypatch.setattr(Turns, "made", -1)  # one is made to measure a step
    algorithm = DQN(hidden=(4,), memory_size=100)
    spec = Spec(Turns.observation_space, Turns.action_space, 2)
    task = task_of(Turns)
    agent = Agent.of(algorithm, spec, task, algorithm.init(spec, prng.key(0)), None)
    with closing(OnHost(task.places(5_000), algorithm, spec, 7, lanes=2)) as play:
        lengths = [env.unwrapped.length for env in play.envs.envs]
        returns, ended, steps = play.play(agent, seed=0)
    assert ended.all()
    assert sorted(lengths) == [1, 10]
    assert sorted(returns) == [1] * (3 + (lengths[0] == 1)) + [10] * (3 + (lengths[0] == 10))
    assert steps == 2 * 10 * (3 + (lengths[0] == 10))


class Logged(gymnasium.Env):
    """Writes down every seed that it is reset with; episodes of five steps."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)
    render_mode = "rgb_array"
    seen: ClassVar[list[int]] = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time = 0
        if seed is not None:
            self.seen.append(seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.time += 1
        return np.zeros(1, np.float32), 1.0, self.time == 5, False, {}

    def render(self):
        return np.zeros((16, 16, 3), np.uint8)


class Endless(Logged):
    """Never ends by itself."""

    def step(self, action):
        return np.zeros(1, np.float32), 0.01, False, False, {}


def test_episodes_that_did_not_end_are_told(tmp_path, monkeypatch, capsys):
    sizes(monkeypatch, longest=3)
    learner = DQN(hidden=(4,), learning_starts=10, memory_size=100)
    folder = tmp_path / "run"
    run = train(
        Endless, learner, num_envs=2, steps=40, episodes=20, run=folder, video=False, quiet=True
    )
    told = run.summary["best"]["gymnasium"]
    assert (told["episodes"], told["ended"], told["given_up"]) == (7, 0, 7)  # one a lane, of 20
    assert len(told["returns"]) == 7
    show_results([run])
    out = " ".join(capsys.readouterr().out.split())
    assert "7 of 7 episodes did not end and were given up" in out
    assert "0.0300 (0.0300 to 0.0300)" in out
    *_, last = read_metrics(run.folder)
    assert last["given_up"] == len(last["evaluation"])


def test_of_one_episode_there_is_no_interval():
    result = judge(agent_of("Discrete/CartPole-v0", np.zeros(5184, int)), episodes=1)
    assert (result["low"], result["high"], result["episodes"]) == (None, None, 1)
    assert episodes_said(result, 1) == "1 greedy episode"


@pytest.mark.parametrize("flags", [{}, {"eval_every": 40, "eval_episodes": 3}])
def test_evaluations_on_the_way_are_ten_or_as_asked_for(flags, tmp_path, monkeypatch):
    monkeypatch.setattr(Logged, "seen", [])
    learner = DQN(hidden=(4,), learning_starts=10, memory_size=100)
    begin = partial(train, Logged, learner, num_envs=2, steps=200, video=False, quiet=True)
    run = begin(run=tmp_path / "run", episodes=3, **flags)
    lines = [line for line in read_metrics(run.folder) if "evaluation" in line]
    assert {len(line["evaluation"]) for line in lines} == {3 if flags else 10}
    steps = [line["step"] for line in lines]
    assert steps == [40, 80, 120, 160, 200] if flags else 11 <= len(steps) <= 13
    assert run.config["flags"]["eval_every"] == flags.get("eval_every")


def test_training_judging_exam_and_seeds_have_streams_of_their_own(tmp_path, monkeypatch):
    """Every reset of two seeds with two environments, of going on, and of a film."""
    # What tries an environment out, and throws it away, resets it with 0.
    monkeypatch.setattr("palestra.envs.host.many.step_cost", lambda name, make_env: (1e-6, False))
    monkeypatch.setattr(
        "palestra.tools.environments.hosted.try_out", lambda name, env: Tried(1, None)
    )
    monkeypatch.setattr(Logged, "seen", [])
    learner = DQN(hidden=(4,), learning_starts=10, memory_size=100)
    begin = partial(train, Logged, learner, num_envs=2, steps=200, episodes=3, quiet=True)
    runs = begin(seeds=[7, 8], run=tmp_path / "runs", checkpoint_seconds=0)
    by_use = lambda use: {s for s in Logged.seen if use * WIDTH <= s < (use + 1) * WIDTH}
    assert len(by_use(streams.TRAINING)) == 2 * 2
    assert len(by_use(streams.JUDGE)) == 2 * 5
    assert len(by_use(streams.EXAM)) == 2 * 3  # for both agents, and the first of them for the film
    assert not by_use(streams.GONE_ON)
    resume(runs[0].folder, env=Logged, steps=400, quiet=True)
    assert len(by_use(streams.GONE_ON)) == 2
    assert len(by_use(streams.TRAINING)) == 4


def uniform(algorithm, spaces, task):
    """An agent that has learned nothing."""
    spec = Spec(*spaces, 2)
    return Agent.of(algorithm, spec, task, algorithm.init(spec, prng.key(0)), None)


@pytest.mark.parametrize("task", ["CartPole-v1", task_of("CartPole-v1", {"pole_mass": 0.2})])
@pytest.mark.parametrize("learner", [PPO(hidden=(4,)), A3C(hidden=(4,)), DQN(hidden=(4,))])
def test_exploring_is_judged_as_at_the_end_of_training(task, learner):
    """A policy that knows nothing is almost uniform, where greedily it always does the same; an
    epsilon-greedy one is greedy but for its last epsilon."""
    env = envs.make("CartPole-v1")
    agent = uniform(learner, (env.observation_space, env.action_space), task)
    obs = np.tile(np.array([0.01, 0.0, 0.01, 0.0], np.float32), (400, 1))
    drawn = agent.predict(obs, explore=True, seed=3)
    assert (drawn == agent.predict(obs, explore=True, seed=3)).all()
    assert (drawn != agent.predict(obs, explore=True, seed=4)).any()
    with pytest.raises(InputError, match=r"seed must be a whole number .* not 1\.5"):
        agent.predict(obs, explore=True, seed=1.5)
    usual = np.mean(drawn == agent.predict(obs))
    assert usual > 0.9 if isinstance(learner, DQN) else 0.3 < usual < 0.8
    greedy, explored = (judge(agent, episodes=40, explore=x) for x in (False, True))
    assert explored["explore"]
    assert (explored["returns"] == greedy["returns"]) is False
    if not isinstance(learner, DQN):
        assert explored["mean"] > 15  # a random player holds it for some 22 steps


def test_exploring_on_the_host_and_where_an_agent_keeps_too_little():
    spaces = Turns.observation_space, Turns.action_space
    agent = uniform(PPO(hidden=(4,)), spaces, task_of(Logged))
    assert judge(agent, episodes=3, explore=True)["returns"] == [5.0] * 3
    with pytest.raises(ValueError, match="rainbow explores with q, of which an agent keeps only"):
        judge(uniform(Rainbow(hidden=(4,)), spaces, task_of(Logged)), explore=True)
