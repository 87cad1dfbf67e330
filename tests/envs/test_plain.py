"""Plain Python made of a simulator gives what XLA gives."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from jax import lax

import palestra
from palestra import envs, prng
from palestra.core import Step, hyperparameters
from palestra.envs.classic.trigonometry import sin_cos
from palestra.envs.gym import single as gym
from palestra.envs.gym.plain import MOST_LINES, Plain, UntranslatableError, translate
from palestra.envs.gym.players import (
    AHEAD,
    Compiled,
    Translated,
    event_key,
    start,
    step,
    streams,
    to_numbers,
    translation,
)

pytestmark = pytest.mark.usefixtures("optimized")  # held to what XLA gives, as users have it

KEY = prng.key(0)
TABLE = np.array([[3, -1, 4], [1, -5, 9]], np.int32)
CUBE = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)


def run(function, *arguments, key=KEY):
    """What the plain form gives, and what XLA gives: the numbers of all results, flat."""
    plain = translate(lambda given, key: function(*given), arguments, key)
    assert isinstance(plain, Plain)
    found = plain.now(to_numbers(arguments), [])
    return found, to_numbers(jax.jit(function)(*arguments))


def assert_agree(found, expected):
    """Whole numbers and flags exactly, of Python's own types; floats to the rounding of XLA."""
    assert [type(x) for x in found] == [type(x) for x in expected]
    for x, y in zip(found, expected, strict=True):
        if isinstance(x, float):
            assert x == pytest.approx(y, rel=3e-6, abs=1e-6)
            assert x == np.float32(x)  # rounded to single precision
        else:
            assert x == y


def floats(*shape, low=-3.0, high=3.0, seed=0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def ints(*shape, low=-9, high=10, seed=1):
    return np.random.default_rng(seed).integers(low, high, shape, np.int32)


X, Y = floats(12), floats(12, seed=2)
I, J = ints(12), ints(12, seed=3)  # noqa: E741
J = np.where(J == 0, 7, J).astype(np.int32)
U, V = (np.abs(n).astype(np.uint32) * np.uint32(345678901) for n in (I, J))
B, C = X > 0, Y > 0.5
POSITIVE = np.abs(X) + np.float32(0.1)
HALVES = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.4, -0.6, 0.0, -3.0, 3.49, 9.5], np.float32)

