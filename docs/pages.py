"""Write the pages on environments and algorithms, and draw the environments' pictures.

python docs/pages.py           a minute; writes docs/environments/*.md, docs/algorithms/*.md, the
                               pictures in docs/images/environments/ and docs/gallery.png
python docs/pages.py --text    the pages alone

Everything on a page comes from the code: the tables, docstrings, fields, spaces, presets.
tests/test_pages.py says so where that is no longer the case.
"""

import inspect
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import fields
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image, ImageDraw, ImageFont, ImageOps

import palestra
from palestra import envs
from palestra.algorithms import ALGORITHMS, served
from palestra.envs.drawing import readable
from palestra.envs.host import atari
from palestra.ranges import sentences
from palestra.tools.pictures.controls import CONTROLS
from palestra.tools.presets import presets
from palestra.tools.presets.types import Preset

DOCS = Path(__file__).resolve().parent
PICTURES = DOCS / "images" / "environments"
GROUPS = {
    "classic": "Classic control",
    "toy_text": "Toy text",
    "board": "Board games",
    "minatar": "MinAtar",
    "probes": "Probes",
}

ATARI_USE = """\
    pip install 'palestra[atari]'                    # ale-py, with the games
    palestra train ppo ALE/Pong-v5 --preset laptop
    palestra train dqn ALE/Breakout-v5 --env.preprocessing machado-2018

Both forms of an id, `ALE/Pong-v5` and `PongNoFrameskip-v4`, stand for `nature-2015`, unless a
preset or `--env.preprocessing` says otherwise: Gymnasium's own `-v5` has sticky actions, here the
specification alone says so, and a run's `config.json` holds all of it. Rewards are clipped and
lives end returns in training alone; the totals of episodes, in curves and evaluations, are always
those of whole games, unclipped.

## Our own console

    pip install 'palestra[atari2600]'                # ale-py for its games, and Warp
    palestra train ppo atari/Pong-v5 --preset laptop --stop-at 18
    palestra train a2c atari/Breakout-v5 --preset laptop --stop-at 300

plays the games in an Atari 2600 of our own (Warp's kernels), inside of the compiled program like
our other simulators: the whole console is a part of what training carries, so that a run resumes
to the bit, which ale-py's vector form does not allow. It is held to ale-py frame by frame: what an
agent sees and earns is the same to the bit (`tests/envs/test_atari2600_environment.py`, Pong and
Breakout); memory, screen, reward, lives and end of 103 of its 104 games are the same at every
one of 20,000 frames of random play, in which games that are lost begin anew, and memory is of all
104 (`benchmarks/atari2600.py exact --frames 20000`; of most when the interpreter played them,
before programs were translated). What differs in the last one:

| game | what differs | why |
| --- | --- | --- |
| Klax | 38 ends, 18 rewards | not all of its bytes are known |

Play that looks ahead comes farther: by the best of sixteen ways to play the next 96 frames, tried
in our console (`benchmarks/atari2600.py exact --frames 20000 --play search`). All 104 games were
played so over 20,000 frames each, and 369 games ended; in 102 of them all that is compared is the
same at every frame: among them Q*bert (27,550 points), Up'n Down (47,920), Video Pinball (485,942),
Seaquest, River Raid, Space Invaders, Ms. Pacman (21,010), Breakout (208) and Pong (2). The other
two are Klax (40 ends, 14 rewards) and Miniature Golf (one reward, the number told below). Of
agents' own play (PPO's in Pong and Breakout, a twentieth of the actions random) 20,000 frames each
are exact (`--agents RUN,RUN`). Step by step beside ale-py's vector environment, 10.2 million
transitions of random and of agents' play in Pong and Breakout are equal, but for such last
pictures as are told below, which were not compared
(`benchmarks/atari2600_transitions.py`; docs/benchmarks.md).

What ale-py makes of a memory is asked of memories that play does not reach, too: of 4,000 random
ones of each game, two frames in a row, 103 of 104 games get the same rewards, lives and ends as
from ale-py (`benchmarks/atari2600_games.py ask --asked 4000`, which sets bytes while ale-py's
console stands still). The other one is Miniature Golf, whose reward in ale-py is a number that
nobody set; ends of Backgammon and Pitfall II were seen in neither.

A frame that is not drawn whole shows what was drawn there two frames before. Tetris and Trondead
begin with such a frame, and so show what ale-py drew while it started, which it does not tell.
So do Q*bert's first frames, and 3-D Tic-Tac-Toe, Video Checkers and Video Chess while they think.
The benchmark draws over the picture before the last, as ale-py does, and finds them equal; training
draws over black, which shows where `frame_skip` is 1 or 2, in the first two frames of the three
games of these that are offered: Q*bert, Tetris and Trondead.

85 games are offered; the others, which differ in picture or end, or have another picture than 210
lines of NTSC, are refused with the reason. A game begins as one of
ale-py's first eight, and what a learner sees is equal over whole games, but for the last picture
of a game that ends with the very last frame of a step: ale-py adds the frame before to what it
showed last, here that is left out. It takes the same preprocessings and presets as `ALE/` ids, and
its agents are examined in ale-py itself, as well as in the console. Returns in curves and
evaluations are of whole games, with all points, also where a learner is told of lives and clipped
rewards.
`palestra.make("atari/Pong-v5")` shows the whole screen, as `gymnasium.make("ALE/Pong-v5")` does,
unless `preprocessing="laptop"` or another is asked for. A processor plays a cartridge's program as
machine code, which takes 5 to 11 seconds to compile when a game is first played. With 64 consoles
two idle cores play 26,800 steps of Pong with the learner's pictures a second, 24,300 of Breakout,
16,700 of Seaquest and 21,500 of Space Invaders, which is 2.7 to 4.7 times as many as ale-py's
vector environment and 3.0 to 5.0 times as many as EnvPool; a step takes 61 to 100 microseconds of
processor time. With a single console it is as fast as ale-py, with four 0.8 times (the table is in
docs/benchmarks.md)."""
OTHERS = """\
[Atari's games](atari.md), through ale-py. Every other environment of Gymnasium, of a package that
registers its own, or of a file of yours (`palestra train ppo my_file:Maze-v0`) trains as well, on
the host; what it shows and takes may be nested as deep as it likes."""


