"""What an environment raised is told in a sentence; a forked process is refused one."""

import subprocess
import sys

import gymnasium
import pytest
from sizes import stepping

from palestra.envs.host.many import make_from
from palestra.envs.host.one import try_out
from palestra.faults import EnvironmentFaultError, RaisedElsewhereError, elsewhere, said, trace_of


class Bare(gymnasium.Env):
    observation_space = action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, kind: str = "bare"):
        assert kind != "bare"
        if kind == "exit":
            sys.exit(4)
        self.kind = kind

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        reward = {"nothing": None, "words": "1.0"}.get(self.kind, (1.0, 2.0))
        return 0, reward, False, False, {}


@pytest.mark.parametrize(
    ("kind", "told"), [("bare", "AssertionError.*"), ("exit", "SystemExit: 4")]
)
def test_an_error_without_a_text_names_file_and_line(kind, told):
    with pytest.raises(EnvironmentFaultError, match=rf"{told} \(.*test_faults.py, line \d+\)"):
        make_from(lambda: Bare(kind), 1)


def test_the_words_survive_the_way_out_of_another_process():
    try:
        Bare()
    except AssertionError as fault:
        first, trace = said(fault), trace_of(fault)
        there = RaisedElsewhereError(elsewhere(fault))  # as Gymnasium raises it anew
    assert (said(there), trace_of(there)) == (first, trace)
    assert trace.startswith("Traceback")


def test_a_vector_of_rewards_is_refused():
    with pytest.raises(EnvironmentFaultError, match="gives rewards of 2 numbers, but agents learn"):
        try_out("Bare-v0", Bare("plain"))


@pytest.mark.parametrize(("kind", "told"), [("nothing", "None"), ("words", "'1.0'")])
def test_what_is_no_number_is_no_reward(kind, told):
    with pytest.raises(EnvironmentFaultError, match=f"gives {told} as a reward, which is no numb"):
        try_out("Bare-v0", Bare(kind))


def test_what_an_error_says_is_one_line_that_a_terminal_can_show():
    class WordlessError(Exception):
        def __str__(self):
            raise RuntimeError

    assert said(WordlessError()) == "WordlessError"
    assert said(ValueError("\x1b[31mred\0" + "x" * 10_000)) == f"ValueError: [31mred{'x' * 493} ..."


def test_a_process_of_a_pool_may_have_none_of_its_own(monkeypatch):
    monkeypatch.setattr("multiprocessing.process._current_process._config", {"daemon": True})
    stepping(monkeypatch, apart=True)
    made = make_from(lambda: gymnasium.make("CartPole-v1"), 2)
    made.envs.close()
    assert made.how.endswith("in this process.")


FORKS = """if True:
    import multiprocessing, pathlib, sys, warnings
    import numpy as np
    import palestra
    from palestra import envs, prng
    from palestra.core import Spec
    from palestra.tools.agents.agent import Agent
    from palestra.tools.agents.evaluate import judge
    from palestra.tools.export import to_numpy
    from palestra.tools.training.train import train
    from palestra.tools.pictures.video import record

    warnings.simplefilter("ignore")
    folder = pathlib.Path(sys.argv[1])
    alone, many = palestra.make("CartPole-v1"), palestra.make_vec("CartPole-v1", 2)

    def tried(call):
        try:
            print("goes on" if call() is not None else "", flush=True)
        except ValueError as fault:
            print(fault, flush=True)

    def forked(*calls):
        for call in calls:
            child = multiprocessing.get_context("fork").Process(target=tried, args=(call,))
            child.start()
            child.join(60)
            if child.is_alive():
                print("hangs", flush=True)
                child.kill()

    forked(lambda: alone.reset(seed=0))
    ours, dqn = envs.make("CartPole-v1"), palestra.DQN(hidden=(2,))
    spec = Spec(ours.observation_space, ours.action_space, 1)
    agent = Agent.of(dqn, spec, "CartPole-v1", dqn.init(spec, prng.key(0)), None)
    forked(
        lambda: train("CartPole-v1", "dqn", steps=100),
        lambda: agent.predict(np.zeros(4, np.float32)),
        lambda: judge(agent, episodes=1),
        lambda: record(agent, folder / "a.gif", seed=0),
        lambda: to_numpy(agent, folder / "a.py"),
        lambda: alone.reset(seed=0),
        lambda: many.reset(seed=0),
    )
"""


def test_a_process_that_was_forked_from_one_that_computes_is_refused(tmp_path):
    command = [sys.executable, "-c", FORKS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    first, *others = done.stdout.splitlines()
    assert first == "goes on", done
    assert len(others) == 7
    assert all("was forked from one in which JAX was already at work" in line for line in others)
