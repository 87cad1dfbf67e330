"""What Atari games mean by the bytes of their memory: points, lives, and when they are over.

The console knows no rewards. ale-py reads them from the 128 bytes of RAM after each frame, and so
do we. What stands here is a table of facts, game by game, found by setting bytes and comparing
what ale-py then says; `benchmarks/atari2600_games.py` finds them, and holds them to ale-py.

A fact is a sum of worths: what a byte adds, for each of its 256 values. So who can look numbers up
knows every game, and `step` is the same in NumPy and in JAX.

What is known to be missing or otherwise: Klax keeps its points and most of its ends in memory of
its cartridge's own, where these bytes do not show them. Miniature Golf's rewards are a number that
ale-py never sets, 0 in play. No end was ever seen of Backgammon and Pitfall II, nor points of the
first.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Part(NamedTuple):
    """What one byte of RAM adds to a number."""

    address: int
    worth: tuple[int, ...]  # of each of its 256 values


Parts = tuple[Part, ...]
Conditions = tuple[Part | Parts, ...]  # each holds where its sum is more than 0


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
    over: tuple[Conditions, ...] = ()
    """It is over where all conditions of one of these hold."""
    lives: Part | Parts = always(0)
    """The sum, or the one part, that ale-py calls lives while the game goes on; then they are 0."""
    falls: Conditions = ()
    """Where the sum of lives is one less, it is believed only if all of these hold."""
    alive: Conditions = ()
    """The sum of lives is believed only where all of these hold."""
    since: Conditions = ()
    """The sum of lives is believed once all of these have held."""
    begins: int = 0
    """Lives at a reset, where the sum does not tell them yet; 0: it does."""
    idle: tuple[int, Conditions] = (0, (always(0),))
    """Lives are this number where all of these hold."""
    watched: Parts = ()
    """What is remembered of the frame before, for what follows."""
    steps: bool = False
    """A life is lost where what is watched becomes one less; nothing else tells of lives."""
    turn: tuple[int, int, int] | None = None
    """It is over, too, where what is watched goes from the first number to the second at once; that
    is worth the third."""
    lasting: tuple[int, Conditions] = (0, ())
    """It is over, too, where all of these have held for so many frames; 0: there are none."""
    forward: bool = False
    """It is over, too, without a reward, where the score, or what is watched, becomes less."""
    immortal: bool = False
    """Lives at the end are what they were, not 0."""
    still: Conditions = ()
    """Where all of these hold nobody looks at the score: the reward is that of the frame before."""
    looks: bool = False
    """Even there the score is remembered."""
    unset: Conditions = ()
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
    excess: int = 0
    """A score of so much or more counts as so much less; 0: as it is."""
    prizes: tuple[tuple[Parts, Conditions], ...] = ()
    """A reward is more by this sum where all of these hold."""
    unpaid: bool = False
    """The frame in which it ends gives no reward."""
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


def _all(conditions: Conditions, ram: Any) -> Any:
    """Whether all conditions hold."""
    holds = ram[..., 0] == ram[..., 0]
    for condition in conditions:
        holds = holds & (_sum(_parts(condition), ram) > 0)
    return holds


def parts(game: str) -> Parts:
    """All that the facts of a game are read from."""
    facts = GAMES[game]
    prizes = [conditions for _, conditions in (facts.idle, *facts.prizes)]
    together = (
        *facts.over,
        *prizes,
        facts.lasting[1],
        facts.unset,
        facts.still,
        facts.falls,
        facts.alive,
    )
    conditions = [c for all_of in (*together, facts.since) for c in all_of]
    paid = [part for prize, _ in facts.prizes for part in prize]
    return sum(map(_parts, (facts.lives, *conditions)), (*facts.score, *paid, *facts.watched))


def read(game: str) -> list[int]:
    """The bytes that the facts of a game are read from."""
    return sorted({part.address for part in parts(game) if len(set(part.worth)) > 1})


def score(game: str, ram: Any) -> Any:
    """The sum that a reward is the change of, [...] int32, of RAM [..., 128] uint8."""
    facts, xp = GAMES[game], ram.__array_namespace__()
    total = _sum(facts.score, ram)
    if facts.excess:
        total = xp.where(total < facts.excess, total, total - facts.excess)
    return xp.where(_all(facts.unset, ram), 0, total) if facts.unset else total


def over(game: str, ram: Any) -> Any:
    """Whether the game is over by what stands there, [...] bool."""
    ended = ram[..., 0] != ram[..., 0]
    for conditions in GAMES[game].over:
        ended = ended | _all(conditions, ram)
    return ended


def start(game: str, ram: Any) -> Any:
    """The memory that `step` begins with, [..., 3] int32, at the RAM after a reset."""
    xp, facts = ram.__array_namespace__(), GAMES[game]
    left = _sum(_parts(facts.lives), ram)
    begins = xp.full_like(left, facts.begins) if facts.begins else left
    return xp.stack([score(game, ram), _sum(facts.watched, ram), begins], axis=-1)


def step(game: str, ram: Any, memory: Any) -> tuple[Any, Any, Any, Any]:
    """Reward, lives, whether the game is over, and the memory, after one frame.

    `ram` is what stands there after the frame, [..., 128] uint8; `memory` is what `start` or the
    frame before gave, [..., 3] int32: the score, what the game's facts need beside it (what is
    watched, whether lives are believed, or the reward), and the lives. NumPy's arrays or JAX's, of
    any number of consoles with the same game.
    """
    xp, facts = ram.__array_namespace__(), GAMES[game]
    reward, now = _reward(facts, ram, score(game, ram), memory)
    kept = _kept(facts, ram, reward, memory[..., 1])
    left = _left(facts, ram, kept, memory)
    ended = over(game, ram)
    if facts.turn:
        first, second, worth = facts.turn
        turned = (memory[..., 1] == first) & (kept == second)
        ended, reward = ended | turned, xp.where(turned, reward + worth, reward)
    if facts.lasting[0]:
        ended = ended | (kept >= facts.lasting[0])
    if facts.forward:
        back = (now < memory[..., 0]) | (kept < memory[..., 1])
        ended, reward = ended | back, xp.where(back, 0, reward)
    if facts.unpaid:
        reward = xp.where(ended, 0, reward)
    memory = xp.stack([now, kept, left], axis=-1)
    return reward, left if facts.immortal else xp.where(ended, 0, left), ended, memory


def _reward(facts: Game, ram: Any, now: Any, memory: Any) -> tuple[Any, Any]:
    """The reward, and the score that is remembered."""
    xp = ram.__array_namespace__()
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
    for prize, conditions in facts.prizes:
        reward = xp.where(_all(conditions, ram), reward + _sum(prize, ram), reward)
    if facts.still:
        still = _all(facts.still, ram)
        reward = xp.where(still, memory[..., 1], reward)
        now = now if facts.looks else xp.where(still, memory[..., 0], now)
    return reward, now


def _kept(facts: Game, ram: Any, reward: Any, before: Any) -> Any:
    """What the game's facts need of a frame beside the score and the lives."""
    if facts.still:
        return reward
    if facts.lasting[0]:
        holds = _all(facts.lasting[1], ram)
        return (before + 1) * holds.astype(before.dtype)
    if facts.since:
        return before | _all(facts.since, ram).astype(before.dtype)
    return _sum(facts.watched, ram)


