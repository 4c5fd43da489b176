"""Moves to another store: what is kept of reports goes with its message or dead letter."""

from __future__ import annotations

from uuid import uuid4

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import Copy, CopyKind, DeadLetterCopy, MessageCopy, ReportCopy
from alsek.storage.backends.records import FOR_EVER
from tests.contract.reports import ALL, kept, parts, report, report_all
from tests.contract.stores import START, Store
from tests.contract.test_transfer import Pair, copies_of, move_all
from tests.contract.workers import (
    Actors,
    a_message,
    add,
    an_actor,
    died,
    released,
    replay,
    retried,
    succeeded,
    uuids,
)


@pytest.fixture
def target(store: Store) -> Backend:
    """Another namespace of the store."""
    return store.open(f"{store.namespace}-target")


def fill(backend: Backend) -> None:
    """Messages and dead letters with reports and without, and one that has ended; nobody holds any."""
    worker = an_actor(backend)
    add(backend, "ready", "delayed", "dead", "done", "limited")
    add(backend, "plain", a_message("plain delayed", delay=60_000), a_message("plain dead", "other"))
    claims = {claim.uuid: claim for claim in worker.claim()}
    for uuid in ("ready", "delayed", "dead", "done", "limited"):
        report_all(worker, claims[uuid], 3)
    worker.step(
        released(claims["ready"]),
        retried(claims["delayed"], delay=60_000),
        died(claims["dead"], dlq_ttl=500_000),
        died(claims["limited"], dlq_ttl=FOR_EVER),
        succeeded(claims["done"]),
        released(claims["plain"]),
        died(claims["plain dead"]),
        limit=0,
    )
    worker.retire()


@pytest.mark.parametrize("most", [1, 100])
def test_reports_go_along(store: Store, target: Backend, most: int) -> None:
    """All of them, of what waits and of dead letters; those of messages without either stay behind."""
    source = store.backend
    fill(source)
    moved = ["ready", "delayed", "dead", "limited"]
    others = ["plain", "plain delayed", "plain dead"]
    before = source.messages.reports([*moved, *others], lines=True)
    assert [found is not None for found in before] == [True] * 4 + [False] * 3
    move_all(source, target, most)
    assert target.messages.reports([*moved, *others], lines=True) == before
    assert source.messages.reports(moved) == [None] * 4
    assert kept(target, "done") is None
    assert kept(source, "done") is not None


def test_a_copy_has_what_is_kept(store: Store) -> None:
    """With the number of the last report, and when it expires; a message without reports has none."""
    fill(store.backend)
    messages = {copy.key[1]: copy for copy in copies_of(store.backend, CopyKind.MESSAGE)}
    letters = {copy.key[1]: copy for copy in copies_of(store.backend, CopyKind.DEAD_LETTER)}
    reports: dict[str, ReportCopy | None] = {}
    for uuid, copy in (messages | letters).items():
        assert isinstance(copy, MessageCopy | DeadLetterCopy)
        reports[uuid] = copy.report
    found = {uuid: each for uuid, each in reports.items() if each is not None}
    assert sorted(found) == ["dead", "delayed", "limited", "ready"]
    for copy_of_report in found.values():
        assert copy_of_report.number == 3
        assert (copy_of_report.progress, copy_of_report.checkpoint, copy_of_report.lines) == ALL
        assert copy_of_report.reported_at == START
    assert found["ready"].expiry is None
    assert found["delayed"].expiry is None
    assert found["limited"].expiry is None
    expiry = found["dead"].expiry
    assert expiry is not None
    assert abs(expiry - START - 500_000) < 5_000


