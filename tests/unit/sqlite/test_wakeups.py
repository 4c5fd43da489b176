"""Wake-ups between processes: sockets, the registry, and sleepers that have died."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alsek.storage.backends.ports import Waiter
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.wakeup import notifier, registry
from alsek.storage.backends.sqlite.wakeup.registry import WakeupRegistry
from alsek.storage.backends.sqlite.wakeup.slot_records import MOST_QUEUES
from tests.unit.sqlite.fakes import Player, Process, is_quiet, put_to_sleep, says, submit
from tests.waiting import rings

Python = Callable[..., Process]
Open = Callable[..., SQLiteBackend]


@pytest.fixture
def asleep(backend: SQLiteBackend, request: pytest.FixtureRequest) -> Callable[..., Waiter]:
    """Makes a worker that has found nothing and sleeps, and returns its waiter."""

    def make(name: str, **fields: object) -> Waiter:
        waiter = put_to_sleep(backend, name, **fields)
        request.addfinalizer(waiter.close)
        return waiter

    return make


def test_another_process_wakes_a_sleeper(asleep: Callable[..., Waiter], python: Python) -> None:
    """A message that another process submits wakes a worker that sleeps in this one."""
    waiter = asleep("w")
    assert is_quiet(waiter)
    python("messages.add([Submission('a', 'q', b'')], 'r')")
    assert rings(waiter)


def test_a_long_path_is_no_hindrance(tmp_path: Path, open_backend: Open) -> None:
    """Processes are woken also when the path is longer than a socket's address may be."""
    folder = tmp_path / ("long" * 30) / ("longer" * 20)
    folder.mkdir(parents=True)
    backend = open_backend(folder / "alsek.db")
    player = Player(backend)
    waiter = player.messages.waiter(player.worker)
    try:
        player.step()
        waiter.arm()
        submit(open_backend(folder / "alsek.db"), "a")
        assert rings(waiter)
    finally:
        waiter.close()


_SLEEP = """
worker = Worker(sys.argv[2], "thread", ("q",), 60_000, 0)
messages.register(worker)
messages.step(worker, 1, [], {worker.kind: 1})
waiter = messages.waiter(worker)
waiter.arm()
say("asleep")
sys.stdin.readline()
"""


def test_a_killed_sleeper_is_passed_over(
    asleep: Callable[..., Waiter], python: Python, backend: SQLiteBackend, path: Path
) -> None:
    """A wake-up for a process that was killed in its sleep goes to the next sleeper, and its socket is deleted."""
    victim = python(_SLEEP, "victim")
    assert says(victim) == "asleep"
    waiter = asleep("w")
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait()
    sockets = {each.name for each in Path(f"{path}-wake").iterdir()}
    submit(backend, "a")
    assert rings(waiter)
    left = {each.name for each in Path(f"{path}-wake").iterdir()}
    assert len(left) == len(sockets) - 1


def test_one_message_wakes_one_sleeper_of_each_kind(
    asleep: Callable[..., Waiter], backend: SQLiteBackend
) -> None:
    """Of several sleepers of a kind one is woken; those that may not take the message are not."""
    threads = [asleep("t1"), asleep("t2")]
    process = asleep("p", kind="process")
    elsewhere = asleep("e", queues=("other",))
    submit(backend, "a")
    assert sum(not is_quiet(waiter) for waiter in threads) == 1
    assert not is_quiet(process)
    assert is_quiet(elsewhere)


def test_a_worker_of_more_queues_than_fit_is_woken(
    asleep: Callable[..., Waiter], backend: SQLiteBackend
) -> None:
    """A worker of more queues than fit into its record may be woken in vain, so another one is woken as well."""
    many = asleep("many", queues=tuple(f"q{n}" for n in range(MOST_QUEUES + 1)))
    right = asleep("right", queues=("q",))
    submit(backend, "a")
    assert not is_quiet(right)
    submit(backend, "b", queue="q3")
    assert not is_quiet(many)


def test_another_namespace_wakes_nobody(asleep: Callable[..., Waiter], open_backend: Open) -> None:
    """A message of another namespace in the same file does not wake sleepers of this one."""
    waiter = asleep("w")
    submit(open_backend(namespace="other"), "a")
    assert is_quiet(waiter)


def test_a_busy_worker_leaves_its_alarm_to_a_sleeper(
    asleep: Callable[..., Waiter], backend: SQLiteBackend
) -> None:
    """A worker that becomes busy and knows when a message is due makes sure that a sleeper knows it as well."""
    knowing = asleep("knowing", kind="process")
    submit(backend, "later", delay=50_000, wish="process")
    assert rings(knowing)
    busy = Player(backend, "busy")
    submit(backend, "now", wish="thread")
    unknowing = asleep("unknowing", queues=("other",))
    assert is_quiet(unknowing)
    submit(backend, "sooner", delay=20_000, wish="process")
    assert is_quiet(unknowing), "it could not take it"
    assert len(busy.step(limit=1).claimed) == 1
    assert rings(unknowing), "nobody else will wake in time to make it ready"


def test_an_alarm_that_a_sleeper_knows_of_wakes_nobody(
    asleep: Callable[..., Waiter], backend: SQLiteBackend
) -> None:
    """A sleeper that will wake in time by itself is not woken."""
    submit(backend, "later", delay=50_000)
    waiter = asleep("knowing", kind="process")
    submit(backend, "now", wish="thread")
    busy = Player(backend, "busy")
    step = busy.step(limit=1)
    assert (len(step.claimed), step.next_due is not None) == (1, True)
    assert is_quiet(waiter)


