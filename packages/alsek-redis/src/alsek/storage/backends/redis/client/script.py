"""Calls of scripts.

A script is called by its digest. A server that does not know the digest, for example after a restart, is sent the text.

When a process first runs a script, the call has one key more, which asks the script to check its user's rights before
the first write. If a command fails before the first write because a key has another type, the script is sent once more
in a form whose error names the key.

While a cluster moves a slot from node to node, the keys of a namespace are on two nodes, and a script would stop at the
first command whose key is not there, even after it has written. So on a cluster each call has a key more, which never
exists: the node refuses such calls (``ASK``, ``TRYAGAIN``) before the script begins, and they are sent again until the
slot has arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from redis.exceptions import NoScriptError, ResponseError

from alsek.exceptions import BackendError
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import ANSWERED, Exchange, carry_out
from alsek.storage.backends.redis.client.resp import encode, encode_all
from alsek.storage.backends.redis.client.script_text import KEYS, Source
from alsek.storage.backends.redis.keys import marked_partitions

_FOREIGN: Final = ("WRONGTYPE", "not an integer", "would overflow")


class ScriptCall:
    """A script with the keys and first arguments that are the same in each call, packed once.

    Args:
        link: To the server.
        source: The script.
        keys: The keys.
        fixed: The first arguments.
        movable: Whether the keys may be on their way to another node: see above.
    """

    def __init__(
        self,
        link: Link,
        source: Source,
        keys: Sequence[bytes],
        fixed: Sequence[bytes],
        movable: bool = False,
    ) -> None:
        self._link = link
        self._source = source
        self._sha = source.flagged_sha
        none = keys[0] + b":none"
        if movable:
            keys = (*keys, none)
        self._tail = (b"%d" % len(keys), *keys, *fixed)
        padded = (*keys, *([none] * (KEYS + 1 - len(keys))))
        self._asking_tail = (b"%d" % len(padded), *padded, *fixed)
        packed_tail = encode_all(self._tail)
        self._count = 2 + len(self._tail)
        self._head_flagged = encode_all((b"EVALSHA", source.flagged_sha)) + packed_tail
        self._head_plain = encode_all((b"EVALSHA", source.plain_sha)) + packed_tail

    def __call__(self, *arguments: bytes) -> Any:
        """Run it, with these arguments after the fixed ones."""
        return self.run(arguments)

    def ask(self, *arguments: bytes) -> Exchange[Any]:
        """Run it as a part of an exchange."""
        return self.exchange(arguments)

    def run(self, arguments: Sequence[bytes]) -> Any:
        """Run it.

        Raises:
            BackendUnavailableError, BackendError: See :class:`~alsek.storage.backends.redis.client.connection.Link`.
        """
        link = self._link
        if self._sha not in link.permitted:  # it never is if calls go through a client
            return carry_out(link, self.exchange(arguments))
        flagged = link.knows_flags is not False
        try:
            return link.send((), self._packed(arguments, flagged))
        except ANSWERED as error:
            return carry_out(link, self._recover(error, flagged, self._tail, arguments))

    def exchange(self, arguments: Sequence[bytes]) -> Exchange[Any]:
        """As :meth:`ask`."""
        link, source = self._link, self._source
        flagged = link.knows_flags is not False
        known = source.flagged_sha in link.permitted or not link.direct  # a fake has no users
        tail = self._tail if known else self._asking_tail
        try:
            if known and link.direct:
                reply = yield (), self._packed(arguments, flagged), True
            else:
                sha = source.flagged_sha if flagged else source.plain_sha
                reply = yield (b"EVALSHA", sha, *tail, *arguments), None, True
        except ANSWERED as error:
            reply = yield from self._recover(error, flagged, tail, arguments)
        if not known:
            link.permitted.add(source.flagged_sha)
        return reply

    def packed(self, *arguments: bytes) -> tuple[bytes, bytes]:
        """The call as it is sent to a server of Redis 7 or newer: by the digest, and by the text."""
        by_text = (b"EVAL", self._source.flagged, *self._tail, *arguments)
        return self._packed(arguments, flagged=True), encode(by_text)

    def _packed(self, arguments: Sequence[bytes], flagged: bool) -> bytes:
        head = self._head_flagged if flagged else self._head_plain
        return b"*%d\r\n%b%b" % (self._count + len(arguments), head, encode_all(arguments))

    def _recover(
        self, error: Exception, flagged: bool, tail: Sequence[bytes], arguments: Sequence[bytes]
    ) -> Exchange[Any]:
        """Get the reply after the first answer was this error, or raise it."""
        try:
            if isinstance(error, NoScriptError):
                return (yield from self._send_text(tail, arguments))
            if not flagged or not self._is_unreadable(error):
                raise error
            # The server knows the digest of a text that it can't read.
            self._link.knows_flags = False
            return (yield from self._send_text(tail, arguments))
        except BackendError as last:
            if not _is_foreign(last):
                raise
            yield from self._refuse_partitions()
            return (yield from self._eval(self._source.naming, self._tail, arguments))

    def _refuse_partitions(self) -> Exchange[None]:
        """Raise an error if the namespace has partitions: their mark stands in the place of its messages."""
        try:
            mark = yield (b"GET", self._tail[1]), None, True
        except BackendError:
            return  # it is a HASH, as it is to be
        partitions = marked_partitions(mark)
        if partitions is not None:
            raise BackendError(
                f"{self._link.where}: the namespace of {self._tail[1].decode()!r} has {partitions} partitions, and "
                f"this backend was given none. Nothing was done. Give it partitions={partitions}"
            )

    def _send_text(self, tail: Sequence[bytes], arguments: Sequence[bytes]) -> Exchange[Any]:
        link = self._link
        source = self._source
        if link.knows_flags is not False:
            try:
                return (yield from self._eval(source.flagged, tail, arguments))
            except BackendError as error:
                if not self._is_unreadable(error):
                    raise
                link.knows_flags = False
        return (yield from self._eval(source.plain, tail, arguments))

    def _eval(self, text: bytes, tail: Sequence[bytes], arguments: Sequence[bytes]) -> Exchange[Any]:
        return (yield (b"EVAL", text, *tail, *arguments), None, True)

    def _is_unreadable(self, error: Exception) -> bool:
        """Whether this server could not read the first line of the flagged text."""
        # The error decides, not link.knows_flags: another thread may have set it in the meantime.
        if self._source.flagged == self._source.plain:
            return False
        text = str(error.__cause__)
        return isinstance(error.__cause__, ResponseError) and ("ompiling" in text or "near '#'" in text)


#: Makes the call of a script from its name, further keys and first arguments.
CallMaker: TypeAlias = Callable[..., ScriptCall]


def _is_foreign(error: BackendError) -> bool:
    """Whether a key that Alsek did not write stopped the script before its first write."""
    return isinstance(error.__cause__, ResponseError) and any(sign in str(error) for sign in _FOREIGN)