def test_a_message_that_arrives_goes_on_where_it_was(store: Store, target: Backend) -> None:
    """Its worker learns that something is kept, and reports again."""
    fill(store.backend)
    move_all(store.backend, target)
    worker = an_actor(target)
    claims = {claim.uuid: claim for claim in worker.claim()}
    assert (claims["ready"].reported, claims["plain"].reported) == (True, False)
    assert report(worker, claims["ready"], 1, b"three", checkpoint=b"row 8") == []
    assert parts(target, "ready") == (b"half", b"row 8", (b"one", b"two", b"three"))
    worker.step(released(claims["ready"]), limit=0)
    worker.retire()
    move_all(target, store.backend)
    assert parts(store.backend, "ready") == (b"half", b"row 8", (b"one", b"two", b"three"))


def test_a_dead_letter_that_arrives_can_be_replayed(store: Store, target: Backend) -> None:
    """With its checkpoint; purged there, nothing is left."""
    fill(store.backend)
    move_all(store.backend, target)
    assert replay(target.messages, a_message("dead"))
    assert {claim.uuid: claim.reported for claim in an_actor(target).claim()}["dead"]
    assert parts(target, "dead") == ALL
    assert target.messages.purge("q") == 1
    assert kept(target, "limited") is None


def test_a_message_that_was_reported_on_since_stays(store: Store, target: Backend, actor: Actors) -> None:
    """A report after the copy was made is not lost: the message is not taken out."""
    source, worker = store.backend, actor()
    add(source, "first", "again", "same")
    first, again, same = worker.claim()
    report_all(worker, again)
    report_all(worker, same)
    worker.step(released(first), released(again), released(same), limit=0)
    copies = copies_of(source, CopyKind.MESSAGE)
    first, again = worker.claim(limit=2)
    report_all(worker, first)
    report(worker, again, 1, checkpoint=b"row 8")
    worker.step(released(first), released(again), limit=0)
    pair = Pair(source, target)
    assert dict(zip([copy.key[1] for copy in copies], pair.take("batch", copies), strict=True)) == {
        "first": False,
        "again": False,
        "same": True,
    }
    assert parts(source, "first") == ALL
    assert parts(source, "again") == (b"half", b"row 8", (b"one", b"two"))
    assert kept(source, "same") is None


def test_a_batch_that_is_taken_again(store: Store, target: Backend) -> None:
    """After a lost reply nothing changes, here or there."""
    source = store.backend
    fill(source)
    pair = Pair(source, target)
    for kind in (CopyKind.MESSAGE, CopyKind.DEAD_LETTER):
        copies, batch = copies_of(source, kind), uuid4().hex
        for _ in range(2):
            pair.stage(batch)
        for _ in range(2):
            assert all(pair.take(batch, copies))
        for _ in range(2):
            assert pair.commit(batch, copies) == []
    assert parts(target, "ready") == parts(target, "dead") == ALL


def test_a_message_whose_uuid_is_used_meanwhile(store: Store, target: Backend, actor: Actors) -> None:
    """It is a dead letter then, and the message that has its uuid keeps what is its own."""
    source = store.backend
    fill(source)
    pair = Pair(source, target)
    copies: list[Copy] = [copy for copy in copies_of(source, CopyKind.MESSAGE) if copy.key[1] == "ready"]
    pair.stage("batch")
    assert pair.take("batch", copies) == [True]
    add(target, a_message("ready", "another"))
    worker = an_actor(target)
    report(worker, worker.claim_one(), 1, b"own", checkpoint=b"own")
    assert pair.commit("batch", copies) == ["ready"]
    assert uuids(target.messages.dead_letters("q")) == ["ready"]
    assert parts(target, "ready") == (None, b"own", (b"own",))


def test_what_is_left_there_of_an_earlier_message_gives_way(store: Store, target: Backend) -> None:
    """A message that arrives has its own, not what is kept with the status of another one of its uuid."""
    source = store.backend
    fill(source)
    worker = an_actor(target)
    add(target, a_message("ready", "another"))
    report(worker, worker.claim_one(), 1, b"old", progress=b"old")
    target.messages.remove("another", "ready")
    target.statuses.delete(["ready"])
    assert parts(target, "ready") == (b"old", None, (b"old",))
    move_all(source, target)
    assert parts(target, "ready") == ALL
