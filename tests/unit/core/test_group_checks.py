"""What is refused of groups, where it is made or submitted, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from alsek import Broker, Group, MemoryBackend, Message, task
from alsek.core.groups import checks
from alsek.exceptions import MessageDoesNotExistsError, ValidationError


@pytest.fixture
def shop() -> SimpleNamespace:
    """Two brokers of different stores, each with a task."""
    one, other = Broker(MemoryBackend()), Broker(MemoryBackend())

    @task(one)
    def here(n: int) -> None:
        del n

    @task(other)
    def there(n: int) -> None:
        del n

    def message() -> Message:
        return here.generate((1,), submit=False)

    return SimpleNamespace(broker=one, other=other, here=here, there=there, message=message)


def submitted(shop: SimpleNamespace) -> Message:
    """A deferred message that somebody has submitted."""
    message: Message = shop.message()
    shop.broker.submit(message)
    return message


def twice(shop: SimpleNamespace) -> Group:
    """A message in two places."""
    message = shop.message()
    return Group([message, Group([message])])


def in_a_chain(shop: SimpleNamespace) -> Group:
    """A message that is a member, and a callback of another one."""
    message = shop.message()
    return Group([message, shop.here.generate((1,), submit=False, callback=message)])


def of_itself(shop: SimpleNamespace) -> Group:
    """A group that contains itself."""
    group = Group([shop.message()])
    group.members = (group,)
    return Group([group])


def deep(shop: SimpleNamespace) -> Group:
    """Very deep groups."""
    group = Group([shop.message()])
    for _ in range(40):
        group = Group([group])
    return group


def submitted_inside(shop: SimpleNamespace) -> Group:
    """A group whose member was submitted by itself."""
    inner = Group([shop.message()])
    inner.submit()
    return Group([inner])


REFUSED: list[tuple[Callable[[SimpleNamespace], Any], str]] = [
    (lambda shop: Group([shop.message(), 5]), "member 1 of .*: 5 is neither a message nor a group"),
    (lambda shop: Group(shop.message()), "must be a list of messages"),
    (lambda shop: Group(None), "must be a list of messages"),  # type: ignore[arg-type]
    (lambda shop: Group([], on_failure="ignore"), "must be 'stop' or 'continue'"),  # type: ignore[arg-type]
    (lambda shop: Group([], ttl=0), "ttl=0"),
    (lambda shop: Group([], id="a b"), "id 'a b'"),
    (lambda shop: Group([], callback=shop.here), "must be None or a message"),
    (lambda shop: Group([], callback=Group([])), "must be a message, and is a group"),  # type: ignore[arg-type]
    (lambda shop: Group([submitted(shop)]), "was submitted already"),
    (lambda shop: Group([], callback=submitted(shop)), "was submitted already"),
    (twice, "twice: generate"),
    (in_a_chain, "twice: generate"),
    (lambda shop: Group([group := Group([]), group]), "a group is in it twice"),
    (of_itself, "contains itself"),
    (deep, "more than 32 deep"),
    (submitted_inside, "was submitted already"),
]


@pytest.mark.parametrize(("make", "text"), REFUSED, ids=[text for _, text in REFUSED])
def test_what_can_be_no_group(shop: SimpleNamespace, make: Callable[..., Any], text: str) -> None:
    """The constructor says what is wrong."""
    with pytest.raises(ValidationError, match=text):
        make(shop)


def test_how_many_members(shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of groups within count; a group that is a callback may have fewer."""
    assert (checks.MAX_MEMBERS, checks.MAX_CALLBACK_MEMBERS) == (100_000, 10_000)
    monkeypatch.setattr(checks, "MAX_MEMBERS", 5)
    Group([shop.message(), Group([shop.message() for _ in range(3)])])
    with pytest.raises(ValidationError, match="6 members: at most 5"):
        Group([shop.message(), Group([shop.message() for _ in range(4)])])
    monkeypatch.undo()
    large = Group([shop.message() for _ in range(10_001)])
    with pytest.raises(ValidationError, match=r"10,001 members: .* 10,000 at most"):
        shop.here.generate((1,), callback=large)
    assert shop.broker.backend.messages.count("alsek_queue") == 0


def test_where_it_is_submitted(shop: SimpleNamespace) -> None:
    """A broker must be known, and its store must be that of all messages."""
    by_hand = Group([Message("here", args=(1,))])
    with pytest.raises(ValidationError, match=r"no broker is known.*submit\(broker\)"):
        by_hand.submit()
    with pytest.raises(ValidationError, match="no broker is known"):
        by_hand.progress()
    by_hand.submit(shop.broker)
    assert by_hand.progress().total == 1
    with pytest.raises(ValidationError, match="can't be counted by one store"):
        Group([shop.message(), shop.there.generate((1,), submit=False)]).submit()
    with pytest.raises(ValidationError, match="can't be counted by one store"):
        Group([shop.message()]).submit(shop.other)
    assert shop.broker.backend.messages.count("alsek_queue") == 1


def test_it_is_submitted_once(shop: SimpleNamespace) -> None:
    """Neither again, nor if it is a callback; nor if a member was submitted since it was made."""
    group = Group([shop.message()])
    with pytest.raises(MessageDoesNotExistsError, match="was not submitted yet"):
        group.progress()
    assert not group.revoke()
    group.submit()
    with pytest.raises(ValidationError, match="was submitted already"):
        group.submit()
    callback = Group([shop.message()])
    shop.here.generate((1,), callback=callback)
    with pytest.raises(ValidationError, match="is the callback of a message"):
        callback.submit()
    with pytest.raises(ValidationError, match="is the callback of another message"):
        shop.here.generate((1,), callback=callback)
    late = Group([message := shop.message()])
    shop.broker.submit(message)
    with pytest.raises(ValidationError, match="was submitted already"):
        late.submit()


def test_a_group_is_the_last_callback(shop: SimpleNamespace) -> None:
    """Nothing follows it in a chain, however that is made."""
    for callbacks in (
        (Group([]), shop.message()),
        (Group([]), Group([])),
        (shop.here.generate((1,), submit=False, callback=Group([])), shop.message()),
        (shop.message(), shop.here.generate((1,), submit=False, callback=Group([])), Group([])),
    ):
        with pytest.raises(ValidationError, match="nothing can follow a group"):
            shop.here.generate((1,), callback=callbacks)
    with pytest.raises(ValidationError, match="only once"):
        shop.here.generate((1,), callback=(shared := shop.message(), Group([shared])))
    assert shop.broker.backend.messages.count("alsek_queue") == 0


def test_failure_callbacks_that_are_refused(shop: SimpleNamespace) -> None:
    """It is a message, and no other place has it."""
    with pytest.raises(ValidationError, match=r"failure_callback=.*must be a message"):
        shop.here.generate((1,), failure_callback=Group([]))
    shared = shop.message()
    with pytest.raises(ValidationError, match=r"generate\(\) another"):
        shop.here.generate((1,), callback=shared, failure_callback=shared)


def test_so_many_groups_can_be_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those in these are counted too; a store ends all of them in one step."""
    assert checks.MAX_GROUPS == 10_000
    monkeypatch.setattr(checks, "MAX_GROUPS", 3)
    Group([Group([Group([])]), Group([])])
    with pytest.raises(ValidationError, match="has 4 groups in it: at most 3 can be in one"):
        Group([Group([Group([])]), Group([]), Group([])])
