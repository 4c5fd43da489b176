"""A group, as its supervisor sees it: a child, and the board that it writes."""

from __future__ import annotations

from alsek.core.clock import real_time as time
from alsek.core.worker.child_process import ChildProcess
from alsek.core.worker.group.group import WorkerGroupOptions
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.supervisor.recovery import DeathReport
from alsek.storage.backends.records import Worker

#: A task that its own group can't stop costs the group its life so long (ms) after the deadline.
WEDGED_AFTER = 4_000
#: But an engine that waits for the store may be kept so long (ms) by one that hangs, and then does its duty itself:
#: `BackendUnavailableError` comes within 7.5 s.
STORE_HANGS = 8_000

#: What was started below an ended group gets so long (s) to end.
_LAST_BREATH = 2.0


class GroupHandle:
    """A group.

    Attributes:
        child: Its process.
        board: What it writes.
        options: What it was told.
        born: When it was started (s, monotonic).
        leaving: It was asked to end.
        over_at: When it counts as over although something below it lives on; None while its process lives.
        wedged_tokens: Of the tasks for which it was killed.
    """

    def __init__(self, child: ChildProcess, board: SharedState, options: WorkerGroupOptions) -> None:
        self.child = child
        self.board = board
        self.options = options
        self.born = time.monotonic()
        self.leaving = False
        self.over_at: float | None = None
        self.wedged_tokens: frozenset[int] = frozenset()

    @property
    def stays(self) -> bool:
        """Whether it serves all messages, and was not asked to end."""
        return not self.leaving and not self.options.suspects_only

    def is_over(self) -> bool:
        """Whether all that an ended group has started has ended too: what is given back earlier runs twice at once."""
        if not self.options.isolated or self.child.at_eof:
            return True
        if self.over_at is None:
            self.over_at = time.monotonic() + _LAST_BREATH
        return time.monotonic() >= self.over_at

    @property
    def wedged_at(self) -> int | None:
        """When the group must have ended the first of its tasks, or be killed for it (monotonic ms)."""
        if self.wedged_tokens or self.options.patient:
            return None
        deadlines = [entry.deadline for entry in self.board.held() if entry.running]
        if not deadlines:
            return None
        store_since = self.board.in_store_since
        return max(min(deadlines) + WEDGED_AFTER, store_since + STORE_HANGS if store_since else 0)

    def kill_wedged(self, now: int) -> int:
        """Kill it for its tasks that are overdue `now` (monotonic ms); how many they are."""
        overdue = [e.token for e in self.board.held() if e.running and now >= e.deadline + WEDGED_AFTER]
        self.wedged_tokens = frozenset(overdue)
        self.child.signal(9)
        return len(overdue)

    def dismiss(self) -> None:
        """Ask it to end."""
        self.leaving = True
        self.board.stopping = 1
        self.child.signal(15)

    def death(self, worker: Worker, *, by_stop: bool) -> DeathReport:
        """What its death means for what it held as this worker.

        Args:
            worker: Under which id it held them.
            by_stop: The pool's own stop has killed it: nobody is to blame, all is given back as if nothing had been.
        """
        live = finished = frozenset[int]()
        strangers = 0
        if not by_stop:
            entries = self.board.held()
            # A group whose tasks have processes of their own was not ended by one of them.
            shared = not self.options.isolated
            live = frozenset(entry.token for entry in entries if entry.live and shared)
            finished = frozenset(entry.token for entry in entries if entry.live or entry.over) - live
            strangers = self.board.strangers if shared else 0
        return DeathReport(
            worker=worker,
            ending=self.child.exit_description,
            overdue=self.wedged_tokens,
            live=live,
            finished=finished,
            by_stop=by_stop,
            strangers=strangers,
        )
