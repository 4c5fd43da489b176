"""The partitions of a namespace, and which one a name is in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from alsek.storage.backends.locations import partition_of
from alsek.storage.backends.redis.partitions.marker import Marker
from alsek.storage.backends.redis.ports.port_set import PortSet

A = TypeVar("A")
T = TypeVar("T")


class Parts:
    """The ports of each partition.

    Before the first of them is used, the store is asked how many partitions it has.

    Args:
        sets: The ports of each partition, in order.
        marker: What the store remembers of its partitions.
        location_of: The location of a name.
    """

    def __init__(self, sets: Sequence[PortSet], marker: Marker, location_of: Callable[[str], int]) -> None:
        self._sets = tuple(sets)
        self._marker = marker
        self._location_of = location_of
        self._known = False

    def __len__(self) -> int:
        return len(self._sets)

    @property
    def unchecked(self) -> tuple[PortSet, ...]:
        """All partitions; nothing is asked of the store."""
        return self._sets

    @property
    def all(self) -> tuple[PortSet, ...]:
        """All partitions.

        Raises:
            ValidationError: The store has another number of partitions.
        """
        if not self._known:
            self.check()
        return self._sets

    def check(self) -> None:
        """Ask the store how many partitions it has; if it does not know yet, let it remember.

        Raises:
            ValidationError: It has another number of partitions.
        """
        self._marker.check(len(self._sets))
        self._known = True

    def forget(self) -> None:
        """Let the store forget how many partitions it has: everything in it was deleted."""
        self._marker.delete()
        self._known = False

    def number(self, name: str) -> int:
        """The number of the partition that a name is in."""
        return partition_of(self._location_of(name), len(self._sets))

    def are_together(self, one: str, other: str) -> bool:
        """Whether two names have one location: they are in one partition then, however many there are."""
        return self._location_of(one) == self._location_of(other)

    def of(self, name: str) -> PortSet:
        """The partition that a name is in."""
        return self.all[self.number(name)]

    def split(self, things: Iterable[A], name_of: Callable[[A], str]) -> dict[int, list[tuple[int, A]]]:
        """Things by the partition of their name, each with its place among all of them."""
        found: dict[int, list[tuple[int, A]]] = {}
        for place, thing in enumerate(things):
            found.setdefault(self.number(name_of(thing)), []).append((place, thing))
        return found

    def gather(
        self,
        things: Sequence[A],
        name_of: Callable[[A], str],
        ask: Callable[[PortSet, list[A]], Sequence[T]],
    ) -> list[T]:
        """Ask each partition for the things that are in it; the answers, in the order of the things."""
        answers: dict[int, T] = {}
        for number, mine in self.split(things, name_of).items():
            told = ask(self.all[number], [thing for _, thing in mine])
            answers.update(zip((place for place, _ in mine), told, strict=True))
        return [answers[place] for place in range(len(things))]

    def total(self, names: Sequence[str], ask: Callable[[PortSet, list[str]], int]) -> int:
        """Ask each partition for the names that are in it; the sum of the answers."""
        split = self.split(names, lambda name: name)
        return sum(ask(self.all[number], [name for _, name in mine]) for number, mine in split.items())

    def outward(self, part: int, token: int) -> int:
        """A token of a partition as all others know it: no two partitions have one in common. 0 stands for none."""
        return token * len(self._sets) + part if token else 0

    def inward(self, token: int) -> int:
        """The token of its partition that :meth:`outward` was given."""
        return token // len(self._sets)

    def part_of_token(self, token: int) -> int:
        """The number of the partition that has made a token."""
        return token % len(self._sets)
