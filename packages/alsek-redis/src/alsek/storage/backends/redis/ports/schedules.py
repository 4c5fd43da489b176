"""The schedule port on Redis: a HASH of all schedules. ``docs/keys.md`` describes the keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alsek.storage.backends.batches import answers_in_order, first_of_each_uuid, in_pieces
from alsek.storage.backends.ports import SchedulePort
from alsek.storage.backends.records import Added, ScheduleRecord, Submission
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.client.exchange import Exchange, command, exchange
from alsek.storage.backends.redis.client.script import CallMaker
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.ports.codec import added_from, submission_arguments
from alsek.storage.backends.redis.ports.request_id import request_id
from alsek.storage.backends.redis.ports.schedule_codec import schedule_from, time_argument

#: So many schedules are read in one command.
_MOST: Final = 1000


class RedisSchedules(SchedulePort):
    """Schedules by their names.

    Args:
        link: To the server.
        keys: The names of the keys.
        make_call: Makes the call of a script.
    """

    def __init__(self, link: Link, keys: Keys, make_call: CallMaker) -> None:
        self._link = link
        self._keys = keys
        self._put = make_call("schedule_put")
        self._fire = make_call("schedule_fire")
        self._pause = make_call("schedule_pause")
        self._resume = make_call("schedule_resume")
        self._remove = make_call("schedule_remove")

    @exchange
    def put(
        self, name: str, definition: bytes, revision: str, next_at: int | None, expected: str = ""
    ) -> Exchange[ScheduleRecord | None]:
        arguments = (name.encode(), definition, revision.encode(), time_argument(next_at), expected.encode())
        record = yield from self._put.ask(*arguments)
        return None if record is None else schedule_from(name, record)

    @exchange
    def get(self, names: Sequence[str] | None = None) -> Exchange[list[ScheduleRecord]]:
        found: list[ScheduleRecord | None] = []
        if names is None:
            reply = yield from command("HGETALL", self._keys.schedules())
            pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
            found += (schedule_from(name.decode(), record) for name, record in pairs)
        for batch in in_pieces(sorted(set(names or ())), _MOST):
            records = yield from command("HMGET", self._keys.schedules(), *batch)
            pairs = zip(batch, records, strict=True)
            found += (schedule_from(name, record) for name, record in pairs if record is not None)
        return sorted((one for one in found if one is not None), key=lambda one: one.name)

    @exchange
    def fire(
        self,
        name: str,
        revision: str,
        tick: int,
        submissions: Sequence[Submission],
        request: str,
        next_at: int | None,
        last_at: int | None = None,
    ) -> Exchange[list[Added] | None]:
        firsts = first_of_each_uuid(submissions)
        last_uuid = submissions[-1].uuid if submissions else ""
        arguments = [request_id(request), name.encode(), revision.encode(), time_argument(tick)]
        arguments += (time_argument(next_at), time_argument(last_at), last_uuid.encode())
        for submission in firsts.values():
            arguments += submission_arguments(submission)
        reply = yield from self._fire.exchange(arguments)
        if reply is None:
            return None
        answers = [added_from(uuid, answer) for uuid, answer in zip(firsts, reply, strict=True)]
        return answers_in_order(submissions, firsts, answers)

    @exchange
    def pause(self, name: str, by: str) -> Exchange[bool]:
        return bool((yield from self._pause.ask(name.encode(), by.encode())))

    @exchange
    def resume(self, name: str, revision: str, next_at: int | None) -> Exchange[bool]:
        return bool((yield from self._resume.ask(name.encode(), revision.encode(), time_argument(next_at))))

    @exchange
    def remove(self, name: str) -> Exchange[bool]:
        return bool((yield from self._remove.ask(name.encode())))
