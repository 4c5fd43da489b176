"""What a broker holds for those of its tasks that say nothing else."""

from __future__ import annotations

from typing import Any

from alsek.core.bounds import check_integer
from alsek.core.short_repr import shown
from alsek.core.status import StatusTracker
from alsek.defaults import MOST_LOG_LINES
from alsek.exceptions import ValidationError
from alsek.storage.result import ResultStore


def check_defaults(result_store: Any, status_tracker: Any, keep_logs: Any) -> None:
    """Check what a broker was given for its tasks.

    Raises:
        ValidationError: One is of the wrong kind, or there are too many lines to keep.
    """
    for name, value, kind in (
        ("result_store", result_store, ResultStore),
        ("status_tracker", status_tracker, StatusTracker),
    ):
        if value is not None and not isinstance(value, kind):
            raise ValidationError(f"{name}={shown(value)} of Broker: must be None or a {kind.__name__}")
    check_integer("keep_logs", keep_logs, 0, "Broker")
    if keep_logs > MOST_LOG_LINES:
        raise ValidationError(f"keep_logs={keep_logs} of Broker: must be at most {MOST_LOG_LINES}")
