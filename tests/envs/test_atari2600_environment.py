"""Atari games in our own console, held to ale-py's vector form with the same preprocessing."""

import subprocess
import sys
from dataclasses import replace

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("warp")
pytest.importorskip("ale_py")
import palestra
from palestra import prng
from palestra.algorithms.a2c import A2C
from palestra.envs import atari2600
from palestra.envs.atari2600 import emulator
from palestra.envs.atari2600.controls import CONTROLS
from palestra.envs.atari2600.environment import NOT_YET, Atari2600
from palestra.envs.atari2600.games import GAMES
from palestra.envs.classic.cartpole import CartPole
from palestra.envs.host.atari import NATURE, AtariVector
from palestra.faults import InputError
from palestra.parts.remembering import Remembering
from palestra.runners import compiled
from palestra.runners.report import count, no_tally
from palestra.tools.environments.whose import task_of

AT_ONCE = {"noop_max": 0, "fire_reset": False}  # so that games begin as ale-py has loaded them


@pytest.mark.parametrize(
    ("game", "steps", "seen"),
    [
        ("pong", 60, {}),
        ("breakout", 240, {}),
        ("pong", 20, {"view": "crop", "height": 40, "width": 40, "max_pool": False}),
        ("pong", 20, {"view": "crop", "height": 80, "width": 80, "max_pool": True}),
        ("breakout", 20, {"gray": False, "height": 60, "width": 50, "stack": 2}),
        ("seaquest", 20, {"height": 70, "width": 80}),  # sides that divide the screen's
    ],
)
def test_what_is_seen_and_earned_is_ale_pys_to_the_bit(game, steps, seen):
    env = Atari2600(game=game, boots=1, **AT_ONCE, **seen)
    others = AtariVector(game, 2, replace(NATURE, **AT_ONCE, **seen))
    theirs, _ = others.reset(seed=0)
    states, obs = jax.jit(jax.vmap(env.reset))(jax.random.split(prng.key(0), 2))
    assert (np.asarray(obs) == theirs).all()
    step, go_on = jax.jit(jax.vmap(env.step)), jax.jit(jax.vmap(env.go_on))
    told = lambda tally, *now: count(tally, *(x[None] for x in jax.vmap(env.counted)(*now)))
    counted = jax.jit(told)
    rng, lost, tally, games = np.random.default_rng(0), 0, no_tally(2), 0
    assert env.action_space == others.single_action_space
    for seed in range(1, steps + 1):
        keys = jax.random.split(prng.key(seed), 4)
        actions = rng.integers(env.action_space.n, size=2).astype(np.int32)
        states, ours = step(states, actions, keys[:2])
        theirs, reward, terminated, truncated, info = others.step(actions)
        assert (ours.reward == reward).all()
        assert (ours.terminated == terminated).all()
        assert not truncated.any()
        tally, episodes = counted(tally, states, ours)
        over = info.get("_episode", np.zeros(2, bool))
        assert (np.asarray(episodes.finished)[0] == over).all()
        for i in np.flatnonzero(over):
            whole, games = info["episode"], games + 1
            assert episodes.total[0, i] == whole["r"][i]
            assert episodes.steps[0, i] == whole["l"][i]
        if terminated.any():
            lost += terminated.sum()
            begun, seen = go_on(states, keys[2:])
            for i in np.flatnonzero(terminated):
                assert (np.asarray(ours.obs)[i] == info["final_obs"][i]).all()
                assert (np.asarray(seen)[i] == theirs[i]).all()
            for i in np.flatnonzero(terminated):
                states = jax.tree.map(lambda old, new, i=i: old.at[i].set(new[i]), states, begun)
        going_on = ~terminated
        assert (np.asarray(ours.obs)[going_on] == theirs[going_on]).all()
    assert (lost and games) or game == "pong" or steps < 60


@pytest.mark.parametrize("game", ["breakout", "seaquest", "ms_pacman"])  # the last has no FIRE
def test_games_begin_after_frames_without_action_as_ale_pys_do(game):
    """FIRE comes first, and counts: where it came last, a policy met other games in ale-py."""
    env = Atari2600(game=game, boots=1)
    states, shown = jax.jit(jax.vmap(env.reset))(jax.random.split(prng.key(0), 200))
    begun = dict(zip(np.asarray(states.frames).tolist(), np.asarray(shown), strict=True))
    theirs, info = AtariVector(game, 12, NATURE).reset(seed=3)
    after = info["episode_frame_number"].tolist()
    assert len(set(after)) > 6
    for frames, picture in zip(after, theirs, strict=True):
        assert (begun[frames] == picture).all()


def test_every_game_has_ale_pys_id_and_the_spaces_and_infos_of_gymnasium():
    import ale_py

    gymnasium.register_envs(ale_py)
    named = {x: row.kwargs["game"] for x, row in gymnasium.registry.items() if x[:4] == "ALE/"}
    assert {x.replace("atari/", "ALE/"): game for x, game in atari2600.ids().items()} == named
    ours = palestra.make("atari/Breakout-v5", render_mode="rgb_array")
    theirs = gymnasium.make("ALE/Breakout-v5")
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    assert "palestra/atari-Breakout-v5" in gymnasium.registry
    ours.reset(seed=0), theirs.reset(seed=0)
    mine, yours = ours.step(0), theirs.step(0)
    assert (mine[0] == yours[0]).all()
    assert mine[1:] == yours[1:]
    assert ours.render().shape == (210, 160, 3)
    assert ours.metadata["render_fps"] == 15
    before = ours.get_state()
    then = ours.step(1)[0]
    ours.set_state(before)
    assert (ours.step(1)[0] == then).all()


