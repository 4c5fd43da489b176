"""Reports: what the holder of a message tells of it is kept, and nobody else's word is."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.defaults import DEDUP_WINDOW
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import Limit, Report, ReportRecord, UniqueKey
from tests.contract.reports import ALL, a_report, kept, parts, report, report_all
from tests.contract.stores import START, Store
from tests.contract.workers import (
    LEASE,
    Actors,
    a_message,
    add,
    by_hand,
    died,
    lost,
    not_mine,
    released,
    retried,
    state_of,
    succeeded,
    uuids,
)

EVERY_BYTE = bytes(range(256))


def test_what_is_told_is_kept(store: Store, actor: Actors) -> None:
    """With the claim under which it came, and when that was."""
    backend, worker = store.backend, actor()
    add(backend, "a")
    claim = worker.claim_one()
    assert kept(backend, "a") is None
    store.advance(500)
    assert report(worker, claim, 1, b"one", b"two", progress=b"p", checkpoint=b"c") == []
    expected = ReportRecord("a", claim.token, START + 500, b"p", b"c", (b"one", b"two"))
    assert kept(backend, "a") == expected


def test_many_are_read_at_once(backend: Backend, actor: Actors) -> None:
    """In the order in which they are asked for, None for those of which nothing is kept; lines if asked for."""
    worker = actor()
    add(backend, "a", "b", "c")
    for claim in worker.claim(limit=2):
        report_all(worker, claim)
    found = backend.messages.reports(["b", "c", "none", "a", "b"])
    assert [None if each is None else each.uuid for each in found] == ["b", None, None, "a", "b"]
    assert {each.lines for each in found if each is not None} == {()}
    found = backend.messages.reports(["a", "c"], lines=True)
    assert [None if each is None else each.lines for each in found] == [(b"one", b"two"), None]
    assert backend.messages.reports([]) == []


def test_what_a_report_leaves_out_stays(backend: Backend, actor: Actors) -> None:
    """Progress and checkpoint are replaced by a later one that has them; empty ones are ones, too."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    report(worker, claim, 1, progress=b"p1")
    assert parts(backend, "a") == (b"p1", None, ())
    report(worker, claim, 2, checkpoint=b"c1")
    assert parts(backend, "a") == (b"p1", b"c1", ())
    report(worker, claim, 3, progress=b"p2")
    assert parts(backend, "a") == (b"p2", b"c1", ())
    report(worker, claim, 4, checkpoint=b"c2")
    assert parts(backend, "a") == (b"p2", b"c2", ())
    report(worker, claim, 5, progress=b"", checkpoint=b"")
    assert parts(backend, "a") == (b"", b"", ())
    report(worker, claim, 6)
    assert parts(backend, "a") == (b"", b"", ())


def test_a_report_may_say_nothing(backend: Backend, actor: Actors) -> None:
    """Then something is kept all the same: that it came."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    assert report(worker, claim, keep=0) == []
    assert kept(backend, "a") == ReportRecord("a", claim.token, START)


def test_the_last_lines_are_kept(backend: Backend, actor: Actors) -> None:
    """As many as the last report says, oldest first; with 0 they stay, and none are added."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    steps: list[tuple[int, tuple[bytes, ...], tuple[bytes, ...]]] = [
        (3, (b"1", b"2"), (b"1", b"2")),
        (3, (b"3",), (b"1", b"2", b"3")),
        (3, (b"4",), (b"2", b"3", b"4")),
        (3, (), (b"2", b"3", b"4")),
        (0, (b"no", b"no"), (b"2", b"3", b"4")),
        (2, (), (b"3", b"4")),
        (2, (b"5", b"6", b"7", b"8"), (b"7", b"8")),
        (5, (b"", b"7"), (b"7", b"8", b"", b"7")),
        (1, (b"9",), (b"9",)),
        (200, tuple(b"%d" % n for n in range(199)), (b"9", *(b"%d" % n for n in range(199)))),
        (200, (b"a", b"b"), (*(b"%d" % n for n in range(1, 199)), b"a", b"b")),
    ]
    for number, (keep, lines, expected) in enumerate(steps, 1):
        assert report(worker, claim, number, *lines, keep=keep) == []
        found = parts(backend, "a")
        assert found is not None
        assert found[2] == expected, number


