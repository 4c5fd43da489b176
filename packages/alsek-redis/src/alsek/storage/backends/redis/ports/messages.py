"""The message port on Redis: each method is one script. ``docs/keys.md`` describes the keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from alsek.defaults import SUBMISSION_BATCH
from alsek.storage.backends.batches import (
    add_in_batches,
    answers_in_order,
    first_of_each_uuid,
    in_pieces,
)
from alsek.storage.backends.kinds import SLOTS_OF, SlotKind
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    ACCEPTED,
    Added,
    Claimed,
    HistoryCounts,
    Outcome,
    Report,
    Retried,
    Running,
    Step,
    Submission,
    Worker,
    WorkerFacts,
)
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import Exchange, beside, exchange
from alsek.storage.backends.redis.client.script import CallMaker, ScriptCall
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.codec import (
    added_from,
    claimed_from,
    corrupt_from,
    names_from,
    outcome_arguments,
    pushed_from,
    report_arguments,
    submission_arguments,
    taken_over_from,
    uuids_argument,
)
from alsek.storage.backends.redis.ports.fault_reports import FaultReports
from alsek.storage.backends.redis.ports.inspection import RedisInspection
from alsek.storage.backends.redis.ports.inspection_codec import facts_arguments, running_argument
from alsek.storage.backends.redis.ports.limits import WAITING, limits_argument, sleep_argument
from alsek.storage.backends.redis.ports.plain_submissions import PlainSubmissions
from alsek.storage.backends.redis.ports.request_id import request_id
from alsek.storage.backends.redis.ports.worker_arguments import worker_arguments
from alsek.storage.backends.redis.wakeup.subscribe_commands import SubscribeCommands, subscribe_commands
from alsek.storage.backends.redis.wakeup.waiter import new_waiter
from alsek.storage.backends.refusals import unknown_worker

#: What was refused, skipped and found corrupt, and what is told still more rarely, by the answer of nearly all steps.
_NONE: Final[tuple[Sequence[Any], ...]] = ((), (), (), ())

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
        #: A cluster would publish to all of its nodes, and a client that is no connection listens to nothing.
        self._may_push = link.direct and not link.cluster
        self._workers: dict[tuple[str, Worker], ScriptCall] = {}
        self._reports = FaultReports()
        self._add = make_call("add")
        self._plain = PlainSubmissions(make_call)
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
            # Who has two kinds of slots has two limits in each step.
            name = "step+slots" if script == "step" and len(SLOTS_OF[worker.kind]) > 1 else script
            call = self._make_call(
                name,
                keys=(self._keys.claims(worker.id).encode(),),
                fixed=worker_arguments(script, worker),
            )
            self._workers[script, worker] = call
        return call

    def _adding(self, submissions: Sequence[Submission], request: str) -> Exchange[list[Added]]:
        name = request_id(request)
        if len(submissions) == 1:
            plain = self._plain.call_for(submissions[0], name)
            if plain is not None and (yield from plain[0].exchange(plain[1])) is not None:
                return [ACCEPTED]
        firsts = first_of_each_uuid(submissions)
        answers: list[Added] = []
        for batch in in_pieces(list(firsts.values()), SUBMISSION_BATCH):
            answers += _added(batch, (yield from self._add.exchange(_batch_arguments(batch, name))))
        return answers_in_order(submissions, firsts, answers)

    @beside(_adding)
    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        name = request_id(request)
        if len(submissions) == 1:
            (submission,) = submissions
            plain = self._plain.call_for(submission, name)
            if plain is not None and plain[0].run(plain[1]) is not None:
                return [ACCEPTED]
            return [added_from(submission.uuid, self._add.run((name, *submission_arguments(submission)))[0])]
        return add_in_batches(
            submissions, lambda batch: _added(batch, self._add.run(_batch_arguments(batch, name)))
        )

    def register(self, worker: Worker, facts: WorkerFacts | None = None) -> None:
        self._of_worker("register", worker).run(() if facts is None else facts_arguments(worker, facts))

    def step(
        self,
        worker: Worker,
        seq: int,
        outcomes: Sequence[Outcome],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts] = (),
        *,
        sleeps: bool = False,
        received: int | None = None,
    ) -> Step:
        slots = SLOTS_OF[worker.kind]
        sleeps = sleeps and self._may_push
        tells = sleeps or received is not None
        if len(limits) == 1 == len(slots) and slots[0] in limits and not tells:  # often, and it saves a call
            limit = b"%d" % limits[slots[0]]
        else:
            limit = limits_argument(worker.kind, limits, tells)
        arguments = [b"%d" % seq, limit]
        if history:
            arguments[1] = b"%b %d" % (limit, len(history))
            arguments += [text.encode() for counts in history for text in counts]
        for outcome in outcomes:
            arguments += outcome_arguments(outcome)
        script = "step"
        if tells:
            arguments.append(sleep_argument(sleeps, received))
            script = "step+sleep" if len(slots) == 1 else "step+slots+sleep"
        reply = self._of_worker(script, worker).run(arguments)
        if reply is None:
            raise unknown_worker(worker)
        refused, skipped, corrupt, rare = _NONE
        if isinstance(reply[0], list):
            reply, refused, skipped, corrupt, *rare = reply
        *claimed, due, waiting, suspects = reply
        return Step(
            [uuid.decode() for uuid in refused],
            claimed_from(claimed),
            None if due < 0 else due,
            WAITING[worker.kind][waiting],
            suspects == 1,
            [uuid.decode() for uuid in skipped],
            self._reports.new_ones(corrupt_from(corrupt)),
            taken_over_from(rare[0]) if rare else (),
            tuple(uuid.decode() for uuid in rare[1]) if len(rare) > 1 else (),
            names_from(rare[2]) if len(rare) > 2 else (),
            suspects == 2,
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

    @exchange
    def report(self, worker: Worker, reports: Sequence[Report]) -> Exchange[list[str]]:
        arguments = [argument for report in reports for argument in report_arguments(report)]
        refused = yield from self._of_worker("report", worker).exchange(arguments)
        return [uuid.decode() for uuid in refused]

    def held(self, worker: Worker) -> list[Claimed]:
        held = claimed_from(self._of_worker("held", worker)())
        return sorted(held, key=lambda claimed: claimed.token)

    def waiter(self, worker: Worker, slot: SlotKind | None = None) -> Waiter:
        pass_on = self._of_worker("pass_on", worker)
        return new_waiter(self._link, self._keys, worker, slot, pass_on, pushed_from)

    def subscribe_commands(self, worker: Worker, slot: SlotKind | None = None) -> SubscribeCommands:
        """What a waiter of this worker sends, in a partition of a cluster, to be told of messages there."""
        return subscribe_commands(self._keys, worker, slot, self._make_call("hear"))

    def pass_on(self, worker: Worker) -> None:
        """Wake another worker in place of this one, if there are messages for it."""
        self._of_worker("pass_on", worker)()

    @exchange
    def remove(self, queue: str, uuid: str, waiting: bool = False) -> Exchange[bool]:
        return bool((yield from self._remove.ask(queue.encode(), uuid.encode(), b"1" if waiting else b"")))

    @exchange
    def reschedule(self, retried: Retried) -> Exchange[bool]:
        _, uuid, _, delay, *rest = outcome_arguments(retried)
        return bool((yield from self._reschedule.ask(retried.queue.encode(), uuid, delay, *rest)))

    @exchange
    def fail(
        self,
        queue: str,
        uuid: str,
        error: bytes,
        dlq_ttl: int,
        callback: Submission | None = None,
        unreachable: tuple[str, ...] = (),
    ) -> Exchange[bool]:
        arguments = [queue.encode(), uuid.encode(), b"%d" % dlq_ttl, error]
        if callback is not None or unreachable:
            arguments.append(uuids_argument(unreachable))
        if callback is not None:
            arguments += submission_arguments(callback)
        return bool((yield from self._fail.ask(*arguments)))

    @exchange
    def revoke(self, queue: str, uuid: str) -> Exchange[bool]:
        return bool((yield from self._revoke.ask(queue.encode(), uuid.encode())))

    @exchange
    def pause(self, queue: str, by: str) -> Exchange[bool]:
        return bool((yield from self._pause.ask(queue.encode(), by.encode())))

    @exchange
    def resume(self, queue: str) -> Exchange[bool]:
        return bool((yield from self._resume.ask(queue.encode())))

    @exchange
    def replay(
        self, submission: Submission, died_at: int, unreachable: tuple[str, ...] = ()
    ) -> Exchange[Added]:
        arguments = submission_arguments(submission._replace(named=False, group=None))
        replayed = yield from self._replay.ask(
            *arguments, b"%d" % died_at, *(uuid.encode() for uuid in unreachable)
        )
        if isinstance(replayed, list):
            existing, state = replayed
            return added_from(existing.decode(), state)
        return ACCEPTED if replayed else Added(False)

    @exchange
    def purge(self, queue: str, uuid: str | None = None) -> Exchange[int]:
        if uuid is not None:
            return int((yield from self._purge.ask(queue.encode(), uuid.encode()))[0])
        purged = 0
        while True:
            # A batch may consist of expired letters.
            count, looked_at = yield from self._purge.ask(queue.encode(), b"")
            purged += int(count)
            if not looked_at:
                return purged


def _batch_arguments(batch: Sequence[Submission], request: bytes) -> list[bytes]:
    arguments = [request]
    for submission in batch:
        arguments += submission_arguments(submission)
    return arguments


def _added(batch: Sequence[Submission], answers: Sequence[Any]) -> list[Added]:
    return [added_from(submission.uuid, answer) for submission, answer in zip(batch, answers, strict=True)]
