"""All changes, by the names that forms give them."""

from __future__ import annotations

from typing import Final

from alsek.dashboard.changes import dead_letters, others
from alsek.dashboard.changes.change import Change

CHANGES: Final[dict[str, Change]] = {
    "dead.replay": Change(dead_letters.replay),
    "dead.purge": Change(dead_letters.purge, dead_letters.purge_question),
    "message.revoke": Change(others.revoke, others.revoke_question),
    "queue.pause": Change(others.pause_queue),
    "queue.resume": Change(others.resume_queue),
    "schedule.pause": Change(others.pause_schedule),
    "schedule.remove": Change(others.remove_schedule, others.remove_question),
    "schedule.resume": Change(others.resume_schedule),
    "schedule.run": Change(others.run_schedule),
}
