"""Moves to another store: what goes along, and what each step does if it is repeated, late, or another's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from alsek.exceptions import MoveError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import Copy, CopyKind, MessageCopy
from alsek.storage.backends.kinds import WISHES
from alsek.storage.backends.records import FOR_EVER, Added, StatusRecord, TaskStatus
from tests.contract.stores import START, Store
from tests.contract.workers import (
    ERROR,
    Actors,
    a_message,
    a_request,
    add,
    an_actor,
    died,
    lost,
    not_mine,
    retried,
    succeeded,
    the_facts,
)
from tests.waiting import rings

LEASE = 5_000
Move: TypeAlias = Callable[..., None]


@pytest.fixture
def target(store: Store) -> Backend:
    """Another namespace of the store."""
    return store.open(f"{store.namespace}-target")


def copies_of(backend: Backend, kind: CopyKind, most: int = 100) -> list[Copy]:
    """All copies of a kind."""
    return [copy for page in backend.transfer.read(kind, most) for copy in page.copies]


def move_all(source: Backend, target: Backend, most: int = 100) -> None:
    """Move everything, in small batches."""
    move, out, into = uuid4().hex, source.transfer, target.transfer
    opened = out.open_source(move, into.store_name(), "there", LEASE)
    into.open_target(move, out.store_name(), opened.token, opened.fence)
    for kind in CopyKind:
        for page in out.read(kind, most):
            if page.copies:
                batch = uuid4().hex
                into.stage(move, out.store_name(), batch, b"data")
                taken = out.take_out(move, batch, page.copies)
                assert all(taken), (page, taken)
                assert into.commit(move, out.store_name(), batch, page.copies) == []
    into.close_target(move, out.store_name())
    out.close_source(move)


def fill(backend: Backend, store: Store) -> None:
    """Something of everything, in queues of several wishes and priorities."""
    worker = an_actor(backend)
    add(
        backend,
        *(a_message(f"plain-{n}", priority=n % 2, wish=["any", "thread"][n // 2 % 2]) for n in range(9)),
    )
    add(backend, *(a_message(f"process-{n}", wish="process") for n in range(2)))
    add(
        backend,
        a_message("coroutine", wish="any-async"),
        a_message("late-coroutine", wish="thread-async", delay=80_000),
    )
    add(backend, *(a_message(f"late-{n}", delay=60_000 - n) for n in range(5)))
    add(backend, *(a_message(f"same-{n}", "r", delay=70_000) for n in range(5)))
    add(backend, a_message("bar", "a|b;c"), a_message("colon", "a:b"))
    add(backend, a_message("short", "r", ttl=30_000), a_message("untracked", "r", status_ttl=0))
    add(
        backend,
        *(a_message(name, "s", status_ttl=500_000) for name in ("retried", "again", "suspect", "lost")),
    )
    add(backend, *(a_message(name, "s") for name in ("dead", "deader", "done")))
    own = an_actor(backend, "s", suspects="freely")
    claims = {claim.uuid: claim for claim in own.claim()}
    error = b'{"text": "a;b|c=%\\n"}'
    own.step(
        retried(
            claims["retried"], delay=40_000, retries=3, updated_at=START, retry_delay=7, last_error=error
        ),
        retried(claims["again"], b"other payload"),
        lost(claims["suspect"], suspect=True),
        lost(claims["lost"]),
        died(claims["dead"]),
        died(claims["deader"], b"{}", FOR_EVER),
        succeeded(claims["done"], result_ttl=400_000, progenitor="root"),
        limit=0,
    )
    own.retire()
    worker.retire()
    backend.messages.revoke("q", "plain-3")
    backend.results.put("b", b"2", FOR_EVER, progenitor="root")
    backend.results.put("a", b"1", 300_000, progenitor="root")
    backend.results.put("alone", b"\xff|\n", 300_000, 7)
    backend.statuses.put("alone", TaskStatus.RUNNING, b"details", 200_000)
    backend.values.put("value", b"\x00\xff")
    backend.values.put("empty", b"", 200_000)
    store.advance(1)


def held(backend: Backend) -> dict[str, Any]:
    """Everything that a store shows of what can be moved."""
    messages = backend.messages
    queues = messages.queues()
    stored = {one.uuid: one for queue in queues for one in messages.browse(queue)}
    uuids = sorted({*stored, "done", "dead", "deader", "alone", "a", "b"})
    return {
        "messages": stored,
        "counts": {queue: messages.count(queue) for queue in queues},
        "letters": {queue: list(messages.dead_letters(queue)) for queue in messages.dead_queues()},
        "statuses": backend.statuses.get(uuids),
        "all statuses": sorted(record.uuid for record in backend.statuses.scan()),
        "results": backend.results.get(uuids),
        "descendants": backend.results.descendants("root"),
        "values": {name: backend.values.get(name) for name in backend.values.scan("*")},
    }


def drained(backend: Backend) -> list[tuple[Any, ...]]:
    """All messages in the order in which one worker takes them, without their tokens."""
    worker = an_actor(backend, kind="any", suspects="freely", lease=10_000_000)
    claimed = worker.claim()
    worker.step(*(succeeded(claim, None) for claim in claimed), limit=0)
    worker.retire()
    return [tuple(claim._replace(token=0)) for claim in claimed]


@pytest.mark.parametrize("most", [1, 4, 100])
def test_everything_arrives_as_it_was(store: Store, target: Backend, most: int) -> None:
    """Messages in every state with all that is known of them; dead letters, results, statuses, values; no rest."""
    source = store.backend
    fill(source, store)
    before = held(source)
    move_all(source, target, most)
    assert held(target) == before
    assert {name: found for name, found in held(source).items() if found and any(found)} == {}


def test_messages_are_taken_in_the_same_order(store: Store, target: Backend) -> None:
    """By priority and arrival within a queue, over all wishes, and the delayed ones as they fall due."""
    source, twin = store.backend, store.open(f"{store.namespace}-twin")
    for backend in (source, twin):
        fill(backend, store)
    move_all(source, target, 3)
    expected, found = drained(twin), drained(target)
    assert [each[:3] for each in found] == [each[:3] for each in expected]
    store.advance(80_000)
    assert [each[:3] for each in drained(target)] == [each[:3] for each in drained(twin)]


def test_messages_of_a_paused_queue_too(store: Store, target: Backend, actor: Actors) -> None:
    """A queue that is paused when it is moved keeps the order of its messages, and which of them are suspects."""
    add(
        store.backend,
        *(a_message(f"m{n:02}", priority=(n + 1) % 3, wish=WISHES[n % 2 * 3]) for n in range(30)),
    )
    worker = actor()
    claim = worker.claim_one()
    worker.step(lost(claim, suspect=True), limit=0)
    worker.retire()
    store.backend.messages.pause("q", "me")
    move_all(store.backend, target, 4)
    found = drained(target)
    assert [each[0] for each in found] == sorted(
        (f"m{n:02}" for n in range(30)), key=lambda uuid: ((int(uuid[1:]) + 1) % 3, uuid)
    )
    assert [each[0] for each in found if each[7]] == [claim.uuid]


def test_they_come_behind_what_the_target_has(store: Store, target: Backend) -> None:
    """A message of the target that was there before goes first."""
    add(store.backend, "from-1", "from-2")
    add(target, "own")
    move_all(store.backend, target)
    assert [each[0] for each in drained(target)] == ["own", "from-1", "from-2"]


def test_lifetimes_go_along(store: Store, target: Backend) -> None:
    """What expires in the source after a time expires in the target after the same."""
    source = store.backend
    add(source, a_message("short", ttl=30_000))
    source.values.put("value", b"1", 200_000)
    move_all(source, target)
    (value,), (message,) = copies_of(target, CopyKind.VALUE), copies_of(target, CopyKind.MESSAGE)
    assert value.expiry is not None
    assert abs(value.expiry - START - 200_000) < 5_000
    assert isinstance(message, MessageCopy)
    assert message.expiry == START + 30_000
    store.advance(30_001)
    worker = an_actor(target)
    assert worker.claim_one().expired


def test_a_worker_is_woken(store: Store, target: Backend) -> None:
    """One that sleeps beside the target takes what arrives."""
    worker = an_actor(target)
    assert worker.claim() == []
    with closing(worker.waiter()) as waiter:
        waiter.arm()
        add(store.backend, "a")
        move_all(store.backend, target)
        assert rings(waiter)


def test_the_request_goes_along(store: Store, target: Backend) -> None:
    """A call that is repeated after a lost reply is known in both stores, and stores nothing again."""
    request = a_request()
    assert store.backend.messages.add([a_message("a")], request) == [Added(True)]
    move_all(store.backend, target)
    for backend in (target, store.backend):
        assert backend.messages.add([a_message("a")], request) == [Added(True)]
    assert not store.backend.messages.exists("q", "a")
    assert add(store.backend, "a") == [True]


def test_what_is_set_aside_goes_along(store: Store, target: Backend, actor: Actors) -> None:
    """At its place among the others; the target's workers set it aside again if they must."""
    other = actor(facts=the_facts("v"))
    add(store.backend, "a", "b", "c")
    _, second, third = other.claim()
    other.step(not_mine(second, wait=True), lost(third, suspect=True), limit=0)
    other.retire()
    move_all(store.backend, target, 1)
    assert store.backend.messages.aside() == target.messages.aside() == []
    assert [each[0] for each in drained(target)] == ["a", "b", "c"]
    assert [tally for tally in store.backend.messages.tallies() if tally.ready or tally.delayed] == []


