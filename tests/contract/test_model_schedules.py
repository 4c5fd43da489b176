"""Long random histories of schedules, held against a model after every call: see ``test_model.py``."""

from __future__ import annotations

from itertools import count
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alsek.storage.backends.records import ScheduleRecord, Submission
from tests.contract.model_schedules import ScheduleModel
from tests.contract.schedules import firing
from tests.contract.stores import Store
from tests.contract.test_model import explore
from tests.contract.workers import Actor, a_message, a_request, an_actor, the_facts

NAMES = ("s", "t", "u:|é")
#: Which workers there are, and whether they fire.
CASTS: tuple[tuple[str, bool | None], ...] = (
    ("thread", True),
    ("process", True),
    ("thread-async", False),
    ("any", None),
    ("process-async", True),
)

_histories = count()

names = st.sampled_from(NAMES)
casts = st.integers(0, len(CASTS) - 1)
#: From now on; None for no tick.
ticks = st.sampled_from([-70_000, -1, 0, 0, 1, 400, 1_000, 1_001, 5_000, 60_000, None])
delays = st.lists(st.sampled_from([0, 0, 300, 5_000]), max_size=3)
seldom = st.integers(0, 5).map(lambda n: n == 0)


class ScheduleMachine(RuleBasedStateMachine):
    """One history: those who put and fire schedules, and workers that are offered them."""

    store: ClassVar[Store]

    def __init__(self) -> None:
        super().__init__()
        self.backend = self.store.open(f"{self.store.namespace}s{next(_histories)}")
        self.port = self.backend.schedules
        self.model = ScheduleModel(self.store.now)
        self.revisions = count(1)
        self.workers = [self._worker(*cast) for cast in CASTS]
        self.fired: tuple[str, str, int, list[Submission], str, int | None] | None = None
        self.was_put: tuple[str, bytes, str, int | None, str] | None = None

    def teardown(self) -> None:
        self.store.discard(self.backend)

    def _worker(self, kind: str, fires: bool | None) -> tuple[Actor, bool]:
        facts = None if fires is None else firing() if fires else the_facts()
        return an_actor(self.backend, kind=kind, lease=10**10, facts=facts), bool(fires)

    def _stands(self, name: str) -> ScheduleRecord:
        """The schedule; one that is not stored if there is none."""
        found = self.model.schedules.get(name)
        return ScheduleRecord(name, "none", b"", None) if found is None else found.record

    def _tick(self, offset: int | None) -> int | None:
        return None if offset is None else self.model.now + offset

    @rule(name=names, offset=ticks, wrong=seldom)
    def put(self, name: str, offset: int | None, wrong: bool) -> None:
        """Someone puts a schedule that is new to him, or changes one that he has read."""
        revision = f"r{next(self.revisions)}"
        expected = self._stands(name).revision if name in self.model.schedules else ""
        expected = ("" if expected else "wrong") if wrong else expected
        self.was_put = (name, revision.encode() + b"\x00", revision, self._tick(offset), expected)
        self.put_again()

    @rule()
    def put_again(self) -> None:
        """The last put, repeated late."""
        if self.was_put is not None:
            name, definition, revision, next_at, expected = self.was_put
            new = ScheduleRecord(name, revision, definition, next_at)
            assert self.port.put(*self.was_put) == self.model.put(new, expected)

    @rule(name=names, sent=delays, offset=ticks, wrong=st.sampled_from(["", "", "", "", "revision", "tick"]))
    def fire(self, name: str, sent: list[int], offset: int | None, wrong: str) -> None:
        """Someone fires the tick at which a schedule stands, due or not; or one at which it no longer does."""
        stands = self._stands(name)
        tick = self.model.now if stands.next_at is None else stands.next_at
        submissions = [a_message(f"{name}@{tick}-{n}", delay=delay) for n, delay in enumerate(sent)]
        self.fired = (
            name,
            "wrong" if wrong == "revision" else stands.revision,
            tick + 1 if wrong == "tick" else tick,
            submissions,
            a_request(),
            # Another tick, so that a repeated call finds another one.
            None if offset is None else max(tick, self.model.now + offset - 1) + 1,
        )
        self.fire_again()

    @rule()
    def fire_again(self) -> None:
        """The last fire, repeated late."""
        if self.fired is not None:
            name, revision, tick, sent, request, next_at = self.fired
            answer = self.port.fire(name, revision, tick, sent, request, next_at, tick if sent else None)
            again = self.model.fire(name, revision, tick, sent, next_at)
            if answer is None or again is None:
                assert answer == again
            else:
                # If the schedule has come back to this tick, the request is known, and so accepted again.
                for told, known, submission in zip(answer, again, sent, strict=True):
                    assert told == known or told.accepted, submission

    @rule(name=names)
    def pause(self, name: str) -> None:
        """Someone pauses a schedule."""
        assert self.port.pause(name, "ada") == self.model.pause(name, "ada")

    @rule(name=names, offset=ticks, wrong=seldom)
    def resume(self, name: str, offset: int | None, wrong: bool) -> None:
        """Someone resumes a schedule."""
        revision = "wrong" if wrong else self._stands(name).revision
        next_at = self._tick(offset)
        assert self.port.resume(name, revision, next_at) == self.model.resume(name, revision, next_at)

    @rule(name=names, rare=seldom)
    def remove(self, name: str, rare: bool) -> None:
        """Someone removes a schedule, more seldom than one is put."""
        if rare:
            assert self.port.remove(name) == (self.model.schedules.pop(name, None) is not None)

    @rule(delay=st.sampled_from([0, 200, 900, 1_000, 3_000]))
    def add(self, delay: int) -> None:
        """A producer submits a message that has nothing to do with schedules."""
        submission = a_message(f"m{next(self.revisions)}", delay=delay)
        assert self.backend.messages.add([submission], a_request()) == [self.model.add(submission)]

    @rule(n=casts, again=seldom)
    def step(self, n: int, again: bool) -> None:
        """A worker's step; its reply may be lost, and then it has no offer when it is sent again."""
        worker, fires = self.workers[n]
        step = worker.step(limit=0)
        assert step.schedules == self.model.step(fires)
        assert self.model.is_due_next(step.next_due, fires), step
        if again:
            assert worker.again(limit=0).schedules == ()

    @rule(ms=st.sampled_from([1, 10, 400, 600, 999, 1_000, 1_001, 5_000, 70_000]))
    def wait(self, ms: int) -> None:
        """Time passes."""
        self.model.now += ms
        self.store.advance(ms)

    @rule(n=casts)
    def register(self, n: int) -> None:
        """A worker is replaced by one that says the opposite of whether it fires."""
        worker, fires = self.workers[n]
        self.backend.messages.register(worker.worker, the_facts() if fires else firing())
        self.workers[n] = (worker, not fires)

    @invariant()
    def the_schedules_agree(self) -> None:
        """Store and model hold the same schedules."""
        expected = [schedule.record for _, schedule in sorted(self.model.schedules.items())]
        assert self.port.get() == expected
        for name in NAMES:
            assert self.port.get([name]) == [record for record in expected if record.name == name]

    @invariant()
    def the_messages_agree(self) -> None:
        """Store and model hold the same messages: each tick's once."""
        states: dict[str, Any] = {stored.uuid: stored.state for stored in self.backend.messages.browse("q")}
        expected = dict.fromkeys(self.model.delayed, "delayed") | dict.fromkeys(self.model.ready, "ready")
        assert states == expected


def test_random_histories_of_schedules(store: Store) -> None:
    """After every call of any history, the store holds, offers and answers what the model does."""
    explore(store, ScheduleMachine)
