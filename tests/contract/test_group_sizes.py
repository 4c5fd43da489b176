"""Groups of the largest sizes that are promised, on every store; one more is refused before anything is submitted."""

from __future__ import annotations

import pytest

from alsek import Broker, Group, Message, task
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from tests.contract.draining import drain
from tests.contract.workers import Actors

pytestmark = pytest.mark.deep


def test_a_group_of_a_hundred_thousand(backend: Backend, actor: Actors) -> None:
    """All are submitted and counted."""
    broker = Broker(backend)

    @task(broker)
    def member() -> None: ...

    def members(number: int) -> list[Message]:
        return list(member.defer().generate_many([()] * number))

    with pytest.raises(ValidationError, match="100,001 members"):
        Group(members(100_001))
    group = Group(members(100_000))
    group.submit()
    assert group.progress().pending == backend.messages.count(member.queue) == 100_000
    group.revoke()


def test_a_callback_of_ten_thousand_members(backend: Backend) -> None:
    """They are ready in the step in which the message before them succeeds."""
    broker = Broker(backend)

    @task(broker)
    def member(message: Message) -> None: ...

    @task(broker)
    def first() -> None: ...

    def group(number: int) -> Group:
        return Group(member.defer().generate_many([()] * number))

    with pytest.raises(ValidationError, match="10,001 members"):
        first.generate(callback=group(10_001))
    callback = group(10_000)
    first.generate(callback=callback)
    drain(broker, first, member, most=1)
    assert backend.messages.count(member.queue) == 10_000


def test_groups_within_groups_are_as_deep_and_as_many_as_promised(backend: Backend) -> None:
    """32 levels join one after another; 10,000 groups in a group are revoked with it."""
    broker = Broker(backend)

    @task(broker)
    def member() -> int:
        return 7

    nested = Group([member.defer().generate()])
    for _ in range(31):
        nested = Group([nested])
    with pytest.raises(ValidationError, match="32 deep"):
        Group([nested]).submit(broker)
    nested.submit()
    drain(broker, member)
    assert nested.progress().succeeded == 1

    wide = Group([Group([]) for _ in range(10_000)] + [member.defer().generate()])  # type: ignore[list-item]
    wide.submit()
    assert wide.progress().succeeded == 10_000
    wide.revoke()
    assert backend.messages.count(member.queue) == 1
