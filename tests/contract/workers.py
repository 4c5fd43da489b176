"""Workers for the tests, and short functions that make messages and outcomes."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, TypeAlias

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.kinds import SLOTS_OF, SlotKind
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    FOR_EVER,
    Claimed,
    Failed,
    HistoryCounts,
    Lost,
    Outcome,
    Released,
    Retried,
    Running,
    SetAside,
    Step,
    Submission,
    Succeeded,
    TaskStatus,
    Worker,
    WorkerFacts,
)
from alsek.storage.backends.subscriptions import Note, Subscription

LEASE = 10_000
DLQ_TTL = 1_000_000
ERROR = b'{"name":"builtins.ValueError","text":"no","traceback":null}'

#: A limit for each slot kind, or one for all.
Limit: TypeAlias = int | Mapping[SlotKind, int]

_requests = count(1)
_workers = count(1)


class Actor:
    """A worker that numbers its steps."""

    def __init__(self, backend: Backend, worker: Worker) -> None:
        self.messages = backend.messages
        self.worker = worker
        self.seq = 0

    def step(
        self,
        *outcomes: Outcome,
        limit: Limit = 100,
        history: Sequence[HistoryCounts] = (),
        sleeps: bool = False,
        received: int | None = None,
    ) -> Step:
        """Make the next step. A number is the limit of each slot kind that the worker has."""
        self.seq += 1
        return self.again(*outcomes, limit=limit, history=history, sleeps=sleeps, received=received)

    def again(
        self,
        *outcomes: Outcome,
        limit: Limit = 100,
        history: Sequence[HistoryCounts] = (),
        sleeps: bool = False,
        received: int | None = None,
    ) -> Step:
        """Repeat the last step, as after a lost reply."""
        limits = dict.fromkeys(SLOTS_OF[self.worker.kind], limit) if isinstance(limit, int) else limit
        return self.messages.step(
            self.worker, self.seq, outcomes, limits, history, sleeps=sleeps, received=received
        )

    def claim(self, limit: Limit = 100) -> list[Claimed]:
        """Return the messages that the next step claims."""
        return self.step(limit=limit).claimed

    def claim_one(self) -> Claimed:
        """Return the one message that the next step claims."""
        claimed = self.claim(limit=1)
        assert len(claimed) == 1, "nothing was handed out"
        return claimed[0]

    def renew(self, running: Sequence[Running] | None = None) -> list[str]:
        """Renew the lease, with the tokens of all claims."""
        tokens = [claimed.token for claimed in self.held()]
        return self.messages.renew(self.worker, self.seq, tokens, running)

    def retire(self, *outcomes: Outcome) -> list[str]:
        """Retire."""
        return self.messages.retire(self.worker, outcomes)

    def held(self) -> list[Claimed]:
        """Return the messages that it holds."""
        return self.messages.held(self.worker)

    def waiter(self, slot: SlotKind | None = None) -> Waiter:
        """Return a new waiter."""
        return self.messages.waiter(self.worker, slot)


#: Makes registered workers: the fixture ``actor``.
Actors: TypeAlias = Callable[..., Actor]


def an_actor(
    backend: Backend, *queues: str, register: bool = True, facts: WorkerFacts | None = None, **fields: Any
) -> Actor:
    """Return a registered worker of kind "thread" that takes from `queues` (none given: from all)."""
    settings: dict[str, Any] = {
        "id": f"w{next(_workers)}",
        "kind": "thread",
        "queues": queues or None,
        "lease": LEASE,
        "dlq_ttl": DLQ_TTL,
    }
    actor = Actor(backend, Worker(**{**settings, **fields}))
    if register:
        backend.messages.register(actor.worker, facts)
    return actor


def a_message(uuid: str, queue: str = "q", **fields: Any) -> Submission:
    """Return a tracked message with a payload that no other message has."""
    settings: dict[str, Any] = {"payload": f"payload of {uuid}".encode(), "status_ttl": FOR_EVER}
    return Submission(uuid, queue, **{**settings, **fields})


def add(backend: Backend, *items: Submission | str, **fields: Any) -> list[bool]:
    """Add messages in one call of its own request; returns whether each was accepted."""
    submissions = [a_message(item, **fields) if isinstance(item, str) else item for item in items]
    return [added.accepted for added in backend.messages.add(submissions, a_request())]


def replay(messages: MessagePort, submission: Submission) -> bool:
    """Replay the present dead letter of this uuid, if there is one."""
    letter = messages.dead_letter(submission.queue, submission.uuid)
    return messages.replay(submission, 0 if letter is None else letter.died_at).accepted


def a_request() -> str:
    """Return a new request id."""
    return f"request-{next(_requests)}"


def succeeded(claimed: Claimed, result: bytes | None = b"result", **fields: Any) -> Succeeded:
    """The outcome of a claim whose task returned."""
    return Succeeded(claimed.uuid, claimed.queue, claimed.token, result, **fields)


def retried(claimed: Claimed, payload: bytes | None = None, delay: int = 0, **state: Any) -> Retried:
    """The outcome of a claim whose task runs again."""
    state.setdefault("retries", claimed.retries + 1)
    return Retried(claimed.uuid, claimed.queue, claimed.token, delay, payload=payload, **state)


def by_hand(queue: str, uuid: str, payload: bytes | None = None, delay: int = 0) -> Retried:
    """The arguments that reschedule a message for its first retry."""
    return Retried(uuid, queue, 0, delay, 1, payload=payload)


def died(claimed: Claimed, error: bytes = ERROR, dlq_ttl: int = DLQ_TTL, **fields: Any) -> Failed:
    """The outcome of a claim whose task has failed."""
    return Failed(claimed.uuid, claimed.queue, claimed.token, error, dlq_ttl, **fields)


def the_facts(*tasks: str, **fields: Any) -> WorkerFacts:
    """What a worker with these tasks tells of itself."""
    settings: dict[str, Any] = {"host": "a host", "pid": 17, "version": "1.2.3", "tasks": tasks, "slots": 4}
    return WorkerFacts(**{**settings, **fields})


def not_mine(claimed: Claimed, task: str = "t", **fields: Any) -> SetAside:
    """The outcome of a claim whose task the worker does not have."""
    settings: dict[str, Any] = {"error": ERROR, "dlq_ttl": DLQ_TTL}
    return SetAside(claimed.uuid, claimed.queue, claimed.token, task, **{**settings, **fields})


def released(claimed: Claimed) -> Released:
    """The outcome of a claim that is given back unchanged."""
    return Released(claimed.uuid, claimed.queue, claimed.token)


def lost(claimed: Claimed, suspect: bool = False) -> Lost:
    """The outcome of a claim whose process died."""
    return Lost(claimed.uuid, claimed.queue, claimed.token, suspect)


def uuids(items: Iterable[Any]) -> list[str]:
    """The uuids of these items, in order."""
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
    """The state of a message, or None."""
    stored = backend.messages.get(queue, uuid)
    return None if stored is None else stored.state


def who_rings(waiters: Sequence[Waiter], at_least: int = 1) -> list[int]:
    """Return the numbers of the waiters that are woken: waits for `at_least`, then a moment for more."""
    heard: set[int] = set()
    deadline = time.monotonic() + (60.0 if at_least else 3.0)
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


def hear(subscription: Subscription, within: float = 60.0) -> Note | None:
    """Return the next note, and ignore that notes may have been missed."""
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        note = subscription.wait(int(left * 1000) + 1)
        if note is not None:
            return note
    return None
