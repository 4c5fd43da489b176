"""Outcomes: how a claim ends, as a worker reports it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple, TypeAlias

from alsek.storage.backends.records.groups import GroupSubmission
from alsek.storage.backends.records.reports import Report
from alsek.storage.backends.records.submissions import FOR_EVER, Submission
from alsek.storage.backends.records.workers import Claimed


class Succeeded(NamedTuple):
    """The task returned. The result is stored, SUCCEEDED written, the callback submitted, the message removed.

    Attributes:
        callback: The callback, if it is one message. If this message is in a group, the callback has its place.
        groups: The callback, if it is a group: that group, and then the groups that are members of it.
            If that group is not stored, because its id is not new, this is skipped: none of the others and no member
            is submitted.
        members: The members of all of `groups`. They are submitted after the callbacks, as those are. One that is
            skipped has ended in its group as revoked; so has a group in the first one, and its members are left out.
        group_result: The serialized result, for the group in which the message is. It is used if no callback was
            submitted: the member has ended.
    """

    uuid: str
    queue: str
    token: int
    result: bytes | None = None
    result_ttl: int = FOR_EVER
    progenitor: str | None = None
    callback: Submission | None = None
    groups: tuple[GroupSubmission, ...] = ()
    members: tuple[Submission, ...] = ()
    group_result: bytes = b""


class Retried(NamedTuple):
    """The message is to run again after `delay`. RETRYING is written and the attempt state replaced.

    The message is no longer a suspect, and no longer expires.

    Attributes:
        retries: How often it was retried, this retry included. This and the three below are the new attempt state.
        updated_at: The time of this retry: Unix milliseconds.
        retry_delay: The delay that the task asked for; None if the backoff decided.
        last_error: The error that ended this attempt, as in :class:`Failed`; empty if it is not known.
        payload: A new payload if a user has changed the message by hand; None leaves the payload unchanged.
    """

    uuid: str
    queue: str
    token: int
    delay: int
    retries: int
    updated_at: int = 0
    retry_delay: int | None = None
    last_error: bytes = b""
    payload: bytes | None = None


class Failed(NamedTuple):
    """The message has failed. FAILED is written, and the message moves to the dead letters.

    Attributes:
        error: The exception: :class:`alsek.types.ExceptionDetails` as UTF-8 JSON, whatever the serializer is.
        dlq_ttl: How long the dead letter is kept; 0 for none: the message is deleted.
        revoked: It failed because it was revoked. Only its group makes a difference.
        callback: A message to submit in this step: its failure callback.
        unreachable: The uuids of its callbacks, which will not be submitted now: see
            :meth:`~alsek.storage.backends.ports.ResultPort.failed_parents`.
    """

    uuid: str
    queue: str
    token: int
    error: bytes
    dlq_ttl: int
    revoked: bool = False
    callback: Submission | None = None
    unreachable: tuple[str, ...] = ()


class Released(NamedTuple):
    """The message is given back unchanged, at its old place, and no loss or retry is charged. SUBMITTED is written."""

    uuid: str
    queue: str
    token: int

    @classmethod
    def of(cls, claimed: Claimed) -> Released:
        """Return the outcome that gives back a claimed message."""
        return cls(claimed.uuid, claimed.queue, claimed.token)


class Lost(NamedTuple):
    """The process that ran the message died. It is given back at its old place with one more loss; RETRYING is written.

    Attributes:
        suspect: Other messages were running in the process too, so it is not known which one caused the death.
    """

    uuid: str
    queue: str
    token: int
    suspect: bool = False


class SetAside(NamedTuple):
    """The worker does not have the message's task. The store decides in the same step whether another worker has it.

    If a live worker registers the task, or one did that was forgotten less than its own lease ago, or with `wait`, the
    message is *set aside* for the task: it is ready at its old place, for a new lifetime, but only workers that have
    the task may claim it (see :class:`~alsek.storage.backends.records.WorkerFacts`). No loss or retry is charged.
    SUBMITTED is written. Otherwise the message fails, as by :class:`Failed`, and the step's ``failed`` has its uuid.

    Attributes:
        task: The name of its task.
        error: As in :class:`Failed`.
        dlq_ttl: As in :class:`Failed`.
        wait: Set it aside in any case.
        callback: As in :class:`Failed`, if it fails.
        unreachable: Likewise.
    """

    uuid: str
    queue: str
    token: int
    task: str
    error: bytes
    dlq_ttl: int
    wait: bool = False
    callback: Submission | None = None
    unreachable: tuple[str, ...] = ()


#: What a step takes of a claim. A report does not end it; all others do.
Outcome: TypeAlias = Succeeded | Retried | Failed | Released | Lost | SetAside | Report


class Accepted(NamedTuple):
    """How a store took some outcomes.

    Attributes:
        refused: The uuids of the outcomes that were refused.
        skipped: Those of the callbacks and members that were not added because a message of their uuid exists, and the
            ids of such groups.
        failed: Those of the messages without a worker for their task, which became dead letters.
    """

    refused: list[str]
    skipped: list[str]
    failed: tuple[str, ...]


def refused_again(outcomes: Sequence[Outcome], accepted: Collection[int]) -> list[str]:
    """Return the uuids that a repeated retirement refuses: all but the first outcome of each accepted token.

    Reports that come before that one were accepted too.
    """
    left = set(accepted)
    refused = []
    for outcome in outcomes:
        if outcome.token not in left:
            refused.append(outcome.uuid)
        elif not isinstance(outcome, Report):
            left.remove(outcome.token)
    return refused
