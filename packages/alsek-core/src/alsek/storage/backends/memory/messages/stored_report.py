"""What a :class:`~alsek.storage.backends.memory.MemoryBackend` keeps of the reports on one message."""

from __future__ import annotations

from dataclasses import dataclass

from alsek.storage.backends.records import Report, ReportRecord


@dataclass(eq=False, slots=True)
class StoredReport:
    """What is kept of the reports on a message.

    Attributes:
        record: What the port shows, with all lines.
        number: The number of the last report under the record's token.
    """

    record: ReportRecord
    number: int = 0

    def take_in(self, report: Report, now: int) -> None:
        """Take in a report of the current claim, unless a later one of the same claim was taken in before."""
        kept = self.record
        if report.token == kept.token and report.number <= self.number:
            return
        self.number = report.number
        self.record = ReportRecord(
            report.uuid,
            report.token,
            now,
            kept.progress if report.progress is None else bytes(report.progress),
            kept.checkpoint if report.checkpoint is None else bytes(report.checkpoint),
            (*kept.lines, *map(bytes, report.lines))[-report.keep :] if report.keep else kept.lines,
        )
