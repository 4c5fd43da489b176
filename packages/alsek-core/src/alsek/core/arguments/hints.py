"""Type hints with their names resolved."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any

#: Raised if a hint names something that is not there, for example since it is imported for type checkers only.
UNRESOLVED = (NameError, TypeError, AttributeError, SyntaxError)


def resolved(hint: Any, scope: Mapping[str, Any]) -> Any:
    """Return one type hint with its names resolved, in the globals `scope`.

    Raises:
        NameError, TypeError, AttributeError, SyntaxError: That can't be done: a name is imported for type checkers
            only, for example.
    """
    alone = types.SimpleNamespace(__annotations__={"hint": hint})
    return typing.get_type_hints(alone, dict(scope), include_extras=True)["hint"]


def hints_of(kind: type) -> Mapping[str, Any]:
    """Return the type hints of a class, base classes first. One that can't be resolved is left out."""
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except UNRESOLVED:
        hints: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        scope = vars(sys.modules[base.__module__]) if base.__module__ in sys.modules else {}
        for name, hint in inspect.get_annotations(base).items():
            try:
                hints[name] = resolved(hint, scope)
            except UNRESOLVED:
                hints.pop(name, None)
    return hints
