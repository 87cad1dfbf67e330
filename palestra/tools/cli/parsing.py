"""Words of a command line as values, and one sentence where they cannot be.

The fields of a dataclass are a command's flags: a field's type says how its words are read, and the
sentence below it is its help.
"""

import inspect
import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, Field, field, fields, make_dataclass, replace
from decimal import Decimal
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from textwrap import fill
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args

from palestra.faults import InputError
from palestra.names import hint
from palestra.ranges import Seeds, bare, check, kind_of, parts_of, sentences
from palestra.tools.cli.results import printing_aside

T = TypeVar("T")
TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}
COLUMN = 26  # where the sentences of help begin


class Form(NamedTuple):
    """How a field is given that is not given as --name VALUE: Annotated[Path, Form(...)]."""

    name: str = ""  # of the flag, where it is not the field's
    short: str = ""  # another one, as -o
    place: bool = False  # by its place among the words
    said: str = ""  # its help, where nothing stands below the field


Positional = Annotated[T, Form(place=True)]
Output = Annotated[Path | None, Form(short="-o")]
Trust = Annotated[
    str | None,
    Form(
        said="Import the module, or several with commas between them, that the run's environment "
        "or algorithm comes from. Its code then runs.",
    ),
]


class Flag(NamedTuple):
    """A field, as the command line has it."""

    name: str  # with _ for -
    part: str  # of what is asked for
    field: Field
    form: Form


def parse(cls: type[T], arguments: Sequence[str], usage: str) -> T:
    """An instance of a dataclass of flags, as the words say; modules that they trust are imported.
    Raises ValueError."""
    (flags,) = parse_parts({"": cls}, arguments, usage).values()
    if trusted := getattr(flags, "trust", None):
        import_trusted(trusted)
    return flags


def parse_parts(parts: Mapping[str, Any], arguments: Sequence[str], usage: str) -> dict[str, Any]:
    """Instances of several dataclasses, as the words say; where one is an instance already, that is
    its default. Flags of the part `env` are --env.NAME. Raises ValueError."""
    known = flags_of(parts)
    if {"-h", "--help"} & {*arguments}:
        print(_help(parts, known, usage))
        raise SystemExit(0)
    given: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for name, written, words in words_of(arguments, known, usage):
        _, part, one, _ = known[name]
        value = value_of_words(written, one.type, words)
        check(one.name, value, one.type)
        before = given[part].get(one.name, [])
        given[part][one.name] = before + value if kind_of(one.type) is list else value
    for _, part, one, form in known.values():
        if form.place and one.default is MISSING and one.name not in given[part]:
            raise InputError(_missing(known, usage))
    made = {}
    for part, of in parts.items():
        make = of if isinstance(of, type) else partial(replace, of)
        try:
            made[part] = make(**given[part])
        except ValueError as fault:  # from the class's own check
            raise InputError(str(fault)) from None
    return made


def flags_of(parts: Mapping[str, Any]) -> dict[str, Flag]:
    """All fields of the parts, by the names of their flags, with _ for -."""
    found = {}
    for part, of in parts.items():
        for one in fields(of):
            beside = getattr(one.type, "__metadata__", ())
            form = next((x for x in beside if isinstance(x, Form)), Form())
            name = ("env." if part == "env" else "") + (form.name or one.name)
            found[name] = Flag(name, part, one, form)
    return found


