"""What a broker does with stored messages: written once, for synchronous and asynchronous callers."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from alsek.core.answers import not_unique
from alsek.core.attempt_state import edited_payload, read_message, retried_outcome
from alsek.core.clock import now_ms
from alsek.core.failure import describe_failure
from alsek.core.failure_callbacks import Failing
from alsek.core.loggers import guarded_logger
from alsek.core.lookup import message_of
from alsek.core.message import Message
from alsek.core.middleware import acall_submitting, call_submitting
from alsek.core.unreachable import after_message
from alsek.defaults import MAX_DURATION
from alsek.exceptions import (
    ClaimLostError,
    CorruptMessageError,
    MessageDoesNotExistsError,
    TaskFailedError,
    ValidationError,
    WorkerUnknownError,
)
from alsek.storage.backends.drivers.driver import Driver
from alsek.storage.backends.records import Claimed, DeadLetter, Failed, Outcome, Stored, Submission, Succeeded
from alsek.storage.payload_limit import limit_for
from alsek.types import ExceptionDetails

if TYPE_CHECKING:
    from alsek.core.broker import Broker

log = guarded_logger(__name__)


class MessageOperations:
    """Carries out the methods of a broker that have the same names. What each does is said there.

    Args:
        broker: The broker.
        driver: Of its backend.
    """

    def __init__(self, broker: Broker, driver: Driver) -> None:
        self._broker = broker
        self._driver = driver
        self._messages = driver.backend.messages
        self._serializer = driver.backend.serializer

    async def exists(self, given: Message | str) -> bool:
        """Return True if the message is in the store."""
        message = await message_of(self._driver, given)
        return await self._driver.ask(self._messages.exists, message.queue, message.uuid)

    async def retry(self, given: Message | str) -> None:
        """Count a retry, and delay the message by its backoff."""
        message = await message_of(self._driver, given)
        record, retried = await self._retried(message)
        retried.retries += 1
        retried.updated_at = now_ms()
        retried.retry_delay = None
        # A user's backoff may return any number.
        delay = max(0, min(retried.ready_at - retried.updated_at, MAX_DURATION))
        token = 0 if message.claim is None else message.claim.token
        changed = message.claim is not None or message.read
        payload = edited_payload(record, retried, self._serializer) if changed else None
        outcome = retried_outcome(retried, token, delay, payload)
        if message.claim is not None:
            await self._finish(message, outcome)
        elif not await self._driver.ask(self._messages.reschedule, outcome):
            raise MessageDoesNotExistsError(f"{message.summary} is not in the store: it can't be retried")
        message.retries, message.updated_at, message.retry_delay = retried.retries, retried.updated_at, None

    async def _retried(self, message: Message) -> tuple[Claimed | Stored, Message]:
        """Return what the store has, and the message to retry. Others may have retried one without a claim since."""
        if message.claim is not None:
            return message.claim.claimed, message.clone()
        stored = await self._stored(message)
        if stored is None:
            raise MessageDoesNotExistsError(f"{message.summary} is not in the store: it can't be retried")
        present = read_message(stored, self._serializer)
        if not message.read:
            return stored, present
        changed = message.clone()
        changed.retries = max(changed.retries, present.retries)
        return stored, changed

    async def remove(self, given: Message | str) -> None:
        """Remove the message from the store."""
        message = await message_of(self._driver, given)
        if message.claim is not None:
            await self._finish(message, Succeeded(message.uuid, message.queue, message.claim.token))
        else:
            await self._driver.ask(self._messages.remove, message.queue, message.uuid)

    async def fail(self, given: Message | str, error: BaseException | None) -> None:
        """Make a dead letter of the message."""
        message = await message_of(self._driver, given)
        if error is not None:
            message.exception_details = describe_failure(error)
        details = message.exception_details or describe_failure(TaskFailedError("failed by Broker.fail()"))
        wire = json.dumps(details).encode()
        dlq_ttl = self._broker.dlq_ttl or 0
        callback, unreachable = await self._after_failure(message, details)
        if message.claim is not None:
            outcome = Failed(
                message.uuid,
                message.queue,
                message.claim.token,
                wire,
                dlq_ttl,
                callback=callback,
                unreachable=unreachable,
            )
            await self._finish(message, outcome)
        elif not await self._driver.ask(
            self._messages.fail, message.queue, message.uuid, wire, dlq_ttl, callback, unreachable
        ):
            raise MessageDoesNotExistsError(f"{message.summary} is not in the store: it can't be failed")

    async def _after_failure(
        self, message: Message, details: ExceptionDetails
    ) -> tuple[Submission | None, tuple[str, ...]]:
        """Return the failure callback of a message, and which of its callbacks will not be submitted."""
        if message.claim is None and not message.read:  # what is stored counts
            stored = await self._stored(message)
            if stored is None:
                return None, ()
            try:
                message = read_message(stored, self._serializer)
            except CorruptMessageError:
                return None, ()
        failing = Failing(message, message.uuid, message.task_name, message.progenitor_uuid, details)
        callback = failing.callback()
        if callback is None:
            return None, failing.unreachable()
        middleware = self._broker.submission_middleware
        if self._driver.blocking:
            call_submitting(middleware, callback)
        else:
            await acall_submitting(middleware, callback)
        return callback.submission(self._serializer), failing.unreachable()

    async def revoke(self, given: Message | str) -> bool:
        """Revoke the message, and return False if it isn't in the store."""
        message = await message_of(self._driver, given)
        return await self._driver.ask(self._messages.revoke, message.queue, message.uuid)

    async def is_revoked(self, given: Message | str) -> bool:
        """Return True if the message is in the store and revoked."""
        stored = await self._stored(await message_of(self._driver, given))
        return stored is not None and stored.revoked

    async def in_dlq(self, given: Message | str) -> bool:
        """Return True if the message is among the dead letters."""
        return await self._letter(await message_of(self._driver, given, dead=True)) is not None

    async def dead_letters(self, queue: str) -> AsyncGenerator[Message]:
        """Yield the dead letters of a queue, oldest first."""
        async for letter in self._driver.each(self._messages.dead_letters, queue):
            try:
                message = self._revived(letter)
            except CorruptMessageError as error:
                log.error("A dead letter is left where it is: %s", error)
                continue
            yield message

    async def replay(self, given: Message | str) -> None:
        """Move a dead letter back into its queue."""
        message = await message_of(self._driver, given, dead=True)
        letter = await self._letter(message)
        fresh = self._revived(letter) if letter is not None and not message.read else message.clone()
        fresh.retries, fresh.delay, fresh.retry_delay, fresh.exception_details = 0, 0, None, None
        fresh.created_at = fresh.updated_at = now_ms()
        died_at = 0 if letter is None else letter.died_at  # 0: the store knows whether it was replayed
        limit = self._serializer if letter is None else limit_for(self._serializer, letter.payload)
        submission = fresh.submission(limit)
        if letter is not None and letter.joins:  # so that it can read the results of its group again
            submission = submission._replace(joins=letter.joins)
        added = await self._driver.ask(self._messages.replay, submission, died_at, after_message(fresh))
        if not added.accepted:
            if fresh.unique is not None and added.existing not in ("", fresh.uuid):
                raise not_unique(fresh, added.existing, "is not replayed, and stays among the dead letters")
            raise MessageDoesNotExistsError(f"{message.summary} is not among the dead letters")

    async def sync_from_backend(self, given: Message | str) -> Message:
        """Return the message as it is in the store now."""
        message = await message_of(self._driver, given)
        stored = await self._stored(message)
        if stored is not None:
            return read_message(stored, self._serializer)
        letter = await self._letter(message)
        if letter is not None:
            return self._revived(letter)
        raise MessageDoesNotExistsError(f"{message.summary} is not in the store")

    async def _stored(self, message: Message) -> Stored | None:
        return await self._driver.ask(self._messages.get, message.queue, message.uuid)

    async def _letter(self, message: Message) -> DeadLetter | None:
        return await self._driver.ask(self._messages.dead_letter, message.queue, message.uuid)

    def _revived(self, letter: DeadLetter) -> Message:
        message = read_message(letter, self._serializer)
        details: ExceptionDetails = json.loads(letter.error)
        message.exception_details = details
        return message

    async def _finish(self, message: Message, outcome: Outcome) -> None:
        assert message.claim is not None
        claimed = message.claim.claimed
        if (message.uuid, message.queue) != (claimed.uuid, claimed.queue):
            raise ValidationError(
                f"{message.summary} was handed out as uuid {claimed.uuid!r} in queue {claimed.queue!r}, and its claim "
                "is for that one: nothing was done. Put these back to settle it, or use message.clone(), which has no "
                "claim, for another message"
            )
        lost = ClaimLostError(
            f"{message.summary} is no longer held under token {message.claim.token}: "
            "the lease ran out, it was given back, or it was finished already"
        )
        try:
            accepted = await self._driver.call(message.claim.session.finish, outcome)
        except WorkerUnknownError as error:
            raise lost from error
        if not accepted:
            raise lost
