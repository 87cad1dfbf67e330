"""Runs in one file that opens without a network and can be mailed, or as a part of a paper.

A run's folder may come from anybody: its words are escaped, none of its links is followed out of
it, and the page may load nothing, by its own Content-Security-Policy.
"""

import json
import os
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from palestra.core import Finite, Positive, check
from palestra.faults import InputError
from palestra.names import by_name
from palestra.tools.files import write_whole
from palestra.tools.pictures import style
from palestra.tools.pictures.plot import SIZE, plot
from palestra.tools.pictures.scores import picture as picture_of
from palestra.tools.report.commands import script
from palestra.tools.runs.groups import run_folders
from palestra.tools.runs.paths import config_of
from palestra.tools.runs.reading import judged, read_config, read_metrics, read_summary
from palestra.tools.statistics.compare import (
    Comparison,
    Group,
    Scored,
    Which,
    compare,
    scored,
    tables_of,
    tables_together,
)
from palestra.tools.statistics.shown import shown
from palestra.tools.statistics.tables import Table, markdown
from palestra.version import __version__

MARK = "by palestra report"  # in the first line of all that is written here
FILES = "config.json", "metrics.jsonl", "summary.json", "video.mp4"  # that are read of a run
NARROW = 4.6, 4.2  # inches of a picture on a phone
MEGABYTES = 5.0
LONGEST = 300  # letters of a setting
CURVES = (
    "Return over environment steps. Bands are 95 % intervals, Student's, over seeds, or of a single"
    " run over its episodes; dots are episodes while exploring."
)
MEDIA = {  # when a picture is shown: whether it is a narrow one, and a dark one
    (True, True): "(max-width: 40rem) and (prefers-color-scheme: dark)",
    (True, False): "(max-width: 40rem)",
    (False, True): "(prefers-color-scheme: dark)",
    (False, False): "",
}
INTERVALS = "Each statistic with its 95 % interval, over seeds."
PROFILES = "Share of runs above each score; bands are 95 % intervals by bootstrap."


Say = Callable[[str], object]


class Report(NamedTuple):
    """What was written."""

    path: Path
    left_out: list[str]  # runs and videos, in sentences


class Read(NamedTuple):
    """A run that counts."""

    name: str  # its folder, as it was given
    group: str
    score: Scored
    config: dict[str, Any]
    summary: dict[str, Any]


class Picture(NamedTuple):
    """A figure, in each of its sizes; None for the only one that it has."""

    name: str  # for a file
    alt: str
    told: str
    sizes: Sequence[tuple[float, float] | None]
    draw: Callable[..., Path]  # (path, size, dark=)


class Film(NamedTuple):
    """A run's video."""

    path: Path
    told: str
    rank: int  # 0 for the run of its group whose score is in the middle

    def size(self) -> int:
        """Bytes of a page that it takes."""
        return self.path.stat().st_size * 4 // 3 + 12 * len(self.told) + 500

    def uri(self) -> str:
        """What stands in a page for the file."""
        return _uri("video/mp4", self.path)


class Section(NamedTuple):
    """A part of a report."""

    title: str
    told: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    films: Sequence[Film] = ()
    commands: str = ""


class Content(NamedTuple):
    """All that there is to say."""

    title: str
    told: str
    notes: list[str]
    results: list[Section]
    rest: list[Section]


@by_name
def report(
    *runs: str | Path,
    output: str | Path = "report.html",
    agents: Which = "last",
    threshold: float | None = None,
    megabytes: float = MEGABYTES,
    say: Say = lambda _: None,
) -> Report:
    """Write learning curves, statistics, settings, videos, findings and commands of runs.

    output       the file to write: .html for one page that holds it all, .md for an appendix, with
                 its pictures beside it, .tex for tables in LaTeX
    agents       whose final evaluation is a run's score: of the last agents or of the best
    threshold    mean return whose first step is looked for [where the environment is solved]
    megabytes    of a page: videos that would make it larger are left out, and named
    say          is told what is being done

    Runs that are damaged, not at their end, or without a score are left out, and named. Raises
    FileNotFoundError where a path is missing, and ValueError where nothing is left, or where the
    output cannot be written or is there already and no report.
    """
    if not runs:
        raise InputError("report needs at least one run folder: palestra report RUN...")
    check("megabytes", megabytes, Positive)
    check("agents", agents, Which)
    if threshold is not None:
        check("threshold", threshold, Finite)
    path = Path(output)
    write = WRITERS[_ending(path)]
    _check_free(path)
    say("reading runs")
    folders, left_out = _usable([Path(run) for run in runs], agents)
    if not folders:
        raise InputError(f"there is no run to report on. {' '.join(left_out)}")
    say("comparing 1 run" if len(folders) == 1 else f"comparing {len(folders)} runs")
    found = compare(*folders, agents=agents, threshold=threshold)
    asked = ["--output", path.name]
    asked += ["--agents", agents] if agents != "last" else []
    asked += ["--threshold", str(threshold)] if threshold is not None else []
    asked += ["--megabytes", str(megabytes)] if megabytes != MEGABYTES else []
    content = _content(found, left_out, asked)
    return Report(path, left_out + write(path, content, megabytes, say))


