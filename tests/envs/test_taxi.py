"""Taxi against Gymnasium's: every step, the whole model, the starts; and its pictures."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL.ImageColor import getrgb
from scipy.stats import chisquare

from palestra import envs, prng
from palestra.envs.drawing import draw, text
from palestra.envs.drawing.taxi import DROP, STAND, TAXI
from palestra.envs.drawing.walker import COAT, FLAG
from palestra.envs.toy_text.model import evaluate, solve
from palestra.envs.toy_text.taxi import IN_TAXI, LET_OUT, STANDS, Chance, State, Taxi
from palestra.envs.transforms import Timed

RAIN, MOODS = {"is_rainy": True}, {"fickle_passenger": True}
WORLDS = [{}, RAIN, MOODS, RAIN | MOODS | {"rainy_probability": 0.5, "fickle_probability": 0.8}]


class Recorder:
    """The reference's random numbers, written down as they are drawn."""

    def __init__(self, rng):
        self.rng, self.uniforms, self.choices = rng, [], []

    def random(self):
        self.uniforms.append(self.rng.random())
        return self.uniforms[-1]

    def choice(self, options):
        self.choices.append(self.rng.choice(options))
        return self.choices[-1]


def replay(world, steps, policy, wild, seed):
    """Play in Gymnasium, a share `wild` of the actions at random.

    Before each step: square, passenger, destination, settled, time, action, drift, change; after
    it: obs, reward, terminated, truncated, prob, the mask.
    """
    env, rng = gymnasium.make("Taxi-v4", **world), np.random.default_rng(seed)
    obs, _ = env.reset(seed=seed)
    inner, befores, afters = env.unwrapped, [], []
    inner.np_random = record = Recorder(inner.np_random)
    for _ in range(steps):
        action = int(rng.integers(6)) if rng.random() < wild else int(policy[obs])
        row, column, passenger, destination = inner.decode(obs)
        before = [row * 5 + column, passenger, destination, not inner.fickle_step]
        before += [env._elapsed_steps, action]
        probabilities = [outcome[0] for outcome in inner.P[obs][action]]
        record.choices.clear()
        obs, reward, terminated, truncated, info = env.step(action)
        drift = int(np.argmax(np.cumsum(probabilities) > record.uniforms[-1]))
        # Where the reference's passenger makes no choice, ours must not heed one.
        change = (record.choices[0] - destination) % 4 if record.choices else 1 + rng.integers(3)
        befores.append((*before, drift, change))
        afters.append((obs, reward, terminated, truncated, info["prob"], *info["action_mask"]))
        if terminated or truncated:
            obs, _ = env.reset()
    env.close()
    return np.array(befores), np.array(afters)


@pytest.fixture(scope="module")
def solved():
    """The model of the plain world, its values, and a policy that has them."""
    model = Taxi().model()
    return model, *solve(model)


@pytest.mark.parametrize("world", WORLDS, ids=["plain", "rain", "moods", "both"])
def test_step_for_step(world, solved):
    _, _, policy = solved
    parts = [replay(world, 1_000, policy, wild, seed=int(10 * wild)) for wild in (0.4, 1.0)]
    before, after = (np.concatenate(part) for part in zip(*parts, strict=True))

    limited = envs.make("Taxi-v4", **world)
    env, whole = limited.env, jnp.asarray(before, jnp.int32).T
    square, passenger, destination, settled, time, action, drift, change = whole
    state = State(square, passenger, destination, settled == 1, jnp.ones(len(before)))
    advance = lambda state, action, chance: env.advance(state, action, chance)
    then, step = jax.jit(jax.vmap(advance))(state, action, Chance(drift, change))
    info = jax.vmap(env.info)(then)
    late = jax.jit(jax.vmap(limited.step))(
        Timed(state, time), action, jax.random.split(prng.key(0), len(before))
    )[1]

    np.testing.assert_array_equal(step.obs, after[:, 0])
    np.testing.assert_array_equal(step.reward, after[:, 1])
    np.testing.assert_array_equal(step.terminated, after[:, 2])
    np.testing.assert_array_equal(late.truncated, after[:, 3])
    np.testing.assert_allclose(info["prob"], after[:, 4], atol=1e-6)
    np.testing.assert_array_equal(info["action_mask"], after[:, 5:])
    assert info["action_mask"].dtype == np.int8

    # What must have happened for this to mean anything:
    reward, moved = after[:, 1], np.asarray(then.square != square)
    drives = before[:, 5] < 4
    assert set(reward) == {20, -10, -1}
    assert after[:, 3].any()  # time ran out
    assert ((before[:, 5] == LET_OUT) & (reward == -1)).any()  # let out at a wrong stand
    assert (drives & ~moved).any()
    stands = np.isin(before[:, 0], STANDS)
    assert ((before[:, 5] == LET_OUT) & (reward == -10) & stands).any()  # nobody in the taxi
    assert ((before[:, 5] == LET_OUT) & (reward == -10) & ~stands).any()
    if env.is_rainy:
        for drift in (1, 2):
            assert (moved & (before[:, 6] == drift)).any()
            assert (drives & ~moved & (before[:, 6] == drift)).any()
    if env.fickle_passenger:
        assert (np.asarray(then.destination) != before[:, 2]).any()
        waits = (before[:, 1] == IN_TAXI) & (before[:, 3] == 0) & (before[:, 5] != LET_OUT)
        assert (waits & ~moved).any()  # carried nowhere yet
        assert (np.asarray(then.settled)[waits] == moved[waits]).all()


