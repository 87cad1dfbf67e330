"""Spaces: what fits, what does not and why, examples with the device's types, and all made flat.

Gymnasium's own vector environments say what is a batch of observations and what of actions.
"""

from collections import OrderedDict

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.spaces import (
    Box,
    Dict,
    Discrete,
    Graph,
    MultiBinary,
    MultiDiscrete,
    OneOf,
    Sequence,
    Text,
    Tuple,
)
from gymnasium.vector import SyncVectorEnv
from gymnasium.vector.utils import batch_space, iterate

from palestra import envs
from palestra.core import Frames, Spec
from palestra.parts.networks import encoder
from palestra.parts.spaces import (
    action_count,
    example,
    example_transition,
    flat_action_space,
    flat_observation_space,
    flatten_observation,
    legal,
    unflatten_action,
)
from palestra.prng import key

VECTOR = Box(-1, 1, (5,))
PICTURE = Box(0, 255, (8, 8, 3), np.uint8)
FLAGS = Box(0, 1, (4, 4, 2), bool)


def test_actions_are_counted():
    assert action_count(Discrete(7)) == 7


@pytest.mark.parametrize("space", [VECTOR, MultiDiscrete([2, 2])])
def test_only_a_discrete_space_can_be_counted(space):
    with pytest.raises(ValueError, match=r"the action must be one of a few .* not "):
        action_count(space)


@pytest.mark.parametrize(
    ("space", "shape", "dtype"),
    [
        (VECTOR, (5,), np.float32),
        (Box(-1, 1, (2,), np.float64), (2,), np.float32),
        (PICTURE, (8, 8, 3), np.uint8),
        (FLAGS, (4, 4, 2), bool),
        (Discrete(3), (), np.int32),
        (MultiDiscrete([2, 3]), (2,), np.int32),
    ],
)
def test_examples(space, shape, dtype):
    assert (example(space).shape, example(space).dtype) == (shape, dtype)


def test_an_example_of_several_things_at_once():
    cards, picture = example(Tuple([Discrete(3), PICTURE]))
    assert (cards.shape, cards.dtype) == ((), np.int32)
    assert (picture.shape, picture.dtype) == ((8, 8, 3), np.uint8)


def test_an_example_of_a_transition():
    one = example_transition(Spec(VECTOR, Discrete(3), 8))
    assert one.obs.shape == one.next_obs.shape == (5,)
    assert (one.action.dtype, one.reward.dtype) == (np.int32, np.float32)
    assert one.terminated.dtype == one.truncated.dtype == bool
    assert one.reward.shape == one.terminated.shape == one.truncated.shape == ()


def test_a_legal_action_is_inside_of_the_box():
    space = Box(np.array([-1, -2], np.float32), np.array([1, 3], np.float32))
    action = jnp.array([[-5.0, -5.0], [0.5, 2.5], [5.0, 5.0]])
    np.testing.assert_array_equal(legal(space, action), [[-1, -2], [0.5, 2.5], [1, 3]])


@pytest.mark.parametrize("space", [Discrete(3), MultiDiscrete([3, 3])])
def test_choices_are_legal_as_they_are(space):
    action = jnp.array([2, 1])
    assert legal(space, action) is action


E = 5  # environments in a vector


def box(*shape: int, dtype=np.float32) -> Box:
    return Box(0, 255 if dtype == np.uint8 else 1, shape, dtype)


