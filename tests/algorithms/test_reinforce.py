"""REINFORCE against NumPy on a linear policy and baseline, and each hyper-parameter's effect."""

import jax
import jax.numpy as jnp
import linear
import numpy as np
import optax
import pytest
from gymnasium.spaces import Box
from learners import update
from linear import POLICY, SPEC, VALUE, E, T, close, parts

from palestra import prng
from palestra.algorithms.reinforce import Networks, Reinforce, State, monte_carlo
from palestra.parts.statistics import Moments

ROLLOUT = linear.rollout()
BASE = {
    "hidden": (),
    "rollout_length": T,
    "gamma": 0.9,
    "max_grad_norm": 1e9,
    "normalize_advantage": False,
}


def start(reinforce: Reinforce) -> State:
    state = reinforce.init(SPEC, prng.key(0))
    policy, baseline = state.networks
    leaves = jax.tree.leaves(linear.linear(policy.network, POLICY))
    policy = jax.tree.unflatten(jax.tree.structure(policy), leaves)
    baseline = linear.linear(baseline, VALUE) if reinforce.baseline else None
    return state._replace(networks=Networks(policy, baseline))


def updated(rollout=ROLLOUT, **settings) -> tuple[State, dict]:
    reinforce = Reinforce(**{**BASE, **settings})
    return update(reinforce, start(reinforce), rollout, prng.key(1))


def gradients(state: State):
    """Of the policy's and the baseline's weights and biases: ten times Adam's first mean."""
    policy, baseline = optax.tree.get(state.optimizer, "mu")
    networks = [policy.network] + ([] if baseline is None else [baseline])
    return [tuple(part / 0.1 for part in parts(network)) for network in networks]


def returns(rollout=ROLLOUT, gamma=0.9, baseline=True) -> tuple[np.ndarray, np.ndarray]:
    """Each step's return, summed for itself, and whether an end of the task closes it."""
    next_values = linear.values(rollout.next_obs) * baseline
    found, whole = np.zeros((T, E)), np.zeros((T, E), bool)
    for e in range(E):
        for t in range(T):
            for k in range(t, T):
                found[t, e] += gamma ** (k - t) * float(rollout.reward[k, e])
                if rollout.terminated[k, e]:
                    whole[t, e] = True
                    break
                if rollout.truncated[k, e] or k == T - 1:
                    found[t, e] += gamma ** (k - t + 1) * next_values[k, e]
                    break
    return found, whole


def test_returns_by_hand():
    """Rewards 1, 2, 4 and 8; the value of what follows is 16; gamma is a half."""
    no, yes = False, True
    column = lambda *flags: jnp.array(flags)[:, None]
    rewards = jnp.array([1.0, 2.0, 4.0, 8.0])[:, None]
    for terminated, truncated, expected, whole in [
        ((no, no, no, yes), (no, no, no, no), [4, 6, 8, 8], [1, 1, 1, 1]),
        ((no, no, no, no), (no, no, no, no), [5, 8, 12, 16], [0, 0, 0, 0]),
        ((no, yes, no, no), (no, no, no, no), [2, 2, 12, 16], [1, 1, 0, 0]),
        ((no, no, no, yes), (no, yes, no, no), [6, 10, 8, 8], [0, 0, 1, 1]),
        ((no, no, no, no), (no, no, no, yes), [5, 8, 12, 16], [0, 0, 0, 0]),
        ((yes, no, no, yes), (yes, no, no, yes), [1, 6, 8, 8], [1, 1, 1, 1]),
    ]:
        rollout = ROLLOUT._replace(
            reward=rewards, terminated=column(*terminated), truncated=column(*truncated)
        )
        found = monte_carlo(rollout, jnp.full((4, 1), 16.0), 0.5)
        np.testing.assert_allclose(found[0][:, 0], expected)
        np.testing.assert_array_equal(found[1][:, 0], np.array(whole, bool))


@pytest.mark.parametrize("gamma", [0.9, 0.5])
def test_losses_and_gradients_with_a_baseline(gamma):
    state, metrics = updated(gamma=gamma)
    found, _ = returns(gamma=gamma)
    advantage = found - linear.values(ROLLOUT.obs)
    taken = (ROLLOUT.obs, ROLLOUT.action, advantage)
    np.testing.assert_allclose(metrics["policy_loss"], linear.policy_loss(*taken), rtol=1e-4)
    np.testing.assert_allclose(metrics["value_loss"], (advantage**2).mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["entropy"], linear.entropy(ROLLOUT.obs).mean(), rtol=1e-4)
    policy, value = gradients(state)
    close(policy, linear.policy_gradient(*taken))
    close(value, [0.5 * part for part in linear.value_gradient(ROLLOUT.obs, advantage)])
    norm = np.sqrt(sum((part**2).sum() for part in (*policy, *value)))
    np.testing.assert_allclose(metrics["gradient_norm"], norm, rtol=1e-4)
    assert int(state.step) == T * E


def test_without_a_baseline_only_whole_returns_teach():
    state, metrics = updated(baseline=False)
    found, whole = returns(baseline=False)
    assert 0 < whole.sum() < whole.size
    taken = (ROLLOUT.obs, ROLLOUT.action, found, whole)
    np.testing.assert_allclose(metrics["policy_loss"], linear.policy_loss(*taken), rtol=1e-4)
    (policy,) = gradients(state)
    close(policy, linear.policy_gradient(*taken))
    assert state.networks.baseline is None


