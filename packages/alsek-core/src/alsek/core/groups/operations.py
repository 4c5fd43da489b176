"""What is done with a group in its store: written once, for synchronous and asynchronous callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn

from alsek.core.answers import note
from alsek.core.groups.checks import check_stores
from alsek.core.groups.packing import Packed, pack_group
from alsek.core.message import Message
from alsek.core.middleware import acall_submitting, call_submitting
from alsek.core.placing import place
from alsek.defaults import SUBMISSION_BATCH
from alsek.exceptions import MessageAlreadyExistsError, MessageDoesNotExistsError, ValidationError
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.records import ACCEPTED

if TYPE_CHECKING:
    from alsek.core.broker import Broker
    from alsek.core.groups.group import Group


class GroupProgress(NamedTuple):
    """How many members of a group have ended, and how. A member that is a group counts as one.

    Attributes:
        total: How many there are.
        succeeded: How many have succeeded: with all their callbacks, if they have some.
        failed: How many have failed for good.
        revoked: How many were revoked or removed.
        pending: How many have not ended.
    """

    total: int
    succeeded: int
    failed: int
    revoked: int
    pending: int


class GroupOperations:
    """Carries out the methods of a group that have the same names. What each does is said there.

    Args:
        group: The group.
        broker: Where it is submitted.
        driver: Of the broker's backend.
    """

    def __init__(self, group: Group, broker: Broker, driver: Driver) -> None:
        self._group = group
        self._broker = broker
        self._driver = driver
        self._backend = driver.backend

    async def submit(self) -> None:
        """Submit the group; after an error, what is left of it."""
        group = self._group
        packed = group.packed or await self._pack()
        if packed.complete:
            raise ValidationError(f"{group.summary} was submitted already")
        if packed.refused:
            await self._give_up(packed, packed.refused)
        while packed.groups_done < len(packed.groups):
            submission = packed.groups[packed.groups_done]
            if not await self._driver.ask(self._backend.groups.create, submission, group.request):
                await self._give_up(packed, f"another group of the id {submission.id!r} was submitted")
            packed.groups_done += 1
        while packed.members_done < len(packed.members):
            await self._submit_piece(packed)
        group.packed = Packed(complete=True)

    async def _pack(self) -> Packed:
        group = self._group
        check_stores(group, self._broker)
        group.broker = self._broker
        for message in group.messages():
            middleware = self._broker_of(message).submission_middleware
            if not middleware:
                continue
            if self._driver.blocking:
                call_submitting(middleware, message)
            else:
                await acall_submitting(middleware, message)
        if self._backend.partitions > 1:
            place((group,), self._backend)
        packed = pack_group(group, lambda message: self._broker_of(message).backend.serializer)
        for each in group.groups():
            each.packed = packed
            each.broker = self._broker
        for message in group.messages():
            message.named = True  # from here on the store may know its uuid
        for message in packed.messages:
            message.submitted = True
        return packed

    def _broker_of(self, message: Message) -> Broker:
        return self._broker if message.origin is None else message.origin.broker

    async def _submit_piece(self, packed: Packed) -> None:
        first = packed.members_done
        piece = packed.members[first : first + SUBMISSION_BATCH]
        messages = packed.messages[first : first + SUBMISSION_BATCH]
        answers = await self._driver.ask(self._backend.messages.add, piece, self._group.request)
        packed.members_done += len(piece)
        for message, added in zip(messages, answers, strict=True):
            if added is not ACCEPTED and not note(message, added):
                what = (
                    f"message {added.existing!r} holds its unique key"
                    if message.duplicate
                    else "its uuid is known"
                )
                await self._give_up(packed, f"{message.summary} is not new: {what}")
        for message in messages:
            if message.origin is None:
                continue
            if self._driver.blocking:
                message.origin.after_submission(message)
            else:
                await message.origin.aafter_submission(message)

    async def _give_up(self, packed: Packed, why: str) -> NoReturn:
        """Revoke what was submitted, which can't be completed; not another group of the same id."""
        packed.refused = why
        text = f"{self._group.summary} can't be submitted"
        if packed.groups_done:
            await self._driver.ask(self._backend.groups.revoke, self._group.id)
            text = f"{text}, and is revoked"
        raise MessageAlreadyExistsError(f"{text}: {why}")

    async def progress(self) -> GroupProgress:
        """Return how many members have ended."""
        record = await self._driver.ask(self._backend.groups.get, self._group.id)
        if record is None:
            raise MessageDoesNotExistsError(
                f"{self._group.summary} is not in the store: it was not submitted yet, or its ttl is over"
            )
        ended = record.succeeded + record.failed + record.revoked
        return GroupProgress(
            record.total, record.succeeded, record.failed, record.revoked, record.total - ended
        )

    async def revoke(self) -> bool:
        """Revoke the group."""
        return await self._driver.ask(self._backend.groups.revoke, self._group.id)
