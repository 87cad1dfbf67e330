"""Breakout, Asterix and Freeway are replayed against MinAtar's own, step for step.

Before each step the reference's whole state and its random numbers are copied into ours.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from palestra import prng
from palestra.envs.minatar import asterix, breakout, freeway
from palestra.envs.minatar.asterix import ENEMY, GOLD, NOBODY, Asterix
from palestra.envs.minatar.breakout import Breakout
from palestra.envs.minatar.freeway import Freeway

GAMES = {"breakout": Breakout, "asterix": Asterix, "freeway": Freeway}


def stacked(records):
    """A list of records of numbers, or of arrays, as one record of arrays, or one array."""
    if not isinstance(records[0], tuple):
        return jnp.asarray(np.array(records))
    columns = zip(*records, strict=True)
    return type(records[0])(*(jnp.asarray(np.array(column)) for column in columns))


def keys(n, seed=0):
    return jax.random.split(prng.key(seed), n)


def check(env, play, chances=None):
    """Our states, pictures, rewards and flags are the reference's; return states before, after."""
    before, after = stacked(play.before), stacked(play.after)
    if chances is None:
        state, step = jax.jit(jax.vmap(env.step))(before, play.action, keys(len(play.action)))
    else:
        state, step = jax.jit(jax.vmap(env.advance))(before, play.action, stacked(chances))
    np.testing.assert_array_equal(jax.vmap(env.picture)(before), play.pictures)
    np.testing.assert_array_equal(step.obs, play.next_pictures)
    np.testing.assert_array_equal(step.reward, play.reward)
    np.testing.assert_array_equal(step.terminated, play.terminated)
    assert not step.truncated.any()
    for name in state._fields:
        np.testing.assert_array_equal(clean(state)[name], clean(after)[name], err_msg=name)
    return before, after


def clean(state):
    """A state's numbers, those of Asterix's empty lanes left out, which mean nothing."""
    numbers = {name: np.array(x) for name, x in state._asdict().items()}
    if isinstance(state, asterix.State):
        for name in ("place", "direction"):
            numbers[name][numbers["kind"] == NOBODY] = 0
    return numbers


def breakout_state(game):
    return breakout.State(
        paddle=game.pos,
        row=game.ball_y,
        column=game.ball_x,
        d_row=[-1, -1, 1, 1][game.ball_dir],
        d_column=[-1, 1, 1, -1][game.ball_dir],
        last_row=game.last_y,
        last_column=game.last_x,
        bricks=game.brick_map.astype(bool),
        struck=bool(game.strike),
    )


def follow_the_ball(game, rng):
    """Mostly under the ball, at times under where it comes down, at times anywhere."""
    if rng.random() < 0.02:
        return int(rng.integers(3))
    ahead = rng.random() < 0.5 and game.ball_y == 8
    target = game.ball_x + (breakout_state(game).d_column if ahead else 0)
    return 0 if target == game.pos else 1 if target < game.pos else 2


def test_breakout_step_for_step(play_minatar):
    play = play_minatar("breakout", 12_000, follow_the_ball, breakout_state)
    before, after = check(Breakout(), play)
    down = before.row + before.d_row == 9
    assert play.terminated.sum() > 10
    assert play.reward.sum() > 500
    assert (before.struck & after.struck).any()  # it flies through a brick
    assert (before.row + before.d_row < 0).any()  # ceiling
    for side in (-1, 10):
        assert (before.column + before.d_column == side).any()
    turned = after.d_column == -before.d_column
    assert (down & ~play.terminated & ~turned & (after.column == before.column + 1)).any()
    assert (down & ~play.terminated & turned & (after.column != before.column)).any()
    renewed = ~before.bricks.any((1, 2)) & after.bricks.any((1, 2))
    assert renewed.any()
    corner = turned & (after.column == before.column) & play.reward.astype(bool)
    assert corner.any()  # wall and brick at once


def test_breakout_starts_at_either_side(play_minatar):
    state, obs = jax.vmap(Breakout().reset)(keys(2_000))
    np.testing.assert_array_equal(jax.vmap(Breakout().picture)(state), obs)
    theirs = set()
    for seed in range(20):
        play = play_minatar("breakout", 1, follow_the_ball, breakout_state, seed)
        theirs.add(play.pictures.tobytes())
    starts, counts = np.unique(obs, axis=0, return_counts=True)
    assert {start.tobytes() for start in starts} == theirs
    assert len(counts) == 2
    assert abs(counts[0] - 1_000) < 5 * (2_000 / 4) ** 0.5


