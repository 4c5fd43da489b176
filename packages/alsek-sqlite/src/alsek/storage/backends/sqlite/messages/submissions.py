"""Stores new messages."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.header import submission_tail
from alsek.storage.backends.records import ACCEPTED, Added, Submission
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import bound_submissions
from alsek.storage.backends.sqlite.messages.new_rows import answer, insert_row


def add(tx: Transaction, submissions: Sequence[Submission], request: str) -> list[Added]:
    """Store messages whose uuid is new and whose key is free, or that the same request submitted before."""
    return [add_one(tx, submission, request) for submission in submissions]


def add_one(tx: Transaction, submission: Submission, request: str, *, anew: bool = False) -> Added:
    """Store one message.

    Args:
        tx: The transaction.
        submission: The message.
        request: The request that submits it; empty for a callback, which the store submits itself.
        anew: The uuid counts as new also if a message of it has just ended: this is that message again.
    """
    tail = "" if submission_tail is None else submission_tail(submission)
    if tail and (submission.unique is not None or submission.limits):
        return bound_submissions.add(tx, submission, request, tail, anew=anew)
    if insert_row(tx, submission, request, tail, anew=anew) is not None:
        return ACCEPTED
    return Added(False, submission.uuid) if anew else answer(tx, submission.uuid, request)


def insert(tx: Transaction, submission: Submission, request: str) -> bool:
    """Store one message; return True if it was stored, under its uuid or in place of another one."""
    return add_one(tx, submission, request).accepted
