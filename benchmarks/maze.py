"""How many real steps find the best way through a maze: Q-learning, Dyna-Q, prioritized sweeping.

    python benchmarks/maze.py [--seeds 10]

Sutton & Barto (2018), examples 8.1 and 8.4: Maze-v0, one environment, epsilon 0.1, gamma 0.95, a
table of zeros. Every 20 steps the greedy policy is followed; what is told is after how many real
steps it takes the shortest way, of 14 steps, and does so ever after, with 95 % intervals over
seeds. Draws docs/images/dyna_q.png; a minute or two.
"""

from argparse import ArgumentParser

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from processes import ROOT

from palestra import envs
from palestra.algorithms.dyna_q import DynaQ
from palestra.algorithms.q_learning import QLearning
from palestra.core import Algorithm
from palestra.envs.toy_text.model import evaluate
from palestra.envs.transforms import simulator
from palestra.runners import compiled
from palestra.tools.statistics.definitions import student

PICTURE = ROOT / "docs" / "images" / "dyna_q.png"
EVERY, LONGEST, BEST = 20, 60, -14  # real steps between looks; steps of a greedy way
SETTINGS = {"gamma": 0.95, "epsilon_start": 0.1, "epsilon_end": 0.1}
SHORT, LONG = {"learning_rate": 0.1, **SETTINGS}, {"learning_rate": 0.5, **SETTINGS}
LEARNERS: dict[str, tuple[Algorithm, int]] = {  # and for how many real steps
    "Q-learning, step 0.1": (QLearning(**SHORT), 24_000),
    "Dyna-Q, 5 thoughts, step 0.1": (DynaQ(**SHORT, planning_steps=5), 6_000),
    "Dyna-Q, 50 thoughts, step 0.1": (DynaQ(**SHORT, planning_steps=50), 1_500),
    "Q-learning, step 0.5": (QLearning(**LONG), 6_000),
    "Dyna-Q, 5 thoughts, step 0.5": (DynaQ(**LONG, planning_steps=5), 2_000),
    "prioritized, 5 thoughts, step 0.5": (
        DynaQ(**LONG, planning_steps=5, prioritized=True),
        1_000,
    ),
}


def learn(algorithm: Algorithm, seeds: int, steps: int) -> np.ndarray:
    """What the greedy way is worth after every so many steps, [looks, seeds]."""
    env = envs.make("Maze-v0")
    model = simulator(env).model()
    reports = compiled.train(
        env,
        algorithm,
        num_envs=1,
        total_steps=steps,
        reports=steps // EVERY,
        seeds=range(seeds),
    )
    policies = (np.asarray(report.learner.q).argmax(-1) for report in reports)
    worth = lambda policy: evaluate(model, policy, horizon=LONGEST) @ model.start
    return np.array([[worth(policy) for policy in of_seeds] for of_seeds in policies])


def needed(values: np.ndarray) -> np.ndarray:
    """Real steps after which the way is the best one and stays it, for each seed; NaN for never."""
    others = (values < BEST)[::-1].argmax(0)  # looks since it was another one
    looks = len(values) - others + 1.0
    always = ~(values < BEST).any(0)
    return EVERY * np.where(always, 1.0, np.where(others == 0, np.nan, looks))


def draw(found: dict[str, np.ndarray]) -> None:
    """The greedy way's length over real steps, on average over seeds."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, values in found.items():
        axes.plot(EVERY * np.arange(1, len(values) + 1), -values.mean(1), label=name)
    axes.axhline(-BEST, color="#6b7280", lw=0.8, ls=":")
    axes.set(
        xscale="log",
        xlabel="real steps",
        ylabel=f"steps of the greedy way, at most {LONGEST}",
        ylim=(0, LONGEST + 2),
    )
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=10)
    asked = parser.parse_args()
    found = {name: learn(a, asked.seeds, steps) for name, (a, steps) in LEARNERS.items()}
    print(
        f"| {asked.seeds} seeds | real steps to the best way | of Q-learning's, at the same step |"
    )
    print("|---|--:|--:|")
    for name, values in found.items():
        steps, step = needed(values), name.rpartition(", ")[2]
        share = np.mean(steps) / np.mean(needed(found[f"Q-learning, {step}"]))
        print(f"| {name} | {student(steps)} | {share:.2f} |")
    draw(found)
    print(f"Drawn: {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
