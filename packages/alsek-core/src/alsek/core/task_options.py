"""The options of a task, declared once for the decorator, the classes and copies of a task."""

from __future__ import annotations

from typing import TypedDict

from alsek.core.backoff import Backoff
from alsek.core.status import StatusTracker
from alsek.storage.result import ResultStore
from alsek.types import Mechanism


class TaskOptions(TypedDict, total=False):
    """The arguments of :class:`~alsek.core.task.Task` but the function and the broker."""

    name: str | None
    queue: str | None
    timeout: int
    max_retries: int | None
    backoff: Backoff | None
    result_store: ResultStore | None
    status_tracker: StatusTracker | None
    mechanism: Mechanism | None
