"""Stores new messages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TypeAlias

from alsek.storage.backends.header import submission_tail
from alsek.storage.backends.records import ACCEPTED, Added, Limit, Submission
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import bound_submissions, limited_submissions
from alsek.storage.backends.sqlite.messages.new_rows import answer, insert_row

#: What messages share that are stored together: the queue and the limits.
_Alike: TypeAlias = tuple[str, tuple[Limit, ...]]


def add(tx: Transaction, submissions: Sequence[Submission], request: str) -> list[Added]:
    """Store messages whose uuid is new and whose key is free, or that the same request submitted before."""
    answers: list[Added] = []
    for shared, run in groupby(submissions, _shared):
        if shared is None:
            answers += [_add_other(tx, submission, request) for submission in run]
        else:
            answers += _add_limited(tx, list(run), request)
    return answers


def add_one(tx: Transaction, submission: Submission, request: str, *, anew: bool = False) -> Added:
    """Store one message.

    Args:
        tx: The transaction.
        submission: The message.
        request: The request that submits it; empty for a callback, which the store submits itself.
        anew: The uuid counts as new also if a message of it has just ended: this is that message again.
    """
    if _shared(submission) is not None:
        return _add_limited(tx, [submission], request, anew=anew)[0]
    return _add_other(tx, submission, request, anew=anew)


def _add_other(tx: Transaction, submission: Submission, request: str, *, anew: bool = False) -> Added:
    """Store one message that has no limits, or a unique key."""
    tail = "" if submission_tail is None else submission_tail(submission)
    if tail and submission.unique is not None:
        return bound_submissions.add(tx, submission, request, tail, anew=anew)
    if insert_row(tx, submission, request, tail, anew=anew) is not None:
        return ACCEPTED
    return Added(False, submission.uuid) if anew else answer(tx, submission.uuid, request)


def _shared(submission: Submission) -> _Alike | None:
    """Return what a message with limits shares with others; None without limits, or with a unique key."""
    if not submission.limits or submission.unique is not None:
        return None
    return submission.queue, submission.limits


def _add_limited(
    tx: Transaction, submissions: Sequence[Submission], request: str, *, anew: bool = False
) -> list[Added]:
    """Store messages of one queue with the same limits: as many at once as these have room for, the others one by one.

    The first of the others may make the limits known, so there may be room after it.
    """
    assert submission_tail is not None
    with_tails = [(submission, submission_tail(submission)) for submission in submissions]
    answers: list[Added] = []
    for others in (1, len(with_tails)):
        if left := with_tails[len(answers) :]:
            answers += limited_submissions.add_those_with_room(tx, left, request, anew=anew)
        for submission, tail in with_tails[len(answers) :][:others]:
            answers.append(bound_submissions.add(tx, submission, request, tail, anew=anew))
    return answers


def insert(tx: Transaction, submission: Submission, request: str) -> bool:
    """Store one message; return True if it was stored, under its uuid or in place of another one."""
    return add_one(tx, submission, request).accepted
