"""The states of a message: the only functions that put one into a state, take it out, or end it.

Everything that moves a message goes through :func:`enter` and :func:`leave`, and everything that ends one through
:func:`end`.
"""

from __future__ import annotations

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.endings import End
from alsek.storage.backends.header import merged, step_changes
from alsek.storage.backends.memory.messages.message_table import MessageTable, RememberedUuid
from alsek.storage.backends.memory.messages.queue import Queue
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.records import Retried, TaskStatus
from alsek.storage.backends.states import MessageState


def enter(table: MessageTable, message: StoredMessage, state: MessageState) -> None:
    """Put a message that is in no state into this one, at the place that its fields say."""
    message.state = state
    table.messages[message.uuid] = message
    table.queues.setdefault(message.queue, Queue()).insert(message)


def leave(table: MessageTable, message: StoredMessage) -> None:
    """Take a message out of the state that it is in. A claim on it ends."""
    queue = table.queues[message.queue]
    queue.remove(message)
    if not queue.messages:
        del table.queues[message.queue]
    if message.holder is not None:
        del table.workers[message.holder].claims[message.uuid]
        message.holder, message.token = None, 0


def end(table: MessageTable, message: StoredMessage, how: End) -> None:
    """Delete a message that is in no state, write its last status, and publish that it has ended."""
    del table.messages[message.uuid]
    if how.uuid_taken is not None:
        table.remembered.put(message.uuid, RememberedUuid(message.request, how.uuid_taken), DEDUP_WINDOW)
    if how.status is None:
        return
    if not (how is End.REMOVED and _tells_of_an_end(table, message.uuid)):
        table.set_status(message, how.status)
    if how is not End.SUCCEEDED:
        table.store.publish(f"results:{message.uuid}")


def _tells_of_an_end(table: MessageTable, uuid: str) -> bool:
    (status,) = table.statuses.get([uuid])
    return status is not None and status.status in (TaskStatus.FAILED, TaskStatus.SUCCEEDED)


def give_back(
    table: MessageTable, message: StoredMessage, status: TaskStatus, *, losses: int = 0, suspect: bool = False
) -> None:
    """Make a claimed message ready at its old place, for a new lifetime.

    One that had expired when it was claimed remains so.
    """
    leave(table, message)
    message.losses += losses
    message.suspect = message.suspect or suspect
    if not message.expired:
        message.ready_since = table.store.clock()
    enter(table, message, "ready")
    table.wake(message.lane)
    table.set_status(message, status)


def set_aside(table: MessageTable, message: StoredMessage, task: str) -> None:
    """Make a claimed message ready at its old place, for a new lifetime, for workers that have this task."""
    leave(table, message)
    message.aside = task
    if not message.expired:
        message.ready_since = table.store.clock()
    enter(table, message, "ready")
    table.wake(message.lane)
    table.set_status(message, TaskStatus.SUBMITTED)


def give_back_all(
    table: MessageTable, registered: RegisteredWorker, status: TaskStatus, *, losses: int = 0
) -> int:
    """Make all messages that a worker holds ready at their old places; return how many they are."""
    held = list(registered.claims.values())
    for message in held:
        give_back(table, message, status, losses=losses)
    return len(held)


def requeue(table: MessageTable, message: StoredMessage, retried: Retried) -> None:
    """Delay a message for another attempt; without a delay it becomes ready. It never expires."""
    leave(table, message)
    message.aside = ""
    message.submission = message.submission._replace(ttl=0)
    message.tail, message.suspect = merged(message.tail, step_changes(retried)), False
    if retried.payload is not None:
        message.payload = bytes(retried.payload)
    table.set_status(message, TaskStatus.RETRYING)
    delay_or_make_ready(table, message, retried.delay)


def delay_or_make_ready(table: MessageTable, message: StoredMessage, delay: int) -> None:
    """Delay a message that is in no state, or make it ready if `delay` is not above 0."""
    now = table.store.clock()
    if delay <= 0:
        make_ready(table, message, since=now)
    else:
        _delay(table, message, now + delay)


def adopt(table: MessageTable, message: StoredMessage, due: int | None, since: int | None) -> None:
    """Delay a message of another store until `due`, or make it ready; its lifetime began at `since` (None: now)."""
    if due is not None:
        _delay(table, message, due)
    else:
        make_ready(table, message, since=table.store.clock() if since is None else since)


def _delay(table: MessageTable, message: StoredMessage, due: int) -> None:
    message.due = (due, next(table.store.numbers), message.uuid)
    enter(table, message, "delayed")
    if table.queues[message.queue].next_due == message.due:
        # Sleeping workers have set their timers by a later message: one of them must learn of this one.
        table.wake(message.lane)


def make_ready(table: MessageTable, message: StoredMessage, since: int) -> None:
    """Make a message that is in no state ready, behind all that are; its lifetime begins at `since`."""
    message.arrival, message.ready_since = next(table.store.numbers), since
    enter(table, message, "ready")
    table.wake(message.lane)
