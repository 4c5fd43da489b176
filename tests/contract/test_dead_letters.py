"""Dead letters: kept with their error for a while, replayed or purged."""

from __future__ import annotations

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import DeadLetter, Stored, TaskStatus
from tests.contract.stores import SHORT, Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    Actors,
    a_message,
    add,
    died,
    replay,
    state_of,
    status_of,
    succeeded,
    uuids,
)


def _bury(backend: Backend, *names: str, queue: str = "q", dlq_ttl: int = DLQ_TTL) -> None:
    add(backend, *names, queue=queue)
    for name in names:
        backend.messages.fail(queue, name, ERROR, dlq_ttl)


def test_dead_letters_are_listed_oldest_first(backend: Backend, store: Store, messages: MessagePort) -> None:
    """The dead letters of a queue are listed in the order in which the messages failed, with the time."""
    for name in ("c", "a", "b"):
        _bury(backend, name)
        store.advance(10)
    _bury(backend, "other", queue="r")
    letters = list(messages.dead_letters("q"))
    assert uuids(letters) == ["c", "a", "b"]
    assert letters[0] == DeadLetter("c", "q", b"payload of c", ERROR, store.now - 30)
    assert messages.dead_letter("q", "c") == letters[0]
    assert messages.dead_queues() == ["q", "r"]
    assert (backend.count("dead:q"), backend.count("dead:r"), backend.count("dead:none")) == (3, 1, 0)
    assert list(messages.dead_letters("none")) == []


def test_many_dead_letters_are_listed_whole(backend: Backend, store: Store, messages: MessagePort) -> None:
    """However many there are, each is listed once and in order."""
    names = [f"d{n:03}" for n in range(250)]
    add(backend, *names)
    for name in names:
        messages.fail("q", name, ERROR, DLQ_TTL)
        store.advance(1)
    assert uuids(messages.dead_letters("q")) == names


def test_a_walk_covers_what_was_there_at_its_beginning(
    backend: Backend, store: Store, messages: MessagePort
) -> None:
    """A message that fails during the iteration, replayed or not, is not part of it: the iteration ends."""
    names = [f"d{n:04}" for n in range(250)]
    add(backend, *names)
    for name in names:
        messages.fail("q", name, ERROR, DLQ_TTL)
    seen: list[str] = []
    for letter in messages.dead_letters("q"):
        seen.append(letter.uuid)
        store.advance(1)
        assert replay(messages, a_message(letter.uuid))
        messages.fail("q", letter.uuid, ERROR, DLQ_TTL)
        assert len(seen) <= len(names)
    assert seen == names
    assert len(list(messages.dead_letters("q"))) == len(names)


def test_many_are_asked_at_once_whether_they_may_be_dead(backend: Backend, messages: MessagePort) -> None:
    """None that has a dead letter, in the queue that is named, is taken for one that has none."""
    add(backend, *(f"d{n}" for n in range(6)))
    assert messages.may_be_dead([]) == []
    assert messages.may_be_dead([("q", "d1"), ("q", "none")]) == [False, False]
    for name in ("d1", "d4"):
        messages.fail("q", name, ERROR, DLQ_TTL)
    places = [("q", f"d{n}") for n in range(6)] + [("other", "d1")]
    assert messages.may_be_dead(places) == [False, True, False, False, True, False, False]


def test_a_walk_misses_nothing_that_stays(backend: Backend, store: Store, messages: MessagePort) -> None:
    """Letters that are purged during the walk, and new ones that come, hide none of the others."""
    names = [f"d{n:04}" for n in range(250)]
    add(backend, *names, "new")
    for name in names:
        messages.fail("q", name, ERROR, DLQ_TTL)
    walk = messages.dead_letters("q")
    seen = [next(walk).uuid]
    store.advance(1)
    for name in names[150:]:
        messages.purge("q", name)
    messages.fail("q", "new", ERROR, DLQ_TTL)
    seen += [letter.uuid for letter in walk]
    assert set(names[:150]) <= set(seen)
    assert "new" not in seen
    assert len(seen) == len(set(seen))


def test_a_dead_letter_ends(backend: Backend, store: Store, messages: MessagePort) -> None:
    """A dead letter is deleted after its time, and its queue is no longer listed; one with more time stays."""
    _bury(backend, "a", "b", dlq_ttl=SHORT)
    _bury(backend, "c", queue="r")
    store.outlive(SHORT, lambda: messages.dead_letter("q", "a") is None)
    store.outlive(0, lambda: messages.dead_queues() == ["r"])
    assert list(messages.dead_letters("q")) == []
    assert backend.count("dead:q") == 0
    assert messages.purge("q") == 0
    assert not replay(messages, a_message("b"))
    assert uuids(messages.dead_letters("r")) == ["c"]


