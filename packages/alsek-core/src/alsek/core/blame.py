"""Finding the value that a serializer can't take, for whoever gave it."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any

from alsek.storage.serialization import Serializer, dump

if TYPE_CHECKING:
    from alsek.core.message import Message

#: Shows a value in an error, however large or broken it is.
_show = reprlib.Repr()
_show.maxstring = _show.maxother = _show.maxlong = 100


def blame(message: Message, wire: dict[str, Any], serializer: Serializer, error: Exception) -> str:
    """Which value of the message the serializer can't take, in a sentence that names its task."""

    def refused(value: Any) -> bool:
        try:
            dump(serializer, value)
        except Exception:  # noqa: BLE001  whatever it is, it is a refusal
            return True
        return False

    candidates = [(f"args[{index}]", value) for index, value in enumerate(message.args)]
    candidates += [(f"kwargs[{name!r}]", value) for name, value in message.kwargs.items()]
    candidates += [(name, value) for name, value in wire.items() if name not in ("args", "kwargs")]
    for where, value in candidates:
        if refused(value):
            return (
                f"task {message.task_name!r}: {where} = {_show.repr(value)} ({type(value).__name__}) can't be "
                f"serialized by {serializer!r}: {error}. Pass something simpler, or give the backend another."
            )
    return f"task {message.task_name!r}: the message can't be serialized by {serializer!r}: {error}"
