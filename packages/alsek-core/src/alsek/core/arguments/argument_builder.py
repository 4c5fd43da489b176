"""Building a function's arguments from data, by its type hints."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from typing import Any, TypeAlias

from alsek.core.arguments.building import Builder, builder_of
from alsek.core.arguments.hints import UNRESOLVED, resolved
from alsek.core.arguments.signature import signature_of

#: Takes the arguments of a call as they came; returns them as the function is to be given them.
ArgumentBuilder: TypeAlias = Callable[
    [Sequence[Any], Mapping[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]
]


def argument_builder(function: Callable[..., Any]) -> ArgumentBuilder | None:
    """Return what builds the arguments of calls of `function`; None if none of its type hints asks for that.

    It raises :class:`~alsek.core.arguments.building.MisfitError` for data that does not fit.
    """
    signature = signature_of(function)
    if signature is None:
        return None
    builders: dict[str, Builder] = {}
    positional: list[str] = []
    by_name: set[str] = set()
    rest: str | None = None
    named_rest: str | None = None
    for parameter in signature.parameters.values():
        if parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
            positional.append(parameter.name)
        if parameter.kind in (Parameter.KEYWORD_ONLY, Parameter.POSITIONAL_OR_KEYWORD):
            by_name.add(parameter.name)
        elif parameter.kind is Parameter.VAR_POSITIONAL:
            rest = parameter.name
        elif parameter.kind is Parameter.VAR_KEYWORD:
            named_rest = parameter.name
        build = builder_of(_hint(function, parameter.annotation))
        if build is not None:
            builders[parameter.name] = build
    if not builders:
        return None

    def built(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        new_args = []
        for index, value in enumerate(args):
            name = positional[index] if index < len(positional) else rest or ""
            build = builders.get(name)
            new_args.append(value if build is None else build(value, name))
        new_kwargs = {}
        for name, value in kwargs.items():
            build = builders.get(name if name in by_name else named_rest or "")
            new_kwargs[name] = value if build is None else build(value, name)
        return tuple(new_args), new_kwargs

    return built


def return_hint(function: Callable[..., Any]) -> Any:
    """Return the type hint of what `function` returns; None if it has none, or it can't be resolved."""
    signature = signature_of(function)
    return None if signature is None else _hint(function, signature.return_annotation)


def _hint(function: Callable[..., Any], hint: Any) -> Any:
    if hint is Parameter.empty:
        return None
    try:
        return resolved(hint, getattr(inspect.unwrap(function), "__globals__", {}))
    except UNRESOLVED:
        return None
