"""A job: what becomes of a message in a thread, and the window in which its timeout may strike."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.clock import monotonic_ms
from alsek.core.execution import forks
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import Task, task
from alsek.core.worker.thread_executor import interruption
from alsek.core.worker.thread_executor.job import ThreadJob
from alsek.exceptions import Reject, Retry
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Claimed, Failed, Retried, SetAside, Succeeded
from alsek.storage.result import ResultStore
from tests.clock import Clock
from tests.unit.workers.fakes import PATIENCE, Shift
from tests.waiting import eventually


def run(job: ThreadJob, shift: Shift, *tasks: Any, max_losses: int = 5) -> Any:
    """Run a job here; its outcome."""
    job.run({each.name: each for each in tasks}, shift.broker, max_losses, shift.state)
    return job.outcome


def with_claim(job: ThreadJob, **changes: Any) -> ThreadJob:
    """The job, as if it had been handed out otherwise."""
    job.claimed = job.claimed._replace(**changes)
    return job


def test_a_task_that_returns_succeeds(shift: Shift) -> None:
    """Its outcome is `Succeeded` under the claim's token, and the shared state shows its start and its end."""

    @task(shift.broker)
    def fine() -> int:
        assert shift.state.claims()[0].running
        return 1

    job = shift.job(fine.generate(submit=False))
    outcome = run(job, shift, fine)
    assert isinstance(outcome, Succeeded)
    assert outcome.token == job.claimed.token
    (entry,) = shift.state.claims()
    assert entry.past_user_code
    assert not entry.running


def test_the_shared_state_says_that_code_may_run_from_the_first_to_the_last(shift: Shift) -> None:
    """The tracker before the task, each hook and the result store after it: all of it may end the process."""
    seen: list[str] = []

    def look(what: str) -> None:
        (entry,) = shift.state.claims()
        seen.append(what)
        assert entry.in_user_code, what
        assert entry.running == (what in ("pre_op", "task", "post_op")), what

    class Looks(Task[Any, Any]):
        def pre_op(self, message: Message) -> None:
            look("pre_op")

        def post_op(self, message: Message, result: Any) -> None:
            look("post_op")

        def on_success(self, message: Message, result: Any) -> None:
            look("on_success")

        def do_retry(self, message: Message, exception: BaseException) -> bool:
            look("do_retry")
            return False

        def on_failure(self, message: Message, exception: BaseException) -> None:
            look("on_failure")

    class Tells(StatusTracker):
        def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
            look("tracker")

    class Keeps(ResultStore):
        def set(self, message: Message, result: Any) -> None:
            look("store")

    where = {"result_store": Keeps(MemoryBackend()), "status_tracker": Tells(MemoryBackend())}

    @task(shift.broker, base_task=Looks, **where)  # type: ignore[arg-type]
    def work(fails: bool) -> None:
        look("task")
        if fails:
            raise ValueError

    for fails in (False, True):
        job = shift.job(work.generate(args=(fails,), submit=False))
        run(job, shift, work)
        assert shift.state.claims()[0].past_user_code
        shift.state.remove_claim(job.entry)
    before = ["tracker", "pre_op", "task"]
    assert seen == [*before, "post_op", "store", "on_success", *before, "do_retry", "on_failure"]


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("odd"), Retry()],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_task_raises_is_an_outcome(shift: Shift, error: BaseException) -> None:
    """An exception of any kind ends the task, not its thread: the message is retried."""

    @task(shift.broker)
    def raises() -> None:
        raise error

    outcome = run(shift.job(raises.generate(submit=False)), shift, raises)
    assert isinstance(outcome, Retried)


def test_reject_buries(shift: Shift) -> None:
    """`Reject` ends in the dead letters, whatever retries are left."""

    @task(shift.broker)
    def hopeless() -> None:
        raise Reject("never")

    assert isinstance(run(shift.job(hopeless.generate(submit=False)), shift, hopeless), Failed)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"revoked": True}, "MessageRevokedError"),
        ({"expired": True}, "MessageExpiredError"),
        ({"losses": 6}, "WorkerLostError"),
        ({"payload": b"\xff not a message"}, "CorruptMessageError"),
    ],
)
def test_what_must_not_run_does_not(shift: Shift, changes: dict[str, Any], name: str) -> None:
    """Revoked, expired, lost too often or unreadable: the message dies, with the reason, and the task never starts."""
    ran: list[int] = []

    @task(shift.broker)
    def never() -> None:
        ran.append(1)

    outcome = run(with_claim(shift.job(never.generate(submit=False)), **changes), shift, never)
    assert isinstance(outcome, Failed)
    assert name.encode() in outcome.error
    assert ran == []
    assert not shift.state.claims()[0].running


