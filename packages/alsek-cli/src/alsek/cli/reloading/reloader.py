"""Starts a pool again when the files of its package change.

The reloader imports nothing of the user's. The pool is a program of its own below it: the same command without
``--reload``. When a file changes, it is stopped as by a first SIGTERM, so running tasks finish, and started again.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from alsek.cli.reloading.watched import python_files, watched_paths
from alsek.core.clock import real_time
from alsek.core.loggers import guarded_logger
from alsek.core.worker.child_process import describe_exit
from alsek.exceptions import ValidationError

log = guarded_logger(__name__)

#: How often the reloader looks whether the pool has ended.
_LOOK_EVERY_MS: Final = 200
#: How long after its `shutdown_timeout` a pool may take to end before it is killed.
_ENDS_WITHIN_S: Final = 15.0


def run_reloading(target: str, shutdown_timeout: int) -> int:
    """Run the command that this process was called with, without ``--reload``, again and again; return the exit code.

    Args:
        target: The package, as the command names it.
        shutdown_timeout: How long (ms) the pool's tasks may take to finish.

    Raises:
        ValidationError: watchfiles is not installed.
        NothingToImportError: There is no such package.
    """
    try:
        watchfiles = importlib.import_module("watchfiles")
    except ModuleNotFoundError:
        raise ValidationError("--reload needs watchfiles: pip install 'alsek-cli[reload]'") from None
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # noqa: TID251  it is another's logger
    paths = watched_paths(target)
    stop = threading.Event()
    # Not its own filter: files that change all the time, as a database does, would keep it from returning.
    watching = watchfiles.watch(
        *paths,
        watch_filter=None,
        stop_event=stop,
        rust_timeout=_LOOK_EVERY_MS,
        yield_on_timeout=True,
        raise_interrupt=False,
        ignore_permission_denied=True,
    )
    changes = (python_files((path for _, path in changed), paths) for changed in watching)
    log.info("Watching %s: the pool is started again when a Python file changes.", _named(paths))
    return Reloader(_start_pool, changes, stop, shutdown_timeout / 1000 + _ENDS_WITHIN_S).run()


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(str(path) for path in paths)


def _start_pool() -> subprocess.Popen[bytes]:
    """Start the pool as a program of its own."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--reload"]
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_POOL_RELOAD")}
    # -P: as by the `alsek` command, the working directory comes onto the path only when the package is imported.
    command = [sys.executable, "-P", "-m", "alsek.cli.reloading.pool_process", str(os.getpid()), *arguments]
    return subprocess.Popen(command, env=environment)  # noqa: S603  it is this program itself


class Reloader:
    """Keeps a pool running on the newest files.

    Args:
        start: Starts the pool.
        changes: The Python files that have changed, each time that there may be some.
        stop: Set when the reloader is to end.
        ends_within_s: How long a pool may take to end.
    """

    def __init__(
        self,
        start: Callable[[], subprocess.Popen[Any]],
        changes: Iterator[Sequence[str]],
        stop: threading.Event,
        ends_within_s: float,
    ) -> None:
        self._start = start
        self._changes = changes
        self._stop = stop
        self._ends_within_s = ends_within_s
        self._pool: subprocess.Popen[Any] | None = None
        #: The pool was sent a signal. Another one, a second later or more, would stop it at once.
        self._signalled = False

    def run(self) -> int:
        """Run until told to stop, or until the pool ends by itself with exit code 0. Returns the exit code."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
        failed = False
        for changed in self._changes:
            if self._stop.is_set():
                break
            if self._pool is None:  # what changes from now on is noticed
                self._pool = self._start()
            elif changed:
                log.info("Changed: %s. The pool is started again.", ", ".join(changed))
                self._end_pool()
                if self._stop.is_set():
                    break
                self._pool, failed = self._start(), False
            code = self._pool.poll()
            if code == 0:
                return 0
            if code is not None and not failed:
                failed = True
                log.error("The pool %s: it is started again at the next change.", describe_exit(code))
        code = self._end_pool()
        # A signal that came before the pool handled signals has ended it.
        return code if code is not None and code > 0 and not failed else 0

    def _on_signal(self, *_: object) -> None:
        """Pass a signal on to the pool, which counts them."""
        self._stop.set()
        if self._pool is not None and self._pool.returncode is None:
            self._signalled = True
            self._pool.send_signal(signal.SIGTERM)

    def _end_pool(self) -> int | None:
        """Stop the pool, if it runs, and wait for its end; return its exit code."""
        if self._pool is None:
            return None
        if self._pool.poll() is None and not self._signalled:
            self._pool.terminate()
        killed_at = real_time.monotonic() + self._ends_within_s
        while True:
            try:
                return self._pool.wait(_LOOK_EVERY_MS / 1000)
            except subprocess.TimeoutExpired:
                if real_time.monotonic() >= killed_at:
                    log.warning("The pool does not end: it is killed.")
                    self._pool.kill()
