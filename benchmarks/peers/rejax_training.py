"""rejax on gymnax's environments: `rejax_training.py rejax ppo rate`. It has no A2C and no DDPG.

To the line it goes in the settings that it publishes itself (configs/gymnax/*.yaml), since it has
no parameter for some of rl-baselines3-zoo's. In the setting of the rates the same are: networks,
learning rate, batch, discount, gradient steps per environment step. What differs:
- DQN takes two environments and a gradient step after each step of both, in place of 128 after 256
  steps of one; squared error in place of Huber's;
- gradients are clipped by value, not by norm, and policy and value have a step of their own in PPO;
- batches are drawn without replacement, which takes a number for each place of the memory, so the
  memory is no larger than a run is long;
- gymnax ends an episode at its time limit as if the task had ended.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen
from protocol import Trial, arguments
from rejax import get_algo
from rejax.networks import DiscreteQNetwork, EpsilonGreedyPolicy


class Setting(NamedTuple):
    """How an algorithm is asked for."""

    steps: int
    parameters: dict[str, Any]
    exploration_steps: int = 0  # of epsilon's fall


# configs/gymnax/cartpole.yaml and pendulum.yaml.
OWN = {
    "ppo": Setting(
        100_000,
        {
            "agent_kwargs": {"activation": "tanh"},
            "num_envs": 5,
            "num_steps": 100,
            "num_epochs": 5,
            "num_minibatches": 5,
            "learning_rate": 7.5e-4,
            "max_grad_norm": 0.5,
            "gamma": 0.99,
            "gae_lambda": 0.95,
            "clip_eps": 0.2,
            "ent_coef": 0.01,
            "vf_coef": 0.5,
        },
    ),
    "dqn": Setting(
        100_000,
        {
            "agent": "DuelingQNetwork",
            "agent_kwargs": {"activation": "swish"},
            "num_envs": 10,
            "buffer_size": 50_000,
            "fill_buffer": 5_000,
            "batch_size": 100,
            "max_grad_norm": 10.0,
            "learning_rate": 1e-3,
            "num_epochs": 5,
            "polyak": 0.98,
            "eps_start": 1.0,
            "eps_end": 0.05,
            "gamma": 0.99,
            "ddqn": True,
        },
        50_000,
    ),
    "sac": Setting(
        10_000,
        {
            "agent_kwargs": {"activation": "swish"},
            "num_envs": 1,
            "buffer_size": 10_000,
            "fill_buffer": 256,
            "batch_size": 256,
            "learning_rate": 1e-2,
            "num_epochs": 1,
            "gamma": 0.99,
            "polyak": 0.98,
            "normalize_observations": True,
        },
    ),
}

# The setting in which all systems' rates are compared.
SAME = {
    "ppo": Setting(
        0,
        {
            "agent_kwargs": {"activation": "tanh"},  # 64 x 64 is its default
            "num_envs": 4,
            "num_steps": 128,
            "num_epochs": 4,
            "num_minibatches": 4,
            "learning_rate": 2.5e-4,
            "max_grad_norm": 0.5,
            "gamma": 0.99,
            "gae_lambda": 0.95,
            "clip_eps": 0.2,
            "ent_coef": 0.01,
            "vf_coef": 0.5,
        },
    ),
    "dqn": Setting(
        0,
        {
            "num_envs": 2,
            "num_epochs": 1,
            "learning_rate": 2.3e-3,
            "max_grad_norm": 10.0,
            "gamma": 0.99,
            "batch_size": 64,
            "buffer_size": 50_000,
            "fill_buffer": 1_000,
            "eps_start": 1.0,
            "eps_end": 0.04,
            # In SB3 too the target stays the same during 128 gradient steps.
            "target_update_freq": 256,
            "polyak": 0.0,
            "ddqn": False,
        },
        8_000,
    ),
    "sac": Setting(
        0,
        {
            "agent_kwargs": {"activation": "relu"},
            "hidden_layer_sizes": (256, 256),
            "num_envs": 1,
            "num_epochs": 1,
            "learning_rate": 1e-3,
            "gamma": 0.99,
            "batch_size": 256,
            "buffer_size": 20_000,
            "fill_buffer": 100,
            "polyak": 0.995,
        },
    ),
}


def make(name: str, env_id: str, interval: int, setting: Setting, wide: bool):
    """The algorithm, made to train for one interval at a time, so that it can be looked at."""
    parameters = dict(setting.parameters)
    if setting.exploration_steps:
        parameters["exploration_fraction"] = setting.exploration_steps / interval
    chosen = get_algo(name).create(
        env=env_id,
        total_timesteps=interval,
        eval_freq=interval,
        skip_initial_evaluation=True,
        **parameters,
    )
    if wide:  # `create` does not let through the sizes of DQN's layers
        network = EpsilonGreedyPolicy(DiscreteQNetwork)(
            hidden_layer_sizes=(256, 256), action_dim=2, activation=linen.relu
        )
        chosen = chosen.replace(agent=network)
    # We score in Gymnasium, with the clock stopped; rejax's own evaluation is switched off.
    return chosen.replace(eval_callback=lambda algorithm, state, key: ())


def greedy(name: str, algorithm, state, obs):
    """The most likely actions, which rejax itself has no function for."""
    if algorithm.normalize_observations:
        obs = algorithm.normalize_obs(state.obs_rms_state, obs)
    if name == "dqn":
        return algorithm.agent.apply(state.q_ts.params, obs).argmax(-1)
    distribution = algorithm.actor.apply(state.actor_ts.params, obs, method="_action_dist")
    if name == "ppo":
        return distribution.mode()
    low, high = algorithm.action_space.low, algorithm.action_space.high
    return (low + high) / 2 + jnp.tanh(distribution.mode()) * (high - low) / 2


def settled(state):
    """The state with types as training returns them, else the program compiles a second time."""
    return jax.tree.map(lambda x: jax.lax.convert_element_type(x, jnp.asarray(x).dtype), state)


def main() -> None:
    asked = arguments("rejax")
    name = asked.algorithm
    setting = (SAME if asked.measure == "rate" else OWN)[name]
    trial = Trial(asked, setting.steps)
    wide = name == "dqn" and asked.measure == "rate"
    algorithm = make(name, trial.task.env_id, trial.interval, setting, wide)
    train = jax.jit(lambda state: algorithm.train(train_state=state)[0])
    act = jax.jit(lambda state, obs: greedy(name, algorithm, state, obs))

    state = settled(jax.jit(algorithm.init_state)(jax.random.PRNGKey(asked.seed)))
    going_on = True
    while going_on:
        state = jax.block_until_ready(train(state))
        policy = lambda obs, state=state: act(state, obs)
        going_on = trial.report(int(state.global_step), lambda policy=policy: policy)
    assert train._cache_size() == 1
    trial.finish(setting_steps=setting.steps)


if __name__ == "__main__":
    main()
