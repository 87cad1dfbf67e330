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

Each is told once. Thresholds are loose on purpose: if a healthy run could look like this, nothing
is said. A metric that is NaN was not measured, which is no fault by itself.

    asked for by name      what it tells; where there is no such thing nothing follows from it
    hidden                 the algorithm learns by networks, to which scales matter
    gamma, reward_scale    how much rewards add up to in values
    normalize_reward, _obs networks see rewards, or observations, on a common scale
    entropy_coef           entropy has a price that stays
    target_rate            below 1 targets follow slowly, else they are copied now and then
    anneal_steps           when the learning rate is zero
    q, value_loss          metrics: mean value of actions, mean squared error of values
    entropy, temperature   metrics: the policy's entropy, and what it is worth in values
"""

from collections.abc import Callable
from dataclasses import InitVar, asdict, dataclass, field, fields
from math import e, inf, isfinite, log, pi, prod, sqrt
from typing import Any, NamedTuple

import jax
import numpy as np
from gymnasium.spaces import Box, Tuple

from palestra.core import Algorithm, Metrics, Spec
from palestra.parts.masks import observed, observed_space
from palestra.runners.report import Report
from palestra.runners.sound import unsound

# What is looked for, in this order; the setting that an algorithm must have for it.
CHECKS = {
    **{"infinity": None, "value-explosion": "hidden", "entropy-collapse": "entropy_coef"},
    **{"reward-scale": "hidden", "no-reward": None, "observation-scale": "hidden"},
    **{"constant-observations": None, "learning-over": "anneal_steps", "no-episode-ends": None},
}
SPARES = {"reward-scale": "normalize_reward", "observation-scale": "normalize_obs"}
# What cannot be told by one who has not seen the beginning.
OF_ALL = {"value-explosion", "entropy-collapse", "no-reward", "no-episode-ends"}

# All of the first reports are looked at, since most faults show there; of later ones that the
# program which trains calls sound every fourth is, for the cost (benchmarks/doctor.py).
EACH, PERIOD = 8, 4
REPORTS = 5  # that are looked at before observations are judged: there is one of each environment
EPISODES = 20  # before rewards are judged
FEWEST = 10  # episodes, losses, or times of an episode: fewer tell nothing
EARLY = 0.1  # share of the run that is its beginning: time to stop it
DIVERGED = 100.0  # times the usual loss; what came at a stroke came from outside
VALUE_ROOM = 10.0  # times what is possible: Q-learning's values may be several times the truth
VALUE_FLOOR = 10.0  # networks begin with values of about 1
CERTAIN = 0.01  # of a coin's entropy, or of half a box for a Gaussian's deviation
FIRST, RECENT = 100, 1_000  # episodes that are compared: where chance rules, many are needed
LARGE_REWARD = 1_000.0  # with a discount of 0.99 it makes values of 100,000
SMALL_RETURN = 0.01  # the noise of a network's first values is about 0.1
REWARDLESS = 0.25  # share of the run: exploration mostly falls within it
# No number in Gymnasium's tasks is above 152 on average (HumanoidStandup), or always below 0.015.
LARGE_OBS, SMALL_OBS, NO_OBS = 200.0, 1e-3, 1e-7  # the last is for a 0 that was computed
ENDLESS, ENDLESS_LIMITS = 10_000, 10  # steps, and time limits, without an end

# One sentence of each: what was seen, the likely cause or what to do.
SAID = {
    "given": "The environment gave {given} of NaN or infinity before step {step}: look in its step "
    "and reset for a division by 0, a root or logarithm of what is not positive, or a number that "
    "grows without bound.",
    "struck": "The learner's {broken} had NaN or infinity in it at step {step}, though {name} was "
    "{loss} just before, much as ever: the environment may have shown NaN for a moment; if it has "
    "not, {advice}.",
    "diverged": "The learner's {broken} had NaN or infinity in it at step {step}, {after}: "
    "learning diverged; {advice}.",
    "infinity": "The metric {name} was infinite in an update before step {step}, so that the "
    "weights may be NaN soon; {advice}.",
    "value-explosion": "{values} are about {size} at step {step}, though rewards so far add up to "
    "{possible} at most: learning diverges; {advice}.",
    "entropy-collapse": "The policy's entropy fell from {first} to {entropy} by step {step} while "
    "the return stayed at {recent} ({before} at first): it is certain before it has learned; "
    "{advice}.",
    "large rewards": "Rewards are {size} per step, on average over {episodes} episodes, where "
    "networks learn best from 1 or so: {remedy}.",
    "small rewards": "No total was larger than {largest} in {episodes} episodes, which a network "
    "can hardly tell from 0: multiply rewards by a constant in a wrapper of the environment.",
    "no-reward": "No reward other than 0 has been seen in {episodes} episodes, so exploration has "
    "not found any: {advice}, train for longer (--steps), or let the environment pay for steps on "
    "the way.",
    "observation-scale": "Networks learn best from numbers of about 1, and worse from {off}: "
    "{remedy}.",
    "constant-observations": "All environments have shown one and the same observation in {looks} "
    "reports, at {times} different times of their episodes: see that they return their state and "
    "not a buffer that nobody fills.",
    "learning-over": "The learning rate is zero after {end} of {steps} steps, so the rest learns "
    "nothing: set anneal_steps to {whole}, or to 0 for a rate that stays.",
    "no-episode-ends": "No episode has ended though each of {envs} environments has taken {each} "
    "steps: {limit}; set --max-episode-steps.",
}


class Finding(NamedTuple):
    """A fault of a run."""

    fault: str  # its name, from the table above
    step: int  # when it was found
    said: str  # one sentence: what was seen, the likely cause or what to do
    fatal: bool  # nothing more can be learned


@dataclass
class History:
    """What is remembered of reports, in JSON's kinds."""

    checks: list[str]  # for what may still be found
    reports: int = 0
    looks: int = 0  # at reports
    episodes: int = 0
    rewards: float = 0.0  # sum of |total| over episodes
    lengths: int = 0  # sum of their steps
    largest: float = 0.0  # |total|, of episodes under way too
    rate: float = 0.0  # the largest |total| per step
    first: list[float] = field(default_factory=list)  # totals
    recent: list[float] = field(default_factory=list)
    entropy: float | None = None  # before it learned
    bonus: float = 0.0  # the largest for entropy, per step
    inputs: dict[str, tuple[float, float]] = field(default_factory=dict)  # sum and largest of |x|


