"""What the user's code forks ends as any program does, and never comes back into the pool's code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.execution import forks
from alsek.core.execution.attempts import attempt
from alsek.core.execution.conclusions import conclude
from alsek.core.execution.notices import send_status
from alsek.core.hooks import on_worker_start, run_hooks
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.task import Task, task
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.result import ResultStore
from tests.unit.core.fakes import claim, held


def _exits(code: Any) -> Callable[[], None]:
    def exits() -> None:
        sys.exit(code)

    return exits


def _raises() -> None:
    raise ValueError("the child's work failed")


ENDINGS = [
    (lambda: None, 0, ""),
    (_exits(None), 0, ""),
    (_exits(3), 3, ""),
    (_exits(-1), 255, ""),
    (_exits("no more"), 1, "no more"),
    (_raises, 1, "ValueError: the child's work failed"),
]


def forked(end: Callable[[], None]) -> int:
    """Fork, and let the child end by `end`, which returns from here in the child; the child's status."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    forks.forked = True  # as a pool's fork handler does
    end()
    return -1


@pytest.mark.parametrize(("end", "status", "said"), ENDINGS)
@pytest.mark.parametrize(
    "place", ["pre_op", "op", "post_op", "do_callback", "do_retry", "on_success", "on_retry"]
)
def test_a_fork_ends_wherever_it_returns_to(
    broker: Broker,
    capfd: pytest.CaptureFixture[str],
    place: str,
    end: Callable[[], None],
    status: int,
    said: str,
) -> None:
    """From the function or from a hook: with the status that it has earned, before any hook that follows."""
    statuses: list[int] = []
    read, write = os.pipe()

    def here(name: str) -> None:
        os.write(write, f"{name} ".encode())
        if name == place:
            statuses.append(forked(end))

    class Forks(Task[Any, Any]):
        def pre_op(self, message: Message) -> None:
            here("pre_op")

        def op(self, message: Message) -> Any:
            here("op")
            if place in ("do_retry", "on_retry"):
                raise KeyError

        def post_op(self, message: Message, result: Any) -> None:
            here("post_op")

        def do_callback(self, message: Message, result: Any) -> bool:
            here("do_callback")
            return False

        def do_retry(self, message: Message, exception: BaseException) -> bool:
            here("do_retry")
            return True

        def on_success(self, message: Message, result: Any) -> None:
            here("on_success")

        def on_retry(self, message: Message, exception: BaseException) -> None:
            here("on_retry")

    made = task(broker, base_task=Forks)(lambda: None)
    made.generate(callback=made.generate(submit=False))
    delivery = held(claim(broker))
    conclude(made, delivery, attempt(made, delivery))
    assert statuses == [status]
    assert said in capfd.readouterr().err
    os.close(write)
    with os.fdopen(read) as pipe:
        called = pipe.read().split()
    assert len(called) == len(set(called)), called


@pytest.mark.parametrize("what", ["tracker", "store", "start hook"])
def test_a_fork_of_other_code_of_the_users_ends_too(broker: Broker, what: str) -> None:
    """A tracker, a result store, a start hook: none of their children goes on."""
    statuses: list[int] = []

    class Tells(StatusTracker):
        def set(self, message: Message, status: TaskStatus, details: Any = None) -> None:
            if status is TaskStatus.RUNNING:
                statuses.append(forked(_exits(4)))

    class Keeps(ResultStore):
        def set(self, message: Message, result: Any) -> None:
            statuses.append(forked(_exits(4)))

    if what == "start hook":
        run_hooks([on_worker_start(lambda: statuses.append(forked(_exits(4))))], "start")
    else:
        made = task(broker, status_tracker=Tells(MemoryBackend()), result_store=Keeps(MemoryBackend()))(
            lambda: None
        )
        made.generate()
        delivery = held(claim(broker))
        if what == "tracker":
            send_status(made, delivery, TaskStatus.RUNNING)
        else:
            conclude(made, delivery, attempt(made, delivery))
    assert statuses == [4]


def test_a_stream_that_is_gone_does_not_keep_it(capfd: pytest.CaptureFixture[str]) -> None:
    """Closed, or None, as it is where there is none: the status is the same."""
    for gone in (None, open(os.devnull, "w")):  # noqa: SIM115, PTH123
        if gone is not None:
            gone.close()
        pid = os.fork()
        if pid == 0:
            sys.stdout = sys.stderr = gone  # type: ignore[assignment]
            forks.leave(SystemExit(5))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5
