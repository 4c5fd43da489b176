"""What a message tells of itself, beside its fields."""

from __future__ import annotations

from alsek.core.backoff import Backoff, backoff_from
from alsek.core.clock import now_ms
from alsek.core.reporting.message_reports import MessageReports
from alsek.types import BackoffSettings, GroupFailure


class MessageViews(MessageReports):
    """Properties of a message that are made of its fields."""

    __slots__ = ("__weakref__",)  # for alsek.core.placing

    uuid: str
    queue: str
    task_name: str
    created_at: int
    updated_at: int
    delay: int
    retries: int
    retry_delay: int | None
    backoff_settings: BackoffSettings

    @property
    def summary(self) -> str:
        """The message in one line."""
        return f"Message(uuid={self.uuid!r}, queue={self.queue!r}, task={self.task_name!r})"

    @property
    def backoff(self) -> Backoff:
        """The backoff that `backoff_settings` describe.

        Raises:
            ValidationError: Its class is not defined in this process.
        """
        return backoff_from(self.backoff_settings)

    @property
    def ready_at(self) -> int:
        """When the message is next ready for processing, computed from its own fields: Unix milliseconds, UTC."""
        if self.retry_delay is not None:
            return self.updated_at + self.retry_delay
        if not self.retries:
            return self.created_at + self.delay
        return self.updated_at + self.backoff.get(self.retries)

    @property
    def ttr(self) -> int:
        """How long until the message is ready (time to ready); 0 if it is ready."""
        return max(0, self.ready_at - now_ms())

    @property
    def ready(self) -> bool:
        """True if the message is ready for processing."""
        return self.ttr == 0

    @property
    def group_failures(self) -> list[GroupFailure]:
        """For the callback of a group: the members that did not succeed. Empty for any other message."""
        return []
