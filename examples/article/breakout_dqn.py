"""DQN on Breakout in the setting of the Nature paper, with a memory of a million frames.

    python examples/article/breakout_dqn.py                                    # 10 million steps
    python examples/article/breakout_dqn.py --steps 500000 --memory 100000     # for a laptop

Mnih et al. (2015), Human-level control through deep reinforcement learning: 84 x 84 pixels in
gray, the last four frames, each action lasts four; a memory of a million; minibatches of 32, one
every four steps; a lost life ends the return; rewards are clipped; epsilon falls from 1 to 0.1 over
a million steps and the target network is copied every 10,000. What concerns the picture and the
game is the preprocessing "nature-2015". Departures: Adam in place of RMSProp, and fewer steps than
the paper's 50 million. With a smaller memory epsilon falls, and learning begins, sooner.

The memory keeps each frame once: a million of them, with what was done and given, are about 7 GB.
A memory that this machine does not have room for is refused before anything is allocated.
"""

import argparse

import palestra

flags = argparse.ArgumentParser(description="DQN on Breakout")
flags.add_argument("--steps", type=int, default=10_000_000)
flags.add_argument("--memory", type=int, default=1_000_000, help="frames kept, 7 kB each")
flags.add_argument("--width", type=int, default=512, help="of the layer above the convolutions")
flags.add_argument("--games", type=int, default=30, help="of the evaluation in the end")
flags.add_argument("--seed", type=int, default=0)
flags.add_argument("--run", default=None, help="the folder to make, never overwritten")
options = flags.parse_args()

share = min(options.memory / 1_000_000, 1.0)  # of a small memory, as of the large one
algorithm = palestra.DQN(
    memory_size=options.memory,
    learning_starts=int(50_000 * share),
    batch_size=32,
    rollout_length=4,  # steps between two minibatches
    gradient_steps=1,
    epsilon_start=1.0,
    epsilon_end=0.1,
    epsilon_steps=max(1, int(1_000_000 * share)),
    target_period=10_000,
    learning_rate=6.25e-5,  # of Adam, as in Hessel et al. (2018), Rainbow
    gamma=0.99,
    double=False,
    hidden=(options.width,),
)
print(f"a memory of {options.memory:,} frames: {options.memory * 84 * 84 / 1e9:.2f} GB")
run = palestra.train(
    "ALE/Breakout-v5",
    algorithm,
    steps=options.steps,
    num_envs=1,
    env_kwargs={"preprocessing": "nature-2015"},
    episodes=options.games,
    seed=options.seed,
    run=options.run,
)
score = run.summary["best"]["ale"]
# One game alone has no interval.
between = "" if score["low"] is None else f" ({score['low']:.1f} to {score['high']:.1f})"
print(f"best agent: {score['mean']:.1f} points a game{between}")

# What the agent thinks of its own game; any video of Breakout will do.
print(f"next: palestra watch {run.folder / 'video.mp4'} {run.folder}")
