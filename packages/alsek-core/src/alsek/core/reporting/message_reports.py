"""What a task may tell of its message while it runs, and what it may ask: methods of the message."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from alsek.core.reporting.progress import checked_progress
from alsek.core.reporting.reporter import Reporter, lost_claim
from alsek.exceptions import (
    MessageRevokedError,
    PayloadTooLargeError,
    SerializationError,
    TaskTimeoutError,
    ValidationError,
)
from alsek.storage.serialization import dump

if TYPE_CHECKING:
    from alsek.core.claim import Claim
    from alsek.core.reporting.reporting import Reporting


class MessageReports:
    """Methods of a message for the code that runs it: a task, its hooks, or who has it from a consumer."""

    __slots__ = ()

    claim: Claim | None

    if TYPE_CHECKING:

        @property
        def summary(self) -> str: ...

    def progress(self, current: float, total: float | None = None, text: str = "") -> None:
        """Say how far the task is. Cheap: call it as often as you like.

        It never waits for the store. What was said last is sent four times a second at most, and with the outcome. If
        the store is away, it is sent later.

        Args:
            current: How much is done, in units of your own.
            total: How much there is to do; None if that is not known.
            text: Anything else, for people: at most 1,000 characters are kept.

        Raises:
            ValidationError: A number is none, negative or not finite. Or no attempt of the message runs here.
            ClaimLostError: Its attempt has ended.
        """
        said = checked_progress(current, total, text)
        claim = self._held("progress")
        reporter, reporting = self._reporting(claim)
        if not reporting.show(said):
            raise lost_claim(claim.claimed)
        reporter.request()

    def save(self, value: Any) -> None:
        """Save a checkpoint: the next attempt has it as its ``checkpoint``, whatever ends this one.

        The value is serialized now: what is changed in it later is not saved. When this returns, the store has it, and
        on SQLite it is on the disk. It replaces the one before. An attempt whose claim was lost never overwrites that
        of a later one.

        Args:
            value: What the backend's serializer takes.

        Raises:
            SerializationError: The serializer does not take it.
            PayloadTooLargeError: It is larger than the backend's ``max_payload``.
            ClaimLostError: Another worker may have the message by now, or its attempt has ended.
            BackendError: The store can't answer now. It was saved, or not.
            ValidationError: No attempt of the message runs here.
        """
        claim = self._held("save")
        data = self._serialized(claim, value)
        reporter, reporting = self._reporting(claim)
        reporter.save(reporting, data)

    async def asave(self, value: Any) -> None:
        """As :meth:`save`, without blocking the event loop. If it is cancelled, the value is saved or not."""
        claim = self._held("asave")
        data = self._serialized(claim, value)
        reporter, reporting = self._reporting(claim)
        await claim.session.backend.loop_driver().call(reporter.save, reporting, data)

    @property
    def checkpoint(self) -> Any:
        """What was saved last, in this attempt or an earlier one; None if nothing was, or no attempt runs here.

        Each access makes a new object of it. Only in a hook that is called after the process of the task has died does
        it ask the store.

        Raises:
            SerializationError: What an earlier attempt has saved can't be read.
            BackendError: After the death of its process: the store can't answer now.
        """
        claim = self.claim
        if claim is None:
            return None
        session = claim.session
        told = None if session.reporter is None else session.reporter.existing(claim.token)
        data = claim.claimed.checkpoint if told is None else told.saved
        if session.follows and data is claim.claimed.checkpoint:  # nothing was saved in this process
            (kept,) = session.backend.messages.reports([claim.claimed.uuid])
            data = None if kept is None else kept.checkpoint
        if data is None:
            return None
        try:
            return session.backend.serializer.reverse(data)
        except (TaskTimeoutError, MessageRevokedError):
            raise  # raised in this thread from outside; the bytes may be fine
        except Exception as error:
            raise SerializationError(
                f"the checkpoint of {self.summary} can't be read by {session.backend.serializer!r}: {error}"
            ) from error

    @property
    def stopping(self) -> bool:
        """True if the task is to come to an end soon: its pool or group is shutting down, or it was revoked.

        True as well once its claim was lost or its attempt has ended: nothing that it does counts any more. False for a
        message that no worker has handed out.
        """
        claim = self.claim
        return claim is not None and claim.session.is_ending(claim.token)

    def _held(self, method: str) -> Claim:
        claim = self.claim
        if claim is None:
            raise ValidationError(
                f"{method}() of {self.summary}: no attempt of it runs here; a task has the message of its own attempt "
                "as its parameter `message`, or by current_message()"
            )
        if claim.session.pid != os.getpid():
            raise ValidationError(
                f"{method}() of {self.summary}: it is held by process {claim.session.pid}, from which this one "
                f"({os.getpid()}) was forked: call it there"
            )
        return claim

    def _reporting(self, claim: Claim) -> tuple[Reporter, Reporting]:
        session = claim.session
        reporter = session.open_reporter()
        reporting = reporter.of(claim.claimed, session.worker, session.held, follows=session.follows)
        if reporting is None:
            raise lost_claim(claim.claimed)
        return reporter, reporting

    def _serialized(self, claim: Claim, value: Any) -> bytes:
        try:
            return dump(claim.session.backend.serializer, value)
        except SerializationError as error:
            kind = PayloadTooLargeError if isinstance(error, PayloadTooLargeError) else SerializationError
            raise kind(f"the checkpoint of {self.summary}: {error}") from error.__cause__
