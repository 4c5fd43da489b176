"""A store in memory, and what waits on it: each sleep of a subscriber is a turn of the test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from alsek import Broker, Message, ResultStore
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.subscriptions import Note, Subscription


class Turns(Subscription):
    """A subscription whose sleeps are the test's turns: at each, the next of `actions` is done.

    With no action left, a sleep ends at once, without news.
    """

    def __init__(
        self, inner: Subscription, actions: list[Callable[[], object]], slept: list[int | None]
    ) -> None:
        self._inner = inner
        self._actions = actions
        self._slept = slept

    def wait(self, timeout: int | None = None) -> Note | None:
        """The next note."""
        heard = self._inner.wait(0)
        if heard is not None:
            return heard
        self._slept.append(timeout)
        if self._actions:
            self._actions.pop(0)()
            return self._inner.wait(0)
        assert timeout is not None, "it would sleep for ever"
        return None

    def has_note(self) -> bool:
        """Whether one has come in the last turn."""
        return self._inner.has_note()

    def close(self) -> None:
        """Hear no more."""
        self._inner.close()


class Counting:
    """Counts the calls of a port's methods."""

    def __init__(self, inner: Any, calls: Counter[str]) -> None:
        self._inner = inner
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._calls[name] += 1
            return method(*args, **kwargs)

        return counted


class Stage(MemoryBackend):
    """A backend that counts what is asked of it, and whose subscribers sleep in turns.

    Attributes:
        calls: Of the ports for results and messages, by method.
        actions: What happens at the coming sleeps.
        slept: The timeouts of all sleeps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.actions: list[Callable[[], object]] = []
        self.slept: list[int | None] = []

    @property
    def results(self) -> Any:
        return Counting(super().results, self.calls)

    @property
    def messages(self) -> Any:
        return Counting(super().messages, self.calls)

    def subscribe(self, *channels: str) -> Subscription:
        return Turns(super().subscribe(*channels), self.actions, self.slept)


@pytest.fixture
def stage() -> Stage:
    """The backend."""
    return Stage()


@pytest.fixture
def store(stage: Stage) -> ResultStore:
    """The results on it."""
    return ResultStore(stage)


@pytest.fixture
def broker(stage: Stage) -> Broker:
    """The messages on it."""
    return Broker(stage)


@pytest.fixture
def messages(broker: Broker) -> list[Message]:
    """Three that have been submitted."""
    made = [Message("t", uuid=name) for name in ("one", "two", "three")]
    assert broker.submit_many(made) == []
    return made
