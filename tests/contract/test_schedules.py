"""Schedules: put, changed, fired, paused and removed. Each call compares what was read with what is stored now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from alsek.defaults import SUBMISSION_BATCH
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import ACCEPTED, Added, ScheduleRecord, TaskStatus, UniqueKey
from tests.contract.schedules import fire, firing, names, put, record
from tests.contract.stores import START, Store
from tests.contract.workers import Actors, a_message, a_request, add, state_of, status_of, succeeded, uuids

SOON = START + 1_000
LATER = START + 60_000
YEAR_MS = 366 * 86_400_000

ODD_NAMES = [
    "schedule:a",
    "limit:c:a",
    "a|b;c=%7C",
    "two\nlines",
    " é 日本 ",
    "{}*?[]",
    "'; --",
    "0",
    "x" * 500,
]


def test_a_schedule_is_stored(backend: Backend) -> None:
    """As it is put, paused by nobody and never fired; what it is made of is read by no store."""
    expected = ScheduleRecord("s", "r1", b'{"a": "\\u0000"}\x00\xff\n|', SOON)
    assert put(backend, "s", SOON, definition=expected.definition) == expected
    assert backend.schedules.get(["s"]) == [expected]


def test_a_put_that_is_repeated_changes_nothing(backend: Backend) -> None:
    """After a lost reply it is answered with the schedule as it is stored now, whatever has happened since."""
    put(backend, "s", SOON)
    fire(backend, "s", SOON, LATER)
    stored = record(backend, "s")
    assert backend.schedules.put("s", b"{}", "r1", SOON) == stored
    assert backend.schedules.put("s", b"{}", "r1", SOON, "any") == stored
    assert backend.schedules.get() == [stored]


def test_a_schedule_is_not_put_over_another(backend: Backend) -> None:
    """Whoever expects none gets None if there is one; whoever expects another revision, or one where none is."""
    stored = put(backend, "s", SOON)
    assert backend.schedules.put("s", b"other", "r2", LATER) is None
    assert backend.schedules.put("s", b"other", "r2", LATER, "r0") is None
    assert backend.schedules.put("t", b"other", "r2", LATER, "r0") is None
    assert backend.schedules.get() == [stored]


@pytest.mark.parametrize("paused", [False, True])
def test_a_schedule_is_changed_in_place(backend: Backend, paused: bool) -> None:
    """Definition, revision and tick are new; what was fired last stays, and so does a pause."""
    put(backend, "s", SOON)
    fire(backend, "s", SOON, LATER)
    if paused:
        assert backend.schedules.pause("s", "me")
    before = record(backend, "s")
    changed = put(backend, "s", SOON + 7, "r2", b"other", expected="r1")
    assert changed == record(backend, "s")
    assert changed == before._replace(revision="r2", definition=b"other", next_at=SOON + 7)
    assert (changed.last_at, changed.last_uuid) == (SOON, f"s@{SOON}")
    assert backend.schedules.put("s", b"third", "r3", LATER, "r1") is None
    assert record(backend, "s") == changed


def test_a_change_that_was_changed_again_is_not_repeated(backend: Backend) -> None:
    """If the call comes again after another one has changed the schedule, it is told so."""
    put(backend, "s", SOON)
    put(backend, "s", SOON, "r2", expected="r1")
    put(backend, "s", SOON, "r3", expected="r2")
    assert backend.schedules.put("s", b"{}", "r2", SOON, "r1") is None
    assert record(backend, "s").revision == "r3"


def test_schedules_are_read_by_name(backend: Backend) -> None:
    """All, or some; in alphabetical order, each once; those that are not stored are left out."""
    assert backend.schedules.get() == []
    for name in ("b", "é", "a", "B", "a:b", "ab"):
        put(backend, name, SOON)
    assert names(backend) == ["B", "a", "a:b", "ab", "b", "é"]
    assert [each.name for each in backend.schedules.get(["b", "none", "a", "b"])] == ["a", "b"]
    assert backend.schedules.get([]) == []


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_is_any_text(store: Store, actor: Actors, name: str) -> None:
    """Nothing in it means anything to a store: it is put, offered, fired, paused and removed as any other."""
    backend = store.backend
    worker = actor(facts=firing())
    put(backend, "plain", None)
    put(backend, name, SOON)
    store.advance(1_000)
    assert worker.step(limit=0).schedules == (name,)
    assert fire(backend, name, SOON, LATER, [a_message("m")]) == [ACCEPTED]
    assert backend.schedules.pause(name, name)
    assert record(backend, name).paused_by == name
    assert backend.schedules.resume(name, "r1", LATER)
    assert names(backend) == sorted([name, "plain"])
    assert backend.schedules.remove(name)
    assert names(backend) == ["plain"]


def test_two_namespaces_share_no_schedule(store: Store) -> None:
    """One of the same name is another one."""
    other = store.open(f"{store.namespace}-other")
    put(store.backend, "s", SOON)
    put(other, "s", LATER, "r2")
    assert record(store.backend, "s").next_at == SOON
    assert other.schedules.remove("s")
    assert names(store.backend) == ["s"]


def test_firing_submits_and_goes_on(store: Store) -> None:
    """In one step: the messages are stored as by `add`, and the schedule stands at the next tick."""
    backend = store.backend
    put(backend, "s", SOON)
    store.advance(1_000)
    sent = [a_message("now"), a_message("then", delay=500), a_message("in", "another")]
    assert fire(backend, "s", SOON, LATER, sent) == [ACCEPTED] * 3
    assert record(backend, "s") == ScheduleRecord("s", "r1", b"{}", LATER, SOON, "in")
    assert [state_of(backend, uuid) for uuid in ("now", "then")] == ["ready", "delayed"]
    assert state_of(backend, "in", "another") == "ready"
    assert status_of(backend, "now") is TaskStatus.SUBMITTED


def test_a_tick_is_fired_once(backend: Backend) -> None:
    """A second call for it does nothing, by the same request or another, also after the message has ended."""
    put(backend, "s", SOON)
    sent, request = [a_message("m")], a_request()
    assert fire(backend, "s", SOON, LATER, sent, request=request) == [ACCEPTED]
    assert fire(backend, "s", SOON, LATER, sent, request=request) is None
    assert fire(backend, "s", SOON, LATER, [a_message("other")]) is None
    assert backend.messages.count("q") == 1
    backend.messages.remove("q", "m")
    assert fire(backend, "s", SOON, LATER, sent) is None
    assert backend.messages.count("q") == 0
    assert record(backend, "s").next_at == LATER


def test_of_many_at_once_one_fires(store: Store) -> None:
    """However many try to fire a tick at the same moment, one submits its messages, and the others are told."""
    backend = store.backend
    put(backend, "s", 0)
    with ThreadPoolExecutor(8) as threads:
        for tick in range(10):
            tries = [
                threads.submit(fire, backend, "s", tick, tick + 1, [a_message(f"{tick}-{n}")])
                for n in range(8)
            ]
            answers = [each.result() for each in tries]
            assert sorted(answers, key=bool) == [None] * 7 + [[ACCEPTED]]
    assert backend.messages.count("q") == 10
    assert record(backend, "s").next_at == 10


def test_of_many_at_once_one_puts(store: Store) -> None:
    """However many bring a schedule of one name, or change it, at the same moment, one does; the others learn of it."""
    backend = store.backend
    expected = ""
    with ThreadPoolExecutor(8) as threads:
        for turn in range(10):
            revisions = [f"{turn}-{n}" for n in range(8)]
            tries = [
                threads.submit(backend.schedules.put, "s", b"{}", revision, SOON, expected)
                for revision in revisions
            ]
            (stored,) = [each.result() for each in tries if each.result() is not None]
            assert stored == record(backend, "s")
            assert record(backend, "s").revision in revisions
            expected = record(backend, "s").revision


def test_nothing_is_fired_that_has_changed(backend: Backend) -> None:
    """Another revision, another tick, a pause, no tick, no schedule: nothing is submitted, and nothing changes."""
    put(backend, "s", SOON)
    put(backend, "none", None)
    put(backend, "paused", SOON)
    backend.schedules.pause("paused", "me")
    before = backend.schedules.get()
    assert fire(backend, "s", SOON, LATER, revision="r0") is None
    assert fire(backend, "s", SOON + 1, LATER) is None
    assert fire(backend, "s", SOON - 1, LATER) is None
    assert fire(backend, "none", SOON, LATER) is None
    assert fire(backend, "none", 0, LATER) is None
    assert fire(backend, "paused", SOON, LATER) is None
    assert fire(backend, "unknown", SOON, LATER) is None
    assert backend.schedules.get() == before
    assert backend.messages.queues() == []


def test_a_tick_may_be_left_out(backend: Backend) -> None:
    """Without messages the schedule goes on, and what was fired last stays."""
    put(backend, "s", SOON)
    fire(backend, "s", SOON, LATER)
    assert fire(backend, "s", LATER, LATER + 1, []) == []
    assert record(backend, "s") == ScheduleRecord("s", "r1", b"{}", LATER + 1, SOON, f"s@{SOON}")


def test_a_tick_may_be_the_last(store: Store, actor: Actors) -> None:
    """The schedule stays, and is offered no more, until it is given another tick."""
    backend, worker = store.backend, actor(facts=firing())
    put(backend, "s", SOON)
    assert fire(backend, "s", SOON, None) == [ACCEPTED]
    store.advance(YEAR_MS)
    worker.renew()
    assert worker.step(limit=0).schedules == ()
    assert record(backend, "s") == ScheduleRecord("s", "r1", b"{}", None, SOON, f"s@{SOON}")
    put(backend, "s", store.now, "r2", expected="r1")
    assert worker.step(limit=0).schedules == ("s",)


def test_a_message_that_is_refused_holds_up_nothing(backend: Backend) -> None:
    """One whose uuid is stored, and one whose key is held, are answered as by `add`; the schedule goes on."""
    key = UniqueKey("k")
    add(backend, a_message("there"), a_message("holder", unique=key))
    put(backend, "s", SOON)
    sent = [a_message("there"), a_message("new"), a_message("late", unique=key), a_message("there")]
    assert fire(backend, "s", SOON, LATER, sent) == [
        Added(False, "there", "ready"),
        ACCEPTED,
        Added(False, "holder", "ready"),
        Added(False, "there", "ready"),
    ]
    assert record(backend, "s") == ScheduleRecord("s", "r1", b"{}", LATER, SOON, "there")
    assert backend.messages.count("q") == 3


def test_a_tick_that_was_fired_before_is_refused_by_its_uuid(backend: Backend, actor: Actors) -> None:
    """Where a schedule is removed and put again at a tick that was fired, the message of that tick is not new."""
    put(backend, "s", SOON)
    fire(backend, "s", SOON, LATER)
    backend.schedules.remove("s")
    put(backend, "s", SOON, "r2")
    worker = actor()
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert fire(backend, "s", SOON, LATER, revision="r2") == [Added(False, f"s@{SOON}", "finished")]
    assert record(backend, "s").next_at == LATER


def test_a_replacement_is_fired(backend: Backend) -> None:
    """A message that replaces the holder of its key is stored under that one's uuid, as by `add`."""
    key = UniqueKey("k", conflict="replace")
    put(backend, "s", SOON)
    fire(backend, "s", SOON, LATER, [a_message("first", unique=key)])
    answer = fire(backend, "s", LATER, None, [a_message("second", unique=key, payload=b"second")])
    assert answer == [Added(True, "first")]
    stored = backend.messages.get("q", "first")
    assert stored is not None
    assert stored.payload == b"second"


