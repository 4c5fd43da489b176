"""Accepts or refuses what a worker reports of the messages that it holds."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.storage.backends.endings import End
from alsek.storage.backends.memory.messages import dead_letters
from alsek.storage.backends.memory.messages.message_table import MessageTable
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.submissions import add_one
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
    Retried,
    SetAside,
    Submission,
    Succeeded,
    TaskStatus,
)


def accept(table: MessageTable, registered: RegisteredWorker, outcomes: Sequence[Outcome]) -> Accepted:
    """Accept the outcomes whose token is that of a current claim of this worker."""
    refused: list[str] = []
    callbacks: list[Submission] = []
    failed: list[str] = []
    for outcome in outcomes:
        message = registered.claims.get(outcome.uuid)
        if message is None or message.token != outcome.token:
            refused.append(outcome.uuid)
            continue
        if isinstance(outcome, SetAside):
            if not _set_aside(table, message, outcome):
                failed.append(outcome.uuid)
            continue
        _accept(table, message, outcome)
        if isinstance(outcome, Succeeded) and outcome.callback is not None:
            callbacks.append(outcome.callback)
    skipped = [callback.uuid for callback in callbacks if not add_one(table, callback, request="").accepted]
    return Accepted(refused, skipped, tuple(failed))


def _set_aside(table: MessageTable, message: StoredMessage, outcome: SetAside) -> bool:
    """Set a message aside if a worker may have its task, or make it a dead letter; return whether it was set aside."""
    known = any(registered.has_task(outcome.task) for registered in table.workers.values())
    if known or outcome.wait or table.gone_tasks.has(outcome.task):
        set_aside(table, message, outcome.task)
        return True
    leave(table, message)
    dead_letters.add(table, message, outcome.error, outcome.dlq_ttl)
    end(table, message, End.FAILED)
    return False


def _accept(
    table: MessageTable, message: StoredMessage, outcome: Succeeded | Failed | Retried | Released | Lost
) -> None:
    match outcome:
        case Succeeded():
            leave(table, message)
            end(table, message, End.SUCCEEDED)
            if outcome.result is not None:
                table.results.write(
                    message.uuid, outcome.result, outcome.result_ttl, outcome.token, outcome.progenitor
                )
        case Failed():
            leave(table, message)
            dead_letters.add(table, message, outcome.error, outcome.dlq_ttl)
            end(table, message, End.FAILED)
        case Retried():
            requeue(table, message, outcome)
        case Released():
            give_back(table, message, TaskStatus.SUBMITTED)
        case Lost():
            give_back(table, message, TaskStatus.RETRYING, losses=1, suspect=outcome.suspect)
