"""The reader of replies in Python gives what hiredis gives, in whatever pieces the bytes come."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import InvalidResponse, ResponseError

from alsek.storage.backends.redis.client.reply_reader import NOT_YET, PlainReader, Push, new_reply_reader

_LINES = st.binary(max_size=20).filter(lambda text: b"\r" not in text and b"\n" not in text)
_REPLIES: Any = st.recursive(
    st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(max_size=200) | st.tuples(_LINES),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=20,
)


def _packed(reply: Any) -> bytes:
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, tuple):  # a simple string
        return b"+%b\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    return b"*%d\r\n" % len(reply) + b"".join(map(_packed, reply))


def _expected(reply: Any) -> Any:
    if isinstance(reply, tuple):
        return reply[0]
    return [_expected(one) for one in reply] if isinstance(reply, list) else reply


@given(st.lists(_REPLIES, max_size=6), st.lists(st.integers(0, 400), max_size=20))
def test_replies_may_come_in_any_pieces(replies: list[Any], cuts: list[int]) -> None:
    """However the bytes are cut, the replies come out in order, each as soon as it is complete."""
    data = b"".join(map(_packed, replies))
    reader = PlainReader(ResponseError)
    found: list[Any] = []
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for begin, end in pairwise(places):
        reader.feed(data[begin:end])
        while (reply := reader.gets()) is not NOT_YET:
            found.append(reply)
    assert found == [_expected(reply) for reply in replies]


def test_errors_are_returned() -> None:
    """An error is a value, also within a list; a null list is None."""
    for reader in (PlainReader(ResponseError), new_reply_reader(ResponseError)):
        reader.feed(b"-ERR no\r\n*2\r\n:1\r\n-WRONGTYPE x\r\n*-1\r\n")
        error = reader.gets()
        assert isinstance(error, ResponseError)
        assert str(error) == "ERR no"
        one, inner = reader.gets()
        assert one == 1
        assert isinstance(inner, ResponseError)
        assert reader.gets() is None
        assert reader.gets() is NOT_YET


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n", b"$x\r\n", b"*1x\r\n", b"*-5\r\n", b"%x\r\n"]
)
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    """Bytes of another protocol are an error of the client's."""
    reader = PlainReader(ResponseError)
    reader.feed(data)
    with pytest.raises(InvalidResponse):
        reader.gets()


@pytest.mark.parametrize(
    ("data", "reply"),
    [
        (b"_\r\n", None),
        (b"#t\r\n", True),
        (b",1.5\r\n", 1.5),
        (b"(123456789012345678901\r\n", 123_456_789_012_345_678_901),
        (b"=7\r\ntxt:abc\r\n", b"abc"),
        (b"~2\r\n:1\r\n$1\r\na\r\n", [1, b"a"]),
        (b"%1\r\n+a\r\n*2\r\n#f\r\n%0\r\n", [b"a", [False, []]]),
        (b">2\r\n$1\r\na\r\n:3\r\n", Push([b"a", 3])),
    ],
)
def test_replies_of_resp3_are_read_whole_or_not_at_all(data: bytes, reply: object) -> None:
    """Each kind is read, nothing of one of which the end has not come, and what is behind it is left."""
    reader = PlainReader(ResponseError)
    for at in range(len(data)):
        assert reader.gets() is NOT_YET
        reader.feed(data[at : at + 1])
    reader.feed(b"+more")
    found = reader.gets()
    assert (found, type(found)) == (reply, type(reply))
    assert reader.rest() == b"+more"


def test_a_long_error_is_returned() -> None:
    """An error of RESP3 that has a length is a value too."""
    reader = PlainReader(ResponseError)
    reader.feed(b"!10\r\nNOPERM no!\r\n")
    assert str(reader.gets()) == "NOPERM no!"


def test_a_long_reply_is_not_read_twice() -> None:
    """A reply of 5 MB in pieces of 1 kB, and a list of 100,000, take moments."""
    reader = PlainReader(ResponseError)
    value = b"v" * 5_000_000
    data = _packed(value) + _packed([b"x"] * 100_000)
    found: list[Any] = []
    for begin in range(0, len(data), 1_000):
        reader.feed(data[begin : begin + 1_000])
        while (reply := reader.gets()) is not NOT_YET:
            found.append(reply)
    assert found == [value, [b"x"] * 100_000]
