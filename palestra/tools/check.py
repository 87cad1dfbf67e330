"""Whether an environment, or an algorithm, is ready to be used, and what to mend where it is not.

Of Gymnasium's environments Gymnasium's own checker has its say, then ours: types and bounds of what
is shown, seeds, endings, rewards, the time of a step, and who can learn it. What is written in JAX
is held to the contract (palestra/testing.py).
"""

import re
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium.utils.env_checker import check_env, data_equivalence

from palestra import prng
from palestra.algorithms import ALGORITHMS, served
from palestra.core import Spec
from palestra.envs.host import masking
from palestra.envs.host.closing import playing
from palestra.envs.host.ids import import_for
from palestra.envs.unknown import UnknownEnvironmentError
from palestra.faults import RAISED, EnvironmentFaultError, said
from palestra.own import load_installed, own_algorithm
from palestra.parts.spaces import flat_action_space, flat_observation_space
from palestra.testing import AlgorithmTests, EnvironmentTests, faults, misfit
from palestra.tools.environments.hosted import Hosted
from palestra.tools.environments.ours import Ours
from palestra.tools.environments.task import Spaces, Task, seen_of
from palestra.tools.environments.whose import task_of

STEPS = 1_000  # played at random
LARGE = 100.0  # a reward from which on learning is hard
SEEDS = 5  # whose starts are compared


@dataclass
class Checked:
    """What was found."""

    name: str
    kind: str  # environment or algorithm
    mend: list[str] = field(default_factory=list)  # what is wrong, in sentences
    remarks: list[str] = field(default_factory=list)  # what may be meant so
    told: list[str] = field(default_factory=list)  # what was measured
    learn: list[str] = field(default_factory=list)  # algorithms that can learn it
    refuse: dict[str, str] = field(default_factory=dict)  # those that cannot, and why

    def __str__(self) -> str:
        count = len(self.mend)
        verdict = f"{count} thing{'s' if count > 1 else ''} to mend" if count else "nothing to mend"
        lines = [f"{self.name}: {verdict}."]
        for title, found in ("To mend", self.mend), ("Worth a look", self.remarks):
            lines += [title, *(f"  - {sentence}" for sentence in found)] if found else []
        lines += self.told
        if self.learn:
            lines.append(f"Can learn it: {', '.join(self.learn)}.")
        reasons = defaultdict(list)
        for name, why in self.refuse.items():
            reasons[why].append(name)
        lines += [f"Cannot: {', '.join(names)}, since {why}" for why, names in reasons.items()]
        return "\n".join(lines)


def check(name: str, say: Callable[[str], object] = lambda part: None) -> Checked:
    """What is to be mended in an environment or an algorithm: an environment's id or module:Name,
    whose module is imported. `say` is told what is done. Raises InputError where there is none of
    that name."""
    import_for(name)
    say(f"{name}: what the contract says")
    if (own := own_algorithm(load_installed("algorithms", name) or name)) is not None:
        return Checked(name, "algorithm", faults(AlgorithmTests.of(algorithm=own)))
    task = task_of(name)
    found = Checked(task.env_id, "environment")
    if isinstance(task, Ours):
        env = task.simulator()
        found.mend += faults(EnvironmentTests.of(environment=env))
        spaces = [getattr(env, f"{word}_space", None) for word in ("observation", "action")]
    elif isinstance(task, Hosted):
        spaces = _check_host(task, found, say)
    if all(isinstance(space, gymnasium.Space) for space in spaces):
        say(f"{task.env_id}: which algorithms can learn it")
        _ask_algorithms(task, spaces, found)
    return found


