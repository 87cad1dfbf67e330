"""The table of algorithms: a name, what it makes, and what it can learn from.

Nothing here imports JAX: an algorithm is imported when it is asked for, so that listing is quick.
"""

import re
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from palestra.faults import InputError
from palestra.own import full_name, load_installed, own_algorithm, summary
from palestra.sketch import declared, sketch

if TYPE_CHECKING:
    import gymnasium

    from palestra.core import Algorithm

ANY_OBS = ("vector", "picture", "discrete")
ANY_ACTION = ("discrete", "multi-discrete", "continuous")


class Entry(NamedTuple):
    """What the table holds of an algorithm."""

    home: str  # the class, as "module:class", of ours below palestra.algorithms
    summary: str
    paper: str  # a key of palestra/tools/references.bib, or several; empty where it is not ours
    observations: tuple[str, ...] = ANY_OBS  # kinds: vector, picture, discrete
    actions: tuple[str, ...] = ("discrete",)  # kinds: discrete, multi-discrete, continuous
    off_policy: bool = False  # learns from whatever was done, by whomever
    masks: bool = True  # takes none of the actions that are forbidden (core.Masked)
    num_envs: int = 8  # side by side, where neither the caller nor a preset says

    @property
    def learner(self) -> type[Any]:
        """The class, imported now."""
        return own_algorithm(self.home) or declared("palestra.algorithms", self.home, import_module)

    @property
    def settings(self) -> type[Any]:
        """A class with the same fields: of ours a sketch, for which JAX is not imported."""
        return own_algorithm(self.home) or declared("palestra.algorithms", self.home, sketch)


