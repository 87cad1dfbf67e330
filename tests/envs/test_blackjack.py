"""Blackjack against Gymnasium's, card for card, and against published tables; and its pictures."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL.ImageColor import getrgb
from scipy.stats import chisquare

from palestra import envs, prng
from palestra.envs.drawing import draw, text
from palestra.envs.drawing.blackjack import BACK, GOLD, SILVER, SLATE
from palestra.envs.toy_text.blackjack import (
    DEALER_CARDS,
    DRAWS,
    HIT,
    PLAYER_CARDS,
    STICK,
    WEIGHTS,
    Blackjack,
    State,
    value,
)
from palestra.envs.toy_text.model import evaluate, solve

RULES = [{"natural": natural, "sab": sab} for sab in (False, True) for natural in (False, True)]
IDS = ["plain", "natural", "sab", "both"]


class Deck:
    """A deck for the reference, whose cards are written down as they are drawn."""

    def __init__(self, rng):
        self.rng, self.drawn, self.next = rng, [], []

    def choice(self, deck):
        card = self.next.pop(0) if self.next else self.rng.choice(deck)
        self.drawn.append(card)
        return card


def table(player, dealer, stuck=False) -> State:
    """A State of lists of cards."""
    pad = lambda cards, length: np.pad(np.int32(cards), (0, length - len(cards)))
    return State(pad(player, PLAYER_CARDS), pad(dealer, DEALER_CARDS), np.bool_(stuck))


def stacked(states):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *states)


def replay(rules, steps, seed):
    """Play in Gymnasium: tables before, actions, cards drawn, then what came of it."""
    env, rng = gymnasium.make("Blackjack-v1", **rules).unwrapped, np.random.default_rng(seed)
    env.reset(seed=seed)
    env.np_random = deck = Deck(env.np_random)
    befores, actions, draws, afters, outs = [], [], [], [], []
    for _ in range(steps):
        if rng.random() < 0.05:  # a natural, rare otherwise
            env.player = [1, 10]
        if rng.random() < 0.05:
            env.dealer = [10, 1]
        befores.append(table(env.player, env.dealer))
        action = int(rng.random() < 0.6)
        deck.drawn.clear()
        obs, reward, terminated, truncated, _ = env.step(action)
        # Of the cards that the reference did not draw, ours must make no use.
        rest = rng.integers(1, 11, DRAWS - len(deck.drawn))
        draws.append(np.int32([*deck.drawn, *rest]))
        actions.append(action)
        afters.append(table(env.player, env.dealer, action == STICK))
        outs.append((*obs, reward, terminated, truncated))
        if terminated:
            env.reset()
    return stacked(befores), np.int32(actions), np.stack(draws), stacked(afters), np.array(outs)


@pytest.mark.parametrize("rules", RULES, ids=IDS)
def test_step_for_step(rules):
    before, action, cards, after, out = replay(rules, 3_000, seed=0)
    env = Blackjack(**rules)
    advance = lambda state, action, cards: env.advance(state, action, cards)
    then, step = jax.jit(jax.vmap(advance))(before, action, cards)
    np.testing.assert_array_equal(np.stack(step.obs, -1), out[:, :3])
    np.testing.assert_array_equal(step.reward, out[:, 3])
    np.testing.assert_array_equal(step.terminated, out[:, 4])
    np.testing.assert_array_equal(step.truncated, out[:, 5])
    for ours, theirs in zip(then, after, strict=True):
        np.testing.assert_array_equal(ours, theirs)

    # What must have happened for this to mean anything:
    player, soft = (np.asarray(part) for part in value(after.player))
    dealer = np.asarray(value(after.dealer)[0])
    two = lambda cards: np.asarray(cards[:, 2] == 0)
    natural, dealers = (player == 21) & two(after.player), (dealer == 21) & two(after.dealer)
    sticks, reward = action == STICK, out[:, 3]
    assert (~sticks & (player > 21)).any()
    assert (~sticks & np.asarray(value(before.player)[1]) & ~soft).any()  # an ace became 1
    assert (sticks & (dealer > 21)).any()
    assert (np.asarray(after.dealer[:, 5]) > 0).any()  # the dealer drew four cards
    for paid in (-1, 0, 1):
        assert (sticks & ~natural & (reward == paid)).any()
    assert (sticks & natural & dealers).any()
    assert (sticks & natural & (dealer == 21) & ~dealers).any()
    assert (sticks & ~natural & (player == 21) & dealers).any()
    best = 1.5 if env.natural and not env.sab else 1.0
    assert set(reward[sticks & natural & (dealer != 21)]) == {best}
    assert set(reward[sticks & natural & (dealer == 21) & ~dealers]) == {1.0 if env.sab else 0.0}


def test_the_longest_hands_fit():
    """Twenty-one aces and another card; a dealer who needs twelve cards to come to 17."""
    env = gymnasium.make("Blackjack-v1").unwrapped
    env.reset(seed=0)
    env.np_random = deck = Deck(env.np_random)
    env.player, env.dealer, deck.next = [1, 1], [1, 1], [1] * 19 + [10]
    state, step = table([1, 1], [1, 1]), jax.jit(Blackjack(sab=True).advance)
    for turn in range(20):
        obs, reward, terminated, _, _ = env.step(HIT)
        cards = np.full(DRAWS, 10 if turn == 19 else 1, np.int32)
        state, out = step(state, jnp.int32(HIT), cards)
        assert [int(part) for part in out.obs] == list(obs)
        assert (out.reward, out.terminated) == (reward, terminated)
    assert terminated
    assert np.asarray(state.player).tolist() == env.player
    assert len(env.player) == PLAYER_CARDS

    env.player, env.dealer, deck.next = [10, 9], [1, 1], [1, 1, 1, 1, 6, 1, 1, 1, 1, 10]
    cards = np.int32(deck.next)
    obs, reward, _, _, _ = env.step(STICK)
    state, out = step(table([10, 9], [1, 1]), jnp.int32(STICK), cards)
    assert np.asarray(state.dealer).tolist() == env.dealer
    assert (out.reward, len(env.dealer)) == (reward, DEALER_CARDS)


def test_no_dealer_needs_more_cards():
    """All hands below 17, by what the cards are worth: none is left after ten draws."""
    hands = {(a + b, 1 in (a, b)) for a in range(1, 11) for b in range(1, 11)}
    for drawn in range(DRAWS + 1):
        hands = {(p, ace) for p, ace in hands if (p + 10 if ace and p <= 11 else p) < 17}
        assert bool(hands) == (drawn < DRAWS)
        hands = {(p + card, ace or card == 1) for p, ace in hands for card in range(1, 11)}


def test_cards_are_drawn_as_from_the_references_deck():
    number = 20_000
    cards = jax.vmap(Blackjack().chance)(jax.random.split(prng.key(0), number))
    state, _ = jax.vmap(Blackjack().reset)(jax.random.split(prng.key(1), number))
    dealt = np.column_stack([state.player[:, :2], state.dealer[:, :2]])
    for hand in (*np.asarray(cards).T, *dealt.T):
        assert chisquare(np.bincount(hand, minlength=11)[1:], number * WEIGHTS).pvalue > 1e-4
    pairs = np.bincount(11 * dealt[:, 0] + dealt[:, 2], minlength=121).reshape(11, 11)[1:, 1:]
    told = number * np.outer(WEIGHTS, WEIGHTS)
    assert chisquare(pairs.ravel(), told.ravel()).pvalue > 1e-4  # whatever the other hand is
    assert not np.asarray(state.player[:, 2:]).any()
    assert not np.asarray(state.dealer[:, 2:]).any()
    assert not state.stuck.any()


# Expected gains with an endless deck, a dealer who stands on a soft 17, and none but these two
# actions, to four decimals; dealer's open card 2 to 9. Zirbel (2001), Dynamic programming using
# Markov chains, or how to play blackjack. (His dealer's natural beats a 21, which ours does not:
# so not the columns of 10 and ace.)
HARD = {
    4: [-0.1149, -0.0826, -0.0494, -0.0124, 0.0111, -0.0883, -0.1593, -0.2407],
    8: [-0.0218, 0.0080, 0.0388, 0.0708, 0.1150, 0.0822, -0.0599, -0.2102],
    11: [0.2384, 0.2603, 0.2830, 0.3073, 0.3337, 0.2921, 0.2300, 0.1583],
    12: [-0.2534, -0.2337, -0.2111, -0.1672, -0.1537, -0.2128, -0.2716, -0.3400],
    16: [-0.2928, -0.2523, -0.2111, -0.1672, -0.1537, -0.4148, -0.4584, -0.5093],
    21: [0.8820, 0.8853, 0.8888, 0.8918, 0.9028, 0.9259, 0.9306, 0.9392],
}
SOFT = {
    12: [0.0818, 0.1035, 0.1266, 0.1565, 0.1860, 0.1655, 0.0951, 0.0001],
    16: [-0.0210, 0.0091, 0.0400, 0.0734, 0.0988, -0.0049, -0.0668, -0.1486],
    18: [0.1217, 0.1483, 0.1759, 0.1996, 0.2834, 0.3996, 0.1060, -0.1007],
    21: [0.8820, 0.8853, 0.8888, 0.8918, 0.9028, 0.9259, 0.9306, 0.9392],
}
# Of standing, given that the dealer has no natural; dealer's open card 10, ace. The Wizard of
# Odds, Blackjack, appendix 1.
STANDING = {
    16: [-0.5404, -0.6670],
    17: [-0.4197, -0.4780],
    18: [-0.1783, -0.1002],
    19: [0.0631, 0.2776],
    20: [0.5545, 0.6555],
    21: [0.9626, 0.9222],
}


@pytest.fixture(scope="module")
def solved():
    """The model under Sutton and Barto's rules, its values, and a policy that has them."""
    model = Blackjack(sab=True).model()
    return model, *solve(model)


