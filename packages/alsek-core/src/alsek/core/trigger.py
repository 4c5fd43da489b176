"""Submitting tasks with a trigger. APScheduler does the timing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from alsek.core.background_thread import Background
from alsek.core.clock import now_ms
from alsek.core.identifiers import new_uuid
from alsek.core.message import Message
from alsek.core.schedules.template import message_of_tick, template_of
from alsek.exceptions import BackendError, MessageAlreadyExistsError, SchedulingError

if TYPE_CHECKING:
    from apscheduler.schedulers.background import BackgroundScheduler
    from apscheduler.triggers.base import BaseTrigger


def ticks(first: Message) -> Iterator[Message]:
    """Yield `first`, then without end copies of it, as its descendants. What follows them has new uuids and ids, too.

    A store would skip callbacks, and groups, with those of the first one's.
    """
    yield first
    while True:
        message = message_of_tick(template_of(first), new_uuid(), now_ms(), first.delay)
        message.progenitor_uuid = first.uuid
        yield message


class TriggerScheduler:
    """Submits a message each time the trigger fires, in a background thread, between :meth:`start` and :meth:`clear`.

    A schedule belongs to the process that started it, because a forked child does not have the thread. In the child
    nothing is scheduled; it may start a schedule of its own, and the parent's goes on.

    Args:
        name: The name of the task, for errors.
        trigger: The trigger.
    """

    def __init__(self, name: str, trigger: BaseTrigger) -> None:
        self.name = name
        self.trigger = trigger
        self._reset()

    def _reset(self) -> None:
        self._scheduler: BackgroundScheduler | None = None
        self._job: Any = None
        self._background: Background | None = None
        self._one_at_a_time = threading.Lock()
        self._pid = os.getpid()

    @property
    def started(self) -> bool:
        """True if a schedule was started in this process and has not ended; also while it is paused."""
        if self._pid != os.getpid():
            self._reset()
        return self._job is not None and self._running().get_job(self._job.id) is not None

    def start(self, submit: Callable[[Message], None], ticks: Iterator[Message]) -> None:
        """Submit the next of `ticks` each time the trigger fires, and one that the store did not take again."""
        unsent: list[Message] = []
        one_at_a_time = self._one_at_a_time

        def taken(message: Message) -> bool:
            """Submit a message again; True if the store has it already, since only the reply was lost."""
            try:
                submit(message)
            except MessageAlreadyExistsError:
                return True
            return False

        def tick() -> None:
            with one_at_a_time:
                if unsent and not taken(unsent[0]):
                    unsent.clear()
                    return
                unsent.clear()
                message = next(ticks)
                try:
                    submit(message)
                except BackendError:  # logged by the background thread
                    unsent.append(message)
                    raise

        if self._background is not None:  # of a trigger that has ended
            self._background.stop(drop_waiting=False)
        self._background = Background(tick, f"trigger of task {self.name}")
        # A late tick is made up for once; none is dropped because the one before is still being submitted.
        self._job = self._running().add_job(
            self._background.request,
            trigger=self.trigger,
            name=self.name,
            misfire_grace_time=None,
            coalesce=True,
        )

    def pause(self) -> None:
        """Submit nothing until :meth:`resume`."""
        self._current().pause()

    def resume(self) -> None:
        """Submit again after :meth:`pause`."""
        self._current().resume()

    def clear(self) -> None:
        """End the schedule."""
        if self.started:
            self._current().remove()
        self._job = None
        if self._background is not None:
            self._background.stop()
            self._background = None

    def shutdown(self) -> None:
        """End the schedule and the thread."""
        mine = self._pid == os.getpid()
        scheduler, background = (self._scheduler, self._background) if mine else (None, None)
        self._reset()
        if background is not None:
            background.stop()
        if scheduler is not None:
            scheduler.shutdown(wait=False)

    def _current(self) -> Any:
        if not self.started:
            raise SchedulingError(f"task {self.name!r} is not scheduled: generate() it first")
        return self._job

    def _running(self) -> BackgroundScheduler:
        if self._scheduler is None:
            try:
                from apscheduler.executors.debug import DebugExecutor
                from apscheduler.schedulers.background import BackgroundScheduler
            except ModuleNotFoundError as error:
                raise ModuleNotFoundError(
                    "triggers need APScheduler: pip install 'alsek-core[triggers]'", name="apscheduler"
                ) from error

            # The job only puts a request into a queue, so the scheduler's own thread runs it.
            self._scheduler = BackgroundScheduler(executors={"default": DebugExecutor()})
            self._scheduler.start()
        return self._scheduler
