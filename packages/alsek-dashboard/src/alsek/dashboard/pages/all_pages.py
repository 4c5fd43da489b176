"""All pages, by name, and those that the menu names."""

from __future__ import annotations

from typing import Final

from alsek.dashboard.pages import dead, groups, limits, message, overview, queues, schedules, workers
from alsek.dashboard.pages.page import Page

MENU: Final[tuple[Page, ...]] = (
    overview.PAGE,
    queues.ALL,
    dead.PAGE,
    workers.PAGE,
    schedules.ALL,
    limits.PAGE,
    groups.ALL,
)
PAGES: Final[dict[str, Page]] = {
    page.name: page for page in (*MENU, queues.ONE, message.PAGE, schedules.ONE, groups.ONE)
}
