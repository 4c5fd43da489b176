"""Slots of ended subscriptions are kept for the next subscriptions, and freed in the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from alsek.core.message import Message
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.wakeup.listener_slots import MOST_KEPT
from alsek.storage.backends.sqlite.wakeup.registry import AWAKE, FREE, LISTENING, SLOTS
from alsek.storage.backends.subscriptions import Note
from alsek.storage.result import ResultStore
from tests.unit.sqlite.fakes import Process, says

Python = Callable[..., Process]


def count(backend: SQLiteBackend, state: bytes) -> int:
    """How many slots of the registry are in this state."""
    registry = backend._database.notifier.registry()
    assert registry is not None
    return [registry.state(slot) for slot in range(SLOTS)].count(state)


def test_many_waits_need_one_place(backend: SQLiteBackend, path: Path) -> None:
    """One subscription after another uses the same slot and socket; in between no slot counts as listening."""
    results = ResultStore(backend)

    def wait() -> int:
        message = Message("t")
        results.set(message, 5)
        assert results.get(message, timeout=60_000) == 5
        assert not backend._database.notifier.anyone_listening()
        assert count(backend, AWAKE) == len(backend._database.notifier.listener_slots) == 1
        (place,) = Path(f"{path}-wake").glob("[0-9]*")
        return place.stat().st_ino

    assert len({wait() for _ in range(20)}) == 1


def test_the_next_hears_nothing_of_the_one_before(backend: SQLiteBackend) -> None:
    """Unread notes, and the flag that some were lost, are dropped with their subscription."""
    before = backend.subscribe("x", "y")
    for number in range(5_000):
        backend.pub("x", number)
    before.close()
    with backend.subscribe("y", "x") as subscription:
        assert len(backend._database.notifier.listener_slots) == 0, "this is not the same slot"
        assert subscription.wait(0) is None
        backend.pub("y", "new")
        assert subscription.wait(60_000) == Note("y", b'"new"')


def test_only_so_many_are_kept(backend: SQLiteBackend) -> None:
    """After many subscriptions at once a few slots stay taken; after the backend is closed, none."""
    subscriptions = [backend.subscribe("x") for _ in range(MOST_KEPT + 3)]
    assert count(backend, LISTENING) == MOST_KEPT + 3
    for subscription in subscriptions:
        subscription.close()
        subscription.close()
    assert count(backend, LISTENING) == 0
    assert count(backend, AWAKE) == MOST_KEPT
    backend.close()
    assert count(backend, FREE) == SLOTS


def test_a_process_that_ends_leaves_no_place_taken(python: Python, backend: SQLiteBackend) -> None:
    """A process that exits normally frees the slots that it kept, also if the backend was not closed."""
    process = python("backend.subscribe('x').close(); say('here'); sys.stdin.readline()")
    assert says(process) == "here"
    assert count(backend, AWAKE) == 1
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.wait(60) == 0
    assert count(backend, FREE) == SLOTS


def test_a_board_that_was_removed(backend: SQLiteBackend, path: Path) -> None:
    """A slot kept of a replaced registry frees nothing in the new one, where another process may have its number."""
    backend.subscribe("x").close()
    shutil.rmtree(f"{path}-wake")
    backend._database.notifier._check_at = 0.0
    with SQLiteBackend(path).subscribe("x") as other, backend.subscribe("x") as own:
        assert count(backend, LISTENING) == 2
        backend.pub("x", 1)
        assert other.wait(60_000) == own.wait(60_000) == Note("x", b"1")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_takes_places_of_its_own(backend: SQLiteBackend) -> None:
    """A slot kept before a fork stays the parent's, which still receives notes there when the child has ended."""
    backend.subscribe("x").close()
    child = os.fork()
    if child == 0:
        good = False
        try:
            with backend.subscribe("x") as subscription:
                good = count(backend, AWAKE) == count(backend, LISTENING) == 1
                backend.pub("x", "c")
                good = good and subscription.wait(60_000) == Note("x", b'"c"')
            backend.close()
        finally:
            os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert count(backend, AWAKE) == 1
    with backend.subscribe("x") as subscription:
        backend.pub("x", "p")
        assert subscription.wait(60_000) == Note("x", b'"p"')
        assert count(backend, FREE) == SLOTS - 1
