"""Pictures of what an agent has learned: values and choices over all that it may see.

    grid        FrozenLake, CliffWalking, Maze: values as colors, choices as arrows, as it is drawn
    phase       CartPole, MountainCar, Pendulum: choices, and values, over two numbers of the state
    blackjack   what to do with which sum against which card (Sutton and Barto 2018, figure 5.2)
    strip       an episode: how likely, or how good, each action is at each step
    paths       the greedy way of several agents through the same world (their figure 6.4's example)

Values are what agents expect from there on, `agent.estimate`; those that have learned no such have
choices alone.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

import jax
import numpy as np

from palestra import prng
from palestra.core import HasPolicy, HasValues, Recalled
from palestra.envs.drawing import draw
from palestra.envs.drawing.frozen_lake import MARGIN
from palestra.envs.toy_text.cliff_walking import COLUMNS, ROWS, CliffWalking
from palestra.envs.toy_text.frozen_lake import FrozenLake
from palestra.envs.toy_text.maze import Maze
from palestra.envs.transforms import simulator
from palestra.faults import InputError
from palestra.parts.remembering import without_memory
from palestra.runners import streams
from palestra.tools.agents.agent import Agent
from palestra.tools.environments.ours import Ours
from palestra.tools.pictures import style
from palestra.tools.pictures.film import action_names, episode
from palestra.tools.statistics.shown import shown_alike

ARROWS = np.array([(-1, 0), (0, 1), (1, 0), (0, -1)])  # left, down, right, up, as [x, y]
# Which way each action leads, as an index into ARROWS.
TURNS = {FrozenLake: (0, 1, 2, 3), CliffWalking: (3, 2, 1, 0), Maze: (0, 1, 2, 3)}
CLEAR = 0.7  # how much of a value's color there is, over the drawn world
POINTS = 101  # along each axis of a phase plane


class Plane(NamedTuple):
    """A cut through what an environment shows."""

    x: tuple[str, float, float]  # name and unit, least, largest
    y: tuple[str, float, float]
    seen: Callable[[np.ndarray, np.ndarray], list[np.ndarray]]  # x, y -> the numbers observed
    place: Callable[[np.ndarray], tuple[float, float]]  # the numbers observed -> x, y

    def points(self, count: int = POINTS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x and y [count, count], y growing with the row, and what is observed there."""
        x, y = np.meshgrid(*(np.linspace(*axis[1:], count) for axis in (self.x, self.y)))
        return x, y, np.stack(self.seen(x.ravel(), y.ravel()), -1).astype(np.float32)


PLANES = {
    "CartPole": Plane(
        ("angle of the pole [rad]", -0.21, 0.21),
        ("its speed [rad/s]", -2.0, 2.0),
        lambda x, y: [0 * x, 0 * x, x, y],
        lambda seen: (seen[2], seen[3]),
    ),
    "MountainCar": Plane(
        ("position [m]", -1.2, 0.6),
        ("speed [m/step]", -0.07, 0.07),
        lambda x, y: [x, y],
        lambda seen: (seen[0], seen[1]),
    ),
    "Pendulum": Plane(
        ("angle from upright [rad]", -np.pi, np.pi),
        ("its speed [rad/s]", -8.0, 8.0),
        lambda x, y: [np.cos(x), np.sin(x), y],
        lambda seen: (np.arctan2(seen[1], seen[0]), seen[2]),
    ),
}
PLANES["MountainCarContinuous"] = PLANES["MountainCar"]


def picture(kind: str, agents: Sequence[Agent], path: Path, *, dark: bool = False) -> Path:
    """Draw one of KINDS of an agent, or `paths` of several, into a file. Raises ValueError where
    there is no such picture of its environment."""
    style.only(list(KINDS), kind)
    style.ending(path)
    if len(agents) > 1 and kind != "paths":
        raise InputError(f"--kind {kind} shows one agent; name one run, not {len(agents)}.")
    given = agents if kind == "paths" else agents[0]
    with style.look(dark):
        return style.save(KINDS[kind](given), path)


