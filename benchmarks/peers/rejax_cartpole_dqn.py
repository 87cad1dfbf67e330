"""rejax's DQN on gymnax's CartPole, as near to rl-baselines3-zoo's setting as it goes.

The same: network, learning rate, batch, memory, discount, exploration, one gradient step per two
environment steps. What differs, because rejax has no parameter for it:
- two environments and a gradient step after each step of both, in place of 128 after 256 steps of
  one; the target network is copied every 256 steps, because in SB3 too it stays the same during
  the 128 gradient steps, whatever its interval of 10 says;
- squared error in place of Huber's; gradients clipped by value, not by norm;
- batches are drawn without replacement, which takes a number for each place of the memory;
- gymnax's CartPole ends an episode at 500 steps as if the pole had fallen.
"""

import jax
import jax.numpy as jnp
from flax import linen
from protocol import ENVIRONMENT, INTERVAL, Policy, Trial, arguments
from rejax import get_algo
from rejax.networks import DiscreteQNetwork, EpsilonGreedyPolicy

EXPLORATION_STEPS = 8_000


def algorithm():
    """rejax's DQN, made to train for one interval at a time, so that its policy can be scored."""
    chosen = get_algo("dqn").create(
        env=ENVIRONMENT,
        num_envs=2,
        num_epochs=1,
        total_timesteps=INTERVAL,
        eval_freq=INTERVAL,
        skip_initial_evaluation=True,
        learning_rate=2.3e-3,
        max_grad_norm=10.0,
        gamma=0.99,
        batch_size=64,
        buffer_size=100_000,
        fill_buffer=1_000,
        eps_start=1.0,
        eps_end=0.04,
        exploration_fraction=EXPLORATION_STEPS / INTERVAL,
        target_update_freq=256,
        polyak=0.0,
        ddqn=False,
    )
    # `create` does not let through the sizes of the layers.
    network = EpsilonGreedyPolicy(DiscreteQNetwork)(
        hidden_layer_sizes=(256, 256), action_dim=2, activation=linen.relu
    )
    # We score in Gymnasium, with the clock stopped; rejax's own evaluation is switched off.
    return chosen.replace(agent=network, eval_callback=lambda algorithm, state, key: ())


def settled(state):
    """The state with types as training returns them, else the program compiles a second time."""
    return jax.tree.map(lambda x: jax.lax.convert_element_type(x, jnp.asarray(x).dtype), state)


def main() -> None:
    chosen = arguments("rejax")
    trial = Trial("rejax", chosen.seed)
    dqn = algorithm()
    train = jax.jit(lambda state: dqn.train(train_state=state)[0])
    values = jax.jit(dqn.agent.apply)

    def snapshot(state) -> Policy:
        parameters = state.q_ts.params
        return lambda observations: values(parameters, observations).argmax(-1)

    state = settled(jax.jit(dqn.init_state)(jax.random.PRNGKey(chosen.seed)))
    for _ in range(-(-chosen.steps // INTERVAL)):
        state = jax.block_until_ready(train(state))
        trial.report(int(state.global_step), int(state.q_ts.step), snapshot(state))
    assert train._cache_size() == 1
    trial.finish()


if __name__ == "__main__":
    main()
