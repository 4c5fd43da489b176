"""``alsek submit``."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from alsek.core.consumer import Consumer
from alsek.storage.backends.records import Added, Submission
from tests.unit.cli.conftest import Shell

TASKS = """
@task(broker, queue="sums", result_store=result_store)
def add(a: int, b: int) -> int:
    return a + b

@task(broker)
def forget() -> None: ...
"""


def test_a_message_is_submitted_by_the_name_of_its_task(alsek: Shell) -> None:
    """Its uuid is all that stdout has; arguments, delay and queue are those that were given."""
    name = alsek.module(TASKS)
    said = alsek(
        "submit", name, "add", "--args", "[1]", "--kwargs", '{"b": 2}', "--delay", "60000", "--queue", "x"
    )
    assert said.code == 0, said.err
    stored = alsek.backend.messages.get("x", said.out.strip())
    assert stored is not None
    assert stored.state == "delayed"
    said = alsek("submit", name, "add", "--args", "[1, 2]", "--json")
    assert said.json == {"uuid": said.json["uuid"], "queue": "sums", "task": "add"}
    with Consumer(alsek.broker, queues=["sums"]) as consumer:
        message = next(consumer.stream())
    assert (message.uuid, message.args) == (said.json["uuid"], (1, 2))


def test_a_task_with_a_trigger_is_submitted_once(alsek: Shell) -> None:
    """The trigger itself is not started."""
    name = alsek.module(
        "from apscheduler.triggers.interval import IntervalTrigger\n"
        "@task(broker, trigger=IntervalTrigger(seconds=1))\ndef tick(): ...\n"
    )
    assert alsek("submit", name, "tick").code == 0
    assert alsek.backend.messages.count("alsek_queue") == 1
    told = alsek("submit", name, "tick", "--args", "[1]")
    assert told.code == 2
    assert "takes no arguments" in told.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["add", "--args", "[1"], 2, "'[1' is no JSON"),
        (["add", "--args", "{}"], 2, "must be a JSON array"),
        (["add", "--kwargs", "[]"], 2, "must be a JSON object"),
        (["add", "--args", "[1]"], 2, "b"),
        (["add", "--delay", "-1"], 2, "--delay"),
        (["add", "--wait", "0"], 2, "must be a number of milliseconds"),
        (["forget", "--wait"], 2, "has no result store"),
        (["ad"], 1, "'shop' defines no task 'ad' (did you mean 'add'?); it defines add, forget"),
    ],
)
def test_nothing_is_submitted_by_mistake(alsek: Shell, arguments: list[str], code: int, said: str) -> None:
    """Wrong arguments and unknown tasks are refused before anything is in the store."""
    name = alsek.module(TASKS)
    told = alsek("submit", name, *arguments)
    assert told.code == code
    assert said in told.err
    assert alsek.backend.messages.queues() == []
    assert "error" in alsek("submit", name, *arguments, "--json").json


def test_a_duplicate_is_told(alsek: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout has the uuid of the message that holds the key; stderr, and JSON, say what was done."""
    name = alsek.module(
        """
        from alsek import Unique
        @task(broker, unique=Unique("{n}"))
        def once(n: int) -> None: ...
        @task(broker, unique=Unique("{n}", conflict="replace"))
        def last(n: int) -> None: ...
        """
    )
    holder = Added(False, "holder", "ready")

    def answer(port: object, submissions: Sequence[Submission], request: str) -> list[Added]:
        (submission,) = submissions
        assert submission.unique is not None
        return [Added(True, "holder") if submission.unique.conflict == "replace" else holder]

    monkeypatch.setattr(type(alsek.backend.messages), "add", answer)
    said = alsek("submit", name, "once", "--args", "[7]")
    assert (said.code, said.out.strip()) == (0, "holder")
    assert said.err.strip() == "not submitted again: message holder holds the unique key"
    assert alsek("submit", name, "once", "--args", "[7]", "--json").json["duplicate"] is True
    said = alsek("submit", name, "last", "--args", "[7]")
    assert said.err.strip() == "replaced: message holder holds the unique key"
