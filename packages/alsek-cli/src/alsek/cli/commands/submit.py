"""``alsek submit``."""

from __future__ import annotations

import json as json_module
from typing import Any

import click

from alsek.cli.command_table import COMMANDS
from alsek.cli.options import option
from alsek.cli.store_options import json_option
from alsek.defaults import MAX_DURATION

_WITHOUT_END = ""


def _array(_: click.Context, __: click.Parameter, value: str | None) -> list[Any]:
    parsed = _parsed(value, "[]")
    if not isinstance(parsed, list):
        raise click.BadParameter(f"{value!r}: must be a JSON array, such as [1, 2]")
    return parsed


def _object(_: click.Context, __: click.Parameter, value: str | None) -> dict[str, Any]:
    parsed = _parsed(value, "{}")
    if not isinstance(parsed, dict):
        raise click.BadParameter(f'{value!r}: must be a JSON object, such as {{"a": 1}}')
    return parsed


def _milliseconds(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """Return how long to wait; None for not at all."""
    if value is None:
        return None
    if value == _WITHOUT_END:
        return MAX_DURATION
    if not (value.isdecimal() and int(value)):
        raise click.BadParameter(f"{value!r}: must be a number of milliseconds, or be left out")
    return min(int(value), MAX_DURATION)


def _parsed(value: str | None, default: str) -> Any:
    try:
        return json_module.loads(default if value is None else value)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{value!r} is no JSON: {error}") from error


@click.command("submit", short_help=COMMANDS["submit"].summary)
@click.argument("package")
@click.argument("task")
@option(
    "args", metavar="JSON", callback=_array, show_default="[]", help="Positional arguments: a JSON array."
)
@option(
    "kwargs", metavar="JSON", callback=_object, show_default="{}", help="Keyword arguments: a JSON object."
)
@option("delay", type=click.IntRange(min=0), metavar="MS", help="How long to wait before it may run.")
@option("queue", "-q", metavar="NAME", show_default="the task's", help="The queue to submit it to.")
@option(
    "wait",
    callback=_milliseconds,
    is_flag=False,
    flag_value=_WITHOUT_END,
    metavar="[MS]",
    help="Wait for the result, at most so long, and print it.",
)
@json_option
def submit(
    package: str,
    task: str,
    args: list[Any],
    kwargs: dict[str, Any],
    delay: int | None,
    queue: str | None,
    wait: int | None,
    json: bool,
) -> None:
    """Submit a message for TASK of PACKAGE, to the store of its broker, and print its uuid.

    If the task has a unique key that another message holds, that one's uuid is printed.

    PACKAGE is a module, a dotted path, a package, a file or a folder.

    \b
        alsek submit shop.tasks add --args '[1, 2]' --wait 5000
    """
    from alsek.cli.actions.submitting import submit_message, task_named, wait_for_result
    from alsek.cli.output import Output

    output = Output(json)
    found = task_named(package, task)
    if wait is not None and found.result_store is None:
        raise click.UsageError(f"task {task!r} has no result store: --wait would have nothing to wait for")
    try:
        message = submit_message(found, args, kwargs, delay, queue)
        facts: dict[str, Any] = {"uuid": message.uuid, "queue": message.queue, "task": message.task_name}
        if message.duplicate:
            facts["duplicate"] = True
            what = "replaced" if message.replaced else "not submitted again"
            click.echo(f"{what}: message {message.uuid} holds the unique key", err=True)
        if wait is None:
            if json:
                output.json(facts)
            else:
                output.line(message.uuid)
            return
        if not message.duplicate:
            click.echo(f"submitted {message.uuid}", err=True)
        result = wait_for_result(found, message, wait)
        output.json({**facts, "result": result} if json else result)
    finally:
        found.broker.backend.close()
