"""A partition that is away: leases in the others are kept, and so is what a worker holds there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from alsek.exceptions import BackendUnavailableError, WorkerUnknownError
from alsek.storage.backends.records import Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.partitions.parts import Parts
from tests.contract.workers import Actor, add, an_actor, succeeded, the_facts, uuids
from tests.unit.redis.partitioned import PARTITIONS, backend, message_in, partition_of

__all__ = ["backend"]


def test_leases_elsewhere_are_renewed(backend: RedisBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A partition that is away is asked after all others, and then not for a while: none of them waits for it."""
    actor, now, asked, away = an_actor(backend), [1_000], list[int](), {1, 2}
    supervisor = backend.within(2_000)
    monkeypatch.setattr("alsek.storage.backends.redis.partitions.away.monotonic_ms", lambda: now[0])

    def renewal(number: int, renew: Callable[..., list[str]]) -> Callable[..., list[str]]:
        def asks(*args: Any) -> list[str]:
            asked.append(number)
            if number in away:
                raise BackendUnavailableError(f"{number} is away")
            return renew(*args)

        return asks

    ports: Any = supervisor._ports
    for number, part in enumerate(ports.parts.all):
        monkeypatch.setattr(part.messages, "renew", renewal(number, part.messages.renew))

    def renewed() -> list[str]:
        return supervisor.messages.renew(actor.worker, actor.seq, ())

    def round_of_renewals() -> list[int]:
        asked.clear()
        with pytest.raises(BackendUnavailableError):
            renewed()
        return asked

    monkeypatch.setattr(Link, "shares_node", lambda *_: False)  # each is on a node of its own
    assert list(round_of_renewals()) == [0, 1, 2, 3]
    assert list(round_of_renewals()) == [0, 3]
    now[0] += actor.worker.lease // 3
    assert list(round_of_renewals()) == [0, 3, 1]  # one that is known to be away is waited for, and no more
    away.clear()
    assert list(round_of_renewals()) == [0, 3]
    now[0] += actor.worker.lease // 3
    asked.clear()
    assert renewed() == []
    assert sorted(asked) == [0, 1, 2, 3]
    assert renewed() == []
    assert asked[4:] == [0, 1, 2, 3]
    supervisor.close()


def test_of_one_node_one_partition_is_waited_for(
    backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Partitions whose node did not answer for one of them are not asked in the same renewal."""
    actor, asked = an_actor(backend), list[int]()
    supervisor = backend.within(2_000)
    ports: Any = supervisor._ports
    for number, part in enumerate(ports.parts.all):

        def asks(*_: Any, number: int = number) -> list[str]:
            asked.append(number)
            raise BackendUnavailableError("away")

        monkeypatch.setattr(part.messages, "renew", asks)
    for _ in range(3):
        with pytest.raises(BackendUnavailableError):
            supervisor.messages.renew(actor.worker, actor.seq, ())
    assert asked == [0]
    supervisor.close()


def _forget(backend: RedisBackend, actor: Actor, *partitions: int) -> None:
    """Let the lease of a worker have ended in these partitions, and another worker have taken over."""
    ports: Any = backend._ports
    for number in partitions:
        part = ports.parts.all[number]
        part.link.call("ZADD", part.keys.workers(), 1, actor.worker.id)
    other = an_actor(backend)
    backend.messages.thorough = True
    taken = other.step(limit=0).taken_over
    assert {each.worker for each in taken} == {actor.worker.id}
    backend.messages.thorough = False
    assert other.retire() == []


def test_a_worker_that_is_unknown_to_one_partition(backend: RedisBackend) -> None:
    """It is registered there again, and keeps what it holds elsewhere; what it held there others have."""
    actor = an_actor(backend, facts=the_facts("t"))
    add(backend, *(message_in(part) for part in range(PARTITIONS)))
    claimed = actor.claim()
    (lost_one,) = (each for each in claimed if partition_of(each.uuid) == 1)
    _forget(backend, actor, 1)
    with pytest.raises(WorkerUnknownError):
        actor.renew()
    second = an_actor(backend)
    assert uuids(second.claim()) == [lost_one.uuid]
    answer = actor.step(*map(succeeded, claimed))
    assert answer.refused == [lost_one.uuid]
    assert actor.again(*map(succeeded, claimed)).refused == [lost_one.uuid]
    assert second.step(*map(succeeded, second.held()), limit=0).refused == []
    actor.renew()
    add(backend, *(message_in(part) for part in range(PARTITIONS)))
    assert len(actor.claim()) == PARTITIONS
    (record,) = (each for each in backend.messages.workers() if each.id == actor.worker.id)
    assert record.facts is not None
    assert len(record.claims) == PARTITIONS
    assert actor.retire() == []


def test_a_worker_that_is_unknown_to_all_partitions(backend: RedisBackend) -> None:
    """It is told so, whichever it comes to first."""
    actor = an_actor(backend)
    _forget(backend, actor, *range(PARTITIONS))
    with pytest.raises(WorkerUnknownError):
        actor.step()
    fresh: Worker = actor.worker._replace(id=uuid4().hex)
    backend.messages.register(fresh)
    assert backend.messages.step(fresh, 1, (), {"thread": 1}).claimed == []


def test_a_renewal_needs_no_other_node(backend: RedisBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the one that knows how many partitions there are, which may be away: a supervisor asks for nothing before."""
    actor = an_actor(backend)

    def check(_: Parts) -> None:
        raise BackendUnavailableError("away")

    monkeypatch.setattr(Parts, "check", check)
    supervisor = backend.within(2_000)
    assert supervisor.messages.renew(actor.worker, 0, ()) == []
    supervisor.close()
