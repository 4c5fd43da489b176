"""Says what holds back a message that would be ready: a limit, or the message that holds its unique key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alsek.core.inspection.limits import LimitInfo, limits_of, named
from alsek.core.inspection.messages import MessageInfo
from alsek.core.inspection.reasons import Why, facts_of, subject
from alsek.core.inspection.wording import coming, counted
from alsek.core.inspection.workers import WorkerInfo
from alsek.core.keys.texts import readable
from alsek.core.short_repr import shown
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Located

#: How many of the messages that hold places of a limit are named in the sentence.
_NAMED: Final = 3

#: Begins what a message waits for, if that is a unique key.
_KEY: Final = "u:"

_STATES: Final = {
    "claimed": "is running",
    "ready": "is ready",
    "delayed": "is delayed",
    "waiting": "waits itself",
}


def why_held_back(
    port: MessagePort, located: Located, info: MessageInfo, workers: Sequence[WorkerInfo], now: int
) -> Why:
    """Say what a message of the state ``"waiting"`` waits for.

    Args:
        port: Where it is.
        located: The message.
        info: The same, as users see it.
        workers: The registered workers.
        now: The time on the store's clock.
    """
    if located.waits_for.startswith(_KEY):
        return _behind_its_key(port, located.waits_for.removeprefix(_KEY), info)
    found = limits_of(port, [located.waits_for])
    if not found:
        text = f"{subject(info)} waits for a limit that has just become free, and is ready with the next step"
        return Why("limited", f"{text} of a worker.", facts_of(info) | {"limit": located.waits_for})
    (limit,) = found
    facts = facts_of(info) | {
        "limit": limit.id,
        "kind": limit.kind,
        "key": limit.key,
        "amount": limit.amount,
        "used": limit.used,
        "waiting": limit.waiting,
        "held_by": list(limit.held_by),
        "next_free": limit.next_free,
    }
    if limit.per is not None:
        facts["per"] = limit.per
    sentence = f"{subject(info)} waits for {named(limit)}"
    if not limit.full or (limit.next_free is not None and limit.next_free <= now):
        if not any(worker.alive for worker in workers):
            # What waits for a limit becomes ready with a worker's step.
            text = f"{sentence}, which has room again, but no worker is alive to go on."
            return Why("no_worker", text, facts | {"missing": "queue"})
        return Why("limited", f"{sentence}, which has room again: the next step of a worker goes on.", facts)
    return Why("limited", f"{sentence}: {_used_up(port, limit, now)}; {_others(limit)}.", facts)


def _used_up(port: MessagePort, limit: LimitInfo, now: int) -> str:
    """Say who has the places of a limit, and when one is free."""
    some = limit.held_by[:_NAMED]
    holders = ", ".join(f"{uuid} {_state(port, uuid)}" for uuid in some)
    if len(limit.held_by) > _NAMED:
        holders += f" and {len(limit.held_by) - _NAMED:,} more"
    if limit.kind == "concurrency":
        are = "is" if limit.amount == 1 else "are"
        places = f"its {counted(limit.amount, 'place')} {are} taken"
        return f"{places} ({holders}), and one is free when such a message ends"
    ready = len(limit.held_by)
    started = limit.used - ready
    parts = []
    if started:
        parts.append(
            f"{counted(started, 'message')} {'has' if started == 1 else 'have'} started within the window"
        )
    if ready:
        parts.append(f"{counted(ready, 'message')} may start next ({holders})")
    if limit.next_free is not None:
        parts.append(f"the next place is free at {coming(limit.next_free, now)}")
    return ", ".join(parts)


def _others(limit: LimitInfo) -> str:
    return (
        "nobody else waits for it"
        if limit.waiting <= 1
        else f"{counted(limit.waiting, 'message')} wait for it"
    )


def _state(port: MessagePort, uuid: str) -> str:
    found = port.find(uuid)
    return "has just ended" if found is None else _STATES[found.stored.state]


def _behind_its_key(port: MessagePort, key: str, info: MessageInfo) -> Why:
    record = port.unique_key(key)
    facts: dict[str, Any] = facts_of(info) | {"key": readable(key)}
    sentence = f"{subject(info)} waits until"
    if record is None:
        return Why(
            "unique", f"{sentence} the message ends that holds its unique key {shown(readable(key))}.", facts
        )
    holder = port.find(record.holder)
    state = None if holder is None else "running" if holder.stored.state == "claimed" else holder.stored.state
    facts |= {"held_by": record.holder, "holder_state": state}
    text = f"{sentence} message {record.holder} ends, which holds its unique key {shown(readable(key))}"
    return Why("unique", f"{text} and {_state(port, record.holder)}.", facts)
