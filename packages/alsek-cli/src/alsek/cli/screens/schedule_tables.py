"""Schedules as a table, and one as a sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alsek.cli.output import Column, Output
from alsek.core.inspection.plain import to_json
from alsek.core.inspection.schedules import ScheduleInfo
from alsek.core.inspection.wording import coming, past, span

_COLUMNS = (
    Column("schedule", shrinks=True),
    Column("task", shrinks=True),
    Column("trigger", shrinks=True),
    Column("next", right=True),
    Column("last", right=True, spare=1),
    Column("missed", spare=2),
    Column("", shrinks=True, style="yellow"),
)
_UNREADABLE = "?"


def show_schedules(output: Output, infos: Sequence[ScheduleInfo], now: int, where: str) -> None:
    """Show schedules, one a line.

    Args:
        output: Where.
        infos: The schedules.
        now: The time on the store's clock.
        where: The store, for people.
    """
    if output.as_json:
        output.json(infos)
    elif not infos:
        output.line(f"no schedules in {where}")
    else:
        output.table(_COLUMNS, [_row(info, now) for info in infos])


def _row(info: ScheduleInfo, now: int) -> tuple[str, ...]:
    if info.next_at is None:
        next_at = "never"
    elif info.next_at > now:
        next_at = f"in {span(info.next_at - now)}"
    else:
        next_at = f"{span(now - info.next_at)} ago"
    return (
        info.name,
        info.task or _UNREADABLE,
        info.trigger or _UNREADABLE,
        next_at,
        "" if info.last_at is None else f"{span(now - info.last_at)} ago",
        info.missed or _UNREADABLE,
        ", ".join(_marks(info)),
    )


def _marks(info: ScheduleInfo) -> Iterator[str]:
    if info.paused:
        yield f"paused by {info.paused_by}"
    if info.orphaned:
        yield "orphaned"
    if info.overdue:
        yield "overdue"


def show_schedule(output: Output, info: ScheduleInfo, now: int) -> None:
    """Show everything about one schedule; `now` on the store's clock."""
    if output.as_json:
        output.json(info)
        return
    for name, text in _rows(info, now):
        output.line(f"{name:16}{text}", "yellow" if name in ("paused", "orphaned", "overdue") else None)


def _rows(info: ScheduleInfo, now: int) -> Iterator[tuple[str, str]]:
    yield "schedule", info.name
    if info.task is None:
        yield "unreadable", "a newer version of Alsek has written it"
    else:
        yield "task", info.task
    if info.queue is not None:
        yield "queue", info.queue
    if info.args:
        yield "arguments", to_json(info.args)
    if info.kwargs:
        yield "" if info.args else "arguments", to_json(info.kwargs)
    if info.trigger is not None:
        yield "trigger", info.trigger
    if info.missed is not None:
        yield "missed ticks", {"latest": "the last one", "all": "all of them", "skip": "none"}[info.missed]
    yield "declared", "by the code of its task" if info.declared else "no: stored by a program"
    if info.next_at is None:
        yield "next", "never: it has no tick left"
    else:
        yield "next", coming(info.next_at, now) if info.next_at > now else past(info.next_at, now)
    if info.last_at is not None:
        yield "last", f"{past(info.last_at, now)}, message {info.last_uuid}"
    if info.paused_since is not None:
        yield "paused", f"by {info.paused_by}, {past(info.paused_since, now)}"
    if info.orphaned:
        yield "orphaned", "no pool that runs has code that declares it, so it is not fired"
    if info.overdue:
        yield "overdue", "no pool has fired it: a pool does if it runs on this store and has APScheduler"
