"""The arguments of a call by the names of the function's parameters, for keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter
from typing import Any

from alsek.core.arguments.parameters import did_you_mean
from alsek.core.arguments.signature import Wanted, signature_of, wanted

_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class ArgumentNames:
    """Names the arguments of calls of a function.

    Args:
        function: The function. Of a wrapper (``functools.wraps``) the parameters of the wrapped function count.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        signature = signature_of(function)
        self._known = signature is not None
        self._all = {} if signature is None else dict(signature.parameters)
        self._positional = [
            each.name
            for each in self._all.values()
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        ]

    def fault(self, names: Iterable[str]) -> str | None:
        """Return why a key can't have one of these arguments; None if it can have all."""
        any_name = any(each.kind is each.VAR_KEYWORD for each in self._all.values())
        for name in names:
            if not self._known:
                return f"{{{name}}}: the parameters of the function can't be read"
            parameter = self._all.get(name)
            if parameter is None and not any_name:
                near = did_you_mean(name, self._all)
                return f"{{{name}}}: the function has no parameter {name!r}{near}"
            if parameter is not None and parameter.kind in _VARIABLE:
                return f"{{{name}}}: that stands for any number of arguments"
            if parameter is not None and self._is_message(parameter):
                return f"{{{name}}}: that is the message itself, and no argument of the call"
        return None

    def bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return all arguments of a call by name, defaults included; those that are missing are left out.

        Positional arguments for which there is no parameter are a list, under the name with a star.
        """
        found: dict[str, Any] = {
            each.name: each.default
            for each in self._all.values()
            if each.default is not each.empty and not self._is_message(each)
        }
        found.update(zip(self._positional, args, strict=False))
        more = list(args[len(self._positional) :])
        if more:
            found["*"] = more
        found.update(kwargs)
        return found

    def _is_message(self, parameter: Parameter) -> bool:
        """Return True if Alsek fills in this parameter. Its type hint is read only now: it may be defined below."""
        return (
            parameter.name == "message"
            and parameter.kind not in _VARIABLE
            and wanted(self._function, parameter) is not Wanted.NOT
        )
