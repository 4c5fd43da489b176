"""Connections: never more than there are operations at once, and none is left behind by a thread."""

from __future__ import annotations

import gc
import sqlite3
import sys
import threading
from collections.abc import Callable
from types import FrameType

import pytest

from alsek.exceptions import BackendError, TaskTimeoutError
from alsek.storage.backends.sqlite import SQLiteBackend
from tests.unit.sqlite.fakes import submit


def test_connections_of_ended_threads_do_not_pile_up(backend: SQLiteBackend) -> None:
    """A hundred threads one after another leave one connection."""
    for n in range(100):
        thread = threading.Thread(target=submit, args=[backend, f"m{n}"])
        thread.start()
        thread.join()
    assert backend.messages.count("q") == 100
    pool = backend._database._pool
    assert (len(pool._idle), len(pool._busy)) == (1, 0)


def test_threads_at_once_share_the_file(backend: SQLiteBackend) -> None:
    """Eight threads write at once without an error, and nothing is lost."""
    errors: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for n in range(50):
                assert submit(backend, f"{name}-{n}") == [True]
                assert backend.messages.exists("q", f"{name}-{n}")
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work, args=[f"t{n}"]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert backend.messages.count("q") == 400


def test_a_closed_backend_opens_again(backend: SQLiteBackend) -> None:
    """After close() the next operation opens a new connection."""
    submit(backend, "a")
    backend.close()
    assert not backend._database._pool._idle
    assert backend.messages.exists("q", "a")


class Strike:
    """A task's timeout, at the n-th moment at which the interpreter may raise it: a call begins, or C returns."""

    def __init__(self, moment: int) -> None:
        self._left = moment
        self.struck = False

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """What :func:`sys.setprofile` calls."""
        if event in ("call", "c_return") and not self.struck:
            self._left -= 1
            if not self._left:
                self.struck = True
                raise TaskTimeoutError("now")


# A connection that is torn away is closed when it is collected, and Python 3.13 reports that. Closing it in a finalizer
# written in Python is no remedy: a timeout that strikes in a finalizer is lost.
@pytest.mark.usefixtures("no_collector")
@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "use",
    [
        lambda backend, n: backend.set("key", n),
        lambda backend, n: backend.get("key"),
        lambda backend, n: submit(backend, f"m{n}"),
        lambda backend, n: backend._database.version(),
    ],
    ids=["write", "read", "add", "version"],
)
def test_a_timeout_at_whatever_moment_leaves_no_lock(
    backend: SQLiteBackend, use: Callable[[SQLiteBackend, int], object]
) -> None:
    """After a task was interrupted while it used the store, others use it as before, and none waits for ever."""
    backend.set("key", 0)
    database, pool = backend._database, backend._database._pool
    struck, moment = True, 0
    while struck:
        moment += 1
        strike = Strike(moment)
        before = sys.getprofile()
        sys.setprofile(strike)
        try:
            use(backend, moment)
        except TaskTimeoutError:
            pass
        finally:
            sys.setprofile(before)
        struck = strike.struck
        assert not pool._mutex.locked(), moment
        assert not database._write_lock.locked(), moment
        backend.set("key", moment)
        assert backend.get("key") == moment
    assert moment > 10
    assert len(pool._idle) <= 2
    gc.collect()


def test_a_connection_on_which_sqlite_failed_is_not_used_again(backend: SQLiteBackend) -> None:
    """After an error that concerns the connection or the file it is closed; after any other it is kept."""
    submit(backend, "a")
    pool = backend._database._pool
    for code, kept in ((sqlite3.SQLITE_NOTADB, 0), (sqlite3.SQLITE_TOOBIG, 1)):
        error = sqlite3.DatabaseError("as SQLite said")
        error.sqlite_errorcode = code

        def fails(tx: object, error: sqlite3.Error = error) -> None:
            raise error

        with pytest.raises(BackendError):
            backend._database.write(fails)
        assert (len(pool._idle), len(pool._busy)) == (kept, 0)
        assert backend.messages.exists("q", "a")


def test_a_fork_waits_for_operations(backend: SQLiteBackend) -> None:
    """It begins once the other threads have given back their connections, and none of the process is open then."""
    submit(backend, "a")
    pool = backend._database._pool
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def work(tx: object) -> None:
        begun.set()
        go_on.wait(60)
        ended.set()

    thread = threading.Thread(target=backend._database.write, args=[work])
    thread.start()
    begun.wait(60)
    threading.Timer(0.05, go_on.set).start()
    pool.before_fork()
    try:
        assert ended.is_set()
        assert pool._idle == []
    finally:
        pool.after_fork_in_parent()
        thread.join()
