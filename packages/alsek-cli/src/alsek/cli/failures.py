"""What a command says and exits with if it fails: a sentence on stderr and, with ``--json``, JSON on stdout as well."""

from __future__ import annotations

import sys
from typing import Final

import click

from alsek.cli.importing import module as importing
from alsek.cli.importing.module import ModuleImportError, NameTakenError, NothingToImportError
from alsek.cli.json_output import show_json
from alsek.core.failure import describe_failure
from alsek.exceptions import (
    AlsekError,
    BackendUnavailableError,
    NoTasksFoundError,
    TaskDefinitionError,
    ValidationError,
)

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NO_STORE: Final = 3

_INTERRUPTED: Final = "interrupted"


class NotFoundError(AlsekError):
    """What a command was asked for is not there: a message, a queue, a file."""


class PackageMissingError(AlsekError):
    """A package of Alsek that a store needs is not installed."""


class PartlyDoneError(AlsekError):
    """A command came to an end with a part of its work undone.

    Args:
        text: What was done and what was not.
        facts: The same for JSON, beside the text.
        code: The exit code.
    """

    def __init__(self, text: str, facts: dict[str, object], code: int = EXIT_FAILED) -> None:
        super().__init__(text)
        self.facts = facts
        self.code = code


_CODES: Final = {
    ModuleImportError: EXIT_USAGE,
    NameTakenError: EXIT_USAGE,
    NothingToImportError: EXIT_USAGE,
    NoTasksFoundError: EXIT_USAGE,
    PackageMissingError: EXIT_USAGE,
    TaskDefinitionError: EXIT_USAGE,
    ValidationError: EXIT_USAGE,
    BackendUnavailableError: EXIT_NO_STORE,
    AlsekError: EXIT_FAILED,
}

#: The failures that a sentence explains. All others are mistakes of Alsek's, and end with a traceback.
EXPLAINED: Final = tuple(_CODES)


def explanation(error: BaseException) -> str:
    """Return the sentence for one of :data:`EXPLAINED`; before it, if a user's module failed, its traceback."""
    cause = error.__cause__
    if not isinstance(error, ModuleImportError) or cause is None:
        return f"alsek: {error}"
    return f"{describe_failure(_without_importer(cause))['traceback']}alsek: {error}"


def exit_code(error: BaseException) -> int:
    """Return the exit code for one of :data:`EXPLAINED`."""
    if isinstance(error, PartlyDoneError):
        return error.code
    return next(code for kind, code in _CODES.items() if isinstance(error, kind))


def tell(error: BaseException, as_json: bool) -> None:
    """Say why a command failed. Exits if a sentence explains it; otherwise the caller raises the error on.

    Args:
        error: What ended the command.
        as_json: Say it on stdout as JSON, too.
    """
    if isinstance(error, EXPLAINED):
        if as_json:
            facts = error.facts if isinstance(error, PartlyDoneError) else {}
            show_json({"error": str(error), **facts})
        click.echo(explanation(error), err=True)
        sys.exit(exit_code(error))
    if isinstance(error, KeyboardInterrupt):
        if as_json:
            show_json({"error": _INTERRUPTED})
        click.echo(f"alsek: {_INTERRUPTED}", err=True)
        sys.exit(EXIT_FAILED)
    if not as_json or isinstance(error, OSError):  # such as the end of the pipe that stdout is
        return
    if isinstance(error, click.ClickException):  # click itself writes to stderr
        show_json({"error": error.format_message()})
    elif isinstance(error, click.Abort):
        show_json({"error": _INTERRUPTED})
    else:
        show_json({"error": f"{type(error).__name__}: {error}"})


def _without_importer(error: BaseException) -> BaseException:
    """Return the exception with a traceback that begins in the user's file."""
    trace = error.__traceback__
    while trace is not None and (
        trace.tb_frame.f_code.co_filename == importing.__file__
        or "importlib" in trace.tb_frame.f_code.co_filename
    ):
        trace = trace.tb_next
    return error.with_traceback(trace)
