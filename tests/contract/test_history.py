"""Counts of attempts that workers hand over with their steps."""

from __future__ import annotations

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.history import KEPT_MS, MINUTE_MS, unpacked
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import HistoryCounts
from tests.contract.stores import Store
from tests.contract.workers import Actors, add, succeeded, the_facts

_KEPT = KEPT_MS // MINUTE_MS


def _history(messages: MessagePort) -> dict[tuple[str, str], dict[str, int]]:
    """What was counted in the last hour, by queue and task."""
    minute = messages.now() // MINUTE_MS
    total: dict[tuple[str, str], dict[str, int]] = {}
    for row in messages.history(minute - 60, minute + 1):
        counts = total.setdefault((row.queue, row.task), {})
        for key, number in unpacked(row.counts).items():
            counts[key] = counts.get(key, 0) + number
    return total


def test_counts_add_up(messages: MessagePort, actor: Actors) -> None:
    """Those of all workers, by queue and task, key by key, whatever the names are."""
    first, second = actor(), actor()
    first.step(history=[HistoryCounts("q", "t", "s:2 o:1 w3:2 d17:1"), HistoryCounts("q", "u", "s:1")])
    second.step(
        history=[HistoryCounts("q", "t", "s:3 f:1 w3:1 d2:1"), HistoryCounts("a|b\n;é", "t ü", "r:1")]
    )
    assert _history(messages) == {
        ("q", "t"): {"s": 5, "o": 1, "f": 1, "w3": 3, "d17": 1, "d2": 1},
        ("q", "u"): {"s": 1},
        ("a|b\n;é", "t ü"): {"r": 1},
    }


def test_a_repeated_step_counts_once(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """With outcomes, with claims, and with nothing else to do."""
    worker = actor()
    add(backend, "a", "b")
    counts = [HistoryCounts("q", "t", "s:1")]
    first, second = worker.claim()
    worker.step(succeeded(first), limit=0, history=counts)
    worker.again(succeeded(first), limit=0, history=counts)
    worker.step(succeeded(second), history=counts)
    worker.again(succeeded(second), history=counts)
    worker.step(limit=0, history=counts)
    worker.again(limit=0, history=counts)
    assert _history(messages) == {("q", "t"): {"s": 3}}


def test_counts_belong_to_their_minute(messages: MessagePort, store: Store, actor: Actors) -> None:
    """A look at some minutes shows those, in order."""
    worker = actor(lease=10 * MINUTE_MS)
    first = messages.now() // MINUTE_MS
    worker.step(history=[HistoryCounts("q", "u", "s:1"), HistoryCounts("p", "t", "s:1")])
    for _ in range(2):
        store.advance(MINUTE_MS)
        worker.step(history=[HistoryCounts("q", "t", "s:1")])
    rows = messages.history(first, first + 3)
    assert [(row.queue, row.task) for row in rows] == [("p", "t"), ("q", "u"), ("q", "t"), ("q", "t")]
    assert [row.minute for row in rows] == sorted(row.minute for row in rows)
    assert rows[0].minute == rows[1].minute < rows[2].minute < rows[3].minute
    assert messages.history(rows[2].minute, rows[2].minute) == [rows[2]]
    assert messages.history(first - 10, first - 5) == []


def test_old_counts_go(messages: MessagePort, store: Store, actor: Actors) -> None:
    """They are shown for 72 hours."""
    worker = actor(lease=10_000 * MINUTE_MS)
    first = messages.now() // MINUTE_MS
    worker.step(history=[HistoryCounts("q", "t", "s:1")])
    store.advance((_KEPT - 2) * MINUTE_MS)
    worker.step(history=[HistoryCounts("q", "t", "s:1")])
    assert len(messages.history(first, first + 2 * _KEPT)) == 2
    store.advance(3 * MINUTE_MS)
    worker.step(history=[HistoryCounts("q", "t", "s:1")])
    assert len(messages.history(first, first + 2 * _KEPT)) == 2


def test_clearing_a_namespace_clears_its_counts(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Nothing of them is left."""
    actor(facts=the_facts("t")).step(history=[HistoryCounts("q", "t", "s:1")])
    backend.clear_namespace()
    assert _history(messages) == {}
    assert messages.workers() == []
