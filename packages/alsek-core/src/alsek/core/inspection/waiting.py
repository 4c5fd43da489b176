"""Says why a message waits: what holds it up most, and what does besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from alsek.core.inspection.held_back import why_held_back
from alsek.core.inspection.messages import MessageInfo
from alsek.core.inspection.reach import Reach, reach_of
from alsek.core.inspection.reasons import Why, facts_of, subject
from alsek.core.inspection.sighting import EXACT_PLACES
from alsek.core.inspection.wording import coming, counted, failure, past
from alsek.core.inspection.workers import WorkerInfo
from alsek.core.short_repr import shown
from alsek.storage.backends.ports import MessagePort
from alsek.storage.backends.records import Located, Pause


def why_waiting(
    port: MessagePort,
    located: Located,
    info: MessageInfo,
    workers: Sequence[WorkerInfo],
    pause: Pause | None,
    now: int,
) -> Why:
    """Say why a message that is delayed, ready or waiting is not running.

    Args:
        port: Where it is.
        located: The message.
        info: The same, as users see it.
        workers: The registered workers.
        pause: The pause of its queue, if there is one.
        now: The time on the store's clock.
    """
    if info.revoked:
        end = "the next worker that claims it makes a dead letter of it"
        return Why("revoked", f"{subject(info)} was revoked and will not be run: {end}.", facts_of(info))
    if info.state in ("ready", "waiting") and info.expires_at is not None and info.expires_at < now:
        end = "it will not be run, and the next worker that claims it makes a dead letter of it"
        text = f"{subject(info)} expired at {past(info.expires_at, now)}: {end}."
        return Why("expired", text, facts_of(info) | {"expires_at": info.expires_at})
    if info.state == "waiting":
        held_back = why_held_back(port, located, info, workers, now)
        text = held_back.text.removesuffix(".") + _also_paused(pause, now) + "."
        return replace(
            held_back, text=text, facts=held_back.facts | {"paused": pause is not None} | _failures(info)
        )
    reach = reach_of(located, info.task, workers)
    if info.state == "delayed":
        return _delayed(info, reach, workers, pause, now)
    return _ready(info, reach, pause, now)


def _delayed(
    info: MessageInfo, reach: Reach, workers: Sequence[WorkerInfo], pause: Pause | None, now: int
) -> Why:
    due = info.ready_at or 0
    overdue = due <= now
    if overdue and not any(worker.alive for worker in workers):
        # Delayed messages become ready with a worker's step.
        facts = facts_of(info) | _missing(reach) | {"due": due}
        text = f"{subject(info)} was due at {past(due, now)}, but {reach.sentence}."
        return Why("no_worker", text, facts)
    when = f"was due at {past(due, now)}, and is ready with the next step of a worker"
    when = when if overdue else f"until {coming(due, now)}"
    facts = facts_of(info) | {"due": due, "paused": pause is not None}
    besides = _also_paused(pause, now)
    if not info.retries:
        when = when if overdue else f"waits {when}, as submitted"
        return Why("delayed", f"{subject(info)} {when}{besides}.", facts)
    facts |= _failures(info)
    next_one = when if overdue else f"retry {info.retries} is at {coming(due, now)}"
    return Why("retrying", f"{subject(info)} {_failed(info)}; {next_one}{besides}.", facts)


def _ready(info: MessageInfo, reach: Reach, pause: Pause | None, now: int) -> Why:
    facts = facts_of(info) | {"place": info.place} | _failures(info)
    state = "is ready" if info.set_aside is None else f"is set aside for its task {shown(info.set_aside)}"
    if info.retries:
        state += f" after it {_failed(info)}"
    if pause is not None:
        facts |= {"paused_by": pause.by, "paused_since": pause.since}
        text = f"{subject(info)} {state}, but its queue is paused: by {shown(pause.by)}, since {past(pause.since, now)}"
        if reach.missing is not None:
            facts |= _missing(reach)
            text += f"; besides, {reach.sentence}"
        return Why("paused", f"{text}.", facts)
    if reach.missing is not None:
        text = f"{subject(info)} {state}, but {reach.sentence}{_fate(info, reach)}."
        return Why("no_worker", text, facts | _missing(reach))
    capacity = _capacity(reach)
    facts |= capacity
    if info.suspect:
        facts["losses"] = info.losses
        text = (
            f"{subject(info)} was in a process that died ({counted(info.losses or 0, 'loss', 'losses')}), and waits "
            f"for a worker of its own; {_before(info)}, and {_serving(capacity)}."
        )
        return Why("suspect", text, facts)
    return Why("behind", f"{subject(info)} {state}; {_before(info)}, and {_serving(capacity)}.", facts)


def _before(info: MessageInfo) -> str:
    """Say how many messages go first."""
    place = info.place
    if place is None:
        return "its place in its queue changes just now"
    if place > EXACT_PLACES:
        return f"more than {EXACT_PLACES:,} messages of its queue go first"
    if not place:
        return "it is the next of its queue"
    return f"{counted(place, 'message')} of its queue {'goes' if place == 1 else 'go'} first"


def _serving(capacity: dict[str, int]) -> str:
    """Say how many workers may take it, and whether they have room."""
    number, slots = capacity["workers"], capacity["slots"]
    text = f"{counted(number, 'worker')} {'serves' if number == 1 else 'serve'} it"
    return f"{text} ({capacity['busy']:,} of {counted(slots, 'slot')} busy)" if slots else text


def _capacity(reach: Reach) -> dict[str, int]:
    """Return how many workers may take it, and what room they have."""
    return {
        "workers": len(reach.workers),
        "slots": sum(worker.slots or 0 for worker in reach.workers),
        "busy": sum(worker.busy for worker in reach.workers if worker.slots),
    }


def _fate(info: MessageInfo, reach: Reach) -> str:
    """Say what becomes of a message whose task nobody has."""
    if reach.missing != "task" or info.set_aside is not None:
        return ""
    return ": a worker that claims it fails it, unless its pool was told to wait for unknown tasks"


def _missing(reach: Reach) -> dict[str, Any]:
    return {} if reach.missing is None else {"missing": reach.missing}


def _also_paused(pause: Pause | None, now: int) -> str:
    if pause is None:
        return ""
    return f"; its queue is paused as well, by {shown(pause.by)} since {past(pause.since, now)}"


def _failed(info: MessageInfo) -> str:
    times = {1: "once", 2: "twice"}.get(info.retries or 0, f"{info.retries:,} times")
    last = "" if info.error is None else f", last with {failure(info.error)}"
    return f"failed {times}{last}"


def _failures(info: MessageInfo) -> dict[str, Any]:
    """Return what went before, for a message that was retried."""
    if not info.retries:
        return {}
    error = None if info.error is None else {"name": info.error["name"], "text": info.error["text"]}
    return {"failed": info.retries, "next_attempt": info.retries + 1, "last_error": error}
