"""The notice board beside the file: who sleeps, who listens, and where to reach them.

A file of fixed size in the folder ``<file>-wake``, mapped into the memory of every process of the store. It has a
slot for each waiter and each subscription; slot *n* is reached at the datagram socket *n* in the same folder.
Whether anyone sleeps at all is one search through a thousand bytes of memory, so a producer that wakes nobody pays
next to nothing.

Layout: :data:`SLOTS` bytes of states, as many flags ("something could not be delivered"), then a record of
:data:`RECORD` bytes a slot: kind (1), lanes (1), number of queues (2), 4 unused, namespace (8), alarm (8), worker (8),
then what tells whom it concerns: the queues as 8 bytes each, or a filter of channels.

A slot is taken and freed under ``flock`` on the board; everything else is written without a lock. That is enough
because nothing here is more than a hint: the store's state is what counts, each sleeper looks at it after having
declared that it sleeps, each writer looks at the board after its commit, and once a second every sleeper looks anyway.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Final

from alsek.core.loggers import guarded_logger
from alsek.storage.backends.sqlite.wakeup.socket_folder import address_base, make_folder, open_up

if sys.platform != "win32":
    import fcntl

log = guarded_logger(__name__)

SLOTS: Final = 1024
RECORD: Final = 1024
_RECORDS: Final = 2 * SLOTS
_SIZE: Final = _RECORDS + SLOTS * RECORD

#: Where in a record the queues or the channels begin, and how many queues fit. More count as all queues.
_BODY: Final = 32
MOST_QUEUES: Final = (RECORD - _BODY) // 8
_FILTER_BITS: Final = (RECORD - _BODY) * 8

#: With the version of its layout.
BOARD: Final = "board-1"

FREE, AWAKE, ASLEEP, LISTENING = b"\0", b"\1", b"\2", b"\3"

ALL_QUEUES: Final = 0xFFFF
_TOO_MANY: Final = 0xFFFE
NO_ALARM: Final = 2**63 - 1

#: The receiver's buffer is full, or the datagram larger than any buffer.
_FULL: Final = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.EMSGSIZE})


def mark(name: str) -> bytes:
    """Eight bytes that stand for a name."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _make_room(descriptor: int) -> None:
    """Give the file its size, and all of it a place on the disk where the system can be asked for that (not on macOS).

    To write into a hole of a mapped file when the disk is full ends the process, by SIGBUS.

    Raises:
        OSError: The disk is full.
    """
    if sys.platform == "linux":
        os.posix_fallocate(descriptor, 0, _SIZE)
    else:
        os.ftruncate(descriptor, _SIZE)


