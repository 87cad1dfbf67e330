"""Environments that step on the host: any that Gymnasium knows, and Atari."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name in ("make", "make_from"):  # many environments of an id, or of a function
        return getattr(import_module("palestra.envs.host.many"), name)
    raise AttributeError(f"module 'palestra.envs.host' has no attribute {name!r}")
