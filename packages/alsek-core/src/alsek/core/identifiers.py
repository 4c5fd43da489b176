"""Names for messages and workers, and what a name may look like."""

from __future__ import annotations

import os
import re
import time

from alsek.core.shown import shown
from alsek.exceptions import ValidationError

_NAME = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,255}")


def new_uuid() -> str:
    """A UUID of version 7 (RFC 9562, 5.7): milliseconds first, then 74 random bits.

    Ordered by time, so that a store's index of messages grows at one end.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    high = random >> 68  # 12 bits
    low = random & 0x3FFF_FFFF_FFFF_FFFF  # 62 bits
    text = f"{milliseconds:012x}7{high:03x}{0x8000_0000_0000_0000 | low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def new_worker_id() -> str:
    """A random id of 32 hexadecimal digits, never used before."""
    return os.urandom(16).hex()


def new_request_id() -> str:
    """Names one call of a producer, so that the store knows the call again when it is repeated."""
    return os.urandom(8).hex()


def check_name(what: str, name: object) -> str:
    """`name` if it can name a queue or a message.

    Raises:
        ValidationError: It is no text of 1 to 255 characters, or has some that names can't have.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValidationError(
            f"{what} {shown(name)}: must be text of 1 to 255 characters, without white space, control characters or "
            "lone surrogates"
        )
    return name
