"""Alsek: a distributed task queue with documented and tested guarantees.

The names in ``__all__`` are what most programs need. Each is imported at its first use, so that ``import alsek`` is
fast. Alsek's own modules import from the modules that define a name.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Final

__path__ = extend_path(__path__, __name__)

from alsek._missing import install
from alsek.version import __version__

if TYPE_CHECKING:
    from alsek.core.broker import Broker
    from alsek.core.concurrency import Lock
    from alsek.core.consumer import Consumer
    from alsek.core.current_message import current_message
    from alsek.core.inspection.inspector import Inspector
    from alsek.core.message import Message
    from alsek.core.middleware import Middleware
    from alsek.core.status import StatusTracker
    from alsek.core.submission.calls import Call
    from alsek.core.task import Task, task
    from alsek.storage.backends.records import TaskStatus
    from alsek.storage.result import ResultStore

__all__ = [
    "Broker",
    "Call",
    "Consumer",
    "Inspector",
    "Lock",
    "Message",
    "Middleware",
    "ResultStore",
    "StatusTracker",
    "Task",
    "TaskStatus",
    "__version__",
    "current_message",
    "task",
]

_SOURCES: Final = {
    "Broker": "alsek.core.broker",
    "Call": "alsek.core.submission.calls",
    "Consumer": "alsek.core.consumer",
    "Inspector": "alsek.core.inspection.inspector",
    "Lock": "alsek.core.concurrency",
    "Message": "alsek.core.message",
    "Middleware": "alsek.core.middleware",
    "ResultStore": "alsek.storage.result",
    "StatusTracker": "alsek.core.status",
    "Task": "alsek.core.task",
    "TaskStatus": "alsek.storage.backends.records",
    "current_message": "alsek.core.current_message",
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
        return sorted({*globals(), *__all__})
