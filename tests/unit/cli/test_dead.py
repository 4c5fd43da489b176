"""``alsek dead``."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.exceptions import BackendUnavailableError, MessageNotUniqueError
from alsek.storage.backends.records import Submission
from tests.unit.cli.conftest import Shell


def _pay(customer: int) -> None:
    raise KeyError(customer)


def _raised(customer: int) -> KeyError:
    try:
        _pay(customer)
    except KeyError as error:
        return error
    raise AssertionError


@pytest.fixture
def dead(alsek: Shell) -> list[Message]:
    """Dead letters of three causes over two queues, oldest first in each."""
    return [
        *(alsek.fail(_raised(number), "pay", "a", args=[number]) for number in range(3)),
        alsek.fail(ValueError("no such page"), "crawl", "b"),
        alsek.fail(ValueError("no such page"), "index", "b"),
    ]


def _uuids(said: Any) -> list[str]:
    return [info["uuid"] for info in said.json]


def _left(alsek: Shell) -> int:
    return sum(alsek.backend.messages.dead_count(queue) for queue in ("a", "b"))


def test_the_list_shows_each_with_its_failure(alsek: Shell, dead: list[Message]) -> None:
    """One line for each, queue by queue; JSON has an array of all that is known of them."""
    said = alsek("dead", "list")
    assert said.code == 0
    assert [line.split()[0] for line in said.lines] == ["uuid", *(each.uuid for each in dead), "5"]
    assert "KeyError: 1" in said.lines[2]
    assert said.lines[-1] == "5 dead letters"
    assert _uuids(alsek("dead", "list", "--json")) == [each.uuid for each in dead]


@pytest.mark.parametrize(
    ("options", "places"),
    [
        (["--queue", "a"], [0, 1, 2]),
        (["--task", "index"], [4]),
        (["--exception", "ValueError"], [3, 4]),
        (["--since", "1h"], [0, 1, 2, 3, 4]),
        (["--limit", "2"], [0, 1]),
        (["--queue", "b", "--task", "crawl"], [3]),
        (["--task", "nothing"], []),
    ],
)
def test_the_list_can_be_narrowed(
    alsek: Shell, dead: list[Message], options: list[str], places: list[int]
) -> None:
    """By queue, task, exception, age and number; several narrow it further."""
    assert _uuids(alsek("dead", "list", "--json", *options)) == [dead[place].uuid for place in places]


def test_failures_of_one_cause_are_one_line(alsek: Shell, dead: list[Message]) -> None:
    """The most frequent first; by its fingerprint, its dead letters can be chosen."""
    groups = alsek("dead", "list", "--group", "--json").json
    assert (groups[0]["task"], groups[0]["exception"], groups[0]["count"]) == ("pay", "KeyError", 3)
    assert {(group["task"], group["count"]) for group in groups[1:]} == {("crawl", 1), ("index", 1)}
    fingerprint = groups[0]["fingerprint"]
    assert _uuids(alsek("dead", "list", "--json", "-f", fingerprint)) == [each.uuid for each in dead[:3]]
    said = alsek("dead", "list", "--group")
    assert said.lines[1].split()[:3] == ["3", "pay", fingerprint]
    assert said.lines[-1] == "5 dead letters of 3 causes"


def test_one_is_shown_with_its_traceback(alsek: Shell, dead: list[Message]) -> None:
    """Arguments, times and the traceback; the same as JSON."""
    said = alsek("dead", "show", dead[1].uuid)
    assert said.code == 0
    assert "arguments       [1]" in said.lines
    assert "    raise KeyError(customer)" in said.lines
    assert alsek("dead", "show", dead[1].uuid, "--json").json["args"] == [1]


def test_what_is_no_dead_letter_is_not_found(alsek: Shell) -> None:
    """Exit code 1; if it is a message that waits, the sentence says so."""
    waiting = alsek.submit(queue="a")
    for command in (["show"], ["replay"], ["purge", "--yes"]):
        said = alsek("dead", *command, waiting.uuid, "--json")
        assert said.code == 1
        assert f"there is no dead letter {waiting.uuid!r}" in said.json["error"]
        assert "it is a message of queue 'a' (ready)" in said.err


def test_a_dry_run_changes_nothing(alsek: Shell, dead: list[Message]) -> None:
    """It says how many of which cause would be replayed or deleted."""
    said = alsek("dead", "replay", "--all", "--dry-run")
    assert said.lines[1].split()[:2] == ["pay", "KeyError"]
    assert said.lines[-1] == "5 dead letters would be replayed; nothing was changed"
    said = alsek("dead", "purge", "-t", "pay", "--dry-run", "--json")
    assert said.json["would_be_purged"] == 3
    assert [(group["task"], group["count"]) for group in said.json["groups"]] == [("pay", 3)]
    assert _left(alsek) == 5


def test_a_choice_is_replayed(alsek: Shell, dead: list[Message]) -> None:
    """The others stay; what is replayed is as it was submitted, arguments included."""
    said = alsek("dead", "replay", "--exception", "KeyError", "--limit", "2", "--json")
    assert said.json == {"replayed": 2, "skipped": 0}
    assert _left(alsek) == 3
    assert alsek.broker.sync_from_backend(dead[1]).args == (1,)
    assert alsek("dead", "replay", dead[3].uuid, dead[4].uuid).lines == ["replayed 2 dead letters"]
    assert alsek("dead", "replay", "--all").lines == ["replayed 1 dead letter"]
    assert _left(alsek) == 0


def test_a_choice_is_deleted(alsek: Shell, dead: list[Message]) -> None:
    """Only with --yes where nobody can be asked."""
    said = alsek("dead", "purge", "--task", "pay")
    assert said.code == 2
    assert "Delete 3 dead letters" in said.err
    assert _left(alsek) == 5
    assert alsek("dead", "purge", "--task", "pay", "--yes", "--json").json == {"purged": 3}
    assert alsek("dead", "purge", dead[4].uuid, "-y").lines == ["purged 1 dead letter"]
    assert _left(alsek) == 1


@pytest.mark.parametrize("command", ["replay", "purge"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "say which dead letters are meant"),
        (["--limit", "3"], "say which dead letters are meant"),
        (["one", "--all"], "not both"),
        (["one", "--task", "pay"], "not both"),
        (["--since", "soon"], "'soon' is no duration"),
        (["--limit", "0"], "--limit"),
    ],
)
def test_a_choice_that_is_none_is_wrong_usage(
    alsek: Shell, dead: list[Message], command: str, options: list[str], said: str
) -> None:
    """Nothing is replayed or deleted by mistake."""
    told = alsek("dead", command, *options)
    assert told.code == 2
    assert said in told.err
    assert _left(alsek) == len(dead)


def test_a_replay_that_fails_again_is_not_replayed_again(
    alsek: Shell, dead: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What dies while the command runs is left, in whatever queue: it always ends."""
    broker_type: Any = type(alsek.broker)
    usual = broker_type.replay
    clock = alsek.backend.messages.now() + 5

    def now_of(_: Any) -> int:
        return clock

    monkeypatch.setattr("alsek.cli.commands.dead.choice.now_of", now_of)

    def replay(broker: Any, message: Message) -> None:
        usual(broker, message)
        broker.fail(Message(message.task_name, queue=message.queue, uuid=message.uuid), ValueError("again"))
        if message.queue == "a":
            alsek.fail(ValueError("new"), queue="b")

    monkeypatch.setattr(broker_type, "replay", replay)
    while alsek.backend.messages.now() <= clock:
        pass
    assert alsek("dead", "replay", "--all", "--json").json == {"replayed": 5, "skipped": 0}
    assert _left(alsek) == 8


