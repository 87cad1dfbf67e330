"""Single environments, as Gymnasium and the programs written for it take them."""

import pickle
import re
import warnings
from collections import OrderedDict
from copy import deepcopy
from itertools import pairwise
from typing import NamedTuple

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.utils.env_checker import check_env, check_space_limit
from gymnasium.vector import SyncVectorEnv

import palestra
from palestra import envs
from palestra.core import Step, hyperparameters
from palestra.envs.classic.cartpole import CartPole
from palestra.envs.gym import single as gym
from palestra.envs.gym.players import AHEAD, Compiled, Translated, player, translation
from palestra.envs.gym.vector import PalestraVectorEnv
from palestra.envs.transforms import (
    ActionRepeat,
    DomainRandomization,
    FrameStack,
    StickyActions,
    TimeLimit,
)

IDS = list(envs.ENVIRONMENTS)
EVERY = pytest.mark.parametrize("env_id", IDS)
THEIRS = [i for i in IDS if i in gymnasium.registry]
KINDS = [
    "CartPole-v1",
    "Pendulum-v1",
    "FrozenLake-v1",
    "Taxi-v4",
    "Blackjack-v1",
    "MinAtar/Breakout-v1",
]
LIMIT = 12  # one for all, since every other is compiled anew; most episodes end by it
TINY = [pytest.param(i, marks=pytest.mark.tiny) if i == "CartPole-v1" else i for i in IDS]
ONE_SENTENCE = re.compile(r"[^.]([^.]|\.\S)*[.?]")
# Gymnasium says so of the environment of the same name, too.
OUT_OF_DATE = "ignore:.*palestra/(Discrete-)?CartPole-v0 is out of date:DeprecationWarning"


@pytest.fixture
def screen(monkeypatch):
    """A screen that nobody sees, and that does not wait for the next picture."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pygame says when it is imported
        import pygame
    monkeypatch.setattr(pygame.time, "Clock", Timeless)
    yield pygame
    pygame.quit()


class Timeless:
    def tick(self, rate):
        assert rate > 0


def assert_same(one, other, tolerance=0.0):
    """The same types, and the same values: to a tolerance where they are floats."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_same(one[name], other[name], tolerance)
    elif isinstance(one, tuple | list):
        for x, y in zip(one, other, strict=True):
            assert_same(x, y, tolerance)
    elif one is not None:
        assert np.asarray(one).dtype == np.asarray(other).dtype
        near = tolerance if np.asarray(one).dtype.kind == "f" else 0
        np.testing.assert_allclose(one, other, rtol=near, atol=near)


def actions_of(env, count, seed=0):
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


def play(env, actions):
    """What the steps return; whenever an episode has ended, what the next reset returns too."""
    found = []
    for action in actions:
        found.append(env.step(action))
        if found[-1][2] or found[-1][3]:
            found.append(env.reset())
    return found


COUNT = 30


def course(env, count=COUNT, seed=5):
    return [env.reset(seed=seed), *play(env, actions_of(env, count))]


# The checker of Gymnasium.


def said_of_their_spaces(env_id):
    """What the checker says of the bounds of Gymnasium's own spaces, where ours are the same."""
    their_id = env_id.removeprefix("Positions/")
    if their_id not in THEIRS:
        return set()
    theirs, ours = gymnasium.make(their_id), palestra.make(env_id)
    kinds = ("action", "observation") if their_id == env_id else ("action",)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for kind in kinds:
            assert getattr(ours, f"{kind}_space") == getattr(theirs, f"{kind}_space")
            check_space_limit(getattr(theirs, f"{kind}_space"), kind)
    return {str(warning.message) for warning in said}