def test_it_can_come_back_at_once(store: Store, target: Backend) -> None:
    """A message that was moved has not ended."""
    add(store.backend, "a")
    move_all(store.backend, target)
    move_all(target, store.backend)
    assert store.backend.messages.exists("q", "a")
    assert not target.messages.exists("q", "a")


def test_numbers_go_on(store: Store, target: Backend) -> None:
    """The target gives out no claim token or fence number that the source has given out."""
    source = store.backend
    lock = None
    for _ in range(5):
        lock = source.locks.acquire("lock", "me", 1_000)
        source.locks.release("lock", "me")
    add(source, *"abc")
    tokens = [claim.token for claim in an_actor(source).claim()]
    source_name = source.transfer.store_name()
    opened = source.transfer.open_source("m", target.transfer.store_name(), "there", LEASE)
    target.transfer.open_target("m", source_name, opened.token, opened.fence)
    assert lock is not None
    assert target.locks.acquire("lock", "me", 1_000).fence > lock.fence
    add(target, "d")
    assert an_actor(target).claim_one().token > max(tokens)


class Pair:
    """A move between two stores that stands before its first batch."""

    def __init__(self, source: Backend, target: Backend, name: str = "move-1") -> None:
        self.name = name
        self.out, self.into = source.transfer, target.transfer
        self.source_name = self.out.store_name()
        self.opened = self.out.open_source(name, self.into.store_name(), "there", LEASE)
        self.staged = self.into.open_target(name, self.source_name, 0, 0).staged

    def stage(self, batch: str, data: bytes = b"data") -> None:
        self.into.stage(self.name, self.source_name, batch, data)

    def take(self, batch: str, copies: Sequence[Copy]) -> list[bool]:
        return self.out.take_out(self.name, batch, copies)

    def commit(self, batch: str, copies: Sequence[Copy]) -> list[str]:
        return self.into.commit(self.name, self.source_name, batch, copies)


