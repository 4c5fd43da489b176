"""A serializer that compresses what another one writes."""

from __future__ import annotations

import zlib
from typing import Any, Final

from alsek.core.bounds import check_integer
from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError
from alsek.storage.serialization import Serializer, as_bytes

#: Comes before compressed data. Neither JSON nor other text begins with it.
_MARK: Final = b"\x01z"


class Compressed(Serializer):
    """Compresses with zlib what `serializer` writes, if it is long enough to gain by it.

    Data that was written without compression is read as before, so an existing store may change to it: first all
    processes that read, then those that write.

    Args:
        serializer: Turns values into bytes.
        at_least: Shorter data (bytes) is left as it is.
        level: From 1 (fastest) to 9 (smallest).
        most: Data that would be longer than this (bytes) when it is decompressed is refused.

    Raises:
        ValidationError: An argument is out of range or of the wrong kind.
    """

    def __init__(
        self, serializer: Serializer, *, at_least: int = 1_000, level: int = 6, most: int = 1 << 30
    ) -> None:
        if not isinstance(serializer, Serializer):
            raise ValidationError(f"serializer={shown(serializer)} of Compressed: must be a Serializer")
        for name, value, least in (("at_least", at_least, 0), ("level", level, 1), ("most", most, 1)):
            check_integer(name, value, least, "Compressed")
        if level > 9:
            raise ValidationError(f"level={level} of Compressed: must be at most 9")
        self.serializer = serializer
        self._at_least = at_least
        self._level = level
        self._most = most

    def forward(self, obj: Any) -> bytes:
        data = as_bytes(self.serializer.forward(obj))
        # What begins with the mark by chance must not be taken for compressed data.
        if len(data) < self._at_least and not data.startswith(_MARK):
            return data
        compressed = _MARK + zlib.compress(data, self._level)
        return compressed if len(compressed) < len(data) or data.startswith(_MARK) else data

    def reverse(self, obj: bytes) -> Any:
        if not obj.startswith(_MARK):
            return self.serializer.reverse(obj)
        reader = zlib.decompressobj()
        try:
            data = reader.decompress(obj[len(_MARK) :], self._most)
        except zlib.error as error:
            raise ValueError(f"compressed data can't be read: {error}") from error
        if not reader.eof:
            raise ValueError(f"compressed data is cut off, or longer than {self._most} bytes")
        return self.serializer.reverse(data)

    def __repr__(self) -> str:
        return f"Compressed({self.serializer!r})"
