"""Subscriptions to channels, and the notes that they receive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import NamedTuple

from alsek.storage.backends.records import ResultRecord, StatusRecord


class Note(NamedTuple):
    """A note that was published on a channel.

    Attributes:
        channel: The name of the channel, without the namespace.
        data: On ``results:…`` the packed :class:`~alsek.storage.backends.records.ResultRecord`, or empty: then the
            receiver must read the result (it is too large for a note, or the message has ended without one). On
            ``statuses:…`` the packed :class:`~alsek.storage.backends.records.StatusRecord`. On ``locks:…`` empty. On
            any other channel the serialized value.
    """

    channel: str
    data: bytes


class Subscription(ABC):
    """Receives what is published on some channels, from its creation until it is closed.

    Notes are hints: after a lost connection some may be missing. A caller that needs the state subscribes first, reads
    the state, waits for a note, and reads the state again.
    """

    @abstractmethod
    def wait(self, timeout: int | None = None) -> Note | None:
        """The next note; None after `timeout` ms, and whenever a note may have been missed."""

    def has_note(self) -> bool:
        """Return True if the next :meth:`wait` returns at once, because a note has arrived or may have been missed.

        A caller that handles many notes at once takes those that are there before it does so. A store that can't tell
        returns False.
        """
        return False

    @abstractmethod
    def close(self) -> None:
        """Unsubscribe."""

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


class ResultWatch(NamedTuple):
    """A subscription to the result of one message, and the result that was stored when the subscription began.

    Attributes:
        news: Notes on ``results:<uuid>``. The caller closes it.
        record: The stored result; None if there was none.
        may_have_failed: False only if there was no dead letter of the message, and its status was neither FAILED nor
            UNKNOWN.
    """

    news: Subscription
    record: ResultRecord | None
    may_have_failed: bool = True


class StatusWatch(NamedTuple):
    """A subscription to the statuses of one message, and the status that was stored when the subscription began.

    Attributes:
        news: Notes on ``statuses:<uuid>``. The caller closes it.
        record: The stored status; None if there was none.
    """

    news: Subscription
    record: StatusRecord | None
