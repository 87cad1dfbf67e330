"""The one way in which a file is written: whole, or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def write_whole(path: Path, write: Callable[[Path], T]) -> T:
    """What `write` returns, which makes a file where it is told; whole, it takes `path`'s place.

    Until then, and where `write` fails, what was at `path` stays. A link there is replaced, not
    written through: a folder may come from a stranger, and its link lead to a file of ours. What is
    no file, such as a device, stays. Raises OSError, in one sentence, where it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        if path.exists() and not (path.is_file() or path.is_symlink()):
            raise PermissionError("it is a folder or a device, whose place no file takes")
        part.unlink(missing_ok=True)  # it may be a link too
        try:
            made = write(part)
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as fault:
        raise type(fault)(f"{path} cannot be written: {fault.strerror or fault}.") from fault
    return made


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    text = json.dumps(content, indent=2) + "\n"
    write_whole(path, lambda part: part.write_text(text))
