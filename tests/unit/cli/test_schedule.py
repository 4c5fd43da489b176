"""``alsek schedule``, and what other commands say of schedules."""

from __future__ import annotations

from typing import Any

import pytest
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from alsek.core.clock import wall_clock_ms
from alsek.core.execution.facts import worker_facts
from alsek.core.keys.unique import Unique
from alsek.core.schedules.put import put_declared
from alsek.core.task import AnyTask, task
from alsek.storage.backends.records import Worker
from tests.unit.cli.conftest import Shell


def sending(alsek: Shell, **options: Any) -> AnyTask:
    """A task on the shell's store."""

    @task(alsek.broker, name="send", queue="mail", **options)
    def send(tenant: str = "-") -> None: ...

    return send


@pytest.fixture
def digest(alsek: Shell) -> Any:
    """A schedule of the shell's store."""
    return sending(alsek).schedule("digest-7", IntervalTrigger(hours=6), kwargs={"tenant": "7"})


def overdue(alsek: Shell, name: str = "late", ms: int = 6_000) -> None:
    """Store a schedule that has been due for so long."""
    sending(alsek).schedule(name, IntervalTrigger(hours=1))
    (record,) = alsek.backend.schedules.get([name])
    due = wall_clock_ms() - ms
    assert alsek.backend.schedules.put(name, record.definition, "r", due, expected=record.revision)


def orphan(alsek: Shell) -> None:
    """Store a schedule that a task declares, and no pool."""
    put_declared(alsek.broker, [sending(alsek, schedule=IntervalTrigger(hours=1))])


def test_schedules_are_listed(alsek: Shell, digest: Any) -> None:
    """Name, task, trigger and next tick, one a line; JSON has the infos of the inspector."""
    said = alsek("schedule", "list")
    assert said.code == 0
    head, row = said.lines
    assert head.split() == ["schedule", "task", "trigger", "next", "last", "missed"]
    assert row.split()[:8] == ["digest-7", "send", "every", "6", "h", "in", "5", "h"]
    (info,) = alsek("schedule", "list", "--json").json
    assert (info["name"], info["task"], info["trigger"]) == ("digest-7", "send", "every 6 h")
    assert info["next_at"] == digest.next_at


def test_a_store_without_schedules_says_so(alsek: Shell) -> None:
    """In a sentence; as JSON the list is empty."""
    assert alsek("schedule", "list").lines == [f"no schedules in {alsek.backend.describe()}"]
    assert alsek("schedule", "list", "--json").json == []


def test_one_schedule_is_shown_with_what_it_submits(alsek: Shell, digest: Any) -> None:
    """Queue and arguments, too."""
    said = alsek("schedule", "show", "digest-7")
    rows = dict(line.split(maxsplit=1) for line in said.lines)
    assert rows["task"] == "send"
    assert rows["queue"] == "mail"
    assert rows["arguments"] == '{"tenant": "7"}'
    assert rows["trigger"] == "every 6 h"
    assert rows["declared"] == "no: stored by a program"
    assert "UTC, in 5 h 59 min" in rows["next"]
    shown = alsek("schedule", "show", "digest-7", "--json").json
    assert (shown["queue"], shown["kwargs"]) == ("mail", {"tenant": "7"})


@pytest.mark.parametrize("command", ["show", "pause", "resume", "remove", "run"])
def test_an_unknown_schedule_is_not_found(alsek: Shell, digest: Any, command: str) -> None:
    """Exit code 1; the sentence says which may be meant."""
    said = alsek("schedule", command, "digest-8", *(["-y"] if command == "remove" else []))
    assert said.code == 1
    assert said.err == (
        f"alsek: there is no schedule 'digest-8' in {alsek.backend.describe()} (did you mean 'digest-7'?)\n"
    )


def test_a_schedule_is_paused_and_resumed(alsek: Shell, digest: Any) -> None:
    """Who pauses it is shown. What is done already is said, too."""
    assert alsek("schedule", "pause", "digest-7", "--by", "ann").lines == ["paused schedule 'digest-7'"]
    assert alsek("schedule", "pause", "digest-7", "--by", "bob").lines == [
        "schedule 'digest-7' was paused already, by ann"
    ]
    said = alsek("schedule", "pause", "digest-7", "--json").json
    assert said == {"name": "digest-7", "paused": True, "changed": False, "by": "ann"}
    assert "paused by ann" in alsek("schedule", "list").lines[1]
    assert "by ann, " in alsek("schedule", "show", "digest-7").out
    assert "1 schedule, 1 paused" in alsek("status").lines[2]
    said_resumed = alsek("schedule", "resume", "digest-7")
    assert said_resumed.out.startswith("resumed schedule 'digest-7'; next: ")
    again = alsek("schedule", "resume", "digest-7")
    assert again.code == 1
    assert "schedule 'digest-7' is not paused" in again.err
    alsek("schedule", "pause", "digest-7")
    assert alsek("schedule", "resume", "digest-7", "--json").json["paused"] is False


