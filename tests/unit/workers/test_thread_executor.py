"""The threads of one group, and the deadlines of what they run."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import task
from alsek.core.worker.thread_executor import concluding_job, task_threads
from alsek.core.worker.thread_executor import executor as module
from alsek.core.worker.thread_executor import job as jobs
from alsek.core.worker.thread_executor.executor import ThreadExecutor
from alsek.core.worker.thread_executor.job import ThreadJob
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Failed, Released, Retried, Succeeded
from tests.unit.workers.fakes import PATIENCE, Shift
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread is abandoned soon."""
    monkeypatch.setattr(module, "ABANDON_AFTER_MS", 60)


@pytest.fixture
def make_executor(shift: Shift) -> Iterator[Callable[..., ThreadExecutor]]:
    """Makes executors, and dismisses them."""
    made: list[ThreadExecutor] = []

    def make(*tasks: Any, size: int = 2, wait_for_threads: bool = False) -> ThreadExecutor:
        named = {each.name: each for each in tasks}
        made.append(ThreadExecutor(named, shift.broker, shift.state, size, 5, wait_for_threads))
        return made[-1]

    yield make
    for each in made:
        each.shut_down()


def collected(executor: ThreadExecutor, many: int) -> list[ThreadJob]:
    """Wait for so many finished jobs, enforcing deadlines as the engine does."""
    finished: list[ThreadJob] = []

    def enough() -> bool:
        executor.enforce_deadlines()
        finished.extend(executor.collect())
        return len(finished) >= many

    eventually(enough)
    return finished


def alive(prefix: str = "alsek-task-") -> int:
    """How many threads of executors there are."""
    return sum(thread.name.startswith(prefix) for thread in threading.enumerate())


