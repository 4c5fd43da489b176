"""What running tasks have told of their messages: progress, checkpoint and log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alsek.core.inspection.contents import value_of
from alsek.core.reporting.progress import Progress, progress_in
from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import ReportRecord
from alsek.storage.serialization import Serializer

#: How many messages one call of the store is asked about.
_PIECE = 100


def progress_of(port: MessagePort, uuids: Sequence[str]) -> dict[str, Progress]:
    """Return the last progress of these messages, by uuid. Those that told none are left out."""
    found: dict[str, Progress] = {}
    for piece in in_pieces(uuids, _PIECE):
        for record in port.reports(piece):
            progress = progress_in(record)
            if record is not None and progress is not None:
                found[record.uuid] = progress
    return found


def reported(record: ReportRecord | None, serializer: Serializer) -> tuple[dict[str, Any], list[str]]:
    """Return what is kept of the reports on a message as fields of an info, and what of it can't be read."""
    if record is None:
        return {}, []
    checkpoint, trouble = value_of(record.checkpoint, serializer)
    fields = {
        "progress": progress_in(record),
        "checkpoint": checkpoint,
        "log": tuple(line.decode("utf-8", "replace") for line in record.lines),
        "reported_at": record.reported_at,
    }
    return fields, [f"its checkpoint {trouble}"] if trouble else []
