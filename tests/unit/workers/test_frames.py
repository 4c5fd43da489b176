"""Frames: what is said over a socket between a pool's processes arrives as it was said."""

from __future__ import annotations

import enum
import itertools
import os
import socket
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsek.core.worker.process_executor.frames import (
    FrameReader,
    pack,
    receive,
    socket_of,
    socket_pair,
)
from alsek.core.worker.process_executor.outcome_codec import (
    claimed_from_wire,
    claimed_to_wire,
    outcome_from_wire,
    outcome_to_wire,
)
from alsek.storage.backends.records import (
    Claimed,
    Failed,
    GroupPlace,
    GroupSubmission,
    Limit,
    Outcome,
    Retried,
    SetAside,
    Submission,
    Succeeded,
    UniqueKey,
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=8,
)


@pytest.fixture
def impatient() -> Iterator[None]:
    """A module of the user's has set a default timeout for sockets."""
    socket.setdefaulttimeout(0.01)
    yield
    socket.setdefaulttimeout(None)


@pytest.mark.usefixtures("impatient")
def test_the_pools_sockets_block() -> None:
    """Whatever the default timeout is: those of a pair, and one whose descriptor came from another process."""
    ours, theirs = socket_pair()
    again = socket_of(theirs.detach())
    for end in (ours, again):
        assert end.gettimeout() is None
        assert os.get_blocking(end.fileno())
        end.close()


def test_a_reset_is_an_end() -> None:
    """An end that closed without reading what it was sent is closed, no error."""
    ours, theirs = socket_pair()
    ours.sendall(b"unread")
    theirs.close()
    assert receive(ours, FrameReader()) is None
    ours.close()


class Queue(str, enum.Enum):  # noqa: UP042  the older kind, whose str() is not its value
    """A queue's name, as users write it."""

    HIGH = "high"


class Day(enum.IntEnum):
    """A duration, as users write it."""

    ONE = 86_400_000


class Text(str):
    """A kind of text."""

    __slots__ = ()


class Number(float):
    """A kind of number."""


class Raw(bytes):
    """A kind of bytes."""


class Index:
    """A number of another library's."""

    def __index__(self) -> int:
        return 7


@given(st.lists(PLAIN.filter(lambda value: value is not None), max_size=5), st.lists(st.floats(0, 1)))
def test_whatever_the_pieces_all_arrives_in_order(values: list[Any], cuts: list[float]) -> None:
    """Several frames, cut anywhere, come out whole and in order, and nothing is left."""
    stream = b"".join(pack(value) for value in values)
    places = [0, *sorted(int(cut * len(stream)) for cut in cuts), len(stream)]
    frames, taken = FrameReader(), []
    for begin, end in itertools.pairwise(places):
        frames.feed(stream[begin:end])
        while (value := frames.take()) is not None:
            taken.append(value)
    assert taken == values
    assert frames.take() is None


def test_ten_megabytes_pass_through_a_socket() -> None:
    """A frame far larger than any buffer arrives whole; after it the end of the stream is seen."""
    ours, theirs = socket.socketpair()
    value = ("run", b"x" * 10_000_000, "ü" * 10)

    def send() -> None:
        theirs.sendall(pack(value) + pack(("next",)))
        theirs.close()

    sender = threading.Thread(target=send)
    sender.start()
    frames = FrameReader()
    with ours:
        assert receive(ours, frames) == value
        assert receive(ours, frames) == ("next",)
        assert receive(ours, frames) is None
    sender.join()


def test_an_end_within_a_frame_is_an_end() -> None:
    """When the other side dies halfway through a frame, that is told as its end."""
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(pack(("run",))[:-1])
        theirs.close()
        assert receive(ours, FrameReader()) is None