def test_whatever_bytes_they_are(backend: Backend, actor: Actors) -> None:
    """Nothing in progress, checkpoint or lines means anything to a store, and a checkpoint may be large."""
    worker = actor()
    add(backend, "a|b;c")
    claim = worker.claim_one()
    lines = (EVERY_BYTE, b"\n", b"", b"two\nlines\r\n", "é日本".encode(), b"\0")
    large = EVERY_BYTE * 8_000
    assert report(worker, claim, 1, *lines, progress=EVERY_BYTE, checkpoint=large) == []
    assert parts(backend, "a|b;c") == (EVERY_BYTE, large, lines)


def test_a_report_that_comes_again_changes_nothing(store: Store, actor: Actors) -> None:
    """Nor does an earlier one that comes late: their numbers are not above that of the last one. None is refused."""
    backend, worker = store.backend, actor()
    add(backend, "a")
    claim = worker.claim_one()
    report(worker, claim, 1, b"1", progress=b"p1")
    report(worker, claim, 3, b"3", progress=b"p3")
    before = kept(backend, "a")
    store.advance(5)
    for number in (3, 2, 1):
        assert report(worker, claim, number, b"again", progress=b"old", checkpoint=b"old", keep=1) == []
    assert kept(backend, "a") == before
    report(worker, claim, 4, b"4")
    assert parts(backend, "a") == (b"p3", None, (b"1", b"3", b"4"))


def test_several_reports_in_one_call(backend: Backend, actor: Actors) -> None:
    """Each for itself: of several messages, or of one, in their order; one that is refused holds up no other."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    reports = [
        a_report(one, 1, b"1", progress=b"p1"),
        a_report(two, 1, b"x"),
        a_report(one._replace(token=one.token + 1_000), 2, b"no"),
        Report("none", "q", 1, 1, b"p"),
        a_report(one, 2, b"2", progress=b"p2"),
        a_report(one, 1, b"1"),
    ]
    assert backend.messages.report(worker.worker, reports) == ["a", "none"]
    assert parts(backend, "a") == (b"p2", None, (b"1", b"2"))
    assert parts(backend, "b") == (None, None, (b"x",))
    assert backend.messages.report(worker.worker, []) == []


def test_the_queue_of_a_report_is_ignored(backend: Backend, actor: Actors) -> None:
    """As that of an outcome is."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    assert report(worker, claim._replace(queue="another"), progress=b"p") == []
    assert parts(backend, "a") == (b"p", None, ())


def test_only_the_holder_is_believed(backend: Backend, actor: Actors) -> None:
    """Not another worker, with this token or its own; not an unknown one; not a token that never was."""
    worker, other, unknown = actor(), actor(), actor(register=False)
    add(backend, "a", "b")
    claim, own = worker.claim(limit=1)[0], other.claim_one()
    told: dict[str, Any] = {"progress": b"p", "checkpoint": b"c"}
    assert report(other, claim, **told) == ["a"]
    assert report(other, claim._replace(token=own.token), **told) == ["a"]
    assert report(unknown, claim, **told) == ["a"]
    assert report(worker, claim._replace(token=0), **told) == ["a"]
    assert report(worker, own, **told) == ["b"]
    assert backend.messages.reports(["a", "b"]) == [None, None]
    stored = backend.messages.get("q", "a")
    assert stored is not None
    assert not stored.reported


