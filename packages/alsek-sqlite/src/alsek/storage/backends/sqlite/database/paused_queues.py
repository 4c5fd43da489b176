"""The paused queues as this process last saw them: what comes into those wakes nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alsek.exceptions import BackendError
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import Lane

#: How many names a process keeps.
_MOST_KEPT: Final = 1_000

_NAMES: Final = f"""
    SELECT q.name FROM pauses AS p CROSS JOIN queues AS q ON q.id = p.queue WHERE q.ns = ? LIMIT {_MOST_KEPT}
"""  # noqa: S608


class PausedQueues:
    """Remembers which queues are paused, so that no worker is woken for what comes into them.

    A transaction that makes something ready does not ask whether its queue is paused: that would cost each message a
    statement. A process looks now and then, in the transactions that sweep. From then on it asks the file before it
    wakes workers for one of these queues. Until it has looked, a message of a paused queue may wake a worker, which
    finds nothing.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: frozenset[str] = frozenset()

    @property
    def any(self) -> bool:
        """True if a queue was paused when this process last looked."""
        return bool(self._seen)

    def look(self, tx: Transaction) -> None:
        """Read which queues are paused."""
        self._seen = frozenset(name for (name,) in tx.execute(_NAMES, (tx.ns,)).fetchall())

    def to_wake(self, lanes: set[Lane], read: Callable[[Callable[[Transaction], None]], None]) -> set[Lane]:
        """Return those of these lanes, of which a commit has made something ready, whose queues are not paused.

        A queue that is resumed meanwhile loses no wake-up: who resumes it wakes workers for all that is ready.
        """
        if not any(lane.queue in self._seen for lane in lanes):
            return lanes
        try:
            read(self.look)
        except BackendError:
            return lanes  # the commit stands, and a needless wake-up costs little
        return {lane for lane in lanes if lane.queue not in self._seen}
