"""The partitions of a namespace, and which one a name is in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.locations import partition_of
from alsek.storage.backends.redis.partitions.marker import Marker, note_partitions, noted_partitions
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
        make_prompt: Makes ports of each partition whose calls never wait for long; None if all partitions are on one
            server: then there is nobody else to serve.
    """

    def __init__(
        self,
        sets: Sequence[PortSet],
        marker: Marker,
        location_of: Callable[[str], int],
        make_prompt: Callable[[], Sequence[PortSet]] | None = None,
    ) -> None:
        self._sets = tuple(sets)
        self._make_prompt = make_prompt
        self._prompt: tuple[PortSet, ...] | None = None
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

    @property
    def prompt(self) -> tuple[PortSet, ...]:
        """All partitions, by ports whose calls never wait for long: for workers, which have others to serve.

        Raises:
            ValidationError: As :attr:`all`.
        """
        if not self._known:
            self.check()
        return self._made_prompt()

    def _made_prompt(self) -> tuple[PortSet, ...]:
        if self._prompt is None:
            self._prompt = self._sets if self._make_prompt is None else tuple(self._make_prompt())
        return self._prompt

    def on_node_of(self, number: int) -> frozenset[int]:
        """The partitions on the same node as this one, as far as is known: itself, and others."""
        link = self._sets[number].link
        return frozenset(
            each for each, part in enumerate(self._sets) if each == number or part.link.shares_node(link)
        )

    def ping(self) -> None:
        """Check that a partition answers. Of those on one node at most one is asked if that does not.

        Raises:
            BackendUnavailableError: None does, or what knows how many there are does not.
            ValidationError: As :attr:`all`.
        """
        away: frozenset[int] = frozenset()
        for number, part in enumerate(self.prompt):
            if number in away:
                continue
            try:
                part.link.call("EXISTS", part.keys.messages())
            except BackendUnavailableError:
                away |= self.on_node_of(number)
                if len(away) == len(self):
                    raise

    def refresh(self) -> None:
        """Find out on which nodes the partitions are now."""
        self._sets[0].link.look_around()

    def close(self) -> None:
        """Close the connections of all partitions."""
        for part in (*self._sets, *(self._prompt or ())):
            part.listeners.close()
            part.link.close()

    def check(self) -> None:
        """Ask the store how many partitions it has; if it does not know yet, let it remember.

        Raises:
            ValidationError: It has another number of partitions.
        """
        is_new = self._marker.check(len(self._sets), self._noted)
        self._known = True
        if is_new:
            self._note_everywhere()

    def _note_everywhere(self) -> None:
        """Write into each partition how many there are; workers do so later where that can't be done now."""
        for _ in self._answers(self.note):
            pass

    def _noted(self) -> int | None:
        """How many partitions there are, as the first of them says that answers and has it."""
        answers = self._answers(lambda part: noted_partitions(part.link, part.keys))
        return next((noted for noted in answers if noted is not None), None)

    def _answers(self, ask: Callable[[PortSet], T]) -> Iterator[T]:
        """Ask each partition in turn, but for those that do not answer, and those on the same node."""
        away: frozenset[int] = frozenset()
        for number, part in enumerate(self._made_prompt()):
            if number in away:
                continue
            try:
                answer = ask(part)
            except BackendUnavailableError:
                away |= self.on_node_of(number)
            else:
                yield answer

    def note(self, part: PortSet) -> None:
        """Write into a partition how many there are."""
        note_partitions(part.link, part.keys, len(self._sets))

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
