"""The options that every pool's command has, spelled with ``_`` as in the documentation and also with ``-``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from alsek.defaults import (
    DEFAULT_LEASE,
    DEFAULT_MAX_LOSSES,
    DEFAULT_SHUTDOWN_TIMEOUT,
    DEFAULT_SLOT_WAIT_INTERVAL,
)

F = TypeVar("F", bound=Callable[..., Any])

LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def option(name: str, *short: str, **settings: Any) -> Callable[[F], F]:
    """An option named `name` (with underscores), also spelled with dashes; its default is shown in the help."""
    spellings = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
    settings.setdefault("show_default", True)
    return click.option(*short, *spellings, name, **settings)


def _names(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    if value is None:
        return None
    names = [name.strip() for name in value.split(",")]
    if not all(names):
        raise click.BadParameter(f"{value!r}: names of queues, with a comma between each two")
    return names


_COMMON = [
    option(
        "queues",
        "-qu",
        metavar="A,B,…",
        callback=_names,
        show_default="all there are or will be, in alphabetical order",
        help="Take messages of these queues only, and drain them strictly in this order.",
    ),
    option(
        "slot_wait_interval",
        type=click.IntRange(min=1),
        default=DEFAULT_SLOT_WAIT_INTERVAL,
        metavar="MS",
        help="The longest wait while the pool is full. A task that finishes ends the wait at once.",
    ),
    option(
        "lease",
        type=click.IntRange(min=300),
        default=DEFAULT_LEASE,
        metavar="MS",
        help="How long messages stay with this pool if all of it dies at once; then others take them. It has nothing to"
        " do with how long a task may run.",
    ),
    option(
        "shutdown_timeout",
        type=click.IntRange(min=0),
        default=DEFAULT_SHUTDOWN_TIMEOUT,
        metavar="MS",
        help="How long running tasks may go on after the first SIGTERM or SIGINT. What still runs then is ended and"
        " given back, without counting as a retry. A second signal does that at once.",
    ),
    option(
        "max_losses",
        type=click.IntRange(min=0),
        default=DEFAULT_MAX_LOSSES,
        metavar="N",
        help="How many workers may be lost over a message before it goes to the dead letters.",
    ),
    option(
        "log_level",
        type=click.Choice(LOG_LEVELS, case_sensitive=False),
        default="INFO",
        envvar="ALSEK_LOG_LEVEL",
        show_envvar=True,
        help="How much to log, to stderr.",
    ),
]


def common_options(function: F) -> F:
    """Add what every pool's command has."""
    for add in reversed(_COMMON):
        function = add(function)
    return function
