"""Tasks that are submitted again and again."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.groups.group import Group
from alsek.core.message import Message
from alsek.core.middleware import Middleware
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import Task, TriggerTask, task
from alsek.core.trigger import ticks
from alsek.exceptions import ArgumentsError, BackendUnavailableError, SchedulingError
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.result import ResultStore
from tests.unit.core.fakes import PATIENCE

pytest.importorskip("apscheduler")
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger


def often() -> IntervalTrigger:
    """Fires every other millisecond."""
    return IntervalTrigger(seconds=0.002)


class Submitted:
    """What a task has submitted, as it happens."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._arrived = threading.Semaphore(0)

    def note(self, message: Message) -> None:
        """One more."""
        self.messages.append(message)
        self._arrived.release()

    def wait(self, number: int) -> list[Message]:
        """The next so many."""
        for _ in range(number):
            assert self._arrived.acquire(timeout=PATIENCE), "no tick"
        return self.messages


@pytest.fixture
def submitted() -> Submitted:
    """An empty list."""
    return Submitted()


@pytest.fixture
def base(submitted: Submitted) -> type[Task[..., Any]]:
    """A task that notes what it submits."""

    class Noting(Task[..., Any]):
        """Notes."""

        def on_submit(self, message: Message) -> None:
            submitted.note(message)

    return Noting


@pytest.fixture
def made(broker: Broker, base: type[Task[..., Any]]) -> Iterator[Any]:
    """Makes trigger tasks, and ends their threads."""
    tasks: list[TriggerTask[Any]] = []

    def make(trigger: Any, **options: Any) -> TriggerTask[Any]:
        decorated = task(broker, trigger=trigger, base_task=base, **options)(lambda: 99)
        tasks.append(decorated)
        return decorated

    yield make
    for each in tasks:
        each.shutdown()


def test_the_tours_trigger(broker: Broker) -> None:
    """The result is a TriggerTask, which is still a function."""

    @task(broker, trigger=IntervalTrigger(hours=1))
    def check_system_usage() -> int:
        return 99

    assert type(check_system_usage) is TriggerTask
    assert check_system_usage() == 99
    message = check_system_usage.generate()
    assert check_system_usage.generated
    assert not broker.exists(message)
    check_system_usage.pause()
    check_system_usage.resume()
    check_system_usage.clear()
    assert not check_system_usage.generated
    check_system_usage.shutdown()


def test_the_first_tick_submits_the_message_returned(made: Any, broker: Broker, submitted: Submitted) -> None:
    """Those that follow are new messages with it as their progenitor."""
    decorated = made(often())
    first = decorated.generate(priority=3, metadata={"m": 1}, result_ttl=5, ttl=6)
    messages = submitted.wait(3)[:3]
    assert messages[0] is first
    assert first.progenitor_uuid is None
    assert len({message.uuid for message in messages}) == 3
    for follower in messages[1:]:
        assert follower.progenitor_uuid == first.uuid
        assert (follower.priority, follower.metadata, follower.result_ttl, follower.ttl) == (
            3,
            {"m": 1},
            5,
            6,
        )
    assert all(broker.exists(message) for message in messages)


def test_results_of_all_ticks(
    made: Any, broker: Broker, backend: MemoryBackend, submitted: Submitted
) -> None:
    """With the first message in hand, one has the results of all that follow."""
    results = ResultStore(backend)
    decorated = made(often(), result_store=results)
    first = decorated.generate()
    messages = submitted.wait(3)
    decorated.clear()
    for number, message in enumerate(messages[:3]):
        results.set(message, number)
        broker.remove(message)
    assert results.get(first, timeout=0, descendants=True) == [0, 1, 2]


def test_each_tick_has_callbacks_of_its_own(made: Any, broker: Broker) -> None:
    """Of equal content and new uuids: with the first one's a store would skip them."""
    plain = task(broker)(lambda: None)
    first = plain.generate(
        submit=False, callback=(plain.generate(submit=False, priority=4), plain.generate(submit=False))
    )
    messages = list(islice(ticks(first), 4))
    uuids = [uuid for message in messages for uuid in (message.uuid, *(message.descendant_uuids or ()))]
    assert len(uuids) == len(set(uuids)) == 12
    for message in messages:
        assert message.callback_message_data is not None
        assert message.callback_message_data["priority"] == 4
        assert message.callback_message_data["task_name"] == plain.name


def test_each_tick_has_groups_and_failure_callbacks_of_its_own(broker: Broker) -> None:
    """A store keeps one group of an id, and one message of a uuid: each tick's have new ones."""
    plain = task(broker)(lambda: None)
    group = Group([plain.defer().generate(), plain.defer().generate()], callback=plain.defer().generate())
    first = plain.generate(submit=False, callback=group, failure_callback=plain.defer().generate(), delay=5)
    _, second, third = islice(ticks(first), 3)
    found = [first.branches, second.branches, third.branches]
    assert [message.delay for message in (second, third)] == [5, 5]
    names = [
        name
        for each in found
        for name in (
            each["group"]["id"],
            each["group"]["callback"]["uuid"],
            *(member["uuid"] for member in each["group"]["members"]),
            each["failure"]["uuid"],
        )
    ]
    assert len(set(names)) == len(names) == 15


