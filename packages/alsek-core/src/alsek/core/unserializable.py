"""Why a message can't be serialized: which of its values the serializer can't take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alsek.core.callbacks import Data, links, own
from alsek.core.payload import without_defaults
from alsek.core.short_repr import shown
from alsek.exceptions import SerializationError, ValidationError
from alsek.storage.serialization import Serializer, dump

if TYPE_CHECKING:
    from alsek.core.message import Message


def explain_unserializable(
    message: Message, wire: Data, serializer: Serializer, reason: BaseException
) -> str:
    """Return a sentence that names the task and the first value that the serializer can't take.

    The value is one of a callback, or of the message itself.

    Args:
        message: The message that can't be packed.
        wire: Its own fields, as they would be serialized.
        serializer: The store's.
        reason: What the serializer raised.
    """
    if not isinstance(reason, ValidationError):
        for number, link in enumerate(links(message.callback_message_data)):
            callback = own(link)
            sparse = without_defaults(callback)
            try:
                dump(serializer, sparse)
            except SerializationError as refusal:
                cause = refusal.__cause__ or refusal
                args, kwargs = callback.get("args") or (), callback.get("kwargs") or {}
                text = _explain(callback.get("task_name"), args, kwargs, sparse, serializer, cause)
                return f"callback_message_data of {message.summary}, callback {number}: {text}"
    return _explain(message.task_name, message.args, message.kwargs, wire, serializer, reason)


def _explain(
    task_name: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    wire: Mapping[str, Any],
    serializer: Serializer,
    error: BaseException,
) -> str:
    """Return a sentence that names the task and the first value that the serializer can't take."""

    def refused(value: Any) -> bool:
        try:
            dump(serializer, value)
        except SerializationError:
            return True
        return False

    candidates = [(f"args[{index}]", value) for index, value in enumerate(args)]
    candidates += [(f"kwargs[{shown(name)}]", value) for name, value in kwargs.items()]
    candidates += [(name, value) for name, value in wire.items() if name not in ("args", "kwargs")]
    for where, value in candidates:
        if refused(value):
            return (
                f"task {task_name!r}: {where} = {shown(value)} ({type(value).__name__}) can't be "
                f"serialized by {serializer!r}: {error}. Pass something simpler, or give the backend another."
            )
    return f"task {task_name!r}: the message can't be serialized by {serializer!r}: {error}"
