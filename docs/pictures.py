"""Make the pictures of the docs: that of the README, and one of each kind for docs/pictures.md.

python docs/pictures.py                          all: a quarter of an hour on two cores
python docs/pictures.py cartpole grid heatmap    those alone

What is trained for them is kept in runs/pictures, and not trained again.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import palestra
from palestra import prng
from palestra.envs import make
from palestra.envs.drawing import draw
from palestra.tools.cli import main as palestra_command
from palestra.tools.pictures import policy, scores, style
from palestra.tools.pictures.film import episode
from palestra.tools.pictures.plot import curves, plot

IMAGES = Path(__file__).parent / "images"
RUNS = Path("runs/pictures")
HEIGHT = 600  # of the README's picture [pixels]
FRAMES = (0, 60)  # of the episode, one below the other
WIDTH = 1000  # of the others at most [pixels]

LEARNERS = "q_learning", "sarsa", "monte_carlo"
SEVERAL = "--seeds 8 --eval-episodes 50"
LAKE = [  # flags of `palestra train`, by the run's name
    (f"FrozenLake-v1/{name}", f"{name} FrozenLake-v1 --steps 40000 {SEVERAL}") for name in LEARNERS
]
TAXI = [
    (f"Taxi-v4/{name}", f"{name} Taxi-v4 --steps 120000 {SEVERAL}") for name in LEARNERS[:2]
]  # Monte Carlo needs longer there
SHORT = "--steps 20000 --seeds 3 --eval-episodes 5 --episodes 50"
SWEEP = [
    (f"sweep/{rate}-{x}", f"q_learning FrozenLake-v1 {SHORT} --learning-rate {rate} --gamma {x}")
    for rate in (0.03, 0.2, 0.9)
    for x in (0.8, 0.95, 0.99)
]
ALWAYS = "--epsilon-start 0.1 --epsilon-end 0.1"  # for which SARSA keeps away from the edge
AGENTS = {
    "lake": "q_learning FrozenLake-v1 --steps 200000",
    "cliff-q": f"q_learning CliffWalking-v1 --steps 200000 {ALWAYS}",
    "cliff-sarsa": f"sarsa CliffWalking-v1 --steps 200000 {ALWAYS}",
    "cards": "monte_carlo Blackjack-v1 --steps 1000000",
    "cart": "ppo CartPole-v1 --steps 20000",
    "car": "dqn MountainCar-v0 --steps 20000",
    "pendulum": "sac Pendulum-v1 --steps 6000",
}


def trained(name: str, flags: str) -> Path:
    """The run of that name, or the folder of its seeds; trained where there is none."""
    folder = RUNS / name
    if not folder.exists():
        asked = ["train", *flags.split(), "--no-video", "--quiet", "--run", str(folder)]
        assert palestra_command(asked) == 0, asked
    return folder


def agent(name: str) -> palestra.Agent:
    """The trained agent of that name."""
    return palestra.load(trained(name, AGENTS[name]))


def compared(runs: list[tuple[str, str]]) -> Any:
    """The comparison of those runs."""
    return palestra.compare(*(trained(*run) for run in runs))


KINDS = {
    "curves": lambda: curves([trained(*run) for run in LAKE + TAXI], size=(6, 3.4)),
    "smoothed-dark": lambda: curves([trained(*run) for run in LAKE], x="episodes", smooth=5),
    "intervals": lambda: scores.intervals(compared(LAKE + TAXI)),
    "profiles": lambda: scores.profiles(compared(LAKE + TAXI)),
    "percentiles": lambda: scores.percentiles(compared(LAKE)),
    "heatmap": lambda: scores.heatmap(compared(SWEEP)),
    "grid": lambda: policy.grid(agent("lake")),
    "paths": lambda: policy.paths([agent("cliff-q"), agent("cliff-sarsa")]),
    "blackjack": lambda: policy.blackjack(agent("cards")),
    "phase": lambda: policy.phase(agent("car")),
    "pendulum-dark": lambda: policy.phase(agent("pendulum")),
    "strip": lambda: policy.strip(agent("cart")),
    "values": lambda: policy.strip(agent("car")),
}


def kind(name: str) -> None:
    """Write docs/images/pictures/NAME.png, whose colors are 256 so that the file is small."""
    path = IMAGES / "pictures" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with style.look(name.endswith("-dark")):
        style.save(KINDS[name](), path)
    image = Image.open(path).convert("RGB")
    image.thumbnail((WIDTH, WIDTH), Image.LANCZOS)
    image.quantize(dither=Image.Dither.NONE).save(path, optimize=True)


def cartpole() -> None:
    """Ten seeds' learning curve beside a trained agent at work."""
    with tempfile.TemporaryDirectory() as folder:
        runs = palestra.train("CartPole-v1", "dqn", seeds=10, run=Path(folder) / "ten")
        curve = Image.open(plot([run.folder for run in runs], Path(folder) / "curve.png"))
        env = make("CartPole-v1")
        shots = episode(env, runs[0].agent, key=prng.key(12))
        frames = [Image.fromarray(draw(env, shots[i].state)) for i in FRAMES]
    tall = HEIGHT // len(frames)
    small = [f.resize((round(f.width * tall / f.height), tall), Image.LANCZOS) for f in frames]
    left = curve.convert("RGB").resize(
        (round(curve.width * HEIGHT / curve.height), HEIGHT), Image.LANCZOS
    )
    right = np.concatenate([np.asarray(f) for f in small])
    IMAGES.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate([np.asarray(left), right], axis=1)).save(
        IMAGES / "cartpole.png", optimize=True
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or ["cartpole", *KINDS]:
        cartpole() if name == "cartpole" else kind(name)