def _ending(path: Path) -> str:
    """The output's ending. Raises ValueError where nothing can be written there."""
    ending = path.suffix.lower()
    if ending not in WRITERS:
        raise InputError(f"the output must end in {', '.join(WRITERS)}, not be {path}.")
    parent = path.absolute().parent
    if not parent.is_dir():
        raise InputError(f"There is no folder {parent} to write a report into.")
    if not os.access(parent, os.W_OK):
        raise InputError(f"You may not write into {parent}; name another --output.")
    return ending


def _check_free(path: Path, known: str = "") -> None:
    """Raises ValueError where a file is at the path that is no report, or a picture that the report
    `known` does not name."""
    if not path.exists():
        return
    if not path.is_file():
        raise InputError(f"{path} is a folder or a device; name another --output.")
    with path.open("rb") as file:
        if MARK.encode() not in file.read(200) and path.name not in known:
            raise InputError(
                f"{path} exists already and is not from palestra report; choose another --output, "
                "or remove it first."
            )


# --- what is read ---


def _usable(paths: Sequence[Path], agents: Which) -> tuple[list[Path], list[str]]:
    """The folders of runs that count; of the others a sentence each. Raises FileNotFoundError where
    a path is missing."""
    folders, left_out = [], []
    for folder in run_folders(paths):
        config_of(folder)
        try:
            _check_within(folder, paths)
            scored(folder, agents)
            for _ in read_metrics(folder):  # all lines, since all are drawn
                pass
            folders.append(folder)
        except (InputError, OSError) as fault:
            left_out.append(f"Left out: {fault}")
    return folders, left_out


def _check_within(folder: Path, paths: Sequence[Path]) -> None:
    """Raises ValueError where a link leads out of a run's folder, or of a folder of seeds."""
    home = folder.resolve()
    if not any(home.is_relative_to(path.resolve()) for path in paths):
        raise InputError(f"{folder} is a link to another place; name that place itself.")
    for name in FILES:
        if not (folder / name).resolve().is_relative_to(home):
            raise InputError(
                f"{folder / name} is a link out of the run's folder; put the file itself there."
            )


def _content(found: Comparison, left_out: Sequence[str], asked: Sequence[str]) -> Content:
    """All that there is to say of runs that were compared."""
    numbers = found.as_dict()
    results, rows = [], list[list[Read]]()
    for one, told in zip(found.environments, numbers["environments"], strict=True):
        read = [_read(group, run) for group in one.groups for run in group.runs]
        rows.append(read)
        means = "; ".join(
            f"{x['name']}, {len(x['seeds'])} seeds: mean return {x['statistics']['mean, Student']}"
            for x in told["groups"]
        )
        name, ways = str(one.task), [(group.name, group.setting) for group in one.groups]
        folders = [run.score.folder for run in read]
        file = f"{len(rows)}-{re.sub(r'[^A-Za-z0-9.-]', '-', name)[:40]}"
        pictures = [
            Picture(
                file,
                f"Learning curves on {name}, return over environment steps. {means}.",
                CURVES,
                (SIZE, NARROW),
                partial(_curves, folders),
            )
        ]
        if len(one.groups) > 1:
            alt = f"Bars of the statistics on {name} and their intervals, as in the tables below."
            alone = found._replace(environments=[one])
            draw = partial(_scores, "intervals", alone)
            pictures.append(Picture(f"{file}-intervals", alt, INTERVALS, (None,), draw))
        results.append(
            Section(
                name,
                pictures=pictures,
                tables=[*tables_of(told), *_settings(name, ways)],
                films=_films(name, one.groups),
            )
        )
    if together := [*tables_together(numbers["together"])]:
        alt = "Share of runs above each score, a line for each setting, as in the tables below."
        draw = partial(_scores, "profiles", found)
        picture = Picture("profiles", alt, PROFILES, (None,), draw)
        results.append(Section("Environments together", pictures=[picture], tables=together))
    all_read = [run for read in rows for run in read]
    names = dict.fromkeys(run.config["algorithm"] for run in all_read)
    title = f"{_listed([*names])} on {_listed([section.title for section in results[: len(rows)]])}"
    runs = "1 run" if len(all_read) == 1 else f"{len(all_read)} runs"
    told = (
        f"{runs}, put together by Palestra {__version__} on {time.strftime('%Y-%m-%d')}. A run's "
        f"score is the mean return of its {found.which} agent in its final evaluation, greedy, on "
        "starts of its own. Intervals are 95 %, over seeds."
    )
    rest = [*_rest(all_read)]
    pairs = [(run.score.folder, run.config) for run in all_read]
    rest.append(
        Section("To do all of it again", ["In a shell:"], commands=script(pairs, asked)),
    )
    return Content(title, told, [*left_out, *found.notes], results, rest)


