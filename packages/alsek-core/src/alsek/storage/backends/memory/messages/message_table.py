"""Everything that a :class:`~alsek.storage.backends.memory.MemoryBackend` keeps of messages and workers.

The modules beside this one are the phases of a step and the other operations. They are functions of the table, and
are called under the store's lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from alsek.storage.backends.memory.lanes import Lane
from alsek.storage.backends.memory.messages.groups.ends import GroupEnd
from alsek.storage.backends.memory.messages.groups.stored_group import StoredGroup
from alsek.storage.backends.memory.messages.limit_state import LimitState
from alsek.storage.backends.memory.messages.lines import LimitIds, Line
from alsek.storage.backends.memory.messages.queue import Queue
from alsek.storage.backends.memory.messages.registered_worker import RegisteredWorker
from alsek.storage.backends.memory.messages.sleeper import Sleeper
from alsek.storage.backends.memory.messages.stored_message import StoredMessage
from alsek.storage.backends.memory.messages.stored_report import StoredReport
from alsek.storage.backends.memory.messages.stored_schedule import StoredSchedule
from alsek.storage.backends.memory.messages.unique_keys import KeyState
from alsek.storage.backends.memory.results import MemoryResults
from alsek.storage.backends.memory.statuses import MemoryStatuses
from alsek.storage.backends.memory.store import ExpiringDict, MemoryStore
from alsek.storage.backends.records import DeadLetter, Pause, Submission, TaskStatus, Worker


class RememberedUuid(NamedTuple):
    """A message that has ended.

    Attributes:
        request: The request that submitted it.
        taken: True if its uuid is refused for now.
        stored_as: The uuid under which it was stored, if it took the place of another message; else empty.
    """

    request: str
    taken: bool
    stored_as: str = ""


class MessageTable:
    """All messages, dead letters and workers of a store.

    Args:
        store: The store.

    Attributes:
        store: Its lock guards this, and its clock and numbers are used.
        results: The results.
        statuses: The statuses.
        messages: The messages by uuid.
        queues: The same messages by queue; a queue without messages is not there.
        dead: The dead letters by queue and uuid, oldest first.
        remembered: The uuids of messages that have ended, for the dedup window.
        workers: The registered workers by id.
        sleepers: Those of them that may be pushed messages, by id; first the one whose last push or step was first.
        accepted: By the id of a retired worker the tokens that its retirement accepted, for the dedup window.
        gone_tasks: The tasks of workers that were forgotten less than their lease ago.
        pauses: The paused queues.
        groups: The groups by id.
        group_ends: What this operation has ended, and groups are still to count.
        history: What was counted, by minute, queue and task.
        keys: The unique keys that are held, each until its window ends if only that is left.
        limits: The limits that are used or waited for, each until its last start is out of the window if nothing else
            is left of it.
        lines: The lines of messages that wait for limits, by the ids of these.
        noted_limits: The limits in which a place may have become free in this operation, or at which a line stands now.
        postponed_limits: Those that are to be noted in the next step of a worker.
        reports: What is kept of reports, by the uuid of the message.
        schedules: The schedules by name.
        schedules_moved: True if this operation has made an offer of a schedule earlier than it was.
        last_contact: When a worker last reached the store.
        woken_lanes: The lanes whose sleeping workers are to be woken at the end of this operation.
        on_stored: Called with each new message; None for nothing.
    """

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.on_stored: Callable[[Submission], object] | None = None
        self.results = MemoryResults(store)
        self.statuses = MemoryStatuses(store)
        self.messages: dict[str, StoredMessage] = {}
        self.queues: dict[str, Queue] = {}
        self.dead: ExpiringDict[tuple[str, str], DeadLetter] = ExpiringDict(store.clock)
        self.remembered: ExpiringDict[str, RememberedUuid] = ExpiringDict(store.clock)
        self.workers: dict[str, RegisteredWorker] = {}
        self.sleepers: dict[str, Sleeper] = {}
        self.accepted: ExpiringDict[str, frozenset[int]] = ExpiringDict(store.clock)
        self.gone_tasks: ExpiringDict[str, None] = ExpiringDict(store.clock)
        self.pauses: dict[str, Pause] = {}
        self.groups: ExpiringDict[str, StoredGroup] = ExpiringDict(store.clock)
        self.group_ends: deque[GroupEnd] = deque()
        self.history: dict[tuple[int, str, str], str] = {}
        self.keys: ExpiringDict[str, KeyState] = ExpiringDict(store.clock)
        self.limits: ExpiringDict[str, LimitState] = ExpiringDict(store.clock)
        self.lines: dict[LimitIds, Line] = {}
        self.noted_limits: set[str] = set()
        self.postponed_limits: set[str] = set()
        self.reports: ExpiringDict[str, StoredReport] = ExpiringDict(store.clock)
        self.schedules: dict[str, StoredSchedule] = {}
        self.schedules_moved = False
        self.last_contact = store.clock()
        self.woken_lanes: dict[Lane, None] = {}

    def wake(self, lane: Lane) -> None:
        """Note a lane whose sleeping workers are to be woken.

        Something has become ready in it, or one of its messages is now the first of all that are delayed.
        """
        self.woken_lanes[lane] = None

    def let_sleep(self, lane: Lane) -> None:
        """Wake nobody for a lane: what became ready in it was pushed."""
        del self.woken_lanes[lane]

    def find(self, queue: str, uuid: str) -> StoredMessage | None:
        """Return the message of this uuid, if it is in this queue."""
        message = self.messages.get(uuid)
        return message if message is not None and message.queue == queue else None

    def queues_of(self, worker: Worker) -> list[Queue]:
        """Return the queues that have messages and that a worker may take from, in its order."""
        names = (
            sorted(self.queues) if worker.queues is None else [*worker.queues, *self._others_aside(worker)]
        )
        return [self.queues[name] for name in names if name in self.queues and name not in self.pauses]

    def _others_aside(self, worker: Worker) -> list[str]:
        """Return the queues that a worker does not serve, and that hold something that is set aside for it."""
        registered = self.workers.get(worker.id)
        own = worker.queues or ()
        if registered is None:
            return []
        return sorted(
            name
            for name, queue in self.queues.items()
            if name not in own
            and any(lane.task and registered.takes_aside(lane.task, name) for lane in queue.lanes)
        )

    def held_by(self, worker: Worker) -> list[StoredMessage]:
        """Return the messages that a worker holds, oldest claim first."""
        registered = self.workers.get(worker.id)
        return [] if registered is None else list(registered.claims.values())

    def set_status(self, message: StoredMessage, status: TaskStatus) -> None:
        """Write and publish a message's status, if it is tracked."""
        if message.submission.status_ttl:
            self.statuses.put(message.uuid, status, ttl=message.submission.status_ttl)

    def clear(self) -> int:
        """Delete everything; return how many messages, dead letters and groups that were."""
        deleted = len(self.messages) + self.dead.clear() + self.groups.clear()
        self.messages.clear()
        self.queues.clear()
        self.remembered.clear()
        self.workers.clear()
        self.sleepers.clear()
        self.accepted.clear()
        self.gone_tasks.clear()
        self.pauses.clear()
        self.history.clear()
        self.keys.clear()
        self.limits.clear()
        self.lines.clear()
        self.noted_limits.clear()
        self.postponed_limits.clear()
        self.reports.clear()
        self.schedules.clear()
        self.woken_lanes.clear()
        return deleted
