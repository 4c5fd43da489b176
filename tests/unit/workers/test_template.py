"""The template: forks children for an engine, reports their exits, and kills them all when the engine ends."""

from __future__ import annotations

import gc
import logging
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alsek.core.worker.forking import fork, wake_with_parent
from alsek.core.worker.process_executor.frames import FrameReader, pack
from alsek.core.worker.process_executor.template import EXITED, FORK, FORK_FAILED, SIGNAL, STARTED, Template
from tests.unit.workers.fakes import PATIENCE
from tests.waiting import eventually

#: It starts many processes.
pytestmark = pytest.mark.slow

ChildMain = Callable[[socket.socket], int]


class Engine:
    """The engine's end of a template that runs in a process of its own."""

    def __init__(self, child_main: ChildMain, warm_up: Callable[[], None] = lambda: None) -> None:
        self.connection, theirs = socket.socketpair()
        self.connection.settimeout(PATIENCE)
        self._frames = FrameReader()
        self._descriptors: list[int] = []

        def main() -> int:
            self.connection.close()
            wake_with_parent()
            return Template(theirs, warm_up, child_main).main()

        self.pid = fork(main)
        theirs.close()

    def send(self, *request: Any) -> None:
        """Send a request."""
        self.connection.sendall(pack(request))

    def receive(self) -> tuple[Any, ...]:
        """The template's next event."""
        while (event := self._frames.take()) is None:
            data, descriptors, _, _ = socket.recv_fds(self.connection, 65536, 8)
            assert data, "the template has ended"
            self._descriptors += descriptors
            self._frames.feed(data)
        said: tuple[Any, ...] = event
        return said

    def start(self) -> tuple[int, socket.socket]:
        """Have a child forked. Returns its pid, and the socket to it."""
        self.send(FORK)
        what, pid = self.receive()
        assert what == STARTED
        return pid, socket.socket(fileno=self._descriptors.pop(0))

    def end(self) -> int:
        """Close the socket, and wait for the template's end. Returns its exit code."""
        self.connection.close()
        return self.wait()

    def wait(self) -> int:
        """Wait for the template's end. Returns its exit code, or minus the signal."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def engine() -> Iterator[Callable[..., Engine]]:
    """Starts templates, and ends those that are left."""
    started: list[Engine] = []

    def start(child_main: ChildMain, warm_up: Callable[[], None] = lambda: None) -> Engine:
        started.append(Engine(child_main, warm_up))
        return started[-1]

    yield start
    for each in started:
        each.connection.close()
        if each.pid:
            os.kill(each.pid, signal.SIGKILL)
            each.wait()


def gone(pid: int) -> bool:
    """Return True if a process has ended, whether it was reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def until_told(connection: socket.socket) -> int:
    """A child that exits with the number that it is sent."""
    data = connection.recv(1)
    return data[0] if data else 0


def sleeper(connection: socket.socket) -> int:
    """A child that never ends by itself, and has started another process, whose pid it sends."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    connection.sendall(str(other.pid).encode())
    time.sleep(60)
    return 0


def stubborn(connection: socket.socket) -> int:
    """Like a sleeper, but its process ignores SIGTERM, and it ends at once itself."""
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        connection.sendall(str(other.pid).encode())
        time.sleep(60)
    return 0


def wanderer(connection: socket.socket) -> int:
    """Like a sleeper, but it moves to another process group than the process that it has started."""
    left, other = (
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=group)
        for group in (None, 0)
    )
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.setpgid(0, other.pid)
    connection.sendall(str(left.pid).encode())
    time.sleep(60)
    return 0


@pytest.mark.parametrize("code", [0, 1, 78, 255])
def test_a_childs_start_and_exit_are_reported(engine: Callable[..., Engine], code: int) -> None:
    """STARTED comes with the child's own socket; EXITED with its exit code."""
    template = engine(until_told)
    pid, connection = template.start()
    with connection:
        connection.sendall(bytes([code]))
        assert template.receive() == (EXITED, pid, code)
    assert gone(pid)
    assert template.end() == 0


def test_the_status_of_a_killed_child_is_its_signal(engine: Callable[..., Engine]) -> None:
    """The status is minus the signal."""
    template = engine(until_told)
    pid, connection = template.start()
    with connection:
        template.send(SIGNAL, pid, int(signal.SIGTERM))
        assert template.receive() == (EXITED, pid, -signal.SIGTERM)


@pytest.mark.parametrize("raised", [ValueError("x"), SystemExit(0), KeyboardInterrupt()])
def test_a_child_that_raises_exits_with_1_and_logs_why(
    engine: Callable[..., Engine], raised: BaseException, tmp_path: Path
) -> None:
    """It never returns into the template's code; the traceback is logged."""

    def child(_: socket.socket) -> int:
        logging.basicConfig(filename=tmp_path / "log", force=True)
        raise raised

    template = engine(child)
    pid, connection = template.start()
    connection.close()
    assert template.receive() == (EXITED, pid, 1)
    assert template.end() == 0
    assert type(raised).__name__ in (tmp_path / "log").read_text()


def test_what_a_child_prints_is_written(engine: Callable[..., Engine], tmp_path: Path) -> None:
    """What is buffered when it exits is written; what the template had buffered is not written again."""
    with (tmp_path / "out").open("w") as out:

        def child(_: socket.socket) -> int:
            sys.stdout = out
            print("by the child")
            return 0

        template = engine(child)
        pid, connection = template.start()
        connection.close()
        assert template.receive() == (EXITED, pid, 0)
    assert (tmp_path / "out").read_text() == "by the child\n"


