"""Threads and coroutines in one executor: each job runs where its task belongs, wherever it was claimed for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution.session import WorkerSession
from alsek.core.task import task
from alsek.core.worker.coroutine_executor.executor import CoroutineExecutor
from alsek.core.worker.coroutine_executor.group_loop import GroupLoop
from alsek.core.worker.mixed_executor.executor import MixedExecutor
from alsek.core.worker.shared_state import SharedState
from alsek.core.worker.thread_executor.executor import ThreadExecutor
from alsek.core.worker.thread_executor.job import ThreadJob
from alsek.storage.backends.records import Failed, Released, Succeeded, Worker
from tests.unit.workers.fakes import PATIENCE
from tests.waiting import eventually


class Scene:
    """A mixed executor of two threads and two coroutines, its tasks, and the worker that claims for it."""

    def __init__(self, broker: Broker) -> None:
        self.go_on = threading.Event()
        self.ran: list[tuple[str, str]] = []

        @task(broker, name="plain", max_retries=0)
        def plain() -> None:
            self.note("plain")

        @task(broker, name="slow", max_retries=0)
        def slow() -> None:
            self.note("slow")
            self.go_on.wait(PATIENCE)

        @task(broker, name="quick", max_retries=0)
        async def quick() -> None:
            self.note("quick")

        @task(broker, name="waits", max_retries=0)
        async def waits() -> None:
            self.note("waits")
            while not self.go_on.is_set():  # noqa: ASYNC110  it is set by another thread
                await asyncio.sleep(0.005)

        self.plain, self.slow, self.quick, self.waits = plain, slow, quick, waits
        self.broker = broker
        named = {each.name: each for each in (plain, slow, quick, waits)}
        self.session = WorkerSession(broker.backend, Worker("", "thread-async", None, 15_000, 60_000))
        self.session.register()
        self.state = SharedState(64)
        self.state.set_worker(self.session.worker.id)
        self.loop = GroupLoop()
        self.executor = MixedExecutor(
            ThreadExecutor(named, broker, self.state, 2, 5),
            CoroutineExecutor(named, broker, self.state, 2, 5, self.loop),
            self.state,
        )

    def note(self, name: str) -> None:
        """Note where a task runs."""
        where = "loop" if "loop" in threading.current_thread().name else "thread"
        self.ran.append((name, where))

    def start(self, which: Any, many: int = 1, *, misplaced: bool = False) -> None:
        """Submit messages of a task, claim them, and start them; misplaced: in the slots of the other kind."""
        for _ in range(many):
            message = which.generate(submit=False)
            if misplaced:
                message.is_async = not message.is_async
            self.broker.submit(message)
        for claimed in self.session.step((), {"thread": many, "coroutine": many}).claimed:
            entry = self.state.add_claim(claimed.token)
            self.executor.start(self.executor.job(claimed, entry, self.session))

    def turn(self) -> list[ThreadJob]:
        """What the engine does: enforce deadlines, and collect."""
        self.executor.enforce_deadlines()
        return self.executor.collect()

    def collected(self, many: int) -> list[ThreadJob]:
        """Wait for so many finished jobs."""
        finished: list[ThreadJob] = []

        def enough() -> bool:
            finished.extend(self.turn())
            return len(finished) >= many

        eventually(enough)
        return finished

    def free(self) -> tuple[int, int]:
        """The free slots: threads and coroutines."""
        slots = self.executor.slots_by_kind
        return slots["thread"].free_slots, slots["coroutine"].free_slots


@pytest.fixture
def scene(broker: Broker) -> Iterator[Scene]:
    """An executor with nothing to do."""
    scene = Scene(broker)
    yield scene
    scene.go_on.set()
    eventually(lambda: bool(scene.turn()) or not scene.executor.in_flight)
    scene.executor.shut_down()
    scene.loop.shut_down()


def test_each_runs_where_it_belongs(scene: Scene) -> None:
    """Plain functions in threads, coroutines on the loop; each kind takes up its own slots."""
    scene.start(scene.slow, 2)
    assert scene.free() == (0, 2)
    scene.start(scene.waits)
    assert scene.free() == (0, 1)
    assert scene.executor.in_flight == 3
    eventually(lambda: len(scene.ran) == 3)
    assert sorted(scene.ran) == [("slow", "thread"), ("slow", "thread"), ("waits", "loop")]
    assert {each.thread for each in scene.executor.running()} >= {"alsek-loop"}
    scene.go_on.set()
    assert {type(job.outcome) for job in scene.collected(3)} == {Succeeded}
    assert scene.free() == (2, 2)


@pytest.mark.parametrize("name", ["plain", "quick"])
def test_a_misplaced_job_is_started_by_the_other(scene: Scene, name: str) -> None:
    """Once, and reported once."""
    scene.start(getattr(scene, name), misplaced=True)
    (job,) = scene.collected(1)
    assert isinstance(job.outcome, Succeeded)
    assert scene.ran == [(name, "thread" if name == "plain" else "loop")]
    assert scene.free() == (2, 2)


def test_misplaced_jobs_wait_for_a_slot(scene: Scene) -> None:
    """They count as in flight, and nothing more is claimed for their slots; no more run at once than there are."""
    scene.start(scene.waits, 2, misplaced=True)
    eventually(lambda: not scene.turn() and scene.free() == (2, 0))
    scene.start(scene.waits, 2, misplaced=True)
    eventually(lambda: not scene.turn() and scene.free() == (2, -2))
    assert scene.executor.in_flight == 4
    eventually(lambda: len(scene.ran) == 2)
    scene.turn()
    assert scene.ran == [("waits", "loop")] * 2
    scene.go_on.set()
    assert {type(job.outcome) for job in scene.collected(4)} == {Succeeded}
    assert scene.ran == [("waits", "loop")] * 4


def test_a_draining_engine_gives_waiting_jobs_back(scene: Scene) -> None:
    """Those that run end."""
    scene.start(scene.slow, 2, misplaced=True)
    eventually(lambda: not scene.turn() and scene.free() == (0, 2))
    scene.start(scene.slow, misplaced=True)
    eventually(lambda: not scene.turn() and scene.free() == (-1, 2))
    scene.state.draining = 1
    assert [type(job.outcome) for job in scene.collected(1)] == [Released]
    scene.go_on.set()
    assert [type(job.outcome) for job in scene.collected(2)] == [Succeeded, Succeeded]


def test_a_revoked_message_is_ended_where_it_runs(scene: Scene) -> None:
    """Whether that is a thread or the loop."""
    scene.start(scene.waits)
    eventually(lambda: scene.ran == [("waits", "loop")])
    (running,) = scene.executor.running()
    scene.executor.revoke(running.uuid)
    (job,) = scene.collected(1)
    assert isinstance(job.outcome, Failed)
    assert b"MessageRevokedError" in job.outcome.error


def test_a_misplaced_message_that_was_revoked_is_ended_at_once(scene: Scene) -> None:
    """It need not run: whoever finds it concludes it, with the hooks of its task."""
    message = scene.quick.generate(submit=False)
    message.is_async = False
    scene.broker.submit(message)
    scene.broker.revoke(message)
    for claimed in scene.session.step((), {"thread": 1}).claimed:
        scene.executor.start(scene.executor.job(claimed, scene.state.add_claim(claimed.token), scene.session))
        (job,) = scene.collected(1)
        assert isinstance(job.outcome, Failed)
    assert scene.ran == []
