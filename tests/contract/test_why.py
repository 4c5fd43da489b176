"""Why a message is not running: each answer of the inspector, and what makes it."""

from __future__ import annotations

import json

import pytest

from alsek import Broker, Inspector, Message
from alsek.core.failure import describe_failure
from alsek.exceptions import MessageExpiredError, MessageRevokedError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import FOR_EVER, Running, TaskStatus
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

NO = b'{"name": "ValueError", "text": "no\\nmore", "traceback": null}'


def _submitted(broker: Broker, uuid: str = "a", queue: str = "q", **fields: object) -> str:
    settings: dict[str, object] = {"uuid": uuid, "queue": queue, "status_ttl": FOR_EVER, **fields}
    broker.submit(Message("t", **settings))  # type: ignore[arg-type]
    return uuid


def test_unknown(inspector: Inspector, backend: Backend) -> None:
    """Nothing is known of the uuid; the sentence says where it was looked for."""
    answer = inspector.why("never")
    assert (answer.code, answer.facts) == ("unknown", {"uuid": "never"})
    assert answer.text == (
        f"No message 'never' is known in {backend.describe()}, nor a status, result or dead letter of one."
    )


def test_removed(inspector: Inspector, broker: Broker, messages: MessagePort, store: Store) -> None:
    """Of a message that was removed the status is left, and says so."""
    messages.remove("q", _submitted(broker))
    store.advance(90_000)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["status"]) == ("unknown", "UNKNOWN")
    assert "1 min 30 s ago, as when a message is removed" in answer.text


def test_a_status_without_a_message(inspector: Inspector, backend: Backend) -> None:
    """A status that is not final says nothing of how the message ended."""
    backend.statuses.put("a", TaskStatus.RUNNING)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["status"]) == ("unknown", "RUNNING")
    assert "how it ended is not known" in answer.text


def test_delayed(inspector: Inspector, broker: Broker, store: Store) -> None:
    """It waits until its delay is over, as submitted."""
    answer = inspector.why(_submitted(broker, delay=3_600_000))
    assert answer.code == "delayed"
    assert 3_590_000 <= answer.facts["due"] - store.now <= 3_600_000
    assert answer.facts["task"] == "t"
    assert "Message a of task 't' in queue 'q' waits until 20" in answer.text
    assert answer.text.endswith(" UTC, in 1 h, as submitted.") or " in 59 min" in answer.text


def test_delayed_and_paused(inspector: Inspector, broker: Broker, messages: MessagePort) -> None:
    """Its time comes first; the sentence names the pause too."""
    _submitted(broker, delay=60_000)
    messages.pause("q", "ada")
    answer = inspector.why("a")
    assert (answer.code, answer.facts["paused"]) == ("delayed", True)
    assert "its queue is paused as well, by 'ada'" in answer.text


def test_due_and_nobody_is_there(inspector: Inspector, broker: Broker, store: Store, actor: Actors) -> None:
    """A message that is due becomes ready with a worker's step: without a worker, that is what is missing."""
    _submitted(broker, delay=1_000)
    store.advance(5_000)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["missing"]) == ("no_worker", "queue")
    assert "(none is registered)" in answer.text
    actor(facts=the_facts("t"))
    answer = inspector.why("a")
    assert answer.code == "delayed"
    assert "is ready with the next step of a worker" in answer.text


