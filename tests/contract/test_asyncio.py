"""The methods for event loops do what those without an a before their names do, on every store."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest

from alsek import Broker, Lock, MemoryBackend, Message, Middleware, ResultStore, StatusTracker, Task, task
from alsek.core.status import TaskStatus
from alsek.exceptions import (
    BackendError,
    LockAlreadyHeldError,
    MessageAlreadyExistsError,
    MessageDoesNotExistsError,
    TaskFailedError,
    ValidationError,
)
from alsek.storage.backends.abstract import Backend
from alsek.tools import ResultPool
from tests.contract.cancelling import cancel_everywhere
from tests.contract.stores import Store

#: What has no asynchronous twin, since it asks no store.
_WITHOUT = {
    Broker: {"without_middleware"},
    ResultStore: {"is_atomic_with", "serve", "wire_ttl"},
    StatusTracker: {"is_atomic_with"},
    Lock: set(),
    ResultPool: set(),
    Task: {
        *(
            "cancel_defer",
            "check_arguments",
            "defer",
            "do_callback",
            "do_retry",
            "op",
            "post_op",
            "pre_op",
            "using",
        ),
        *("on_failure", "on_retry", "on_revocation", "on_submit", "on_success", "wants_message", "build"),
    },
}


def run(main: Awaitable[Any]) -> Any:
    """Run a coroutine in an event loop that reports what is done wrong there."""

    async def bounded() -> Any:
        return await asyncio.wait_for(main, 60)

    return asyncio.run(bounded(), debug=True)


@pytest.fixture
def results(backend: Backend) -> ResultStore:
    """A result store on the store."""
    return ResultStore(backend)


@pytest.fixture
def tracker(backend: Backend) -> StatusTracker:
    """A status tracker on the store."""
    return StatusTracker(backend)


@pytest.fixture
def add(broker: Broker, results: ResultStore, tracker: StatusTracker) -> Task[[int, int], int]:
    """A task."""

    @task(broker, result_store=results, status_tracker=tracker)
    def add(a: int, b: int) -> int:
        return a + b

    return add


@pytest.mark.stores("memory")
@pytest.mark.parametrize("kind", _WITHOUT, ids=lambda kind: kind.__name__)
def test_each_method_has_a_twin_with_the_same_parameters(kind: Any, backend: Backend) -> None:
    """Each public method that asks the store is there a second time, with an a, and the same parameters."""
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if name.startswith("_") or name in _WITHOUT[kind] or hasattr(kind, name[1:]) or name == "await_for":
            continue
        twin = getattr(kind, f"a{name}")
        assert list(inspect.signature(twin).parameters.values()) == list(
            inspect.signature(method).parameters.values()
        ), name


def test_a_message_goes_through(
    broker: Broker, results: ResultStore, tracker: StatusTracker, add: Task[[int, int], int]
) -> None:
    """A message that is submitted, found, revoked, failed, replayed and removed stands where it should."""

    async def main() -> None:
        message = await add.agenerate(args=(1, 2), delay=60_000)
        assert await broker.aexists(message)
        assert await tracker.aget(message) is TaskStatus.SUBMITTED
        assert (await broker.async_from_backend(message.uuid)).args == (1, 2)
        assert not await add.ais_revoked(message)
        await broker.aretry(message.uuid)
        assert message.retries == 0
        await broker.afail(message, ValueError("no"))
        assert await broker.ain_dlq(message.uuid)
        assert [dead.uuid async for dead in broker.adead_letters(message.queue)] == [message.uuid]
        with pytest.raises(TaskFailedError, match="ValueError: no"):
            await results.aget(message, timeout=60_000)
        await broker.areplay(message.uuid)
        assert await add.arevoke(message)
        assert await broker.ais_revoked(message)
        await broker.aremove(message)
        assert not await broker.aexists(message)
        with pytest.raises(MessageDoesNotExistsError):
            await broker.aretry(message)

    run(main())


def test_many_are_submitted_at_once(broker: Broker, add: Task[[int, int], int]) -> None:
    """All calls are submitted in order; a message whose uuid exists is told of; a wrong one refuses a list."""

    async def main() -> None:
        made = await add.agenerate_many((n, n) for n in range(450))
        assert [message.args[0] for message in made] == list(range(450))
        assert await broker.asubmit_many([made[0], Message("add", uuid="new")]) == [made[0]]
        with pytest.raises(MessageAlreadyExistsError):
            await broker.asubmit(made[1])
        with pytest.raises(ValidationError, match=r"call 1 of add\.generate_many.*Nothing was submitted"):
            await add.agenerate_many([(1, 2), (1,)])
        assert await broker.backend.loop_driver().ask(broker.backend.messages.count, add.queue) == 451

    run(main())


def test_much_work_leaves_turns_to_others(results: ResultStore, add: Task[[int, int], int]) -> None:
    """Other coroutines go on while many messages are made, and while many results that are there are read."""

    async def main() -> None:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        going_on = asyncio.create_task(others())
        made = await add.agenerate_many([(n, n) for n in range(400)], submit=False)
        assert turns >= 5
        for message in made:
            results.set(message, 1)
        turns = 0
        assert len([pair async for pair in ResultPool(results).aistream(*made, timeout=60_000)]) == 400
        assert turns >= 5
        going_on.cancel()

    run(main())


def test_a_result_arrives(results: ResultStore, add: Task[[int, int], int]) -> None:
    """Whoever waits gets the result as soon as it is written, and not later than the timeout."""

    async def main() -> None:
        first, second = await add.agenerate(args=(1, 2)), await add.asend(3, 4)
        waiting = asyncio.create_task(results.aget(first, timeout=60_000))
        await asyncio.sleep(0.05)
        assert not await results.aexists(first)
        await results.aset(first, 3)
        assert await waiting == 3
        assert not await results.aexists(first)
        assert await results.afailure(second) is None
        with pytest.raises(KeyError):
            await results.aget(second)
        with pytest.raises(TimeoutError, match="after 20 ms"):
            await add.aresult(second, timeout=20)
        await results.aset(second, 7)
        assert await add.aresult(second.uuid, keep=True) == 7
        assert await results.adelete(second) == 1

    run(main())


def test_results_come_as_they_are_written(
    store: Store, results: ResultStore, add: Task[[int, int], int]
) -> None:
    """A pool yields what was given, in the order of the results or of the messages; left early, it cleans up."""

    async def main() -> None:
        made = await add.agenerate_many((n, n) for n in range(4))
        for n in (2, 0, 1):
            await results.aset(made[n], n)
            store.advance(1)
        pool = ResultPool(results)
        seen = []
        async with aclosing(
            pool.aistream(*[message.uuid for message in made], timeout=60_000, keep=True)
        ) as stream:
            async for uuid, result in stream:
                seen.append((uuid, result))
                if len(seen) == 3:
                    break
        assert seen == [(made[n].uuid, n) for n in (2, 0, 1)]
        await results.aset(made[3], 3)
        assert [pair async for pair in pool.astream(*made, timeout=60_000)] == [
            (message, n) for n, message in enumerate(made)
        ]
        assert not await results.aexists(made[0])

    run(main())


def test_statuses_are_listened_to(tracker: StatusTracker) -> None:
    """Each change arrives, up to the final one; a wait for a status ends with it."""

    async def main() -> None:
        message = Message("add")

        async def listen() -> list[tuple[TaskStatus, Any]]:
            return [
                (update.status, update.details) async for update in tracker.alisten(message, timeout=60_000)
            ]

        listening = asyncio.create_task(listen())
        waiting = asyncio.create_task(tracker.await_for(message, TaskStatus.SUCCEEDED, timeout=60_000))
        await asyncio.sleep(0.1)
        await tracker.aset(message, TaskStatus.SUBMITTED)
        await tracker.aset(message, TaskStatus.RUNNING, {"progress": 0.5})
        assert await tracker.aget_details(message) == {"progress": 0.5}
        await tracker.aset(message, TaskStatus.SUCCEEDED)
        assert await waiting is TaskStatus.SUCCEEDED
        heard = await listening
        assert heard[-1] == (TaskStatus.SUCCEEDED, None)
        assert {status for status, _ in heard} <= {
            TaskStatus.SUBMITTED,
            TaskStatus.RUNNING,
            TaskStatus.SUCCEEDED,
        }
        with pytest.raises(TimeoutError, match="has ended as SUCCEEDED"):
            await tracker.await_for(message, TaskStatus.RUNNING, timeout=1_000)
        assert await tracker.aexists(message)
        await tracker.adelete(message)
        assert await tracker.aget(message) is TaskStatus.UNKNOWN

    run(main())


def test_a_lock_belongs_to_the_asyncio_task(backend: Backend) -> None:
    """Of two tasks of one thread one has it, and the other waits until it is released by leaving `async with`."""

    async def main() -> None:
        order: list[str] = []
        held = asyncio.Event()

        async def first() -> None:
            async with Lock("report", backend=backend) as lock:
                assert await lock.aacquire()
                assert await lock.aheld()
                assert lock.fence is not None
                with pytest.raises(LockAlreadyHeldError):
                    await lock.aacquire()
                assert await lock.aextend(50_000)
                held.set()
                await asyncio.sleep(0.05)
                order.append("first")

        async def second() -> None:
            await held.wait()
            async with Lock("report", backend=backend) as lock:
                assert not await lock.aacquire()
                assert not await lock.aheld()
                assert await lock.aacquire(wait=30_000)
                order.append("second")
                assert await lock.arelease()
                assert not await lock.arelease()

        await asyncio.gather(first(), second())
        assert order == ["first", "second"]
        assert await Lock("report", backend=backend).aholder() is None

    run(main())


def test_a_cancelled_release_is_made_up_for(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it was carried out or not, the lock is free once `async with` was left."""

    async def main() -> None:
        async def give_up(*_: Any) -> None:
            raise asyncio.CancelledError

        async with Lock("report", backend=backend) as lock:
            assert await lock.aacquire()
            with monkeypatch.context() as patch:
                patch.setattr(type(backend.loop_driver()), "ask", give_up)
                with pytest.raises(asyncio.CancelledError):
                    await lock.arelease()
        assert await lock.aholder() is None

    run(main())


