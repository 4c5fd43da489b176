"""A progress bar around a generator of results, and one for each task that tells how far it is."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from alsek.core.lookup import uuid_of
from alsek.core.message import Message
from alsek.core.reporting.progress import progress_in
from alsek.exceptions import BackendError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import ReportRecord

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Given = TypeVar("Given", bound=Message | str)

#: How often tasks are asked how far they are.
_EVERY_S: Final = 0.5
#: Of so many messages at most, the first that are awaited.
_MOST_ASKED: Final = 200
#: The most bars of tasks.
_MOST_BARS: Final = 10
#: The longest text of a task beside its bar, in characters.
_MOST_TEXT: Final = 30


def shown(
    items: AsyncGenerator[tuple[Given, Any], None], messages: Sequence[Given], backend: Backend, visible: bool
) -> AsyncGenerator[tuple[Given, Any], None]:
    """`items`, with a progress bar on stderr if `visible`: of the results, and of each task that tells how far it is.

    Args:
        items: What was given, each with its result.
        messages: What was given.
        backend: The store of the results. Tasks are seen if it is that of their messages, too.
        visible: Whether to show anything.
    """
    if not visible:
        return items
    return _with_bars(items, messages, backend)


async def _with_bars(
    items: AsyncGenerator[tuple[Given, Any], None], messages: Sequence[Given], backend: Backend
) -> AsyncGenerator[tuple[Given, Any], None]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}", markup=False)
    columns = (text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("results", total=len(messages))
        awaited = dict.fromkeys(uuid_of(message) for message in messages)
        with _task_bars(progress, awaited, backend):
            async with aclosing(items):
                async for given, result in items:
                    awaited.pop(uuid_of(given), None)
                    progress.advance(bar)
                    yield given, result


@contextmanager
def _task_bars(progress: Progress, awaited: dict[str, None], backend: Backend) -> Generator[None]:
    """Show a bar for each awaited message whose task tells how far it is, from a thread of its own."""
    bars = TaskBars(progress, awaited, backend)
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_EVERY_S):
            bars.update()

    thread = threading.Thread(target=look, name="alsek-progress-bars", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        bars.clear()


class TaskBars:
    """The bars of running tasks.

    Args:
        progress: Where they are shown.
        awaited: The uuids of the messages whose results are missing. Another thread takes some out.
        backend: Where their reports are.
    """

    def __init__(self, progress: Progress, awaited: dict[str, None], backend: Backend) -> None:
        self._progress = progress
        self._awaited = awaited
        self._backend = backend
        self._bars: dict[str, TaskID] = {}
        self._lock = threading.Lock()
        self._ended = False

    def clear(self) -> None:
        """Remove the bars, and show none any more."""
        with self._lock:
            self._ended = True
            for bar in self._bars.values():
                self._progress.remove_task(bar)

    def update(self) -> None:
        """Read how far the tasks are, and show it. While the store does not answer, nothing changes."""
        asked = list(self._awaited.copy())[:_MOST_ASKED]
        try:
            records = self._backend.messages.reports(asked)
        except BackendError:  # who awaits the results meets it too
            return
        with self._lock:
            if not self._ended:
                self._show(records)

    def _show(self, records: Sequence[ReportRecord | None]) -> None:
        for uuid, bar in list(self._bars.items()):
            if uuid not in self._awaited:
                self._progress.remove_task(bar)
                del self._bars[uuid]
        for record in records:
            told = progress_in(record)
            if record is None or told is None or record.uuid not in self._awaited:
                continue
            if record.uuid not in self._bars:
                if len(self._bars) == _MOST_BARS:
                    continue
                self._bars[record.uuid] = self._progress.add_task("", total=told.total)
            text = told.text.replace("\n", " ")[:_MOST_TEXT] or record.uuid[:8]
            bar = self._bars[record.uuid]
            self._progress.update(bar, description=text, completed=told.current, total=told.total)
