"""Finds what can't be moved to a store with partitions, because what follows it would be in another one."""

from __future__ import annotations

from alsek.core.clock import now_ms
from alsek.core.identifiers import new_uuid
from alsek.core.message import Message
from alsek.core.placing import apart, place
from alsek.core.schedules.definition import Definition
from alsek.core.schedules.template import message_of_tick
from alsek.exceptions import CorruptMessageError, ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import Copy, DeadLetterCopy, MessageCopy, ScheduleCopy, elsewhere


class Bonds:
    """What messages and schedules are bound to by what only their payloads say: callbacks, and the keys of these.

    In a store with partitions all of that has one location already, so it is together in any other one. In a store
    without partitions nobody saw to it.

    Args:
        source: The store that is emptied.
        target: The store that is filled. It has partitions.
    """

    def __init__(self, source: Backend, target: Backend) -> None:
        self._source = source
        self._target = target

    def refusal(self, copy: Copy) -> str:
        """Why something can't be moved, in a few words; empty if it can."""
        if self._source.partitions > 1:
            return ""
        try:
            if isinstance(copy, ScheduleCopy):
                return self._of_schedule(copy)
            if isinstance(copy, MessageCopy | DeadLetterCopy):
                return self._of_message(copy)
        except CorruptMessageError as error:
            return f"where its callbacks have their place can't be told: {error}"
        return ""

    def _of_message(self, copy: MessageCopy | DeadLetterCopy) -> str:
        message = Message.unpack(copy.uuid, copy.queue, copy.payload, self._source.serializer)
        what = apart(message, self._target)
        return elsewhere(f"{what}, which follows it,") if what else ""

    def _of_schedule(self, copy: ScheduleCopy) -> str:
        template = Definition.from_bytes(copy.definition).template(self._source.serializer)
        try:
            place((message_of_tick(template, new_uuid(), now_ms()),), self._target, copy.name)
        except ValidationError as error:
            return f"its messages can't be made there: {error}"
        return ""
