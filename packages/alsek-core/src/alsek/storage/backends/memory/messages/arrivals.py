"""Takes in what another store held, for a move."""

from __future__ import annotations

from alsek.storage.backends.copies import (
    KEY_HELD,
    UUID_ENDED,
    UUID_STORED,
    DeadLetterCopy,
    MessageCopy,
    StatusCopy,
    too_late,
)
from alsek.storage.backends.header import tail_values
from alsek.storage.backends.memory.messages import reports, unique_keys
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.transitions import adopt
from alsek.storage.backends.memory.messages.unique_keys import KeyState
from alsek.storage.backends.records import (
    FOR_EVER,
    DeadLetter,
    StatusRecord,
    Submission,
    TaskStatus,
    UniqueKey,
)


def refusal(table: MessageTable, copy: MessageCopy) -> str:
    """Return why a message can't be taken in; empty if it can."""
    stored, remembered = table.messages.get(copy.uuid), table.remembered.get(copy.uuid)
    if stored is not None:
        return f"{UUID_STORED} ({stored.state})"
    if remembered is not None and remembered.taken:
        return UUID_ENDED
    held = _key_held(table, tail_values(Submission, copy.tail).get("unique"))
    return KEY_HELD if held is not None and not _may_wait(held) else ""


def _key_held(table: MessageTable, unique: UniqueKey | None) -> KeyState | None:
    return None if unique is None else table.keys.get(unique.key)


def _may_wait(held: KeyState) -> bool:
    """Return True if one more message may wait behind the holder of a key."""
    return held.live and not held.waiting


def message(table: MessageTable, copy: MessageCopy) -> bool:
    """Store a message behind all others; return False if it can't be taken in now, so that it became a dead letter.

    It takes its unique key, or waits behind the holder.
    """
    if refusal(table, copy):
        error = too_late(copy.uuid)
        letter = DeadLetter(copy.uuid, copy.queue, copy.payload, error, table.store.clock())
        table.dead.put(
            (copy.queue, copy.uuid), letter._replace(**tail_values(DeadLetter, copy.tail)), FOR_EVER
        )
        reports.adopt(table, copy.uuid, copy.report)
        return False
    submission = Submission(
        copy.uuid,
        copy.queue,
        copy.payload,
        copy.priority,
        copy.wish,
        0,
        copy.ttl,
        copy.status_ttl,
        **tail_values(Submission, copy.tail),
    )
    arrived = StoredMessage(
        submission,
        copy.request,
        copy.payload,
        losses=copy.losses,
        revoked=copy.revoked,
        suspect=copy.suspect,
        version=copy.version,
        tail=copy.tail,
    )
    if copy.status is not None:
        status(table, copy.status)
    if copy.report is not None:
        reports.drop(table, copy.uuid)
        reports.adopt(table, copy.uuid, copy.report)
    since = None if copy.expiry is None else copy.expiry - copy.ttl
    behind = _key_held(table, submission.unique) is not None
    now = table.store.clock()
    if submission.unique is not None and behind:
        unique_keys.begin_window(table.keys, submission.unique, now)
    elif submission.unique is not None:
        unique_keys.take(table.keys, submission.unique, copy.uuid, now)
    adopt(table, arrived, copy.due, since, behind=behind)
    return True


def status(table: MessageTable, copy: StatusCopy) -> bool:
    """Store a status; return False if there is one already."""
    record = StatusRecord(copy.uuid, TaskStatus(copy.status), copy.details, copy.timestamp)
    adopted = table.store.statuses.adopt(copy.uuid, record, copy.expiry)
    if adopted:
        table.store.publish(f"statuses:{copy.uuid}", record.pack())
    return adopted


def dead_letter(table: MessageTable, copy: DeadLetterCopy) -> bool:
    """Store a dead letter behind all others; return False if there is one already."""
    attempt = tail_values(DeadLetter, copy.tail)
    letter = DeadLetter(copy.uuid, copy.queue, copy.payload, copy.error, copy.died_at, **attempt)
    adopted = table.dead.adopt(copy.key, letter, copy.expiry)
    if adopted:
        reports.adopt(table, copy.uuid, copy.report)
    return adopted
