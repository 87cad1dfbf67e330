"""What is wrong with a training run, found from its reports while it trains.

    fault                  seen
    nan                    NaN or infinity in rewards, observations or the learner; fatal
    infinity               an infinite metric, while the learner is finite
    value-explosion        values that the rewards seen cannot add up to
    entropy-collapse       a policy that is certain, and no better than at first
    reward-scale           rewards that are orders of magnitude from what networks learn from
    no-reward              nothing but 0 over a good part of the run
    observation-scale      numbers in observations that are, likewise, each by itself
    constant-observations  one and the same observation, at all times and everywhere
    no-episode-ends        episodes that never end, so that there are no totals
    learning-over          a learning rate that stands at zero while the run goes on

A check reads what a report holds anyway and the numbers of the learner, save for its replay;
benchmarks/doctor.py measures what that costs. The first reports are looked at as they come, which
is where most faults show; later ones four at a time, as long as the compiled program that trains
says that they are sound. A check that has found its fault, or that it cannot come any more, is
dropped, so that each is said once; a sound report is not looked at where nothing is left to be
found in it. Thresholds are loose on purpose: if a healthy run could look like this, nothing is
said.

Metrics are NaN where nothing was measured, so a metric that is NaN is no fault by itself. None is
missed by that: with a loss that is NaN the gradient is too, and the weights in the same update.
"""

from collections.abc import Callable
from copy import copy
from math import e, isfinite, log, pi, prod, sqrt
from typing import Any, NamedTuple, TypedDict

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Space, Tuple
from jaxtyping import Array, Bool, PyTree

from palestra.core import Algorithm, Metrics, Spec
from palestra.runners.report import REPLAY, Report

# Losses before they are NaN: divergence passes through all sizes, which takes it some updates. What
# came at a stroke, from losses as before, came from outside.
DIVERGED = 100.0

# An estimate may well be several times the truth, as Q-learning's early on; tenfold is not learned.
VALUE_ROOM = 10.0
# Networks begin with values of about 1, whatever the rewards are; below 100 nothing explodes.
VALUE_FLOOR = 10.0
LARGEST_SCALED = 10.0  # what `normalize_reward` clips rewards to

# A policy of 1 % of the entropy of a coin does something else in one of a thousand steps; and a
# Gaussian of 1 % of half its box does not find what is elsewhere in the box.
CERTAIN = 0.01
FIRST = 100  # episodes that are taken for the beginning, within the first tenth of the run
FIRST_SHARE = 0.1
FEWEST = 10  # episodes, however long they take; fewer have no telling mean
RECENT = 1_000  # episodes to compare with these: where chance rules, many are needed
BETTER = 2.0  # standard errors; a policy that is not better in earnest falls short of them sometime

# With a discount of 0.99 it makes values of 100,000, whose squared errors drown all else.
LARGE_REWARD = 1_000.0
# Returns that no one can tell from the noise of a network's first values, which is about 0.1.
SMALL_RETURN = 0.01
EPISODES = 20  # before rewards are judged
REWARDLESS = 0.25  # share of the run: exploration mostly falls within it

# Weights begin so that a layer passes on numbers of about 1. Of Gymnasium's tasks none shows a
# number above 152 on average (HumanoidStandup), nor one that stays below 0.015 (the velocity of
# MountainCar). What is far beyond is learned from slowly, or drowns, or drowns what is beside it.
LARGE_OBS = 200.0
SMALL_OBS = 1e-3
NO_OBS = 1e-7  # below it, a 0 that was computed
NAMED = 3  # inputs; of others, how many there are
REPORTS = 5  # before observations are judged: there is one of each environment in a report
TIMES = 10  # of an episode at which the same was seen: at one time all may be in one place

# The longest games of the table have 10,000 steps or so, and a tenth of a run is time to stop it.
ENDLESS = 10_000
ENDLESS_SHARE = 0.1
ENDLESS_LIMITS = 10  # times the limit, where there is one

