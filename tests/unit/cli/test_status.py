"""``alsek status``, ``alsek queue list``, ``pause`` and ``resume``."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from alsek.cli.screens import snapshot as snapshots
from alsek.cli.screens.snapshot import take
from alsek.cli.screens.status_screen import status_parts
from alsek.core.consumer import Consumer
from alsek.core.inspection.inspector import Inspector
from alsek.storage.backends.records import QueueTally
from tests.unit.cli.conftest import Shell


def test_the_status_shows_queues_workers_and_dead_letters(alsek: Shell) -> None:
    """What there is of each, and the sums; JSON has the infos of the inspector."""
    for queue in ("a", "b", "b"):
        alsek.submit(queue=queue)
    alsek.submit(queue="b", delay=60_000)
    alsek.fail(ValueError("no such [red]thing"), "pay", "a")
    with Consumer(alsek.broker, queues=["b"]) as consumer:
        next(consumer.stream())
        said = alsek("status")
        document = alsek("status", "--json").json
    assert said.code == 0
    assert said.lines[1] == "2 ready, 1 delayed, 1 running, 1 dead; 0.0 ended/s"
    assert said.lines[2].startswith("1 live worker, ")
    rows = [line.split() for line in said.lines]
    assert ["a", "1", "0", "0", "1"] in [row[:5] for row in rows]
    assert ["b", "1", "1", "1", "0"] in [row[:5] for row in rows]
    assert "ValueError: no such [red]thing" in said.out
    assert [queue["name"] for queue in document["queues"]] == ["a", "b"]
    assert (document["ready"], document["delayed"], document["running"], document["dead"]) == (2, 1, 1, 1)
    assert document["workers"][0]["kind"] == "any"
    assert document["causes"][0]["count"] == 1
    assert alsek("queue", "list", "--json").json == document["queues"] or len(document["queues"]) == 2


def test_an_empty_store_has_a_status(alsek: Shell) -> None:
    """No queue and no worker is no failure."""
    said = alsek("status")
    assert said.code == 0
    assert said.lines[1].startswith("0 ready, 0 delayed, 0 running, 0 dead")
    assert alsek("queue", "list").lines == [f"no queues in {alsek.backend.describe()}"]
    assert alsek("queue", "list", "--json").json == []


def test_dead_letters_in_too_many_queues_are_not_read_for_their_causes(
    alsek: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each queue is a trip to the store: the status names the command that does it."""
    monkeypatch.setattr(snapshots, "MOST_QUEUES_READ", 1)
    alsek.fail(ValueError("no"))
    assert "ValueError" in alsek("status").out
    alsek.fail(ValueError("no"), queue="other")
    said = alsek("status")
    assert "ValueError" not in said.out
    assert said.lines[-1] == "Dead letters by cause: alsek dead list --group"
    assert alsek("status", "--json").json["causes"] is None


@pytest.mark.parametrize("height", [24, 40])
def test_the_status_fits_on_the_screen(alsek: Shell, height: int) -> None:
    """Of many queues, those with the most to do are shown, and how many others there are."""
    for number in range(60):
        alsek.submit(queue=f"q{number:02}")
        alsek.fail(ValueError("no"), f"task{number}")
    alsek.submit(queue="q59")
    snapshot = take(Inspector(alsek.broker), causes=True)
    console = Console(file=io.StringIO(), width=100, height=height, force_terminal=True)
    with console.capture() as captured:
        console.print(*status_parts(snapshot, height), sep="\n")
    lines = captured.get().splitlines()
    assert len(lines) < height
    assert "… and" in captured.get()
    shown = [line for line in lines if "q59" in line]
    assert len(shown) == 1


def test_a_queue_is_paused_and_resumed(alsek: Shell) -> None:
    """Who pauses it is shown; nothing is handed out meanwhile. What is done already is said, too."""
    alsek.submit(queue="a")
    said = alsek("queue", "pause", "a", "--by", "ann")
    assert said.lines == ["paused queue 'a'; waiting in it: 1"]
    assert "paused by ann" in alsek("queue", "list").out
    said = alsek("queue", "pause", "a", "--json")
    assert (said.code, said.json["changed"], said.json["by"]) == (0, False, "ann")
    assert "paused already, by ann" in alsek("queue", "pause", "a").out
    assert alsek("queue", "resume", "a").lines == ["resumed queue 'a'"]
    said = alsek("queue", "resume", "a", "--json")
    assert said.code == 1
    assert "queue 'a' is not paused in" in said.json["error"]


def test_a_queue_may_be_paused_before_it_holds_anything(alsek: Shell) -> None:
    """By whoever calls, if nobody else is named."""
    said = alsek("queue", "pause", "later", "--json")
    assert said.json["changed"] is True
    assert "@" in said.json["by"]
    assert [queue["name"] for queue in alsek("queue", "list", "--json").json] == ["later"]


def test_what_waits_is_counted_where_there_is_any(alsek: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column more, in the screen and in the list; JSON has the number always."""
    alsek.submit(queue="a")
    assert "waiting" not in alsek("status").out
    assert alsek("status", "--json").json["waiting"] == 0
    port = type(alsek.backend.messages)
    usual = port.tallies

    def tallies(messages: Any, queues: Sequence[str] | None = None) -> list[QueueTally]:
        return [tally._replace(waiting=1_204) for tally in usual(messages, queues)]

    monkeypatch.setattr(port, "tallies", tallies)
    said = alsek("status")
    assert "1 ready, 0 delayed, 1,204 waiting, 0 running" in said.out
    for text in (said.out, alsek("queue", "list").out):
        rows = [line.split() for line in text.splitlines()]
        assert ["queue", "ready", "delayed", "waiting", "running", "dead"] in [row[:6] for row in rows]
        assert ["a", "1", "0", "1,204", "0", "0"] in [row[:6] for row in rows]
    assert alsek("queue", "list", "--json").json[0]["waiting"] == 1_204
    assert alsek("queue", "pause", "a").lines == ["paused queue 'a'; waiting in it: 1,205"]
