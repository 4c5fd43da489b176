"""Forking: run a function in a child process, and set up what a child inherits."""

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
from typing import Any, Final, NoReturn, TypeAlias

from alsek.core.execution import forks
from alsek.core.loggers import guarded_logger
from alsek.core.worker.signals import BLOCK, SET_MASK, TERMINATION, reset_signals, set_mask

log = guarded_logger(__name__)

#: A signal handler.
Handler: TypeAlias = Callable[[int, FrameType | None], None] | signal.Handlers

_PR_SET_PDEATHSIG: Final = 1
_KILL: Final = int(signal.SIGKILL)
_ON_LINUX: Final = sys.platform == "linux"
#: Linux has it. (Looked up once, here, and not in each child.)
_prctl: Final[Any] = getattr(ctypes.CDLL(None), "prctl", None)
#: What a stream of user code raises when it is flushed. (One object, and not one for each stream in each child.)
_anything: Final = contextlib.suppress(BaseException)


def fork(main: Callable[[], int]) -> int:
    """Run `main` in a child, which exits with the value that it returns.

    The child may outlive its parent; see :func:`~alsek.core.worker.child_process.fork_watched`.

    Returns:
        The child's pid.

    Raises:
        OSError: No further process can be made now.
    """

    def run() -> int:
        reset_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return main()

    flush()
    # Until the child has set its own handlers, it would handle a SIGTERM as its parent does, and go on.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
    try:
        pid = os.fork()
        if not pid:
            run_and_exit(run)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def run_and_exit(main: Callable[..., int], *arguments: Any) -> NoReturn:
    """Run `main` and exit with the value that it returns; log an exception, and exit with 1."""
    status = 1
    try:
        status = main(*arguments)
    except BaseException:
        log.critical("A worker process failed.", exc_info=True)
    finally:
        # Not sys.exit: the exit handlers and threads are those of the parent. User code may have replaced log handlers
        # and streams: whatever they raise, the child must never return into the parent's code.
        try:
            logging.shutdown()
            flush()
        finally:
            os._exit(status)


def disown_forks(handler: Handler, *, now: bool = True) -> Callable[[], None]:
    """Make processes that are forked from now on no part of the pool: SIGTERM ends them as it ends any program.

    Called once, in a process that runs user code, after the pool's own forks.

    Args:
        handler: The pool's handler of SIGTERM, which is removed in forks. A handler that user code has set stays.
        now: False if that begins with a call of the function that is returned. Until then a fork of this process begins
            with SIGTERM blocked.
    """
    begun = now

    # A SIGTERM that arrives before the child has reset its handler would be handled as the pool's, and not end it.
    masks = threading.local()

    def block() -> None:
        masks.before = set_mask(BLOCK, (TERMINATION,))

    def unblock() -> None:
        set_mask(SET_MASK, masks.before)

    def disown() -> None:
        if not begun:
            return
        forks.forked = True
        signal.set_wakeup_fd(-1)
        if signal.getsignal(signal.SIGTERM) == handler:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ``multiprocessing`` relies on that
        unblock()

    def begin() -> None:
        nonlocal begun
        begun = True

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=disown)
    return begin


def flush() -> None:
    """Flush standard output and error, so that buffered text is neither written twice nor lost."""
    for stream in (sys.stdout, sys.stderr):
        # It may be closed, None, or an object of user code that raises anything; there is nothing to be done then.
        with _anything:
            stream.flush()


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (Linux; elsewhere only the lifeline shows it)."""
    if _ON_LINUX:
        _prctl(_PR_SET_PDEATHSIG, _KILL)
        if os.getppid() != parent:  # it ended before the call
            os._exit(1)


def stop_with_parent(parent: int) -> None:
    """Have the kernel send this process SIGTERM when its parent ends (Linux)."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the call
            os.kill(os.getpid(), signal.SIGTERM)


def wake_with_parent() -> None:
    """Have the kernel continue this process when its parent ends (Linux): a stopped process could not notice it."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGCONT)
