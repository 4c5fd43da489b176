"""One reader for all open pages: what it reads once goes to each of them.

It makes a round about once a second while pages are open, and none while there are none. A round takes one snapshot of
the store, of which most pages are made. Of the other pages (one message, the dead letters of one cause, …) it reads one
a round, in turn. So any number of open pages costs the store no more than one does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from alsek.core.loggers import guarded_logger
from alsek.dashboard.pages.page import View
from alsek.exceptions import AlsekError

log = guarded_logger(__name__)

#: From one round to the next.
INTERVAL_S: Final = 1.0
#: The longest wait after rounds that have failed.
LONGEST_WAIT_S: Final = 15.0

#: Where one open page gets what is new: the latest alone. None: there will be nothing more.
Inbox: TypeAlias = asyncio.Queue[str | None]


@dataclass(slots=True)
class _Reader:
    """The reader of one event loop.

    Attributes:
        inboxes: Of the open pages, by what they show.
        last: What was last sent, by what it shows.
        turn: The pages that are read in turn, the next one first.
        faulty: Those that can't be made, because of a mistake in the dashboard: they get no news.
        task: The rounds.
    """

    inboxes: dict[View, set[Inbox]] = field(default_factory=dict["View", "set[Inbox]"])
    last: dict[View, str] = field(default_factory=dict["View", str])
    turn: list[View] = field(default_factory=list["View"])
    faulty: set[View] = field(default_factory=set["View"])
    task: asyncio.Task[None] | None = None


class Feed:
    """Tells open pages what is new.

    Args:
        read: Returns the HTML of a page as it is now; empty if what it shows is gone.
        interval_s: From one round to the next, in seconds.
    """

    def __init__(self, read: Callable[[View], Awaitable[str]], interval_s: float = INTERVAL_S) -> None:
        self._read = read
        self._interval_s = interval_s
        self._readers: WeakKeyDictionary[asyncio.AbstractEventLoop, _Reader] = WeakKeyDictionary()

    @asynccontextmanager
    async def subscribed(self, view: View) -> AsyncGenerator[Inbox]:
        """Within this context, what is new of a page comes to the inbox."""
        reader = self._readers.setdefault(asyncio.get_running_loop(), _Reader())
        inbox: Inbox = asyncio.Queue(1)
        reader.inboxes.setdefault(view, set()).add(inbox)
        if not view.page.shared and view not in reader.turn:
            reader.turn.insert(0, view)
        if view in reader.last:
            inbox.put_nowait(reader.last[view])
        if reader.task is None or reader.task.done():
            reader.task = asyncio.create_task(self._rounds(reader))
        try:
            yield inbox
        finally:
            reader.inboxes[view].discard(inbox)
            if not reader.inboxes[view]:
                del reader.inboxes[view]
                reader.last.pop(view, None)
                reader.faulty.discard(view)
                if view in reader.turn:
                    reader.turn.remove(view)

    def end(self) -> None:
        """End all streams of the running event loop: its server stops."""
        reader = self._readers.get(asyncio.get_running_loop())
        for inbox in [] if reader is None else [each for some in reader.inboxes.values() for each in some]:
            _put(inbox, None)

    async def _rounds(self, reader: _Reader) -> None:
        """Make rounds as long as pages are open."""
        wait_s = self._interval_s
        while reader.inboxes:
            try:
                await self._round(reader)
                wait_s = self._interval_s
            except AlsekError as error:
                log.warning("The dashboard can't read the store: %s", error)
                wait_s = min(wait_s * 2, LONGEST_WAIT_S)
            await asyncio.sleep(wait_s)

    async def _round(self, reader: _Reader) -> None:
        views = [view for view in reader.inboxes if view.page.shared]
        if reader.turn:
            views.append(reader.turn[0])
            reader.turn.append(reader.turn.pop(0))
        for view in views:
            if view in reader.faulty:
                continue
            try:
                text = await self._read(view)
            except AlsekError:
                raise
            except Exception:  # a fault of one page must not end the news of all others
                log.exception("The dashboard can't show what is new of page %r.", view.page.name)
                reader.faulty.add(view)
                continue
            if not text or view not in reader.inboxes or reader.last.get(view) == text:
                continue
            reader.last[view] = text
            for inbox in reader.inboxes[view]:
                _put(inbox, text)


def _put(inbox: Inbox, text: str | None) -> None:
    """Put something into an inbox, in the place of what is there."""
    if inbox.full():
        inbox.get_nowait()
    inbox.put_nowait(text)
