"""What a look at a store shows: messages by uuid, their places, queues and workers."""

from __future__ import annotations

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.ports.inspection import FRONT_PRIORITIES
from alsek.storage.backends.records import HeldClaim, Limit, QueueTally, Running
from tests.contract.stores import SHORT, Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    LEASE,
    Actors,
    a_message,
    add,
    lost,
    retried,
    succeeded,
    the_facts,
    uuids,
)


def test_a_message_is_found_by_its_uuid(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """In each state, whatever its queue; one that has ended or never was is not found."""
    worker = actor("q")
    add(backend, "a", a_message("b", queue="other", priority=7, wish="process"), a_message("c", delay=60_000))
    claim = worker.claim_one()
    for uuid in ("a", "b", "c"):
        found = messages.find(uuid)
        assert found is not None
        assert found.stored == messages.get(found.stored.queue, uuid)
    held, ready, delayed = (messages.find(uuid) for uuid in ("a", "b", "c"))
    assert held
    assert ready
    assert delayed
    assert (held.stored.state, held.worker, held.due, held.suspect) == (
        "claimed",
        worker.worker.id,
        None,
        False,
    )
    assert (ready.stored.state, ready.worker, ready.wish, ready.aside) == ("ready", None, "process", "")
    assert delayed.stored.state == "delayed"
    assert delayed.due is not None
    assert 59_000 <= delayed.due - messages.now() <= 60_000
    assert messages.find("never") is None
    worker.step(succeeded(claim))
    assert messages.find("a") is None


def test_a_suspect_and_a_retried_message_are_shown_as_such(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """The attempt state, losses and revocation are those of now."""
    worker = actor()
    add(backend, "a", "b")
    first, second = worker.claim()
    worker.step(lost(first, suspect=True), retried(second, delay=5_000, last_error=ERROR), limit=0)
    messages.revoke("q", "a")
    suspect, waiting = messages.find("a"), messages.find("b")
    assert suspect
    assert waiting
    assert (suspect.suspect, suspect.stored.losses, suspect.stored.revoked) == (True, 1, True)
    assert (waiting.stored.retries, waiting.stored.last_error, waiting.stored.state) == (1, ERROR, "delayed")


def test_a_lifetime_is_shown(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """A ready message with a ttl shows when it expires; one without shows None."""
    add(backend, a_message("a", ttl=9_000), "b")
    found, other = messages.find("a"), messages.find("b")
    assert found
    assert other
    assert found.expires_at is not None
    assert 8_000 <= found.expires_at - messages.now() <= 9_000
    assert other.expires_at is None


def test_dead_letters_are_found_by_their_uuid(backend: Backend, messages: MessagePort) -> None:
    """In whatever queue; one uuid may have dead letters in two queues."""
    for queue in ("z", "a"):
        add(backend, a_message("x", queue=queue, named=True))
        assert messages.fail(queue, "x", ERROR, DLQ_TTL)
    add(backend, "y")
    assert [(letter.queue, letter.error) for letter in messages.find_dead("x")] == [
        ("a", ERROR),
        ("z", ERROR),
    ]
    assert messages.find_dead("y") == []
    assert messages.find_dead("never") == []


def test_the_place_of_a_message(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """All ready messages of the queue with a lower (priority, arrival) count, of every wish, suspects too."""
    worker = actor()
    add(backend, "s")
    worker.step(lost(worker.claim_one(), suspect=True), limit=0)
    add(
        backend,
        a_message("0"),
        a_message("1", wish="process"),
        a_message("2", priority=2, wish="thread"),
        a_message("3", priority=2),
        a_message("4", priority=2, wish="process"),
        a_message("5", priority=10),
        a_message("later", delay=60_000),
        a_message("elsewhere", queue="other"),
    )
    places = {uuid: messages.place("q", uuid, 100) for uuid in ("s", "0", "1", "2", "3", "4", "5")}
    assert places == {"s": 0, "0": 1, "1": 2, "2": 3, "3": 4, "4": 5, "5": 6}
    assert messages.place("q", "5", 3) == 4
    assert messages.place("q", "5", 5) == 6
    assert messages.place("q", "5", 6) == 6
    assert messages.place("q", "later", 100) is None
    assert messages.place("q", "elsewhere", 100) is None
    assert messages.place("q", "never", 100) is None


def test_the_tallies_of_queues(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """Each queue that holds messages or dead letters, or is paused, with its messages by state."""
    worker = actor("b")
    add(backend, *(a_message(f"b{n}", queue="b", wish="thread" if n % 2 else "any") for n in range(5)))
    add(backend, a_message("bd", queue="b", delay=60_000), a_message("a0", queue="a", wish="process"))
    add(backend, a_message("dead", queue="c"))
    messages.fail("c", "dead", ERROR, DLQ_TTL)
    claims = worker.claim(limit=2)
    worker.step(lost(claims[0], suspect=True), limit=0)
    messages.pause("d", "ada")
    (pause,) = messages.pauses()
    assert messages.tallies() == [
        QueueTally("a", 1, 0, 0, 0),
        QueueTally("b", 4, 1, 1, 0),
        QueueTally("c", 0, 0, 0, 1),
        QueueTally("d", 0, 0, 0, 0, pause),
    ]
    assert messages.tallies(["c", "never", "a"]) == [
        QueueTally("c", 0, 0, 0, 1),
        QueueTally("never", 0, 0, 0, 0),
        QueueTally("a", 1, 0, 0, 0),
    ]
    assert messages.tallies([]) == []


def test_an_expired_dead_letter_is_not_tallied(backend: Backend, messages: MessagePort, store: Store) -> None:
    """Whether or not it is deleted already; a queue that held nothing else is not listed."""
    add(backend, "a", "b", a_message("c", queue="other"))
    for queue, uuid, ttl in (("q", "a", SHORT), ("q", "b", DLQ_TTL), ("other", "c", SHORT)):
        assert messages.fail(queue, uuid, ERROR, ttl)
    store.outlive(SHORT, lambda: messages.dead_letter("q", "a") is None)
    store.outlive(0, lambda: messages.dead_letter("other", "c") is None)
    assert messages.tallies(["q", "other"]) == [
        QueueTally("q", 0, 0, 0, 1),
        QueueTally("other", 0, 0, 0, 0),
    ]
    assert messages.tallies() == [QueueTally("q", 0, 0, 0, 1)]


def test_many_queues_are_tallied(backend: Backend, messages: MessagePort) -> None:
    """However many queues there are, each is told once, in alphabetical order."""
    names = [f"queue-{n:04}" for n in range(1_203)]
    add(backend, *(a_message(name, queue=name) for name in names))
    assert messages.tallies() == [QueueTally(name, 1, 0, 0, 0) for name in names]
    assert len(messages.fronts(names)) == len(names)


def test_the_fronts_of_queues(backend: Backend, messages: MessagePort) -> None:
    """The first ready message of each priority in each lane, for the lowest priorities."""
    add(
        backend,
        *(a_message(f"{priority}-{n}", priority=priority) for n in range(2) for priority in range(12)),
        a_message("p", wish="process", priority=3),
        a_message("later", delay=60_000),
        a_message("other", queue="other"),
        a_message("third", queue="third"),
    )
    fronts = messages.fronts(["q", "other", "never"])
    first = [f"{priority}-0" for priority in range(FRONT_PRIORITIES)]
    assert sorted(uuids(fronts)) == sorted([*first, "p", "other"])
    assert all(stored.payload == f"payload of {stored.uuid}".encode() for stored in fronts)


def test_a_peek_into_a_queue(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """The messages of a state that go first, or are due first, and none of another queue or state."""
    worker = actor("q")
    add(backend, "held", "lost")
    _, suspect = worker.claim()
    worker.step(lost(suspect, suspect=True), limit=0)
    add(
        backend,
        *(a_message(f"{priority}-{n}", priority=priority) for n in range(2) for priority in (5, 3)),
        a_message("p", wish="process", priority=4),
        *(a_message(f"in {delay}", delay=delay) for delay in (90_000, 60_000, 70_000)),
        a_message("other", queue="other", delay=50_000),
        a_message("waits", limits=(Limit("c:one", 1, 0),)),
        a_message("waits too", limits=(Limit("c:one", 1, 0),)),
    )
    first = uuids(messages.peek("q", "ready", 20))
    assert first == ["lost", "waits", "3-0", "3-1", "p", "5-0", "5-1"]
    assert uuids(messages.peek("q", "ready", 2)) == first[:2]
    assert uuids(messages.peek("q", "delayed", 2)) == ["in 60000", "in 70000"]
    assert uuids(messages.peek("q", "claimed", 20)) == ["held"]
    assert uuids(messages.peek("q", "waiting", 20)) == ["waits too"]
    assert messages.peek("other", "ready", 20) == messages.peek("never", "delayed", 20) == []
    assert uuids(messages.peek("other", "delayed", 20)) == ["other"]
    for state in ("ready", "delayed", "claimed", "waiting"):
        for stored in messages.peek("q", state, 20):
            assert stored == messages.get("q", stored.uuid)


def test_workers_show_what_they_told(backend: Backend, messages: MessagePort, actor: Actors) -> None:
    """Kind, queues and facts as they registered, the lease, and what they hold."""
    facts = the_facts("t", "a|b;c\n é", host="höst")
    told = actor("q", "p,r", facts=facts)
    silent = actor()
    consumer = actor(kind="any", facts=the_facts(tasks=None, slots=0))
    add(backend, "a", "b", a_message("c", queue="p,r"))
    claims = told.claim()
    records = {record.id: record for record in messages.workers()}
    assert list(records) == sorted(each.worker.id for each in (told, silent, consumer))
    record = records[told.worker.id]
    assert (record.kind, record.queues, record.facts, record.lease) == ("thread", ("q", "p,r"), facts, LEASE)
    assert record.claims == tuple(HeldClaim(claim.uuid, claim.queue, claim.token) for claim in claims)
    now = messages.now()
    assert LEASE - 1_000 <= record.lease_end - now <= LEASE
    assert 0 <= now - record.registered_at < 1_000
    assert (records[silent.worker.id].facts, records[silent.worker.id].claims) == (None, ())
    assert records[consumer.worker.id].facts == the_facts(tasks=None, slots=0)
    assert records[consumer.worker.id].queues is None
    told.retire()
    assert told.worker.id not in [record.id for record in messages.workers()]


def test_a_second_registration(backend: Backend, messages: MessagePort, store: Store, actor: Actors) -> None:
    """It renews the lease; facts replace those of before, without facts they stay; it registered when it first did."""
    worker = actor(facts=the_facts("t"))
    (before,) = messages.workers()
    store.advance(3_000)
    messages.register(worker.worker)
    (record,) = messages.workers()
    assert (record.facts, record.registered_at) == (the_facts("t"), before.registered_at)
    assert record.lease_end > before.lease_end
    messages.register(worker.worker, the_facts("u"))
    assert messages.workers()[0].facts == the_facts("u")


def test_what_runs_is_as_the_last_renewal_said(
    backend: Backend, messages: MessagePort, actor: Actors
) -> None:
    """A renewal without it leaves it; it goes with the worker."""
    worker = actor(facts=the_facts("t"))
    assert messages.workers()[0].running == ()
    running = (
        Running("a", 1_700_000_000_000, 1, 4711, "thread-1 é|;"),
        Running("b", 1_700_000_000_001, 3, 4712),
    )
    worker.renew(running)
    worker.renew()
    assert messages.workers()[0].running == running
    worker.renew([])
    assert messages.workers()[0].running == ()
    worker.renew(running)
    worker.retire()
    assert messages.workers() == []


def test_the_clock_is_the_stores(messages: MessagePort, store: Store) -> None:
    """It goes on as the store's clock does."""
    before = messages.now()
    store.advance(60_000)
    assert 60_000 <= messages.now() - before < 70_000
