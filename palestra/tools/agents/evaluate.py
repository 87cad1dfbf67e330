"""How good is an agent? Greedy episodes from fresh starts, in our simulator or in Gymnasium's."""

from typing import Any

from palestra.core import Seed, check
from palestra.ranges import Episodes
from palestra.runners.cache import use_compilation_cache
from palestra.runners.switches import as_written
from palestra.tools.agents.agent import Agent
from palestra.tools.agents.episodes import EPISODES
from palestra.tools.agents.policy import check_exploring


@as_written()
def judge(
    agent: Agent, *, episodes: int = EPISODES, seed: int = 0, explore: bool = False
) -> dict[str, Any]:
    """mean, low, high (95 %), episodes, returns of greedy episodes on starts of its own, and how
    many of them ended or were given up since they went on for too long.

    In Gymnasium's environment of that id where there is one, else in ours, as also where the
    agent learned with other parameters or another time limit. With `explore` actions are drawn as
    at the end of training. Raises ValueError.
    """
    check("explore", explore, bool)
    if explore:
        check_exploring(agent.algorithm, agent.spec)
    check("episodes", episodes, Episodes)
    check("seed", seed, Seed)
    use_compilation_cache()
    task, asked = agent.task, {"episodes": episodes, "seed": seed}
    ((name, result),) = task.score(agent, **asked, explore=explore, both=False).items()
    return {**task.as_json(), "simulator": name, "explore": explore, **result}
