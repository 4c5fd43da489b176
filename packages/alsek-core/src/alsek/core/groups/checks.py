"""What a group must be before it is submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alsek.core.message import Message
from alsek.exceptions import ValidationError

if TYPE_CHECKING:
    from alsek.core.broker import Broker
    from alsek.core.groups.group import Group

#: The most members of a group, those of the groups in it included.
MAX_MEMBERS: Final = 100_000

#: The same for a group that is the callback of a message, in whose payload it travels.
MAX_CALLBACK_MEMBERS: Final = 10_000

#: The most groups in a group, those in these included. What ends a group ends those in it, in one step of the store.
MAX_GROUPS: Final = 10_000

#: How deep groups may be in groups.
MAX_DEPTH: Final = 32


def check_messages(group: Group) -> None:
    """Check that nothing in a group is there twice or was submitted already, and that it is not too large.

    Raises:
        ValidationError: It is so.
    """
    _check_depth(group, group, ())
    groups = members = 0
    for each in group.groups():
        groups += 1
        members += len(each.members)
    if members > MAX_MEMBERS:
        raise ValidationError(
            f"{group.summary} has {members:,} members: at most {MAX_MEMBERS:,} can be counted together. Give each more "
            "to do, or make several groups"
        )
    if groups > MAX_GROUPS + 1:
        raise ValidationError(
            f"{group.summary} has {groups - 1:,} groups in it: at most {MAX_GROUPS:,} can be in one. Use messages with "
            "callbacks in their place, or make several groups"
        )
    seen: set[str] = set()
    for message in group.messages():
        _check_new(group, message)
        for uuid in (message.uuid, *(message.descendant_uuids or ())):
            if uuid in seen:
                raise ValidationError(
                    f"message {uuid!r} is in {group.summary} twice: generate() another one for each place"
                )
            seen.add(uuid)


def _check_depth(outermost: Group, group: Group, above: tuple[str, ...]) -> None:
    if group.id in above:
        raise ValidationError(f"{outermost.summary} contains itself, or another group of the same id")
    if len(above) >= MAX_DEPTH:
        raise ValidationError(
            f"{outermost.summary}: its groups are more than {MAX_DEPTH} deep in one another"
        )
    inner = [member for member in group.members if not isinstance(member, Message)]
    if len({member.id for member in inner}) < len(inner):
        raise ValidationError(f"{outermost.summary}: a group is in it twice")
    for member in inner:
        if member.attached or member.packed is not None:
            raise ValidationError(f"{member.summary} was submitted already, or is the callback of a message")
        _check_depth(outermost, member, (*above, group.id))


def _check_new(group: Group, message: Message) -> None:
    if message.submitted or message.read or message.claim is not None:
        raise ValidationError(
            f"{message.summary} was submitted already, so {group.summary} can't count it: make the members with "
            "task.defer().generate(…) or task.generate(…, submit=False)"
        )


def check_stores(group: Group, broker: Broker) -> None:
    """Check that all messages of a group are for the store of `broker`, and not submitted.

    Raises:
        ValidationError: It is otherwise.
    """
    if group.attached:
        raise ValidationError(
            f"{group.summary} is the callback of a message: it is submitted when that has succeeded"
        )
    known: set[int] = set()
    for message in group.messages():
        _check_new(group, message)
        origin = message.origin
        if origin is None or id(origin.broker) in known:
            continue
        if not origin.broker.backend.same_store(broker.backend):
            raise ValidationError(
                f"{group.summary} can't be counted by one store: {message.summary} is for "
                f"{origin.broker.backend.describe()}, and others are for {broker.backend.describe()}"
            )
        known.add(id(origin.broker))