def grid(agent: Agent, title: str = "") -> Any:
    """A figure of a grid world, with the agent's values as colors and its choices as arrows."""
    world = _world(agent, "grid", tuple(TURNS))
    rows, columns = shape_of(world)
    cells = np.arange(rows * columns)
    choices = np.asarray(agent.predict(cells))
    values = _best(agent, cells)
    figure, axes = style.grid(1, 1, (0.75 * columns + 1, 0.75 * rows + 0.6))
    axes = _drawn(axes[0, 0], agent, world)
    open_cells = open_of(world)
    if values is not None:
        shown = np.where(open_cells, values, np.nan).reshape(rows, columns)
        image = axes.imshow(
            shown, extent=(0, columns, rows, 0), cmap=style.VALUES, alpha=CLEAR, zorder=2
        )
        bar = figure.colorbar(image, ax=axes, label="value of the choice", shrink=0.85)
        bar.ax.set_facecolor("#ffffff")  # behind what is clear, on dark pages too
        there = np.flatnonzero(open_cells)
        for cell, told in zip(there, shown_alike(*values[there].tolist()), strict=True):
            _number(axes, cell % columns + 0.5, cell // columns + 0.95, told)
    axes.set(xlim=(0, columns), ylim=(rows, 0))  # without the frame around what is drawn
    turns = ARROWS[np.array(TURNS[type(world)])[choices]]
    y, x = np.divmod(cells[open_cells], columns)
    axes.quiver(
        *(x + 0.5, y + 0.42),
        *turns[open_cells].T,
        angles="xy",
        pivot="mid",
        scale=2.0,
        scale_units="xy",
        units="x",
        width=0.06,
        color="#111827",
        edgecolor="#ffffff",
        linewidth=0.7,
        zorder=3,
    )
    axes.set_title(style.plain(fill(title or _name(agent), 12 * columns)))
    return figure


def phase(agent: Agent) -> Any:
    """A figure of choices, and values where there are such, over two numbers of the state."""
    world = _world(agent, "phase", None, list(PLANES))
    plane = PLANES[type(world).__name__]
    x, y, seen = plane.points()
    panels = [("choice", *_choices(agent, seen))]
    if (values := _best(agent, seen)) is not None:
        panels.append(("value of the choice", values, style.VALUES, None))
    figure, axes = style.grid(1, len(panels), (4.6, 3.8))
    for place, (what, numbers, colors, names) in zip(axes[0], panels, strict=True):
        ends: Any = {"vmin": -0.5, "vmax": len(names) - 0.5} if names else {}
        shading: Any = "nearest" if names else "gouraud"
        shown = numbers.reshape(x.shape)
        ends["rasterized"] = True  # else an SVG has shapes for each of ten thousand points: 67 MB
        mesh = place.pcolormesh(x, y, shown, cmap=colors, shading=shading, **ends)
        place.set_title(what)
        bar = figure.colorbar(mesh, ax=place)
        if names:
            bar.set_ticks(range(len(names)), labels=[name.replace(" ", "\n", 1) for name in names])
            bar.ax.tick_params(length=0)
        place.set(xlabel=plane.x[0], ylabel=plane.y[0])
    rest = " (cart in the middle, at rest)" if len(seen[0]) == 4 else ""
    figure.suptitle(style.plain(f"{_name(agent)}{rest}"), fontsize="medium")
    return figure


def blackjack(agent: Agent, title: str = "") -> Any:
    """A figure of what to do with which sum against which card, without and with a usable ace."""
    _world(agent, "blackjack", None, ["Blackjack"])
    sums, cards = np.arange(11, 22), np.arange(1, 11)
    figure, axes = style.grid(1, 2, (4.2, 4.0))
    for place, ace in zip(axes[0], (1, 0), strict=True):
        least = 12 if ace else 11  # an ace that counts 11 makes at least 12
        total, card = np.meshgrid(sums[sums >= least], cards, indexing="ij")
        seen = (total.ravel(), card.ravel(), np.full(total.size, ace))
        hits = np.asarray(agent.predict(seen)).reshape(total.shape)
        place.imshow(
            hits,
            origin="lower",
            extent=(0.5, 10.5, least - 0.5, 21.5),
            cmap="cividis",
            vmin=-0.3,
            vmax=1.3,
            aspect="auto",
        )
        for (i, j), hit in np.ndenumerate(hits):
            place.text(
                cards[j],
                total[i, 0],
                "H" if hit else "S",
                ha="center",
                va="center",
                color="#111827" if hit else "#f9fafb",
                fontsize="small",
            )
        place.set(
            title="usable ace" if ace else "no usable ace",
            xlabel="dealer shows",
            ylabel="player's sum",
            xticks=cards,
            yticks=sums[sums >= least],
        )
        place.set_xticklabels(["A", *map(str, cards[1:])])
    title = f"{title or _name(agent)}: H hits, S sticks"
    figure.suptitle(style.plain(title), fontsize="medium")
    return figure


def strip(agent: Agent) -> Any:
    """A figure of one greedy episode: how likely, or how good, each action is at each step."""
    from gymnasium.spaces import Discrete

    if not isinstance(agent.action_space, Discrete) or not isinstance(agent.task, Ours):
        raise InputError(
            f"--kind strip shows agents that choose among a few actions in our own simulators, not "
            f"{agent.task}."
        )
    seen, done, total = _episode(agent)
    memory = seen.memory if isinstance(seen, Recalled) else None
    likely = isinstance(agent.algorithm, HasPolicy)
    if not likely and not isinstance(agent.algorithm, HasValues):
        raise InputError(f"{_name(agent)} tells neither values nor probabilities of its actions.")
    evaluate = agent.probabilities if likely else agent.values
    numbers = np.asarray(evaluate(without_memory(seen), memory=memory))
    names = _action_names(agent, numbers.shape[-1])
    time = np.arange(len(numbers))
    figure, axes = style.grid(1, 1, (8, 3.2))
    axes = axes[0, 0]
    if likely:
        axes.stackplot(time, numbers.T, labels=names, colors=style.COLORS, lw=0)
        axes.set(ylabel="probability", ylim=(0, 1))
    else:
        looks = zip(numbers.T, names, style.COLORS * 9, style.DASHES * 9, strict=False)
        for line, name, color, dash in looks:
            axes.plot(time, line, color=color, ls=dash, lw=1.2, label=name)
        axes.scatter(
            time,
            numbers[time, done],
            s=4,
            lw=0,
            color=axes.xaxis.label.get_color(),
            label="what it did",
        )
        axes.set(ylabel="action value")
    axes.set(xlabel="step of the episode", xlim=(0, max(len(time) - 1, 1)))
    axes.set_title(style.plain(f"{_name(agent)}: return {total:g}"))
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def paths(agents: Sequence[Agent]) -> Any:
    """A figure of the greedy way of each agent through the same grid world."""
    worlds = [_world(agent, "paths", tuple(TURNS)) for agent in agents]
    world = worlds[0]
    if any(str(agent.task) != str(agents[0].task) for agent in agents):
        tasks = ", ".join(dict.fromkeys(str(agent.task) for agent in agents))
        raise InputError(f"--kind paths shows agents in one world, not in {tasks}.")
    rows, columns = shape_of(world)
    below = 0.25 * -(-len(agents) // 2)  # where the legend is
    figure, axes = style.grid(1, 1, (0.75 * columns + 0.2, 0.75 * rows + below + 0.4))
    axes = _drawn(axes[0, 0], agents[0], world)
    apart = np.linspace(-0.12, 0.12, len(agents)) if len(agents) > 1 else [0.0]
    looks = zip(agents, apart, style.COLORS * 9, style.DASHES * 9, strict=False)
    for agent, beside, color, dash in looks:
        cells, _, total = _episode(agent)
        y, x = np.divmod(np.asarray(without_memory(cells)), columns)
        axes.plot(x + 0.5 + beside, y + 0.5 + beside, color="#ffffff", lw=5, solid_capstyle="round")
        label = style.plain(f"{type(agent.algorithm).__name__}, return {total:g}")
        axes.plot(x + 0.5 + beside, y + 0.5 + beside, color=color, ls=dash, lw=2.6, label=label)
    axes.set(xlim=(0, columns), ylim=(rows, 0))
    axes.set_title(style.plain(fill(f"The greedy way in {agents[0].task}", 12 * columns)))
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2)
    return figure


KINDS: dict[str, Callable[..., Any]] = {
    "grid": grid,
    "phase": phase,
    "blackjack": blackjack,
    "strip": strip,
    "paths": paths,
}


def _world(
    agent: Agent, kind: str, known: tuple[type, ...] | None, names: Sequence[str] = ()
) -> Any:
    """The agent's simulator, where the kind of picture knows it. Raises ValueError."""
    world = simulator(agent.task.env) if isinstance(agent.task, Ours) else None
    wanted = [cls.__name__ for cls in known] if known else list(names)
    if type(world).__name__ not in wanted or "Discrete/" in agent.env_id:
        raise InputError(f"--kind {kind} shows agents in {', '.join(wanted)}, not in {agent.task}.")
    if agent.remembers and kind != "paths":
        raise InputError(
            f"--kind {kind} shows what is done for each thing seen, but what {_name(agent)} does "
            "hangs on what it remembers too; --kind strip shows an episode of it."
        )
    return world


def _env(agent: Agent) -> Any:
    """The simulator of an agent of ours, with its time limit."""
    assert isinstance(agent.task, Ours)
    return agent.task.env


def _name(agent: Agent) -> str:
    return f"{type(agent.algorithm).__name__} on {agent.task}"


def shape_of(world: Any) -> tuple[int, int]:
    """Rows and columns of a grid world."""
    if isinstance(world, CliffWalking):
        return ROWS, COLUMNS
    rows = _map(world)
    return len(rows), len(rows[0])


def open_of(world: Any) -> np.ndarray:
    """Where one may stand and has to choose, bool [cells]."""
    if isinstance(world, CliffWalking):
        cells = np.arange(ROWS * COLUMNS)
        return cells <= (ROWS - 1) * COLUMNS  # the last row is the start, the cliff, and the goal
    return np.array([letter in "SF." for letter in "".join(_map(world))])


def _map(world: FrozenLake | Maze) -> tuple[str, ...]:
    return world.map if isinstance(world, FrozenLake) else world.desc


def _drawn(axes: Any, agent: Agent, world: Any) -> Any:
    """The axes with the world drawn on them, a unit for each cell."""
    env = _env(agent)
    state, _ = jax.jit(env.reset)(prng.key(0))
    rows, columns = shape_of(world)
    picture = draw(env, jax.tree.map(np.asarray, state))
    margin = (
        MARGIN / (picture.shape[1] - 2 * MARGIN) * columns if isinstance(world, FrozenLake) else 0
    )
    ends = -margin, columns + margin, rows + margin, -margin
    axes.imshow(picture, extent=ends, zorder=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def _number(axes: Any, x: float, y: float, text: str) -> None:
    """A small number that is read on any ground."""
    from matplotlib.patheffects import withStroke

    around = [withStroke(linewidth=2, foreground="#ffffff")]
    look: Any = {"fontsize": 7, "color": "#111827", "path_effects": around, "zorder": 4}
    axes.text(x, y, text, ha="center", va="bottom", **look)


def _best(agent: Agent, seen: Any) -> np.ndarray | None:
    """The value of the greedy choice for each observation, where the agent has such."""
    with suppress(InputError):
        return agent.estimate(seen)
    return None


def _choices(agent: Agent, seen: np.ndarray) -> tuple[np.ndarray, Any, list[str] | None]:
    """What is done for each observation, with its colors and, of a few actions, their names."""
    from matplotlib.colors import ListedColormap

    done = np.asarray(agent.predict(seen))
    if done.ndim > 1:  # numbers
        return done[:, 0], "PuOr", None
    names = _action_names(agent, int(agent.action_space.n))  # type: ignore[attr-defined]
    return done, ListedColormap(list(style.COLORS[: len(names)])), names


def _action_names(agent: Agent, count: int) -> list[str]:
    known = action_names(_env(agent))
    return [known.get(i, f"action {i}") for i in range(count)]


def _episode(agent: Agent) -> tuple[Any, np.ndarray, float]:
    """What a greedy episode showed, what was done, and the return."""
    shots = episode(_env(agent), agent, key=streams.key(0, streams.EXAM))
    seen = jax.tree.map(lambda *x: np.stack(x), *(shot.seen for shot in shots))
    actions = [shot.action for shot in shots[1:]]
    return seen, np.array([*actions, actions[-1]]), shots[-1].total
