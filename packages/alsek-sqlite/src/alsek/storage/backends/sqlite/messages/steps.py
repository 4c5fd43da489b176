"""A worker's step: finish, promote, take over, claim, in one transaction.

The four parts are in modules of their own; here is their order, what is remembered so that a step can be sent again,
and the short cut of a step that finds nothing to do: it reads and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from alsek.exceptions import BackendError
from alsek.storage.backends.records import Corrupt, Lost, Outcome, Step, TakenOver, TaskStatus, Worker
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.rows import set_statuses
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import PLAIN_LANES, SUSPECT_LANES
from alsek.storage.backends.sqlite.messages import claims as claiming
from alsek.storage.backends.sqlite.messages import leases
from alsek.storage.backends.sqlite.messages import ready_queues as surveying
from alsek.storage.backends.sqlite.messages.claims import Claiming
from alsek.storage.backends.sqlite.messages.outcomes import finish
from alsek.storage.backends.sqlite.messages.transitions import give_back
from alsek.storage.backends.sqlite.wakeup.waiter import SleepInfo

#: A step that has nothing to write still writes that a worker was here if none did for so long (ms).
_CONTACT_EVERY: Final = 1_000

_ANSWER: Final = "UPDATE workers SET seq = ?, answer = ? WHERE id = ?"
_LAST_ANSWER: Final = "SELECT answer FROM workers WHERE id = ?"
_COUNTERS: Final = "UPDATE namespaces SET token = ?, contact = ? WHERE id = ?"
_HOLDING: Final = """
    SELECT count(*), coalesce(sum(m.suspect), 0) FROM claims AS c JOIN messages AS m ON m.id = c.message
    WHERE c.worker = ?
"""
_RENEW: Final = "UPDATE workers SET lease = ?, lease_end = ? WHERE id = ?"
_CLAIMS: Final = """
    SELECT c.token, c.seq, c.message, c.queue, c.uuid, c.status_ttl, c.expired, m.revoked
    FROM claims AS c JOIN messages AS m ON m.id = c.message WHERE c.worker = ? ORDER BY c.token
