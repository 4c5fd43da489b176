"""What is kept of reports when a message ends, in whatever way, or comes back; and when a later one has its uuid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from alsek.defaults import DEDUP_WINDOW, DEFAULT_STATUS_TTL
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import ACCEPTED, FOR_EVER, Added, ReportRecord, UniqueKey
from tests.contract.leaving import ENDS, QUEUE, RETURNS, Scene, leaving
from tests.contract.reports import ALL, a_report, kept, parts, report, report_all
from tests.contract.stores import SHORT, Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    Actor,
    Actors,
    a_message,
    a_request,
    add,
    died,
    not_mine,
    released,
    replay,
    retried,
    succeeded,
    the_facts,
    uuids,
)

#: The ends after which there is no dead letter; after one of them nothing at all is left here.
_NO_LETTER: Final = (
    "it succeeds",
    "it fails without a dead letter",
    "it is removed while it is ready",
    "it is removed while it is claimed",
    "it is removed while it waits for a retry",
    "its worker retires with its outcome",
    "it is moved to another store",
)
_MOVED: Final = "it is moved to another store"

#: The parts of what :func:`report_all` tells, for a message that has ended without a dead letter.
LEFT: Final = (b"half", None, (b"one", b"two"))

#: Long enough for the few calls between a write and a look at it, also where a store counts it in real time.
BRIEF: Final = 20 * SHORT


def a_scene(store: Store, **fields: object) -> Scene:
    """A message on which something was reported, ready again."""
    scene = Scene(store)
    assert scene.messages.add([leaving(**fields)], a_request()) == [ACCEPTED]
    claim = scene.claimed()
    report_all(scene.worker, claim)
    scene.worker.step(released(claim), limit=0)
    return scene


@pytest.mark.parametrize("way", ENDS)
@pytest.mark.parametrize("status_ttl", [0, 100_000, FOR_EVER])
def test_each_end_keeps_what_it_should(store: Store, way: str, status_ttl: int) -> None:
    """All of it with a dead letter; all but the checkpoint with a last status; else nothing."""
    scene = a_scene(store, status_ttl=status_ttl)
    ENDS[way](scene)
    assert scene.messages.get(QUEUE, "a") is None
    assert bool(scene.messages.find_dead("a")) == (way not in _NO_LETTER)
    if way not in _NO_LETTER:
        assert parts(scene.backend, "a") == ALL
    elif status_ttl and way != _MOVED:
        assert parts(scene.backend, "a") == LEFT
    else:
        assert kept(scene.backend, "a") is None


@pytest.mark.parametrize("way", ENDS)
def test_an_end_without_reports_keeps_nothing(store: Store, way: str) -> None:
    """There is nothing to keep of a message on which nobody has reported."""
    scene = Scene(store)
    scene.messages.add([leaving(status_ttl=FOR_EVER)], a_request())
    ENDS[way](scene)
    assert kept(scene.backend, "a") is None


@pytest.mark.parametrize("way", RETURNS)
def test_each_return_keeps_all(store: Store, way: str) -> None:
    """However a claim ends after which the message runs again, the next attempt has what the last one saved."""
    scene = a_scene(store)
    RETURNS[way](scene)
    assert parts(scene.backend, "a") == ALL
    again = Actor(scene.backend, scene.worker.worker._replace(id="again", suspects="freely"))
    scene.messages.register(again.worker, the_facts("t", "another"))
    (claim,) = again.claim()
    assert claim.reported
    assert report(again, claim, 1, b"three", checkpoint=b"row 8") == []
    assert parts(scene.backend, "a") == (b"half", b"row 8", (b"one", b"two", b"three"))


def test_a_new_dead_letter_has_the_last_report(backend: Backend, actor: Actors) -> None:
    """One that came in the step in which the message failed, or in the retirement of its worker."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    worker.step(a_report(one, 1, b"1", checkpoint=b"c"), died(one), limit=0)
    worker.retire(a_report(two, 1, b"2", progress=b"p"), died(two))
    assert parts(backend, "a") == (None, b"c", (b"1",))
    assert parts(backend, "b") == (b"p", None, (b"2",))


