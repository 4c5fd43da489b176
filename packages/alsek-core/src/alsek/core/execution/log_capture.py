"""Capturing what the tasks of a worker process log, to be kept with their messages.

A handler on the root logger finds the message by the context in which a line is logged. So it has what reaches the root
logger: not what a logger's level or ``propagate = False`` holds back, and nothing of a thread that the task has started
without a copy of its context. The handler waits for nothing: lines go to the store as progress does.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Mapping
from typing import Final

from alsek.core.current_message import CURRENT
from alsek.core.execution import forks
from alsek.core.message import Message
from alsek.core.reporting.log_lines import line_of, mark_of
from alsek.core.task import AnyTask
from alsek.exceptions import MessageRevokedError, TaskTimeoutError

#: What is raised in a task's thread from outside, at any moment.
_INTERRUPTIONS: Final = (TaskTimeoutError, MessageRevokedError)


def capture_logs(tasks: Mapping[str, AnyTask]) -> LogCapture | None:
    """Add a handler to the root logger if any of these tasks keeps logs, and return it. Called after the start hooks.

    They may configure logging, and that removes all handlers.
    """
    kept = {name: task.broker.keep_logs for name, task in tasks.items() if task.broker.keep_logs}
    if not kept:
        return None
    capture = LogCapture(kept)
    logging.root.addHandler(capture)
    return capture


class LogCapture(logging.Handler):
    """Gives what is logged during an attempt to the reports on its message. Never raises, and never blocks.

    Args:
        kept: How many lines are kept of the messages of each task.
    """

    def __init__(self, kept: Mapping[str, int]) -> None:
        super().__init__()
        self._kept = kept
        self._host = socket.gethostname()
        self._inside = threading.local()

    def handle(self, record: logging.LogRecord) -> bool:
        """Take in a record, without the handler's lock: user code makes its text, and may take as long as it likes.

        What is logged meanwhile, by the ``__str__`` of an argument, for example, is left out.
        """
        if len(logging.root.handlers) == 1:
            self._stand_in(record)
        message = CURRENT.get()
        if message is None or forks.forked or getattr(self._inside, "yes", False):
            return False
        self._inside.yes = True
        try:
            return self._take(message, record)
        except _INTERRUPTIONS:
            raise
        except BaseException:  # noqa: BLE001  whatever user code has made of the message or the record
            return False
        finally:
            self._inside.yes = False

    def emit(self, record: logging.LogRecord) -> None:
        """Do as :meth:`handle`."""
        self.handle(record)

    def _take(self, message: Message, record: logging.LogRecord) -> bool:
        claim, keep = message.claim, self._kept.get(message.task_name, 0)
        if claim is None or not keep:
            return False
        session = claim.session
        reporter = session.open_reporter()
        reporting = reporter.of(claim.claimed, session.worker, session.held, follows=session.follows)
        if reporting is None or reporting.closed:
            return False
        line = line_of(record)
        if not reporting.has_lines:
            attempt = claim.claimed.retries + 1
            reporting.add_line(mark_of(attempt, self._host, os.getpid(), record.created), keep)
        if not reporting.add_line(line, keep):
            return False
        reporter.request()
        return True

    def _stand_in(self, record: logging.LogRecord) -> None:
        """Write a warning to standard error, as logging does if there is no handler: there is none but this one."""
        last = logging.lastResort
        if last is None or record.levelno < last.level:
            return
        logger = logging.root.manager.loggerDict.get(record.name)
        while isinstance(logger, logging.Logger) and logger is not logging.root:
            if logger.handlers:
                return
            logger = logger.parent
        last.handle(record)
