"""Very many messages of one tenant wait in front of another's for a limit that tenants share."""

from __future__ import annotations

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Limit
from tests.contract.workers import Actors, a_message, add, state_of, succeeded

MANY = 200_000
BATCH = 5_000


@pytest.mark.deep
@pytest.mark.stores("memory", "sqlite", "redis")
def test_a_free_place_is_not_lost_on_a_tenant_that_is_full(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """The step that frees a place of the shared limit lets in the other tenant's message, and hands it out."""
    worker, shared = actor(), Limit("shared", 10)
    full, other = Limit("tenant a", 1), Limit("tenant b", 9)
    add(backend, a_message("a", limits=(shared, full), status_ttl=0))
    add(backend, *(a_message(f"b{n}", limits=(shared, other), status_ttl=0) for n in range(9)))
    held = worker.claim()
    assert len(held) == 10
    for start in range(0, MANY, BATCH):
        waiting = (f"m{start + n}" for n in range(BATCH))
        add(backend, *(a_message(uuid, limits=(shared, full), status_ttl=0) for uuid in waiting))
    add(backend, a_message("behind", limits=(shared, other), status_ttl=0))
    assert [limit.waiting for limit in messages.limits()] == [MANY + 1, 0, 0]
    step = worker.step(succeeded(held[1], None))
    assert [claim.uuid for claim in step.claimed] == ["behind"]
    assert step.next_due is None
    assert [limit.waiting for limit in messages.limits()] == [0, MANY, 0]
    assert [claim.uuid for claim in worker.step(succeeded(held[0], None)).claimed] == ["m0"]
    assert state_of(backend, "m1") == "waiting"
    assert [limit.waiting for limit in messages.limits()] == [0, MANY - 1, 0]
