"""What the inspector shows of queues, workers, messages, dead letters and the history."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alsek import Broker, Inspector, Message
from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.messages import MessageInfo
from alsek.core.inspection.plain import as_dict, to_json
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.history import MINUTE_MS
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import FOR_EVER, HistoryCounts, Running, TaskStatus
from tests.contract.stores import Store
from tests.contract.workers import (
    LEASE,
    Actors,
    a_message,
    add,
    died,
    lost,
    not_mine,
    retried,
    succeeded,
    the_facts,
)


def _submit(broker: Broker, uuid: str, queue: str = "q", **fields: Any) -> Message:
    settings: dict[str, Any] = {"task_name": "t", "status_ttl": FOR_EVER, **fields}
    message = Message(uuid=uuid, queue=queue, **settings)
    broker.submit(message)
    return message


def _error(name: str = "ValueError", text: str = "no 7", function: str = "work") -> bytes:
    trace = (
        f'Traceback (most recent call last):\n  File "/app/tasks.py", line 3, in {function}\n{name}: {text}\n'
    )
    return json.dumps({"name": name, "text": text, "traceback": trace}).encode()


def _found(inspector: Inspector, uuid: str) -> MessageInfo:
    info = inspector.find(uuid)
    assert isinstance(info, MessageInfo)
    return info


def test_queues(
    inspector: Inspector, broker: Broker, messages: MessagePort, actor: Actors, store: Store
) -> None:
    """Each queue with its numbers, its pause, and the age of what is ready for longest."""
    worker = actor("b")
    made = store.now - 7_000
    for number in range(4):
        _submit(broker, f"b{number}", "b", created_at=made + number, priority=9 - number)
    _submit(broker, "later", "b", delay=60_000)
    _submit(broker, "d", "c")
    messages.fail("c", "d", _error(), FOR_EVER)
    worker.claim(limit=1)
    messages.pause("x", "ada")
    b, c, x = inspector.queues()
    assert (b.name, b.ready, b.delayed, b.running, b.dead, b.paused, b.rate) == ("b", 3, 1, 1, 0, False, 0.0)
    assert b.oldest_ready_age is not None
    assert 7_000 <= b.oldest_ready_age < 8_000
    assert (c.name, c.ready, c.dead, c.oldest_ready_age) == ("c", 0, 1, None)
    assert (x.name, x.paused, x.paused_by) == ("x", True, "ada")
    assert x.paused_since is not None


def test_the_age_of_a_retried_message(
    inspector: Inspector, broker: Broker, actor: Actors, store: Store
) -> None:
    """It counts from when its delay was over, and is never below 0."""
    worker = actor()
    _submit(broker, "a", created_at=store.now - 90_000)
    claim = worker.claim_one()
    worker.step(retried(claim, updated_at=store.now - 5_000, retry_delay=2_000, last_error=_error()), limit=0)
    (queue,) = inspector.queues()
    assert queue.oldest_ready_age is not None
    assert 3_000 <= queue.oldest_ready_age < 4_000
    _submit(broker, "b", "r", created_at=store.now + 60_000)
    assert inspector.queues()[1].oldest_ready_age == 0


def test_an_empty_queue_that_works_is_shown(inspector: Inspector, actor: Actors, store: Store) -> None:
    """In its place among the others, as long as anything ended in it within the last minute."""
    worker = actor(lease=10 * MINUTE_MS)
    worker.messages.pause("p", "ada")
    worker.messages.pause("r", "ada")
    worker.step(limit=0, history=[HistoryCounts("q", "t", "s:60 o:60"), HistoryCounts("begun", "t", "s:1")])
    shown = {queue.name: queue.rate for queue in inspector.queues()}
    assert list(shown) == ["p", "q", "r"]
    assert shown["q"] == pytest.approx(1.0, abs=0.02)
    store.advance(2 * MINUTE_MS)
    assert [queue.name for queue in inspector.queues()] == ["p", "r"]


def test_the_rate_of_a_queue(inspector: Inspector, broker: Broker, actor: Actors, store: Store) -> None:
    """What ended in the last minute: of the minute before counts the share that is within it."""
    store.advance(MINUTE_MS - store.now % MINUTE_MS)
    _submit(broker, "a")
    worker = actor(lease=10 * MINUTE_MS)
    worker.step(limit=0, history=[HistoryCounts("q", "t", "s:90 o:30 f:3 r:50 l:7 v:2 x:1 w3:5 d3:5")])
    worker.step(limit=0, history=[HistoryCounts("q", "u", "o:24")])
    assert inspector.queues()[0].rate == pytest.approx(1.0, abs=0.02)
    store.advance(MINUTE_MS + MINUTE_MS // 2)
    assert inspector.queues()[0].rate == pytest.approx(0.5, abs=0.02)
    store.advance(MINUTE_MS)
    assert inspector.queues()[0].rate == 0.0


def test_what_can_not_be_read_has_no_age(inspector: Inspector, backend: Backend) -> None:
    """A payload of another serializer is no hindrance."""
    add(backend, a_message("a"), a_message("b", payload=b"[1, 2]"))
    (queue,) = inspector.queues()
    assert (queue.ready, queue.oldest_ready_age) == (2, None)


def test_ages_of_the_fullest_queues_alone(inspector: Inspector, broker: Broker) -> None:
    """With `aged`, only so many queues with the most ready messages have an age; all else is the same."""
    for queue in ("few", "many", "many", "most", "most", "most"):
        broker.submit(Message("work", queue=queue))
    everything = inspector.queues()
    assert all(info.oldest_ready_age is not None for info in everything)
    aged = {info.name: info.oldest_ready_age is not None for info in inspector.queues(aged=2)}
    assert aged == {"few": False, "many": True, "most": True}
    assert [info.ready for info in inspector.queues(aged=0)] == [info.ready for info in everything]
    assert {info.oldest_ready_age for info in inspector.queues(aged=0)} == {None}
    with pytest.raises(ValidationError, match="aged"):
        inspector.queues(aged=-1)


def test_workers(inspector: Inspector, broker: Broker, actor: Actors, store: Store) -> None:
    """Each with what it told and what it holds."""
    told = actor("q", "r", facts=the_facts("t", slots=2))
    silent = actor("none")
    for number in range(3):
        _submit(broker, f"m{number}")
    told.claim()
    told.renew([Running("m0", store.now - 5, 1, 18, "alsek-1"), Running("m1", store.now - 3, 1, 19)])
    store.advance(3_000)
    by_id = {info.id: info for info in inspector.workers()}
    info = by_id[told.worker.id]
    assert (info.kind, info.host, info.pid, info.version) == ("thread", "a host", 17, "1.2.3")
    assert (info.queues, info.tasks, info.slots, info.busy) == (("q", "r"), ("t",), 2, 2)
    assert 3_000 <= store.now - info.last_beat < 4_000
    assert info.lease_end == info.last_beat + LEASE
    assert info.started_at is not None
    assert info.alive
    assert [(held.uuid, held.pid, held.thread) for held in info.running] == [
        ("m0", 18, "alsek-1"),
        ("m1", 19, None),
        ("m2", None, None),
    ]
    assert info.running[0].started_at == store.now - 3_005
    other = by_id[silent.worker.id]
    assert (other.kind, other.host, other.tasks, other.slots, other.busy) == (None, None, None, None, 0)
    store.advance(LEASE)
    assert not any(info.alive for info in inspector.workers())


def test_a_ready_message(inspector: Inspector, broker: Broker, store: Store) -> None:
    """All that is known of it, by its uuid alone."""
    last = Message("third", uuid="3", queue="z")
    second = Message("second", uuid="2", callback_message_data=last.data)
    _submit(broker, "first")
    _submit(
        broker,
        "a",
        "a queue".replace(" ", "|;é"),
        args=[1, "x"],
        kwargs={"k": {"n": None}},
        metadata={"who": "me"},
        priority=3,
        mechanism="process",
        timeout=9_000,
        ttl=60_000,
        created_at=store.now - 2_000,
        callback_message_data=second.data,
        previous_result=[1],
        previous_message_uuid="0",
        progenitor_uuid="00",
    )
    info = _found(inspector, "a")
    assert (info.uuid, info.state, info.queue, info.task) == ("a", "ready", "a|;équeue", "t")
    assert (info.args, info.kwargs, info.metadata) == ((1, "x"), {"k": {"n": None}}, {"who": "me"})
    assert (info.priority, info.mechanism, info.timeout) == (3, "process", 9_000)
    assert (info.created_at, info.ready_at) == (store.now - 2_000, store.now - 2_000)
    assert info.expires_at is not None
    assert 59_000 <= info.expires_at - store.now <= 60_000
    assert (info.attempts, info.retries, info.losses, info.place, info.set_aside) == (0, 0, 0, 0, None)
    assert (info.status, info.has_result, info.worker, info.error, info.unreadable) == (
        "SUBMITTED",
        False,
        None,
        None,
        None,
    )
    assert [(each.uuid, each.task, each.queue) for each in info.callbacks] == [
        ("2", "second", "alsek_queue"),
        ("3", "third", "z"),
    ]
    assert not info.more_callbacks
    assert (info.previous, info.previous_result, info.progenitor) == ("0", [1], "00")


def test_messages_in_other_states(
    inspector: Inspector, broker: Broker, messages: MessagePort, actor: Actors, store: Store
) -> None:
    """Delayed, retried, running, set aside, suspect and revoked ones."""
    worker = actor(facts=the_facts("t"))
    for uuid in ("retried", "aside", "suspect", "running"):
        _submit(broker, uuid)
    claims = {claim.uuid: claim for claim in worker.claim()}
    _submit(broker, "delayed", delay=60_000)
    worker.renew([Running("running", store.now, 1, 18, "x")])
    worker.step(
        retried(claims["retried"], delay=5_000, retries=1, updated_at=store.now, last_error=_error()),
        not_mine(claims["aside"], wait=True),
        lost(claims["suspect"], suspect=True),
        limit=0,
    )
    messages.revoke("q", "delayed")
    delayed = _found(inspector, "delayed")
    assert delayed.ready_at is not None
    assert (delayed.state, delayed.revoked, delayed.place) == ("delayed", True, None)
    assert 59_000 <= delayed.ready_at - store.now <= 60_000
    again = _found(inspector, "retried")
    assert again.error is not None
    assert (again.state, again.attempts, again.retries, again.status) == ("delayed", 1, 1, "RETRYING")
    assert (again.error["name"], again.error["text"]) == ("ValueError", "no 7")
    aside = _found(inspector, "aside")
    assert (aside.state, aside.set_aside) == ("ready", "t")
    suspect = _found(inspector, "suspect")
    assert (suspect.state, suspect.suspect, suspect.losses) == ("ready", True, 1)
    running = _found(inspector, "running")
    assert running.worker is not None
    assert (running.state, running.attempts, running.status) == ("running", 1, "RUNNING")
    assert (running.worker.id, running.worker.thread, running.worker.alive) == (worker.worker.id, "x", True)


def test_a_message_that_has_succeeded(
    inspector: Inspector, broker: Broker, backend: Backend, actor: Actors, store: Store
) -> None:
    """Status, details and result are shown, and the result stays."""
    worker = actor()
    _submit(broker, "a")
    worker.step(succeeded(worker.claim_one(), b'{"n": 1}'), limit=0)
    backend.statuses.put("a", TaskStatus.SUCCEEDED, b"[2]")
    for _ in range(2):
        info = _found(inspector, "a")
        assert (info.state, info.status, info.details) == ("succeeded", "SUCCEEDED", [2])
        assert (info.has_result, info.result) == (True, {"n": 1})
        assert info.result_at is not None
        assert 0 <= store.now - info.result_at < 1_000
        assert (info.queue, info.task, info.args) == (None, None, None)


def test_what_is_left_of_others(
    inspector: Inspector, broker: Broker, messages: MessagePort, actor: Actors
) -> None:
    """One that failed without a dead letter, one that was removed, and one that never was."""
    worker = actor()
    _submit(broker, "a")
    worker.step(died(worker.claim_one(), dlq_ttl=0), limit=0)
    _submit(broker, "b")
    messages.remove("q", "b")
    assert _found(inspector, "a").state == "failed"
    assert (_found(inspector, "b").state, _found(inspector, "b").status) == ("gone", "UNKNOWN")
    assert inspector.find("never") is None


def test_a_dead_letter(inspector: Inspector, broker: Broker, messages: MessagePort, store: Store) -> None:
    """All that is known of it."""
    _submit(broker, "a", args=[1], kwargs={"b": 2}, callback_message_data=Message("u", uuid="2").data)
    messages.fail("q", "a", _error(), FOR_EVER)
    info = inspector.find("a")
    assert isinstance(info, DeadInfo)
    assert (info.state, info.queue, info.task, info.args, info.kwargs) == ("dead", "q", "t", (1,), {"b": 2})
    assert (info.exception, info.text, info.attempts) == ("ValueError", "no 7", 1)
    assert "in work" in (info.traceback or "")
    assert 0 <= store.now - info.died_at < 1_000
    assert (info.status, [each.uuid for each in info.callbacks]) == ("FAILED", ["2"])
    assert inspector.find(info) == info


def test_a_message_that_was_submitted_again(
    inspector: Inspector, broker: Broker, messages: MessagePort, actor: Actors, store: Store
) -> None:
    """What is stored now counts, not the dead letter of an earlier message in another queue; then what ended last."""
    _submit(broker, "a", "other")
    messages.fail("other", "a", _error(), FOR_EVER)
    store.advance(10)
    _submit(broker, "a")
    assert _found(inspector, "a").queue == "q"
    worker = actor("q")
    worker.step(succeeded(worker.claim_one()), limit=0)
    assert _found(inspector, "a").state == "succeeded"


def _die(broker: Broker, uuid: str, error: bytes, queue: str = "q", task: str = "t") -> None:
    _submit(broker, uuid, queue, task_name=task)
    broker.backend.messages.fail(queue, uuid, error, FOR_EVER)


def test_dead_letters_in_groups(inspector: Inspector, broker: Broker, store: Store) -> None:
    """Those of one task and one cause together, the most first, with the last one as a sample."""
    for number in range(3):
        _die(broker, f"a{number}", _error(text=f"no {number}"), queue=f"q{number}")
        store.advance(1_000)
    _die(broker, "b", _error(function="other"))
    _die(broker, "c", _error("KeyError", "'x'"))
    _die(broker, "d", _error(), task="u")
    groups = inspector.dead(group=True)
    first = groups[0]
    assert (first.task, first.exception, first.count, first.sample.uuid) == ("t", "ValueError", 3, "a2")
    assert 2_000 <= first.last - first.first < 3_000
    assert first.last == first.sample.died_at
    assert sorted((group.task, group.exception, group.count) for group in groups[1:]) == [
        ("t", "KeyError", 1),
        ("t", "ValueError", 1),
        ("u", "ValueError", 1),
    ]
    assert len({group.fingerprint for group in groups}) == 3  # the task is none of its cause
    assert inspector.dead(group=True, queue="empty") == []


def test_dead_letters_by_choice(inspector: Inspector, broker: Broker, store: Store) -> None:
    """All conditions must hold."""
    _die(broker, "z", _error(), queue="z")
    store.advance(1_000)
    late = store.now
    _die(broker, "a", _error("KeyError"))
    store.advance(1_000)
    _die(broker, "b", _error(), task="u")

    def uuids(**choice: Any) -> list[str]:
        assert {info.uuid for info in inspector.iter_dead(**choice)} == {
            info.uuid for info in inspector.dead(**choice)
        }
        return [info.uuid for info in inspector.dead(**choice)]

    assert uuids() == ["z", "a", "b"]
    assert uuids(queue="q") == ["a", "b"]
    assert uuids(task="t") == ["z", "a"]
    assert uuids(exception="KeyError") == uuids(exception="builtins.KeyError") == ["a"]
    assert uuids(fingerprint=inspector.dead(queue="z")[0].fingerprint) == ["z", "b"]
    assert uuids(since=late) == ["a", "b"]
    assert uuids(since=late, task="t") == ["a"]
    assert uuids(task="t", exception="OSError") == []


def test_history(inspector: Inspector, actor: Actors, store: Store) -> None:
    """A row for each minute, queue and task, with quantiles as the upper bounds of their buckets."""
    store.advance(MINUTE_MS - store.now % MINUTE_MS)
    worker = actor(lease=100 * MINUTE_MS)
    begin = store.now
    counts = "s:110 o:100 f:4 r:3 l:2 v:1 x:5 w0:90 w10:10 d4:60 d20:40"
    worker.step(limit=0, history=[HistoryCounts("q", "t", counts)])
    store.advance(MINUTE_MS)
    worker.step(limit=0, history=[HistoryCounts("q", "t", "s:1"), HistoryCounts("p", "t", "r:1")])
    first, second, third = inspector.history(minutes=2)
    assert (first.minute, first.queue, first.task) == (begin, "q", "t")
    assert (first.started, first.succeeded, first.failed, first.retried) == (110, 100, 4, 3)
    assert (first.lost, first.revoked, first.expired) == (2, 1, 5)
    assert (first.wait_p50, first.wait_p99, first.run_p50, first.run_p99) == (1, 32, 4, 1024)
    assert (second.queue, third.queue) == ("p", "q")
    assert second.minute == third.minute == begin + MINUTE_MS
    assert (third.wait_p50, third.run_p99) == (None, None)
    assert inspector.history(minutes=1) == [second, third]


def test_everything_is_json(
    inspector: Inspector, broker: Broker, messages: MessagePort, actor: Actors, store: Store
) -> None:
    """Keys are the attributes, and the values plain."""
    worker = actor("q", facts=the_facts("t"))
    _submit(broker, "a", args=[1], callback_message_data=Message("u").data)
    worker.claim()
    worker.renew([Running("a", store.now, 1, 18, "x")])
    _die(broker, "d", _error())
    worker.step(limit=0, history=[HistoryCounts("q", "t", "s:1 w0:1")])
    queue, worker_info = inspector.queues()[0], inspector.workers()[0]
    assert json.loads(to_json(inspector.queues())) == [as_dict(queue)]
    shown = json.loads(to_json(worker_info))
    assert shown["queues"] == ["q"]
    assert shown["running"][0]["uuid"] == "a"
    assert json.loads(to_json(inspector.find("a")))["worker"]["thread"] == "x"
    assert json.loads(to_json(inspector.dead(group=True)))[0]["sample"]["state"] == "dead"
    assert json.loads(to_json(inspector.why("a")))["code"] == "running"
    assert json.loads(to_json(inspector.history()))[0]["started"] == 1
    assert to_json(inspector.find("never")) == "null"


def test_bad_arguments(inspector: Inspector, broker: Broker) -> None:
    """They are refused with what was given."""
    wrong: Any = "sqlite:///x"
    with pytest.raises(ValidationError, match=r"Inspector\(broker='sqlite:///x'\)"):
        Inspector(wrong)
    uuids: list[Any] = ["", "two words", 7, None, "\ud800"]
    for uuid in uuids:
        with pytest.raises(ValidationError, match="uuid"):
            inspector.why(uuid)
    with pytest.raises(ValidationError, match="minutes=0"):
        inspector.history(minutes=0)
    with pytest.raises(ValidationError, match="since"):
        inspector.dead(since=-1)
    number: Any = 7
    with pytest.raises(ValidationError, match=r"task=7 of Inspector\.dead"):
        inspector.iter_dead(task=number)


def test_nothing_is_changed(
    inspector: Inspector, broker: Broker, messages: MessagePort, actor: Actors, store: Store
) -> None:
    """A message that is due is not promoted, and a lost worker keeps what it holds, however often one looks."""
    worker = actor(facts=the_facts("t"))
    _submit(broker, "held")
    worker.claim()
    _submit(broker, "due", delay=1_000)
    store.advance(2 * LEASE)
    before = [messages.find(uuid) for uuid in ("held", "due")]
    for uuid in ("held", "due"):
        inspector.find(uuid)
        inspector.why(uuid)
    inspector.queues()
    inspector.workers()
    assert [messages.find(uuid) for uuid in ("held", "due")] == before
