"""The definition of a schedule: all that is stored of it, but for when it fires next. JSON that no store reads."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from alsek.core.callbacks import Data
from alsek.core.schedules.alike import alike
from alsek.core.schedules.trigger_data import (
    TriggerData,
    same_trigger,
    trigger_from_json,
    trigger_to_json,
)
from alsek.core.short_repr import shown
from alsek.exceptions import CorruptMessageError, MessageRevokedError, TaskTimeoutError, ValidationError
from alsek.storage.serialization import Serializer

#: What is fired of the ticks that were missed while no pool ran: the last one, each, or none.
MissedPolicy: TypeAlias = Literal["latest", "all", "skip"]

_VERSION: Final = 1


class Definition(NamedTuple):
    """What a schedule submits, and when.

    Attributes:
        task: The name of its task.
        trigger: Its trigger.
        missed: What is fired of missed ticks.
        declared: The code of a task declares it: it is fired only while some worker's code does.
        message: The template of its messages, serialized: see :mod:`alsek.core.schedules.template`.
    """

    task: str
    trigger: TriggerData
    missed: MissedPolicy
    declared: bool
    message: bytes

    def to_bytes(self) -> bytes:
        """Return the definition as JSON."""
        told = {
            "version": _VERSION,
            "task": self.task,
            "trigger": trigger_to_json(self.trigger),
            "missed": self.missed,
            "declared": self.declared,
            "message": b64encode(self.message).decode(),
        }
        return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")

    @classmethod
    def from_bytes(cls, data: bytes) -> Definition:
        """Return the definition of which :meth:`to_bytes` made these.

        Raises:
            CorruptMessageError: They are something else, or a newer version has written them.
        """
        try:
            told = json.loads(data.decode("utf-8", "surrogatepass"))
            if told["version"] != _VERSION:
                raise ValueError(
                    f"its version is {told['version']!r}; this version of Alsek knows {_VERSION}"
                )
            trigger = trigger_from_json(told["trigger"])
            message = b64decode(told["message"], validate=True)
            task, missed, declared = told["task"], told["missed"], told["declared"]
            if type(task) is not str or missed not in get_args(MissedPolicy) or type(declared) is not bool:
                raise ValueError(f"task={task!r}, missed={missed!r}, declared={declared!r}")
            return cls(task, trigger, missed, declared, message)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise CorruptMessageError(
                f"the definition of a schedule can't be read: {type(error).__name__}: {error} "
                f"(first bytes: {data[:60]!r})"
            ) from error

    def template(self, serializer: Serializer) -> Data:
        """Return the template of its messages.

        Raises:
            CorruptMessageError: The serializer can't read it.
        """
        try:
            template: Any = serializer.reverse(self.message)
            if not isinstance(template, dict):
                raise TypeError(f"it is a {type(template).__name__}")
        except (TaskTimeoutError, MessageRevokedError):
            raise  # raised in this thread from outside; the bytes may be fine
        except Exception as error:  # a serializer may raise anything on bytes that it did not write
            raise CorruptMessageError(
                f"the message of a schedule of task {self.task!r} can't be read by {serializer!r}: "
                f"{type(error).__name__}: {error}"
            ) from error
        return template

    def same(self, other: Definition, serializer: Serializer) -> bool:
        """Return True if another definition says the same, so that there is nothing to change."""
        if (self.task, self.missed, self.declared) != (other.task, other.missed, other.declared):
            return False
        if not same_trigger(self.trigger, other.trigger):
            return False
        # Else by value: encrypted bytes are never the same twice.
        try:
            return self.message == other.message or alike(
                self.template(serializer), other.template(serializer)
            )
        except CorruptMessageError:
            return False


def check_missed(missed: object, where: str) -> None:
    """Check what is to be fired of missed ticks.

    Raises:
        ValidationError: It is none of what it may be.
    """
    allowed = get_args(MissedPolicy)
    if missed not in allowed:
        raise ValidationError(f"{where}: missed={shown(missed)}: must be 'latest', 'all' or 'skip'")
