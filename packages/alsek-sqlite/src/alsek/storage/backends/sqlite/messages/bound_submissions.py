"""Stores new messages that have limits or a unique key: they may have to wait, or take another one's place."""

from __future__ import annotations

from typing import Final

from alsek.storage.backends.header import tail_values
from alsek.storage.backends.records import ACCEPTED, Added, Stored, Submission, UniqueKey
from alsek.storage.backends.sqlite.database.queue_names import queue_number
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import WISH_NUMBERS, Lane
from alsek.storage.backends.sqlite.messages import unique_keys
from alsek.storage.backends.sqlite.messages.bonds import bonds_of
from alsek.storage.backends.sqlite.messages.limits import note_numbers
from alsek.storage.backends.sqlite.messages.moved_messages import New
from alsek.storage.backends.sqlite.messages.new_rows import (
    answer,
    insert_row,
    is_new,
    make_queue,
    note_replaced,
    replaced_by,
)
from alsek.storage.backends.sqlite.messages.transitions import (
    STATE,
    free_key,
    place_new,
    raise_arrivals,
    replace,
)
from alsek.storage.backends.sqlite.messages.unique_keys import Holder
from alsek.storage.backends.states import UuidState

_STORED: Final = f"SELECT m.id, {STATE}, m.tail, m.losses FROM messages AS m WHERE m.ns = ? AND m.uuid = ?"  # noqa: S608


def add(tx: Transaction, submission: Submission, request: str, tail: str, *, anew: bool) -> Added:
    """Store one message; the arguments are those of ``submissions.add_one``, and the tail of its header."""
    uuid, unique = submission.uuid, submission.unique
    if not is_new(tx, uuid, request, anew=anew):
        return Added(False, uuid) if anew else _answer(tx, uuid, request)
    holder = None if unique is None else _holder(tx, unique)
    if unique is not None and holder is not None and not (anew and holder.uuid == uuid):
        return _beside(tx, submission, request, tail, unique, holder, anew=anew)
    _store(tx, submission, request, tail, anew=anew)
    if unique is not None:
        unique_keys.take(tx, uuid, unique)
    return ACCEPTED


def _answer(tx: Transaction, uuid: str, request: str) -> Added:
    """Return the answer to a submission whose uuid is not new."""
    added = answer(tx, uuid, request)
    return Added(True, replaced_by(tx, uuid, request)) if added.accepted else added


def _holder(tx: Transaction, unique: UniqueKey) -> Holder | None:
    holder = unique_keys.holder(tx, unique.key)
    if holder is not None and holder.behind and not holder.holds:
        free_key(tx, holder.uuid, unique)  # 0.1.0 has ended the holder
        holder = unique_keys.holder(tx, unique.key)
    return holder


def _beside(
    tx: Transaction,
    submission: Submission,
    request: str,
    tail: str,
    unique: UniqueKey,
    holder: Holder,
    *,
    anew: bool,
) -> Added:
    """Do what is asked for if another message holds the key: refuse this one, replace a message, or wait."""
    row = tx.execute(_STORED, (tx.ns, holder.uuid)).fetchone()
    state: UuidState = "finished" if row is None else row[1]
    if anew or unique.conflict != "replace" or not holder.holds:
        return Added(False, holder.uuid, state)
    assert row is not None  # else it would hold nothing
    kept = tail_values(Stored, row[2])
    # An uncounted retry leaves the number of retries as it is.
    has_begun = state == "claimed" or row[3] > 0 or bool(kept.get("retries") or kept.get("updated_at"))
    replaced = holder.behind if has_begun else holder.uuid
    uuid = replaced or submission.uuid
    if replaced:
        number, _, old_tail, _ = tx.execute(_STORED, (tx.ns, replaced)).fetchone()
        replace(tx, number, replaced, old_tail)
        note_replaced(tx, submission.uuid, request, replaced)
        submission = submission._replace(uuid=replaced, named=False)
    _store(tx, submission, request, tail, anew=bool(replaced), behind=has_begun)
    if has_begun:
        unique_keys.wait_behind(tx, uuid, unique)
    else:
        unique_keys.take(tx, uuid, unique)
    return Added(True, replaced)


def _store(
    tx: Transaction,
    submission: Submission,
    request: str,
    tail: str,
    *,
    anew: bool = False,
    behind: bool = False,
) -> None:
    """Store a message whose uuid is new."""
    make_queue(tx, submission.queue)
    if submission.limits:
        raise_arrivals(tx, queue_number(tx, submission.queue), 1)
        note_numbers(tx, submission.limits)
    message = insert_row(tx, submission, request, tail, anew=anew, by_hand=True)
    assert message is not None
    due = tx.now + submission.delay if submission.delay > 0 else None
    lane = Lane(submission.queue, WISH_NUMBERS[submission.wish])
    place_new(tx, New(message, due, lane, bonds_of(tail).limits, behind))
