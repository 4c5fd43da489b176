"""Names for the plain values that travel between the layers."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

#: A mechanism that a task may name.
Mechanism: TypeAlias = Literal["thread", "process"]

#: What kind of pool may take a message: the mechanism its task named, or any.
Wish: TypeAlias = Literal["any", "thread", "process"]

#: Anything the serializer can take; JSON by default.
Serializable: TypeAlias = Any


class ExceptionDetails(TypedDict):
    """An exception as text: it crosses processes and stores as nothing else."""

    name: str
    text: str
    traceback: str | None


class BackoffSettings(TypedDict):
    """A backoff as data: the name of its class, and what it was made with."""

    algorithm: str | None
    parameters: dict[str, Any]
