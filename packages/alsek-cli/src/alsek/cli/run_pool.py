"""Runs a pool from the arguments of a command. Each failure has a text and an exit code."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Protocol

import click

from alsek.cli.importing import module as importing
from alsek.cli.importing.discovery import find
from alsek.cli.importing.module import ModuleImportError, NameTakenError, NothingToImportError
from alsek.core.failure import describe_failure
from alsek.core.loggers import exits_caught, guarded_logger
from alsek.exceptions import (
    AlsekError,
    BackendUnavailableError,
    NoTasksFoundError,
    TaskDefinitionError,
    ValidationError,
)

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_STORE = 3

_USAGE = (NameTakenError, NothingToImportError, NoTasksFoundError, TaskDefinitionError, ValidationError)

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
    except ModuleImportError as error:
        cause = error.__cause__
        assert cause is not None
        click.echo(describe_failure(_without_importer(cause))["traceback"], err=True, nl=False)
        _exit(EXIT_USAGE, str(error))
    except _USAGE as error:
        _exit(EXIT_USAGE, str(error))
    except BackendUnavailableError as error:
        _exit(EXIT_NO_STORE, str(error))
    except AlsekError as error:
        _exit(EXIT_FAILED, str(error))
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


def _without_importer(error: BaseException) -> BaseException:
    """Return the exception with a traceback that begins in the user's file."""
    trace = error.__traceback__
    while trace is not None and (
        trace.tb_frame.f_code.co_filename == importing.__file__
        or "importlib" in trace.tb_frame.f_code.co_filename
    ):
        trace = trace.tb_next
    return error.with_traceback(trace)


def _exit(code: int, text: str) -> NoReturn:
    click.echo(f"alsek: {text}", err=True)
    sys.exit(code)