def test_the_holder_of_a_revoked_message_is_called(
    asleep: Callable[..., Waiter], backend: SQLiteBackend
) -> None:
    """Revoking wakes the worker that holds the message, asleep or about to sleep, and no other one."""
    submit(backend, "a")
    holder, other = Player(backend, "holder"), asleep("other", queues=("elsewhere",))
    holder.step()
    waiter = holder.messages.waiter(holder.worker)
    try:
        backend.messages.revoke("q", "a")
        assert rings(waiter)
        waiter.arm()
        assert is_quiet(waiter)
        backend.messages.revoke("q", "a")
        assert rings(waiter)
        assert is_quiet(other)
    finally:
        waiter.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file's place on the disk can't be asked for")
def test_the_registry_has_its_place_on_the_disk(backend: SQLiteBackend, tmp_path: Path) -> None:
    """The file has no holes: writing into one while the disk is full would kill the process (SIGBUS)."""
    with backend.subscribe("x"):
        (file,) = tmp_path.rglob(registry.FILE)
        stat = file.stat()
        assert stat.st_blocks * 512 >= stat.st_size > 0


def test_without_sockets_workers_look_once_a_second(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without sockets sleeping workers look at the store once a second, and the log says so once."""

    def refuse(_: str) -> WakeupRegistry:
        raise OSError("no sockets here")

    monkeypatch.setattr(notifier, "WakeupRegistry", refuse)
    with caplog.at_level(logging.WARNING):
        player = Player(backend)
        waiter = player.messages.waiter(player.worker)
        waiter.arm()
        submit(backend, "a")
        assert is_quiet(waiter)
        assert not waiter.drain()
        assert waiter.interval == 1_000
        assert len(player.step().claimed) == 1
        waiter.pass_on()
        waiter.close()
        with backend.subscribe("x") as subscription:
            backend.pub("x", 1)
            assert subscription.wait(0) is None
    assert sum("No wake-ups" in record.message for record in caplog.records) == 1


def test_a_deleted_folder_is_made_again(
    backend: SQLiteBackend, path: Path, asleep: Callable[..., Waiter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the folder of the sockets was deleted, sleepers are woken again once they have looked at the store."""
    waiter = asleep("w")
    for each in Path(f"{path}-wake").iterdir():
        each.unlink()
    backend._database.notifier._check_at = 0.0
    waiter.arm()
    submit(backend, "a")
    assert rings(waiter)


def test_every_place_taken_is_survived(
    path: Path, backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a free slot a worker looks at the store once a second; the slot of a dead process is taken over."""
    backend.ping()
    monkeypatch.setattr(registry, "SLOTS", 2)
    own = WakeupRegistry(str(path))
    try:
        (one, ear), (two, second) = own.take(), own.take()
        assert {one, two} == {0, 1}
        with pytest.raises(OSError, match="are taken"):
            own.take()
        ear.close()  # as a killed process would: its socket's name stays
        again, third = own.take()
        assert again == one
        third.close()
        second.close()
    finally:
        own.close()


def test_a_process_that_stands_still_stops_no_other(
    path: Path, backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it was stopped while it took a slot, others do without one, and free theirs later."""
    backend.ping()
    monkeypatch.setattr(registry, "_LOCKED_AT_MOST_S", 0.02)
    own, stopped = WakeupRegistry(str(path)), WakeupRegistry(str(path))
    try:
        slot, receiver = own.take()
        with stopped._locked():
            with pytest.raises(BlockingIOError):
                own.take()
            own.free(slot)
            receiver.close()
            with backend.subscribe("news") as news:
                assert news.wait(0) is None
        again, receiver = own.take()
        assert again != slot  # there are others
        assert own._is_abandoned(slot)
        receiver.close()
    finally:
        own.close()
        stopped.close()


def test_others_may_use_what_the_file_allows(path: Path, open_backend: Open) -> None:
    """The folder and what is in it have the permissions of the file, whatever the umask is."""
    before = os.umask(0o077)
    try:
        path.touch()
        path.chmod(0o660)
        backend = open_backend()
        player = Player(backend)
        waiter = player.messages.waiter(player.worker)
    finally:
        os.umask(before)
    folder = Path(f"{path}-wake")
    assert folder.stat().st_mode & 0o777 == 0o770
    assert {each.stat().st_mode & 0o777 for each in folder.iterdir()} == {0o660}
    waiter.close()


def test_sleepers_in_two_processes_take_turns(python: Python, backend: SQLiteBackend) -> None:
    """Each message wakes one of two sleeping processes, which then claims it."""
    program = (
        _SLEEP.replace("sys.stdin.readline()", "")
        + """
import select
seq, outcomes = 1, []
while True:
    if not outcomes:
        waiter.arm()
        select.select([waiter.fileno()], [], [], 5)
        waiter.drain()
    seq += 1
    step = messages.step(worker, seq, outcomes, {worker.kind: 1})
    outcomes = [Succeeded(c.uuid, c.queue, c.token, b"r") for c in step.claimed]
"""
    )
    sleepers = [python(program, f"s{n}") for n in range(2)]
    assert [says(process) for process in sleepers] == ["asleep"] * 2
    for n in range(20):
        with backend.subscribe(f"results:m{n}") as subscription:
            submit(backend, f"m{n}")
            while backend.results.get([f"m{n}"]) == [None]:
                subscription.wait(60_000)