class Page(NamedTuple):
    """An environment file and the ids that the table makes of it."""

    home: str  # the module, below palestra.envs
    rows: dict[str, envs.Entry]

    @property
    def name(self) -> str:
        return self.home.split(".")[-1]

    @property
    def group(self) -> str:
        return GROUPS[self.home.split(".")[0]]

    @property
    def module(self) -> Any:
        return sys.modules[f"palestra.envs.{self.home}"]

    @property
    def simulators(self) -> dict[str, type]:
        """The classes by their names; the probes' file holds several."""
        return {row.simulator.__name__: row.simulator for row in self.rows.values()}

    @property
    def drawn(self) -> bool:
        return self.home in CONTROLS

    @property
    def usual(self) -> str:
        """The id of the examples: the first of the highest version."""
        return max(self.rows, key=lambda env_id: env_id.split("-v")[-1])


def pages() -> list[Page]:
    """One for each file, in the table's order."""
    homes: dict[str, dict[str, envs.Entry]] = defaultdict(dict)
    for env_id, row in envs.ENVIRONMENTS.items():
        homes[row.home.split(":")[0]][env_id] = row
        assert row.simulator  # imported now
    return [Page(home, rows) for home, rows in homes.items()]


def texts() -> dict[str, str]:
    """All pages by their file's name, below docs."""
    environments = {f"environments/{page.name}.md": text(page) for page in pages()}
    algorithms = {f"algorithms/{name}.md": algorithm_text(name) for name in ALGORITHMS}
    return {
        **environments,
        "environments/atari.md": atari_text(),
        "environments/index.md": index(pages()),
        **algorithms,
        "algorithms/index.md": algorithm_index(),
    }


def text(page: Page) -> str:
    """A page in Markdown."""
    first, _, rest = inspect.getdoc(page.module).partition("\n")
    title, _, task = first.partition(": ")
    parts = [f"# {title}", f"{task[:1].upper()}{task[1:]}"]
    if page.drawn:
        parts.append(f"![{title}](../images/environments/{page.name}.png)")
    parts += [f"```text\n{rest.strip(chr(10))}\n```", ids(page), *seen_and_done(page)]
    for name, simulator in page.simulators.items():
        if fields(simulator):
            parts += ["## Parameters", parameters(name, simulator)]
    parts += ["## Use", *use(page)]
    source = f"palestra/envs/{page.home.replace('.', '/')}.py"
    parts.append(f"Source: [{source}](../../{source}) · [All environments](index.md)")
    return "\n\n".join(parts) + "\n"


