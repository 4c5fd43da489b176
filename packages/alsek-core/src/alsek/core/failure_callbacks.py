"""What follows a message that has failed for good: its failure callback, and that its callbacks will not come."""

from __future__ import annotations

from typing import NamedTuple

from alsek.core.clock import now_ms
from alsek.core.message import Message
from alsek.core.plain_messages import message_from_data
from alsek.core.unreachable import after_message
from alsek.types import ExceptionDetails, FailureDetails


class Failing(NamedTuple):
    """A message that fails for good.

    Attributes:
        message: The message.
        uuid: Its uuid; this and the two below as the store knows them.
        task: The name of its task.
        progenitor: The first message of its chain; None if it is that itself.
        details: Why it fails.
    """

    message: Message
    uuid: str
    task: str
    progenitor: str | None
    details: ExceptionDetails

    def callback(self) -> Message | None:
        """Return the failure callback to submit; None if there is none.

        Raises:
            Exception: It can't be read.
        """
        branches = self.message.branches
        if branches is None or "failure" not in branches:
            return None
        callback = message_from_data(branches["failure"])
        name, text, traceback = self.details["name"], self.details["text"], self.details["traceback"]
        callback.previous_failure = FailureDetails(
            name=name, text=text, traceback=traceback, uuid=self.uuid, task=self.task
        )
        callback.previous_message_uuid = self.uuid
        callback.progenitor_uuid = self.progenitor or self.uuid
        callback.created_at = callback.updated_at = now_ms()
        return callback

    def unreachable(self) -> tuple[str, ...]:
        """Return the uuids of the callbacks that will not be submitted."""
        return after_message(self.message)
