"""Asking all partitions of which some may be away, so that the others do not wait for these."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Final, NamedTuple, TypeVar

from alsek.core.clock import monotonic_ms
from alsek.exceptions import AlsekError, BackendUnavailableError
from alsek.storage.backends.redis.partitions.late_visits import LateVisit, LateVisits
from alsek.storage.backends.redis.partitions.parts import Parts
from alsek.storage.backends.redis.ports.port_set import PortSet

T = TypeVar("T")

#: A partition that did not answer is not asked again for so many times the time that a call may take, or for a third of
#: the lease if that is shorter: then it is due to be renewed.
_RESTS: Final = 3


class _Failure(NamedTuple):
    """When a partition may be asked again (monotonic ms), and its error."""

    again_at: int
    error: BackendUnavailableError


class Away:
    """Remembers which partitions did not answer. They are asked last, and seldom.

    Args:
        parts: The partitions.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._failures: dict[int, _Failure] = {}

    def ask_each(self, ask: Callable[[int, PortSet], list[str]], lease: int) -> list[str]:
        """Ask each partition to renew a lease of so many ms, also after one that has failed; return all answers.

        Of those on one node at most one is waited for, and of those that are known to be away at most one in all, and
        only if none was lately.

        Raises:
            AlsekError: The first error, also that of a partition which was not asked because it is away.
        """
        parts = self._parts.unchecked  # what knows how many there are may be away, too
        first: AlsekError | None = None
        found: list[str] = []
        down: list[int] = []  # those that have failed now
        for number in sorted(range(len(parts)), key=self._failures.__contains__):
            known = self._failures.get(number) or self._with_its_node(number, down)
            if known is not None and monotonic_ms() < known.again_at:
                self._failures[number] = known
                first = first or known.error
                continue
            try:
                found += ask(number, parts[number])
            except BackendUnavailableError as error:
                self._note(number, error, min(_RESTS * parts[number].link.timeout, lease // 3))
                down.append(number)
                first = first or error
            except AlsekError as error:
                self._failures.pop(number, None)
                first = first or error
            else:
                self._failures.pop(number, None)
        if first is not None:
            raise first
        return found

    def _with_its_node(self, number: int, down: Sequence[int]) -> _Failure | None:
        """The failure of a partition on the same node; None if all of them there have answered."""
        link = self._parts.unchecked[number].link
        return next(
            (self._failures[each] for each in down if self._parts.unchecked[each].link.shares_node(link)),
            None,
        )

    def _note(self, number: int, error: BackendUnavailableError, rest: int) -> None:
        """Let all that are away rest from now on, for so many ms."""
        again_at = monotonic_ms() + rest
        self._failures[number] = _Failure(again_at, error)
        for other, failure in self._failures.items():
            self._failures[other] = failure._replace(again_at=again_at)


def in_those_there(parts: Parts, late: LateVisits, ask: Callable[[int, PortSet], T]) -> list[T]:
    """Ask each partition that is not away for a worker, also those after one that has failed; return the answers.

    Those that do not answer are away from then on. Of those on one node at most one is waited for.

    Raises:
        AlsekError: The first error, but not of partitions that are away, unless all of them are.
    """
    answers: list[T] = []
    failure: AlsekError | None = None
    for number, part in enumerate(parts.prompt):
        if number in late.away:
            continue
        try:
            answers.append(ask(number, part))
        except BackendUnavailableError:
            if not does_without(parts, late, number):
                raise
        except AlsekError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return answers


def does_without(parts: Parts, late: LateVisits, number: int) -> bool:
    """Let a partition be away for a worker, and those on its node. The worker is registered there once they answer.

    Returns False if no other partition would be left.
    """
    mates = parts.on_node_of(number)
    if len(mates | late.away) == len(parts):
        return False
    others = sorted(mates - late.away - {number})
    late.add([LateVisit(number), *map(LateVisit, others)])
    return True


def in_each(parts: Parts, ask: Callable[[int, PortSet], list[T]], spared: Set[int] = frozenset()) -> list[T]:
    """Ask each partition, also those after one that has failed; return all answers as one.

    Of those on one node at most one is waited for.

    Args:
        parts: The partitions.
        ask: Asks one of them.
        spared: It is no error if one of these is away, while others answer.

    Raises:
        AlsekError: The first error.
    """
    failure: AlsekError | None = None
    found: list[T] = []
    away: dict[int, BackendUnavailableError] = {}
    for number, part in enumerate(parts.prompt):
        try:
            if number in away:
                raise away[number]
            found += ask(number, part)
        except BackendUnavailableError as error:
            if number not in away:
                away |= dict.fromkeys(parts.on_node_of(number), error)
            if number not in spared or len(away) == len(parts):
                failure = failure or error
        except AlsekError as error:
            failure = failure or error
    if away:
        parts.refresh()  # the next attempt may find them elsewhere
    if failure is not None:
        raise failure
    return found
