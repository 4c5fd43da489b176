"""The names of threads and asyncio tasks as owners of locks."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

from alsek.core.this_process import this_process

if TYPE_CHECKING:
    import asyncio

_numbers = itertools.count()


class _Thread(threading.local):
    def __init__(self) -> None:
        self.number = next(_numbers)


#: By the number of a process its name. The number alone would not be unique: in containers every process is 1. A
#: child has a name of its own, however its parent forks.
_names: dict[int, str] = {}


def _process_name() -> str:
    pid = this_process.pid
    return _names.get(pid) or _names.setdefault(pid, os.urandom(8).hex())


_thread = _Thread()
_tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], int] = weakref.WeakKeyDictionary()


def current_owner() -> str:
    """Return a name of the asyncio task that runs now, or else of the current thread.

    It is unique across processes and hosts.
    """
    task = _current_task()
    if task is None:
        return f"{_process_name()}-{_thread.number}"
    number = _tasks.get(task)
    if number is None:
        number = _tasks[task] = next(_numbers)
    return f"{_process_name()}-{number}"


def _current_task() -> asyncio.Task[Any] | None:
    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is None:  # no event loop can run
        return None
    try:
        task: asyncio.Task[Any] | None = asyncio.current_task()
    except (RuntimeError, AttributeError):  # no event loop runs in this thread; or it is just being imported
        return None
    return task
