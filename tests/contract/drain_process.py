"""The program of the other processes in these tests, in a module that a new interpreter can import."""

from __future__ import annotations

import os
from multiprocessing.queues import Queue

from tests.contract.stores import Recipe
from tests.contract.workers import an_actor, succeeded


def drain(recipe: Recipe, total: int, answers: Queue[list[str]]) -> None:
    """Claim and finish messages until all `total` of them are finished; report the claims."""
    backend = recipe.open()
    # Every spawned interpreter counts its workers from one: the names have to differ.
    worker = an_actor(backend, id=f"process-{os.getpid()}")
    mine: list[str] = []
    claimed = worker.claim(limit=5)
    while claimed or backend.messages.count("q"):
        mine += [c.uuid for c in claimed]
        claimed = worker.step(*(succeeded(c) for c in claimed), limit=5).claimed
    assert len(mine) <= total
    answers.put(mine)
    backend.close()