def test_retrying(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """It failed, and waits for its next attempt."""
    worker = actor(facts=the_facts("t"))
    _submitted(broker)
    worker.step(retried(worker.claim_one(), delay=60_000, retries=2, last_error=NO), limit=0)
    answer = inspector.why("a")
    assert answer.code == "retrying"
    assert (answer.facts["failed"], answer.facts["next_attempt"]) == (2, 3)
    assert answer.facts["last_error"] == {"name": "ValueError", "text": "no\nmore"}
    assert "failed twice, last with ValueError: no; retry 2 is at 20" in answer.text


def test_retried_at_once(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """After a retry without a delay it is ready."""
    worker = actor(facts=the_facts("t"))
    _submitted(broker)
    worker.step(retried(worker.claim_one(), delay=0, last_error=NO), limit=0)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["failed"], answer.facts["place"]) == ("behind", 1, 0)
    assert (
        "is ready after it failed once, last with ValueError: no; it is the next of its queue" in answer.text
    )


def test_behind(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """How many go first, how many workers serve it, and whether they have room."""
    for number in range(4):
        _submitted(broker, f"m{number}")
    worker = actor(facts=the_facts("t"))
    actor("q", facts=the_facts("t", "u", slots=6))
    actor("other", facts=the_facts("t"))
    actor(facts=the_facts("u"))
    actor(kind="process", facts=the_facts("t"))
    worker.claim(limit=1)
    answer = inspector.why("m3")
    assert answer.code == "behind"
    names = ("place", "workers", "slots", "busy", "state")
    assert [answer.facts[name] for name in names] == [2, 3, 14, 1, "ready"]
    assert answer.text == (
        "Message m3 of task 't' in queue 'q' is ready; 2 messages of its queue go first, and 3 workers serve it "
        "(1 of 14 slots busy)."
    )


def test_a_place_is_exact_up_to_ten_thousand(inspector: Inspector, backend: Backend, actor: Actors) -> None:
    """What is further back is told so."""
    actor(facts=the_facts("t"))
    payload = Message("t").pack(backend.serializer)
    add(backend, *(a_message(f"m{number}", payload=payload, status_ttl=0) for number in range(10_002)))
    answer = inspector.why("m10000")
    assert answer.facts["place"] == 10_000
    assert "; 10,000 messages of its queue go first, and" in answer.text
    answer = inspector.why("m10001")
    assert answer.facts["place"] == 10_001
    assert "; more than 10,000 messages of its queue go first, and" in answer.text


def test_a_worker_that_told_nothing_may_serve_it(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """Workers of older versions register without facts."""
    actor()
    _submitted(broker)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["workers"]) == ("behind", 1)
    assert answer.text.endswith("it is the next of its queue, and 1 worker serves it.")


def test_a_consumer_takes_any_task(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """Of its own queues, and of each mechanism."""
    _submitted(broker, mechanism="process")
    actor("other", kind="any", facts=the_facts(tasks=None, slots=0))
    assert inspector.why("a").facts["missing"] == "queue"
    actor("q", kind="any", facts=the_facts(tasks=None, slots=0))
    assert inspector.why("a").facts["workers"] == 1


@pytest.mark.parametrize(
    ("queues", "facts", "missing", "said"),
    [
        (("other",), the_facts("t"), "queue", "no live worker serves its queue (served: 'other')"),
        (("q",), the_facts("u"), "task", "no live worker registers its task 't'"),
    ],
)
def test_no_worker(
    inspector: Inspector,
    broker: Broker,
    actor: Actors,
    queues: tuple[str, ...],
    facts: object,
    missing: str,
    said: str,
) -> None:
    """It says what none of the live workers has."""
    _submitted(broker)
    actor(*queues, facts=facts)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["missing"]) == ("no_worker", missing)
    assert f"is ready, but {said}" in answer.text


def test_no_worker_of_its_mechanism(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """The kinds that there are, are named."""
    _submitted(broker, mechanism="process")
    actor(facts=the_facts("t"))
    answer = inspector.why("a")
    assert (answer.code, answer.facts["missing"]) == ("no_worker", "mechanism")
    assert "no live worker of its queue takes mechanism 'process' (it is of 'thread')" in answer.text


def test_its_task_is_only_there_for_another_mechanism(
    inspector: Inspector, broker: Broker, actor: Actors
) -> None:
    """Workers of its own mechanism lack the task: those that have it can't take it."""
    _submitted(broker, mechanism="process")
    actor(facts=the_facts("t"))
    actor(kind="process", facts=the_facts("u"))
    answer = inspector.why("a")
    assert (answer.code, answer.facts["missing"]) == ("no_worker", "mechanism")
    assert answer.text.endswith(
        "but no live worker with its task takes mechanism 'process' (it is of 'thread')."
    )


def test_no_worker_is_alive(inspector: Inspector, broker: Broker, actor: Actors, store: Store) -> None:
    """A worker whose lease has ended does not count."""
    actor(facts=the_facts("t"))
    _submitted(broker)
    store.advance(LEASE + 1)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["missing"]) == ("no_worker", "queue")
    assert "(1 worker registered, but its lease has ended)" in answer.text


def test_a_worker_of_another_queue_has_its_task(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """The worker of its queue sets it aside for that one, so it will run."""
    actor("q", facts=the_facts("u"))
    actor("other", facts=the_facts("t"))
    _submitted(broker)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["workers"]) == ("behind", 1)


def test_set_aside(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """A message that is set aside waits for a worker that registers its task, of the right mechanism."""
    other = actor("q", facts=the_facts("u"))
    _submitted(broker, mechanism="thread")
    other.step(not_mine(other.claim_one(), wait=True), limit=0)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["missing"]) == ("no_worker", "task")
    assert "is set aside for its task 't', but no live worker registers its task 't'" in answer.text
    actor("z", kind="process", facts=the_facts("t"))
    answer = inspector.why("a")
    assert answer.facts["missing"] == "mechanism"
    assert "no live worker with its task takes mechanism 'thread' (it is of 'process')" in answer.text
    actor("z", facts=the_facts("t"))
    answer = inspector.why("a")
    assert (answer.code, answer.facts["workers"]) == ("behind", 1)


def test_paused(
    inspector: Inspector, broker: Broker, actor: Actors, messages: MessagePort, store: Store
) -> None:
    """By whom, and since when."""
    actor(facts=the_facts("t"))
    _submitted(broker)
    messages.pause("q", "ada@home")
    store.advance(5_000)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["paused_by"]) == ("paused", "ada@home")
    assert 5_000 <= store.now - answer.facts["paused_since"] < 6_000
    assert "is ready, but its queue is paused: by 'ada@home', since 20" in answer.text
    assert "besides" not in answer.text


def test_paused_and_nobody_serves_it(inspector: Inspector, broker: Broker, messages: MessagePort) -> None:
    """The pause is the answer, and what else is missing is said too."""
    _submitted(broker)
    messages.pause("q", "ada")
    answer = inspector.why("a")
    assert (answer.code, answer.facts["missing"]) == ("paused", "queue")
    assert "besides, no live worker serves its queue" in answer.text


def test_running(inspector: Inspector, broker: Broker, actor: Actors, store: Store) -> None:
    """Where, since when, the attempt, and when its worker was last heard of."""
    worker = actor(facts=the_facts("t", host="box", pid=17))
    _submitted(broker)
    worker.claim_one()
    worker.renew([Running("a", store.now - 65_000, 1, 18, "alsek-3")])
    store.advance(2_000)
    answer = inspector.why("a")
    assert answer.code == "running"
    wanted = {"host": "box", "pid": 18, "thread": "alsek-3", "since": store.now - 67_000, "attempt": 1}
    assert {name: answer.facts[name] for name in wanted} == wanted
    assert (answer.facts["lost"], answer.facts["worker"]) == (False, worker.worker.id)
    assert "runs on host box, process 18, thread 'alsek-3', since 20" in answer.text
    assert "1 min 7 s ago, attempt 1, last beat 2 s ago." in answer.text


def test_running_and_not_told_yet(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """A pool says once a second what it runs. Until then it is less than a second; a status says it exactly."""
    worker = actor(facts=the_facts("t"))
    _submitted(broker, status_ttl=0)
    _submitted(broker, "tracked")
    worker.claim()
    answer = inspector.why("a")
    assert (answer.code, answer.facts["since"], answer.facts["pid"]) == ("running", None, 17)
    assert "since less than a second ago, attempt 1" in answer.text
    assert inspector.why("tracked").facts["since"] is not None


def test_what_a_worker_said_of_an_earlier_attempt_is_left_out(
    inspector: Inspector, broker: Broker, actor: Actors, store: Store
) -> None:
    """The second attempt has not begun when the first one did."""
    worker = actor(facts=the_facts("t"))
    _submitted(broker)
    claim = worker.claim_one()
    worker.renew([Running("a", store.now - 65_000, 1, 18, "alsek-3")])
    worker.step(retried(claim, last_error=NO))
    answer = inspector.why("a")
    assert (answer.code, answer.facts["attempt"], answer.facts["thread"]) == ("running", 2, None)
    assert answer.facts["since"] != store.now - 65_000


def test_running_at_a_worker_that_told_nothing(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """Its id is told."""
    worker = actor()
    _submitted(broker, status_ttl=0)
    worker.claim_one()
    answer = inspector.why("a")
    assert (answer.facts["host"], answer.facts["since"]) == (None, None)
    assert f"runs on worker {worker.worker.id}, which has not told where it is, attempt 1" in answer.text


def test_running_at_a_worker_whose_lease_has_ended(
    inspector: Inspector, broker: Broker, actor: Actors, store: Store
) -> None:
    """It has not been taken over yet."""
    worker = actor(facts=the_facts("t"))
    _submitted(broker)
    worker.claim_one()
    store.advance(LEASE + 5_000)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["lost"]) == ("running", True)
    assert "last beat 15 s ago; the lease of its worker has ended" in answer.text


def test_running_and_revoked(
    inspector: Inspector, broker: Broker, actor: Actors, messages: MessagePort
) -> None:
    """It runs until its worker has stopped it."""
    worker = actor(facts=the_facts("t"))
    _submitted(broker)
    worker.claim_one()
    messages.revoke("q", "a")
    answer = inspector.why("a")
    assert (answer.code, answer.facts["revoked"]) == ("running", True)
    assert answer.text.endswith("; it was revoked, and is being stopped.")


def test_suspect(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """It waits for a worker of its own."""
    worker = actor(facts=the_facts("t"))
    _submitted(broker)
    worker.step(lost(worker.claim_one(), suspect=True), limit=0)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["losses"]) == ("suspect", 1)
    assert "was in a process that died (1 loss), and waits for a worker of its own" in answer.text


def test_succeeded(inspector: Inspector, broker: Broker, actor: Actors, store: Store) -> None:
    """When; by its status, or by its result alone."""
    worker = actor(facts=the_facts("t"))
    for uuid, ttl in (("tracked", FOR_EVER), ("untracked", 0), ("both", FOR_EVER)):
        _submitted(broker, uuid, status_ttl=ttl)
    first, second, third = worker.claim()
    worker.step(succeeded(first, None), succeeded(second, b"1"), succeeded(third, b"null"), limit=0)
    store.advance(4_000)
    for uuid, kept in (("tracked", False), ("untracked", True), ("both", True)):
        answer = inspector.why(uuid)
        assert (answer.code, answer.facts["has_result"]) == ("succeeded", kept)
        assert 4_000 <= store.now - answer.facts["ended_at"] < 5_000
        assert "UTC, 4 s ago" in answer.text


def test_dead(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """When, with what, after how many attempts."""
    worker = actor(facts=the_facts("t"))
    _submitted(broker)
    worker.step(retried(worker.claim_one(), retries=1, updated_at=1, last_error=NO), limit=0)
    worker.step(died(worker.claim_one(), NO), limit=0)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["queue"], answer.facts["attempts"]) == ("dead", "q", 2)
    assert answer.facts["error"] == {"name": "ValueError", "text": "no\nmore"}
    assert "failed for good at 20" in answer.text
    assert "in 2 attempts, with ValueError: no; it is among the dead letters." in answer.text


def test_dead_without_a_dead_letter(inspector: Inspector, broker: Broker, actor: Actors) -> None:
    """Its status says that it failed."""
    worker = actor(facts=the_facts("t"))
    _submitted(broker)
    worker.step(died(worker.claim_one(), NO, dlq_ttl=0), limit=0)
    answer = inspector.why("a")
    assert answer.code == "dead"
    assert answer.text.endswith("no dead letter of it is kept.")


def test_revoked(inspector: Inspector, broker: Broker, messages: MessagePort, actor: Actors) -> None:
    """While it waits to be claimed, delayed or ready, and after it has ended."""
    _submitted(broker)
    _submitted(broker, "later", delay=60_000)
    for uuid in ("a", "later"):
        messages.revoke("q", uuid)
        answer = inspector.why(uuid)
        assert answer.code == "revoked"
        assert answer.text.endswith(
            "was revoked and will not be run: the next worker that claims it makes a dead letter of it."
        )
    messages.fail("q", "a", _wire(MessageRevokedError("message 'a' was revoked")), 60_000)
    answer = inspector.why("a")
    assert answer.code == "revoked"
    assert "was revoked, and ended at 20" in answer.text


def test_expired(
    inspector: Inspector, broker: Broker, messages: MessagePort, store: Store, actor: Actors
) -> None:
    """While it waits to be claimed, and after it has ended."""
    actor(facts=the_facts("t"))
    _submitted(broker, ttl=2_000)
    assert inspector.why("a").code == "behind"
    store.advance(5_000)
    answer = inspector.why("a")
    assert answer.code == "expired"
    assert "UTC, 3 s ago: it will not be run" in answer.text
    messages.fail("q", "a", _wire(MessageExpiredError("too late")), 60_000)
    answer = inspector.why("a")
    assert answer.code == "expired"
    assert "expired before a worker took it, and ended at 20" in answer.text


def _wire(error: Exception) -> bytes:
    return json.dumps(describe_failure(error)).encode()
