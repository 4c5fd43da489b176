"""Everything about one message, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alsek.cli.output import Output
from alsek.core.inspection.contents import CallbackInfo
from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.messages import HolderInfo, MessageInfo
from alsek.core.inspection.plain import to_json
from alsek.core.inspection.sighting import EXACT_PLACES
from alsek.core.inspection.wording import coming, counted, past, progress_text, span
from alsek.core.keys.texts import readable
from alsek.core.short_repr import shown

_COLOURS = {"dead": "red", "failed": "red", "running": "green", "succeeded": "green", "gone": "yellow"}


def show_message(output: Output, info: MessageInfo | DeadInfo, now: int, why: str | None = None) -> None:
    """Show a message, or a dead letter.

    Args:
        output: Where.
        info: The message.
        now: The time on the store's clock.
        why: Why it is not running, as a sentence.
    """
    if output.as_json:
        output.json(info)
        return
    rows = [("uuid", info.uuid), ("state", info.state), *_common(info, now)]
    rows += list(_of_dead(info, now) if isinstance(info, DeadInfo) else _of_message(info, now))
    rows += list(_reported(info, now))
    rows += [("unreadable", info.unreadable)] if info.unreadable else []
    for name, text in rows:
        colour = _COLOURS.get(info.state) if name == "state" else "yellow" if name == "unreadable" else None
        output.line(f"{name:16}{text}", colour)
    if info.log:
        output.line()
        for line in info.log:
            output.line(line)
    traceback = _traceback(info)
    if traceback:
        output.line()
        output.line(traceback.rstrip(), "red")
    if why:
        output.line()
        output.line(why, bold=True)


def _common(info: MessageInfo | DeadInfo, now: int) -> Iterator[tuple[str, str]]:
    if info.queue is not None:
        yield "queue", info.queue
    if info.task is not None:
        yield "task", info.task
    if info.args is not None:
        yield "arguments", to_json(info.args)
    if info.kwargs:
        yield "", to_json(info.kwargs)
    if info.metadata is not None:
        yield "metadata", to_json(info.metadata)
    if info.timeout is not None:
        yield "timeout", span(info.timeout)
    if info.created_at is not None:
        yield "created", past(info.created_at, now)
    if info.previous is not None:
        yield "before", f"message {info.previous}, which returned {to_json(info.previous_result)}"
    if info.progenitor is not None:
        yield "begun by", f"message {info.progenitor}"
    for number, callback in enumerate(info.callbacks):
        yield "" if number else "after", _callback(callback)
    if info.more_callbacks:
        yield "", "and more"
    if info.status is not None and info.status_at is not None:
        details = "" if info.details is None else f" {to_json(info.details)}"
        yield "status", f"{info.status}{details}, {past(info.status_at, now)}"


def _reported(info: MessageInfo | DeadInfo, now: int) -> Iterator[tuple[str, str]]:
    if info.reported_at is None:
        return
    when = past(info.reported_at, now)
    if info.progress is not None:
        yield "progress", f"{progress_text(info.progress)}, {when}"
    if info.checkpoint is not None:
        yield "checkpoint", to_json(info.checkpoint)


def _of_dead(info: DeadInfo, now: int) -> Iterator[tuple[str, str]]:
    yield "died", past(info.died_at, now)
    yield "attempts", f"{info.attempts:,}"
    yield "fingerprint", info.fingerprint
    yield "failed with", _failure(info.exception, info.text)


def _of_message(info: MessageInfo, now: int) -> Iterator[tuple[str, str]]:
    if info.priority is not None:
        yield "priority", f"{info.priority:,}"
    if info.mechanism is not None:
        yield "mechanism", info.mechanism
    if info.ready_at is not None and info.state in ("delayed", "ready", "waiting"):
        yield (
            ("due", coming(info.ready_at, now))
            if info.ready_at > now
            else ("ready", past(info.ready_at, now))
        )
    if info.unique is not None:
        yield "unique key", shown(info.unique)
    if info.limits:
        yield "limits", ", ".join(_limit(limit) for limit in info.limits)
    if info.waits_for is not None:
        what = "its unique key" if info.waits_for.startswith("u:") else _limit(info.waits_for)
        yield "waits for", what
    if info.place is not None:
        many = info.place > EXACT_PLACES
        yield "place", f"{f'more than {EXACT_PLACES:,}' if many else f'{info.place:,}'} go first"
    if info.expires_at is not None:
        yield "expires", coming(info.expires_at, now)
    if info.attempts is not None:
        losses = f", {counted(info.losses, 'loss', 'losses')}" if info.losses else ""
        yield "attempts", f"{info.attempts:,}{losses}"
    marks = [name for name, set_ in (("revoked", info.revoked), ("suspect", info.suspect)) if set_]
    if info.set_aside is not None:
        marks.append(f"set aside for a worker that has task {shown(info.set_aside)}")
    if marks:
        yield "marks", ", ".join(marks)
    if info.worker is not None:
        yield from _holder(info.worker, now)
    if info.error is not None:
        yield "last failed with", _failure(info.error["name"], info.error["text"])
    if info.has_result:
        at = "" if info.result_at is None else f", {past(info.result_at, now)}"
        yield "result", f"{to_json(info.result)}{at}"


def _holder(worker: HolderInfo, now: int) -> Iterator[tuple[str, str]]:
    place = worker.id if worker.host is None else f"host {worker.host}, process {worker.pid}"
    thread = f", thread {worker.thread}" if worker.thread else ""
    yield "runs on", f"{place}{thread}{'' if worker.alive else ', whose lease has ended'}"
    if worker.started_at is not None:
        yield "since", past(worker.started_at, now)
    if worker.last_beat is not None:
        yield "last beat", f"{span(now - worker.last_beat)} ago"


def _limit(limit: str) -> str:
    """Return the id of a limit for people."""
    kind, _, key = limit.partition(":")
    return f"{'rate' if kind == 'r' else 'concurrency'} {shown(readable(key))}"


def _callback(callback: CallbackInfo) -> str:
    return f"message {callback.uuid} of task {shown(callback.task)} in queue {shown(callback.queue)}"


def _failure(name: str, text: str) -> str:
    return f"{name}: {text.strip()}" if text.strip() else name


def _traceback(info: MessageInfo | DeadInfo) -> Any:
    if isinstance(info, DeadInfo):
        return info.traceback
    return info.error["traceback"] if info.error is not None else None
