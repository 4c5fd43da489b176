"""Server-sent events: what one open page gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from alsek.core.clock import real_time
from alsek.dashboard.live.feed import Feed
from alsek.dashboard.pages.page import View

#: A stream ends after this, and the browser opens the next one at once: so a server that stops waits no longer for it,
#: and a session that has ended is noticed.
LIFETIME_S: Final = 30.0
#: Something is sent this often at least, so that nobody on the way takes the stream for dead.
_SILENCE_S: Final = 10.0


async def events(feed: Feed, view: View, placeholder: str, seal: str) -> AsyncGenerator[str]:
    """Yield what is new of a page as events, with the seal of this page's forms in its place."""
    ends_at = real_time.monotonic() + LIFETIME_S
    yield "retry: 1000\n\n"
    async with feed.subscribed(view) as inbox:
        while (left_s := ends_at - real_time.monotonic()) > 0:
            try:
                text = await asyncio.wait_for(inbox.get(), min(left_s, _SILENCE_S))
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if text is None:
                return
            lines = text.replace(placeholder, seal).splitlines()
            yield "".join(f"data: {line}\n" for line in lines) + "\n"
