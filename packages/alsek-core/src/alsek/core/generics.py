"""Type variables of tasks: the parameters of the function, and its return type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from alsek.core.message import Message

if TYPE_CHECKING:
    # Type checkers need no installed typing_extensions. With the defaults, `Task` alone is any task.
    from typing_extensions import ParamSpec as ParamSpecWithDefault
    from typing_extensions import TypeVar as TypeVarWithDefault

    P = ParamSpecWithDefault("P", default=...)
    R_co = TypeVarWithDefault("R_co", default=Any, covariant=True)
else:
    P = ParamSpec("P")
    R_co = TypeVar("R_co", covariant=True)

#: For functions, without a default: with one, mypy would infer Any where nothing fits.
Parameterized = ParamSpec("Parameterized")
Returned = TypeVar("Returned")
Returned_co = TypeVar("Returned_co", covariant=True)


class TakesMessage(Protocol[Returned_co]):
    """A function with one parameter, the message."""

    def __call__(self, *, message: Message) -> Returned_co: ...
