"""The backend for Django's tasks: what enqueue() submits, and what get_result() tells of it."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from apscheduler.triggers.interval import IntervalTrigger
from django.utils import timezone

from alsek import Message
from alsek.django import alsek_task, broker
from alsek.django.framework import tasks_framework
from alsek.testing import TestWorker

framework = tasks_framework()


def test_a_task_succeeds(tasks: ModuleType, worker: TestWorker) -> None:
    """Once it has run, its result has value, times and worker."""
    result = tasks.add.enqueue(2, b=3)
    assert (result.status, result.args, result.kwargs, result.attempts) == ("READY", [2], {"b": 3}, 0)
    worker.run()
    result.refresh()
    assert (result.status, result.return_value, result.attempts) == ("SUCCESSFUL", 5, 1)
    assert result.errors == []
    times = [result.enqueued_at, result.started_at, result.last_attempted_at, result.finished_at]
    assert times == sorted(times)
    assert all(time.tzinfo is UTC for time in times)
    assert tasks.add.get_result(result.id) == result


def test_a_task_that_fails_is_not_run_again(tasks: ModuleType, worker: TestWorker) -> None:
    """Django's tasks have no retries; the error has class and traceback."""
    result = tasks.fail.enqueue("nowhere")
    worker.run()
    worker.advance(days=1)
    assert tasks.seen == ["nowhere"]
    result.refresh()
    assert (result.status, result.attempts, len(result.errors)) == ("FAILED", 1, 1)
    assert result.errors[0].exception_class is LookupError
    assert result.errors[0].traceback.endswith("LookupError: nowhere\n")
    assert result.started_at <= result.finished_at
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value


@pytest.mark.parametrize(("first_good", "status"), [(3, "SUCCESSFUL"), (9, "FAILED")])
def test_retries_are_those_of_the_options(
    tasks: ModuleType, worker: TestWorker, first_good: int, status: str
) -> None:
    """With max_retries=2 there are three attempts; each is counted, with its error and its worker."""
    result = tasks.fail_twice.enqueue(first_good)
    worker.run()
    between = tasks.fail_twice.get_result(result.id)
    assert (between.status, between.attempts, len(between.errors)) == ("READY", 1, 1)
    worker.advance(days=1)
    result.refresh()
    assert (result.status, result.attempts) == (status, 3)
    texts = [error.traceback.splitlines()[-1] for error in result.errors]
    expected = [f"ValueError: attempt {n}" for n in (1, 2, 3)]
    assert texts == (expected[:2] if status == "SUCCESSFUL" else expected)
    assert "unknown" not in result.worker_ids
    assert result.started_at <= result.last_attempted_at <= result.finished_at


def test_a_failure_of_which_nothing_else_is_kept(tasks: ModuleType, worker: TestWorker) -> None:
    """If the worker could keep nothing, the dead letter says class, traceback and number of attempts."""
    result = tasks.fail.enqueue("nowhere")
    worker.run()
    broker().backend.delete(f"django-attempts:{result.id}")
    result.refresh()
    assert (result.status, result.worker_ids) == ("FAILED", ["unknown"])
    assert result.errors[0].exception_class is LookupError
    revoked = tasks.add.enqueue(1)
    broker().revoke(revoked.id)
    worker.run()
    broker().backend.delete(f"django-attempts:{revoked.id}", missing_ok=True)
    revoked.refresh()
    assert revoked.status == "FAILED"
    assert revoked.errors[0].exception_class.__name__ == "MessageRevokedError"


def test_the_context_counts_attempts(tasks: ModuleType, worker: TestWorker) -> None:
    """A task with takes_context gets it before its arguments, and its result is the running one."""
    result = tasks.attempt.enqueue("it")
    worker.run()
    result.refresh()
    assert result.return_value == [1, result.id, "RUNNING", "it"]


def test_an_uncounted_retry_is_no_failed_attempt(tasks: ModuleType, worker: TestWorker) -> None:
    """A task that asks to be run again without counting that has one attempt, and no errors."""
    result = tasks.wait.enqueue()
    worker.run()
    worker.advance(minutes=1)
    result.refresh()
    assert (result.return_value, result.attempts, result.errors) == (1, 1, [])
    assert tasks.seen == [1, 1, 1]


def test_priorities_and_queues(tasks: ModuleType, worker: TestWorker) -> None:
    """The highest priority goes first; get_result() has the options of the call."""
    low = tasks.note.using(priority=-100).enqueue("low")
    usual = tasks.note.enqueue("usual")
    high = tasks.note.using(priority=100).enqueue("high")
    assert [low.task.priority, usual.task.priority, high.task.priority] == [-100, 5, 100]
    assert [message.priority for message in worker.submitted()] == [200, 95, 0]
    assert {message.queue for message in worker.submitted()} == {"other"}
    worker.run()
    assert tasks.seen == ["high", "usual", "low"]
    assert tasks.note.get_result(low.id).task == low.task


def test_run_after_delays(tasks: ModuleType, worker: TestWorker) -> None:
    """A task with run_after is not run before, and get_result() is what enqueue() returned; a past time is now."""
    later = tasks.note.using(run_after=timezone.now() + timedelta(hours=1)).enqueue("later")
    tasks.note.using(run_after=timezone.now() - timedelta(hours=1)).enqueue("now")
    worker.run()
    assert tasks.seen == ["now"]
    assert tasks.note.get_result(later.id) == later
    worker.advance(minutes=61)
    assert tasks.seen == ["now", "later"]
    assert tasks.note.get_result(later.id).task == later.task


