"""MinAtar's games as a small arcade screen: twelve by twelve large pixels to a square of the board.

The sprites are written out below, one letter per pixel. Whoever moves sideways looks to the right
there, and is turned over when it goes to the left. Then come the games, each with who is put on
its screen, from the back to the front, and then the screens without anyone on them.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool
from PIL.ImageColor import getrgb

from palestra.envs.minatar.asterix import LEFT, Asterix
from palestra.envs.minatar.board import LAST, SIZE
from palestra.envs.minatar.breakout import Breakout
from palestra.envs.minatar.freeway import Freeway
from palestra.envs.minatar.seaquest import Seaquest
from palestra.envs.minatar.space_invaders import SpaceInvaders

SQUARE, BORDER, SCALE = 12, 4, 4  # [large pixels] of a square and around the board; pixels each

COLORS = {
    **{"W": "#f8fafc", "w": "#b6c2d4", "A": "#cbd5e1", "a": "#8896ab", "D": "#64748b"},
    **{"d": "#3f4b5f", "K": "#111827", "R": "#ef4444", "r": "#991b1b", "O": "#f97316"},
    **{"Y": "#facc15", "y": "#ca8a04", "G": "#4ade80", "g": "#15803d", "C": "#38bdf8"},
    **{"c": "#0369a1", "B": "#2563eb", "S": "#f6cfa6", "s": "#d9a066", "N": "#312e81"},
    **{"b": "#bae6fd", "F": "#a3e635", "P": "#fb7185", "p": "#9f4553"},
}
BRICKS = "#f43f5e", "#fb923c", "#facc15", "#4ade80", "#38bdf8", "#a78bfa"  # by row
CARS = "#f43f5e", "#fb923c", "#facc15", "#34d399", "#60a5fa"  # from the fastest to the slowest
ALIENS = "#f472b6", "#c084fc", "#818cf8", "#38bdf8", "#2dd4bf", "#4ade80", "#facc15", "#fb923c"

SHEETS = (
    """
brick        ball         trail        paddle
HHHHHHHHHHH. ............ ............ ............
HXXXXXXXXXx. ............ ............ ............
HXXXXXXXXXx. ....WWWW.... ............ ..CCCCCCCC..
HXXXXXXXXXx. ...WWWWWW... ............ .CbbbbbbbbC.
HXXXXXXXXXx. ..WWWWWWWw.. .....DD..... CCCCCCCCCCCC
HXXXXXXXXXx. ..WWWWWWWw.. ....DDDD.... CCCCCCCCCCCC
HXXXXXXXXXx. ..WWWWWWWw.. ....DDDD.... cCCCCCCCCCCc
HXXXXXXXXXx. ..WWWWWWww.. .....DD..... .cccccccccc.
HXXXXXXXXXx. ...WWWWww... ............ ............
HXXXXXXXXXx. ....wwww.... ............ ............
xxxxxxxxxxx. ............ ............ ............
............ ............ ............ ............
""",
    """
hero         enemy        gold         dash
W..........W ...RRRRRR... ............ ............
WW..AAAA..WW .RRRRRRRRR.. ...yYYYYy... ............
.WWAAAAAAWW. RRRrAAAArr.. ..yYYYYYYy.. ......XXXXX.
.wAAAAAAAAw. RRrAAAAAAA.. .yYWWYYYYYy. ............
..aaaaaaaa.. RrAAAAAAAAA. .yYWYyyyYYy. ..XXXXXXXX..
..SSSKSSKS.. .rAAaaaaaaa. .yYYyYYYYYy. ............
..SSSSSSSSS. ..AAaKSSKSS. .yYYyYYYYYy. ...XXXXXXXX.
.YYYYYYYYYY. ..AAaSSSSSS. .yYYYyyyYYy. ............
YYY.SSSS.YYY ..AAaaSSSSa. .yYYYYYYYYy. .....XXXXX..
...BBBBBB... ...AAAASSAA. ..yYYYYYYy.. ............
..SBBBBBBS.. ....aaa..aa. ...yyyyyy... ............
...RR..RR... ............ ............ ............
""",
    """
