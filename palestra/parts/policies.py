"""Policies: networks whose outputs are a distribution over actions. They see one observation.

A head says how many outputs it needs and makes the distribution of them:

    Discrete       CategoricalHead        MultiDiscrete   MultiCategoricalHead
    Box            GaussianHead, whose deviation is learned but does not depend on the observation
                   StateDependentHead, whose noise is a function of the observation for a while
                   SquashedGaussianHead, whose deviation does, and whose actions stay in the box

Where what is seen has a mask, the logits of forbidden actions are such that their probability is 0.
"""

import equinox as eqx
import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete
from jaxtyping import Array, Bool, Float, PyTree

from palestra.core import Activation, Cell, Key, Recalled, Spec
from palestra.faults import InputError
from palestra.parts.distributions import (
    Categorical,
    Distribution,
    Gaussian,
    MultiCategorical,
    SquashedGaussian,
)
from palestra.parts.masks import masked
from palestra.parts.networks import MLP, Network
from palestra.parts.recurrent import Recurrent


class CategoricalHead(eqx.Module):
    """Logits of one choice."""

    size: int = eqx.field(static=True)

    def __call__(self, outputs: Float[Array, " size"]) -> Categorical:
        return Categorical(outputs)


class MultiCategoricalHead(eqx.Module):
    """Logits of several choices, one after another."""

    sizes: tuple[int, ...] = eqx.field(static=True)

    @property
    def size(self) -> int:
        return sum(self.sizes)

    def __call__(self, outputs: Float[Array, " size"]) -> MultiCategorical:
        ends = np.cumsum(self.sizes)[:-1].tolist()
        return MultiCategorical(tuple(map(Categorical, jnp.split(outputs, ends))))


NO_BOUND = 1e15  # many write float32's largest number for no bound; squares must be numbers, too


def _bounded(space: Box) -> tuple[np.ndarray, np.ndarray]:
    """Whether there is a bound below, and above, along each axis."""
    return space.low > -NO_BOUND, space.high < NO_BOUND