def test_a_whole_batch_is_fired_in_one_step(backend: Backend) -> None:
    """As many messages as `add` takes in one step; of two with one uuid the first."""
    put(backend, "s", SOON)
    sent = [a_message(f"m{n}") for n in range(SUBMISSION_BATCH - 1)]
    answers = fire(backend, "s", SOON, LATER, [*sent, sent[0]])
    assert answers == [ACCEPTED] * (SUBMISSION_BATCH - 1) + [Added(False, "m0", "ready")]
    assert backend.messages.count("q") == SUBMISSION_BATCH - 1


def test_messages_are_taken_in_the_order_in_which_ticks_were_fired(backend: Backend, actor: Actors) -> None:
    """A message of a tick has its place behind all that were submitted before."""
    put(backend, "s", SOON)
    add(backend, "a")
    fire(backend, "s", SOON, LATER, [a_message("b"), a_message("c")])
    add(backend, "d")
    assert uuids(actor().claim()) == ["a", "b", "c", "d"]


def test_a_pause_says_by_whom_and_since_when(store: Store) -> None:
    """It is one until it is resumed; a second one changes nothing."""
    backend = store.backend
    put(backend, "s", SOON)
    store.advance(500)
    assert backend.schedules.pause("s", "me; |é\n")
    paused = record(backend, "s")
    assert paused == ScheduleRecord("s", "r1", b"{}", SOON, paused_by="me; |é\n", paused_since=START + 500)
    store.advance(500)
    assert not backend.schedules.pause("s", "another")
    assert not backend.schedules.pause("unknown", "me")
    assert record(backend, "s") == paused


