"""The error of an id that names no environment; apart, since it is one of Gymnasium's errors."""

from gymnasium.error import NameNotFound

from palestra.faults import InputError


class UnknownEnvironmentError(NameNotFound, InputError):
    """There is no environment of that id."""
