"""Policies: which head an action space gets, what its outputs mean, and how a policy starts."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from scipy import stats

from palestra import prng
from palestra.core import Spec
from palestra.parts.distributions import Categorical, Gaussian, MultiCategorical, SquashedGaussian
from palestra.parts.networks import Vector
from palestra.parts.policies import (
    ActorCritic,
    Bounds,
    Critic,
    DeterministicPolicy,
    GaussianHead,
    Policy,
    SoftPolicy,
    SquashedGaussianHead,
    StateDependentHead,
    head,
)

OBS = Box(-1, 1, (4,))
BOX = Box(np.float32([-2, 0]), np.float32([2, 10]))
SPACES = {"discrete": Discrete(3), "multi": MultiDiscrete([2, 3]), "box": BOX}
X = jnp.array([0.5, -1.0, 2.0, 0.1])


def spec(space) -> Spec:
    return Spec(OBS, space, 2)


def test_a_discrete_head_makes_logits():
    outputs = jnp.array([1.0, 2.0, 3.0])
    made = head(Discrete(3))
    assert made.size == 3
    assert isinstance(made(outputs), Categorical)
    np.testing.assert_array_equal(made(outputs).logits, outputs)


def test_a_multi_discrete_head_splits_the_logits():
    made = head(MultiDiscrete([2, 3, 1]))
    assert made.size == 6
    policy = made(jnp.arange(6.0))
    assert isinstance(policy, MultiCategorical)
    logits = [part.logits.tolist() for part in policy.parts]
    assert logits == [[0, 1], [2, 3, 4], [5]]


def test_a_box_head_stretches_over_the_box():
    made = head(BOX, log_std=-0.5)
    assert made.size == 2
    policy = made(jnp.array([0.5, -0.5]))
    assert isinstance(policy, Gaussian)
    np.testing.assert_allclose(policy.mode(), [1.0, 2.5])  # 0 ± half of 2, 5 ± half of 5
    np.testing.assert_allclose(policy.log_std, -0.5)


LARGEST = np.finfo(np.float32).max  # as many write that there is no bound
ENDLESS = Box(
    np.float32([-np.inf, -LARGEST, -3, -np.inf]), np.float32([np.inf, LARGEST, np.inf, 5])
)


def test_an_unbounded_box_is_taken_as_one_of_half_width_one():
    bounds = Bounds(ENDLESS)
    assert bounds.half == (1, 1, 1, 1)
    assert bounds.middle == (0, 0, -2, 4)  # inside of the bound that there is


def test_an_axis_of_no_width_is_a_number_like_others():
    flat = Bounds(Box(np.float32([-1, 0.5]), np.float32([1, 0.5])))
    np.testing.assert_array_equal(flat.units(jnp.array([1.0, 0.5])), [1, 0])
    made = GaussianHead(jnp.zeros(2), flat)(jnp.array([0.2, 0.3]))
    assert np.isfinite(made.log_prob(jnp.array([1.0, 0.5])))


@pytest.mark.parametrize("made", [DeterministicPolicy, SoftPolicy, Critic])
def test_who_acts_within_bounds_refuses_a_box_without(made):
    for low, high in ((-np.inf, np.inf), (0.0, np.inf), (-LARGEST, LARGEST)):
        spec = Spec(Box(-1, 1, (3,)), Box(np.float32(low), np.float32(high), (2,)), 1)
        with pytest.raises(
            ValueError, match=r"^the action must have bounds, .*Transform.*ppo.*\.$"
        ):
            made(spec, (8,), prng.key(0))
        ActorCritic(spec, (8,), prng.key(0), sde=True)


def test_a_squashed_head_holds_the_deviation():
    made = SquashedGaussianHead(Bounds(BOX))
    assert made.size == 4
    policy = made(jnp.array([0.0, 0.5, 0.0, 100.0]))
    np.testing.assert_allclose(policy.mean, [0.0, 0.5])
    np.testing.assert_allclose(policy.log_std, [-1.5, 2.0])  # the middle of -5 and 2, and the top
    low = made(jnp.array([0.0, 0.0, -100.0, -100.0]))
    np.testing.assert_allclose(low.log_std, -5.0)


FEATURES = jnp.array([1.0, -2.0, 0.5])
LOG_STD = jnp.array([[0.0, 1.0], [-1.0, 0.5], [0.2, 0.0]])
NOISE = jnp.array([[0.3, -1.0], [1.0, 0.0], [0.0, 2.0]])


def state_dependent() -> StateDependentHead:
    made = StateDependentHead(3, 0.0, Bounds(BOX))
    return eqx.tree_at(lambda made: made.log_std, made, LOG_STD)


def test_noise_is_a_function_of_the_state():
    outputs = np.array([0.5, -0.5])
    x = outputs + np.asarray(FEATURES) @ (np.exp(LOG_STD) * np.asarray(NOISE)) / 3**0.5
    action = state_dependent().explore(jnp.float32(outputs), FEATURES, NOISE)
    np.testing.assert_allclose(action, [0, 5] + np.array([2, 5]) * x, rtol=1e-5)
    assert abs(x).max() > 1  # beyond the box, as what log_prob is asked of
    still = state_dependent().explore(jnp.float32(outputs), FEATURES, jnp.zeros((3, 2)))
    np.testing.assert_allclose(still, state_dependent()(jnp.float32(outputs), FEATURES).mode())


def test_over_all_noise_it_is_the_gaussian_that_it_says():
    policy = state_dependent()(jnp.array([0.5, -0.5]), FEATURES)
    noise = jax.random.normal(prng.key(0), (20_000, 3, 2))
    explore = jax.vmap(state_dependent().explore, (None, None, 0))
    drawn = np.asarray(explore(jnp.array([0.5, -0.5]), FEATURES, noise))
    x = (drawn - [0, 5]) / [2, 5]
    for i in range(2):
        whole = stats.norm([0.5, -0.5][i], np.exp(policy.log_std[i]))
        assert stats.kstest(x[:, i], whole.cdf).pvalue > 1e-4
    expected = stats.norm([0.5, -0.5], np.exp(policy.log_std)).logpdf(x[0]).sum()
    np.testing.assert_allclose(policy.log_prob(jnp.float32(drawn[0])), expected, rtol=1e-4)


def test_noise_does_not_shape_the_features():
    likely = lambda features: state_dependent()(jnp.zeros(2), features).log_prob(jnp.ones(2))
    np.testing.assert_array_equal(jax.grad(likely)(FEATURES), 0)


@pytest.mark.parametrize("shared", [False, True])
def test_an_actor_critic_explores_by_the_noise_it_is_given(shared):
    make = lambda: ActorCritic(spec(BOX), (8,), prng.key(0), shared=shared, log_std=0.5, sde=True)
    networks = make()
    noise = networks.draw_noise(5, prng.key(1))
    assert noise.shape == (5, 8, 2)
    features = np.tanh(np.asarray(X) @ layers(networks.networks[0])[0])
    mean = (np.asarray(networks.policy(X).mode()) - [0, 5]) / [2, 5]
    x = mean + features @ (np.exp(0.5) * np.asarray(noise[0])) / 8**0.5
    np.testing.assert_allclose(
        networks.explore(X, noise[0]), [0, 5] + np.array([2, 5]) * x, rtol=1e-4, atol=1e-5
    )
    deviation = np.exp(0.5) * np.sqrt((features**2).mean())
    np.testing.assert_allclose(networks.policy(X).log_std, np.log(deviation), rtol=1e-4)
    np.testing.assert_allclose(networks(X)[0].log_std, np.log(deviation), rtol=1e-4)
    np.testing.assert_allclose(networks(X)[1], networks.value(X), rtol=1e-6)
    with pytest.raises(ValueError, match=r"^the action must be a vector .*, not Discrete\(3\)\.$"):
        ActorCritic(spec(Discrete(3)), (8,), prng.key(0), sde=True)


@pytest.mark.parametrize("space", [Box(-1, 1, (2, 2)), Dict({"a": Discrete(2)})])
def test_other_actions_are_refused(space):
    with pytest.raises(ValueError, match=r"^the action must be .*, not .*\.$"):
        head(space)


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("shared", [False, True])
def test_an_actor_critic_gives_both_together_what_it_gives_alone(kind, shared):
    networks = ActorCritic(spec(SPACES[kind]), (8,), prng.key(0), shared=shared)
    policy, value = networks(X)
    assert jax.tree.structure(policy) == jax.tree.structure(networks.policy(X))
    for one, other in zip(
        jax.tree.leaves(policy), jax.tree.leaves(networks.policy(X)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    np.testing.assert_allclose(value, networks.value(X), rtol=1e-6)
    assert value.shape == ()
    assert len(networks.networks) == (1 if shared else 2)


def layers(network):
    return [np.asarray(layer.weight) for layer in network.mlp.layers]


@pytest.mark.parametrize("shared", [False, True])
def test_the_policy_starts_small_and_the_value_does_not(shared):
    networks = ActorCritic(spec(Discrete(3)), (8,), prng.key(1), shared=shared)
    last = [layers(network)[-1] for network in networks.networks]
    policy, value = (last[0][:, :3], last[0][:, 3:]) if shared else last
    np.testing.assert_allclose(np.linalg.norm(policy, axis=0), 0.01, rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(value, axis=0), 1.0, rtol=1e-4)
    np.testing.assert_allclose(jax.nn.softmax(networks.policy(X).logits), 1 / 3, atol=0.01)


@pytest.mark.parametrize("kind", SPACES)
def test_a_policy_alone_starts_small(kind):
    policy = Policy(spec(SPACES[kind]), (8,), prng.key(2), log_std=-1.0)
    assert isinstance(policy.network.encoder, Vector)
    np.testing.assert_allclose(np.linalg.norm(layers(policy.network)[-1], 2), 0.01, rtol=1e-4)
    made = policy(X)
    assert jax.tree.structure(made) == jax.tree.structure(
        head(SPACES[kind])(jnp.zeros(5)[: policy.head.size])
    )
    if kind == "box":
        np.testing.assert_allclose(made.log_std, -1.0)


def test_the_activation_is_the_one_asked_for():
    relu, tanh = (
        Policy(spec(Discrete(3)), (8,), prng.key(3), activation=name) for name in ("relu", "tanh")
    )
    hidden, last = layers(relu.network)
    np.testing.assert_allclose(relu(X).logits, np.maximum(X @ hidden, 0) @ last, rtol=1e-4)
    np.testing.assert_allclose(tanh(X).logits, np.tanh(X @ hidden) @ last, rtol=1e-4)


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("shared", [False, True])
def test_leaves_are_arrays_of_their_own(kind, shared):
    leaves = jax.tree.leaves(ActorCritic(spec(SPACES[kind]), (8,), prng.key(4), shared=shared))
    assert all(isinstance(leaf, jax.Array) for leaf in leaves)
    assert not any(leaf.weak_type for leaf in leaves)
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)


BOUNDS = Bounds(BOX)  # middle 0 and 5, half widths 2 and 5


def test_bounds_between_units_and_actions():
    np.testing.assert_allclose(BOUNDS.inside(jnp.array([0.5, -0.5])), [1.0, 2.5])
    np.testing.assert_allclose(BOUNDS.inside(jnp.array([-3.0, 1.2])), [-2.0, 10.0])  # clipped
    np.testing.assert_allclose(BOUNDS.units(jnp.array([[1.0, 2.5]])), [[0.5, -0.5]])
    nudged = BOUNDS.nudge(jnp.array([1.0, 2.5]), jnp.array([0.25, -0.75]))
    np.testing.assert_allclose(nudged, [1.5, 0.0])  # 2.5 - 0.75 * 5 would lie outside


def test_any_action_of_the_box_is_as_likely():
    action = np.asarray(BOUNDS.spread(jax.random.normal(prng.key(5), (20_000, 2))))
    for i, (low, width) in enumerate([(-2, 4), (0, 10)]):
        assert stats.kstest(action[:, i], stats.uniform(low, width).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(action.T)[0, 1]) < 5 / 20_000**0.5


def test_a_deterministic_policy_is_tanh_into_the_box():
    policy = DeterministicPolicy(spec(BOX), (8,), prng.key(7))
    np.testing.assert_allclose(policy(X), [0, 5], atol=0.2)  # starts in the middle
    hidden, last = (10 * w for w in layers(policy.network))
    far = jax.tree.map(lambda x: 10 * x, policy)
    u = np.tanh(np.maximum(np.asarray(X) @ hidden, 0) @ last)
    np.testing.assert_allclose(far(X), [2 * u[0], 5 + 5 * u[1]], rtol=1e-4)


def test_a_soft_policy_starts_the_same_everywhere():
    policy = SoftPolicy(spec(BOX), (8,), prng.key(8))(X)
    assert isinstance(policy, SquashedGaussian)
    np.testing.assert_allclose(policy.mode(), [0, 5], atol=0.2)
    np.testing.assert_allclose(policy.log_std, -1.5, atol=0.2)
    choice = SoftPolicy(spec(Discrete(3)), (8,), prng.key(9))(X)
    assert isinstance(choice, Categorical)
    np.testing.assert_allclose(choice.logits, 0, atol=0.05)


def test_a_critic_sees_the_action_in_half_widths():
    critic = Critic(spec(BOX), (), prng.key(10))
    (weight,) = layers(critic.network)
    found = critic(X, jnp.array([1.0, 7.5]))
    np.testing.assert_allclose(found, (np.append(X, [0.5, 0.5]) @ weight)[0], rtol=1e-5)


@pytest.mark.parametrize("make", [DeterministicPolicy, SoftPolicy, Critic])
def test_what_is_no_vector_is_refused(make):
    with pytest.raises(ValueError, match=r"^the action must be a vector .*, not .*\.$"):
        make(spec(MultiDiscrete([2, 3])), (8,), prng.key(11))
