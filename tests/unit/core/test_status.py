"""Where messages stand, and how to hear of it."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.status import TERMINAL, StatusTracker, TaskStatus
from alsek.exceptions import MessageRevokedError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import StatusRecord
from alsek.storage.backends.subscriptions import Note, Subscription
from tests.clock import Clock
from tests.unit.core.fakes import PATIENCE, Elsewhere, WatchedBackend


@pytest.fixture
def watched() -> WatchedBackend:
    """A store that tells when somebody sleeps on it."""
    return WatchedBackend()


def test_the_documented_statuses() -> None:
    """Names and numbers are the tour's; two of them are final."""
    names = ["UNKNOWN", "SUBMITTED", "RUNNING", "RETRYING", "FAILED", "SUCCEEDED"]
    assert [(status.name, status.value) for status in TaskStatus] == list(zip(names, range(6), strict=True))
    assert frozenset({TaskStatus.FAILED, TaskStatus.SUCCEEDED}) == TERMINAL


def test_set_and_get(backend: MemoryBackend) -> None:
    """What was set is there, with its details; what was not is UNKNOWN."""
    tracker, message = StatusTracker(backend), Message("t")
    assert tracker.get(message) is TaskStatus.UNKNOWN
    assert tracker.get_details(message) is None
    assert not tracker.exists(message)
    tracker.set(message, TaskStatus.RUNNING, {"progress": 0.4})
    assert tracker.get(message) is TaskStatus.RUNNING
    assert tracker.get_details(message) == {"progress": 0.4}
    assert tracker.exists(message)
    tracker.set(message, TaskStatus.SUCCEEDED)
    assert tracker.get_details(message) is None
    tracker.delete(message)
    tracker.delete(message)
    assert tracker.get(message) is TaskStatus.UNKNOWN


@pytest.mark.parametrize("details", [0, False, "", [], {}])
def test_odd_details_are_details(backend: MemoryBackend, details: Any) -> None:
    """Nothing but None stands for no details."""
    tracker, message = StatusTracker(backend), Message("t")
    tracker.set(message, TaskStatus.RUNNING, details)
    assert tracker.get_details(message) == details


@pytest.mark.parametrize("submitted", [TaskStatus.SUBMITTED, 1])
def test_submitted_never_overwrites(backend: MemoryBackend, submitted: Any) -> None:
    """A quick worker has set RUNNING before the producer says SUBMITTED: RUNNING stays."""
    tracker, message = StatusTracker(backend), Message("t")
    tracker.set(message, TaskStatus.RUNNING)
    tracker.set(message, submitted)
    assert tracker.get(message) is TaskStatus.RUNNING


def test_statuses_expire(backend: MemoryBackend, clock: Clock) -> None:
    """Each write is kept for the ttl, a week by default; None keeps."""
    assert StatusTracker(backend).ttl == 7 * 24 * 3_600_000
    short, kept = StatusTracker(backend, ttl=10), StatusTracker(backend, ttl=None)
    one, two = Message("t"), Message("t")
    short.set(one, TaskStatus.RUNNING)
    kept.set(two, TaskStatus.RUNNING)
    clock.advance(10**12)
    assert short.get(one) is TaskStatus.UNKNOWN
    assert kept.get(two) is TaskStatus.RUNNING
    for ttl in (0, -1):
        with pytest.raises(ValidationError):
            StatusTracker(backend, ttl=ttl)


def test_which_trackers_ride(backend: MemoryBackend) -> None:
    """The stock class on the same store rides with its steps; another store, or a `set` of its own, does not."""

    class Own(StatusTracker):
        """With a set of its own."""

        def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
            """Nothing."""

    class Stock(StatusTracker):
        """With another method."""

        def get(self, message: Message) -> TaskStatus:
            return TaskStatus.UNKNOWN

    assert StatusTracker(backend).is_atomic_with(backend)
    assert Stock(backend).is_atomic_with(backend)
    assert not Own(backend).is_atomic_with(backend)
    assert not StatusTracker(MemoryBackend()).is_atomic_with(backend)


def test_wait_for_what_is_there(watched: WatchedBackend) -> None:
    """No sleep where the status is the one waited for; one or several may be named."""
    tracker, message = StatusTracker(watched), Message("t")
    tracker.set(message, TaskStatus.RUNNING)
    assert tracker.wait_for(message, TaskStatus.RUNNING) is TaskStatus.RUNNING
    wanted = (TaskStatus.SUCCEEDED, TaskStatus.RUNNING)
    assert tracker.wait_for(message, wanted, timeout=0) is TaskStatus.RUNNING
    assert not watched.asleep.is_set()


def test_wait_for_sleeps_until_the_change(watched: WatchedBackend) -> None:
    """It wakes by the write itself: the store is not asked in between, and no timer runs."""
    tracker, message = StatusTracker(watched), Message("t")
    waiting = Elsewhere(lambda: tracker.wait_for(message))
    assert watched.asleep.wait(PATIENCE)
    tracker.set(message, TaskStatus.RUNNING)
    tracker.set(message, TaskStatus.SUCCEEDED)
    assert waiting.value() is TaskStatus.SUCCEEDED
    assert watched.opened[0].waits == 2


def test_wait_for_gives_up(watched: WatchedBackend) -> None:
    """After the timeout, with what it is and what was wanted in the text."""
    tracker, message = StatusTracker(watched), Message("t")
    tracker.set(message, TaskStatus.RUNNING)
    with pytest.raises(TimeoutError, match="is RUNNING, not FAILED, after 1 ms"):
        tracker.wait_for(message, TaskStatus.FAILED, timeout=1)


