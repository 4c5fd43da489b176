"""The few threads in which a backend without asynchronous operations carries out those of event loops."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Final

#: More would hardly help: most of such an operation is one lock or one connection.
MOST_THREADS: Final = 3


class OperationThreads:
    """Up to three threads, shared by all event loops of a process that use one backend.

    They begin with the first operations. They end with :meth:`stop`, or when the backend is not used any more.
    """

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._pid = 0

    @property
    def executor(self) -> ThreadPoolExecutor:
        """What runs an operation in one of the threads. A forked child gets its own."""
        executor = self._executor
        if executor is None or self._pid != os.getpid():
            executor = ThreadPoolExecutor(MOST_THREADS, thread_name_prefix="alsek-store")
            self._executor, self._pid = executor, os.getpid()
        return executor

    def stop(self) -> None:
        """End the threads, each after its present operation. The next operation begins new ones."""
        executor, self._executor = self._executor, None
        if executor is not None and self._pid == os.getpid():
            executor.shutdown(wait=False)
