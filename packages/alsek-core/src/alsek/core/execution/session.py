"""A worker's session with a store: the id under which it claims, and its numbered steps."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence, Set

from alsek.core.clock import monotonic_ms
from alsek.core.identifiers import new_worker_id
from alsek.core.loggers import guarded_logger
from alsek.core.reporting.reporter import Reporter
from alsek.defaults import STALE_PUSH_MS
from alsek.exceptions import BackendUnavailableError, ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import (
    Claimed,
    HistoryCounts,
    Outcome,
    Pushed,
    Report,
    Running,
    Step,
    Worker,
    WorkerFacts,
)

log = guarded_logger(__name__)

_making_reporter = threading.RLock()


class WorkerSession:
    """Numbers the steps of one worker, so that each can be sent again without harm. Thread-safe.

    A step that raised may or may not have reached the store. The session keeps it, and sends the same step again before
    the next one; both answers are then returned as one. So no claim and no outcome is lost with a reply, and none
    counts twice.

    A session belongs to the process that made it. A forked child has a copy with the same numbers: the store would take
    a step of the child for one of its parent, and the parent's next one for a repetition. So the methods of the copy
    raise ValidationError.

    Args:
        backend: The store.
        worker: The worker to register; :meth:`register` gives it a fresh id.
        facts: What the worker tells the store of itself.

    Attributes:
        held: The tokens of the claims that have no outcome yet.
        reporter: Brings to the store what tasks tell of their messages; None until one does.
        is_stopping: Says whether the worker is to end, so that its tasks should; None if nobody knows.
        revoked: The tokens of claims that were revoked while their tasks ran.
        follows: The claims were those of another process, which has died and may have reported on their messages.
        pid: The process that made the session.
    """

    # On the class: most messages tell nothing, and task processes make a session for each.
    reporter: Reporter | None = None
    is_stopping: Callable[[], bool] | None = None
    revoked: Set[int] = frozenset()
    follows: bool = False

    def __init__(self, backend: Backend, worker: Worker, facts: WorkerFacts | None = None) -> None:
        self.backend = backend
        self.worker = worker
        self._facts = facts
        self.held: set[int] = set()
        self._seq = 0
        #: The outcomes, the limits and the counts of that step, and whether the worker sleeps after it.
        self._unanswered: (
            tuple[tuple[Outcome, ...], Mapping[SlotKind, int], tuple[HistoryCounts, ...], bool] | None
        ) = None
        #: How many pushes were accepted since the last answer; None if there may be none.
        self._received: int | None = None
        #: When the step was sent first that may have made the worker a sleeper (monotonic ms).
        self._asleep_since = 0
        #: Outcomes and counts that were not sent yet.
        self._pending: list[Outcome] = []
        self._history: list[HistoryCounts] = []
        #: The tokens of claims whose outcomes are not known yet (see :class:`Step`).
        self._unknown: frozenset[int] = frozenset()
        #: The answer that step() has not returned yet.
        self._undelivered: Step | None = None
        self._lock = threading.Lock()
        self.pid = os.getpid()

    @property
    def seq(self) -> int:
        """The number of the last step that was answered."""
        return self._seq

    @property
    def unanswered(self) -> bool:
        """True if a step was sent and its answer never came, or has claims whose checkpoints could not be read."""
        return self._unanswered is not None or self._undelivered is not None

    @property
    def is_sleeper(self) -> bool:
        """True if the worker may be pushed messages, as the last answer says."""
        return self._received is not None

    def register(self) -> None:
        """Register with the store under a fresh id. Claims of the old id are no longer held.

        Raises:
            BackendError: The store can't take it now; the session has not changed.
        """
        self._check_process()
        with self._lock:
            worker = self.worker._replace(id=new_worker_id())
            self.backend.messages.register(worker, self._facts)
            self.held.clear()
            self._seq = 0
            self._unanswered = None
            self._pending.clear()
            self._history.clear()
            self._unknown = frozenset()
            self._undelivered = None
            self._received = None
            self.revoked = frozenset()
            if self.reporter is not None:
                self.reporter.forget()
            # Last: a renewal at the same time must not send the new id with the old number; it would release claims
            # whose reply is still on its way.
            self.worker = worker

    def step(
        self,
        outcomes: Sequence[Outcome],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts] = (),
        *,
        sleeps: bool = False,
    ) -> Step:
        """Report outcomes, claim messages up to `limits` and hand over counts (see :meth:`MessagePort.step`).

        `limits` must not be changed later: the step may be sent again. With `sleeps`, the worker's waiter receives
        pushes, and they are given to :meth:`accept`.

        Raises:
            WorkerUnknownError: The lease ran out: call :meth:`register`; outcomes and counts that were not sent are
                void.
            BackendError: The store can't answer now. `outcomes` and `history` are kept, and sent with the next call. An
                outcome that is given again then counts once; counts must not be given again.
        """
        self._check_process(*outcomes)
        with self._lock:
            if history:
                self._history += history
            self._exchange(outcomes, limits, sleeps)
            answer = self._undelivered
            assert answer is not None
            for claimed in answer.claimed:
                if claimed.reported:
                    answer = self._with_checkpoints(answer)
                    break
            self._undelivered = None
            return answer

    def _with_checkpoints(self, answer: Step) -> Step:
        """Read what was saved of the claimed messages. If the store can't answer, the claims stay undelivered."""
        uuids = [claimed.uuid for claimed in answer.claimed if claimed.reported]
        kept = dict(zip(uuids, self.backend.messages.reports(uuids), strict=True))
        claims = []
        for claimed in answer.claimed:
            record = kept.get(claimed.uuid)
            claims.append(claimed if record is None else claimed._replace(checkpoint=record.checkpoint))
        return answer._replace(claimed=claims)

    def accept(self, pushes: Sequence[Pushed]) -> list[Claimed]:
        """Take in pushes that have arrived, and return the claims that they are.

        One that is older than the last step is left out: its claim was in the answer. So is one that comes while a step
        is unanswered, or so late that it may have been given back: the next answer has it if the worker holds it.
        """
        with self._lock:
            if self._received is None or self.unanswered:
                return []
            if monotonic_ms() - self._asleep_since > STALE_PUSH_MS // 2:
                return []
            expected = self._seq + 1
            claims = [push.claimed for push in pushes if push.seq == expected]
            self.held.update([claimed.token for claimed in claims])
            self._received += len(claims)
            return claims

    def finish(self, outcome: Outcome) -> bool:
        """Report one outcome, from outside the loop that claims, and return True if it was accepted.

        The next :meth:`step` returns all else that the answer has.

        Raises:
            WorkerUnknownError, BackendError: As :meth:`step`. Also if a part of the store is away, and the outcome is
                kept until that is back.
            ValidationError: The claim is held by the process from which this one was forked.
        """
        self._check_process(outcome)
        with self._lock:
            self._exchange((outcome,), {})
            answer = self._undelivered
            assert answer is not None
            self._undelivered = answer._replace(
                refused=[uuid for uuid in answer.refused if uuid != outcome.uuid]
            )
            if outcome.token in self._unknown:
                raise BackendUnavailableError(
                    f"A part of the store is away, so it is not known yet whether the outcome of message "
                    f"{outcome.uuid!r} was accepted. It is kept, and reported once that part is back."
                )
            return outcome.uuid not in answer.refused

    def _check_process(self, *outcomes: Outcome) -> None:
        """Raise ValidationError in a forked child. Called before taking the lock: it may have been held at the fork."""
        if os.getpid() != self.pid:
            names = ", ".join(repr(outcome.uuid) for outcome in outcomes)
            what = f"message {names} is held" if names else f"worker {self.worker.id!r} is kept"
            raise ValidationError(
                f"{what} by process {self.pid}, from which this one ({os.getpid()}) was forked: a claim does not pass "
                "to a child. Settle the message in that process; a child may claim messages of its own, by calling "
                "Consumer.stream()"
            )

    def _exchange(
        self, outcomes: Sequence[Outcome], limits: Mapping[SlotKind, int], sleeps: bool = False
    ) -> None:
        """Send what is unanswered, then what is new. Leaves the answers in `_undelivered`, also if the second fails."""
        self._queue(outcomes)
        if self._unanswered is not None:
            self._send()
            if not self._pending and not self._history:
                return
        if self._undelivered is not None and self._undelivered.claimed:
            limits = _less(limits, self._undelivered.claimed)
        self._unanswered = tuple(self._pending), limits, tuple(self._history), sleeps
        if sleeps:
            self._asleep_since = monotonic_ms()
        self._pending.clear()
        self._history.clear()
        self._send()

    def _queue(self, outcomes: Sequence[Outcome]) -> None:
        if self.reporter is not None:
            outcomes = self.reporter.with_last(outcomes)
        if self._unknown:
            outcomes = [outcome for outcome in outcomes if outcome.token not in self._unknown]
        if self._unanswered is None and not self._pending:
            self._pending.extend(outcomes)
            return
        # The caller may retry after a lost reply; send each outcome only once.
        sent = self._unanswered[0] if self._unanswered is not None else ()
        known = {_identity(outcome) for outcome in (*sent, *self._pending)}
        self._pending += [outcome for outcome in outcomes if _identity(outcome) not in known]

    def _send(self) -> None:
        assert self._unanswered is not None
        outcomes, limits, history, sleeps = self._unanswered
        received = self._received
        answer = self.backend.messages.step(
            self.worker, self._seq + 1, outcomes, limits, history, sleeps=sleeps, received=received
        )
        if received is not None:  # the answer may have pushes again that have arrived
            answer = answer._replace(claimed=[each for each in answer.claimed if each.token not in self.held])
        self._received = 0 if answer.sleeper else None
        # Held before counted: a thread that reads the number and then the tokens misses no claim of that step.
        self.held.update([claimed.token for claimed in answer.claimed])
        self._seq += 1
        ended = {outcome.token for outcome in outcomes if type(outcome) is not Report}
        if self._unknown or answer.unknown:
            ended |= self._unknown
            self._unknown = answer.unknown or frozenset()
            ended -= self._unknown
        self.held.difference_update(ended)
        self._unanswered = None
        for lost in answer.taken_over:
            log.log(
                logging.WARNING if lost.messages else logging.INFO,
                "The lease of worker %s has ended: the %d messages that it held are ready again, with one loss more.",
                lost.described,
                lost.messages,
                extra={"worker": lost.worker, "messages": lost.messages, "host": lost.host, "pid": lost.pid},
            )
        self._undelivered = answer if self._undelivered is None else _merge(self._undelivered, answer)

    def renew(self, running: Sequence[Running] | None = None) -> list[str]:
        """Extend the lease of all claims (see :meth:`MessagePort.renew`), and return the uuids of revoked messages.

        Args:
            running: What the worker runs now; None to leave what it said before.
        """
        self._check_process()
        worker, seq = self.worker, self._seq  # in this order: see register()
        return self.backend.messages.renew(worker, seq, tuple(self.held), running)

    def retire(self, outcomes: Sequence[Outcome] = ()) -> list[str]:
        """End the worker in the store, and release what it holds (see :meth:`MessagePort.retire`)."""
        self._check_process(*outcomes)
        with self._lock:
            if self.reporter is not None:
                outcomes = [*self.reporter.with_last(outcomes), *self.reporter.all_last()]
                self.reporter.stop()
            refused = self.backend.messages.retire(self.worker, outcomes)
            self.held.clear()
            return refused

    def open_reporter(self) -> Reporter:
        """Return the reporter. It is made at the first call."""
        if self.reporter is None:
            with _making_reporter:
                if self.reporter is None:
                    self.reporter = Reporter(self.backend)
        return self.reporter

    def is_ending(self, token: int) -> bool:
        """Return True if what runs under this token is to come to an end: see :attr:`Message.stopping`."""
        return (
            token not in self.held
            or token in self.revoked
            or (self.is_stopping is not None and self.is_stopping())
            or (self.reporter is not None and self.reporter.is_lost(token))
        )

    def note_revoked(self, token: int) -> None:
        """Note that a message was revoked while its task runs. Called in one thread."""
        self.revoked = (self.revoked & self.held) | {token}

    def waiter(self, slot: SlotKind | None = None) -> Waiter:
        """Return a waiter for this worker: for messages that take up such a slot, or for all that it takes."""
        return self.backend.messages.waiter(self.worker, slot)


