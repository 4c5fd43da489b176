"""The inspector: reads everything that commands, dashboards and metrics show. It never changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, Protocol, overload

from alsek.core.bounds import check_integer
from alsek.core.broker import Broker
from alsek.core.identifiers import check_name
from alsek.core.inspection.dead import (
    DeadFilter,
    DeadGroup,
    DeadInfo,
    dead_groups,
    dead_info,
    dead_letters,
)
from alsek.core.inspection.groups import GroupInfo, group_of, groups_of
from alsek.core.inspection.history import HistoryInfo, MinuteInfo, history_of, minutes_of
from alsek.core.inspection.limits import LimitInfo, limits_of
from alsek.core.inspection.listing import STATES, ListedInfo, ListedState, listed
from alsek.core.inspection.messages import MessageInfo, left_over, message_info
from alsek.core.inspection.queues import QueueInfo, queues_of
from alsek.core.inspection.reasons import Why
from alsek.core.inspection.reported import progress_of, reported
from alsek.core.inspection.schedules import ScheduleInfo, schedules_of
from alsek.core.inspection.sighting import sight
from alsek.core.inspection.why import why
from alsek.core.inspection.workers import WorkerInfo, workers_of
from alsek.core.reporting.progress import Progress
from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend


class HasUuid(Protocol):
    """A message, an info, or anything else with the uuid of a message."""

    @property
    def uuid(self) -> str:
        """The uuid."""
        ...


class Inspector:
    """Shows the queues, workers and messages of a store, and says why a message is not running.

    It changes nothing, and reads no backlog: its methods take as long with a million messages as with ten, but for
    those of dead letters, which read these. A place in a queue is exact up to 10,000. All times are Unix milliseconds
    on the store's clock, and durations milliseconds, unless the attribute says otherwise. What it returns are frozen
    data classes; :func:`~alsek.core.inspection.plain.to_json` makes JSON of them.

    Each method reads in several steps of the store. What changes meanwhile is shown as it was in one of them.

    Args:
        broker: The broker, or only its backend.

    Raises:
        ValidationError: `broker` is neither.
    """

    def __init__(self, broker: Broker | Backend) -> None:
        backend: Any = broker.backend if isinstance(broker, Broker) else broker
        if not isinstance(backend, Backend):
            raise ValidationError(f"Inspector(broker={shown(broker)}): must be a Broker or a Backend")
        self.backend: Backend = backend

    def __repr__(self) -> str:
        return f"Inspector({self.backend!r})"

    def queues(self, *, aged: int | None = None) -> list[QueueInfo]:
        """Return the queues that hold messages or dead letters, or are paused, in alphabetical order.

        Args:
            aged: Read for so many queues, those with the most ready messages, how old the oldest is, and leave the
                others' ``oldest_ready_age`` None: with thousands of queues that is most of the work. None for all.

        Raises:
            ValidationError: `aged` is no integer >= 0.
        """
        check_integer("aged", aged, 0, "Inspector.queues()", optional=True)
        return queues_of(self.backend.messages, self.backend.serializer, aged)

    def workers(self) -> list[WorkerInfo]:
        """Return the workers, in order of id; also those whose lease has ended and that nobody has taken over."""
        return workers_of(self.backend.messages)

    def messages(
        self, queue: str, state: ListedState = "ready", *, task: str | None = None, most: int = 100
    ) -> list[ListedInfo]:
        """Return up to `most` messages of a queue in one state: those that go first, or are due first.

        No backlog is read: of a task, and of what is delayed or waits, no more than the first 2,000 are looked at, so
        some may be left out.

        Args:
            queue: The queue.
            state: ``"ready"``, ``"running"``, ``"delayed"`` or ``"waiting"``.
            task: Only those of this task.
            most: How many at most.

        Raises:
            ValidationError: `state` is none of these, `most` is no integer >= 1, or a name is no text.
        """
        if state not in STATES:
            raise ValidationError(
                f"state={shown(state)} of Inspector.messages(): must be one of {', '.join(map(repr, STATES))}"
            )
        check_integer("most", most, 1, "Inspector.messages()")
        check_name("queue", queue)
        if task is not None:
            check_name("task", task)
        return listed(self.backend, queue, state, task, most)

    def groups(self, most: int = 50) -> list[GroupInfo]:
        """Return up to `most` groups whose members are running, ready or delayed, in the order of their ids.

        A store has no list of groups: members are looked for among the first messages of the ten largest queues, so a
        group whose members stand further behind is left out. :meth:`group` knows each.

        Raises:
            ValidationError: `most` is no integer >= 1.
        """
        check_integer("most", most, 1, "Inspector.groups()")
        return groups_of(self.backend, most)

    def group(self, id: str) -> GroupInfo | None:  # noqa: A002
        """Return the group of this id; None if it is not stored: it was not submitted yet, or its `ttl` is over.

        Raises:
            ValidationError: It can't be the id of a group.
        """
        return group_of(self.backend, check_name("id", id))

    def find(self, uuid: str | HasUuid) -> MessageInfo | DeadInfo | None:
        """Return everything about a message, in any state and any queue; None if the store has nothing of it.

        A result is shown, and stays in the store.

        Args:
            uuid: Its uuid as text; or anything with a `uuid`, such as a message.

        Raises:
            ValidationError: It can't be the uuid of a message.
        """
        seen = sight(self.backend, _uuid_of(uuid))
        if not seen.known:
            return None
        (report,) = self.backend.messages.reports([seen.uuid], lines=True)
        if seen.letter is None:
            return message_info(seen, self.backend.serializer, report)
        fields, troubles = left_over(seen, self.backend.serializer)
        told, unreadable = reported(report, self.backend.serializer)
        more = {name: fields[name] for name in ("status", "status_at", "details")} | told
        troubles += unreadable
        return dead_info(seen.letter, self.backend.serializer, troubles, **more)

    def progress(self, uuids: Iterable[str]) -> dict[str, Progress]:
        """Return how far the tasks of these messages are, by uuid. Those that have told nothing are left out."""
        return progress_of(self.backend.messages, list(uuids))

    def why(self, uuid: str | HasUuid) -> Why:
        """Say why a message is not running; or that it is, where, and since when; or how it ended.

        Args:
            uuid: As for :meth:`find`.

        Raises:
            ValidationError: It can't be the uuid of a message.
        """
        return why(self.backend, _uuid_of(uuid))

    def limits(self) -> list[LimitInfo]:
        """Return the limits that messages name, in the order of their ids: how much of each is used up, and by whom.

        One that no stored message names may be left out.
        """
        return limits_of(self.backend.messages)

    def schedules(self) -> list[ScheduleInfo]:
        """Return all schedules, in alphabetical order of their names."""
        return schedules_of(self.backend)

    def schedule(self, name: str) -> ScheduleInfo | None:
        """Return the schedule of this name, and what its messages hold; None if there is none.

        Raises:
            ValidationError: The name is no text.
        """
        given: Any = name
        if not isinstance(given, str):
            raise ValidationError(f"Inspector.schedule({shown(name)}): must be text")
        return next(iter(schedules_of(self.backend, [name])), None)

    @overload
    def dead(
        self,
        group: Literal[False] = ...,
        *,
        queue: str | None = ...,
        task: str | None = ...,
        exception: str | None = ...,
        fingerprint: str | None = ...,
        since: int | None = ...,
        most: int | None = ...,
    ) -> list[DeadInfo]: ...

    @overload
    def dead(
        self,
        group: Literal[True],
        *,
        queue: str | None = ...,
        task: str | None = ...,
        exception: str | None = ...,
        fingerprint: str | None = ...,
        since: int | None = ...,
        most: int | None = ...,
    ) -> list[DeadGroup]: ...

    def dead(
        self,
        group: bool = False,
        *,
        queue: str | None = None,
        task: str | None = None,
        exception: str | None = None,
        fingerprint: str | None = None,
        since: int | None = None,
        most: int | None = None,
    ) -> list[DeadInfo] | list[DeadGroup]:
        """Return the dead letters that match all that is given, those that failed last at the end.

        Args:
            group: Return them in groups of one cause: those with the most dead letters first.
            queue: Only those of this queue.
            task: Only those of this task.
            exception: Only those with an exception of this name, such as ``"ValueError"``.
            fingerprint: Only those of this cause.
            since: Only those that failed then or later: Unix milliseconds.
            most: Read no more than so many dead letters, queue by queue, and leave out the others; None for all.

        Raises:
            ValidationError: One of these is of the wrong kind.
        """
        check_integer("most", most, 1, "Inspector.dead()", optional=True)
        choice = _checked(queue, task, exception, fingerprint, since)._replace(most=most)
        if group:
            return dead_groups(self.backend, choice)
        return sorted(dead_letters(self.backend, choice), key=lambda info: info.died_at)

    def iter_dead(
        self,
        *,
        queue: str | None = None,
        task: str | None = None,
        exception: str | None = None,
        fingerprint: str | None = None,
        since: int | None = None,
    ) -> Iterator[DeadInfo]:
        """Return an iterator over dead letters, for very many: read in batches, queue by queue, oldest first in each.

        The arguments are those of :meth:`dead`. What fails during the iteration in the queue that is being read is not
        among them.
        """
        return dead_letters(self.backend, _checked(queue, task, exception, fingerprint, since))

    def history(self, minutes: int = 60) -> list[HistoryInfo]:
        """Return what happened in the last minutes: one row for each minute, queue and task, in this order.

        The present minute is the last one. Counts are kept for 72 hours.

        Raises:
            ValidationError: `minutes` is no integer >= 1.
        """
        check_integer("minutes", minutes, 1, "Inspector.history()")
        return history_of(self.backend.messages, minutes)

    def minutes(self, minutes: int = 60, *, before: int | None = None) -> list[MinuteInfo]:
        """Return what happened in the last minutes in all queues together, minute by minute, the oldest first.

        It takes a fraction of the time of :meth:`history`.

        Args:
            minutes: How many minutes.
            before: Only those that began before this time (Unix milliseconds); by default the present one is the last.

        Raises:
            ValidationError: `minutes` is no integer >= 1, or `before` none >= 0.
        """
        check_integer("minutes", minutes, 1, "Inspector.minutes()")
        check_integer("before", before, 0, "Inspector.minutes()", optional=True)
        return minutes_of(self.backend.messages, minutes, before)


def _uuid_of(thing: str | HasUuid) -> str:
    return check_name("uuid", thing if isinstance(thing, str) else getattr(thing, "uuid", thing))


def _checked(
    queue: str | None, task: str | None, exception: str | None, fingerprint: str | None, since: int | None
) -> DeadFilter:
    names = {"queue": queue, "task": task, "exception": exception, "fingerprint": fingerprint}
    for name, value in names.items():
        given: Any = value
        if given is not None and not isinstance(given, str):
            raise ValidationError(f"{name}={shown(value)} of Inspector.dead(): must be text")
    check_integer("since", since, 0, "Inspector.dead()", optional=True)
    return DeadFilter(queue, task, exception, fingerprint, since)
