"""The template: a process that has the tasks imported, and forks a process for each task.

It runs no task and no thread, and opens no connection, so that what is forked from it is clean and small. It serves
one engine, over a socket::

    engine ── (FORK, …) ──────────────► template     fork a child, and pass it the rest of the request
           ◄── (STARTED, pid) + socket ──            the child; it waits for jobs at the other end of the socket
           ◄── (FORK_FAILED, reason) ──              no child could be forked
           ── (SIGNAL, pid, signal) ──►              only the parent knows that the pid is still the child's
           ◄── (EXITED, pid, status) ──              the exit code, or minus the number of the signal
"""

from __future__ import annotations

import array
import contextlib
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

from alsek.core.wakeup_pipe import WakeupPipe
from alsek.core.worker.forking import Handler, die_with_parent, disown_forks, flush, run_and_exit
from alsek.core.worker.process_executor.frames import FrameReader, pack, raw_socket_pair
from alsek.core.worker.process_executor.huge_pages import use_huge_pages
from alsek.core.worker.process_executor.memory_holes import fill_holes
from alsek.core.worker.signals import (
    CHILD_ENDED,
    DEFAULT_HANDLER,
    TERMINATION,
    UNBLOCK,
    ignore_signal,
    leave_stop_to_supervisor,
    set_handler,
    set_mask,
)

FORK: Final = "fork"
SIGNAL: Final = "signal"
STARTED: Final = "started"
EXITED: Final = "exited"
FORK_FAILED: Final = "fork failed"


class Template:
    """Runs in the template's process.

    Args:
        engine: The socket to the engine.
        warm_up: Called once, before the first fork.
        child_main: What a child runs, given its socket and the rest of the engine's request. Returns its exit code.
        terminated: A child's handler of SIGTERM.
    """

    def __init__(
        self,
        engine: socket.socket,
        warm_up: Callable[[], None],
        child_main: Callable[..., int],
        terminated: Handler = signal.SIG_DFL,
    ) -> None:
        self._engine = engine
        self._warm_up = warm_up
        self._child_main = child_main
        self._terminated = terminated if callable(terminated) else DEFAULT_HANDLER
        self._disown_handler = terminated
        self._children: set[int] = set()
        self._signalled: set[int] = set()
        self._frames = FrameReader()

    def main(self) -> int:
        """Serve until the engine closes the socket; then kill all children."""
        self._wakeup = WakeupPipe()
        signal.set_wakeup_fd(self._wakeup.writer, warn_on_full_buffer=False)
        # Before all else: a stop that is sent to every process of the pool must not end the template before its
        # children.
        leave_stop_to_supervisor()
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, ignore_signal)
        self._warm_up()
        self._disown_forks = disown_forks(self._disown_handler, now=False)
        self._pid = os.getpid()
        self._not_childs = (self._engine.fileno(), self._wakeup.reader, self._wakeup.writer)
        flush()  # else each child would print what is buffered
        gc.collect()
        self._fillings = fill_holes()
        # Objects that exist now are exempt from garbage collection: their memory stays shared with the children.
        gc.freeze()
        with contextlib.suppress(OSError, ValueError):  # forks are slower without
            use_huge_pages()
        poll = select.poll()
        poll.register(self._engine, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        engine = self._engine.fileno()
        serving = True
        while serving:
            for descriptor, _ in poll.poll():
                if descriptor == engine:
                    serving = self._serve_requests()
                else:
                    self._reap()
        for pid in self._children:
            _signal_group(pid, signal.SIGKILL)
        return 0

    def _serve_requests(self) -> bool:
        """Serve what the engine has requested. Returns False when it has closed the socket."""
        try:
            data = self._engine.recv(65536)
        except ConnectionResetError:
            return False
        if not data:
            return False
        self._frames.feed(data)
        while (request := self._frames.take()) is not None:
            if request[0] == FORK:
                self._fork(request[1:])
            elif request[1] in self._children:
                self._signalled.add(request[1])
                _signal_group(request[1], request[2])
        return True

    def _fork(self, arguments: tuple[Any, ...]) -> None:
        pair: tuple[socket.socket, ...] = ()
        try:
            pair = raw_socket_pair()
            # The child begins with SIGTERM blocked (see disown_forks). Until it has its own handler, it would handle it
            # as the template does, and ignore it.
            pid = os.fork()
        except OSError as error:  # too many processes or files, or too little memory
            for end in pair:
                end.close()
            self._send((FORK_FAILED, str(error)))
            return
        ours, childs = pair
        if not pid:
            run_and_exit(self._run_child, ours, childs, arguments)
        self._children.add(pid)
        childs.close()
        try:
            os.setpgid(pid, pid)  # in both processes: either may run first
        except (ProcessLookupError, PermissionError):
            pass  # it has done so, and ended or called another program
        self._send((STARTED, pid), ours.fileno())
        ours.close()

    def _run_child(self, ours: socket.socket, childs: socket.socket, arguments: tuple[Any, ...]) -> int:
        """Run in a child, to its end. Returns its exit code."""
        # Each function and object that is used here for the first time has the kernel copy its page, so there are few.
        # (The objects are never collected: this process ends by os._exit.)
        signal.set_wakeup_fd(-1)
        ours.close()
        for descriptor in self._not_childs:
            os.close(descriptor)
        set_handler(CHILD_ENDED, DEFAULT_HANDLER)
        set_handler(TERMINATION, self._terminated)
        self._disown_forks()
        set_mask(UNBLOCK, (TERMINATION,))
        os.setpgid(0, 0)  # so that processes which a task starts can be killed with it
        die_with_parent(self._pid)
        return self._child_main(childs, *arguments)

    def _reap(self) -> None:
        self._wakeup.read()
        while self._children:
            pid, status = self._next_exited()
            if not pid:
                return
            self._signalled.discard(pid)
            if pid in self._children:
                self._children.discard(pid)
                self._send((EXITED, pid, os.waitstatus_to_exitcode(status)))

    def _next_exited(self) -> tuple[int, int]:
        """Reap a child that has exited, and return its pid and wait status; the pid is 0 if none has."""
        if sys.platform != "linux":
            return os.waitpid(-1, os.WNOHANG)
        exited = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if exited is None:
            return 0, 0
        pid = exited.si_pid
        # A killed child may leave processes behind. Until it is reaped its pid, which is also the id of its process
        # group, can't be used again, so the group is killed now.
        if pid in self._signalled or (pid in self._children and exited.si_code != os.CLD_EXITED):
            _signal_group(pid, signal.SIGKILL)
        return os.waitpid(pid, 0)

    def _send(self, value: tuple[Any, ...], descriptor: int | None = None) -> None:
        """Send an event, with a file descriptor if there is one."""
        frame = pack(value)
        rights = []
        if descriptor is not None:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", (descriptor,)))]
        try:
            sent = self._engine.sendmsg((frame,), rights)
            if sent < len(frame):
                self._engine.sendall(frame[sent:])
        except (BrokenPipeError, ConnectionResetError):
            pass  # closed: the loop in main() will notice


def _signal_group(pid: int, number: int) -> None:
    """Signal a child that is not reaped yet, and the processes that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) != pid:  # it has moved to another process group
            os.kill(pid, number)