EACH = 8  # reports at the beginning that are looked at one by one
PERIOD = 4  # reports that are looked at together, after these


OVER = 0.01  # share of a run without learning that is worth a word


class Finding(NamedTuple):
    """A fault of a run."""

    fault: str  # its name, from the table above
    step: int  # when it was found
    said: str  # one sentence: what was seen, the likely cause or what to do
    fatal: bool  # nothing more can be learned


class DoctorState(TypedDict):
    """All that a Doctor has seen, in JSON's kinds; save for one observation, which is seen anew."""

    reports: int
    looks: int
    episodes: int
    rewards: float
    lengths: int
    largest: float
    rate: float
    first: list[float]
    recent: list[float]
    entropy: float | None
    soft: float
    sizes: dict[str, tuple[list[float], list[float]]]
    checks: list[str]


COUNTS = [name for name in DoctorState.__annotations__ if name not in ("sizes", "checks")]
# What cannot be told by one who has not seen the beginning.
OF_ALL = ("value-explosion", "entropy-collapse", "no-reward", "no-episode-ends")


class Shown(NamedTuple):
    """What is looked at of a learner: by field of its State, the leaves that are numbers."""

    fields: dict[str, list]


class Seen(NamedTuple):
    """A report, on the host."""

    step: int
    learner: Shown | None  # None where the report is known to be sound
    metrics: dict[str, np.ndarray]  # [updates]
    finished: np.ndarray  # [updates, T, E], as the next two
    total: np.ndarray  # so far, where no episode finished
    steps: np.ndarray  # environment steps of each
    obs: list[np.ndarray | None]  # [E, ...] by part of the observation; None for what need not be


def learning_over(algorithm: Algorithm, steps: int) -> str | None:
    """A sentence for a learning rate that is zero long before a run of `steps` ends."""
    end = getattr(algorithm, "anneal_steps", 0)
    if not 0 < end < (1 - OVER) * steps:
        return None
    what = (
        "learning rate and clip are"
        if getattr(algorithm, "anneal_clip", False)
        else ("learning rate is")
    )
    return (
        f"The {what} zero after {end:,} of {steps:,} steps, so the rest learns nothing: set "
        f"anneal_steps to {steps}, or to 0 for a rate that stays."
    )


