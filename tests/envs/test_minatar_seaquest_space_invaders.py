"""MinAtar's Seaquest and Space Invaders, replayed step for step: everything is equal, always.

Our game begins each episode where the reference does, and from then on keeps its own state.
"""

from collections import Counter
from dataclasses import replace
from importlib import import_module

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import prng
from palestra.envs.minatar import seaquest, space_invaders
from palestra.envs.minatar.seaquest import Chance, Enemies, Seaquest, Swimmers
from palestra.envs.minatar.space_invaders import SpaceInvaders


class Plays:
    """Several plays of the reference, side by side."""

    def __init__(self, play, name, policy, seen, plays=8, steps=1_000, **settings):
        self.plays = [play(name, steps, policy, seen, seed, **settings) for seed in range(plays)]
        self.actions = np.array([p.action for p in self.plays], np.int32).T
        ends = np.array([p.terminated for p in self.plays]).T
        self.begins = np.concatenate([np.ones_like(ends[:1]), ends[:-1]])

    def ours(self, env, state_of, *chance):
        """Our states and steps [T, E], begun wherever an episode begins."""
        where = np.argwhere(self.begins)
        starts = [state_of(env, self.plays[e].before[t]) for t, e in where]
        index = np.zeros(self.begins.shape, np.int32)
        index[tuple(where.T)] = np.arange(len(where))
        starts = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)
        return follow(env, starts, (self.begins, index, self.actions, *chance))

    def check(self, env, states, steps, hidden):
        """All that an agent sees is equal, and so is what the game keeps to itself."""
        theirs = {f: np.stack([getattr(p, f) for p in self.plays], 1) for f in CHECKED}
        np.testing.assert_array_equal(steps.obs, theirs["next_pictures"])
        np.testing.assert_array_equal(steps.reward, theirs["reward"])
        np.testing.assert_array_equal(steps.terminated, theirs["terminated"])
        assert not steps.truncated.any()
        for name in hidden:
            kept = np.stack([[seen[name] for seen in p.after] for p in self.plays], 1)
            np.testing.assert_array_equal(getattr(states, name), kept, err_msg=name)

    def events(self, found):
        """How often each thing happened that found(before, after, reward, over) looks for."""
        count = Counter()
        for p in self.plays:
            for step in zip(p.before, p.after, p.reward, p.terminated, strict=True):
                count.update({event: bool(did) for event, did in found(*step).items()})
        return count


CHECKED = ("next_pictures", "reward", "terminated")


@jax.jit
def follow(env, starts, now):
    step = env.advance if len(now) == 4 else lambda s, a: env.step(s, a, prng.key(0))

    def one(state, begins, index, action, *chance):
        state = jax.tree.map(lambda new, old: jnp.where(begins, new[index], old), starts, state)
        return step(state, action, *chance)

    def body(state, now):
        state, step = jax.vmap(one)(state, *now)
        return state, (state, step)

    first = jax.tree.map(lambda leaf: leaf[now[1][0]], starts)
    return jax.lax.scan(body, first, now)[1]


one_step = jax.jit(lambda env, state, action, key: env.step(state, action, key))

# Seaquest

NOTHING, LEFT, UP, RIGHT, DOWN, FIRE = range(6)
LISTS = ("f_bullets", "e_bullets", "e_fish", "e_subs", "divers")
NUMBERS = {  # of the reference, by our names
    "row": "sub_y",
    "column": "sub_x",
    "surfaced": "surface",
    "oxygen": "oxygen",
    "aboard": "diver_count",
    "ramp": "ramp_index",
    "spawn_interval": "e_spawn_speed",
    "move_pause": "move_speed",
    "shot_timer": "shot_timer",
    "spawn_timer": "e_spawn_timer",
    "diver_timer": "d_spawn_timer",
}


def seen_seaquest(game):
    numbers = {ours: getattr(game, theirs) for ours, theirs in NUMBERS.items()}
    lists = {name: [list(entry) for entry in getattr(game, name)] for name in LISTS}
    return numbers | lists | {"direction": 1 if game.sub_or else -1}


def table(entries, size):
    """Entries of the reference, oldest first, as columns of our slots, newest first."""
    columns = np.zeros((6, size), np.int32)
    for i, entry in enumerate(reversed(entries)):
        columns[: len(entry) + 1, i] = 1, *entry
    present, column, row, right, *rest = columns
    direction = np.where(right, 1, -1).astype(np.int32)
    return Swimmers(present == 1, row, column, direction, rest[0]), rest[1]


