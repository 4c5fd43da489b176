"""``alsek process-pool``."""

from __future__ import annotations

from typing import Any

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.options import common_options, option
from alsek.defaults import DEFAULT_PRUNE_INTERVAL


@click.command("process-pool", short_help=COMMANDS["process-pool"].summary)
@click.argument("package")
@option(
    "n_processes",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    show_default="one for each processor",
    help="Tasks at once, each in a process of its own.",
)
@option(
    "tasks_per_process",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="How many tasks a process serves before it ends. More than one is faster, and isolates less.",
)
@option(
    "prune_interval",
    type=click.IntRange(min=1),
    default=DEFAULT_PRUNE_INTERVAL,
    metavar="MS",
    help="The longest the pool sleeps while tasks run. The end of a task ends the sleep at once.",
)
@common_options
def process_pool(package: str, log_level: str, **settings: Any) -> None:
    """Run the tasks of PACKAGE in processes: up to n_processes at once, each task in one of its own.

    PACKAGE is a module, a dotted path, a package (scanned recursively), a file or a folder. The working directory is
    importable. Takes messages of tasks with mechanism "process", and of tasks that name none.
    """
    # Only now: a help text needs no pool.
    from alsek.cli.run_pool import run_pool
    from alsek.core.worker.process import ProcessWorkerPool

    run_pool(package, log_level, ProcessWorkerPool, settings)
