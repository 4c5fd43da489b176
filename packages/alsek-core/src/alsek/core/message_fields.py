"""The fields of a message: their order, their defaults, and what they may be."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from alsek.core.backoff import DEFAULT_BACKOFF_SETTINGS
from alsek.core.bounds import check_integer, check_number, milliseconds
from alsek.core.clock import from_text
from alsek.core.identifiers import check_name, check_task_name
from alsek.core.short_repr import shown
from alsek.defaults import DEFAULT_MECHANISM, DEFAULT_TASK_TIMEOUT, MAX_DURATION
from alsek.exceptions import ValidationError
from alsek.storage.backends.kinds import MECHANISM_WISHES, POOL_KINDS
from alsek.storage.backends.records.keys import UniqueKey, limits_of_text

if TYPE_CHECKING:
    from alsek.core.message import Message

#: The default of a field that has none: a payload always has it.
REQUIRED: Final = object()

#: Each field, in the order in which they are shown, with the default that a payload leaves out.
DEFAULTS: Final[dict[str, Any]] = {
    "task_name": REQUIRED,
    "queue": REQUIRED,
    "args": (),
    "kwargs": {},
    "metadata": None,
    "exception_details": None,
    "result_ttl": None,
    "uuid": REQUIRED,
    "progenitor_uuid": None,
    "retries": 0,
    "timeout": DEFAULT_TASK_TIMEOUT,
    "created_at": REQUIRED,
    "updated_at": REQUIRED,
    "delay": 0,
    "previous_result": None,
    "previous_message_uuid": None,
    "callback_message_data": None,
    "backoff_settings": DEFAULT_BACKOFF_SETTINGS,
    "mechanism": DEFAULT_MECHANISM,
    "priority": 0,
    "mechanism_wish": "any",
    "retry_delay": None,
    "ttl": None,
    "status_ttl": 0,
    "is_async": False,
    "unique": None,
    "limits": None,
    "branches": None,
    "previous_failure": None,
}

FIELDS: Final = tuple(DEFAULTS)

#: What no key has in a record: see :mod:`alsek.core.keys.texts`.
_UNESCAPED: Final = re.compile(r"[%|;\n]")

#: The fields of a message without the callbacks that follow it.
OWN_FIELDS: Final = tuple(name for name in FIELDS if name != "callback_message_data")


def check_call(message: Message, args: Any) -> None:
    """Check that the positional arguments are a list or tuple, and the keyword arguments a dict with str keys.

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
    """Check the numbers, the mechanism, the flag and the keys, and make milliseconds of timedeltas.

    Raises:
        ValidationError: One is out of range or of the wrong kind.
    """
    for name in ("timeout", "delay", "result_ttl", "ttl", "retry_delay"):
        value = getattr(message, name)
        if isinstance(value, timedelta):
            setattr(message, name, milliseconds(value))
    for name, least in (("timeout", 1), ("priority", 0), ("delay", 0), ("retries", 0)):
        check_number(name, getattr(message, name), least, message.summary)
    for name, least in (("result_ttl", 1), ("ttl", 1), ("retry_delay", 0)):
        check_number(name, getattr(message, name), least, message.summary, optional=True)
    if message.mechanism_wish not in MECHANISM_WISHES or message.mechanism not in POOL_KINDS:
        raise ValidationError(
            f"mechanism={shown(message.mechanism)}, mechanism_wish={shown(message.mechanism_wish)} of "
            f"{message.summary}: "
            "must be 'thread' or 'process'; the wish may also be 'any'"
        )
    if not isinstance(message.is_async, bool):
        raise ValidationError(
            f"is_async={shown(message.is_async)} of {message.summary}: must be True or False"
        )
    for name, reader in (("unique", UniqueKey.of_text), ("limits", limits_of_text)):
        value = getattr(message, name)
        if value is not None:
            _check_keys(message, name, value, reader)


def are_limits(value: Any) -> bool:
    """Return True if :func:`check_fields` has nothing to say of these limits of a message, which are not None."""
    try:
        _read_keys(value, limits_of_text)
    except (TypeError, ValueError):
        return False
    return True


def _check_keys(message: Message, name: str, value: Any, reader: Callable[[str], Any]) -> None:
    try:
        _read_keys(value, reader)
    except (TypeError, ValueError) as error:
        raise ValidationError(
            f"{name}={shown(value)} of {message.summary}: must be None, or the text that a task's generate() makes: "
            f"{error}"
        ) from error


def _read_keys(value: Any, reader: Callable[[str], Any]) -> None:
    if not isinstance(value, str):
        raise TypeError(f"it is a {type(value).__name__}")
    if _UNESCAPED.search(value):
        raise ValueError("it has a character that is escaped in keys")
    reader(value)


def check_changed(message: Message) -> None:
    """Check all that a message checks when it is made: user code may have changed it since.

    Raises:
        ValidationError: A field is out of range or of the wrong kind.
    """
    check_task_name("task_name", message.task_name)
    check_name("queue", message.queue)
    check_call(message, message.args)
    check_fields(message)
    check_integer("status_ttl", message.status_ttl, -1, message.summary)
    for name in ("created_at", "updated_at"):
        check_integer(name, getattr(message, name), -MAX_DURATION, message.summary)
    for name in ("progenitor_uuid", "previous_message_uuid"):
        if getattr(message, name) is not None:
            check_name(name, getattr(message, name))


def timestamp(value: int | str) -> int:
    """Return a time as Unix milliseconds.

    Raises:
        ValidationError: `value` is neither an integer nor UTC text.
    """
    if isinstance(value, int):
        return value
    try:
        return from_text(value)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"{shown(value)} is no time: integer milliseconds, or UTC text") from error
