"""Workers as the store knows them: registration, leases, and the state that a step begins with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.records import Running, TaskStatus, Worker, WorkerFacts
from alsek.storage.backends.refusals import unknown_worker
from alsek.storage.backends.sqlite.database.expiry import BUCKET_MS
from alsek.storage.backends.sqlite.database.rows import set_statuses
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import worker_facts
from alsek.storage.backends.sqlite.messages.becoming_ready import give_back
from alsek.storage.backends.sqlite.messages.bonds import BOUND, EXPIRED, bonds_of
from alsek.storage.backends.sqlite.messages.groups import awaits
from alsek.storage.backends.sqlite.messages.promotion import earliest
from alsek.storage.backends.sqlite.messages.task_registry import remember
from alsek.storage.backends.sqlite.messages.transitions import leave

_REGISTER: Final = """
    INSERT INTO workers (ns, name, lease, lease_end) VALUES (?, ?, ?, ?)
    ON CONFLICT (ns, name) DO UPDATE SET lease = excluded.lease, lease_end = excluded.lease_end
    RETURNING id
"""
_RENEW: Final = "UPDATE workers SET lease = ?, lease_end = ? WHERE id = ?"
_FORGET: Final = "DELETE FROM workers WHERE id = ?"
_CONTACT: Final = "UPDATE namespaces SET contact = ? WHERE id = ?"
_LAST_CONTACT: Final = "SELECT contact FROM namespaces WHERE id = ?"
_EXTEND_ALL: Final = """
    UPDATE workers SET lease_end = max(lease_end, ? + lease), lease = -lease WHERE ns = ? AND lease BETWEEN 1 AND ?
"""
_CLAIMS: Final = """
    SELECT c.token, c.seq, c.message, c.queue, c.uuid, c.status_ttl, c.expired, m.revoked, m.tail
    FROM claims AS c JOIN messages AS m ON m.id = c.message WHERE c.worker = ? ORDER BY c.token
"""

_REMEMBER: Final = """
    INSERT OR REPLACE INTO finished (ns, bucket, uuid, request, at, done) VALUES (?, ?, ?, ?, ?, 0)
"""
_REMEMBERED: Final = """
    SELECT request FROM finished WHERE ns = ? AND bucket IN (?, ?, ?) AND uuid = ? AND at > ?
    ORDER BY bucket DESC LIMIT 1
"""

#: All that a step needs to know before it begins.
_WORKER_STATE: Final = """
    SELECT w.id, w.seq, n.contact, n.token, (SELECT d.due FROM delayed AS d WHERE d.ns = n.id ORDER BY d.due LIMIT 1),
        (SELECT l.lease_end FROM workers AS l WHERE l.ns = n.id AND l.id <> w.id ORDER BY l.lease_end LIMIT 1),
        EXISTS (SELECT 1 FROM messages AS m WHERE m.ns = n.id AND m.suspect = 1),
        EXISTS (SELECT 1 FROM aside_lanes AS a WHERE a.ns = n.id), n.limit_due, n.schedule_due
    FROM workers AS w JOIN namespaces AS n ON n.id = w.ns WHERE w.ns = ? AND w.name = ?
"""
_SLEEPER: Final = """
    SELECT w.id, EXISTS (SELECT 1 FROM aside_lanes AS a WHERE a.ns = w.ns) FROM workers AS w
    WHERE w.ns = ? AND w.name = ?
