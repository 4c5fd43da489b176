"""Turning values into bytes and back."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

from alsek.core.short_repr import shown
from alsek.exceptions import MessageRevokedError, SerializationError, TaskTimeoutError

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=True)
_DECODER = json.JSONDecoder()


class Serializer(ABC):
    """Base of all serializers. Two processes that share messages must use the same one.

    A serializer must not execute anything it finds in the data: what comes from a store is input.
    """

    @abstractmethod
    def forward(self, obj: Any) -> bytes | str:
        """`obj` as bytes (or text, which is stored as UTF-8).

        Raises:
            TypeError, ValueError, OverflowError, RecursionError: It can't be serialized.
        """

    @abstractmethod
    def reverse(self, obj: bytes) -> Any:
        """The value that :meth:`forward` turned into these bytes. It is always given bytes.

        Raises:
            ValueError: They are not such bytes.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class JsonSerializer(Serializer):
    """JSON as the standard library has it: tuples come back as lists, the keys of dicts as text."""

    def forward(self, obj: Any) -> bytes:
        return _ENCODER.encode(obj).encode("utf-8", "surrogatepass")

    def reverse(self, obj: bytes) -> Any:
        return _DECODER.decode(obj.decode("utf-8", "surrogatepass"))


def dump(serializer: Serializer, obj: Any) -> bytes:
    """`obj` as bytes, whichever of the two kinds the serializer returns.

    Raises:
        SerializationError: The serializer can't take it. Its cause is what the serializer raised.
    """
    try:
        wire = serializer.forward(obj)
        return wire.encode() if isinstance(wire, str) else wire
    except (TaskTimeoutError, MessageRevokedError):
        raise  # set in this thread from outside: it says nothing of the value
    except Exception as error:
        raise SerializationError(
            f"{shown(obj)} ({type(obj).__name__}) can't be serialized by {serializer!r}: {error}"
        ) from error
