"""``alsek move``."""

from __future__ import annotations

import signal

import pytest

from alsek.cli.progress import Progress
from alsek.storage.backends.records import FOR_EVER, Worker
from alsek.storage.backends.sqlite import SQLiteBackend
from tests.unit.cli.conftest import Shell


def test_everything_is_moved(alsek: Shell) -> None:
    """Into a file that is made for it, and a namespace of its own; the last line says what that was."""
    waiting, dead = alsek.submit(), alsek.fail(ValueError("no"))
    said = alsek("move", "--from", "alsek.db", "--to", "other.db", "--to-namespace", "mine")
    assert (said.code, said.lines) == (0, ["1 messages, 1 dead letters moved"])
    other = SQLiteBackend(alsek.folder / "other.db", namespace="mine")
    assert other.messages.exists("q", waiting.uuid)
    assert other.messages.dead_letter("q", dead.uuid) is not None
    assert not alsek.broker.exists(waiting)
    again = alsek("move", "--from", "alsek.db", "--to", "other.db", "--to-namespace", "mine", "--json")
    assert again.code == 0
    assert again.json == {
        "moved": dict.fromkeys(("messages", "dead letters", "results", "statuses", "values", "schedules"), 0),
        "resumed": False,
        "left": [],
        "left_count": 0,
        "held": 0,
    }


def test_what_stays_is_named(alsek: Shell) -> None:
    """Exit code 1, and the reason; as JSON, too."""
    message = alsek.submit()
    assert alsek("move", "--from", "alsek.db", "--to", "other.db").code == 0
    alsek.broker.submit(message)
    command = ("move", "--from", "alsek.db", "--to", "other.db")
    said, as_json = alsek(*command), alsek(*command, "--json")
    assert said.code == as_json.code == 1
    assert f"left: messages: {message.uuid}: SQLite file" in said.out
    assert "a message of this uuid is stored there (ready)" in said.out
    assert "1 things were not moved" in said.err
    assert [(left["what"], left["key"]) for left in as_json.json["left"]] == [("messages", message.uuid)]
    assert "1 things were not moved" in as_json.json["error"]
    assert alsek.broker.exists(message)


def test_a_worker_at_work_is_named(alsek: Shell) -> None:
    """Nothing is moved then, exit code 1."""
    alsek.submit()
    alsek.backend.messages.register(Worker("consumer", "any", None, 3_600_000, FOR_EVER))
    said = alsek("move", "--from", "alsek.db", "--to", "other.db", "--json")
    assert said.code == 1
    assert "worker consumer is at work" in said.json["error"]


def test_the_same_store_is_refused(alsek: Shell) -> None:
    """Exit code 1, with a sentence."""
    alsek.submit()
    said = alsek("move", "--from", "alsek.db", "--to", str(alsek.store))
    assert said.code == 1
    assert "are the same store" in said.err


def test_a_source_that_is_not_there(alsek: Shell) -> None:
    """Exit code 1; and nothing is created."""
    said = alsek("move", "--from", "nothing.db", "--to", "other.db", "--json")
    assert said.code == 1
    assert "there is no store" in said.json["error"]
    assert not (alsek.folder / "nothing.db").exists()
    assert not (alsek.folder / "other.db").exists()


def test_both_stores_must_be_named(alsek: Shell) -> None:
    """Exit code 2; each has its variable."""
    said = alsek("move", "--from", "alsek.db")
    assert said.code == 2
    assert "--to" in said.err
    assert alsek("move", ALSEK_MOVE_FROM="alsek.db", ALSEK_MOVE_TO="other.db").code == 0


def test_an_interruption_ends_it_between_two_batches(alsek: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how far it came; the next run moves the rest."""
    monkeypatch.setattr("alsek.core.moving.move.BATCH", 2)
    for _ in range(5):
        alsek.submit()
    tell = Progress.show

    def interrupted(self: Progress, number: int) -> None:
        signal.raise_signal(signal.SIGINT)
        tell(self, number)

    monkeypatch.setattr(Progress, "show", interrupted)
    said = alsek("move", "--from", "alsek.db", "--to", "other.db", "--json")
    assert said.code == 1
    assert "interrupted: 2 messages moved; run it again to go on" in said.json["error"]
    assert said.json["moved"]["messages"] == 2
    monkeypatch.setattr(Progress, "show", tell)
    monkeypatch.setattr("alsek.core.moving.move.LEASE_MS", 1)
    rest = alsek("move", "--from", "alsek.db", "--to", "other.db", "--json")
    assert rest.code == 0
    assert (rest.json["resumed"], rest.json["moved"]["messages"]) == (True, 3)
