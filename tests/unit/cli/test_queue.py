"""``alsek queue``."""

from __future__ import annotations

import pytest

from alsek.core.consumer import Consumer
from tests.unit.cli.conftest import Shell


def test_a_purge_deletes_what_waits(alsek: Shell) -> None:
    """Ready and delayed messages go; what runs, dead letters and other queues stay."""
    alsek.fail(ValueError("no"))
    alsek.submit()
    with Consumer(alsek.broker, queues=["q"]) as consumer:
        next(consumer.stream())
        for _ in range(3):
            alsek.submit()
        alsek.submit(delay=60_000)
        alsek.submit(queue="other")
        said = alsek("queue", "purge", "q", "--yes", "--json")
        assert said.json == {"queue": "q", "purged": 4, "left": 1}
    assert alsek.backend.messages.count("other") == 1
    assert alsek.backend.messages.dead_count("q") == 1
    assert alsek("queue", "purge", "q", "-y").lines == ["purged 1 message of queue 'q'; left: 0"]


def test_a_purge_asks_first(alsek: Shell) -> None:
    """Without a terminal to ask on, it is wrong usage; nothing is deleted."""
    alsek.submit()
    said = alsek("queue", "purge", "q")
    assert said.code == 2
    assert "Delete up to 1 message of queue 'q'" in said.err
    assert "add --yes" in said.err
    assert alsek.backend.messages.count("q") == 1


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_unknown_queue_is_not_found(alsek: Shell, options: list[str]) -> None:
    """Exit code 1; the sentence says which and where."""
    said = alsek("queue", "purge", "nobody", "--yes", *options)
    assert said.code == 1
    assert "there is no queue 'nobody' in SQLite file" in said.err


def test_a_paused_queue_is_known_although_it_is_empty(alsek: Shell) -> None:
    """`alsek queue list` shows it, so a purge of it succeeds."""
    assert alsek("queue", "pause", "early").code == 0
    assert alsek("queue", "purge", "early", "--json").json == {"queue": "early", "purged": 0, "left": 0}


def test_an_unknown_command_is_wrong_usage(alsek: Shell) -> None:
    """At any level; as JSON, too."""
    for arguments in (["nothing"], ["queue", "nothing"], ["queue", "purge", "--nothing"], ["--nothing"]):
        said = alsek(*arguments, "--json")
        assert said.code == 2
        assert "nothing" in said.json["error"]


def test_a_name_that_no_queue_can_have_is_not_paused(alsek: Shell) -> None:
    """A pause of a mistyped name would hold up nothing, and nobody would know."""
    said = alsek("queue", "pause", "two words")
    assert said.code == 2
    assert said.err.startswith(
        "alsek: queue 'two words': must be text of 1 to 255 characters, without white space"
    )
    assert alsek("queue", "list", "--json").json == []