def test_a_child_is_no_part_of_the_templates_signals(engine: Callable[..., Engine]) -> None:
    """It heads its own process group, and SIGTERM and SIGCHLD have their default actions."""

    def child(connection: socket.socket) -> int:
        own = os.getpgid(0) == os.getpid()
        plain = {signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGCHLD)} == {signal.SIG_DFL}
        until_told(connection)
        return 42 if own and plain else 1

    template = engine(child)
    pid, connection = template.start()
    connection.close()
    assert template.receive() == (EXITED, pid, 42)


def test_a_pid_that_has_been_reaped_is_not_signalled(engine: Callable[..., Engine]) -> None:
    """SIGNAL for the pid of a child that was reaped, or of another process, does nothing."""
    template = engine(until_told)
    pid, connection = template.start()
    connection.close()
    assert template.receive() == (EXITED, pid, 0)
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    template.send(SIGNAL, pid, int(signal.SIGKILL))
    template.send(SIGNAL, bystander.pid, int(signal.SIGKILL))
    template.start()[1].close()
    bystander.communicate(b"\n")
    assert bystander.returncode == 0


@pytest.mark.parametrize("kind", [sleeper, stubborn, wanderer])
def test_processes_of_a_killed_child_end_with_it(engine: Callable[..., Engine], kind: ChildMain) -> None:
    """Also processes that ignore the signal, and also when the child has moved to another process group."""
    template = engine(kind)
    pid, connection = template.start()
    with connection:
        other = int(connection.recv(64))
        template.send(SIGNAL, pid, int(signal.SIGTERM))
        if kind is wanderer:
            template.send(SIGNAL, pid, int(signal.SIGKILL))
        assert template.receive()[:2] == (EXITED, pid)
    eventually(lambda: gone(other))


def test_processes_of_a_crashed_child_end_with_it(engine: Callable[..., Engine]) -> None:
    """Its message is run again: nothing of the first attempt may go on beside that."""
    template = engine(sleeper)
    pid, connection = template.start()
    with connection:
        other = int(connection.recv(64))
        os.kill(pid, signal.SIGUSR1)
        assert template.receive() == (EXITED, pid, -signal.SIGUSR1)
    eventually(lambda: gone(other))


def test_all_end_with_the_engine(engine: Callable[..., Engine]) -> None:
    """Every child, the processes that it has started, and the template."""
    template = engine(sleeper)
    pids = []
    for _ in range(3):
        pid, connection = template.start()
        with connection:
            pids += [pid, int(connection.recv(64))]
    assert template.end() == 0
    eventually(lambda: all(gone(pid) for pid in pids))


def test_children_end_with_a_template_that_is_killed(engine: Callable[..., Engine]) -> None:
    """The kernel kills them: nobody else could stop or reap them."""
    template = engine(sleeper)
    pid, connection = template.start()
    with connection:
        connection.recv(64)
        os.kill(template.pid, signal.SIGKILL)
        template.wait()
        eventually(lambda: gone(pid))


def test_a_template_that_was_stopped_ends_with_its_engine() -> None:
    """When the engine dies, the kernel continues a stopped template, which then kills its children."""
    told, tell = os.pipe()

    def main() -> int:
        template = Engine(sleeper)
        pid, _ = template.start()
        os.kill(template.pid, signal.SIGSTOP)
        os.write(tell, f"{template.pid} {pid}".encode())
        return 0

    os.waitpid(fork(main), 0)
    pids = [int(pid) for pid in os.read(told, 64).split()]
    os.close(told)
    os.close(tell)
    eventually(lambda: all(gone(pid) for pid in pids))


def test_a_failed_fork_is_reported(engine: Callable[..., Engine]) -> None:
    """If no file or process is left, FORK_FAILED says so, and the template goes on."""

    def warm_up() -> None:
        gc.collect()
        gc.disable()  # what is collected later might close a file
        highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208
        while (filled := os.dup(0)) < highest:
            pass
        # Of a pair of sockets there is but one left.
        resource.setrlimit(resource.RLIMIT_NOFILE, (filled + 2, 4096))

    template = engine(until_told, warm_up)
    for _ in range(2):
        template.send(FORK)
        what, why = template.receive()
        assert what == FORK_FAILED
        assert "Too many open files" in why
    assert template.end() == 0


@pytest.mark.deep
def test_three_hundred_children_leave_nothing_behind(engine: Callable[..., Engine]) -> None:
    """The template has as many open files as before, no child and no zombie."""
    template = engine(until_told)
    template.start()[1].close()
    assert template.receive()[0] == EXITED
    files = len(list(Path(f"/proc/{template.pid}/fd").iterdir()))
    for _ in range(300):
        template.send(FORK)
    events = []
    while len(events) < 600:
        events.append(template.receive()[0])
        while template._descriptors:
            os.close(template._descriptors.pop())  # the child reads the end
    assert (events.count(STARTED), events.count(EXITED)) == (300, 300)
    assert len(list(Path(f"/proc/{template.pid}/fd").iterdir())) == files
    assert Path(f"/proc/{template.pid}/task/{template.pid}/children").read_text() == ""
    assert not select.select([template.connection], [], [], 0)[0]
    assert template.end() == 0
