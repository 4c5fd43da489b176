"""Long random histories, held against the model after every call.

``ALSEK_MODEL_EXAMPLES=2000`` explores that many new histories, and makes small what fails; otherwise the
same few run each time.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from alsek.exceptions import WorkerUnknownError
from alsek.storage.backends.history import MINUTE_MS
from alsek.storage.backends.kinds import SLOTS_OF, SlotKind, is_async, slots_of_step
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import (
    Aside,
    HistoryCounts,
    Limit,
    Outcome,
    Report,
    Submission,
    TaskStatus,
    UniqueKey,
    UniqueRecord,
)
from tests.contract.model import Model, ModelMessage, ModelSleeper, ModelWorker
from tests.contract.stores import Store
from tests.contract.test_pushes import PUSHING, listen
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    LEASE,
    Actor,
    a_message,
    a_request,
    an_actor,
    by_hand,
    died,
    lost,
    not_mine,
    released,
    retried,
    succeeded,
    the_facts,
    uuids,
)

QUEUES = ("a", "b")
UUIDS = [f"m{n}" for n in range(8)]
EXAMPLES = {"memory": 60, "sqlite": 20, "redis": 20, "fakeredis": 5, "partitions": 10}
STEPS = 40

CASTS: tuple[dict[str, Any], ...] = (
    {"kind": "thread", "queues": None, "suspects": "alone"},
    {"kind": "process", "queues": ("b", "a"), "suspects": "freely"},
    {"kind": "any", "queues": ("a", "b"), "suspects": "alone"},
    {"kind": "thread", "queues": ("b",), "suspects": "alone"},
    {"kind": "thread-async", "queues": None, "suspects": "alone"},
    {"kind": "process-async", "queues": ("a",), "suspects": "freely"},
)
#: The tasks of these workers; None for any.
TASKS: tuple[tuple[str, ...] | None, ...] = (("t",), ("u",), None, ("t", "u"), ("t", "u"), ("u",))

_names = count()

unique_keys = st.builds(
    UniqueKey,
    st.sampled_from(["k", "l"]),
    st.sampled_from(["ended", "ended", "started"]),
    st.sampled_from(["existing", "replace", "replace"]),
    st.sampled_from([0, 0, 0, 2_000, 40_000]),
)
#: What some of the messages name; those of a history without keys name none.
LIMITS = (Limit("x", 1), Limit("x", 2, 3_000), Limit("y", 2), Limit("z", 1, 20_000))

submissions = st.builds(
    lambda uuid, queue, priority, wish, delay, n, unique, limits: a_message(
        uuid,
        queue,
        priority=priority,
        wish=wish,
        delay=delay,
        payload=b"p%d" % n,
        unique=unique,
        limits=tuple(limits),
    ),
    st.sampled_from(UUIDS),
    st.sampled_from(QUEUES),
    st.integers(0, 2),
    st.sampled_from(["any", "any", "thread", "process", "any-async", "any-async", "thread-async"]),
    st.sampled_from([0, 0, 0, 1, 1_000, 5_000]),
    st.integers(0, 99),
    st.one_of(st.none(), unique_keys),
    st.one_of(st.just([]), st.lists(st.sampled_from(LIMITS), max_size=3, unique=True)),
)
#: Of each slot kind; each worker takes those of its own, and a plain one may seek coroutines.
limits = st.fixed_dictionaries(
    dict.fromkeys(("any", "thread", "process"), st.integers(0, 4)), optional={"coroutine": st.integers(0, 4)}
)
casts = st.integers(0, len(CASTS) - 1)
names = st.sampled_from(UUIDS)
kinds = st.sampled_from(
    [
        *("succeeded", "callback", "retried", "died", "released", "lost", "suspect", "keep"),
        *("aside t", "aside u", "aside v", "wait v", "wait t"),
        *("told keep", "told retried", "told died", "told succeeded", "told released"),
    ]
)
told = st.builds(
    lambda progress, checkpoint, lines, keep: {
        "progress": progress,
        "checkpoint": checkpoint,
        "lines": tuple(lines),
        "keep": keep,
    },
    st.none() | st.just(b"") | st.binary(max_size=3),
    st.none() | st.binary(max_size=3),
    st.lists(st.binary(max_size=2), max_size=3),
    st.sampled_from([0, 1, 2, 5]),
)
delays = st.sampled_from([0, 0, 10, 4_000])
counts = st.builds(
    lambda queue, task, n: [HistoryCounts(queue, task, f"s:{n}")] if n > 0 else [],
    st.sampled_from(QUEUES),
    st.sampled_from(["t", "u"]),
    st.integers(-9, 4),
)


def _with_open_window(record: UniqueRecord | None, now: int) -> UniqueRecord | None:
    """A record without a window that is over: it may be told, or not."""
    if record is None or record.held_until > now:
        return record
    return record._replace(held_until=0)


class BackendMachine(RuleBasedStateMachine):
    """One history: a few workers, producers and meddlers at one store and at the model."""

    store: ClassVar[Store]
    with_keys: ClassVar[bool] = False
    uuids: ClassVar[list[str]] = UUIDS

    def __init__(self) -> None:
        super().__init__()
        self.backend = self.store.open(f"{self.store.namespace}m{next(_names)}")
        self.port = self.backend.messages
        self.model = Model(self.store.now)
        self.began = self.store.now // MINUTE_MS
        self.calls: list[tuple[list[Submission], str]] = []
        self.ended: list[Outcome] = []
        self.numbers: Counter[int] = Counter()
        self.waiters: dict[str, Waiter] = {}
        self.cast: list[ModelWorker] = [self._new_worker(n) for n in range(len(CASTS))]

    def teardown(self) -> None:
        for waiter in self.waiters.values():
            waiter.close()
        self.store.discard(self.backend)

    def _new_worker(self, n: int) -> ModelWorker:
        actor = an_actor(self.backend, lease=LEASE, register=False, **CASTS[n])
        worker = ModelWorker(actor, 0, TASKS[n])
        self._register(worker)
        return worker

    def _named(self, submission: Submission) -> Submission:
        """The submission, with its key and limits if this history has such."""
        return submission if self.with_keys else submission._replace(unique=None, limits=())

    def _register(self, worker: ModelWorker) -> None:
        facts = the_facts() if worker.tasks is None else the_facts(*worker.tasks)
        self.port.register(worker.actor.worker, facts._replace(tasks=worker.tasks))
        self.model.register(worker)

    def _worker(self, n: int) -> ModelWorker:
        """The worker of this role; a new one in its place if it was given up."""
        if self.cast[n] not in self.model.workers:
            self._expect_unknown(self.cast[n].actor)
            self.cast[n] = self._new_worker(n)
        return self.cast[n]

    def _expect_unknown(self, actor: Actor) -> None:
        with pytest.raises(WorkerUnknownError):
            self.port.step(actor.worker, actor.seq + 1, (), {actor.worker.kind: 1})

    @rule(batch=st.lists(submissions, min_size=1, max_size=3, unique_by=lambda s: s.uuid))
    def add(self, batch: list[Submission]) -> None:
        """A producer's call."""
        batch, request = [self._named(submission) for submission in batch], a_request()
        self.calls.append((batch, request))
        answers, expected = self.port.add(batch, request), [self.model.add(s, request) for s in batch]
        self.model.settle()
        assert answers == [self.model.after(answer) for answer in expected]
        self._note_push(batch)

    def _note_push(self, batch: list[Submission]) -> None:
        """Learn whether the store has pushed the one message of a call: it may, and need not."""
        message = self.model.messages.get(batch[0].uuid)
        if len(batch) > 1 or message is None or message.state != "ready":
            return
        located = self.port.find(message.uuid)
        assert located is not None
        if located.stored.state == "claimed":
            (worker,) = (each for each in self.model.workers if each.actor.worker.id == located.worker)
            self.model.push(worker, message)

    def _listens(self, worker: ModelWorker) -> bool:
        """Whether pushes reach this worker from now on."""
        name = worker.actor.worker.id
        if self.store.kind not in PUSHING or len(SLOTS_OF[worker.actor.worker.kind]) > 1:
            return False
        if name not in self.waiters:
            self.waiters[name] = worker.actor.waiter()
            listen(self.waiters[name])
        return self.waiters[name].receives

    @rule(n=st.integers(0, 5))
    def add_again(self, n: int) -> None:
        """A call repeated late."""
        if len(self.calls) <= n:
            return
        batch, request = self.calls[-1 - n]
        answers, expected = self.port.add(batch, request), [self.model.add(s, request) for s in batch]
        self.model.settle()
        assert answers == [self.model.after(answer) for answer in expected]
        self._note_push(batch)

    @rule(
        n=casts,
        chosen=st.lists(kinds, max_size=4),
        limit=limits,
        delay=delays,
        callback=submissions,
        stale=st.booleans(),
        history=counts,
        sleeps=st.booleans(),
        heard=st.integers(0, 3),
    )
    def step(
        self,
        n: int,
        chosen: list[str],
        limit: dict[SlotKind, int],
        delay: int,
        callback: Submission,
        stale: bool,
        history: list[HistoryCounts],
        sleeps: bool = False,
        heard: int = 3,
    ) -> None:
        """A worker's step. Of what it was pushed since the last one, it has heard of so many."""
        worker = self._worker(n)
        outcomes = self._outcomes(worker, chosen, delay, callback)
        if stale and self.ended:
            outcomes.append(self.ended[-1])
        self.report(worker, outcomes, limit, history, sleeps=sleeps and self._listens(worker), heard=heard)

    @rule(n=casts, submitted=st.lists(submissions, min_size=1, max_size=3), heard=st.integers(0, 3))
    def sleep(self, n: int, submitted: list[Submission], heard: int) -> None:
        """A worker takes all that there is; then messages are submitted, one by one, and may be pushed to it."""
        worker = self._worker(n)
        limit: dict[SlotKind, int] = {"any": 4, "thread": 4, "process": 4}
        self.report(worker, [], limit, [], sleeps=self._listens(worker), heard=heard)
        for submission in submitted:
            self.add([submission._replace(delay=0, named=False)])

    def report(
        self,
        worker: ModelWorker,
        outcomes: list[Outcome],
        limit: dict[SlotKind, int],
        history: list[HistoryCounts],
        *,
        sleeps: bool = False,
        heard: int = 3,
    ) -> None:
        """A worker's step with these outcomes."""
        model, slept = self.model, worker.sleeper
        received = None if slept is None else min(heard, slept.pushes)
        step = worker.actor.step(*outcomes, limit=limit, history=history, sleeps=sleeps, received=received)
        worker.sleeper = None
        model.contact()
        for queue, task, counted in history:
            model.counts[queue, task] = model.counts.get((queue, task), 0) + int(counted[2:])
        refused, skipped, failed = model.finish(worker, outcomes)
        assert (step.refused, step.skipped, step.failed, step.corrupt) == (
            refused,
            skipped,
            tuple(failed),
            [],
        )
        self.ended += [outcome for outcome in outcomes if outcome.uuid not in refused]
        model.promote()
        model.take_over(worker)
        model.settle()
        pushed: list[str] = []
        slots = slots_of_step(worker.actor.worker.kind, limit)
        room = sum(limit.get(slot, 0) for slot in slots) - len(step.claimed)
        if slept is not None and received is not None and received < slept.pushes:
            pushed = uuids(message for message in worker.holds if message.seq == worker.seq)
            missing = slept.pushes - received
            limit = {slot: max(0, many - missing) for slot, many in limit.items()}
        assert uuids(step.claimed) == pushed + uuids(model.choose(worker, limit))
        model.hand_out(worker, worker.seq, step.claimed[len(pushed) :])
        model.settle()
        for claim in step.claimed:
            message = model.messages[claim.uuid]
            assert claim == (
                *(message.uuid, message.queue, message.payload, message.token),
                *(message.losses, message.revoked, False, message.suspect),
                *(message.retries, 0, None, b"", is_async(message.submission.wish)),
                *(message.submission.group, message.submission.joins, message.reported, None),
            )
        assert step.next_due == model.next_due()
        left = list(model.takeable(worker, limit))
        freely = worker.actor.worker.suspects == "freely"
        waiting = {worker.slot_for(message) for message in left if freely or not message.suspect}
        assert step.waiting == tuple(slot for slot in slots if slot in waiting)
        assert freely or step.suspects == any(message.suspect for message in left)
        if step.sleeper:
            assert sleeps
            assert not left
            assert room > 0
            assert freely or not any(message.suspect for message in worker.holds)
            worker.sleeper = ModelSleeper(model.now, room)
        worker.last = (tuple(outcomes), step)
        worker.history = tuple(history)

    def _outcomes(
        self, worker: ModelWorker, chosen: list[str], delay: int, callback: Submission
    ) -> list[Outcome]:
        callback = self._named(callback)
        outcomes: list[Outcome] = []
        for claim, kind in zip(worker.actor.held(), chosen, strict=False):
            if kind.startswith("told "):
                fields = {"lines": (kind.encode(),), "checkpoint": b"c%d" % claim.token, "keep": 3}
                outcomes.append(self._report(claim, fields))
            if not kind.endswith("keep"):
                kind = kind.removeprefix("told ")
                outcomes.append(self._outcome(claim, kind, delay, callback, worker.tasks))
        return outcomes

    def _report(self, claim: Any, fields: dict[str, Any], behind: int = 0) -> Report:
        """The next report on a claim; one that was sent before, or comes late, if it is `behind`."""
        number = self.numbers[claim.token] = self.numbers[claim.token] + (not behind)
        return Report(claim.uuid, claim.queue, claim.token, max(number - behind, 1), **fields)

    def _outcome(
        self, claim: Any, kind: str, delay: int, callback: Submission, tasks: tuple[str, ...] | None
    ) -> Outcome:
        match kind:
            case "succeeded":
                return succeeded(claim, b"result %d" % claim.token)
            case "callback":
                return succeeded(claim, None, callback=callback)
            case "retried":
                return retried(claim, b"edited %d" % claim.token if claim.token % 2 else None, delay)
            case "died":
                return died(claim, dlq_ttl=100 * DLQ_TTL)
            case "released":
                return released(claim)
            case "aside t" | "aside u" | "aside v" | "wait v" | "wait t":
                how, _, task = kind.partition(" ")
                if tasks is None or task in tasks:  # then a worker sets nothing aside
                    return released(claim)
                return not_mine(claim, task, wait=how == "wait", dlq_ttl=100 * DLQ_TTL)
        return lost(claim, suspect=kind == "suspect")

    @rule(
        n=casts, fields=st.lists(told, min_size=1, max_size=3), behind=st.integers(0, 1), late=st.booleans()
    )
    def tell(self, n: int, fields: list[dict[str, Any]], behind: int, late: bool) -> None:
        """A worker tells of what it holds, maybe again; and of what it holds no longer."""
        worker = self._worker(n)
        reports = [
            self._report(claim, each, behind)
            for claim, each in zip(worker.actor.held(), fields, strict=False)
        ]
        if late and self.ended:
            reports.append(self._report(self.ended[-1], fields[-1]))
        assert self.port.report(worker.actor.worker, reports) == self.model.report(worker, reports)

    @rule(n=casts, limit=limits)
    def step_again(self, n: int, limit: dict[SlotKind, int]) -> None:
        """Repeat a worker's last step: no outcome is accepted and no message claimed again."""
        worker = self.cast[n]
        if worker.last is None or worker not in self.model.workers:
            return
        outcomes, first = worker.last
        step = worker.actor.again(*outcomes, limit=limit, history=worker.history)
        self.model.contact()
        now = {message.token: (message.revoked, message.reported) for message in worker.holds}
        assert (step.refused, step.skipped, step.failed) == (first.refused, first.skipped, first.failed)
        held = [claim for claim in first.claimed if claim.token in now]
        changed = [dict(zip(("revoked", "reported"), now[claim.token], strict=True)) for claim in held]
        assert step.claimed == [claim._replace(**each) for claim, each in zip(held, changed, strict=True)]

    @rule(n=casts, missed=st.sets(st.integers(0, 3)), behind=st.integers(0, 1))
    def renew(self, n: int, missed: set[int], behind: int) -> None:
        """A renewal that does not know of some claims, and may be a step behind."""
        worker, model = self._worker(n), self.model
        seq = worker.actor.seq - behind
        tokens = [message.token for k, message in enumerate(worker.holds) if k not in missed]
        revoked = self.port.renew(worker.actor.worker, seq, tokens)
        model.register(worker)
        for message in list(worker.holds):
            if message.seq <= model.known_seq(worker, seq) and message.token not in tokens:
                model.give_back(message, TaskStatus.SUBMITTED)
        model.settle()
        assert sorted(revoked) == sorted(
            message.uuid
            for message in worker.holds
            if message.revoked or model.groups.tells(message.submission.group)
        )

    @rule(n=casts, chosen=st.lists(kinds, max_size=2), callback=submissions, delay=delays)
    def retire(self, n: int, chosen: list[str], callback: Submission, delay: int) -> None:
        """A worker ends in good order, and another takes its role."""
        worker = self._worker(n)
        self.end(n, self._outcomes(worker, chosen, delay, callback))

    def end(self, n: int, outcomes: list[Outcome]) -> None:
        """The worker of this role ends with these outcomes, and another takes its role."""
        worker, model = self._worker(n), self.model
        refused = self.port.retire(worker.actor.worker, outcomes)
        assert refused == model.finish(worker, outcomes)[0] == []
        model.forget(worker, TaskStatus.SUBMITTED, losses=0)
        model.settle()
        self._expect_unknown(worker.actor)
        self.cast[n] = self._new_worker(n)

    @rule(ms=st.sampled_from([1, 10, 700, 1_000, 3_000, 4_500, 12_000, 31_000, 70_000]))
    def wait(self, ms: int) -> None:
        """Time passes: delays and leases end, outages begin."""
        self.store.advance(self.model.advance(ms))
        if (
            self.with_keys
        ):  # a start that has left its window may count with the next call, or with the next step
            self.step(0, [], {}, 0, a_message("unused"), False, [])

    @rule(ms=st.sampled_from([3_000, 4_500]), dead=casts, turns=st.integers(1, 5))
    def outlive(self, ms: int, dead: int, turns: int) -> None:
        """One worker is silent while the others renew."""
        for _ in range(turns):
            self.wait(ms)
            for n in range(len(CASTS)):
                if n != dead and self.cast[n] in self.model.workers:
                    self.renew(n, set(), 0)

    @rule(uuid=names)
    def remove(self, uuid: str) -> None:
        """Someone removes a message."""
        message, queue = self._find(uuid)
        assert self.port.remove(queue, uuid) == (message is not None)
        if message is not None:
            self.model.remove(message)
            self.model.settle()

    @rule(uuid=names, delay=delays)
    def reschedule(self, uuid: str, delay: int) -> None:
        """Someone reschedules a message."""
        message, queue = self._find(uuid)
        assert self.port.reschedule(by_hand(queue, uuid, b"rescheduled", delay)) == (message is not None)
        if message is not None:
            self.model.reschedule(message, by_hand(queue, uuid, b"rescheduled", delay))
            self.model.settle()

    @rule(uuid=names)
    def fail(self, uuid: str) -> None:
        """Someone buries a message."""
        message, queue = self._find(uuid)
        if message is None and (queue, uuid) in self.model.dead:
            return
        assert self.port.fail(queue, uuid, ERROR, 100 * DLQ_TTL) == (message is not None)
        if message is not None:
            self.model.dead_letter(message, finished=False)
            self.model.settle()

    @rule(uuid=names)
    def revoke(self, uuid: str) -> None:
        """Someone revokes a message."""
        message, queue = self._find(uuid)
        assert self.port.revoke(queue, uuid) == (message is not None)
        if message is not None:
            message.revoked = True
            if message.state != "claimed":
                self.model.give_up_key(message)
                self.model.settle()

    @rule(queue=st.sampled_from(QUEUES), seldom=st.integers(0, 2))
    def pause(self, queue: str, seldom: int) -> None:
        """Someone pauses a queue, more seldom than one is resumed."""
        if seldom:
            return
        assert self.port.pause(queue, "ada") == (queue not in self.model.paused)
        self.model.paused.add(queue)

    @rule(queue=st.sampled_from(QUEUES))
    def resume(self, queue: str) -> None:
        """Someone resumes a queue."""
        assert self.port.resume(queue) == (queue in self.model.paused)
        self.model.paused.discard(queue)

    @rule(submission=submissions)
    def replay(self, submission: Submission) -> None:
        """Someone takes a dead letter back, if no message of its uuid lives."""
        submission = self._named(submission)
        key = (submission.queue, submission.uuid)
        if submission.uuid in self.model.messages:
            return
        letter = self.port.dead_letter(*key)
        assert (letter is not None) == (key in self.model.dead)
        if letter is None:
            return
        held = None if submission.unique is None else self.model.key(submission.unique.key)
        refused = held is not None and held.holder != submission.uuid
        answer = self.port.replay(submission, letter.died_at)
        assert (answer.accepted, answer.existing) == (not refused, held.holder if refused and held else "")
        if not refused:
            self.model.replay(submission)

    def _find(self, uuid: str) -> tuple[ModelMessage | None, str]:
        message = self.model.messages.get(uuid)
        return message, "a" if message is None else message.queue

    @invariant()
    def the_messages_agree(self) -> None:
        """Store and model hold the same messages in the same states, and count them alike."""
        model = self.model
        assert self.port.queues() == sorted({message.queue for message in model.messages.values()})
        for queue in QUEUES:
            expected = {
                m.uuid: (
                    *(m.uuid, queue, m.payload, m.submission.priority, m.state, m.losses, m.revoked),
                    *(m.retries, 0, None, b""),
                    *(
                        m.submission.unique,
                        in_order(m.submission.limits),
                        m.submission.group,
                        m.submission.joins,
                    ),
                    m.reported,
                )
                for m in model.messages.values()
                if m.queue == queue
            }
            seen = list(self.port.browse(queue))
            assert {stored.uuid: tuple(stored) for stored in seen} == expected
            assert len(seen) == self.port.count(queue) == len(expected)
        aside = Counter((m.queue, m.aside) for m in model.messages.values() if m.aside and m.state == "ready")
        assert self.port.aside() == [Aside(*key, many) for key, many in sorted(aside.items())]
        states = Counter((m.queue, m.state) for m in model.messages.values())
        tallies = [(*tally[:4], tally.waiting) for tally in self.port.tallies(QUEUES)]
        kinds = ("ready", "delayed", "claimed", "waiting")
        assert tallies == [(queue, *(states[queue, kind] for kind in kinds)) for queue in QUEUES]

    @invariant()
    def what_is_shown_agrees(self) -> None:
        """Pauses and history are those of the model."""
        model = self.model
        assert [pause.queue for pause in self.port.pauses()] == sorted(model.paused)
        paused = [tally.queue for tally in self.port.tallies() if tally.paused is not None]
        assert paused == sorted(model.paused)
        counted: dict[tuple[str, str], int] = {}
        for row in self.port.history(self.began, model.now // MINUTE_MS + 1):
            counted[row[1:3]] = counted.get(row[1:3], 0) + int(row.counts[2:])
        assert counted == model.counts

    @invariant()
    def reports_agree(self) -> None:
        """What is kept of reports is that of the model, of messages, dead letters, and all others."""
        kept = [self.model.reports.get(uuid) for uuid in self.uuids]
        expected = [None if each is None else each.record for each in kept]
        assert self.port.reports(self.uuids, lines=True) == expected

    @invariant()
    def keys_and_limits_agree(self) -> None:
        """Keys and limits are held, used and waited for as in the model; nothing is left of those that are not."""
        if not self.with_keys:
            return
        model = self.model
        for name in ("k", "l"):
            key = model.key(name)
            expected = None if key is None else UniqueRecord(name, key.holder, key.waiting, key.until)
            found = self.port.unique_key(name)
            assert _with_open_window(found, model.now) == _with_open_window(expected, model.now)
        seen = {record.id: record for record in self.port.limits()}
        for limit in LIMITS:
            used, waiting = model.used(limit), len(model.waiting_for(limit))
            record = seen.pop(limit.id, None)
            assert (record is None) == (used == waiting == 0)
            if record is not None:
                admitted = sorted(m.uuid for m in model.messages.values() if m.takes_up(limit))
                assert sorted(record.admitted) == admitted
                numbers = (limit.amount, limit.per, used, waiting, model.next_free(limit))
                assert (record.amount, record.per, record.used, record.waiting, record.next_free) == numbers
        assert seen == {}
        for message in model.messages.values():
            found = self.port.find(message.uuid)
            assert found is not None
            assert found.waits_for == model.waits_for(message)

    @invariant()
    def the_rest_agrees(self) -> None:
        """Store and model agree on claims, statuses, results and dead letters."""
        model = self.model
        for worker in model.workers:
            held = [(claim.uuid, claim.token) for claim in worker.actor.held()]
            assert held == [(message.uuid, message.token) for message in worker.holds]
        statuses = self.backend.statuses.get(self.uuids)
        assert {r.uuid: r.status for r in statuses if r is not None} == model.statuses
        results = self.backend.results.get(self.uuids)
        assert {r.uuid: r.payload for r in results if r is not None} == model.results
        for queue in QUEUES:
            letters = [(letter.uuid, letter.payload) for letter in self.port.dead_letters(queue)]
            assert letters == [(u, payload) for (q, u), payload in model.dead.items() if q == queue]


def in_order(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """Limits in the order of their ids, as they are shown."""
    return tuple(sorted(limits, key=lambda limit: limit.id))


def explore(
    store: Store, kind: type[RuleBasedStateMachine] = BackendMachine, **settings_of_machine: Any
) -> None:
    """Make random calls on a store and the model, and compare the two after each."""
    wanted = os.environ.get("ALSEK_MODEL_EXAMPLES")
    machine = type("Machine", (kind,), {"store": store, **settings_of_machine})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(wanted or EXAMPLES[store.kind]),
            stateful_step_count=STEPS,
            derandomize=wanted is None,
            # Making a failure small takes minutes: on demand only.
            phases=[Phase.generate] if wanted is None else [Phase.generate, Phase.shrink],
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_random_histories(store: Store) -> None:
    """After every call of any history, the store holds and answers what the model does."""
    explore(store)