class Bounds(eqx.Module):
    """Middle and half width of a box of actions.

    Half the width is 1 along an axis without two bounds, which starts at the bound that it has, or
    lies around 0; and along an axis of no width, where all that is asked for is clipped to one.
    """

    middle: tuple[float, ...] = eqx.field(static=True)
    half: tuple[float, ...] = eqx.field(static=True)

    def __init__(self, space: Box):
        below, above = _bounded(space)
        low, high = space.low.astype(float), space.high.astype(float)
        low = np.where(below, low, np.where(above, high - 2.0, -1.0))
        high = np.where(above, high, low + 2.0)
        self.middle = tuple(((low + high) / 2).tolist())
        self.half = tuple(np.where(low < high, (high - low) / 2, 1.0).tolist())

    def arrays(self) -> tuple[Float[Array, " D"], Float[Array, " D"]]:
        return jnp.array(self.middle), jnp.array(self.half)

    def inside(self, x: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        """The action of x, in half widths from the middle; what lies outside is clipped."""
        middle, half = (jnp.broadcast_to(b, x.shape) for b in self.arrays())
        return middle + half * jnp.clip(x, -1.0, 1.0)

    def units(self, action: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        """The x of an action: from -1 to 1, as networks like their inputs."""
        middle, half = (jnp.broadcast_to(b, action.shape) for b in self.arrays())
        return (action - middle) / half

    def nudge(
        self, action: Float[Array, "*batch D"], noise: Float[Array, "*batch D"]
    ) -> Float[Array, "*batch D"]:
        """The action moved by `noise` half widths, without leaving the box."""
        return self.inside(self.units(action) + noise)

    def spread(self, noise: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        """Actions that are uniform over the box, from standard normal noise."""
        return self.inside(jax.lax.erf(noise / 2**0.5))  # the normal distribution function, ±1


class GaussianHead(eqx.Module):
    """Means of the actions; their deviations are parameters of their own. In half widths."""

    log_std: Float[Array, " D"]
    bounds: Bounds

    @property
    def size(self) -> int:
        return len(self.bounds.middle)

    def __call__(self, outputs: Float[Array, " size"]) -> Gaussian:
        return Gaussian(outputs, self.log_std, *self.bounds.arrays())


class StateDependentHead(eqx.Module):
    """Means of the actions, and noise that is a function of the state (Raffin et al. 2022, eq. 5).

        x = mean + features' W,   W = deviation * noise / sqrt(number of features)

    with `noise` of standard normal numbers. Who keeps it for a while pushes steadily, and the same
    way in the same state; over all noise x is normal, with the deviation of a row of features that
    are all 1. Features are taken as they are: noise does not shape them.
    """

    log_std: Float[Array, "features D"]
    bounds: Bounds

    def __init__(self, features: int, log_std: float | Float[Array, ""], bounds: Bounds):
        self.log_std = jnp.full((features, len(bounds.middle)), log_std, jnp.float32)
        self.bounds = bounds

    @property
    def size(self) -> int:
        return len(self.bounds.middle)

    def __call__(
        self, outputs: Float[Array, " size"], features: Float[Array, " features"]
    ) -> Gaussian:
        features = jax.lax.stop_gradient(features)
        variance = jnp.square(features) @ jnp.exp(2 * self.log_std) / len(features)
        return Gaussian(outputs, 0.5 * jnp.log(variance + 1e-6), *self.bounds.arrays())

    def explore(
        self,
        outputs: Float[Array, " size"],
        features: Float[Array, " features"],
        noise: Float[Array, "features size"],
    ) -> Float[Array, " size"]:
        weights = jnp.exp(self.log_std) * noise / len(features) ** 0.5
        middle, half = self.bounds.arrays()
        return middle + half * (outputs + features @ weights)


class SquashedGaussianHead(eqx.Module):
    """Means, then logarithms of deviations, pressed between -5 and 2."""

    bounds: Bounds

    @property
    def size(self) -> int:
        return 2 * len(self.bounds.middle)

    def __call__(self, outputs: Float[Array, " size"]) -> SquashedGaussian:
        mean, log_std = jnp.split(outputs, 2)
        log_std = -5.0 + 3.5 * (1.0 + jnp.tanh(log_std))
        return SquashedGaussian(mean, log_std, *self.bounds.arrays())


Head = CategoricalHead | MultiCategoricalHead | GaussianHead


def head(space: gymnasium.Space, *, log_std: float | Float[Array, ""] = 0.0) -> Head:
    """What makes distributions over the space's actions. Raises ValueError for other spaces."""
    if isinstance(space, Discrete):
        return CategoricalHead(int(space.n))
    if isinstance(space, MultiDiscrete) and len(space.shape) == 1:
        return MultiCategoricalHead(tuple(space.nvec.tolist()))
    if isinstance(space, Box) and len(space.shape) == 1:
        return GaussianHead(jnp.full(space.shape, log_std, jnp.float32), Bounds(space))
    raise InputError(
        "the action must be one of a few (Discrete), several such (MultiDiscrete) or a vector (a "
        f"Box of one axis), not {space}."
    )


class Policy(eqx.Module):
    """A policy alone: pi(. | obs)."""

    network: Network
    head: Head

    def __init__(
        self,
        spec: Spec,
        hidden: tuple[int, ...],
        key: Key,
        *,
        activation: Activation = "tanh",
        log_std: float | Float[Array, ""] = 0.0,
    ):
        """The last layer starts small, so that all actions are about as likely."""
        self.head = head(spec.action_space, log_std=log_std)
        self.network = Network(
            spec.observation_space,
            hidden,
            self.head.size,
            key,
            activation=activation,
            last_scale=0.01,
        )

    def __call__(self, obs: PyTree) -> Distribution:
        return self.head(masked(self.network(obs), obs))


class ActorCritic(eqx.Module):
    """A policy and its value: two networks, or one with two heads."""

    networks: tuple[Network, ...]
    head: Head | StateDependentHead

    def __init__(
        self,
        spec: Spec,
        hidden: tuple[int, ...],
        key: Key,
        *,
        activation: Activation = "tanh",
        shared: bool = False,
        log_std: float | Float[Array, ""] = 0.0,
        sde: bool = False,
    ):
        """The policy's last layer starts small, so that all actions are about as likely.

        With `sde` the actions, which must be a Box, explore as StateDependentHead says.
        """
        self.head = head(spec.action_space, log_std=log_std)
        keys = jax.random.split(key)
        make = lambda outputs, scale, key: Network(
            spec.observation_space,
            hidden,
            outputs,
            key,
            activation=activation,
            last_scale=scale,
        )
        if shared:
            network = make(self.head.size + 1, 1.0, keys[0])
            scale = jnp.full(self.head.size + 1, 0.01).at[-1].set(1.0)
            last = lambda network: network.mlp.layers[-1].weight
            self.networks = (eqx.tree_at(last, network, last(network) * scale[None]),)
        else:
            self.networks = make(self.head.size, 0.01, keys[0]), make(1, 1.0, keys[1])
        if sde:
            features = self.networks[0].mlp.layers[-1].weight.shape[0]
            self.head = StateDependentHead(features, log_std, box(spec.action_space, endless=True))

    def policy(self, obs: PyTree) -> Distribution:
        """pi(. | obs), without the work for the value where that is a network of its own."""
        return self._policy(*self._run(self.networks[0], obs), obs)

    def value(self, obs: PyTree) -> Float[Array, ""]:
        """V(obs)."""
        return self.networks[-1](obs)[-1]

    def __call__(self, obs: PyTree) -> tuple[Distribution, Float[Array, ""]]:
        outputs, features = self._run(self.networks[0], obs)
        value = outputs[-1] if len(self.networks) == 1 else self.value(obs)
        return self._policy(outputs, features, obs), value

    def explore(self, obs: PyTree, noise: Float[Array, "features D"]) -> Float[Array, " D"]:
        """With `sde`: the action that this noise, from `draw_noise`, leads to."""
        assert isinstance(self.head, StateDependentHead)
        outputs, features = self._run(self.networks[0], obs)
        return self.head.explore(outputs[: self.head.size], features, noise)

    def draw_noise(self, num_envs: int, key: Key) -> Float[Array, "E features D"]:
        """With `sde`: noise for each environment, to be kept for a while."""
        assert isinstance(self.head, StateDependentHead)
        return jax.random.normal(key, (num_envs, *self.head.log_std.shape))

    def _run(
        self, network: Network, obs: PyTree
    ) -> tuple[Float[Array, " outputs"], Float[Array, " features"]]:
        features = network.mlp.features(network.encoder(obs))
        return network.mlp.layers[-1](features), features

    def _policy(
        self, outputs: Float[Array, " outputs"], features: Float[Array, " features"], obs: PyTree
    ) -> Distribution:
        outputs = outputs[: self.head.size]
        if isinstance(self.head, StateDependentHead):
            return self.head(outputs, features)
        return self.head(masked(outputs, obs))


class RecurrentActorCritic(eqx.Module):
    """A policy and its value, two heads of one network that remembers."""

    trunk: Recurrent
    actor: MLP
    critic: MLP
    head: Head

    def __init__(
        self,
        spec: Spec,
        cell: Cell,
        units: int,
        hidden: tuple[int, ...],
        key: Key,
        *,
        activation: Activation = "tanh",
        log_std: float | Float[Array, ""] = 0.0,
    ):
        """`hidden` are each head's. The policy's last layer starts small, so that all actions are
        about as likely."""
        keys = jax.random.split(key, 3)
        self.trunk = Recurrent(spec.observation_space, cell, units, keys[0])
        self.head = head(spec.action_space, log_std=log_std)
        make = lambda outputs, scale, key: MLP(
            (units, *hidden, outputs), key, activation=activation, last_scale=scale
        )
        self.actor, self.critic = make(self.head.size, 0.01, keys[1]), make(1, 1.0, keys[2])

    def policy(self, seen: Recalled) -> tuple[Distribution, PyTree]:
        """pi(. | seen), and what is remembered then."""
        features, memory = self.trunk(seen)
        return self._heads(features, seen.obs)[0], memory

    def value(self, seen: Recalled) -> Float[Array, ""]:
        """V(seen)."""
        return self.critic(self.trunk(seen)[0])[0]

    def __call__(self, seen: Recalled) -> tuple[Distribution, Float[Array, ""]]:
        return self._heads(self.trunk(seen)[0], seen.obs)

    def along(
        self, seen: Recalled, cut: Bool[Array, "T"]
    ) -> tuple[Distribution, Float[Array, "T"]]:
        """The same for a sequence, as Recurrent's."""
        return jax.vmap(self._heads)(self.trunk.along(seen, cut)[0], seen.obs)

    def _heads(
        self, features: Float[Array, " units"], obs: PyTree
    ) -> tuple[Distribution, Float[Array, ""]]:
        return self.head(masked(self.actor(features), obs)), self.critic(features)[0]


def box(space: gymnasium.Space, *, endless: bool = False) -> Bounds:
    """The bounds of the space's actions. Raises ValueError unless it is a vector, and has bounds
    along each axis where it must not be `endless`."""
    if not (isinstance(space, Box) and len(space.shape) == 1):
        raise InputError(f"the action must be a vector (a Box of one axis), not {space}.")
    if not (endless or np.logical_and(*_bounded(space)).all()):
        raise InputError(
            f"the action must have bounds, within which it is chosen, not {space}: name them in a "
            "wrapper, as gymnasium.wrappers.TransformAction(env, lambda action: action, "
            f"gymnasium.spaces.Box(-1, 1, {space.shape})) does, or use ppo, which needs none."
        )
    return Bounds(space)


class DeterministicPolicy(eqx.Module):
    """mu(obs): the action itself, through tanh into the box (Lillicrap et al. 2016)."""

    network: Network
    bounds: Bounds

    def __init__(self, spec: Spec, hidden: tuple[int, ...], key: Key):
        """The last layer starts small, so that actions start in the middle of the box."""
        self.bounds = box(spec.action_space)
        outputs = len(self.bounds.middle)
        self.network = Network(spec.observation_space, hidden, outputs, key, last_scale=0.01)

    def __call__(self, obs: PyTree) -> Float[Array, " D"]:
        return self.bounds.inside(jnp.tanh(self.network(obs)))


class SoftPolicy(eqx.Module):
    """pi(. | obs) of whatever spread where it is worth it (Haarnoja et al. 2018)."""

    network: Network
    head: SquashedGaussianHead | CategoricalHead

    def __init__(self, spec: Spec, hidden: tuple[int, ...], key: Key):
        """The last layer starts small, so that all observations start with the same spread."""
        if isinstance(spec.action_space, Discrete):
            self.head = CategoricalHead(int(spec.action_space.n))
        else:
            self.head = SquashedGaussianHead(box(spec.action_space))
        size = self.head.size
        self.network = Network(spec.observation_space, hidden, size, key, last_scale=0.01)

    def __call__(self, obs: PyTree) -> SquashedGaussian | Categorical:
        return self.head(masked(self.network(obs), obs))


class Critic(eqx.Module):
    """Q(obs, action) for actions in a box, which the network sees as numbers from -1 to 1."""

    network: Network
    bounds: Bounds

    def __init__(self, spec: Spec, hidden: tuple[int, ...], key: Key):
        self.bounds = box(spec.action_space)
        actions = len(self.bounds.middle)
        self.network = Network(spec.observation_space, hidden, 1, key, actions=actions)

    def __call__(self, obs: PyTree, action: Float[Array, " D"]) -> Float[Array, ""]:
        return self.network(obs, self.bounds.units(action))[0]