def test_a_schedule_is_resumed_at_a_tick(backend: Backend) -> None:
    """At the one that is given, once; not if it was changed since it was read, and not if it is not paused."""
    put(backend, "s", SOON)
    assert not backend.schedules.resume("s", "r1", LATER)
    backend.schedules.pause("s", "me")
    assert not backend.schedules.resume("s", "r0", LATER)
    assert not backend.schedules.resume("unknown", "r1", LATER)
    assert record(backend, "s").paused_by == "me"
    assert backend.schedules.resume("s", "r1", LATER)
    assert record(backend, "s") == ScheduleRecord("s", "r1", b"{}", LATER)
    assert not backend.schedules.resume("s", "r1", SOON)
    assert record(backend, "s").next_at == LATER
    backend.schedules.pause("s", "me")
    assert backend.schedules.resume("s", "r1", None)
    assert record(backend, "s") == ScheduleRecord("s", "r1", b"{}", None)


def test_no_change_goes_back_to_a_tick_that_was_fired(backend: Backend) -> None:
    """Who puts or resumes has computed the tick from what he read; if that was fired since, he is to read again."""
    put(backend, "s", SOON)
    fire(backend, "s", SOON, LATER)
    fired = record(backend, "s")
    for tick in (SOON, SOON - 1):
        assert backend.schedules.put("s", b"new", "r2", tick, "r1") is None
        assert record(backend, "s") == fired
        backend.schedules.pause("s", "me")
        assert not backend.schedules.resume("s", "r1", tick)
        assert record(backend, "s").paused_by == "me"
        assert backend.schedules.resume("s", "r1", LATER)
    assert put(backend, "s", SOON + 1, "r2", expected="r1").next_at == SOON + 1
    assert put(backend, "s", None, "r3", expected="r2").next_at is None


