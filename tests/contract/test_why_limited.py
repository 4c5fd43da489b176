"""What the inspector shows of limits and unique keys, and why a message waits for one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alsek import Broker, Concurrency, Inspector, Message, Rate, Task, Unique, task
from alsek.core.inspection.messages import MessageInfo
from alsek.core.inspection.plain import to_json
from alsek.storage.backends.ports import MessagePort
from tests.contract.stores import Store
from tests.contract.workers import Actor, Actors, died, retried, succeeded, the_facts

NO = b'{"name": "ValueError", "text": "no", "traceback": null}'


@pytest.fixture
def worker(actor: Actors) -> Actor:
    """A worker with the task."""
    return actor(facts=the_facts("send"))


def _task(broker: Broker, **options: Any) -> Task[..., Any]:
    made: Task[..., Any] = task(broker, name="send", queue="q", **options)(lambda tenant: None)
    return made


def _submit(made: Task[..., Any], *uuids: str, tenant: str = "acme", **options: Any) -> list[str]:
    return [made.generate(args=(tenant,), uuid=uuid, **options).uuid for uuid in uuids]


def test_a_concurrency_that_is_used_up(inspector: Inspector, broker: Broker, worker: Actor) -> None:
    """Which, who has its places, and how many wait."""
    _submit(_task(broker, limits=Concurrency(2, key="{tenant}")), "a", "b", "c", "d")
    worker.claim(limit=1)
    answer = inspector.why("c")
    assert answer.code == "limited"
    assert answer.text == (
        "Message c of task 'send' in queue 'q' waits for the concurrency 'acme' (2 at a time): its 2 places are taken "
        "(a is running, b is ready), and one is free when such a message ends; 2 messages wait for it."
    )
    assert answer.facts == {
        "uuid": "c",
        "queue": "q",
        "task": "send",
        "state": "waiting",
        "limit": "c:acme",
        "kind": "concurrency",
        "key": "acme",
        "amount": 2,
        "used": 2,
        "waiting": 2,
        "held_by": ["a", "b"],
        "next_free": None,
        "paused": False,
    }
    assert json.loads(to_json(answer))["facts"]["held_by"] == ["a", "b"]


def test_a_rate_that_is_used_up(
    inspector: Inspector, broker: Broker, worker: Actor, actor: Actors, store: Store
) -> None:
    """What has started, what may start next, and when a place is free; then what goes on is a worker's step."""
    _submit(_task(broker, limits=[Rate(2, per=60_000, key="mail,api")]), "a", "b", "c")
    text = inspector.why("c").text
    assert (
        "the rate 'mail,api' (2 in 1 min): 2 messages may start next (a is ready, b is ready); nobody" in text
    )
    worker.step(succeeded(worker.claim_one()), limit=0)
    store.advance(20_000)
    answer = inspector.why("c")
    assert (answer.facts["per"], answer.facts["next_free"]) == (60_000, store.now + 40_000)
    assert "1 message has started within the window, 1 message may start next (b is ready)" in answer.text
    assert "the next place is free at " in answer.text
    assert answer.text.endswith("UTC, in 40 s; nobody else waits for it.")
    store.advance(40_000)
    actor()
    answer = inspector.why("c")
    assert answer.code == "limited"
    assert answer.text.endswith("which has room again: the next step of a worker goes on.")


def test_a_limit_with_room_and_nobody_is_there(
    inspector: Inspector, broker: Broker, worker: Actor, store: Store
) -> None:
    """What waits becomes ready with a worker's step: without a worker, that is what is missing."""
    _submit(_task(broker, limits=[Rate(1, per=1_000)]), "a", "b")
    worker.step(succeeded(worker.claim_one()), limit=0)
    worker.retire()
    store.advance(1_000)
    answer = inspector.why("b")
    assert (answer.code, answer.facts["missing"]) == ("no_worker", "queue")
    assert answer.text.endswith(
        "the rate 'task:send' (1 in 1 s), which has room again, but no worker is alive to go on."
    )


