"""Shows on a terminal how far a long command is."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn


class Progress:
    """A line with a number that grows; nothing at all if the stream is no terminal.

    Args:
        stream: Where it is shown.
        done: What happened to the things that are counted.
    """

    def __init__(self, stream: TextIO, done: str) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} " + done), TimeElapsedColumn())
        self._bar = Bar(*columns, console=Console(file=stream), transient=True, disable=not stream.isatty())
        self._task = self._bar.add_task("")

    def show(self, number: int) -> None:
        """Show this number."""
        self._bar.update(self._task, completed=number)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