def _left(facts: Game, ram: Any, kept: Any, memory: Any) -> Any:
    """Lives, while the game goes on."""
    xp, before = ram.__array_namespace__(), memory[..., 2]
    left = _sum(_parts(facts.lives), ram)
    if facts.falls:
        left = xp.where((left != before - 1) | _all(facts.falls, ram), left, before)
    if facts.steps:
        left = xp.where(kept == memory[..., 1] - 1, before - 1, before)
    if facts.alive:
        left = xp.where(_all(facts.alive, ram), left, before)
    if facts.since:
        left = xp.where(kept > 0, left, before)
    number, conditions = facts.idle
    return xp.where(_all(conditions, ram), number, left) if number else left


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


HUNDRED = 0x9A, 0xA0, 0xC0  # knocks of Boxing
MATE = within(110, 0, 1), equal(97, 0x82)  # in Video Chess
HOME = equal(0, 0xAC), equal(1, 0xF2), some(31, 0x40)  # where Superman's day ends
ROW = equal(126, 0x10), equal(127, 0xF3)  # somebody has one in 3-D Tic-Tac-Toe
SHOWN = ((77, 100_000), (79, 10_000), (81, 1000), (83, 100), (85, 10), (87, 1))  # of River Raid

SQUARES = [a for a in range(35) if a % 9 != 8]  # of Video Checkers
WHITE = tuple(equal(a, 0x10, 0x20) for a in SQUARES)
NO_WHITE = tuple(other(a, 0x10, 0x20) for a in SQUARES)
NO_BLACK = tuple(other(a, 0x90, 0xA0) for a in SQUARES)

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
    "atlantis": Game(
        decimal(33, 35, 34, factor=100), ((equal(113, 0xFF),),), byte(113), unpaid=True
    ),
    "atlantis2": Game(decimal(35, 34, 33), ((equal(113, 0xFF),),), byte(113), unpaid=True),
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
    "blackjack": Game(
        decimal(6, 9),
        (((*decimal(6, 9), always(-999)),),),
        ONE,
        unset=(equal(6, 0x0B), equal(9, 0xBB)),
    ),
    "bowling": Game(decimal(38, 33), ((within(36, 0x11, 255),),)),
    "boxing": Game(
        (bcd100(18, 1), bcd100(19, -1)),
        ((equal(18, *HUNDRED),), (equal(19, *HUNDRED),), (equal(17, 0), none(16, 0xF0))),
    ),
    "breakout": Game((low(76, 100), bcd(77)), ((equal(57, 0),),), byte(57)),
    "carnival": Game(decimal(45, 46, factor=10), ((equal(3, 0),),)),
    "casino": Game(
        decimal(12, 21),
        (
            (other(84, 3), some(83, 0x80), other(30, 0)),
            (other(84, 3), equal(12, 0), equal(21, 0)),
            (equal(84, 3), equal(30, 0xAA), (byte(12), byte(21))),
        ),
        ONE,
        still=(some(83, 0x80), other(84, 3)),
        looks=True,
    ),
    "centipede": Game(
        decimal(116, 117, 118), ((some(38, 0x40),),), bits(109, 0x70, plus=1), least=0
    ),
    "chopper_command": Game(decimal(108, 110, factor=100), ((none(100, 0x0F),),), low(100)),
    "crazy_climber": Game(
        (byte(2, 100), byte(3, 1000), byte(4, 10_000), byte(5, 100_000)),
        ((equal(42, 0),),),
        byte(42),
        least=0,
    ),
    "crossbow": Game(decimal(11, 12, 13), ((equal(103, 0x82),),), ONE),
    "darkchambers": Game(
        decimal(79, 76, factor=10),
        ((none(74, 0x1F),),),
        ONE,
        watched=(byte(85),),
        forward=True,
    ),
    "defender": Game(_digits(33, 32, 31, 30, 29, 28), ((equal(66, 0),),), byte(66)),
    "demon_attack": Game(
        decimal(1, 3, 5),
        ((equal(114, 0), equal(113, 0xBD)),),
        byte(114, plus=1),
        unset=(equal(1, 0xAB), equal(3, 0xCD), equal(5, 0xEA)),
    ),
    "donkey_kong": Game(
        decimal(7, 8, factor=100), ((equal(35, 0), equal(11, 0x1F), equal(15, 3)),), byte(35)
    ),
    "double_dunk": Game(
        (bcd(118), bcd(119, -1)),
        ((at_least(118, 24), equal(126, 0xE7)), (at_least(119, 24), equal(126, 0xE7))),
    ),
    "earthworld": Game((bcd(39),), ((equal(39, 0x0A, 0x10),),), ONE),
    "elevator_action": Game(decimal(7, 8, 9), ((equal(3, 0), other(1, 0)),), byte(3)),
    "enduro": Game(
        (byte(45, 300, -100), bcd(44, -100), bcd(43, -1)),
        ((equal(47, 0xFF),),),
        unset=(equal(45, 0),),
    ),
    "entombed": Game((byte(99),), ((none(71, 0x03),),), ONE),
    "et": Game(
        decimal(95, 96, 97),
        ((equal(0, 8), equal(101, 0xFF)),),
        table(101, {v: ((v + 1 & 255) ^ 128) - 128 for v in range(256)}),
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
    "gravitar": Game(
        decimal(7, 8, 9), ((equal(1, 1),),), byte(4, plus=1), idle=(6, (equal(1, 0),))
    ),
    "hangman": Game(
        (bcd(107), bcd(108, -1)),
        (((bcd(107), bcd(108, -1)),), ((bcd(108), bcd(107, -1)),)),
        ONE,
    ),
    "haunted_house": Game(
        (bcd(2),),
        ((equal(22, 0),), (equal(25, 0x44),)),
        byte(22),
        changed=-1,
        prizes=(((always(100),), (equal(25, 0x44),)),),
    ),
    "hero": Game(decimal(55, 56, 57), ((equal(51, 0),),), byte(51)),
    "human_cannonball": Game((bcd(54),), ((equal(54, 7),), (equal(55, 7),)), ONE),
    "ice_hockey": Game((bcd(10), bcd(11, -1)), ((equal(6, 0), equal(7, 0)),), most=1),
    "jamesbond": Game(decimal(94, 93, 92), ((equal(12, 0x68), none(6, 0x0F)),), low(6, plus=1)),
    "journey_escape": Game(decimal(16, 17, 18), ((equal(22, 0), equal(21, 0)),), ignored=50_000),
    "kaboom": Game(decimal(35, 36, 37), ((equal(33, 0),),), ONE),
    "kangaroo": Game(decimal(39, 40, factor=100), ((equal(45, 0xFF),),), bits(45, 0x07, plus=1)),
    "keystone_kapers": Game(decimal(27, 28), ((equal(22, 0), equal(8, 0)),), byte(22)),
    "king_kong": Game(decimal(2, 3), ((equal(110, 0),),), byte(110)),
    "klax": Game((), ((equal(40, 4), *(other(a, 0, 2, 6, 10, 14) for a in range(51, 76))),), ONE),
    "koolaid": Game(decimal(0, 1, factor=100), ((equal(81, 0x80),),)),
    "krull": Game(
        decimal(28, 29, 30), ((equal(31, 0), equal(0, 0x80), equal(34, 3)),), bits(31, 0x07, plus=1)
    ),
    "kung_fu_master": Game(decimal(24, 25, 26), ((equal(29, 0xFF),),), bits(29, 0x07, plus=1)),
    "laser_gates": Game(decimal(0, 1, 2), ((equal(3, 0),),)),
    "lost_luggage": Game(
        decimal(20, 21, 22),
        ((equal(74, 0), equal(37, 0), equal(41, 0), equal(72, 0x0A)),),
        byte(74),
    ),
    "mario_bros": Game(decimal(9, 10, factor=100), ((equal(7, 0),),), byte(7)),
    "miniature_golf": Game((), ((equal(47, 0),),), ONE),
    "montezuma_revenge": Game(
        decimal(19, 20, 21), ((equal(58, 0), equal(126, 0x60)),), bits(58, 0x07, plus=1)
    ),
    "mr_do": Game(decimal(3, 2, factor=10), ((equal(90, 0x40),),), byte(91)),
    "ms_pacman": Game(
        decimal(122, 121, 120), ((none(123, 0x0F), equal(39, 0x53)),), bits(123, 0x07, plus=1)
    ),
    "name_this_game": Game(decimal(68, 69, 70), ((none(71, 0x07),),), bits(71, 0x07)),
    "othello": Game((bcd(78), bcd(80, -1)), (), ONE, lasting=(51, (equal(64, 0),))),
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
        decimal(89, 90, 91),
        ((equal(8, 0xFE),),),
        begins=4,
        watched=(signed(8),),
        steps=True,
        turn=(-1, 2, 0),
        unpaid=True,
    ),
    "riverraid": Game(
        tuple(table(a, {8 * d: f * d for d in range(10)}) for a, f in SHOWN),
        (),
        table(64, {v: {0x58: 4, 0x59: 1}.get(v, (v >> 3) + 1) for v in range(256)}),
        watched=(byte(64),),
        turn=(0x59, 0x58, 0),
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
    "space_war": Game((bcd(39),), ((equal(39, 0x0A, 0x10),), (equal(0, 0),)), ONE),
    "star_gunner": Game(
        _digits(6, 5, 4, 3, factor=100),
        ((equal(7, 0),),),
        low(7),
        since=(equal(7, 5),),
        begins=5,
    ),
    "superman": Game((), (HOME,), ONE, prizes=(((always(5999), bcd(98, -1), bcd(99, -60)), HOME),)),
    "surround": Game(
        (bcd(119), bcd(118, -1)), ((equal(119, 0x0A, 0x10),), (equal(118, 0x0A, 0x10),)), ONE
    ),
    "tennis": Game(
        (byte(71, 1024), byte(72, -1024), byte(69), byte(70, -1)),
        (
            (within(71, 6, 255), (byte(71), byte(72, -1, -1))),
            (within(72, 6, 255), (byte(72), byte(71, -1, -1))),
        ),
        rounds=1024,
    ),
    "tetris": Game(decimal(114, 113), ((some(115, 0x80),),), least=0),
    "tic_tac_toe_3d": Game(
        (),
        (ROW, tuple(other(a, 0) for a in range(26, 90))),
        ONE,
        prizes=(((table(97, {8: 1}, other=-1),), ROW),),
    ),
    "time_pilot": Game(
        decimal(15, 13, factor=100),
        ((other(32, 0),),),
        bits(11, 0x07, plus=1),
        alive=(field(0, 0x0F, 2),),
        begins=5,
    ),
    "trondead": Game(decimal(61, 62, 63), ((equal(72, 5),),), byte(72, -1, 5)),
    "turmoil": Game(
        (*decimal(10, 9, factor=10), byte(83, 10)), ((equal(57, 0), equal(69, 1)),), byte(57)
    ),
    "tutankham": Game(decimal(26, 28), ((equal(30, 0), other(1, 0x84)),), bits(30, 0x03)),
    "up_n_down": Game(decimal(0, 1, 2), ((none(6, 0x0F), within(20, 0x41, 255)),), low(6, plus=1)),
    "venture": Game(
        decimal(71, 72, factor=100),
        ((equal(70, 0), some(63, 0x80), equal(77, 0xFF)),),
        bits(70, 0x07, plus=1),
    ),
    "video_checkers": Game(
        (),
        (NO_WHITE, NO_BLACK),
        ONE,
        prizes=(((always(-1),), NO_WHITE), ((always(1),), (*NO_BLACK, WHITE))),
    ),
    "video_chess": Game(
        (),
        (MATE,),
        ONE,
        prizes=(((table(110, {0: 1, 1: -1}),), MATE),),
    ),
    "video_cube": Game((), (), ONE, watched=(byte(91),), turn=(0xFF, 0, -1)),
    "video_pinball": Game(
        decimal(52, 50, 48), ((some(47, 1),),), (bits(25, 0x07, -1, 4), bits(40, 0x01))
    ),
    "wizard_of_wor": Game(
        (*decimal(8, 6, factor=100),),
        ((none(13, 0x0F), equal(116, 0xF8)),),
        low(13),
        alive=(none(87, 0x01),),
        excess=800_000,
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
