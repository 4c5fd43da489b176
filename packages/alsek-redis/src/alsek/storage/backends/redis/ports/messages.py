"""The message port on Redis: each method is one script. ``docs/keys.md`` describes the keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, cast

from alsek.storage.backends.batches import add_in_batches
from alsek.storage.backends.kinds import WorkerKind
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    ACCEPTED,
    Added,
    Claimed,
    DeadLetter,
    HistoryCounts,
    Outcome,
    Retried,
    Running,
    Step,
    Stored,
    Submission,
    Worker,
    WorkerFacts,
)
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.script import CallMaker, ScriptCall
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.codec import (
    added_from,
    claimed_from,
    corrupt_from,
    dead_letter_from,
    outcome_arguments,
    stored_from,
    submission_arguments,
    taken_over_from,
)
from alsek.storage.backends.redis.ports.fault_reports import FaultReports
from alsek.storage.backends.redis.ports.request_id import request_id
from alsek.storage.backends.redis.ports.worker_arguments import worker_arguments
from alsek.storage.backends.redis.wakeup.waiter import new_waiter
from alsek.storage.backends.refusals import unknown_worker
from alsek.storage.backends.states import MessageState

#: The calls of so many workers are kept ready.
_KNOWN_WORKERS: Final = 64


class RedisMessages(MessagePort):
    """Messages in one HASH for the namespace, ready ones in a ZSET for each queue and wish.

    Args:
        link: To the server.
        keys: The names of the keys.
        make_call: Makes the call of a script.
    """

    def __init__(self, link: Link, keys: Keys, make_call: CallMaker) -> None:
        self._link = link
        self._keys = keys
        self._make_call = make_call
        self._workers: dict[tuple[str, Worker], ScriptCall] = {}
        self._reports = FaultReports()
        self._add = make_call("add")
        self._add_one = make_call("add_one")
        self._remove = make_call("remove")
        self._reschedule = make_call("reschedule")
        self._fail = make_call("fail")
        self._revoke = make_call("revoke")
        self._get = make_call("get")
        self._browse = make_call("browse")
        self._dead_letter = make_call("dead_letter")
        self._dead_letters = make_call("dead_letters")
        self._dead_queues = make_call("dead_queues")
        self._replay = make_call("replay")
        self._purge = make_call("purge")

    def _of_worker(self, script: str, worker: Worker) -> ScriptCall:
        """The call of a script for this worker, packed once."""
        call = self._workers.get((script, worker))
        if call is None:
            if len(self._workers) >= _KNOWN_WORKERS:
                self._workers.clear()
            call = self._make_call(
                script, keys=(self._keys.claims(worker.id).encode(),), fixed=worker_arguments(script, worker)
            )
            self._workers[script, worker] = call
        return call

    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        name = request_id(request)
        if len(submissions) == 1:
            (submission,) = submissions
            arguments = (name, *submission_arguments(submission))
            if submission.delay == 0 and not submission.named and self._add_one.run(arguments) is not None:
                return [ACCEPTED]
            return [added_from(submission.uuid, self._add.run(arguments)[0])]
        return add_in_batches(submissions, lambda batch: self._add_batch(batch, name))

    def _add_batch(self, batch: Sequence[Submission], request: bytes) -> list[Added]:
        arguments = [request]
        for submission in batch:
            arguments += submission_arguments(submission)
        answers = self._add.run(arguments)
        return [
            added_from(submission.uuid, answer) for submission, answer in zip(batch, answers, strict=True)
        ]

    def register(self, worker: Worker, facts: WorkerFacts | None = None) -> None:
        self._of_worker("register", worker)()

    def step(
        self,
        worker: Worker,
        seq: int,
        outcomes: Sequence[Outcome],
        limits: Mapping[WorkerKind, int],
        history: Sequence[HistoryCounts] = (),
    ) -> Step:
        arguments = [b"%d" % seq, b"%d" % limits.get(worker.kind, 0)]
        for outcome in outcomes:
            arguments += outcome_arguments(outcome)
        reply = self._of_worker("step", worker).run(arguments)
        if reply is None:
            raise unknown_worker(worker)
        due, waiting, suspects, refused, skipped, corrupt, claimed, *lost = reply
        return Step(
            [uuid.decode() for uuid in refused],
            claimed_from(claimed),
            None if due < 0 else due,
            waiting == 1,
            suspects == 1,
            [uuid.decode() for uuid in skipped],
            self._reports.new_ones(corrupt_from(corrupt)),
            taken_over_from(lost[0]) if lost else (),
        )

    def renew(
        self, worker: Worker, seq: int, tokens: Iterable[int], running: Sequence[Running] | None = None
    ) -> list[str]:
        known = [b"%d" % token for token in tokens]
        reply = self._of_worker("renew", worker)(b"%d" % seq, b"%d" % worker.dlq_ttl, *known)
        if reply is None:
            raise unknown_worker(worker)
        return [uuid.decode() for uuid in reply]

    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        arguments: list[bytes] = []
        for outcome in outcomes:
            arguments += outcome_arguments(outcome)
        return [uuid.decode() for uuid in self._of_worker("retire", worker).run(arguments)]

    def held(self, worker: Worker) -> list[Claimed]:
        held = claimed_from(self._of_worker("held", worker)())
        return sorted(held, key=lambda claimed: claimed.token)

    def waiter(self, worker: Worker) -> Waiter:
        return new_waiter(self._link, self._keys, worker, self._of_worker("pass_on", worker))

    def remove(self, queue: str, uuid: str) -> bool:
        return bool(self._remove(queue.encode(), uuid.encode()))

    def reschedule(self, retried: Retried) -> bool:
        _, uuid, _, delay, *rest = outcome_arguments(retried)
        return bool(self._reschedule(retried.queue.encode(), uuid, delay, *rest))

    def fail(self, queue: str, uuid: str, error: bytes, dlq_ttl: int) -> bool:
        return bool(self._fail(queue.encode(), uuid.encode(), b"%d" % dlq_ttl, error))

    def revoke(self, queue: str, uuid: str) -> bool:
        return bool(self._revoke(queue.encode(), uuid.encode()))

    def get(self, queue: str, uuid: str) -> Stored | None:
        reply = self._get(queue.encode(), uuid.encode())
        return None if reply is None else stored_from(uuid, _state(reply[0]), reply[1])

    def exists(self, queue: str, uuid: str) -> bool:
        return self._get(queue.encode(), uuid.encode()) is not None

    def queues(self) -> list[str]:
        return sorted(name.decode() for name in self._link.call("HKEYS", self._keys.queues()))

    def count(self, queue: str) -> int:
        return int(self._link.call("HGET", self._keys.queues(), queue) or 0)

    def browse(self, queue: str) -> Iterator[Stored]:
        cursor, seen = b"0", set[bytes]()
        while True:
            cursor, *found = self._browse(queue.encode(), cursor)
            for i in range(0, len(found), 3):
                uuid, state, record = found[i : i + 3]
                if uuid not in seen:
                    seen.add(uuid)
                    yield stored_from(uuid.decode(), _state(state), record)
            if cursor == b"0":
                return

    def dead_letter(self, queue: str, uuid: str) -> DeadLetter | None:
        letter = self._dead_letter(queue.encode(), uuid.encode())
        return None if letter is None else dead_letter_from(uuid, queue, letter)

    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        seen: bytes | None = b"-inf"
        last = b""
        while seen is not None:
            seen, *rest = self._dead_letters(queue.encode(), seen, last)
            last, found = (rest[0], rest[1:]) if rest else (b"", [])
            for i in range(0, len(found), 2):
                yield dead_letter_from(found[i].decode(), queue, found[i + 1])

    def dead_queues(self) -> list[str]:
        reply = self._dead_queues(b"")
        return sorted(reply[i].decode() for i in range(0, len(reply), 2) if reply[i + 1])

    def dead_count(self, queue: str) -> int:
        return int(self._dead_queues(queue.encode())[1])

    def replay(self, submission: Submission, died_at: int) -> bool:
        arguments = submission_arguments(submission._replace(named=False))
        return bool(self._replay(*arguments, b"%d" % died_at))

    def purge(self, queue: str, uuid: str | None = None) -> int:
        if uuid is not None:
            return int(self._purge(queue.encode(), uuid.encode())[0])
        purged = 0
        while True:
            # A batch may consist of expired letters.
            count, looked_at = self._purge(queue.encode(), b"")
            purged += int(count)
            if not looked_at:
                return purged


def _state(state: bytes) -> MessageState:
    return cast(MessageState, state.decode())
