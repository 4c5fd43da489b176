"""What a worker is promised though its messages are in several partitions: tokens, suspects, wake-ups, refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from alsek.core.identifiers import new_uuid
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.locations import LOCATIONS, at_location
from alsek.storage.backends.records import GroupSubmission, Submission
from alsek.storage.backends.redis import RedisBackend
from tests.contract.workers import Actor, a_message, add, an_actor, lost, succeeded, uuids
from tests.waiting import rings

_PARTITIONS = 4


@pytest.fixture
def backend(redis_url: str) -> Iterator[RedisBackend]:
    """A backend with partitions, in a namespace of its own."""
    made = RedisBackend(redis_url, namespace=f"t{uuid4().hex[:12]}", timeout=2_000, partitions=_PARTITIONS)
    yield made
    made.clear_namespace()
    made.close()


def _uuid(part: int) -> str:
    """A new uuid of this partition."""
    return at_location(new_uuid(), part * LOCATIONS // _PARTITIONS + 7)


def _in(part: int, **fields: Any) -> Submission:
    return a_message(_uuid(part), **fields)


def _one_in_each(backend: RedisBackend, actor: Actor) -> list[Any]:
    """The claims on a message of each partition."""
    add(backend, *(_in(part) for part in range(_PARTITIONS)))
    return list(actor.claim())


def test_what_was_stored_without_a_claim_has_no_token(backend: RedisBackend) -> None:
    """0 stands for no claim, in whichever partition a result is."""
    names = [_uuid(part) for part in range(_PARTITIONS)]
    assert all(backend.results.put(name, b"x") for name in names)
    assert [record and record.token for record in backend.results.get(names)] == [0] * _PARTITIONS


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
    for part in range(_PARTITIONS):
        add(backend, _in(part))
        second.step(succeeded(second.claim_one()), limit=0)
        suspect = _in((part + 1) % _PARTITIONS)
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
        add(backend, _in(part))
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
    add(backend, _in(0))
    group = GroupSubmission(_uuid(3 if what == "group" else 0), 1)
    member = _in(0 if what == "group" else 3)
    assert actor.step(succeeded(actor.claim_one(), groups=(group,), members=(member,)), limit=0).refused == []
    (letter,) = backend.messages.dead_letters("q")
    assert b"partition" in letter.error
    assert backend.groups.get(group.id) is None
    assert backend.messages.count("q") == 0


def test_partitions_after_one_that_is_away_are_renewed(
    backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claims in them are not lost, and the caller is told that one is away."""
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
    with pytest.raises(BackendUnavailableError, match="away"):
        actor.renew()
    assert renewed == [0, 2, 3]
