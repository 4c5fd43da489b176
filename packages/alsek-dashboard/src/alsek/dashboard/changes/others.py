"""Pauses and resumes queues and schedules, revokes messages, and submits messages of schedules."""

from __future__ import annotations

from alsek.core.execution.facts import can_fire
from alsek.core.identifiers import check_name
from alsek.core.inspection.wording import coming
from alsek.core.schedules.schedule import Schedule
from alsek.core.steering.schedules import run_once
from alsek.dashboard.changes.change import Form, Question, RefusedError, field_of, whoever
from alsek.dashboard.reading.store_view import StoreView


def pause_queue(store: StoreView, form: Form) -> str:
    """Pause a queue."""
    name = check_name("queue", field_of(form, "name"))
    changed = store.backend.messages.pause(name, whoever())
    return f"Queue “{name}” {'is' if changed else 'was already'} paused. It takes messages in, and hands none out."


def resume_queue(store: StoreView, form: Form) -> str:
    """Resume a queue."""
    name = check_name("queue", field_of(form, "name"))
    return f"Queue “{name}” {'is resumed' if store.backend.messages.resume(name) else 'was not paused'}."


def revoke_question(store: StoreView, form: Form) -> Question:
    """Ask whether a message is to be revoked."""
    uuid = field_of(form, "uuid")
    return Question(
        f"Revoke message {uuid}? If it waits, it is not run; if it runs, it is stopped.", "Revoke it", {}
    )


def revoke(store: StoreView, form: Form) -> str:
    """Revoke a message."""
    uuid = field_of(form, "uuid")
    located = store.backend.messages.find(check_name("uuid", uuid))
    if located is None or not store.backend.messages.revoke(located.stored.queue, uuid):
        raise RefusedError(f"There is no message {uuid} any more: it has ended.")
    return f"Message {uuid} is revoked. It becomes a dead letter as soon as a worker would have taken it."


def pause_schedule(store: StoreView, form: Form) -> str:
    """Pause a schedule."""
    schedule = _schedule(store, form)
    changed = schedule.pause(whoever())
    return f"Schedule “{schedule.name}” {'is' if changed else 'was already'} paused."


def resume_schedule(store: StoreView, form: Form) -> str:
    """Let a schedule go on with its next tick."""
    schedule = _schedule(store, form)
    if schedule.paused and not can_fire():
        raise RefusedError("To resume a schedule, its next tick must be computed: pip install apscheduler.")
    if not schedule.resume():
        return f"Schedule “{schedule.name}” was not paused."
    now = store.backend.messages.now()
    then = "It has no tick left." if schedule.next_at is None else f"Next: {coming(schedule.next_at, now)}."
    return f"Schedule “{schedule.name}” is resumed. {then}"


def run_schedule(store: StoreView, form: Form) -> str:
    """Submit one message of a schedule now."""
    name = field_of(form, "name")
    message = run_once(store.broker, name)
    if message is None:
        raise RefusedError(f"There is no schedule “{name}” any more.")
    if message.duplicate:
        return f"Nothing was submitted: message {message.uuid} holds the unique key."
    return f"Submitted message {message.uuid} of schedule “{name}”."


def remove_question(store: StoreView, form: Form) -> Question:
    """Ask whether a schedule is to be deleted."""
    schedule = _schedule(store, form)
    text = f"Delete schedule “{schedule.name}”? The messages that it has submitted stay."
    if schedule.declared:
        text += " The code of its task declares it, so it comes back with the next pool that starts."
    return Question(text, "Delete it", {})


def remove_schedule(store: StoreView, form: Form) -> str:
    """Delete a schedule."""
    schedule = _schedule(store, form)
    return f"Schedule “{schedule.name}” {'is deleted' if schedule.remove() else 'was gone already'}."


def _schedule(store: StoreView, form: Form) -> Schedule:
    name = field_of(form, "name")
    found = store.broker.schedule(name)
    if found is None:
        raise RefusedError(f"There is no schedule “{name}” any more.")
    return found
