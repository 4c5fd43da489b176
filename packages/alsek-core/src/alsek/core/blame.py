"""Finding the value that a serializer can't take, for whoever gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alsek.core.shown import shown
from alsek.exceptions import SerializationError
from alsek.storage.serialization import Serializer, dump

if TYPE_CHECKING:
    from alsek.core.message import Message


def blame(message: Message, wire: dict[str, Any], serializer: Serializer, error: BaseException) -> str:
    """Which value of the message the serializer can't take, in a sentence that names its task."""

    def refused(value: Any) -> bool:
        try:
            dump(serializer, value)
        except SerializationError:
            return True
        return False

    candidates = [(f"args[{index}]", value) for index, value in enumerate(message.args)]
    candidates += [(f"kwargs[{shown(name)}]", value) for name, value in message.kwargs.items()]
    candidates += [(name, value) for name, value in wire.items() if name not in ("args", "kwargs")]
    for where, value in candidates:
        if refused(value):
            return (
                f"task {message.task_name!r}: {where} = {shown(value)} ({type(value).__name__}) can't be "
                f"serialized by {serializer!r}: {error}. Pass something simpler, or give the backend another."
            )
    return f"task {message.task_name!r}: the message can't be serialized by {serializer!r}: {error}"
