"""PPO against NumPy on a linear policy and value, and each hyper-parameter's effect."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import linear
import numpy as np
import optax
import pytest
from gymnasium.spaces import Box
from linear import POLICY, SPEC, VALUE, E, T, parts

from palestra import prng
from palestra.algorithms.ppo import PPO, Data, Learned, State
from palestra.core import Transition
from palestra.parts.statistics import Moments
from palestra.tools.agents.policy import reads

ROLLOUT = linear.rollout()
BASE = {
    "hidden": (),
    "normalize_obs": False,
    "normalize_reward": False,
    "rollout_length": T,
    "gamma": 0.9,
    "gae_lambda": 0.8,
    "learning_rate": 0.2,  # so that the third pass finds the policy far from where it was
    "max_grad_norm": 1e9,
    "epochs": 3,
    "minibatches": 1,  # so that the order does not matter
}


def start(ppo: PPO, step: int = 0) -> State:
    state = ppo.init(SPEC, prng.key(0))
    networks = tuple(map(linear.linear, state.networks.networks, (POLICY, VALUE)))
    leaves = jax.tree.leaves(networks)
    networks = jax.tree.unflatten(jax.tree.structure(state.networks), leaves)
    return state._replace(networks=networks, step=jnp.int32(step))


update = jax.jit(PPO.update)  # one program for all settings that differ in numbers only
descend = jax.jit(PPO._descend)


def updated(rollout: Transition = ROLLOUT, step: int = 0, **settings) -> tuple[State, dict]:
    ppo = PPO(**{**BASE, **settings})
    return update(ppo, start(ppo, step), rollout, prng.key(1))


def weights(state: State) -> list[np.ndarray]:
    return [part for network in state.networks.networks for part in parts(network)]


def close(found, expected, **tolerance) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, **{"rtol": 1e-3, "atol": 1e-5, **tolerance})


def forward(weights, obs):
    """log pi(. | s) and V(s)."""
    policy, policy_bias, value, value_bias = weights
    logits = obs @ policy + policy_bias
    log_pi = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return log_pi, (obs @ value + value_bias)[..., 0]


class Loss(NamedTuple):
    """Of one batch, with the gradient of each weight."""

    policy_loss: float
    value_loss: float
    entropy: float
    kl: float
    clipped: float
    gradient: list[np.ndarray]


def losses(ppo: PPO, weights, obs, action, old_log_pi, old_value, advantage, clip: float) -> Loss:
    """Equations 7 and 9, differentiated by hand."""
    (log_pi, value), rows = forward(weights, obs), np.arange(len(action))
    returns, pi = advantage + old_value, np.exp(log_pi)
    if ppo.normalize_advantage:
        advantage = (advantage - advantage.mean()) / advantage.std()
    log_ratio = (log_pi - old_log_pi)[rows, action]
    ratio = np.exp(log_ratio)
    pays = np.where(advantage > 0, ratio < 1 + clip, ratio > 1 - clip)
    bounded = np.where(advantage > 0, np.minimum(ratio, 1 + clip), np.maximum(ratio, 1 - clip))
    by_log_pi = np.where(pays, -advantage * ratio, 0.0)
    by_logits = by_log_pi[:, None] * (np.eye(linear.ACTIONS)[action] - pi)
    entropy = -(pi * log_pi).sum(-1)
    by_logits += ppo.entropy_coef * pi * (log_pi + entropy[:, None])
    error, by_value = (value - returns) ** 2, 2 * (value - returns)
    if ppo.clip_value:
        near = np.abs(value - old_value) < clip
        held = old_value + np.clip(value - old_value, -clip, clip) - returns
        by_value = np.where(held**2 > error, 2 * held * near, by_value)
        error = np.maximum(error, held**2)
    by_value = (ppo.value_coef * by_value)[:, None]
    gradient = [
        slope / len(rows)
        for by_output in (by_logits, by_value)
        for slope in (obs.T @ by_output, by_output.sum(0))
    ]
    return Loss(
        -(bounded * advantage).mean(),
        error.mean(),
        entropy.mean(),
        (ratio - 1 - log_ratio).mean(),
        (np.abs(ratio - 1) > clip).mean(),
        gradient,
    )


def advantages(rollout: Transition, gamma: float, gae_lambda: float) -> np.ndarray:
    next_values = np.where(rollout.terminated, 0, linear.values(rollout.next_obs))
    found = np.asarray(rollout.reward) + gamma * next_values - linear.values(rollout.obs)
    for t in range(T - 2, -1, -1):
        found[t] += np.where(rollout.done[t], 0, gamma * gae_lambda) * found[t + 1]
    return found.ravel()


def reference(rollout: Transition = ROLLOUT, step: int = 0, **settings):
    """The weights after an update of whole-batch passes, and the losses of each pass."""
    ppo = PPO(**{**BASE, **settings})
    now = [POLICY.astype(float), np.zeros(linear.ACTIONS), VALUE.astype(float), np.zeros(1)]
    mean, square = ([np.zeros_like(w) for w in now] for _ in range(2))
    obs, action = np.asarray(rollout.obs, float).reshape(-1, 2), np.asarray(rollout.action).ravel()
    old_log_pi, old_value = forward(now, obs)
    advantage = advantages(rollout, ppo.gamma, ppo.gae_lambda)
    left = max(0.0, 1 - step / ppo.anneal_steps) if ppo.anneal_steps else 1.0
    clip = ppo.clip * (left if ppo.anneal_clip else 1.0)
    found = []
    for i in range(1, ppo.epochs + 1):
        found.append(losses(ppo, now, obs, action, old_log_pi, old_value, advantage, clip))
        if ppo.target_kl and found[-1].kl > ppo.target_kl:
            break
        norm = np.sqrt(sum((g**2).sum() for g in found[-1].gradient))
        for k, slope in enumerate(found[-1].gradient):  # Adam (Kingma & Ba 2015, Algorithm 1)
            slope = slope * min(1.0, ppo.max_grad_norm / norm)
            mean[k] = 0.9 * mean[k] + 0.1 * slope
            square[k] = 0.999 * square[k] + 0.001 * slope**2
            deviation = np.sqrt(square[k] / (1 - 0.999**i)) + 1e-5
            now[k] = now[k] - ppo.learning_rate * left * mean[k] / (1 - 0.9**i) / deviation
    return now, found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"learning_rate": 0.05},
        {"gamma": 0.5, "gae_lambda": 1.0},
        {"gae_lambda": 0.0},
        {"clip": 0.05},
        {"clip_value": True},
        {"clip_value": True, "clip": 0.05, "normalize_advantage": False},
        {"normalize_advantage": False},
        {"entropy_coef": 0.3},
        {"value_coef": 2.0},
        {"max_grad_norm": 0.1},
        {"epochs": 1},
        {"anneal_steps": 100, "step": 40},
        {"anneal_steps": 100, "step": 40, "anneal_clip": True, "clip_value": True},
        {"anneal_steps": 0, "step": 10**6},
        {"target_kl": 0.15, "epochs": 5},
    ],
    ids=str,
)
def test_an_update_is_that_of_numpy(settings):
    state, metrics = updated(**settings)
    expected, found = reference(**settings)
    close(weights(state), expected)
    for name in ("policy_loss", "value_loss", "entropy", "kl", "clipped"):
        mean = np.mean([getattr(loss, name) for loss in found])
        np.testing.assert_allclose(metrics[name], mean, rtol=1e-3, atol=1e-5)
    norms = [np.sqrt(sum((g**2).sum() for g in loss.gradient)) for loss in found]
    np.testing.assert_allclose(metrics["gradient_norm"], np.mean(norms), rtol=1e-3)
    assert int(state.step) == settings.get("step", 0) + T * E


def test_ratios_are_to_whoever_acted():
    ppo = PPO(**{**BASE, "epochs": 1})
    now = start(ppo)
    told = lambda acted: update(ppo, now, ROLLOUT, prng.key(1), acted=acted)[1]
    np.testing.assert_allclose(told(now)["kl"], 0.0, atol=1e-7)
    np.testing.assert_allclose(
        told(now)["policy_loss"], updated(epochs=1)[1]["policy_loss"], rtol=1e-6
    )
    bias = now.networks.networks[0].mlp.layers[-1].bias
    moved = jax.tree.map(lambda x: x.at[0].add(0.5) if x is bias else x, now.networks)
    before = now._replace(networks=moved)
    policy = lambda state: jax.vmap(jax.vmap(state.networks.policy))(ROLLOUT.obs)
    log_ratio = policy(now).log_prob(ROLLOUT.action) - policy(before).log_prob(ROLLOUT.action)
    expected = (jnp.exp(log_ratio) - 1 - log_ratio).mean()
    assert expected > 0.001
    np.testing.assert_allclose(told(before)["kl"], expected, rtol=1e-5)
    values = updated(epochs=1)[1]["value_loss"]  # what is learned is as ever
    np.testing.assert_allclose(told(before)["value_loss"], values, rtol=1e-6)


def test_the_passes_above_meet_the_clip():
    _, found = reference()
    assert found[-1].clipped > 0.2


def step_on(ratio: float, advantage: float, **settings) -> tuple[dict, float]:
    """Of one action that is `ratio` as likely as when it was taken: the losses, and the change."""
    ppo = PPO(**{**BASE, "normalize_advantage": False, **settings})
    state = start(ppo)
    zero = jax.tree.map(jnp.zeros_like, state.networks)
    row = lambda x: jnp.asarray([x], jnp.float32)
    even = np.log(1 / 3)
    batch = Data(row([1.0, 0.0]), jnp.array([0]), row(even - np.log(ratio)), row(0), row(advantage))
    learned = Learned(zero, state.optimizer, jnp.array(False))
    learned, metrics = descend(ppo, learned, jnp.ones(()), batch)
    return metrics, float(parts(learned.networks.networks[0])[0][0, 0])


@pytest.mark.tiny
@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "learns"),
    [
        (1.1, 2.0, -2.2, 1),  # within the clip: the action becomes likelier
        (1.1, -2.0, 2.2, -1),
        (1.5, 2.0, -2.4, 0),  # beyond it nothing is to be gained
        (0.5, -2.0, 1.6, 0),
        (1.5, -2.0, 3.0, -1),  # but what went the wrong way comes back
        (0.5, 2.0, -1.0, 1),
    ],
)
def test_the_clip_on_both_sides(ratio, advantage, loss, learns):
    metrics, change = step_on(ratio, advantage, learning_rate=0.01)
    np.testing.assert_allclose(metrics["policy_loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(change, 0.01 * learns, rtol=1e-2)
    assert float(metrics["clipped"]) == (abs(ratio - 1) > 0.2)


@pytest.mark.parametrize(
    ("value", "old", "returns", "loss"),
    [
        (1.0, 0.9, 2.0, 1.0),  # within the clip
        (1.0, 0.5, 2.0, 1.69),  # 0.7 is as far as it may have gone: 1.3²
        (1.0, 0.5, 0.0, 1.0),  # the larger error counts
        (1.0, 1.5, 0.0, 1.69),
    ],
)
@pytest.mark.parametrize("on", [True, False])
def test_the_clipped_value(value, old, returns, loss, on):
    ppo = PPO(**BASE, clip_value=on, clip=0.2)
    state = start(ppo)
    row = lambda x: jnp.asarray([x], jnp.float32)
    batch = Data(row([value, 0.0]), jnp.array([0]), row(0), row(old), row(returns - old))
    _, metrics = descend(
        ppo, Learned(state.networks, state.optimizer, jnp.array(False)), jnp.ones(()), batch
    )
    expected = loss if on else (value - returns) ** 2
    np.testing.assert_allclose(metrics["value_loss"], expected, rtol=1e-5)


def test_each_pass_sees_every_row_once_in_another_order(monkeypatch):
    seen = []

    def look(self, learned, remaining, batch):
        jax.debug.callback(lambda batch: seen.append(batch), batch, ordered=True)
        return learned, {"seen": jnp.zeros(())}

    monkeypatch.setattr(PPO, "_descend", look)
    ppo = PPO(**{**BASE, "minibatches": 4})
    ppo.update(start(ppo), ROLLOUT, prng.key(1))
    jax.effects_barrier()
    assert len(seen) == 3 * 4
    assert {batch.action.shape for batch in seen} == {(T * E // 4,)}
    rollout = np.asarray(ROLLOUT.obs).reshape(-1, 2)
    values = linear.values(rollout)
    orders = []
    for i in range(3):
        batches = jax.tree.map(lambda *x: np.concatenate(x), *seen[4 * i : 4 * i + 4])
        order = (batches.obs[:, None] == rollout[None]).all(-1).argmax(1)
        orders.append(tuple(order))
        assert sorted(order) == list(range(T * E))
        np.testing.assert_array_equal(batches.action, np.asarray(ROLLOUT.action).ravel()[order])
        np.testing.assert_allclose(batches.value, values[order], rtol=1e-4)
    assert len(set(orders)) == 3


@pytest.mark.parametrize(("epochs", "minibatches"), [(1, 1), (2, 3), (3, 2)])
def test_gradient_steps_are_epochs_times_minibatches(epochs, minibatches):
    state, _ = updated(epochs=epochs, minibatches=minibatches)
    assert optax.tree.get(state.optimizer, "count") == epochs * minibatches


@pytest.mark.parametrize(("bound", "taken"), [(1e-3, 1), (0.15, 2), (1e9, 5), (0.0, 5)])
def test_target_kl_stops_further_steps(bound, taken):
    state, metrics = updated(target_kl=bound, epochs=5)
    assert optax.tree.get(state.optimizer, "count") == taken
    close(weights(state), reference(epochs=taken)[0])
    assert np.isfinite(metrics["kl"])
    after, _ = update(
        PPO(**{**BASE, "epochs": 5}, target_kl=bound), state, ROLLOUT, prng.key(2)
    )  # the next rollout is learned from
    assert (weights(after)[0] != weights(state)[0]).any()


@pytest.mark.parametrize("bound", [0.1, 1e9])
def test_max_grad_norm_bounds_the_gradient(bound):
    state, metrics = updated(max_grad_norm=bound, epochs=1)
    given = optax.tree.norm(optax.tree.get(state.optimizer, "mu")) / 0.1
    np.testing.assert_allclose(given, min(bound, float(metrics["gradient_norm"])), rtol=1e-4)


@pytest.mark.parametrize("minibatches", [5, 8, 24])
def test_minibatches_must_divide_the_rollout(minibatches):
    divide = f"^minibatches must divide .*, which is 12, but {minibatches} does not.$"
    with pytest.raises(ValueError, match=divide):
        PPO(rollout_length=T, minibatches=minibatches).init(SPEC, prng.key(0))


def test_a_minibatch_of_one_cannot_be_normalized():
    with pytest.raises(ValueError, match=r"^normalize_advantage needs .* at least 2 .*\.$"):
        PPO(rollout_length=T, minibatches=12).init(SPEC, prng.key(0))
    PPO(rollout_length=T, minibatches=12, normalize_advantage=False).init(SPEC, prng.key(0))


def test_normalized_observations_are_what_acts_and_learns():
    moments = Moments(jnp.float32(10), jnp.array([0.5, -1.0]), jnp.array([4.0, 0.25]))
    see = lambda obs: ((np.asarray(obs) - [0.5, -1.0]) / [2.0, 0.5]).astype(np.float32)
    ppo = PPO(**{**BASE, "normalize_obs": True})
    state = start(ppo)._replace(obs_moments=moments)
    after, _ = update(ppo, state, ROLLOUT, prng.key(1))
    seen = ROLLOUT._replace(obs=see(ROLLOUT.obs), next_obs=see(ROLLOUT.next_obs))
    close(weights(after), reference(seen)[0])
    together = after.obs_moments  # after learning: the ten of before and this rollout
    assert float(together.seen) == 10 + T * E
    shares = np.array([10, T * E]) / (10 + T * E)
    mean = shares[0] * np.array([0.5, -1.0]) + shares[1] * np.asarray(ROLLOUT.obs).mean((0, 1))
    np.testing.assert_allclose(together.mean, mean, rtol=1e-5)
    act = ppo.act(state, ROLLOUT.obs[0], prng.key(2), explore=False)
    np.testing.assert_array_equal(act, linear.log_probs(see(ROLLOUT.obs[0])).argmax(-1))


def test_the_saved_agent_is_the_policy_and_the_moments():
    ppo = PPO(**{**BASE, "normalize_obs": True, "normalize_reward": True})
    saved = reads(ppo, SPEC)
    policy = {f"networks.networks.0.mlp.layers.0.{part}" for part in ("weight", "bias")}
    assert set(saved) == policy | {"obs_moments.mean", "obs_moments.variance"}


def test_normalized_rewards_are_divided_by_the_deviation_of_returns():
    state, _ = updated(normalize_reward=True)
    running, seen = np.zeros(E), []
    for reward, done in zip(np.asarray(ROLLOUT.reward), np.asarray(ROLLOUT.done), strict=True):
        running = 0.9 * running + reward
        seen.append(running)
        running = np.where(done, 0, running)
    scaled = ROLLOUT._replace(reward=jnp.float32(ROLLOUT.reward / np.std(seen)))
    close(weights(state), reference(scaled)[0])
    np.testing.assert_allclose(state.reward_scale.returns, running, rtol=1e-5)


@pytest.mark.parametrize("log_std", [0.0, -1.5])
def test_log_std_is_the_start_of_the_deviation(log_std):
    ppo = PPO(log_std=log_std, hidden=())
    state = ppo.init(SPEC._replace(action_space=Box(-2, 2, (1,))), prng.key(0))
    action = ppo.act(state, jnp.zeros((5000, 2)), prng.key(1))
    np.testing.assert_allclose(action.std(), 2 * np.exp(log_std), rtol=0.05)
    still = ppo.act(state, jnp.zeros((3, 2)), prng.key(1), explore=False)
    np.testing.assert_allclose(still, 0, atol=1e-6)


def test_the_networks_form():
    count = lambda **form: sum(x.size for x in jax.tree.leaves(networks(**form)))
    networks = lambda **form: PPO(**form).init(SPEC, prng.key(0)).networks
    assert count(hidden=(5, 4)) == 2 * (2 * 5 + 5 + 5 * 4 + 4) + (4 * 3 + 3) + (4 + 1)
    assert count(hidden=(5, 4), shared=True) == (2 * 5 + 5 + 5 * 4 + 4) + (4 * 4 + 4)
    obs = jnp.array([0.3, -0.2])
    relu, tanh = (networks(hidden=(5,), activation=a).value(obs) for a in ("relu", "tanh"))
    assert relu != tanh


def test_exploring_draws_from_the_policy():
    ppo = PPO(**BASE)
    obs = jnp.array([1.0, -0.5])
    action = np.asarray(ppo.act(start(ppo), jnp.tile(obs[None], (20_000, 1)), prng.key(3)))
    share = np.bincount(action, minlength=3) / action.size
    np.testing.assert_allclose(share, np.exp(linear.log_probs(obs)), atol=0.02)


def test_sde_keeps_its_noise_for_a_rollout_and_draws_it_anew():
    box = SPEC._replace(action_space=Box(-2, 2, (1,)))
    ppo = PPO(**{**BASE, "hidden": (8,)}, sde=True)
    state = ppo.init(box, prng.key(0))
    act = lambda state, key, **how: np.asarray(ppo.act(state, ROLLOUT.obs[0], key, **how))
    first = act(state, prng.key(1))
    np.testing.assert_array_equal(first, act(state, prng.key(2)))
    expected = jax.vmap(state.networks.explore)(ROLLOUT.obs[0], state.noise)
    np.testing.assert_array_equal(first, expected)
    assert (first != act(state, prng.key(1), explore=False)).all()
    rollout = ROLLOUT._replace(action=jnp.ones((T, E, 1)))
    after, _ = update(ppo, state, rollout, prng.key(3))
    assert (after.noise != state.noise).all()
    assert PPO(**BASE).init(box, prng.key(0)).noise is None
