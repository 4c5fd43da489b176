"""Tells the supervisor of a pool with `burst` when a group has nothing to do.

A group is *empty* at a step that reports nothing, is sent while the group holds nothing, claims nothing, and leaves
nothing that the group may take. It holds nothing from when that step is sent until it sends the next one. A schedule
that it fires counts as something that it holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alsek.core.execution.session import WorkerSession
from alsek.core.worker.engine.claim_policy import ClaimPolicy
from alsek.core.worker.engine.executor import Executor
from alsek.core.worker.scheduling.firing_threads import FiringThreads
from alsek.core.worker.shared_state import SharedState
from alsek.storage.backends.records import Step


class EmptyReport:
    """Writes to the shared state when the last step was sent, if the group was empty.

    Args:
        session: Sends the steps.
        executor: Runs the group's jobs.
        state: Shared with the supervisor.
        policy: Is told to claim again at once, if the next step may find the group empty.
        notify_supervisor: Makes the supervisor read the shared state.
        firing: Fires schedules; None if this worker fires none.
    """

    def __init__(
        self,
        session: WorkerSession,
        executor: Executor[Any],
        state: SharedState,
        policy: ClaimPolicy,
        notify_supervisor: Callable[[], None],
        firing: FiringThreads | None = None,
    ) -> None:
        self._session = session
        self._executor = executor
        self._state = state
        self._policy = policy
        self._notify_supervisor = notify_supervisor
        self._firing = firing
        self._sent_at = 0
        self._holds_nothing = False
        self._reports = False

    def before_step(self, now: int, *, reports: bool) -> None:
        """A step is sent `now` (monotonic ms)."""
        self._state.empty_at = 0
        self._sent_at = now
        self._reports = reports
        # The answer to a step that is sent again may be an old one.
        self._holds_nothing = (
            not reports
            and not self._executor.in_flight
            and not self._session.unanswered
            and not (self._firing is not None and self._firing.hold_up_end(now))
        )

    def after_step(self, step: Step) -> None:
        """Take in the answer to that step."""
        if step.unknown is not None:
            return  # there may be messages in the part of the store that is away
        # What is due and was not promoted yet counts as ready; what is due later does not.
        if step.claimed or step.waiting or step.suspects or step.schedules or step.next_due == 0:
            return
        if self._holds_nothing and self._policy.sees_all:
            self._state.empty_at = self._sent_at
            self._notify_supervisor()
        elif self._holds_nothing or (self._reports and not self._executor.in_flight):
            self._policy.claim_again()
