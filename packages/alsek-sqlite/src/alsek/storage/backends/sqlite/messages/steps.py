"""A worker's step: accept outcomes, promote, take over, claim, in one transaction.

Each of the four has a module of its own. Here are their order, what is kept so that a step can be sent again, and the
short cut of a step that finds nothing to do: it only reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.records import HistoryCounts, Lost, Outcome, SetAside, Step, TakenOver, Worker
from alsek.storage.backends.refusals import late_step
from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.lanes import SlotLanes, lanes_in_step
from alsek.storage.backends.sqlite.messages import claims, counting, step_answers
from alsek.storage.backends.sqlite.messages.aside_claims import AsideClaiming
from alsek.storage.backends.sqlite.messages.aside_lanes import AsideLane, is_any, lanes_of, with_queues_of
from alsek.storage.backends.sqlite.messages.follow_ups import finish
from alsek.storage.backends.sqlite.messages.leases import WorkerState, note_contact, worker_state
from alsek.storage.backends.sqlite.messages.offers import due_for, make_offers, next_offer
from alsek.storage.backends.sqlite.messages.outcomes import accept
from alsek.storage.backends.sqlite.messages.promotion import earliest, next_delayed, next_due, promote
from alsek.storage.backends.sqlite.messages.ready_queues import is_any_ready, ready_queues
from alsek.storage.backends.sqlite.messages.step_answers import Left
from alsek.storage.backends.sqlite.messages.takeover import take_over
from alsek.storage.backends.sqlite.messages.wakeups import wake_for_leftovers

#: A step that has nothing else to write still writes that a worker was here, if none has for so long.
_CONTACT_EVERY_MS: Final = 1_000

#: Of how many workers the last step is kept. Worker ids are never used again.
_MOST_WORKERS: Final = 1_000

_ANSWER: Final = "UPDATE workers SET seq = ?, answer = ? WHERE id = ?"
_LAST_ANSWER: Final = "SELECT answer FROM workers WHERE id = ?"
_COUNTERS: Final = "UPDATE namespaces SET token = ?, contact = ? WHERE id = ?"


class LastStep(NamedTuple):
    """What this process keeps of its worker's last step.

    Attributes:
        seq: The step's number.
        idle: Its answer if it wrote nothing, so that the store does not know of it.
        due: When the worker is to make the next step because time has passed; None for never.
    """

    seq: int
    idle: Step | None
    due: int | None


class StepRunner:
    """The steps of the workers of one backend.

    Args:
        database: Where they happen.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._last_steps: dict[str, LastStep] = {}

    def step(
        self,
        worker: Worker,
        seq: int,
        outcomes: Sequence[Outcome],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts] = (),
    ) -> Step:
        """See :meth:`~alsek.storage.backends.ports.MessagePort.step`."""
        last = self._last_steps.get(worker.id)
        if last is not None and seq <= last.seq:
            # The store may not know of that last step: it wrote nothing.
            state = self._database.read(lambda tx: worker_state(tx, worker))
            if seq < last.seq:
                raise late_step(worker, seq, last.seq)
            if last.idle is not None:
                if _is_contact_due(state, worker, self._database.clock()):
                    self._database.write(note_contact)
                return step_answers.copy(last.idle)
        if not (outcomes or history):
            idle = self._database.read(lambda tx: self._idle(tx, worker, seq, limits, last))
            if idle is not None:
                step, aside = idle
                wake_for_leftovers(self._database, worker, None, aside=aside)
                return step
        step, due, aside = self._database.write(
            lambda tx: self._step(tx, worker, seq, outcomes, limits, history)
        )
        self._keep(worker, LastStep(seq, None, due))
        wake_for_leftovers(self._database, worker, due if step.claimed else None, aside=aside)
        return step

    def expected_due(self, worker: Worker) -> int | None:
        """Return when a worker was to make a step because time has passed, at its last one; None for never."""
        last = self._last_steps.get(worker.id)
        return None if last is None else last.due

    def _idle(
        self, tx: Transaction, worker: Worker, seq: int, limits: Mapping[SlotKind, int], last: LastStep | None
    ) -> tuple[Step, bool] | None:
        """Return the answer of a step that has nothing to write, and whether anything is set aside.

        Returns:
            None if it has something to write, or may have.
        """
        state = worker_state(tx, worker)
        due = earliest(state.next_due, due_for(tx, state.id, state.next_schedule))
        nothing_to_write = (
            (state.seq is None or seq > state.seq)
            and (last is None or seq > last.seq)
            and not _is_contact_due(state, worker, tx.now)
            and not _has_passed(state.next_lost, tx.now)
            and not _has_passed(due, tx.now)
        )
        if not nothing_to_write:
            return None
        lanes = lanes_in_step(worker.kind, limits)
        aside = lanes_of(tx, worker, state.id, lanes) if state.aside else ()
        left = _left(tx, worker, lanes, state.suspects, aside)
        if any(limits.get(slot, 0) > 0 for slots in left for slot in slots):
            return None
        step = step_answers.answer(worker, *left, due, tx.now)
        self._keep(worker, LastStep(seq, step, due))
        return step_answers.copy(step), bool(state.aside)

    def _step(
        self,
        tx: Transaction,
        worker: Worker,
        seq: int,
        outcomes: Sequence[Outcome],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts],
    ) -> tuple[Step, int | None, bool]:
        """Return the answer, when the worker is to make the next step, and whether anything is set aside."""
        state = worker_state(tx, worker)
        lease_ended = _has_passed(state.next_lost, tx.now)
        if lease_ended or tx.now - state.contact >= worker.lease:
            note_contact(tx, state.contact)
        if state.seq is not None and seq <= state.seq:
            return _repeated(tx, worker, state, seq), None, bool(state.aside)
        refused, skipped, failed = accept(tx, state.id, outcomes) if outcomes else ([], [], ())
        delayed = next_delayed(tx) if outcomes else state.next_delayed
        if _has_passed(delayed, tx.now):
            promote(tx)
            delayed = next_delayed(tx)
        schedule = due_for(tx, state.id, state.next_schedule)
        schedules: tuple[str, ...] = ()
        if _has_passed(schedule, tx.now):
            schedules = make_offers(tx)
            schedule = next_offer(tx)
        taken_over: list[TakenOver] = []
        if lease_ended:
            taken_over = take_over(tx, state.id)
        tx.unsettled |= _has_passed(state.next_limit, tx.now)
        due = next_due(tx) if finish(tx) else earliest(delayed, state.next_limit)
        # An outcome may have made a suspect a moment ago, or set something aside.
        unusual = [outcome for outcome in outcomes if isinstance(outcome, (Lost, SetAside))]
        suspects = state.suspects or any(isinstance(one, Lost) and one.suspect for one in unusual)
        any_aside = bool(state.aside) or any(isinstance(one, SetAside) for one in unusual) or tx.settled > 0
        lanes = lanes_in_step(worker.kind, limits)
        aside = lanes_of(tx, worker, state.id, lanes) if any_aside else ()
        arguments = (tx, self._database.where, worker, state.id, seq, state.token)
        claiming = AsideClaiming(*arguments, aside) if aside else claims.Claiming(*arguments)
        rooms: list[claims.Room] = []
        if any(limits.get(slot, 0) > 0 for slot, _, _ in lanes):
            rooms = claims.rooms(lanes, limits, claims.allowed(tx, worker, state.id, int(suspects)))
            codes = [code for room in rooms for code in room.codes]
            queues = ready_queues(tx, worker, codes, sum(room.left for room in rooms))
            if aside:
                queues = with_queues_of([lane for lane in aside if lane.code in codes], worker, queues)
            claiming.run(queues, rooms, codes)
        if finish(tx):
            due = next_due(tx)
            any_aside |= tx.settled > 0  # what a claim has let in may be set aside
        elif not suspects:
            # A claim that got less than it could take has left nothing.
            emptied = [room.slot for room in rooms]
            lanes = tuple(each for each in lanes if each.slot not in emptied)
        due = earliest(due, schedule)
        left = Left((), ())
        if lanes:
            aside = lanes_of(tx, worker, state.id, lanes) if aside or (any_aside and tx.settled) else ()
            left = _left(tx, worker, lanes, suspects, aside)
        step = step_answers.answer(worker, *left, due, tx.now)._replace(
            refused=refused, claimed=claiming.claimed, skipped=skipped, corrupt=claiming.corrupt
        )
        if schedules:
            step = step._replace(schedules=schedules)
        if failed:
            step = step._replace(failed=failed)
        if history:
            counting.add(tx, history)
        tx.execute(_ANSWER, (seq, step_answers.pack(worker, step, due), state.id))
        tx.execute(_COUNTERS, (claiming.token, tx.now, tx.ns))
        return step._replace(taken_over=tuple(taken_over)) if taken_over else step, due, any_aside

    def _keep(self, worker: Worker, last: LastStep) -> None:
        if len(self._last_steps) > _MOST_WORKERS and worker.id not in self._last_steps:
            self._last_steps.clear()  # this process makes thousands of workers
        self._last_steps[worker.id] = last


