"""The answer to a worker's step."""

from __future__ import annotations

from typing import NamedTuple

from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records.workers import Claimed


class Corrupt(NamedTuple):
    """A record that the store could not read, and moved to the dead letters.

    Attributes:
        uuid: The uuid of the message; empty if another program has overwritten more than one record.
        queue: Its queue. If `uuid` is empty: the queue, or the name in the store, that was overwritten. The foreign
            data stays; the store keeps its own data elsewhere, or leaves it out.
        reason: What the store found.
    """

    uuid: str
    queue: str
    reason: str

    @property
    def sentence(self) -> str:
        """A sentence for the log."""
        if self.uuid:
            return f"Record {self.uuid!r} in queue {self.queue!r} was set aside: {self.reason}"
        return (
            f"{self.queue!r} in the store was overwritten by another program ({self.reason}): "
            f"rename or delete what is there, or give Alsek a namespace of its own."
        )


class TakenOver(NamedTuple):
    """A worker whose lease has ended, and the number of its messages: they are ready again, with one more loss.

    Attributes:
        host: The machine that it said it was on; empty if it said nothing.
        pid: Its process; likewise 0.
    """

    worker: str
    messages: int
    host: str = ""
    pid: int = 0

    @property
    def described(self) -> str:
        """The worker's id, and where it was, if it has said so."""
        return f"{self.worker} ({self.host}, process {self.pid})" if self.host else self.worker


class HistoryCounts(NamedTuple):
    """Counts of attempts and ends, to be added to those of this queue and task for the minute of the store's clock.

    Attributes:
        counts: As :mod:`alsek.storage.backends.history` packs them.
    """

    queue: str
    task: str
    counts: str


class Step(NamedTuple):
    """The answer to one step of a worker.

    Attributes:
        refused: The uuids of the outcomes that were refused because their token is not the current one. Nothing of
            such an outcome was written.
        claimed: The messages that were claimed, in the order of (priority, arrival) within each queue.
        next_due: Milliseconds until the next delayed message is due; 0 if one is due already, None if none is
            delayed.
        waiting: The slot kinds for which ready messages are left that this worker may take, in the order of
            :data:`~alsek.storage.backends.kinds.SLOTS_OF`; empty if there are none. A step that seeks messages of
            ``async def`` tasks adds ``"coroutine"`` at the end if some of them are left.
        suspects: True if suspects are left that this worker may take once it holds nothing.
        skipped: The uuids of callbacks that were not submitted because they exist already. Members of groups that
            follow a message are among them, and the ids of such groups: see
            :class:`~alsek.storage.backends.records.Succeeded`.
        corrupt: The unreadable records that this step moved to the dead letters.
        taken_over: The lost workers that this step has forgotten, by the end of their lease, then by id. Empty in the
            answer to a repeated step.
        failed: The uuids of the :class:`~alsek.storage.backends.records.SetAside` outcomes that made dead letters.
        schedules: The names of the schedules that are offered to this worker, in alphabetical order: see
            :class:`~alsek.storage.backends.ports.SchedulePort`. Empty in the answer to a repeated step.
        sleeper: True if the worker may be pushed messages until its next step.
        unknown: None if the whole store has answered, as nearly always. Otherwise a part of it is away: the tokens of
            all claims that outcomes of this step or of earlier ones end, of which it is *not known yet* whether the
            store accepts them. The store keeps these outcomes, and reports them; they must not be given again. The
            worker holds these claims until a later answer no longer has their tokens here: that answer tells which
            outcomes were refused, as if they had been given in its step. The claimed messages, `next_due`, `waiting`
            and `suspects` are those of the parts that have answered.
    """

    refused: list[str]
    claimed: list[Claimed]
    next_due: int | None
    waiting: tuple[SlotKind, ...]
    suspects: bool
    skipped: list[str]
    corrupt: list[Corrupt]
    taken_over: tuple[TakenOver, ...] = ()
    failed: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()
    sleeper: bool = False
    unknown: frozenset[int] | None = None


class Pushed(NamedTuple):
    """A message that was claimed for a sleeping worker by the step that stored it.

    Attributes:
        seq: The number of the worker's next step when it was sent: the push counts until that step is sent.
        claimed: The message.
    """

    seq: int
    claimed: Claimed
