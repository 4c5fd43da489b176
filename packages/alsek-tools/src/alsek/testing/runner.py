"""Runs the messages of a test's stores, one by one, and moves the clock to what is due."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any, Final, TypeVar

from alsek.core.event_loops import is_in_loop
from alsek.exceptions import EventLoopError, ValidationError
from alsek.testing.lifecycle import Run
from alsek.testing.store import TestStore
from alsek.testing.virtual_clock import VirtualClock
from alsek.types import Ending

T = TypeVar("T")

#: So many attempts may run in one call: what submits itself without a delay would never end.
MOST_RUNS: Final = 10_000

_NEVER: Final = sys.maxsize


class Runner:
    """Runs messages when it is told to, in the caller's thread.

    Args:
        clock: The test's clock.
        stores: The stores; more may be added.

    Attributes:
        endings: How the last attempt of each message ended, by uuid.
        exceptions: What the last failed attempt of each message raised.
    """

    def __init__(self, clock: VirtualClock, stores: Collection[TestStore]) -> None:
        self._clock = clock
        self._stores = stores
        self.endings: dict[str, Ending] = {}
        self.exceptions: dict[str, BaseException] = {}

    def run(self, most: int) -> int:
        """Run everything that is ready: :meth:`TestWorker.run`."""
        if is_in_loop():
            raise EventLoopError(
                "run() in the thread of a running event loop, which would stand still: await arun()"
            )
        ran = 0
        while (ran_now := self._run_one()) is not None:
            ran += ran_now
            _check(ran, most)
        return ran

    async def arun(self, most: int) -> int:
        """Run everything that is ready, on the loop of this thread: :meth:`TestWorker.arun`."""
        ran = 0
        while (ran_now := await self._arun_one()) is not None:
            ran += ran_now
            _check(ran, most)
        return ran

    def advance(self, span: timedelta) -> int:
        """Move the clock on, and run what is due meanwhile: :meth:`TestWorker.advance`."""
        end = self._end(span)
        ran = self.run(MOST_RUNS)
        while self._move_to_due(end):
            ran += self.run(MOST_RUNS)
        self._clock.move_to(end)
        return ran + self.run(MOST_RUNS)

    async def aadvance(self, span: timedelta) -> int:
        """As :meth:`advance`, by :meth:`arun`."""
        end = self._end(span)
        ran = await self.arun(MOST_RUNS)
        while self._move_to_due(end):
            ran += await self.arun(MOST_RUNS)
        self._clock.move_to(end)
        return ran + await self.arun(MOST_RUNS)

    def _end(self, span: timedelta) -> int:
        if span < timedelta():
            raise ValidationError(f"advance({span}): time goes on, so it must not be negative")
        return self._clock() + span // timedelta(milliseconds=1)

    def redeliver(self, uuid: str) -> None:
        """Run a message, drop the report, and run it again: :meth:`TestWorker.redeliver`."""
        found = self._run_until(uuid)
        if found is None:
            raise ValidationError(
                f"message {uuid!r} can't be redelivered: it is not ready. It may have run already, or be delayed: call "
                "advance() first"
            )
        store, run = found
        store.lose(run.claimed)
        self.run(MOST_RUNS)

    def _run_until(self, uuid: str) -> tuple[TestStore, Run] | None:
        """Run what is ready until it is the turn of this message, and return how that ended, which nobody is told."""
        for store in self._stores:
            while (claimed := store.claim()) is not None:
                run = self._here(store.lifecycle.run, claimed)
                if claimed.uuid == uuid:
                    return store, run
                self._finish(store, run)
        return None

    def _run_one(self) -> int | None:
        """Run the next message of some store; None if none is ready."""
        for store in self._stores:
            if (claimed := store.claim()) is not None:
                self._finish(store, store.lifecycle.run(claimed))
                return 1
        return None

    async def _arun_one(self) -> int | None:
        for store in self._stores:
            if (claimed := store.claim()) is not None:
                run = await store.lifecycle.arun(claimed)
                await asyncio.to_thread(self._finish, store, run)
                return 1
        return None

    def _finish(self, store: TestStore, run: Run) -> None:
        uuid = run.claimed.uuid
        if run.exception is not None:
            self.exceptions[uuid] = run.exception
        if store.settle(run):
            self.endings[uuid] = run.ending
            run.send_notices()
        if isinstance(run.exception, KeyboardInterrupt):
            raise run.exception  # the user has pressed Ctrl-C

    def _here(self, function: Callable[..., T], *args: Any) -> T:
        """Call a function that may run coroutines; in the thread of a running loop, in another thread meanwhile."""
        if not is_in_loop():
            return function(*args)
        answers: list[T] = []
        errors: list[BaseException] = []

        def call() -> None:
            try:
                answers.append(function(*args))
            except BaseException as error:  # noqa: BLE001  raised below
                errors.append(error)

        thread = threading.Thread(target=call, name="alsek-test-worker")
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return answers[0]

    # What stand-ins ask for: see alsek.testing.stand_in.Runs

    def deadline(self, timeout: int | None) -> int:
        """Return the time on the test's clock that is `timeout` ms from now; one that never comes for None."""
        return _NEVER if timeout is None else self._clock() + timeout

    def run_ready(self, until: int | None = None) -> bool:
        """Run what is ready. If nothing is, and something is due until then, move the clock there, and run that."""
        if self._here(self.run, MOST_RUNS):
            return True
        if until is None or not self._move_to_due(until):
            return False
        self._here(self.run, MOST_RUNS)
        return True

    async def arun_ready(self, until: int | None = None) -> bool:
        """As :meth:`run_ready`, by :meth:`arun`."""
        if await self.arun(MOST_RUNS):
            return True
        if until is None or not self._move_to_due(until):
            return False
        await self.arun(MOST_RUNS)
        return True

    def _move_to_due(self, until: int) -> bool:
        """Move the clock to when the next message is due, and return True, if that is not later than `until`."""
        due = min((store.due for store in self._stores if store.due is not None), default=None)
        if due is None or due > until:
            return False
        self._clock.move_to(max(due, self._clock() + 1))  # each call gets on
        return True


def _check(ran: int, most: int) -> None:
    if ran > most:
        raise ValidationError(
            f"more than {most:,} attempts ran, and messages are still ready: does a task submit itself, or retry "
            "without a delay? If there is an end, say run(most=…)"
        )
