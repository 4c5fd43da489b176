"""The options of pools, and how they are checked."""

from __future__ import annotations

import inspect
import sys
import threading
import types
from typing import Any

import click
import pytest
from apscheduler.triggers.interval import IntervalTrigger

from alsek.cli.commands.process_pool import process_pool
from alsek.cli.commands.thread_pool import thread_pool
from alsek.core.broker import Broker
from alsek.core.identifiers import check_queues
from alsek.core.task import task
from alsek.core.worker.group.options import WorkerGroupOptions
from alsek.core.worker.options import PoolOptions, by_name, check_numbers, default_processes
from alsek.core.worker.pool import WorkerPool
from alsek.core.worker.pool_settings import NUMBERS
from alsek.core.worker.preconditions import check_process
from alsek.core.worker.process import ProcessWorkerPool
from alsek.core.worker.thread import ThreadWorkerPool
from alsek.exceptions import NoTasksFoundError, TaskDefinitionError, ValidationError
from alsek.storage.backends.memory import MemoryBackend
from tests.unit.workers.fakes import options_for


def named(broker: Broker, name: str = "one", **further: Any) -> Any:
    """A task."""

    @task(broker, name=name, **further)
    def function() -> None: ...

    return function


def test_a_minimum_is_inclusive_and_names_the_argument() -> None:
    """The least value passes, and so does None; what is refused says which argument, and what it must be."""
    check_numbers(n_threads=1, max_memory=None)
    with pytest.raises(ValidationError, match=r"n_threads=0 of the pool: must be an integer >= 1"):
        check_numbers(n_threads=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_threads": 0},
        {"n_processes": 0},
        {"n_processes": True},
        {"n_threads": "8"},
        {"n_coroutines": 0},
        {"n_coroutines": 100_001},
        {"lease": float("inf")},
        {"shutdown_timeout": float("nan")},
        {"slot_wait_interval": 0.5},
        {"max_tasks_per_group": 0},
        {"max_memory": 0},
        {"slot_wait_interval": 0},
        {"lease": 299},
        {"shutdown_timeout": -1},
        {"max_losses": -1},
        {"queues": []},
        {"queues": ["a b"]},
    ],
    ids=str,
)
def test_a_pool_refuses_what_is_out_of_range(broker: Broker, wrong: dict[str, Any]) -> None:
    """Before anything is forked."""
    with pytest.raises(ValidationError):
        ThreadWorkerPool([named(broker)], **wrong)


def test_a_maximum_is_inclusive_and_names_the_argument() -> None:
    """More coroutines than that are refused."""
    check_numbers(n_coroutines=100_000)
    with pytest.raises(ValidationError, match=r"n_coroutines=100001 of the pool: must be at most 100000"):
        check_numbers(n_coroutines=100_001)


def async_task(broker: Broker, **further: Any) -> Any:
    """A task whose function is a coroutine function."""

    @task(broker, name="two", **further)
    async def function() -> None: ...

    return function


@pytest.mark.parametrize(
    ("mechanism", "thread_kind", "process_kind"),
    [
        (None, "thread-async", "process-async"),
        ("thread", "thread-async", "process"),
        # In a process pool a coroutine takes a process, as others do.
        ("process", "thread", "process"),
    ],
)
def test_a_pool_with_async_tasks_is_another_kind_of_worker(
    broker: Broker, mechanism: Any, thread_kind: str, process_kind: str
) -> None:
    """Only then it takes messages of such tasks; and only then a group of a thread pool has coroutines."""
    tasks = [named(broker), async_task(broker, mechanism=mechanism)]
    threads = ThreadWorkerPool(tasks, n_threads=3, n_coroutines=7)
    assert threads._options.worker("thread").kind == thread_kind
    assert threads._group.coroutines == (7 if thread_kind == "thread-async" else 0)
    assert threads._group.all_slots == 3 + threads._group.coroutines
    processes = ProcessWorkerPool(tasks, n_processes=3)
    assert processes._options.worker("process").kind == process_kind
    assert processes._group.all_slots == 3


def test_a_pool_without_async_tasks_is_as_ever(broker: Broker) -> None:
    """No loop, no coroutines, no further lanes."""
    pool = ThreadWorkerPool([named(broker)])
    assert pool._options.worker("thread").kind == "thread"
    assert (pool._group.coroutines, pool._group.max_claims) == (0, 8)


def test_a_group_for_suspects_has_one_slot(broker: Broker) -> None:
    """Of each kind, because a suspect may take up either; the store hands out one at a time."""
    options = WorkerGroupOptions(slots=1, coroutines=1, suspects_only=True)
    assert (options.all_slots, options.max_claims) == (1, 2)


def test_a_pool_takes_the_least_values(broker: Broker) -> None:
    """One thread, one process, a lease of 300 ms, no time to shut down, no loss."""
    pool = ThreadWorkerPool([named(broker)], 1, 1, ["q", "q"], 1, True, 300, 0, 0, 1, 1)
    assert (pool.n_threads, pool.n_processes) == (1, 1)


