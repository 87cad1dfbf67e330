"""Words of a command line as values, and one sentence where they cannot be."""

import io
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import MISSING, field, fields, is_dataclass, make_dataclass, replace
from decimal import Decimal
from difflib import get_close_matches
from itertools import product
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import tyro
from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

from palestra.faults import InputError
from palestra.names import hint
from palestra.ranges import Seeds, check, differences, sentences
from palestra.tools.cli.results import printing_aside

T = TypeVar("T")
YES, NO = {"true", "yes", "on"}, {"false", "no", "off"}


UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9}


Trust = Annotated[
    str | None,
    tyro.conf.arg(
        metavar="MODULE",
        help="Import the module, or several with commas between them, that the run's environment "
        "or algorithm comes from. Its code then runs.",
    ),
]


def parse(cls: type[T], arguments: list[str], usage: str, default: T | None = None) -> T:
    """Flags by tyro, its errors as one sentence. Raises ValueError."""
    given: dict[str, Any] = {} if default is None else {"default": default}
    kinds = flag_kinds(cls)
    said = io.StringIO()
    if {"-h", "--help"} & {*arguments}:
        _tell(cls)
    try:
        with redirect_stderr(said):
            flags, unknown = tyro.cli(
                cls,
                prog=usage,
                args=as_parsed(arguments, kinds),
                return_unknown_args=True,
                registry=RULES,
                **given,
            )
    except SystemExit as end:
        if not end.code:
            raise
        if "Missing from" in said.getvalue():
            raise InputError(_missing(cls, usage)) from None
        raise InputError(_one_sentence(said.getvalue(), usage)) from None
    if unknown:
        raise InputError(_unknown(unknown[0].split("=")[0], kinds, usage))
    _check(flags)
    if trusted := getattr(flags, "trust", None):
        import_trusted(trusted)
    return flags


def joined(**parts: Any) -> Any:
    """One instance of flags that is made of several, by name; those of `env` are --env.NAME."""
    flat = lambda name, kind: kind if name == "env" else Annotated[kind, tyro.conf.OmitArgPrefixes]
    kinds = [(name, flat(name, type(part))) for name, part in parts.items()]
    return make_dataclass("Flags", kinds)(**parts)


RULES = ConstructorRegistry()


@RULES.primitive_rule
def _or_nothing(info: PrimitiveTypeInfo) -> Any:
    """How a flag of `int | None` is read: as one of int, which help then says."""
    inside = [kind for kind in get_args(info.type) if kind is not NoneType]
    if NoneType not in get_args(info.type) or len(inside) != 1:
        return None
    spec = RULES.get_primitive_spec(PrimitiveTypeInfo.make(inside[0], info.markers))
    if not isinstance(spec, PrimitiveConstructorSpec):
        return spec
    return replace(
        spec,
        instance_from_str=lambda x: None if x == ["None"] else spec.instance_from_str(x),
        is_instance=lambda x: x is None or spec.is_instance(x),
        str_from_instance=lambda x: ["None"] if x is None else spec.str_from_instance(x),
    )


def _tell(cls: Any) -> None:
    """Give fields what stands below them as their help: tyro keeps the breaks of its lines."""
    told = sentences(cls)
    for one in fields(cls):
        inside = get_args(one.type)[0] if get_origin(one.type) is Annotated else one.type
        if is_dataclass(inside):
            _tell(inside)
        elif one.name in told:
            one.metadata = MappingProxyType({"help": told[one.name], **one.metadata})


def _check(flags: Any) -> None:
    """Raise ValueError where a flag's value is outside of its range."""
    for one in fields(flags):
        value, kind = getattr(flags, one.name), one.type
        _check(value) if is_dataclass(value) else check(one.name, value, kind)


def _missing(cls: Any, usage: str) -> str:
    """A sentence for a command that was given nothing to work on."""
    needed = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    words = " and ".join(f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in needed)
    command = usage.removeprefix("palestra ")
    return f"{command} needs {words} first: {usage} {' '.join(needed).upper()}."


def _unknown(word: str, kinds: Mapping[str, Any], usage: str) -> str:
    """A sentence for a word that is no flag."""
    help_tells = f"`{usage} --help` tells what there is."
    if not word.startswith("-"):
        return f"{word!r} is one word too many; {help_tells}"
    written = lambda name: f"--{name.replace('_', '-')}"
    return f"There is no flag {word!r}; {hint(word.strip('-'), kinds, written) or help_tells}"


