"""The limit of what a backend stores in one piece."""

from __future__ import annotations

from typing import Any, Final

from alsek.exceptions import PayloadTooLargeError
from alsek.storage.serialization import Serializer, as_bytes

#: How much longer a message may become by other times, in bytes.
_TIMES: Final = 200


class PayloadLimit(Serializer):
    """Refuses what `serializer` writes if it is longer than a backend takes.

    A backend with ``max_payload`` puts it around its serializer. All that is stored passes through that: messages with
    their callbacks, results, also those for a group, checkpoints and values. Data that is stored already is read,
    however long it is, and a message that is stored already may be retried and replayed.

    Args:
        serializer: Turns values into bytes. What it compresses or encrypts counts as it is stored.
        most: The most bytes.
    """

    def __init__(self, serializer: Serializer, most: int) -> None:
        self.serializer = serializer
        self.most = most

    def forward(self, obj: Any) -> bytes:
        data = as_bytes(self.serializer.forward(obj))
        if len(data) > self.most:
            raise PayloadTooLargeError(
                f"it has {len(data):,} bytes, and this backend takes {self.most:,} (max_payload). Store it elsewhere "
                "(a file, an object store, a database) and pass its name; or compress it (Compressed); or raise "
                "max_payload"
            )
        return data

    def reverse(self, obj: bytes) -> Any:
        return self.serializer.reverse(obj)

    def __repr__(self) -> str:
        return repr(self.serializer)


def limit_for(serializer: Serializer, stored: bytes) -> Serializer:
    """Return the serializer for what takes the place of `stored`: it may be as long as that, and have other times."""
    if not isinstance(serializer, PayloadLimit) or len(stored) + _TIMES <= serializer.most:
        return serializer
    return PayloadLimit(serializer.serializer, len(stored) + _TIMES)


def without_limit(serializer: Serializer) -> Serializer:
    """Return the serializer that the limit is around; `serializer` itself if it has none."""
    return serializer.serializer if isinstance(serializer, PayloadLimit) else serializer