def ids(page: Page) -> str:
    """The table of a page's ids."""
    lines = ["| id | task | cut off after | solved at a mean return of | with |", "|---" * 5 + "|"]
    for env_id, row in page.rows.items():
        given = [f"`{name}={value!r}`" for name, value in row.parameters.items()]
        if row.sticky:
            given.append(f"sticky actions, probability {row.sticky:g}")
        if row.view:
            given.append(f"seen through `transforms.{row.view}`")
        cells = [f"`{env_id}`", row.summary, limit(row), threshold(row), ", ".join(given) or "–"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def limit(row: envs.Entry) -> str:
    """When episodes are cut off, in words."""
    if row.limit is None:
        return "never"
    return f"{row.limit:,} step{'s' if row.limit > 1 else ''}"


def threshold(row: envs.Entry) -> str:
    """From when on the task counts as solved, in words."""
    return "–" if row.threshold is None else number(row.threshold)


def seen_and_done(page: Page) -> Iterator[str]:
    """The spaces of each id, once where they are all the same."""
    told: dict[str, list[str]] = defaultdict(list)
    for env_id in page.rows:
        env = envs.make(env_id)
        seen, done = (space_in_words(x) for x in (env.observation_space, env.action_space))
        told[f"- observation: {seen}\n- action: {done}"].append(env_id)
    for words, env_ids in told.items():
        whose = "" if len(told) == 1 else f" of {', '.join(f'`{x}`' for x in env_ids)}"
        yield f"## Spaces{whose}\n\n{words}"


def space_in_words(space: gymnasium.Space) -> str:
    """A space for people."""
    match space:
        case spaces.Discrete():
            return f"a whole number from {space.start} to {space.start + space.n - 1}"
        case spaces.MultiDiscrete() if len({*space.nvec.tolist()}) == 1 and not space.start.any():
            return f"{space.nvec.size} whole numbers from 0 to {space.nvec[0] - 1}"
        case spaces.Tuple():
            return "; ".join(space_in_words(part) for part in space.spaces)
        case spaces.Box() if space.dtype == bool:
            return f"an array of booleans of shape {space.shape}"
        case spaces.Box():
            same = all(len(set(bound)) == 1 for bound in (space.low, space.high))
            words = lambda x: number(x[0]) if same else f"({', '.join(map(number, x))})"
            low, high = words(space.low), words(space.high)
            return f"{space.dtype} array of shape {space.shape}, from {low} to {high}"
    raise AssertionError(f"say what {space} is")


def number(x: float) -> str:
    """A number as people write it."""
    return f"{'−' if x < 0 else ''}∞" if np.isinf(x) else f"{x:.6g}".replace("-", "−")


def parameters(name: str, simulator: type) -> str:
    """The table of a simulator's fields, and what may be set at a reset."""
    said = sentences(simulator)
    lines = [f"Fields of `{name}`:\n", "| name | default | may be | what it is |", "|---" * 4 + "|"]
    for field in fields(simulator):
        is_float = isinstance(field.default, float)
        default = f"{field.default:.6g}" if is_float else repr(field.default)
        cells = [f"`{field.name}`", f"`{default}`", kind(field.type), said[field.name]]
        lines.append(f"| {' | '.join(cells)} |")
    options = getattr(simulator, "options", ())
    if options:
        names = ", ".join(f"`{name}`" for name in options)
        lines.append(f"\n`env.reset(options={{...}})` sets these for an episode: {names}.")
    return "\n".join(lines)


def kind(annotation: Any) -> str:
    """What a field may hold."""
    for bounds in getattr(annotation, "__metadata__", ()):
        return bounds.words
    if get_origin(annotation) is tuple:
        part = get_args(annotation)[0]
        many = {str: "strings", float: "numbers", int: "whole numbers"}
        return f"a tuple of {many[part if isinstance(part, type) else get_args(part)[0]]}"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{word}`" for word in get_args(annotation))
    return {float: "a number", int: "a whole number", bool: "True or False", str: "a string"}[
        annotation
    ]


def use(page: Page) -> Iterator[str]:
    """How to make it, train in it, play it."""
    usual = page.usual
    mode = ', render_mode="rgb_array"' if page.drawn else ""
    yield (
        "```python\nimport palestra\n\n"
        f'env = palestra.make("{usual}"{mode})\n'
        f'envs = palestra.make_vec("{usual}", num_envs=1024)  # one compiled program\n```'
    )
    can = learners(usual)
    commands = [f"palestra train {name} {usual}" for name in can]
    for env_id in (env_id for env_id, row in page.rows.items() if row.view):
        commands += [f"palestra train {n} {env_id}" for n in learners(env_id) if n not in can]
    if page.drawn:
        commands.append(f"palestra play {usual}")
        commands += [f"palestra play {usual} --text"] * readable(envs.make(usual))
    if commands:
        yield "\n".join(f"    {line}" for line in commands)
    if hasattr(envs.entry(usual).simulator, "model"):
        what = "its exact model: `P[state][action]` lists what can happen"
        yield f'`palestra.make("{usual}").P` is {what}.'


