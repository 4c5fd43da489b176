"""The template: a process with the tasks imported, from which each task's process is forked.

It runs no task and no thread, and opens no connection, so that what is forked from it is clean and small. It
serves one engine, over a socket::

    engine ── (FORK, …) ────────────► template        a child is forked, and told what else is in the request; it waits
           ◄── (BORN, pid) + socket ──                 for work on a socket, whose other end goes to the engine
           ◄── (UNBORN, why) ──                        or it could not be
           ── (KILL, pid, signal) ──►                  only the parent can tell that a pid is still the child's
           ◄── (DIED, pid, status) ──                  the exit code, or minus the signal
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
from alsek.core.worker.process_executor.frames import FrameReader, pack, socket_pair
from alsek.core.worker.signals import ignore_signal, leave_stop_to_supervisor

FORK: Final = "fork"
KILL: Final = "kill"
BORN: Final = "born"
DIED: Final = "died"
UNBORN: Final = "unborn"


class Template:
    """Runs in the template's process.

    Args:
        engine: The socket to the engine.
        rehearse: Done once, before the first fork.
        child_main: What a child runs, given its own socket, and what the engine has added to its request; returns its
            exit code.
        terminated: How a child handles SIGTERM.
    """

    def __init__(
        self,
        engine: socket.socket,
        rehearse: Callable[[], None],
        child_main: Callable[..., int],
        terminated: Handler = signal.SIG_DFL,
    ) -> None:
        self._engine = engine
        self._rehearse = rehearse
        self._child_main = child_main
        self._terminated = terminated
        self._children: set[int] = set()
        self._signalled: set[int] = set()
        self._frames = FrameReader()

    def main(self) -> int:
        """Serve until the engine closes the socket; then end all children."""
        self._wakeup = WakeupPipe()
        signal.set_wakeup_fd(self._wakeup.writer, warn_on_full_buffer=False)
        # First of all: a stop that reaches every process of the pool must not end the template under its children.
        leave_stop_to_supervisor()
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, ignore_signal)
        self._rehearse()
        flush()  # what it may have printed is not to be printed by each child
        # What is there now is never looked at by a collector again: its memory stays shared with the children.
        gc.collect()
        gc.freeze()
        poll = select.poll()
        poll.register(self._engine, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while True:
            poll.poll()
            self._reap()
            if not self._obey():
                break
        for pid in self._children:
            _signal_group(pid, signal.SIGKILL)
        return 0

    def _obey(self) -> bool:
        """Do what the engine has asked for; False when it has gone."""
        try:
            data = self._engine.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
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

    def _fork(self, told: tuple[Any, ...]) -> None:
        parent = os.getpid()
        pair: tuple[socket.socket, ...] = ()
        try:
            pair = socket_pair()
            # Until the child has handlers of its own, it would meet a SIGTERM as the template does: by doing nothing.
            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
            pid = os.fork()
        except OSError as error:  # too many processes or files, too little memory
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
            for end in pair:
                end.close()
            self._tell((UNBORN, str(error)))
            return
        ours, childs = pair
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
            self._children.add(pid)
            childs.close()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.setpgid(pid, pid)  # in both: whoever comes first
            self._tell((BORN, pid), ours)
            ours.close()
            return

        def run() -> int:
            ours.close()
            self._engine.close()
            signal.set_wakeup_fd(-1)
            self._wakeup.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, self._terminated)
            disown_forks(self._terminated)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
            os.setpgid(0, 0)  # so that what a task starts can be ended with it
            die_with_parent(parent)
            return self._child_main(childs, *told)

        run_and_exit(run)

    def _reap(self) -> None:
        self._wakeup.read()
        while self._children:
            pid, status = self._next_ended()
            if not pid:
                return
            self._signalled.discard(pid)
            if pid in self._children:
                self._children.discard(pid)
                self._tell((DIED, pid, os.waitstatus_to_exitcode(status)))

    def _next_ended(self) -> tuple[int, int]:
        """The pid and wait status of a child that has ended; the pid is 0 if none has."""
        if sys.platform != "linux":
            return os.waitpid(-1, os.WNOHANG)
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            return 0, 0
        pid = ended.si_pid
        # One that did not end by itself leaves behind what it has started. While it is not reaped, its pid, which is
        # that of its group, can be nobody else's.
        if pid in self._signalled or (pid in self._children and ended.si_code != os.CLD_EXITED):
            _signal_group(pid, signal.SIGKILL)
        return os.waitpid(pid, 0)

    def _tell(self, value: tuple[Any, ...], connection: socket.socket | None = None) -> None:
        frame = pack(value)
        rights = []
        if connection is not None:
            descriptors = array.array("i", [connection.fileno()])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)]
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # the engine has gone: the loop will see it
            sent = self._engine.sendmsg([frame], rights)
            self._engine.sendall(frame[sent:])


def _signal_group(pid: int, number: int) -> None:
    """Signal a child, which is not reaped yet, and what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) != pid:  # it has gone to another group
            os.kill(pid, number)
