"""StatusTrackerIntegrityScanner: what it changes, and what it leaves alone."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from alsek import Broker, Message, StatusTracker, TaskStatus
from alsek.storage.backends.memory import MemoryBackend
from alsek.tools import StatusTrackerIntegrityScanner, StatusTrackerIntegryScanner

OPEN = [TaskStatus.SUBMITTED, TaskStatus.RUNNING, TaskStatus.RETRYING]


@pytest.fixture
def tracker() -> StatusTracker:
    """On a store of its own."""
    return StatusTracker(MemoryBackend())


@pytest.mark.parametrize("status", OPEN)
def test_an_open_status_without_message_becomes_unknown(tracker: StatusTracker, status: TaskStatus) -> None:
    """One that says that more will follow, of a message that is gone, is set to UNKNOWN, and counted."""
    message = Message("t")
    tracker.set(message, status)
    scanner = StatusTrackerIntegrityScanner(tracker, trigger=None)
    assert scanner.scan() == 1
    assert tracker.get(message) is TaskStatus.UNKNOWN
    assert scanner.scan() == 0


@pytest.mark.parametrize("status", [TaskStatus.FAILED, TaskStatus.SUCCEEDED])
def test_a_final_status_stays(tracker: StatusTracker, status: TaskStatus) -> None:
    """A message that has ended is gone: its status is right."""
    message = Message("t")
    tracker.set(message, status)
    assert StatusTrackerIntegrityScanner(tracker, trigger=None).scan() == 0
    assert tracker.get(message) is status


@pytest.mark.parametrize("status", OPEN)
def test_the_status_of_a_message_that_is_there_stays(tracker: StatusTracker, status: TaskStatus) -> None:
    """In whatever queue it is."""
    broker = Broker(tracker.backend)
    messages = [Message("t", queue=queue) for queue in ("a", "b")]
    broker.submit_many(messages)
    for message in messages:
        tracker.set(message, status)
    assert StatusTrackerIntegrityScanner(tracker, broker, trigger=None).scan() == 0


def test_messages_may_be_in_another_store(tracker: StatusTracker) -> None:
    """Given the broker, it looks for the messages there."""
    broker = Broker(MemoryBackend())
    here, gone = Message("t"), Message("t")
    broker.submit(here)
    for message in (here, gone):
        tracker.set(message, TaskStatus.RUNNING)
    assert StatusTrackerIntegrityScanner(tracker, broker, trigger=None).scan() == 1
    assert (tracker.get(here), tracker.get(gone)) == (TaskStatus.RUNNING, TaskStatus.UNKNOWN)


def test_a_status_that_changes_meanwhile_is_left_alone(
    tracker: StatusTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message that ends between the two looks has its final status, and keeps it."""
    message = Message("t")
    tracker.set(message, TaskStatus.RUNNING)
    port = tracker.backend.statuses
    replace = port.replace

    def ends_first(*arguments: Any) -> bool:
        tracker.set(message, TaskStatus.SUCCEEDED)
        return replace(*arguments)

    monkeypatch.setattr(port, "replace", ends_first)
    assert StatusTrackerIntegrityScanner(tracker, trigger=None).scan() == 0
    assert tracker.get(message) is TaskStatus.SUCCEEDED


def test_scans_follow_the_trigger(tracker: StatusTracker) -> None:
    """With a trigger it scans by itself, until it is shut down; by default every hour."""
    scanned = threading.Event()

    class Scanner(StatusTrackerIntegrityScanner):
        def scan(self) -> int:
            scanned.set()
            return super().scan()

    scanner = Scanner(tracker, trigger=IntervalTrigger(seconds=0.01))
    try:
        assert scanned.wait(60)
    finally:
        scanner.shutdown()
        scanner.shutdown()
    hourly = StatusTrackerIntegrityScanner(tracker)
    try:
        assert hourly.trigger is not None
        assert hourly.trigger.interval.total_seconds() == 3600
    finally:
        hourly.shutdown()


def test_a_scan_that_fails_is_not_the_last(tracker: StatusTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is away at one tick is asked again at the next."""
    again = threading.Event()
    port = tracker.backend.statuses
    scan, failures = port.scan, [ConnectionError("away")]

    def sometimes() -> Any:
        if failures:
            raise failures.pop()
        again.set()
        return scan()

    monkeypatch.setattr(port, "scan", sometimes)
    scanner = StatusTrackerIntegrityScanner(tracker, trigger=IntervalTrigger(seconds=0.01))
    try:
        assert again.wait(60)
    finally:
        scanner.shutdown()


def test_both_spellings() -> None:
    """The documentation's other spelling is the same class."""
    assert StatusTrackerIntegryScanner is StatusTrackerIntegrityScanner
