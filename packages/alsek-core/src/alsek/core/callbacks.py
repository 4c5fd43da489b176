"""The callbacks that follow a message: nested data for users, a flat chain on the wire.

For users, ``callback_message_data`` is the ``data`` of the next message, in which the data of its own callback is
nested, and so on. No function here recurses, so a chain may have any length.

In the payload, the next callbacks (up to :data:`PIECE`) are nested too. Those after them are in *blocks*: each has up
to ``PIECE`` callbacks, serialized, compressed, and in Base64, so that any serializer can take it as text. When a
message succeeds, its callback gets the blocks unchanged; one is read only when the nested callbacks are used up. So a
message in a chain of ten thousand plain callbacks parses a few of them, and copies 330 kB at most for the rest.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from itertools import islice
from typing import Any, Final, TypeAlias

from alsek.exceptions import (
    CorruptMessageError,
    MessageRevokedError,
    SerializationError,
    TaskTimeoutError,
    ValidationError,
)
from alsek.storage.payload_limit import without_limit
from alsek.storage.serialization import Serializer, dump

Data: TypeAlias = dict[str, Any]

#: How many callbacks are nested in a payload, and how many are in each block.
PIECE: Final = 16

#: The most bytes of blocks: each message of the chain is stored with all that follow it.
MAX_BLOCKS: Final = 8 * 1024 * 1024

_NESTED: Final = "callback_message_data"


def links(data: Data | None) -> Iterator[Data]:
    """Yield the data of each callback in nested data, the next one first.

    Raises:
        ValidationError: The data of one is not a dict, or contains itself.
    """
    seen: set[int] = set()
    while data is not None:
        if not isinstance(data, dict):
            raise ValidationError(f"callback_message_data={data!r}: must be the data of a message, a dict")
        if id(data) in seen:
            raise ValidationError("callback_message_data contains itself: the chain of callbacks has no end")
        seen.add(id(data))
        yield data
        data = data.get(_NESTED)


def nested(chain: Iterable[Data], last: Data | None = None) -> Data | None:
    """Nest the data of these callbacks, the next one first, with `last` after them. The dicts given don't change."""
    data = last
    for link in reversed(list(chain)):
        data = {**link, _NESTED: data}
    return data


def own(link: Data) -> Data:
    """Return the data of one callback without those that follow it."""
    return {name: value for name, value in link.items() if name != _NESTED}


def shown(data: Data | None) -> str:
    """Return ``repr(data)``, for data of any depth."""
    heads, tails = [], []
    for link in links(data):
        head, separator, tail = repr({**link, _NESTED: _HERE}).partition(repr(_HERE))
        heads.append(head)
        tails.append(tail)
        assert separator
    return "".join((*heads, "None", *reversed(tails)))


class _Here:
    """A placeholder in a repr for nested data."""

    def __repr__(self) -> str:
        return "<\0callback\0>"


_HERE: Final = _Here()


