"""Recovering the messages of a group that died.

Runs in a child of the supervisor, since it may call the user's ``do_retry`` and hooks, and the store may be
unreachable. The message that caused the death is *charged*: it fails with an exception. If the cause is unknown, all
running messages come back as suspects. All others are given back unchanged.
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import signal
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Final, NamedTuple

from alsek.core.clock import monotonic_ms, real_time
from alsek.core.execution.log_capture import capture_logs
from alsek.core.execution.notices import Notice, send_notice
from alsek.core.loggers import guarded_logger
from alsek.core.worker.charging import conclude_charged
from alsek.core.worker.child_process import ParentPipes
from alsek.core.worker.contexts import Contexts
from alsek.core.worker.forking import disown_forks
from alsek.core.worker.losing import log_and_report_lost
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.signals import ignore_signal, leave_stop_to_supervisor
from alsek.core.worker.supervisor.recovery_counts import hand_over_counts
from alsek.core.worker.unknown_tasks import UnknownTasks
from alsek.exceptions import (
    BackendError,
    TaskError,
    TaskTimeoutError,
    WorkerLostError,
)
from alsek.storage.backends.records import Claimed, Lost, Outcome, Report, SetAside, Worker

log = guarded_logger(__name__)

#: How many messages one log line names.
_MOST_NAMED: Final = 20
#: The pause before a call to an unreachable store is tried again.
_AGAIN_S: Final = 0.2


class DeathReport(NamedTuple):
    """A group that ended without having unregistered from the store.

    Attributes:
        worker: What it was registered as.
        exit_description: How its process ended, in words.
        overdue: Claim tokens of the tasks past their deadline for which it was killed.
        in_user_code: Claim tokens of the messages for which user code may have been running: the task, or what comes
            before and after it (serializer, trackers, hooks).
        past_user_code: Claim tokens of the messages for which user code had run to its end, unreported.
        unclaimed: For how many messages that it no longer held user code may still have been running: in an abandoned
            thread, or in a call to a tracker.
        by_stop: The stopping pool killed it, so no message is to blame.
    """

    worker: Worker
    exit_description: str
    overdue: frozenset[int]
    in_user_code: frozenset[int]
    past_user_code: frozenset[int]
    unclaimed: int = 0
    by_stop: bool = False

    def charge_for(self, claimed: Claimed) -> TaskError | None:
        """Return the exception that a message fails with; None if it did not cause the death, or that is unknown."""
        where = f"the process that ran message {claimed.uuid!r} {self.exit_description}"
        if claimed.token in self.overdue:
            return TaskTimeoutError(f"{where}: its task did not end after the timeout")
        if claimed.token in self.in_user_code and not self.overdue and not self.leaves_suspects:
            return WorkerLostError(where)
        return None

    def is_suspect(self, claimed: Claimed) -> bool:
        """Return True if this message, like others, may have caused the death."""
        return claimed.token in self.in_user_code and self.leaves_suspects

    @property
    def leaves_suspects(self) -> bool:
        """True if the cause is unknown: user code was running for more than one message."""
        return bool(self.in_user_code) and not self.overdue and len(self.in_user_code) + self.unclaimed > 1


class Recovery:
    """Decides the outcome of each message that a dead group held, and reports it to the store.

    Args:
        pool: The pool's options.
        death: The death.
        with_hooks: Call the task's own ``do_retry`` and hooks; else `max_retries` alone decides.
    """

    def __init__(self, pool: PoolOptions, death: DeathReport, *, with_hooks: bool) -> None:
        self._pool = pool
        self._death = death
        self._with_hooks = with_hooks
        #: Of each charged or lost message, by its uuid, with the context in which they are sent.
        self._notices: dict[str, tuple[Context, list[Notice]]] = {}
        #: The names of their tasks.
        self._task_names: dict[str, str] = {}
        #: What the hooks have told of the messages, by their tokens.
        self._reports: dict[int, Sequence[Report]] = {}
        #: The messages of unknown tasks, by uuid.
        self._claims: dict[str, Claimed] = {}
        #: The tokens of the claims that were decided about; None before the store has told of any.
        self._decided: set[int] | None = None
        self._unknown_tasks = UnknownTasks()
        self._contexts = Contexts()
        self._completed = mmap.mmap(-1, 1)

    def main(self, inherited: ParentPipes) -> int:
        """Run in the child, whatever signals come."""
        leave_stop_to_supervisor()
        signal.signal(signal.SIGTERM, ignore_signal)
        disown_forks(ignore_signal)
        if self._with_hooks:
            capture_logs(self._pool.tasks)
        self.recover()
        self._completed[0] = 1
        return 0

    @property
    def completed(self) -> bool:
        """True if the child has come to the end. The exit code does not show it: a hook may exit with any."""
        return bool(self._completed[0])

    def recover(
        self, clock: Callable[[], int] = monotonic_ms, sleep: Callable[[float], None] = real_time.sleep
    ) -> None:
        """Report all outcomes. Waits up to two leases for an unreachable store: others have taken over by then.

        If a part of the store is away, what was held in the others is reported at once.

        Args:
            clock: Returns monotonic ms.
            sleep: Sleeps for a number of seconds.
        """
        deadline = clock() + 2 * self._pool.lease
        outcomes: list[Outcome] = []
        refused: Sequence[str] = ()
        sent = False
        while True:
            try:
                outcomes += self._outcomes()
                again, sent = sent, True
                refused = self._pool.broker.backend.messages.retire(
                    self._death.worker, self._with_reports(outcomes)
                )
            except BackendError as error:
                if clock() > deadline:
                    log.error(
                        "The messages of a process that died could not be given back; its lease has ended: %s",
                        error,
                    )
                    return
                sleep(_AGAIN_S)
            else:
                # If an earlier reply was lost, the store refuses every outcome, accepted or not. A status that is
                # reported twice is better than one that is never reported.
                taken = [outcome for outcome in outcomes if again or outcome.uuid not in refused]
                ended = [outcome for outcome in taken if self._has_ended(outcome)]
                names = self._task_names
                hand_over_counts(
                    self._pool, self._death.worker, [(names.get(each.uuid, ""), each) for each in ended]
                )
                self._report(ended)
                return

    def _with_reports(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return outcomes, each after what the hooks have told of its message."""
        return [told for each in outcomes for told in (*self._reports.get(each.token, ()), each)]

    def _has_ended(self, outcome: Outcome) -> bool:
        """Return False if the store has set a message aside whose task this pool does not have."""
        if not isinstance(outcome, SetAside):
            return True
        failed = False
        with contextlib.suppress(BackendError):
            messages = self._pool.broker.backend.messages
            failed = messages.dead_letter(outcome.queue, outcome.uuid) is not None
        self._unknown_tasks.log(self._claims[outcome.uuid], outcome, failed=failed)
        return failed

    def _report(self, outcomes: Sequence[Outcome]) -> None:
        """Send the notices of these outcomes: to trackers that the store does not write itself, and to middleware.

        These are user code, like hooks.
        """
        for outcome in outcomes:
            if outcome.uuid in self._notices:
                context, notices = self._notices[outcome.uuid]
                for notice in notices:
                    context.run(send_notice, notice)

    def _outcomes(self) -> list[Outcome]:
        """The outcomes of what the group held, but for what was decided about by an earlier call."""
        held = self._pool.broker.backend.messages.held(self._death.worker)
        if self._decided is not None:
            held = [claimed for claimed in held if claimed.token not in self._decided]
            if not held:
                return []
        self._decided = (self._decided or set()) | {claimed.token for claimed in held}
        outcomes = [outcome for claimed in held if (outcome := self._outcome(claimed)) is not None]
        if self._death.by_stop:
            log.warning(
                "Stopping: a process %s. It gives back %s, with no retry and no loss charged.",
                self._death.exit_description,
                _named(held),
            )
            return outcomes
        log.error(
            "A process %s while it held %d messages: %d are charged, %d suspected, the others given back.",
            self._death.exit_description,
            len(held),
            sum(not isinstance(outcome, (Lost, SetAside)) for outcome in outcomes),
            sum(isinstance(outcome, Lost) and outcome.suspect for outcome in outcomes),
        )
        return outcomes

    def _outcome(self, claimed: Claimed) -> Outcome | None:
        """Return the outcome of one message; None to give it back unchanged, as :meth:`MessagePort.retire` does."""
        error = self._death.charge_for(claimed)
        context, worker = self._contexts.fresh(), self._death.worker
        if error is not None:
            decide = functools.partial(conclude_charged, with_hooks=self._with_hooks)
            charged = context.run(decide, self._pool, worker, claimed, error)
            self._notices[claimed.uuid] = context, charged.notices
            self._task_names[claimed.uuid] = charged.task_name
            self._reports[claimed.token] = charged.reports
            if isinstance(charged.outcome, SetAside):
                self._claims[claimed.uuid] = claimed
            return charged.outcome
        suspect = self._death.is_suspect(claimed)
        if not suspect and claimed.token not in self._death.past_user_code:
            return None
        if self._with_hooks:
            lost = context.run(log_and_report_lost, self._pool, worker, claimed)
            self._notices[claimed.uuid] = context, lost.notices
            self._task_names[claimed.uuid] = lost.task_name
        return Lost(claimed.uuid, claimed.queue, claimed.token, suspect=suspect)


def _named(held: Sequence[Claimed]) -> str:
    """Return how many messages these are, and the uuids and queues of the first."""
    names = ", ".join(f"{claimed.uuid} of queue {claimed.queue!r}" for claimed in held[:_MOST_NAMED])
    more = ", …" if len(held) > _MOST_NAMED else ""
    return f"{len(held)} messages ({names}{more})" if held else "nothing"