BY_NUMBER = {
    "add floats": (lax.add, X, Y),
    "add ints": (lax.add, I, J),
    "add unsigned": (lax.add, U, V),
    "sub floats": (lax.sub, X, Y),
    "sub ints": (lax.sub, I, J),
    "sub unsigned": (lax.sub, U, V),
    "mul floats": (lax.mul, X, Y),
    "mul ints": (lax.mul, I, J),
    "mul unsigned": (lax.mul, U, V),
    "div floats": (lax.div, X, Y),
    "div ints": (lax.div, I, J),
    "div unsigned": (lax.div, U, V + np.uint32(1)),
    "rem floats": (lax.rem, X, Y),
    "rem ints": (lax.rem, I, J),
    "floor division": (lambda x, y: x // y, I, J),
    "modulo": (lambda x, y: x % y, I, J),
    "modulo of floats": (lambda x, y: x % y, X, Y),
    "neg floats": (lax.neg, X),
    "neg ints": (lax.neg, I),
    "neg unsigned": (lax.neg, U),
    "eq": (lax.eq, I, J),
    "ne": (lax.ne, I, J),
    "lt": (lax.lt, X, Y),
    "le": (lax.le, I, J),
    "gt": (lax.gt, X, Y),
    "ge": (lax.ge, I, J),
    "eq flags": (lax.eq, B, C),
    "max floats": (lax.max, X, Y),
    "min ints": (lax.min, I, J),
    "max flags": (lax.max, B, C),
    "abs floats": (lax.abs, X),
    "abs ints": (lax.abs, I),
    "sign floats": (lax.sign, np.append(X, np.float32(0))),
    "sign ints": (lax.sign, I),
    "sin": (lax.sin, X),
    "cos": (lax.cos, X),
    "tan": (lax.tan, X),
    "tanh": (lax.tanh, X),
    "exp": (lax.exp, X),
    "log": (lax.log, POSITIVE),
    "sqrt": (lax.sqrt, POSITIVE),
    "atan2": (lax.atan2, X, Y),
    "sine and cosine": (sin_cos, 30 * X[:4]),
    "pow": (lax.pow, POSITIVE, Y),
    "square": (lax.square, X),
    "square ints": (lax.square, I),
    "cube": (lambda x: lax.integer_pow(x, 3), X),
    "cube of differences": (lambda x, y: lax.integer_pow(x - y, 3), X, Y),
    "inverse square": (lambda x: lax.integer_pow(x, -2), X),
    "power zero": (lambda x: lax.integer_pow(x, 0), X),
    "floor": (lax.floor, X),
    "ceil": (lax.ceil, X),
    "round to even": (jnp.round, HALVES),
    "and flags": (lax.bitwise_and, B, C),
    "or flags": (lax.bitwise_or, B, C),
    "xor flags": (lax.bitwise_xor, B, C),
    "not flags": (lax.bitwise_not, B),
    "and ints": (lax.bitwise_and, I, J),
    "or ints": (lax.bitwise_or, I, J),
    "xor ints": (lax.bitwise_xor, I, J),
    "not ints": (lax.bitwise_not, I),
    "not unsigned": (lax.bitwise_not, U),
    "shift left": (lax.shift_left, I, np.abs(J)),
    "shift left unsigned": (lax.shift_left, U, np.abs(J).astype(np.uint32)),
    "shift right": (lax.shift_right_arithmetic, I, np.abs(J)),
    "shift right unsigned": (lax.shift_right_logical, U, np.abs(J).astype(np.uint32)),
    "clamp floats": (lambda x: lax.clamp(np.float32(-1), x, np.float32(2)), X),
    "clamp ints": (lambda x: lax.clamp(np.int32(-4), x, np.int32(4)), I),
    "clamp between": (lax.clamp, X - 1, Y, X + 1),
    "select floats": (jnp.where, B, X, Y),
    "select ints": (jnp.where, B, I, J),
    "float to int": (lambda x: x.astype(jnp.int32), X),
    "int to float": (lambda x: x.astype(jnp.float32), I),
    "flag to int": (lambda x: x.astype(jnp.int32), B),
    "flag to float": (lambda x: x.astype(jnp.float32), B),
    "int to flag": (lambda x: x.astype(bool), np.append(I, np.int32(0))),
    "float to flag": (lambda x: x.astype(bool), np.append(X, np.float32(0))),
    "int to unsigned": (lambda x: x.astype(jnp.uint32), I),
    "unsigned to int": (lambda x: x.astype(jnp.int32), U),
    "int to byte": (lambda x: x.astype(jnp.int8), I * np.int32(100)),
    "constants on the left": (lambda x: np.float32(-2) - x, X),
    "constants below zero": (lambda x: -((x * np.float32(-2)) ** 2), X),
    "stop gradient": (lambda x: lax.stop_gradient(x) * 2, X),
    "barrier": (lambda x, y: lax.optimization_barrier((y, x)), X, I),
    "nothing at all": (lambda x: x, X),
    "constants alone": (lambda x: (x, jnp.full(2, jnp.inf), -jnp.inf * jnp.ones(())), I),
}


@pytest.mark.parametrize("name", BY_NUMBER)
def test_number_by_number(name):
    function, *arguments = BY_NUMBER[name]
    assert_agree(*run(function, *arguments))
    alone = [tuple(np.asarray(n) for n in row) for row in zip(*arguments, strict=True)]
    plain = translate(lambda given, key: function(*given), alone[0], KEY)
    compiled = jax.jit(function)
    for given in alone:
        assert_agree(plain.now(to_numbers(given), []), to_numbers(compiled(*given)))


M, N, F = floats(2, 3), ints(2, 3), floats(2, 3) > 0
G = floats(2, 3, 4)
ARRANGED = {
    "reshape": (lambda x: x.reshape(3, 2), M),
    "flatten": (lambda x: x.ravel(), M),
    "squeeze": (lambda x: jnp.squeeze(x[:1]), M),
    "expand": (lambda x: x[:, None] * jnp.ones((1, 2, 1), jnp.float32), M),
    "broadcast a row": (lambda x: jnp.broadcast_to(x, (4, 2, 3)), M),
    "broadcast a column": (lambda x: jnp.broadcast_to(x[:, :1], (2, 5)), M),
    "broadcast by axis": (lambda x: lax.broadcast_in_dim(x, (2, 4, 3), (0, 2)), M),
    "concatenate": (lambda x, y: jnp.concatenate([x, y, x], 0), M, -M),
    "concatenate along": (lambda x, y: jnp.concatenate([x, y[:, :1]], 1), M, -M),
    "stack": (lambda x, y: jnp.stack([x, y]), M, -M),
    "stack last": (lambda x, y: jnp.stack([x, y], -1), M, -M),
    "unstack": (lambda x: tuple(jnp.unstack(x, axis=1)), G),
    "unpack": (lambda x: tuple(x), M),
    "slice": (lambda x: x[1:, :2], M),
    "slice with strides": (lambda x: lax.slice(x, (0, 0), (2, 3), (1, 2)), M),
    "transpose": (lambda x: x.T, M),
    "transpose axes": (lambda x: x.transpose(2, 0, 1), G),
    "reverse": (lambda x: x[:, ::-1], M),
    "sum": (jnp.sum, M),
    "sum ints": (lambda x: jnp.sum(x, dtype=jnp.int32), N),
    "sum unsigned": (lambda x: jnp.sum(x, dtype=jnp.uint32), U),
    "sum rows": (lambda x: x.sum(0), M),
    "sum axes": (lambda x: x.sum((0, 2)), G),
    "max": (lambda x: x.max(1), M),
    "min": (lambda x: x.min(0), N),
    "min of one": (lambda x: x[:1].min(0), N),
    "any": (lambda x: x.any(1), F),
    "all": (lambda x: x.all(0), F),
    "or of ints": (lambda x: jnp.bitwise_or.reduce(x, axis=1), N),
    "and of ints": (lambda x: jnp.bitwise_and.reduce(x, axis=1), N),
    "scan": (lambda x, y: lax.scan(lambda c, r: (c + r * y, c), y, x), X, X[1]),
    "scan rows": (lambda x: lax.scan(lambda c, r: (c + r.sum(), r * c), x[0, 0], x), M),
    "scan backwards": (lambda x: lax.scan(lambda c, r: (c - r, c), x[0], x, reverse=True), X),
    "scan constants": (lambda x: lax.scan(lambda c, r: (c * r, c), x, jnp.asarray(M)), M[0]),
    "scan nothing": (lambda x: lax.scan(lambda c, _: (c * x, c), x, length=3), X[0]),
    "loop": (lambda x: lax.fori_loop(0, 3, lambda i, y: y * x, x), X[0]),
    "sum of sums": (lambda x: jnp.sum(x * 2 - x.sum(1, keepdims=True)), M),
}  # fmt: skip


@pytest.mark.parametrize("name", ARRANGED)
def test_arrangements(name):
    function, *arguments = ARRANGED[name]
    assert_agree(*run(function, *arguments))


LOOKUPS = {
    "one index": lambda i, j: jnp.asarray(TABLE[0])[i],
    "two": lambda i, j: jnp.asarray(TABLE)[j, i],
    "three": lambda i, j: jnp.asarray(CUBE)[j, i, i],
    "a row's number": lambda i, j: lax.dynamic_slice(jnp.asarray(TABLE), (j, i), (1, 1)),
    "beyond the end": lambda i, j: jnp.asarray(TABLE)[j + 7, i - 9],
    "from the end": lambda i, j: jnp.asarray(TABLE[0])[-i],
    "clipped": lambda i, j: jnp.take(jnp.asarray(TABLE[0]), i + 7, mode="clip"),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_tables(name):
    for i in range(3):
        for j in range(2):
            assert_agree(*run(LOOKUPS[name], np.int32(i), np.int32(j)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint32, np.int8, np.int32, np.float32])
def test_quotients_and_remainders(dtype):
    divide = lambda x: (x // dtype(3), x % dtype(3))
    for x in (7, 100, *((-7,) if np.dtype(dtype).kind != "u" else ())):
        plain = translate(lambda given, key: divide(*given), (dtype(x),), KEY)
        assert "//" in plain.source
        assert_agree(plain.now([dtype(x).item()], []), to_numbers(jax.jit(divide)(dtype(x))))


def test_a_name_is_no_proof():
    """A user's function that is called as one of JAX's keeps its own meaning."""

    @jax.jit
    def remainder(x, y):
        return x - 2 * y

    @jax.jit
    def sin_cos(x):
        return x + 1, x - 1

    function = lambda x, y: (remainder(x, y), *sin_cos(x))
    assert_agree(*run(function, X[0], X[1]))


def test_lines_reach_nothing_of_python_but_arithmetic():
    """What is executed is made of numbers: no import, no file, whatever a simulator is given."""
    plain = translate(lambda given, key: jnp.sin(given[0]) + 1, (X[0],), KEY)
    assert set(plain.now.__globals__["__builtins__"]) == {
        "abs", "float", "int", "max", "min", "round",
    }  # fmt: skip
    strange = np.array([1 + 2j], np.complex64)
    with pytest.raises(UntranslatableError, match="no literal for complex"):
        run(lambda x: (x, jnp.asarray(strange)), X[0])


UNTRANSLATABLE = {
    "sorting": (jnp.sort, X),
    "the place of the largest": (jnp.argmax, X),
    "a loop while": (lambda x: lax.while_loop(lambda y: y < 9, lambda y: y + 1, x), I[0]),
    "a branch": (lambda x: lax.cond(x > 0, jnp.sin, jnp.cos, x), X[0]),
    "a long scan": (lambda x: lax.scan(lambda c, _: (c * x, c), x, length=2_000), X[0]),
    "a matrix product": (lambda x: x @ x.T, M),
    "a sum so far": (jnp.cumsum, X),
    "a product": (jnp.prod, X),
    "a change at a place": (lambda x, i: x.at[i].set(0), X, np.int32(3)),
    "a number at a place": (lambda x, i: x[i], X, np.int32(3)),
    "numbers at places": (lambda i: jnp.asarray(TABLE[0])[i], np.array([0, 2], np.int32)),
    "rows at places": (lambda i: jnp.asarray(TABLE)[i], np.int32(1)),
    "not a number beyond": (lambda i: jnp.take(jnp.asarray(CUBE[0, 0]), i), np.int32(1)),
    "rounding away": (lambda x: lax.round(x, lax.RoundingMethod.AWAY_FROM_ZERO), X),
    "choosing among three": (lambda i, x: lax.select_n(i % 3, x, x + 1, x * 2), np.abs(I), X),
    "several results": (lambda x: jnp.split(x, [2, 5]) and lax.top_k(x, 2), X),
    "bits of a float": (lambda x: lax.bitcast_convert_type(x, jnp.int32), X),
    "special functions": (lambda x: lax.erf(x), X),
    "too much": (lambda x: x * 2, floats(MOST_LINES + 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTRANSLATABLE)
def test_what_has_no_line(name):
    function, *arguments = UNTRANSLATABLE[name]
    with pytest.raises(UntranslatableError):
        run(function, *arguments)


def test_as_much_as_there_may_be():
    assert_agree(*run(lambda x: x * 2, floats(MOST_LINES)))


# Random numbers.


def drawing(given, key):
    """Some of the key alone, some of both; through functions within, one of them called twice."""
    one, two = jax.random.split(key)
    noise = jax.random.uniform(one, (2,))
    die = jax.random.randint(two, (), 1, 7)
    twice = jax.jit(lambda x: x * 2 + die.astype(jnp.float32))
    return (
        given + noise,
        twice(twice(given[0])),
        die,
        jax.random.bernoulli(jax.random.fold_in(key, 3)),
    )


def test_what_is_drawn_of_the_key():
    with jax.debug_key_reuse(False):
        given = floats(2)
        plain = translate(drawing, given, KEY)
        keys = jax.random.split(prng.key(5), 40)
        ahead = jax.jit(jax.vmap(plain.ahead))(keys)
        for n, key in enumerate(keys):
            drawn = to_numbers([x[n] for x in ahead])
            assert drawn == to_numbers(jax.jit(plain.ahead)(key))  # ahead or now, the same
            found = plain.now(to_numbers(given), drawn)
            assert_agree(found, to_numbers(drawing(given, key)))


def test_a_key_is_not_a_number():
    with pytest.raises(UntranslatableError, match="key"):
        translate(lambda x, key: (x, jax.random.split(key)), np.float32(1), KEY)


def test_what_depends_on_nothing_is_computed_once():
    plain = translate(lambda x, key: x + jnp.sum(jnp.arange(100.0)), np.float32(1), KEY)
    assert "4950.0" in plain.source
    assert plain.now([1.0], []) == [4951.0]
    assert len(jax.make_jaxpr(plain.ahead)(KEY).eqns) == 0


# The environments of the table.

TRANSLATED = [
    "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1", "FrozenLake-v1",
    "FrozenLake8x8-v1", "CliffWalking-v1", "CliffWalkingSlippery-v1", "Taxi-v4",
]  # fmt: skip
STEPS = 300


@pytest.mark.parametrize(
    "env_id",
    [
        pytest.param(i, marks=pytest.mark.tiny) if i == "CartPole-v1" else i
        for i in envs.ENVIRONMENTS
    ],
)
def test_simulators(env_id):
    """One step from each of many states, which XLA has reached."""
    env = envs.make(env_id)
    program = translation(env)
    if program is None:
        assert env_id not in TRANSLATED
        return
    stream = jnp.asarray(streams([3])[0])
    actions = env.action_space
    actions.seed(0)
    if isinstance(actions, spaces.Discrete):
        taken = np.array([actions.sample() for _ in range(STEPS)], np.int32)
    else:
        taken = np.array([actions.sample() for _ in range(STEPS)], np.float32)

    def body(state, now):
        action, event = now
        after, out = step(env, state, action, event_key(stream, event))
        fresh, _ = start(env, event_key(stream, event + STEPS))
        ended = out.terminated | out.truncated
        onwards = jax.tree.map(lambda x, y: jnp.where(ended, x, y), fresh, after)
        return onwards, (state, after, out)

    events = jnp.arange(STEPS, dtype=jnp.uint32)
    first, _ = start(env, event_key(stream, jnp.uint32(2 * STEPS)))
    _, (before, after, out) = jax.jit(lambda: lax.scan(body, first, (taken, events)))()
    draws = [row for b in range(0, STEPS, AHEAD) for row in program.ahead(stream, np.uint32(b))[1]]
    rows = lambda tree: list(
        zip(
            *(np.asarray(x).reshape(STEPS, -1).tolist() for x in jax.tree.leaves(tree)), strict=True
        )
    )
    flat = lambda row: [number for numbers in row for number in numbers]
    for n, (state, expected) in enumerate(zip(rows(before), rows((after, out)), strict=True)):
        action = taken[n].item() if taken.ndim == 1 else taken[n]
        found = program.now([*flat(state), *program.action(action)], draws[n])
        assert [type(x) for x in found] == [type(x) for x in flat(expected)]
        np.testing.assert_allclose(found, flat(expected), rtol=2e-5, atol=2e-5)
        whole = [i for i, x in enumerate(found) if not isinstance(x, float)]
        assert [found[i] for i in whole] == [flat(expected)[i] for i in whole]


# Where Python has no number and XLA has.


@hyperparameters
class Edge:
    """Divides by what it is told, takes its logarithm and its root."""

    observation_space = spaces.Box(-np.inf, np.inf, (3,))
    action_space = spaces.Discrete(3, start=-1)

    def reset(self, key):
        return jnp.ones((), jnp.float32), jnp.ones(3, jnp.float32)

    def step(self, state, action, key):
        x = action.astype(jnp.float32)
        obs = jnp.stack([1 / x, jnp.log(x), jnp.sqrt(x)])
        no = jnp.zeros((), bool)
        return state + 1, Step(obs, jnp.exp(100 * x), no, no)


def test_where_python_raises_xla_goes_on(monkeypatch):
    env = gym.PalestraEnv(Edge())
    env.reset(seed=0)
    assert type(env.player) is Translated
    monkeypatch.setattr(gym, "player", Compiled)
    other = gym.PalestraEnv(Edge())
    other.reset(seed=0)
    for n, action in enumerate([1, 0, -1, 1, 0]):
        obs, reward, *rest = env.step(action)
        expected, their_reward, *their_rest = other.step(action)
        np.testing.assert_allclose(obs, expected, rtol=1e-6)
        assert reward == pytest.approx(their_reward, rel=1e-5)
        assert rest == their_rest
        assert env.state == other.state == n + 2
        assert env.get_state().events == n + 2
    assert obs[0] == math.inf
    assert obs[1] == -math.inf


def test_infinities_come_back_from_states():
    env = palestra.make("CartPole-v1")
    env.reset(seed=0)
    snapshot = env.get_state()
    inner = snapshot.state.inner._replace(x_dot=np.float32(np.inf))
    env.set_state(snapshot._replace(state=snapshot.state._replace(inner=inner)))
    obs, _, terminated, _, _ = env.step(0)
    assert obs[0] == math.inf
    assert terminated