@pytest.mark.parametrize("end", ["failed", "nobody's", "by hand", "unreadable"])
def test_it_is_kept_as_long_as_the_dead_letter(store: Store, end: str, actor: Actors) -> None:
    """Then it is gone with that."""
    backend, worker = store.backend, actor("q", dlq_ttl=BRIEF)
    add(backend, "a")
    claim = worker.claim_one()
    report_all(worker, claim)
    if end == "failed":
        worker.step(died(claim, dlq_ttl=BRIEF), limit=0)
    elif end == "nobody's":
        worker.step(not_mine(claim, dlq_ttl=BRIEF), limit=0)
    elif end == "by hand":
        backend.messages.fail("q", "a", ERROR, BRIEF)
    else:
        worker.step(released(claim), limit=0)
        store.spoil("q", "a", "version")
        worker.step()
    assert parts(backend, "a") == ALL
    assert uuids(backend.messages.dead_letters("q")) == ["a"]
    store.outlive(BRIEF, lambda: kept(backend, "a") is None)
    store.outlive(0, lambda: backend.messages.dead_letter("q", "a") is None)


def test_it_is_kept_for_ever_with_a_dead_letter_that_is(store: Store, actor: Actors) -> None:
    """Whatever time has passed, and whatever is done meanwhile."""
    backend, worker = store.backend, actor()
    add(backend, "a")
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(died(claim, dlq_ttl=FOR_EVER), limit=0)
    store.advance(2 * DEFAULT_STATUS_TTL)
    backend.messages.register(worker.worker)
    add(backend, "b")
    assert uuids(worker.claim()) == ["b"]
    assert parts(backend, "a") == ALL


def test_it_is_kept_as_long_as_the_last_status(store: Store, actor: Actors) -> None:
    """That of a message which has succeeded is gone with its status."""
    backend, worker = store.backend, actor()
    add(backend, a_message("a", status_ttl=BRIEF))
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(succeeded(claim), limit=0)
    assert parts(backend, "a") == LEFT
    store.outlive(BRIEF, lambda: kept(backend, "a") is None)
    store.outlive(0, lambda: backend.statuses.get(["a"]) == [None])


@pytest.mark.stores("memory", "sqlite")
def test_it_is_not_kept_for_ever_with_a_status_that_is(store: Store, actor: Actors) -> None:
    """Statuses without an end are small; what is kept of reports is not."""
    backend, worker = store.backend, actor(lease=10 * DEFAULT_STATUS_TTL)
    add(backend, a_message("a", status_ttl=FOR_EVER))
    claim = worker.claim_one()
    report_all(worker, claim)
    store.advance(2 * DEFAULT_STATUS_TTL)
    worker.step(succeeded(claim), limit=0)
    store.advance(DEFAULT_STATUS_TTL - 1)
    assert parts(backend, "a") == LEFT
    store.advance(1)
    assert kept(backend, "a") is None


@pytest.mark.stores("memory", "sqlite")
def test_it_does_not_expire_while_its_message_is_stored(store: Store, actor: Actors) -> None:
    """However long that is."""
    backend, worker = store.backend, actor()
    add(backend, "a")
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(retried(claim, delay=10 * DEFAULT_STATUS_TTL), limit=0)
    store.advance(10 * DEFAULT_STATUS_TTL - 1)
    assert parts(backend, "a") == ALL
    store.advance(1)
    assert actor().claim_one().reported


@pytest.mark.parametrize("named", [False, True])
def test_a_replay_takes_it_up_again(store: Store, actor: Actors, named: bool) -> None:
    """The message says that something is kept, and that stays until it ends again."""
    backend, worker = store.backend, actor()
    add(backend, "a")
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(died(claim, dlq_ttl=BRIEF), limit=0)
    assert replay(backend.messages, a_message("a", named=named))
    store.outlive(BRIEF, lambda: backend.messages.dead_letter("q", "a") is None)
    worker.renew()
    claim = worker.claim_one()
    assert claim.reported
    assert parts(backend, "a") == ALL
    assert report(worker, claim, 1, b"three", checkpoint=b"row 8") == []
    assert parts(backend, "a") == (b"half", b"row 8", (b"one", b"two", b"three"))
    worker.step(succeeded(claim), limit=0)
    assert parts(backend, "a") == (b"half", None, (b"one", b"two", b"three"))


