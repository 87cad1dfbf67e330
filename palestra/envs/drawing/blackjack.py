"""A table with green felt, the dealer's cards above, the player's below.

The game tells neither suits nor a jack from a king: here they follow from where a card lies.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from palestra.envs.drawing.canvas import Canvas, Number, Point
from palestra.envs.toy_text.blackjack import Blackjack, State, value

WIDTH, HEIGHT = 560, 400  # [pixels]
CARD_WIDTH, CARD_HEIGHT, PITCH = 84, 120, 96  # [pixels]
DEALER_TOP, PLAYER_TOP, LEFT, RIGHT = 30, 250, 138, 534
FELT, LINE, CHALK, RAIL, POLISH = "#16704a", "#3f9a73", "#e3f4ea", "#5a3a22", "#7a5433"
SHADE, EDGE, FACE, BACK, LATTICE = "#0f5739", "#c9cfc8", "#fffdf8", "#27508f", "#5f86c4"
RED, BLACK, TINT = "#c9282d", "#1c2430", "#f6ecd2"
GOLD, SILVER, SLATE = "#f5c542", "#e5e7eb", "#20262e"
HEART, SPADE, DIAMOND, CLUB = range(4)
TENS = "K", "10", "Q", "J"

# The pips of 2 to 10: how far down they lie, from 0 to 1, in the outer columns and in the middle.
OUTER = {4: (0, 1), 5: (0, 1), **dict.fromkeys((6, 7, 8), (0, 1 / 2, 1))}
OUTER |= dict.fromkeys((9, 10), (0, 1 / 3, 2 / 3, 1))
MIDDLE = {2: (0, 1), 3: (0, 1 / 2, 1), 5: (1 / 2,), 7: (1 / 4,), 8: (1 / 4, 3 / 4), 9: (1 / 2,)}
MIDDLE |= {10: (1 / 6, 5 / 6)}


def draw(env: Blackjack, state: State, action: Any = None) -> np.ndarray:
    """A picture of the state, uint8 [400, 560, 3]."""
    state = State(*map(jnp.asarray, state))
    canvas = Canvas(WIDTH, HEIGHT, RAIL)
    canvas.box(4, 4, WIDTH - 4, HEIGHT - 4, POLISH, radius=30)
    canvas.box(9, 9, WIDTH - 9, HEIGHT - 9, FELT, radius=25)
    dealer, player = _cards(state.dealer), _cards(state.player)
    if not state.stuck:
        dealer = [dealer[0], 0]
    _hand(canvas, dealer, DEALER_TOP, 0)
    _hand(canvas, player, PLAYER_TOP, 1)

    seen = _total(state.dealer) if state.stuck else "A" if dealer[0] == 1 else str(dealer[0])
    for name, total, top in (
        ("DEALER", seen, DEALER_TOP),
        ("PLAYER", _total(state.player), PLAYER_TOP),
    ):
        canvas.text((76, top + 24), name, 16, CHALK)
        canvas.text((76, top + 66), total, 46, CHALK)
    if value(state.player)[1]:
        canvas.text((76, PLAYER_TOP + 104), "usable ace", 14, GOLD)

    words, color = _result(env, state)
    middle, y = (LEFT + RIGHT) / 2, HEIGHT / 2
    if words:
        half = 16 + 5.6 * len(words)
        canvas.box(middle - half, y - 20, middle + half, y + 20, color, radius=20)
        canvas.text((middle, y), words, 20, FACE if color == SLATE else BLACK)
    else:
        canvas.box(LEFT, y - 17, RIGHT, y - 15.5, LINE)
        canvas.box(LEFT, y + 15.5, RIGHT, y + 17, LINE)
        canvas.text((middle, y), "DEALER DRAWS UNTIL 17", 15, LINE)
    return canvas.pixels()


def text(env: Blackjack, state: State, action: Any = None) -> str:
    """The last action, then both hands, and how the game ended."""
    state = State(*map(jnp.asarray, state))
    last = "" if action is None else f"  ({('Stick', 'Hit')[int(action)]})"
    dealer = f"{_names(state.dealer)} = {_total(state.dealer)}"
    if not state.stuck:
        dealer = f"{_names(state.dealer[:1])} ?"
    player = f"{_names(state.player)} = {_total(state.player)}"
    if value(state.player)[1]:
        player += ", usable ace"
    lines = [last, f"Dealer: {dealer}", f"Player: {player}", _result(env, state)[0]]
    return "\n".join(lines) + "\n"


def _cards(hand: Array) -> list[int]:
    return [int(card) for card in np.asarray(hand) if card]


def _names(hand: Array) -> str:
    return " ".join("A" if card == 1 else str(card) for card in _cards(hand))


def _total(hand: Array) -> str:
    return str(int(value(hand)[0]))


def _result(env: Blackjack, state: State) -> tuple[str, str]:
    """How the game ended, and the color of that; no words before it has."""
    if int(value(state.player)[0]) > 21:
        return "Bust", SLATE
    if not state.stuck:
        return "", FELT
    reward = float(env.payoff(state))
    if reward == 0:
        return "Draw", SILVER
    return (f"Won: +{reward:g}", GOLD) if reward > 0 else ("Lost", SLATE)


def _hand(canvas: Canvas, cards: list[int], top: Number, row: int) -> None:
    """Cards side by side, closer together where they are many; 0 is a card's back."""
    pitch = min(PITCH, (RIGHT - LEFT - CARD_WIDTH) / max(len(cards) - 1, 1))
    for place, card in enumerate(cards):
        left = LEFT + place * pitch
        canvas.box(left + 1, top + 2, left + CARD_WIDTH + 2, top + CARD_HEIGHT + 3, SHADE, radius=9)
        canvas.box(left - 1, top - 1, left + CARD_WIDTH + 1, top + CARD_HEIGHT + 1, EDGE, radius=9)
        canvas.box(left, top, left + CARD_WIDTH, top + CARD_HEIGHT, FACE, radius=8)
        if card:
            _face(canvas, card, (left, top), suit=(card + 2 * place + row) % 4, place=place)
        else:
            _back(canvas, (left, top))


