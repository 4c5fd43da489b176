"""The tour's chapter on tasks: one test a section, with the real command, on SQLite and on Redis."""

from __future__ import annotations

import time
from typing import Any

import pytest

from alsek import TaskStatus
from alsek.exceptions import SchedulingError, TaskFailedError
from tests.integration.conftest import Project
from tests.waiting import eventually

TASKS = """
from typing import Any
from alsek.core.backoff import ConstantBackoff, ExponentialBackoff, LinearBackoff
from alsek.core.task import Task

@task(broker, result_store=result_store)
def add_1(number: int) -> int:
    return number + 1

@task(broker, result_store=result_store)
def add_1_previous(message: Message) -> int:
    return message.previous_result + 1

@task(broker, result_store=result_store)
def family(message: Message) -> list:
    return [message.previous_result, message.previous_message_uuid, message.progenitor_uuid]
"""

WAIT_MS = 60_000


def test_tour_tasks(project: Project) -> None:
    """A decorated function is still the function, and also runs in a worker."""
    tasks = project.write(TASKS)
    assert tasks.add_1(number=1) == 2
    project.worker("--n_processes", "1")
    assert tasks.result_store.get(tasks.add_1.generate(kwargs={"number": 1}), timeout=WAIT_MS) == 2


def test_tour_tasks_mechanisms(project: Project) -> None:
    """Two pools of different kind on one queue each take what names them, whatever names none goes to either."""
    tasks = project.write(
        TASKS
        + """
import multiprocessing
import threading

@task(broker, result_store=result_store, mechanism="thread")
def in_thread() -> bool:
    return threading.current_thread() is threading.main_thread()

@task(broker, result_store=result_store, mechanism="process")
def in_process() -> bool:
    return threading.current_thread() is threading.main_thread()
"""
    )
    messages = [t.generate() for _ in range(5) for t in (tasks.in_thread, tasks.in_process)]
    free = tasks.add_1.generate(args=(1,))
    assert (free.mechanism, messages[0].mechanism) == ("process", "thread")
    project.worker("--n_processes", "1")
    project.worker("--n_processes", "1", pool="process-pool")
    assert [tasks.result_store.get(m, timeout=WAIT_MS) for m in messages] == [False, True] * 5
    assert tasks.result_store.get(free, timeout=WAIT_MS) == 2
    assert list(tasks.broker.dead_letters("alsek_queue")) == []


@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_tour_tasks_timeouts(project: Project, pool: str) -> None:
    """A task that hangs is ended at its timeout, retried as far as it may be, and then failed and removed."""
    tasks = project.write(
        TASKS
        + """
@task(broker, result_store=result_store, timeout=1_500, max_retries=1, backoff=None)
def hangs() -> None:
    (HERE / "runs.txt").open("a").write("run ")
    while True:
        pass
"""
    )
    project.worker("--n_processes", "1", pool=pool)
    message = tasks.hangs.generate()
    with pytest.raises(TaskFailedError, match="TaskTimeoutError") as caught:
        tasks.result_store.get(message, timeout=WAIT_MS)
    assert caught.value.details["name"] == "TaskTimeoutError"
    assert (project.folder / "runs.txt").read_text().split() == ["run", "run"]
    assert not tasks.broker.exists(message)
    assert tasks.result_store.get(tasks.add_1.generate(args=(1,)), timeout=WAIT_MS) == 2
    assert tasks.add_1.generate(args=(1,), submit=False).timeout == 3_600_000
    assert tasks.add_1.generate(args=(1,), submit=False, timeout_override=5).timeout == 5


def test_tour_tasks_priority(project: Project) -> None:
    """Lower integers go first within a queue; equals in the order in which they came."""
    tasks = project.write(
        TASKS
        + """
@task(broker, queue="my_queue")
def task_a(name: str) -> None:
    (HERE / "runs.txt").open("a").write(name + " ")
"""
    )
    for name, priority in [("one", 1), ("zero", 0), ("one-again", 1), ("huge", 10**9)]:
        tasks.task_a.generate(args=(name,), priority=priority)
    project.worker("--n_threads", "1", "--n_processes", "1")
    eventually(lambda: tasks.backend.count("queues:my_queue") == 0)
    assert (project.folder / "runs.txt").read_text().split() == ["zero", "one", "one-again", "huge"]