def test_each_step_can_be_repeated(store: Store, target: Backend) -> None:
    """After a lost reply a step is sent again: it changes nothing, and answers the same."""
    source = store.backend
    add(source, *"ab")
    pair = Pair(source, target)
    copies = copies_of(source, CopyKind.MESSAGE)
    for _ in range(2):
        pair.stage("batch-1")
    for _ in range(2):
        assert pair.take("batch-1", copies) == [True, True]
    add(source, "a")
    assert pair.take("batch-1", copies) == [True, True]
    assert source.messages.exists("q", "a")
    for _ in range(2):
        assert pair.commit("batch-1", copies) == []
    assert [each[0] for each in drained(target)] == ["a", "b"]
    assert pair.commit("batch-1", copies) == []
    assert target.messages.queues() == []
    for _ in range(2):
        pair.into.close_target(pair.name, pair.source_name)
        pair.out.close_source(pair.name)


def test_only_what_is_unchanged_is_taken_out(store: Store, target: Backend, actor: Actors) -> None:
    """Not what was removed, revoked, retried, claimed or given another status since it was copied."""
    source = store.backend
    add(
        source,
        *(a_message(name, name) for name in ("removed", "revoked", "later", "claimed", "status", "same")),
    )
    copies = copies_of(source, CopyKind.MESSAGE)
    source.messages.remove("removed", "removed")
    source.messages.revoke("revoked", "revoked")
    source.messages.reschedule(retried(actor("later").claim_one(), delay=5))
    assert actor("claimed").claim_one()
    store.advance(1)
    source.statuses.put("status", TaskStatus.RETRYING)
    taken = Pair(source, target).take("batch-1", copies)
    assert [copy.key[1] for copy, was in zip(copies, taken, strict=True) if was] == ["same"]
    assert sorted(source.messages.queues()) == ["claimed", "later", "revoked", "status"]
    assert source.statuses.get(["same"]) == [None]


