"""The hooks of a task, for users to override."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from alsek.core.message import Message


class TaskHooks:
    """Hooks that do nothing until they are overridden.

    `pre_op`, `post_op` and `do_callback` run under the task's timeout, and an exception in them fails the attempt. An
    exception in one of the ``on_…`` hooks is logged and changes nothing.

    `pre_op`, `post_op` and the ``on_…`` hooks may be ``async def``: they are awaited, on the event loop of the process.
    """

    def pre_op(self, message: Message) -> Awaitable[None] | None:
        """Called before the function."""
        return None

    def post_op(self, message: Message, result: Any) -> Awaitable[None] | None:
        """Called after the function has returned."""
        return None

    def do_callback(self, message: Message, result: Any) -> bool:
        """Return True if the callback is to be submitted. Called only if the message has one."""
        return True

    def check_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Called in the producer for each message that it makes. An exception refuses the message."""

    def on_submit(self, message: Message) -> Awaitable[None] | None:
        """Called in the producer, after the message was submitted; not for callbacks, nor for ticks of schedules."""
        return None

    def on_retry(self, message: Message, exception: BaseException) -> Awaitable[None] | None:
        """Called in the worker, when a failed message is to be run again."""
        return None

    def on_failure(self, message: Message, exception: BaseException) -> Awaitable[None] | None:
        """Called in the worker, when a message has failed for good."""
        return None

    def on_success(self, message: Message, result: Any) -> Awaitable[None] | None:
        """Called in the worker, when the function has returned."""
        return None

    def on_revocation(self, message: Message, exception: BaseException) -> Awaitable[None] | None:
        """Called in the worker, when a revoked message becomes a dead letter."""
        return None
