"""``alsek show`` and ``alsek why``."""

from __future__ import annotations

from alsek.core.consumer import Consumer
from alsek.core.reporting.progress import Progress, progress_to_wire
from alsek.core.status import StatusTracker, TaskStatus
from alsek.storage.backends.records import Report
from alsek.storage.result import ResultStore
from tests.unit.cli.conftest import Shell

_HALF = progress_to_wire(Progress(50, 100, "rows"))


def test_a_waiting_message_is_shown(alsek: Shell) -> None:
    """Its arguments and place, and at the end why it is not running."""
    alsek.submit()
    message = alsek.submit(args=[1, "two"], kwargs={"three": None}, metadata={"who": "me"})
    said = alsek("show", message.uuid)
    assert said.code == 0
    rows = dict(line.split(maxsplit=1) for line in said.lines if line[:1].isalpha())
    assert rows["state"] == "ready"
    assert rows["arguments"] == '[1, "two"]'
    assert rows["metadata"] == '{"who": "me"}'
    assert rows["place"] == "1 go first"
    assert "no live worker" in said.lines[-1]
    document = alsek("show", message.uuid, "--json").json
    assert (document["args"], document["kwargs"], document["state"]) == ([1, "two"], {"three": None}, "ready")


def test_each_end_of_a_message_is_shown(alsek: Shell) -> None:
    """A dead letter with its traceback, a running message with its worker, a succeeded one with its result."""
    try:
        raise ValueError("no\x1b[31m such thing")
    except ValueError as error:
        dead = alsek.fail(error)
    said = alsek("show", dead.uuid)
    assert "ValueError: no\\x1b[31m such thing" in said.lines
    assert "\x1b" not in said.out
    done = alsek.submit(status_ttl=60_000)
    with Consumer(alsek.broker, queues=["q"]) as consumer:
        held = next(consumer.stream())
        said = alsek("show", held.uuid)
        assert "state           running" in said.lines
        assert alsek("why", held.uuid).code == 0
        alsek.broker.ack(held)
    ResultStore(alsek.backend).set(done, {"sum": 3})
    StatusTracker(alsek.backend).set(done, TaskStatus.SUCCEEDED)
    said = alsek("show", done.uuid)
    assert 'result          {"sum": 3}' in said.out
    assert alsek("why", done.uuid).code == 0
    assert ResultStore(alsek.backend).exists(done)


def test_why_is_one_sentence(alsek: Shell) -> None:
    """Exit code 1 for what neither runs nor has succeeded; JSON has code, text and facts."""
    message = alsek.submit(delay=60_000)
    said = alsek("why", message.uuid)
    assert said.code == 1
    assert len(said.lines) == 1
    assert "waits until" in said.lines[0]
    document = alsek("why", message.uuid, "--json").json
    assert document["code"] == "delayed"
    assert document["text"] in said.lines[0] or "waits until" in document["text"]
    dead = alsek.fail(ValueError("no"))
    assert alsek("why", dead.uuid, "--json").json["code"] == "dead"


def test_a_message_that_nothing_is_known_of_is_not_found(alsek: Shell) -> None:
    """Exit code 1, and one sentence on stderr; as JSON, why also has its code."""
    for command in ("show", "why"):
        said = alsek(command, "nobody")
        assert (said.code, said.out) == (1, "")
        assert said.err.lower().startswith("alsek: no message 'nobody' is known in sqlite file")
        assert said.err.count("\n") == 1
        assert "nobody" in alsek(command, "nobody", "--json").json["error"]
    assert alsek("why", "nobody", "--json").json["code"] == "unknown"
    assert alsek("why", "").code == 2


def test_what_a_message_waits_for_is_shown(alsek: Shell) -> None:
    """Its key and its limits, and which of them it waits for; `why` exits with 1."""
    for number in range(2):
        message = alsek.submit(unique=f"ex0:t:{number}", limits="c1:50\\x25,r9/1000:api")
    said = alsek("show", message.uuid)
    rows = {line[:16].strip(): line[16:] for line in said.lines if line[:1].isalpha()}
    assert rows["state"] == "waiting"
    assert rows["unique key"] == "'t:1'"
    assert rows["limits"] == "concurrency '50%', rate 'api'"
    assert rows["waits for"] == "concurrency '50%'"
    assert "waits for the concurrency '50%' (1 at a time)" in said.lines[-1]
    document = alsek("show", message.uuid, "--json").json
    assert (document["unique"], document["limits"]) == ("t:1", ["c:50\\x25", "r:api"])
    said = alsek("why", message.uuid, "--json")
    assert (said.code, said.json["code"], said.json["facts"]["key"]) == (1, "limited", "50%")
    assert alsek("queue", "list", "--json").json[0]["waiting"] == 1


def test_progress_checkpoint_and_log_are_shown(alsek: Shell) -> None:
    """Of a message that runs, and of its dead letter."""
    alsek.submit()
    with Consumer(alsek.broker, queues=["q"]) as consumer:
        held = next(consumer.stream())
        assert held.claim is not None
        report = Report(
            held.uuid, "q", held.claim.token, 1, _HALF, b'{"row": 50}', (b"one", b"t\x1b[31mwo"), 9
        )
        assert alsek.backend.messages.report(held.claim.session.worker, [report]) == []
        said = alsek("show", held.uuid)
        assert "progress        50 of 100 (50 %), rows, " in said.out
        assert 'checkpoint      {"row": 50}' in said.lines
        assert said.lines[said.lines.index("one") + 1] == "t\\x1b[31mwo"
        document = alsek("show", held.uuid, "--json").json
        assert document["progress"] == {"current": 50, "total": 100, "text": "rows"}
        assert (document["checkpoint"], document["log"][0]) == ({"row": 50}, "one")
        assert f"{held.uuid}  q" in alsek("status").out
        assert "━━━━━━━━────────  50 of 100 (50 %), rows" in alsek("status").out
        (task,) = alsek("status", "--json").json["tasks"]
        assert (task["uuid"], task["progress"]["current"]) == (held.uuid, 50)
        alsek.broker.fail(held, ValueError("no"))
    said = alsek("dead", "show", held.uuid)
    assert "progress        50 of 100 (50 %), rows, " in said.out
    assert "one" in said.lines