@dataclass
class Doctor:
    """Looks at one seed's reports. For each fault there is a method, named as it: the sentence for
    what a report shows of it, "" where it cannot come any more, None where it still may."""

    algorithm: Algorithm
    spec: Spec
    steps: int  # of the run, summed over environments
    limit: int | None = None  # of an episode, if any
    since: InitVar[dict[str, Any] | None] = None  # `state` of who looked at the run before

    def __post_init__(self, since: dict[str, Any] | None) -> None:
        self.of: Callable[..., Any] = lambda name, no=None: getattr(self.algorithm, name, no)
        space = observed_space(self.spec.observation_space)
        self.parts: list[Any] = list(space) if isinstance(space, Tuple) else [space]
        able = [x for x, needed in CHECKS.items() if needed is None or self.of(needed) is not None]
        checks = [x for x in able if not (x in SPARES and self.of(SPARES[x]))]
        # A checkpoint of an older version may remember more.
        kept, known = since or {}, {field.name for field in fields(History)}
        self.history = History(**{"checks": checks} | {x: kept[x] for x in kept if x in known})
        self.fatal = False  # a fault was
        self.step = 0  # of the last report
        self.before: Metrics = {}  # metrics of the last look
        self.same: list[np.ndarray] = []  # the observation that is always seen, by part
        self.times: set[int] = set()  # steps since an episode began at which it was seen

    def state(self) -> dict[str, Any]:
        """What another Doctor of the same run goes on from."""
        return asdict(self.history)

    def look(self, report: Report) -> list[Finding]:
        """What this report shows that none before has shown; nothing after what is fatal.

        It is one seed's, in NumPy's arrays, with the `floats` of its learner, which are not read
        where it is `sound`, and `obs` as the algorithm sees them.
        """
        history, floats = self.history, any(part.dtype.kind == "f" for part in self.parts)
        if not history.reports and report.step > report.episodes.finished.size:
            history.checks = [check for check in history.checks if check not in OF_ALL]
        history.reports += 1
        self.step = report.step
        nothing_left = not floats and set(history.checks) <= {"infinity"}
        if self.fatal or (report.sound and nothing_left):
            return []
        due = history.reports <= EACH or history.reports % PERIOD == 0 or report.step >= self.steps
        if not due and report.sound:
            self.remember(report)
            return []
        report = report._replace(obs=[*map(np.asarray, jax.tree.leaves(observed(report.obs)))])
        sound = report.sound and all(np.isfinite(x).all() for x in report.obs)
        if not sound and (said := self.nan(report)):
            self.fatal = True
            return [Finding("nan", report.step, said, True)]
        self.remember(report)
        history.looks += 1
        left = [check for check in CHECKS if check in history.checks]
        told = {check: getattr(self, check.replace("-", "_"))(report) for check in left}
        history.checks = [fault for fault, said in told.items() if said is None]
        self.before = report.metrics
        return [Finding(fault, report.step, said, False) for fault, said in told.items() if said]

    def remember(self, report: Report) -> None:
        """Add the report's episodes to the history."""
        history, (finished, total, steps) = self.history, report.episodes
        totals, lengths = total[finished], steps[finished]
        history.episodes += totals.size
        history.rewards += float(np.abs(totals).sum(dtype=float))
        history.lengths += int(lengths.sum())
        history.largest = max(history.largest, float(total.max()), -float(total.min()))
        rates = np.append(totals, total[:, -1]) / np.maximum(np.append(lengths, steps[:, -1]), 1)
        history.rate = max(history.rate, float(np.abs(rates).max()))
        most = FIRST if report.step <= EARLY * self.steps else FEWEST
        history.first += totals[: max(most - len(history.first), 0)].tolist()
        history.recent = (history.recent + totals[-RECENT:].tolist())[-RECENT:]

    def nan(self, report: Report) -> str | None:
        """Who was first. Rewards and observations that are no numbers make weights such; the other
        way round it takes actions that can be NaN, and then strikes all environments at once, at
        the beginning of a rollout."""
        finished, total, _ = report.episodes
        broken = None if report.sound else unsound(report.learner)
        acts = broken is not None and isinstance(self.spec.action_space, Box)
        rewards = ~np.isfinite(total)  # [updates, T, E]
        shown = np.any([~np.isfinite(x).reshape(len(x), -1).all(1) for x in report.obs], 0)  # [E]
        update = int(rewards.any((1, 2)).argmax())
        learned = update > 0 or report.step > finished.size
        given = []
        if rewards.any() and not (acts and learned and rewards[update, 0].all()):
            given.append("rewards")
        if shown.any() and not (acts and (shown | finished[-1, -1]).all()):  # or has just begun
            given.append("observations")
        if given:
            return self.say("given", given=" and ".join(given))
        return None if broken is None else self.diverged(report, broken)

    def diverged(self, report: Report, broken: str) -> str:
        """The sentence for what of the learner is no number any more."""
        name = next((name for name in report.metrics if "loss" in name), "")
        losses = np.append(self.before.get(name, []), report.metrics.get(name, []))
        losses = np.abs(losses[np.isfinite(losses)])
        rates = "learning_rate", "actor_learning_rate", "value_learning_rate", "max_grad_norm"
        lower = [f"lower {rate}" for rate in rates]
        if losses.size > FEWEST and losses[-1] <= DIVERGED * np.median(losses):
            return self.say("struck", *lower, broken=broken, name=name, loss=losses[-1])
        after = f"after {name} of {figure(losses[-1])}" if losses.size else "as soon as it learned"
        return self.say("diverged", *lower, broken=broken, after=after)

    def infinity(self, report: Report) -> str | None:
        infinite = [name for name, values in report.metrics.items() if np.isinf(values).any()]
        if not infinite:
            return None
        return self.say("infinity", "lower learning_rate", "lower max_grad_norm", name=infinite[0])

    def value_explosion(self, report: Report) -> str | None:
        """No discounted return within an episode is above twice the largest total on its way
        (summation by parts), nor above the rewards per step for ever."""
        history, q, loss = self.history, median(report, "q"), median(report, "value_loss")
        gamma = float(self.of("gamma", 1.0))
        horizon = min(self.steps / self.spec.num_envs, 1 / (1 - gamma) if gamma < 1 else inf)
        possible = max(2 * history.largest, history.rate * horizon) * self.of("reward_scale", 1.0)
        if self.of("normalize_reward"):  # which clips at 10
            possible = 10.0 * horizon
        bonus = (median(report, "entropy") or 0.0) * (median(report, "temperature") or 0.0)
        history.bonus = max(history.bonus, abs(bonus))
        possible += history.bonus * horizon
        size = abs(q) if q is not None else sqrt(loss or 0.0)
        if size <= VALUE_ROOM * max(possible, VALUE_FLOOR):
            return None
        values = "Errors of the value" if q is None else "Action values"
        target = "lower target_rate" if self.of("target_rate", 1) < 1 else "raise target_period"
        slower = "lower learning_rate", "lower value_learning_rate", target, "lower max_grad_norm"
        return self.say("value-explosion", *slower, values=values, size=size, possible=possible)

    def entropy_collapse(self, report: Report) -> str | None:
        history, entropy, space = self.history, median(report, "entropy"), self.spec.action_space
        if entropy is None:
            return None
        if isinstance(space, Box):
            first = float(np.nanmax(report.metrics["entropy"]))
            least = prod(space.shape) * (log(CERTAIN) + 0.5 * log(2 * pi * e))
        else:  # that of the uniform policy
            first = float(np.log(getattr(space, "nvec", getattr(space, "n", 1))).sum())
            least = CERTAIN * first
        history.entropy = first if history.entropy is None else history.entropy
        before, recent = np.array(history.first), np.array(history.recent)
        if not entropy < least < history.entropy or len(before) < FEWEST:
            return None
        error = sqrt(before.var() / len(before) + recent.var() / len(recent))
        if recent.mean() > before.mean() + 2 * error:  # better
            return None
        advice = "raise entropy_coef", "lower learning_rate"
        seen = {"first": history.entropy, "before": before.mean(), "recent": recent.mean()}
        return self.say("entropy-collapse", *advice, entropy=entropy, **seen)

    def reward_scale(self, report: Report) -> str | None:
        history = self.history
        if (episodes := history.episodes) < EPISODES:
            return None
        per_step = history.rewards / history.lengths
        if per_step >= LARGE_REWARD:
            able = self.of("normalize_reward") is not None
            by_hand = "divide them by a constant in a wrapper of the environment"
            remedy = "turn on --normalize-reward" if able else by_hand
            return self.say("large rewards", size=per_step, episodes=episodes, remedy=remedy)
        if 0 < history.largest < SMALL_RETURN:
            return self.say("small rewards", largest=history.largest, episodes=episodes)
        return None

    def no_reward(self, report: Report) -> str | None:
        if self.history.largest > 0:
            return ""
        if self.history.episodes < EPISODES or report.step < REWARDLESS * self.steps:
            return None
        explore = "raise epsilon_end", "raise entropy_coef", "raise noise_std"
        return self.say("no-reward", *explore, episodes=self.history.episodes)

    def observation_scale(self, report: Report) -> str | None:
        history, several, off = self.history, len(self.parts) > 1, []
        for i, x in enumerate(report.obs):
            size = np.abs(x.astype(float)) if x.ndim == 2 else np.zeros((1, 0))
            for k, (mean, most) in enumerate(zip(size.mean(0), size.max(0), strict=True)):
                name = f"observation[{i}][{k}]" if several else f"observation[{k}]"
                total, largest = history.inputs.get(name, (0.0, 0.0))
                history.inputs[name] = total + float(mean), max(largest, float(most))
        if history.looks < REPORTS:
            return None
        for name, (total, largest) in history.inputs.items():
            if (total - largest) / (history.looks - 1) >= LARGE_OBS:  # without a fluke
                off.append(f"{name} of {figure(total / history.looks)} on average")
            elif NO_OBS < largest < SMALL_OBS:
                off.append(f"{name} of {figure(largest)} at most")
        if not off:
            return None
        more = [f"and from {len(off) - 3:,} more"] if len(off) > 3 else []
        able = self.of("normalize_obs") is not None and not several
        remedy = "turn on --normalize-obs" if able else "bring them there in a wrapper"
        return self.say("observation-scale", off=", ".join(off[:3] + more), remedy=remedy)

    def constant_observations(self, report: Report) -> str | None:
        """Where an episode has just begun the same is shown by right; and episodes that run side
        by side, of one length, may all be in the same place whenever there is a report."""
        if not report.obs:
            return None
        self.same = self.same or [x[0].copy() for x in report.obs]
        same = all((x == one).all() for x, one in zip(report.obs, self.same, strict=True))
        if not (same and any(map(varied, self.parts))):
            return ""
        finished, _, steps = (x[-1, -1] for x in report.episodes)
        self.times |= set(steps[~finished].tolist())
        if self.history.looks < REPORTS or len(self.times) < FEWEST:
            return None
        return self.say("constant-observations", looks=self.history.looks, times=len(self.times))

    def learning_over(self, report: Report) -> str | None:
        end = self.of("anneal_steps")
        if not 0 < end < 0.99 * self.steps:
            return ""
        return self.say("learning-over", end=end, steps=self.steps, whole=str(self.steps))

    def no_episode_ends(self, report: Report) -> str | None:
        if self.history.episodes:
            return ""
        each, whole_run = (steps // self.spec.num_envs for steps in (report.step, self.steps))
        patience, limit = max(ENDLESS, EARLY * whole_run), "a time limit may be missing"
        if self.limit is not None:
            patience = min(patience, ENDLESS_LIMITS * self.limit)
            limit = f"the time limit of {self.limit:,} steps is too long or not kept"
        if each < patience:
            return None
        return self.say("no-episode-ends", envs=self.spec.num_envs, each=each, limit=limit)

    def say(self, sentence: str, *advice: str, **seen: Any) -> str:
        """The sentence, with what was seen in it, and such advice as "lower --max-grad-norm (now
        10)", each where the algorithm has such a setting."""
        able = []
        for verb, name in map(str.split, advice):
            if self.of(name) is not None:
                able.append(f"{verb} --{name.replace('_', '-')} (now {float(self.of(name)):g})")
        seen |= {"step": self.step, "advice": " or ".join(able) or "change its settings"}
        told = {name: x if isinstance(x, str) else figure(x) for name, x in seen.items()}
        return SAID[sentence].format(**told)


def median(report: Report, name: str) -> float | None:
    """A metric's median over the updates in which it was measured; one update alone may jump."""
    values = sorted(filter(isfinite, report.metrics.get(name, np.zeros(0)).tolist()))
    return values[len(values) // 2] if values else None


def varied(space: Any) -> Any:
    """Whether there is more than one thing to be seen in it."""
    return np.any(space.low < space.high) if isinstance(space, Box) else getattr(space, "n", 2) > 1


def figure(x: float) -> str:
    """A number of three digits, or of whole ones."""
    return f"{x:,.0f}" if isinstance(x, int) or 100 <= abs(x) < 1e9 else f"{x:.3g}"
