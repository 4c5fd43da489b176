"""Statuses that have lost their message."""

from __future__ import annotations

import os
from typing import Any

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.background_thread import Background
from alsek.core.broker import Broker
from alsek.core.loggers import guarded_logger
from alsek.core.short_repr import shown
from alsek.core.status import TERMINAL, StatusTracker, TaskStatus
from alsek.exceptions import ValidationError

log = guarded_logger(__name__)


class StatusTrackerIntegrityScanner:
    """Sets to UNKNOWN, from time to time, the status of messages that are gone without having ended.

    That is, of those whose status is neither FAILED nor SUCCEEDED and that the broker has no more. With the stock
    classes on one backend there are none, since each status is written in the step that it tells of; there are some
    where a message was removed by hand, or where statuses are kept apart from the messages. A status that
    changes while it is looked at is left alone.

    It scans in a thread of the process that made it, until :meth:`shutdown` or until the program ends: then it is gone
    at once, also in the middle of a scan. A forked child does not scan; it may make a scanner of its own.

    Args:
        status_tracker: Whose statuses.
        broker: Whose messages; by default those on the tracker's own backend.
        trigger: When to scan (APScheduler 3); by default every hour. None to scan only when :meth:`scan` is called.

    Raises:
        ValidationError: An argument is of the wrong kind.
    """

    def __init__(
        self,
        status_tracker: StatusTracker,
        broker: Broker | None = None,
        trigger: BaseTrigger | None = IntervalTrigger(hours=1),  # noqa: B008  triggers are never changed
    ) -> None:
        if not isinstance(status_tracker, StatusTracker):
            raise ValidationError(f"status_tracker={shown(status_tracker)}: must be a StatusTracker")
        if broker is not None and not isinstance(broker, Broker):
            raise ValidationError(f"broker={shown(broker)}: must be None or a Broker")
        self.status_tracker = status_tracker
        self.broker = broker if broker is not None else Broker(status_tracker.backend)
        self.trigger = trigger
        self._scheduler: Any = None
        self._pid = os.getpid()
        if trigger is not None:
            self._background = Background(self.scan, "status integrity scan")
            # Its job takes no time, so it is run by the scheduler's own thread.
            self._scheduler = BackgroundScheduler(executors={"default": DebugExecutor()})
            self._scheduler.start()
            self._scheduler.add_job(
                self._background.request,
                trigger=trigger,
                name="status integrity",
                misfire_grace_time=None,
                coalesce=True,
            )

    def scan(self) -> int:
        """Scan once; how many statuses were set to UNKNOWN."""
        waiting = self._uuids_of_messages
        statuses = self.status_tracker.backend.statuses
        open_ones = [
            r for r in statuses.scan() if r.status not in TERMINAL and r.status is not TaskStatus.UNKNOWN
        ]
        if not open_ones:
            return 0
        present = waiting()
        changed = 0
        for record in open_ones:
            if record.uuid not in present and statuses.replace(
                record.uuid, record, TaskStatus.UNKNOWN, self.status_tracker.wire_ttl
            ):
                log.warning(
                    "The status of message %s was %s, but it is gone.", record.uuid, record.status.name
                )
                changed += 1
        return changed

    def _uuids_of_messages(self) -> set[str]:
        """All uuids in the broker. Read after the statuses: a message that moves on meanwhile has changed its own."""
        return set(self.broker.backend.messages.uuids())

    def shutdown(self) -> None:
        """Scan no more. A scan under way goes on. In a forked child there is nothing to stop."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is not None and self._pid == os.getpid():
            self._background.stop()
            scheduler.shutdown(wait=False)


#: The documentation's other spelling.
StatusTrackerIntegryScanner = StatusTrackerIntegrityScanner
