"""Messages that are submitted when the transaction commits."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction

from alsek import ValidationError
from alsek.core.broker import Broker
from alsek.core.submission import transactions
from alsek.core.task import Task
from alsek.exceptions import ArgumentsError, BackendUnavailableError, SchedulingError
from alsek.storage.backends.memory import MemoryBackend
from alsek.testing import TestWorker


class Rollback(Exception):
    """Ends a transaction."""


def test_it_waits_for_the_commit(tasks: ModuleType, worker: TestWorker) -> None:
    """Within the transaction nothing is in the store, but the uuid is known; after the commit it is there."""
    with transaction.atomic():
        message = tasks.plain.generate(args=("it",), on_commit=True)
        assert worker.submitted() == []
        assert not message.submitted
    assert worker.submitted() == [message]
    assert message.submitted


def test_a_rollback_submits_nothing(tasks: ModuleType, worker: TestWorker) -> None:
    """Neither does a block within that rolls back to its savepoint, while the outer one commits."""
    with pytest.raises(Rollback), transaction.atomic():
        tasks.plain.generate(args=("never",), on_commit=True)
        raise Rollback
    assert worker.submitted() == []
    with transaction.atomic():
        outer = tasks.plain.generate(args=("outer",), on_commit=True)
        with pytest.raises(Rollback), transaction.atomic():
            tasks.plain.generate(args=("inner",), on_commit=True)
            raise Rollback
        with transaction.atomic():
            released = tasks.plain.generate(args=("released",), on_commit=True)
        assert worker.submitted() == []
    assert worker.submitted() == [outer, released]


def test_without_a_transaction_it_is_submitted_at_once(tasks: ModuleType, worker: TestWorker) -> None:
    """As generate() without it, with all options, also by using()."""
    message = tasks.plain.using(on_commit=True, delay=5_000, ttl=60_000).send("it")
    assert worker.submitted() == [message]
    assert (message.delay, message.ttl) == (5_000, 60_000)


def test_the_database_can_be_named(tasks: ModuleType, worker: TestWorker) -> None:
    """on_commit="archive" waits for the transaction of that database, whatever that of the default one does."""
    with transaction.atomic(using="archive"):
        with transaction.atomic():
            tasks.plain.generate(args=("it",), on_commit="archive")
        assert worker.submitted() == []
    assert len(worker.submitted()) == 1
    with pytest.raises(ValidationError, match="has no database of this name; it has default, archive"):
        tasks.plain.generate(args=("it",), on_commit="nowhere")


def test_what_is_wrong_is_refused_within_the_transaction(tasks: ModuleType, worker: TestWorker) -> None:
    """Arguments, options and values are checked and packed at once: later nobody could correct them."""
    with transaction.atomic():
        for options, error, text in (
            ({"args": ()}, ArgumentsError, "is missing"),
            ({"args": (object(),)}, TypeError, "plain"),
            ({"args": ("it",), "on_commit": 1}, ValidationError, "must be True, False or the name"),
            ({"args": ("it",), "submit": False}, ValidationError, "say not to submit at all"),
            ({"args": ("it",), "tll": 5}, ArgumentsError, "does not take 'tll'"),
        ):
            with pytest.raises(error, match=text):
                tasks.plain.generate(**{"on_commit": True, **options})
        argument = ["as it was"]
        tasks.plain.generate(kwargs={"name": argument}, on_commit=True)
        argument[0] = "changed"
    (message,) = worker.submitted()
    assert message.kwargs == {"name": ["as it was"]}


def test_many_messages(tasks: ModuleType, worker: TestWorker) -> None:
    """generate_many() returns all of them; after the commit `existing` has those whose uuid was taken."""
    from alsek import Call

    taken = tasks.plain.generate(args=("first",))
    with transaction.atomic():
        made = tasks.plain.generate_many(
            (call for call in [("a",), Call(("b",), uuid=taken.uuid), ("c",)]), on_commit=True
        )
        assert (len(made), made.existing, len(worker.submitted())) == (3, [], 1)
    assert [message.args for message in made] == [("a",), ("c",)]
    assert [message.args for message in made.existing] == [("b",)]
    assert [message.args for message in worker.submitted()] == [("first",), ("a",), ("c",)]


def test_a_duplicate_is_known_after_the_commit(tasks: ModuleType, worker: TestWorker) -> None:
    """A message whose unique key is held then gets the uuid of its holder."""
    with transaction.atomic():
        second = tasks.only_one.generate(args=("it",), on_commit=True)
        first = tasks.only_one.generate(args=("it",))
        assert not second.duplicate
    assert second.duplicate
    assert second.uuid == first.uuid
    assert worker.submitted() == [first]


def test_callbacks_travel_with_it(tasks: ModuleType, worker: TestWorker) -> None:
    """A callback follows a message that was submitted at the commit."""
    with transaction.atomic():
        after = tasks.plain.defer().generate(args=("after",))
        tasks.plain.generate(args=("before",), callback=after, on_commit=True)
    worker.run()
    assert tasks.seen == ["before", "after"]


def test_coroutines_use_the_transaction_that_they_serve(tasks: ModuleType, worker: TestWorker) -> None:
    """agenerate() and agenerate_many() in async_to_sync() wait for the transaction around that."""

    async def submit() -> None:
        await tasks.plain.agenerate(args=("one",), on_commit=True)
        await tasks.plain.agenerate_many([("two",), ("three",)], on_commit=True)

    with transaction.atomic():
        async_to_sync(submit)()
        assert worker.submitted() == []
    assert [message.args for message in worker.submitted()] == [("one",), ("two",), ("three",)]
    with pytest.raises(Rollback), transaction.atomic():
        async_to_sync(submit)()
        raise Rollback
    assert len(worker.submitted()) == 3


def test_a_store_that_fails_is_heard_of_where_the_transaction_ends(
    tasks: ModuleType, worker: TestWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exception is raised by the end of `atomic`; the message may be submitted again."""

    def unreachable(*_: Any) -> Any:
        raise BackendUnavailableError("gone")

    with monkeypatch.context() as patch, pytest.raises(BackendUnavailableError), transaction.atomic():
        message = tasks.plain.generate(args=("it",), on_commit=True)
        patch.setattr(Broker, "submit_packed", unreachable)
    assert worker.submitted() == []
    tasks.plain.broker.submit(message)
    assert worker.submitted() == [message]


