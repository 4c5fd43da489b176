"""Which functions are ``async def``: without calling them."""

from __future__ import annotations

import functools
import inspect
from typing import Any


def is_coroutine_function(function: Any) -> bool:
    """Return True if calling `function` makes a coroutine, as far as can be told.

    That is an ``async def``, also as a method or behind :func:`functools.partial`, and an object whose ``__call__`` is
    one. Of a plain function that returns a coroutine, as a decorator may make one, it can't be told.
    """
    while isinstance(function, functools.partial):
        function = function.func
    # Of an object, the `__call__` of its class is called; looked up there, no attribute of the object can fail.
    return inspect.iscoroutinefunction(function) or (
        callable(function) and inspect.iscoroutinefunction(type(function).__call__)
    )
