"""Publishing: small values in datagrams, large ones through a table, and what a slow subscriber misses."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from alsek.storage.backends.records import StatusRecord, TaskStatus
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.wakeup import subscription
from alsek.storage.backends.sqlite.wakeup.datagrams import MOST_DATA
from tests.unit.sqlite.fakes import Process, says

Python = Callable[..., Process]


def test_another_process_is_heard(python: Python, backend: SQLiteBackend) -> None:
    """What another process publishes arrives here, after its commit."""
    with backend.subscribe("results:a") as subscription:
        python("backend.results.put('a', b'1')")
        note = None
        while note is None:
            note = subscription.wait(60_000)
        assert (note.channel, note.data) == ("results:a", b"")
        assert backend.results.get(["a"])[0] is not None


@pytest.mark.parametrize("size", [0, 1_000, MOST_DATA, MOST_DATA + 1, 3_000_000])
def test_values_of_any_size_arrive(backend: SQLiteBackend, size: int) -> None:
    """A published value of any size arrives complete."""
    with backend.subscribe("x") as subscription:
        backend.pub("x", "v" * size)
        note = subscription.wait(60_000)
        assert note is not None
        assert backend.serializer.reverse(note.data) == "v" * size


def test_a_status_too_large_for_a_datagram_is_hinted_at(backend: SQLiteBackend) -> None:
    """For a status with very large details the subscriber is told to look at the store."""
    details = b"d" * (MOST_DATA + 1)
    with backend.subscribe("statuses:a") as subscription:
        backend.statuses.put("a", TaskStatus.RUNNING, details)
        assert subscription.wait(60_000) is None
        record = backend.statuses.get(["a"])[0]
        assert isinstance(record, StatusRecord)
        assert record.details == details


def test_a_slow_subscriber_learns_that_it_missed_something(backend: SQLiteBackend) -> None:
    """If more is published than fits, a subscriber gets what fits, and then learns that notes were lost."""
    with backend.subscribe("x") as subscription:
        for n in range(5_000):
            backend.pub("x", n)
        heard = 0
        while (note := subscription.wait(0)) is not None:
            assert backend.serializer.reverse(note.data) == heard
            heard += 1
        assert 0 < heard < 5_000
        backend.pub("x", "again")
        note = subscription.wait(60_000)
        assert note is not None
        assert backend.serializer.reverse(note.data) == "again"


def test_a_full_buffer_is_told_without_waiting(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subscriber whose buffer was full learns at once that notes were lost, and not when it looks at the file."""

    def sleeps(*_: object) -> None:
        pytest.fail("it waits for more, although notes were lost")

    monkeypatch.setattr(subscription, "_wait_readable", sleeps)
    monkeypatch.setattr(subscription, "_CHECK_EVERY_S", 3_600.0)
    with backend.subscribe("x") as subscribed:
        for n in range(5_000):
            backend.pub("x", n)
        while subscribed.wait() is not None:
            pass
        backend.pub("x", "again")
        assert subscribed.wait() is not None  # it was told once


def test_other_channels_and_namespaces_are_not_heard(
    backend: SQLiteBackend, open_backend: Callable[..., SQLiteBackend]
) -> None:
    """A subscriber gets the notes of its own channels in its own namespace."""
    with backend.subscribe("x", "y") as subscription:
        open_backend(namespace="other").pub("x", 1)
        backend.pub("z", 2)
        backend.pub("alsek:y", 3)
        note = subscription.wait(60_000)
        assert note is not None
        assert (note.channel, note.data) == ("y", b"3")
        assert subscription.wait(0) is None


def test_many_channels(backend: SQLiteBackend) -> None:
    """One subscription may listen to thousands of channels."""
    names = [f"results:{n}" for n in range(3_000)]
    with backend.subscribe(*names) as subscription:
        backend.results.put("2999", b"")
        note = subscription.wait(60_000)
        assert note is not None
        assert note.channel == "results:2999"


def test_a_change_without_a_note_ends_the_wait(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, python: Python
) -> None:
    """A write whose process died before it sent a note is noticed within a second: the subscriber looks again."""
    program = """
    from alsek.storage.backends.sqlite.wakeup.notifier import Notifier
    Notifier.notify = lambda *args: os.kill(os.getpid(), 9)
    backend.results.put('a', b'1')
    """
    with backend.subscribe("results:a") as subscription:
        victim = python(program)
        assert victim.wait(60) == -signal.SIGKILL
        assert subscription.wait(60_000) is None
        assert backend.results.get(["a"])[0] is not None


def test_a_killed_subscriber_is_forgotten(python: Python, backend: SQLiteBackend) -> None:
    """Publishing to a subscriber that was killed does no harm, and frees its slot."""
    victim = python("s = backend.subscribe('x'); say('here'); sys.stdin.readline()")
    assert says(victim) == "here"
    assert backend._database.notifier.anyone_listening()
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    backend.pub("x", 1)
    assert not backend._database.notifier.anyone_listening()


def test_nothing_is_spooled_for_nobody(backend: SQLiteBackend) -> None:
    """A large value without subscribers is not written anywhere."""
    backend.pub("x", "v" * 1_000_000)
    rows = backend._database.read(lambda tx: tx.execute("SELECT count(*) FROM spool").fetchone())
    assert rows == (0,)
