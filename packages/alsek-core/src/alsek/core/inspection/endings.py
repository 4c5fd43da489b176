"""Says how a message has ended, as far as its store knows."""

from __future__ import annotations

from typing import Any, Final

from alsek.core.inspection.dead import dead_info
from alsek.core.inspection.reasons import Why, WhyCode, facts_of, subject
from alsek.core.inspection.sighting import Sighting
from alsek.core.inspection.wording import MOST_TEXT, counted, failed_with, past
from alsek.core.short_repr import shown
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import StatusRecord, TaskStatus

#: What a dead letter's exception says of how the message ended; any other means that it failed.
_CODES: Final[dict[str, WhyCode]] = {"MessageRevokedError": "revoked", "MessageExpiredError": "expired"}


def why_ended(backend: Backend, seen: Sighting) -> Why:
    """Say how a message has ended that is not stored, or that nothing is known of it."""
    facts: dict[str, Any] = {"uuid": seen.uuid}
    if not seen.known:
        return Why(
            "unknown",
            f"No message {shown(seen.uuid)} is known in {backend.describe()}, nor a status, result or dead letter "
            "of one.",
            facts,
        )
    if seen.letter is not None:
        return _dead(backend, seen)
    status, result = seen.status, seen.result
    if status is not None:
        facts |= {"status": status.status.name, "status_at": status.timestamp}
    if seen.succeeded:
        at = result.timestamp if result is not None else status.timestamp if status is not None else 0
        kept = "its result is stored" if result is not None else "no result of it is stored"
        text = f"Message {seen.uuid} succeeded at {past(at, seen.now)}; {kept}."
        return Why("succeeded", text, facts | {"ended_at": at, "has_result": result is not None})
    assert status is not None
    if status.status is TaskStatus.FAILED:
        text = (
            f"Message {seen.uuid} failed at {past(status.timestamp, seen.now)}; no dead letter of it is kept."
        )
        return Why("dead", text, facts | {"ended_at": status.timestamp})
    return Why("unknown", _gone(seen, status), facts)


def _dead(backend: Backend, seen: Sighting) -> Why:
    assert seen.letter is not None
    info = dead_info(seen.letter, backend.serializer)
    facts = facts_of(info) | {
        "ended_at": info.died_at,
        "attempts": info.attempts,
        "error": {"name": info.exception, "text": info.text},
        "fingerprint": info.fingerprint,
    }
    whose = subject(info)
    when = past(info.died_at, seen.now)
    code = _CODES.get(info.exception, "dead")
    match code:
        case "revoked":
            text = f"{whose} was revoked, and ended at {when}; it is among the dead letters."
        case "expired":
            text = (
                f"{whose} expired before a worker took it, and ended at {when}; it is among the dead letters."
            )
        case _:
            error = failed_with(info.exception, info.text, MOST_TEXT)
            tries = counted(info.attempts, "attempt")
            text = (
                f"{whose} failed for good at {when}, in {tries}, with {error}; it is among the dead letters."
            )
    return Why(code, text, facts)


def _gone(seen: Sighting, status: StatusRecord) -> str:
    when = past(status.timestamp, seen.now)
    if status.status is TaskStatus.UNKNOWN:
        return (
            f"Message {seen.uuid} is gone: its status became UNKNOWN at {when}, as when a message is removed."
        )
    return (
        f"Message {seen.uuid} is not in the store, and how it ended is not known: its status, of {when}, is "
        f"{status.status.name}."
    )
