"""What ``generate_many`` is given, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any, TypeAlias, TypeVar

from alsek.core.message import Message
from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One of many calls of a task, with options of its own: what :meth:`Task.generate` takes, under its names.

    What is None is as :meth:`Task.generate_many` says for all. A `callback` is a message of this call alone.
    """

    args: tuple[Any, ...] | list[Any] = ()
    kwargs: Mapping[str, Any] | None = None
    priority: int | None = None
    metadata: Any = None
    result_ttl: int | None = None
    uuid: str | None = None
    timeout_override: int | None = None
    delay: int | None = None
    previous_result: Any = None
    callback: Message | tuple[Message, ...] | None = None
    queue: str | None = None
    ttl: int | None = None


#: What a call has to say beside its arguments, in the order in which a message is told of it.
options_of: Callable[[Call], tuple[Any, ...]] = attrgetter(
    "priority",
    "metadata",
    "result_ttl",
    "uuid",
    "timeout_override",
    "delay",
    "previous_result",
    "callback",
    "queue",
    "ttl",
)

#: One of many calls: positional arguments, or keyword arguments, or a :class:`Call`.
AnyCall: TypeAlias = tuple[Any, ...] | list[Any] | Mapping[str, Any] | Call


class Generated(list[Message]):
    """The messages that :meth:`Task.generate_many` has made, in the order of their calls, without those in `existing`.

    Attributes:
        existing: Those that were not submitted because their uuid exists already, in the order of their calls.
    """

    def __init__(self) -> None:
        super().__init__()
        self.existing: list[Message] = []


def spelled_out(given: AnyCall, common: tuple[Any, ...]) -> tuple[Any, Any, tuple[Any, ...]]:
    """Of what was given for one call: its positional arguments, its keyword arguments, and its options.

    Args:
        given: One of the kinds that there are.
        common: The options of a call that says nothing else.

    Raises:
        ValidationError: It is of another kind.
    """
    if isinstance(given, tuple | list):
        return given, None, common
    if isinstance(given, Call):
        own = options_of(given)
        options = tuple(mine if mine is not None else usual for mine, usual in zip(own, common, strict=True))
        # What is no mapping is refused by the message.
        return given.args, dict(given.kwargs) if isinstance(given.kwargs, Mapping) else given.kwargs, options
    if isinstance(given, Mapping):
        return None, dict(given), common
    if isinstance(given, Message):
        raise ValidationError(f"{given.summary} is a message already: Broker.submit_many() takes those")
    raise ValidationError(
        f"{shown(given)} is neither a tuple (positional arguments), nor a dict (keyword arguments), nor a Call; a "
        f"single argument is a tuple of one: ({shown(given)},)"
    )


def pieces(source: Iterator[T], size: int) -> Iterator[list[T]]:
    """What `source` yields, in lists of up to `size`. What it raises is raised after all before it was yielded."""
    while True:
        piece: list[T] = []
        try:
            for one in islice(source, size):
                piece.append(one)  # noqa: PERF402  what came before an error is kept
        except Exception:
            if piece:
                yield piece
            raise
        if not piece:
            return
        yield piece
