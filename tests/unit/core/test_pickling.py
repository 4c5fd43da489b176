"""What becomes of tasks, brokers and messages that are copied, or sent to another process."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.claim import Claim
from alsek.core.concurrency import Lock
from alsek.core.message import Message
from alsek.core.status import StatusTracker
from alsek.core.task import Task, task
from alsek.exceptions import AlsekError, ArgumentsError, SerializationError, TaskFailedError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import Claimed
from alsek.storage.result import ResultStore

here = Broker(MemoryBackend())


@task(here)
def findable(to: str) -> None:
    """At the top level of its module."""


renamed = task(here, name="another")(lambda: None)


class Holder:
    """A task may be inside a class."""

    @staticmethod
    def _function() -> None: ...

    inside = task(here)(_function)


def again(value: Any) -> Any:
    """As another process has it."""
    return pickle.loads(pickle.dumps(value))


def test_a_task_is_pickled_by_its_name() -> None:
    """Like a function: who reads it gets the task of that name in its module."""
    assert again(findable) is findable
    assert again(renamed) is renamed
    assert again(findable.generate).__self__ is findable
    assert len(pickle.dumps(findable)) < 100
    deferred = again(findable.defer())
    assert deferred == findable
    assert deferred.deferred
    assert not again(findable.defer().cancel_defer()).deferred


def test_a_task_that_can_not_be_found_is_not_pickled(broker: Broker) -> None:
    """The error says where it would be looked for."""

    @task(broker, name="local")
    def local() -> None: ...

    shadow = task(broker)(findable.function)
    for lost, name in [
        (local, "local"),
        (shadow, "findable"),
        (task(broker)(len), "len"),
        (Holder.inside, "_function"),
    ]:
        with pytest.raises(
            SerializationError, match=f"task '{name}' can't be pickled: another process would look"
        ):
            pickle.dumps(lost)


def test_a_copy_of_a_task_is_the_task(broker: Broker) -> None:
    """Like a function, also in a deep copy of what holds it."""
    local = task(broker)(lambda: None)
    assert copy.copy(local) is local
    assert copy.deepcopy({"tasks": [local]})["tasks"][0] is local


def test_a_copy_of_a_broker_is_on_the_same_store(broker: Broker, backend: MemoryBackend) -> None:
    """Copies of brokers, stores of results and trackers share the backend, which is copied as itself."""
    assert copy.copy(backend) is copy.deepcopy(backend) is backend
    for holder in (broker, ResultStore(backend), StatusTracker(backend), Lock("l", backend)):
        copied = copy.deepcopy(holder)
        assert copied is not holder
        assert copied.backend is backend


def test_a_store_in_memory_is_not_pickled(broker: Broker) -> None:
    """The error says why, and what to do; also for what is on such a store."""
    for value in (broker.backend, broker, ResultStore(broker.backend)):
        with pytest.raises(SerializationError, match=r"can't be pickled: .* Use SQLite or Redis"):
            pickle.dumps(value)


def test_a_message_is_copied_as_its_data() -> None:
    """An equal message that shares nothing with the first, and holds no claim."""
    message = Message("t", args=([1],), kwargs={"a": {}}, metadata={"m": [2]}, priority=3)
    message.claim = Claim(None, Claimed("u", "q", b"as it came", 7))  # type: ignore[arg-type]
    for copied in (again(message), copy.deepcopy(message), copy.copy(message)):
        assert copied == message
        assert copied.claim is None
    assert copy.deepcopy(message).args[0] is not message.args[0]


def test_a_copy_of_a_lock_has_acquired_nothing(backend: MemoryBackend) -> None:
    """Leaving the `with` of the copy does not release what the first has acquired."""
    lock = Lock("l", backend)
    assert lock.acquire()
    with copy.copy(lock) as copied:
        assert copied.fence is None
    assert lock.held
    assert lock.fence is not None


def test_errors_come_back_from_another_process() -> None:
    """Each with its text, and the details of a failure."""
    failed = again(TaskFailedError("text", {"name": "n"}))
    assert (str(failed), failed.details) == ("text", {"name": "n"})
    for kind in (AlsekError, ArgumentsError, SerializationError):
        assert (type(again(kind("text"))), str(again(kind("text")))) == (kind, "text")


def test_a_base_class_may_say_how_it_is_pickled() -> None:
    """A subclass of Task is found like any other."""
    assert isinstance(again(custom), Custom)


class Custom(Task[..., Any]):
    """With a base of its own."""


custom = task(here, base_task=Custom)(lambda: None)
