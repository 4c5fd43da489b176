"""A store in memory, and browsers that look into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alsek import Broker, Message
from alsek.dashboard import dashboard
from alsek.storage.backends.memory import MemoryBackend
from tests.unit.dashboard.browser import Browser, mounted


@pytest.fixture
def broker() -> Broker:
    """A broker on an empty store."""
    return Broker(MemoryBackend())


@pytest.fixture
def browse(broker: Broker) -> Iterator[Callable[..., Browser]]:
    """Returns a browser on a dashboard with these settings."""
    browsers: list[Browser] = []

    def made(prefix: str = "", base: str = "http://127.0.0.1:8080", **settings: Any) -> Browser:
        app: Any = dashboard(broker, **settings)
        browsers.append(Browser(mounted(app, prefix) if prefix else app, base))
        return browsers[-1]

    yield made
    for browser in browsers:
        browser.close()


@pytest.fixture
def browser(browse: Callable[..., Browser]) -> Browser:
    """A browser on a dashboard without settings."""
    return browse()


@pytest.fixture
def dead(broker: Broker) -> Message:
    """A dead letter."""
    message = Message("charge", queue="shop", uuid="dead-1", args=(7,), kwargs={"order": 7})
    broker.submit(message)
    broker.fail(message, ValueError("no order 7"))
    return message
