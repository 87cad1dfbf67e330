"""What the studio tells, as JSON that the browser reads."""

import json
import math
from collections.abc import Mapping
from typing import Any


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