@pytest.mark.parametrize(
    "kind", [kind for kind in CopyKind if kind not in (CopyKind.MESSAGE, CopyKind.SCHEDULE)]
)
def test_only_unchanged_things_are_taken_out(kind: CopyKind, store: Store, target: Backend) -> None:
    """A dead letter, result, status or value that was deleted or written again since stays."""
    source = store.backend

    def write(name: str, data: bytes) -> None:
        add(source, name)
        source.messages.fail("q", name, data, FOR_EVER)
        source.results.put(name, data)
        source.statuses.put(name, TaskStatus.RUNNING, data)
        source.values.put(name, data)

    for name in "abc":
        write(name, b"{}")
    copies = sorted(copies_of(source, kind))
    store.advance(5)
    write("b", b'{"a": 1}')
    source.messages.purge("q", "c")
    source.results.delete(["c"])
    source.statuses.delete(["c"])
    source.values.delete("c")
    assert Pair(source, target).take("batch-1", copies) == [True, False, False]
    assert [copy.key[1] for copy in copies_of(source, kind)] == ["b"]


def test_a_message_that_is_moved_has_not_ended(store: Store, target: Backend) -> None:
    """Nothing is published, and its status stays as it was."""
    source = store.backend
    add(source, "a")
    before = source.statuses.get(["a"])
    with source.subscribe("results:a", "statuses:a") as news:
        move_all(source, target)
        assert news.wait(0) is None
    assert target.statuses.get(["a"]) == before
    assert source.statuses.get(["a"]) == [None]


def test_what_is_staged_is_seen_by_nobody(store: Store, target: Backend) -> None:
    """Until it is committed, no worker gets it, and nothing shows it."""
    add(store.backend, "a")
    pair = Pair(store.backend, target)
    pair.stage("batch-1")
    assert target.messages.queues() == []
    assert an_actor(target).claim() == []
    assert list(target.values.scan("*")) == []


def test_a_later_move_goes_on(store: Store, target: Backend) -> None:
    """It learns what was taken out last and what is staged; the earlier one can do nothing more."""
    source = store.backend
    add(source, *"ab")
    first = Pair(source, target)
    copies = copies_of(source, CopyKind.MESSAGE)
    first.stage("batch-1", b"\x00data")
    assert first.take("batch-1", copies[:1]) == [True]
    store.advance(LEASE)
    second = Pair(source, target, "move-2")
    assert second.opened.taken is not None
    assert tuple(second.opened.taken) == ("batch-1", (True,))
    assert second.staged is not None
    assert tuple(second.staged) == ("batch-1", b"\x00data")
    for step in (
        lambda: first.stage("batch-2"),
        lambda: first.take("batch-2", copies[1:]),
        lambda: first.commit("batch-1", copies[:1]),
    ):
        with pytest.raises(MoveError, match="replaced"):
            step()
    assert second.commit("batch-1", copies[:1]) == []
    first.into.close_target(first.name, first.source_name)
    first.out.close_source(first.name)
    assert second.take("batch-3", copies[1:]) == [True]
    assert [each[0] for each in drained(target)] == ["a"]


