"""The message port on Redis: each method is one script. ``docs/keys.md`` describes the keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from alsek.storage.backends.batches import add_in_batches
from alsek.storage.backends.kinds import SLOTS_OF, SlotKind
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    ACCEPTED,
    Added,
    Claimed,
    HistoryCounts,
    Outcome,
    Retried,
    Running,
    Step,
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
    outcome_arguments,
    submission_arguments,
    taken_over_from,
)
from alsek.storage.backends.redis.ports.fault_reports import FaultReports
from alsek.storage.backends.redis.ports.inspection import RedisInspection
from alsek.storage.backends.redis.ports.inspection_codec import facts_arguments, running_argument
from alsek.storage.backends.redis.ports.request_id import request_id
from alsek.storage.backends.redis.ports.worker_arguments import worker_arguments
from alsek.storage.backends.redis.wakeup.waiter import new_waiter
from alsek.storage.backends.refusals import unknown_worker

#: The calls of so many workers are kept ready.
_KNOWN_WORKERS: Final = 64


class RedisMessages(RedisInspection, MessagePort):
    """Messages in one HASH for the namespace, ready ones in a ZSET for each queue and wish.

    Args:
        link: To the server.
        keys: The names of the keys.
        make_call: Makes the call of a script.
    """

    def __init__(self, link: Link, keys: Keys, make_call: CallMaker) -> None:
        super().__init__(link, keys, make_call)
        self._make_call = make_call
        self._workers: dict[tuple[str, Worker], ScriptCall] = {}
        self._reports = FaultReports()
        self._add = make_call("add")
        self._add_one = make_call("add_one")
        self._remove = make_call("remove")
        self._reschedule = make_call("reschedule")
        self._fail = make_call("fail")
        self._revoke = make_call("revoke")
        self._pause = make_call("pause")
        self._resume = make_call("resume")
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
        self._of_worker("register", worker).run(() if facts is None else facts_arguments(worker, facts))

    def step(
        self,
        worker: Worker,
        seq: int,
        outcomes: Sequence[Outcome],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts] = (),
    ) -> Step:
        slots = SLOTS_OF[worker.kind]
        limit = limits.get(slots[0], 0)
        arguments = [b"%d" % seq, b"%d" % limit]
        if history:
            arguments[1] = b"%d %d" % (limit, len(history))
            arguments += [text.encode() for counts in history for text in counts]
        for outcome in outcomes:
            arguments += outcome_arguments(outcome)
        reply = self._of_worker("step", worker).run(arguments)
        if reply is None:
            raise unknown_worker(worker)
        due, waiting, suspects, refused, skipped, corrupt, claimed, *rare = reply
        return Step(
            [uuid.decode() for uuid in refused],
            claimed_from(claimed),
            None if due < 0 else due,
            slots if waiting == 1 else (),
            suspects == 1,
            [uuid.decode() for uuid in skipped],
            self._reports.new_ones(corrupt_from(corrupt)),
            taken_over_from(rare[0]) if rare else (),
            tuple(uuid.decode() for uuid in rare[1]) if len(rare) > 1 else (),
        )

    def renew(
        self, worker: Worker, seq: int, tokens: Iterable[int], running: Sequence[Running] | None = None
    ) -> list[str]:
        known = [b"%d" % token for token in tokens]
        if running is not None:
            known.append(running_argument(running))
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

    def waiter(self, worker: Worker, slot: SlotKind | None = None) -> Waiter:
        return new_waiter(self._link, self._keys, worker, self._of_worker("pass_on", worker))

    def remove(self, queue: str, uuid: str, waiting: bool = False) -> bool:
        return bool(self._remove(queue.encode(), uuid.encode(), b"1" if waiting else b""))

    def reschedule(self, retried: Retried) -> bool:
        _, uuid, _, delay, *rest = outcome_arguments(retried)
        return bool(self._reschedule(retried.queue.encode(), uuid, delay, *rest))

    def fail(self, queue: str, uuid: str, error: bytes, dlq_ttl: int) -> bool:
        return bool(self._fail(queue.encode(), uuid.encode(), b"%d" % dlq_ttl, error))

    def revoke(self, queue: str, uuid: str) -> bool:
        return bool(self._revoke(queue.encode(), uuid.encode()))

    def pause(self, queue: str, by: str) -> bool:
        return bool(self._pause(queue.encode(), by.encode()))

    def resume(self, queue: str) -> bool:
        return bool(self._resume(queue.encode()))

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
