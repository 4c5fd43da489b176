"""A small model of the promise: the answers that any backend must give to a history of calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, NamedTuple

from alsek.defaults import DEDUP_WINDOW, SLEEPER_MS, STALE_PUSH_MS
from alsek.storage.backends.kinds import SLOTS_OF, SlotKind, slot_of, slots_of_step
from alsek.storage.backends.records import (
    ACCEPTED,
    Added,
    Claimed,
    Failed,
    HistoryCounts,
    Limit,
    Lost,
    Outcome,
    Released,
    Report,
    ReportRecord,
    Retried,
    SetAside,
    Step,
    Submission,
    Succeeded,
    TaskStatus,
)
from alsek.storage.backends.states import MessageState
from tests.contract.model_groups import End, ModelGroups
from tests.contract.workers import ERROR, LEASE, Actor


@dataclass(eq=False)
class ModelMessage:
    """A message in the model."""

    submission: Submission
    request: str
    payload: bytes
    state: Literal["delayed", "ready", "claimed", "waiting", "none"] = "none"
    due: tuple[int, int] = (0, 0)
    arrival: int = 0
    losses: int = 0
    retries: int = 0
    revoked: bool = False
    suspect: bool = False
    aside: str = ""
    waits_for: str = ""
    token: int = 0
    seq: int = 0
    holder: ModelWorker | None = None
    reported: bool = False

    @property
    def uuid(self) -> str:
        return self.submission.uuid

    @property
    def queue(self) -> str:
        return self.submission.queue

    @property
    def place(self) -> tuple[int, int]:
        return (self.submission.priority, self.arrival)

    @property
    def limits(self) -> list[Limit]:
        """Its limits, in the order of their ids."""
        return sorted(self.submission.limits, key=lambda limit: limit.id)

    @property
    def line(self) -> frozenset[str]:
        """Which line it is in while it waits for a limit."""
        return frozenset(limit.id for limit in self.submission.limits)

    @property
    def is_in_line(self) -> bool:
        """Whether it waits for a limit."""
        return self.state == "waiting" and not self.waits_for

    @property
    def has_begun(self) -> bool:
        """Whether it was claimed, and charged for that."""
        return self.state == "claimed" or bool(self.losses or self.retries)

    def takes_up(self, limit: Limit) -> bool:
        """Whether it has a place of this limit, not counting its starts."""
        states = ("ready",) if limit.per else ("ready", "claimed")
        return self.state in states and limit in self.submission.limits


class ModelReport(NamedTuple):
    """What is kept of reports on a message, with the number of the last one."""

    record: ReportRecord
    number: int


@dataclass(eq=False)
class ModelKey:
    """Who holds a unique key in the model: a message, or its window alone."""

    holder: str
    live: bool = True
    waiting: str = ""
    until: int = 0


@dataclass(eq=False)
class ModelSleeper:
    """Until a worker's next step: since when it may be pushed messages, and how many."""

    since: int
    room: int
    pushes: int = 0


@dataclass(eq=False)
class ModelWorker:
    """A registered worker in the model."""

    actor: Actor
    lease_end: int
    spared: bool = False
    tasks: tuple[str, ...] | None = ()
    holds: list[ModelMessage] = field(default_factory=list)
    last: tuple[tuple[Outcome, ...], Step] | None = None
    history: tuple[HistoryCounts, ...] = ()
    sleeper: ModelSleeper | None = None

    @property
    def seq(self) -> int:
        """The number of its last step."""
        return self.actor.seq

    def serves(self, queue: str) -> bool:
        """Whether it takes from this queue."""
        names = self.actor.worker.queues
        return names is None or queue in names

    def slot_for(self, message: ModelMessage) -> SlotKind | None:
        """What the message would take up in it; None if it never takes it."""
        return slot_of(self.actor.worker.kind, message.submission.wish)

    def may_have(self, message: ModelMessage) -> bool:
        """Whether it may claim this message, as far as queues and tasks go."""
        if not message.aside or self.tasks is None:
            return self.serves(message.queue)
        return message.aside in self.tasks


