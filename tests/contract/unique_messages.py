"""Messages with a unique key, for the tests of what becomes of it."""

from __future__ import annotations

from typing import Any

from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Added, UniqueKey
from tests.contract.workers import a_message, a_request

KEY = UniqueKey("k")
REPLACE = UniqueKey("k", conflict="replace")
STARTED = UniqueKey("k", until="started")
WINDOW = UniqueKey("k", window=50_000)


def submit(messages: MessagePort, uuid: str, unique: UniqueKey = KEY, **fields: Any) -> Added:
    """Submit one message with a key, in a call of its own."""
    (added,) = messages.add([a_message(uuid, unique=unique, **fields)], a_request())
    return added


def waits_for(messages: MessagePort, uuid: str) -> str | None:
    """What a message waits for; None if it is not stored."""
    found = messages.find(uuid)
    return None if found is None else found.waits_for
