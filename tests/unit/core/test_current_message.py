"""Which message runs, for code that is not given it."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.current_message import current_message
from alsek.core.message import Message
from alsek.core.task import task
from alsek.logs import MessageFilter
from tests.unit.core.attempt_harness import run


def _record(**extra: Any) -> logging.LogRecord:
    return logging.getLogger("shop").makeRecord(
        "shop", logging.INFO, __file__, 1, "text", (), None, extra=extra
    )


def _filtered(**extra: Any) -> logging.LogRecord:
    record = _record(**extra)
    assert MessageFilter().filter(record) is True
    return record


def test_outside_of_a_task_there_is_none(broker: Broker) -> None:
    """Without an attempt there is no current message, and the fields of a record are empty."""

    @task(broker)
    def function() -> Message | None:
        return current_message()

    outside = contextvars.Context()  # whatever other tests have left in their own
    assert outside.run(current_message) is None
    assert outside.run(function) is None  # called, not run by a worker
    record = outside.run(_filtered)
    assert (record.uuid, record.task, record.queue) == ("", "", "")  # type: ignore[attr-defined]


def test_the_task_and_what_it_starts_have_it(broker: Broker) -> None:
    """The function, its coroutines and threads with a copied context have the message; a plain thread has none."""
    seen: dict[str, Message | None] = {}

    @task(broker)
    async def function() -> None:
        seen["coroutine"] = current_message()
        seen["to_thread"] = await asyncio.to_thread(current_message)
        seen["task"] = await asyncio.create_task(later())
        context = contextvars.copy_context()
        in_thread("copied", lambda: context.run(current_message))
        in_thread("plain", current_message)

    async def later() -> Message | None:
        return current_message()

    def in_thread(name: str, target: Callable[[], Message | None]) -> None:
        thread = threading.Thread(target=lambda: seen.update({name: target()}))
        thread.start()
        thread.join()

    message, _ = contextvars.copy_context().run(run, function)
    plain = seen.pop("plain")
    assert {each.uuid for each in seen.values() if each is not None} == {message.uuid}
    assert None not in seen.values()
    assert plain is None


def test_a_record_has_the_message(broker: Broker) -> None:
    """The filter puts uuid, task and queue of the current message on a record, and keeps what the record has."""
    records: list[logging.LogRecord] = []

    @task(broker)
    def function() -> None:
        records.append(_filtered())
        records.append(_filtered(uuid="another"))

    message, _ = contextvars.copy_context().run(run, function)
    first, second = (vars(record) for record in records)
    assert (first["uuid"], first["task"], first["queue"]) == (message.uuid, "function", message.queue)
    assert second["uuid"] == "another"


@pytest.mark.parametrize("changed", [None, 3, ["a"]])
def test_a_task_that_changes_its_message_breaks_no_record(broker: Broker, changed: Any) -> None:
    """What the task puts into its message is left out if it is no text."""
    records: list[logging.LogRecord] = []

    @task(broker)
    def function(message: Message) -> None:
        message.uuid = changed
        records.append(_filtered())

    contextvars.copy_context().run(run, function)
    assert vars(records[0])["uuid"] == ""
