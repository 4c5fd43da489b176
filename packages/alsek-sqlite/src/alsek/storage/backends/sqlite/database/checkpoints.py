"""Writes the log back into the file, in a thread beside those that write.

Each commit appends pages to the log, SQLite's `-wal` file. Writing them back into the file waits for the disk, often
for some ten milliseconds. Others read and write meanwhile, so what matters is who waits: SQLite would let the operation
wait whose commit was one too many. Here a thread does, which lives for one checkpoint. It ends before this process
forks, and before the connections are closed.

The log begins anew only when all of it is written back at a moment when nobody writes. While many write all the time,
there is no such moment. So once the log is very long, the last pages are written back while no writer is let in.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from alsek.core.loggers import guarded_logger
from alsek.exceptions import BackendError

log = guarded_logger(__name__)

#: About how many pages are added to the log from one checkpoint to the next (16 MB).
PAGES: Final = 8_000

#: From how many pages on writers have to wait until the log begins anew (66 MB). Readers search only what is not yet
#: written back, so a long log costs no more than its room on the disk.
LONG_LOG: Final = 32_000

#: From how many pages on SQLite lets every commit do a checkpoint: only if there is no thread to do it.
INLINE_PAGES: Final = 48_000

#: How often to try to let the log begin anew, if another process writes at that very moment.
_RESTARTS: Final = 20

#: After how many changed rows the first checkpoint is due, and bounds of what is reckoned from then on. A message that
#: is submitted alone changes four rows, and adds about seven pages.
_FIRST, _LEAST, _MOST = 4_000, 100, 100_000

#: The name of the thread.
THREAD: Final = "alsek-checkpoint"


class Written(NamedTuple):
    """What a checkpoint has done.

    Attributes:
        pages: How many pages the log has; -1 if another connection was writing it back.
        done: How many of them are written back.
    """

    pages: int
    done: int


WriteBack: TypeAlias = Callable[[], Written]


def write_back(connection: sqlite3.Connection) -> Written:
    """Write the log back as far as nobody reads what the file still has; let it begin anew if it is very long.

    Raises:
        sqlite3.Error: SQLite refused.
    """
    written = _checkpoint(connection, "PASSIVE")
    # Once more, so that little is left to do while writers wait.
    for mode in ("PASSIVE", *["RESTART"] * _RESTARTS):
        if written.pages < LONG_LOG or written.done >= written.pages:
            break
        written = _checkpoint(connection, mode)
    return written


def _checkpoint(connection: sqlite3.Connection, mode: str) -> Written:
    _, pages, done = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return Written(pages, done)


class Checkpoints:
    """Counts what the commits of a process have changed, and starts a thread when a checkpoint is due.

    Each process counts its own commits, and learns at each checkpoint how many pages went with them. So the one that
    commits most does most checkpoints.

    Args:
        where: Names the store in the log.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._rows = 0
        self._due_at = _FIRST
        self._pages = 0
        self._thread: threading.Thread | None = None

    def note_commit(self, rows: int, work: WriteBack) -> None:
        """Note that a commit has changed so many rows; if a checkpoint is due, let a thread do `work`."""
        self._rows += rows
        if self._rows >= self._due_at and not self._is_running():
            rows, self._rows = self._rows, 0
            self._thread = threading.Thread(target=self._run, args=(work, rows), name=THREAD)
            try:
                self._thread.start()
            except RuntimeError as error:  # too many threads, or the interpreter is about to exit
                log.debug("%s: no thread to write the log back: %s", self._where, error)

    def wait(self, seconds: float) -> None:
        """Return when no checkpoint of this process is under way, or after this time."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread() and thread.is_alive():
            thread.join(seconds)

    def _is_running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _run(self, work: WriteBack, rows: int) -> None:
        try:
            pages, _ = work()
        except (sqlite3.Error, BackendError) as error:
            log.warning("%s: the log could not be written back, which is tried again: %s", self._where, error)
            return
        if pages >= 0:
            wanted = rows * PAGES // max(self._grown(pages, rows), 1)
            self._due_at = max(min(wanted, 2 * self._due_at, _MOST), _LEAST)
            self._pages = pages

    def _grown(self, pages: int, rows: int) -> int:
        """Return how many pages were added to a log that has so many now, since the checkpoint before."""
        more = pages - self._pages
        expected = rows * PAGES // self._due_at
        # Nothing tells whether the log has begun anew meanwhile: what is nearer to what was to be expected holds.
        return more if more >= 0 and abs(more - expected) < abs(pages - expected) else pages