def seaquest_state(env, seen):
    """Our state of the same game."""
    numbers = {name: np.int32(seen[name]) for name in [*NUMBERS, "direction"]}
    kinds = [(fish, 0) for fish in seen["e_fish"]] + [(sub, 1) for sub in seen["e_subs"]]
    if seen["oxygen"] % 2:  # the reference does not tell which of a fish and a submarine is older
        kinds.sort(key=lambda enemy: -enemy[1])
    enemies, shot_timer = table([enemy for enemy, _ in kinds], env.enemy_slots)
    submarine = np.zeros(env.enemy_slots, bool)
    submarine[: len(kinds)] = [is_submarine for _, is_submarine in reversed(kinds)]
    shots = np.zeros((2, 10), np.int32)
    for column, row, right in seen["e_bullets"]:
        shots[int(right), row] |= 2 << column
    return seaquest.State(
        **numbers | {"surfaced": np.bool_(seen["surfaced"])},
        bullets=table(seen["f_bullets"], env.bullet_slots)[0],
        divers=table(seen["divers"], env.diver_slots)[0],
        enemies=Enemies(enemies, submarine, shot_timer),
        shots_left=shots[0],
        shots_right=shots[1],
    )


def luck(plays):
    """The reference draws for an enemy, for a diver, for both, or not at all."""

    def chance(drawn):
        enemy = drawn[:3] if len(drawn) in (3, 5) else [1, 1, 1]
        side, kind, row = enemy
        diver_side, diver_row = drawn[-2:] if len(drawn) in (2, 5) else [1, 1]
        return side < 1 / 2, kind < 1 / 3, row, diver_side < 1 / 2, diver_row

    drawn = np.array([[chance(drawn) for drawn in play.drawn] for play in plays.plays], np.int32)
    columns = np.moveaxis(drawn, 2, 0).swapaxes(1, 2)
    kinds = (bool, bool, np.int32, bool, np.int32)
    return Chance(*(c.astype(kind) for c, kind in zip(columns, kinds, strict=True)))


