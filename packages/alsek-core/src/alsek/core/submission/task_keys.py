"""The keys of a task's messages: what its own options, or those of a call, ask of the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

from alsek.core.arguments.bound import ArgumentNames
from alsek.core.keys.limits import AnyLimit, distinct, limits_of
from alsek.core.keys.unique import Unique
from alsek.core.message import Message
from alsek.core.short_repr import shown
from alsek.exceptions import ArgumentsError, ValidationError
from alsek.storage.backends.records.keys import limits_text
from alsek.storage.serialization import Serializer

#: What a call may say of its limits: the same as a task; False for none, None for those of the task.
LimitsOption: TypeAlias = Sequence[AnyLimit] | AnyLimit | Literal[False] | None

#: What a call may say of its unique key: False for none, None for that of the task.
UniqueOption: TypeAlias = Unique | Literal[False] | None


class TaskKeys:
    """Gives the messages of a task their unique key and their limits.

    Args:
        task_name: The task.
        function: Its function.
        unique: That of the messages of which nothing else is said.
        limits: Likewise.

    Attributes:
        any: Messages have a key or limits if nothing else is said of them.

    Raises:
        ValidationError: One is of the wrong kind, or has an argument in its key that the function does not have.
    """

    __slots__ = ("_function", "_limits", "_name", "_names", "_unique", "any")

    def __init__(
        self,
        task_name: str,
        function: Callable[..., Any],
        unique: UniqueOption,
        limits: LimitsOption,
    ) -> None:
        self._name = task_name
        self._function = function
        self._names: ArgumentNames | None = None
        self._unique = self._checked_unique(unique)
        self._limits = self._checked_limits(limits)
        self.any = self._unique is not None or bool(self._limits)

    def give(
        self, message: Message, serializer: Serializer, unique: UniqueOption, limits: LimitsOption
    ) -> None:
        """Give a message its unique key and its limits.

        Args:
            message: The message.
            serializer: The store's.
            unique: What the call says; None for what the task says, False for none.
            limits: Likewise.

        Raises:
            ValidationError: As of the class.
            ArgumentsError: The call does not have an argument that is in a key.
            SerializationError: An argument in a key can't be serialized.
        """
        own = self._unique if unique is None else self._checked_unique(unique)
        all_limits = self._limits if limits is None else self._checked_limits(limits)
        if own is None and not all_limits:
            return
        where = f"task {self._name!r}"
        arguments = self._argument_names().bound(message.args, message.kwargs)
        try:
            if own is not None:
                message.unique = own.record(self._name, arguments, serializer).text()
            if all_limits:
                records = [each.record(self._name, arguments, serializer) for each in all_limits]
                message.limits = limits_text(distinct(records, where))
        except ArgumentsError as error:
            raise ArgumentsError(f"{where}: {error}") from error

    def _checked_unique(self, given: Any) -> Unique | None:
        if given is None or given is False:
            return None
        if not isinstance(given, Unique):
            hint = f": write unique=Unique({given!r})" if isinstance(given, str) else ""
            hint = ": write unique=Unique('') for the task as a whole" if given is True else hint
            raise ValidationError(
                f"task {self._name!r}: unique={shown(given)}: must be an alsek.Unique, None or False{hint}"
            )
        self._check_names(given)
        return given

    def _checked_limits(self, given: Any) -> tuple[AnyLimit, ...]:
        if given is None or given is False:
            return ()
        limits = limits_of(given, f"task {self._name!r}")
        for limit in limits:
            self._check_names(limit)
        return limits

    def _check_names(self, asked: Unique | AnyLimit) -> None:
        if asked.names:
            fault = self._argument_names().fault(asked.names)
            if fault is not None:
                raise ValidationError(f"task {self._name!r}: key={asked.key!r}: {fault}")

    def _argument_names(self) -> ArgumentNames:
        if self._names is None:
            self._names = ArgumentNames(self._function)
        return self._names
