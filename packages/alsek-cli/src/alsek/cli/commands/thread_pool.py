"""``alsek thread-pool``."""

from __future__ import annotations

from typing import Any

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.options import common_options, option
from alsek.defaults import DEFAULT_N_THREADS


@click.command("thread-pool", short_help=COMMANDS["thread-pool"].summary)
@click.argument("package")
@option(
    "n_threads",
    type=click.IntRange(min=1),
    default=DEFAULT_N_THREADS,
    metavar="N",
    help="Tasks at once in each group of threads; each group is a process.",
)
@option(
    "n_processes",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    show_default="one for each processor",
    help="The most groups. One starts at first; others while all are saturated and messages wait, and end when idle."
    " At most n_threads x n_processes tasks run at once.",
)
@option(
    "complete_only_on_thread_exit",
    is_flag=True,
    help="Count a slot as free only when its thread has ended, however long that takes. Otherwise a thread that does"
    " not end within a second of its timeout is abandoned and replaced.",
)
@option(
    "max_tasks_per_group",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    show_default="never",
    help="Replace a group by a fresh process after so many tasks.",
)
@option(
    "max_memory",
    type=click.IntRange(min=1),
    default=None,
    metavar="MIB",
    show_default="never",
    help="Replace a group by a fresh process when it has grown larger than this.",
)
@common_options
def thread_pool(package: str, log_level: str, **settings: Any) -> None:
    """Run the tasks of PACKAGE in threads: up to n_processes groups, each a process with n_threads threads.

    PACKAGE is a module, a dotted path, a package (scanned recursively), a file or a folder. The working directory is
    importable. Takes messages of tasks with mechanism "thread", and of tasks that name none.
    """
    # Only now: a help text needs no pool.
    from alsek.cli.run_pool import run_pool
    from alsek.core.worker.thread import ThreadWorkerPool

    run_pool(package, log_level, ThreadWorkerPool, settings)
