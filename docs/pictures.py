"""Make the picture in the README: ten seeds' learning curve beside a trained agent at work.

python docs/pictures.py        a minute or two; writes docs/images/cartpole.png
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import palestra
from palestra import prng
from palestra.envs import make
from palestra.envs.drawing import draw
from palestra.tools.pictures.film import episode
from palestra.tools.pictures.plot import plot

IMAGES = Path(__file__).parent / "images"
HEIGHT = 600  # [pixels]
FRAMES = (0, 60)  # of the episode, one below the other


def main() -> None:
    """Train, draw, put together."""
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
    main()
