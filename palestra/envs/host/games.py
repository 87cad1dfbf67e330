"""Which ids are those of Atari's games, as ale-py names them. Nothing here imports JAX."""

import re
from difflib import get_close_matches
from importlib.util import find_spec

import gymnasium
from gymnasium.error import DependencyNotInstalled

from palestra.faults import InputError


def ids() -> tuple[str, ...]:
    """All ids under which ale-py has a game; none where it is not installed."""
    return tuple(games()) if find_spec("ale_py") else ()


def is_atari(env_id: str) -> bool:
    """Whether an id has Atari's form: one that only Atari has, or that of a game ale-py knows."""
    if re.fullmatch(r"ALE/.*|\w+(NoFrameskip|Deterministic)-v\d+", env_id):
        return True
    return bool(re.fullmatch(r"\w+-v[04]", env_id)) and env_id in ids()  # CartPole-v0 is not


def game_of(env_id: str) -> str | None:
    """The game's name in ale-py: "pong" for ALE/Pong-v5, PongNoFrameskip-v4 and the like.

    None for any other id. Raises ValueError, with the nearest id, for an unknown game in a form
    that Atari alone has, and DependencyNotInstalled where ale-py would have to tell.
    """
    if not is_atari(env_id):
        return None
    known = games()
    for name in list(known):  # Gymnasium has given up these ids, papers have not
        known[name.replace("NoFrameskip", "Deterministic")] = known[name]
    if env_id not in known:
        nearest = get_close_matches(env_id, known, n=1, cutoff=0)[0]
        raise InputError(f"There is no Atari game {env_id!r}; did you mean {nearest!r}?")
    return known[env_id]


def games() -> dict[str, str]:
    """ale-py's games by the ids under which it registers them. Raises DependencyNotInstalled."""
    try:
        import ale_py.vector_env  # noqa: F401
    except ImportError:
        raise DependencyNotInstalled(
            "Atari games need ale-py, which is not installed: pip install 'palestra[atari]'"
        ) from None
    return {
        env_id: spec.kwargs["game"]
        for env_id, spec in gymnasium.registry.items()
        if spec.entry_point == "ale_py.env:AtariEnv"
    }