class Doctor:
    """Looks at one seed's reports."""

    def __init__(
        self,
        algorithm: Algorithm,
        spec: Spec,
        steps: int,
        limit: int | None = None,
        since: DoctorState | None = None,
    ):
        """`steps` are the run's, summed over environments; `limit` is an episode's, if any; `since`
        is the `state` of the one that looked at the run's reports before."""
        self.spec, self.steps, self.limit = spec, steps, limit
        # Of whoever's making, it may lack any: what it lacks is not asked for.
        self._of: Callable[..., Any] = lambda name, default=None: getattr(algorithm, name, default)
        space = spec.observation_space
        self._parts = list(space) if isinstance(space, Tuple) else [space]
        self._whole_run = steps / spec.num_envs  # steps of each environment
        self._reports = self._looks = self._episodes = 0
        self._unread: list[Seen] = []  # since the last look
        self._rewards, self._lengths = 0.0, 0  # sums of |total| and length over episodes
        self._largest = 0.0  # |total|, of episodes under way too
        self._rate = 0.0  # the largest |total| per step, likewise
        self._first: list[float] = []  # totals
        self._recent: list[float] = []
        self._entropy = most_entropy(spec.action_space)  # before it learned, once that is known
        self._least_entropy = least_entropy(spec.action_space)
        self._soft = 0.0  # the largest bonus for entropy, per step
        self._before: dict[str, np.ndarray] = {}  # metrics of the report before
        self._sizes: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # |obs|: sums, largest; by part
        self._same: list[np.ndarray] = []  # the observation that is always seen, by part
        self._times: set[int] = set()  # steps since an episode began at which it was seen

        # In the order in which they are said.
        self._networks = networks = self._of("hidden") is not None
        self._checks: dict[str, Callable[[Seen], str | None]] = {"infinity": self._infinity}
        if networks:
            self._checks["value-explosion"] = self._value_explosion
        if self._of("entropy_coef") is not None:
            self._checks["entropy-collapse"] = self._entropy_collapse
        if networks and not self._of("normalize_reward"):
            self._checks["reward-scale"] = self._reward_scale
        self._checks["no-reward"] = self._no_reward
        if networks and not self._of("normalize_obs"):
            self._checks["observation-scale"] = self._observation_scale
        if any(map(varied, self._parts)):
            self._checks["constant-observations"] = self._constant_observations
        self._checks["no-episode-ends"] = self._no_episode_ends
        if over := learning_over(algorithm, steps):
            end = algorithm.anneal_steps  # type: ignore[attr-defined]
            self._checks["learning-over"] = lambda seen: over if seen.step > end else None
        # Whether NaN can be where the compiled program does not look.
        self._floats = any(is_float(part) for part in self._parts)
        self._over = False
        if since is not None:
            for name in COUNTS:
                setattr(self, f"_{name}", since[name])  # type: ignore[literal-required]
            for i, part in enumerate(self._parts):
                total, largest = map(np.array, since["sizes"].get(str(i), ([], [])))
                if total.shape == largest.shape == part.shape:
                    self._sizes[i] = total, largest
            known = self._checks.items()
            self._checks = {name: check for name, check in known if name in since["checks"]}

    def state(self) -> DoctorState:
        """What another Doctor of the same run goes on from."""
        counted = copy(self)
        if self._unread:
            counted._remember(gathered(self._unread))
        counts: Any = {name: getattr(counted, f"_{name}") for name in COUNTS}
        sizes = {str(i): (x.tolist(), most.tolist()) for i, (x, most) in self._sizes.items()}
        counts |= {"sizes": sizes, "checks": [*self._checks]}
        return counts

    def look(self, report: Report, obs: PyTree | None = None) -> list[Finding]:
        """What this report shows that none before has shown; nothing after what is fatal.

        The report's leaves are one seed's, without an axis of seeds; its learner may be what
        `shown` leaves of it, and is not looked at where the report is `sound`. `obs` are the
        observations that the environments show now, as the algorithm sees them, leaves [E, ...],
        where they are at hand.
        """
        if self._over:
            return []
        if self._reports == 0 and report.step > np.size(report.episodes.finished):
            # Nobody saw the beginning.
            self._checks = {k: check for k, check in self._checks.items() if k not in OF_ALL}
        self._reports += 1
        if report.sound and not self._floats and self._checks.keys() <= {"infinity"}:
            self._before = on_host(report.metrics)
            return []
        due = self._reports <= EACH or self._reports % PERIOD == 0 or report.step >= self.steps
        wait = report.sound and not due
        self._unread.append(self._see(report, None if wait else obs))
        if wait:
            return []
        seen = gathered(self._unread)
        self._unread.clear()
        self._looks += 1
        if said := self._not_finite(seen):
            self._over = True
            return [Finding("nan", seen.step, said, True)]
        self._remember(seen)
        found = []
        for fault, check in list(self._checks.items()):
            if said := check(seen):
                del self._checks[fault]
                found.append(Finding(fault, seen.step, said, False))
        self._before = seen.metrics
        return found

    def _see(self, report: Report, obs: PyTree | None) -> Seen:
        leaves = [] if obs is None else jax.tree.leaves(obs)
        all_of_it = "constant-observations" in self._checks
        wanted = lambda x: all_of_it or is_float(x) or np.ndim(x) == 2  # vectors of bytes
        return Seen(
            step=report.step,
            learner=None if report.sound else as_shown(report.learner),
            metrics=on_host(report.metrics),
            finished=np.asarray(report.episodes.finished),
            total=np.asarray(report.episodes.total),
            steps=np.asarray(report.episodes.steps),
            obs=[np.asarray(x) if wanted(x) else None for x in leaves],
        )

    def _remember(self, seen: Seen) -> None:
        """Carry the counts of episodes on."""
        size, finished = np.abs(seen.total), seen.finished
        self._episodes += int(np.count_nonzero(finished))
        self._largest = max(self._largest, float(size.max()))
        if not self._networks:
            return
        rate = np.divide(size, np.maximum(seen.steps, 1), dtype=np.float32)
        self._rate = max(self._rate, float(rate.max()))
        totals = seen.total[finished].tolist()
        self._rewards += sum(map(abs, totals))
        self._lengths += sum(seen.steps[finished].tolist())
        most = FIRST if seen.step <= FIRST_SHARE * self.steps else FEWEST
        self._first = self._first + totals[: max(most - len(self._first), 0)]
        self._recent = (self._recent + totals)[-RECENT:]

    def _not_finite(self, seen: Seen) -> str | None:
        """Who was first. Rewards and observations that are no numbers make weights such; the other
        way round it takes actions that can be NaN, and then strikes all environments at once, at
        the beginning of a rollout."""
        field = None if seen.learner is None else unsound(seen.learner)
        floats = [x for x in seen.obs if x is not None and is_float(x)]
        if field is None and all(map(tame, (seen.total, *floats))):
            return None
        struck = field is not None and isinstance(self.spec.action_space, Box)
        reward = ~np.isfinite(seen.total)
        obs = [~np.isfinite(x) for x in floats]
        given = []
        if reward.any():
            update = int(reward.any((1, 2)).argmax())
            later = update > 0 or seen.step > seen.finished.size
            if not (struck and later and reward[update, 0].all()):
                given.append("rewards")
        if any(x.any() for x in obs):
            hit = np.any([x.reshape(len(x), -1).any(1) for x in obs], 0)  # [E]
            begun = seen.finished[-1, -1]  # whose first observation comes before any action
            if not (struck and len(begun) == len(hit) and (hit | begun).all()):
                given.append("observations")
        if given:
            return (
                f"The environment gave {' and '.join(given)} of NaN or infinity before step "
                f"{seen.step:,}, from which nothing can be learned: look in its step and reset for "
                "a division by 0, a root or logarithm of what is not positive, or a number that "
                "grows without bound."
            )
        if field is None:
            return None
        told = f"The learner's {field} had NaN or infinity in it at step {seen.step:,}"
        remedy = self._advice(
            "lower learning_rate",
            "lower actor_learning_rate",
            "lower value_learning_rate",
            "lower max_grad_norm",
        )
        name, losses = self._losses(seen)
        if losses.size == 0:
            return f"{told}, as soon as it learned: learning diverged; {remedy}."
        last = losses[-1]
        if losses.size > FEWEST and last <= DIVERGED * np.median(losses):
            return (
                f"{told}, though {name} was {figure(last)} just before, much as ever: the "
                f"environment may have shown NaN for a moment; if it has not, {remedy}."
            )
        return f"{told}, after {name} of {figure(last)}: learning diverged; {remedy}."

    def _losses(self, seen: Seen) -> tuple[str, np.ndarray]:
        """The first metric that is a loss, in this report and the one before, where measured."""
        name = next((name for name in seen.metrics if "loss" in name), "")
        both = [metrics[name] for metrics in (self._before, seen.metrics) if name in metrics]
        values = np.concatenate(both) if both else np.zeros(0)
        return name, np.abs(values[np.isfinite(values)])

    def _infinity(self, seen: Seen) -> str | None:
        for name, values in seen.metrics.items():
            if np.isinf(values).any():
                remedy = self._advice("lower learning_rate", "lower max_grad_norm")
                return (
                    f"The metric {name} was infinite in an update before step {seen.step:,}, so "
                    f"that the weights may be NaN soon; {remedy}."
                )
        return None

    def _value_explosion(self, seen: Seen) -> str | None:
        """No discounted return within an episode is above twice the largest total on its way
        (summation by parts), nor above the rewards per step for ever."""
        q = measured(seen.metrics, "q")
        error = measured(seen.metrics, "value_loss")
        if q is None and error is None:
            return None
        gamma = float(self._of("gamma", 1.0))
        horizon = self._whole_run if gamma == 1 else min(1 / (1 - gamma), self._whole_run)
        possible = max(2 * self._largest, self._rate * horizon) * self._of("reward_scale", 1.0)
        if self._of("normalize_reward"):
            possible = LARGEST_SCALED * horizon
        temperature = measured(seen.metrics, "temperature")
        if temperature is not None:
            entropy = measured(seen.metrics, "entropy") or 0.0
            self._soft = max(self._soft, abs(entropy * temperature))
        possible += self._soft * horizon
        size = abs(q) if q is not None else sqrt(max(error or 0.0, 0.0))
        if size <= VALUE_ROOM * max(possible, VALUE_FLOOR):
            return None
        what = "Action values are" if q is not None else "Errors of the value are"
        follows = float(self._of("target_rate", 1.0)) < 1
        remedy = self._advice(
            "lower " + ("value_" if self._of("value_learning_rate") else "") + "learning_rate",
            "lower target_rate" if follows else "raise target_period",
            "lower max_grad_norm",
        )
        return (
            f"{what} about {figure(size)} at step {seen.step:,}, though rewards so far add up to "
            f"{figure(possible)} at most: learning diverges; {remedy}."
        )

    def _entropy_collapse(self, seen: Seen) -> str | None:
        entropy = measured(seen.metrics, "entropy")
        least = self._least_entropy
        if entropy is None or least is None:
            return None
        if self._entropy is None:
            self._entropy = float(np.nanmax(seen.metrics["entropy"]))
        if entropy >= least or self._entropy < least or len(self._first) < FEWEST:
            return None
        first, recent = np.array(self._first), np.array(self._recent)
        error = sqrt(first.var() / len(first) + recent.var() / len(recent))
        if recent.mean() > first.mean() + BETTER * error:
            return None
        remedy = self._advice("raise entropy_coef", "lower learning_rate")
        return (
            f"The policy's entropy fell from {figure(self._entropy)} to {figure(entropy)} by step "
            f"{seen.step:,} while the return stayed at {figure(recent.mean())} "
            f"({figure(first.mean())} at first): it is certain before it has learned; {remedy}."
        )

    def _reward_scale(self, seen: Seen) -> str | None:
        if self._episodes < EPISODES:
            return None
        per_step = self._rewards / max(self._lengths, 1)
        if per_step >= LARGE_REWARD:
            able = self._of("normalize_reward") is not None
            divide = "divide them by a constant in a wrapper of the environment"
            return (
                f"Rewards are {figure(per_step)} per step, on average over {self._episodes:,} "
                "episodes, where networks learn best from 1 or so: "
                f"{'turn on --normalize-reward' if able else divide}."
            )
        if 0 < self._largest < SMALL_RETURN:
            return (
                f"No total was larger than {figure(self._largest)} in {self._episodes:,} episodes, "
                "which a network can hardly tell from 0: multiply rewards by a constant in a "
                "wrapper of the environment."
            )
        return None

    def _no_reward(self, seen: Seen) -> str | None:
        if self._largest > 0:
            del self._checks["no-reward"]
            return None
        if self._episodes < EPISODES or seen.step < REWARDLESS * self.steps:
            return None
        remedy = self._advice("raise epsilon_end", "raise entropy_coef", "raise noise_std")
        return (
            f"No reward other than 0 has been seen in {self._episodes:,} episodes, so exploration "
            f"has not found any: {remedy + ', ' if remedy else ''}train for longer (--steps), or "
            "let the environment pay for steps on the way."
        )

    def _observation_scale(self, seen: Seen) -> str | None:
        for i, (part, x) in enumerate(zip(self._parts, seen.obs, strict=False)):
            if x is not None and len(part.shape or ()) == 1:
                size = np.abs(x.astype(float))
                total, largest = self._sizes.get(i, (0.0, 0.0))
                self._sizes[i] = total + size.mean(0), np.maximum(largest, size.max(0))
        if self._looks < REPORTS:
            return None
        name = lambda i, k: (
            f"observation[{i}][{k}]" if len(self._parts) > 1 else f"observation[{k}]"
        )
        off = []
        for i, (total, largest) in self._sizes.items():
            usual = (total - largest) / (self._looks - 1)  # without what may have been a fluke
            large, small = usual >= LARGE_OBS, (largest > NO_OBS) & (largest < SMALL_OBS)
            for k in np.flatnonzero(large | small).tolist():
                mean, most = float(total[k]) / self._looks, float(largest[k])
                size = f"{figure(mean)} on average" if large[k] else f"{figure(most)} at most"
                off.append(f"{name(i, k)} of {size}")
        if not off:
            return None
        if len(off) > NAMED:
            off[NAMED:] = [f"and from {len(off) - NAMED:,} more"]
        able = self._of("normalize_obs") is not None and len(self._parts) == 1
        remedy = "turn on --normalize-obs" if able else "bring them there in a wrapper"
        return (
            "Networks learn best from numbers of about 1, and worse from "
            f"{', '.join(off)}: {remedy}."
        )

    def _constant_observations(self, seen: Seen) -> str | None:
        """Where an episode has just begun the same is shown by right; and episodes that run side
        by side, of one length, may all be in the same place whenever there is a report."""
        begun, time = seen.finished[-1, -1], seen.steps[-1, -1]  # [E]
        obs = [x for x in seen.obs if x is not None]
        if not obs or len(obs[0]) != len(begun):
            return None
        if not self._same:
            self._same = [x[0].copy() for x in obs]
        if not all((x == same).all() for x, same in zip(obs, self._same, strict=True)):
            del self._checks["constant-observations"]
            return None
        self._times |= set(time[~begun].tolist())
        if self._looks < REPORTS or len(self._times) < TIMES:
            return None
        return (
            "All environments have shown one and the same observation in "
            f"{self._looks} reports, at {len(self._times)} different times of their episodes: "
            "what is to be learned is not in it; see that the environment returns its state and "
            "not a buffer that nobody fills."
        )

    def _no_episode_ends(self, seen: Seen) -> str | None:
        if self._episodes:
            del self._checks["no-episode-ends"]
            return None
        patience = max(ENDLESS, ENDLESS_SHARE * self._whole_run)
        if self.limit is not None and ENDLESS_LIMITS * self.limit <= self._whole_run:
            patience = ENDLESS_LIMITS * self.limit
        each = seen.step // self.spec.num_envs
        if each < patience:
            return None
        limit = (
            f"the time limit of {self.limit:,} steps is" if self.limit else "a time limit may be"
        )
        return (
            f"No episode has ended though each of {self.spec.num_envs} environments has taken "
            f"{each:,} steps, so there are no returns to show: {limit} "
            f"{'too long or not kept' if self.limit else 'missing'}; set --max-episode-steps."
        )

    def _advice(self, *what: str) -> str:
        """What to do, such as "lower max_grad_norm", each where the algorithm has such a thing."""
        able = []
        for verb, name in map(str.split, what):
            if self._of(name) is not None:
                able.append(f"{verb} --{name.replace('_', '-')} (now {float(self._of(name)):g})")
        return " or ".join(able)


