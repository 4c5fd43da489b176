"""``alsek thread-pool``."""

from __future__ import annotations

from typing import Any

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.options import common_options, number_option, option


@click.command("thread-pool", short_help=COMMANDS["thread-pool"].summary)
@click.argument("package", envvar="ALSEK_PACKAGE")
@number_option(
    "n_threads",
    help="Tasks at once in each group of threads; each group is a process.",
)
@number_option(
    "n_coroutines",
    help="async def tasks at once in each group, beside those in its threads.",
)
@number_option(
    "n_processes",
    show_default="one for each processor",
    help="The most groups. One starts at first; others while all are saturated and messages wait, and end when idle."
    " At most n_threads x n_processes tasks run at once, and n_coroutines x n_processes async def tasks.",
)
@option(
    "complete_only_on_thread_exit",
    is_flag=True,
    help="Count a slot as free only when its thread has ended, however long that takes. Otherwise a thread that does"
    " not end within a second of its timeout is abandoned and replaced.",
)
@number_option(
    "max_tasks_per_group",
    show_default="never",
    help="Replace a group by a fresh process after so many tasks.",
)
@number_option(
    "max_memory",
    show_default="never",
    help="Replace a group by a fresh process when it has grown larger than this.",
)
@common_options
def thread_pool(package: str, **settings: Any) -> None:
    """Run the tasks of PACKAGE in threads: up to n_processes groups, each a process with n_threads threads.

    PACKAGE is a module, a dotted path, a package (scanned recursively), a file or a folder. The working directory is
    importable. Takes messages of tasks with mechanism "thread", and of tasks that name none.
    """
    # Imported here, because the help text needs no pool.
    from alsek.cli.run_pool import run_pool
    from alsek.core.worker.thread import ThreadWorkerPool

    run_pool(package, ThreadWorkerPool, **settings)
