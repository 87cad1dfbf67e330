"""Blackjack: come closer to 21 than the dealer, without going beyond.

    cards     2 to 9 by their number; 10, jack, queen and king are 10; an ace is 1, or 11 if that
              does not take the hand beyond 21 (the ace is then called usable). The deck has no
              end: every card is one of the same thirteen
    actions   0 sticks: the dealer opens the hidden card and draws until 17 or more;
              1 hits: the player takes a card
    observes  the player's sum, the dealer's open card (an ace is 1), whether an ace is usable
    reward    1 for winning, 0 for a draw, −1 for losing, and 0 before the end
    ends      terminated when the player sticks, or goes beyond 21 and so loses
    starts    two cards each, one of the dealer's hidden

A natural is an ace and a ten as the first two cards. With `sab` the player's natural wins unless
the dealer has one too; otherwise, with `natural`, to win with a natural pays 1.5.

Rules: Sutton, Barto (2018), Reinforcement learning, example 5.1, which are those of `sab`.
Reference: Gymnasium's Blackjack-v1, replayed step for step in tests/envs/test_blackjack.py.
"""

from typing import Any, ClassVar, NamedTuple, TypeVar

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from palestra.core import Key, Step, hyperparameters
from palestra.envs.toy_text.model import Model, outcomes

STICK, HIT = range(2)
DEALER_STANDS = 17
PLAYER_CARDS = 22  # at most: 21 aces and another card
DEALER_CARDS = 12  # at most: 6 aces, a six, 4 aces and another card
DRAWS = DEALER_CARDS - 2  # at most, in one step
BONUS = 1.5  # what a natural pays
WEIGHTS = np.array([1] * 9 + [4]) / 13  # probabilities of the cards 1 to 10
STATES = 2 * 704  # of the model

Numbers = TypeVar("Numbers", Array, np.ndarray)
Obs = tuple[Int[Array, ""], Int[Array, ""], Int[Array, ""]]


class State(NamedTuple):
    """The cards on the table in the order in which they came, 0 where there is none."""

    player: Int[Array, "22"]
    dealer: Int[Array, "12"]  # open, hidden, then those drawn
    stuck: Bool[Array, ""]  # the hidden card has been opened


@hyperparameters
class Blackjack:
    """The rules of the house."""

    natural: bool = False
    """Whether to win with a natural pays 1.5."""
    sab: bool = False
    """Whether to play by the rules of Sutton and Barto, whatever `natural` says."""

    observation_space: ClassVar = gymnasium.spaces.Tuple(
        [gymnasium.spaces.Discrete(n) for n in (32, 11, 2)]
    )
    action_space: ClassVar = gymnasium.spaces.Discrete(2)

    def reset(self, key: Key) -> tuple[State, Obs]:
        cards = draw(key, 4)
        state = State(
            player=jnp.pad(cards[:2], (0, PLAYER_CARDS - 2)),
            dealer=jnp.pad(cards[2:], (0, DEALER_CARDS - 2)),
            stuck=jnp.zeros((), bool),
        )
        return state, self.observe(state)

    def step(self, state: State, action: Int[Array, ""], key: Key) -> tuple[State, Step]:
        return self.advance(state, action, self.chance(key))

    def chance(self, key: Key) -> Int[Array, "10"]:
        """The next cards of the deck, as many as the dealer may need."""
        return draw(key, DRAWS)

    def advance(
        self, state: State, action: Int[Array, ""], chance: Int[Array, "10"]
    ) -> tuple[State, Step]:
        hits = action == HIT
        free = jnp.arange(PLAYER_CARDS) == (state.player > 0).sum()
        state = State(
            player=jnp.where(hits & free, chance[0], state.player),
            dealer=jnp.where(hits, state.dealer, play(state.dealer, chance)),
            stuck=~hits,
        )
        over = state.stuck | (value(state.player)[0] > 21)
        reward = jnp.where(over, self.payoff(state), 0.0)
        return state, Step(self.observe(state), reward, over, jnp.zeros((), bool))

    def observe(self, state: State) -> Obs:
        total, usable = value(state.player)
        return total, state.dealer[0], usable.astype(jnp.int32)

    def payoff(self, state: State) -> Float[Array, ""]:
        """What the player has won when the game is over."""
        player, dealer = value(state.player)[0], value(state.dealer)[0]
        score = lambda total: jnp.where(total > 21, 0, total)
        reward = jnp.sign(score(player) - score(dealer)).astype(jnp.float32)
        if self.sab:
            wins = is_natural(state.player) & ~is_natural(state.dealer)
            return jnp.where(wins, 1.0, reward)
        if self.natural:
            return jnp.where(is_natural(state.player) & (reward > 0), BONUS, reward)
        return reward

    def model(self) -> Model:
        """What a step can lead to, exactly: 1408 states, numbered by `place`.

        The first 704 are the observations of any hand but a natural; 704 more is that of a natural.
        An observation alone does not tell a natural from another soft 21, which may be worth less;
        it is best to stick on either.
        """
        # States: of the hands that make one, any will do. The rules see no more of them.
        hands = np.indices((10, 10, 11)).reshape(3, -1).T + np.array([1, 1, 0])
        hands = hands[value(hands)[0] <= 21]
        kinds, some, kind = np.unique(place(hands, 0), return_index=True, return_inverse=True)
        dealt = np.bincount(kind, (WEIGHTS[hands[:, :2] - 1]).prod(1) * (hands[:, 2] == 0))
        real = (kinds[:, None] + 2 * np.arange(1, 11)).ravel()
        player = np.repeat(hands[some], 10, 0)
        open_card = np.tile(np.arange(1, 11), len(kinds))
        states = State(
            player=jnp.asarray(padded(player, PLAYER_CARDS)),
            dealer=jnp.asarray(padded(open_card[:, None], DEALER_CARDS)),
            stuck=jnp.zeros(len(real), bool),
        )

        # Outcomes: ten cards that the player may take, then the endings of the dealer's hand.
        ending, chance = dealer_endings()
        cards = np.concatenate([np.ones((10, DEALER_CARDS), np.int32), ending])
        cards[:10, 2] = np.arange(1, 11)
        probability = np.zeros((len(real), 2, len(cards)))
        probability[:, HIT, :10] = WEIGHTS
        probability[:, STICK, 10:] = np.where(ending[:, 0] == open_card[:, None], chance, 0.0)

        def turn(state: State, action: Array, cards: Array) -> tuple[State, Step]:
            hidden = state.dealer.at[1].set(cards[1])
            return self.advance(state._replace(dealer=hidden), action, cards[2:])

        after, step = outcomes(turn, states, 2, jnp.asarray(cards))

        # Where there is no such hand, nothing happens.
        shape = (STATES, *probability.shape[1:])
        model = Model(
            probability=np.broadcast_to(np.eye(1, len(cards)), shape).copy(),
            successor=np.broadcast_to(np.arange(STATES)[:, None, None], shape).copy(),
            reward=np.zeros(shape),
            terminated=np.ones(shape, bool),
            start=np.zeros(STATES),
        )
        model.probability[real] = probability
        model.successor[real] = place(after.player, open_card[:, None, None])
        model.reward[real] = step.reward
        model.terminated[real] = step.terminated
        model.start[real] = np.outer(dealt, WEIGHTS).ravel()
        return model


