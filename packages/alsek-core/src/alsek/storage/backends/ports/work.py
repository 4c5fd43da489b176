"""Work: what a worker does with messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.ports.waiter import Waiter
from alsek.storage.backends.records import (
    Claimed,
    HistoryCounts,
    Outcome,
    Report,
    Running,
    Step,
    Worker,
    WorkerFacts,
)


class WorkPort(ABC):
    """Hands messages to workers and accepts their outcomes."""

    @abstractmethod
    def register(self, worker: Worker, facts: WorkerFacts | None = None) -> None:
        """Register a worker with a full lease. If it is registered already, renew its lease.

        `facts`, with the worker's kind and queues, are kept until it is forgotten. Without them nothing is known of it,
        or what it told before stays.
        """

    @abstractmethod
    def step(
        self,
        worker: Worker,
        seq: int,
        outcomes: Sequence[Outcome],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts] = (),
        *,
        sleeps: bool = False,
        received: int | None = None,
    ) -> Step:
        """Report outcomes and claim the next messages, in **one** step.

        1. *Finish.* An outcome is accepted only if its token is that of this worker's current claim on the message of
           its uuid. Then everything that belongs to it (see the outcome's class) is written, and results, statuses and
           callbacks are published. The outcome's queue is ignored: the claim's queue counts. Messages that are retried
           without a delay are queued in the order of the outcomes, and the callbacks after all of them: first those
           that are messages, then the members of those that are groups. A
           :class:`~alsek.storage.backends.records.Report` among them is taken in as by :meth:`report`; one that follows
           the outcome of its claim is refused. A callback is stored as by
           :meth:`~alsek.storage.backends.ports.SubmissionPort.add`; one whose uuid is not new is skipped and reported.
        2. *Promote.* Delayed messages that are due become ready, at most
           :data:`~alsek.defaults.PROMOTION_BATCH`, in the order in which they are due; of two that are due at the same
           moment, the one that was delayed first. Each gets the next arrival number, but its ttl counts from the
           moment when it was due, however late a worker promotes it. Schedules that are due are offered to a worker
           that fires them (see :class:`~alsek.storage.backends.ports.SchedulePort`).
        3. *Take over.* Messages held by workers whose lease has ended become ready at their old place, with one more
           loss and status RETRYING; those workers are forgotten, and reported. `worker` itself is never taken over.
           If no worker reached the store for as long as a worker's own lease (an outage), that worker gets a new lease
           from the first call of any worker, with any method. A store may record contacts once a second only, so an
           outage may seem longer than it was by that much, or by a quarter of a lease if that is less.
        4. *Claim.* Messages that `worker` may take, by queue in the worker's order, then by (priority, arrival), each
           with a new token; RUNNING is written. Of those that take up the same slot kind in the worker (see
           :func:`~alsek.storage.backends.kinds.slot_of`) no more than its limit; then they are passed over, and hold
           up no others. Revoked, expired and suspect messages are marked. A suspect is handed to a worker that takes
           suspects alone if it comes first of all that the limits allow. A record that can't be
           read is moved to the dead letters with a ``CorruptMessageError``, and reported. Nothing is taken from a
           queue that is paused. What is set aside (see :class:`~alsek.storage.backends.records.SetAside`) is handed
           only to workers that have its task: in its place among the other messages of its queue, and from queues that
           the worker does not serve after all others, in alphabetical order.
        5. *Wake.* If messages are left that this worker or another may take, one more sleeping worker is woken.

        Without a limit above 0, parts 2 and 3 still happen, and nothing is claimed.

        **Pushes.** With `sleeps`, a step that leaves nothing which the worker could take, and has claimed less than its
        limits allow, makes the worker a *sleeper* until its next step, for :data:`~alsek.defaults.SLEEPER_MS` at most;
        the answer says so. A submission of one message that is ready at once may then be claimed by a sleeper in the
        step that stores it, and is sent to the sleeper's waiter: a *push*. That happens only if the sleeper's lease has
        not ended, and a claim of the sleeper at that moment would hand out this message first (of what is ready:
        nothing is promoted for it); no more often than its limits allow, and :data:`~alsek.defaults.MOST_PUSHES` times
        at most, for each kind of slots. A worker with slots of two kinds becomes a sleeper only if it has claimed
        nothing. The limit of a step that seeks allows for as many messages of the worker's own kind. RUNNING is written
        after SUBMITTED. The sleeper whose last push or step was first gets the next push. A push belongs to the
        sleeper's next step: its claim has that number, and a renewal before that step leaves it alone for
        :data:`~alsek.defaults.STALE_PUSH_MS`. The answer to that step has it as claimed if it did not arrive, and it
        counts towards that step's limits. A store pushes only to a waiter that it knows to be connected. One that never
        pushes makes no sleepers; neither need a store push everything that it could.

        A worker of kind ``"thread"`` or ``"process"`` has no ``async def`` tasks. It takes messages of such tasks, of
        its mechanism or any, only in a step that *seeks* them: one whose `limits` have ``"coroutine"``. So somebody
        finds those whose task nobody has, or has become a plain function. Other steps cost nothing for them, and such
        a worker is not woken for them.

        Args:
            worker: A registered worker.
            seq: Grows by one with each new step of this worker. A step with the same `seq` as the last one (its reply
                was lost) returns the answer of the first call and changes nothing. Of its claims, the answer has those
                that the worker still holds, as they are now; `next_due`, `waiting` and `suspects` may be as they were
                or as they are now.
            outcomes: Outcomes of messages that the worker holds.
            limits: How many messages the worker can start now, by the slot kind that they take up. Those of the
                worker's kind are in :data:`~alsek.storage.backends.kinds.SLOTS_OF`. One that is left out counts as 0;
                others are ignored, unless the step seeks.
            history: Counts to add to the history, for the present minute of the store's clock. A worker hands over
                what it has counted about once a second. A step with the same `seq` adds nothing again.
            sleeps: The worker has a waiter that :attr:`~alsek.storage.backends.ports.Waiter.receives` pushes.
            received: How many pushes have arrived since the worker's last step; None if that step did not make it a
                sleeper. If more were sent, the answer has all pushes since then that the worker still holds, also those
                that have arrived: the caller knows them by their tokens.

        Raises:
            WorkerUnknownError: The worker is not registered, or no longer. Nothing was written.
            BackendError: `seq` is lower than that of the worker's last step, as far as this process or the store knows
                it. Nothing was written.
        """

    @abstractmethod
    def renew(
        self, worker: Worker, seq: int, tokens: Iterable[int], running: Sequence[Running] | None = None
    ) -> list[str]:
        """Extend the lease of a worker and of all messages that it holds.

        Claims that the store has for this worker from steps up to `seq`, and whose token is not among `tokens`, are
        given back, as by ``Released``: the reply that had them was lost for good. If the worker is a sleeper, and its
        last step was :data:`~alsek.defaults.STALE_PUSH_MS` ago, so are pushes whose token is not among them.

        `running` is kept, to be shown, until the next renewal that has one; None leaves what there is.

        Returns:
            The uuids of the held messages that are revoked.

        Raises:
            WorkerUnknownError: The worker is not registered, or no longer.
        """

    @abstractmethod
    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        """Accept the last `outcomes` of a worker, give back everything else that it holds, and forget it.

        For a supervisor, after the process of this worker has ended. A message that is given back is charged no loss
        and no retry, as by ``Released``. An unknown worker is no error: all its outcomes are refused, except those
        that its retirement accepted within :data:`~alsek.defaults.DEDUP_WINDOW`. So a call that is repeated after a
        lost reply gets the answer of the first call.

        Returns:
            The uuids of the outcomes that were refused.
        """

    @abstractmethod
    def report(self, worker: Worker, reports: Sequence[Report]) -> list[str]:
        """Keep what a worker tells of messages that it holds, in one step.

        What is kept outlasts all that may happen to the message: retries, a lost worker, a release. It is deleted when
        the message succeeds, is removed, or fails without a dead letter, unless the message is tracked: then it is kept
        as long as the status with which it ended (:data:`~alsek.defaults.DEFAULT_STATUS_TTL` for one that stays for
        ever), but for its checkpoint. With a dead letter it is kept as long as that, whole; a replay takes it up again.
        A ``named`` message, and one that replaces the holder of a unique key, begin without it. There is one record a
        uuid: the first report on a message replaces what is left of an earlier message of its uuid.

        Returns:
            The uuids of the reports that were refused because their token is not the current one.
        """

    @abstractmethod
    def held(self, worker: Worker) -> list[Claimed]:
        """The messages that `worker` holds now, oldest claim first.

        Those in a part of the store that is away are left out, while another part answers.
        """

    @abstractmethod
    def waiter(self, worker: Worker, slot: SlotKind | None = None) -> Waiter:
        """A new waiter for `worker`. It covers every queue that `worker` may take from, also those created later.

        With `slot`, one of the worker's slot kinds, it is woken only for messages that take up such a slot, and for
        delayed ones that are due. So a worker of two kinds has a waiter for each, and arms the one whose slots are
        free. Without, it is woken for all that the worker takes.
        """
