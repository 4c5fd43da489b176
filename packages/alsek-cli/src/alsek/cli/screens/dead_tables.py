"""Dead letters, and groups of them, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from alsek.cli.output import Column, Output
from alsek.cli.stores import Opened
from alsek.core.inspection.dead import DeadGroup, DeadInfo
from alsek.core.inspection.wording import counted, failed_with, span


def show_infos(output: Output, store: Opened, infos: Sequence[DeadInfo]) -> None:
    """Show dead letters, one a line."""
    if output.as_json:
        output.json(infos)
        return
    if not infos:
        output.line(f"no dead letters in {store.where}")
        return
    now = store.backend.messages.now()
    columns = (
        Column("uuid"),
        Column("queue", shrinks=True),
        Column("task", shrinks=True),
        Column("died", right=True, spare=1),
        Column("tries", right=True, spare=3),
        Column("fingerprint", spare=2),
        Column("failed with", shrinks=True, style="red"),
    )
    rows = [
        (
            info.uuid,
            info.queue,
            info.task or "?",
            f"{span(now - info.died_at)} ago",
            str(info.attempts),
            info.fingerprint,
            failed_with(info.exception, info.text),
        )
        for info in infos
    ]
    output.table(columns, rows)
    output.line(counted(len(infos), "dead letter"))


def show_groups(output: Output, store: Opened, groups: Sequence[DeadGroup]) -> None:
    """Show groups of dead letters, one a line."""
    if output.as_json:
        output.json(groups)
        return
    if not groups:
        output.line(f"no dead letters in {store.where}")
        return
    now = store.backend.messages.now()
    columns = (
        Column("count", right=True),
        Column("task", shrinks=True),
        Column("fingerprint"),
        Column("first", right=True, spare=2),
        Column("last", right=True, spare=1),
        Column("failed with", shrinks=True, style="red"),
        Column("for example", spare=3),
    )
    rows = [
        (
            f"{group.count:,}",
            group.task or "?",
            group.fingerprint,
            f"{span(now - group.first)} ago",
            f"{span(now - group.last)} ago",
            failed_with(group.exception, group.sample.text),
            group.sample.uuid,
        )
        for group in groups
    ]
    output.table(columns, rows)
    letters = counted(sum(group.count for group in groups), "dead letter")
    output.line(f"{letters} of {counted(len(groups), 'cause')}")
