"""Visits that a partition did not answer. A thread makes them again until it does, so that the worker does not wait.

A visit is made again with its number and its outcomes, so the partition knows it if the first attempt has reached it.
Nothing more is claimed in it; what the first attempt has claimed is given back at once, since its reply was lost.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger
from alsek.core.pauses import Pauses
from alsek.exceptions import BackendError, BackendUnavailableError, WorkerUnknownError
from alsek.storage.backends.records import HistoryCounts, Outcome, Step

log = guarded_logger(__name__)

_FIRST_PAUSE_MS: Final = 50
_LONGEST_PAUSE_MS: Final = 500


class LateVisit(NamedTuple):
    """What a partition did not answer.

    Attributes:
        number: The partition.
        seq: The number of the step; 0 if none was sent: then the worker is registered there.
        outcomes: Those of the step.
        history: Its counts.
        held: The tokens of what the worker holds there.
    """

    number: int
    seq: int = 0
    outcomes: Sequence[Outcome] = ()
    history: Sequence[HistoryCounts] = ()
    held: frozenset[int] = frozenset()


class Answered(NamedTuple):
    """What has come of a visit: the answer, or an error that its worker is to be told; None for a registration."""

    visit: LateVisit
    answer: Step | Exception | None


@dataclass
class _Partition:
    """One that is away.

    Attributes:
        visit: What it is to be sent; None for one that was not tried, because its node is away.
        with_it: The partition on the same node that did not answer.
        since: When it did not answer (monotonic ms).
        told: It was logged that it is away.
    """

    visit: LateVisit | None
    with_it: int
    since: int = field(default_factory=monotonic_ms)
    told: bool = False


class LateVisits:
    """The visits of one worker that are made again. Thread-safe.

    Args:
        make: Makes a visit, without waiting for long.
        share_node: Whether two partitions are on one node.
        refresh: Finds out on which nodes the partitions are now.
    """

    def __init__(
        self,
        make: Callable[[LateVisit], Step | None],
        share_node: Callable[[int, int], bool],
        refresh: Callable[[], None],
    ) -> None:
        self._make = make
        self._share_node = share_node
        self._refresh = refresh
        self._away: dict[int, _Partition] = {}
        self._answered: list[Answered] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    @property
    def away(self) -> frozenset[int]:
        """The partitions that are away."""
        return frozenset(self._away.copy()) if self._away else frozenset()

    @property
    def open(self) -> list[LateVisit]:
        """The visits that were not answered, and those whose answers were not taken."""
        with self._lock:
            late = [each.visit for each in self._away.values() if each.visit is not None]
            return [*late, *(each.visit for each in self._answered)]

    def add(self, visits: Sequence[LateVisit], mates: Iterable[int] = ()) -> None:
        """Make these visits again: the partitions are away. So are `mates`, which are on the node of the first one."""
        with self._lock:
            first = visits[0].number
            for visit in visits:
                known = self._away.get(visit.number)
                # What a step has brought goes before a registration, which only asks whether the partition is back.
                if known is None or known.visit is None or not known.visit.seq:
                    self._away[visit.number] = _Partition(visit, first)
            for number in mates:
                self._away.setdefault(number, _Partition(None, first))
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name="alsek-late-visits", daemon=True)
                self._thread.start()

    def take(self) -> tuple[list[Answered], frozenset[int]]:
        """What was answered since the last call, and which partitions are away now."""
        if not self._away and not self._answered:
            return [], frozenset()
        with self._lock:
            answered, self._answered = self._answered, []
            return answered, frozenset(self._away)

    def stop(self) -> None:
        """Let the thread end. What was not answered stays in :attr:`open`."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopped.is_set()

    def _run(self) -> None:
        pauses = Pauses(_FIRST_PAUSE_MS, _LONGEST_PAUSE_MS)
        while not self._stopped.is_set():
            with self._lock:
                visits = [each.visit for each in self._away.values() if each.visit is not None]
                if not visits:
                    self._thread = None
                    return
            # The first attempt may have met a partition that has moved.
            self._refresh()
            if self._made(visits):
                pauses.reset()
            elif self._stopped.wait(pauses.next() / 1000):
                return

    def _made(self, visits: Sequence[LateVisit]) -> bool:
        """Make these visits, and return whether one was answered. Of one node at most one is waited for."""
        down: list[int] = []
        answered = False
        for visit in visits:
            if self._stopped.is_set():
                break
            if any(self._share_node(visit.number, other) for other in down):
                continue
            answer: Step | Exception | None
            try:
                answer = self._make(visit)
            except WorkerUnknownError as error:
                answer = error
            except BackendError as error:
                down.append(visit.number)
                self._tell(visit.number, error)
                continue
            except Exception as error:  # noqa: BLE001 (the worker is told: nobody sees what a thread raises)
                answer = error
            self._end(Answered(visit, answer))
            answered = True
        return answered

    def _end(self, answered: Answered) -> None:
        number = answered.visit.number
        with self._lock:
            back = self._away[number]
            if back.visit is not answered.visit:
                return  # a registration in whose place there is a step now
            self._answered.append(answered)
            del self._away[number]
            mates = [
                each for each, other in self._away.items() if other.visit is None and other.with_it == number
            ]
            for mate in mates:
                del self._away[mate]
        if back.told:
            lasted = (monotonic_ms() - back.since) / 1000
            log.warning("Partition %s answers again, after %.1f s.", _numbers(number, mates), lasted)

    def _tell(self, number: int, error: BackendError) -> None:
        """Log once that a partition is away; each time, if it is another error."""
        away = self._away[number]
        if not isinstance(error, BackendUnavailableError):
            log.error("Partition %d: %s", number, error)
        elif not away.told:
            mates = [each for each, other in self._away.copy().items() if other.with_it == number != each]
            log.warning("Partition %s is away, and the others go on: %s", _numbers(number, mates), error)
        away.told = True


def _numbers(number: int, mates: Sequence[int]) -> str:
    return ", ".join(map(str, sorted([number, *mates])))