"""


class WorkerState(NamedTuple):
    """A worker as the store knows it, and whether there is anything unusual to do.

    Attributes:
        id: The worker's id.
        seq: Its last step that wrote anything; None before the first.
        contact: When a worker last reached the store.
        token: The last token given out.
        next_delayed: When the next delayed message is due; None if none is delayed.
        next_lost: When the next lease of another worker ends; None if there is no other.
        suspects: 1 if there are suspects, in any state; else 0.
        aside: 1 if anything is set aside, for whatever task; else 0.
        next_limit: When a limit is due, for which messages wait; None if none is.
        next_schedule: When a schedule is to be offered; None if none is.
    """

    id: int
    seq: int | None
    contact: int
    token: int
    next_delayed: int | None
    next_lost: int | None
    suspects: int
    aside: int
    next_limit: int | None
    next_schedule: int | None

    @property
    def next_due(self) -> int | None:
        """When a message may become ready because time has passed; None if none will."""
        return earliest(self.next_delayed, self.next_limit)


def worker_state(tx: Transaction, worker: Worker) -> WorkerState:
    """Return what a step needs to know.

    Raises:
        WorkerUnknownError: The worker is not registered.
    """
    row = tx.execute(_WORKER_STATE, (tx.ns, worker.id)).fetchone()
    if row is None:
        raise unknown_worker(worker)
    return WorkerState._make(row)


def find_worker(tx: Transaction, worker: Worker) -> int | None:
    """Return the id of a worker; None if it is not registered."""
    row = tx.execute("SELECT id FROM workers WHERE ns = ? AND name = ?", (tx.ns, worker.id)).fetchone()
    return None if row is None else row[0]


class Sleeper(NamedTuple):
    """A worker that is about to sleep: its id, and 1 if anything is set aside, for whatever task."""

    id: int
    aside: int


def sleeper(tx: Transaction, worker: Worker) -> Sleeper | None:
    """Return what is known of a worker that is about to sleep; None if it is not registered."""
    row = tx.execute(_SLEEPER, (tx.ns, worker.id)).fetchone()
    return None if row is None else Sleeper._make(row)


def note_contact(tx: Transaction, contact: int | None = None) -> None:
    """Write that a worker has reached the store now.

    If none had for a whole lease, that was an outage: every worker gets a new lease. It gets no second one before it
    has renewed the first, so that one which died is taken over also if the others seldom reach the store.

    Args:
        tx: The transaction.
        contact: When a worker last reached the store, if that is known.
    """
    last: int = tx.execute(_LAST_CONTACT, (tx.ns,)).fetchone()[0] if contact is None else contact
    tx.execute(_EXTEND_ALL, (tx.now, tx.ns, tx.now - last))
    tx.execute(_CONTACT, (tx.now, tx.ns))


def register(tx: Transaction, worker: Worker, facts: WorkerFacts | None) -> None:
    """Add a worker, or renew its lease."""
    note_contact(tx)
    values = (tx.ns, worker.id, worker.lease, tx.now + worker.lease)
    ((number,),) = tx.execute(_REGISTER, values).fetchall()
    worker_facts.note(tx, number, worker, facts)


def renew(
    tx: Transaction,
    worker: Worker,
    seq: int,
    received: frozenset[int],
    running: Sequence[Running] | None,
) -> list[str]:
    """Renew a worker's lease, and give back the claims that it never received.

    Args:
        tx: The transaction.
        worker: The worker.
        seq: Its last step of which it has the answer.
        received: The tokens that it holds.
        running: What it runs; None leaves what it said before.

    Returns:
        The uuids of the messages that it holds and that are revoked.
    """
    state = worker_state(tx, worker)
    note_contact(tx, state.contact)
    tx.execute(_RENEW, (worker.lease, tx.now + worker.lease, state.id))
    if running is not None:
        worker_facts.note_running(tx, state.id, running)
    revoked: list[str] = []
    awaited: dict[str, bool] = {}
    for token, claimed_by, message, queue, uuid, status_ttl, flags, is_revoked, tail in tx.execute(
        _CLAIMS, (state.id,)
    ).fetchall():
        if claimed_by <= seq and token not in received:
            leave(tx, "claimed", [(state.id, token)])
            bonds = tail if flags & BOUND else ""
            give_back(tx, message, queue, expired=bool(flags & EXPIRED), tail=bonds)
            set_statuses(tx, [(uuid, status_ttl)], TaskStatus.SUBMITTED)
        elif is_revoked or (flags & BOUND and _is_dropped(tx, tail, awaited)):
            revoked.append(uuid)
    return revoked


def _is_dropped(tx: Transaction, tail: str, awaited: dict[str, bool]) -> bool:
    """Return True if the group of a message was revoked, or is gone; `awaited` are the groups that were looked up.

    Members of one that has failed were marked when they were claimed, if that was after it had.
    """
    place = bonds_of(tail).group
    if place is None:
        return False
    if place.group not in awaited:
        awaited[place.group] = awaits(tx, place.group, although_failed=True)
    return not awaited[place.group]


def forget(tx: Transaction, worker: int) -> None:
    """Delete a worker, by its id. It holds nothing. Its tasks count as known for another lease: it may be replaced."""
    remember(tx, worker)
    tx.execute(_FORGET, (worker,))


def remember_accepted(tx: Transaction, worker: Worker, tokens: Iterable[int]) -> None:
    """Keep for the dedup window which tokens a worker's retirement accepted: its reply may be lost."""
    text = " ".join(map(str, sorted(tokens)))
    tx.execute(_REMEMBER, (tx.ns, tx.now // BUCKET_MS, _name_in_finished(worker), text, tx.now))
    tx.finished_count += 1


def last_accepted(tx: Transaction, worker: Worker) -> list[int]:
    """Return the tokens that the retirement of this worker accepted, if that was within the dedup window."""
    bucket = tx.now // BUCKET_MS
    values = (tx.ns, bucket, bucket - 1, bucket - 2, _name_in_finished(worker), tx.now - DEDUP_WINDOW)
    row = tx.execute(_REMEMBERED, values).fetchone()
    return [] if row is None else [int(token) for token in row[0].split()]


def _name_in_finished(worker: Worker) -> str:
    return f"\n{worker.id}"  # no uuid begins with a line feed
