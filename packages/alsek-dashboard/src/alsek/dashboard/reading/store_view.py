"""The store as pages see it: an inspector, and a snapshot that all pages of one moment share."""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

from alsek.core.broker import Broker
from alsek.core.clock import real_time
from alsek.core.inspection.dead import DeadGroup
from alsek.core.inspection.inspector import Inspector
from alsek.dashboard.masking import Masker
from alsek.dashboard.reading.minutes import Minutes
from alsek.dashboard.reading.snapshot import Snapshot
from alsek.storage.backends.abstract import Backend

#: A snapshot is shared by all pages for so long.
FRESH_S: Final = 0.9
#: The age of the oldest message is read of so many queues, those with the most ready messages.
_AGED: Final = 50
#: Of so many dead letters the causes are told on the overview. With more, all of them would be read too often.
_MOST_CAUSES_READ: Final = 500
_MOST_QUEUES_READ: Final = 100
_CAUSES_KEPT_FOR_S: Final = 15.0


class _Causes(NamedTuple):
    """The causes of dead letters, how many of these each queue had then, and when that was."""

    counts: tuple[tuple[str, int], ...]
    read_at: float
    groups: list[DeadGroup]


class StoreView:
    """Reads the store for all pages. Its methods block: they run in the dashboard's threads.

    Args:
        broker: Of the store.
        masker: Hides arguments.
    """

    def __init__(self, broker: Broker, masker: Masker) -> None:
        self.broker = broker
        self.masker = masker
        self.inspector = Inspector(broker)
        self._lock = threading.Lock()
        self._minutes = Minutes()
        self._snapshot: Snapshot | None = None
        self._taken_at = 0.0
        self._causes: _Causes | None = None

    @property
    def backend(self) -> Backend:
        """The store."""
        return self.inspector.backend

    def snapshot(self) -> Snapshot:
        """Return the store as it is now, or as it was less than a second ago. Callers at one time share one reading.

        Raises:
            BackendError: The store can't be used.
        """
        with self._lock:
            if self._snapshot is None or real_time.monotonic() - self._taken_at > FRESH_S:
                self._snapshot = self._take()
                self._taken_at = real_time.monotonic()
            return self._snapshot

    def forget(self) -> None:
        """Read the store anew for the next page: something was changed."""
        with self._lock:
            self._snapshot = self._causes = None

    def _take(self) -> Snapshot:
        inspector = self.inspector
        now = self.backend.messages.now()
        return Snapshot(
            self.backend.describe(),
            now,
            inspector.queues(aged=_AGED),
            inspector.workers(),
            inspector.schedules(),
            self._minutes.read(inspector, now),
        )

    def causes(self, snapshot: Snapshot) -> list[DeadGroup] | None:
        """Return the causes of dead letters, those that failed last first; None if there are too many dead letters.

        They are read again if the number of dead letters of a queue has changed, and after a while.
        """
        counts = tuple((queue.name, queue.dead) for queue in snapshot.queues if queue.dead)
        if sum(dead for _, dead in counts) > _MOST_CAUSES_READ or len(counts) > _MOST_QUEUES_READ:
            return None
        known, now = self._causes, real_time.monotonic()
        if known is None or known.counts != counts or now - known.read_at > _CAUSES_KEPT_FOR_S:
            groups = self.inspector.dead(group=True) if counts else []
            known = self._causes = _Causes(counts, now, sorted(groups, key=lambda group: -group.last))
        return known.groups
