"""Accepts or refuses what a worker reports of the messages that it holds."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.endings import End
from alsek.storage.backends.memory.messages import callbacks, dead_letters, reports
from alsek.storage.backends.memory.messages.groups import counting as groups
from alsek.storage.backends.memory.messages.groups.ends import EndedMember, place_of
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.transitions import (
    end,
    give_back,
    leave,
    requeue,
    set_aside,
)
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


def accept(table: MessageTable, registered: RegisteredWorker, outcomes: Sequence[Outcome]) -> Accepted:
    """Accept the outcomes whose token is that of a current claim of this worker."""
    refused: list[str] = []
    ended: list[tuple[Succeeded | Failed | SetAside, EndedMember | None]] = []
    failed: list[str] = []
    for outcome in outcomes:
        message = registered.claims.get(outcome.uuid)
        if message is None or message.token != outcome.token:
            refused.append(outcome.uuid)
            continue
        if isinstance(outcome, Report):
            reports.take_in(table, message, outcome)
            continue
        if isinstance(outcome, SetAside):
            if not _set_aside(table, message, outcome):
                failed.append(outcome.uuid)
                ended.append((outcome, None))
            continue
        member = _accept(table, message, outcome)
        if isinstance(outcome, Succeeded | Failed):
            ended.append((outcome, member))
    skipped = callbacks.submit(table, ended)
    groups.settle(table)
    return Accepted(refused, skipped, tuple(failed))


def _set_aside(table: MessageTable, message: StoredMessage, outcome: SetAside) -> bool:
    """Set a message aside if a worker may have its task, or make it a dead letter; return whether it was set aside."""
    known = any(registered.has_task(outcome.task) for registered in table.workers.values())
    if known or outcome.wait or table.gone_tasks.has(outcome.task):
        set_aside(table, message, outcome.task)
        return True
    _fail(table, message, outcome)
    return False


def _accept(
    table: MessageTable, message: StoredMessage, outcome: Succeeded | Failed | Retried | Released | Lost
) -> EndedMember | None:
    """Carry out an outcome; return the end of a member that has succeeded, which is noted already."""
    match outcome:
        case Succeeded():
            leave(table, message)
            end(table, message, End.SUCCEEDED)
            if outcome.result is not None:
                table.results.write(
                    message.uuid, outcome.result, outcome.result_ttl, outcome.token, outcome.progenitor
                )
            return _note_success(table, message, outcome)
        case Failed():
            _fail(table, message, outcome)
        case Retried():
            requeue(table, message, outcome)
        case Released():
            give_back(table, message, TaskStatus.SUBMITTED)
        case Lost():
            give_back(table, message, TaskStatus.RETRYING, losses=1, suspect=outcome.suspect)
    return None


def _fail(table: MessageTable, message: StoredMessage, outcome: Failed | SetAside) -> None:
    leave(table, message)
    dead_letters.add(table, message, outcome.error, outcome.dlq_ttl)
    revoked = isinstance(outcome, Failed) and outcome.revoked
    end(table, message, End.FAILED, outcome.error, revoked, outcome.dlq_ttl)
    table.results.note_failed_parent(outcome.unreachable, message.uuid)


def _note_success(table: MessageTable, message: StoredMessage, outcome: Succeeded) -> EndedMember | None:
    place = place_of(message)
    if place is None:
        return None
    member = EndedMember(place, message.uuid, "succeeded", bytes(outcome.group_result))
    table.group_ends.append(member)
    return member
