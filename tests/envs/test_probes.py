"""The answers that the probes list are right: found again by looking at every course of events."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Discrete

from palestra import envs, prng
from palestra.envs.probes import State
from palestra.testing import PROBES

GAMMA = 0.99


def actions(env):
    if isinstance(env.action_space, Discrete):
        return [jnp.int32(a) for a in range(int(env.action_space.n))]
    return [jnp.array([a], jnp.float32) for a in np.linspace(-1, 1, 41)]


def look_ahead(env, state, horizon, cut_ends: bool):
    """Every action's discounted return, best actions after; a cut is life going on, or the end.

    Life goes on in the same place with the clock stopped just before the cut.
    """
    returns = []
    for action in actions(env):
        after, step = env.step(state, action, prng.key(0))
        future = 0.0
        over = bool(step.terminated) or (cut_ends and bool(step.truncated))
        if not over and horizon > 0:
            if step.truncated:
                after = after._replace(time=state.time)
            future = max(look_ahead(env, after, horizon - 1, cut_ends))
        returns.append(float(step.reward) + GAMMA * future)
    return returns


def starts(env):
    """The different first states."""
    states = [env.reset(key)[0] for key in jax.random.split(prng.key(0), 16)]
    return {float(state.place): state for state in states}


@pytest.mark.parametrize("env_id", PROBES)
def test_answers_are_the_best_actions(env_id):
    env = envs.make(env_id)
    found = starts(env)
    assert set(found) == {obs[0] for obs, _ in env.answers}
    for obs, answer in env.answers:
        returns = look_ahead(env, found[obs[0]], 4, cut_ends=False)
        best, second = np.argsort(returns)[::-1][:2]
        np.testing.assert_allclose(actions(env)[best], answer, atol=1e-6)
        assert returns[best] > returns[second]


def test_time_out_tells_a_cut_from_an_ending():
    env = envs.make("probe/TimeOut-v0")
    (state,) = starts(env).values()
    assert np.argmax(look_ahead(env, state, 4, cut_ends=False)) == 1
    assert np.argmax(look_ahead(env, state, 4, cut_ends=True)) == 0


def test_ending_tells_an_ending_from_going_on():
    """Valued as if life went on there, the place after the ending makes action 0 look better."""
    env = envs.make("probe/Ending-v0")
    (state,) = starts(env).values()
    right = look_ahead(env, state, 4, cut_ends=False)
    there = State(jnp.float32(1), jnp.int32(1))
    worth = max(look_ahead(env, there, 0, cut_ends=False))
    wrong = [right[0] + GAMMA * worth, right[1]]
    assert np.argmax(right) == 1
    assert np.argmax(wrong) == 0


@pytest.mark.parametrize("env_id", PROBES)
def test_threshold_is_reached_by_the_answers_alone(env_id):
    """The best total is above the threshold, that of the opposite actions is below."""
    env, entry = envs.make(env_id), envs.entry(env_id)
    if entry.threshold is None:
        assert env_id == "probe/TimeOut-v0"  # its best policy is not the one of the largest total
        return

    def total(choose):
        rewards = []
        for place, state in starts(env).items():
            answer = {obs[0]: action for obs, action in env.answers}[place]
            for _ in range(2):  # no probe lasts longer
                state, step = env.step(state, choose(answer), prng.key(0))
                rewards.append(float(step.reward))
                if step.terminated or step.truncated:
                    break
        return sum(rewards) / len(starts(env))

    right = lambda a: jnp.int32(a) if isinstance(a, int) else jnp.array(a, jnp.float32)
    wrong = lambda a: jnp.int32(1 - a) if isinstance(a, int) else -jnp.array(a, jnp.float32)
    assert total(right) >= entry.threshold > total(wrong)


@pytest.mark.parametrize("delay", [2, 8, 32])
def test_the_cue_is_shown_once_and_asked_for_at_the_end(delay):
    env = envs.make(f"probe/Cue{delay}-v0")
    for seed in range(4):
        state, obs = env.reset(prng.key(seed))
        cue = float(obs[0])
        assert abs(cue) == 1
        for _ in range(delay):
            state, step = env.step(state, jnp.int32(1), prng.key(0))
            assert (step.obs[0], step.reward, step.terminated) == (0, 0, False)
        rewards = [env.step(state, jnp.int32(a), prng.key(0))[1] for a in (0, 1)]
        assert [float(x.reward) for x in rewards] == [-cue, cue]
        assert all(x.terminated for x in rewards)


def test_the_first_step_is_answered_otherwise_than_those_after_it():
    env = envs.make("probe/Forget-v0")
    first, _ = env.reset(prng.key(0))
    later, _ = env.step(first, jnp.int32(1), prng.key(0))
    pays = lambda state, action: float(env.step(state, jnp.int32(action), prng.key(1))[1].reward)
    assert [pays(first, 0), pays(first, 1), pays(later, 0), pays(later, 1)] == [-1, 1, 0, -1]
    ends = [bool(env.step(first, jnp.int32(1), prng.key(i))[1].terminated) for i in range(64)]
    assert 16 < sum(ends) < 48
