"""Child processes that their parent watches without polling, and that never outlive it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from alsek.core.clock import monotonic_ms, real_time
from alsek.core.worker.forking import die_with_parent, fork

#: Exit code of a child that was asked to end. Any other means that it died.
EXIT_DRAINED: Final = 0
#: Exit code of a child that wants to be replaced: too many tasks, too much memory, too many abandoned threads.
EXIT_RECYCLED: Final = 75
#: Exit code of a child whose start hook failed.
EXIT_NOT_STARTED: Final = 78
#: Status of a child whose exit code was fetched by other code in this process (``os.wait()``).
EXIT_UNKNOWN: Final = 256

#: How often :meth:`ChildProcess.wait` looks.
_LOOK_EVERY_S: Final = 0.002


class ChildProcess:
    """A forked process, as its parent sees it.

    Attributes:
        pid: Its process id.
        status: None while it lives; then its exit code, or minus the number of the signal that killed it.
        notifications: Readable when the child has called :meth:`ParentPipes.notify`, or has ended.
        at_eof: The child has closed its end of `notifications`, so nothing more will come.
    """

    def __init__(self, pid: int, lifeline: int, notifications: int) -> None:
        self.pid = pid
        self.status: int | None = None
        self.at_eof = False
        self.notifications = notifications
        self._lifeline = lifeline

    @property
    def descriptors(self) -> tuple[int, int]:
        """The file descriptors that other children must close: an inherited copy would keep the lifeline open."""
        return self._lifeline, self.notifications

    def signal(self, number: int) -> None:
        """Send a signal. Does nothing if the child has ended."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def read_notifications(self) -> None:
        """Read what made `notifications` readable, without waiting."""
        with contextlib.suppress(BlockingIOError):
            self.at_eof = not os.read(self.notifications, 4096)

    def reap(self) -> bool:
        """Return True if the child has ended; `status` then says how."""
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.status = EXIT_UNKNOWN
            else:
                if pid:
                    self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait(self, most_ms: int) -> bool:
        """Wait for its end, at most so long; return True if it has ended."""
        until = monotonic_ms() + most_ms
        while not self.reap():
            if monotonic_ms() >= until:
                return False
            real_time.sleep(_LOOK_EVERY_S)
        return True

    def processor_wait_ms(self) -> int | None:
        """Return for how long its first thread was ready to run and had no processor, in all (ms).

        Returns:
            None if the system does not tell: it is no Linux, or the process has ended.
        """
        try:
            waited_ns = Path(f"/proc/{self.pid}/schedstat").read_text().split()[1]
            return int(waited_ns) // 1_000_000
        except (OSError, ValueError, IndexError):
            return None

    def close(self) -> None:
        """Close the file descriptors of a child that has ended."""
        os.close(self._lifeline)
        os.close(self.notifications)

    @property
    def exit_description(self) -> str:
        """How it ended, in words."""
        return "is running" if self.status is None else describe_exit(self.status)


def describe_exit(status: int) -> str:
    """Describe how a process ended, from its exit code or minus the number of the signal that killed it."""
    if status == EXIT_UNKNOWN:
        return "ended in an unknown way (other code in its parent has waited for it)"
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


class ParentPipes:
    """A child's pipes from and to its parent.

    Attributes:
        lifeline: Readable when the parent has ended.
        notifications: Where to write to wake the parent.
    """

    def __init__(self, lifeline: int, notifications: int) -> None:
        self.lifeline = lifeline
        self.notifications = notifications

    def notify(self) -> None:
        """Wake the parent, so that it reads the shared state."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self.notifications, b"!")


def fork_watched(main: Callable[[ParentPipes], int], close: tuple[int, ...] = ()) -> ChildProcess:
    """Run `main` in a child, which exits with the value that it returns.

    The child is killed when its parent ends. It starts with the default handlers of SIGTERM and SIGCHLD, and of SIGINT
    and SIGHUP unless they are ignored.

    Args:
        main: Runs in the child. An exception is logged, and the child exits with 1.
        close: File descriptors of the parent that the child closes first.

    Raises:
        OSError: No further process or pipe can be made now.
    """
    pipes: list[int] = []
    parent = os.getpid()

    def run() -> int:
        lifeline_out, lifeline_in, notifications_out, notifications_in = pipes
        for descriptor in (lifeline_in, notifications_out, *close):
            os.close(descriptor)
        os.set_blocking(notifications_in, False)
        die_with_parent(parent)
        return main(ParentPipes(lifeline_out, notifications_in))

    try:
        pipes += os.pipe()
        pipes += os.pipe()
        pid = fork(run)
    except OSError:
        for descriptor in pipes:
            os.close(descriptor)
        raise
    lifeline_out, lifeline_in, notifications_out, notifications_in = pipes
    os.set_blocking(notifications_out, False)
    os.close(lifeline_out)
    os.close(notifications_in)
    return ChildProcess(pid, lifeline_in, notifications_out)