def _repeated(tx: Transaction, worker: Worker, state: WorkerState, seq: int) -> Step:
    if seq != state.seq:
        raise late_step(worker, seq, state.seq)
    note_contact(tx, state.contact)
    (text,) = tx.execute(_LAST_ANSWER, (state.id,)).fetchone()
    return step_answers.unpack(worker, text, tx.now)._replace(claimed=claims.held(tx, state.id, seq))


def _left(
    tx: Transaction, worker: Worker, lanes: Sequence[SlotLanes], suspects: int, aside: Sequence[AsideLane]
) -> Left:
    """Return what is ready for a worker in these lanes.

    Suspects are looked for only if there are any at all. `aside` is what is set aside for the worker.
    """
    return Left(
        tuple(slot for slot, plain, _ in lanes if is_any_ready(tx, worker, plain) or is_any(aside, plain)),
        tuple(
            slot
            for slot, _, suspect in lanes
            if (suspects and is_any_ready(tx, worker, suspect)) or is_any(aside, suspect)
        ),
    )


def _is_contact_due(state: WorkerState, worker: Worker, now: int) -> bool:
    """Return True if it is time to write again that a worker was here."""
    return now - state.contact >= min(_CONTACT_EVERY_MS, worker.lease // 4)


def _has_passed(time: int | None, now: int) -> bool:
    return time is not None and time <= now
