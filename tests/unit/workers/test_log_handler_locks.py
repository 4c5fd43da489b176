"""Logging that a timeout can't break."""

from __future__ import annotations

import io
import logging
import threading

import pytest

from alsek.core.worker.group.log_handler_locks import guard_handlers
from alsek.core.worker.thread_executor.async_exceptions import raise_in_thread
from alsek.exceptions import TaskTimeoutError
from tests.unit.workers.fakes import PATIENCE


@pytest.fixture(autouse=True)
def _unpatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is patched is put back."""
    monkeypatch.setattr(logging.Handler, "handle", logging.Handler.handle)
    monkeypatch.setattr(logging.StreamHandler, "flush", logging.StreamHandler.flush)


def test_a_timeout_while_it_logs_leaves_no_lock_taken() -> None:
    """However often a thread is interrupted while it logs, others can log afterwards."""
    guard_handlers()
    handler = logging.StreamHandler(io.StringIO())
    logger = logging.getLogger("mine")
    logger.propagate = False
    logger.handlers = [handler]
    ended = threading.Event()

    def log() -> None:
        while not ended.is_set():
            try:
                while not ended.is_set():
                    logger.warning("x")
            except TaskTimeoutError:
                continue

    def guarded() -> None:
        while not ended.is_set():
            try:
                log()
            except TaskTimeoutError:
                continue

    thread = threading.Thread(target=guarded)
    thread.start()
    assert thread.ident is not None
    for _ in range(3_000):
        raise_in_thread(thread.ident, TaskTimeoutError)
        for _ in range(20):
            str(_)
    ended.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert handler.lock is not None
    assert handler.lock.acquire(timeout=PATIENCE)
    handler.lock.release()


def test_filters_and_formats_are_as_before() -> None:
    """A record that a filter refuses is not written; one that passes is, once."""
    guard_handlers()
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(lambda record: "no" not in record.getMessage())
    logger = logging.getLogger("mine")
    logger.propagate = False
    logger.handlers = [handler]
    logger.warning("no %d", 1)
    logger.warning("yes %d", 2)
    assert out.getvalue() == "yes 2\n"