def test_breakout_fields():
    env = Breakout(brick_row=2, brick_rows=5, ball_row=8, paddle_column=0)
    state, obs = env.reset(prng.key(0))
    paddle, ball, trail, brick = np.moveaxis(np.array(obs), -1, 0)
    assert np.argwhere(brick.all(1)).ravel().tolist() == [2, 3, 4, 5, 6]
    assert brick.sum() == 50
    assert np.argwhere(paddle).tolist() == [[9, 0]]
    assert np.argwhere(ball)[0, 0] == 8
    assert (ball == trail).all()
    _, step = env.step(state._replace(column=jnp.int32(5)), jnp.int32(0), prng.key(1))
    assert step.terminated


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"brick_row": 7}, r"brick_row \+ brick_rows must be at most 9"),
        ({"brick_row": 0}, "brick_row must be a whole number of at least 1"),
        ({"ball_row": 9}, "ball_row must be less than 9, not 9"),
        ({"paddle_column": 10}, "paddle_column must be at most 9, not 10"),
    ],
)
def test_breakout_refuses(wrong, words):
    with pytest.raises(ValueError, match=words):
        Breakout(**wrong)


def asterix_state(game):
    lanes = [e or [0, 0, True, None] for e in game.entities]
    return asterix.State(
        row=game.player_y,
        column=game.player_x,
        kind=np.array([{None: NOBODY, True: GOLD, False: ENEMY}[e[3]] for e in lanes]),
        place=np.array([e[0] for e in lanes]),
        direction=np.array([1 if e[2] else -1 for e in lanes]),
        spawn_timer=game.spawn_timer,
        spawn_interval=game.spawn_speed,
        move_timer=game.move_timer,
        move_interval=game.move_speed,
        ramp_timer=game.ramp_timer,
        ramp_level=game.ramp_index,
    )


def dodge(game, rng):
    """Where no enemy is or will be next, best in a lane with treasure; at times anywhere."""
    if rng.random() < 0.03:
        return int(rng.integers(5))
    rank = []
    for right, down in ((0, 0), (-1, 0), (0, -1), (1, 0), (0, 1)):
        x, y = np.clip(game.player_x + right, 0, 9), np.clip(game.player_y + down, 1, 8)
        other = game.entities[y - 1]
        near = other is not None and abs(other[0] - x) <= 1
        worth = 0 if other is None else 1 + 5 * near if other[3] else -10 * near
        rank.append(worth + (x in (0, 9)) * -2 + rng.random())
    return int(np.argmax(rank))


def asterix_chance(before, drawn, rng):
    """The reference's random numbers as ours; numbers without meaning where it drew none."""
    from_left, gold, *lane = drawn or rng.random(2)
    free = (before.kind == NOBODY).sum()
    share = (lane[0] + 0.5) / free if lane else rng.random()
    return asterix.Chance(bool(from_left < 0.5), bool(gold < 1 / 3), np.float32(share))


HURRIED = {"init_spawn_speed": 4, "init_move_interval": 3, "ramp_interval": 2}
OURS = {"spawn_interval": 4, "move_interval": 3, "ramp_interval": 2}


@pytest.mark.parametrize(
    ("steps", "constants", "fields", "ramping"),
    [(8_000, {}, {}, True), (3_000, HURRIED, OURS, True), (2_000, HURRIED, OURS, False)],
)
def test_asterix_step_for_step(play_minatar, monkeypatch, steps, constants, fields, ramping):
    for name, value in constants.items():
        monkeypatch.setattr(f"minatar.environments.asterix.{name}", value)
    play = play_minatar("asterix", steps, dodge, asterix_state, ramping=ramping)
    rng = np.random.default_rng(0)
    chances = [asterix_chance(b, d, rng) for b, d in zip(play.before, play.drawn, strict=True)]
    before, after = check(Asterix(ramping=ramping, **fields), play, chances)

    assert play.reward.sum() > 50
    assert play.terminated.sum() > 5
    entered = (before.kind == NOBODY) & (after.kind != NOBODY)
    assert (entered.sum(1) == 1).any()
    assert (before.kind == GOLD).any(0).all()
    assert (before.kind == ENEMY).any(0).all()
    left = (before.kind != NOBODY) & (after.kind == NOBODY) & (play.reward == 0)[:, None]
    assert left.any(0).all()
    if not ramping:
        assert len(np.unique(after.spawn_interval)) == len(np.unique(after.move_interval)) == 1
    elif constants:
        assert after.spawn_interval.min() == after.move_interval.min() == 1
        stopped = (before.spawn_interval == 1) & (before.move_interval == 1)
        assert (stopped & (before.ramp_timer == after.ramp_timer)).any()
        full = (before.kind != NOBODY).all(1) & (before.spawn_timer == 0)
        assert full.any()
    else:
        assert after.ramp_level.max() >= 3
        at_rest = before.move_timer > 0
        for moment in (at_rest, ~at_rest):  # meeting by the player's move, and by theirs
            assert (moment & (play.reward == 1)).any()
            assert (moment & play.terminated).any()


