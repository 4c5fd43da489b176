"""The template of a schedule: a message without what each tick gives it anew, as plain data.

The callbacks that follow the message, and its failure callback, are part of it, as they are of a payload.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID, uuid5

from alsek.core.callbacks import Data
from alsek.core.clock import now_ms
from alsek.core.identifiers import new_uuid
from alsek.core.message import Message
from alsek.core.plain_messages import message_from_data, message_to_data

#: What a message or a group has of its own. A template has none of these.
_OWN: Final = frozenset(
    {
        "uuid",
        "id",
        "named",
        "progenitor_uuid",
        "previous_message_uuid",
        "created_at",
        "updated_at",
        "retries",
        "retry_delay",
        "exception_details",
    }
)

#: The namespace of the uuids of ticks.
_TICKS: Final = UUID("5b0e5c6e-3f0a-5d6e-9a57-0a1ce55c4ed1")


def tick_uuid(name: str, tick: int) -> str:
    """Return the uuid of the message of a tick: the same wherever it is fired, so it is submitted once.

    Args:
        name: The schedule.
        tick: Unix milliseconds.
    """
    return str(uuid5(_TICKS, f"{name}\n{tick}"))


def tick_delay(uuid: str, jitter: int) -> int:
    """Return how long (ms) to delay the message of this uuid: the same wherever it is fired, up to `jitter`."""
    return UUID(uuid).int % (jitter + 1)


def template_of(message: Message) -> Data:
    """Return the template of messages like this one."""
    return _each(message_to_data(message), _without_own)


def message_of_tick(template: Data, uuid: str, tick: int, delay: int = 0) -> Message:
    """Return the message of a tick. Its callbacks have new uuids.

    Args:
        template: The template.
        uuid: The message's uuid.
        tick: When it was to be submitted: its ``created_at``.
        delay: How long it is delayed.

    Raises:
        Exception: The template is something else.
    """
    now = now_ms()

    def own(data: Data) -> Data:
        if "members" in data:
            return {**data, "id": new_uuid()}
        return {**data, "uuid": new_uuid(), "created_at": now, "updated_at": now}

    data = _each(template, own)
    message = message_from_data({**data, "uuid": uuid, "created_at": tick})
    message.delay = delay
    return message


def _without_own(data: Data) -> Data:
    return {name: value for name, value in data.items() if name not in _OWN}


def _each(data: Data, change: Callable[[Data], Data]) -> Data:
    """Return the data of a message, changed, and of all messages and groups that may follow it likewise."""
    changed = change(data)
    if "callbacks" in data:
        changed["callbacks"] = [_each(link, change) for link in data["callbacks"]]
    branches: Any = data.get("branches")
    if branches is not None:
        changed["branches"] = dict(branches)
        if "failure" in branches:
            changed["branches"]["failure"] = _each(branches["failure"], change)
        if "group" in branches:
            changed["branches"]["group"] = _each_of_group(branches["group"], change)
    return changed


def _each_of_group(group: Data, change: Callable[[Data], Data]) -> Data:
    changed = change(group)
    callback: Any = group["callback"]
    changed["callback"] = None if callback is None else _each(callback, change)
    changed["members"] = [
        {"group": _each_of_group(member["group"], change)} if "group" in member else _each(member, change)
        for member in group["members"]
    ]
    return changed
