import re
import sys
from dataclasses import asdict, fields, replace
from itertools import count

import gymnasium
import numpy as np
import pytest
from gymnasium.error import (
    AlreadyPendingCallError,
    DependencyNotInstalled,
    InvalidAction,
    NoAsyncCallError,
    ResetNeeded,
)
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

from palestra.core import Frames
from palestra.envs.host import atari
from palestra.envs.host.atari import SPECIFICATIONS, AtariVector, Preprocessing, game_of

PLAIN = Preprocessing(
    noop_max=0, fire_reset=False, fire_life=False, life_loss=False, clip_reward=False
)
NATURE = SPECIFICATIONS["nature-2015"]
FIRE = 1  # in the games below


@pytest.fixture
def make():
    """Makes games that are closed at the end of the test."""
    made = []

    def make(game, preprocessing=PLAIN, num_envs=1, **kwargs):
        made.append(AtariVector(game, num_envs, preprocessing, num_threads=2, **kwargs))
        return made[-1]

    yield make
    for envs in made:
        envs.close()


class Opening(gymnasium.Wrapper):
    """Begins games as ale-py's vectors do: FIRE for a frame, then so many without action."""

    fire, frames = False, 0

    def reset(self, **kwargs):
        out = self.env.reset(**kwargs)
        for i in range(self.frames):
            self.env.step(FIRE if self.fire and i == 0 else 0)
        return out


class Reference:
    """Gymnasium's own preprocessing of a game, observations in our layout."""

    def __init__(self, env_id, p):
        env = gymnasium.make(
            env_id, frameskip=1, repeat_action_probability=p.sticky, disable_env_checker=True
        )
        self.opening = Opening(env.unwrapped)
        self.opening.fire = p.fire_reset
        env = AtariPreprocessing(
            self.opening,
            noop_max=0,
            frame_skip=p.frame_skip,
            screen_size=(p.width, p.height),
            grayscale_obs=p.gray,
            grayscale_newaxis=True,
        )
        self.env = FrameStackObservation(env, p.stack, padding_type="reset")

    def reset(self, frames, seed=None):
        self.opening.frames = frames
        return self.laid_out(self.env.reset(seed=seed)[0])

    def step(self, action):
        obs, *rest = self.env.step(action)
        return self.laid_out(obs), *rest[:3]

    @staticmethod
    def laid_out(obs):  # [stack, H, W, C] -> [H, W, stack * C]
        return np.moveaxis(obs, 0, 2).reshape(*obs.shape[1:3], -1)


@pytest.mark.parametrize(
    ("env_id", "actions", "changes", "games"),
    [
        ("ALE/Pong-v5", 1, {}, 1),  # who does nothing loses soon
        ("ALE/Breakout-v5", 4, {"noop_max": 30, "fire_reset": True}, 3),
        ("ALE/Seaquest-v5", 18, {"noop_max": 7, "frame_skip": 5}, 1),
        ("ALE/Boxing-v5", 18, {"gray": False, "height": 40, "width": 52, "stack": 3}, 0),
    ],
)
def test_whole_games_equal_those_of_gymnasiums_preprocessing(make, env_id, actions, changes, games):
    p, rng = replace(PLAIN, **changes), np.random.default_rng(1)
    envs, reference = make(game_of(env_id), p), Reference(env_id, p)
    obs, info = envs.reset(seed=3)
    played, opened = 0, [int(info["episode_frame_number"][0])]
    np.testing.assert_array_equal(obs[0], reference.reset(opened[0], seed=0))
    for t in count():
        action = rng.integers(actions)
        obs, reward, terminated, truncated, info = envs.step(np.array([action]))
        expected, *outcome = reference.step(action)
        assert [reward[0], terminated[0], truncated[0]] == outcome
        if terminated[0]:
            np.testing.assert_array_equal(info["final_obs"][0], expected)
            opened.append(int(info["episode_frame_number"][0]))
            expected = reference.reset(opened[-1])
            played += 1
        np.testing.assert_array_equal(obs[0], expected)
        if played == games and t >= 100:
            break
    assert max(opened) <= p.noop_max
    assert (p.noop_max == 0) or len(set(opened)) > 1  # drawn anew for every game


