"""Stores new messages with limits that have room: as plain messages are stored, and each takes up its places.

Nothing is let in by that, and the numbers of the limits stay as they are. Messages of a limit that is new, is full, has
other numbers, or for which others wait, are left to :mod:`~alsek.storage.backends.sqlite.messages.bound_submissions`.
"""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.records import ACCEPTED, Added, Limit, Submission
from alsek.storage.backends.sqlite.database.queue_names import queue_number
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.limits import admit, free_places
from alsek.storage.backends.sqlite.messages.new_rows import answer, insert_row, make_queue
from alsek.storage.backends.sqlite.messages.transitions import raise_arrivals


def add_those_with_room(
    tx: Transaction, submissions: Sequence[tuple[Submission, str]], request: str, *, anew: bool
) -> list[Added]:
    """Store the first of these messages, as many as there is room for at once.

    Args:
        tx: The transaction.
        submissions: Messages of one queue, with the same limits and without a unique key, and the tail of each.
        request: The request that submits them.
        anew: The uuid counts as new also if a message of it has just ended.

    Returns:
        The answers to those that were stored or refused.
    """
    first, _ = submissions[0]
    room = _room(tx, first.limits)
    if not room:
        return []
    make_queue(tx, first.queue)
    raise_arrivals(tx, queue_number(tx, first.queue), len(submissions))
    answers: list[Added] = []
    admitted: list[tuple[int, str]] = []
    left = min(room.values())
    for submission, tail in submissions:
        if submission.delay <= 0 and len(admitted) == left:
            break
        message = insert_row(tx, submission, request, tail, anew=anew)
        if message is None:
            uuid = submission.uuid
            answers.append(Added(False, uuid) if anew else answer(tx, uuid, request))
            continue
        answers.append(ACCEPTED)
        if submission.delay <= 0:
            admitted.append((message, submission.uuid))
    if admitted:
        for number in room:
            admit(tx, number, admitted)
    return answers


def _room(tx: Transaction, limits: Sequence[Limit]) -> dict[int, int]:
    """Return how many places are free of each of these limits, by its id; nothing if one has none."""
    room: dict[int, int] = {}
    for limit in limits:
        number, free = free_places(tx, limit)
        if free <= 0:
            return {}
        room[number] = free
    return room
