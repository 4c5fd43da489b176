"""Tests of one's own tasks: runs messages in the test's thread, on a store in memory, with a clock of its own.

With pytest, the fixture ``alsek_worker`` returns a :class:`TestWorker` for the modules that it is given. Without::

    with TestWorker(shop.tasks) as worker:
        message = shop.tasks.send.send(to="ada@example.com")
        worker.run()
        assert worker.outcome(message) == "succeeded"
"""

from __future__ import annotations

from alsek.testing.worker import TestWorker

__all__ = ["TestWorker"]