@pytest.mark.parametrize(
    "world", [{}, RAIN, RAIN | {"rainy_probability": 0.5}, RAIN | {"rainy_probability": 0.0}]
)
def test_the_model_is_gymnasiums(world):
    model = Taxi(**world).model()
    reference = gymnasium.make("Taxi-v4", **world).unwrapped
    shape = (500, 6, 500, 2)  # state, action, successor, terminated
    ours, theirs, rewards = np.zeros(shape), np.zeros(shape), np.zeros((500, 6))
    state, action, _ = np.indices(model.successor.shape)
    where = state, action, model.successor, model.terminated.astype(int)
    np.add.at(ours, where, model.probability)
    for s, actions in reference.P.items():
        for a, outcomes in actions.items():
            for probability, successor, reward, terminated in outcomes:
                theirs[s, a, successor, int(terminated)] += probability
                rewards[s, a] += probability * reward
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    np.testing.assert_allclose((model.probability * model.reward).sum(-1), rewards, atol=1e-12)
    np.testing.assert_allclose(model.start, reference.initial_state_distrib, atol=1e-12)


def test_the_best_total_is_known(solved):
    """7.93: Gymnasium's threshold of 8 is beyond what any policy reaches on average."""
    model, values, policy = solved
    assert model.start @ values == pytest.approx(7.93, abs=1e-9)
    assert model.start @ evaluate(model, policy) == pytest.approx(7.93, abs=1e-9)


def test_the_model_of_moods_tells_what_the_reference_pays():
    """Theirs decides at the start who will change their mind, ours when they are first carried."""
    world = RAIN | MOODS | {"fickle_probability": 0.9}
    model = Taxi(**world).model()
    values, policy = solve(model)
    env, totals = gymnasium.make("Taxi-v4", **world), []
    obs, _ = env.reset(seed=0)
    settled, total = False, 0.0
    while len(totals) < 1_000:
        row, column, passenger, _ = env.unwrapped.decode(obs)
        after, reward, terminated, truncated, _ = env.step(int(policy[obs + 500 * settled]))
        settled |= passenger == IN_TAXI and env.unwrapped.decode(after)[:2] != (row, column)
        obs, total = after, total + reward
        if terminated or truncated:
            totals.append(total)
            obs, _ = env.reset()
            settled, total = False, 0.0
    error = np.std(totals) / len(totals) ** 0.5
    assert abs(np.mean(totals) - model.start @ values) < 4 * error < 1.5


def test_our_steps_are_our_models():
    """The frequencies of what `step` does with a key, against the model's probabilities."""
    env = Taxi(**RAIN, **MOODS, rainy_probability=0.6, fickle_probability=0.5)
    model, number = env.model(), 40_000
    state = State(jnp.int32(12), jnp.int32(IN_TAXI), jnp.int32(1), jnp.bool_(False), jnp.ones(()))
    for action in (0, 3):
        keys = jax.random.split(prng.key(action), number)
        after, step = jax.vmap(env.step, (None, None, 0))(state, jnp.int32(action), keys)
        seen = np.bincount(step.obs + 500 * np.asarray(after.settled), minlength=1_000)
        told = np.zeros(1_000)
        obs = int(env.observe(state))
        np.add.at(told, model.successor[obs, action], model.probability[obs, action])
        assert seen[told == 0].sum() == 0
        assert (told > 0).sum() == 12  # three squares, four destinations
        assert chisquare(seen[told > 0], number * told[told > 0]).pvalue > 1e-4


