"""The reporter: brings what running tasks tell to the store, for all messages of one session."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from alsek.core.clock import real_time
from alsek.core.loggers import guarded_logger
from alsek.core.reporting.reporting import Reporting
from alsek.exceptions import (
    AlsekError,
    BackendError,
    BackendUnavailableError,
    ClaimLostError,
    WorkerUnknownError,
)
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Claimed, Outcome, Report, Worker

log = guarded_logger(__name__)

#: What is pending is sent this often at most: four times a second.
INTERVAL_S: Final = 0.25
#: While the store is away: likewise, at the longest.
_LONGEST_PAUSE_S: Final = 5.0


class Reporter:
    """Sends reports in a thread of its own, which is made when there is something to send. Thread-safe.

    Args:
        backend: The store.
        interval_s: How long the thread waits before it sends what has come: what comes meanwhile goes along.
    """

    def __init__(self, backend: Backend, interval_s: float = INTERVAL_S) -> None:
        self._backend = backend
        self._durable: Backend | None = None
        self._interval_s = interval_s
        self._by_token: dict[int, Reporting] = {}
        #: What other processes have told last, which is to travel with the outcomes of these tokens.
        self._adopted: dict[int, tuple[Report, ...]] = {}
        self._lock = threading.RLock()  # as in Reporting
        #: True makes the thread send, False ends it. Its ``put`` may be interrupted by another, by which an event's
        #: ``set`` would be blocked.
        self._requests: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._requested = self._stopped = False
        self._thread: threading.Thread | None = None

    def of(
        self, claimed: Claimed, worker: Worker, held: Collection[int], *, follows: bool = False
    ) -> Reporting | None:
        """Return the reports on a claim; None if it has ended.

        Args:
            claimed: The claim.
            worker: The worker that holds it.
            held: The tokens of all claims that have not ended.
            follows: Another process, which has died, may have reported under this token.
        """
        found = self._by_token.get(claimed.token)
        if found is not None or claimed.token not in held:
            return found
        with self._lock:
            self._forget_ended(held)
            return self._by_token.setdefault(claimed.token, Reporting(claimed, worker, follows=follows))

    def existing(self, token: int) -> Reporting | None:
        """Return the reports on a claim if anything was told under it."""
        return self._by_token.get(token)

    def is_lost(self, token: int) -> bool:
        """Return True if the store has refused a report on this claim: another worker may have the message."""
        reporting = self._by_token.get(token)
        return reporting is not None and reporting.lost

    def _forget_ended(self, held: Collection[int]) -> None:
        for token in [token for token in self._by_token if token not in held]:
            del self._by_token[token]
        for token in [token for token in list(self._adopted) if token not in held]:
            self._adopted.pop(token, None)

    def request(self) -> None:
        """Have the thread send soon what is pending. Returns at once, and never raises."""
        if not self._requested:
            self._requested = True
            self._requests.put(True)
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._stopped:
                return
            # In an empty context: what it logs belongs to no message.
            run = contextvars.Context().run
            self._thread = threading.Thread(target=run, args=(self._run,), name="alsek-reports", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                # No more threads now: the next request tries again, and the last report needs none.
                self._thread = None
            except BaseException:
                # Raised in this thread from outside, a timeout for example: likewise, unless it runs already.
                if self._thread.ident is None:
                    self._thread = None
                raise

    def save(self, reporting: Reporting, data: bytes) -> None:
        """Save a checkpoint. When this returns, it outlasts a power cut as far as the store does.

        Raises:
            ClaimLostError: The claim has ended, or is another worker's. Nothing was saved.
            BackendError: The store can't answer now. It was saved, or not.
        """
        claimed = reporting.claimed
        with reporting.sending:
            reports = () if reporting.lost else reporting.checkpoint_reports(data)
            if not reports:
                raise lost_claim(claimed)
            try:
                refused = self._durable_messages.report(reporting.worker, reports)
            except WorkerUnknownError as error:
                reporting.on_answer(0, refused=True)
                raise lost_claim(claimed) from error
            reporting.on_answer(reports[-1].number, refused=bool(refused))
            if refused:
                raise lost_claim(claimed)
            reporting.saved = data

    @property
    def _durable_messages(self) -> MessagePort:
        """The port whose steps outlast a power cut, on a connection of its own where that is another."""
        with self._lock:
            if self._durable is None:
                self._durable = self._backend.durable()
            return self._durable.messages

    def adopt(self, token: int, reports: tuple[Report, ...]) -> None:
        """Keep the last reports of another process that holds this claim, for its outcome."""
        self._adopted[token] = reports

    def with_last(self, outcomes: Iterable[Outcome]) -> list[Outcome]:
        """Return outcomes, each after the last reports on its claim."""
        complete: list[Outcome] = []
        for outcome in outcomes:
            if not isinstance(outcome, Report):
                complete += self.last_of(outcome.token)
            complete.append(outcome)
        return complete

    def last_of(self, token: int) -> tuple[Report, ...]:
        """Return the last reports on a claim, for its outcome; nothing more may be told under it."""
        reporting = self._by_token.get(token)
        own = () if reporting is None else reporting.close()
        return own + self._adopted.pop(token, ())

    def all_last(self) -> list[Report]:
        """Return the last reports on all claims."""
        return [report for token in (*self._by_token, *self._adopted) for report in self.last_of(token)]

    def forget(self) -> None:
        """Forget all claims: the worker has lost them."""
        with self._lock:
            for reporting in list(self._by_token.values()):
                reporting.lost = True
            self._by_token.clear()
            self._adopted.clear()

    def stop(self) -> None:
        """Let the thread end. Does not wait for it."""
        self._stopped = True
        self._requests.put(False)
        if self._thread is None:
            self._close()

    def _close(self) -> None:
        if self._durable is not None and self._durable is not self._backend:
            self._durable.close()

    def _run(self) -> None:
        pause = self._interval_s
        while self._requests.get() and not self._is_stopped_within(pause):
            self._requested = False
            pause = self._interval_s if self.send_pending() else min(2 * pause, _LONGEST_PAUSE_S)
            if any(reporting.is_pending for reporting in list(self._by_token.values())):
                self.request()
        self._close()

    def _is_stopped_within(self, seconds: float) -> bool:
        """Wait, and return True if the thread is to end. Threads that request at once do not end the wait."""
        until = real_time.monotonic() + seconds
        while (left := until - real_time.monotonic()) > 0:
            try:
                if not self._requests.get(timeout=left):
                    return True
            except queue.Empty:
                break
        return False

    def send_pending(self) -> bool:
        """Send what is pending, in one call of the store. Returns False if the store could not answer."""
        by_worker: dict[str, list[tuple[Reporting, Report]]] = {}
        for reporting in list(self._by_token.values()):
            if reporting.is_pending and reporting.sending.acquire(blocking=False):
                report = reporting.next_report()
                if report is None:
                    reporting.sending.release()
                else:
                    by_worker.setdefault(reporting.worker.id, []).append((reporting, report))
        answered = True
        for pending in by_worker.values():
            try:
                answered = self._send(pending) and answered
            finally:
                for reporting, _ in pending:
                    reporting.sending.release()
        return answered

    def _send(self, pending: Sequence[tuple[Reporting, Report]]) -> bool:
        worker = pending[0][0].worker
        refused: Collection[str]
        try:
            refused = set(self._backend.messages.report(worker, [report for _, report in pending]))
        except WorkerUnknownError:
            refused = [report.uuid for _, report in pending]
        except BackendError as error:
            if len(pending) > 1 and not isinstance(error, BackendUnavailableError):
                # What the store has of one message may be damaged: that must not hold up the others.
                answers = [self._send([each]) for each in pending]
                return all(answers)
            log.debug("Reports on %d messages wait: %s", len(pending), error)
            return False
        except Exception:  # it must not end the thread, nor be tried for ever
            log.exception("Reports on %d messages are left out.", len(pending))
            refused = ()
        for reporting, report in pending:
            reporting.on_answer(report.number, refused=report.uuid in refused)
        return True


def lost_claim(claimed: Claimed) -> AlsekError:
    """Return the error of a claim that has ended."""
    return ClaimLostError(
        f"message {claimed.uuid!r} in queue {claimed.queue!r} is no longer held under token {claimed.token}: its "
        "attempt has ended, the lease ran out, or it was given back"
    )
