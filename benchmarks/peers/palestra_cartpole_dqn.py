"""Palestra's DQN on CartPole: `same` in the zoo's setting, `cold` and `warm` in its own preset.

Cold and warm are the same program; the orchestrator hands them an empty compilation cache and the
one that the cold run filled.
"""

import jax
import numpy as np
from protocol import ENVIRONMENT, EPISODES, INTERVAL, Trial, arguments

from palestra.core import Spec
from palestra.envs import make
from palestra.runners import compiled
from palestra.tools import evaluate, presets
from palestra.tools.agent import Agent, reads
from palestra.tools.cache import use_compilation_cache


def score(agent: Agent, first_seed: int) -> float:
    """As protocol.score, by the library's own means."""
    returns = evaluate.in_gymnasium(ENVIRONMENT, agent, episodes=EPISODES, seed=first_seed)
    return float(returns.mean())


def main() -> None:
    chosen = arguments("palestra-same", "palestra-cold", "palestra-warm")
    trial = Trial(chosen.system, chosen.seed, score)
    use_compilation_cache()
    name = "rl-zoo" if chosen.system == "palestra-same" else "default"
    algorithm, num_envs, *_ = presets.preset("dqn", ENVIRONMENT, name)
    env = make(ENVIRONMENT)
    spec = Spec(env.observation_space, env.action_space, num_envs)
    names = reads(algorithm, spec)
    reports = compiled.train(
        env,
        algorithm,
        num_envs=num_envs,
        total_steps=chosen.steps,
        reports=chosen.steps // INTERVAL,
        seeds=[chosen.seed],
    )
    gradient_steps = 0
    for report in reports:
        jax.block_until_ready(report)
        agent = Agent.of(algorithm, spec, ENVIRONMENT, report.learner, 0, names)
        updates = np.isfinite(report.metrics["td_loss"]).sum()  # those that were ready to learn
        gradient_steps += int(updates) * algorithm.gradient_steps
        trial.report(report.step, gradient_steps, agent)
    trial.finish()


if __name__ == "__main__":
    main()
