"""What workers tell the store of themselves: facts when they register, what they run when they renew their lease."""

from __future__ import annotations

import importlib.util
import os
import socket
import threading
from collections.abc import Collection, Iterable

from alsek.core.clock import wall_clock_ms
from alsek.core.failure import shortened
from alsek.storage.backends.records import Claimed, Running, WorkerFacts
from alsek.version import __version__

#: The longest name of a thread that is told.
_LONGEST_NAME = 100


def worker_facts(
    tasks: Iterable[str] | None, slots: int = 0, *, fires: bool = False, schedules: Iterable[str] = ()
) -> WorkerFacts:
    """Return the facts of a worker in this process.

    Args:
        tasks: The names of its tasks; None if it takes messages of any task.
        slots: How many messages it runs at once; 0 if there is no such number.
        fires: It fires schedules.
        schedules: The names of those that its tasks declare.
    """
    names = None if tasks is None else tuple(sorted(tasks))
    return WorkerFacts(
        socket.gethostname(), os.getpid(), __version__, names, slots, fires, tuple(sorted(schedules))
    )


def can_fire() -> bool:
    """Return True if APScheduler is installed, with which a worker computes the ticks of schedules. Imports nothing."""
    return importlib.util.find_spec("apscheduler") is not None


def running(claimed: Claimed, started_at: int, pid: int, thread: threading.Thread | None = None) -> Running:
    """Return what a worker says of a message that it runs.

    Args:
        claimed: What the store has handed out.
        started_at: When the attempt began: Unix milliseconds.
        pid: The process in which it runs.
        thread: Its thread; None if the process has only one.
    """
    # User code may have renamed the thread; half a surrogate pair is no text for a store.
    name = "" if thread is None else shortened(thread.name[:_LONGEST_NAME])
    return Running(claimed.uuid, started_at, claimed.retries + 1, pid, name)


class HandedOut:
    """The messages that a consumer has handed out to its caller, who holds them until he settles them."""

    def __init__(self) -> None:
        self._by_token: dict[int, Running] = {}
        self._look_at = 64

    def add(self, claimed: Claimed, held: Collection[int]) -> None:
        """Note that a message is handed out now, in this thread.

        Args:
            claimed: What the store has handed out.
            held: The tokens of the claims that are held now.
        """
        if len(self._by_token) >= self._look_at:
            self._look_at = 64 + 2 * len(self.held(held))
        self._by_token[claimed.token] = running(
            claimed, wall_clock_ms(), os.getpid(), threading.current_thread()
        )

    def tokens_of(self, uuid: str) -> list[int]:
        """Return the tokens under which a message was handed out."""
        return [token for token, running in list(self._by_token.items()) if running.uuid == uuid]

    def held(self, held: Collection[int]) -> list[Running]:
        """Return those of the messages whose claims are held, and forget the others."""
        for token in list(self._by_token):
            if token not in held:
                self._by_token.pop(token, None)
        return list(self._by_token.values())
