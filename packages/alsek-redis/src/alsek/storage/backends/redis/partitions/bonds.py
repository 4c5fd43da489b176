"""What must be in one partition, because one step of the store changes all of it."""

from __future__ import annotations

from collections.abc import Iterator

from alsek.exceptions import ValidationError
from alsek.storage.backends.records import (
    Failed,
    GroupSubmission,
    Outcome,
    SetAside,
    Submission,
    Succeeded,
)
from alsek.storage.backends.redis.partitions.parts import Parts


def check_alone(parts: Parts, submission: Submission) -> None:
    """Check that a message can be stored where its uuid says.

    Raises:
        ValidationError: What it is bound to is in another partition.
    """
    if submission.unique is None and not submission.limits and submission.group is None:
        return
    check_together(parts, submission, parts.number(submission.uuid), f"message {submission.uuid!r}")


def check_together(parts: Parts, submission: Submission, number: int, what: str) -> None:
    """Check that a message, and what it is bound to, is in this partition, since `what` is there.

    Raises:
        ValidationError: Something is in another partition.
    """
    for bound, name in _bonds(submission):
        found = parts.number(name)
        if found != number:
            raise ValidationError(
                f"{what} is in partition {number}, and {bound} in partition {found}: one step of the store can't "
                "change both. Give their names the same part in braces, as in {acme}: it decides where they are"
            )


def check_group(parts: Parts, group: GroupSubmission) -> None:
    """Check that a group, its callback and the group that it is in are in one partition.

    Raises:
        ValidationError: They are not.
    """
    number, what = parts.number(group.id), f"group {group.id!r}"
    if group.parent is not None and parts.number(group.parent.group) != number:
        raise ValidationError(
            f"{what} is in another partition than group {group.parent.group!r}, which it is in"
        )
    if group.callback is not None:
        check_together(parts, group.callback, number, what)


def check_outcome(parts: Parts, outcome: Outcome, number: int) -> None:
    """Check that what an outcome submits is in the partition of its claim.

    Raises:
        ValidationError: It is not.
    """
    if not isinstance(outcome, Succeeded | Failed | SetAside):
        return
    what = f"message {outcome.uuid!r}"
    if outcome.callback is not None:
        check_together(parts, outcome.callback, number, what)
    if isinstance(outcome, Succeeded):
        for group in outcome.groups:
            check_group(parts, group)
            if parts.number(group.id) != number:
                raise ValidationError(f"{what} is in another partition than group {group.id!r}, its callback")
        for member in outcome.members:
            check_together(parts, member, number, what)


def _bonds(submission: Submission) -> Iterator[tuple[str, str]]:
    yield f"message {submission.uuid!r}", submission.uuid
    if submission.unique is not None:
        yield f"its unique key {submission.unique.key!r}", submission.unique.key
    for limit in submission.limits:
        yield f"its limit {limit.id!r}", limit.key
    if submission.group is not None:
        yield f"its group {submission.group.group!r}", submission.group.group
    if submission.joins:
        yield f"the group {submission.joins!r} whose callback it is", submission.joins