class ReadOnlySession(WorkerSession):
    """The session of a worker whose steps another process sends.

    It says which worker holds a claim, and refuses to send steps: the store would take a step numbered here for a
    repetition of one of the worker's own, and do nothing.
    """

    def _exchange(
        self, outcomes: Sequence[Outcome], limits: Mapping[SlotKind, int], sleeps: bool = False
    ) -> None:
        names = ", ".join(repr(outcome.uuid) for outcome in outcomes)
        raise ValidationError(
            f"message {names} is held by the pool, not by this process: a task settles its own message by returning, "
            "or by raising Retry or Reject"
        )


def _identity(outcome: Outcome) -> tuple[type[Outcome], int, int]:
    """Return what an outcome has in common with its repetitions: of one claim there may be several reports."""
    return type(outcome), outcome.token, outcome.number if isinstance(outcome, Report) else 0


def _less(limits: Mapping[SlotKind, int], claimed: Sequence[Claimed]) -> dict[SlotKind, int]:
    """Return what is left of the limits after these claims."""
    coroutines = sum(each.is_async for each in claimed) if "coroutine" in limits else 0
    others = len(claimed) - coroutines
    return {
        slot: max(0, limit - (coroutines if slot == "coroutine" else others))
        for slot, limit in limits.items()
    }


def _merge(first: Step, second: Step) -> Step:
    return Step(
        first.refused + second.refused,
        first.claimed + second.claimed,
        second.next_due,
        second.waiting,
        second.suspects,
        first.skipped + second.skipped,
        first.corrupt + second.corrupt,
        first.taken_over + second.taken_over,
        first.failed + second.failed,
        tuple(sorted({*first.schedules, *second.schedules})),
        second.sleeper,
        second.unknown,
    )
