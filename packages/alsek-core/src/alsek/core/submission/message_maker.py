"""Making one message of a task: its settings, and what a call says besides."""

from __future__ import annotations

from typing import Any

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.placing import place
from alsek.core.seconds import LEAST_LIFETIME_MS, LEAST_WAIT_MS, warn_of_seconds
from alsek.core.status import StatusTracker
from alsek.core.submission.chaining import Callbacks, callbacks_of, chain, follow_failure
from alsek.core.submission.task_keys import LimitsOption, TaskKeys, UniqueOption
from alsek.core.task_hooks import TaskHooks
from alsek.types import BackoffSettings, Duration, MechanismWish


class MessageMaker(TaskHooks):
    """Makes messages from the task's settings.

    Attributes:
        broker: Where messages are submitted.
        name: The name of the task in messages.
        queue: The queue of messages that name no other.
        timeout: How long (ms) an attempt may take, of messages that say nothing else.
        status_tracker: Keeps the status of the messages; None to keep none.
        mechanism_wish: The kind of pool that may take the messages.
        is_async: The task is an ``async def``.
    """

    broker: Broker
    name: str
    queue: str
    timeout: int
    status_tracker: StatusTracker | None
    mechanism_wish: MechanismWish
    is_async: bool
    _backoff_settings: BackoffSettings
    _keys: TaskKeys
    _wire_status_ttl: int | None = None

    def build(
        self,
        args: list[Any] | tuple[Any, ...] | None,
        kwargs: dict[str, Any] | None,
        *,
        priority: int = 0,
        metadata: Any = None,
        result_ttl: Duration | None = None,
        uuid: str | None = None,
        timeout_override: Duration | None = None,
        delay: Duration | None = None,
        previous_result: Any = None,
        callback: Callbacks | None = None,
        queue: str | None = None,
        ttl: Duration | None = None,
        unique: UniqueOption = None,
        limits: LimitsOption = None,
        failure_callback: Message | None = None,
    ) -> Message:
        """Make one message, and check its arguments and callbacks."""
        status_ttl = self._wire_status_ttl
        # Four by position: Python makes a dict first for a call with more than 15 arguments by name.
        message = Message(
            self.name,
            self.queue if queue is None else queue,
            args,
            kwargs,
            metadata=metadata,
            result_ttl=result_ttl,
            uuid=uuid,
            timeout=self.timeout if timeout_override is None else timeout_override,
            delay=delay,
            previous_result=previous_result,
            backoff_settings=self._backoff_settings,
            priority=priority,
            mechanism_wish=self.mechanism_wish,
            is_async=self.is_async,
            ttl=ttl,
            status_ttl=self._choose_status_ttl() if status_ttl is None else status_ttl,
        )
        if delay or timeout_override or ttl or result_ttl:
            where = f"a message of task {self.name!r}"
            warn_of_seconds("delay", delay, LEAST_WAIT_MS, where)
            warn_of_seconds("timeout_override", timeout_override, LEAST_LIFETIME_MS, where)
            warn_of_seconds("ttl", ttl, LEAST_LIFETIME_MS, where)
            warn_of_seconds("result_ttl", result_ttl, LEAST_LIFETIME_MS, where)
        self.check_arguments(message.args, message.kwargs)
        if unique is not None or limits is not None or self._keys.any:
            self._keys.give(message, self.broker.backend.serializer, unique, limits)
        if self.broker.backend.partitions > 1:
            place((message, *callbacks_of(callback, failure_callback)), self.broker.backend)
        if callback is not None:
            chain(message, callbacks_of(callback), fresh=uuid is None)
        if failure_callback is not None:
            follow_failure(message, failure_callback)
        return message

    def _choose_status_ttl(self) -> int:
        """Choose the `status_ttl` of all messages: how long the store keeps their statuses; 0 if it writes none."""
        tracker = self.status_tracker
        atomic = tracker is not None and tracker.is_atomic_with(self.broker.backend)
        self._wire_status_ttl = tracker.wire_ttl if tracker is not None and atomic else 0
        return self._wire_status_ttl
