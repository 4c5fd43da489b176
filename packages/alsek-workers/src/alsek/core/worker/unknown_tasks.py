"""What pools log of messages whose task they do not have, once the store has decided about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger
from alsek.storage.backends.records import Claimed, SetAside

log = guarded_logger(__name__)

#: How long nothing more is logged of the messages of one task that are set aside.
QUIET_MS: Final = 60_000
#: How many tasks are remembered for that: names come from producers.
_MOST_TASKS: Final = 1_000


class UnknownTasks:
    """Logs an error for each message that fails; once a minute and task, that its messages are set aside.

    Args:
        clock: Returns monotonic ms.
    """

    def __init__(self, clock: Callable[[], int] = monotonic_ms) -> None:
        self._clock = clock
        #: When the last line about each task was written.
        self._logged_at: dict[str, int] = {}

    def log(self, claimed: Claimed, outcome: SetAside, *, failed: bool) -> None:
        """Log what became of a message.

        Args:
            claimed: The message.
            outcome: What the store was told.
            failed: It is a dead letter. Otherwise it is set aside.
        """
        where = {"uuid": claimed.uuid, "task": outcome.task, "queue": claimed.queue}
        if failed:
            details = json.loads(outcome.error)
            log.error(
                "Message(uuid=%r, queue=%r, task=%r) failed for good: %s: %s",
                claimed.uuid,
                claimed.queue,
                outcome.task,
                details["name"],
                details["text"],
                extra={"event": "failed", **where, "attempt": claimed.retries + 1, "ms": None},
            )
        elif self._is_due(outcome.task):
            log.info(
                "Messages of task %r, which this pool does not have, are left to the workers that have it.",
                outcome.task,
                extra={"task": outcome.task, "queue": claimed.queue},
            )

    def _is_due(self, task: str) -> bool:
        """Return True, and remember it, if nothing was logged about the task within the last minute."""
        now = self._clock()
        logged_at = self._logged_at.get(task)
        if logged_at is not None and now - logged_at < QUIET_MS:
            return False
        if len(self._logged_at) >= _MOST_TASKS:
            self._logged_at.clear()
        self._logged_at[task] = now
        return True