ALGORITHMS: dict[str, Entry] = {
    "bandits": Entry(
        "bandits:Bandits",
        "What pays most at once: epsilon-greedy, UCB or gradient bandits, with a table.",
        "sutton2018reinforcement",
        observations=("discrete",),
        num_envs=1,  # each pull says where to look next
    ),
    "q_learning": Entry(
        "q_learning:QLearning",
        "Q-learning with a table: learns the best policy while another acts.",
        "watkins1992qlearning",
        observations=("discrete",),
        off_policy=True,
    ),
    "sarsa": Entry(
        "sarsa:Sarsa",
        "Learns, with a table, the values of the policy that acts.",
        "rummery1994online",
        observations=("discrete",),
    ),
    "expected_sarsa": Entry(
        "expected_sarsa:ExpectedSarsa",
        "SARSA with the next action averaged out.",
        "vanseijen2009theoretical",
        observations=("discrete",),
    ),
    "double_q_learning": Entry(
        "double_q_learning:DoubleQLearning",
        "Q-learning with two tables, which do not overrate what is uncertain.",
        "vanhasselt2010double",
        observations=("discrete",),
        off_policy=True,
    ),
    "n_step_sarsa": Entry(
        "n_step_sarsa:NStepSarsa",
        "SARSA with several rewards before the next value.",
        "sutton2018reinforcement",
        observations=("discrete",),
    ),
    "sarsa_lambda": Entry(
        "sarsa_lambda:SarsaLambda",
        "SARSA with replacing traces: each step teaches all before it.",
        "singh1996replacing",
        observations=("discrete",),
    ),
    "dyna_q": Entry(
        "dyna_q:DynaQ",
        "Q-learning that learns a model and plans in it; also prioritized sweeping.",
        "sutton1990integrated moore1993prioritized",
        observations=("discrete",),
        off_policy=True,
        num_envs=1,  # each of its steps counts, for it thinks many times of each
    ),
    "monte_carlo": Entry(
        "monte_carlo:MonteCarlo",
        "Learns, with a table, from whole returns: no bootstrapping.",
        "sutton2018reinforcement",
        observations=("discrete",),
    ),
    "reinforce": Entry(
        "reinforce:Reinforce",
        "Monte Carlo policy gradient, with a baseline.",
        "williams1992simple",
        actions=ANY_ACTION,
    ),
    "actor_critic": Entry(
        "actor_critic:OneStepActorCritic",
        "One-step actor-critic, the textbook's.",
        "sutton2018reinforcement",
        actions=ANY_ACTION,
    ),
    "a2c": Entry(
        "a2c:A2C",
        "Advantage actor-critic, synchronous.",
        "mnih2016asynchronous",
        actions=ANY_ACTION,
        num_envs=1,  # in few steps many updates count for more than large ones
    ),
    "a3c": Entry(
        "a3c:A3C",
        "Asynchronous advantage actor-critic, its asynchrony exact.",
        "mnih2016asynchronous",
        actions=ANY_ACTION,
    ),
    "impala": Entry(
        "impala:IMPALA",
        "Actor-critic that may learn behind its actors: V-trace.",
        "espeholt2018impala",
        actions=ANY_ACTION,
    ),
    "ppo": Entry(
        "ppo:PPO",
        "Proximal policy optimization, clipped.",
        "schulman2017proximal",
        actions=ANY_ACTION,
    ),
    "recurrent_ppo": Entry(
        "recurrent_ppo:RecurrentPPO",
        "PPO with a network that remembers.",
        "hausknecht2015deep",
        actions=ANY_ACTION,
    ),
    "dqn": Entry(
        "dqn:DQN",
        "Deep Q-learning; also double, dueling and n-step.",
        "mnih2015human",
        off_policy=True,
    ),
    "c51": Entry(
        "c51:C51",
        "Q-learning of the whole distribution of returns.",
        "bellemare2017distributional",
        off_policy=True,
    ),
    "qr_dqn": Entry(
        "qr_dqn:QRDQN",
        "Q-learning of the quantiles of returns.",
        "dabney2018distributional",
        off_policy=True,
    ),
    "rainbow": Entry(
        "rainbow:Rainbow",
        "C51, double, dueling, prioritized, n-step and noisy.",
        "hessel2018rainbow",
        off_policy=True,
    ),
    "r2d2": Entry(
        "r2d2:R2D2",
        "Deep Q-learning with a network that remembers.",
        "kapturowski2019recurrent",
        off_policy=True,
    ),
    "pqn": Entry(
        "pqn:PQN",
        "Deep Q-learning without replay or target.",
        "gallici2025simplifying",
        off_policy=True,
    ),
    "ddpg": Entry(
        "ddpg:DDPG",
        "Deep deterministic policy gradient.",
        "lillicrap2016continuous",
        actions=("continuous",),
        off_policy=True,
        num_envs=1,  # a gradient step for each step of its environment
    ),
    "td3": Entry(
        "td3:TD3",
        "Twin delayed deterministic policy gradient.",
        "fujimoto2018addressing",
        actions=("continuous",),
        off_policy=True,
        num_envs=1,
    ),
    "sac": Entry(
        "sac:SAC",
        "Soft actor-critic with a learned temperature.",
        "haarnoja2018applications",
        actions=("discrete", "continuous"),
        off_policy=True,
        num_envs=1,
    ),
}


NAMES = {f"palestra.algorithms.{row.home}": name for name, row in ALGORITHMS.items()}


# Names that literature has for what is a setting here, or for a class of several algorithms.
KNOWN_AS = {
    "ddqn": "dqn, which is double unless --no-double says otherwise",
    "doubledqn": "dqn, which is double unless --no-double says otherwise",
    "duelingdqn": "dqn --dueling",
    "vpg": "reinforce",
    "policygradient": "reinforce",
    "ac": "actor_critic",
    "mc": "monte_carlo",
    "vtrace": "impala",
    "ucb": "bandits --method ucb",
    "epsilongreedy": "bandits",
    "gradientbandit": "bandits --method gradient",
    "bandit": "bandits",
    "dyna": "dyna_q",
    "prioritizedsweeping": "dyna_q --prioritized",
    "td": "q_learning or sarsa",
    "q": "q_learning",
}


def named(name: str) -> str:
    """The name of an algorithm, however it is written: PPO, Q-learning, qr-dqn, my_file:DynaQ.

    Raises ValueError, naming the nearest one, if there is none; or how to import the module of one
    from outside that nobody has imported yet.
    """
    if ":" in name:
        check_imported(name)
        return name
    letters = lambda word: re.sub("[^a-z0-9]", "", word.lower())
    bare = {letters(known): known for known in ALGORITHMS}
    if letters(name) in bare:
        return bare[letters(name)]
    if (installed := load_installed("algorithms", name)) is not None:
        return named(installed)
    raise InputError(f"There is no algorithm {name!r}; {_meant(letters(name), bare)}")