def test_waiting_for_a_unique_key(inspector: Inspector, broker: Broker, worker: Actor) -> None:
    """The message that holds it, and what that one does."""
    made = _task(broker, unique=Unique("{tenant}", conflict="replace"))
    _submit(made, "a")
    worker.claim_one()
    _submit(made, "b")
    answer = inspector.why("b")
    assert answer.code == "unique"
    assert answer.text == (
        "Message b of task 'send' in queue 'q' waits until message a ends, which holds its unique key 'send:acme' and "
        "is running."
    )
    names = ("key", "held_by", "holder_state", "state")
    assert [answer.facts[name] for name in names] == ["send:acme", "a", "running", "waiting"]


def test_what_comes_first(
    inspector: Inspector, broker: Broker, worker: Actor, messages: MessagePort, store: Store
) -> None:
    """A revoked message and one that has expired are told as such; the pause of its queue is told besides."""
    made = _task(broker, limits=Concurrency(1))
    _submit(made, "a", "b")
    _submit(made, "c", ttl=5_000)
    messages.pause("q", "ada")
    answer = inspector.why("b")
    assert (answer.code, answer.facts["paused"]) == ("limited", True)
    assert "; its queue is paused as well, by 'ada' since " in answer.text
    store.advance(6_000)
    assert inspector.why("c").code == "expired"
    broker.revoke("b")
    assert inspector.why("b").code == "revoked"


def test_after_a_retry(inspector: Inspector, broker: Broker, worker: Actor) -> None:
    """What went before is among the facts."""
    made = _task(broker, limits=Concurrency(1))
    _submit(made, "a", "b")
    first = worker.claim_one()
    worker.step(retried(first, delay=0, last_error=NO), limit=0)
    answer = inspector.why("a")
    assert (answer.code, answer.facts["failed"], answer.facts["held_by"]) == ("limited", 1, ["b"])


def test_limits_and_queues(inspector: Inspector, broker: Broker, worker: Actor) -> None:
    """All limits with their numbers; a queue tells how many wait in it; a limit that nobody names is forgotten."""
    made = _task(broker, limits=[Concurrency(1, key="{tenant}"), Rate(9, per=1_000, key="api")])
    _submit(made, "a", "b")
    _submit(made, "c", tenant="other")
    concurrency, other, rate = inspector.limits()
    assert (concurrency.id, concurrency.kind, concurrency.key, concurrency.full) == (
        "c:acme",
        "concurrency",
        "acme",
        True,
    )
    assert (concurrency.amount, concurrency.per, concurrency.used, concurrency.waiting) == (1, None, 1, 1)
    assert other.held_by == ("c",)
    assert (rate.id, rate.per, rate.used, rate.waiting, rate.full) == ("r:api", 1_000, 2, 0, False)
    (queue,) = inspector.queues()
    assert (queue.ready, queue.waiting, queue.running) == (2, 1, 0)
    for uuid in ("a", "b", "c"):
        broker.remove(uuid)
    assert inspector.limits() == []


def test_a_message_shows_its_keys(inspector: Inspector, broker: Broker, worker: Actor) -> None:
    """Its unique key as it was given, the ids of its limits, and what it waits for."""
    made = _task(broker, unique=Unique("{tenant}/"), limits=Concurrency(1))
    _submit(made, "a", tenant="50%, all")
    _submit(made, "b", tenant="other")
    info = inspector.find("a")
    assert isinstance(info, MessageInfo)
    assert (info.state, info.unique, info.limits, info.waits_for) == (
        "ready",
        "send:50%, all/",
        ("c:task:send",),
        None,
    )
    waiting = inspector.find("b")
    assert isinstance(waiting, MessageInfo)
    assert (waiting.state, waiting.waits_for, waiting.place) == ("waiting", "c:task:send", None)
    broker.submit(Message("plain", "q", uuid="p"))
    plain = inspector.find("p")
    assert isinstance(plain, MessageInfo)
    assert (plain.unique, plain.limits, plain.waits_for) == (None, (), None)
    worker.step(died(worker.claim_one()), limit=0)
    assert inspector.why("b").code == "behind"
