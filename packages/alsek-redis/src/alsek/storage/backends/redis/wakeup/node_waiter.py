"""Waiting for the messages of all partitions that one node of a cluster has, on one connection.

``BLPOP`` can't span slots, but a connection can subscribe to channels of many slots of its node. So a worker has a
channel of its own in each partition, subscribes to it, and then says to the partition that it is to be told
(``scripts/hear.lua``). What would leave a token for it tells it instead (``scripts/clusters/told.lua``), once: it says
so again after each wake-up, and from time to time, since a sleeper that says nothing is forgotten.

No wake-up is lost for good. A token that was left before the partition knew of the sleeper is found when that is said.
What was told may be lost with its connection, or when the slot goes to another node. Then the worker is woken, and once
more when the new subscription is in place: its step finds what nobody told it.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from redis.exceptions import InvalidResponse, ResponseError

from alsek.core.clock import monotonic_ms
from alsek.core.loggers import guarded_logger
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.errors import CLIENT_ERRORS
from alsek.storage.backends.redis.client.interruptions import let_through
from alsek.storage.backends.redis.client.reply_reader import NOT_YET, PlainReader, Push
from alsek.storage.backends.redis.client.resp import encode
from alsek.storage.backends.redis.wakeup.reading import next_reply, what_is_there
from alsek.storage.backends.redis.wakeup.subscribe_commands import SubscribeCommands
from alsek.storage.backends.redis.wakeup.telling import Telling

log = guarded_logger(__name__)

_INTERVAL_MS: Final = 5_000
_REFUSED_INTERVAL_MS: Final = 1_000
#: A sleeper says again that it is to be told after so long. The store forgets it after more than twice that.
_RENEWED_AFTER_MS: Final = 4_000
_OVERDUE_MS: Final = 3_000
_CONNECT_S: Final = 1.0
#: A sleep that has ended so shortly ago counts as one that lasts.
_JUST_MS: Final = 50
#: Answers after which the same is tried again: the slot is on its way, or the node is not ready.
_TRANSIENT: Final = (
    *("ASK ", "TRYAGAIN", "CLUSTERDOWN", "LOADING", "BUSY"),
    *("MASTERDOWN", "READONLY", "NOREPLICAS", "MISCONF"),
)
_HELLO: Final = encode(("HELLO", 3))

#: A command that is not answered yet, and its partition.
_Asked: TypeAlias = tuple[Literal["subscribe", "hear"], int]


@dataclass(slots=True)
class Place:
    """What a waiter knows of one partition (times in monotonic ms).

    Attributes:
        link: To its node.
        commands: What is sent to it.
        subscribed: The command for that was sent.
        asked: That the sleeper is to be told was said, and is not answered.
        hears_since: When that was said for the last time; None if the sleeper is not to be told.
        ended_at: When it was told, or found a token.
        not_before: When to try again after a refusal.
        unsure: Something may have been told that did not arrive.
        left: The node that does not have the partition, or can't be reached, until another one is tried.
    """

    link: Link
    commands: SubscribeCommands
    subscribed: bool = False
    asked: bool = False
    hears_since: int | None = None
    ended_at: int = -_JUST_MS
    not_before: int = 0
    unsure: bool = False
    left: str | None = None

    def is_due(self, now: int) -> bool:
        """Whether it is time to say that the sleeper is to be told."""
        if self.asked or now < self.not_before:
            return False
        return self.hears_since is None or now - self.hears_since >= _RENEWED_AFTER_MS

    def end(self) -> None:
        """Take in that the sleeper is not to be told any more."""
        if self.hears_since is not None:
            self.hears_since, self.ended_at = None, monotonic_ms()

    def refuse(self) -> None:
        """Take in that what was asked can't be done now."""
        self.end()
        self.not_before = monotonic_ms() + _REFUSED_INTERVAL_MS

    def lose(self) -> None:
        """Take in that the subscription has ended."""
        self.unsure = self.unsure or self.hears_since is not None
        self.end()
        self.subscribed = self.asked = False


