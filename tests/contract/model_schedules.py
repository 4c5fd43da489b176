"""A small model of schedules: what any backend must keep of them, offer, and answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alsek.defaults import SCHEDULE_OFFER
from alsek.storage.backends.records import ACCEPTED, Added, ScheduleRecord, Submission


@dataclass(eq=False)
class ModelSchedule:
    """A schedule, and when it is to be offered next, if it is not paused."""

    record: ScheduleRecord
    offer_at: int | None

    def change(self, **changes: object) -> None:
        """It stands where it stands now: the last offer is over."""
        self.record = self.record._replace(**changes)  # type: ignore[arg-type]
        self.offer_at = None if self.record.paused_by else self.record.next_at


class ScheduleModel:
    """The schedules of a store, and the messages that they have submitted, which nobody claims."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.schedules: dict[str, ModelSchedule] = {}
        self.delayed: dict[str, int] = {}
        self.ready: list[str] = []

    def put(self, new: ScheduleRecord, expected: str) -> ScheduleRecord | None:
        """The answer to a put."""
        schedule = self.schedules.get(new.name)
        if schedule is None:
            if expected:
                return None
            self.schedules[new.name] = ModelSchedule(new, new.next_at)
            return new
        if schedule.record.revision != new.revision:
            if schedule.record.revision != expected or self._was_fired(schedule, new.next_at):
                return None
            schedule.change(revision=new.revision, definition=new.definition, next_at=new.next_at)
        return schedule.record

    def fire(
        self, name: str, revision: str, tick: int, sent: Sequence[Submission], next_at: int | None
    ) -> list[Added] | None:
        """The answer to a fire, whose last tick is this one if it has messages."""
        schedule = self.schedules.get(name)
        if schedule is None or schedule.record.paused_by:
            return None
        if (schedule.record.revision, schedule.record.next_at) != (revision, tick):
            return None
        answers = [self.add(submission) for submission in sent]
        if sent:
            schedule.change(last_at=tick, last_uuid=sent[-1].uuid)
        schedule.change(next_at=next_at)
        return answers

    def add(self, submission: Submission) -> Added:
        """The answer to a submission."""
        if submission.uuid in self.delayed:
            return Added(False, submission.uuid, "delayed")
        if submission.uuid in self.ready:
            return Added(False, submission.uuid, "ready")
        if submission.delay:
            self.delayed[submission.uuid] = self.now + submission.delay
        else:
            self.ready.append(submission.uuid)
        return ACCEPTED

    def pause(self, name: str, by: str) -> bool:
        """The answer to a pause."""
        schedule = self.schedules.get(name)
        if schedule is None or schedule.record.paused_by:
            return False
        schedule.change(paused_by=by, paused_since=self.now)
        return True

    def resume(self, name: str, revision: str, next_at: int | None) -> bool:
        """The answer to a resumption."""
        schedule = self.schedules.get(name)
        if schedule is None or not schedule.record.paused_by or schedule.record.revision != revision:
            return False
        if self._was_fired(schedule, next_at):
            return False
        schedule.change(next_at=next_at, paused_by="", paused_since=0)
        return True

    @staticmethod
    def _was_fired(schedule: ModelSchedule, tick: int | None) -> bool:
        last = schedule.record.last_at
        return tick is not None and last is not None and tick <= last

    def step(self, fires: bool) -> tuple[str, ...]:
        """What a step offers to a worker; it also promotes what is due."""
        for uuid in [uuid for uuid, due in self.delayed.items() if due <= self.now]:
            del self.delayed[uuid]
            self.ready.append(uuid)
        due = self._overdue() if fires else []
        for name in due:
            self.schedules[name].offer_at = self.now + SCHEDULE_OFFER
        return tuple(sorted(due))

    def _offers(self) -> dict[str, int]:
        """The schedules that are to be offered, and when."""
        found = {name: schedule.offer_at for name, schedule in self.schedules.items()}
        return {name: at for name, at in found.items() if at is not None}

    def _overdue(self) -> list[str]:
        return [name for name, at in self._offers().items() if at <= self.now]

    def is_due_next(self, told: int | None, fires: bool) -> bool:
        """Whether a step may tell a worker that something is due in so many milliseconds.

        One that does not fire must know of messages; of schedules only if none is overdue.
        """
        messages = min(self.delayed.values(), default=None)
        coming = [at for at in (*self.delayed.values(), *self._offers().values()) if at > self.now]
        first = min(coming, default=None)
        if fires or not self._overdue():
            return told == (None if first is None else first - self.now)
        if told is None or (messages is not None and told > messages - self.now):
            return False
        return told >= 1_000 or first == self.now + told
