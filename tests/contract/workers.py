"""Workers as the tests play them, and the short words in which the tests speak of messages."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any, TypeAlias

from alsek.storage.backends.abstract import Backend, Note, Subscription
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    FOR_EVER,
    Claimed,
    Died,
    Lost,
    Outcome,
    Released,
    Retried,
    Step,
    Submission,
    Succeeded,
    TaskStatus,
    Worker,
)

LEASE = 10_000
DLQ_TTL = 1_000_000
ERROR = b'{"name":"builtins.ValueError","text":"no","traceback":null}'

_requests = count(1)
_workers = count(1)


class Actor:
    """A worker that counts its steps as a real one does."""

    def __init__(self, backend: Backend, worker: Worker) -> None:
        self.messages = backend.messages
        self.worker = worker
        self.seq = 0

    def step(self, *outcomes: Outcome, limit: int = 100) -> Step:
        """Its next step."""
        self.seq += 1
        return self.messages.step(self.worker, self.seq, outcomes, {self.worker.kind: limit})

    def again(self, *outcomes: Outcome, limit: int = 100) -> Step:
        """Its last step once more, as after a lost reply."""
        return self.messages.step(self.worker, self.seq, outcomes, {self.worker.kind: limit})

    def claim(self, limit: int = 100) -> list[Claimed]:
        """What its next step hands out."""
        return self.step(limit=limit).claimed

    def claim_one(self) -> Claimed:
        """The one message that its next step hands out."""
        claimed = self.claim(limit=1)
        assert len(claimed) == 1, "nothing was handed out"
        return claimed[0]

    def renew(self) -> list[str]:
        """Renew the lease, knowing of all that it holds."""
        tokens = [claimed.token for claimed in self.held()]
        return self.messages.renew(self.worker, self.seq, tokens)

    def retire(self, *outcomes: Outcome) -> list[str]:
        """Go."""
        return self.messages.retire(self.worker, outcomes)

    def held(self) -> list[Claimed]:
        """What it holds, as the store sees it."""
        return self.messages.held(self.worker)

    def waiter(self) -> Waiter:
        """A waiter of its own."""
        return self.messages.waiter(self.worker)


#: Makes registered workers: the fixture ``actor``.
Actors: TypeAlias = Callable[..., Actor]


def an_actor(backend: Backend, *queues: str, register: bool = True, **fields: Any) -> Actor:
    """A worker that takes what any and threads may take, of `queues` (none: of all), registered."""
    settings: dict[str, Any] = {
        "id": f"w{next(_workers)}",
        "kind": "thread",
        "queues": queues or None,
        "lease": LEASE,
        "dlq_ttl": DLQ_TTL,
    }
    actor = Actor(backend, Worker(**{**settings, **fields}))
    if register:
        backend.messages.register(actor.worker)
    return actor


def a_message(uuid: str, queue: str = "q", **fields: Any) -> Submission:
    """A tracked message whose payload can be told from any other's."""
    settings: dict[str, Any] = {"payload": f"payload of {uuid}".encode(), "status_ttl": FOR_EVER}
    return Submission(uuid, queue, **{**settings, **fields})


def add(backend: Backend, *items: Submission | str, **fields: Any) -> list[bool]:
    """Add messages in one call of its own request; returns whether each was accepted."""
    submissions = [a_message(item, **fields) if isinstance(item, str) else item for item in items]
    return [added.accepted for added in backend.messages.add(submissions, a_request())]


def replay(messages: MessagePort, submission: Submission) -> bool:
    """Take back the dead letter of this uuid that there is now, if there is one."""
    letter = messages.dead_letter(submission.queue, submission.uuid)
    return messages.replay(submission, 0 if letter is None else letter.died_at)


def a_request() -> str:
    """A request id never used before."""
    return f"request-{next(_requests)}"


def succeeded(claimed: Claimed, result: bytes | None = b"result", **fields: Any) -> Succeeded:
    """The outcome of a claim whose task returned."""
    return Succeeded(claimed.uuid, claimed.queue, claimed.token, result, **fields)


def retried(claimed: Claimed, payload: bytes | None = None, delay: int = 0, **state: Any) -> Retried:
    """The outcome of a claim whose task is to run again."""
    state.setdefault("retries", claimed.retries + 1)
    return Retried(claimed.uuid, claimed.queue, claimed.token, delay, payload=payload, **state)


def by_hand(queue: str, uuid: str, payload: bytes | None = None, delay: int = 0) -> Retried:
    """What reschedules a message for its first retry."""
    return Retried(uuid, queue, 0, delay, 1, payload=payload)


def died(claimed: Claimed, error: bytes = ERROR, dlq_ttl: int = DLQ_TTL) -> Died:
    """The outcome of a claim whose task will never run again."""
    return Died(claimed.uuid, claimed.queue, claimed.token, error, dlq_ttl)


def released(claimed: Claimed) -> Released:
    """A claim given back untouched."""
    return Released(claimed.uuid, claimed.queue, claimed.token)


def lost(claimed: Claimed, suspect: bool = False) -> Lost:
    """A claim whose holder died."""
    return Lost(claimed.uuid, claimed.queue, claimed.token, suspect)


def uuids(items: Iterable[Any]) -> list[str]:
    """The uuids of whatever has one, in order."""
    return [item.uuid for item in items]


def status_of(backend: Backend, uuid: str) -> TaskStatus | None:
    """The stored status, or None."""
    record = backend.statuses.get([uuid])[0]
    return None if record is None else record.status


def result_of(backend: Backend, uuid: str) -> bytes | None:
    """The stored result, or None."""
    record = backend.results.get([uuid])[0]
    return None if record is None else record.payload


def state_of(backend: Backend, uuid: str, queue: str = "q") -> str | None:
    """Where a message stands, or None."""
    stored = backend.messages.get(queue, uuid)
    return None if stored is None else stored.state


def rings(waiter: Waiter, within: float = 3.0) -> bool:
    """Whether the waiter says within so many seconds that it is worth claiming."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([waiter.fileno()], [], [], left)
        if readable and waiter.drain():
            return True
    return False


def who_rings(waiters: Sequence[Waiter], at_least: int = 1) -> list[int]:
    """Which of the waiters ring: waits until `at_least` do, then a moment for those that should not."""
    heard: set[int] = set()
    deadline = time.monotonic() + 3.0
    while (left := deadline - time.monotonic()) > 0:
        asleep = {waiter.fileno(): n for n, waiter in enumerate(waiters) if n not in heard}
        readable, _, _ = select.select(list(asleep), [], [], left)
        before = len(heard)
        heard.update(asleep[fileno] for fileno in readable if waiters[asleep[fileno]].drain())
        if before < at_least <= len(heard):
            deadline = time.monotonic() + QUIET
    return sorted(heard)


#: How long a test listens for a ring that must not come.
QUIET = 0.12


def hear(subscription: Subscription, within: float = 3.0) -> Note | None:
    """The next note, not minding that something may have been missed."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        note = subscription.wait(int(left * 1000) + 1)
        if note is not None:
            return note
    return None
