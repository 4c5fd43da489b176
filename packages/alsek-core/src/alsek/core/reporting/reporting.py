"""What the holder of one claim tells of its message, until the store has it.

A report that was sent may or may not have arrived until it is answered. It is kept as it is, and sent again with what
comes after it; the store takes each number once. So nothing is lost with a reply, and no line is kept twice.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from alsek.core.reporting.progress import Progress, progress_to_wire
from alsek.storage.backends.records import Claimed, Report, Worker

#: The most bytes of log lines that wait to be sent for one message; the oldest go.
MOST_BYTES: Final = 262_144
#: Greater than the number of any report of a process that ran a task.
_ABOVE_ALL: Final = 2**40


class Reporting:
    """The reports on one claim. Thread-safe; only :meth:`Reporter.save` and the reporter's thread wait for the store.

    The locks may be acquired again by the thread that holds them: the garbage collector may run user code at any
    point, which may log.

    Args:
        claimed: The claim.
        worker: The worker that holds it.
        follows: Another process, which has died, may have reported under this token: the numbers are above its own.

    Attributes:
        sending: Held while a report of this claim is on its way, so that they arrive in the order of their numbers.
        saved: The checkpoint that was saved last, serialized; at first that of an earlier attempt, if there is one.
        closed: The outcome of the message was handed over: nothing more may be told.
        lost: The store has refused a report: another worker may have the message.
    """

    __slots__ = (
        "_bytes",
        "_keep",
        "_lines",
        "_lock",
        "_number",
        "_progress",
        "_unanswered",
        "claimed",
        "closed",
        "lost",
        "saved",
        "sending",
        "worker",
    )

    def __init__(self, claimed: Claimed, worker: Worker, *, follows: bool = False) -> None:
        self.claimed = claimed
        self.worker = worker
        self.sending = threading.RLock()
        self.saved = claimed.checkpoint
        self.closed = self.lost = False
        self._lock = threading.RLock()  # never held during a call of the store
        self._number = _ABOVE_ALL if follows else 0
        self._unanswered: Report | None = None
        self._progress: Progress | None = None
        self._lines: deque[bytes] = deque()
        self._bytes = self._keep = 0

    @property
    def has_lines(self) -> bool:
        """True if a line of this attempt was given already."""
        return self._keep > 0

    def show(self, progress: Progress) -> bool:
        """Keep progress for the next report. Returns False if nothing more may be told."""
        with self._lock:
            if not self.closed:
                self._progress = progress
            return not self.closed

    def add_line(self, line: bytes, keep: int) -> bool:
        """Keep a line for the next report, with at most `keep` - 1 before it. Returns False likewise."""
        with self._lock:
            if self.closed:
                return False
            self._keep = keep
            self._lines.append(line)
            self._bytes += len(line)
            while len(self._lines) > keep or (self._bytes > MOST_BYTES and len(self._lines) > 1):
                self._bytes -= len(self._lines.popleft())
            return True

    def next_report(self) -> Report | None:
        """Return the report to send now; None if there is none. The caller has acquired `sending`."""
        with self._lock:
            if self.closed or self.lost:
                return None
            if self._unanswered is None:
                self._unanswered = self._new_report()
            return self._unanswered

    @property
    def is_pending(self) -> bool:
        """True if there is something that the store may not have."""
        return (
            not self.closed
            and not self.lost
            and bool(self._unanswered is not None or self._progress is not None or self._lines)
        )

    def on_answer(self, number: int, *, refused: bool) -> None:
        """Take in that the store has answered to a report."""
        with self._lock:
            self.lost = self.lost or refused
            if self._unanswered is not None and self._unanswered.number <= number:
                self._unanswered = None

    def checkpoint_reports(self, data: bytes) -> tuple[Report, ...]:
        """Return the reports that save a checkpoint; none if nothing more may be told.

        The first of two is one that is unanswered. The caller has acquired `sending`.
        """
        with self._lock:
            if self.closed:
                return ()
            before = () if self._unanswered is None else (self._unanswered,)
            return (*before, self._numbered()._replace(checkpoint=data))

    def close(self) -> tuple[Report, ...]:
        """Return the last reports, which are to travel with the outcome; nothing more may be told."""
        with self._lock:
            if self.closed:
                return ()
            self.closed = True
            last = (self._unanswered, self._new_report())
            return tuple(report for report in last if report is not None)

    def _new_report(self) -> Report | None:
        """Return what is pending as a new report; None if nothing is."""
        if self._progress is None and not self._lines:
            return None
        progress, self._progress = self._progress, None
        lines = tuple(self._lines)
        self._lines.clear()
        self._bytes = 0
        return self._numbered()._replace(
            progress=None if progress is None else progress_to_wire(progress),
            lines=lines,
            keep=self._keep if lines else 0,
        )

    def _numbered(self) -> Report:
        self._number += 1
        claimed = self.claimed
        return Report(claimed.uuid, claimed.queue, claimed.token, self._number)
