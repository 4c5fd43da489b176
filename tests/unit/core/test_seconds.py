"""Durations that look like seconds are warned of once, and what says its unit is not."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from alsek import Broker, Lock, MemoryBackend, ResultPool, ResultStore, SecondsWarning, StatusTracker, task
from alsek.core import seconds

BACKEND = MemoryBackend()
BROKER = Broker(BACKEND)


@task(BROKER, result_store=ResultStore(BACKEND))
def noop() -> None: ...


def decorated(**options: Any) -> Any:
    return task(BROKER, name="decorated", **options)(noop.function)


MESSAGE = noop.generate(uuid="kept")

#: What was given, and what the warning must begin with.
LOOKS_LIKE_SECONDS: dict[str, tuple[Callable[[], Any], str]] = {
    "task": (lambda: decorated(timeout=30), "timeout=30 of task 'decorated' means 30 milliseconds"),
    "override": (
        lambda: noop.generate(timeout_override=999),
        "timeout_override=999 of a message of task 'noop'",
    ),
    "delay": (lambda: noop.generate(delay=5), "delay=5 of a message of task 'noop'"),
    "many": (lambda: noop.generate_many([()], delay=5), "delay=5 of a message of task 'noop'"),
    "using": (lambda: noop.using(delay=60).send(), "delay=60 of a message of task 'noop'"),
    "ttl": (lambda: noop.generate(ttl=60), "ttl=60 of a message of task 'noop'"),
    "result": (lambda: noop.generate(result_ttl=60), "result_ttl=60 of a message of task 'noop'"),
    "store": (lambda: ResultStore(BACKEND, ttl=600), "ttl=600 of ResultStore"),
    "tracker": (lambda: StatusTracker(BACKEND, ttl=600), "ttl=600 of StatusTracker"),
    "broker": (lambda: Broker(BACKEND, dlq_ttl=600), "dlq_ttl=600 of Broker"),
    "lock": (lambda: Lock("a", BACKEND, ttl=30), "ttl=30 of Lock"),
    "wait": (lambda: ResultStore(BACKEND).get(MESSAGE, timeout=5), "timeout=5 of ResultStore.get"),
    "pool": (
        lambda: list(ResultPool(ResultStore(BACKEND)).istream(MESSAGE, timeout=5)),
        "timeout=5 of ResultPool",
    ),
}

#: What is not warned of.
FINE: dict[str, Callable[[], Any]] = {
    "timedelta": lambda: decorated(timeout=timedelta(milliseconds=30)),
    "a second": lambda: decorated(timeout=1_000),
    "short delay": lambda: noop.generate(delay=100),
    "no delay": lambda: noop.generate(delay=0),
    "timedelta delay": lambda: noop.generate(delay=timedelta(milliseconds=5)),
    "no wait": lambda: StatusTracker(BACKEND).wait_for(MESSAGE, timeout=0),
    "default": lambda: Lock("a", BACKEND),
}


@pytest.fixture(autouse=True)
def nothing_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seconds, "_warned", set())


@pytest.fixture
def caught() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield found


def run(call: Callable[[], Any]) -> None:
    try:
        call()
    except TimeoutError:
        pass  # nobody runs the tasks


@pytest.mark.parametrize("name", LOOKS_LIKE_SECONDS)
def test_what_looks_like_seconds_is_warned_of_once_at_the_callers_line(
    name: str, caught: list[warnings.WarningMessage]
) -> None:
    call, text = LOOKS_LIKE_SECONDS[name]

    run(call)
    run(call)

    (warning,) = caught
    assert warning.category is SecondsWarning
    assert str(warning.message).startswith(text)
    assert Path(warning.filename) == Path(__file__)


@pytest.mark.parametrize("name", FINE)
def test_what_does_not_is_not(name: str, caught: list[warnings.WarningMessage]) -> None:
    run(FINE[name])

    assert not caught


def test_the_warning_says_what_to_give(caught: list[warnings.WarningMessage]) -> None:
    decorated(timeout=30)

    assert "give 30000 for 30 s; a timedelta says its unit" in str(caught[0].message)


def test_as_an_error_it_refuses_the_call_and_nothing_is_submitted() -> None:
    before = BACKEND.messages.count(noop.queue)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SecondsWarning)
        with pytest.raises(SecondsWarning):
            noop.generate(delay=5)

    assert BACKEND.messages.count(noop.queue) == before
