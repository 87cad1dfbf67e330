"""Distributions over actions; leaves have leading batch axes, events are what one action is.

Each knows `sample(key)`, `mode()`, `log_prob(action)` and `entropy()`; the squashed one, whose
entropy has no formula, gives a sample with its `log_prob` instead.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from palestra.core import Key

HALF_LOG_TWO_PI = 0.9189385332046727


class Categorical(NamedTuple):
    """One of A actions."""

    logits: Float[Array, "*batch A"]

    def sample(self, key: Key) -> Int[Array, "*batch"]:
        return jax.random.categorical(key, self.logits)

    def mode(self) -> Int[Array, "*batch"]:
        return self.logits.argmax(-1)

    def log_prob(self, action: Int[Array, "*batch"]) -> Float[Array, "*batch"]:
        # Not a gather: its gradient would scatter, which is slow on a CPU.
        chosen = jax.nn.one_hot(action, self.logits.shape[-1])
        return (chosen * jax.nn.log_softmax(self.logits)).sum(-1)

    def entropy(self) -> Float[Array, "*batch"]:
        log_probs = jax.nn.log_softmax(self.logits)
        return -(jnp.exp(log_probs) * log_probs).sum(-1)


class MultiCategorical(NamedTuple):
    """Several choices at once, independent of each other: MultiDiscrete actions [D]."""

    parts: tuple[Categorical, ...]  # one per choice; they may differ in their number of actions

    def sample(self, key: Key) -> Int[Array, "*batch D"]:
        keys = jax.random.split(key, len(self.parts))
        return jnp.stack([p.sample(k) for p, k in zip(self.parts, keys, strict=True)], -1)

    def mode(self) -> Int[Array, "*batch D"]:
        return jnp.stack([part.mode() for part in self.parts], -1)

    def log_prob(self, action: Int[Array, "*batch D"]) -> Float[Array, "*batch"]:
        return sum(part.log_prob(action[..., i]) for i, part in enumerate(self.parts))  # type: ignore[return-value]

    def entropy(self) -> Float[Array, "*batch"]:
        return sum(part.entropy() for part in self.parts)  # type: ignore[return-value]


class Gaussian(NamedTuple):
    """Independent normal numbers, moved and stretched into a box: action = middle + half x.

    The density is that of x, so it does not depend on the units of the box.
    """

    mean: Float[Array, "*batch D"]
    log_std: Float[Array, "*batch D"]
    middle: Float[Array, "*batch D"]
    half: Float[Array, "*batch D"]  # half of the box's width

    def sample(self, key: Key) -> Float[Array, "*batch D"]:
        x = self.mean + jnp.exp(self.log_std) * jax.random.normal(key, self.mean.shape)
        return self.middle + self.half * x

    def mode(self) -> Float[Array, "*batch D"]:
        return self.middle + self.half * self.mean

    def log_prob(self, action: Float[Array, "*batch D"]) -> Float[Array, "*batch"]:
        x = (action - self.middle) / self.half
        z = (x - self.mean) * jnp.exp(-self.log_std)
        return (-0.5 * jnp.square(z) - self.log_std - HALF_LOG_TWO_PI).sum(-1)

    def entropy(self) -> Float[Array, "*batch"]:
        return (self.log_std + 0.5 + HALF_LOG_TWO_PI).sum(-1)


class SquashedGaussian(NamedTuple):
    """Normal numbers through tanh into a box (Haarnoja et al. 2018, appendix C).

    As with Gaussian the density does not depend on the units of the box: it is that of tanh(x).
    """

    mean: Float[Array, "*batch D"]
    log_std: Float[Array, "*batch D"]
    middle: Float[Array, "*batch D"]
    half: Float[Array, "*batch D"]

    def sample(self, key: Key) -> Float[Array, "*batch D"]:
        return self.sample_with_log_prob(key)[0]

    def sample_by(self, noise: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
        """The action that comes of this noise of deviation 1."""
        return self.middle + self.half * jnp.tanh(self.mean + jnp.exp(self.log_std) * noise)

    def mode(self) -> Float[Array, "*batch D"]:
        return self.middle + self.half * jnp.tanh(self.mean)

    def sample_with_log_prob(
        self, key: Key
    ) -> tuple[Float[Array, "*batch D"], Float[Array, "*batch"]]:
        """A sample and the log of its density, without an inverse tanh to lose digits in."""
        noise = jax.random.normal(key, self.mean.shape)
        x = self.mean + jnp.exp(self.log_std) * noise
        normal = -0.5 * jnp.square(noise) - self.log_std - HALF_LOG_TWO_PI
        action = self.middle + self.half * jnp.tanh(x)
        return action, (normal - log_slope_of_tanh(x)).sum(-1)


def log_slope_of_tanh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """log(1 - tanh(x)²) = 2 (log 2 - x - softplus(-2 x)), which is exact far from zero too."""
    return 2 * (jnp.log(2.0) - x - jax.nn.softplus(-2 * x))


Distribution = Categorical | MultiCategorical | Gaussian
