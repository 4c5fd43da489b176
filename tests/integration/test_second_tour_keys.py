"""The second tour's chapters on unique messages and limits: with the real command, on SQLite and on Redis."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from alsek import Inspector, Unique
from tests.integration.conftest import Project
from tests.waiting import eventually

pytestmark = pytest.mark.each_store

TASKS = """
from alsek import Concurrency, Rate, Unique

def note(what: str) -> None:
    with open(HERE / "noted", "a") as file:
        file.write(what + "\\n")

@task(broker, unique=Unique("{customer_id}"), result_store=result_store)
def sync_customer(customer_id: int, force: bool = False) -> None:
    note(f"sync {customer_id} {force}")

mails = Rate(100, per=3_600_000, key="mail-api")

@task(broker, limits=[Concurrency(2, key="{tenant}"), mails], result_store=result_store)
def send(tenant: str, to: str) -> str:
    note(f"+ {tenant}")
    time.sleep(0.02)
    note(f"- {tenant}")
    return to

@task(broker, limits=Concurrency(1), unique=Unique(), result_store=result_store, max_retries=0)
def hold(number: int) -> int:
    if number == 0 and not (HERE / "released").exists():
        note(f"held {os.getpid()}")
        time.sleep(600)
    return number
"""

WAIT_MS = 60_000


def noted(project: Project) -> list[str]:
    """What the tasks have noted, in order."""
    path = Path(project.folder) / "noted"
    return path.read_text().splitlines() if path.exists() else []


def running_at_once(lines: list[str]) -> Iterator[dict[str, int]]:
    """How many of each tenant ran after each note."""
    now: dict[str, int] = {}
    for line in lines:
        sign, _, tenant = line.partition(" ")
        now[tenant] = now.get(tenant, 0) + (1 if sign == "+" else -1)
        yield dict(now)


def test_one_at_a_time(project: Project) -> None:
    """A duplicate has the result of the message for which it stands; after its end the key is free."""
    tasks = project.write(TASKS)
    first = tasks.sync_customer.generate(kwargs={"customer_id": 7})
    again = tasks.sync_customer.generate(kwargs={"customer_id": 7})
    assert again.uuid == first.uuid
    assert (again.duplicate, first.duplicate) == (True, False)
    project.worker("--n_processes", "1")
    assert tasks.result_store.get(again, timeout=WAIT_MS) is None
    third = tasks.sync_customer.generate(kwargs={"customer_id": 7, "force": True})
    assert not third.duplicate
    tasks.result_store.get(third, timeout=WAIT_MS)
    assert noted(project) == ["sync 7 False", "sync 7 True"]


def test_a_replaced_message_runs_once_with_the_last_arguments(project: Project) -> None:
    """A debounce: whatever was submitted before is not run."""
    tasks = project.write(TASKS)
    last = tasks.sync_customer.using(unique=Unique("", conflict="replace"), delay=1_000)
    messages = [last.send(number) for number in range(5)]
    assert {message.uuid for message in messages} == {messages[0].uuid}
    project.worker("--n_processes", "1")
    tasks.result_store.get(messages[-1], timeout=WAIT_MS)
    assert noted(project) == ["sync 4 False"]


def test_no_more_run_at_once_than_a_limit_says(project: Project) -> None:
    """Over two pools with room for many; what waits is told so; each message comes to its end."""
    tasks = project.write(TASKS)
    messages = tasks.send.generate_many((f"t{n % 3}", str(n)) for n in range(60))
    inspector = Inspector(tasks.broker)
    assert [(queue.ready, queue.waiting) for queue in inspector.queues()] == [(6, 54)]
    answer = inspector.why(messages[-1])
    assert (answer.code, answer.facts["limit"]) == ("limited", "c:t2")
    said = project.run("why", messages[-1].uuid, "--package", "tasks")
    assert said.returncode == 1
    assert "waits for the concurrency 't2' (2 at a time)" in said.stdout
    for _ in range(2):
        project.worker("--n_processes", "2", "--n_threads", "8")
    for message in messages:
        tasks.result_store.get(message, timeout=WAIT_MS)
    lines = noted(project)
    assert len(lines) == 120
    assert max(max(running.values()) for running in running_at_once(lines)) == 2
    (rate,) = inspector.limits()
    assert (rate.id, rate.used, rate.waiting) == ("r:mail-api", 60, 0)


def test_a_rate_lets_in_no_more_than_its_amount(project: Project) -> None:
    """The hundred-and-first message of an hour waits for the first one's window."""
    tasks = project.write(TASKS)
    messages = tasks.send.generate_many((f"t{n}", str(n)) for n in range(103))
    project.worker("--n_processes", "1")
    for message in messages[:100]:
        tasks.result_store.get(message, timeout=WAIT_MS)
    inspector = Inspector(tasks.broker)
    (rate,) = inspector.limits()
    assert (rate.used, rate.waiting) == (100, 3)
    assert rate.next_free is not None
    answer = inspector.why(messages[-1])
    assert answer.code == "limited"
    assert "100 messages have started within the window, the next place is free at " in answer.text


def test_a_killed_pool_leaves_no_key_and_no_place_behind(project: Project) -> None:
    """Its message keeps key and goes back; the place is free for who waits, and comes back to it in the end."""
    tasks = project.write(TASKS)
    held, waits = tasks.hold.send(0), tasks.hold.send(1)
    worker = project.worker("--n_processes", "1", "--lease", "3000")
    eventually(lambda: any(line.startswith("held") for line in noted(project)))
    (pid,) = {int(line.split()[1]) for line in noted(project) if line.startswith("held")}
    assert tasks.hold.send(0).uuid == held.uuid
    assert Inspector(tasks.broker).why(waits).facts["held_by"] == [held.uuid]
    (project.folder / "released").touch()
    worker.process.kill()
    worker.process.wait()
    os.kill(pid, signal.SIGKILL)
    project.worker("--n_processes", "1")
    assert tasks.result_store.get(waits, timeout=WAIT_MS) == 1
    assert tasks.result_store.get(held, timeout=WAIT_MS) == 0
    eventually(lambda: Inspector(tasks.broker).limits() == [])
    assert not tasks.hold.send(0).duplicate
