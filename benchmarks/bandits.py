"""Figures 2.2 to 2.5 of Sutton and Barto: 2,000 bandits of ten arms, 1,000 pulls each.

    python benchmarks/bandits.py [--bandits 2000] [--pulls 1000]

Sutton & Barto (2018), sections 2.3 and 2.6 to 2.8: BanditTestbed-v0, all bandits side by side, the
program's other half being one call of `update` for each pull. Prints how often each algorithm
pulls the best arm at the end, and draws docs/images/bandits.png; takes seconds.
"""

from argparse import ArgumentParser
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from processes import ROOT

from palestra import prng
from palestra.algorithms.bandits import Bandits
from palestra.core import Spec, Transition
from palestra.envs.toy_text.bandit import BanditTestbed

PICTURE = ROOT / "docs" / "images" / "bandits.png"
STEADY = {"average": False, "step_size": 0.1}
AROUND_4 = BanditTestbed(mean=4.0)


class Panel(NamedTuple):
    """A figure of the book."""

    title: str
    shows: str  # best: how often the best arm is pulled; reward: what is paid
    curves: dict[str, tuple[Bandits, BanditTestbed]]


def gradient(step_size: float, baseline: bool) -> tuple[Bandits, BanditTestbed]:
    return Bandits(method="gradient", step_size=step_size, baseline=baseline), AROUND_4


GREEDY = {
    f"epsilon {epsilon:g}" if epsilon else "greedy": (Bandits(epsilon=epsilon), BanditTestbed())
    for epsilon in (0.1, 0.01, 0.0)
}
PANELS = [
    Panel("2.2: epsilon-greedy", "reward", GREEDY),
    Panel("2.2: epsilon-greedy", "best", GREEDY),
    Panel(
        "2.3: optimism",
        "best",
        {
            "Q begins with 5, greedy": (
                Bandits(epsilon=0.0, initial_value=5.0, **STEADY),
                BanditTestbed(),
            ),
            "Q begins with 0, epsilon 0.1": (Bandits(**STEADY), BanditTestbed()),
        },
    ),
    Panel(
        "2.4: upper confidence bounds",
        "reward",
        {
            "UCB, c = 2": (Bandits(method="ucb"), BanditTestbed()),
            "epsilon 0.1": GREEDY["epsilon 0.1"],
        },
    ),
    Panel(
        "2.5: gradient bandits, arms around 4",
        "best",
        {
            "step 0.1": gradient(0.1, True),
            "step 0.4": gradient(0.4, True),
            "step 0.1, no baseline": gradient(0.1, False),
            "step 0.4, no baseline": gradient(0.4, False),
        },
    ),
]


@partial(jax.jit, static_argnums=(2, 3))
def pull(algorithm: Bandits, env: BanditTestbed, bandits: int, pulls: int) -> dict[str, Any]:
    """What each pull paid on average over the bandits, and how often it was of the best arm."""
    spec = Spec(env.observation_space, env.action_space, 1)

    def one(key: Any) -> tuple[Any, Any]:
        start_key, init_key, key = jax.random.split(key, 3)
        state, obs = env.reset(start_key)

        def step(carry: Any, key: Any) -> tuple[Any, Any]:
            state, learner = carry
            act_key, step_key, learn_key = jax.random.split(key, 3)
            action = algorithm.act(learner, obs[None], act_key)
            best = state.means[action[0]] == state.means.max()
            state, now = env.step(state, action[0], step_key)
            rollout = Transition(obs, action[0], now.reward, obs, now.terminated, now.truncated)
            rollout = jax.tree.map(lambda x: x.reshape(1, 1), rollout)
            learner, _ = algorithm.update(learner, rollout, learn_key)
            return (state, learner), (now.reward, best)

        begun = state, algorithm.init(spec, init_key)
        return jax.lax.scan(step, begun, jax.random.split(key, pulls))[1]

    rewards, best = jax.vmap(one)(jax.random.split(prng.key(0), bandits))
    return {"reward": rewards.mean(0), "best": best.astype(jnp.float32).mean(0)}


def draw(found: list[dict[str, np.ndarray]]) -> None:
    """The panels, side by side."""
    figure = Figure(figsize=(9, 10), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, panel, curves in zip(figure.subplots(3, 2).ravel(), PANELS, found, strict=False):
        for name, curve in curves.items():
            axes.plot(np.arange(1, len(curve) + 1), curve, label=name, lw=1)
        share = panel.shows == "best"
        axes.set(title=panel.title, xlabel="pull", ylabel="best arm" if share else "reward")
        axes.set_ylim((0, 1) if share else (0, None))
        axes.legend(fontsize="small", loc="lower right")
        axes.grid(alpha=0.3)
    figure.axes[-1].remove()
    figure.savefig(PICTURE, dpi=100)


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bandits", type=int, default=2_000)
    parser.add_argument("--pulls", type=int, default=1_000)
    asked = parser.parse_args()
    found = []
    print("| figure | | best arm, last 10 pulls | reward, last 10 pulls |")
    print("|---|---|--:|--:|")
    for panel in PANELS:
        curves = {}
        for name, setting in panel.curves.items():
            course = jax.tree.map(np.asarray, pull(*setting, asked.bandits, asked.pulls))
            curves[name] = course[panel.shows]
            best, reward = (course[what][-10:].mean() for what in ("best", "reward"))
            print(f"| {panel.title} | {name} | {best:.3f} | {reward:.3f} |")
        found.append(curves)
    draw(found)
    print(f"Drawn: {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
