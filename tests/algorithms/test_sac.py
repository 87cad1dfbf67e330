"""SAC with numbers worked out by hand (continuous.py) and in NumPy, and each setting's effect.

Continuous actions: the critics are two as in test_td3.py, the policy's mean in s is 0.5, in z 0.25.
Discrete ones: tables of the values and logits of two actions in s and z.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from continuous import BASE, CRITIC, SPEC, STEP, TARGET_CRITIC, S, Z, rows, table, weights
from gymnasium.spaces import Discrete
from scipy import stats

from palestra import prng
from palestra.algorithms.sac import SAC

OTHER_CRITIC = [[0.0], [0.0], [-1.0]]  # Q2(s, a) = -u
OTHER_TARGET = [[0.0], [7.0], [-3.0]]  # Q2'(z, a) = 7 - 3 u, the lesser where u > 0.75
RAW = -0.5  # what the network says of the deviation, which is exp(-5 + 3.5 (1 + tanh RAW))
ACTOR = [[0.5, RAW], [0.25, RAW]]
FEW = SPEC._replace(action_space=Discrete(2))
VALUES = [[[1.0, 2.0], [0.0, 0.0]], [[3.0, 0.5], [0.0, 0.0]]]
TARGETS = [[[0.0, 0.0], [7.0, 4.0]], [[0.0, 0.0], [5.0, 6.0]]]  # the lesser in z: [5, 4]
LOGITS = [[0.5, -0.5], [1.0, 0.0]]
CHOICE = (S, 1, 1.0, Z, False, False)  # valued at 2 and 0.5
ALPHA = 0.4
MANY = 20_000
ENDS = [(False, False), (True, False), (False, True)]
update = jax.jit(SAC.update)  # floats are traced: compiled once for all of them


def sac(**settings) -> SAC:
    return SAC(**{**BASE, "temperature": ALPHA, **settings})


def start(sac: SAC, spec=SPEC):
    state = sac.init(spec, prng.key(0))
    few = isinstance(spec.action_space, Discrete)
    critics, actor = state.networks.critics, state.networks.actor
    networks = state.networks._replace(
        actor=table(actor, *(LOGITS if few else ACTOR)),
        critics=table(critics, *(VALUES if few else (CRITIC, OTHER_CRITIC))),
    )
    target = table(critics, *(TARGETS if few else (TARGET_CRITIC, OTHER_TARGET)))
    return state._replace(networks=networks, target=target)


def learn(*steps, spec=SPEC, **settings):
    learner = sac(**settings)
    kind = np.int32 if isinstance(spec.action_space, Discrete) else np.float32
    return update(learner, start(learner, spec), rows(*steps, action=kind), prng.key(1))


def gradient(optimizer) -> np.ndarray:
    """What Adam was given in its first step: its mean is a tenth of it."""
    return weights(optax.tree.get(optimizer, "mu")) * 10


def samples(mean: float):
    """Noise, x and log pi of a million actions, in NumPy."""
    log_std = -5 + 3.5 * (1 + np.tanh(RAW))
    noise = np.random.default_rng(0).normal(size=10**6)
    x = mean + np.exp(log_std) * noise
    normal = stats.norm(mean, np.exp(log_std)).logpdf(x)
    return noise, x, normal - np.log(1 - np.tanh(x) ** 2)


def is_mean_of(found, sampled) -> None:
    """That `found` could be the mean of MANY of these."""
    error = sampled.std() / MANY**0.5
    np.testing.assert_allclose(found, sampled.mean(), atol=5 * error + 1e-5)


@pytest.mark.parametrize("temperature", [1e-6, ALPHA])
@pytest.mark.parametrize(
    ("terminated", "truncated"), [(False, False), (True, False), (False, True)]
)
def test_target_counts_the_entropy(terminated, truncated, temperature):
    step = (*STEP[:4], terminated, truncated)
    _, metrics = learn(step, batch_size=MANY, temperature=temperature)
    _, x, log_prob = samples(0.25)
    u = np.tanh(x)
    soft = np.minimum(4 + u, 7 - 3 * u) - temperature * log_prob
    y = 1 + 0.9 * (not terminated) * soft
    is_mean_of(metrics["critic_loss"], (2 - y) ** 2 + (-0.5 - y) ** 2)
    np.testing.assert_allclose(metrics["q"], (2 - 0.5) / 2, rtol=1e-6)
    np.testing.assert_allclose(metrics["temperature"], temperature, rtol=1e-5)


def test_target_of_two_steps():
    steps = STEP, (S, [2.0], 0.5, Z, True, False)
    _, metrics = learn(*steps, n_step=2, memory_size=2, rollout_length=2)
    y = 1 + 0.9 * 0.5
    np.testing.assert_allclose(metrics["critic_loss"], (2 - y) ** 2 + (-0.5 - y) ** 2, rtol=1e-5)


def test_the_actor_climbs_the_lesser_value_and_its_entropy():
    rates = {"learning_rate": 1e-6, "actor_learning_rate": 0.01}  # the critics stay
    state, metrics = learn(STEP, batch_size=MANY, **rates)
    noise, x, log_prob = samples(0.5)
    u = np.tanh(x)
    is_mean_of(metrics["actor_loss"], ALPHA * log_prob - np.minimum(1 + 2 * u, -u))
    is_mean_of(metrics["entropy"], -log_prob)
    assert (-u < 1 + 2 * u).all()  # the second critic is the lesser all over: its slope is -1
    along = ALPHA * 2 * u + (1 - u**2)  # by x
    std = np.exp(-5 + 3.5 * (1 + np.tanh(RAW)))
    by_raw = (along * std * noise - ALPHA) * 3.5 * (1 - np.tanh(RAW) ** 2)
    found = gradient(state.optimizers.actor)
    is_mean_of(found[0], along)
    is_mean_of(found[1], by_raw)
    assert (found[2:4] == 0).all()  # nothing was seen of z
    np.testing.assert_allclose(found[4:], found[:2], rtol=1e-5)  # the biases
    change = weights(state.networks.actor)[:2] - ACTOR[0]
    np.testing.assert_allclose(change, [-0.01, 0.01], rtol=1e-3)


def entropy(logits) -> float:
    return stats.entropy(np.exp(logits) / np.exp(logits).sum())


@pytest.mark.parametrize(
    ("terminated", "truncated"), [(False, False), (True, False), (False, True)]
)
def test_discrete_target_is_exact(terminated, truncated):
    _, metrics = learn((*CHOICE[:4], terminated, truncated), spec=FEW)
    pi = np.exp(LOGITS[1]) / np.exp(LOGITS[1]).sum()
    soft = pi @ [5, 4] + ALPHA * entropy(LOGITS[1])
    y = 1 + 0.9 * (not terminated) * soft
    np.testing.assert_allclose(metrics["critic_loss"], (2 - y) ** 2 + (0.5 - y) ** 2, rtol=1e-5)
    np.testing.assert_allclose(metrics["q"], (2 + 0.5) / 2, rtol=1e-6)


def test_discrete_critics_learn_of_the_action_taken():
    state, _ = learn((*CHOICE[:4], True, False), spec=FEW)
    first, second = 2 * (2 - 1), 2 * (0.5 - 1)
    expected = [0, first, 0, 0, 0, second, 0, 0, 0, first, 0, second]  # weights, then biases
    np.testing.assert_allclose(gradient(state.optimizers.critics), expected, rtol=1e-5, atol=1e-6)


def test_discrete_actor_is_exact():
    state, metrics = learn(CHOICE, spec=FEW, learning_rate=1e-6)
    pi = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum()
    cost = ALPHA * np.log(pi) - [1, 0.5]  # the lesser values in s
    np.testing.assert_allclose(metrics["actor_loss"], pi @ cost, rtol=1e-4)
    np.testing.assert_allclose(metrics["entropy"], entropy(LOGITS[0]), rtol=1e-5)
    expected = pi * (cost - pi @ cost)
    np.testing.assert_allclose(gradient(state.optimizers.actor)[:2], expected, rtol=1e-4)


@pytest.mark.parametrize(("spec", "step"), [(SPEC, STEP), (FEW, CHOICE)])
@pytest.mark.parametrize("side", [-0.5, 0.5])
def test_the_temperature_moves_by_how_far_the_entropy_is_from_its_target(spec, step, side):
    _, metrics = learn(step, spec=spec)
    found = float(metrics["entropy"])
    share = (found + side * 0.1) / np.log(2)
    target = {"target_entropy": found + side, "target_entropy_share": np.clip(share, 0, 1).item()}
    state, _ = learn(step, spec=spec, actor_learning_rate=0.01, **target)
    gap = -side if spec is SPEC else -side * 0.1
    np.testing.assert_allclose(gradient(state.optimizers.temperature), gap, rtol=1e-3)
    # Too little entropy makes it dearer; Adam's first step is the learning rate.
    change = float(state.networks.log_temperature) - np.log(ALPHA)
    np.testing.assert_allclose(change, 0.01 * np.sign(side), rtol=1e-3)


def test_the_target_entropy_is_per_number_of_the_action():
    wide = SPEC._replace(action_space=type(SPEC.action_space)(1, 5, (3,)))
    learner = sac()
    state = learner.init(wide, prng.key(0))
    step = (S, [4.0] * 3, 1.0, Z, True, False)
    state, metrics = update(learner, state, rows(step), prng.key(1))
    gap = float(metrics["entropy"]) - 3 * -1.0
    np.testing.assert_allclose(gradient(state.optimizers.temperature), gap, rtol=1e-4)


def test_a_temperature_that_is_not_learned_stays():
    for i, temperature in enumerate([0.1, 2.0]):
        learner = sac(temperature=temperature, learn_temperature=False)
        state, _ = update(learner, start(learner), rows(STEP), prng.key(i))
        np.testing.assert_allclose(np.exp(state.networks.log_temperature), temperature, rtol=1e-6)


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_the_entropy_arrives_at_its_target(share):
    """One action pays 1, the other 0; both the temperature and the policy go about the balance."""
    settings = {"rollout_length": 2, "memory_size": 2, "gradient_steps": 3000, "batch_size": 16}
    rates = {"learning_rate": 0.02, "actor_learning_rate": 0.02}
    learner = sac(**settings, **rates, target_entropy_share=share)
    steps = [(S, action, float(action), Z, True, False) for action in (0, 1)]
    rollout = rows(*steps, action=np.int32)
    state, metrics = update(learner, start(learner, FEW), rollout, prng.key(2))
    np.testing.assert_allclose(metrics["entropy"], share * np.log(2), atol=0.01)
    policy, values = state.networks.actor(jnp.array(S)), state.networks.critics(jnp.array(S))
    assert policy.logits[1] > policy.logits[0]
    np.testing.assert_allclose(values, [[0, 1], [0, 1]], atol=0.05)


@pytest.mark.parametrize("gradient_steps", [1, 3])
def test_gradient_steps_are_taken(gradient_steps):
    state, _ = learn(STEP, gradient_steps=gradient_steps)
    for optimizer in state.optimizers:
        assert optax.tree.get(optimizer, "count") == gradient_steps


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_the_targets_follow_by_period_and_rate(rate):
    learner = sac(target_period=3, target_rate=rate)
    state = start(learner)
    for step in range(1, 7):
        before = weights(state.target)
        state, _ = update(learner, state, rows(STEP), prng.key(step))
        now = weights(state.networks.critics)
        follows = before + rate * (now - before) if step % 3 == 0 else before
        np.testing.assert_allclose(weights(state.target), follows, rtol=1e-6, atol=1e-7)
        assert (now != before).any()


@pytest.mark.parametrize(("settings", "begins"), [({"learning_starts": 3}, 3), ({"n_step": 4}, 4)])
def test_learning_waits_for_experience(settings, begins):
    learner = sac(**{"memory_size": 8, **settings})
    state = start(learner)
    for step in range(1, 6):
        before = weights(state.networks)
        state, metrics = update(learner, state, rows(STEP), prng.key(step))
        assert (weights(state.networks) != before).any() == (step >= begins)
        assert np.isfinite(metrics["critic_loss"]) == (step >= begins)
        assert int(state.step) == int(state.memory.rows) == step


def test_a_memory_too_small_for_n_steps_is_refused():
    with pytest.raises(ValueError, match=r"memory_size must be at least .* which is 3"):
        sac(n_step=3).init(SPEC, prng.key(0))


OBS = jnp.tile(jnp.array([S]), (MANY, 1))


def test_actions_are_random_until_learning_starts():
    learner = sac(learning_starts=10)
    early, late = (start(learner)._replace(step=jnp.int32(step)) for step in (9, 10))
    u = (np.asarray(learner.act(early, OBS, prng.key(2)))[:, 0] - 3) / 2
    assert stats.kstest(u, stats.uniform(-1, 2).cdf).pvalue > 1e-4
    u = (np.asarray(learner.act(late, OBS, prng.key(2)))[:, 0] - 3) / 2
    std = np.exp(-5 + 3.5 * (1 + np.tanh(RAW)))
    assert stats.kstest(np.arctanh(u), stats.norm(0.5, std).cdf).pvalue > 1e-4
    greedy = learner.act(late, OBS[:1], prng.key(2), explore=False)
    np.testing.assert_allclose(greedy, [[3 + 2 * np.tanh(0.5)]], rtol=1e-6)


def test_noise_that_remembers_samples_the_actions():
    learner = sac(noise="ornstein-uhlenbeck", noise_theta=0.25, learning_starts=2 * MANY)
    state = start(learner, SPEC._replace(num_envs=MANY))
    noise = np.asarray(state.noise)[:, 0]
    assert stats.kstest(noise, stats.norm.cdf).pvalue > 1e-4
    std = np.exp(-5 + 3.5 * (1 + np.tanh(RAW)))
    late = state._replace(step=jnp.int32(2 * MANY))
    random, sampled = 2 * stats.norm.cdf(noise) - 1, np.tanh(0.5 + std * noise)
    for holder, u in ((state, random), (late, sampled)):
        found = (np.asarray(learner.act(holder, OBS, prng.key(2)))[:, 0] - 3) / 2
        np.testing.assert_allclose(found, u, atol=1e-5)
    rollout = jax.tree.map(lambda x: jnp.tile(x, (1, MANY) + (1,) * (x.ndim - 2)), rows(STEP))
    done = jnp.zeros((1, MANY), bool).at[0, : MANY // 2].set(True)  # half begin anew
    after, _ = update(learner, state, rollout._replace(terminated=done), prng.key(4))
    pairs = np.stack([noise, np.ravel(after.noise)])
    np.testing.assert_allclose(np.corrcoef(pairs[:, MANY // 2 :])[0, 1], 0.75, atol=0.05)
    assert abs(np.corrcoef(pairs[:, : MANY // 2])[0, 1]) < 0.05
    with pytest.raises(ValueError, match="noise must be gaussian"):
        learner.init(FEW, prng.key(0))


def test_discrete_actions_are_random_until_learning_starts():
    learner = sac(learning_starts=10)
    early, late = (start(learner, FEW)._replace(step=jnp.int32(step)) for step in (9, 10))
    first = np.exp(LOGITS[0]) / np.exp(LOGITS[0]).sum()
    for state, pi in ((early, [0.5, 0.5]), (late, first)):
        counts = np.bincount(learner.act(state, OBS, prng.key(2)), minlength=2)
        assert stats.chisquare(counts, MANY * np.asarray(pi)).pvalue > 1e-4
    assert learner.act(late, OBS[:1], prng.key(2), explore=False).tolist() == [0]


def test_the_critics_start_apart_and_the_targets_as_they_are():
    state = SAC(hidden=(8, 8), memory_size=10).init(SPEC, prng.key(0))
    np.testing.assert_array_equal(weights(state.networks.critics), weights(state.target))
    each = [jax.tree.map(lambda x, i=i: x[i], state.networks.critics) for i in (0, 1)]
    assert len(weights(each[0])) == (3 * 8 + 8) + (8 * 8 + 8) + (8 * 1 + 1)
    assert np.abs(weights(each[0]) - weights(each[1])).max() > 0.1
    assert len(weights(state.networks.actor)) == (2 * 8 + 8) + (8 * 8 + 8) + (8 * 2 + 2)
