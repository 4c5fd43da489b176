"""One worker group, as the supervisor sees it: its process and its shared state."""

from __future__ import annotations

from typing import Final

from alsek.core.worker.child_process import ChildProcess
from alsek.core.worker.group.options import WorkerGroupOptions
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.supervisor.recovery import DeathReport
from alsek.storage.backends.records import Worker

#: A group is killed if it has not ended one of its tasks this long after the task's deadline.
UNRESPONSIVE_AFTER_MS: Final = 4_000
#: A group whose engine is waiting for the store gets this long from the start of the call. After the call it enforces
#: deadlines itself; `BackendUnavailableError` ends a call within 7.5 s.
_STORE_CALL_MS: Final = 8_000
#: How long processes that an ended group has left behind get to end.
_DESCENDANTS_MS: Final = 2_000


class GroupHandle:
    """A worker group. All times are monotonic ms.

    Attributes:
        child: Its process.
        state: What it writes for the supervisor.
        options: What it was started with.
        started_at: When it was started.
        stopping: It was told to stop.
        descendants_until: When it counts as ended although processes below it still run; None while its own process
            runs.
        overdue_tokens: Claim tokens of the tasks for which it was killed.
    """

    def __init__(
        self, child: ChildProcess, state: SharedState, options: WorkerGroupOptions, started_at: int
    ) -> None:
        self.child = child
        self.state = state
        self.options = options
        self.started_at = started_at
        self.stopping = False
        self.descendants_until: int | None = None
        self.overdue_tokens: frozenset[int] = frozenset()

    @property
    def is_regular(self) -> bool:
        """True if it serves all messages and was not told to stop."""
        return not self.stopping and not self.options.suspects_only

    def has_ended(self, now: int) -> bool:
        """Return True once every process below an exited group has ended too, or was given time to.

        Its messages are released after that: released earlier, they could run twice at once.
        """
        if not self.options.isolated or self.child.at_eof:
            return True
        if self.descendants_until is None:
            self.descendants_until = now + _DESCENDANTS_MS
        return now >= self.descendants_until

    @property
    def unresponsive_at(self) -> int | None:
        """When the group is to be killed unless it has ended its most overdue task by then; None for never."""
        if self.overdue_tokens or self.options.wait_for_threads:
            return None
        deadlines = [entry.deadline for entry in self.state.claims() if entry.running]
        if not deadlines:
            return None
        store_since = self.state.in_store_since
        return max(min(deadlines) + UNRESPONSIVE_AFTER_MS, store_since + _STORE_CALL_MS if store_since else 0)

    def kill_unresponsive(self, now: int) -> int:
        """Kill the group because of its overdue tasks, and return their number."""
        overdue = [
            e.token for e in self.state.claims() if e.running and now >= e.deadline + UNRESPONSIVE_AFTER_MS
        ]
        self.overdue_tokens = frozenset(overdue)
        self.child.signal(9)
        return len(overdue)

    def stop(self) -> None:
        """Tell it to stop once its running tasks have ended."""
        self.stopping = True
        self.state.stopping = 1
        self.child.signal(15)

    def death_report(self, worker: Worker, *, by_stop: bool) -> DeathReport:
        """Report what the group held when it died.

        Args:
            worker: What it was registered as.
            by_stop: The pool was stopping and killed it, so no message is to blame.
        """
        inside = past = frozenset[int]()
        unclaimed = 0
        if not by_stop:
            entries = self.state.claims()
            # A task that runs in a process of its own can't have ended the group.
            shared = not self.options.isolated
            inside = frozenset(entry.token for entry in entries if entry.in_user_code and shared)
            past = frozenset(e.token for e in entries if e.in_user_code or e.past_user_code) - inside
            unclaimed = self.state.unclaimed_in_user_code if shared else 0
        return DeathReport(
            worker=worker,
            exit_description=self.child.exit_description,
            overdue=self.overdue_tokens,
            in_user_code=inside,
            past_user_code=past,
            by_stop=by_stop,
            unclaimed=unclaimed,
        )
