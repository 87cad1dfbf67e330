"""PureJaxRL's recurrent PPO: `PUREJAXRL=FOLDER purejaxrl_training.py purejaxrl recurrent_ppo_gru`.

It is a program to copy, so the folder is the user's, with ppo_rnn.py and wrappers.py as training.py
names them. Neither is changed.

Its setting is what its main program publishes, but for DEBUG, which prints each episode. A call
trains anew from first networks on, for as many steps as lie between two looks at the clock.

It was written for Flax 0.6, whose cells learn their width when they are called. Flax 0.7 wants it
before that, and asks an object, not a class, for the first memory: here the cell is told both in
the old way, so that it runs on the JAX that all others run on. The arithmetic is Flax's.
"""

import os
import sys

import jax
import jax.numpy as jnp
from flax import linen
from protocol import Trial, arguments


class GRUCell(linen.GRUCell):
    """Flax's, to be made as in Flax 0.6."""

    features: int = 128

    @staticmethod
    def initialize_carry(key, batch_dims, size):
        return jnp.zeros((*batch_dims, size))


linen.GRUCell = GRUCell
sys.path.insert(0, os.environ["PUREJAXRL"])
import ppo_rnn  # noqa: E402

SETTING = {
    "LR": 2.5e-4,
    "NUM_ENVS": 4,
    "NUM_STEPS": 128,
    "UPDATE_EPOCHS": 4,
    "NUM_MINIBATCHES": 4,
    "GAMMA": 0.99,
    "GAE_LAMBDA": 0.95,
    "CLIP_EPS": 0.2,
    "ENT_COEF": 0.01,
    "VF_COEF": 0.5,
    "MAX_GRAD_NORM": 0.5,
    "ANNEAL_LR": True,
}


def main() -> None:
    asked = arguments("purejaxrl")
    trial = Trial(asked, 0)
    steps = SETTING["NUM_ENVS"] * SETTING["NUM_STEPS"]
    steps *= max(1, trial.interval // steps)  # whole updates
    setting = SETTING | {"ENV_NAME": trial.task.env_id, "TOTAL_TIMESTEPS": steps}
    keys = iter(jax.random.split(jax.random.PRNGKey(asked.seed), 100_000))
    train = jax.jit(ppo_rnn.make_train(setting)).lower(next(keys)).compile()
    done, going_on = 0, True
    while going_on:
        jax.block_until_ready(train(next(keys)))
        done += steps
        going_on = trial.report(done, lambda: None)
    trial.finish(setting_steps=0)


if __name__ == "__main__":
    main()