def test_the_articles_view_of_pong(make):
    p = replace(SPECIFICATIONS["article-pong"], noop_max=0, fire_reset=False)
    envs = make("pong", p)
    env = gymnasium.make("ALE/Pong-v5", frameskip=1, repeat_action_probability=0.0).unwrapped
    rng, seen = np.random.default_rng(0), []

    def article(screen):  # line by line as the article has it
        image = screen[35:195]
        image = image[::2, ::2, 0].copy()
        image[image == 144] = 0
        image[image == 109] = 0
        image[image != 0] = 1
        return image

    obs, _ = envs.reset(seed=0)
    screen, _ = env.reset(seed=0)
    seen += 4 * [article(screen)]
    for _ in range(150):
        np.testing.assert_array_equal(obs[0] / 255, np.stack(seen[-4:], axis=-1))
        action = rng.integers(6)
        obs, *_ = envs.step(np.array([action]))
        for _ in range(4):
            screen, *_ = env.step(action)
        seen.append(article(screen))
    assert {x.sum() for x in seen[:1]} != {seen[-1].sum()}  # the ball came, the paddles moved
    assert envs.single_observation_space == Frames(80, 80, stack=4)


def test_the_small_view_is_the_brightest_of_four_pixels(make):
    views = [make("pong", SPECIFICATIONS[name]) for name in ("article-pong", "laptop-pong")]
    large, small = (envs.reset(seed=0)[0] for envs in views)
    rng = np.random.default_rng(0)
    for _ in range(40):
        squares = large[0].reshape(40, 2, 40, 2, 4)
        np.testing.assert_array_equal(small[0], squares.max((1, 3)))
        action = np.array([rng.integers(6)])
        large, small = (envs.step(action)[0] for envs in views)
    assert 0 < (small == 255).mean() < 0.05


def test_a_lost_life_ends_the_return_and_the_game_goes_on(make):
    learner, watcher = (make("breakout", NATURE, training=training) for training in (True, False))
    (before, _), _ = learner.reset(seed=0), watcher.reset(seed=0)
    assert learner.single_action_space.n == 4
    lives, points, steps, lost, games = 5, 0.0, 0, 0, 0
    rng = np.random.default_rng(0)
    while games < 2:
        action = np.array([rng.integers(4)])
        obs, _, terminated, truncated, info = learner.step(action)
        whole, points_now, over, cut, told = watcher.step(action)
        points, steps = points + points_now[0], steps + 1
        now = info["lives"][0]
        assert not truncated[0]
        assert not cut[0]
        np.testing.assert_array_equal(obs[..., -1], whole[..., -1])
        life = not over[0] and now < lives
        assert terminated[0] == (over[0] or life)
        assert ("final_obs" in info) == terminated[0]
        if terminated[0]:
            assert (obs == obs[..., -1:]).all()  # the first frame stands in for those before it
            np.testing.assert_array_equal(info["final_obs"][0][..., :-1], before[0, ..., 1:])
            assert info["_episode"][0] == over[0]  # a life is no game
        if life:
            lost += 1
            assert "final_obs" not in told
            np.testing.assert_array_equal(info["final_obs"][0][..., -1], obs[0, ..., -1])
        if over[0]:
            assert (info["episode"]["r"][0], info["episode"]["l"][0]) == (points, steps)
            assert told["episode"]["r"][0] == points
            points, steps, games = 0.0, 0, games + 1
        before, lives = obs, now
    assert lost == 8


class Script:
    """An emulator that answers with what it was given: points, lives, whether the game is over."""

    def __init__(self, *answers):
        self.answers = iter(answers)

    def send(self, actions):
        pass

    def recv(self):
        points, lives, over = next(self.answers)
        frames = np.zeros((1, 1, 84, 84), np.uint8)
        info = {"lives": np.array([lives]), "episode_frame_number": np.array([0])}
        info["final_obs"] = frames
        return frames, np.array([points]), np.array([over]), np.array([False]), info


