"""Moves of messages with unique keys and limits: they are freed here, and taken again there."""

from __future__ import annotations

from uuid import uuid4

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import KEY_HELD, Copy, CopyKind
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Limit, UniqueKey, UniqueRecord
from tests.contract.stores import START, Store
from tests.contract.workers import (
    LEASE,
    Actors,
    a_message,
    add,
    an_actor,
    died,
    released,
    retried,
    state_of,
    succeeded,
    uuids,
)

KEY = UniqueKey("k")
REPLACE = UniqueKey("k", conflict="replace")
STARTED = UniqueKey("k", until="started")
ONE = (Limit("l", 1),)


@pytest.fixture
def target(store: Store) -> Backend:
    """Another namespace of the store."""
    return store.open(f"{store.namespace}-target")


def read(source: Backend, kind: CopyKind = CopyKind.MESSAGE) -> list[Copy]:
    """All copies of a kind."""
    return [copy for page in source.transfer.read(kind, 100) for copy in page.copies]


def put_in(source: Backend, target: Backend, copies: list[Copy]) -> list[str]:
    """Take copies out of the source, and into the target; returns the uuids of those that came too late."""
    move, batch, out, into = uuid4().hex, uuid4().hex, source.transfer, target.transfer
    opened = out.open_source(move, into.store_name(), "there", LEASE)
    into.open_target(move, out.store_name(), opened.token, opened.fence)
    into.stage(move, out.store_name(), batch, b"data")
    taken = out.take_out(move, batch, copies)
    assert taken == out.take_out(move, batch, copies)
    gone = [copy for copy, is_gone in zip(copies, taken, strict=True) if is_gone]
    late = into.commit(move, out.store_name(), batch, gone)
    into.close_target(move, out.store_name())
    out.close_source(move)
    return late


def move(source: Backend, target: Backend) -> None:
    """Move messages and dead letters, again and again until nothing is left that can be moved."""
    for kind in (CopyKind.MESSAGE, CopyKind.DEAD_LETTER):
        while copies := read(source, kind):
            assert target.transfer.refusals(copies) == [""] * len(copies)
            assert put_in(source, target, copies) == []


def located(backend: Backend, uuid: str) -> tuple[str, str]:
    """The state of a message, and what it waits for."""
    found = backend.messages.find(uuid)
    assert found is not None
    return found.stored.state, found.waits_for


def test_a_key_goes_with_its_message(backend: Backend, messages: MessagePort, target: Backend) -> None:
    """It is free here, and held there."""
    add(backend, a_message("a", unique=KEY))
    move(backend, target)
    assert messages.unique_key("k") is None
    assert target.messages.unique_key("k") == UniqueRecord("k", "a")
    assert add(target, a_message("b", unique=KEY)) == [False]
    target.messages.remove("q", "a")
    assert target.messages.unique_key("k") is None


def test_who_waits_behind_the_holder_waits_there_too(
    store: Store, backend: Backend, messages: MessagePort, target: Backend, actor: Actors
) -> None:
    """Both are moved, the holder first; the other is let in there, delayed by what is left of its delay."""
    worker = actor()
    add(backend, a_message("a", unique=KEY))
    worker.step(retried(worker.claim_one()), limit=0)
    add(backend, a_message("b", unique=REPLACE, delay=1_000))
    assert uuids(read(backend)) == ["a", "b"]
    move(backend, target)
    assert messages.unique_key("k") is None
    assert target.messages.unique_key("k") == UniqueRecord("k", "a", "b")
    assert located(target, "b") == ("waiting", "u:k")
    store.advance(400)
    there = an_actor(target)
    step = there.step(*map(succeeded, there.claim()))
    assert (step.claimed, step.next_due) == ([], 600)


