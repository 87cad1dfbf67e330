"""How Atari's games are played, as ale-py offers it: actions, modes and difficulties.

Asked of ale-py 0.12.1; `benchmarks/atari2600_games.py controls` asks again.
"""

from collections.abc import Mapping
from typing import NamedTuple

ALL = "0123456789ABCDEFGH"  # the eighteen actions: what a stick with one button can say


class Controls(NamedTuple):
    """What a player of one game may choose."""

    minimal: str = ALL
    """The actions that make a difference, a digit each, to the base of 18."""
    legal: str = ALL
    """The actions that ale-py's full set has."""
    modes: tuple[int, ...] = (0,)
    """The first is where a game begins unless another is asked for."""
    difficulties: tuple[int, ...] = (0,)
    """As the switches say it: 1 the left one, 2 the right one."""

    def actions(self, full: bool = False) -> tuple[int, ...]:
        """The numbers of the actions, the minimal ones or all legal ones."""
        return tuple(int(digit, 18) for digit in (self.legal if full else self.minimal))


CONTROLS: Mapping[str, Controls] = {
    "adventure": Controls(modes=tuple(range(0, 3)), difficulties=(0, 1, 2, 3)),
    "air_raid": Controls(minimal="0134BC", modes=tuple(range(1, 9))),
    "alien": Controls(modes=tuple(range(0, 4)), difficulties=(0, 1, 2, 3)),
    "amidar": Controls(minimal="012345ABCD", difficulties=(0, 3)),
    "assault": Controls(minimal="01234BC"),
    "asterix": Controls(minimal="023456789"),
    "asteroids": Controls(minimal="01234567ABCDEF", modes=(*range(32), 128), difficulties=(0, 3)),
    "atlantis": Controls(minimal="01BC", modes=tuple(range(0, 4))),
    "atlantis2": Controls(minimal="01BC"),
    "backgammon": Controls(minimal="134", difficulties=(3,)),
    "bank_heist": Controls(modes=tuple(range(0, 29, 4)), difficulties=(0, 1, 2, 3)),
    "basic_math": Controls(minimal="012345", modes=tuple(range(5, 9)), difficulties=(0, 2, 3)),
    "battle_zone": Controls(modes=tuple(range(1, 4))),
    "beam_rider": Controls(minimal="0123467BC", difficulties=(0, 1)),
    "berzerk": Controls(modes=(1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 18)),
    "blackjack": Controls(minimal="0125", difficulties=(0, 1, 2, 3)),
    "bowling": Controls(minimal="0125AD", modes=tuple(range(0, 5, 2)), difficulties=(0, 1)),
    "boxing": Controls(difficulties=(0, 1, 2, 3)),
    "breakout": Controls(minimal="0134", modes=tuple(range(0, 45, 4)), difficulties=(0, 1)),
    "carnival": Controls(minimal="0134BC"),
    "casino": Controls(minimal="0125", modes=(0, 2, 3), difficulties=(0, 1, 2, 3)),
    "centipede": Controls(modes=(22, 86)),
    "chopper_command": Controls(modes=(0, 2), difficulties=(0, 1)),
    "crazy_climber": Controls(minimal="023456789", modes=tuple(range(0, 4)), difficulties=(0, 1)),
    "crossbow": Controls(modes=tuple(range(0, 7, 2)), difficulties=(0, 1)),
    "darkchambers": Controls(),
    "defender": Controls(modes=(1, 2, 3, 4, 5, 6, 7, 8, 9, 16), difficulties=(0, 1)),
    "demon_attack": Controls(minimal="0134BC", modes=tuple(range(1, 8, 2)), difficulties=(0, 1)),
    "donkey_kong": Controls(),
    "double_dunk": Controls(modes=tuple(range(0, 16))),
    "earthworld": Controls(),
    "elevator_action": Controls(),
    "enduro": Controls(minimal="0134589BC"),
    "entombed": Controls(difficulties=(0, 2)),
    "et": Controls(modes=tuple(range(0, 3)), difficulties=(0, 1, 2, 3)),
    "fishing_derby": Controls(difficulties=(0, 1, 2, 3)),
    "flag_capture": Controls(modes=tuple(range(8, 11))),
    "freeway": Controls(minimal="025", modes=tuple(range(0, 8)), difficulties=(0, 1)),
    "frogger": Controls(minimal="02345", modes=tuple(range(0, 3)), difficulties=(0, 1)),
    "frostbite": Controls(modes=(0, 2)),
    "galaxian": Controls(minimal="0134BC", modes=tuple(range(1, 10)), difficulties=(0, 1)),
    "gopher": Controls(minimal="01234ABC", modes=(0, 2), difficulties=(0, 1)),
    "gravitar": Controls(modes=tuple(range(0, 5))),
    "hangman": Controls(modes=tuple(range(0, 4)), difficulties=(0, 1)),
    "haunted_house": Controls(modes=tuple(range(0, 9)), difficulties=(0, 1)),
    "hero": Controls(modes=tuple(range(0, 5))),
    "human_cannonball": Controls(modes=tuple(range(0, 8)), difficulties=(0, 1)),
    "ice_hockey": Controls(modes=(0, 2), difficulties=(0, 1, 2, 3)),
    "jamesbond": Controls(modes=(0, 1)),
    "journey_escape": Controls(minimal="023456789BCDEFGH", difficulties=(0, 1)),
    "kaboom": Controls(minimal="0134"),
    "kangaroo": Controls(modes=(0, 1)),
    "keystone_kapers": Controls(minimal="0123456789ABCD"),
    "king_kong": Controls(minimal="012345", modes=tuple(range(0, 4))),
    "klax": Controls(modes=tuple(range(0, 3))),
    "koolaid": Controls(minimal="023456789"),
    "krull": Controls(),
    "kung_fu_master": Controls(minimal="0234589BCDEFGH"),
    "laser_gates": Controls(),
    "lost_luggage": Controls(
        minimal="023456789", legal="023456789", modes=(0, 1), difficulties=(0, 1)
    ),
    "mario_bros": Controls(modes=tuple(range(0, 7, 2))),
    "miniature_golf": Controls(difficulties=(0, 1)),
    "montezuma_revenge": Controls(),
    "mr_do": Controls(minimal="012345ABCD", modes=tuple(range(0, 4))),
    "ms_pacman": Controls(minimal="023456789", modes=tuple(range(0, 4))),
    "name_this_game": Controls(
        minimal="0134BC", modes=tuple(range(8, 41, 16)), difficulties=(0, 1)
    ),
    "othello": Controls(minimal="0123456789", modes=tuple(range(0, 3)), difficulties=(0, 2)),
    "pacman": Controls(minimal="02345", modes=tuple(range(0, 8)), difficulties=(0, 1)),
    "phoenix": Controls(minimal="01345BCD"),
    "pitfall": Controls(),
    "pitfall2": Controls(),
    "pong": Controls(minimal="0134BC", modes=(0, 1), difficulties=(0, 1, 2, 3)),
    "pooyan": Controls(minimal="0125AD", modes=tuple(range(10, 71, 20))),
    "private_eye": Controls(modes=tuple(range(0, 5)), difficulties=(0, 1, 2, 3)),
    "qbert": Controls(minimal="012345", difficulties=(0, 1)),
    "riverraid": Controls(difficulties=(0, 1)),
    "road_runner": Controls(),
    "robotank": Controls(),
    "seaquest": Controls(difficulties=(0, 1)),
    "sir_lancelot": Controls(minimal="0134BC"),
    "skiing": Controls(minimal="034", legal="023456789"),
    "solaris": Controls(),
    "space_invaders": Controls(minimal="0134BC", modes=tuple(range(0, 16)), difficulties=(0, 1)),
    "space_war": Controls(modes=tuple(range(6, 18))),
    "star_gunner": Controls(modes=tuple(range(0, 4))),
    "superman": Controls(difficulties=(0, 1, 2, 3)),
    "surround": Controls(minimal="02345", modes=(0, 2), difficulties=(0, 1, 2, 3)),
    "tennis": Controls(modes=(0, 2), difficulties=(0, 1, 2, 3)),
    "tetris": Controls(minimal="01345"),
    "tic_tac_toe_3d": Controls(minimal="0123456789", modes=tuple(range(0, 9)), difficulties=(0, 2)),
    "time_pilot": Controls(minimal="012345ABCD", difficulties=(0, 1, 2)),
    "trondead": Controls(difficulties=(0, 1)),
    "turmoil": Controls(minimal="0123456789BC", modes=tuple(range(0, 9))),
    "tutankham": Controls(minimal="02345ABC", modes=tuple(range(0, 13, 4))),
    "up_n_down": Controls(minimal="0125AD", difficulties=(0, 1, 2, 3)),
    "venture": Controls(difficulties=(0, 1, 2, 3)),
    "video_checkers": Controls(
        minimal="16789", modes=(1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19)
    ),
    "video_chess": Controls(minimal="0123456789", modes=tuple(range(0, 5))),
    "video_cube": Controls(
        modes=tuple(100 * cube + game for cube in range(51) for game in range(3)),
        difficulties=(0, 1),
    ),
    "video_pinball": Controls(minimal="012345ABC", modes=(0, 2), difficulties=(0, 1)),
    "wizard_of_wor": Controls(minimal="012345ABCD", difficulties=(0, 1)),
    "word_zapper": Controls(modes=tuple(range(0, 24)), difficulties=(0, 1, 2, 3)),
    "yars_revenge": Controls(modes=tuple(range(0, 97, 32)), difficulties=(0, 1)),
    "zaxxon": Controls(modes=tuple(range(0, 25, 8))),
}
