"""Exceptions as text, and the hooks of workers."""

from __future__ import annotations

import json

import pytest

from alsek.core.failure import describe_failure, shortened
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