class Model:
    """The contents that the store must have after each call."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.messages: dict[str, ModelMessage] = {}
        self.gone: dict[str, tuple[str, int, bool, str]] = {}
        self.keys: dict[str, ModelKey] = {}
        self.starts: dict[str, list[int]] = {}
        self.lines: dict[frozenset[str], Limit] = {}
        self.noted: set[Limit] = set()
        self.statuses: dict[str, TaskStatus] = {}
        self.results: dict[str, bytes] = {}
        self.dead: dict[tuple[str, str], bytes] = {}
        self.reports: dict[str, ModelReport] = {}
        self.gone_tasks: dict[str, int] = {}
        self.workers: list[ModelWorker] = []
        self.paused: set[str] = set()
        self.counts: dict[tuple[str, str], int] = {}
        self.last_contact = now
        self.greatest_token = 0
        self._arrivals = count()
        self.groups = ModelGroups(self)

    def advance(self, ms: int) -> int:
        """Let about so much time pass, never to a moment at which two readings of the promise differ.

        Returns:
            How much it was.
        """
        before = self.now
        self.now += ms
        silence = self.now - self.last_contact
        if 0.8 * LEASE <= silence <= LEASE + 5:  # whether this is an outage is up to the store
            self.now = self.last_contact + LEASE + 50
        edges = {worker.lease_end for worker in self.workers}
        edges |= {end for _, end, _, _ in self.gone.values()} | set(self.gone_tasks.values())
        while self.now in edges:
            self.now += 1
        return self.now - before

    def add(self, submission: Submission, request: str) -> Added:
        """The answer to a submission."""
        uuid = submission.uuid
        present = self.messages.get(uuid)
        if present is not None:
            return ACCEPTED if present.request == request != "" else Added(False, uuid, self._shown(present))
        known, end, finished, stored_as = self.gone.get(uuid, ("", 0, False, ""))
        if end > self.now and (finished or known == request != ""):
            return Added(True, stored_as) if known == request != "" else Added(False, uuid, "finished")
        key = None if submission.unique is None else self.key(submission.unique.key)
        if key is None:
            self.admit(submission, request)
            return ACCEPTED
        return self._add_beside(submission, request, key)

    def _add_beside(self, submission: Submission, request: str, key: ModelKey) -> Added:
        """The answer to a submission whose key is held."""
        assert submission.unique is not None
        holder = self.messages.get(key.holder)
        if submission.unique.conflict != "replace" or not key.live or holder is None:
            return Added(False, key.holder, "finished" if holder is None else self._shown(holder))
        replaced = self.messages.get(key.waiting) if holder.has_begun else holder
        if replaced is not None:
            self._leave(replaced)
            self._forget_reports(replaced)
            self.groups.note(replaced.submission.group, replaced.uuid, "revoked")
            if request:
                self.gone[submission.uuid] = (request, self.now + DEDUP_WINDOW, False, replaced.uuid)
            submission = submission._replace(uuid=replaced.uuid)
        self.admit(submission, request, behind=holder.has_begun)
        return ACCEPTED if replaced is None else Added(True, replaced.uuid)

    def after(self, answer: Added) -> Added:
        """An answer as it is after the call: a later submission of that may have replaced the message."""
        if answer.accepted:
            return answer
        message = self.messages.get(answer.existing)
        return answer._replace(state="finished" if message is None else self._shown(message))

    def _shown(self, message: ModelMessage) -> MessageState:
        assert message.state != "none"
        return message.state

    def key(self, name: str) -> ModelKey | None:
        """Who holds a key now."""
        key = self.keys.get(name)
        return key if key is not None and (key.live or key.until > self.now) else None

    def admit(self, submission: Submission, request: str, behind: bool = False) -> None:
        """A new message, which holds its key, or waits `behind` who does."""
        message = ModelMessage(submission, request, submission.payload)
        self.messages[message.uuid] = message
        self.statuses[message.uuid] = TaskStatus.SUBMITTED
        if submission.unique is not None:
            name, window = submission.unique.key, submission.unique.window
            key = self.key(name) or ModelKey(message.uuid)
            self.keys[name] = key
            key.until = max(key.until, self.now + window) if window else key.until
            if behind:
                key.waiting, message.waits_for = message.uuid, f"u:{name}"
            else:
                key.holder, key.live = message.uuid, True
        self._delay(message, submission.delay)

    def give_up_key(self, message: ModelMessage) -> None:
        """The message holds its key no longer; who waits behind it does."""
        key = None if message.submission.unique is None else self.key(message.submission.unique.key)
        if key is None or not key.live or key.holder != message.uuid:
            return
        key.live = bool(key.waiting)
        if key.waiting:
            heir = self.messages[key.waiting]
            key.holder, key.waiting = heir.uuid, ""
            heir.waits_for = ""
            self._delay(heir, heir.due[0] - self.now)

    def used(self, limit: Limit) -> int:
        """How many places of a limit are taken up."""
        starts = [start for start in self.starts.get(limit.id, ()) if start > self.now - limit.per]
        return len(starts) + sum(message.takes_up(limit) for message in self.messages.values())

    def waiting_for(self, limit: Limit) -> list[ModelMessage]:
        """Those of the lines that stand at a limit, in their order."""
        found = [message for message in self.messages.values() if self.waits_for(message) == limit.id]
        return sorted(found, key=lambda message: message.place)

    def waits_for(self, message: ModelMessage) -> str:
        """What a message waits for: the limit at which its line stands, or its unique key; else nothing."""
        return self.lines[message.line].id if message.is_in_line else message.waits_for

    def next_free(self, limit: Limit) -> int | None:
        """When a start leaves the window of a rate that is full."""
        starts = [start for start in self.starts.get(limit.id, ()) if start > self.now - limit.per]
        return min(starts) + limit.per if starts and self.used(limit) >= limit.amount else None

    def _become_ready(self, message: ModelMessage) -> None:
        """Ready at its place; or waiting in its line, which begins at the first limit that is full, or waited for."""
        full = [
            limit for limit in message.limits if self.used(limit) >= limit.amount or self.waiting_for(limit)
        ]
        message.state, message.waits_for = ("waiting" if full else "ready"), ""
        if full and not any(
            each.is_in_line
            for each in self.messages.values()
            if each is not message and each.line == message.line
        ):
            self.lines[message.line] = full[0]
        self.noted.update(full[:1])

    def _leave(self, message: ModelMessage) -> None:
        """A message leaves the state that it is in, not to be claimed."""
        self.noted.update(limit for limit in message.submission.limits if message.takes_up(limit))
        if message.waits_for.startswith("u:"):
            self.keys[message.waits_for[2:]].waiting = ""
        if message.holder is not None:
            message.holder.holds.remove(message)
            message.holder, message.token = None, 0
        message.state, message.waits_for = "none", ""

    def settle(self) -> None:
        """Count what has ended in groups; let in those that wait for the limits that were noted."""
        self.groups.settle()
        turns = sorted(self.noted, key=lambda limit: limit.id)
        while turns:  # the limits take turns
            turns = [limit for limit in turns if self._let_in_first(limit)]
        self.noted.clear()

    def _let_in_first(self, limit: Limit) -> bool:
        waiting = self.waiting_for(limit)
        if self.used(limit) >= limit.amount or not waiting:
            return False
        first = waiting[0]
        full = [each for each in first.limits if self.used(each) >= each.amount]
        if full:
            self.lines[first.line] = full[0]
        else:
            first.state = "ready"
        return True

    def contact(self) -> None:
        """A worker reached the store."""
        if self.now - self.last_contact > LEASE:
            for worker in self.workers:
                if not worker.spared:
                    worker.spared, worker.lease_end = True, max(worker.lease_end, self.now + LEASE)
        self.last_contact = self.now

    def register(self, worker: ModelWorker) -> None:
        """A worker is known, with a full lease."""
        self.contact()
        worker.lease_end, worker.spared = self.now + LEASE, False
        if worker not in self.workers:
            self.workers.append(worker)

    def finish(
        self, worker: ModelWorker, outcomes: Iterable[Outcome]
    ) -> tuple[list[str], list[str], list[str]]:
        """The refused, what was skipped that follows, and what failed because nobody has its task."""
        refused: list[str] = []
        failed: list[str] = []
        ended: list[tuple[Succeeded | Failed | SetAside, End | None]] = []
        for outcome in outcomes:
            message = self.messages.get(outcome.uuid)
            if message is None or message not in worker.holds or message.token != outcome.token:
                refused.append(outcome.uuid)
                continue
            if isinstance(outcome, Report):
                self.tell(message, outcome)
                continue
            if isinstance(outcome, SetAside):
                if not self._set_aside(message, outcome):
                    failed.append(outcome.uuid)
                    ended.append((outcome, None))
                continue
            end = self._accept(message, outcome)
            if isinstance(outcome, Succeeded | Failed):
                ended.append((outcome, end))
        return refused, self.groups.follow(ended), failed

    def report(self, worker: ModelWorker, reports: Iterable[Report]) -> list[str]:
        """The refused of these reports."""
        refused: list[str] = []
        for report in reports:
            message = self.messages.get(report.uuid)
            if message is None or message not in worker.holds or message.token != report.token:
                refused.append(report.uuid)
            else:
                self.tell(message, report)
        return refused

    def tell(self, message: ModelMessage, report: Report) -> None:
        """Keep a report, unless a later one of its claim came before; the first on a message begins anew."""
        kept = self.reports.get(message.uuid) if message.reported else None
        before = ModelReport(ReportRecord(message.uuid, 0, 0), 0) if kept is None else kept
        record = before.record
        message.reported = True
        if report.token != record.token or report.number > before.number:
            lines = (*record.lines, *report.lines)[-report.keep :] if report.keep else record.lines
            progress = record.progress if report.progress is None else report.progress
            checkpoint = record.checkpoint if report.checkpoint is None else report.checkpoint
            record = ReportRecord(message.uuid, report.token, self.now, progress, checkpoint, lines)
            before = ModelReport(record, report.number)
        self.reports[message.uuid] = before

    def _forget_reports(self, message: ModelMessage) -> None:
        """What was reported on it is gone."""
        if message.reported:
            self.reports.pop(message.uuid, None)

    def _set_aside(self, message: ModelMessage, outcome: SetAside) -> bool:
        known = any(outcome.task in (worker.tasks or ()) for worker in self.workers)
        if not (known or outcome.wait or self.gone_tasks.get(outcome.task, 0) > self.now):
            self._fail(message, outcome)
            return False
        self.give_back(message, TaskStatus.SUBMITTED)
        message.aside = outcome.task
        return True

    def _accept(self, message: ModelMessage, outcome: Outcome) -> End | None:
        match outcome:
            case Succeeded():
                self.take_out(message, finished=True)
                self._drop_checkpoint(message)
                self.statuses[message.uuid] = TaskStatus.SUCCEEDED
                if outcome.result is not None:
                    self.results[message.uuid] = outcome.result
                return self.groups.note(
                    message.submission.group, message.uuid, "succeeded", outcome.group_result
                )
            case Retried():
                self.reschedule(message, outcome)
            case Failed():
                self._fail(message, outcome)
            case Released():
                self.give_back(message, TaskStatus.SUBMITTED)
            case Lost():
                message.losses += 1
                message.suspect = message.suspect or outcome.suspect
                self.give_back(message, TaskStatus.RETRYING)
        return None

    def _fail(self, message: ModelMessage, outcome: Failed | SetAside) -> None:
        revoked = isinstance(outcome, Failed) and outcome.revoked
        self.dead_letter(message, True, outcome.error, revoked)
        self.groups.unreachable(outcome.unreachable, message.uuid)

    def promote(self) -> None:
        """Make delayed messages that are due ready; look at the limits that have room again."""
        for message in self.messages.values():
            self.noted.update(limit for limit in message.limits if limit.id == self.waits_for(message))
        delayed = [message for message in self.messages.values() if message.state == "delayed"]
        for message in sorted(delayed, key=lambda message: message.due):
            if message.due[0] <= self.now:
                self._leave(message)
                message.arrival = next(self._arrivals)
                self._become_ready(message)

    def take_over(self, asking: ModelWorker) -> None:
        """Make the messages of lost workers ready."""
        for worker in list(self.workers):
            if worker.lease_end <= self.now and worker is not asking:
                self.forget(worker, TaskStatus.RETRYING, losses=1)

    def forget(self, worker: ModelWorker, status: TaskStatus, losses: int) -> None:
        """Retire a worker."""
        self.workers.remove(worker)
        self.gone_tasks.update(dict.fromkeys(worker.tasks or (), self.now + LEASE))
        for message in list(worker.holds):
            message.losses += losses
            self.give_back(message, status)

    def choose(self, worker: ModelWorker, limits: Mapping[SlotKind, int]) -> list[ModelMessage]:
        """Return the messages that the worker claims now."""
        chosen: list[ModelMessage] = []
        room = Counter(limits)
        freely = worker.actor.worker.suspects == "freely"
        if not freely and any(message.suspect for message in worker.holds):
            return chosen
        for message in self.takeable(worker, limits):
            slot = worker.slot_for(message)
            if room[slot] <= 0:
                continue
            if message.suspect and not freely:
                if not chosen and not worker.holds:
                    return [message]
            else:
                chosen.append(message)
                room[slot] -= 1
        return chosen

    def takeable(self, worker: ModelWorker, limits: Mapping[SlotKind, int]) -> Iterator[ModelMessage]:
        """The ready messages that the worker takes in a step with these limits, by queue, then by place."""
        all_names = sorted({message.queue for message in self.messages.values()})
        names = worker.actor.worker.queues or ()
        names = (*names, *(name for name in all_names if name not in names))
        slots = slots_of_step(worker.actor.worker.kind, limits)
        for queue in names:
            if queue in self.paused:
                continue
            ready = [
                message
                for message in self.messages.values()
                if message.state == "ready"
                and message.queue == queue
                and worker.may_have(message)
                and worker.slot_for(message) in slots
            ]
            yield from sorted(ready, key=lambda message: message.place)

    def hand_out(self, worker: ModelWorker, seq: int, claims: Iterable[Claimed]) -> None:
        """These claims were made."""
        for claim in claims:
            message = self.messages[claim.uuid]
            assert claim.token > self.greatest_token
            self.greatest_token = message.token = claim.token
            for limit in message.submission.limits:
                if limit.per and not (claim.revoked or claim.expired):
                    self.starts.setdefault(limit.id, []).append(self.now)
            message.state, message.holder, message.seq = "claimed", worker, seq
            message.revoked = message.revoked or self.groups.drops(message.submission.group)
            message.aside = ""
            worker.holds.append(message)
            self.statuses[message.uuid] = TaskStatus.RUNNING
            if message.submission.unique is not None and message.submission.unique.until == "started":
                self.give_up_key(message)

    def push(self, worker: ModelWorker, message: ModelMessage) -> None:
        """This message, which was submitted alone, was pushed to this worker."""
        sleeper = worker.sleeper
        assert sleeper is not None
        assert sleeper.room > 0
        assert self.now - sleeper.since <= SLEEPER_MS
        first = next(self.takeable(worker, SLOTS_OF[worker.actor.worker.kind]), None)
        assert first is message
        (claim,) = (claim for claim in worker.actor.held() if claim.uuid == message.uuid)
        self.hand_out(worker, worker.seq + 1, [claim])
        sleeper.room -= 1
        sleeper.pushes += 1

    def known_seq(self, worker: ModelWorker, seq: int) -> int:
        """Up to which step a renewal that knows step `seq` gives back what it does not name."""
        sleeper = worker.sleeper
        return (
            seq if sleeper is None or self.now - sleeper.since < STALE_PUSH_MS else max(seq, worker.seq + 1)
        )

    def next_due(self) -> int | None:
        """Until the first delayed message is due, or the first start that lets one in leaves its window."""
        dues = [message.due[0] for message in self.messages.values() if message.state == "delayed"]
        for message in self.messages.values():
            waited_for = (limit for limit in message.limits if limit.id == self.waits_for(message))
            dues += [free for limit in waited_for if (free := self.next_free(limit)) is not None]
        return max(min(dues) - self.now, 0) if dues else None

    def give_back(self, message: ModelMessage, status: TaskStatus) -> None:
        """Ready again at the old place."""
        self._leave(message)
        self._become_ready(message)
        self.statuses[message.uuid] = status

    def reschedule(self, message: ModelMessage, retried: Retried) -> None:
        """To run again."""
        behind = message.waits_for if message.waits_for.startswith("u:") else ""
        self._leave(message)
        if behind:
            message.waits_for, self.keys[behind[2:]].waiting = behind, message.uuid
        message.retries, message.suspect, message.aside = retried.retries, False, ""
        if retried.payload is not None:
            message.payload = retried.payload
        self.statuses[message.uuid] = TaskStatus.RETRYING
        self._delay(message, retried.delay)

    def remove(self, message: ModelMessage) -> None:
        """Someone removed it."""
        self.take_out(message, finished=False)
        self._drop_checkpoint(message)
        self.statuses[message.uuid] = TaskStatus.UNKNOWN
        self.groups.note(message.submission.group, message.uuid, "revoked")

    def _drop_checkpoint(self, message: ModelMessage) -> None:
        """It has ended without a dead letter, and its status stays for ever: longer than any history."""
        if message.reported:
            record, number = self.reports[message.uuid]
            self.reports[message.uuid] = ModelReport(record._replace(checkpoint=None), number)

    def replay(self, submission: Submission) -> None:
        """A dead letter is a message again, with what is kept of reports on it."""
        del self.dead[submission.queue, submission.uuid]
        self.admit(submission._replace(group=None), "")
        self.messages[submission.uuid].reported = submission.uuid in self.reports
        self.settle()

    def dead_letter(
        self, message: ModelMessage, finished: bool, error: bytes = ERROR, revoked: bool = False
    ) -> None:
        """Never to run again."""
        self.groups.note(message.submission.group, message.uuid, "revoked" if revoked else "failed", error)
        self.take_out(message, finished)
        self.statuses[message.uuid] = TaskStatus.FAILED
        self.dead.pop((message.queue, message.uuid), None)
        self.dead[message.queue, message.uuid] = message.payload

    def take_out(self, message: ModelMessage, finished: bool) -> None:
        """A message leaves."""
        self._leave(message)
        del self.messages[message.uuid]
        self.gone[message.uuid] = (message.request, self.now + DEDUP_WINDOW, finished, "")
        self.give_up_key(message)

    def _delay(self, message: ModelMessage, delay: int) -> None:
        """Delayed, or ready behind all others; a message that waits for its key has this before it."""
        message.due = (self.now + max(delay, 0), next(self._arrivals))
        if message.waits_for:
            message.state = "waiting"
        elif delay > 0:
            message.state = "delayed"
        else:
            message.arrival = next(self._arrivals)
            self._become_ready(message)
