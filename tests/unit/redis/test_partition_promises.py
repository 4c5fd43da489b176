"""What a worker is promised though its messages are in several partitions: tokens, suspects, wake-ups, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.records import GroupSubmission
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client.connection import Link
from tests.contract.workers import Actor, add, an_actor, lost, succeeded, uuids
from tests.unit.redis.partitioned import PARTITIONS, backend, message_in, uuid_in
from tests.waiting import rings

__all__ = ["backend"]


def _one_in_each(backend: RedisBackend, actor: Actor) -> list[Any]:
    """The claims on a message of each partition."""
    add(backend, *(message_in(part) for part in range(PARTITIONS)))
    return list(actor.claim())


def test_what_was_stored_without_a_claim_has_no_token(backend: RedisBackend) -> None:
    """0 stands for no claim, in whichever partition a result is."""
    names = [uuid_in(part) for part in range(PARTITIONS)]
    assert all(backend.results.put(name, b"x") for name in names)
    assert [record and record.token for record in backend.results.get(names)] == [0] * PARTITIONS


def test_refused_outcomes_are_told_in_the_order_of_the_step(backend: RedisBackend) -> None:
    """Whichever order the partitions were visited in."""
    actor = an_actor(backend)
    claimed = _one_in_each(backend, actor)
    actor.step(*map(succeeded, claimed), limit=0)
    for order in (claimed, claimed[::-1]):
        assert actor.step(*map(succeeded, order), limit=0).refused == uuids(order)


def test_a_worker_that_has_finished_takes_suspects_of_other_partitions(backend: RedisBackend) -> None:
    """Claims that have ended keep none away."""
    first, second = an_actor(backend), an_actor(backend)
    for part in range(PARTITIONS):
        add(backend, message_in(part))
        second.step(succeeded(second.claim_one()), limit=0)
        suspect = message_in((part + 1) % PARTITIONS)
        add(backend, suspect)
        first.step(lost(first.claim_one(), suspect=True), limit=0)
        (alone,) = second.claim()
        assert (alone.uuid, alone.suspect) == (suspect.uuid, True)
        second.step(succeeded(alone), limit=0)


def test_a_wake_up_from_a_partition_that_is_not_visited_is_passed_on(backend: RedisBackend) -> None:
    """A worker that two partitions have woken, and that has room for one message, wakes another for the second."""
    first, second = an_actor(backend), an_actor(backend)
    waiters = [first.waiter(), second.waiter()]
    first.step()
    second.step()
    for part in (1, 2):
        waiters[0].arm()
        add(backend, message_in(part))
        assert rings(waiters[0])
    waiters[1].arm()
    assert len(first.step(limit=1).claimed) == 1
    assert rings(waiters[1])
    assert len(second.step(limit=1).claimed) == 1
    for waiter in waiters:
        waiter.close()


@pytest.mark.parametrize("what", ["group", "member"])
def test_what_would_follow_in_another_partition_fails_its_message(backend: RedisBackend, what: str) -> None:
    """A group that is a callback, and a member of such a group, can't be stored in a step of another partition."""
    actor = an_actor(backend)
    add(backend, message_in(0))
    group = GroupSubmission(uuid_in(3 if what == "group" else 0), 1)
    member = message_in(0 if what == "group" else 3)
    assert actor.step(succeeded(actor.claim_one(), groups=(group,), members=(member,)), limit=0).refused == []
    (letter,) = backend.messages.dead_letters("q")
    assert b"partition" in letter.error
    assert backend.groups.get(group.id) is None
    assert backend.messages.count("q") == 0


def test_partitions_after_one_that_is_away_are_renewed(
    backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claims in those on other nodes are not lost, and a worker that goes on is told of no error."""
    monkeypatch.setattr(Link, "shares_node", lambda self, other: False)
    actor = an_actor(backend)
    _one_in_each(backend, actor)
    renewed: list[int] = []
    ports: Any = backend._ports

    def spied(number: int, renew: Callable[..., list[str]]) -> Callable[..., list[str]]:
        def renewing(*arguments: Any) -> list[str]:
            if number == 1:
                raise BackendUnavailableError("away")
            renewed.append(number)
            return renew(*arguments)

        return renewing

    for number, part in enumerate(ports.parts.all):
        monkeypatch.setattr(part.messages, "renew", spied(number, part.messages.renew))
    assert actor.renew() == []
    assert renewed == [0, 2, 3]