def test_a_move_that_is_at_work_is_not_replaced(store: Store, target: Backend) -> None:
    """Until its lease has passed; each batch renews it."""
    source, name = store.backend, target.transfer.store_name()
    first = Pair(source, target)
    assert not first.opened.busy
    store.advance(LEASE - 1)
    assert source.transfer.open_source("move-2", name, "there", LEASE).busy == 1
    first.stage("batch-1")
    first.take("batch-1", [])
    store.advance(LEASE - 1)
    assert source.transfer.open_source("move-2", name, "there", LEASE).busy == 1
    first.out.close_source(first.name)
    assert not source.transfer.open_source("move-2", name, "there", LEASE).busy


def test_a_move_elsewhere_waits_for_the_first(store: Store, target: Backend) -> None:
    """What it took out last may be staged there and nowhere else, so it is not forgotten, unless one says so."""
    source = store.backend
    Pair(source, target).take("batch-1", [])
    store.advance(LEASE)
    elsewhere = source.transfer.open_source("move-2", "another", "elsewhere", LEASE)
    assert elsewhere.other == "there"
    abandoned = source.transfer.open_source("move-2", "another", "elsewhere", LEASE, abandon=True)
    assert (abandoned.other, abandoned.busy, abandoned.taken) == ("", 0, None)


def test_moves_from_two_sources_do_not_meet(store: Store, target: Backend) -> None:
    """Each has its own place in the target."""
    other = store.open(f"{store.namespace}-other")
    add(store.backend, "a")
    add(other, "b")
    one, two = Pair(store.backend, target, "move-1"), Pair(other, target, "move-2")
    one.stage("batch-1", b"1")
    two.stage("batch-2", b"2")
    for pair, backend, batch in ((one, store.backend, "batch-1"), (two, other, "batch-2")):
        copies = copies_of(backend, CopyKind.MESSAGE)
        assert pair.take(batch, copies) == [True]
        assert pair.commit(batch, copies) == []
    assert [each[0] for each in drained(target)] == ["a", "b"]


def test_the_target_says_what_it_can_not_take(store: Store, target: Backend) -> None:
    """A message whose uuid is stored or has just ended there, and any other thing of a name that is used."""
    source = store.backend
    add(source, *"abcd")
    add(target, *"abc")
    worker = an_actor(target)
    a, *_ = worker.claim()
    worker.step(succeeded(a), limit=0)
    target.messages.remove("q", "b")
    found = target.transfer.refusals(copies_of(source, CopyKind.MESSAGE))
    assert [bool(refusal) for refusal in found] == [True, False, True, False]
    for backend in (source, target):
        add(backend, "x")
        backend.messages.fail("q", "x", ERROR, FOR_EVER)
        backend.results.put("x", b"1")
        backend.values.put("x", b"1")
    for kind in (CopyKind.DEAD_LETTER, CopyKind.RESULT, CopyKind.VALUE, CopyKind.STATUS):
        copies = [copy for copy in copies_of(source, kind) if copy.key[1] == "x"]
        assert target.transfer.refusals(copies) == ["there is one of this name already"]