def test_what_counts_as_a_lost_life_and_how_points_are_clipped(make):
    envs = make("breakout", NATURE)
    envs.reset(seed=0)  # with five lives
    script = [  # points, lives, over; then what is told, and whether FIRE follows
        ((7, 6, False), (1, False), False),  # one more
        ((-7, 5, False), (-1, True), True),
        ((1, 0, False), (1, False), False),  # the last life is lost as the game is over
        ((0, 5, True), (0, True), False),
        ((0, 6, False), (0, False), False),
        ((-1, 5, True), (-1, True), False),  # of the next game: none is lost
        ((0, 5, False), (0, False), False),
    ]
    envs._games = Script(*(row[0] for row in script))
    fires = False
    for _, told, fires_next in script:
        _, reward, terminated, _, info = envs.step(np.array([0]))
        assert (reward[0], terminated[0]) == told
        assert info["action"][0] == (FIRE if fires else 0)
        fires = fires_next


def test_games_without_lives_lose_none(make):
    envs = make("freeway", NATURE)
    envs.reset(seed=0)
    for _ in range(60):
        *_, terminated, _, info = envs.step(np.array([1]))
        assert not terminated[0]
        assert info["lives"][0] == 0


@pytest.mark.parametrize("fire_life", [True, False])
def test_fire_follows_a_lost_life_whatever_is_chosen(make, fire_life):
    """In Breakout no ball comes without it."""
    envs = make("breakout", replace(NATURE, noop_max=0, fire_life=fire_life), training=False)
    envs.reset(seed=0)
    lives, after = 5, False
    for _ in range(150):
        *_, terminated, _, info = envs.step(np.array([0]))
        assert info["action"][0] == (FIRE if after and fire_life else 0)
        after = 0 < info["lives"][0] < lives
        lives = info["lives"][0]
        if terminated[0]:
            break
    assert terminated[0] == fire_life
    assert lives == (5 if fire_life else 4)  # of the next game, or stuck


def test_rewards_are_clipped_in_training_alone(make):
    training, watching = (make("space_invaders", NATURE, training=t) for t in (True, False))
    training.reset(seed=0), watching.reset(seed=0)
    rng, paid = np.random.default_rng(0), set()
    for _ in range(200):
        action = np.array([rng.integers(6)])
        _, clipped, *_ = training.step(action)
        _, reward, *_ = watching.step(action)
        assert clipped == np.sign(reward)
        assert clipped.dtype == reward.dtype == np.float64
        paid.add(reward[0])
    assert max(paid) > 1


def test_episodes_are_the_sums_of_whole_games(make):
    envs = make("breakout", NATURE, num_envs=3)
    points = make("breakout", NATURE, num_envs=3, training=False)
    envs.reset(seed=5), points.reset(seed=5)
    total, steps, ended = np.zeros(3), np.zeros(3, int), 0
    rng = np.random.default_rng(2)
    while ended < 4:
        actions = rng.integers(4, size=3)
        _, _, terminated, _, info = envs.step(actions)
        _, reward, over, *_ = points.step(actions)
        total, steps = total + reward, steps + 1
        np.testing.assert_array_equal(info.get("_episode", np.zeros(3, bool)), over)
        np.testing.assert_array_equal(info.get("_final_obs", np.zeros(3, bool)), terminated)
        if terminated.any():
            np.testing.assert_array_equal(info["episode"]["r"], np.where(over, total, 0))
            np.testing.assert_array_equal(info["episode"]["l"], np.where(over, steps, 0))
            assert [x is not None for x in info["final_obs"]] == terminated.tolist()
        total[over], steps[over] = 0, 0
        ended += over.sum()


@pytest.mark.parametrize(
    ("noop_max", "fire_reset", "frames"), [(0, False, {0}), (1, False, {0, 1}), (2, True, {1, 2})]
)
def test_games_begin_with_frames_without_action(make, noop_max, fire_reset, frames):
    envs = make("pong", replace(PLAIN, noop_max=noop_max, fire_reset=fire_reset))
    begun = [envs.reset(seed=0 if i == 0 else None)[1] for i in range(20)]
    assert {int(info["episode_frame_number"][0]) for info in begun} == frames


