"""Unique messages: one at a time with a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from alsek.core.bounds import check_number, milliseconds
from alsek.core.keys.canonical import text_of_arguments
from alsek.core.keys.template import checked_key, template
from alsek.core.keys.texts import key_of_task
from alsek.core.seconds import LEAST_LIFETIME_MS, warn_of_seconds
from alsek.core.short_repr import shown
from alsek.exceptions import ValidationError
from alsek.storage.backends.records import Conflict, HeldUntil, UniqueKey
from alsek.storage.serialization import Serializer
from alsek.types import Duration


@dataclass(frozen=True)
class Unique:
    """At most one message of a task with a key is in the store: ``@task(broker, unique=Unique("{customer_id}"))``.

    A message *holds* its key from its submission until it has ended, in whatever way, or until it is first claimed.
    What another submission with the key does meanwhile says `conflict`.

    Attributes:
        key: Text in which ``{name}`` stands for an argument of the function: as it was given, or its default. ``""``
            is for the task as a whole, None for all arguments of the call.
        until: ``"ended"``: the key is held until the message has ended, delays and retries included. ``"started"``:
            until it is first claimed, so that one may wait while one runs.
        conflict: ``"existing"``: nothing is submitted, and the new message has the uuid of the one that holds the key.
            ``"raise"``: :class:`~alsek.exceptions.MessageNotUniqueError` is raised. ``"replace"``: the message that
            holds the key gets the arguments and options of the new one, and its delay begins anew; if it has been
            claimed already, the new one waits behind it.
        window: How long (ms) from submission the key is held at least, also if the message has ended; None for no
            longer than that.

    Raises:
        ValidationError: One is of the wrong kind.
    """

    key: str | None = None
    until: HeldUntil = "ended"
    conflict: Conflict = "existing"
    window: Duration | None = None

    def __post_init__(self) -> None:
        where = f"Unique({shown(self.key)})"
        checked_key(self.key, where)
        for name, value, allowed in (
            ("until", self.until, get_args(HeldUntil)),
            ("conflict", self.conflict, get_args(Conflict)),
        ):
            if value not in allowed:
                choice = " or ".join(repr(each) for each in allowed)
                raise ValidationError(f"{name}={shown(value)} of {where}: must be {choice}")
        warn_of_seconds("window", self.window, LEAST_LIFETIME_MS, where)
        window = milliseconds(self.window)
        check_number("window", window, 1, where, optional=True)
        object.__setattr__(self, "window", window)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arguments in its key."""
        return () if self.key is None else template(self.key).names

    def record(self, task_name: str, arguments: Mapping[str, Any], serializer: Serializer) -> UniqueKey:
        """Return what a message with these arguments holds.

        Args:
            task_name: Its task. Two tasks never share a key.
            arguments: All arguments of the call, by name.
            serializer: The store's, for values that are no plain text or number.

        Raises:
            ArgumentsError: The call does not have an argument that is in the key.
            SerializationError: The serializer can't take a value.
        """
        if self.key is None:
            text = text_of_arguments(arguments, serializer)
        else:
            text = template(self.key).filled(arguments, serializer)
        return UniqueKey(
            key_of_task(task_name, text), self.until, self.conflict, milliseconds(self.window) or 0
        )