def _back(canvas: Canvas, corner: Point) -> None:
    left, top = corner
    canvas.box(left + 5, top + 5, left + CARD_WIDTH - 5, top + CARD_HEIGHT - 5, BACK, radius=5)
    for row in range(9):
        for column in range(7 - row % 2):
            x = left + CARD_WIDTH / 2 + (column - 3 + row % 2 / 2) * 10
            y = top + CARD_HEIGHT / 2 + (row - 4) * 11.5
            canvas.polygon([(x - 4, y), (x, y - 4.8), (x + 4, y), (x, y + 4.8)], LATTICE)


def _face(canvas: Canvas, card: int, corner: Point, suit: int, place: int) -> None:
    left, top = corner
    color = RED if suit in (HEART, DIAMOND) else BLACK
    name = "A" if card == 1 else TENS[place % 4] if card == 10 else str(card)
    canvas.text((left + 12, top + 14), name, 16 if name != "10" else 14, color)
    _pip(canvas, suit, (left + 12, top + 29), 9, color)
    x, y = left + CARD_WIDTH / 2, top + CARD_HEIGHT / 2
    if card == 1:
        _pip(canvas, suit, (x, y), 40, color)
    elif name in ("J", "Q", "K"):
        canvas.box(
            left + 22, top + 12, left + CARD_WIDTH - 12, top + CARD_HEIGHT - 12, color, radius=4
        )
        canvas.box(
            left + 23.5,
            top + 13.5,
            left + CARD_WIDTH - 13.5,
            top + CARD_HEIGHT - 13.5,
            TINT,
            radius=3,
        )
        canvas.text((x + 5, y), name, 44, color)
        for side, up in ((-1, 1), (1, -1)):
            _pip(canvas, suit, (x + 5 + 15 * side, y + 36 * side), 12, color, up)
    else:
        spots = [(across, down) for down in OUTER.get(card, ()) for across in (-1, 1)]
        spots += [(0, down) for down in MIDDLE.get(card, ())]
        for across, down in spots:
            up = 1 if down <= 1 / 2 else -1
            _pip(canvas, suit, (x + 4 + 16 * across, top + 21 + 78 * down), 15, color, up)


def _pip(canvas: Canvas, suit: int, center: Point, size: Number, color: str, up: int = 1) -> None:
    """A suit's sign, `size` pixels high; upside down with up=-1."""
    x, y = center
    at = lambda across, above: (x + up * across * size, y - up * above * size)
    if suit == DIAMOND:
        canvas.polygon([at(-0.38, 0), at(0, 0.52), at(0.38, 0), at(0, -0.52)], color)
        return
    if suit == CLUB:
        for leaf in ((0, 0.26), (-0.26, -0.1), (0.26, -0.1)):
            canvas.circle(at(*leaf), 0.24 * size, color)
        canvas.circle(at(0, 0.02), 0.14 * size, color)
    else:
        turn, lift = (1, 0.06) if suit == HEART else (-1, 0.03)
        t = np.linspace(0, 2 * np.pi, 60, endpoint=False)
        across = 0.5 * np.sin(t) ** 3
        above = (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 32
        canvas.polygon([at(u, turn * v + lift) for u, v in zip(across, above, strict=True)], color)
    if suit != HEART:  # the stem
        canvas.polygon([at(-0.05, 0), at(0.05, 0), at(0.2, -0.5), at(-0.2, -0.5)], color)
