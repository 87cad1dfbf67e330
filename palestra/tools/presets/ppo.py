"""PPO's presets."""

from palestra.algorithms.ppo import PPO
from palestra.tools.presets.preset import Preset

RL_ZOO_CARTPOLE = Preset(
    PPO(
        learning_rate=1e-3,
        anneal_steps=100_000,
        anneal_clip=True,
        gamma=0.98,
        gae_lambda=0.8,
        rollout_length=32,
        epochs=20,
        minibatches=1,
    ),
    num_envs=8,
    steps=100_000,
    source="rl-baselines3-zoo, hyperparams/ppo.yml, CartPole-v1",
    score="",
)

ACROBOT = Preset(
    PPO(
        learning_rate=1e-3,
        anneal_steps=500_000,
        gae_lambda=0.94,
        rollout_length=64,
        normalize_obs=True,
        normalize_reward=True,
        hidden=(32, 32),
    ),
    num_envs=16,
    steps=500_000,
    source="rl-baselines3-zoo, hyperparams/ppo.yml, with shorter rollouts, larger steps that fall "
    "and smaller networks",
    score="",
)

# With PPO's defaults the car never arrives: from rewards of -1 at every step V soon knows what is
# lost whatever it does, and the advantages of 200 steps of that are noise, on which the policy
# hardens. Here observations of ±0.07 in speed are as large as those in place, rewards are small
# beside the return, so that V lags behind and every visited state looks worse than the next new
# one, and 16 environments of 16 steps give updates often enough to follow that uphill.
MOUNTAIN_CAR = Preset(
    PPO(
        learning_rate=1e-3,
        anneal_steps=1_000_000,
        gae_lambda=0.98,
        rollout_length=16,
        normalize_obs=True,
        normalize_reward=True,
        hidden=(32, 32),
    ),
    num_envs=16,
    steps=1_000_000,
    source="rl-baselines3-zoo, hyperparams/ppo.yml, with larger steps that fall and smaller "
    "networks",
    score="",
)

PRESETS: dict[str, dict[str, Preset]] = {
    "CartPole-v1": {"default": RL_ZOO_CARTPOLE, "rl-zoo": RL_ZOO_CARTPOLE},
    "Acrobot-v1": {"default": ACROBOT},
    "MountainCar-v0": {"default": MOUNTAIN_CAR},
}
