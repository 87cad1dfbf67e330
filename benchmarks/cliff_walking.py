"""On-line return on the cliff while exploring: SARSA keeps away from the edge, Q-learning does not.

    python benchmarks/cliff_walking.py [--seeds 100] [--episodes 500]

Sutton & Barto (2018), example 6.6: CliffWalking-v1, one environment, epsilon 0.1, gamma 1, learning
rate 0.5, a table of zeros. Prints the mean return per episode, exploration and its falls included,
with 95 % intervals over seeds, and what the greedy policies learned are worth, exactly; draws
docs/images/cliff_walking.png.
"""

from argparse import ArgumentParser

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from processes import ROOT

from palestra import envs
from palestra.algorithms.expected_sarsa import ExpectedSarsa
from palestra.algorithms.q_learning import QLearning
from palestra.algorithms.sarsa import Sarsa
from palestra.core import Algorithm
from palestra.envs.toy_text.model import evaluate
from palestra.envs.transforms import simulator
from palestra.runners import compiled
from palestra.tools.statistics.definitions import student

PICTURE = ROOT / "docs" / "images" / "cliff_walking.png"
SETTINGS = {"learning_rate": 0.5, "gamma": 1.0, "epsilon_start": 0.1, "epsilon_end": 0.1}
LEARNERS = {
    "Q-learning": QLearning(**SETTINGS),
    "expected SARSA": ExpectedSarsa(**SETTINGS),
    "SARSA": Sarsa(**SETTINGS),
}
LONGEST = 1_000  # steps, for greedy policies that never reach the goal
STEPS = 60  # per episode, and more than they take on average
SMOOTH = 10  # episodes in the picture's moving mean


def learn(algorithm: Algorithm, seeds: int, episodes: int) -> tuple[np.ndarray, list[float]]:
    """Returns of each seed's first episodes [seeds, episodes]; what its last policy is worth."""
    env = envs.make("CliffWalking-v1")
    (report,) = compiled.train(
        env,
        algorithm,
        num_envs=1,
        total_steps=STEPS * episodes,
        reports=1,
        seeds=range(seeds),
    )
    finished, totals = (
        np.asarray(x).reshape(seeds, -1) for x in (report.episodes.finished, report.episodes.total)
    )
    returns = np.stack([t[f][:episodes] for t, f in zip(totals, finished, strict=True)])
    policies = np.asarray(report.learner.q).argmax(-1)  # [seeds, squares]
    model = simulator(env).model()
    return returns, [evaluate(model, p, horizon=LONGEST) @ model.start for p in policies]


def draw(returns: dict[str, np.ndarray]) -> None:
    """Moving means over episodes, and their intervals over seeds."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, each in returns.items():
        smooth = np.lib.stride_tricks.sliding_window_view(each, SMOOTH, 1).mean(-1)
        curve = np.array([student(column) for column in smooth.T], float)
        episode = np.arange(SMOOTH, SMOOTH + len(curve))
        (line,) = axes.plot(episode, curve[:, 0], label=name)
        axes.fill_between(episode, curve[:, 1], curve[:, 2], color=line.get_color(), alpha=0.2)
    axes.set(xlabel="episode", ylabel="return while exploring", ylim=(-100, 0))
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(PICTURE, dpi=110)


def main() -> None:
    parser = ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--episodes", type=int, default=500)
    asked = parser.parse_args()
    learned = {name: learn(a, asked.seeds, asked.episodes) for name, a in LEARNERS.items()}
    print(f"| {asked.seeds} seeds | all {asked.episodes} episodes | last 100 | greedy, exact |")
    print("|---|--:|--:|--:|")
    for name, (returns, values) in learned.items():
        every, last = (student(x.mean(-1)) for x in (returns, returns[:, -100:]))
        print(f"| {name} | {every} | {last} | median {np.median(values):.0f} |")
    draw({name: returns for name, (returns, _) in learned.items()})
    print(f"Drawn: {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