def test_without_a_baseline_and_whole_returns_nothing_is_learned():
    endless = ROLLOUT._replace(terminated=jnp.zeros((T, E), bool))
    state, metrics = updated(endless, baseline=False)
    close(parts(state.networks.policy.network), (POLICY, np.zeros(3)))
    assert all(np.isfinite(metric) for metric in metrics.values())


@pytest.mark.parametrize("baseline", [True, False])
def test_normalized_advantages(baseline):
    (policy, *_) = gradients(updated(normalize_advantage=True, baseline=baseline)[0])
    found, whole = returns(baseline=baseline)
    counts = whole | baseline
    advantage = found - linear.values(ROLLOUT.obs) * baseline
    advantage = (advantage - advantage[counts].mean()) / advantage[counts].std()
    close(policy, linear.policy_gradient(ROLLOUT.obs, ROLLOUT.action, advantage, counts))


def test_value_coef_weighs_the_value_alone():
    base, heavy, none = (gradients(updated(value_coef=c)[0]) for c in (0.5, 2.0, 0.0))
    close(heavy[1], [4 * part for part in base[1]])
    close(heavy[0], base[0])
    close(none[1], [0 * part for part in base[1]])


def test_entropy_coef_adds_the_entropys_gradient():
    (base, _), (bonus, _) = (gradients(updated(entropy_coef=c)[0]) for c in (0.0, 0.7))
    slope = linear.entropy_gradient(ROLLOUT.obs)
    close(bonus, [b - 0.7 * s for b, s in zip(base, slope, strict=True)])


@pytest.mark.parametrize("bound", [0.1, 1e9])
def test_max_grad_norm_bounds_the_gradient(bound):
    state, metrics = updated(max_grad_norm=bound)
    given = optax.tree.norm(optax.tree.get(state.optimizer, "mu")) / 0.1
    np.testing.assert_allclose(given, min(bound, float(metrics["gradient_norm"])), rtol=1e-4)


@pytest.mark.parametrize(
    ("step", "anneal", "left"), [(0, 100, 1.0), (60, 100, 0.4), (200, 100, 0.0), (10**6, 0, 1.0)]
)
@pytest.mark.parametrize("rate", [0.01, 0.03])
def test_the_step_is_the_learning_rate_and_falls(step, anneal, left, rate):
    reinforce = Reinforce(**BASE, learning_rate=rate, anneal_steps=anneal)
    before = start(reinforce)._replace(step=jnp.int32(step))
    state, _ = update(reinforce, before, ROLLOUT, prng.key(1))
    change = parts(state.networks.baseline)[0] - VALUE
    np.testing.assert_allclose(np.abs(change), rate * left, rtol=1e-3)  # Adam's first step


def test_normalized_observations_are_what_acts_and_learns():
    moments = Moments(jnp.float32(10), jnp.array([0.5, -1.0]), jnp.array([4.0, 0.25]))
    see = lambda obs: ((np.asarray(obs) - [0.5, -1.0]) / [2.0, 0.5]).astype(np.float32)
    reinforce = Reinforce(**BASE, normalize_obs=True)
    state = start(reinforce)._replace(obs_moments=moments)
    after, _ = update(reinforce, state, ROLLOUT, prng.key(1))
    seen = ROLLOUT._replace(obs=see(ROLLOUT.obs), next_obs=see(ROLLOUT.next_obs))
    for one, other in zip(gradients(after), gradients(updated(seen)[0]), strict=True):
        close(one, other)
    assert float(after.obs_moments.seen) == 10 + T * E
    obs = ROLLOUT.obs[0]
    greedy = reinforce.act(state, obs, prng.key(2), explore=False)
    np.testing.assert_array_equal(greedy, linear.log_probs(see(obs)).argmax(-1))


def test_normalized_rewards_are_divided_by_the_deviation_of_returns():
    state, _ = updated(normalize_reward=True)
    running, seen = np.zeros(E), []
    for reward, done in zip(np.asarray(ROLLOUT.reward), np.asarray(ROLLOUT.done), strict=True):
        running = 0.9 * running + reward
        seen.append(running)
        running = np.where(done, 0, running)
    scaled = ROLLOUT._replace(reward=jnp.float32(ROLLOUT.reward / np.std(seen)))
    for one, other in zip(gradients(state), gradients(updated(scaled)[0]), strict=True):
        close(one, other)


@pytest.mark.parametrize("log_std", [0.0, -1.5])
def test_log_std_is_the_start_of_the_deviation(log_std):
    reinforce = Reinforce(log_std=log_std, hidden=())
    state = reinforce.init(SPEC._replace(action_space=Box(-2, 2, (1,))), prng.key(0))
    action = reinforce.act(state, jnp.zeros((5000, 2)), prng.key(1))
    np.testing.assert_allclose(action.std(), 2 * np.exp(log_std), rtol=0.05)


def test_the_networks_form():
    networks = lambda **form: Reinforce(**form).init(SPEC, prng.key(0)).networks
    policy, baseline = networks(hidden=(5, 4))
    count = lambda network: sum(x.size for x in jax.tree.leaves(network))
    assert count(policy) == (2 * 5 + 5 + 5 * 4 + 4) + (4 * 3 + 3)
    assert count(baseline) == (2 * 5 + 5 + 5 * 4 + 4) + (4 + 1)
    obs = jnp.array([0.3, -0.2])
    relu, tanh = (networks(hidden=(5,), activation=a).baseline(obs) for a in ("relu", "tanh"))
    assert relu != tanh
