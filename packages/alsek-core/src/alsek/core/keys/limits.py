"""Limits: not too many messages at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from alsek.core.bounds import check_integer, check_number, milliseconds
from alsek.core.keys.template import checked_key, template
from alsek.core.keys.texts import TASK_PREFIX, readable, recorded
from alsek.core.seconds import LEAST_LIFETIME_MS, warn_of_seconds
from alsek.core.short_repr import shown
from alsek.defaults import MAX_PRIORITY
from alsek.exceptions import ValidationError
from alsek.storage.backends.records import Limit
from alsek.storage.serialization import Serializer
from alsek.types import Duration


@dataclass(frozen=True)
class Concurrency:
    """At most `amount` messages with a key run at once, over all workers: ``limits=[Concurrency(2, key="{tenant}")]``.

    A message takes up a place when it becomes ready, and gives it back when it ends, is lost with its worker or given
    back, and while it waits for a retry.

    Attributes:
        amount: How many; at least 1. The number of the last submission holds for all.
        key: Text in which ``{name}`` stands for an argument of the function. All messages with the same text share the
            limit, whatever their task. None or ``""`` is for the task as a whole.

    Raises:
        ValidationError: One is of the wrong kind.
    """

    amount: int
    key: str | None = None

    def __post_init__(self) -> None:
        _check(self, f"Concurrency(key={shown(self.key)})")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arguments in its key."""
        return template(self.key or "").names

    def record(self, task_name: str, arguments: Mapping[str, Any], serializer: Serializer) -> Limit:
        """Return the limit of a message with these arguments. The arguments are those of :meth:`Unique.record`.

        Raises:
            ArgumentsError: The call does not have an argument that is in the key.
            SerializationError: The serializer can't take a value.
        """
        return Limit(_text(self.key, task_name, arguments, serializer), self.amount)


@dataclass(frozen=True)
class Rate:
    """At most `amount` messages with a key start in any window of `per`: ``limits=[Rate(100, per=60_000)]``.

    The window slides: a start makes room when it is `per` ago. As long as there is room, as many may start at once.
    Each attempt is a start, also that of a retry.

    Attributes:
        amount: How many; at least 1. The numbers of the last submission hold for all.
        per: The length (ms) of the window.
        key: As that of a :class:`Concurrency`. A rate and a concurrency with the same key are two limits.

    Raises:
        ValidationError: One is of the wrong kind.
    """

    amount: int
    per: Duration
    key: str | None = None

    def __post_init__(self) -> None:
        where = f"Rate(key={shown(self.key)})"
        _check(self, where)
        warn_of_seconds("per", self.per, LEAST_LIFETIME_MS, where)
        per = milliseconds(self.per)
        check_number("per", per, 1, where)
        object.__setattr__(self, "per", per)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arguments in its key."""
        return template(self.key or "").names

    def record(self, task_name: str, arguments: Mapping[str, Any], serializer: Serializer) -> Limit:
        """Return the limit of a message with these arguments, as :meth:`Concurrency.record`."""
        return Limit(_text(self.key, task_name, arguments, serializer), self.amount, milliseconds(self.per))


#: What limits messages.
AnyLimit: TypeAlias = Concurrency | Rate


def limits_of(given: Any, where: str) -> tuple[AnyLimit, ...]:
    """Return what was given as `limits`: one, or several, or none.

    Raises:
        ValidationError: It is something else, or two of them are the same limit.
    """
    if isinstance(given, Concurrency | Rate):
        return (given,)
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ValidationError(
            f"{where}: limits={shown(given)}: must be a list of alsek.Concurrency and alsek.Rate"
        )
    limits: list[AnyLimit] = []
    for each in given:
        if not isinstance(each, Concurrency | Rate):
            raise ValidationError(
                f"{where}: limits=[{shown(each)}]: must be an alsek.Concurrency or an alsek.Rate"
            )
        if any(type(other) is type(each) and (other.key or "") == (each.key or "") for other in limits):
            raise ValidationError(
                f"{where}: limits={shown(given)}: two of one kind have the same key; {_REMEDY}"
            )
        limits.append(each)
    return tuple(limits)


def distinct(limits: Iterable[Limit], where: str) -> tuple[Limit, ...]:
    """Return limits in the order of their ids, each once.

    Raises:
        ValidationError: Two have one id, and not the same numbers.
    """
    found: dict[str, Limit] = {}
    for limit in limits:
        if found.setdefault(limit.id, limit) != limit:
            raise ValidationError(
                f"{where}: two of its limits have the same key, {readable(limit.key)!r}, and other numbers; {_REMEDY}"
            )
    return tuple(found[each] for each in sorted(found))


_REMEDY = "give them keys that differ, such as 'api/second' and 'api/minute'"


def _check(limit: AnyLimit, where: str) -> None:
    check_integer("amount", limit.amount, 1, where)
    if limit.amount > MAX_PRIORITY:
        raise ValidationError(f"amount={limit.amount} of {where}: must be at most {MAX_PRIORITY}")
    checked_key(limit.key, where)


def _text(key: str | None, task_name: str, arguments: Mapping[str, Any], serializer: Serializer) -> str:
    if not key:
        return recorded(TASK_PREFIX + task_name)
    return recorded(template(key).filled(arguments, serializer))
