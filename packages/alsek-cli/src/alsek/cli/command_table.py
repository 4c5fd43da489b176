"""The commands of ``alsek``: the summary and the module of each, known without importing any."""

from __future__ import annotations

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """A command.

    Attributes:
        summary: What it does, in one line.
        source: Its module, and its name in that.
    """

    summary: str
    source: str


COMMANDS: Final = {
    "check": Entry("Look for what loses messages in a store.", "alsek.cli.commands.check:check"),
    "completion": Entry("Print a completion script for a shell.", "alsek.cli.commands.completion:completion"),
    "dashboard": Entry("Serve the dashboard for a browser.", "alsek.cli.commands.dashboard:dashboard"),
    "dead": Entry("List, show, replay and delete dead letters.", "alsek.cli.commands.dead.group:dead"),
    "move": Entry("Move everything to another store.", "alsek.cli.commands.move:move"),
    "process-pool": Entry("Run tasks in processes.", "alsek.cli.commands.process_pool:process_pool"),
    "queue": Entry("List, pause, resume and empty queues.", "alsek.cli.commands.queue:queue"),
    "revoke": Entry("Revoke messages.", "alsek.cli.commands.revoke:revoke"),
    "schedule": Entry(
        "List, pause, resume, remove and run schedules.", "alsek.cli.commands.schedule.group:schedule"
    ),
    "show": Entry("Show everything about one message.", "alsek.cli.commands.show:show"),
    "status": Entry("Show queues, workers, rates and dead letters.", "alsek.cli.commands.status:status"),
    "submit": Entry("Submit a message.", "alsek.cli.commands.submit:submit"),
    "thread-pool": Entry("Run tasks in threads.", "alsek.cli.commands.thread_pool:thread_pool"),
    "top": Entry("Show queues and workers live.", "alsek.cli.commands.top:top"),
    "why": Entry("Say why a message is not running.", "alsek.cli.commands.why:why"),
}
