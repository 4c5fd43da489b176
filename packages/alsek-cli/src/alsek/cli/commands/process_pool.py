"""``alsek process-pool``."""

from __future__ import annotations

from typing import Any

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.options import common_options, number_option


@click.command("process-pool", short_help=COMMANDS["process-pool"].summary)
@click.argument("package", envvar="ALSEK_PACKAGE")
@number_option(
    "n_processes",
    show_default="one for each processor",
    help="Tasks at once, each in a process of its own.",
)
@number_option(
    "tasks_per_process",
    help="How many tasks a process serves before it ends. More than one is faster, and isolates less.",
)
@number_option(
    "prune_interval",
    help="The longest the pool sleeps while tasks run. The end of a task ends the sleep at once.",
)
@common_options
def process_pool(package: str, **settings: Any) -> None:
    """Run the tasks of PACKAGE in processes: up to n_processes at once, each task in one of its own.

    PACKAGE is a module, a dotted path, a package (scanned recursively), a file or a folder. The working directory is
    importable. Takes messages of tasks with mechanism "process", and of tasks that name none.
    """
    # Imported here, because the help text needs no pool.
    from alsek.cli.run_pool import run_pool
    from alsek.core.worker.process import ProcessWorkerPool

    run_pool(package, ProcessWorkerPool, **settings)
