"""Making the callback that is submitted by the step in which its parent succeeds."""

from __future__ import annotations

from typing import Any

from alsek.core.clock import now_ms
from alsek.core.execution.delivery import Delivery
from alsek.core.message import Message


def make_callback(delivery: Delivery, result: Any) -> Message:
    """Return the callback to submit, with the result of the message before it. The task may have chosen another one."""
    callback = delivery.message.callback()
    assert callback is not None
    callback.previous_result = result
    callback.previous_message_uuid = delivery.uuid
    callback.progenitor_uuid = delivery.progenitor_uuid or delivery.uuid
    callback.created_at = callback.updated_at = now_ms()
    return callback
