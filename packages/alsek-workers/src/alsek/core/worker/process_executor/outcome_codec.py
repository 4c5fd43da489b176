"""Outcomes as plain tuples, as task processes send them to their engine."""

from __future__ import annotations

from typing import Any, Final

from alsek.storage.backends.records import Failed, Outcome, Retried, SetAside, Submission, Succeeded

#: The kinds of outcome that a task process makes. Each is sent as its index.
_KINDS: Final[tuple[type[Outcome], ...]] = (Succeeded, Retried, Failed, SetAside)


def outcome_to_wire(outcome: Outcome) -> tuple[Any, ...]:
    """Return an outcome as a plain tuple."""
    fields = [tuple(field) if isinstance(field, Submission) else field for field in outcome]
    return (_KINDS.index(type(outcome)), *fields)


def outcome_from_wire(wire: tuple[Any, ...]) -> Outcome:
    """Return the outcome that :func:`outcome_to_wire` made this tuple of."""
    kind, fields = _KINDS[wire[0]], list(wire[1:])
    if kind is not Retried:
        at = kind._fields.index("callback")
        if fields[at] is not None:
            fields[at] = Submission(*fields[at])
    outcome: Outcome = kind(*fields)
    return outcome