def test_a_replay_that_is_repeated(backend: Backend, actor: Actors) -> None:
    """After a lost reply it changes nothing: what was reported since is kept."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(died(claim), limit=0)
    letter = backend.messages.dead_letter("q", "a")
    assert letter is not None
    assert backend.messages.replay(a_message("a"), letter.died_at) == ACCEPTED
    report(worker, worker.claim_one(), 1, checkpoint=b"row 8")
    assert backend.messages.replay(a_message("a"), letter.died_at) == ACCEPTED
    assert parts(backend, "a") == (b"half", b"row 8", (b"one", b"two"))


def test_a_replay_without_reports(backend: Backend, actor: Actors) -> None:
    """A message on which nobody has reported has nothing when it is replayed."""
    worker = actor()
    add(backend, "a")
    worker.step(died(worker.claim_one()), limit=0)
    assert replay(backend.messages, a_message("a"))
    assert not worker.claim_one().reported


def test_a_refused_replay_changes_nothing(backend: Backend, actor: Actors) -> None:
    """The dead letter keeps all."""
    worker = actor()
    key = UniqueKey("k")
    add(backend, a_message("a", unique=key))
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(died(claim), limit=0)
    add(backend, a_message("b", unique=key))
    letter = backend.messages.dead_letter("q", "a")
    assert letter is not None
    assert not backend.messages.replay(a_message("a", unique=key), letter.died_at).accepted
    assert not backend.messages.replay(a_message("a"), letter.died_at + 1).accepted
    assert parts(backend, "a") == ALL


@pytest.mark.parametrize("uuid", ["a", None])
def test_a_purge_deletes_it(backend: Backend, actor: Actors, uuid: str | None) -> None:
    """With the dead letter: of one, or of all of a queue; others keep theirs."""
    worker = actor()
    add(backend, "a", a_message("b", "r"))
    claims = worker.claim()
    for claim in claims:
        report_all(worker, claim)
    worker.step(*(died(claim) for claim in claims), limit=0)
    assert backend.messages.purge("q", "none") == 0
    assert backend.messages.purge("q", uuid) == 1
    assert kept(backend, "a") is None
    assert parts(backend, "b") == ALL
    assert add(backend, "c") == [True]


def test_a_purge_deletes_nothing_of_a_message(store: Store, actor: Actors) -> None:
    """Where a later message has the uuid of a dead letter, and was reported on: that is its own."""
    backend, worker = store.backend, actor()
    add(backend, "a")
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(died(claim), limit=0)
    store.advance(DEDUP_WINDOW)
    backend.messages.register(worker.worker)
    assert add(backend, "a") == [True]
    report(worker, worker.claim_one(), 1, b"new", checkpoint=b"new")
    assert backend.messages.purge("q", "a") == 1
    assert parts(backend, "a") == (None, b"new", (b"new",))


@pytest.mark.parametrize("end", [succeeded, died])
def test_a_named_message_begins_without(store: Store, actor: Actors, end: Callable[..., object]) -> None:
    """It replaces the last one of its uuid, and all that is left of it."""
    backend, worker = store.backend, actor()
    add(backend, "a")
    claim = worker.claim_one()
    report_all(worker, claim)
    assert add(backend, a_message("a", named=True)) == [False]
    assert parts(backend, "a") == ALL
    worker.step(end(claim), limit=0)  # type: ignore[arg-type]
    before = kept(backend, "a")
    assert before is not None
    assert add(backend, a_message("a", named=True)) == [False]
    assert kept(backend, "a") == before
    store.advance(DEDUP_WINDOW)
    backend.messages.register(worker.worker)
    assert add(backend, a_message("a", named=True)) == [True]
    assert kept(backend, "a") is None
    assert not worker.claim_one().reported


def test_a_named_message_that_follows_an_outcome(backend: Backend, actor: Actors) -> None:
    """A callback that is named begins without what is left of an earlier message, too."""
    worker = actor()
    add(backend, "a", a_message("b", priority=1))
    one, two = worker.claim()
    report_all(worker, two)
    backend.messages.remove("q", "b")
    assert parts(backend, "b") == LEFT
    worker.step(succeeded(one, callback=a_message("b", named=True)), limit=0)
    assert kept(backend, "b") is None
    assert not worker.claim_one().reported


def test_the_first_report_replaces_what_is_left_of_another_message(backend: Backend, actor: Actors) -> None:
    """A message that is not named, of a uuid that is new again, begins without; until then the old stays."""
    worker = actor()
    add(backend, "a")
    report_all(worker, worker.claim_one(), 5)
    backend.messages.remove("q", "a")
    assert add(backend, a_message("a", status_ttl=0)) == [True]
    claim = worker.claim_one()
    assert not claim.reported
    assert parts(backend, "a") == LEFT
    assert report(worker, claim, 1, b"new") == []
    assert parts(backend, "a") == (None, None, (b"new",))
    worker.step(succeeded(claim), limit=0)
    assert kept(backend, "a") is None


def test_what_is_left_of_another_message_expires_not_with_the_new_one(store: Store, actor: Actors) -> None:
    """Once the new message has reported, what is kept stays as long as that, not as the old one's status."""
    backend, worker = store.backend, actor()
    add(backend, a_message("a", status_ttl=BRIEF))
    report_all(worker, worker.claim_one())
    backend.messages.remove("q", "a")
    assert add(backend, "a") == [True]
    report(worker, worker.claim_one(), 1, b"new")
    add(backend, a_message("b", status_ttl=BRIEF))
    backend.messages.remove("q", "b")
    store.outlive(BRIEF, lambda: backend.statuses.get(["b"]) == [None])
    assert parts(backend, "a") == (None, None, (b"new",))