def check(env):
    """What the checker says of an environment."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        check_env(env)
    messages = {str(warning.message) for warning in said}
    return {text for text in messages if "CartPole-v0 is out of date" not in text}


@pytest.mark.parametrize("env_id", TINY)
def test_the_checker_has_nothing_to_say(env_id, screen):
    # The checker takes an environment whose first step is its last for a broken one.
    limit = -1 if envs.entry(env_id).limit == 1 else None
    assert check(palestra.make(env_id, max_episode_steps=limit)) == said_of_their_spaces(env_id)


@EVERY
@pytest.mark.filterwarnings(OUT_OF_DATE)
def test_the_checker_has_nothing_to_say_of_what_gymnasium_makes(env_id, screen):
    env = gymnasium.make(envs.registered(env_id))
    assert check(env.unwrapped) == said_of_their_spaces(env_id)


# Courses.


@EVERY
@pytest.mark.filterwarnings(OUT_OF_DATE)
def test_gymnasium_makes_the_same_environment(env_id):
    ours = palestra.make(env_id, max_episode_steps=LIMIT)
    theirs = gymnasium.make(envs.registered(env_id), max_episode_steps=LIMIT)
    assert isinstance(theirs.unwrapped, gym.PalestraEnv)
    seen = course(ours)
    assert_same(seen, course(theirs))
    assert len(seen) > COUNT + 2  # episodes have ended, twice at least


@EVERY
def test_both_players_take_the_same_course(env_id, monkeypatch):
    env = palestra.make(env_id, max_episode_steps=LIMIT)
    translated = translation(env.simulator) is not None
    ours = course(env)
    assert type(env.player) is (Translated if translated else Compiled)
    monkeypatch.setattr(gym, "player", Compiled)
    compiled = palestra.make(env_id, max_episode_steps=LIMIT)
    assert_same(course(compiled), ours, tolerance=1e-5)
    assert type(compiled.player) is Compiled


def test_numbers_drawn_ahead_last_for_long(monkeypatch):
    """Beyond those that are drawn in one call."""
    count = 2 * AHEAD + 9
    ours = course(palestra.make("FrozenLake-v1"), count)
    monkeypatch.setattr(gym, "player", Compiled)
    assert_same(course(palestra.make("FrozenLake-v1"), count), ours, tolerance=1e-6)


def test_small_simulators_are_translated():
    for env_id in ("CartPole-v1", "MountainCar-v0", "Pendulum-v1", "FrozenLake-v1", "Taxi-v4"):
        assert translation(envs.make(env_id)) is not None


# Types.


def kinds(x):
    """Types all the way down."""
    if isinstance(x, dict):
        return {name: kinds(value) for name, value in x.items()}
    if isinstance(x, tuple):
        return tuple(map(kinds, x))
    return (np.ndarray, x.dtype, x.shape) if isinstance(x, np.ndarray) else type(x)


@EVERY
def test_types(env_id):
    env = palestra.make(env_id)
    returned = course(env, 30)
    for result in returned:
        obs, info = result[0], result[-1]
        assert obs in env.observation_space
        assert all(not isinstance(x, jax.Array) for x in jax.tree.leaves((obs, info)))
        arrays = [x for x in jax.tree.leaves((obs, info)) if isinstance(x, np.ndarray)]
        assert all(x.flags.writeable for x in arrays)
        if len(result) == 5:
            assert kinds(result[1:4]) == (float, bool, bool)
    if isinstance(env.observation_space, spaces.Box):
        assert kinds(returned[0][0])[1:] == (
            env.observation_space.dtype,
            env.observation_space.shape,
        )


@pytest.mark.parametrize("env_id", THEIRS)
def test_types_are_those_of_gymnasium(env_id):
    ours, theirs = palestra.make(env_id), gymnasium.make(env_id)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    obs, info = ours.reset(seed=0)
    their_obs, their_info = theirs.reset(seed=0)
    assert kinds(obs) == kinds(their_obs)
    assert info.keys() == their_info.keys()
    action = theirs.action_space.sample()
    obs, _, _, _, info = ours.step(action)
    their_obs, _, _, _, their_info = theirs.step(action)
    assert kinds(obs) == kinds(their_obs)
    assert kinds(info) == kinds(their_info)


@pytest.mark.parametrize("env_id", KINDS)
@pytest.mark.parametrize("form", [player, Compiled])
def test_what_is_returned_is_the_callers(env_id, form, monkeypatch):
    """He may write into it: the environment goes on as if he had not."""
    monkeypatch.setattr(gym, "player", form)
    env, spoilt = (palestra.make(env_id, max_episode_steps=LIMIT) for _ in range(2))

    def spoil(tree):
        for leaf in jax.tree.leaves(tree):
            if isinstance(leaf, np.ndarray):
                leaf[...] = np.ones((), leaf.dtype)

    assert_same(env.reset(seed=1), spoilt.reset(seed=1))
    for action in actions_of(env, 20):
        expected, found = env.step(action), spoilt.step(action)
        assert_same(expected, found)
        spoil((found, spoilt.state, spoilt.get_state()))
        snapshot = env.get_state()
        spoilt.set_state(snapshot)
        spoil(snapshot)
        if expected[2] or expected[3]:
            expected, found = env.reset(), spoilt.reset()
            assert_same(expected, found)
            spoil(found)


# Simulators beyond the table.


class Seen(NamedTuple):
    """A number drawn at each step, and the time."""

    drawn: jax.Array
    time: jax.Array


@hyperparameters
class Medley:
    """Observations and infos of all kinds, by chance."""

    scale: float = 2.0

    observation_space = spaces.Dict(  # in an order that is not the alphabet's
        OrderedDict(
            {
                "z": spaces.Tuple([spaces.Discrete(3, start=-1), spaces.MultiBinary([2, 2])]),
                "a": spaces.Dict(
                    {"y": spaces.MultiDiscrete([4, 5]), "b": spaces.Box(0, 9, (1, 2))}
                ),
                "m": spaces.Box(0, 255, (2, 1), np.uint8),
            }
        )
    )
    action_space = spaces.Discrete(3, start=2)

    def reset(self, key):
        state = Seen(jax.random.uniform(key), jnp.zeros((), jnp.int32))
        return state, self.see(state)

    def step(self, state, action, key):
        chance = jax.random.uniform(key)
        state = Seen(chance * action.astype(jnp.float32) / 4, state.time + 1)
        return state, Step(self.see(state), chance, state.drawn > 0.8, state.time > 5)

    def see(self, state):
        u = state.drawn
        whole = lambda n: jnp.floor(u * n).astype(jnp.int32)
        return {
            "z": (whole(3) - 1, jnp.stack([u > 0.1, u > 0.3, u > 0.5, u > 0.7]).reshape(2, 2)),
            "a": {"y": jnp.stack([whole(4), whole(5)]), "b": jnp.stack([u, u * self.scale])[None]},
            "m": jnp.stack([whole(200), whole(9)]).astype(jnp.uint8)[:, None],
        }

    def info(self, state):
        return {"time": state.time, "late": state.time > 3, "both": jnp.stack([state.drawn] * 2)}


WORLDS = {
    "medley": Medley(),
    "sticky": StickyActions(env=envs.make("CartPole-v1", limit=LIMIT), probability=0.3),
    "repeated": ActionRepeat(env=envs.make("CartPole-v1", limit=LIMIT), count=3),
    "stacked": FrameStack(env=envs.make("Pendulum-v1", limit=LIMIT), count=3),
    "randomized": DomainRandomization(
        env=envs.make("CartPole-v1", limit=LIMIT), ranges=(("pole_mass", 0.1, 1.0),)
    ),
    "an array": TimeLimit(env=CartPole(pole_mass=jnp.float32(0.3)), limit=LIMIT),
}


@pytest.mark.parametrize("name", WORLDS)
def test_any_simulator_may_be_played(name, monkeypatch):
    env = gym.PalestraEnv(WORLDS[name])
    ours = course(env)
    assert all(result[0] in env.observation_space for result in ours)
    assert len(ours) > COUNT + 2
    if name == "medley":
        assert type(env.player) is Translated
        assert kinds(ours[1][-1]) == {
            "time": int, "late": bool, "both": (np.ndarray, np.dtype("float32"), (2,)),
        }  # fmt: skip
    monkeypatch.setattr(gym, "player", Compiled)
    again = gym.PalestraEnv(WORLDS[name])
    assert_same(course(again), ours, tolerance=1e-5)
    singles = SyncVectorEnv([lambda i=i: gym.PalestraEnv(WORLDS[name]) for i in range(3)])
    many = PalestraVectorEnv(WORLDS[name], 3)
    assert many.observation_space == singles.observation_space
    assert_same(many.reset(seed=5), singles.reset(seed=5), tolerance=1e-5)
    for actions in actions_of(many, COUNT):
        assert_same(many.step(actions), singles.step(actions), tolerance=1e-5)


def test_an_array_is_a_parameter_as_a_number_is():
    one = palestra.make("CartPole-v1", pole_mass=np.float32(0.3), max_episode_steps=LIMIT)
    other = palestra.make("CartPole-v1", pole_mass=jnp.float32(0.3), max_episode_steps=LIMIT)
    assert_same(course(one), course(other), tolerance=1e-5)


# Seeds.

DRAWN = ("CartPole-v1", "Pendulum-v1", "Taxi-v4", "Blackjack-v1", "MinAtar/Breakout-v1")


def begun(env, seed=None, count=8):
    """The first observations of several episodes, of which only the first is seeded."""
    return [env.reset(seed=seed)[0], *(env.reset()[0] for _ in range(count - 1))]


@pytest.mark.parametrize("env_id", DRAWN)
def test_seeds(env_id):
    one, other = palestra.make(env_id), palestra.make(env_id)
    differ = lambda a, b: str(a) != str(b)
    assert differ(begun(one, count=60), begun(other, count=60))  # unseeded, of two starts at least
    assert differ(begun(one, count=60), begun(one, count=60))
    assert_same(begun(one, seed=7), begun(other, seed=7))
    assert differ(begun(one, seed=7), begun(one, seed=8))  # the same at every run of this test
    first, *rest = begun(one, seed=7, count=20)
    assert any(differ(first, obs) for obs in rest)  # not the same start over and over


@pytest.mark.parametrize("seed", [0, 2**31, 2**32 + 1, 2**63, 2**64 - 1, 2**100 + 3])
def test_any_whole_number_is_a_seed(seed):
    env = palestra.make("CartPole-v1")
    again = begun(palestra.make("CartPole-v1"), seed=seed)
    assert_same(begun(env, seed=seed), again)
    assert env.np_random_seed == seed
    others = [begun(env, seed=s) for s in (seed + 1, seed + 2**32, seed // 2 + 3)]
    assert all(not np.array_equal(again, other) for other in others)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_numpys_whole_numbers_are_seeds(kind):
    env = palestra.make("CartPole-v1")
    assert_same(begun(env, seed=kind(5)), begun(env, seed=5))


def test_negative_seeds_are_refused_as_in_gymnasium():
    for env in (palestra.make("CartPole-v1"), gymnasium.make("CartPole-v1")):
        with pytest.raises(gymnasium.error.Error, match=r"^Seed must be greater or equal to zero"):
            env.reset(seed=-1)


def test_unseeded_play_goes_on_from_the_seed_before():
    env = palestra.make("CartPole-v1")
    env.reset(seed=3)
    first = play(env, actions_of(env, 50))
    again = course(palestra.make("CartPole-v1"), 50, seed=3)[1:]
    assert_same(first, again)
    starts = [result[0] for result in first if len(result) == 2]
    assert len(starts) > 1
    assert all(not np.array_equal(a, b) for a, b in pairwise(starts))


# States.


def carried_over(env):
    """The same environment, in every way in which it may be carried elsewhere."""
    name = env.spec.kwargs["env_id"]
    fresh, elsewhere = (palestra.make(name, max_episode_steps=LIMIT) for _ in range(2))
    fresh.set_state(env.get_state())
    elsewhere.reset(seed=99)
    elsewhere.set_state(pickle.loads(pickle.dumps(env.get_state())))
    return fresh, elsewhere, deepcopy(env), pickle.loads(pickle.dumps(env))


@EVERY
def test_a_state_is_all_there_is(env_id, monkeypatch):
    for form in (player, Compiled):
        monkeypatch.setattr(gym, "player", form)
        env = palestra.make(env_id, max_episode_steps=LIMIT)
        env.reset(seed=5)
        actions = actions_of(env, 2 * LIMIT + 7 + 20)
        before, after = actions[:-20], actions[-20:]
        play(env, before)  # into the middle of an episode, in most
        others = carried_over(env)
        snapshot = env.get_state()
        expected = play(env, after)
        assert any(len(result) == 2 for result in expected)
        for other in others:
            assert_same(play(other, after), expected)
        env.set_state(snapshot)
        assert_same(play(env, after), expected)
        if type(env.player) is Compiled:
            break  # there is no other form


def test_numbers_drawn_ahead_are_those_of_the_state():
    """States of one stream after those of another, at the same event."""
    env = palestra.make("FrozenLake-v1")
    snapshots, expected = [], []
    for seed in range(6):
        env.reset(seed=seed)
        snapshots.append(env.get_state())
        expected.append(play(env, [2] * 12))
    assert not all(str(e) == str(expected[0]) for e in expected)
    for _ in range(2):
        for snapshot, play_out in zip(snapshots, expected, strict=True):
            env.set_state(snapshots[0])  # without a step: nothing is drawn of it
            env.set_state(snapshot)
            assert_same(play(env, [2] * 12), play_out)


def test_state_is_a_copy():
    env = palestra.make("CartPole-v1")
    obs, _ = env.reset(seed=0)
    state = env.state.inner
    assert_same(np.stack(state), obs)
    env.step(0)
    np.testing.assert_array_equal(np.stack(state), obs)
    assert not np.array_equal(np.stack(env.state.inner), obs)


@pytest.mark.parametrize("other", ["Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "many"])
def test_states_of_another_kind_are_refused(other):
    if other == "many":
        stranger = palestra.make_vec("CartPole-v1", num_envs=2)
    else:
        stranger = palestra.make(other)
    stranger.reset(seed=0)
    env = palestra.make("CartPole-v1")
    with pytest.raises(
        ValueError, match=r"^this state was taken from another kind of environment\.$"
    ):
        env.set_state(stranger.get_state())


# The specification.


@EVERY
@pytest.mark.filterwarnings(OUT_OF_DATE)
def test_the_like_is_made_from_the_spec(env_id):
    env, row = palestra.make(env_id), envs.entry(env_id)
    assert env.spec.id == envs.registered(env_id)
    assert env.spec.max_episode_steps == row.limit
    assert env.spec.reward_threshold == row.threshold
    assert env.spec.id in env.spec.pprint(disable_print=True)
    for like in (gymnasium.make(env.spec), palestra.make(env.spec), env.spec.make()):
        assert like.spec.max_episode_steps == row.limit
        inside = getattr(env.simulator, "env", env.simulator) if row.limit else env.simulator
        assert like.unwrapped.simulator == inside
    if env_id in THEIRS:
        assert env.spec.reward_threshold == gymnasium.spec(env_id).reward_threshold


def test_arguments_are_kept_in_the_spec():
    env = palestra.make("CartPole-v1", max_episode_steps=7, render_mode="rgb_array", pole_mass=0.3)
    like = gymnasium.make(env.spec)
    assert like.unwrapped.simulator.pole_mass == 0.3
    assert like.render_mode == "rgb_array"
    assert like.spec.max_episode_steps == 7
    assert_same(course(like), course(env))
    assert palestra.make("CartPole-v1").unwrapped.simulator.env.pole_mass == 0.1
    assert gymnasium.spec("palestra/CartPole-v1").kwargs == {"env_id": "CartPole-v1"}
    assert palestra.make("CartPole-v1", max_episode_steps=-1).spec.max_episode_steps is None


@pytest.mark.parametrize(
    "name", ["MinAtar/Breakout-v1", "palestra/MinAtar/Breakout-v1", "palestra/MinAtar-Breakout-v1"]
)
def test_all_forms_of_an_id(name):
    assert palestra.make(name).spec.id == "palestra/MinAtar-Breakout-v1"


def test_the_name_is_shown():
    assert str(palestra.make("CartPole-v1")) == "<PalestraEnv<palestra/CartPole-v1>>"
    assert "palestra/CartPole-v1" in repr(gymnasium.make("palestra/CartPole-v1"))


# Pictures.


@EVERY
def test_pictures(env_id):
    env = palestra.make(env_id)
    for mode in env.metadata["render_modes"]:
        if mode == "human":
            continue
        shown = palestra.make(env_id, render_mode=mode, max_episode_steps=LIMIT)
        assert shown.render_mode == mode
        shown.reset(seed=0)
        play(shown, actions_of(shown, 3))
        picture = shown.render()
        if mode.endswith("_list"):
            assert isinstance(picture, list)
            assert picture
            assert shown.render() == []
            picture = picture[-1]
        if mode.startswith("ansi"):
            assert isinstance(picture, str)
            assert len(picture) > 5
        else:
            assert picture.dtype == np.uint8
            assert picture.ndim == 3
            assert picture.shape[2] == 3
            assert len(np.unique(picture)) > 1
    assert env.metadata["render_fps"] > 0


def test_lists_hold_the_pictures_of_an_episode():
    env = palestra.make("CartPole-v1", render_mode="rgb_array_list")
    one = palestra.make("CartPole-v1", render_mode="rgb_array")
    pictures = []
    for each in (env, one):
        each.reset(seed=0)
    pictures.append(one.render())
    for action in (0, 0, 1):
        env.step(action)
        one.step(action)
        pictures.append(one.render())
    assert_same(env.render(), pictures)
    env.step(0)
    assert len(env.render()) == 1
    env.step(0)
    env.reset()
    assert len(env.render()) == 1  # the start of the new one


def test_a_window(screen):
    env = palestra.make("CartPole-v1", render_mode="human")
    env.reset(seed=0)
    assert screen.display.get_surface().get_size() == (600, 400)
    surface = lambda: screen.surfarray.array3d(screen.display.get_surface()).swapaxes(0, 1)
    still = palestra.make("CartPole-v1", render_mode="rgb_array")
    still.reset(seed=0)
    np.testing.assert_array_equal(surface(), still.render())
    assert env.step(1)[0] in env.observation_space
    still.step(1)
    assert env.render() is None
    np.testing.assert_array_equal(surface(), still.render())
    env.close()
    env.close()
    assert not screen.display.get_init()


def test_a_window_and_pictures(screen):
    env = palestra.make("CartPole-v1", render_mode=("human", "rgb_array"))
    env.reset(seed=0)
    assert env.render_mode == "rgb_array"
    surface = screen.surfarray.array3d(screen.display.get_surface()).swapaxes(0, 1)
    np.testing.assert_array_equal(env.render(), surface)
    env.close()


def test_a_copy_has_its_own_window(screen):
    env = palestra.make("CartPole-v1", render_mode="human")
    env.reset(seed=0)
    copy = pickle.loads(pickle.dumps(env))
    assert copy.render_mode == "human"
    assert_same(copy.step(0), env.step(0))
    env.close()
    copy.close()


# Bad input.


@pytest.mark.parametrize(
    ("env_id", "options"), [("Taxi-v4", {"lwo": 0.1}), ("CartPole-v1", {"pole_mass": 0.1})]
)
def test_unknown_options_of_a_reset(env_id, options):
    env = palestra.make(env_id)
    words = rf"^[A-Z]\w+ has no reset option '{next(iter(options))}'; it has.*\.$"
    with pytest.raises(ValueError, match=words):
        env.reset(seed=0, options=options)
    env.reset(seed=0, options={})
    env.reset(seed=0, options=None)


@pytest.mark.parametrize("make", [palestra.make, palestra.make_vec])
@pytest.mark.parametrize(
    ("env_id", "near"),
    [("CartPol-v1", "CartPole-v1"), ("FrozenLak-v1", "FrozenLake-v1"), ("taxi-v4", "Taxi-v4"),
     ("MinAtar/Brekout-v1", "MinAtar/Breakout-v1"), ("palestra/CartPole-v7", "CartPole-v")],
)  # fmt: skip
def test_unknown_ids(make, env_id, near):
    for error in (ValueError, gymnasium.error.NameNotFound):
        with pytest.raises(
            error, match=rf"^There is no environment .*; did you mean {near}"
        ) as raised:
            make(env_id)
        assert ONE_SENTENCE.fullmatch(str(raised.value))


@pytest.mark.parametrize("make", [palestra.make, palestra.make_vec])
def test_unknown_parameters(make):
    with pytest.raises(
        TypeError, match=r"^CartPole-v1 has no parameter 'pole_mas'; did you mean pole_mass\?$"
    ):
        make("CartPole-v1", pole_mas=0.1)
    with pytest.raises(
        TypeError, match=r"^Pendulum-v1 has no parameter 'xyzzy'; it has: .*\bg\b.*\.$"
    ):
        make("Pendulum-v1", xyzzy=1)


@pytest.mark.parametrize("make", [palestra.make, palestra.make_vec])
@pytest.mark.parametrize(
    ("env_id", "arguments"),
    [
        ("CartPole-v1", {"pole_mass": -1.0}),
        ("CartPole-v1", {"pole_mass": float("nan")}),
        ("CartPole-v1", {"sutton_barto_reward": 1}),
        ("CartPole-v1", {"max_episode_steps": 0}),
        ("FrozenLake-v1", {"success_rate": 2.0}),
    ],
)
def test_bad_values(make, env_id, arguments):
    (name,) = arguments
    name = name.replace("max_episode_steps", "limit")
    with pytest.raises(ValueError, match=rf"^{name} must be .*, not .*\.$"):
        make(env_id, **arguments)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("rgb", r"^There is no render mode 'rgb'; there are: human, rgb_array, rgb_array_list\.$"),
        ("ansi", r"^There is no render mode 'ansi'; there are: "),
        (("human", "x"), r"^There is no render mode 'x'; there are: "),
        (
            ("rgb_array", "rgb_array_list"),
            r"^render\(\) can return one of rgb_array and rgb_array_l",
        ),
    ],
)
def test_bad_render_modes(mode, words):
    with pytest.raises(ValueError, match=words) as raised:
        palestra.make("CartPole-v1", render_mode=mode)
    assert ONE_SENTENCE.fullmatch(str(raised.value))


def test_render_without_a_mode_says_how():
    env = palestra.make("CartPole-v1")
    env.reset(seed=0)
    with pytest.warns(
        UserWarning, match=r'palestra\.make\("palestra/CartPole-v1", render_mode="rgb_array"\)'
    ):
        assert env.render() is None


def test_where_there_is_no_picture():
    env = palestra.make("probe/Delay-v0")
    assert env.metadata["render_modes"] == []
    with pytest.raises(ValueError, match="'human'; there are: none for this environment"):
        palestra.make("probe/Delay-v0", render_mode="human")


@pytest.mark.parametrize("what", ["step", "render", "get_state", "state"])
def test_reset_comes_first(what):
    env = palestra.make("CartPole-v1", render_mode="rgb_array")
    with pytest.raises(ResetNeeded, match=rf"^Call env\.reset\(\) before env\.{what}\b.*\.$"):
        getattr(env, what)() if what in ("render", "get_state") else env.step(
            0
        ) if what == "step" else env.state


def test_steps_after_an_ending_are_warned_of():
    env = palestra.make("CartPole-v1")
    env.reset(seed=0)
    while not env.step(0)[2]:
        pass
    with pytest.warns(UserWarning, match=r"call env\.reset\(\) first"):
        env.step(0)
    env.reset()
    env.step(0)


class Index:
    def __index__(self):
        return 1


GOOD = {
    "CartPole-v1": [0, np.int64(1), np.array(1), np.uint8(1), jax.numpy.int32(1), True, Index()],
    "Pendulum-v1": [[0.5], (1.0,), np.array([1.5]), np.array([1]), jax.numpy.ones(1), [99.0]],
}  # fmt: skip
OPTIONS = {
    "CartPole-v1": ({"low": 0.1, "high": 0.2}, [0.1] * 4, [0.2] * 4),
    "MountainCar-v0": ({"low": 0.2, "high": 0.3}, [0.2, 0], [0.3, 0]),
    "MountainCarContinuous-v0": ({"low": -1, "high": -0.9}, [-1, 0], [-0.9, 0]),
    "Acrobot-v1": ({"low": 0, "high": 0}, [1, 0, 1, 0, 0, 0], [1, 0, 1, 0, 0, 0]),
    "Pendulum-v1": ({"x_init": 0.0, "y_init": 0.5}, [1, 0, -0.5], [1, 0, 0.5]),
}


@pytest.mark.parametrize("env_id", OPTIONS)
def test_options_say_how_an_episode_starts(env_id):
    """As Gymnasium's own options of these names; the next episode starts as ever."""
    options, low, high = OPTIONS[env_id]
    env, theirs = palestra.make(env_id), gymnasium.make(env_id)
    for seed in range(20):
        for one in (env, theirs):
            obs, _ = one.reset(seed=seed, options=dict(options))
            assert (obs >= np.array(low) - 1e-6).all()
            assert (obs <= np.array(high) + 1e-6).all()
    many, _ = palestra.make_vec(env_id, 3).reset(seed=17, options=options)
    np.testing.assert_allclose(many[2], env.reset(seed=19, options=options)[0], atol=1e-6)
    usual, _ = env.reset(seed=0)
    np.testing.assert_array_equal(usual, palestra.make(env_id).reset(seed=0)[0])
    assert (usual < np.array(low) - 1e-6).any() or (usual > np.array(high) + 1e-6).any()


