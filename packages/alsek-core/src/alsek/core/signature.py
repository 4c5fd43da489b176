"""Whether a function is to be given the message that it runs for."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable
from typing import Any

from alsek.core.message import Message

#: A hint that can't be resolved, and still says Message, whatever it was imported through.
_MESSAGE_HINT = re.compile(r"(\w+\.)*(Message(\|None)?|None\|(\w+\.)*Message|Optional\[(\w+\.)*Message\])")


def takes_message(function: Callable[..., Any]) -> bool:
    """Whether `function` has a parameter ``message``, with no type hint or one that resolves to :class:`Message`."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # some builtins have none
        return False
    parameter = parameters.get("message")
    if parameter is None or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return False
    if parameter.annotation is parameter.empty:
        return True
    hint = parameter.annotation
    try:
        # This one hint alone: another parameter's may be imported for type checkers only.
        alone = types.SimpleNamespace(__annotations__={"message": hint})
        hint = typing.get_type_hints(alone, getattr(inspect.unwrap(function), "__globals__", {}))["message"]
    except (NameError, TypeError, AttributeError, SyntaxError):
        if isinstance(hint, str):
            # Itself imported for type checkers only, say: then the words of the text are all there is.
            return bool(_MESSAGE_HINT.fullmatch(hint.replace('"', "").replace("'", "").replace(" ", "")))
    return _is_message(hint)


def _is_message(hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_is_message(option) for option in typing.get_args(hint))
    return isinstance(hint, type) and issubclass(hint, Message)
