"""Groups as users have them: members are counted, the callback has their results, and waiters get them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from alsek import (
    Broker,
    Group,
    GroupFailedError,
    GroupProgress,
    Message,
    ResultStore,
    TaskFailedError,
    task,
)
from alsek.exceptions import MessageAlreadyExistsError, MessageDoesNotExistsError
from alsek.storage.backends.abstract import Backend
from alsek.types import GroupFailure
from tests.contract.draining import drain


@pytest.fixture
def shop(backend: Backend) -> SimpleNamespace:
    """Tasks of a store, and what runs them."""
    broker = Broker(backend)
    result_store = ResultStore(backend)
    heard: list[Any] = []

    @task(broker, result_store=result_store)
    def square(n: int) -> int:
        return n * n

    @task(broker, result_store=result_store)
    def total(message: Message) -> int:
        return sum(message.previous_result)

    @task(broker, result_store=result_store, max_retries=0)
    def broken(n: int) -> int:
        raise ValueError(f"no {n}")

    @task(broker, result_store=result_store)
    def told(message: Message) -> int:
        heard.append((message.previous_result, message.group_failures))
        return len(heard)

    @task(broker)
    def add(n: int, message: Message) -> int:
        return n + int(message.previous_result or 0)

    tasks = [square, total, broken, told, add]
    return SimpleNamespace(
        backend=backend,
        broker=broker,
        result_store=result_store,
        heard=heard,
        run=lambda most=None: drain(broker, *tasks, most=most),
        **{each.name: each for each in tasks},
    )


def squares(shop: SimpleNamespace, numbers: range = range(10), **options: Any) -> Group:
    """A group of squares, and their total."""
    return Group(
        shop.square.defer().generate_many((n,) for n in numbers),
        callback=shop.total.defer().generate(),
        **options,
    )


def test_a_group_joins(shop: SimpleNamespace) -> None:
    """The results are those of the members, in their order, and the callback has them as its previous result."""
    group = squares(shop)
    group.submit()
    assert group.progress() == GroupProgress(10, 0, 0, 0, 10)
    shop.run()
    assert shop.result_store.get(group, timeout=60_000) == [n * n for n in range(10)]
    assert shop.result_store.get(group.callback, timeout=60_000) == 285
    assert group.progress() == GroupProgress(total=10, succeeded=10, failed=0, revoked=0, pending=0)
    assert shop.result_store.get(group) == [n * n for n in range(10)]  # again
    assert shop.result_store.get(group.members[3]) == 9  # a member has a result of its own


def test_an_empty_group_joins_at_once(shop: SimpleNamespace) -> None:
    """Its callback is submitted in the step that stores it."""
    group = squares(shop, range(0))
    group.submit()
    assert shop.result_store.get(group, timeout=0) == []
    shop.run()
    assert shop.result_store.get(group.callback) == 0


def test_a_group_of_a_known_id_is_refused(shop: SimpleNamespace) -> None:
    """Nothing of it is submitted, and the group that has the id goes on."""
    first, second = squares(shop, id="nightly"), squares(shop, id="nightly")
    first.submit()
    for _ in range(2):
        with pytest.raises(
            MessageAlreadyExistsError, match="can't be submitted: another group of the id 'nightly'"
        ):
            second.submit()
    shop.run()
    assert shop.result_store.get(first, timeout=60_000) == [n * n for n in range(10)]
    assert not shop.result_store.exists(second.callback)


def test_a_group_with_a_group_of_a_known_id_is_revoked(shop: SimpleNamespace) -> None:
    """The group that has the id goes on."""
    first, second = squares(shop, id="nightly"), Group([squares(shop, id="nightly")])
    first.submit()
    with pytest.raises(MessageAlreadyExistsError, match="and is revoked: another group of the id 'nightly'"):
        second.submit()
    shop.run()
    assert shop.result_store.get(first, timeout=60_000) == [n * n for n in range(10)]
    with pytest.raises(GroupFailedError, match="was revoked"):
        shop.result_store.get(second)


def test_members_are_submitted_in_pieces(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The group does not join as long as some are not there, though all that are there have ended."""
    group = squares(shop, range(450))
    add, calls = shop.backend.messages.add, []

    def watched(submissions: Any, request: str) -> Any:
        calls.append((len(submissions), request))
        answers = add(submissions, request)
        shop.run()
        return answers

    monkeypatch.setattr(shop.backend.messages, "add", watched)
    group.submit()
    assert [number for number, _ in calls] == [200, 200, 50]
    assert {request for _, request in calls} == {group.request}
    assert shop.result_store.get(group.callback) == sum(n * n for n in range(450))


