"""The states of a message: the only functions that put one into a state, take it out, or end it.

Everything that moves a message goes through :func:`enter` and :func:`leave`, and everything that ends one through
:func:`end`.
"""

from __future__ import annotations

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.endings import End
from alsek.storage.backends.header import merged, step_changes
from alsek.storage.backends.memory.messages import admission, reports, unique_keys
from alsek.storage.backends.memory.messages.groups.ends import ends_of
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
    if state == "ready" and message.submission.limits:
        admission.take_places(table, message)
    elif message.line is not None:
        admission.join(table, message.line, message.place)


def leave(table: MessageTable, message: StoredMessage, *, claimed: bool = False) -> None:
    """Take a message out of the state that it is in. A claim on it ends.

    It gives back the places of limits that it takes up, unless it is to be claimed now, and waits for nothing.
    """
    queue, state = table.queues[message.queue], message.state
    queue.remove(message)
    if not queue.messages:
        del table.queues[message.queue]
    if state == "waiting":
        _wait_no_longer(table, message)
    elif message.submission.limits:
        (admission.start if claimed else admission.give_back_places)(table, message)
    if message.holder is not None:
        del table.workers[message.holder].claims[message.uuid]
        message.holder, message.token = None, 0


def _wait_no_longer(table: MessageTable, message: StoredMessage) -> None:
    if message.awaited_key is not None:
        unique_keys.wait_no_longer(table.keys, message.awaited_key)
        message.awaited_key = None
    elif message.line is not None:
        admission.leave_line(table, message.line, message.place)
        message.line = None


def end(
    table: MessageTable,
    message: StoredMessage,
    how: End,
    error: bytes = b"",
    revoked: bool = False,
    dlq_ttl: int = 0,
) -> None:
    """Delete a message that is in no state, write its last status, and publish that it has ended.

    Its unique key is free; if a message waits for that, it takes the key, and its place. Groups are to count it.

    Args:
        table: The table.
        message: The message.
        how: How it ended.
        error: The error, if it has failed.
        revoked: It has failed because it was revoked.
        dlq_ttl: How long its dead letter is kept; 0 if there is none.
    """
    del table.messages[message.uuid]
    reports.after_end(table, message, how, dlq_ttl)
    table.group_ends.extend(ends_of(message, how, error, revoked))
    if message.submission.unique is not None and how is not End.REPLACED:
        give_up_key(table, message)
    if how.uuid_taken is not None:
        table.remembered.put(message.uuid, RememberedUuid(message.request, how.uuid_taken), DEDUP_WINDOW)
    if how.status is None:
        return
    if not (how is End.REMOVED and _tells_of_an_end(table, message.uuid)):
        table.set_status(message, how.status)
    if how is not End.SUCCEEDED:
        table.store.publish(f"results:{message.uuid}")


def replace(table: MessageTable, message: StoredMessage, uuid: str, request: str) -> None:
    """Delete a message in whose place another is stored now, under its uuid.

    The request that submits that one, as `uuid`, is remembered.
    """
    leave(table, message)
    end(table, message, End.REPLACED)
    if request:
        table.remembered.put(uuid, RememberedUuid(request, False, message.uuid), DEDUP_WINDOW)


def give_up_key(table: MessageTable, message: StoredMessage) -> None:
    """End the hold of a message on its unique key; let the message that waits behind it take the key, and go on."""
    unique, now = message.submission.unique, table.store.clock()
    assert unique is not None
    behind = table.messages.get(unique_keys.give_up(table.keys, unique.key, message.uuid, now))
    if behind is None:
        return
    due = behind.due[0]
    leave(table, behind)
    unique_keys.hand_on(table.keys, unique.key, behind.uuid)
    if due > now:
        _delay(table, behind, due)
    else:
        make_ready(table, behind, since=due)


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
    _become_ready(table, message)
    table.set_status(message, status)


def set_aside(table: MessageTable, message: StoredMessage, task: str) -> None:
    """Make a claimed message ready at its old place, for a new lifetime, for workers that have this task."""
    leave(table, message)
    message.aside = task
    if not message.expired:
        message.ready_since = table.store.clock()
    _become_ready(table, message)
    table.set_status(message, TaskStatus.SUBMITTED)


def give_back_all(
    table: MessageTable, registered: RegisteredWorker, status: TaskStatus, *, losses: int = 0
) -> int:
    """Make all messages that a worker holds ready at their old places; return how many they are."""
    held = list(registered.claims.values())
    for message in held:
        give_back(table, message, status, losses=losses)
    return len(held)


def _become_ready(table: MessageTable, message: StoredMessage) -> None:
    """Make a message ready at the place that its fields say; or let it wait, if one of its limits is full."""
    if message.submission.limits:
        full = admission.full_for(table, message, passes=False)
        if full:
            message.line = admission.line_of(table, message, full)
            enter(table, message, "waiting")
            return
    enter(table, message, "ready")
    table.wake(message.lane)


def let_in(table: MessageTable, message: StoredMessage) -> None:
    """Make a message ready that waits, and whose limits all have room."""
    leave(table, message)
    enter(table, message, "ready")
    table.wake(message.lane)


def requeue(table: MessageTable, message: StoredMessage, retried: Retried) -> None:
    """Delay a message for another attempt; without a delay it becomes ready. It never expires.

    One that waits behind its unique key goes on waiting, and is delayed then by what is left.
    """
    behind = message.awaits_key
    leave(table, message)
    message.aside = ""
    message.submission = message.submission._replace(ttl=0)
    message.tail, message.suspect = merged(message.tail, step_changes(retried)), False
    if retried.payload is not None:
        message.payload = bytes(retried.payload)
    table.set_status(message, TaskStatus.RETRYING)
    if behind:
        wait_behind_key(table, message, retried.delay)
    else:
        delay_or_make_ready(table, message, retried.delay)


def wait_behind_key(table: MessageTable, message: StoredMessage, delay: int) -> None:
    """Let a message that is in no state wait behind the holder of its unique key; its delay begins now."""
    unique, now = message.submission.unique, table.store.clock()
    assert unique is not None
    unique_keys.wait_behind(table.keys, unique.key, message.uuid)
    message.awaited_key = unique.key
    message.ready_since = now + max(delay, 0)
    message.due = (message.ready_since, next(table.store.numbers), message.uuid)
    enter(table, message, "waiting")


def delay_or_make_ready(table: MessageTable, message: StoredMessage, delay: int) -> None:
    """Delay a message that is in no state, or make it ready if `delay` is not above 0."""
    now = table.store.clock()
    if delay <= 0:
        make_ready(table, message, since=now)
    else:
        _delay(table, message, now + delay)


def adopt(
    table: MessageTable, message: StoredMessage, due: int | None, since: int | None, *, behind: bool
) -> None:
    """Delay a message of another store until `due`, or make it ready; its lifetime began at `since` (None: now).

    With `behind`, let it wait behind the holder of its unique key.
    """
    if behind:
        wait_behind_key(table, message, 0 if due is None else due - table.store.clock())
    elif due is not None:
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
    _become_ready(table, message)
