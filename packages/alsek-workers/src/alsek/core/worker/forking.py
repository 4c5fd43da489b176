"""Child processes: forked, watched without polling, and never outliving their parent."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import NoReturn, TypeAlias

from alsek.core.execution import forks
from alsek.core.loggers import guarded_logger
from alsek.core.worker.supervisor.signals import reset_signals

log = guarded_logger(__name__)

#: What handles a signal.
Handler: TypeAlias = Callable[[int, FrameType | None], None] | signal.Handlers

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # loaded here, once: not in each child

#: A signal that is sent to every process of a pool has reached all of them after so long (ms).
STOP_REACHES_ALL = 500

#: What a child that was asked to end exits with; anything else is a death.
EXIT_DRAINED = 0
#: It wants to be replaced: too many tasks, too much memory, too many abandoned threads.
EXIT_RECYCLED = 75
#: A start hook failed.
EXIT_NOT_STARTED = 78
#: Stands for an exit code that code of the user's in this process has fetched (``os.wait()``).
EXIT_UNKNOWN = 256


class ChildProcess:
    """A forked process.

    Attributes:
        pid: Its process id.
        status: How it ended: its exit code, minus the signal that killed it, or None while it lives.
    """

    def __init__(self, pid: int, lifeline: int, news: int) -> None:
        self.pid = pid
        self.status: int | None = None
        #: It has closed its end of `news`: nothing more will come, which is no news each time one asks.
        self.silent = False
        self._lifeline = lifeline
        #: Readable when the child has written to :attr:`ParentPipes.news`, or has ended.
        self.news = news

    @property
    def descriptors(self) -> tuple[int, int]:
        """What its siblings must not keep: they would keep its lifeline from closing."""
        return self._lifeline, self.news

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens if it has ended."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def read_news(self) -> None:
        """Take in what made `news` readable, without waiting."""
        with contextlib.suppress(BlockingIOError):
            self.silent = not os.read(self.news, 4096)

    def reap(self) -> bool:
        """Whether it has ended; then `status` says how."""
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                self.status = EXIT_UNKNOWN
            else:
                if pid:
                    self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def close(self) -> None:
        """Give back its file descriptors, once it has ended."""
        os.close(self._lifeline)
        os.close(self.news)

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        return "is running" if self.status is None else describe_exit(self.status)


def describe_exit(status: int) -> str:
    """How a process ended, in words, from its exit code or minus the signal that killed it."""
    if status == EXIT_UNKNOWN:
        return "ended in an unknown way (other code in its parent has waited for it)"
    if status >= 0:
        return f"ended with exit code {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


class ParentPipes:
    """What a child has from its parent.

    Attributes:
        lifeline: Readable when the parent has died.
        news: To tell the parent that something on the board has changed.
    """

    def __init__(self, lifeline: int, news: int) -> None:
        self.lifeline = lifeline
        self.news = news

    def tell(self) -> None:
        """Make the parent look at the board."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self.news, b"!")


def fork(main: Callable[[ParentPipes], int], close: tuple[int, ...] = ()) -> ChildProcess:
    """Run `main` in a child, which exits with what it returns.

    The child is killed when its parent dies. It starts with the default handlers of SIGTERM and SIGCHLD, and of SIGINT
    and SIGHUP unless they are ignored.

    Args:
        main: What to run; an exception in it is logged, and ends the child with exit code 1.
        close: File descriptors of the parent's that the child must not keep.

    Raises:
        OSError: There can't be another process, or pipe, now.
    """
    pipes: list[int] = []
    parent = os.getpid()

    def run() -> int:
        lifeline_out, lifeline_in, news_out, news_in = pipes
        for descriptor in (lifeline_in, news_out, *close):
            os.close(descriptor)
        os.set_blocking(news_in, False)
        die_with(parent)
        return main(ParentPipes(lifeline_out, news_in))

    try:
        pipes += os.pipe()
        pipes += os.pipe()
        pid = fork_plain(run)
    except OSError:
        for descriptor in pipes:
            os.close(descriptor)
        raise
    lifeline_out, lifeline_in, news_out, news_in = pipes
    os.set_blocking(news_out, False)
    os.close(lifeline_out)
    os.close(news_in)
    return ChildProcess(pid, lifeline_in, news_out)


def fork_plain(main: Callable[[], int]) -> int:
    """Run `main` in a child, which exits with what it returns; the pid. Nothing ends it with its parent.

    Raises:
        OSError: There can't be another process now.
    """

    def run() -> int:
        reset_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return main()

    flush()
    # Until the child has handlers of its own, it would meet a SIGTERM as its parent does, and go on.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    try:
        pid = os.fork()
        if not pid:
            exit_with(run)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def exit_with(main: Callable[[], int]) -> NoReturn:
    """Run `main`, and end this process with what it returns; with 1, and logged, if it raises."""
    status = 1
    try:
        status = main()
    except BaseException:
        log.critical("A worker process failed.", exc_info=True)
    finally:
        # Not sys.exit: the parent's exit handlers and threads are not this process's. And whatever the user has put in
        # the place of handlers and streams, the child must never return into its parent's code.
        try:
            logging.shutdown()
            flush()
        finally:
            os._exit(status)


def disown_forks(handler: Handler) -> None:
    """From now on, what is forked in this process is the user's: no worker, and ended by SIGTERM as any program.

    Called once, in a process that runs the user's code, after what the pool itself forks.

    Args:
        handler: That of the pool for SIGTERM. One of the user's own stays, as it does in any fork.
    """

    # A SIGTERM that comes before the child has its own handler would be taken for one of the pool's, and not end it.
    masks = threading.local()

    def block() -> None:
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))

    def unblock() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def disown() -> None:
        forks.forked = True
        signal.set_wakeup_fd(-1)
        if signal.getsignal(signal.SIGTERM) == handler:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ``multiprocessing`` relies on that
        unblock()

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=disown)


def flush() -> None:
    """Write out what is buffered, so that it is not written twice, or never."""
    for stream in (sys.stdout, sys.stderr):
        # Closed, or None, or an object of the user's, which may raise anything: nothing is lost that could be saved.
        with contextlib.suppress(BaseException):
            stream.flush()


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (Linux; elsewhere the lifeline alone tells)."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)


def wake_with_parent() -> None:
    """Have the kernel continue this process when its parent ends (Linux): one that was stopped could not see it."""
    if sys.platform == "linux":
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
