"""How a task's messages are made and submitted."""

from __future__ import annotations

import logging
import threading
from typing import Any, Self

from alsek.core.broker import Broker
from alsek.core.chaining import chain
from alsek.core.message import Message
from alsek.core.status import StatusTracker, TaskStatus
from alsek.core.taskhooks import TaskHooks
from alsek.exceptions import ValidationError
from alsek.types import BackoffSettings, Wish

log = logging.getLogger(__name__)


class _Deferrals(threading.local):
    """How many of the next calls of ``generate()`` in this thread do not submit."""

    pending = 0


class Producer(TaskHooks):
    """The half of a task that makes messages: what it is told of itself stands in them, and the broker takes them.

    Attributes:
        broker: Where messages are put.
        name: Names the task in messages.
        queue: Where they wait, unless they say otherwise.
        timeout: How long (ms) an attempt may take, unless they say otherwise.
        status_tracker: Hears of each that was submitted; None for nobody.
        mechanism_wish: What kind of pool may take them.
    """

    broker: Broker
    name: str
    queue: str
    timeout: int
    status_tracker: StatusTracker | None
    mechanism_wish: Wish
    _backoff_settings: BackoffSettings

    def __init__(self) -> None:
        self._status_ttl: int | None = None
        self._deferrals = _Deferrals()

    def defer(self) -> Self:
        """Let the next :meth:`generate` in this thread not submit; each call stands for one."""
        self._deferrals.pending += 1
        return self

    def cancel_defer(self) -> Self:
        """Take back all calls of :meth:`defer` in this thread that no :meth:`generate` has used yet."""
        self._deferrals.pending = 0
        return self

    @property
    def deferred(self) -> bool:
        """Whether the next :meth:`generate` in this thread will not submit."""
        return self._deferrals.pending > 0

    def generate(
        self,
        args: list[Any] | tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        priority: int = 0,
        metadata: Any = None,
        result_ttl: int | None = None,
        uuid: str | None = None,
        timeout_override: int | None = None,
        delay: int | None = None,
        previous_result: Any = None,
        callback: Message | tuple[Message, ...] | None = None,
        queue: str | None = None,
        submit: bool = True,
        **options: Any,
    ) -> Message:
        """Make a message for this task and submit it. Durations are milliseconds.

        Args:
            args: Positional arguments for the function.
            kwargs: Keyword arguments for the function.
            priority: Lower goes first, within the queue; any integer >= 0.
            metadata: Anything serializable, to travel along.
            result_ttl: How long the result is kept; None for the result store's own.
            uuid: Names the message; a new one by default.
            timeout_override: In place of the task's timeout.
            delay: How long to wait before the first attempt; for a callback from its parent's completion.
            previous_result: For ``message.previous_result``.
            callback: What to submit once this message has succeeded: one message, or several that follow each
                other. The ``callback_message_data`` of the messages given is updated.
            queue: In place of the task's queue.
            submit: False to not submit now.
            **options: For :meth:`Broker.submit`: ``ttl``.

        Raises:
            MessageAlreadyExistsError: The store has a message of this uuid.
            SerializationError: A value can't be serialized; nothing was submitted.
            BackendError: The store did not take it.
        """
        if self._deferrals.pending > 0:
            self._deferrals.pending -= 1
            submit = False
        message = Message(
            task_name=self.name,
            queue=queue or self.queue,
            args=args,
            kwargs=kwargs,
            metadata=metadata,
            result_ttl=result_ttl,
            uuid=uuid,
            timeout=self.timeout if timeout_override is None else timeout_override,
            delay=delay,
            previous_result=previous_result,
            backoff_settings=self._backoff_settings,
            priority=priority,
            mechanism_wish=self.mechanism_wish,
            status_ttl=self._tracked_for(),
        )
        if callback is not None:
            chain(message, callback)
        if submit:
            self._submit(message, **options)
        else:
            ttl = options.pop("ttl", None)
            if options:
                raise ValidationError(f"generate() of task {self.name!r} does not take {sorted(options)}")
            if ttl is not None and (not isinstance(ttl, int) or ttl <= 0):
                raise ValidationError(f"ttl={ttl!r} for {message.summary}: must be None or milliseconds > 0")
            message.ttl = ttl
            message.pack(self.broker.backend.serializer)  # refused here, where the caller can mend it
        return message

    def _tracked_for(self) -> int:
        """The message's `status_ttl`: how long the store itself keeps its statuses, 0 if it does not."""
        if self._status_ttl is None:
            tracker = self.status_tracker
            rides = tracker is not None and tracker.rides_with(self.broker.backend)
            self._status_ttl = tracker.wire_ttl if tracker is not None and rides else 0
        return self._status_ttl

    def _submit(self, message: Message, **options: Any) -> None:
        self.broker.submit(message, **options)
        # The message is in the store now: whoever read of a failure here would submit it a second time.
        try:
            if self.status_tracker is not None and not message.status_ttl:
                self.status_tracker.set(message, TaskStatus.SUBMITTED)
            self.on_submit(message)
        except Exception:
            log.exception("%s was submitted, but what follows failed.", message.summary)
