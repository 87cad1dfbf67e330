"""One-step actor-critic against NumPy on a linear policy and value; each hyper-parameter's effect.

The gradients of a rollout's only step can be read off Adam's first mean. Of several steps the
learner that takes them one after another, in rollouts of one, is the reference.
"""

import jax
import jax.numpy as jnp
import linear
import numpy as np
import pytest
from gymnasium.spaces import Box
from learners import update
from linear import POLICY, SPEC, VALUE, E, T, close, parts

from palestra import prng
from palestra.algorithms.actor_critic import OneStepActorCritic, State
from palestra.parts.statistics import Moments

ROLLOUT = linear.rollout()
STEPS = [jax.tree.map(lambda x, t=t: x[t : t + 1], ROLLOUT) for t in range(T)]
BASE = {"hidden": (), "gamma": 0.9}


def start(learner: OneStepActorCritic) -> State:
    state = learner.init(SPEC, prng.key(0))
    policy, value = state.learned.policy, state.learned.value
    leaves = jax.tree.leaves(linear.linear(policy.network, POLICY))
    policy = jax.tree.unflatten(jax.tree.structure(policy), leaves)
    value = linear.linear(value, VALUE)
    return state._replace(learned=state.learned._replace(policy=policy, value=value))


def updated(rollout=STEPS[1], **settings) -> tuple[State, dict]:
    learner = OneStepActorCritic(**{**BASE, **settings})
    return update(learner, start(learner), rollout, prng.key(1))


def gradients(state: State):
    """Of the policy's and the value's weights and biases: ten times Adam's first mean."""
    means = [
        optimizer[0].mu
        for optimizer in (state.learned.policy_optimizer, state.learned.value_optimizer)
    ]
    return [tuple(part / 0.1 for part in parts(m)) for m in (means[0].network, means[1])]


def deltas(rollout, gamma=0.9) -> np.ndarray:
    next_values = np.where(rollout.terminated, 0, linear.values(rollout.next_obs))
    return np.asarray(rollout.reward) + gamma * next_values - linear.values(rollout.obs)


@pytest.mark.parametrize("rollout", STEPS)
@pytest.mark.parametrize("gamma", [0.9, 0.0])
def test_losses_and_gradients(rollout, gamma):
    state, metrics = updated(rollout, gamma=gamma)
    delta = deltas(rollout, gamma)
    taken = (rollout.obs, rollout.action, delta)
    np.testing.assert_allclose(metrics["policy_loss"], linear.policy_loss(*taken), rtol=1e-4)
    np.testing.assert_allclose(metrics["value_loss"], (delta**2).mean(), rtol=1e-4)
    np.testing.assert_allclose(metrics["entropy"], linear.entropy(rollout.obs).mean(), rtol=1e-4)
    policy, value = gradients(state)
    close(policy, linear.policy_gradient(*taken))
    close(value, linear.value_gradient(rollout.obs, delta))
    norm = np.sqrt(sum((part**2).sum() for part in (*policy, *value)))
    np.testing.assert_allclose(metrics["gradient_norm"], norm, rtol=1e-4)
    assert int(state.step) == E


