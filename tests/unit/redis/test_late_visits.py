"""A partition that is away, while others are there: the worker goes on with these."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.exceptions import BackendUnavailableError, ValidationError, WorkerUnknownError
from alsek.storage.backends.history import packed
from alsek.storage.backends.records import Claimed, HistoryCounts
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client.connection import Link
from tests.contract.workers import Actor, add, an_actor, lost, result_of, succeeded, the_facts, uuids
from tests.unit.redis.partition_nodes import Nodes, until_known
from tests.unit.redis.partitioned import PARTITIONS, backend, message_in, partition_of
from tests.waiting import eventually

__all__ = ["backend"]

OTHERS = tuple(number for number in range(PARTITIONS) if number != 1)


@pytest.fixture
def nodes(backend: RedisBackend, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    """Each partition is on a node of its own."""
    return Nodes(backend, monkeypatch)


def _one_in_each(backend: RedisBackend, actor: Actor) -> dict[int, Claimed]:
    """The claims on a message of each partition."""
    add(backend, *(message_in(part) for part in range(PARTITIONS)))
    return {partition_of(each.uuid): each for each in actor.claim()}


def test_the_others_go_on(backend: RedisBackend, nodes: Nodes) -> None:
    """Outcomes there are accepted, messages are claimed and end; what is not known is told, and known later."""
    actor = an_actor(backend)
    mine = _one_in_each(backend, actor)
    nodes.away.add(1)
    answer = actor.step(*map(succeeded, mine.values()), limit=0)
    assert (answer.unknown, answer.refused) == ({mine[1].token}, [])
    assert [result_of(backend, mine[part].uuid) for part in OTHERS] == [b"result"] * len(OTHERS)
    for _ in range(3):
        add(backend, *(message_in(part) for part in OTHERS))
        claimed = actor.claim()
        assert sorted(partition_of(each.uuid) for each in claimed) == list(OTHERS)
        answer = actor.step(*map(succeeded, claimed))
        assert (answer.unknown, answer.refused) == ({mine[1].token}, [])
    nodes.back()
    assert until_known(actor).refused == []
    assert result_of(backend, mine[1].uuid) == b"result"
    assert backend.messages.count("q") == 0
    assert actor.step(succeeded(mine[1])).refused == [mine[1].uuid]  # it counted once


def test_the_partition_knows_a_repetition(backend: RedisBackend, nodes: Nodes) -> None:
    """A visit whose reply was lost is made again with its number and outcomes; what it has claimed is given back."""
    actor, other = an_actor(backend), an_actor(backend)
    mine = _one_in_each(backend, actor)
    add(backend, *(message_in(part) for part in range(PARTITIONS)))
    nodes.replies_lost.add(1)
    before = len(nodes.steps)
    answer = actor.step(*map(succeeded, mine.values()))
    number = actor.seq
    assert answer.unknown == {mine[1].token}
    assert sorted(partition_of(each.uuid) for each in answer.claimed) == list(OTHERS)
    assert result_of(backend, mine[1].uuid) == b"result"
    nodes.back()
    eventually(lambda: len(other.claim()) == 1)  # what nobody has heard of
    assert until_known(actor).refused == []
    del nodes.steps[:before]
    assert nodes.sent_to(1)[0] == (number, [mine[1].uuid])
    assert actor.step(*map(succeeded, answer.claimed)).refused == []


def test_further_outcomes_wait_their_turn(backend: RedisBackend, nodes: Nodes) -> None:
    """They are sent with the first round after the partition has answered, in their order."""
    actor = an_actor(backend)
    submissions = [message_in(1) for _ in range(3)]
    add(backend, *submissions)
    claimed = {each.uuid: each for each in actor.claim()}
    first, second, third = (claimed[each.uuid] for each in submissions)
    before = len(nodes.steps)
    nodes.away.add(1)
    assert actor.step(succeeded(first), limit=0).unknown == {first.token}
    number = actor.seq
    assert actor.step(succeeded(second), limit=0).unknown == {first.token, second.token}
    assert actor.step(succeeded(third), limit=0).unknown == {first.token, second.token, third.token}
    nodes.back()
    assert until_known(actor).refused == []
    del nodes.steps[:before]
    assert [given for _, given in nodes.sent_to(1) if given] == [[first.uuid], [second.uuid, third.uuid]]
    assert nodes.sent_to(1)[0][0] == number
    assert backend.messages.count("q") == 0


def test_of_one_node_one_partition_is_waited_for(
    backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is for the others there waits with it, and is told as not known."""
    nodes = Nodes(backend, monkeypatch, [(0,), (1, 2), (3,)])
    actor = an_actor(backend)
    mine = _one_in_each(backend, actor)
    nodes.away |= {1, 2}
    before = len(nodes.steps)
    answer = actor.step(*map(succeeded, mine.values()), limit=0)
    assert answer.unknown == {mine[1].token, mine[2].token}
    tried = {part for part, _, given in nodes.steps[before:] if given}
    assert len(tried & {1, 2}) == 1
    assert actor.step(limit=0).unknown == answer.unknown
    nodes.back()
    assert until_known(actor).refused == []
    assert backend.messages.count("q") == 0


