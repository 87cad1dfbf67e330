"""jaxtyping's checks of what our functions take and give, in a fraction of its time.

At each call jaxtyping binds the arguments to their names, for its messages, and looks at them again
when the function has returned. Here they are looked at once, and then at what comes back, with the
sizes that they had. A call that is refused goes to jaxtyping, whose message says more.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import jaxtyping
from jaxtyping import _decorator as theirs
from jaxtyping._storage import pop_shape_memo, push_shape_memo

_jaxtyped = jaxtyping.jaxtyped
UNTOLD = Any, inspect.Signature.empty


def jaxtyped(*, typechecker: Callable) -> Callable:
    """In place of jaxtyping's decorator, where its import hook puts it."""

    def decorated(x: Any) -> Any:
        if inspect.isfunction(x):
            return checked(x, typechecker)
        return _jaxtyped(x, typechecker=typechecker)

    return decorated


def checked(function: Callable, typechecker: Callable) -> Callable:
    """The function, which looks at what it is given and at what it gives."""
    resolved = functools.partial(theirs._destring_annotation, ns=function.__globals__)
    told = inspect.signature(function)
    taken = [x.replace(annotation=resolved(x.annotation)) for x in told.parameters.values()]
    given = resolved(told.return_annotation)
    told = inspect.Signature(taken)
    if given in UNTOLD and all(x.annotation in UNTOLD for x in taken):
        return function

    name = function.__name__, function.__qualname__, function.__module__
    look_at_arguments = typechecker(theirs._make_fn_with_signature(*name, told, output=False))

    def result(x):
        return x

    result.__annotations__ = {} if given in UNTOLD else {"return": given}
    look_at_result = typechecker(result)

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        push_shape_memo({})
        try:
            try:
                look_at_arguments(*args, **kwargs)
            except Exception:
                _jaxtyped(function, typechecker=typechecker)(*args, **kwargs)
                raise
            return look_at_result(function(*args, **kwargs))
        finally:
            pop_shape_memo()

    return wrapped