# What is seen: the space, and the flat one.
SEEN = {
    "vector": (VECTOR, VECTOR),
    "double precision": (Box(-1, 1, (2,), np.float64), Box(-1, 1, (2,), np.float64)),
    "a number": (Box(-1, 1, ()), Box(-1, 1, (1,))),
    "matrix": (box(2, 3), box(6)),
    "small bytes": (box(4, 30, dtype=np.uint8), box(120, dtype=np.uint8)),
    "flags in a square": (box(9, 9, dtype=bool), box(81, dtype=bool)),
    "five axes": (box(1, 2, 1, 2, 2), box(8)),
    "picture": (PICTURE, PICTURE),
    "flags": (FLAGS, FLAGS),
    "floats": (box(8, 8, 3), box(8, 8, 3)),
    "more channels than rows": (box(8, 8, 12, dtype=bool), box(8, 8, 12, dtype=bool)),
    "frames": (Frames(9, 8, 3, stack=2), Frames(9, 8, 3, stack=2)),
    "frames of few rows": (Frames(4, 8, 2, stack=4), Frames(4, 8, 2, stack=4)),
    "channels first": (box(4, 8, 10, dtype=np.uint8), box(8, 10, 4, dtype=np.uint8)),
    "flags, channels first": (box(5, 10, 10, dtype=bool), box(10, 10, 5, dtype=bool)),
    "no channels": (box(8, 9, dtype=np.uint8), box(8, 9, 1, dtype=np.uint8)),
    "four frames": (box(4, 9, 8, 3, dtype=np.uint8), box(9, 8, 12, dtype=np.uint8)),
    "channels first in frames": (box(4, 3, 9, 8, dtype=np.uint8), box(9, 8, 12, dtype=np.uint8)),
    "three axes, too few rows": (box(2, 9, 1), box(18)),
    "four axes, too few rows": (box(2, 5, 5, 3), box(150)),
    "one of a few": (Discrete(4), Discrete(4)),
    "from 3 on": (Discrete(4, start=3), Discrete(4)),
    "from below 0 on": (Discrete(4, start=-2), Discrete(4)),
    "choices": (MultiDiscrete([3, 2], start=[5, -1]), Tuple([Discrete(3), Discrete(2)])),
    "choices in a square": (MultiDiscrete([[3, 2], [1, 4]]), Tuple(map(Discrete, (3, 2, 1, 4)))),
    "a single choice": (MultiDiscrete([3]), Discrete(3)),
    "many choices": (
        MultiDiscrete(np.full((6, 3), 3), start=np.full((6, 3), 7)),
        box(54, dtype=bool),
    ),
    "switches": (MultiBinary(6), box(6)),
    "a board of switches": (MultiBinary([10, 10, 3]), box(10, 10, 3)),
    "a tuple": (Tuple([Discrete(3), VECTOR]), Tuple([Discrete(3), VECTOR])),
    "a tuple of one": (Tuple([Tuple([VECTOR])]), VECTOR),
    "a dict of one": (Dict(x=Discrete(3, start=1)), Discrete(3)),
    "a nest": (
        Dict(
            {
                "b": Discrete(3, start=1),
                "a": Tuple([box(2, 2), Dict(z=MultiDiscrete([2, 5]), y=MultiBinary(2))]),
                "c": box(3, 12, 12, dtype=np.uint8),
            }
        ),
        Tuple(  # "a" before "b" as Gymnasium sorts them, but names given one by one as they come
            [
                box(4),
                Discrete(2),
                Discrete(5),
                box(2),
                Discrete(3),
                box(12, 12, 3, dtype=np.uint8),
            ]
        ),
    ),
    "a dict in an order of its own": (
        Dict(OrderedDict([("b", Discrete(3)), ("a", VECTOR)])),
        Tuple([Discrete(3), VECTOR]),
    ),
}
every_seen = pytest.mark.parametrize(("space", "flat"), SEEN.values(), ids=SEEN)


@every_seen
def test_what_is_seen_is_flat(space, flat):
    assert flat_observation_space(space) == flat
    assert flat_observation_space(flat) is flat
    if space == flat:
        assert flat_observation_space(space) is space


def test_bounds_go_with_their_numbers():
    low = np.arange(2 * 3 * 10 * 10, dtype=np.float32).reshape(2, 3, 10, 10)
    flat = flat_observation_space(Box(low, low + 1))
    np.testing.assert_array_equal(flat.low[4, 7], [*low[0, :, 4, 7], *low[1, :, 4, 7]])
    np.testing.assert_array_equal(flat.high, flat.low + 1)