def test_an_unknown_task_is_set_aside_with_its_name(shift: Shift) -> None:
    """The store decides whether it fails; the error for that case names the task that the pool does not have."""

    @task(shift.broker)
    def known() -> None: ...

    outcome = run(shift.job(Message("stranger")), shift, known)
    assert isinstance(outcome, SetAside)
    assert outcome.task == "stranger"
    assert not outcome.wait
    assert b"UnknownTaskError" in outcome.error
    assert b"stranger" in outcome.error


def test_a_timeout_that_is_swallowed_has_passed_all_the_same(shift: Shift) -> None:
    """A task that catches the timeout and returns has failed with it."""
    running = threading.Event()

    @task(shift.broker, max_retries=0)
    def stubborn() -> str:
        running.set()
        try:
            while True:
                pass
        except TimeoutError:
            return "done after all"

    job = shift.job(stubborn.generate(submit=False))
    thread = threading.Thread(target=run, args=(job, shift, stubborn))
    thread.start()
    assert running.wait(PATIENCE)
    job.interrupt(monotonic_ms())
    thread.join(PATIENCE)
    assert isinstance(job.outcome, Failed)
    assert b"TaskTimeoutError" in job.outcome.error


def test_nothing_strikes_before_the_task_or_after_it(shift: Shift) -> None:
    """An interrupt of a job that does not run yet, or no longer, is none."""

    @task(shift.broker)
    def fine() -> None: ...

    job = shift.job(fine.generate(submit=False))
    job.interrupt(monotonic_ms())
    assert isinstance(run(job, shift, fine), Succeeded)
    job.interrupt(monotonic_ms())
    assert not job.timed_out


def test_an_abandoned_job_is_concluded_once_and_elsewhere(shift: Shift) -> None:
    """Its own thread leaves no outcome; whoever concludes it does, also in a thread that was given the same ident."""
    running, go_on = threading.Event(), threading.Event()

    @task(shift.broker, max_retries=0)
    def deaf() -> None:
        running.set()
        go_on.wait(PATIENCE)

    job = shift.job(deaf.generate(submit=False))
    here: list[bool] = []

    def first() -> None:
        run(job, shift, deaf)
        here.append(job.was_abandoned)

    def second() -> None:
        here.append(job.was_abandoned)
        job.conclude_timeout()

    thread = threading.Thread(target=first)
    thread.start()
    assert running.wait(PATIENCE)
    assert job.abandon_task()
    go_on.set()
    thread.join(PATIENCE)
    assert job.outcome is None
    for _ in range(20):  # the ident of a thread that has ended is soon given to another
        other = threading.Thread(target=second)
        other.start()
        other.join(PATIENCE)
    assert here == [True] + 20 * [False]
    assert isinstance(job.outcome, Failed)


def test_a_job_that_has_ended_cannot_be_abandoned(shift: Shift) -> None:
    """Its own outcome stands."""

    @task(shift.broker)
    def fine() -> None: ...

    job = shift.job(fine.generate(submit=False))
    run(job, shift, fine)
    assert not job.abandon_task()
    assert isinstance(job.outcome, Succeeded)


@pytest.fixture
def fine_switching() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Thread:
    """A worker's thread that notes whatever reaches it outside of a job."""

    def __init__(self) -> None:
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.escaped: list[BaseException] = []
        self.done: list[ThreadJob] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (work := self.inbox.get()) is not None:
            try:
                job = work()
                for _ in range(30):  # where a late exception would strike
                    str(_)
                self.done.append(job)
            except BaseException as error:  # noqa: BLE001
                self.escaped.append(error)

    def end(self) -> None:
        """Let it end; fail if it does not."""
        self.inbox.put(None)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.mark.slow