def on_host(metrics: Metrics) -> dict[str, np.ndarray]:
    """A report's metrics in NumPy's arrays."""
    return {name: np.asarray(x) for name, x in metrics.items()}


def gathered(reports: list[Seen]) -> Seen:
    """Consecutive reports merged into one; point-in-time fields come from the last."""
    last = reports[-1]
    if len(reports) == 1:
        return last
    names = last.metrics
    metrics = {name: np.concatenate([seen.metrics[name] for seen in reports]) for name in names}
    return last._replace(
        metrics=metrics,
        finished=np.concatenate([seen.finished for seen in reports]),
        total=np.concatenate([seen.total for seen in reports]),
        steps=np.concatenate([seen.steps for seen in reports]),
    )


def shown(learner: PyTree, row: int | None = None) -> Shown:
    """A learner's State without its replay; of seed number `row` where leaves are [seeds, ...].

    On a CPU views, which are at once there: to slice by JAX would cost more than to look.
    """
    fields = learner._asdict() if hasattr(learner, "_asdict") else {"state": learner}
    leaves = {
        name: [x for x in jax.tree.leaves(field) if is_float(x)]
        for name, field in fields.items()
        if name not in REPLAY
    }
    if row is not None:
        alone = (lambda x: np.asarray(x)[row]) if on_cpu() else (lambda x: x[row])
        leaves = {name: [alone(x) for x in each] for name, each in leaves.items()}
    return Shown(leaves)