def test_what_others_have_taken_over_meanwhile(backend: RedisBackend, nodes: Nodes) -> None:
    """The lease has ended there: the outcome is refused, by its token, and told once. All else is kept."""
    actor = an_actor(backend, facts=the_facts("t"))
    mine = _one_in_each(backend, actor)
    nodes.away.add(1)
    assert actor.step(*map(succeeded, mine.values()), limit=0).unknown == {mine[1].token}
    heir = _Elsewhere(backend, actor)
    (taken,) = heir.actor.claim()
    assert (taken.uuid, taken.losses) == (mine[1].uuid, 1)
    nodes.back()
    assert until_known(actor).refused == [mine[1].uuid]
    assert heir.actor.step(succeeded(taken, b"of another"), limit=0).refused == []
    assert result_of(backend, mine[1].uuid) == b"of another"
    assert actor.renew() == []
    heir.close()


class _Elsewhere:
    """A worker in another process, to which all partitions answer. It takes over what an actor held in partition 1."""

    def __init__(self, backend: RedisBackend, actor: Actor) -> None:
        self._backend = backend.within(2_000)
        ports: Any = self._backend._ports
        part = ports.parts.all[1]
        part.link.call("ZADD", part.keys.workers(), 1, actor.worker.id)
        self.actor = an_actor(self._backend)

    def close(self) -> None:
        self._backend.close()


def test_the_whole_store_is_away(backend: RedisBackend, nodes: Nodes) -> None:
    """Then the step raises, and is sent again; as soon as one partition answers, that one goes on."""
    actor = an_actor(backend)
    mine = _one_in_each(backend, actor)
    nodes.away |= set(range(PARTITIONS))
    outcomes = list(map(succeeded, mine.values()))
    for _ in range(2):
        with pytest.raises(BackendUnavailableError):
            actor.step(*outcomes, limit=0) if actor.seq == 1 else actor.again(*outcomes, limit=0)
    nodes.away = {1, 2}
    eventually(lambda: not backend.messages._rounds[actor.worker.id].untold.late.away - {1, 2})  # type: ignore[attr-defined]
    answer = actor.again(*outcomes, limit=0)
    assert answer.unknown == {mine[1].token, mine[2].token}
    nodes.back()
    assert [*answer.refused, *until_known(actor).refused] == []
    assert backend.messages.count("q") == 0


def test_counts_are_not_added_twice(backend: RedisBackend, nodes: Nodes) -> None:
    """Whether the partition that gets them is reached, answers, or is away."""
    actor = an_actor(backend)
    history = [HistoryCounts("q", "t", packed({"s": 1}))]
    steps = 0
    for trouble in (nodes.away, nodes.replies_lost):
        for part in range(PARTITIONS):
            trouble.add(part)
            actor.step(limit=0, history=history)
            actor.step(limit=1, history=history)
            steps += 2
            nodes.back()
            until_known(actor)
    now = backend.messages.now() // 60_000
    assert sum(int(row.counts[2:]) for row in backend.messages.history(now - 1, now)) == steps


def _a_suspect(backend: RedisBackend, part: int) -> str:
    """The uuid of a message of this partition that is under suspicion."""
    submission, loser = message_in(part), an_actor(backend)
    add(backend, submission)
    loser.step(lost(loser.claim_one(), suspect=True), limit=0)
    assert loser.retire() == []
    return submission.uuid