def test_a_game_may_not_begin_without_a_frame_where_that_is_asked_for(make):
    assert SPECIFICATIONS["envpool"].noop_min == 1  # as EnvPool and AtariPreprocessing draw them
    drawn = replace(PLAIN, noop_max=2, noop_min=1, fire_reset=False, max_frames=12)
    envs = make("pong", drawn, num_envs=4)
    _, info = envs.reset(seed=0)
    begun = set(info["episode_frame_number"].tolist())
    for _ in range(20):
        info = envs.step(np.zeros(4, int))[-1]
        over = info.get("_episode", np.zeros(4, bool))
        begun |= set(info["episode_frame_number"][over].tolist())
    assert begun == {1, 2}
    with pytest.raises(ValueError, match="noop_min must not be above noop_max, 0, but is 1"):
        replace(PLAIN, noop_max=0, noop_min=1)


def test_the_same_seed_gives_the_same_games(make):
    envs = make("breakout", SPECIFICATIONS["machado-2018"], num_envs=2)

    def play(seed):
        rng, (obs, _) = np.random.default_rng(0), envs.reset(seed=seed)
        seen = [obs]
        for _ in range(60):
            seen.append(envs.step(rng.integers(18, size=1).repeat(2))[0])
        return np.stack(seen)

    first = play(7)
    np.testing.assert_array_equal(first, play(7))  # which also says that none was written over
    np.testing.assert_array_equal(first[:, ::-1], play([8, 7]))  # the i-th has seed + i
    assert (first != play(9)).any()
    assert (first[:, 0] != first[:, 1]).any()  # actions stick by chance
    assert envs.single_action_space.n == 18
    assert (play(None) != play(None)).any()


def test_a_game_is_truncated_after_its_frames(make):
    envs = make("pong", replace(PLAIN, max_frames=20))
    envs.reset(seed=0)
    for t in range(1, 16):
        obs, _, terminated, truncated, info = envs.step(np.array([2]))
        assert (terminated[0], truncated[0]) == (False, t % 5 == 0)
        if truncated[0]:
            assert info["episode"]["l"][0] == 5
            assert (info["final_obs"][0] != obs[0]).any()
            assert (obs == obs[..., -1:]).all()


def test_the_screen_is_that_of_the_game_under_way(make):
    p = replace(SPECIFICATIONS["article-pong"], sticky=0.25)
    envs = make("pong", p, num_envs=2, render_mode="rgb_array")
    with pytest.raises(ResetNeeded):
        envs.render()
    rng, (obs, _) = np.random.default_rng(0), envs.reset()  # unseeded both are alike, too
    for _ in range(100):
        screens = np.stack(envs.render())
        assert (screens.shape, screens.dtype) == ((2, 210, 160, 3), np.uint8)
        court = screens[:, 35:195:2, ::2, 0]
        np.testing.assert_array_equal(obs[..., -1] == 255, ~np.isin(court, (0, 109, 144)))
        obs, *_ = envs.step(rng.integers(6, size=2))
    assert make("pong").render() is None


def test_sending_and_receiving_are_a_step(make):
    one, two = make("pong", num_envs=2), make("pong", num_envs=2)
    with pytest.raises(ResetNeeded):
        one.send(np.array([0, 0]))
    one.reset(seed=0), two.reset(seed=0)
    with pytest.raises(NoAsyncCallError):
        one.recv()
    for action in ([2, 3], [5, 0]):
        one.send(np.array(action))
        with pytest.raises(AlreadyPendingCallError):
            one.send(np.array(action))
        for a, b in zip(one.recv()[:4], two.step(action)[:4], strict=True):
            np.testing.assert_array_equal(a, b)
    one.send(np.array([0, 0]))
    one.reset(seed=0)  # forgets what is on its way
    with pytest.raises(NoAsyncCallError):
        one.recv()


def test_it_says_what_it_is(make, capfd):
    envs = make("ms_pacman", NATURE, num_envs=2)
    assert envs.single_observation_space == Frames(84, 84, stack=4)
    assert envs.observation_space.shape == (2, 84, 84, 4)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    obs, info = envs.reset(seed=0)
    assert obs in envs.observation_space
    assert (info["lives"] == 3).all()
    assert (obs == obs[..., -1:]).all()
    obs, *_ = envs.step(envs.action_space.sample())
    assert obs in envs.observation_space
    assert capfd.readouterr() == ("", "")  # no banner


@pytest.mark.parametrize("actions", [[0], [0, 6], [-1, 0], [0.0, 1.0], [[0, 0]]])
def test_actions_that_are_none_are_refused(make, actions):
    envs = make("pong", num_envs=2)
    envs.reset(seed=0)
    with pytest.raises(InvalidAction):
        envs.step(np.array(actions))
    envs.step(np.array([0, 5]))  # it is as it was