def test_asynchronous_tasks_and_calls(tasks: ModuleType, worker: TestWorker) -> None:
    """aenqueue() and aget_result() do the same on a loop; an async def task runs there."""

    async def session() -> Any:
        result = await tasks.double.aenqueue(21)
        await worker.arun()
        await result.arefresh()
        assert (await tasks.double.aget_result(result.id)) == result
        return result.return_value

    assert asyncio.run(session()) == 42


@pytest.mark.parametrize("name", ["enqueue", "aenqueue"])
@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((datetime(2027, 1, 1, tzinfo=UTC),), {}, "Unsupported type"),
        (({1, 2},), {}, "Unsupported type"),
        ((1,), {"c": 2}, "unexpected keyword argument 'c'"),
        ((), {}, "missing a required argument: 'a'"),
    ],
)
def test_wrong_arguments_are_refused(
    tasks: ModuleType, worker: TestWorker, name: str, args: Any, kwargs: Any, text: str
) -> None:
    """What JSON can't say, and what the function does not take, raises TypeError; nothing is submitted."""

    def call() -> None:
        called = getattr(tasks.add, name)(*args, **kwargs)
        asyncio.run(called)

    with pytest.raises(TypeError, match=text):
        call()
    assert worker.submitted() == []


def test_a_parameter_named_message_is_one_like_any_other(tasks: ModuleType, worker: TestWorker) -> None:
    """Alsek's tasks are given their message there; Django's are not, and it must be given."""
    for call in (lambda: tasks.say.enqueue("Ada"), lambda: tasks.say.enqueue(message="hi")):
        with pytest.raises(TypeError, match="missing a required argument"):
            call()
    result = tasks.say.enqueue("Ada", message="hi")
    worker.run()
    result.refresh()
    assert result.return_value == "Ada: hi"


def test_what_json_cannot_say_fails_the_task(tasks: ModuleType, worker: TestWorker) -> None:
    """A result that JSON can't say is a failure, as Django has it."""
    result = tasks.wrong.enqueue()
    worker.run()
    result.refresh()
    assert result.status == "FAILED"
    assert result.errors[0].exception_class is TypeError


def test_tasks_that_cannot_run_are_refused(tasks: ModuleType) -> None:
    """validate_task() has Django's rules, and refuses a queue that Alsek can't name and a time too far away."""
    far = datetime(9999, 1, 1, tzinfo=UTC)
    for options, text in (
        ({"queue_name": "with space"}, "without white space"),
        ({"run_after": far}, "300 years"),
        ({"priority": 101}, "between -100 and 100"),
    ):
        with pytest.raises(framework.InvalidTask, match=text):
            tasks.add.using(**options)


def test_results_that_are_not_there(tasks: ModuleType, worker: TestWorker) -> None:
    """An unknown id, one that no message has, one of a message of Alsek's, and one of another task's."""
    plain = tasks.plain.send("it")
    for id_ in ("01a2", "not an id", plain.uuid):
        with pytest.raises(framework.TaskResultDoesNotExist):
            tasks.add.get_result(id_)
    other = tasks.note.enqueue("it")
    with pytest.raises(Exception, match="does not match"):
        tasks.add.get_result(other.id)


def test_a_store_cannot_have_modules_imported(tasks: ModuleType, worker: TestWorker) -> None:
    """A message that names another module as its task is of no task of Django's, and that module is not imported."""
    for name in ("this.s", "no_module_at_all.task", "plain"):
        message = Message(name)
        broker().submit(message)
        with pytest.raises(framework.TaskResultDoesNotExist, match="in no installed application"):
            tasks.add.get_result(message.uuid)
    assert "this" not in sys.modules


def test_signals(tasks: ModuleType, worker: TestWorker) -> None:
    """Each task tells of its submission, its start and its end; a failed one in an exception handler."""
    told: list[Any] = []

    def receive(signal: Any, sender: Any, task_result: Any, **_: Any) -> None:
        told.append((names[signal], sender.__name__, task_result.status.value, sys.exc_info()[0]))

    names = {
        getattr(framework.signals, name): name for name in ("task_enqueued", "task_started", "task_finished")
    }
    for signal in names:
        signal.connect(receive)
    try:
        tasks.add.enqueue(1)
        tasks.fail.enqueue("it")
        worker.run()
    finally:
        for signal in names:
            signal.disconnect(receive)
    assert sorted(told[:2]) == [("task_enqueued", "AlsekBackend", "READY", None)] * 2
    assert told[2:] == [
        ("task_started", "AlsekBackend", "RUNNING", None),
        ("task_finished", "AlsekBackend", "SUCCESSFUL", None),
        ("task_started", "AlsekBackend", "RUNNING", None),
        ("task_finished", "AlsekBackend", "FAILED", LookupError),
    ]


def test_messages_of_alsek_for_a_task_of_django(tasks: ModuleType, worker: TestWorker) -> None:
    """A group, a schedule, or `alsek submit` may call a task of Django's; its result is found by the uuid."""
    add = alsek_task(tasks.add)
    message = add.generate(args=(1,), kwargs={"b": 2})
    failing = alsek_task(tasks.fail).send("it")
    waiting = add.using(delay=60_000).send(1)
    assert tasks.add.get_result(waiting.uuid).status == "READY"
    worker.run()
    result = tasks.add.get_result(message.uuid)
    assert (result.status, result.return_value, result.backend, result.task) == (
        "SUCCESSFUL",
        3,
        "default",
        tasks.add,
    )
    failed = tasks.fail.get_result(failing.uuid)
    assert (failed.status, failed.backend) == ("FAILED", "default")
    add.schedule("each hour", IntervalTrigger(hours=1), args=(7,))
    worker.advance(hours=1)
    (tick,) = [each for each in worker.submitted(add) if each.args == (7,)]
    assert tasks.add.get_result(tick.uuid).return_value == 8