def _check_host(task: Hosted, found: Checked, say: Callable[[str], object]) -> list[Any]:
    """Check one of Gymnasium's environments; its spaces, none where it cannot be made."""
    try:
        say(f"{task.env_id}: Gymnasium's checker")
        _ask_gymnasium(task, found)
        say(f"{task.env_id}: {STEPS:,} random steps")
        with playing(task.make_one()) as env, playing(task.make_one()) as another:
            try:
                with warnings.catch_warnings():  # which are told already
                    warnings.simplefilter("ignore")
                    _play(task, env, another, found)
            except RAISED as fault:
                found.mend.append(f"It failed in play under random actions: {said(fault)}.")
            return [env.observation_space, env.action_space]
    except UnknownEnvironmentError:
        raise
    except EnvironmentFaultError as fault:
        found.mend.append(_plain(str(fault)))
        return [None]


def _ask_gymnasium(task: Hosted, found: Checked) -> None:
    """What Gymnasium's own checker says: what it raises is to be mended, its warnings are
    remarks."""
    with playing(task.make_one()) as env, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            check_env(env.unwrapped, skip_render_check=True, skip_close_check=True)
        except RAISED as fault:
            what = str(fault) if isinstance(fault, AssertionError) else f"It raised {said(fault)}"
            found.mend.append(f"Gymnasium's checker: {_plain(what)}")
    told = dict.fromkeys(_plain(str(one.message)) for one in warned)
    found.remarks += [f"Gymnasium's checker: {sentence}" for sentence in told]


def _plain(text: str) -> str:
    """One line without colors."""
    return re.sub(r"\x1b\[\d+m|WARN: ", "", " ".join(text.split()))


def _play(task: Task, env: Any, another: Any, found: Checked) -> None:
    """Play at random; look at all that it gives."""
    rewards, lengths, endings = [], [], []
    wrong: dict[str | None, int | None] = {}  # what was wrong, and in which step at first
    space = env.observation_space
    length, seconds = 0, 0.0
    try:
        env.action_space.seed(0)
        obs, info = env.reset(seed=0)
        wrong[misfit(space, obs, "The observation of `reset`")] = None
        wrong.setdefault(_no_mask(env, obs, info), None)
        for step in range(1, STEPS + 1):
            action, begun = masking.draw(env, obs, info), time.perf_counter()
            obs, reward, terminated, truncated, info = env.step(action)
            seconds += time.perf_counter() - begun
            length += 1
            wrong.setdefault(misfit(space, obs, "An observation of `step`"), step)
            wrong.setdefault(_no_reward(reward), step)
            wrong.setdefault(_no_flags(terminated, truncated), step)
            rewards.append(float(np.asarray(reward).flat[0]) if np.size(reward) else 0.0)
            if terminated or truncated:
                lengths.append(length)
                endings.append((bool(terminated), bool(truncated)))
                length = 0
                obs, info = env.reset()
            wrong.setdefault(_no_mask(env, obs, info), step)
    finally:  # also where it raises
        # Of each kind of fault one is enough: the first.
        kinds = {re.sub(r"[-\d.]+", "", str(one)): one for one in reversed([*wrong]) if one}
        at = lambda step: "" if step is None else f" It was so in step {step} of random ones."
        found.mend += [f"{one}{at(wrong[one])}" for one in [*kinds.values()][::-1]]
    courses = [_course(one) for one in (env, env, another)]
    if not data_equivalence(courses[0], courses[1], exact=True):
        found.mend.append(
            "After `reset` with the same seed and the same actions it takes another course; draw "
            "from self.np_random alone, after super().reset(seed=seed), and begin anew in `reset`."
        )
    elif not data_equivalence(courses[0], courses[2], exact=True):
        found.mend.append(
            "Two of them take different courses from the same seed and actions; what is drawn or "
            "kept outside of `reset`, in the class or its module, must not matter."
        )
    starts = [env.reset(seed=seed)[0] for seed in range(SEEDS)]
    if all(data_equivalence(starts[0], start, exact=True) for start in starts[1:]):
        found.remarks.append(f"{SEEDS} different seeds give the same first observation.")
    finite = [reward for reward in rewards if np.isfinite(reward)] or [np.nan]
    least, most = min(finite), max(finite)
    if least == most == 0:
        found.remarks.append(
            f"No reward other than 0 came in {STEPS:,} random steps, so there is little to learn "
            "from at first; reward what leads there, or begin nearer to it."
        )
    elif max(-least, most) > LARGE:
        found.remarks.append(
            f"Rewards go from {least:g} to {most:g}, and networks learn best from about 1; divide "
            "them by a number, as gymnasium.wrappers.TransformReward does."
        )
    _look_at_ends(task, lengths, endings, found)
    found.told.append(
        f"Played {STEPS:,} random steps: {seconds / STEPS * 1e6:,.0f} µs a step, rewards from "
        f"{least:g} to {most:g}, {_of_lengths(lengths)}."
    )


