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
    Submission,
    Succeeded,
    TaskStatus,
)
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.rows import add_dead_letter, set_results, set_statuses
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages.submissions import insert
from alsek.storage.backends.sqlite.messages.transitions import drop, give_back, requeue

_CLAIMS: Final = (
    "SELECT token, message, queue, uuid, status_ttl, expired FROM claims WHERE worker = ? AND token IN ({})"
)
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
    gone: list[int] = []
    kept: list[tuple[Retried | Released | Lost, int, int, bool]] = []
    results: list[Succeeded] = []
    callbacks: list[Submission] = []
    statuses: dict[TaskStatus, list[tuple[str, int]]] = {}
    for outcome in outcomes:
        claim = claims.get(outcome.token)
        if claim is None or claim[3] != outcome.uuid:
            refused.append(outcome.uuid)
            continue
        token, message, queue, uuid, status_ttl, expired = claim
        del claims[token]
        if status_ttl:
            statuses.setdefault(_STATUS[type(outcome)], []).append((uuid, status_ttl))
        if isinstance(outcome, Succeeded):
            gone.append(message)
            if outcome.result is not None:
                results.append(outcome)
            if outcome.callback is not None:
                callbacks.append(outcome.callback)
        elif isinstance(outcome, Died):
            gone.append(message)
            add_dead_letter(tx, message, outcome.error, outcome.dlq_ttl)
            tx.notes.append((f"results:{uuid}", b""))
        else:
            kept.append((outcome, message, queue, bool(expired)))
    if claims:
        tokens = [row[0] for row in rows if row[0] not in claims]
        marks = ",".join("?" * len(tokens))
    tx.execute(_UNCLAIM.format(marks), (worker, *tokens))
    if gone:
        drop(tx, gone, done=True)
    if results:
        set_results(tx, results)
    for outcome, message, queue, expired in kept:
        _keep(database, tx, outcome, message, queue, expired)
    for status, tracked in statuses.items():
        set_statuses(tx, tracked, status)
    skipped.extend(callback.uuid for callback in callbacks if not insert(tx, callback, request=""))


def _keep(
    database: Database,
    tx: Transaction,
    outcome: Retried | Released | Lost,
    message: int,
    queue: int,
    expired: bool,
) -> None:
    """What becomes of a message that is not gone."""
    match outcome:
        case Retried():
            requeue(database, tx, message, queue, outcome.payload, outcome.delay)
        case Lost():
            give_back(database, tx, message, queue, expired=expired, losses=1, suspect=outcome.suspect)
        case Released():
            give_back(database, tx, message, queue, expired=expired)


_STATUS: Final[dict[type, TaskStatus]] = {
    Succeeded: TaskStatus.SUCCEEDED,
    Retried: TaskStatus.RETRYING,
    Died: TaskStatus.FAILED,
    Released: TaskStatus.SUBMITTED,
    Lost: TaskStatus.RETRYING,
}
