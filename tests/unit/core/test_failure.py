"""Exceptions as text, and the hooks of workers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alsek.core.failure import describe_failure, qualified_name, shortened
from alsek.core.hooks import on_worker_start, on_worker_stop


def test_name_text_and_traceback() -> None:
    """What was raised is told in full, with what it was raised from."""
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as error:
        details = describe_failure(error)
    assert details["name"] == "ValueError"
    assert details["text"] == "outer"
    assert details["traceback"] is not None
    assert "KeyError: 'inner'" in details["traceback"]
    assert describe_failure(ValueError("never raised"))["traceback"] is None


class Mute(Exception):
    """Can't be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def test_an_exception_that_can_not_be_shown() -> None:
    """Its failure to show itself is told in its place."""
    try:
        raise Mute
    except Mute as error:
        details = describe_failure(error)
    assert details["name"] == "Mute"
    assert "RuntimeError" in details["text"]
    assert details["traceback"] is not None


def exits(*_: Any) -> Any:
    """What no text should do."""
    raise SystemExit(3)


class Meta(type):
    """The class's own name exits."""

    __name__ = property(exits)  # type: ignore[assignment]


class Text(str):
    """A text that is no plain one."""

    __slots__ = ()
    encode = __len__ = __getitem__ = __format__ = exits  # type: ignore[assignment]


HOSTILE: list[tuple[str, type[BaseException]]] = [
    ("<Hostile whose text can't be had: SystemExit>", type("Hostile", (Exception,), {"__str__": exits})),
    ("", Meta("Hostile", (Exception,), {})),
    ("text", type("Hostile", (Exception,), {"__str__": lambda self: Text("text")})),
    ("", type("Hostile", (Exception,), {"__traceback__": property(exits)})),
    ("", type("Hostile", (Exception,), {"__cause__": property(exits), "__class__": property(exits)})),
    ("", type("Hostile", (BaseException,), {"__notes__": property(exits)})),
]


@pytest.mark.parametrize(
    ("text", "kind"), HOSTILE, ids=["text", "class", "kind of text", "traceback", "cause", "notes"]
)
def test_an_exception_whose_class_exits(text: str, kind: type[BaseException]) -> None:
    """Whatever the class of an exception does, SystemExit included, there are a name and a text."""
    try:
        raise kind
    except BaseException as error:  # noqa: BLE001
        details = describe_failure(error)
    assert (details["name"], details["text"]) == ("Hostile", text)
    assert json.dumps(details)


def test_a_cause_whose_text_exits() -> None:
    """Of a chain the traceback shows what can be shown."""
    try:
        raise ValueError("outer") from HOSTILE[0][1]()
    except ValueError as error:
        details = describe_failure(error)
    assert details["text"] == "outer"
    assert "ValueError: outer" in (details["traceback"] or "")


def test_names_of_what_users_hand_over() -> None:
    """A function has its qualified name, an object its repr, and one that exits a stand-in."""
    assert qualified_name(exits) == "exits"
    assert qualified_name(3) == "3"
    assert qualified_name(type("Odd", (), {"__repr__": exits})()) == "<Odd without a name: SystemExit>"
    assert qualified_name(type("Odd", (), {"__getattr__": exits})()) == "<Odd without a name: SystemExit>"


@pytest.mark.parametrize("text", ["\ud800", "a\0b", "x" * 100_000, "é" * 50_000])
def test_details_can_always_be_stored(text: str) -> None:
    """Whatever is in the text: it is JSON, UTF-8, and of a size that a store takes."""
    details = describe_failure(ValueError(text))
    assert len(json.dumps(details, ensure_ascii=False).encode()) < 70_000


def test_long_text_keeps_both_ends() -> None:
    """The beginning says what, the end says where."""
    short = shortened("a" * 50_000 + "z" * 50_000)
    assert short.startswith("aaa")
    assert short.endswith("zzz")
    assert "84000 characters left out" in short


def test_worker_hooks_are_still_functions() -> None:
    """A decorated hook can be called, and says when it runs."""
    called = []

    @on_worker_start
    def connect() -> None:
        called.append("start")

    @on_worker_stop
    def disconnect() -> None:
        called.append("stop")

    connect()
    disconnect()
    assert called == ["start", "stop"]
    assert (connect.when, disconnect.when) == ("start", "stop")
    assert "connect" in repr(connect)
