"""IMPALA against NumPy on a linear policy and value, while others act than learn."""

import jax
import jax.numpy as jnp
import linear
import numpy as np
import optax
import pytest
from learners import update
from linear import POLICY, SPEC, VALUE, E, T, close, parts

from palestra import prng
from palestra.algorithms.a2c import A2C
from palestra.algorithms.impala import IMPALA, State

ROLLOUT = linear.rollout()
ACTED = np.array([[-0.4, 0.6, 0.0], [0.9, -0.7, 0.3]], np.float32)  # the policy of who acted
BASE = {
    "hidden": (),
    "normalize_obs": False,
    "normalize_reward": False,
    "rollout_length": T,
    "gamma": 0.9,
    "entropy_coef": 0.0,
    "max_grad_norm": 1e9,
    "rms_prop": False,  # Adam's first mean tells the gradient
}


def networks(like, policy):
    """The two networks, with this policy and the value of `linear`."""
    pair = tuple(map(linear.linear, like.networks, (policy, VALUE)))
    return jax.tree.unflatten(jax.tree.structure(like), jax.tree.leaves(pair))


def start(algorithm, acted=POLICY):
    state = algorithm.init(SPEC, prng.key(0))
    state = state._replace(networks=networks(state.networks, POLICY))
    if isinstance(state, State):
        state = state._replace(actor=networks(state.networks, acted))
    return state


def gradients(state):
    """Of the policy's and the value's weights and biases: ten times Adam's first mean."""
    mean = optax.tree.get(state.optimizer, "mu")
    return [tuple(part / 0.1 for part in parts(network)) for network in mean.networks]


def likely(policy) -> np.ndarray:
    """The probability of each action that was taken."""
    logits = np.asarray(ROLLOUT.obs, float) @ policy
    pi = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return np.take_along_axis(pi, np.asarray(ROLLOUT.action)[..., None], -1)[..., 0]


def v_trace(ratio, gamma, trace, rho_clip) -> tuple[np.ndarray, np.ndarray]:
    """Targets and advantages by the sum of eq. 1, each for itself."""
    rho, c = np.minimum(rho_clip, ratio), trace * np.minimum(1.0, ratio)
    values, after = linear.values(ROLLOUT.obs), linear.values(ROLLOUT.next_obs)
    ends = gamma * np.where(ROLLOUT.terminated, 0.0, 1.0)
    delta = rho * (np.asarray(ROLLOUT.reward) + ends * after - values)
    target, advantage = values.copy(), np.zeros((T, E))
    for e in range(E):
        for t in range(T):
            weight = 1.0
            for k in range(t, T):
                target[t, e] += weight * delta[k, e]
                weight *= gamma * c[k, e]
                if ROLLOUT.done[k, e]:
                    break
    for e in range(E):
        for t in range(T):
            cut = t == T - 1 or ROLLOUT.done[t, e]
            following = after[t, e] + (0 if cut else target[t + 1, e] - values[t + 1, e])
            advantage[t, e] = ROLLOUT.reward[t, e] + ends[t, e] * following - values[t, e]
    return target, advantage


@pytest.mark.parametrize(
    ("gamma", "trace", "rho_clip"), [(0.9, 1.0, 1.0), (0.5, 0.8, 1.0), (0.9, 1.0, 1.5)]
)
def test_losses_and_gradients_of_what_another_did(gamma, trace, rho_clip):
    impala = IMPALA(**{**BASE, "gamma": gamma}, trace=trace, rho_clip=rho_clip)
    state, metrics = update(impala, start(impala, ACTED), ROLLOUT, prng.key(1))
    ratio = likely(POLICY) / likely(ACTED)
    target, advantage = v_trace(ratio, gamma, trace, rho_clip)
    gain = np.minimum(rho_clip, ratio) * advantage
    taken = (ROLLOUT.obs, ROLLOUT.action, gain)
    error = target - linear.values(ROLLOUT.obs)
    np.testing.assert_allclose(metrics["policy_loss"], linear.policy_loss(*taken), rtol=1e-4)
    np.testing.assert_allclose(metrics["value_loss"], (error**2).mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["clipped"], (ratio > rho_clip).mean(), rtol=1e-6)
    policy, value = gradients(state)
    close(policy, linear.policy_gradient(*taken))
    close(value, [0.5 * part for part in linear.value_gradient(ROLLOUT.obs, error)])
    assert int(state.step) == T * E


def test_who_acts_as_he_learns_learns_as_a2c():
    impala, a2c = IMPALA(**BASE), A2C(**BASE)
    one, other = (
        gradients(update(learner, start(learner), ROLLOUT, prng.key(1))[0])
        for learner in (impala, a2c)
    )
    for mine, theirs in zip(one, other, strict=True):
        close(mine, theirs)


def test_the_state_that_acted_tells_how_likely_its_actions_were():
    """As beside environments of others, where the learner has learned in the meantime."""
    impala = IMPALA(**BASE)
    now, before = start(impala), start(impala, ACTED)
    told, _ = impala.update(now, ROLLOUT, prng.key(1), acted=before)
    as_before, _ = update(impala, before, ROLLOUT, prng.key(1))
    for mine, theirs in zip(told.networks.networks, as_before.networks.networks, strict=True):
        close(parts(mine), parts(theirs))


def test_the_actors_act_and_are_copied_when_it_is_time():
    impala = IMPALA(**BASE, actor_period=2 * T * E, learning_rate=0.1)
    state = start(impala, ACTED)
    weights = lambda networks: parts(networks.networks[0])[0]
    first, _ = update(impala, state, ROLLOUT, prng.key(1))
    close(weights(first.actor), ACTED)
    second, _ = update(impala, first, ROLLOUT, prng.key(2))
    close(weights(second.actor), weights(second.networks))
    assert np.abs(weights(second.networks) - weights(first.networks)).max() > 0.01

    obs = jnp.tile(jnp.array([1.0, 0.0]), (20_000, 1))
    drawn = np.bincount(np.asarray(impala.act(state, obs, prng.key(0))), minlength=3) / 20_000
    pi = np.exp(ACTED[0]) / np.exp(ACTED[0]).sum()
    np.testing.assert_allclose(drawn, pi, atol=0.02)
    greedy = impala.act(state, obs[:1], prng.key(0), explore=False)
    assert int(greedy[0]) == POLICY[0].argmax() != ACTED[0].argmax()


def test_passes_and_minibatches_take_a_step_each():
    impala = IMPALA(**BASE, epochs=2, minibatches=E)
    state, _ = update(impala, start(impala), ROLLOUT, prng.key(1))
    assert int(optax.tree.get(state.optimizer, "count")) == 2 * E


def test_minibatches_are_whole_environments():
    with pytest.raises(ValueError, match="must divide num_envs, which is 3, but 2 does not"):
        IMPALA(minibatches=2).init(SPEC, prng.key(0))