@every_seen
def test_observations_of_a_vector_become_those_of_the_flat_space(space, flat):
    batch = batch_space(space, E)
    batch.seed(3)
    obs = batch.sample()
    found, like = flatten_observation(space, obs), example(flat)
    assert jax.tree.structure(found) == jax.tree.structure(like)
    for leaf, zero in zip(jax.tree.leaves(found), jax.tree.leaves(like), strict=True):
        assert type(leaf) is np.ndarray
        assert (leaf.shape, leaf.dtype) == ((E, *zero.shape), zero.dtype)
    for i, one in enumerate(iterate(batch, obs)):  # as each environment sees it alone
        alone = flatten_observation(space, one)
        same = jax.tree.map(lambda x, y: np.array_equal(x[i], y), found, alone)  # noqa: B023
        assert all(jax.tree.leaves(same))
        parts = alone if isinstance(flat, Tuple) else (alone,)
        spaces = flat if isinstance(flat, Tuple) else (flat,)
        for part, inside in zip(parts, spaces, strict=True):
            assert inside.contains(np.asarray(part, inside.dtype))


@every_seen
def test_what_differs_is_seen_to_differ(space, flat):
    space.seed(1)
    samples = [space.sample() for _ in range(30)]
    numbers = lambda tree: b"".join(np.asarray(x).tobytes() for x in jax.tree.leaves(tree))
    different = len({numbers(sample) for sample in samples})
    assert len({numbers(flatten_observation(space, sample)) for sample in samples}) == different
    assert different > 1


@every_seen
def test_networks_take_what_is_flat(space, flat):
    see = encoder(flat_observation_space(space), key(0))
    space.seed(0)
    out = see(jax.tree.map(jnp.asarray, flatten_observation(space, space.sample())))
    assert out.shape == (see.size,)
    assert out.dtype == jnp.float32


def test_networks_count_from_0():
    with pytest.raises(ValueError, match="one of a few, counted from 0"):
        encoder(Discrete(3, start=1), key(0))


def test_a_picture_and_a_vector_are_encoded_side_by_side():
    space = Dict(camera=box(3, 12, 12, dtype=np.uint8), speed=Box(-9, 9, (2,)))
    flat = flat_observation_space(space)
    joined, (picture, _) = encoder(flat, key(0)), flat
    obs = space.sample()
    seen = flatten_observation(space, obs)
    out = joined(jax.tree.map(jnp.asarray, seen))
    np.testing.assert_array_equal(out[-2:], obs["speed"])
    alone = joined.parts[0](jnp.asarray(np.moveaxis(obs["camera"], 0, -1)))
    np.testing.assert_array_equal(out[:-2], alone)
    assert picture.shape == (12, 12, 3)


def test_numbers_by_hand():
    first = np.arange(2 * 2 * 8 * 8).reshape(2, 2, 8, 8).astype(np.uint8)  # [E, C, H, W]
    seen = flatten_observation(box(2, 8, 8, dtype=np.uint8), first)
    np.testing.assert_array_equal(seen[1, 3, 5], first[1, :, 3, 5])
    frames = np.arange(2 * 8 * 8 * 3).reshape(1, 2, 8, 8, 3).astype(np.uint8)  # [E, time, H, W, C]
    seen = flatten_observation(box(2, 8, 8, 3, dtype=np.uint8), frames)
    np.testing.assert_array_equal(seen[0, 3, 5], [*frames[0, 0, 3, 5], *frames[0, 1, 3, 5]])
    assert flatten_observation(Discrete(4, start=3), np.array([3, 6])).tolist() == [0, 3]
    choices = flatten_observation(MultiDiscrete([3, 2], start=[5, -1]), np.array([[7, -1], [5, 0]]))
    assert [x.tolist() for x in choices] == [[2, 0], [0, 1]]
    seventeen = np.zeros(17, int)
    seventeen[[0, -1]] = 1, 2
    flags = flatten_observation(MultiDiscrete([3] * 17), seventeen)
    assert np.flatnonzero(flags).tolist() == [1, *range(3, 48, 3), 50]


