"""The queues of a store, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

from alsek.core.attempt_state import read_message
from alsek.core.inspection.contents import wire_of
from alsek.core.inspection.history import rates
from alsek.exceptions import AlsekError
from alsek.storage.backends.history import MINUTE_MS
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Stored
from alsek.storage.serialization import Serializer


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A queue that holds messages or dead letters, or is paused.

    Attributes:
        name: Its name.
        ready: How many messages are ready. Suspects and those that are set aside are among them.
        delayed: How many are delayed, for a retry as well.
        running: How many are held by workers.
        dead: How many dead letters it has.
        paused: True if it is paused.
        oldest_ready_age: How long (ms) the one that has been ready for longest has been so, by the clock of its
            producer; None if none is ready. Only the first message of each priority is looked at, up to eight
            priorities for each kind of pool, and none that is set aside.
        rate: Messages that ended per second over the last minute, as workers counted them.
        paused_by: Who paused it; None if it is not paused.
        paused_since: When: Unix milliseconds on the store's clock.
    """

    name: str
    ready: int
    delayed: int
    running: int
    dead: int
    paused: bool
    oldest_ready_age: int | None
    rate: float
    paused_by: str | None = None
    paused_since: int | None = None


def queues_of(port: MessagePort, serializer: Serializer) -> list[QueueInfo]:
    """Return all queues, in alphabetical order."""
    tallies = port.tallies()
    now = port.now()
    oldest: dict[str, int] = {}
    for stored in port.fronts([tally.queue for tally in tallies if tally.ready]):
        since = ready_since(stored, serializer)
        if since is not None:
            oldest[stored.queue] = min(since, oldest.get(stored.queue, since))
    minute = now // MINUTE_MS
    rate = rates(port.history(minute - 1, minute), now)
    infos = []
    for tally in tallies:
        since, pause = oldest.get(tally.queue), tally.paused
        infos.append(
            QueueInfo(
                tally.queue,
                tally.ready,
                tally.delayed,
                tally.claimed,
                tally.dead,
                pause is not None,
                None if since is None else max(0, now - since),
                rate.get(tally.queue, 0.0),
                None if pause is None else pause.by,
                None if pause is None else pause.since,
            )
        )
    return infos


def ready_since(stored: Stored, serializer: Serializer) -> int | None:
    """Return since when a ready message is ready, as its producer or its last worker counted; None if it can't be read.

    It is when it was submitted or last retried, and the delay from then.
    """
    wire = wire_of(stored.payload, serializer)  # making a message of it would take ten times as long
    if stored.retries or wire.get("retries"):
        return _retried_since(stored, serializer)
    created, delay = wire.get("created_at"), wire.get("delay", 0)
    return created + delay if isinstance(created, int) and isinstance(delay, int) else None


def _retried_since(stored: Stored, serializer: Serializer) -> int | None:
    try:
        message = read_message(stored, serializer)
    except AlsekError:
        return stored.updated_at + (stored.retry_delay or 0) if stored.updated_at else None
    try:
        return message.ready_at
    except Exception:  # noqa: BLE001  the class of its backoff may be the user's, or not be defined in this process
        return message.updated_at