"""
_UNCLAIM: Final = "DELETE FROM claims WHERE worker = ? AND token = ?"

_NOTHING: Final = "[[],[],[],null,0,0]"


class LastStep(NamedTuple):
    """What this process remembers of its worker's last step.

    Attributes:
        seq: Of that step.
        idle: Its answer if it wrote nothing, so that the store does not know of it.
        due: When the next delayed message was due then.
    """

    seq: int
    idle: Step | None
    due: int | None


class Allowed(NamedTuple):
    """Which lanes a worker may take from, given what it holds.

    Attributes:
        plain: The lanes it freely takes from.
        suspects: It may take a suspect, if that comes first, and then nothing else.
    """

    plain: tuple[int, ...]
    suspects: bool


def allowance(tx: Transaction, worker: Worker, number: int, suspects: int) -> Allowed:
    """What a worker may take now; `suspects` tells whether there are any at all."""
    plain = PLAIN_LANES[worker.kind]
    if worker.suspects == "freely":
        return Allowed(plain + SUSPECT_LANES[worker.kind] if suspects else plain, suspects=False)
    if suspects:
        holding, held_suspects = tx.execute(_HOLDING, (number,)).fetchone()
        if held_suspects:
            return Allowed((), suspects=False)
        return Allowed(plain if worker.suspects == "alone" else (), suspects=not holding)
    return Allowed(plain if worker.suspects == "alone" else (), suspects=False)


class StepRunner:
    """The steps of the workers of one backend.

    Args:
        database: Where they happen.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memory: dict[str, LastStep] = {}

    # --- step --------------------------------------------------------------------------------------

    def step(self, worker: Worker, seq: int, outcomes: Sequence[Outcome], limit: int) -> Step:
        """See :meth:`~alsek.storage.backends.ports.MessagePort.step`."""
        memory = self._memory.get(worker.id)
        if memory is not None and seq <= memory.seq:
            # The store may not know of that last step: it wrote nothing.
            glance = self._database.read(lambda tx: leases.glance(tx, worker))
            if seq < memory.seq:
                raise _too_old(worker, seq, memory.seq)
            if memory.idle is not None:
                if _is_stale(glance, worker, self._database.clock()):
                    self._database.write(leases.note_contact)
                return _copy(memory.idle)
        if not outcomes:
            idle = self._database.read(lambda tx: self._idle(tx, worker, seq, limit, memory))
            if idle is not None:
                self._wake_for_leftovers(worker, None)
                return idle
        step, due = self._database.write(lambda tx: self._step(tx, worker, seq, outcomes, limit))
        self._remember(worker, LastStep(seq, None, due))
        self._wake_for_leftovers(worker, due if step.claimed else None)
        return step

    def _idle(
        self, tx: Transaction, worker: Worker, seq: int, limit: int, memory: LastStep | None
    ) -> Step | None:
        """The answer of a step that has nothing to write; None if it has, or may have."""
        glance = leases.glance(tx, worker)
        quiet = (
            (glance.seq is None or seq > glance.seq)
            and (memory is None or seq > memory.seq)
            and not _is_stale(glance, worker, tx.now)
            and not _is_over(glance.next_lost, tx.now)
            and not _is_over(glance.next_due, tx.now)
        )
        if not quiet:
            return None
        plain, suspects = _left(tx, worker, glance.suspects)
        if limit > 0 and (plain or suspects):
            return None
        step = _answer(worker, plain, suspects, glance.next_due, tx.now)
        self._remember(worker, LastStep(seq, step, glance.next_due))
        return _copy(step)

    def _step(
        self, tx: Transaction, worker: Worker, seq: int, outcomes: Sequence[Outcome], limit: int
    ) -> tuple[Step, int | None]:
        """The answer, and when the next delayed message is due."""
        database = self._database
        glance = leases.glance(tx, worker)
        silence = tx.now - glance.contact
        if silence >= worker.lease or _is_over(glance.next_lost, tx.now):
            leases.note_contact(tx, glance.contact)
        if glance.seq is not None and seq <= glance.seq:
            return self._repeated(tx, worker, glance, seq), None
        refused, skipped = finish(database, tx, glance.number, outcomes) if outcomes else ([], [])
        due = surveying.next_due(tx) if outcomes else glance.next_due
        if _is_over(due, tx.now):
            surveying.promote(database, tx)
            due = surveying.next_due(tx)
        taken_over: list[TakenOver] = []
        if _is_over(glance.next_lost, tx.now):
            taken_over = leases.take_over(database, tx, glance.number)
        claim = Claiming(database, tx, worker, glance.number, seq, glance.token)
        # An outcome may have left a suspect a moment ago.
        suspects = glance.suspects or any(
            isinstance(outcome, Lost) and outcome.suspect for outcome in outcomes
        )
        if limit > 0:
            plain, may_take_suspect = allowance(tx, worker, glance.number, int(suspects))
            codes = plain + SUSPECT_LANES[worker.kind] if may_take_suspect else plain
            claim.run(surveying.ready_queues(tx, worker, codes, limit), limit, plain, may_take_suspect)
        # Without suspects, a claim that got less than it could take has left nothing.
        may_be_left = suspects or len(claim.claimed) >= limit
        left = _left(tx, worker, suspects) if may_be_left else (False, False)
        step = _answer(worker, *left, due, tx.now)._replace(
            refused=refused, claimed=claim.claimed, skipped=skipped, corrupt=claim.corrupt
        )
        tx.execute(_ANSWER, (seq, _pack(step, due), glance.number))
        tx.execute(_COUNTERS, (claim.token, tx.now, tx.ns))
        return step._replace(taken_over=tuple(taken_over)) if taken_over else step, due

    def _repeated(self, tx: Transaction, worker: Worker, glance: leases.WorkerState, seq: int) -> Step:
        if seq != glance.seq:
            raise _too_old(worker, seq, glance.seq)
        leases.note_contact(tx, glance.contact)
        (answer,) = tx.execute(_LAST_ANSWER, (glance.number,)).fetchone()
        return _unpack(answer, tx.now)._replace(claimed=claiming.held(tx, glance.number, seq))

    def _remember(self, worker: Worker, memory: LastStep) -> None:
        if len(self._memory) > 1_000 and worker.id not in self._memory:
            self._memory.clear()  # worker ids are never used again: this is a process that makes thousands
        self._memory[worker.id] = memory

    def _wake_for_leftovers(self, worker: Worker, due: int | None) -> None:
        """Wake the next sleepers if something is left, now that the step is committed.

        Args:
            worker: Whose step it was.
            due: When the next delayed message is due, if this worker may be too busy from now on to care for it.
        """
        notifier = self._database.notifier
        if notifier.anyone_asleep():
            notifier.wake(self._database.read(lambda tx: surveying.lanes(tx, worker)))
            if due is not None:
                notifier.set_alarm(due)

    # --- leases ------------------------------------------------------------------------------------

    def renew(self, worker: Worker, seq: int, tokens: Iterable[int]) -> list[str]:
        """See :meth:`~alsek.storage.backends.ports.MessagePort.renew`."""
        received = frozenset(tokens)
        return self._database.write(lambda tx: self._renew(tx, worker, seq, received))

    def _renew(self, tx: Transaction, worker: Worker, seq: int, received: frozenset[int]) -> list[str]:
        glance = leases.glance(tx, worker)
        leases.note_contact(tx, glance.contact)
        tx.execute(_RENEW, (worker.lease, tx.now + worker.lease, glance.number))
        revoked: list[str] = []
        for token, claimed_by, message, queue, uuid, status_ttl, expired, is_revoked in tx.execute(
            _CLAIMS, (glance.number,)
        ).fetchall():
            if claimed_by <= seq and token not in received:
                tx.execute(_UNCLAIM, (glance.number, token))
                give_back(self._database, tx, message, queue, expired=bool(expired))
                set_statuses(tx, [(uuid, status_ttl)], TaskStatus.SUBMITTED)
            elif is_revoked:
                revoked.append(uuid)
        return revoked

    # --- sleeping ----------------------------------------------------------------------------------

    def prospect(self, worker: Worker) -> SleepInfo:
        """What a worker should know before it sleeps."""
        return self._database.read(lambda tx: self._prospect(tx, worker))

    def _prospect(self, tx: Transaction, worker: Worker) -> SleepInfo:
        number = leases.number_of(tx, worker)
        memory = self._memory.get(worker.id)
        told = None if memory is None else memory.due
        if number is None:
            return SleepInfo(missed=False, alarm=told, lanes=3)
        plain, suspects = allowance(tx, worker, number, suspects=1)
        freely = worker.suspects == "freely"
        suspect_lanes = SUSPECT_LANES[worker.kind] if suspects else ()
        ready = surveying.is_any_ready(tx, worker, plain + suspect_lanes)
        due = surveying.next_due(tx)
        sooner = due is not None and (told is None or due < told or due <= tx.now)
        return SleepInfo(missed=ready or sooner, alarm=told, lanes=bool(plain) + 2 * (suspects or freely))

    def pass_on(self, worker: Worker, slot: int) -> None:
        """Wake others in place of a worker that sleeps in this slot, for what is ready and for what is delayed."""
        notifier = self._database.notifier
        notifier.wake(self._database.read(lambda tx: surveying.lanes(tx, worker)), besides=slot)
        due = self._database.read(surveying.next_due)
        if due is not None:
            notifier.set_alarm(due, besides=slot)