def draw(key: Key, number: int) -> Int[Array, " number"]:
    """Cards from the endless deck."""
    return jnp.minimum(1 + (13 * jax.random.uniform(key, (number,))).astype(jnp.int32), 10)


def worth(points: Numbers, ace: Numbers) -> tuple[Numbers, Numbers]:
    """The sum of a hand whose aces are 1 in `points`, and whether an ace is usable."""
    usable = ace & (points <= 11)
    return points + 10 * usable.astype(points.dtype), usable


def value(cards: Numbers) -> tuple[Numbers, Numbers]:
    """The sum of the cards [..., N], and whether an ace is usable."""
    return worth(cards.sum(-1), (cards == 1).any(-1))


def is_natural(cards: Numbers) -> Numbers:
    """Whether the cards are an ace and a ten and no more."""
    return (value(cards)[0] == 21) & (cards[..., 2] == 0)


def place(player: np.ndarray, open_card: Any) -> np.ndarray:
    """The number of a state in the model."""
    total, usable = value(player)
    return 704 * is_natural(player) + (11 * total + open_card) * 2 + usable


def play(dealer: Int[Array, "12"], deck: Int[Array, "10"]) -> Int[Array, "12"]:
    """The dealer's hand after drawing."""

    def turn(hand: tuple[Array, Array], card: Array) -> tuple[tuple[Array, Array], Array]:
        points, ace = hand
        card = jnp.where(worth(points, ace)[0] < DEALER_STANDS, card, 0)
        return (points + card, ace | (card == 1)), card

    # A loop: unrolled, XLA on a CPU would compute the cards before it anew for every card.
    _, drawn = jax.lax.scan(turn, (dealer.sum(), (dealer == 1).any()), deck)
    return jnp.concatenate([dealer[:2], drawn])


def dealer_endings() -> tuple[np.ndarray, np.ndarray]:
    """The dealer's hands [N, 12] that differ in worth or open card, and how likely they are [N].

    Given their open card, that is; each stands for all hands that are worth the same.
    """
    hands, chance = np.arange(1, 11)[:, None], np.ones(10)
    endings, chances = [], []
    while len(hands):
        hands = np.column_stack([np.repeat(hands, 10, 0), np.tile(np.arange(1, 11), len(hands))])
        chance = np.outer(chance, WEIGHTS).ravel()
        stands = value(hands)[0] >= DEALER_STANDS
        endings.append(padded(hands[stands], DEALER_CARDS))
        chances.append(chance[stands])
        hands, chance = hands[~stands], chance[~stands]
    cards = np.concatenate(endings)
    kind = np.column_stack([cards[:, 0], np.minimum(value(cards)[0], 22), is_natural(cards)])
    _, some, kind = np.unique(kind, axis=0, return_index=True, return_inverse=True)
    return cards[some], np.bincount(kind, np.concatenate(chances))


def padded(cards: np.ndarray, length: int) -> np.ndarray:
    """Hands [N, K] as [N, length], with 0 for no card."""
    return np.pad(cards, [(0, 0), (0, length - cards.shape[1])]).astype(np.int32)
