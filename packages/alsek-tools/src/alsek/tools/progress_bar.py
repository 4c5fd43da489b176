"""A progress bar around an iterator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


def shown(items: Iterator[T], total: int, visible: bool) -> Iterator[T]:
    """`items`, with a progress bar on stderr if `visible`."""
    if not visible:
        return items
    return _with_bar(items, total)


def _with_bar(items: Iterator[T], total: int) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("results"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("results", total=total)
        for item in items:
            progress.advance(bar)
            yield item