def test_the_backend_can_wait_for_the_commit(tasks: ModuleType, worker: TestWorker) -> None:
    """With on_commit in the OPTIONS, enqueue() and aenqueue() of Django's tasks do; task_enqueued comes then."""
    from alsek.django.framework import tasks_framework

    told: list[Any] = []

    def receive(task_result: Any, **_: Any) -> None:
        told.append(task_result.id)

    signal = tasks_framework().signals.task_enqueued
    signal.connect(receive)
    try:
        with transaction.atomic():
            result = tasks.careful.enqueue("one")
            other = async_to_sync(tasks.careful.aenqueue)("two")
            assert (told, worker.submitted()) == ([], [])
        assert told == [result.id, other.id]
        with pytest.raises(Rollback), transaction.atomic():
            tasks.careful.enqueue("never")
            raise Rollback
    finally:
        signal.disconnect(receive)
    worker.run()
    result.refresh()
    assert (result.return_value, tasks.seen) == ("one", ["one", "two"])


def test_ticks_do_not_wait(tasks: ModuleType) -> None:
    """A task with a trigger refuses it."""
    from apscheduler.triggers.interval import IntervalTrigger

    from alsek import task

    ticking = task(Broker(MemoryBackend()), trigger=IntervalTrigger(hours=1))(lambda: None)
    with pytest.raises(SchedulingError, match="for messages, not for ticks"):
        ticking.generate(on_commit=True)


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """on_commit= without alsek-django names it."""
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ())
    transactions._installed.cache_clear()
    try:
        with pytest.raises(ValidationError, match="pip install alsek-django"):
            Task(lambda: None, Broker(MemoryBackend()), name="it").generate(on_commit=True)
    finally:
        transactions._installed.cache_clear()


def test_without_settings_a_sentence_says_what_to_set() -> None:
    """on_commit= where Django is not set up names DJANGO_SETTINGS_MODULE."""
    program = (
        "from alsek import Broker, MemoryBackend, task\n"
        "it = task(Broker(MemoryBackend()))(lambda: None)\n"
        "it.generate(on_commit=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert "on_commit=: Django is not set up here: set DJANGO_SETTINGS_MODULE" in done.stderr
