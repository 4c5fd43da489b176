"""Reading a function's signature: whether its parameter ``message`` is for the message that it runs for."""

from __future__ import annotations

import enum
import inspect
import re
import types
import typing
from collections.abc import Callable
from typing import Any

from alsek.core.message import Message

#: Texts of a hint that can't be resolved but names Message, from whatever module.
_MESSAGE_HINT = re.compile(r"(\w+\.)*(Message(\|None)?|None\|(\w+\.)*Message|Optional\[(\w+\.)*Message\])")
_MESSAGE_ONLY = re.compile(r"(\w+\.)*Message")


class Wanted(enum.Enum):
    """Says if a function wants the message in its parameter ``message``.

    Attributes:
        NOT: No: the type hint is something else.
        UNLESS_GIVEN: Yes, if the caller gives no value: there is no hint, or one that allows more than a message.
        ALWAYS: Yes: the hint is Message.
    """

    NOT = enum.auto()
    UNLESS_GIVEN = enum.auto()
    ALWAYS = enum.auto()


def signature_of(function: Callable[..., Any], follow_wrapped: bool = True) -> inspect.Signature | None:
    """Return the signature of `function`; None if it can't be read, as for some builtins."""
    try:
        return inspect.signature(function, follow_wrapped=follow_wrapped)
    except (TypeError, ValueError):
        return None


def wanted(function: Callable[..., Any], parameter: inspect.Parameter) -> Wanted:
    """Return whether `function` wants the message in this parameter, by its type hint, which is resolved."""
    hint = parameter.annotation
    if hint is parameter.empty:
        return Wanted.UNLESS_GIVEN
    try:
        # Only this hint: those of other parameters may be imported for type checkers only.
        alone = types.SimpleNamespace(__annotations__={"message": hint})
        hint = typing.get_type_hints(alone, getattr(inspect.unwrap(function), "__globals__", {}))["message"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        if isinstance(hint, str):
            # It is imported for type checkers only, for example: decide by the text.
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
