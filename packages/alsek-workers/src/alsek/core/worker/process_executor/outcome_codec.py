"""Claims and outcomes as plain tuples, as the engine and its task processes send them to each other.

Records have others within them: those become plain tuples too, at any depth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Final, NamedTuple

from alsek.core.short_repr import shown
from alsek.storage.backends.records import (
    Claimed,
    Failed,
    GroupPlace,
    GroupSubmission,
    Limit,
    Outcome,
    Report,
    Retried,
    SetAside,
    Submission,
    Succeeded,
    UniqueKey,
)

#: The kinds of outcome that a task process makes. Each is sent as its index.
_KINDS: Final[tuple[type[Outcome], ...]] = (Succeeded, Retried, Failed, SetAside)


class _Nested(NamedTuple):
    """A field of a record that has another record, or several, or none."""

    at: int
    kind: type[tuple[Any, ...]]
    several: bool


def _nested(kind: Any, several: tuple[str, ...] = (), **kinds: type[tuple[Any, ...]]) -> tuple[_Nested, ...]:
    names: tuple[str, ...] = kind._fields
    return tuple(_Nested(names.index(name), inner, name in several) for name, inner in kinds.items())


#: The fields of each record that have others.
_NESTED: Final[dict[type[tuple[Any, ...]], tuple[_Nested, ...]]] = {
    Submission: _nested(Submission, ("limits",), unique=UniqueKey, limits=Limit, group=GroupPlace),
    GroupSubmission: _nested(GroupSubmission, callback=Submission, parent=GroupPlace),
    Succeeded: _nested(
        Succeeded, ("groups", "members"), callback=Submission, groups=GroupSubmission, members=Submission
    ),
    Failed: _nested(Failed, callback=Submission),
    SetAside: _nested(SetAside, callback=Submission),
}


#: For each kind of outcome that may have records within it: reads the fields where they would be. (The first twice, so
#: that it always reads several.)
_INNER: Final[dict[type[tuple[Any, ...]], Callable[[tuple[Any, ...]], tuple[Any, ...]]]] = {
    kind: itemgetter(nested[0].at, *(each.at for each in nested)) for kind, nested in _NESTED.items()
}


def claimed_to_wire(claimed: Claimed) -> tuple[Any, ...]:
    """Return a claim as a plain tuple."""
    return tuple(claimed) if claimed.group is None else _plain(claimed)


def claimed_from_wire(wire: tuple[Any, ...]) -> Claimed:
    """Return the claim that :func:`claimed_to_wire` made this tuple of."""
    claimed = Claimed(*wire)
    return claimed if claimed.group is None else claimed._replace(group=GroupPlace(*claimed.group))


def outcome_to_wire(outcome: Outcome) -> tuple[Any, ...]:
    """Return an outcome as a plain tuple."""
    kind = type(outcome)
    inner = _INNER.get(kind)
    if inner is None or not any(inner(outcome)):  # nearly always
        return (_KINDS.index(kind), *outcome)
    return (_KINDS.index(kind), *_plain(outcome))


def outcome_from_wire(wire: tuple[Any, ...]) -> Outcome:
    """Return the outcome that :func:`outcome_to_wire` made this tuple of."""
    kind, fields = _KINDS[wire[0]], wire[1:]
    inner = _INNER.get(kind)
    nested = inner is not None and any(inner(fields))
    outcome: Outcome = _record(kind, fields) if nested else kind(*fields)
    return outcome


def report_from_wire(wire: tuple[Any, ...]) -> Report:
    """Return the report of which a task process has sent this tuple.

    Raises:
        TypeError: It is something else, which no store could take.
    """
    report: Any = Report(*wire)
    texts, numbers = (report.uuid, report.queue), (report.token, report.number, report.keep)
    data = (report.progress, report.checkpoint)
    if not (
        all(type(text) is str for text in texts)
        and all(type(number) is int for number in numbers)
        and all(each is None or type(each) is bytes for each in data)
        and type(report.lines) is tuple
        and all(type(line) is bytes for line in report.lines)
    ):
        raise TypeError(f"{shown(report)} is no report")
    told: Report = report
    return told


def _plain(fields: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(_plain(field) if isinstance(field, tuple) else field for field in fields)


def _record(kind: Any, wire: Iterable[Any]) -> Any:
    fields = list(wire)
    for at, inner, several in _NESTED.get(kind, ()):
        value = fields[at]
        if value:
            fields[at] = tuple(_record(inner, each) for each in value) if several else _record(inner, value)
    return kind(*fields)
