"""Two stores with clocks in step, given the same calls; what they name differently has one name here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from alsek.exceptions import AlsekError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import Claimed, LockRecord, Outcome, ResultRecord, Step
from tests.contract.stores import Store

#: A name for a token that no store ever gave out.
UNKNOWN_TOKEN = 10**9


class Refusal(NamedTuple):
    """What a call raised."""

    kind: str


class Numbers:
    """Numbers that each store gives out on its own, such as tokens: the n-th of either has the name n."""

    def __init__(self) -> None:
        self._names: tuple[dict[int, int], dict[int, int]] = ({0: 0}, {0: 0})
        self._numbers: list[tuple[int, int]] = [(0, 0)]

    def learn(self, first: int, second: int) -> int:
        """The common name of these two numbers, which is new if both are."""
        names = self._names[0].get(first), self._names[1].get(second)
        if names == (None, None):
            name = len(self._numbers)
            self._names[0][first] = self._names[1][second] = name
            self._numbers.append((first, second))
            return name
        assert names[0] is not None, f"{first} is new to the first store, {second} an old one to the second"
        assert names[0] == names[1], f"numbers {first} and {second} are not those of the same moment: {names}"
        return names[0]

    def number(self, side: int, name: int) -> int:
        """What this store calls the number of this name."""
        return self._numbers[name][side] if name < len(self._numbers) else name

    def name(self, side: int, number: int) -> int | str:
        """The name of a number of this store."""
        return self._names[side].get(number, f"unknown number {number}")

    @property
    def known(self) -> int:
        """How many names there are."""
        return len(self._numbers)


class Pair:
    """Two stores.

    Args:
        stores: Both, with clocks that stand at the same time.
        namespace: For this history alone.
    """

    def __init__(self, stores: tuple[Store, Store], namespace: str) -> None:
        self.stores = stores
        self.backends: tuple[Backend, Backend] = (stores[0].open(namespace), stores[1].open(namespace))
        self.tokens = Numbers()
        self.fences = Numbers()

    def close(self) -> None:
        """Delete what this history left."""
        for store, backend in zip(self.stores, self.backends, strict=True):
            store.discard(backend)

    @property
    def now(self) -> int:
        """The time of both."""
        return self.stores[0].now

    def advance(self, ms: int) -> None:
        """Let time pass for both."""
        for store in self.stores:
            store.advance(ms)

    def both(self, call: Callable[[Backend, int], Any]) -> tuple[Any, Any]:
        """What `call` answers on each store; it is told which it is. A refusal is an answer, too."""
        answers = []
        for side, backend in enumerate(self.backends):
            try:
                answers.append(call(backend, side))
            except AlsekError as error:
                answers.append(Refusal(type(error).__name__))
        return answers[0], answers[1]

    def same(self, call: Callable[[Backend, int], Any]) -> Any:
        """What both answer alike."""
        first, second = self.both(call)
        assert first == second, f"\n{self.stores[0].kind}: {first}\n{self.stores[1].kind}: {second}"
        return first

    def step(self, call: Callable[[Backend, int], Step], repeated: bool = False) -> Step | Refusal:
        """A step, with the names of tokens.

        Args:
            call: Asks one store.
            repeated: What it tells of what is to come may then be as it was or as it is.
        """
        first, second = self.both(call)
        if isinstance(first, Step) and isinstance(second, Step):
            self.learn(first.claimed, second.claimed)
            first, second = self._plain(0, first, repeated), self._plain(1, second, repeated)
        assert first == second, f"\n{self.stores[0].kind}: {first}\n{self.stores[1].kind}: {second}"
        answer: Step | Refusal = first
        return answer

    def learn(self, first: Sequence[Claimed], second: Sequence[Claimed]) -> None:
        """Give the tokens of the same claims names that both share."""
        for one, two in zip(first, second, strict=False):
            if one.uuid != two.uuid:
                return  # told by the comparison
            self.tokens.learn(one.token, two.token)

    def _plain(self, side: int, step: Step, repeated: bool) -> Step:
        step = step._replace(
            claimed=self.named(side, step.claimed),
            corrupt=[corrupt._replace(reason="") for corrupt in step.corrupt],
        )
        return step._replace(next_due=None, waiting=(), suspects=False) if repeated else step

    def named(self, side: int, claims: Sequence[Claimed]) -> list[Any]:
        """Claims with the names of their tokens."""
        return [claim._replace(token=self.tokens.name(side, claim.token)) for claim in claims]  # type: ignore[arg-type]

    def numbered(self, side: int, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Outcomes with the tokens of this store in the place of their names."""
        return [outcome._replace(token=self.tokens.number(side, outcome.token)) for outcome in outcomes]

    def result(self, side: int, record: ResultRecord | None) -> Any:
        """A result with the name of its token."""
        return None if record is None else record._replace(token=self.tokens.name(side, record.token))  # type: ignore[arg-type]

    def lock(self, call: Callable[[Backend, int], Any]) -> None:
        """A call of the lock port, whose records have fence numbers."""
        first, second = self.both(call)
        if isinstance(first, LockRecord) and isinstance(second, LockRecord):
            fence = self.fences.learn(first.fence, second.fence)
            first, second = first._replace(fence=fence), second._replace(fence=fence)
        assert first == second, f"\n{self.stores[0].kind}: {first}\n{self.stores[1].kind}: {second}"