def test_generating_twice(made: Any, submitted: Submitted) -> None:
    """It is an error until the task is cleared; then there is a new first message."""
    decorated = made(IntervalTrigger(hours=1))
    first = decorated.generate()
    with pytest.raises(SchedulingError, match="scheduled already"):
        decorated.generate()
    decorated.clear()
    assert decorated.generate().uuid != first.uuid
    decorated.shutdown()
    assert not decorated.generated
    decorated.generate()
    assert decorated.generated


def test_parameters_are_not_permitted(broker: Broker) -> None:
    """A function with parameters can't have a trigger; one that only wants the message can. No arguments either."""
    trigger = IntervalTrigger(hours=1)
    with pytest.raises(SchedulingError, match="number"):
        task(broker, trigger=trigger)(lambda number: number)  # type: ignore[arg-type, misc]

    @task(broker, trigger=trigger)
    def fine(message: Message | None = None) -> None:
        pass

    for arguments in ({"args": (1,)}, {"kwargs": {"a": 1}}):
        with pytest.raises(SchedulingError, match="no arguments"):
            fine.generate(**arguments)
    with pytest.raises(SchedulingError):
        fine.generate((1,))
    assert not fine.generated


def test_steering_what_is_not_scheduled(broker: Broker) -> None:
    """Pausing and resuming need a schedule; clearing and shutting down don't mind."""
    decorated = task(broker, trigger=IntervalTrigger(hours=1))(lambda: None)
    for method in (decorated.pause, decorated.resume):
        with pytest.raises(SchedulingError, match="generate"):
            method()
    decorated.clear()
    decorated.shutdown()
    decorated.shutdown()


def test_a_paused_task_does_not_tick(made: Any, submitted: Submitted) -> None:
    """Paused, nothing is submitted, though the trigger would fire; resumed, it goes on; cleared, it ends."""
    decorated = made(IntervalTrigger(seconds=0.01))
    first = decorated.generate()
    assert submitted.wait(1)[0] is first
    decorated.pause()
    with decorated._schedule._one_at_a_time:  # no tick is under way
        count = len(submitted.messages)
    beside = made(often(), name="beside")
    beside.generate()
    while not any(message.task_name == "beside" for message in submitted.messages):
        submitted.wait(1)
    assert sum(message.task_name != "beside" for message in submitted.messages) <= count + 1
    assert decorated.generated
    decorated.resume()
    while len(submitted.messages) < count + 4:
        submitted.wait(1)
    decorated.clear()
    assert not decorated.generated


def test_deferred_and_unsubmitted_triggers_are_not_scheduled(made: Any) -> None:
    """`defer()` and `submit=False` give a message and no schedule."""
    decorated = made(IntervalTrigger(hours=1))
    assert decorated.defer().generate().task_name == decorated.name
    assert not decorated.generated
    decorated.generate(submit=False)
    assert not decorated.generated
    decorated.generate()
    assert decorated.generated


def test_a_trigger_that_has_ended_may_be_generated_again(made: Any, submitted: Submitted) -> None:
    """A date comes once; after it the task is not scheduled any more."""
    decorated = made(DateTrigger())
    decorated.generate()
    submitted.wait(1)
    while decorated.generated:
        threading.Event().wait(0.001)
    decorated.generate()
    submitted.wait(1)
    assert submitted.messages[1].progenitor_uuid is None


def test_statuses_of_ticks(made: Any, backend: MemoryBackend, submitted: Submitted) -> None:
    """Each tick's message is tracked."""
    tracker = StatusTracker(backend)
    made(often(), status_tracker=tracker).generate()
    assert [tracker.get(message) for message in submitted.wait(2)[:2]] == [TaskStatus.SUBMITTED] * 2


