"""What the studio tells a browser, as JSON and pictures, and what it is told."""

import io
import json
import math
import os
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from palestra.faults import DEBUG, InputError, bad_input, fault_of_ours, trace_of


def sentence(fault: Exception, *asked: str) -> str:
    """What a person is told of what was raised; of a fault of ours in the terminal too."""
    if isinstance(fault, (*bad_input(), OSError)):
        return str(fault)
    told = fault_of_ours(fault, " ".join(["studio", *asked]))
    _tell(trace_of(fault) if DEBUG in os.environ else told)
    return told


def address(scope: Mapping[str, Any]) -> str:
    """What a page has asked for; without the token, since faults are reported with it."""
    return f"{scope['path']}?{scope['query_string'].decode('latin-1')}"


@cache
def _tell(text: str) -> None:
    """In the terminal; once what comes again each time a page asks."""
    print(f"palestra: {text}", file=sys.stderr, flush=True)


def words(content: Any) -> str:
    """JSON, in which what is no number is null."""
    return json.dumps(plain(content))


def plain(content: Any) -> Any:
    """What JSON of the browser's holds: neither NaN nor infinity."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, Mapping):
        return {str(name): plain(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    return content if isinstance(content, str | int | bool | None) else str(content)


def number(asked: Mapping[str, Any], name: str) -> float:
    """A number that a page has sent. Raises ValueError for anything else."""
    value = asked.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise InputError(f"{name} must be a number, not {value!r}.")
    return value


def png(picture: np.ndarray) -> bytes:
    """A picture as a file, made quickly."""
    made = io.BytesIO()
    Image.fromarray(picture).save(made, "png", compress_level=1)
    return made.getvalue()
