"""Each transition of a message is written by one function, so that a feature that belongs to it has one place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from alsek.storage.backends.endings import End
from tests.unit.redis.test_scripts import FRAGMENTS, SCRIPTS

#: Every command that moves a message between states, ends one or wakes a worker: what it is given, and where it stands.
#: ``add_one.lua`` does in few commands what ``enter_ready()`` does, for a new message that is ready at once.
WRITES: Final = {
    # Records.
    ("HSETNX", "MESSAGES"): {"add_one"},
    ("HSET", "MESSAGES"): {"effects", "reports", "revoke", "unique_keys"},
    ("HDEL", "MESSAGES"): {"end_message", "add_one"},
    ("HINCRBY", "QUEUES"): {"counts", "add_one", "pushes"},
    ("HDEL", "QUEUES"): {"counts"},
    # Ready sets. One that is overwritten leaves its index; what belongs there is delayed.
    ("ZADD", "set"): {"effects", "add_one", "set_aside", "sleepers", "line_places", "hear"},
    ("ZADD", "P .. group.index"): {"effects"},
    ("ZADD", "P .. 'ready:' .. wish"): {"add_one"},
    ("ZREM", "set.key"): {"leave_ready"},
    ("ZREMRANGEBYRANK", "set.key"): {"leave_when_picked"},
    ("ZREM", "set.index"): {"leave_ready", "leave_when_picked"},
    ("ZREM", "P .. group.index"): {"effects"},
    ("ZREM", "P .. class .. wish"): {"choice", "pause", "rare_sets"},
    # Messages that are set aside: the tasks for which there are any.
    ("SADD", "P .. 'aside'"): {"set_aside"},
    ("SREM", "tasks"): {"rare_sets"},
    ("HSET", "COUNTERS"): {"heartbeat", "move_to", "pause", "set_aside"},
    ("HDEL", "COUNTERS"): {"rare_sets", "resume"},
    # Pauses. A paused queue is not listed in the indexes of its ready sets.
    ("HSET", "PAUSED"): {"pause"},
    ("HDEL", "PAUSED"): {"resume"},
    ("ZADD", "ready_index"): {"resume", "set_aside"},
    # Delayed messages, limits that are to be looked at, and when the first schedule is offered.
    ("ZADD", "DELAYED"): {"enter", "effects", "limit_dues", "schedule_offers"},
    ("ZREM", "DELAYED"): {"leave_delayed", "limit_dues", "schedule_offers"},
    # Schedules, and when each is offered.
    ("HSET", "SCHEDULES"): {"schedule_records", "schedule_changes"},
    ("HDEL", "SCHEDULES"): {"schedule_changes"},
    ("ZADD", "OFFERS"): {"schedule_offers", "due_schedules"},
    ("ZREM", "OFFERS"): {"schedule_offers"},
    # Messages that wait for a limit or behind the holder of their key. What was removed otherwise leaves its set too.
    ("HSET", "WAITS"): {"waiting"},
    ("HDEL", "WAITS"): {"waiting"},
    # A line stands at one of its limits.
    ("ZADD", "line.set"): {"waiting"},
    ("ZREM", "line.set"): {"waiting"},
    ("HSET", "LINES"): {"line_places"},
    ("HDEL", "LINES"): {"line_places"},
    ("ZREM", "set"): {"line_places", "admission", "sleepers"},
    ("ZREM", "P .. 'waiting:' .. line.at"): {"line_places"},
    ("ZREM", "P .. 'waiting:' .. id"): {"waiting"},
    ("ZREM", "P .. 'waiting:' .. limit.id"): {"admission"},
    ("HINCRBY", "P .. 'waiting'"): {"waiting"},
    ("HDEL", "P .. 'waiting'"): {"waiting"},
    # Places of limits, and starts.
    ("SADD", "admitted"): {"limits"},
    ("SREM", "admitted"): {"limits"},
    ("ZADD", "starts"): {"limits"},
    ("PEXPIRE", "starts"): {"limits"},
    # Claims. The field '' is the worker's line; revoke and the first report write a mark into a claim that there is.
    # A push claims a message that was never ready, and ends the claim at once if it can't be sent.
    ("HSET", "claims"): {"step", "sleep_on", "pushes", "reports", "revoke"},
    ("HSET", "KEYS[6]"): {"register"},
    ("HDEL", "claims"): {"leave_claimed", "pushes"},
    ("DEL", "P .. 'claims:' .. worker"): {"forget_worker"},
    # Tokens that wake workers. Those of an empty queue are deleted; those for messages of `async def` tasks expire.
    ("RPUSH", "list"): {"wakeups"},
    ("PEXPIRE", "list"): {"wakeups"},
    ("DEL", "P .. 'wake:thread:' .. queue"): {"counts"},
    # Workers that may be pushed messages.
    ("HSET", "SLEEPING"): {"sleepers"},
    ("HDEL", "SLEEPING"): {"sleepers"},
    ("ZREM", "found.set"): {"pushes"},
    # Workers that wait on one connection for each node.
    ("SET", "mark"): {"hear"},
    ("DEL", "mark"): {"hear"},
    ("DEL", "list"): {"hear"},
    ("PEXPIRE", "set"): {"hear"},
    # Uuids of ended messages.
    ("HSET", "finished"): {"end_message", "key_taking"},
    ("PEXPIRE", "finished"): {"end_message", "key_taking"},
}

#: Writes to other keys: what a key expression of theirs looks like.
_OTHERS: Final = re.compile(
    r"COUNTERS|WORKERS|answered|key|index|log$|order|expiries|queues|gone|minute$|facts$|tasks|name$"
    r"|P \.\. '(leases|dead|fading|letters|results|statuses|locks|facts|running|values|descendants|moves|tasks)"
    r"|P \.\. '(group|members|nested|unreachable|limit):|P \.\. '(followed|limits|reports:|log:)"
)
_WRITE: Final = re.compile(
    r"\b(?:call|try|attempt|bulk|pcall)\('(SET|H(?:SET|SETNX|DEL|INCRBY)|Z(?:ADD|REM|REMRANGEBYRANK|INCRBY|POPMIN)"
    r"|[RL]PUSH|[RL]POP|S(?:ADD|REM)|DEL|UNLINK|RENAME|P?EXPIRE|PERSIST)', ([^,()]+)"
)


def _writes(path: Path) -> set[tuple[str, str]]:
    code = re.sub(r"--.*", "", path.read_text("utf-8"))
    return {(command, key.strip()) for command, key in _WRITE.findall(code)}


@pytest.mark.parametrize("path", [*SCRIPTS, *FRAGMENTS], ids=lambda path: path.stem)
def test_each_transition_is_written_in_one_place(path: Path) -> None:
    """No file writes to where messages stand, but those that are listed here for that command."""
    for write in _writes(path):
        if write in WRITES:
            assert path.stem in WRITES[write], write
        else:
            assert _OTHERS.match(write[1]), write


def test_a_message_ends_in_one_of_the_declared_ways() -> None:
    """Each caller of end_message() names an end of the declared ones, or says that the message was never placed."""
    found = set[str]()
    for path in (*SCRIPTS, *FRAGMENTS):
        found.update(re.findall(r"end_message\([^)]*?, '(\w+)'", path.read_text("utf-8")))
    others = (End.MOVED, End.REPLACED)  # to the scripts the one is removed, and the other goes on
    declared = {end.name.lower() for end in End if end not in others}
    assert found == declared | {"unplaced"}


def test_every_place_that_is_listed_is_there() -> None:
    """The list above is not longer than it must be."""
    found = {path.stem: _writes(path) for path in (*SCRIPTS, *FRAGMENTS)}
    for write, places in WRITES.items():
        assert places == {stem for stem, writes in found.items() if write in writes}, write
