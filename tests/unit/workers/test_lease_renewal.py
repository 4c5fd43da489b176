"""The supervisor renews the lease of each living group, and goes on while the store is unreachable."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.session import WorkerSession
from alsek.core.task import task
from alsek.core.worker.group.options import WorkerGroupOptions
from alsek.core.worker.group.thread_group import ThreadWorkerGroup
from alsek.core.worker.supervisor.groups import Groups
from alsek.core.worker.supervisor.lease_renewal import LeaseRenewal, longest_call_ms
from alsek.exceptions import BackendError, BackendUnavailableError, WorkerUnknownError
from alsek.storage.backends.records import Worker
from tests.clock import Clock
from tests.unit.workers.fakes import FakeClock, options_for
from tests.unit.workers.supervisor_harness import FakeChild

LEASE = 15_000


class RecordingMessages:
    """Records renewals. Each may take time, change something, or fail."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.renewed: list[tuple[Worker, int, list[int]]] = []
        self.errors: dict[str, BackendError] = {}
        self.takes = 0

    def renew(self, worker: Worker, seq: int, tokens: list[int]) -> list[int]:
        self.clock.now += self.takes
        self.renewed.append((worker, seq, tokens))
        if worker.id in self.errors:
            raise self.errors[worker.id]
        return []

    @property
    def ids(self) -> str:
        """The first digits of the workers' ids."""
        return "".join(worker.id[0] for worker, *_ in self.renewed)


class Scene:
    """Some groups, and the renewal of their leases."""

    def __init__(self, broker: Broker) -> None:
        @task(broker)
        def work() -> None: ...

        fork: Any = lambda main, close: FakeChild(main)  # noqa: E731
        self.clock = FakeClock()
        self.pool = options_for(broker, work, lease=LEASE, queues=("a", "b"))
        self.groups = Groups(self.pool, WorkerGroupOptions(slots=4), ThreadWorkerGroup, fork, tuple)
        self.messages = RecordingMessages(self.clock)
        store: Any = self.messages
        self.renewal = LeaseRenewal(self.groups, store, self.clock)

    def group(self, digit: str | None = None) -> Any:
        """Start a group, which has registered under an id of this digit; its state."""
        self.groups.start(self.clock())
        state = self.groups.handles[-1].state
        if digit is not None:
            state.set_worker(32 * digit)
        return state

    def run(self, ms: int = 0) -> None:
        """Run the component, so much later."""
        self.clock.now += ms
        self.renewal.run(self.clock())


@pytest.fixture
def scene(broker: Broker) -> Scene:
    """No group yet."""
    return Scene(broker)