chicken      car
......RR.... ............
.....RRR.... .KKK....KKK.
.....WWWW... .KKK....KKK.
.....WWKWO.. XXXXXXXXXXX.
.....WWWWOO. XbbXXXXXbXXH
.W...WWRR... XbbXHHHXbbXX
.WW.WWWWW... XbbXHHHXbbXX
.WWWWWWWWW.. XbbXXXXXbXXH
.WWwwwWWWW.. xxxxxxxxxxx.
..WWwwWWW... .KKK....KKK.
...WWWWW.... .KKK....KKK.
....O..O.... ............
""",
    """
sub_back     sub_front    enemy_fish   enemy_sub    diver        bubbles
............ A........... ............ ......R..... ............ ............
...........Y YA.......... .....OO..... ......A..... .......KKK.. ............
..........YY YYY......... ....OOOO.... .....AAA.... ......KbbbK. .....b......
..........Yb bYY......... O..PPPPPPP.. .....AAA.... ......SbbbS. ....b.b..bb.
..A......YYY YYYY........ OO.PPPPPWWP. ...AAAAAAA.. .YYYY..SSS.. .....b...bb.
..A.YYYYYYYY YYYYYYYYY... OOPPPPPPWKPP D.AAAAAAAAA. NYYYNNNN.... ............
.AAYYYYYYYYY YYbbYYbbYYY. OOPPppPPPPPP DDAArrAArrAA NNNNNNNNNSS. ..bb........
AAAYYYYYYYYY YYbbYYbbYYYY OO.PPppPPPP. DDAArrAArrAA .NNNNNNN.SS. .b..b...b...
.AAyyyyyyyyy yyyyyyyyyyy. O..PPPPPPp.. D.aaaaaaaaa. FFN..N...... .b..b..b.b..
..A.yyyyyyyy yyyyyyyyy... ....pppp.... ...aaaaaaa.. F..FFN...... ..bb....b...
..A......... ............ .....pp..... ............ ..FF........ ............
............ ............ ............ ............ ............ ............
""",
    """
torpedo      oxygen       aboard       shot         bolt         bomb
............ ............ ............ ............ .....WW..... .....RR.....
............ bbbbbbbbbbb. ............ ............ .....WW..... ....ROO.....
............ CCCCCCCCCCC. ............ ............ .....WW..... ....OO......
............ CCCCCCCCCCC. ............ ............ .....YY..... .....OO.....
............ ccccccccccc. ............ ............ .....YY..... ......OO....
.WWWWWWWYY.. ............ ...KKKKK.... ...ORRRRO... .....YY..... .....OO.....
.wwwwwwwYY.. ............ ...KbbbK.... ...ORRRRO... .....YY..... ....OO......
............ ............ ...SbbbS.... ............ .....yy..... .....OO.....
............ ............ ....SSS..... ............ .....yy..... ......OO....
............ ............ ..YYNNNYY... ............ ............ .....YY.....
............ ............ ..YYNNNYY... ............ ............ .....YY.....
............ ............ ............ ............ ............ ............
""",
    """
