"""Returns of a random player, for palestra/tools/statistics/references.py.

    python benchmarks/random_players.py [ENV...]      each of ours, or those named, Gymnasium's too

The mean undiscounted return of uniform actions, from the first episode of each environment; of
environments with a model exactly, with the best possible beside it.
"""

import sys

import numpy as np

import palestra
from palestra import envs
from palestra.envs.toy_text.model import evaluate, solve

PLAYERS, OTHERS = 2_048, 64  # of our own environments, of Gymnasium's


def exact(env_id: str) -> str:
    """Both returns, from the model; ValueError where there is none."""
    row = envs.entry(env_id)
    model = row.simulator(**row.parameters).model()
    states, actions, _ = model.probability.shape
    uniform = np.full((states, actions), 1 / actions)
    random = model.start @ evaluate(model, uniform, horizon=row.limit)
    best = model.start @ solve(model, horizon=row.limit)[0]
    return f"{random:12.4f} exactly, best {best:.4f}"


def played(env_id: str, count: int) -> str:
    players = palestra.make_vec(env_id, num_envs=count)
    players.reset(seed=0)
    players.action_space.seed(0)
    total, playing = np.zeros(count), np.ones(count, bool)
    while playing.any():
        _, reward, terminated, truncated, _ = players.step(players.action_space.sample())
        total += reward * playing
        playing &= ~(terminated | truncated)
    return f"{total.mean():12.3f} ± {total.std() / count**0.5:.3f} over {count} episodes"


if __name__ == "__main__":
    for env_id in sys.argv[1:] or [x for x in envs.ENVIRONMENTS if not x.startswith("probe/")]:
        ours = env_id in envs.ENVIRONMENTS
        has_model = ours and hasattr(envs.entry(env_id).simulator, "model")
        told = exact(env_id) if has_model else played(env_id, PLAYERS if ours else OTHERS)
        print(f"{env_id:26} {told}", flush=True)