def test_leases_are_renewed_every_third_of_the_lease(scene: Scene) -> None:
    """At once when the pool starts, and not more often than needed."""
    scene.group("1")
    scene.run()
    assert scene.messages.ids == "1"
    assert scene.renewal.next_wake() == scene.clock() + LEASE // 3
    scene.run(LEASE // 3 - 1)
    assert scene.messages.ids == "1"
    scene.run(1)
    assert scene.messages.ids == "11"
    assert scene.renewal.next_wake() == scene.clock() + LEASE // 3


def test_a_renewal_names_the_worker_its_last_step_and_its_claims(scene: Scene) -> None:
    """As the group has registered; claims that it no longer holds are left out."""
    state = scene.group("1")
    first, _ = state.add_claim(7), state.add_claim(8)
    state.set_seq(5)
    state.remove_claim(first)
    scene.run()
    worker = Worker("1" * 32, "thread", ("a", "b"), LEASE, scene.pool.broker.dlq_ttl or 0)
    assert scene.messages.renewed == [(worker, 5, [8])]


def test_a_group_that_is_not_registered_has_no_lease(scene: Scene) -> None:
    """It has not registered yet, or has unregistered."""
    scene.group()
    scene.group("2").clear_worker()
    scene.group("3")
    scene.run()
    assert scene.messages.ids == "3"


def test_a_group_that_registers_again_meanwhile_is_left_out(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read may belong to two ids: the next round renews the new one."""
    state = scene.group("1")
    held = state.claims

    def held_while_it_registers() -> Any:
        state.set_worker("2" * 32)
        return held()

    monkeypatch.setattr(state, "claims", held_while_it_registers)
    scene.run()
    assert scene.messages.ids == ""
    scene.run(LEASE // 3)
    assert scene.messages.ids == "2"


def test_a_worker_that_the_store_does_not_know_is_no_failure(scene: Scene) -> None:
    """The group gets the same error and registers again; the other groups are renewed."""
    for digit in "12":
        scene.group(digit)
    scene.messages.errors["1" * 32] = WorkerUnknownError("forgotten")
    scene.run()
    assert scene.messages.ids == "12"
    assert not scene.renewal.store_unreachable
    assert scene.renewal.next_wake() == scene.clock() + LEASE // 3


@pytest.mark.parametrize(
    ("error", "takes", "asked"),
    [
        (BackendError("no"), 1_000, "123"),
        (BackendUnavailableError("unreachable"), 1_000, "12"),
        (BackendUnavailableError("one partition is away, as is known"), 0, "123"),
    ],
)
def test_only_an_unreachable_store_ends_the_round(
    scene: Scene, error: BackendError, takes: int, asked: str
) -> None:
    """What the store refuses to one group it may grant to the next; a store that makes one wait twice, to no other.

    One that makes one wait once may be away in a part: the next group is renewed in the others, without waiting. One
    that says at once that it can't be reached has not been waited for.
    """
    scene.messages.takes = takes
    for digit in "123":
        scene.group(digit)
        scene.messages.errors[32 * digit] = error
    scene.run()
    assert scene.messages.ids == asked
    assert scene.renewal.store_unreachable


def test_a_failed_renewal_is_tried_again_a_second_after_the_call(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """However long the call took, the loop has time for its other duties. It is logged once until it succeeds."""
    scene.group("1")
    scene.messages.takes = 1_000
    scene.messages.errors["1" * 32] = BackendUnavailableError("unreachable")
    for _ in range(3):
        scene.run()
        assert scene.renewal.next_wake() == scene.clock() + 1_000
        scene.clock.now += 1_000
    assert scene.messages.ids == "111"
    assert [record.getMessage() for record in caplog.records] == ["Leases can't be renewed: unreachable"]
    scene.messages.errors.clear()
    scene.run()
    assert not scene.renewal.store_unreachable


def test_a_call_may_take_a_second_or_a_third_of_the_lease() -> None:
    """Whichever is shorter: signals and deadlines wait meanwhile."""
    assert longest_call_ms(15_000) == 1_000
    assert longest_call_ms(300) == 100


def test_a_renewed_lease_keeps_its_messages(broker: Broker, clock: Clock) -> None:
    """While it is renewed no other worker takes them over; without renewal one does after the lease."""
    scene = Scene(broker)
    renewal = LeaseRenewal(scene.groups, broker.backend.messages, scene.clock)
    scene.pool.tasks["work"].generate()
    session, other = (
        WorkerSession(broker.backend, Worker("", "thread", None, LEASE, 60_000)) for _ in range(2)
    )
    session.register()
    other.register()
    state = scene.group()
    state.set_worker(session.worker.id)
    (claimed,) = session.step((), {"thread": 1}).claimed
    state.add_claim(claimed.token)
    state.set_seq(session.seq)
    for _ in range(9):
        clock.advance(LEASE // 3)
        scene.clock.now += LEASE // 3
        renewal.run(scene.clock())
        assert other.step((), {"thread": 1}).claimed == []
    taken: list[str] = []
    for _ in range(4):  # the other worker keeps its own lease
        clock.advance(LEASE // 3)
        taken += [again.uuid for again in other.step((), {"thread": 1}).claimed]
    assert taken == [claimed.uuid]


def test_the_number_of_the_last_step_is_read_before_the_claims(scene: Scene) -> None:
    """The store gives back claims that a renewal does not know, of steps up to that number."""
    read: list[str] = []
    state = scene.group("1")

    class Recording:
        worker_id = state.worker_id

        @property
        def seq(self) -> int:
            read.append("seq")
            return int(state.seq)

        def claims(self) -> Any:
            read.append("claims")
            return state.claims()

    scene.groups.handles[-1].state = Recording()
    scene.run()
    scene.groups.handles[-1].state = state
    assert read == ["seq", "claims"]