def test_asterix_starts_alike(play_minatar):
    state, obs = jax.vmap(Asterix().reset)(keys(4))
    play = play_minatar("asterix", 1, dodge, asterix_state)
    np.testing.assert_array_equal(obs, np.repeat(play.pictures, 4, 0))
    for name, value in stacked(play.before)._asdict().items():
        if name != "place":
            np.testing.assert_array_equal(getattr(state, name), np.repeat(value, 4, 0))


def test_asterix_chance():
    n = 30_000
    chance = jax.jit(jax.vmap(Asterix().chance))(keys(n))
    left, gold, lane = (np.asarray(x, float) for x in chance)
    assert abs(left.mean() - 1 / 2) < 5 * (1 / 4 / n) ** 0.5
    assert abs(gold.mean() - 1 / 3) < 5 * (2 / 9 / n) ** 0.5
    assert (lane >= 0).all()
    assert (lane < 1).all()
    assert (np.abs(np.corrcoef([left, gold, lane]) - np.eye(3)) < 5 / n**0.5).all()


@pytest.mark.parametrize("taken", [[], [0, 1, 2, 3, 4, 5, 6], [0, 2, 7], [3, 4, 5]])
def test_asterix_enters_every_free_lane_alike(taken):
    n, env = 8_000, Asterix()
    state, _ = env.reset(prng.key(0))
    kind = jnp.zeros(8, jnp.int32).at[jnp.array(taken, int)].set(ENEMY)
    state = state._replace(kind=kind, place=jnp.full(8, 5), row=jnp.int32(3), column=jnp.int32(1))
    state = state._replace(spawn_timer=jnp.int32(0))
    after, _ = jax.vmap(lambda key: env.step(state, jnp.int32(0), key))(keys(n))
    counts = (np.array(after.kind) != np.array(kind)).sum(0)
    assert counts.sum() == n
    assert not counts[taken].any()
    share = 1 / (8 - len(taken))
    free = np.delete(counts, taken)
    assert (np.abs(free - n * share) <= 5 * (n * share * (1 - share)) ** 0.5).all()


@pytest.mark.parametrize(("share", "kind"), [(0.0, ENEMY), (1.0, GOLD)])
def test_asterix_gold_share(share, kind):
    _, state = roll_out(Asterix(gold_share=share), 60)
    assert set(np.unique(state.kind)) == {NOBODY, kind}


def test_asterix_refuses():
    with pytest.raises(ValueError, match=r"gold_share must be a number from 0 to 1, not 1\.5"):
        Asterix(gold_share=1.5)
    with pytest.raises(ValueError, match="spawn_interval must be a whole number of at least 1"):
        Asterix(spawn_interval=0)


def freeway_state(game, time_limit=2500):
    x, _, timer, speed = np.array(game.cars).T
    return freeway.State(
        row=game.pos,
        wait=int(game.move_timer),
        place=x,
        timer=timer,
        speed=speed,
        time=time_limit - game.terminate_timer,
    )


def go_up(game, rng):
    return int(rng.choice(3, p=[0.1, 0.75, 0.15]))


def freeway_chance(drawn, rng):
    """The reference's random numbers as ours; numbers without meaning where it drew none."""
    if not drawn:
        return rng.integers(1, 6, 8)
    pause, side = drawn
    return pause * np.where(side < 0.5, -1, 1)


