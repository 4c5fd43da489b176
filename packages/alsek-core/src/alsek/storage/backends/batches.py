"""Many values in batches; and submissions, without those whose uuid occurs twice in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from alsek.defaults import SUBMISSION_BATCH
from alsek.storage.backends.records import Added, Submission
from alsek.storage.backends.states import UuidState

T = TypeVar("T")


def in_pieces(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Iterate over values in order, at most this many at a time."""
    return (values[start : start + most] for start in range(0, len(values), most))


def add_in_batches(
    submissions: Sequence[Submission], add_batch: Callable[[Sequence[Submission]], list[Added]]
) -> list[Added]:
    """Add submissions in batches; of several with one uuid only the first, and refuse the others.

    A store whose ``add`` calls this function needs to handle distinct uuids only.

    Args:
        submissions: Any number.
        add_batch: Adds up to :data:`~alsek.defaults.SUBMISSION_BATCH` submissions with distinct uuids, in one step.

    Returns:
        The answers, in the order of the submissions.
    """
    firsts: dict[str, Submission] = {}
    for submission in submissions:
        firsts.setdefault(submission.uuid, submission)
    distinct = list(firsts.values())
    answers: list[Added] = []
    for start in range(0, len(distinct), SUBMISSION_BATCH):
        answers += add_batch(distinct[start : start + SUBMISSION_BATCH])
    if len(distinct) == len(submissions):
        return answers
    answered = dict(zip(firsts, answers, strict=True))
    # Only the first submission of a uuid gets the answer that it was accepted.
    in_order = []
    for submission in submissions:
        answer = answered[submission.uuid]
        in_order.append(answer)
        if answer.accepted:
            state: UuidState = "delayed" if firsts[submission.uuid].delay > 0 else "ready"
            answered[submission.uuid] = Added(False, submission.uuid, state)
    return in_order
