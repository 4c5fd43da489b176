"""The test build of the backends: a port that dies, or loses a reply, at one point of one step.

A fault is written ``operation:moment:effect``:

* operations: ``add``, ``register``, ``claim`` (a step that asks for messages), ``finish`` (a step with outcomes),
  ``renew``, ``retire``, ``push`` (a message that is pushed to a sleeping worker arrives; ``lose`` loses it silently);
* moments: ``before`` the store has heard of it, ``after`` it was carried out and before its caller knows, and on SQLite
  ``inside-N``: before the N-th statement of its transaction, or ``inside-end``: before its COMMIT;
* effects: ``kill`` (SIGKILL to the process itself), ``lose`` (the connection is lost: ``BackendUnavailableError``).

``read-only`` is another kind: while a file of this name is in the scenario's folder, SQLite refuses every write.

Each other one fires once in a scenario, in whichever process comes first, and leaves a file that says so. Only
``play.py`` and the producer of the chaos suite import this: the packages know nothing of it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.kinds import SlotKind
from alsek.storage.backends.ports import MessagePort, Waiter
from alsek.storage.backends.records import (
    Added,
    HistoryCounts,
    Outcome,
    Pushed,
    Running,
    Step,
    Submission,
    Worker,
    WorkerFacts,
)

T = TypeVar("T")

#: Each process lets so many pass before it falls into a trap, so that faults hit work under way.
_PASSES = {"claim": 1, "finish": 1}


def marker(folder: str | Path, fault: str) -> Path:
    """The file that exists once this fault has fired."""
    return Path(folder) / f"fired-{fault.replace(':', '-')}"


def trapped(backend: Backend, faults: Sequence[str], folder: str) -> Backend:
    """The same backend, with these faults in its message port."""
    if not faults:
        return backend
    trap = _Trap(backend.messages, faults, folder)
    database = getattr(backend, "_database", None)
    if database is not None:
        database.write = trap.watch(database.write)
    kind = type(backend)
    backend.__class__ = type(f"Trapped{kind.__name__}", (kind,), {"messages": property(lambda _: trap)})
    return backend


class _Trap:
    """A message port with faults; all that has none is the port's own."""

    def __init__(self, port: MessagePort, faults: Sequence[str], folder: str) -> None:
        self._port = port
        self._faults = [(*fault.split(":"),) for fault in faults if ":" in fault]
        self._read_only = Path(folder) / "read-only" if "read-only" in faults else None
        self._folder = folder
        self._passed: dict[tuple[str, ...], int] = {}
        self._local = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def add(self, submissions: Sequence[Submission], request: str) -> list[Added]:
        return self._around(["add"], lambda: self._port.add(submissions, request))

    def register(self, worker: Worker, facts: WorkerFacts | None = None) -> None:
        self._around(["register"], lambda: self._port.register(worker, facts))

    def step(
        self,
        worker: Worker,
        seq: int,
        outcomes: Sequence[Outcome],
        limits: Mapping[SlotKind, int],
        history: Sequence[HistoryCounts] = (),
        *,
        sleeps: bool = False,
        received: int | None = None,
    ) -> Step:
        operations = (["finish"] if outcomes else []) + (["claim"] if any(limits.values()) else [])
        return self._around(
            operations,
            lambda: self._port.step(worker, seq, outcomes, limits, history, sleeps=sleeps, received=received),
        )

    def waiter(self, worker: Worker, slot: SlotKind | None = None) -> Waiter:
        """A waiter, with the faults of pushes."""
        made = self._port.waiter(worker, slot)
        take = made.take_pushed

        def take_pushed() -> Sequence[Pushed]:
            pushes = take()
            try:
                if pushes:
                    self._fall("push", "before")
            except BackendUnavailableError:
                return ()
            return pushes

        made.take_pushed = take_pushed  # type: ignore[method-assign]
        return made

    def renew(
        self, worker: Worker, seq: int, tokens: Iterable[int], running: Sequence[Running] | None = None
    ) -> list[str]:
        return self._around(["renew"], lambda: self._port.renew(worker, seq, tokens, running))

    def retire(self, worker: Worker, outcomes: Sequence[Outcome] = ()) -> list[str]:
        return self._around(["retire"], lambda: self._port.retire(worker, outcomes))

    def watch(self, write: Callable[[Callable[[Any], T]], T]) -> Callable[[Callable[[Any], T]], T]:
        """SQLite's ``Database.write``, with the faults inside transactions."""

        def watched(work: Callable[[Any], T]) -> T:
            return write(lambda tx: self._read_only_inside(tx, work))

        return watched

    def _around(self, operations: list[str], call: Callable[[], T]) -> T:
        for operation in operations:
            self._fall(operation, "before")
        self._local.operations = operations
        try:
            answer = call()
        finally:
            self._local.operations = []
        for operation in operations:
            self._fall(operation, "after")
        return answer

    def _read_only_inside(self, tx: Any, work: Callable[[Any], T]) -> T:
        if self._read_only is None or not self._read_only.exists():
            return self._inside(tx, work)
        tx.execute("PRAGMA query_only = ON")
        try:
            return work(tx)
        finally:
            tx.execute("PRAGMA query_only = OFF")

    def _inside(self, tx: Any, work: Callable[[Any], T]) -> T:
        operations = getattr(self._local, "operations", [])
        count = 0

        def counted(statement: Callable[..., Any]) -> Callable[..., Any]:
            def run(*arguments: Any) -> Any:
                nonlocal count
                count += 1
                for operation in operations:
                    self._fall(operation, f"inside-{count}")
                return statement(*arguments)

            return run

        if operations:
            tx.execute, tx.executemany = counted(tx.execute), counted(tx.executemany)
        answer = work(tx)
        for operation in operations:
            self._fall(operation, "inside-end")
        return answer

    def _fall(self, operation: str, moment: str) -> None:
        for fault in self._faults:
            if fault[:2] != (operation, moment):
                continue
            passed = self._passed.get(fault, 0)
            self._passed[fault] = passed + 1
            if passed < _PASSES.get(operation, 0) or not self._first(":".join(fault)):
                continue
            if fault[2] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise BackendUnavailableError(f"the connection was cut {moment} {operation}, by the test")

    def _first(self, fault: str) -> bool:
        try:
            marker(self._folder, fault).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True
