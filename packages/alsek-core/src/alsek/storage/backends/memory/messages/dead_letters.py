"""Dead letters: moves messages to them, reads them, and takes them back."""

from __future__ import annotations

from alsek.storage.backends.corrupt_records import error_details
from alsek.storage.backends.endings import End
from alsek.storage.backends.header import tail_values, unreadable
from alsek.storage.backends.memory.messages import reports
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.submissions import insert, same_request
from alsek.storage.backends.memory.messages.transitions import end, leave
from alsek.storage.backends.records import ACCEPTED, REPLAYED, Added, Corrupt, DeadLetter, Submission


def add(table: MessageTable, message: StoredMessage, error: bytes, dlq_ttl: int) -> None:
    """Copy a message to the dead letters, unless `dlq_ttl` is 0."""
    if dlq_ttl:
        died_at = table.store.clock()
        attempt = tail_values(DeadLetter, message.tail)
        letter = DeadLetter(message.uuid, message.queue, message.payload, bytes(error), died_at, **attempt)
        table.dead.put((message.queue, message.uuid), letter, dlq_ttl)


def reject(table: MessageTable, message: StoredMessage, dlq_ttl: int) -> Corrupt:
    """Move a message that can't be read to the dead letters."""
    corrupt = Corrupt(message.uuid, message.queue, unreadable(message.version))
    leave(table, message)
    error = error_details(corrupt)
    add(table, message, error, dlq_ttl)
    end(table, message, End.CORRUPT, error, dlq_ttl=dlq_ttl)
    return corrupt


def of_queue(table: MessageTable, queue: str) -> list[DeadLetter]:
    """Return the dead letters of a queue, oldest first."""
    return [letter for (name, _), letter in table.dead.items() if name == queue]


def queues(table: MessageTable) -> list[str]:
    """Return the queues that have dead letters, in alphabetical order."""
    return sorted({queue for (queue, _), _ in table.dead.items()})


def replay(table: MessageTable, submission: Submission, died_at: int, unreachable: tuple[str, ...]) -> Added:
    """Store this message in place of its dead letter of that time; accepted if this was done, now or before.

    It is in no group. The notes of the `unreachable` callbacks are deleted.
    """
    key = (submission.queue, submission.uuid)
    letter = table.dead.get(key)
    if letter is None or letter.died_at != died_at:
        return ACCEPTED if same_request(table, submission.uuid, REPLAYED) else Added(False)
    if submission.uuid in table.messages:
        return Added(
            False, submission.uuid
        )  # a stored message must not be overwritten by an earlier one of its uuid
    held = None if submission.unique is None else table.keys.get(submission.unique.key)
    if held is not None and held.holder != submission.uuid:
        holder = table.messages.get(held.holder)
        return Added(False, held.holder, "finished" if holder is None else holder.state)
    table.dead.pop(key)
    table.results.forget_failed_parent(unreachable)
    insert(table, submission._replace(group=None), REPLAYED)
    reports.take_up_again(table, table.messages[submission.uuid])
    return ACCEPTED


def purge(table: MessageTable, queue: str, uuid: str | None) -> int:
    """Delete one dead letter of a queue, or all, with what is kept of reports; return how many there were."""
    uuids = [letter.uuid for letter in of_queue(table, queue)] if uuid is None else [uuid]
    purged = [each for each in uuids if table.dead.pop((queue, each)) is not None]
    for each in purged:
        reports.drop(table, each)
    return len(purged)
