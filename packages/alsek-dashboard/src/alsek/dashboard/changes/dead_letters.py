"""Replays and deletes dead letters: those that are chosen, and were there when the page was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final

from alsek.core.inspection.dead import DeadInfo, dead_info
from alsek.core.inspection.wording import counted
from alsek.core.steering.dead_letters import replay_one
from alsek.dashboard.changes.change import Form, Question, RefusedError
from alsek.dashboard.pages.dead import MOST_READ, chosen
from alsek.dashboard.reading.store_view import StoreView

#: So many are changed by one form, so that it is answered within seconds.
MOST: Final = 1_000
#: The digits of a time in milliseconds are fewer.
_LONGEST_TIME: Final = 20


def replay(store: StoreView, form: Form) -> str:
    """Put the chosen dead letters back into their queues."""
    outcomes: Counter[str] = Counter()
    last = ""
    letters = _chosen(store, form)
    for info in islice(letters, MOST):
        outcome, text = replay_one(store.broker, info)
        outcomes[outcome] += 1
        last = text or last
    said = [f"Replayed {counted(outcomes['replayed'], 'dead letter')}."]
    if outcomes["gone"]:
        said.append(f"{outcomes['gone']:,} were gone meanwhile.")
    stay = outcomes["held"] + outcomes["unreadable"]
    if stay:
        said.append(f"{counted(stay, 'dead letter')} can't be replayed (last: {store.masker.line(last)}).")
    return " ".join([*said, *_more(letters)])


def purge_question(store: StoreView, form: Form) -> Question:
    """Ask whether the chosen dead letters are to be deleted."""
    until = store.backend.messages.now()
    count = sum(1 for _ in islice(_chosen(store, {**form, "until": str(until)}), MOST + 1))
    what = counted(count, "dead letter") if count <= MOST else f"{MOST:,} of more than {MOST:,} dead letters"
    choice = ", ".join(f"{name} {value}" for name, value in chosen(form).items())
    which = f"dead letter {form['uuid']}" if form.get("uuid") else f"{what} ({choice or 'all there are'})"
    return Question(
        f"Delete {which} for good? They can't be brought back.", f"Delete {what}", {"until": str(until)}
    )


def purge(store: StoreView, form: Form) -> str:
    """Delete the chosen dead letters."""
    letters = _chosen(store, form)
    done = sum(bool(store.backend.messages.purge(info.queue, info.uuid)) for info in islice(letters, MOST))
    return " ".join([f"Deleted {counted(done, 'dead letter')}.", *_more(letters)])


def _more(letters: Iterator[DeadInfo]) -> list[str]:
    """Return a sentence if there are more than one form changes."""
    return ["There are more: do it again for the next ones."] if next(letters, None) is not None else []


def _chosen(store: StoreView, form: Form) -> Iterator[DeadInfo]:
    """Return the dead letters that a form chooses; what has failed after its `until` is not among them.

    Raises:
        RefusedError: It chooses none: it must say ``all`` for all.
    """
    uuid, choice = form.get("uuid", ""), chosen(form)
    if not uuid and not choice and form.get("all") != "yes":
        raise RefusedError("The form does not say which dead letters are meant.")
    given = form.get("until", "")
    until = int(given) if given.isdecimal() and len(given) < _LONGEST_TIME else store.backend.messages.now()
    if uuid:
        queue = form.get("queue")
        letters = store.backend.messages.find_dead(uuid)
        found = [
            letter for letter in letters if queue in (None, "", letter.queue) and letter.died_at <= until
        ]
        return iter([dead_info(letter, store.backend.serializer) for letter in found])
    infos = store.inspector.iter_dead(**choice)
    return (info for info in islice(infos, MOST_READ) if info.died_at <= until)