def words_of(
    arguments: Sequence[str], known: Mapping[str, Flag], usage: str
) -> Iterator[tuple[str, str, list[str]]]:
    """The flags that are given: their names, how those are written, and the words behind them.
    Raises ValueError."""
    places = [name for name, flag in known.items() if flag.form.place]
    short = {flag.form.short: name for name, flag in known.items() if flag.form.short}
    is_flag = lambda word: word.startswith("--") or word in short
    left = list(arguments)
    while left:
        word = left.pop(0)
        written, equals, value = word.partition("=")
        name = short.get(written) or written.removeprefix("--").replace("-", "_")
        words = [value] if equals else []
        on = known.get(re.sub(r"(^|\.)no_", r"\1", name))  # what --no-NAME turns off
        if places and not word.startswith("-"):
            name = written = places.pop(0)
            words = [word]
        elif name not in known and on and kind_of(on.field.type) is bool:
            if words:
                raise InputError(f"{written} takes no value.")
            name, words = on.name, ["false"]
        elif name not in known or not word.startswith("-"):
            raise InputError(_unknown(written if word.startswith("-") else word, known, usage))
        kind = kind_of(known[name].field.type)
        while left and (not words or kind in (tuple, list)):
            if is_flag(left[0]) or (kind is bool and left[0].lower() not in TRUTH):
                break
            if known[name].form.place and re.match("-[A-Za-z]", left[0]):
                break  # it is meant as a flag
            words.append(left.pop(0))
        if not words and kind not in (bool, tuple):
            raise InputError(f"{written} needs a value after it.")
        yield name, written, words or ["true"] * (kind is bool)


def value_of_words(written: str, annotation: Any, words: list[str]) -> Any:
    """The value that stands behind a flag. Raises ValueError."""
    kind, inside = kind_of(annotation), get_args(bare(annotation))
    within = getattr(annotation, "__origin__", None)  # of Annotated, what is annotated
    if words == ["None"] and NoneType in (*get_args(annotation), *get_args(within)):
        return None
    try:
        if kind is tuple:  # (64, 64) and 64,64 are 64 64; a path is what it is
            numbers = re.split(r"[\s,()\[\]]+", " ".join(words))
            parts = words if inside[:1] == (Path,) else [word for word in numbers if word]
            kinds = parts_of(annotation, len(parts))
            return tuple(_value(of, part) for of, part in zip(kinds, parts, strict=True))
        if kind is list:
            return [part for word in words for part in word.split(",")]
        return _value(annotation, words[0])
    except (ValueError, KeyError):
        raise _no_value(written, annotation, words) from None


def _no_value(written: str, annotation: Any, words: list[str]) -> InputError:
    """What to say of words that are no value of a flag's kind."""
    inside = get_args(bare(annotation))
    some = f"{len(inside)} values" if inside and Ellipsis not in inside else "numbers"
    wanted: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false"}
    wanted |= {tuple: f"{some} such as 64 64", Literal: f"one of {', '.join(map(str, inside))}"}
    wish = wanted[kind_of(annotation)]
    return InputError(f"{written} must be {wish}, not {' '.join(words)!r}.")


def _value(annotation: Any, word: str) -> Any:
    """What one word says; of a type that no word says, in JSON. Raises ValueError, or KeyError."""
    kind = kind_of(annotation)
    if kind is int:
        return int(whole_number(word))
    if kind is bool:
        return TRUTH[word.lower()]
    if kind is Literal:
        return {str(x): x for x in get_args(bare(annotation))}[word]
    return kind(word) if kind in (float, str, Path) else _json(word)


def _json(word: str) -> Any:
    """What JSON says; text that is none is itself."""
    try:
        return json.loads(word)
    except ValueError:
        return None if word == "None" else word


def _help(parts: Mapping[str, Any], known: Mapping[str, Flag], usage: str) -> str:
    """What a command takes, as wide as the terminal."""
    broken = partial(
        fill,
        width=shutil.get_terminal_size().columns,
        subsequent_indent=" " * COLUMN,
        break_on_hyphens=False,
        break_long_words=False,
    )
    places = [_shown(flag) for flag in known.values() if flag.form.place]
    lines = [" ".join(["usage:", usage, *places, "[flags]"])]
    for part, of in parts.items():
        cls = of if isinstance(of, type) else type(of)
        about, said = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0], sentences(cls)
        made = about.startswith(f"{cls.__name__}(")  # by the dataclass itself
        lines += ["", *([] if made else [broken(about, subsequent_indent=""), ""])]
        for flag in known.values():
            if flag.part == part:
                default = getattr(of, flag.field.name, None)
                shown = " ".join(map(str, default)) if isinstance(default, tuple) else default
                told = flag.form.said or said.get(flag.field.name, "")
                told += "" if shown in (None, "", []) else f" (default: {shown})"
                head = f"  {_shown(flag)}  "
                lines += [head.rstrip()] if len(head) > COLUMN else []
                lines.append(broken(f"{'' if len(head) > COLUMN else head:{COLUMN}}{told.strip()}"))
    return "\n".join(lines)


