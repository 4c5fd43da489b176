"""The arguments and the answer of ``generate_many``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from alsek.core.answers import note, raises
from alsek.core.message import Message
from alsek.core.short_repr import shown
from alsek.core.submission.chaining import Callbacks
from alsek.core.submission.options import NAMES, MessageOptions
from alsek.core.submission.task_keys import LimitsOption, UniqueOption
from alsek.exceptions import ValidationError
from alsek.storage.backends.records import ACCEPTED, Added
from alsek.types import Duration

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One of many calls of a task, with options of its own, named as those of :meth:`Task.generate`.

    An option that is None is the one given to :meth:`Task.generate_many` for all calls. A `callback` or
    `failure_callback` is a message of this call alone.
    """

    args: tuple[Any, ...] | list[Any] = ()
    kwargs: Mapping[str, Any] | None = None
    priority: int | None = None
    metadata: Any = None
    result_ttl: Duration | None = None
    uuid: str | None = None
    timeout_override: Duration | None = None
    delay: Duration | None = None
    previous_result: Any = None
    callback: Callbacks | None = None
    queue: str | None = None
    ttl: Duration | None = None
    unique: UniqueOption = None
    limits: LimitsOption = None
    failure_callback: Message | None = None


#: One of many calls: positional arguments, or keyword arguments, or a :class:`Call`.
AnyCall: TypeAlias = tuple[Any, ...] | list[Any] | Mapping[str, Any] | Call


class Generated(list[Message]):
    """The messages that :meth:`Task.generate_many` has made, in the order of their calls, without those in `existing`.

    A message whose unique key another one holds is in its place, as a ``duplicate``: it has that one's uuid.

    Attributes:
        existing: Those that were not submitted because their uuid exists already, in the order of their calls; and
            those whose unique key, with ``conflict="raise"``, another one holds: they are ``duplicate``, too.
    """

    def __init__(self) -> None:
        super().__init__()
        self.existing: list[Message] = []

    def note(self, message: Message, added: Added) -> bool:
        """Add a message, by the store's answer, and return True if it was submitted."""
        if added is ACCEPTED and not message.duplicate:
            self.append(message)
            return True
        accepted = note(message, added)
        here = accepted or (message.duplicate and not raises(message))
        (self if here else self.existing).append(message)
        return accepted


def normalize_call(given: AnyCall, defaults: MessageOptions) -> tuple[Any, Any, MessageOptions]:
    """Return the positional arguments, the keyword arguments and the options of one call.

    Args:
        given: The call, of any kind that :meth:`Task.generate_many` takes.
        defaults: The options of a call that has none of its own.

    Raises:
        ValidationError: It is of another kind.
    """
    if isinstance(given, tuple | list):
        return given, None, defaults
    if isinstance(given, Call):
        own = {name: value for name in NAMES if (value := getattr(given, name)) is not None}
        options: Any = {**defaults, **own}
        # A kwargs that is no mapping is refused by the message.
        kwargs = dict(given.kwargs) if isinstance(given.kwargs, Mapping) else given.kwargs
        return given.args, kwargs, options
    if isinstance(given, Mapping):
        return None, dict(given), defaults
    if isinstance(given, Message):
        raise ValidationError(f"{given.summary} is a message already: Broker.submit_many() takes those")
    raise ValidationError(
        f"{shown(given)} is neither a tuple (positional arguments), nor a dict (keyword arguments), nor a Call; a "
        f"single argument is a tuple of one: ({shown(given)},)"
    )


def batches(source: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yield the items of `source` in lists of up to `size`.

    An exception that `source` raises is raised after all items before it were yielded.
    """
    while True:
        batch: list[T] = []
        try:
            for item in islice(source, size):
                batch.append(item)  # noqa: PERF402  what came before an error is kept
        except Exception:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch


async def abatches(source: AsyncIterator[T], size: int) -> AsyncGenerator[list[T], None]:
    """As :func:`batches`, for an asynchronous iterator."""
    batch: list[T] = []
    try:
        async for item in source:
            batch.append(item)
            if len(batch) == size:
                full, batch = batch, []
                yield full
    except Exception:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
