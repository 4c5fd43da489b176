"""One store of a test: the messages that were submitted to it, and a worker's session with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from alsek.core.broker import Broker
from alsek.core.execution.facts import can_fire, worker_facts
from alsek.core.execution.session import WorkerSession
from alsek.core.message import Message
from alsek.core.schedules.declaring_workers import names_declared
from alsek.core.task import AnyTask
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import (
    Claimed,
    Lost,
    Outcome,
    ScheduleRecord,
    SetAside,
    Step,
    Submission,
    Worker,
)
from alsek.testing.failures import Failures
from alsek.testing.lifecycle import Lifecycle, Run

if TYPE_CHECKING:
    from alsek.core.schedules.definition import Definition

#: The lease of the worker: no test moves its clock so far.
_LEASE_MS: Final = 1_000 * 365 * 86_400_000


class TestStore:
    """A store, and the worker that runs its messages one by one.

    Args:
        memory: Where everything is kept.
        broker: One of its brokers.
        failures: The failures that the test has asked for.
    """

    __test__ = False

    def __init__(self, memory: MemoryBackend, broker: Broker, failures: Failures) -> None:
        self.memory = memory
        self.broker = broker
        self.tasks: dict[str, AnyTask] = {}
        self.submitted: list[Message] = []
        #: When the next message is due, on the test's clock; None if nothing is delayed.
        self.due: int | None = None
        memory.on_stored = self._note
        self._session = WorkerSession(
            broker.backend,
            Worker("", "any", None, _LEASE_MS, broker.dlq_ttl or 0, "freely"),
            worker_facts(()),
        )
        self._session.register()
        self.lifecycle = Lifecycle(self._session, broker, self.tasks, failures)

    def _note(self, submission: Submission) -> None:
        serializer = self.broker.backend.serializer
        self.submitted.append(
            Message.unpack(submission.uuid, submission.queue, submission.payload, serializer)
        )

    def add(self, tasks: Iterable[AnyTask]) -> None:
        """Have the worker run these tasks too, and store the schedules that they declare."""
        added = list(tasks)
        self.tasks |= {task.name: task for task in added}
        declared = [name for name, task in self.tasks.items() if task.declared_schedule is not None]
        facts = worker_facts(self.tasks, 1, fires=can_fire(), schedules=declared)
        self.memory.messages.register(self._session.worker, facts)
        if declared:
            from alsek.core.schedules.put import put_declared  # here: it imports APScheduler

            put_declared(self.broker, added)

    def claim(self) -> Claimed | None:
        """Claim the next message; None if none is ready. Schedules that are due are fired before."""
        while True:
            step = self._step(None, 1)
            for claimed in step.claimed:
                return claimed
            if not step.schedules:
                return None
            self._fire(step.schedules)

    def settle(self, run: Run) -> bool:
        """Tell the store how a message ended, and return False if it did not accept that, or if nothing ended."""
        step = self._step(run.outcome, 0)
        uuid = run.claimed.uuid
        return uuid in step.failed if type(run.outcome) is SetAside else uuid not in step.refused

    def lose(self, claimed: Claimed) -> None:
        """Tell the store that the process died that ran a message."""
        self._step(Lost(claimed.uuid, claimed.queue, claimed.token), 0)

    def _step(self, outcome: Outcome | None, limit: int) -> Step:
        step = self._session.step(() if outcome is None else (outcome,), {"any": limit})
        self.due = None if step.next_due is None else self.memory.messages.now() + step.next_due
        return step

    def _fire(self, names: tuple[str, ...]) -> None:
        from alsek.core.schedules.firing import Firing

        messages = self.memory.messages

        def may_fire(record: ScheduleRecord, definition: Definition) -> bool:
            return not definition.declared or record.name in names_declared(
                messages.workers(), messages.now()
            )

        Firing(self.broker).fire(names, may_fire)

    def close(self) -> None:
        """End the worker."""
        self._session.retire()
