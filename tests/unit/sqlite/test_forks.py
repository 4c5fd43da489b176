"""Forks: parent and child use the same file, and never the same connection."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from alsek.core.worker.thread_executor.async_exceptions import clear_pending
from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import forks
from tests.unit.sqlite.fakes import Player, is_quiet, submit
from tests.waiting import rings

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def in_a_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked child; its pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return pid


def ends_well(pid: int) -> bool:
    """Whether a child ends without an error."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def open_files(path: Path) -> list[str]:
    """The descriptors of this process that lead to the file."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            target = str(each.readlink())
        except OSError:
            continue
        if target == str(path):
            found.append(target)
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_child_inherits_no_connection(path: Path, backend: SQLiteBackend) -> None:
    """At the moment of the fork the file is not open, in either process."""
    submit(backend, "a")
    with backend.subscribe("x") as subscription:
        subscription.wait(0)
    assert open_files(path)

    def look() -> None:
        assert not open_files(path)

    assert ends_well(in_a_child(look))


def test_what_a_child_writes_outlives_its_parents_connections(
    backend: SQLiteBackend, open_backend: Callable[..., SQLiteBackend]
) -> None:
    """The parent closes the file as the last one that it knows of; a child that writes loses nothing."""
    submit(backend, "parent")
    go, said = os.pipe()

    def work() -> None:
        submit(backend, "child-1")
        os.read(go, 1)
        submit(backend, "child-2")

    child = in_a_child(work)
    submit(backend, "parent-2")
    backend.close()
    os.write(said, b"!")
    assert ends_well(child)
    seen = sorted(stored.uuid for stored in open_backend().messages.browse("q"))
    assert seen == ["child-1", "child-2", "parent", "parent-2"]


def test_a_child_that_only_ends_harms_nothing(backend: SQLiteBackend) -> None:
    """A child that collects its copies of the backend's objects changes nothing for the parent."""
    submit(backend, "a")
    player = Player(backend)
    waiter = player.messages.waiter(player.worker)
    player.step()
    waiter.arm()
    subscription = backend.subscribe("x")

    def end() -> None:
        waiter.close()
        subscription.close()
        backend.close()

    assert ends_well(in_a_child(end))
    assert is_quiet(waiter)
    submit(backend, "b")
    assert rings(waiter)
    backend.pub("x", 1)
    assert subscription.wait(60_000) is not None
    waiter.close()
    subscription.close()


def test_a_fork_during_an_endless_transaction_is_refused_in_the_child(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that got a copy of a connection in use does not touch the file, and says why."""
    monkeypatch.setattr(forks, "PATIENCE_S", 0.05)
    submit(backend, "a")
    begun, end = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        begun.set()
        end.wait(60)

    thread = threading.Thread(target=backend._database.read, args=[hold])
    thread.start()
    begun.wait(60)

    def work() -> None:
        with pytest.raises(BackendUnavailableError, match="forked while"):
            submit(backend, "b")

    try:
        child = in_a_child(work)
    finally:
        end.set()
        thread.join()
    assert ends_well(child)
    assert submit(backend, "c") == [True]


def test_no_moment_in_which_a_child_waits_for_its_parents_turn(backend: SQLiteBackend) -> None:
    """At any line the first thread of a child may be interrupted; no other waits for a lock of the parent."""
    submit(backend, "a")
    database = backend._database
    parents = database._write_lock

    def at_each_line(*_: object) -> object:
        if database._pid == os.getpid() and database._write_lock is parents:
            os._exit(1)
        return at_each_line

    def work() -> None:
        clear_pending()  # other tests may have left some: see there
        sys.settrace(at_each_line)
        submit(backend, "b")

    assert ends_well(in_a_child(work))


#: Two threads fork at once, while the main one writes; and so do their children.
_FORK_TOGETHER = """
import os, sys, threading
from alsek.storage.backends.sqlite import SQLiteBackend

backends = [SQLiteBackend(os.path.join(sys.argv[1], f"{n}.db")) for n in range(3)]

def write(value):
    for backend in backends:
        backend.set("k", value)

def fork():
    for n in range(40):
        pid = os.fork()
        if not pid:
            write(n)
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            os._exit(1)

write(0)
threads = [threading.Thread(target=fork) for _ in range(2)]
for thread in threads:
    thread.start()
while any(thread.is_alive() for thread in threads):
    write(1)
os._exit(0)
"""


def test_threads_that_fork_at_once_leave_the_store_usable(tmp_path: Path) -> None:
    """Two threads fork at the same time, many times: no lock stays locked."""
    command = [sys.executable, "-W", "ignore", "-c", _FORK_TOGETHER, str(tmp_path)]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0


def test_a_child_that_was_forked_past_python_refuses_to_use_the_file(backend: SQLiteBackend) -> None:
    """uWSGI forks its workers without calling Python's hooks: what they stored would be lost with a deleted log."""
    submit(backend, "a")
    ours, theirs = os.pipe()
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        os.read(ours, 1)
        try:
            submit(backend, "b")
        except BackendUnavailableError as error:
            os._exit(0 if "lazy-apps" in str(error) else 1)
        os._exit(2)
    backend.close()  # the last connection that the kernel knows of: the log is deleted
    os.write(theirs, b"x")
    assert ends_well(child)
    submit(backend, "c")
    for end in (ours, theirs):
        os.close(end)