def _meant(letters: str, bare: dict[str, str]) -> str:
    """A hint at the algorithm that was meant; `bare` are the names, by their letters."""
    near = get_close_matches(letters, bare, n=1, cutoff=0.6)
    meant = KNOWN_AS.get(letters) or (bare[near[0]] if near else None)
    return f"did you mean {meant}?" if meant else f"choose from {', '.join(ALGORITHMS)}."


def entry(name: str) -> Entry:
    """The table's row for a name, or what a class from outside says of itself.

    Raises ValueError, naming the nearest one, if there is none.
    """
    name = named(name)
    return ALGORITHMS[name] if name in ALGORITHMS else _outside(name)


def _outside(name: str) -> Entry:
    cls = own_algorithm(name)
    assert cls is not None  # it was imported: `named` has looked
    from palestra.core import KnowsMasks, OffPolicy  # as its module has

    off_policy = isinstance(cls, OffPolicy) and bool(cls.off_policy)
    masks = isinstance(cls, KnowsMasks) and bool(cls.masks)
    return Entry(name, summary(cls), "", ANY_OBS, ANY_ACTION, off_policy, masks)


def check_imported(name: str) -> None:
    """Raises ValueError where module:Name is no algorithm, or none that was imported."""
    if own_algorithm(name) is not None:
        return
    module, _, word = name.rpartition(":")
    if module in sys.modules:
        raise InputError(
            f"{module} has no algorithm {word!r}: a class under @palestra.core.hyperparameters "
            "with init, act and update, as palestra.core.Algorithm says."
        )
    raise InputError(
        f"{name!r} is made by the module {module!r}, whose code would run: import it first "
        f"(--trust {module}) if you trust it."
    )


def algorithm_class(name: str) -> type[Any]:
    """The class of a name. Raises ValueError, naming the nearest one, if there is none."""
    return entry(name).learner


def served(name: str, observations: "gymnasium.Space", actions: "gymnasium.Space") -> bool:
    """Whether an algorithm can learn from such observations, with such actions."""
    row = entry(name)
    acts = "continuous" if kind_of(actions) == "vector" else kind_of(actions)
    return kind_of(observations) in row.observations and acts in row.actions


def kind_of(space: "gymnasium.Space") -> str:
    """The kind of a space, in the table's words; its own name for one that nobody serves."""
    from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Tuple

    match space:
        case Dict() if "action_mask" in space.spaces:  # core.Masked
            return kind_of(space["observation"])
        case Discrete():
            return "discrete"
        case Tuple() if len(space) and all(kind_of(part) == "discrete" for part in space):
            return "discrete"
        case Tuple() if len(space) and {kind_of(x) for x in space} <= set(ANY_OBS):
            return "vector"  # as which networks see several things at once
        case MultiDiscrete() if len(space.shape) == 1:
            return "multi-discrete"
        case Box() if len(space.shape) == 1:
            return "vector"
        case Box() if len(space.shape) == 3:
            return "picture"
    return type(space).__name__


def name_of(algorithm: "Algorithm") -> str:
    """The name of an algorithm: the table's, or module:Name. Raises ValueError if it has none."""
    home = full_name(type(algorithm))
    if home in NAMES:
        return NAMES[home]
    if own_algorithm(home) is None:
        raise _no_algorithm(algorithm)
    return home


def _no_algorithm(algorithm: Any) -> InputError:
    """Why that has no name."""
    kind = type(algorithm)
    if isinstance(algorithm, type):
        one = algorithm.__name__
        return InputError(f"{one} is a class; give an algorithm's name, or an instance: {one}().")
    return InputError(
        f"{kind.__name__} is no algorithm that can be trained: that is a class under "
        "@palestra.core.hyperparameters with init, act and update (palestra.core.Algorithm)."
    )