def _look_at_ends(
    task: Task, lengths: Sequence[int], endings: Sequence[tuple[bool, bool]], found: Checked
) -> None:
    if not lengths and task.limit is None:
        found.remarks.append(
            f"No episode ended in {STEPS:,} random steps and there is no time limit; register it "
            "with max_episode_steps, or train with --max-episode-steps."
        )
    alike = len(lengths) >= 3 and len(set(lengths)) == 1 and lengths[0] > 1
    if alike and all(terminated and not truncated for terminated, truncated in endings):
        found.remarks.append(
            f"Every episode was terminated after exactly {lengths[0]:,} steps; if that is a time "
            "limit, it must be truncated instead, or what comes later is learned to be worth 0."
        )


def _of_lengths(lengths: Sequence[int]) -> str:
    if not lengths:
        return "no end of an episode"
    if len(lengths) == 1:
        return f"one episode of {lengths[0]:,} steps"
    return f"{len(lengths)} episodes of {min(lengths):,} to {max(lengths):,} steps"


def _course(env: Any) -> list[Any]:
    """What it shows and pays in up to 50 steps, always from the same seed, by the same actions."""
    env.action_space.seed(1)
    obs, info = env.reset(seed=1)
    course: list[Any] = [obs]
    for _ in range(50):
        action = masking.draw(env, obs, info)
        obs, reward, terminated, truncated, info = env.step(action)
        course.append((obs, np.asarray(reward), bool(terminated), bool(truncated)))
        if terminated or truncated:
            break
    return course


def _no_mask(env: Any, obs: Any, info: Any) -> str | None:
    mask = masking.mask_of(env.observation_space, obs, info)
    if mask is None or not masking.choices(env.action_space):
        return None
    try:
        flags = masking.flags_of(mask, env.action_space)
    except ValueError as fault:
        return f"{_plain(str(fault))}."
    if not masking.is_open(flags, env.action_space):
        return f"{masking.KEY} must allow an action as long as the episode goes on."
    return None


def _no_reward(reward: Any) -> str | None:
    if np.size(reward) != 1:
        return f"The reward must be one number, not {np.size(reward)}; weigh them in a wrapper."
    if not np.isfinite(np.asarray(reward, float)).all():
        return f"The reward must be finite, not {reward}."
    return None


def _no_flags(*flags: Any) -> str | None:
    for name, flag in zip(("terminated", "truncated"), flags, strict=True):
        if not isinstance(flag, bool | np.bool_):
            return f"{name} must be True or False, not {flag!r}."
    return None


def _ask_algorithms(task: Task, spaces: Sequence[Any], found: Checked) -> None:
    """Which algorithms can learn it, and what the others say."""
    try:
        _, seen = seen_of(task, Spaces(*spaces))
        spec = Spec(flat_observation_space(seen), flat_action_space(spaces[1]), 1)
    except ValueError as fault:
        sentence = f"No algorithm can learn it: {fault}"
        if not any(str(fault) in known for known in found.mend):
            found.mend.append(_plain(sentence))
        return
    for name, row in ALGORITHMS.items():
        if served(name, spec.observation_space, spec.action_space):
            found.learn.append(name)
            continue
        learner = row.learner()
        try:
            jax.eval_shape(lambda learner=learner: learner.init(spec, prng.key(0)))
        except ValueError as fault:
            found.refuse[name] = _plain(str(fault))