def test_a_suspect_that_has_ended_in_a_partition_that_is_away(backend: RedisBackend, nodes: Nodes) -> None:
    """While it is held, no other suspect is claimed; what is none is, by a worker that takes such messages."""
    actor, only = an_actor(backend), an_actor(backend, suspects="only")
    suspects = {}
    for each in (actor, only):
        uuid = _a_suspect(backend, 1)
        suspects[each.worker.id] = each.claim_one()
        assert suspects[each.worker.id].uuid == uuid
    other = _a_suspect(backend, 2)
    plain = message_in(3)
    add(backend, plain)
    nodes.away.add(1)
    for each in (actor, only):
        held = suspects[each.worker.id]
        assert each.step(succeeded(held), limit=0).unknown == {held.token}
    assert only.claim() == []
    answer = actor.step()
    assert (uuids(answer.claimed), answer.suspects) == ([plain.uuid], True)
    nodes.back()
    assert until_known(only).refused == []
    assert uuids(only.claim()) == [other]
    assert until_known(actor).refused == []
    assert actor.step(*map(succeeded, answer.claimed)).refused == []


def test_a_suspect_that_runs_in_a_partition_that_is_away(backend: RedisBackend, nodes: Nodes) -> None:
    """It stays alone in its worker: nothing of other partitions is claimed."""
    actor = an_actor(backend)
    _a_suspect(backend, 1)
    suspect = actor.claim_one()
    add(backend, message_in(3))
    nodes.away.add(1)
    assert [actor.claim() for _ in range(3)] == [[], [], []]
    answer = actor.step(succeeded(suspect))
    assert answer.unknown == {suspect.token}
    assert [partition_of(each.uuid) for each in answer.claimed] == [3]


def test_leases_elsewhere_are_renewed_without_an_error(backend: RedisBackend, nodes: Nodes) -> None:
    """A worker that goes on is told what was revoked elsewhere; only if nothing answers it is told so."""
    actor = an_actor(backend)
    mine = _one_in_each(backend, actor)
    tokens = [each.token for each in mine.values()]
    assert backend.messages.revoke("q", mine[2].uuid)
    nodes.away.add(1)
    for _ in range(2):
        assert backend.messages.renew(actor.worker, actor.seq, tokens) == [mine[2].uuid]
    answer = actor.step(succeeded(mine[1]))
    assert answer.unknown == {mine[1].token}
    nodes.away |= set(range(PARTITIONS))
    with pytest.raises(BackendUnavailableError):
        backend.messages.renew(actor.worker, actor.seq, tokens)


def test_a_worker_registers_where_it_can(backend: RedisBackend, nodes: Nodes) -> None:
    """And in the others as soon as they answer; not at all if nothing answers."""
    nodes.away |= set(range(PARTITIONS))
    with pytest.raises(BackendUnavailableError):
        an_actor(backend)
    nodes.away = {1}
    actor = an_actor(backend, facts=the_facts("t"))
    add(backend, *(message_in(part) for part in OTHERS))
    assert len(actor.claim()) == len(OTHERS)
    nodes.back()
    ports: Any = backend._ports
    eventually(lambda: actor.worker.id in {each.id for each in ports.parts.all[1].messages.workers()})
    submission = message_in(1)
    add(backend, submission)
    assert uuids(until_known(actor, limit=1).claimed or actor.claim()) == [submission.uuid]