cannon       alien        looks_left   looks_right
............ ............ ............ ............
.....WW..... ...X....X... ............ ............
.....GG..... ....X..X.... ............ ............
....GGGG.... ...XXXXXX... ............ ............
....GGGG.... ..XXXXXXXX.. ............ ............
.GGGGGGGGGG. .XXWWXXWWXX. ...K...K.... ....K...K...
GGGGGGGGGGGG .XXWWXXWWXX. ...K...K.... ....K...K...
GGGGGGGGGGGG .XXXXXXXXXX. ............ ............
GGGGGGGGGGGG .X.XXXXXX.X. ............ ............
gggggggggggg .X.X....X.X. ............ ............
............ ...XX..XX... ............ ............
............ ............ ............ ............
""",
)


def _cut(sheets: tuple[str, ...]) -> dict[str, list[str]]:
    """The sprites of the sheets by name, each as twelve lines of twelve letters."""
    sprites = {}
    for sheet in sheets:
        names, *lines = sheet.strip("\n").split("\n")
        for i, name in enumerate(names.split()):
            start = i * (SQUARE + 1)
            sprites[name] = [line[start : start + SQUARE] for line in lines]
    return sprites


SPRITES = _cut(SHEETS)
NO_SQUARE = np.zeros((SIZE, SIZE), bool)
Boards = Mapping[str, Bool[np.ndarray, "10 10"]]  # by channel
Pixels = np.ndarray  # uint8 [120, 120, 3], before enlarging


def draw(env: Any, state: Any, action: Any = None) -> np.ndarray:
    """A picture of the state, uint8 [512, 512, 3]."""
    screen, paint = SCREENS[type(env)]
    pixels = screen().copy()
    paint(pixels, _boards(env, state), state, action)
    framed = np.pad(pixels, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)))
    framed[_bezel()] = getrgb("#1e2433")
    return framed.repeat(SCALE, 0).repeat(SCALE, 1)


def text(env: Any, state: Any, action: Any = None) -> str:
    """The board in characters, two to a square; the second is for trails, gauges, directions."""
    lines = np.full((SIZE, 2 * SIZE), " ")
    boards = _boards(env, state)
    for channel, place, letter in LETTERS[type(env)]:
        lines[:, place::2][boards[channel]] = letter
    edge = "+" + 2 * SIZE * "-" + "+\n"
    return edge + "".join(f"|{''.join(line)}|\n" for line in lines) + edge


def _boards(env: Any, state: Any) -> Boards:
    picture = np.asarray(_picture(env, state))
    return dict(zip(env.channels, np.moveaxis(picture, -1, 0), strict=True))


_picture = jax.jit(lambda env, state: env.picture(state))


def _breakout(pixels: Pixels, boards: Boards, state: Any, action: Any) -> None:
    for row, column in _lit(boards["brick"]):
        _put(pixels, "brick", row, column, color=BRICKS[(row - 1) % len(BRICKS)])
    for name in ("trail", "ball", "paddle"):
        _put_all(pixels, name, boards[name])


def _asterix(pixels: Pixels, boards: Boards, state: Any, action: Any) -> None:
    left = lambda row: int(state.direction[row - 1]) < 0
    for row, column in _lit(boards["trail"]):
        _put(pixels, "dash", row, column, turned=left(row), color="#a7f3d0")
    for row, column in _lit(boards["gold"]):
        _put(pixels, "gold", row, column)
    for row, column in _lit(boards["player"]):
        _put(pixels, "hero", row, column, turned=action is not None and int(action) == LEFT)
    for row, column in _lit(boards["enemy"]):
        _put(pixels, "enemy", row, column, turned=left(row))


def _freeway(pixels: Pixels, boards: Boards, state: Any, action: Any) -> None:
    left = lambda row: int(state.speed[row - 1]) < 0
    for speed, color in enumerate(CARS, 1):
        for row, column in _lit(boards[f"speed{speed}"]):
            _streaks(pixels, row, column, len(CARS) + 1 - speed, left(row), color)
    for row, column in _lit(boards["car"]):
        color = CARS[abs(int(state.speed[row - 1])) - 1]
        _put(pixels, "car", row, column, left(row), color)
    _put_all(pixels, "chicken", boards["chicken"])


def _seaquest(pixels: Pixels, boards: Boards, state: Any, action: Any) -> None:
    _put_all(pixels, "bubbles", boards["trail"])
    for name, swimmers in (
        ("diver", state.divers),
        ("enemy_fish", state.enemies.swimmers),
        ("enemy_sub", state.enemies.swimmers),
    ):
        _put_all(pixels, name, boards[name], _leftward(swimmers))
    left = np.full((SIZE, SIZE), int(state.direction) < 0)
    for name in ("sub_back", "sub_front"):
        _put_all(pixels, name, boards[name], left)
    _put_all(pixels, "torpedo", boards["friendly_bullet"], _leftward(state.bullets))
    _put_all(pixels, "shot", boards["enemy_bullet"])
    _put_all(pixels, "oxygen", boards["oxygen_gauge"])
    _put_all(pixels, "aboard", boards["diver_gauge"])


def _leftward(swimmers: Any) -> np.ndarray:
    """The squares of those who swim to the left, bool [10, 10]."""
    present, row, column, direction = map(np.asarray, swimmers[:4])
    board = np.zeros((SIZE, SIZE), bool)
    board[row[present], column[present]] = direction[present] < 0
    return board


def _space_invaders(pixels: Pixels, boards: Boards, state: Any, action: Any) -> None:
    for row, column in _lit(boards["alien"]):
        _put(pixels, "alien", row, column, color=ALIENS[row % len(ALIENS)])
    _put_all(pixels, "looks_left", boards["alien_left"])
    _put_all(pixels, "looks_right", boards["alien_right"])
    _put_all(pixels, "cannon", boards["cannon"])
    _put_all(pixels, "bolt", boards["friendly_bullet"])
    _put_all(pixels, "bomb", boards["enemy_bullet"])


def _lit(board: np.ndarray) -> list[list[int]]:
    """Row and column of each square that is lit."""
    return np.argwhere(board).tolist()


def _put_all(pixels: Pixels, name: str, board: np.ndarray, left: np.ndarray = NO_SQUARE) -> None:
    """Put a sprite on every square of the board, turned over on those of `left`."""
    for row, column in _lit(board):
        _put(pixels, name, row, column, bool(left[row, column]))


def _put(
    pixels: Pixels, name: str, row: int, column: int, turned: bool = False, color: str = "#ffffff"
) -> None:
    """Put a sprite on a square; `color` is for the letters X, lighter H and darker x."""
    sprite, opaque = _sprite(name, color)
    if turned:
        sprite, opaque = sprite[:, ::-1], opaque[:, ::-1]
    _square(pixels, row, column)[opaque] = sprite[opaque]


@cache
def _sprite(name: str, color: str) -> tuple[np.ndarray, np.ndarray]:
    """The colors of a sprite's pixels, and which of them are opaque."""
    own = np.array(getrgb(color))
    colors = {letter: np.array(getrgb(code)) for letter, code in COLORS.items()}
    colors |= {"X": own, "x": own * 0.62, "H": 255 - (255 - own) * 0.55, ".": own}
    letters = np.array([list(line) for line in SPRITES[name]])
    sprite = np.array([[colors[letter] for letter in line] for line in letters])
    return sprite.astype(np.uint8), letters != "."


