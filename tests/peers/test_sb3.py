"""Stable-Baselines3 trains on our environments as on any. Run by `make test-peers`."""

import warnings

import numpy as np
import pytest
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

import palestra
from palestra import envs

LEARNERS = {
    "DQN": (DQN, {"learning_starts": 50, "train_freq": 4}, 300),
    "PPO": (PPO, {"n_steps": 64, "batch_size": 32, "n_epochs": 2}, 256),
}
FLAT = {"policy_kwargs": {"net_arch": [16]}, "seed": 0, "device": "cpu"}


PICTURES = ["is an image but its `dtype`", "not in [0, 255]", "The minimal resolution for an image"]
OF_SPACES = {  # which are the reference's own
    "Pendulum-v1": ["We recommend you to use a symmetric and normalized Box action space"],
    "Blackjack-v1": ["The observation space is a Tuple, this is currently not supported"],
} | {env_id: PICTURES for env_id in envs.ENVIRONMENTS if env_id.startswith("MinAtar/")}


@pytest.mark.parametrize("env_id", envs.ENVIRONMENTS)
def test_its_checker_speaks_of_spaces_alone(env_id):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_env(palestra.make(env_id))
    messages = [str(warning.message) for warning in said]
    expected = OF_SPACES.get(env_id, [])
    assert len(messages) == len(expected)
    for message, words in zip(messages, expected, strict=True):
        assert words in message


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "FrozenLake-v1"])
def test_it_trains_and_evaluates(name, env_id):
    learner, settings, steps = LEARNERS[name]
    model = learner("MlpPolicy", palestra.make(env_id), **settings, **FLAT)
    before = [weights.detach().clone() for weights in model.policy.parameters()]
    model.learn(steps)
    assert model.num_timesteps >= steps
    assert any(bool((w != b).any()) for w, b in zip(model.policy.parameters(), before, strict=True))
    mean, spread = evaluate_policy(model, Monitor(palestra.make(env_id)), n_eval_episodes=3)
    assert np.isfinite([mean, spread]).all()
    if env_id == "CartPole-v1":
        assert mean >= 8


def test_continuous_actions():
    model = PPO("MlpPolicy", palestra.make("Pendulum-v1"), **LEARNERS["PPO"][1], **FLAT)
    model.learn(128)
    assert model.predict(np.zeros(3, np.float32))[0].shape == (1,)


@pytest.mark.parametrize("form", [DummyVecEnv, SubprocVecEnv])
def test_many_environments(form):
    settings = {"start_method": "spawn"} if form is SubprocVecEnv else None
    many = make_vec_env(
        palestra.make, n_envs=2, seed=3, vec_env_cls=form, vec_env_kwargs=settings,
        env_kwargs={"id": "CartPole-v1", "max_episode_steps": 9},
    )  # fmt: skip
    try:
        obs = many.reset()
        alone = [palestra.make("CartPole-v1").reset(seed=3 + i)[0] for i in range(2)]
        np.testing.assert_array_equal(obs, alone)
        model = PPO("MlpPolicy", many, **LEARNERS["PPO"][1], **FLAT)
        model.learn(128)
        lengths = [episode["l"] for episode in model.ep_info_buffer]
        assert len(lengths) >= 10
        assert max(lengths) == 9
    finally:
        many.close()


def test_the_same_seed_learns_the_same():
    def weights():
        learner, settings, steps = LEARNERS["DQN"]
        model = learner("MlpPolicy", palestra.make("CartPole-v1"), **settings, **FLAT)
        model.learn(steps)
        return [w.detach().numpy() for w in model.policy.parameters()]

    for one, other in zip(weights(), weights(), strict=True):
        np.testing.assert_array_equal(one, other)
