"""What Atari games mean by the bytes of their memory: points, lives, and when they are over.

The console knows no rewards. ale-py reads them from the 128 bytes of RAM after each frame, and so
do we. What stands here is a table of facts, game by game, found by setting bytes and comparing
what ale-py then says; `benchmarks/atari2600_games.py` finds them, and holds them to ale-py.

A fact is a sum of worths: what a byte adds, for each of its 256 values. So who can look numbers up
knows every game, and `step` is the same in NumPy and in JAX.

What is known to be missing or otherwise: Klax keeps its points and its end, Dark Chambers its end,
where these bytes do not show them. No end was ever seen of Backgammon, E.T., Miniature Golf,
Othello, Pitfall II, Superman, Video Checkers, Video Chess and Video Cube, nor points of half of
these. Lives of Gravitar and Star Gunner differ while no game is on, and an extra life of Star
Gunner's is not seen. Where nobody looks at the score, in Casino and Word Zapper, ale-py repeats the
reward of the frame before, which is 0 in play.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Part(NamedTuple):
    """What one byte of RAM adds to a number."""

    address: int
    worth: tuple[int, ...]  # of each of its 256 values


Parts = tuple[Part, ...]


def _worths(address: int, worth: Callable[[int], int]) -> Part:
    return Part(address, tuple(int(worth(v)) for v in range(256)))


def byte(address: int, factor: int = 1, plus: int = 0) -> Part:
    """A number from 0 to 255."""
    return _worths(address, lambda v: factor * v + plus)


def signed(address: int, factor: int = 1, plus: int = 0) -> Part:
    """A number from -128 to 127."""
    return _worths(address, lambda v: factor * ((v ^ 128) - 128) + plus)


def bits(address: int, mask: int, factor: int = 1, plus: int = 0) -> Part:
    """The number that some neighboring bits of a byte are."""
    shift = (mask & -mask).bit_length() - 1
    return _worths(address, lambda v: factor * ((v & mask) >> shift) + plus)


def low(address: int, factor: int = 1, plus: int = 0) -> Part:
    """The lower four bits, mostly a decimal digit."""
    return bits(address, 0x0F, factor, plus)


def high(address: int, factor: int = 1, plus: int = 0) -> Part:
    """The upper four bits, mostly a decimal digit."""
    return bits(address, 0xF0, factor, plus)


def bcd(address: int, factor: int = 1) -> Part:
    """Two decimal digits."""
    return _worths(address, lambda v: factor * (10 * (v >> 4) + (v & 15)))


def table(address: int, worth: Mapping[int, int], other: int = 0) -> Part:
    """What is said for some values of a byte, and the same for all others."""
    return _worths(address, lambda v: worth.get(v, other))


def decimal(*addresses: int, factor: int = 1) -> Parts:
    """Two decimal digits a byte, the highest byte first."""
    last = len(addresses) - 1
    return tuple(bcd(a, factor * 100 ** (last - i)) for i, a in enumerate(addresses))


def equal(address: int, *values: int) -> Part:
    """Whether a byte is one of some values."""
    return _worths(address, lambda v: v in values)


def other(address: int, *values: int) -> Part:
    """Whether a byte is none of some values."""
    return _worths(address, lambda v: v not in values)


def within(address: int, first: int, last: int) -> Part:
    """Whether a byte lies between two values, both included."""
    return _worths(address, lambda v: first <= v <= last)


def some(address: int, mask: int) -> Part:
    """Whether one of these bits is set."""
    return _worths(address, lambda v: v & mask != 0)


def none(address: int, mask: int) -> Part:
    """Whether none of these bits is set."""
    return _worths(address, lambda v: v & mask == 0)


def at_least(address: int, number: int) -> Part:
    """Whether two decimal digits are a number or more."""
    return _worths(address, lambda v: 10 * (v >> 4) + (v & 15) >= number)


def field(address: int, mask: int, value: int) -> Part:
    """Whether these bits of a byte are as said."""
    return _worths(address, lambda v: v & mask == value)


def bcd100(address: int, factor: int) -> Part:
    """Two decimal digits, C0 for a hundred."""
    return _worths(address, lambda v: factor * (100 if v == 0xC0 else 10 * (v >> 4) + (v & 15)))


def always(number: int) -> Part:
    """The same number, whatever stands in memory."""
    return _worths(0, lambda v: number)


class Game(NamedTuple):
    """What the memory of one game means."""

    score: Parts = ()
    """The sum that a reward is the change of."""
    over: tuple[Parts, ...] = ()
    """It is over where all conditions of one of these hold."""
    lives: Part | Parts = always(0)
    """The sum, or the one part, that ale-py calls lives while the game goes on; then they are 0."""
    falls: Parts = ()
    """Where the sum of lives is one less, it is believed only if all of these hold."""
    steps: bool = False
    """A life is lost where the sum becomes one less, and that is all that it tells."""
    alive: Parts = ()
    """The sum of lives is believed only where all of these hold."""
    begins: int = 0
    """Lives at a reset, where the sum does not tell them yet; 0: it does."""
    immortal: bool = False
    """Lives at the end are what they were, not 0."""
    still: Parts = ()
    """Where all of these hold nobody looks at the score."""
    counts: Parts = ()
    """The score counts as 0 unless all of these hold."""
    unset: Parts = ()
    """The score counts as 0 where all of these hold: no number stands there yet."""
    ignored: int = 0
    """A change by so much is no reward: the game sets up its score."""
    least: int = -(2**30)
    """No reward is less than this: 0 where the game sets its score back."""
    most: int = 2**30
    """No reward is more than this."""
    wrap: int = 0
    """What a change below zero is more: the score has begun from zero again."""
    changed: int = 0
    """The reward of any change, whatever it is; 0: rewards are changes."""
    rounds: int = 0
    """What a round is worth in the score, points within it less: where rounds change, that is the
    reward, and points count for nothing; 0: there are none."""


def _sum(parts: Parts, ram: Any) -> Any:
    """The sum of what the bytes add, of one RAM or of many."""
    xp = ram.__array_namespace__()
    total = xp.zeros(ram.shape[:-1], dtype=xp.int32)
    for address, worth in parts:
        total = total + xp.take(xp.asarray(worth, dtype=xp.int32), ram[..., address].astype(int))
    return total


def _parts(of: Part | Parts) -> Parts:
    return (of,) if isinstance(of, Part) else of


def _all(parts: Parts, ram: Any) -> Any:
    """Whether all conditions hold."""
    holds = ram[..., 0] == ram[..., 0]
    for part in parts:
        holds = holds & (_sum((part,), ram) > 0)
    return holds


def read(game: str) -> list[int]:
    """The bytes that the facts of a game are read from."""
    facts = GAMES[game]
    conditions = [
        part
        for together in (*facts.over, facts.unset, facts.still, facts.counts)
        for part in together
    ]
    parts = (*facts.score, *_parts(facts.lives), *conditions)
    return sorted({part.address for part in parts if len(set(part.worth)) > 1})


def _score(facts: Game, ram: Any) -> Any:
    total = _sum(facts.score, ram)
    xp = ram.__array_namespace__()
    if facts.counts:
        total = xp.where(_all(facts.counts, ram), total, 0)
    return xp.where(_all(facts.unset, ram), 0, total) if facts.unset else total


def score(game: str, ram: Any) -> Any:
    """The sum that a reward is the change of, [...] int32, of RAM [..., 128] uint8."""
    return _score(GAMES[game], ram)


def over(game: str, ram: Any) -> Any:
    """Whether the game is over, [...] bool."""
    ended = ram[..., 0] != ram[..., 0]
    for conditions in GAMES[game].over:
        ended = ended | _all(conditions, ram)
    return ended


def start(game: str, ram: Any) -> Any:
    """The memory that `step` begins with, [..., 3] int32, at the RAM after a reset."""
    xp, facts = ram.__array_namespace__(), GAMES[game]
    left = _sum(_parts(facts.lives), ram)
    begins = xp.full_like(left, facts.begins) if facts.begins else left
    return xp.stack([score(game, ram), left, begins], axis=-1)


def step(game: str, ram: Any, memory: Any) -> tuple[Any, Any, Any, Any]:
    """Reward, lives, whether the game is over, and the memory, after one frame.

    `ram` is what stands there after the frame, [..., 128] uint8; `memory`, the score, the sum of
    lives and the lives of the frame before, [..., 3] int32, is what `start` or the frame before
    gave. NumPy's arrays or JAX's, of any number of consoles with the same game.
    """
    xp, facts, now = ram.__array_namespace__(), GAMES[game], score(game, ram)
    if facts.still:
        now = xp.where(_all(facts.still, ram), memory[..., 0], now)
    change = now - memory[..., 0]
    if facts.wrap:
        change = xp.where(change < 0, change + facts.wrap, change)
    if facts.changed:
        change = xp.where(change == 0, 0, facts.changed)
    if facts.rounds:
        won = (change + facts.rounds // 2) // facts.rounds
        change = xp.where(won == 0, change, won)
    reward = xp.clip(change, facts.least, facts.most)
    if facts.ignored:
        reward = xp.where(reward == facts.ignored, 0, reward)
    summed, kept, ended = _sum(_parts(facts.lives), ram), memory[..., 2], over(game, ram)
    left = summed
    if facts.falls:
        left = xp.where((left != kept - 1) | _all(facts.falls, ram), left, kept)
    if facts.steps:
        left = xp.where(summed == memory[..., 1] - 1, kept - 1, kept)
    if facts.alive:
        left = xp.where(_all(facts.alive, ram), left, kept)
    memory = xp.stack([now, summed, left], axis=-1)
    return reward, left if facts.immortal else xp.where(ended, 0, left), ended, memory


ONE = always(1)  # life: what ale-py says of many games without lives


def _digits(*addresses: int, factor: int = 1) -> Parts:
    """One decimal digit a byte, in its lower four bits, the highest first; 10 shows nothing."""
    last = len(addresses) - 1
    return tuple(
        table(a, {v: factor * 10 ** (last - i) * (v & 15) for v in range(256) if v & 15 != 10})
        for i, a in enumerate(addresses)
    )


def _shapes(*addresses: int, factor: int = 1) -> Parts:
    """One digit a byte, as where its shape begins, eight bytes each; the highest first."""
    last = len(addresses) - 1
    return tuple(
        table(a, {v: factor * 10 ** (last - i) * (v >> 3) for v in range(256) if v != 0x80})
        for i, a in enumerate(addresses)
    )


SHOWN = ((77, 10_000), (79, 1000), (81, 100), (83, 10), (85, 1))  # of River Raid

GAMES: Mapping[str, Game] = {
    "adventure": Game(
        (equal(57, 0x12),), ((equal(96, 2),), (equal(57, 0x12),)), ONE, immortal=True
    ),
    "air_raid": Game(decimal(40, 41, 42), ((equal(39, 0xFF),),), ONE),
    "alien": Game(_shapes(3, 5, 7, 9, 11, factor=10), ((none(64, 0x0F),),), low(64)),
    "amidar": Game(decimal(91, 90, 89), ((equal(86, 0x80),),), low(86)),
    "assault": Game(decimal(0, 1, 2), ((equal(101, 0),),), byte(101)),
    "asterix": Game(decimal(94, 95, 96), ((equal(71, 1), field(83, 0x0F, 1)),), low(83)),
    "asteroids": Game(decimal(61, 62, factor=10), ((none(60, 0xF0),),), high(60), wrap=100_000),
    "atlantis": Game(decimal(33, 35, 34, factor=100), ((equal(113, 0xFF),),), byte(113)),
    "atlantis2": Game(decimal(35, 34, 33), ((equal(113, 0xFF),),), byte(113)),
    "backgammon": Game((), (), ONE),
    "bank_heist": Game(decimal(88, 89, 90), ((equal(85, 0), equal(78, 1)),), byte(85)),
    "basic_math": Game((bcd(4),), ((other(6, 0),),), ONE),
    "battle_zone": Game(
        (
            table(29, {v: 1000 * (v >> 4) for v in range(256) if v >> 4 != 10}),
            *_digits(30, factor=10_000),
            table(30, {v: 100_000 * (v >> 4) for v in range(256) if v >> 4 != 10}),
        ),
        ((none(58, 0x0F),),),
        low(58),
    ),
    "beam_rider": Game(
        decimal(11, 10, 9), ((equal(5, 0xFF),),), byte(5, plus=1), falls=(equal(12, 1),)
    ),
    "berzerk": Game(decimal(93, 94, 95), ((equal(90, 0xFF),),), byte(90, plus=1)),
    "blackjack": Game(decimal(6, 9), ((within(6, 10, 255),),), ONE),
    "bowling": Game(decimal(38, 33), ((within(36, 0x11, 255),),)),
    "boxing": Game(
        (bcd100(18, 1), bcd100(19, -1)),
        ((equal(18, 0xA0, 0xC0),), (equal(19, 0xA0, 0xC0),), (equal(17, 0), none(16, 0xF0))),
    ),
    "breakout": Game((low(76, 100), bcd(77)), ((equal(57, 0),),), byte(57)),
    "carnival": Game(decimal(45, 46, factor=10), ((equal(3, 0),),)),
    "casino": Game(
        decimal(12, 21),
        ((some(83, 0x80), other(84, 3), other(30, 0)), (equal(12, 0), equal(21, 0))),
        ONE,
        still=(some(83, 0x80), other(84, 3)),
    ),
    "centipede": Game(
        decimal(116, 117, 118), ((some(38, 0x40),),), bits(109, 0x70, plus=1), least=0
    ),
    "chopper_command": Game(decimal(108, 110, factor=100), ((none(100, 0x0F),),), low(100)),
    "crazy_climber": Game(
        (low(2, 100), low(3, 1000), low(4, 10_000), low(5, 100_000)),
        ((equal(42, 0),),),
        byte(42),
        least=0,
    ),
    "crossbow": Game(decimal(11, 12, 13), ((equal(49, 0xFF),),), ONE),
    "darkchambers": Game(decimal(79, 76, factor=10), (), ONE),
    "defender": Game(_digits(33, 32, 31, 30, 29, 28), ((equal(66, 0),),), byte(66)),
    "demon_attack": Game(
        decimal(1, 3, 5),
        ((equal(114, 0), equal(113, 0xBD)),),
        byte(114, plus=1),
        unset=(equal(1, 0xAB), equal(3, 0xCD), equal(5, 0xEA)),
    ),
    "donkey_kong": Game(decimal(7, 8, factor=100), ((equal(35, 0), equal(11, 0x1F)),), byte(35)),
    "double_dunk": Game(
        (bcd(118), bcd(119, -1)),
        ((at_least(118, 24), equal(126, 0xE7)), (at_least(119, 24), equal(126, 0xE7))),
    ),
    "earthworld": Game((bcd(39),), ((equal(39, 0x0A, 0x10),),), ONE),
    "elevator_action": Game(decimal(7, 8, 9), ((equal(3, 0), equal(1, 2)),), byte(3)),
    "enduro": Game(
        (byte(45, 300, -100), bcd(44, -100), bcd(43, -1)),
        ((equal(47, 0xFF),),),
        unset=(equal(45, 0),),
    ),
    "entombed": Game((byte(99),), ((none(71, 0x03),),), ONE),
    "et": Game(
        decimal(95, 96, 97), (), table(101, {v: ((v + 1 & 255) ^ 128) - 128 for v in range(256)})
    ),
    "fishing_derby": Game((bcd(61), bcd(62, -1)), ((equal(61, 0x99),), (equal(62, 0x99),))),
    "flag_capture": Game((bcd(106),), ((equal(107, 0),),), ONE),
    "freeway": Game((bcd(103),), ((equal(22, 1),),), least=0, most=1),
    "frogger": Game(decimal(76, 78), ((equal(80, 0xFF),),), byte(80)),
    "frostbite": Game(decimal(72, 73, 74), ((some(113, 0x80), none(76, 0x0F)),), low(76, plus=1)),
    "galaxian": Game(decimal(44, 45, 46), ((some(63, 0x80),),), byte(57, plus=1), wrap=1_000_000),
    "gopher": Game(
        decimal(48, 49, 50),
        ((none(52, 0x07),),),
        table(52, {v: (v & 7).bit_count() for v in range(256)}),
    ),
    "gravitar": Game(decimal(7, 8, 9), ((equal(1, 1),),), byte(4, plus=1)),
    "hangman": Game((bcd(107), bcd(108, -1)), ((other(107, 0),), (other(108, 0),)), ONE),
    "haunted_house": Game((byte(2),), ((equal(22, 0),),), byte(22), changed=-1),
    "hero": Game(decimal(55, 56, 57), ((equal(51, 0),),), byte(51)),
    "human_cannonball": Game((bcd(54),), ((equal(54, 7),), (equal(55, 7),)), ONE),
    "ice_hockey": Game((bcd(10), bcd(11, -1)), ((equal(6, 0), equal(7, 0)),), most=1),
    "jamesbond": Game(decimal(94, 93, 92), ((equal(12, 0x68),),), low(6, plus=1)),
    "journey_escape": Game(decimal(16, 17, 18), ((equal(22, 0), equal(21, 0)),), ignored=50_000),
    "kaboom": Game(decimal(35, 36, 37), ((equal(33, 0), equal(34, 0)),), ONE),
    "kangaroo": Game(decimal(39, 40, factor=100), ((equal(45, 0xFF),),), bits(45, 0x07, plus=1)),
    "keystone_kapers": Game(decimal(27, 28), ((equal(22, 0), equal(8, 0)),), byte(22)),
    "king_kong": Game(decimal(2, 3), ((equal(110, 0),),), byte(110)),
    "klax": Game((), (), ONE),
    "koolaid": Game(decimal(0, 1, factor=100), ((equal(81, 0x80),),)),
    "krull": Game(decimal(28, 29, 30), ((equal(0, 0x80), equal(34, 3)),), bits(31, 0x07, plus=1)),
    "kung_fu_master": Game(decimal(24, 25, 26), ((equal(29, 0xFF),),), bits(29, 0x07, plus=1)),
    "laser_gates": Game(decimal(0, 1, 2), ((equal(3, 0),),)),
    "lost_luggage": Game(
        decimal(20, 21, 22), ((equal(74, 0), equal(37, 0), equal(70, 0), equal(64, 0)),), byte(74)
    ),
    "mario_bros": Game(decimal(9, 10, factor=100), ((equal(7, 0),),), byte(7)),
    "miniature_golf": Game((), (), ONE),
    "montezuma_revenge": Game(
        decimal(19, 20, 21), ((equal(58, 0), equal(126, 0x60)),), bits(58, 0x07, plus=1)
    ),
    "mr_do": Game(decimal(3, 2, factor=10), ((equal(91, 0), equal(90, 0x40)),), byte(91)),
    "ms_pacman": Game(
        decimal(122, 121, 120), ((none(123, 0x0F), equal(39, 0x53)),), bits(123, 0x07, plus=1)
    ),
    "name_this_game": Game(decimal(68, 69, 70), ((none(71, 0x07),),), bits(71, 0x07)),
    "othello": Game((bcd(78), bcd(80, -1)), (), ONE),
    "pacman": Game(decimal(80, 78, 76), ((equal(24, 0), equal(100, 0x3F)),), byte(24, plus=1)),
    "phoenix": Game(
        (bcd(73, 10_000), bcd(72, 100), high(71, 10)), ((equal(76, 0x80),),), bits(75, 0x07)
    ),
    "pitfall": Game(
        decimal(85, 86, 87),
        ((none(0, 0xF0), other(30, 0)),),
        table(0, {v: {8: 2, 10: 3}.get(v >> 4, 1) for v in range(256)}),
    ),
    "pitfall2": Game(decimal(71, 72, 73), (), ONE),
    "pong": Game((byte(14), byte(13, -1)), ((equal(14, 21),), (equal(13, 21),))),
    "pooyan": Game(decimal(8, 9, 10), ((none(22, 0xFF), equal(24, 5)),), bits(22, 0x07, plus=1)),
    "private_eye": Game(decimal(72, 73, 74), ((within(66, 2, 255),),)),
    "qbert": Game(
        decimal(89, 90, 91), ((equal(8, 0xFE),),), signed(8, plus=2), steps=True, begins=4
    ),
    "riverraid": Game(
        tuple(table(a, {8 * d: 10 * f * d for d in range(10)}) for a, f in SHOWN),
        ((equal(64, 0x58), equal(114, 0)),),
        table(64, {v: {0x58: 4, 0x59: 1}.get(v, (v >> 3) + 1) for v in range(256)}),
    ),
    "road_runner": Game(
        _digits(76, 75, 74, 73, factor=100),
        ((none(68, 0x07), other(61, 0)), (none(68, 0x07), other(57, 0))),
        bits(68, 0x07, plus=1),
    ),
    "robotank": Game((byte(53), byte(54, 12)), ((equal(40, 0), equal(52, 0xFF)),), low(40, plus=1)),
    "seaquest": Game(decimal(56, 57, 58), ((other(35, 0),),), byte(59, plus=1)),
    "sir_lancelot": Game(decimal(30, 31, 32), ((equal(41, 0), equal(39, 0xA0)),), byte(41)),
    "skiing": Game((byte(104, -6000), bcd(105, -100), bcd(106, -1)), ((equal(17, 0xFF),),)),
    "solaris": Game(decimal(94, 93, 92, factor=10), ((equal(89, 0),),), low(89)),
    "space_invaders": Game(
        decimal(102, 104), ((some(24, 0x80),), (equal(73, 0),)), byte(73), wrap=10_000
    ),
    "space_war": Game((bcd(39),), ((equal(39, 0x0A, 0x10),),), ONE),
    "star_gunner": Game(
        _digits(6, 5, 4, 3, factor=100),
        ((equal(7, 0),),),
        table(7, {v: 5 if v == 6 else v & 15 for v in range(256)}),
    ),
    "superman": Game((), (), ONE),
    "surround": Game(
        (bcd(119), bcd(118, -1)), ((equal(119, 0x0A, 0x10),), (equal(118, 0x0A, 0x10),)), ONE
    ),
    "tennis": Game(
        (byte(71, 1024), byte(72, -1024), byte(69), byte(70, -1)),
        ((within(71, 6, 255),), (within(72, 6, 255),)),
        rounds=1024,
    ),
    "tetris": Game(decimal(114, 113), ((some(115, 0x80),),), least=0),
    "tic_tac_toe_3d": Game(
        (table(97, {8: 1}, other=-1),),
        ((equal(126, 0x10), equal(127, 0xF3)), tuple(other(a, 0) for a in range(26, 90))),
        ONE,
        counts=(equal(126, 0x10), equal(127, 0xF3)),
    ),
    "time_pilot": Game(
        decimal(15, 13, factor=100),
        ((other(32, 0),),),
        bits(11, 0x07, plus=1),
        alive=(some(9, 0x80),),
        begins=5,
    ),
    "trondead": Game(decimal(61, 62, 63), ((equal(72, 5),),), byte(72, -1, 5)),
    "turmoil": Game((*decimal(10, 9, factor=10), byte(83, 10)), ((equal(69, 1),),), byte(57)),
    "tutankham": Game(decimal(26, 28), ((equal(30, 0),),), bits(30, 0x03)),
    "up_n_down": Game(
        decimal(0, 1, 2), ((field(6, 0x4F, 0x40), within(20, 0x48, 255)),), low(6, plus=1)
    ),
    "venture": Game(
        decimal(71, 72, factor=100),
        ((equal(70, 0), equal(63, 0x80), equal(77, 0xFF)),),
        bits(70, 0x07, plus=1),
    ),
    "video_checkers": Game((), (), ONE),
    "video_chess": Game((), (), ONE),
    "video_cube": Game((), (), ONE),
    "video_pinball": Game(
        decimal(52, 50, 48), ((some(47, 1),),), (bits(25, 0x07, -1, 4), bits(40, 0x01))
    ),
    "wizard_of_wor": Game(
        (
            bcd(6, 100),
            table(8, {v: 10_000 * (d - 80 if d > 79 else d) for v, d in enumerate(bcd(0).worth)}),
        ),
        ((none(13, 0x0F), equal(116, 0xF8)),),
        low(13),
        alive=(none(87, 0x01),),
    ),
    "word_zapper": Game(
        (signed(92, -1),),
        ((equal(92, 0xFF), other(79, 0)), (equal(94, 0), other(79, 0))),
        ONE,
        still=(equal(79, 0),),
    ),
    "yars_revenge": Game(decimal(96, 97, 98), ((none(30, 0xF0),),), high(30)),
    "zaxxon": Game(decimal(104, 105, factor=100), ((none(106, 0x07),),), bits(106, 0x07)),
}
