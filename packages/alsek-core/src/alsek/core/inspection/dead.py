"""Dead letters, alone or in groups of one cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

from alsek.core.inspection.contents import CallbackInfo, Contents, contents_of, details_of, joined, task_of
from alsek.core.inspection.fingerprint import fingerprint
from alsek.core.reporting.progress import Progress
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import DeadLetter
from alsek.storage.serialization import Serializer
from alsek.types import ExceptionDetails

#: How many different errors are kept while dead letters are read.
_MOST_CAUSES: Final = 1_000


@dataclass(frozen=True, slots=True)
class DeadInfo:
    """A message that failed for good. Times are Unix milliseconds. What can't be read of it is None.

    Attributes:
        uuid: Its uuid.
        queue: Its queue.
        task: The name of its task.
        exception: The name of the exception that ended its last attempt.
        text: The text of that exception.
        traceback: Its traceback; None if there is none.
        fingerprint: Equal for failures of one cause: twelve hexadecimal digits.
        died_at: When it failed, on the store's clock.
        attempts: How many attempts were made, as far as the store knows: one more than it was retried.
        retries: How often it was retried.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        metadata: What the producer added.
        timeout: How long (ms) an attempt could take.
        created_at: When it was made, on the producer's clock.
        callbacks: The messages that would have followed, nearest first: at most 16.
        more_callbacks: There would have been more than these.
        previous: The uuid of the message before it in its chain.
        previous_result: What that one returned.
        progenitor: The uuid of the first message of its chain.
        status: The name of its status; None if none is kept, or if it was not looked for, as in a list.
        status_at: When that was written, on the store's clock.
        details: What was stored with the status.
        unreadable: What of it can't be read, and why, as a sentence; None if all can.
        progress: How far its task was, as it last said; None if it said nothing. This and the three below are not
            looked for in a list.
        checkpoint: What its task saved last: a replay goes on with it.
        log: The last lines that its task logged, oldest first, if its broker keeps them.
        reported_at: When any of these three was last told, on the store's clock; None if none was.
        state: Always ``"dead"``.
    """

    uuid: str
    queue: str
    task: str | None
    exception: str
    text: str
    traceback: str | None
    fingerprint: str
    died_at: int
    attempts: int
    retries: int
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] | None = None
    metadata: Any = None
    timeout: int | None = None
    created_at: int | None = None
    callbacks: tuple[CallbackInfo, ...] = ()
    more_callbacks: bool = False
    previous: str | None = None
    previous_result: Any = None
    progenitor: str | None = None
    status: str | None = None
    status_at: int | None = None
    details: Any = None
    unreadable: str | None = None
    progress: Progress | None = None
    checkpoint: Any = None
    log: tuple[str, ...] = ()
    reported_at: int | None = None
    state: str = "dead"


@dataclass(frozen=True, slots=True)
class DeadGroup:
    """Dead letters of one task that failed for one cause.

    Attributes:
        task: The name of the task; None if it can't be read.
        exception: The name of the exception.
        fingerprint: Of the cause: twelve hexadecimal digits.
        count: How many dead letters there are.
        first: When the first of them failed: Unix milliseconds on the store's clock.
        last: When the last of them failed.
        sample: The last of them.
    """

    task: str | None
    exception: str
    fingerprint: str
    count: int
    first: int
    last: int
    sample: DeadInfo


class DeadFilter(NamedTuple):
    """Which dead letters are meant. None stands for any.

    Attributes:
        queue: Those of this queue.
        task: Those of this task.
        exception: Those with an exception of this name; ``package.Name`` is the same as ``Name``.
        fingerprint: Those of this cause.
        since: Those that failed then or later: Unix milliseconds on the store's clock.
        most: No more than so many dead letters are read.
    """

    queue: str | None = None
    task: str | None = None
    exception: str | None = None
    fingerprint: str | None = None
    since: int | None = None
    most: int | None = None


class _Failure(NamedTuple):
    """A dead letter, and why it failed."""

    letter: DeadLetter
    details: ExceptionDetails
    fingerprint: str


def dead_letters(backend: Backend, choice: DeadFilter) -> Iterator[DeadInfo]:
    """Return an iterator over dead letters: queue by queue in alphabetical order, oldest first in each."""
    for failure in _chosen(backend, choice):
        yield _info(failure, contents_of(failure.letter, backend.serializer))


def dead_groups(backend: Backend, choice: DeadFilter) -> list[DeadGroup]:
    """Return dead letters by cause: those with the most first, then those that failed last."""
    groups: dict[tuple[str | None, str, str], _Tally] = {}
    for failure in _chosen(backend, choice):
        key = (task_of(failure.letter, backend.serializer), failure.details["name"], failure.fingerprint)
        groups.setdefault(key, _Tally()).add(failure)
    made = [
        DeadGroup(
            *key, tally.count, tally.first, tally.last, dead_info(tally.newest.letter, backend.serializer)
        )
        for key, tally in groups.items()
        if tally.newest is not None
    ]
    return sorted(made, key=lambda group: (-group.count, -group.last, group.task or "", group.fingerprint))


def dead_info(
    letter: DeadLetter, serializer: Serializer, troubles: Sequence[str] = (), **more: Any
) -> DeadInfo:
    """Return a dead letter as users see it.

    Args:
        letter: The dead letter.
        serializer: Reads its payload.
        troubles: What else can't be read of it.
        more: More fields.
    """
    details = details_of(letter.error)
    contents = contents_of(letter, serializer)
    more["unreadable"] = joined([contents.unreadable, *troubles])
    return _info(_Failure(letter, details, fingerprint(details)), contents, **more)


class _Tally:
    """Counts the dead letters of one cause."""

    def __init__(self) -> None:
        self.count = 0
        self.first = 0
        self.last = 0
        self.newest: _Failure | None = None

    def add(self, failure: _Failure) -> None:
        """Count one more."""
        died_at = failure.letter.died_at
        self.first = min(self.first, died_at) if self.count else died_at
        if self.newest is None or died_at >= self.last:
            self.last, self.newest = died_at, failure
        self.count += 1


def _chosen(backend: Backend, choice: DeadFilter) -> Iterator[_Failure]:
    matches = _matcher(choice, backend.serializer)
    causes: dict[bytes, tuple[ExceptionDetails, str]] = {}  # many fail with the same error, word for word
    queues = backend.messages.dead_queues() if choice.queue is None else [choice.queue]
    letters = (letter for queue in queues for letter in backend.messages.dead_letters(queue))
    for letter in islice(letters, choice.most):
        if choice.since is not None and letter.died_at < choice.since:
            continue
        if letter.error not in causes:
            if len(causes) == _MOST_CAUSES:
                causes.clear()
            details = details_of(letter.error)
            causes[letter.error] = details, fingerprint(details)
        failure = _Failure(letter, *causes[letter.error])
        if matches(failure):
            yield failure


def _matcher(choice: DeadFilter, serializer: Serializer) -> Callable[[_Failure], bool]:
    exception = None if choice.exception is None else choice.exception.rpartition(".")[2]

    def matches(failure: _Failure) -> bool:
        if exception is not None and failure.details["name"].rpartition(".")[2] != exception:
            return False
        if choice.fingerprint is not None and failure.fingerprint != choice.fingerprint:
            return False
        return choice.task is None or task_of(failure.letter, serializer) == choice.task

    return matches


def _info(failure: _Failure, contents: Contents, **more: Any) -> DeadInfo:
    letter, details = failure.letter, failure.details
    fields: dict[str, Any] = {"unreadable": contents.unreadable, **more}
    retries = letter.retries if contents.retries is None else contents.retries
    return DeadInfo(
        letter.uuid,
        letter.queue,
        contents.task,
        details["name"],
        details["text"],
        details["traceback"],
        failure.fingerprint,
        letter.died_at,
        retries + 1,
        retries,
        contents.args,
        contents.kwargs,
        contents.metadata,
        contents.timeout,
        contents.created_at,
        contents.callbacks,
        contents.more_callbacks,
        contents.previous,
        contents.previous_result,
        contents.progenitor,
        **fields,
    )