@pytest.mark.parametrize("discount_start", [True, False])
def test_a_rollout_is_learned_step_by_step(discount_start):
    learner = OneStepActorCritic(**BASE, learning_rate=0.1, discount_start=discount_start)
    one_by_one = start(learner)
    for step in STEPS:
        one_by_one, _ = update(learner, one_by_one, step, prng.key(1))
    together, _ = updated(ROLLOUT, learning_rate=0.1, discount_start=discount_start)
    for one, other in zip(jax.tree.leaves(one_by_one), jax.tree.leaves(together), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_discount_start_weighs_the_policy_by_the_age_of_the_episode():
    age = np.zeros(E)
    learner = OneStepActorCritic(**BASE, discount_start=True)
    state = start(learner)
    for rollout in STEPS:
        np.testing.assert_allclose(state.learned.discount, 0.9**age, rtol=1e-6)
        fresh = start(learner)  # so that its first gradient can be read
        fresh = fresh._replace(learned=fresh.learned._replace(discount=state.learned.discount))
        policy, value = gradients(update(learner, fresh, rollout, prng.key(1))[0])
        delta = deltas(rollout)
        taken = (rollout.obs, rollout.action, 0.9 ** age[None] * delta)
        close(policy, linear.policy_gradient(*taken))
        close(value, linear.value_gradient(rollout.obs, delta))
        state, _ = update(learner, state, rollout, prng.key(1))
        age = np.where(rollout.done[0], 0, age + 1)
    assert len(set(age)) > 1


def test_entropy_coef_adds_the_entropys_gradient():
    (base, value), (bonus, same) = (gradients(updated(entropy_coef=c)[0]) for c in (0.0, 0.7))
    slope = linear.entropy_gradient(STEPS[1].obs)
    close(bonus, [b - 0.7 * s for b, s in zip(base, slope, strict=True)])
    close(value, same)


@pytest.mark.parametrize(
    ("step", "anneal", "left"), [(0, 100, 1.0), (60, 100, 0.4), (200, 100, 0.0), (10**6, 0, 1.0)]
)
def test_each_network_has_its_learning_rate_and_both_fall(step, anneal, left):
    learner = OneStepActorCritic(
        **BASE, learning_rate=0.01, value_learning_rate=0.03, anneal_steps=anneal
    )
    before = start(learner)._replace(step=jnp.int32(step))
    after = update(learner, before, STEPS[0], prng.key(1))[0].learned
    change = parts(after.policy.network)[0] - POLICY  # Adam's first step
    np.testing.assert_allclose(np.abs(change), 0.01 * left, rtol=1e-3)
    np.testing.assert_allclose(np.abs(parts(after.value)[0] - VALUE), 0.03 * left, rtol=1e-3)


def test_normalized_observations_are_what_acts_and_learns():
    moments = Moments(jnp.float32(10), jnp.array([0.5, -1.0]), jnp.array([4.0, 0.25]))
    see = lambda obs: ((np.asarray(obs) - [0.5, -1.0]) / [2.0, 0.5]).astype(np.float32)
    learner = OneStepActorCritic(**BASE, normalize_obs=True)
    state = start(learner)._replace(obs_moments=moments)
    after, _ = update(learner, state, STEPS[1], prng.key(1))
    seen = STEPS[1]._replace(obs=see(STEPS[1].obs), next_obs=see(STEPS[1].next_obs))
    for one, other in zip(gradients(after), gradients(updated(seen)[0]), strict=True):
        close(one, other)
    assert float(after.obs_moments.seen) == 10 + E
    obs = ROLLOUT.obs[0]
    greedy = learner.act(state, obs, prng.key(2), explore=False)
    np.testing.assert_array_equal(greedy, linear.log_probs(see(obs)).argmax(-1))


def test_normalized_rewards_are_divided_by_the_deviation_of_returns():
    state, _ = updated(normalize_reward=True)
    reward = np.asarray(STEPS[1].reward)
    scaled = STEPS[1]._replace(reward=jnp.float32(reward / reward.std()))
    for one, other in zip(gradients(state), gradients(updated(scaled)[0]), strict=True):
        close(one, other)
    running = np.where(STEPS[1].done, 0, reward)[0]
    np.testing.assert_allclose(state.reward_scale.returns, running, rtol=1e-5)


@pytest.mark.parametrize("log_std", [0.0, -1.5])
def test_log_std_is_the_start_of_the_deviation(log_std):
    learner = OneStepActorCritic(log_std=log_std, hidden=())
    state = learner.init(SPEC._replace(action_space=Box(-2, 2, (1,))), prng.key(0))
    action = learner.act(state, jnp.zeros((5000, 2)), prng.key(1))
    np.testing.assert_allclose(action.std(), 2 * np.exp(log_std), rtol=0.05)


def test_the_networks_form():
    learned = lambda **form: OneStepActorCritic(**form).init(SPEC, prng.key(0)).learned
    count = lambda network: sum(x.size for x in jax.tree.leaves(network))
    assert count(learned(hidden=(5, 4)).policy) == (2 * 5 + 5 + 5 * 4 + 4) + (4 * 3 + 3)
    assert count(learned(hidden=(5, 4)).value) == (2 * 5 + 5 + 5 * 4 + 4) + (4 + 1)
    obs = jnp.array([0.3, -0.2])
    relu, tanh = (learned(hidden=(5,), activation=a).value(obs) for a in ("relu", "tanh"))
    assert relu != tanh
