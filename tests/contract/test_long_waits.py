"""What waits for its time, or its turn, is there when that comes, however long it takes."""

from __future__ import annotations

from alsek.storage.backends.ports import MessagePort
from tests.contract.stores import Store
from tests.contract.workers import Actors, a_message, add, retried, state_of, uuids

_DAY = 24 * 3_600_000


def test_half_a_year_of_waiting(store: Store, actor: Actors) -> None:
    """A delayed message, a retried one and one that no worker wanted are all there after 180 days, in their order."""
    worker = actor(dlq_ttl=_DAY)
    add(store.backend, a_message("retried", priority=1))
    worker.step(retried(worker.claim_one(), delay=180 * _DAY), limit=0)
    add(store.backend, a_message("delayed", delay=180 * _DAY, priority=2), a_message("left", wish="process"))
    # A lifetime counts from when a message becomes ready.
    add(store.backend, a_message("brief", delay=180 * _DAY, ttl=1_000, priority=3))
    for _ in range(179):
        store.advance(_DAY)
    late = actor("q", kind="thread")
    assert uuids(late.claim()) == []
    assert [state_of(store.backend, uuid) for uuid in ("retried", "delayed", "brief", "left")] == [
        *("delayed", "delayed", "delayed", "ready")
    ]
    store.advance(_DAY + 10)
    claimed = actor("q", kind="any").claim()
    assert uuids(claimed) == ["left", "retried", "delayed", "brief"]
    assert not any(each.expired for each in claimed)


def test_a_long_queue_is_kept(store: Store, messages: MessagePort) -> None:
    """Thousands of messages that nobody takes for a year are all still there, and counted."""
    add(store.backend, *(a_message(f"m{n}") for n in range(3_000)))
    for _ in range(12):
        store.advance(30 * _DAY)
    assert messages.count("q") == 3_000
    assert sum(1 for _ in messages.browse("q")) == 3_000
