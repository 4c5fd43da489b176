"""Interventions, on held messages too: remove, reschedule, fail, revoke. And how messages expire."""

from __future__ import annotations

import pytest

from alsek.core.message import Message
from alsek.exceptions import TaskFailedError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import FOR_EVER, DeadLetter, StatusRecord, Stored, TaskStatus
from alsek.storage.backends.subscriptions import Note
from alsek.storage.result import ResultStore
from tests.contract.stores import Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    LEASE,
    Actor,
    Actors,
    a_message,
    add,
    by_hand,
    died,
    hear,
    lost,
    released,
    result_of,
    retried,
    state_of,
    status_of,
    succeeded,
    uuids,
)


def _in_each_state(backend: Backend, actor: Actors) -> Actor:
    """A message that is delayed, one that is ready, one that is claimed; and who claimed it."""
    worker = actor()
    add(backend, "claimed")
    worker.claim_one()
    add(backend, "ready")
    add(backend, a_message("delayed", delay=1_000))
    return worker


STATES = pytest.mark.parametrize("name", ["delayed", "ready", "claimed"])


@STATES
def test_removing(backend: Backend, store: Store, messages: MessagePort, actor: Actors, name: str) -> None:
    """A message is removed in whatever state, and its holder's outcome refused."""
    worker = _in_each_state(backend, actor)
    held = worker.held()[0]
    assert messages.remove("q", name)
    assert not messages.remove("q", name)
    assert not messages.exists("q", name)
    assert messages.count("q") == 2
    refused = worker.step(succeeded(held), limit=0).refused
    assert refused == (["claimed"] if name == "claimed" else [])
    store.advance(1_000)
    expected = {"ready", "delayed"} - {name}
    assert set(uuids(worker.claim())) == expected


@STATES
def test_only_what_waits_is_removed(
    backend: Backend, messages: MessagePort, actor: Actors, name: str
) -> None:
    """If asked so: a message that a worker has taken goes on to its end."""
    worker = _in_each_state(backend, actor)
    (held,) = worker.held()
    assert messages.remove("q", name, waiting=True) == (name != "claimed")
    assert messages.exists("q", name) == (name == "claimed")
    assert worker.step(succeeded(held), limit=0).refused == []
    assert not messages.remove("q", "claimed", waiting=True)


@STATES
def test_rescheduling(
    backend: Backend, store: Store, messages: MessagePort, actor: Actors, name: str
) -> None:
    """A message in whatever state becomes delayed with its new payload, and its holder's claim ends."""
    worker = _in_each_state(backend, actor)
    held = worker.held()[0]
    assert messages.reschedule(by_hand("q", name, b"changed", 5_000))
    assert messages.get("q", name) == Stored(name, "q", b"changed", 0, "delayed", 0, False, 1)
    assert status_of(backend, name) == TaskStatus.RETRYING
    assert messages.count("q") == 3
    refused = worker.step(succeeded(held), limit=0).refused
    assert refused == (["claimed"] if name == "claimed" else [])
    store.advance(1_000)
    assert name not in uuids(worker.claim())
    store.advance(4_000)
    assert [(c.uuid, c.payload) for c in worker.claim()] == [(name, b"changed")]


@STATES
def test_rescheduling_without_delay(
    backend: Backend, messages: MessagePort, actor: Actors, name: str
) -> None:
    """With no delay the message is ready, behind its equals."""
    worker = _in_each_state(backend, actor)
    add(backend, "last")
    assert messages.reschedule(by_hand("q", name, b"changed", 0))
    assert state_of(backend, name) == "ready"
    expected = [other for other in ("ready", "last") if other != name] + [name]
    assert uuids(worker.claim()) == expected


@STATES
def test_burying(backend: Backend, store: Store, messages: MessagePort, actor: Actors, name: str) -> None:
    """A message in whatever state goes to the dead letters, and its holder's outcome is refused."""
    worker = _in_each_state(backend, actor)
    held = worker.held()[0]
    assert messages.fail("q", name, ERROR, DLQ_TTL)
    assert not messages.exists("q", name)
    assert messages.dead_letter("q", name) == DeadLetter(
        name, "q", f"payload of {name}".encode(), ERROR, store.now
    )
    assert status_of(backend, name) == TaskStatus.FAILED
    refused = worker.step(retried(held), limit=0).refused
    assert refused == (["claimed"] if name == "claimed" else [])
    assert messages.count("q") == 2


