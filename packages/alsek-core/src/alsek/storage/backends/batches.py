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
    firsts = first_of_each_uuid(submissions)
    answers: list[Added] = []
    for batch in in_pieces(list(firsts.values()), SUBMISSION_BATCH):
        answers += add_batch(batch)
    return answers_in_order(submissions, firsts, answers)


def first_of_each_uuid(submissions: Sequence[Submission]) -> dict[str, Submission]:
    """Submissions by uuid, in order; of several with one uuid only the first."""
    firsts: dict[str, Submission] = {}
    for submission in submissions:
        firsts.setdefault(submission.uuid, submission)
    return firsts


def answers_in_order(
    submissions: Sequence[Submission], firsts: dict[str, Submission], answers: list[Added]
) -> list[Added]:
    """The answers to all submissions, from those to :func:`first_of_each_uuid`: the others are refused."""
    if len(firsts) == len(submissions):
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
