"""Submissions of one message that is ready at once: nearly all are of this kind, and have a script of their own."""

from __future__ import annotations

from typing import Final, TypeAlias

from alsek.storage.backends.kinds import WISH_LETTERS
from alsek.storage.backends.records import Submission
from alsek.storage.backends.redis.client.script import CallMaker, ScriptCall
from alsek.types import Wish

#: What such a submission has from `named` on: the uuid was made for it, and nothing is in its tail.
_USUAL: Final = Submission("", "", b"")[8:]

#: The calls of so many queues and options are kept ready.
_MOST_KNOWN: Final = 1_000

#: What the messages of a task nearly always have in common: queue, priority, wish, ttl, status_ttl.
_Common: TypeAlias = tuple[str, int, Wish, int, int]


class PlainSubmissions:
    """Calls ``add_one.lua``. What many messages have in common is packed once.

    Args:
        make_call: Makes the call of a script.
    """

    def __init__(self, make_call: CallMaker) -> None:
        self._make_call = make_call
        self._any: ScriptCall = make_call("add_one")
        self._calls: dict[_Common, ScriptCall] = {}

    def call_for(self, submission: Submission, request: bytes) -> tuple[ScriptCall, tuple[bytes, ...]] | None:
        """The call that stores this message, and its arguments; None if it is not of this kind.

        The answer is 1 if it is stored, and None if ``add.lua`` must do it: then nothing is.
        """
        uuid, queue, payload, priority, wish, delay, ttl, status_ttl = submission[:8]
        if delay or submission[8:] != _USUAL:
            return None
        arguments = (request, uuid.encode(), payload)
        common = (queue, priority, wish, ttl, status_ttl)
        call = self._calls.get(common)
        if call is None:
            fixed = b"%d|%b|%d|%d|%b" % (
                priority,
                WISH_LETTERS[wish].encode(),
                ttl,
                status_ttl,
                queue.encode(),
            )
            if len(self._calls) >= _MOST_KNOWN:
                return self._any, (fixed, *arguments)
            call = self._calls[common] = self._make_call("add_one", fixed=(fixed,))
        return call, arguments
