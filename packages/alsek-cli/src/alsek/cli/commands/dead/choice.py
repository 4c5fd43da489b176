"""Options that choose dead letters, and the dead letters that they choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, TypeVar

import click

from alsek.cli.durations import duration
from alsek.cli.options import option

if TYPE_CHECKING:
    from alsek.core.inspection.dead import DeadInfo
    from alsek.storage.backends.abstract import Backend

F = TypeVar("F", bound=Callable[..., Any])


class Filters(TypedDict):
    """The arguments of :meth:`Inspector.dead`."""

    queue: str | None
    task: str | None
    exception: str | None
    fingerprint: str | None
    since: int | None


class Choice(NamedTuple):
    """Which dead letters are meant: those of these uuids, or all that match the others. None stands for any."""

    uuids: tuple[str, ...] = ()
    queue: str | None = None
    task: str | None = None
    exception: str | None = None
    fingerprint: str | None = None
    since: int | None = None
    limit: int | None = None

    def infos(self, backend: Backend) -> Iterator[DeadInfo]:
        """Yield the dead letters that are there now: what fails meanwhile is not among them.

        Raises:
            NotFoundError: There is none of one of the uuids; before any is yielded.
        """
        chosen = self._named(backend) if self.uuids else self._matching(backend)
        return islice(chosen, self.limit)

    def _named(self, backend: Backend) -> Iterator[DeadInfo]:
        from alsek.cli.actions.lookup import dead_letters_of, no_dead_letter
        from alsek.core.inspection.dead import dead_info

        letters = {uuid: dead_letters_of(backend, uuid, self.queue) for uuid in dict.fromkeys(self.uuids)}
        for uuid, found in letters.items():
            if not found:
                raise no_dead_letter(backend, uuid, self.queue)
        return (dead_info(letter, backend.serializer) for found in letters.values() for letter in found)

    def _matching(self, backend: Backend) -> Iterator[DeadInfo]:
        from alsek.core.inspection.inspector import Inspector

        # Queues are walked one after the other, so one that comes later may have new dead letters by then.
        now = now_of(backend)
        return (info for info in Inspector(backend).iter_dead(**self.filters(backend)) if info.died_at <= now)

    def filters(self, backend: Backend) -> Filters:
        """Return the arguments of :meth:`Inspector.dead` that choose these dead letters."""
        return {
            "queue": self.queue,
            "task": self.task,
            "exception": self.exception,
            "fingerprint": self.fingerprint,
            "since": None if self.since is None else max(0, now_of(backend) - self.since),
        }


def now_of(backend: Backend) -> int:
    """Return the time on the store's clock."""
    return backend.messages.now()


_FILTERS = (
    option("queue", "-q", metavar="QUEUE", help="Those of this queue."),
    option("task", "-t", metavar="TASK", help="Those of this task."),
    option("exception", "-e", metavar="NAME", help="Those that failed with this exception: ValueError."),
    option(
        "fingerprint", "-f", metavar="HEX", help="Those of this cause, as `alsek dead list --group` names it."
    ),
    option(
        "since",
        metavar="DURATION",
        type=duration,
        help="Those that failed less than this ago: 90s, 15m, 1h, 7d.",
    ),
    option("limit", type=click.IntRange(min=1), metavar="N", help="At most so many, the oldest first."),
)


def filter_options(function: F) -> F:
    """Add the options that say which dead letters are meant. The command gets a :class:`Choice` as `choice`."""
    return _added(function, chosen=False)


def choice_options(function: F) -> F:
    """The same, with uuids as arguments, and ``--all``: one of all these must be given."""
    return _added(function, chosen=True)


def _added(function: F, *, chosen: bool) -> F:
    @wraps(function)
    def command(**given: Any) -> Any:
        fields = {name: given.pop(name) for name in Choice._fields if name in given}
        choice = Choice(**fields)
        if chosen:
            _check(choice, given.pop("all"))
        return function(choice=choice, **given)

    added: Any = command
    for add in reversed(_FILTERS):
        added = add(added)
    if chosen:
        added = option("all", is_flag=True, help="All that there are.")(added)
        added = click.argument("uuids", nargs=-1, metavar="[UUID]...")(added)
    wrapped: F = added
    return wrapped


def _check(choice: Choice, everything: bool) -> None:
    """Refuse a choice that says too little or two things.

    Raises:
        click.UsageError: It does.
    """
    filters = [choice.task, choice.exception, choice.fingerprint, choice.since]
    some = any(each is not None for each in filters)
    if choice.uuids and (some or everything or choice.limit is not None):
        raise click.UsageError("give uuids, or options that choose dead letters, not both")
    if not (choice.uuids or some or choice.queue is not None or everything):
        raise click.UsageError(
            "say which dead letters are meant: UUID…, --task, --exception, --fingerprint, --since, --queue or --all"
        )
