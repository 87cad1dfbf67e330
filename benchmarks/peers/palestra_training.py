"""Palestra: `palestra_training.py palestra ppo rate`; to the line in the default preset.

With an empty compilation cache or a filled one it is the same program; the orchestrator says where
the cache is.
"""

import jax
from protocol import EPISODES, TASKS, Trial, arguments

from palestra.algorithms import algorithm_class
from palestra.core import Algorithm, Spec
from palestra.envs import make
from palestra.runners import compiled
from palestra.runners.cache import use_compilation_cache
from palestra.tools import presets
from palestra.tools.agents import episodes
from palestra.tools.agents.agent import Agent, Snapshots

AS_SEEN = {"normalize_obs": False}
# The setting in which all systems' rates are compared: number of environments, and what differs
# from the defaults.
SAME = {
    "ppo": (
        4,
        {
            "learning_rate": 2.5e-4,
            "entropy_coef": 0.01,
            "rollout_length": 128,
            "epochs": 4,
            "minibatches": 4,
            **AS_SEEN,
            "normalize_reward": False,
        },
    ),
    "recurrent_ppo": (
        4,
        {
            "learning_rate": 2.5e-4,
            "entropy_coef": 0.01,
            "rollout_length": 128,
            "epochs": 4,
            "minibatches": 4,
            "cell": "lstm",
            **AS_SEEN,
            "normalize_reward": False,
        },
    ),
    # PureJaxRL's, but for the layer that it has between observation and memory.
    "recurrent_ppo_gru": (
        4,
        {
            "learning_rate": 2.5e-4,
            "anneal_steps": 1_000_000_000,
            "entropy_coef": 0.01,
            "value_coef": 0.25,  # there half of the squared error counts, times 0.5
            "clip_value": True,
            "rollout_length": 128,
            "epochs": 4,
            "minibatches": 4,
            "cell": "gru",
            "units": 128,
            "hidden": (128,),
            "activation": "relu",
            **AS_SEEN,
            "normalize_reward": False,
        },
    ),
    "a2c": (8, {**AS_SEEN, "normalize_reward": False}),
    "dqn": (
        1,
        {
            "learning_rate": 2.3e-3,
            "epsilon_steps": 8_000,
            "epsilon_end": 0.04,
            "memory_size": 100_000,
            "batch_size": 64,
            "rollout_length": 256,
            "gradient_steps": 128,
            "target_period": 10,
            "double": False,
            "hidden": (256, 256),
            **AS_SEEN,
        },
    ),
    "ddpg": (
        1,
        {
            "gamma": 0.98,
            "memory_size": 200_000,
            "learning_starts": 250,
            "hidden": (400, 300),
            **AS_SEEN,
        },
    ),
    "sac": (
        1,
        {
            "learning_rate": 1e-3,
            "actor_learning_rate": 1e-3,
            "memory_size": 1_000_000,
            "learning_starts": 100,
            **AS_SEEN,
        },
    ),
}


def settings(name: str, env_id: str, same: bool) -> tuple[Algorithm, int, int]:
    """The algorithm, how many environments, and for how many steps."""
    if same:
        num_envs, parameters = SAME[name]
        algorithm = algorithm_class(name.removesuffix("_gru"))
        return algorithm(**parameters), num_envs, 1_000_000_000
    preset = presets.preset(name, env_id)
    if preset is None:
        raise SystemExit(f"{name} has no default preset for {env_id}.")
    return preset.algorithm, preset.num_envs, preset.steps


def score(env_id: str, agent: Agent, first_seed: int) -> float:
    """As protocol.score, by the library's own means."""
    played = episodes.in_gymnasium(env_id, agent, episodes=EPISODES, seed=first_seed)
    return float(played.returns.mean())


def main() -> None:
    asked = arguments("palestra")
    use_compilation_cache()
    env_id = TASKS[asked.algorithm].env_id
    algorithm, num_envs, steps = settings(asked.algorithm, env_id, asked.measure == "rate")
    trial = Trial(asked, steps, score)
    env = make(env_id)
    spec = Spec(env.observation_space, env.action_space, num_envs)
    agents = Snapshots(algorithm, spec, env_id)
    reports = compiled.train(
        env,
        algorithm,
        num_envs=num_envs,
        total_steps=steps,
        reports=max(1, steps // trial.interval),
        seeds=[asked.seed],
    )
    for report in reports:
        jax.block_until_ready(report)
        policy = lambda report=report: agents.of(report.learner, 0)
        if not trial.report(report.step, policy):
            break
    trial.finish(setting_steps=steps, setting=str(algorithm), num_envs=num_envs)


if __name__ == "__main__":
    main()
