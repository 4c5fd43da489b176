"""Processes that end, one after another, messages which will not run: revoked, expired, or lost too often.

Ending a message calls hooks of the user's, so a task process does it and not the engine. A process for each would
cost a fork, which takes far longer. With ``tasks_per_process=1`` such messages therefore *share* processes:

- The claim alone says that a message will not run. A message that is found unreadable, or to be of an unknown task,
  only once it is opened has a process of its own, and so has one that is charged with the death of its process.
- A process that has ended one is given further ones only: it never runs a task. It exits after :data:`MOST_SHARING` of
  them, or when none comes for :data:`IDLE_MS`.
- It is sent one at a time, and the next when it has answered and has sent the notices. So it holds no message but the
  one that it ends: when it dies or hangs, no other has to be taken back, and behind a slow hook none waits. A message
  takes up a slot while it is being ended, as each does while it runs, under its own timeout; with quick hooks that is
  about a millisecond.
- If it dies over a message and has ended others before, these may have left behind what killed it: a thread, an alarm.
  The message is ended once more, by a process of its own. Only if that one dies too is it charged.

With a larger `tasks_per_process` none of this applies: those processes serve many messages of any kind.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from alsek.core.clock import monotonic_ms
from alsek.core.worker.process_executor.task_process import TaskProcess

#: How many messages one process ends.
MOST_SHARING: Final = 100
#: How long a process waits for the next of them. The engine claims it only after it has reported the last one.
IDLE_MS = 500


class SharedProcesses:
    """The shared processes that have nothing to do, each with the time until which it waits (monotonic ms)."""

    def __init__(self) -> None:
        self._idle: deque[tuple[int, TaskProcess]] = deque()

    def __len__(self) -> int:
        return len(self._idle)

    def add(self, process: TaskProcess) -> None:
        """Keep a process for a further message."""
        self._idle.append((monotonic_ms() + IDLE_MS, process))

    def take(self) -> TaskProcess:
        """Remove and return the one that was busy last: if there are too many, the others exit."""
        return self._idle.pop()[1]

    def discard(self, process: TaskProcess) -> None:
        """Forget a process that has exited."""
        self._idle = deque(each for each in self._idle if each[1] is not process)

    def take_overdue(self, now: int) -> list[TaskProcess]:
        """Remove and return those that have waited long enough."""
        overdue = []
        while self._idle and now >= self._idle[0][0]:
            overdue.append(self._idle.popleft()[1])
        return overdue

    @property
    def next_overdue(self) -> int | None:
        """When the next one has waited long enough (monotonic ms); None if there are none."""
        return self._idle[0][0] if self._idle else None
