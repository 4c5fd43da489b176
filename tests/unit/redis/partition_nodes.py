"""Partitions on nodes of their own, of which some are away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest

from alsek.exceptions import BackendUnavailableError
from alsek.storage.backends.records import Step
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.partitions.parts import Parts
from tests.contract.workers import Actor
from tests.unit.redis.partitioned import PARTITIONS
from tests.waiting import eventually

_METHODS: Final = ("step", "register", "renew", "retire", "pass_on", "report", "held", "now", "workers")


class Nodes:
    """Sees what partitions are sent by one backend, and lets some of them not answer.

    Args:
        backend: The backend.
        patch: Puts this in the place of their methods.
        nodes: The partitions of each node; by default each is on its own.

    Attributes:
        away: The partitions that are not reached.
        replies_lost: Those that are reached, and whose replies are not.
        steps: The partition, the number, and the uuids of the outcomes of each step that was sent.
    """

    def __init__(
        self,
        backend: RedisBackend,
        patch: pytest.MonkeyPatch,
        nodes: Sequence[Sequence[int]] = tuple((n,) for n in range(PARTITIONS)),
    ) -> None:
        self.away: set[int] = set()
        self.replies_lost: set[int] = set()
        self.steps: list[tuple[int, int, list[str]]] = []
        self._nodes = {number: frozenset(node) for node in nodes for number in node}
        patch.setattr(Parts, "on_node_of", lambda _, number: self._nodes[number])
        ports: Any = backend._ports
        for number, part in enumerate(ports.parts.all):
            for name in _METHODS:
                patch.setattr(part.messages, name, self._spied(number, name, getattr(part.messages, name)))

    def _spied(self, number: int, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def spied(*args: Any, **kwargs: Any) -> Any:
            if name == "step":
                self.steps.append((number, args[1], [outcome.uuid for outcome in args[2]]))
            if number in self.away:
                raise BackendUnavailableError(f"partition {number} is away")
            answer = method(*args, **kwargs)
            if number in self.replies_lost:
                raise BackendUnavailableError(f"the reply of partition {number} is lost")
            return answer

        return spied

    def back(self) -> None:
        """All answer again."""
        self.away.clear()
        self.replies_lost.clear()

    def sent_to(self, number: int) -> list[tuple[int, list[str]]]:
        """The different steps that a partition was sent, in order: numbers, and uuids of outcomes."""
        sent: list[tuple[int, list[str]]] = []
        for part, seq, uuids in self.steps:
            if part == number and (seq, uuids) not in sent:
                sent.append((seq, uuids))
        return sent


def until_known(actor: Actor, limit: int = 0) -> Step:
    """The first step that is answered by all partitions, with what the steps before it have brought."""
    refused: list[str] = []
    claimed: list[Any] = []
    answers: list[Step] = []

    def known() -> bool:
        answer = actor.step(limit=limit)
        refused.extend(answer.refused)
        claimed.extend(answer.claimed)
        answers.append(answer)
        return answer.unknown is None

    eventually(known)
    return answers[-1]._replace(refused=refused, claimed=claimed)
