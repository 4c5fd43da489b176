"""The plans of the hot queries: their cost must not grow with what waits."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from alsek.storage.backends.copies import CopyKind
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import expiry, starts
from alsek.storage.backends.sqlite.messages import (
    aside_claims,
    bound_submissions,
    claims,
    counting,
    dead_letters,
    failed_parents,
    groups,
    leases,
    limits,
    lines,
    member_ends,
    new_rows,
    offers,
    pauses,
    places,
    promotion,
    ready_queues,
    reports,
    schedules,
    settling,
    takeover,
    tallies,
    task_registry,
    transitions,
    unique_keys,
    wakeups,
)
from alsek.storage.backends.sqlite.transfer import departing_messages, departing_records


@pytest.fixture
def plan(backend: SQLiteBackend, path: Path) -> Callable[[str], list[str]]:
    """What SQLite says about how it will run a statement."""
    backend.ping()

    def explain(statement: str) -> list[str]:
        connection = sqlite3.connect(path)
        try:
            names = re.findall(r":(\w+)", statement)
            values = dict.fromkeys(names, 1) if names else [1] * statement.count("?")
            rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        finally:
            connection.close()
        return [row[3] for row in rows]

    return explain


@pytest.mark.parametrize("lanes", range(1, 11))
def test_a_claim_reads_the_first_entries_of_its_lanes(plan: Callable[[str], list[str]], lanes: int) -> None:
    """The claim query goes through keys in order: no sorting, no scan of what is ready or stored."""
    steps = plan(claims._BEST[lanes])
    assert not [step for step in steps if "TEMP B-TREE" in step], steps
    scans = [step for step in steps if step.startswith("SCAN")]
    assert all("ready" not in scan and "messages" not in scan for scan in scans), steps
    assert sum("SEARCH ready USING PRIMARY KEY (lane=?)" in step for step in steps) == lanes, steps


@pytest.mark.parametrize("lanes", [1, 2, 16])
def test_a_claim_of_what_is_set_aside_does_too(plan: Callable[[str], list[str]], lanes: int) -> None:
    """It reads the first entries of its lanes, in order."""
    steps = plan(aside_claims._BEST[lanes])
    assert not [step for step in steps if "TEMP B-TREE" in step], steps
    assert sum("SEARCH aside USING PRIMARY KEY (lane=?)" in step for step in steps) == lanes, steps
    assert not [step for step in steps if re.match(r"SCAN (aside|messages)", step)], steps


@pytest.mark.parametrize(
    "statement",
    [
        *[statement.format("?,?") for statement in transitions._LEAVE.values()],
        new_rows._INSERT,
        new_rows._PRESENT,
        new_rows._IS_NEW,
        limits._FIND,
        limits._ADMIT,
        limits._GIVE_UP.format("?,?"),
        limits._STARTED,
        limits._START_LEAVES,
        limits._RECORDS,
        limits._NAMED,
        limits._ADMITTED,
        starts._PRUNE,
        settling._DUE,
        lines._FIND,
        lines._FIRST_LINES,
        lines._FIRST,
        lines._HEADS,
        settling._FIRST_START,
        unique_keys._FIND,
        bound_submissions._STORED,
        transitions._LEAVE_WAITING,
        departing_messages._WAITING,
        expiry._PLACES,
        expiry._LIMITS,
        transitions._FIRST_DUE,
        leases._WORKER_STATE,
        takeover._LOST,
        *ready_queues._FIRST.values(),
        ready_queues._NAMED.format("?,?", "?,?"),
        ready_queues._ANY.format("?,?"),
        ready_queues._ANY_NAMED.format("?,?", "?,?"),
        wakeups._FIRST_LANES,
        wakeups._OWN_LANES.format("?,?"),
        expiry._QUEUES,
        expiry._DELETE_QUEUE,
        promotion._DUE,
        promotion._NEXT_DELAYED,
        promotion._NEXT_DUE,
        leases._SLEEPER,
        pauses._EMPTY_LANES,
        offers._FIRES,
        offers._NEXT,
        offers._NEXT_AFTER,
        reports._FIND,
        reports._TAKE_IN,
        reports._SAVE,
        reports._FORGET_LINES,
        reports._FORGET_CHECKPOINT,
        reports._OUTLAST,
        reports._DROP,
        reports._TAKE_UP,
        reports._RECORDS.format("?,?"),
        reports._COPY,
        reports._LINES,
        transitions._MARK_CLAIM,
        expiry._REPORTS,
        expiry._EXPIRED_REPORTS,
        schedules._FIND,
        schedules._FIRED,
        schedules._PAUSE,
        schedules._RESUME,
        schedules._REMOVE,
        task_registry._IS_KNOWN,
        task_registry._HAVE_TASK,
        counting._DELETE_OLD,
        places._PLACE,
        groups._FIND,
        groups._FIND_BY_ID,
        groups._MAKE,
        groups._MAKE_CALLBACK,
        groups._TAKE_CALLBACK,
        groups._DELETE_CALLBACK,
        groups._RELEASE,
        groups._HOLD,
        groups._GIVE_WAY,
        groups._MEMBERS,
        member_ends._NOTE,
        member_ends._COUNT,
        member_ends._CLOSE,
        failed_parents._NOTE,
        failed_parents._FORGET,
        failed_parents._GET.format("?,?"),
        claims._MARK_REVOKED,
        expiry._EXPIRED_GROUPS,
        expiry._RELEASE_WITHIN,
        expiry._DELETE_MEMBERS,
        expiry._DELETE_GROUP,
    ],
)
def test_other_hot_statements_search(plan: Callable[[str], list[str]], statement: str) -> None:
    """What runs in every step or submission finds its rows by key, and sorts nothing."""
    for step in plan(statement):
        assert "TEMP B-TREE" not in step, step
        # What a subquery reads has a step of its own.
        assert not step.startswith("SCAN") or "CONSTANT ROW" in step or "SCAN (subquery" in step, step


@pytest.mark.parametrize(
    "statement",
    [
        ready_queues._NAMED.format("?,?", ",".join("?" * 100)),
        ready_queues._ANY_NAMED.format("?,?", ",".join("?" * 100)),
        wakeups._OWN_LANES.format(",".join("?" * 100)),
    ],
)
def test_named_queues_are_looked_up_by_name(plan: Callable[[str], list[str]], statement: str) -> None:
    """Names are looked up in the key, however many: the lanes of other queues are not looked at."""
    (step,) = plan(statement)
    assert "SEARCH lanes USING PRIMARY KEY (ns=? AND code=? AND name=?)" in step


@pytest.mark.parametrize(
    "statement",
    [
        tallies._ALL,
        tallies._NAMED.format("?,?"),
        places._FRONTS.format("?,?"),
        dead_letters._OF_UUID,
        pauses._FILL_LANES,
        places._FIND,
        counting._ROWS,
    ],
)
def test_a_look_at_many_queues_reads_no_backlog(plan: Callable[[str], list[str]], statement: str) -> None:
    """What is ready, delayed or dead is searched by key; only claims, which are few, are read through."""
    for step in plan(statement):
        assert not re.match(r"SCAN (messages|ready|delayed|dead|aside|history|m|r|d|a)\b", step), step


@pytest.mark.parametrize("kind", departing_records._TABLES)
def test_a_move_reads_its_pages_in_order(plan: Callable[[str], list[str]], kind: CopyKind) -> None:
    """Each page begins where the last one ended, and nothing is sorted: all that is left would be, for each page."""
    steps = plan(departing_records._TABLES[kind].page)
    assert "SEARCH" in steps[0], steps
    assert not [step for step in steps if "TEMP B-TREE" in step or "SCAN" in step], steps


def test_claimed_messages_are_taken_as_one_range(plan: Callable[[str], list[str]]) -> None:
    """What a claim takes out of a lane is one range of its key."""
    (step,) = plan(transitions._LEAVE["ready"])
    assert "lane=? AND (priority,arrival)<(?,?)" in step


def test_a_place_reads_only_what_goes_before(plan: Callable[[str], list[str]]) -> None:
    """Of the messages with an equal priority only those that came before: there may be very many after it."""
    steps = {step for step in plan(places._PLACE) if step.startswith("SEARCH ready")}
    assert {step.rpartition("(")[2] for step in steps} == {
        "lane=? AND priority<?)",
        "lane=? AND priority=? AND arrival<?)",
    }


def test_no_placeholder_has_a_number() -> None:
    """Values are given in order or by name: Python 3.14 refuses sequences for numbered placeholders."""
    for module in Path(claims.__file__).parent.glob("*.py"):
        assert not re.search(r"\?\d", module.read_text()), module.name