def _shown(flag: Flag) -> str:
    """A flag as help has it: --steps INT."""
    kind, inside = kind_of(flag.field.type), get_args(bare(flag.field.type))
    choices = f"{{{','.join(map(str, inside))}}}" if kind is Literal else ""
    if flag.form.place:
        named = flag.name.upper()
        return f"{named.removesuffix('S')}..." if kind is tuple else choices or named
    group, dot, last = flag.name.replace("_", "-").rpartition(".")
    if kind is bool:
        return f"--{group}{dot}{last}, --{group}{dot}no-{last}"
    of = kind_of((inside or (Any,))[0]) if kind in (tuple, list) else kind
    word = of.__name__.upper() if of in (int, float, str, Path) else "JSON"
    also = f"{flag.form.short}, " if flag.form.short else ""
    return f"{also}--{group}{dot}{last} {choices or word}{' ...' if kind in (tuple, list) else ''}"


def _missing(known: Mapping[str, Flag], usage: str) -> str:
    """A sentence for a command that was given nothing to work on."""
    places = [(name, flag.field) for name, flag in known.items() if flag.form.place]
    needed = [name for name, one in places if one.default is MISSING]
    words = " and ".join(f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in needed)
    command = usage.removeprefix("palestra ")
    return f"{command} needs {words} first: {usage} {' '.join(needed).upper()}."


def _unknown(word: str, known: Mapping[str, Flag], usage: str) -> str:
    """A sentence for a word that is no flag."""
    help_tells = f"`{usage} --help` tells what there is."
    if not word.startswith("-"):
        return f"{word!r} is one word too many; {help_tells}"
    written = lambda name: f"--{name.replace('_', '-')}"
    return f"There is no flag {word!r}; {hint(word.strip('-'), known, written) or help_tells}"


def whole_number(text: str) -> str:
    """The digits of a whole number written as 1e6, 1M, 100k or 1,000,000; other text as it is."""
    found = re.fullmatch(
        r"([+-]?\d+(?:[,_]\d{3})*(?:\.\d+)?(?:e\+?\d{1,3})?)([kmgb]?)", text.lower()
    )
    if found is None:
        return text
    digits, unit = found.groups()
    number = Decimal(re.sub("[,_]", "", digits)) * UNITS[unit]
    return str(int(number)) if number == int(number) else text


def seeds_of(text: str) -> int | list[int]:
    """How many seeds, or which: 10, 10:20 and 3,5,8. Raises ValueError."""
    if re.fullmatch(r"\d+", text):
        check("seeds", int(text), Seeds)
        return int(text)
    if found := re.fullmatch(r"(\d+):(\d+)", text):
        begin, end = map(int, found.groups())
        if begin < end:
            return list(range(begin, end))
    elif re.fullmatch(r"\d+(,\d+)+,?|\d+,", text):
        return [int(seed) for seed in text.split(",") if seed]
    raise InputError(
        f"--seeds must say how many, as 10, or which, as 10:20 (10 to 19) or 3,5,8; not {text!r}."
    )


def as_named(algorithm: str, env_id: str) -> tuple[str, str]:
    """The algorithm's name as the table has it, and the environment's as it is today. Modules that
    they name are imported.

    Raises ValueError; for the two in the wrong order it says the right one.
    """
    from palestra.algorithms import named

    for word in (algorithm, env_id):
        if ":" in word:
            import_trusted(word.rpartition(":")[0])
    try:
        name = named(algorithm)
    except ValueError as fault:
        raise _turned_around(algorithm, env_id) or fault from None
    return name, id_today(env_id)


