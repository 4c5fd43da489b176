"""The settings of pools, declared once: from here come the bounds of the arguments and the options of the commands.

Imports nothing but the defaults, because the help text of a command needs no pool.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from alsek.defaults import (
    DEFAULT_LEASE,
    DEFAULT_MAX_LOSSES,
    DEFAULT_N_COROUTINES,
    DEFAULT_N_THREADS,
    DEFAULT_PRUNE_INTERVAL,
    DEFAULT_SHUTDOWN_TIMEOUT,
    DEFAULT_SLOT_WAIT_INTERVAL,
)


class NumberSetting(NamedTuple):
    """A setting that is a whole number.

    Attributes:
        default: The value if none is given; None stands for no limit, or for a value that the pool finds out.
        least: The smallest value that is allowed.
        unit: What is counted, as the help text of a command shows it.
        most: The largest value that is allowed; None for no bound.
    """

    default: int | None
    least: int
    unit: str = "N"
    most: int | None = None


NUMBERS: Final = {
    "n_threads": NumberSetting(DEFAULT_N_THREADS, 1),
    "n_coroutines": NumberSetting(DEFAULT_N_COROUTINES, 1, most=100_000),
    "n_processes": NumberSetting(None, 1),
    "prune_interval": NumberSetting(DEFAULT_PRUNE_INTERVAL, 1, "MS"),
    "tasks_per_process": NumberSetting(1, 1),
    "slot_wait_interval": NumberSetting(DEFAULT_SLOT_WAIT_INTERVAL, 1, "MS"),
    "lease": NumberSetting(DEFAULT_LEASE, 300, "MS"),
    "shutdown_timeout": NumberSetting(DEFAULT_SHUTDOWN_TIMEOUT, 0, "MS"),
    "max_losses": NumberSetting(DEFAULT_MAX_LOSSES, 0),
    "max_tasks_per_group": NumberSetting(None, 1),
    "max_memory": NumberSetting(None, 1, "MIB"),
}