def number(total, dealer, usable, natural=False):
    return 704 * natural + (11 * total + dealer) * 2 + usable


def test_the_best_values_are_the_published_ones(solved):
    _, values, _ = solved
    for usable, rows in ((0, HARD), (1, SOFT)):
        for total, published in rows.items():
            ours = [values[number(total, dealer, usable)] for dealer in range(2, 10)]
            np.testing.assert_allclose(ours, published, atol=5.1e-5)


def test_standing_is_worth_what_is_published(solved):
    model, _, _ = solved
    stands = evaluate(model, np.full(len(model.start), STICK))
    for total, published in STANDING.items():
        against_natural = 0 if total == 21 else -1
        for dealer, natural, gain in zip((10, 1), (1 / 13, 4 / 13), published, strict=True):
            whole = natural * against_natural + (1 - natural) * gain
            assert stands[number(total, dealer, 0)] == pytest.approx(whole, abs=5.1e-5)


def test_the_best_policy_is_the_books(solved):
    """Sutton, Barto (2018), figure 5.2: the least sum to stick on, by the dealer's card."""
    _, _, policy = solved
    least = {
        1: [19, 18, 18, 18, 18, 18, 18, 18, 19, 19],
        0: [17, 13, 13, 12, 12, 12, 17, 17, 17, 17],
    }
    for usable, sums in least.items():
        for dealer, least_sum in enumerate(sums, 1):
            for total in range(12, 22):
                assert policy[number(total, dealer, usable)] == (
                    HIT if total < least_sum else STICK
                )
    assert policy[number(21, 1, 1, natural=True)] == STICK  # which an agent cannot tell apart


