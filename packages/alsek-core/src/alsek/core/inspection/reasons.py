"""The answer to why a message is not running."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.messages import MessageInfo
from alsek.core.short_repr import shown

WhyCode: TypeAlias = Literal[
    "unknown",
    "delayed",
    "retrying",
    "behind",
    "no_worker",
    "paused",
    "limited",
    "unique",
    "running",
    "suspect",
    "succeeded",
    "dead",
    "revoked",
    "expired",
]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a message is not running; or that it is, or how it ended.

    ============= ==============================================================================================
    code          says
    ============= ==============================================================================================
    ``unknown``   no message of this uuid is known, nor a status, result or dead letter of one; or it is gone, and
                  its status does not say how it ended
    ``delayed``   it waits until a time, as submitted
    ``retrying``  it has failed, and waits for its next attempt
    ``behind``    it is ready; how many messages of its queue go first, and how many workers serve it
    ``no_worker`` it is ready, but no live worker serves its queue, its mechanism, or registers its task
    ``paused``    it is ready, but its queue is paused
    ``limited``   it waits for a limit that is used up: which, who holds it, and when it is next free
    ``unique``    it waits until the message ends that holds its unique key
    ``running``   a worker holds it
    ``suspect``   it is ready, and waits for a worker of its own after it was in a process that died
    ``succeeded`` it has ended
    ``dead``      it has failed for good
    ``revoked``   it was revoked: it has ended, or will not be run
    ``expired``   it was ready for longer than its ttl: it has ended, or will not be run
    ============= ==============================================================================================

    Attributes:
        code: One of these.
        text: A sentence for people, with the facts in it. Times in it are UTC.
        facts: The same as plain values, by name; times are Unix milliseconds on the store's clock. What a code does not
            need is left out.
    """

    code: WhyCode
    text: str
    facts: dict[str, Any]


def subject(info: MessageInfo | DeadInfo) -> str:
    """Return how a sentence about a message begins."""
    task = "" if info.task is None else f" of task {shown(info.task)}"
    queue = "" if info.queue is None else f" in queue {shown(info.queue)}"
    return f"Message {info.uuid}{task}{queue}"


def facts_of(info: MessageInfo | DeadInfo) -> dict[str, Any]:
    """Return the facts that each answer about a stored message or dead letter has."""
    return {"uuid": info.uuid, "queue": info.queue, "task": info.task, "state": info.state}