@pytest.mark.parametrize("game", ["time_pilot", "qbert"])  # whose bytes tell them after a while
def test_lives_are_ale_pys_from_the_first_frame(game):
    import ale_py

    env = Atari2600(game=game, boots=1, **AT_ONCE)
    state, _ = env.reset(prng.key(0))
    ale = ale_py.ALEInterface()
    ale.loadROM(ale_py.roms.get_rom_path(game))
    ale.reset_game()
    assert env.info(state)["lives"] == ale.lives()


def test_agents_are_judged_by_whole_games_and_all_points():
    env = Atari2600(game="breakout", boots=1, **AT_ONCE, max_frames=80)
    judged = task_of(env).judged
    assert (judged.life_loss, judged.clip_reward, judged.max_frames) == (False, False, 80)
    assert (env.life_loss, env.clip_reward) == (True, True)


def test_what_cannot_be_is_said_in_a_sentence(monkeypatch):
    with pytest.raises(InputError, match="no Atari game 'pogn'; did you mean 'pong'"):
        Atari2600(game="pogn")
    with pytest.raises(InputError, match="no Atari game 'atari/Pogn-v5'; did you mean"):
        task_of("atari/Pogn-v5")
    with pytest.raises(InputError, match=r"must be one of nature-2015, .*, not 'nature'"):
        task_of("atari/Pong-v5", {"preprocessing": "nature"})
    with pytest.raises(InputError, match=r"must be one of nature-2015, .*, not \['laptop'\]"):
        task_of("atari/Pong-v5", {"preprocessing": ["laptop"]})
    with pytest.raises(InputError, match="preprocessing has no 'hight'; did you mean height"):
        task_of("atari/Pong-v5", {"hight": 3})
    with pytest.raises(InputError, match="does not play 'klax' as ale-py does"):
        task_of("atari/Klax-v5").spaces()
    with pytest.raises(InputError, match="does not play 'klax' as ale-py does: its picture"):
        Atari2600(game="klax")
    game = emulator.load("air_raid")
    states = emulator.boot(game, [1])
    with pytest.raises(InputError, match=r"Pictures are uint8 \[1, 40000\] of air_raid"):
        emulator.play(game, states, np.zeros(1), np.zeros((1, emulator.PIXELS), np.uint8))
    monkeypatch.setattr(atari2600, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "palestra\[atari2600\]"'):
        Atari2600()
    with pytest.raises(InputError, match=r'pip install "palestra\[atari2600\]"'):
        palestra.make("atari/Pong-v5")


def test_without_its_extra_the_module_can_be_imported_and_says_so():
    """As from the command line, which imports the module that is named."""
    script = """if True:
        import sys
        sys.modules["ale_py"] = sys.modules["warp"] = None
        from palestra.envs.atari2600 import environment
        print(environment.Atari2600.__name__)"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "Atari2600\n", done.stderr


def test_tables_of_games_speak_of_the_same_ones():
    assert set(CONTROLS) == set(GAMES)
    assert set(NOT_YET) < set(GAMES)


def test_what_training_tells_is_of_whole_games_and_all_points():
    """Seaquest's fish are 20 points each; a learner is told of 1, and that a lost life ends it."""
    env = Atari2600(game="seaquest", boots=1, max_frames=1_600, height=12, width=12)
    learner = A2C(hidden=(4,), rollout_length=50)
    (report,) = compiled.train(env, learner, num_envs=4, total_steps=1_600, reports=1, seeds=[0])
    finished = report.episodes.finished
    totals, steps = report.episodes.total[finished], report.episodes.steps[finished]
    assert len(totals) >= 4
    assert totals.max() >= 20
    assert not (totals % 20).any()
    assert steps.min() > 100  # three lives and more


def test_whoever_remembers_goes_on_and_counts_as_others_do():
    env = Atari2600(game="breakout", boots=1, height=12, width=12)
    memory, action = np.zeros(2, np.float32), np.int32(0)
    told = Remembering(env, memory)
    state, _ = env.reset(prng.key(0))
    state, step = env.step(state, action, prng.key(1))
    state = state._replace(lost=jnp.ones((), bool), points=jnp.int32(7))
    ended = step._replace(terminated=jnp.ones((), bool))
    assert [float(x) for x in told.counted(state, ended)] == [7, 0]  # a life is no game
    (mine, seen), (others, theirs) = (x.go_on(state, prng.key(2)) for x in (told, env))
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), mine, others)))
    assert (seen.obs == theirs).all()
    assert (seen.memory == memory).all()
    assert (mine.console == state.console).all()  # the game under way
    plain = Remembering(CartPole(), memory)
    begun, _ = plain.go_on(plain.reset(prng.key(0))[0], prng.key(3))
    fresh, _ = plain.reset(prng.key(3))
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a == b).all()), begun, fresh)))
