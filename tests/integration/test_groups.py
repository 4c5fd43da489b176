"""Groups on real pools: with threads, processes and coroutines."""

from __future__ import annotations

import asyncio

import pytest

from alsek import Group, GroupFailedError, GroupProgress, TaskFailedError
from tests.integration.conftest import Project
from tests.waiting import eventually

each_pool = pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])

TASKS = """
@task(broker, result_store=result_store, status_tracker=status_tracker)
def square(n: int) -> int:
    return n * n

@task(broker, result_store=result_store)
def total(message: Message) -> int:
    return sum(message.previous_result)

@task(broker, result_store=result_store)
async def atotal(message: Message) -> int:
    return sum(message.previous_result)

@task(broker, result_store=result_store)
async def cube(n: int) -> int:
    return n ** 3

@task(broker, result_store=result_store)
def add(n: int, message: Message) -> int:
    return n + message.previous_result

@task(broker, result_store=result_store, max_retries=0)
def broken(n: int) -> int:
    raise ValueError(f"no {n}")

@task(broker, result_store=result_store)
def told(message: Message) -> list:
    failures = [[each.number, each.uuid, each.details["text"]] for each in message.group_failures]
    return [message.previous_result, failures]

@task(broker, result_store=result_store)
def log_it(message: Message) -> dict:
    return dict(message.previous_failure)

@task(broker, max_retries=0)
def dies() -> None:
    os._exit(1)

@task(broker)
def waits() -> None:
    for _ in range(1_200):
        time.sleep(0.05)
"""


@pytest.mark.each_store
@each_pool
def test_a_group_on_a_pool(project: Project, pool: str) -> None:
    """As the tour has it; and coroutines among the members, and as the callback."""
    tasks = project.write(TASKS)
    project.worker("--n_processes", "2", pool=pool)
    group = Group(
        tasks.square.defer().generate_many((n,) for n in range(10)), callback=tasks.total.defer().generate()
    )
    group.submit()
    assert tasks.result_store.get(group, timeout=60_000) == [n * n for n in range(10)]
    assert tasks.result_store.get(group.callback, timeout=60_000) == 285
    assert group.progress() == GroupProgress(total=10, succeeded=10, failed=0, revoked=0, pending=0)
    mixed = Group(
        [tasks.cube.defer().generate((2,)), tasks.square.defer().generate((2,))],
        callback=tasks.atotal.defer().generate(),
    )
    mixed.submit()
    assert tasks.result_store.get(mixed.callback, timeout=60_000) == 12


@each_pool
def test_groups_in_chains_and_in_groups(project: Project, pool: str) -> None:
    """A group is the callback of a message, and a member of another group; a member has callbacks."""
    tasks = project.write(TASKS)
    project.worker("--n_processes", "2", pool=pool)
    inner = Group(
        [tasks.add.defer().generate((n,)) for n in range(30)], callback=tasks.total.defer().generate()
    )
    member = tasks.square.defer().generate((3,), callback=(tasks.add.defer().generate((1,)), inner))
    plain = Group([tasks.square.defer().generate((n,)) for n in (1, 2)])
    outer = Group([member, plain], callback=tasks.told.defer().generate())
    outer.submit()
    first = sum(10 + n for n in range(30))
    assert tasks.result_store.get(outer, timeout=60_000) == [first, [1, 4]]
    assert tasks.result_store.get(outer.callback, timeout=60_000) == [[first, [1, 4]], []]


@each_pool
def test_failures_of_members(project: Project, pool: str) -> None:
    """A group that stops fails, with all who wait; one that continues tells its callback."""
    tasks = project.write(TASKS)
    project.worker("--n_processes", "1", pool=pool)
    stops = Group([tasks.broken.defer().generate((1,))], callback=tasks.total.defer().generate())
    stops.submit()
    with pytest.raises(GroupFailedError, match=r"member 0 .*ValueError: no 1"):
        tasks.result_store.get(stops, timeout=60_000)
    with pytest.raises(TaskFailedError, match="no 1"):
        tasks.result_store.get(stops.callback, timeout=60_000)
    goes_on = Group(
        [tasks.broken.defer().generate((1,)), tasks.square.defer().generate((3,))],
        callback=tasks.told.defer().generate(),
        on_failure="continue",
    )
    goes_on.submit()
    assert tasks.result_store.get(goes_on, timeout=60_000) == [None, 9]
    failures = [[0, goes_on.members[0].uuid, "no 1"]]
    assert tasks.result_store.get(goes_on.callback, timeout=60_000) == [[None, 9], failures]


@each_pool
def test_failure_callbacks(project: Project, pool: str) -> None:
    """A task that raises, one whose process dies, and one that nobody has: each has its failure callback."""
    tasks = project.write(TASKS)
    project.worker("--n_processes", "1", "--max_losses", "0", pool=pool)
    expected = {"broken": "ValueError", "dies": "WorkerLostError", "unheard_of": "UnknownTaskError"}
    for name, error in expected.items():
        callback = tasks.log_it.defer().generate()
        if name == "broken":
            message = tasks.broken.generate((1,), failure_callback=callback)
        else:
            message = tasks.dies.generate(failure_callback=callback, submit=False)
            message.task_name = name
            tasks.broker.submit(message)
        failure = tasks.result_store.get(callback, timeout=60_000)
        assert failure["name"].endswith(error)
        assert (failure["uuid"], failure["task"]) == (message.uuid, name)


@each_pool
def test_who_waits_for_a_callback_learns_of_a_failure_before_it(project: Project, pool: str) -> None:
    """At once, and named, however far behind it is; also if he asks only afterwards."""
    tasks = project.write(TASKS)
    callbacks = tuple(tasks.add.defer().generate((n,)) for n in range(40))
    message = tasks.broken.defer().generate((1,), callback=callbacks)

    async def waits() -> None:
        waiting = [
            asyncio.ensure_future(tasks.result_store.aget(callbacks[at], timeout=60_000)) for at in (0, 39)
        ]
        await asyncio.sleep(0.2)
        tasks.broker.submit(message)
        for each in waiting:
            with pytest.raises(TaskFailedError, match=f"(?s){message.uuid}.*no 1"):
                await each

    project.worker("--n_processes", "1", pool=pool)
    asyncio.run(waits())
    with pytest.raises(TaskFailedError, match=message.uuid):
        tasks.result_store.get(callbacks[20], timeout=60_000)
    tasks.broker.replay(message)
    eventually(lambda: tasks.broker.in_dlq(message), 60, lambda: "it has not failed again")


@pytest.mark.each_store
@each_pool
def test_a_revoked_group_stops_what_runs(project: Project, pool: str) -> None:
    """A member that runs is stopped with the next renewal of its lease, and none that waits is run."""
    tasks = project.write(TASKS)
    project.worker("--n_processes", "1", "--lease", "4500", pool=pool)
    group = Group(tasks.waits.defer().generate_many(() for _ in range(20)))
    asyncio.run(group.asubmit())
    eventually(
        lambda: tasks.broker.backend.messages.tallies(["alsek_queue"])[0].claimed > 0,
        60,
        lambda: "none was claimed",
    )
    assert group.revoke()
    eventually(lambda: group.progress().pending == 0, 60, lambda: str(group.progress()))
    assert group.progress() == GroupProgress(20, 0, 0, 20, 0)
    with pytest.raises(GroupFailedError, match="was revoked"):
        tasks.result_store.get(group, timeout=60_000)
