"""Stores new messages."""

from __future__ import annotations

from alsek.storage.backends.header import submission_tail
from alsek.storage.backends.memory.messages import admission, reports, unique_keys
from alsek.storage.backends.memory.messages.groups.keeping import hold
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.transitions import delay_or_make_ready, replace, wait_behind_key
from alsek.storage.backends.memory.messages.unique_keys import KeyState
from alsek.storage.backends.records import ACCEPTED, REPLAYED, Added, Submission, TaskStatus


def add_one(table: MessageTable, submission: Submission, request: str) -> Added:
    """Store a message if its uuid is new, or was submitted by the same request before, and its unique key is free."""
    uuid = submission.uuid
    if same_request(table, uuid, request):
        return _accepted_before(table, uuid)
    stored = table.messages.get(uuid)
    if stored is not None:
        return Added(False, uuid, stored.state)
    remembered = table.remembered.get(uuid)
    if remembered is not None and remembered.taken:
        return Added(False, uuid, "finished")
    held = None if submission.unique is None else table.keys.get(submission.unique.key)
    if held is not None:
        return _add_beside(table, submission, request, held)
    insert(table, submission, request)
    return ACCEPTED


def _accepted_before(table: MessageTable, uuid: str) -> Added:
    remembered = table.remembered.get(uuid)
    if uuid in table.messages or remembered is None or not remembered.stored_as:
        return ACCEPTED
    return Added(True, remembered.stored_as)


def _add_beside(table: MessageTable, submission: Submission, request: str, held: KeyState) -> Added:
    """Add a message whose key is held: refuse it, or let it take the holder's place, or wait behind the holder."""
    assert submission.unique is not None
    holder = table.messages.get(held.holder)
    if submission.unique.conflict != "replace" or holder is None or not held.live:
        return Added(False, held.holder, "finished" if holder is None else holder.state)
    behind = holder.has_begun
    replaced = table.messages.get(held.waiting) if behind else holder
    if replaced is None:
        insert(table, submission, request, behind=behind)
        return ACCEPTED
    replace(table, replaced, submission.uuid, request)
    insert(table, submission._replace(uuid=replaced.uuid, named=False), request, behind=behind)
    return Added(True, replaced.uuid)


def insert(table: MessageTable, submission: Submission, request: str, *, behind: bool = False) -> None:
    """Store a message whose uuid is not that of a stored one, and let it hold its unique key.

    With `behind`, let it wait behind the holder of that key.
    """
    if submission.named and request != REPLAYED:
        _clear_traces(table, submission)
    tail = "" if submission_tail is None else submission_tail(submission)
    message = StoredMessage(submission, request, bytes(submission.payload), tail=tail)
    table.set_status(message, TaskStatus.SUBMITTED)
    if table.on_stored is not None:
        table.on_stored(submission)
    if submission.joins:
        hold(table, submission.joins)
    admission.declare(table, submission.limits)
    unique, now = submission.unique, table.store.clock()
    if unique is not None and behind:
        wait_behind_key(table, message, submission.delay)
        unique_keys.begin_window(table.keys, unique, now)
        return
    if unique is not None:
        unique_keys.take(table.keys, unique, submission.uuid, now)
    delay_or_make_ready(table, message, submission.delay)


def same_request(table: MessageTable, uuid: str, request: str) -> bool:
    """Return True if the message of this uuid, stored or just ended, was submitted by this request."""
    known = table.messages.get(uuid) or table.remembered.get(uuid)
    return bool(request) and known is not None and known.request == request


def _clear_traces(table: MessageTable, submission: Submission) -> None:
    """Delete what is left of an earlier message of this uuid: result, status, notes, reports, dead letter."""
    uuid, results = submission.uuid, table.store.results
    results.pop(uuid)
    table.results.forget_failed_parent((uuid,))
    for other, (record, progenitor) in results.items():
        if progenitor == uuid:
            results.amend(other, (record, None))
    table.store.statuses.pop(uuid)
    table.dead.pop((submission.queue, uuid))
    reports.drop(table, uuid)