def test_options_in_the_wrong_order():
    with pytest.raises(ValueError, match=r"low must not be above high, but 1\.0 is above 0\.0\."):
        palestra.make("CartPole-v1").reset(options={"low": 1.0, "high": 0.0})


BAD = {
    "CartPole-v1": [2, -1, 0.5, np.float32(1), "0", None, [0], np.array([0]), np.array([0, 1]), {}],
    "Pendulum-v1": [0.5, [0.5, 0.5], [[0.5]], [np.nan], [np.inf], ["a"], "a", None, {}, [], [1j],
                    object],
}  # fmt: skip


@pytest.mark.parametrize("env_id", GOOD)
def test_actions_of_many_types(env_id):
    env = palestra.make(env_id)
    for action in GOOD[env_id]:
        env.reset(seed=0)
        found = env.step(action)
        env.reset(seed=0)
        plain = int(action) if env_id == "CartPole-v1" and not isinstance(action, Index) else action
        plain = 1 if isinstance(action, Index) else plain
        assert_same(env.step(plain), found)


@pytest.mark.filterwarnings("ignore:Casting complex")
@pytest.mark.parametrize(("env_id", "action"), [(i, a) for i in BAD for a in BAD[i]])
def test_actions_that_cannot_be(env_id, action):
    env = palestra.make(env_id)
    env.reset(seed=0)
    before = env.get_state()
    with pytest.raises(
        InvalidAction, match=r"^the action must be (a whole number|an array)"
    ) as raised:
        env.step(action)
    assert str(raised.value).endswith(".")
    assert_same(env.get_state(), before)


# Old ids.


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Taxi-v3", "Taxi-v4", r"Taxi-v3 is called Taxi-v4 now: .+\."),
        (
            "CliffWalking-v0",
            "CliffWalking-v1",
            r"CliffWalking-v0 is called CliffWalking-v1 now: .+\.",
        ),
    ],
)
@pytest.mark.parametrize("make", [palestra.make, palestra.make_vec])
def test_old_ids_are_known(make, old, new, words):
    with pytest.warns(UserWarning, match=words) as said:
        env = make(old)
    assert len(said) == 1
    assert env.spec.id == f"palestra/{new}"
    assert env.simulator == make(new).simulator
