"""Checking the arguments of a task's function, and filling in the parameter ``message``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter
from typing import Any

from alsek.core.arguments.argument_builder import argument_builder
from alsek.core.arguments.building import MisfitError
from alsek.core.arguments.signature import Wanted, signature_of, wanted
from alsek.core.message import Message
from alsek.core.short_repr import shown
from alsek.exceptions import ArgumentsRejectedError

#: The most shapes of calls that are remembered.
_MOST_SHAPES = 256


class Parameters:
    """The parameters of a task's function.

    Arguments are bound as in a direct call. The parameter ``message`` is then filled in, if the function wants the
    message and no argument was given for it.

    Args:
        function: The function. If it is a wrapper (``functools.wraps``), the arguments are checked against the
            wrapper's own parameters, since a wrapper may add or remove some. Whether the message is wanted is decided
            by the wrapped function.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        described = signature_of(function)
        self._message = None if described is None else _message_of(function, described.parameters.values())
        #: Builds the arguments from data; None if no type hint asks for that.
        self.build = argument_builder(function)
        own = signature_of(function, follow_wrapped=False)
        #: Returns why the function can't be called with these arguments; None if it can, or if that is unknown.
        self.fault: Callable[[Sequence[Any], Mapping[str, Any]], str | None] = _unknown
        if own is not None:
            parameters = list(own.parameters.values())
            wrapped = described is None or _kinds(parameters) != _kinds(described.parameters.values())
            self.fault = _Check(parameters, None if wrapped else self._message).fault

    @property
    def wants_message(self) -> bool:
        """True if the function has a parameter ``message`` that is not annotated as something else."""
        return self._message is not None

    def built(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], task: str
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return arguments built from data by the function's type hints.

        Raises:
            ArgumentsRejectedError: The data does not fit; no retry can mend that. The text names the field.
        """
        assert self.build is not None
        try:
            return self.build(args, kwargs)
        except MisfitError as misfit:
            raise ArgumentsRejectedError(f"task {task!r}: {misfit}") from misfit

    def complete(self, message: Message) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of `message`, with the message itself added if the function wants it."""
        args, kwargs, place = message.args, message.kwargs, self._message
        if place is None or (place.index is not None and len(args) > place.index):
            return args, kwargs
        if not place.by_position:
            return args, kwargs if "message" in kwargs else {**kwargs, "message": message}
        before = place.defaults[len(args) :]
        if Parameter.empty in before:
            return args, kwargs  # the function raises: arguments are missing
        return (*args, *before, message), kwargs


class _Place:
    """The parameter ``message`` of a function.

    Attributes:
        index: Its place among the positional parameters; None if it is keyword-only.
        by_position: True if it is positional-only.
        defaults: The defaults of the positional parameters before it.
        only: True if its type hint allows only a message.
    """

    __slots__ = ("by_position", "defaults", "index", "only")

    def __init__(self, positional: Sequence[Parameter], parameter: Parameter, only: bool) -> None:
        self.index = positional.index(parameter) if parameter in positional else None
        self.by_position = parameter.kind is parameter.POSITIONAL_ONLY
        self.defaults = tuple(each.default for each in positional[: self.index or 0])
        self.only = only


def _message_of(function: Callable[..., Any], parameters: Iterable[Parameter]) -> _Place | None:
    for parameter in parameters:
        if parameter.name == "message" and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            purpose = wanted(function, parameter)
            if purpose is not Wanted.NOT:
                return _Place(_positional(parameters), parameter, purpose is Wanted.ALWAYS)
    return None


def _unknown(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """The check of a function whose parameters are unknown: anything is allowed."""


def _positional(parameters: Iterable[Parameter]) -> list[Parameter]:
    return [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]


def _kinds(parameters: Iterable[Parameter]) -> list[object]:
    return [(each.name, each.kind) for each in parameters]


class _Check:
    """Checks calls against the parameters, as Python does when it calls a function.

    Only the number of positional arguments and the names of the others count: the *shape* of a call. Each shape is
    checked once.
    """

    def __init__(self, parameters: list[Parameter], message: _Place | None) -> None:
        self._parameters = parameters
        self._message = message
        self._positional = _positional(parameters)
        self._by_name = {each.name: each for each in parameters if each.kind in _NAMED}
        kinds = {each.kind for each in parameters}
        self._more_positional = Parameter.VAR_POSITIONAL in kinds
        self._more_named = Parameter.VAR_KEYWORD in kinds
        self._good: set[object] = set()

    def fault(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        shape = (len(args), *kwargs) if kwargs else len(args)
        if shape in self._good:
            return None
        found = self._too_many(args) or self._misnamed(args, kwargs) or self._missing(args, kwargs)
        if found is None:
            if len(self._good) < _MOST_SHAPES:
                self._good.add(shape)
            return None
        return f"{found}. It takes {self._described()}; given: args={shown(args)}, kwargs={shown(kwargs)}"

    def _too_many(self, args: Sequence[Any]) -> str | None:
        message = self._message
        if message is not None and message.only and message.index is not None and len(args) > message.index:
            return (
                f"args[{message.index}] is given for the parameter 'message', which Alsek fills in; give the "
                "arguments for those after it by name, in kwargs"
            )
        most = len(self._positional)
        if len(args) <= most or self._more_positional:
            return None
        return f"{len(args)} positional arguments are too many: at most {most} can be given"

    def _misnamed(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        by_position = [each.name for each in self._positional[: len(args)]]
        for name in kwargs:
            if name in self._by_name:
                if name in by_position:
                    return f"{name!r} is given twice: by position, as args[{by_position.index(name)}], and by name"
            elif not self._more_named:
                if any(name == each.name for each in self._positional):
                    return f"{name!r} can only be given by position, in args"
                return f"it has no parameter {shown(name)}{did_you_mean(name, self._by_name)}"
        return None

    def _missing(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        given = {each.name for each in self._positional[: len(args)]}
        given.update(name for name in kwargs if name in self._by_name)
        message_given = "message" in given
        if self._message is not None:
            given.add("message")
        missing = [
            repr(each.name)
            for each in self._parameters
            if each.default is each.empty and each.kind not in _VARIABLE and each.name not in given
        ]
        if not missing:
            return None
        text = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        if self._message is not None and message_given and "message" not in kwargs:
            text += (
                f" (args[{self._message.index}] was taken for 'message': give the others by name, in kwargs)"
            )
        return text

    def _described(self) -> str:
        """Return the parameters as written in Python, without type hints and defaults."""
        texts: list[str] = []
        before: Any = None
        for each in self._parameters:
            if before is Parameter.POSITIONAL_ONLY and each.kind is not before:
                texts.append("/")
            if each.kind is Parameter.KEYWORD_ONLY and before not in (each.kind, Parameter.VAR_POSITIONAL):
                texts.append("*")
            before = each.kind
            stars = "*" if each.kind is each.VAR_POSITIONAL else "**" if each.kind is each.VAR_KEYWORD else ""
            default = "" if each.default is each.empty else "=…"
            texts.append(f"{stars}{each.name}{default}")
        if before is Parameter.POSITIONAL_ONLY:
            texts.append("/")
        if self._message is not None:
            texts = ["message=…" if text == "message" else text for text in texts]
        return f"({', '.join(texts)})"


_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a sentence in parentheses with the known name that is most similar to `name`; empty if none is."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
