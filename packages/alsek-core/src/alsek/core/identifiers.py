"""Names of messages and workers: how they are made, and which are allowed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from typing import Final

from alsek.core.short_repr import shown
from alsek.core.this_process import this_process
from alsek.exceptions import ValidationError

#: How many random parts are made at once.
_AHEAD: Final = 64

#: By a random hexadecimal digit the digit with the variant: its two highest bits are 10.
_VARIANTS: Final = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}

#: Names of queues that were found good, and how many of them are remembered at most.
_seen_queues: Final = set[str]()
_MOST_SEEN: Final = 1_000

_NAME = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,255}")


class _RandomParts:
    """Random parts of names, made ahead of need: the kernel is asked once for many.

    Args:
        make: Makes many of them.
    """

    __slots__ = ("_make", "_parts", "_pid")

    def __init__(self, make: Callable[[], list[str]]) -> None:
        self._make = make
        self._parts: list[str] = []
        self._pid = this_process.pid
        if hasattr(os, "register_at_fork"):
            # A signal handler may fork in the middle of next().
            os.register_at_fork(after_in_child=lambda: self._parts.clear())

    def next(self) -> str:
        """Return one, which no other caller gets, in no process."""
        while True:
            pid = this_process.pid
            if pid != self._pid:  # forked, perhaps by a program that does not call Python's hooks
                self._parts, self._pid = [], pid
            parts = self._parts
            try:
                return parts.pop()
            except IndexError:
                made = self._make()
                if pid == this_process.pid:  # a signal handler may have forked meanwhile
                    parts.extend(made)


def _ends_of_uuids() -> list[str]:
    """What stands behind the time: version 7, variant 2, and 74 random bits in the other places."""
    text = os.urandom(_AHEAD * 10).hex()
    return [
        f"-7{text[i : i + 3]}-{_VARIANTS[text[i + 3]]}{text[i + 4 : i + 7]}-{text[i + 7 : i + 19]}"
        for i in range(0, len(text), 20)
    ]


def _request_ids() -> list[str]:
    text = os.urandom(_AHEAD * 8).hex()
    return [text[i : i + 16] for i in range(0, len(text), 16)]


_uuid_ends: Final = _RandomParts(_ends_of_uuids)
_requests: Final = _RandomParts(_request_ids)


def new_uuid() -> str:
    """Return a UUID of version 7 (RFC 9562, 5.7): milliseconds first, then 74 random bits.

    UUIDs are ordered by time, so that a store's index of messages grows at one end.
    """
    # As now_ms() does it, without the call: this is done for each message.
    milliseconds = f"{time.time_ns() // 1_000_000:012x}"
    return f"{milliseconds[:8]}-{milliseconds[8:]}{_uuid_ends.next()}"


def new_worker_id() -> str:
    """A random id of 32 hexadecimal digits, never used before."""
    return os.urandom(16).hex()


def new_request_id() -> str:
    """Names one call of a producer, so that the store knows the call again when it is repeated."""
    return _requests.next()


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


def check_queue(name: object) -> str:
    """As :func:`check_name`, for the queue of a message. Names that were seen before are not examined again."""
    if type(name) is str and name in _seen_queues:
        return name
    checked = check_name("queue", name)
    if len(_seen_queues) < _MOST_SEEN:
        _seen_queues.add(checked)
    return checked


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
