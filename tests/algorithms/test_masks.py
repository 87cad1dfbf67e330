"""Masks in every algorithm that chooses: nobody meets what is forbidden, and nobody values it."""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import Discrete, MultiDiscrete
from learners import SMALL, E

from palestra import prng
from palestra.algorithms import ALGORITHMS
from palestra.core import Masked, Spec, Step, Transition, hyperparameters
from palestra.parts.remembering import remembering, without_memory
from palestra.runners import compiled

PLACES, MANY, STEPS = 6, 128, 10_000  # many side by side, since updates take the time
COUNT = 4096  # of standings


class Standing(NamedTuple):
    """Where one is, and what may be done there."""

    place: jax.Array
    mask: jax.Array


def standings(several: bool) -> Standing:
    """Drawn beforehand, since to draw many numbers in a program takes long to compile."""
    rng = np.random.default_rng(0)
    mask = rng.random((COUNT, 5)) < 0.3
    ends = (0, 2, 5) if several else (0, 5)
    for low, high in pairwise(ends):  # one of each choice is allowed for sure
        mask[np.arange(COUNT), rng.integers(low, high, COUNT)] = True
    return Standing(rng.integers(0, PLACES, COUNT, np.int32), mask)


STANDINGS = {several: standings(several) for several in (False, True)}


@hyperparameters
class Mined:
    """Other actions are forbidden at each step; one of them ends the episode with -100."""

    several: bool = False
    """Whether two choices are made at once."""

    @property
    def observation_space(self):
        return Masked(Discrete(PLACES), 5)

    @property
    def action_space(self):
        return MultiDiscrete([2, 3]) if self.several else Discrete(5)

    def reset(self, key):
        state = self.stand(key)
        return state, self.see(state)

    def step(self, state, action, key):
        chosen = (action[0], 2 + action[1]) if self.several else (action,)
        hit = ~jnp.all(jnp.stack([state.mask[i] for i in chosen]))
        reward = jnp.where(hit, -100.0, (state.place == chosen[0]).astype(jnp.float32))
        end_key, key = jax.random.split(key)
        truncated = jax.random.uniform(end_key) < 0.1
        state = self.stand(key)
        return state, Step(self.see(state), reward, hit, truncated)

    def stand(self, key):
        which = jax.random.randint(key, (), 0, COUNT)
        return jax.tree.map(lambda x: jnp.asarray(x)[which], STANDINGS[self.several])

    def see(self, state):
        return {"observation": state.place, "action_mask": state.mask}


CHOOSING = [(name, False) for name, row in ALGORITHMS.items() if "discrete" in row.actions]
CHOOSING += [("reinforce", True), ("ppo", True)]  # whose networks the others have too


@pytest.mark.parametrize(("name", "several"), CHOOSING)
def test_nobody_meets_what_is_forbidden(name, several):
    env, algorithm = Mined(several=several), SMALL[name]

    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def course():
        carry = compiled.begin(env, algorithm, MANY, jnp.uint32(0))
        updates = -(-STEPS // (MANY * algorithm.rollout_length))
        carry, (_, episodes, _, sound, stuck) = compiled.run(env, algorithm, updates, carry)
        greedy = partial(algorithm.act, carry.learner, explore=False)
        there, course = remembering(env, algorithm, MANY), (carry.env_state, carry.obs)
        _, _, played, _ = compiled.unroll(there, greedy, *course, -(-STEPS // MANY), prng.key(1))
        return episodes.total, played, sound, stuck

    totals, played, sound, stuck = jax.device_get(course())
    assert sound
    assert not stuck
    assert totals.size >= STEPS
    assert totals.min() >= 0
    assert played.reward.size >= STEPS
    assert played.reward.min() >= 0
    assert without_memory(played.obs)["action_mask"].mean() < 0.7  # much is forbidden


SPEC = Spec(Masked(Discrete(3), 2), Discrete(2), E)
DEEP = ["dqn", "c51", "qr_dqn", "rainbow", "pqn", "sac"]


def praise(bias: jax.Array, name: str) -> jax.Array:
    """A last layer's bias that makes action 1 worth a lot and leaves action 0 as it is."""
    size = {"c51": 11, "rainbow": 11, "qr_dqn": 5}.get(name, 1)
    streams = bias.reshape(*bias.shape[:-1], -1, size)
    top = jnp.zeros(size).at[-1].set(100.0)
    if name == "rainbow":  # the mean advantage is taken from all
        streams = streams.at[0].add(top / 2).at[2].add(top)
    else:
        streams = streams.at[..., 1, :].add(top)
    return streams.reshape(bias.shape)


@pytest.mark.parametrize("name", DEEP)
def test_targets_are_of_allowed_actions_alone(name):
    algorithm = SMALL[name]
    state = algorithm.init(SPEC, prng.key(0))
    shape = 8, E
    obs = {
        "observation": jax.random.randint(prng.key(1), shape, 0, 3),
        "action_mask": jnp.broadcast_to(jnp.array([True, False]), (*shape, 2)),
    }
    no = jnp.zeros(shape, bool)
    rollout = Transition(obs, jnp.zeros(shape, jnp.int32), jnp.ones(shape), obs, no, no)
    update = jax.jit(algorithm.update)
    rollout = jax.tree.map(lambda x: x[: algorithm.rollout_length], rollout)
    raised = lambda path, x: (
        praise(x, name)
        if "layers[1].bias" in (way := jax.tree_util.keystr(path))
        and any(word in way for word in (".q.", ".target", ".critics"))
        and not any(word in way for word in ("optimizer", "deviations"))
        else x
    )
    other = jax.tree_util.tree_map_with_path(raised, state)
    losses = []
    for learner in (state, other):
        for i in range(8):
            learner, metrics = update(learner, rollout, prng.key(i))
        losses.append([metrics["q"], metrics["td_loss" if name != "sac" else "critic_loss"]])
    changed = [
        a.shape
        for a, b in zip(*map(jax.tree.leaves, (state, other)), strict=True)
        if (a != b).any()
    ]
    assert changed  # what is forbidden was praised ...
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(*losses, rtol=2e-5)  # ... to no effect
