"""Accepts or refuses what a worker reports of the messages that it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from alsek.storage.backends.batches import in_pieces
from alsek.storage.backends.endings import End
from alsek.storage.backends.records import (
    Accepted,
    Failed,
    Lost,
    Outcome,
    Released,
    Report,
    Retried,
    SetAside,
    Succeeded,
    TaskStatus,
)
from alsek.storage.backends.sqlite.database.rows import set_results, set_statuses
from alsek.storage.backends.sqlite.database.statements import marks
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import callbacks, dead_letters, failed_parents, reports
from alsek.storage.backends.sqlite.messages.becoming_ready import give_back, requeue, set_aside
from alsek.storage.backends.sqlite.messages.bonds import BOUND, EXPIRED, HAS_REPORTS, tails_of
from alsek.storage.backends.sqlite.messages.callbacks import Ending
from alsek.storage.backends.sqlite.messages.moved_messages import Ended
from alsek.storage.backends.sqlite.messages.task_registry import is_known
from alsek.storage.backends.sqlite.messages.transitions import end, leave, mark_reported

_CLAIMS: Final = (
    "SELECT token, message, queue, uuid, status_ttl, expired FROM claims WHERE worker = ? AND token IN ({})"
)

#: What a claim says if the tail of its message has to be read when it ends.
_TAILED: Final = BOUND | HAS_REPORTS

#: How many outcomes are looked up in one statement.
_PIECE: Final = 500

#: An outcome, and the row of :data:`_CLAIMS` that it belongs to.
_Accepted: TypeAlias = tuple[Outcome, tuple[Any, ...]]


def accept(tx: Transaction, worker: int, outcomes: Sequence[Outcome]) -> Accepted:
    """Accept the outcomes whose token is that of a current claim of this worker."""
    refused: list[str] = []
    skipped: list[str] = []
    failed: list[str] = []
    endings: list[Ending] = []
    for piece in in_pieces(outcomes, _PIECE):
        told: list[_Accepted] = []
        accepted = _current(tx, worker, piece, refused, told)
        begun = _take_in(tx, worker, told) if told else frozenset()
        if accepted:
            leave(tx, "claimed", [(worker, *[claim[0] for _, claim in accepted])])
            with_tail = [claim[1] for _, claim in accepted if claim[5] & _TAILED or claim[1] in begun]
            tails = tails_of(tx, with_tail) if with_tail else {}
            kept = _end(tx, accepted, tails, failed, endings)
            if kept:
                _keep(tx, kept, tails)
    if endings or tx.bound_ends:
        skipped = callbacks.submit(tx, endings)
    return Accepted(refused, skipped, tuple(failed))


def take_reports(tx: Transaction, worker: int, told: Sequence[Report]) -> list[str]:
    """Take in reports on messages that a worker, by its id, holds; return the uuids of those that are refused."""
    refused: list[str] = []
    for piece in in_pieces(told, _PIECE):
        current: list[_Accepted] = []
        _current(tx, worker, piece, refused, current)
        _take_in(tx, worker, current)
    return refused


def _current(
    tx: Transaction, worker: int, outcomes: Sequence[Outcome], refused: list[str], told: list[_Accepted]
) -> list[_Accepted]:
    """Return the outcomes of current claims with these; add the uuids of the others to `refused`.

    Reports are added to `told` instead. One that comes after the outcome of its claim is refused.
    """
    tokens = [outcome.token for outcome in outcomes]
    rows = tx.execute(_CLAIMS.format(marks(len(tokens))), (worker, *tokens)).fetchall()
    claims = {row[0]: row for row in rows}
    accepted: list[_Accepted] = []
    for outcome in outcomes:
        claim = claims.get(outcome.token)
        if claim is None or claim[3] != outcome.uuid:
            refused.append(outcome.uuid)
        elif isinstance(outcome, Report):
            told.append((outcome, claim))
        else:
            del claims[outcome.token]  # a second outcome of the same claim is refused
            accepted.append((outcome, claim))
    return accepted


def _take_in(tx: Transaction, worker: int, told: Sequence[_Accepted]) -> set[int]:
    """Take in reports on messages that a worker holds; return the ids of those on which these are the first."""
    begun: set[int] = set()
    for report, (token, message, _, uuid, _, flags) in told:
        assert isinstance(report, Report)
        first = not flags & HAS_REPORTS and message not in begun
        reports.take_in(tx, report, first=first)
        if first:
            mark_reported(tx, uuid, worker, token)
            begun.add(message)
    return begun


def _end(
    tx: Transaction,
    accepted: Sequence[_Accepted],
    tails: Mapping[int, str],
    failed: list[str],
    endings: list[Ending],
) -> list[_Accepted]:
    """End the messages that succeeded or failed; add to `failed` those of a task that nobody has.

    `tails` are the tails of those with bonds or reports. The outcomes that something follows are added to `endings`.

    Returns:
        The outcomes of the other messages.
    """
    kept: list[_Accepted] = []
    ended: list[Ended] = []
    results: list[Succeeded] = []
    for each in accepted:
        outcome, (_, message, _, uuid, status_ttl, _) = each
        if isinstance(outcome, Succeeded):
            tail = tails.get(message, "") if tails else ""
            ended.append(Ended(message, uuid, status_ttl, End.SUCCEEDED, tail, outcome.group_result))
            if outcome.result is not None:
                results.append(outcome)
            if outcome.callback is not None or outcome.groups:
                endings.append(outcome)
        elif isinstance(outcome, (Failed, SetAside)):
            if isinstance(outcome, SetAside):
                if outcome.wait or is_known(tx, outcome.task):
                    kept.append(each)
                    continue
                failed.append(uuid)
            tail = tails.get(message, "") if tails else ""
            revoked = isinstance(outcome, Failed) and outcome.revoked
            ended.append(
                Ended(message, uuid, status_ttl, End.FAILED, tail, outcome.error, revoked, outcome.dlq_ttl)
            )
            dead_letters.add(tx, message, outcome.error, outcome.dlq_ttl)
            if outcome.callback is not None:
                endings.append(outcome)
            failed_parents.note(tx, outcome.unreachable, uuid)
        else:
            kept.append(each)
    if ended:
        end(tx, ended)
    if results:
        set_results(tx, results)
    return kept


def _keep(tx: Transaction, kept: Sequence[_Accepted], tails: Mapping[int, str]) -> None:
    """Put messages that did not end into their next state."""
    tracked: dict[TaskStatus, list[tuple[str, int]]] = {}
    for outcome, (_, message, queue, uuid, status_ttl, flags) in kept:
        expired = bool(flags & EXPIRED)
        tail = tails.get(message, "") if flags & BOUND else ""
        match outcome:
            case Retried():
                requeue(tx, message, queue, outcome, tail)
            case Lost():
                give_back(tx, message, queue, expired=expired, losses=1, suspect=outcome.suspect, tail=tail)
            case SetAside():
                set_aside(tx, message, queue, outcome.task, expired=expired, tail=tail)
            case _:
                give_back(tx, message, queue, expired=expired, tail=tail)
        if status_ttl:
            tracked.setdefault(_STATUS[type(outcome)], []).append((uuid, status_ttl))
    for status, group in tracked.items():
        set_statuses(tx, group, status)


#: The status of a message that a worker no longer holds, and that did not end.
_STATUS: Final[dict[type, TaskStatus]] = {
    Retried: TaskStatus.RETRYING,
    Lost: TaskStatus.RETRYING,
    Released: TaskStatus.SUBMITTED,
    SetAside: TaskStatus.SUBMITTED,
}
