"""Lines: messages with the same set of limits wait together, at one of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alsek.defaults import PROMOTION_BATCH
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Limit, LimitRecord, UniqueKey
from tests.contract.stores import Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    Actors,
    a_message,
    add,
    by_hand,
    state_of,
    succeeded,
    uuids,
)

SHARED = Limit("shared", 2)
ACME, INITECH = Limit("tenant acme", 1), Limit("tenant initech", 1)


def waits_for(messages: MessagePort, *names: str) -> list[str]:
    """What each of these messages waits for."""
    found = [messages.find(name) for name in names]
    return ["" if each is None else each.waits_for for each in found]


def waiting(messages: MessagePort) -> dict[str, int]:
    """For how many messages each limit is waited for first of all."""
    return {record.id: record.waiting for record in messages.limits()}


def hold(backend: Backend, *limits: Limit) -> None:
    """Let one message take up a place of each of these, by the name of the limit."""
    add(backend, *(a_message(limit.key, "held", limits=(limit,)) for limit in limits))


#: More messages than one step looks at.
MANY = PROMOTION_BATCH + 50


def test_those_of_a_full_tenant_hold_up_no_other_tenant(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A free place of a limit that tenants share is for the first whose own limit has room, in that very step.

    However many of a tenant whose own limit is full wait in front: one look is for all of them.
    """
    worker = actor()
    add(
        backend,
        a_message("of acme", limits=(SHARED, ACME)),
        a_message("of initech", limits=(SHARED, INITECH)),
    )
    acme, initech = worker.claim()
    add(backend, *(a_message(f"m{n}", limits=(SHARED, ACME)) for n in range(MANY)))
    add(backend, a_message("behind", limits=(SHARED, INITECH)))
    assert waits_for(messages, "m0", f"m{MANY - 1}", "behind") == ["c:shared"] * 3
    step = worker.step(succeeded(initech), limit=0)
    assert state_of(backend, "behind") == "ready"
    assert step.next_due is None
    assert waits_for(messages, "m0", f"m{MANY - 1}") == ["c:tenant acme"] * 2
    assert waiting(messages) == {"c:shared": 0, "c:tenant acme": MANY, "c:tenant initech": 0}
    worker.step(succeeded(acme), limit=0)
    assert [state_of(backend, name) for name in ("m0", "m1")] == ["ready", "waiting"]