def as_parsed(arguments: Sequence[str], kinds: Mapping[str, Any]) -> list[str]:
    """The arguments in the forms that the parser reads, of those that people write.

    1e6, 1M and 1,000,000 are whole numbers; 64,64 and (64, 64) are tuples; a flag may have true or
    false behind it.
    """
    read: list[str] = []
    left = list(arguments)
    while left:
        flag, equals, value = left.pop(0).partition("=")
        kind = kinds.get(flag.removeprefix("--").replace("-", "_"))
        if not flag.startswith("--") or kind is None:
            read.append(flag + equals + value)
            continue
        follows = left[0].lower() if left and not equals else "--"
        if follows in YES | NO if kind is bool else not follows.startswith("--"):
            equals, value = "=", left.pop(0)
        if not equals:
            read.append(flag)
        elif kind is bool and value.lower() in YES | NO:
            group, dot, name = flag.removeprefix("--").rpartition(".")
            read.append(f"--{group}{dot}{'' if value.lower() in YES else 'no-'}{name}")
        elif kind is tuple:
            read += [flag, *(word for word in re.split(r"[\s,()\[\]]+", value) if word)]
        elif kind is list:
            while left and not left[0].startswith("-"):
                value += f",{left.pop(0)}"
            read += [f"{flag}={word}" for word in value.split(",")]
        else:
            read.append(f"{flag}={whole_number(value) if kind is int else value}")
    return read


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


def _one_sentence(box: str, usage: str) -> str:
    """What tyro says in a framed paragraph, with lines or without, as one sentence."""
    inside = [line for line in box.splitlines() if re.search(r"\w", line) and line[0] != "╭"]
    lines = [line.strip("│| ") for line in inside]
    told = re.split(r"(?:Argument|For full) helptext", " ".join(lines))[0].rstrip(" .")
    for pattern, sentence in (
        (r"Error parsing \w+: (.+)", r"\1."),  # from the class's own check
        (
            r"Error parsing (\S+): could not convert string to float: (.*)",
            r"\1 must be a number, not \2.",
        ),
        (
            r"Error parsing (\S+): invalid literal for int.*: (.*)",
            r"\1 must be a whole number, not \2.",
        ),
        (r"Missing value for argument '(\S+)'", r"\1 needs a value after it."),
        (
            r"Error parsing (\S+): Could not find valid parse for arguments: \[(.*)\]",
            r"\1 must be numbers such as 64 64, not \2.",
        ),
        (
            r".*invalid choice ('.*') for argument '(\S+)'\. Expected one of \('(.*)'\)",
            r"\2 must be one of \3, not \1.",
        ),
    ):
        if found := re.search(pattern, told):
            return found.expand(sentence).replace("', '", ", ")
    return f"{told}. `{usage} --help` tells the flags."


def flag_kinds(cls: Any) -> dict[str, Any]:
    """What kind of value each flag takes: int, float, bool, tuple, str, ..., by the flag's name."""
    kinds: dict[str, Any] = {}
    for one in fields(cls):
        inside = one.type
        if get_origin(inside) in (Annotated, tyro.conf.Positional):  # of a range, a group, ...
            inside = get_args(inside)[0]
        if is_dataclass(inside):
            prefix = f"{one.name}." if inside is one.type else ""  # none with OmitArgPrefixes
            kinds |= {prefix + name: kind for name, kind in flag_kinds(inside).items()}
            continue
        known = [kind for kind in get_args(inside) if kind is not NoneType]
        if get_origin(inside) in (Union, UnionType) and len(known) == 1:  # int | None
            inside = get_args(known[0])[0] if get_origin(known[0]) is Annotated else known[0]
        kinds[one.name] = get_origin(inside) or inside
    return kinds


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

    if env_id in RENAMED:
        name, change = RENAMED[env_id]
        print(f"palestra: {env_id} is called {name} now: {change}.", file=sys.stderr)
        return name
    if env_id.endswith(".py"):
        module = Path(env_id).stem
        raise InputError(
            f"{env_id} is a file; name the environment in it: {module}:Name-v0, as it registers "
            f"one of Gymnasium's, or {module}:Name, a class in JAX."
        )
    if env_id not in ENVIRONMENTS:
        check_version(env_id)
    return current(env_id)


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
    kinds = [(f.name, Annotated[Any, JSON] if f.type is object else f.type) for f in fields(plain)]
    given = vars(plain) | {k: x for k, x in (kwargs or {}).items() if hasattr(plain, k)}
    return make_dataclass("Parameters", kinds, frozen=True, kw_only=True)(**given)


