"""The message that the running code belongs to."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from alsek.core.message import Message

#: Set in the context that a pool makes for each message, and never reset there: the context is dropped with it.
CURRENT: Final[ContextVar[Message | None]] = ContextVar("alsek_current_message", default=None)


def current_message() -> Message | None:
    """Return the message whose attempt runs here; None outside of an attempt.

    It is set in worker pools, from when the attempt begins: for the middleware, the task's hooks and the function, and
    for the ``on_…`` hooks after it. Coroutines that the task starts have it too, and threads that are started with a
    copied context (``contextvars.copy_context().run``, ``asyncio.to_thread``). For messages that a
    :class:`~alsek.core.consumer.Consumer` yields it is not set: such a program has the message in its hand.
    """
    return CURRENT.get()
