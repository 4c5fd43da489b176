"""Runs a pool from the arguments of a command. Each failure has a text and an exit code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, Protocol

import click

from alsek.cli.failures import EXPLAINED, exit_code, explanation
from alsek.cli.importing.discovery import find
from alsek.cli.log_output import LogOutput
from alsek.core.loggers import exits_caught, guarded_logger


class Pool(Protocol):
    """A pool of any kind."""

    def run(self) -> None:
        """Serve until told to stop."""


def run_pool(
    target: str,
    kind: Callable[..., Pool],
    *,
    log_level: str,
    log_format: str,
    reload: bool,
    **settings: Any,
) -> None:
    """Find the tasks and hooks of `target`, make a pool of them, and run it. Exits the process if that fails.

    Args:
        target: A module, a dotted path, a package, a file or a folder.
        kind: Makes the pool.
        log_level: How much to log.
        log_format: ``"text"`` or ``"json"``.
        reload: Start the pool again, in a process of its own, whenever the files of `target` change.
        settings: The other arguments of the pool.
    """
    output = LogOutput(log_level, log_format)
    try:
        if reload:
            # Imported here: only --reload needs it.
            from alsek.cli.reloading.reloader import run_reloading

            sys.exit(run_reloading(target, settings["shutdown_timeout"]))
        found = find(target)
        output.after_import()
        pool = kind(
            found.tasks,
            on_worker_start=[hook for hook in found.hooks if hook.when == "start"],
            on_worker_stop=[hook for hook in found.hooks if hook.when == "stop"],
            **settings,
        )
        _leave_on_signals()
        _serve(pool)
    except EXPLAINED as error:
        click.echo(explanation(error), err=True)
        sys.exit(exit_code(error))


def _serve(pool: Pool) -> None:
    """Run a pool, and say that it has stopped, also if one more signal ends the command while it closes its store."""
    log = guarded_logger("alsek.cli")
    left: SystemExit | None = None
    try:
        pool.run()
    except SystemExit as error:
        left = error
    _ignore_signals()
    with exits_caught():
        log.info("Stopped.")
    if left is not None:
        raise left


def _leave_on_signals() -> None:
    """Exit at once with code 0 on a signal before or after the pool handles signals: it holds no messages."""

    def leave(*_: object) -> NoReturn:
        _ignore_signals()
        sys.unraisablehook = _leave_anyway
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)


def _leave_anyway(lost: sys.UnraisableHookArgs) -> None:
    """Exit if the signal came while a finalizer ran: what it raises is only reported, and the pool would go on."""
    if lost.exc_type is not SystemExit:
        sys.__unraisablehook__(lost)
        return
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or None
            stream.flush()
    os._exit(0)


def _ignore_signals() -> None:
    """Ignore signals while the interpreter shuts down, so that the exit code is 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
