"""Calls that never wait for long, for callers that have others to serve meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from redis.exceptions import TimeoutError as NoReplyError

from alsek.core.clock import real_time as time
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS, unavailable

#: How long (ms) a server may take to connect, and again to answer.
PROMPT_MS: Final = 500


class PromptLink(Link):
    """A link whose calls end within about half a second.

    A call whose idle connection was broken is sent once more, on a new one. One that is not answered in time is not
    sent again, and a cluster is not asked which node has the key now: the caller has a link of the usual kind for that.

    Args:
        connection: As of :class:`Link`.
        timeout: How long (ms) a call of others may take: these take no longer.
        home: As of :class:`Link`.
    """

    def __init__(self, connection: Any, timeout: int, home: str = "") -> None:
        super().__init__(connection, min(timeout, 2 * PROMPT_MS), home)

    def look_around(self) -> None:
        """Ask nobody: that may take long."""

    def _retry(self, ask: Callable[[float], Any], failure: Exception | None = None) -> Any:
        begun = time.monotonic()
        try:
            if isinstance(failure, NoReplyError):
                raise failure
            reply = ask(self.timeout / 2000)
        except CLIENT_ERRORS as error:
            self.raise_permanent(error)
            # No outage is logged: its caller knows whether it is one, or was over at the second attempt.
            raise unavailable(self.where, int((time.monotonic() - begun) * 1000), error) from error
        return reply
