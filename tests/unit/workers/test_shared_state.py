"""The board: what a group tells its supervisor, in memory that both see."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from alsek.core.worker.group.group import WorkerGroupOptions, board_for
from alsek.core.worker.shared_state import ClaimEntry, SharedState

ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture
def board() -> Iterator[SharedState]:
    """A board of four entries."""
    board = SharedState(4)
    yield board
    board.close()


def test_nobody_works_under_an_empty_board(board: SharedState) -> None:
    """Before a group has signed it, a board names no worker and lists nothing."""
    assert board.worker_id is None
    assert board.seq == 0
    assert board.held() == []


def test_a_claim_is_listed_from_hold_to_free(board: SharedState) -> None:
    """An entry shows its token, whether code may run for it, and the deadline of its task while that runs."""
    board.sign(ONE)
    entry = board.hold(7)
    assert board.held() == [ClaimEntry(7, 0, 0)]
    board.begin(entry)
    (listed,) = board.held()
    assert (listed.live, listed.running, listed.over) == (True, False, False)
    board.start(entry, 1234)
    assert board.held()[0].deadline == 1234
    assert board.held()[0].running
    board.end(entry)
    (listed,) = board.held()
    assert (listed.live, listed.running, listed.over) == (True, False, False)
    board.conclude(entry)
    (listed,) = board.held()
    assert (listed.live, listed.running, listed.over) == (False, False, True)
    board.free(entry)
    assert board.held() == []
    assert board.strangers == 0


def test_an_entry_whose_code_may_still_run_is_kept(board: SharedState) -> None:
    """It is held no more, but counted as a stranger, and used again only when its code has ended."""
    board.sign(ONE)
    entry = board.hold(7)
    board.begin(entry)
    board.free(entry)
    assert board.held() == []
    assert board.strangers == 1
    assert board.room == 3
    assert entry not in [board.hold(token) for token in (8, 9, 10)]
    assert board.room == 0
    board.conclude(entry)
    assert board.strangers == 0
    assert board.room == 1
    assert board.hold(11) == entry


def test_tasks_of_an_earlier_id_are_strangers(board: SharedState) -> None:
    """What was begun under an id whose lease ran out is held no more, and may still end the process."""
    board.sign(ONE)
    board.start(board.hold(7), 99)
    board.hold(8)
    board.sign(TWO)
    assert board.held() == []
    assert board.strangers == 1


def test_a_freed_entry_comes_back_clean(board: SharedState) -> None:
    """Nothing of the claim before shows in an entry that is used again."""
    board.sign(ONE)
    entry = board.hold(7)
    board.start(entry, 99)
    board.conclude(entry)
    board.free(entry)
    assert board.hold(8) == entry
    assert board.held() == [ClaimEntry(8, 0, 0)]


def test_signing_anew_lists_nothing_of_before(board: SharedState) -> None:
    """Under a new id what was held under the old one is listed no more, and the step number starts again."""
    board.sign(ONE)
    board.hold(7)
    board.count_step(5)
    board.sign(TWO)
    assert board.worker_id == TWO
    assert board.held() == []
    assert board.seq == 0


def test_tasks_of_an_earlier_id_do_not_write_into_newer_claims(board: SharedState) -> None:
    """Their entries stay taken until they are freed, so what ends late touches no claim of the new id."""
    board.sign(ONE)
    old = board.hold(7)
    board.start(old, 99)
    board.sign(TWO)
    new = [board.hold(token) for token in (11, 12, 13)]
    assert old not in new
    for entry in new:
        board.start(entry, 50)
    board.conclude(old)
    board.free(old)
    assert sorted(entry.token for entry in board.held() if entry.running) == [11, 12, 13]
    assert board.hold(14) == old


def test_an_id_that_is_being_written_is_not_read(board: SharedState) -> None:
    """A version that is odd, as in the middle of `sign`, gives no id rather than half of one."""
    board.sign(ONE)
    board.words[0] += 1
    assert board.worker_id is None


def test_a_group_that_has_signed_off_holds_nothing(board: SharedState) -> None:
    """After `sign_off` no worker is named: whatever ends the process now needs no settling."""
    assert not board.signed_off
    board.sign(ONE)
    assert not board.signed_off
    board.sign_off()
    assert board.worker_id is None
    assert board.signed_off
    board.sign(TWO)
    assert board.worker_id == TWO


def test_a_board_has_room_for_all_that_a_group_may_hold() -> None:
    """Running, finished and unreported, just claimed, and given up: at least three times the threads."""
    board = board_for(WorkerGroupOptions(slots=8))
    assert board.entries >= 3 * 8
    assert board.limit == 8
    board.close()


def test_the_single_words_are_independent(board: SharedState) -> None:
    """Each word keeps its own value, and none of them touches the id or the entries."""
    board.sign(ONE)
    board.hold(7)
    names = ("saturated_since", "idle_since", "suspects", "limit", "abandoned", "draining")
    for number, name in enumerate(names, 1):
        setattr(board, name, number)
    assert [getattr(board, name) for name in names] == [1, 2, 3, 4, 5, 6]
    assert board.worker_id == ONE
    assert board.held() == [ClaimEntry(7, 0, 0)]


def test_another_process_never_sees_a_step_before_its_claims() -> None:
    """Whoever reads the number first and the tokens then finds all tokens of the steps up to it."""
    board = SharedState(3_000)
    board.sign(ONE)
    pid = os.fork()
    if pid == 0:
        for token in range(1, 3_001):
            board.hold(token)
            board.count_step(token)
        os._exit(0)
    missing: set[int] = set()
    deadline = time.monotonic() + 20
    while board.seq < 3_000 and time.monotonic() < deadline:
        seq = board.seq
        missing |= set(range(1, seq + 1)) - {entry.token for entry in board.held()}
    assert os.waitpid(pid, 0)[1] == 0
    assert board.seq == 3_000
    assert missing == set()
    board.close()


def test_another_process_never_sees_a_torn_id() -> None:
    """While ids change as fast as they can, a reader gets one of them whole, or none."""
    board = SharedState(2)
    board.sign(ONE)
    pid = os.fork()
    if pid == 0:
        for _ in range(5_000):
            board.sign(TWO)
            board.sign(ONE)
        board.count_step(1)
        os._exit(0)
    seen = {board.worker_id}
    deadline = time.monotonic() + 20
    while board.seq == 0 and time.monotonic() < deadline:
        seen.add(board.worker_id)
    assert os.waitpid(pid, 0)[1] == 0
    assert seen <= {ONE, TWO, None}
    board.close()
