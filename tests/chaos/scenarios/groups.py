"""Groups under a storm of kills: nested, with chains in them, and with members that fail."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

from alsek import Group, Message
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import GroupRecord
from tests.chaos.environment import Stage
from tests.chaos.scenario import PROCESS, REDIS, SQLITE, THREAD, Scale, scenario
from tests.chaos.stores import open_backend
from tests.chaos.verification import Results

#: What befalls a group, in turn: nothing; a member fails, and it stops at that or continues; a member of a group within
#: it fails.
_PLANS = ("whole", "stop", "whole", "continue", "within", "whole")


def _jobs(stage: Stage, n: int, ms: int = 10) -> list[Message]:
    play = stage.play
    return [
        (play.work if number % 3 else play.wait).generate(args=(ms,), submit=False) for number in range(n)
    ]


def _gather(stage: Stage) -> Message:
    return stage.play.gather.generate(submit=False)


def _parent(stage: Stage, callback: Message | Group) -> Message:
    parent = stage.play.parent.generate(args=(10,), callback=callback, submit=False)
    stage.follows[parent.uuid] = callback
    return parent


def _chain(stage: Stage) -> Message:
    return _parent(stage, stage.play.child.generate(submit=False))


def _group(stage: Stage, plan: str) -> Group:
    """A group of 20: messages, chains, one whose callback is a group, and two groups, one without a callback."""
    doomed = [stage.play.doomed.generate(submit=False)]
    members: list[Message | Group] = [
        *_jobs(stage, 11),
        *(_chain(stage) for _ in range(5)),
        _parent(stage, Group(_jobs(stage, 3), callback=_gather(stage))),
        Group(
            [*_jobs(stage, 3), *(doomed if plan == "within" else _jobs(stage, 1))], callback=_gather(stage)
        ),
        Group([_chain(stage), *_jobs(stage, 2)]),
        *(doomed if plan in ("stop", "continue") else _jobs(stage, 1)),
    ]
    assert len(members) == 20
    stage.random.shuffle(members)
    return Group(members, callback=_gather(stage), on_failure="continue" if plan == "continue" else "stop")


@scenario(
    "groups of 20, nested, with chains and failures, a storm of SIGKILL",
    judged=lambda stage, verdict: _as_their_members(stage),
    short=((SQLITE, THREAD), (REDIS, PROCESS)),
)
def groups(stage: Stage, scale: Scale) -> None:
    """Each group joins exactly once, with the results of its members, or fails exactly once."""
    stage.keep_alive(pools=2)
    _submit(stage, 1)
    stage.until_begun(1)
    for tick in stage.ticks(scale.seconds, 0.5):
        _submit(stage, scale.pick(2, 3))
        stage.keep_alive(pools=2)
        time.sleep(stage.random.uniform(0.0, 0.2))
        stage.kill_one(stage.holders() if tick % 3 else _started(stage))
    stage.settle(scale.pick(40, 120), pools=2)
    backend = open_backend(stage.store.direct)
    try:
        for group in stage.groups:
            _expect(stage, backend, group)
        states = [record.state for group in stage.groups if (record := backend.groups.get(group.id))]
        stage.note = f"{states.count('joined')} joined, {states.count('failed')} failed"
    finally:
        backend.close()


def _started(stage: Stage) -> list[int]:
    """All processes of the pools that have begun to work, the supervisors too."""
    return [pid for pool in stage.pools if "Started group" in pool.log for pid in pool.tree()]


def _submit(stage: Stage, n: int) -> None:
    for _ in range(n):
        stage.submit_group(_group(stage, _PLANS[len(stage.groups) % len(_PLANS)]))


def _expect(stage: Stage, backend: Backend, group: Group, *, dropped: bool = False) -> None:
    """Have the judge expect the ends of all of a group, which was submitted.

    With `dropped`, it is in a group that has failed: its messages may have been revoked.
    """
    record = backend.groups.get(group.id)
    if record is None or record.state == "open":
        stage.problems.append(f"{group.id} has not ended: {record}")
        return
    if record.succeeded + record.failed + record.revoked != record.total:
        stage.problems.append(f"{group.id}: not every member was counted: {record}")
    dropped = dropped or record.state == "failed"
    for member in group.members:
        if isinstance(member, Group):
            _expect(stage, backend, member, dropped=dropped)
        else:
            _expect_message(stage, backend, member, dropped=dropped)
    if group.callback is not None and record.state == "joined":
        stage.expect(group.callback.uuid, dropped=dropped)


def _expect_message(stage: Stage, backend: Backend, message: Message, *, dropped: bool) -> None:
    fails = message.task_name == "doomed"
    stage.expect(message.uuid, mortal=fails, dropped=dropped)
    follows = stage.follows.get(message.uuid)
    if isinstance(follows, Group):
        if Results(backend).run(message.uuid) is not None:
            _expect(stage, backend, follows, dropped=dropped)
    elif follows is not None:
        stage.callbacks[message.uuid] = follows.uuid
        if dropped:
            stage.dropped.add(follows.uuid)


def _as_their_members(stage: Stage) -> list[str]:
    backend = open_backend(stage.store.direct)
    try:
        taken = {entry.uuid for entry in stage.store.audit() if entry.what == "in"}
        return [text for group in stage.groups for text in _problems(stage, backend, group, taken)]
    finally:
        backend.close()


def _problems(stage: Stage, backend: Backend, group: Group, taken: set[str]) -> Iterator[str]:
    """What is wrong with a group that has ended."""
    record = backend.groups.get(group.id)
    assert group.callback is not None
    callback = group.callback.uuid
    if record is None:
        yield f"{group.id} is gone"
    elif record.state == "joined":
        result = _result(backend, callback)
        expected = [_value(stage, backend, member) for member in group.members]
        if result is None or result["of"] != expected:
            yield f"{group.id} joined with {result}, and its members came to {expected}"
    else:
        yield from _problems_of_failed(backend, group, record, callback in taken)


def _problems_of_failed(
    backend: Backend, group: Group, record: GroupRecord, submitted: bool
) -> Iterator[str]:
    doomed = {message.uuid for message in group.messages() if message.task_name == "doomed"}
    if record.failure is None or record.failure.uuid not in doomed:
        yield f"{group.id} is {record.state} because of {record.failure}; doomed were {doomed}"
    if submitted:
        yield f"{group.id} has failed, and its callback was submitted"
    assert group.callback is not None
    (parent,) = backend.results.failed_parents([group.callback.uuid])
    if parent not in doomed:
        yield f"{group.id} has failed, and its callback is noted to have lost {parent}; doomed were {doomed}"


def _value(stage: Stage, backend: Backend, member: Message | Group) -> Any:
    """What a member has come to: the result of the last message of its chain."""
    if isinstance(member, Group):
        if member.callback is None:
            return [_value(stage, backend, each) for each in member.members]
        return _result(backend, member.callback.uuid)
    follows = stage.follows.get(member.uuid)
    return _result(backend, member.uuid) if follows is None else _value(stage, backend, follows)


def _result(backend: Backend, uuid: str) -> Any:
    (record,) = backend.results.get([uuid])
    return None if record is None else json.loads(record.payload)
