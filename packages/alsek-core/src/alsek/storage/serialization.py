"""Serializers: values to bytes and back."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any, Final

from alsek.core.short_repr import shown
from alsek.exceptions import MessageRevokedError, PayloadTooLargeError, SerializationError, TaskTimeoutError

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=True)


def _new_encoder() -> Callable[[Any], str]:
    """Return what encodes as :data:`_ENCODER` does.

    The standard library makes its C encoder anew for each value, which takes longer than to encode a small one. The
    same encoder is used for all here; so it does not note which objects it is in, and a circle is a RecursionError.
    """
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    try:
        encode = make(None, _ENCODER.default, encode_basestring, None, ":", ",", False, False, True)
        if "".join(encode({"a": [1, None, "é"]}, 0)) == '{"a":[1,null,"é"]}':
            return lambda value: "".join(encode(value, 0))
    except (TypeError, ValueError):
        return _ENCODER.encode  # another implementation of Python, or another version of that function
    return _ENCODER.encode


_encode: Final = _new_encoder()
_DECODER = json.JSONDecoder()
#: Reads the value at a place of a text; returns it and where it ends.
_scan: Final[Callable[[str, int], tuple[Any, int]]] = _DECODER.scan_once  # type: ignore[attr-defined]

#: The key of a tagged value, as it stands in JSON. No other text in JSON has these quotes.
_TAG_TEXT: Final = '"$alsek"'


class Serializer(ABC):
    """Base class of all serializers. Processes that share messages must use the same serializer.

    A serializer must not execute anything that it finds in the data: bytes from a store are untrusted input.
    """

    @abstractmethod
    def forward(self, obj: Any) -> bytes | str:
        """Return `obj` as bytes, or as text, which is stored as UTF-8.

        Raises:
            TypeError, ValueError, OverflowError, RecursionError: `obj` can't be serialized.
        """

    @abstractmethod
    def reverse(self, obj: bytes) -> Any:
        """Return the value of which :meth:`forward` made these bytes. `obj` is always bytes.

        Raises:
            ValueError: The bytes can't be read.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class JsonSerializer(Serializer):
    """JSON, with the standard library's rules: tuples come back as lists, keys of dicts as text.

    What JSON has no form for comes back as it was: datetime, date, time, timedelta, UUID, Decimal, bytes, set,
    frozenset and Path; also as keys of dicts (:mod:`alsek.storage.tagged_values`). Dataclasses, enums and pydantic
    models are written as data.
    """

    def forward(self, obj: Any) -> bytes:
        try:
            text = _encode(obj)
        except TypeError:
            text = None
        except RecursionError:
            text = _ENCODER.encode(obj)  # which tells a circle from what is nested too deep
        if text is None or _TAG_TEXT in text:
            # Rare, so that plain values pay for nothing else.
            from alsek.storage.tagged_values import tagged

            text = _ENCODER.encode(tagged(obj))
        return text.encode("utf-8", "surrogatepass")

    def reverse(self, obj: bytes) -> Any:
        text = obj.decode("utf-8", "surrogatepass")
        try:
            value, end = _scan(text, 0)
        except StopIteration:
            value, end = None, -1
        if end != len(text):
            # It allows for white space around the value, and says what is wrong.
            value = _DECODER.decode(text)
        if _TAG_TEXT in text:
            from alsek.storage.tagged_values import untagged

            return untagged(value)
        return value


def as_bytes(wire: bytes | str) -> bytes:
    """Return what a serializer has written as bytes: text as UTF-8."""
    return wire.encode() if isinstance(wire, str) else wire


def dump(serializer: Serializer, obj: Any) -> bytes:
    """Return `obj` as bytes, also if the serializer returns text.

    Raises:
        SerializationError: The serializer can't take `obj`. Its cause is what the serializer raised.
        PayloadTooLargeError: It has more bytes than the backend takes.
    """
    try:
        wire = serializer.forward(obj)
        return wire if type(wire) is bytes else as_bytes(wire)  # a call less for each message
    except (TaskTimeoutError, MessageRevokedError):
        raise  # raised in this thread from outside; the value may be fine
    except PayloadTooLargeError as error:
        raise PayloadTooLargeError(f"{shown(obj)} ({type(obj).__name__}): {error}") from error
    except Exception as error:
        raise SerializationError(
            f"{shown(obj)} ({type(obj).__name__}) can't be serialized by {serializer!r}: {error}"
        ) from error