def _json(words: list[str]) -> Any:
    """What JSON says; text that is none is itself."""
    try:
        return json.loads(words[0])
    except ValueError:
        return None if words[0] == "None" else words[0]


JSON = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1,
    metavar="JSON",
    instance_from_str=_json,
    is_instance=lambda value: True,
    str_from_instance=lambda value: [json.dumps(value)],
)


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


def changed(plain: Any, given: Any) -> dict[str, Any]:
    """The parameters that flags have changed."""
    return differences(plain, vars(given))


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


SEVERAL = {"ignore", "slurm_options"}  # flags that take several words as one value


class Combination(NamedTuple):
    """One combination of the values of a sweep's flags."""

    varied: dict[str, str]  # the flags that have several values, by their setting's name
    arguments: list[str]  # with one value for each flag


def combinations_of(arguments: Sequence[str]) -> list[Combination]:
    """Every combination of the values of flags that have several. Raises ValueError."""
    fixed: list[str] = []
    varied: dict[str, list[str]] = {}
    left = list(arguments)
    while left:
        flag, equals, value = left.pop(0).partition("=")
        values = [value] if equals else []
        while left and not equals and not left[0].startswith("--"):
            values.append(left.pop(0))
        name = flag.removeprefix("--").replace("-", "_")
        if len(values) > 1 and flag.startswith("--") and name not in SEVERAL:
            if name in varied:
                raise InputError(f"{flag} is there twice; name all of its values behind one.")
            if name in ONE:
                raise InputError(f"{flag} takes one value in a sweep, not {len(values)}.")
            varied[name] = values
        else:
            fixed += [f"{flag}={value}"] if equals else [flag, *values]
    found = []
    for row in product(*varied.values()):
        chosen = dict(zip(varied, row, strict=True))
        words = [word for name, x in chosen.items() for word in (f"--{name.replace('_', '-')}", x)]
        found.append(Combination(chosen, [*fixed, *words]))
    return found


def ranges_apart(arguments: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The arguments without `--range NAME ...`, and the words behind each of those names."""
    rest: list[str] = []
    ranges: dict[str, list[str]] = {}
    left = list(arguments)
    while left:
        if (word := left.pop(0)) != "--range":
            rest.append(word)
            continue
        words = []
        while left and not left[0].startswith("--"):
            words.append(left.pop(0))
        if not words:
            raise InputError("--range needs a name after it: --range learning_rate 1e-5 1e-2 log.")
        name = words[0].replace("-", "_")
        if name in ranges:
            raise InputError(f"--range {words[0]} is there twice; give it once.")
        ranges[name] = words[1:]
    return rest, ranges


# Flags of `palestra sweep` that are not settings which may differ from run to run.
ONE = {"slurm", "ray", "search", "trials", "every", "halving", "json", "seeds", "folder"}
ONE |= {"workers", "patience", "episodes", "eval_every", "eval_episodes"}
ONE |= {"eval_envs", "stop_at", "keep", "on_nan", "checkpoint_seconds", "from", "video", "quiet"}


def value_in(asked: Mapping[str, Any], name: str) -> Any:
    """A setting's value, of what palestra.train is asked for."""
    if name.startswith("env."):
        return asked["env_kwargs"].get(name.removeprefix("env."))
    return asked[name]


def check_once(combined: Sequence[tuple[Mapping[str, Any], Any]]) -> None:
    """Raise ValueError where two combinations have the same values."""
    seen = set()
    for values, _ in combined:
        if repr(values) in seen:
            name = next(iter(values))
            raise InputError(
                "A combination is there twice: each word behind a flag is a value of its own, so "
                f'that two layers are one word, --hidden "64 64"; name each value of {name} once.'
            )
        seen.add(repr(values))