def test_tour_tasks_triggers(project: Project) -> None:
    """Interval, cron and date; pause, resume, clear and shutdown; a worker that imports them fires nothing."""
    tasks = project.write(
        TASKS
        + """
from datetime import datetime
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

@task(broker, result_store=result_store, trigger=IntervalTrigger(seconds=0.1))
def often() -> int:
    return 1

@task(broker, result_store=result_store, trigger=CronTrigger(second="*"))
def each_second() -> int:
    return 2

@task(broker, result_store=result_store, trigger=DateTrigger())
def once() -> int:
    return 3
"""
    )
    worker = project.worker("--n_processes", "1")
    worker.logged("Started group")
    triggered = (tasks.often, tasks.each_second, tasks.once)
    try:
        assert tasks.backend.messages.queues() == []
        assert not tasks.often.generated
        first, cron, date = (each.generate() for each in triggered)
        assert tasks.often.generated
        with pytest.raises(SchedulingError):
            tasks.often.generate()
        assert tasks.result_store.get(date, timeout=WAIT_MS) == 3
        assert tasks.result_store.get(cron, timeout=WAIT_MS) == 2
        assert tasks.result_store.get(first, timeout=WAIT_MS, keep=True) == 1

        def ticks() -> int:
            return len(tasks.result_store.get(first, keep=True, descendants=True))

        eventually(lambda: ticks() >= 3)
        tasks.often.pause()
        eventually(lambda: tasks.backend.count("queues:alsek_queue") == 0)
        tasks.often.resume()
        paused_at = ticks()
        eventually(lambda: ticks() > paused_at)
        tasks.often.clear()
        assert not tasks.often.generated
        assert tasks.often.generate() != first
    finally:
        for each in triggered:
            each.shutdown()
    assert not tasks.often.generated


def test_tour_tasks_triggers_take_no_parameters(project: Project) -> None:
    """Function parameters are not permitted for tasks which use a trigger."""
    with pytest.raises(SchedulingError, match="can't have parameters"):
        project.write(
            """
from apscheduler.triggers.interval import IntervalTrigger

@task(broker, trigger=IntervalTrigger(hours=1))
def greedy(n: int) -> int:
    return n
"""
        )


def test_tour_tasks_message_passing(project: Project) -> None:
    """The message is passed to a parameter `message`, but for the two exceptions of the tour."""
    tasks = project.write(
        TASKS
        + """
@task(broker, result_store=result_store)
def hinted(message: Message) -> str:
    return message.uuid

@task(broker, result_store=result_store)
def bare(message):
    return getattr(message, "uuid", message)

@task(broker, result_store=result_store, max_retries=0)
def other(message: str = "default") -> str:
    return message
"""
    )
    project.worker("--n_processes", "1")
    for each in (tasks.hinted, tasks.bare):
        message = each.generate()
        assert tasks.result_store.get(message, timeout=WAIT_MS) == message.uuid
    assert (
        tasks.result_store.get(tasks.bare.generate(kwargs={"message": "string"}), timeout=WAIT_MS) == "string"
    )
    assert tasks.result_store.get(tasks.other.generate(), timeout=WAIT_MS) == "default"


def test_tour_tasks_callbacks(project: Project) -> None:
    """A callback runs after its parent, with its result; it is submitted by neither `submit=False` nor `defer()`."""
    tasks = project.write(TASKS)
    one, two = tasks.family.generate(submit=False), tasks.family.defer().generate()
    first = tasks.add_1.generate(args=(1,), callback=one)
    second = tasks.add_1.generate(args=(2,), callback=two)
    assert not tasks.family.deferred
    assert tasks.backend.count("queues:alsek_queue") == 2
    project.worker("--n_processes", "1")
    assert tasks.result_store.get(one, timeout=WAIT_MS) == [2, first.uuid, first.uuid]
    assert tasks.result_store.get(two, timeout=WAIT_MS) == [3, second.uuid, second.uuid]


def test_tour_tasks_callbacks_nested(project: Project) -> None:
    """Nesting by hand and a tuple come to the same; the tuple's messages are updated; the root is the progenitor."""
    tasks = project.write(TASKS)

    def step(callback: Any = None) -> Any:
        return tasks.add_1_previous.defer().generate(callback=callback)

    last_nested, last_flat = tasks.family.defer().generate(), tasks.family.defer().generate()
    nested = tasks.add_1.generate(args=(1,), callback=step(step(step(last_nested))))
    middle = (step(), step(), step())
    flat = tasks.add_1.generate(args=(1,), callback=(*middle, last_flat))
    assert middle[2].callback_message_data["uuid"] == last_flat.uuid
    assert flat.descendant_uuids == [*(each.uuid for each in middle), last_flat.uuid]
    project.worker("--n_processes", "1")
    assert tasks.result_store.get(last_flat, timeout=WAIT_MS, keep=True) == [5, middle[2].uuid, flat.uuid]
    assert tasks.result_store.get(last_nested, timeout=WAIT_MS)[::2] == [5, nested.uuid]
    assert tasks.result_store.get(flat, timeout=WAIT_MS, descendants=True)[:4] == [2, 3, 4, 5]


