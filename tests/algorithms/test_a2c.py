"""A2C against NumPy on a linear policy and value, and each hyper-parameter's effect."""

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
from palestra.algorithms.a2c import A2C, State
from palestra.parts.statistics import Moments

ROLLOUT = linear.rollout()
BASE = {
    "hidden": (),
    "normalize_obs": False,
    "normalize_reward": False,
    "rollout_length": T,
    "gamma": 0.9,
    "gae_lambda": 0.8,
    "max_grad_norm": 1e9,
    "rms_prop": False,  # Adam's first mean tells the gradient
}


def start(a2c: A2C) -> State:
    state = a2c.init(SPEC, prng.key(0))
    networks = tuple(map(linear.linear, state.networks.networks, (POLICY, VALUE)))
    leaves = jax.tree.leaves(networks)
    return state._replace(networks=jax.tree.unflatten(jax.tree.structure(state.networks), leaves))


def updated(rollout=ROLLOUT, **settings) -> tuple[State, dict]:
    a2c = A2C(**{**BASE, **settings})
    return update(a2c, start(a2c), rollout, prng.key(1))


def gradients(state: State):
    """Of the policy's and the value's weights and biases: ten times Adam's first mean."""
    mean = optax.tree.get(state.optimizer, "mu")
    return [tuple(part / 0.1 for part in parts(network)) for network in mean.networks]


def advantages(rollout=ROLLOUT, gamma=0.9, gae_lambda=0.8) -> np.ndarray:
    """Sums of discounted temporal-difference errors, each for itself."""
    next_values = np.where(rollout.terminated, 0, linear.values(rollout.next_obs))
    delta = np.asarray(rollout.reward) + gamma * next_values - linear.values(rollout.obs)
    found = np.zeros((T, E))
    for e in range(E):
        for t in range(T):
            for k in range(t, T):
                found[t, e] += (gamma * gae_lambda) ** (k - t) * delta[k, e]
                if rollout.done[k, e]:
                    break
    return found


@pytest.mark.parametrize("gamma", [0.9, 0.5])
@pytest.mark.parametrize("gae_lambda", [0.0, 0.8, 1.0])
def test_losses_and_gradients(gamma, gae_lambda):
    state, metrics = updated(gamma=gamma, gae_lambda=gae_lambda)
    advantage = advantages(gamma=gamma, gae_lambda=gae_lambda)
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


def test_value_coef_weighs_the_value_alone():
    base, heavy, none = (gradients(updated(value_coef=c)[0]) for c in (0.5, 2.0, 0.0))
    close(heavy[1], [4 * part for part in base[1]])
    close(heavy[0], base[0])
    close(none[1], [0 * part for part in base[1]])


def test_entropy_coef_adds_the_entropys_gradient():
    (base, _), (bonus, _) = (gradients(updated(entropy_coef=c)[0]) for c in (0.0, 0.7))
    slope = linear.entropy_gradient(ROLLOUT.obs)
    close(bonus, [b - 0.7 * s for b, s in zip(base, slope, strict=True)])


def test_normalized_advantages_leave_the_value_as_it_was():
    (policy, value), (_, plain) = (
        gradients(updated(normalize_advantage=on)[0]) for on in (True, False)
    )
    advantage = advantages()
    advantage = (advantage - advantage.mean()) / advantage.std()
    close(policy, linear.policy_gradient(ROLLOUT.obs, ROLLOUT.action, advantage))
    close(value, plain)


@pytest.mark.parametrize("bound", [0.1, 1e9])
def test_max_grad_norm_bounds_the_gradient(bound):
    state, metrics = updated(max_grad_norm=bound)
    given = optax.tree.norm(optax.tree.get(state.optimizer, "mu")) / 0.1
    np.testing.assert_allclose(given, min(bound, float(metrics["gradient_norm"])), rtol=1e-4)


def test_rms_prop_divides_by_the_root_of_the_running_square():
    state, _ = updated(rms_prop=True, learning_rate=0.01)
    for network, before, gradient in zip(
        state.networks.networks, (POLICY, VALUE), gradients(updated()[0]), strict=True
    ):
        slope = gradient[0]
        expected = before - 0.01 * slope / np.sqrt(0.01 * slope**2 + 1e-5)
        np.testing.assert_allclose(parts(network)[0], expected, rtol=1e-4)


@pytest.mark.parametrize(("step", "left"), [(0, 1.0), (60, 0.4), (100, 0.0), (200, 0.0)])
@pytest.mark.parametrize("rate", [0.01, 0.03])
def test_the_step_is_the_learning_rate_and_falls(step, left, rate):
    a2c = A2C(**BASE, learning_rate=rate, anneal_steps=100)
    state, _ = update(a2c, start(a2c)._replace(step=jnp.int32(step)), ROLLOUT, prng.key(1))
    change = parts(state.networks.networks[1])[0] - VALUE
    np.testing.assert_allclose(np.abs(change), rate * left, rtol=1e-3)  # Adam's first step


