"""The loop of a worker: claim what can be started, run it, report what has finished.

All outcomes since the last trip to the store travel with the next claim, in one step. Under load the trips are
therefore few and full. An idle engine sleeps on file descriptors until the store, a finished task, a due message, a
deadline or the supervisor wakes it. It claims no more than the executor takes (see
:mod:`~alsek.core.worker.engine.capacity`).

::

        ┌────────────► collect the finished jobs
        │                     │ none, and nothing to claim          some
        │                     ▼                                       ▼
        │   sleep on: the store's waiter, the executor,    step: report outcomes, claim
        │   the next due message, the next deadline, signals          │
        └─────────────────────┴─────────────── start the claimed jobs ◄┘
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from alsek.core.clock import monotonic_ms
from alsek.core.execution.session import WorkerSession
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.engine.claim_policy import ClaimPolicy
from alsek.core.worker.engine.counting import Counting
from alsek.core.worker.engine.empty_report import EmptyReport
from alsek.core.worker.engine.executor import Executor, Job
from alsek.core.worker.engine.options import EngineOptions
from alsek.core.worker.engine.outcome_checks import validate_outcome
from alsek.core.worker.engine.sleep import Sleep, earliest
from alsek.core.worker.engine.stand_in import StandIn
from alsek.core.worker.scheduling.firing_threads import FiringThreads
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.unknown_tasks import UnknownTasks
from alsek.exceptions import BackendError, BackendUnavailableError, WorkerUnknownError
from alsek.storage.backends.kinds import LOOKED_AT, SUSPECT_RULES
from alsek.storage.backends.records import Claimed, HistoryCounts, Released, SetAside, Step

log = guarded_logger(__name__)

J = TypeVar("J", bound=Job)

_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS = 100, 5_000

#: The most outcomes that one step reports, so that it stays short, however many coroutines end at once. The next step
#: follows at once.
OUTCOMES_IN_STEP: Final = 500

#: While a part of the store is away, steps tell this often whether it has answered.
_ASK_AGAIN_AFTER_MS: Final = 300

#: While messages run, the store is asked this often which of them were revoked.
_CHECK_REVOKED_EVERY_MS = 900


class Engine(Generic[J]):
    """Serves one worker id, in the thread that calls :meth:`run`.

    Args:
        session: The worker's session with the store.
        executor: Runs the jobs.
        state: Shared with the supervisor.
        options: Settings.
        control: Becomes readable when a signal has arrived.
        notify_supervisor: Makes the supervisor read the shared state.
        firing: Fires the schedules that the store offers; None if this worker fires none.
        stand_in: Lets a task thread do its turns while its own thread sleeps; None if none may.
    """

    def __init__(
        self,
        session: WorkerSession,
        executor: Executor[J],
        state: SharedState,
        options: EngineOptions,
        control: WakeupPipe,
        notify_supervisor: Callable[[], None],
        firing: FiringThreads | None = None,
        stand_in: StandIn | None = None,
    ) -> None:
        self._session = session
        self._executor = executor
        self._state = state
        self._options = options
        self._notify_supervisor = notify_supervisor
        self._firing = firing
        self._policy = ClaimPolicy(executor, state, options, seeks_async=session.worker.kind in LOOKED_AT)
        self._empty_report = (
            EmptyReport(session, executor, state, self._policy, notify_supervisor, firing)
            if options.burst
            else None
        )
        self._sleeper = Sleep(session, executor, state, self._policy, control, stand_in=stand_in)
        if stand_in is not None:
            stand_in.serve(self)
        self._counting = Counting(options.channel)
        self._unknown_tasks = UnknownTasks()
        self._finished: list[J] = []  # jobs whose outcomes the session does not have yet
        self._in_step: list[J] = []  # jobs whose outcomes it has, and the store has not answered to
        self._ask_again_at: int | None = None  # a part of the store is away: some of these are not known yet
        self._pauses = Pauses(_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS)
        self._resume_at = 0
        self._check_revoked_at = 0

    def drain(self) -> None:
        """Claim no more; :meth:`run` returns when all jobs have finished. May be called by a signal handler."""
        self._policy.draining = True

    def run(self) -> None:
        """Serve until drained. When it returns, all outcomes have been reported, or can't be."""
        policy, state = self._policy, self._state
        with self._sleeper:
            while not (policy.draining and self._done()):
                if policy.draining and not state.draining:
                    state.draining = 1
                    self._notify_supervisor()  # what runs may take long: another group is needed meanwhile
                self._executor.enforce_deadlines()
                now = monotonic_ms()
                if now >= self._check_revoked_at and now >= self._resume_at:
                    self._check_revoked(now)
                self._collect()
                if self._may_step(now):
                    self._step()
                else:
                    self._sleep(now)
            self._hand_over_last()

    def take_turn(self, stand_in: StandIn, *, woken: bool) -> int:
        """Do a turn of the loop in a task thread: see :class:`~alsek.core.worker.engine.stand_in.Turns`."""
        sleeper = self._sleeper
        if woken:
            pushed, descriptor = sleeper.take_in()
            if pushed:
                self._start(pushed)
                if descriptor >= 0 and not self._policy.draining:
                    sleeper.note_queued(len(pushed))
                    return descriptor  # the task begins at once: the engine would have gone to sleep again
        stepped = False
        self._collect()
        while self._may_step(now := monotonic_ms()):
            if stand_in.has_work:
                return -1
            self._step()
            stepped = True
            self._collect()
        if self._resume_at:
            return -1
        if not self._executor.in_flight:
            self._check_revoked_at = 0
        try:
            return sleeper.continue_sleep(now, self._step_at(), looked=stepped)
        except BackendError as error:
            self._back_off(error)
            return -1

    def _done(self) -> bool:
        if self._session.is_sleeper and not self._resume_at:
            return False  # nothing is to be pushed any more, and what has been may not have arrived
        return not self._executor.in_flight and not self._finished and not self._in_step

    def _collect(self) -> None:
        current = self._session.worker.id
        for job in self._executor.collect():
            if job.claimed.suspect:
                self._policy.runs_suspect = False
            if job.worker_id == current:
                if job.outcome is not None:
                    job.outcome = validate_outcome(job.outcome, self._options.dlq_ttl)
                self._finished.append(job)
            else:
                self._drop(job)
                log.error(
                    "The outcome of message %s comes after the lease of its claim: it is dropped.",
                    job.claimed.uuid,
                    extra={"uuid": job.claimed.uuid, "queue": job.claimed.queue},
                )

    def _hand_over_last(self) -> None:
        """Hand over the last counts, if the store answers."""
        history = self._counting.take()
        if self._resume_at or not history:
            return
        try:
            self._session.step((), {}, history)
        except BackendError as error:
            log.warning("The last counts of worker %s are lost: %s", self._session.worker.id, error)

    def _drop(self, job: J) -> None:
        """Forget a job whose outcome the store would refuse."""
        if job.verdict_wanted:
            self._executor.on_outcome(job, False)
        self._state.remove_claim(job.entry)

    def _may_step(self, now: int) -> bool:
        if now < self._resume_at:
            return False
        return (
            bool(self._finished)
            or self._session.unanswered
            or self._policy.should_look
            or self._policy.should_claim
            or (self._policy.draining and self._session.is_sleeper)
            or self._counting.is_due(now)
            or (self._ask_again_at is not None and now >= self._ask_again_at)
        )

    def _step(self) -> None:
        # Each outcome is given to the session once: the session keeps what the store has not answered to.
        finished, self._finished = self._finished, []
        if len(finished) > OUTCOMES_IN_STEP:
            self._finished = finished[OUTCOMES_IN_STEP:]
            del finished[OUTCOMES_IN_STEP:]
        outcomes = [job.outcome for job in finished if job.outcome is not None]
        self._in_step += finished
        now = monotonic_ms()
        limits = self._policy.before_step(now)
        # After a step that has left something, this one will hardly be the last before a sleep: it need not say so.
        sleeps = self._policy.found_all and self._sleeper.receives and not self._policy.draining
        if self._empty_report is not None:
            self._empty_report.before_step(now, reports=bool(self._in_step))
        history: Sequence[HistoryCounts] = ()
        # While a step is unanswered, counts wait here: should the lease have ended meanwhile, they would be void.
        if self._counting.is_due(now) and not self._session.unanswered:
            history = self._counting.take()
        self._state.in_store_since = now
        try:
            step = self._session.step(outcomes, limits, history, sleeps=sleeps)
        except WorkerUnknownError:
            self._register_again()
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
        reported, self._in_step = self._in_step, []
        self._ask_again_at = None
        if (unknown := step.unknown) is not None:
            self._ask_again_at = now + _ASK_AGAIN_AFTER_MS
            self._in_step = [job for job in reported if job.claimed.token in unknown]
            reported = [job for job in reported if job.claimed.token not in unknown]
        self._settle(reported, step, now)
        if step.schedules and self._firing is not None:
            self._firing.offer(step.schedules)
        self._start(step.claimed)
        now = monotonic_ms()
        self._policy.after_step(step, limits, now)
        if not sleeps and not self._executor.in_flight and self._policy.found_all and self._sleeper.receives:
            self._policy.claim_again()  # to say so now
        if self._policy.note_needs(step, now):
            self._notify_supervisor()
        if self._empty_report is not None:
            self._empty_report.after_step(step)

    def _settle(self, reported: list[J], step: Step, now: int) -> None:
        """Tell the executor which outcomes the store has accepted, and log the rest of its answer."""
        refused = step.refused and frozenset(step.refused)
        for job in reported:
            accepted = not refused or job.claimed.uuid not in refused
            if not accepted:
                log.error(
                    "The outcome of message %s was refused: its claim is not the current one.",
                    job.claimed.uuid,
                    extra={"uuid": job.claimed.uuid, "queue": job.claimed.queue},
                )
            elif type(job.outcome) is SetAside:
                # What is pending in case of its failure is not sent if another worker gets it.
                accepted = job.claimed.uuid in step.failed
                self._unknown_tasks.log(job.claimed, job.outcome, failed=accepted)
            if job.verdict_wanted:
                self._executor.on_outcome(job, accepted)
            # After that: a job that has yet to tell a tracker keeps its entry.
            self._state.remove_claim(job.entry)
        if reported:
            self._counting.count(reported, step, now)
        for uuid in step.skipped:
            log.warning(
                "Callback %s was not submitted: a message of that uuid exists, or another holds its unique key.",
                uuid,
            )
        for corrupt in step.corrupt:
            log.error("%s", corrupt.sentence)
            if corrupt.uuid:
                self._counting.count_unreadable(corrupt.queue)

    def _start(self, claims: Sequence[Claimed]) -> None:
        """Start messages that the worker has claimed, or was pushed."""
        policy, state = self._policy, self._state
        jobs = [
            self._executor.job(claimed, state.add_claim(claimed.token), self._session) for claimed in claims
        ]
        state.set_seq(self._session.seq)
        if not jobs:
            return
        state.idle_since = 0
        if not self._check_revoked_at:
            self._check_revoked_at = monotonic_ms() + _CHECK_REVOKED_EVERY_MS
        if policy.draining:
            # They were claimed before the signal was handled.
            for job in jobs:
                job.outcome = Released.of(job.claimed)
            self._finished += jobs
            return
        suspects_alone = not SUSPECT_RULES[self._session.worker.suspects].freely
        for job in jobs:
            if suspects_alone and job.claimed.suspect:
                policy.runs_suspect = True
            self._executor.start(job)
        policy.note_started(len(jobs))

    def _check_revoked(self, now: int) -> None:
        """Renew the lease: tell the store what runs, and end what was revoked while it runs, within a second.

        (The supervisor's renewals are for when this can't.)
        """
        if not self._executor.in_flight:
            return
        self._check_revoked_at = now + _CHECK_REVOKED_EVERY_MS
        self._state.in_store_since = now
        try:
            revoked = self._session.renew(self._executor.running())
        except WorkerUnknownError:
            return  # the next step meets it too
        except BackendError as error:
            self._back_off(error)
            return
        finally:
            self._state.in_store_since = 0
        for uuid in revoked:
            self._executor.revoke(uuid)

    def _register_again(self) -> None:
        """Register under a new id: the lease has ended, so other workers have the claims, and outcomes are refused."""
        log.error("The lease of worker %s ran out: what it held goes to others.", self._session.worker.id)
        for job in (*self._finished, *self._in_step):
            self._drop(job)
        self._finished, self._in_step, self._ask_again_at = [], [], None
        try:
            self._session.register()
        except BackendError as error:
            self._back_off(error)
            return
        self._state.set_worker(self._session.worker.id)
        self._sleeper.close_waiters()
        self._policy.claim_again()
        if self._firing is not None:
            self._firing.declare_again()

    def _back_off(self, error: BackendError) -> None:
        """Leave the store alone for a while; what runs goes on."""
        if not self._resume_at:
            log.warning("%s Working on with what runs; trying again until it answers.", _sentence(error))
        elif not isinstance(error, BackendUnavailableError):
            log.error("%s", error)
        self._sleeper.close_waiters()
        self._resume_at = monotonic_ms() + int(self._pauses.next())

    def _step_at(self) -> int | None:
        return earliest(self._counting.hand_over_at, self._ask_again_at)

    def _sleep(self, now: int) -> None:
        if not self._executor.in_flight:
            self._check_revoked_at = 0
        self._counting.report_unsent()
        try:
            pushed = self._sleeper.until_woken(now, self._resume_at, self._check_revoked_at, self._step_at())
        except BackendError as error:  # a waiter meets an outage as a step does
            self._executor.on_ready(frozenset())
            self._back_off(error)
        else:
            if pushed:
                self._start(pushed)
                self._sleeper.let_tasks_begin()
        if self._firing is not None and self._firing.take_fired() and not self._policy.draining:
            self._policy.should_look = True


def _sentence(error: BackendError) -> str:
    text = str(error)
    return text if text.endswith(".") else f"{text}."