def test_a_replayed_letter_is_a_message_again(backend: Backend, actor: Actors) -> None:
    """A replay stores the given submission: ready, SUBMITTED, at a new place."""
    worker = actor()
    add(backend, "a")
    worker.step(died(worker.claim_one()), limit=0)
    add(backend, "b")
    assert replay(backend.messages, a_message("a", payload=b"once more"))
    assert backend.messages.dead_letter("q", "a") is None
    assert backend.messages.dead_queues() == []
    assert backend.messages.get("q", "a") == Stored("a", "q", b"once more", 0, "ready", 0, False)
    assert status_of(backend, "a") == TaskStatus.SUBMITTED
    claimed = worker.claim()
    assert [(c.uuid, c.payload) for c in claimed] == [("b", b"payload of b"), ("a", b"once more")]


def test_a_replay_may_be_delayed(backend: Backend, store: Store, actor: Actors) -> None:
    """A replayed letter waits as its submission says."""
    _bury(backend, "a")
    assert replay(backend.messages, a_message("a", delay=500))
    assert state_of(backend, "a") == "delayed"
    store.advance(500)
    assert uuids(actor().claim()) == ["a"]


def test_only_dead_letters_can_be_replayed(backend: Backend, messages: MessagePort) -> None:
    """A message that is not among the dead letters of the queue is not replayed."""
    add(backend, "alive")
    _bury(backend, "a")
    assert not replay(messages, a_message("unknown"))
    assert not replay(messages, a_message("alive", payload=b"changed"))
    assert not replay(messages, a_message("a", queue="other"))
    assert replay(messages, a_message("a"))
    assert sorted(uuids(messages.browse("q"))) == ["a", "alive"]
    stored = messages.get("q", "alive")
    assert stored is not None
    assert stored.payload == b"payload of alive"


def test_a_replay_may_be_repeated(backend: Backend, store: Store, actor: Actors) -> None:
    """After a lost reply it is sent again: nothing changes, whether the message waits or has ended."""
    messages, worker = backend.messages, actor()
    _bury(backend, "a")
    letter = messages.dead_letter("q", "a")
    assert letter is not None
    store.advance(5)
    assert messages.replay(a_message("a", payload=b"first"), letter.died_at).accepted
    assert messages.replay(a_message("a", payload=b"again"), letter.died_at).accepted
    assert messages.replay(a_message("a", payload=b"again"), 0).accepted
    claimed = worker.claim_one()
    assert claimed.payload == b"first"
    assert messages.replay(a_message("a", payload=b"again"), letter.died_at).accepted
    worker.step(died(claimed), limit=0)
    assert messages.replay(a_message("a", payload=b"again"), letter.died_at).accepted
    assert messages.count("q") == 0
    assert uuids(messages.dead_letters("q")) == ["a"]
    assert replay(messages, a_message("a", payload=b"second"))
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert messages.replay(a_message("a", payload=b"again"), letter.died_at).accepted
    assert messages.count("q") == 0


def test_a_replay_spares_a_message_that_lives_again(backend: Backend, messages: MessagePort) -> None:
    """When a new message took the uuid of a dead one, the dead one is not replayed over it."""
    _bury(backend, "a")
    assert add(backend, a_message("a", payload=b"alive")) == [True]
    assert not replay(messages, a_message("a", payload=b"from the dead"))
    stored = messages.get("q", "a")
    assert stored is not None
    assert stored.payload == b"alive"
    assert messages.count("q") == 1
    assert uuids(messages.dead_letters("q")) == ["a"]


def test_a_message_may_die_again(backend: Backend, actor: Actors) -> None:
    """A replayed message that dies once more leaves one letter, with its last error and payload."""
    worker = actor()
    _bury(backend, "a")
    replay(backend.messages, a_message("a", payload=b"second"))
    worker.step(died(worker.claim_one(), error=b'{"again":1}'), limit=0)
    letters = list(backend.messages.dead_letters("q"))
    assert [(letter.payload, letter.error) for letter in letters] == [(b"second", b'{"again":1}')]


def test_purging(backend: Backend, messages: MessagePort) -> None:
    """One letter or all of a queue are deleted, and counted; statuses stay."""
    _bury(backend, "a", "b", "c")
    _bury(backend, "d", queue="r")
    assert messages.purge("q", "b") == 1
    assert messages.purge("q", "b") == 0
    assert uuids(messages.dead_letters("q")) == ["a", "c"]
    assert messages.purge("q") == 2
    assert messages.purge("q") == 0
    assert messages.dead_queues() == ["r"]
    assert status_of(backend, "a") == TaskStatus.FAILED
