"""A thread that fires schedules, one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger
from alsek.exceptions import BackendError

log = guarded_logger(__name__)

#: Fires the schedule of this name, which has waited here for so long (ms), if it is due and may be fired here.
Fire: TypeAlias = Callable[[str, int], object]

#: How long nothing more is logged of failures.
QUIET_MS: Final = 60_000


class FailureLog:
    """Logs why schedules were not fired, at most once a minute: what fails is offered again each second.

    Args:
        clock: Returns monotonic ms.
    """

    def __init__(self, clock: Callable[[], int] = monotonic_ms) -> None:
        self._clock = clock
        self._quiet_until = 0

    def add(self, name: str, error: BaseException) -> None:
        """Log a failure, if it is time to."""
        now = self._clock()
        if now < self._quiet_until:
            return
        self._quiet_until = now + QUIET_MS
        if isinstance(error, BackendError):
            log.warning("Schedule %r can't be fired now, and is tried again: %s", name, error)
        else:
            log.error("Schedule %r can't be fired here, and is tried again.", name, exc_info=error)


class FiringThread:
    """A daemon thread that fires what it is given. It ends with the process, whatever it is doing.

    Args:
        make_fire: Called in the thread, before the first schedule; imports what that takes.
        on_done: Called in the thread when it has nothing left to fire.
        failures: Told what was raised.
        clock: Returns monotonic ms.
    """

    def __init__(
        self,
        make_fire: Callable[[], Fire],
        on_done: Callable[[], object],
        failures: FailureLog,
        clock: Callable[[], int] = monotonic_ms,
    ) -> None:
        self._make_fire = make_fire
        self._on_done = on_done
        self._failures = failures
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: dict[str, int] = {}  # names, and since when
        self._ended = False
        self._at: tuple[str, int] | None = None  # what it fires, and since when
        self._thread = threading.Thread(target=self._run, name="alsek-schedules", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def busy(self) -> bool:
        """Whether it has something to fire."""
        return self.alive and (self._at is not None or bool(self._waiting))

    def stuck_at(self, now: int, after: int) -> str | None:
        """The schedule that it has been firing for longer than `after` ms; None if there is none."""
        at = self._at
        return at[0] if at is not None and now - at[1] > after else None

    def add(self, names: Iterable[str]) -> None:
        """Have it fire these too. One that waits already is fired once."""
        with self._changed:
            now = self._clock()
            for name in names:
                self._waiting.setdefault(name, now)
            self._changed.notify()

    def end(self) -> None:
        """Let it end after what it fires now. What waits is dropped: the store offers it again."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _run(self) -> None:
        fire: Fire | None = None
        while (taken := self._next()) is not None:
            name, waited = taken
            try:
                if fire is None:
                    fire = self._make_fire()
                fire(name, waited)
            except BaseException as error:  # noqa: BLE001  user code may exit: the others are fired all the same
                self._failures.add(name, error)
                if isinstance(error, BackendError):
                    self._wait_anew()
            with self._changed:
                self._at = None
                done = not self._waiting
            if done:
                self._on_done()

    def _wait_anew(self) -> None:
        """While the store was away nobody could fire: what waits has not waited for this thread."""
        with self._changed:
            self._waiting = dict.fromkeys(self._waiting, self._clock())

    def _next(self) -> tuple[str, int] | None:
        """Wait for a schedule, and return its name and how long it has waited; None when the thread is to end."""
        with self._changed:
            while not self._waiting and not self._ended:
                self._changed.wait()
            if self._ended:
                return None
            name = next(iter(self._waiting))
            since, now = self._waiting.pop(name), self._clock()
            self._at = name, now
            return name, now - since
