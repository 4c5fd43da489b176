"""A worker's standing with a store: the id under which it claims, and its numbered steps."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence

from alsek.core.identifiers import new_worker_id
from alsek.core.loggers import guarded_logger
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Outcome, Step, Worker

log = guarded_logger(__name__)


class WorkerSession:
    """Numbers the steps of one worker so that each can be sent again without harm.

    A step that raised may or may not have reached the store. The session keeps it, and sends just the same
    step again before the next one; the answers are then given as one. So no claim and no outcome is lost with
    a reply, and none counts twice. Thread-safe.

    It belongs to the process that made it. A forked child has a copy with the same numbers: a step of the child's would
    be taken for one of its parent's, and the parent's own next one for a repetition. So the child's copy does nothing,
    and says so.

    Args:
        backend: The store.
        worker: What to register as; a fresh id is drawn by :meth:`register`.
    """

    def __init__(self, backend: Backend, worker: Worker) -> None:
        self.backend = backend
        self.worker = worker
        #: The tokens of what is held: claimed, and not finished yet.
        self.held: set[int] = set()
        self._seq = 0
        self._unanswered: tuple[tuple[Outcome, ...], int] | None = None
        self._kept: list[Outcome] = []
        self._untold: Step | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    @property
    def seq(self) -> int:
        """The number of the last step that was answered."""
        return self._seq

    @property
    def unanswered(self) -> bool:
        """Whether a step was sent whose answer never came."""
        return self._unanswered is not None

    def register(self) -> None:
        """Become known to the store under a fresh id. What was held under the old one is no longer.

        Raises:
            BackendError: The store can't take it now; the session is as it was.
        """
        self._check_process()
        with self._lock:
            worker = self.worker._replace(id=new_worker_id())
            self.backend.messages.register(worker)
            self.held.clear()
            self._seq = 0
            self._unanswered = None
            self._kept.clear()
            self._untold = None
            # Last: a renewal meanwhile must not pair the new id with the old one's number, for it would then give
            # back claims whose reply is still under way.
            self.worker = worker

    def step(self, outcomes: Sequence[Outcome], limit: int) -> Step:
        """Report outcomes and claim up to `limit` messages (see :meth:`MessagePort.step`).

        Raises:
            WorkerUnknownError: The lease ran out: :meth:`register` anew; all outcomes that were kept are void.
            BackendError: The store can't answer now. `outcomes` are kept, and go with the next call; those of
                them that are given again meanwhile count once.
        """
        self._check_process(*outcomes)
        with self._lock:
            self._exchange(outcomes, limit)
            answer, self._untold = self._untold, None
            assert answer is not None
            return answer

    def finish(self, outcome: Outcome) -> bool:
        """Report one outcome, from outside of the loop that claims; whether it was accepted.

        What else the answer brings along is for the next :meth:`step` to tell.

        Raises:
            WorkerUnknownError, BackendError: As :meth:`step`.
            ValidationError: It is held by another process: that from which this one was forked.
        """
        self._check_process(outcome)
        with self._lock:
            self._exchange((outcome,), 0)
            answer = self._untold
            assert answer is not None
            self._untold = answer._replace(refused=[uuid for uuid in answer.refused if uuid != outcome.uuid])
            return outcome.uuid not in answer.refused

    def _check_process(self, *outcomes: Outcome) -> None:
        """Not after taking the lock: another thread of the parent may have held that at the fork."""
        if os.getpid() != self._pid:
            names = ", ".join(repr(outcome.uuid) for outcome in outcomes)
            what = f"message {names} is held" if names else f"worker {self.worker.id!r} is kept"
            raise ValidationError(
                f"{what} by process {self._pid}, from which this one ({os.getpid()}) was forked: a claim does not pass "
                "to a child. Settle the message in that process; a child may claim messages of its own, by calling "
                "Consumer.stream()"
            )

    def _exchange(self, outcomes: Sequence[Outcome], limit: int) -> None:
        """Send what is unanswered, then what is new; the answers are left in `_untold`, also if the second fails."""
        self._keep(outcomes)
        if self._unanswered is not None:
            self._send()
            if not self._kept:
                return
        room = limit if self._untold is None else max(0, limit - len(self._untold.claimed))
        self._unanswered = tuple(self._kept), room
        self._kept.clear()
        self._send()

    def _keep(self, outcomes: Sequence[Outcome]) -> None:
        if self._unanswered is None and not self._kept:
            self._kept.extend(outcomes)
            return
        # After a lost reply its sender may try again, and must then hear what became of the first time.
        sent = self._unanswered[0] if self._unanswered is not None else ()
        known = {(type(outcome), outcome.token) for outcome in (*sent, *self._kept)}
        self._kept += [outcome for outcome in outcomes if (type(outcome), outcome.token) not in known]

    def _send(self) -> None:
        assert self._unanswered is not None
        outcomes, limit = self._unanswered
        answer = self.backend.messages.step(self.worker, self._seq + 1, outcomes, limit)
        # Held before counted: whoever reads the number first and the tokens then misses no claim of that step.
        self.held.update([claimed.token for claimed in answer.claimed])
        self._seq += 1
        self.held.difference_update([outcome.token for outcome in outcomes])
        self._unanswered = None
        for lost in answer.taken_over:
            log.log(
                logging.WARNING if lost.messages else logging.INFO,
                "The lease of worker %s has ended, it is lost: the %d messages that it held are ready again, with one "
                "loss more.",
                *lost,
            )
        self._untold = answer if self._untold is None else _joined(self._untold, answer)

    def renew(self) -> list[str]:
        """Extend the lease of all that is held (see :meth:`MessagePort.renew`); the uuids of revoked messages."""
        self._check_process()
        worker, seq = self.worker, self._seq  # in this order: see register()
        return self.backend.messages.renew(worker, seq, tuple(self.held))

    def retire(self, outcomes: Sequence[Outcome] = ()) -> list[str]:
        """Give back all that is held, and be forgotten (see :meth:`MessagePort.retire`)."""
        self._check_process(*outcomes)
        with self._lock:
            return self.backend.messages.retire(self.worker, outcomes)

    def waiter(self) -> Waiter:
        """A waiter for this worker."""
        return self.backend.messages.waiter(self.worker)


class ReadOnlySession(WorkerSession):
    """The standing of a worker whose steps another process numbers.

    It says whose a claim is. A step from here would be numbered anew: the store would take it for a repetition of the
    worker's own, answer as it did then, and do nothing.
    """

    def _exchange(self, outcomes: Sequence[Outcome], limit: int) -> None:
        names = ", ".join(repr(outcome.uuid) for outcome in outcomes)
        raise ValidationError(
            f"message {names} is held by the pool, not by this process: a task settles its own message by returning, "
            "or by raising Retry or Reject"
        )


def _joined(first: Step, second: Step) -> Step:
    return Step(
        first.refused + second.refused,
        first.claimed + second.claimed,
        second.next_due,
        second.waiting,
        second.suspects,
        first.skipped + second.skipped,
        first.corrupt + second.corrupt,
        first.taken_over + second.taken_over,
    )