def _curves(folders: Sequence[Path], path: Path, size: Any, *, dark: bool = False) -> Path:
    return plot(folders, path, size=size, dark=dark)


def _scores(kind: str, found: Comparison, path: Path, size: Any, *, dark: bool = False) -> Path:
    return picture_of(kind, found, path, dark=dark)


def _read(group: Group, run: Scored) -> Read:
    config, summary = read_config(run.folder), read_summary(run.folder)
    return Read(str(run.folder), group.name, run, config, summary)


def _listed(names: Sequence[str]) -> str:
    """Names in a title, which has room for three."""
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _films(task: str, groups: Sequence[Group]) -> list[Film]:
    """The videos of runs, those first whose score is in the middle of their group."""
    films = []
    for group in groups:
        middle = median(run.score for run in group.runs)
        for rank, run in enumerate(sorted(group.runs, key=lambda x: abs(x.score - middle))):
            path = run.folder / "video.mp4"
            if path.is_file() and _is_mp4(path):
                told = (
                    f"{group.name} on {task}, seed {run.seed}: a greedy episode of its best agent"
                )
                films.append(Film(path, told, rank))
    return sorted(films, key=lambda film: film.rank)


def _is_mp4(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8)[4:] == b"ftyp"


def _settings(task: str, ways: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[Table]:
    """Settings that differ, and those that do not."""
    names = list(dict.fromkeys(name for _, setting in ways for name in setting))
    first = ways[0][1]
    differ = [x for x in names if len({_cell(way[x]) if x in way else None for _, way in ways}) > 1]
    same = [name for name in names if name not in differ]
    if differ:
        yield _beside(f"{task}: settings that differ", ways, differ)
    if same:
        title = "settings" if len(ways) == 1 else "settings that are the same in all"
        yield _beside(f"{task}: {title}", [("value", first)], same)


def _beside(
    title: str, columns: Sequence[tuple[str, Mapping[str, Any]]], names: list[str]
) -> Table:
    """A row for each name, a column for each of the mappings."""
    rows = [[x, *(_cell(column[x]) if x in column else "" for _, column in columns)] for x in names]
    return Table(title, ["", *(head for head, _ in columns)], rows)


def _cell(value: Any) -> str:
    """A setting in words."""
    if isinstance(value, list) and not any(isinstance(x, list | dict) for x in value):
        text = ", ".join(map(_cell, value))
    elif value is None or isinstance(value, bool):
        text = "none" if value is None else "yes" if value else "no"
    else:
        text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _rest(runs: Sequence[Read]) -> Iterator[Section]:
    """What is said of runs one by one."""
    number = lambda x: "" if x is None else shown(x)
    rows = [
        [run.name, run.config["environment"], run.group, str(run.score.seed)]
        + [f"{run.score.taken:,}"]
        + ["" if run.score.seconds is None else f"{run.score.seconds:,.1f}"]
        + [number(judged(run.summary, which)) for which in ("best", "last")]
        + [run.config.get("started", "")]
        for run in runs
    ]
    header = ["run", "environment", "setting", "seed", "steps", "seconds", "best", "last", "begun"]
    yield Section("Runs", tables=[Table("Runs, and the returns of their agents", header, rows)])
    found = []
    for name, summary in ((run.name, run.summary) for run in runs):
        found += [[name, f"{x['step']:,}", x["said"]] for x in summary.get("findings", [])]
        for gone_on in summary.get("resumed", []):
            how = "as if it had never stopped" if gone_on["exact"] else "in new episodes"
            found.append([name, f"{gone_on['step']:,}", f"It was resumed, {how}."])
        found += [[name, "", note] for note in summary.get("notes", [])]
    told = [] if found else ["The doctor found nothing in these runs, and none was resumed."]
    tables = [Table("What was said of runs", ["run", "step", "said"], found)] if found else []
    yield Section("Findings of the doctor", told, tables=tables)
    tables = [
        _beside(title, kinds, list(dict.fromkeys(name for _, kind in kinds for name in kind)))
        for title, key in (("Hardware", "hardware"), ("Versions", "versions"))
        if (kinds := _kinds([run.config.get(key) or {} for run in runs]))
    ]
    yield Section("Hardware and versions", tables=tables)


def _kinds(each: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """The different ones, and how many runs have them."""
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for one in filter(None, each):
        alike.setdefault(json.dumps(one, sort_keys=True), []).append(one)
    count = lambda same: "1 run" if len(same) == 1 else f"{len(same)} runs"
    return [(count(same), same[0]) for same in alike.values()]


# --- how it is written ---


def _page(path: Path, content: Content, megabytes: float, say: Say) -> list[str]:
    """Write a page that holds all; sentences on the videos for which it has no room."""
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [*content.results, *content.rest]
    pictures = [picture for section in sections for picture in section.pictures]
    drawn = {}
    with TemporaryDirectory(prefix="palestra-") as folder:
        for number, picture in enumerate(pictures, 1):
            say(f"drawing {number} of {len(pictures)} pictures")
            drawn[picture.name] = [
                (media, _uri("image/webp", picture.draw(Path(folder) / "x.webp", size, dark=dark)))
                for size in picture.sizes[::-1]
                for dark in (True, False)
                for media in [MEDIA[size == NARROW, dark]]
            ]

    def page(shown: Sequence[Film], left_out: Sequence[str]) -> bytes:
        text = pages.get_template("page.html").render(
            content=content._replace(notes=[*content.notes, *left_out]),
            sections=sections,
            drawn=drawn,
            shown=shown,
            mark=MARK,
            version=__version__,
            light=style.LIGHT,
            dark=style.DARK,
        )
        return text.encode(errors="replace")

    films = sorted((x for section in sections for x in section.films), key=lambda film: film.rank)
    say(f"writing {path.name}")
    room = int(megabytes * 1e6) - len(page([], _without(films, megabytes)))
    shown = []
    for film in films:
        if (size := film.size()) <= room:
            shown.append(film)
            room -= size
    left_out = _without([film for film in films if film not in shown], megabytes)
    if room < 0:
        more = megabytes - room / 1e6
        told = f"Pictures and tables alone take {more:.1f} megabytes, more than {megabytes:g}."
        left_out.append(told)
    write_whole(path, lambda part: part.write_bytes(page(shown, left_out)))
    return left_out


def _without(films: Sequence[Film], megabytes: float) -> list[str]:
    if not films:
        return []
    named = ", ".join(str(film.path.parent) for film in films)
    videos = "1 video" if len(films) == 1 else f"{len(films)} videos"
    return [f"Left out: {videos}, for which {megabytes:g} megabytes have no room, of {named}."]


def _uri(kind: str, path: Path) -> str:
    return f"data:{kind};base64,{b64encode(path.read_bytes()).decode()}"


def _appendix(path: Path, content: Content, megabytes: float, say: Say) -> list[str]:
    """Write Markdown, and its pictures beside it."""
    sections = [*content.results, *content.rest]
    beside = {
        picture.name: path.with_name(f"{path.stem}-{picture.name}.png")
        for section in sections
        for picture in section.pictures
    }
    known = path.read_text(errors="replace") if path.is_file() else ""
    for target in beside.values():
        _check_free(target, known)
    lines = [f"<!-- {MARK} {__version__} -->", f"# {markdown(content.title)}", content.told]
    lines += ["\n".join(f"- {markdown(note)}" for note in content.notes)] if content.notes else []
    for section in sections:
        lines += [f"## {markdown(section.title)}", *map(markdown, section.told)]
        for picture in section.pictures:
            say(f"drawing {beside[picture.name].name}")
            picture.draw(beside[picture.name], picture.sizes[0])
            alt = markdown(picture.alt).replace("[", r"\[").replace("]", r"\]")
            lines.append(f"![{alt}]({beside[picture.name].name})")
        lines += map(Table.as_markdown, section.tables)
        if section.commands:
            fence = "`" * max([2, *map(len, re.findall("`+", section.commands))]) + "`"
            lines.append(f"{fence}sh\n{section.commands}\n{fence}")
    text = "\n\n".join(lines) + "\n"
    write_whole(path, lambda part: part.write_bytes(text.encode(errors="replace")))
    return []


def _tables(path: Path, content: Content, megabytes: float, say: Say) -> list[str]:
    """Write tables in LaTeX."""
    tables = [table.as_tex() for section in content.results for table in section.tables]
    needs = f"% {MARK} {__version__}; needs the packages booktabs, graphicx"
    text = "\n\n".join([needs, *tables]) + "\n"
    write_whole(path, lambda part: part.write_bytes(text.encode(errors="replace")))
    return []


WRITERS: dict[str, Callable[[Path, Content, float, Say], list[str]]] = {
    ".html": _page,
    ".md": _appendix,
    ".tex": _tables,
}