def learners(env_id: str) -> list[str]:
    """The algorithms that can learn it."""
    env = envs.make(env_id)
    return [n for n in ALGORITHMS if served(n, env.observation_space, env.action_space)]


def atari_text() -> str:
    """The page on Atari's games: what each preprocessing does."""
    first, _, rest = inspect.getdoc(atari).partition("\n")
    title, _, task = first.partition(", ")
    source = "palestra/envs/host/atari.py"
    parts = [
        f"# {title}",
        f"{task[:1].upper()}{task[1:]}",
        f"```text\n{rest.strip(chr(10))}\n```",
        ATARI_USE,
        "## Specifications",
        atari.differences(),
        "## Fields",
        "Each is a flag of the command line, such as `--env.sticky 0.25`.",
        parameters("Preprocessing", atari.Preprocessing),
        f"Source: [{source}](../../{source}) · [All environments](index.md)",
    ]
    return "\n\n".join(parts) + "\n"


def index(all_pages: list[Page]) -> str:
    """The page that leads to the others."""
    parts = [
        "# Environments",
        "Each is a file of pure functions. All but the probes are replayed against a reference, "
        "step for step.",
        "![All environments](../gallery.png)",
    ]
    for group in GROUPS.values():
        lines = ["| id | task | cut off after | solved at |", "|---" * 4 + "|"]
        for page in all_pages:
            for env_id, row in page.rows.items() if page.group == group else ():
                link = f"[`{env_id}`]({page.name}.md)"
                lines.append(f"| {link} | {row.summary} | {limit(row)} | {threshold(row)} |")
        parts += [f"## {group}", "\n".join(lines)]
    parts += ["## Others", OTHERS]
    return "\n\n".join(parts) + "\n"


def algorithm_text(name: str) -> str:
    """A page on an algorithm, in Markdown."""
    row = ALGORITHMS[name]
    cls, module = row.learner, sys.modules[row.learner.__module__]
    first, _, rest = inspect.getdoc(module).partition("\n")
    source = f"palestra/algorithms/{row.home.split(':')[0]}.py"
    parts = [
        f"# {name}",
        first,
        f"```text\n{rest.strip(chr(10))}\n```",
        f"- observations: {', '.join(row.observations)}\n- actions: {', '.join(row.actions)}",
        "## Hyper-parameters",
        parameters(cls.__name__, cls),
    ]
    if (DOCS / "images" / f"{name}.png").is_file():
        parts.insert(2, f"![{name}](../images/{name}.png)")
    mine = presets(name)
    if mine:
        parts += ["## Presets", presets_in_words(mine)]
    task = next(iter(mine), usual_task(name))
    parts += [
        "## Use",
        f"    palestra train {name} {task}\n    palestra cite {name}",
        "```python\nimport palestra\n\n"
        f'run = palestra.train("{task}", "{name}", seed=0)\n'
        f'print(run.summary["best"])\n```',
        f"Source: [{source}](../../{source}) · [All algorithms](index.md) · "
        "[What the presets reach](../results.md)",
    ]
    return "\n\n".join(parts) + "\n"


def usual_task(name: str) -> str:
    """The first environment of the table that an algorithm can learn."""
    return next(env_id for env_id in envs.ENVIRONMENTS if name in learners(env_id))


def presets_in_words(found: dict[str, dict[str, Preset]]) -> str:
    """The table of an algorithm's presets."""
    lines = ["| environment | preset | environments | steps | reached | source |", "|---" * 6 + "|"]
    for env_id, named in found.items():
        for name, preset in named.items():
            cells = [f"`{env_id}`", name, f"{preset.num_envs:,}", f"{preset.steps:,}"]
            lines.append(f"| {' | '.join([*cells, preset.score, preset.source])} |")
    return "\n".join(lines)


def algorithm_index() -> str:
    """The page that leads to the algorithms' pages."""
    lines = ["| algorithm | | observations | actions |", "|---" * 4 + "|"]
    for name, row in ALGORITHMS.items():
        seen, done = ", ".join(row.observations), ", ".join(row.actions)
        lines.append(f"| [`{name}`]({name}.md) | {row.summary} | {seen} | {done} |")
    words = (
        "Each is one file that reads from top to bottom: `diff` two of them to see what differs."
    )
    return "\n\n".join(["# Algorithms", words, "\n".join(lines)]) + "\n"