def test_the_number_of_partitions_is_checked_first(
    backend: RedisBackend, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is registered anywhere by a worker with another number, whichever partitions are away."""
    an_actor(backend)
    other = RedisBackend(redis_url, namespace=backend.namespace, partitions=3)
    ports: Any = other._ports
    sent: list[int] = []
    for number, part in enumerate(ports.parts.unchecked):
        monkeypatch.setattr(part.messages, "register", lambda *_, number=number: sent.append(number))
    with pytest.raises(ValidationError, match="has 4 partitions"):
        an_actor(other)
    assert sent == []
    other.close()


def test_the_number_is_known_while_its_place_is_away(
    backend: RedisBackend, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What workers have written into the partitions counts then. If none has written it, nothing is done."""
    prompt = Link(redis_url, 1_000)
    asked: list[Any] = []

    def away(*command: Any) -> Any:
        asked.append(command)
        raise BackendUnavailableError("away")

    monkeypatch.setattr(prompt, "call", away)

    def opened(partitions: int) -> RedisBackend:
        made = RedisBackend(redis_url, namespace=backend.namespace, partitions=partitions)
        ports: Any = made._ports
        marker = ports.parts._marker
        monkeypatch.setattr(marker, "_prompt", prompt)
        monkeypatch.setattr(marker, "_link", prompt)
        return made

    for partitions in (3, PARTITIONS):
        fresh = opened(partitions)
        with pytest.raises(BackendUnavailableError):
            an_actor(fresh)
        fresh.close()
    an_actor(backend)
    other, same = opened(3), opened(PARTITIONS)
    with pytest.raises(ValidationError, match="has 4 partitions"):
        an_actor(other)
    an_actor(same)
    assert {command[0] for command in asked} == {"GET"}
    assert same.messages.count("q") == 0
    other.close()
    same.close()


@pytest.mark.parametrize("reached", [False, True])
def test_a_worker_retires_with_what_is_not_known(backend: RedisBackend, nodes: Nodes, reached: bool) -> None:
    """Its outcomes go with its retirement, and only what this is given is told as refused."""
    actor = an_actor(backend)
    mine = _one_in_each(backend, actor)
    (nodes.replies_lost if reached else nodes.away).add(1)
    assert actor.step(succeeded(mine[1]), limit=0).unknown == {mine[1].token}
    nodes.back()
    assert actor.retire(succeeded(mine[2])) == []
    assert result_of(backend, mine[1].uuid) == b"result"
    assert result_of(backend, mine[2].uuid) == b"result"
    heir = an_actor(backend)
    assert sorted(uuids(heir.claim())) == sorted([mine[0].uuid, mine[3].uuid])


def test_a_worker_retires_while_a_partition_is_away(backend: RedisBackend, nodes: Nodes) -> None:
    """It is told so only if it holds something there; elsewhere it is gone in any case."""
    idle, busy = an_actor(backend), an_actor(backend)
    mine = _one_in_each(backend, busy)
    nodes.away.add(1)
    assert idle.retire() == []
    with pytest.raises(BackendUnavailableError):
        busy.retire()
    heir = an_actor(backend)
    assert sorted(uuids(heir.claim())) == sorted(mine[part].uuid for part in OTHERS)
    nodes.back()
    assert busy.retire() == []
    assert uuids(until_known(heir, limit=1).claimed or heir.claim()) == [mine[1].uuid]


def test_a_worker_that_no_partition_knows_is_told_so(backend: RedisBackend, nodes: Nodes) -> None:
    """Also if the one that says so was away, and answers late."""
    actor = an_actor(backend)
    mine = _one_in_each(backend, actor)
    nodes.away.add(1)
    assert actor.step(succeeded(mine[1]), limit=0).unknown == {mine[1].token}
    ports: Any = backend._ports
    for part in ports.parts.all:
        part.link.call("ZREM", part.keys.workers(), actor.worker.id)
    nodes.back()

    def is_told() -> bool:
        try:
            actor.step(limit=0)
        except WorkerUnknownError:
            return True
        return False

    eventually(is_told)


def test_a_failover_that_takes_back_the_last_write(backend: RedisBackend, nodes: Nodes) -> None:
    """The claim is not there any longer: its outcome is refused, and the message is run by who claims it again."""
    actor = an_actor(backend)
    add(backend, message_in(0))
    actor.step(*map(succeeded, actor.claim()))
    ports: Any = backend._ports
    part = ports.parts.all[1]
    submission = message_in(1)
    add(backend, submission)
    names = list(part.link.call("KEYS", f"{part.keys.prefix}*"))
    before = {name: part.link.call("DUMP", name) for name in names}
    (claimed,) = actor.claim()
    nodes.away.add(1)
    assert actor.step(succeeded(claimed), limit=0).unknown == {claimed.token}
    for name in part.link.call("KEYS", f"{part.keys.prefix}*"):
        part.link.call("DEL", name)
    for name, dumped in before.items():
        part.link.call("RESTORE", name, 0, dumped)
    nodes.back()
    assert until_known(actor).refused == [claimed.uuid]
    (again,) = actor.claim()
    assert again.uuid == submission.uuid
    assert actor.step(succeeded(again)).refused == []
    assert backend.messages.count("q") == 0


def test_a_step_that_is_sent_again_brings_what_has_come_late(backend: RedisBackend, nodes: Nodes) -> None:
    """The answer of the round that took it in has it, each time."""
    actor = an_actor(backend)
    mine = _one_in_each(backend, actor)
    heir = None
    nodes.away.add(1)
    actor.step(succeeded(mine[1]), limit=0)
    heir = _Elsewhere(backend, actor)
    assert len(heir.actor.claim()) == 1
    nodes.back()
    eventually(lambda: not backend.messages._rounds[actor.worker.id].untold.late.away)  # type: ignore[attr-defined]
    assert actor.step(limit=0).refused == [mine[1].uuid]
    assert actor.again(limit=0).refused == [mine[1].uuid]
    assert actor.step(limit=0).refused == []
    heir.close()
