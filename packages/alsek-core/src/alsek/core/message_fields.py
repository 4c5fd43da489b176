"""What the fields of a message may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alsek.core.bounds import check_number
from alsek.core.clock import from_text
from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError

if TYPE_CHECKING:
    from alsek.core.message import Message

# Tuples: what is not hashable can be looked for in them.
MECHANISMS = ("thread", "process")
WISHES = ("any", "thread", "process")


def check_call(message: Message, args: Any) -> None:
    """Check that the positional arguments are a sequence, and the keyword arguments a dict with texts as keys.

    Raises:
        ValidationError: They are not.
    """
    if args is not None and not isinstance(args, tuple | list):
        raise ValidationError(f"args={shown(args)} of {message.summary}: must be a list or a tuple")
    if not isinstance(message.kwargs, dict):
        raise ValidationError(f"kwargs={shown(message.kwargs)} of {message.summary}: must be a dict")
    for name in message.kwargs:
        if not isinstance(name, str):
            raise ValidationError(
                f"kwargs={shown(message.kwargs)} of {message.summary}: the key {shown(name)} is no text: keys are "
                "names of parameters"
            )


def check_fields(message: Message) -> None:
    """Check the numbers, and the mechanism.

    Raises:
        ValidationError: One is out of range or of the wrong kind.
    """
    for name, least in (("timeout", 1), ("priority", 0), ("delay", 0), ("retries", 0)):
        check_number(name, getattr(message, name), least, message.summary)
    for name, least in (("result_ttl", 1), ("ttl", 1), ("retry_delay", 0)):
        check_number(name, getattr(message, name), least, message.summary, optional=True)
    if message.mechanism_wish not in WISHES or message.mechanism not in MECHANISMS:
        raise ValidationError(
            f"mechanism={shown(message.mechanism)}, mechanism_wish={shown(message.mechanism_wish)} of "
            f"{message.summary}: "
            "must be 'thread' or 'process'; the wish may also be 'any'"
        )


def timestamp(value: int | str) -> int:
    """A time as Unix milliseconds.

    Raises:
        ValidationError: It is neither an integer nor UTC text.
    """
    if isinstance(value, int):
        return value
    try:
        return from_text(value)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"{shown(value)} is no time: integer milliseconds, or UTC text") from error