def test_nothing_is_copied_where_nothing_changes():
    for space in (VECTOR, PICTURE, FLAGS, box(2, 3), box(4, 8, 8, dtype=np.uint8)):
        obs = np.zeros((E, *space.shape), space.dtype)
        assert np.shares_memory(flatten_observation(space, obs), obs)
    action = np.zeros((E, 5), np.float32)
    assert np.shares_memory(unflatten_action(VECTOR, action), action)


def test_our_own_environments_are_flat_already():
    for name in envs.ENVIRONMENTS:
        env = envs.make(name)
        seen, done = env.observation_space, env.action_space
        if isinstance(seen, MultiDiscrete):  # a board's squares, which a table takes as parts
            assert flat_observation_space(seen) == Tuple(Discrete(n) for n in seen.nvec)
        else:
            assert flat_observation_space(seen) is seen
        assert flat_action_space(done) is done


NOT_SEEN = {
    "Text": (Dict(name=Text(5)), r"observation\['name'\] is Text\(.*, which has no fixed size"),
    "Sequence": (Tuple([VECTOR, Sequence(VECTOR)]), r"observation\[1\] is Sequence\("),
    "Graph": (Graph(VECTOR, None), r"observation is Graph\("),
    "OneOf": (Dict(a=Dict(b=OneOf([VECTOR]))), r"observation\['a'\]\['b'\] is OneOf\("),
    "nothing": (Dict(a=Tuple([])), "nothing to see"),
}


@pytest.mark.parametrize(("space", "words"), NOT_SEEN.values(), ids=NOT_SEEN)
def test_what_cannot_be_seen_is_named_in_one_sentence(space, words):
    with pytest.raises(ValueError, match=f"{words}.*\\.$") as error:
        flat_observation_space(space)
    assert str(error.value).count(". ") == 0
    assert "\n" not in str(error.value)


NESTED = Dict(x=VECTOR, y=Tuple([Discrete(3)]))
WRONG = {
    "no dict": (np.zeros(5), "observation must be a dict of 'x', 'y', not"),
    "a part too few": ({"x": np.zeros(5)}, "observation must be a dict of 'x', 'y', not"),
    "no tuple": (
        {"x": np.zeros(5), "y": [1]},
        r"observation\['y'\] must be a tuple of 1, not \[1\]",
    ),
    "a shape": (
        {"x": np.zeros(4), "y": (1,)},
        r"observation\['x'\] has shape \(5,\), .* not \(4,\)",
    ),
}


@pytest.mark.parametrize(("obs", "words"), WRONG.values(), ids=WRONG)
def test_an_observation_of_another_space_is_refused(obs, words):
    with pytest.raises(ValueError, match=words):
        flatten_observation(NESTED, obs)