class Chain:
    """The callbacks that follow one message.

    Args:
        data: The nested data of the next callbacks; of all, if there are no `blocks`.
        blocks: The callbacks after those, as they are in the payload.
        serializer: Reads the blocks.
        complete: Adds the fields that a payload leaves out of one callback's data.
    """

    __slots__ = ("_blocks", "_complete", "_data", "_serializer")

    def __init__(
        self,
        data: Data,
        blocks: Sequence[str] = (),
        serializer: Serializer | None = None,
        complete: Callable[[Data], Data] = own,
    ) -> None:
        self._data = data
        self._blocks = blocks
        self._serializer = serializer
        self._complete = complete

    @classmethod
    def read(
        cls, data: Data, blocks: Sequence[str], serializer: Serializer, complete: Callable[[Data], Data]
    ) -> Chain:
        """Read the chain of which :meth:`wire` made these. Nested data may be of any depth: 0.1.0 wrote no blocks."""
        first = nested([complete(own(link)) for link in links(data)])
        assert first is not None
        if not isinstance(blocks, list | tuple):
            raise ValidationError(f"callback_blocks={blocks!r}: must be a list")
        return cls(first, blocks, serializer, complete)

    @property
    def data(self) -> Data:
        """The nested data of all callbacks. Changes made in it change the chain.

        Raises:
            CorruptMessageError: A block can't be read.
        """
        if self._blocks:
            rest = [link for block in self._blocks for link in self._opened(block)]
            self._data = _joined(self._data, nested(rest))
            self._blocks = ()
        return self._data

    def split(self) -> tuple[Data, Chain | None]:
        """Return the data of the next callback alone, and the chain of those after it.

        Raises:
            CorruptMessageError: A block can't be read.
        """
        rest, blocks = self._data.get(_NESTED), self._blocks
        if rest is None and blocks:
            rest, blocks = nested(self._opened(blocks[0])), blocks[1:]
        return own(self._data), (
            None if rest is None else Chain(rest, blocks, self._serializer, self._complete)
        )

    def links(self) -> Iterator[Data]:
        """Yield the data of each callback, the next one first. A block is read when its first callback is asked for.

        Raises:
            CorruptMessageError: A block can't be read.
        """
        yield from links(self._data)
        for block in self._blocks:
            yield from self._opened(block)

    def copy(self) -> Chain:
        """Return an equal chain that shares no mutable object with this one."""
        data = nested([deepcopy(own(link)) for link in links(self._data)])
        assert data is not None
        return Chain(data, self._blocks, self._serializer, self._complete)

    def __deepcopy__(self, memo: dict[int, Any]) -> Chain:
        return self.copy()

    def __reduce__(self) -> tuple[Callable[[list[Data]], Chain], tuple[list[Data]]]:
        # Flat: pickle recurses into what is nested.
        return _chained, ([own(link) for link in links(self.data)],)

    def wire(self, serializer: Serializer, sparse: Callable[[Data], Data]) -> Data:
        """Return the chain as fields of the message's payload.

        Args:
            serializer: Makes the blocks.
            sparse: Leaves out of one callback's data the fields that `complete` adds.

        Raises:
            SerializationError: The chain is too long.
            Exception: A serializer may raise anything on a value that it can't take.
        """
        blocks = self._blocks
        chain = links(self._data if not blocks or serializer is self._serializer else self.data)
        if blocks and serializer is self._serializer:
            head = [sparse(own(link)) for link in chain]
        else:
            head = [sparse(own(link)) for link in islice(chain, PIECE)]
            blocks = _blocks(chain, serializer, sparse)
        first: Data | None = None
        for link in reversed(head):
            first = link if first is None else {**link, _NESTED: first}
        return {_NESTED: first, "callback_blocks": blocks} if blocks else {_NESTED: first}

    def _opened(self, block: str) -> list[Data]:
        assert self._serializer is not None
        try:
            found = self._serializer.reverse(zlib.decompress(b64decode(block, validate=True)))
            return [self._complete(link) for link in found]
        except (TaskTimeoutError, MessageRevokedError):
            raise  # raised in this thread from outside
        except Exception as error:  # a serializer may raise anything on bytes that it did not write
            raise CorruptMessageError(
                f"the callbacks after {self._data.get('uuid')!r} can't be read by {self._serializer!r}: "
                f"{type(error).__name__}: {error}"
            ) from error


def _chained(chain: list[Data]) -> Chain:
    data = nested(chain)
    assert data is not None
    return Chain(data)


def _joined(data: Data, rest: Data | None) -> Data:
    return data if rest is None else nested(links(data), rest) or rest


def _blocks(chain: Iterator[Data], serializer: Serializer, sparse: Callable[[Data], Data]) -> list[str]:
    blocks: list[str] = []
    size, number = 0, PIECE
    while piece := [sparse(own(link)) for link in islice(chain, PIECE)]:
        blocks.append(b64encode(zlib.compress(dump(without_limit(serializer), piece))).decode())
        size += len(blocks[-1])
        number += len(piece)
        if size > MAX_BLOCKS:
            raise SerializationError(
                f"the chain of callbacks is too long: the first {number} of them take more than "
                f"{MAX_BLOCKS // 1024**2} MB, compressed, and each message is stored with all that follow it. Let a "
                "callback of it submit the rest, or give ids as arguments in place of large values"
            )
    return blocks
