"""What one step of a store changes is given names of one partition. No server is asked."""

from __future__ import annotations

from uuid import UUID

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from alsek import Broker, Concurrency, Group, Unique, task
from alsek.core.message import Message
from alsek.exceptions import ValidationError
from alsek.storage.backends.locations import LOCATIONS, at_location, location_of, partition_of
from alsek.storage.backends.memory import MemoryBackend


class Spread(MemoryBackend):
    """A store that says that it has several partitions."""

    partitions = 16

    def location_of(self, name: str) -> int:
        return location_of(name)


@task(Broker(Spread()))
def work(a: str = "", b: str = "") -> None: ...


def _places(*messages: Message | Group) -> set[int]:
    return {location_of(each.uuid if isinstance(each, Message) else each.id) for each in messages}


def _later(**options: object) -> Message:
    return work.generate(submit=False, **options)  # type: ignore[arg-type]


def test_locations_stay_what_they_are() -> None:
    """Messages are found by them: a name has the same location in every version and process."""
    assert location_of("01a22859-920c-71e3-a04f-ae617d77eab0") == 0xEAB0
    assert location_of("order-17") == location_of("{order-17}:items") == 51_280
    assert location_of("{}x") != location_of("x")
    assert [partition_of(where, 3) for where in (0, 21_845, 21_846, LOCATIONS - 1)] == [0, 0, 1, 2]


def test_a_uuid_at_another_location_is_as_good() -> None:
    """It has the same version, variant and time, and names the location."""
    uuid = UUID(_later().uuid)
    moved = UUID(at_location(str(uuid), 0xBEEF))
    assert (moved.version, moved.variant, moved.bytes[:6]) == (7, uuid.variant, uuid.bytes[:6])
    assert location_of(str(moved)) == 0xBEEF


def test_a_chain_is_together() -> None:
    """Callbacks, theirs, a failure callback and groups follow a message to one place; its user has their new names."""
    last, inner, member = _later(), _later(), _later(callback=_later())
    first, second = _later(), _later(callback=last)
    group = Group([member, Group([inner])], callback=_later())
    failure = _later(callback=_later())
    message = work.generate(callback=(first, second, group), failure_callback=failure)
    assert group.callback is not None
    assert len(_places(message, first, second, last, member, inner, group, group.callback, failure)) == 1
    assert message.descendant_uuids == [first.uuid, second.uuid, last.uuid]
    assert message.branches is not None
    assert message.branches["failure"]["uuid"] == failure.uuid


def test_a_group_is_together() -> None:
    """Its members come to where it is when it is submitted."""
    members = list(work.defer().generate_many([()] * 20))
    assert len(_places(*members)) > 1
    group = Group(members, callback=_later())
    group.submit()
    assert group.callback is not None
    assert _places(*members, group.callback) == {location_of(group.id)}


def test_a_key_decides() -> None:
    """A message, and what follows it, is where its key is."""
    callback = _later()
    message = work.generate(("acme",), unique=Unique("{a}"), callback=callback)
    assert _places(message, callback) == {location_of("work:acme")}


def test_keys_of_two_places_are_refused() -> None:
    """The sentence says what to do, and it helps: the part in braces decides."""
    limit = Concurrency(2, key="{a}")
    with pytest.raises(ValidationError, match=r"'c:acme' and the unique key 'work:acme' .*\{acme\}"):
        work.generate(("acme",), unique=Unique("{a}"), limits=limit)
    unique, limit = Unique("{{{a}}}"), Concurrency(2, key="{{{a}}}:exports")
    message = work.generate(("acme",), unique=unique, limits=limit)
    assert _places(message) == {location_of("acme")}


def test_a_name_that_a_user_has_chosen_stays() -> None:
    """What follows comes to it; two of them are refused, unless they name one place."""
    callback = _later()
    assert _places(work.generate(uuid="order-17", callback=callback), callback) == {location_of("order-17")}
    with pytest.raises(ValidationError, match="the uuid 'b' and the uuid 'a' belong"):
        work.generate(uuid="a", callback=_later(uuid="b"))
    assert work.generate(uuid="{c}a", callback=_later(uuid="{c}b")).uuid == "{c}a"


def test_a_message_that_was_submitted_keeps_its_uuid() -> None:
    """Its uuid names what is stored, so another message can't take it elsewhere."""
    message = work.generate()
    before = message.uuid
    work.broker.remove(message)
    work.broker.submit(message)
    assert message.uuid == before


def test_a_store_without_partitions_changes_no_uuid() -> None:
    """Messages keep the names that they were made with, whatever follows whom."""

    @task(Broker(MemoryBackend()))
    def plain() -> None: ...

    callbacks = [plain.generate(submit=False) for _ in range(5)]
    names = [callback.uuid for callback in callbacks]
    plain.generate(callback=tuple(callbacks))
    assert [callback.uuid for callback in callbacks] == names


def test_the_messages_of_a_schedule_are_where_it_is() -> None:
    """A schedule is refused whose messages have a key elsewhere."""
    with pytest.raises(ValidationError, match="the unique key 'work:acme' and 'nightly' belong"):
        work.schedule("nightly", IntervalTrigger(seconds=1), args=("acme",), unique=Unique("{a}"))