def as_shown(learner: PyTree) -> Shown:
    """The same, where it may have been taken already."""
    return learner if isinstance(learner, Shown) else shown(learner)


def on_cpu() -> bool:
    """Whether JAX computes here."""
    return jax.default_backend() == "cpu"


def unsound(learner: Shown) -> str | None:
    """The first field that has NaN or infinity in it; None where none has.

    From an accelerator one answer comes in place of all the numbers.
    """
    if on_cpu():
        sound = all(tame(np.asarray(x)) for each in learner.fields.values() for x in each)
    else:
        sound = all_finite(learner.fields)
    if sound:
        return None
    for name, each in learner.fields.items():  # squares may be beyond a float where numbers are not
        if not all(np.isfinite(np.asarray(x)).all() for x in each):
            return name
    return None


def tame(x: np.ndarray) -> bool:
    """Whether the sum of squares is a number, which tells sooner than a look at each: then all are.

    Where it is not, they may be numbers yet, whose squares are beyond a float.
    """
    return isfinite(np.vdot(x, x))


@jax.jit
def all_finite(leaves: PyTree) -> Bool[Array, ""]:
    """Whether no leaf has NaN or infinity in it."""
    each = [jnp.isfinite(x).all() for x in jax.tree.leaves(leaves)]
    return jnp.stack([jnp.bool_(True), *each]).all()


