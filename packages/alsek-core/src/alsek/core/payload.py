"""The payload of a message: finding the value that a serializer can't take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alsek.core.short_repr import shown
from alsek.exceptions import SerializationError
from alsek.storage.serialization import Serializer, dump


def explain_unserializable(
    task_name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    wire: Mapping[str, Any],
    serializer: Serializer,
    error: BaseException,
) -> str:
    """A sentence that names the task and the first value that the serializer can't take."""

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
