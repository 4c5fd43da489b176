"""What tasks are generic in: the parameters of the function, and what it returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from alsek.core.message import Message

if TYPE_CHECKING:
    # Type checkers know it by themselves. With the defaults, `Task` alone stands for any task: `class Mine(Task)`.
    from typing_extensions import ParamSpec as ParamSpecWithDefault
    from typing_extensions import TypeVar as TypeVarWithDefault

    P = ParamSpecWithDefault("P", default=...)
    R = TypeVarWithDefault("R", default=Any)
else:
    P = ParamSpec("P")
    R = TypeVar("R")

#: Of functions: with a default, mypy would take what fits nothing for Any.
Parameterized = ParamSpec("Parameterized")
Returned = TypeVar("Returned")
Returned_co = TypeVar("Returned_co", covariant=True)


class TakesMessage(Protocol[Returned_co]):
    """A function that takes nothing but the message that it runs for."""

    def __call__(self, *, message: Message) -> Returned_co: ...