def test_a_uuid_that_is_used_meanwhile(store: Store, target: Backend) -> None:
    """The message that was on its way becomes a dead letter, with its payload; anything else that is there stays."""
    source = store.backend
    add(source, "a", "b")
    source.values.put("x", b"1")
    pair = Pair(source, target)
    copies = copies_of(source, CopyKind.MESSAGE)
    pair.stage("batch-1")
    pair.take("batch-1", copies)
    add(target, a_message("a", payload=b"another"))
    for _ in range(2):
        assert pair.commit("batch-1", copies) == ["a"]
    (letter,) = target.messages.dead_letters("q")
    assert (letter.uuid, letter.payload) == ("a", b"payload of a")
    assert b"while this one was moved" in letter.error
    stored = target.messages.get("q", "a")
    assert stored is not None
    assert stored.payload == b"another"
    assert target.messages.exists("q", "b")
    values = copies_of(source, CopyKind.VALUE)
    pair.stage("batch-2")
    pair.take("batch-2", values)
    target.values.put("x", b"2")
    assert pair.commit("batch-2", values) == ["x"]
    assert target.values.get("x") == b"2"


def test_what_has_expired_meanwhile_does_not_arrive(store: Store, target: Backend) -> None:
    """A copy whose time is over is left out."""
    source = store.backend
    add(source, a_message("a", status_ttl=1_000))
    source.values.put("v", b"1", 1_000)
    source.results.put("r", b"1", 1_000)
    pair = Pair(source, target)
    for kind in (CopyKind.MESSAGE, CopyKind.RESULT, CopyKind.VALUE):
        copies = copies_of(source, kind)
        pair.stage(kind.name)
        assert pair.take(kind.name, copies) == [True]
        old = [
            copy._replace(status=copy.status._replace(expiry=START - 1))
            if isinstance(copy, MessageCopy) and copy.status
            else copy._replace(expiry=START - 1)
            for copy in copies
        ]
        assert pair.commit(kind.name, old) == []
    assert target.messages.exists("q", "a")
    assert target.statuses.get(["a"]) == [None]
    assert target.values.get("v") is None
    assert target.results.get(["r"]) == [None]


@pytest.mark.parametrize("how", ["bytes", "version"])
def test_unreadable_messages_stay(how: str, store: Store, target: Backend) -> None:
    """They are reported, and the others are handed out."""
    add(store.backend, *"abc")
    store.spoil("q", "b", how)
    pages = list(store.backend.transfer.read(CopyKind.MESSAGE, 10))
    assert [copy.key[1] for page in pages for copy in page.copies] == ["a", "c"]
    assert {each.key for page in pages for each in page.unreadable} == {"b"}


def test_what_a_worker_holds_is_not_taken_out(store: Store, target: Backend, actor: Actors) -> None:
    """Only what waits is moved."""
    add(store.backend, *"ab")
    assert actor().claim_one().uuid == "a"
    copies = copies_of(store.backend, CopyKind.MESSAGE)
    taken = Pair(store.backend, target).take("batch-1", copies)
    assert [copy.key[1] for copy, was in zip(copies, taken, strict=True) if was] == ["b"]
    assert store.backend.messages.exists("q", "a")


def test_statuses_of_messages_that_stay_stay_with_them(store: Store) -> None:
    """They are not handed out by themselves."""
    add(store.backend, "a")
    store.backend.statuses.put("b", TaskStatus.SUCCEEDED)
    assert [copy.key[1] for copy in copies_of(store.backend, CopyKind.STATUS)] == ["b"]


def test_a_cleared_namespace_is_another_store(store: Store, target: Backend) -> None:
    """Its name and all notes of moves are gone."""
    name = target.transfer.store_name()
    assert target.transfer.store_name() == name != store.backend.transfer.store_name()
    Pair(store.backend, target).stage("batch-1")
    target.clear_namespace()
    assert target.transfer.store_name() != name
    assert target.transfer.open_target("move-2", store.backend.transfer.store_name(), 0, 0).staged is None


def test_a_status_is_the_last_one_known(store: Store, target: Backend) -> None:
    """Its details and time go along."""
    store.backend.statuses.put("a", TaskStatus.RETRYING, b"details")
    move_all(store.backend, target)
    assert target.statuses.get(["a"]) == [StatusRecord("a", TaskStatus.RETRYING, b"details", START)]
