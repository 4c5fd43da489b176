"""Submits a message of a schedule by hand."""

from __future__ import annotations

from alsek.core.broker import Broker
from alsek.core.identifiers import new_uuid
from alsek.core.message import Message
from alsek.core.schedules.definition import Definition
from alsek.core.schedules.template import message_of_tick


def run_once(broker: Broker, name: str) -> Message | None:
    """Submit one message of a schedule, which stays as it is, and return the message; None if there is no schedule.

    Raises:
        CorruptMessageError: A newer version has written the schedule, or the serializer can't read its message.
        BackendError: The store can't be used.
    """
    found = broker.backend.schedules.get([name])
    if not found:
        return None
    template = Definition.from_bytes(found[0].definition).template(broker.backend.serializer)
    message = message_of_tick(template, new_uuid(), broker.backend.messages.now())
    broker.submit(message)
    return message
