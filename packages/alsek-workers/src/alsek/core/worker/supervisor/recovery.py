"""What becomes of the messages of a process that died.

Runs in a fresh child of the supervisor: deciding may take the user's ``do_retry`` and hooks, and the store may be away;
the supervisor does neither. Whoever was to blame is *charged*, by the exception that it earned; those that ran
beside it when nobody can tell who it was come back as suspects; all others come back as if nothing had been.
"""

from __future__ import annotations

import functools
import mmap
import signal
from collections.abc import Sequence
from typing import NamedTuple

from alsek.core.clock import real_time as time
from alsek.core.execution.status_reports import StatusReport, send_report
from alsek.core.loggers import guarded_logger
from alsek.core.worker.charging import conclude_charged
from alsek.core.worker.child_process import ParentPipes
from alsek.core.worker.contexts import Contexts
from alsek.core.worker.forking import disown_forks
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.signals import ignore_signal, leave_stop_to_supervisor
from alsek.exceptions import (
    BackendError,
    TaskError,
    TaskTimeoutError,
    WorkerLostError,
)
from alsek.storage.backends.records import Claimed, Lost, Outcome, Worker

log = guarded_logger(__name__)

#: How long the user's hooks may take; then the message is settled without them.
PATIENCE = 5.0

#: So many messages are named in one line of the log.
_MOST_NAMED = 20


class DeathReport(NamedTuple):
    """A process that has ended without handing back what it held.

    Attributes:
        worker: Under which id it worked.
        ending: How it ended, in words.
        overdue: Tokens of tasks that ran past their deadline, and cost the process its life.
        live: Tokens of messages for which code of the user's may have run when it died: the task, or what comes before
            and after it (serializer, trackers, hooks).
        finished: Tokens of messages for which such code had run to its end, but whose outcome was not reported.
        strangers: For how many messages that it did not hold any more such code may have run: in a thread that was
            given up, or that told a tracker.
        by_stop: It ended after the pool was told to stop: that is nobody's fault, and no news to alarm anyone.
    """

    worker: Worker
    ending: str
    overdue: frozenset[int]
    live: frozenset[int]
    finished: frozenset[int]
    strangers: int = 0
    by_stop: bool = False

    def blame(self, claimed: Claimed) -> TaskError | None:
        """The exception that a message is charged with; None if it is not to blame, or not it alone."""
        where = f"the process that ran message {claimed.uuid!r} {self.ending}"
        if claimed.token in self.overdue:
            return TaskTimeoutError(f"{where}: its task did not let go after the timeout")
        if claimed.token in self.live and not self.overdue and not self.leaves_suspects:
            return WorkerLostError(where)
        return None

    def suspects(self, claimed: Claimed) -> bool:
        """Whether a message may have killed the process, as others may."""
        return claimed.token in self.live and self.leaves_suspects

    @property
    def leaves_suspects(self) -> bool:
        """Whether nobody can tell which code ended the process: there was more than one message's."""
        return bool(self.live) and not self.overdue and len(self.live) + self.strangers > 1


class Recovery:
    """Settles one death.

    Args:
        pool: The pool's options.
        death: What happened.
        with_hooks: Let the task's own ``do_retry`` and hooks have their say.
    """

    def __init__(self, pool: PoolOptions, death: DeathReport, *, with_hooks: bool) -> None:
        self._pool = pool
        self._death = death
        self._with_hooks = with_hooks
        #: By the uuid of each charged message.
        self._reports: dict[str, list[StatusReport]] = {}
        self._contexts = Contexts()
        self._settled = mmap.mmap(-1, 1)

    def main(self, inherited: ParentPipes) -> int:
        """In the child: settle, whatever signals come."""
        leave_stop_to_supervisor()
        signal.signal(signal.SIGTERM, ignore_signal)
        disown_forks(ignore_signal)
        status = self.settle()
        self._settled[0] = 1
        return status

    @property
    def settled(self) -> bool:
        """Whether it has come to its end. A hook may end the process before, with any exit code."""
        return bool(self._settled[0])

    def settle(self) -> int:
        """Settle, however long the store is away (up to two leases: then others have taken over); the exit code."""
        deadline = time.monotonic() + 2 * self._pool.lease / 1000
        outcomes: Sequence[Outcome] | None = None
        refused: Sequence[str] = ()
        sent = False
        while True:
            try:
                if outcomes is None:
                    outcomes = self._outcomes()
                again, sent = sent, True
                refused = self._pool.broker.backend.messages.retire(self._death.worker, outcomes)
            except BackendError as error:
                if time.monotonic() > deadline:
                    log.error(
                        "What a dead process held could not be given back; its lease has ended: %s", error
                    )
                    return 0
                time.sleep(0.2)
            else:
                # After a lost reply all is refused, whether or not it was accepted: better told twice than never.
                self._report([outcome for outcome in outcomes if again or outcome.uuid not in refused])
                return 0

    def _report(self, outcomes: Sequence[Outcome]) -> None:
        """Send the status reports for these outcomes; trackers are the user's code, like the hooks."""
        for outcome in outcomes:
            for report in self._reports.get(outcome.uuid, ()):
                self._contexts.fresh().run(send_report, report)

    def _outcomes(self) -> list[Outcome]:
        held = self._pool.broker.backend.messages.held(self._death.worker)
        outcomes = [outcome for claimed in held if (outcome := self._outcome(claimed)) is not None]
        if self._death.by_stop:
            log.warning(
                "Stopping: a process %s. It gives back %s, with no retry and no loss charged.",
                self._death.ending,
                _named(held),
            )
            return outcomes
        log.error(
            "A process %s while it held %d messages: %d are charged, %d suspected, the rest goes back.",
            self._death.ending,
            len(held),
            sum(not isinstance(outcome, Lost) for outcome in outcomes),
            sum(isinstance(outcome, Lost) and outcome.suspect for outcome in outcomes),
        )
        return outcomes

    def _outcome(self, claimed: Claimed) -> Outcome | None:
        """What becomes of one message; None to give it back untouched, as :meth:`MessagePort.retire` does."""
        error = self._death.blame(claimed)
        if error is not None:
            decide = functools.partial(conclude_charged, with_hooks=self._with_hooks)
            charged = self._contexts.fresh().run(decide, self._pool, self._death.worker, claimed, error)
            self._reports[claimed.uuid] = charged.reports
            return charged.outcome
        if self._death.suspects(claimed):
            return Lost(claimed.uuid, claimed.queue, claimed.token, suspect=True)
        if claimed.token in self._death.finished:
            return Lost(claimed.uuid, claimed.queue, claimed.token)
        return None


def _named(held: Sequence[Claimed]) -> str:
    """How many messages, and which; of very many the first."""
    names = ", ".join(f"{claimed.uuid} of queue {claimed.queue!r}" for claimed in held[:_MOST_NAMED])
    more = ", …" if len(held) > _MOST_NAMED else ""
    return f"{len(held)} messages ({names}{more})" if held else "nothing"
