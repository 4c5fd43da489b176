"""Telling the monitor what was counted. What it does not take now is kept for the next time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from alsek.core.worker.monitor.channel import MOST_BYTES, Channel
from alsek.storage.backends.history import added
from alsek.storage.backends.records import HistoryCounts

#: Longer names of queues and tasks are cut: a datagram has room for each, in six bytes a character at most.
_LONGEST_NAME: Final = 1_000


class CountReports:
    """Sends the counts of one process.

    Attributes:
        unsent: What the monitor has not taken, by queue and task.
    """

    def __init__(self, channel: Channel) -> None:
        self.unsent: dict[tuple[str, str], str] = {}
        self._channel = channel

    def send(self, counts: Iterable[HistoryCounts] = ()) -> None:
        """Send these counts, and those that are unsent. Never waits."""
        for queue, task, text in counts:
            key = queue[:_LONGEST_NAME], task[:_LONGEST_NAME]
            self.unsent[key] = added((self.unsent[key], text)) if key in self.unsent else text
        for piece in list(self._pieces()):
            if not self._channel.send({"counts": [[*key, self.unsent[key]] for key in piece]}):
                return
            for key in piece:
                del self.unsent[key]

    def _pieces(self) -> Iterator[list[tuple[str, str]]]:
        """The keys of what is unsent, in portions that fit a datagram."""
        piece: list[tuple[str, str]] = []
        size = 0
        for key, text in self.unsent.items():
            more = _size(*key, text)
            if piece and size + more > MOST_BYTES - 100:
                yield piece
                piece, size = [], 0
            piece.append(key)
            size += more
        if piece:
            yield piece


def _size(*texts: Any) -> int:
    """At least as many bytes as the JSON of these texts, without making it."""
    return 20 + sum(len(text) if text.isascii() and text.isprintable() else 12 * len(text) for text in texts)