def test_a_replacement_begins_without(backend: Backend, actor: Actors) -> None:
    """A message that takes the place of the holder of its key, and its uuid, is another one."""
    worker = actor()
    key = UniqueKey("k", conflict="replace")
    add(backend, a_message("a", unique=key))
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(released(claim), limit=0)
    assert backend.messages.add([a_message("b", unique=key)], a_request()) == [Added(True, "a")]
    assert kept(backend, "a") is None
    again = worker.claim_one()
    assert (again.uuid, again.payload, again.reported) == ("a", b"payload of b", False)
    assert report(worker, again, 1, b"new") == []
    assert parts(backend, "a") == (None, None, (b"new",))


def test_one_that_waits_behind_the_holder_takes_nothing(backend: Backend, actor: Actors) -> None:
    """What is kept of the holder is not that of the message which follows it."""
    worker = actor()
    key = UniqueKey("k", conflict="replace")
    add(backend, a_message("a", unique=key))
    claim = worker.claim_one()
    report_all(worker, claim)
    add(backend, a_message("b", unique=key))
    worker.step(succeeded(claim), limit=0)
    (again,) = worker.claim()
    assert (again.uuid, again.reported) == ("b", False)
    assert parts(backend, "a") == LEFT
    assert kept(backend, "b") is None


def test_an_unreadable_record_without_a_dead_letter(store: Store, actor: Actors) -> None:
    """No checkpoint is kept of a message that nobody can replay."""
    backend, worker = store.backend, actor(dlq_ttl=0)
    add(backend, a_message("a", status_ttl=0))
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(released(claim), limit=0)
    store.spoil("q", "a", "version")
    assert uuids(worker.step().corrupt) == ["a"]
    found = kept(backend, "a")
    assert found is None or found.checkpoint is None


def test_a_message_fails_again(store: Store, actor: Actors) -> None:
    """After each replay it has all that was kept, and keeps all that is told; each dead letter has it."""
    backend, worker = store.backend, actor()
    add(backend, "a")
    lines: tuple[bytes, ...] = ()
    for n in range(3):
        claim = worker.claim_one()
        assert claim.reported == bool(n)
        report(worker, claim, 1, b"%d" % n, checkpoint=b"c%d" % n)
        worker.step(died(claim, dlq_ttl=DLQ_TTL), limit=0)
        lines += (b"%d" % n,)
        assert kept(backend, "a") == ReportRecord("a", claim.token, store.now, None, b"c%d" % n, lines)
        store.advance(1)
        assert replay(backend.messages, a_message("a"))