def test_those_of_a_full_tenant_hold_up_no_other_tenant_at_a_rate(
    store: Store, backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """The same holds for a start that leaves the window of a rate."""
    shared, acme, initech = Limit("a", 2, 60_000), Limit("acme", 1, 900_000), Limit("initech", 1, 900_000)
    worker = actor()
    add(backend, a_message("of acme", limits=(shared, acme)), a_message("of none", limits=(shared,)))
    worker.claim()
    add(backend, *(a_message(f"m{n}", limits=(shared, acme)) for n in range(MANY)))
    add(backend, a_message("behind", limits=(shared, initech)))
    assert waits_for(messages, "m0", f"m{MANY - 1}", "behind") == ["r:a"] * 3
    assert worker.step(limit=0).next_due == 60_000
    store.advance(60_000)
    step = worker.step(limit=0)
    assert state_of(backend, "behind") == "ready"
    assert waits_for(messages, "m0", f"m{MANY - 1}") == ["r:acme"] * 2
    assert step.next_due == 840_000


def test_who_comes_joins_its_line(backend: Backend, messages: MessagePort) -> None:
    """A message waits where those with the same limits do, whatever their numbers and their queue."""
    hold(backend, INITECH)
    one = SHARED._replace(amount=1)
    add(backend, a_message("first", limits=(one, INITECH)))
    assert waits_for(messages, "first") == ["c:tenant initech"]
    hold(backend, one)
    add(backend, a_message("next", "other", limits=(one, INITECH._replace(amount=1))))
    add(backend, a_message("another", limits=(one,)))
    assert waits_for(messages, "next", "another") == ["c:tenant initech", "c:shared"]
    assert waiting(messages) == {"c:shared": 1, "c:tenant initech": 2}


def test_a_line_moves_as_a_whole(backend: Backend, messages: MessagePort) -> None:
    """Its messages are counted at the limit at which it stands; those that come are as well, and nobody is lost."""
    one = SHARED._replace(amount=1)
    hold(backend, one, ACME)
    add(backend, *(a_message(f"m{n}", limits=(one, ACME)) for n in range(3)))
    assert waiting(messages) == {"c:shared": 3, "c:tenant acme": 0}
    messages.remove("held", "shared")
    assert waiting(messages) == {"c:tenant acme": 3}
    assert waits_for(messages, "m0", "m2") == ["c:tenant acme"] * 2
    add(backend, a_message("m3", limits=(one, ACME)))
    assert waiting(messages) == {"c:tenant acme": 4}
    add(backend, a_message("shared", "held", limits=(one,)))
    messages.remove("held", "tenant acme")
    assert waiting(messages) == {"c:shared": 4}
    for n in range(4):
        messages.remove("held", "shared") if n == 0 else messages.remove("q", f"m{n - 1}")
        assert state_of(backend, f"m{n}") == "ready"
    messages.remove("q", "m3")
    assert messages.limits() == []


def test_lines_go_by_their_first_messages(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """At a limit, over all lines, messages are let in by priority, and then in the order of submission."""
    worker, one = actor(), SHARED._replace(amount=1)
    own = {name: Limit(f"z{name}", 9) for name in "abc"}
    add(backend, a_message("holder", limits=(one,)))
    (claim,) = worker.claim()
    order = [("a", 1), ("b", 2), ("c", 1), ("b", 0), ("a", 2), ("c", 0), ("a", 0), ("b", 1)]
    for n, (name, priority) in enumerate(order):
        add(backend, a_message(f"{priority}{n}{name}", priority=priority, limits=(one, own[name])))
    came = []
    while claimed := worker.step(succeeded(claim)).claimed:
        (claim,) = claimed
        came.append(claim.uuid)
    assert came == sorted(f"{priority}{n}{name}" for n, (name, priority) in enumerate(order))
    assert messages.limits() == []


def _replaced(backend: Backend) -> None:
    unique = UniqueKey("k", conflict="replace")
    add(backend, a_message("a new one", "held", delay=10_000, unique=unique))


LEAVINGS: dict[str, Callable[[Backend], object]] = {
    "removed": lambda backend: backend.messages.remove("q", "first"),
    "failed": lambda backend: backend.messages.fail("q", "first", ERROR, DLQ_TTL),
    "rescheduled": lambda backend: backend.messages.reschedule(by_hand("q", "first", None, 5_000)),
    "replaced": _replaced,
}


@pytest.mark.parametrize("how", LEAVINGS)
def test_who_leaves_at_the_head_gives_its_turn_to_none_of_its_line(
    backend: Backend, messages: MessagePort, how: str
) -> None:
    """The line then goes by its next message, behind another line whose first came earlier."""
    one = SHARED._replace(amount=1)
    hold(backend, one)
    unique = UniqueKey("k", conflict="replace")
    add(backend, a_message("first", limits=(one, ACME), unique=unique))
    add(backend, a_message("second", limits=(one, INITECH)), a_message("third", limits=(one, ACME)))
    LEAVINGS[how](backend)
    assert waiting(messages)["c:shared"] == 2
    messages.remove("held", "shared")
    assert [state_of(backend, name) for name in ("second", "third")] == ["ready", "waiting"]
    messages.remove("q", "second")
    assert state_of(backend, "third") == "ready"


@pytest.mark.parametrize("how", LEAVINGS)
def test_a_line_without_messages_is_gone(
    store: Store, backend: Backend, messages: MessagePort, how: str
) -> None:
    """Nothing is left of it, wherever it stood; the next message with these limits begins a line anew."""
    one = SHARED._replace(amount=1)
    hold(backend, one)
    add(backend, a_message("first", limits=(one, ACME), unique=UniqueKey("k", conflict="replace")))
    LEAVINGS[how](backend)
    assert messages.limits() == [LimitRecord("c:shared", 1, 0, ("shared",), 1, 0)]
    add(backend, a_message("acme", "held", limits=(ACME,)))
    messages.remove("held", "shared")
    add(backend, a_message("second", limits=(one, ACME)))
    assert waits_for(messages, "second") == ["c:tenant acme"]
    messages.remove("q", "second")
    messages.remove("q", "first")
    messages.remove("held", "acme")
    assert messages.limits() == []


def test_who_comes_to_the_head_takes_the_line_forward(backend: Backend, messages: MessagePort) -> None:
    """One with a better priority is let in before another line that waited longer."""
    one = SHARED._replace(amount=1)
    hold(backend, one)
    add(backend, a_message("a", priority=2, limits=(one, ACME)))
    add(backend, a_message("b", priority=1, limits=(one, INITECH)))
    add(backend, a_message("c", priority=0, limits=(one, ACME)))
    for name in ("c", "b", "a"):
        messages.remove("held", "shared")
        assert state_of(backend, name) == "ready"
        messages.remove("q", name)
    assert messages.limits() == []


def test_limits_that_are_full_in_turn_pass_a_line(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """Messages of one tenant and of many all come to their end, in their order within each tenant."""
    worker, shared, done = actor(), Limit("shared", 3), list[str]()
    tenants = [Limit(f"tenant {n}", 1 + n % 2) for n in range(4)]
    for n in range(60):
        add(backend, a_message(f"m{n:02}", limits=(shared, tenants[n % 7 % 4])))
    held = worker.claim()
    while held:
        assert len(held) <= 3
        done += uuids(held)
        held = worker.step(*map(succeeded, held)).claimed
    for tenant in range(4):
        own = [uuid for uuid in done if int(uuid[1:]) % 7 % 4 == tenant]
        assert own == sorted(own)
    assert len(done) == 60
    assert messages.limits() == []


def test_who_is_let_in_is_not_decided_in_the_middle_of_a_call(
    backend: Backend, messages: MessagePort
) -> None:
    """What was submitted last comes first by its priority, also if a key that is held was met on the way."""
    one = Limit("x", 1)
    key, other = UniqueKey("k", conflict="replace"), UniqueKey("other")
    add(
        backend,
        a_message("other", unique=other),
        a_message("first", unique=key, limits=(one,)),
        a_message("waits", limits=(one,), priority=2),
    )
    add(
        backend,
        a_message("instead", unique=key),
        a_message("refused", unique=other),
        a_message("urgent", limits=(one,), priority=0),
    )
    assert (state_of(backend, "urgent"), state_of(backend, "waits")) == ("ready", "waiting")
