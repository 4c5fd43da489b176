"""Pushes: a sleeping worker is handed a message by the very operation that stores it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from alsek.storage.backends.kinds import SlotKind, slot_of
from alsek.storage.backends.memory.messages.claims import claim_message, claimable
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.submissions import add_one
from alsek.storage.backends.records import Added, Pushed, Submission, Worker

#: Returns what hands a push to the waiter of the worker with this id; None if it has none that listens.
FindReceiver: TypeAlias = Callable[[str], Callable[[Pushed], None] | None]


def add_and_push(
    table: MessageTable, submission: Submission, request: str, find_receiver: FindReceiver
) -> Added:
    """Store a message as :func:`add_one`; if it is as most are, push it to the first sleeper that would claim it."""
    known = submission.uuid in table.messages
    answer = add_one(table, submission, request)
    message = table.messages.get(submission.uuid)
    if message is not None and not known and _is_plain(submission):
        _push(table, message, find_receiver)
    return answer


def _is_plain(submission: Submission) -> bool:
    """Return True for what nearly all submissions are: ready at once, under a fresh uuid, and bound to nothing else."""
    bound = submission.unique or submission.limits or submission.group or submission.joins
    return submission.delay <= 0 and not submission.named and not bound


def _push(table: MessageTable, message: StoredMessage, find_receiver: FindReceiver) -> None:
    now = table.store.clock()
    for name, sleeper in list(table.sleepers.items()):
        registered = table.workers[name]
        if registered.lease_end <= now:
            continue  # another worker may take over at any moment
        slot = slot_of(registered.worker.kind, message.submission.wish)
        if slot is None or not sleeper.has_room(slot, now):
            continue
        if not _is_next(table, registered.worker, slot, message):
            continue
        receive = find_receiver(name)
        if receive is None:
            sleeper.room = {}  # what it was pushed before is still to be told
            continue
        table.let_sleep(message.lane)
        claim_message(table, registered, message, sleeper.seq)
        sleeper.room[slot] -= 1
        sleeper.pushes += 1
        table.sleepers[name] = table.sleepers.pop(name)  # the next push is another's
        receive(Pushed(sleeper.seq, message.as_claimed()))
        return


def _is_next(table: MessageTable, worker: Worker, slot: SlotKind, message: StoredMessage) -> bool:
    """Return True if a claim of this worker for such slots now would hand out this message first."""
    return next(claimable(table, worker, (slot,)), None) is message
