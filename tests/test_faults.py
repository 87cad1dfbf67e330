"""What an environment raised is told in a sentence; a forked process is refused one."""

import subprocess
import sys

import gymnasium
import pytest

from palestra.envs.host import make_from, try_out
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
        return 0, (1.0, 2.0), False, False, {}


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


def test_a_process_of_a_pool_may_have_none_of_its_own(monkeypatch):
    monkeypatch.setattr("multiprocessing.process._current_process._config", {"daemon": True})
    monkeypatch.setattr("palestra.envs.host.ROUND_TRIP", -1.0)
    made = make_from(lambda: gymnasium.make("CartPole-v1"), 2)
    made.envs.close()
    assert made.how.endswith("in this process.")


def test_a_process_that_was_forked_from_one_that_computes_is_refused():
    program = """if True:
        import os, warnings
        warnings.simplefilter("ignore")
        import palestra, jax.numpy as jnp
        for used in False, True:
            used and jnp.zeros(3).sum()
            if (child := os.fork()) == 0:
                try:
                    from palestra.faults import refuse_after_fork
                    used and palestra.train("CartPole-v1", "dqn", steps=100)
                    refuse_after_fork()
                    print("goes on", flush=True)
                except ValueError as fault:
                    print(fault, flush=True)
                os._exit(0)
            os.waitpid(child, 0)
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("goes on\nthis process was forked from one in which JAX"), done
