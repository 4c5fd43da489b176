"""Alsek: a distributed task queue with documented and tested guarantees.

All that programs need can be imported from here. Each name is imported at its first use, so that ``import alsek`` is
fast. A name whose package is not installed raises a ``ModuleNotFoundError`` that says which to install. Alsek's own
modules import from the modules that define a name.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Final

__path__ = extend_path(__path__, __name__)

from alsek._missing import install
from alsek.version import __version__

if TYPE_CHECKING:
    from alsek.core.backoff import Backoff, ConstantBackoff, ExponentialBackoff, LinearBackoff
    from alsek.core.broker import Broker
    from alsek.core.concurrency import Lock
    from alsek.core.consumer import Consumer
    from alsek.core.current_message import current_message
    from alsek.core.groups.group import Group
    from alsek.core.groups.operations import GroupProgress
    from alsek.core.hooks import on_worker_start, on_worker_stop
    from alsek.core.inspection.inspector import Inspector
    from alsek.core.keys.limits import Concurrency, Rate
    from alsek.core.keys.unique import Unique
    from alsek.core.message import Message
    from alsek.core.middleware import Middleware
    from alsek.core.reporting.progress import Progress
    from alsek.core.schedules.schedule import Schedule
    from alsek.core.schedules.scheduled import Scheduled
    from alsek.core.status import StatusTracker
    from alsek.core.submission.calls import Call
    from alsek.core.task import Task, TriggerTask, task
    from alsek.core.worker.process import ProcessWorkerPool as ProcessWorkerPool
    from alsek.core.worker.thread import ThreadWorkerPool as ThreadWorkerPool
    from alsek.exceptions import (
        AlsekError,
        ArgumentsError,
        BackendError,
        BackendUnavailableError,
        GroupFailedError,
        MessageNotUniqueError,
        MessageRevokedError,
        Reject,
        Retry,
        SecondsWarning,
        TaskFailedError,
        TaskTimeoutError,
        ValidationError,
    )
    from alsek.storage.backends.memory import MemoryBackend
    from alsek.storage.backends.records import TaskStatus
    from alsek.storage.backends.redis import RedisBackend as RedisBackend
    from alsek.storage.backends.sqlite import SQLiteBackend as SQLiteBackend
    from alsek.storage.compression import Compressed
    from alsek.storage.encryption import Encrypted
    from alsek.storage.result import ResultStore
    from alsek.storage.serialization import JsonSerializer, Serializer
    from alsek.tools import ResultPool as ResultPool
    from alsek.tools import StatusTrackerIntegrityScanner as StatusTrackerIntegrityScanner

#: The names of this package. Those of the other packages are left out, so that ``import *`` works without them.
__all__ = [
    "AlsekError",
    "ArgumentsError",
    "BackendError",
    "BackendUnavailableError",
    "Backoff",
    "Broker",
    "Call",
    "Compressed",
    "Concurrency",
    "ConstantBackoff",
    "Consumer",
    "Encrypted",
    "ExponentialBackoff",
    "Group",
    "GroupFailedError",
    "GroupProgress",
    "Inspector",
    "JsonSerializer",
    "LinearBackoff",
    "Lock",
    "MemoryBackend",
    "Message",
    "MessageNotUniqueError",
    "MessageRevokedError",
    "Middleware",
    "Progress",
    "Rate",
    "Reject",
    "ResultStore",
    "Retry",
    "Schedule",
    "Scheduled",
    "SecondsWarning",
    "Serializer",
    "StatusTracker",
    "Task",
    "TaskFailedError",
    "TaskStatus",
    "TaskTimeoutError",
    "TriggerTask",
    "Unique",
    "ValidationError",
    "__version__",
    "current_message",
    "on_worker_start",
    "on_worker_stop",
    "task",
]

_SOURCES: Final = {
    "AlsekError": "alsek.exceptions",
    "ArgumentsError": "alsek.exceptions",
    "BackendError": "alsek.exceptions",
    "BackendUnavailableError": "alsek.exceptions",
    "Backoff": "alsek.core.backoff",
    "Broker": "alsek.core.broker",
    "Call": "alsek.core.submission.calls",
    "ConstantBackoff": "alsek.core.backoff",
    "Concurrency": "alsek.core.keys.limits",
    "Compressed": "alsek.storage.compression",
    "Consumer": "alsek.core.consumer",
    "Encrypted": "alsek.storage.encryption",
    "ExponentialBackoff": "alsek.core.backoff",
    "Group": "alsek.core.groups.group",
    "GroupFailedError": "alsek.exceptions",
    "GroupProgress": "alsek.core.groups.operations",
    "Inspector": "alsek.core.inspection.inspector",
    "JsonSerializer": "alsek.storage.serialization",
    "LinearBackoff": "alsek.core.backoff",
    "Lock": "alsek.core.concurrency",
    "MemoryBackend": "alsek.storage.backends.memory",
    "Message": "alsek.core.message",
    "MessageNotUniqueError": "alsek.exceptions",
    "MessageRevokedError": "alsek.exceptions",
    "Middleware": "alsek.core.middleware",
    "ProcessWorkerPool": "alsek.core.worker.process",
    "Progress": "alsek.core.reporting.progress",
    "Rate": "alsek.core.keys.limits",
    "RedisBackend": "alsek.storage.backends.redis",
    "Reject": "alsek.exceptions",
    "ResultPool": "alsek.tools",
    "ResultStore": "alsek.storage.result",
    "Retry": "alsek.exceptions",
    "SQLiteBackend": "alsek.storage.backends.sqlite",
    "Schedule": "alsek.core.schedules.schedule",
    "Scheduled": "alsek.core.schedules.scheduled",
    "SecondsWarning": "alsek.exceptions",
    "Serializer": "alsek.storage.serialization",
    "StatusTracker": "alsek.core.status",
    "StatusTrackerIntegrityScanner": "alsek.tools",
    "Task": "alsek.core.task",
    "TaskFailedError": "alsek.exceptions",
    "TaskStatus": "alsek.storage.backends.records",
    "TaskTimeoutError": "alsek.exceptions",
    "ThreadWorkerPool": "alsek.core.worker.thread",
    "TriggerTask": "alsek.core.task",
    "Unique": "alsek.core.keys.unique",
    "ValidationError": "alsek.exceptions",
    "current_message": "alsek.core.current_message",
    "on_worker_start": "alsek.core.hooks",
    "on_worker_stop": "alsek.core.hooks",
    "task": "alsek.core.task",
}

install()

# Hidden from type checkers: they read the imports above, and with this function would accept any name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        source = _SOURCES.get(name)
        if source is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(source), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_SOURCES})
