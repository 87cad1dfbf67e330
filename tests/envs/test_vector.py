"""Many environments at once take the courses that single ones take."""

import pickle
from copy import deepcopy
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import InvalidAction, ResetNeeded
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.vector.utils import iterate

import palestra
from palestra import envs
from palestra.envs.gym.vector import PalestraVectorEnv

E, LIMIT, STEPS = 3, 12, 30  # the limit of tests/envs/test_gym.py, too
IDS = list(envs.ENVIRONMENTS)
EVERY = pytest.mark.parametrize("env_id", IDS)
KINDS = ["CartPole-v1", "Pendulum-v1", "Blackjack-v1", "Taxi-v4", "MinAtar/Breakout-v1"]
MODES = pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.value)
TINY = [pytest.param(i, marks=pytest.mark.tiny) if i == "CartPole-v1" else i for i in IDS]


def assert_same(one, other, tolerance=1e-5):
    """The same types, and the same values: to a tolerance where they are floats."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_same(one[name], other[name], tolerance)
    elif isinstance(one, tuple | list):
        for x, y in zip(one, other, strict=True):
            assert_same(x, y, tolerance)
    elif isinstance(one, np.ndarray) and one.dtype == object:
        assert_same(list(one), list(other), tolerance)
    elif one is not None:
        assert np.asarray(one).dtype == np.asarray(other).dtype
        near = tolerance if np.asarray(one).dtype.kind == "f" else 0
        np.testing.assert_allclose(one, other, rtol=near, atol=near)


exactly = partial(assert_same, tolerance=0)


def make(env_id, mode=AutoresetMode.NEXT_STEP, num_envs=E, **kwargs):
    kwargs = {"max_episode_steps": LIMIT} | kwargs
    return palestra.make_vec(env_id, num_envs, autoreset_mode=mode, **kwargs)


def single(env_id, **kwargs):
    return palestra.make(env_id, max_episode_steps=LIMIT, **kwargs)


def side_by_side(env_id, mode=AutoresetMode.NEXT_STEP, form=SyncVectorEnv, **kwargs):
    return form([partial(single, env_id)] * E, autoreset_mode=mode, **kwargs)


def actions_of(many, steps=STEPS, seed=0):
    many.action_space.seed(seed)
    return [many.action_space.sample() for _ in range(steps)]


def play(many, actions):
    """What the steps return, and the resets that are left to us where autoreset is disabled."""
    found = []
    for action in actions:
        found.append(many.step(action))
        ended = found[-1][2] | found[-1][3]
        if many.metadata["autoreset_mode"] is AutoresetMode.DISABLED and ended.any():
            found.append(many.reset(options={"reset_mask": ended}))
    return found


def course(many, actions, seed=5):
    return [many.reset(seed=seed), *play(many, actions)]


@pytest.mark.parametrize("env_id", TINY)
@MODES
def test_many_are_as_single_ones_side_by_side(env_id, mode):
    ours, singles = make(env_id, mode), side_by_side(env_id, mode)
    for name in ("observation_space", "action_space"):
        assert getattr(ours, name) == getattr(singles, name)
        assert getattr(ours, f"single_{name}") == getattr(singles, f"single_{name}")
    assert ours.metadata == singles.metadata
    actions = actions_of(ours)
    found = course(ours, actions)
    assert_same(found, course(singles, actions))
    assert all(obs in ours.observation_space for obs, *_ in found)
    ends = sum(step[2] | step[3] for step in found if len(step) == 5)
    assert ends.min() >= 2


@pytest.mark.parametrize("env_id", KINDS)
def test_many_are_as_single_ones_by_hand(env_id):
    many = make(env_id, AutoresetMode.SAME_STEP)
    actions = actions_of(many)
    obs, _ = many.reset(seed=5)
    results = [many.step(action) for action in actions]
    rows = lambda obs: list(iterate(many.observation_space, obs))
    for i in range(E):
        env = single(env_id)
        assert_same(rows(obs)[i], as_row(env.reset(seed=5 + i)[0]))
        for action, (next_obs, reward, terminated, truncated, infos) in zip(
            actions, results, strict=True
        ):
            one = list(iterate(many.action_space, action))[i]
            expected, *rest, info = env.step(one)
            assert_same([reward[i].item(), bool(terminated[i]), bool(truncated[i])], rest)
            if rest[1] or rest[2]:
                assert_same(as_row(infos["final_obs"][i]), as_row(expected))
                assert_holds(infos["final_info"], info, i)
                expected, info = env.reset()
            assert_same(rows(next_obs)[i], as_row(expected))
            assert_holds(infos, info, i)


def as_row(obs):
    """An observation of one environment as its row of the observations of many."""
    if isinstance(obs, tuple):
        return tuple(map(as_row, obs))
    return obs if isinstance(obs, np.ndarray) else np.int64(obs)


def assert_holds(infos, info, i):
    for name, value in info.items():
        assert infos[f"_{name}"][i]
        np.testing.assert_allclose(infos[name][i], value, rtol=1e-5)


@pytest.mark.parametrize(
    ("env_id", "mode", "count"),
    [
        ("CartPole-v1", AutoresetMode.NEXT_STEP, 2),
        ("Blackjack-v1", AutoresetMode.SAME_STEP, 1),
        ("Taxi-v4", AutoresetMode.SAME_STEP, 1),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of processes and threads, from Python
def test_many_are_as_those_in_processes(env_id, mode, count):
    ours = make(env_id, mode, count)
    processes = make(
        env_id, mode, count, vectorization_mode="async", vector_kwargs={"context": "spawn"}
    )
    assert type(processes) is AsyncVectorEnv
    try:
        actions = actions_of(ours)
        assert_same(course(processes, actions), course(ours, actions))
    finally:
        processes.close()


@pytest.mark.parametrize("env_id", KINDS)
def test_gymnasium_makes_the_same(env_id):
    ours = make(env_id)
    actions = actions_of(ours)
    expected = course(ours, actions)
    name = envs.registered(env_id)
    for how in ("vector_entry_point", None):
        theirs = gymnasium.make_vec(name, E, how, max_episode_steps=LIMIT)
        assert isinstance(theirs, PalestraVectorEnv)
        exactly(course(theirs, actions), expected)
    like = gymnasium.make_vec(name, E, "sync", max_episode_steps=LIMIT)
    assert_same(course(like, actions), expected)


@pytest.mark.parametrize("env_id", KINDS)
def test_the_like_is_made_from_the_spec(env_id):
    ours = make(env_id, AutoresetMode.SAME_STEP)
    actions = actions_of(ours)
    for make_vec in (gymnasium.make_vec, palestra.make_vec):
        like = make_vec(ours.spec)
        assert like.num_envs == E
        assert like.metadata == ours.metadata
        exactly(course(like, actions), course(ours, actions))
    assert palestra.make_vec(env_id).num_envs == 1


def test_arguments_are_handed_on():
    ours = make("CartPole-v1", pole_mass=0.3)
    assert ours.simulator == envs.make("CartPole-v1", limit=LIMIT, pole_mass=0.3)
    theirs = gymnasium.make_vec("palestra/CartPole-v1", E, pole_mass=0.3, autoreset_mode="SameStep")
    assert theirs.simulator == envs.make("CartPole-v1", pole_mass=0.3)
    assert theirs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert make("CartPole-v1", max_episode_steps=-1).simulator == envs.make("CartPole-v1", limit=-1)


def test_forms_of_gymnasium():
    wrapper = partial(gymnasium.wrappers.TimeLimit, max_episode_steps=3)
    many = palestra.make_vec("CartPole-v1", 2, "sync", {}, [wrapper], autoreset_mode="SameStep")
    assert type(many) is SyncVectorEnv
    assert many.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    many.reset(seed=0)
    truncated = [many.step(np.array([0, 1]))[3].tolist() for _ in range(3)]
    assert truncated == [[False] * 2, [False] * 2, [True] * 2]


def test_wrappers_alone_ask_for_single_environments():
    wrapper = partial(gymnasium.wrappers.RescaleAction, min_action=-1, max_action=1)
    many = palestra.make_vec("Pendulum-v1", 2, wrappers=[wrapper])
    assert isinstance(many, SyncVectorEnv)
    assert many.single_action_space.high == 1
    with pytest.raises(gymnasium.error.Error, match=r"^wrappers and vector_kwargs are for "):
        palestra.make_vec("Pendulum-v1", 2, "vector_entry_point", wrappers=[wrapper])


# Resets.


@pytest.mark.parametrize("env_id", ["CartPole-v1", "FrozenLake-v1", "Pendulum-v1"])
def test_after_an_end_the_action_is_not_looked_at(env_id):
    one, other = make(env_id), make(env_id)
    exactly(one.reset(seed=0), other.reset(seed=0))
    ended, met = np.zeros(E, bool), 0
    for action, another in zip(actions_of(one, 40), actions_of(one, 40, seed=1), strict=True):
        shaped = ended.reshape(-1, *[1] * (action.ndim - 1))
        mixed = np.where(shaped, another, action)
        found = one.step(action)
        exactly(other.step(mixed), found)
        _, reward, terminated, truncated, _ = found
        assert (reward[ended] == 0).all()
        assert not (terminated | truncated)[ended].any()
        met += (ended & (action != another).reshape(E, -1).any(1)).sum()
        ended = terminated | truncated
    assert met > 2


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Taxi-v4", "Blackjack-v1"])
def test_some_are_reset(env_id):
    ours = make(env_id, AutoresetMode.DISABLED)
    singles = side_by_side(env_id, AutoresetMode.DISABLED)
    assert_same(ours.reset(seed=0), singles.reset(seed=0))
    mask = np.array([True, False, True])
    for seed in (None, 7, [None, 3, 4]):
        for action in actions_of(ours, 1):
            assert_same(ours.step(action), singles.step(action))
        ours.reset(seed=1), singles.reset(seed=1)
        options = lambda: {"reset_mask": mask.copy()}
        found = ours.reset(seed=seed, options=options())
        assert_same(found, singles.reset(seed=seed, options=options()))
        snapshot = ours.get_state()
        again = make(env_id, AutoresetMode.DISABLED)
        again.set_state(snapshot)
        found = ours.reset(options=options())
        exactly(again.reset(options=options()), found)
        assert_same(found, singles.reset(options=options()))


def test_the_options_are_left_as_they_were():
    many = make("CartPole-v1")
    many.reset(seed=0)
    options = {"reset_mask": np.ones(E, bool)}
    many.reset(options=options)
    assert list(options) == ["reset_mask"]


def test_without_autoreset_the_ended_must_be_reset():
    many = make("CartPole-v1", AutoresetMode.DISABLED, max_episode_steps=2)
    many.reset(seed=0)
    zeros = np.zeros(E, int)
    many.step(zeros)
    ended = many.step(zeros)[3]
    assert ended.all()
    with pytest.raises(ResetNeeded, match=r"^Some episodes have ended; call envs\.reset\("):
        many.step(zeros)
    many.reset(options={"reset_mask": np.array([True, True, False])})
    with pytest.raises(ResetNeeded):
        many.step(zeros)
    many.reset(options={"reset_mask": np.array([False, False, True])})
    many.step(zeros)


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros(E, bool),
        np.ones(E + 1, bool),
        np.ones(E, int),
        [True] * E,
        np.ones((E, 1), bool),
    ],
    ids=str,
)
def test_masks_that_cannot_be(mask):
    many = make("CartPole-v1")
    many.reset(seed=0)
    with pytest.raises(ValueError, match=r"^reset_mask must be a bool array of 3 .*\.$"):
        many.reset(options={"reset_mask": mask})


def test_the_first_reset_is_of_all():
    with pytest.raises(ValueError, match=r"^reset_mask must be .* after a first reset of all\.$"):
        make("CartPole-v1").reset(options={"reset_mask": np.ones(E, bool)})


def test_unknown_options_of_a_reset():
    with pytest.raises(ValueError, match=r"^Taxi has no reset option 'lwo'; it has.*\.$"):
        make("Taxi-v4").reset(options={"lwo": 1})


# Types.


@pytest.mark.parametrize("env_id", KINDS)
@MODES
def test_what_is_returned_is_the_callers(env_id, mode):
    many, spoilt = make(env_id, mode), make(env_id, mode)

    def spoil(tree):
        if isinstance(tree, dict):
            tree = tuple(tree.values())
        if isinstance(tree, tuple):
            for part in tree:
                spoil(part)
        elif isinstance(tree, np.ndarray) and tree.dtype == object:
            spoil(tuple(tree))
        elif isinstance(tree, np.ndarray):
            tree[...] = np.ones((), tree.dtype)

    actions = actions_of(many)
    expected, found = many.reset(seed=5), spoilt.reset(seed=5)
    exactly(expected, found)
    spoil(found)
    for action in actions:
        expected, found = many.step(action), spoilt.step(action.copy())
        exactly(expected, found)
        ended = expected[2] | expected[3]
        spoil((*found, spoilt.get_state()))
        snapshot = many.get_state()
        spoilt.set_state(snapshot)
        spoil(snapshot)
        if mode is AutoresetMode.DISABLED and ended.any():
            options = {"reset_mask": ended}
            exactly(many.reset(options=options), spoilt.reset(options=options))


def test_types():
    many = make("Blackjack-v1", AutoresetMode.SAME_STEP)
    found = course(many, actions_of(many))
    assert [obs.dtype for obs in found[0][0]] == [np.int64] * 3
    for _, reward, terminated, truncated, infos in found[1:]:
        assert reward.dtype == np.float64
        assert terminated.dtype == truncated.dtype == bool
        if "final_obs" in infos:
            last = infos["final_obs"][infos["_final_obs"]]
            assert all(obs in many.single_observation_space for obs in last)
    infos = make("Taxi-v4").reset(seed=0)[1]
    assert infos["action_mask"].dtype == np.int8
    assert infos["action_mask"].shape == (E, 6)
    assert infos["prob"].dtype == np.float64


# Seeds.


def starts(many, seed=None):
    return np.concatenate([many.reset(seed=seed)[0], many.reset()[0]])


def test_seeds():
    one, other = make("CartPole-v1"), make("CartPole-v1")
    assert len(np.unique(starts(one), axis=0)) == 2 * E  # no two alike
    assert not np.isin(starts(one), starts(other)).any()
    np.testing.assert_array_equal(starts(one, 4), starts(other, 4))
    assert not np.isin(starts(one, 4), starts(one, 40)).any()
    np.testing.assert_array_equal(starts(one, 4)[1], starts(one, 5)[0])  # the i-th has seed s + i
    for seed in ([4, 5, 6], (4, 5, 6), np.arange(4, 7), np.int64(4)):
        np.testing.assert_array_equal(starts(one, seed), starts(other, 4))
    big = 2**64 - 1
    alone = np.stack([single("CartPole-v1").reset(seed=big + i)[0] for i in range(E)])
    np.testing.assert_array_equal(starts(one, big)[:E], alone)


def test_some_are_seeded():
    one, other = make("CartPole-v1"), make("CartPole-v1")
    first, second = (many.reset(seed=[1, None, 3])[0] for many in (one, other))
    assert (first == second).all(1).tolist() == [True, False, True]
    one.reset(seed=0), other.reset(seed=0)
    expected = one.reset()[0]
    found = other.reset(seed=[None, 9, None])[0]
    assert (found == expected).all(1).tolist() == [True, False, True]
    np.testing.assert_array_equal(found[1], single("CartPole-v1").reset(seed=9)[0])


@pytest.mark.parametrize("seed", [[1, 2], [1, 2, 3, 4]])
def test_a_seed_for_each(seed):
    with pytest.raises(
        ValueError, match=r"^there must be one seed for each of 3 environments, not "
    ):
        make("CartPole-v1").reset(seed=seed)


@pytest.mark.parametrize("seed", [-1, [0, -1, 2]])
def test_negative_seeds_are_refused(seed):
    with pytest.raises(
        gymnasium.error.Error, match=r"^a seed must be a whole number of at least 0"
    ):
        make("CartPole-v1").reset(seed=seed)


# States.


@EVERY
def test_a_state_is_all_there_is(env_id):
    many = make(env_id)
    actions = actions_of(many, 2 * LIMIT + 7 + 16)
    before, after = actions[:-16], actions[-16:]
    course(many, before)
    snapshot = many.get_state()
    fresh, elsewhere = make(env_id), make(env_id)
    fresh.set_state(snapshot)
    elsewhere.reset(seed=99)
    elsewhere.set_state(pickle.loads(pickle.dumps(snapshot)))
    others = fresh, elsewhere, deepcopy(many), pickle.loads(pickle.dumps(many))
    expected = play(many, after)
    assert any((step[2] | step[3]).any() for step in expected)
    for other in others:
        exactly(play(other, after), expected)
    many.set_state(snapshot)
    exactly(play(many, after), expected)
    many.set_state(snapshot)
    exactly(many.reset(), fresh_after(snapshot, env_id))


def fresh_after(snapshot, env_id):
    many = make(env_id)
    many.set_state(snapshot)
    return many.reset()


def test_states_of_another_kind_are_refused():
    many = make("CartPole-v1")
    strangers = [single("CartPole-v1"), make("CartPole-v1", num_envs=2), make("Pendulum-v1")]
    for stranger in strangers:
        stranger.reset(seed=0)
        with pytest.raises(
            ValueError, match=r"^this state was taken from another kind of environme"
        ):
            many.set_state(stranger.get_state())


# Pictures.


def test_pictures():
    many = make("CartPole-v1", render_mode="rgb_array")
    one = single("CartPole-v1", render_mode="rgb_array")
    many.reset(seed=5), one.reset(seed=6)
    many.step(np.array([0, 1, 0])), one.step(1)
    pictures = many.render()
    assert isinstance(pictures, tuple)
    assert len(pictures) == E
    np.testing.assert_array_equal(pictures[1], one.render())
    assert not np.array_equal(pictures[0], pictures[1])
    quiet = make("CartPole-v1")
    quiet.reset(seed=0)
    assert quiet.render() is None


def test_texts():
    many = make("FrozenLake-v1", render_mode="ansi")
    one = single("FrozenLake-v1", render_mode="ansi")
    many.reset(seed=5), one.reset(seed=5)
    texts = set()
    for _ in range(40):
        _, _, terminated, truncated, _ = one.step(0)
        many.step(np.zeros(E, int))
        assert many.render()[0] == one.render()
        if terminated or truncated:
            one.reset()
            many.step(np.zeros(E, int))
            assert many.render()[0] == one.render()
        texts.add(one.render())
    assert len(texts) > 3


# Bad input.


@pytest.mark.parametrize("number", [0, -1, True])
def test_numbers_of_environments_that_cannot_be(number):
    words = rf"^num_envs must be a whole number of at least 1, not {number}\.$"
    with pytest.raises(ValueError, match=words):
        palestra.make_vec("CartPole-v1", number)


@pytest.mark.parametrize("mode", ["NextSteps", "next_step", ""])
def test_autoreset_modes_that_cannot_be(mode):
    words = rf"^autoreset_mode must be one of 'NextStep', 'SameStep', 'Disabled', not {mode!r}\.$"
    with pytest.raises(ValueError, match=words):
        palestra.make_vec("CartPole-v1", 2, autoreset_mode=mode)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_autoreset_modes_by_name(mode):
    many = palestra.make_vec("CartPole-v1", 2, autoreset_mode=mode)
    assert many.metadata["autoreset_mode"] is AutoresetMode(mode)


@pytest.mark.parametrize("mode", ["human", "rgb", "ansi", "rgb_array_list"])
def test_render_modes_that_cannot_be(mode):
    words = rf"^Many at once have no render mode {mode!r}; there are: rgb_array\.$"
    with pytest.raises(ValueError, match=words):
        palestra.make_vec("CartPole-v1", 2, render_mode=mode)


@pytest.mark.parametrize("what", ["step", "render", "get_state"])
def test_reset_comes_first(what):
    many = make("CartPole-v1", render_mode="rgb_array")
    with pytest.raises(ResetNeeded, match=rf"^Call envs\.reset\(\) before envs\.{what}\(\)\.$"):
        getattr(many, what)(*([np.zeros(E, int)] if what == "step" else []))


BAD = {
    "CartPole-v1": [0, [0, 1], [[0]] * E, [0, 1, 2], [0, -1, 1], [0.0, 1.0, 1.0], None, ["a"] * E,
                    [[0], [0, 1], [1]], [True] * E],
    "Pendulum-v1": [[0.5] * E, np.zeros((E, 2)), np.zeros((2, 1)), [[np.nan]] * E, [[np.inf]] * E,
                    [["a"]] * E, None, [[0.5], [0.5, 1.0], [0.5]], [[1j]] * E],
}  # fmt: skip


@pytest.mark.parametrize(("env_id", "actions"), [(i, a) for i in BAD for a in BAD[i]])
def test_actions_that_cannot_be(env_id, actions):
    many = make(env_id)
    many.reset(seed=0)
    before = many.get_state()
    with pytest.raises(InvalidAction, match=r"^(the actions|every action) must be ") as raised:
        many.step(actions)
    assert str(raised.value).endswith(".")
    exactly(many.get_state(), before)


def test_actions_of_many_types():
    many = make("CartPole-v1")
    expected = None
    for actions in ([0, 1, 0], (0, 1, 0), np.array([0, 1, 0], np.uint8), np.array([0, 1, 0])):
        many.reset(seed=0)
        found = many.step(actions)
        exactly(found, expected or found)
        expected = found
    many = make("Pendulum-v1")
    many.reset(seed=0)
    assert many.step([[1], [0], [99.0]])[0] in many.observation_space


@pytest.mark.parametrize("count", [1, 50])
def test_any_number(count):
    many = make("CartPole-v1", num_envs=count)
    found = course(many, actions_of(many, 5))
    assert all(len(part) == count for step in found[1:] for part in step[:4])
    assert isinstance(many.action_space, spaces.MultiDiscrete)