def venture(game, rng):
    """Start somewhere on the ramp or in a scene; wait for company; fetch divers, shoot, come up."""
    if game.ramp_index == 0 and game.e_spawn_timer == game.e_spawn_speed:  # a new episode
        game.patience = rng.integers(50)
        kind = rng.integers(8)
        if kind >= 2:
            game.diver_count = int(rng.integers(-2, 7))
        if kind >= 2 and game.ramping:
            game.ramp_index = int(rng.choice([1, 3, 10, 18, 19]))
            game.e_spawn_speed = max(1, game.e_spawn_speed - game.ramp_index)
            game.e_spawn_timer, game.move_speed = 1, max(2, 5 - game.ramp_index // 2)
        if kind >= 4:
            game.oxygen = int(rng.integers(1, 50))
        if kind >= 5:
            game.patience = 2
            scene(game, rng)
    game.patience -= 1
    if game.patience > 0:
        return NOTHING
    if rng.random() < 0.3:
        return int(rng.integers(6))
    if rng.random() < 0.3:
        return FIRE
    if game.diver_count and (game.oxygen < 15 or game.diver_count >= 6):
        return UP
    if not game.divers:
        return DOWN if game.sub_y < 2 else int(rng.integers(6))
    x, y = game.divers[0][:2]
    if y != game.sub_y:
        return DOWN if y > game.sub_y else UP
    return RIGHT if x > game.sub_x else LEFT


def scene(game, rng):
    """Meetings of several at once, which are rare: the order in which they are seen to matters."""
    game.sub_x, game.sub_y, game.sub_or, game.surface = 3, 4, True, False
    kind, late = rng.integers(7), int(rng.integers(1, 3))
    game.d_spawn_timer = 60  # not before these divers have gone
    if kind == 0:  # our bullet is about to enter a square with all kinds of enemies
        game.f_bullets = [[5, 4, True]]
        game.e_fish = [[6, 4, True, 1], [6, 4, True, late]]
        game.e_subs = [[6, 4, True, 1, 3], [6, 4, True, 2, 9]]
    if kind == 1:  # without fish
        game.f_bullets, game.e_subs = [[5, 4, True]], [[6, 4, False, 1, 9], [6, 4, False, late, 2]]
    if kind == 2:  # all kinds of enemies are about to swim into our bullet
        game.f_bullets = [[6, 4, True]]
        game.e_fish = [[8, 4, False, 0], [8, 4, False, 0], [8, 4, False, late]]
        game.e_subs = [[8, 4, False, 0, 5], [8, 4, False, 0, 1]]
    if kind == 3:  # without submarines
        game.f_bullets, game.e_fish = [[6, 4, True]], [[8, 4, False, 0], [8, 4, False, 0]]
    if kind == 4:  # two divers, and perhaps not room enough
        game.divers = [[3, 4, True, late], [3, 4, False, 0]]
        game.diver_count = int(rng.integers(4, 7))
    if kind == 5:  # submarines fire on leaving the board, or on being shot
        game.f_bullets = [[6, 4, True]]
        game.e_subs = [[9, 6, True, 0, 0], [0, 7, False, 0, 0], [8, 4, False, 0, 0]]
    if kind == 6:  # with all aboard just below the surface, short of air
        game.sub_y, game.diver_count = 1, 6


def seaquest_events(before, after, reward, over):
    here = lambda who: sum(entry[:2] == [after["column"], after["row"]] for entry in who)
    enemies = lambda seen: seen["e_fish"] + seen["e_subs"]
    arrives = after["row"] == 0 and not before["surfaced"]
    bonus = 10 * before["oxygen"] // 200 * (arrives and before["aboard"] == 6)
    flown = [[b[0] + (1 if b[2] else -1), b[1]] for b in before["f_bullets"]]
    targets = [sum(e[:2] == bullet for e in enemies(before)) for bullet in flown]
    swam = reward - bonus > sum(map(bool, targets))
    grown = len(enemies(after)) > len(enemies(before))
    return {
        "suffocated": over and before["oxygen"] == 0,
        "surfaced empty": over and arrives and after["aboard"] == 0,
        "hit by a bullet": over and here(after["e_bullets"]),
        "hit by a fish": over and here(after["e_fish"]),
        "hit by a submarine": over and here(after["e_subs"]),
        "surfaced": arrives and 0 < before["aboard"] < 6,
        "rescued": bonus > 0,
        "rescued in the last breath": arrives and before["aboard"] == 6 and bonus == 0,
        "surfaced in debt": arrives and before["aboard"] < 0,
        "enemies come sooner": after["spawn_interval"] < before["spawn_interval"],
        "enemies move faster": after["move_pause"] < before["move_pause"],
        "top of the ramp": arrives and after["ramp"] == before["ramp"] == 19,
        "shot": any(targets),
        "shot one of several": max(targets, default=0) > 1,
        "swam into a bullet": swam,
        "one of several swam into a bullet": swam
        and len(enemies(before)) > len(enemies(after)) > 0,
        "picked up": after["aboard"] > before["aboard"] and not arrives,
        "picked up two": after["aboard"] == before["aboard"] + 2,
        "no room": after["aboard"] == 6 and here(before["divers"]),
        "enemy came": before["spawn_timer"] == 0 and grown,
        "enemy stayed away": before["spawn_timer"] == 0 and not grown and reward == 0,
        "diver came": before["diver_timer"] == 0,
        "two bullets": len(after["f_bullets"]) == 2,
        "two divers": len(after["divers"]) == 2,
        "many": len(enemies(after)) > 8,
    }


def test_seaquest_step_for_step(play_minatar):
    plays, env = Plays(play_minatar, "seaquest", venture, seen_seaquest), Seaquest()
    states, steps = plays.ours(env, seaquest_state, luck(plays))
    plays.check(env, states, steps, [*NUMBERS, "direction"])
    check_counts(plays, states)
    events = plays.events(seaquest_events)
    assert all(events.values()), events


def counts(states):
    """How many of each list of the reference there are: some may share a square."""
    enemies, submarine, _ = states.enemies
    return {
        "e_subs": (enemies.present & submarine).sum(-1),
        "e_fish": (enemies.present & ~submarine).sum(-1),
        "divers": states.divers.present.sum(-1),
        "f_bullets": states.bullets.present.sum(-1),
    }


def check_counts(plays, states):
    for name, ours in counts(states).items():
        theirs = np.array([[len(seen[name]) for seen in play.after] for play in plays.plays]).T
        np.testing.assert_array_equal(ours, theirs, err_msg=name)


class Always:
    """Draws the same enemy and the same diver, time and again, into the lowest row."""

    def __init__(self, share):
        self.share = share

    def rand(self):
        self.drawn.append(self.share)
        return self.share

    def randint(self, low, high):
        self.drawn.append(high - 1)
        return high - 1


CONSTANTS = {  # of the reference, by our names, and other values for them
    "max_oxygen": ("max_oxygen", 40),
    "shot_interval": ("shot_cool_down", 2),
    "spawn_interval": ("init_spawn_speed", 9),
    "move_pause": ("init_move_interval", 4),
    "enemy_shot_pause": ("enemy_shot_interval", 6),
    "diver_spawn_interval": ("diver_spawn_speed", 7),
    "diver_move_pause": ("diver_move_interval", 2),
}


def seaquest_variant(monkeypatch, constants):
    """Our game with other constants, and the reference's changed to match."""
    module = import_module("minatar.environments.seaquest")
    for theirs, value in constants.values():
        monkeypatch.setattr(module, theirs, value)
    return Seaquest(**{ours: value for ours, (_, value) in constants.items()})


@pytest.mark.parametrize("constants", [{}, CONSTANTS], ids=["usual", "others"])
@pytest.mark.parametrize("share", [0.1, 0.4], ids=["submarines", "fish"])
def test_no_enemy_is_left_out(play_minatar, monkeypatch, constants, share):
    """All swim one way in one row, at once or while the player dips up the whole ramp."""
    env = seaquest_variant(monkeypatch, constants)

    def dip(game, rng):
        if not isinstance(game.random, Always):
            game.random, game.clock, game.diver_count = Always(share), 0, -1
            game.dips = 40 if rng.random() < 0.5 else rng.integers(2)
            if game.dips <= 1:
                game.e_spawn_speed, game.e_spawn_timer, game.move_speed = 1, 1, 2
                game.ramp_index = 20
        game.clock += 1
        return [UP, DOWN][game.clock % 2] if game.clock <= 2 * game.dips else NOTHING

    plays = Plays(play_minatar, "seaquest", dip, seen_seaquest, steps=160)
    states, steps = plays.ours(env, seaquest_state, luck(plays))
    plays.check(env, states, steps, NUMBERS)
    check_counts(plays, states)
    assert env.enemy_slots == 30
    assert states.enemies.swimmers.present.sum(-1).max() == 29  # the first has just left
    top = max(env.spawn_interval - 1, 2 * (env.move_pause - 2))
    dipped = [play.after[-1]["ramp"] for play in plays.plays if play.before[0]["ramp"] == 0]
    assert set(dipped) == {top}


def test_seaquest_with_other_numbers(play_minatar, monkeypatch):
    env = replace(seaquest_variant(monkeypatch, CONSTANTS), ramping=False)
    settings = {"plays": 4, "steps": 600, "ramping": False}
    plays = Plays(play_minatar, "seaquest", venture, seen_seaquest, **settings)
    states, steps = plays.ours(env, seaquest_state, luck(plays))
    plays.check(env, states, steps, NUMBERS)
    check_counts(plays, states)
    events = plays.events(seaquest_events)
    assert events["surfaced"] + events["rescued"] + events["surfaced in debt"] > 0
    assert events["enemies come sooner"] == 0


def surface(env, **changes):
    """Come up to the surface."""
    state, _ = env.reset(prng.key(0))
    state = state._replace(row=jnp.int32(1), surfaced=jnp.zeros((), bool), **changes)
    return one_step(env, state, jnp.int32(UP), prng.key(1))


def test_seaquest_fields_that_the_reference_lacks():
    for aboard, bonus, left in [(1, 0, 0), (2, 5, -1), (3, 0, 2)]:
        state, step = surface(
            Seaquest(max_divers=2), aboard=jnp.int32(aboard), oxygen=jnp.int32(100)
        )
        assert (step.reward, state.aboard) == (bonus, left)

    env = Seaquest(shortest_spawn_interval=20, shortest_move_pause=4)
    state, _ = surface(env, aboard=jnp.int32(3), ramp=jnp.int32(1))
    assert (state.ramp, state.spawn_interval, state.move_pause) == (2, 20, 4)
    state, _ = surface(env, aboard=jnp.int32(3), ramp=jnp.int32(3), move_pause=jnp.int32(4))
    assert (state.ramp, state.spawn_interval, state.move_pause) == (3, 20, 4)
    assert env.enemy_slots == 10


def test_seaquest_draws():
    """Each draw has its share, and knows nothing of the others."""
    for share in (1 / 3, 0.9):
        keys = jax.random.split(prng.key(0), 20_000)
        drawn = np.array(jax.vmap(Seaquest(submarine_share=share).chance)(keys), float)
        shares = [(0, [0.5, 0.5]), (1, [1 - share, share]), (3, [0.5, 0.5])]
        for i, expected in [*shares, (2, [0, *[1 / 8] * 8]), (4, [0, *[1 / 8] * 8])]:
            found = np.bincount(drawn[i].astype(int), minlength=len(expected)) / len(keys)
            assert np.abs(found - expected).max() < 5 * (0.25 / len(keys)) ** 0.5
        assert np.abs(np.corrcoef(drawn) - np.eye(5)).max() < 5 / len(keys) ** 0.5


def test_seaquest_steps_by_what_it_draws():
    env, key = Seaquest(), prng.key(3)
    state, _ = env.reset(prng.key(0))
    state = state._replace(spawn_timer=jnp.int32(0), diver_timer=jnp.int32(0))
    stepped = one_step(env, state, jnp.int32(NOTHING), jax.random.clone(key))
    advanced = jax.jit(env.advance)(state, jnp.int32(NOTHING), env.chance(key))
    jax.tree.map(np.testing.assert_array_equal, stepped, advanced)
    assert stepped[0].divers.present.any()


# Space Invaders

SI_LEFT, SI_RIGHT, SI_FIRE = 1, 2, 3
SI_NUMBERS = {
    "cannon": "pos",
    "direction": "alien_dir",
    "shot_timer": "shot_timer",
    "move_timer": "alien_move_timer",
    "alien_shot_timer": "alien_shot_timer",
    "move_interval": "enemy_move_interval",
}
SI_BOARDS = {"aliens": "alien_map", "bullets": "f_bullet_map", "alien_bullets": "e_bullet_map"}


def seen_invaders(game):
    boards = {ours: getattr(game, theirs) > 0 for ours, theirs in SI_BOARDS.items()}
    return boards | {ours: int(getattr(game, theirs)) for ours, theirs in SI_NUMBERS.items()}


def invaders_state(env, seen):
    kinds = dict.fromkeys(SI_BOARDS, bool)
    return space_invaders.State(
        **{k: np.asarray(v, kinds.get(k, np.int32)) for k, v in seen.items()}
    )


def defend(game, rng):
    """Shoot and dodge, somewhat; or wait for those who come; start anywhere between waves."""
    board, me = game.alien_map, game.pos
    if game.alien_move_timer == game.enemy_move_interval and board[:4, 2:8].all():
        game.plan = rng.integers(4)  # a new episode
        if game.plan == 1:
            few = np.zeros((10, 10))
            few[rng.integers(0, 9, 3), rng.integers(0, 10, 3)] = 1
            game.alien_map, game.enemy_move_interval = few, int(rng.choice([12, 7, 6]))
            game.alien_dir = int(rng.choice([-1, 1]))
    if game.plan == 0:
        return 0
    if game.plan == 3 or rng.random() < 0.1:
        return int(rng.integers(4))
    if game.e_bullet_map[7:, me].any():
        return int(rng.integers(1, 3))
    columns = np.flatnonzero(game.alien_map.any(0)) + game.alien_dir
    target = columns[np.abs(columns - me).argmin()]
    return SI_FIRE if target == me else SI_LEFT if target < me else SI_RIGHT


def invaders_events(before, after, reward, over):
    here = lambda board: board[9, after["cannon"]]
    moved = before["move_timer"] == 0
    return {
        "hit by a bullet": over and here(after["alien_bullets"]),
        "met an alien": over and here(after["aliens"]),
        "landed": over and before["aliens"][9].any() and before["direction"] != after["direction"],
        "shot": reward == 1,
        "shot two": reward == 2,
        "turned at the left": before["direction"] < after["direction"],
        "turned at the right": before["direction"] > after["direction"],
        "moved aside": moved and before["direction"] == after["direction"],
        "alien fired": before["alien_shot_timer"] == 0,
        "hurried": moved and after["move_timer"] < 5,
        "cleared": after["aliens"].sum() > before["aliens"].sum(),
        "sooner": before["move_interval"] > after["move_interval"],
        "not sooner": before["move_interval"] == 6 and after["aliens"].sum() == 24,
        "two bullets": after["bullets"].sum() == 2,
        "two of theirs": after["alien_bullets"].sum() > 1,
    }


SI_CONSTANTS = {
    "shot_interval": ("shot_cool_down", 2),
    "move_interval": ("enemy_move_interval", 9),
    "alien_shot_interval": ("enemy_shot_interval", 4),
}


@pytest.mark.parametrize(
    ("constants", "ramping"), [({}, True), (SI_CONSTANTS, False)], ids=["usual", "others"]
)
def test_space_invaders_step_for_step(play_minatar, monkeypatch, constants, ramping):
    module = import_module("minatar.environments.space_invaders")
    for theirs, value in constants.values():
        monkeypatch.setattr(module, theirs, value)
    env = SpaceInvaders(ramping=ramping, **{name: value for name, (_, value) in constants.items()})
    plays = Plays(play_minatar, "space_invaders", defend, seen_invaders, ramping=ramping)
    states, steps = plays.ours(env, invaders_state)
    plays.check(env, states, steps, [*SI_NUMBERS, *SI_BOARDS])
    events = plays.events(invaders_events)
    assert (events.pop("sooner") > 0) == ramping
    assert (events.pop("two of theirs") > 0) == bool(constants)
    assert all(events.values()), events


def test_space_invaders_fields_that_the_reference_lacks():
    env = SpaceInvaders(alien_rows=2, first_column=4, shortest_move_interval=11)
    state, picture = env.reset(prng.key(0))
    assert np.argwhere(state.aliens).tolist() == [[0, 4], [0, 5], [1, 4], [1, 5]]
    np.testing.assert_array_equal(picture[..., 1], state.aliens)
    for interval in (12, 11):
        shot = state._replace(
            aliens=jnp.zeros((10, 10), bool).at[3, 3].set(True),
            bullets=jnp.zeros((10, 10), bool).at[4, 3].set(True),
            move_interval=jnp.int32(interval),
        )
        after, step = one_step(env, shot, jnp.int32(0), prng.key(0))
        assert (step.reward, after.move_interval) == (1, 11)
        np.testing.assert_array_equal(after.aliens, state.aliens)


# Both

GAMES = {"seaquest": Seaquest, "space_invaders": SpaceInvaders}


@pytest.mark.parametrize("name", GAMES)
def test_spaces_channels_and_starts_are_the_references(name):
    env, game = GAMES[name](), import_module(f"minatar.environments.{name}").Env()
    assert env.observation_space == gymnasium.spaces.Box(0.0, 1.0, game.state_shape(), bool)
    assert env.action_space == gymnasium.spaces.Discrete(len(game.minimal_action_set()))
    assert env.channels == tuple(channel.replace("guage", "gauge") for channel in game.channels)
    state, obs = env.reset(prng.key(0))
    np.testing.assert_array_equal(obs, game.state())
    np.testing.assert_array_equal(env.picture(state), obs)
    start = {"seaquest": (seaquest_state, seen_seaquest)}.get(name, (invaders_state, seen_invaders))
    theirs = start[0](env, start[1](game))
    same_kind = lambda a, b: a.dtype == b.dtype and a.shape == b.shape
    assert jax.tree.all(jax.tree.map(same_kind, state, theirs))
    if name == "space_invaders":
        jax.tree.map(np.testing.assert_array_equal, state, theirs)


@pytest.mark.parametrize(
    ("game", "field", "message"),
    [
        (Seaquest, {"max_divers": 10}, "max_divers must be at most 9, the length of their gauge"),
        (Seaquest, {"max_divers": 0}, "max_divers must be a whole number of at least 1, not 0"),
        (Seaquest, {"move_pause": -1}, "move_pause must be a whole number of at least 0, not -1"),
        (Seaquest, {"submarine_share": 1.1}, "submarine_share must be a number from 0 to 1"),
        (Seaquest, {"ramping": 1}, "ramping must be True or False, not 1"),
        (SpaceInvaders, {"alien_rows": 10}, "alien_rows must be at most 9, since the last row is"),
        (SpaceInvaders, {"first_column": 5}, "first_column must be less than 5, so that a wave"),
        (SpaceInvaders, {"move_interval": 0}, "move_interval must be a whole number of at least 1"),
    ],
)
def test_what_cannot_be_is_refused(game, field, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        game(**field)
