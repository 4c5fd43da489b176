"""The consumer: a stream of messages for programs that process them without a worker pool."""

from __future__ import annotations

import os
import select
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Final

from alsek.core.backoff import Backoff, LinearBackoff
from alsek.core.bounds import check_number
from alsek.core.broker import Broker
from alsek.core.execution.conclusions import dead_letter
from alsek.core.execution.facts import HandedOut, worker_facts
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
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.records import Claimed, Failed, Worker

log = guarded_logger(__name__)

#: The longest sleep before a store that is away is asked again.
_LONGEST_SLEEP_MS = 5_000
_ONE: Final[Mapping[SlotKind, int]] = {"any": 1}


class Consumer:
    """Claims messages one by one. Worker pools don't use it; their engine claims many at once.

    Each message that :meth:`stream` yields is claimed by this consumer, for as long as the consumer lives, until it is
    acknowledged, retried or failed through a broker. Closing the consumer releases the claims, with nothing charged; so
    does its garbage collection. Until then who has the message may call its ``progress`` and ``save``, and ask for its
    ``checkpoint``; it is ``stopping`` once the consumer is closed, or the message was revoked.

    After a fork the child has claims of its own: its first call of :meth:`stream` registers it under another id. Claims
    from before the fork stay with the parent: settling one in the child raises
    :class:`~alsek.exceptions.ValidationError`, and nothing that the child does to the consumer affects the parent.

    Args:
        broker: The broker whose backend has the messages.
        queues: Drained strictly in this order (or the name of one); None for all, in alphabetical order.
        backoff: The longest wait between two claims, by the number of claims that found nothing. A wake-up ends the
            wait at once.
        lease: How long (ms) claims stay with a consumer that has died.
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
        """Start in this process, with no claims."""
        self._pid = os.getpid()
        self._session = WorkerSession(self.broker.backend, self._worker, worker_facts(None))
        self._handed_out = HandedOut()
        self._stop = WakeupPipe()
        self._closed = threading.Event()
        self._session.is_stopping = self._closed.is_set
        self._keeper: LeaseKeeper | None = None

    def stream(self) -> Iterator[Message]:
        """Yield messages as they become ready, until :meth:`close`.

        After leaving the loop, by ``break`` for example, nothing more is claimed; the yielded messages stay claimed.
        """
        if self._closed.is_set():
            return
        if os.getpid() != self._pid:
            self._begin()
        if self._keeper is None:
            self._register()
        pid = self._pid
        waiter: Waiter | None = None
        listening = False  # the waiter is armed, and was not woken
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
                    # The caller may keep the message for long: disarm, so that another worker gets the next wake-up.
                    waiter.close()
                    waiter, listening = None, False
                misses = 0
                yield message
        finally:
            if waiter is not None and os.getpid() == pid:  # a forked child's copy shares the parent's socket
                waiter.close()

    def _claim(self) -> tuple[Message | None, int | None]:
        try:
            step = self._session.step((), _ONE)
            for claimed in step.claimed:
                message = self._admit(claimed)
                if message is not None:
                    return message, None
        except WorkerUnknownError:
            log.error(
                "The lease of consumer %s ran out: its claims are lost, and it registers again.",
                self._session.worker.id,
            )
            self._session.register()
            return None, 0
        return None, 0 if step.claimed else step.next_due

    def _admit(self, claimed: Claimed) -> Message | None:
        """Return the message with its claim; None if it must not run: then it becomes a dead letter."""
        opened = open_claimed(claimed, self._session, self.broker, None, DEFAULT_MAX_LOSSES)
        if isinstance(opened, Failed):
            self._session.finish(opened)
            return None
        if opened.rejection is not None:
            conclusion = dead_letter(None, opened.delivery, opened.rejection, self.broker)
            self._session.finish(conclusion.outcome)
            return None
        self._handed_out.add(claimed, self._session.held)
        return opened.delivery.message

    def _sleep(self, waiter: Waiter | None, misses: int, next_due: int | None) -> bool:
        """Sleep until there may be a message, or until :meth:`close`; return True if the waiter was woken."""
        longest = min(self.backoff.get(misses), _LONGEST_SLEEP_MS if waiter is None else waiter.interval)
        poll = select.poll()
        poll.register(self._stop, select.POLLIN)
        descriptor_of_waiter = -1 if waiter is None else waiter.fileno()
        if waiter is not None:
            poll.register(descriptor_of_waiter, select.POLLIN)
        ready = [
            descriptor for descriptor, _ in poll.poll(longest if next_due is None else min(longest, next_due))
        ]
        return waiter is not None and descriptor_of_waiter in ready and waiter.drain()

    def _register(self) -> None:
        self._session.register()
        self._keeper = LeaseKeeper(self._session, self._handed_out)
        weakref.finalize(self, self._keeper.stop)

    def close(self) -> None:
        """Stop the stream and release the claims. May be called from any thread, more than once."""
        if self._closed.is_set():
            return
        if os.getpid() != self._pid:  # all that could be ended is the parent's
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