def test_wait_for_does_not_wait_for_what_can_not_come(watched: WatchedBackend) -> None:
    """A message that has ended otherwise is an error at once, timeout or not."""
    tracker, message = StatusTracker(watched), Message("t")
    tracker.set(message, TaskStatus.FAILED)
    with pytest.raises(TimeoutError, match="ended as FAILED"):
        tracker.wait_for(message, TaskStatus.SUCCEEDED)


def test_wait_for_tells_why_a_message_failed(backend: MemoryBackend) -> None:
    """The reason that its dead letter has stands in the error: a revocation or an expiry, say."""
    tracker, message = StatusTracker(backend), Message("t", status_ttl=-1)
    broker = Broker(backend)
    broker.submit(message)
    broker.fail(message, MessageRevokedError("it was revoked"))
    with pytest.raises(TimeoutError, match=r"ended as FAILED.*MessageRevokedError: it was revoked"):
        tracker.wait_for(message, TaskStatus.SUCCEEDED)
    assert tracker.wait_for(message) is TaskStatus.FAILED


@pytest.mark.parametrize("before", [False, True])
def test_wait_for_a_message_that_is_removed(watched: WatchedBackend, before: bool) -> None:
    """It is told at once, whether the removal comes before or meanwhile: no status follows."""
    tracker, message = StatusTracker(watched), Message("t", status_ttl=-1)
    broker = Broker(watched)
    broker.submit(message)
    if before:
        broker.remove(message)
    waiting = Elsewhere(lambda: tracker.wait_for(message))
    if not before:
        assert watched.asleep.wait(PATIENCE)
        broker.remove(message)
    with pytest.raises(TimeoutError, match="is gone, for it was removed"):
        waiting.value()
    assert tracker.wait_for(message, TaskStatus.UNKNOWN) is TaskStatus.UNKNOWN


def test_listen_tells_each_change(watched: WatchedBackend) -> None:
    """The status now, then each write in order, with details, until a final one."""
    tracker, message = StatusTracker(watched), Message("t")
    tracker.set(message, TaskStatus.SUBMITTED)
    told = Elsewhere(lambda: [(update.status, update.details) for update in tracker.listen(message)])
    assert watched.asleep.wait(PATIENCE)
    for progress in (1, 2, 3):
        tracker.set(message, TaskStatus.RUNNING, progress)
    tracker.set(message, TaskStatus.SUCCEEDED)
    assert told.value() == [
        (TaskStatus.SUBMITTED, None),
        *((TaskStatus.RUNNING, progress) for progress in (1, 2, 3)),
        (TaskStatus.SUCCEEDED, None),
    ]


def test_listen_ends_by_its_timeout_and_closes(watched: WatchedBackend) -> None:
    """After the timeout the iteration ends, and nobody is subscribed any more."""
    tracker, message = StatusTracker(watched), Message("t")
    tracker.set(message, TaskStatus.RUNNING)
    assert [update.status for update in tracker.listen(message, timeout=1)] == [TaskStatus.RUNNING]
    assert watched._store.subscriptions == []


def test_listen_reads_again_when_something_may_have_been_missed(watched: WatchedBackend) -> None:
    """A subscription that lost its connection hears nothing: the record is read, and the newest told."""
    tracker, message = StatusTracker(watched), Message("t")
    listening = tracker.listen(message)
    tracker.set(message, TaskStatus.RUNNING)
    assert next(listening).status is TaskStatus.RUNNING
    inner = watched._store.subscriptions.pop()
    tracker.set(message, TaskStatus.SUCCEEDED)
    inner._notes.put(None)
    assert next(listening).status is TaskStatus.SUCCEEDED


def test_other_messages_are_not_heard(watched: WatchedBackend) -> None:
    """A change of another message neither wakes nor ends anything."""
    tracker, message, other = StatusTracker(watched), Message("t"), Message("t")
    waiting = Elsewhere(lambda: tracker.wait_for(message))
    assert watched.asleep.wait(PATIENCE)
    tracker.set(other, TaskStatus.FAILED)
    tracker.set(message, TaskStatus.SUCCEEDED)
    assert waiting.value() is TaskStatus.SUCCEEDED
    assert watched.opened[0].waits == 1


def test_trackers_of_two_brokers_agree(backend: MemoryBackend) -> None:
    """The status is the store's, whichever object asks."""
    message = Message("t", status_ttl=-1)
    Broker(backend).submit(message)
    assert StatusTracker(backend).get(message) is TaskStatus.SUBMITTED


def test_listen_leaves_out_what_is_older(backend: MemoryBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note that arrives after a newer record was read tells nothing new."""
    tracker, message = StatusTracker(backend), Message("t")
    notes = [(TaskStatus.RUNNING, 10), (TaskStatus.RETRYING, 9), (TaskStatus.SUCCEEDED, 11)]
    records = [StatusRecord(message.uuid, status, None, at) for status, at in notes]

    class Notes(Subscription):
        def wait(self, timeout: int | None = None) -> Note | None:
            return Note("", records.pop(0).pack())

        def close(self) -> None: ...

    monkeypatch.setattr(backend, "watch_status", lambda uuid: (Notes(), None))
    heard = list(tracker.listen(message, timeout=60_000))
    assert [update.status for update in heard] == [TaskStatus.RUNNING, TaskStatus.SUCCEEDED]