def test_tour_tasks_callbacks_control(project: Project) -> None:
    """`do_callback` is asked with message and result, and only for messages that have a callback."""
    tasks = project.write(
        TASKS
        + """
class CustomTask1(Task):
    def do_callback(self, message: Message, result: Any) -> bool:
        (HERE / "asked.txt").open("a").write(f"{result} ")
        return result > 1

@task(broker, result_store=result_store, base_task=CustomTask1)
def simple_task(number: int) -> int:
    return number
"""
    )
    assert isinstance(tasks.simple_task, tasks.CustomTask1)
    project.worker("--n_processes", "1")
    without = tasks.simple_task.generate(args=(7,))
    refused, wanted = tasks.family.defer().generate(), tasks.family.defer().generate()
    no = tasks.simple_task.generate(args=(1,), callback=refused)
    tasks.simple_task.generate(args=(2,), callback=wanted)
    assert tasks.result_store.get(wanted, timeout=WAIT_MS)[0] == 2
    assert [tasks.result_store.get(each, timeout=WAIT_MS) for each in (without, no)] == [7, 1]
    assert not tasks.broker.exists(refused)
    assert sorted((project.folder / "asked.txt").read_text().split()) == ["1", "2"]


def test_tour_tasks_pre_post_ops(project: Project) -> None:
    """pre_op runs before the function, post_op after it with its result, both in the worker, once an attempt."""
    tasks = project.write(
        TASKS
        + """
def note(text):
    (HERE / "notes.txt").open("a").write(text + "\\n")

class CustomTask2(Task):
    def pre_op(self, message: Message) -> None:
        note(f"About to process {message.summary}!")

    def post_op(self, message: Message, result: Any) -> None:
        note(f"Processed {message.summary} and got '{result}'!")

@task(broker, result_store=result_store, base_task=CustomTask2)
def simple_task() -> int:
    note("function")
    return 99
"""
    )
    project.worker("--n_processes", "1")
    message = tasks.simple_task.generate()
    assert tasks.result_store.get(message, timeout=WAIT_MS) == 99
    assert (project.folder / "notes.txt").read_text().splitlines() == [
        f"About to process {message.summary}!",
        "function",
        f"Processed {message.summary} and got '99'!",
    ]


def test_tour_tasks_retries(project: Project) -> None:
    """`max_retries` bounds the runs; `do_retry` may say otherwise, by exception."""
    tasks = project.write(
        TASKS
        + """
class CustomTask3(Task):
    def do_retry(self, message: Message, exception: BaseException) -> bool:
        if isinstance(exception, ZeroDivisionError):
            return False
        elif self.max_retries is None:
            return True
        else:
            return message.retries < self.max_retries

def run(text):
    (HERE / "runs.txt").open("a").write(text + " ")

@task(broker, result_store=result_store, backoff=None, max_retries=2, base_task=CustomTask3)
def divide(a: int, b: int) -> float:
    run(f"{a}/{b}")
    return a / b

@task(broker, result_store=result_store, backoff=None, max_retries=None)
def stubborn(message: Message) -> int:
    if message.retries < 6:
        raise ValueError("again")
    return message.retries
"""
    )
    project.worker("--n_processes", "1")
    by_zero, by_text = tasks.divide.generate(args=(1, 0)), tasks.divide.generate(args=(1, "x"))
    for message, name in [(by_zero, "ZeroDivisionError"), (by_text, "TypeError")]:
        with pytest.raises(TaskFailedError, match=name):
            tasks.result_store.get(message, timeout=WAIT_MS)
    assert sorted((project.folder / "runs.txt").read_text().split()) == ["1/0", "1/x", "1/x", "1/x"]
    assert tasks.result_store.get(tasks.stubborn.generate(), timeout=WAIT_MS) == 6


def test_tour_tasks_backoff(project: Project) -> None:
    """A retry waits for the task's backoff, counted from the failure; `None` doesn't wait."""
    tasks = project.write(
        TASKS
        + """
def now() -> int:
    return time.time_ns() // 1_000_000

def times(name: str) -> list:
    with (HERE / name).open("a") as file:
        file.write(f"{now()} ")
    return [int(each) for each in (HERE / name).read_text().split()]

@task(broker, result_store=result_store, backoff=LinearBackoff(factor=200, floor=0))
def linear(message: Message) -> list:
    seen = times("linear.txt")
    if message.retries < 2:
        raise ValueError("again")
    return seen

@task(broker, result_store=result_store, status_tracker=status_tracker, backoff=ConstantBackoff(constant=30 * 1000))
def floored() -> int:
    raise ValueError("again")
"""
    )
    project.worker("--n_processes", "1")
    waiting = tasks.floored.generate()
    one, two, three = tasks.result_store.get(tasks.linear.generate(), timeout=WAIT_MS)
    assert two - one >= 200
    assert three - two >= 400
    tasks.status_tracker.wait_for(waiting, TaskStatus.RETRYING, timeout=WAIT_MS)
    again = tasks.broker.sync_from_backend(waiting)
    assert again.ready_at - again.updated_at == 60_000
    assert again.ready_at > time.time_ns() // 1_000_000
    assert again.exception_details["text"] == "again"