class WakeupRegistry:
    """The board, and the sockets beside it, as one process sees them.

    Args:
        path: Of the database file, which exists.

    Raises:
        OSError: It can't be had here.
    """

    _closed = True  # until there is something to close

    def __init__(self, path: str) -> None:
        if sys.platform == "win32" or not hasattr(socket, "AF_UNIX"):
            raise OSError("this platform has no Unix datagram sockets")
        self._folder = make_folder(path)
        self._folder_fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._mode = Path(path).stat().st_mode & 0o666
        try:
            self._base = address_base(self._folder, self._folder_fd)
            # Made as 0o600 and opened up afterwards, whatever the umask is.
            self._fd = os.open(self._folder / BOARD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except BaseException:
            os.close(self._folder_fd)
            raise
        try:
            stat = os.fstat(self._fd)
            if stat.st_size < _SIZE or stat.st_blocks * 512 < _SIZE:
                _make_room(self._fd)
            if stat.st_size < _SIZE:
                open_up(self._folder / BOARD, self._mode)
            self._map = mmap.mmap(self._fd, _SIZE)
            self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        except BaseException:
            os.close(self._fd)
            os.close(self._folder_fd)
            raise
        self._out.setblocking(False)
        self._closed = False

    def close(self) -> None:
        """Let go of it; the slots that this process took are freed by those who took them."""
        if not self._closed:
            self._closed = True
            self._out.close()
            self._map.close()
            os.close(self._fd)
            os.close(self._folder_fd)

    def __del__(self) -> None:
        self.close()

    def is_current(self) -> bool:
        """Whether the board is still there, for others to see."""
        try:
            seen, own = (self._folder / BOARD).stat(), os.fstat(self._fd)
        except OSError:
            return False
        return (seen.st_dev, seen.st_ino) == (own.st_dev, own.st_ino)

    # --- slots -------------------------------------------------------------------------------------

    def take(self) -> tuple[int, socket.socket]:
        """A slot of one's own, and its socket.

        Raises:
            OSError: All are taken by living processes.
        """
        with self._locked():
            slot = self._map.find(FREE, 0, SLOTS)
            if slot < 0:
                slot = self._abandoned()
            ear = self._bind(slot)
            self._map[SLOTS + slot] = 0
            self._map[slot : slot + 1] = AWAKE
            return slot, ear

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Only one process at a time gives out slots. The lock ends with the process that holds it."""
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _bind(self, slot: int) -> socket.socket:
        place = self._folder / str(slot)
        place.unlink(missing_ok=True)  # of a process that died
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            ear.setblocking(False)
            ear.bind(f"{self._base}{slot}")
            open_up(place, self._mode)
        except BaseException:
            ear.close()
            raise
        return ear

    def _abandoned(self) -> int:
        for slot in range(SLOTS):
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
                    probe.connect(f"{self._base}{slot}")
            except (ConnectionRefusedError, FileNotFoundError):
                return slot
        raise OSError(f"all {SLOTS} places of {self._folder} are taken")

    def free(self, slot: int) -> None:
        """Give a slot back. Whoever sends to it learns that nobody is there."""
        with self._locked():
            (self._folder / str(slot)).unlink(missing_ok=True)
            self._map[slot : slot + 1] = FREE

    def _bury(self, slot: int) -> None:
        """Free the slot of a process that died, unless another one has taken it since."""
        with self._locked(), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(f"{self._base}{slot}")
            except (ConnectionRefusedError, FileNotFoundError):
                (self._folder / str(slot)).unlink(missing_ok=True)
                self._map[slot : slot + 1] = FREE

    def state(self, slot: int) -> bytes:
        """FREE, AWAKE, ASLEEP or LISTENING."""
        return self._map[slot : slot + 1]

    def set_state(self, slot: int, state: bytes) -> None:
        """Declare one's own state; or that a sleeper has been chosen."""
        self._map[slot : slot + 1] = state

    def next(self, state: bytes, start: int = 0) -> int:
        """The first slot from `start` on that is in this state; -1 if there is none."""
        return self._map.find(state, start, SLOTS)

    def send(self, slot: int, data: bytes) -> bool | None:
        """Send a datagram. False if its buffer is full or too small for this one: then it has, or will find, the
        flag that something got lost. None if it can't be reached; the slot of a process that died is freed."""
        try:
            self._out.sendto(data, f"{self._base}{slot}")
        except (ConnectionRefusedError, FileNotFoundError):
            self._bury(slot)
            return None
        except OSError as error:
            self._map[SLOTS + slot] = 1
            if error.errno in _FULL:
                return False
            log.debug("Could not reach %s/%d: %s", self._folder, slot, error)
            return None
        return True

    def lose(self, slot: int) -> None:
        """Note that something for this slot got lost."""
        self._map[SLOTS + slot] = 1

    def missed(self, slot: int) -> bool:
        """Whether something for this slot got lost since the last time one asked."""
        if self._map[SLOTS + slot]:
            self._map[SLOTS + slot] = 0
            return True
        return False

    # --- records -----------------------------------------------------------------------------------

    def describe_sleeper(
        self,
        slot: int,
        namespace: bytes,
        kind: int,
        queues: list[bytes] | None,
        lanes: int,
        alarm: int,
        worker: bytes,
    ) -> None:
        """Write what a sleeper may be woken for: see :meth:`concerns`, :meth:`alarm`."""
        if queues is None:
            count, body = ALL_QUEUES, b""
        elif len(queues) > MOST_QUEUES:
            count, body = _TOO_MANY, b""
        else:
            count, body = len(queues), b"".join(queues)
        head = bytes((kind, lanes)) + count.to_bytes(2, "little") + bytes(4)
        start = _RECORDS + slot * RECORD
        self._map[start : start + _BODY + len(body)] = (
            head + namespace + alarm.to_bytes(8, "little", signed=True) + worker + body
        )

    def namespace(self, slot: int) -> bytes:
        """Whose namespace a slot listens to, as a mark."""
        start = _RECORDS + slot * RECORD + 8
        return self._map[start : start + 8]

    def kind(self, slot: int) -> int:
        """Of a sleeper: which wish it serves besides any (0: all)."""
        return self._map[_RECORDS + slot * RECORD]

    def lanes(self, slot: int) -> int:
        """Of a sleeper: 1 if it may be given plain messages, 2 suspects, 3 both."""
        return self._map[_RECORDS + slot * RECORD + 1]

    def alarm(self, slot: int) -> int:
        """Of a sleeper: when it will wake by itself."""
        start = _RECORDS + slot * RECORD + 16
        return int.from_bytes(self._map[start : start + 8], "little", signed=True)

    def worker(self, slot: int) -> bytes:
        """Of a sleeper: the mark of its name."""
        start = _RECORDS + slot * RECORD + 24
        return self._map[start : start + 8]

    def is_sure(self, slot: int) -> bool:
        """Of a sleeper: whether :meth:`drains` is sure; it is not if its queues were too many to write down."""
        return self._queue_count(slot) != _TOO_MANY

    def takes_all(self, slot: int) -> bool:
        """Of a sleeper: whether it takes from all queues, and names none."""
        return self._queue_count(slot) == ALL_QUEUES

    def _queue_count(self, slot: int) -> int:
        start = _RECORDS + slot * RECORD + 2
        return int.from_bytes(self._map[start : start + 2], "little")

    def drains(self, slot: int, queue: bytes) -> bool:
        """Of a sleeper: whether it drains this queue."""
        start = _RECORDS + slot * RECORD
        count = self._queue_count(slot)
        if count >= _TOO_MANY:
            return True
        body, end = start + _BODY, start + _BODY + 8 * count
        found = self._map.find(queue, body, end)
        while found >= 0 and (found - body) % 8:
            found = self._map.find(queue, found + 1, end)
        return found >= 0

    def describe_listener(self, slot: int, namespace: bytes, channels: list[bytes]) -> None:
        """Write which channels a listener wants: a filter that lets some others through, and none of these out."""
        bits = bytearray(RECORD - _BODY)
        for channel in channels:
            place = int.from_bytes(channel, "little") % _FILTER_BITS
            bits[place >> 3] |= 1 << (place & 7)
        start = _RECORDS + slot * RECORD
        self._map[start : start + RECORD] = bytes(8) + namespace + bytes(16) + bytes(bits)

    def wants(self, slot: int, channel: bytes) -> bool:
        """Of a listener: whether it may want what is published on this channel."""
        place = int.from_bytes(channel, "little") % _FILTER_BITS
        return bool(self._map[_RECORDS + slot * RECORD + _BODY + (place >> 3)] >> (place & 7) & 1)
