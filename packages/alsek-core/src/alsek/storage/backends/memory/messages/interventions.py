"""What anyone may do to a message in any state, or to a queue: remove, reschedule, fail, revoke, pause, resume."""

from __future__ import annotations

from alsek.storage.backends.endings import End
from alsek.storage.backends.memory.messages import dead_letters
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.submissions import add_one
from alsek.storage.backends.memory.messages.transitions import end, give_up_key, leave, requeue
from alsek.storage.backends.records import Pause, Retried, Submission


def remove(table: MessageTable, queue: str, uuid: str, waiting: bool) -> bool:
    """Delete a message; return True if it was stored. Its status becomes UNKNOWN, unless it is final.

    With `waiting`, one that a worker holds is left.
    """
    message = table.find(queue, uuid)
    if message is None or (waiting and message.state == "claimed"):
        return False
    leave(table, message)
    end(table, message, End.REMOVED)
    return True


def reschedule(table: MessageTable, retried: Retried) -> bool:
    """Delay a message for another attempt; return True if it was stored."""
    message = table.find(retried.queue, retried.uuid)
    if message is None:
        return False
    requeue(table, message, retried)
    return True


def fail(
    table: MessageTable,
    queue: str,
    uuid: str,
    error: bytes,
    dlq_ttl: int,
    callback: Submission | None,
    unreachable: tuple[str, ...],
) -> bool:
    """Move a message to the dead letters; return True if it was stored, or is a dead letter already."""
    message = table.find(queue, uuid)
    if message is None:
        return table.dead.get((queue, uuid)) is not None
    leave(table, message)
    dead_letters.add(table, message, error, dlq_ttl)
    end(table, message, End.FAILED_BY_HAND, error, dlq_ttl=dlq_ttl)
    table.results.note_failed_parent(unreachable, uuid)
    if callback is not None:
        add_one(table, callback, request="")
    return True


def revoke(table: MessageTable, queue: str, uuid: str) -> bool:
    """Mark a message as revoked; return True if it was stored.

    Its worker learns of it when it renews its lease. If no worker holds it, those who wait for its result are notified,
    and it holds its unique key no longer: it will not run.
    """
    message = table.find(queue, uuid)
    if message is None:
        return False
    message.revoked = True
    if message.holder is None:
        if message.submission.unique is not None and not message.awaits_key:
            give_up_key(table, message)
        table.store.publish(f"results:{uuid}")
    return True


def pause(table: MessageTable, queue: str, by: str) -> bool:
    """Pause a queue; return True if it was not paused."""
    if queue in table.pauses:
        return False
    table.pauses[queue] = Pause(queue, by, table.store.clock())
    return True


def resume(table: MessageTable, queue: str) -> bool:
    """Resume a queue, and wake workers for what is ready in it; return True if it was paused."""
    if table.pauses.pop(queue, None) is None:
        return False
    if queue in table.queues:
        for lane in table.queues[queue].lanes:
            table.wake(lane)
    return True
