"""Firing: submits the messages of the ticks that are due, in whichever process it is called."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from alsek.core.identifiers import new_request_id
from alsek.core.loggers import guarded_logger
from alsek.core.middleware import call_submitting
from alsek.core.placing import place
from alsek.core.schedules.definition import Definition
from alsek.core.schedules.plan import Step, is_missed, steps
from alsek.core.schedules.template import message_of_tick, tick_delay, tick_uuid
from alsek.core.schedules.ticks import ticks_of
from alsek.exceptions import BackendError, CorruptMessageError
from alsek.storage.backends.records import Added, ScheduleRecord, Submission

if TYPE_CHECKING:
    from alsek.core.broker import Broker

log = guarded_logger(__name__)

#: Says whether a schedule may be fired here.
MayFire: TypeAlias = Callable[[ScheduleRecord, Definition], bool]

#: How often a schedule is read again because another process has changed it meanwhile. Later it is offered anew.
_ATTEMPTS: Final = 5

#: For so long at most a schedule may wait here for others; after that, what it has missed is missed.
MAX_WAIT_MS: Final = 600_000

#: With so many bytes of payloads, a step of the store gets no further message.
_BATCH_BYTES: Final = 4 * 1024 * 1024


class Firing:
    """Fires the schedules of a broker's store.

    Any number of processes may try at once: the store lets one of them fire each tick. The task and its function need
    not be known here.

    Args:
        broker: The broker. Its submission middleware is called for each message.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._backend = broker.backend
        #: Names and revisions of schedules of which it was logged that they can't be fired.
        self._told: set[tuple[str, str]] = set()

    def fire(self, names: Sequence[str], may_fire: MayFire, waited: int = 0) -> None:
        """Fire what is due of these schedules. One that can't be fired is logged once, and left to others.

        Args:
            names: The schedules.
            may_fire: Asked for each one that is due.
            waited: How long (ms) they have waited here since they were offered. So long they were not missed.

        Raises:
            BackendError: The store can't be used. What is still due will be offered again.
        """
        now = self._backend.messages.now()
        for record in self._backend.schedules.get(names):
            self._fire_one(record, now, may_fire, min(waited, MAX_WAIT_MS))

    def _fire_one(self, record: ScheduleRecord, now: int, may_fire: MayFire, waited: int) -> None:
        for _ in range(_ATTEMPTS):
            try:
                if self._fired(record, now, may_fire, waited):
                    return
            except BackendError:
                raise
            except Exception as error:  # noqa: BLE001  user code and foreign data may raise anything
                self._log_once(record, error)
                return
            now = self._backend.messages.now()
            found = self._backend.schedules.get([record.name])
            if not found:
                return
            (record,) = found

    def _fired(self, record: ScheduleRecord, now: int, may_fire: MayFire, waited: int) -> bool:
        """Fire what is due of a schedule, and return False if it has changed since it was read."""
        if record.next_at is None or record.paused_by or record.next_at > now:
            return True
        definition = Definition.from_bytes(record.definition)
        if not may_fire(record, definition):
            return True
        number = 0
        for step in steps(ticks_of(definition.trigger), definition.missed, record.next_at, now, waited):
            if not self._take_step(record, definition, step):
                return False
            number += len(step.ticks)
        if is_missed(record.next_at, now - waited):
            log.warning(
                "Schedule %r was due %.1f s ago, when no pool fired it; of its missed ticks %d were fired (missed=%r).",
                record.name,
                (now - record.next_at) / 1_000,
                number,
                definition.missed,
                extra={"schedule": record.name, "task": definition.task},
            )
        return True

    def _take_step(self, record: ScheduleRecord, definition: Definition, step: Step) -> bool:
        """Fire some ticks, and return False if the schedule does not stand where it was read."""
        at: int | None = step.at
        for batch, next_at in self._batches(record.name, definition, step):
            assert at is not None
            answers = self._backend.schedules.fire(
                record.name,
                record.revision,
                at,
                list(batch.values()),
                new_request_id(),
                next_at,
                max(batch, default=None),
            )
            if answers is None:
                return False
            self._log_fired(record.name, definition, list(batch.values()), answers)
            at = next_at
        return True

    def _batches(
        self, name: str, definition: Definition, step: Step
    ) -> Iterator[tuple[dict[int, Submission], int | None]]:
        """Yield the messages of a step, by tick, and the tick at which the schedule stands after them.

        They are one batch, unless their payloads are large.
        """
        batch: dict[int, Submission] = {}
        size = 0
        for tick in step.ticks:
            if size > _BATCH_BYTES:
                yield batch, tick
                batch, size = {}, 0
            submission = self._submission(name, definition, tick)
            if submission is not None:
                batch[tick] = submission
                size += len(submission.payload)
        yield batch, step.next_at

    def _submission(self, name: str, definition: Definition, tick: int) -> Submission | None:
        """Return the message of a tick as a store takes it; None if middleware refuses it."""
        uuid = tick_uuid(name, tick)
        # Read for each tick anew: middleware may change what is in a message.
        template = definition.template(self._backend.serializer)
        message = message_of_tick(template, uuid, tick, tick_delay(uuid, definition.trigger.jitter))
        middleware = self._broker.submission_middleware
        if middleware:
            try:
                call_submitting(middleware, message)
            except BackendError:
                raise  # the tick is tried again
            except Exception:
                log.exception(
                    "Middleware has refused the message of schedule %r for its tick %d: it is left out.",
                    name,
                    tick,
                    extra={"schedule": name, "task": definition.task},
                )
                return None
        if self._backend.partitions > 1:
            place((message,), self._backend, name)
        return message.submission(self._backend.serializer)

    def _log_fired(
        self, name: str, definition: Definition, batch: Sequence[Submission], answers: Sequence[Added]
    ) -> None:
        if not log.isEnabledFor(logging.DEBUG):
            return
        for submission, added in zip(batch, answers, strict=True):
            where: dict[str, Any] = {"schedule": name, "task": definition.task, "uuid": submission.uuid}
            if added.accepted:
                log.debug("Schedule %r submitted message %r.", name, submission.uuid, extra=where)
            else:
                log.debug(
                    "Message %r of schedule %r was left out, because of message %r.",
                    submission.uuid,
                    name,
                    added.existing,
                    extra=where,
                )

    def _log_once(self, record: ScheduleRecord, error: Exception) -> None:
        if (record.name, record.revision) in self._told:
            return
        self._told.add((record.name, record.revision))
        log.error(
            "Schedule %r can't be fired here, and is left to others: %s: %s",
            record.name,
            type(error).__name__,
            error,
            exc_info=None if isinstance(error, CorruptMessageError | ValueError) else error,
            extra={"schedule": record.name},
        )
