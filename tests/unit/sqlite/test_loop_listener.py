"""What is published reaches the coroutines of an event loop through one slot of the registry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from alsek import ResultStore
from alsek.core.message import Message
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.event_loop import listener
from alsek.storage.backends.sqlite.wakeup.registry import LISTENING


def _slots(backend: SQLiteBackend) -> int:
    """How many slots of the registry listen."""
    registry = backend._database.notifier.registry()
    assert registry is not None
    return sum(registry.state(slot) == LISTENING for slot in range(64))


async def _listens(backend: SQLiteBackend, number: int) -> None:
    """Return once so many coroutines listen."""
    driver: Any = backend.loop_driver()
    notes = driver._notes
    while len(notes._subscriptions) < number or notes._timer is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def _run(main: Awaitable[Any]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(main, 60)

    asyncio.run(bounded())


def test_many_waiters_take_one_slot(tmp_path: Path) -> None:
    """500 that wait take one slot while they wait, and none afterwards; a burst that fills the socket loses none."""
    backend = SQLiteBackend(tmp_path / "a.db")
    writer, store = SQLiteBackend(tmp_path / "a.db"), ResultStore(backend)

    async def main() -> None:
        waiting = [asyncio.create_task(store.aget(f"m{n}", timeout=60_000)) for n in range(500)]
        await _listens(backend, 500)
        assert _slots(backend) == 1
        for n in range(500):  # the loop reads nothing meanwhile
            ResultStore(writer).set(Message("t", uuid=f"m{n}"), n)
        assert await asyncio.gather(*waiting) == list(range(500))
        assert _slots(backend) == 0

    _run(main())


def test_a_registry_that_was_removed_is_found_again(tmp_path: Path) -> None:
    """Whoever waits while the folder of the sockets is deleted gets the result within about two seconds."""
    backend = SQLiteBackend(tmp_path / "a.db")
    writer, store = SQLiteBackend(tmp_path / "a.db"), ResultStore(backend)

    async def main() -> None:
        waiting = asyncio.create_task(store.aget("m", timeout=60_000))
        await _listens(backend, 1)
        for file in (tmp_path / "a.db-wake").iterdir():
            file.unlink()
        await asyncio.to_thread(ResultStore(writer).set, Message("t", uuid="m"), 1)
        assert await waiting == 1
        later = asyncio.create_task(store.aget("n", timeout=60_000))
        await asyncio.sleep(1.5)
        await asyncio.to_thread(ResultStore(writer).set, Message("t", uuid="n"), 2)
        assert await later == 2

    _run(main())


def test_a_result_is_told_of_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait ends by the note, not by the look at the file once a second."""
    monkeypatch.setattr(listener, "_CHECK_EVERY_S", 1_000.0)
    backend = SQLiteBackend(tmp_path / "a.db")
    store = ResultStore(backend)

    async def main() -> None:
        for n in range(10):
            waiting = asyncio.create_task(store.aget(f"m{n}", timeout=60_000))
            await _listens(backend, 1)
            await store.aset(Message("t", uuid=f"m{n}"), n)
            assert await waiting == n

    _run(main())
