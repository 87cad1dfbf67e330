"""What a random player and the best known one get, of environments as their ids have them."""

from typing import NamedTuple


class Reference(NamedTuple):
    """Mean undiscounted returns of an episode, and where the best one is from."""

    random: float
    best: float
    source: str


# Random players of what is not Atari: `python benchmarks/random_players.py`; of 2,048 episodes
# (HalfCheetah, Hopper, Walker2d, LunarLander: 64), or exactly.
LIMIT = "no episode can have more"
MODEL = "the best possible, from the environment's model"
OURS = "the best agents of our presets, docs/results.md"
HUMAN = "a human tester's, with the random player's: Wang et al. (2016), arXiv 1511.06581, table 2"

_REFERENCES = {
    LIMIT: {
        "CartPole-v0": (22.3, 200.0),
        "CartPole-v1": (22.3, 500.0),
        "Discrete/CartPole-v0": (22.3, 200.0),
        "Discrete/CartPole-v1": (22.3, 500.0),
        "Positions/CartPole-v1": (22.3, 500.0),
    },
    MODEL: {
        "FrozenLake-v1": (0.0139, 0.7442),
        "FrozenLake8x8-v1": (0.0019, 0.9132),
        "CliffWalking-v1": (-65375.1, -13.0),
        "CliffWalkingSlippery-v1": (-65375.1, -64.71),
        "Taxi-v4": (-771.1, 7.93),
        "Blackjack-v1": (-0.3942, -0.0431),
        "Maze-v0": (-622.9, -14.0),
        "Bandit-v0": (20.0, 1500.0),
    },
    OURS: {
        "MountainCar-v0": (-200.0, -98.8),
        "MountainCarContinuous-v0": (-33.2, 98.1),
        "Pendulum-v1": (-1235.6, -133.2),
        "Acrobot-v1": (-499.3, -81.3),
        "MinAtar/Breakout-v1": (0.38, 19.73),
        "MinAtar/Asterix-v1": (0.49, 61.5),
        "MinAtar/Freeway-v1": (0.38, 64.2),
        "MinAtar/Seaquest-v1": (0.1, 12.08),
        "MinAtar/SpaceInvaders-v1": (4.0, 258.4),
        "HalfCheetah-v5": (-269.7, 10309.4),
        "Hopper-v5": (14.8, 3360.1),
        "Walker2d-v5": (0.3, 4648.3),
        "LunarLander-v3": (-179.4, 258.3),
    },
    HUMAN: {
        "ALE/Alien-v5": (227.8, 7127.7),
        "ALE/Amidar-v5": (5.8, 1719.5),
        "ALE/Assault-v5": (222.4, 742.0),
        "ALE/Asterix-v5": (210.0, 8503.3),
        "ALE/BankHeist-v5": (14.2, 753.1),
        "ALE/BattleZone-v5": (2360.0, 37187.5),
        "ALE/BeamRider-v5": (363.9, 16926.5),
        "ALE/Boxing-v5": (0.1, 12.1),
        "ALE/Breakout-v5": (1.7, 30.5),
        "ALE/ChopperCommand-v5": (811.0, 7387.8),
        "ALE/CrazyClimber-v5": (10780.5, 35829.4),
        "ALE/DemonAttack-v5": (152.1, 1971.0),
        "ALE/Enduro-v5": (0.0, 860.5),
        "ALE/Freeway-v5": (0.0, 29.6),
        "ALE/Frostbite-v5": (65.2, 4334.7),
        "ALE/Gopher-v5": (257.6, 2412.5),
        "ALE/Hero-v5": (1027.0, 30826.4),
        "ALE/Jamesbond-v5": (29.0, 302.8),
        "ALE/Kangaroo-v5": (52.0, 3035.0),
        "ALE/Krull-v5": (1598.0, 2665.5),
        "ALE/KungFuMaster-v5": (258.5, 22736.3),
        "ALE/MsPacman-v5": (307.3, 6951.6),
        "ALE/Pong-v5": (-20.7, 14.6),
        "ALE/PrivateEye-v5": (24.9, 69571.3),
        "ALE/Qbert-v5": (163.9, 13455.0),
        "ALE/RoadRunner-v5": (11.5, 7845.0),
        "ALE/Seaquest-v5": (68.4, 42054.7),
        "ALE/SpaceInvaders-v5": (148.0, 1668.7),
        "ALE/UpNDown-v5": (533.4, 11693.2),
    },
}
REFERENCES = {
    env_id: Reference(*returns, source)
    for source, table in _REFERENCES.items()
    for env_id, returns in table.items()
}
_games = {x: reference for x, reference in REFERENCES.items() if x.startswith("ALE/")}
REFERENCES |= {x.replace("ALE/", "atari/"): reference for x, reference in _games.items()}