def test_one_without_a_tick_can_be_paused(backend: Backend) -> None:
    """It stays paused when it is given a tick."""
    put(backend, "s", None)
    assert backend.schedules.pause("s", "me")
    put(backend, "s", SOON, "r2", expected="r1")
    assert fire(backend, "s", SOON, LATER, revision="r2") is None
    assert record(backend, "s").paused_by == "me"


def test_a_schedule_is_removed(backend: Backend) -> None:
    """Nothing is left of it; the messages that it has submitted stay; one of its name begins anew."""
    put(backend, "s", SOON)
    fire(backend, "s", SOON, LATER)
    backend.schedules.pause("s", "me")
    assert backend.schedules.remove("s")
    assert not backend.schedules.remove("s")
    assert backend.schedules.get() == []
    assert not backend.schedules.pause("s", "me")
    assert fire(backend, "s", LATER, None) is None
    assert state_of(backend, f"s@{SOON}") == "ready"
    assert put(backend, "s", LATER, "r2") == ScheduleRecord("s", "r2", b"{}", LATER)


def test_schedules_outlive_everything(store: Store) -> None:
    """Also years without a tick, and all messages and workers."""
    backend = store.backend
    put(backend, "s", SOON)
    put(backend, "ended", None)
    store.advance(10 * YEAR_MS)
    assert names(backend) == ["ended", "s"]


def test_clearing_the_namespace_clears_schedules(store: Store, actor: Actors) -> None:
    """Nothing is offered of them any more."""
    backend = store.backend
    put(backend, "s", SOON)
    put(backend, "ended", None)
    backend.clear_namespace()
    assert backend.schedules.get() == []
    store.advance(2_000)
    worker = actor(facts=firing())
    step = worker.step(limit=0)
    assert (step.schedules, step.next_due) == ((), None)
    assert put(backend, "s", LATER) == ScheduleRecord("s", "r1", b"{}", LATER)


@pytest.mark.parametrize("tick", [0, 1, 253_402_300_799_000])
def test_ticks_of_all_times(store: Store, actor: Actors, tick: int) -> None:
    """From 1970 to the year 9999."""
    backend, worker = store.backend, actor(facts=firing())
    put(backend, "s", tick)
    step = worker.step(limit=0)
    assert step.schedules == (("s",) if tick < START else ())
    assert fire(backend, "s", tick, tick + 1) == [ACCEPTED]
    assert (record(backend, "s").last_at, record(backend, "s").next_at) == (tick, tick + 1)
