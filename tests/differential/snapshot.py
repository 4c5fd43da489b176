"""All that can be seen of a store, as one value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import DeadLetter, Worker
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
        "results": [pair.result(side, record) for record in backend.results.get(uuids)],
        "held": [pair.named(side, port.held(worker)) for worker in workers],
        "counts": [port.count(queue) for queue in queues],
    }


def closer_look(pair: Pair, side: int, uuids: Sequence[str], queues: Sequence[str]) -> dict[str, Any]:
    """What takes many calls to see, of the same names."""
    backend: Backend = pair.backends[side]
    return {
        "dead counts": [backend.count(f"dead:{queue}") for queue in queues],
        "one by one": [_one(backend, queue, uuid) for queue in queues for uuid in uuids],
        "all statuses": sorted(backend.statuses.scan()),
        "descendants": [
            [pair.result(side, record) for record in backend.results.descendants(uuid)] for uuid in uuids
        ],
    }


def _one(backend: Backend, queue: str, uuid: str) -> Any:
    stored, letter = backend.messages.get(queue, uuid), backend.messages.dead_letter(queue, uuid)
    assert backend.messages.exists(queue, uuid) == (stored is not None)
    return stored, None if letter is None else _letter(letter)


def _letter(letter: DeadLetter) -> DeadLetter:
    """As it is; of a record that could not be read, stores keep different bytes, and name different reasons."""
    name = json.loads(letter.error)["name"]
    return letter._replace(payload=b"", error=name) if name.endswith("CorruptMessageError") else letter
