"""The loop of a worker: claim what can be started, run it, report what has finished.

Everything that has finished since the last trip to the store travels with the next claim, in one step. Under load the
trips are therefore few and full; an idle engine sleeps on file descriptors until the store, a finished task, a due
message, a deadline or its supervisor wakes it. It never claims more than its executor
takes: what can be started at once; while tasks are short, some milliseconds' worth ahead.

::

        ┌────────────► collect what has finished
        │                     │ nothing, and nothing to claim          something
        │                     ▼                                            ▼
        │   sleep on: the store's waiter, the executor,         step: report outcomes, claim
        │   the next due message, the next deadline, signals               │
        └─────────────────────┴─────────────── start what was claimed ◄────┘
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import Generic, TypeVar

from alsek.core.clock import monotonic_ms
from alsek.core.execution.session import WorkerSession
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.core.worker.engine.executor import Executor, Job
from alsek.core.worker.engine.outcome_checks import validate_outcome
from alsek.core.worker.options import PoolOptions
from alsek.core.worker.shared_state import SharedState
from alsek.exceptions import BackendError, BackendUnavailableError, WorkerUnknownError
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Released, Step

log = guarded_logger(__name__)

J = TypeVar("J", bound=Job)

_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 100, 5_000

#: An idle engine looks at least this often (ms), whatever it hears: nobody tells of a worker whose lease has ended, and
#: what such a worker held must not wait for long. Less than one command a second.
_LOOK_EVERY = 1_500

#: While something runs, the store is asked this often (ms) whether it was revoked.
_ASK_ABOUT_REVOKED = 900


class Engine(Generic[J]):
    """Serves one worker id, in the thread that calls :meth:`run`.

    Args:
        session: The worker's standing with the store.
        executor: Runs the jobs.
        state: What the supervisor sees.
        options: The pool's.
        control: A file descriptor that becomes readable when a signal has arrived.
        tell: Makes the supervisor look at the shared state.
        most_tasks: Drain after starting this many; None for no limit.
        over_limit: Asked about once a second whether the process has grown too large.
        suspects_only: Drain when no suspects are left.
    """

    def __init__(
        self,
        session: WorkerSession,
        executor: Executor[J],
        state: SharedState,
        options: PoolOptions,
        control: int,
        tell: Callable[[], None],
        *,
        most_tasks: int | None = None,
        over_limit: Callable[[], bool] = lambda: False,
        suspects_only: bool = False,
    ) -> None:
        self.draining = False
        self._session = session
        self._executor = executor
        self._state = state
        self._options = options
        self._control = control
        self._tell = tell
        self._most_tasks = most_tasks
        self._over_limit = over_limit
        self._suspects_only = suspects_only
        self._started = 0
        self._checked_at = monotonic_ms()
        self._worth_claiming = True
        # Full, but news has come: whether messages wait is for the supervisor to know.
        self._worth_looking = False
        self._look_at = 0
        self._stepped_at = 0
        self._due_at: int | None = None
        self._pauses = Pauses(_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS)
        self._resume_at = 0
        self._unreported: list[J] = []  # finished, and not given to the session yet
        self._underway: list[J] = []  # given to it, and not answered yet
        self._waiter: Waiter | None = None
        self._ask_at = 0
        self._alone = False  # what runs is a suspect

    def drain(self) -> None:
        """Take no more; :meth:`run` returns when all that runs has finished. May be called by a signal handler."""
        self.draining = True

    def run(self) -> None:
        """Serve until drained. All outcomes have been reported, or can't be, when it returns."""
        try:
            while not self._done():
                if self.draining and not self._state.draining:
                    self._state.draining = 1
                    self._tell()  # what runs may take long: another group is needed meanwhile
                self._executor.enforce_deadlines()
                self._hear_of_revoked()
                self._collect()
                if self._may_step():
                    self._step()
                else:
                    self._sleep_guarded()
        finally:
            self._close_waiter()

    def _done(self) -> bool:
        return self.draining and not self._executor.in_flight and not self._unreported and not self._underway

    # ── claiming and reporting ─────────────────────────────────────────────────────────────────

    def _collect(self) -> None:
        current = self._session.worker.id
        for job in self._executor.collect():
            if job.claimed.suspect:
                self._alone = False
            if job.worker_id == current:
                if job.outcome is not None:
                    job.outcome = validate_outcome(job.outcome, self._options.broker.dlq_ttl)
                self._unreported.append(job)
            else:
                self._executor.on_outcome(job, False)
                self._state.remove_claim(job.entry)
                log.error(
                    "The outcome of message %s comes after the lease of its claim: it is dropped.",
                    job.claimed.uuid,
                    extra={"uuid": job.claimed.uuid, "queue": job.claimed.queue},
                )

    @property
    def _room(self) -> int:
        """How many messages may be claimed now."""
        if self.draining or self._alone or not self._worth_claiming:
            return 0
        room = min(self._balance + self._executor.prefetch, self._state.free_entries)
        if self._most_tasks is not None:
            room = min(room, self._most_tasks - self._started)
        return max(0, room)

    @property
    def _free(self) -> int:
        """How many messages could be started now. Beside a suspect, none: the store would give none either."""
        return 0 if self._alone else max(0, self._balance)

    @property
    def _balance(self) -> int:
        """As `_free`; less than none if some were claimed ahead."""
        return min(self._executor.free_slots, self._state.limit - self._executor.in_flight)

    def _may_step(self) -> bool:
        if monotonic_ms() < self._resume_at:
            return False
        return bool(self._unreported) or self._session.unanswered or self._room > 0 or self._worth_looking

    def _step(self) -> None:
        # Each outcome is given to the session once: it keeps what the store has not answered yet.
        outcomes = [job.outcome for job in self._unreported if job.outcome is not None]
        self._underway += self._unreported
        self._unreported = []
        # A trip that reports claims as well, whether or not anything is known to wait: that costs nothing.
        self._worth_claiming = True
        self._worth_looking = False
        self._stepped_at = monotonic_ms()
        limit = self._room
        self._state.in_store_since = monotonic_ms()
        try:
            step = self._session.step(outcomes, limit)
        except WorkerUnknownError:
            self._start_over()
            return
        except BackendError as error:
            self._back_off(error)
            return
        finally:
            self._state.in_store_since = 0
        if self._resume_at:
            log.info("The store answers again.")
            self._pauses.reset()
            self._resume_at = 0
        reported, self._underway = self._underway, []
        self._settle(reported, step)
        self._start(step)
        self._look_ahead(step, limit)

    def _settle(self, reported: list[J], step: Step) -> None:
        """What the store said of the outcomes."""
        refused = frozenset(step.refused)
        for job in reported:
            accepted = job.claimed.uuid not in refused
            if not accepted:
                log.error(
                    "The outcome of message %s was refused: its claim is not the current one.",
                    job.claimed.uuid,
                    extra={"uuid": job.claimed.uuid, "queue": job.claimed.queue},
                )
            self._executor.on_outcome(job, accepted)
            self._state.remove_claim(
                job.entry
            )  # after that: what still tells a tracker stays in the shared state
        for uuid in step.skipped:
            log.warning("Callback %s was not submitted: a message of that uuid exists.", uuid)
        for corrupt in step.corrupt:
            log.error("%s", corrupt.sentence)

    def _start(self, step: Step) -> None:
        jobs = [
            self._executor.job(claimed, self._state.add_claim(claimed.token), self._session)
            for claimed in step.claimed
        ]
        self._state.set_seq(self._session.seq)
        alone = self._session.worker.suspects != "freely"
        if jobs:
            self._state.idle_since = 0
        if self.draining:
            # Of a step whose answer came late: it had been sent before the signal.
            for job in jobs:
                job.outcome = Released(job.claimed.uuid, job.claimed.queue, job.claimed.token)
            self._unreported += jobs
            return
        for job in jobs:
            self._alone = self._alone or (alone and job.claimed.suspect)
            self._executor.start(job)
        self._started += len(jobs)

    def _look_ahead(self, step: Step, limit: int) -> None:
        """When the next claim may be worth it."""
        now = monotonic_ms()
        self._worth_claiming = step.waiting and len(step.claimed) >= limit
        self._due_at = None if step.next_due is None else now + max(1, step.next_due)
        full = self._free == 0
        if not (full and step.waiting):
            self._state.saturated_since = 0
        elif not self._state.saturated_since:
            self._state.saturated_since = now
            self._tell()
        if step.suspects and not self._suspects_only and not self._state.suspects:
            self._state.suspects = 1
            self._tell()
        if self._suspects_only and not step.claimed and not self._executor.in_flight and not step.suspects:
            self.draining = True
        if self._most_tasks is not None and self._started >= self._most_tasks:
            self.draining = True
        if self._executor.exhausted:
            self.draining = True
        if now - self._checked_at >= 1_000:
            self._checked_at = now
            self.draining = self.draining or self._over_limit()

    def _hear_of_revoked(self) -> None:
        """End what was revoked while it runs, within a second. (The supervisor's renewals are for when this can't.)"""
        now = monotonic_ms()
        if now < self._ask_at or now < self._resume_at or not self._executor.in_flight:
            return
        if not self._ask_at:  # it has just begun to be busy
            self._ask_at = now + _ASK_ABOUT_REVOKED
            return
        self._ask_at = now + _ASK_ABOUT_REVOKED
        self._state.in_store_since = now
        try:
            revoked = self._session.renew()
        except WorkerUnknownError:
            return  # the next step meets it too
        except BackendError as error:
            self._back_off(error)
            return
        finally:
            self._state.in_store_since = 0
        for uuid in revoked:
            self._executor.revoke(uuid)

    def _start_over(self) -> None:
        """The lease ran out: what is held is another's now; what runs can't be reported."""
        log.error("The lease of worker %s ran out: what it held goes to others.", self._session.worker.id)
        for job in (*self._unreported, *self._underway):
            self._executor.on_outcome(job, False)
            self._state.remove_claim(job.entry)
        self._unreported, self._underway = [], []
        try:
            self._session.register()
        except BackendError as error:
            self._back_off(error)
            return
        self._state.set_worker(self._session.worker.id)
        self._close_waiter()
        self._worth_claiming = True

    def _back_off(self, error: BackendError) -> None:
        if not self._resume_at:
            log.warning("%s Working on with what runs; trying again until it answers.", _sentence(error))
        elif not isinstance(error, BackendUnavailableError):
            log.error("%s", error)
        self._close_waiter()
        self._resume_at = monotonic_ms() + int(self._pauses.next())

    # ── sleeping ───────────────────────────────────────────────────────────────────────────────

    def _sleep_guarded(self) -> None:
        # A waiter meets an outage as a step does; what runs must outlive it.
        try:
            self._sleep()
        except BackendError as error:
            self._executor.on_ready(frozenset())
            self._back_off(error)

    def _sleep(self) -> None:
        now = monotonic_ms()
        wakes: list[int | None] = [self._executor.next_deadline()]
        if self._executor.in_flight:
            wakes.append(self._ask_at)
        else:
            self._ask_at = 0
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        waiter = self._listening(now)
        if now < self._resume_at:
            wakes.append(self._resume_at)
        elif self.draining:
            pass
        elif self._free > 0:
            wakes += [
                self._due_at,
                now + (min(waiter.interval, _LOOK_EVERY) if waiter is not None else 1_000),
            ]
        else:
            wakes += [now + self._options.slot_wait_interval, self._stepped_at + _LOOK_EVERY]
        if waiter is not None:
            poll.register(waiter.fileno(), select.POLLIN)
        self._note_idleness(now)
        if not self._executor.register_with(poll):
            return
        wake = min((each for each in wakes if each is not None), default=None)
        events = poll.poll(None if wake is None else max(0, wake - now))
        ready = frozenset(descriptor for descriptor, _ in events)
        if self._control in ready:
            os.read(self._control, 4096)  # the handler has run
        self._executor.on_ready(ready)
        if waiter is not None and waiter.fileno() in ready:
            self._hear(waiter)
        elif not events and self._free > 0:
            self._worth_claiming = True  # a message is due, or it is time to look whatever was heard
        elif not self.draining and monotonic_ms() >= self._stepped_at + _LOOK_EVERY:
            # What runs here may run for hours, and perhaps nobody else is there to see that a message is due, or that
            # its worker is lost: another group, or another pool, may take it.
            self._worth_looking = True

    def _listening(self, now: int) -> Waiter | None:
        """The waiter, armed while there is room, and while it is full and not known to be saturated: then another group
        may be needed. One that was armed before goes on: its news must be passed on."""
        if now < self._resume_at:
            return None
        if self.draining:
            return self._waiter
        if self._free > 0 or (now >= self._look_at and not self._state.saturated_since):
            if self._waiter is None:
                self._waiter = self._session.waiter()
            self._waiter.arm()
        return self._waiter

    def _hear(self, waiter: Waiter) -> None:
        if not waiter.drain():
            return
        if self._free > 0 and not self.draining:
            self._worth_claiming = True
        elif self.draining or self._state.saturated_since:
            waiter.pass_on()
        else:
            self._worth_looking = True  # the step wakes another worker if there is something for it
            self._look_at = monotonic_ms() + self._options.slot_wait_interval

    def _close_waiter(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.close()

    def _note_idleness(self, now: int) -> None:
        if self._executor.in_flight:
            self._state.idle_since = 0
        elif not self._state.idle_since:
            self._state.idle_since = now


def _sentence(error: BackendError) -> str:
    text = str(error)
    return text if text.endswith(".") else f"{text}."
