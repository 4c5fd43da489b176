"""Stores new messages."""

from __future__ import annotations

from alsek.storage.backends.header import submission_tail
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.transitions import delay_or_make_ready
from alsek.storage.backends.records import ACCEPTED, Added, Submission, TaskStatus


def add_one(table: MessageTable, submission: Submission, request: str) -> Added:
    """Store a message if its uuid is new, or was submitted by the same request before."""
    uuid = submission.uuid
    if same_request(table, uuid, request):
        return ACCEPTED
    stored = table.messages.get(uuid)
    if stored is not None:
        return Added(False, uuid, stored.state)
    remembered = table.remembered.get(uuid)
    if remembered is not None and remembered.taken:
        return Added(False, uuid, "finished")
    if submission.named:
        _clear_traces(table, submission)
    insert(table, submission, request)
    return ACCEPTED


def insert(table: MessageTable, submission: Submission, request: str) -> None:
    """Store a message whose uuid is not that of a stored one."""
    tail = "" if submission_tail is None else submission_tail(submission)
    message = StoredMessage(submission, request, bytes(submission.payload), tail=tail)
    table.set_status(message, TaskStatus.SUBMITTED)
    delay_or_make_ready(table, message, submission.delay)


def same_request(table: MessageTable, uuid: str, request: str) -> bool:
    """Return True if the message of this uuid, stored or just ended, was submitted by this request."""
    known = table.messages.get(uuid) or table.remembered.get(uuid)
    return bool(request) and known is not None and known.request == request


def _clear_traces(table: MessageTable, submission: Submission) -> None:
    """Delete what is left of an earlier message of this uuid: result, status, and dead letter of this queue."""
    uuid, results = submission.uuid, table.store.results
    results.pop(uuid)
    for other, (record, progenitor) in results.items():
        if progenitor == uuid:
            results.amend(other, (record, None))
    table.store.statuses.pop(uuid)
    table.dead.pop((submission.queue, uuid))