def test_starts_are_uniform_over_the_references():
    for env in (Taxi(), Taxi(**MOODS)):
        keys = jax.random.split(prng.key(2), 60_000)
        state, obs = jax.vmap(env.reset)(keys)
        possible = gymnasium.make("Taxi-v4").unwrapped.initial_state_distrib > 0
        seen = np.bincount(obs, minlength=500)
        assert possible.sum() == 300
        assert not seen[~possible].any()
        assert chisquare(seen[possible]).pvalue > 1e-4
        assert (state.settled != env.fickle_passenger).all()
        np.testing.assert_array_equal(jax.vmap(env.info)(state)["prob"], 1.0)


def test_probabilities_may_be_swept():
    """Floats are arguments of the compiled program, under vmap too."""
    sweep = jax.vmap(lambda p, key: Taxi(is_rainy=True, rainy_probability=p).chance(key).drift)
    keys = jax.random.split(prng.key(3), 3_000)
    drift = sweep(jnp.repeat(jnp.array([0.0, 0.5, 1.0]), 1_000), keys).reshape(3, 1_000)
    share = (drift == 0).mean(1)
    assert share[0] == 0
    assert 0.4 < share[1] < 0.6
    assert share[2] == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("rainy_probability", 1.5), ("fickle_probability", -0.1), ("is_rainy", "yes")],
)
def test_bad_values_are_refused(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be "):
        Taxi(**{field: value})


def town(square=12, passenger=0, destination=1):
    parts = (np.int32(part) for part in (square, passenger, destination))
    return State(*parts, np.bool_(True), np.float32(1))


def where(picture, color) -> np.ndarray:
    """Mean (row, column) of the pixels of a color."""
    found = np.argwhere((picture == getrgb(color)).all(-1))
    assert len(found) > 20
    return found.mean(0)


def test_the_picture_shows_where_the_taxi_is():
    for square in (0, 3, 12, 20, 24):
        picture = draw(Taxi(), town(square), 2)
        assert picture.shape == (540, 540, 3)
        assert picture.dtype == np.uint8
        middle = 20 + 100 * np.array(divmod(square, 5)) + 50
        assert np.abs(where(picture, TAXI) - middle).max() < 6


def test_the_picture_shows_passenger_and_destination():
    for stand in range(4):
        corner = 20 + 100 * np.array(divmod(STANDS[stand], 5))
        other = (stand + 1) % 4
        for color, picture in (
            (COAT, draw(Taxi(), town(12, stand, other))),
            (FLAG, draw(Taxi(), town(12, other, stand))),
            (STAND[stand], draw(Taxi(), town(12, other, other))),
        ):
            assert (np.abs(where(picture, color) - corner - 50) < 50).all()
    riding, empty = draw(Taxi(), town(12, IN_TAXI)), draw(Taxi(), town(12, 0))
    assert np.abs(where(riding, COAT) - 270).max() < 8  # in the middle of the taxi
    assert (riding != empty).any()


def test_the_picture_shows_the_last_action_and_the_weather():
    pictures = [draw(Taxi(), town(), action) for action in range(4)]
    for i in range(4):
        for j in range(i):
            assert (pictures[i] != pictures[j]).any()  # each looks its own way
    colors = lambda env: (draw(env, town()) == getrgb(DROP)).all(-1).sum()
    assert colors(Taxi()) == 0 < 100 < colors(Taxi(is_rainy=True))


def test_the_text_is_gymnasiums():
    env = gymnasium.make("Taxi-v4", render_mode="ansi")
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    assert text(Taxi(), town(*theirs(env))) == env.render()
    for _ in range(100):
        env.reset()
        env.unwrapped.s = int(rng.integers(500))
        action = int(rng.integers(6))
        env.step(action)
        assert text(Taxi(), town(*theirs(env)), action) == env.render()


def theirs(env):
    row, column, passenger, destination = env.unwrapped.decode(env.unwrapped.s)
    return row * 5 + column, passenger, destination