def test_to_resume_one_needs_apscheduler(alsek: Shell, digest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the next tick can't be computed: the sentence says what to install."""
    alsek("schedule", "pause", "digest-7")
    monkeypatch.setattr("alsek.cli.actions.schedules.can_fire", lambda: False)
    said = alsek("schedule", "resume", "digest-7")
    assert said.code == 2
    assert "pip install apscheduler" in said.err
    assert alsek("schedule", "list").code == 0


def test_a_schedule_is_removed_if_one_agrees(alsek: Shell, digest: Any) -> None:
    """Without a terminal to ask on, it is wrong usage."""
    said = alsek("schedule", "remove", "digest-7")
    assert said.code == 2
    assert "Delete schedule 'digest-7' of task 'send'" in said.err
    assert alsek("schedule", "remove", "digest-7", "-y").lines == ["removed schedule 'digest-7'"]
    assert alsek("schedule", "list", "--json").json == []
    orphan(alsek)
    assert alsek("schedule", "remove", "send", "-y", "--json").json == {
        "name": "send",
        "removed": True,
        "declared": True,
    }


def test_one_message_is_submitted_apart_from_the_ticks(alsek: Shell, digest: Any) -> None:
    """Each time a new one, with the schedule's arguments; the schedule stays as it is, also while it is paused."""
    alsek("schedule", "pause", "digest-7")
    before = alsek.backend.schedules.get()
    uuids = {alsek("schedule", "run", "digest-7").lines[0], alsek("schedule", "run", "digest-7").lines[0]}
    assert len(uuids) == 2
    for uuid in uuids:
        shown = alsek("show", uuid, "--json").json
        assert (shown["task"], shown["queue"], shown["kwargs"]) == ("send", "mail", {"tenant": "7"})
    assert alsek.backend.schedules.get() == before
    said = alsek("schedule", "run", "digest-7", "--json").json
    assert (said["queue"], said["task"]) == ("mail", "send")


def test_a_message_whose_unique_key_is_held_is_not_submitted_again(alsek: Shell) -> None:
    """The holder's uuid is printed."""
    sending(alsek, unique=Unique("{tenant}")).schedule("one", IntervalTrigger(hours=6))
    first = alsek("schedule", "run", "one")
    second = alsek("schedule", "run", "one")
    assert second.lines == first.lines
    assert "holds the unique key" in second.err
    assert alsek("schedule", "run", "one", "--json").json["duplicate"] is True
    assert alsek.backend.messages.count("mail") == 1


def test_with_a_package_its_middleware_is_called(alsek: Shell) -> None:
    """As for each submission of that broker."""
    name = alsek.module("""
        from alsek import Middleware
        from apscheduler.triggers.interval import IntervalTrigger

        class Marking(Middleware):
            def submitting(self, message):
                message.metadata = {"marked": True}

        broker = Broker(backend, middleware=[Marking()])

        @task(broker)
        def work() -> None: ...
    """)
    sending(alsek).schedule("s", IntervalTrigger(hours=6))
    (uuid,) = alsek("schedule", "run", "s", "--package", name).lines
    assert alsek("show", uuid, "--json").json["metadata"] == {"marked": True}


def test_the_status_counts_what_is_not_fired(alsek: Shell) -> None:
    """Overdue and orphaned ones, if there are any; nothing without schedules."""
    assert "schedule" not in alsek("status").out
    overdue(alsek)
    overdue(alsek, "hardly", 1_000)
    orphan(alsek)
    assert alsek("status").lines[2].endswith("; 3 schedules, 1 overdue, 1 orphaned")
    document = alsek("status", "--json").json
    assert [each["name"] for each in document["schedules"]] == ["hardly", "late", "send"]


def test_the_list_says_what_is_not_fired(alsek: Shell) -> None:
    """And the sheet, why."""
    overdue(alsek)
    orphan(alsek)
    rows = alsek("schedule", "list").lines
    assert rows[1].split()[-1] == "overdue"
    assert rows[2].split()[-1] == "orphaned"
    assert "no pool has fired it" in alsek("schedule", "show", "late").out
    assert "no pool that runs has code that declares it" in alsek("schedule", "show", "send").out
    assert "by the code of its task" in alsek("schedule", "show", "send").out


def test_check_warns_of_what_is_not_fired(alsek: Shell) -> None:
    """Warnings don't change the exit code. A schedule that a living worker declares is well."""
    assert not [each for each in alsek("check", "--json").json["findings"] if each["subject"] == "schedules"]
    orphan(alsek)
    overdue(alsek)
    said = alsek("check", "--json")
    assert said.code == 0
    findings = [each for each in said.json["findings"] if each["subject"] == "schedules"]
    assert [each["level"] for each in findings] == ["warning", "warning"]
    assert "'send'" in findings[0]["text"]
    assert "'late'" in findings[1]["text"]
    facts = worker_facts(["send"], 1, fires=True, schedules=["send"])
    alsek.backend.messages.register(Worker("w", "thread", None, 60_000, 0), facts)
    alsek.backend.schedules.remove("late")
    (finding,) = [
        each for each in alsek("check", "--json").json["findings"] if each["subject"] == "schedules"
    ]
    assert (finding["level"], finding["text"]) == ("ok", "1 schedule; none is overdue.")


def test_what_a_newer_version_has_written_is_listed(alsek: Shell) -> None:
    """By its name and its times: the rest can't be read here."""
    assert alsek.backend.schedules.put("newer", b'{"version": 99}', "r", wall_clock_ms() + 60_000)
    assert alsek("schedule", "list").lines[1].split()[:3] == ["newer", "?", "?"]
    said = alsek("schedule", "show", "newer")
    assert "a newer version of Alsek has written it" in said.out
    assert alsek("schedule", "run", "newer").code == 1


def test_a_schedule_without_a_tick_left_is_listed(alsek: Shell) -> None:
    """It stays until somebody removes it."""
    sending(alsek).schedule("over", CronTrigger(year=2020))
    assert "never" in alsek("schedule", "list").lines[1].split()
    assert "it has no tick left" in alsek("schedule", "show", "over").out