@pytest.mark.usefixtures("fine_switching", "no_collector")
def test_a_timeout_never_escapes_its_job(broker: Broker, clock: Clock) -> None:
    """However closely it meets the task's end: the thread lives on, the next job is untouched, each has an outcome."""
    random_ = random.Random(7)
    go: list[bool] = []

    @task(broker, max_retries=0)
    def spin(turns: int) -> int:
        total = 0
        while not go:
            total += 1
        for number in range(turns):
            total += len(str(number))
        return total

    @task(broker)
    def innocent() -> None:
        for number in range(20):
            str(number)

    tasks = {each.name: each for each in (spin, innocent)}
    shift, thread = Shift(broker, entries=16), Thread()
    hit = missed = 0
    for _ in range(500):
        shift.session.register()
        jobs = [
            shift.job(spin.generate(args=(random_.randrange(120),), submit=False)),
            shift.job(innocent.generate(submit=False)),
        ]
        for job in jobs:
            thread.inbox.put(lambda job=job: (job.run(tasks, broker, 5, shift.state), job)[1])
        guilty, bystander = jobs
        eventually(lambda job=guilty: job.deadline)
        go.append(True)
        for _ in range(random_.randrange(2_000)):
            str(_)
        while guilty.outcome is None:  # again and again, as fast as can be, across the task's end
            guilty.interrupt(monotonic_ms())
            time.sleep(0)  # or its thread hardly ever gets the lock
        go.clear()
        eventually(lambda job=bystander: job.outcome is not None or thread.escaped)
        assert thread.escaped == []
        hit += isinstance(guilty.outcome, Failed)
        missed += isinstance(guilty.outcome, Succeeded)
        assert guilty.timed_out == isinstance(guilty.outcome, Failed)
        assert isinstance(bystander.outcome, Succeeded)
        for job in jobs:
            shift.state.remove_claim(job.entry)
    thread.end()
    assert hit
    assert missed
    shift.state.close()


def test_a_child_that_returns_from_its_task_ends(shift: Shift) -> None:
    """A task that forks and lets the child return makes no second worker; the child writes no shared state."""

    @task(shift.broker)
    def forgetful() -> None:
        pid = os.fork()
        if pid == 0:
            forks.forked = True  # as the group has it set after each fork
            return
        assert os.waitpid(pid, 0)[1] == 0
        assert shift.state.claims()[0].running

    assert isinstance(run(shift.job(forgetful.generate(submit=False)), shift, forgetful), Succeeded)


def test_claimed_is_what_a_job_is_made_of(shift: Shift) -> None:
    """A job that was never run has no deadline and no outcome."""

    @task(shift.broker)
    def fine() -> None: ...

    job = shift.job(fine.generate(submit=False))
    assert isinstance(job.claimed, Claimed)
    assert job.deadline == 0
    assert job.outcome is None


def test_a_timeout_after_the_tasks_end_is_none(shift: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the end of the task and the moment when its deadline is taken off, nothing is raised."""

    @task(shift.broker)
    def fine() -> int:
        return 1

    job = shift.job(fine.generate(submit=False))
    disarm = ThreadJob._disarm

    def late(self: ThreadJob) -> None:
        self.interrupt(monotonic_ms())
        self.revoke()
        disarm(self)

    monkeypatch.setattr(ThreadJob, "_disarm", late)
    assert isinstance(run(job, shift, fine), Succeeded)
    assert not job.timed_out
    assert not job.revoked


@pytest.mark.parametrize("interrupted", [True, False])
def test_an_exception_that_was_not_raised_yet_is_taken_back(
    shift: Shift, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    """The thread's next job must not meet it; without one there is nothing to take back."""
    taken_back: list[bool] = []
    monkeypatch.setattr(interruption, "raise_in_thread", lambda thread, kind: None)
    monkeypatch.setattr(interruption, "clear_pending", lambda: taken_back.append(True))

    @task(shift.broker, max_retries=0)
    def ends_just_then() -> None:
        if interrupted:
            job.interrupt(monotonic_ms())

    job = shift.job(ends_just_then.generate(submit=False))
    assert isinstance(run(job, shift, ends_just_then), Failed if interrupted else Succeeded)
    assert taken_back == [True] * interrupted
