"""Everything about one message, in whatever state it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from alsek.core.inspection.contents import CallbackInfo, contents_of, details_of, joined, value_of
from alsek.core.inspection.queues import ready_since
from alsek.core.inspection.reported import reported
from alsek.core.inspection.sighting import Sighting
from alsek.core.inspection.workers import worker_info
from alsek.core.keys.texts import readable
from alsek.core.reporting.progress import Progress
from alsek.storage.backends.kinds import mechanism_of
from alsek.storage.backends.records import Located, ReportRecord, WorkerRecord
from alsek.storage.serialization import Serializer
from alsek.types import ExceptionDetails, MechanismWish

#: Where a message stands. ``"failed"``: it failed for good, and no dead letter of it is kept. ``"gone"``: it is not
#: stored, and its status does not say how it ended.
InfoState: TypeAlias = Literal["delayed", "ready", "waiting", "running", "succeeded", "failed", "gone"]

_STATES: Final[dict[str, InfoState]] = {
    "delayed": "delayed",
    "ready": "ready",
    "waiting": "waiting",
    "claimed": "running",
}


@dataclass(frozen=True, slots=True)
class HolderInfo:
    """The worker that holds a message. What it has not told is None.

    Attributes:
        id: The worker's id.
        kind: Its kind.
        host: The name of its machine.
        pid: The process in which the message runs; the worker's own until it has said so.
        thread: The name of the thread in which it runs.
        started_at: When this attempt began: Unix milliseconds on the worker's clock. None if the worker has not said
            yet that it runs the message.
        last_beat: When the worker last renewed its lease: Unix milliseconds on the store's clock.
        alive: False if its lease has ended. Another worker then takes the message over.
    """

    id: str
    kind: str | None = None
    host: str | None = None
    pid: int | None = None
    thread: str | None = None
    started_at: int | None = None
    last_beat: int | None = None
    alive: bool = True


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """A message that is delayed, ready, waiting or running, or that has succeeded. Times are Unix milliseconds.

    Of a message that is no longer stored only its uuid, state, status and result are known; the rest is None.

    Attributes:
        uuid: Its uuid.
        state: ``"delayed"``, ``"ready"``, ``"running"`` or ``"succeeded"``; ``"waiting"`` if it would be ready, but
            for a limit or its unique key; ``"failed"`` if it has failed and no dead letter is kept; ``"gone"`` if it
            is not stored and its status does not say how it ended.
        queue: Its queue.
        task: The name of its task.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        metadata: What the producer added.
        priority: Lower goes first.
        mechanism: Which kind of pool may take it: ``"any"``, ``"thread"`` or ``"process"``.
        timeout: How long (ms) an attempt may take.
        created_at: When it was made, on the producer's clock.
        ready_at: When it is due, on the store's clock, if it is delayed; since when it is ready, on the clock of its
            producer or of the worker that retried it, if it is ready or waiting.
        expires_at: When it expires, on the store's clock, if it has a ttl and is ready, waiting or running.
        attempts: How many attempts have begun, the present one included. Those that were lost with a worker don't
            count.
        retries: How often it was retried.
        losses: How often the worker that held it died or lost its lease.
        revoked: It was revoked. If it is ready, waiting or delayed, it will not be run.
        suspect: It waits for a worker of its own, or is run alone, after it was in a process that died.
        set_aside: The task for which it is set aside; None if it is not.
        place: How many ready messages of its queue go before it, if it is ready: exact up to 10,000, and 10,001 if
            they are more.
        error: The exception that ended its last attempt: ``name``, ``text``, ``traceback``.
        worker: The worker that holds it, if it is running.
        status: The name of its status; None if none is kept.
        status_at: When that was written, on the store's clock.
        details: What was stored with the status.
        has_result: A result of it is stored.
        result: The result. It stays in the store.
        result_at: When it was written, on the store's clock.
        callbacks: The messages that follow once it has succeeded, nearest first: at most 16.
        more_callbacks: There are more than these.
        previous: The uuid of the message before it in its chain.
        previous_result: What that one returned.
        progenitor: The uuid of the first message of its chain.
        unreadable: What of it can't be read, and why, as a sentence; None if all can.
        unique: Its unique key, with the name of its task before it; None if it has none.
        limits: The ids of its limits; :meth:`Inspector.limits` has their numbers.
        waits_for: The id of the limit for which it waits, or ``u:`` and its unique key; None if it does not wait.
        progress: How far its task is, or was, as it last said; None if it said nothing.
        checkpoint: What its task saved last, for the next attempt.
        log: The last lines that its task logged, oldest first, if its broker keeps them.
        reported_at: When any of these three was last told, on the store's clock; None if none was.
    """

    uuid: str
    state: InfoState
    queue: str | None = None
    task: str | None = None
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] | None = None
    metadata: Any = None
    priority: int | None = None
    mechanism: MechanismWish | None = None
    timeout: int | None = None
    created_at: int | None = None
    ready_at: int | None = None
    expires_at: int | None = None
    attempts: int | None = None
    retries: int | None = None
    losses: int | None = None
    revoked: bool = False
    suspect: bool = False
    set_aside: str | None = None
    place: int | None = None
    error: ExceptionDetails | None = None
    worker: HolderInfo | None = None
    status: str | None = None
    status_at: int | None = None
    details: Any = None
    has_result: bool = False
    result: Any = None
    result_at: int | None = None
    callbacks: tuple[CallbackInfo, ...] = ()
    more_callbacks: bool = False
    previous: str | None = None
    previous_result: Any = None
    progenitor: str | None = None
    unreadable: str | None = None
    unique: str | None = None
    limits: tuple[str, ...] = ()
    waits_for: str | None = None
    progress: Progress | None = None
    checkpoint: Any = None
    log: tuple[str, ...] = ()
    reported_at: int | None = None


def message_info(seen: Sighting, serializer: Serializer, report: ReportRecord | None = None) -> MessageInfo:
    """Return a message that is stored, or of which a status or result is kept, and what was reported on it."""
    fields, troubles = left_over(seen, serializer)
    told, unreadable = reported(report, serializer)
    fields |= told
    troubles += unreadable
    located = seen.located
    if located is None:
        state: InfoState = "succeeded" if seen.succeeded else "failed" if seen.has_ended else "gone"
        return MessageInfo(seen.uuid, state, **fields, unreadable=joined(troubles))
    stored = located.stored
    contents = contents_of(stored, serializer)
    retries = stored.retries if contents.retries is None else contents.retries
    return MessageInfo(
        seen.uuid,
        _STATES[stored.state],
        stored.queue,
        contents.task,
        contents.args,
        contents.kwargs,
        contents.metadata,
        stored.priority,
        mechanism_of(located.wish),
        contents.timeout,
        contents.created_at,
        located.due if stored.state == "delayed" else ready_since(stored, serializer),
        located.expires_at,
        retries + (stored.state == "claimed"),
        retries,
        stored.losses,
        stored.revoked,
        located.suspect,
        located.aside or None,
        seen.place,
        contents.error or (details_of(stored.last_error) if stored.last_error else None),
        holder_info(located, seen.holder, seen.now) if stored.state == "claimed" else None,
        **fields,
        callbacks=contents.callbacks,
        more_callbacks=contents.more_callbacks,
        previous=contents.previous,
        previous_result=contents.previous_result,
        progenitor=contents.progenitor,
        unreadable=joined([contents.unreadable, *troubles]),
        unique=None if stored.unique is None else readable(stored.unique.key),
        limits=tuple(limit.id for limit in stored.limits),
        waits_for=located.waits_for or None,
    )


def holder_info(located: Located, record: WorkerRecord | None, now: int) -> HolderInfo:
    """Return the worker that holds a message, and what it says of it.

    Args:
        located: The message.
        record: The worker, if the store knows it.
        now: The time on the store's clock.
    """
    if record is None:
        return HolderInfo(located.worker or "")
    info = worker_info(record, now)
    held = next((held for held in info.running if held.uuid == located.stored.uuid), None)
    # What it said before may be of an attempt that has ended since.
    said = held is not None and held.attempt == located.stored.retries + 1
    return HolderInfo(
        info.id,
        info.kind,
        info.host,
        held.pid if held is not None and said else info.pid,
        held.thread if held is not None and said else None,
        held.started_at if held is not None and said else None,
        info.last_beat,
        info.alive,
    )


def left_over(seen: Sighting, serializer: Serializer) -> tuple[dict[str, Any], list[str]]:
    """Return status and result of a message as fields of an info, and what of them can't be read."""
    status, result = seen.status, seen.result
    details, no_details = value_of(None if status is None else status.details, serializer)
    value, no_result = value_of(None if result is None else result.payload, serializer)
    fields = {
        "status": None if status is None else status.status.name,
        "status_at": None if status is None else status.timestamp,
        "details": details,
        "has_result": result is not None,
        "result": value,
        "result_at": None if result is None else result.timestamp,
    }
    troubles = [f"the details of its status {no_details}"] if no_details else []
    troubles += [f"its result {no_result}"] if no_result else []
    return fields, troubles
