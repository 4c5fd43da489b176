"""What a group of threads tells its supervisor, in memory that both see.

The supervisor renews the group's lease, enforces deadlines that the group can't (a task that never lets go of
the GIL), and knows after a death who was running. So what it needs stands in shared memory *before* a task
starts, written by plain stores that no lock guards: each field has one writer at a time, and each is one aligned word.
(Of an entry in a process pool that is the process which runs it, from when it is given the job until it has answered.)

Two things are told of each entry, since they differ: until when its *task* must have ended, and whether *code of the
user's may run* for it. The serializer, trackers and hooks run before and after the task, without a deadline here; a
thread that was given up may run long after its message has been reported. Any of them may end the process.

::

    word 0      version of the worker id: odd while it is being written; 0 before, and a number of its own after
    words 1-4   the worker id, 32 hexadecimal digits
    word 5      number of the last step whose claims are all listed below
    word 6      since when the group has been saturated (monotonic ms), 0 if it is not
    word 7      since when the group has been idle (monotonic ms), 0 if it is not
    word 8      suspects wait in the store: 1
    word 9      how many messages the supervisor lets the group have under way
    word 10     abandoned threads
    word 11     the group takes no more, and ends when what it runs has ended: 1
    word 12     since when the engine has been waiting for the store's answer (monotonic ms), 0 if it is not
    word 13     the group was told to stop: 1
    then, for each entry: token (0: not held), deadline of the task (monotonic ms; 0: it is not running), code
                (0: none has run, 1: code of the user's may run for it, 2: none runs any more, 3: as 1, and the engine
                ends the process that runs it)
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import NamedTuple

_ID = slice(8, 40)
_FIXED = 14
_WORDS = 3
#: What an entry's third word says. The odd ones are live.
_UNTOUCHED, _LIVE, _OVER, _DOOMED = 0, 1, 2, 3
#: Later than any clock goes, and within a word: a timeout may be any number.
_NEVER = 2**63
#: Stands for the version once the group has signed off.
_SIGNED_OFF = 2**63


class ClaimEntry(NamedTuple):
    """A message that the group holds.

    Attributes:
        token: Of its claim.
        deadline: When its task must have ended (monotonic ms); 0 if it is not running.
        code: Whether code of the user's has run for it, and may still.
    """

    token: int
    deadline: int
    code: int

    @property
    def running(self) -> bool:
        """Its task is running now."""
        return self.deadline > 0

    @property
    def live(self) -> bool:
        """Code of the user's may run for it now: serializer, tracker, hooks or the task."""
        return bool(self.code & _LIVE)

    @property
    def over(self) -> bool:
        """Such code has run for it, and does so no more."""
        return self.code == _OVER


class _Word:
    """One word of a board, as an attribute."""

    def __init__(self, position: int) -> None:
        self._position = position

    def __get__(self, board: SharedState, owner: type[SharedState] | None = None) -> int:
        return board.words[self._position]

    def __set__(self, board: SharedState, value: int) -> None:
        board.words[self._position] = value