def test_a_store_that_fails_hides_no_cancellation(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is cancelled while a lock is acquired ends as cancelled, even if `strict=False` lets errors pass."""

    async def main() -> None:
        asked, fail = asyncio.Event(), asyncio.Event()
        ask = type(backend.loop_driver()).ask

        async def failing(driver: Any, operation: Any, *args: Any) -> Any:
            if operation != backend.locks.acquire:
                return await ask(driver, operation, *args)
            asked.set()
            await fail.wait()
            raise BackendError("down")

        monkeypatch.setattr(type(backend.loop_driver()), "ask", failing)
        acquiring = asyncio.create_task(Lock("report", backend=backend).aacquire(strict=False))
        await asked.wait()
        acquiring.cancel()
        asyncio.get_running_loop().call_later(0.01, fail.set)
        with pytest.raises(asyncio.CancelledError):
            await acquiring

    run(main())


@pytest.mark.stores("memory", "sqlite", "redis")
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("what", ["submit", "get", "wait", "acquire", "acquire later", "listen", "stream"])
def test_it_may_be_cancelled_anywhere(
    what: str, times: int, backend: Backend, broker: Broker, results: ResultStore, add: Task[[int, int], int]
) -> None:
    """Cancelled at any suspension, also several times, a call leaves nothing half done, and the next call works."""

    async def main() -> None:
        tracker = StatusTracker(backend)
        uuids: list[str] = []
        lock, other = Lock("l", backend=backend), Lock("l", backend=backend, owner_id="other")

        async def submit() -> None:
            uuids.append(f"m{len(uuids)}")
            await add.agenerate(args=(1, 2), uuid=uuids[-1])

        async def check_submitted(cancelled: bool) -> None:
            await asyncio.sleep(0.01)  # a thread may still be at it
            if await broker.aexists(uuids[-1]):
                assert (await broker.async_from_backend(uuids[-1])).args == (1, 2)
            else:
                assert cancelled

        async def get() -> None:
            await results.aset(Message("add", uuid="a"), 1)
            assert await results.aget("a", timeout=60_000, keep=True) == 1

        async def wait() -> None:
            with pytest.raises(TimeoutError):
                await results.aget("none", timeout=30)

        async def acquire() -> None:
            async with lock:
                assert await lock.aacquire()

        async def acquire_later() -> None:
            if await lock.aholder() != "other":
                await other.aacquire(strict=False)
            asyncio.get_running_loop().call_later(0.02, other.release)
            async with lock:
                assert await lock.aacquire(wait=10_000)

        async def check_lock(cancelled: bool) -> None:
            assert await lock.aholder() in (None, "other")
            assert lock._acquired == {}

        async def listen() -> None:
            assert [update async for update in tracker.alisten("none", timeout=20)] == []

        async def stream() -> None:
            with pytest.raises(TimeoutError):
                assert [pair async for pair in ResultPool(results).aistream("x", "y", timeout=20)] == []

        async def check_nothing(cancelled: bool) -> None:
            await results.aset(Message("add", uuid="b"), 2)
            assert await results.aget("b", timeout=60_000) == 2

        calls: dict[str, tuple[Callable[[], Coroutine[Any, Any, None]], Callable[[bool], Any]]] = {
            "submit": (submit, check_submitted),
            "get": (get, check_nothing),
            "wait": (wait, check_nothing),
            "acquire": (acquire, check_lock),
            "acquire later": (acquire_later, check_lock),
            "listen": (listen, check_nothing),
            "stream": (stream, check_nothing),
        }
        await cancel_everywhere(*calls[what], times=times)

    run(main())


def test_a_store_elsewhere_has_its_own_driver(backend: Backend) -> None:
    """Results and statuses on another backend than the messages are asked for there."""
    elsewhere = MemoryBackend()
    results, tracker = ResultStore(elsewhere), StatusTracker(elsewhere)

    @task(Broker(backend), result_store=results, status_tracker=tracker)
    def one() -> int:
        return 1

    async def main() -> None:
        message = await one.agenerate()
        assert await tracker.aget(message) is TaskStatus.SUBMITTED
        waiting = asyncio.create_task(one.aresult(message, timeout=60_000))
        await asyncio.sleep(0)
        await results.aset(message, 1)
        assert await waiting == 1

    run(main())


def test_what_users_write_is_awaited(backend: Backend) -> None:
    """Hooks, middleware and trackers of the user may be coroutine functions or not, for both kinds of callers."""
    calls: list[str] = []

    class Noting(Middleware):
        async def submitting(self, message: Message) -> None:
            await asyncio.sleep(0)
            calls.append("submitting")

    class Elsewhere(StatusTracker):
        def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
            calls.append(f"{status.name} in {threading.current_thread() is threading.main_thread()}")

    class Hooked(Task[..., Any]):
        async def on_submit(self, message: Message) -> None:
            await asyncio.sleep(0)
            calls.append("on_submit")

    broker = Broker(backend, middleware=[Noting()])
    hooked: Any = task(broker, status_tracker=Elsewhere(backend), base_task=Hooked)(lambda: None)
    run(hooked.agenerate())
    assert calls == ["submitting", "SUBMITTED in False", "on_submit"]
    calls.clear()
    hooked.generate()
    assert calls == ["submitting", "SUBMITTED in True", "on_submit"]
    calls.clear()
    run(hooked.agenerate_many([(), ()]))
    run(broker.asubmit_many([Message("x")]))
    assert calls == ["submitting"] * 2 + ["SUBMITTED in False", "on_submit"] * 2 + ["submitting"]


@pytest.mark.stores("memory", "sqlite", "redis")
def test_several_loops_and_what_they_leave(results: ResultStore, add: Task[[int, int], int]) -> None:
    """Loops in two threads at once, and one after the other, work; one that is closed with waiters harms none."""

    async def use(number: int) -> None:
        for _ in range(5):
            message = await add.agenerate(args=(number, 1))
            await results.aset(message, number)
            assert await results.aget(message, timeout=60_000) == number

    async def leave_waiters() -> None:
        waiting = [asyncio.create_task(results.aget(f"none{n}", timeout=60_000)) for n in range(3)]
        await asyncio.sleep(0.05)
        del waiting

    threads = [threading.Thread(target=run, args=(use(number),)) for number in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
        assert not each.is_alive()
    run(leave_waiters())
    loop = asyncio.new_event_loop()
    left = loop.create_task(results.aget("none", timeout=60_000))
    loop.run_until_complete(asyncio.sleep(0.05))
    left.cancel()
    loop.run_until_complete(asyncio.wait([left]))
    loop.close()  # without shutdown_asyncgens
    run(use(3))


@pytest.mark.stores("sqlite", "redis")
def test_a_forked_child_has_its_own(results: ResultStore, add: Task[[int, int], int]) -> None:
    """A child that is forked while a loop runs uses a loop of its own, and the parent's goes on."""

    async def use() -> None:
        message = await add.agenerate(args=(1, 1))
        await results.aset(message, 2)
        assert await results.aget(message, timeout=60_000) == 2

    async def main() -> None:
        waiting = asyncio.create_task(results.aget("later", timeout=60_000))
        await use()
        child = os.fork()
        if not child:
            code = 1
            try:
                asyncio.events._set_running_loop(None)
                asyncio.run(use())
                code = 0
            finally:
                os._exit(code)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        await use()
        await results.aset(Message("add", uuid="later"), 5)
        assert await waiting == 5

    run(main())
