"""A progress bar around a generator."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


def shown(items: AsyncGenerator[T, None], total: int, visible: bool) -> AsyncGenerator[T, None]:
    """`items`, with a progress bar on stderr if `visible`."""
    if not visible:
        return items
    return _with_bar(items, total)


async def _with_bar(items: AsyncGenerator[T, None], total: int) -> AsyncGenerator[T, None]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("results"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("results", total=total)
        async with aclosing(items):
            async for item in items:
                progress.advance(bar)
                yield item