# What is done: the space, and the flat one.
DONE = {
    "one of a few": (Discrete(4), Discrete(4)),
    "from 3 on": (Discrete(4, start=3), Discrete(4)),
    "choices": (MultiDiscrete([3, 2]), MultiDiscrete([3, 2])),
    "choices with starts": (MultiDiscrete([3, 2], start=[5, -1]), MultiDiscrete([3, 2])),
    "choices in a square": (
        MultiDiscrete([[3, 2], [1, 4]], start=[[0, 1], [2, 3]]),
        MultiDiscrete([3, 2, 1, 4]),
    ),
    "small whole numbers": (MultiDiscrete([3, 200], np.uint8), MultiDiscrete([3, 200])),
    "a single choice": (MultiDiscrete([3]), Discrete(3)),
    "a switch": (MultiBinary(1), Discrete(2)),
    "switches": (MultiBinary([2, 2]), MultiDiscrete([2, 2, 2, 2])),
    "a choice in a dict": (Dict(a=Tuple([Discrete(3, start=1)])), Discrete(3)),
    "a nest of choices": (
        Dict(b=Discrete(3, start=1), a=Tuple([MultiBinary(2), MultiDiscrete([[2], [5]])])),
        MultiDiscrete([3, 2, 2, 2, 5]),
    ),
    "vector": (VECTOR, VECTOR),
    "double precision": (Box(-0.1, 0.1, (2,), np.float64), Box(-0.1, 0.1, (2,))),
    "matrix": (Box(-1, 1, (2, 3)), Box(-1, 1, (6,))),
    "whole numbers": (Box(-2, 3, (2,), np.int32), Box(-2, 3, (2,))),
    "bytes": (Box(0, 255, (2, 2), np.uint8), Box(0, 255, (4,))),
    "flags": (Box(0, 1, (3,), bool), Box(0, 1, (3,))),
    "all whole numbers": (
        Box(-np.inf, np.inf, (2,), np.int64),
        Box(np.float32(-(2.0**63)), np.float32(2.0**63), (2,)),
    ),
    "without bounds": (Box(-np.inf, np.inf, (2,)), Box(-np.inf, np.inf, (2,))),
    "beyond single precision": (
        Box(np.finfo(np.float64).min, np.inf, (2,), np.float64),
        Box(-np.inf, np.inf, (2,)),
    ),
    "a nest of boxes": (
        Dict(b=Box(-1, 1, (2, 1)), a=Tuple([Box(0, 5, (1,), np.float64), Box(0, 9, (2,), int)])),
        Box(np.float32([-1, -1, 0, 0, 0]), np.float32([1, 1, 5, 9, 9])),
    ),
}
every_done = pytest.mark.parametrize(("space", "flat"), DONE.values(), ids=DONE)


@every_done
def test_what_is_done_is_flat(space, flat):
    assert flat_action_space(space) == flat
    assert flat_action_space(flat) is flat
    if space == flat:
        assert flat_action_space(space) is space


@every_done
def test_flat_actions_become_those_of_a_vector_environment(space, flat):
    flat.seed(4)
    actions = np.stack([flat.sample() for _ in range(E)])
    actions = actions.astype(example(flat).dtype)  # as algorithms give them
    found = unflatten_action(space, actions)
    batch = batch_space(space, E)
    assert batch.contains(found)
    for i, one in enumerate(iterate(batch, found)):
        assert space.contains(one)
        alone = unflatten_action(space, actions[i])
        assert space.contains(alone)
        assert all(jax.tree.leaves(jax.tree.map(np.array_equal, one, alone)))


COUNTED = {name: pair for name, pair in DONE.items() if not isinstance(pair[1], Box)}


@pytest.mark.parametrize(("space", "flat"), COUNTED.values(), ids=COUNTED)
def test_every_choice_is_another_action(space, flat):
    counts = [flat.n] if isinstance(flat, Discrete) else flat.nvec
    every = np.indices(counts).reshape(len(counts), -1).T  # [A, n]
    every = every[:, 0] if isinstance(flat, Discrete) else every
    found = unflatten_action(space, every)
    parts = list(iterate(batch_space(space, len(every)), found))
    assert all(map(space.contains, parts))
    values = {tuple(x for leaf in jax.tree.leaves(p) for x in np.ravel(leaf)) for p in parts}
    assert len(values) == len(every)


BOXES = {name: pair for name, pair in DONE.items() if isinstance(pair[1], Box)}


@pytest.mark.parametrize(("space", "flat"), BOXES.values(), ids=BOXES)
def test_the_corners_of_boxes_lie_in_the_space(space, flat):
    for corner in (flat.low, flat.high):
        if np.isfinite(corner).all():
            assert space.contains(unflatten_action(space, corner))


def test_actions_by_hand():
    space = Dict(b=Discrete(3, start=1), a=MultiDiscrete([[2], [5]], start=[[0], [-1]]))
    found = unflatten_action(space, np.array([[2, 1, 0], [0, 0, 4]], np.int32))
    assert found["b"].tolist() == [3, 1]
    assert found["a"].tolist() == [[[1], [-1]], [[0], [3]]]
    whole = Box(-2, 3, (2,), np.int32)
    found = unflatten_action(whole, np.float32([[-1.6, 0.4], [0.6, 7.0]]))
    assert found.dtype == np.int32
    assert found.tolist() == [[-2, 0], [1, 3]]