class SharedState:
    """Shared between a supervisor and one group; made before the fork.

    Args:
        entries: How many messages the group may hold at once, finished but unreported ones included.
    """

    def __init__(self, entries: int) -> None:
        self.entries = entries
        self._memory = mmap.mmap(-1, 8 * (_FIXED + _WORDS * entries))
        #: The memory, word by word.
        self.words = memoryview(self._memory).cast("Q")
        self._free = list(self._positions())[::-1]
        #: No longer held, but code may still run for them.
        self._lingering: list[int] = []

    def _positions(self) -> range:
        """Where the entries are: each is named by the number of its first word."""
        return range(_FIXED, _FIXED + _WORDS * self.entries, _WORDS)

    # ── the group writes ───────────────────────────────────────────────────────────────────────

    def sign(self, worker_id: str) -> None:
        """Say under which id the group now works; nothing is held under it yet.

        What was held under an earlier id is listed no more, but its entries are taken until they are freed: its tasks
        may still run, and write there when they end.
        """
        self.words[0] += 1
        for entry in self._positions():
            self.words[entry] = 0
        self.words[5] = 0
        self._memory[_ID] = worker_id.encode("ascii")
        self.words[0] += 1

    def sign_off(self) -> None:
        """The store has forgotten the group, or never knew it: whatever becomes of its process, nothing is held."""
        self.words[0] = _SIGNED_OFF

    def hold(self, token: int) -> int:
        """List a claim; the entry, for the methods below."""
        if self._lingering:
            self._reclaim()
        entry = self._free.pop()
        self.words[entry + 1] = 0
        self.words[entry + 2] = _UNTOUCHED
        self.words[entry] = token
        return entry

    def count_step(self, seq: int) -> None:
        """All claims of the steps up to `seq` are listed."""
        self.words[5] = seq

    def begin(self, entry: int) -> None:
        """From now on code of the user's may run for the entry, until :meth:`conclude`."""
        self.words[entry + 2] = _LIVE

    def start(self, entry: int, deadline: int) -> None:
        """The entry's task starts now. In a process pool, the process that runs it says so."""
        self.words[entry + 2] = _LIVE
        self.words[entry + 1] = deadline if deadline < _NEVER else _NEVER

    def deadline(self, entry: int) -> int:
        """When the entry's task must have ended (monotonic ms); 0 if it is not running."""
        return self.words[entry + 1]

    def end(self, entry: int) -> None:
        """The entry's task runs no longer; what concludes it may."""
        self.words[entry + 1] = 0

    def conclude(self, entry: int) -> None:
        """No code of the user's runs for the entry any more."""
        self.words[entry + 1] = 0
        self.words[entry + 2] = _OVER

    def doom(self, entry: int) -> None:
        """The process that runs the entry's code is ended for it, by signals from now on."""
        self.words[entry + 2] = _DOOMED

    def doomed(self, entry: int) -> bool:
        """Whether :meth:`doom` was called, and its code has not been concluded since."""
        return self.words[entry + 2] == _DOOMED

    def free(self, entry: int) -> None:
        """The entry's message is no longer held. To be called once for each :meth:`hold`.

        While code may still run for it, the entry is kept: that code may be what ends the process.
        """
        self.words[entry] = 0
        if self.words[entry + 2] & _LIVE:
            self._lingering.append(entry)
        else:
            self._free.append(entry)

    def _reclaim(self) -> None:
        over = [entry for entry in self._lingering if not self.words[entry + 2] & _LIVE]
        if over:
            self._free += over
            self._lingering = [entry for entry in self._lingering if entry not in over]

    @property
    def room(self) -> int:
        """How many more claims can be listed."""
        if self._lingering:
            self._reclaim()
        return len(self._free)

    saturated_since = _Word(6)
    idle_since = _Word(7)
    suspects = _Word(8)
    limit = _Word(9)
    abandoned = _Word(10)
    draining = _Word(11)
    in_store_since = _Word(12)
    stopping = _Word(13)

    # ── the supervisor reads ───────────────────────────────────────────────────────────────────

    @property
    def worker_id(self) -> str | None:
        """Under which id the group works; None before it has registered and after it has signed off."""
        version = self.words[0]
        if version in (0, _SIGNED_OFF) or version % 2:
            return None
        worker_id = self._memory[_ID].decode("ascii")
        return worker_id if self.words[0] == version else None

    @property
    def signed_off(self) -> bool:
        """The group has come to its end in good order: it had registered, and holds nothing any more."""
        return self.words[0] == _SIGNED_OFF

    @property
    def seq(self) -> int:
        """Number of the last step whose claims are all listed. Read it before :meth:`held`."""
        return int(self.words[5])

    def held(self) -> list[ClaimEntry]:
        """What the group holds now."""
        return [ClaimEntry(*words) for words in self._entries() if words[0]]

    @property
    def strangers(self) -> int:
        """For how many messages that the group does not hold (any more) code of the user's may run."""
        return sum(code & _LIVE for token, _, code in self._entries() if not token)

    def _entries(self) -> Iterator[tuple[int, int, int]]:
        return struct.iter_unpack("QQQ", self._memory[8 * _FIXED :])

    def close(self) -> None:
        """Give the memory back."""
        self.words.release()
        self._memory.close()
