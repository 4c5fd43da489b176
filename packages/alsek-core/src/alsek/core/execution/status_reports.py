"""Reports to status trackers that the store does not write in its own steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from alsek.core.execution.conclusions import Conclusion
from alsek.core.execution.delivery import Delivery
from alsek.core.execution.guarded_hooks import call_guarded
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import AnyTask


class StatusReport(NamedTuple):
    """A status to send to a tracker after the store has accepted the outcome."""

    tracker: StatusTracker
    message: Message
    status: TaskStatus


def send_report(report: StatusReport) -> None:
    """Call the tracker; an exception that it raises is logged."""
    call_guarded(report.tracker.set, report.message, report.message, report.status)


def report_status(task: AnyTask, delivery: Delivery, status: TaskStatus) -> None:
    """Send a status to the task's tracker at once, if the store does not write the task's statuses itself."""
    if task.status_tracker is not None and not delivery.status_ttl:
        call_guarded(task.status_tracker.set, delivery, delivery.restore(), status)


def pending_reports(
    tasks: Mapping[str, AnyTask], task: AnyTask | None, delivery: Delivery, conclusion: Conclusion
) -> list[StatusReport]:
    """Return the reports to send once the store has accepted the outcome: the message's, and its callback's.

    Args:
        tasks: The worker's tasks. The submission of a callback whose task is not among them is not reported.
        task: The message's task; None if the worker does not have it: then there is nothing to report.
        delivery: The message.
        conclusion: How it ended.
    """
    reports: list[StatusReport] = []
    if task is None:
        return reports
    if task.status_tracker is not None and not delivery.status_ttl:
        reports.append(StatusReport(task.status_tracker, delivery.restore(), conclusion.status))
    callback = conclusion.callback
    if callback is not None and not callback.status_ttl:
        next_task = tasks.get(callback.task_name)
        if next_task is not None and next_task.status_tracker is not None:
            reports.append(StatusReport(next_task.status_tracker, callback, TaskStatus.SUBMITTED))
    return reports
