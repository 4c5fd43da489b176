"""``alsek schedule run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from alsek.cli.store_options import store_options

if TYPE_CHECKING:
    from alsek.cli.output import Output
    from alsek.cli.stores import Place


@click.command("run")
@click.argument("name")
@store_options
def run(name: str, place: Place, output: Output) -> None:
    """Submit one message of the schedule NAME now, apart from its ticks, and print its uuid.

    It works for a paused schedule, too. With --package, the middleware of the package's broker is called.
    """
    from alsek.cli.actions.schedules import run_once
    from alsek.cli.stores import opened

    with opened(place) as store:
        message = run_once(store, name)
    facts: dict[str, Any] = {"uuid": message.uuid, "queue": message.queue, "task": message.task_name}
    if message.duplicate:
        facts["duplicate"] = True
        what = "replaced" if message.replaced else "not submitted again"
        click.echo(f"{what}: message {message.uuid} holds the unique key", err=True)
    if output.as_json:
        output.json(facts)
    else:
        output.line(message.uuid)
