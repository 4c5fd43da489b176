"""How a function says that it wants the message that it runs for."""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Callable
from typing import Any

from alsek.core.message import Message

#: A hint that can't be resolved, and still says Message, whatever it was imported through.
_MESSAGE_HINT = re.compile(r"(\w+\.)*(Message(\|None)?|None\|(\w+\.)*Message|Optional\[(\w+\.)*Message\])")
_MESSAGE_ONLY = re.compile(r"(\w+\.)*Message")


class Wanted(enum.Enum):
    """What a parameter ``message`` is for.

    Attributes:
        NOT: Its type hint resolves to something else.
        UNLESS_GIVEN: It has no hint, or one that allows more than a message: the caller may give a value.
        ALWAYS: Its hint is Message.
    """

    NOT = enum.auto()
    UNLESS_GIVEN = enum.auto()
    ALWAYS = enum.auto()


def signature_of(function: Callable[..., Any], follow_wrapped: bool = True) -> inspect.Signature | None:
    """The signature of `function`, or None if it has none that can be read, as some builtins."""
    try:
        return inspect.signature(function, follow_wrapped=follow_wrapped)
    except (TypeError, ValueError):
        return None


def wanted(function: Callable[..., Any], parameter: inspect.Parameter) -> Wanted:
    """What the parameter ``message`` of `function` is for, by its type hint. The hint is resolved."""
    hint = parameter.annotation
    if hint is parameter.empty:
        return Wanted.UNLESS_GIVEN
    try:
        # This one hint alone: another parameter's may be imported for type checkers only.
        alone = types.SimpleNamespace(__annotations__={"message": hint})
        hint = typing.get_type_hints(alone, getattr(inspect.unwrap(function), "__globals__", {}))["message"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        if isinstance(hint, str):
            # Itself imported for type checkers only, say: then the words of the text are all there is.
            return _by_its_text(hint.replace('"', "").replace("'", "").replace(" ", ""))
    return _by_its_type(hint)


def _by_its_text(hint: str) -> Wanted:
    if _MESSAGE_ONLY.fullmatch(hint):
        return Wanted.ALWAYS
    return Wanted.UNLESS_GIVEN if _MESSAGE_HINT.fullmatch(hint) else Wanted.NOT


def _by_its_type(hint: Any) -> Wanted:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = {_by_its_type(option) for option in typing.get_args(hint)}
        return Wanted.NOT if options == {Wanted.NOT} else Wanted.UNLESS_GIVEN
    return Wanted.ALWAYS if isinstance(hint, type) and issubclass(hint, Message) else Wanted.NOT
