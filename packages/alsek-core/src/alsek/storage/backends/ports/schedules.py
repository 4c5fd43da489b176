"""Schedules: what is due, and the step that submits the messages of a tick."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from alsek.storage.backends.records import Added, ScheduleRecord, Submission


class SchedulePort(ABC):
    """Schedules of this store.

    A schedule stands at a *tick*, its `next_at`. Once that is due on the store's clock, and unless the schedule is
    paused, it is *offered*: the next step of a worker that fires schedules
    (:class:`~alsek.storage.backends.records.WorkerFacts`) has its name in ``schedules``; a step has at most
    :data:`~alsek.defaults.PROMOTION_BATCH`, those first that are due first. Then it is offered to nobody for
    :data:`~alsek.defaults.SCHEDULE_OFFER`, and again after that until it no longer stands at this tick. So a worker
    that dies, or can't fire it, delays it by no more. The time of the next offer counts in the ``next_due`` of steps,
    as the due time of a delayed message does. A change that makes an offer earlier than all that sleeping workers know
    of wakes one worker at least that fires schedules.

    Workers that don't fire schedules are offered none. What is due stays as it is, and their steps answer with a
    ``next_due`` of at least one second on its account.

    Which tick follows is computed by who calls; all methods compare what he has read with what is stored now, so that
    any number may try at once.
    """

    @abstractmethod
    def put(
        self, name: str, definition: bytes, revision: str, next_at: int | None, expected: str = ""
    ) -> ScheduleRecord | None:
        """Store a new schedule, or change one in place.

        What was fired last stays, and so does a pause. If it stands at a tick that is not paused, that is offered when
        it is due.

        Args:
            name: Its name.
            definition: See :class:`~alsek.storage.backends.records.ScheduleRecord`.
            revision: A new random text.
            next_at: The tick that is next; None for none.
            expected: The revision that is to be replaced; empty if there is to be no schedule of this name yet.

        Returns:
            The schedule as it is stored now, if this was done now or before (its revision is `revision`). None if
            another revision stands there than `expected`, or none although one is expected, or if `next_at` was fired
            since it was computed (it is not after `last_at`): nothing was changed.
        """

    @abstractmethod
    def get(self, names: Sequence[str] | None = None) -> list[ScheduleRecord]:
        """The schedules of these names that are stored; None for all. In alphabetical order."""

    @abstractmethod
    def fire(
        self,
        name: str,
        revision: str,
        tick: int,
        submissions: Sequence[Submission],
        request: str,
        next_at: int | None,
        last_at: int | None = None,
    ) -> list[Added] | None:
        """Submit the messages of a tick and go on to the next one, in one step.

        Done only if the schedule has this revision, stands at this tick and is not paused. The submissions are stored
        as by :meth:`~alsek.storage.backends.ports.SubmissionPort.add`; one that is refused (a message of its uuid
        exists, or another one holds its unique key) holds up nothing.

        Args:
            name: The schedule.
            revision: As it was read.
            tick: Its `next_at`, as it was read.
            submissions: At most :data:`~alsek.defaults.SUBMISSION_BATCH`; none if the tick is left out.
            request: Identifies this call, as in ``add``.
            next_at: The tick that is next; None for none: the schedule stays, and is offered no more.
            last_at: The last tick for which a message is submitted; None leaves `last_at` and `last_uuid`. Else
                `last_uuid` becomes the uuid of the last submission.

        Returns:
            The answers to the submissions; None if nothing was done. So a call that is repeated after a lost reply
            returns None, and changes nothing.
        """

    @abstractmethod
    def pause(self, name: str, by: str) -> bool:
        """Pause a schedule: it is offered no more, and not fired; False if it is not stored, or is paused already.

        Args:
            name: The schedule.
            by: Who pauses it: any text that is not empty.
        """

    @abstractmethod
    def resume(self, name: str, revision: str, next_at: int | None) -> bool:
        """Let a paused schedule go on at this tick; False if nothing was changed.

        That is so if it is not stored under this revision, is not paused, or if the tick is not after `last_at`: it was
        resumed, fired and paused again since the tick was computed.
        """

    @abstractmethod
    def remove(self, name: str) -> bool:
        """Delete a schedule; False if there is none. Messages that it has submitted stay."""