GAINS = [-0.04656, -0.02573, -0.04311]


@pytest.mark.parametrize(("rules", "known"), list(zip(RULES[:3], GAINS, strict=True)), ids=IDS[:3])
def test_the_model_tells_what_playing_pays(rules, known):
    """The gain of the best policy, exactly, and the mean of many games played by it."""
    env, games = Blackjack(**rules), 200_000
    model = env.model()
    np.testing.assert_allclose(model.probability.sum(-1), 1)
    assert model.start.sum() == pytest.approx(1)
    values, policy = solve(model)
    gain = model.start @ values
    assert gain == pytest.approx(known, abs=5e-6)

    sticks = jnp.asarray(policy[:704].reshape(32, 11, 2), jnp.int32)

    def turn(carry, keys):
        state, obs, gains, over = carry
        state, step = jax.vmap(env.step)(state, sticks[obs], keys)
        gains += jnp.where(over, 0.0, step.reward)
        return (state, step.obs, gains, over | step.terminated), None

    keys = jax.random.split(prng.key(5), (13, games))  # that a game is longer is next to impossible
    start = (*jax.vmap(env.reset)(keys[0]), jnp.zeros(games), jnp.zeros(games, bool))
    (_, _, gains, over), _ = jax.lax.scan(turn, start, keys[1:])
    assert over.all()
    assert abs(np.mean(gains) - gain) < 4 * np.std(gains) / games**0.5 < 0.009