def _is_stale(glance: leases.WorkerState, worker: Worker, now: int) -> bool:
    """Whether it is time to write again that a worker was here."""
    return now - glance.contact >= min(_CONTACT_EVERY, worker.lease // 4)


def _too_old(worker: Worker, seq: int, last: int | None) -> BackendError:
    return BackendError(f"step {seq} of worker {worker.id} came after its step {last}")


def _is_over(end: int | None, now: int) -> bool:
    return end is not None and end <= now


def _left(tx: Transaction, worker: Worker, suspects: int) -> tuple[bool, bool]:
    """Whether plain messages are ready in a worker's queues, and whether suspects are, if there are any at all."""
    plain = surveying.is_any_ready(tx, worker, PLAIN_LANES[worker.kind])
    return plain, bool(suspects) and surveying.is_any_ready(tx, worker, SUSPECT_LANES[worker.kind])


def _answer(worker: Worker, plain: bool, suspects: bool, due: int | None, now: int) -> Step:
    """What a step answers, given what it leaves ready in the worker's queues."""
    freely = worker.suspects == "freely"
    return Step(
        refused=[],
        claimed=[],
        next_due=None if due is None else max(due - now, 0),
        waiting=(plain or suspects) if freely else plain and worker.suspects == "alone",
        suspects=suspects and not freely,
        skipped=[],
        corrupt=[],
    )


def _pack(step: Step, due: int | None) -> str:
    """An answer but for its claims, to be kept with the worker."""
    if due is None and not (step.refused or step.skipped or step.corrupt or step.waiting or step.suspects):
        return _NOTHING
    fields = [step.refused, step.skipped, step.corrupt, due, int(step.waiting), int(step.suspects)]
    return json.dumps(fields, separators=(",", ":"))


def _unpack(answer: str, now: int) -> Step:
    fields: list[Any] = json.loads(answer)
    refused, skipped, corrupt, due, waiting, suspects = fields
    return Step(
        refused=refused,
        claimed=[],
        next_due=None if due is None else max(due - now, 0),
        waiting=bool(waiting),
        suspects=bool(suspects),
        skipped=skipped,
        corrupt=[Corrupt(*each) for each in corrupt],
    )


def _copy(step: Step) -> Step:
    """With lists of its own: what the caller does to them must not change a later repetition."""
    return step._replace(refused=[], claimed=[], skipped=[], corrupt=[])