def test_a_chain_in_a_group_counts_with_its_last_result(shop: SimpleNamespace) -> None:
    """The callbacks of a member have its place; the tasks need no result store."""
    first = shop.square.defer().generate(
        (3,), callback=(shop.add.defer().generate((1,)), shop.add.defer().generate((2,)))
    )
    group = Group([first, shop.add.defer().generate((7,))])
    group.submit()
    shop.run(1)
    assert group.progress().succeeded == 0
    shop.run()
    assert shop.result_store.get(group) == [12, 7]


def test_groups_within_groups(shop: SimpleNamespace) -> None:
    """One without a callback is a list of its results, one with a callback is the result of that."""
    group = Group(
        [
            Group(shop.square.defer().generate_many([(1,), (2,)])),
            squares(shop, range(3)),
            shop.square.defer().generate((9,)),
            Group([]),
        ],
        callback=shop.told.defer().generate(),
    )
    group.submit()
    shop.run()
    assert shop.result_store.get(group) == [[1, 4], 5, 81, []]
    assert shop.heard == [([[1, 4], 5, 81, []], [])]


def test_a_group_as_the_callback_of_a_message(shop: SimpleNamespace) -> None:
    """It is submitted when the message has succeeded, and its members have that one's result."""
    group = Group([shop.add.defer().generate((n,)) for n in (1, 2)], callback=shop.total.defer().generate())
    shop.square.generate((5,), callback=(shop.add.defer().generate((100,)), group))
    with pytest.raises(MessageDoesNotExistsError):
        group.progress()
    shop.run()
    assert shop.result_store.get(group) == [126, 127]
    assert shop.result_store.get(group.callback) == 253


def test_a_group_in_the_chain_of_a_member(shop: SimpleNamespace) -> None:
    """It takes the place of the member."""
    inner = Group([shop.add.defer().generate((n,)) for n in (1, 2)])
    outer = Group([shop.square.defer().generate((2,), callback=inner)], callback=shop.told.defer().generate())
    outer.submit()
    shop.run()
    assert shop.heard == [([[5, 6]], [])]


def test_the_first_failure_stops_a_group(shop: SimpleNamespace) -> None:
    """What has not started is revoked; the error names the member; who waits for the callback is told, too."""
    group = Group(
        [
            shop.square.defer().generate((1,)),
            shop.broken.defer().generate((2,)),
            shop.square.defer().generate((3,)),
        ],
        callback=shop.total.defer().generate(callback=shop.add.defer().generate((1,))),
    )
    group.submit()
    shop.run()
    with pytest.raises(GroupFailedError, match=r"member 1.*ValueError: no 2") as caught:
        shop.result_store.get(group, timeout=60_000)
    assert caught.value.group == group.id
    assert (caught.value.number, caught.value.uuid) == (1, group.members[1].uuid)
    assert caught.value.details["name"].endswith("ValueError")
    assert group.progress() == GroupProgress(3, 1, 1, 1, 0)
    with pytest.raises(TaskFailedError, match=f"(?s){group.members[1].uuid}.*no 2"):
        shop.result_store.get(group.callback, timeout=60_000)


def test_failures_are_told_to_a_group_that_continues(shop: SimpleNamespace) -> None:
    """None stands in their places; `group_failures` says which, and why."""
    group = Group(
        [
            shop.broken.defer().generate((0,)),
            shop.square.defer().generate((3,)),
            Group(
                [shop.square.defer().generate((1,)), shop.broken.defer().generate((7,))],
                on_failure="continue",
            ),
        ],
        callback=shop.told.defer().generate(),
        on_failure="continue",
    )
    group.submit()
    shop.run()
    ((results, failures),) = shop.heard
    assert results == [None, 9, [1, None]] == shop.result_store.get(group)
    first, second = failures
    assert isinstance(first, GroupFailure)
    assert (first.path, first.number, first.uuid, first.revoked) == ((0,), 0, group.members[0].uuid, False)
    assert first.details["text"] == "no 0"
    assert (second.path, second.details["text"]) == ((2, 1), "no 7")


def test_a_revoked_group(shop: SimpleNamespace) -> None:
    """Nothing of it is run any longer, and who waits for it or its callback is told."""
    group = squares(shop)
    group.submit()
    shop.run(2)
    assert group.revoke()
    shop.run()
    with pytest.raises(GroupFailedError, match="was revoked") as caught:
        shop.result_store.get(group, timeout=60_000)
    assert caught.value.number is None
    assert group.progress() == GroupProgress(10, 2, 0, 8, 0)
    with pytest.raises(TaskFailedError):
        shop.result_store.get(group.callback, timeout=60_000)
    assert not shop.backend.messages.queues()
