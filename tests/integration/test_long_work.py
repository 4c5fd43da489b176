"""Long work on real pools: progress, checkpoints, cooperation and logs survive stops and kills."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import Any

import pytest

from alsek import Message, Progress
from alsek.core.reporting.progress import progress_from_wire
from alsek.storage.backends.records import ReportRecord, Stored
from tests.integration.conftest import Project, Worker, children_of
from tests.waiting import eventually

each_pool = pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])

#: The rows of the task, and how many of them lie between two checkpoints.
ROWS, ROWS_TO_SAVE = 1_000, 100

TASKS = """
import logging
import asyncio

from alsek import Task
from alsek.core.backoff import ConstantBackoff

keeping = Broker(backend, keep_logs=50)
log = logging.getLogger("shop.load")

def note(what: str, row: int) -> None:
    descriptor = os.open(HERE / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{what} {row}\\n".encode())
    os.close(descriptor)

options = {
    "result_store": result_store, "status_tracker": status_tracker, "backoff": ConstantBackoff(1, floor=0),
}

@task(keeping, max_retries=None, **options)
def load(rows: int, interval: int, message: Message) -> int:
    first = message.checkpoint or 0
    note("begun", first)
    log.warning("from row %d", first)
    for row in range(first, rows):
        if message.stopping:
            message.save(row)
            note("stopped", row)
            raise Retry(delay=0, uncounted=True)
        message.progress(row, rows, "rows")
        if row % interval == 0:
            message.save(row)
            note("saved", row)
        note("row", row)
        time.sleep(0.002)
    message.progress(rows, rows, "rows")
    return rows

@task(keeping, **options)
async def aload(rows: int, interval: int, message: Message) -> int:
    first = message.checkpoint or 0
    note("begun", first)
    log.warning("from row %d", first)
    for row in range(first, rows):
        if message.stopping:
            await message.asave(row)
            note("stopped", row)
            raise Retry(delay=0, uncounted=True)
        message.progress(row, rows, "rows")
        if row % interval == 0:
            await message.asave(row)
            note("saved", row)
        note("row", row)
        await asyncio.sleep(0.002)
    message.progress(rows, rows, "rows")
    return rows

@task(keeping, max_retries=1, **options)
def fails(message: Message) -> None:
    message.progress(message.retries, 2)
    log.warning("about to fail, attempt %d", message.retries)
    raise ValueError("as it must")

class Tells(Task):
    def on_retry(self, message, exception):
        self.tell(message, "retried")

    def on_failure(self, message, exception):
        self.tell(message, "failed")

    def tell(self, message, what):
        log.warning("%s at %s", what, message.checkpoint)
        message.progress(message.checkpoint, 100, what)
        message.save(message.checkpoint + 10)

@task(keeping, base_task=Tells, max_retries=1, **options)
def ends(how: str, message: Message) -> None:
    for _ in range(3):
        message.save((message.checkpoint or 0) + 1)
    if how == "killed":
        os.kill(os.getpid(), 9)
    raise ValueError("as it must")

@task(broker, timeout=60_000)
def floods(message: Message) -> int:
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < 2:
        message.progress(number, None, "x" * 50)
        number += 1
    return number
"""


def noted(project: Project) -> list[tuple[str, int]]:
    """What the tasks have written down, in order."""
    path = project.folder / "notes"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(what, int(row)) for what, row in (line.split() for line in lines)]


def rows_done(project: Project) -> int:
    """How many rows were done, those done again included."""
    return sum(what == "row" for what, _ in noted(project))


def until_further(project: Project, worker: Worker, by: int) -> None:
    """Wait until so many rows more were done."""
    before = rows_done(project)
    eventually(lambda: rows_done(project) >= before + by, 60, lambda: worker.log)


def stored_of(tasks: Any, message: Message) -> Stored | None:
    """The message as the store has it."""
    stored: Stored | None = tasks.backend.messages.get(message.queue, message.uuid)
    return stored


def report_of(tasks: Any, message: Message) -> ReportRecord:
    """What is kept of the reports on it."""
    (record,) = tasks.backend.messages.reports([message.uuid], lines=True)
    assert record is not None
    return record


def progress_of(tasks: Any, message: Message) -> Progress | None:
    """The progress that the store has of it."""
    data = report_of(tasks, message).progress
    return None if data is None else progress_from_wire(data)


def check_rows(project: Project) -> None:
    """Each attempt begins where the last one saved, and at most the interval behind the last row."""
    saved, last = 0, -1
    done: set[int] = set()
    for what, row in noted(project):
        if what == "begun":
            # A save that was cut off may have been taken or not.
            assert row >= saved, f"an attempt began at row {row}, and {saved} was saved"
            assert row >= last - ROWS_TO_SAVE, f"an attempt began at row {row}, and row {last} was done"
        elif what == "row":
            done.add(row)
            last = max(last, row)
        else:
            saved = row
    assert done == set(range(ROWS)), "rows were left out"


@pytest.mark.deep
@each_pool
def test_a_task_that_stops_when_it_is_told_goes_on_elsewhere(project: Project, pool: str) -> None:
    """Five stops in good order: no row is done twice, and none of the attempts counts."""
    _stop_five_times(project, pool, "load")


@pytest.mark.deep
def test_a_coroutine_that_stops_when_it_is_told_goes_on_elsewhere(project: Project) -> None:
    """As other tasks do."""
    _stop_five_times(project, "thread-pool", "aload")


def _stop_five_times(project: Project, pool: str, name: str) -> None:
    tasks = project.write(TASKS)
    message = getattr(tasks, name).generate(args=(ROWS, ROWS_TO_SAVE))
    for stop in range(5):
        worker = project.worker("--n_processes", "1", pool=pool)
        until_further(project, worker, 30)
        assert worker.stop(signal.SIGINT if stop == 2 else signal.SIGTERM) == 0, worker.log
        stored = stored_of(tasks, message)
        assert stored is not None
        assert (stored.retries, stored.losses, stored.state) == (0, 0, "ready"), worker.log
    assert [what for what, _ in noted(project)].count("stopped") == 5
    project.worker("--n_processes", "1", pool=pool)
    assert tasks.result_store.get(message, timeout=240_000) == ROWS
    check_rows(project)
    assert rows_done(project) == ROWS
    assert progress_of(tasks, message) == Progress(ROWS, ROWS, "rows")
    lines = [line.decode() for line in report_of(tasks, message).lines]
    assert sum("INFO alsek: attempt 1, in process " in line for line in lines) == 6
    assert sum(" WARNING shop.load: from row " in line for line in lines) == 6


@pytest.mark.deep
@each_pool
def test_a_task_that_is_killed_goes_on_from_its_checkpoint(project: Project, pool: str) -> None:
    """Kills at any moment, of any process: it never goes back by more than lies between two checkpoints."""
    tasks = project.write(TASKS)
    message = tasks.load.generate(args=(ROWS, ROWS_TO_SAVE))
    chance = random.Random(15)
    for kill in range(4):
        worker = project.worker("--n_processes", "1", "--lease", "3000", "--max_losses", "1000", pool=pool)
        until_further(project, worker, chance.randint(20, 150))
        victims = [pid for child in worker.children() for pid in (child, *children_of(child))]
        if kill % 2:
            for pid in victims:
                _kill(pid)
        else:
            _kill(chance.choice(victims))
            until_further(project, worker, 10)
        for pid in (worker.process.pid, *worker.children()):
            _kill(pid)
        worker.process.wait(60)
    worker = project.worker("--n_processes", "1", "--lease", "3000", "--max_losses", "1000", pool=pool)
    assert tasks.result_store.get(message, timeout=240_000) == ROWS, worker.log
    check_rows(project)
    assert progress_of(tasks, message) == Progress(ROWS, ROWS, "rows")


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@each_pool
@pytest.mark.parametrize("how", ["raises", "killed"])
def test_hooks_report_on_their_message(project: Project, pool: str, how: str) -> None:
    """Also if the process of the task has died: they have its last checkpoint, and come after its reports."""
    tasks = project.write(TASKS)
    message = tasks.ends.generate(args=(how,))
    worker = project.worker("--n_processes", "1", pool=pool)
    eventually(lambda: tasks.keeping.in_dlq(message), 60, lambda: worker.log)
    assert progress_of(tasks, message) == Progress(16, 100, "failed")
    assert report_of(tasks, message).checkpoint == b"26"
    text = "\n".join(line.decode() for line in report_of(tasks, message).lines)
    assert "retried at 3" in text
    assert "failed at 16" in text


@each_pool
def test_a_dead_letter_keeps_what_its_attempts_have_said(project: Project, pool: str) -> None:
    """The lines of both attempts, in order, with the tracebacks with which they ended; and the last progress."""
    tasks = project.write(TASKS)
    message = tasks.fails.generate()
    worker = project.worker("--n_processes", "1", pool=pool)
    eventually(lambda: tasks.keeping.in_dlq(message), 60, lambda: worker.log)
    assert progress_of(tasks, message) == Progress(1, 2)
    text = "\n".join(line.decode() for line in report_of(tasks, message).lines)
    marks = [
        "attempt 1, in",
        "about to fail, attempt 0",
        "attempt 2, in",
        "about to fail, attempt 1",
        "as it must",
    ]
    places = [text.find(mark) for mark in marks[:-1]] + [text.rfind(marks[-1])]
    assert -1 not in places, text
    assert places == sorted(places), text


@pytest.mark.deep
@each_pool
def test_a_task_that_never_stops_telling_costs_four_writes_a_second(project: Project, pool: str) -> None:
    """Nothing but progress: the store takes in so many reports as there are quarters of a second, and the last."""
    tasks = project.write(TASKS)
    seen = []
    message = tasks.floods.generate()
    began = time.monotonic()
    worker = project.worker("--n_processes", "1", pool=pool)
    while stored_of(tasks, message) is not None:
        (record,) = tasks.backend.messages.reports([message.uuid])
        if record is not None and (not seen or record.progress != seen[-1]):
            seen.append(record.progress)
        assert time.monotonic() - began < 240, worker.log
        time.sleep(0.01)
    assert 1 <= len(seen) <= 4 * (time.monotonic() - began) + 2


@pytest.mark.deep
@each_pool
def test_what_a_checkpoint_holds_may_be_large(project: Project, pool: str) -> None:
    """A megabyte comes back whole, also to a process."""
    tasks = project.write(
        TASKS
        + """
@task(broker, result_store=result_store)
def bulky(message: Message) -> int:
    if message.checkpoint is None:
        message.save({"rows": "x" * 1_000_000})
        raise Retry(delay=0, uncounted=True)
    return len(message.checkpoint["rows"])
"""
    )
    message = tasks.bulky.generate()
    project.worker("--n_processes", "1", pool=pool)
    assert tasks.result_store.get(message, timeout=60_000) == 1_000_000