def test_tasks_are_found_by_their_names(broker: Broker) -> None:
    """The same task twice is one; two of one name are refused, and both are located."""
    one, two = named(broker), named(broker, "two")
    assert by_name([one, two, one, one.defer()]) == {"one": one, "two": two}
    with pytest.raises(TaskDefinitionError, match=r"two tasks are named 'one'.*test_options"):
        by_name([one, named(broker)])


def test_a_pool_needs_tasks(broker: Broker) -> None:
    """None at all, or none that threads may run, is an error that says what to do."""
    with pytest.raises(NoTasksFoundError):
        by_name([])
    with pytest.raises(NoTasksFoundError, match="process-pool"):
        ThreadWorkerPool([named(broker, mechanism="process")])


def test_one_pool_serves_one_store(broker: Broker) -> None:
    """Tasks whose brokers have different stores do not go together."""
    with pytest.raises(TaskDefinitionError, match="different stores"):
        by_name([named(broker), named(Broker(MemoryBackend()), "two")])


def test_queues_are_each_named_once_in_order() -> None:
    """A single text is one queue; None is all."""
    assert check_queues(["b", "a", "b"]) == ("b", "a")
    assert check_queues("abc") == ("abc",)
    assert check_queues(None) is None


def test_there_is_a_process_for_each_processor() -> None:
    """At least one."""
    assert default_processes() >= 1


def test_options_are_checked_wherever_they_are_made(broker: Broker) -> None:
    """Not by the pools alone."""
    with pytest.raises(ValidationError, match="lease"):
        PoolOptions(tasks={}, broker=broker, lease=1)


@pytest.fixture
def no_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that earlier tests have left are not there: a pool warns of them."""
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread()])


@pytest.mark.usefixtures("no_other_threads")
def test_a_store_of_this_process_alone_cannot_serve_a_pool(broker: Broker) -> None:
    """The memory backend is refused before anything is forked."""
    with pytest.raises(ValidationError, match="not shared between processes"):
        ThreadWorkerPool([named(broker)]).run()


def test_a_pool_runs_in_the_main_thread() -> None:
    """Elsewhere signals can't be handled: it is refused."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            check_process()
        except ValidationError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


def test_threads_that_run_already_are_named() -> None:
    """They do not survive the fork: a warning names them and the remedy."""
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="metrics")
    thread.start()
    try:
        with pytest.warns(RuntimeWarning, match=r"metrics.*on_worker_start"):
            check_process()
    finally:
        stop.set()
        thread.join()


@pytest.mark.usefixtures("no_other_threads")
@pytest.mark.parametrize(
    ("library", "module", "question"),
    [
        ("gevent", "gevent.monkey", "is_module_patched"),
        ("eventlet", "eventlet.patcher", "is_monkey_patched"),
    ],
)
def test_green_threads_are_refused(
    monkeypatch: pytest.MonkeyPatch, library: str, module: str, question: str
) -> None:
    """In a process that they have patched a pool would wait for ever: it says so instead. An import alone is fine."""
    stand_in = types.ModuleType(module)
    monkeypatch.setitem(sys.modules, module, stand_in)
    setattr(stand_in, question, lambda name: False)
    check_process()
    setattr(stand_in, question, lambda name: True)
    with pytest.raises(ValidationError, match=f"{library} has replaced"):
        check_process()


@pytest.mark.parametrize("tasks", ["tasks", 7, [max], ["add"]], ids=str)
def test_what_is_no_task_is_refused(tasks: Any) -> None:
    """What is no task is refused with what to do."""
    with pytest.raises(ValidationError, match=r"^tasks"):
        by_name(tasks)


@pytest.mark.parametrize("pool", [ThreadWorkerPool, ProcessWorkerPool])
def test_each_number_is_declared(pool: type[WorkerPool]) -> None:
    """Each argument that is a number has a declaration, with the default that the signature shows."""
    parameters = inspect.signature(pool).parameters.values()
    numbers = {each.name: each.default for each in parameters if str(each.annotation).startswith("int")}
    assert len(numbers) >= 7
    assert numbers == {name: NUMBERS[name].default for name in numbers}


@pytest.mark.parametrize(
    ("pool", "command"), [(ThreadWorkerPool, thread_pool), (ProcessWorkerPool, process_pool)]
)
def test_each_argument_of_a_pool_is_an_option_of_its_command(
    pool: type[WorkerPool], command: click.Command
) -> None:
    """All but the tasks and hooks, which the command finds; and the command has no others but those of all commands."""
    arguments = set(inspect.signature(pool).parameters) - {"tasks", "on_worker_start", "on_worker_stop"}
    assert {each.name for each in command.params} == arguments | {
        "package",
        "log_level",
        "log_format",
        "reload",
    }


def test_facts_tell_which_schedules_a_pool_fires_and_declares(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fires any if APScheduler is there, and declares those of all its tasks, also of those it can't run itself."""

    @task(broker, mechanism="process", schedule=IntervalTrigger(hours=1))
    def elsewhere() -> None: ...

    @task(broker)
    def plain() -> None: ...

    options = options_for(broker, elsewhere, plain)
    facts = options.facts("thread", 4)
    assert (facts.tasks, facts.fires, facts.schedules) == (("plain",), True, ("elsewhere",))
    monkeypatch.setattr("alsek.core.worker.options.can_fire", lambda: False)
    assert not options.facts("thread", 4).fires
