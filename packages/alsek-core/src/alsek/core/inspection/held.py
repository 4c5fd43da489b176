"""Says where a message runs, and since when."""

from __future__ import annotations

from alsek.core.inspection.messages import HolderInfo, MessageInfo
from alsek.core.inspection.reasons import Why, facts_of, subject
from alsek.core.inspection.wording import past, span
from alsek.core.short_repr import shown


def why_running(info: MessageInfo, now: int) -> Why:
    """Say where a message runs that a worker holds; `now` on the store's clock."""
    holder = info.worker
    assert holder is not None
    since = _since(info, holder)
    facts = facts_of(info) | {
        "worker": holder.id,
        "host": holder.host,
        "pid": holder.pid,
        "thread": holder.thread,
        "since": since,
        "attempt": info.attempts,
        "last_beat": holder.last_beat,
        "lost": not holder.alive,
        "revoked": info.revoked,
    }
    parts = [f"{subject(info)} runs on {_place(holder)}"]
    if since is not None:
        parts.append(f"since {past(since, now)}")
    elif holder.host is not None and holder.kind != "any":
        parts.append("since less than a second ago")  # a pool says what it runs once a second
    parts.append(f"attempt {info.attempts}")
    if holder.last_beat is not None:
        parts.append(f"last beat {span(now - holder.last_beat)} ago")
    text = ", ".join(parts)
    if not holder.alive:
        text += "; the lease of its worker has ended, so the next worker takes the message over"
    if info.revoked:
        text += "; it was revoked, and is being stopped"
    return Why("running", f"{text}.", facts)


def _place(holder: HolderInfo) -> str:
    if holder.host is None:
        return f"worker {holder.id}, which has not told where it is"
    thread = f", thread {shown(holder.thread)}" if holder.thread else ""
    return f"host {holder.host}, process {holder.pid}{thread}"


def _since(info: MessageInfo, holder: HolderInfo) -> int | None:
    """Return since when it runs, as its worker said; else when its status became RUNNING, if it is tracked."""
    if holder.started_at is not None:
        return holder.started_at
    return info.status_at if info.status == "RUNNING" else None
