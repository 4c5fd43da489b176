"""The four ports of a backend: messages, results, statuses, locks. **This is the promise.**

What holds for every method here:

* **Atomic.** Each is one step of the store: one script or one transaction. A crash at any moment
  leaves all of it or none.
* **Store time.** Delays, leases and expiries are measured on the store's own clock, never on the caller's.
* **Repeatable.** Each can be sent again after a lost reply without harm. Where that does not follow
  from what the method does, it takes what makes it so (a request id, a worker's sequence number).
* **Errors.** A store that can't be reached raises :class:`~alsek.exceptions.BackendUnavailableError`
  within a bounded time, any other fault of it :class:`~alsek.exceptions.BackendError`, both
  ``from`` the client's own error.
* **Thread-safe, fork-safe.** Any thread may call; a forked child never shares a connection with
  its parent.

The suite in ``tests/contract`` holds every backend to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from alsek.storage.backends.records import (
    FOR_EVER,
    Claimed,
    DeadLetter,
    LockRecord,
    Outcome,
    ResultRecord,
    StatusRecord,
    Step,
    Stored,
    Submission,
    TaskStatus,
    Worker,
)


class Waiter(ABC):
    """Sleeps until something may be claimable, on behalf of one worker, in one thread.

    Made for a loop over ``select``: :meth:`fileno` becomes readable when it is worth claiming. Whatever
    makes a message ready, for whatever reason, wakes **one** sleeping worker that may take it; a claim
    that leaves something behind wakes the next. Nothing is missed: what became ready between the
    worker's last claim and :meth:`arm` wakes it as well. A delayed message that is due before any other
    wakes one too, so that it can set its timer. Wake-ups may be spurious.
    """

    @property
    @abstractmethod
    def interval(self) -> int:
        """The worker claims at least this often (ms) while it sleeps, whatever it hears: the safety net."""

    @abstractmethod
    def fileno(self) -> int:
        """The file descriptor to select on. It may change: ask before each sleep."""

    @abstractmethod
    def arm(self) -> None:
        """Begin to wait; harmless when armed already. Never blocks for long."""

    @abstractmethod
    def drain(self) -> bool:
        """Take in what made :meth:`fileno` readable, without blocking; True if it is worth claiming.

        A lost connection counts as True: the claim that follows meets the store's state.
        """

    @abstractmethod
    def pass_on(self) -> None:
        """Wake another worker in this one's place: it was woken, but can't claim now."""

    @abstractmethod
    def close(self) -> None:
        """Give back the connection; whoever waits is no longer woken."""


class MessagePort(ABC):
    """Messages: waiting, held, finished or dead."""

    @abstractmethod
    def add(self, submissions: Sequence[Submission], request: str) -> list[bool]:
        """Store new messages: ready, or delayed by their `delay`; write SUBMITTED for tracked ones.

        A uuid is new if no message of it is stored, in any queue, and its last message was not finished by its
        holder (it succeeded or died) within :data:`~alsek.defaults.DEDUP_WINDOW`. A message that was removed or
        buried by hand, or set aside as unreadable, leaves its uuid new. One sleeping worker is woken for each
        kind that may take them.

        A message whose uuid is ``named`` takes the place of the last message of that uuid. The same step removes
        what is left of the old one: its result, its status, its dead letter if that is in the same queue, and
        the note of which results descend from it (those results stay). A submission that is refused, or that
        is accepted again, removes nothing. A dead letter in another queue stays: it is found there only.

        Args:
            submissions: Any number; each batch of up to :data:`~alsek.defaults.SUBMISSION_BATCH` is one step.
            request: Names this call. A submission that the store took under the same id before counts
                as accepted again and changes nothing, so a call may be repeated after a lost reply. This also
                holds when the message has been claimed, has finished, or was removed or buried by hand since
                (within the window), unless another request has brought a message of its uuid since. Of a
                message that was set aside as unreadable the request is not remembered.

        Returns:
            For each submission whether it was accepted; False if its uuid exists. Of two with one uuid in
            this call the second is not.
        """

    @abstractmethod
    def register(self, worker: Worker) -> None:
        """Make a worker known, with a full lease. Of a known one, renew the lease."""

    @abstractmethod
    def step(self, worker: Worker, seq: int, outcomes: Sequence[Outcome], limit: int) -> Step:
        """Report outcomes and claim what is next, in **one** step.

        1. *Finish.* Each outcome is accepted only if its token is that of this worker's current claim on the
           message of its uuid; then all that belongs to it (see the outcome's class) is written, and results,
           statuses and callbacks are published. The outcome's queue is not looked at: the claim's counts. What
           is retried without a delay takes its place in the order of the outcomes; after all of these, so do
           the callbacks. They are taken in as by :meth:`add`; one whose uuid is not new is skipped and reported.
        2. *Promote.* Delayed messages that are due become ready, at most
           :data:`~alsek.defaults.PROMOTION_BATCH`, in the order in which they are due; of those due at the
           same moment the one goes first that was delayed first. Each takes the arrival number of that
           moment, but its ttl counts from when it was due, however late a worker comes.
        3. *Take over.* What workers whose lease has ended hold becomes ready, at its old place, with one
           loss more, status RETRYING; those workers are forgotten, and reported. `worker` itself never is: it is
           here.
           If no worker reached the store for as long as a worker's own lease (an outage), that worker gets a
           new lease from the first who does, with whichever method. A store may note contacts once a second
           only, so an outage may seem longer than it was by that much, or by a quarter of a lease if that is less.
        4. *Claim.* Up to `limit` messages that `worker` may take, by queue in its order, then by (priority,
           arrival), each with a new token; RUNNING written. Revoked, expired and suspect ones are marked. A
           suspect is handed to a worker that takes it alone if it comes first of all. A record that can't be
           read is set aside among the dead letters, as a ``CorruptMessageError``, and reported.
        5. If messages are left that this worker or another may take, one more sleeper is woken.

        With ``limit=0`` parts 2 and 3 still happen and nothing is claimed.

        Args:
            worker: A registered worker.
            seq: Grows by one with each new step of this worker. The same `seq` again returns the answer
                of the first time and changes nothing (the reply was lost). Of its claims it names those that
                the worker holds still, as they are now; `next_due`, `waiting` and `suspects` may be told
                as they were or as they are.
            outcomes: Of messages that it holds.
            limit: How many messages it can start at once now.

        Raises:
            WorkerUnknownError: The worker is not registered (any more). Nothing was written.
            BackendError: `seq` is older than that of the worker's last step, as its own process or the store
                knows it. Nothing was written.
        """

    @abstractmethod
    def renew(self, worker: Worker, seq: int, tokens: Iterable[int]) -> list[str]:
        """Extend the lease of a worker and of all that it holds.

        Claims that the store has for this worker from steps up to `seq` and whose token is not among `tokens`
        are given back, as by ``Released``: their reply was lost for good.

        Returns:
            The uuids of revoked messages among those held.

        Raises:
            WorkerUnknownError: The worker is not registered (any more).
        """

    @abstractmethod
    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        """Accept the last `outcomes` of a worker, give back all else that it holds, and forget it.

        For a supervisor, after the process that worked under this id has ended. What is given back has no
        loss and no retry charged (as by ``Released``). An unknown worker is no error: all its outcomes
        are refused, but for those that its retirement accepted within :data:`~alsek.defaults.DEDUP_WINDOW`: so
        a repetition after a lost reply is told what the first call was.

        Returns:
            The uuids of the outcomes that were refused.
        """

    @abstractmethod
    def held(self, worker: Worker) -> list[Claimed]:
        """What `worker` holds now, oldest claim first."""

    @abstractmethod
    def waiter(self, worker: Worker) -> Waiter:
        """A new waiter for `worker`: it hears of what `worker` may take, in queues that appear later too."""

    @abstractmethod
    def remove(self, queue: str, uuid: str) -> bool:
        """Remove a message in whatever state, without regard to who holds it; False if it isn't there.

        UNKNOWN is written, unless its status is FAILED or SUCCEEDED. Its uuid is new at once, but not to the request
        that brought it: see :meth:`add`. The same for the uuid in :meth:`fail`.
        """

    @abstractmethod
    def reschedule(self, queue: str, uuid: str, payload: bytes, delay: int) -> bool:
        """Replace a message's payload and make it delayed (0: ready), whoever holds it; False if it isn't there.

        RETRYING is written, and it expires no more. The claim of a holder ends: its outcome will be refused.
        """

    @abstractmethod
    def fail(self, queue: str, uuid: str, error: bytes, dlq_ttl: int) -> bool:
        """Move a message to the dead letters, whoever holds it, and write FAILED; False if it is in neither place."""

    @abstractmethod
    def revoke(self, queue: str, uuid: str) -> bool:
        """Mark a message as revoked; it stays where it is. False if it isn't there.

        Its holder hears of it at once; if it has none, the channel of its result tells of it.
        """

    @abstractmethod
    def get(self, queue: str, uuid: str) -> Stored | None:
        """A message as it is stored now, or None."""

    @abstractmethod
    def exists(self, queue: str, uuid: str) -> bool:
        """Whether the message is stored: delayed, ready or claimed."""

    @abstractmethod
    def queues(self) -> list[str]:
        """The queues that hold messages, in alphabetical order."""

    @abstractmethod
    def count(self, queue: str) -> int:
        """How many messages a queue holds, delayed and claimed ones included. O(1)."""

    @abstractmethod
    def browse(self, queue: str) -> Iterator[Stored]:
        """All messages of a queue, in no particular order, fetched in small pieces.

        One that is there from beginning to end is yielded exactly once.
        """

    def uuids(self) -> Iterator[str]:
        """The uuids of all messages of all queues, in no particular order, fetched in small pieces.

        One that is there from beginning to end is yielded. A store overrides this if it can do it without looking at
        one queue after the other.
        """
        return (stored.uuid for queue in self.queues() for stored in self.browse(queue))

    @abstractmethod
    def dead_letter(self, queue: str, uuid: str) -> DeadLetter | None:
        """The dead letter of this uuid, or None."""

    @abstractmethod
    def dead_letters(self, queue: str) -> Iterator[DeadLetter]:
        """The dead letters that the queue has when the walk begins, oldest first, fetched in small pieces.

        Each is yielded at most once, and if it stays there, once. A message that is buried during the walk is not
        yielded, also if it is one that was replayed and died again.
        """

    @abstractmethod
    def dead_queues(self) -> list[str]:
        """The queues that have dead letters, in alphabetical order."""

    @abstractmethod
    def replay(self, submission: Submission, died_at: int) -> bool:
        """Take the dead letter of ``submission.uuid`` with this `died_at` back among the messages, as `submission`.

        This is the old message, not a new one: the letter goes, a result of it stays, whether or not the uuid
        is ``named``.

        Returns:
            True as well if that was done before: the message of this uuid that is stored, or that was gone last (within
            :data:`~alsek.defaults.DEDUP_WINDOW`), came from a replay. False if there is no such letter, or if a
            message of its uuid is stored.
        """

    @abstractmethod
    def purge(self, queue: str, uuid: str | None = None) -> int:
        """Delete one dead letter, or all of a queue; how many it was."""


class ResultPort(ABC):
    """Results, by the uuid of the message. A write publishes on the channel ``results:<uuid>``;
    so do a failure and a removal of the message, and a revocation while nobody holds it, since those who wait for the
    result must look again."""

    @abstractmethod
    def put(
        self,
        uuid: str,
        payload: bytes,
        ttl: int = FOR_EVER,
        token: int = 0,
        progenitor: str | None = None,
    ) -> bool:
        """Store a result, unless the stored one was written under a newer token; whether it was stored.

        The result of an outcome that a step accepts is stored in any case: its claim is the current one.
        """

    @abstractmethod
    def get(self, uuids: Sequence[str]) -> list[ResultRecord | None]:
        """The results of these messages, in this order; None where there is none."""

    @abstractmethod
    def descendants(self, uuid: str) -> list[ResultRecord]:
        """The results last written with `uuid` as their progenitor, oldest write first (not that of `uuid` itself)."""

    @abstractmethod
    def delete(self, uuids: Sequence[str]) -> int:
        """Delete results; how many there were."""


class StatusPort(ABC):
    """Statuses, by the uuid of the message. A write publishes on the channel ``statuses:<uuid>``."""

    @abstractmethod
    def put(
        self,
        uuid: str,
        status: TaskStatus,
        details: bytes | None = None,
        ttl: int = FOR_EVER,
        only_new: bool = False,
    ) -> bool:
        """Store a status; with `only_new` only if there is none; whether it was stored."""

    @abstractmethod
    def get(self, uuids: Sequence[str]) -> list[StatusRecord | None]:
        """The statuses of these messages, in this order; None where there is none."""

    @abstractmethod
    def replace(self, uuid: str, expected: StatusRecord, status: TaskStatus, ttl: int = FOR_EVER) -> bool:
        """Store `status` if the record is still `expected` (status and timestamp); whether it was."""

    @abstractmethod
    def delete(self, uuids: Sequence[str]) -> int:
        """Delete statuses; how many there were."""

    @abstractmethod
    def scan(self) -> Iterator[StatusRecord]:
        """All statuses, in no particular order, fetched in small pieces."""


class LockPort(ABC):
    """Locks: one owner a name, for a bounded time. A release publishes on the channel ``locks:<name>``."""

    @abstractmethod
    def acquire(self, name: str, owner: str, ttl: int) -> LockRecord:
        """Take the lock if it is free; either way, who holds it now.

        The caller has it if the record's owner is `owner`. A lock that `owner` held already is returned as
        it was: neither its expiry nor its fence change. The fence number grows with each acquisition of
        this name, also after expiry; it never repeats.
        """

    @abstractmethod
    def release(self, name: str, owner: str) -> bool:
        """Free the lock if `owner` holds it; whether it did."""

    @abstractmethod
    def extend(self, name: str, owner: str, ttl: int) -> LockRecord | None:
        """Let the lock expire `ttl` from now if `owner` holds it; None if it does not."""

    @abstractmethod
    def holder(self, name: str) -> LockRecord | None:
        """Who holds the lock, or None."""