@pytest.mark.parametrize(
    ("seed", "options", "words"),
    [(-1, None, "at least 0"), ([1, 2, 3], None, "2 of them"), (0, {"x": 1}, "no options")],
)
def test_resets_that_cannot_be_are_refused(make, seed, options, words):
    with pytest.raises(ValueError, match=words):
        make("pong", num_envs=2).reset(seed=seed, options=options)


@pytest.mark.parametrize(
    ("env_id", "game"),
    [
        ("ALE/Pong-v5", "pong"),
        ("ALE/MsPacman-v5", "ms_pacman"),
        ("PongNoFrameskip-v4", "pong"),
        ("SpaceInvadersDeterministic-v0", "space_invaders"),
        ("UpNDown-v4", "up_n_down"),
        ("Pong-v0", "pong"),
        ("CartPole-v0", None),
        ("CartPole-v1", None),
        ("Ant-v4", None),
        ("Pnog-v4", None),  # somebody else may have that form
        ("MinAtar/Breakout-v1", None),
    ],
)
def test_games_by_their_ids(env_id, game):
    assert game_of(env_id) == game
    assert atari.is_atari(env_id) == (game is not None)


@pytest.mark.parametrize(
    ("env_id", "nearest"),
    [
        ("ALE/Pnog-v5", "ALE/Pong-v5"),
        ("ALE/Pong-v4", "ALE/Pong-v5"),
        ("BreakoutNoFrameSkip-v4", None),
        ("BraekoutNoFrameskip-v4", "BreakoutNoFrameskip-v4"),
        ("PnogDeterministic-v4", "PongDeterministic-v4"),
    ],
)
def test_unknown_games_name_the_nearest(env_id, nearest):
    if nearest is None:
        assert game_of(env_id) is None
        return
    assert atari.is_atari(env_id)
    sentence = f"There is no Atari game '{env_id}'; did you mean '{nearest}'?"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        game_of(env_id)


def test_what_else_cannot_be_is_refused():
    with pytest.raises(ValueError, match="did you mean 'breakout'"):
        AtariVector("braekout", 1, NATURE)
    with pytest.raises(ValueError, match="num_envs must be a whole number of at least 1"):
        AtariVector("pong", 0, NATURE)
    with pytest.raises(ValueError, match="render_mode must be"):
        AtariVector("pong", 1, NATURE, render_mode="human")
    with pytest.raises(ValueError, match="sticky must be a number from 0 to 1"):
        Preprocessing(sticky=1.5)
    with pytest.raises(ValueError, match="'crop' is 80 x 80 or 40 x 40 in gray, not 84 x 84"):
        Preprocessing(view="crop")
    with pytest.raises(ValueError, match="height and width may be 1000 at most and stack 64"):
        Preprocessing(width=10**6)


def test_without_ale_py_the_install_line_is_told(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("ale_py")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DependencyNotInstalled, match=re.escape("pip install 'palestra[atari]'")):
        game_of("ALE/Pong-v5")
    with pytest.raises(DependencyNotInstalled):
        AtariVector("pong", 1, NATURE)
    assert game_of("CartPole-v0") is None
    assert atari.ids() == ()


def test_every_specification_is_plain_data_and_differs_from_the_rest():
    assert atari.DEFAULT in SPECIFICATIONS
    assert len(set(map(repr, SPECIFICATIONS.values()))) == len(SPECIFICATIONS)
    for p in SPECIFICATIONS.values():
        assert {type(x) for x in asdict(p).values()} <= {str, int, float, bool}
        assert Preprocessing(**asdict(p)) == p
    rows = atari.differences().splitlines()
    assert rows[0].split(" | ")[1:] == [*list(SPECIFICATIONS)[:-1], f"{[*SPECIFICATIONS][-1]} |"]
    assert len(rows) == 2 + len(fields(Preprocessing))
    assert "| `sticky` | 0.0 | 0.25 | 0.0 | 0.0 | 0.0 | 0.0 | 0.25 |" in rows
    assert "| `full_action_space` | no | yes | no | no | no | no | no |" in rows
