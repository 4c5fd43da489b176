"""The engine while a part of the store is away: it goes on with the others, and keeps what is not known yet."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from alsek.storage.backends.records import Lost
from tests.unit.core.partly_away import PartlyAwayBackend
from tests.unit.workers.engine_harness import Running, Runs, submit
from tests.waiting import eventually


@pytest.fixture
def backend() -> PartlyAwayBackend:
    """A store of which a part may be away."""
    return PartlyAwayBackend()


def _away(backend: PartlyAwayBackend) -> None:
    """Let the part be away that has all messages of now."""
    backend.partly.away = frozenset(backend.messages.uuids())


def test_the_others_go_on(backend: PartlyAwayBackend, runs: Runs) -> None:
    """Their jobs end; those that are not known keep their claims and entries, and end when the part is back."""
    submit(runs.hold, 2)
    running = Running(backend, runs.note, runs.hold, size=2).start()
    runs.wait_for(2)
    _away(backend)
    runs.go_on.set()
    submit(runs.note, 20, 2)
    eventually(lambda: running.left == 2)
    assert len(running.state.claims()) == 2
    assert len(running.session.held) == 2
    backend.partly.away = None
    eventually(lambda: running.left == 0)  # nothing but time wakes the engine
    running.stop()
    assert runs.of == Counter(range(22))
    assert running.state.claims() == []
    assert running.session.held == set()
    assert Counter(backend.partly.given) == Counter(set(backend.partly.given))


def test_what_is_refused_late_is_told(
    backend: PartlyAwayBackend, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    """Another worker has the message by then: nothing is counted of it, and the log says so."""
    submit(runs.hold, 1)
    running = Running(backend, runs.hold, size=2).start()
    runs.wait_for(1)
    _away(backend)
    runs.go_on.set()
    eventually(lambda: running.session.step is not None and bool(backend.partly.given))
    (token,) = backend.partly.given
    (uuid,) = backend.messages.uuids()
    inner: Any = backend.partly._inner
    (claimed,) = inner.held(running.session.worker)
    with inner._lock:  # no step of the engine comes between: it would find that its lease has ended
        assert inner.retire(running.session.worker, [Lost(uuid, claimed.queue, token)]) == []
        inner.register(running.session.worker)
    backend.partly.away = None
    eventually(lambda: "was refused: its claim is not the current one" in caplog.text)
    eventually(lambda: runs.of[0] == 2 and running.left == 0)
    running.stop()


def test_an_engine_that_drains_waits_for_what_is_not_known(backend: PartlyAwayBackend, runs: Runs) -> None:
    """It ends once the part is back, and its outcomes count."""
    submit(runs.hold, 1)
    running = Running(backend, runs.hold, size=2).start()
    runs.wait_for(1)
    _away(backend)
    runs.go_on.set()
    eventually(lambda: bool(backend.partly.given))
    steps = running.engine.steps
    running.drain()
    eventually(lambda: running.engine.steps >= steps + 3)
    assert running.alive
    backend.partly.away = None
    running.ended()
    assert running.left == 0


def test_a_burst_does_not_end_while_a_part_is_away(backend: PartlyAwayBackend, runs: Runs) -> None:
    """There may be messages in it."""
    backend.partly.away = frozenset()
    running = Running(backend, runs.note, size=2, burst=True).start()
    eventually(lambda: running.engine.steps >= 4)
    assert not running.state.empty_at
    backend.partly.away = None
    eventually(lambda: bool(running.state.empty_at))
    running.stop()


def test_with_a_store_that_never_says_so_no_step_is_added(backend: PartlyAwayBackend, runs: Runs) -> None:
    """An idle engine sleeps as long as ever."""
    running = Running(backend, runs.note, size=2).start()
    eventually(lambda: running.engine.sleeps >= 1)
    assert running.engine._ask_again_at is None
    running.stop()
