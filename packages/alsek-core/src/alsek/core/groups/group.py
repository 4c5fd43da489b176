"""The group: what users make of messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Union

from alsek.core.bounds import check_integer, milliseconds
from alsek.core.groups.checks import check_messages
from alsek.core.groups.operations import GroupOperations, GroupProgress
from alsek.core.identifiers import check_name, new_request_id, new_uuid
from alsek.core.message import Message
from alsek.core.seconds import LEAST_LIFETIME_MS, warn_of_seconds
from alsek.core.short_repr import shown
from alsek.defaults import DEFAULT_GROUP_TTL, MAX_DURATION
from alsek.exceptions import ValidationError
from alsek.storage.backends.drivers.blocking import BlockingDriver, run_blocking
from alsek.storage.backends.records import FOR_EVER
from alsek.types import Duration

if TYPE_CHECKING:
    from alsek.core.broker import Broker
    from alsek.core.groups.packing import Packed

#: What happens when a member does not succeed.
OnFailure: TypeAlias = Literal["stop", "continue"]

#: A member of a group.
Member: TypeAlias = Union[Message, "Group"]


class Group:
    """Messages that are counted together. When all have ended, the callback is submitted, exactly once.

    Nothing is submitted by making a group. The messages are those that deferred tasks have made
    (``square.defer().generate_many(…)``), or that were made by hand.

    Args:
        members: Messages, or groups, in the order of their results: up to 100,000, with those of the groups among them.
        callback: Submitted when all members have ended. Its ``message.previous_result`` is the list of their results.
        on_failure: ``"stop"``: the first member that does not succeed fails the group: the members that have not
            started are revoked, and the callback is not submitted. ``"continue"``: all are awaited.
        ttl: How long (ms) the group is kept after its end, with the results of its members; None for ever.
        id: Its name; a new one by default.

    Attributes:
        id: Its name.
        members: Its members.
        callback: Its callback; None if it has none.
        on_failure: As it was given.
        ttl: As it was given, in milliseconds.

    Raises:
        ValidationError: A member is neither a message nor a group, was submitted already, or is there twice; or there
            are too many.
    """

    def __init__(
        self,
        members: Iterable[Member],
        callback: Message | None = None,
        on_failure: OnFailure = "stop",
        ttl: Duration | None = DEFAULT_GROUP_TTL,
        id: str | None = None,  # noqa: A002
    ) -> None:
        self.id = new_uuid() if id is None else check_name("id", id)
        #: Its name was chosen by its user.
        self.named = id is not None
        given: Any = members
        if isinstance(given, str | Message | Group) or not isinstance(given, Iterable):
            raise ValidationError(
                f"Group(members={shown(given)}): must be a list of messages, or a generator"
            )
        self.members: tuple[Member, ...] = tuple(members)
        self.callback = callback
        self.on_failure: OnFailure = on_failure
        warn_of_seconds("ttl", ttl, LEAST_LIFETIME_MS, "Group")
        ttl = milliseconds(ttl)
        check_integer("ttl", ttl, 1, "Group", optional=True)
        self.ttl = ttl
        #: True if it was given to a message as its callback: the worker submits it.
        self.attached = False
        #: How far its submission has come; None if that has not begun.
        self.packed: Packed | None = None
        #: Names its submission, so that this may be repeated.
        self.request = new_request_id()
        self._broker: Broker | None = None
        self._check()
        check_messages(self)

    def _check(self) -> None:
        for number, member in enumerate(self.members):
            if not isinstance(member, Message | Group):
                raise ValidationError(
                    f"member {number} of {self.summary}: {shown(member)} is neither a message nor a group"
                )
        given: Any = self.callback
        if isinstance(given, Group):
            raise ValidationError(
                f"{self.summary}: its callback must be a message, and is a group; make that the callback of a message"
            )
        if given is not None and not isinstance(given, Message):
            raise ValidationError(f"{self.summary}: callback={shown(given)}: must be None or a message")
        if self.on_failure not in ("stop", "continue"):
            raise ValidationError(
                f"{self.summary}: on_failure={shown(self.on_failure)}: must be 'stop' or 'continue'"
            )

    @property
    def summary(self) -> str:
        """The group in one line."""
        return f"Group(id={self.id!r})"

    def __repr__(self) -> str:
        callback = None if self.callback is None else self.callback.uuid
        return (
            f"Group(id={self.id!r}, members={len(self.members)}, on_failure={self.on_failure!r}, "
            f"callback={callback!r})"
        )

    @property
    def wire_ttl(self) -> int:
        """How long it is kept after its end, as a store takes it."""
        return FOR_EVER if self.ttl is None else min(self.ttl, MAX_DURATION)

    @property
    def broker(self) -> Broker | None:
        """Where it was submitted, or the broker of the tasks that have made its messages; None if neither is known."""
        if self._broker is None:
            for message in self.messages():
                if message.origin is not None:
                    return message.origin.broker
        return self._broker

    @broker.setter
    def broker(self, broker: Broker | None) -> None:
        self._broker = broker

    def groups(self) -> Iterator[Group]:
        """Yield this group and those in it, each before the groups in it."""
        yield self
        for member in self.members:
            if isinstance(member, Group):
                yield from member.groups()

    def messages(self) -> Iterator[Message]:
        """Yield the messages of this group and of those in it: the members, and the callbacks of the groups."""
        for group in self.groups():
            yield from group.own_messages()
            if group.callback is not None:
                yield group.callback

    def own_messages(self) -> Iterator[Message]:
        """Yield the members that are messages."""
        return (member for member in self.members if isinstance(member, Message))

    def submit(self, broker: Broker | None = None) -> None:
        """Submit the group: when this returns, all of it is in the store.

        The store knows the group before its members, which follow in pieces of up to 200, so its callback can't be
        submitted early. If this raises a :class:`~alsek.exceptions.BackendError`, it may be called again without harm.

        Args:
            broker: Where. By default, the broker of the tasks that have made the messages.

        Raises:
            ValidationError: No broker is known, the messages are of different stores, or one was submitted already.
                Nothing was submitted.
            MessageAlreadyExistsError: The store has a message of the uuid or with the unique key of a member, or a
                group of this id. What was submitted of the group is revoked.
            SerializationError: A value can't be serialized. Nothing was submitted.
            BackendError: The store did not take all of it.
            Exception: What middleware has raised to refuse a message. Nothing was submitted.
        """
        broker = self._known_broker(broker)
        run_blocking(GroupOperations(self, broker, BlockingDriver(broker.backend)).submit())

    async def asubmit(self, broker: Broker | None = None) -> None:
        """As :meth:`submit`, without blocking the event loop. If it is cancelled, it may be called again."""
        broker = self._known_broker(broker)
        await GroupOperations(self, broker, broker.backend.loop_driver()).submit()

    def progress(self) -> GroupProgress:
        """Return how many of its members have ended, and how.

        Raises:
            ValidationError: No broker is known.
            MessageDoesNotExistsError: The store does not have it: it was not submitted yet, or its `ttl` is over.
        """
        return run_blocking(self._blocking().progress())

    async def aprogress(self) -> GroupProgress:
        """As :meth:`progress`, without blocking the event loop."""
        return await self._for_loop().progress()

    def revoke(self) -> bool:
        """Revoke all of it: the members that have not ended, and the groups in it. Its callback is not submitted.

        Returns:
            False if the store does not have it. If it has ended, it does not change.

        Raises:
            ValidationError: No broker is known.
        """
        return run_blocking(self._blocking().revoke())

    async def arevoke(self) -> bool:
        """As :meth:`revoke`, without blocking the event loop."""
        return await self._for_loop().revoke()

    def _blocking(self) -> GroupOperations:
        broker = self._known_broker(None)
        return GroupOperations(self, broker, BlockingDriver(broker.backend))

    def _for_loop(self) -> GroupOperations:
        broker = self._known_broker(None)
        return GroupOperations(self, broker, broker.backend.loop_driver())

    def _known_broker(self, given: Broker | None) -> Broker:
        broker = given if given is not None else self.broker
        if broker is None:
            raise ValidationError(
                f"{self.summary}: no broker is known, since no task has made its messages: name it in submit(broker)"
            )
        return broker