@pytest.mark.parametrize(
    ("steps", "interval", "limit"), [(6_000, 3, 2500), (1_000, 1, 100), (1_000, 5, 30)]
)
def test_freeway_step_for_step(play_minatar, monkeypatch, steps, interval, limit):
    monkeypatch.setattr("minatar.environments.freeway.player_speed", interval)
    monkeypatch.setattr("minatar.environments.freeway.time_limit", limit)
    seen = lambda game: freeway_state(game, limit)
    play = play_minatar("freeway", steps, go_up, seen)
    rng = np.random.default_rng(0)
    chances = [freeway_chance(d, rng) for d in play.drawn]
    env = Freeway(move_interval=interval, time_limit=limit)
    before, after = check(env, play, chances)

    assert play.terminated.sum() == steps // (limit + 1)
    assert before.time.max() == limit
    moved = after.row - before.row
    assert {-1, 0, 1} <= set(np.unique(moved))
    if limit > 30:
        assert play.reward.any()
        assert (moved > 1)[play.reward == 0].any()  # hit by a car
    wrapped = np.abs(after.place - before.place) == 9
    assert (wrapped & (after.speed > 0)).any()
    assert (wrapped & (after.speed < 0)).any()
    assert len(np.unique(before.speed)) == 10


@pytest.mark.parametrize(("shortest", "longest"), [(1, 5), (2, 4), (5, 5)])
def test_freeway_speeds_are_drawn_alike(shortest, longest):
    n = 20_000
    env = Freeway(shortest_pause=shortest, longest_pause=longest)
    pauses = list(range(shortest, longest + 1))
    expected = [-i for i in reversed(pauses)] + pauses
    state, obs = jax.jit(jax.vmap(env.reset))(keys(n))
    np.testing.assert_array_equal(jax.vmap(env.picture)(state), obs)
    for speed in (np.asarray(state.speed), np.asarray(jax.vmap(env.chance)(keys(n, 1)))):
        assert np.unique(speed).tolist() == expected
        share = 1 / len(expected)
        counts = np.stack([(speed == value).sum(0) for value in expected])
        assert (np.abs(counts - n * share) < 5 * (n * share * (1 - share)) ** 0.5).all()
        assert (np.abs(np.corrcoef(speed.T) - np.eye(8)) < 5 / n**0.5).all()


def test_freeway_starts_as_the_references(play_minatar):
    """But for the speeds all starts are the same one."""
    play = play_minatar("freeway", 1, go_up, freeway_state)
    theirs = stacked(play.before)
    state, _ = jax.vmap(Freeway().reset)(keys(4))
    for name in ("row", "wait", "place", "time"):
        np.testing.assert_array_equal(
            getattr(state, name), np.repeat(getattr(theirs, name), 4, 0), err_msg=name
        )
    np.testing.assert_array_equal(state.timer, np.abs(state.speed))
    np.testing.assert_array_equal(theirs.timer, np.abs(theirs.speed))


@pytest.mark.parametrize("pauses", [(3, 2), (1, 6)])
def test_freeway_refuses(pauses):
    with pytest.raises(ValueError, match="shortest_pause must be at most longest_pause, and that"):
        Freeway(shortest_pause=pauses[0], longest_pause=pauses[1])


def roll_out(env, length, seed=0):
    """Steps and states under random actions, from one reset on."""
    action_key, reset_key, step_key = jax.random.split(prng.key(seed), 3)
    actions = jax.random.randint(action_key, (length,), 0, int(env.action_space.n))

    def step(state, now):
        after, step = env.step(state, *now)
        return after, (step, after)

    state, _ = env.reset(reset_key)
    _, (steps, states) = jax.lax.scan(step, state, (actions, jax.random.split(step_key, length)))
    return steps, states


@pytest.mark.parametrize("name", GAMES)
def test_spaces_are_minatars(name):
    from minatar.gym import BaseEnv

    env, theirs = GAMES[name](), BaseEnv(name, use_minimal_action_set=True)
    assert env.observation_space == theirs.observation_space
    assert env.action_space == theirs.action_space
    assert list(env.channels) == list(theirs.game.env.channels)
    steps, _ = roll_out(env, 50)
    assert all(env.observation_space.contains(np.asarray(obs)) for obs in steps.obs)


@pytest.mark.parametrize("name", ["asterix", "freeway"])
def test_a_step_is_its_chance_and_its_advance(name):
    env, action = GAMES[name](), jnp.int32(1)
    state, _ = env.reset(prng.key(0))
    one = env.step(state, action, prng.key(1))
    two = env.advance(state, action, env.chance(prng.key(1)))
    assert all(map(np.array_equal, jax.tree.leaves(one), jax.tree.leaves(two)))
