"""One reader for all open pages."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from alsek import Broker, Message
from alsek.dashboard.live.feed import Feed
from alsek.dashboard.live.stream import events
from alsek.dashboard.masking import Masker
from alsek.dashboard.pages.all_pages import PAGES
from alsek.dashboard.pages.page import View
from alsek.dashboard.reading.store_view import StoreView
from alsek.dashboard.routes import Routes
from alsek.dashboard.settings import Settings
from alsek.exceptions import BackendUnavailableError

OVERVIEW = View(PAGES["overview"], (), "")
QUEUES = View(PAGES["queues"], (), "")


def _message(number: int) -> View:
    return View(PAGES["message"], (("uuid", f"m{number}"),), "")


@pytest.fixture
def calls(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each reading method of the store was called; none may be called on the thread of an event loop."""
    counter: Counter[str] = Counter()
    port = broker.backend.messages
    for name in ("now", "tallies", "fronts", "workers", "history", "find", "find_dead", "reports", "peek"):
        called: Callable[..., Any] = getattr(port, name)

        def counted(*args: Any, _name: str = name, _called: Callable[..., Any] = called, **more: Any) -> Any:
            assert threading.current_thread().name.startswith("alsek-dashboard")
            counter[_name] += 1
            return _called(*args, **more)

        monkeypatch.setattr(port, name, counted)
    return counter


def _feed(broker: Broker) -> Feed:
    routes = Routes(StoreView(broker, Masker(frozenset(), {})), Settings())
    routes.feed._interval_s = 0.0
    return routes.feed


def _rounds_of(broker: Broker, calls: Counter[str], views: list[View], rounds: int) -> Counter[str]:
    """What so many rounds cost the store while these pages are open."""

    async def open_all() -> None:
        feed = _feed(broker)
        made, enough = 0, asyncio.Event()
        read = feed._round

        async def counted(reader: Any) -> None:
            nonlocal made
            if made < rounds:
                await read(reader)
                made += 1
            else:
                enough.set()

        feed._round = counted  # type: ignore[method-assign]
        async with AsyncExitStack() as pages:
            inboxes = [await pages.enter_async_context(feed.subscribed(view)) for view in views]
            await enough.wait()
            shared = [inbox for view, inbox in zip(views, inboxes, strict=True) if view.page.shared]
            assert all(inbox.full() for inbox in shared)

    calls.clear()
    asyncio.run(open_all())
    return Counter(calls)


def test_a_hundred_pages_cost_no_more_than_one(
    broker: Broker, calls: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is asked as often for a hundred open pages as for one, on no event loop's thread."""
    monkeypatch.setattr("alsek.dashboard.reading.store_view.FRESH_S", 3_600.0)
    one = _rounds_of(broker, calls, [OVERVIEW], 1)
    assert (one["tallies"], one["workers"]) == (1, 1)
    assert _rounds_of(broker, calls, [OVERVIEW, QUEUES] * 50, 1) == one


def test_pages_of_one_message_are_read_in_turn(broker: Broker, calls: Counter[str]) -> None:
    """A round reads one of them, however many are open."""
    for number in range(20):
        broker.submit(Message("t", uuid=f"m{number}", queue="q"))
    one = _rounds_of(broker, calls, [_message(0)], 3)
    many = _rounds_of(broker, calls, [_message(number) for number in range(20)] * 2, 3)
    assert 0 < many["find"] <= one["find"]


def test_nothing_is_read_while_no_page_is_open(broker: Broker, calls: Counter[str]) -> None:
    """After the last page has closed, the reader ends."""

    async def open_and_close() -> None:
        feed = _feed(broker)
        async with feed.subscribed(OVERVIEW) as inbox:
            await inbox.get()
            (reader,) = feed._readers.values()
        assert reader.task is not None
        await reader.task
        before = Counter(calls)
        await asyncio.sleep(0.01)
        assert calls == before
        async with feed.subscribed(OVERVIEW) as inbox:
            await inbox.get()

    asyncio.run(open_and_close())


def test_the_latest_alone_waits_for_a_slow_page() -> None:
    """What a page has not taken is replaced by what is newer."""

    async def fall_behind() -> None:
        numbers = iter(range(1_000))
        read: Callable[[View], Awaitable[str]] = lambda view: asyncio.sleep(0, str(next(numbers)))  # noqa: E731
        feed = Feed(read, 0.0)
        async with feed.subscribed(OVERVIEW) as slow, feed.subscribed(OVERVIEW) as quick:
            seen = [int(await quick.get()) for _ in range(5)]
            assert int(await slow.get()) >= seen[-1]
            assert seen == sorted(set(seen))

    asyncio.run(fall_behind())


def test_an_outage_ends_no_page(caplog: pytest.LogCaptureFixture) -> None:
    """While the store can't be used, pages get nothing; then they go on."""

    async def through_an_outage() -> None:
        answers = iter(["one", BackendUnavailableError("the store is away"), "two"])

        async def read(view: View) -> str:
            answer = next(answers, "two")
            if isinstance(answer, Exception):
                raise answer
            return answer

        async with Feed(read, 0.0).subscribed(OVERVIEW) as inbox:
            assert await inbox.get() == "one"
            assert await inbox.get() == "two"

    asyncio.run(through_an_outage())
    assert "The dashboard can't read the store: the store is away" in caplog.text


def test_a_fault_of_one_page_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """A page that can't be made gets no news, and is logged once; the others go on."""

    async def beside_a_fault() -> None:
        numbers = iter(range(1_000))

        async def read(view: View) -> str:
            if view is QUEUES:
                raise KeyError("a mistake")
            return str(next(numbers))

        feed = Feed(read, 0.0)
        async with feed.subscribed(QUEUES) as faulty, feed.subscribed(OVERVIEW) as inbox:
            for _ in range(3):
                await inbox.get()
            assert faulty.empty()

    asyncio.run(beside_a_fault())
    assert caplog.text.count("can't show what is new of page 'queues'") == 1


def test_events(broker: Broker) -> None:
    """A page gets its news as an event of server-sent events, with the seal of its own forms."""
    broker.submit(Message("t", queue="q"))

    async def first_event() -> str:
        feed = Feed(lambda view: asyncio.sleep(0, "<p>\nseal-x\u2028</p>"), 0.0)
        stream = events(feed, OVERVIEW, "seal-x", "mine")
        try:
            assert await anext(stream) == "retry: 1000\n\n"
            return await anext(stream)
        finally:
            await stream.aclose()

    assert asyncio.run(first_event()) == "data: <p>\ndata: mine\ndata: </p>\n\n"
