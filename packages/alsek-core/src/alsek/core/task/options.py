"""The options of a task, declared once for the decorator, the classes and copies of a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypedDict

from alsek.core.backoff import Backoff
from alsek.core.keys.limits import AnyLimit
from alsek.core.keys.unique import Unique
from alsek.core.status import StatusTracker
from alsek.storage.result import ResultStore
from alsek.types import Duration, Mechanism


class TaskOptions(TypedDict, total=False):
    """The arguments of :class:`~alsek.core.task.Task` but the function and the broker."""

    name: str | None
    queue: str | None
    timeout: Duration
    max_retries: int | None
    backoff: Backoff | None
    result_store: ResultStore | Literal[False] | None
    status_tracker: StatusTracker | Literal[False] | None
    mechanism: Mechanism | None
    unique: Unique | None
    limits: Sequence[AnyLimit] | AnyLimit


#: The options for which a broker has a default. False stands for none.
BROKER_DEFAULTS: Final = ("result_store", "status_tracker")


def chosen(given: Any, broker: Any, name: str) -> Any:
    """Return such an option of a task: as given, by default that of its broker, None for False."""
    return getattr(broker, name, None) if given is None else None if given is False else given
