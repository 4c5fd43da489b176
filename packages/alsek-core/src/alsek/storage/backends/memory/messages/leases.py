"""Workers as the store knows them: registration, leases, and retirement."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.outcomes import accept
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.transitions import give_back, give_back_all
from alsek.storage.backends.records import Outcome, TaskStatus, Worker, refused_again
from alsek.storage.backends.refusals import unknown_worker


def registered_worker(table: MessageTable, worker: Worker) -> RegisteredWorker:
    """Return what the store knows of a worker.

    Raises:
        WorkerUnknownError: The worker is not registered.
    """
    registered = table.workers.get(worker.id)
    if registered is None:
        raise unknown_worker(worker)
    return registered


def note_contact(table: MessageTable) -> None:
    """Note that a worker has reached the store now.

    If none had for a whole lease, that was an outage: every worker gets a new lease.
    """
    now = table.store.clock()
    silence = now - table.last_contact
    table.last_contact = now
    for registered in table.workers.values():
        if silence >= registered.worker.lease:
            registered.lease_end = max(registered.lease_end, now + registered.worker.lease)


def register(table: MessageTable, worker: Worker) -> None:
    """Add a worker, or renew its lease."""
    note_contact(table)
    registered = table.workers.setdefault(worker.id, RegisteredWorker(worker, 0))
    _renew_lease(table, registered, worker)


def renew(table: MessageTable, worker: Worker, seq: int, received: frozenset[int]) -> list[str]:
    """Renew a worker's lease, and give back the claims that it never received.

    Args:
        table: The table.
        worker: The worker.
        seq: Its last step of which it has the answer.
        received: The tokens that it holds.

    Returns:
        The uuids of the messages that it holds and that are revoked.
    """
    registered = registered_worker(table, worker)
    note_contact(table)
    _renew_lease(table, registered, worker)
    for message in list(registered.claims.values()):
        if message.seq <= seq and message.token not in received:
            give_back(table, message, TaskStatus.SUBMITTED)
    return [message.uuid for message in registered.claims.values() if message.revoked]


def _renew_lease(table: MessageTable, registered: RegisteredWorker, worker: Worker) -> None:
    registered.worker = worker
    registered.lease_end = table.store.clock() + worker.lease


def retire(table: MessageTable, worker: Worker, outcomes: Sequence[Outcome]) -> list[str]:
    """Accept a worker's last outcomes, give back what else it holds, and forget it.

    Returns:
        The uuids of the outcomes that were refused.
    """
    registered = table.workers.get(worker.id)
    if registered is None:
        return refused_again(outcomes, table.accepted.get(worker.id) or frozenset())
    held = {message.token for message in registered.claims.values()}
    refused, _ = accept(table, registered, outcomes)
    held.difference_update(message.token for message in registered.claims.values())
    table.accepted.put(worker.id, frozenset(held), DEDUP_WINDOW)
    give_back_all(table, registered, TaskStatus.SUBMITTED)
    del table.workers[worker.id]
    return refused
