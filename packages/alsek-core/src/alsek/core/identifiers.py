"""Names of messages and workers: how they are made, and which are allowed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable

from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError

_NAME = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,255}")


def new_uuid() -> str:
    """Return a UUID of version 7 (RFC 9562, 5.7): milliseconds first, then 74 random bits.

    UUIDs are ordered by time, so that a store's index of messages grows at one end.
    """
    # As now_ms() does it, without the call: this is done for each message.
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


def check_task_name(what: str, name: object) -> str:
    """`name` if it can name a task.

    Raises:
        ValidationError: It is no text, is empty, or has characters that can't be printed, such as a newline.
    """
    if not isinstance(name, str) or not name or not name.isprintable():
        raise ValidationError(
            f"{what}={shown(name)}: must be text, not empty, without control characters or lone surrogates"
        )
    return name


def check_queues(queues: object) -> tuple[str, ...] | None:
    """The names of queues, in order, each once; one name alone is a queue; None stands for all.

    Raises:
        ValidationError: One can't be the name of a queue, or there is none.
    """
    if queues is None:
        return None
    if isinstance(queues, str):
        queues = (queues,)
    if not isinstance(queues, Iterable):
        raise ValidationError(f"queues={shown(queues)}: must be names of queues, or None for all")
    names = tuple(dict.fromkeys(check_name("queue", queue) for queue in queues))
    if not names:
        raise ValidationError("queues=[]: name at least one, or pass None for all")
    return names


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
