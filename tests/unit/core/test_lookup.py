"""A uuid in place of a message, wherever one is looked up or ended."""

from __future__ import annotations

from typing import Any

import pytest

from alsek import (
    Broker,
    MemoryBackend,
    Message,
    ResultStore,
    Serializer,
    StatusTracker,
    TaskFailedError,
    TaskStatus,
    task,
)
from alsek.exceptions import MessageDoesNotExistsError, ValidationError

backend = MemoryBackend()
broker = Broker(backend)
result_store, status_tracker = ResultStore(backend), StatusTracker(backend)


@task(broker, queue="elsewhere", result_store=result_store, status_tracker=status_tracker)
def work(n: int) -> int:
    """A task whose messages are not in the default queue."""
    return n


def test_a_message_in_the_store() -> None:
    """Found whatever its queue, revoked, retried and removed."""
    uuid = work.generate(args=[1]).uuid
    assert broker.exists(uuid)
    assert broker.sync_from_backend(uuid).args == (1,)
    assert not broker.is_revoked(uuid)
    assert work.revoke(uuid)
    assert broker.is_revoked(uuid)
    assert work.is_revoked(uuid)
    broker.retry(uuid)
    assert broker.sync_from_backend(uuid).retries == 1
    broker.remove(uuid)
    assert not broker.exists(uuid)


def test_a_dead_letter() -> None:
    """Found, shown, and replayed unchanged."""
    uuid = work.generate(args=[1]).uuid
    assert not broker.in_dlq(uuid)
    broker.fail(uuid, ValueError("no"))
    assert broker.in_dlq(uuid)
    assert status_tracker.get(uuid) is TaskStatus.FAILED
    with pytest.raises(TaskFailedError, match="ValueError: no"):
        result_store.get(uuid, timeout=1_000)
    details = broker.sync_from_backend(uuid).exception_details
    assert details is not None
    assert details["text"] == "no"
    broker.replay(uuid)
    assert not broker.in_dlq(uuid)
    assert broker.sync_from_backend(uuid).args == (1,)


def test_results_and_statuses() -> None:
    """Read, waited for, and deleted."""
    message = work.generate(args=[1])
    uuid = message.uuid
    assert status_tracker.get(uuid) is TaskStatus.SUBMITTED
    assert status_tracker.exists(uuid)
    status_tracker.set(message, TaskStatus.SUCCEEDED, details={"a": 1})
    assert status_tracker.wait_for(uuid, timeout=1_000) is TaskStatus.SUCCEEDED
    assert [update.status for update in status_tracker.listen(uuid, timeout=1_000)] == [TaskStatus.SUCCEEDED]
    assert status_tracker.get_details(uuid) == {"a": 1}
    status_tracker.delete(uuid)
    assert status_tracker.get(uuid) is TaskStatus.UNKNOWN
    result_store.set(message, 7)
    assert result_store.exists(uuid)
    assert work.result(uuid, keep=True) == 7
    assert result_store.get(uuid, timeout=1_000, keep=True) == 7
    assert result_store.delete(uuid) == 1


def test_a_uuid_that_nobody_knows() -> None:
    """The same answers as for a message that is not there."""
    assert not broker.exists("nobody")
    assert not broker.revoke("nobody")
    assert not broker.in_dlq("nobody")
    broker.remove("nobody")
    for method in (broker.retry, broker.fail, broker.replay, broker.sync_from_backend):
        with pytest.raises(MessageDoesNotExistsError, match="nobody"):
            method("nobody")
    with pytest.raises(KeyError):
        result_store.get("nobody")
    with pytest.raises(TimeoutError):
        result_store.get("nobody", timeout=1)


@pytest.mark.parametrize("wrong", [7, None, b"uuid", ["a"], "", "a b"])
def test_what_is_neither_is_refused(wrong: Any) -> None:
    """With a sentence."""
    for method in (broker.exists, status_tracker.get, result_store.get):
        with pytest.raises(ValidationError, match="uuid"):
            method(wrong)


class _Unreadable(Serializer):
    """Reads nothing."""

    def forward(self, obj: Any) -> bytes:
        return b"x"

    def reverse(self, obj: bytes) -> Any:
        raise ValueError("no")


def test_a_message_that_cannot_be_read_can_be_ended() -> None:
    """By its uuid, in its queue."""
    other = Broker(MemoryBackend(serializer=_Unreadable()))
    message = Message("t", queue="q7")
    other.submit(message)
    assert other.revoke(message.uuid)
    other.remove(message.uuid)
    assert not other.exists(message)