NOT_DONE = {
    "Text": (Dict(say=Text(5)), r"action\['say'\] is Text\(.* which no algorithm here can choose"),
    "both": (
        Dict(a=Discrete(2), b=Tuple([VECTOR])),
        r"action\['b'\]\[0\] is a Box and action\['a'\] is a choice",
    ),
    "nothing": (Tuple([]), "nothing to do"),
}


@pytest.mark.parametrize(("space", "words"), NOT_DONE.values(), ids=NOT_DONE)
def test_what_cannot_be_done_is_named_in_one_sentence(space, words):
    with pytest.raises(ValueError, match=f"{words}.*\\.$") as error:
        flat_action_space(space)
    assert str(error.value).count(". ") == 0


class Mirror(gymnasium.Env):
    """Shows whatever was done, and insists that it could be."""

    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = observation_space, action_space

    def reset(self, *, seed=None, options=None):
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        return self.observation_space.sample(), 0.0, False, False, {}


@pytest.mark.parametrize(
    ("seen", "done"), [("a nest", "a nest of choices"), ("many choices", "a nest of boxes")]
)
def test_gymnasium_plays_along(seen, done):
    (space, flat), (action_space, flat_actions) = SEEN[seen], DONE[done]
    many = SyncVectorEnv([lambda: Mirror(space, action_space) for _ in range(3)])
    obs, _ = many.reset(seed=1)
    for _ in range(3):
        seen_now = flatten_observation(many.single_observation_space, obs)
        shapes = [x.shape[1:] for x in jax.tree.leaves(seen_now)]
        assert shapes == [x.shape for x in jax.tree.leaves(example(flat))]
        actions = np.stack([flat_actions.sample() for _ in range(3)])
        obs, *_ = many.step(unflatten_action(many.single_action_space, actions))
    many.close()


BOX = Box(-1, 1, (2,))
ODD = {
    "keys that are tuples": (Dict({("a", 1): BOX, ("b", 2): BOX}), "keys must all be strings"),
    "keys of two kinds": (Tuple([Dict({1: BOX, "b": BOX})]), "keys must all be strings"),
    "an empty box": (Box(-1, 1, (0,)), "there is nothing to"),
    "an empty picture": (Dict({"a": Box(-1, 1, (3, 0)), "b": Dict({})}), "there is nothing to"),
    "one of a million millions": (Discrete(10**12, start=-5), "is one of 1,000,000,000,000"),
    "several of them": (MultiDiscrete([2, 10**12]), "is one of 1,000,000,000,000"),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_spaces_are_refused_by_what_is_odd(odd):
    space, words = ODD[odd]
    for flat in (flat_observation_space, flat_action_space):
        with pytest.raises(ValueError, match=rf"^(the )?(observation|action).*{words}.*\.$"):
            flat(space)


def test_choices_that_would_be_too_many_flags_are_refused():
    with pytest.raises(ValueError, match=r"^observation is 20 choices among 20,000,000 .*\.$"):
        flat_observation_space(MultiDiscrete([10**6] * 20))


def test_a_part_without_numbers_is_no_obstacle():
    seen = flat_observation_space(Dict({1: Box(-1, 1, (0,)), 2: BOX}))
    assert seen == Tuple([Box(-1, 1, (0,)), BOX])
    assert flat_action_space(Dict({1: Box(-1, 1, (0,)), 2: BOX})) == BOX


def test_one_of_very_many_is_for_tables_alone():
    cells = Discrete(10**7)
    assert flat_observation_space(cells) is cells
    with pytest.raises(ValueError, match=r"^the observation is one of 10,000,000, .*Box"):
        jax.eval_shape(lambda: encoder(cells, key(0)))