def test_burying_again_is_no_failure(backend: Backend, messages: MessagePort) -> None:
    """A repeated call finds the message among the dead letters."""
    add(backend, "a")
    assert messages.fail("q", "a", ERROR, DLQ_TTL)
    assert messages.fail("q", "a", ERROR, DLQ_TTL)
    assert uuids(messages.dead_letters("q")) == ["a"]


def test_burying_without_dead_letters_drops(backend: Backend, messages: MessagePort) -> None:
    """With ``dlq_ttl=0`` the message is deleted, and its status is FAILED."""
    add(backend, "a")
    assert messages.fail("q", "a", ERROR, 0)
    assert messages.dead_letter("q", "a") is None
    assert status_of(backend, "a") == TaskStatus.FAILED


def test_what_is_not_there_can_not_be_changed(backend: Backend, messages: MessagePort) -> None:
    """Interventions say so when there is no such message in that queue, and do nothing."""
    add(backend, "a")
    for queue, uuid in (("q", "b"), ("other", "a")):
        assert not messages.remove(queue, uuid)
        assert not messages.reschedule(by_hand(queue, uuid, b"changed", 0))
        assert not messages.fail(queue, uuid, ERROR, DLQ_TTL)
        assert not messages.revoke(queue, uuid)
        assert messages.get(queue, uuid) is None
        assert not messages.exists(queue, uuid)
        assert messages.dead_letter(queue, uuid) is None
    assert status_of(backend, "b") is None
    assert status_of(backend, "a") == TaskStatus.SUBMITTED
    assert state_of(backend, "a") == "ready"


def test_an_untracked_message_gets_no_status(backend: Backend, messages: MessagePort) -> None:
    """Interventions write statuses of tracked messages only."""
    add(backend, "a", "b", status_ttl=0)
    messages.reschedule(by_hand("q", "a", b"changed", 0))
    messages.fail("q", "b", ERROR, DLQ_TTL)
    assert backend.statuses.get(["a", "b"]) == [None, None]