@pytest.mark.parametrize("garbage", [b"\0\0\0\4abcd", b"\0\0\0\0", b"\0\0\0\1{"])
def test_what_is_no_frame_is_refused(garbage: bytes) -> None:
    """Bytes that someone else wrote raise what the docstring says, and nothing else."""
    frames = FrameReader()
    frames.feed(garbage)
    with pytest.raises((ValueError, EOFError, TypeError)):
        frames.take()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Queue.HIGH, "high"),
        (Text("t"), "t"),
        (Day.ONE, 86_400_000),
        (Number(1.5), 1.5),
        (Raw(b"r"), b"r"),
        (bytearray(b"b"), b"b"),
        (memoryview(b"m"), b"m"),
        (Index(), 7),
        (True, True),
    ],
)
def test_kinds_of_text_bytes_and_numbers_arrive_as_what_they_stand_for(value: Any, plain: Any) -> None:
    """An enum's member or a subclass, at any depth, is sent as the plain value that it is."""
    frames = FrameReader()
    frames.feed(pack((1, (Day.ONE, value), None)))
    taken = frames.take()
    assert taken == (1, (86_400_000, plain), None)
    assert type(taken[1][1]) is type(plain)


@pytest.mark.parametrize("value", [object(), Decimal(1), (1, object())])
def test_what_stands_for_no_plain_value_is_refused(value: Any) -> None:
    """It is a TypeError that shows the value: the caller decides what becomes of the message."""
    with pytest.raises(TypeError, match="can't be sent"):
        pack(value)


PLACE = GroupPlace("g", 4)
CALLBACK = Submission("c", "q", b"{}", 3, "thread", 4, 5, 6)
KEYED = Submission(
    "m", "q", b"", unique=UniqueKey("k"), limits=(Limit("a", 1), Limit("b", 2, 3)), group=PLACE, joins="j"
)
GROUP = GroupSubmission("g", 2, False, 5, KEYED, ("x", "y"), PLACE)

OUTCOMES: list[Outcome] = [
    Succeeded("u", "q", 1),
    Succeeded("u", "q", 2, b"5", 1000, "p", CALLBACK),
    Succeeded("u", "q", 2, b"5", 1000, "p", KEYED, (GROUP, GroupSubmission("h", 0)), (KEYED, CALLBACK), b"5"),
    Retried("u", "q", 3, 10, 2, 5, None, b"{}"),
    Failed("u", "q", 4, b"{}", 0),
    Failed("u", "q", 4, b"{}", 0, True, KEYED, ("x", "y")),
    SetAside("u", "q", 4, "t", b"{}", 0, True, KEYED, ("x",)),
]

CLAIMS = [
    Claimed("u", "q", b"{}", 7),
    Claimed("u", "q", b"{}", 7, 1, True, True, True, 2, 3, 4, b"e", True, PLACE, "j"),
]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_arrives_as_it_was(outcome: Outcome) -> None:
    """Of its class, with all its fields, the records in it included."""
    frames = FrameReader()
    frames.feed(pack(outcome_to_wire(outcome)))
    back = outcome_from_wire(frames.take())
    assert repr(back) == repr(outcome)  # which has the classes of the records, too


@pytest.mark.parametrize("claimed", CLAIMS)
def test_a_claim_arrives_as_it_was(claimed: Claimed) -> None:
    """With all its fields, its place in a group included."""
    frames = FrameReader()
    frames.feed(pack(claimed_to_wire(claimed)))
    assert repr(claimed_from_wire(frames.take())) == repr(claimed)


def test_an_outcome_of_odd_kinds_arrives_plain() -> None:
    """Where users' own types stand in an outcome, the store is given plain ones."""
    odd = Succeeded(
        "u", Queue.HIGH, 1, Raw(b"5"), Day.ONE, Text("p"), Submission("c", Queue.HIGH, b"", Day.ONE)
    )
    frames = FrameReader()
    frames.feed(pack(outcome_to_wire(odd)))
    back = outcome_from_wire(frames.take())
    assert back == Succeeded("u", "high", 1, b"5", 86_400_000, "p", Submission("c", "high", b"", 86_400_000))
    assert isinstance(back, Succeeded)
    assert back.callback is not None
    assert isinstance(back.callback, Submission)
    assert {type(field) for field in back.callback} == {str, bytes, int, bool, tuple, type(None)}