def _square(pixels: Pixels, row: int, column: int) -> Pixels:
    top, left = SQUARE * row, SQUARE * column
    return pixels[top : top + SQUARE, left : left + SQUARE]


def _streaks(pixels: Pixels, row: int, column: int, count: int, left: bool, color: str) -> None:
    """As many lines behind a car as it is fast, the longer the faster."""
    square = _square(pixels, row, column)
    square = square[:, ::-1] if left else square
    for i in range(count):
        line = SQUARE // 2 - count + 1 + 2 * i
        start = SQUARE - 2 * count - 1 + i % 2
        square[line, max(start, 0) : SQUARE - 1] = getrgb(color)


def _rows(*colors: str) -> Pixels:
    """A screen in these colors, one per row of the board."""
    rows = np.array([getrgb(color) for color in colors], np.uint8)
    return rows[:, None].repeat(SQUARE, 0).repeat(SQUARE * SIZE, 1)


def _sprinkle(pixels: Pixels, color: str, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = rng.integers(0, pixels.shape[:2], (count, 2))
    pixels[places[:, 0], places[:, 1]] = getrgb(color)


@cache
def _night() -> Pixels:
    pixels = _rows(*SIZE * ["#131a35"])
    pixels[SQUARE - 1 :: SQUARE, SQUARE - 1 :: SQUARE] = getrgb("#2b3561")
    return pixels


@cache
def _meadow() -> Pixels:
    pixels = _rows("#14532d", *(LAST // 2) * ["#2f8f4e", "#2a8347"], "#14532d")
    _sprinkle(pixels[SQUARE:-SQUARE], "#3fa861", 160, 0)
    for hedge in (pixels[:SQUARE], pixels[-SQUARE:]):
        _sprinkle(hedge, "#1d6b3c", 320, 1)
        _sprinkle(hedge, "#0f3f22", 160, 2)
    return pixels


@cache
def _road() -> Pixels:
    pixels = _rows("#3f9a4f", *(LAST - 1) * ["#3a4150"], "#3f9a4f")
    for verge in (pixels[: SQUARE - 2], pixels[2 - SQUARE :]):
        _sprinkle(verge, "#57b866", 90, 3)
    for curb in (SQUARE - 2, -SQUARE):
        pixels[curb : curb + 2] = getrgb("#c3c9d4")
    for lane in range(2, LAST):
        pixels[lane * SQUARE].reshape(SIZE, SQUARE, 3)[:, 3:9] = getrgb("#78839a")
    pixels[5 * SQUARE - 1 : 5 * SQUARE + 2] = getrgb("#3a4150")
    pixels[[5 * SQUARE - 1, 5 * SQUARE + 1]] = getrgb("#d9a520")
    return pixels


@cache
def _sea() -> Pixels:
    shallow = "#1c7fb8", "#1976ae", "#166da3", "#136499"
    deep = "#105b8e", "#0e5283", "#0c4978", "#0a406d"
    pixels = _rows("#bfe6fb", *shallow, *deep, "#0b1526")
    wave = np.round(1.5 + 1.5 * np.sin(np.arange(SQUARE * SIZE) * np.pi / 10)).astype(int)
    for column, height in enumerate(wave):
        pixels[SQUARE - 2 - height : SQUARE, column] = getrgb("#1c7fb8")
        pixels[SQUARE - 2 - height, column] = getrgb("#e8f7ff")
    pixels[-SQUARE - 2 : -SQUARE] = getrgb("#c8a86b")
    _sprinkle(pixels[-SQUARE - 2 : -SQUARE], "#e0c58d", 70, 4)
    return pixels


@cache
def _space() -> Pixels:
    pixels = _rows(*SIZE * ["#070b1a"])
    for i, color in enumerate(("#26304f", "#5b6790", "#d5ddf5")):
        _sprinkle(pixels, color, (60, 28, 10)[i], 5 + i)
    pixels[-2:] = getrgb("#15803d")
    return pixels


@cache
def _bezel() -> np.ndarray:
    """The frame around the board, which rounds its corners."""
    side = SQUARE * SIZE + 2 * BORDER
    beyond = np.abs(np.arange(side) - (side - 1) / 2) - (SQUARE * SIZE / 2 - 3)
    return np.hypot(*np.maximum(np.meshgrid(beyond, beyond), 0)) > 3.2


SCREENS: dict[type, tuple[Callable[[], Pixels], Callable]] = {
    Breakout: (_night, _breakout),
    Asterix: (_meadow, _asterix),
    Freeway: (_road, _freeway),
    Seaquest: (_sea, _seaquest),
    SpaceInvaders: (_space, _space_invaders),
}
LETTERS = {  # channel, first or second character of a square, letter; later ones on top
    Breakout: (("brick", 0, "#"), ("trail", 1, "."), ("paddle", 0, "="), ("ball", 0, "o")),
    Asterix: (("trail", 1, "~"), ("gold", 0, "$"), ("player", 0, "A"), ("enemy", 0, "x")),
    Freeway: (
        *((f"speed{i}", 1, str(i)) for i in range(1, 6)),
        ("car", 0, "#"),
        ("chicken", 0, "A"),
    ),
    Seaquest: (
        ("trail", 1, "~"),
        ("diver", 0, "d"),
        ("sub_back", 0, "="),
        ("sub_front", 0, "A"),
        ("enemy_fish", 0, "f"),
        ("enemy_sub", 0, "s"),
        ("friendly_bullet", 1, "-"),
        ("enemy_bullet", 1, "*"),
        ("oxygen_gauge", 1, "o"),
        ("diver_gauge", 0, "d"),
    ),
    SpaceInvaders: (
        ("alien", 0, "M"),
        ("alien_left", 1, "<"),
        ("alien_right", 1, ">"),
        ("cannon", 0, "A"),
        ("friendly_bullet", 0, "|"),
        ("enemy_bullet", 0, "!"),
    ),
}
