"""State that a worker group shares with its supervisor, in memory that both map.

The supervisor renews the group's lease, enforces deadlines that the group itself can't (a task may never release the
GIL), and knows after a death which tasks were running. What it needs for this is written *before* a task starts, by
plain stores without a lock: each field has one writer at a time, and is one aligned word. (In a process pool, the
writer of an entry is the process that runs its job, from when it is sent the job until it has answered.)

For each claim, two things are recorded apart from each other: the deadline of its *task*, and whether *user code* may
run for it. The serializer, trackers and hooks run before and after the task, without a deadline here, and an abandoned
thread may run long after the outcome of its message has been reported. All of these may end the process.

::

    word 0      version of the worker id: odd while it is being written, 0 before the first, `_CLEARED` after the last
    words 1-4   the worker id, 32 hexadecimal digits
    word 5      number of the last step whose claims are all listed below
    word 6      since when the group has been saturated (monotonic ms), 0 if it is not
    word 7      since when the group has been idle (monotonic ms), 0 if it is not
    word 8      1 if suspects wait in the store
    word 9      max claims: how many messages the supervisor lets the group have in flight
    word 10     number of abandoned threads
    word 11     1 if the group claims no more, and ends when the running tasks have ended
    word 12     since when the engine has been waiting for the store's answer (monotonic ms), 0 if it is not
    word 13     1 if the group was told to stop
    word 14     when the group's last step was sent (monotonic ms), if it was empty then; else 0. Only with `burst`
    then, for each entry: token (0: no claim), deadline of the task (monotonic ms; 0: it is not running), user code
                (0: none has run, 1: it may run, 2: it has run and does not any longer, 3: as 1, and the engine ends
                the process that runs it)
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import NamedTuple

_ID = slice(8, 40)
_FIXED = 15
_WORDS = 3
#: The values of an entry's third word. The odd ones mean that user code may run.
_BEFORE, _INSIDE, _PAST, _TERMINATING = 0, 1, 2, 3
#: Later than any clock goes, and within a word: a timeout may be any number.
_NEVER = 2**63
#: The version after :meth:`SharedState.clear_worker`.
_CLEARED = 2**63


class ClaimEntry(NamedTuple):
    """One claim of the group.

    Attributes:
        token: Of the claim.
        deadline: When its task must have ended (monotonic ms); 0 if it is not running.
        user_code: The entry's third word.
    """

    token: int
    deadline: int
    user_code: int

    @property
    def running(self) -> bool:
        """Whether its task is running now."""
        return self.deadline > 0

    @property
    def in_user_code(self) -> bool:
        """Whether user code may run for it now: serializer, trackers, hooks or the task."""
        return bool(self.user_code & _INSIDE)

    @property
    def past_user_code(self) -> bool:
        """Whether user code has run for it, and does not any longer."""
        return self.user_code == _PAST


class _Word:
    """One word of the memory, as an attribute."""

    def __init__(self, position: int) -> None:
        self._position = position

    def __get__(self, state: SharedState, owner: type[SharedState] | None = None) -> int:
        return state.words[self._position]

    def __set__(self, state: SharedState, value: int) -> None:
        state.words[self._position] = value


class SharedState:
    """Memory that a supervisor and one worker group share; created before the fork.

    The first methods are for the group, those after `stopping` for the supervisor.

    Args:
        entries: How many claims can be listed at once, including those that have finished and were not reported yet.
    """

    def __init__(self, entries: int) -> None:
        self.entries = entries
        self._memory = mmap.mmap(-1, 8 * (_FIXED + _WORDS * entries))
        #: The memory, word by word.
        self.words = memoryview(self._memory).cast("Q")
        self._free = list(self._positions())[::-1]
        #: Entries without a claim for which user code may still run.
        self._unclaimed: list[int] = []

    def _positions(self) -> range:
        """The entries: each is named by the number of its first word."""
        return range(_FIXED, _FIXED + _WORDS * self.entries, _WORDS)

    def set_worker(self, worker_id: str) -> None:
        """Set the worker id; no claims are listed under it yet.

        Claims of an earlier id are no longer listed, but their entries stay in use until :meth:`remove_claim`: their
        tasks may still run, and write to their entries when they end.
        """
        self.words[0] += 1
        for entry in self._positions():
            self.words[entry] = 0
        self.words[5] = 0
        self._memory[_ID] = worker_id.encode("ascii")
        self.words[0] += 1

    def clear_worker(self) -> None:
        """Remove the worker id, because the store no longer knows the worker, or never knew it: it holds no claims."""
        self.words[0] = _CLEARED

    def add_claim(self, token: int) -> int:
        """List a claim. Returns its entry, for the methods below."""
        if self._unclaimed:
            self._reclaim()
        entry = self._free.pop()
        self.words[entry + 1] = 0
        self.words[entry + 2] = _BEFORE
        self.words[entry] = token
        return entry

    def lists(self, entry: int) -> bool:
        """Whether the claim of an entry is still listed, while user code runs for it: False once it was lost."""
        return self.words[entry] != 0

    def set_seq(self, seq: int) -> None:
        """Record that all claims of the steps up to `seq` are listed."""
        self.words[5] = seq

    def enter_user_code(self, entry: int) -> None:
        """Record that user code may run for the entry from now on, until :meth:`leave_user_code`."""
        self.words[entry + 2] = _INSIDE

    def start_task(self, entry: int, deadline: int) -> None:
        """Record that the entry's task starts now. In a process pool, the process that runs it calls this."""
        self.words[entry + 2] = _INSIDE
        self.words[entry + 1] = deadline if deadline < _NEVER else _NEVER

    def deadline(self, entry: int) -> int:
        """When the entry's task must have ended (monotonic ms); 0 if it is not running."""
        return self.words[entry + 1]

    def end_task(self, entry: int) -> None:
        """Record that the entry's task has ended. Other user code may still run for it."""
        self.words[entry + 1] = 0

    def leave_user_code(self, entry: int) -> None:
        """Record that no user code runs for the entry any longer."""
        self.words[entry + 1] = 0
        self.words[entry + 2] = _PAST

    def mark_terminating(self, entry: int) -> None:
        """Record that the engine ends the process that runs the entry's job, by signals from now on."""
        self.words[entry + 2] = _TERMINATING

    def is_terminating(self, entry: int) -> bool:
        """Whether :meth:`mark_terminating` was called, and :meth:`leave_user_code` was not since."""
        return self.words[entry + 2] == _TERMINATING

    def remove_claim(self, entry: int) -> None:
        """Stop listing the entry's claim. To be called once for each :meth:`add_claim`.

        While user code may run for it, the entry is not used again: that code may be what ends the process.
        """
        self.words[entry] = 0
        if self.words[entry + 2] & _INSIDE:
            self._unclaimed.append(entry)
        else:
            self._free.append(entry)

    def _reclaim(self) -> None:
        """Make those entries free again whose user code has ended since their claims were removed."""
        past = [entry for entry in self._unclaimed if not self.words[entry + 2] & _INSIDE]
        if past:
            self._free += past
            self._unclaimed = [entry for entry in self._unclaimed if entry not in past]

    @property
    def free_entries(self) -> int:
        """How many more claims can be listed."""
        if self._unclaimed:
            self._reclaim()
        return len(self._free)

    saturated_since = _Word(6)
    idle_since = _Word(7)
    suspects = _Word(8)
    max_claims = _Word(9)
    abandoned = _Word(10)
    draining = _Word(11)
    in_store_since = _Word(12)
    stopping = _Word(13)
    empty_at = _Word(14)

    @property
    def worker_id(self) -> str | None:
        """The worker id; None before the group has registered, and after :meth:`clear_worker`."""
        version = self.words[0]
        if version in (0, _CLEARED) or version % 2:
            return None
        worker_id = self._memory[_ID].decode("ascii")
        return worker_id if self.words[0] == version else None

    @property
    def cleared(self) -> bool:
        """Whether :meth:`clear_worker` was called: the group has ended in good order, and holds no claims."""
        return self.words[0] == _CLEARED

    @property
    def seq(self) -> int:
        """Number of the last step whose claims are all listed. Read it before :meth:`claims`."""
        return int(self.words[5])

    def claims(self) -> list[ClaimEntry]:
        """The group's claims now."""
        return [ClaimEntry(*words) for words in self._entries() if words[0]]

    @property
    def unclaimed_in_user_code(self) -> int:
        """For how many messages whose claims are not listed any longer user code may run."""
        return sum(code & _INSIDE for token, _, code in self._entries() if not token)

    def _entries(self) -> Iterator[tuple[int, int, int]]:
        return struct.iter_unpack("QQQ", self._memory[8 * _FIXED :])

    def close(self) -> None:
        """Unmap the memory."""
        self.words.release()
        self._memory.close()
