"""JSON from files: of the form that is expected. It is written by files.py.

Forms are `TypedDict`s, which say what there is at least.
"""

import gc
import json
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec

from palestra.faults import InputError

# Where a letter may be half of a pair, which no text, file or picture takes.
HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**62)]  # what a count of anything can be


class NotJsonError(ValueError):
    """Text is not JSON that Python can hold."""


def fit(content: Any, form: type) -> str | None:
    """What JSON lacks, in words, to have a form; None where it lacks nothing."""
    try:
        msgspec.convert(content, form)
    except (msgspec.ValidationError, RecursionError, OverflowError) as fault:
        return str(fault).replace("`", "").replace(" - at $.", " at ").replace("$", "it")
    return None


def parsed(text: str | bytes) -> Any:
    """The content of JSON from anywhere. Raises NotJsonError."""
    written = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    try:
        content = json.loads(text)
        if HALF.search(written):
            json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # ValueError of numbers of thousands of digits too
        raise NotJsonError from None
    return content


@cache
def _decoder(form: type) -> msgspec.json.Decoder:
    return msgspec.json.Decoder(form)


def part(text: bytes, form: type) -> dict[str, Any]:
    """Only what the form names of JSON, at a fraction of the time. Raises NotJsonError where it has
    not the form."""
    try:
        return _decoder(form).decode(text)
    except (msgspec.DecodeError, RecursionError):  # of NaN, too, which a run may well have
        content = parsed(text)
    if lack := fit(content, form):
        raise NotJsonError(lack)
    return {name: content[name] for name in form.__annotations__ if name in content}


def parts(text: bytes, form: type) -> list[Any]:
    """What the form names of each line of JSON, all at once. Raises NotJsonError as `part`
    does, and of NaN."""
    collecting = gc.isenabled()
    gc.disable()  # all of it stays: to look for cycles in it takes longer than to read it
    try:
        return _decoder(form).decode_lines(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise NotJsonError from None
    finally:
        if collecting:
            gc.enable()


def read_json(path: Path, form: type = dict) -> dict[str, Any]:
    """A JSON file that a run wrote. Raises ValueError where it is damaged."""
    try:
        content = parsed(path.read_bytes())
    except NotJsonError:
        content = None
    if not isinstance(content, dict):
        raise InputError(f"{path} is damaged: it is not the JSON that a run writes.")
    if missing := set(getattr(form, "__required_keys__", ())) - content.keys():
        raise InputError(f"{path} is damaged: it lacks {', '.join(sorted(missing))}.")
    if lack := fit(content, form):
        raise InputError(f"{path} is damaged: {lack}.")
    return content
