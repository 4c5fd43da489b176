"""Draws ``docs/top.svg``, the picture of ``alsek top``: ``python -m tests.unit.cli.picture``."""

from __future__ import annotations

import io

from rich.console import Console

from alsek.cli.screens.live_screen import LiveScreen
from alsek.cli.screens.snapshot import Snapshot
from alsek.core.inspection.queues import QueueInfo
from alsek.core.inspection.workers import WorkerInfo
from tests.packaging.monorepo import ROOT

PICTURE = ROOT / "docs" / "top.svg"

_NOW = 1_800_000_000_000
_QUEUES = (
    QueueInfo("mail", 1_204, 12, 16, 3, False, 42_300, 38.4),
    QueueInfo("images", 96, 0, 8, 0, False, 5_900, 1.7),
    QueueInfo("reports", 14, 3, 0, 17, True, 912_000, 0.0, "ann@desk", _NOW - 700_000),
    QueueInfo("invoices", 0, 240, 0, 0, False, None, 0.2),
)
_TASKS = ("send_mail", "resize", "render_report", "bill", "remind")


def _worker(number: int, kind: str, busy: int, beat: int, queues: tuple[str, ...] | None) -> WorkerInfo:
    return WorkerInfo(
        f"w{number}",
        "thread" if kind == "thread" else "process",
        f"node-{number % 3}",
        4_100 + 37 * number,
        "0.2.0",
        queues,
        _TASKS,
        8,
        busy,
        _NOW - 3_600_000 * number - 120_000,
        _NOW - beat,
        (),
        _NOW - beat + 15_000,
        beat < 15_000,
    )


_WORKERS = (
    _worker(1, "thread", 8, 300, None),
    _worker(2, "thread", 8, 700, None),
    _worker(3, "process", 8, 400, ("images",)),
    _worker(4, "process", 0, 21_000, ("reports", "invoices")),
)


def picture() -> str:
    """The picture, as SVG."""
    console = Console(record=True, width=104, height=20, file=io.StringIO(), force_terminal=True)
    screen = LiveScreen(Snapshot("Redis at redis.internal:6379/0", "shop", _NOW, _QUEUES, _WORKERS, None))
    screen.move(2)
    console.print(screen.render(console))
    return console.export_svg(title="alsek top", unique_id="top")


if __name__ == "__main__":
    PICTURE.write_text(picture())