def is_float(x: Any) -> bool:
    """Whether it is an array of floating-point numbers; keys of JAX are none."""
    kind = getattr(x.dtype, "kind", None)  # JAX's own question takes ten times as long
    return kind == "f" or (kind not in ("i", "u", "b") and jnp.issubdtype(x.dtype, jnp.floating))


def measured(metrics: dict[str, np.ndarray], name: str) -> float | None:
    """The median over a report's updates, where it was measured; one update alone may jump."""
    values = sorted(filter(isfinite, metrics[name].tolist())) if name in metrics else None
    return values[len(values) // 2] if values else None


def most_entropy(space: Space) -> float | None:
    """Entropy of the uniform policy; None for a Box."""
    if isinstance(space, Discrete | MultiDiscrete):
        return float(np.log(space.n if isinstance(space, Discrete) else space.nvec).sum())
    return None


def least_entropy(space: Space) -> float | None:
    """Below it a policy hardly does anything else; None where it has no choice."""
    if isinstance(space, Box):
        return prod(space.shape) * (log(CERTAIN) + 0.5 * log(2 * pi * e))
    return CERTAIN * (most_entropy(space) or 0.0) or None


def varied(space: Space) -> bool:
    """Whether there is more than one thing to be seen in it."""
    if isinstance(space, Box):
        return bool((space.low < space.high).any())
    return not (isinstance(space, Discrete) and space.n == 1)


def figure(x: float) -> str:
    """A number of three digits, or of whole ones."""
    return f"{x:,.0f}" if 100 <= abs(x) < 1e9 else f"{x:.3g}"