def test_a_key_until_started_is_not_taken_again(
    backend: Backend, messages: MessagePort, target: Backend, actor: Actors
) -> None:
    """A message that was claimed once held it until then, and does not hold it there."""
    worker = actor()
    add(backend, a_message("a", unique=STARTED))
    worker.step(released(worker.claim_one()), limit=0)
    add(backend, a_message("b", unique=STARTED))
    move(backend, target)
    assert target.messages.unique_key("k") == UniqueRecord("k", "b")
    assert [located(target, uuid) for uuid in "ab"] == [("ready", ""), ("ready", "")]


def test_a_revoked_message_does_not_take_its_key_along(
    backend: Backend, messages: MessagePort, target: Backend
) -> None:
    """It has held it until it was revoked: another one may have it there, too."""
    add(backend, a_message("a", unique=KEY, delay=1_000), a_message("b"))
    messages.revoke("q", "a")
    move(backend, target)
    assert target.messages.unique_key("k") is None
    assert add(target, a_message("c", unique=KEY)) == [True]


def test_a_message_waits_behind_who_holds_its_key_there(backend: Backend, target: Backend) -> None:
    """Whatever its conflict is, it is let in once that one has ended."""
    add(backend, a_message("a", unique=KEY))
    add(target, a_message("holder", unique=KEY))
    move(backend, target)
    assert target.messages.unique_key("k") == UniqueRecord("k", "holder", "a")
    assert located(target, "a") == ("waiting", "u:k")
    target.messages.remove("q", "holder")
    assert located(target, "a") == ("ready", "")


def test_a_message_whose_key_is_not_to_be_had_stays(store: Store, backend: Backend, target: Backend) -> None:
    """If somebody waits for the key there already, or only its window is left, it is refused, with the reason.

    One that is on its way when that happens becomes a dead letter there, with its key and its limits.
    """
    add(backend, a_message("a", unique=KEY, limits=ONE))
    add(target, a_message("holder", unique=UniqueKey("k", window=5_000)))
    copies = read(backend)
    assert target.transfer.refusals(copies) == [""]
    target.messages.remove("q", "holder")
    assert target.transfer.refusals(copies) == [KEY_HELD]
    assert put_in(backend, target, copies) == ["a"]
    letter = target.messages.dead_letter("q", "a")
    assert letter is not None
    assert (letter.unique, letter.limits) == (KEY, ONE)
    store.advance(5_000)
    add(target, a_message("holder", unique=KEY))
    worker = an_actor(target)
    worker.claim_one()
    add(target, a_message("waits", unique=REPLACE))
    add(backend, a_message("b", unique=KEY))
    assert target.transfer.refusals(read(backend)) == [KEY_HELD]


def test_a_window_does_not_go_along(
    store: Store, backend: Backend, messages: MessagePort, target: Backend
) -> None:
    """It goes on here; there another begins."""
    add(backend, a_message("a", unique=UniqueKey("k", window=5_000)))
    store.advance(1_000)
    move(backend, target)
    assert messages.unique_key("k") == UniqueRecord("k", "a", "", START + 5_000)
    assert target.messages.unique_key("k") == UniqueRecord("k", "a", "", START + 6_000)


def test_limits_are_asked_again_there(backend: Backend, messages: MessagePort, target: Backend) -> None:
    """What was ready here may wait there, and the other way round; the order stays."""
    add(target, a_message("there", limits=(Limit("l", 2),)))
    add(backend, *"abc", limits=(Limit("l", 2),))
    assert uuids(read(backend)) == ["a", "b", "c"]
    move(backend, target)
    assert messages.limits() == []
    assert [located(target, uuid) for uuid in "abc"] == [
        ("ready", ""),
        ("waiting", "c:l"),
        ("waiting", "c:l"),
    ]
    assert [uuid for _, uuid in run_all(target)] == ["there", "a", "b", "c"]
    assert target.messages.limits() == []