def _stopping_after(number: int, error: BaseException | None) -> Any:
    """A replay that sends SIGINT to this process, or raises, once it was called so often."""
    usual = Broker.replay
    calls = iter(range(1, 1_000))

    def replay(broker: Broker, message: Message) -> None:
        call = next(calls)
        if call > number and error is not None:
            raise error
        usual(broker, message)
        if call == number and error is None:
            os.kill(os.getpid(), signal.SIGINT)

    return replay


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (None, 1, "interrupted after 2 dead letters were replayed; the others are as they were"),
        (BackendUnavailableError("it is away."), 3, "it is away. (2 dead letters were replayed before)"),
    ],
    ids=["interrupted", "store away"],
)
def test_a_replay_that_ends_early_says_how_far_it_came(
    alsek: Shell,
    dead: list[Message],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException | None,
    code: int,
    said: str,
) -> None:
    """An interruption waits for the present one, so the number is exact; the same command goes on with the others."""
    with monkeypatch.context() as patched:
        patched.setattr("alsek.core.broker.Broker.replay", _stopping_after(2, error))
        told = alsek("dead", "replay", "--all", "--json")
    assert told.code == code
    assert told.json == {"error": said, "replayed": 2}
    assert _left(alsek) == 3
    assert alsek("dead", "replay", "--all", "--json").json == {"replayed": 3, "skipped": 0}


def test_letters_that_somebody_else_has_taken_are_skipped(
    alsek: Shell, dead: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted apart, and are no failure."""
    walk = type(alsek.backend.messages).dead_letters

    def walked(port: Any, queue: str) -> Iterator[Any]:
        letters = list(walk(port, queue))
        if queue == "a":
            alsek.backend.messages.purge("a", dead[0].uuid)
        return iter(letters)

    monkeypatch.setattr(type(alsek.backend.messages), "dead_letters", walked)
    assert alsek("dead", "replay", "--all").lines == [
        "replayed 4 dead letters; left: 1, gone meanwhile or with a uuid in use"
    ]


def test_letters_whose_key_another_message_holds_are_left(
    alsek: Shell, dead: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1; the others are replayed, and the sentence names the message that holds the key."""
    usual = Broker.replay

    def replay(broker: Broker, message: Message) -> None:
        if message.uuid == dead[1].uuid:
            raise MessageNotUniqueError("message 'x' holds its unique key 'pay:7'", "pay:7", "x")
        usual(broker, message)

    monkeypatch.setattr("alsek.core.broker.Broker.replay", replay)
    said = alsek("dead", "replay", "--all", "--json")
    assert said.code == 1
    assert {name: said.json[name] for name in ("replayed", "skipped", "held", "unreadable")} == {
        "replayed": 4,
        "skipped": 0,
        "held": 1,
        "unreadable": 0,
    }
    assert (
        "1 dead letter stays, because other messages hold their unique keys (last: message 'x' holds"
        in said.err
    )


def test_letters_that_cannot_be_read_are_left(alsek: Shell) -> None:
    """Exit code 1; what can be read is replayed, and the sentence says what may help."""
    alsek.fail(ValueError("no"), queue="a")
    submission = Submission("odd", "a", b"\x00 not JSON")
    alsek.backend.messages.add([submission], "r")
    alsek.backend.messages.fail("a", "odd", b"{}", 60_000)
    said = alsek("dead", "replay", "--all", "--json")
    assert said.code == 1
    assert (said.json["replayed"], said.json["unreadable"]) == (1, 1)
    assert "name it with --package" in said.err
    assert alsek("dead", "list").lines[1].split()[2] == "?"
    assert alsek("dead", "show", "odd").code == 0
    assert alsek("dead", "purge", "odd", "--yes").code == 0
