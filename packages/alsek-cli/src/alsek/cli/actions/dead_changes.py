"""Replays and deletes dead letters, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from alsek.cli.actions.long_runs import Words, run_over
from alsek.cli.failures import PartlyDoneError
from alsek.cli.output import Column, Output
from alsek.core.broker import Broker
from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.wording import counted
from alsek.core.steering.dead_letters import replay_one
from alsek.storage.backends.abstract import Backend


def replayed(broker: Broker, infos: Iterable[DeadInfo]) -> tuple[int, int]:
    """Replay dead letters as they are stored.

    Returns:
        How many were replayed, and how many not because somebody else did.

    Raises:
        PartlyDoneError: It was interrupted, the store failed, or some stay: they can't be read, or other messages hold
            their unique keys.
    """
    skipped, unreadable, last = 0, 0, ""
    held, last_held = 0, ""

    def act(info: DeadInfo) -> bool:
        nonlocal skipped, unreadable, last, held, last_held
        outcome, text = replay_one(broker, info)
        if outcome == "gone":
            skipped += 1
        elif outcome == "held":
            held, last_held = held + 1, text
        elif outcome == "unreadable":
            unreadable, last = unreadable + 1, text
        return outcome == "replayed"

    done = run_over(infos, act, Words("dead letters", "replayed"))
    if held:
        unread = f"; {unreadable:,} more can't be read" if unreadable else ""
        raise PartlyDoneError(
            f"{counted(held, 'dead letter')} {'stays' if held == 1 else 'stay'}, because other messages hold their "
            f"unique keys (last: {last_held}){unread}; {done:,} were replayed. Replay them once those have ended",
            {"replayed": done, "skipped": skipped, "held": held, "unreadable": unreadable},
        )
    if unreadable:
        raise PartlyDoneError(
            f"{counted(unreadable, 'dead letter')} can't be read, and stay as they are (last: {last}); {done:,} were "
            "replayed. If a package has a serializer of its own, name it with --package",
            {"replayed": done, "skipped": skipped, "unreadable": unreadable},
        )
    return done, skipped


def purged(backend: Backend, infos: Iterable[DeadInfo]) -> int:
    """Delete dead letters; return how many there still were.

    Raises:
        PartlyDoneError: It was interrupted, or the store failed.
    """
    return run_over(
        infos,
        lambda info: bool(backend.messages.purge(info.queue, info.uuid)),
        Words("dead letters", "purged"),
    )


def dry_run_of(output: Output, done: str, infos: Iterable[DeadInfo]) -> None:
    """Say how many dead letters of which cause would be changed."""
    counts = Counter((info.task, info.exception, info.fingerprint) for info in infos)
    if output.as_json:
        groups = [
            {"task": task, "exception": exception, "fingerprint": fingerprint, "count": count}
            for (task, exception, fingerprint), count in counts.most_common()
        ]
        output.json({f"would_be_{done}": counts.total(), "groups": groups})
        return
    if counts:
        columns = (Column("task"), Column("exception"), Column("fingerprint"), Column("count", right=True))
        rows = [
            (task or "?", exception, fingerprint, f"{count:,}")
            for (task, exception, fingerprint), count in counts.most_common()
        ]
        output.table(columns, rows)
    output.line(f"{counted(counts.total(), 'dead letter')} would be {done}; nothing was changed")
