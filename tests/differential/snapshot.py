"""All that can be seen of a store, as one value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.history import MINUTE_MS, unpacked
from alsek.storage.backends.records import DeadLetter, UniqueRecord, Worker, WorkerRecord
from tests.differential.chance import KEYS
from tests.differential.group_acts import seen_groups
from tests.differential.pair import Pair


def snapshot(
    pair: Pair, side: int, uuids: Sequence[str], queues: Sequence[str], workers: Sequence[Worker]
) -> dict[str, Any]:
    """Messages, ends and claims of these names, as one store has them."""
    backend: Backend = pair.backends[side]
    port = backend.messages
    living, dead = port.queues(), port.dead_queues()
    return {
        "queues": living,
        "dead queues": dead,
        "messages": [sorted(map(tuple, port.browse(queue))) for queue in living],
        "dead letters": [[_letter(letter) for letter in port.dead_letters(queue)] for queue in dead],
        "statuses": backend.statuses.get(uuids),
        "groups": seen_groups(backend),
        "failed parents": backend.results.failed_parents(uuids),
        "results": [pair.result(side, record) for record in backend.results.get(uuids)],
        "held": [pair.named(side, port.held(worker)) for worker in workers],
        "counts": [port.count(queue) for queue in queues],
        "aside": port.aside(),
        "tallies": port.tallies(),
        "tallies by name": port.tallies(queues),
        "pauses": port.pauses(),
        "limits": [limit._replace(admitted=tuple(sorted(limit.admitted))) for limit in port.limits()],
        "unique keys": [_key(backend, key) for key in KEYS],
        "workers": [_worker(pair, side, record) for record in port.workers()],
    }


def closer_look(pair: Pair, side: int, uuids: Sequence[str], queues: Sequence[str]) -> dict[str, Any]:
    """What takes many calls to see, of the same names."""
    backend: Backend = pair.backends[side]
    port = backend.messages
    return {
        "dead counts": [backend.count(f"dead:{queue}") for queue in queues],
        "one by one": [_one(backend, queue, uuid) for queue in queues for uuid in uuids],
        "found": [port.find(uuid) for uuid in uuids],
        "dead by uuid": [[_letter(letter) for letter in port.find_dead(uuid)] for uuid in uuids],
        "places": [port.place(queue, uuid, most) for queue in queues for uuid in uuids for most in (1, 100)],
        "fronts": sorted(map(tuple, port.fronts(queues))),
        "ready": [[stored.uuid for stored in port.peek(queue, "ready", 1_000)] for queue in queues],
        "not ready": [
            sorted(map(tuple, port.peek(queue, state, 1_000)))
            for queue in queues
            for state in ("delayed", "claimed", "waiting")
        ],
        "history": [(*row[:3], unpacked(row.counts)) for row in port.history(0, port.now() // MINUTE_MS + 1)],
        "all statuses": sorted(backend.statuses.scan()),
        "descendants": [
            [pair.result(side, record) for record in backend.results.descendants(uuid)] for uuid in uuids
        ],
    }


def _key(backend: Backend, key: str) -> UniqueRecord | None:
    """Who holds it; a window that is over may be forgotten."""
    found = backend.messages.unique_key(key)
    over = found is not None and found.held_until <= backend.messages.now()
    return found._replace(held_until=0) if found is not None and over else found


def _one(backend: Backend, queue: str, uuid: str) -> Any:
    stored, letter = backend.messages.get(queue, uuid), backend.messages.dead_letter(queue, uuid)
    assert backend.messages.exists(queue, uuid) == (stored is not None)
    return stored, None if letter is None else _letter(letter)


def _worker(pair: Pair, side: int, record: WorkerRecord) -> WorkerRecord:
    """Its claims by the names of their tokens; one that told nothing was registered at 0."""
    claims = [claim._replace(token=pair.tokens.name(side, claim.token)) for claim in record.claims]  # type: ignore[arg-type]
    since = 0 if record.facts is None else record.registered_at
    return record._replace(claims=tuple(claims), registered_at=since)


def _letter(letter: DeadLetter) -> DeadLetter:
    """As it is; of a record that could not be read, stores keep different bytes, and name different reasons."""
    name = json.loads(letter.error)["name"]
    if not name.endswith("CorruptMessageError"):
        return letter
    # Of a record that can't be read, a store may not know the tail either.
    return DeadLetter(letter.uuid, letter.queue, b"", name, letter.died_at)