def test_what_is_removed_is_unknown(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """The status of a removed, tracked message becomes UNKNOWN, and is published, unless it was final."""
    add(backend, "a", "b", a_message("untracked", status_ttl=0))
    backend.statuses.put("b", TaskStatus.SUCCEEDED)
    with backend.subscribe("statuses:a") as subscription:
        for name in ("a", "b", "untracked"):
            assert messages.remove("q", name)
        note = hear(subscription)
        assert note is not None
        assert StatusRecord.unpack("a", note.data).status is TaskStatus.UNKNOWN
    assert [status_of(backend, name) for name in ("a", "b", "untracked")] == [
        TaskStatus.UNKNOWN,
        TaskStatus.SUCCEEDED,
        None,
    ]


@pytest.mark.parametrize("descendants", [False, True])
@pytest.mark.parametrize("how", ["remove", "fail", "expire"])
def test_a_wait_that_begins_after_the_end_is_told_at_once(
    backend: Backend, store: Store, messages: MessagePort, actor: Actors, how: str, descendants: bool
) -> None:
    """A tracked message that was removed, buried by hand, or buried since it had expired: the reason is raised."""
    message = Message("t", "q", uuid="a", status_ttl=FOR_EVER, ttl=100)
    add(backend, message.submission(backend.serializer))
    if how == "remove":
        messages.remove("q", "a")
    elif how == "fail":
        messages.fail("q", "a", ERROR, DLQ_TTL)
    else:
        store.advance(101)
        worker = actor()
        claimed = worker.claim_one()
        assert claimed.expired
        worker.step(died(claimed), limit=0)
    reason = "was removed" if how == "remove" else "failed: "
    with pytest.raises(TaskFailedError, match=reason):
        ResultStore(backend).get(message, timeout=60_000, descendants=descendants)


@pytest.mark.parametrize("how", ["remove", "fail", "revoke"])
def test_whoever_waits_for_the_result_is_told(backend: Backend, messages: MessagePort, how: str) -> None:
    """A removal, a burial and a revocation publish on the channel of the result: none will come."""
    add(backend, "a")
    with backend.subscribe("results:a") as subscription:
        if how == "remove":
            messages.remove("q", "a")
        elif how == "revoke":
            messages.revoke("q", "a")
        else:
            messages.fail("q", "a", ERROR, DLQ_TTL)
        assert hear(subscription) == Note("results:a", b"")


@STATES
def test_revoking_marks(backend: Backend, store: Store, actor: Actors, name: str) -> None:
    """A revoked message stays where it is; a worker that claims or holds it is told that it is revoked."""
    worker = _in_each_state(backend, actor)
    assert backend.messages.revoke("q", name)
    assert backend.messages.revoke("q", name)
    stored = backend.messages.get("q", name)
    assert stored is not None
    assert (stored.state, stored.revoked) == (name, True)
    assert worker.renew() == (["claimed"] if name == "claimed" else [])
    store.advance(1_000)
    claimed = {c.uuid: c.revoked for c in worker.claim()}
    assert claimed == {other: other == name for other in ("ready", "delayed")}


def test_a_revocation_outlives_a_retry_and_a_release(backend: Backend, actor: Actors) -> None:
    """A message revoked while it is held is still revoked when it is handed out again."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    backend.messages.revoke("q", "a")
    backend.messages.revoke("q", "b")
    worker.step(retried(one), released(two), limit=0)
    assert [c.revoked for c in worker.claim()] == [True, True]


def test_a_message_expires_when_it_was_ready_for_too_long(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """A claim says that the message has expired, if it has."""
    worker = actor()
    add(backend, a_message("short", ttl=1_000), a_message("long", ttl=5_000), a_message("endless"))
    store.advance(1_001)
    claimed = worker.claim()
    assert [(c.uuid, c.expired) for c in claimed] == [("short", True), ("long", False), ("endless", False)]


def test_a_lifetime_counts_from_when_the_message_is_ready(
    backend: Backend, store: Store, actor: Actors
) -> None:
    """A delayed message does not expire."""
    worker = actor()
    add(backend, a_message("a", ttl=100, delay=10_000), a_message("b", ttl=100, delay=10_000))
    store.advance(10_000)
    first = worker.claim_one()
    assert not first.expired
    store.advance(101)
    assert worker.claim_one().expired


@pytest.mark.parametrize("late", [5_000, 10**9])
def test_a_lifetime_counts_from_when_the_delay_is_over(
    backend: Backend, store: Store, actor: Actors, late: int
) -> None:
    """A delayed message lives no longer because no worker looked when it was due."""
    worker = actor()
    add(backend, a_message("a", ttl=1_000, delay=500), a_message("b", ttl=late, delay=500))
    store.advance(500 + late)
    assert [(claim.uuid, claim.expired) for claim in worker.claim()] == [("a", True), ("b", False)]


def test_what_is_held_does_not_expire(backend: Backend, store: Store, actor: Actors) -> None:
    """A message that was handed out in time and given back later has not expired meanwhile."""
    worker = actor()
    add(backend, a_message("a", ttl=1_000), a_message("b", ttl=1_000))
    one, two = worker.claim()
    store.advance(5_000)
    worker.step(released(one), retried(two, delay=3_000), limit=0)
    assert not worker.claim_one().expired
    store.advance(3_000)
    assert not worker.claim_one().expired


@pytest.mark.parametrize("how", ["lost", "released", "not received", "retired", "taken over"])
def test_what_has_expired_stays_so(backend: Backend, store: Store, actor: Actors, how: str) -> None:
    """A message that had expired when it was claimed is expired for the next worker too: it must not run."""
    add(backend, a_message("a", ttl=500))
    holder, other = actor(), actor()
    store.advance(501)
    claimed = holder.claim_one()
    assert claimed.expired
    if how == "lost":
        holder.step(lost(claimed), limit=0)
    elif how == "released":
        holder.step(released(claimed), limit=0)
    elif how == "not received":
        backend.messages.renew(holder.worker, holder.seq, ())
    elif how == "retired":
        holder.retire()
    else:
        store.advance(LEASE // 2)
        other.renew()
        store.advance(LEASE // 2 + 1)
    assert other.claim_one().expired


def test_what_is_retried_never_expires(backend: Backend, store: Store, actor: Actors) -> None:
    """However long it is ready after its retry, by its holder or by hand: it was taken in time once."""
    worker = actor()
    add(backend, a_message("a", ttl=1_000), a_message("b", ttl=1_000))
    one, two = worker.claim()
    worker.step(retried(one, delay=0), limit=0)
    assert backend.messages.reschedule(by_hand(two.queue, two.uuid, b"again", 500))
    store.advance(10_000)
    assert [claimed.expired for claimed in worker.claim()] == [False, False]


def test_browsing_shows_every_message_once(backend: Backend, store: Store, actor: Actors) -> None:
    """All messages of a queue are seen in the state they are in, none twice, none of another queue."""
    worker = actor("q")
    add(backend, *(f"m{n}" for n in range(300)))
    add(backend, a_message("elsewhere", queue="other"), a_message("delayed", delay=1_000, priority=4))
    held = uuids(worker.claim(limit=20))
    seen = list(backend.messages.browse("q"))
    assert sorted(uuids(seen)) == sorted(["delayed", *(f"m{n}" for n in range(300))])
    assert sorted(stored.uuid for stored in seen if stored.state == "claimed") == sorted(held)
    assert next(stored for stored in seen if stored.uuid == "delayed") == Stored(
        "delayed", "q", b"payload of delayed", 4, "delayed", 0, False
    )
    assert list(backend.messages.browse("empty")) == []


def test_browsing_while_messages_come_and_go(backend: Backend, actor: Actors) -> None:
    """What is there from beginning to end is seen exactly once, though others leave and arrive."""
    add(backend, *(f"stay{n:03}" for n in range(250)))
    add(backend, *(f"leave{n:03}" for n in range(250)))
    seen = []
    for n, stored in enumerate(backend.messages.browse("q")):
        seen.append(stored.uuid)
        if n < 250:
            backend.messages.remove("q", f"leave{n:03}")
            add(backend, f"new{n:03}")
    stayed = [uuid for uuid in seen if uuid.startswith("stay")]
    assert sorted(stayed) == [f"stay{n:03}" for n in range(250)]
    assert len(seen) == len(set(seen))


def test_queues_and_counts_follow(backend: Backend, actor: Actors) -> None:
    """Queues are listed by name while they hold something; counts include delayed and held messages."""
    worker = actor()
    add(backend, a_message("a", queue="z"), a_message("b", queue="a", delay=500), a_message("c", queue="m"))
    add(backend, a_message("d", queue="z"))
    assert backend.messages.queues() == ["a", "m", "z"]
    claimed = worker.claim(limit=2)
    assert uuids(claimed) == ["c", "a"]
    counts = [backend.messages.count(queue) for queue in ("a", "m", "z", "none")]
    assert counts == [1, 1, 2, 0]
    assert [backend.count(f"queues:{queue}") for queue in ("a", "m", "z", "none")] == counts
    worker.step(succeeded(claimed[0]), died(claimed[1]), limit=0)
    assert backend.messages.queues() == ["a", "z"]


def test_all_uuids_are_listed(backend: Backend, actor: Actors) -> None:
    """The uuids of all queues and states are listed once each, and none of a deleted message."""
    assert list(backend.messages.uuids()) == []
    for n in range(0, 1_200, 200):
        add(backend, *(a_message(f"m{k}", queue=f"q{k % 7}", delay=k % 2) for k in range(n, n + 200)))
    (claimed,) = actor().claim(limit=1)
    backend.messages.remove("q3", "m3")
    listed = list(backend.messages.uuids())
    assert claimed.uuid in listed
    assert sorted(listed) == sorted(f"m{k}" for k in range(1_200) if k != 3)


def test_a_result_survives_a_removal(backend: Backend, actor: Actors) -> None:
    """Removing a message touches no result that was stored for it."""
    add(backend, "a")
    backend.results.put("a", b"early")
    backend.messages.remove("q", "a")
    assert result_of(backend, "a") == b"early"