def _turned_around(algorithm: str, env_id: str) -> InputError | None:
    """What to say where the second word is the algorithm."""
    from palestra.algorithms import named

    with suppress(ValueError):
        return InputError(f"The algorithm comes first: palestra train {named(env_id)} {algorithm}.")
    return None


def import_trusted(module: str | None) -> None:
    """Import what an agent's file may name, but never has imported by itself: one module, or
    several with commas between them."""
    if not module:
        return
    from palestra.envs.host.ids import import_for

    with printing_aside():
        for name in filter(None, module.split(",")):
            import_for(f"{name}:")


def id_today(env_id: str) -> str:
    """Today's id of an environment; says so where the field has renamed it. Raises ValueError where
    its version alone is unknown."""
    from palestra.envs import ENVIRONMENTS, RENAMED, check_version, current

    if env_id.endswith(".py"):
        raise _is_a_file(env_id)
    if env_id not in (*ENVIRONMENTS, *RENAMED):
        check_version(env_id)
    return current(env_id, lambda told: print(f"palestra: {told}", file=sys.stderr))


def _is_a_file(env_id: str) -> InputError:
    module = Path(env_id).stem
    return InputError(
        f"{env_id} is a file; name the environment in it: {module}:Name-v0, as it registers "
        f"one of Gymnasium's, or {module}:Name, a class in JAX."
    )


def limit_of(env_id: str) -> int | None:
    """Steps after which an environment's episodes are cut off. Raises ValueError where there is no
    such environment."""
    from palestra.envs import entry, is_ours

    if is_ours(env_id):
        return entry(env_id).limit
    from palestra.envs.host.games import game_of
    from palestra.envs.host.ids import find

    return find(env_id).max_episode_steps if game_of(env_id) is None else None


def simulator_of(env_id: str, kwargs: Mapping[str, Any] | None = None) -> Any:
    """What `--env.` flags set, as an instance of a dataclass: a simulator's settings, a game's
    preprocessing, or the parameters of another environment."""
    from palestra.envs import entry, is_ours
    from palestra.envs.atari2600 import PREFIX

    if env_id.startswith(PREFIX):
        return _preprocessing(kwargs or {})
    if is_ours(env_id):
        row = entry(env_id)
        return row.settings(**row.parameters)
    from palestra.envs.host.games import is_atari
    from palestra.envs.host.ids import parameters

    if is_atari(env_id):
        return _preprocessing(kwargs or {})
    plain = parameters(env_id)
    return replace(plain, **{k: x for k, x in (kwargs or {}).items() if hasattr(plain, k)})


def _preprocessing(kwargs: Mapping[str, Any]) -> Any:
    """A game's preprocessing, with a flag that names the specification it starts from."""
    from palestra.envs.host.atari import DEFAULT
    from palestra.tools.environments.atari import preprocessing

    chosen = preprocessing(kwargs)
    named = make_dataclass(
        "Named",
        [("preprocessing", str, field(default=kwargs.get("preprocessing", DEFAULT)))]
        + [(f.name, f.type, field(default=getattr(chosen, f.name))) for f in fields(chosen)],
        frozen=True,
        kw_only=True,
    )
    return named()


def nearest(word: str, known: Iterable[str], usage: str = "palestra") -> str:
    """A hint at what was meant, or where to look."""
    near = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"`{usage} --help` tells what there is."


def value_of(flag: str, arguments: Sequence[str]) -> str | None:
    """The value after a flag, read ahead of the parser since the other defaults hang on it."""
    for i, argument in enumerate(arguments):
        if argument == flag and i + 1 < len(arguments):
            return arguments[i + 1]
        if argument.startswith(f"{flag}="):
            return argument.split("=", 1)[1]
    return None
