"""Shared state: a group writes it and its supervisor reads it, in memory that both map."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from alsek.core.worker.group.options import WorkerGroupOptions, new_shared_state
from alsek.core.worker.shared_state import ClaimEntry, SharedState
from alsek.core.worker.thread_executor.recent_durations import MOST_IN_FLIGHT

ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture
def state() -> Iterator[SharedState]:
    """A shared state of four entries."""
    state = SharedState(4)
    yield state
    state.close()


def test_a_new_state_has_no_worker(state: SharedState) -> None:
    """Before `set_worker` a shared state names no worker and lists no claims."""
    assert state.worker_id is None
    assert state.seq == 0
    assert state.claims() == []


def test_a_claim_is_listed_until_it_is_removed(state: SharedState) -> None:
    """An entry shows its token, whether code may run for it, and the deadline of its task while that runs."""
    state.set_worker(ONE)
    entry = state.add_claim(7)
    assert state.claims() == [ClaimEntry(7, 0, 0)]
    state.enter_user_code(entry)
    (listed,) = state.claims()
    assert (listed.in_user_code, listed.running, listed.past_user_code) == (True, False, False)
    state.start_task(entry, 1234)
    assert state.claims()[0].deadline == 1234
    assert state.claims()[0].running
    state.end_task(entry)
    (listed,) = state.claims()
    assert (listed.in_user_code, listed.running, listed.past_user_code) == (True, False, False)
    state.leave_user_code(entry)
    (listed,) = state.claims()
    assert (listed.in_user_code, listed.running, listed.past_user_code) == (False, False, True)
    state.remove_claim(entry)
    assert state.claims() == []
    assert state.unclaimed_in_user_code == 0


def test_an_entry_whose_code_may_still_run_is_kept(state: SharedState) -> None:
    """It is no longer listed, but counted, and is used again only when its code has ended."""
    state.set_worker(ONE)
    entry = state.add_claim(7)
    state.enter_user_code(entry)
    state.remove_claim(entry)
    assert state.claims() == []
    assert state.unclaimed_in_user_code == 1
    assert state.free_entries == 3
    assert entry not in [state.add_claim(token) for token in (8, 9, 10)]
    assert state.free_entries == 0
    state.leave_user_code(entry)
    assert state.unclaimed_in_user_code == 0
    assert state.free_entries == 1
    assert state.add_claim(11) == entry


def test_tasks_of_an_earlier_id_count_as_unclaimed(state: SharedState) -> None:
    """A task that was started under an id whose lease ran out is no longer listed, and may still end the process."""
    state.set_worker(ONE)
    state.start_task(state.add_claim(7), 99)
    state.add_claim(8)
    state.set_worker(TWO)
    assert state.claims() == []
    assert state.unclaimed_in_user_code == 1


def test_a_freed_entry_comes_back_clean(state: SharedState) -> None:
    """Nothing of the claim before shows in an entry that is used again."""
    state.set_worker(ONE)
    entry = state.add_claim(7)
    state.start_task(entry, 99)
    state.leave_user_code(entry)
    state.remove_claim(entry)
    assert state.add_claim(8) == entry
    assert state.claims() == [ClaimEntry(8, 0, 0)]


def test_a_new_id_lists_no_earlier_claims(state: SharedState) -> None:
    """Under a new id what was held under the old one is listed no more, and the step number starts again."""
    state.set_worker(ONE)
    state.add_claim(7)
    state.set_seq(5)
    state.set_worker(TWO)
    assert state.worker_id == TWO
    assert state.claims() == []
    assert state.seq == 0


def test_tasks_of_an_earlier_id_do_not_write_into_newer_claims(state: SharedState) -> None:
    """Their entries stay taken until they are freed, so what ends late touches no claim of the new id."""
    state.set_worker(ONE)
    old = state.add_claim(7)
    state.start_task(old, 99)
    state.set_worker(TWO)
    new = [state.add_claim(token) for token in (11, 12, 13)]
    assert old not in new
    for entry in new:
        state.start_task(entry, 50)
    state.leave_user_code(old)
    state.remove_claim(old)
    assert sorted(entry.token for entry in state.claims() if entry.running) == [11, 12, 13]
    assert state.add_claim(14) == old


def test_an_id_that_is_being_written_is_not_read(state: SharedState) -> None:
    """A version that is odd, as in the middle of `set_worker`, gives no id rather than half of one."""
    state.set_worker(ONE)
    state.words[0] += 1
    assert state.worker_id is None


def test_a_cleared_state_has_no_worker(state: SharedState) -> None:
    """After `clear_worker` no worker is named: however the process ends now, nothing is to be given back."""
    assert not state.cleared
    state.set_worker(ONE)
    assert not state.cleared
    state.clear_worker()
    assert state.worker_id is None
    assert state.cleared
    state.set_worker(TWO)
    assert state.worker_id == TWO


def test_a_state_has_entries_for_all_that_a_group_may_claim() -> None:
    """Running, finished and unreported, just claimed, and given up: at least three times what may be in flight."""
    state = new_shared_state(WorkerGroupOptions(slots=8))
    assert state.entries >= 3 * MOST_IN_FLIGHT
    assert state.max_claims == 8
    state.close()


def test_the_single_words_are_independent(state: SharedState) -> None:
    """Each word keeps its own value, and none of them touches the id or the entries."""
    state.set_worker(ONE)
    state.add_claim(7)
    names = ("saturated_since", "idle_since", "suspects", "max_claims", "abandoned", "draining")
    for number, name in enumerate(names, 1):
        setattr(state, name, number)
    assert [getattr(state, name) for name in names] == [1, 2, 3, 4, 5, 6]
    assert state.worker_id == ONE
    assert state.claims() == [ClaimEntry(7, 0, 0)]


def test_another_process_never_sees_a_step_before_its_claims() -> None:
    """Whoever reads the number first and the tokens then finds all tokens of the steps up to it."""
    state = SharedState(3_000)
    state.set_worker(ONE)
    pid = os.fork()
    if pid == 0:
        for token in range(1, 3_001):
            state.add_claim(token)
            state.set_seq(token)
        os._exit(0)
    missing: set[int] = set()
    deadline = time.monotonic() + 60
    while state.seq < 3_000 and time.monotonic() < deadline:
        seq = state.seq
        missing |= set(range(1, seq + 1)) - {entry.token for entry in state.claims()}
    assert os.waitpid(pid, 0)[1] == 0
    assert state.seq == 3_000
    assert missing == set()
    state.close()


def test_another_process_never_sees_a_torn_id() -> None:
    """While ids change as fast as they can, a reader gets one of them whole, or none."""
    state = SharedState(2)
    state.set_worker(ONE)
    pid = os.fork()
    if pid == 0:
        for _ in range(5_000):
            state.set_worker(TWO)
            state.set_worker(ONE)
        state.set_seq(1)
        os._exit(0)
    seen = {state.worker_id}
    deadline = time.monotonic() + 60
    while state.seq == 0 and time.monotonic() < deadline:
        seen.add(state.worker_id)
    assert os.waitpid(pid, 0)[1] == 0
    assert seen <= {ONE, TWO, None}
    state.close()