class NodeWaiter:
    """A connection on which this process never blocks, with subscriptions in several partitions.

    Args:
        node: Its name; None if there is no other one.
        telling: What was found out about subscriptions in this namespace.
    """

    def __init__(self, node: str | None, telling: Telling) -> None:
        self._node = node
        self._telling = telling
        self._places: dict[int, Place] = {}
        self._numbers: dict[bytes, int] = {}
        self._woken: set[int] = set()
        self._moved: set[int] = set()
        self._connection: Any = None
        self._socket: socket.socket | None = None
        self._replies = PlainReader(ResponseError)
        self._asked: deque[_Asked] = deque()
        self._answered_at = 0
        self._not_before = 0
        self._by_text = False
        #: The partitions to which the script is to be sent as text, since their node does not know it.
        self._unknown: list[int] = []

    @property
    def is_empty(self) -> bool:
        """Whether it waits for nothing, and nobody needs to be told what it has heard."""
        return not (self._places or self._woken)

    @property
    def partitions(self) -> Set[int]:
        """Those for whose messages it waits."""
        return self._places.keys()

    @property
    def interval(self) -> int:
        """As that of a waiter; shorter while the message of a partition would not wake the worker."""
        is_missing_one = any(place.hears_since is None for place in self._places.values())
        return _REFUSED_INTERVAL_MS if is_missing_one else _INTERVAL_MS

    def fileno(self) -> int | None:
        """The descriptor of the connection; None without one."""
        return None if self._socket is None else self._socket.fileno()

    def add(self, number: int, place: Place) -> None:
        """Wait for messages of this partition too, which the node is said to have."""
        self._places[number] = place
        self._numbers[place.commands.channel] = number

    def take_woken(self) -> set[int]:
        """The partitions for whose messages the worker was woken since the last call."""
        woken, self._woken = self._woken, set()
        return woken

    def take_moved(self) -> dict[int, Place]:
        """Take out the partitions that the node may not have any more."""
        moved, self._moved = self._moved, set()
        taken = {number: self._places.pop(number) for number in moved}
        for place in taken.values():
            place.lose()
            del self._numbers[place.commands.channel]
        return taken

    def listens_to(self, number: int) -> bool:
        """Whether the worker is told of messages of this partition, as far as was read, or was until now."""
        place = self._places.get(number)
        return place is not None and (
            place.hears_since is not None or monotonic_ms() - place.ended_at < _JUST_MS
        )

    def arm(self) -> None:
        """See to it that messages of all partitions wake the worker. If the node is away, try again a second later."""
        now = monotonic_ms()
        if self._asked and now - self._answered_at > _OVERDUE_MS:
            self.drain()  # this process may have been busy
            if self._asked and now - self._answered_at > _OVERDUE_MS:
                self._lose("it does not answer")
        if now < self._not_before:
            return
        due = [number for number, place in self._places.items() if place.is_due(now)]
        if not due:
            return
        was_open = self._socket is not None
        try:
            self._ask(due, now)
        except CLIENT_ERRORS as error:
            let_through(error)
            self._lose(error)
            if was_open:  # it may have broken while it was not in use
                self.arm()
            else:
                self._not_before = now + _REFUSED_INTERVAL_MS
                for place in self._places.values():
                    place.left = self._node

    def drain(self) -> None:
        """Take in what has arrived."""
        if self._socket is None:
            return
        try:
            self._replies.feed(what_is_there(self._socket))
            while (reply := self._replies.gets()) is not NOT_YET:
                self._take(reply)
            if self._unknown:
                numbers, self._unknown = self._unknown, []
                self._ask(numbers, monotonic_ms())
        except (OSError, InvalidResponse) as error:
            let_through(error)
            self._lose(error)

    def close(self) -> None:
        """Take in what has arrived, and close the connection."""
        self.drain()
        self._drop()

    def _ask(self, numbers: list[int], now: int) -> None:
        if self._socket is None:
            self._open()
        if self._socket is None:
            return  # the node has refused: workers wait in another way
        packed: list[bytes] = []
        asked: list[_Asked] = []
        for number in numbers:
            place = self._places[number]
            if not place.subscribed:
                packed.append(place.commands.subscribe)
                asked.append(("subscribe", number))
            packed.append(place.commands.hear_by_text if self._by_text else place.commands.hear)
            asked.append(("hear", number))
            place.subscribed = place.asked = True
            place.hears_since = now
        if not self._asked:
            self._answered_at = now
        self._asked += asked
        self._socket.settimeout(_CONNECT_S)
        self._socket.sendall(b"".join(packed))
        self._socket.setblocking(False)

    def _open(self) -> None:
        link = next(iter(self._places.values())).link
        if self._node is not None and link.node != self._node:
            raise ConnectionResetError("the partition has gone to another node meanwhile")
        self._connection = link.connect(link.timeout / 2000, _CONNECT_S)
        # redis-py has logged in; from here on the socket is used directly.
        connected: socket.socket = self._connection._sock  # noqa: SLF001
        connected.settimeout(_CONNECT_S)
        self._replies = PlainReader(ResponseError)
        connected.sendall(_HELLO)  # RESP3: a subscriber may send other commands too
        reply = next_reply(connected, self._replies)
        if isinstance(reply, ResponseError):
            self._telling.refuse(link.where, str(reply))
            self._drop()
        else:
            self._socket = connected

    def _take(self, reply: Any) -> None:
        if type(reply) is Push and reply[0] != b"ssubscribe":
            self._take_news(reply)
            return
        if not self._asked:
            raise InvalidResponse(f"nobody asked for {reply!r:.100}")
        self._answered_at = monotonic_ms()
        what, number = self._asked.popleft()
        place = self._places.get(number)
        if place is None:
            return
        if isinstance(reply, ResponseError):
            self._take_refusal(what, number, place, str(reply))
        elif what == "hear":
            self._take_answer(number, place, reply)

    def _take_answer(self, number: int, place: Place, reply: Any) -> None:
        place.asked = self._by_text = False
        if reply != 0:
            place.end()
            self._woken.add(number)
            if reply == 2:
                self._telling.miss(place.link.where)
        elif place.unsure and place.subscribed:
            self._woken.add(number)
        if place.subscribed:
            place.unsure = False

    def _take_news(self, news: list[Any]) -> None:
        """Take in what nobody asked for."""
        number = self._numbers.get(news[1]) if len(news) > 1 else None
        if number is None:
            return
        place = self._places[number]
        if news[0] == b"smessage":
            place.end()
            self._woken.add(number)
        elif news[0] == b"sunsubscribe":  # the slot has gone to another node
            self._lose_place(number, place)

    def _lose_place(self, number: int, place: Place) -> None:
        """Take in that another node has this partition now."""
        place.lose()
        place.left = self._node
        self._woken.add(number)
        self._moved.add(number)

    def _take_refusal(self, what: str, number: int, place: Place, error: str) -> None:
        if what == "hear":
            place.asked = False
        if error.startswith("MOVED"):
            self._lose_place(number, place)
        elif error.startswith("NOSCRIPT"):
            self._by_text = True
            self._unknown.append(number)
        else:
            place.refuse()
            if what == "subscribe":
                place.subscribed = False
            if not error.startswith(_TRANSIENT):
                self._telling.refuse(place.link.where, error)
                self._woken.add(number)  # so that it waits in the other way at once

    def _lose(self, why: object) -> None:
        """Drop the connection. What was told last may not have arrived, and others may have the partitions by now."""
        log.debug("a waiter lost its connection to %s: %s", self._node, why)
        self._woken |= self._places.keys()
        self._moved |= self._places.keys()
        self._drop()

    def _drop(self) -> None:
        connection, self._connection, self._socket = self._connection, None, None
        self._asked.clear()
        self._unknown.clear()
        for place in self._places.values():
            place.lose()
        if connection is not None:
            connection.disconnect()
