"""Telling of a lost message."""

from __future__ import annotations

import logging

import pytest

from alsek import Broker, Message, task
from alsek.core.worker.losing import LostMessage, log_and_report_lost
from alsek.core.worker.options import PoolOptions
from alsek.storage.backends.records import Claimed, Worker

_WORKER = Worker("w", "thread", None, 15_000, 60_000)


def test_a_lost_message_that_can_not_be_read_is_logged_all_the_same(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be the one that ended the process: it is given back, and the log names it."""
    with caplog.at_level(logging.WARNING):
        lost = log_and_report_lost(
            PoolOptions(tasks={}, broker=broker), _WORKER, Claimed("u", "q", b"\xff", 1)
        )
    assert lost == LostMessage("", [])
    (record,) = caplog.records
    assert "message 'u' in queue 'q' can't be read" in record.getMessage()
    assert (record.__dict__["event"], record.__dict__["uuid"]) == ("lost", "u")


def test_a_lost_message_is_told_with_its_task(broker: Broker) -> None:
    """Also if this pool does not have the task."""

    @task(broker)
    def known() -> None: ...

    pool = PoolOptions(tasks={known.name: known}, broker=broker)
    for name in ("known", "unknown"):
        message = Message(name)
        claimed = Claimed(message.uuid, message.queue, message.pack(broker.backend.serializer), 1)
        assert log_and_report_lost(pool, _WORKER, claimed) == LostMessage(name, [])
