"""An Atari 2600 of our own.

`emulator.py` plays it; `console.py` is the machine, `cpu.py` and `tia.py` its two large chips,
`layout.py` its state, `boot.py` where games begin; `picture.py` what learners see of it, `games.py`
what its memory means, `controls.py` how it is played. `environment.py` is what agents learn in. To
import this folder imports neither Warp nor JAX.
"""

from difflib import get_close_matches
from importlib.util import find_spec

from palestra.faults import InputError

PREFIX = "atari/"


def ids() -> dict[str, str]:
    """The name of each game in ale-py by its id here: pong of atari/Pong-v5."""
    from palestra.envs.atari2600.controls import CONTROLS

    title = lambda game: "".join(word[:1].upper() + word[1:] for word in game.split("_"))
    return {f"{PREFIX}{title(game)}-v5".replace("3d", "3D"): game for game in CONTROLS}


def game_of(env_id: str) -> str | None:
    """The game's name in ale-py; None of an id that is none of our console's. Raises InputError,
    with the nearest id, where there is no such game."""
    if not env_id.startswith(PREFIX):
        return None
    known = ids()
    if env_id not in known:
        near = get_close_matches(env_id, known, n=1, cutoff=0)[0]
        raise InputError(f"There is no Atari game {env_id!r}; did you mean {near!r}?")
    return known[env_id]


def require() -> None:
    """Raise InputError where what the emulator needs is not installed."""
    for module, name in (("warp", "Warp"), ("ale_py", "ale-py")):
        if find_spec(module) is None:
            raise InputError(
                f"Our Atari 2600 needs {name}, which is not installed: "
                'pip install "palestra[atari2600]"'
            )