def test_without_anneal_steps_the_rate_stays():
    a2c = A2C(**BASE, learning_rate=0.01)
    state, _ = update(a2c, start(a2c)._replace(step=jnp.int32(10**6)), ROLLOUT, prng.key(1))
    change = parts(state.networks.networks[1])[0] - VALUE
    np.testing.assert_allclose(np.abs(change), 0.01, rtol=1e-3)


def test_normalized_observations_are_what_acts_and_learns():
    moments = Moments(jnp.float32(10), jnp.array([0.5, -1.0]), jnp.array([4.0, 0.25]))
    see = lambda obs: ((np.asarray(obs) - [0.5, -1.0]) / [2.0, 0.5]).astype(np.float32)
    a2c = A2C(**{**BASE, "normalize_obs": True})
    state = start(a2c)._replace(obs_moments=moments)
    after, metrics = update(a2c, state, ROLLOUT, prng.key(1))
    seen = ROLLOUT._replace(obs=see(ROLLOUT.obs), next_obs=see(ROLLOUT.next_obs))
    plain, expected = updated(seen)
    np.testing.assert_allclose(metrics["value_loss"], expected["value_loss"], rtol=1e-4)
    for one, other in zip(gradients(after), gradients(plain), strict=True):
        close(one, other)
    together = after.obs_moments  # after learning: the ten of before and this rollout
    assert float(together.seen) == 10 + T * E
    shares = np.array([10, T * E]) / (10 + T * E)
    mean = shares[0] * np.array([0.5, -1.0]) + shares[1] * np.asarray(ROLLOUT.obs).mean((0, 1))
    np.testing.assert_allclose(together.mean, mean, rtol=1e-5)
    obs = ROLLOUT.obs[0]
    act = lambda state, obs: a2c.act(state, obs, prng.key(2), explore=False)
    np.testing.assert_array_equal(act(state, obs), linear.log_probs(see(obs)).argmax(-1))


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
    np.testing.assert_allclose(state.reward_scale.returns, running, rtol=1e-5)


@pytest.mark.parametrize("log_std", [0.0, -1.5])
def test_log_std_is_the_start_of_the_deviation(log_std):
    a2c = A2C(log_std=log_std, hidden=())
    state = a2c.init(SPEC._replace(action_space=Box(-2, 2, (1,))), prng.key(0))
    action = a2c.act(state, jnp.zeros((5000, 2)), prng.key(1))
    np.testing.assert_allclose(action.std(), 2 * np.exp(log_std), rtol=0.05)
    still = a2c.act(state, jnp.zeros((3, 2)), prng.key(1), explore=False)
    np.testing.assert_allclose(still, 0, atol=1e-6)


def test_the_networks_form():
    count = lambda **form: sum(x.size for x in jax.tree.leaves(networks(**form)))
    networks = lambda **form: A2C(**form).init(SPEC, prng.key(0)).networks
    assert count(hidden=(5, 4)) == 2 * (2 * 5 + 5 + 5 * 4 + 4) + (4 * 3 + 3) + (4 + 1)
    assert count(hidden=(5, 4), shared=True) == (2 * 5 + 5 + 5 * 4 + 4) + (4 * 4 + 4)
    obs = jnp.array([0.3, -0.2])
    relu, tanh = (networks(hidden=(5,), activation=a).value(obs) for a in ("relu", "tanh"))
    assert relu != tanh


def test_exploring_draws_from_the_policy():
    a2c = A2C(**BASE)
    state = start(a2c)
    obs = jnp.array([1.0, -0.5])
    action = np.asarray(a2c.act(state, jnp.tile(obs[None], (20_000, 1)), prng.key(3)))
    share = np.bincount(action, minlength=3) / action.size
    np.testing.assert_allclose(share, np.exp(linear.log_probs(obs)), atol=0.02)


def test_sde_keeps_its_noise_for_a_rollout_and_draws_it_anew():
    box = SPEC._replace(action_space=Box(-2, 2, (1,)))
    a2c = A2C(**{**BASE, "hidden": (8,)}, sde=True)
    state = a2c.init(box, prng.key(0))
    assert state.noise.shape == (E, 8, 1)
    act = lambda state, key, **how: np.asarray(a2c.act(state, ROLLOUT.obs[0], key, **how))
    first = act(state, prng.key(1))
    np.testing.assert_array_equal(first, act(state, prng.key(2)))
    one_by_one = jax.vmap(state.networks.explore)(ROLLOUT.obs[0], state.noise)
    np.testing.assert_array_equal(first, one_by_one)
    greedy = act(state, prng.key(1), explore=False)
    assert (first != greedy).all()
    rollout = ROLLOUT._replace(action=jnp.ones((T, E, 1)))
    after, metrics = update(a2c, state, rollout, prng.key(3))
    assert (after.noise != state.noise).all()
    policy = jax.vmap(jax.vmap(state.networks.policy))(ROLLOUT.obs)
    np.testing.assert_allclose(metrics["entropy"], policy.entropy().mean(), rtol=1e-5)
    assert A2C(**BASE).init(box, prng.key(0)).noise is None
    with pytest.raises(ValueError, match=r"^the action must be a vector"):
        a2c.init(SPEC, prng.key(0))
