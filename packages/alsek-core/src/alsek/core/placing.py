"""Keeping together what one step of a store changes, in a store of several partitions.

A message, its callbacks and failure callback, a group and its members, and the keys and limits of all of these are in
one partition. The keys, and the names that users have chosen, say in which; the UUIDs that Alsek has made are changed
so that they name the same one. Nothing here is called for a store without partitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import WeakValueDictionary

from alsek.core.callbacks import Data, links
from alsek.core.message import Message
from alsek.core.payload import NAMED
from alsek.core.plain_messages import with_callbacks
from alsek.exceptions import ValidationError
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.locations import at_location
from alsek.storage.backends.records import UniqueKey
from alsek.storage.backends.records.keys import limits_of_text

if TYPE_CHECKING:
    from alsek.core.groups.group import Group

#: The messages and groups that were placed, by uuid: of those that follow another one, that has only the data.
_placed: Final[WeakValueDictionary[str, Message | Group]] = WeakValueDictionary()


class _Named(NamedTuple):
    """Something with a uuid that is to be at one place with others.

    Attributes:
        uuid: Its uuid.
        rename: Gives it another one.
        chosen: Its name must not be changed.
        unique: Its unique key, as text; None for none.
        limits: Its limits; likewise.
    """

    uuid: str
    rename: Callable[[str], None]
    chosen: bool
    unique: str | None = None
    limits: str | None = None


def place(things: Sequence[Message | Group], backend: Backend, name: str | None = None) -> None:
    """Give messages and groups, and all that follows them, uuids of one partition.

    Args:
        things: They are, or will be, bound to each other. Where nothing else decides, they are placed where the last of
            them is.
        backend: The store, which has several partitions.
        name: A name with which they must be together.

    Raises:
        ValidationError: Two keys, or a key and a uuid that must not be changed, are in different places.
    """
    found = [named for thing in things for named in _all_of(thing)]
    where = backend.location_of(_uuid_of(things[-1]))
    fixed: str | None = None
    for what, of in _fixed(found, backend, name):
        location = backend.location_of(of)
        if fixed is not None and location != where:
            raise ValidationError(
                f"{what} and {fixed} belong to different partitions of {backend.describe()}, and one step of the store "
                "can't change both. Give their names the same part in braces, as in {acme}: it decides where they are"
            )
        where, fixed = location, fixed or what
    for named in found:
        if backend.location_of(named.uuid) != where:
            moved = at_location(named.uuid, where)
            _rename_object(named.uuid, moved, where)
            named.rename(moved)
    for thing in things:
        _placed[_uuid_of(thing)] = thing


def apart(message: Message, backend: Backend) -> str:
    """What follows a message, or is a key of that, and has another place than the message; empty if nothing has.

    Args:
        message: Neither it nor what follows it is changed.
        backend: A store that has several partitions.
    """
    where = backend.location_of(message.uuid)
    for named in _of_message(message):
        for what, name in ((f"message or group {named.uuid!r}", named.uuid), *_keys(named)):
            if backend.location_of(name) != where:
                return what
    return ""


def _uuid_of(thing: Message | Group) -> str:
    return thing.uuid if isinstance(thing, Message) else thing.id


def _rename_object(uuid: str, moved: str, where: int) -> None:
    """Rename the object of which only the data is known, and what follows it, as its user has it."""
    known = _placed.pop(uuid, None)
    if known is None:
        return
    _placed[moved] = known
    for named in _all_of(known):
        if not named.chosen:
            named.rename(at_location(named.uuid, where))


def _fixed(found: Sequence[_Named], backend: Backend, name: str | None) -> Iterator[tuple[str, str]]:
    """What decides where they are: what it is, and its name."""
    if name is not None:
        yield f"{name!r}", name
    for named in found:
        if named.chosen or not _is_made(named.uuid, backend):
            yield f"the uuid {named.uuid!r}", named.uuid
        yield from _keys(named)


def _keys(named: _Named) -> Iterator[tuple[str, str]]:
    """Its unique key and its limits, each with what it is."""
    if named.unique is not None:
        key = UniqueKey.of_text(named.unique).key
        yield f"the unique key {key!r}", key
    for limit in () if named.limits is None else limits_of_text(named.limits):
        yield f"the limit {limit.id!r}", limit.key


def _is_made(uuid: str, backend: Backend) -> bool:
    """Whether a uuid can be changed so that it is elsewhere: any other text that a user has chosen can't."""
    if len(uuid) != 36:
        return False
    location = backend.location_of(uuid)
    return backend.location_of(at_location(uuid, location)) == location


def _all_of(thing: Message | Group) -> Iterator[_Named]:
    if isinstance(thing, Message):
        yield from _of_message(thing)
        return
    for group in thing.groups():
        yield _Named(group.id, _setter(group, "id"), group.named or group.packed is not None)
    for message in thing.messages():
        yield from _of_message(message)


def _of_message(message: Message) -> Iterator[_Named]:
    chosen = message.named or message.submitted or message.read
    yield _Named(message.uuid, _setter(message, "uuid"), chosen, message.unique, message.limits)
    for link in links(message.callback_message_data):
        yield _of_data(link)
        yield from _of_branches(link.get("branches"))
    yield from _of_branches(message.branches)


def _of_data(data: Data) -> _Named:
    def rename(uuid: str) -> None:
        data["uuid"] = uuid

    return _Named(data["uuid"], rename, data.get(NAMED, False), data.get("unique"), data.get("limits"))


def _of_branches(branches: Data | None) -> Iterator[_Named]:
    if branches is None:
        return
    if "failure" in branches:
        yield from _of_message_data(branches["failure"])
    if "group" in branches:
        yield from _of_group(branches["group"])


def _of_message_data(data: Data) -> Iterator[_Named]:
    for link in with_callbacks(data):
        yield _of_data(link)
        yield from _of_branches(link.get("branches"))


def _of_group(data: Data) -> Iterator[_Named]:
    def rename(uuid: str) -> None:
        data["id"] = uuid

    known = _placed.get(data["id"])
    yield _Named(data["id"], rename, known is not None and known.named)
    if data["callback"] is not None:
        yield from _of_message_data(data["callback"])
    for member in data["members"]:
        inner: Any = member.get("group")
        yield from _of_message_data(member) if inner is None else _of_group(inner)


def _setter(thing: Message | Group, name: str) -> Callable[[str], None]:
    return lambda uuid: setattr(thing, name, uuid)