def test_an_outage_at_a_tick_does_not_end_the_schedule(
    made: Any, broker: Broker, submitted: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tick's message is submitted by the next tick: the first is still the one that was returned."""
    failures = iter([True, True])
    submit = Broker.submit

    def flaky(self: Broker, message: Message, ttl: int | None = None) -> None:
        if next(failures, False):
            raise BackendUnavailableError("away")
        submit(self, message, ttl)

    monkeypatch.setattr(Broker, "submit", flaky)
    first = made(often()).generate()
    messages = submitted.wait(2)
    assert messages[0] is first
    assert messages[1].progenitor_uuid == first.uuid


def test_importing_a_module_with_triggers_fires_nothing(tmp_path: Path) -> None:
    """Defining such tasks starts no thread and submits nothing: that takes generate()."""
    (tmp_path / "triggered.py").write_text(
        "from alsek import Broker, task\n"
        "from alsek.storage.backends.memory import MemoryBackend\n"
        "from apscheduler.triggers.interval import IntervalTrigger\n"
        "broker = Broker(MemoryBackend())\n"
        "@task(broker, trigger=IntervalTrigger(seconds=0.001))\n"
        "def often() -> int:\n    return 1\n"
    )
    check = (
        "import sys, threading, time; sys.path.insert(0, sys.argv[1]); import triggered; time.sleep(0.02)\n"
        "assert not triggered.often.generated\n"
        "assert threading.active_count() == 1\n"
        "assert triggered.broker.backend.messages.queues() == []\n"
    )
    subprocess.run([sys.executable, "-c", check, str(tmp_path)], check=True, timeout=60)


#: The parent schedules, and forks; both tell of what they see. Each waits for ticks of its own.
FORKING = """
import os, threading
from apscheduler.triggers.interval import IntervalTrigger
from alsek import Broker, Task, task
from alsek.storage.backends.memory import MemoryBackend

ticked = threading.Semaphore(0)

class Telling(Task):
    def on_submit(self, message):
        ticked.release()

@task(Broker(MemoryBackend()), trigger=IntervalTrigger(seconds=0.01), base_task=Telling)
def tick(): ...

def ticks(count):
    return all(ticked.acquire(timeout=60) for _ in range(count))

tick.generate()
assert ticks(1)
child = os.fork()
if child == 0:
    try:
        ticked = threading.Semaphore(0)
        assert not tick.generated
        tick.clear(), tick.shutdown()  # nothing of the child's own: the parent's goes on
        tick.generate()
        assert tick.generated and ticks(3)
        tick.shutdown()
        assert not tick.generated
        os._exit(0)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
while ticked.acquire(blocking=False): ...
assert tick.generated and ticks(3)
tick.shutdown()
"""


def test_a_schedule_belongs_to_the_process_that_started_it() -> None:
    """In a forked child nothing is scheduled, and it may start a schedule of its own; the parent's goes on."""
    subprocess.run([sys.executable, "-c", FORKING], check=True, timeout=60)


def test_a_trigger_needs_a_function_that_can_be_called_at_each_tick(broker: Broker) -> None:
    """A parameter `message` that is not for the message would be missing at each tick: generate() refuses."""
    decorated: Any = task(broker, trigger=IntervalTrigger(hours=1))(lambda message: None)
    assert decorated.generate().args == ()
    decorated.shutdown()

    def wants_text(message: str) -> None: ...

    refused: Any = task(broker, trigger=IntervalTrigger(hours=1))(wants_text)  # type: ignore[arg-type]
    with pytest.raises(ArgumentsError, match="'message' is missing"):
        refused.generate()
    assert not refused.generated


def test_a_lost_reply_costs_no_tick(
    made: Any, broker: Broker, submitted: Submitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the store took, though its reply was lost, is no work for the next tick: that submits the next message."""
    lost = iter([True])
    submit = Broker.submit

    def flaky(self: Broker, message: Message, ttl: int | None = None) -> None:
        submit(self, message, ttl)
        if next(lost, False):
            submitted.note(message)
            raise BackendUnavailableError("the reply was lost")

    monkeypatch.setattr(Broker, "submit", flaky)
    first = made(often()).generate()
    messages = submitted.wait(3)
    assert messages[0] is first
    assert len({message.uuid for message in messages[:3]}) == 3
    assert messages[1].progenitor_uuid == first.uuid


def test_a_tick_inherits_nothing_of_what_happened_to_the_first(broker: Broker) -> None:
    """Each tick begins without retries and without an error."""
    first = Message(
        "t", retries=2, retry_delay=7, exception_details={"name": "E", "text": "e", "traceback": None}
    )
    second = list(islice(ticks(first), 2))[1]
    assert (second.retries, second.retry_delay, second.exception_details) == (0, None, None)


def test_a_tick_that_middleware_refuses_is_left_out(
    backend: MemoryBackend, base: type[Task[..., Any]], submitted: Submitted
) -> None:
    """It is called for each tick: one that it refuses is not submitted, and the next one is."""

    class EverySecond(Middleware):
        """Refuses every other submission."""

        seen = 0

        def submitting(self, message: Message) -> None:
            self.seen += 1
            message.metadata = {"tick": self.seen}
            if self.seen % 2:
                raise ValueError("not this one")

    broker = Broker(backend, middleware=[EverySecond()])
    made = task(broker, trigger=often(), base_task=base)(lambda: None)
    made.generate()
    ticks = [message.metadata["tick"] for message in submitted.wait(3)]
    made.shutdown()
    assert ticks[:3] == [2, 4, 6]