def test_no_finished_job_is_missed_while_asleep(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """Three thousand times to sleep until something finishes: it never sleeps on while something has."""

    @task(shift.broker)
    def quick() -> None: ...

    shift.broker.submit_many([quick.generate(submit=False) for _ in range(3_000)])
    executor = make_executor(quick, size=3)
    left, slept = 3_000, 0
    while left:
        while executor.free_slots and (step := shift.session.step((), {"thread": 1})).claimed:
            executor.start(
                executor.job(step.claimed[0], shift.state.add_claim(step.claimed[0].token), shift.session)
            )
        poll = select.poll()
        if executor.register_with(poll):
            events = poll.poll(PATIENCE * 1000)
            assert events, "it was not woken"
            slept += 1
            executor.on_ready(frozenset(descriptor for descriptor, _ in events))
        for job in executor.collect():
            shift.state.remove_claim(job.entry)
            assert isinstance(job.outcome, Succeeded)
            left -= 1
    assert slept


def test_threads_are_started_as_they_are_needed(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """One after another job needs one thread, however many it might have."""

    @task(shift.broker)
    def quick() -> None: ...

    executor = make_executor(quick, size=8)
    assert executor._threads.count == 0
    for _ in range(20):
        executor.start(shift.job(quick.generate(submit=False)))
        collected(executor, 1)
    assert executor._threads.count == 1


def test_a_task_that_listens_keeps_its_thread(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """A timeout that is obeyed ends the task, and nothing is abandoned."""

    @task(shift.broker, timeout=30, max_retries=0)
    def spins() -> None:
        while True:
            time.sleep(0.001)

    executor = make_executor(spins)
    executor.start(shift.job(spins.generate(submit=False)))
    (job,) = collected(executor, 1)
    assert isinstance(job.outcome, Failed)
    assert shift.state.abandoned == 0
    assert executor.free_slots == 2


def test_a_task_that_does_not_is_replaced(shift: Shift, make_executor: Callable[..., ThreadExecutor]) -> None:
    """Its message is concluded, its slot serves others at once, and once it has ended it is counted no more."""
    go_on = threading.Event()

    @task(shift.broker, timeout=30, max_retries=0)
    def deaf() -> None:
        go_on.wait(PATIENCE)

    @task(shift.broker)
    def quick() -> None: ...

    executor = make_executor(deaf, quick, size=1)
    executor.start(shift.job(deaf.generate(submit=False)))
    (job,) = collected(executor, 1)
    assert isinstance(job.outcome, Failed)
    assert b"TaskTimeoutError" in job.outcome.error
    assert shift.state.abandoned == 1
    assert executor.exhausted
    assert not any(entry.running for entry in shift.state.claims())
    executor.start(shift.job(quick.generate(submit=False)))
    assert isinstance(collected(executor, 1)[0].outcome, Succeeded)
    go_on.set()
    eventually(lambda: executor.enforce_deadlines() or shift.state.abandoned == 0)
    assert not executor.exhausted
    assert executor.collect() == []


def test_a_thread_that_was_given_up_stays_in_the_shared_state(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """Its message is concluded and reported, but its code may run, and end the process, until the thread has ended."""
    go_on = threading.Event()

    @task(shift.broker, timeout=30, max_retries=0)
    def deaf() -> None:
        go_on.wait(PATIENCE)

    executor = make_executor(deaf, size=1)
    executor.start(shift.job(deaf.generate(submit=False)))
    (job,) = collected(executor, 1)
    assert shift.state.claims()[0].in_user_code
    assert not job.verdict_wanted
    shift.state.remove_claim(job.entry)
    executor.enforce_deadlines()
    assert shift.state.unclaimed_in_user_code == 1
    go_on.set()
    eventually(lambda: executor.enforce_deadlines() or shift.state.unclaimed_in_user_code == 0)


def test_what_tells_a_tracker_stays_in_the_shared_state(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """The message is reported and no longer held; the tracker is code that may end the process."""
    seen: list[int] = []

    class Own(StatusTracker):
        def set(self, message: Any, status: TaskStatus, **details: Any) -> None:
            if status is TaskStatus.SUCCEEDED:
                freed.wait(PATIENCE)
                seen.append(shift.state.unclaimed_in_user_code)

    @task(shift.broker, status_tracker=Own(MemoryBackend()))
    def quick() -> None: ...

    freed = threading.Event()
    executor = make_executor(quick)
    executor.start(shift.job(quick.generate(submit=False)))
    (job,) = collected(executor, 1)
    executor.on_outcome(job, True)
    shift.state.remove_claim(job.entry)
    freed.set()
    eventually(lambda: seen)
    assert seen == [1]
    eventually(lambda: shift.state.unclaimed_in_user_code == 0)


def test_a_task_that_obeys_only_the_second_time_takes_no_slot_with_it(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """It ends just when it is abandoned, and the next thread may get its ident: no slot is lost."""

    @task(shift.broker, timeout=20, max_retries=0)
    def stubborn() -> None:
        for _ in range(2):
            try:
                while True:
                    time.sleep(0.0005)
            except TimeoutError:
                pass

    executor = make_executor(stubborn, size=2)
    for _ in range(8):
        for _ in range(2):
            executor.start(shift.job(stubborn.generate(submit=False)))
        for job in collected(executor, 2):
            assert isinstance(job.outcome, Failed)
            shift.state.remove_claim(job.entry)
        assert executor.free_slots == 2


def test_no_thread_is_abandoned_if_told_to_wait(
    shift: Shift, make_executor: Callable[..., ThreadExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slot is taken until the thread ends, and then its timeout is the outcome."""
    go_on = threading.Event()

    @task(shift.broker, timeout=20, max_retries=0)
    def deaf() -> None:
        go_on.wait(PATIENCE)

    executor = make_executor(deaf, size=1, wait_for_threads=True)
    job = shift.job(deaf.generate(submit=False))
    executor.start(job)
    eventually(lambda: job.deadline)
    now = [module.monotonic_ms()]
    monkeypatch.setattr(module, "monotonic_ms", lambda: now[0])
    for _ in range(10):
        now[0] += 1_500
        executor.enforce_deadlines()
        assert executor.collect() == []
        assert executor.free_slots == 0
    assert shift.state.abandoned == 0
    go_on.set()
    assert isinstance(collected(executor, 1)[0].outcome, Failed)


def test_the_next_deadline_is_the_earliest(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """None while nothing runs; of two tasks that of the shorter timeout."""
    go_on = threading.Event()

    @task(shift.broker, timeout=900_000)
    def short() -> None:
        go_on.wait(PATIENCE)

    @task(shift.broker, timeout=3_600_000)
    def long() -> None:
        go_on.wait(PATIENCE)

    executor = make_executor(short, long)
    assert executor.next_deadline() is None
    both = [shift.job(each.generate(submit=False)) for each in (long, short)]
    for job in both:
        executor.start(job)
    eventually(lambda: all(job.deadline for job in both))
    assert executor.next_deadline() == min(job.deadline for job in both)
    go_on.set()
    collected(executor, 2)
    assert executor.next_deadline() is None


def test_a_tracker_of_its_own_is_told_after_acceptance(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """In a thread, with the status that the accepted outcome means; of a refused one it hears nothing."""
    told: list[TaskStatus] = []

    class Own(StatusTracker):
        def set(self, message: Any, status: TaskStatus, **details: Any) -> None:
            told.append(status)

    @task(shift.broker, status_tracker=Own(MemoryBackend()))
    def quick() -> None: ...

    executor = make_executor(quick)
    for _ in range(2):
        executor.start(shift.job(quick.generate(submit=False)))
    accepted, refused = collected(executor, 2)
    told.clear()
    executor.on_outcome(accepted, True)
    executor.on_outcome(refused, False)
    eventually(lambda: told)
    assert told == [TaskStatus.SUCCEEDED]


def test_a_tracker_that_hangs_at_the_end_keeps_no_thread_from_others(
    shift: Shift, make_executor: Callable[..., ThreadExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reports to it is given up after a while: what has been claimed since runs in another thread."""
    for each in (jobs, concluding_job):
        monkeypatch.setattr(each, "CONCLUDE_WITHIN_MS", 30)
    go_on = threading.Event()

    class Hangs(StatusTracker):
        def set(self, message: Any, status: TaskStatus, **details: Any) -> None:
            if status is TaskStatus.SUCCEEDED:
                go_on.wait(10 * PATIENCE)

    @task(shift.broker, status_tracker=Hangs(MemoryBackend()))
    def told() -> None: ...

    before = alive()
    executor = make_executor(told, size=1)
    for _ in range(3):
        executor.start(shift.job(told.generate(submit=False)))
        (job,) = collected(executor, 1)
        assert isinstance(job.outcome, Succeeded)
        shift.state.remove_claim(job.entry)
        executor.on_outcome(job, True)
    go_on.set()
    eventually(lambda: executor.enforce_deadlines() or alive() <= before + 1)
    assert shift.state.abandoned == 0


def test_a_job_that_was_given_up_never_starts_its_task(
    shift: Shift, make_executor: Callable[..., ThreadExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a tracker that hung before the task comes back, the message is another's to run: its task does not start."""
    for each in (jobs, concluding_job):
        monkeypatch.setattr(each, "CONCLUDE_WITHIN_MS", 30)
    go_on, gone_on = threading.Event(), threading.Event()
    ran: list[str] = []

    class Hangs(StatusTracker):
        def set(self, message: Any, status: TaskStatus, **details: Any) -> None:
            if status is TaskStatus.RUNNING:
                go_on.wait(PATIENCE)
                gone_on.set()

    @task(shift.broker, status_tracker=Hangs(MemoryBackend()))
    def late() -> None:
        ran.append("late")

    executor = make_executor(late, size=1)
    executor.start(shift.job(late.generate(submit=False)))
    (job,) = collected(executor, 1)
    assert isinstance(job.outcome, Retried)
    thread = job._abandoned_threads[0]
    assert thread is not None
    shift.state.remove_claim(job.entry)
    go_on.set()
    thread.join(PATIENCE)
    assert gone_on.is_set()
    assert ran == []
    assert all(not entry.running for entry in shift.state.claims())


def test_an_exception_whose_text_hangs_keeps_nobody(
    shift: Shift, make_executor: Callable[..., ThreadExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread is given up, and the engine does not ask for the text again: the message fails, and another runs."""
    for each in (jobs, concluding_job):
        monkeypatch.setattr(each, "CONCLUDE_WITHIN_MS", 30)
    go_on = threading.Event()

    class Hangs(Exception):
        def __str__(self) -> str:
            go_on.wait(10 * PATIENCE)
            return ""

    @task(shift.broker, max_retries=0)
    def hang() -> None:
        raise Hangs

    @task(shift.broker)
    def innocent() -> None: ...

    executor = make_executor(hang, innocent, size=1)
    executor.start(shift.job(hang.generate(submit=False)))
    (job,) = collected(executor, 1)
    assert isinstance(job.outcome, Failed)
    assert b"the text of its exception" in job.outcome.error
    shift.state.remove_claim(job.entry)
    executor.start(shift.job(innocent.generate(submit=False)))
    (job,) = collected(executor, 1)
    assert isinstance(job.outcome, Succeeded)
    shift.state.remove_claim(job.entry)
    go_on.set()


def test_a_thread_that_can_not_be_started_is_tried_again(
    shift: Shift, make_executor: Callable[..., ThreadExecutor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a limit on threads: what those that run can't take is given back, no more is claimed, and later it is."""
    monkeypatch.setattr(task_threads, "_START_AGAIN_AFTER_MS", 50)
    start, refusals = threading.Thread.start, [True] * 3

    def refuse(thread: threading.Thread) -> None:
        if len(threading.enumerate()) > before and refusals:
            refusals.pop()
            raise RuntimeError("can't start new thread")
        start(thread)

    go_on = threading.Event()

    @task(shift.broker)
    def wait() -> None:
        go_on.wait(PATIENCE)

    before = threading.active_count()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    executor = make_executor(wait, size=3)
    first, second = shift.job(wait.generate(submit=False)), shift.job(wait.generate(submit=False))
    executor.start(first)
    executor.start(second)
    assert collected(executor, 1) == [second]
    assert isinstance(second.outcome, Released)
    assert executor.free_slots == 0
    assert executor.prefetch == 0
    assert executor.next_deadline() is not None
    eventually(lambda: executor.enforce_deadlines() or executor.free_slots == 2)
    refusals.clear()
    third = shift.job(wait.generate(submit=False))
    executor.start(third)
    eventually(lambda: third.thread is not None)
    go_on.set()
    assert {job.claimed.token for job in collected(executor, 2)} == {first.claimed.token, third.claimed.token}
    for job in (first, second, third):
        shift.state.remove_claim(job.entry)


def test_an_executor_that_has_shut_down_leaves_no_thread(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """Once all is done its threads end."""

    @task(shift.broker)
    def quick() -> None: ...

    before = alive()
    executor = make_executor(quick, size=4)
    for _ in range(8):
        while not executor.free_slots:
            executor.collect()
        executor.start(shift.job(quick.generate(submit=False)))
    eventually(lambda: executor.collect() or executor.in_flight == 0)
    executor.shut_down()
    eventually(lambda: alive() <= before)


def hurry(executor: ThreadExecutor) -> None:
    """Let an executor take its tasks for short. (On a busy machine none is.)"""
    while not executor.prefetch:
        executor._durations.record([2_000])


def test_nothing_is_claimed_ahead_until_tasks_are_known_to_be_short(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """Then as many as run within milliseconds; and none any more once a task has taken longer."""

    @task(shift.broker)
    def quick() -> None: ...

    @task(shift.broker)
    def slow() -> None:
        time.sleep(0.001)

    executor = make_executor(quick, slow, size=3)
    assert executor.prefetch == 0
    hurry(executor)
    assert executor.prefetch >= 3
    executor.start(shift.job(slow.generate(submit=False)))
    collected(executor, 1)
    assert executor.prefetch == 0


def test_what_was_claimed_ahead_does_not_wait_for_a_long_task(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """Threads are called for as many as there are threads; what is left is given back, neither run nor charged."""
    go_on = threading.Event()

    @task(shift.broker)
    def quick() -> None: ...

    @task(shift.broker, timeout=60_000)
    def long() -> None:
        go_on.wait(PATIENCE)

    executor = make_executor(quick, long, size=2)
    hurry(executor)
    jobs = [shift.job(long.generate(submit=False)) for _ in range(4)]
    for job in jobs:
        executor.start(job)
    given_back = collected(executor, 2)
    assert given_back == jobs[2:]
    for job in given_back:
        assert job.outcome == Released(job.claimed.uuid, job.claimed.queue, job.claimed.token)
        assert job.thread is None
    assert executor.in_flight == 2
    assert executor.free_slots == 0
    assert executor.prefetch == 0
    go_on.set()
    assert {job.claimed.uuid for job in collected(executor, 2)} == {job.claimed.uuid for job in jobs[:2]}


def test_short_tasks_beside_a_long_one_go_on(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """A thread that is taken for long is not what short ones wait for."""
    go_on = threading.Event()

    @task(shift.broker)
    def quick() -> None: ...

    @task(shift.broker, timeout=60_000)
    def long() -> None:
        go_on.wait(PATIENCE)

    executor = make_executor(quick, long, size=2)
    executor.start(shift.job(long.generate(submit=False)))
    hurry(executor)
    for _ in range(20):
        executor.start(shift.job(quick.generate(submit=False)))
        (job,) = collected(executor, 1)
        assert isinstance(job.outcome, Succeeded)
    go_on.set()
    collected(executor, 1)


def test_what_has_finished_travels_together_while_tasks_are_short(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """One awake thread runs a whole batch, and the engine is told of it once."""

    @task(shift.broker)
    def quick() -> None: ...

    executor = make_executor(quick, size=4)
    hurry(executor)
    queued = threading.Event()

    def stay_awake() -> None:
        queued.wait(PATIENCE)

    executor._queue.put(stay_awake)
    executor._threads.wake(1)
    for _ in range(4):
        executor.start(shift.job(quick.generate(submit=False)))
    queued.set()
    poll = select.poll()
    if executor.register_with(poll):
        assert poll.poll(PATIENCE * 1000)
        executor.on_ready(frozenset())
    assert len(collected(executor, 4)) == 4
    assert executor._threads.count == 1


def test_a_slow_trip_to_the_store_is_no_task_that_blocks(
    shift: Shift, make_executor: Callable[..., ThreadExecutor]
) -> None:
    """What was claimed ahead is kept if tasks have ended meanwhile, however late the engine comes to collect them."""
    go_on = threading.Event()

    @task(shift.broker)
    def quick() -> None: ...

    @task(shift.broker, timeout=60_000)
    def long() -> None:
        go_on.wait(PATIENCE)

    executor = make_executor(quick, long, size=1)
    hurry(executor)
    jobs = [shift.job(each.generate(submit=False)) for each in (quick, long, quick)]
    for job in jobs:
        executor.start(job)
    eventually(lambda: len(executor._finished) == 1)
    executor._progress_at -= 1_000
    executor.enforce_deadlines()
    assert executor.prefetch
    assert executor.collect() == jobs[:1]
    executor._progress_at -= 1_000
    executor.enforce_deadlines()
    assert executor.collect() == jobs[2:]
    assert isinstance(jobs[2].outcome, Released)
    go_on.set()
    assert collected(executor, 1) == jobs[1:2]
