"""Concurrency: threads, processes, forked children, and many messages."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from itertools import chain

import pytest

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.records import ACCEPTED, Added
from tests.contract import drain_process as processes
from tests.contract.stores import Store
from tests.contract.workers import (
    Actors,
    a_message,
    a_request,
    add,
    died,
    released,
    result_of,
    retried,
    succeeded,
    uuids,
)


def _together(*jobs: Callable[[], None]) -> None:
    """Run each job in a thread, all at the same moment, and raise the first exception of any."""
    start = threading.Barrier(len(jobs))
    errors: list[BaseException] = []

    def run(job: Callable[[], None]) -> None:
        try:
            start.wait()
            job()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_threads_claim_each_message_once(backend: Backend, actor: Actors) -> None:
    """With many workers in threads, each message is claimed by one, and none is left."""
    names = [f"m{n:03}" for n in range(200)]
    add(backend, *names)
    claims: list[list[str]] = [[] for _ in range(4)]

    def job(n: int) -> Callable[[], None]:
        worker = actor()

        def work() -> None:
            claimed = worker.claim(limit=3)
            while claimed:
                claims[n] += uuids(claimed)
                claimed = worker.step(*(succeeded(c) for c in claimed), limit=3).claimed

        return work

    _together(*(job(n) for n in range(4)))
    assert sorted(chain.from_iterable(claims)) == names
    assert backend.messages.queues() == []
    assert all(record is not None for record in backend.results.get(names))


def test_producers_and_workers_at_once(backend: Backend, actor: Actors) -> None:
    """While some add and others claim, finish, retry and give back, every message finishes exactly once."""
    total, finished = 60, [list[str](), list[str]()]

    def produce(n: int) -> Callable[[], None]:
        def work() -> None:
            for k in range(total // 2):
                assert add(backend, f"p{n}-{k}") == [True]

        return work

    def consume(n: int) -> Callable[[], None]:
        worker = actor()

        def work() -> None:
            turn = 0
            while sum(map(len, finished)) < total:
                for claimed in worker.claim(limit=2):
                    turn += 1
                    kind = (succeeded, retried, died, released, succeeded)[turn % 5]
                    assert worker.step(kind(claimed), limit=0).refused == []
                    if kind in (succeeded, died):
                        finished[n].append(claimed.uuid)

        return work

    _together(produce(0), produce(1), consume(0), consume(1))
    expected = sorted(f"p{n}-{k}" for n in range(2) for k in range(total // 2))
    assert sorted(finished[0] + finished[1]) == expected
    assert backend.messages.queues() == []


def test_a_request_repeated_at_once_is_taken_once(backend: Backend, actor: Actors) -> None:
    """The same call from several threads adds each message once, and succeeds in each."""
    request, batch = a_request(), [a_message(f"m{n}") for n in range(20)]
    answers: list[list[Added]] = []
    _together(*(lambda: answers.append(backend.messages.add(batch, request)) for _ in range(4)))
    assert answers == [[ACCEPTED] * 20] * 4
    assert uuids(actor().claim()) == [submission.uuid for submission in batch]


def test_rivals_for_one_uuid(backend: Backend) -> None:
    """When several add different messages of one uuid, one wins."""
    answers: list[bool] = []
    rivals = [a_message("a", queue=f"q{n}") for n in range(4)]
    _together(*(lambda rival=rival: answers.append(add(backend, rival)[0]) for rival in rivals))
    assert sorted(answers) == [False, False, False, True]
    assert len(backend.messages.queues()) == 1


@pytest.mark.stores("sqlite", "redis")
def test_processes_claim_each_message_once(store: Store) -> None:
    """With many workers in processes, each message is claimed by one, and none is lost."""
    producer = store.recipe().open()
    names = [f"m{n:03}" for n in range(600)]
    add(producer, *names)
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    workers = [
        context.Process(target=processes.drain, args=(store.recipe(), len(names), answers)) for _ in range(3)
    ]
    try:
        for worker in workers:
            worker.start()
        claims = [answers.get(timeout=60) for _ in workers]
        for worker in workers:
            worker.join(60)
    finally:
        for worker in workers:
            if worker.is_alive():
                worker.kill()
        answers.close()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert sorted(chain.from_iterable(claims)) == names
    assert all(record is not None for record in producer.results.get(names))
    producer.close()


def _in_a_child(job: Callable[[], None]) -> int:
    """Run a job in a forked child, and return the child's pid. A child that hangs is ended by its alarm."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 20)
            job()
            code = 0
        finally:
            os._exit(code)
    return pid


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_parent_and_child_both_go_on(backend: Backend, store: Store, actor: Actors) -> None:
    """After a fork, parent and child use the backend at once, and each gets the answers to its own calls."""
    worker = actor()
    add(backend, "before")
    before = worker.claim_one()

    def work(who: str) -> None:
        for n in range(30):
            uuid = f"{who}{n}"
            assert add(backend, uuid) == [True]
            backend.results.put(uuid, uuid.encode())
            assert result_of(backend, uuid) == uuid.encode()

    child = _in_a_child(lambda: work("child"))
    work("parent")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert worker.step(succeeded(before), limit=0).refused == []
    seen = uuids(backend.messages.browse("q"))
    expected = [f"parent{n}" for n in range(30)]
    if store.kind in ("sqlite", "redis", "cluster", "partitions"):
        expected += [f"child{n}" for n in range(30)]
    assert sorted(seen) == sorted(expected)


@pytest.mark.stores("memory", "sqlite", "redis")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_in_the_middle_of_work_harms_neither(backend: Backend) -> None:
    """A child forked while other threads of its parent use the backend can use it as well."""
    stop = threading.Event()

    def busy() -> None:
        n = 0
        while not stop.is_set():
            backend.set("busy", n)
            n += 1

    def work() -> None:
        for n in range(10):
            backend.set(f"child{n}", n)
            assert backend.get(f"child{n}") == n

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        codes = [os.waitstatus_to_exitcode(os.waitpid(_in_a_child(work), 0)[1]) for _ in range(5)]
    finally:
        stop.set()
        thread.join()
    assert codes == [0] * 5


@pytest.mark.stores("memory", "sqlite", "redis")
def test_ten_thousand_messages_in_and_out(backend: Backend, actor: Actors) -> None:
    """A backlog of ten thousand goes in and comes out whole and in order."""
    names = [f"m{n:05}" for n in range(10_000)]
    for begin in range(0, len(names), 1_000):
        assert all(add(backend, *names[begin : begin + 1_000], status_ttl=0))
    assert backend.messages.count("q") == 10_000
    worker = actor()
    done: list[str] = []
    claimed = worker.claim(limit=250)
    while claimed:
        done += uuids(claimed)
        claimed = worker.step(*(succeeded(c, None) for c in claimed), limit=250).claimed
    assert done == names
    assert backend.messages.queues() == []


def test_five_megabytes(backend: Backend, actor: Actors) -> None:
    """A large payload, result, callback and error are stored unchanged."""
    large = os.urandom(5_000_000)
    worker = actor()
    add(backend, a_message("a", payload=large), "b")
    one, two = worker.claim()
    assert one.payload == large
    step = worker.step(
        succeeded(one, large, callback=a_message("c", payload=large)), died(two, error=large), limit=0
    )
    assert step.refused == []
    assert result_of(backend, "a") == large
    letter = backend.messages.dead_letter("q", "b")
    assert letter is not None
    assert letter.error == large
    third = worker.claim_one()
    assert third.payload == large
    worker.step(retried(third, large), limit=0)
    assert worker.claim_one().payload == large
