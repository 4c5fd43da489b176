"""The consumer: messages for whoever wants to process them by hand."""

from __future__ import annotations

import os
import select
import threading
import weakref
from collections.abc import Iterator, Sequence
from types import TracebackType

from alsek.core.backoff import Backoff, LinearBackoff
from alsek.core.bounds import check_number
from alsek.core.broker import Broker
from alsek.core.execution.conclusions import dead_letter
from alsek.core.execution.lease_keeper import LeaseKeeper
from alsek.core.execution.opening import open_claimed
from alsek.core.execution.session import WorkerSession
from alsek.core.identifiers import check_queues
from alsek.core.loggers import guarded_logger
from alsek.core.message import Message
from alsek.core.short_repr import shown
from alsek.core.wakeup_pipe import WakeupPipe
from alsek.defaults import DEFAULT_LEASE, DEFAULT_MAX_LOSSES
from alsek.exceptions import BackendUnavailableError, ValidationError, WorkerUnknownError
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Claimed, Died, Worker

log = guarded_logger(__name__)

#: How long (ms) at most until a store that is away is asked again.
_LONGEST_SLEEP = 5_000


class Consumer:
    """Pulls messages off the backend. Worker pools have a faster way of their own.

    Each message that :meth:`stream` yields is held by this consumer alone, for as long as the consumer lives, until it
    is acknowledged, retried or failed through a broker. Closing gives back what is still held, uncharged; so does
    the end of the consumer object itself.

    After a fork the child has messages of its own: its first call of :meth:`stream` begins anew, under an id of its
    own. What was held before the fork stays its parent's: settling that in the child is a
    :class:`~alsek.exceptions.ValidationError`, and nothing that the child does to the consumer reaches the parent.

    Args:
        broker: Whose backend.
        queues: Drained strictly in this order (or the name of one); None for all, in alphabetical order.
        backoff: The longest wait between two looks at the backend, by the number of looks that found nothing. A
            wake-up ends the wait at once.
        lease: How long (ms) messages stay with a consumer that has died.
    """

    def __init__(
        self,
        broker: Broker,
        queues: Sequence[str] | str | None = None,
        backoff: Backoff | None = None,
        lease: int = DEFAULT_LEASE,
    ) -> None:
        self.broker = broker
        if not isinstance(broker, Broker):
            raise ValidationError(f"Consumer(broker={shown(broker)}): must be a Broker; say, Broker(backend)")
        self.queues = check_queues(queues)
        if backoff is not None and not isinstance(backoff, Backoff):
            raise ValidationError(f"Consumer(backoff={shown(backoff)}): must be None or a Backoff")
        check_number("lease", lease, 1, "Consumer")
        self.backoff = backoff or LinearBackoff(1_000, floor=1_000, ceiling=30_000)
        self._worker = Worker("", "any", self.queues, lease, broker.dlq_ttl or 0, "freely")
        self._begin()

    def _begin(self) -> None:
        """Belong to this process, and hold nothing."""
        self._pid = os.getpid()
        self._session = WorkerSession(self.broker.backend, self._worker)
        self._stop = WakeupPipe()
        self._closed = threading.Event()
        self._keeper: LeaseKeeper | None = None

    def stream(self) -> Iterator[Message]:
        """Messages, as they become ready, for ever (until :meth:`close`).

        Leaving the loop over it, by ``break`` say, takes no more; what it has yielded stays held.
        """
        if self._closed.is_set():
            return
        if os.getpid() != self._pid:
            self._begin()
        if self._keeper is None:
            self._register()
        pid = self._pid
        waiter: Waiter | None = None
        listening = False  # the waiter is armed, and has not rung
        misses = 0
        try:
            while not self._closed.is_set():
                if os.getpid() != pid:
                    raise ValidationError(
                        f"this stream is that of process {pid}, from which this one ({os.getpid()}) was forked: call "
                        "stream() again, for messages of its own"
                    )
                message, next_due = None, None
                try:
                    message, next_due = self._claim()
                    if message is None:
                        waiter = waiter or self._session.waiter()
                        waiter.arm()
                        listening = True
                except BackendUnavailableError as error:
                    log.warning("%s", error)
                    if waiter is not None:
                        waiter.close()
                    waiter, listening = None, False
                if message is None:
                    misses += 1
                    if self._sleep(waiter, misses, next_due):
                        listening = False
                    continue
                if listening and waiter is not None:
                    # Whoever has the message may take long: what this would be woken for now, another must hear.
                    waiter.close()
                    waiter, listening = None, False
                misses = 0
                yield message
        finally:
            if waiter is not None and os.getpid() == pid:  # a forked child's copy shares the parent's socket
                waiter.close()

    def _claim(self) -> tuple[Message | None, int | None]:
        try:
            step = self._session.step((), 1)
            for claimed in step.claimed:
                message = self._admit(claimed)
                if message is not None:
                    return message, None
        except WorkerUnknownError:
            log.error(
                "The lease of consumer %s ran out: what it held is no longer its own.",
                self._session.worker.id,
            )
            self._session.register()
            return None, 0
        return None, 0 if step.claimed else step.next_due

    def _admit(self, claimed: Claimed) -> Message | None:
        """The message, with its claim; None if it must not run: then it becomes a dead letter."""
        opened = open_claimed(claimed, self._session, self.broker, None, DEFAULT_MAX_LOSSES)
        if isinstance(opened, Died):
            self._session.finish(opened)
            return None
        if opened.rejection is not None:
            conclusion = dead_letter(None, opened.delivery, opened.rejection, self.broker)
            self._session.finish(conclusion.outcome)
            return None
        return opened.delivery.message

    def _sleep(self, waiter: Waiter | None, misses: int, next_due: int | None) -> bool:
        """Sleep until something may be claimable, or :meth:`close`; whether the waiter rang."""
        longest = min(self.backoff.get(misses), _LONGEST_SLEEP if waiter is None else waiter.interval)
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        ear = -1 if waiter is None else waiter.fileno()
        if waiter is not None:
            poll.register(ear, select.POLLIN)
        ready = [
            descriptor for descriptor, _ in poll.poll(longest if next_due is None else min(longest, next_due))
        ]
        return waiter is not None and ear in ready and waiter.drain()

    def _register(self) -> None:
        self._session.register()
        self._keeper = LeaseKeeper(self._session)
        weakref.finalize(self, self._keeper.stop)

    def close(self) -> None:
        """Stop the stream, and give back what is held. May be called from any thread, more than once."""
        if self._closed.is_set():
            return
        if os.getpid() != self._pid:  # all that there is to end is its parent's
            self._closed = threading.Event()
            self._closed.set()
            return
        self._closed.set()
        self._stop.notify()
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper.join()

    def __enter__(self) -> Consumer:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()
