"""What callers are answered by real pools: long chains, and results in a serializer of their own."""

from __future__ import annotations

import pytest

from alsek.exceptions import TaskFailedError
from alsek.tools import ResultPool
from tests.integration.conftest import Project

each_pool = pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])

STEP = """
@task(broker, result_store=result_store, max_retries=0)
def step(message: Message) -> int:
    return (message.previous_result or 0) + 1
"""


@each_pool
def test_a_long_chain_runs_to_its_end(project: Project, pool: str) -> None:
    """Twelve hundred callbacks, which no serializer could take nested, run one after the other, and none twice."""
    tasks = project.write(STEP)
    chain = tuple(tasks.step.generate(submit=False) for _ in range(1_200))
    project.worker(
        "--n_processes", "1", *(("--tasks_per_process", "100") if pool == "process-pool" else ()), pool=pool
    )
    first = tasks.step.generate(callback=chain)
    assert tasks.result_store.get(chain[-1], timeout=120_000) == 1_201
    assert tasks.result_store.get(first) == 1
    assert tasks.broker.backend.messages.queues() == []


PICKLED = """
import pickle
from alsek.storage.serialization import Serializer

class Pickle(Serializer):
    def forward(self, obj):
        return pickle.dumps(obj)

    def reverse(self, obj):
        return pickle.loads(obj)

def like(backend):
    twin = backend.within(5_000)
    twin.serializer = Pickle()
    return twin

pickled = ResultStore(like(backend))

@task(broker, result_store=pickled, max_retries=0)
def number() -> int:
    return 5

@task(broker, result_store=pickled, max_retries=0)
def an_imaginary() -> complex:
    return 5j

@task(broker, result_store=pickled, max_retries=0)
def double(message: Message) -> int:
    return 2 * message.previous_result
"""


@pytest.mark.each_store
@each_pool
def test_a_result_is_written_with_its_own_stores_serializer(project: Project, pool: str) -> None:
    """Another serializer than the broker's, in the broker's namespace. A `previous_result` takes the broker's."""
    tasks = project.write(PICKLED)
    project.worker("--n_processes", "1", pool=pool)
    assert tasks.pickled.backend.same_store(tasks.broker.backend)
    assert tasks.pickled.get(tasks.number.generate(), timeout=60_000) == 5
    assert tasks.pickled.get(tasks.an_imaginary.generate(), timeout=60_000) == 5j
    last = tasks.double.generate(submit=False)
    first = tasks.number.generate(callback=last)
    assert tasks.pickled.get(last, timeout=60_000) == 10
    assert tasks.pickled.get(first) == 5
    with pytest.raises(TaskFailedError, match=r"previous_result = 5j.*JsonSerializer"):
        tasks.pickled.get(
            tasks.an_imaginary.generate(callback=tasks.double.generate(submit=False)), timeout=60_000
        )


ENDS = """
from alsek.core.task import Task

class OnlyIfLong(Task):
    def do_callback(self, message, result):
        return result > 10

@task(broker, result_store=result_store, base_task=OnlyIfLong)
def count(text: str) -> int:
    return len(text)

@task(broker, result_store=result_store)
def double(message: Message) -> int:
    return 2 * message.previous_result

@task(broker, result_store=result_store, max_retries=0)
def fail() -> None:
    raise ValueError("no")
"""


@pytest.mark.each_store
def test_descendants_are_waited_for_and_no_longer(project: Project) -> None:
    """`get` and `ResultPool` agree: all results of a chain that goes on, those that are there of one that does not."""
    tasks = project.write(ENDS)
    project.worker("--n_processes", "1")
    results, pool = tasks.result_store, ResultPool(tasks.result_store)
    texts = {"short": [5], "long enough": [11, 22, 44]}
    for text, expected in texts.items():
        first, second = (
            tasks.count.generate(
                args=(text,),
                callback=(tasks.double.generate(submit=False), tasks.double.generate(submit=False)),
            )
            for _ in range(2)
        )
        assert results.get(first, timeout=60_000, descendants=True) == expected
        assert [found for _, found in pool.istream(second, descendants=True, timeout=60_000)] == [expected]
    failing = tasks.count.generate(
        args=("long enough",),
        callback=(tasks.fail.generate(submit=False), tasks.double.generate(submit=False)),
    )
    with pytest.raises(TaskFailedError, match="ValueError: no"):
        results.get(failing, timeout=60_000, descendants=True)
    with pytest.raises(TaskFailedError, match="ValueError: no"):
        list(pool.stream(failing, descendants=True, timeout=60_000))
