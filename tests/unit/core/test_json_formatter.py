"""Log records as lines of JSON."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

import pytest

from alsek.exceptions import MessageRevokedError, TaskTimeoutError
from alsek.logs import JsonFormatter


class Hostile:
    """Its text raises an exception."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __str__(self) -> str:
        raise self._error

    __repr__ = __str__


class Priority(IntEnum):
    """An integer with a name."""

    HIGH = 1


def _line(msg: object = "text", *args: object, exc_info: Any = None, **extra: Any) -> dict[str, Any]:
    record = logging.getLogger("shop").makeRecord(
        "shop", logging.WARNING, __file__, 1, msg, args, exc_info, extra=extra
    )
    text = JsonFormatter().format(record)
    assert "\n" not in text
    line: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    return line


def test_a_line_has_the_record_and_its_extra_fields() -> None:
    """A line has time, level, logger, message, process and thread, and each field of `extra`."""
    line = _line("%s of %d", "one", 2, uuid="u1", ms=7, queue=None)
    assert datetime.fromisoformat(line.pop("time")).tzinfo == UTC
    assert isinstance(line.pop("process"), int)
    assert line == {
        "level": "WARNING",
        "logger": "shop",
        "message": "one of 2",
        "thread": "MainThread",
        "uuid": "u1",
        "ms": 7,
        "queue": None,
    }


def test_the_traceback_is_text() -> None:
    """The traceback of an exception is in the line, and its line breaks are escaped."""
    try:
        raise ValueError("no")
    except ValueError:
        line = _line(exc_info=sys.exc_info())
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no")


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
def test_a_hostile_value_is_replaced(error: BaseException) -> None:
    """Whatever the text of a value raises, the line is written, and says what can't be had."""
    bad = Hostile(error)
    line = _line(uuid="u1", bad=bad, inside=[bad], key={bad: 1}, deeper={1: (bad,)})
    lost = f"<can't be had: {type(error).__name__}>"
    assert line["uuid"] == "u1"
    assert line["bad"] == lost
    assert line["inside"] == [lost]
    assert line["key"] == {lost: 1}
    assert line["deeper"] == {"1": [lost]}


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)])
def test_a_hostile_message_is_replaced(error: BaseException) -> None:
    """A message whose text or arguments raise leaves what can be had of it."""
    assert "Hostile" in _line(Hostile(error))["message"]
    assert _line("a %s", Hostile(error))["message"].startswith("a %s <arguments")
    assert _line("a %d", "b")["message"].startswith("a %d <arguments")


def test_the_line_is_json_whatever_the_values() -> None:
    """What JSON can't say is text: no NaN, no endless list, no integer that readers can't keep, no half character."""
    loop: list[Any] = []
    loop.append(loop)
    deep: list[Any] = []
    for _ in range(10_000):
        deep = [deep]
    line = _line(
        nan=float("nan"),
        big=1 << 50_000,
        loop=loop,
        half="\ud800",
        high=Priority.HIGH,
        who=UUID(int=1),
        some={"a": [1, (2,)]},
        flag=True,
    )
    assert line["nan"] == "nan"
    assert line["big"].startswith("0x1000")
    assert line["loop"] == ["<in itself>"]
    assert line["half"] == "\\ud800"
    assert line["high"] == 1
    assert line["who"] == str(UUID(int=1))
    assert line["some"] == {"a": [1, [2]]}
    assert line["flag"] is True
    assert "deep" in _line(deep=deep)


def test_a_field_never_replaces_another() -> None:
    """A field of `extra` with the name of one of the line's own keys gets an underscore."""
    line = _line(level="mine", time="mine", exception="mine")
    assert line["level"] == "WARNING"
    assert (line["level_"], line["time_"], line["exception"]) == ("mine", "mine", "mine")


def test_names_of_fields_may_be_anything() -> None:
    """`logging` takes an `extra` with keys of any kind: the line is written all the same."""
    record = logging.makeLogRecord({"msg": "text", 5: "five", None: 1})
    line = json.loads(JsonFormatter().format(record))
    assert (line["message"], line["5"], line["None"]) == ("text", "five", 1)


@pytest.mark.parametrize("error", [TaskTimeoutError("late"), MessageRevokedError("revoked")])
def test_what_ends_a_task_passes(error: BaseException) -> None:
    """A timeout or revocation that is raised in a task's thread while a line is made ends the task."""
    with pytest.raises(type(error)):
        _line("a %s", Hostile(error))


def test_it_is_set_by_a_logging_configuration() -> None:
    """``logging.config`` makes it by its name, like any formatter."""
    import logging.config

    configurator = logging.config.DictConfigurator({"version": 1})
    formatter = configurator.configure_formatter({"class": "alsek.logs.JsonFormatter"})
    assert isinstance(formatter, JsonFormatter)
