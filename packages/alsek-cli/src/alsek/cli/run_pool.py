"""Runs a pool from the arguments of a command. Each failure has a text and an exit code."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

import click

from alsek.cli.failures import EXPLAINED, exit_code, explanation
from alsek.cli.importing.discovery import find
from alsek.core.loggers import exits_caught, guarded_logger

_FORMAT = "%(asctime)s %(levelname)-7s [%(process)d %(threadName)s] %(name)s: %(message)s"


class Pool(Protocol):
    """A pool of any kind."""

    def run(self) -> None:
        """Serve until told to stop."""


def run_pool(target: str, log_level: str, kind: Callable[..., Pool], settings: Mapping[str, Any]) -> None:
    """Find the tasks and hooks of `target`, make a pool of them, and run it. Exits the process if that fails."""
    logging.basicConfig(level=log_level.upper(), format=_FORMAT, stream=sys.stderr)
    # A user's own scheduler would log a line at each tick.
    apscheduler = logging.getLogger("apscheduler")  # noqa: TID251  it is another's logger
    apscheduler.setLevel(max(logging.WARNING, logging.root.level))
    log = guarded_logger("alsek.cli")
    try:
        found = find(target)
        pool = kind(
            found.tasks,
            on_worker_start=[hook for hook in found.hooks if hook.when == "start"],
            on_worker_stop=[hook for hook in found.hooks if hook.when == "stop"],
            **settings,
        )
        with exits_caught():  # nothing but a log handler raises here
            log.info("Tasks: %s.", ", ".join(sorted(task.name for task in found.tasks)))
        _leave_on_signals()
        pool.run()
    except EXPLAINED as error:
        click.echo(explanation(error), err=True)
        sys.exit(exit_code(error))
    _ignore_signals()
    with exits_caught():
        log.info("Stopped.")


def _leave_on_signals() -> None:
    """Exit at once with code 0 on a signal before or after the pool handles signals: it holds no messages."""

    def leave(*_: object) -> NoReturn:
        _ignore_signals()
        sys.exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)


def _ignore_signals() -> None:
    """Ignore signals while the interpreter shuts down, so that the exit code is 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
