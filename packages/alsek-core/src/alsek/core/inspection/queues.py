"""The queues of a store, in numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import nlargest
from typing import Final

from alsek.core.attempt_state import read_message
from alsek.core.inspection.contents import wire_of
from alsek.core.inspection.history import rates
from alsek.exceptions import AlsekError
from alsek.storage.backends.history import MINUTE_MS
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import QueueTally, Stored
from alsek.storage.payload_limit import without_limit
from alsek.storage.serialization import JsonSerializer, Serializer

_CREATED: Final = re.compile(rb'"created_at":(-?\d{1,18})')
_DELAY: Final = b'"delay":'
_RETRIES: Final = b'"retries":'


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """A queue that holds messages or dead letters, is paused, or whose messages ended within the last minute.

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
        waiting: How many messages would be ready, but wait for a limit, or behind the message that holds their unique
            key.
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
    waiting: int = 0


def by_load(queues: Iterable[QueueInfo]) -> list[QueueInfo]:
    """Return queues in the order of what they have to do, the fullest first."""
    return sorted(
        queues,
        key=lambda queue: (
            -(queue.ready + queue.waiting + queue.running),
            -queue.dead,
            -queue.delayed,
            queue.name,
        ),
    )


def queues_of(port: MessagePort, serializer: Serializer, aged: int | None = None) -> list[QueueInfo]:
    """Return all queues, in alphabetical order.

    Args:
        port: Where they are.
        serializer: Reads payloads.
        aged: For how many queues, those with the most ready messages, to read how old the oldest is; None for all.
    """
    tallies = port.tallies()
    now = port.now()
    oldest: dict[str, int] = {}
    for stored in port.fronts(_with_ready(tallies, aged)):
        since = ready_since(stored, serializer)
        if since is not None:
            oldest[stored.queue] = min(since, oldest.get(stored.queue, since))
    minute = now // MINUTE_MS
    rate = rates(port.history(minute - 1, minute), now)
    known = {tally.queue for tally in tallies}
    # A queue that is worked off as fast as it fills is empty at most moments, and must be seen all the same.
    busy = [QueueTally(name, 0, 0, 0, 0) for name, ended in rate.items() if ended and name not in known]
    if busy:
        tallies = sorted(tallies + busy)
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
                tally.waiting,
            )
        )
    return infos


def _with_ready(tallies: list[QueueTally], most: int | None) -> list[str]:
    """Return the queues with ready messages; of more than `most` those that have the most."""
    found = [tally for tally in tallies if tally.ready]
    if most is not None and len(found) > most:
        found = nlargest(most, found, key=lambda tally: tally.ready)
    return [tally.queue for tally in found]


def ready_since(stored: Stored, serializer: Serializer) -> int | None:
    """Return since when a ready message is ready, as its producer or its last worker counted; None if it can't be read.

    It is when it was submitted or last retried, and the delay from then.
    """
    if type(without_limit(serializer)) is JsonSerializer and not stored.updated_at:
        quick = _created_in_json(stored.payload)
        if quick is not None:
            return quick
    wire = wire_of(stored.payload, serializer)  # making a message of it would take ten times as long
    if stored.updated_at or wire.get("retries"):
        return _retried_since(stored, serializer)
    created, delay = wire.get("created_at"), wire.get("delay", 0)
    return created + delay if isinstance(created, int) and isinstance(delay, int) else None


def _created_in_json(payload: bytes) -> int | None:
    """Return when a message was made that had no delay, without decoding all of it: there may be very many.

    Within a text of JSON quotes have a backslash before them. So a key that is there once is the message's own, if all
    messages have it; one that is nowhere is none of its keys. Returns None if this does not tell.
    """
    if _DELAY in payload or _RETRIES in payload:
        return None
    found = _CREATED.findall(payload)
    return int(found[0]) if len(found) == 1 else None


def _retried_since(stored: Stored, serializer: Serializer) -> int | None:
    try:
        message = read_message(stored, serializer)
    except AlsekError:
        return stored.updated_at + (stored.retry_delay or 0) if stored.updated_at else None
    try:
        return message.ready_at
    except Exception:  # noqa: BLE001  the class of its backoff may be the user's, or not be defined in this process
        return message.updated_at