@pytest.mark.parametrize(
    "end", [succeeded, died, retried, released, lost, lambda claim: not_mine(claim, wait=True)]
)
def test_a_claim_that_has_ended_is_not_believed(backend: Backend, actor: Actors, end: Any) -> None:
    """However it ended: what comes under its token is refused, also while the next holder runs the message."""
    worker, other = actor(), actor()
    add(backend, "a")
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(end(claim), limit=0)
    before = kept(backend, "a")
    assert report(worker, claim, 2, b"late", progress=b"late") == ["a"]
    assert kept(backend, "a") == before
    for again in other.claim():
        assert report(worker, claim, 3, b"late", checkpoint=b"late") == ["a"]
        assert kept(backend, "a") == before
        assert report(other, again, 1, progress=b"new") == []
        assert report(worker, claim, 4, progress=b"late") == ["a"]
        assert parts(backend, "a") == (b"new", b"row 7", (b"one", b"two"))


def test_a_worker_that_was_lost_overwrites_nothing(store: Store, actor: Actors) -> None:
    """Its checkpoint is older than that of the worker which has the message now."""
    backend, late, worker = store.backend, actor(), actor()
    add(backend, "a")
    old = late.claim_one()
    report(late, old, 7, b"old", checkpoint=b"old")
    for _ in range(4):
        store.advance(LEASE // 3)
        worker.renew()
    new = worker.claim_one()
    assert new.reported
    assert report(worker, new, 1, b"new", checkpoint=b"new") == []
    assert report(late, old, 8, b"late", checkpoint=b"late") == ["a"]
    assert late.retire(a_report(old, 9, checkpoint=b"late"), succeeded(old)) == ["a", "a"]
    found = kept(backend, "a")
    assert found is not None
    assert found == ReportRecord("a", new.token, store.now, None, b"new", (b"old", b"new"))


def test_numbers_begin_anew_with_each_claim(backend: Backend, actor: Actors) -> None:
    """The first report of an attempt is number 1, however many the last attempt has sent."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    report(worker, claim, 50, b"1", checkpoint=b"c50")
    (again,) = worker.step(retried(claim)).claimed
    assert report(worker, again, 1, b"2", progress=b"p") == []
    assert parts(backend, "a") == (b"p", b"c50", (b"1", b"2"))
    assert report(worker, again, 1, progress=b"no") == []
    assert parts(backend, "a") == (b"p", b"c50", (b"1", b"2"))


def test_a_message_says_that_something_is_kept(backend: Backend, actor: Actors) -> None:
    """From the first report on, whatever it said; no message does on which none came."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    assert (one.reported, two.reported) == (False, False)
    report(worker, one, keep=0)
    assert [claim.reported for claim in worker.held()] == [True, False]
    worker.step(released(one), retried(two), limit=0)
    shown = [backend.messages.get("q", uuid) for uuid in "ab"]
    assert [each.reported for each in shown if each is not None] == [True, False]
    assert [claim.reported for claim in worker.claim()] == [True, False]


def test_a_report_in_a_step_does_not_end_the_claim(backend: Backend, actor: Actors) -> None:
    """It is taken in, and the message is held as before."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    step = worker.step(a_report(claim, 1, b"1", checkpoint=b"c"))
    assert (step.refused, step.claimed, step.skipped, step.failed) == ([], [], [], ())
    assert parts(backend, "a") == (None, b"c", (b"1",))
    assert worker.held() == [claim._replace(reported=True)]
    assert worker.step(succeeded(claim)).refused == []


@pytest.mark.parametrize("end", [retried, released, lost, died])
def test_a_report_before_an_outcome(backend: Backend, actor: Actors, end: Any) -> None:
    """In one step, the last report of an attempt is kept, and then the attempt ends."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    report(worker, claim, 1, b"one", checkpoint=b"old")
    last = a_report(claim, 2, b"two", progress=b"half", checkpoint=b"row 7")
    assert worker.step(last, end(claim), limit=0).refused == []
    assert parts(backend, "a") == ALL
    assert [each.reported for each in worker.claim()] == ([] if end is died else [True])


def test_a_first_report_with_the_outcome(backend: Backend, actor: Actors) -> None:
    """Nothing was kept before: the message is retried with what is kept now."""
    worker = actor()
    add(backend, a_message("a", status_ttl=0))
    claim = worker.claim_one()
    (again,) = worker.step(a_report(claim, 1, b"1", checkpoint=b"c"), retried(claim)).claimed
    assert again.reported
    assert parts(backend, "a") == (None, b"c", (b"1",))
    assert worker.step(a_report(again, 1, b"2"), succeeded(again), limit=0).refused == []
    assert kept(backend, "a") is None


@pytest.mark.parametrize("by", ["a step", "a retirement"])
@pytest.mark.parametrize("end", [succeeded, retried, released, lost, died, not_mine])
@pytest.mark.parametrize("before", [0, 1], ids=["the first", "another"])
def test_a_report_that_follows_the_outcome_of_its_claim_is_refused(
    backend: Backend, actor: Actors, by: str, end: Any, before: int
) -> None:
    """The outcome has ended the claim, also in the same step: what comes behind it changes nothing."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    if before:
        report_all(worker, one)
    outcomes = (
        end(one),
        a_report(one, 5, b"late", progress=b"late", checkpoint=b"late"),
        a_report(two, 1, b"2"),
    )
    refused = worker.retire(*outcomes) if by == "a retirement" else worker.step(*outcomes, limit=0).refused
    assert refused == ["a"]
    left = parts(backend, "a")
    assert left is None if not before else left in (None, ALL, (b"half", None, (b"one", b"two")))
    assert parts(backend, "b") == (None, None, (b"2",))
    if by == "a retirement":
        assert worker.retire(*outcomes) == ["a"]


def test_refused_reports_are_named_in_a_step(backend: Backend, actor: Actors) -> None:
    """As outcomes are; those beside them are taken in."""
    worker = actor()
    add(backend, "a", "b")
    one, two = worker.claim()
    backend.messages.remove("q", "a")
    step = worker.step(a_report(one, progress=b"p"), a_report(two, progress=b"p"), succeeded(one), limit=0)
    assert step.refused == ["a", "a"]
    assert kept(backend, "a") is None
    assert parts(backend, "b") == (b"p", None, ())


def test_a_repeated_step_takes_in_nothing_again(backend: Backend, actor: Actors) -> None:
    """It has the answer of the first call."""
    worker, other = actor(), actor()
    add(backend, "a")
    claim = worker.claim_one()
    wrong = claim._replace(token=claim.token + 1_000)
    outcomes = (a_report(claim, 1, b"1"), a_report(wrong, 1, b"2"), retried(claim))
    assert worker.step(*outcomes, limit=0).refused == ["a"]
    (again,) = other.claim()
    report(other, again, 1, b"3")
    assert worker.again(*outcomes, limit=0).refused == ["a"]
    assert parts(backend, "a") == (None, None, (b"1", b"3"))


def test_the_last_reports_of_a_worker_that_retires(store: Store, actor: Actors) -> None:
    """They are taken in before its messages are given back; sent again after a lost reply, it is told the same."""
    backend, worker = store.backend, actor()
    add(backend, "a", "b", "c")
    one, two, three = worker.claim()
    wrong = a_report(three._replace(token=three.token + 1_000), 1, b"no")
    outcomes = (
        a_report(one, 1, b"1", checkpoint=b"c1"),
        retried(one),
        a_report(two, 1, b"2", checkpoint=b"c2"),
        wrong,
        succeeded(three),
        succeeded(three),
    )
    assert worker.retire(*outcomes) == ["c", "c"]
    for _ in range(2):
        assert [state_of(backend, uuid) for uuid in "abc"] == ["ready", "ready", None]
        assert parts(backend, "a") == (None, b"c1", (b"1",))
        assert parts(backend, "b") == (None, b"c2", (b"2",))
        assert kept(backend, "c") is None
        assert worker.retire(*outcomes) == ["c", "c"]
        store.advance(DEDUP_WINDOW // 2 - 1)
    claims = actor().claim()
    assert sorted((claim.uuid, claim.reported, claim.losses) for claim in claims) == [
        ("a", True, 0),
        ("b", True, 0),
    ]


def test_a_call_that_is_repeated_after_the_claim_has_ended(backend: Backend, actor: Actors) -> None:
    """The claim is no longer current, so it is refused, and changes nothing: the first call has done it all."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(released(claim), limit=0)
    assert report(worker, claim, 1, b"one", b"two", progress=b"half", checkpoint=b"row 7") == ["a"]
    assert parts(backend, "a") == ALL


def test_what_was_revoked_may_still_be_reported_on(backend: Backend, actor: Actors) -> None:
    """Its task runs until it stops, and saves what it has."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    backend.messages.revoke("q", "a")
    assert report(worker, claim, 1, checkpoint=b"c") == []
    assert worker.renew() == ["a"]
    assert parts(backend, "a") == (None, b"c", ())


def test_all_else_that_a_message_carries_stays(store: Store, actor: Actors) -> None:
    """Unique key, limits and attempt state are as before a report, and work."""
    backend, worker = store.backend, actor()
    key, limits = UniqueKey("k"), (Limit("k", 1),)
    add(backend, a_message("a", unique=key, limits=limits))
    attempt = {"retries": 3, "updated_at": START, "retry_delay": 7, "last_error": b'{"a": 1}'}
    (claim,) = worker.step(retried(worker.claim_one(), **attempt)).claimed
    report_all(worker, claim)
    assert worker.held() == [claim._replace(reported=True)]
    assert (claim.retries, claim.retry_delay, claim.last_error) == (3, 7, b'{"a": 1}')
    stored = backend.messages.get("q", "a")
    assert stored is not None
    assert (stored.unique, stored.limits, stored.reported) == (key, limits, True)
    assert add(backend, a_message("c", unique=key)) == [False]
    add(backend, a_message("d", limits=limits))
    assert state_of(backend, "d") == "waiting"
    worker.step(succeeded(claim), limit=0)
    assert state_of(backend, "d") == "ready"
    assert add(backend, a_message("c", unique=key)) == [True]


def test_a_report_changes_no_state(backend: Backend, actor: Actors) -> None:
    """The status stays, no lease is longer, and the message is where it was."""
    worker = actor()
    add(backend, "a")
    claim = worker.claim_one()
    (before,), (status,) = backend.messages.workers(), backend.statuses.get(["a"])
    report_all(worker, claim)
    assert backend.messages.workers() == [before]
    assert backend.statuses.get(["a"]) == [status]
    assert state_of(backend, "a") == "claimed"


def test_it_goes_where_the_message_goes(store: Store, actor: Actors) -> None:
    """Through a retry with a delay, a retry by hand, a promotion, a set aside, and a release."""
    backend, worker = store.backend, actor()
    add(backend, a_message("a", ttl=50_000))
    claim = worker.claim_one()
    report_all(worker, claim)
    worker.step(retried(claim, b"another payload", delay=300), limit=0)
    store.advance(300)
    claim = worker.claim_one()
    assert (claim.reported, claim.payload) == (True, b"another payload")
    backend.messages.reschedule(by_hand("q", "a", b"third payload", delay=300))
    store.advance(300)
    claim = worker.claim_one()
    assert (claim.reported, claim.payload) == (True, b"third payload")
    worker.step(released(claim), limit=0)
    assert uuids(worker.claim()) == ["a"]
    assert parts(backend, "a") == ALL


def test_two_namespaces_share_no_reports(store: Store, actor: Actors) -> None:
    """One of a message of the same uuid is another one."""
    other = store.open(f"{store.namespace}-other")
    add(store.backend, "a")
    add(other, "a")
    worker = actor()
    report_all(worker, worker.claim_one())
    assert kept(other, "a") is None


def test_clearing_the_namespace_clears_reports(backend: Backend, actor: Actors) -> None:
    """Of messages, of dead letters, and of those that have ended."""
    worker = actor()
    add(backend, "a", "b", "c")
    for claim in worker.claim():
        report_all(worker, claim)
    one, two, _ = worker.held()
    worker.step(died(one), succeeded(two), limit=0)
    backend.clear_namespace()
    assert backend.messages.reports(["a", "b", "c"]) == [None] * 3
