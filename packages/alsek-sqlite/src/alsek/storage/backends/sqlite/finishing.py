"""Accepting outcomes: what becomes of a message when its holder is done with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.storage.backends.records import (
    Died,
    Lost,
    Outcome,
    Released,
    Retried,
    Succeeded,
    TaskStatus,
)
from alsek.storage.backends.sqlite.adding import insert
from alsek.storage.backends.sqlite.database import Database
from alsek.storage.backends.sqlite.moving import drop, give_back, requeue
from alsek.storage.backends.sqlite.records import entomb, set_result, set_statuses
from alsek.storage.backends.sqlite.transaction import Transaction

_CLAIMS: Final = "SELECT token, message, queue, uuid, status_ttl FROM claims WHERE worker = ? AND token IN ({})"
_UNCLAIM: Final = "DELETE FROM claims WHERE worker = ? AND token IN ({})"

#: At most so many values in one statement; SQLite takes 32,766.
_PIECE: Final = 500


def finish(
    database: Database, tx: Transaction, worker: int, outcomes: Sequence[Outcome]
) -> tuple[list[str], list[str]]:
    """Accept outcomes whose token is that of a current claim of this worker; the uuids refused, and the callbacks
    skipped since they exist."""
    refused: list[str] = []
    skipped: list[str] = []
    for start in range(0, len(outcomes), _PIECE):
        _finish(database, tx, worker, outcomes[start : start + _PIECE], refused, skipped)
    return refused, skipped


def _finish(
    database: Database,
    tx: Transaction,
    worker: int,
    outcomes: Sequence[Outcome],
    refused: list[str],
    skipped: list[str],
) -> None:
    tokens = [outcome.token for outcome in outcomes]
    marks = ",".join("?" * len(tokens))
    rows = tx.execute(_CLAIMS.format(marks), (worker, *tokens)).fetchall()
    claims = {row[0]: row for row in rows}
    accepted: list[tuple[Outcome, int, int]] = []
    statuses: dict[TaskStatus, list[tuple[str, int]]] = {}
    gone: list[int] = []
    for outcome in outcomes:
        claim = claims.get(outcome.token)
        if claim is None or claim[3] != outcome.uuid or database.queue_name(tx, claim[2]) != outcome.queue:
            refused.append(outcome.uuid)
            continue
        del claims[outcome.token]
        _, message, queue, uuid, status_ttl = claim
        if status_ttl:
            statuses.setdefault(_STATUS[type(outcome)], []).append((uuid, status_ttl))
        if isinstance(outcome, Died):
            entomb(tx, message, outcome.error, outcome.dlq_ttl)
            gone.append(message)
            tx.notes.append((f"results:{uuid}", b""))
        elif isinstance(outcome, Succeeded):
            gone.append(message)
            if outcome.result is not None or outcome.callback is not None:
                accepted.append((outcome, message, queue))
        else:
            accepted.append((outcome, message, queue))
    settled = [row[0] for row in rows if row[0] not in claims]
    if settled:
        tx.execute(_UNCLAIM.format(",".join("?" * len(settled))), (worker, *settled))
    if gone:
        drop(tx, gone, done=True)
    for outcome, message, queue in accepted:
        _apply(database, tx, outcome, message, queue, skipped)
    for status, tracked in statuses.items():
        set_statuses(tx, tracked, status)


def _apply(
    database: Database, tx: Transaction, outcome: Outcome, message: int, queue: int, skipped: list[str]
) -> None:
    match outcome:
        case Succeeded():
            if outcome.result is not None:
                set_result(
                    tx, outcome.uuid, outcome.result, outcome.result_ttl, outcome.token, outcome.progenitor
                )
            callback = outcome.callback
            if callback is not None and not insert(database, tx, callback, request=""):
                skipped.append(callback.uuid)
        case Retried():
            requeue(database, tx, message, queue, outcome.payload, outcome.delay)
        case Lost():
            give_back(database, tx, message, queue, losses=1, suspect=outcome.suspect)
        case Released():
            give_back(database, tx, message, queue)
        case Died():
            pass  # gone already


_STATUS: Final[dict[type, TaskStatus]] = {
    Succeeded: TaskStatus.SUCCEEDED,
    Retried: TaskStatus.RETRYING,
    Died: TaskStatus.FAILED,
    Released: TaskStatus.SUBMITTED,
    Lost: TaskStatus.RETRYING,
}