def test_starts_are_the_models(solved):
    model, _, _ = solved
    number = 40_000
    _, (total, dealer, usable) = jax.vmap(Blackjack().reset)(jax.random.split(prng.key(2), number))
    seen = np.bincount((11 * total + dealer) * 2 + usable, minlength=704)
    told = number * (model.start[:704] + model.start[704:])
    assert not seen[told == 0].any()
    likely = told > 5
    assert likely.sum() > 200
    assert (
        chisquare(seen[likely], told[likely] * seen[likely].sum() / told[likely].sum()).pvalue
        > 1e-4
    )


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match=r"^sab must be True or False, not 'yes'\.$"):
        Blackjack(sab="yes")


def share(picture, color) -> float:
    return (picture == getrgb(color)).all(-1).mean()


def test_the_picture_hides_the_hidden_card():
    seen = [draw(Blackjack(), table([10, 5], [7, hidden])) for hidden in (1, 10)]
    assert seen[0].shape == (400, 560, 3)
    assert seen[0].dtype == np.uint8
    np.testing.assert_array_equal(*seen)
    assert share(seen[0], BACK) > 0.01
    opened = [draw(Blackjack(), table([10, 5], [7, hidden], stuck=True)) for hidden in (1, 10)]
    assert (opened[0] != opened[1]).any()
    assert share(opened[0], BACK) == 0


def test_the_picture_shows_every_card():
    """Each card changes its own place and no other, however many there are."""
    hand = [2, 1, 1, 3, 2, 1, 4, 1]
    picture = draw(Blackjack(), table(hand, [7, 9]))
    last = 0
    for place in range(len(hand)):
        other = hand.copy()
        other[place] = 5
        changed = (draw(Blackjack(), table(other, [7, 9])) != picture)[:, 138:].any(-1)
        columns = np.flatnonzero(changed[250:370].any(0))
        assert not changed[:160].any()  # the dealer's hand
        assert columns[0] > last
        last = columns[0]
    assert (draw(Blackjack(), table(hand, [8, 9])) != picture)[:160].any()


@pytest.mark.parametrize(
    ("player", "dealer", "stuck", "words", "color"),
    [
        ([10, 9], [10, 8], True, "Won: +1", GOLD),
        ([10, 1], [10, 8], True, "Won: +1.5", GOLD),
        ([10, 8], [10, 8], True, "Draw", SILVER),
        ([10, 7], [10, 8], True, "Lost", SLATE),
        ([10, 7, 9], [10, 8], False, "Bust", SLATE),
        ([10, 7], [10, 8], False, "", None),
    ],
)
def test_how_the_game_ended_is_shown(player, dealer, stuck, words, color):
    env, state = Blackjack(natural=True), table(player, dealer, stuck)
    lines = text(env, state).splitlines()
    assert lines[3] == words
    assert lines[1] == ("Dealer: 10 8 = 18" if stuck else "Dealer: 10 ?")
    picture = draw(env, state)[170:230]
    for other in (GOLD, SILVER, SLATE):
        assert (share(picture, other) > 0.02) == (other == color)


def test_the_text():
    state = table([1, 3, 2], [1, 10])
    assert text(Blackjack(), state, HIT) == (
        "  (Hit)\nDealer: A ?\nPlayer: A 3 2 = 16, usable ace\n\n"
    )
    assert text(Blackjack(), state).startswith("\nDealer")


def test_the_table_of_environments_has_the_books_rules():
    env = envs.make("Blackjack-v1")
    assert (env.sab, env.natural) == (True, False)
    assert gymnasium.spec("Blackjack-v1").kwargs == {"sab": True, "natural": False}
