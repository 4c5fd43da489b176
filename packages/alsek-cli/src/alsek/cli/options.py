"""Options of commands, spelled with ``_`` as in the documentation and also with ``-``; and those of all pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from alsek.core.worker.pool_settings import NUMBERS

F = TypeVar("F", bound=Callable[..., Any])

LOG_FORMATS = ["text", "json"]
LOG_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


def option(name: str, *short: str, **settings: Any) -> Callable[[F], F]:
    """Declare an option named `name` (with underscores), also spelled with dashes.

    The help shows its default, and the environment variable that stands for it.
    """
    spellings = [f"--{name}"] + ([f"--{name.replace('_', '-')}"] if "_" in name else [])
    settings.setdefault("show_default", True)
    settings.setdefault("show_envvar", True)
    return click.option(*short, *spellings, name, **settings)


def number_option(name: str, **settings: Any) -> Callable[[F], F]:
    """Declare an option for a number in :mod:`~alsek.core.worker.pool_settings`, with its default and bound."""
    number = NUMBERS[name]
    return option(
        name,
        type=click.IntRange(min=number.least, max=number.most),
        default=number.default,
        metavar=number.unit,
        **settings,
    )


def _names(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    if value is None:
        return None
    names = [name.strip() for name in value.split(",")]
    if not all(names):
        raise click.BadParameter(f"{value!r}: must be names of queues, separated by commas")
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
    number_option(
        "slot_wait_interval",
        help="The longest wait while the pool is full. A task that finishes ends the wait at once.",
    ),
    number_option(
        "lease",
        help="How long messages stay with this pool if all of it dies at once; then others take them. It has nothing to"
        " do with how long a task may run.",
    ),
    number_option(
        "shutdown_timeout",
        help="How long running tasks may go on after the first SIGTERM or SIGINT. What still runs then is ended and"
        " given back, without counting as a retry. A second signal does that at once.",
    ),
    number_option(
        "max_losses",
        help="How many workers may be lost over a message before it goes to the dead letters.",
    ),
    option(
        "burst",
        is_flag=True,
        help="End when nothing is ready for this pool and nothing runs, with exit code 0. Delayed messages, retries"
        " among them, do not keep it.",
    ),
    option(
        "unknown_tasks",
        type=click.Choice(["fail", "wait"]),
        default="fail",
        help="What becomes of a message whose task neither this pool nor any other live worker has: it fails, or waits"
        " for a worker that has it, as when a new version is rolled out.",
    ),
    option(
        "metrics_port",
        metavar="PORT",
        help="Serve metrics for Prometheus on this port, at /metrics. 0 for any free port; HOST:PORT for one interface."
        " Needs alsek-cli[metrics].",
    ),
    option(
        "health_port",
        metavar="PORT",
        help="Serve health on this port: /live and /ready answer 200, or 503 with the reason. 0 and HOST:PORT as with"
        " metrics.",
    ),
    option(
        "log_level",
        type=click.Choice(LOG_LEVELS, case_sensitive=False),
        default="INFO",
        envvar="ALSEK_LOG_LEVEL",
        help="How much to log, to stderr.",
    ),
    option(
        "log_format",
        type=click.Choice(LOG_FORMATS, case_sensitive=False),
        default="text",
        envvar="ALSEK_LOG_FORMAT",
        help="How to log: lines of text, or one JSON object a line.",
    ),
    option(
        "reload",
        is_flag=True,
        help="Start the pool again when Python files of PACKAGE change; running tasks finish first. For development;"
        " needs alsek-cli[reload].",
    ),
]


def common_options(function: F) -> F:
    """Add the options that the commands of all pools have."""
    for add in reversed(_COMMON):
        function = add(function)
    return function