@pytest.mark.parametrize("most", [1, 3, 100])
def test_what_has_limits_keeps_its_order(most: int, store: Store, backend: Backend, target: Backend) -> None:
    """By priority and submission over all queues, whoever is let in here while others leave."""
    alone, shared = (Limit("alone", 2),), (Limit("alone", 2), Limit("shared", 3))
    queues, sets = ("q", "r"), (alone, shared, ())
    order = {f"m{n * 7 % 24:02}": n for n in range(24)}
    priorities = {name: 5 - n // 9 for name, n in order.items()}
    for name, n in order.items():
        add(backend, a_message(name, queues[n % 2], priority=priorities[name], limits=sets[n % 3]))
    came = []
    for page in backend.transfer.read(CopyKind.MESSAGE, most):
        assert put_in(backend, target, list(page.copies)) == []
        came += uuids(page.copies)
    assert read(backend) == []
    limited = [name for name in came if order[name] % 3 < 2]
    assert limited == sorted(limited, key=lambda name: (priorities[name], order[name]))
    assert sorted(came) == sorted(order)


def run_all(backend: Backend) -> list[tuple[str, str]]:
    """Queue and uuid of all messages, in the order in which they are claimed one at a time."""
    worker = an_actor(backend)
    came = []
    claims = worker.claim(1)
    while claims:
        came += [(claim.queue, claim.uuid) for claim in claims]
        claims = worker.step(*map(succeeded, claims), limit=1).claimed
    worker.retire()
    return came


def test_a_long_line_is_read_in_whole_pages(store: Store, backend: Backend) -> None:
    """However few places its limit has, while those that have one leave."""
    add(backend, *(a_message(f"m{n:02}", limits=ONE) for n in range(40)))
    target = store.open(f"{store.namespace}-target")
    sizes = []
    for page in backend.transfer.read(CopyKind.MESSAGE, 10):
        sizes.append(len(page.copies))
        assert put_in(backend, target, list(page.copies)) == []
    assert [size for size in sizes if size] == [10] * 4


def test_a_place_that_was_moved_out_is_free(
    backend: Backend, messages: MessagePort, target: Backend, actor: Actors
) -> None:
    """Who waits here is let in when a message leaves for another store, and a sleeper is woken for it."""
    add(backend, a_message("a", "moved", limits=ONE))
    add(backend, a_message("b", limits=ONE))
    worker = actor("q")
    worker.step()
    waiter = worker.waiter()
    try:
        waiter.arm()
        assert put_in(backend, target, [copy for copy in read(backend) if copy.key[1] == "a"]) == []
        assert state_of(backend, "b") == "ready"
        assert waiter.drain() or uuids(worker.claim()) == ["b"]
    finally:
        waiter.close()


def test_the_ttl_of_one_that_waits_for_a_limit_goes_on(
    store: Store, backend: Backend, target: Backend
) -> None:
    """It expires there when it would have here."""
    add(backend, "a", "b", limits=ONE, ttl=5_000)
    store.advance(1_000)
    move(backend, target)
    found = target.messages.find("b")
    assert found is not None
    assert (found.stored.state, found.expires_at) == ("waiting", START + 5_000)


def test_a_rate_begins_anew_there(backend: Backend, target: Backend, actor: Actors) -> None:
    """Starts of this store are not known in the other."""
    rate = (Limit("l", 1, 1_000),)
    worker = actor()
    add(backend, "a", "b", limits=rate)
    worker.step(died(worker.claim_one()), limit=0)
    move(backend, target)
    assert state_of(target, "b") == "ready"


def test_a_dead_letter_takes_its_key_and_limits_along(
    backend: Backend, target: Backend, actor: Actors
) -> None:
    """They are asked when it is replayed there."""
    worker = actor()
    add(backend, a_message("a", unique=KEY, limits=ONE))
    worker.step(died(worker.claim_one()), limit=0)
    move(backend, target)
    letter = target.messages.dead_letter("q", "a")
    assert letter is not None
    assert (letter.unique, letter.limits) == (KEY, ONE)
    assert target.messages.unique_key("k") is None
    assert target.messages.replay(a_message("a", unique=KEY, limits=ONE), letter.died_at).accepted
    assert target.messages.unique_key("k") == UniqueRecord("k", "a")