# How the pictures come about: an episode is played by a rule of thumb for some steps.

Rule = Callable[[Any, int, gymnasium.Space], Any]  # of what is seen, when, and what can be done


def at_random(obs: Any, time: int, space: gymnasium.Space) -> Any:
    """Any action."""
    return space.sample()


def along(velocity: int, low: Any, high: Any) -> Rule:
    """Push the way that it moves already, which swings it up."""
    return lambda obs, time, space: high if obs[velocity] > 0 else low


def in_turn(*actions: int) -> Rule:
    """These actions, one after the other, and over again."""
    return lambda obs, time, space: actions[time % len(actions)]


def under_the_ball(obs: np.ndarray, time: int, space: gymnasium.Space) -> int:
    """Keep the paddle where the ball is."""
    paddle, ball = (obs[..., channel].any(0).argmax() for channel in (0, 1))
    return 0 if paddle == ball else 1 if ball < paddle else 2


def one(x: float) -> np.ndarray:
    """An action of one number."""
    return np.array([x], np.float32)


SCENES: dict[str, tuple[Rule, int]] = {  # and for how many steps
    "cartpole": (at_random, 22),
    "mountain_car": (along(1, 0, 2), 92),
    "mountain_car_continuous": (along(1, one(-1), one(1)), 60),
    "pendulum": (along(2, one(-2), one(2)), 45),
    "acrobot": (along(4, 2, 0), 60),
    "frozen_lake": (at_random, 9),
    "cliff_walking": (in_turn(0, 1, 1, 1, 1, 1), 6),
    "taxi": (at_random, 20),
    "blackjack": (in_turn(1), 1),
    "maze": (in_turn(2, 1, 1, 1, 2, 2), 9),
    "t_maze": (in_turn(), 0),
    "bandit": (at_random, 9),
    "tic_tac_toe": (in_turn(4, 0, 2), 3),
    "breakout": (under_the_ball, 60),
    "asterix": (at_random, 60),
    "freeway": (in_turn(1), 12),
    "seaquest": (at_random, 60),
    "space_invaders": (at_random, 60),
}


def scene(env_id: str, name: str) -> Image.Image:
    """A picture from the middle of an episode, the same one every time."""
    rule, steps = SCENES[name]
    env = palestra.make(env_id, render_mode="rgb_array")
    for seed in count():
        obs, _ = env.reset(seed=seed)
        env.action_space.seed(seed)
        for time in range(steps):
            obs, _, *ended, _ = env.step(rule(obs, time, env.action_space))
            if any(ended):
                break
        else:
            return Image.fromarray(env.render())
    raise AssertionError("not reached")


TILE, INSET, MARGIN, LABEL = (420, 300), 14, 28, 44  # [pixels]
COLUMNS = 5
WALL, PAPER, INK = "#d1d5db", "#ffffff", "#1f2937"


def gallery(scenes: dict[str, Image.Image]) -> Image.Image:
    """All pictures on one sheet, each with its name."""
    width, height = TILE
    rows = -(-len(scenes) // COLUMNS)
    size = (
        COLUMNS * (width + MARGIN) + MARGIN,
        rows * (height + LABEL + MARGIN) + MARGIN,
    )
    sheet = Image.new("RGB", size, WALL)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(24)
    for i, (env_id, picture) in enumerate(scenes.items()):
        row, column = divmod(i, COLUMNS)
        left = MARGIN + column * (width + MARGIN)
        top = MARGIN + row * (height + LABEL + MARGIN)
        pen.rectangle((left, top, left + width, top + height + LABEL), PAPER)
        space = width - 2 * INSET, height - 2 * INSET
        small = ImageOps.contain(picture, space, Image.Resampling.LANCZOS)
        at = left + (width - small.width) // 2, top + (height - small.height) // 2
        sheet.paste(small, at)
        pen.text(
            (left + width // 2, top + height + (LABEL - INSET) // 2), env_id, INK, font, anchor="mm"
        )
    return sheet


def main() -> None:
    """Write what was asked for."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, content in texts().items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(content)
    if "--text" in sys.argv[1:]:
        return
    scenes = {}
    for page in pages():
        if page.drawn:
            scenes[page.usual] = scene(page.usual, page.name)
            scenes[page.usual].save(PICTURES / f"{page.name}.png", optimize=True)
        if "FrozenLake8x8-v1" in page.rows:
            scenes["FrozenLake8x8-v1"] = scene("FrozenLake8x8-v1", page.name)
    gallery(scenes).save(DOCS / "gallery.png", optimize=True)


if __name__ == "__main__":
    main()
