"""Workers as the store knows them: registration, leases, and retirement."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.memory.messages.groups.awaited import is_revoked
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.outcomes import accept
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.transitions import give_back, give_back_all
from alsek.storage.backends.records import Outcome, Running, TaskStatus, Worker, WorkerFacts, refused_again
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

    If none had for a whole lease, that was an outage: every worker gets a new lease. It gets no second one before it
    has renewed the first, so that one which died is taken over also if the others seldom reach the store.
    """
    now = table.store.clock()
    silence = now - table.last_contact
    table.last_contact = now
    for registered in table.workers.values():
        if silence >= registered.worker.lease and not registered.spared:
            registered.spared = True
            registered.lease_end = max(registered.lease_end, now + registered.worker.lease)


def register(table: MessageTable, worker: Worker, facts: WorkerFacts | None) -> None:
    """Add a worker, or renew its lease."""
    note_contact(table)
    new = RegisteredWorker(worker, 0, registered_at=table.store.clock())
    registered = table.workers.setdefault(worker.id, new)
    if facts is not None:
        registered.facts = facts
    _renew_lease(table, registered, worker)


def renew(
    table: MessageTable,
    worker: Worker,
    seq: int,
    received: frozenset[int],
    running: Sequence[Running] | None,
) -> list[str]:
    """Renew a worker's lease, and give back the claims that it never received.

    Args:
        table: The table.
        worker: The worker.
        seq: Its last step of which it has the answer.
        received: The tokens that it holds.
        running: What it runs; None leaves what it said before.

    Returns:
        The uuids of the messages that it holds and that are revoked.
    """
    registered = registered_worker(table, worker)
    note_contact(table)
    _renew_lease(table, registered, worker)
    if running is not None:
        registered.running = tuple(running)
    sleeper = table.sleepers.get(worker.id)
    if sleeper is not None and sleeper.is_overdue(table.store.clock()):
        seq = max(seq, sleeper.seq)  # it has claimed nothing in that step yet: all such claims are pushes
    for message in list(registered.claims.values()):
        if message.seq <= seq and message.token not in received:
            give_back(table, message, TaskStatus.SUBMITTED)
    return [message.uuid for message in registered.claims.values() if is_revoked(table, message)]


def _renew_lease(table: MessageTable, registered: RegisteredWorker, worker: Worker) -> None:
    registered.worker = worker
    registered.lease_end = table.store.clock() + worker.lease
    registered.spared = False


def forget(table: MessageTable, registered: RegisteredWorker) -> None:
    """Delete a worker that holds nothing. Its tasks count as known for another lease: it may be replaced."""
    del table.workers[registered.worker.id]
    table.sleepers.pop(registered.worker.id, None)
    for task in (registered.facts.tasks or ()) if registered.facts is not None else ():
        table.gone_tasks.put(task, None, registered.worker.lease)


def retire(table: MessageTable, worker: Worker, outcomes: Sequence[Outcome]) -> list[str]:
    """Accept a worker's last outcomes, give back what else it holds, and forget it.

    Returns:
        The uuids of the outcomes that were refused.
    """
    registered = table.workers.get(worker.id)
    if registered is None:
        return refused_again(outcomes, table.accepted.get(worker.id) or frozenset())
    held = {message.token for message in registered.claims.values()}
    accepted = held.intersection(outcome.token for outcome in outcomes)
    refused = accept(table, registered, outcomes).refused
    table.accepted.put(worker.id, frozenset(accepted), DEDUP_WINDOW)
    give_back_all(table, registered, TaskStatus.SUBMITTED)
    forget(table, registered)
    return refused
